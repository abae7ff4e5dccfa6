//! Files of pages in the formats besides CSV: workbooks, JSON and Parquet, with typed values. The end of the address names the format.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Map, Value};
use tracing::error;

use crate::reports::cells::{Cell, Kind};
use crate::reports::parquet::Table;
use crate::reports::period::Period;
use crate::reports::xlsx::Book;
use crate::web::site::Fault;
use crate::web::texts::Language;
use crate::web::visitor::Visitor;

/// The format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    Csv,
    Xlsx,
    Json,
    Parquet,
}

/// A link to a file.
pub(super) struct FileLink {
    pub text: &'static str,
    pub address: String,
}

impl FileKind {
    const ALL: [Self; 4] = [Self::Csv, Self::Xlsx, Self::Json, Self::Parquet];

    /// The format that a visitor asks for: that of the address `/calls.xlsx`.
    pub(super) fn of(visitor: &Visitor) -> Self {
        let end = visitor.path.rsplit('.').next().unwrap_or_default();
        Self::ALL.into_iter().find(|kind| kind.word() == end).unwrap_or(Self::Csv)
    }

    /// The end of addresses and of names of files.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Xlsx => "xlsx",
            Self::Json => "json",
            Self::Parquet => "parquet",
        }
    }

    /// What the access log adds to an entry about a file; nothing for CSV.
    pub(super) fn logged(self) -> String {
        match self {
            Self::Csv => String::new(),
            Self::Xlsx | Self::Json | Self::Parquet => format!(" format={}", self.word()),
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Csv => "CSV",
            Self::Xlsx => "XLSX",
            Self::Json => "JSON",
            Self::Parquet => "Parquet",
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Json => "application/json",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }

    /// The links of a page to its files.
    pub(super) fn links(path: &str, query: &str) -> Vec<FileLink> {
        let link = |kind: Self| FileLink { text: kind.text(), address: format!("{path}.{}?{query}", kind.word()) };
        Self::ALL.map(link).into()
    }

    /// The fields of the head of a response; `name` is that of the file without its end.
    pub(super) fn head(self, name: &str) -> [(header::HeaderName, String); 3] {
        [
            (header::CONTENT_TYPE, self.content_type().to_owned()),
            (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.{}\"", self.word())),
            (header::CACHE_CONTROL, "no-store".to_owned()),
        ]
    }

    /// The response with a whole file.
    pub(super) fn response(self, name: &str, file: anyhow::Result<Vec<u8>>) -> Result<Response, Fault> {
        let file = file.map_err(|fault| {
            error!(fault = format!("{fault:#}"), "a file cannot be made");
            Fault(StatusCode::INTERNAL_SERVER_ERROR, "error-internal")
        })?;
        Ok((self.head(name), file).into_response())
    }
}

/// A column: its name for programs, its head for people, and its kind.
#[derive(Clone, Debug)]
pub(super) struct FileColumn {
    pub name: String,
    pub head: String,
    pub kind: Kind,
}

impl FileColumn {
    /// A column whose head is the text of a key. Its name has the unit: `longest_wait_ms`.
    pub(super) fn of(key: &str, kind: Kind, language: Language) -> Self {
        let word = key.trim_start_matches("column-").replace('-', "_");
        let name = match kind {
            Kind::Duration => format!("{word}_ms"),
            Kind::PerMille => format!("{word}_percent"),
            Kind::Text | Kind::Count | Kind::Decimal | Kind::Yes | Kind::Time => word,
        };
        Self { name, head: language.text(key), kind }
    }
}

/// A file in memory: for tables of bounded length.
pub(super) fn bytes(
    kind: FileKind,
    period: &Period,
    columns: &[FileColumn],
    rows: impl IntoIterator<Item = Vec<Cell>>,
) -> anyhow::Result<Vec<u8>> {
    match kind {
        FileKind::Xlsx => {
            let mut book = Book::new(period)?;
            let heads: Vec<&str> = columns.iter().map(|column| column.head.as_str()).collect();
            book.begin("Data", &heads)?;
            rows.into_iter().try_for_each(|row| book.add(row))?;
            let mut file = Vec::new();
            book.finish(&mut file)?;
            Ok(file)
        }
        FileKind::Parquet => {
            let mut table = Table::new(columns.iter().map(|column| (column.name.as_str(), column.kind)), Vec::new())?;
            rows.into_iter().try_for_each(|row| table.add(row))?;
            table.finish()
        }
        FileKind::Json => {
            let rows: Vec<Value> = rows.into_iter().map(|row| object(columns, row, period)).collect();
            let mut file = serde_json::to_vec_pretty(&rows)?;
            file.push(b'\n');
            Ok(file)
        }
        FileKind::Csv => anyhow::bail!("CSV files are made by their pages"),
    }
}

/// A row as an object: durations in milliseconds, times in ISO 8601, and null where there is no value.
pub(super) fn object(columns: &[FileColumn], row: Vec<Cell>, period: &Period) -> Value {
    let value = |cell: Cell| match cell {
        Cell::None => Value::Null,
        Cell::Text(text) => text.into(),
        Cell::Count(number) | Cell::Duration(number) => number.into(),
        Cell::Decimal(number) => number.into(),
        // Exact below 2^53.
        Cell::PerMille(tenths) => (tenths as f64 / 10.0).into(),
        Cell::Yes(answer) => answer.into(),
        Cell::Time(at) => period.iso(at).into(),
    };
    Value::Object(
        columns.iter().zip(row).map(|(column, cell)| (column.name.clone(), value(cell))).collect::<Map<_, _>>(),
    )
}

/// The kind of a column with these cells; text if all are missing.
pub(super) fn kind_of<'c>(cells: impl IntoIterator<Item = &'c Cell>) -> Kind {
    let kinds = cells.into_iter().find_map(|cell| match cell {
        Cell::None => None,
        Cell::Text(_) => Some(Kind::Text),
        Cell::Count(_) => Some(Kind::Count),
        Cell::Decimal(_) => Some(Kind::Decimal),
        Cell::Duration(_) => Some(Kind::Duration),
        Cell::PerMille(_) => Some(Kind::PerMille),
        Cell::Yes(_) => Some(Kind::Yes),
        Cell::Time(_) => Some(Kind::Time),
    });
    kinds.unwrap_or(Kind::Text)
}
