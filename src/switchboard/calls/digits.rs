//! Digits of the parties of a call: each is recorded, and forwarded to the other side of a conversation. Telephone events
//! are forwarded in RTP. A trunk without telephone events gets INFO, and digits received by INFO are sent as telephone
//! events.

use crate::cdr::fact::FactKind;
use crate::ids::{CallId, LegNo};
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::state::call::Stage;
use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::step::Step;

/// Maximum recorded digits of one call.
const DIGITS_MAX: u16 = 64;

impl Calls {
    /// Records a digit, however it was sent, and forwards it to the other side.
    pub(in crate::switchboard) fn digit_of(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        who: LegRef,
        digit: char,
        as_event: bool,
    ) {
        let (id, leg) = match who {
            LegRef::Caller(id) => (id, LegNo::CALLER),
            LegRef::Outgoing(id, leg) => (id, leg),
            LegRef::Service(service_call) => return self.pin_digit(net, step, service_call, digit),
        };
        if self.changes_role(net, step, id, leg, digit) {
            return;
        }
        self.pass_digit(net, step, id, leg, digit, as_event);
        if self.calls.get_mut(&id).is_some_and(|call| call.counts.count_digit(DIGITS_MAX)) {
            self.fact(net, step, id, FactKind::Digit { leg, digit });
        }
        match leg {
            LegNo::CALLER => self.pressed(net, step, id, digit),
            _ => self.typed(net, step, id, leg, digit),
        }
    }

    /// Forwards a digit of one side, received as a telephone event or by INFO, to the other side.
    fn pass_digit(
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
        if call.audio.is_mixed() || call.audio.is_held() || !(leg == LegNo::CALLER || leg == talks) {
            return;
        }
        let (caller, other) = (LegRef::Caller(id), LegRef::Outgoing(id, talks));
        let (from, to) = if leg == LegNo::CALLER { (caller, other) } else { (other, caller) };
        if !self.session_mut(from).is_some_and(|session| session.digit_is_new(as_event)) {
            return;
        }
        if let Some(session) = self.session_mut(to) {
            session.send_digit(net, step, to, digit, as_event);
        }
    }
}
