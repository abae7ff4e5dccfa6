//! The list of calls as a file, of any length with constant memory: each page of records is read when the one before it was sent.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use csv::Terminator;
use futures_util::stream::unfold;
use jiff::tz::TimeZone;
use tracing::{error, warn};

use crate::reports::cells::Cell;
use crate::reports::csv::{BOM, text};
use crate::reports::pages::Pages;
use crate::reports::pages::approvals::{self, Approval};
use crate::reports::pages::files::{FileColumn, FileKind};
use crate::reports::pages::records::Reading;
use crate::reports::pages::unreadable::{no_records, unreadable};
use crate::reports::period::Period;
use crate::store::call_search::{CallFilter, CallKey, From};
use crate::store::report_queries::StoredCall;
use crate::store::{Store, StoreError};
use crate::web::site::Fault;
use crate::web::texts::Language;
use crate::web::visitor::{Fields, Visitor};

use super::columns::{Column, Writer};
use super::query::Query;
use super::scope::Scope;
use super::typed::{self, Sink};

/// Calls that are read at once.
const PAGE_CALLS: i64 = 200;
/// A file of more calls has only the last digits of numbers.
pub(super) const WHOLE_NUMBERS_MAX: i64 = 1_000;

/// A file that is being sent.
struct File {
    pages: Arc<Pages>,
    /// None after the last page.
    store: Option<Reading>,
    filter: CallFilter,
    from: From,
    columns: Vec<Column>,
    language: Language,
    zone: TimeZone,
    names: BTreeMap<String, String>,
    shortens: bool,
    begins: bool,
    period: Period,
    file_columns: Vec<FileColumn>,
    sink: Sink,
    /// A workbook that is complete.
    finished: Option<std::fs::File>,
}

/// The file of the calls that the list shows, with its columns.
pub(in crate::reports::pages) async fn export(
    State(pages): State<Arc<Pages>>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Fault> {
    let site = &pages.site;
    let Some(mut query) = Query::of(&fields, site.zone(), site.now()) else {
        return Ok(no_records(&pages, &visitor, "records"));
    };
    if !query.faults.is_empty() {
        return Err(Fault(StatusCode::UNPROCESSABLE_ENTITY, "error-query"));
    }
    if let Scope::Own { operator, span } = Scope::of(&pages, &visitor) {
        query.restrict(&operator, span);
    }
    let columns = Column::chosen(&fields);
    let subject = approvals::with_columns(&query, &columns);
    let approval = approvals::of(&pages, &visitor, &approvals::hash(&query, &columns)).await?;
    let store = match pages.records.open().await {
        Ok(store) => store,
        Err(fault) => return Ok(unreadable(&pages, &visitor, fault)),
    };
    let (count, names) = match start(&store, &query.filter).await {
        Ok(start) => start,
        Err(fault) => {
            pages.records.done(store).await;
            return Ok(unreadable(&pages, &visitor, fault));
        }
    };
    let is_long = i64::try_from(count).is_ok_and(|count| count > WHOLE_NUMBERS_MAX);
    let (numbers, shortens) = numbers(&approval, is_long);
    let calls = if is_long { format!(">{WHOLE_NUMBERS_MAX}") } else { count.to_string() };
    let kind = FileKind::of(&visitor);
    let subject = format!("{subject} calls={calls} {numbers}{}", kind.logged());
    if let Err(fault) = site.log(visitor.name(), &visitor.address, "calls-export", &subject).await {
        pages.records.done(store).await;
        return Err(fault);
    }
    let file_columns = typed::columns(&columns, visitor.language);
    let sink = match Sink::new(kind, &file_columns, &query.choice.period) {
        Ok(sink) => sink,
        Err(fault) => {
            pages.records.done(store).await;
            error!(fault = format!("{fault:#}"), "a file of calls cannot be made");
            return Err(Fault(StatusCode::INTERNAL_SERVER_ERROR, "error-internal"));
        }
    };
    let file = File {
        store: Some(store),
        filter: query.filter,
        from: From::Newest,
        columns,
        language: visitor.language,
        zone: site.zone().clone(),
        names,
        shortens,
        begins: true,
        period: query.choice.period.clone(),
        file_columns,
        sink,
        finished: None,
        pages: Arc::clone(&pages),
    };
    let name = format!("{}-{}-{}", visitor.language.text("calls-file"), query.choice.days.0, query.choice.days.1);
    let head = kind.head(&name);
    let body = Body::from_stream(unfold(file, |mut file| async move {
        let part = file.part().await?;
        Some((part, file))
    }));
    Ok((head, body).into_response())
}

/// What the access log says about the numbers of a file, and whether they are shortened.
fn numbers(approval: &Approval, is_long: bool) -> (String, bool) {
    match (approval, is_long) {
        (_, false) => ("numbers=whole".to_owned(), false),
        (Approval::Allowed(by), true) => (format!("numbers=whole allowed-by={by}"), false),
        (Approval::Missing | Approval::Waiting | Approval::Rejected(_), true) => ("numbers=short".to_owned(), true),
    }
}

/// The number of calls, as far as it matters, and the names of operators.
async fn start(store: &Store, filter: &CallFilter) -> Result<(u64, BTreeMap<String, String>), StoreError> {
    Ok((store.count_calls(filter, WHOLE_NUMBERS_MAX + 1).await?, store.operator_names().await?))
}

impl File {
    /// The next part; None at the end. An error cuts the connection: half a file must not look like a whole one.
    async fn part(&mut self) -> Option<std::io::Result<Bytes>> {
        if let Some(finished) = &mut self.finished {
            return typed::next(finished);
        }
        let mut store = self.store.take()?;
        let part = match self.pages.records.resume(&mut store).await {
            Ok(()) => self.rows(&store).await,
            Err(fault) => Err(fault.into()),
        };
        let part = match part {
            Ok((part, false)) => {
                store.pause();
                self.store = Some(store);
                return Some(Ok(part));
            }
            Ok((part, true)) => {
                self.pages.records.done(store).await;
                self.last(part).await
            }
            Err(fault) => {
                self.pages.records.done(store).await;
                Err(fault)
            }
        };
        Some(part.map_err(|fault| {
            error!(fault = format!("{fault:#}"), "a file of calls was cut off");
            std::io::Error::other("the records cannot be read")
        }))
    }

    /// The last part of the records with the end of the file.
    async fn last(&mut self, part: Bytes) -> anyhow::Result<Bytes> {
        let (end, finished) = std::mem::replace(&mut self.sink, Sink::Csv).finish().await?;
        self.finished = finished;
        Ok(Bytes::from([part, end].concat()))
    }

    /// Rows of the next page of calls, and whether they are the last ones.
    async fn rows(&mut self, store: &Store) -> anyhow::Result<(Bytes, bool)> {
        let calls = store.search_calls(&self.filter, &self.from, PAGE_CALLS).await?;
        let part = match self.sink {
            Sink::Csv => self.csv(&calls)?,
            Sink::Json { .. } | Sink::Xlsx(_) | Sink::Parquet(_) => {
                let rows = calls.iter().map(|call| self.typed(call)).collect();
                self.sink.add(&self.file_columns, rows, &self.period)?
            }
        };
        let is_last = calls.len() < usize::try_from(PAGE_CALLS).unwrap_or(usize::MAX);
        if let Some(last) = calls.last() {
            self.from = From::OlderThan(CallKey { received: last.received, call: last.call.clone() });
        }
        Ok((part, is_last))
    }

    fn writer(&self) -> Writer<'_> {
        Writer { language: self.language, zone: &self.zone, names: &self.names, shortens: self.shortens }
    }

    /// The cells of a call with their types.
    fn typed(&self, call: &StoredCall) -> Vec<Cell> {
        let writer = self.writer();
        let cells = match call.cdr() {
            Ok(cdr) => self.columns.iter().map(|column| writer.typed_cell(&cdr, *column)).collect(),
            Err(fault) => {
                warn!(call = call.call, %fault, "a record cannot be read");
                typed::unreadable(&self.columns, self.language)
            }
        };
        std::iter::once(Cell::Time(call.received)).chain(cells).collect()
    }

    fn csv(&mut self, calls: &[StoredCall]) -> anyhow::Result<Bytes> {
        let delimiter = match self.language {
            Language::Indonesian => b';',
            Language::English => b',',
        };
        let mut bytes = Vec::new();
        let begins = std::mem::take(&mut self.begins);
        if begins {
            bytes.extend_from_slice(BOM);
        }
        let mut csv = csv::WriterBuilder::new().delimiter(delimiter).terminator(Terminator::CRLF).from_writer(bytes);
        if begins {
            csv.write_record(self.heads())?;
        }
        let writer = self.writer();
        for call in calls {
            let cells: Vec<String> = match call.cdr() {
                Ok(cdr) => self.columns.iter().map(|column| text(&writer.file_cell(&cdr, *column))).collect(),
                Err(fault) => {
                    warn!(call = call.call, %fault, "a record cannot be read");
                    let words = std::iter::once(self.language.text("call-unreadable"));
                    words.chain(std::iter::repeat(String::new())).take(self.columns.len()).collect()
                }
            };
            csv.write_record(std::iter::once(writer.iso_time(call.received)).chain(cells))?;
        }
        Ok(Bytes::from(csv.into_inner()?))
    }

    fn heads(&self) -> Vec<String> {
        let head = |column: &Column| {
            let name = self.language.text(&format!("column-{}", column.word()));
            if column.is_duration() { self.language.with("column-seconds", &[("name", &name)]) } else { name }
        };
        std::iter::once(self.language.text("time")).chain(self.columns.iter().map(head)).collect()
    }
}
