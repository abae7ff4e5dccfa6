//! The writer: copies facts from the journal to the database, computes the records of calls that have ended, and closes
//! the calls that an earlier run left open. If it is slow or the database is down, facts wait in the journal.

mod file;
mod privacy;
mod recovery;
mod rollups;
mod rows;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tracing::{error, warn};

use crate::alarm::{Alarms, Kind};
use crate::cdr::fact::{Fact, FactId};
use crate::clock::Timestamp;
use crate::ids::CallId;

use super::aside::Aside;
use super::journal::segments::{self, Chunk};
use super::journal::{self, JournalPosition, Lock, Recent};
use super::past::HistoryQuery;
use super::rollups::fill::Settings;
use super::{STATEMENT_MAX, Store, StoreError};
use file::OpenFile;

pub use privacy::{Forgotten, Privacy};

/// Maximum facts of one transaction.
const BATCH_FACTS_MAX: usize = 4_096;
/// Closed calls whose facts are kept in memory for late facts.
const CLOSED_MAX: usize = 4_096;
/// Time to collect facts for one transaction. Fewer transactions need fewer fsyncs. The record of a call need not be
/// computed again for facts that come shortly after the call's end.
const BATCH_DELAY: Duration = Duration::from_secs(1);
/// The time between two attempts while the database is down: the first value, doubled each time up to the second value.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));
/// How often the path of the database is compared with the open file while no fact arrives.
const FILE_CHECK_EVERY: Duration = Duration::from_secs(2);
/// Old stored segments are removed, and damaged ones reported, in one of so many rounds of the writer. A round stores
/// the facts that have arrived.
const MAINTENANCE_ROUNDS: u32 = 600;

/// Figures of the writer, read from anywhere.
#[derive(Debug, Default)]
pub struct WriterFigures {
    pub facts: AtomicU64,
    /// Facts of this run that the writer has stored.
    pub own_facts: AtomicU64,
    /// Facts of earlier runs that wait in the journal.
    pub earlier_facts: AtomicU64,
    pub transactions: AtomicU64,
    pub failures: AtomicU64,
    pub lost_bytes: AtomicU64,
    pub unknown_records: AtomicU64,
    pub interrupted_calls: AtomicU64,
    /// Calls with a fact or record that the database rejects.
    pub calls_aside: AtomicU64,
    /// True if the last batch was stored completely.
    pub caught_up: AtomicBool,
}

/// Why a round of the writer ended early.
#[derive(Debug, thiserror::Error)]
enum WriterError {
    #[error("the database")]
    Store(#[from] StoreError),
    #[error("the journal")]
    Journal(#[from] std::io::Error),
}

/// The facts of one call from its beginning, in the order of the journal.
#[derive(Debug, Default)]
struct CachedCall {
    facts: Vec<Fact>,
    closed: bool,
}

/// Copies one journal to one database.
#[derive(Debug)]
pub struct Writer {
    url: String,
    dir: PathBuf,
    journal: String,
    /// The first segment of this run.
    first: i64,
    /// How long stored segments are kept.
    keep: Duration,
    /// How long PostgreSQL may take for one transaction before its connection counts as dead.
    statement_timeout: Duration,
    figures: Arc<WriterFigures>,
    live: BTreeMap<CallId, CachedCall>,
    closed: VecDeque<CallId>,
    aside: Option<Aside>,
    /// Facts of the present batch that were set aside. If the batch is stored again because its journal position could
    /// not be stored, they must not be set aside twice.
    aside_of_batch: BTreeSet<FactId>,
    /// The facts that the journal has written last.
    recent: Recent,
    /// True once the calls that earlier runs left open are closed.
    recovered: bool,
    /// True once the database has taken a record of this run: from then on, a rejection shows that a call is bad, and
    /// not that the database accepts nothing.
    has_stored_record: bool,
    /// Alarms about a database that cannot be written, damage, and calls that are set aside are raised here.
    alarms: Alarms,
    /// None if the caller of `new` holds the lock.
    _lock: Option<Lock>,
    /// The query for records of earlier runs, until its result has been sent.
    history_query: Option<HistoryQuery>,
    /// How calls are counted for reports, and since when this run's targets apply.
    rollups: Option<(Settings, Timestamp)>,
    /// None: nothing is erased.
    privacy: Option<Privacy>,
}

impl Writer {
    /// `journal` and `first` are the journal's own id and first segment of this run.
    pub fn new(url: String, dir: PathBuf, journal: String, first: i64, figures: Arc<WriterFigures>) -> Self {
        Self {
            url,
            dir,
            journal,
            first,
            keep: Duration::ZERO,
            statement_timeout: STATEMENT_MAX,
            figures,
            live: BTreeMap::new(),
            closed: VecDeque::new(),
            aside: None,
            aside_of_batch: BTreeSet::new(),
            recent: Recent::default(),
            recovered: false,
            has_stored_record: false,
            alarms: Alarms::default(),
            _lock: None,
            history_query: None,
            rollups: None,
            privacy: None,
        }
    }

    /// Counts calls for reports in this way; its targets apply to calls that arrive from `now` on.
    #[must_use]
    pub fn with_rollups(self, settings: Settings, now: Timestamp) -> Self {
        Self { rollups: Some((settings, now)), ..self }
    }

    /// Carries out requests to erase, and applies `[retention]`.
    #[must_use]
    pub fn with_privacy(self, privacy: Privacy) -> Self {
        Self { privacy: Some(privacy), ..self }
    }

    /// Sets the query for the records of earlier runs. The writer sends its result before it stores facts of this run.
    #[must_use]
    pub fn with_history_query(self, history_query: HistoryQuery) -> Self {
        Self { history_query: Some(history_query), ..self }
    }

    /// Takes facts from `recent`, if it has them, and not from the files.
    #[must_use]
    pub fn with_recent_facts(self, recent: Recent) -> Self {
        Self { recent, ..self }
    }

    /// Sets how long stored segments are kept.
    #[must_use]
    pub fn keeping(self, keep: Duration) -> Self {
        Self { keep, ..self }
    }

    /// Sets the table in which alarms are raised.
    #[must_use]
    pub fn raising(self, alarms: Alarms) -> Self {
        Self { alarms, ..self }
    }

    /// Sets the time without a response after which a connection counts as dead.
    #[must_use]
    pub fn with_statement_timeout(self, statement_timeout: Duration) -> Self {
        Self { statement_timeout, ..self }
    }

    /// Holds the journal's lock as long as the writer lives.
    #[must_use]
    pub fn holding(self, lock: Lock) -> Self {
        Self { _lock: Some(lock), ..self }
    }

    /// Runs until the sender of `durable` is dropped and all facts are stored.
    pub async fn run(self, durable: watch::Receiver<JournalPosition>) {
        self.run_until(durable, std::future::pending()).await;
    }

    /// Like `run`, but ends at once at `stop`, whatever the database does: the next start continues from the journal.
    pub async fn run_until(mut self, durable: watch::Receiver<JournalPosition>, stop: impl Future<Output = ()>) {
        tokio::select! {
            () = self.run_with_retries(durable) => {}
            () = pin!(stop) => {}
        }
    }

    async fn run_with_retries(&mut self, mut durable: watch::Receiver<JournalPosition>) {
        let mut pause = RETRY.0;
        self.count_earlier(JournalPosition::default());
        loop {
            let before = self.figures.transactions.load(Ordering::Relaxed);
            match self.copy_facts(&mut durable).await {
                Ok(()) => return,
                Err(fault) => {
                    self.figures.failures.fetch_add(1, Ordering::Relaxed);
                    self.figures.caught_up.store(false, Ordering::Relaxed);
                    if self.figures.transactions.load(Ordering::Relaxed) != before {
                        pause = RETRY.0;
                    }
                    let fault = format!("{:#}", anyhow::Error::from(fault));
                    self.alarms.raise(Kind::Database, "writer", format!("facts wait in the journal: {fault}"));
                }
            }
            // The facts in memory may be newer than those that are stored.
            self.live.clear();
            self.closed.clear();
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RETRY.1);
        }
    }

    async fn copy_facts(&mut self, durable: &mut watch::Receiver<JournalPosition>) -> Result<(), WriterError> {
        let store = Store::open_within(&self.url, self.statement_timeout).await?;
        self.prepare_rollups(&store).await?;
        let file = OpenFile::of(&self.url)?;
        let mut cursor = store.in_time(self.statement_timeout, store.cursor(&self.journal)).await?;
        if cursor > *durable.borrow() {
            // The database has a position beyond the end of the journal: the folder lost its segments, and the clock,
            // which numbers segments, was set back. No present segment is in the database.
            warn!(
                "the database has stored more of the journal than the journal has (its folder was lost, or the clock was set back): the journal is read from its beginning"
            );
            cursor = JournalPosition::default();
        }
        let segments = segments::bring_back(&self.dir, cursor)?;
        if segments > 0 {
            warn!(
                segments,
                "the database is new or was restored from a backup: facts that it lacks are stored again from the journal"
            );
        }
        // `siaga journal retry` may have stored some of the calls that were set aside.
        self.aside = Some(Aside::open(&self.dir)?);
        self.count_aside();
        let run = JournalPosition { segment: self.first, position: 0 };
        if cursor < run {
            // Facts of earlier runs are stored, possibly again. The ends that a recovery gave their calls are only in
            // the database, so the recovery must run again.
            self.recovered = false;
            self.count_earlier(cursor);
            cursor = self.copy(&store, cursor, run).await?;
        }
        if !self.recovered {
            self.recover(&store, cursor <= run).await?;
            self.figures.earlier_facts.store(0, Ordering::Relaxed);
        }
        self.send_history(&store).await?;
        cursor = self.fill_rollups(&store, cursor, durable).await?;
        let mut rounds = 0_u32;
        loop {
            let until = *durable.borrow_and_update();
            cursor = self.copy(&store, cursor, until).await?;
            self.figures.caught_up.store(true, Ordering::Relaxed);
            self.alarms.clear(Kind::Database, "writer");
            if !self.recovered && self.has_stored_record {
                self.recover(&store, false).await?;
            }
            let tidied = self.maintain_segments(cursor, rounds);
            let tidied = tidied.map_err(|fault| format!("stored segments stay on the disk: {fault}"));
            // An error of the files affects no fact.
            drop(self.alarms.watch(Kind::Journal, "segments", tidied));
            if self.figures.calls_aside.load(Ordering::Relaxed) > 0 {
                self.aside = Some(Aside::open(&self.dir)?);
                self.count_aside();
            }
            self.attend_to_privacy(&store, cursor).await?;
            rounds = rounds.wrapping_add(1);
            if self.is_over(durable, &file).await {
                let until = *durable.borrow();
                self.copy(&store, cursor, until).await?;
                // A dead connection must not prevent the service from ending.
                let closed = async {
                    store.clone().close().await;
                    Ok(())
                };
                if store.in_time(self.statement_timeout, closed).await.is_err() {
                    warn!("the database does not respond to the end of its connection");
                }
                return Ok(());
            }
            // Facts that arrive in the meantime are stored in the same transaction.
            tokio::time::sleep(BATCH_DELAY).await;
        }
    }

    /// Waits for facts, or until requests to erase are to be looked for. True if no more facts will come.
    async fn is_over(&self, durable: &mut watch::Receiver<JournalPosition>, file: &OpenFile) -> bool {
        loop {
            file.check_file(&self.alarms);
            if let Ok(changed) = tokio::time::timeout(FILE_CHECK_EVERY, durable.changed()).await {
                return changed.is_err();
            }
            if self.is_privacy_due() {
                return false;
            }
        }
    }

    /// Marks stored segments, removes old ones, and checks for damaged ones.
    fn maintain_segments(&self, cursor: JournalPosition, rounds: u32) -> std::io::Result<()> {
        segments::retire_before(&self.dir, cursor)?;
        if rounds.is_multiple_of(MAINTENANCE_ROUNDS) {
            self.look_for_damage()?;
            segments::remove_stored(&self.dir, self.keep)?;
        }
        Ok(())
    }

    /// Counts the facts of earlier runs in the journal after a place, only for the figures.
    fn count_earlier(&self, from: JournalPosition) {
        let until = JournalPosition { segment: self.first, position: 0 };
        match segments::count(&self.dir, from, until) {
            Ok(facts) => self.figures.earlier_facts.store(facts, Ordering::Relaxed),
            Err(fault) => warn!(%fault, "the facts of earlier runs in the journal cannot be counted"),
        }
    }

    fn count_aside(&self) {
        let calls = self.aside.as_ref().map_or(0, Aside::len);
        self.figures.calls_aside.store(calls as u64, Ordering::Relaxed);
        if calls > 0 {
            let what = format!("the database rejects {calls} calls: see siaga journal aside");
            self.alarms.raise(Kind::Records, "aside", what);
        } else {
            self.alarms.clear(Kind::Records, "aside");
        }
    }

    /// Sends the requested records. If the query fails although facts can be stored, the writer continues after some attempts.
    async fn send_history(&mut self, store: &Store) -> Result<(), WriterError> {
        let Some(history_query) = self.history_query.take() else { return Ok(()) };
        let Err((fault, again)) = history_query.answer(store).await else { return Ok(()) };
        if again.is_none() {
            error!(%fault, "the lists of callers begin empty: the data of earlier runs cannot be read from the database");
            return Ok(());
        }
        self.history_query = again;
        Err(fault.into())
    }

    /// Stores the facts between two positions. Returns the second.
    async fn copy(
        &mut self,
        store: &Store,
        from: JournalPosition,
        until: JournalPosition,
    ) -> Result<JournalPosition, WriterError> {
        let mut cursor = from;
        while cursor < until {
            let (chunk, next) = match self.recent.take(cursor, until, BATCH_FACTS_MAX) {
                Some(chunk) => {
                    let next = chunk.next;
                    (chunk, next)
                }
                None => {
                    let chunk = journal::read(&self.dir, cursor, until, BATCH_FACTS_MAX)?;
                    self.report_damage(&chunk)?;
                    // A chunk with fewer entries than the limit ends at `until`.
                    let next = if chunk.entries.len() < BATCH_FACTS_MAX { until } else { chunk.next };
                    (chunk, next)
                }
            };
            self.store(store, &chunk.entries, cursor.segment, next).await?;
            let facts = chunk.entries.len() as u64;
            self.figures.facts.fetch_add(facts, Ordering::Relaxed);
            if cursor.segment >= self.first {
                self.figures.own_facts.fetch_add(facts, Ordering::Relaxed);
            } else {
                let left = self.figures.earlier_facts.load(Ordering::Relaxed).saturating_sub(facts);
                self.figures.earlier_facts.store(left, Ordering::Relaxed);
            }
            cursor = next;
        }
        Ok(cursor)
    }

    /// The alarm of damage stays until the damaged segments are salvaged or removed.
    fn look_for_damage(&self) -> std::io::Result<()> {
        match segments::list(&self.dir, segments::State::Damaged)?.len() {
            0 => self.alarms.clear(Kind::Records, "journal"),
            files => self.alarms.raise(
                Kind::Records,
                "journal",
                format!("{files} damaged segments: see siaga journal salvage"),
            ),
        }
        Ok(())
    }

    /// Logs unreadable bytes, and keeps the damaged segments.
    fn report_damage(&self, chunk: &Chunk) -> Result<(), WriterError> {
        for segment in &chunk.damaged {
            let kept = segments::keep_damaged(&self.dir, *segment);
            self.look_for_damage()?;
            error!(
                bytes = chunk.lost_bytes,
                file = %kept.display(),
                "a segment of the journal is damaged: the facts after the damage are stored; for the others use siaga journal salvage"
            );
        }
        if chunk.lost_bytes > 0 {
            self.figures.lost_bytes.fetch_add(chunk.lost_bytes, Ordering::Relaxed);
            if chunk.damaged.is_empty() {
                warn!(
                    bytes = chunk.lost_bytes,
                    "a segment of the journal ends with an incomplete record: after a full disk its fact is in the next segment, after a crash it was not stored yet"
                );
            }
        }
        let unknown = chunk.unknown + chunk.entries.iter().filter(|entry| entry.fact.is_none()).count() as u64;
        if unknown > 0 {
            self.figures.unknown_records.fetch_add(unknown, Ordering::Relaxed);
            error!(facts = unknown, "the journal has facts that this version does not know: they are stored unchanged");
        }
        if let Some(segment) = chunk.missing {
            error!(segment, "a segment of the journal is missing: facts in it are lost");
        }
        Ok(())
    }
}

/// The time at which a run has ended, for a recovery.
fn last_write(runs: &[journal::ProcessRun], last: Timestamp) -> Timestamp {
    // The service may have been killed several times while the database was down.
    let life = runs.iter().rfind(|life| life.began <= last).or(runs.first());
    life.map_or(last, |life| life.last_write).max(last)
}
