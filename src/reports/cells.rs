//! The columns of files about calls, and the cells of each call with their kinds. CSV and XLSX have the same columns.

use crate::cdr::Cdr;
use crate::cdr::fact::{Callee, Class, EndCause, OfferOutcome, Side};
use crate::clock::Timestamp;

use super::abandoned::Missed;
use super::offers_text;

pub(super) const CALL: [&str; 32] = [
    "call",
    "received",
    "answered",
    "ended",
    "waited_ms",
    "talk_ms",
    "wrap_ms",
    "trunk",
    "asserted",
    "presented",
    "called",
    "location",
    "latitude",
    "longitude",
    "operator",
    "fallback_number",
    "returned",
    "offers",
    "offers_detail",
    "ended_by",
    "cause",
    "sip_status",
    "q850",
    "outcome",
    "class",
    "category",
    "recording",
    "recording_sha256",
    "sip_call_id",
    "desk",
    "choices",
    "agency_number",
];

pub(super) const ABANDONED: [&str; 10] =
    ["number", "calls", "short", "first", "last", "longest_wait_ms", "call_backs", "outcome", "by", "answered_later"];

/// The kind of a column; every cell may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Count,
    Decimal,
    Duration,
    PerMille,
    Yes,
    Time,
}

/// The kinds of `CALL`.
pub(super) const CALL_KINDS: [Kind; CALL.len()] = {
    use Kind::{Count, Decimal, Duration, Text, Time};
    [
        Text, Time, Time, Time, Duration, Duration, Duration, Text, Text, Text, Text, Text, Decimal, Decimal, Text,
        Text, Count, Count, Text, Text, Text, Count, Count, Text, Text, Text, Text, Text, Text, Text, Text, Text,
    ]
};

/// The kinds of `ABANDONED`.
pub(super) const ABANDONED_KINDS: [Kind; ABANDONED.len()] = {
    use Kind::{Count, Duration, Text, Time};
    [Text, Count, Count, Time, Time, Duration, Count, Text, Text, Time]
};

/// A value with its kind.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    None,
    /// May come from a caller.
    Text(String),
    Count(u64),
    Decimal(f64),
    /// Milliseconds.
    Duration(u64),
    /// Tenths of a per cent.
    PerMille(u64),
    Yes(bool),
    Time(Timestamp),
}

impl Cell {
    fn word(word: Option<&str>) -> Self {
        word.map_or(Self::None, |word| Self::Text(word.to_owned()))
    }

    fn count(number: Option<u64>) -> Self {
        number.map_or(Self::None, Self::Count)
    }

    fn time(at: Option<Timestamp>) -> Self {
        at.map_or(Self::None, Self::Time)
    }

    fn size(number: usize) -> Self {
        Self::Count(u64::try_from(number).unwrap_or(u64::MAX))
    }
}

/// The cells of a call.
pub(super) fn call(cdr: &Cdr) -> [Cell; CALL.len()] {
    let (operator, fallback, agency) = match cdr.talks.last().map(|talk| &talk.with) {
        Some(Callee::Operator(operator)) => (Some(operator.as_str()), None, None),
        Some(callee @ Callee::Number(number)) if cdr.is_agency(callee) => (None, None, Some(number.as_str())),
        Some(Callee::Number(number)) => (None, Some(number.as_str()), None),
        None => (None, None, None),
    };
    let joined = |texts: Vec<&str>| Cell::Text(texts.join("; "));
    let choices: Vec<String> =
        cdr.choices.iter().map(|choice| format!("{} {}", choice.digit, choice.text).trim_end().to_owned()).collect();
    let (disposition, position) = (cdr.disposition.as_ref(), cdr.position());
    [
        Cell::Text(cdr.call.to_string()),
        Cell::Time(cdr.received),
        Cell::time(cdr.answered),
        Cell::time(cdr.ended),
        Cell::Count(cdr.waited_ms),
        Cell::Count(cdr.talk_ms),
        Cell::count(cdr.wrap_ms),
        Cell::Text(cdr.trunk.clone()),
        Cell::word(cdr.asserted.as_deref()),
        Cell::word(cdr.presented.as_deref()),
        Cell::Text(cdr.called.clone()),
        Cell::word(cdr.location_brief().as_deref()),
        position.map_or(Cell::None, |(latitude, _)| Cell::Decimal(latitude)),
        position.map_or(Cell::None, |(_, longitude)| Cell::Decimal(longitude)),
        Cell::word(operator),
        Cell::word(fallback),
        Cell::Count(u64::from(cdr.returned)),
        Cell::size(cdr.offers.len()),
        Cell::Text(offers_text(cdr)),
        Cell::word(cdr.ended_by.map(Side::word)),
        Cell::word(cdr.cause.map(EndCause::word)),
        Cell::count(cdr.sip_status.map(u64::from)),
        Cell::count(cdr.q850.map(u64::from)),
        Cell::word(cdr.outcome.map(crate::cdr::Outcome::word)),
        Cell::word(disposition.map(|disposition| Class::word(disposition.class))),
        Cell::word(disposition.and_then(|disposition| disposition.category.as_deref())),
        joined(cdr.recordings.iter().map(|recording| recording.file.as_str()).collect()),
        joined(cdr.recordings.iter().map(|recording| recording.sha256.as_str()).collect()),
        Cell::Text(cdr.sip_call_id.clone()),
        Cell::Text(cdr.desk.clone()),
        Cell::Text(choices.join("; ")),
        Cell::word(agency),
    ]
}

/// The cells of an unanswered caller.
pub(super) fn abandoned(one: &Missed) -> [Cell; ABANDONED.len()] {
    [
        Cell::word(one.number.as_deref()),
        Cell::Count(u64::from(one.calls)),
        Cell::Count(u64::from(one.short)),
        Cell::Time(one.first),
        Cell::Time(one.last),
        Cell::Count(one.longest_wait_ms),
        Cell::Count(u64::from(one.call_backs)),
        Cell::word(one.outcome.map(OfferOutcome::word)),
        Cell::word(one.by.as_deref()),
        Cell::time(one.answered_later),
    ]
}
