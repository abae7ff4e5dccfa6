//! Stations: shared phones with their own accounts. An operator who logs in at a station with a number and a PIN is
//! reached at this phone and acts as themselves from it, until they log out or another operator logs in there.
//!
//! A station itself is not an operator. While no operator is logged in at it, it rings only in the fallback, as every
//! phone does.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::clock::Instant;
use crate::ids::OperatorId;
use crate::sip::registrar::Binding;

use crate::switchboard::Phones;
use crate::switchboard::StationView;
use crate::switchboard::phones::pin::Pin;

/// After this many wrong PINs in a row, a station accepts no PIN of this operator for this long. Other stations accept
/// it, so that guessing at one station does not lock an operator out.
pub(in crate::switchboard) const WRONG_MAX: u8 = 5;
pub(in crate::switchboard) const LOCKED: Duration = Duration::from_secs(15 * 60);
/// Maximum time to enter the PIN.
pub(in crate::switchboard) const ENTRY_MAX: Duration = Duration::from_secs(30);
/// Maximum digits of an operator's number.
const NUMBER_DIGITS_MAX: usize = 8;
/// Maximum age of a log-in at a station that is restored after a restart: no shift is as long.
pub(in crate::switchboard) const REMEMBERED_MS: u64 = 24 * 3_600_000;

/// The number and PIN with which an operator logs in at stations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Badge {
    /// The number that is dialled after the station code: at most 8 digits.
    pub number: String,
    pub pin: Pin,
}

/// A PIN that is being entered. It is never logged.
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
#[derive(Debug, Default)]
pub(in crate::switchboard) struct Wrong {
    pub(in crate::switchboard) times: u8,
    pub(in crate::switchboard) locked_until: Option<Instant>,
}

/// The operator at each station.
#[derive(Debug, Default)]
pub(in crate::switchboard) struct Stations {
    /// Operators by station.
    pub(in crate::switchboard) at: BTreeMap<OperatorId, OperatorId>,
    /// Stations by operator.
    pub(in crate::switchboard) of: BTreeMap<OperatorId, OperatorId>,
    /// Stations whose operator has logged out and leaves when the current call ends.
    pub(in crate::switchboard) leaving: BTreeSet<OperatorId>,
    /// Wrong PINs by operator and station, at most `limits::WRONG_PINS_MAX`.
    pub(in crate::switchboard) wrong: BTreeMap<(OperatorId, OperatorId), Wrong>,
    /// Stations whose operator has changed in this step.
    pub(in crate::switchboard) changed: BTreeSet<OperatorId>,
}

impl Stations {
    /// The operator who is logged in at a station.
    pub(in crate::switchboard) fn seated(&self, station: &OperatorId) -> Option<&OperatorId> {
        self.at.get(station)
    }

    /// The user of an account's phones: the operator at the station, otherwise the account itself.
    fn user<'a>(&'a self, account: &'a OperatorId) -> &'a OperatorId {
        self.at.get(account).unwrap_or(account)
    }
}

impl Phones {
    /// The phones at which an operator is reached: the station's first, then their own. A station has none while an
    /// operator is logged in at it.
    pub(in crate::switchboard) fn phones_of<'a>(
        &'a self,
        operator: &'a OperatorId,
    ) -> impl Iterator<Item = &'a Binding> + use<'a> {
        self.phone_accounts(operator).flat_map(|account| self.registrar.bindings(account.as_str()))
    }

    /// The accounts whose phones ring for an operator.
    pub(in crate::switchboard) fn phone_accounts<'a>(
        &'a self,
        operator: &'a OperatorId,
    ) -> impl Iterator<Item = &'a OperatorId> + Clone + use<'a> {
        let own = Some(operator).filter(|own| !self.stations.at.contains_key(*own));
        self.stations.of.get(operator).into_iter().chain(own)
    }

    /// The user of an account's phones: the operator at the station, otherwise the account itself.
    pub(in crate::switchboard) fn user_of(&self, account: &OperatorId) -> OperatorId {
        self.stations.user(account).clone()
    }

    pub(in crate::switchboard) fn is_station(&self, account: &OperatorId) -> bool {
        self.accounts.get(account).is_some_and(|account| account.station)
    }

    /// True for an operator's account, false for a station's.
    pub(in crate::switchboard) fn is_operator(&self, account: &OperatorId) -> bool {
        self.accounts.get(account).is_some_and(|account| !account.station)
    }

    /// The operator who uses an account's phone; None for a station at which no operator is logged in.
    pub(in crate::switchboard) fn speaker(&self, account: OperatorId) -> Option<OperatorId> {
        match self.stations.at.get(&account) {
            Some(operator) => Some(operator.clone()),
            None => (!self.is_station(&account)).then_some(account),
        }
    }
}

impl Phones {
    /// Whether an operator has a phone, and whether one of them is reachable. The second value is true if there is no
    /// phone.
    pub(in crate::switchboard) fn phones_known(&self, operator: &OperatorId) -> (bool, bool) {
        let has = self.phones_of(operator).next().is_some();
        (has, !has || self.phones_of(operator).any(|binding| !binding.reach.unreachable))
    }
}

impl Phones {
    /// All stations with their operators, for the console.
    pub(in crate::switchboard) fn station_views(&self) -> Vec<StationView> {
        let stations = self.accounts.values().filter(|account| account.station).map(|account| &account.operator);
        stations
            .map(|station| StationView {
                station: station.clone(),
                operator: self.stations.at.get(station).cloned(),
                registered: !self.registrar.bindings(station.as_str()).is_empty(),
            })
            .collect()
    }
}

/// True for a valid operator number: 1 to 8 digits.
pub(in crate::switchboard) fn is_number(text: &str) -> bool {
    (1..=NUMBER_DIGITS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl Badge {
    /// Returns None if the number is invalid.
    pub fn new(number: &str, pin: Pin) -> Option<Self> {
        is_number(number).then(|| Self { number: number.to_owned(), pin })
    }
}
