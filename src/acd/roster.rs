//! The roster: which operator has which shift on which day, as the centre writes it in CSV.

mod changes;
pub mod decree;

use std::fmt;

use jiff::civil::Date;

use crate::ids::OperatorId;
use crate::limits;

/// Faults told at once; a file in which every line is wrong is wrong in one way.
const FAULTS_MAX: usize = 100;
/// Characters of a value that a fault repeats.
const FOUND_MAX: usize = 64;
const COLUMNS: [&str; 3] = ["operator", "date", "shift"];

/// One line: `operator` has the shift that starts on `date`.
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

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RosterFault {
    /// Line of the file, from 1.
    pub line: u64,
    /// The column, or `line` for the whole of it.
    pub what: &'static str,
    /// What stands there.
    pub found: String,
    /// What would be right.
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

    pub(super) fn new(line: u64, what: &'static str, found: &str, expected: impl Into<String>) -> Self {
        Self { line, what, found: found.chars().take(FOUND_MAX).collect(), expected: expected.into() }
    }
}

impl fmt::Display for RosterFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {} is {:?}; expected: {}", self.line, self.what, self.found, self.expected)
    }
}

impl Roster {
    /// Reads CSV with the header `operator,date,shift` (columns in any order, others ignored); `date` is the day on which
    /// the shift starts, `YYYY-MM-DD`. What spreadsheets do is tolerated: a byte order mark, CRLF, `;` or tab between
    /// columns, blank lines. All faults at once, at most 100.
    pub fn parse(text: &str) -> Result<Self, Vec<RosterFault>> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter(text))
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(text.as_bytes());
        let columns = columns(&mut reader).map_err(|fault| vec![fault])?;
        let mut roster = Self::default();
        let mut faults = Vec::new();
        let mut lines = Lines::of_text(text);
        for record in reader.records() {
            if faults.len() >= FAULTS_MAX {
                break;
            }
            match record {
                Ok(record) if record.iter().all(str::is_empty) => {}
                Ok(record) => match entry(&record, lines.of(record.position()), columns) {
                    Ok(entry) if roster.entries.len() < limits::ROSTER_ENTRIES_MAX => roster.entries.push(entry),
                    Ok(entry) => {
                        let most = format!("at most {} lines", limits::ROSTER_ENTRIES_MAX);
                        faults.push(RosterFault::new(entry.line, "line", "one more", most));
                        break;
                    }
                    Err(found) => faults.extend(found),
                },
                Err(error) => {
                    let line = lines.of(error.position());
                    faults.push(RosterFault::new(line, "line", &error.to_string(), "CSV"));
                }
            }
        }
        if faults.is_empty() { Ok(roster) } else { Err(faults) }
    }

    pub(super) const fn of(entries: Vec<Entry>) -> Self {
        Self { entries }
    }

    /// Its lines.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

/// Counts lines: the reader's own count takes a record to begin before the line end that precedes it.
pub(super) struct Lines<'a> {
    text: &'a str,
    byte: usize,
    line: u64,
}

impl<'a> Lines<'a> {
    pub(super) const fn of_text(text: &'a str) -> Self {
        Self { text, byte: 0, line: 1 }
    }

    /// The line of a record; to be asked in order.
    pub(super) fn of(&mut self, position: Option<&csv::Position>) -> u64 {
        let start = position.and_then(|at| usize::try_from(at.byte()).ok()).unwrap_or(self.byte).max(self.byte);
        let is_end = |b: &&u8| matches!(b, b'\r' | b'\n');
        let ends = self.text.as_bytes().get(start..).unwrap_or_default().iter().take_while(is_end).count();
        let passed = self.text.as_bytes().get(self.byte..start + ends).unwrap_or_default();
        self.line += passed.iter().map(|b| u64::from(*b == b'\n')).sum::<u64>();
        self.byte = start + ends;
        self.line
    }
}

/// The separator that the header uses.
pub(super) fn delimiter(text: &str) -> u8 {
    let header = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    [b',', b';', b'\t']
        .into_iter()
        .max_by_key(|c| (header.bytes().filter(|b| b == c).count(), *c == b','))
        .unwrap_or(b',')
}

/// Where operator, date and shift stand.
fn columns(reader: &mut csv::Reader<&[u8]>) -> Result<[usize; 3], RosterFault> {
    let header = reader.headers().cloned().unwrap_or_default();
    let place = |name: &str| header.iter().position(|column| column.eq_ignore_ascii_case(name));
    match COLUMNS.map(place) {
        [Some(operator), Some(date), Some(shift)] => Ok([operator, date, shift]),
        [_, _, _] => {
            let found = header.iter().collect::<Vec<_>>().join(",");
            Err(RosterFault::new(1, "header", &found, COLUMNS.join(",")))
        }
    }
}

fn entry(
    record: &csv::StringRecord,
    line: u64,
    [operator, date, shift]: [usize; 3],
) -> Result<Entry, Vec<RosterFault>> {
    let text = |column: usize| record.get(column).unwrap_or_default();
    let (operator, date, shift) = (text(operator), text(date), text(shift));
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

/// Reads exactly `YYYY-MM-DD`: other forms of ISO 8601 would be read, but not by people.
pub(super) fn calendar_day(text: &str) -> Option<Date> {
    let plain = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    if plain { text.parse().ok() } else { None }
}
