//! The page that is shown while the records cannot be read.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use tracing::error;

use crate::store::StoreError;
use crate::web::frame::{Frame, page};
use crate::web::visitor::Visitor;

use super::Pages;

#[derive(Template)]
#[template(path = "records.html")]
struct RecordsPage {
    frame: Frame,
    advice: String,
}

/// The page for an error of the database of records.
pub(super) fn unreadable(pages: &Pages, visitor: &Visitor, fault: StoreError) -> Response {
    if matches!(fault, StoreError::NotThere(_) | StoreError::NoTables) {
        return no_records(pages, visitor, "records-none");
    }
    if matches!(fault, StoreError::Busy) {
        return no_records(pages, visitor, "records-busy");
    }
    error!(fault = format!("{:#}", anyhow::Error::from(fault)), "the records cannot be read");
    no_records(pages, visitor, "records")
}

/// The page with the advice of this key.
pub(super) fn no_records(pages: &Pages, visitor: &Visitor, key: &str) -> Response {
    let (title, status) = match key {
        "records-none" => ("records-none", StatusCode::OK),
        "records-busy" => ("records-busy", StatusCode::SERVICE_UNAVAILABLE),
        "plan-busy" => ("plan-busy-title", StatusCode::SERVICE_UNAVAILABLE),
        _ => ("records-title", StatusCode::SERVICE_UNAVAILABLE),
    };
    let frame = Frame::of(&pages.site, visitor, visitor.language.text(title));
    page(status, &RecordsPage { frame, advice: visitor.language.text(&format!("{key}-advice")) })
}
