//! Automatic call distribution: who waits, who is free, who gets whom. Pure; knows no SIP.
//!
//! Calls stand in one order, (priority, arrival), whatever desk they are for, and keep their place until they are over.
//! The desk's strategy says which of its operators is first: by default the one who is longest without a call, and a failed
//! offer puts him behind the others. Every decision costs O(log n) for each desk: the calls (`queue`) and the operators
//! (`floor`) keep their indexes themselves.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::clock::{Instant, Now, Timestamp, earliest};
use crate::ids::{CallId, OperatorId, Rng};
use crate::limits;

mod calendar;
pub mod desk;
mod engage;
mod floor;
mod operator;
mod queue;
pub mod roster;
mod routing;
pub mod section;
pub mod shift;
#[cfg(test)]
mod tests;
mod verify;

use desk::{Desk, DeskNo, DeskSet};
pub use engage::Standing;
use floor::Floor;
use operator::{Operator, Work};
use queue::{Queue, Status};

/// Shortest rest and retry, whatever is configured: a phone that refuses at once must not spin the loop.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// Longest wrap-up from the moment at which it is prolonged.
const WRAP_UP_MAX: Duration = Duration::from_secs(3600);
/// Why somebody is on a break who did not answer.
const UNANSWERED: &str = "unanswered";

/// What the ACD is told by config.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Time after a call in which its operator gets no other.
    pub wrap_up: Duration,
    /// Rest of an operator after an offer that he did not take.
    pub rest: Duration,
    /// So many offers in a row unanswered or refused send an operator on a break, unless nobody else would be left at work;
    /// 0: never.
    pub unanswered_max: u32,
    /// After all of the fallback failed, a call waits so long before it is tried again.
    pub fallback_retry: Duration,
    /// True: a registered operator is logged in. False: he logs in by himself.
    pub login_on_register: bool,
    /// Who is on shift when.
    pub plan: shift::Plan,
    /// The first is the queue of calls that no other is meant for. None: that one, with everybody.
    pub desks: Vec<Desk>,
}

/// An operator's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Not on shift, not logged in, not registered or not reachable.
    Offline,
    /// Can be offered a call (unless he rests after an offer that failed).
    Ready,
    /// An offer rings.
    Offered,
    /// Has a caller.
    Talking,
    /// Finishes the last call's work.
    WrapUp,
    /// Paused.
    Break,
}

/// One operator as others may see him.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct View {
    pub operator: OperatorId,
    pub state: State,
    pub on_shift: bool,
    pub logged_in: bool,
    pub registered: bool,
    pub reachable: bool,
    /// Gets no offer for a while, as he did not take the last.
    pub resting: bool,
    /// The reason while paused.
    pub paused: Option<String>,
    /// The call that he is offered, has, or wraps up.
    pub call: Option<CallId>,
}

/// What the ACD wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Ring this operator for this call; both are reserved for each other. `why` goes into the fact.
    Offer { call: CallId, operator: OperatorId, why: String },
    /// Nobody is staffed (on shift, logged in, registered and reachable): alarm, ring all these (registered, free; may be none; all
    /// reserved for this call), then the fallback number. Ends with `answered`, `fallback_failed` or `leave`. Only one
    /// call at a time gets the operators: the others come with none, so they go to the number at once.
    Fallback { call: CallId, operators: Vec<OperatorId> },
    /// The operator logged out or was removed while an offer rings: cancel it and report `offer_failed`. Given once per
    /// reservation; the reservation stays until then, and an answer that crosses it still counts.
    Withdraw { call: CallId, operator: OperatorId },
}

/// A state that has changed, for facts and presence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub operator: OperatorId,
    pub state: State,
    pub reason: Option<String>,
    /// Set when this ends the wrap-up of a call.
    pub wrapped_up: Option<CallId>,
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
    /// The desk at which everybody is.
    everybody: DeskNo,
    offers: u64,
    rng: Rng,
    /// The calendar as last seen.
    wall: Timestamp,
    calendar_at: Option<Instant>,
}

impl Acd {
    /// Starts with no operators and no calls. `rng` serves desks that choose at random.
    pub fn new(now: Now, settings: Settings, rng: Rng) -> Self {
        let mut acd = Self {
            settings,
            queue: Queue::default(),
            floor: Floor::default(),
            withdrawals: BTreeSet::new(),
            everybody: DeskNo(0),
            offers: 0,
            rng,
            wall: now.wall,
            calendar_at: None,
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
        if call.is_some_and(|call| matches!(self.queue.status(call), Some(Status::Offered(_)))) {
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

    /// A caller comes in (the switchboard lets at most `limits::CALLS_MAX` in). Lower `priority` numbers go first, then
    /// arrival, whatever the desks. A desk that is not known is the first. Idempotent.
    pub fn enqueue(&mut self, now: Now, call: CallId, priority: u8, desk: DeskNo) {
        let home = if self.settings.desks.len() > usize::from(desk.0) { desk } else { DeskNo(0) };
        let overflow = self.floor.desk(home).map(|desk| desk.overflow.clone()).unwrap_or_default();
        let many = overflow.length.is_some_and(|length| self.queue.waiting_at(home) >= length);
        let after = if many { Some(Duration::ZERO) } else { overflow.after };
        let to = match overflow.to.as_slice() {
            [] => DeskSet::of(self.everybody),
            desks => desks.iter().fold(DeskSet::default(), |all, desk| all.and(DeskSet::of(*desk))),
        };
        self.queue.add(call, priority, home, after.map(|after| (now.mono + after, to)));
    }

    /// The caller is gone, or is handled elsewhere: frees his place and every reservation for him. Someone who still
    /// talks with him begins his wrap-up.
    pub fn leave(&mut self, now: Now, call: CallId) {
        match self.queue.remove(call) {
            Some(Status::Offered(operator)) => self.release(&operator),
            Some(Status::Fallback(operators)) => operators.iter().for_each(|operator| self.release(operator)),
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

    /// An offer (or one of a fallback's) ended without an answer: the operator rests (not when `blameless`; the third
    /// blameless failure in a row counts), the caller keeps his place.
    pub fn offer_failed(&mut self, now: Now, call: CallId, operator: &OperatorId, blameless: bool) {
        match self.queue.status(call) {
            Some(Status::Offered(reserved)) if reserved == operator => self.queue.set(call, Status::Waiting),
            Some(Status::Fallback(reserved)) if reserved.contains(operator) => {
                self.queue.leave_fallback(call, operator)
            }
            Some(Status::Direct { engaged, .. }) if engaged.contains(operator) => {
                self.queue.disengage(call, operator);
                return self.release(operator);
            }
            Some(Status::Moving(engaged)) if engaged.contains(operator) => {
                self.queue.disengage(call, operator);
            }
            Some(
                Status::Offered(_)
                | Status::Fallback(_)
                | Status::Waiting
                | Status::Held { .. }
                | Status::Talking(_)
                | Status::Moving(_)
                | Status::Direct { .. },
            )
            | None => return,
        }
        self.withdrawals.remove(operator);
        let rest = self.settings.rest.max(PAUSE_MIN);
        let (most, others) = (self.settings.unanswered_max, self.floor.at_work_count() > 1);
        self.floor.change(operator, |facts| {
            let unanswered = facts.fail_offer(now.mono, blameless, rest);
            if most > 0 && unanswered >= most && others && facts.is_at_work() {
                facts.paused = Some(UNANSWERED.to_owned());
            }
            None
        });
    }

    /// An operator answered: every other reservation for this call is freed. Ignored unless he is reserved for it.
    pub fn answered(&mut self, now: Now, call: CallId, operator: &OperatorId) {
        let others = match self.queue.status(call) {
            Some(Status::Offered(reserved)) if reserved == operator => BTreeSet::new(),
            Some(Status::Fallback(reserved)) if reserved.contains(operator) => reserved.clone(),
            Some(Status::Moving(engaged) | Status::Direct { engaged, .. }) if engaged.contains(operator) => {
                return self.engaged_answers(now, call, operator);
            }
            Some(
                Status::Offered(_)
                | Status::Fallback(_)
                | Status::Waiting
                | Status::Held { .. }
                | Status::Talking(_)
                | Status::Moving(_)
                | Status::Direct { .. },
            )
            | None => return,
        };
        for other in others.iter().filter(|other| *other != operator) {
            self.release(other);
        }
        self.withdrawals.remove(operator);
        self.queue.set(call, Status::Talking(operator.clone()));
        self.floor.change(operator, |facts| {
            facts.answer(now.mono, call);
            None
        });
    }

    /// The whole fallback failed: the call waits on, and is tried again after `fallback_retry`.
    pub fn fallback_failed(&mut self, now: Now, call: CallId) {
        let Some(Status::Fallback(operators)) = self.queue.status(call) else { return };
        let operators = operators.clone();
        operators.iter().for_each(|operator| self.release(operator));
        let until = now.mono + self.settings.fallback_retry.max(PAUSE_MIN);
        self.queue.set(call, Status::Held { until });
    }

    /// The talk is over and so is the call: wrap-up begins. Ignored unless the two talk.
    pub fn finished(&mut self, now: Now, call: CallId, operator: &OperatorId) {
        if self.talks(call, operator) {
            self.queue.remove(call);
            self.hang_up(now, call, operator);
        }
    }

    /// The operator's leg was lost but the caller is there: back to his old place (before all who came later); the
    /// operator gets wrap-up and rest. Ignored unless the two talk.
    pub fn operator_lost(&mut self, now: Now, call: CallId, operator: &OperatorId) {
        if self.talks(call, operator) {
            self.queue.set(call, Status::Waiting);
            let until = now.mono + self.settings.rest.max(PAUSE_MIN);
            self.floor.change(operator, |facts| {
                facts.rest_until = Some(until);
                None
            });
            self.hang_up(now, call, operator);
        }
    }

    /// Runs what time brings: end of wrap-up and rest, shift changes, fallback retries.
    pub fn expire(&mut self, now: Now) {
        self.floor.expire(now.mono);
        self.queue.expire(now.mono);
        self.run_calendar(now);
    }

    /// Takes out the changes since the last time, in order.
    pub fn take_changes(&mut self) -> Vec<Change> {
        self.floor.take_changes()
    }

    /// When `expire` wants to run next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        earliest(earliest(self.floor.next_deadline(), self.queue.next_deadline()), self.calendar_at)
    }

    /// One operator.
    pub fn view(&self, operator: &OperatorId) -> Option<View> {
        self.floor.get(operator).map(|facts| facts.view(operator))
    }

    /// All operators in order of name.
    pub fn views(&self) -> Vec<View> {
        self.floor.iter().map(|(operator, facts)| facts.view(operator)).collect()
    }

    /// Waiting calls in the order in which they will be served.
    pub fn waiting(&self) -> impl Iterator<Item = CallId> {
        self.queue.waiting()
    }

    /// (waiting calls, operators by state in the order of `State`).
    pub fn counts(&self) -> (usize, [usize; 6]) {
        (self.queue.waiting_count(), self.floor.by_state())
    }

    /// How many operators are staffed: on shift, logged in, registered and reachable, whatever they do.
    pub fn staffed(&self) -> usize {
        self.floor.staffed_count()
    }

    fn known(&self, operator: &OperatorId) -> Result<&Operator, UnknownOperator> {
        self.floor.get(operator).filter(|facts| facts.exists).ok_or(UnknownOperator)
    }

    fn talks(&self, call: CallId, operator: &OperatorId) -> bool {
        matches!(self.queue.status(call), Some(Status::Talking(talking)) if talking == operator)
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
        if self.floor.get(operator).is_none_or(|facts| facts.logged_in) {
            return;
        }
        let (calls, talk) = self.floor.least_work();
        self.floor.change(operator, |facts| {
            facts.logged_in = true;
            facts.begin_work(calls, talk);
            None
        });
    }

    /// Frees an operator who was reserved and had no chance to answer: he stays as long idle as he was.
    fn release(&mut self, operator: &OperatorId) {
        self.withdrawals.remove(operator);
        self.floor.change(operator, |facts| {
            facts.work = Work::Free;
            None
        });
    }

    fn hang_up(&mut self, now: Now, call: CallId, operator: &OperatorId) {
        let wrap_up = self.settings.wrap_up;
        self.floor.change(operator, |facts| facts.hang_up(call, now.mono, wrap_up));
    }
}
