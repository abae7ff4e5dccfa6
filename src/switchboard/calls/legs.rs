//! Looks up legs, and reports messages for them from foreign sources.

use crate::cdr::fact::{Callee, OfferOutcome};
use crate::sip::flow::Flow;
use crate::sip::guard::Reason;
use crate::sip::transaction::ServerId;
use crate::sip::wire::Message;
use crate::switchboard::admission::challenges::Usage;
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::leg::{OutgoingLeg, OutgoingState};
use crate::switchboard::calls::state::call::Stage;
use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::output::rejection::Rejected;
use crate::switchboard::session::Session;
use crate::switchboard::step::Step;
use crate::switchboard::trunks::trunk::NextRoute;

impl Calls {
    /// Counts a message for a leg from a source that is not allowed. For a trunk's leg, the report contains the setting
    /// that would accept the source.
    pub(in crate::switchboard) fn report_foreign(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        flow: Flow,
        message: &Message<'_>,
        who: LegRef,
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

    pub(in crate::switchboard) fn trunk_of_usage(&self, net: &NetworkParts, usage: Usage) -> Option<usize> {
        match usage {
            // A test call does not count towards the capacity of its trunk.
            Usage::Leg(LegRef::Service(service_call)) => {
                net.trunks.trunk_of(self.service_calls.get(&service_call)?.session.flow())
            }
            Usage::Leg(who) => net.trunks.trunk_of_leg(who),
            Usage::Watch(_) => None,
        }
    }

    /// The To tag of all responses to an INVITE.
    pub(in crate::switchboard) fn tag_of(&self, net: &NetworkParts, invite: ServerId) -> Option<String> {
        let who = net.wire.leg_of_invite(&invite);
        let dialog = who.and_then(|who| self.session(who)).and_then(Session::dialog);
        let tag = dialog.map(|dialog| dialog.key().local_tag.to_vec()).or_else(|| net.wire.to_tag(invite))?;
        String::from_utf8(tag).ok()
    }

    /// The leg that is bridged with this leg.
    pub(in crate::switchboard) fn other_side(&self, who: LegRef) -> Option<LegRef> {
        let (LegRef::Caller(id) | LegRef::Outgoing(id, _)) = who else { return None };
        let Stage::Talking { leg } = self.calls.get(&id)?.stage else { return None };
        match who {
            LegRef::Caller(_) => Some(LegRef::Outgoing(id, leg)),
            LegRef::Outgoing(_, his) => (his == leg).then_some(LegRef::Caller(id)),
            LegRef::Service(_) => None,
        }
    }

    /// Handles the end of a ring attempt's maximum length.
    pub(in crate::switchboard) fn ring_over(&mut self, net: &mut NetworkParts, step: &mut Step, who: LegRef) {
        let LegRef::Outgoing(call, leg) = who else { return };
        if let Some(live) = self.calls.get_mut(&call)
            && let Some(offer) = live.legs.get(&leg)
        {
            // If no phone rings over this trunk, the number is dialled over the next trunk.
            let silent = matches!(offer.state, OutgoingState::Ringing { rang: false, .. });
            let next = (silent && matches!(offer.to, Callee::Number(_))).then_some(NextRoute::Trunk);
            live.dialling.set_next_route(next);
        }
        self.cancel_attempt(net, step, call, leg, OfferOutcome::NoAnswer);
    }

    /// An existing outgoing leg.
    pub(in crate::switchboard) fn leg_mut(&mut self, who: LegRef) -> Option<&mut OutgoingLeg> {
        match who {
            LegRef::Outgoing(call, leg) => self.calls.get_mut(&call)?.legs.get_mut(&leg),
            LegRef::Caller(_) | LegRef::Service(_) => None,
        }
    }
}
