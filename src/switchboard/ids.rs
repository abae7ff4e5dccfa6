//! Identities inside the switchboard: whose leg, subscription, text or phone something belongs to.

use std::cell::Cell;

use bytes::Bytes;

use crate::ids::{CallId, LegNo, OperatorId};
use crate::sip::flow::Flow;

/// Whose leg something belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::switchboard) enum Who {
    Caller(CallId),
    Offer(CallId, LegNo),
    Phone(u64),
}

/// Names one subscription; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::switchboard) struct WatchId(pub(in crate::switchboard) u64);

/// Names one text on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::switchboard) struct TextId(pub(in crate::switchboard) u64);

/// Names one binding of an account, as long as it is not replaced.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::switchboard) struct BoundPhone {
    pub(in crate::switchboard) account: OperatorId,
    pub(in crate::switchboard) uri: Bytes,
    /// The flow of its REGISTER.
    pub(in crate::switchboard) flow: Flow,
}

/// The From tag, Call-ID and `CSeq` that tell a forked copy of an INVITE (RFC 3261 §8.2.2.2).
pub(in crate::switchboard) type MergeKey = (Bytes, Bytes, u32);

/// Tells a large table that has changed since it was checked from one that has not: to check one of thousands after every step
/// would take far longer than the steps.
#[derive(Debug, Default)]
pub(super) struct Checked {
    changes: u64,
    checked: Cell<Option<u64>>,
}

impl Checked {
    /// The table changes.
    pub(super) fn changed(&mut self) {
        self.changes += 1;
    }

    /// Checks the table by `check`, unless it is as it was when it was last found right.
    pub(super) fn check(&self, check: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
        if self.checked.get() != Some(self.changes) {
            check()?;
            self.checked.set(Some(self.changes));
        }
        Ok(())
    }
}
