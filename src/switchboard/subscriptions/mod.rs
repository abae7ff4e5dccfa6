//! Subscriptions of operators' phones to the state of operators (RFC 6665).

pub(in crate::switchboard) mod notify;
pub(in crate::switchboard) mod picture;
pub(in crate::switchboard) mod subscription;
pub(in crate::switchboard) mod watch;

use std::sync::Arc;

use crate::switchboard::settings::Settings;

/// Subscriptions of operators' phones to the state of operators (RFC 6665).
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Subscriptions {
    #[serde(skip, default = "crate::switchboard::settings::placeholder")]
    settings: Arc<Settings>,
    pub(in crate::switchboard) table: subscription::Subscriptions,
}

impl Subscriptions {
    /// Applies new settings.
    pub(in crate::switchboard) fn configure(&mut self, settings: &Arc<Settings>) {
        self.settings = Arc::clone(settings);
    }

    pub(in crate::switchboard) fn new(settings: Arc<Settings>) -> Self {
        Self { settings, table: subscription::Subscriptions::default() }
    }
}
