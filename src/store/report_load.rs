//! The calls of a period as staffing plans need them. Changes nothing.

use std::ops::Range;

use crate::clock::Timestamp;

use super::{Store, StoreError, on_either};

/// Calls that are read at once.
const PAGE_CALLS: i64 = 10_000;
const LOADS: &str = "SELECT received, call, outcome, waited_ms, talk_ms + COALESCE(wrap_ms, 0) FROM call_search \
    WHERE received >= $1 AND (received, call) > ($1, $2) AND received < $3 AND class NOT IN ('drill', 'test') \
    ORDER BY received, call LIMIT $4";

/// What a call meant for the operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallLoad {
    pub received: Timestamp,
    pub call: String,
    /// A word of `cdr::Outcome`.
    pub outcome: String,
    pub waited_ms: u64,
    /// Talk and wrap-up.
    pub handled_ms: u64,
}

impl Store {
    /// The calls of a period after `last`, without drills and tests, in the order of arrival; at most one page. Empty: there are no more.
    pub async fn call_loads(
        &self,
        span: &Range<Timestamp>,
        last: Option<&CallLoad>,
    ) -> Result<Vec<CallLoad>, StoreError> {
        let (from, call) = last.map_or((span.start, ""), |last| (last.received, last.call.as_str()));
        let rows: Vec<(i64, String, String, i64, i64)> = on_either!(self, pool => {
            sqlx::query_as(LOADS).bind(from.as_millis()).bind(call).bind(span.end.as_millis()).bind(PAGE_CALLS)
                .fetch_all(pool).await?
        });
        let load = |(received, call, outcome, waited, handled): (i64, String, String, i64, i64)| CallLoad {
            received: Timestamp::from_millis(received),
            call,
            outcome,
            waited_ms: waited.unsigned_abs(),
            handled_ms: handled.unsigned_abs(),
        };
        Ok(rows.into_iter().map(load).collect())
    }
}
