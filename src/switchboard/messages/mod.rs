//! Texts between operators' phones, callers and the centre (RFC 3428).

pub(in crate::switchboard) mod texts;

use crate::switchboard::settings::{GuardSettings, NumberPlan, Settings, Site};

/// The settings of this part.
#[derive(Clone, Debug, Default)]
pub(in crate::switchboard) struct MessagesConfig {
    pub(in crate::switchboard) site: Site,
    pub(in crate::switchboard) numbers: NumberPlan,
    pub(in crate::switchboard) guard: GuardSettings,
}

impl MessagesConfig {
    fn of(settings: &Settings) -> Self {
        Self { site: settings.site.clone(), numbers: settings.numbers.clone(), guard: settings.guard.clone() }
    }
}

/// Texts between operators' phones, callers and the centre (RFC 3428).
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Messages {
    #[serde(skip)]
    settings: MessagesConfig,
    pub(in crate::switchboard) texts: texts::Texts,
}

impl Messages {
    /// Applies new settings.
    pub(in crate::switchboard) fn configure(&mut self, settings: &Settings) {
        self.settings = MessagesConfig::of(settings);
    }

    pub(in crate::switchboard) fn new(settings: &Settings) -> Self {
        Self { settings: MessagesConfig::of(settings), texts: texts::Texts::default() }
    }
}
