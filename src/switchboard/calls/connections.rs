//! Changes of the connection or flow of legs.

use bytes::Bytes;

use crate::ids::OperatorId;
use crate::sip::dialog::Dialog;
use crate::sip::flow::Flow;
use crate::sip::locate::Target;
use crate::switchboard::calls::Calls;
use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::session::Session;
use crate::switchboard::step::Step;
use crate::switchboard::wire::connections::host_of;

impl Calls {
    /// Handles a closed connection. Calls of its callers continue: further messages use a new connection to the address of the dialog's
    /// next hop (RFC 3261 §12.2.1.1, §18.1.1).
    pub(in crate::switchboard) fn connection_lost(&mut self, net: &mut NetworkParts, step: &mut Step, flow: Flow) {
        net.trunks.proven.remove(&flow.connection);
        net.wire.closed.add(flow.connection);
        for id in net.wire.streams.remove(&flow.connection).unwrap_or_default() {
            if let Some(session) = self.session_mut(LegRef::Caller(id)) {
                session.connection_lost(flow);
            }
            self.caller_disconnected(net, step, id, flow);
        }
    }

    /// True if one of these Contacts names the phone at the other end of a leg. Ports are not compared: many phones name the local port of
    /// their connection.
    pub(in crate::switchboard) fn leads_to(&self, who: LegRef, contacts: &[Bytes]) -> bool {
        let target = self.session(who).and_then(Session::dialog).map(Dialog::target);
        // A leg that rings has no dialog yet; its CANCEL is sent in any case.
        target.is_none_or(|target| {
            let host = host_of(target);
            host.is_some() && contacts.iter().any(|contact| host_of(contact) == host)
        })
    }

    /// The legs of emergency calls from the phones of an account, with their flows.
    pub(in crate::switchboard) fn internal_lines(&self, account: &OperatorId) -> Vec<(LegRef, Flow)> {
        let calls = self.internal.get(account).into_iter().flatten();
        calls.filter_map(|id| Some((LegRef::Caller(*id), self.calls.get(id)?.caller.session.flow()))).collect()
    }

    /// The legs to and from an operator's phones, with their flows: those of the operator's call and of the call that they have placed.
    pub(in crate::switchboard) fn lines_of(&self, operator: &OperatorId) -> Vec<(LegRef, Flow)> {
        let call = self.acd.view(operator).and_then(|view| view.call);
        let placed = self.placed.of(operator).into_iter().filter(|id| Some(*id) != call);
        let calls = call.into_iter().chain(placed).filter_map(|id| Some((id, self.calls.get(&id)?)));
        let mut lines = Vec::new();
        for (id, call) in calls {
            if call.kind.placed_by() == Some(operator) {
                lines.push((LegRef::Caller(id), call.caller.session.flow()));
            }
            let legs = call.legs.iter().filter(|(_, leg)| leg.operator() == Some(operator));
            lines.extend(legs.map(|(no, leg)| (LegRef::Outgoing(id, *no), leg.session.flow())));
        }
        lines
    }

    /// Stores the servers of a URI's host for the legs that wait for it. `targets` is empty if the lookup failed.
    pub(in crate::switchboard) fn found(&mut self, net: &mut NetworkParts, uri: &Bytes, targets: &[Target]) {
        for who in net.wire.lookups.take(uri) {
            if let Some(session) = self.session_mut(who) {
                session.resolved(uri, targets);
            }
        }
    }
}
