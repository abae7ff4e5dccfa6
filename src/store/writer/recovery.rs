//! Closes the calls that earlier runs left open: before the first fact of this run is stored, or later if the database
//! rejected all of them at first.

use std::sync::atomic::Ordering;

use tracing::{error, info, warn};

use crate::cdr::fact::FactKind;
use crate::cdr::interrupted::missing_end;
use crate::ids::CallId;
use crate::store::facts::Batch;
use crate::store::journal::record::Entry;
use crate::store::journal::{self, JournalPosition, ProcessRun};
use crate::store::{Store, crash_log};

use super::{Writer, WriterError, last_write};

impl Writer {
    /// Closes the calls that earlier runs of this journal left open, and those of a lost journal that was in the same
    /// folder before. `at_start`: no fact of this run is stored yet. If the database rejects all of several calls, and
    /// has not accepted any record of this run, these calls stay open. They do not delay the facts of this run. As soon
    /// as the database has accepted a record, the calls are set aside.
    pub(super) async fn recover(&mut self, store: &Store, at_start: bool) -> Result<(), WriterError> {
        let runs = journal::runs_before(&self.dir, self.first)?;
        let journal = self.journal.clone();
        let open = store.in_time(self.statement_timeout, store.open_calls_before(&journal, self.first)).await?;
        let cursor = at_start.then_some(JournalPosition { segment: self.first, position: 0 });
        self.recovered = self.close(store, &open, &runs, cursor).await?;
        let Some(folder_id) = crash_log::home(&self.dir) else { return Ok(()) };
        for lost in store.in_time(self.statement_timeout, store.lost_journals_of(&journal, &folder_id)).await? {
            let open = store.in_time(self.statement_timeout, store.open_calls(&lost)).await?;
            warn!(
                journal = lost,
                calls = open.len(),
                "the journal's folder was lost: the calls that it left open are closed"
            );
            if self.close(store, &open, &[], None).await? {
                store.in_time(self.statement_timeout, store.remove_folder(&lost)).await?;
            } else {
                self.recovered = false;
            }
        }
        Ok(())
    }

    /// Ends open calls, each at the last sign of life of its run. Returns false if they stay open, because the database rejects all of
    /// them.
    async fn close(
        &mut self,
        store: &Store,
        open: &[CallId],
        runs: &[ProcessRun],
        cursor: Option<JournalPosition>,
    ) -> Result<bool, WriterError> {
        self.clear_live();
        let (mut ends, mut interrupted) = (Vec::new(), 0);
        for call in open {
            let end = missing_end(*call, &store.in_time(self.statement_timeout, store.facts(*call)).await?, |last| {
                last_write(runs, last)
            });
            interrupted += u64::from(end.as_ref().is_some_and(|end| matches!(end.kind, FactKind::Ended { .. })));
            ends.extend(end);
        }
        let entries = ends.iter().map(Entry::of).collect::<Result<Vec<_>, _>>().map_err(std::io::Error::from)?;
        let batch = Batch {
            facts: entries.iter().collect(),
            recompute: open.to_vec(),
            closed: open.to_vec(),
            cursor,
            ..Batch::default()
        };
        let closed = match store.in_time(self.statement_timeout, store.take(&self.journal, batch)).await {
            Err(fault) if fault.is_of_a_row() && !open.is_empty() => {
                self.close_one_by_one(store, open, &entries, cursor).await?
            }
            done => done.map(|_| true)?,
        };
        if closed && interrupted > 0 {
            self.figures.interrupted_calls.fetch_add(interrupted, Ordering::Relaxed);
            info!(calls = interrupted, "calls that the last run left open were closed as interrupted");
        }
        Ok(closed)
    }

    /// Like `close`, but call by call: a call that the database rejects is set aside.
    async fn close_one_by_one(
        &mut self,
        store: &Store,
        open: &[CallId],
        entries: &[Entry],
        cursor: Option<JournalPosition>,
    ) -> Result<bool, WriterError> {
        let mut bad = Vec::new();
        for call in open {
            let own: Vec<&Entry> = entries.iter().filter(|entry| entry.call == Some(*call)).collect();
            let one = Batch { facts: own.clone(), recompute: vec![*call], closed: vec![*call], ..Batch::default() };
            match store.in_time(self.statement_timeout, store.take(&self.journal, one)).await {
                Ok(has_record) => self.has_stored_record |= has_record,
                Err(fault) if fault.is_of_a_row() => {
                    let fault = format!("{:#}", anyhow::Error::from(fault));
                    error!(%call, fault, "the database rejects the record of an interrupted call");
                    bad.push((*call, own));
                }
                Err(fault) => return Err(fault.into()),
            }
        }
        if bad.len() == open.len() && bad.len() > 1 && !self.has_stored_record {
            warn!(calls = bad.len(), "the interrupted calls stay open until the database takes a record");
            return Ok(false);
        }
        for (call, own) in &bad {
            self.put_aside(*call, own)?;
        }
        let closed = bad.iter().map(|(call, _)| *call).collect();
        store
            .in_time(self.statement_timeout, store.take(&self.journal, Batch { closed, cursor, ..Batch::default() }))
            .await?;
        Ok(true)
    }
}
