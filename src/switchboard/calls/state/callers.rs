//! The history of callers, by number.

use crate::cdr::personal::Number;
use crate::clock::Timestamp;
use crate::ids::CallId;
use crate::limits::{CALLER_CALLS_MAX, CALLERS_MAX};
use crate::switchboard::ids::Checked;
use crate::switchboard::output::MarkView;
use crate::switchboard::settings::sections::CallerSettings;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// The history of the number of an incoming call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::switchboard) struct NumberHistory {
    /// The number of recent calls of this number, including this one. 0: the caller has no number.
    pub(in crate::switchboard) nth: u32,
    pub(in crate::switchboard) prank: bool,
}

/// The history of one number.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard::calls) struct Caller {
    /// The time of the last event.
    seen: Timestamp,
    calls: VecDeque<Timestamp>,
    pranks: BTreeMap<CallId, Timestamp>,
    /// A person has flagged the number until then.
    marked_until: Option<Timestamp>,
}

impl Caller {
    fn is_prank(&self, now: Timestamp, terms: &CallerSettings) -> bool {
        let marked = self.marked_until.is_some_and(|until| now < until);
        let of_late = self.pranks.values().filter(|at| is_within(**at, now, terms.prank)).count();
        marked || terms.prank_calls > 0 && of_late >= terms.prank_calls
    }

    /// True if nothing of the history is needed any longer.
    fn is_over(&self, now: Timestamp, terms: &CallerSettings) -> bool {
        let marked = self.marked_until.is_some_and(|until| now < until);
        !marked && !is_within(self.seen, now, terms.repeat.max(terms.prank))
    }
}

fn is_within(at: Timestamp, now: Timestamp, span: Duration) -> bool {
    u128::from(now.millis_since(at)) < span.as_millis()
}

/// All numbers, at most `limits::CALLERS_MAX`. If the table is full, the number without an event for the longest time is removed.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct CallerHistory {
    pub(in crate::switchboard::calls) all: BTreeMap<String, Caller>,
    by_age: BTreeSet<(Timestamp, String)>,
    checked: Checked,
}

impl CallerHistory {
    /// Counts a call of a number, and returns the history.
    pub(in crate::switchboard) fn calls(
        &mut self,
        number: &str,
        now: Timestamp,
        terms: &CallerSettings,
    ) -> NumberHistory {
        self.update_number(number, now, terms, |caller| {
            while caller.calls.front().is_some_and(|at| !is_within(*at, now, terms.repeat)) {
                caller.calls.pop_front();
            }
            if caller.calls.len() >= CALLER_CALLS_MAX {
                caller.calls.pop_front();
            }
            caller.calls.push_back(now);
            let nth = u32::try_from(caller.calls.len()).unwrap_or(u32::MAX);
            NumberHistory { nth, prank: caller.is_prank(now, terms) }
        })
    }

    /// Stores that a call of the number was classed as a prank call, or no longer is.
    pub(in crate::switchboard) fn classed(
        &mut self,
        number: &str,
        call: CallId,
        prank: bool,
        now: Timestamp,
        terms: &CallerSettings,
    ) {
        if !prank {
            if let Some(caller) = self.all.get_mut(number) {
                caller.pranks.remove(&call);
            }
            return;
        }
        self.update_number(number, now, terms, |caller| {
            caller.pranks.retain(|_, at| is_within(*at, now, terms.prank));
            if caller.pranks.len() < CALLER_CALLS_MAX {
                caller.pranks.insert(call, now);
            }
        });
    }

    /// Flags a number until then: its calls wait behind others.
    pub(in crate::switchboard) fn mark(
        &mut self,
        number: &str,
        until: Timestamp,
        now: Timestamp,
        terms: &CallerSettings,
    ) {
        self.update_number(number, now, terms, |caller| caller.marked_until = Some(until));
    }

    /// Removes the flag and the prank calls of a number. Returns false if its calls did not wait behind others.
    pub(in crate::switchboard) fn clear(&mut self, number: &str, now: Timestamp, terms: &CallerSettings) -> bool {
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

    /// Forgets a number, in every form in which it is stored.
    pub(in crate::switchboard) fn forget(&mut self, number: &Number) {
        self.checked.changed();
        self.by_age.retain(|(_, known)| !number.is_in(known));
        self.all.retain(|known, _| !number.is_in(known));
    }

    /// Merges the history of earlier runs. Flags that were unflagged since stay unflagged, and newer flags stay.
    pub(in crate::switchboard) fn take_over(&mut self, earlier: Self, unflagged: &BTreeSet<String>) {
        self.checked.changed();
        for (number, mut was) in earlier.all {
            if unflagged.contains(&number) {
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
    pub(in crate::switchboard::calls) fn marks(&self, now: Timestamp, terms: &CallerSettings) -> Vec<MarkView> {
        let marked = self.all.iter().filter(|(_, caller)| caller.is_prank(now, terms));
        let view = |(number, caller): (&String, &Caller)| MarkView {
            number: number.clone(),
            pranks: caller.pranks.values().filter(|at| is_within(**at, now, terms.prank)).count(),
            marked_until: caller.marked_until.filter(|until| now < *until),
        };
        marked.map(view).collect()
    }

    fn update_number<T>(
        &mut self,
        number: &str,
        now: Timestamp,
        terms: &CallerSettings,
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

    fn make_room(&mut self, now: Timestamp, terms: &CallerSettings) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Rng;

    const NUMBER: &str = "+628121";

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_millis(minutes * 60_000)
    }

    fn prank(callers: &mut CallerHistory, rng: &mut Rng, minutes: i64) -> CallId {
        let call = CallId::new(at(minutes), rng);
        callers.classed(NUMBER, call, true, at(minutes), &CallerSettings::default());
        call
    }

    #[test]
    fn calls_count_within_half_an_hour() {
        let (mut callers, terms) = (CallerHistory::default(), CallerSettings::default());
        let nth = [0, 1, 29, 30, 31, 90].map(|minutes| callers.calls(NUMBER, at(minutes), &terms).nth);
        assert_eq!(nth, [1, 2, 3, 3, 3, 1], "what is 30 minutes old is over");
        assert_eq!(callers.calls("+628122", at(31), &terms).nth, 1, "another number");
        callers.verify().unwrap();
    }

    #[test]
    fn two_pranks_make_a_prank_number_for_a_day_and_no_longer() {
        let (mut callers, terms, mut rng) = (CallerHistory::default(), CallerSettings::default(), Rng::from_number(1));
        prank(&mut callers, &mut rng, 0);
        assert!(!callers.calls(NUMBER, at(1), &terms).prank, "one may be an error");
        prank(&mut callers, &mut rng, 60);
        assert!(callers.calls(NUMBER, at(61), &terms).prank);
        assert_eq!(callers.marks(at(61), &terms)[0].pranks, 2);
        assert!(callers.calls(NUMBER, at(24 * 60 - 1), &terms).prank);
        assert!(!callers.calls(NUMBER, at(24 * 60), &terms).prank, "the first of them is a day old");
    }

    #[test]
    fn a_call_that_is_classed_anew_is_no_prank_any_more() {
        let (mut callers, terms, mut rng) = (CallerHistory::default(), CallerSettings::default(), Rng::from_number(1));
        prank(&mut callers, &mut rng, 0);
        let second = prank(&mut callers, &mut rng, 1);
        callers.classed(NUMBER, second, true, at(1), &terms);
        assert!(callers.calls(NUMBER, at(2), &terms).prank);
        callers.classed(NUMBER, second, false, at(3), &terms);
        assert!(!callers.calls(NUMBER, at(4), &terms).prank);
    }

    #[test]
    fn a_mark_lasts_as_long_as_was_said_and_can_be_lifted() {
        let (mut callers, terms) = (CallerHistory::default(), CallerSettings::default());
        callers.mark(NUMBER, at(60), at(0), &terms);
        assert!(callers.calls(NUMBER, at(59), &terms).prank);
        assert!(!callers.calls(NUMBER, at(60), &terms).prank);
        callers.mark(NUMBER, at(600), at(61), &terms);
        assert!(callers.clear(NUMBER, at(62), &terms));
        assert!(!callers.calls(NUMBER, at(63), &terms).prank);
        assert!(!callers.clear(NUMBER, at(64), &terms), "there is nothing left to lift");
    }

    #[test]
    fn the_table_is_full_at_its_cap_and_forgets_the_oldest() {
        let (mut callers, terms) = (CallerHistory::default(), CallerSettings::default());
        for n in 0..CALLERS_MAX + 10 {
            callers.calls(&n.to_string(), Timestamp::from_millis(i64::try_from(n).unwrap()), &terms);
        }
        callers.verify().unwrap();
        assert_eq!(callers.all.len(), CALLERS_MAX);
        assert!(!callers.all.contains_key("9") && callers.all.contains_key("10"));
        callers.calls("late", at(100_000), &terms);
        assert_eq!(callers.all.len(), 1, "what no longer matters is forgotten when there is something new");
    }
}
