//! Postures: how the whole house works for a while, whatever the desks say. Who sets it, and for how long, is not decided here.

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
    /// All of them.
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

    /// The posture of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|posture| posture.word() == word)
    }

    /// True in the usual one.
    pub const fn is_normal(&self) -> bool {
        matches!(self, Self::Normal)
    }
}

/// What a posture means to the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Service {
    #[default]
    AsDesksSay,
    /// Every call may ring whoever is at this desk, all at once.
    Everybody(DeskNo),
    /// Calls that wait are the fallback's, until it has failed.
    FallbackFirst,
}

impl Acd {
    /// The posture, `Normal` at the start.
    pub const fn posture(&self) -> Posture {
        self.posture
    }

    /// Changes the posture for the calls that are here and those to come. Who rings rings on, but not into a house that is being
    /// left: those offers are withdrawn. Who talks talks on.
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

    /// Tells the queue what the posture means; again when the desks are others.
    pub(super) fn serve_by_posture(&mut self) {
        self.queue.serve(match self.posture {
            Posture::Normal | Posture::Drill => Service::AsDesksSay,
            Posture::MajorIncident => Service::Everybody(self.everybody),
            Posture::Fallback => Service::FallbackFirst,
        });
    }

    /// How long a wrap-up takes that begins now.
    pub(super) fn wrap_up(&self) -> Duration {
        match self.posture {
            Posture::MajorIncident => self.settings.wrap_up.min(self.settings.incident_wrap_up),
            Posture::Normal | Posture::Drill | Posture::Fallback => self.settings.wrap_up,
        }
    }

    /// What becomes of a call whose fallback has failed: where it came before the operators and none of them is there, all phones are
    /// next; else the call waits.
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
