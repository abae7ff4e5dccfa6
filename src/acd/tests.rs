//! Behaviour of the ACD, step by step.

use super::*;
use crate::ids::Rng;

mod calendar;
mod desks;
mod no_response;
mod none_ready;
mod offers;
mod operating_mode;
mod participants;
mod pitfalls;
mod port_pairs;
mod ring;
mod transfers;
mod unstaffed;

pub(super) const WRAP_UP: Duration = Duration::from_secs(30);
pub(super) const REST: Duration = Duration::from_secs(10);
pub(super) const RETRY: Duration = Duration::from_secs(20);
pub(super) const NONE_READY: Duration = Duration::from_secs(15);

/// An ACD, its clock, and the calls that were made for it.
pub(super) struct Stage {
    pub(super) acd: Acd,
    pub(super) now: Now,
    rng: Rng,
}

pub(super) fn settings() -> Settings {
    Settings {
        wrap_up: WRAP_UP,
        incident_wrap_up: Duration::from_secs(5),
        rest: REST,
        fallback_retry: RETRY,
        none_ready: NONE_READY,
        login_on_register: true,
        unanswered_max: 0,
        plan: shift::Plan::default(),
        desks: Vec::new(),
    }
}

pub(super) fn op(name: &str) -> OperatorId {
    OperatorId::parse(name).unwrap()
}

impl Stage {
    pub(super) fn with(settings: Settings, names: &[&str]) -> Self {
        let now = Now { mono: Instant::from_nanos(0), wall: Timestamp::from_millis(1_790_000_000_000) };
        let mut acd = Acd::new(now, settings, Rng::from_number(3));
        let operators: Vec<_> = names.iter().map(|name| op(name)).collect();
        acd.set_operators(now, &operators);
        operators.iter().for_each(|operator| acd.set_registered(now, operator, true));
        acd.take_changes();
        Self { acd, now, rng: Rng::from_number(7) }
    }

    pub(super) fn new(names: &[&str]) -> Self {
        Self::with(settings(), names)
    }

    pub(super) fn pass(&mut self, span: Duration) {
        self.now = self.now.after(span);
        self.acd.expire(self.now);
    }

    /// A call arrives one second after the last event.
    pub(super) fn caller(&mut self) -> CallId {
        self.caller_with(1)
    }

    pub(super) fn caller_with(&mut self, priority: u8) -> CallId {
        self.caller_for(priority, DeskNo(0))
    }

    pub(super) fn caller_for(&mut self, priority: u8, desk: DeskNo) -> CallId {
        self.pass(Duration::from_secs(1));
        let call = CallId::new(self.now.wall, &mut self.rng);
        self.acd.enqueue(self.now, call, priority, desk);
        call
    }

    /// All decisions of a step.
    pub(super) fn decisions(&mut self) -> Vec<Decision> {
        self.acd.verify(false).unwrap();
        let mut all = Vec::new();
        while let Some(decision) = self.acd.decide(self.now) {
            self.acd.verify(false).unwrap();
            all.push(decision);
            assert!(all.len() < 1000, "decisions never end");
        }
        self.acd.verify(true).unwrap();
        all
    }

    pub(super) fn offers(&mut self) -> Vec<(CallId, OperatorId)> {
        let offer = |decision: Decision| match &decision {
            Decision::Offer { call, operator, .. } => (*call, operator.clone()),
            Decision::Fallback { .. } | Decision::Withdraw { .. } => panic!("{decision:?}"),
        };
        self.decisions().into_iter().map(offer).collect()
    }

    /// A call that the next operator answers.
    pub(super) fn talk(&mut self) -> (CallId, OperatorId) {
        let call = self.caller();
        let (_, operator) = self.offers().pop().unwrap();
        self.acd.answered(self.now, call, &operator);
        (call, operator)
    }

    pub(super) fn fail(&mut self, call: CallId, name: &str) {
        self.acd.offer_failed(self.now, call, &op(name), false);
    }

    pub(super) fn state(&self, name: &str) -> State {
        self.acd.view(&op(name)).unwrap().state
    }

    /// (state, wrapped up) of every change since the last call of this function.
    pub(super) fn changes(&mut self) -> Vec<(State, Option<CallId>)> {
        self.acd.take_changes().into_iter().map(|change| (change.state, change.wrapped_up)).collect()
    }
}
