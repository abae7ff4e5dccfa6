//! The targets by which calls are judged, with the times from which they apply.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// The service level of one desk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeskTarget {
    /// Target time T; a wait of exactly T is within it.
    pub within_ms: u64,
    /// Target share of the calls that were answered or were no short abandon.
    pub percent: u8,
}

/// What is in force at one time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Targets {
    /// T of `[report]`.
    pub within_ms: u64,
    pub percent: u8,
    /// An abandoned call with a shorter wait is a short one.
    pub short_ms: u64,
    /// By the desk's name in facts.
    pub desks: BTreeMap<String, DeskTarget>,
}

impl Targets {
    /// The target of a desk; that of `[report]` if the desk is not configured.
    pub fn of_desk(&self, desk: &str) -> DeskTarget {
        let usual = DeskTarget { within_ms: self.within_ms, percent: self.percent };
        self.desks.get(desk).copied().unwrap_or(usual)
    }
}

/// All targets that have been in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetHistory {
    first: Targets,
    later: BTreeMap<Timestamp, Targets>,
}

impl TargetHistory {
    /// `first` are in force from the beginning.
    pub const fn new(first: Targets) -> Self {
        Self { first, later: BTreeMap::new() }
    }

    /// These apply from that time on, until the next ones do.
    pub fn add(&mut self, since: Timestamp, targets: Targets) {
        self.later.insert(since, targets);
    }

    /// Those in force at a time.
    pub fn at(&self, time: Timestamp) -> &Targets {
        self.later.range(..=time).next_back().map_or(&self.first, |(_, targets)| targets)
    }

    /// Those in force at some time of a period, each with the time from which they apply; None: from the beginning.
    pub fn during(&self, period: &std::ops::Range<Timestamp>) -> Vec<(Option<Timestamp>, &Targets)> {
        let before = self.later.range(..=period.start).next_back();
        let first = before.map_or((None, &self.first), |(since, targets)| (Some(*since), targets));
        let later = self.later.iter().filter(|(since, _)| period.start < **since && **since < period.end);
        std::iter::once(first).chain(later.map(|(since, targets)| (Some(*since), targets))).collect()
    }

    /// Those in force last.
    pub fn last(&self) -> &Targets {
        self.later.last_key_value().map_or(&self.first, |(_, targets)| targets)
    }
}
