//! Roll-ups in the database: the writer changes them in the transaction that stores or replaces a record, so they always agree with the
//! records. The arithmetic is `cdr::rollup`.
//!
//! A database from before this version is filled step by step; a record counts as soon as the filling has passed it. The state's row is
//! changed first in every transaction that changes sums, which makes such transactions follow one another in both databases.

pub mod fill;
pub mod query;
mod sql;
mod targets;
pub mod verify;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sqlx::{PgConnection, SqliteConnection};

use crate::cdr::Cdr;
use crate::cdr::rollup::{Calendar, CallCount, Cell, Changes, Grain, Rules, VERSION};
use crate::clock::Timestamp;
use crate::ids::CallId;

use super::{StoreError, on_either};

/// The state as it is while every record is counted.
const COMPLETE: i64 = i64::MAX;

const LOCK: &str = "UPDATE rollup_state SET changes = changes + 1 WHERE id = 1 \
    RETURNING version, zone, until_received, until_call";
const STATE: &str = "SELECT version, zone, until_received, until_call FROM rollup_state WHERE id = 1";
const SET_STATE: &str =
    "UPDATE rollup_state SET version = $1, zone = $2, until_received = $3, until_call = $4 WHERE id = 1";

/// A row of the state.
type StateRow = (i32, String, i64, String);
/// Level, start, key and the waits of a row.
type WaitsRow = (i16, i64, i64, String, String, String);

/// What the roll-ups contain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    pub version: i32,
    /// The IANA name of the time zone.
    pub zone: String,
    /// Arrival and id of the last record that counts.
    until: (i64, String),
}

impl State {
    fn of((version, zone, received, call): StateRow) -> Self {
        Self { version, zone, until: (received, call) }
    }

    /// True if every record is counted, by this version's arithmetic.
    pub fn is_complete(&self) -> bool {
        self.is_valid() && self.until.0 == COMPLETE
    }

    fn is_valid(&self) -> bool {
        self.version == VERSION
    }

    fn counts(&self, received: Timestamp, call: CallId) -> bool {
        self.until.0 == COMPLETE || (received.as_millis(), call.to_string()) <= self.until
    }
}

/// How the records of one transaction are counted.
#[derive(Debug)]
pub(super) struct Counting {
    state: State,
    rules: Rules,
}

impl Counting {
    /// Counts a record, or takes back that it was counted, as far as the filling has come.
    fn count(&self, changes: &mut Changes, cdr: &Cdr, times: i64) {
        if self.state.counts(cdr.received, cdr.call) {
            changes.count(cdr, &self.rules, times);
        }
    }
}

/// The statements of roll-ups on a connection of either database.
pub(super) trait RollupRows {
    /// To be called before anything else in a transaction that stores records. None if nothing is counted.
    async fn begin_counting(&mut self) -> Result<Option<Counting>, StoreError>;

    /// Subtracts the stored records of these calls and adds the new ones. To be called before the records are stored.
    async fn replace_counts(&mut self, counting: &Counting, cdrs: &[&Cdr]) -> Result<(), StoreError>;

    /// Adds to the sums.
    async fn add_changes(&mut self, changes: Changes, rules: &Rules) -> Result<(), StoreError>;
}

macro_rules! rollup_rows {
    ($connection:ty, $sql:path) => {
        impl RollupRows for $connection {
            async fn begin_counting(&mut self) -> Result<Option<Counting>, StoreError> {
                let state = State::of(sqlx::query_as(LOCK).fetch_one(&mut *self).await?);
                if !state.is_valid() {
                    return Ok(None);
                }
                let rows: Vec<(i64, String)> = sqlx::query_as(targets::ALL).fetch_all(&mut *self).await?;
                let (calendar, targets) = (Calendar::named(&state.zone), targets::history(&rows)?);
                let rules = calendar.zip(targets).map(|(calendar, targets)| Rules { calendar, targets });
                Ok(rules.map(|rules| Counting { state, rules }))
            }

            async fn replace_counts(&mut self, counting: &Counting, cdrs: &[&Cdr]) -> Result<(), StoreError> {
                let calls: Vec<CallId> = cdrs.iter().map(|cdr| cdr.call).collect();
                let calls = serde_json::to_string(&calls)?;
                let stored: Vec<(i64, String, String)> =
                    sqlx::query_as($sql.records_of).bind(calls).fetch_all(&mut *self).await?;
                let mut changes = Changes::default();
                for old in stored.iter().filter_map(|(_, _, body)| readable(body)) {
                    counting.count(&mut changes, &old, -1);
                }
                cdrs.iter().for_each(|cdr| counting.count(&mut changes, cdr, 1));
                self.add_changes(changes, &counting.rules).await
            }

            async fn add_changes(&mut self, mut changes: Changes, rules: &Rules) -> Result<(), StoreError> {
                changes.drop_nothing();
                if !changes.calls.is_empty() {
                    let keys = key_rows(&changes);
                    sqlx::query(sqlx::AssertSqlSafe($sql.insert_keys.as_str())).bind(keys).execute(&mut *self).await?;
                    let cells = cell_rows(&changes);
                    let found: Vec<WaitsRow> = sqlx::query_as(sqlx::AssertSqlSafe($sql.waits_of.as_str()))
                        .bind(cells)
                        .fetch_all(&mut *self)
                        .await?;
                    let rows = call_rows(&changes, found, rules)?;
                    sqlx::query(sqlx::AssertSqlSafe($sql.add_calls.as_str())).bind(rows).execute(&mut *self).await?;
                }
                if !changes.operators.is_empty() {
                    let rows = operator_rows(&changes);
                    sqlx::query(sqlx::AssertSqlSafe($sql.add_operators.as_str()))
                        .bind(rows)
                        .execute(&mut *self)
                        .await?;
                }
                Ok(())
            }
        }
    };
}

rollup_rows!(SqliteConnection, sql::SQLITE);
rollup_rows!(PgConnection, sql::POSTGRES);

/// A stored record. One that this version cannot read never counts.
fn readable(body: &str) -> Option<Cdr> {
    serde_json::from_str(body).ok()
}

fn key_rows(changes: &Changes) -> String {
    let row = |(id, key): (&i64, &crate::cdr::rollup::Key)| {
        let exercise = u8::from(key.exercise);
        json!([id, key.desk, key.trunk, key.class, key.category, key.agency, key.mode, exercise])
    };
    Value::Array(changes.keys.iter().map(row).collect()).to_string()
}

fn cell_rows(changes: &Changes) -> String {
    let row = |cell: &Cell| json!([Cell::level(cell.grain, cell.whole), cell.start, cell.key]);
    Value::Array(changes.calls.keys().map(row).collect()).to_string()
}

/// The rows of calls; `found` has the waits of the rows that exist.
fn call_rows(changes: &Changes, found: Vec<WaitsRow>, rules: &Rules) -> Result<String, StoreError> {
    let mut before: BTreeMap<(i16, i64, i64), CallCount> = BTreeMap::new();
    for (level, start, key, answered, abandoned, other) in found {
        let waits = query::waits(&answered, &abandoned, &other)?;
        before.insert((level, start, key), CallCount { waits, ..CallCount::default() });
    }
    let mut rows = Vec::new();
    for (cell, count) in &changes.calls {
        let level = Cell::level(cell.grain, cell.whole);
        let mut waits = before.remove(&(level, cell.start, cell.key)).unwrap_or_default().waits;
        waits.add(&count.waits, 1);
        let mut row = vec![json!(level), json!(cell.start), json!(cell.key), json!(slot(cell, rules))];
        row.extend(count.sums.values().into_iter().map(Value::from));
        for bins in [&waits.answered, &waits.abandoned, &waits.other] {
            row.push(Value::String(serde_json::to_string(bins)?));
        }
        rows.push(Value::Array(row));
    }
    Ok(Value::Array(rows).to_string())
}

fn slot(cell: &Cell, rules: &Rules) -> i16 {
    match cell.grain {
        Grain::Hour => rules.calendar.hour_of_week(Timestamp::from_millis(cell.start)),
        Grain::Day | Grain::Month => 0,
    }
}

fn operator_rows(changes: &Changes) -> String {
    let row = |(cell, sums): (&crate::cdr::rollup::OperatorCell, &crate::cdr::rollup::OperatorSums)| {
        let mut row =
            vec![json!(cell.grain.number()), json!(cell.start), json!(cell.party.number()), json!(cell.operator)];
        row.extend(sums.values().into_iter().map(Value::from));
        Value::Array(row)
    };
    Value::Array(changes.operators.iter().map(row).collect()).to_string()
}

impl super::Store {
    /// What the roll-ups contain.
    pub async fn rollup_state(&self) -> Result<State, StoreError> {
        Ok(State::of(on_either!(self, pool => sqlx::query_as(STATE).fetch_one(pool).await?)))
    }
}
