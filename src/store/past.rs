//! Reads the records of earlier runs that a new run needs. The writer reads them after it has stored the last fact of the earlier runs and
//! before the first fact of this run, so that nothing is missing or counted twice.

use std::collections::VecDeque;

use tokio::sync::oneshot;
use tracing::warn;

use crate::cdr::fact::Fact;
use crate::cdr::past::{Past, PastCall};
use crate::clock::Timestamp;
use crate::ids::{CallId, OperatorId};
use crate::limits::{PAST_CALLS_MAX, PAST_MARKS_MAX};

use super::report_queries::StoredCall;
use super::{Store, StoreError, on_either};

/// Uses the index of the third migration.
const MARKS: &str = "SELECT body FROM fact WHERE kind IN ('caller-marked', 'posture-set') AND kind = 'caller-marked' \
    AND at >= $1 ORDER BY at DESC, stream DESC, seq DESC LIMIT $2";

const MODE: &str = "SELECT body FROM fact WHERE kind IN ('caller-marked', 'posture-set') AND kind = 'posture-set' \
    ORDER BY at DESC, stream DESC, seq DESC LIMIT 1";

/// Uses the index of the sixth migration.
const STATIONED: &str = "SELECT body FROM fact WHERE kind = 'stationed' AND at >= $1 \
    ORDER BY at DESC, stream DESC, seq DESC LIMIT $2";

const HAS_CALL: &str = "SELECT COUNT(*) FROM fact WHERE stream = $1 AND kind <> 'disposed'";
const WORKED: &str = "SELECT COUNT(*) FROM talk WHERE call = $1 AND operator = $2 AND guest = 0";

/// Number of failed attempts after which the writer continues without the records.
const TRIES: u32 = 3;

/// A query for the records of earlier runs.
#[derive(Debug)]
pub struct HistoryQuery {
    /// Calls that were received since this time.
    pub calls_since: Timestamp,
    /// Flags of callers, and operators at stations, since this time.
    pub marks_since: Timestamp,
    pub tell: oneshot::Sender<Past>,
    tries_left: u32,
}

impl HistoryQuery {
    /// Requests calls and flags since these times; `tell` receives the result.
    pub const fn new(calls_since: Timestamp, marks_since: Timestamp, tell: oneshot::Sender<Past>) -> Self {
        Self { calls_since, marks_since, tell, tries_left: TRIES }
    }

    /// Runs the query and sends the result. On an error, returns the query for the next attempt, if one is left.
    pub(super) async fn answer(mut self, store: &Store) -> Result<(), (StoreError, Option<Self>)> {
        match store.past(self.calls_since, self.marks_since).await {
            Ok(past) => {
                if self.tell.send(past).is_err() {
                    warn!("the run has ended before the data of earlier runs was read");
                }
                Ok(())
            }
            Err(fault) => {
                self.tries_left = self.tries_left.saturating_sub(1);
                let again = self.tries_left > 0;
                Err((fault, again.then_some(self)))
            }
        }
    }
}

impl Store {
    /// True if the database has a fact of the call that is not a disposition.
    pub async fn has_call(&self, call: CallId) -> Result<bool, StoreError> {
        let (facts,): (i64,) = on_either!(self, pool => {
            sqlx::query_as(HAS_CALL).bind(call.to_string()).fetch_one(pool).await?
        });
        Ok(facts > 0)
    }

    /// True if an operator has had the caller of a call that has ended.
    pub async fn has_worked(&self, call: CallId, operator: &OperatorId) -> Result<bool, StoreError> {
        let (call, operator) = (call.to_string(), operator.as_str());
        let (stretches,): (i64,) = on_either!(self, pool => {
            sqlx::query_as(WORKED).bind(call).bind(operator).fetch_one(pool).await?
        });
        Ok(stretches > 0)
    }

    /// The stored calls, flags and stations since these times, and the last operating mode, however old. Unreadable facts are skipped.
    pub async fn past(&self, calls_since: Timestamp, marks_since: Timestamp) -> Result<Past, StoreError> {
        let most = i64::try_from(PAST_MARKS_MAX).unwrap_or(i64::MAX);
        let marks: Vec<(String,)> = on_either!(self, pool => {
            sqlx::query_as(MARKS).bind(marks_since.as_millis()).bind(most).fetch_all(pool).await?
        });
        let mode: Option<(String,)> = on_either!(self, pool => {
            sqlx::query_as(MODE).fetch_optional(pool).await?
        });
        let stationed: Vec<(String,)> = on_either!(self, pool => {
            sqlx::query_as(STATIONED).bind(marks_since.as_millis()).bind(most).fetch_all(pool).await?
        });
        let kept = marks.iter().rev().chain(&mode).chain(stationed.iter().rev());
        let facts = kept.filter_map(|(body,)| Fact::read(body.as_bytes())).collect();
        let mut calls: VecDeque<PastCall> = VecDeque::new();
        let span = calls_since..Timestamp::from_millis(i64::MAX);
        let mut page = self.calls(&span, None).await?;
        while let Some(last) = page.last() {
            calls.extend(page.iter().filter_map(past_call));
            calls.drain(..calls.len().saturating_sub(PAST_CALLS_MAX));
            page = self.calls(&span, Some(last)).await?;
        }
        Ok(Past { calls: calls.into(), facts })
    }
}

fn past_call(stored: &StoredCall) -> Option<PastCall> {
    match stored.cdr() {
        Ok(cdr) => PastCall::of(&cdr),
        Err(fault) => {
            warn!(call = stored.call, %fault, "a record of an earlier run cannot be read: its caller is not remembered");
            None
        }
    }
}
