//! The operating mode.

pub(in crate::switchboard) mod changes;
pub(in crate::switchboard) mod memory;
pub(in crate::switchboard) mod posture;

use std::sync::Arc;

use crate::clock::Now;
use crate::switchboard::settings::Settings;

/// The operating mode with the settings that apply to it.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Mode {
    #[serde(skip, default = "crate::switchboard::settings::placeholder")]
    settings: Arc<Settings>,
    pub(in crate::switchboard) stance: posture::ModeState,
    /// Both clocks when the last input was handled, to detect that the wall clock was set.
    pub(in crate::switchboard) last_step: Now,
}

impl Mode {
    /// Applies new settings.
    pub(in crate::switchboard) fn configure(&mut self, settings: &Arc<Settings>) {
        self.settings = Arc::clone(settings);
    }

    pub(in crate::switchboard) fn new(settings: Arc<Settings>, now: Now) -> Self {
        Self { settings, stance: posture::ModeState::default(), last_step: now }
    }
}
