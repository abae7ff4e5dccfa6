//! Changes of phones after a REGISTER or a restart.

use std::time::Duration;

use bytes::Bytes;

use crate::ids::OperatorId;
use crate::sip::flow::Flow;
use crate::sip::option_tag;
use crate::sip::registrar::{Binding, Need};
use crate::sip::uri::Uri;
use crate::sip::wire::Message;
use crate::switchboard::ids::LegRef;
use crate::switchboard::phones::Phones;
use crate::switchboard::phones::search::Reached;
use crate::switchboard::phones::second_address::PhoneAddresses;
use crate::switchboard::step::Step;
use crate::switchboard::wire::Wire;
use crate::switchboard::wire::incoming_request::IncomingRequest;

impl Phones {
    /// Stores a log-in or log-out for an operator whose phones have not registered since the restart.
    pub(in crate::switchboard) fn set_logged_in(&mut self, operator: &OperatorId, logged_in: bool) {
        let known = self.recovered.pending.get_mut(operator).and_then(|one| one.logged_in.as_mut());
        if let Some(known) = known.filter(|known| **known != logged_in) {
            *known = logged_in;
            self.stations.changed.insert(operator.clone());
        }
    }

    /// Sends OPTIONS to a phone that is rung and from which no message has arrived since the restart, to find out
    /// whether it is reachable.
    pub(in crate::switchboard) fn probe_unconfirmed(&mut self, wire: &mut Wire, step: &mut Step, reached: &Reached) {
        if self.recovered.unconfirmed.remove(&reached.phone) {
            wire.ping_addresses(step, reached);
        }
    }

    /// Removes the sleeping and unconfirmed bindings of a removed account.
    pub(in crate::switchboard) fn drop_recovered(&mut self, account: &OperatorId) {
        self.recovered.pending.remove(account);
        self.recovered.unconfirmed.retain(|phone| phone.account != *account);
    }
}

/// Maximum interval between keep-alives of a phone over its connection (RFC 5626 §4.4.1).
pub(in crate::switchboard) const FLOW_TIMER_SECONDS: &[u8] = b"120";

/// Time after the start in which phones get no response if the accounts have not been loaded.
pub(in crate::switchboard) const ACCOUNTS_PATIENCE: Duration = Duration::from_secs(10);

impl Phones {
    /// True if a phone has registered this flow for connection keep-alives, which siaga answers (RFC 5626 §4.4.1, §6).
    /// UDP would need STUN.
    pub(in crate::switchboard) fn keeps_flow(&self, operator: &OperatorId, taken: &IncomingRequest<'_, '_>) -> bool {
        let is_flow =
            |binding: &Binding| binding.flow == taken.flow && binding.reg_id.is_some() && binding.instance.is_some();
        taken.flow.is_connection()
            && option_tag::is_supported(taken.message, option_tag::OUTBOUND)
            && self.registrar.bindings(operator.as_str()).iter().any(is_flow)
    }

    /// The operator in the user part of a Request-URI.
    pub(in crate::switchboard) fn operator_at(&self, uri: &[u8]) -> Option<OperatorId> {
        let uri = Uri::parse(uri).ok()?;
        let user = uri.user()?;
        let operator = OperatorId::parse(std::str::from_utf8(&user).ok()?).ok()?;
        self.accounts.contains_key(&operator).then_some(operator)
    }
}

/// How a binding is needed, given the flows of ringing and talking legs (`in_use`). `addresses` maps the URI of each binding
/// to its flows.
pub(in crate::switchboard) fn need(
    binding: &Binding,
    addresses: &[(Bytes, PhoneAddresses)],
    in_use: &[(LegRef, Flow)],
) -> Need {
    let addresses = addresses.iter().find(|(uri, _)| *uri == binding.uri).map(|(_, addresses)| *addresses);
    let is_there = |flow: Flow| {
        flow == binding.flow || addresses.is_some_and(|addresses| addresses.iter().any(|address| address == flow))
    };
    match binding.reach.unreachable {
        _ if in_use.iter().any(|(_, flow)| is_there(*flow)) => Need::InUse,
        true => Need::Unreachable,
        false => Need::Idle,
    }
}

/// True if the user part of To is the operator's own.
pub(in crate::switchboard) fn names(message: &Message<'_>, operator: &OperatorId) -> bool {
    let Ok(to) = message.to() else { return false };
    let Ok(uri) = Uri::parse(to.uri) else { return false };
    uri.user().is_some_and(|user| user.as_ref() == operator.as_str().as_bytes())
}
