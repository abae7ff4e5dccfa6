//! The classes of calls: set by feature code, with or without the code of a category, or from the console. Each change is a fact, and the
//! last one counts.

use crate::cdr::fact::{Class, FactKind};
use crate::clock::Now;
use crate::ids::{CallId, OperatorId};

use crate::switchboard::calls::Calls;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::output::ConsoleReply;
use crate::switchboard::settings::Category;
use crate::switchboard::step::Step;

impl Calls {
    /// Handles a dialled class, which the code of a category may follow, for the operator's present or last call. Returns false if there is
    /// no recent call or no such category.
    pub(in crate::switchboard) fn classed_by_code(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        operator: &OperatorId,
        (class, category): (Class, Option<&str>),
    ) -> bool {
        let Some(call) = self.last_call_of(step.now, operator) else { return false };
        let classed = (class, category.map(str::to_owned), None);
        self.dispose(net, step, call, classed, operator.to_string()) == ConsoleReply::Done
    }

    /// The call that the operator has, wraps up, or had recently.
    fn last_call_of(&self, now: Now, operator: &OperatorId) -> Option<CallId> {
        let worked = self.numbers.last_calls.get(operator)?;
        let wraps_up = self.acd.view(operator).is_some_and(|view| view.call == Some(worked.call));
        (wraps_up || worked.is_of_late(now)).then_some(worked.call)
    }

    /// Classes a call of this run or an earlier one. The category must be one of the configured ones, by code or name.
    pub(in crate::switchboard) fn dispose(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        call: CallId,
        (class, category, note): (Class, Option<String>, Option<String>),
        by: String,
    ) -> ConsoleReply {
        let now = step.now;
        let known = &self.settings.numbers.categories;
        let (category, agency) = match category.as_deref() {
            None => (None, None),
            Some(wanted) => match known.iter().find(|one| one.is(wanted)) {
                Some(Category { name, agency, .. }) => (Some(name.clone()), agency.clone()),
                None => {
                    let known = known.iter().map(|one| format!("{} {}", one.code, one.name)).collect();
                    return ConsoleReply::UnknownCategory { known };
                }
            },
        };
        self.note_disposition(call, class == Class::Prank);
        if let Some(number) = self.number_of(call) {
            self.numbers.callers.classed(&number, call, class == Class::Prank, now.wall, &self.settings.callers);
        }
        net.facts.late_fact(step, call, FactKind::Disposed { class, category, note, by, agency });
        ConsoleReply::Done
    }

    /// The number of a live call, or of an operator's last call.
    fn number_of(&self, id: CallId) -> Option<String> {
        if let Some(call) = self.calls.get(&id) {
            return call.shown.number.clone().filter(|_| !call.kind.is_placed());
        }
        self.numbers.last_calls.values().find(|worked| worked.call == id).and_then(|worked| worked.number.clone())
    }
}
