//! The history of callers' numbers: recent calls, prank calls and flags. It only lowers the priority of calls; no call is ever rejected
//! because of it.

use crate::switchboard::calls::Calls;
use crate::switchboard::calls::state::callers::Known;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::output::{ConsoleReply, MarkView};
use crate::switchboard::step::Step;
use std::time::Duration;

use crate::cdr::fact::FactKind;
use crate::clock::Now;
use crate::ids::{CallId, OperatorId};
use crate::sip::number::e164;

impl Calls {
    /// Counts an incoming call, and returns the history of its number.
    pub(in crate::switchboard) fn knows(&mut self, now: Now, number: Option<&str>) -> Known {
        match number {
            Some(number) => self.numbers.callers.calls(number, now.wall, &self.settings.callers),
            // Without a number, calls cannot be attributed to one caller.
            None => Known::default(),
        }
    }

    /// Emits a fact if the number has called recently or is flagged.
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
    /// Flags a number for some hours, so that its calls wait behind others. `hours` 0 removes the flag.
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

    /// Normalises a number that a person has typed. Trunks with and without a country may store the same number in two forms.
    pub(in crate::switchboard) fn number_as_known(&self, number: &str) -> String {
        let countries = self.settings.trunks.iter().map(|trunk| trunk.terms.country.as_str());
        let whole = countries.filter(|country| !country.is_empty()).find_map(|country| e164(number, country));
        let typed_is_known = self.numbers.callers.all.contains_key(number);
        let better = whole.filter(|whole| !typed_is_known || self.numbers.callers.all.contains_key(whole));
        better.unwrap_or_else(|| number.to_owned())
    }

    /// Removes the last calls of operators whose accounts were removed.
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
