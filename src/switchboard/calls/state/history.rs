//! What has happened to a call so far.

use crate::ids::OperatorId;
use std::collections::BTreeSet;

/// What has happened to a call so far.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct History {
    /// A party has answered the caller at some time.
    talked: bool,
    /// Operators with a phone that has responded since it was rung.
    responded_operators: BTreeSet<OperatorId>,
    /// Operators who have talked with the caller.
    worked_by: BTreeSet<OperatorId>,
}

impl History {
    pub(in crate::switchboard) fn has_talked(&self) -> bool {
        self.talked
    }

    /// A party answers the caller. Returns true the first time.
    pub(in crate::switchboard) fn begin_talk(&mut self) -> bool {
        !std::mem::replace(&mut self.talked, true)
    }

    /// A phone of this operator has responded.
    pub(in crate::switchboard) fn responded(&mut self, operator: Option<&OperatorId>) {
        self.responded_operators.extend(operator.cloned());
    }

    /// The phones of this operator are rung anew.
    pub(in crate::switchboard) fn clear_responded(&mut self, operator: &OperatorId) {
        self.responded_operators.remove(operator);
    }

    pub(in crate::switchboard) fn has_responded(&self, operator: &OperatorId) -> bool {
        self.responded_operators.contains(operator)
    }

    /// This operator talks with the caller.
    pub(in crate::switchboard) fn note_work(&mut self, operator: &OperatorId) {
        self.worked_by.insert(operator.clone());
    }

    /// The operators who have talked with the caller.
    pub(in crate::switchboard) fn worked_by(&self) -> &BTreeSet<OperatorId> {
        &self.worked_by
    }
}
