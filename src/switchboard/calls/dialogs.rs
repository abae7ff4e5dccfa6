//! A party that hangs up.

use crate::cdr::fact::{EndCause, Side};
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::end::Ending;
use crate::switchboard::calls::state::call::Call;
use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::step::Step;

/// The status that is reported for an ignored ACK, which has no response (RFC 3261 §17): the status that other requests
/// from that source get.
pub(in crate::switchboard) const ACK_IGNORED: u16 = 403;

impl Calls {
    /// True if the call of a leg has ended: its peer has been notified, or will be.
    pub(in crate::switchboard) fn is_past(&self, who: LegRef) -> bool {
        match who {
            LegRef::Caller(call) | LegRef::Outgoing(call, _) => self.calls.get(&call).is_some_and(Call::is_over),
            LegRef::Service(_) => false,
        }
    }

    /// Handles the BYE of a party.
    pub(in crate::switchboard) fn hung_up(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        who: LegRef,
        q850: Option<u8>,
    ) {
        let now = step.now;
        match who {
            LegRef::Caller(call) => {
                // A BYE may overtake the answer. In an early dialog it has the effect of a CANCEL (RFC 3261 §15).
                let talked = self.calls.get(&call).is_some_and(Call::has_talked);
                let cause = if talked { EndCause::Normal } else { EndCause::Abandoned };
                self.end_call(net, step, call, Ending::by(Side::Caller, cause).with_bye(who, q850));
                self.remove_if_finished(net, step, call);
            }
            LegRef::Outgoing(call, leg) if self.is_participant(call, leg) => {
                self.end_participant(net, step, call, leg, false)
            }
            LegRef::Outgoing(call, leg) if self.hand_over_to_participant(net, step, call, leg, false) => {}
            LegRef::Outgoing(call, leg) if self.keeps_call_after_bye(now, call, leg) => {
                self.transferor_left(net, step, call, leg, false)
            }
            LegRef::Outgoing(call, _) => {
                self.end_call(net, step, call, Ending::by(Side::Operator, EndCause::Normal).with_bye(who, q850));
            }
            LegRef::Service(service_call) => self.end_service_call(net, step, service_call, false),
        }
    }
}
