//! When a fact happened, on both clocks, and how values of a newer version are read.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// A run of the service, identified by the wall clock time of its start, and the milliseconds since then, which no clock step changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uptime(pub Timestamp, pub u64);

/// When something happened: on the wall clock, and within its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    pub at: Timestamp,
    pub up: Option<Uptime>,
}

impl Moment {
    /// Milliseconds from `earlier` to this moment: by the uptime within one run, otherwise by the wall clock; never below 0.
    pub fn millis_since(self, earlier: Self) -> u64 {
        match (self.up, earlier.up) {
            (Some(Uptime(run, to)), Some(Uptime(same, from))) if run == same => to.saturating_sub(from),
            (Some(_) | None, _) => self.at.millis_since(earlier.at),
        }
    }
}

/// Reads a value that only a newer version knows as the default: the rest of the fact is still valid.
pub(super) fn known_or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::de::DeserializeOwned + Default,
{
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}
