//! Accounts, registered phones and stations.

pub(in crate::switchboard) mod addresses;
pub(in crate::switchboard) mod keep_alive;
pub(in crate::switchboard) mod log_ins;
pub(in crate::switchboard) mod recovered;
pub(in crate::switchboard) mod registrations;
pub(in crate::switchboard) mod search;
pub(in crate::switchboard) mod second_address;
pub(in crate::switchboard) mod stations;
pub(in crate::switchboard) mod without_port;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Instant;
use crate::ids::OperatorId;
use crate::sip::registrar::Registrar;
use crate::switchboard::feature_codes::FeatureCodes;
use crate::switchboard::input::Account;
use crate::switchboard::phones::stations::Stations;
use crate::switchboard::settings::{MediaSettings, NumberPlan, PhoneSettings, Settings, Site, Vouched};

/// The settings of this part.
#[derive(Clone, Debug, Default)]
pub(in crate::switchboard) struct PhonesConfig {
    pub(in crate::switchboard) site: Site,
    pub(in crate::switchboard) phones: PhoneSettings,
    pub(in crate::switchboard) media: MediaSettings,
    pub(in crate::switchboard) numbers: NumberPlan,
    pub(in crate::switchboard) feature_codes: FeatureCodes,
    pub(in crate::switchboard) vouched: Vouched,
}

impl PhonesConfig {
    fn of(settings: &Settings) -> Self {
        Self {
            site: settings.site.clone(),
            phones: settings.phones.clone(),
            media: settings.media.clone(),
            numbers: settings.numbers.clone(),
            feature_codes: settings.feature_codes.clone(),
            vouched: settings.vouched(),
        }
    }
}

/// Accounts, registered phones and stations.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Phones {
    #[serde(skip)]
    settings: PhonesConfig,
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
    pub(in crate::switchboard) fn configure(&mut self, settings: &Settings) {
        self.settings = PhonesConfig::of(settings);
        let terms = &settings.phones;
        self.registrar.configure(terms.expires_min, terms.expires_default, terms.expires_max);
    }

    pub(in crate::switchboard) fn new(started: Instant, settings: &Settings) -> Self {
        let registrar =
            Registrar::new(settings.phones.expires_min, settings.phones.expires_default, settings.phones.expires_max);
        Self {
            settings: PhonesConfig::of(settings),
            accounts: BTreeMap::new(),
            accounts_known: false,
            registrar,
            stations: Stations::default(),
            pings: keep_alive::Pings::default(),
            recovered: recovered::Recovered::default(),
            started,
        }
    }

    /// The longest expiry of a binding.
    pub(in crate::switchboard) fn expires_max(&self) -> Duration {
        self.settings.phones.expires_max
    }

    pub(in crate::switchboard) fn has_account(&self, operator: &OperatorId) -> bool {
        self.accounts.contains_key(operator)
    }
}
