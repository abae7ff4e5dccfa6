//! Subscriptions of operators' phones to the state of operators (RFC 6665).

pub(in crate::switchboard) mod documents;
pub(in crate::switchboard) mod notify;
pub(in crate::switchboard) mod subscription;
pub(in crate::switchboard) mod watch;

use crate::switchboard::settings::{Settings, Site};

/// The settings of this part.
#[derive(Clone, Debug, Default)]
pub(in crate::switchboard) struct SubscriptionsConfig {
    pub(in crate::switchboard) site: Site,
}

impl SubscriptionsConfig {
    fn of(settings: &Settings) -> Self {
        Self { site: settings.site.clone() }
    }
}

/// Subscriptions of operators' phones to the state of operators (RFC 6665).
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Subscriptions {
    #[serde(skip)]
    settings: SubscriptionsConfig,
    pub(in crate::switchboard) table: subscription::Subscriptions,
}

impl Subscriptions {
    /// Applies new settings.
    pub(in crate::switchboard) fn configure(&mut self, settings: &Settings) {
        self.settings = SubscriptionsConfig::of(settings);
    }

    pub(in crate::switchboard) fn new(settings: &Settings) -> Self {
        Self { settings: SubscriptionsConfig::of(settings), table: subscription::Subscriptions::default() }
    }
}
