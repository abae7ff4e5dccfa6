//! Pages that are tables of a period: one or more tables with the same period buttons, and the same rows as files.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use csv::Terminator;

use crate::reports::cells::{Cell, Kind};
use crate::reports::csv::{BOM, text};
use crate::reports::period::Period;
use crate::web::format::{Moment, duration, number, percent};
use crate::web::frame::{Frame, page};
use crate::web::site::Fault;
use crate::web::texts::Language;
use crate::web::visitor::{Fields, Visitor};

use super::Pages;
use super::choice::{Choice, NAMED};
use super::files::{self, FileColumn, FileKind, FileLink};

/// One row, and the address of the calls that it is about.
pub(super) struct Line {
    pub cells: Vec<Cell>,
    pub calls: Option<String>,
}

/// A table; the first column names the row.
pub(super) struct Sheet {
    /// The key of its title.
    pub title: &'static str,
    /// The keys of the columns.
    pub heads: Vec<&'static str>,
    pub lines: Vec<Line>,
}

/// A button of the period.
struct Button {
    name: &'static str,
    text: String,
    is_current: bool,
}

/// A cell as the page shows it.
struct Shown {
    text: String,
    is_number: bool,
}

struct ShownLine {
    cells: Vec<Shown>,
    calls: Option<String>,
}

struct ShownSheet {
    title: String,
    help: String,
    heads: Vec<Shown>,
    lines: Vec<ShownLine>,
}

#[derive(Template)]
#[template(path = "sheet.html")]
struct SheetPage {
    frame: Frame,
    path: &'static str,
    buttons: Vec<Button>,
    first: String,
    last: String,
    is_wrong: bool,
    answer: String,
    period: String,
    reasons: Vec<String>,
    sheets: Vec<ShownSheet>,
    files: Vec<FileLink>,
    method: Vec<String>,
}

/// What a page of tables says.
pub(super) struct Content {
    /// The key of the title.
    pub title: &'static str,
    pub path: &'static str,
    /// One sentence.
    pub answer: String,
    pub reasons: Vec<String>,
    pub sheets: Vec<Sheet>,
    /// The keys of the sentences on how the figures are computed.
    pub method: &'static [&'static str],
}

/// The period in a query, or today's; the second value is true if the query's dates cannot be read.
pub(super) fn chosen(pages: &Pages, fields: &Fields) -> Option<(Choice, bool)> {
    let site = &pages.site;
    match Choice::of(fields, site.zone(), site.now()) {
        Some(choice) => Some((choice, false)),
        None => Some((Choice::of(&Fields::default(), site.zone(), site.now())?, true)),
    }
}

/// The page.
pub(super) fn show(
    pages: &Pages,
    visitor: &Visitor,
    (choice, is_wrong): (&Choice, bool),
    content: Content,
) -> Response {
    let language = visitor.language;
    let query = match choice.name {
        "" => format!("from={}&to={}", choice.days.0, choice.days.1),
        name => format!("period={name}"),
    };
    let button = |name: &'static str| Button {
        name,
        text: language.text(&format!("period-{name}")),
        is_current: name == choice.name,
    };
    let template = SheetPage {
        frame: Frame::of(&pages.site, visitor, language.text(content.title)),
        path: content.path,
        buttons: NAMED.map(button).into(),
        first: choice.days.0.to_string(),
        last: choice.days.1.to_string(),
        is_wrong,
        answer: content.answer,
        period: choice.text(language),
        reasons: content.reasons,
        sheets: content.sheets.into_iter().map(|sheet| shown(sheet, &choice.period, language)).collect(),
        files: FileKind::links(content.path, &query),
        method: content.method.iter().map(|key| language.text(key)).collect(),
    };
    page(if is_wrong { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK }, &template)
}

fn shown(sheet: Sheet, period: &Period, language: Language) -> ShownSheet {
    let is_number = |column: usize| {
        let kinds = sheet.lines.iter().filter_map(|line| line.cells.get(column));
        column > 0 && kinds.filter(|cell| **cell != Cell::None).all(|cell| !matches!(cell, Cell::Text(_)))
    };
    let heads = sheet.heads.iter().enumerate();
    let heads: Vec<Shown> =
        heads.map(|(no, key)| Shown { text: language.text(key), is_number: is_number(no) }).collect();
    let line = |line: Line| ShownLine {
        cells: line
            .cells
            .iter()
            .zip(&heads)
            .map(|(cell, head)| Shown { text: people(cell, period, language), is_number: head.is_number })
            .collect(),
        calls: line.calls,
    };
    let lines = sheet.lines.into_iter().map(line).collect();
    ShownSheet {
        title: language.text(sheet.title),
        help: language.text(&format!("{}-help", sheet.title)),
        lines,
        heads,
    }
}

/// A cell for people.
fn people(cell: &Cell, period: &Period, language: Language) -> String {
    match cell {
        Cell::None => "–".to_owned(),
        Cell::Text(text) => text.clone(),
        Cell::Count(count) => number(*count, language),
        Cell::Decimal(value) => format!("{value:.2}"),
        Cell::Duration(millis) => duration(*millis),
        Cell::PerMille(tenths) => percent(Some(*tenths), language),
        Cell::Yes(answer) => language.text(if *answer { "cell-yes" } else { "cell-no" }),
        Cell::Time(at) => Moment::of(*at, &period.zone).full(language),
    }
}

/// The tables as one file; with several of them, the first column names the table.
pub(super) fn file(choice: &Choice, visitor: &Visitor, content: &Content) -> Result<Response, Fault> {
    let (language, kind) = (visitor.language, FileKind::of(visitor));
    let bytes = match kind {
        FileKind::Csv => written(choice, language, &content.sheets),
        FileKind::Xlsx | FileKind::Json | FileKind::Parquet => {
            let (columns, rows) = typed(&content.sheets, language);
            files::bytes(kind, &choice.period, &columns, rows)
        }
    };
    let name = content.path.trim_start_matches('/');
    let name = format!("{}-{}-{}", language.text(&format!("{name}-file")), choice.days.0, choice.days.1);
    kind.response(&name, bytes)
}

/// Columns with their kinds, and the rows of all tables.
fn typed(sheets: &[Sheet], language: Language) -> (Vec<FileColumn>, Vec<Vec<Cell>>) {
    let heads = sheets.first().map_or(&[][..], |sheet| sheet.heads.as_slice());
    let cells = |no: usize| sheets.iter().flat_map(|sheet| &sheet.lines).filter_map(move |line| line.cells.get(no));
    let own = heads.iter().enumerate().map(|(no, key)| FileColumn::of(key, files::kind_of(cells(no)), language));
    let names_table = sheets.len() > 1;
    let table = names_table.then(|| FileColumn::of("table", Kind::Text, language));
    let rows = sheets.iter().flat_map(|sheet| {
        let title = names_table.then(|| Cell::Text(language.text(sheet.title)));
        sheet.lines.iter().map(move |line| title.iter().chain(&line.cells).cloned().collect())
    });
    (table.into_iter().chain(own).collect(), rows.collect())
}

fn written(choice: &Choice, language: Language, sheets: &[Sheet]) -> anyhow::Result<Vec<u8>> {
    let (delimiter, comma) = match language {
        Language::Indonesian => (b';', ","),
        Language::English => (b',', "."),
    };
    let mut csv = csv::WriterBuilder::new().delimiter(delimiter).terminator(Terminator::CRLF).from_writer(BOM.to_vec());
    let decimal = |whole: u64, part: u64, places: usize| format!("{whole}{comma}{part:0places$}");
    let cell = |cell: &Cell| match cell {
        Cell::None => String::new(),
        Cell::Text(words) => text(words),
        Cell::Count(count) => count.to_string(),
        Cell::Decimal(value) => value.to_string().replace('.', comma),
        Cell::Duration(millis) => decimal(millis / 1_000, millis % 1_000, 3),
        Cell::PerMille(tenths) => decimal(tenths / 10, tenths % 10, 1),
        Cell::Yes(answer) => language.text(if *answer { "cell-yes" } else { "cell-no" }),
        Cell::Time(at) => choice.period.iso(*at),
    };
    let names_table = sheets.len() > 1;
    if let Some(first) = sheets.first() {
        let of_table = names_table.then(|| language.text("table"));
        csv.write_record(of_table.into_iter().chain(first.heads.iter().map(|key| language.text(key))))?;
    }
    for sheet in sheets {
        for line in &sheet.lines {
            let of_table = names_table.then(|| language.text(sheet.title));
            csv.write_record(of_table.into_iter().chain(line.cells.iter().map(cell)))?;
        }
    }
    Ok(csv.into_inner()?)
}
