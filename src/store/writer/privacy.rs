//! Erasures and `[retention]`, between the facts that arrive: only the writer changes stored facts and the journal's stored segments.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Component, Path, PathBuf};

use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};

use crate::alarm::Kind;
use crate::cdr::personal::Number;
use crate::clock::Timestamp;
use crate::ids::CallId;
use crate::store::Store;
use crate::store::journal::JournalPosition;
use crate::store::privacy::{Deleted, Erasure, Found, Outcome, Request, Rules, erase_in_files};

use super::{Writer, WriterError};

/// How often requests are looked for.
const LOOK_EVERY_MS: u64 = 5_000;
/// How often `[retention]` is applied.
const APPLY_EVERY_MS: u64 = 3_600_000;

/// A number that was erased: the running service must forget it too.
#[derive(Debug)]
pub struct Forgotten {
    pub number: Number,
    /// To be told when the service has been told.
    pub done: oneshot::Sender<()>,
}

/// What the writer needs for erasures.
#[derive(Debug)]
pub struct Privacy {
    pub rules: Rules,
    /// The folder of the recordings.
    pub recordings: PathBuf,
    /// The wall clock.
    pub now: fn() -> Timestamp,
    /// None: no service runs.
    forget: Option<mpsc::Sender<Forgotten>>,
    looked: Option<Timestamp>,
    applied: Option<Timestamp>,
    /// The request that waits for a new segment, and the segment that had to be left.
    waiting: Option<(String, i64)>,
}

impl Privacy {
    /// `recordings`: the folder of the recordings; `now`: the wall clock.
    pub const fn new(rules: Rules, recordings: PathBuf, now: fn() -> Timestamp) -> Self {
        Self { rules, recordings, now, forget: None, looked: None, applied: None, waiting: None }
    }

    /// Tells a running service which numbers were erased.
    #[must_use]
    pub fn telling(self, forget: mpsc::Sender<Forgotten>) -> Self {
        Self { forget: Some(forget), ..self }
    }

    /// Waits until the running service was told to forget a number.
    async fn forget(&self, number: &Number) -> io::Result<()> {
        let Some(forget) = &self.forget else { return Ok(()) };
        let (done, told) = oneshot::channel();
        let ended = || io::Error::other("the service ends: the next start completes the erasure");
        forget.send(Forgotten { number: number.clone(), done }).await.map_err(|_| ended())?;
        told.await.map_err(|_| ended())
    }

    fn is_due(&self) -> bool {
        self.has_passed(self.looked, LOOK_EVERY_MS)
    }

    /// True if that time has passed since then, or the clock was set back.
    fn has_passed(&self, since: Option<Timestamp>, millis: u64) -> bool {
        let now = (self.now)();
        since.is_none_or(|since| now < since || now.millis_since(since) >= millis)
    }
}

impl Writer {
    /// True if requests are to be looked for.
    pub(super) fn is_privacy_due(&self) -> bool {
        self.privacy.as_ref().is_some_and(Privacy::is_due)
    }

    /// Carries out the next request, and does the next step of `[retention]`. To be called when all facts before `cursor` are stored. Bad
    /// data stop no fact: an alarm shows them.
    pub(super) async fn attend_to_privacy(
        &mut self,
        store: &Store,
        cursor: JournalPosition,
    ) -> Result<(), WriterError> {
        if !self.is_privacy_due() {
            return Ok(());
        }
        let erased = self.erase_next(store, cursor).await;
        let applied = self.apply_retention(store).await;
        if let Some(privacy) = &mut self.privacy {
            privacy.looked = Some((privacy.now)());
        }
        let done = erased.and(applied);
        let shown = done.as_ref().map_err(|fault| format!("personal data was not erased: {fault}"));
        drop(self.alarms.watch(Kind::Records, "privacy", shown));
        match done {
            Err(WriterError::Store(fault)) if !fault.is_of_a_row() => Err(fault.into()),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    async fn erase_next(&mut self, store: &Store, cursor: JournalPosition) -> Result<(), WriterError> {
        let Some(request) = store.in_time(self.statement_timeout, store.next_erasure()).await? else { return Ok(()) };
        let Some(privacy) = &mut self.privacy else { return Ok(()) };
        let left = privacy.waiting.as_ref().filter(|(id, _)| *id == request.id).map(|(_, left)| *left);
        let left = *left.as_ref().unwrap_or(&cursor.segment);
        // The journal's thread writes to the newest segment, so facts in it cannot be erased.
        if cursor.position > 0 && cursor.segment <= left {
            if privacy.waiting.is_none() {
                info!(request.id, "an erasure waits for a new segment of the journal");
            }
            privacy.waiting = Some((request.id, left));
            self.recent.ask_for_segment();
            return Ok(());
        }
        let (now, folder) = ((privacy.now)(), privacy.recordings.clone());
        privacy.waiting = None;
        if request.number.is_empty() {
            store.complete_erasure(&request.id, now).await?;
            return Ok(());
        }
        let number = Number::parse(&request.number);
        if let Some(number) = &number {
            privacy.forget(number).await?;
        }
        let mut found = request.found.clone();
        if let Some(number) = &number {
            store.find_again(number, request.asked, &mut found).await?;
        }
        let mut outcome = self.erase(store, &request, &found, &folder, now).await?;
        let (dir, facts) = (self.dir.clone(), found.facts.iter().copied());
        let open: BTreeSet<CallId> = outcome.held.iter().chain(&outcome.open).copied().collect();
        let facts: BTreeSet<_> = facts.filter(|(stream, _)| !open.contains(stream)).collect();
        // A number of which a call is kept stays in the files where the facts do not say whose they are.
        let number = number.filter(|_| open.is_empty());
        outcome.facts_in_files = erase_in_files(&dir, &facts, number.as_ref(), cursor.segment)?;
        info!(request.id, outcome.calls, outcome.facts, outcome.facts_in_files, outcome.recordings, "erased");
        store.finish_erasure(&request.id, now, &outcome).await?;
        Ok(())
    }

    /// Erases the facts of a request in the database, and deletes the recordings of its calls.
    async fn erase(
        &mut self,
        store: &Store,
        request: &Request,
        found: &Found,
        folder: &Path,
        now: Timestamp,
    ) -> Result<Outcome, WriterError> {
        // The facts in memory have the values that are erased.
        self.clear_live();
        let erasure = Erasure {
            at: now,
            by: request.by.clone(),
            second: Some(request.second.clone()),
            ground: request.ground.clone(),
            with_recordings: true,
        };
        let mut streams: BTreeMap<CallId, BTreeSet<u32>> = BTreeMap::new();
        for (stream, seq) in &found.facts {
            streams.entry(*stream).or_default().insert(*seq);
        }
        streams.extend(found.records.iter().map(|call| (*call, BTreeSet::new())));
        let (held, mut outcome) = (store.held_calls().await?, Outcome::default());
        for (stream, seqs) in &streams {
            if held.contains(stream) {
                outcome.held.push(*stream);
                continue;
            }
            if store.is_open(*stream, now).await? {
                outcome.open.push(*stream);
                continue;
            }
            let erased = match seqs.is_empty() {
                true => store.erase_record(&self.journal, *stream, &erasure).await?,
                false => {
                    let with_recordings = found.calls.contains(stream);
                    let erasure = Erasure { with_recordings, ..erasure.clone() };
                    store.erase_stream(&self.journal, *stream, seqs, &erasure).await?
                }
            };
            outcome.calls += 1;
            outcome.facts += erased.facts;
            outcome.recordings += delete_files(folder, &erased.recordings);
        }
        Ok(outcome)
    }

    async fn apply_retention(&mut self, store: &Store) -> Result<(), WriterError> {
        let Some(privacy) = &mut self.privacy else { return Ok(()) };
        if !privacy.has_passed(privacy.applied, APPLY_EVERY_MS) {
            return Ok(());
        }
        let (rules, now, folder) = (privacy.rules, (privacy.now)(), privacy.recordings.clone());
        let done = store.apply_retention(&self.journal, &rules, now).await?;
        if done != Deleted::default() {
            // The facts in memory may have values that were erased.
            self.clear_live();
            let recordings = delete_files(&folder, &done.recordings);
            info!(done.facts, done.records, recordings, "retention");
        }
        if let Some(privacy) = &mut self.privacy
            && !done.is_unfinished
        {
            privacy.applied = Some(now);
        }
        Ok(())
    }
}

/// Deletes files of recordings. Returns how many were there.
fn delete_files(folder: &Path, files: &[String]) -> u64 {
    let mut deleted = 0;
    for file in files {
        let path = Path::new(file);
        if path.components().any(|part| !matches!(part, Component::Normal(_))) {
            error!(file, "the name of a recording leads out of its folder: it is not deleted");
            continue;
        }
        match std::fs::remove_file(folder.join(path)) {
            Ok(()) => deleted += 1,
            Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => {}
            Err(fault) => warn!(file, %fault, "a recording cannot be deleted"),
        }
    }
    deleted
}
