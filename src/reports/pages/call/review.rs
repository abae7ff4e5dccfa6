//! Reviews of a call by supervisors, in the store of the pages.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;

use crate::reports::pages::Pages;
use crate::store::web::reviews::ReviewRow;
use crate::web::frame::see;
use crate::web::site::Fault;
use crate::web::visitor::{Fields, Visitor};

use super::found;

/// The highest score; the lowest is 1.
pub(super) const SCORE_MAX: i64 = 5;
const NOTE_CHARS_MAX: usize = 1_000;

/// Marks a call as reviewed, and returns to its page.
pub(in crate::reports::pages) async fn review(
    State(pages): State<Arc<Pages>>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
    Path(call): Path<String>,
) -> Result<Response, Fault> {
    let site = &pages.site;
    let cdr = found(&pages, &visitor, &call).await?;
    let score = fields.get("score").parse().ok().filter(|score| (1..=SCORE_MAX).contains(score));
    let score = score.ok_or(Fault(StatusCode::UNPROCESSABLE_ENTITY, "error-score"))?;
    let call = cdr.call.to_string();
    site.log(visitor.name(), &visitor.address, "call-review", &format!("{call}: {score}")).await?;
    let row = ReviewRow {
        call: call.clone(),
        at_ms: site.now().as_millis(),
        user_name: visitor.name().to_owned(),
        score,
        note: fields.get("note").trim().chars().take(NOTE_CHARS_MAX).collect(),
    };
    site.store.add_review(&row).await?;
    Ok(see(&format!("/calls/{call}#review")))
}
