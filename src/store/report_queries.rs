//! Queries of reports: calls in pages, and sums over a period, by the time at which a call was received. Changes nothing.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::cdr::{Cdr, Outcome};
use crate::clock::Timestamp;
use crate::config::Levels;

use super::{Store, StoreError, on_either};

/// Calls of one page, so that a year of calls is never in memory at once.
const PAGE_CALLS: i64 = 200;

/// Answered calls in one page of those after a period.
const LATER_CALLS: i64 = 2_000;
/// Lists calls whose ids begin with the same characters.
const NAMED: &str = "SELECT call FROM cdr WHERE call >= $1 AND call < $2 ORDER BY call LIMIT 20";

/// The newest table that reports read. If it exists, all others do.
const PROBE: &str = "SELECT (SELECT COUNT(*) FROM cdr WHERE call = '' AND desk = '') \
    + (SELECT COUNT(*) FROM report_target WHERE since = 0) + (SELECT COUNT(*) FROM call_search WHERE received = 0)";
const CALLS: &str = "SELECT received, call, body FROM cdr WHERE received < $2 AND received >= $1 \
    AND (received, call) > ($1, $3) ORDER BY received, call LIMIT $4";

const LAST_CALL: &str = "SELECT MAX(received) FROM cdr";
const LAST_CALL_OF: &str = "SELECT MAX(received) FROM cdr WHERE received >= $1 AND received < $2";

/// The distinct values of a column, with one index look-up for each.
const OUTCOMES: &str = "WITH RECURSIVE word (w) AS (SELECT MIN(outcome) FROM cdr UNION ALL \
    SELECT (SELECT MIN(outcome) FROM cdr WHERE outcome > w) FROM word WHERE w IS NOT NULL) \
    SELECT w FROM word WHERE w IS NOT NULL";
const CLASSES: &str = "WITH RECURSIVE word (w) AS (SELECT MIN(class) FROM cdr UNION ALL \
    SELECT (SELECT MIN(class) FROM cdr WHERE class > w) FROM word WHERE w IS NOT NULL) \
    SELECT w FROM word WHERE w IS NOT NULL";
const DESKS: &str = "WITH RECURSIVE word (w) AS (SELECT MIN(desk) FROM cdr UNION ALL \
    SELECT (SELECT MIN(desk) FROM cdr WHERE desk > w) FROM word WHERE w IS NOT NULL) \
    SELECT w FROM word WHERE w IS NOT NULL";
const OPERATORS: &str = "WITH RECURSIVE word (w) AS (SELECT MIN(operator) FROM talk UNION ALL \
    SELECT (SELECT MIN(operator) FROM talk WHERE operator > w) FROM word WHERE w IS NOT NULL) \
    SELECT w, name FROM word LEFT JOIN operator ON operator.operator = w WHERE w IS NOT NULL";
/// Operators with an account, including those who have answered no call.
const ACCOUNTS: &str = "SELECT operator, name FROM operator WHERE station = 0";

/// Each reads one range of an index that covers all required columns, without sorting or access to rows.
const OF_OUTCOME: &str = "SELECT COUNT(*), CAST(COALESCE(SUM(waited_ms), 0) AS BIGINT), COALESCE(MAX(waited_ms), 0), \
    CAST(COALESCE(SUM(talk_ms), 0) AS BIGINT), CAST(COALESCE(SUM(wrap_ms), 0) AS BIGINT), \
    COUNT(*) FILTER (WHERE waited_ms <= $4), COUNT(*) FILTER (WHERE waited_ms < $5) \
    FROM cdr WHERE outcome = $1 AND received >= $2 AND received < $3 AND COALESCE(class, '') NOT IN ('drill', 'test')";
const OF_CLASS: &str = "SELECT COUNT(*) FROM cdr WHERE class = $1 AND received >= $2 AND received < $3";
const UNCLASSED: &str =
    "SELECT COUNT(*) FROM cdr WHERE class IS NULL AND outcome = 'answered' AND received >= $1 AND received < $2";
const OF_DESK: &str = "SELECT outcome, COUNT(*), COUNT(*) FILTER (WHERE waited_ms <= $4), \
    COUNT(*) FILTER (WHERE waited_ms < $5) \
    FROM cdr WHERE desk = $1 AND received >= $2 AND received < $3 AND COALESCE(class, '') NOT IN ('drill', 'test') \
    GROUP BY outcome";
/// `guest` (`TalkKind`): 0 an operator who had the caller, 1 a participant, 2 an agency that had the caller, 3 a drill or a test.
const OF_OPERATOR: &str = "SELECT COUNT(*) FILTER (WHERE guest = 0), \
    CAST(COALESCE(SUM(talk_ms) FILTER (WHERE guest = 0), 0) AS BIGINT), \
    CAST(COALESCE(SUM(wrap_ms) FILTER (WHERE guest <> 3), 0) AS BIGINT), \
    COUNT(*) FILTER (WHERE guest = 1), CAST(COALESCE(SUM(talk_ms) FILTER (WHERE guest = 1), 0) AS BIGINT) \
    FROM talk WHERE operator = $1 AND received >= $2 AND received < $3";
const OF_NUMBERS: &str = "SELECT guest, COUNT(*), CAST(COALESCE(SUM(talk_ms), 0) AS BIGINT) \
    FROM talk WHERE operator IS NULL AND received >= $1 AND received < $2 GROUP BY guest";

/// Answered calls after a call, of callers with a number: the number and the time of the answer.
const ANSWERED_LATER: &str = "SELECT received, call, number, answered FROM cdr WHERE received >= $1 \
    AND (received, call) > ($1, $2) AND outcome = 'answered' AND number IS NOT NULL AND answered IS NOT NULL \
    ORDER BY received, call LIMIT $3";

/// All statements of one summary read the same state of the database.
pub(super) const BEGIN_SQLITE: &str = "BEGIN";
pub(super) const BEGIN_POSTGRES: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// One stored call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCall {
    pub received: Timestamp,
    /// The call's id as it is stored.
    pub call: String,
    /// The JSON of its `Cdr`.
    pub body: String,
}

impl StoredCall {
    /// The whole record.
    pub fn cdr(&self) -> Result<Cdr, StoreError> {
        Ok(serde_json::from_str(&self.body)?)
    }
}

/// Calls of one outcome. Times in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutcomeTotals {
    pub calls: u64,
    pub waited_ms: u64,
    pub waited_longest_ms: u64,
    pub talk_ms: u64,
    pub wrap_ms: u64,
    /// Calls that waited no longer than the service level's target time T.
    pub within: u64,
    /// Calls that waited less than the limit of a short abandon.
    pub short: u64,
}

/// Calls of one desk, measured by the desk's own target time T.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeskTotals {
    /// The name in facts: the first desk's is empty.
    pub desk: String,
    pub calls: u64,
    pub answered: u64,
    /// Answered calls that waited no longer than T.
    pub within: u64,
    pub abandoned: u64,
    /// Abandoned calls that waited less than the limit of a short abandon.
    pub short: u64,
}

/// Totals of one operator or of the fallback number. Times in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TalkTotals {
    /// Answered calls. A caller who was lost and answered again counts again.
    pub answered: u64,
    pub talk_ms: u64,
    pub wrap_ms: u64,
    /// Participations in calls of other operators, and the talk time in them.
    pub joined: u64,
    pub joined_ms: u64,
}

/// One operator's totals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorTotals {
    pub operator: String,
    /// None if the account no longer exists.
    pub name: Option<String>,
    pub totals: TalkTotals,
}

/// The sums of a period. Names are those of `cdr::Outcome` and `cdr::fact::Class`, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub outcomes: Vec<(String, OutcomeTotals)>,
    /// Only calls with a class.
    pub classes: Vec<(String, u64)>,
    /// Answered calls without a class.
    pub unclassed: u64,
    /// Only desks with calls.
    pub desks: Vec<DeskTotals>,
    /// Operators with an account, and others who talked with a caller of the period.
    pub operators: Vec<OperatorTotals>,
    pub fallback: TalkTotals,
    /// Agencies that took over a caller from an operator.
    pub agencies: TalkTotals,
}

/// The limits by which waiting times are evaluated, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Target time T of the service level; a wait of exactly T is within it.
    pub service_level_ms: u64,
    /// An abandoned call with a shorter wait is a short one.
    pub short_abandon_ms: u64,
}

/// True if SQLite cannot open or create a file next to the database (SQLITE_CANTOPEN, SQLITE_READONLY, and their extended codes).
pub(super) fn is_cannot_open(error: &dyn sqlx::error::DatabaseError) -> bool {
    const READONLY: i32 = 8;
    const CANTOPEN: i32 = 14;
    let code = error.code().and_then(|code| code.parse::<i32>().ok());
    code.is_some_and(|code| [READONLY, CANTOPEN].contains(&(code & 0xff)))
}

/// True if the database has no such table or column.
fn is_missing(error: &dyn sqlx::error::DatabaseError) -> bool {
    // SQLITE_ERROR; undefined_table, undefined_column.
    error.code().is_some_and(|code| ["1", "42P01", "42703"].contains(&code.as_ref()))
}

impl Store {
    /// True if every table and column that reports read exists.
    pub(super) async fn has_records(&self) -> Result<bool, StoreError> {
        let probed: Result<(i64,), sqlx::Error> = on_either!(self, pool => sqlx::query_as(PROBE).fetch_one(pool).await);
        match probed {
            Ok(_) => Ok(true),
            Err(sqlx::Error::Database(error)) if is_missing(error.as_ref()) => Ok(false),
            Err(other) => Err(other.into()),
        }
    }

    /// The next page of the calls received in `period`, oldest first, after `after`. Empty if there are no more.
    pub async fn calls(
        &self,
        period: &Range<Timestamp>,
        after: Option<&StoredCall>,
    ) -> Result<Vec<StoredCall>, StoreError> {
        let (from, call) = after.map_or((period.start, ""), |last| (last.received, last.call.as_str()));
        let (from, until) = (from.as_millis(), period.end.as_millis());
        let rows: Vec<(i64, String, String)> = on_either!(self, pool => {
            sqlx::query_as(CALLS).bind(from).bind(until).bind(call).bind(PAGE_CALLS).fetch_all(pool).await?
        });
        let stored = |(received, call, body)| StoredCall { received: Timestamp::from_millis(received), call, body };
        Ok(rows.into_iter().map(stored).collect())
    }

    /// The next page of answered calls after `after` (a time and a call), oldest first: time, call, number, answer.
    pub async fn answered_later(
        &self,
        after: &(Timestamp, String),
    ) -> Result<Vec<(Timestamp, String, String, Timestamp)>, StoreError> {
        let (from, call) = (after.0.as_millis(), after.1.as_str());
        let rows: Vec<(i64, String, String, i64)> = on_either!(self, pool => {
            sqlx::query_as(ANSWERED_LATER).bind(from).bind(call).bind(LATER_CALLS).fetch_all(pool).await?
        });
        let times = |(received, call, number, answered)| {
            (Timestamp::from_millis(received), call, number, Timestamp::from_millis(answered))
        };
        Ok(rows.into_iter().map(times).collect())
    }

    /// When the last call arrived that has a record.
    pub async fn last_call(&self) -> Result<Option<Timestamp>, StoreError> {
        let (last,): (Option<i64>,) = on_either!(self, pool => sqlx::query_as(LAST_CALL).fetch_one(pool).await?);
        Ok(last.map(Timestamp::from_millis))
    }

    /// When the last call of a period arrived.
    pub async fn last_call_of(&self, period: &Range<Timestamp>) -> Result<Option<Timestamp>, StoreError> {
        let (from, until) = (period.start.as_millis(), period.end.as_millis());
        let (last,): (Option<i64>,) = on_either!(self, pool => {
            sqlx::query_as(LAST_CALL_OF).bind(from).bind(until).fetch_one(pool).await?
        });
        Ok(last.map(Timestamp::from_millis))
    }

    /// The ids of stored calls that start with `id`, at most 20.
    pub async fn calls_named(&self, id: &str) -> Result<Vec<String>, StoreError> {
        let (low, high) = (id.to_owned(), format!("{id}g"));
        let rows: Vec<(String,)> = on_either!(self, pool => {
            sqlx::query_as(NAMED).bind(low).bind(high).fetch_all(pool).await?
        });
        Ok(rows.into_iter().map(|(call,)| call).collect())
    }

    /// The sums of the calls received in `period`, without drills and tests.
    pub async fn totals(
        &self,
        period: &Range<Timestamp>,
        limits: Limits,
        levels: &Levels,
    ) -> Result<Totals, StoreError> {
        let (from, until) = (period.start.as_millis(), period.end.as_millis());
        let (within, short) = (signed(limits.service_level_ms), signed(limits.short_abandon_ms));
        let begin = match self {
            Self::Sqlite(_) => BEGIN_SQLITE,
            Self::Postgres(_) => BEGIN_POSTGRES,
        };
        let mut totals = Totals::default();
        on_either!(self, pool => {
            let mut tx = pool.begin_with(begin).await?;
            let outcomes: Vec<(String,)> = sqlx::query_as(OUTCOMES).fetch_all(&mut *tx).await?;
            for (word,) in outcomes {
                let of = sqlx::query_as(OF_OUTCOME).bind(&word).bind(from).bind(until).bind(within).bind(short);
                let row = of.fetch_one(&mut *tx).await?;
                totals.outcomes.push((word, outcome_totals(row)));
            }
            let classes: Vec<(String,)> = sqlx::query_as(CLASSES).fetch_all(&mut *tx).await?;
            for (word,) in classes {
                let of = sqlx::query_as(OF_CLASS).bind(&word).bind(from).bind(until);
                let (calls,): (i64,) = of.fetch_one(&mut *tx).await?;
                totals.classes.push((word, calls.unsigned_abs()));
            }
            let unclassed = sqlx::query_as(UNCLASSED).bind(from).bind(until).fetch_one(&mut *tx).await?;
            let (unclassed,): (i64,) = unclassed;
            totals.unclassed = unclassed.unsigned_abs();
            let desks: Vec<(String,)> = sqlx::query_as(DESKS).fetch_all(&mut *tx).await?;
            for (desk,) in desks {
                let own = signed(levels.of(&desk).within_ms());
                let of = sqlx::query_as(OF_DESK).bind(&desk).bind(from).bind(until).bind(own).bind(short);
                let rows = of.fetch_all(&mut *tx).await?;
                totals.desks.push(desk_totals(desk, rows));
            }
            let operators: Vec<(String, Option<String>)> = sqlx::query_as(OPERATORS).fetch_all(&mut *tx).await?;
            let accounts: Vec<(String, String)> = sqlx::query_as(ACCOUNTS).fetch_all(&mut *tx).await?;
            let mut idle: BTreeMap<String, String> = accounts.into_iter().collect();
            for (operator, name) in operators {
                let of = sqlx::query_as(OF_OPERATOR).bind(&operator).bind(from).bind(until);
                let own = talk_totals(of.fetch_one(&mut *tx).await?);
                let known = idle.remove(&operator).is_some();
                if !known && own == TalkTotals::default() {
                    continue;
                }
                totals.operators.push(OperatorTotals { operator, name, totals: own });
            }
            let idle = idle.into_iter().map(|(operator, name)| OperatorTotals {
                operator,
                name: Some(name),
                totals: TalkTotals::default(),
            });
            totals.operators.extend(idle);
            let numbers = sqlx::query_as(OF_NUMBERS).bind(from).bind(until).fetch_all(&mut *tx).await?;
            (totals.fallback, totals.agencies) = number_totals(numbers);
            tx.rollback().await?;
        });
        totals.outcomes.retain(|(_, of)| of.calls > 0);
        totals.classes.retain(|(_, calls)| *calls > 0);
        totals.desks.retain(|of| of.calls > 0);
        // The databases sort differently.
        totals.outcomes.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        totals.classes.sort_unstable();
        totals.desks.sort_unstable_by(|one, other| one.desk.cmp(&other.desk));
        totals.operators.sort_unstable_by(|one, other| one.operator.cmp(&other.operator));
        Ok(totals)
    }
}

fn outcome_totals(row: (i64, i64, i64, i64, i64, i64, i64)) -> OutcomeTotals {
    let (calls, waited, longest, talk, wrap, within, short) = row;
    OutcomeTotals {
        calls: calls.unsigned_abs(),
        waited_ms: waited.unsigned_abs(),
        waited_longest_ms: longest.unsigned_abs(),
        talk_ms: talk.unsigned_abs(),
        wrap_ms: wrap.unsigned_abs(),
        within: within.unsigned_abs(),
        short: short.unsigned_abs(),
    }
}

fn desk_totals(desk: String, rows: Vec<(String, i64, i64, i64)>) -> DeskTotals {
    let mut totals = DeskTotals { desk, ..DeskTotals::default() };
    for (outcome, calls, within, short) in rows {
        let [calls, within, short] = [calls, within, short].map(i64::unsigned_abs);
        totals.calls += calls;
        if outcome == Outcome::Answered.word() {
            (totals.answered, totals.within) = (calls, within);
        } else if outcome == Outcome::Abandoned.word() {
            (totals.abandoned, totals.short) = (calls, short);
        }
    }
    totals
}

fn talk_totals((answered, talk, wrap, joined, joined_talk): (i64, i64, i64, i64, i64)) -> TalkTotals {
    TalkTotals {
        answered: answered.unsigned_abs(),
        talk_ms: talk.unsigned_abs(),
        wrap_ms: wrap.unsigned_abs(),
        joined: joined.unsigned_abs(),
        joined_ms: joined_talk.unsigned_abs(),
    }
}

/// The fallback number's totals and the agencies'.
fn number_totals(rows: Vec<(i16, i64, i64)>) -> (TalkTotals, TalkTotals) {
    let (mut fallback, mut agencies) = (TalkTotals::default(), TalkTotals::default());
    for (kind, calls, talk) in rows {
        let (calls, talk) = (calls.unsigned_abs(), talk.unsigned_abs());
        match kind {
            0 => (fallback.answered, fallback.talk_ms) = (calls, talk),
            1 => (fallback.joined, fallback.joined_ms) = (calls, talk),
            2 => (agencies.answered, agencies.talk_ms) = (calls, talk),
            _ => {}
        }
    }
    (fallback, agencies)
}

fn signed(millis: u64) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX)
}
