//! The page of one call: what happened, why the caller waited, its messages, audio quality, recordings, reviews and raw facts.

mod audio;
mod ladder;
mod listen;
mod parties;
mod review;
mod shown;
mod timeline;
mod why;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;

use crate::cdr::Cdr;
use crate::cdr::fact::Fact;
use crate::ids::CallId;
use crate::store::web::reviews::ReviewRow;
use crate::store::{Store, StoreError};
use crate::web::frame::page;
use crate::web::role::Permission;
use crate::web::site::Fault;
use crate::web::visitor::{Fields, Visitor};

use super::Pages;
use super::calls::scope::Scope;
use super::unreadable::unreadable;

pub use listen::Heard;
pub(super) use listen::{listen, recording};
pub(super) use review::review;

/// Facts that a page shows.
const FACTS_MAX: i64 = 2_000;

/// What is stored about a call.
struct Stored {
    cdr: Cdr,
    facts: Vec<Fact>,
    /// The facts as they were stored.
    raw: Vec<String>,
    names: BTreeMap<String, String>,
}

/// The page. To read it is an entry of the access log.
pub(super) async fn show(
    State(pages): State<Arc<Pages>>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
    Path(call): Path<String>,
) -> Result<Response, Fault> {
    let missing = Fault(StatusCode::NOT_FOUND, "error-call");
    let id: CallId = call.parse().map_err(|_| missing)?;
    let stored = match pages.records.open().await {
        Ok(store) => {
            let read = read(&store, id).await;
            pages.records.done(store).await;
            read
        }
        Err(fault) => Err(fault),
    };
    let stored = match stored {
        Ok(stored) => stored.ok_or(missing)?,
        Err(fault) => return Ok(unreadable(&pages, &visitor, fault)),
    };
    if !Scope::of(&pages, &visitor).has(&stored.cdr) {
        return Err(missing);
    }
    let site = &pages.site;
    site.log(visitor.name(), &visitor.address, "call-read", &id.to_string()).await?;
    let is_open = visitor.may(Permission::Recordings) && listen::may_hear(&pages, &visitor, &stored.cdr).await?;
    let reviews: Vec<ReviewRow> = match visitor.may(Permission::Calls) {
        true => site.store.reviews(&id.to_string()).await?,
        false => Vec::new(),
    };
    let waves = if is_open { waves(&pages, &stored.cdr).await } else { Vec::new() };
    let shown = shown::Shown { pages: &pages, visitor: &visitor, stored: &stored, is_open, waves: &waves };
    Ok(page(StatusCode::OK, &shown.page(&reviews, fields.get("reason") == "short")))
}

/// The record and the facts of a call. A call that has not ended has no record yet: it is computed.
async fn read(store: &Store, id: CallId) -> Result<Option<Stored>, StoreError> {
    let call = id.to_string();
    let raw = store.fact_texts(&call, FACTS_MAX).await?;
    let mut facts: Vec<Fact> = raw.iter().filter_map(|text| Fact::read(text.as_bytes())).collect();
    timeline::sort(&mut facts);
    let cdr = match store.stored_call(&call).await? {
        Some(stored) => Some(stored.cdr()?),
        None => Cdr::fold(&facts),
    };
    let names = store.operator_names().await?;
    Ok(cdr.map(|cdr| Stored { cdr, facts, raw, names }))
}

/// The record of a call that the visitor may see.
async fn found(pages: &Pages, visitor: &Visitor, call: &str) -> Result<Cdr, Fault> {
    let missing = Fault(StatusCode::NOT_FOUND, "error-call");
    let unreadable = |_| Fault(StatusCode::SERVICE_UNAVAILABLE, "error-records");
    let id: CallId = call.parse().map_err(|_| missing)?;
    let store = pages.records.open().await.map_err(unreadable)?;
    let read = store.stored_call(&id.to_string()).await.and_then(|row| row.map(|row| row.cdr()).transpose());
    pages.records.done(store).await;
    let cdr = read.map_err(unreadable)?.ok_or(missing)?;
    if Scope::of(pages, visitor).has(&cdr) { Ok(cdr) } else { Err(missing) }
}

/// The loudness of each recording; None if its file is missing or unreadable.
async fn waves(pages: &Pages, cdr: &Cdr) -> Vec<Option<[Vec<u16>; 2]>> {
    let mut waves = Vec::new();
    for recording in &cdr.recordings {
        let wave = match audio::path_in(&pages.recordings, &recording.file).await {
            Some(path) => tokio::task::spawn_blocking(move || audio::peaks(&path)).await.ok().flatten(),
            None => None,
        };
        waves.push(wave);
    }
    waves
}
