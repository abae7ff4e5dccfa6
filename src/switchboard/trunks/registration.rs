//! Registrations of siaga with telcos (RFC 3261 §10.2): refreshed, retried after failures, and removed when no longer
//! wanted.

use std::time::Duration;

use crate::clock::Instant;

/// The state of a registration with a telco.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Binding {
    pub(in crate::switchboard) sip_call_id: String,
    pub(in crate::switchboard) tag: String,
    pub(in crate::switchboard) cseq: u32,
    /// The requested interval; a 423 may raise it.
    pub(in crate::switchboard) expires: Duration,
    pub(in crate::switchboard) registered: bool,
    pub(in crate::switchboard) failures: u32,
    /// The time of the next REGISTER; None while one is pending.
    pub(in crate::switchboard) next: Option<Instant>,
}

impl Binding {
    /// True if the telco has the binding or may accept a pending REGISTER.
    pub(in crate::switchboard) fn may_stand(&self) -> bool {
        self.registered || self.next.is_none()
    }
}
