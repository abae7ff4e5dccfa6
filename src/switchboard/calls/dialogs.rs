//! A party that hangs up.

use crate::cdr::fact::{EndCause, Side};
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::end::Ending;
use crate::switchboard::calls::state::call::Call;
use crate::switchboard::ids::Who;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::step::Step;

/// The status that is reported for an ignored ACK, which has no response (RFC 3261 §17). Other requests from that source get it.
pub(in crate::switchboard) const ACK_IGNORED: u16 = 403;

impl Calls {
    /// True if the call of a leg has ended: its peer has been notified, or will be.
    pub(in crate::switchboard) fn is_past(&self, who: Who) -> bool {
        match who {
            Who::Caller(call) | Who::Offer(call, _) => self.calls.get(&call).is_some_and(Call::is_over),
            Who::Phone(_) => false,
        }
    }

    /// Handles the BYE of a party.
    pub(in crate::switchboard) fn hung_up(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        who: Who,
        q850: Option<u8>,
    ) {
        let now = step.now;
        match who {
            Who::Caller(call) => {
                // A BYE may overtake the answer. In an early dialog it has the effect of a CANCEL (RFC 3261 §15).
                let talked = self.calls.get(&call).is_some_and(Call::has_talked);
                let cause = if talked { EndCause::Normal } else { EndCause::Abandoned };
                self.end_call(net, step, call, Ending::by(Side::Caller, cause).with_bye(who, q850));
                self.reap(net, step, call);
            }
            Who::Offer(call, leg) if self.is_guest(call, leg) => self.guest_leaves(net, step, call, leg, false),
            Who::Offer(call, leg) if self.leaves_heir(net, step, call, leg, false) => {}
            Who::Offer(call, leg) if self.is_passing_on(now, call, leg) => {
                self.transferor_left(net, step, call, leg, false)
            }
            Who::Offer(call, _) => {
                self.end_call(net, step, call, Ending::by(Side::Operator, EndCause::Normal).with_bye(who, q850));
            }
            Who::Phone(phone) => self.end_phone(net, step, phone, false),
        }
    }
}
