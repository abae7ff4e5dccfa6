//! The writer: carries facts from the journal into the database, folds the records of calls that are over, and closes
//! what an earlier run left open. It may be slow, and the database may be away: the journal waits.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::cdr::Cdr;
use crate::cdr::fact::{EndCause, Fact, FactId, FactKind, Side};
use crate::ids::CallId;

use super::facts::Batch;
use super::journal::{self, Life, Place};
use super::past::Recall;
use super::{Store, StoreError};

/// Facts of one transaction.
const BATCH_FACTS_MAX: usize = 4_096;
/// Closed calls whose facts are remembered for the late ones.
const CLOSED_MAX: usize = 4_096;
/// Facts are gathered so long before a transaction: an fsync each, and what follows a call's end joins its first record.
const GATHER: Duration = Duration::from_secs(1);
/// Between two attempts while the database is away: doubled up to the second.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// Figures of the writer, read from anywhere.
#[derive(Debug, Default)]
pub struct WriterFigures {
    pub facts: AtomicU64,
    pub transactions: AtomicU64,
    pub failures: AtomicU64,
    pub lost_bytes: AtomicU64,
    pub unknown_records: AtomicU64,
    pub interrupted_calls: AtomicU64,
    /// The database has taken everything that it was given last.
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

/// Facts of one call, in the order of the journal, since its beginning.
#[derive(Debug, Default)]
struct Live {
    facts: Vec<Fact>,
    closed: bool,
}

/// Carries one journal into one database.
#[derive(Debug)]
pub struct Writer {
    url: String,
    dir: PathBuf,
    journal: String,
    /// The first segment of this run.
    first: i64,
    figures: Arc<WriterFigures>,
    live: BTreeMap<CallId, Live>,
    closed: VecDeque<CallId>,
    /// What this run wants to know of those before it, until it was told.
    recall: Option<Recall>,
}

impl Writer {
    /// `journal` and `first` are the journal's own id and first segment of this run.
    pub fn new(url: String, dir: PathBuf, journal: String, first: i64, figures: Arc<WriterFigures>) -> Self {
        Self { url, dir, journal, first, figures, live: BTreeMap::new(), closed: VecDeque::new(), recall: None }
    }

    /// Tells what earlier runs have left in the database, before anything of this one is stored.
    #[must_use]
    pub fn recalling(self, recall: Recall) -> Self {
        Self { recall: Some(recall), ..self }
    }

    /// Runs until the journal's side of `durable` is gone and everything is stored.
    pub async fn run(mut self, mut durable: watch::Receiver<Place>) {
        let mut pause = RETRY.0;
        loop {
            let before = self.figures.transactions.load(Ordering::Relaxed);
            match self.carry(&mut durable).await {
                Ok(()) => return,
                Err(fault) => {
                    self.figures.failures.fetch_add(1, Ordering::Relaxed);
                    self.figures.caught_up.store(false, Ordering::Relaxed);
                    if self.figures.transactions.load(Ordering::Relaxed) != before {
                        pause = RETRY.0;
                    }
                    let fault = format!("{:#}", anyhow::Error::from(fault));
                    warn!(fault, retry_ms = pause.as_millis(), "facts wait in the journal");
                }
            }
            // What is remembered may be ahead of what is stored.
            self.live.clear();
            self.closed.clear();
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RETRY.1);
        }
    }

    async fn carry(&mut self, durable: &mut watch::Receiver<Place>) -> Result<(), WriterError> {
        let store = Store::open(&self.url).await?;
        let mut cursor = store.cursor(&self.journal).await?;
        if cursor > *durable.borrow() {
            // The folder lost its segments, and the clock was set back: what is there now was never stored.
            warn!("the journal begins before the place up to which it is stored: it is read from its beginning");
            cursor = Place::default();
        }
        let run = Place { segment: self.first, position: 0 };
        if cursor < run {
            cursor = self.copy(&store, cursor, run).await?;
            self.interrupt(&store).await?;
        }
        self.recall(&store).await?;
        loop {
            let until = *durable.borrow_and_update();
            cursor = self.copy(&store, cursor, until).await?;
            self.figures.caught_up.store(true, Ordering::Relaxed);
            journal::remove_before(&self.dir, cursor)?;
            if durable.changed().await.is_err() {
                let until = *durable.borrow();
                self.copy(&store, cursor, until).await?;
                store.close().await;
                return Ok(());
            }
            tokio::time::sleep(GATHER).await;
        }
    }

    /// Tells what was asked for. A database that takes facts and cannot tell it does not hold them up for long.
    async fn recall(&mut self, store: &Store) -> Result<(), WriterError> {
        let Some(recall) = self.recall.take() else { return Ok(()) };
        let Err((fault, again)) = recall.answer(store).await else { return Ok(()) };
        if again.is_none() {
            error!(%fault, "the lists of callers begin empty: the database does not tell what earlier runs knew");
            return Ok(());
        }
        self.recall = again;
        Err(fault.into())
    }

    /// Stores what lies between two places. Gives the second.
    async fn copy(&mut self, store: &Store, from: Place, until: Place) -> Result<Place, WriterError> {
        let mut cursor = from;
        while cursor < until {
            let chunk = journal::read(&self.dir, cursor, until, BATCH_FACTS_MAX)?;
            if chunk.lost_bytes > 0 {
                self.figures.lost_bytes.fetch_add(chunk.lost_bytes, Ordering::Relaxed);
                warn!(bytes = chunk.lost_bytes, "the journal has a torn end: facts of the last moment before a crash");
            }
            if chunk.unknown > 0 {
                self.figures.unknown_records.fetch_add(chunk.unknown, Ordering::Relaxed);
                error!(records = chunk.unknown, "the journal has facts that this version does not know");
            }
            // A chunk that was not cut short by its size has come to the end.
            let next = if chunk.facts.len() < BATCH_FACTS_MAX { until } else { chunk.next };
            self.store(store, &chunk.facts, next).await?;
            cursor = next;
        }
        Ok(cursor)
    }

    async fn store(&mut self, store: &Store, facts: &[Fact], cursor: Place) -> Result<(), WriterError> {
        let mut batch = Batch { facts: facts.iter().collect(), cursor: Some(cursor), ..Batch::default() };
        let (mut opened, mut touched, mut refold) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for fact in facts {
            let Some(call) = fact.call else { continue };
            if matches!(fact.kind, FactKind::Received { .. }) && !self.live.contains_key(&call) {
                self.live.insert(call, Live::default());
                opened.insert(call);
            }
            let Some(live) = self.live.get_mut(&call) else {
                refold.insert(call);
                continue;
            };
            live.facts.push(fact.clone());
            if matches!(fact.kind, FactKind::Ended { .. }) && !live.closed {
                live.closed = true;
                self.closed.push_back(call);
                if !opened.remove(&call) {
                    batch.closed.push(call);
                }
            }
            if live.closed {
                touched.insert(call);
            }
        }
        batch.cdrs = touched.iter().filter_map(|call| Cdr::fold(&self.live.get(call)?.facts)).collect();
        batch.opened = opened.into_iter().collect();
        batch.refold = refold.into_iter().collect();
        store.take(&self.journal, batch).await?;
        while self.closed.len() > CLOSED_MAX {
            if let Some(call) = self.closed.pop_front() {
                self.live.remove(&call);
            }
        }
        self.figures.facts.fetch_add(facts.len() as u64, Ordering::Relaxed);
        self.figures.transactions.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Ends the calls that earlier runs left open when they were killed: each at the last sign of life of its run.
    async fn interrupt(&mut self, store: &Store) -> Result<(), WriterError> {
        let open = store.open_calls(&self.journal).await?;
        self.live.clear();
        self.closed.clear();
        let lives = journal::lives_before(&self.dir, self.first)?;
        let mut ends = Vec::new();
        for call in &open {
            ends.extend(end_of(*call, &store.facts(*call).await?, &lives));
        }
        if !open.is_empty() {
            self.figures.interrupted_calls.fetch_add(open.len() as u64, Ordering::Relaxed);
            info!(calls = open.len(), "calls that the last run left open are closed as interrupted");
        }
        let batch = Batch {
            facts: ends.iter().collect(),
            refold: open.clone(),
            closed: open,
            cursor: Some(Place { segment: self.first, position: 0 }),
            ..Batch::default()
        };
        store.take(&self.journal, batch).await?;
        Ok(())
    }
}

/// The last fact of a call that nobody ended. None when it is over, or was never begun.
fn end_of(call: CallId, facts: &[Fact], lives: &[Life]) -> Option<Fact> {
    let cdr = Cdr::fold(facts).filter(|cdr| !cdr.is_closed())?;
    let own = facts.iter().filter(|fact| fact.id.seq < 0x8000_0000);
    let seq = own.clone().map(|fact| fact.id.seq).max()?.saturating_add(1);
    let last = own.map(|fact| fact.at).max().unwrap_or(cdr.received);
    // It may have been killed several times while the database was away.
    let life = lives.iter().rfind(|life| life.began <= last).or(lives.first());
    let last_sign = life.map_or(last, |life| life.last_sign);
    let kind = FactKind::Ended { by: Side::Service, cause: EndCause::Interrupted, sip_status: None, q850: None };
    Some(Fact { id: FactId { stream: call, seq }, call: Some(call), at: last.max(last_sign), kind })
}
