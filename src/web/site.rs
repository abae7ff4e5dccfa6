//! What all pages of a process share: store, clock, settings, navigation and routes.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use jiff::tz::TimeZone;
use tracing::error;

use crate::clock::Timestamp;
use crate::store::StoreError;
use crate::store::web::WebStore;
use crate::store::web::access_log::NewAccess;

use super::attempt_limit::AttemptLimit;
use super::password::{PasswordFault, Passwords};
use super::role::{Permission, Role};
use super::session::Life;
use super::texts::Language;

/// Sessions, failures and browsers that have expired are removed at most this often.
const TIDY_EVERY_MS: u64 = 60_000;
/// Failures are forgotten after this time.
const FAILURE_LIFE_MS: i64 = 24 * 3_600_000;
/// A browser without a log-in for this time is forgotten.
pub(super) const BROWSER_LIFE_MS: i64 = 180 * 24 * 3_600_000;

/// Reads the clock.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// One entry of the navigation, for roles with the permission.
#[derive(Clone, Copy, Debug)]
pub struct NavItem {
    pub path: &'static str,
    /// The key of its text.
    pub key: &'static str,
    pub permission: Permission,
}

/// Which visitors may send a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// All visitors.
    Public,
    /// Every session, also one whose second factor is missing.
    Session,
    /// A session whose second factor is missing.
    Code,
    /// Every user, also one who must change the password or set up a second factor.
    Account,
    /// Users whose role has the permission.
    May(Permission),
}

/// A request that the site serves.
pub struct Route {
    pub method: Method,
    pub path: &'static str,
    pub access: Access,
    pub handler: MethodRouter<()>,
}

/// The settings of a site.
pub struct SiteSettings {
    /// The name of the centre.
    pub name: String,
    pub language: Language,
    pub zone: TimeZone,
    pub life: Life,
    /// True: the pages are served over TLS, so that cookies are sent over TLS only.
    pub is_secure: bool,
    /// True: roles that need a second factor must set it up.
    pub totp_required: bool,
    pub clock: Clock,
    pub nav: Vec<NavItem>,
}

/// What all pages share.
pub struct Site {
    settings: SiteSettings,
    pub store: WebStore,
    pub passwords: Passwords,
    /// Wrong log-ins by address.
    pub(super) address_limit: AttemptLimit,
    /// Wrong codes of the second factor by user.
    pub(super) code_limit: AttemptLimit,
    /// When the store last forgot what has expired, in milliseconds.
    tidied_ms: AtomicI64,
}

impl Site {
    /// A site with its store.
    pub fn new(settings: SiteSettings, store: WebStore) -> Arc<Self> {
        Arc::new(Self {
            settings,
            store,
            passwords: Passwords::default(),
            address_limit: AttemptLimit::of_addresses(),
            code_limit: AttemptLimit::of_codes(),
            tidied_ms: AtomicI64::new(0),
        })
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        (self.settings.clock)()
    }

    pub fn name(&self) -> &str {
        &self.settings.name
    }

    pub fn language(&self) -> Language {
        self.settings.language
    }

    pub fn zone(&self) -> &TimeZone {
        &self.settings.zone
    }

    pub fn life(&self) -> Life {
        self.settings.life
    }

    /// True if the pages are served over TLS.
    pub(super) fn is_secure(&self) -> bool {
        self.settings.is_secure
    }

    /// The value of Set-Cookie. `seconds`: 0 removes the cookie; None: until the browser is closed.
    pub(super) fn cookie(&self, name: &str, value: &str, seconds: Option<u64>) -> String {
        let age = seconds.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
        let secure = if self.settings.is_secure { "; Secure" } else { "" };
        format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{age}{secure}")
    }

    pub fn nav(&self) -> &[NavItem] {
        &self.settings.nav
    }

    /// True if a user with the role must have a second factor.
    pub fn needs_totp(&self, role: Role) -> bool {
        self.settings.totp_required && role.needs_totp()
    }

    /// The first page of a role.
    pub fn home(&self, role: Role) -> &'static str {
        self.nav().iter().find(|item| role.may(item.permission)).map_or("/account", |item| item.path)
    }

    /// Lets the store forget what has expired, at most once a minute.
    pub(super) async fn tidy(&self) -> Result<(), Fault> {
        let now_ms = self.now().as_millis();
        let before_ms = self.tidied_ms.load(Ordering::Relaxed);
        let is_due = now_ms.saturating_sub(before_ms).unsigned_abs() >= TIDY_EVERY_MS;
        let is_ours =
            || self.tidied_ms.compare_exchange(before_ms, now_ms, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if is_due && is_ours() {
            let (seen, started) = self.life().oldest(self.now());
            self.store.end_expired_sessions(seen, started).await?;
            self.store.prune_failures(now_ms.saturating_sub(FAILURE_LIFE_MS)).await?;
            self.store.prune_browsers(now_ms.saturating_sub(BROWSER_LIFE_MS)).await?;
        }
        Ok(())
    }

    /// Adds an entry to the access log. What cannot be logged must not happen: the error ends the request.
    pub async fn log(&self, user: &str, address: &str, action: &str, subject: &str) -> Result<(), Fault> {
        let new = NewAccess { at_ms: self.now().as_millis(), user, address, action, subject };
        Ok(self.store.add_access(new).await?)
    }
}

/// A request that ends with an error page: the status, and the key of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault(pub StatusCode, pub &'static str);

impl From<StoreError> for Fault {
    fn from(fault: StoreError) -> Self {
        error!(fault = format!("{:#}", anyhow::Error::from(fault)), "the store of the pages cannot be used");
        Self(StatusCode::SERVICE_UNAVAILABLE, "error-store")
    }
}

impl From<PasswordFault> for Fault {
    fn from(fault: PasswordFault) -> Self {
        match fault {
            PasswordFault::Busy => Self(StatusCode::SERVICE_UNAVAILABLE, "error-busy"),
            PasswordFault::Hash => Self(StatusCode::INTERNAL_SERVER_ERROR, "error-internal"),
        }
    }
}

impl From<getrandom::Error> for Fault {
    fn from(_: getrandom::Error) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR, "error-internal")
    }
}

/// The gate replaces this response by a page.
impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut response = self.0.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
