//! The second scheduler: the rules of distribution, told as plainly as can be. No index, no state but facts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use siaga::acd::desk::{Desk, DeskNo, Strategy};
use siaga::acd::{OperatingMode, Settings};
use siaga::clock::Instant;
use siaga::ids::{CallId, OperatorId};

mod none_ready;

/// So many phones ring for one call at once.
const RING_MAX: usize = siaga::limits::LIVE_LEGS_PER_CALL_MAX - 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Busy {
    Free,
    Rung(CallId),
    Talks(CallId, Instant),
    WrapsUp(CallId, Instant),
}

#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) registered: bool,
    pub(super) reachable: bool,
    pub(super) logged_in: bool,
    pub(super) paused: bool,
    pub(super) busy: Busy,
    pub(super) withdrawn: bool,
    /// Was not ready when the ring attempt began.
    recalled: bool,
    rests: Option<Instant>,
    idle_since: Instant,
    last_offer: u64,
    calls: u64,
    talk: Duration,
    blameless: u8,
    unanswered: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Waits,
    Held(Instant),
    /// At these, and at one more from then on.
    Rings(BTreeSet<OperatorId>, Option<Instant>),
    /// All phones, and those whose turn it is, as in `Rings`.
    FallsBack(BTreeSet<OperatorId>, BTreeSet<OperatorId>, Option<Instant>),
    Talks(OperatorId),
}

#[derive(Clone, Debug)]
pub(super) struct Caller {
    place: (u8, u64),
    home: usize,
    /// When, and where to, it goes besides.
    steps: Vec<(Instant, Vec<usize>)>,
    /// Its last fallback was the number alone.
    number_was_last: bool,
    arrived: Instant,
    pub(super) fate: Fate,
}

/// What is to be done, or may be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Withdraw(CallId, OperatorId),
    /// Any of these would be right.
    Offer(CallId, Vec<OperatorId>),
    /// Like `Offer`, for operators on a break.
    Recall(CallId, Vec<OperatorId>),
    Fallback(CallId, Vec<OperatorId>),
}

#[derive(Debug)]
pub(super) struct Scheduler {
    settings: Settings,
    desks: Vec<Desk>,
    /// The desk at which everybody is: the first, or one of its own behind all others.
    all_operators: usize,
    pub(super) people: BTreeMap<OperatorId, Person>,
    pub(super) callers: BTreeMap<CallId, Caller>,
    arrivals: u64,
    offers: u64,
    to_withdraw: BTreeSet<OperatorId>,
    pub(super) mode: OperatingMode,
    pub(super) breaks: u64,
    pub(super) recalls: u64,
    /// Since when no operator of a desk has been ready or rung.
    none_ready_since: BTreeMap<usize, Instant>,
}

impl Scheduler {
    pub(super) fn new(settings: &Settings, people: &[OperatorId]) -> Self {
        let mut desks = settings.desks.clone();
        let all_operators = if desks[0].members.is_none() { 0 } else { desks.len() };
        desks.push(Desk { members: None, ..desks[0].clone() });
        let person = Person {
            registered: false,
            reachable: true,
            logged_in: false,
            paused: false,
            busy: Busy::Free,
            withdrawn: false,
            recalled: false,
            rests: None,
            idle_since: Instant::from_nanos(0),
            last_offer: 0,
            calls: 0,
            talk: Duration::ZERO,
            blameless: 0,
            unanswered: 0,
        };
        Self {
            settings: settings.clone(),
            desks,
            all_operators,
            people: people.iter().map(|name| (name.clone(), person.clone())).collect(),
            callers: BTreeMap::new(),
            arrivals: 0,
            offers: 0,
            to_withdraw: BTreeSet::new(),
            mode: OperatingMode::Normal,
            breaks: 0,
            recalls: 0,
            none_ready_since: BTreeMap::new(),
        }
    }

    fn staffed(person: &Person) -> bool {
        person.registered && person.reachable && person.logged_in
    }

    fn ready(person: &Person) -> bool {
        Self::staffed(person) && !person.paused && person.busy == Busy::Free && person.rests.is_none()
    }

    fn level(&self, desk: usize, name: &OperatorId) -> Option<u8> {
        self.desks[desk].members.as_ref().map_or(Some(0), |members| members.get(name).copied())
    }

    pub(super) fn pass(&mut self, now: Instant) {
        for person in self.people.values_mut() {
            if let Busy::WrapsUp(_, until) = person.busy
                && until <= now
            {
                (person.busy, person.idle_since) = (Busy::Free, until);
            }
            person.rests = person.rests.filter(|until| *until > now);
        }
        for caller in self.callers.values_mut() {
            if let Fate::Held(until) = caller.fate
                && until <= now
            {
                caller.fate = Fate::Waits;
            }
        }
    }

    pub(super) fn log_in(&mut self, name: &OperatorId) {
        let at_work = || self.people.values().filter(|person| Self::staffed(person));
        let counts = self
            .desks
            .iter()
            .any(|desk| desk.strategy == Strategy::FewestCalls || desk.strategy == Strategy::LeastTalkTime);
        let calls = at_work().map(|person| person.calls).min().filter(|_| counts).unwrap_or(0);
        let talk = at_work().map(|person| person.talk).min().filter(|_| counts).unwrap_or_default();
        let person = self.people.get_mut(name).unwrap();
        if !person.logged_in {
            (person.logged_in, person.calls, person.talk, person.unanswered) = (true, calls, talk, 0);
        }
    }

    pub(super) fn register(&mut self, name: &OperatorId, registered: bool) {
        let person = self.people.get_mut(name).unwrap();
        if person.registered == registered {
            return;
        }
        person.registered = registered;
        person.logged_in = false;
        if registered {
            self.people.get_mut(name).unwrap().registered = false;
            self.log_in(name);
            self.people.get_mut(name).unwrap().registered = true;
        }
    }

    pub(super) fn log_out(&mut self, name: &OperatorId, now: Instant) {
        let person = self.people.get_mut(name).unwrap();
        person.logged_in = false;
        match person.busy {
            Busy::WrapsUp(..) => (person.busy, person.idle_since) = (Busy::Free, now),
            Busy::Rung(call) if !person.withdrawn && self.callers[&call].rings_in_turn(name) => {
                person.withdrawn = true;
                self.to_withdraw.insert(name.clone());
            }
            Busy::Rung(_) | Busy::Free | Busy::Talks(..) => {}
        }
    }

    pub(super) fn resume(&mut self, name: &OperatorId, now: Instant) {
        let person = self.people.get_mut(name).unwrap();
        (person.paused, person.rests, person.unanswered) = (false, None, 0);
        if let Busy::WrapsUp(..) = person.busy {
            (person.busy, person.idle_since) = (Busy::Free, now);
        }
    }

    pub(super) fn arrive(&mut self, call: CallId, priority: u8, home: usize, now: Instant) {
        let Desk { overflow, escalation, .. } = &self.desks[home];
        let waiting = self
            .callers
            .values()
            .filter(|caller| caller.home == home && matches!(caller.fate, Fate::Waits | Fate::Held(_)));
        let full = overflow.length.is_some_and(|length| waiting.count() >= length);
        let after = if full { Some(Duration::ZERO) } else { overflow.after };
        let named = |desks: &[DeskNo]| match desks {
            [] => vec![self.all_operators],
            desks => desks.iter().map(|desk| usize::from(desk.0)).collect(),
        };
        let mut steps: Vec<_> = escalation.iter().map(|step| (now + step.after, named(&step.to))).collect();
        steps.extend(after.map(|after| (now + after, named(&overflow.to))));
        let place = (priority, self.arrivals);
        self.callers
            .insert(call, Caller { place, home, steps, number_was_last: false, arrived: now, fate: Fate::Waits });
        self.arrivals += 1;
    }

    /// Sets the operating mode: wrap-ups end sooner in a major incident, and ringing stops in an evacuation.
    pub(super) fn set_mode(&mut self, mode: OperatingMode, now: Instant) {
        if std::mem::replace(&mut self.mode, mode) == mode {
            return;
        }
        for (name, person) in &mut self.people {
            match (mode, &mut person.busy) {
                (OperatingMode::MajorIncident, Busy::WrapsUp(_, until)) => {
                    *until = (*until).min(now + self.settings.incident_wrap_up);
                }
                (OperatingMode::Fallback, Busy::Rung(call)) => {
                    if self.callers[call].rings_in_turn(name) && !person.withdrawn {
                        person.withdrawn = true;
                        self.to_withdraw.insert(name.clone());
                    }
                }
                (_, _) => {}
            }
        }
    }

    fn free(&mut self, name: &OperatorId) {
        let person = self.people.get_mut(name).unwrap();
        (person.busy, person.withdrawn) = (Busy::Free, false);
        self.to_withdraw.remove(name);
    }

    pub(super) fn leave(&mut self, call: CallId, now: Instant) {
        match self.callers.remove(&call).map(|caller| caller.fate) {
            Some(Fate::Talks(name)) => self.wrap_up(&name, call, now),
            Some(fate) => fate.rung().iter().for_each(|name| self.free(name)),
            None => {}
        }
    }

    pub(super) fn fail(&mut self, call: CallId, name: &OperatorId, blameless: bool, now: Instant) {
        match &mut self.callers.get_mut(&call).unwrap().fate {
            Fate::FallsBack(names, in_turn, _) => {
                names.remove(name);
                in_turn.remove(name);
            }
            Fate::Rings(names, _) if names.len() > 1 => {
                names.remove(name);
            }
            fate => *fate = Fate::Waits,
        }
        self.free(name);
        let others = self.people.values().filter(|person| Self::staffed(person) && !person.paused).count() > 1;
        let person = self.people.get_mut(name).unwrap();
        person.idle_since = now;
        person.unanswered += u32::from(!blameless);
        person.blameless = if blameless { person.blameless + 1 } else { 3 };
        if person.blameless >= 3 {
            (person.blameless, person.rests) = (0, Some(now + self.settings.rest));
        }
        let most = self.settings.unanswered_max;
        if most > 0 && person.unanswered >= most && others && Self::staffed(person) && !person.paused {
            person.paused = true;
            self.breaks += 1;
        }
    }

    pub(super) fn answer(&mut self, call: CallId, name: &OperatorId, now: Instant) {
        let before = std::mem::replace(&mut self.callers.get_mut(&call).unwrap().fate, Fate::Talks(name.clone()));
        before.rung().iter().for_each(|name| self.free(name));
        self.free(name);
        let person = self.people.get_mut(name).unwrap();
        (person.busy, person.rests, person.blameless, person.unanswered) = (Busy::Talks(call, now), None, 0, 0);
        person.calls += 1;
    }

    pub(super) fn fallback_fails(&mut self, call: CallId, now: Instant) {
        let phones_ring = self.callers.iter().any(|(other, one)| *other != call && rings_phones(one));
        let own_phones = rings_phones(&self.callers[&call]);
        let nobody = !self.people.values().any(Self::staffed);
        let phones_next = nobody && self.callers[&call].number_was_last && !phones_ring && !own_phones;
        let retry = match self.mode {
            OperatingMode::Fallback if phones_next => Fate::Waits,
            _ => Fate::Held(now + self.settings.fallback_retry),
        };
        let before = std::mem::replace(&mut self.callers.get_mut(&call).unwrap().fate, retry);
        if let Fate::FallsBack(names, in_turn, more_from) = before {
            names.iter().for_each(|name| self.free(name));
            if !in_turn.is_empty() {
                self.callers.get_mut(&call).unwrap().fate = Fate::Rings(in_turn, more_from);
            }
        }
    }

    fn wrap_up(&mut self, name: &OperatorId, call: CallId, now: Instant) {
        let mut wrap_up = self.settings.wrap_up;
        if self.mode == OperatingMode::MajorIncident {
            wrap_up = wrap_up.min(self.settings.incident_wrap_up);
        }
        let person = self.people.get_mut(name).unwrap();
        if let Busy::Talks(_, since) = person.busy {
            person.talk += now.since(since);
        }
        person.busy = Busy::WrapsUp(call, now + wrap_up);
        if wrap_up.is_zero() {
            (person.busy, person.idle_since) = (Busy::Free, now);
        }
    }

    pub(super) fn finish(&mut self, call: CallId, name: &OperatorId, now: Instant) {
        self.callers.remove(&call);
        self.wrap_up(name, call, now);
    }

    pub(super) fn lose(&mut self, call: CallId, name: &OperatorId, now: Instant) {
        self.callers.get_mut(&call).unwrap().fate = Fate::Waits;
        self.people.get_mut(name).unwrap().rests = Some(now + self.settings.rest);
        self.wrap_up(name, call, now);
    }

    /// What is to be done next; `carry_out` does it.
    pub(super) fn next(&self, now: Instant) -> Option<Step> {
        for name in &self.to_withdraw {
            if let Busy::Rung(call) = self.people[name].busy {
                return Some(Step::Withdraw(call, name.clone()));
            }
        }
        let mut order: Vec<_> = self.callers.iter().collect();
        order.sort_by_key(|(_, caller)| caller.place);
        for (call, caller) in &order {
            if self.is_open(caller) {
                let who = self.who_for(caller, now);
                if !who.is_empty() {
                    return Some(Step::Offer(**call, who));
                }
            }
        }
        // No waiting call can be served: free operators join ringing calls, in the same order.
        for (call, caller) in &order {
            let (names, more_from) = match &caller.fate {
                Fate::Rings(names, more_from) => (names, more_from),
                Fate::FallsBack(_, names, more_from) if self.mode != OperatingMode::Fallback => (names, more_from),
                _ => continue,
            };
            if !names.is_empty()
                && (more_from.is_some_and(|from| from <= now) || self.mode == OperatingMode::MajorIncident)
                && names.len() < RING_MAX
            {
                let who = self.who_for(caller, now);
                if !who.is_empty() {
                    return Some(Step::Offer(**call, who));
                }
            }
        }
        if let Some((call, who)) = self.recall(&order, now) {
            return Some(Step::Recall(call, who));
        }
        let staffed = self.people.values().any(Self::staffed);
        let enters = |caller: &Caller| {
            let stranded = || {
                self.none_ready_for(caller, now)
                    && !self.desks_of(caller, now).into_iter().any(|desk| self.is_busy(desk))
            };
            caller.fate == Fate::Waits && (!staffed || self.mode == OperatingMode::Fallback || stranded())
        };
        let (call, caller) = order.iter().find(|(_, caller)| enters(caller))?;
        if self.mode == OperatingMode::Fallback && (staffed || !caller.number_was_last) {
            return Some(Step::Fallback(**call, Vec::new()));
        }
        let mut who: Vec<_> = self.people.iter().filter(|(_, one)| one.registered && one.busy == Busy::Free).collect();
        who.sort_by_key(|(name, one)| (!one.reachable, one.idle_since, (*name).clone()));
        let none_rings = !self.callers.values().any(rings_phones);
        Some(Step::Fallback(**call, who.into_iter().filter(|_| none_rings).map(|(name, _)| name.clone()).collect()))
    }

    /// The desks whose operators may get a call, its own first; all operators in place of a desk without operators.
    fn desks_of(&self, caller: &Caller, now: Instant) -> Vec<usize> {
        let due = caller.steps.iter().filter(|(at, _)| *at <= now);
        let mut more: BTreeSet<usize> = due.flat_map(|(_, to)| to).copied().collect();
        more.extend((self.mode == OperatingMode::MajorIncident).then_some(self.all_operators));
        let staffed =
            |desk: usize| self.people.iter().any(|(name, one)| self.level(desk, name).is_some() && Self::staffed(one));
        let answers = |desk: usize| if staffed(desk) { desk } else { self.all_operators };
        [caller.home].into_iter().chain(more).map(answers).collect()
    }

    fn who_for(&self, caller: &Caller, now: Instant) -> Vec<OperatorId> {
        self.who_of(caller, now, Self::ready)
    }

    fn who_of(&self, caller: &Caller, now: Instant, wanted: impl Fn(&Person) -> bool) -> Vec<OperatorId> {
        for desk in self.desks_of(caller, now) {
            let there = |desk: usize| {
                self.people.iter().filter(move |(name, one)| self.level(desk, name).is_some() && Self::staffed(one))
            };
            let ready: Vec<_> = there(desk).filter(|(_, person)| wanted(person)).collect();
            let Some(level) = ready.iter().filter_map(|(name, _)| self.level(desk, name)).min() else { continue };
            let alike = ready.into_iter().filter(|(name, _)| self.level(desk, name) == Some(level));
            return self.choose(self.desks[desk].strategy, alike.collect());
        }
        Vec::new()
    }

    fn choose(&self, strategy: Strategy, alike: Vec<(&OperatorId, &Person)>) -> Vec<OperatorId> {
        let first = match strategy {
            Strategy::LongestIdle | Strategy::RingAll | Strategy::RingProgressively => {
                alike.iter().min_by_key(|(name, one)| (one.idle_since, (*name).clone()))
            }
            Strategy::RoundRobin => alike.iter().min_by_key(|(name, one)| (one.last_offer, (*name).clone())),
            Strategy::FewestCalls => {
                alike.iter().min_by_key(|(name, one)| (one.calls, one.idle_since, (*name).clone()))
            }
            Strategy::LeastTalkTime => {
                alike.iter().min_by_key(|(name, one)| (one.talk, one.idle_since, (*name).clone()))
            }
            Strategy::Linear => alike.iter().min_by_key(|(name, _)| (*name).clone()),
            Strategy::Random => return alike.iter().map(|(name, _)| (*name).clone()).collect(),
        };
        first.map(|(name, _)| (*name).clone()).into_iter().collect()
    }

    /// Does a step; `chosen` is the one of those who may be offered the call.
    pub(super) fn carry_out(&mut self, step: &Step, chosen: Option<&OperatorId>, now: Instant) {
        match (step, chosen) {
            (Step::Withdraw(_, name), _) => {
                self.to_withdraw.remove(name);
            }
            (Step::Offer(call, _) | Step::Recall(call, _), Some(name)) => {
                let home = &self.desks[self.callers[call].home];
                let is_recall = matches!(step, Step::Recall(..));
                self.recalls += u64::from(is_recall);
                let more_from = match home.strategy {
                    _ if is_recall => Some(now),
                    Strategy::RingAll => Some(now),
                    Strategy::RingProgressively => Some(now + home.progress),
                    _ => None,
                };
                let caller = self.callers.get_mut(call).unwrap();
                match &mut caller.fate {
                    Fate::Rings(names, more) | Fate::FallsBack(_, names, more) => {
                        names.insert(name.clone());
                        *more = more_from;
                    }
                    fate => *fate = Fate::Rings(BTreeSet::from([name.clone()]), more_from),
                }
                self.reserve(*call, name);
            }
            (Step::Offer(..) | Step::Recall(..), None) => panic!("no operator was chosen"),
            (Step::Fallback(call, names), _) => {
                let staffed = self.people.values().any(Self::staffed);
                let caller = self.callers.get_mut(call).unwrap();
                let number = self.mode == OperatingMode::Fallback && (staffed || !caller.number_was_last);
                caller.number_was_last = number;
                self.callers.get_mut(call).unwrap().fate =
                    Fate::FallsBack(names.iter().cloned().collect(), BTreeSet::new(), None);
                names.iter().for_each(|name| self.reserve(*call, name));
            }
        }
    }

    fn reserve(&mut self, call: CallId, name: &OperatorId) {
        self.offers += 1;
        let person = self.people.get_mut(name).unwrap();
        person.recalled = !(Self::staffed(person) && !person.paused && person.busy == Busy::Free);
        (person.busy, person.last_offer) = (Busy::Rung(call), self.offers);
    }
}

fn rings_phones(caller: &Caller) -> bool {
    matches!(&caller.fate, Fate::FallsBack(names, ..) if !names.is_empty())
}
