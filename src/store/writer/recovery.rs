//! The calls that earlier runs left open are closed once, before any fact of this run is stored.

use std::sync::atomic::Ordering;

use tracing::{error, info, warn};

use crate::cdr::fact::FactKind;
use crate::cdr::interrupted::missing_end;
use crate::ids::CallId;
use crate::store::facts::Batch;
use crate::store::journal::record::Entry;
use crate::store::journal::{self, Life, Place};
use crate::store::{Store, crash_log};

use super::{Writer, WriterError, last_sign};

impl Writer {
    /// Closes the calls that earlier runs of this journal left open, and those of a lost journal that was at the same place before.
    pub(super) async fn recover(&mut self, store: &Store) -> Result<(), WriterError> {
        let lives = journal::lives_before(&self.dir, self.first)?;
        let journal = self.journal.clone();
        let open = store.in_time(self.patience, store.open_calls_before(&journal, self.first)).await?;
        self.close(store, &open, &lives, Some(Place { segment: self.first, position: 0 })).await?;
        let Some(home) = crash_log::home(&self.dir) else { return Ok(()) };
        for lost in store.in_time(self.patience, store.settle(&journal, &home)).await? {
            let open = store.in_time(self.patience, store.open_calls(&lost)).await?;
            warn!(
                journal = lost,
                calls = open.len(),
                "the journal's folder was lost: the calls that it left open are closed"
            );
            self.close(store, &open, &[], None).await?;
            store.in_time(self.patience, store.forget_home(&lost)).await?;
        }
        Ok(())
    }

    /// Ends open calls, each at the last sign of life of its run.
    async fn close(
        &mut self,
        store: &Store,
        open: &[CallId],
        lives: &[Life],
        cursor: Option<Place>,
    ) -> Result<(), WriterError> {
        self.forget_live();
        let (mut ends, mut interrupted) = (Vec::new(), 0);
        for call in open {
            let end = missing_end(*call, &store.in_time(self.patience, store.facts(*call)).await?, |last| {
                last_sign(lives, last)
            });
            interrupted += u64::from(end.as_ref().is_some_and(|end| matches!(end.kind, FactKind::Ended { .. })));
            ends.extend(end);
        }
        if interrupted > 0 {
            self.figures.interrupted_calls.fetch_add(interrupted, Ordering::Relaxed);
            info!(calls = interrupted, "calls that the last run left open were closed as interrupted");
        }
        let entries = ends.iter().map(Entry::of).collect::<Result<Vec<_>, _>>().map_err(std::io::Error::from)?;
        let batch = Batch {
            facts: entries.iter().collect(),
            refold: open.to_vec(),
            closed: open.to_vec(),
            cursor,
            ..Batch::default()
        };
        match store.in_time(self.patience, store.take(&self.journal, batch)).await {
            Err(fault) if fault.is_of_a_row() && !open.is_empty() => {}
            done => return Ok(done?),
        }
        self.close_one_by_one(store, open, &entries, cursor).await
    }

    /// Like `close`, but call by call: a call that the database rejects is set aside.
    async fn close_one_by_one(
        &mut self,
        store: &Store,
        open: &[CallId],
        entries: &[Entry],
        cursor: Option<Place>,
    ) -> Result<(), WriterError> {
        let mut bad = Vec::new();
        for call in open {
            let own: Vec<&Entry> = entries.iter().filter(|entry| entry.call == Some(*call)).collect();
            let one = Batch { facts: own.clone(), refold: vec![*call], closed: vec![*call], ..Batch::default() };
            match store.in_time(self.patience, store.take(&self.journal, one)).await {
                Ok(()) => {}
                Err(fault) if fault.is_of_a_row() => {
                    let fault = format!("{:#}", anyhow::Error::from(fault));
                    error!(%call, fault, "the database rejects the record of an interrupted call: the call is set aside");
                    bad.push((*call, own));
                }
                Err(fault) => return Err(fault.into()),
            }
        }
        if bad.len() == open.len() && bad.len() > 1 {
            return Err(std::io::Error::other("the database rejects every record").into());
        }
        for (call, own) in &bad {
            self.put_aside(*call, own)?;
        }
        let closed = bad.iter().map(|(call, _)| *call).collect();
        store.in_time(self.patience, store.take(&self.journal, Batch { closed, cursor, ..Batch::default() })).await?;
        Ok(())
    }
}
