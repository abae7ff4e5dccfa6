//! `siaga report serve`: the pages of reports, in a process of their own. It shares only databases with the live service.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use axum::Router;
use axum::extract::Request as HttpRequest;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use tracing::{error, info, warn};

use crate::acd::shift::ShiftTimes;
use crate::config::Config;
use crate::reports::ministry::report::MinistryReport;
use crate::reports::ministry::scheme::Scheme;
use crate::reports::pages::{self, Heard, Pages, Plans, Records, ShiftSpan};
use crate::store::report_queries::Limits;
use crate::store::web::WebStore;
use crate::web::gate;
use crate::web::session::Life;
use crate::web::site::{Site, SiteSettings};
use crate::web::texts::Language;
use crate::web::visitor::Known;

use super::clock::Clock;
use super::console_connections;
use super::console_places::Proof;
use super::delivery;
use super::page_tls::PageCertificate;
use super::priority;
use super::signals::{Request, Signals};
use super::trace;

/// Serves the pages until a signal ends the process.
pub fn serve_reports(config: &Config) -> anyhow::Result<()> {
    if let Some((wrong, right)) = config.report.without_tls() {
        bail!("report.listen: {wrong}; expected: {right}");
    }
    let scheme = config.report.scheme.as_deref().map(Scheme::read).transpose().context("report.scheme")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _log = trace::start(&config.log, &config.zone)?;
    priority::lower();
    let result = runtime.block_on(run(config, scheme));
    runtime.shutdown_background();
    result
}

async fn run(config: &Config, scheme: Option<Scheme>) -> anyhow::Result<()> {
    let mut signals = Signals::install()?;
    let store = WebStore::open(&config.web.store_url).await.context("[web] store_url")?;
    if store.users().await?.is_empty() {
        warn!("no user can log in: siaga user add NAME --role admin --password creates the first one");
    }
    if !crate::web::assets::has_font() {
        warn!("the pages use the font of each visitor's system: scripts/setup run, and a new build, add the font");
    }
    let certificate = config.report.tls.as_ref().map(PageCertificate::read).transpose()?;
    let listen = config.report.listen;
    let listener = tokio::net::TcpListener::bind(listen)
        .await
        .with_context(|| format!("[report] {listen} cannot be listened on"))?;
    info!(%listen, tls = certificate.is_some(), "reports are served");
    delivery::start(config, Clock::start())?;
    tokio::select! {
        () = console_connections::serve(listener, certificate, router(config, store, scheme)) => {}
        () = ended(&mut signals) => info!("the reports end"),
    }
    Ok(())
}

/// Waits for the signal that ends the process. The configuration is read only at the start.
async fn ended(signals: &mut Signals) {
    while signals.next().await == Request::Reload {
        warn!("siaga report serve reads its configuration only when it starts: restart it");
    }
}

/// The monthly report for print. The pages do not need it.
fn document(config: &Config) -> Option<MinistryReport> {
    let read = MinistryReport::of(config, None);
    read.inspect_err(|fault| error!(fault = format!("{fault:#}"), "the monthly report cannot be made as PDF")).ok()
}

fn router(config: &Config, store: WebStore, scheme: Option<Scheme>) -> Router {
    let clock = Clock::start();
    let settings = SiteSettings {
        name: config.site.name.clone(),
        language: Language::parse(&config.site.language).unwrap_or_default(),
        zone: config.zone.clone(),
        life: Life { idle: config.web.idle, absolute: config.web.absolute },
        is_secure: config.report.tls.is_some(),
        totp_required: !config.report.listen.ip().is_loopback(),
        clock: Arc::new(move || clock.now().wall),
        nav: pages::NAV.into_iter().chain(crate::web::pages::NAV).collect(),
    };
    let site = Site::new(settings, store);
    let millis = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let url = config.report.store_url.as_ref().unwrap_or(&config.store_url).clone();
    let limits = Limits {
        service_level_ms: millis(config.report.service_level),
        short_abandon_ms: millis(config.report.short_abandon),
    };
    let own = Pages {
        site: Arc::clone(&site),
        records: Records::new(url),
        limits,
        levels: config.report.levels.clone(),
        shifts: shifts(config),
        agencies: config.agencies.iter().map(|agency| (agency.number.clone(), agency.name.clone())).collect(),
        scheme,
        document: document(config),
        recordings: config.recording.dir.clone(),
        heard: Heard::default(),
        plans: Plans::default(),
    };
    gate::router(&site, pages::all_routes(own)).layer(from_fn(keep_known))
}

/// The shifts of the configuration. Those with errors are reported by `siaga check`.
fn shifts(config: &Config) -> Vec<ShiftSpan> {
    let parsed = config.shifts.iter().filter_map(|section| ShiftTimes::parse(section).ok());
    parsed.map(|shift| ShiftSpan { start: shift.start, end: shift.end }).collect()
}

/// At the limit of connections, those of users who are logged in stay.
async fn keep_known(request: HttpRequest, next: Next) -> Response {
    let proof = request.extensions().get::<Proof>().cloned();
    let response = next.run(request).await;
    if let Some(proof) = proof.filter(|_| response.extensions().get::<Known>().is_some()) {
        proof.is_shown();
    }
    response
}
