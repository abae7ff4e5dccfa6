//! Automatic call distribution: who waits, who is free, who gets whom. Pure; knows no SIP.
//!
//! Calls stand in one order, (priority, arrival), whatever desk they are for, and keep their place until they are over.
//! The desk's strategy says which of its operators is first: by default the longest without a call, and a failed offer puts
//! him behind the others. Every decision costs O(log n) for each desk: `queue` and `floor` keep their indexes themselves.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::clock::{Instant, Now, Timestamp, earliest};
use crate::ids::{CallId, OperatorId, Rng};
use crate::limits;

mod calendar;
pub mod desk;
mod engage;
mod floor;
mod guest;
mod keys;
mod none_ready;
mod offers;
mod operator;
mod pairs;
mod posture;
mod queue;
pub mod roster;
mod routing;
pub mod section;
mod sets;
pub mod shift;
#[cfg(test)]
mod tests;
mod unheard;
mod verify;
mod view;
mod why;

use desk::{Desk, DeskNo, DeskSet};
pub use engage::Standing;
use floor::Floor;
use operator::{Operator, Work};
pub use pairs::{Family, FreePairs};
pub use posture::Posture;
pub use queue::Place;
use queue::{Queue, Status, Widening};
pub use view::{Change, Outlook, State, View};

/// Shortest rest and retry, whatever is configured: a phone that refuses at once must not spin the loop.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// Longest wrap-up from the moment at which it is prolonged.
const WRAP_UP_MAX: Duration = Duration::from_secs(3600);
/// What a call takes of its operator's time, before any has been heard out.
const HANDLING_FIRST: Duration = Duration::from_secs(180);
/// Why somebody is on a break who did not answer.
const UNANSWERED: &str = "unanswered";

/// What the ACD is told by config.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Time after a call in which its operator gets no other.
    pub wrap_up: Duration,
    /// In a major incident no longer than this.
    pub incident_wrap_up: Duration,
    /// Rest of an operator after an offer that he did not take.
    pub rest: Duration,
    /// So many offers in a row unanswered or refused send an operator on a break, unless nobody else would be left at work;
    /// 0: never.
    pub unanswered_max: u32,
    /// After all of the fallback failed, a call waits so long before it is tried again.
    pub fallback_retry: Duration,
    /// While no operator is ready or rung, a call that has waited this long rings operators on a break, then enters the fallback.
    pub none_ready: Duration,
    /// True: a registered operator is logged in. False: he logs in by himself.
    pub login_on_register: bool,
    /// Who is on shift when.
    pub plan: shift::Plan,
    /// The first is the queue of calls that no other is meant for. None: that one, with everybody.
    pub desks: Vec<Desk>,
}

/// What the ACD wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Ring this operator for this call, beside those who ring for it already; both are reserved for each other. `why` goes into
    /// the fact.
    Offer { call: CallId, operator: OperatorId, why: String },
    /// Nobody is staffed (on shift, logged in, registered and reachable), or the posture puts the fallback before those who are: ring
    /// all these (registered, free; may be none; all reserved for this call), then the fallback number. Ends with `answered`, `fallback_failed` or `leave`. Only one
    /// call at a time gets the operators: the others come with none, so they go to the number at once.
    Fallback { call: CallId, operators: Vec<OperatorId> },
    /// The operator logged out or was removed while an offer rings: cancel it and report `offer_failed`. Given once per
    /// reservation; the reservation stays until then, and an answer that crosses it still counts.
    Withdraw { call: CallId, operator: OperatorId },
}

/// Where a call waits when it enters the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    pub priority: u8,
    /// Its number in the order of arrival, if it was in the queue before (`place_of`). None: it is the last of its priority.
    pub arrival: Option<u64>,
    pub desk: DeskNo,
}

/// An operator that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such operator")]
pub struct UnknownOperator;

/// The distributor.
#[derive(Debug)]
pub struct Acd {
    settings: Settings,
    queue: Queue,
    floor: Floor,
    /// Operators whose withdrawal is still to be told.
    withdrawals: BTreeSet<OperatorId>,
    /// Operators for whose phones no port pair was free, by the family of the pair.
    without_pair: [BTreeSet<OperatorId>; 2],
    /// The desk at which everybody is.
    everybody: DeskNo,
    posture: Posture,
    offers: u64,
    /// What a call takes of its operator's time: talk and wrap-up, the last ones counting most.
    handling: Duration,
    rng: Rng,
    /// The calendar as last seen.
    wall: Timestamp,
    calendar_at: Option<Instant>,
    /// Since when no operator of each desk has been ready or rung; None: one is.
    none_ready_since: Vec<Option<Instant>>,
    /// The time of the last step.
    looked_at: Instant,
}

impl Acd {
    /// Starts with no operators and no calls. `rng` serves desks that choose at random.
    pub fn new(now: Now, settings: Settings, rng: Rng) -> Self {
        let mut acd = Self {
            settings,
            queue: Queue::default(),
            floor: Floor::default(),
            withdrawals: BTreeSet::new(),
            without_pair: Default::default(),
            everybody: DeskNo(0),
            posture: Posture::Normal,
            offers: 0,
            handling: HANDLING_FIRST,
            rng,
            wall: now.wall,
            calendar_at: None,
            none_ready_since: Vec::new(),
            looked_at: now.mono,
        };
        acd.set_desks(&[]);
        acd.run_calendar(now);
        acd
    }

    /// Takes new settings; calls and states stay, and wrap-ups and rests that run end as they would have.
    pub fn configure(&mut self, now: Now, settings: Settings) {
        let logs_in = settings.login_on_register && !self.settings.login_on_register;
        let former = std::mem::replace(&mut self.settings, settings).desks;
        if former != self.settings.desks {
            self.set_desks(&former);
        }
        for operator in self.floor.names() {
            if logs_in && self.floor.get(&operator).is_some_and(|facts| facts.registered) {
                self.set_logged_in(&operator);
            }
        }
        self.look_at_all_shifts(now);
        self.run_calendar(now);
    }

    /// Sets who exists (at most `limits::OPERATORS_MAX`). Someone who is gone from the list leaves when his call is over.
    pub fn set_operators(&mut self, now: Now, operators: &[OperatorId]) {
        let wanted: BTreeSet<&OperatorId> = operators.iter().take(limits::OPERATORS_MAX).collect();
        for operator in self.floor.names() {
            if !wanted.contains(&operator) {
                self.withdraw(&operator);
                self.may_have_pair(&operator);
                self.floor.change(&operator, |facts| {
                    facts.exists = false;
                    facts.end_wrap_up(now.mono)
                });
            }
        }
        for operator in wanted {
            let known = self.floor.change(operator, |facts| {
                facts.exists = true;
                None
            });
            if !known {
                self.floor.add(operator, Operator::new(now.mono));
                self.look_at_shift(operator, now.wall);
            }
        }
        self.run_calendar(now);
    }

    /// Sets which of those who exist are phones of the room: they ring in the fallback, and are never at work themselves.
    pub fn set_stations(&mut self, stations: &BTreeSet<OperatorId>) {
        for operator in self.floor.names() {
            self.floor.change(&operator, |facts| {
                facts.station = stations.contains(&operator);
                facts.logged_in &= !facts.station;
                None
            });
        }
    }

    /// The operator has, or has no more, a SIP binding.
    pub fn set_registered(&mut self, _now: Now, operator: &OperatorId, registered: bool) {
        let changes = self.floor.get(operator).is_some_and(|facts| facts.registered != registered);
        let logs_in = self.settings.login_on_register && changes;
        self.floor.change(operator, |facts| {
            facts.logged_in = facts.logged_in && !logs_in;
            facts.registered = registered;
            None
        });
        if logs_in && registered {
            self.set_logged_in(operator);
        }
    }

    /// The operator's phone answers, or no longer answers, keep-alives.
    pub fn set_reachable(&mut self, _now: Now, operator: &OperatorId, reachable: bool) {
        self.floor.change(operator, |facts| {
            facts.reachable = reachable;
            None
        });
    }

    /// Logs an operator in. Idempotent.
    pub fn log_in(&mut self, _now: Now, operator: &OperatorId) -> Result<(), UnknownOperator> {
        self.known(operator)?;
        self.set_logged_in(operator);
        Ok(())
    }

    /// Logs an operator out; with `login_on_register` he stays out until he logs in or registers anew after an unregister.
    /// A call goes on and gets its wrap-up; an offer is withdrawn, but not one of a fallback, which rings those who are
    /// logged out as well; a wrap-up ends.
    pub fn log_out(&mut self, now: Now, operator: &OperatorId) -> Result<(), UnknownOperator> {
        let call = self.known(operator)?.call();
        if call.is_some_and(|call| self.queue.is_in_turn(call, operator)) {
            self.withdraw(operator);
        }
        self.floor.change(operator, |facts| {
            facts.logged_in = false;
            facts.end_wrap_up(now.mono)
        });
        Ok(())
    }

    /// Starts a break: now, or after the call and its wrap-up, or after an offer that rings.
    pub fn pause(&mut self, _now: Now, operator: &OperatorId, reason: &str) -> Result<(), UnknownOperator> {
        self.known(operator)?;
        self.floor.change(operator, |facts| {
            facts.paused = Some(reason.to_owned());
            None
        });
        Ok(())
    }

    /// Ends a break; ends wrap-up and rest too.
    pub fn resume(&mut self, now: Now, operator: &OperatorId) -> Result<(), UnknownOperator> {
        self.known(operator)?;
        self.floor.change(operator, |facts| {
            facts.paused = None;
            facts.rest_until = None;
            facts.forgive();
            facts.end_wrap_up(now.mono)
        });
        Ok(())
    }

    /// Prolongs an operator's wrap-up, to at most `WRAP_UP_MAX` from now. False: he has none.
    pub fn extend_wrap_up(&mut self, now: Now, operator: &OperatorId, by: Duration) -> Result<bool, UnknownOperator> {
        self.known(operator)?;
        let mut has_one = false;
        self.floor.change(operator, |facts| {
            has_one = facts.extend_wrap_up(by, now.mono + WRAP_UP_MAX);
            None
        });
        Ok(has_one)
    }

    /// Takes the operators whose log-in or break has changed since the last time.
    pub fn take_presence_changes(&mut self) -> BTreeSet<OperatorId> {
        self.floor.take_presence_changes()
    }

    /// Serves a call with another priority from now on.
    pub fn set_priority(&mut self, call: CallId, priority: u8) {
        self.queue.set_priority(call, priority);
    }

    /// A caller comes in (the switchboard lets at most `limits::CALLS_MAX` in). Lower `priority` numbers go first, then
    /// arrival, whatever the desks. A desk that is not known is the first. Idempotent.
    pub fn enqueue(&mut self, now: Now, call: CallId, priority: u8, desk: DeskNo) {
        self.enter(now, call, Entry { priority, arrival: None, desk });
    }

    /// The same for a caller who may have waited before, and whose call an outside number has had since.
    pub fn enter(&mut self, now: Now, call: CallId, entry: Entry) {
        let (home, widens) = self.enters(now, entry.desk);
        let overdue_at = Some(now.mono + self.settings.none_ready);
        match entry.arrival {
            Some(arrival) => self.queue.add_at(call, ((entry.priority, arrival), home), widens, overdue_at),
            None => self.queue.add(call, (entry.priority, home), widens, overdue_at),
        }
    }

    /// The place of a call that is known here.
    pub fn place_of(&self, call: CallId) -> Option<Place> {
        self.queue.place(call)
    }

    /// Where a call of that desk waits, and when it goes to which desks besides.
    fn enters(&self, now: Now, desk: DeskNo) -> (DeskNo, Vec<Widening>) {
        let home = if self.settings.desks.len() > usize::from(desk.0) { desk } else { DeskNo(0) };
        let widens = self.floor.desk(home).map(|desk| {
            let many = desk.overflow.length.is_some_and(|length| self.queue.waiting_at(home) >= length);
            let after = if many { Some(Duration::ZERO) } else { desk.overflow.after };
            let steps = desk.escalation.iter().map(|step| (step.after, step.to.as_slice()));
            let steps = after.map(|after| (after, desk.overflow.to.as_slice())).into_iter().chain(steps);
            steps.map(|(after, to)| (now.mono + after, self.set_of(to))).collect()
        });
        (home, widens.unwrap_or_default())
    }

    /// The caller is gone, or is handled elsewhere: frees his place and every reservation for him. Someone who still
    /// talks with him begins his wrap-up.
    pub fn leave(&mut self, now: Now, call: CallId) {
        match self.queue.remove(call) {
            Some(Status::Offered { to: operators, .. } | Status::Fallback { to: operators, .. }) => {
                operators.iter().for_each(|operator| self.release(operator));
            }
            Some(Status::Talking(operator)) => self.hang_up(now, call, &operator),
            Some(Status::Moving(engaged)) => {
                engaged.iter().for_each(|operator| self.dismiss(now, call, operator, true))
            }
            Some(Status::Direct { by, engaged }) => {
                engaged.iter().for_each(|operator| self.dismiss(now, call, operator, *operator == by));
            }
            Some(Status::Waiting | Status::Held { .. }) | None => {}
        }
    }

    /// Runs what time brings: end of wrap-up and rest, shift changes, fallback retries.
    pub fn expire(&mut self, now: Now) {
        self.floor.expire(now.mono);
        self.queue.expire(now.mono);
        self.looked_at = now.mono;
        self.run_calendar(now);
    }

    /// When `expire` wants to run next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let own = earliest(self.calendar_at, self.next_none_ready());
        earliest(earliest(self.floor.next_deadline(), self.queue.next_deadline()), own)
    }

    /// The desks to which calls go besides; none named: to everybody.
    fn set_of(&self, desks: &[DeskNo]) -> DeskSet {
        match desks {
            [] => DeskSet::of(self.everybody),
            desks => desks.iter().fold(DeskSet::default(), |all, desk| all.and(DeskSet::of(*desk))),
        }
    }

    fn known(&self, operator: &OperatorId) -> Result<&Operator, UnknownOperator> {
        self.floor.get(operator).filter(|facts| facts.exists && !facts.station).ok_or(UnknownOperator)
    }

    /// Asks for an offer to be cancelled, once per reservation.
    fn withdraw(&mut self, operator: &OperatorId) {
        let mut asks = false;
        self.floor.change(operator, |facts| {
            if let Work::Offered { withdrawn, .. } = &mut facts.work {
                asks = !*withdrawn;
                *withdrawn = true;
            }
            None
        });
        if asks {
            self.withdrawals.insert(operator.clone());
        }
    }

    fn set_logged_in(&mut self, operator: &OperatorId) {
        if self.floor.get(operator).is_none_or(|facts| facts.logged_in || facts.station) {
            return;
        }
        let (calls, talk) = self.floor.least_work();
        self.floor.change(operator, |facts| {
            facts.logged_in = true;
            facts.begin_work(calls, talk);
            None
        });
    }
}
