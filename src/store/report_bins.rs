//! Counts of calls by quarter of an hour, for charts. Quarters suit every time zone.

use std::ops::Range;

use crate::clock::Timestamp;

use super::report_queries::Limits;
use super::{Store, StoreError, on_either};

/// Milliseconds of one quarter of an hour.
pub const QUARTER_MS: i64 = 900_000;
const BINS: &str = "SELECT received / 900000, COUNT(*), COUNT(*) FILTER (WHERE outcome = 'answered'), \
    COUNT(*) FILTER (WHERE outcome = 'answered' AND waited_ms <= $3), \
    COUNT(*) FILTER (WHERE outcome = 'abandoned' AND waited_ms >= $4), COUNT(*) FILTER (WHERE waited_ms > 60000) \
    FROM cdr WHERE received >= $1 AND received < $2 AND COALESCE(class, '') NOT IN ('drill', 'test') \
    GROUP BY received / 900000 ORDER BY received / 900000";

/// The calls that arrived in one quarter of an hour, without drills and tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bin {
    /// The start of the quarter.
    pub start: Timestamp,
    pub calls: u64,
    pub answered: u64,
    /// Answered calls that waited no longer than the service level's target time.
    pub within: u64,
    /// Abandoned calls without short ones.
    pub abandoned: u64,
    /// Calls that waited longer than one minute.
    pub long: u64,
}

impl Store {
    /// The quarters of a period that have calls, in their order.
    pub async fn bins(&self, period: &Range<Timestamp>, limits: Limits) -> Result<Vec<Bin>, StoreError> {
        let signed = |millis: u64| i64::try_from(millis).unwrap_or(i64::MAX);
        let (within, short) = (signed(limits.service_level_ms), signed(limits.short_abandon_ms));
        let rows: Vec<(i64, i64, i64, i64, i64, i64)> = on_either!(self, pool => sqlx::query_as(BINS)
            .bind(period.start.as_millis()).bind(period.end.as_millis()).bind(within).bind(short).fetch_all(pool).await?);
        let bin = |(quarter, calls, answered, within, abandoned, long): (i64, i64, i64, i64, i64, i64)| Bin {
            start: Timestamp::from_millis(quarter.saturating_mul(QUARTER_MS)),
            calls: calls.unsigned_abs(),
            answered: answered.unsigned_abs(),
            within: within.unsigned_abs(),
            abandoned: abandoned.unsigned_abs(),
            long: long.unsigned_abs(),
        };
        Ok(rows.into_iter().map(bin).collect())
    }
}
