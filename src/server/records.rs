//! The server's part of the records: starts journal and writer, sends them facts, and reads their figures and the accounts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tracing::{error, warn};

use crate::alarm::Alarms;
use crate::cdr::past::Past;
use crate::clock::Timestamp;
use crate::config::{Config, Retention};
use crate::store::crash_log::CrashLog;
use crate::store::journal::{JournalError, Lock};
use crate::store::past::HistoryQuery;
use crate::store::privacy::Rules;
use crate::store::rollups::fill::Settings;
use crate::store::writer::{Forgotten, Privacy, Writer, WriterFigures};

use super::accounts::Accounts;
use super::clock::Clock;
use super::journal_thread::{JournalFigures, JournalThread, Ledger, Opened};
use super::loop_sender::LoopSender;
use super::media::Journaled;
use super::users::Users;

/// How long the end of the service waits for the last facts to be stored.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the writer may take to notice that it must end.
const LAST_PATIENCE: Duration = Duration::from_secs(1);
/// Maximum duration of a flag.
const MARKS: Duration = Duration::from_secs(168 * 3_600);

/// Figures of journal and writer for the metrics.
#[derive(Clone, Debug, Default)]
pub(super) struct RecordsFigures {
    pub(super) journal: Vec<(&'static str, u64)>,
    pub(super) writer: Vec<(&'static str, u64)>,
    pub(super) journal_backlog: u64,
    pub(super) journal_alarm: bool,
    pub(super) writer_backlog: u64,
    pub(super) calls_aside: u64,
}

/// Reads the figures from any thread.
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
                ("facts-unprotected", read(&journal.unprotected)),
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
            writer_backlog: read(&journal.facts).saturating_sub(read(&writer.own_facts)) + read(&writer.earlier_facts),
            calls_aside: read(&writer.calls_aside),
        }
    }

    /// The recordings whose facts are in the journal.
    pub(super) fn journaled(&self) -> Journaled {
        self.journal.recordings.clone()
    }

    /// The number of facts of this run so far.
    pub(super) fn given(&self) -> u64 {
        self.journal.given.load(Ordering::Relaxed)
    }

    /// True if the database has the first `given` facts of this run, and those of earlier runs.
    pub(super) fn has_stored(&self, given: u64) -> bool {
        let read = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        let writer = &self.writer;
        read(&writer.own_facts) >= given && read(&writer.earlier_facts) == 0 && read(&writer.calls_aside) == 0
    }
}

/// The running journal and writer.
#[derive(Debug)]
pub(super) struct Records {
    watch: Watch,
    accounts: Accounts,
    past: Option<oneshot::Receiver<Past>>,
    journal: JoinHandle<()>,
    writer: JoinHandle<()>,
    /// When it is dropped, the writer ends at once.
    stop: oneshot::Sender<()>,
}

impl Records {
    /// Starts the journal and the writer. If the journal's folder cannot be used, facts wait in memory; if the database cannot be used,
    /// they wait in the journal. An error only if another siaga uses the journal. Also returns the loop's side of the journal.
    pub(super) fn open(
        config: &Config,
        clock: Clock,
        accounts: Accounts,
        alarms: &Alarms,
        loop_sender: &LoopSender,
    ) -> anyhow::Result<(Self, Ledger)> {
        let dir = config.journal_dir.clone();
        let lock = match Lock::take(&dir) {
            Ok(lock) => Some(lock),
            Err(JournalError::Folder(_)) => None,
            Err(fault @ JournalError::InUse) => {
                return Err(fault).with_context(|| format!("[journal] dir {}", dir.display()));
            }
        };
        let watch = Watch { journal: Arc::default(), writer: Arc::default() };
        let crash_log = CrashLog::open(&dir, clock.now().wall);
        if !crash_log.is_possible() {
            warn!(
                "neither /run/siaga nor /dev/shm is a folder in memory that can be written: a crash loses the facts of its last 50 ms"
            );
        }
        let cleaner = crash_log.cleaner();
        let (ledger, inbox) = Ledger::new(crash_log, Arc::clone(&watch.journal));
        let (tell_opened, opened) = oneshot::channel();
        let thread = JournalThread {
            dir: dir.clone(),
            lock,
            clock,
            figures: Arc::clone(&watch.journal),
            alarms: alarms.clone(),
            cleaner,
        };
        let journal = on_own_thread("journal", async move { thread.run(inbox, tell_opened).await })?;

        let (tell_past, past) = oneshot::channel();
        let before = |span: Duration| earlier(clock.now().wall, span);
        let recall = HistoryQuery::new(before(config.callers.lookback()), before(MARKS), tell_past);
        let (stop, stopped) = oneshot::channel();
        let (url, keep, figures) = (config.store_url.clone(), config.journal_keep, Arc::clone(&watch.writer));
        let alarms = alarms.clone();
        let (rollups, now) = (Settings::of(&config.report, &config.zone), clock.now().wall);
        let (tell_forgotten, forgotten) = mpsc::channel(1);
        let privacy = Privacy::new(rules(config.retention), config.recording.dir.clone(), super::clock::wall_now)
            .telling(tell_forgotten);
        let loop_sender = loop_sender.clone();
        let writer = on_own_thread("writer", async move {
            let Ok(Opened { id, first, lock, durable, recent }) = opened.await else { return };
            let writer =
                Writer::new(url, dir, id, first, figures).keeping(keep).holding(lock).with_recent_facts(recent);
            let writer = writer.with_history_query(recall).with_rollups(rollups, now).raising(alarms);
            let writer = writer.with_privacy(privacy);
            let stopped = async { drop::<Result<(), _>>(stopped.await) };
            tokio::join!(writer.run_until(durable, stopped), forget(forgotten, loop_sender));
        })?;
        let records = Self { watch, accounts, past: Some(past), journal, writer, stop };
        Ok((records, ledger))
    }

    pub(super) fn watch(&self) -> Watch {
        self.watch.clone()
    }

    pub(super) const fn accounts(&mut self) -> &mut Accounts {
        &mut self.accounts
    }

    /// The receiver for the records of earlier runs, which the writer reads from the database. Can be taken once.
    pub(super) fn past(&mut self) -> Option<oneshot::Receiver<Past>> {
        self.past.take()
    }

    /// Writes the remaining facts to the disk, and to the database if it responds in time. Returns in time even if the disk or the
    /// database hangs.
    pub(super) async fn close(self, ledger: Ledger) {
        drop(ledger);
        let (journal, writer) = (self.journal, self.writer);
        let mut both = tokio::task::spawn_blocking(move || journal.join().is_ok() && writer.join().is_ok());
        match tokio::time::timeout(PATIENCE, &mut both).await {
            Ok(Ok(true)) => return,
            Ok(Ok(false) | Err(_)) => return error!("the journal or the writer has failed"),
            Err(_) => warn!("not all facts are in the database: the next start continues from the journal"),
        }
        drop(self.stop);
        if tokio::time::timeout(LAST_PATIENCE, both).await.is_err() {
            warn!("the journal or the writer still waits for a disk: the process ends without them");
        }
    }
}

/// Passes erased numbers on to the loop, until the writer ends.
async fn forget(mut forgotten: mpsc::Receiver<Forgotten>, loop_sender: LoopSender) {
    while let Some(Forgotten { number, done }) = forgotten.recv().await {
        if loop_sender.tell(super::signalling::Inbound::Forget(number)).await && done.send(()).is_err() {
            warn!("the writer has ended before the loop was told about an erased number");
        }
    }
}

/// `[retention]`, as the writer applies it.
const fn rules(retention: Retention) -> Rules {
    let Retention { locations_days, numbers_days, recordings_days, facts_days, records_days } = retention;
    Rules {
        locations: locations_days,
        numbers: numbers_days,
        recordings: recordings_days,
        facts: facts_days,
        records: records_days,
    }
}

fn earlier(than: Timestamp, span: Duration) -> Timestamp {
    Timestamp::from_millis(than.as_millis().saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
}

/// Runs one task on a separate thread, where it may wait for the disk.
fn on_own_thread<F>(name: &str, task: F) -> anyhow::Result<JoinHandle<()>>
where
    F: Future<Output = ()> + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(std::thread::Builder::new().name(name.to_owned()).spawn(move || runtime.block_on(task))?)
}

/// Checks for changed operators and users until it is dropped, and at once when notified. After the accounts, sends the loop what earlier
/// runs recorded of callers, which refers to the accounts. `known`: the loop already has the accounts of the last run.
pub(super) async fn tell_changes(
    mut accounts: Accounts,
    loop_sender: LoopSender,
    users: watch::Sender<Users>,
    look: Arc<Notify>,
    mut past: Option<oneshot::Receiver<Past>>,
    mut known: bool,
) {
    loop {
        if let Some((changed, who)) = accounts.changed().await {
            users.send_replace(who);
            known |= loop_sender.tell(super::signalling::Inbound::Accounts(changed)).await;
        }
        // Every outcome leads to a new check.
        tokio::select! {
            looked = tokio::time::timeout(accounts.pause(), look.notified()) => drop(looked),
            Some(past) = recalled(&mut past), if known => {
                loop_sender.tell(super::signalling::Inbound::Remember(Box::new(past))).await;
            }
        }
    }
}

/// The records of earlier runs, once. Never returns if they will not arrive.
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
