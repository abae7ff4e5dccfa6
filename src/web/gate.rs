//! The gate in front of every page: session and role of the visitor, protection of forms, error pages and header fields.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;

use super::pages::error;
use super::role::Role;
use super::session::SessionId;
use super::site::{Access, Fault, Route, Site};
use super::texts::Language;
use super::visitor::{
    BROWSER_COOKIE, FORM_COOKIE, Fields, Known, LANGUAGE_COOKIE, Peer, SESSION_COOKIE, Stage, THEME_COOKIE, Theme,
    User, Visitor, cookie,
};

/// Bytes of a form.
const FORM_BYTES_MAX: usize = 64 << 10;
/// Maximum time of one request.
const REQUEST_TIME: Duration = Duration::from_secs(20);
/// The time of a session's last request is stored at most this often.
const SEEN_EVERY_MS: i64 = 30_000;

const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; font-src 'self'; img-src 'self'; media-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

#[derive(Clone)]
struct Gate {
    site: Arc<Site>,
    access: Access,
}

/// The routes as one service.
pub fn router(site: &Arc<Site>, routes: Vec<Route>) -> Router {
    let mut router = Router::new();
    for route in routes {
        let gate = Gate { site: Arc::clone(site), access: route.access };
        router = router.route(route.path, route.handler.layer(from_fn_with_state(gate, pass)));
    }
    let gate = Gate { site: Arc::clone(site), access: Access::Public };
    let missing = any(async || Fault(StatusCode::NOT_FOUND, "error-not-found"));
    router.fallback_service(missing.layer(from_fn_with_state(gate, pass))).layer(from_fn(with_limits))
}

/// Limits the time of a request, and adds the header fields that every response has.
async fn with_limits(request: Request, next: Next) -> Response {
    let mut response = match tokio::time::timeout(REQUEST_TIME, next.run(request)).await {
        Ok(response) => response,
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, [(header::CONNECTION, "close")]).into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    for (name, value) in [
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// Serves a request if the visitor may send it.
async fn pass(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let site = &gate.site;
    let (parts, body) = request.into_parts();
    let (visitor, is_new) = match visitor(site, &parts).await {
        Ok(found) => found,
        Err(fault) => return plain(fault, site.language()),
    };
    let mut request = Request::from_parts(parts, body);
    let form_cookie = is_new.then(|| site.cookie(FORM_COOKIE, visitor.form_id.cookie(), None));
    let served = match decide(gate.access, visitor.user.as_ref(), site) {
        Decision::Serve => match fields(site, &mut request, &visitor).await {
            Ok(fields) => {
                request.extensions_mut().insert(fields);
                request.extensions_mut().insert(visitor.clone());
                next.run(request).await
            }
            Err(fault) => fault.into_response(),
        },
        Decision::LogIn if request.method() == Method::GET => {
            super::frame::see(&format!("/login?next={}", super::frame::encoded(&visitor.address_of_page)))
        }
        Decision::LogIn => Fault(StatusCode::UNAUTHORIZED, "error-session-over").into_response(),
        Decision::First(path) => super::frame::see(path),
        Decision::Forbid => Fault(StatusCode::FORBIDDEN, "error-forbidden").into_response(),
    };
    let mut response = match served.extensions().get::<Fault>().copied() {
        Some(fault) => error::page_of(site, &visitor, fault),
        None => served,
    };
    if visitor.user.is_some() {
        response.extensions_mut().insert(Known);
    }
    if let Some(value) = form_cookie.and_then(|text| HeaderValue::from_str(&text).ok()) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

/// The store is not needed for this page.
fn plain(fault: Fault, language: Language) -> Response {
    let text = format!("{}\n", language.text(fault.1));
    (fault.0, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    Serve,
    LogIn,
    /// Another page comes first.
    First(&'static str),
    Forbid,
}

fn decide(access: Access, user: Option<&User>, site: &Site) -> Decision {
    if access == Access::Public {
        return Decision::Serve;
    }
    let Some(user) = user else { return Decision::LogIn };
    match (access, user.stage) {
        (Access::Public | Access::Session, _) | (Access::Code, Stage::Code) => Decision::Serve,
        (Access::Account | Access::May(_), Stage::Code) => Decision::First("/login/code"),
        (Access::Account, Stage::NewPassword | Stage::NewTotp | Stage::Complete) => Decision::Serve,
        (Access::Code | Access::May(_), Stage::NewPassword) => Decision::First("/account/password"),
        (Access::Code | Access::May(_), Stage::NewTotp) => Decision::First("/account/totp"),
        (Access::Code, Stage::Complete) => Decision::First(site.home(user.role)),
        (Access::May(permission), Stage::Complete) if user.may(permission) => Decision::Serve,
        (Access::May(_), Stage::Complete) => Decision::Forbid,
    }
}

/// The visitor of a request, and whether a new id for forms was made.
async fn visitor(site: &Site, request: &Parts) -> Result<(Visitor, bool), Fault> {
    let headers = &request.headers;
    let session = cookie(headers, SESSION_COOKIE).and_then(SessionId::parse);
    let user = match &session {
        Some(id) => user(site, id).await?,
        None => None,
    };
    let (form_id, is_new) = match (session, &user, cookie(headers, FORM_COOKIE).and_then(SessionId::parse)) {
        (Some(id), Some(_), _) | (_, None, Some(id)) => (id, false),
        (None, Some(_), _) | (_, None, None) => (SessionId::generate()?, true),
    };
    let address_of_page = match request.method == Method::GET {
        true => request.uri.path_and_query().map_or("/", axum::http::uri::PathAndQuery::as_str),
        false => "/",
    };
    let visitor = Visitor {
        language: cookie(headers, LANGUAGE_COOKIE).and_then(Language::parse).unwrap_or(site.language()),
        theme: cookie(headers, THEME_COOKIE).and_then(Theme::parse).unwrap_or_default(),
        address: request.extensions.get::<Peer>().map_or_else(String::new, |peer| peer.key()),
        path: request.uri.path().to_owned(),
        address_of_page: address_of_page.to_owned(),
        form_id,
        browser: cookie(headers, BROWSER_COOKIE).and_then(SessionId::parse),
        user,
    };
    Ok((visitor, is_new))
}

/// The user of a session that has not ended.
async fn user(site: &Site, id: &SessionId) -> Result<Option<User>, Fault> {
    let (hash, now) = (id.hash(), site.now());
    let Some(row) = site.store.session(&hash).await? else { return Ok(None) };
    if site.life().is_over(row.started_ms, row.seen_ms, now) {
        site.store.end_session(&hash).await?;
        return Ok(None);
    }
    if now.as_millis().saturating_sub(row.seen_ms) >= SEEN_EVERY_MS {
        site.store.session_seen(&hash, now.as_millis()).await?;
    }
    // A role of a newer version has no permission.
    let Some(role) = Role::parse(&row.role) else { return Ok(None) };
    let has_totp = row.has_totp != 0;
    let stage = if row.is_complete == 0 {
        Stage::Code
    } else if row.must_change != 0 {
        Stage::NewPassword
    } else if site.needs_totp(role) && !has_totp {
        Stage::NewTotp
    } else {
        Stage::Complete
    };
    let may_hear = row.recordings != 0;
    Ok(Some(User { name: row.user_name, display: row.display, role, stage, has_totp, may_hear }))
}

/// The fields of the query, or of the form of a request that changes something. Such a request must come from a page of this site.
async fn fields(site: &Site, request: &mut Request, visitor: &Visitor) -> Result<Fields, Fault> {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(Fields::read(request.uri().query().unwrap_or_default().as_bytes()));
    }
    if !is_same_origin(request.headers(), request.uri(), site.is_secure()) {
        return Err(Fault(StatusCode::FORBIDDEN, "error-origin"));
    }
    let kind = request.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    if !kind.starts_with(b"application/x-www-form-urlencoded") {
        return Err(Fault(StatusCode::UNSUPPORTED_MEDIA_TYPE, "error-form"));
    }
    let body = std::mem::replace(request.body_mut(), Body::empty());
    let body =
        to_bytes(body, FORM_BYTES_MAX).await.map_err(|_| Fault(StatusCode::PAYLOAD_TOO_LARGE, "error-too-long"))?;
    let fields = Fields::read(&body);
    if visitor.form_id.is_form_token(fields.get("token")) {
        Ok(fields)
    } else {
        Err(Fault(StatusCode::FORBIDDEN, "error-token"))
    }
}

/// True if a browser sent the request from a page of this host and port. All browsers send Origin with POST. Pages that are served over TLS
/// accept no form of a page without TLS.
fn is_same_origin(headers: &HeaderMap, uri: &Uri, is_secure: bool) -> bool {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let host = text(header::HOST).or_else(|| uri.authority().map(|authority| authority.as_str()));
    let (Some(origin), Some(host)) = (text(header::ORIGIN), host) else { return false };
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let port = match scheme {
        "http" if !is_secure => ":80",
        "https" => ":443",
        _ => return false,
    };
    // A port that the scheme implies may be missing on either side.
    let short = |text: &str| text.strip_suffix(port).unwrap_or(text).to_ascii_lowercase();
    let is_other_site =
        text(header::HeaderName::from_static("sec-fetch-site")).is_some_and(|site| site != "same-origin");
    short(authority) == short(host) && !is_other_site
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_comes_from_the_same_host_and_port() {
        for (host, origin, site, expected) in [
            ("pusat:8113", Some("http://pusat:8113"), None, true),
            ("pusat:8113", Some("http://pusat:8113"), Some("same-origin"), true),
            ("Pusat:8113", Some("http://pusat:8113"), None, true),
            ("pusat", Some("https://pusat:443"), None, true),
            ("pusat:80", Some("http://pusat"), None, true),
            ("pusat:8113", Some("http://pusat:8112"), Some("same-site"), false),
            ("pusat:8113", Some("http://pusat"), None, false),
            ("pusat:8113", Some("http://evil.example:8113"), None, false),
            ("pusat:8113", Some("http://pusat:8113"), Some("cross-site"), false),
            ("pusat:8113", Some("null"), None, false),
            ("pusat:8113", Some("file://pusat:8113"), None, false),
            ("pusat:8113", None, None, false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            origin.map(|origin| headers.insert(header::ORIGIN, origin.parse().unwrap()));
            site.map(|site| headers.insert("sec-fetch-site", site.parse().unwrap()));
            let form = Uri::from_static("/users/add");
            assert_eq!(is_same_origin(&headers, &form, false), expected, "{host} {origin:?} {site:?}");
            let is_tls = origin.is_some_and(|origin| origin.starts_with("https:"));
            assert_eq!(is_same_origin(&headers, &form, true), expected && is_tls, "{host} {origin:?} {site:?}");
        }
    }
}
