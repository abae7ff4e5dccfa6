//! Changes since the start, until the records of earlier runs have been merged.

use crate::ids::{CallId, OperatorId};
use std::collections::{BTreeMap, BTreeSet};

/// Changes since the start that records of earlier runs must not undo.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct ChangesSinceStart {
    /// Numbers with which an operator has spoken. Each collection here has at most `limits::CALL_BACKS_MAX` entries; if
    /// it is full, a number may be called back once too often.
    pub(in crate::switchboard) reached: BTreeSet<String>,
    /// Numbers whose flag was removed.
    pub(in crate::switchboard) unflagged: BTreeSet<String>,
    /// Calls that were classified, and whether as pranks.
    pub(in crate::switchboard) classed: BTreeMap<CallId, bool>,
    /// Stations at which an operator has logged in or out.
    pub(in crate::switchboard) stations: BTreeSet<OperatorId>,
}
