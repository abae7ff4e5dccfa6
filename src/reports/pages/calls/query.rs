//! What the query of an address asks for: period, filter, columns and page.

use std::ops::Range;

use jiff::tz::TimeZone;

use crate::clock::Timestamp;
use crate::reports::pages::choice::Choice;
use crate::reports::period::Period;
use crate::store::call_search::{CallFilter, CallKey, Exercises, From};
use crate::web::frame::encoded;
use crate::web::visitor::Fields;

/// The fields that choose calls, in the order in which addresses have them.
pub(super) const FILTER: [&str; 20] = [
    "period",
    "from",
    "to",
    "from-time",
    "to-time",
    "number",
    "operator",
    "desk",
    "trunk",
    "outcome",
    "class",
    "category",
    "agency",
    "mode",
    "wait-min",
    "wait-max",
    "talk-min",
    "talk-max",
    "note",
    "exercises",
];
/// In an address, a value that is empty in records.
pub(in crate::reports::pages) const NONE: &str = "-";
const TEXT_CHARS_MAX: usize = 200;
/// Characters of one value, and of a whole query, in the access log.
const LOGGED_VALUE_CHARS_MAX: usize = 80;
const LOGGED_CHARS_MAX: usize = 500;

/// A query that was read.
#[derive(Clone, Debug)]
pub(in crate::reports::pages) struct Query {
    pub choice: Choice,
    pub filter: CallFilter,
    pub from: From,
    /// The fields that could not be read; their conditions are left out.
    pub faults: Vec<&'static str>,
    /// The fields of `FILTER` that are not empty.
    given: Vec<(&'static str, String)>,
}

impl Query {
    /// Reads a query. None only if the clock shows a time that no calendar has.
    pub(in crate::reports::pages) fn of(fields: &Fields, zone: &TimeZone, now: Timestamp) -> Option<Self> {
        let mut faults = Vec::new();
        let choice = match Choice::of(fields, zone, now) {
            Some(choice) => choice,
            None => {
                faults.push("period");
                Choice::of(&Fields::default(), zone, now)?
            }
        };
        let span = with_times(&choice, fields, zone, now).unwrap_or_else(|| {
            faults.push("from-time");
            choice.period.span.clone()
        });
        let some = |name: &str| Some(fields.get(name)).filter(|value| !value.is_empty()).map(value_of);
        let mut limit = |name: &'static str| {
            let text = fields.get(name).trim();
            let read = seconds(text);
            if read.is_none() && !text.is_empty() {
                faults.push(name);
            }
            read
        };
        let waited_ms = (limit("wait-min"), limit("wait-max"));
        let talk_ms = (limit("talk-min"), limit("talk-max"));
        let text = |name: &str| fields.get(name).trim().chars().take(TEXT_CHARS_MAX).collect::<String>();
        let filter = CallFilter {
            number: text("number"),
            operator: some("operator"),
            desk: some("desk"),
            trunk: some("trunk"),
            outcomes: fields.get("outcome").split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect(),
            class: some("class"),
            category: some("category"),
            agency: some("agency"),
            mode: some("mode"),
            waited_ms,
            talk_ms,
            note: text("note"),
            exercises: match fields.get("exercises") {
                "with" => Exercises::With,
                "only" => Exercises::Only,
                _ => Exercises::Without,
            },
            ..CallFilter::of(span)
        };
        let from = match (key(fields.get("after")), key(fields.get("before"))) {
            (Some(key), _) => From::OlderThan(key),
            (None, Some(key)) => From::NewerThan(key),
            (None, None) => From::Newest,
        };
        let given = FILTER.into_iter().map(|name| (name, fields.get(name).to_owned()));
        let given = given.filter(|(_, value)| !value.is_empty()).collect();
        Some(Self { choice, filter, from, faults, given })
    }

    /// The query again, with more fields.
    pub(in crate::reports::pages) fn address(&self, more: &[(&str, &str)]) -> String {
        let own = self.given.iter().map(|(name, value)| (*name, value.as_str()));
        let pairs = own.chain(more.iter().copied()).map(|(name, value)| format!("{name}={}", encoded(value)));
        pairs.collect::<Vec<_>>().join("&")
    }

    /// The value of a field as it was given; empty if it was not.
    pub(in crate::reports::pages) fn given(&self, name: &str) -> &str {
        self.given.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }

    /// What the access log keeps of the query: never a whole number, and no text of a note.
    pub(in crate::reports::pages) fn for_log(&self) -> String {
        let kept = self.given.iter().map(|(name, value)| match *name {
            "number" => format!("number={}", shortened(value)),
            "note" => "note=…".to_owned(),
            name => format!("{name}={}", cut(value, LOGGED_VALUE_CHARS_MAX)),
        });
        cut(&kept.collect::<Vec<_>>().join(" "), LOGGED_CHARS_MAX)
    }

    /// Only calls of this operator in this time.
    pub(super) fn restrict(&mut self, operator: &str, span: Range<Timestamp>) {
        self.filter.operator = Some(operator.to_owned());
        self.filter.received = span;
        self.given.retain(|(name, _)| !["operator", "period", "from", "to", "from-time", "to-time"].contains(name));
    }
}

/// The first characters of a text, with a mark if there are more.
fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// A number of which only the last three characters are shown.
pub(in crate::reports::pages) fn shortened(number: &str) -> String {
    let last: Vec<char> = number.chars().rev().take(3).collect();
    if number.chars().count() <= 3 {
        "…".to_owned()
    } else {
        format!("…{}", last.into_iter().rev().collect::<String>())
    }
}

/// The value that records have.
fn value_of(text: &str) -> String {
    if text == NONE { String::new() } else { text.to_owned() }
}

/// The period with times of day, if there are any; None if they cannot be read.
fn with_times(choice: &Choice, fields: &Fields, zone: &TimeZone, now: Timestamp) -> Option<Range<Timestamp>> {
    let (first, last) = (fields.get("from-time"), fields.get("to-time"));
    if first.is_empty() && last.is_empty() {
        return Some(choice.period.span.clone());
    }
    let at = |day: jiff::civil::Date, time: &str| {
        if time.is_empty() { day.to_string() } else { format!("{day}T{time}") }
    };
    let (from, to) = (at(choice.days.0, first), at(choice.days.1, last));
    Period::parse(Some(&from), Some(&to), zone, now).ok().map(|period| period.span)
}

/// Seconds as milliseconds: `75`, `4.999`, `4,999`, `1:15`. None if it is empty or cannot be read.
fn seconds(text: &str) -> Option<u64> {
    let (minutes, rest) = text.split_once(':').unwrap_or(("0", text));
    let (whole, part) = rest.split_once(['.', ',']).unwrap_or((rest, ""));
    let digits = |text: &str| text.len() <= 9 && text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(minutes) || !digits(whole) || !digits(part) || part.len() > 3 {
        return None;
    }
    let part: u64 = if part.is_empty() { 0 } else { format!("{part:0<3}").parse().ok()? };
    let (minutes, whole): (u64, u64) = (minutes.parse().ok()?, whole.parse().ok()?);
    Some((minutes * 60 + whole) * 1_000 + part)
}

/// The text of a place in the order of arrival, for addresses.
pub(super) fn key_text(key: &CallKey) -> String {
    format!("{}.{}", key.received.as_millis(), key.call)
}

fn key(text: &str) -> Option<CallKey> {
    let (received, call) = text.split_once('.')?;
    let received = Timestamp::from_millis(received.parse().ok()?);
    let is_id = call.len() == 36 && call.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    is_id.then(|| CallKey { received, call: call.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Saturday, 28 November 2026, 14:02 in Jakarta.
    const NOW: i64 = 1_795_849_327_000;

    fn read(query: &str) -> Query {
        let zone = TimeZone::get("Asia/Jakarta").unwrap();
        Query::of(&Fields::read(query.as_bytes()), &zone, Timestamp::from_millis(NOW)).unwrap()
    }

    #[test]
    fn every_field_becomes_a_condition() {
        let query = read(
            "period=yesterday&number=0812&operator=budi&desk=-&outcome=failed,interrupted&class=-&category=Kebakaran\
             &agency=Damkar&mode=normal&wait-min=1:00.5&wait-max=90&talk-min=4,999&note=Api&exercises=only",
        );
        assert_eq!(query.faults, [""; 0]);
        let expected = CallFilter {
            number: "0812".to_owned(),
            operator: Some("budi".to_owned()),
            desk: Some(String::new()),
            outcomes: vec!["failed".to_owned(), "interrupted".to_owned()],
            class: Some(String::new()),
            category: Some("Kebakaran".to_owned()),
            agency: Some("Damkar".to_owned()),
            mode: Some("normal".to_owned()),
            waited_ms: (Some(60_500), Some(90_000)),
            talk_ms: (Some(4_999), None),
            note: "Api".to_owned(),
            exercises: Exercises::Only,
            ..CallFilter::of(query.choice.period.span.clone())
        };
        assert_eq!(query.filter, expected);
        let again = read(&query.address(&[]));
        assert_eq!(again.filter, expected, "an address leads to the same calls");
        assert_eq!(query.address(&[("after", "1.x")]).split('&').next_back(), Some("after=1.x"));
    }

    #[test]
    fn times_of_day_cut_the_period() {
        let query = read("from=2026-11-28&to=2026-11-28&from-time=19:41&to-time=19:45");
        let span = &query.filter.received;
        assert_eq!(span.end.as_millis() - span.start.as_millis(), 4 * 60_000);
        assert_eq!(span.start.as_millis() - query.choice.period.span.start.as_millis(), (19 * 60 + 41) * 60_000);
    }

    #[test]
    fn what_cannot_be_read_is_named_and_left_out() {
        for (query, fault) in [
            ("from=28-11-2026", "period"),
            ("wait-min=x", "wait-min"),
            ("talk-max=-1", "talk-max"),
            ("wait-max=1:2:3", "wait-max"),
            ("from-time=25:00", "from-time"),
        ] {
            assert_eq!(read(query).faults, [fault], "{query}");
        }
        for bad in ["after=", "after=x", "after=1.../../etc/passwd", "after=1.<script>"] {
            assert_eq!(read(bad).from, From::Newest, "{bad}");
        }
    }

    #[test]
    fn the_access_log_gets_no_whole_number_and_no_note() {
        let logged = read("number=081234567890&note=rahasia&operator=budi").for_log();
        assert_eq!(logged, "number=…890 operator=budi note=…");
        assert_eq!(shortened("890"), "…");
    }
}
