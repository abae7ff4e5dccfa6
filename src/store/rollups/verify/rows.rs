//! The rows that are compared, page by page.

use std::collections::BTreeMap;

use serde_json::Value;
use sqlx::{PgConnection, Row as _, SqliteConnection};

use crate::cdr::rollup::{CallCount, CallSums, OperatorSums, TargetHistory};

use super::search::Columns;
use crate::store::StoreError;
use crate::store::rollups::sql::WAITS;
use crate::store::rollups::{STATE, State, StateRow, query, targets};

const PAGE_FACTS: i64 = 20_000;
const PAGE_RECORDS: i64 = 2_000;

const FACTS: &str = "SELECT stream, seq, body FROM fact WHERE (stream, seq) > ($1, $2) ORDER BY stream, seq LIMIT $3";
const CDRS: &str = "SELECT call, received, answered, ended, waited_ms, talk_ms, wrap_ms, trunk, number, called, outcome, \
    cause, ended_by, operator, class, category, desk, body FROM cdr WHERE call > $1 AND call <= $2 ORDER BY call";
const NUMBERS: [&str; 6] = ["received", "answered", "ended", "waited_ms", "talk_ms", "wrap_ms"];
const WORDS: [&str; 11] =
    ["call", "trunk", "number", "called", "outcome", "cause", "ended_by", "operator", "class", "category", "desk"];
const TALKS: &str = "SELECT call, no, operator, received, talk_ms, wrap_ms, guest FROM talk \
    WHERE call > $1 AND call <= $2 ORDER BY call, no";
const RECORDS: &str = "SELECT received, call, body FROM cdr WHERE received >= $1 AND (received, call) > ($1, $2) \
    ORDER BY received, call LIMIT $3";
const SEARCH: &str = "SELECT s.call, s.received, s.number, s.operators, s.desk, s.trunk, s.outcome, s.class, s.category, \
    s.agency, s.mode, s.waited_ms, s.talk_ms, s.wrap_ms, s.note FROM cdr AS c \
    JOIN call_search AS s ON s.received = c.received AND s.call = c.call WHERE c.call > $1 AND c.call <= $2";
const SEARCH_NUMBERS: [&str; 4] = ["received", "waited_ms", "talk_ms", "wrap_ms"];
const SEARCH_WORDS: [&str; 11] =
    ["call", "number", "operators", "desk", "trunk", "outcome", "class", "category", "agency", "mode", "note"];
const COUNT_SEARCH: &str = "SELECT (SELECT COUNT(*) FROM call_search) - (SELECT COUNT(*) FROM cdr)";
const COUNT_ROWS: &str = "SELECT (SELECT COUNT(*) FROM rollup WHERE start >= $1) \
    + (SELECT COUNT(*) FROM rollup_operator WHERE start >= $1)";

/// A stored record.
pub(super) struct StoredRecord {
    /// By the names of the columns.
    pub(super) columns: BTreeMap<String, Value>,
    pub(super) body: String,
}

/// Call, number, operator, arrival, talk, wrap-up and kind of a stored talk.
pub(super) type StoredTalk = (String, i64, Option<String>, i64, i64, Option<i64>, i16);

/// Level, start and key of a row of `rollup`.
pub(super) type CallRowId = (i16, i64, i64);
/// Length, start, party and operator of a row of `rollup_operator`.
pub(super) type OperatorRowId = (i16, i64, i16, String);

/// What is read in either database.
pub(super) trait VerifiedRows {
    /// The next facts: stream, number and JSON; at most a page.
    async fn facts_after(&mut self, after: &(String, i64)) -> Result<Vec<(String, i64, String)>, StoreError>;

    /// The records of the calls after `from`, up to and including `to`.
    async fn records_between(&mut self, from: &str, to: &str) -> Result<BTreeMap<String, StoredRecord>, StoreError>;

    async fn talks_between(&mut self, from: &str, to: &str) -> Result<Vec<StoredTalk>, StoreError>;

    /// The rows by which the calls of these records are searched.
    async fn search_between(&mut self, from: &str, to: &str) -> Result<BTreeMap<String, Columns>, StoreError>;

    /// How many more rows there are for searching than records.
    async fn search_without_record(&mut self) -> Result<i64, StoreError>;

    /// The next records by arrival: arrival, call and body; at most a page.
    async fn records_after(&mut self, after: &(i64, String)) -> Result<Vec<(i64, String, String)>, StoreError>;

    /// The rows whose starts are in a range, with their hours of the week.
    async fn call_rows(&mut self, from: i64, until: i64) -> Result<BTreeMap<CallRowId, (i16, CallCount)>, StoreError>;

    async fn operator_rows(
        &mut self,
        from: i64,
        until: i64,
    ) -> Result<BTreeMap<OperatorRowId, OperatorSums>, StoreError>;

    /// The number of rows of roll-ups that start at this time or later.
    async fn count_rows(&mut self, from: i64) -> Result<u64, StoreError>;

    async fn state(&mut self) -> Result<(State, Option<TargetHistory>), StoreError>;
}

fn calls_statement() -> String {
    let (sums, waits) = (CallSums::COLUMNS.join(", "), WAITS.join(", "));
    format!("SELECT level, start, key, slot, {waits}, {sums} FROM rollup WHERE start >= $1 AND start < $2")
}

fn operators_statement() -> String {
    let sums = OperatorSums::COLUMNS.join(", ");
    format!("SELECT level, start, party, operator, {sums} FROM rollup_operator WHERE start >= $1 AND start < $2")
}

macro_rules! verified_rows {
    ($connection:ty) => {
        impl VerifiedRows for $connection {
            async fn facts_after(&mut self, after: &(String, i64)) -> Result<Vec<(String, i64, String)>, StoreError> {
                Ok(sqlx::query_as(FACTS).bind(&after.0).bind(after.1).bind(PAGE_FACTS).fetch_all(self).await?)
            }

            async fn records_between(
                &mut self,
                from: &str,
                to: &str,
            ) -> Result<BTreeMap<String, StoredRecord>, StoreError> {
                let mut records = BTreeMap::new();
                for row in sqlx::query(CDRS).bind(from).bind(to).fetch_all(self).await? {
                    let mut columns = BTreeMap::new();
                    for column in NUMBERS {
                        columns.insert(column.to_owned(), Value::from(row.try_get::<Option<i64>, _>(column)?));
                    }
                    for column in WORDS {
                        columns.insert(column.to_owned(), Value::from(row.try_get::<Option<String>, _>(column)?));
                    }
                    let body = row.try_get("body")?;
                    records.insert(row.try_get("call")?, StoredRecord { columns, body });
                }
                Ok(records)
            }

            async fn talks_between(&mut self, from: &str, to: &str) -> Result<Vec<StoredTalk>, StoreError> {
                Ok(sqlx::query_as(TALKS).bind(from).bind(to).fetch_all(self).await?)
            }

            async fn search_between(&mut self, from: &str, to: &str) -> Result<BTreeMap<String, Columns>, StoreError> {
                let mut rows = BTreeMap::new();
                for row in sqlx::query(SEARCH).bind(from).bind(to).fetch_all(self).await? {
                    let mut columns = Columns::new();
                    for column in SEARCH_NUMBERS {
                        columns.insert(column.to_owned(), Value::from(row.try_get::<Option<i64>, _>(column)?));
                    }
                    for column in SEARCH_WORDS {
                        columns.insert(column.to_owned(), Value::from(row.try_get::<Option<String>, _>(column)?));
                    }
                    rows.insert(row.try_get("call")?, columns);
                }
                Ok(rows)
            }

            async fn search_without_record(&mut self) -> Result<i64, StoreError> {
                let (more,): (i64,) = sqlx::query_as(COUNT_SEARCH).fetch_one(self).await?;
                Ok(more)
            }

            async fn records_after(&mut self, after: &(i64, String)) -> Result<Vec<(i64, String, String)>, StoreError> {
                Ok(sqlx::query_as(RECORDS).bind(after.0).bind(&after.1).bind(PAGE_RECORDS).fetch_all(self).await?)
            }

            async fn call_rows(
                &mut self,
                from: i64,
                until: i64,
            ) -> Result<BTreeMap<CallRowId, (i16, CallCount)>, StoreError> {
                let rows = sqlx::query(sqlx::AssertSqlSafe(calls_statement())).bind(from).bind(until);
                let mut all = BTreeMap::new();
                for row in rows.fetch_all(self).await? {
                    let text = |no: usize| row.try_get::<String, _>(no);
                    let waits = query::waits(&text(4)?, &text(5)?, &text(6)?)?;
                    let sums: Result<Vec<i64>, sqlx::Error> =
                        (7..7 + CallSums::COLUMNS.len()).map(|no| row.try_get(no)).collect();
                    let count = CallCount { sums: CallSums::from_values(sums?), waits };
                    let id = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
                    all.insert(id, (row.try_get(3)?, count));
                }
                Ok(all)
            }

            async fn operator_rows(
                &mut self,
                from: i64,
                until: i64,
            ) -> Result<BTreeMap<OperatorRowId, OperatorSums>, StoreError> {
                let rows = sqlx::query(sqlx::AssertSqlSafe(operators_statement())).bind(from).bind(until);
                let mut all = BTreeMap::new();
                for row in rows.fetch_all(self).await? {
                    let sums: Result<Vec<i64>, sqlx::Error> =
                        (4..4 + OperatorSums::COLUMNS.len()).map(|no| row.try_get(no)).collect();
                    let id = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
                    all.insert(id, OperatorSums::from_values(sums?));
                }
                Ok(all)
            }

            async fn count_rows(&mut self, from: i64) -> Result<u64, StoreError> {
                let (rows,): (i64,) = sqlx::query_as(COUNT_ROWS).bind(from).fetch_one(self).await?;
                Ok(rows.unsigned_abs())
            }

            async fn state(&mut self) -> Result<(State, Option<TargetHistory>), StoreError> {
                let state: StateRow = sqlx::query_as(STATE).fetch_one(&mut *self).await?;
                let rows: Vec<(i64, String)> = sqlx::query_as(targets::ALL).fetch_all(self).await?;
                Ok((State::of(state), targets::history(&rows)?))
            }
        }
    };
}

verified_rows!(SqliteConnection);
verified_rows!(PgConnection);
