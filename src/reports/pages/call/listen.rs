//! Hearing a recording: after a stated reason, which the access log keeps.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use crate::cdr::Cdr;
use crate::reports::pages::Pages;
use crate::web::frame::see;
use crate::web::site::Fault;
use crate::web::visitor::{Fields, Visitor};

use super::audio::{Wanted, path_in, send};
use super::found;

/// Characters of a reason.
const REASON_CHARS_MIN: usize = 10;
const REASON_CHARS_MAX: usize = 300;
/// After this time, a reason must be stated again.
const HEARING_MS: i64 = 3_600_000;

/// States a reason, and returns to the page of the call.
pub(in crate::reports::pages) async fn listen(
    State(pages): State<Arc<Pages>>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
    Path(call): Path<String>,
) -> Result<Response, Fault> {
    let site = &pages.site;
    let cdr = found(&pages, &visitor, &call).await?;
    let reason: String = fields.get("reason").split_whitespace().collect::<Vec<_>>().join(" ");
    if reason.chars().count() < REASON_CHARS_MIN {
        return Ok(see(&format!("/calls/{}?reason=short#recordings", cdr.call)));
    }
    let reason: String = reason.chars().take(REASON_CHARS_MAX).collect();
    let subject = format!("{}: {reason}", cdr.call);
    site.log(visitor.name(), &visitor.address, "recording-reason", &subject).await?;
    let call = cdr.call.to_string();
    site.store.add_hearing(&visitor.form_id.hash(), &call, site.now().as_millis()).await?;
    Ok(see(&format!("/calls/{call}#recordings")))
}

/// True if the visitor has stated a reason for this call.
pub(super) async fn may_hear(pages: &Pages, visitor: &Visitor, cdr: &Cdr) -> Result<bool, Fault> {
    let site = &pages.site;
    let since = site.now().as_millis().saturating_sub(HEARING_MS);
    Ok(site.store.has_hearing(&visitor.form_id.hash(), &cdr.call.to_string(), since).await?)
}

/// The file of a recording. Each time it is played from the start is an entry of the access log.
pub(in crate::reports::pages) async fn recording(
    State(pages): State<Arc<Pages>>,
    Extension(visitor): Extension<Visitor>,
    Path((call, no)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let site = &pages.site;
    let missing = Fault(StatusCode::NOT_FOUND, "error-recording");
    let cdr = found(&pages, &visitor, &call).await?;
    if !may_hear(&pages, &visitor, &cdr).await? {
        return Err(Fault(StatusCode::FORBIDDEN, "error-reason"));
    }
    let no: usize = no.parse().map_err(|_| missing)?;
    let recording = cdr.recordings.get(no).ok_or(missing)?;
    let path = path_in(&pages.recordings, &recording.file).await.ok_or(missing)?;
    let length = tokio::fs::metadata(&path).await.map_err(|_| missing)?.len();
    let wanted = Wanted::of(&headers, length);
    if wanted.begins() {
        let subject = format!("{} {}", cdr.call, recording.file);
        site.log(visitor.name(), &visitor.address, "recording-heard", &subject).await?;
    }
    send(&path, wanted, length).await
}
