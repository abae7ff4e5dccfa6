//! What `[retention]` asks for, in small steps: personal values are erased, recordings, facts and records are deleted. Sums stay, and the
//! months whose records were deleted are counted no more.

use std::collections::{BTreeMap, BTreeSet};

use crate::cdr::Cdr;
use crate::cdr::fact::{Fact, FactKind};
use crate::cdr::rollup::{Calendar, Grain};
use crate::clock::Timestamp;
use crate::ids::CallId;
use crate::store::{Store, StoreError, on_either, seal};

use super::{Erasure, first_stream};

/// The name in facts of what the service erases by itself.
pub const BY_RETENTION: &str = "retention";
/// Facts that one step looks at, and streams or calls that one step deletes.
const STEP_FACTS: i64 = 2_000;
const STEP_STREAMS: i64 = 500;
const DAY_MS: i64 = 86_400_000;

pub(in crate::store) const STATE: &str = "SELECT rule, until, stream FROM retention";
const SET_STATE: &str = "INSERT INTO retention (rule, until, stream) VALUES ($1, $2, $3) \
    ON CONFLICT (rule) DO UPDATE SET until = excluded.until, stream = excluded.stream";
const FACTS: &str = "SELECT stream, seq, body FROM fact WHERE stream > $1 AND stream < $2 \
    AND kind IN ('received', 'located', 'disposed', 'digit', 'chosen', 'placed') ORDER BY stream, seq LIMIT $3";
const SERVICE_FACTS: &str = "SELECT stream, seq, body FROM fact WHERE kind IN ('caller-marked', 'commanded') \
    AND at >= $1 AND at < $2 ORDER BY at, stream, seq LIMIT $3";
const RECORDINGS: &str = "SELECT received, call, body FROM cdr WHERE received < $2 AND (received, call) > ($1, $3) \
    ORDER BY received, call LIMIT $4";
/// Calls and placed calls. The facts that say what was erased stay.
const OLD_STREAMS: &str = "SELECT stream FROM fact WHERE stream < $1 AND seq = 0 AND kind IN ('received', 'placed') \
    AND stream NOT IN (SELECT call FROM legal_hold) ORDER BY stream LIMIT $2";
const DELETE_FACTS: &str = "DELETE FROM fact WHERE stream = $1 AND kind <> 'erased'";
/// Of runs. The last operating mode is looked up however old it is.
const OLD_SERVICE_FACTS: &str = "SELECT stream, seq FROM fact WHERE stream < $1 AND at < $2 \
    AND kind IN ('started', 'stopped', 'caller-marked', 'operator-state', 'stationed', 'pin-refused', 'password-guessed', \
    'commanded') ORDER BY stream, seq LIMIT $3";
const DELETE_FACT: &str = "DELETE FROM fact WHERE stream = $1 AND seq = $2";
const OLD_RECORDS: &str = "SELECT call, body FROM cdr WHERE received < $1 AND call NOT IN (SELECT call FROM legal_hold) \
    ORDER BY received, call LIMIT $2";
const DELETE_RECORD: [&str; 3] =
    ["DELETE FROM talk WHERE call = $1", "DELETE FROM call_search WHERE call = $1", "DELETE FROM cdr WHERE call = $1"];
/// A call that was deleted completely needs no row that says what was erased.
const DELETE_ALL_FACTS: &str = "DELETE FROM fact WHERE stream = $1";

/// Days after which something is erased or deleted; None: never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    pub locations: Option<u32>,
    pub numbers: Option<u32>,
    pub recordings: Option<u32>,
    pub facts: Option<u32>,
    pub records: Option<u32>,
}

/// How far the rules have been applied: the values of the table `retention`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    rules: BTreeMap<String, (i64, String)>,
}

impl Retention {
    pub(in crate::store) fn of(rows: Vec<(String, i64, String)>) -> Self {
        Self { rules: rows.into_iter().map(|(rule, until, stream)| (rule, (until, stream))).collect() }
    }

    /// Calls that arrived before this time may have no facts any more.
    pub fn facts_until(&self) -> i64 {
        self.until("facts").max(self.records_until())
    }

    /// Calls that arrived before this time may have no record any more: their sums are kept as they are. The start of a month.
    pub fn records_until(&self) -> i64 {
        self.until("records")
    }

    fn until(&self, rule: &str) -> i64 {
        self.rules.get(rule).map_or(0, |(until, _)| *until)
    }

    fn stream(&self, rule: &str) -> &str {
        self.rules.get(rule).map_or("", |(_, stream)| stream)
    }
}

/// What one step has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    pub facts: u64,
    pub records: u64,
    /// Files of recordings that are to be deleted.
    pub recordings: Vec<String>,
    /// There is more to do.
    pub is_unfinished: bool,
}

impl Deleted {
    fn add(&mut self, other: Self) {
        self.facts += other.facts;
        self.records += other.records;
        self.recordings.extend(other.recordings);
        self.is_unfinished |= other.is_unfinished;
    }
}

impl Store {
    /// How far the rules have been applied.
    pub async fn retention(&self) -> Result<Retention, StoreError> {
        let rows: Vec<(String, i64, String)> = on_either!(self, pool => sqlx::query_as(STATE).fetch_all(pool).await?);
        Ok(Retention::of(rows))
    }

    async fn set_retention(&self, rule: &str, until: i64, stream: &str) -> Result<(), StoreError> {
        on_either!(self, pool => {
            sqlx::query(SET_STATE).bind(rule).bind(until).bind(stream).execute(pool).await.map(drop)
        })?;
        Ok(())
    }

    /// Does one step of each rule.
    pub async fn apply_retention(&self, journal: &str, rules: &Rules, now: Timestamp) -> Result<Deleted, StoreError> {
        let state = self.retention().await?;
        let mut done = Deleted::default();
        let before = |days: u32| now.as_millis() - i64::from(days) * DAY_MS;
        for call in self.lifted_calls().await? {
            done.add(self.apply_to(journal, call, &state, now).await?);
        }
        if let Some(days) = rules.locations {
            let is_located = |kind: &FactKind| matches!(kind, FactKind::Located { .. });
            done.add(self.erase_before(journal, "locations", before(days), &state, is_located, now).await?);
        }
        if let Some(days) = rules.numbers {
            done.add(self.erase_before(journal, "numbers", before(days), &state, |_| true, now).await?);
            done.add(self.erase_service_facts(journal, before(days), &state, now).await?);
        }
        if let Some(days) = rules.recordings {
            done.add(self.delete_recordings(journal, before(days), &state, now).await?);
        }
        if let Some(days) = rules.facts {
            done.add(self.delete_facts(before(days), &state).await?);
        }
        if let Some(days) = rules.records {
            done.add(self.delete_records(before(days), &state).await?);
        }
        Ok(done)
    }

    /// Does for one call, whose hold was lifted, what the rules have done for the others meanwhile.
    async fn apply_to(
        &self,
        journal: &str,
        call: CallId,
        state: &Retention,
        now: Timestamp,
    ) -> Result<Deleted, StoreError> {
        let text = call.to_string();
        let is_passed = |rule: &str| !state.stream(rule).is_empty() && text.as_str() <= state.stream(rule);
        let mut done = Deleted::default();
        if is_passed("numbers") || is_passed("locations") {
            let all = is_passed("numbers");
            let facts = self.facts_of_caller(call, |_| false).await?;
            let mut seqs = BTreeSet::new();
            for (_, seq) in facts {
                if all || self.is_located(call, seq).await? {
                    seqs.insert(seq);
                }
            }
            let ground = if all { "numbers_days" } else { "locations_days" };
            let erased = self.erase_stream(journal, call, &seqs, &by_rule(ground, now, false)).await?;
            done.facts += erased.facts;
        }
        let arrived = i64::try_from(call.as_u128() >> 80).unwrap_or(i64::MAX);
        if arrived < state.until("recordings") {
            let erased =
                self.erase_stream(journal, call, &BTreeSet::new(), &by_rule("recordings_days", now, true)).await?;
            done.recordings.extend(erased.recordings);
        }
        self.remove_lifted(call).await?;
        Ok(done)
    }

    async fn is_located(&self, call: CallId, seq: u32) -> Result<bool, StoreError> {
        let facts = self.facts(call).await?;
        Ok(facts.iter().any(|fact| fact.id.seq == seq && matches!(fact.kind, FactKind::Located { .. })))
    }

    /// Erases values of calls that began before a time.
    async fn erase_before(
        &self,
        journal: &str,
        rule: &str,
        before: i64,
        state: &Retention,
        is_wanted: impl Fn(&FactKind) -> bool,
        now: Timestamp,
    ) -> Result<Deleted, StoreError> {
        let (after, until) = (state.stream(rule), first_stream(before));
        let rows: Vec<(String, i64, String)> = on_either!(self, pool => {
            sqlx::query_as(FACTS).bind(after).bind(&until).bind(STEP_FACTS).fetch_all(pool).await?
        });
        let is_full = rows.len() as i64 == STEP_FACTS;
        let mut streams: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
        let mut placed = Vec::new();
        for (stream, seq, body) in &rows {
            let seqs = streams.entry(stream.clone()).or_default();
            let Some(fact) = Fact::read(body.as_bytes()).filter(|fact| is_wanted(&fact.kind)) else { continue };
            if matches!(fact.kind, FactKind::Placed { .. }) {
                placed.push((stream.clone(), fact.id.stream));
            }
            if seal::values(body).is_some() {
                seqs.extend(u32::try_from(*seq));
            }
        }
        // Each fact of a placed call has the number that was called.
        for (text, stream) in placed {
            let facts = self.facts_of_caller(stream, |_| true).await?;
            streams.entry(text).or_default().extend(facts.into_iter().map(|(_, seq)| seq));
        }
        // The last stream may have more facts than were read; one that fills the whole step is taken as it is.
        if is_full && streams.len() > 1 {
            streams.pop_last();
        }
        let Some(last) = streams.keys().next_back().cloned() else { return Ok(Deleted::default()) };
        let held = self.held_calls().await?;
        let mut done = Deleted { is_unfinished: is_full, ..Deleted::default() };
        let erasure = by_rule(&format!("{rule}_days"), now, false);
        for (stream, seqs) in &streams {
            let Ok(stream) = stream.parse::<CallId>() else { continue };
            if !held.contains(&stream) && !seqs.is_empty() {
                done.facts += self.erase_stream(journal, stream, seqs, &erasure).await?.facts;
            }
        }
        self.set_retention(rule, before, &last).await?;
        Ok(done)
    }

    /// Erases the numbers in facts of the service.
    async fn erase_service_facts(
        &self,
        journal: &str,
        before: i64,
        state: &Retention,
        now: Timestamp,
    ) -> Result<Deleted, StoreError> {
        let rule = "service-numbers";
        let rows: Vec<(String, i64, String)> = on_either!(self, pool => {
            sqlx::query_as(SERVICE_FACTS).bind(state.until(rule)).bind(before).bind(STEP_FACTS).fetch_all(pool).await?
        });
        let mut streams: BTreeMap<CallId, BTreeSet<u32>> = BTreeMap::new();
        let mut until = before;
        for (_, _, body) in &rows {
            let Some(fact) = Fact::read(body.as_bytes()) else { continue };
            until = fact.at.as_millis();
            if seal::values(body).is_some() {
                streams.entry(fact.id.stream).or_default().insert(fact.id.seq);
            }
        }
        let is_full = rows.len() as i64 == STEP_FACTS;
        let mut done = Deleted { is_unfinished: is_full, ..Deleted::default() };
        let erasure = by_rule("numbers_days", now, false);
        for (stream, seqs) in &streams {
            done.facts += self.erase_stream(journal, *stream, seqs, &erasure).await?.facts;
        }
        // More facts than a step may have the same time.
        let stuck = is_full && until == state.until(rule);
        self.set_retention(rule, if is_full && !stuck { until } else { until.max(before) }, "").await?;
        Ok(done)
    }

    async fn delete_recordings(
        &self,
        journal: &str,
        before: i64,
        state: &Retention,
        now: Timestamp,
    ) -> Result<Deleted, StoreError> {
        let rule = "recordings";
        let (from, after) = (state.until(rule), state.stream(rule));
        let rows: Vec<(i64, String, String)> = on_either!(self, pool => {
            sqlx::query_as(RECORDINGS).bind(from).bind(before).bind(after).bind(STEP_STREAMS).fetch_all(pool).await?
        });
        let held = self.held_calls().await?;
        let mut done = Deleted { is_unfinished: rows.len() as i64 == STEP_STREAMS, ..Deleted::default() };
        for (_, _, body) in &rows {
            let Ok(cdr) = serde_json::from_str::<Cdr>(body) else { continue };
            if held.contains(&cdr.call) || cdr.recordings.iter().all(|one| one.erased) {
                continue;
            }
            let erasure = by_rule("recordings_days", now, true);
            let erased = self.erase_stream(journal, cdr.call, &BTreeSet::new(), &erasure).await?;
            done.recordings.extend(erased.recordings);
        }
        if let Some((received, call, _)) = rows.last() {
            self.set_retention(rule, *received, call).await?;
        }
        Ok(done)
    }

    async fn delete_facts(&self, before: i64, state: &Retention) -> Result<Deleted, StoreError> {
        // First the time, so that a comparison with the records in between finds no difference.
        self.set_retention("facts", before.max(state.until("facts")), "").await?;
        let until = first_stream(before);
        let done = on_either!(self, pool => {
            let mut tx = pool.begin().await?;
            let streams: Vec<(String,)> =
                sqlx::query_as(OLD_STREAMS).bind(&until).bind(STEP_STREAMS).fetch_all(&mut *tx).await?;
            let mut facts = 0;
            for (stream,) in &streams {
                facts += sqlx::query(DELETE_FACTS).bind(stream).execute(&mut *tx).await?.rows_affected();
            }
            let service: Vec<(String, i64)> = sqlx::query_as(OLD_SERVICE_FACTS)
                .bind(&until).bind(before).bind(STEP_FACTS).fetch_all(&mut *tx).await?;
            for (stream, seq) in &service {
                facts += sqlx::query(DELETE_FACT).bind(stream).bind(seq).execute(&mut *tx).await?.rows_affected();
            }
            tx.commit().await?;
            let is_unfinished = streams.len() as i64 == STEP_STREAMS || service.len() as i64 == STEP_FACTS;
            Deleted { facts, is_unfinished, ..Deleted::default() }
        });
        Ok(done)
    }

    /// Deletes the records of whole months, with what is left of their facts and recordings.
    async fn delete_records(&self, before: i64, state: &Retention) -> Result<Deleted, StoreError> {
        let zone = self.rollup_state().await?.zone;
        let Some(calendar) = Calendar::named(&zone) else { return Ok(Deleted::default()) };
        let month = calendar.start(Grain::Month, Timestamp::from_millis(before)).as_millis();
        let month = month.max(state.until("records"));
        self.set_retention("records", month, "").await?;
        let done = on_either!(self, pool => {
            let mut tx = pool.begin().await?;
            let rows: Vec<(String, String)> =
                sqlx::query_as(OLD_RECORDS).bind(month).bind(STEP_STREAMS).fetch_all(&mut *tx).await?;
            let mut done = Deleted { is_unfinished: rows.len() as i64 == STEP_STREAMS, ..Deleted::default() };
            for (call, body) in &rows {
                let cdr: Option<Cdr> = serde_json::from_str(body).ok();
                let recordings = cdr.into_iter().flat_map(|cdr| cdr.recordings);
                done.recordings.extend(recordings.map(|recording| recording.file));
                for delete in DELETE_RECORD {
                    sqlx::query(delete).bind(call).execute(&mut *tx).await?;
                }
                done.facts += sqlx::query(DELETE_ALL_FACTS).bind(call).execute(&mut *tx).await?.rows_affected();
                done.records += 1;
            }
            tx.commit().await?;
            done
        });
        Ok(done)
    }
}

fn by_rule(rule: &str, at: Timestamp, with_recordings: bool) -> Erasure {
    Erasure { at, by: BY_RETENTION.to_owned(), second: None, ground: rule.to_owned(), with_recordings }
}
