//! The last emergency call of an operator.

use crate::clock::{Now, Timestamp};
use crate::ids::CallId;
use std::time::Duration;

/// An operator can class the last call by phone for this long after its end. Later, only the console can.
pub(in crate::switchboard) const LAST_CALL: Duration = Duration::from_secs(15 * 60);

/// The last emergency call that an operator has had, or still has.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct LastCall {
    pub(in crate::switchboard) call: CallId,
    pub(in crate::switchboard) number: Option<String>,
    /// When it ended.
    pub(in crate::switchboard) over_at: Option<Timestamp>,
}

impl LastCall {
    /// True if the call lasts, or has ended recently.
    pub(in crate::switchboard) fn is_of_late(&self, now: Now) -> bool {
        self.over_at.is_none_or(|over_at| u128::from(now.wall.millis_since(over_at)) <= LAST_CALL.as_millis())
    }
}
