//! RTP ports and the anchors that use them.

pub(in crate::switchboard) mod anchors;
mod formats;
pub(in crate::switchboard) mod ports;

use std::net::SocketAddr;
use std::sync::Arc;

use crate::counted::Map;
use crate::media::command::AnchorId;
use crate::switchboard::ids::LegRef;
use crate::switchboard::media::ports::Ports;
use crate::switchboard::settings::Settings;

/// RTP ports and the anchors that use them.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct MediaPorts {
    #[serde(skip, default = "crate::switchboard::settings::placeholder")]
    pub(in crate::switchboard) settings: Arc<Settings>,
    pub(in crate::switchboard) ports: Ports,
    pub(in crate::switchboard) anchors: Map<AnchorId, LegRef>,
    /// Closed anchors whose final statistics have not arrived; at most one for each port.
    pub(in crate::switchboard) closing: Map<u32, (AnchorId, LegRef)>,
}

impl MediaPorts {
    /// Applies new settings.
    pub(in crate::switchboard) fn configure(&mut self, settings: &Arc<Settings>) {
        self.settings = Arc::clone(settings);
    }

    pub(in crate::switchboard) fn new(settings: Arc<Settings>, rtp_ports: Vec<SocketAddr>) -> Self {
        Self { settings, ports: Ports::new(rtp_ports), anchors: Map::new(), closing: Map::new() }
    }
}
