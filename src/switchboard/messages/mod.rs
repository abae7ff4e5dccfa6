//! Texts between operators' phones, callers and the centre (RFC 3428).

pub(in crate::switchboard) mod texts;

use std::sync::Arc;

use crate::switchboard::settings::Settings;

/// Texts between operators' phones, callers and the centre (RFC 3428).
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Messages {
    #[serde(skip, default = "crate::switchboard::settings::placeholder")]
    settings: Arc<Settings>,
    pub(in crate::switchboard) texts: texts::Texts,
}

impl Messages {
    /// Applies new settings.
    pub(in crate::switchboard) fn configure(&mut self, settings: &Arc<Settings>) {
        self.settings = Arc::clone(settings);
    }

    pub(in crate::switchboard) fn new(settings: Arc<Settings>) -> Self {
        Self { settings, texts: texts::Texts::default() }
    }
}
