//! The whole framework with a store of SQLite: every route with every role, forms, sessions and log-ins.

mod log_in;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use hyper_util::service::TowerToHyperService;

use super::gate;
use super::pages;
use super::password;
use super::role::{Permission, Role};
use super::session::Life;
use super::site::{Access, Route, Site, SiteSettings};
use super::texts::Language;
use super::totp;
use super::visitor::Peer;
use crate::clock::Timestamp;
use crate::store::web::WebStore;
use crate::store::web::users::WebUserRow;

const PASSWORD: &str = "kuda laut biru tua";
const START: i64 = 1_795_849_327_000;

/// A site with a clock that the test moves.
struct Town {
    site: Arc<Site>,
    router: Router,
    clock: Arc<AtomicI64>,
    is_secure: bool,
    _dir: tempfile::TempDir,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn location(&self) -> &str {
        self.headers.get(header::LOCATION).map_or("", |value| value.to_str().unwrap())
    }
}

/// A browser: it keeps cookies, and sends the token of the last form.
#[derive(Clone, Default)]
struct Browser {
    cookies: BTreeMap<String, String>,
    token: String,
    origin: Option<&'static str>,
    address: Option<&'static str>,
}

impl Town {
    async fn new(totp_required: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = WebStore::open(&format!("sqlite:{}", dir.path().join("web.db").display())).await.unwrap();
        let clock = Arc::new(AtomicI64::new(START));
        let read = Arc::clone(&clock);
        let settings = SiteSettings {
            name: "112 Kota <Metro>".to_owned(),
            language: Language::Indonesian,
            zone: jiff::tz::TimeZone::get("Asia/Jakarta").unwrap(),
            life: Life { idle: Duration::from_secs(1_800), absolute: Duration::from_secs(43_200) },
            is_secure: totp_required,
            totp_required,
            clock: Arc::new(move || Timestamp::from_millis(read.load(Ordering::Relaxed))),
            nav: pages::NAV.to_vec(),
        };
        let site = Site::new(settings, store);
        let router = gate::router(&site, pages::routes(&site));
        Self { site, router, clock, is_secure: totp_required, _dir: dir }
    }

    fn pass(&self, seconds: i64) {
        self.clock.fetch_add(seconds * 1_000, Ordering::Relaxed);
    }

    async fn add(&self, name: &str, role: Role, must_change: bool) {
        let row = WebUserRow {
            name: name.to_owned(),
            display: format!("<script>alert('{name}')</script>"),
            role: role.word().to_owned(),
            password: password::hash(PASSWORD).unwrap(),
            must_change: i64::from(must_change),
            totp_secret: None,
            totp_step: 0,
        };
        assert!(self.site.store.add_user(&row).await.unwrap());
    }

    async fn send(&self, browser: &mut Browser, method: Method, path: &str, body: &str) -> Answer {
        let mut request = Request::builder().method(method.clone()).uri(path).header(header::HOST, "pusat:8113");
        let cookies: Vec<String> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        request = request.header(header::COOKIE, cookies.join("; "));
        if method == Method::POST {
            request = request.header(
                header::ORIGIN,
                browser.origin.unwrap_or(match self.is_secure {
                    true => "https://pusat:8113",
                    false => "http://pusat:8113",
                }),
            );
            request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        let mut request = request.body(Body::from(body.to_owned())).unwrap();
        request.extensions_mut().insert(Peer(browser.address.unwrap_or("192.0.2.7").parse().unwrap()));
        let service = TowerToHyperService::new(self.router.clone());
        let response = hyper::service::Service::call(&service, request).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
        for cookie in parts.headers.get_all(header::SET_COOKIE) {
            let (pair, rest) = cookie.to_str().unwrap().split_once(';').unwrap();
            assert!(rest.contains("HttpOnly") && rest.contains("SameSite=Strict"), "{rest}");
            assert_eq!(rest.contains("; Secure"), self.is_secure, "{rest}");
            let (name, value) = pair.split_once('=').unwrap();
            browser.cookies.insert(name.to_owned(), value.to_owned());
        }
        if let Some((_, rest)) = text.split_once("name=\"token\" value=\"") {
            rest.split('"').next().unwrap().clone_into(&mut browser.token);
        }
        let policy = parts.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("script-src 'self';") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(parts.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        Answer { status: parts.status, headers: parts.headers, text }
    }

    async fn get(&self, browser: &mut Browser, path: &str) -> Answer {
        self.send(browser, Method::GET, path, "").await
    }

    /// Sends a form with the token.
    async fn post(&self, browser: &mut Browser, path: &str, fields: &str) -> Answer {
        let body = format!("token={}&{fields}", browser.token);
        self.send(browser, Method::POST, path, &body).await
    }

    async fn log_in(&self, browser: &mut Browser, user: &str, password: &str) -> Answer {
        self.get(browser, "/login").await;
        self.post(browser, "/login", &format!("user={user}&password={}&next=/account", password.replace(' ', "+")))
            .await
    }

    async fn logged_in(&self, user: &str) -> Browser {
        let mut browser = Browser::default();
        let answer = self.log_in(&mut browser, user, PASSWORD).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{user}: {}", answer.text);
        self.get(&mut browser, "/account").await;
        browser
    }

    async fn actions(&self) -> Vec<String> {
        let rows = self.site.store.access(i64::MAX, None, 100).await.unwrap();
        rows.into_iter().rev().map(|row| format!("{} {} {}", row.user_name, row.action, row.subject)).collect()
    }
}

fn expected(route: &Route, role: Option<Role>) -> [StatusCode; 2] {
    let allowed = [StatusCode::OK, StatusCode::OK];
    let form = route.method == Method::POST;
    match (route.access, role) {
        (Access::Public, _) => allowed,
        (_, None) if form => [StatusCode::UNAUTHORIZED; 2],
        (_, None) => [StatusCode::SEE_OTHER; 2],
        // Complete sessions are led to their first page.
        (Access::Code, Some(_)) => [StatusCode::SEE_OTHER; 2],
        (Access::Session | Access::Account, Some(_)) => allowed,
        (Access::May(permission), Some(role)) if role.may(permission) => allowed,
        (Access::May(_), Some(_)) => [StatusCode::FORBIDDEN; 2],
    }
}

#[tokio::test]
async fn each_role_reaches_exactly_the_routes_that_the_table_allows() {
    let town = Town::new(false).await;
    for role in Role::ALL {
        town.add(role.word(), role, false).await;
    }
    let mut seen = 0;
    for role in [None].into_iter().chain(Role::ALL.map(Some)) {
        for route in pages::routes(&town.site) {
            let mut browser = match role {
                Some(role) => town.logged_in(role.word()).await,
                None => Browser::default(),
            };
            let path = route.path.replace("{name}", "no-such-file");
            // Without a token, no form changes anything: only the gate is tested.
            let answer = town.send(&mut browser, route.method.clone(), &path, "").await;
            let [good, _] = expected(&route, role);
            let is_served = good == StatusCode::OK;
            let outcome = match (&route.method, answer.status) {
                (&Method::POST, StatusCode::FORBIDDEN) if is_served => {
                    answer.text.contains("Formulir ini sudah tidak berlaku")
                }
                (_, status) if is_served => {
                    route.method == Method::GET
                        && status != StatusCode::FORBIDDEN
                        && !answer.location().starts_with("/login?")
                }
                (_, status) => status == good && !answer.text.contains("Formulir ini sudah"),
            };
            assert!(outcome, "{role:?} {} {path}: {} {}", route.method, answer.status, answer.text);
            seen += 1;
        }
    }
    assert!(seen > 100, "{seen}");
    assert!(pages::routes(&town.site).iter().any(|route| route.access == Access::May(Permission::Users)));
}

#[tokio::test]
async fn a_log_in_starts_a_session_with_a_new_id_and_a_log_out_ends_it() {
    let town = Town::new(false).await;
    town.add("siti", Role::Viewer, false).await;
    let mut browser = Browser::default();
    // An attacker has put an id into the browser.
    let fixed = "a".repeat(64);
    browser.cookies.insert("siaga_session".to_owned(), fixed.clone());
    let answer = town.log_in(&mut browser, "siti", PASSWORD).await;
    assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/account"));
    let id = browser.cookies["siaga_session"].clone();
    assert_ne!(id, fixed);
    let mut attacker = Browser::default();
    attacker.cookies.insert("siaga_session".to_owned(), fixed);
    assert_eq!(town.get(&mut attacker, "/account").await.location(), "/login?next=/account");
    let account = town.get(&mut browser, "/account").await;
    assert_eq!(account.status, StatusCode::OK);
    assert!(
        !account.text.contains("<script>alert") && account.text.contains("&#60;script&#62;alert"),
        "{}",
        account.text
    );
    assert_eq!(account.headers[header::CACHE_CONTROL], "no-store");
    town.post(&mut browser, "/logout", "").await;
    let mut stolen = Browser::default();
    stolen.cookies.insert("siaga_session".to_owned(), id);
    assert_eq!(town.get(&mut stolen, "/account").await.status, StatusCode::SEE_OTHER);
    assert_eq!(town.actions().await, ["siti log-in ", "siti log-out "]);
}

#[tokio::test]
async fn sessions_end_by_time_by_log_out_everywhere_and_with_their_user() {
    let town = Town::new(false).await;
    town.add("siti", Role::Viewer, false).await;
    town.add("ayu", Role::Admin, false).await;
    let is_in = async |browser: &mut Browser| town.get(browser, "/account").await.status == StatusCode::OK;
    let mut one = town.logged_in("siti").await;
    town.pass(1_799);
    assert!(is_in(&mut one).await);
    town.pass(1_799);
    assert!(is_in(&mut one).await, "each request extends the session");
    town.pass(1_801);
    assert!(!is_in(&mut one).await, "idle for too long");
    let mut one = town.logged_in("siti").await;
    for _ in 0..24 {
        assert!(is_in(&mut one).await);
        town.pass(1_795);
    }
    town.pass(200);
    assert!(!is_in(&mut one).await, "older than the absolute limit");
    let (mut one, mut other) = (town.logged_in("siti").await, town.logged_in("siti").await);
    town.post(&mut one, "/account/sessions", "").await;
    assert!(is_in(&mut one).await && !is_in(&mut other).await);
    let mut admin = town.logged_in("ayu").await;
    town.post(&mut admin, "/users/role", "name=siti&role=auditor").await;
    assert!(!is_in(&mut one).await, "a new role needs a new session");
    let mut one = town.logged_in("siti").await;
    assert_eq!(town.post(&mut admin, "/users/remove", "name=siti").await.location(), "/users?done=removed");
    assert!(!is_in(&mut one).await, "the user is removed");
}

#[tokio::test]
async fn a_form_needs_its_token_and_its_origin() {
    let town = Town::new(false).await;
    town.add("ayu", Role::Admin, false).await;
    let mut admin = town.logged_in("ayu").await;
    let other = town.logged_in("ayu").await;
    for (token, origin) in [
        (String::new(), None),
        ("0".repeat(64), None),
        (other.token.clone(), None),
        (admin.token.clone(), Some("http://pusat:8112")),
        (admin.token.clone(), Some("http://evil.example")),
        (admin.token.clone(), Some("null")),
    ] {
        let mut browser = Browser { token, origin, ..admin.clone() };
        let answer = town.post(&mut browser, "/users/add", "name=mallory&role=admin").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{origin:?}");
    }
    assert_eq!(town.site.store.users().await.unwrap().len(), 1);
    let long = format!("name={}", "x".repeat(70_000));
    assert_eq!(town.post(&mut admin, "/users/add", &long).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    let answer = town.post(&mut admin, "/users/add", "name=budi&role=viewer&display=%3Ci%3Ex").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert!(!answer.text.contains("<i>") && town.site.store.users().await.unwrap().len() == 2);
    assert_eq!(town.post(&mut admin, "/users/remove", "name=ayu").await.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn wrong_passwords_delay_the_next_attempt_and_lock_no_account() {
    let town = Town::new(false).await;
    town.add("siti", Role::Viewer, false).await;
    let mut browser = Browser::default();
    for wait in [1, 2, 4, 8, 16, 30, 30, 30] {
        assert_eq!(town.log_in(&mut browser, "siti", "wrong").await.status, StatusCode::UNAUTHORIZED);
        let early = town.log_in(&mut browser, "siti", PASSWORD).await;
        assert_eq!(early.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(early.headers[header::RETRY_AFTER], wait.to_string().as_str());
        assert!(early.text.contains("tidak dikunci"), "{}", early.text);
        town.pass(wait);
    }
    assert_eq!(town.log_in(&mut browser, "unknown", "wrong").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(town.log_in(&mut browser, "siti", PASSWORD).await.status, StatusCode::SEE_OTHER);
    let actions = town.actions().await;
    assert_eq!(actions.iter().filter(|action| action.starts_with("siti log-in-failed password")).count(), 8);
    let mut browser = Browser::default();
    assert_eq!(town.log_in(&mut browser, "siti", "wrong").await.status, StatusCode::UNAUTHORIZED);
    town.pass(1);
    assert_eq!(
        town.log_in(&mut browser, "siti", PASSWORD).await.status,
        StatusCode::SEE_OTHER,
        "a success forgets failures"
    );
}

#[tokio::test]
async fn an_address_that_tries_many_names_is_limited_and_keeps_out_no_browser_that_was_there_before() {
    let town = Town::new(false).await;
    town.add("siti", Role::Viewer, false).await;
    town.add("ayu", Role::Viewer, false).await;
    // An id that an attacker has put into a browser is replaced by the log-in.
    let planted = "b".repeat(64);
    let mut known = Browser::default();
    known.cookies.insert("siaga_browser".to_owned(), planted.clone());
    assert_eq!(town.log_in(&mut known, "siti", PASSWORD).await.status, StatusCode::SEE_OTHER);
    assert_ne!(known.cookies["siaga_browser"], planted);
    let mut stranger = Browser::default();
    for n in 0..20 {
        let answer = town.log_in(&mut stranger, &format!("name{n}"), "wrong").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{n}");
    }
    for n in 20..30 {
        let answer = town.log_in(&mut stranger, &format!("name{n}"), "wrong").await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{n}");
        assert_eq!(answer.headers[header::RETRY_AFTER], "3");
    }
    let actions = town.actions().await;
    let count = |word: &str| actions.iter().filter(|action| action.contains(word)).count();
    assert_eq!((count(" log-in-failed "), count(" log-ins-limited ")), (20, 1), "{actions:?}");
    known.cookies.remove("siaga_session");
    assert_eq!(town.log_in(&mut known, "siti", PASSWORD).await.status, StatusCode::SEE_OTHER, "a known browser");
    known.cookies.remove("siaga_session");
    assert_eq!(town.log_in(&mut known, "ayu", PASSWORD).await.status, StatusCode::TOO_MANY_REQUESTS, "not of ayu");
    let mut elsewhere = Browser { address: Some("192.0.2.8"), ..Browser::default() };
    assert_eq!(town.log_in(&mut elsewhere, "ayu", PASSWORD).await.status, StatusCode::SEE_OTHER, "another address");
    town.pass(3);
    let mut new = Browser::default();
    assert_eq!(town.log_in(&mut new, "ayu", PASSWORD).await.status, StatusCode::SEE_OTHER, "after three seconds");
    new.cookies.remove("siaga_session");
    assert_eq!(town.log_in(&mut new, "siti", PASSWORD).await.status, StatusCode::SEE_OTHER, "the same browser");
    new.cookies.remove("siaga_session");
    assert_eq!(town.log_in(&mut new, "siti", "wrong").await.status, StatusCode::UNAUTHORIZED);
    // Right ones, and wrong ones of known browsers, cost nothing: one attempt is left.
    assert_eq!(town.log_in(&mut stranger, "name30", "wrong").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(town.log_in(&mut stranger, "name31", "wrong").await.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn a_one_time_password_must_be_changed_before_any_other_page() {
    let town = Town::new(false).await;
    town.add("ayu", Role::Admin, true).await;
    let mut browser = town.logged_in("ayu").await;
    assert_eq!(town.get(&mut browser, "/users").await.location(), "/account/password");
    town.get(&mut browser, "/account/password").await;
    let new = "empat+kata+yang+acak";
    for (old, new, again) in
        [("x", new, new), ("kuda+laut+biru+tua", "short", "short"), ("kuda+laut+biru+tua", new, "y")]
    {
        let answer = town.post(&mut browser, "/account/password", &format!("old={old}&new={new}&again={again}")).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        town.pass(1);
    }
    let before = browser.cookies["siaga_session"].clone();
    let fields = format!("old=kuda+laut+biru+tua&new={new}&again={new}");
    assert_eq!(town.post(&mut browser, "/account/password", &fields).await.location(), "/account?done=password");
    assert_ne!(browser.cookies["siaga_session"], before);
    assert_eq!(town.get(&mut browser, "/users").await.status, StatusCode::OK);
}

#[tokio::test]
async fn admins_and_auditors_need_a_second_factor_where_other_machines_can_log_in() {
    let town = Town::new(true).await;
    town.add("ayu", Role::Admin, false).await;
    town.add("siti", Role::Viewer, false).await;
    let mut viewer = town.logged_in("siti").await;
    assert_eq!(town.get(&mut viewer, "/users").await.status, StatusCode::FORBIDDEN);
    let mut browser = town.logged_in("ayu").await;
    assert_eq!(town.get(&mut browser, "/users").await.location(), "/account/totp");
    let page = town.get(&mut browser, "/account/totp").await.text;
    let secret = page.split("name=\"secret\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let code = || totp::code_at(&secret, town.site.now()).unwrap();
    let answer = town.post(&mut browser, "/account/totp", &format!("secret={secret}&code={}", code())).await;
    assert_eq!(answer.location(), "/account?done=totp");
    assert_eq!(town.get(&mut browser, "/users").await.status, StatusCode::OK);
    let mut browser = Browser::default();
    let answer = town.log_in(&mut browser, "ayu", PASSWORD).await;
    assert_eq!(answer.location(), "/login/code?next=/account");
    assert_eq!(town.get(&mut browser, "/users").await.location(), "/login/code", "the password alone opens no page");
    town.get(&mut browser, "/login/code").await;
    let used = town.post(&mut browser, "/login/code", &format!("code={}", code())).await;
    assert_eq!(used.status, StatusCode::UNAUTHORIZED, "the code of the set-up was used");
    town.pass(60);
    let half = browser.cookies["siaga_session"].clone();
    let answer = town.post(&mut browser, "/login/code", &format!("code={}&next=/users", code())).await;
    assert_eq!(answer.location(), "/users");
    assert_ne!(browser.cookies["siaga_session"], half);
    let mut old = Browser::default();
    old.cookies.insert("siaga_session".to_owned(), half);
    assert_eq!(town.get(&mut old, "/users").await.location(), "/login?next=/users");
}

#[tokio::test]
async fn no_path_leads_to_a_file_and_unknown_pages_are_explained() {
    let town = Town::new(false).await;
    let mut browser = Browser::default();
    for path in [
        "/assets/..%2f..%2fconfig%2fsiaga.toml",
        "/assets/../style.css",
        "/assets//etc/passwd",
        "/%2e%2e/etc/passwd",
        "/x",
    ] {
        let answer = town.get(&mut browser, path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
    let answer = town.get(&mut browser, "/nowhere?%3Cscript%3E").await;
    assert!(answer.text.contains("Halaman ini tidak ada") && !answer.text.contains("<script>"), "{}", answer.text);
    assert_eq!(town.get(&mut browser, "/preferences?language=en&back=//evil.example").await.location(), "/");
    let answer = town.get(&mut browser, "/login").await;
    assert!(answer.text.contains("lang=\"en\"") && answer.text.contains("112 Kota &#60;Metro&#62;"), "{}", answer.text);
}
