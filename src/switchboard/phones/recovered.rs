//! Bindings of an earlier run that cannot be used yet, or from whose phones no message has arrived yet.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::ids::OperatorId;
use crate::sip::flow::Flow;
use crate::sip::guard::source_network;
use crate::sip::registrar::Binding;
use crate::switchboard::kept::Presence;

/// Bindings of an earlier run that cannot be used yet, or from whose phones no message has arrived yet.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Recovered {
    /// States that arrived before the accounts were loaded.
    pub(in crate::switchboard) waiting: BTreeMap<OperatorId, Presence>,
    /// Bindings over connections that ended with the earlier run. At most `limits::BINDINGS_PER_AOR_MAX` for each account.
    pub(in crate::switchboard) asleep: BTreeMap<OperatorId, Asleep>,
    /// Networks of the bindings that sleep or have slept; ignored if no binding sleeps.
    pub(in crate::switchboard) slept_at: BTreeSet<IpAddr>,
    /// Flows of UDP bindings from which no message has arrived since the start.
    pub(in crate::switchboard) doubtful: BTreeMap<Flow, OperatorId>,
}

impl Recovered {
    /// True if a phone of this network was registered over a connection before the restart, and some such phones have
    /// not registered again.
    pub(in crate::switchboard) fn sleeps_at(&self, address: IpAddr) -> bool {
        !self.asleep.is_empty() && self.slept_at.contains(&source_network(address))
    }
}

#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Asleep {
    pub(in crate::switchboard) bindings: Vec<Binding>,
    /// Whether the operator is logged in: the state before the restart, or after a later log-in or log-out. The first
    /// phone that registers again does not change it. None if a phone has registered again.
    pub(in crate::switchboard) logged_in: Option<bool>,
}
