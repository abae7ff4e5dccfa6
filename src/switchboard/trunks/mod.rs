//! Trunks: their state, servers and channels.

pub(in crate::switchboard) mod peers;
pub(in crate::switchboard) mod registration;
pub(in crate::switchboard) mod rejection;
pub(in crate::switchboard) mod requests;
pub(in crate::switchboard) mod seats;
pub(in crate::switchboard) mod targets;
pub(in crate::switchboard) mod trunk;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::sip::flow::ConnectionId;
use crate::switchboard::settings::Settings;

/// Trunks: the state of each, its servers, its channels, and who has proven to be its peer.
#[derive(Debug)]
pub(in crate::switchboard) struct Trunks {
    settings: Arc<Settings>,
    /// Beside `settings.trunks`, in the same order.
    pub(in crate::switchboard) states: Vec<trunk::TrunkState>,
    /// By the trunk's name.
    targets: BTreeMap<String, targets::Targets>,
    pub(in crate::switchboard) channels: seats::Seats,
    /// The names of trunks that the peers of connections have proven.
    pub(in crate::switchboard) proven: BTreeMap<ConnectionId, Vec<String>>,
}

impl Trunks {
    /// Takes new settings.
    pub(in crate::switchboard) fn configure(&mut self, settings: &Arc<Settings>) {
        self.settings = Arc::clone(settings);
    }

    pub(in crate::switchboard) fn new(settings: Arc<Settings>) -> Self {
        Self {
            settings,
            states: Vec::new(),
            targets: BTreeMap::new(),
            channels: seats::Seats::default(),
            proven: BTreeMap::new(),
        }
    }
}
