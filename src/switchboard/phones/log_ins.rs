//! Log-ins of operators at stations.

use crate::ids::OperatorId;
use crate::sip::registrar::Binding;
use crate::switchboard::output::StationView;
use crate::switchboard::phones::Phones;

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
        let own = Some(operator).filter(|own| !self.stations.operator_at.contains_key(*own));
        self.stations.station_of.get(operator).into_iter().chain(own)
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
        match self.stations.operator_at.get(&account) {
            Some(operator) => Some(operator.clone()),
            None => (!self.is_station(&account)).then_some(account),
        }
    }

    /// Whether an operator has a phone, and whether one of them is reachable. The second value is true if there is no
    /// phone.
    pub(in crate::switchboard) fn phones_known(&self, operator: &OperatorId) -> (bool, bool) {
        let has = self.phones_of(operator).next().is_some();
        (has, !has || self.phones_of(operator).any(|binding| !binding.reach.unreachable))
    }

    /// All stations with their operators, for the console.
    pub(in crate::switchboard) fn station_views(&self) -> Vec<StationView> {
        let stations = self.accounts.values().filter(|account| account.station).map(|account| &account.operator);
        stations
            .map(|station| StationView {
                station: station.clone(),
                operator: self.stations.operator_at.get(station).cloned(),
                registered: !self.registrar.bindings(station.as_str()).is_empty(),
            })
            .collect()
    }
}
