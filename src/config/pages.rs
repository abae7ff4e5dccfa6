//! `[web]`: where users, sessions and the access log of the pages are stored, and how long a session lasts.

use std::time::Duration;

use serde::Deserialize;

use super::source::Source;

/// `[web]` as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Web {
    pub(super) store_url: String,
    idle_minutes: u64,
    session_hours: u64,
}

impl Default for Web {
    fn default() -> Self {
        Self { store_url: "sqlite:data/web.db".to_owned(), idle_minutes: 30, session_hours: 12 }
    }
}

/// `[web]`, checked.
#[derive(Clone, PartialEq, Eq)]
pub struct WebConfig {
    /// `sqlite:PATH` or `postgres://…`; in PostgreSQL, the tables are in the schema `web`.
    pub store_url: String,
    /// A session without a request for this long ends.
    pub idle: Duration,
    /// Every session ends after this time.
    pub absolute: Duration,
}

/// Without the URL, which may contain a password.
impl std::fmt::Debug for WebConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebConfig").field("idle", &self.idle).field("absolute", &self.absolute).finish_non_exhaustive()
    }
}

/// Checks `[web]`, and the URLs of the databases beside it: `[store] url` and `[report] store_url`.
pub(super) fn checked(source: &mut Source, web: &Web, records: &str, report: Option<&str>) -> WebConfig {
    let Web { store_url, idle_minutes, session_hours } = web;
    if !(1..=720).contains(idle_minutes) {
        source.fault("web.idle_minutes", idle_minutes.to_string(), "1 to 720 minutes");
    }
    if !(1..=168).contains(session_hours) {
        source.fault("web.session_hours", session_hours.to_string(), "1 to 168 hours");
    }
    let is_database = |url: &str| ["sqlite:", "postgres:", "postgresql:"].iter().any(|kind| url.starts_with(kind));
    let right = "\"sqlite:PATH\" or \"postgres://USER:PASSWORD@HOST/DATABASE\"";
    if !is_database(store_url) {
        source.fault("web.store_url", "the value is not a database".to_owned(), right);
    }
    if report.is_some_and(|url| !is_database(url)) {
        source.fault("report.store_url", "the value is not a database".to_owned(), right);
    }
    if store_url == records && store_url.starts_with("sqlite:") {
        source.fault("web.store_url", "the file is that of [store] url".to_owned(), "a file of its own");
    }
    WebConfig {
        store_url: store_url.clone(),
        idle: Duration::from_secs(idle_minutes.saturating_mul(60)),
        absolute: Duration::from_secs(session_hours.saturating_mul(3_600)),
    }
}
