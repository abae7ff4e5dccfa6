//! The parts by which calls reach the world.

use crate::switchboard::{Admission, Facts, MediaPorts, Phones, Trunks, Wire};

/// The parts by which calls reach the world, lowest first. None of them knows a call.
#[derive(Debug)]
pub(in crate::switchboard) struct NetworkParts {
    pub(in crate::switchboard) facts: Facts,
    pub(in crate::switchboard) wire: Wire,
    pub(in crate::switchboard) phones: Phones,
    pub(in crate::switchboard) trunks: Trunks,
    pub(in crate::switchboard) admission: Admission,
    pub(in crate::switchboard) media: MediaPorts,
}
