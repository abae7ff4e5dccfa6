//! The early dialogs of an outgoing INVITE.

use crate::sip::dialog::{Dialog, DialogKey};
use crate::sip::offer_answer::Agreed;
use crate::sip::reliable::Order;
use crate::switchboard::few_map::FewMap;

/// One early dialog of a leg to a phone; forks create several.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard::session) struct Early {
    pub(in crate::switchboard::session) dialog: Dialog,
    pub(in crate::switchboard::session) order: Order,
    /// The answer to siaga's offer in a reliable response (RFC 3262 §5).
    pub(in crate::switchboard::session) agreed: Option<Agreed>,
    /// The first SDP in an unreliable response: it is the answer if the 2xx has none (RFC 3261 §13.2.1).
    pub(in crate::switchboard::session) previewed: Option<Agreed>,
}

/// The early dialogs of a leg.
pub(in crate::switchboard::session) type EarlyDialogs = FewMap<DialogKey, Early>;
