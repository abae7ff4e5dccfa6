//! Exports of many numbers: one user asks and states a reason, and a user of another role decides.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use crate::cdr::personal::without_numbers;
use crate::store::StoreError;
use crate::store::web::approvals::ApprovalRow;
use crate::web::format::{Moment, number};
use crate::web::frame::{Frame, page, role_text, see};
use crate::web::role::{Permission, Role};
use crate::web::site::Fault;
use crate::web::visitor::{Fields, Visitor};

use super::Pages;
use super::calls::columns::Column;
use super::calls::query::Query;
use super::unreadable::unreadable;

/// Characters of a reason.
const REASON_CHARS_MIN: usize = 10;
const REASON_CHARS_MAX: usize = 300;
/// How long an approval is valid, and an undecided request stands.
const LIFE_MS: i64 = 24 * 3_600_000;
/// Calls of a request are counted no further.
const COUNT_MAX: i64 = 1_000_000;
/// The list shows the requests of this time, and at most so many.
const LISTED_MS: i64 = 90 * 24 * 3_600_000;
const LISTED_MAX: i64 = 200;

/// What became of a user's request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Approval {
    /// Nothing was asked, or long ago.
    Missing,
    Waiting,
    /// By this user.
    Allowed(String),
    Rejected(String),
}

/// The hash of a query with its columns. A period that is not over has the same hash until it ends.
pub(super) fn hash(query: &Query, columns: &[Column]) -> String {
    let words: Vec<&str> = columns.iter().map(|column| column.word()).collect();
    HEXLOWER.encode(&Sha256::digest(format!("{:?} {words:?}", query.filter).as_bytes()))
}

/// A query and its columns, as the access log has them.
pub(super) fn with_columns(query: &Query, columns: &[Column]) -> String {
    let words: Vec<&str> = columns.iter().map(|column| column.word()).collect();
    format!("{} [{}]", query.for_log(), words.join(" ")).trim_start().to_owned()
}

/// What became of the visitor's last request for a query.
pub(super) async fn of(pages: &Pages, visitor: &Visitor, hash: &str) -> Result<Approval, Fault> {
    let row = pages.site.store.last_approval(visitor.name(), hash).await?;
    let now_ms = pages.site.now().as_millis();
    Ok(row.map_or(Approval::Missing, |row| state(&row, now_ms)))
}

fn state(row: &ApprovalRow, now_ms: i64) -> Approval {
    let since_ms = if row.decided_by.is_empty() { row.asked_ms } else { row.decided_ms };
    if now_ms.saturating_sub(since_ms) >= LIFE_MS {
        return Approval::Missing;
    }
    match (row.decided_by.as_str(), row.is_allowed) {
        ("", _) => Approval::Waiting,
        (by, 0) => Approval::Rejected(by.to_owned()),
        (by, _) => Approval::Allowed(by.to_owned()),
    }
}

/// Asks for whole numbers in the file of a query.
pub(super) async fn ask(
    State(pages): State<Arc<Pages>>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Fault> {
    let site = &pages.site;
    let asked = Fields::read(fields.get("query").as_bytes());
    let query = Query::of(&asked, site.zone(), site.now()).filter(|query| query.faults.is_empty());
    let Some(query) = query else { return Err(Fault(StatusCode::UNPROCESSABLE_ENTITY, "error-query")) };
    let reason: String = fields.get("reason").split_whitespace().collect::<Vec<_>>().join(" ");
    let fields_of_columns: Vec<String> = Column::chosen(&asked).iter().map(|column| column.field()).collect();
    let columns: Vec<(&str, &str)> = fields_of_columns.iter().map(|field| (field.as_str(), "1")).collect();
    let back = |more: &str| see(&format!("/calls?{}{more}#export", query.address(&columns)));
    if reason.chars().count() < REASON_CHARS_MIN {
        return Ok(back("&reason=short"));
    }
    let Some(user) = &visitor.user else { return Err(Fault(StatusCode::UNAUTHORIZED, "error-session-over")) };
    let hash = hash(&query, &Column::chosen(&asked));
    if of(&pages, &visitor, &hash).await? != Approval::Waiting {
        let calls = match count(&pages, &query).await {
            Ok(calls) => calls,
            Err(fault) => return Ok(unreadable(&pages, &visitor, fault)),
        };
        let mut id = [0; 16];
        getrandom::fill(&mut id)?;
        let row = ApprovalRow {
            id: HEXLOWER.encode(&id),
            query_sha256: hash,
            subject: with_columns(&query, &Column::chosen(&asked)),
            calls,
            reason: without_numbers(&reason.chars().take(REASON_CHARS_MAX).collect::<String>()),
            asked_by: user.name.clone(),
            asked_role: user.role.word().to_owned(),
            asked_ms: site.now().as_millis(),
            decided_by: String::new(),
            decided_ms: 0,
            is_allowed: 0,
        };
        let subject = format!("{} {}: {}", row.id, row.subject, row.reason);
        site.log(&user.name, &visitor.address, "export-asked", &subject).await?;
        site.store.add_approval(&row).await?;
    }
    Ok(back(""))
}

/// The number of calls that a query finds, counted up to a limit.
async fn count(pages: &Pages, query: &Query) -> Result<i64, StoreError> {
    let store = pages.records.open().await?;
    let count = store.count_calls(&query.filter, COUNT_MAX).await;
    pages.records.done(store).await;
    Ok(i64::try_from(count?).unwrap_or(COUNT_MAX))
}

struct Line {
    id: String,
    time: String,
    user: String,
    role: String,
    subject: String,
    calls: String,
    reason: String,
    state: String,
    /// The visitor may decide it.
    is_open: bool,
}

#[derive(Template)]
#[template(path = "approvals.html")]
struct ApprovalsPage {
    frame: Frame,
    lines: Vec<Line>,
    done: bool,
    fault: Option<String>,
}

/// The requests of the last months.
pub(super) async fn show(
    State(pages): State<Arc<Pages>>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Fault> {
    list(&pages, &visitor, fields.get("done") == "yes", None).await
}

async fn list(pages: &Pages, visitor: &Visitor, done: bool, fault: Option<&str>) -> Result<Response, Fault> {
    let (site, language) = (&pages.site, visitor.language);
    let now_ms = site.now().as_millis();
    let rows = site.store.approvals(now_ms.saturating_sub(LISTED_MS), LISTED_MAX).await?;
    let line = |row: ApprovalRow| {
        let state = state(&row, now_ms);
        let at = crate::clock::Timestamp::from_millis(row.asked_ms);
        Line {
            is_open: state == Approval::Waiting && may_decide(&row, visitor),
            time: Moment::of(at, site.zone()).full(language),
            role: Role::parse(&row.asked_role).map_or(row.asked_role, |role| role_text(role, language)),
            calls: number(u64::try_from(row.calls).unwrap_or(0), language),
            state: match state {
                Approval::Waiting => language.text("approval-waiting"),
                Approval::Allowed(by) => language.with("approval-allowed", &[("user", &by)]),
                Approval::Rejected(by) => language.with("approval-rejected", &[("user", &by)]),
                Approval::Missing => language.text("approval-over"),
            },
            id: row.id,
            user: row.asked_by,
            subject: row.subject,
            reason: row.reason,
        }
    };
    let lines = rows.into_iter().map(line).collect();
    let status = if fault.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let fault = fault.map(|key| language.text(key));
    let frame = Frame::of(site, visitor, language.text("approvals-title"));
    Ok(page(status, &ApprovalsPage { frame, lines, done, fault }))
}

/// True for a user of another role than the one who asked.
fn may_decide(row: &ApprovalRow, visitor: &Visitor) -> bool {
    let is_other = |user: &crate::web::visitor::User| user.role.word() != row.asked_role && user.name != row.asked_by;
    visitor.may(Permission::Approve) && visitor.user.as_ref().is_some_and(is_other)
}

/// Allows or rejects a request.
pub(super) async fn decide(
    State(pages): State<Arc<Pages>>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Fault> {
    let site = &pages.site;
    let now_ms = site.now().as_millis();
    let row = site.store.approval(fields.get("id")).await?;
    let Some(row) = row.filter(|row| state(row, now_ms) == Approval::Waiting) else {
        return list(&pages, &visitor, false, Some("approval-gone")).await;
    };
    if !may_decide(&row, &visitor) {
        return Err(Fault(StatusCode::FORBIDDEN, "error-forbidden"));
    }
    let is_allowed = match fields.get("decision") {
        "allow" => true,
        "reject" => false,
        _ => return list(&pages, &visitor, false, Some("approval-gone")).await,
    };
    let action = if is_allowed { "export-allowed" } else { "export-rejected" };
    let subject = format!("{} {}", row.id, row.asked_by);
    site.log(visitor.name(), &visitor.address, action, &subject).await?;
    if site.store.decide_approval(&row.id, visitor.name(), now_ms, is_allowed).await? {
        return Ok(see("/approvals?done=yes"));
    }
    // Another user has decided at the same time: the entry before this one had no effect.
    site.log(visitor.name(), &visitor.address, "export-decided-before", &subject).await?;
    list(&pages, &visitor, false, Some("approval-gone")).await
}
