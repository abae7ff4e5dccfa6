//! The operating mode.

pub(in crate::switchboard) mod changes;
pub(in crate::switchboard) mod clock_steps;
pub(in crate::switchboard) mod state;

use crate::clock::Now;
use crate::switchboard::settings::{FallbackSettings, ModeSettings, Settings};

/// The settings of this part.
#[derive(Clone, Debug, Default)]
pub(in crate::switchboard) struct ModeConfig {
    pub(in crate::switchboard) mode: ModeSettings,
    pub(in crate::switchboard) fallback: FallbackSettings,
}

impl ModeConfig {
    fn of(settings: &Settings) -> Self {
        Self { mode: settings.mode.clone(), fallback: settings.fallback.clone() }
    }
}

/// The operating mode with the settings that apply to it.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Mode {
    #[serde(skip)]
    settings: ModeConfig,
    pub(in crate::switchboard) state: state::ModeState,
    /// Both clocks when the last input was handled, to detect that the wall clock was set.
    pub(in crate::switchboard) last_step: Now,
}

impl Mode {
    /// Applies new settings.
    pub(in crate::switchboard) fn configure(&mut self, settings: &Settings) {
        self.settings = ModeConfig::of(settings);
    }

    pub(in crate::switchboard) fn new(settings: &Settings, now: Now) -> Self {
        Self { settings: ModeConfig::of(settings), state: state::ModeState::default(), last_step: now }
    }
}
