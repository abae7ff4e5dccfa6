//! Desks: groups of calls (a service, a language), the operators who take them, and the order in which these are rung.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Instant;
use crate::ids::OperatorId;
use crate::limits::DESKS_MAX;

/// The order in which a desk rings ready operators of the same level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// The operator who has been without a call for longest.
    #[default]
    LongestIdle,
    /// The operator whose last ring attempt is longest ago, answered or not.
    RoundRobin,
    /// The operator who has answered the fewest calls since the log-in.
    FewestCalls,
    /// The operator who has talked least since the log-in.
    LeastTalkTime,
    /// In the order of the operators' names.
    Linear,
    /// A random operator, each with the same probability.
    Random,
    /// All ready operators at once, whatever their level; the first answer wins.
    RingAll,
    /// One operator, and one more after each `Desk::progress`: by level, then the operator who has been without a call for longest. Those
    /// who ring already continue to ring.
    RingProgressively,
}

impl Strategy {
    /// The name in the configuration and in facts.
    pub const fn word(self) -> &'static str {
        match self {
            Self::LongestIdle => "longest-idle",
            Self::RoundRobin => "round-robin",
            Self::FewestCalls => "fewest-calls",
            Self::LeastTalkTime => "least-talk-time",
            Self::Linear => "linear",
            Self::Random => "random",
            Self::RingAll => "ring-all",
            Self::RingProgressively => "ring-progressively",
        }
    }

    /// True if the strategy counts work. A new operator then starts with the lowest counts of the others.
    pub(super) const fn counts_work(self) -> bool {
        matches!(self, Self::FewestCalls | Self::LeastTalkTime)
    }
}

/// How many operators a call rings at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum RingPolicy {
    #[default]
    One,
    All,
    /// One operator, and one more after each such time.
    OneMoreEach(Duration),
}

/// When calls of a desk are also offered to other desks, and to which. The calls keep their place in the order.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Overflow {
    /// Time in the queue after which a call overflows.
    pub after: Option<Duration>,
    /// Number of the desk's waiting calls at which a new call overflows at once.
    pub length: Option<usize>,
    /// Target desks, by number. Empty: all operators.
    pub to: Vec<DeskNo>,
}

/// One step of a desk's escalation: `after` its arrival, a call is also offered to `to`.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Escalation {
    pub after: Duration,
    /// Target desks, by number. Empty: all operators.
    pub to: Vec<DeskNo>,
}

/// The index of a desk in `Settings::desks`. 0 is the queue for calls that belong to no other desk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeskNo(pub u8);

/// One desk.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Desk {
    pub name: String,
    pub strategy: Strategy,
    /// The desk's operators with their levels; lower levels are rung first. None: all operators, at one level.
    pub members: Option<BTreeMap<OperatorId, u8>>,
    pub overflow: Overflow,
    /// Further steps that add desks over time.
    pub escalation: Vec<Escalation>,
    /// With `Strategy::RingProgressively`: the time after which one more operator rings.
    pub progress: Duration,
}

impl Desk {
    /// The level at which an operator takes the desk's calls; None if the operator is not at this desk.
    pub(super) fn level(&self, operator: &OperatorId) -> Option<u8> {
        self.members.as_ref().map_or(Some(0), |members| members.get(operator).copied())
    }

    /// How many operators one of the desk's calls rings at once, at this desk or at another.
    pub(super) fn ring(&self) -> RingPolicy {
        match self.strategy {
            Strategy::RingAll => RingPolicy::All,
            Strategy::RingProgressively => RingPolicy::OneMoreEach(self.progress),
            Strategy::LongestIdle
            | Strategy::RoundRobin
            | Strategy::FewestCalls
            | Strategy::LeastTalkTime
            | Strategy::Linear
            | Strategy::Random => RingPolicy::One,
        }
    }
}

/// A set of desks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub(super) struct DeskSet(u32);

const _: () = assert!(DESKS_MAX < 32);

impl DeskSet {
    pub(super) fn of(desk: DeskNo) -> Self {
        Self(1 << u32::from(desk.0).min(31))
    }

    /// The union of two sets.
    #[must_use]
    pub(super) fn and(self, more: Self) -> Self {
        Self(self.0 | more.0)
    }

    pub(super) fn has(self, desk: DeskNo) -> bool {
        self.0 & Self::of(desk).0 != 0
    }

    /// The desks in order of their numbers.
    pub(super) fn iter(self) -> impl Iterator<Item = DeskNo> {
        (0..32_u8).map(DeskNo).filter(move |desk| self.has(*desk))
    }
}

/// The values of one operator that strategies compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct RoutingStats {
    pub(super) idle_since: Instant,
    /// Number of the operator's last ring attempt, counted over all operators; 0: none yet.
    pub(super) last_offer: u64,
    pub(super) calls: u64,
    pub(super) talk: Duration,
}

/// The order of ready operators: lower ranks are rung first.
pub(super) type Rank = (u8, u64, u64);

impl RoutingStats {
    /// The rank of an operator with these values at a desk.
    pub(super) fn rank(&self, strategy: Strategy, level: u8) -> Rank {
        let idle = self.idle_since.as_nanos();
        match strategy {
            Strategy::LongestIdle | Strategy::RingAll | Strategy::RingProgressively => (level, idle, 0),
            Strategy::RoundRobin => (level, self.last_offer, 0),
            Strategy::FewestCalls => (level, self.calls, idle),
            Strategy::LeastTalkTime => (level, u64::try_from(self.talk.as_nanos()).unwrap_or(u64::MAX), idle),
            Strategy::Linear | Strategy::Random => (level, 0, 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_desks_gives_back_what_was_put_in() {
        let set = DeskSet::of(DeskNo(3)).and(DeskSet::of(DeskNo(0))).and(DeskSet::of(DeskNo(3)));
        assert_eq!(set.iter().collect::<Vec<_>>(), [DeskNo(0), DeskNo(3)]);
        assert!(set.has(DeskNo(3)) && !set.has(DeskNo(1)));
    }

    #[test]
    fn a_level_comes_before_all_merits() {
        let fresh =
            RoutingStats { idle_since: Instant::from_nanos(9), last_offer: 7, calls: 5, talk: Duration::from_secs(3) };
        let tired = RoutingStats { idle_since: Instant::from_nanos(1), last_offer: 1, calls: 1, talk: Duration::ZERO };
        for strategy in [
            Strategy::LongestIdle,
            Strategy::RoundRobin,
            Strategy::FewestCalls,
            Strategy::LeastTalkTime,
            Strategy::Linear,
            Strategy::Random,
            Strategy::RingAll,
            Strategy::RingProgressively,
        ] {
            assert!(fresh.rank(strategy, 1) < tired.rank(strategy, 2), "{}", strategy.word());
        }
    }

    #[test]
    fn a_desk_without_members_has_all_operators() {
        let budi = OperatorId::parse("budi").unwrap();
        assert_eq!(Desk::default().level(&budi), Some(0));
        let fire = Desk { members: Some(BTreeMap::from([(budi.clone(), 2)])), ..Desk::default() };
        assert_eq!(fire.level(&budi), Some(2));
        assert_eq!(fire.level(&OperatorId::parse("siti").unwrap()), None);
    }
}
