//! RTP ports and the anchors that use them.

pub(in crate::switchboard) mod anchors;
pub(in crate::switchboard) mod ports;

use std::net::SocketAddr;

use crate::counted::Map;
use crate::media::command::AnchorId;
use crate::switchboard::ids::LegRef;
use crate::switchboard::media::ports::Ports;
use crate::switchboard::settings::{MediaSettings, Settings, Site};

/// The settings of this part.
#[derive(Clone, Debug, Default)]
pub(in crate::switchboard) struct MediaConfig {
    pub(in crate::switchboard) site: Site,
    pub(in crate::switchboard) media: MediaSettings,
}

impl MediaConfig {
    fn of(settings: &Settings) -> Self {
        Self { site: settings.site.clone(), media: settings.media.clone() }
    }
}

/// RTP ports and the anchors that use them.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct MediaPorts {
    #[serde(skip)]
    pub(in crate::switchboard) settings: MediaConfig,
    pub(in crate::switchboard) ports: Ports,
    pub(in crate::switchboard) anchors: Map<AnchorId, LegRef>,
    /// Closed anchors whose final statistics have not arrived; at most one for each port.
    pub(in crate::switchboard) closing: Map<u32, (AnchorId, LegRef)>,
}

impl MediaPorts {
    /// Applies new settings.
    pub(in crate::switchboard) fn configure(&mut self, settings: &Settings) {
        self.settings = MediaConfig::of(settings);
    }

    pub(in crate::switchboard) fn new(settings: &Settings, rtp_ports: Vec<SocketAddr>) -> Self {
        Self {
            settings: MediaConfig::of(settings),
            ports: Ports::new(rtp_ports),
            anchors: Map::new(),
            closing: Map::new(),
        }
    }
}
