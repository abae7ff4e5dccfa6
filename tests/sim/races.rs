//! Races on purpose: small stories in which something happens while a phone rings, and once more within a few milliseconds of its
//! answer, while that is on its way. A few hundred of each; at night (profile `nightly`) a hundred thousand. A story that fails prints
//! its seed; `SIM_RACE=<seed>` tells that one again.

use std::net::SocketAddr;
use std::time::Duration;

use siaga::acd::desk::{Desk, Strategy};
use siaga::acd::shift::Plan;
use siaga::clock::Timestamp;
use siaga::ids::OperatorId;
use siaga::switchboard::{ConsoleCommand, Input, Settings};

use super::agenda::Event;
use super::city::{City, OPERATORS};
use super::judge::{Tally, judge};
use super::phone::Alarm;
use super::random::{PAIRS, Seed};
use super::telco;
use super::terms::Story;
use super::world::admin;

/// What races with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Race {
    /// The caller's CANCEL.
    Cancel,
    /// The answer of another phone.
    Answer,
    /// The phone's death.
    Death,
    /// The phone's REGISTER, to refresh or end its binding.
    Register,
    /// The end of the operator's shift.
    ShiftEnd,
    /// A pause of the operator.
    Pause,
}

/// One side of a race.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    CallersGiveUp,
    OthersPickUp,
    PowerCut,
    Register,
    /// The shift ends in some milliseconds and the next begins a few seconds later.
    ShiftEnds,
    Pause,
    Resume,
}

/// How often something happened while a phone rang, and while its answer, or our ACK, was under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Races {
    pub(crate) ringing: u64,
    pub(crate) crossed: u64,
}

impl Race {
    /// Settings without which there is no such race, or with which most of a story would be OPTIONS.
    pub(super) fn needs(self, settings: &mut Settings) {
        settings.phones.keep_alive = None;
        settings.trunks.iter_mut().for_each(|trunk| trunk.keep_alive = None);
        if self == Self::Answer {
            settings.acd.desks = vec![Desk { strategy: Strategy::RingAll, ..Desk::default() }];
            settings.numbers.desks.clear();
        }
    }

    fn deed(self) -> Deed {
        match self {
            Self::Cancel => Deed::CallersGiveUp,
            Self::Answer => Deed::OthersPickUp,
            Self::Death => Deed::PowerCut,
            Self::Register => Deed::Register,
            Self::ShiftEnd => Deed::ShiftEnds,
            Self::Pause => Deed::Pause,
        }
    }
}

impl City {
    /// A phone says something: what races with it is on its way too.
    pub(super) fn begins_a_race(&mut self, race: Race, from: SocketAddr, text: &str) {
        let Some(index) = self.phones.iter().position(|phone| phone.at == from) else { return };
        let span = match text.strip_prefix("SIP/2.0 ").map(|rest| &rest[..3]) {
            Some("180") if self.rng.below(2) == 0 => 9_000,
            Some("200") if text.contains("CSeq: 1 INVITE") => 60,
            _ => return,
        };
        let after = Duration::from_millis(self.rng.below(span));
        self.schedule(after, Event::Race(index, race.deed()));
    }

    pub(super) fn race_happens(&mut self, index: usize, deed: Deed) {
        self.races.ringing += u64::from(self.phones[index].is_ringing());
        self.races.crossed += u64::from(self.phones[index].has_picked_up());
        let operator = OperatorId::parse(&format!("op{index}")).unwrap();
        match deed {
            Deed::CallersGiveUp => {
                for n in 0..u32::try_from(self.callers.len()).unwrap() {
                    self.with_caller(n, |caller, io| caller.wakes(telco::Alarm::Impatient, io));
                }
            }
            Deed::OthersPickUp => {
                for other in (0..self.phones.len()).filter(|other| *other != index) {
                    self.with_phones(other, |phones, io| phones[other].wakes(Alarm::PickUpNow, io));
                }
            }
            Deed::PowerCut => self.with_phones(index, |phones, io| phones[index].wakes(Alarm::PowerCut, io)),
            Deed::Register => self.with_phones(index, |phones, io| phones[index].wakes(Alarm::RegisterNow, io)),
            Deed::ShiftEnds => self.shift_ends(&operator),
            Deed::Pause => {
                let after = Duration::from_millis(self.rng.below(10_000));
                self.schedule(after, Event::Race(index, Deed::Resume));
                self.step(Input::Console {
                    request: 8,
                    by: admin(),
                    command: ConsoleCommand::Pause { operator, reason: "tea".to_owned() },
                });
            }
            Deed::Resume => {
                self.step(Input::Console { request: 8, by: admin(), command: ConsoleCommand::Resume { operator } });
            }
        }
    }

    /// A new roster: the shift of this operator ends in a moment, those of the others never.
    fn shift_ends(&mut self, whose: &OperatorId) {
        let now = self.now.wall.as_millis();
        let mut at = |millis: u64| Timestamp::from_millis(now + i64::try_from(self.rng.below(millis)).unwrap());
        let (end, next) = (at(80), at(10_000).as_millis() + 80);
        let (begin, never) = (Timestamp::from_millis(0), Timestamp::from_millis(i64::MAX / 2));
        let mut plan = Plan { rostered: true, ..Plan::default() };
        for index in 0..OPERATORS {
            let operator = OperatorId::parse(&format!("op{index}")).unwrap();
            let spans = if operator == *whose {
                [(begin, end), (Timestamp::from_millis(next), never)].into()
            } else {
                [(begin, never)].into()
            };
            plan.spans.insert(operator, spans);
        }
        self.settings.acd.plan = plan;
        self.step(Input::Configure(Box::new(self.settings.clone())));
    }
}

/// The seeds of a race: of the environment, of a night, or some.
fn seeds() -> std::ops::Range<u64> {
    if let Some(seed) = std::env::var("SIM_RACE").ok().and_then(|seed| seed.parse::<u64>().ok()) {
        return seed..seed + 1;
    }
    let nightly = std::env::var("NEXTEST_PROFILE").is_ok_and(|profile| profile == "nightly");
    0..if nightly { 100_000 } else { 300 }
}

/// Runs a race with every seed. It must have been one often enough: in every fifth story at least.
fn run(race: Race) -> Tally {
    let (mut sum, mut races, mut stories) = (Tally::default(), Races::default(), 0_u64);
    for seed in seeds() {
        let loss_percent = [0, 5, 10][usize::try_from(seed % 3).unwrap()];
        let story =
            Story { seed, calls: 3, loss_percent, drained: false, pairs: PAIRS, race: Some(race), ..Story::default() };
        let _seed = Seed(story);
        let mut city = City::new(story);
        city.run();
        sum.add(&judge(&city));
        races.ringing += city.races.ringing;
        races.crossed += city.races.crossed;
        stories += 1;
    }
    println!(
        "{race:?}: {stories} stories, {races:?}, {} steps, {} calls, {} answered",
        sum.steps, sum.calls, sum.answered
    );
    if stories > 1 {
        assert!(races.ringing * 5 > stories && races.crossed * 5 > stories, "too few races: {races:?} in {stories}");
    }
    sum
}

#[test]
fn a_cancel_and_an_answer_cross_and_one_of_them_wins() {
    run(Race::Cancel);
}

#[test]
fn two_phones_answer_at_once_and_one_of_them_has_the_call() {
    run(Race::Answer);
}

#[test]
fn a_phone_dies_while_it_rings_or_as_it_answers() {
    run(Race::Death);
}

#[test]
fn a_phone_registers_while_it_rings_or_as_it_answers() {
    run(Race::Register);
}

#[test]
fn a_shift_ends_while_a_phone_rings_or_as_it_answers() {
    run(Race::ShiftEnd);
}

#[test]
fn an_operator_is_paused_while_the_phone_rings_or_as_it_answers() {
    run(Race::Pause);
}
