//! Trunks: their state, servers and channels.

pub(in crate::switchboard) mod called;
pub(in crate::switchboard) mod capacity;
pub(in crate::switchboard) mod former;
pub(in crate::switchboard) mod health;
pub(in crate::switchboard) mod keep_alive;
pub(in crate::switchboard) mod peers;
pub(in crate::switchboard) mod registering;
pub(in crate::switchboard) mod registration;
pub(in crate::switchboard) mod rejection;
pub(in crate::switchboard) mod requests;
pub(in crate::switchboard) mod resolution;
pub(in crate::switchboard) mod targets;
pub(in crate::switchboard) mod trunk;
pub(in crate::switchboard) mod usage;

use std::collections::BTreeMap;

use crate::clock::Instant;
use crate::sip::flow::ConnectionId;
use crate::switchboard::settings::{MediaSettings, NumberPlan, Settings, Site, Trunk};

/// The settings of this part.
#[derive(Clone, Debug, Default)]
pub(in crate::switchboard) struct TrunksConfig {
    pub(in crate::switchboard) site: Site,
    pub(in crate::switchboard) trunks: Vec<Trunk>,
    pub(in crate::switchboard) numbers: NumberPlan,
    pub(in crate::switchboard) media: MediaSettings,
}

impl TrunksConfig {
    fn of(settings: &Settings) -> Self {
        Self {
            site: settings.site.clone(),
            trunks: settings.trunks.clone(),
            numbers: settings.numbers.clone(),
            media: settings.media.clone(),
        }
    }
}

/// Trunks: the state, servers and channels of each, and the names that its peers' certificates have verified.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Trunks {
    #[serde(skip)]
    settings: TrunksConfig,
    /// State of each trunk, with the index of `settings.trunks`.
    pub(in crate::switchboard) states: Vec<trunk::TrunkState>,
    /// Servers of each trunk, by the trunk's name.
    targets: BTreeMap<String, targets::Targets>,
    pub(in crate::switchboard) channels: usage::TrunkUsage,
    /// The time of the next keep-alive to each trunk.
    pings: BTreeMap<usize, Instant>,
    /// Trunk names that each connection's certificate has verified.
    pub(in crate::switchboard) proven: BTreeMap<ConnectionId, Vec<String>>,
}

impl Trunks {
    /// Applies new settings.
    pub(in crate::switchboard) fn configure(&mut self, settings: &Settings) {
        self.settings = TrunksConfig::of(settings);
    }

    pub(in crate::switchboard) fn new(settings: &Settings) -> Self {
        Self {
            settings: TrunksConfig::of(settings),
            states: Vec::new(),
            targets: BTreeMap::new(),
            channels: usage::TrunkUsage::default(),
            pings: BTreeMap::new(),
            proven: BTreeMap::new(),
        }
    }
}
