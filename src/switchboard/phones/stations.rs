//! Stations: phones of the room that have an account of their own, and at which operators take turns. Who logs in there by his number
//! and his PIN is reached at that phone, and speaks for himself from it, until he logs out or another takes his place.
//!
//! A station itself is never at work. While nobody sits there it rings in the fallback, as every phone does.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::clock::Instant;
use crate::ids::OperatorId;
use crate::sip::registrar::Binding;

use crate::switchboard::Phones;
use crate::switchboard::StationView;
use crate::switchboard::phones::pin::Pin;

/// After this many wrong PINs in a row, a station accepts no PIN of this operator for this long. Other stations do: a PIN that is guessed
/// at one station locks nobody out.
pub(in crate::switchboard) const WRONG_MAX: u8 = 5;
pub(in crate::switchboard) const LOCKED: Duration = Duration::from_secs(15 * 60);
/// For keying the PIN.
pub(in crate::switchboard) const ENTRY_MAX: Duration = Duration::from_secs(30);
/// Digits of an operator's number.
const NUMBER_DIGITS_MAX: usize = 8;
/// Who sat down longer ago, in an earlier run, sits there no more: no shift is as long.
pub(in crate::switchboard) const REMEMBERED_MS: u64 = 24 * 3_600_000;

/// What operators have who log in at stations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Badge {
    /// Dialled behind the code of stations: at most 8 digits.
    pub number: String,
    pub pin: Pin,
}

/// A PIN that is being keyed. Shown nowhere.
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

/// Wrong PINs in a row.
#[derive(Debug, Default)]
pub(in crate::switchboard) struct Wrong {
    pub(in crate::switchboard) times: u8,
    pub(in crate::switchboard) locked_until: Option<Instant>,
}

/// Who sits where.
#[derive(Debug, Default)]
pub(in crate::switchboard) struct Stations {
    /// By station.
    pub(in crate::switchboard) at: BTreeMap<OperatorId, OperatorId>,
    /// By operator.
    pub(in crate::switchboard) of: BTreeMap<OperatorId, OperatorId>,
    /// Stations whose operator has logged out and goes when his call is over.
    pub(in crate::switchboard) leaving: BTreeSet<OperatorId>,
    /// By operator and station, at most `limits::WRONG_PINS_MAX`.
    pub(in crate::switchboard) wrong: BTreeMap<(OperatorId, OperatorId), Wrong>,
    /// Stations whose operator has changed in this step.
    pub(in crate::switchboard) changed: BTreeSet<OperatorId>,
}

impl Stations {
    /// The operator who is logged in at a station.
    pub(in crate::switchboard) fn seated(&self, station: &OperatorId) -> Option<&OperatorId> {
        self.at.get(station)
    }

    /// Whose phone it is: his who sits there, else the account's own.
    fn user<'a>(&'a self, account: &'a OperatorId) -> &'a OperatorId {
        self.at.get(account).unwrap_or(account)
    }
}

impl Phones {
    /// The phones at which an operator is reached: his station's first, then his own. A station has none while somebody sits there.
    pub(in crate::switchboard) fn phones_of<'a>(
        &'a self,
        operator: &'a OperatorId,
    ) -> impl Iterator<Item = &'a Binding> + use<'a> {
        self.phone_accounts(operator).flat_map(|account| self.registrar.bindings(account.as_str()))
    }

    /// The accounts whose phones these are.
    pub(in crate::switchboard) fn phone_accounts<'a>(
        &'a self,
        operator: &'a OperatorId,
    ) -> impl Iterator<Item = &'a OperatorId> + Clone + use<'a> {
        let own = Some(operator).filter(|own| !self.stations.at.contains_key(*own));
        self.stations.of.get(operator).into_iter().chain(own)
    }

    /// Whose phone an account's is now.
    pub(in crate::switchboard) fn user_of(&self, account: &OperatorId) -> OperatorId {
        self.stations.user(account).clone()
    }

    pub(in crate::switchboard) fn is_station(&self, account: &OperatorId) -> bool {
        self.accounts.get(account).is_some_and(|account| account.station)
    }

    /// An operator's account, and no station's.
    pub(in crate::switchboard) fn is_operator(&self, account: &OperatorId) -> bool {
        self.accounts.get(account).is_some_and(|account| !account.station)
    }

    /// The operator who speaks from an account's phone; None: it is a station at which nobody sits.
    pub(in crate::switchboard) fn speaker(&self, account: OperatorId) -> Option<OperatorId> {
        match self.stations.at.get(&account) {
            Some(operator) => Some(operator.clone()),
            None => (!self.is_station(&account)).then_some(account),
        }
    }
}

impl Phones {
    /// Whether an operator has a phone, and whether one of them responds; without a phone, none is unreachable.
    pub(in crate::switchboard) fn phones_known(&self, operator: &OperatorId) -> (bool, bool) {
        let has = self.phones_of(operator).next().is_some();
        (has, !has || self.phones_of(operator).any(|binding| !binding.reach.unreachable))
    }
}

impl Phones {
    /// Where an operator sits.
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

/// An operator's number.
pub(in crate::switchboard) fn is_number(text: &str) -> bool {
    (1..=NUMBER_DIGITS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl Badge {
    /// None: it is no number of at most 8 digits.
    pub fn new(number: &str, pin: Pin) -> Option<Self> {
        is_number(number).then(|| Self { number: number.to_owned(), pin })
    }
}
