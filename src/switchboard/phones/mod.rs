//! Accounts, registered phones and stations.

pub(in crate::switchboard) mod addresses;
pub(in crate::switchboard) mod keep_alive;
pub(in crate::switchboard) mod log_ins;
pub(in crate::switchboard) mod recovered;
pub(in crate::switchboard) mod registrations;
pub(in crate::switchboard) mod search;
pub(in crate::switchboard) mod stations;
pub(in crate::switchboard) mod ways;
pub(in crate::switchboard) mod without_port;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clock::Instant;
use crate::ids::OperatorId;
use crate::sip::registrar::Registrar;
use crate::switchboard::input::Account;
use crate::switchboard::phones::stations::Stations;
use crate::switchboard::settings::Settings;

/// Accounts, registered phones and stations.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Phones {
    #[serde(skip, default = "crate::switchboard::settings::placeholder")]
    settings: Arc<Settings>,
    pub(in crate::switchboard) accounts: BTreeMap<OperatorId, Account>,
    /// False until the accounts have been loaded for the first time in this run.
    pub(in crate::switchboard) accounts_known: bool,
    pub(in crate::switchboard) registrar: Registrar,
    pub(in crate::switchboard) stations: Stations,
    pub(in crate::switchboard) pings: keep_alive::Pings,
    pub(in crate::switchboard) recovered: recovered::Recovered,
    pub(in crate::switchboard) started: Instant,
}

impl Phones {
    /// Applies new settings.
    pub(in crate::switchboard) fn configure(&mut self, settings: &Arc<Settings>) {
        self.settings = Arc::clone(settings);
    }

    pub(in crate::switchboard) fn new(started: Instant, settings: Arc<Settings>) -> Self {
        let registrar = Registrar::new(settings.expires_min, settings.expires_default, settings.expires_max);
        Self {
            settings,
            accounts: BTreeMap::new(),
            accounts_known: false,
            registrar,
            stations: Stations::default(),
            pings: keep_alive::Pings::default(),
            recovered: recovered::Recovered::default(),
            started,
        }
    }
}

impl Phones {
    pub(in crate::switchboard) fn has_account(&self, operator: &OperatorId) -> bool {
        self.accounts.contains_key(operator)
    }
}
