//! The list of calls as a workbook, JSON or Parquet. Parts of the file are sent as they come; a workbook is complete only at its end, and waits
//! in a temporary file.

use std::io::{Read as _, Seek as _};

use axum::body::Bytes;

use crate::cdr::Cdr;
use crate::reports::cells::{Cell, Kind};
use crate::reports::pages::files::{FileColumn, FileKind, object};
use crate::reports::parquet::Table;
use crate::reports::period::Period;
use crate::reports::xlsx::Book;
use crate::web::texts::Language;

use super::columns::{Column, Writer};

/// Bytes of a finished workbook that are sent at once.
const CHUNK: usize = 64 * 1_024;

/// A file that is being made.
pub(super) enum Sink {
    Csv,
    Json { is_begun: bool },
    Xlsx(Box<Book>),
    Parquet(Box<Table<Vec<u8>>>),
}

/// The columns of a file: the time, and those that were chosen.
pub(super) fn columns(chosen: &[Column], language: Language) -> Vec<FileColumn> {
    let column = |column: &Column| FileColumn::of(&format!("column-{}", column.word()), column.kind(), language);
    std::iter::once(FileColumn::of("time", Kind::Time, language)).chain(chosen.iter().map(column)).collect()
}

impl Sink {
    pub(super) fn new(kind: FileKind, columns: &[FileColumn], period: &Period) -> anyhow::Result<Self> {
        Ok(match kind {
            FileKind::Csv => Self::Csv,
            FileKind::Json => Self::Json { is_begun: false },
            FileKind::Xlsx => {
                let heads: Vec<&str> = columns.iter().map(|column| column.head.as_str()).collect();
                let mut book = Book::new(period)?;
                book.begin("Data", &heads)?;
                Self::Xlsx(Box::new(book))
            }
            FileKind::Parquet => {
                let columns = columns.iter().map(|column| (column.name.as_str(), column.kind));
                Self::Parquet(Box::new(Table::new(columns, Vec::new())?))
            }
        })
    }

    /// Adds rows. Returns what can be sent.
    pub(super) fn add(
        &mut self,
        columns: &[FileColumn],
        rows: Vec<Vec<Cell>>,
        period: &Period,
    ) -> anyhow::Result<Bytes> {
        match self {
            Self::Csv => anyhow::bail!("CSV files have texts"),
            Self::Json { is_begun } => {
                let mut part = Vec::new();
                for row in rows {
                    part.extend_from_slice(if std::mem::replace(is_begun, true) { b",\n" } else { b"[\n" });
                    serde_json::to_writer(&mut part, &object(columns, row, period))?;
                }
                Ok(Bytes::from(part))
            }
            Self::Xlsx(book) => {
                rows.into_iter().try_for_each(|row| book.add(row))?;
                Ok(Bytes::new())
            }
            Self::Parquet(table) => {
                rows.into_iter().try_for_each(|row| table.add(row))?;
                Ok(Bytes::from(table.take_written()?))
            }
        }
    }

    /// Ends the file. Returns what can be sent at once, and what is read from a temporary file.
    pub(super) async fn finish(self) -> anyhow::Result<(Bytes, Option<std::fs::File>)> {
        match self {
            Self::Csv => Ok((Bytes::new(), None)),
            Self::Json { is_begun } => Ok((Bytes::from_static(if is_begun { b"\n]\n" } else { b"[]\n" }), None)),
            Self::Parquet(table) => Ok((Bytes::from(table.finish()?), None)),
            Self::Xlsx(book) => {
                // Compression of a long workbook would hold up other pages.
                let file = tokio::task::spawn_blocking(move || {
                    let mut file = tempfile::tempfile()?;
                    book.finish(&mut file)?;
                    file.rewind()?;
                    anyhow::Ok(file)
                });
                Ok((Bytes::new(), Some(file.await??)))
            }
        }
    }
}

/// The next part of a finished file; None at its end.
pub(super) fn next(file: &mut std::fs::File) -> Option<std::io::Result<Bytes>> {
    let mut part = Vec::new();
    match file.take(u64::try_from(CHUNK).unwrap_or(u64::MAX)).read_to_end(&mut part) {
        Ok(0) => None,
        Ok(_) => Some(Ok(Bytes::from(part))),
        Err(error) => Some(Err(error)),
    }
}

impl Column {
    fn kind(self) -> Kind {
        match self {
            Self::Wait | Self::Talk | Self::Hold | Self::WrapUp => Kind::Duration,
            Self::Attempts => Kind::Count,
            Self::Number
            | Self::Outcome
            | Self::Operator
            | Self::Desk
            | Self::Class
            | Self::Category
            | Self::Agency
            | Self::Note
            | Self::Location
            | Self::Trunk
            | Self::Called
            | Self::Cause
            | Self::Mode
            | Self::Id => Kind::Text,
        }
    }
}

impl Writer<'_> {
    /// The cell of a file with types.
    pub(super) fn typed_cell(&self, cdr: &Cdr, column: Column) -> Cell {
        match column {
            Column::Wait => Cell::Duration(cdr.waited_ms),
            Column::Talk => Cell::Duration(cdr.talk_ms),
            Column::Hold => Cell::Duration(cdr.hold_ms),
            Column::WrapUp => cdr.wrap_ms.map_or(Cell::None, Cell::Duration),
            Column::Attempts => Cell::Count(u64::try_from(cdr.offers.len()).unwrap_or(u64::MAX)),
            Column::Number
            | Column::Outcome
            | Column::Operator
            | Column::Desk
            | Column::Class
            | Column::Category
            | Column::Agency
            | Column::Note
            | Column::Location
            | Column::Trunk
            | Column::Called
            | Column::Cause
            | Column::Mode
            | Column::Id => {
                Some(self.file_cell(cdr, column)).filter(|text| !text.is_empty()).map_or(Cell::None, Cell::Text)
            }
        }
    }
}

/// The cells of a call whose record cannot be read: a text in the first column that has texts.
pub(super) fn unreadable(columns: &[Column], language: Language) -> Vec<Cell> {
    let place = columns.iter().position(|column| column.kind() == Kind::Text);
    let text = |no| if Some(no) == place { Cell::Text(language.text("call-unreadable")) } else { Cell::None };
    (0..columns.len()).map(text).collect()
}
