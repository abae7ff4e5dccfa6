//! The history of callers, by number.

use crate::clock::Timestamp;
use crate::ids::CallId;
use crate::limits::{CALLER_CALLS_MAX, CALLERS_MAX};
use crate::switchboard::ids::Checked;
use crate::switchboard::output::MarkView;
use crate::switchboard::settings::terms::CallerTerms;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// The history of the number of an incoming call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::switchboard) struct Known {
    /// The number of recent calls of this number, including this one. 0: the caller has no number.
    pub(in crate::switchboard) nth: u32,
    pub(in crate::switchboard) prank: bool,
}

/// The history of one number.
#[derive(Debug, Default)]
pub(in crate::switchboard::calls) struct Caller {
    /// The time of the last event.
    seen: Timestamp,
    calls: VecDeque<Timestamp>,
    pranks: BTreeMap<CallId, Timestamp>,
    /// A person has flagged the number until then.
    marked_until: Option<Timestamp>,
}

impl Caller {
    fn is_prank(&self, now: Timestamp, terms: &CallerTerms) -> bool {
        let marked = self.marked_until.is_some_and(|until| now < until);
        let of_late = self.pranks.values().filter(|at| is_within(**at, now, terms.prank)).count();
        marked || terms.prank_calls > 0 && of_late >= terms.prank_calls
    }

    /// True if nothing of the history is needed any longer.
    fn is_over(&self, now: Timestamp, terms: &CallerTerms) -> bool {
        let marked = self.marked_until.is_some_and(|until| now < until);
        !marked && !is_within(self.seen, now, terms.repeat.max(terms.prank))
    }
}

fn is_within(at: Timestamp, now: Timestamp, span: Duration) -> bool {
    u128::from(now.millis_since(at)) < span.as_millis()
}

/// All numbers, at most `limits::CALLERS_MAX`. If the table is full, the number without an event for the longest time is removed.
#[derive(Debug, Default)]
pub(in crate::switchboard) struct Callers {
    pub(in crate::switchboard::calls) all: BTreeMap<String, Caller>,
    by_age: BTreeSet<(Timestamp, String)>,
    checked: Checked,
}

impl Callers {
    /// Counts a call of a number, and returns the history.
    pub(in crate::switchboard) fn calls(&mut self, number: &str, now: Timestamp, terms: &CallerTerms) -> Known {
        self.hear_of(number, now, terms, |caller| {
            while caller.calls.front().is_some_and(|at| !is_within(*at, now, terms.repeat)) {
                caller.calls.pop_front();
            }
            if caller.calls.len() >= CALLER_CALLS_MAX {
                caller.calls.pop_front();
            }
            caller.calls.push_back(now);
            let nth = u32::try_from(caller.calls.len()).unwrap_or(u32::MAX);
            Known { nth, prank: caller.is_prank(now, terms) }
        })
    }

    /// Stores that a call of the number was classed as a prank call, or no longer is.
    pub(in crate::switchboard) fn classed(
        &mut self,
        number: &str,
        call: CallId,
        prank: bool,
        now: Timestamp,
        terms: &CallerTerms,
    ) {
        if !prank {
            if let Some(caller) = self.all.get_mut(number) {
                caller.pranks.remove(&call);
            }
            return;
        }
        self.hear_of(number, now, terms, |caller| {
            caller.pranks.retain(|_, at| is_within(*at, now, terms.prank));
            if caller.pranks.len() < CALLER_CALLS_MAX {
                caller.pranks.insert(call, now);
            }
        });
    }

    /// Flags a number until then: its calls wait behind others.
    pub(in crate::switchboard) fn mark(&mut self, number: &str, until: Timestamp, now: Timestamp, terms: &CallerTerms) {
        self.hear_of(number, now, terms, |caller| caller.marked_until = Some(until));
    }

    /// Removes the flag and the prank calls of a number. Returns false if its calls did not wait behind others.
    pub(in crate::switchboard) fn clear(&mut self, number: &str, now: Timestamp, terms: &CallerTerms) -> bool {
        let Some(caller) = self.all.get_mut(number).filter(|caller| caller.is_prank(now, terms)) else { return false };
        caller.marked_until = None;
        caller.pranks.clear();
        true
    }

    /// Shifts all times by this many milliseconds, because the wall clock was set.
    pub(in crate::switchboard) fn shift(&mut self, by_ms: i64) {
        self.checked.changed();
        self.by_age =
            std::mem::take(&mut self.by_age).into_iter().map(|(at, number)| (at.shifted(by_ms), number)).collect();
        for caller in self.all.values_mut() {
            caller.seen = caller.seen.shifted(by_ms);
            let times = caller.calls.iter_mut().chain(caller.pranks.values_mut()).chain(&mut caller.marked_until);
            times.for_each(|at| *at = at.shifted(by_ms));
        }
    }

    /// Merges the history of earlier runs. Flags that were lifted since stay lifted, and newer flags stay.
    pub(in crate::switchboard) fn take_over(&mut self, earlier: Self, lifted: &BTreeSet<String>) {
        self.checked.changed();
        for (number, mut was) in earlier.all {
            if lifted.contains(&number) {
                (was.marked_until, was.pranks) = (None, BTreeMap::new());
            }
            if let Some(is) = self.all.remove(&number) {
                self.by_age.remove(&(is.seen, number.clone()));
                was.seen = was.seen.max(is.seen);
                was.calls.extend(is.calls);
                was.pranks.extend(is.pranks);
                was.marked_until = is.marked_until.or(was.marked_until);
            } else if self.all.len() >= CALLERS_MAX {
                continue;
            }
            was.calls.drain(..was.calls.len().saturating_sub(CALLER_CALLS_MAX));
            while was.pranks.len() > CALLER_CALLS_MAX {
                was.pranks.pop_first();
            }
            self.by_age.insert((was.seen, number.clone()));
            self.all.insert(number, was);
        }
    }

    /// The numbers that a person has flagged, and until when.
    pub(in crate::switchboard) fn marked(&self, now: Timestamp) -> Vec<(String, Timestamp)> {
        let until = |caller: &Caller| caller.marked_until.filter(|until| now < *until);
        self.all.iter().filter_map(|(number, caller)| Some((number.clone(), until(caller)?))).collect()
    }

    /// The numbers whose calls wait behind others now.
    pub(in crate::switchboard::calls) fn marks(&self, now: Timestamp, terms: &CallerTerms) -> Vec<MarkView> {
        let marked = self.all.iter().filter(|(_, caller)| caller.is_prank(now, terms));
        let view = |(number, caller): (&String, &Caller)| MarkView {
            number: number.clone(),
            pranks: caller.pranks.values().filter(|at| is_within(**at, now, terms.prank)).count(),
            marked_until: caller.marked_until.filter(|until| now < *until),
        };
        marked.map(view).collect()
    }

    fn hear_of<T>(
        &mut self,
        number: &str,
        now: Timestamp,
        terms: &CallerTerms,
        change: impl FnOnce(&mut Caller) -> T,
    ) -> T {
        self.checked.changed();
        if !self.all.contains_key(number) {
            self.make_room(now, terms);
        }
        let caller = self.all.entry(number.to_owned()).or_default();
        self.by_age.remove(&(caller.seen, number.to_owned()));
        caller.seen = now;
        self.by_age.insert((now, number.to_owned()));
        change(caller)
    }

    fn make_room(&mut self, now: Timestamp, terms: &CallerTerms) {
        while let Some((_, oldest)) = self.by_age.first() {
            let over = self.all.get(oldest).is_none_or(|caller| caller.is_over(now, terms));
            if !over && self.all.len() < CALLERS_MAX {
                return;
            }
            if let Some((_, oldest)) = self.by_age.pop_first() {
                self.all.remove(&oldest);
            }
        }
    }

    /// Checks that both tables have the same numbers, and not too many.
    pub(in crate::switchboard) fn verify(&self) -> Result<(), String> {
        self.checked.check(|| {
            let both =
                self.by_age.iter().all(|(seen, number)| self.all.get(number).is_some_and(|one| one.seen == *seen));
            if !both || self.by_age.len() != self.all.len() || self.all.len() > CALLERS_MAX {
                return Err("the callers that are remembered are not in order".to_owned());
            }
            Ok(())
        })
    }
}
