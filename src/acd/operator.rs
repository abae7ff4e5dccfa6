//! One operator: the stored data, and the state that is computed from them.

use std::collections::BTreeSet;
use std::time::Duration;

use super::desk::RoutingStats;
use super::view::{State, View};
use crate::clock::{Instant, Timestamp};
use crate::ids::{CallId, OperatorId};

/// Number of consecutive blameless failures from which on a failure counts against the operator. It prevents an endless loop of attempts.
const BLAMELESS_MAX: u8 = 3;

/// Whether an operator's phones responded when they were rung last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum Responsiveness {
    #[default]
    Responded,
    /// No phone has. The operator is rung all the same, but does not count as ready.
    NoResponse,
    /// No phone has, and the INVITE is still open: the operator is not rung again before it ends.
    Pending,
}

/// The operator's part in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum Work {
    Free,
    /// Reserved for `call`; `withdrawn` if the ring attempt is to be cancelled.
    Offered {
        call: CallId,
        withdrawn: bool,
    },
    Talking {
        call: CallId,
    },
    WrapUp {
        call: CallId,
        until: Instant,
    },
}

/// Whether an operator is available for calls.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Attendance {
    /// False: no longer listed. The operator is removed after their call.
    pub(super) exists: bool,
    /// The account is a station, which is never at work itself.
    pub(super) station: bool,
    pub(super) on_shift: bool,
    /// The time at which `on_shift` must be checked again.
    pub(super) shift_change: Option<Timestamp>,
    pub(super) logged_in: bool,
    pub(super) registered: bool,
    pub(super) reachable: bool,
}

impl Default for Attendance {
    fn default() -> Self {
        Self {
            exists: true,
            station: false,
            on_shift: false,
            shift_change: None,
            logged_in: false,
            registered: false,
            reachable: true,
        }
    }
}

impl Attendance {
    /// True if the operator is at work: listed, on shift, logged in, registered and reachable.
    fn is_staffed(&self) -> bool {
        self.exists && self.on_shift && self.logged_in && self.registered && self.reachable
    }
}

/// The data of one operator.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Operator {
    pub(super) attendance: Attendance,
    pub(super) responsiveness: Responsiveness,
    /// No RTP port pair was free for the operator's phone: no call rings it until one is free.
    pub(super) no_port_pair: bool,
    pub(super) paused: Option<String>,
    pub(super) work: Work,
    /// Emergency calls from the operator's own phones.
    pub(super) own_calls: BTreeSet<CallId>,
    /// The operator is a participant (rung or talking) in a call that is not theirs.
    pub(super) guest: bool,
    /// The operator was not ready when the ring attempt began.
    pub(super) recalled: bool,
    pub(super) rest_until: Option<Instant>,
    /// The values that the desks' strategies compare. `idle_since` is the end of the last call's wrap-up, or of the last failed ring
    /// attempt.
    pub(super) merits: RoutingStats,
    talking_since: Instant,
    blameless: u8,
    /// Number of consecutive ring attempts that the operator did not answer or rejected.
    unanswered: u32,
}

impl Operator {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            attendance: Attendance::default(),
            responsiveness: Responsiveness::Responded,
            no_port_pair: false,
            paused: None,
            work: Work::Free,
            own_calls: BTreeSet::new(),
            guest: false,
            recalled: false,
            rest_until: None,
            merits: RoutingStats { idle_since: now, last_offer: 0, calls: 0, talk: Duration::ZERO },
            talking_since: now,
            blameless: 0,
            unanswered: 0,
        }
    }

    /// Ends an unanswered ring attempt. Returns the number of consecutive failures that count against the operator.
    pub(super) fn fail_offer(&mut self, now: Instant, blameless: bool, rest: Duration) -> u32 {
        self.work = Work::Free;
        self.merits.idle_since = now;
        self.unanswered = self.unanswered.saturating_add(u32::from(!blameless));
        self.blameless = if blameless { self.blameless.saturating_add(1) } else { BLAMELESS_MAX };
        if self.blameless >= BLAMELESS_MAX {
            self.blameless = 0;
            self.rest_until = Some(now + rest);
        }
        self.unanswered
    }

    /// Reserves the operator for a call; `nth` is the number of the ring attempt.
    pub(super) fn reserve(&mut self, call: CallId, nth: u64) {
        self.recalled = self.state() != State::Ready;
        self.work = Work::Offered { call, withdrawn: false };
        self.merits.last_offer = nth;
    }

    /// The operator takes the call of the ring attempt.
    pub(super) fn answer(&mut self, now: Instant, call: CallId) {
        self.talk_with(now, call);
        self.merits.calls += 1;
        self.forgive();
        self.blameless = 0;
        self.rest_until = None;
    }

    /// The operator begins to talk in a call without a ring attempt.
    pub(super) const fn talk_with(&mut self, now: Instant, call: CallId) {
        self.work = Work::Talking { call };
        self.talking_since = now;
    }

    /// Ends the operator's part in a call as a participant.
    pub(super) fn end_visit(&mut self, now: Instant) {
        if matches!(self.work, Work::Talking { .. }) {
            self.merits.talk += now.since(self.talking_since);
            self.merits.idle_since = now;
        }
        (self.work, self.guest) = (Work::Free, false);
    }

    /// Resets the count of unanswered ring attempts.
    pub(super) const fn forgive(&mut self) {
        self.unanswered = 0;
    }

    /// Starts the counts of work with the lowest values of the other operators.
    pub(super) const fn begin_work(&mut self, calls: u64, talk: Duration) {
        self.merits.calls = calls;
        self.merits.talk = talk;
        self.unanswered = 0;
    }

    /// Extends a wrap-up. Returns false if there is none.
    pub(super) fn extend_wrap_up(&mut self, by: Duration, latest: Instant) -> bool {
        match &mut self.work {
            Work::WrapUp { until, .. } => {
                *until = (*until).max((*until + by).min(latest));
                true
            }
            Work::Free | Work::Offered { .. } | Work::Talking { .. } => false,
        }
    }

    /// Shortens a wrap-up, if there is one.
    pub(super) fn shorten_wrap_up(&mut self, latest: Instant) {
        if let Work::WrapUp { until, .. } = &mut self.work {
            *until = (*until).min(latest);
        }
    }

    /// Ends the conversation. Returns the call if its wrap-up has ended already.
    pub(super) fn hang_up(&mut self, call: CallId, now: Instant, wrap_up: Duration) -> Option<CallId> {
        self.merits.talk += now.since(self.talking_since);
        self.work = Work::WrapUp { call, until: now + wrap_up };
        if wrap_up.is_zero() || !self.attendance.exists { self.end_wrap_up(now) } else { None }
    }

    /// Ends a wrap-up, if there is one, and returns its call.
    pub(super) fn end_wrap_up(&mut self, at: Instant) -> Option<CallId> {
        match self.work {
            Work::WrapUp { call, .. } => {
                self.work = Work::Free;
                self.merits.idle_since = at;
                Some(call)
            }
            Work::Free | Work::Offered { .. } | Work::Talking { .. } => None,
        }
    }

    /// Handles due timers; returns the call whose wrap-up ends.
    pub(super) fn expire(&mut self, now: Instant) -> Option<CallId> {
        if self.rest_until.is_some_and(|until| until <= now) {
            self.rest_until = None;
        }
        match self.work {
            Work::WrapUp { until, .. } if until <= now => self.end_wrap_up(until),
            Work::WrapUp { .. } | Work::Free | Work::Offered { .. } | Work::Talking { .. } => None,
        }
    }

    /// The state that follows from the data. A call and its wrap-up have precedence over everything else.
    pub(super) fn state(&self) -> State {
        match self.work {
            Work::Offered { .. } => State::Offered,
            Work::Talking { .. } => State::Talking,
            Work::WrapUp { .. } => State::WrapUp,
            Work::Free if !self.own_calls.is_empty() => State::Talking,
            Work::Free if !self.is_staffed() => State::Offline,
            Work::Free if self.paused.is_some() => State::Break,
            Work::Free => State::Ready,
        }
    }

    /// True if the operator is at work: listed, on shift, logged in, registered and reachable.
    pub(super) fn is_staffed(&self) -> bool {
        self.attendance.is_staffed()
    }

    /// True if the operator is at work and not on a break.
    pub(super) fn is_at_work(&self) -> bool {
        self.is_staffed() && self.paused.is_none()
    }

    /// True if the operator can be rung for a call now.
    pub(super) fn is_eligible(&self) -> bool {
        self.state() == State::Ready && self.can_be_rung()
    }

    /// True if a call may ring the operator while no operator is ready: on a break, and not resting after a failed ring attempt.
    pub(super) fn may_ring_on_break(&self) -> bool {
        self.state() == State::Break && self.can_be_rung()
    }

    fn can_be_rung(&self) -> bool {
        self.rest_until.is_none() && self.responsiveness != Responsiveness::Pending && !self.no_port_pair
    }

    /// True if the operator is ready, or was ready until a ring attempt began, and a phone of theirs responds.
    pub(super) fn is_alert(&self) -> bool {
        if self.responsiveness != Responsiveness::Responded {
            return false;
        }
        match self.state() {
            State::Ready => true,
            State::Offered => !self.recalled,
            State::Offline | State::Talking | State::WrapUp | State::Break => false,
        }
    }

    /// True while the operator talks in a call that they took or placed, or is in wrap-up: calls wait for such an operator. An emergency
    /// call of the operator's own does not count, because it waits itself.
    pub(super) const fn is_busy(&self) -> bool {
        matches!(self.work, Work::Talking { .. } | Work::WrapUp { .. })
    }

    /// True if the fallback may ring the operator: a registered phone and no call.
    pub(super) fn is_callable(&self) -> bool {
        self.attendance.exists && self.attendance.registered && self.is_free()
    }

    /// True if the operator has no call.
    pub(super) fn is_free(&self) -> bool {
        self.work == Work::Free && self.own_calls.is_empty()
    }

    /// The next time at which `expire` changes something.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let wrap_up = match self.work {
            Work::WrapUp { until, .. } => Some(until),
            Work::Free | Work::Offered { .. } | Work::Talking { .. } => None,
        };
        crate::clock::earliest(wrap_up, self.rest_until)
    }

    /// The reason for the operator's current state.
    pub(super) fn reason(&self) -> Option<&str> {
        match self.state() {
            State::Break => self.paused.as_deref(),
            State::Offline if !self.attendance.exists => Some("removed"),
            State::Offline if !self.attendance.registered => Some("not-registered"),
            State::Offline if !self.attendance.logged_in => Some("logged-out"),
            State::Offline if !self.attendance.on_shift => Some("off-shift"),
            State::Offline => Some("unreachable"),
            State::Ready | State::Offered | State::Talking | State::WrapUp => None,
        }
    }

    pub(super) fn call(&self) -> Option<CallId> {
        match self.work {
            Work::Free => self.own_calls.first().copied(),
            Work::Offered { call, .. } | Work::Talking { call } | Work::WrapUp { call, .. } => Some(call),
        }
    }

    pub(super) fn view(&self, operator: &OperatorId) -> View {
        View {
            operator: operator.clone(),
            state: self.state(),
            on_shift: self.attendance.on_shift,
            logged_in: self.attendance.logged_in,
            registered: self.attendance.registered,
            reachable: self.attendance.reachable,
            resting: self.rest_until.is_some(),
            paused: self.paused.clone(),
            call: self.call(),
        }
    }
}
