//! What is remembered of callers by their numbers: how often they have called of late, and whose calls were pranks. It decides
//! whose calls wait behind others, and never that one is not taken.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::cdr::fact::FactKind;
use crate::clock::{Now, Timestamp};
use crate::ids::{CallId, OperatorId};
use crate::limits::{CALLER_CALLS_MAX, CALLERS_MAX};
use crate::sip::number::e164;
use crate::switchboard::ids::Checked;
use crate::switchboard::{Calls, ConsoleReply, MarkView, NetworkParts, Step};

/// How callers are remembered, and how those are called back whom nobody has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallerTerms {
    /// Calls of one number within it are counted.
    pub repeat: Duration,
    /// So many pranks within `prank`, and the number's calls wait behind others; 0: only where somebody says so.
    pub prank_calls: usize,
    pub prank: Duration,
    /// What is added to the place in the order of their calls: lower ones are served first.
    pub prank_penalty: u8,
    /// Who was not answered is to be called back for so long.
    pub call_back: Duration,
    /// Only numbers with one of these prefixes are called back; empty: all.
    pub call_back_prefixes: Vec<String>,
    /// Numbers with one of these prefixes are not called back.
    pub call_back_never: Vec<String>,
    /// Who gave up sooner is shown as a short abandon.
    pub short_abandon: Duration,
}

impl Default for CallerTerms {
    fn default() -> Self {
        Self {
            repeat: Duration::from_secs(30 * 60),
            prank_calls: 2,
            prank: Duration::from_secs(24 * 3600),
            prank_penalty: 10,
            call_back: Duration::from_secs(4 * 3600),
            call_back_prefixes: Vec::new(),
            call_back_never: Vec::new(),
            short_abandon: Duration::from_secs(5),
        }
    }
}

/// What is known of the number of a call that comes in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::switchboard) struct Known {
    /// Which call of it this is of late, from 1; 0: there is no number.
    pub(in crate::switchboard) nth: u32,
    pub(in crate::switchboard) prank: bool,
}

/// One number.
#[derive(Debug, Default)]
struct Caller {
    /// When it was last heard of.
    seen: Timestamp,
    calls: VecDeque<Timestamp>,
    pranks: BTreeMap<CallId, Timestamp>,
    /// Somebody has marked it until then.
    marked_until: Option<Timestamp>,
}

impl Caller {
    fn is_prank(&self, now: Timestamp, terms: &CallerTerms) -> bool {
        let marked = self.marked_until.is_some_and(|until| now < until);
        let of_late = self.pranks.values().filter(|at| is_within(**at, now, terms.prank)).count();
        marked || terms.prank_calls > 0 && of_late >= terms.prank_calls
    }

    /// Nothing of it matters any more.
    fn is_over(&self, now: Timestamp, terms: &CallerTerms) -> bool {
        let marked = self.marked_until.is_some_and(|until| now < until);
        !marked && !is_within(self.seen, now, terms.repeat.max(terms.prank))
    }
}

fn is_within(at: Timestamp, now: Timestamp, span: Duration) -> bool {
    u128::from(now.millis_since(at)) < span.as_millis()
}

/// All numbers, at most `limits::CALLERS_MAX`: the one not heard of for longest is forgotten.
#[derive(Debug, Default)]
pub(in crate::switchboard) struct Callers {
    all: BTreeMap<String, Caller>,
    by_age: BTreeSet<(Timestamp, String)>,
    checked: Checked,
}

impl Callers {
    /// A number calls.
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

    /// One of its calls was classed: as a prank, or no longer as one.
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

    /// Its calls wait behind others until then.
    pub(in crate::switchboard) fn mark(&mut self, number: &str, until: Timestamp, now: Timestamp, terms: &CallerTerms) {
        self.hear_of(number, now, terms, |caller| caller.marked_until = Some(until));
    }

    /// Its calls no longer wait behind others. False: they did not.
    pub(in crate::switchboard) fn clear(&mut self, number: &str, now: Timestamp, terms: &CallerTerms) -> bool {
        let Some(caller) = self.all.get_mut(number).filter(|caller| caller.is_prank(now, terms)) else { return false };
        caller.marked_until = None;
        caller.pranks.clear();
        true
    }

    /// Shifts all times after the wall clock was set forward, or back, by this many milliseconds.
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

    /// Takes over what was remembered earlier. What somebody has lifted since stays lifted, and a newer mark stays.
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
    fn marks(&self, now: Timestamp, terms: &CallerTerms) -> Vec<MarkView> {
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

    /// Every number stands in both tables, and no more than there may be.
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

impl Calls {
    /// A call comes in: what is known of its number.
    pub(in crate::switchboard) fn knows(&mut self, now: Now, number: Option<&str>) -> Known {
        match number {
            Some(number) => self.numbers.callers.calls(number, now.wall, &self.settings.callers),
            // Who shows no number is nobody's neighbour: nothing is held against him.
            None => Known::default(),
        }
    }

    /// Writes down that a caller is known, where it matters.
    pub(in crate::switchboard) fn tell_known(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        known: Known,
    ) {
        if known.nth > 1 || known.prank {
            let minutes = u32::try_from(self.settings.callers.repeat.as_secs() / 60).unwrap_or(u32::MAX);
            self.fact(net, step, id, FactKind::CallerKnown { calls: known.nth, minutes, prank: known.prank });
        }
    }
}

impl Calls {
    /// Somebody says that a number's calls are to wait behind others for a while, or no longer (`hours` 0).
    pub(in crate::switchboard) fn mark_caller(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        number: &str,
        hours: u32,
        by: String,
    ) -> ConsoleReply {
        let now = step.now;
        let number = self.number_as_known(number);
        let terms = &self.settings.callers;
        if hours == 0 {
            if !self.numbers.callers.clear(&number, now.wall, terms) {
                return ConsoleReply::UnknownNumber;
            }
            self.lifted_meanwhile(&number);
            net.facts.service_fact(step, FactKind::CallerMarked { number, until: None, by });
            return ConsoleReply::Done;
        }
        let until = now.after(Duration::from_secs(u64::from(hours) * 3600)).wall;
        self.numbers.callers.mark(&number, until, now.wall, terms);
        net.facts.service_fact(step, FactKind::CallerMarked { number, until: Some(until), by });
        ConsoleReply::Done
    }

    pub(in crate::switchboard) fn marks(&self, now: Now) -> Vec<MarkView> {
        self.numbers.callers.marks(now.wall, &self.settings.callers)
    }

    /// A number that somebody has typed, as it is known: trunks with a country and without keep the same one in two ways.
    pub(in crate::switchboard) fn number_as_known(&self, number: &str) -> String {
        let countries = self.settings.trunks.iter().map(|trunk| trunk.terms.country.as_str());
        let whole = countries.filter(|country| !country.is_empty()).find_map(|country| e164(number, country));
        let typed_is_known = self.numbers.callers.all.contains_key(number);
        let better = whole.filter(|whole| !typed_is_known || self.numbers.callers.all.contains_key(whole));
        better.unwrap_or_else(|| number.to_owned())
    }

    /// Who is gone has no last call.
    pub(in crate::switchboard) fn forget_worked(&mut self, net: &mut NetworkParts) {
        let accounts = &net.phones.accounts;
        self.numbers.worked.retain(|operator: &OperatorId, _| accounts.contains_key(operator));
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

    fn prank(callers: &mut Callers, rng: &mut Rng, minutes: i64) -> CallId {
        let call = CallId::new(at(minutes), rng);
        callers.classed(NUMBER, call, true, at(minutes), &CallerTerms::default());
        call
    }

    #[test]
    fn calls_count_within_half_an_hour() {
        let (mut callers, terms) = (Callers::default(), CallerTerms::default());
        let nth = [0, 1, 29, 30, 31, 90].map(|minutes| callers.calls(NUMBER, at(minutes), &terms).nth);
        assert_eq!(nth, [1, 2, 3, 3, 3, 1], "what is 30 minutes old is over");
        assert_eq!(callers.calls("+628122", at(31), &terms).nth, 1, "another number");
        callers.verify().unwrap();
    }

    #[test]
    fn two_pranks_make_a_prank_number_for_a_day_and_no_longer() {
        let (mut callers, terms, mut rng) = (Callers::default(), CallerTerms::default(), Rng::from_number(1));
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
        let (mut callers, terms, mut rng) = (Callers::default(), CallerTerms::default(), Rng::from_number(1));
        prank(&mut callers, &mut rng, 0);
        let second = prank(&mut callers, &mut rng, 1);
        callers.classed(NUMBER, second, true, at(1), &terms);
        assert!(callers.calls(NUMBER, at(2), &terms).prank);
        callers.classed(NUMBER, second, false, at(3), &terms);
        assert!(!callers.calls(NUMBER, at(4), &terms).prank);
    }

    #[test]
    fn a_mark_lasts_as_long_as_was_said_and_can_be_lifted() {
        let (mut callers, terms) = (Callers::default(), CallerTerms::default());
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
        let (mut callers, terms) = (Callers::default(), CallerTerms::default());
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
