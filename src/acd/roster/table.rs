//! Reads tables that people write: CSV with a header, as spreadsheets save it.

use super::RosterFault;
use crate::limits;

/// Maximum errors that are reported. A file in which every line is wrong usually has one cause.
const FAULTS_MAX: usize = 100;

/// Decodes a file as UTF-8. The error names the first line that is not UTF-8: a spreadsheet has saved the file in another encoding.
pub fn text_of(bytes: Vec<u8>) -> Result<String, RosterFault> {
    String::from_utf8(bytes).map_err(|error| {
        let (before, from) = error.as_bytes().split_at(error.utf8_error().valid_up_to());
        let line = before.iter().map(|byte| u64::from(*byte == b'\n')).sum::<u64>() + 1;
        let found = format!("byte 0x{:02X}", from.first().copied().unwrap_or_default());
        RosterFault::new(line, "encoding", &found, "UTF-8: the spreadsheet's format \"CSV UTF-8\"")
    })
}

/// How many cells a line may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cells {
    /// Any number.
    Any,
    /// At most as many as the header: one more may be due to a comma without quotes, which shifts the others.
    AsHeader,
}

/// Reads a table in which all `columns` are required; otherwise as `read_columns`.
pub(super) fn read<T, const N: usize>(
    text: &str,
    columns: [&str; N],
    row: impl Fn(u64, [&str; N]) -> Result<T, Vec<RosterFault>>,
) -> Result<Vec<T>, Vec<RosterFault>> {
    read_columns(text, columns, N, Cells::Any, row)
}

/// Reads each line that is not empty: `row` gets its number, from 1, and the cells of `columns`. The header may name the columns in any
/// order; the first `needed` of them are required. A byte order mark, CRLF, `;` or tabs between columns, and additional columns are
/// accepted. Returns all errors at once, at most 100.
pub fn read_columns<T, const N: usize>(
    text: &str,
    columns: [&str; N],
    needed: usize,
    cells: Cells,
    row: impl Fn(u64, [&str; N]) -> Result<T, Vec<RosterFault>>,
) -> Result<Vec<T>, Vec<RosterFault>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter(text))
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let header = reader.headers().cloned().unwrap_or_default();
    let places = columns.map(|name| header.iter().position(|column| column.eq_ignore_ascii_case(name)));
    if places.iter().take(needed).any(Option::is_none) {
        let found = header.iter().collect::<Vec<_>>().join(",");
        return Err(vec![RosterFault::new(1, "header", &found, columns.join(","))]);
    }
    let (mut rows, mut faults) = (Vec::new(), Vec::new());
    let mut lines = Lines::of_text(text);
    for record in reader.records() {
        if faults.len() >= FAULTS_MAX {
            break;
        }
        match record {
            Ok(record) if record.iter().all(str::is_empty) => {}
            Ok(record) if cells == Cells::AsHeader && record.len() > header.len() => {
                let expected = format!("{} cells, as in the header; commas in quotes", header.len());
                // The error does not contain the line itself, which may have a password.
                let found = format!("{} cells", record.len());
                faults.push(RosterFault::new(lines.of(record.position()), "line", &found, expected));
            }
            Ok(record) => {
                let line = lines.of(record.position());
                match row(line, places.map(|place| place.and_then(|place| record.get(place)).unwrap_or_default())) {
                    Ok(read) if rows.len() < limits::ROSTER_ENTRIES_MAX => rows.push(read),
                    Ok(_) => {
                        let most = format!("at most {} lines", limits::ROSTER_ENTRIES_MAX);
                        faults.push(RosterFault::new(line, "line", "one more", most));
                        break;
                    }
                    Err(found) => faults.extend(found),
                }
            }
            Err(error) => faults.push(RosterFault::new(lines.of(error.position()), "line", &error.to_string(), "CSV")),
        }
    }
    if faults.is_empty() { Ok(rows) } else { Err(faults) }
}

/// Counts lines. The CSV reader's own line number is too low if a line end precedes the record.
struct Lines<'a> {
    text: &'a str,
    byte: usize,
    line: u64,
}

impl<'a> Lines<'a> {
    const fn of_text(text: &'a str) -> Self {
        Self { text, byte: 0, line: 1 }
    }

    /// The line of a record. Records must be passed in order.
    fn of(&mut self, position: Option<&csv::Position>) -> u64 {
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
fn delimiter(text: &str) -> u8 {
    let header = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    [b',', b';', b'\t']
        .into_iter()
        .max_by_key(|c| (header.bytes().filter(|b| b == c).count(), *c == b','))
        .unwrap_or(b',')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_in_another_encoding_is_reported_with_its_line() {
        let fault = text_of(b"operator,date,shift\nop1,2026-11-24,d\xe4y\n".to_vec()).unwrap_err();
        assert_eq!(
            fault.to_string(),
            "line 2: encoding is \"byte 0xE4\"; expected: UTF-8: the spreadsheet's format \"CSV UTF-8\""
        );
        let utf_16: Vec<u8> = "\u{feff}operator".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(text_of(utf_16).unwrap_err().line, 1);
        assert_eq!(text_of("\u{feff}operator".into()).unwrap(), "\u{feff}operator");
    }

    #[test]
    fn a_line_with_too_many_cells_is_not_repeated_since_it_may_have_a_password() {
        let text = "operator,password\nsari,secret,word,x\n";
        let read = read_columns(text, ["operator", "password"], 2, Cells::AsHeader, |_, [_, _]| Ok(()));
        let faults = read.unwrap_err();
        assert_eq!(
            faults.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["line 2: line is \"4 cells\"; expected: 2 cells, as in the header; commas in quotes"]
        );
    }
}
