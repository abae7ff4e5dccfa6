//! CSV for spreadsheets: RFC 4180 with a byte order mark, times in ISO 8601 with the site's offset, durations in
//! milliseconds.
//!
//! A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula, and some of the cells come from
//! callers. Such a cell, or a part after a `;`, gets a leading apostrophe, by which spreadsheets recognise text. There
//! is one exception: `+` followed only by digits, a telephone number, stays unchanged. As a formula it is only this
//! number, and programs that read the file find `+628…`, not `'+628…`. (A spreadsheet may show it without the plus:
//! import the column as text.) Columns that have only numbers, such as `latitude`, are written as numbers.

use std::io::Write;

use crate::store::Store;

use super::abandoned::AbandonedReport;
use super::cells::{self, Cell};
use super::kpi::Figures;
use super::period::Period;
use super::{Value, lines, yes};

/// The byte order mark. Without it, Excel does not read a file as UTF-8.
pub(in crate::reports) const BOM: &[u8] = b"\xef\xbb\xbf";
/// The characters with which spreadsheets begin a formula, including tab, line ends and the wide forms of East Asian
/// keyboards.
const FORMULA: &[char] = &['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

pub(super) fn summary(period: &Period, figures: &Figures, out: &mut impl Write) -> anyhow::Result<()> {
    let mut writer = writer(out)?;
    writer.write_record(["figure", "of", "value", "unit", "formula"])?;
    let (from, to) = (period.iso(period.span.start), period.iso(period.span.end));
    writer.write_record(["from", "", &from, "time", "the first moment inside"])?;
    writer.write_record(["to", "", &to, "time", "the first moment behind"])?;
    for line in lines(figures) {
        let (value, unit) = match line.value {
            Value::Calls(calls) => (calls.to_string(), "calls"),
            Value::Millis(millis) => (number(millis), "ms"),
            Value::Yes(answer) => (yes(answer).unwrap_or_default().to_owned(), "yes/no"),
            Value::PerMille(tenths) => (tenths.map(|t| format!("{}.{}", t / 10, t % 10)).unwrap_or_default(), "%"),
        };
        writer.write_record([line.name, &text(&line.of), &value, unit, &text(&line.formula)])?;
    }
    writer.flush()?;
    Ok(())
}

pub(super) async fn calls(store: &Store, period: &Period, out: &mut impl Write) -> anyhow::Result<()> {
    let mut writer = writer(out)?;
    writer.write_record(cells::CALL)?;
    let mut page = store.calls(&period.span, None).await?;
    while let Some(last) = page.last() {
        for call in &page {
            writer.write_record(cells::call(&call.cdr()?).map(|cell| written(cell, period)))?;
        }
        page = store.calls(&period.span, Some(last)).await?;
    }
    writer.flush()?;
    Ok(())
}

pub(super) fn abandoned(period: &Period, report: &AbandonedReport, out: &mut impl Write) -> anyhow::Result<()> {
    let mut writer = writer(out)?;
    writer.write_record(cells::ABANDONED)?;
    for one in report.numbers.iter().chain(&report.anonymous) {
        writer.write_record(cells::abandoned(one).map(|cell| written(cell, period)))?;
    }
    writer.flush()?;
    Ok(())
}

fn writer<W: Write>(mut out: W) -> anyhow::Result<csv::Writer<W>> {
    out.write_all(BOM)?;
    Ok(csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out))
}

/// A cell as the file has it.
fn written(cell: Cell, period: &Period) -> String {
    match cell {
        Cell::None => String::new(),
        Cell::Text(words) => text(&words),
        Cell::Count(number) | Cell::Duration(number) => number.to_string(),
        Cell::PerMille(tenths) => format!("{}.{}", tenths / 10, tenths % 10),
        Cell::Decimal(number) => number.to_string(),
        Cell::Yes(answer) => yes(Some(answer)).unwrap_or_default().to_owned(),
        Cell::Time(at) => period.iso(at),
    }
}

fn number(number: Option<u64>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

/// A cell that no spreadsheet reads as a formula. With `;` as list separator (as in Indonesia), a spreadsheet reads each part after a `;`
/// as a cell of its own.
pub(in crate::reports) fn text(text: &str) -> String {
    let text = super::table::plain_cell(text);
    let is_number =
        text.strip_prefix('+').is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()));
    if is_number {
        return text;
    }
    let mut safe = String::with_capacity(text.len() + 1);
    let mut starts = true;
    for c in text.chars() {
        if starts && FORMULA.contains(&c) {
            safe.push('\'');
        }
        safe.push(c);
        // Some spreadsheets read a formula after blanks and quotes too.
        starts = matches!(c, ';' | '\t' | '\r' | '\n') || starts && (c.is_whitespace() || c == '"');
    }
    safe
}

#[cfg(test)]
mod cell_tests {
    use super::text;

    #[test]
    fn no_cell_begins_a_formula() {
        for bad in ["=1+1", "+cmd|' /C calc'!A0", "-1+1", "@SUM(A1)", "+62 811", "+", "＝1", "＠a"] {
            assert_eq!(text(bad), format!("'{bad}"));
        }
    }

    #[test]
    fn no_part_behind_a_semicolon_begins_a_formula() {
        for (bad, good) in [
            ("081;=1+1", "081;'=1+1"),
            ("081; =1+1", "081; '=1+1"),
            ("a;\"=1\"", "a;\"'=1\""),
            ("a;+62811;-1", "a;'+62811;'-1"),
            ("a\n=1", "a\n'=1"),
            ("a;b;c=d-e", "a;b;c=d-e"),
            ("081\u{202e}1=", "0811="),
        ] {
            assert_eq!(text(bad), good);
        }
    }

    #[test]
    fn numbers_and_plain_words_stay_as_they_are() {
        for good in ["+6281122334455", "0811223344", "112", "", "Jl. A-1", "urn:service:sos", "a=b"] {
            assert_eq!(text(good), good);
        }
    }
}
