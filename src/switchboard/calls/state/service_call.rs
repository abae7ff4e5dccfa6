//! Calls to feature codes and test numbers: siaga itself is the called party.

use crate::clock::Instant;
use crate::ids::OperatorId;
use crate::switchboard::phones::stations::PinEntry;
use crate::switchboard::session::Session;
use std::collections::{BTreeMap, BTreeSet};

/// One service call.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct ServiceCall {
    pub(in crate::switchboard) session: Session,
    /// The account of the phone; None for a call from a trunk.
    pub(in crate::switchboard) account: Option<OperatorId>,
    pub(in crate::switchboard) over_at: Instant,
    /// The PIN that is being entered.
    pub(in crate::switchboard) entry: Option<PinEntry>,
}

/// The live service calls of each account.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct ServiceCallIndex {
    /// The number of the last service call.
    pub(in crate::switchboard::calls) last: u64,
    pub(in crate::switchboard::calls) of: BTreeMap<OperatorId, BTreeSet<u64>>,
}

impl ServiceCallIndex {
    pub(in crate::switchboard::calls) fn of(&self, account: &OperatorId) -> usize {
        self.of.get(account).map_or(0, BTreeSet::len)
    }

    pub(in crate::switchboard::calls) fn begins(&mut self, account: Option<OperatorId>, service_call: u64) {
        if let Some(account) = account {
            self.of.entry(account).or_default().insert(service_call);
        }
    }

    pub(in crate::switchboard::calls) fn ends(&mut self, account: Option<OperatorId>, service_call: u64) {
        let Some(account) = account else { return };
        let left = self.of.get_mut(&account).map(|calls| {
            calls.remove(&service_call);
            calls.len()
        });
        if left == Some(0) {
            self.of.remove(&account);
        }
    }
}
