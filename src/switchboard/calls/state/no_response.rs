//! Ring attempts to which no phone has responded.

use crate::ids::{CallId, LegNo, OperatorId};
use std::collections::{BTreeMap, BTreeSet};

/// Legs to which no phone has responded, by operator. All legs of an operator belong to one call.
pub(in crate::switchboard) type OpenInvites = BTreeMap<OperatorId, (CallId, BTreeSet<LegNo>)>;
