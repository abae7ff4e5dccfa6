//! The parts that connect calls with the network.

use crate::switchboard::admission::Admission;
use crate::switchboard::facts::Facts;
use crate::switchboard::media::MediaPorts;
use crate::switchboard::phones::Phones;
use crate::switchboard::trunks::Trunks;
use crate::switchboard::wire::Wire;

/// The parts that connect calls with the network, lowest first. None of them depends on calls.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct NetworkParts {
    pub(in crate::switchboard) facts: Facts,
    pub(in crate::switchboard) wire: Wire,
    pub(in crate::switchboard) phones: Phones,
    pub(in crate::switchboard) trunks: Trunks,
    pub(in crate::switchboard) admission: Admission,
    pub(in crate::switchboard) media: MediaPorts,
}
