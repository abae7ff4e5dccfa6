//! The personal values of facts: numbers, locations, notes and pressed digits. Journal and database keep them apart from the rest of a
//! fact, in the JSON object `personal`, so that they can be erased and the rest stays as it was (docs/operate/privacy.md).

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::apart::ERASED;
use super::fact::{Callee, Fact, FactKind};

pub use super::apart::{Object, PERSONAL, SALT, SEALED, join};

/// What is left in the place of a personal value; None: the field is left out.
type Rest = Option<fn(&Value) -> Value>;

/// The fields with personal values of a kind of fact, each with what is left in its place.
const fn fields(kind: &FactKind) -> &'static [(&'static str, Rest)] {
    match kind {
        FactKind::Received { .. } => &[("asserted", None), ("presented", None), ("headers", None)],
        FactKind::Located { .. } => &[("location", Some(erased_location))],
        FactKind::Disposed { .. } => &[("note", None)],
        FactKind::Digit { .. } => &[("digit", Some(erased_digit))],
        FactKind::Chosen { .. } => &[("digit", Some(erased_digit)), ("text", Some(empty))],
        FactKind::CallerMarked { .. } => &[("number", Some(empty))],
        FactKind::Commanded { .. } => &[("of", Some(empty))],
        FactKind::Offered { .. }
        | FactKind::OfferEnded { .. }
        | FactKind::TransferAsked { .. }
        | FactKind::TransferDone { .. }
        | FactKind::TransferFailed { .. }
        | FactKind::Placed { .. } => &[("to", Some(erased_number))],
        FactKind::Answered { .. } => &[("by", Some(erased_number))],
        FactKind::GuestJoined { .. } | FactKind::GuestLeft { .. } | FactKind::LeadLeft { .. } => {
            &[("who", Some(erased_number))]
        }
        FactKind::CallerKnown { .. }
        | FactKind::Queued { .. }
        | FactKind::Announced { .. }
        | FactKind::Ringing { .. }
        | FactKind::OperatorLost { .. }
        | FactKind::TransferorLeft { .. }
        | FactKind::TakenOver { .. }
        | FactKind::Ended { .. }
        | FactKind::WrappedUp { .. }
        | FactKind::CalledBack { .. }
        | FactKind::CallBackLost
        | FactKind::Recorded { .. }
        | FactKind::RecordingFailed { .. }
        | FactKind::Sound { .. }
        | FactKind::NobodyOnShift
        | FactKind::Held { .. }
        | FactKind::Resumed { .. }
        | FactKind::SessionExpired { .. }
        | FactKind::SilentLegPresent { .. }
        | FactKind::SilentAsked { .. }
        | FactKind::Breach { .. }
        | FactKind::Erased { .. }
        | FactKind::Started { .. }
        | FactKind::Stopped
        | FactKind::ModeSet { .. }
        | FactKind::OperatorState { .. }
        | FactKind::Stationed { .. }
        | FactKind::PinRefused { .. }
        | FactKind::PasswordGuessed { .. } => &[],
    }
}

fn empty(_: &Value) -> Value {
    json!("")
}

fn erased_digit(_: &Value) -> Value {
    json!("?")
}

fn erased_number(_: &Value) -> Value {
    json!({ "number": "" })
}

/// What figures count stays: the source, and whether there was a position.
fn erased_location(location: &Value) -> Value {
    let [without, with] = ERASED;
    let had_position = location.get("shape").is_some_and(|shape| !shape.is_null());
    json!({ "source": location.get("source"), "raw": "", "fault": if had_position { with } else { without } })
}

/// True for a value that says something about a person. Operators and queues are named by other values than numbers.
fn is_personal(field: &str, value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty() && !(matches!(field, "to" | "by" | "who")),
        Value::Array(values) => !values.is_empty(),
        Value::Object(fields) => field == "location" || fields.contains_key("number"),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

/// True if a fact may have personal values; cheaper than a look at its JSON.
fn may_have(kind: &FactKind) -> bool {
    if let FactKind::Offered { to: who, .. }
    | FactKind::OfferEnded { to: who, .. }
    | FactKind::Placed { to: who, .. }
    | FactKind::Answered { by: who, .. }
    | FactKind::GuestJoined { who, .. }
    | FactKind::GuestLeft { who, .. }
    | FactKind::LeadLeft { who, .. } = kind
    {
        return matches!(who, Callee::Number(_));
    }
    !fields(kind).is_empty()
}

/// A fact in two parts: the rest, and the personal values. None if it has no personal value.
pub fn split(fact: &Fact) -> serde_json::Result<Option<(Object, Object)>> {
    if !may_have(&fact.kind) {
        return Ok(None);
    }
    let Value::Object(mut rest) = serde_json::to_value(fact)? else { return Ok(None) };
    let mut personal = Object::new();
    for (field, left) in fields(&fact.kind) {
        let Some(value) = rest.remove(*field) else { continue };
        if !is_personal(field, &value) {
            rest.insert((*field).to_owned(), value);
            continue;
        }
        if let Some(left) = left {
            rest.insert((*field).to_owned(), left(&value));
        }
        personal.insert((*field).to_owned(), value);
    }
    Ok((!personal.is_empty()).then_some((rest, personal)))
}

/// A number as it is compared: its digits, without the signs and zeros that a person may write in front of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number {
    digits: String,
    /// Written with `+` or `00`: the digits begin with a country code.
    has_country: bool,
}

/// Digits of the shortest number that is looked for: shorter ones would be found in other numbers.
const DIGITS_MIN: usize = 6;
/// Digits of the longest country code.
const COUNTRY_DIGITS_MAX: usize = 3;
/// Zeros in front of a country code.
const PREFIX_DIGITS_MAX: usize = 2;
/// Characters that may be between the digits of a number.
const SEPARATORS: [char; 7] = [' ', '-', '.', '(', ')', '/', '\u{a0}'];

impl Number {
    /// None if there are too few digits, or other characters than those of a number.
    pub fn parse(text: &str) -> Option<Self> {
        let is_of_number = |c: char| c.is_ascii_digit() || c == '+' || SEPARATORS.contains(&c);
        let all: String = text.chars().filter(char::is_ascii_digit).collect();
        let digits = all.trim_start_matches('0').to_owned();
        let has_country = text.trim_start().starts_with('+') || all.starts_with("00");
        (text.chars().all(is_of_number) && digits.len() >= DIGITS_MIN).then_some(Self { digits, has_country })
    }

    /// The digits that are compared.
    pub fn digits(&self) -> &str {
        &self.digits
    }

    /// True if the digits are those of this number, with or without the country code.
    fn is(&self, written: &str) -> bool {
        let found = written.trim_start_matches('0');
        let (own, more) = (self.digits.as_str(), found.len().abs_diff(self.digits.len()));
        match found.len().cmp(&own.len()) {
            Ordering::Equal => found == own,
            Ordering::Greater => !self.has_country && more <= COUNTRY_DIGITS_MAX && found.ends_with(own),
            Ordering::Less => {
                let is_long_enough = more <= COUNTRY_DIGITS_MAX && found.len() >= DIGITS_MIN;
                self.has_country && written.starts_with('0') && is_long_enough && own.ends_with(found)
            }
        }
    }

    /// True if a text has this number, in any form.
    pub fn is_in(&self, text: &str) -> bool {
        let is_of_number = |c: char| c.is_ascii_digit() || c == '+' || SEPARATORS.contains(&c);
        text.split(|c| !is_of_number(c)).any(|run| self.is_in_run(run))
    }

    /// True if neighbouring groups of digits are this number: other numbers may stand beside it.
    fn is_in_run(&self, run: &str) -> bool {
        let groups: Vec<&str> = run.split(|c: char| !c.is_ascii_digit()).filter(|group| !group.is_empty()).collect();
        let longest = self.digits.len() + COUNTRY_DIGITS_MAX + PREFIX_DIGITS_MAX;
        (0..groups.len()).any(|first| {
            let mut joined = String::new();
            for group in groups.iter().skip(first) {
                joined.push_str(group);
                if joined.len() > longest {
                    return false;
                }
                if self.is(&joined) {
                    return true;
                }
            }
            false
        })
    }

    /// True if a text of the values has this number.
    pub fn is_in_values(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => self.is_in(text),
            Value::Array(values) => values.iter().any(|value| self.is_in_values(value)),
            Value::Object(fields) => fields.values().any(|value| self.is_in_values(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }
}

/// Fewer digits are a date, or the number of a case.
const MASKED_DIGITS_MIN: usize = 8;

/// A text without numbers of persons, for logs that are never erased: the digits are masked.
pub fn without_numbers(text: &str) -> String {
    let is_of_number = |c: char| c.is_ascii_digit() || c == '+' || SEPARATORS.contains(&c);
    let mut masked = String::with_capacity(text.len());
    for run in text.split_inclusive(|c| !is_of_number(c)) {
        let is_number = run.chars().filter(char::is_ascii_digit).count() >= MASKED_DIGITS_MIN;
        masked.extend(run.chars().map(|c| if is_number && c.is_ascii_digit() { '*' } else { c }));
    }
    masked
}

/// Whose values an erasure of a whole call removes, besides those with the number in question: the caller's.
pub const fn is_of_caller(kind: &FactKind) -> bool {
    matches!(
        kind,
        FactKind::Received { .. }
            | FactKind::Located { .. }
            | FactKind::Disposed { .. }
            | FactKind::Digit { .. }
            | FactKind::Chosen { .. }
            | FactKind::Placed { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_in_every_form_and_in_no_other_number() {
        let number = Number::parse("0812-3456-7890").unwrap();
        for text in [
            "+6281234567890",
            "081234567890",
            "6281234567890",
            "0062 812 3456 7890",
            "<sip:+6281234567890@ims.telco.example;user=phone>",
            "anak dari 0812 3456 7890, sudah dihubungi",
            "tel:+62-812-3456-7890",
            "+6281234567890 24 h",
            "12 81234567890 9",
            "1. 0812 3456 7890",
        ] {
            assert!(number.is_in(text), "{text}");
        }
        for text in
            ["+62812345678901", "081234567891", "34567890", "1764567890123", "", "08 12345678 91", "12:0812345678"]
        {
            assert!(!number.is_in(text), "{text}");
        }
    }

    #[test]
    fn numbers_in_a_text_are_masked_and_short_ones_stay() {
        let masked = without_numbers("pengaduan +62 812-3456-7890, perkara 12/2026");
        assert_eq!(masked, "pengaduan +** ***-****-****, perkara 12/2026");
        assert_eq!(without_numbers("0812345678"), "**********");
    }

    #[test]
    fn a_text_that_is_no_number_is_not_looked_for() {
        for text in ["", "112", "0-1234", "anonymous", "+62 812 x"] {
            assert_eq!(Number::parse(text), None, "{text}");
        }
        assert_eq!(Number::parse("+62 725 123456").unwrap().digits(), "62725123456");
    }

    #[test]
    fn a_number_with_its_country_is_found_in_its_national_form() {
        let number = Number::parse("+6281234567890").unwrap();
        assert!(number.is_in("081234567890") && number.is_in("+62 812 3456 7890") && number.is_in("006281234567890"));
        assert!(!number.is_in("81234567890") && !number.is_in("+16281234567890") && !number.is_in("0234567890"));
    }
}
