//! A transfer in progress.

use crate::cdr::fact::Destination;
use crate::ids::OperatorId;
use crate::switchboard::ids::LegRef;
use bytes::Bytes;

/// A transfer in progress.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Transfer {
    pub(in crate::switchboard::calls) by: OperatorId,
    pub(in crate::switchboard::calls) to: Destination,
    /// The Referred-By for the INVITE to the target (RFC 3892 §2.2).
    pub(in crate::switchboard) referred_by: Option<Bytes>,
    /// The dialog of the REFER.
    pub(in crate::switchboard::calls) notified_leg: LegRef,
}
