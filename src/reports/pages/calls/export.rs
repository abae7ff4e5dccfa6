//! The list of calls as a CSV file, of any length with constant memory: each page of records is read when the one before it was sent.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use csv::Terminator;
use futures_util::stream::unfold;
use jiff::tz::TimeZone;
use tracing::{error, warn};

use crate::reports::csv::{BOM, text};
use crate::reports::pages::Pages;
use crate::reports::pages::approvals::{self, Approval};
use crate::reports::pages::records::Reading;
use crate::reports::pages::unreadable::{no_records, unreadable};
use crate::store::call_search::{CallFilter, CallKey, From};
use crate::store::{Store, StoreError};
use crate::web::site::Fault;
use crate::web::texts::Language;
use crate::web::visitor::{Fields, Visitor};

use super::columns::{Column, Writer};
use super::query::Query;
use super::scope::Scope;

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
    let (numbers, shortens) = match (&approval, is_long) {
        (_, false) => ("numbers=whole".to_owned(), false),
        (Approval::Allowed(by), true) => (format!("numbers=whole allowed-by={by}"), false),
        (Approval::Missing | Approval::Waiting | Approval::Rejected(_), true) => ("numbers=short".to_owned(), true),
    };
    let calls = if is_long { format!(">{WHOLE_NUMBERS_MAX}") } else { count.to_string() };
    let subject = format!("{subject} calls={calls} {numbers}");
    if let Err(fault) = site.log(visitor.name(), &visitor.address, "calls-export", &subject).await {
        pages.records.done(store).await;
        return Err(fault);
    }
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
        pages: Arc::clone(&pages),
    };
    let name = format!("{}-{}-{}.csv", visitor.language.text("calls-file"), query.choice.days.0, query.choice.days.1);
    let head = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    let body = Body::from_stream(unfold(file, |mut file| async move {
        let part = file.part().await?;
        Some((part, file))
    }));
    Ok((head, body).into_response())
}

/// The number of calls, as far as it matters, and the names of operators.
async fn start(store: &Store, filter: &CallFilter) -> Result<(u64, BTreeMap<String, String>), StoreError> {
    Ok((store.count_calls(filter, WHOLE_NUMBERS_MAX + 1).await?, store.operator_names().await?))
}

impl File {
    /// The next part; None at the end. An error cuts the connection: half a file must not look like a whole one.
    async fn part(&mut self) -> Option<std::io::Result<Bytes>> {
        let mut store = self.store.take()?;
        let rows = match self.pages.records.resume(&mut store).await {
            Ok(()) => self.rows(&store).await,
            Err(fault) => Err(fault.into()),
        };
        match rows {
            Ok((rows, false)) => {
                store.pause();
                self.store = Some(store);
                Some(Ok(rows))
            }
            Ok((rows, true)) => {
                self.pages.records.done(store).await;
                Some(Ok(rows))
            }
            Err(fault) => {
                self.pages.records.done(store).await;
                error!(fault = format!("{fault:#}"), "a file of calls was cut off");
                Some(Err(std::io::Error::other("the records cannot be read")))
            }
        }
    }

    /// Rows of the next page of calls, and whether they are the last ones.
    async fn rows(&mut self, store: &Store) -> anyhow::Result<(Bytes, bool)> {
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
        let calls = store.search_calls(&self.filter, &self.from, PAGE_CALLS).await?;
        let writer = Writer { language: self.language, zone: &self.zone, names: &self.names, shortens: self.shortens };
        for call in &calls {
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
        let is_last = calls.len() < usize::try_from(PAGE_CALLS).unwrap_or(usize::MAX);
        if let Some(last) = calls.last() {
            self.from = From::OlderThan(CallKey { received: last.received, call: last.call.clone() });
        }
        Ok((Bytes::from(csv.into_inner()?), is_last))
    }

    fn heads(&self) -> Vec<String> {
        let head = |column: &Column| {
            let name = self.language.text(&format!("column-{}", column.word()));
            if column.is_duration() { self.language.with("column-seconds", &[("name", &name)]) } else { name }
        };
        std::iter::once(self.language.text("time")).chain(self.columns.iter().map(head)).collect()
    }
}
