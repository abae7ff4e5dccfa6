//! Stations: shared phones with their own accounts. An operator who logs in at a station with a number and a PIN
//! receives calls at this phone, and codes that are dialled at it act for this operator, until the operator logs out or
//! another one logs in there.
//!
//! A station itself is not an operator. While no operator is logged in at it, it rings only in the fallback, as every
//! phone does.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::clock::Instant;
use crate::ids::OperatorId;

/// After this many wrong PINs in a row, a station accepts no PIN of this operator for this long. Other stations accept
/// it, so that guessing at one station does not lock an operator out.
pub(in crate::switchboard) const WRONG_MAX: u8 = 5;
pub(in crate::switchboard) const LOCKED: Duration = Duration::from_secs(15 * 60);
/// Maximum time to enter the PIN.
pub(in crate::switchboard) const ENTRY_MAX: Duration = Duration::from_secs(30);
/// After a restart without the local copy, a station's last fact `stationed` is used if it is less than this old: no
/// shift is as long.
pub(in crate::switchboard) const REMEMBERED_MS: u64 = 24 * 3_600_000;

/// A PIN that is being entered. It is never logged.
#[derive(serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct PinEntry {
    pub(in crate::switchboard) station: OperatorId,
    pub(in crate::switchboard) number: String,
    pub(in crate::switchboard) digits: String,
}

impl std::fmt::Debug for PinEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PinEntry").field("station", &self.station).finish_non_exhaustive()
    }
}

/// Wrong PINs in a row for one operator at one station.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct WrongPins {
    pub(in crate::switchboard) times: u8,
    pub(in crate::switchboard) locked_until: Option<Instant>,
}

/// The operator at each station.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Stations {
    /// Operators by station.
    pub(in crate::switchboard) operator_at: BTreeMap<OperatorId, OperatorId>,
    /// Stations by operator.
    pub(in crate::switchboard) station_of: BTreeMap<OperatorId, OperatorId>,
    /// Stations whose operator has logged out and leaves when the current call ends.
    pub(in crate::switchboard) free_after_call: BTreeSet<OperatorId>,
    /// Wrong PINs by operator and station, at most `limits::WRONG_PINS_MAX`.
    pub(in crate::switchboard) wrong_pins: BTreeMap<(OperatorId, OperatorId), WrongPins>,
    /// Stations whose operator has changed in this step.
    pub(in crate::switchboard) changed: BTreeSet<OperatorId>,
}

impl Stations {
    /// The operator who is logged in at a station.
    pub(in crate::switchboard) fn logged_in_at(&self, station: &OperatorId) -> Option<&OperatorId> {
        self.operator_at.get(station)
    }

    /// The user of an account's phones: the operator at the station, otherwise the account itself.
    pub(in crate::switchboard) fn user<'a>(&'a self, account: &'a OperatorId) -> &'a OperatorId {
        self.operator_at.get(account).unwrap_or(account)
    }
}
