//! Stores the facts of a synthetic city in the same way as the writer stores those of a service. The city's name stands in place of the
//! journal's id, so that a database with demo data is recognised.

use crate::cdr::Cdr;
use crate::cdr::fact::Fact;

use super::facts::Batch;
use super::journal::JournalPosition;
use super::journal::record::Entry;
use super::{Store, StoreError, on_either};

/// The first word of the name of every synthetic city.
const MARK: &str = "demo: ";
/// Facts of one transaction, at least.
const BATCH_FACTS: usize = 40_000;

const OTHER_JOURNALS: &str = "SELECT journal FROM journal_cursor ORDER BY journal LIMIT 2";
const HAS_FACTS: &str = "SELECT (SELECT COUNT(*) FROM (SELECT 1 FROM fact LIMIT 1) AS some_fact) \
    + (SELECT COUNT(*) FROM (SELECT 1 FROM cdr LIMIT 1) AS some_record)";

/// Whose records a database has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    Nothing,
    /// Those of the synthetic city with this name.
    Demo(String),
    /// Others, perhaps besides those of a synthetic city.
    Records,
}

/// How much a run has written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    pub calls: u64,
    pub facts: u64,
}

/// Stores the hours of one synthetic city.
#[derive(Debug)]
pub struct Demo<'a> {
    store: &'a Store,
    name: &'a str,
    /// The hours that an earlier run has stored.
    stored: i64,
    hour: i64,
    facts: Vec<Entry>,
    records: Vec<Cdr>,
    written: Written,
}

impl Store {
    /// Whose records the database has. A service that ran on demo data makes it a database of a service.
    pub async fn held(&self) -> Result<Held, StoreError> {
        let journals: Vec<(String,)> = on_either!(self, pool => sqlx::query_as(OTHER_JOURNALS).fetch_all(pool).await?);
        let (facts,): (i64,) = on_either!(self, pool => sqlx::query_as(HAS_FACTS).fetch_one(pool).await?);
        Ok(match journals.as_slice() {
            [] if facts == 0 => Held::Nothing,
            [(name,)] if name.starts_with(MARK) => Held::Demo(name.clone()),
            [] | [_] | [_, _, ..] => Held::Records,
        })
    }
}

impl<'a> Demo<'a> {
    /// Continues after the last hour that is stored.
    pub async fn resume(store: &'a Store, name: &'a str) -> Result<Self, StoreError> {
        let stored = store.cursor(name).await?.segment;
        let (facts, records) = (Vec::new(), Vec::new());
        Ok(Self { store, name, stored, hour: 0, facts, records, written: Written::default() })
    }

    /// Takes the streams of the next hour.
    pub async fn hour(&mut self, streams: Vec<Vec<Fact>>) -> Result<(), StoreError> {
        self.hour += 1;
        if self.hour <= self.stored {
            return Ok(());
        }
        for stream in &streams {
            self.records.extend(Cdr::fold(stream).filter(Cdr::is_closed));
            for fact in stream {
                self.facts.push(Entry::of(fact)?);
            }
        }
        if self.facts.len() >= BATCH_FACTS { self.flush().await } else { Ok(()) }
    }

    /// Stores the rest.
    pub async fn finish(mut self) -> Result<Written, StoreError> {
        self.flush().await?;
        Ok(self.written)
    }

    async fn flush(&mut self) -> Result<(), StoreError> {
        if self.hour <= self.stored {
            return Ok(());
        }
        let (facts, cdrs) = (std::mem::take(&mut self.facts), std::mem::take(&mut self.records));
        self.written.calls += u64::try_from(cdrs.len()).unwrap_or(0);
        self.written.facts += u64::try_from(facts.len()).unwrap_or(0);
        let cursor = Some(JournalPosition { segment: self.hour, position: 0 });
        let batch = Batch { facts: facts.iter().collect(), cdrs, cursor, ..Batch::default() };
        self.store.take(self.name, batch).await?;
        self.stored = self.hour;
        Ok(())
    }
}
