//! The access log, for auditors.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::clock::Timestamp;
use crate::store::web::access_log::AccessRow;
use crate::web::format::Moment;
use crate::web::frame::{Frame, encoded, page};
use crate::web::site::{Fault, Site};
use crate::web::visitor::{Fields, Visitor};

const PAGE: i64 = 100;

struct Line {
    seq: i64,
    date: String,
    time: String,
    user: String,
    address: String,
    action: String,
    subject: String,
    /// The first digits of the hash.
    hash: String,
    is_intact: bool,
}

#[derive(Template)]
#[template(path = "access.html")]
struct AccessPage {
    frame: Frame,
    lines: Vec<Line>,
    user: String,
    /// The query of the next page.
    older: Option<String>,
    broken: Option<String>,
}

/// Entries, newest first. To read the log is an entry of its own.
pub(super) async fn show(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Fault> {
    let user = fields.get("user").trim();
    let before = fields.get("before").parse().unwrap_or(i64::MAX);
    site.log(visitor.name(), &visitor.address, "access-log-read", user).await?;
    let rows = site.store.access(before, Some(user).filter(|user| !user.is_empty()), PAGE).await?;
    // Of one user's entries, neighbours are missing: only each entry itself is checked.
    let is_whole = user.is_empty();
    let broken = broken(&rows, is_whole).map(|seq| seq.to_string());
    let last = rows.last().map(|row| row.seq).filter(|_| i64::try_from(rows.len()).is_ok_and(|count| count == PAGE));
    let older = last.map(|seq| format!("before={seq}&user={}", encoded(user)));
    let language = visitor.language;
    let line = |row: AccessRow| {
        let moment = Moment::of(Timestamp::from_millis(row.at_ms), site.zone());
        let key = format!("action-{}", row.action);
        Line {
            is_intact: row.is_intact(),
            seq: row.seq,
            date: moment.date(language),
            time: moment.seconds(language),
            action: if language.has(&key) { language.text(&key) } else { row.action },
            user: row.user_name,
            address: row.address,
            subject: row.subject,
            hash: row.sha256.chars().take(8).collect(),
        }
    };
    let frame = Frame::of(&site, &visitor, language.text("access-title"));
    let page_ = AccessPage { frame, lines: rows.into_iter().map(line).collect(), user: user.to_owned(), older, broken };
    Ok(page(StatusCode::OK, &page_))
}

/// The number of the newest entry that was changed, or whose predecessor was changed or removed. `rows` are newest first.
fn broken(rows: &[AccessRow], is_whole: bool) -> Option<i64> {
    let changed = rows.iter().find(|row| !row.is_intact()).map(|row| row.seq);
    let pairs = rows.iter().zip(rows.iter().skip(1));
    let torn = pairs
        .filter(|_| is_whole)
        .find(|(newer, older)| newer.previous_sha256 != older.sha256 || newer.seq != older.seq + 1)
        .map(|(newer, _)| newer.seq);
    changed.max(torn)
}
