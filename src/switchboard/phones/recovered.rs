//! Bindings of an earlier run that cannot be used yet, or from whose phones no message has arrived yet.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::ids::OperatorId;
use crate::sip::guard::source_network;
use crate::sip::registrar::Binding;
use crate::switchboard::ids::BoundPhone;
use crate::switchboard::saved_state::AccountState;

/// Bindings of an earlier run that cannot be used yet, or from whose phones no message has arrived yet.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Recovered {
    /// States that arrived before the accounts were loaded.
    pub(in crate::switchboard) waiting: BTreeMap<OperatorId, AccountState>,
    /// Bindings over connections that ended with the earlier run. At most `limits::BINDINGS_PER_AOR_MAX` for each account.
    pub(in crate::switchboard) pending: BTreeMap<OperatorId, PendingBindings>,
    /// Networks of the bindings that sleep or have slept; ignored if no binding sleeps.
    pub(in crate::switchboard) pending_networks: BTreeSet<IpAddr>,
    /// UDP bindings from whose flows no message has arrived since the start.
    pub(in crate::switchboard) unconfirmed: BTreeSet<BoundPhone>,
}

impl Recovered {
    /// True if a phone of this network was registered over a connection before the restart, and some such phones have
    /// not registered again.
    pub(in crate::switchboard) fn has_pending_bindings_at(&self, address: IpAddr) -> bool {
        !self.pending.is_empty() && self.pending_networks.contains(&source_network(address))
    }
}

#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct PendingBindings {
    pub(in crate::switchboard) bindings: Vec<Binding>,
    /// Whether the operator is logged in: the state before the restart, or after a later log-in or log-out. The first
    /// phone that registers again does not change it. None if a phone has registered again.
    pub(in crate::switchboard) logged_in: Option<bool>,
}
