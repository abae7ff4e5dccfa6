//! The second factor: the code at the log-in, and its set-up.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use qrcodegen::{QrCode, QrCodeEcc};

use super::login::{Attempt, destination, start, with_retry_after};
use crate::web::frame::{Frame, page, see};
use crate::web::site::{Fault, Site};
use crate::web::totp;
use crate::web::visitor::{Fields, Visitor, own_path};

/// After so many wrong codes, the log-in begins anew with the password.
const WRONG_CODES_MAX: i64 = 5;

#[derive(Template)]
#[template(path = "code.html")]
struct CodePage<'a> {
    frame: Frame,
    next: &'a str,
    fault: Option<String>,
}

#[derive(Template)]
#[template(path = "totp.html")]
struct SetUpPage {
    frame: Frame,
    secret: String,
    /// The secret in groups of four, to type it.
    groups: String,
    picture: String,
    is_required: bool,
    fault: Option<String>,
}

/// The form of the code.
pub(super) async fn show(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Response {
    form(&site, &visitor, fields.get("next"), StatusCode::OK, None)
}

fn form(site: &Site, visitor: &Visitor, next: &str, status: StatusCode, fault: Option<String>) -> Response {
    let frame = Frame::of(site, visitor, visitor.language.text("code-title"));
    page(status, &CodePage { frame, next: own_path(next), fault })
}

/// A code that counts for the limit of its user as wrong, unless it is freed.
struct Place<'a>(Option<(&'a Site, &'a str)>);

impl Place<'_> {
    fn free(self) {
        if let Some((site, user)) = self.0 {
            site.code_limit.take_back(user);
        }
    }
}

/// Counts a code for the limit of its user, from whatever addresses codes come; or the milliseconds until the next one is checked. Browsers
/// from which the user has logged in are not limited: codes that others try keep out no user.
async fn limit<'a>(site: &'a Site, visitor: &Visitor, user: &'a str) -> Result<Result<Place<'a>, i64>, Fault> {
    if let Some(id) = &visitor.browser
        && site.store.knows_browser(user, &id.browser_hash()).await?
    {
        return Ok(Ok(Place(None)));
    }
    match site.code_limit.count(user, site.now()) {
        Ok(()) => Ok(Ok(Place(Some((site, user))))),
        Err(limited) => {
            if limited.is_first {
                site.log(user, &visitor.address, "codes-limited", "").await?;
            }
            Ok(Err(limited.wait_ms))
        }
    }
}

/// Checks the code of a log-in. The complete session has a new id.
pub(super) async fn check(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Fault> {
    let Some(user) = &visitor.user else { return Ok(see("/login")) };
    let next = fields.get("next");
    let attempt = match Attempt::begin(&site, &user.name, &visitor.address).await? {
        Ok(attempt) => attempt,
        Err(wait) => {
            return Ok(with_retry_after(wait, |text| {
                let fault = Some(visitor.language.with("login-wait", &[("seconds", text)]));
                form(&site, &visitor, next, StatusCode::TOO_MANY_REQUESTS, fault)
            }));
        }
    };
    let Some(row) = site.store.user(&user.name).await? else { return Ok(see("/login")) };
    let place = match limit(&site, &visitor, &user.name).await? {
        Ok(place) => place,
        Err(wait) => {
            attempt.take_back(&site).await?;
            return Ok(with_retry_after(wait, |text| {
                let fault = Some(visitor.language.with("login-wait", &[("seconds", text)]));
                form(&site, &visitor, next, StatusCode::TOO_MANY_REQUESTS, fault)
            }));
        }
    };
    let secret = row.totp_secret.clone().unwrap_or_default();
    let is_right = match totp::step_of(&secret, fields.get("code"), site.now(), row.totp_step) {
        Some(step) if !secret.is_empty() => site.store.use_totp_step(&row.name, step).await?,
        Some(_) | None => false,
    };
    if !is_right {
        site.log(&row.name, &visitor.address, "log-in-failed", "code").await?;
        if site.store.count_wrong_code(&visitor.form_id.hash()).await? >= WRONG_CODES_MAX {
            site.store.end_session(&visitor.form_id.hash()).await?;
            return Ok(see("/login"));
        }
        let fault = Some(visitor.language.text("code-wrong"));
        return Ok(form(&site, &visitor, next, StatusCode::UNAUTHORIZED, fault));
    }
    attempt.succeed(&site).await?;
    place.free();
    site.log(&row.name, &visitor.address, "log-in", "").await?;
    start(&site, &visitor, &row, true, destination(&site, next, user.role)).await
}

/// Shows a new secret.
pub(super) async fn set_up(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, Fault> {
    if visitor.user.as_ref().is_some_and(|user| user.has_totp) {
        return Ok(see("/account"));
    }
    Ok(set_up_form(&site, &visitor, totp::generate()?, StatusCode::OK, None))
}

fn set_up_form(site: &Site, visitor: &Visitor, secret: String, status: StatusCode, fault: Option<String>) -> Response {
    let is_required = visitor.user.as_ref().is_some_and(|user| site.needs_totp(user.role));
    let address = totp::address(&secret, site.name(), visitor.name());
    let letters: Vec<char> = secret.chars().collect();
    let groups = letters.chunks(4).map(|group| group.iter().collect()).collect::<Vec<String>>().join(" ");
    let frame = Frame::of(site, visitor, visitor.language.text("totp-title"));
    page(status, &SetUpPage { frame, secret, groups, picture: picture(&address), is_required, fault })
}

/// Stores the secret if the app of the user has it.
pub(super) async fn confirm(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Fault> {
    let Some(user) = visitor.user.as_ref().filter(|user| !user.has_totp) else { return Ok(see("/account")) };
    let secret = fields.get("secret");
    // The browser returns the secret that was shown; another of the same form has the same strength.
    let step = totp::step_of(secret, fields.get("code"), site.now(), 0).filter(|_| secret.len() == 32);
    let Some(step) = step else {
        let fault = Some(visitor.language.text("code-wrong"));
        let secret = if secret.len() == 32 { secret.to_owned() } else { totp::generate()? };
        return Ok(set_up_form(&site, &visitor, secret, StatusCode::UNPROCESSABLE_ENTITY, fault));
    };
    site.log(&user.name, &visitor.address, "totp-set-up", "").await?;
    site.store.set_totp(&user.name, Some(secret), step).await?;
    site.store.end_sessions(&user.name, &visitor.form_id.hash()).await?;
    Ok(see("/account?done=totp"))
}

/// The picture that an app reads: the path of an SVG, one unit for each module.
fn picture(text: &str) -> String {
    let Ok(code) = QrCode::encode_text(text, QrCodeEcc::Medium) else { return String::new() };
    let size = code.size();
    let rows = (0..size).flat_map(|y| (0..size).map(move |x| (x, y)));
    let path: String =
        rows.filter(|(x, y)| code.get_module(*x, *y)).map(|(x, y)| format!("M{},{}h1v1h-1z", x + 4, y + 4)).collect();
    let side = size + 8;
    format!(
        "<svg class=\"qr\" viewBox=\"0 0 {side} {side}\" role=\"img\" aria-hidden=\"true\"><path d=\"{path}\"/></svg>"
    )
}
