//! Calls, indexed by the set of desks to which they may be offered. The number of sets is small, whatever the number of calls.

use crate::counted::Map;

use super::desk::DeskSet;
use super::keys::QueuePlace;
use crate::ids::CallId;

/// Calls in their order, one index for each set of desks. Empty indexes are removed.
#[derive(Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct CallsBySet(Map<DeskSet, Map<QueuePlace, CallId>>);

impl CallsBySet {
    /// Moves a call from the index of one set to that of another.
    pub(super) fn set_member(&mut self, place: QueuePlace, call: CallId, was: Option<DeskSet>, is: Option<DeskSet>) {
        if was == is {
            return;
        }
        if let Some(set) = was
            && let Some(calls) = self.0.get_mut(&set)
        {
            calls.remove(&place);
            if calls.is_empty() {
                self.0.remove(&set);
            }
        }
        if let Some(set) = is {
            self.0.entry(set).or_default().insert(place, call);
        }
    }

    /// The first call of all whose set of desks is `wanted`; `first` chooses among the calls of one set, in their order.
    pub(super) fn first(
        &self,
        wanted: impl Fn(DeskSet) -> bool,
        first: impl Fn(&Map<QueuePlace, CallId>) -> Option<(QueuePlace, CallId)>,
    ) -> Option<CallId> {
        let firsts = self.0.iter().filter(|(set, _)| wanted(**set)).filter_map(|(_, calls)| first(calls));
        firsts.min().map(|(_, call)| call)
    }

    pub(super) fn sets(&self) -> impl Iterator<Item = DeskSet> {
        self.0.keys().copied()
    }
}
