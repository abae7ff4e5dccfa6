//! The visitor's own account: password, second factor and sessions.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::web::frame::{Frame, page, see};
use crate::web::password;
use crate::web::site::{Fault, Site};
use crate::web::visitor::{Fields, Stage, Visitor};

use super::login::{Attempt, start, with_retry_after};

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    frame: Frame,
    name: String,
    has_totp: bool,
    sessions: i64,
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "password.html")]
struct PasswordPage {
    frame: Frame,
    name: String,
    must_change: bool,
    fault: Option<String>,
}

/// The account.
pub(super) async fn show(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Fault> {
    let language = visitor.language;
    let done = format!("account-done-{}", fields.get("done"));
    let done = language.has(&done).then(|| language.text(&done));
    let frame = Frame::of(&site, &visitor, language.text("account-title"));
    let sessions = site.store.session_count(visitor.name()).await?;
    let has_totp = visitor.user.as_ref().is_some_and(|user| user.has_totp);
    Ok(page(StatusCode::OK, &AccountPage { frame, name: visitor.name().to_owned(), has_totp, sessions, done }))
}

/// The form of a new password.
pub(super) async fn password(State(site): State<Arc<Site>>, Extension(visitor): Extension<Visitor>) -> Response {
    form(&site, &visitor, StatusCode::OK, None)
}

fn form(site: &Site, visitor: &Visitor, status: StatusCode, fault: Option<String>) -> Response {
    let must_change = visitor.user.as_ref().is_some_and(|user| user.stage == Stage::NewPassword);
    let frame = Frame::of(site, visitor, visitor.language.text("password-title"));
    page(status, &PasswordPage { frame, name: visitor.name().to_owned(), must_change, fault })
}

/// Changes the password. All other sessions of the user end, and this one gets a new id.
pub(super) async fn set_password(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Fault> {
    let language = visitor.language;
    let reject = |key: &str| Ok(form(&site, &visitor, StatusCode::UNPROCESSABLE_ENTITY, Some(language.text(key))));
    let (old, new) = (fields.get("old"), fields.get("new"));
    if new != fields.get("again") {
        return reject("password-differs");
    }
    if let Some(key) = password::fault_of(new, visitor.name()) {
        return reject(key);
    }
    if new == old {
        return reject("password-same");
    }
    let attempt = match Attempt::begin(&site, visitor.name(), &visitor.address).await? {
        Ok(attempt) => attempt,
        Err(wait) => {
            return Ok(with_retry_after(wait, |text| {
                let fault = Some(language.with("login-wait", &[("seconds", text)]));
                form(&site, &visitor, StatusCode::TOO_MANY_REQUESTS, fault)
            }));
        }
    };
    let Some(row) = site.store.user(visitor.name()).await? else { return Ok(see("/login")) };
    if !site.passwords.is_right(old.to_owned(), Some(row.password.clone())).await? {
        site.log(&row.name, &visitor.address, "password-change-failed", "").await?;
        return reject("password-old-wrong");
    }
    attempt.succeed(&site).await?;
    let hash = site.passwords.hash(new.to_owned()).await?;
    site.log(&row.name, &visitor.address, "password-change", "").await?;
    site.store.set_password(&row.name, &hash, false).await?;
    site.store.end_sessions(&row.name, "").await?;
    start(&site, &visitor, &row, true, "/account?done=password").await
}

/// Ends all other sessions of the user.
pub(super) async fn end_sessions(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, Fault> {
    site.store.end_sessions(visitor.name(), &visitor.form_id.hash()).await?;
    site.log(visitor.name(), &visitor.address, "log-out-everywhere", visitor.name()).await?;
    Ok(see("/account?done=sessions"))
}
