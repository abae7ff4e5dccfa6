//! Facts and call detail records as rows. One transaction stores a batch of facts, the records that they complete or change, and the
//! journal position after them.

mod postgres;
mod sqlite;

use serde::Serialize;

use crate::cdr::Cdr;
use crate::cdr::fact::{Callee, Fact, FactId};
use crate::ids::CallId;

use super::journal::JournalPosition;
use super::journal::record::Entry;
use super::nul::without_nul;
use super::rollups::RollupRows as _;
use super::search_row::SearchRow;
use super::{Store, StoreError, on_either};

/// The statements that differ between the two databases and take one JSON array, so that a batch of any size needs one round trip and
/// one prepared statement. The rows of facts and records are inserted by `RowInserts`.
struct Dialect {
    clear_talks: &'static str,
    open_calls: &'static str,
    close_calls: &'static str,
}

const SQLITE: Dialect = Dialect {
    clear_talks: "DELETE FROM talk WHERE call IN (SELECT value FROM json_each($1))",
    open_calls: "INSERT INTO open_call (call, journal, segment) SELECT value, $2, $3 FROM json_each($1) WHERE true \
        ON CONFLICT (call) DO NOTHING",
    close_calls: "DELETE FROM open_call WHERE call IN (SELECT value FROM json_each($1))",
};

const POSTGRES: Dialect = Dialect {
    clear_talks: "DELETE FROM talk WHERE call IN (SELECT value FROM json_array_elements_text($1::json) AS value)",
    open_calls: "INSERT INTO open_call (call, journal, segment) \
        SELECT value, $2, $3 FROM json_array_elements_text($1::json) AS value \
        ON CONFLICT (call) DO NOTHING",
    close_calls: "DELETE FROM open_call WHERE call IN (SELECT value FROM json_array_elements_text($1::json) AS value)",
};

/// Inserts many rows, in the way that is fastest for a database.
pub(super) trait RowInserts {
    /// Facts that are not stored yet.
    async fn insert_facts(&mut self, facts: &[&Entry]) -> Result<(), StoreError>;

    /// Records, each in place of an earlier one of its call.
    async fn upsert_cdrs(&mut self, rows: &[Row<'_>]) -> Result<(), StoreError>;

    async fn insert_talks(&mut self, talks: &[TalkRow<'_>]) -> Result<(), StoreError>;

    /// The rows by which calls are searched, each in place of an earlier one of its call.
    async fn upsert_search(&mut self, rows: &[SearchRow<'_>]) -> Result<(), StoreError>;
}

const FACTS_OF: &str = "SELECT body FROM fact WHERE stream = $1 ORDER BY seq";
const SET_BODY: &str = "UPDATE fact SET body = $3 WHERE stream = $1 AND seq = $2";
const OPEN_CALLS_BEFORE: &str = "SELECT call FROM open_call WHERE journal = $1 AND segment < $2 ORDER BY call";
const CURSOR_OF: &str = "SELECT segment, position FROM journal_cursor WHERE journal = $1";
const SET_CURSOR: &str = "INSERT INTO journal_cursor (journal, segment, position) VALUES ($1, $2, $3) \
    ON CONFLICT (journal) DO UPDATE SET segment = excluded.segment, position = excluded.position";
const SET_HOME: &str = "UPDATE journal_cursor SET home = $2 WHERE journal = $1";
const LOST_JOURNALS: &str = "SELECT journal FROM journal_cursor WHERE home = $2 AND journal <> $1 ORDER BY journal";
const FORGET_HOME: &str = "UPDATE journal_cursor SET home = NULL WHERE journal = $1";

/// A stored fact without its personal values.
#[derive(Debug)]
pub struct ErasedFact {
    pub id: FactId,
    pub body: String,
}

/// The content of one transaction.
#[derive(Debug, Default)]
pub struct Batch<'a> {
    pub facts: Vec<&'a Entry>,
    /// Stored facts whose personal values are erased.
    pub erased: Vec<ErasedFact>,
    /// Calls of which the writer has a new fact, but not the earlier facts: their records are computed from the stored
    /// facts.
    pub recompute: Vec<CallId>,
    /// Records of ended calls.
    pub cdrs: Vec<Cdr>,
    pub opened: Vec<CallId>,
    /// The journal's segment with the facts of the opened calls.
    pub segment: i64,
    pub closed: Vec<CallId>,
    /// The journal position after these facts.
    pub cursor: Option<JournalPosition>,
}

/// The columns of a record.
#[derive(Debug, Serialize)]
pub(super) struct Row<'a> {
    pub(super) call: CallId,
    pub(super) received: i64,
    pub(super) answered: Option<i64>,
    pub(super) ended: i64,
    pub(super) trunk: &'a str,
    pub(super) number: Option<&'a str>,
    pub(super) called: &'a str,
    pub(super) outcome: &'static str,
    pub(super) cause: &'static str,
    pub(super) ended_by: &'static str,
    pub(super) operator: Option<&'a str>,
    pub(super) waited_ms: u64,
    pub(super) talk_ms: u64,
    pub(super) wrap_ms: Option<u64>,
    pub(super) class: Option<&'static str>,
    pub(super) category: Option<&'a str>,
    pub(super) desk: &'a str,
    pub(super) body: &'a Cdr,
}

impl<'a> Row<'a> {
    /// None while the call is open.
    pub(super) fn of(cdr: &'a Cdr) -> Option<Self> {
        let last = cdr.talks.last().map(|talk| &talk.with);
        let operator = match last {
            Some(Callee::Operator(operator)) => Some(operator.as_str()),
            Some(Callee::Number(_)) | None => None,
        };
        Some(Self {
            call: cdr.call,
            received: cdr.received.as_millis(),
            answered: cdr.answered.map(crate::clock::Timestamp::as_millis),
            ended: cdr.ended?.as_millis(),
            trunk: &cdr.trunk,
            number: cdr.number(),
            called: &cdr.called,
            outcome: cdr.outcome?.word(),
            cause: cdr.cause?.word(),
            ended_by: cdr.ended_by?.word(),
            operator,
            waited_ms: cdr.waited_ms,
            talk_ms: cdr.talk_ms,
            wrap_ms: cdr.wrap_ms,
            class: cdr.disposition.as_ref().map(|disposition| disposition.class.word()),
            category: cdr.disposition.as_ref().and_then(|disposition| disposition.category.as_deref()),
            desk: &cdr.desk,
            body: cdr,
        })
    }
}

/// One period of talk.
#[derive(Debug, Serialize)]
pub(super) struct TalkRow<'a> {
    call: CallId,
    no: usize,
    operator: Option<&'a str>,
    received: i64,
    talk_ms: u64,
    wrap_ms: Option<u64>,
    /// 0: an operator who had the caller. 1: a participant. 2: an agency that had the caller. 3: a drill or a test, which these sums leave
    /// out.
    guest: u8,
}

impl<'a> TalkRow<'a> {
    pub(super) fn of(cdr: &'a Cdr) -> impl Iterator<Item = Self> {
        let last = cdr.talks.len().saturating_sub(1);
        cdr.talks.iter().enumerate().map(move |(no, talk)| {
            let operator = match &talk.with {
                Callee::Operator(operator) => Some(operator.as_str()),
                Callee::Number(_) => None,
            };
            // The operator who talked last worked on the call after its end.
            let wrap_ms = cdr.wrap_ms.filter(|_| no == last && operator.is_some());
            let (received, talk_ms) = (cdr.received.as_millis(), talk.millis());
            let guest = match talk.guest {
                _ if cdr.is_exercise() => 3,
                true => 1,
                false => 2 * u8::from(cdr.is_agency(&talk.with)),
            };
            Self { call: cdr.call, no, operator, received, talk_ms, wrap_ms, guest }
        })
    }
}

impl Store {
    const fn dialect(&self) -> &'static Dialect {
        match self {
            Self::Sqlite(_) => &SQLITE,
            Self::Postgres(_) => &POSTGRES,
        }
    }

    /// Stores a batch of the journal `journal` completely or not at all. Returns true if it contained a record of a call.
    pub async fn take(&self, journal: &str, mut batch: Batch<'_>) -> Result<bool, StoreError> {
        let sql = self.dialect();
        on_either!(self, pool => {
            let mut tx = pool.begin().await?;
            let has_records = !(batch.cdrs.is_empty() && batch.recompute.is_empty());
            let counting = if has_records { tx.begin_counting().await? } else { None };
            for ErasedFact { id, body } in &batch.erased {
                let set = sqlx::query(SET_BODY).bind(id.stream.to_string()).bind(i64::from(id.seq)).bind(body);
                set.execute(&mut *tx).await?;
            }
            if !batch.facts.is_empty() {
                tx.insert_facts(&batch.facts).await?;
            }
            batch.cdrs.retain(|cdr| !batch.recompute.contains(&cdr.call));
            for call in std::mem::take(&mut batch.recompute) {
                let stored: Vec<(String,)> = sqlx::query_as(FACTS_OF).bind(call.to_string()).fetch_all(&mut *tx).await?;
                let cdr = Cdr::fold(&facts_of(&stored));
                batch.closed.extend(cdr.as_ref().filter(|cdr| cdr.is_settled()).map(|cdr| cdr.call));
                batch.cdrs.extend(cdr);
            }
            let rows: Vec<Row<'_>> = batch.cdrs.iter().filter_map(Row::of).collect();
            if !rows.is_empty() {
                let calls: Vec<CallId> = rows.iter().map(|row| row.call).collect();
                let talks: Vec<TalkRow<'_>> = rows.iter().flat_map(|row| TalkRow::of(row.body)).collect();
                if let Some(counting) = &counting {
                    let cdrs: Vec<&Cdr> = rows.iter().map(|row| row.body).collect();
                    tx.replace_counts(counting, &cdrs).await?;
                }
                tx.upsert_cdrs(&rows).await?;
                let searched: Vec<SearchRow<'_>> = rows.iter().filter_map(|row| SearchRow::of(row.body)).collect();
                tx.upsert_search(&searched).await?;
                sqlx::query(sql.clear_talks).bind(json(&calls)?).execute(&mut *tx).await?;
                tx.insert_talks(&talks).await?;
            }
            if !batch.opened.is_empty() {
                let opened = json(&batch.opened)?;
                sqlx::query(sql.open_calls).bind(opened).bind(journal).bind(batch.segment).execute(&mut *tx).await?;
            }
            if !batch.closed.is_empty() {
                sqlx::query(sql.close_calls).bind(json(&batch.closed)?).execute(&mut *tx).await?;
            }
            if let Some(place) = batch.cursor {
                let set = sqlx::query(SET_CURSOR).bind(journal).bind(place.segment).bind(place.position);
                set.execute(&mut *tx).await?;
            }
            tx.commit().await?;
            Ok(!rows.is_empty())
        })
    }

    /// The journal position up to which facts have been stored.
    pub async fn cursor(&self, journal: &str) -> Result<JournalPosition, StoreError> {
        let found: Option<(i64, i64)> = on_either!(self, pool => {
            sqlx::query_as(CURSOR_OF).bind(journal).fetch_optional(pool).await?
        });
        Ok(found.map_or(JournalPosition::default(), |(segment, position)| JournalPosition { segment, position }))
    }

    /// The calls of a journal that have not ended, or whose operator is in wrap-up.
    pub async fn open_calls(&self, journal: &str) -> Result<Vec<CallId>, StoreError> {
        self.open_calls_before(journal, i64::MAX).await
    }

    /// The open calls that began before a segment.
    pub async fn open_calls_before(&self, journal: &str, segment: i64) -> Result<Vec<CallId>, StoreError> {
        let found: Vec<(String,)> = on_either!(self, pool => {
            sqlx::query_as(OPEN_CALLS_BEFORE).bind(journal).bind(segment).fetch_all(pool).await?
        });
        Ok(found.into_iter().filter_map(|(call,)| call.parse().ok()).collect())
    }

    /// Stores the folder of a journal, and returns the journals that were in the same folder before: that folder was lost.
    pub async fn lost_journals_of(&self, journal: &str, folder_id: &str) -> Result<Vec<String>, StoreError> {
        let lost: Vec<(String,)> = on_either!(self, pool => {
            sqlx::query(SET_HOME).bind(journal).bind(folder_id).execute(pool).await?;
            sqlx::query_as(LOST_JOURNALS).bind(journal).bind(folder_id).fetch_all(pool).await?
        });
        Ok(lost.into_iter().map(|(journal,)| journal).collect())
    }

    /// Removes the folder entry of a lost journal, whose calls are closed.
    pub async fn remove_folder(&self, journal: &str) -> Result<(), StoreError> {
        on_either!(self, pool => sqlx::query(FORGET_HOME).bind(journal).execute(pool).await.map(drop))?;
        Ok(())
    }

    /// All stored facts of one call, or of one run of the service, whose kind this version knows.
    pub async fn facts(&self, stream: CallId) -> Result<Vec<Fact>, StoreError> {
        let stored: Vec<(String,)> = on_either!(self, pool => {
            sqlx::query_as(FACTS_OF).bind(stream.to_string()).fetch_all(pool).await?
        });
        Ok(facts_of(&stored))
    }
}

/// The facts whose kind this version knows. Others stay unchanged in the database.
fn facts_of(rows: &[(String,)]) -> Vec<Fact> {
    rows.iter().filter_map(|(body,)| Fact::read(body.as_bytes())).collect()
}

/// The facts as one JSON array, each as it was written.
fn array(facts: &[&Entry]) -> String {
    let bodies: Vec<&str> = facts.iter().map(|entry| entry.json.as_str()).collect();
    without_nul(format!("[{}]", bodies.join(",")))
}

/// JSON that both databases accept. PostgreSQL text cannot contain NUL, and one rejected record would block all others permanently, so NUL
/// is replaced by U+FFFD.
pub(super) fn json(value: &impl Serialize) -> Result<String, StoreError> {
    Ok(without_nul(serde_json::to_string(value)?))
}
