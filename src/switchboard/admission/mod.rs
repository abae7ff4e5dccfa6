//! Decides which messages are accepted.

pub(in crate::switchboard) mod alias;
pub(in crate::switchboard) mod challenges;
pub(in crate::switchboard) mod door;
pub(in crate::switchboard) mod guard;

use std::sync::Arc;

use crate::sip::digest::Authenticator;
use crate::sip::guard::Guard;
use crate::sip::stateless::StatelessTags;
use crate::switchboard::settings::Settings;

/// Decides which messages are accepted.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Admission {
    #[serde(skip, default = "crate::switchboard::settings::placeholder")]
    settings: Arc<Settings>,
    pub(in crate::switchboard) guard: Guard,
    pub(in crate::switchboard) authenticator: Authenticator,
    stateless_tags: StatelessTags,
}

impl Admission {
    /// Applies new settings.
    pub(in crate::switchboard) fn configure(&mut self, settings: &Arc<Settings>) {
        self.guard.configure(settings.guard.terms.clone());
        self.settings = Arc::clone(settings);
    }

    pub(in crate::switchboard) fn new(
        settings: Arc<Settings>,
        authenticator: Authenticator,
        stateless_tags: StatelessTags,
    ) -> Self {
        let guard = Guard::new(settings.guard.terms.clone());
        Self { settings, guard, authenticator, stateless_tags }
    }
}
