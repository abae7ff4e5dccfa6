//! Desks: kinds of calls (a service, a language) with the operators who take them, and whom each of them rings first.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Acd;
use crate::clock::Instant;
use crate::ids::OperatorId;
use crate::limits::DESKS_MAX;

/// Whom a desk rings first of those who are ready and equally skilled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Who has been without a call for longest.
    #[default]
    LongestIdle,
    /// Who was offered a call longest ago, answered or not.
    RoundRobin,
    /// Who has answered the fewest calls since he logged in.
    FewestCalls,
    /// Who has talked least since he logged in.
    LeastTalkTime,
    /// In the order of their names.
    Linear,
    /// Anybody, each with the same chance.
    Random,
    /// Everybody who is ready at once, whatever his level; the first answer wins.
    RingAll,
    /// One, and each `Desk::progress` one more beside those who ring already: by level, then who has been without a call for
    /// longest.
    RingProgressively,
}

impl Strategy {
    /// The word of config and facts.
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

    /// Newcomers begin level with the others where work is counted.
    pub(super) const fn counts_work(self) -> bool {
        matches!(self, Self::FewestCalls | Self::LeastTalkTime)
    }
}

/// How many operators a call rings at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Ring {
    #[default]
    One,
    All,
    /// One, and after each such span one more.
    OneMoreEach(Duration),
}

/// When and where a desk's calls may go besides its own operators. They keep their place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overflow {
    /// After so long in the queue.
    pub after: Option<Duration>,
    /// At once, when so many wait at the desk already.
    pub length: Option<usize>,
    /// Desks by their numbers. Empty: to everybody.
    pub to: Vec<DeskNo>,
}

/// One step of a desk's escalation: so long after its arrival a call goes there as well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Escalation {
    pub after: Duration,
    /// Desks by their numbers. Empty: to everybody.
    pub to: Vec<DeskNo>,
}

/// A desk's place in `Settings::desks`; 0 is the queue of all calls that no other desk is meant for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeskNo(pub u8);

/// One desk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desk {
    pub name: String,
    pub strategy: Strategy,
    /// Who takes its calls, at which level: lower ones first. None: everybody, all alike.
    pub members: Option<BTreeMap<OperatorId, u8>>,
    pub overflow: Overflow,
    /// More of the same kind, over time.
    pub escalation: Vec<Escalation>,
    /// With `Strategy::RingProgressively`: after so long one more operator rings.
    pub progress: Duration,
}

impl Desk {
    /// The level at which somebody takes its calls.
    pub(super) fn level(&self, operator: &OperatorId) -> Option<u8> {
        self.members.as_ref().map_or(Some(0), |members| members.get(operator).copied())
    }

    /// How many operators one of its calls rings at once, wherever it goes.
    pub(super) fn ring(&self) -> Ring {
        match self.strategy {
            Strategy::RingAll => Ring::All,
            Strategy::RingProgressively => Ring::OneMoreEach(self.progress),
            Strategy::LongestIdle
            | Strategy::RoundRobin
            | Strategy::FewestCalls
            | Strategy::LeastTalkTime
            | Strategy::Linear
            | Strategy::Random => Ring::One,
        }
    }
}

/// A set of desks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DeskSet(u32);

const _: () = assert!(DESKS_MAX < 32);

impl DeskSet {
    pub(super) fn of(desk: DeskNo) -> Self {
        Self(1 << u32::from(desk.0).min(31))
    }

    /// The set with more in it.
    #[must_use]
    pub(super) fn and(self, more: Self) -> Self {
        Self(self.0 | more.0)
    }

    pub(super) fn has(self, desk: DeskNo) -> bool {
        self.0 & Self::of(desk).0 != 0
    }

    /// In order of their numbers.
    pub(super) fn iter(self) -> impl Iterator<Item = DeskNo> {
        (0..32_u8).map(DeskNo).filter(move |desk| self.has(*desk))
    }
}

/// What the strategies look at in one operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Merits {
    pub(super) idle_since: Instant,
    /// Number of his last offer, in the order of all offers; 0: none yet.
    pub(super) last_offer: u64,
    pub(super) calls: u64,
    pub(super) talk: Duration,
}

/// A place among those who are ready: lower ones are rung first.
pub(super) type Rank = (u8, u64, u64);

impl Merits {
    /// The rank that these merits give at a desk.
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

impl Acd {
    /// Takes the desks of the settings; `former` ones are found again by name.
    pub(super) fn set_desks(&mut self, former: &[Desk]) {
        if self.settings.desks.is_empty() {
            self.settings.desks.push(Desk::default());
        }
        self.settings.desks.truncate(DESKS_MAX);
        let mut desks = self.settings.desks.clone();
        self.everybody = DeskNo(0);
        if let Some(first) = desks.first().filter(|first| first.members.is_some()).cloned() {
            self.everybody = DeskNo(u8::try_from(desks.len()).unwrap_or(u8::MAX));
            desks.push(Desk { name: "everybody".to_owned(), strategy: first.strategy, ..Desk::default() });
        }
        let named = |name: &str| desks.iter().position(|desk| desk.name == name).and_then(|at| u8::try_from(at).ok());
        let now_called = |desk: DeskNo| {
            DeskNo(former.get(usize::from(desk.0)).and_then(|desk| named(&desk.name)).unwrap_or_default())
        };
        let rings = desks.iter().map(Desk::ring).collect();
        self.queue.set_desks(rings, self.everybody, now_called);
        self.floor.set_desks(desks);
        self.serve_by_posture();
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
            Merits { idle_since: Instant::from_nanos(9), last_offer: 7, calls: 5, talk: Duration::from_secs(3) };
        let tired = Merits { idle_since: Instant::from_nanos(1), last_offer: 1, calls: 1, talk: Duration::ZERO };
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
    fn everybody_is_at_a_desk_without_members() {
        let budi = OperatorId::parse("budi").unwrap();
        assert_eq!(Desk::default().level(&budi), Some(0));
        let fire = Desk { members: Some(BTreeMap::from([(budi.clone(), 2)])), ..Desk::default() };
        assert_eq!(fire.level(&budi), Some(2));
        assert_eq!(fire.level(&OperatorId::parse("siti").unwrap()), None);
    }
}
