//! Legs whose phone or trunk may be gone: its keep-alive got no response, or its phone has registered with a new Call-ID, as after a reboot.
//! A failed keep-alive ends no call: it can be lost, and ICMP errors can be forged. But if the peer's media has stopped or has never arrived, siaga sends OPTIONS in
//! the leg's dialog at once. The leg is lost if no response arrives, or if the peer does not know the dialog.

use std::net::IpAddr;

use crate::ids::OperatorId;
use crate::sip::flow::Flow;
use crate::sip::registrar::Binding;
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::leg::OutgoingState;
use crate::switchboard::ids::{BoundPhone, LegRef};
use crate::switchboard::network::NetworkParts;
use crate::switchboard::session::state::presence::Patience;
use crate::switchboard::step::Step;

impl Calls {
    /// Handles a keep-alive or an INVITE to which a phone has not responded at any of its addresses.
    pub(in crate::switchboard) fn suspect_phone(&mut self, net: &NetworkParts, step: &mut Step, phone: &BoundPhone) {
        let Some(binding) = net.phones.binding_of(phone) else { return };
        let flows = self.flows_of(binding);
        self.suspect_lines(net, step, &phone.account, |flow| flows.contains(&flow));
    }

    /// Handles a REGISTER. If its Call-ID is new, a phone with the same instance or at the same host may have started anew, without its
    /// dialogs. `before`: the account's bindings before the REGISTER.
    pub(in crate::switchboard) fn suspect_rebooted(
        &mut self,
        net: &NetworkParts,
        step: &mut Step,
        account: &OperatorId,
        (call_id, source): (&[u8], IpAddr),
        before: &[Binding],
    ) {
        if before.iter().any(|binding| binding.call_id == call_id) {
            return;
        }
        let new = net.phones.registrar.bindings(account.as_str()).iter().filter(|binding| binding.call_id == call_id);
        let instances: Vec<_> = new.filter_map(|binding| binding.instance.as_ref()).collect();
        let is_its = |binding: &&Binding| {
            let known = binding.instance.as_ref().is_some_and(|instance| instances.contains(&instance));
            known || binding.flow.remote.ip() == source
        };
        let flows: Vec<Flow> = before.iter().filter(is_its).flat_map(|binding| self.flows_of(binding)).collect();
        self.suspect_lines(net, step, account, |flow| flow.remote.ip() == source || flows.contains(&flow));
    }

    /// Handles a trunk that has not responded to a keep-alive.
    pub(in crate::switchboard) fn suspect_trunk(&mut self, net: &NetworkParts, step: &mut Step, trunk: usize) {
        for who in net.trunks.legs_over(trunk) {
            self.suspect(step, who);
        }
    }

    fn suspect_lines(
        &mut self,
        net: &NetworkParts,
        step: &mut Step,
        account: &OperatorId,
        is_its: impl Fn(Flow) -> bool,
    ) {
        let mut lines = self.lines_of(&net.phones.user_of(account));
        lines.extend(self.internal_lines(account));
        for (who, _) in lines.into_iter().filter(|(_, flow)| is_its(*flow)) {
            self.suspect(step, who);
        }
    }

    fn suspect(&mut self, step: &mut Step, who: LegRef) {
        let (talks, patience) = match who {
            LegRef::Caller(id) => {
                let Some(call) = self.calls.get(&id) else { return };
                let is_placed = call.kind.is_placed();
                (call.caller.is_answered(), if is_placed { Patience::Short } else { Patience::TimerF })
            }
            LegRef::Outgoing(..) => {
                (self.leg_mut(who).is_some_and(|leg| leg.state == OutgoingState::Talking), Patience::Short)
            }
            LegRef::Service(_) => (false, Patience::Short),
        };
        if let Some(session) = self.session_mut(who).filter(|_| talks) {
            session.suspect(step, patience);
        }
    }

    /// The flow of a binding's REGISTER, and the address in its Contact.
    fn flows_of(&self, binding: &Binding) -> [Flow; 2] {
        [binding.flow, self.settings.site.addresses(binding).first]
    }
}
