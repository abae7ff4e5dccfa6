//! The journal's thread: opens the journal, and writes all waiting facts to the disk with one fsync. Only this thread waits for the disk.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tracing::{error, info, warn};

use crate::alarm::{Alarms, Kind};
use crate::cdr::fact::{Fact, FactKind};
use crate::ids::{CallId, LegNo};
use crate::limits::{FACTS_GROUP_MAX, FACTS_MAX};
use crate::store::crash_log::{Cleaner, CrashLog};
use crate::store::journal::record;
use crate::store::journal::{Journal, JournalError, JournalPosition, Lock, Recent};

use super::clock::Clock;
use super::media::Journaled;

/// How long facts are gathered before they are written to the disk with one fsync.
const BATCH_DELAY: Duration = Duration::from_millis(50);
/// Time between two attempts while the disk cannot be written or the folder cannot be used.
const RETRY: Duration = Duration::from_secs(1);
/// Remaining attempts when the service ends.
const LAST_TRIES: u32 = 5;
/// How often the journal records that the service is alive, so that a recovery knows when it was killed.
const BEAT: Duration = Duration::from_secs(5);

/// Counters of the journal.
#[derive(Debug, Default)]
pub(super) struct JournalFigures {
    pub(super) facts: AtomicU64,
    pub(super) groups: AtomicU64,
    pub(super) failures: AtomicU64,
    /// Facts that were lost because the disk could not be written and the memory for them was full.
    pub(super) lost: AtomicU64,
    /// Facts that the journal must write (`given`), and those of them that only the crash log has (`held`).
    pub(super) given: AtomicU64,
    held: AtomicU64,
    /// Facts that are not in the crash log: a kill within the next 50 ms would lose them.
    pub(super) unprotected: AtomicU64,
    pub(super) alarm: AtomicBool,
    /// Recordings whose facts are on the disk.
    pub(super) recordings: Journaled,
}

/// The records of one step's facts, and the file of the crash log that has them.
#[derive(Debug)]
pub(super) struct Step {
    records: Vec<u8>,
    facts: Vec<Fact>,
    /// The recordings that the facts are about.
    recordings: Vec<(CallId, LegNo)>,
    file: Option<u32>,
}

/// Sends the loop's facts to the journal thread in order, without waiting for the disk.
#[derive(Debug)]
pub(super) struct Ledger {
    steps: mpsc::Sender<Step>,
    figures: Arc<JournalFigures>,
    crash_log: CrashLog,
    records: Vec<u8>,
    facts: Vec<Fact>,
    recordings: Vec<(CallId, LegNo)>,
}

impl Ledger {
    /// The sender, and the receiver for the journal thread.
    pub(super) fn new(crash_log: CrashLog, figures: Arc<JournalFigures>) -> (Self, mpsc::Receiver<Step>) {
        let (steps, inbox) = mpsc::channel(FACTS_MAX);
        (Self { steps, figures, crash_log, records: Vec::new(), facts: Vec::new(), recordings: Vec::new() }, inbox)
    }

    /// Adds a fact of the current step.
    pub(super) fn append(&mut self, fact: Fact) {
        match record::encode(&mut self.records, &fact) {
            Ok(()) => {
                if let (Some(call), FactKind::Recorded { leg, .. } | FactKind::RecordingFailed { leg, .. }) =
                    (fact.call, &fact.kind)
                {
                    self.recordings.push((call, *leg));
                }
                self.facts.push(fact);
            }
            Err(fault) => {
                error!(%fault, "a fact cannot be written as JSON");
                self.figures.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Writes the step's facts to memory that survives the process, and sends them to the journal's thread.
    pub(super) fn flush(&mut self) {
        if self.facts.is_empty() {
            return;
        }
        let file = self.crash_log.append(&self.records);
        let facts = self.facts.len() as u64;
        if file.is_none() {
            self.figures.unprotected.fetch_add(facts, Ordering::Relaxed);
        }
        let (mut own_facts, recordings) = (std::mem::take(&mut self.facts), std::mem::take(&mut self.recordings));
        // Steps can wait for a long time while the disk fails.
        own_facts.shrink_to_fit();
        let step = Step { records: self.records.clone(), facts: own_facts, recordings, file };
        self.records.clear();
        match (self.steps.try_send(step), file) {
            (Ok(()), _) => self.figures.given.fetch_add(facts, Ordering::Relaxed),
            (Err(_), Some(file)) => {
                // The journal thread reads these records in the crash log when it has caught up.
                self.figures.held.fetch_add(facts, Ordering::Relaxed);
                self.crash_log.hold(file);
                self.figures.given.fetch_add(facts, Ordering::Relaxed)
            }
            (Err(_), None) => self.figures.lost.fetch_add(facts, Ordering::Relaxed),
        };
    }
}

/// The properties of the open journal that the writer needs.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) id: String,
    pub(super) first: i64,
    pub(super) lock: Lock,
    pub(super) durable: watch::Receiver<JournalPosition>,
    pub(super) recent: Recent,
}

/// Writes the journal.
#[derive(Debug)]
pub(super) struct JournalThread {
    pub(super) dir: PathBuf,
    /// None if the folder could not be used at the start.
    pub(super) lock: Option<Lock>,
    pub(super) clock: Clock,
    pub(super) figures: Arc<JournalFigures>,
    pub(super) alarms: Alarms,
    pub(super) cleaner: Cleaner,
}

impl JournalThread {
    /// Runs until the loop drops the channel, and all facts are on the disk or cannot be written.
    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Step>, opened: oneshot::Sender<Opened>) {
        let Some(journal) = self.open(&inbox).await else { return };
        let (tell, durable) = watch::channel(journal.end());
        let (id, first, lock) = (journal.id().to_owned(), journal.first_segment(), journal.lock());
        let recent = Recent::default();
        if opened.send(Opened { id, first, lock, durable, recent: recent.clone() }).is_err() {
            warn!("the writer has ended before the journal was open");
        }
        let mut writer = JournalWriter { thread: self, journal, tell, recent };
        writer.run(&mut inbox).await;
    }

    /// Opens the journal as soon as its folder can be used. Returns None if the service ends first.
    async fn open(&mut self, inbox: &mpsc::Receiver<Step>) -> Option<Journal> {
        let mut tries_left = LAST_TRIES;
        loop {
            let lock = match &self.lock {
                Some(lock) => Ok(lock.clone()),
                None => Lock::take(&self.dir),
            };
            let fault: JournalError = match lock {
                Ok(lock) => {
                    self.lock = Some(lock.clone());
                    match Journal::open_locked(&self.dir, lock, self.clock.now().wall, self.cleaner.run()) {
                        Ok(journal) => {
                            self.figures.alarm.store(false, Ordering::Relaxed);
                            self.alarms.clear(Kind::Journal, "");
                            return Some(journal);
                        }
                        Err(fault) => fault,
                    }
                }
                Err(fault) => fault,
            };
            self.figures.failures.fetch_add(1, Ordering::Relaxed);
            self.figures.alarm.store(true, Ordering::Relaxed);
            let fault = anyhow::Error::from(fault);
            self.alarms.raise(Kind::Journal, "", format!("{}: facts wait in memory: {fault:#}", self.dir.display()));
            if inbox.is_closed() {
                tries_left -= 1;
                if tries_left == 0 {
                    warn!("facts are left in memory for the next start");
                    return None;
                }
            }
            tokio::time::sleep(RETRY).await;
        }
    }
}

/// The journal thread's state with an open journal.
#[derive(Debug)]
struct JournalWriter {
    thread: JournalThread,
    journal: Journal,
    tell: watch::Sender<JournalPosition>,
    recent: Recent,
}

/// Steps that are written to the disk together.
#[derive(Debug, Default)]
struct Group {
    records: Vec<u8>,
    facts: Vec<Fact>,
    recordings: Vec<(CallId, LegNo)>,
    file: Option<u32>,
}

impl Group {
    fn add(&mut self, step: Step) {
        self.records.extend(step.records);
        self.facts.extend(step.facts);
        self.recordings.extend(step.recordings);
        self.file = step.file.or(self.file);
    }
}

impl JournalWriter {
    async fn run(&mut self, inbox: &mut mpsc::Receiver<Step>) {
        let mut last_file = None;
        loop {
            let mut group = Group::default();
            match tokio::time::timeout(BEAT, inbox.recv()).await {
                Ok(None) => break,
                Ok(Some(step)) => group.add(step),
                Err(_) => {
                    self.beat();
                    self.begin_segment_if_asked();
                    continue;
                }
            }
            if !inbox.is_closed() {
                // Facts that arrive in the meantime go to the disk with the same fsync.
                tokio::time::sleep(BATCH_DELAY).await;
            }
            while group.facts.len() < FACTS_GROUP_MAX
                && let Ok(step) = inbox.try_recv()
            {
                group.add(step);
            }
            let file = group.file;
            if !self.write(group, inbox).await {
                return;
            }
            if inbox.is_empty() {
                self.write_held();
            }
            self.begin_segment_if_asked();
            if let Some(file) = file {
                self.thread.cleaner.stored_before(file);
                last_file = Some(file);
            }
        }
        self.write_held();
        if let Some(file) = last_file {
            self.thread.cleaner.stored_all(file);
        }
    }

    /// Writes the facts that did not fit into the queue to this thread; the crash log has them. After an error they stay there for the
    /// next attempt or for the next start.
    fn write_held(&mut self) {
        let cleaner = self.thread.cleaner.clone();
        let Some(held) = cleaner.held() else { return };
        let now = self.thread.clock.now().wall;
        let facts = self.thread.figures.held.load(Ordering::Relaxed);
        let read = cleaner.read(held);
        match read.and_then(|records| Ok((record::count(&records), self.journal.append_records(&records, now)?))) {
            Ok((written, place)) => {
                self.count_held(written, if cleaner.release(held) { facts } else { 0 });
                self.tell.send_replace(place);
                info!("the facts that waited in the crash log are in the journal now");
            }
            Err(fault) => {
                warn!(%fault, "facts wait in the crash log: the journal cannot be written")
            }
        }
    }

    /// Counts records that were read in the crash log and written: `held` of them had been counted as given, the others are in the journal
    /// twice.
    fn count_held(&self, written: u64, held: u64) {
        let figures = &self.thread.figures;
        figures.given.fetch_add(written.saturating_sub(held), Ordering::Relaxed);
        figures.facts.fetch_add(written, Ordering::Relaxed);
        figures.held.fetch_sub(held, Ordering::Relaxed);
    }

    /// Writes a group, and retries until it is on the disk; at the end of the service only a few times. Returns false if it was not
    /// written.
    async fn write(&mut self, group: Group, inbox: &mpsc::Receiver<Step>) -> bool {
        let figures = Arc::clone(&self.thread.figures);
        let facts = group.facts.len() as u64;
        let mut tries_left = LAST_TRIES;
        loop {
            match self.journal.append_records(&group.records, self.thread.clock.now().wall) {
                Ok(place) => {
                    figures.alarm.store(false, Ordering::Relaxed);
                    self.thread.alarms.clear(Kind::Journal, "");
                    figures.facts.fetch_add(facts, Ordering::Relaxed);
                    figures.groups.fetch_add(1, Ordering::Relaxed);
                    figures.recordings.add(group.recordings.iter().copied());
                    self.recent.add(place, group.records, group.facts);
                    self.tell.send_replace(place);
                    return true;
                }
                Err(fault) => {
                    figures.alarm.store(true, Ordering::Relaxed);
                    figures.failures.fetch_add(1, Ordering::Relaxed);
                    self.thread.alarms.raise(Kind::Journal, "", format!("facts wait in memory: {fault}"));
                }
            }
            if inbox.is_closed() {
                tries_left -= 1;
                if tries_left == 0 {
                    if group.file.is_none() {
                        figures.lost.fetch_add(facts, Ordering::Relaxed);
                        error!(facts, "facts are lost");
                    } else {
                        warn!(facts, "facts are left in memory for the next start");
                    }
                    return false;
                }
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// The writer asks for a new segment before an erasure.
    fn begin_segment_if_asked(&mut self) {
        if !self.recent.is_segment_wanted() {
            return;
        }
        match self.journal.begin_segment(self.thread.clock.now().wall) {
            Ok(end) => {
                self.thread.cleaner.renew();
                self.tell.send_replace(end);
            }
            Err(fault) => {
                warn!(%fault, "an erasure waits: a new segment of the journal cannot be begun");
                self.recent.ask_for_segment();
            }
        }
    }

    fn beat(&mut self) {
        match self.journal.beat(self.thread.clock.now().wall) {
            Ok(end) => {
                let moved = |place: &mut JournalPosition| std::mem::replace(place, end) != end;
                self.tell.send_if_modified(moved);
            }
            Err(fault) => {
                warn!(%fault, "the time stamp of the journal cannot be set: after a kill, interrupted calls end too early")
            }
        }
    }
}

#[cfg(test)]
mod tests;
