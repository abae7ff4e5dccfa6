//! Starts the service, supervises it, and ends it, each in a fixed order.

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;
use tracing::{error, info, warn};

use crate::alarm::{Alarms, Kind};
use crate::config::{Certificates, Config, Connections, EngineName, TlsFiles};
use crate::ids::Rng;
use crate::switchboard::{Listener, Restored, Switchboard, Trunk};

use super::RETRY_EVERY;
use super::account_warnings;
use super::accounts::Accounts;
use super::certificates;
use super::clock::Clock;
use super::connections::StreamListener;
use super::console_api;
use super::console_state::Parts;
use super::dns::{Followers, Names};
use super::events::Events;
use super::finish::finish;
use super::journal_thread::Ledger;
use super::listeners::{self, Listeners};
use super::local_state::LocalState;
use super::loop_sender::{LoopSender, loop_sender};
use super::media::{Engine, Journaled, Media, MediaSettings, own_addresses};
use super::metrics::Metrics;
use super::open_files;
use super::records::{self, Records};
use super::roster::{tell_roster, warn_of_gaps};
use super::service_outputs::ServiceOutputs;
use super::sharing;
use super::signalling::{Inbound, Signalling};
use super::signals::{Request, Signals};
use super::stream::Patience;
use super::trace::{self, LogGuard};
use super::users::Users;

/// Time for calls to end after siaga has hung them up.
const HANG_UP: Duration = Duration::from_secs(5);

/// How often the roster is checked for coming gaps.
const ROSTER_EVERY: Duration = Duration::from_secs(86_400);

/// How often alarms that are still raised are logged again.
const REMIND_EVERY: Duration = Duration::from_secs(3_600);

/// Runs the service until a signal ends it. `load` reads the configuration; signals are caught before that.
pub fn serve(load: impl FnOnce() -> anyhow::Result<Config>) -> anyhow::Result<()> {
    let office = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let entered = office.enter();
    let signals = Signals::install()?;
    drop(entered);
    let config = load()?;
    let clock = Clock::start();
    let log = trace::start(&config.log, &config.zone)?;
    let result = office.block_on(run(config, signals, clock, &log));
    // A thread that waits for a disk, a database or DNS does not prevent the process from ending.
    office.shutdown_background();
    if let Err(fault) = &result {
        error!(fault = format!("{fault:#}"), "siaga ends");
    }
    result
}

/// Three errors end the start: no SIP listener opens, the configuration is invalid (`load`), or another siaga uses the journal. An error in
/// any other part raises an alarm, and that part is tried again.
async fn run(config: Config, signals: Signals, clock: Clock, log: &LogGuard) -> anyhow::Result<()> {
    prepare(&config);
    let (metrics, alarms) = (Arc::new(Metrics::new()?), Alarms::default());
    // The sockets come first: datagrams that arrive before the service is ready wait in the kernel.
    let mut listeners = Listeners::open(&config, &alarms)?;
    let missing = listeners.take_missing();
    let local = LocalState::beside(&config.journal_dir);
    let accounts = Accounts::new(&config, local.clone(), &alarms, clock);
    let (loop_sender, inbox) = loop_sender();
    let (mut records, ledger) = Records::open(&config, clock, accounts, &alarms, &loop_sender)?;
    let read = config.sip.tls.as_ref().map(TlsFiles::read).transpose();
    let certificates = alarms.watch(Kind::Certificates, "", read).unwrap_or_default();
    promise(&metrics, &config)?;
    let media =
        Arc::new(start_media(&config, &loop_sender, &alarms, records.watch().journaled()).await.context("media")??);
    let switchboard = new_switchboard(&config, clock, &media, &alarms)?;
    let events = Events::default();
    let roster_kept = tell_roster(&config, &local, &alarms).await;
    let (restored, keeper, kept) = local.clone().open(&alarms)?;
    let (tell_users, users) = watch::channel(Users::default());
    let known = restore(&loop_sender, records.accounts(), restored, &tell_users).await;
    let asked = Names::new(&config.sip.name_servers, &loop_sender);
    let (sink, calls_over) = ServiceOutputs::new(&media, ledger, keeper, &metrics, &alarms, &events, asked);
    let terms = config.sip.connections;
    let streams = Streams { listeners: listeners.streams, terms, certificates, trunks: config.trunks.clone() };
    let over = start_loop(switchboard, clock, listeners.datagrams, streams, inbox, sink)?;
    let look_again = Arc::new(Notify::new());
    let operators = follow_operators(&mut records, &loop_sender, tell_users, &look_again, known);
    let draining = Arc::new(AtomicBool::new(false));
    let (tell_config, read_config) = watch::channel(Arc::new(config.clone()));
    let console = Parts {
        loop_sender: loop_sender.clone(),
        metrics: Arc::clone(&metrics),
        alarms: alarms.clone(),
        started: Instant::now(),
        media: Arc::downgrade(&media),
        records: records.watch(),
        users,
        events,
        draining: Arc::clone(&draining),
        log_lost: log.lost(),
        store_url: config.store_url.clone(),
        config: read_config,
    };
    let http = tokio::spawn(console_api::serve(config.console.clone(), alarms.clone(), console));
    tell_standby(&config);
    let names = Followers::new(&config.trunks, &config.sip.name_servers, &loop_sender);
    let (file, running) = (config.file.clone(), config);
    let watch = Watch {
        names,
        file,
        running,
        tell_config,
        loop_sender: loop_sender.clone(),
        look_again,
        draining,
        metrics,
        alarms,
        missing,
        local,
        roster_kept,
        signals,
        accounts: None,
    };
    watch.until_over(calls_over).await?;
    abort([http, operators]).await;
    finish(media, &loop_sender, over, records, kept).await?;
    info!("siaga has ended");
    Ok(())
}

/// Logs the warnings of the configuration. A separate thread checks the modes of files and folders, and opens database and recordings to
/// the group that `[store] group` names; a disk that hangs stops only this thread.
fn prepare(config: &Config) {
    config.warnings.iter().for_each(|warning| warn!("{warning}"));
    open_files::warning(config).iter().for_each(|warning| warn!("{warning}"));
    let config = config.clone();
    let prepare = move || {
        Config::mode_warnings(&config.file).iter().for_each(|warning| warn!("{warning}"));
        sharing::share(&config);
    };
    if let Err(error) = std::thread::Builder::new().name("file-modes".to_owned()).spawn(prepare) {
        warn!(%error, "the modes of files are not checked");
    }
}

/// Sends the loop the state of the last run, before any network input. Returns true if the accounts of that run are known.
async fn restore(
    loop_sender: &LoopSender,
    accounts: &mut Accounts,
    restored: Restored,
    users: &watch::Sender<Users>,
) -> bool {
    loop_sender.tell(Inbound::Restore(Box::new(restored))).await;
    let Some((accounts, who)) = accounts.of_last_run() else { return false };
    users.send_replace(who);
    loop_sender.tell(Inbound::Accounts(accounts)).await
}

/// Starts the task that tells the switchboard about changed accounts.
fn follow_operators(
    records: &mut Records,
    loop_sender: &LoopSender,
    tell_users: watch::Sender<Users>,
    look_again: &Arc<Notify>,
    known: bool,
) -> tokio::task::JoinHandle<()> {
    let (accounts, loop_sender, look_again) = (records.accounts().clone(), loop_sender.clone(), Arc::clone(look_again));
    tokio::spawn(records::tell_changes(accounts, loop_sender, tell_users, look_again, records.past(), known))
}

fn new_switchboard(config: &Config, clock: Clock, media: &Media, alarms: &Alarms) -> anyhow::Result<Switchboard> {
    if media.rtp_ports().is_empty() {
        alarms.raise(Kind::Media, "", "no RTP port of the range could be opened; they are opened only at a start");
    }
    if let Err(fault) = std::fs::read_dir(&config.prompts_dir) {
        let folder = config.prompts_dir.display();
        alarms.raise(Kind::Prompts, "", format!("{folder}: {fault}; announcements are read only at a start"));
    }
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    Ok(Switchboard::new(clock.now(), config.switchboard(), media.rtp_ports(), Rng::from_seed(seed)))
}

fn tell_standby(config: &Config) {
    let listeners = config.sip.listeners.iter();
    let sip = listeners.map(|l| format!("{}:{}", l.transport.via(), l.local)).collect::<Vec<_>>().join(" ");
    info!(version = env!("CARGO_PKG_VERSION"), sip, console = %config.console.listen, "siaga is on standby");
    for (what, path) in config.places() {
        info!(what, path, "in use");
    }
}

/// Binds the RTP ports and starts the media threads, in parallel with the rest of the start.
fn start_media(
    config: &Config,
    loop_sender: &LoopSender,
    alarms: &Alarms,
    journaled: Journaled,
) -> tokio::task::JoinHandle<anyhow::Result<Media>> {
    let settings = MediaSettings {
        listen: own_addresses(&config.media.listen, &config.media.advertised),
        ports: config.media.ports.0..=config.media.ports.1,
        silence: (config.queue.silence_seconds > 0).then(|| Duration::from_secs(config.queue.silence_seconds)),
        prompts: config.prompts_dir.clone(),
        recordings: config.recording.enabled.then(|| config.recording.dir.clone()),
        zone: config.zone.clone(),
        alarms: alarms.clone(),
        journaled,
        threads: config.media.threads,
        engine: match config.media.engine {
            EngineName::Auto => Engine::Auto,
            EngineName::IoUring => Engine::IoUring,
            EngineName::Epoll => Engine::Epoll,
        },
    };
    let loop_sender = loop_sender.clone();
    tokio::task::spawn_blocking(move || Media::start(settings, move |event| loop_sender.media(event)))
}

/// The stream listeners, certificates and limits with which the loop starts.
struct Streams {
    listeners: Vec<StreamListener>,
    terms: Connections,
    certificates: Option<Certificates>,
    trunks: Vec<Trunk>,
}

/// Starts the signalling thread. When it has ended, the receiver gets the ledger with the facts that are still to be written.
fn start_loop(
    switchboard: Switchboard,
    clock: Clock,
    sockets: Vec<std::net::UdpSocket>,
    streams: Streams,
    inbox: tokio::sync::mpsc::Receiver<Inbound>,
    sink: ServiceOutputs,
) -> anyhow::Result<oneshot::Receiver<Ledger>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let entered = runtime.enter();
    let sockets = sockets.into_iter().map(tokio::net::UdpSocket::from_std).collect::<Result<Vec<_>, _>>()?;
    let terms = streams.terms;
    let Connections { message, idle, stranger, .. } = terms;
    let patience = Patience { message, idle, stranger, ..Patience::default() };
    let signalling = Signalling::new(switchboard, clock, sockets, inbox, sink)?.with_streams(
        streams.listeners,
        patience,
        terms.per_address,
        streams.certificates,
        &streams.trunks,
    )?;
    drop(entered);
    let (tell, over) = oneshot::channel();
    std::thread::Builder::new().name("signalling".to_owned()).spawn(move || {
        let (_, sink) = runtime.block_on(signalling.run_out());
        let ServiceOutputs { ledger, keeper, .. } = sink;
        drop(keeper);
        if tell.send(ledger).is_err() {
            error!("no part waited for the end of the signalling loop");
        }
    })?;
    Ok(over)
}

/// Supervises the running service.
#[derive(Debug)]
struct Watch {
    names: Followers,
    file: PathBuf,
    running: Config,
    tell_config: watch::Sender<Arc<Config>>,
    loop_sender: LoopSender,
    look_again: Arc<Notify>,
    draining: Arc<AtomicBool>,
    metrics: Arc<Metrics>,
    alarms: Alarms,
    /// Listeners that could not be opened yet.
    missing: Vec<Listener>,
    local: LocalState,
    /// False if the copy of the roster could not be written.
    roster_kept: bool,
    signals: Signals,
    /// The accounts that were compared with the names in `running`.
    accounts: Option<account_warnings::Names>,
}

impl Watch {
    /// Handles signals and checks for changed operators until the last call has ended.
    async fn until_over(mut self, over: oneshot::Receiver<()>) -> anyhow::Result<()> {
        let mut over = pin!(over);
        let mut drain = Drain::default();
        let mut stamps = certificates::stamps(self.running.sip.tls.iter().flat_map(TlsFiles::paths));
        let mut look = tokio::time::interval(certificates::LOOK_EVERY);
        let mut roster = tokio::time::interval(ROSTER_EVERY);
        let mut retry = tokio::time::interval_at(Instant::now() + RETRY_EVERY, RETRY_EVERY);
        let mut remind = tokio::time::interval_at(Instant::now() + REMIND_EVERY, REMIND_EVERY);
        loop {
            tokio::select! {
                over = &mut over => return over.context("the signalling loop has failed"),
                request = self.signals.next() => match request {
                    Request::End => self.hasten(&mut drain).await,
                    Request::Reload => self.reload().await,
                },
                _ = retry.tick() => self.retry().await,
                _ = look.tick() => {
                    self.compare_names().await;
                    let new = certificates::stamps(self.running.sip.tls.iter().flat_map(TlsFiles::paths));
                    if std::mem::replace(&mut stamps, new.clone()) != new {
                        self.renew_certificates().await;
                    }
                }
                _ = remind.tick() => self.alarms.remind(),
                _ = roster.tick() => warn_of_gaps(&self.running, self.accounts.as_ref().map(|names| &names.operators)),
                () = until(drain.next()) => self.hasten(&mut drain).await,
            }
        }
    }

    /// Starts the next stage of the end: drain, then hang up, then stop.
    async fn hasten(&mut self, drain: &mut Drain) {
        let now = Instant::now();
        match drain {
            Drain::No => {
                self.draining.store(true, Ordering::Relaxed);
                info!(seconds = self.running.drain.as_secs(), "draining: no new calls, live calls continue");
                *drain = Drain::Draining { until: now + self.running.drain };
                self.loop_sender.tell(Inbound::Drain).await;
            }
            Drain::Draining { .. } => {
                warn!("the drain is cut short: calls are ended");
                *drain = Drain::HangingUp { until: now + HANG_UP };
                self.loop_sender.tell(Inbound::HangUpAll).await;
            }
            Drain::HangingUp { .. } => {
                *drain = Drain::Stopping;
                self.loop_sender.tell(Inbound::Stop).await;
            }
            Drain::Stopping => {}
        }
    }

    /// Tries again to start the parts that could not be started.
    async fn retry(&mut self) {
        listeners::reopen(&mut self.missing, &self.alarms, &self.loop_sender).await;
        if self.alarms.is_raised(Kind::Certificates) {
            self.renew_certificates().await;
        }
        if self.alarms.is_raised(Kind::Roster)
            && let Ok(new) = Config::load_to_serve(&self.file)
            && let Some(repaired) = self.running.with_roster_of(&new)
        {
            self.running = repaired;
            self.spread().await;
            info!("the roster was read again");
        } else if !self.roster_kept {
            self.roster_kept = tell_roster(&self.running, &self.local, &self.alarms).await;
        }
    }

    /// Reads the certificates for future connections again. If they are invalid, the old ones stay in use.
    async fn renew_certificates(&mut self) {
        let Some(files) = &self.running.sip.tls else { return };
        match self.alarms.watch(Kind::Certificates, "", files.read()) {
            Ok(certificates) => {
                self.loop_sender.tell(Inbound::Certificates(Box::new(certificates))).await;
                info!("the certificates were read again");
            }
            Err(fault) => error!(%fault, "the old certificates stay"),
        }
    }

    /// Compares the names in the configuration with the accounts, once after the start and after each reload.
    async fn compare_names(&mut self) {
        if self.accounts.is_none() {
            self.accounts = account_warnings::accounts(&self.loop_sender).await;
            self.accounts.iter().for_each(|accounts| account_warnings::warn_of_names(&self.running, accounts));
        }
    }

    async fn reload(&mut self) {
        let new = match Config::load_to_serve(&self.file) {
            Ok(new) => new,
            Err(faults) => {
                for fault in &faults.0 {
                    error!("{fault}");
                }
                let why = match faults.0.as_slice() {
                    [only] => format!("{only}; the old configuration stays"),
                    [first, more @ ..] => {
                        format!("{first}; and {} more errors; the old configuration stays", more.len())
                    }
                    [] => "the old configuration stays".to_owned(),
                };
                self.alarms.raise(Kind::Configuration, "", why);
                return;
            }
        };
        self.alarms.clear(Kind::Configuration, "");
        for key in new.needs_restart(&self.running) {
            warn!(key, "a key has changed that only a restart applies");
        }
        self.running = new.beside(&self.running);
        self.spread().await;
        self.renew_certificates().await;
        self.names.follow(&self.running.trunks, &self.running.sip.name_servers, &self.loop_sender);
        if let Err(fault) = promise(&self.metrics, &self.running) {
            error!(%fault, "the metrics keep the desks' former service levels");
        }
        self.look_again.notify_one();
        info!("the configuration was read again");
    }

    /// Passes the running configuration to the parts that use it.
    async fn spread(&mut self) {
        self.roster_kept = tell_roster(&self.running, &self.local, &self.alarms).await;
        self.tell_config.send_replace(Arc::new(self.running.clone()));
        self.loop_sender.tell(Inbound::Configure(Box::new(self.running.switchboard()))).await;
        self.accounts = None;
        self.compare_names().await;
    }
}

/// Passes the desks' service levels to the metrics.
fn promise(metrics: &Metrics, config: &Config) -> anyhow::Result<()> {
    metrics.desks.promise(&config.report.levels, u64::try_from(config.report.short_abandon.as_millis())?);
    Ok(())
}

/// The stage of the end.
#[derive(Clone, Copy, Debug, Default)]
enum Drain {
    #[default]
    No,
    Draining {
        until: Instant,
    },
    HangingUp {
        until: Instant,
    },
    Stopping,
}

impl Drain {
    /// When the next stage begins without a further signal.
    const fn next(self) -> Option<Instant> {
        match self {
            Self::No | Self::Stopping => None,
            Self::Draining { until } | Self::HangingUp { until } => Some(until),
        }
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Stops tasks that have no more work.
async fn abort(tasks: [tokio::task::JoinHandle<()>; 2]) {
    for task in tasks {
        task.abort();
        if let Err(fault) = task.await
            && !fault.is_cancelled()
        {
            error!(%fault, "a task has failed");
        }
    }
}
