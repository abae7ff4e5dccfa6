//! One batch as rows, and what happens if the database rejects one of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use tracing::error;

use crate::cdr::Cdr;
use crate::cdr::fact::FactKind;
use crate::ids::CallId;
use crate::store::Store;
use crate::store::facts::Batch;
use crate::store::journal::JournalPosition;
use crate::store::journal::record::Entry;

use super::{CLOSED_MAX, CachedCall, Writer, WriterError};

impl Writer {
    /// Stores facts and the records that they close or change. If the database rejects a call, that call is set aside and the rest is
    /// stored.
    pub(super) async fn store(
        &mut self,
        store: &Store,
        entries: &[Entry],
        segment: i64,
        cursor: JournalPosition,
    ) -> Result<(), WriterError> {
        self.store_or_set_aside(store, entries, segment, cursor).await?;
        self.aside_of_batch.clear();
        Ok(())
    }

    async fn store_or_set_aside(
        &mut self,
        store: &Store,
        entries: &[Entry],
        segment: i64,
        cursor: JournalPosition,
    ) -> Result<(), WriterError> {
        let (aside, entries) = self.split_aside(entries);
        for (stream, entries) in aside {
            self.put_aside(stream, &entries)?;
        }
        match self.store_batch(store, &entries, segment, Some(cursor)).await {
            Err(WriterError::Store(fault)) if fault.is_of_a_row() => {}
            done => return done,
        }
        self.clear_live();
        let mut units: BTreeMap<(CallId, Option<u32>), Vec<&Entry>> = BTreeMap::new();
        for entry in entries {
            // Each fact of the service is a separate unit. All facts of a call are one unit.
            let no = entry.call.is_none().then_some(entry.id.seq);
            units.entry((entry.id.stream, no)).or_default().push(entry);
        }
        let units: Vec<_> = units.into_iter().map(|((stream, _), entries)| (stream, entries)).collect();
        let mut bad = Vec::new();
        self.isolate(store, &units, segment, &mut bad).await?;
        if bad.len() == units.len() && bad.len() > 1 {
            return Err(std::io::Error::other("the database rejects every record").into());
        }
        for (stream, entries) in bad {
            self.put_aside(stream, &entries)?;
        }
        self.store_batch(store, &[], segment, Some(cursor)).await
    }

    /// Stores each unit that the database accepts, by halving the batch: one bad unit among `n` needs about `2 log n` attempts.
    async fn isolate<'e>(
        &mut self,
        store: &Store,
        units: &[(CallId, Vec<&'e Entry>)],
        segment: i64,
        bad: &mut Vec<(CallId, Vec<&'e Entry>)>,
    ) -> Result<(), WriterError> {
        let mut left = vec![units];
        while let Some(part) = left.pop() {
            let entries: Vec<&Entry> = part.iter().flat_map(|(_, entries)| entries.iter().copied()).collect();
            match self.store_batch(store, &entries, segment, None).await {
                Ok(()) => {}
                Err(WriterError::Store(fault)) if fault.is_of_a_row() => {
                    self.clear_live();
                    if let [(stream, entries)] = part {
                        let fault = format!("{:#}", anyhow::Error::from(fault));
                        error!(call = %stream, fault, "the database rejects a call: its facts are set aside, see siaga journal aside");
                        bad.push((*stream, entries.clone()));
                    } else {
                        let (one, other) = part.split_at(part.len() / 2);
                        left.extend([other, one]);
                    }
                }
                Err(fault) => return Err(fault),
            }
        }
        Ok(())
    }

    /// The entries of calls that are set aside, and all others.
    fn split_aside<'e>(&mut self, entries: &'e [Entry]) -> (BTreeMap<CallId, Vec<&'e Entry>>, Vec<&'e Entry>) {
        let mut apart: BTreeMap<CallId, Vec<&Entry>> = BTreeMap::new();
        let mut rest = Vec::new();
        for entry in entries {
            let aside = self.aside.as_mut().is_some_and(|aside| !aside.is_empty());
            match entry.call.filter(|call| aside && self.aside.as_mut().is_some_and(|aside| aside.has(*call))) {
                Some(call) => apart.entry(call).or_default().push(entry),
                None => rest.push(entry),
            }
        }
        (apart, rest)
    }

    pub(super) fn put_aside(&mut self, stream: CallId, entries: &[&Entry]) -> Result<(), WriterError> {
        let Some(aside) = &mut self.aside else {
            return Err(std::io::Error::other("the folder for calls that are set aside is not open").into());
        };
        if !aside.has(stream) && aside.is_full() {
            return Err(std::io::Error::other("the maximum number of calls is already set aside").into());
        }
        let new: Vec<&Entry> =
            entries.iter().copied().filter(|entry| !self.aside_of_batch.contains(&entry.id)).collect();
        if !new.is_empty() {
            aside.put(stream, &new)?;
            self.aside_of_batch.extend(new.iter().map(|entry| entry.id));
        }
        self.live.remove(&stream);
        self.count_aside();
        Ok(())
    }

    pub(super) fn clear_live(&mut self) {
        self.live.clear();
        self.closed.clear();
    }

    async fn store_batch(
        &mut self,
        store: &Store,
        entries: &[&Entry],
        segment: i64,
        cursor: Option<JournalPosition>,
    ) -> Result<(), WriterError> {
        let mut batch = Batch { facts: entries.to_vec(), cursor, segment, ..Batch::default() };
        let (mut opened, mut touched, mut recompute) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for entry in entries {
            let Some(call) = entry.call else { continue };
            let Some(fact) = &entry.fact else { continue };
            // Facts from the crash log may be older than facts before them in the journal. The record of such a call is
            // computed from the stored facts.
            let known = self.live.contains_key(&call) || recompute.contains(&call);
            if matches!(fact.kind, FactKind::Received { .. }) && !known {
                self.live.insert(call, CachedCall::default());
                opened.insert(call);
            }
            let Some(live) = self.live.get_mut(&call) else {
                recompute.insert(call);
                continue;
            };
            live.facts.push(fact.clone());
            if matches!(fact.kind, FactKind::Ended { .. }) && !live.closed {
                live.closed = true;
                self.closed.push_back(call);
            }
            if live.closed {
                touched.insert(call);
            }
        }
        batch.cdrs = touched.iter().filter_map(|call| Cdr::fold(&self.live.get(call)?.facts)).collect();
        for cdr in batch.cdrs.iter().filter(|cdr| cdr.is_settled()) {
            if !opened.remove(&cdr.call) {
                batch.closed.push(cdr.call);
            }
        }
        batch.opened = opened.into_iter().collect();
        batch.recompute = recompute.into_iter().collect();
        self.has_stored_record |= store.in_time(self.statement_timeout, store.take(&self.journal, batch)).await?;
        while self.closed.len() > CLOSED_MAX {
            if let Some(call) = self.closed.pop_front() {
                self.live.remove(&call);
            }
        }
        self.figures.transactions.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}
