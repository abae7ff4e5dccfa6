//! Digits that are sent to the peer: as telephone events, or by INFO to a trunk without telephone events.

use crate::media::command::Command;
use crate::sip::transaction::ClientId;
use crate::sip::wire::Method;
use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::session::Session;
use crate::switchboard::step::Step;
use crate::switchboard::wire::clients::Purpose;

/// Maximum number of digits that wait for the response to the digit before. Further digits are lost.
const WAITING_MAX: usize = 32;
/// The duration of a digit in INFO, in milliseconds.
const DURATION_MS: u32 = 160;

impl Session {
    /// Records how the peer has sent a digit. Returns false if the digit repeats a telephone event.
    pub(in crate::switchboard) fn digit_is_new(&mut self, as_event: bool) -> bool {
        self.digits.sends_events |= as_event;
        as_event || !self.digits.sends_events
    }

    /// Sends a digit of the other side to the peer. `as_event`: it was received as a telephone event, which media relays.
    pub(in crate::switchboard) fn send_digit(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        leg: LegRef,
        digit: char,
        as_event: bool,
    ) {
        let Some(media) = self.media.as_ref() else { return };
        if media.takes_events() {
            if !as_event {
                step.out.media.push(Command::Press { anchor: media.anchor(), digit });
            }
        } else if !media.offers_events() && self.digits.waiting.len() < WAITING_MAX {
            self.digits.waiting.push_back(digit);
            self.send_next_digit(net, step, leg);
        }
    }

    /// Handles the final response or the timeout of an INFO, and sends the next digit. After a timeout, the waiting digits are dropped.
    pub(super) fn digit_answered(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        leg: LegRef,
        client: ClientId,
        answered: bool,
    ) {
        if self.digits.pending.take_if(|pending| *pending == client).is_none() {
            return;
        }
        if !answered {
            self.digits.waiting.clear();
        }
        self.send_next_digit(net, step, leg);
    }

    /// Sends the first waiting digit, unless an INFO is in progress.
    fn send_next_digit(&mut self, net: &mut NetworkParts, step: &mut Step, leg: LegRef) {
        let flow = self.next_flow();
        let branch = format!("z9hG4bK{}", step.rng.token());
        let Some(dialog) = self.dialog.as_mut() else { return };
        if self.digits.pending.is_some() {
            return;
        }
        let Some(digit) = self.digits.waiting.pop_front() else { return };
        let (builder, cseq) = dialog.request(Method::Info);
        let body = format!("Signal={digit}\r\nDuration={DURATION_MS}\r\n");
        let via = builder.via(flow.transport, net.wire.settings.site.advertised(flow), &branch);
        let bytes = via.body("application/dtmf-relay", body.as_bytes()).encode();
        let sent = net.wire.request(step, flow, Method::Info, &branch, bytes.clone());
        let Some(client) = sent else { return };
        net.wire.expect(client, Purpose::Digit(leg));
        net.wire.keep_with_account(client, net.trunks.account_of_leg(leg), flow, bytes, cseq);
        self.digits.pending = Some(client);
    }
}
