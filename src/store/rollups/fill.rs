//! Begins, fills and renews the roll-ups.

use crate::cdr::Cdr;
use crate::cdr::rollup::{Changes, Rules, Targets, VERSION};
use crate::clock::Timestamp;
use crate::config::Report;

use crate::store::facts::RowInserts as _;
use crate::store::privacy::{self, Retention};
use crate::store::search_row::SearchRow;
use crate::store::{Store, StoreError, on_either};

use super::{COMPLETE, Counting, LOCK, RollupRows as _, SET_STATE, State, readable, targets};

/// Records of one step.
const STEP_CALLS: usize = 4_000;
/// Rows for searching that one statement writes.
const SEARCH_ROWS: usize = 500;

const NEXT: &str = "SELECT received, call, body FROM cdr WHERE received >= $1 AND (received, call) > ($1, $2) \
    ORDER BY received, call LIMIT $3";
const SINCE: &str = "SELECT body FROM cdr WHERE received >= $1 ORDER BY received, call";
/// Rows whose record is no longer there.
const FORGET_SEARCH: &str = "DELETE FROM call_search WHERE NOT EXISTS \
    (SELECT 1 FROM cdr WHERE cdr.call = call_search.call AND cdr.received = call_search.received)";
/// The sums of months whose records were deleted stay.
const FORGET_CALLS: &str = "DELETE FROM rollup WHERE start >= $1";
const FORGET_OPERATORS: &str = "DELETE FROM rollup_operator WHERE start >= $1";
const FORGET_KEYS: &str =
    "DELETE FROM rollup_key WHERE NOT EXISTS (SELECT 1 FROM rollup WHERE rollup.key = rollup_key.key)";
/// After every id of a call.
const LAST_CALL: &str = "~";

/// The settings by which a database counts calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The IANA name of the site's time zone.
    pub zone: String,
    pub targets: Targets,
}

impl Settings {
    /// Those of a configuration.
    pub fn of(report: &Report, zone: &jiff::tz::TimeZone) -> Self {
        let millis = |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let desk = |level: crate::config::ServiceLevel| crate::cdr::rollup::DeskTarget {
            within_ms: level.within_ms(),
            percent: level.percent,
        };
        let desks = report.levels.desks.iter().map(|(name, level)| (name.clone(), desk(*level))).collect();
        let targets = Targets {
            within_ms: millis(report.service_level),
            percent: report.levels.usual.percent,
            short_ms: millis(report.short_abandon),
            desks,
        };
        Self { zone: zone.iana_name().unwrap_or_default().to_owned(), targets }
    }
}

/// The roll-ups after `prepare_rollups`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prepared {
    Complete,
    /// `fill_rollups` must be called until all records are counted.
    ToFill,
    /// They are in this time zone; `siaga report rebuild` makes them anew.
    OtherZone(String),
}

impl Store {
    /// Begins roll-ups in a database that has none of this version, and stores the targets if they have changed: they apply from `now` on.
    pub async fn prepare_rollups(&self, settings: &Settings, now: Timestamp) -> Result<Prepared, StoreError> {
        let state = on_either!(self, pool => {
            let mut tx = pool.begin().await?;
            let mut state = State::of(sqlx::query_as(LOCK).fetch_one(&mut *tx).await?);
            let rows: Vec<(i64, String)> = sqlx::query_as(targets::ALL).fetch_all(&mut *tx).await?;
            if !state.is_valid() {
                let kept: Vec<(String, i64, String)> = sqlx::query_as(privacy::STATE).fetch_all(&mut *tx).await?;
                let from = Retention::of(kept).records_until();
                for forget in [FORGET_CALLS, FORGET_OPERATORS] {
                    sqlx::query(forget).bind(from).execute(&mut *tx).await?;
                }
                sqlx::query(FORGET_KEYS).execute(&mut *tx).await?;
                let until = (from - 1, LAST_CALL.to_owned());
                state = State { version: VERSION, zone: settings.zone.clone(), until };
                let set = sqlx::query(SET_STATE).bind(state.version).bind(&state.zone).bind(from - 1).bind(LAST_CALL);
                set.execute(&mut *tx).await?;
            }
            let body = serde_json::to_string(&settings.targets)?;
            match targets::history(&rows)? {
                None => {
                    sqlx::query(targets::INSERT).bind(0_i64).bind(body).execute(&mut *tx).await?;
                }
                Some(history) if *history.last() == settings.targets => {}
                Some(history) => {
                    let since = rows.last().map_or(0, |(last, _)| last.saturating_add(1)).max(now.as_millis());
                    sqlx::query(targets::INSERT).bind(since).bind(body).execute(&mut *tx).await?;
                    let later: Vec<(String,)> = sqlx::query_as(SINCE).bind(since).fetch_all(&mut *tx).await?;
                    if let Some((changes, rules)) = judged_again(&state, history, settings, since, &later) {
                        tx.add_changes(changes, &rules).await?;
                    }
                }
            }
            tx.commit().await?;
            state
        });
        Ok(match () {
            () if state.zone != settings.zone => Prepared::OtherZone(state.zone),
            () if state.is_complete() => Prepared::Complete,
            () => Prepared::ToFill,
        })
    }

    /// Counts the next records that are not counted yet. Returns true if there are no more.
    pub async fn fill_rollups(&self) -> Result<bool, StoreError> {
        on_either!(self, pool => {
            let mut tx = pool.begin().await?;
            let Some(Counting { state, rules }) = tx.begin_counting().await? else { return Ok(false) };
            if state.is_complete() {
                tx.rollback().await?;
                return Ok(true);
            }
            let limit = i64::try_from(STEP_CALLS).unwrap_or(i64::MAX);
            let next = sqlx::query_as(NEXT).bind(state.until.0).bind(&state.until.1).bind(limit);
            let rows: Vec<(i64, String, String)> = next.fetch_all(&mut *tx).await?;
            let mut changes = Changes::default();
            let cdrs: Vec<Cdr> = rows.iter().filter_map(|(_, _, body)| readable(body)).collect();
            cdrs.iter().for_each(|cdr| changes.count(cdr, &rules, 1));
            tx.add_changes(changes, &rules).await?;
            let searched: Vec<SearchRow<'_>> = cdrs.iter().filter_map(SearchRow::of).collect();
            for part in searched.chunks(SEARCH_ROWS) {
                tx.upsert_search(part).await?;
            }
            let last = rows.last().filter(|_| rows.len() == STEP_CALLS);
            let (received, call) = last.map_or((COMPLETE, ""), |(received, call, _)| (*received, call.as_str()));
            let set = sqlx::query(SET_STATE).bind(state.version).bind(&state.zone).bind(received).bind(call);
            set.execute(&mut *tx).await?;
            tx.commit().await?;
            Ok(last.is_none())
        })
    }

    /// Removes all sums, and begins them in this time zone. `fill_rollups` then counts the records, and renews the rows by which they are
    /// searched.
    pub async fn forget_rollups(&self, settings: &Settings) -> Result<(), StoreError> {
        on_either!(self, pool => {
            let mut tx = pool.begin().await?;
            let _state: super::StateRow = sqlx::query_as(LOCK).fetch_one(&mut *tx).await?;
            let kept: Vec<(String, i64, String)> = sqlx::query_as(privacy::STATE).fetch_all(&mut *tx).await?;
            let from = Retention::of(kept).records_until();
            for forget in [FORGET_CALLS, FORGET_OPERATORS] {
                sqlx::query(forget).bind(from).execute(&mut *tx).await?;
            }
            for forget in [FORGET_KEYS, FORGET_SEARCH] {
                sqlx::query(forget).execute(&mut *tx).await?;
            }
            let set = sqlx::query(SET_STATE).bind(VERSION).bind(&settings.zone).bind(from - 1).bind(LAST_CALL);
            set.execute(&mut *tx).await?;
            let rows: Vec<(i64, String)> = sqlx::query_as(targets::ALL).fetch_all(&mut *tx).await?;
            if rows.is_empty() {
                let body = serde_json::to_string(&settings.targets)?;
                sqlx::query(targets::INSERT).bind(0_i64).bind(body).execute(&mut *tx).await?;
            }
            tx.commit().await?;
        });
        Ok(())
    }
}

/// The changes if new targets apply to calls that are already counted, because the clock was ahead when they arrived.
fn judged_again(
    state: &State,
    history: crate::cdr::rollup::TargetHistory,
    settings: &Settings,
    since: i64,
    later: &[(String,)],
) -> Option<(Changes, Rules)> {
    let calendar = crate::cdr::rollup::Calendar::named(&state.zone)?;
    let mut counting = Counting { state: state.clone(), rules: Rules { calendar, targets: history } };
    let mut changes = Changes::default();
    let cdrs: Vec<_> = later.iter().filter_map(|(body,)| readable(body)).collect();
    cdrs.iter().for_each(|cdr| counting.count(&mut changes, cdr, -1));
    counting.rules.targets.add(Timestamp::from_millis(since), settings.targets.clone());
    cdrs.iter().for_each(|cdr| counting.count(&mut changes, cdr, 1));
    Some((changes, counting.rules))
}
