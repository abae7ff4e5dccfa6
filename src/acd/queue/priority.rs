//! Changes of a call's priority.

use super::{Keys, Queue};
use crate::ids::CallId;

impl Queue {
    /// Changes the priority of a call. Calls of the same priority stay in the order of arrival.
    pub(in crate::acd) fn set_priority(&mut self, call: CallId, priority: u8) {
        let Some(entry) = self.calls.get_mut(&call) else { return };
        let (before, keys) = (entry.place, Keys::of(entry, self.mode));
        entry.place.0 = priority;
        let after = entry.place;
        self.index(call, before, keys, Keys::default());
        self.index(call, after, Keys::default(), keys);
    }
}
