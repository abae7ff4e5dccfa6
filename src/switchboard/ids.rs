//! Identities inside the switchboard: of legs, subscriptions, texts and phones.

use std::cell::Cell;

use bytes::Bytes;

use crate::ids::{CallId, LegNo, OperatorId};
use crate::sip::flow::Flow;

/// One leg: of a caller, of a called party, or of a service call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) enum LegRef {
    Caller(CallId),
    Outgoing(CallId, LegNo),
    Service(u64),
}

/// Identifies one subscription; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct WatchId(pub(in crate::switchboard) u64);

/// Identifies one text that waits for a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct TextId(pub(in crate::switchboard) u64);

/// Identifies one binding of an account, as long as it is not replaced.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct BoundPhone {
    pub(in crate::switchboard) account: OperatorId,
    pub(in crate::switchboard) uri: Bytes,
    /// The flow of the binding's REGISTER.
    pub(in crate::switchboard) flow: Flow,
}

/// The From tag, Call-ID and `CSeq` that identify a merged INVITE (RFC 3261 §8.2.2.2).
pub(in crate::switchboard) type MergeKey = (Bytes, Bytes, u32);

/// Remembers whether a large table has changed since its last check. To check a table with thousands of entries after every step would take
/// much longer than the steps.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Checked {
    changes: u64,
    #[serde(skip)]
    checked: Cell<Option<u64>>,
}

impl Checked {
    /// Marks the table as changed.
    pub(super) fn changed(&mut self) {
        self.changes += 1;
    }

    /// Checks the table with `check`, unless it is unchanged since its last successful check.
    pub(super) fn check(&self, check: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
        if self.checked.get() != Some(self.changes) {
            check()?;
            self.checked.set(Some(self.changes));
        }
        Ok(())
    }
}
