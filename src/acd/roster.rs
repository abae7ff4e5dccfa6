//! The roster: which operator has which shift on which day, written in CSV.

mod changes;
pub mod decree;
pub mod table;

use std::fmt;

use jiff::civil::Date;

use crate::ids::OperatorId;

/// Characters of a value that an error repeats.
const FOUND_MAX: usize = 64;
const COLUMNS: [&str; 3] = ["operator", "date", "shift"];

/// One line: the shift of `operator` that starts on `date`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Line of the file, from 1.
    pub line: u64,
    pub operator: OperatorId,
    pub date: Date,
    pub shift: String,
}

/// A roster, in order of lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster {
    entries: Vec<Entry>,
}

/// An error in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RosterFault {
    /// Line of the file, from 1.
    pub line: u64,
    /// The column, or `line` for the whole line.
    pub what: &'static str,
    /// The invalid value.
    pub found: String,
    /// The expected value.
    pub expected: String,
}

impl RosterFault {
    /// The roster names a shift that is not configured.
    pub(super) fn unknown_shift(entry: &Entry, names: &[&str]) -> Self {
        let expected = if names.is_empty() {
            "no roster, as no [[shift]] is configured".to_owned()
        } else {
            format!("one of the shifts {}", names.join(", "))
        };
        Self::new(entry.line, "shift", &entry.shift, expected)
    }

    /// An error in a line, with the start of its text.
    pub fn new(line: u64, what: &'static str, found: &str, expected: impl Into<String>) -> Self {
        Self { line, what, found: found.chars().take(FOUND_MAX).collect(), expected: expected.into() }
    }
}

impl fmt::Display for RosterFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {} is {:?}; expected: {}", self.line, self.what, self.found, self.expected)
    }
}

impl Roster {
    /// Reads CSV with the header `operator,date,shift` (columns in any order, others ignored); `date` is the day on which the shift
    /// starts, `YYYY-MM-DD`. Accepts what spreadsheets write: a byte order mark, CRLF, `;` or tab between columns, blank lines. Returns
    /// all errors at once, at most 100.
    pub fn parse(text: &str) -> Result<Self, Vec<RosterFault>> {
        table::read(text, COLUMNS, entry).map(Self::of)
    }

    pub(super) const fn of(entries: Vec<Entry>) -> Self {
        Self { entries }
    }

    /// Its lines.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

fn entry(line: u64, [operator, date, shift]: [&str; 3]) -> Result<Entry, Vec<RosterFault>> {
    let mut faults = Vec::new();
    let name = OperatorId::parse(operator).ok();
    if name.is_none() {
        faults.push(RosterFault::new(line, "operator", operator, "1 to 64 letters, digits, '.', '_' or '-'"));
    }
    let day = calendar_day(date);
    if day.is_none() {
        faults.push(RosterFault::new(line, "date", date, "a day as YYYY-MM-DD"));
    }
    if shift.is_empty() {
        faults.push(RosterFault::new(line, "shift", shift, "the name of a [[shift]]"));
    }
    match (name, day, faults.is_empty()) {
        (Some(operator), Some(date), true) => Ok(Entry { line, operator, date, shift: shift.to_owned() }),
        (_, _, _) => Err(faults),
    }
}

/// Reads exactly `YYYY-MM-DD`. Other forms of ISO 8601 are rejected, because people would misread them.
pub(super) fn calendar_day(text: &str) -> Option<Date> {
    let plain = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    if plain { text.parse().ok() } else { None }
}
