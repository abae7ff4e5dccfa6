//! The list of call-backs: the numbers of unanswered calls, each once, in the order in which they are called back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::cdr::personal::Number;
use crate::clock::Timestamp;
use crate::counted::Set;
use crate::ids::{CallId, OperatorId};
use crate::limits::CALL_BACKS_MAX;
use crate::switchboard::ids::Checked;
use crate::switchboard::output::CallBackView;

/// Number of call-backs without an answer, and the time since when the number waits.
type Turn = (u32, Timestamp);

/// One number that waits to be called back.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct CallBackEntry {
    /// The last call of this number.
    of: CallId,
    calls: u32,
    /// Number of calls that the caller ended almost at once.
    short: u32,
    first: Timestamp,
    last: Timestamp,
    longest_ms: u64,
    /// Number of call-backs without an answer, and the time of the last one.
    tries: u32,
    tried: Option<Timestamp>,
    /// The operator of the assigned call-back.
    assigned_to: Option<OperatorId>,
    /// The call-back in progress.
    call_back: Option<CallId>,
}

impl CallBackEntry {
    /// Numbers with fewer call-backs come first; among equals, the number that waits longest.
    fn turn(&self) -> Turn {
        (self.tries, self.tried.unwrap_or(self.first))
    }
}

/// A call that ended without an answer.
#[derive(Clone, Copy, Debug)]
pub(in crate::switchboard) struct Unanswered {
    pub(in crate::switchboard) call: CallId,
    pub(in crate::switchboard) at: Timestamp,
    pub(in crate::switchboard) waited_ms: u64,
    pub(in crate::switchboard) short: bool,
}

/// The list of call-backs, at most `limits::CALL_BACKS_MAX` numbers.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct CallBackList {
    all: BTreeMap<String, CallBackEntry>,
    turns: Set<(Turn, String)>,
    by_age: BTreeSet<(Timestamp, String)>,
    /// The numbers that are assigned to one operator.
    assigned: Set<(OperatorId, Turn, String)>,
    checked: Checked,
}

impl CallBackList {
    /// Adds a call. If the list is full, removes the number that has waited longest, and returns the last call of that number.
    pub(in crate::switchboard) fn add(&mut self, number: &str, missed: Unanswered) -> Option<CallId> {
        let known = self.take_out(number);
        let full = known.is_none() && self.all.len() >= CALL_BACKS_MAX;
        let gone = if full { self.oldest() } else { None };
        let lost = gone.and_then(|number| self.take_out(&number)).map(|gone| gone.of);
        let mut entry = known.unwrap_or(CallBackEntry {
            of: missed.call,
            calls: 0,
            short: 0,
            first: missed.at,
            last: missed.at,
            longest_ms: 0,
            tries: 0,
            tried: None,
            assigned_to: None,
            call_back: None,
        });
        entry.of = missed.call;
        entry.calls = entry.calls.saturating_add(1);
        entry.short = entry.short.saturating_add(u32::from(missed.short));
        entry.last = entry.last.max(missed.at);
        entry.longest_ms = entry.longest_ms.max(missed.waited_ms);
        self.put(number, entry);
        lost
    }

    /// The time of the last call of a number, its longest wait in milliseconds, and its number of calls.
    pub(in crate::switchboard) fn about(&self, number: &str) -> Option<(Timestamp, u64, u32)> {
        self.all.get(number).map(|missed| (missed.last, missed.longest_ms, missed.calls))
    }

    /// Removes a number, because the caller was reached.
    pub(in crate::switchboard) fn reached(&mut self, number: &str) {
        self.take_out(number);
    }

    /// Removes a number, in every form in which it is stored.
    pub(in crate::switchboard) fn forget(&mut self, number: &Number) {
        let known: Vec<String> = self.all.keys().filter(|known| number.is_in(known)).cloned().collect();
        known.iter().for_each(|known| drop(self.take_out(known)));
    }

    /// Marks the start of a call-back, and removes its assignment.
    pub(in crate::switchboard) fn begin(&mut self, number: &str, call_back: CallId) {
        if let Some(mut missed) = self.take_out(number) {
            (missed.call_back, missed.assigned_to) = (Some(call_back), None);
            self.put(number, missed);
        }
    }

    /// Reserves a number for a call-back that begins when the operator answers.
    pub(in crate::switchboard) fn hold(&mut self, number: &str, call_back: CallId) {
        if let Some(missed) = self.all.get_mut(number) {
            missed.call_back = Some(call_back);
        }
    }

    /// Releases a number, because the operator did not answer. The entry stays unchanged.
    pub(in crate::switchboard) fn release(&mut self, number: &str, call_back: CallId) {
        if let Some(missed) = self.all.get_mut(number).filter(|missed| missed.call_back == Some(call_back)) {
            missed.call_back = None;
        }
    }

    /// Counts a call-back without an answer, and moves the number behind others.
    pub(in crate::switchboard) fn not_reached(&mut self, number: &str, call_back: CallId, now: Timestamp) {
        if self.all.get(number).is_some_and(|missed| missed.call_back == Some(call_back)) {
            self.tried(number, now);
        }
    }

    /// Counts a call-back without an answer that was made at this time.
    pub(in crate::switchboard) fn tried(&mut self, number: &str, at: Timestamp) {
        if let Some(mut missed) = self.take_out(number) {
            (missed.call_back, missed.tried) = (None, Some(at));
            missed.tries = missed.tries.saturating_add(1);
            self.put(number, missed);
        }
    }

    /// Merges the list of earlier runs, except numbers that were reached since. If the list is full, removes the numbers that have waited
    /// longest, and returns the last call of each.
    pub(in crate::switchboard) fn take_over(&mut self, earlier: Self, reached: &BTreeSet<String>) -> Vec<CallId> {
        for (number, was) in earlier.all.into_iter().filter(|(number, _)| !reached.contains(number)) {
            let both = match self.take_out(&number) {
                None => was,
                Some(is) => CallBackEntry {
                    calls: was.calls.saturating_add(is.calls),
                    short: was.short.saturating_add(is.short),
                    first: was.first.min(is.first),
                    last: was.last.max(is.last),
                    longest_ms: was.longest_ms.max(is.longest_ms),
                    tries: was.tries.saturating_add(is.tries),
                    tried: was.tried.max(is.tried),
                    ..is
                },
            };
            self.put(&number, both);
        }
        let mut lost = Vec::new();
        while self.all.len() > CALL_BACKS_MAX
            && let Some(number) = self.oldest()
        {
            lost.extend(self.take_out(&number).map(|gone| gone.of));
        }
        lost
    }

    /// The next number for `operator`: assigned ones first, then the first number that is assigned to no operator. Numbers with a call-back
    /// in progress and `engaged` numbers are skipped.
    pub(in crate::switchboard) fn next(
        &self,
        operator: &OperatorId,
        engaged: impl Fn(&str) -> bool,
    ) -> Option<(String, CallId)> {
        let open = |number: &str| {
            let missed = self.all.get(number).filter(|missed| missed.call_back.is_none() && !engaged(number))?;
            missed.assigned_to.as_ref().is_none_or(|assigned_to| assigned_to == operator).then_some(missed)
        };
        let first = (operator.clone(), (0, Timestamp::from_millis(i64::MIN)), String::new());
        let assigned = self.assigned.from(&first).take_while(|(to, _, _)| to == operator).map(|(_, _, number)| number);
        let all = self.turns.iter().map(|(_, number)| number);
        assigned.chain(all).find_map(|number| Some((number.clone(), open(number)?.of)))
    }

    /// The call for which `operator` may call back this number now; None if the number is not on the list. Errors: 486
    /// if a call-back is in progress or the number is calling now, 403 if the number is assigned to another operator.
    pub(in crate::switchboard) fn open(
        &self,
        number: &str,
        operator: &OperatorId,
        engaged: impl Fn(&str) -> bool,
    ) -> Result<Option<CallId>, u16> {
        let Some(missed) = self.all.get(number) else { return Ok(None) };
        if missed.call_back.is_some() || engaged(number) {
            return Err(486);
        }
        let is_allowed = missed.assigned_to.as_ref().is_none_or(|assigned_to| assigned_to == operator);
        if is_allowed { Ok(Some(missed.of)) } else { Err(403) }
    }

    /// Assigns a number to an operator. Returns false if the number is not on the list.
    pub(in crate::switchboard) fn assign(&mut self, number: &str, operator: &OperatorId) -> bool {
        let Some(mut missed) = self.take_out(number) else { return false };
        missed.assigned_to = Some(operator.clone());
        self.put(number, missed);
        true
    }

    /// Removes the numbers whose last call is older than `span`.
    pub(in crate::switchboard) fn expire(&mut self, now: Timestamp, span: Duration) {
        while let Some((last, number)) = self.by_age.first() {
            if u128::from(now.millis_since(*last)) < span.as_millis() {
                return;
            }
            let number = number.clone();
            self.take_out(&number);
        }
    }

    /// Removes the numbers that are not `wanted`.
    pub(in crate::switchboard) fn retain(&mut self, wanted: impl Fn(&str) -> bool) {
        let unwanted: Vec<String> = self.all.keys().filter(|number| !wanted(number)).cloned().collect();
        for number in unwanted {
            self.take_out(&number);
        }
    }

    /// Shifts all times by this many milliseconds, because the wall clock was set.
    pub(in crate::switchboard) fn shift(&mut self, by_ms: i64) {
        let numbers: Vec<String> = self.all.keys().cloned().collect();
        for number in numbers {
            if let Some(mut missed) = self.take_out(&number) {
                for at in [&mut missed.first, &mut missed.last].into_iter().chain(&mut missed.tried) {
                    *at = at.shifted(by_ms);
                }
                self.put(&number, missed);
            }
        }
    }

    /// All numbers in the order of call-backs.
    pub(in crate::switchboard) fn views(&self) -> Vec<CallBackView> {
        let turns = self.turns.iter().filter_map(|(_, number)| Some((number, self.all.get(number)?)));
        let view = |(number, missed): (&String, &CallBackEntry)| CallBackView {
            number: number.clone(),
            calls: missed.calls,
            short: missed.short,
            first: missed.first,
            last: missed.last,
            longest_wait_ms: missed.longest_ms,
            tries: missed.tries,
            tried: missed.tried,
            assigned_to: missed.assigned_to.clone(),
            called_now: missed.call_back.is_some(),
        };
        turns.map(view).collect()
    }

    fn oldest(&self) -> Option<String> {
        self.by_age.first().map(|(_, number)| number.clone())
    }

    fn put(&mut self, number: &str, missed: CallBackEntry) {
        self.checked.changed();
        self.turns.insert((missed.turn(), number.to_owned()));
        self.by_age.insert((missed.last, number.to_owned()));
        if let Some(operator) = &missed.assigned_to {
            self.assigned.insert((operator.clone(), missed.turn(), number.to_owned()));
        }
        self.all.insert(number.to_owned(), missed);
    }

    fn take_out(&mut self, number: &str) -> Option<CallBackEntry> {
        let (number, missed) = self.all.remove_entry(number)?;
        self.checked.changed();
        self.turns.remove(&(missed.turn(), number.clone()));
        if let Some(operator) = &missed.assigned_to {
            self.assigned.remove(&(operator.clone(), missed.turn(), number.clone()));
        }
        self.by_age.remove(&(missed.last, number));
        Some(missed)
    }

    fn verify_order(&self) -> Result<(), String> {
        let turns = self.turns.iter().all(|(turn, number)| self.all.get(number).is_some_and(|one| one.turn() == *turn));
        let ages = self.by_age.iter().all(|(last, number)| self.all.get(number).is_some_and(|one| one.last == *last));
        let lengths = [self.turns.len(), self.by_age.len()];
        let is_assigned = |(operator, turn, number): &(OperatorId, Turn, String)| {
            self.all.get(number).is_some_and(|one| one.turn() == *turn && one.assigned_to.as_ref() == Some(operator))
        };
        let assigned = self.all.values().filter(|one| one.assigned_to.is_some()).count();
        if assigned != self.assigned.len() || !self.assigned.iter().all(is_assigned) {
            return Err("the list of call-backs and its assignments differ".to_owned());
        }
        if !turns || !ages || lengths != [self.all.len(); 2] || self.all.len() > CALL_BACKS_MAX {
            return Err("the list of call-backs is not in order".to_owned());
        }
        Ok(())
    }

    /// Checks that all tables have the same numbers, and that every call-back in progress belongs to a live call.
    pub(in crate::switchboard) fn verify(&self, lives: impl Fn(&CallId) -> bool) -> Result<(), String> {
        self.checked.check(|| self.verify_order())?;
        match self.all.values().filter_map(|missed| missed.call_back).find(|call_back| !lives(call_back)) {
            Some(call_back) => Err(format!("a number is called back in {call_back}, which has ended")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Rng;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn missed(rng: &mut Rng, seconds: i64, waited_ms: u64) -> Unanswered {
        Unanswered { call: CallId::new(at(seconds), rng), at: at(seconds), waited_ms, short: waited_ms < 5_000 }
    }

    fn next(list: &CallBackList, operator: &str, engaged: &[&str]) -> Option<String> {
        let operator = OperatorId::parse(operator).unwrap();
        list.next(&operator, |number| engaged.contains(&number)).map(|(number, _)| number)
    }

    #[test]
    fn calls_of_one_number_are_one_entry() {
        let (mut list, mut rng) = (CallBackList::default(), Rng::from_number(1));
        for (seconds, waited_ms) in [(10, 20_000), (50, 3_000), (90, 40_000)] {
            assert_eq!(list.add("081", missed(&mut rng, seconds, waited_ms)), None);
        }
        let views = list.views();
        assert_eq!(views.len(), 1);
        let one = &views[0];
        assert_eq!((one.calls, one.short, one.first, one.last), (3, 1, at(10), at(90)));
        assert_eq!(one.longest_wait_ms, 40_000);
        list.verify(|_| true).unwrap();
    }

    #[test]
    fn the_oldest_number_is_called_first_and_one_that_was_not_reached_last() {
        let (mut list, mut rng) = (CallBackList::default(), Rng::from_number(1));
        for (number, seconds) in [("081", 10), ("082", 20), ("083", 30)] {
            list.add(number, missed(&mut rng, seconds, 9_000));
        }
        assert_eq!(next(&list, "budi", &[]).as_deref(), Some("081"));
        assert_eq!(next(&list, "budi", &["081"]).as_deref(), Some("082"), "the number calls at this moment");
        let call_back = CallId::new(at(40), &mut rng);
        list.begin("081", call_back);
        assert_eq!(next(&list, "sari", &[]).as_deref(), Some("082"), "no number is called by two operators");
        assert!(list.verify(|_| false).is_err(), "the call of the call-back must be live");
        list.not_reached("081", call_back, at(50));
        list.verify(|_| false).unwrap();
        list.reached("082");
        assert_eq!(next(&list, "sari", &[]).as_deref(), Some("083"));
        list.reached("083");
        assert_eq!(next(&list, "sari", &[]).as_deref(), Some("081"), "the number stays on the list");
        assert_eq!(list.views()[0].tries, 1);
    }

    #[test]
    fn a_number_assigned_to_an_operator_is_called_by_no_other() {
        let (mut list, mut rng) = (CallBackList::default(), Rng::from_number(1));
        list.add("081", missed(&mut rng, 10, 9_000));
        list.add("082", missed(&mut rng, 20, 9_000));
        assert!(list.assign("082", &OperatorId::parse("sari").unwrap()));
        assert!(!list.assign("089", &OperatorId::parse("sari").unwrap()));
        assert_eq!(next(&list, "sari", &[]).as_deref(), Some("082"));
        assert_eq!(next(&list, "budi", &[]).as_deref(), Some("081"));
        list.reached("081");
        assert_eq!(next(&list, "budi", &[]), None);
    }

    #[test]
    fn a_reserved_number_is_called_by_no_other_and_is_released_unchanged() {
        let (mut list, mut rng) = (CallBackList::default(), Rng::from_number(1));
        let [budi, sari] = ["budi", "sari"].map(|name| OperatorId::parse(name).unwrap());
        let first = missed(&mut rng, 10, 9_000);
        list.add("081", first);
        list.assign("081", &budi);
        let open = |list: &CallBackList, operator| list.open("081", operator, |_| false);
        assert_eq!((open(&list, &budi), open(&list, &sari)), (Ok(Some(first.call)), Err(403)));
        assert_eq!(list.open("082", &budi, |_| false), Ok(None));
        assert_eq!(list.open("081", &budi, |number| number == "081"), Err(486), "the number calls at this moment");
        let [call_back, other] = [40, 41].map(|seconds| CallId::new(at(seconds), &mut rng));
        list.hold("081", call_back);
        assert_eq!((open(&list, &budi), next(&list, "budi", &[])), (Err(486), None));
        list.release("081", other);
        assert_eq!(open(&list, &budi), Err(486), "that was another call");
        list.release("081", call_back);
        assert_eq!((open(&list, &budi), list.views()[0].tries), (Ok(Some(first.call)), 0));
        list.verify(|_| false).unwrap();
    }

    #[test]
    fn a_full_list_reports_the_number_it_drops_and_old_numbers_expire() {
        let (mut list, mut rng) = (CallBackList::default(), Rng::from_number(1));
        let first = missed(&mut rng, 0, 9_000);
        list.add("first", first);
        for n in 1..CALL_BACKS_MAX {
            list.add(&n.to_string(), missed(&mut rng, i64::try_from(n).unwrap(), 9_000));
        }
        assert_eq!(list.add("one more", missed(&mut rng, 20_000, 9_000)), Some(first.call));
        list.verify(|_| true).unwrap();
        assert_eq!(list.all.len(), CALL_BACKS_MAX);
        list.expire(at(20_100), Duration::from_secs(3_600));
        assert_eq!(list.views().first().map(|one| one.number.as_str()), Some("one more"));
        list.verify(|_| true).unwrap();
    }
}
