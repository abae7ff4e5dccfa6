//! Stored facts with personal values: the values are apart, with a random salt, and the rest has their hash. So the values can be erased,
//! and a hash over the rest still shows that nothing else was changed.

use std::cell::RefCell;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::cdr::fact::Fact;
use crate::cdr::personal::{self, Number, Object, PERSONAL, SALT, SEALED};

use super::nul::{NUL, without_nul};

const SALT_BYTES: usize = 16;
/// Random bytes that are fetched at a time.
const RANDOM_BYTES: usize = 4_096;

/// What a stored fact shows about its personal values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seal {
    /// There are none, or they are not apart: a fact of an earlier version.
    Missing,
    Whole,
    Erased,
    /// They are not those that were written.
    Broken,
}

/// Appends the JSON of a fact, with its personal values apart.
pub(super) fn write(buffer: &mut Vec<u8>, fact: &Fact) -> serde_json::Result<()> {
    match apart(fact)? {
        Some(stored) => serde_json::to_writer(buffer, &stored),
        None => serde_json::to_writer(buffer, fact),
    }
}

/// The JSON of a fact, with its personal values apart.
pub(super) fn text(fact: &Fact) -> serde_json::Result<String> {
    match apart(fact)? {
        Some(stored) => serde_json::to_string(&stored),
        None => serde_json::to_string(fact),
    }
}

/// None if the fact has no personal values, or if the machine has no random numbers: a fact is not lost for want of a salt.
fn apart(fact: &Fact) -> serde_json::Result<Option<Object>> {
    let Some((mut stored, mut personal)) = personal::split(fact)? else { return Ok(None) };
    let Some(salt) = salt() else { return Ok(None) };
    personal.insert(SALT.to_owned(), Value::String(salt));
    stored.insert(SEALED.to_owned(), Value::String(hash(&personal)?));
    stored.insert(PERSONAL.to_owned(), Value::Object(personal));
    Ok(Some(stored))
}

/// A new salt. None if the machine has no random numbers.
fn salt() -> Option<String> {
    thread_local! {
        static RANDOM: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    RANDOM.with_borrow_mut(|random| {
        if random.len() < SALT_BYTES {
            random.resize(RANDOM_BYTES, 0);
            if getrandom::fill(random).is_err() {
                random.clear();
            }
        }
        let salt = random.split_off(random.len().checked_sub(SALT_BYTES)?);
        Some(BASE64URL_NOPAD.encode(&salt))
    })
}

/// The hash of personal values with their salt. The databases cannot store NUL and have U+FFFD in its place.
fn hash(personal: &Object) -> serde_json::Result<String> {
    let mut text = serde_json::to_string(personal)?;
    if text.contains(NUL) {
        text = serde_json::to_string(&serde_json::from_str::<Value>(&without_nul(text))?)?;
    }
    Ok(BASE64URL_NOPAD.encode(&Sha256::digest(text)))
}

/// Checks the personal values of a stored fact against their hash.
pub fn check(json: &str) -> Seal {
    let Ok(stored) = serde_json::from_str::<Object>(json) else { return Seal::Missing };
    match (stored.get(SEALED).and_then(Value::as_str), stored.get(PERSONAL)) {
        (None, None) => Seal::Missing,
        (Some(_), None) => Seal::Erased,
        (Some(sealed), Some(Value::Object(personal))) if hash(personal).is_ok_and(|hash| hash == sealed) => Seal::Whole,
        (_, Some(_)) => Seal::Broken,
    }
}

/// The hash of a stored fact: SHA-256 of the rest and of the hash of the personal values, in hexadecimal digits. An erasure does not change
/// it. None if the text is no fact.
pub fn fact_hash(json: &str) -> Option<String> {
    let mut stored: Object = serde_json::from_str(json).ok()?;
    stored.remove(PERSONAL);
    let sealed = stored.remove(SEALED);
    let rest = without_nul(serde_json::to_string(&stored).ok()?);
    let mut sum = Sha256::new();
    sum.update(rest);
    sum.update(sealed.as_ref().and_then(Value::as_str).unwrap_or_default());
    Some(HEXLOWER.encode(&sum.finalize()))
}

/// A stored fact without its personal values. None if it has none.
pub fn erase(json: &str) -> Option<String> {
    let mut stored: Object = serde_json::from_str(json).ok()?;
    if !stored.contains_key(SEALED) {
        // A fact of an earlier version. Its salt is erased at once.
        stored = apart(&Fact::read(json.as_bytes())?).ok()??;
    }
    stored.remove(PERSONAL)?;
    serde_json::to_string(&stored).ok()
}

/// The personal values of a stored fact, without the salt. None if it has none.
pub fn values(json: &str) -> Option<Object> {
    let mut stored: Object = serde_json::from_str(json).ok()?;
    let mut personal = match stored.remove(PERSONAL) {
        Some(Value::Object(personal)) => personal,
        Some(_) => return None,
        None if stored.contains_key(SEALED) => return None,
        None => personal::split(&Fact::read(json.as_bytes())?).ok()??.1,
    };
    personal.remove(SALT);
    Some(personal)
}

/// True if the personal values of a stored fact have this number.
pub fn mentions(json: &str, number: &Number) -> bool {
    // Most facts do not even have its last digits; dates and ids have digits too.
    let digits = number.digits();
    let last = digits.get(digits.len().saturating_sub(PREFILTER_DIGITS)..).unwrap_or(digits);
    let all: Vec<u8> = json.bytes().filter(u8::is_ascii_digit).collect();
    memchr::memmem::find(&all, last.as_bytes()).is_some()
        && values(json).is_some_and(|values| number.is_in_values(&Value::Object(values)))
}

/// So many last digits are looked for before a fact is parsed.
const PREFILTER_DIGITS: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cdr::fact::{Callee, Class, FactId, FactKind};
    use crate::clock::Timestamp;
    use crate::ids::{CallId, LegNo, OperatorId, Rng};

    const NUMBER: &str = "+6281234567890";

    fn fact(kind: FactKind) -> Fact {
        let at = Timestamp::from_millis(1_764_600_000_000);
        let call = CallId::new(at, &mut Rng::from_number(7));
        Fact { id: FactId { stream: call, seq: 3 }, call: Some(call), at, up: None, kind }
    }

    fn personal_kinds() -> Vec<FactKind> {
        let location = serde_json::json!({
            "kind": "located",
            "location": {
                "source": "access-network",
                "shape": { "shape": "point", "latitude": -5.113_8, "longitude": 106.841_805_555_555_55 },
                "civic": { "A3": "Iringmulyo" },
                "raw": "cell of +62 812 3456 7890",
            }
        });
        let by = OperatorId::parse("siti").unwrap();
        vec![
            FactKind::Received {
                trunk: "telco".to_owned(),
                asserted: Some(NUMBER.to_owned()),
                presented: None,
                called: "112".to_owned(),
                sip_call_id: "x@host".to_owned(),
                headers: vec!["History-Info: <sip:081234567890@x>".to_owned()],
                mode: Default::default(),
                internal: None,
            },
            serde_json::from_value(location).unwrap(),
            FactKind::Disposed {
                class: Class::Normal,
                category: Some("fire".to_owned()),
                note: Some("call 0812 3456 7890\0 back".to_owned()),
                by: "siti".to_owned(),
                agency: None,
            },
            FactKind::Digit { leg: LegNo(0), digit: '1' },
            FactKind::Chosen { digit: '1', text: "ambulance".to_owned(), waiting: false },
            FactKind::CallerMarked { number: NUMBER.to_owned(), until: None, by: "siti".to_owned() },
            FactKind::Placed {
                by: by.clone(),
                to: Callee::Number(NUMBER.to_owned()),
                sip_call_id: String::new(),
                of: None,
                ordered_by: None,
            },
            FactKind::GuestJoined {
                leg: LegNo(3),
                who: Callee::Number(NUMBER.to_owned()),
                role: crate::cdr::fact::Role::Guest,
            },
        ]
    }

    #[test]
    fn a_fact_is_read_back_whole_and_without_its_values_once_they_are_erased() {
        for kind in personal_kinds() {
            let fact = fact(kind);
            let json = text(&fact).unwrap();
            assert_eq!(Fact::read(json.as_bytes()).as_ref(), Some(&fact), "{json}");
            assert_eq!(check(&json), Seal::Whole, "{json}");
            let erased = erase(&json).unwrap();
            assert!(erased.len() < json.len());
            assert_eq!(check(&erased), Seal::Erased, "{erased}");
            let left = Fact::read(erased.as_bytes()).unwrap_or_else(|| panic!("{erased} cannot be read"));
            assert_eq!((left.id, left.at, left.kind.word()), (fact.id, fact.at, fact.kind.word()));
            for value in [NUMBER, "081234567890", "3456", "106.84", "Iringmulyo", "ambulance", "\"1\""] {
                assert!(!erased.contains(value), "{value} is in {erased}");
            }
            assert_eq!(fact_hash(&erased), fact_hash(&json), "the rest is unchanged");
            assert_eq!(erase(&erased), None);
        }
    }

    #[test]
    fn a_fact_of_an_earlier_version_is_erased_too() {
        for kind in personal_kinds() {
            let fact = fact(kind);
            let json = serde_json::to_string(&fact).unwrap();
            assert_eq!(check(&json), Seal::Missing);
            let (apart, erased) = (text(&fact).unwrap(), erase(&json).unwrap());
            assert_eq!(Fact::read(erased.as_bytes()), Fact::read(erase(&apart).unwrap().as_bytes()));
            assert_eq!(check(&erased), Seal::Erased);
        }
    }

    #[test]
    fn a_changed_value_or_salt_or_hash_is_found() {
        let json = text(&fact(personal_kinds().remove(0))).unwrap();
        assert_eq!(check(&json.replace("+6281234567890", "+6281234567891")), Seal::Broken);
        let stored: Object = serde_json::from_str(&json).unwrap();
        let salt = stored[PERSONAL][SALT].as_str().unwrap();
        assert_eq!(check(&json.replace(salt, "AAAAAAAAAAAAAAAAAAAAAA")), Seal::Broken);
        assert_eq!(check(&json.replace("\"sealed\"", "\"ignored\"")), Seal::Broken);
        assert_ne!(fact_hash(&json), fact_hash(&json.replace("telco", "other")));
    }

    #[test]
    fn the_same_fact_has_another_salt_each_time() {
        let fact = fact(personal_kinds().remove(0));
        assert_ne!(text(&fact).unwrap(), text(&fact).unwrap());
    }

    #[test]
    fn nul_in_a_value_changes_to_what_the_databases_store() {
        let json = text(&fact(personal_kinds().remove(2))).unwrap();
        assert!(json.contains("\\u0000"));
        assert_eq!(check(&json.replace("\\u0000", "\u{fffd}")), Seal::Whole);
        assert_eq!(check(&json.replace("\\u0000", "\\ufffd")), Seal::Whole);
    }

    #[test]
    fn an_operator_who_answers_is_no_personal_value() {
        let by = Callee::Operator(OperatorId::parse("siti").unwrap());
        let fact = fact(FactKind::Answered { leg: LegNo(2), by });
        assert_eq!(text(&fact).unwrap(), serde_json::to_string(&fact).unwrap());
        assert_eq!(erase(&text(&fact).unwrap()), None);
    }

    #[test]
    fn a_number_is_looked_for_in_personal_values_only() {
        let number = Number::parse("0812-3456-7890").unwrap();
        let found: Vec<bool> =
            personal_kinds().into_iter().map(|kind| mentions(&text(&fact(kind)).unwrap(), &number)).collect();
        assert_eq!(found, [true, true, true, false, false, true, true, true]);
        let at = Number::parse("1764600000000").unwrap();
        assert!(!mentions(&text(&fact(personal_kinds().remove(0))).unwrap(), &at), "a time is no number");
    }
}
