//! Reads roll-ups for reports, all of one report from the same state of the database.

use std::collections::BTreeMap;
use std::ops::Range;

use sqlx::Row as _;

use crate::cdr::Cdr;
use crate::cdr::rollup::{Bins, CallCount, CallSums, Cell, Grain, Key, OperatorSums, Party, TargetHistory, Waits};
use crate::clock::Timestamp;

use crate::store::report_queries::{BEGIN_POSTGRES, BEGIN_SQLITE};
use crate::store::{Store, StoreError, on_either};

use super::sql::WAITS;
use super::{STATE, State, readable, targets};

const KEYS: &str = "SELECT key, desk, trunk, class, category, agency, mode, exercise FROM rollup_key";
const RECORDS: &str = "SELECT body FROM cdr WHERE received >= $1 AND received < $2 ORDER BY received, call";
/// Uses the index of the thirtieth migration: only calls with nearly the longest wait are read.
const LONGEST: &str = "SELECT MAX(waited_ms) FROM cdr WHERE waited_ms > $3 AND waited_ms <= $4 \
    AND received >= $1 AND received < $2 AND (outcome = 'answered') = (CAST($5 AS INTEGER) = 1) \
    AND COALESCE(class, '') NOT IN ('drill', 'test')";

/// Rows of one length whose starts are in a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    pub grain: Grain,
    pub starts: Range<Timestamp>,
}

/// By what the sums are divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Division {
    Nothing,
    /// By the start of the period.
    Start,
    /// By the hour of the week. Only hours have one.
    HourOfWeek,
    /// By the combination of values.
    Key,
}

/// What a report needs.
pub struct Wanted<'a> {
    pub spans: Vec<Span>,
    /// Parts of hours, for which records are read.
    pub edges: Vec<Range<Timestamp>>,
    /// True if the rows of all calls together are enough.
    pub whole: bool,
    pub division: Division,
    pub filter: &'a (dyn Fn(&Key) -> bool + Sync),
    pub with_waits: bool,
    pub with_operators: bool,
}

/// Sums of a span.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundRow {
    /// The start, the hour of the week or the key, depending on the division.
    pub group: i64,
    pub count: CallCount,
}

/// Sums of a span about one party.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundOperator {
    pub party: Party,
    pub operator: String,
    pub start: i64,
    pub sums: OperatorSums,
}

/// What was read.
#[derive(Clone, Debug)]
pub struct Found {
    pub state: State,
    pub targets: Option<TargetHistory>,
    pub keys: BTreeMap<i64, Key>,
    /// A group can occur several times, with and without waits.
    pub rows: Vec<FoundRow>,
    pub operators: Vec<FoundOperator>,
    /// The records of the edges.
    pub records: Vec<Cdr>,
}

type KeyRow = (i64, String, String, String, String, String, String, i16);

impl Store {
    /// Reads sums. If the roll-ups are not complete, only `state` is to be used.
    pub async fn read_rollups(&self, wanted: &Wanted<'_>) -> Result<Found, StoreError> {
        let (begin, keys_in) = match self {
            Self::Sqlite(_) => (BEGIN_SQLITE, "SELECT value FROM json_each($4)"),
            Self::Postgres(_) => {
                (BEGIN_POSTGRES, "SELECT value::bigint FROM json_array_elements_text($4::json) AS value")
            }
        };
        let mut found = on_either!(self, pool => {
            let mut tx = pool.begin_with(begin).await?;
            let state = State::of(sqlx::query_as(STATE).fetch_one(&mut *tx).await?);
            let history: Vec<(i64, String)> = sqlx::query_as(targets::ALL).fetch_all(&mut *tx).await?;
            let keys: Vec<KeyRow> = sqlx::query_as(KEYS).fetch_all(&mut *tx).await?;
            let keys: BTreeMap<i64, Key> = keys.into_iter().map(key).collect();
            let chosen = chosen(&keys, wanted);
            let mut found = Found {
                state, targets: targets::history(&history)?, keys, rows: Vec::new(), operators: Vec::new(), records: Vec::new(),
            };
            for span in &wanted.spans {
                let (from, until) = (span.starts.start.as_millis(), span.starts.end.as_millis());
                let level = Cell::level(span.grain, wanted.whole);
                let sums = sums_statement(wanted.division, keys_in);
                let sums = sqlx::query(sqlx::AssertSqlSafe(sums)).bind(level).bind(from).bind(until).bind(&chosen);
                for row in sums.fetch_all(&mut *tx).await? {
                    let group: i64 = row.try_get(0)?;
                    let values: Result<Vec<i64>, sqlx::Error> =
                        (1..=CallSums::COLUMNS.len()).map(|no| row.try_get(no)).collect();
                    let sums = CallSums::from_values(values?);
                    found.rows.push(FoundRow { group, count: CallCount { sums, waits: Waits::default() } });
                }
                if wanted.with_waits {
                    let waits = waits_statement(wanted.division, keys_in);
                    let waits = sqlx::query_as(sqlx::AssertSqlSafe(waits)).bind(level).bind(from).bind(until).bind(&chosen);
                    let rows: Vec<(i64, String, String, String)> = waits.fetch_all(&mut *tx).await?;
                    found.rows.extend(waits_by_group(rows)?);
                }
                if wanted.with_operators {
                    let operators = operators_statement(wanted.division);
                    let operators = sqlx::query(sqlx::AssertSqlSafe(operators));
                    let rows = operators.bind(span.grain.number()).bind(from).bind(until).fetch_all(&mut *tx).await?;
                    for row in rows {
                        let (start, number, operator): (i64, i16, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
                        let values: Result<Vec<i64>, sqlx::Error> =
                            (3..3 + OperatorSums::COLUMNS.len()).map(|no| row.try_get(no)).collect();
                        let sums = OperatorSums::from_values(values?);
                        let party = Party::ALL.into_iter().find(|one| one.number() == number);
                        found.operators.extend(party.map(|party| FoundOperator { party, operator, start, sums }));
                    }
                }
            }
            for edge in &wanted.edges {
                let records = sqlx::query_as(RECORDS).bind(edge.start.as_millis()).bind(edge.end.as_millis());
                let records: Vec<(String,)> = records.fetch_all(&mut *tx).await?;
                found.records.extend(records.iter().filter_map(|(body,)| readable(body)));
            }
            tx.rollback().await?;
            found
        });
        found.rows.retain(|row| row.count != CallCount::default());
        found.operators.retain(|row| row.sums != OperatorSums::default());
        Ok(found)
    }

    /// The longest wait of the answered or of all other calls, without drills and tests, if it is rounded up to `rounded_ms`.
    pub async fn longest_wait(
        &self,
        period: &Range<Timestamp>,
        is_answered: bool,
        rounded_ms: u64,
    ) -> Result<Option<u64>, StoreError> {
        let upper = i64::try_from(rounded_ms).unwrap_or(i64::MAX);
        let (from, until) = (period.start.as_millis(), period.end.as_millis());
        let (longest,): (Option<i64>,) = on_either!(self, pool => {
            let longest = sqlx::query_as(LONGEST).bind(from).bind(until).bind(upper.saturating_sub(100)).bind(upper);
            longest.bind(i32::from(is_answered)).fetch_one(pool).await?
        });
        Ok(longest.map(i64::unsigned_abs))
    }
}

fn key((id, desk, trunk, class, category, agency, mode, exercise): KeyRow) -> (i64, Key) {
    (id, Key { desk, trunk, class, category, agency, mode, exercise: exercise != 0 })
}

/// The ids of the keys that the filter lets through, as JSON.
fn chosen(keys: &BTreeMap<i64, Key>, wanted: &Wanted<'_>) -> String {
    let whole = [false, true].map(Key::whole);
    let ids: Vec<i64> = if wanted.whole {
        whole.iter().filter(|key| (wanted.filter)(key)).map(Key::id).collect()
    } else {
        keys.iter().filter(|(_, key)| (wanted.filter)(key)).map(|(id, _)| *id).collect()
    };
    serde_json::Value::from(ids).to_string()
}

/// The expression by which rows are grouped. A constant in GROUP BY would be the number of a column.
const fn group(division: Division) -> (&'static str, &'static str) {
    match division {
        Division::Nothing => ("CAST(0 AS BIGINT)", ""),
        Division::Start => ("start", " GROUP BY start"),
        Division::HourOfWeek => ("CAST(slot AS BIGINT)", " GROUP BY slot"),
        Division::Key => ("key", " GROUP BY key"),
    }
}

fn summed(columns: &[&str]) -> String {
    columns.iter().map(|of| format!("CAST(COALESCE(SUM({of}), 0) AS BIGINT)")).collect::<Vec<_>>().join(", ")
}

fn sums_statement(division: Division, keys_in: &str) -> String {
    let ((value, group), sums) = (group(division), summed(CallSums::COLUMNS));
    format!(
        "SELECT {value}, {sums} FROM rollup WHERE level = $1 AND start >= $2 AND start < $3 AND key IN ({keys_in}){group}"
    )
}

fn waits_statement(division: Division, keys_in: &str) -> String {
    let (value, _) = group(division);
    let waits = WAITS.join(", ");
    format!(
        "SELECT {value}, {waits} FROM rollup WHERE level = $1 AND start >= $2 AND start < $3 AND key IN ({keys_in})"
    )
}

fn operators_statement(division: Division) -> String {
    let (value, group) = match division {
        Division::Nothing | Division::Key | Division::HourOfWeek => ("CAST(0 AS BIGINT)", ""),
        Division::Start => ("start", "start, "),
    };
    let sums = summed(OperatorSums::COLUMNS);
    format!(
        "SELECT {value}, party, operator, {sums} FROM rollup_operator WHERE level = $1 AND start >= $2 AND start < $3 \
         GROUP BY {group}party, operator"
    )
}

fn waits_by_group(rows: Vec<(i64, String, String, String)>) -> Result<Vec<FoundRow>, StoreError> {
    let mut groups: BTreeMap<i64, Waits> = BTreeMap::new();
    for (group, answered, abandoned, other) in rows {
        groups.entry(group).or_default().add(&waits(&answered, &abandoned, &other)?, 1);
    }
    let row = |(group, waits)| FoundRow { group, count: CallCount { sums: CallSums::default(), waits } };
    Ok(groups.into_iter().map(row).collect())
}

/// Waits as they are stored.
pub(super) fn waits(answered: &str, abandoned: &str, other: &str) -> Result<Waits, StoreError> {
    let bins = |text: &str| -> Result<Bins, StoreError> { Ok(serde_json::from_str(text)?) };
    Ok(Waits { answered: bins(answered)?, abandoned: bins(abandoned)?, other: bins(other)? })
}
