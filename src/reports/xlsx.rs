//! Workbooks for spreadsheets (XLSX): real dates, numbers and durations; text is never a formula. Rows go to a temporary file as they come,
//! so a workbook of any length needs constant memory.

use std::io::Write;

use jiff::civil::DateTime;
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format as Style, Workbook, Worksheet};

use crate::clock::Timestamp;
use crate::store::Store;

use super::abandoned::AbandonedReport;
use super::cells::{self, Cell, Kind};
use super::kpi::{DeskFigures, Figures, OperatorFigures};
use super::period::Period;
use super::{Value, lines, yes};

/// Rows of one sheet, the heads included; further rows go to another sheet.
const ROWS_MAX: u32 = 1_048_576;
/// Characters of one cell.
const CHARS_MAX: usize = 32_000;
const MILLIS_OF_DAY: f64 = 86_400_000.0;
const WIDTH: f64 = 18.0;
const TIME: &str = "yyyy-mm-dd hh:mm:ss";
const DURATION: &str = "[h]:mm:ss";
const SHARE: &str = "0.0%";

const FIGURES: [&str; 5] = ["figure", "of", "value", "unit", "formula"];
const DESKS: [&str; 8] =
    ["desk", "calls", "answered", "abandoned", "short_abandons", "service_level", "target", "target_met"];
const OPERATORS: [&str; 8] = ["operator", "name", "answered", "talk", "wrap_up", "aht", "joined", "joined_talk"];

/// A workbook that is being written, one sheet after the other.
pub(in crate::reports) struct Book {
    book: Workbook,
    period: Period,
    styles: [Style; 4],
    /// Name, heads and number of the sheets so far with this name.
    sheet: (&'static str, Vec<String>, u32),
    row: u32,
}

impl Book {
    pub(in crate::reports) fn new(period: &Period) -> anyhow::Result<Self> {
        let mut book = Workbook::new();
        // The same data give the same bytes.
        let made = ExcelDateTime::from_ymd(2026, 1, 1)?;
        book.set_properties(&DocProperties::new().set_creation_datetime(&made));
        let number = |format: &str| Style::new().set_num_format(format);
        let styles = [Style::new().set_bold(), number(TIME), number(DURATION), number(SHARE)];
        Ok(Self { book, period: period.clone(), styles, sheet: ("", Vec::new(), 0), row: 0 })
    }

    /// Begins a sheet.
    pub(in crate::reports) fn begin(&mut self, name: &'static str, heads: &[&str]) -> anyhow::Result<()> {
        let no = if self.sheet.0 == name { self.sheet.2 + 1 } else { 1 };
        self.sheet = (name, heads.iter().map(|head| (*head).to_owned()).collect(), no);
        let sheet = self.book.add_worksheet_with_constant_memory()?;
        sheet.set_name(if no == 1 { name.to_owned() } else { format!("{name} {no}") })?;
        sheet.set_freeze_panes(1, 0)?;
        for (column, head) in (0..).zip(heads) {
            sheet.set_column_width(column, WIDTH)?;
            let [bold, ..] = &self.styles;
            sheet.write_string_with_format(0, column, *head, bold)?;
        }
        self.row = 1;
        Ok(())
    }

    pub(in crate::reports) fn add(&mut self, cells: impl IntoIterator<Item = Cell>) -> anyhow::Result<()> {
        if self.row >= ROWS_MAX {
            let (name, heads, _) = self.sheet.clone();
            self.begin(name, &heads.iter().map(String::as_str).collect::<Vec<_>>())?;
        }
        let last = self.book.worksheets().len().saturating_sub(1);
        let sheet = self.book.worksheet_from_index(last)?;
        for (column, cell) in (0..).zip(cells) {
            write(sheet, (self.row, column), cell, &self.period, &self.styles)?;
        }
        self.row += 1;
        Ok(())
    }

    pub(in crate::reports) fn finish(mut self, out: &mut (impl Write + Send)) -> anyhow::Result<()> {
        self.book.save_to_writer(&mut *out)?;
        out.flush()?;
        Ok(())
    }
}

fn write(
    sheet: &mut Worksheet,
    (row, column): (u32, u16),
    cell: Cell,
    period: &Period,
    [_, time, duration, share]: &[Style; 4],
) -> anyhow::Result<()> {
    match cell {
        Cell::None => {}
        Cell::Text(text) => {
            let text: String = super::table::plain_cell(&text).chars().take(CHARS_MAX).collect();
            sheet.write_string(row, column, text)?;
        }
        Cell::Count(number) => {
            sheet.write_number(row, column, wide(number))?;
        }
        Cell::Decimal(number) => {
            sheet.write_number(row, column, number)?;
        }
        Cell::Duration(millis) => {
            sheet.write_number_with_format(row, column, wide(millis) / MILLIS_OF_DAY, duration)?;
        }
        Cell::PerMille(tenths) => {
            sheet.write_number_with_format(row, column, wide(tenths) / 1_000.0, share)?;
        }
        Cell::Yes(answer) => {
            sheet.write_string(row, column, yes(Some(answer)).unwrap_or_default())?;
        }
        Cell::Time(at) => match serial(period, at) {
            Some(moment) => {
                sheet.write_datetime_with_format(row, column, &moment, time)?;
            }
            None => {
                sheet.write_string(row, column, period.iso(at))?;
            }
        },
    }
    Ok(())
}

/// Exact below 2^53.
fn wide(number: u64) -> f64 {
    number as f64
}

/// A time of the site's zone. None before 1900, which spreadsheets do not know.
fn serial(period: &Period, at: Timestamp) -> Option<ExcelDateTime> {
    let local: DateTime = period.zone.to_datetime(jiff::Timestamp::from_millisecond(at.as_millis()).ok()?);
    let part = |value: i8| u8::try_from(value).ok();
    let day =
        ExcelDateTime::from_ymd(u16::try_from(local.year()).ok()?, part(local.month())?, part(local.day())?).ok()?;
    let millis = u16::try_from(local.millisecond()).ok()?;
    day.and_hms_milli(u16::try_from(local.hour()).ok()?, part(local.minute())?, part(local.second())?, millis).ok()
}

/// Sheets: figures of the period, desks, operators.
pub(super) fn summary(period: &Period, figures: &Figures, out: &mut (impl Write + Send)) -> anyhow::Result<()> {
    let mut book = Book::new(period)?;
    book.begin("Figures", &FIGURES)?;
    let text = |text: &str| Cell::Text(text.to_owned());
    for (name, at, formula) in
        [("from", period.span.start, "the first moment inside"), ("to", period.span.end, "the first moment behind")]
    {
        book.add([text(name), Cell::None, Cell::Time(at), text("time"), text(formula)])?;
    }
    let of_period = |name: &str| !name.starts_with("desk-") && !name.starts_with("operator-");
    for line in lines(figures).into_iter().filter(|line| of_period(line.name)) {
        let (value, unit) = match line.value {
            Value::Calls(calls) => (Cell::Count(calls), "calls"),
            Value::Millis(millis) => (millis.map_or(Cell::None, Cell::Duration), "h:mm:ss"),
            Value::PerMille(tenths) => (tenths.map_or(Cell::None, Cell::PerMille), "%"),
            Value::Yes(answer) => (yes(answer).map_or(Cell::None, text), "yes/no"),
        };
        book.add([text(line.name), Cell::Text(line.of), value, text(unit), Cell::Text(line.formula)])?;
    }
    book.begin("Desks", &DESKS)?;
    figures.desks.iter().try_for_each(|desk| book.add(of_desk(desk)))?;
    book.begin("Operators", &OPERATORS)?;
    figures.operators.iter().try_for_each(|operator| book.add(of_operator(operator)))?;
    book.finish(out)
}

fn of_desk(of: &DeskFigures) -> [Cell; DESKS.len()] {
    [
        Cell::Text(of.desk.clone()),
        Cell::Count(of.calls),
        Cell::Count(of.answered),
        Cell::Count(of.abandoned),
        Cell::Count(of.short_abandons),
        of.service_level.per_mille().map_or(Cell::None, Cell::PerMille),
        Cell::PerMille(u64::from(of.target_percent) * 10),
        yes(of.met).map_or(Cell::None, |word| Cell::Text(word.to_owned())),
    ]
}

fn of_operator(of: &OperatorFigures) -> [Cell; OPERATORS.len()] {
    [
        Cell::Text(of.operator.clone()),
        of.name.clone().map_or(Cell::None, Cell::Text),
        Cell::Count(of.answered),
        Cell::Duration(of.talk_ms),
        Cell::Duration(of.wrap_ms),
        of.aht.millis().map_or(Cell::None, Cell::Duration),
        Cell::Count(of.joined),
        Cell::Duration(of.joined_ms),
    ]
}

/// The calls, on as many sheets as their number needs.
pub(super) async fn calls(store: &Store, period: &Period, out: &mut (impl Write + Send)) -> anyhow::Result<()> {
    let mut book = Book::new(period)?;
    book.begin("Calls", &cells::CALL)?;
    let mut page = store.calls(&period.span, None).await?;
    while let Some(last) = page.last() {
        for call in &page {
            book.add(cells::call(&call.cdr()?))?;
        }
        page = store.calls(&period.span, Some(last)).await?;
    }
    book.finish(out)
}

/// The unanswered callers.
pub(super) fn abandoned(
    period: &Period,
    report: &AbandonedReport,
    out: &mut (impl Write + Send),
) -> anyhow::Result<()> {
    let mut book = Book::new(period)?;
    book.begin("Unanswered", &cells::ABANDONED)?;
    report.numbers.iter().chain(&report.anonymous).try_for_each(|one| book.add(cells::abandoned(one)))?;
    book.finish(out)
}

/// Rows of texts with their columns.
pub(super) fn rows(
    period: &Period,
    columns: &[(&str, Kind)],
    rows: &[Vec<String>],
    out: &mut (impl Write + Send),
) -> anyhow::Result<()> {
    let heads: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let mut book = Book::new(period)?;
    book.begin("Month", &heads)?;
    for row in rows {
        let cell = |(text, (_, kind)): (&String, &(&str, Kind))| match text.parse() {
            Ok(number) if *kind != Kind::Text => Cell::Decimal(number),
            Ok(_) | Err(_) => Cell::Text(text.clone()),
        };
        book.add(row.iter().zip(columns).map(cell))?;
    }
    book.finish(out)
}
