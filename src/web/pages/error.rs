//! Error pages: what happened, and what to do instead.

use askama::Template;
use axum::response::Response;

use crate::web::frame::{Frame, page};
use crate::web::site::{Fault, Site};
use crate::web::visitor::Visitor;

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    frame: Frame,
    advice: String,
    home: &'a str,
}

/// The page of an error.
pub fn page_of(site: &Site, visitor: &Visitor, fault: Fault) -> Response {
    let Fault(status, key) = fault;
    let language = visitor.language;
    let frame = Frame::of(site, visitor, language.text(key));
    let advice = language.text(&format!("{key}-advice"));
    let home = visitor.user.as_ref().map_or("/login", |user| site.home(user.role));
    page(status, &ErrorPage { frame, advice, home })
}
