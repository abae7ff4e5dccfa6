//! Log-in and log-out.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;

use crate::clock::Timestamp;
use crate::store::web::failures::Failures;
use crate::store::web::sessions::NewSession;
use crate::store::web::users::WebUserRow;
use crate::web::frame::{Frame, encoded, page, see};
use crate::web::role::Role;
use crate::web::session::{SessionId, delay_ms};
use crate::web::site::{BROWSER_LIFE_MS, Fault, Site};
use crate::web::visitor::{BROWSER_COOKIE, Fields, SESSION_COOKIE, Visitor, own_path};

/// Sessions of one user. A new one ends the oldest.
const SESSIONS_MAX: i64 = 10;
/// Browsers of one user that are exempt from the limit of their address.
const BROWSERS_MAX: i64 = 20;
/// Longer names and passwords are not compared.
const LENGTH_MAX: usize = 256;

#[derive(Template)]
#[template(path = "login.html")]
struct LogInPage<'a> {
    frame: Frame,
    user: &'a str,
    next: &'a str,
    fault: Option<String>,
}

/// The form of the log-in.
pub(super) async fn show(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Fault> {
    if let Some(user) = &visitor.user {
        return Ok(see(site.home(user.role)));
    }
    site.tidy().await?;
    Ok(form(&site, &visitor, "", fields.get("next"), StatusCode::OK, None))
}

fn form(site: &Site, visitor: &Visitor, user: &str, next: &str, status: StatusCode, fault: Option<String>) -> Response {
    let frame = Frame::of(site, visitor, visitor.language.text("login-title"));
    page(status, &LogInPage { frame, user, next: own_path(next), fault })
}

/// Checks user and password. A new session always has a new id.
pub(super) async fn log_in(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Fault> {
    let (name, password, next) = (fields.get("user").trim(), fields.get("password"), fields.get("next"));
    let language = visitor.language;
    if name.is_empty() || password.is_empty() || name.len() > LENGTH_MAX || password.len() > 4 * LENGTH_MAX {
        let fault = Some(language.text("login-incomplete"));
        return Ok(form(&site, &visitor, "", next, StatusCode::UNPROCESSABLE_ENTITY, fault));
    }
    let begun = match limit(&site, &visitor, name).await? {
        Ok(place) => match Attempt::begin(&site, name, &visitor.address).await? {
            Ok(attempt) => Ok((attempt, place)),
            Err(wait) => {
                place.free();
                Err(wait)
            }
        },
        Err(wait) => Err(wait),
    };
    let (attempt, place) = match begun {
        Ok(begun) => begun,
        Err(wait) => {
            return Ok(with_retry_after(wait, |text| {
                let fault = Some(language.with("login-wait", &[("seconds", text)]));
                form(&site, &visitor, name, next, StatusCode::TOO_MANY_REQUESTS, fault)
            }));
        }
    };
    let row = site.store.user(name).await?;
    let is_known = row.is_some();
    let hash = row.as_ref().map(|row| row.password.clone());
    let is_right = match site.passwords.is_right(password.to_owned(), hash).await {
        Ok(is_right) => is_right,
        Err(fault) => {
            place.free();
            attempt.take_back(&site).await?;
            return Err(fault.into());
        }
    };
    let user = row.filter(|_| is_right).and_then(|row| Some((Role::parse(&row.role)?, row)));
    let Some((role, row)) = user else {
        log_unknown(&site, &visitor, name, is_known, "log-in-failed", "password").await?;
        let fault = Some(language.text("login-wrong"));
        return Ok(form(&site, &visitor, name, next, StatusCode::UNAUTHORIZED, fault));
    };
    place.free();
    let needs_code = row.totp_secret.is_some();
    if needs_code {
        attempt.take_back(&site).await?;
        site.log(&row.name, &visitor.address, "log-in-password", "").await?;
        start(&site, &visitor, &row, false, &format!("/login/code?next={}", encoded(own_path(next)))).await
    } else {
        attempt.succeed(&site).await?;
        site.log(&row.name, &visitor.address, "log-in", "").await?;
        start(&site, &visitor, &row, true, destination(&site, next, role)).await
    }
}

/// An entry about a user name that a visitor typed. A name that no user has may be a password in the wrong field: only its length is kept.
async fn log_unknown(
    site: &Site,
    visitor: &Visitor,
    name: &str,
    is_known: bool,
    action: &str,
    subject: &str,
) -> Result<(), Fault> {
    if is_known {
        return site.log(name, &visitor.address, action, subject).await;
    }
    let unknown = format!("{subject} unknown-user {}", name.chars().count());
    site.log("", &visitor.address, action, unknown.trim_start()).await
}

/// The page after a log-in.
pub(super) fn destination<'a>(site: &Site, next: &'a str, role: Role) -> &'a str {
    match own_path(next) {
        "/" => site.home(role),
        next => next,
    }
}

/// Starts a session with a new id, ends the one before it, and leads to a page.
pub(super) async fn start(
    site: &Site,
    visitor: &Visitor,
    row: &WebUserRow,
    is_complete: bool,
    next: &str,
) -> Result<Response, Fault> {
    let id = SessionId::generate()?;
    let now_ms = site.now().as_millis();
    let browser = if is_complete { Some(remember(site, visitor, &row.name, now_ms).await?) } else { None };
    if visitor.user.is_some() {
        site.store.end_session(&visitor.form_id.hash()).await?;
    }
    let new = NewSession {
        id_sha256: &id.hash(),
        user: &row.name,
        is_complete,
        address: &visitor.address,
        started_ms: now_ms,
    };
    site.store.add_session(new, SESSIONS_MAX).await?;
    let response = with_header(see(next), header::SET_COOKIE, &site.cookie(SESSION_COOKIE, id.cookie(), None));
    Ok(match browser {
        Some(browser) => {
            let cookie = site.cookie(BROWSER_COOKIE, browser.cookie(), Some(BROWSER_LIFE_MS.unsigned_abs() / 1_000));
            with_header(response, header::SET_COOKIE, &cookie)
        }
        None => response,
    })
}

/// Notes that a user has logged in from a browser. An id that another visitor may have put there is replaced.
async fn remember(site: &Site, visitor: &Visitor, user: &str, now_ms: i64) -> Result<SessionId, Fault> {
    let known = match &visitor.browser {
        Some(id) if site.store.knows_browser(user, &id.browser_hash()).await? => Some(id.clone()),
        Some(_) | None => None,
    };
    let id = match known {
        Some(id) => id,
        None => SessionId::generate()?,
    };
    site.store.add_browser(user, &id.browser_hash(), now_ms, BROWSERS_MAX).await?;
    Ok(id)
}

/// An attempt that counts for the limit of its address as wrong, unless it is freed.
struct Place<'a>(Option<(&'a Site, &'a str)>);

impl Place<'_> {
    fn free(self) {
        if let Some((site, address)) = self.0 {
            site.address_limit.take_back(address);
        }
    }
}

/// Counts an attempt for the limit of the visitor's address; or the milliseconds until the next one is checked. Browsers from which this
/// user has logged in are not limited.
async fn limit<'a>(site: &'a Site, visitor: &'a Visitor, user: &str) -> Result<Result<Place<'a>, i64>, Fault> {
    if let Some(id) = &visitor.browser
        && site.store.knows_browser(user, &id.browser_hash()).await?
    {
        return Ok(Ok(Place(None)));
    }
    match site.address_limit.count(&visitor.address, site.now()) {
        Ok(()) => Ok(Ok(Place(Some((site, &visitor.address))))),
        Err(limited) => {
            if limited.is_first {
                let is_known = site.store.user(user).await?.is_some();
                log_unknown(site, visitor, user, is_known, "log-ins-limited", "").await?;
            }
            Ok(Err(limited.wait_ms))
        }
    }
}

/// Ends the session.
pub(super) async fn log_out(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, Fault> {
    site.store.end_session(&visitor.form_id.hash()).await?;
    site.log(visitor.name(), &visitor.address, "log-out", "").await?;
    Ok(with_header(see("/login"), header::SET_COOKIE, &site.cookie(SESSION_COOKIE, "", Some(0))))
}

fn with_header(mut response: Response, name: HeaderName, value: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().append(name, value);
    }
    response
}

/// A response that says after how many seconds the next attempt is checked.
pub(super) fn with_retry_after(wait_ms: i64, response: impl FnOnce(&str) -> Response) -> Response {
    let seconds = (wait_ms.saturating_add(999) / 1_000).to_string();
    with_header(response(&seconds), header::RETRY_AFTER, &seconds)
}

/// An attempt to log in. It counts as failed until it succeeds, so that simultaneous attempts cannot avoid the delay.
pub(super) struct Attempt {
    user: String,
    address: String,
    before: Failures,
    counted_ms: i64,
}

impl Attempt {
    /// Counts an attempt; or the milliseconds until the next attempt of this user from this address is checked. Attempts from other
    /// addresses are not delayed, and no account is locked.
    pub(super) async fn begin(site: &Site, user: &str, address: &str) -> Result<Result<Self, i64>, Fault> {
        let now: Timestamp = site.now();
        let before = site.store.failures(user, address).await?;
        let since = now.as_millis().saturating_sub(before.last_ms);
        let wait = delay_ms(before.failures).saturating_sub(since);
        // After a step of the clock to an earlier time, the delay is not longer than usual.
        if before.failures > 0 && wait > 0 && since >= 0 {
            return Ok(Err(wait));
        }
        let counted_ms = now.as_millis();
        let is_counted = site.store.count_failure(user, address, before, counted_ms).await?;
        let attempt = Self { user: user.to_owned(), address: address.to_owned(), before, counted_ms };
        // Another attempt was counted at the same time.
        Ok(if is_counted { Ok(attempt) } else { Err(delay_ms(1)) })
    }

    /// The password was right.
    pub(super) async fn succeed(self, site: &Site) -> Result<(), Fault> {
        Ok(site.store.clear_failures(&self.user, &self.address).await?)
    }

    /// The attempt is not over, or was not checked.
    pub(super) async fn take_back(self, site: &Site) -> Result<(), Fault> {
        Ok(site.store.restore_failures(&self.user, &self.address, self.before, self.counted_ms).await?)
    }
}
