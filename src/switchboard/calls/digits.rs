//! Forwards digits from one side of a conversation to the other. Telephone events are forwarded in RTP. A trunk without telephone events
//! gets INFO, and digits received by INFO are sent as telephone events.

use std::collections::VecDeque;

use crate::ids::{CallId, LegNo};
use crate::media::command::Command;
use crate::sip::transaction::ClientId;
use crate::sip::wire::Method;
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::leg::Line;
use crate::switchboard::calls::state::call::Stage;
use crate::switchboard::ids::Who;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::step::Step;
use crate::switchboard::wire::clients::Purpose;

/// Maximum number of digits that wait for the response to the digit before. Further digits are lost.
const WAITING_MAX: usize = 32;
/// The duration of a digit in INFO, in milliseconds.
const DURATION_MS: u32 = 160;

/// The digits of one leg.
#[derive(Clone, Debug, Default)]
pub(in crate::switchboard) struct Digits {
    /// The digits for this leg's peer. They are sent one after the other, because an INFO that overtakes another is out of order (RFC 3261
    /// §12.2.2).
    waiting: VecDeque<char>,
    told: Option<ClientId>,
    /// The peer has sent telephone events. Its INFO requests repeat the same digits.
    sends_events: bool,
}

impl Digits {
    /// The INFO that waits for its final response.
    pub(in crate::switchboard) fn told(&self) -> Option<ClientId> {
        self.told
    }

    /// Drops the waiting digits, and returns the INFO whose response is no longer needed.
    pub(in crate::switchboard) fn forget(&mut self) -> Option<ClientId> {
        self.waiting.clear();
        self.told.take()
    }

    /// Stores the new transaction of an INFO that was sent again.
    pub(in crate::switchboard) fn told_again(&mut self, old: ClientId, new: ClientId) {
        self.told = self.told.map(|told| if told == old { new } else { told });
    }
}

impl Calls {
    /// Forwards a digit of one side, received as a telephone event or by INFO, to the other side.
    pub(in crate::switchboard) fn pass_digit(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        leg: LegNo,
        digit: char,
        as_event: bool,
    ) {
        let Some(call) = self.calls.get(&id) else { return };
        let Stage::Talking { leg: talks } = call.stage else { return };
        if call.mixed || call.holding != (false, false) || !(leg == LegNo::CALLER || leg == talks) {
            return;
        }
        let (caller, other) = (Who::Caller(id), Who::Offer(id, talks));
        let (from, to) = if leg == LegNo::CALLER { (caller, other) } else { (other, caller) };
        let Some(digits) = self.line_mut(from).map(|line| &mut line.digits) else { return };
        digits.sends_events |= as_event;
        if !as_event && digits.sends_events {
            return;
        }
        let Some(line) = self.line_mut(to) else { return };
        let Some(sound) = line.sound.as_ref() else { return };
        let takes_events = sound.agreed.is_some_and(|agreed| agreed.dtmf.is_some());
        if takes_events && !as_event {
            let anchor = sound.anchor;
            step.out.media.push(Command::Press { anchor, digit });
        } else if !takes_events && sound.local.formats.dtmf().is_none() && line.digits.waiting.len() < WAITING_MAX {
            line.digits.waiting.push_back(digit);
            self.tell_digit(net, step, to);
        }
    }

    /// Handles the final response or the timeout of an INFO, and sends the next digit. After a timeout, the waiting digits are dropped.
    pub(in crate::switchboard) fn digit_told(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        who: Who,
        client: ClientId,
        answered: bool,
    ) {
        let Some(digits) = self.line_mut(who).map(|line| &mut line.digits) else { return };
        if digits.told.take_if(|told| *told == client).is_none() {
            return;
        }
        if !answered {
            digits.waiting.clear();
        }
        self.tell_digit(net, step, who);
    }

    /// Sends the first waiting digit, unless an INFO is in progress.
    fn tell_digit(&mut self, net: &mut NetworkParts, step: &mut Step, who: Who) {
        let _now = step.now;
        let Some(flow) = self.line_mut(who).map(|line| line.next_flow()) else { return };
        let branch = format!("z9hG4bK{}", step.rng.token());
        let sent_by = self.settings.advertised(flow).to_owned();
        let Some(Line { digits, dialog: Some(dialog), .. }) = self.line_mut(who) else { return };
        if digits.told.is_some() {
            return;
        }
        let Some(digit) = digits.waiting.pop_front() else { return };
        let (builder, cseq) = dialog.request(Method::Info);
        let body = format!("Signal={digit}\r\nDuration={DURATION_MS}\r\n");
        let bytes =
            builder.via(flow.transport, &sent_by, &branch).body("application/dtmf-relay", body.as_bytes()).encode();
        let sent = net.wire.request(step, flow, Method::Info, &branch, bytes.clone());
        let Some(client) = sent else { return };
        net.wire.expect(client, Purpose::Digit(who));
        net.wire.may_be_asked(client, net.trunks.trunk_with(who), flow, bytes, cseq);
        if let Some(line) = self.line_mut(who) {
            line.digits.told = Some(client);
        }
    }
}
