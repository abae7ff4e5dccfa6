//! The data of a caller who waits without a port.

use crate::acd::Family;
use bytes::Bytes;

/// The data for lending a port to the caller later. It is kept until the port is permanent.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct WithoutPort {
    /// The SDP of the INVITE, if it has one.
    pub(in crate::switchboard::calls) offer: Option<Bytes>,
    /// True if siaga's SDP will be the offer.
    pub(in crate::switchboard::calls) offers: bool,
    pub(in crate::switchboard::calls) family: Family,
}
