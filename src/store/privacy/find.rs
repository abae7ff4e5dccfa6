//! Finds every stored fact with a number, and the other facts of its calls.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::cdr::Cdr;
use crate::cdr::fact::{Fact, FactKind};
use crate::cdr::personal::{self, Number};
use crate::clock::Timestamp;
use crate::ids::CallId;
use crate::limits::ERASED_FACTS_MAX;
use crate::store::{Store, StoreError, on_either, seal};

use super::first_stream;

const PAGE: i64 = 10_000;
const FACTS: &str = "SELECT stream, seq, body FROM fact WHERE (stream, seq) > ($1, $2) ORDER BY stream, seq LIMIT $3";
const SERVICE_FACTS: &str = "SELECT body FROM fact WHERE kind IN ('caller-marked', 'commanded') AND at >= $1";
const STREAM: &str = "SELECT seq, body FROM fact WHERE stream = $1 ORDER BY seq";
const RECORDS: &str = "SELECT call, body FROM cdr WHERE call > $1 ORDER BY call LIMIT $2";

/// What is looked for again: a call that was in progress may have begun so much earlier.
const SINCE_MS: i64 = 86_400_000;

/// Where a number was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Stream and number of each fact whose values are to be erased.
    pub facts: BTreeSet<(CallId, u32)>,
    /// Calls of the number, and calls that were placed to it.
    pub calls: BTreeSet<CallId>,
    /// Calls whose facts were deleted: only their records have the number.
    pub records: BTreeSet<CallId>,
    /// There were more facts than one erasure may have.
    pub is_cut: bool,
}

impl Found {
    /// Adds the facts with a number, among these.
    fn add<'b>(&mut self, number: &Number, bodies: impl Iterator<Item = &'b String>) {
        for body in bodies.filter(|body| seal::mentions(body, number)) {
            let Some(fact) = Fact::read(body.as_bytes()) else { continue };
            self.facts.insert((fact.id.stream, fact.id.seq));
            if matches!(fact.kind, FactKind::Received { .. } | FactKind::Placed { .. }) {
                self.calls.insert(fact.id.stream);
            }
        }
    }
}

impl Store {
    /// Reads all facts and records. Changes nothing.
    pub async fn find_number(&self, number: &Number) -> Result<Found, StoreError> {
        let mut found = Found::default();
        let mut after = (String::new(), i64::MIN);
        loop {
            let page: Vec<(String, i64, String)> = on_either!(self, pool => {
                sqlx::query_as(FACTS).bind(&after.0).bind(after.1).bind(PAGE).fetch_all(pool).await?
            });
            let Some((stream, seq, _)) = page.last() else { break };
            after = (stream.clone(), *seq);
            found.add(number, page.iter().map(|(_, _, body)| body));
        }
        self.find_in_records(number, &mut found).await?;
        self.complete(&mut found).await?;
        Ok(found)
    }

    /// Adds what was stored since a number was looked for at `asked`.
    pub(in crate::store) async fn find_again(
        &self,
        number: &Number,
        asked: Timestamp,
        found: &mut Found,
    ) -> Result<(), StoreError> {
        let since = asked.as_millis().saturating_sub(SINCE_MS);
        let mut after = (first_stream(since), i64::MIN);
        loop {
            let page: Vec<(String, i64, String)> = on_either!(self, pool => {
                sqlx::query_as(FACTS).bind(&after.0).bind(after.1).bind(PAGE).fetch_all(pool).await?
            });
            let Some((stream, seq, _)) = page.last() else { break };
            after = (stream.clone(), *seq);
            found.add(number, page.iter().map(|(_, _, body)| body));
        }
        // The stream of a run may have begun long before.
        let of_service: Vec<(String,)> =
            on_either!(self, pool => sqlx::query_as(SERVICE_FACTS).bind(since).fetch_all(pool).await?);
        found.add(number, of_service.iter().map(|(body,)| body));
        self.complete(found).await
    }

    /// Adds the other facts of the calls.
    async fn complete(&self, found: &mut Found) -> Result<(), StoreError> {
        for call in found.calls.clone() {
            found.facts.extend(self.facts_of_caller(call, |_| false).await?);
        }
        while found.facts.len() > ERASED_FACTS_MAX {
            found.is_cut = true;
            found.facts.pop_last();
        }
        Ok(())
    }

    /// The facts of a call with values of the caller, and others that are chosen.
    pub(super) async fn facts_of_caller(
        &self,
        call: CallId,
        chosen: impl Fn(&FactKind) -> bool,
    ) -> Result<Vec<(CallId, u32)>, StoreError> {
        let rows: Vec<(i64, String)> =
            on_either!(self, pool => sqlx::query_as(STREAM).bind(call.to_string()).fetch_all(pool).await?);
        let has = |(seq, body): &(i64, String)| {
            let fact = Fact::read(body.as_bytes())?;
            let is_wanted = personal::is_of_caller(&fact.kind) || chosen(&fact.kind);
            (is_wanted && seal::values(body).is_some()).then_some((call, u32::try_from(*seq).ok()?))
        };
        Ok(rows.iter().filter_map(has).collect())
    }

    async fn find_in_records(&self, number: &Number, found: &mut Found) -> Result<(), StoreError> {
        let mut after = String::new();
        loop {
            let page: Vec<(String, String)> = on_either!(self, pool => {
                sqlx::query_as(RECORDS).bind(&after).bind(PAGE).fetch_all(pool).await?
            });
            let Some((call, _)) = page.last() else { return Ok(()) };
            after.clone_from(call);
            for (_, body) in &page {
                let Ok(cdr) = serde_json::from_str::<Cdr>(body) else { continue };
                if cdr.personal_texts().any(|text| number.is_in(text)) && !found.calls.contains(&cdr.call) {
                    let has_facts = found.facts.range((cdr.call, 0)..=(cdr.call, u32::MAX)).next().is_some();
                    if !has_facts {
                        found.records.insert(cdr.call);
                    }
                }
            }
        }
    }
}
