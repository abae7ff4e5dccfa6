//! One random history, lived through by the distributor and the second scheduler at once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use siaga::acd::desk::{Desk, DeskNo, Escalation, Overflow, Strategy};
use siaga::acd::{Acd, Decision, OperatingMode, Settings, shift};
use siaga::clock::{Instant, Now, Timestamp};
use siaga::ids::{CallId, OperatorId, Rng};

use super::scheduler::{Busy, Fate, Scheduler, Step};

const EVENTS: u64 = 40;
const NAMES: [&str; 5] = ["adi", "budi", "citra", "dewi", "eko"];

/// What has happened, so that a test can see that enough did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outcome {
    pub(super) offers: u64,
    pub(super) answers: u64,
    pub(super) fallbacks: u64,
    pub(super) withdrawals: u64,
    /// Offers to an operator who is not of the call's desk.
    pub(super) strangers: u64,
    pub(super) breaks: u64,
    /// Offers of a call that already rings an operator, and answers that free another operator.
    pub(super) joins: u64,
    pub(super) races: u64,
    /// Offers in a major incident, and fallbacks in a staffed centre.
    pub(super) incidents: u64,
    pub(super) evacuations: u64,
    /// Ring attempts at operators on a break.
    pub(super) recalls: u64,
    /// Time that passed.
    pub(super) waited: Duration,
}

impl Outcome {
    pub(super) fn add(&mut self, other: Self) {
        self.offers += other.offers;
        self.answers += other.answers;
        self.fallbacks += other.fallbacks;
        self.withdrawals += other.withdrawals;
        self.strangers += other.strangers;
        self.breaks += other.breaks;
        self.joins += other.joins;
        self.races += other.races;
        self.incidents += other.incidents;
        self.evacuations += other.evacuations;
        self.recalls += other.recalls;
        self.waited += other.waited;
    }
}

struct Both {
    rng: Rng,
    now: Now,
    acd: Acd,
    right: Scheduler,
    names: Vec<OperatorId>,
    desks: usize,
    homes: BTreeMap<CallId, DeskNo>,
    settings: Settings,
    outcome: Outcome,
}

/// Runs one history; what differs is the fault.
pub(super) fn run(strategy: Strategy, seed: u64) -> Result<Outcome, String> {
    let mut both = Both::new(strategy, seed);
    for nth in 0..EVENTS {
        let event = both.event();
        both.acd.expire(both.now);
        both.right.pass(both.now.mono);
        both.settle().map_err(|fault| format!("after event {nth} ({event}): {fault}"))?;
    }
    both.outcome.breaks = both.right.breaks;
    both.outcome.recalls = both.right.recalls;
    Ok(both.outcome)
}

impl Both {
    fn new(strategy: Strategy, seed: u64) -> Self {
        let mut rng = Rng::from_number(seed);
        let names: Vec<_> =
            NAMES.iter().take(2 + draw(&mut rng, 4)).map(|name| OperatorId::parse(name).unwrap()).collect();
        let desks = (0..1 + draw(&mut rng, 3)).map(|nth| desk(&mut rng, strategy, nth, &names)).collect::<Vec<_>>();
        let settings = Settings {
            wrap_up: Duration::from_secs(rng.below(2) * 7),
            incident_wrap_up: Duration::from_secs(rng.below(2) * 3),
            rest: Duration::from_secs(5),
            unanswered_max: u32::try_from(rng.below(3)).unwrap(),
            fallback_retry: Duration::from_secs(9),
            none_ready: Duration::from_secs(1 + rng.below(8)),
            login_on_register: true,
            plan: shift::Plan::default(),
            desks: desks.clone(),
        };
        let now = Now { mono: Instant::from_nanos(0), wall: Timestamp::from_millis(1_790_000_000_000) };
        let mut acd = Acd::new(now, settings.clone(), Rng::from_number(seed ^ 0x55));
        acd.set_operators(now, &names);
        let mut right = Scheduler::new(&settings, &names);
        // Most begin with a full house, some with an empty one.
        for name in names.iter().filter(|_| !seed.is_multiple_of(4)) {
            acd.set_registered(now, name, true);
            right.register(name, true);
        }
        let (homes, outcome) = (BTreeMap::new(), Outcome::default());
        Self { rng, now, acd, right, names, desks: desks.len(), homes, settings, outcome }
    }

    fn pick(&mut self) -> OperatorId {
        let nth = draw(&mut self.rng, self.names.len());
        self.names[nth].clone()
    }

    /// An operator with a call, and that call.
    fn pick_busy(&mut self, wanted: impl Fn(&Busy) -> Option<CallId>) -> Option<(CallId, OperatorId)> {
        let people = self.right.people.iter();
        let busy: Vec<_> = people.filter_map(|(name, one)| Some((wanted(&one.busy)?, name.clone()))).collect();
        let nth = draw(&mut self.rng, busy.len().max(1));
        busy.get(nth).cloned()
    }

    fn pick_call(&mut self) -> Option<CallId> {
        let nth = draw(&mut self.rng, self.right.callers.len().max(1));
        self.right.callers.keys().nth(nth).copied()
    }

    fn event(&mut self) -> String {
        let (now, at) = (self.now, self.now.mono);
        match self.rng.below(21) {
            0..=3 => {
                let call = CallId::new(now.wall, &mut self.rng);
                let (priority, home) = (u8::try_from(self.rng.below(2)).unwrap(), draw(&mut self.rng, self.desks));
                let desk = DeskNo(u8::try_from(home).unwrap());
                self.homes.insert(call, desk);
                self.acd.enqueue(now, call, priority, desk);
                self.right.arrive(call, priority, home, at);
                format!("{call} calls desk {home} with priority {priority}")
            }
            4..=6 => {
                let millis = 1 + self.rng.below(6_000);
                self.now = now.after(Duration::from_millis(millis));
                self.outcome.waited += Duration::from_millis(millis);
                format!("{millis} ms pass")
            }
            7 => {
                let (name, registered) = (self.pick(), self.rng.below(4) > 0);
                self.acd.set_registered(now, &name, registered);
                self.right.register(&name, registered);
                format!("{name} registered: {registered}")
            }
            8 => {
                let (name, reachable) = (self.pick(), self.rng.below(4) > 0);
                self.acd.set_reachable(now, &name, reachable);
                self.right.people.get_mut(&name).unwrap().reachable = reachable;
                format!("{name} reachable: {reachable}")
            }
            9 => {
                let name = self.pick();
                self.acd.log_out(now, &name).unwrap();
                self.right.log_out(&name, at);
                format!("{name} logs out")
            }
            10 => {
                let name = self.pick();
                self.acd.log_in(now, &name).unwrap();
                self.right.log_in(&name);
                format!("{name} logs in")
            }
            11 => {
                let name = self.pick();
                self.acd.pause(now, &name, "meal").unwrap();
                self.right.people.get_mut(&name).unwrap().paused = true;
                format!("{name} pauses")
            }
            12 => {
                let name = self.pick();
                self.acd.resume(now, &name).unwrap();
                self.right.resume(&name, at);
                format!("{name} resumes")
            }
            13..=18 => self.event_of_call(),
            19 => {
                // Most of the time it is as ever.
                let mode = [OperatingMode::Normal, OperatingMode::ALL[draw(&mut self.rng, 4)]][draw(&mut self.rng, 2)];
                self.acd.set_mode(now, mode);
                self.right.set_mode(mode, at);
                format!("the mode is {}", mode.word())
            }
            _ => {
                let Some(call) = self.pick_call() else { return "nothing".to_owned() };
                self.acd.leave(now, call);
                self.right.leave(call, at);
                format!("{call} hangs up")
            }
        }
    }

    /// Something happens to a call that rings or talks.
    fn event_of_call(&mut self) -> String {
        let (now, at) = (self.now, self.now.mono);
        let rung = |busy: &Busy| if let Busy::Rung(call) = busy { Some(*call) } else { None };
        let talks = |busy: &Busy| if let Busy::Talks(call, _) = busy { Some(*call) } else { None };
        let what = self.rng.below(6);
        let one = if what < 4 { self.pick_busy(rung) } else { self.pick_busy(talks) };
        let Some((call, name)) = one else { return "nothing".to_owned() };
        match what {
            0 | 1 => {
                self.outcome.races += u64::from(self.acd.rung_for(call).count() > 1);
                self.acd.answered(now, call, &name);
                self.right.answer(call, &name, at);
                self.outcome.answers += 1;
                format!("{name} answers {call}")
            }
            2 => {
                let blameless = self.rng.below(2) == 0;
                self.acd.offer_failed(now, call, &name, blameless);
                self.right.fail(call, &name, blameless, at);
                format!("{name} does not answer {call}, blameless: {blameless}")
            }
            3 => {
                if !matches!(self.right.callers[&call].fate, Fate::FallsBack(..)) {
                    return "nothing".to_owned();
                }
                self.acd.fallback_failed(now, call);
                self.right.fallback_fails(call, at);
                format!("the fallback of {call} fails")
            }
            4 => {
                self.acd.finished(now, call, &name);
                self.right.finish(call, &name, at);
                format!("{name} and {call} have talked")
            }
            _ => {
                self.acd.operator_lost(now, call, &name);
                self.right.lose(call, &name, at);
                format!("{name} is lost to {call}")
            }
        }
    }

    /// Both decide until nothing is left, and agree.
    fn settle(&mut self) -> Result<(), String> {
        loop {
            self.right.look(self.now.mono);
            let (decision, step) = (self.acd.decide(self.now), self.right.next(self.now.mono));
            self.acd.verify(decision.is_none())?;
            let Some(decision) = decision else {
                self.compare_rings()?;
                return step.map_or(Ok(()), |step| Err(format!("{step:?} was not decided")));
            };
            let mut chosen = None;
            let agreed = match (&decision, &step) {
                (Decision::Withdraw { call, operator }, Some(Step::Withdraw(right, name))) => {
                    self.outcome.withdrawals += 1;
                    call == right && operator == name
                }
                (
                    Decision::Offer { call, operator, .. },
                    Some(Step::Offer(right, names) | Step::Recall(right, names)),
                ) => {
                    self.outcome.offers += 1;
                    self.outcome.joins += u64::from(matches!(self.right.callers[call].fate, Fate::Rings(..)));
                    let home = self.homes.get(call).copied().unwrap_or_default();
                    let members = &self.settings.desks[usize::from(home.0)].members;
                    let stranger = members.as_ref().is_some_and(|members| !members.contains_key(operator));
                    self.outcome.strangers += u64::from(stranger);
                    self.outcome.incidents += u64::from(self.right.mode == OperatingMode::MajorIncident);
                    chosen = Some(operator.clone());
                    call == right && names.contains(operator)
                }
                (Decision::Fallback { call, operators }, Some(Step::Fallback(right, names))) => {
                    self.outcome.fallbacks += 1;
                    self.outcome.evacuations += u64::from(self.acd.staffed() > 0);
                    call == right && operators == names
                }
                (_, _) => false,
            };
            match step {
                Some(step) if agreed => self.right.carry_out(&step, chosen.as_ref(), self.now.mono),
                step => return Err(format!("{decision:?} was decided, right is {step:?}")),
            }
        }
    }
}

impl Both {
    /// The same phones ring for the same calls.
    fn compare_rings(&self) -> Result<(), String> {
        for (call, caller) in &self.right.callers {
            let right = caller.fate.rung();
            let rung: BTreeSet<_> = self.acd.rung_for(*call).cloned().collect();
            if rung != right {
                return Err(format!("{rung:?} ring for {call}, right are {right:?}"));
            }
        }
        Ok(())
    }
}

/// Of all, so that desks of different kinds stand beside each other.
const ANY: [Strategy; 8] = [
    Strategy::LongestIdle,
    Strategy::RoundRobin,
    Strategy::FewestCalls,
    Strategy::LeastTalkTime,
    Strategy::Linear,
    Strategy::Random,
    Strategy::RingAll,
    Strategy::RingProgressively,
];

fn desk(rng: &mut Rng, strategy: Strategy, nth: usize, names: &[OperatorId]) -> Desk {
    let mut members = BTreeMap::new();
    for name in names {
        if rng.below(2) == 0 {
            members.insert(name.clone(), u8::try_from(rng.below(2)).unwrap());
        }
    }
    let all = rng.below(3) == 0;
    let strategy = if nth > 0 && rng.below(3) == 0 { ANY[draw(rng, ANY.len())] } else { strategy };
    let step = |rng: &mut Rng| Escalation {
        after: Duration::from_secs(1 + rng.below(15)),
        to: if nth > 0 && rng.below(2) == 0 { vec![DeskNo(0)] } else { Vec::new() },
    };
    Desk {
        escalation: (0..rng.below(3)).map(|_| step(rng)).collect(),
        progress: Duration::from_secs(1 + rng.below(5)),
        name: format!("desk-{nth}"),
        strategy,
        members: (!all).then_some(members),
        overflow: Overflow {
            after: (rng.below(2) == 0).then(|| Duration::from_secs(1 + rng.below(9))),
            length: (rng.below(3) == 0).then(|| 1 + draw(rng, 2)),
            to: if nth > 0 && rng.below(2) == 0 { vec![DeskNo(0)] } else { Vec::new() },
        },
    }
}

fn draw(rng: &mut Rng, bound: usize) -> usize {
    usize::try_from(rng.below(u64::try_from(bound).unwrap())).unwrap()
}
