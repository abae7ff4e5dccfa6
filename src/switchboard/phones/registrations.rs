//! What a REGISTER and a restart change about phones.

use std::time::Duration;

use bytes::Bytes;

use crate::ids::OperatorId;
use crate::sip::flow::Flow;
use crate::sip::option_tag;
use crate::sip::registrar::{Binding, Need};
use crate::sip::uri::Uri;
use crate::sip::wire::Message;
use crate::switchboard::ids::Who;
use crate::switchboard::phones::search::Reached;
use crate::switchboard::phones::ways::Ways;
use crate::switchboard::wire::taken::Taken;
use crate::switchboard::{Phones, Step, Wire};

impl Phones {
    /// Notes a log-in or log-out for the time when a phone that has not registered since the restart does so.
    pub(in crate::switchboard) fn logged(&mut self, operator: &OperatorId, logged_in: bool) {
        let known = self.recovered.asleep.get_mut(operator).and_then(|one| one.logged_in.as_mut());
        if let Some(known) = known.filter(|known| **known != logged_in) {
            *known = logged_in;
            self.stations.changed.insert(operator.clone());
        }
    }

    /// Sends OPTIONS to a phone that is rung and has not been heard since the restart, to find out whether it is reachable.
    pub(in crate::switchboard) fn probe_doubtful(&mut self, wire: &mut Wire, step: &mut Step, reached: &Reached) {
        if self.recovered.doubtful.remove(&reached.phone.flow).is_some() {
            wire.ping_ways(step, reached);
        }
    }

    /// Removes the bindings that wait for a removed account.
    pub(in crate::switchboard) fn forget_recovered(&mut self, account: &OperatorId) {
        self.recovered.asleep.remove(account);
        self.recovered.doubtful.retain(|_, owner| owner != account);
    }
}

/// So often at least a phone is to ping over its connection (RFC 5626 §4.4.1).
pub(in crate::switchboard) const FLOW_TIMER_SECONDS: &[u8] = b"120";

/// For so long after the start, phones get no response while no account is known.
pub(in crate::switchboard) const ACCOUNTS_PATIENCE: Duration = Duration::from_secs(10);

impl Phones {
    /// True when a phone has registered a flow of the kind whose pings we answer (RFC 5626 §4.4.1, §6); over UDP they would be STUN.
    pub(in crate::switchboard) fn keeps_flow(&self, operator: &OperatorId, taken: &Taken<'_, '_>) -> bool {
        let is_flow =
            |binding: &Binding| binding.flow == taken.flow && binding.reg_id.is_some() && binding.instance.is_some();
        taken.flow.is_connection()
            && option_tag::is_supported(taken.message, option_tag::OUTBOUND)
            && self.registrar.bindings(operator.as_str()).iter().any(is_flow)
    }

    /// The operator whom a Request-URI names.
    pub(in crate::switchboard) fn operator_at(&self, uri: &[u8]) -> Option<OperatorId> {
        let uri = Uri::parse(uri).ok()?;
        let user = uri.user()?;
        let operator = OperatorId::parse(std::str::from_utf8(&user).ok()?).ok()?;
        self.accounts.contains_key(&operator).then_some(operator)
    }
}

/// What a binding is needed for, where these legs ring or talk. `ways`: those of each binding, by its URI.
pub(in crate::switchboard) fn need(binding: &Binding, ways: &[(Bytes, Ways)], in_use: &[(Who, Flow)]) -> Need {
    let ways = ways.iter().find(|(uri, _)| *uri == binding.uri).map(|(_, ways)| *ways);
    let is_there = |flow: Flow| flow == binding.flow || ways.is_some_and(|ways| ways.iter().any(|way| way == flow));
    match binding.reach.unreachable {
        _ if in_use.iter().any(|(_, flow)| is_there(*flow)) => Need::InUse,
        true => Need::Unreachable,
        false => Need::Idle,
    }
}

/// The address of record in To is the operator's own.
pub(in crate::switchboard) fn names(message: &Message<'_>, operator: &OperatorId) -> bool {
    let Ok(to) = message.to() else { return false };
    let Ok(uri) = Uri::parse(to.uri) else { return false };
    uri.user().is_some_and(|user| user.as_ref() == operator.as_str().as_bytes())
}
