//! Looks up the leg of a transaction, and repeats unacknowledged 2xx responses of a leg.

use crate::cdr::fact::{Callee, OfferOutcome};
use crate::sip::flow::Flow;
use crate::sip::guard::Reason;
use crate::sip::transaction::ServerId;
use crate::sip::wire::Message;
use crate::switchboard::admission::challenges::Usage;
use crate::switchboard::alarm::{Alarm, T2};
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::leg::{Line, OfferLeg, OfferState};
use crate::switchboard::calls::state::call::Stage;
use crate::switchboard::ids::Who;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::output::rejection::Rejected;
use crate::switchboard::step::Step;
use crate::switchboard::trunks::trunk::NextWay;

impl Calls {
    /// Counts a message for a leg from a source that is not allowed. For a trunk's leg, the report contains the setting
    /// that would accept the source.
    pub(in crate::switchboard) fn report_foreign(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        flow: Flow,
        message: &Message<'_>,
        who: Who,
        status: u16,
    ) {
        self.report_usage(net, step, flow, message, Usage::Leg(who), status);
    }

    pub(in crate::switchboard) fn report_usage(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        flow: Flow,
        message: &Message<'_>,
        usage: Usage,
        status: u16,
    ) {
        net.admission.guard.count(Reason::Foreign);
        if let Some(trunk) = self.trunk_of_usage(net, usage) {
            net.trunks.report_rejection(step, flow, message, Some(trunk), Rejected::ForeignHost, (status, None));
        }
    }
}

impl Calls {
    pub(in crate::switchboard) fn trunk_of_usage(&self, net: &NetworkParts, usage: Usage) -> Option<usize> {
        match usage {
            // A test call does not count towards the capacity of its trunk.
            Usage::Leg(Who::Phone(phone)) => net.trunks.trunk_of(self.services.get(&phone)?.line.flow),
            Usage::Leg(who) => net.trunks.trunk_with(who),
            Usage::Watch(_) => None,
        }
    }
}

impl Calls {
    /// The To tag of all responses to an INVITE.
    pub(in crate::switchboard) fn tag_of(&mut self, net: &mut NetworkParts, invite: ServerId) -> Option<String> {
        let who = net.wire.leg_of_invite(&invite);
        let dialog = who.and_then(|who| self.line_mut(who)).and_then(|line| line.dialog.as_ref());
        let tag = dialog.map(|dialog| dialog.key().local_tag.to_vec()).or_else(|| net.wire.to_tag(invite))?;
        String::from_utf8(tag).ok()
    }
}

impl Calls {
    /// The leg that is bridged with this leg.
    pub(in crate::switchboard) fn other_side(&self, who: Who) -> Option<Who> {
        let (Who::Caller(id) | Who::Offer(id, _)) = who else { return None };
        let Stage::Talking { leg } = self.calls.get(&id)?.stage else { return None };
        match who {
            Who::Caller(_) => Some(Who::Offer(id, leg)),
            Who::Offer(_, his) => (his == leg).then_some(Who::Caller(id)),
            Who::Phone(_) => None,
        }
    }
}

impl Calls {
    pub(in crate::switchboard) fn repeat_or_give_up(&mut self, net: &mut NetworkParts, step: &mut Step, who: Who) {
        let now = step.now;
        let Some(mut unacked) = self.line_mut(who).and_then(|line| line.unacked.take()) else { return };
        if now.mono >= unacked.give_up_at {
            return self.never_acked(net, step, who);
        }
        net.wire.respond(step, unacked.server, 200, unacked.bytes.clone());
        unacked.interval = (unacked.interval * 2).min(T2);
        unacked.repeat_at = now.mono + unacked.interval;
        step.alarms.insert(unacked.due(), Alarm::Unacked(who));
        if let Some(line) = self.line_mut(who) {
            line.unacked = Some(unacked);
        }
    }

    pub(in crate::switchboard) fn ring_over(&mut self, net: &mut NetworkParts, step: &mut Step, who: Who) {
        let Who::Offer(call, leg) = who else { return };
        if let Some(live) = self.calls.get_mut(&call)
            && let Some(offer) = live.legs.get(&leg)
        {
            // If no phone rings over this trunk, the number is dialled over the next trunk.
            let silent = matches!(offer.state, OfferState::Ringing { rang: false, .. });
            live.next_way = (silent && matches!(offer.to, Callee::Number(_))).then_some(NextWay::Trunk);
        }
        self.cancel_offer(net, step, call, leg, OfferOutcome::NoAnswer);
    }
}

impl Calls {
    /// An existing outgoing leg.
    pub(in crate::switchboard) fn leg_mut(&mut self, who: Who) -> Option<&mut OfferLeg> {
        match who {
            Who::Offer(call, leg) => self.calls.get_mut(&call)?.legs.get_mut(&leg),
            Who::Caller(_) | Who::Phone(_) => None,
        }
    }

    /// The leg session of an existing leg.
    pub(in crate::switchboard) fn line_mut(&mut self, who: Who) -> Option<&mut Line> {
        match who {
            Who::Caller(call) => self.calls.get_mut(&call).map(|call| &mut call.caller.line),
            Who::Offer(call, leg) => {
                self.calls.get_mut(&call).and_then(|call| call.legs.get_mut(&leg)).map(|leg| &mut leg.line)
            }
            Who::Phone(phone) => self.services.get_mut(&phone).map(|phone| &mut phone.line),
        }
    }
}

impl Step {
    /// Removes the timer of an outgoing leg's state.
    pub(in crate::switchboard) fn drop_offer_alarm(&mut self, who: Who, state: OfferState) {
        match state {
            OfferState::Ringing { ring_until, .. } => {
                self.alarms.remove(ring_until, Alarm::RingOver(who));
            }
            OfferState::Unheard | OfferState::Talking | OfferState::Cancelling => {}
        }
    }
}
