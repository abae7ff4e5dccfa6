//! The side that ended a call.

use serde::{Deserialize, Serialize};

/// Who ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    Caller,
    Operator,
    Service,
}

/// Reads a side that only a newer version knows as the service: the call has ended in any case.
pub(super) fn known_or_service<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Side, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or(Side::Service))
}
