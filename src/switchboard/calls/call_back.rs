//! Call-backs (RFC 7090): an operator dials the code, and the switchboard calls the next number on the list in a placed call.

use crate::switchboard::calls::Calls;
use crate::switchboard::calls::offer::user_part;
use crate::switchboard::calls::state::call::Call;
use crate::switchboard::calls::state::call_back::CallBack;
use crate::switchboard::calls::state::call_back_list::Unanswered;
use crate::switchboard::calls::state::last_call::LastCall;
use crate::switchboard::calls::state::placed::PlacedFor;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::output::ConsoleReply;
use crate::switchboard::step::Step;
use crate::switchboard::wire::incoming_request::IncomingRequest;

use crate::cdr::fact::{Callee, FactKind, OfferOutcome};
use crate::clock::Now;
use crate::ids::{CallId, OperatorId};
use crate::media::command::Prompt;

impl Calls {
    /// Handles the call-back code: calls the next number. If there is none, the operator hears a prompt.
    pub(in crate::switchboard) fn calls_back(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
        account: OperatorId,
        by: OperatorId,
    ) {
        let now = step.now;
        self.numbers.call_backs.expire(now.wall, self.settings.callers.call_back);
        let Some((number, of)) = self.next_call_back(&by) else {
            self.serve(net, step, taken, Some(account), Prompt::Refused);
            return;
        };
        let about = self.about(now, &number);
        // Some phones do not display an identity from a response, so the phone gets it as a text too.
        let text = format!("{number}: {about}");
        step.notify_operator(by.clone(), text);
        let back = CallBack { begun: true, ..CallBack::held(of, number.clone(), about) };
        self.place_to(net, step, taken, by, Callee::Number(number), PlacedFor::CallBack(back));
    }

    /// Describes the calls of a number on the list: `12 min ago, waited 0:42, 3 calls`. Durations do not depend on the time zone.
    fn about(&self, now: Now, number: &str) -> String {
        let Some((last, waited_ms, calls)) = self.numbers.call_backs.about(number) else { return String::new() };
        let (minutes, waited) = (now.wall.millis_since(last) / 60_000, waited_ms / 1_000);
        let calls = if calls > 1 { format!(", {calls} calls") } else { String::new() };
        format!("{minutes} min ago, waited {}:{:02}{calls}", waited / 60, waited % 60)
    }

    /// The number of the call-back, for the display of the operator's own phone.
    pub(in crate::switchboard) fn call_back_identity(&self, id: CallId) -> Option<String> {
        let back = self.calls.get(&id)?.kind.call_back()?;
        let display: String = back.number.chars().filter(|c| !matches!(c, '"' | '\\') && !c.is_control()).collect();
        let (user, domain) = (user_part(&back.number), &self.settings.site.domain);
        Some(format!("\"{display} {}\" <sip:{user}@{domain}>", back.about))
    }

    pub(in crate::switchboard) fn next_call_back(&self, by: &OperatorId) -> Option<(String, CallId)> {
        self.numbers.call_backs.next(by, |number| self.numbers.numbers_in_call.has(number))
    }

    /// Removes the number of an emergency call that has ended, so that it can be called back.
    pub(in crate::switchboard) fn remove_number_in_call(&mut self, id: CallId) {
        let call = self.calls.get(&id).filter(|call| !call.kind.is_placed());
        if let Some(number) = call.and_then(|call| call.shown.number.as_deref()) {
            self.numbers.numbers_in_call.remove(number);
        }
    }

    /// The call-back of that number for this operator; None if the number is not on the list. Errors: 486 if a
    /// call-back is in progress or the number is calling now, 403 if the number is assigned to another operator.
    pub(in crate::switchboard) fn wanted_call_back(
        &mut self,
        now: Now,
        number: &str,
        by: &OperatorId,
    ) -> Result<Option<CallBack>, u16> {
        self.numbers.call_backs.expire(now.wall, self.settings.callers.call_back);
        let number = self.number_as_known(number);
        let open = self.numbers.call_backs.open(&number, by, |number| self.numbers.numbers_in_call.has(number))?;
        let about = self.about(now, &number);
        Ok(open.map(|of| CallBack::held(of, number, about)))
    }

    /// Starts the call-back after the operator has answered their own phone.
    pub(in crate::switchboard) fn begin_call_back(&mut self, id: CallId) {
        if let Some(back) = self.calls.get_mut(&id).and_then(|call| call.kind.call_back_mut()) {
            back.begun = true;
            self.numbers.call_backs.begin(&back.number, id);
        }
    }

    /// The list of call-backs for the console.
    pub(in crate::switchboard) fn call_backs(&mut self, now: Now) -> ConsoleReply {
        self.numbers.call_backs.expire(now.wall, self.settings.callers.call_back);
        ConsoleReply::CallBacks { call_backs: self.numbers.call_backs.views() }
    }

    /// Updates the list of call-backs and the operators' last calls from a fact of a live call.
    pub(in crate::switchboard) fn learn(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        kind: &FactKind,
    ) {
        if let FactKind::Answered { by, .. } = kind {
            self.learn_answer(net, step, id, by);
        } else if let FactKind::Ended { .. } = kind {
            self.learn_end(net, step, id);
        } else if let FactKind::OfferEnded { to: Callee::Number(_), outcome, sip_status, .. } = kind
            && let Some(back) = self.calls.get_mut(&id).and_then(|call| call.kind.call_back_mut())
        {
            back.outcome = Some((*outcome, *sip_status));
        }
    }

    fn learn_answer(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId, by: &Callee) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let (number, internal) = (call.shown.number.clone(), call.kind.as_internal().is_some());
        match (call.kind.placed_by(), call.kind.call_back()) {
            (Some(operator), Some(back)) => {
                let (operator, back) = (operator.clone(), back.clone());
                self.reached(&back.number);
                let (outcome, sip_status) = (OfferOutcome::Answered, Some(200));
                net.facts.late_fact(
                    step,
                    back.of,
                    FactKind::CalledBack { by: operator, over: id, outcome, sip_status },
                );
            }
            (Some(_), None) => {}
            (None, _) => {
                // The account may have been removed before the answer arrived.
                if let Callee::Operator(operator) = by
                    && net.phones.has_account(operator)
                {
                    call.history.note_work(operator);
                    // An operator whose account was removed while their phone rang keeps the call, but cannot class it later.
                    if net.phones.has_account(operator) {
                        let worked = LastCall { call: id, number: number.clone(), over_at: None };
                        self.numbers.last_calls.insert(operator.clone(), worked);
                    }
                }
                if let Some(number) = number.filter(|_| !internal) {
                    self.reached(&number);
                }
            }
        }
    }

    fn learn_end(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId) {
        let now = step.now;
        let Some(call) = self.calls.get(&id) else { return };
        for operator in call.history.worked_by() {
            if let Some(worked) = self.numbers.last_calls.get_mut(operator).filter(|worked| worked.call == id) {
                worked.over_at = Some(now.wall);
            }
        }
        match (call.kind.placed_by(), call.kind.call_back()) {
            (Some(operator), Some(back)) if !call.has_talked() => {
                let (by, back) = (operator.clone(), back.clone());
                if !back.begun {
                    return self.numbers.call_backs.release(&back.number, id);
                }
                self.numbers.call_backs.not_reached(&back.number, id, now.wall);
                // Without an attempt, no trunk was available.
                let (outcome, sip_status) = back.outcome.unwrap_or((OfferOutcome::Unreachable, None));
                net.facts.late_fact(step, back.of, FactKind::CalledBack { by, over: id, outcome, sip_status });
            }
            (Some(_), _) => {}
            (None, _) => self.learn_unanswered(net, step, id),
        }
    }

    /// Removes numbers that must not be called back from the list.
    pub(in crate::switchboard) fn prune_call_backs(&mut self) {
        let mut list = std::mem::take(&mut self.numbers.call_backs);
        list.retain(|number| self.may_call_back(number));
        self.numbers.call_backs = list;
    }

    fn learn_unanswered(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId) {
        let now = step.now;
        let unanswered = self.calls.get(&id).filter(|call| !call.has_talked() && call.kind.as_internal().is_none());
        // Callers without a number, and numbers that must not be called back, appear in the report only.
        let number = |call: &Call| call.shown.number.clone().filter(|number| self.may_call_back(number));
        let Some((call, number)) = unanswered.and_then(|call| Some((call, number(call)?))) else { return };
        let waited_ms = call.times.lasts_ms(now);
        let short = u128::from(waited_ms) < self.settings.callers.short_abandon.as_millis();
        let missed = Unanswered { call: id, at: call.times.received().wall, waited_ms, short };
        self.numbers.call_backs.expire(now.wall, self.settings.callers.call_back);
        if let Some(lost) = self.numbers.call_backs.add(&number, missed) {
            net.facts.late_fact(step, lost, FactKind::CallBackLost);
        }
    }
}
