//! Language and theme, in cookies of the browser.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::Response;

use crate::web::frame::see;
use crate::web::site::Site;
use crate::web::texts::Language;
use crate::web::visitor::{Fields, LANGUAGE_COOKIE, THEME_COOKIE, Theme, own_path};

/// One year.
const AGE_SECONDS: u64 = 31_536_000;

/// Keeps the choice, and returns to the page.
pub(super) async fn set(State(site): State<Arc<Site>>, Extension(fields): Extension<Fields>) -> Response {
    let mut response = see(own_path(fields.get("back")));
    let language = Language::parse(fields.get("language")).map(|one| (LANGUAGE_COOKIE, one.code()));
    let theme = Theme::parse(fields.get("theme")).map(|one| (THEME_COOKIE, one.word()));
    for (name, value) in language.into_iter().chain(theme) {
        if let Ok(value) = HeaderValue::from_str(&site.cookie(name, value, Some(AGE_SECONDS))) {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    response
}
