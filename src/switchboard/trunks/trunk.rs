//! The terms and the state of a trunk, and the choice of the trunk for an outgoing call.

use crate::cdr::fact::OfferOutcome;
use crate::switchboard::settings::Trunk;
use crate::switchboard::trunks::registration::Binding;

/// The next route for a number after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) enum NextRoute {
    /// The trunk's next server, or the next trunk if no server is left (RFC 3263 §4.3).
    Server,
    /// The next trunk: this one has no route to the number or does not accept the call.
    Trunk,
}

/// Selects the next route after a failure. None after 486, 600 and 603: the called party is busy or declines on every
/// trunk.
pub(in crate::switchboard) fn next_route(outcome: OfferOutcome, sip_status: Option<u16>) -> Option<NextRoute> {
    match (outcome, sip_status) {
        (_, None | Some(486 | 600 | 603)) => None,
        // No response, or 503: the server has failed.
        (OfferOutcome::Unreachable, Some(408 | 503)) => Some(NextRoute::Server),
        (_, Some(_)) => Some(NextRoute::Trunk),
    }
}

/// The state of one trunk.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct TrunkState {
    pub(in crate::switchboard) name: String,
    pub(in crate::switchboard) up: Option<bool>,
    /// Consecutive keep-alives whose result contradicts `up`.
    pub(in crate::switchboard) streak: u32,
    pub(in crate::switchboard) binding: Option<Binding>,
}

impl TrunkState {
    /// True if the trunk's keep-alives have failed.
    pub(in crate::switchboard) fn is_down(&self) -> bool {
        self.up == Some(false)
    }
}

/// True if both settings have the same target, host and transport.
pub(in crate::switchboard) fn same_place(one: &Trunk, other: &Trunk) -> bool {
    (one.target, &one.host, one.transport) == (other.target, &other.host, other.transport)
}
