//! Trunks: their state, servers and channels.

pub(in crate::switchboard) mod capacity;
pub(in crate::switchboard) mod health;
pub(in crate::switchboard) mod peers;
pub(in crate::switchboard) mod registering;
pub(in crate::switchboard) mod registration;
pub(in crate::switchboard) mod rejection;
pub(in crate::switchboard) mod requests;
pub(in crate::switchboard) mod resolution;
pub(in crate::switchboard) mod seats;
pub(in crate::switchboard) mod targets;
pub(in crate::switchboard) mod trunk;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::sip::flow::ConnectionId;
use crate::switchboard::settings::Settings;

/// Trunks: the state, servers and channels of each, and the names that its peers' certificates have verified.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Trunks {
    #[serde(skip, default = "crate::switchboard::settings::placeholder")]
    settings: Arc<Settings>,
    /// State of each trunk, with the index of `settings.trunks`.
    pub(in crate::switchboard) states: Vec<trunk::TrunkState>,
    /// Servers of each trunk, by the trunk's name.
    targets: BTreeMap<String, targets::Targets>,
    pub(in crate::switchboard) channels: seats::TrunkUsage,
    /// Trunk names that each connection's certificate has verified.
    pub(in crate::switchboard) proven: BTreeMap<ConnectionId, Vec<String>>,
}

impl Trunks {
    /// Applies new settings.
    pub(in crate::switchboard) fn configure(&mut self, settings: &Arc<Settings>) {
        self.settings = Arc::clone(settings);
    }

    pub(in crate::switchboard) fn new(settings: Arc<Settings>) -> Self {
        Self {
            settings,
            states: Vec::new(),
            targets: BTreeMap::new(),
            channels: seats::TrunkUsage::default(),
            proven: BTreeMap::new(),
        }
    }
}
