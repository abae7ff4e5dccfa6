//! Automatic call distribution: decides which operator is rung for which waiting call. It performs no I/O and does not depend on SIP.
//!
//! Calls have one order, (priority, arrival), for all desks, and keep their place until they end. The desk's strategy
//! decides which of its operators is rung first: by default the one who has been without a call for longest; a failed
//! ring attempt moves an operator behind the others. Every decision takes O(log n) for each desk: `queue` and `floor`
//! maintain their indexes.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::clock::{Instant, Now, Timestamp, earliest};
use crate::ids::{CallId, OperatorId, Rng};
use crate::limits;

mod calendar;
pub mod desk;
mod desks;
mod engage;
mod floor;
mod keys;
mod mode_effects;
mod no_response;
mod none_ready;
mod offers;
mod operating_mode;
mod operator;
mod participant;
mod port_pairs;
mod port_shortage;
mod queue;
mod reason;
pub mod roster;
mod routing;
pub mod section;
mod sets;
pub mod shift;
#[cfg(test)]
mod tests;
mod verify;
mod view;
mod views;

use desk::{Desk, DeskNo, DeskSet};
pub use engage::Availability;
use floor::Floor;
pub use keys::QueuePlace;
use keys::{OverflowStep, Status};
pub use operating_mode::OperatingMode;
use operator::{Operator, Work};
pub use port_pairs::{Family, FreePairs};
use queue::Queue;
pub use view::{Change, Outlook, State, View};

/// Shortest rest and retry, whatever is configured. It prevents a busy loop with a phone that rejects at once.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// Longest wrap-up, counted from the moment of an extension.
const WRAP_UP_MAX: Duration = Duration::from_secs(3600);
/// Handling time of a call that is assumed before the first call has ended.
const HANDLING_FIRST: Duration = Duration::from_secs(180);
/// The break reason of an operator who did not answer.
const UNANSWERED: &str = "unanswered";

/// The settings of the ACD.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Time after a call in which its operator is rung for no other call.
    pub wrap_up: Duration,
    /// Upper limit of the wrap-up in a major incident.
    pub incident_wrap_up: Duration,
    /// Rest of an operator after an unanswered ring attempt.
    pub rest: Duration,
    /// Number of consecutive ring attempts, unanswered or rejected, after which an operator is set on a break, unless
    /// every other operator is on a break or not at work; 0: never.
    pub unanswered_max: u32,
    /// Time that a call waits after a failed fallback before the fallback starts again.
    pub fallback_retry: Duration,
    /// A call that has waited this long, while no operator of its desks was ready or rung, rings operators on a break,
    /// and then enters the fallback.
    pub none_ready: Duration,
    /// True: a registered operator is logged in. False: operators log in by feature code or console.
    pub login_on_register: bool,
    /// The shift plan.
    pub plan: shift::Plan,
    /// The desks; the first is the queue for calls that belong to no other desk. Empty: only this queue, with all
    /// operators.
    pub desks: Vec<Desk>,
}

/// An action that the ACD requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Ring this operator for this call, in addition to those who ring for it already; operator and call are reserved for each other.
    /// `why` is stored in the fact.
    Offer { call: CallId, operator: OperatorId, why: String },
    /// The centre is unstaffed (no operator is on shift, logged in, registered and reachable), or the operating mode puts the fallback
    /// first: ring all these operators (registered, free; may be empty; all reserved for this call), then the fallback number. Ends with
    /// `answered`, `fallback_failed` or `leave`. Only one call at a time gets the operators. Other calls get an empty list, so the number
    /// is called at once.
    Fallback { call: CallId, operators: Vec<OperatorId> },
    /// The operator logged out or was removed while a ring attempt is in progress: cancel it and report `offer_failed`. Emitted once per
    /// reservation; the reservation stays until then, and an answer that crosses the cancellation still counts.
    Withdraw { call: CallId, operator: OperatorId },
}

/// The place of a call that enters the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    pub priority: u8,
    /// Its number in the order of arrival if it was in the queue before (`place_of`). None: it is the last of its priority.
    pub arrival: Option<u64>,
    pub desk: DeskNo,
}

/// The operator is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such operator")]
pub struct UnknownOperator;

/// The ACD.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Acd {
    #[serde(skip)]
    settings: Settings,
    queue: Queue,
    floor: Floor,
    /// Operators whose withdrawal has not been emitted yet.
    withdrawals: BTreeSet<OperatorId>,
    /// Operators for whose phones no port pair was free, by the family of the pair.
    without_pair: [BTreeSet<OperatorId>; 2],
    /// The internal desk to which all operators belong.
    all_operators: DeskNo,
    mode: OperatingMode,
    offers: u64,
    /// Moving average of the operator's time per call: talk and wrap-up, with more weight on recent calls.
    handling: Duration,
    rng: Rng,
    /// The wall clock at the last step.
    wall: Timestamp,
    calendar_at: Option<Instant>,
    /// For each desk, the time since which no operator has been ready or rung; None: an operator is.
    none_ready_since: Vec<Option<Instant>>,
    /// The time of the last step.
    looked_at: Instant,
}

impl Acd {
    /// Starts with no operators and no calls. `rng` is for desks that choose at random.
    pub fn new(now: Now, settings: Settings, rng: Rng) -> Self {
        let mut acd = Self {
            settings,
            queue: Queue::default(),
            floor: Floor::default(),
            withdrawals: BTreeSet::new(),
            without_pair: Default::default(),
            all_operators: DeskNo(0),
            mode: OperatingMode::Normal,
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

    /// Adds the settings to a state that was read. They must be those with which it was written.
    pub fn use_settings(&mut self, settings: Settings) {
        self.settings = settings;
        self.complete_desks();
    }

    /// Applies new settings. Calls and states stay; current wrap-ups and rests end at their former time.
    pub fn configure(&mut self, now: Now, settings: Settings) {
        let logs_in = settings.login_on_register && !self.settings.login_on_register;
        let former = std::mem::replace(&mut self.settings, settings).desks;
        if former != self.settings.desks {
            self.set_desks(&former);
        }
        for operator in self.floor.names() {
            if logs_in && self.floor.get(&operator).is_some_and(|facts| facts.attendance.registered) {
                self.set_logged_in(&operator);
            }
        }
        self.look_at_all_shifts(now);
        self.run_calendar(now);
    }

    /// Sets the list of operators (at most `limits::OPERATORS_MAX`). An operator who is no longer listed is removed after their call.
    pub fn set_operators(&mut self, now: Now, operators: &[OperatorId]) {
        let wanted: BTreeSet<&OperatorId> = operators.iter().take(limits::OPERATORS_MAX).collect();
        for operator in self.floor.names() {
            if !wanted.contains(&operator) {
                self.withdraw(&operator);
                self.may_have_pair(&operator);
                self.floor.change(&operator, |facts| {
                    facts.attendance.exists = false;
                    facts.end_wrap_up(now.mono)
                });
            }
        }
        for operator in wanted {
            let known = self.floor.change(operator, |facts| {
                facts.attendance.exists = true;
                None
            });
            if !known {
                self.floor.add(operator, Operator::new(now.mono));
                self.look_at_shift(operator, now.wall);
            }
        }
        self.run_calendar(now);
    }

    /// Sets which of the operators are stations: they ring in the fallback, and are never at work themselves.
    pub fn set_stations(&mut self, stations: &BTreeSet<OperatorId>) {
        for operator in self.floor.names() {
            self.floor.change(&operator, |facts| {
                facts.attendance.station = stations.contains(&operator);
                facts.attendance.logged_in &= !facts.attendance.station;
                None
            });
        }
    }

    /// Sets whether the operator has a SIP binding.
    pub fn set_registered(&mut self, _now: Now, operator: &OperatorId, registered: bool) {
        let changes = self.floor.get(operator).is_some_and(|facts| facts.attendance.registered != registered);
        let logs_in = self.settings.login_on_register && changes;
        self.floor.change(operator, |facts| {
            facts.attendance.logged_in = facts.attendance.logged_in && !logs_in;
            facts.attendance.registered = registered;
            None
        });
        if logs_in && registered {
            self.set_logged_in(operator);
        }
    }

    /// Sets whether the operator's phone responds to keep-alives.
    pub fn set_reachable(&mut self, _now: Now, operator: &OperatorId, reachable: bool) {
        self.floor.change(operator, |facts| {
            facts.attendance.reachable = reachable;
            None
        });
    }

    /// Logs an operator in. Idempotent.
    pub fn log_in(&mut self, _now: Now, operator: &OperatorId) -> Result<(), UnknownOperator> {
        self.known(operator)?;
        self.set_logged_in(operator);
        Ok(())
    }

    /// Logs an operator out. With `login_on_register` the operator stays logged out until a log-in, or a new registration after an
    /// unregistration. A call continues and gets its wrap-up. A ring attempt is withdrawn, except one of a fallback, which also rings
    /// operators who are logged out. A wrap-up ends.
    pub fn log_out(&mut self, now: Now, operator: &OperatorId) -> Result<(), UnknownOperator> {
        let call = self.known(operator)?.call();
        if call.is_some_and(|call| self.queue.is_in_turn(call, operator)) {
            self.withdraw(operator);
        }
        self.floor.change(operator, |facts| {
            facts.attendance.logged_in = false;
            facts.end_wrap_up(now.mono)
        });
        Ok(())
    }

    /// Starts a break: now, or after the current call and its wrap-up, or after the current ring attempt.
    pub fn pause(&mut self, _now: Now, operator: &OperatorId, reason: &str) -> Result<(), UnknownOperator> {
        self.known(operator)?;
        self.floor.change(operator, |facts| {
            facts.paused = Some(reason.to_owned());
            None
        });
        Ok(())
    }

    /// Ends a break, a wrap-up and a rest.
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

    /// Extends an operator's wrap-up, to at most `WRAP_UP_MAX` from now. Returns false if the operator is not in wrap-up.
    pub fn extend_wrap_up(&mut self, now: Now, operator: &OperatorId, by: Duration) -> Result<bool, UnknownOperator> {
        self.known(operator)?;
        let mut has_one = false;
        self.floor.change(operator, |facts| {
            has_one = facts.extend_wrap_up(by, now.mono + WRAP_UP_MAX);
            None
        });
        Ok(has_one)
    }

    /// Removes and returns the operators whose log-in or break has changed since the last call.
    pub fn take_saved_changes(&mut self) -> BTreeSet<OperatorId> {
        self.floor.take_saved_changes()
    }

    /// Changes the priority of a call.
    pub fn set_priority(&mut self, call: CallId, priority: u8) {
        self.queue.set_priority(call, priority);
    }

    /// Adds a call (the switchboard admits at most `limits::CALLS_MAX`). Lower `priority` numbers are served first, then earlier arrivals,
    /// whatever the desk. An unknown desk is replaced by the first. Idempotent.
    pub fn enqueue(&mut self, now: Now, call: CallId, priority: u8, desk: DeskNo) {
        self.enter(now, call, Entry { priority, arrival: None, desk });
    }

    /// Like `enqueue`, for a call that may have waited before and was connected with an outside number since.
    pub fn enter(&mut self, now: Now, call: CallId, entry: Entry) {
        let (home, overflow_steps) = self.enters(now, entry.desk);
        let overdue_at = Some(now.mono + self.settings.none_ready);
        match entry.arrival {
            Some(arrival) => self.queue.add_at(call, ((entry.priority, arrival), home), overflow_steps, overdue_at),
            None => self.queue.add(call, (entry.priority, home), overflow_steps, overdue_at),
        }
    }

    /// The place of a call; None if the call is unknown.
    pub fn place_of(&self, call: CallId) -> Option<QueuePlace> {
        self.queue.place(call)
    }

    /// The desk for a call that enters the queue, and when the call is offered to which additional desks.
    fn enters(&self, now: Now, desk: DeskNo) -> (DeskNo, Vec<OverflowStep>) {
        let home = if self.settings.desks.len() > usize::from(desk.0) { desk } else { DeskNo(0) };
        let overflow_steps = self.floor.desk(home).map(|desk| {
            let many = desk.overflow.length.is_some_and(|length| self.queue.waiting_at(home) >= length);
            let after = if many { Some(Duration::ZERO) } else { desk.overflow.after };
            let steps = desk.escalation.iter().map(|step| (step.after, step.to.as_slice()));
            let steps = after.map(|after| (after, desk.overflow.to.as_slice())).into_iter().chain(steps);
            steps.map(|(after, to)| (now.mono + after, self.set_of(to))).collect()
        });
        (home, overflow_steps.unwrap_or_default())
    }

    /// Removes a call that has ended or is handled outside the ACD, and frees every operator who is reserved for it. An operator who still
    /// talks with the caller begins the wrap-up.
    pub fn leave(&mut self, now: Now, call: CallId) {
        match self.queue.remove(call) {
            Some(Status::Offered { to: operators, .. } | Status::Fallback { to: operators, .. }) => {
                operators.iter().for_each(|operator| self.release(operator));
            }
            Some(Status::Talking(operator)) => self.hang_up(now, call, &operator),
            Some(Status::Transferring(engaged)) => {
                engaged.iter().for_each(|operator| self.dismiss(now, call, operator, true))
            }
            Some(Status::Placed { by, engaged }) => {
                engaged.iter().for_each(|operator| self.dismiss(now, call, operator, *operator == by));
            }
            Some(Status::Waiting | Status::FallbackBackoff { .. }) | None => {}
        }
    }

    /// Handles due timers: end of wrap-up and rest, shift changes, fallback retries.
    pub fn expire(&mut self, now: Now) {
        self.floor.expire(now.mono);
        self.queue.expire(now.mono);
        self.looked_at = now.mono;
        self.run_calendar(now);
    }

    /// The next time at which `expire` must run.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let own = earliest(self.calendar_at, self.next_none_ready());
        earliest(earliest(self.floor.next_deadline(), self.queue.next_deadline()), own)
    }

    /// The set of additional desks; an empty list means all operators.
    fn set_of(&self, desks: &[DeskNo]) -> DeskSet {
        match desks {
            [] => DeskSet::of(self.all_operators),
            desks => desks.iter().fold(DeskSet::default(), |all, desk| all.and(DeskSet::of(*desk))),
        }
    }

    fn known(&self, operator: &OperatorId) -> Result<&Operator, UnknownOperator> {
        self.floor
            .get(operator)
            .filter(|facts| facts.attendance.exists && !facts.attendance.station)
            .ok_or(UnknownOperator)
    }

    /// Requests the withdrawal of a ring attempt, once per reservation.
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
        if self.floor.get(operator).is_none_or(|facts| facts.attendance.logged_in || facts.attendance.station) {
            return;
        }
        let (calls, talk) = self.floor.least_work();
        self.floor.change(operator, |facts| {
            facts.attendance.logged_in = true;
            facts.begin_work(calls, talk);
            None
        });
    }
}
