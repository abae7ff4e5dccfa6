//! The history of callers' numbers: recent calls, prank calls and flags. It only lowers the priority of calls; no call is ever rejected
//! because of it.

use crate::switchboard::calls::Calls;
use crate::switchboard::calls::state::callers::NumberHistory;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::output::{ConsoleReply, MarkView};
use crate::switchboard::step::Step;
use std::time::Duration;

use crate::cdr::fact::FactKind;
use crate::cdr::personal::Number;
use crate::clock::Now;
use crate::ids::{CallId, OperatorId};
use crate::sip::number::e164;

impl Calls {
    /// Counts an incoming call, and returns the history of its number.
    pub(in crate::switchboard) fn knows(&mut self, now: Now, number: Option<&str>) -> NumberHistory {
        match number {
            Some(number) => self.numbers.callers.calls(number, now.wall, &self.settings.callers),
            // Without a number, calls cannot be attributed to one caller.
            None => NumberHistory::default(),
        }
    }

    /// Emits a fact if the number has called recently or is flagged.
    pub(in crate::switchboard) fn tell_known(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        known: NumberHistory,
    ) {
        if known.nth > 1 || known.prank {
            let minutes = u32::try_from(self.settings.callers.repeat.as_secs() / 60).unwrap_or(u32::MAX);
            self.fact(net, step, id, FactKind::CallerKnown { calls: known.nth, minutes, prank: known.prank });
        }
    }

    /// Forgets what earlier calls of a number have left: its person has the right to that.
    pub(in crate::switchboard) fn forget_number(&mut self, number: &Number) {
        let records = &mut self.numbers;
        records.callers.forget(number);
        records.call_backs.forget(number);
        for last in records.last_calls.values_mut() {
            last.number.take_if(|known| number.is_in(known));
        }
        if let Some(changes) = &mut records.changes_since_start {
            changes.reached.retain(|known| !number.is_in(known));
            changes.unflagged.retain(|known| !number.is_in(known));
        }
    }

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
            self.note_unflagged(&number);
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

    /// Normalises a number that a person has typed. A number may be stored in two forms: one from trunks with a
    /// country, and one from trunks without.
    pub(in crate::switchboard) fn number_as_known(&self, number: &str) -> String {
        let countries = self.settings.trunks.iter().map(|trunk| trunk.terms.country.as_str());
        let whole = countries.filter(|country| !country.is_empty()).find_map(|country| e164(number, country));
        let typed_is_known = self.numbers.callers.all.contains_key(number);
        let better = whole.filter(|whole| !typed_is_known || self.numbers.callers.all.contains_key(whole));
        better.unwrap_or_else(|| number.to_owned())
    }

    /// Removes the last calls of operators whose accounts were removed.
    pub(in crate::switchboard) fn trim_last_calls(&mut self, net: &mut NetworkParts) {
        let accounts = &net.phones.accounts;
        self.numbers.last_calls.retain(|operator: &OperatorId, _| accounts.contains_key(operator));
    }
}
