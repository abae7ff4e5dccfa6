//! What earlier runs knew of callers: whom nobody has answered, whose calls were pranks, how often a number has called, whose last
//! call was which. It comes when the database can tell it, and is merged with what has happened since the start; calls never wait for it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::acd::section::is_dialable;
use crate::cdr::fact::{FactKind, OfferOutcome};
use crate::cdr::past::{Past, PastCall};
use crate::clock::{Now, Timestamp};
use crate::ids::{CallId, OperatorId};
use crate::limits::CALL_BACKS_MAX;

use crate::switchboard::calls::abandoned::{Abandoned, Unanswered};
use crate::switchboard::calls::callers::{CallerTerms, Callers};
use crate::switchboard::calls::classes::Worked;
use crate::switchboard::{Calls, NetworkParts};

/// A call may be classed so long after its arrival: the longest one, and what an operator may take his time for.
const CLASSED_WITHIN: Duration = Duration::from_secs(7 * 3_600);

/// What must not be undone by what earlier runs knew.
#[derive(Debug, Default)]
pub(in crate::switchboard) struct Meanwhile {
    /// Numbers that somebody has spoken with. At most `limits::CALL_BACKS_MAX`, as all here; more: somebody may be called once too often.
    pub(in crate::switchboard) reached: BTreeSet<String>,
    /// Numbers whose calls wait behind others no longer, as somebody has said.
    pub(in crate::switchboard) lifted: BTreeSet<String>,
    /// Calls that were classed, and whether as pranks.
    pub(in crate::switchboard) classed: BTreeMap<CallId, bool>,
    /// Stations at which somebody has logged in or out.
    pub(in crate::switchboard) stations: BTreeSet<OperatorId>,
}

impl CallerTerms {
    /// What was received longer ago matters no more at a start.
    pub fn remembered(&self) -> Duration {
        self.repeat.max(self.call_back).max(self.prank.saturating_add(CLASSED_WITHIN))
    }
}

/// The `by` of flags and modes that are set again after a step of the wall clock.
pub(in crate::switchboard) const CALENDAR: &str = "calendar";
/// A smaller step of the wall clock is ignored.
pub(in crate::switchboard) const STEP_MIN_MS: i64 = 2_000;

/// The end of a term that was set at `at` until `until`. If the wall clock was set back since then, the term lasts for its full length
/// from now on, and no longer.
pub(in crate::switchboard) fn rebased(now: Timestamp, at: Timestamp, until: Timestamp) -> Timestamp {
    if at <= now { until } else { until.min(now.shifted(until.as_millis().saturating_sub(at.as_millis()).max(0))) }
}

/// What became of a number's call, for the list of call-backs.
enum Turn {
    Unanswered(Unanswered),
    Reached,
    Tried,
}

impl Calls {
    /// Somebody has spoken with the one who has this number.
    pub(in crate::switchboard) fn reached(&mut self, number: &str) {
        self.numbers.abandoned.reached(number);
        if let Some(meanwhile) = self.numbers.meanwhile.as_mut().filter(|all| all.reached.len() < CALL_BACKS_MAX) {
            meanwhile.reached.insert(number.to_owned());
        }
    }

    pub(in crate::switchboard) fn lifted_meanwhile(&mut self, number: &str) {
        if let Some(meanwhile) = self.numbers.meanwhile.as_mut().filter(|all| all.lifted.len() < CALL_BACKS_MAX) {
            meanwhile.lifted.insert(number.to_owned());
        }
    }

    pub(in crate::switchboard) fn classed_meanwhile(&mut self, call: CallId, prank: bool) {
        if let Some(meanwhile) = self.numbers.meanwhile.as_mut().filter(|all| all.classed.len() < CALL_BACKS_MAX) {
            meanwhile.classed.insert(call, prank);
        }
    }
}

impl Calls {
    /// The last call of each operator can be classed by phone still, unless he has had another since.
    pub(in crate::switchboard) fn remember_worked(&mut self, net: &mut NetworkParts, now: Now, past: &Past) {
        let talks =
            past.calls.iter().flat_map(|call| call.worked_by.iter().map(move |(who, since)| (*since, who, call)));
        let mut talks: Vec<_> = talks.collect();
        talks.sort_by_key(|(since, who, _)| (std::cmp::Reverse(*since), *who));
        for (_, operator, call) in talks {
            let (number, over_at) = (call.number.clone(), Some(call.ended.min(now.wall)));
            let worked = Worked { call: call.call, number, over_at };
            if worked.is_of_late(now) && net.phones.has_account(operator) && !self.numbers.worked.contains_key(operator)
            {
                self.numbers.worked.insert(operator.clone(), worked);
            }
        }
    }
}

/// The list of call-backs as it would be, had the service never ended.
pub(in crate::switchboard) fn unanswered(now: Now, past: &Past, terms: &CallerTerms) -> Abandoned {
    let mut turns: Vec<(Timestamp, &str, Turn)> = Vec::new();
    for call in &past.calls {
        let Some(number) = call.number.as_deref().filter(|number| is_dialable(number)) else { continue };
        turns.push(match call.answered {
            Some(answered) => (answered, number, Turn::Reached),
            None => (call.ended, number, Turn::Unanswered(missed(now, call, terms))),
        });
        for back in &call.call_backs {
            let turn = if back.outcome == OfferOutcome::Answered { Turn::Reached } else { Turn::Tried };
            turns.push((back.at, number, turn));
        }
    }
    turns.sort_by_key(|(at, _, _)| *at);
    let mut list = Abandoned::default();
    for (at, number, turn) in turns {
        match turn {
            Turn::Unanswered(missed) => {
                list.expire(at, terms.call_back);
                // Whom a full list has lost was told by the run that lost him.
                list.add(number, missed);
            }
            Turn::Reached => list.reached(number),
            Turn::Tried => list.tried(number, at.min(now.wall)),
        }
    }
    list.expire(now.wall, terms.call_back);
    list
}

fn missed(now: Now, call: &PastCall, terms: &CallerTerms) -> Unanswered {
    let short = u128::from(call.waited_ms) < terms.short_abandon.as_millis();
    Unanswered { call: call.call, at: call.received.min(now.wall), waited_ms: call.waited_ms, short }
}

/// What would be known of numbers, had the service never ended.
pub(in crate::switchboard) fn known(
    now: Now,
    past: &Past,
    terms: &CallerTerms,
    classed: &BTreeMap<CallId, bool>,
) -> Callers {
    enum Word {
        Calls,
        Prank(CallId),
        Marked(Timestamp),
        Lifted,
    }
    let mut words: Vec<(Timestamp, &str, Word)> = Vec::new();
    for call in &past.calls {
        let Some(number) = call.number.as_deref() else { continue };
        words.push((call.received, number, Word::Calls));
        let prank = match classed.get(&call.call) {
            Some(prank) => prank.then_some(now.wall),
            None => call.prank,
        };
        words.extend(prank.map(|at| (at, number, Word::Prank(call.call))));
    }
    for fact in &past.facts {
        if let FactKind::CallerMarked { number, until, .. } = &fact.kind {
            words.push((fact.at, number, until.map_or(Word::Lifted, Word::Marked)));
        }
    }
    words.sort_by_key(|(at, _, _)| *at);
    let mut callers = Callers::default();
    for (set_at, number, word) in words {
        // What was written while the clock was ahead counts from now on.
        let at = set_at.min(now.wall);
        match word {
            Word::Calls => {
                callers.calls(number, at, terms);
            }
            Word::Prank(call) => callers.classed(number, call, true, at, terms),
            Word::Marked(until) => callers.mark(number, rebased(now.wall, set_at, until), at, terms),
            Word::Lifted => {
                callers.clear(number, at, terms);
            }
        }
    }
    callers
}
