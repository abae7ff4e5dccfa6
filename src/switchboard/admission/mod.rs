//! Decides which messages are accepted.

pub(in crate::switchboard) mod alias;
pub(in crate::switchboard) mod challenges;
pub(in crate::switchboard) mod guard;
pub(in crate::switchboard) mod request_checks;

use std::net::IpAddr;

use crate::sip::digest::Authenticator;
use crate::sip::guard::Guard;
use crate::sip::stateless::StatelessTags;
use crate::switchboard::settings::{GuardSettings, Settings, Vouched};

/// The settings of this part.
#[derive(Clone, Debug, Default)]
pub(in crate::switchboard) struct AdmissionConfig {
    pub(in crate::switchboard) guard: GuardSettings,
    pub(in crate::switchboard) vouched: Vouched,
}

impl AdmissionConfig {
    fn of(settings: &Settings) -> Self {
        Self { guard: settings.guard.clone(), vouched: settings.vouched() }
    }
}

/// Decides which messages are accepted.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Admission {
    #[serde(skip)]
    settings: AdmissionConfig,
    pub(in crate::switchboard) guard: Guard,
    pub(in crate::switchboard) authenticator: Authenticator,
    stateless_tags: StatelessTags,
}

impl Admission {
    /// Applies new settings.
    pub(in crate::switchboard) fn configure(&mut self, settings: &Settings) {
        self.guard.configure(settings.guard.terms.clone());
        self.settings = AdmissionConfig::of(settings);
    }

    /// True for the peers of trunks, and for `allow`.
    pub(in crate::switchboard) fn is_vouched(&self, source: IpAddr) -> bool {
        self.settings.vouched.contains(source)
    }

    pub(in crate::switchboard) fn new(
        settings: &Settings,
        authenticator: Authenticator,
        stateless_tags: StatelessTags,
    ) -> Self {
        let guard = Guard::new(settings.guard.terms.clone());
        Self { settings: AdmissionConfig::of(settings), guard, authenticator, stateless_tags }
    }
}
