//! Hearing a recording: after a stated reason, which the access log keeps.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;

use crate::cdr::Cdr;
use crate::cdr::personal::without_numbers;
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
/// Remembered recordings of all sessions.
const HEARD_MAX: usize = 1_000;

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
    let reason = without_numbers(&reason.chars().take(REASON_CHARS_MAX).collect::<String>());
    let subject = format!("{}: {reason}", cdr.call);
    site.log(visitor.name(), &visitor.address, "recording-reason", &subject).await?;
    let call = cdr.call.to_string();
    let session = visitor.form_id.hash();
    site.store.add_hearing(&session, &call, site.now().as_millis()).await?;
    pages.heard.forget(&session);
    Ok(see(&format!("/calls/{call}#recordings")))
}

/// True if the visitor has stated a reason for this call.
pub(super) async fn may_hear(pages: &Pages, visitor: &Visitor, cdr: &Cdr) -> Result<bool, Fault> {
    let site = &pages.site;
    let since = site.now().as_millis().saturating_sub(HEARING_MS);
    Ok(site.store.has_hearing(&visitor.form_id.hash(), &cdr.call.to_string(), since).await?)
}

/// The recordings that sessions have heard recently: a player asks for a recording in many parts, which are one entry of the access log.
#[derive(Debug, Default)]
pub struct Heard(Mutex<VecDeque<Hearing>>);

/// Session, recording, and when its first part was sent, in milliseconds.
type Hearing = (String, String, i64);

impl Heard {
    /// True if this is the first part of a recording that the session gets since `since_ms`.
    fn is_first(&self, session: &str, recording: &str, since_ms: i64, now_ms: i64) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(_, _, at)| (since_ms..=now_ms).contains(at));
        let is_first = !all.iter().any(|(of, heard, _)| of == session && heard == recording);
        if is_first {
            // A forgotten one is logged again.
            all.truncate(HEARD_MAX - 1);
            all.push_front((session.to_owned(), recording.to_owned(), now_ms));
        }
        is_first
    }

    /// After a new reason, each recording is an entry again.
    fn forget(&self, session: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(of, _, _)| of != session);
    }
}

/// The file of a recording, or a part of it. The first part of each recording that a session gets after it stated a reason is an entry of
/// the access log.
pub(in crate::reports::pages) async fn recording(
    State(pages): State<Arc<Pages>>,
    Extension(visitor): Extension<Visitor>,
    Path((call, no)): Path<(String, String)>,
    method: Method,
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
    let (since, now) = (site.now().as_millis().saturating_sub(HEARING_MS), site.now().as_millis());
    if method != Method::HEAD
        && wanted != Wanted::Nothing
        && pages.heard.is_first(&visitor.form_id.hash(), &recording.file, since, now)
    {
        let subject = format!("{} {}", cdr.call, recording.file);
        site.log(visitor.name(), &visitor.address, "recording-heard", &subject).await?;
    }
    send(&path, wanted, length).await
}
