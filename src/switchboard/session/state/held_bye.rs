//! A BYE that has got its 200 and has not taken effect.

use crate::clock::Instant;

/// A BYE that has got its 200 and has not taken effect.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard::session) struct HeldBye {
    pub(in crate::switchboard::session) due: Instant,
    pub(in crate::switchboard::session) cseq: u32,
    pub(in crate::switchboard::session) q850: Option<u8>,
    /// The number of earlier requests that have not arrived; None if it is uncertain.
    pub(in crate::switchboard::session) missing: Option<u32>,
}
