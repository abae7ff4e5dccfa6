//! Sends OPTIONS to a silent party, to find out whether it is still present before its call or leg ends. If the configuration says that
//! silence ends no call, only the parties of an unusually long call get OPTIONS; the call ends if all of them are gone.

use std::time::Duration;

use crate::cdr::fact::{Callee, EndCause, FactKind, Side};
use crate::clock::Instant;
use crate::ids::{CallId, LegNo, OperatorId};
use crate::media::command::Command;
use crate::sip::transaction::ClientId;
use crate::sip::wire::{Method, Name};
use crate::switchboard::admission::door::ALLOW;
use crate::switchboard::alarm::Alarm;
use crate::switchboard::calls::end::Ending;
use crate::switchboard::calls::leg::Line;
use crate::switchboard::ids::Who;
use crate::switchboard::{Calls, NetworkParts, Purpose, Step};

/// Time for an outgoing leg to respond (four transmissions over UDP), limited because the caller hears nothing during
/// this time. A caller has all of timer F.
const LEG_RESPONDS_IN: Duration = Duration::from_secs(8);

/// If silence ends no call, a party of an unusually long call gets OPTIONS after this much silence.
const LONG_CALL_SILENCE: Duration = Duration::from_secs(30);

/// The result of the OPTIONS to a party.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::switchboard) enum Found {
    #[default]
    Nothing,
    /// The call lasts unusually long: the party gets OPTIONS as soon as it is silent.
    Awaited,
    /// The party was silent and has responded.
    Present,
    /// The party was silent, and has not responded or has lost the dialog.
    Gone,
}

/// An OPTIONS in the dialog of a silent party.
#[derive(Clone, Copy, Debug)]
pub(in crate::switchboard) struct Inquiry {
    client: ClientId,
    /// The time at which an outgoing leg is treated as lost; None for a caller.
    until: Option<Instant>,
}

impl Inquiry {
    pub(in crate::switchboard) fn is(&self, client: ClientId) -> bool {
        self.client == client
    }

    pub(in crate::switchboard) fn due(&self) -> Option<Instant> {
        self.until
    }
}

impl Calls {
    /// Handles the silence of a party. An outgoing leg that should send and never did is lost at once; any other party gets OPTIONS first,
    /// also on hold, because it may have disappeared. Before the answer silence is ignored.
    pub(in crate::switchboard) fn silence_of(&mut self, net: &mut NetworkParts, step: &mut Step, who: Who) {
        let now = step.now;
        let Some(line) = self.line_mut(who) else { return };
        let Some(sound) = line.sound.as_ref().filter(|_| line.inquiry.is_none()) else { return };
        let (heard, owed) = (sound.heard, sound.peer_sends());
        match who {
            Who::Caller(id) if !self.calls.get(&id).is_some_and(|call| call.caller.answered) => {}
            Who::Caller(_) => self.inquire(net, step, who, None),
            Who::Offer(id, leg) if !heard && owed => self.leg_lost(net, step, id, leg),
            Who::Offer(..) => self.inquire(net, step, who, Some(now.mono + LEG_RESPONDS_IN)),
            Who::Phone(phone) if owed => self.end_phone(net, step, phone, true),
            Who::Phone(_) => {}
        }
    }

    /// Makes media report which parties of an unusually long call are silent, if silence ends no call.
    pub(in crate::switchboard) fn await_silence(&mut self, step: &mut Step, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let lines = call.legs.values_mut().map(|leg| &mut leg.line).chain([&mut call.caller.line]);
        for line in lines.filter(|line| line.dialog.is_some()) {
            line.found = Found::Awaited;
            // The limit of a leg that may have lost its dialog is shorter.
            if let Some(sound) = line.sound.as_ref().filter(|_| !line.doubted) {
                let limit = Some(LONG_CALL_SILENCE);
                step.out.media.push(Command::LimitSilence { anchor: sound.anchor, limit });
            }
        }
    }

    /// Handles a silent party if silence ends no call: sends OPTIONS if the call lasts unusually long.
    pub(in crate::switchboard) fn silence_in_long_call(&mut self, net: &mut NetworkParts, step: &mut Step, who: Who) {
        let answered = match who {
            Who::Caller(id) => self.calls.get(&id).is_some_and(|call| call.caller.answered),
            Who::Offer(..) => true,
            Who::Phone(_) => false,
        };
        let asks = |line: &mut Line| line.found == Found::Awaited && line.inquiry.is_none();
        if answered && self.line_mut(who).is_some_and(asks) {
            self.inquire(net, step, who, None);
        }
    }

    /// Stores the result of the OPTIONS in an unusually long call. Ends the call if all its parties are gone.
    pub(in crate::switchboard) fn found_in_long_call(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        who: Who,
        found: Found,
    ) {
        let Some(line) = self.line_mut(who).filter(|line| line.found == Found::Awaited) else { return };
        line.found = found;
        let anchor = line.sound.as_ref().filter(|_| !line.doubted).map(|sound| sound.anchor);
        if let Some(anchor) = anchor {
            step.out.media.push(Command::LimitSilence { anchor, limit: None });
        }
        let (Who::Caller(id) | Who::Offer(id, _)) = who else { return };
        let Some(call) = self.calls.get(&id) else { return };
        let is_gone = |line: &Line| line.dialog.is_none() || line.found == Found::Gone;
        if is_gone(&call.caller.line) && call.legs.values().all(|leg| is_gone(&leg.line)) {
            self.end_call(net, step, id, Ending::by(Side::Service, EndCause::CallerLost));
        }
    }

    /// Sends OPTIONS in the dialog of a party.
    pub(in crate::switchboard) fn inquire(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        who: Who,
        until: Option<Instant>,
    ) {
        let _now = step.now;
        let Some(flow) = self.line_mut(who).map(|line| line.next_flow()) else { return };
        let branch = format!("z9hG4bK{}", step.rng.token());
        let (contact, sent_by) = (self.settings.contact(flow), self.settings.advertised(flow).to_owned());
        let Some(dialog) = self.line_mut(who).and_then(|line| line.dialog.as_mut()) else { return };
        let (builder, _) = dialog.request(Method::Options);
        let request = builder.header(Name::Contact, contact.as_bytes()).header(Name::Allow, ALLOW);
        let bytes = request.via(flow.transport, &sent_by, &branch).encode();
        let sent = net.wire.request(step, flow, Method::Options, &branch, bytes);
        // If no transaction is free, OPTIONS is sent when media reports the silence again.
        let Some(client) = sent else { return self.aim(net, step, who) };
        net.wire.expect(client, Purpose::Inquiry(who));
        if let Some(until) = until {
            step.alarms.insert(until, Alarm::Inquiry(who));
        }
        if let Some(line) = self.line_mut(who) {
            line.inquiry = Some(Inquiry { client, until });
        }
    }

    /// Stops waiting for the response to an OPTIONS.
    pub(in crate::switchboard) fn stop_inquiry(&mut self, net: &mut NetworkParts, step: &mut Step, who: Who) {
        let Some(inquiry) = self.line_mut(who).and_then(|line| line.inquiry.take()) else { return };
        if let Some(until) = inquiry.until {
            step.alarms.remove(until, Alarm::Inquiry(who));
        }
        if net.wire.take_purpose(&inquiry.client).is_some() {
            net.wire.forget_transaction(inquiry.client);
        }
    }
}

impl Calls {
    /// The notice `no audio from 0812…`; for an operator's leg, with the operator and the caller's number.
    pub(in crate::switchboard) fn silence_notice(&self, id: CallId, leg: LegNo) -> String {
        let call = self.calls.get(&id);
        let number = call.and_then(|call| call.shown.number.as_deref()).unwrap_or("anonymous");
        let party = match leg {
            LegNo::CALLER => number.to_owned(),
            _ => {
                let to = call.and_then(|call| call.legs.get(&leg)).map(|leg| match &leg.to {
                    Callee::Operator(operator) => operator.to_string(),
                    Callee::Number(number) => number.clone(),
                });
                let to = to.unwrap_or_default();
                format!("{to} ({number})")
            }
        };
        format!("{} {party}", self.settings.silent.notice)
    }
}

impl Calls {
    /// Handles the final response to the OPTIONS; 408 if none arrived. Any status other than 408 and 481 shows that the
    /// party still has the dialog (RFC 3261 §12.2.1.2). A party whose audio arrives again without a response gets
    /// OPTIONS again at its next silence.
    pub(in crate::switchboard) fn inquiry_answered(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        who: Who,
        status: u16,
    ) {
        self.stop_inquiry(net, step, who);
        if self.suspect_answered(net, step, who, status) {
            return;
        }
        let silent = self.line_mut(who).and_then(|line| line.sound.as_ref()).is_some_and(|sound| sound.silent);
        if !silent {
            return self.responded(step, who, status);
        }
        let gone = matches!(status, 408 | 481);
        if !self.settings.silence_ends_call {
            return self.found_in_long_call(net, step, who, if gone { Found::Gone } else { Found::Present });
        }
        if !gone {
            return self.stays_silent(net, step, who, status);
        }
        match who {
            Who::Caller(id) => self.end_call(net, step, id, Ending::by(Side::Service, EndCause::CallerSilent)),
            Who::Offer(id, leg) => self.leg_lost(net, step, id, leg),
            Who::Phone(_) => {}
        }
    }

    /// Handles a party that is present and sends no audio: media measures its silence again. If the party should send,
    /// the operator and supervisors are notified.
    fn stays_silent(&mut self, net: &mut NetworkParts, step: &mut Step, who: Who, status: u16) {
        let (id, leg) = match who {
            Who::Caller(id) => (id, LegNo::CALLER),
            Who::Offer(id, leg) => (id, leg),
            Who::Phone(_) => return,
        };
        self.trust(step, who);
        self.aim(net, step, who);
        if let Some(line) = self.line_mut(who) {
            line.found = Found::Present;
        }
        if !self.line_mut(who).and_then(|line| line.sound.as_ref()).is_some_and(|sound| sound.peer_sends()) {
            return;
        }
        self.fact(net, step, id, FactKind::SilentLegPresent { leg, sip_status: status });
        let text = self.silence_notice(id, leg);
        let operator = self.calls.get(&id).and_then(|call| call.lead()).map(|(_, operator)| operator.clone());
        let supervisors = self.settings.supervisors.iter();
        let others: Vec<OperatorId> = supervisors.filter(|name| Some(*name) != operator.as_ref()).cloned().collect();
        for to in operator.into_iter().chain(others) {
            step.notify_operator(to, text.clone());
        }
    }
}
