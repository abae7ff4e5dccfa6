//! A site with records and users, and browsers that are logged in.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use hyper_util::service::TowerToHyperService;

use siaga::cdr::fact::Fact;
use siaga::cdr::rollup::Targets;
use siaga::clock::Timestamp;
use siaga::config::{Config, Levels, ServiceLevel};
use siaga::reports::ministry::report::MinistryReport;
use siaga::reports::pages::{Heard, Pages, Plans, Records, ShiftSpan, all_routes};
use siaga::store::Store;
use siaga::store::facts::Batch;
use siaga::store::journal::record::Entry;
use siaga::store::report_queries::Limits;
use siaga::store::rollups::fill::Settings;
use siaga::store::web::WebStore;
use siaga::store::web::sessions::NewSession;
use siaga::store::web::users::WebUserRow;
use siaga::web::gate;
use siaga::web::role::Role;
use siaga::web::session::{Life, SessionId};
use siaga::web::site::{Site, SiteSettings};
use siaga::web::texts::Language;
use siaga::web::visitor::Peer;

use crate::stories::MORNING;

const HOUR: i64 = 3_600_000;

/// The monthly report for print, of a site with default settings.
pub(crate) fn document() -> MinistryReport {
    let text = "[[trunk]]\nname = \"telco\"\npeers = [\"127.0.0.2\"]\n";
    MinistryReport::of(&Config::parse("test.toml", text).unwrap(), None).unwrap()
}

pub(crate) struct Town {
    pub(crate) site: Arc<Site>,
    pub(crate) store: Store,
    pub(crate) recordings: PathBuf,
    clock: Arc<AtomicI64>,
    router: Router,
    pub(crate) url: String,
    shifts: Vec<ShiftSpan>,
    _dir: tempfile::TempDir,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
}

/// Saves a page's files in every format, compares them (tests/oracles/list.py), and returns the number of rows and the first number of a caller.
pub(crate) async fn compared(town: &Town, browser: &Browser, page: &str, query: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    for format in ["csv", "xlsx", "json", "parquet"] {
        let answer = town.get(browser, &format!("{page}.{format}?{query}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{page}.{format}: {}", String::from_utf8_lossy(&answer.bytes));
        let name = answer.header(header::CONTENT_DISPOSITION);
        assert!(name.starts_with("attachment; ") && name.ends_with(&format!(".{format}\"")), "{name}");
        assert_eq!(answer.header(header::CACHE_CONTROL), "no-store");
        std::fs::write(folder.path().join(format!("file.{format}")), &answer.bytes).unwrap();
    }
    let package = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut python = std::process::Command::new(package.join("target/oracles/bin/python"));
    let ran = python.arg(package.join("tests/oracles/list.py")).arg(folder.path()).output().unwrap();
    let faults = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{page}: {faults}");
    String::from_utf8(ran.stdout).unwrap().trim().to_owned()
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap()
    }

    pub(crate) fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// A browser with a session.
#[derive(Clone)]
pub(crate) struct Browser {
    pub(crate) session: Option<SessionId>,
    pub(crate) language: Language,
}

impl Town {
    /// At nine in the morning of the stories, in the first shift. Users have the names of their roles.
    pub(crate) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", dir.path().join("siaga.db").display());
        let store = Store::open(&url).await.unwrap();
        let web = WebStore::open(&format!("sqlite:{}", dir.path().join("web.db").display())).await.unwrap();
        let clock = Arc::new(AtomicI64::new(MORNING + 2 * HOUR));
        let read = Arc::clone(&clock);
        let settings = SiteSettings {
            name: "112 Kota <Metro>".to_owned(),
            language: Language::Indonesian,
            zone: jiff::tz::TimeZone::get("Asia/Jakarta").unwrap(),
            life: Life { idle: Duration::from_secs(43_200), absolute: Duration::from_secs(43_200) },
            is_secure: false,
            totp_required: false,
            clock: Arc::new(move || Timestamp::from_millis(read.load(Ordering::Relaxed))),
            nav: siaga::reports::pages::NAV.into_iter().chain(siaga::web::pages::NAV).collect(),
        };
        let site = Site::new(settings, web);
        let recordings = dir.path().join("recordings");
        std::fs::create_dir(&recordings).unwrap();
        let time = |hour| jiff::civil::Time::constant(hour, 0, 0, 0);
        let shifts = vec![ShiftSpan { start: time(7), end: time(19) }, ShiftSpan { start: time(19), end: time(7) }];
        let router = Router::new();
        let mut town = Self { site, store, recordings, clock, router, url, shifts, _dir: dir };
        town.router = gate::router(&town.site, all_routes(town.pages()));
        for role in Role::ALL {
            town.add_user(role.word(), role).await;
        }
        town
    }

    pub(crate) fn pages(&self) -> Pages {
        let level = ServiceLevel { within: Duration::from_secs(10), percent: 90 };
        Pages {
            site: Arc::clone(&self.site),
            records: Records::new(self.url.clone()),
            limits: Limits { service_level_ms: 10_000, short_abandon_ms: 5_000 },
            levels: Levels { usual: level, desks: vec![(String::new(), level)] },
            shifts: self.shifts.clone(),
            agencies: BTreeMap::from([("113".to_owned(), "Damkar".to_owned())]),
            scheme: None,
            document: Some(document()),
            recordings: self.recordings.clone(),
            heard: Heard::default(),
            plans: Plans::default(),
        }
    }

    /// Counts all records, as the service does after its start.
    pub(crate) async fn count(&self) {
        let targets = Targets { within_ms: 10_000, percent: 90, short_ms: 5_000, desks: BTreeMap::new() };
        self.store.forget_rollups(&Settings { zone: "Asia/Jakarta".to_owned(), targets }).await.unwrap();
        while !self.store.fill_rollups().await.unwrap() {}
    }

    pub(crate) fn pass(&self, millis: i64) {
        self.clock.fetch_add(millis, Ordering::Relaxed);
    }

    pub(crate) async fn add_user(&self, name: &str, role: Role) {
        let row = WebUserRow {
            name: name.to_owned(),
            display: format!("<script>alert('{name}')</script>"),
            role: role.word().to_owned(),
            password: "$argon2id$".to_owned(),
            must_change: 0,
            totp_secret: None,
            totp_step: 0,
        };
        assert!(self.site.store.add_user(&row).await.unwrap());
    }

    /// Stores facts as the writer does.
    pub(crate) async fn take(&self, facts: &[Fact]) {
        let entries: Vec<Entry> = facts.iter().map(|fact| Entry::of(fact).unwrap()).collect();
        let recompute = facts.iter().filter_map(|fact| fact.call).take(1).collect();
        let batch = Batch { facts: entries.iter().collect(), recompute, ..Batch::default() };
        self.store.take("journal", batch).await.unwrap();
    }

    /// A browser in which this user is logged in; None: no user.
    pub(crate) async fn browser(&self, user: Option<&str>) -> Browser {
        let session = match user {
            Some(user) => {
                let id = SessionId::generate().unwrap();
                let started_ms = self.site.now().as_millis();
                let new =
                    NewSession { id_sha256: &id.hash(), user, is_complete: true, address: "192.0.2.7", started_ms };
                self.site.store.add_session(new, 100).await.unwrap();
                Some(id)
            }
            None => None,
        };
        Browser { session, language: Language::Indonesian }
    }

    pub(crate) async fn send(&self, browser: &Browser, mut request: Request<Body>) -> Answer {
        let mut cookies = format!("siaga_language={}", browser.language.code());
        if let Some(session) = &browser.session {
            cookies.push_str(&format!("; siaga_session={}", session.cookie()));
        }
        let headers = request.headers_mut();
        headers.insert(header::HOST, "pusat:8113".parse().unwrap());
        headers.insert(header::COOKIE, cookies.parse().unwrap());
        request.extensions_mut().insert(Peer("192.0.2.7".parse().unwrap()));
        let service = TowerToHyperService::new(self.router.clone());
        let response = hyper::service::Service::call(&service, request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 64 << 20).await.unwrap().to_vec();
        let policy = parts.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("script-src 'self';") && !policy.contains("unsafe"), "{policy}");
        Answer { status: parts.status, headers: parts.headers, bytes }
    }

    pub(crate) async fn get(&self, browser: &Browser, path: &str) -> Answer {
        self.send(browser, Request::builder().uri(path).body(Body::empty()).unwrap()).await
    }

    /// Sends a form with the token of the session.
    pub(crate) async fn post(&self, browser: &Browser, path: &str, fields: &str) -> Answer {
        let token = browser.session.as_ref().map(SessionId::form_token).unwrap_or_default();
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(header::ORIGIN, "http://pusat:8113")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(format!("token={token}&{fields}")))
            .unwrap();
        self.send(browser, request).await
    }

    /// The access log, oldest entry first: user, action and subject.
    pub(crate) async fn log(&self) -> Vec<String> {
        let rows = self.site.store.access(i64::MAX, None, 100).await.unwrap();
        rows.into_iter().rev().map(|row| format!("{} {} {}", row.user_name, row.action, row.subject)).collect()
    }
}
