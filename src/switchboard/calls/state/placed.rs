//! Calls that operators have placed.

use crate::counted::Map;
use crate::ids::{CallId, OperatorId};
use crate::switchboard::calls::state::call_back::CallBack;
use std::collections::{BTreeMap, BTreeSet};

/// Maximum number of simultaneous placed calls of one operator: one may be on hold.
pub(in crate::switchboard::calls) const OF_ONE_MAX: usize = 2;

/// Calls that operators have placed.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct PlacedCalls {
    by: Map<CallId, OperatorId>,
    of: BTreeMap<OperatorId, BTreeSet<CallId>>,
}

impl PlacedCalls {
    pub(in crate::switchboard) fn insert(&mut self, call: CallId, by: &OperatorId) {
        self.by.insert(call, by.clone());
        self.of.entry(by.clone()).or_default().insert(call);
    }

    pub(in crate::switchboard) fn remove(&mut self, call: CallId) {
        let Some(by) = self.by.remove(&call) else { return };
        if let Some(calls) = self.of.get_mut(&by) {
            calls.remove(&call);
            if calls.is_empty() {
                self.of.remove(&by);
            }
        }
    }

    pub(in crate::switchboard) fn len(&self) -> usize {
        self.by.len()
    }

    /// The calls that an operator has placed: at most `OF_ONE_MAX`.
    pub(in crate::switchboard) fn of(&self, operator: &OperatorId) -> BTreeSet<CallId> {
        self.of.get(operator).cloned().unwrap_or_default()
    }

    /// Checks the table. `live` are all live placed calls with their operators.
    pub(in crate::switchboard) fn verify<'a>(
        &self,
        live: impl Iterator<Item = (CallId, &'a OperatorId)>,
    ) -> Result<(), String> {
        let mut expected = Self::default();
        live.for_each(|(call, by)| expected.insert(call, by));
        if expected.by == self.by && expected.of == self.of {
            Ok(())
        } else {
            Err("calls that operators have placed are not counted as such".to_owned())
        }
    }
}

/// The purpose of a placed call.
pub(in crate::switchboard) enum PlacedFor {
    Talk,
    /// The called party joins the operator's emergency call when the two calls become one.
    Conference,
    CallBack(CallBack),
}
