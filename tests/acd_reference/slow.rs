//! The slow ACD: a list of people and a list of calls, no index, every question answered by looking at all.

use siaga::acd::State;

use super::{NONE_READY, OPERATORS, REST, RETRY, SHIFTS, Second, WRAP_UP};

/// What one operator is doing, told from the call's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Job {
    None,
    /// `in_turn`: the operator is not rung because the fallback rings all phones.
    Ringing {
        call: usize,
        told: bool,
        was_ready: bool,
        in_turn: bool,
        recalled: bool,
    },
    Talking(usize),
    After(usize, Second),
}

#[derive(Clone, Debug)]
pub(super) struct Man {
    pub(super) known: bool,
    pub(super) wanted: bool,
    pub(super) registered: bool,
    pub(super) reachable: bool,
    pub(super) logged_in: bool,
    pub(super) paused: bool,
    pub(super) job: Job,
    pub(super) rested_at: Second,
    last_work: Second,
    unlucky: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Waits {
        fallback_from: Second,
    },
    /// `all`: no operator was ready, so that all may ring.
    Rings {
        all: bool,
    },
    Fallback,
    Talks,
    Over,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Offer(usize, usize),
    Fallback(usize, Vec<usize>),
    Withdraw(usize, usize),
}

/// The whole of it.
#[derive(Clone, Debug)]
pub(super) struct Slow {
    pub(super) now: Second,
    by_registration: bool,
    pub(super) men: Vec<Man>,
    /// Priority and fate in order of arrival.
    pub(super) calls: Vec<(u8, Fate)>,
    /// When they arrived.
    pub(super) arrived: Vec<Second>,
    /// Since when no operator has been ready or rung.
    none_ready_since: Option<Second>,
    to_withdraw: Vec<usize>,
    pub(super) wrapped_up: Vec<(usize, usize)>,
}

impl Slow {
    pub(super) fn new(by_registration: bool) -> Self {
        let man = Man {
            known: true,
            wanted: true,
            registered: false,
            reachable: true,
            logged_in: false,
            paused: false,
            job: Job::None,
            rested_at: 0,
            last_work: 0,
            unlucky: 0,
        };
        let men = vec![man; OPERATORS];
        Self {
            now: 0,
            by_registration,
            men,
            calls: vec![],
            arrived: vec![],
            none_ready_since: None,
            to_withdraw: vec![],
            wrapped_up: vec![],
        }
    }

    pub(super) fn on_shift(&self, man: usize) -> bool {
        man != 2 || SHIFTS.iter().any(|(from, to)| (*from..*to).contains(&self.now))
    }

    pub(super) fn at_work(&self, number: usize) -> bool {
        let man = &self.men[number];
        man.known && man.wanted && self.on_shift(number) && man.registered && man.reachable && man.logged_in
    }

    pub(super) fn takes_offers(&self, number: usize) -> bool {
        let man = &self.men[number];
        self.at_work(number) && !man.paused && man.job == Job::None && man.rested_at <= self.now
    }

    pub(super) fn state(&self, number: usize) -> State {
        match self.men[number].job {
            Job::Ringing { .. } => State::Offered,
            Job::Talking(_) => State::Talking,
            Job::After(..) => State::WrapUp,
            Job::None if !self.at_work(number) => State::Offline,
            Job::None if self.men[number].paused => State::Break,
            Job::None => State::Ready,
        }
    }

    /// Waiting calls as they will be served.
    pub(super) fn line(&self) -> Vec<usize> {
        let mut line: Vec<usize> =
            (0..self.calls.len()).filter(|call| matches!(self.calls[*call].1, Fate::Waits { .. })).collect();
        line.sort_by_key(|call| (self.calls[*call].0, *call));
        line
    }

    pub(super) fn pass(&mut self, span: Second) {
        for _ in 0..span {
            self.now += 1;
            for number in 0..self.men.len() {
                if matches!(self.men[number].job, Job::After(_, until) if until <= self.now) {
                    self.end_after(number);
                }
            }
        }
    }

    pub(super) fn end_after(&mut self, number: usize) {
        if let Job::After(call, _) = self.men[number].job {
            self.men[number].job = Job::None;
            self.men[number].last_work = self.now;
            self.wrapped_up.push((number, call));
            self.forget(number);
        }
    }

    pub(super) fn forget(&mut self, number: usize) {
        if !self.men[number].wanted && self.men[number].job == Job::None {
            self.men[number].known = false;
        }
    }

    pub(super) fn hang_up(&mut self, number: usize, call: usize) {
        self.men[number].job = Job::After(call, self.now + WRAP_UP);
        if !self.men[number].wanted {
            self.end_after(number);
        }
    }

    pub(super) fn let_go(&mut self, number: usize) {
        self.to_withdraw.retain(|other| *other != number);
        self.men[number].job = Job::None;
        self.forget(number);
    }

    pub(super) fn ringing_for(&self, call: usize) -> Vec<usize> {
        let rings = |number: &usize| matches!(self.men[*number].job, Job::Ringing { call: c, .. } if c == call);
        (0..self.men.len()).filter(rings).collect()
    }

    pub(super) fn withdraw(&mut self, number: usize) {
        if let Job::Ringing { told, .. } = &mut self.men[number].job
            && !*told
        {
            *told = true;
            self.to_withdraw.push(number);
            self.to_withdraw.sort_unstable();
        }
    }

    pub(super) fn leave(&mut self, call: usize) {
        for number in self.ringing_for(call) {
            self.let_go(number);
        }
        for number in 0..self.men.len() {
            if self.men[number].job == Job::Talking(call) {
                self.hang_up(number, call);
            }
        }
        self.calls[call].1 = Fate::Over;
    }

    /// A supervisor has a waiting or ringing call offered to this operator, ready or not.
    pub(super) fn offer_out_of_turn(&mut self, call: usize, number: usize) -> bool {
        let man = &self.men[number];
        let there = man.known && man.wanted && man.registered && man.reachable && man.job == Job::None;
        let open = matches!(self.calls[call].1, Fate::Waits { .. } | Fate::Rings { .. } | Fate::Fallback);
        if there && open {
            self.ring(call, number, true);
            self.rings_in_turn(call, false);
        }
        there && open
    }

    pub(super) fn fail(&mut self, call: usize, number: usize, blameless: bool) {
        if !self.ringing_for(call).contains(&number) {
            return;
        }
        let man = &mut self.men[number];
        man.last_work = self.now;
        man.unlucky += 1;
        if !blameless || man.unlucky == 3 {
            man.unlucky = 0;
            man.rested_at = self.now + REST;
        }
        self.let_go(number);
        if matches!(self.calls[call].1, Fate::Rings { .. }) && self.ringing_for(call).is_empty() {
            self.calls[call].1 = Fate::Waits { fallback_from: 0 };
        }
    }

    pub(super) fn answer(&mut self, call: usize, number: usize) {
        let ringing = self.ringing_for(call);
        if !ringing.contains(&number) {
            return;
        }
        for other in ringing {
            self.let_go(other);
        }
        let man = &mut self.men[number];
        man.known = true;
        man.job = Job::Talking(call);
        man.unlucky = 0;
        man.rested_at = 0;
        self.calls[call].1 = Fate::Talks;
    }

    pub(super) fn number_failed(&mut self, call: usize) {
        if self.calls[call].1 == Fate::Fallback {
            let (in_turn, others): (Vec<usize>, Vec<usize>) =
                self.ringing_for(call).into_iter().partition(|number| self.is_in_turn(*number));
            for number in others {
                self.let_go(number);
            }
            let waits = Fate::Waits { fallback_from: self.now + RETRY };
            self.calls[call].1 = if in_turn.is_empty() { waits } else { Fate::Rings { all: false } };
        }
    }

    pub(super) fn end_talk(&mut self, number: usize, lost: bool) {
        let Job::Talking(call) = self.men[number].job else { return };
        self.calls[call].1 = if lost { Fate::Waits { fallback_from: 0 } } else { Fate::Over };
        if lost {
            self.men[number].rested_at = self.now + REST;
        }
        self.hang_up(number, call);
    }

    pub(super) fn register(&mut self, number: usize, registered: bool) {
        let man = &mut self.men[number];
        if man.known {
            if self.by_registration && man.registered != registered {
                man.logged_in = registered;
            }
            man.registered = registered;
        }
    }

    pub(super) fn log_out(&mut self, number: usize) {
        if self.is_in_turn(number) {
            self.withdraw(number);
        }
        self.men[number].logged_in = false;
        self.end_after(number);
    }

    pub(super) fn exist(&mut self, number: usize, exists: bool) {
        if exists && !self.men[number].known {
            self.men[number] = Man { last_work: self.now, ..Self::new(true).men[number].clone() };
        } else if self.men[number].known {
            if self.men[number].wanted && !exists {
                self.withdraw(number);
            }
            self.men[number].wanted = exists;
            if !exists {
                self.end_after(number);
                self.forget(number);
            }
        }
    }

    fn ring(&mut self, call: usize, number: usize, in_turn: bool) {
        let was_ready = self.state(number) == State::Ready;
        self.men[number].job = Job::Ringing { call, told: false, was_ready, in_turn, recalled: false };
    }

    fn is_in_turn(&self, number: usize) -> bool {
        matches!(self.men[number].job, Job::Ringing { in_turn: true, .. })
    }

    /// A fallback goes on beside.
    fn rings_in_turn(&mut self, call: usize, all: bool) {
        if self.calls[call].1 != Fate::Fallback {
            self.calls[call].1 = Fate::Rings { all };
        }
    }

    /// Ready, or rung while they were.
    fn is_alert(&self, number: usize) -> bool {
        matches!(self.men[number].job, Job::Ringing { was_ready: true, .. }) || self.state(number) == State::Ready
    }

    /// The matching operators, longest idle first.
    fn by_idle(&self, wanted: impl Fn(usize) -> bool) -> Vec<usize> {
        let mut all: Vec<usize> = (0..self.men.len()).filter(|number| wanted(*number)).collect();
        all.sort_by_key(|number| (self.men[*number].last_work, *number));
        all
    }

    fn offer(&mut self, call: usize, number: usize, all: bool) -> Option<Told> {
        self.ring(call, number, true);
        self.rings_in_turn(call, all);
        Some(Told::Offer(call, number))
    }

    /// True if the call rings, or is in the fallback, and no operator rings for it who was ready before.
    fn rings_no_ready(&self, call: usize) -> bool {
        let counts =
            |number: usize| matches!(self.men[number].job, Job::Ringing { in_turn: true, recalled: false, .. });
        let rung = self.ringing_for(call);
        matches!(self.calls[call].1, Fate::Fallback | Fate::Rings { .. }) && !rung.into_iter().any(counts)
    }

    fn may_ring_more(&self, call: usize) -> bool {
        match self.calls[call].1 {
            Fate::Rings { all } => all || self.rings_no_ready(call),
            _ => false,
        }
    }

    /// True if for `none_ready` this call has waited and no operator was ready or rung.
    fn none_ready_for(&self, call: usize) -> bool {
        let long = |since: Second| since + NONE_READY <= self.now;
        long(self.arrived[call]) && self.none_ready_since.is_some_and(long)
    }

    pub(super) fn decide(&mut self) -> Option<Told> {
        let alert = (0..self.men.len()).any(|number| self.men[number].known && self.is_alert(number));
        self.none_ready_since = if alert { None } else { self.none_ready_since.or(Some(self.now)) };
        if !self.to_withdraw.is_empty() {
            let number = self.to_withdraw.remove(0);
            if let Job::Ringing { call, .. } = self.men[number].job {
                return Some(Told::Withdraw(call, number));
            }
        }
        let line = self.line();
        let mut ringing: Vec<usize> = (0..self.calls.len()).filter(|call| self.may_ring_more(*call)).collect();
        ringing.sort_by_key(|call| (self.calls[*call].0, *call));
        if let Some(number) = self.by_idle(|number| self.takes_offers(number)).first().copied() {
            let rings_none = |call: &usize| self.rings_no_ready(*call);
            let mut open: Vec<usize> = (0..self.calls.len()).filter(rings_none).chain(line.iter().copied()).collect();
            open.sort_by_key(|call| (self.calls[*call].0, *call));
            if let Some(call) = open.first() {
                return self.offer(*call, number, false);
            }
            if let Some(call) = ringing.first() {
                return self.offer(*call, number, false);
            }
        }
        let rested = |number: usize| self.state(number) == State::Break && self.men[number].rested_at <= self.now;
        if let Some(number) = self.by_idle(rested).first().copied()
            && let Some(call) = line.iter().chain(&ringing).find(|call| self.none_ready_for(**call))
        {
            let told = self.offer(*call, number, true);
            if let Job::Ringing { recalled, .. } = &mut self.men[number].job {
                *recalled = true;
            }
            return told;
        }
        let staffed = (0..self.men.len()).any(|number| self.at_work(number));
        let busy = |number: usize| matches!(self.men[number].job, Job::Talking(_) | Job::After(..));
        if staffed && (0..self.men.len()).any(busy) {
            return None;
        }
        let due =
            |call: &&usize| matches!(self.calls[**call].1, Fate::Waits { fallback_from } if fallback_from <= self.now);
        let call = *line.iter().filter(due).find(|call| !staffed || self.none_ready_for(**call))?;
        let phones_taken = (0..self.calls.len())
            .filter(|call| self.calls[*call].1 == Fate::Fallback)
            .any(|call| self.ringing_for(call).into_iter().any(|number| !self.is_in_turn(number)));
        let mut rung: Vec<usize> = (0..self.men.len())
            .filter(|number| {
                let man = &self.men[*number];
                !phones_taken && man.known && man.wanted && man.registered && man.job == Job::None
            })
            .collect();
        rung.sort_by_key(|number| (!self.men[*number].reachable, self.men[*number].last_work, *number));
        for number in &rung {
            self.ring(call, *number, false);
        }
        self.calls[call].1 = Fate::Fallback;
        Some(Told::Fallback(call, rung))
    }
}
