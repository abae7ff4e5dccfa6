//! Restores the history of callers from records of earlier runs: call-backs, pranks, repeated calls and the operators'
//! last calls. The records arrive when the database can be read, and are merged with the changes since the start. Calls
//! never wait for them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::acd::section::is_dialable;
use crate::cdr::fact::{FactKind, OfferOutcome};
use crate::cdr::past::{Past, PastCall};
use crate::clock::{Now, Timestamp};
use crate::ids::CallId;
use crate::limits::CALL_BACKS_MAX;

use crate::switchboard::calls::Calls;
use crate::switchboard::calls::state::call_back_list::{CallBackList, Unanswered};
use crate::switchboard::calls::state::callers::CallerHistory;
use crate::switchboard::calls::state::last_call::LastCall;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::settings::sections::CallerSettings;

/// Maximum time from a call's arrival to its classification: the longest call, and time for the operator.
const CLASSED_WITHIN: Duration = Duration::from_secs(7 * 3_600);

impl CallerSettings {
    /// The age up to which records of earlier runs are needed at a start.
    pub fn lookback(&self) -> Duration {
        self.repeat.max(self.call_back).max(self.prank.saturating_add(CLASSED_WITHIN))
    }
}

/// The `by` of flags and modes that are set again after the wall clock was set.
pub(in crate::switchboard) const CALENDAR: &str = "calendar";
/// Smaller changes of the wall clock are ignored.
pub(in crate::switchboard) const STEP_MIN_MS: i64 = 2_000;

/// The end of a term that was set at `at` until `until`. If the wall clock was set back since then, the term lasts its
/// full length from now.
pub(in crate::switchboard) fn rebased(now: Timestamp, at: Timestamp, until: Timestamp) -> Timestamp {
    if at <= now { until } else { until.min(now.shifted(until.as_millis().saturating_sub(at.as_millis()).max(0))) }
}

/// The result of one call of a number, for the list of call-backs.
enum CallBackEvent {
    Unanswered(Unanswered),
    Reached,
    Tried,
}

impl Calls {
    /// Records that an operator has spoken with this number.
    pub(in crate::switchboard) fn reached(&mut self, number: &str) {
        self.numbers.call_backs.reached(number);
        if let Some(meanwhile) =
            self.numbers.changes_since_start.as_mut().filter(|all| all.reached.len() < CALL_BACKS_MAX)
        {
            meanwhile.reached.insert(number.to_owned());
        }
    }

    pub(in crate::switchboard) fn note_unflagged(&mut self, number: &str) {
        if let Some(meanwhile) =
            self.numbers.changes_since_start.as_mut().filter(|all| all.unflagged.len() < CALL_BACKS_MAX)
        {
            meanwhile.unflagged.insert(number.to_owned());
        }
    }

    pub(in crate::switchboard) fn note_disposition(&mut self, call: CallId, prank: bool) {
        if let Some(meanwhile) =
            self.numbers.changes_since_start.as_mut().filter(|all| all.classed.len() < CALL_BACKS_MAX)
        {
            meanwhile.classed.insert(call, prank);
        }
    }

    /// Restores each operator's last call, so that it can be classified by phone. A later call of this run takes
    /// precedence.
    pub(in crate::switchboard) fn remember_worked(&mut self, net: &mut NetworkParts, now: Now, past: &Past) {
        let talks =
            past.calls.iter().flat_map(|call| call.worked_by.iter().map(move |(who, since)| (*since, who, call)));
        let mut talks: Vec<_> = talks.collect();
        talks.sort_by_key(|(since, who, _)| (std::cmp::Reverse(*since), *who));
        for (_, operator, call) in talks {
            let (number, over_at) = (call.number.clone(), Some(call.ended.min(now.wall)));
            let worked = LastCall { call: call.call, number, over_at };
            if worked.is_of_late(now)
                && net.phones.has_account(operator)
                && !self.numbers.last_calls.contains_key(operator)
            {
                self.numbers.last_calls.insert(operator.clone(), worked);
            }
        }
    }
}

/// The list of call-backs from the records of earlier runs.
pub(in crate::switchboard) fn unanswered(now: Now, past: &Past, terms: &CallerSettings) -> CallBackList {
    let mut turns: Vec<(Timestamp, &str, CallBackEvent)> = Vec::new();
    for call in &past.calls {
        let Some(number) = call.number.as_deref().filter(|number| is_dialable(number)) else { continue };
        turns.push(match call.answered {
            Some(answered) => (answered, number, CallBackEvent::Reached),
            None => (call.ended, number, CallBackEvent::Unanswered(missed(now, call, terms))),
        });
        for back in &call.call_backs {
            let turn =
                if back.outcome == OfferOutcome::Answered { CallBackEvent::Reached } else { CallBackEvent::Tried };
            turns.push((back.at, number, turn));
        }
    }
    turns.sort_by_key(|(at, _, _)| *at);
    let mut list = CallBackList::default();
    for (at, number, turn) in turns {
        match turn {
            CallBackEvent::Unanswered(missed) => {
                list.expire(at, terms.call_back);
                // The earlier run has already reported entries that a full list dropped.
                list.add(number, missed);
            }
            CallBackEvent::Reached => list.reached(number),
            CallBackEvent::Tried => list.tried(number, at.min(now.wall)),
        }
    }
    list.expire(now.wall, terms.call_back);
    list
}

fn missed(now: Now, call: &PastCall, terms: &CallerSettings) -> Unanswered {
    let short = u128::from(call.waited_ms) < terms.short_abandon.as_millis();
    Unanswered { call: call.call, at: call.received.min(now.wall), waited_ms: call.waited_ms, short }
}

/// The history of numbers from the records of earlier runs.
pub(in crate::switchboard) fn known(
    now: Now,
    past: &Past,
    terms: &CallerSettings,
    classed: &BTreeMap<CallId, bool>,
) -> CallerHistory {
    enum CallerEvent {
        Calls,
        Prank(CallId),
        Marked(Timestamp),
        Lifted,
    }
    let mut words: Vec<(Timestamp, &str, CallerEvent)> = Vec::new();
    for call in &past.calls {
        let Some(number) = call.number.as_deref() else { continue };
        words.push((call.received, number, CallerEvent::Calls));
        let prank = match classed.get(&call.call) {
            Some(prank) => prank.then_some(now.wall),
            None => call.prank,
        };
        words.extend(prank.map(|at| (at, number, CallerEvent::Prank(call.call))));
    }
    for fact in &past.facts {
        if let FactKind::CallerMarked { number, until, .. } = &fact.kind {
            words.push((fact.at, number, until.map_or(CallerEvent::Lifted, CallerEvent::Marked)));
        }
    }
    words.sort_by_key(|(at, _, _)| *at);
    let mut callers = CallerHistory::default();
    for (set_at, number, word) in words {
        // A time in the future, written while the clock was ahead, counts as now.
        let at = set_at.min(now.wall);
        match word {
            CallerEvent::Calls => {
                callers.calls(number, at, terms);
            }
            CallerEvent::Prank(call) => callers.classed(number, call, true, at, terms),
            CallerEvent::Marked(until) => callers.mark(number, rebased(now.wall, set_at, until), at, terms),
            CallerEvent::Lifted => {
                callers.clear(number, at, terms);
            }
        }
    }
    callers
}
