//! Operating modes: temporary settings for the whole centre that override the desks' settings. The mode and its duration are decided
//! elsewhere.

use serde::{Deserialize, Serialize};

use super::desk::DeskNo;

/// The operating mode of the centre.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OperatingMode {
    /// The desks' own rules.
    #[default]
    Normal,
    /// Every call rings all ready operators at once; wrap-ups are short.
    MajorIncident,
    /// The desks' own rules; records show that their calls came in a drill.
    Drill,
    /// Evacuation: calls go to the fallback first, and to operators if it fails.
    Fallback,
}

impl OperatingMode {
    /// All operating modes.
    pub const ALL: [Self; 4] = [Self::Normal, Self::MajorIncident, Self::Drill, Self::Fallback];

    /// The word of records, metrics and the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::MajorIncident => "major-incident",
            Self::Drill => "drill",
            Self::Fallback => "fallback",
        }
    }

    /// Parses the name of an operating mode.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.word() == word)
    }

    /// True for the normal mode.
    pub const fn is_normal(&self) -> bool {
        matches!(self, Self::Normal)
    }
}

/// The effect of an operating mode on the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum QueueMode {
    #[default]
    Normal,
    /// Every call may ring all operators of this desk at once.
    AllOperators(DeskNo),
    /// Waiting calls go to the fallback first, until it has failed.
    FallbackFirst,
}
