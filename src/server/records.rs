//! Journal, database and writer as the server sees them: facts go in, figures come out, and the operators that exist.

use std::path::PathBuf;
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
use crate::store::journal::{Journal, JournalError, Place};
use crate::store::past::Recall;
use crate::store::writer::{Writer, WriterFigures};

use super::RETRY_EVERY;
use super::accounts::Accounts;
use super::clock::Clock;
use super::users::Users;

/// Facts are gathered so long before they go to the disk together: an fsync each.
const GATHER: Duration = Duration::from_millis(50);
/// Between two attempts while the disk does not take facts.
const RETRY: Duration = Duration::from_secs(1);
/// The journal shows so often that the service is alive, for a recovery to know when it was killed.
const BEAT: Duration = Duration::from_secs(5);
/// How long the end waits for the last facts to be stored.
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
    /// Ends when the writer has.
    journal: JoinHandle<()>,
}

/// What journal and writer are started with.
struct Start {
    dir: PathBuf,
    url: String,
    clock: Clock,
    journal: Arc<JournalFigures>,
    writer: Arc<WriterFigures>,
    alarms: Alarms,
    recall: Recall,
}

impl Start {
    /// Keeps the journal, and the writer behind it, until no fact can come any more.
    async fn run(self, journal: Option<Journal>, inbox: mpsc::Receiver<Fact>) {
        let Some(journal) = self.opened(journal, &inbox).await else { return };
        let (id, first) = (journal.id().to_owned(), journal.first_segment());
        let (tell, durable) = watch::channel(journal.end());
        let writer = Writer::new(self.url, self.dir, id, first, self.writer).recalling(self.recall);
        let writer = match on_own_thread("writer", async move { writer.run(durable).await }) {
            Ok(writer) => Some(writer),
            Err(fault) => {
                self.alarms.raise(Kind::Database, "", format!("the writer cannot be started: {fault:#}"));
                None
            }
        };
        let clerk = Clerk { journal, clock: self.clock, figures: self.journal, alarms: self.alarms, tell };
        clerk.run(inbox).await;
        if writer.is_some_and(|writer| writer.join().is_err()) {
            error!("the writer has failed");
        }
    }

    /// The journal, as soon as its folder can be used; None when the service ends before.
    async fn opened(&self, journal: Option<Journal>, inbox: &mpsc::Receiver<Fact>) -> Option<Journal> {
        let mut journal = journal;
        while journal.is_none() {
            tokio::time::sleep(RETRY_EVERY).await;
            if inbox.is_closed() {
                error!(facts = inbox.len(), "facts are lost: the journal's folder could not be used in this run");
                return None;
            }
            journal = self.alarms.watch(Kind::Journal, "", Journal::open(&self.dir, self.clock.now().wall)).ok();
        }
        journal
    }
}

impl Records {
    /// Opens the journal. If its folder cannot be used, facts wait in memory until it can. An error: another siaga has it.
    pub(super) fn open(config: &Config, clock: Clock, accounts: Accounts, alarms: &Alarms) -> anyhow::Result<Self> {
        let dir = config.journal_dir.clone();
        let journal = match Journal::open(&dir, clock.now().wall) {
            Err(JournalError::InUse) => {
                return Err(JournalError::InUse).with_context(|| format!("[journal] dir {}", dir.display()));
            }
            opened @ (Ok(_) | Err(JournalError::Folder(_))) => alarms.watch(Kind::Journal, "", opened).ok(),
        };
        let watch = Watch { journal: Arc::default(), writer: Arc::default() };
        let (tell_past, past) = oneshot::channel();
        let before = |span: Duration| earlier(clock.now().wall, span);
        let recall = Recall::new(before(config.callers.remembered()), before(MARKS), tell_past);
        let (facts, inbox) = mpsc::channel(FACTS_MAX);
        let start = Start {
            dir,
            url: config.store_url.clone(),
            clock,
            journal: Arc::clone(&watch.journal),
            writer: Arc::clone(&watch.writer),
            alarms: alarms.clone(),
            recall,
        };
        let journal = on_own_thread("journal", async move { start.run(journal, inbox).await })?;
        Ok(Self { facts, watch, accounts, past: Some(past), journal })
    }

    pub(super) fn watch(&self) -> Watch {
        self.watch.clone()
    }

    pub(super) fn ledger(&self) -> Ledger {
        Ledger { facts: self.facts.clone(), figures: Arc::clone(&self.watch.journal) }
    }

    pub(super) const fn accounts(&mut self) -> &mut Accounts {
        &mut self.accounts
    }

    /// What earlier runs knew of callers, once the database has told it; to be asked for once.
    pub(super) fn past(&mut self) -> Option<oneshot::Receiver<Past>> {
        self.past.take()
    }

    /// Writes what was given to the disk, and to the database as far as it takes it in time.
    pub(super) async fn close(self, ledger: Ledger) {
        drop((ledger, self.facts));
        let journal = self.journal;
        let both = tokio::task::spawn_blocking(move || journal.join().is_ok());
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
/// operators whose last calls it names; `known`: those of the last run are told already.
pub(super) async fn tell_changes(
    mut accounts: Accounts,
    desk: super::desk::Desk,
    users: watch::Sender<Users>,
    look: Arc<Notify>,
    mut past: Option<oneshot::Receiver<Past>>,
    mut known: bool,
) {
    loop {
        if let Some((changed, who)) = accounts.changed().await {
            users.send_replace(who);
            known |= desk.tell(super::signalling::Inbound::Accounts(changed)).await;
        }
        // All outcomes mean: look again.
        tokio::select! {
            looked = tokio::time::timeout(accounts.pause(), look.notified()) => drop(looked),
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
