//! Erases values of facts in the database: the facts, the record that follows from them, and the rows by which it is searched, in one
//! transaction with the fact that says so.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::cdr::Cdr;
use crate::cdr::fact::{Fact, FactId, FactKind};
use crate::clock::Timestamp;
use crate::ids::CallId;
use crate::store::facts::{Batch, ErasedFact};
use crate::store::journal::record::Entry;
use crate::store::{Store, StoreError, on_either, seal};

const STREAM: &str = "SELECT seq, body FROM fact WHERE stream = $1 ORDER BY seq";
const RECORD: &str = "SELECT body FROM cdr WHERE call = $1";
/// Open, or ended so late that its recording may not be registered yet.
const OPEN: &str = "SELECT (SELECT COUNT(*) FROM open_call WHERE call = $1) \
    + (SELECT COUNT(*) FROM cdr WHERE call = $1 AND ended > $2)";
/// How long after the end of a call its last facts may come.
const LAST_FACTS_MS: i64 = 10_000;
/// Empties the write-ahead log, unless a reader still needs it.
const CHECKPOINT: &str = "PRAGMA wal_checkpoint(TRUNCATE)";
const CHECKPOINT_TRIES: u32 = 10;
const CHECKPOINT_RETRY: Duration = Duration::from_millis(300);
/// The bit of a fact's number that marks facts after the end of a call.
const LATE: u32 = 0x8000_0000;

/// Who erases, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    pub at: Timestamp,
    pub by: String,
    pub second: Option<String>,
    pub ground: String,
    /// The recordings of the call are deleted too.
    pub with_recordings: bool,
}

/// What was erased of one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::store) struct ErasedStream {
    pub(in crate::store) facts: u64,
    /// Files of recordings that are to be deleted.
    pub(in crate::store) recordings: Vec<String>,
}

impl Store {
    /// True if the call has not ended, if its operator is in wrap-up, or if facts about its end may still come.
    pub(in crate::store) async fn is_open(&self, call: CallId, now: Timestamp) -> Result<bool, StoreError> {
        let since = now.as_millis().saturating_sub(LAST_FACTS_MS);
        let (open,): (i64,) = on_either!(self, pool => {
            sqlx::query_as(OPEN).bind(call.to_string()).bind(since).fetch_one(pool).await?
        });
        Ok(open > 0)
    }

    /// Erases the values of these facts of one stream. A repetition changes nothing, and returns the same recordings.
    pub(in crate::store) async fn erase_stream(
        &self,
        journal: &str,
        stream: CallId,
        seqs: &BTreeSet<u32>,
        erasure: &Erasure,
    ) -> Result<ErasedStream, StoreError> {
        let rows: Vec<(i64, String)> =
            on_either!(self, pool => sqlx::query_as(STREAM).bind(stream.to_string()).fetch_all(pool).await?);
        let mut call = None;
        let mut erased = Vec::new();
        for (seq, body) in &rows {
            let Ok(seq) = u32::try_from(*seq) else { continue };
            let of = Entry::read(body.as_bytes()).and_then(|entry| entry.call);
            call = call.or(of);
            if let Some(body) = seqs.contains(&seq).then(|| seal::erase(body)).flatten() {
                erased.push(ErasedFact { id: FactId { stream, seq }, body });
            }
        }
        let record = self.record_of(stream).await?;
        let kept = |cdr: &Cdr| cdr.recordings.iter().filter(|one| !one.erased).map(|one| one.file.clone()).collect();
        let gone = |cdr: &Cdr| -> Vec<String> {
            cdr.recordings.iter().filter(|one| one.erased).map(|one| one.file.clone()).collect()
        };
        let mut recordings: Vec<String> = Vec::new();
        if erasure.with_recordings {
            recordings = record.as_ref().map(kept).unwrap_or_default();
        }
        let done = record.as_ref().map(gone).unwrap_or_default();
        if erased.is_empty() && recordings.is_empty() {
            return Ok(ErasedStream { facts: 0, recordings: done });
        }
        let facts = erased.len() as u64;
        let id = FactId { stream, seq: late_number()? };
        let kind = FactKind::Erased {
            ground: erasure.ground.clone(),
            by: erasure.by.clone(),
            second: erasure.second.clone(),
            facts: erased.iter().map(|fact| fact.id.seq).collect(),
            recordings: recordings.clone(),
        };
        let note = Entry::of(&Fact { id, call, at: erasure.at, up: None, kind })?;
        let recompute = call.into_iter().collect();
        let batch = Batch { erased, facts: vec![&note], recompute, ..Batch::default() };
        self.take(journal, batch).await?;
        recordings.extend(done);
        Ok(ErasedStream { facts, recordings })
    }

    /// Erases the values of a record whose facts were deleted. Returns false if it has none.
    pub(in crate::store) async fn erase_record(
        &self,
        journal: &str,
        call: CallId,
        erasure: &Erasure,
    ) -> Result<ErasedStream, StoreError> {
        let Some(cdr) = self.record_of(call).await? else { return Ok(ErasedStream::default()) };
        let recordings: Vec<String> = cdr.recordings.iter().map(|one| one.file.clone()).collect();
        let cdr = cdr.without_personal(erasure.at, &erasure.by, &erasure.ground);
        self.take(journal, Batch { cdrs: vec![cdr], ..Batch::default() }).await?;
        Ok(ErasedStream { facts: 0, recordings })
    }

    async fn record_of(&self, call: CallId) -> Result<Option<Cdr>, StoreError> {
        let row: Option<(String,)> =
            on_either!(self, pool => sqlx::query_as(RECORD).bind(call.to_string()).fetch_optional(pool).await?);
        Ok(row.and_then(|(body,)| serde_json::from_str(&body).ok()))
    }

    /// Overwrites what was erased in the files of SQLite, whose pages and write-ahead log would still have it. PostgreSQL reuses the space
    /// by its own means.
    pub(in crate::store) async fn wipe(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(pool) => {
                sqlx::query("VACUUM").execute(pool).await?;
                for _ in 0..CHECKPOINT_TRIES {
                    let (busy, _, _): (i64, i64, i64) = sqlx::query_as(CHECKPOINT).fetch_one(pool).await?;
                    if busy == 0 {
                        return Ok(());
                    }
                    tokio::time::sleep(CHECKPOINT_RETRY).await;
                }
                return Err(StoreError::Busy);
            }
            Self::Postgres(pool) => {
                for table in ["fact", "cdr", "call_search", "erasure"] {
                    sqlx::query(sqlx::AssertSqlSafe(format!("VACUUM {table}"))).execute(pool).await?;
                }
            }
        }
        Ok(())
    }
}

/// The number of a fact after the end of a call.
fn late_number() -> Result<u32, StoreError> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_err(|fault| StoreError::Folder(std::io::Error::other(fault)))?;
    Ok(u32::from_le_bytes(bytes) | LATE)
}
