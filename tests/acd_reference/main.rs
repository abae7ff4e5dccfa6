//! Compares the ACD with a slow one that scans everything, over random sequences of events.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test stops at whatever is not as it should be"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use siaga::acd::desk::DeskNo;
use siaga::acd::shift::Plan;
use siaga::acd::{Acd, Decision, Settings};
use siaga::clock::{Now, Timestamp};
use siaga::ids::{CallId, OperatorId, Rng};

mod slow;

use slow::{Fate, Job, Slow, Told};

const WRAP_UP: u64 = 30;
const REST: u64 = 10;
const RETRY: u64 = 20;
const NONE_READY: u64 = 15;
const OPERATORS: usize = 5;
/// The shift of the third operator, of every day of the history.
const SHIFTS: [(u64, u64); 3] = [(100, 300), (400, 500), (900, 2000)];

/// Seconds since the start; the history has no finer time.
type Second = u64;

#[derive(Clone, Debug)]
enum Event {
    Pass(Second),
    Caller(u8),
    Leave(usize),
    Fail(usize, usize, bool),
    Answer(usize, usize),
    NumberFailed(usize),
    OutOfTurn(usize, usize),
    Finish(usize),
    Lose(usize),
    Registered(usize, bool),
    Reachable(usize, bool),
    LogIn(usize),
    LogOut(usize),
    Pause(usize),
    Resume(usize),
    Exists(usize, bool),
}

/// Both, driven side by side.
struct Pair {
    slow: Slow,
    acd: Acd,
    start: Now,
    names: Vec<OperatorId>,
    ids: Vec<CallId>,
    rng: Rng,
    told: BTreeMap<(OperatorId, CallId), usize>,
}

impl Pair {
    fn new(by_registration: bool) -> Self {
        let start = Now { wall: Timestamp::from_millis(1_790_000_000_000), ..Now::default() };
        let names: Vec<OperatorId> =
            (0..OPERATORS).map(|number| OperatorId::parse(&format!("op{number}")).unwrap()).collect();
        let after = |seconds| start.after(Duration::from_secs(seconds)).wall;
        let always: BTreeSet<_> = [(after(0), Timestamp::from_millis(i64::MAX))].into();
        let third: BTreeSet<_> = SHIFTS.iter().map(|(from, to)| (after(*from), after(*to))).collect();
        let spans = |number| if number == 2 { &third } else { &always };
        let plan = Plan {
            rostered: true,
            spans: names.iter().enumerate().map(|(number, name)| (name.clone(), spans(number).clone())).collect(),
            ..Plan::default()
        };
        let settings = Settings {
            wrap_up: Duration::from_secs(WRAP_UP),
            incident_wrap_up: Duration::from_secs(WRAP_UP),
            rest: Duration::from_secs(REST),
            fallback_retry: Duration::from_secs(RETRY),
            none_ready: Duration::from_secs(NONE_READY),
            login_on_register: by_registration,
            unanswered_max: 0,
            plan,
            desks: Vec::new(),
        };
        let mut acd = Acd::new(start, settings, Rng::from_number(2));
        acd.set_operators(start, &names);
        let told = BTreeMap::new();
        Self { slow: Slow::new(by_registration), acd, start, names, ids: vec![], rng: Rng::from_number(1), told }
    }

    fn now(&self) -> Now {
        self.start.after(Duration::from_secs(self.slow.now))
    }

    /// The call that an event means: any of the last few.
    fn call(&self, pick: usize) -> Option<usize> {
        let count = self.ids.len();
        (count > 0).then(|| count - 1 - pick % count.min(8))
    }

    fn apply(&mut self, event: &Event) {
        let now = self.now();
        match *event {
            Event::Pass(span) => self.pass(span),
            Event::Caller(priority) => {
                let id = CallId::new(now.wall, &mut self.rng);
                self.ids.push(id);
                self.slow.calls.push((priority, Fate::Waits { fallback_from: 0 }));
                self.slow.arrived.push(self.slow.now);
                self.acd.enqueue(now, id, priority, DeskNo::default());
            }
            Event::Leave(pick)
            | Event::NumberFailed(pick)
            | Event::OutOfTurn(pick, _)
            | Event::Fail(pick, ..)
            | Event::Answer(pick, _) => {
                if let Some(call) = self.call(pick) {
                    self.apply_to_call(event, call);
                }
            }
            Event::Finish(number) | Event::Lose(number) => {
                if let Job::Talking(call) = self.slow.men[number].job {
                    let lost = matches!(event, Event::Lose(_));
                    self.slow.end_talk(number, lost);
                    let (id, name) = (self.ids[call], &self.names[number]);
                    if lost { self.acd.operator_lost(now, id, name) } else { self.acd.finished(now, id, name) }
                }
            }
            Event::Registered(number, registered) => {
                self.slow.register(number, registered);
                self.acd.set_registered(now, &self.names[number], registered);
            }
            Event::Reachable(number, reachable) => {
                if self.slow.men[number].known {
                    self.slow.men[number].reachable = reachable;
                }
                self.acd.set_reachable(now, &self.names[number], reachable);
            }
            Event::LogIn(number) | Event::LogOut(number) | Event::Pause(number) | Event::Resume(number) => {
                self.apply_to_man(event, number);
            }
            Event::Exists(number, exists) => {
                self.slow.exist(number, exists);
                let wanted: Vec<OperatorId> = (0..OPERATORS)
                    .filter(|n| self.slow.men[*n].known && self.slow.men[*n].wanted)
                    .map(|n| self.names[n].clone())
                    .collect();
                self.acd.set_operators(now, &wanted);
            }
        }
    }

    fn apply_to_call(&mut self, event: &Event, call: usize) {
        let (now, id) = (self.now(), self.ids[call]);
        match *event {
            Event::Leave(_) => {
                self.slow.leave(call);
                self.acd.leave(now, id);
            }
            Event::NumberFailed(_) => {
                self.slow.number_failed(call);
                self.acd.fallback_failed(now, id);
            }
            Event::OutOfTurn(_, number) => {
                let offered = self.slow.offer_out_of_turn(call, number);
                assert_eq!(self.acd.offer_out_of_turn(now, id, &self.names[number]), offered);
            }
            Event::Fail(_, number, blameless) => {
                self.slow.fail(call, number, blameless);
                self.acd.offer_failed(now, id, &self.names[number], blameless);
            }
            Event::Answer(_, number) => {
                self.slow.answer(call, number);
                self.acd.answered(now, id, &self.names[number]);
            }
            _ => unreachable!(),
        }
    }

    fn apply_to_man(&mut self, event: &Event, number: usize) {
        let (now, name) = (self.now(), self.names[number].clone());
        let known = self.slow.men[number].known && self.slow.men[number].wanted;
        let answer = match event {
            Event::LogIn(_) => self.acd.log_in(now, &name),
            Event::LogOut(_) => self.acd.log_out(now, &name),
            Event::Pause(_) => self.acd.pause(now, &name, "meal"),
            Event::Resume(_) => self.acd.resume(now, &name),
            _ => unreachable!(),
        };
        assert_eq!(answer.is_ok(), known);
        if !known {
            return;
        }
        match event {
            Event::LogIn(_) => self.slow.men[number].logged_in = true,
            Event::LogOut(_) => self.slow.log_out(number),
            Event::Pause(_) => self.slow.men[number].paused = true,
            Event::Resume(_) => {
                self.slow.men[number].paused = false;
                self.slow.men[number].rested_at = 0;
                self.slow.end_after(number);
            }
            _ => unreachable!(),
        }
    }

    /// Time passes; the real one is woken only when it wants to be.
    fn pass(&mut self, span: Second) {
        let until = self.slow.now + span;
        let end = self.start.after(Duration::from_secs(until));
        while let Some(at) = self.acd.poll_timeout().filter(|at| *at <= end.mono) {
            let now = self.start.after(at.since(self.start.mono));
            self.slow.pass(now.mono.since(self.start.mono).as_secs() - self.slow.now);
            self.acd.expire(now);
            assert!(self.acd.poll_timeout().is_none_or(|next| next > at), "wakes for nothing");
            self.settle();
        }
        self.slow.pass(until - self.slow.now);
        self.settle();
    }

    /// Lets both decide until they are done, and compares them in all that can be seen.
    fn settle(&mut self) {
        let now = self.now();
        self.acd.verify(false).unwrap();
        loop {
            let (slow, fast) = (self.slow.decide(), self.acd.decide(now));
            self.acd.verify(false).unwrap();
            assert_eq!(slow, fast.map(|decision| self.told(decision)));
            if slow.is_none() {
                break;
            }
        }
        self.acd.verify(true).unwrap();
        let line: Vec<CallId> = self.slow.line().into_iter().map(|call| self.ids[call]).collect();
        assert_eq!(self.acd.waiting().collect::<Vec<_>>(), line);
        let mut counts = [0; 6];
        for number in (0..OPERATORS).filter(|number| self.slow.men[*number].known) {
            let state = self.slow.state(number);
            counts[state as usize] += 1;
            assert_eq!(
                self.acd.view(&self.names[number]).map(|view| view.state),
                Some(state),
                "{}",
                self.names[number]
            );
        }
        assert_eq!(self.acd.counts(), (line.len(), counts));
        for (number, call) in std::mem::take(&mut self.slow.wrapped_up) {
            *self.told.entry((self.names[number].clone(), self.ids[call])).or_default() += 1;
        }
        for change in self.acd.take_changes() {
            if let Some(call) = change.wrapped_up {
                let open = self.told.get_mut(&(change.operator, call)).expect("a wrap-up that is none");
                *open = open.checked_sub(1).expect("a wrap-up told twice");
            }
        }
        assert!(self.told.values().all(|open| *open == 0), "a wrap-up is not told");
    }

    fn told(&self, decision: Decision) -> Told {
        let number = |name: &OperatorId| self.names.iter().position(|other| other == name).unwrap();
        let call = |id: CallId| self.ids.iter().position(|other| *other == id).unwrap();
        match decision {
            Decision::Offer { call: id, operator, .. } => Told::Offer(call(id), number(&operator)),
            Decision::Fallback { call: id, operators } => {
                Told::Fallback(call(id), operators.iter().map(number).collect())
            }
            Decision::Withdraw { call: id, operator } => Told::Withdraw(call(id), number(&operator)),
        }
    }

    /// Ends everything; nothing may be left.
    fn wind_up(&mut self) {
        for call in 0..self.ids.len() {
            self.slow.leave(call);
            self.acd.leave(self.now(), self.ids[call]);
        }
        self.pass(WRAP_UP);
        let (waiting, [_, _, offered, talking, wrap_up, _]) = self.acd.counts();
        assert_eq!((waiting, offered, talking, wrap_up), (0, 0, 0, 0));
    }
}

fn event() -> impl Strategy<Value = Event> {
    let operator = 0..OPERATORS;
    let pick = 0..8_usize;
    prop_oneof![
        6 => (1..25_u64).prop_map(Event::Pass),
        6 => (0..3_u8).prop_map(Event::Caller),
        2 => pick.clone().prop_map(Event::Leave),
        8 => (pick.clone(), operator.clone(), any::<bool>()).prop_map(|(call, man, calm)| Event::Fail(call, man, calm)),
        12 => (pick.clone(), operator.clone()).prop_map(|(call, man)| Event::Answer(call, man)),
        3 => pick.clone().prop_map(Event::NumberFailed),
        4 => (pick, operator.clone()).prop_map(|(call, man)| Event::OutOfTurn(call, man)),
        5 => operator.clone().prop_map(Event::Finish),
        2 => operator.clone().prop_map(Event::Lose),
        6 => (operator.clone(), prop::bool::weighted(0.7)).prop_map(|(man, up)| Event::Registered(man, up)),
        2 => (operator.clone(), prop::bool::weighted(0.7)).prop_map(|(man, up)| Event::Reachable(man, up)),
        4 => operator.clone().prop_map(Event::LogIn),
        2 => operator.clone().prop_map(Event::LogOut),
        1 => operator.clone().prop_map(Event::Pause),
        2 => operator.clone().prop_map(Event::Resume),
        1 => (operator, prop::bool::weighted(0.7)).prop_map(|(man, exists)| Event::Exists(man, exists)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn every_history_has_the_decisions_of_the_scheduler_that_scans(
        by_registration in any::<bool>(),
        history in prop::collection::vec(event(), 1..=200),
    ) {
        let mut pair = Pair::new(by_registration);
        for event in &history {
            pair.apply(event);
            pair.settle();
        }
        pair.wind_up();
    }
}
