//! Journal, database and writer as the server sees them: facts go in, figures come out, and the operators that exist.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tracing::{error, warn};

use crate::alarm::{Alarms, Kind};
use crate::cdr::fact::Fact;
use crate::cdr::past::Past;
use crate::clock::Timestamp;
use crate::config::Config;
use crate::limits::{FACTS_GROUP_MAX, FACTS_MAX};
use crate::store::Store;
use crate::store::journal::{Journal, Place};
use crate::store::past::Recall;
use crate::store::writer::{Writer, WriterFigures};

use super::accounts::Accounts;
use super::clock::Clock;
use super::users::Users;

/// Facts are gathered so long before they go to the disk together: an fsync each.
const GATHER: Duration = Duration::from_millis(50);
/// Between two attempts while the disk does not take facts.
const RETRY: Duration = Duration::from_secs(1);
/// The journal shows so often that the service is alive, for a recovery to know when it was killed.
const BEAT: Duration = Duration::from_secs(5);
/// How long the start waits for the database, and the end for the last facts to be stored.
const PATIENCE: Duration = Duration::from_secs(10);
/// No mark of a caller lasts longer.
const MARKS: Duration = Duration::from_secs(168 * 3_600);

/// What the journal has done.
#[derive(Debug, Default)]
struct JournalFigures {
    facts: AtomicU64,
    groups: AtomicU64,
    failures: AtomicU64,
    /// Facts that found no room while the disk took none.
    lost: AtomicU64,
    given: AtomicU64,
    alarm: AtomicBool,
}

/// Figures of journal and writer for the metrics.
#[derive(Clone, Debug, Default)]
pub(super) struct RecordsFigures {
    pub(super) journal: Vec<(&'static str, u64)>,
    pub(super) writer: Vec<(&'static str, u64)>,
    pub(super) journal_backlog: u64,
    pub(super) journal_alarm: bool,
    pub(super) writer_backlog: u64,
}

/// Reads the figures from anywhere.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    journal: Arc<JournalFigures>,
    writer: Arc<WriterFigures>,
}

impl Watch {
    pub(super) fn figures(&self) -> RecordsFigures {
        let read = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        let (journal, writer) = (&self.journal, &self.writer);
        RecordsFigures {
            journal: vec![
                ("facts", read(&journal.facts)),
                ("groups", read(&journal.groups)),
                ("failures", read(&journal.failures)),
                ("facts-lost", read(&journal.lost)),
            ],
            writer: vec![
                ("facts", read(&writer.facts)),
                ("transactions", read(&writer.transactions)),
                ("failures", read(&writer.failures)),
                ("torn-bytes", read(&writer.lost_bytes)),
                ("unknown-records", read(&writer.unknown_records)),
                ("interrupted-calls", read(&writer.interrupted_calls)),
            ],
            journal_backlog: read(&journal.given).saturating_sub(read(&journal.facts)),
            journal_alarm: journal.alarm.load(Ordering::Relaxed),
            writer_backlog: read(&journal.facts).saturating_sub(read(&writer.facts)),
        }
    }
}

/// The running journal and writer.
#[derive(Debug)]
pub(super) struct Records {
    facts: mpsc::Sender<Fact>,
    watch: Watch,
    accounts: Accounts,
    past: Option<oneshot::Receiver<Past>>,
    journal: JoinHandle<()>,
    writer: JoinHandle<()>,
}

impl Records {
    /// Opens the journal, which must be there, and the database, which may be away: then facts wait in the journal.
    pub(super) async fn open(config: &Config, clock: Clock, alarms: &Alarms) -> anyhow::Result<Self> {
        let dir = config.journal_dir.clone();
        let journal =
            Journal::open(&dir, clock.now().wall).with_context(|| format!("[journal] dir {}", dir.display()))?;
        let accounts = Accounts::new(config.store_url.clone(), config.sip.domain.clone(), config.supervisors.clone());
        match tokio::time::timeout(PATIENCE, Store::open(&config.store_url)).await {
            Ok(Ok(store)) => store.close().await,
            Ok(Err(fault)) => warn!(fault = format!("{:#}", anyhow::Error::from(fault)), "the database is away"),
            Err(_) => warn!("the database does not answer"),
        }
        let watch = Watch { journal: Arc::default(), writer: Arc::default() };
        let writer = Writer::new(
            config.store_url.clone(),
            dir,
            journal.id().to_owned(),
            journal.first_segment(),
            Arc::clone(&watch.writer),
        );
        let (tell_past, past) = oneshot::channel();
        let before = |span: Duration| earlier(clock.now().wall, span);
        let recall = Recall::new(before(config.callers.remembered()), before(MARKS), tell_past);
        let writer = writer.recalling(recall);
        let (tell, durable) = watch::channel(journal.end());
        let (facts, inbox) = mpsc::channel(FACTS_MAX);
        let clerk = Clerk { journal, clock, figures: Arc::clone(&watch.journal), alarms: alarms.clone(), tell };
        let journal = on_own_thread("journal", async move { clerk.run(inbox).await })?;
        let writer = on_own_thread("writer", async move { writer.run(durable).await })?;
        Ok(Self { facts, watch, accounts, past: Some(past), journal, writer })
    }

    pub(super) fn watch(&self) -> Watch {
        self.watch.clone()
    }

    pub(super) fn ledger(&self) -> Ledger {
        Ledger { facts: self.facts.clone(), figures: Arc::clone(&self.watch.journal) }
    }

    pub(super) fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// What earlier runs knew of callers, once the database has told it; to be asked for once.
    pub(super) fn past(&mut self) -> Option<oneshot::Receiver<Past>> {
        self.past.take()
    }

    /// Writes what was given to the disk, and to the database as far as it takes it in time.
    pub(super) async fn close(self, ledger: Ledger) {
        drop((ledger, self.facts));
        let (journal, writer) = (self.journal, self.writer);
        let both = tokio::task::spawn_blocking(move || journal.join().is_ok() && writer.join().is_ok());
        match tokio::time::timeout(PATIENCE, both).await {
            Ok(Ok(true)) => {}
            Ok(Ok(false) | Err(_)) => error!("the journal or the writer has failed"),
            Err(_) => warn!("the database has not taken everything: the next start goes on from the journal"),
        }
    }
}

fn earlier(than: Timestamp, span: Duration) -> Timestamp {
    Timestamp::from_millis(than.as_millis().saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
}

/// Runs one task on a thread of its own, where it may wait for the disk.
fn on_own_thread<F>(name: &str, task: F) -> anyhow::Result<JoinHandle<()>>
where
    F: Future<Output = ()> + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(std::thread::Builder::new().name(name.to_owned()).spawn(move || runtime.block_on(task))?)
}

/// The loop's way into the journal: keeps order, never waits.
#[derive(Debug)]
pub(super) struct Ledger {
    facts: mpsc::Sender<Fact>,
    figures: Arc<JournalFigures>,
}

impl Ledger {
    pub(super) fn append(&mut self, fact: Fact) {
        match self.facts.try_send(fact) {
            Ok(()) => self.figures.given.fetch_add(1, Ordering::Relaxed),
            Err(_) => self.figures.lost.fetch_add(1, Ordering::Relaxed),
        };
    }
}

/// Keeps the journal: everything that waits goes to the disk with one fsync.
struct Clerk {
    journal: Journal,
    clock: Clock,
    figures: Arc<JournalFigures>,
    alarms: Alarms,
    tell: watch::Sender<Place>,
}

impl Clerk {
    async fn run(mut self, mut inbox: mpsc::Receiver<Fact>) {
        let mut group = Vec::new();
        loop {
            match tokio::time::timeout(BEAT, inbox.recv_many(&mut group, FACTS_GROUP_MAX)).await {
                Ok(0) => return,
                Ok(_) => {}
                Err(_) => {
                    self.beat();
                    continue;
                }
            }
            if !inbox.is_closed() {
                tokio::time::sleep(GATHER).await;
            }
            while group.len() < FACTS_GROUP_MAX
                && let Ok(fact) = inbox.try_recv()
            {
                group.push(fact);
            }
            self.write(&group, &inbox).await;
            group.clear();
        }
    }

    /// Writes a group, and tries until the disk takes it; at the end of the service only a few times.
    async fn write(&mut self, group: &[Fact], inbox: &mpsc::Receiver<Fact>) {
        let mut tries_left = 5;
        loop {
            match self.journal.append(group.iter(), self.clock.now().wall) {
                Ok(place) => {
                    self.figures.alarm.store(false, Ordering::Relaxed);
                    self.alarms.clear(Kind::Journal, "");
                    self.figures.facts.fetch_add(group.len() as u64, Ordering::Relaxed);
                    self.figures.groups.fetch_add(1, Ordering::Relaxed);
                    self.tell.send_replace(place);
                    return;
                }
                Err(fault) => {
                    self.figures.alarm.store(true, Ordering::Relaxed);
                    self.figures.failures.fetch_add(1, Ordering::Relaxed);
                    self.alarms.raise(Kind::Journal, "", format!("facts wait in memory: {fault}"));
                }
            }
            if inbox.is_closed() {
                tries_left -= 1;
                if tries_left == 0 {
                    self.figures.lost.fetch_add(group.len() as u64, Ordering::Relaxed);
                    error!(facts = group.len(), "facts are lost");
                    return;
                }
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    fn beat(&self) {
        if let Err(fault) = self.journal.beat(self.clock.now().wall) {
            warn!(%fault, "the journal cannot be touched");
        }
    }
}

/// Looks for changed operators and users until it is dropped, and sooner when it is told to. What earlier runs knew of callers follows the
/// operators whose last calls it names.
pub(super) async fn tell_changes(
    mut accounts: Accounts,
    desk: super::desk::Desk,
    users: watch::Sender<Users>,
    look: Arc<Notify>,
    mut past: Option<oneshot::Receiver<Past>>,
) {
    let mut known = false;
    loop {
        if let Some((changed, who)) = accounts.changed().await {
            users.send_replace(who);
            known |= desk.tell(super::signalling::Inbound::Accounts(changed)).await;
        }
        // All outcomes mean: look again.
        tokio::select! {
            looked = tokio::time::timeout(super::accounts::POLL, look.notified()) => drop(looked),
            Some(past) = recalled(&mut past), if known => {
                desk.tell(super::signalling::Inbound::Remember(Box::new(past))).await;
            }
        }
    }
}

/// What earlier runs knew, once; never, when nobody will tell it.
async fn recalled(past: &mut Option<oneshot::Receiver<Past>>) -> Option<Past> {
    match past {
        Some(waits) => {
            let told = waits.await.ok();
            *past = None;
            told
        }
        None => std::future::pending().await,
    }
}
