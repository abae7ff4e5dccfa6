//! The monthly report as a PDF file, as the city signs it: in the language of the site, whatever that of the visitor.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use tracing::error;

use crate::reports::figures::FiguresError;
use crate::reports::ministry::report::MinistryFormat;
use crate::web::site::Fault;
use crate::web::visitor::{Fields, Visitor};

use super::Pages;
use super::ministry::{month, uncounted};
use super::unreadable::unreadable;

/// The file of a month.
pub(super) async fn pdf(
    State(pages): State<Arc<Pages>>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Fault> {
    let site = &pages.site;
    let Some((month, false)) = month(&pages, &fields) else {
        return Err(Fault(StatusCode::UNPROCESSABLE_ENTITY, "error-query"));
    };
    let Some(document) = &pages.document else {
        return Err(Fault(StatusCode::SERVICE_UNAVAILABLE, "error-document"));
    };
    site.log(visitor.name(), &visitor.address, "ministry-export", &format!("{month} format=pdf")).await?;
    let store = match pages.records.open().await {
        Ok(store) => store,
        Err(fault) => return Ok(unreadable(&pages, &visitor, fault)),
    };
    let mut file = Vec::new();
    let made = document.write(&store, month, site.now(), MinistryFormat::Pdf, &mut file).await;
    pages.records.done(store).await;
    match made.map_err(|fault| fault.downcast::<FiguresError>()) {
        Ok(()) => {
            let name = format!("attachment; filename=\"{}-{month}.pdf\"", visitor.language.text("ministry-file"));
            let head = [
                (header::CONTENT_TYPE, "application/pdf".to_owned()),
                (header::CONTENT_DISPOSITION, name),
                (header::CACHE_CONTROL, "no-store".to_owned()),
            ];
            Ok((head, file).into_response())
        }
        Err(Ok(fault)) => Ok(uncounted(&pages, &visitor, fault)),
        Err(Err(fault)) => {
            error!(fault = format!("{fault:#}"), "the monthly report cannot be made");
            Err(Fault(StatusCode::SERVICE_UNAVAILABLE, "error-document"))
        }
    }
}
