//! Operating modes: temporary settings for the whole centre that override the desks' settings. The mode and its duration are decided
//! elsewhere.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Acd;
use super::desk::DeskNo;
use super::queue::Status;
use crate::clock::Now;
use crate::ids::{CallId, OperatorId};

/// The operating mode of the centre.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Posture {
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

impl Posture {
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
        Self::ALL.into_iter().find(|posture| posture.word() == word)
    }

    /// True for the normal mode.
    pub const fn is_normal(&self) -> bool {
        matches!(self, Self::Normal)
    }
}

/// The effect of an operating mode on the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Service {
    #[default]
    AsDesksSay,
    /// Every call may ring all operators of this desk at once.
    Everybody(DeskNo),
    /// Waiting calls go to the fallback first, until it has failed.
    FallbackFirst,
}

impl Acd {
    /// The operating mode; `Normal` at the start.
    pub const fn posture(&self) -> Posture {
        self.posture
    }

    /// Changes the operating mode for present and future calls. Ring attempts continue, except that an evacuation withdraws them.
    /// Conversations continue.
    pub fn set_posture(&mut self, now: Now, posture: Posture) {
        if std::mem::replace(&mut self.posture, posture) == posture {
            return;
        }
        self.serve_by_posture();
        match posture {
            Posture::MajorIncident => {
                let until = now.mono + self.settings.incident_wrap_up;
                for operator in self.floor.names() {
                    self.floor.change(&operator, |facts| {
                        facts.shorten_wrap_up(until);
                        None
                    });
                }
            }
            Posture::Fallback => {
                let offered = |(_, status): (CallId, &Status)| match status {
                    Status::Offered { to, .. } | Status::Fallback { in_turn: to, .. } => to.iter().cloned().collect(),
                    Status::Waiting
                    | Status::Held { .. }
                    | Status::Talking(_)
                    | Status::Moving(_)
                    | Status::Direct { .. } => Vec::new(),
                };
                let rung: Vec<OperatorId> = self.queue.iter().flat_map(offered).collect();
                rung.iter().for_each(|operator| self.withdraw(operator));
            }
            Posture::Normal | Posture::Drill => {}
        }
    }

    /// Applies the operating mode to the queue; also needed after a change of the desks.
    pub(super) fn serve_by_posture(&mut self) {
        self.queue.serve(match self.posture {
            Posture::Normal | Posture::Drill => Service::AsDesksSay,
            Posture::MajorIncident => Service::Everybody(self.everybody),
            Posture::Fallback => Service::FallbackFirst,
        });
    }

    /// The length of a wrap-up that begins now.
    pub(super) fn wrap_up(&self) -> Duration {
        match self.posture {
            Posture::MajorIncident => self.settings.wrap_up.min(self.settings.incident_wrap_up),
            Posture::Normal | Posture::Drill | Posture::Fallback => self.settings.wrap_up,
        }
    }

    /// The state of a call after a failed fallback. If the mode puts the fallback first and the centre is unstaffed, the fallback rings
    /// all phones next; otherwise the call waits.
    pub(super) fn after_fallback(&self, now: Now, call: CallId) -> Status {
        let phones_next = self.posture == Posture::Fallback
            && self.floor.staffed_count() == 0
            && self.queue.ringing().is_none()
            && self.queue.is_phones_turn(call);
        match phones_next {
            true => Status::Waiting,
            false => Status::Held { until: self.retry_at(now) },
        }
    }
}
