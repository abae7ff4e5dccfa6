//! A participant of a conference.

use crate::cdr::fact::Role;
use crate::switchboard::ids::LegRef;

/// The state of a participant, besides its leg.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Participant {
    pub(in crate::switchboard) role: Role,
    /// The dialog of the operator who has invited the participant, until it was notified of the result.
    pub(in crate::switchboard) notified_leg: Option<LegRef>,
    /// A ringing supervisor who takes over the caller on answering.
    pub(in crate::switchboard) takes_over: bool,
}
