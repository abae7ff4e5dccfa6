//! The INVITE and the non-INVITE client transaction (RFC 3261 §17.1 with RFC 6026 §7.2, §8.4).

use bytes::Bytes;

use super::hop;
use super::key::Key;
use super::timers::{C, D, DOUBT, PATIENCE, Resend, T1, T2, T4, first};
use crate::clock::Instant;
use crate::sip::flow::{Flow, Transmit};
use crate::sip::wire::{Message, Method};

/// A state with the timers that run in it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum State {
    /// INVITE: sent (timers A and B). `cancel`: the user wants to cancel as soon as that is allowed.
    Calling {
        resend: Option<Resend>,
        give_up_at: Instant,
        cancel: bool,
    },
    /// INVITE: has a provisional response (timer C, or 64*T1 after a CANCEL by RFC 3261 §9.1).
    InviteProceeding {
        give_up_at: Instant,
        cancelled: bool,
    },
    /// INVITE: failed; acknowledges repetitions (timer D).
    InviteCompleted {
        ack: Bytes,
        end_at: Instant,
    },
    /// INVITE: a 2xx arrived; forwards its repetitions and those of other branches (timer M).
    InviteAccepted {
        end_at: Instant,
    },
    /// Sent (timers E and F).
    Trying {
        resend: Option<Resend>,
        give_up_at: Instant,
    },
    /// Has a provisional response (timers E and F).
    Proceeding {
        resend: Option<Resend>,
        give_up_at: Instant,
    },
    /// Has a final response; absorbs repetitions (timer K).
    Completed {
        end_at: Instant,
    },
    Terminated,
}

/// The result of a response, apart from the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// No action.
    Absorbed,
    /// The user gets the response.
    ToUser,
    /// The user gets the response, and the postponed CANCEL is sent.
    ToUserThenCancel,
}

/// The result of an expired timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expired {
    /// No event: at most a retransmission or the end of a finished transaction.
    Quietly,
    /// No final response in time.
    Timeout,
    /// The network has reported that the peer is unreachable, and no response has arrived since.
    Unreachable,
    /// The INVITE rang too long: it is cancelled now.
    Cancel,
}

/// The result of a request to cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cancelling {
    /// Send the CANCEL now.
    Send,
    /// The CANCEL waits for the first provisional response, or was sent before.
    Noted,
    TooLate,
}

/// One client transaction.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Client {
    pub(super) key: Key,
    pub(super) flow: Flow,
    pub(super) method: Method,
    pub(super) request: Bytes,
    pub(super) state: State,
    /// The user is notified of events.
    pub(super) reported: bool,
    /// The Reason of its CANCEL.
    pub(super) reason: Option<Bytes>,
    /// When it ends if no response arrives, after the network has reported the peer as unreachable.
    pub(super) doubted_until: Option<Instant>,
    /// The ACK of a 2xx that the user no longer waits for.
    pub(super) last_ack: Option<Transmit>,
    /// Its deadline in the table.
    pub(super) armed: Option<Instant>,
}

impl Client {
    /// Starts the transaction; the caller sends the request.
    pub(super) fn new(now: Instant, key: Key, flow: Flow, method: Method, request: Bytes) -> Self {
        let resend = (!flow.transport.is_reliable()).then(|| Resend::start(now, T1));
        let give_up_at = now + PATIENCE;
        let state = if method == Method::Invite {
            State::Calling { resend, give_up_at, cancel: false }
        } else {
            State::Trying { resend, give_up_at }
        };
        let (reason, doubted_until, last_ack, armed) = (None, None, None, None);
        Self { key, flow, method, request, state, reported: true, reason, doubted_until, last_ack, armed }
    }

    /// Handles a response.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        status: u16,
        response: &Message<'_>,
        out: &mut Vec<Transmit>,
    ) -> Step {
        match (&mut self.state, status) {
            (State::Calling { cancel: true, .. }, 0..=199) => {
                self.state = State::InviteProceeding { give_up_at: now + PATIENCE, cancelled: true };
                Step::ToUserThenCancel
            }
            (State::Calling { .. } | State::InviteProceeding { cancelled: false, .. }, 0..=199) => {
                self.state = State::InviteProceeding { give_up_at: now + C, cancelled: false };
                Step::ToUser
            }
            (State::InviteProceeding { cancelled: true, .. }, 0..=199) => Step::ToUser,
            (State::Calling { .. } | State::InviteProceeding { .. }, 200..=299) => {
                self.state = State::InviteAccepted { end_at: now + PATIENCE };
                Step::ToUser
            }
            (State::Calling { .. } | State::InviteProceeding { .. }, _) => {
                self.fail(now, response, out);
                Step::ToUser
            }
            (State::InviteAccepted { .. }, 200..=299) => Step::ToUser,
            (State::InviteCompleted { ack, .. }, 300..) => {
                out.push(Transmit { flow: self.flow, bytes: ack.clone() });
                Step::Absorbed
            }
            (State::Trying { resend, give_up_at }, 0..=199) => {
                self.state = State::Proceeding { resend: *resend, give_up_at: *give_up_at };
                Step::ToUser
            }
            (State::Proceeding { .. }, 0..=199) => Step::ToUser,
            (State::Trying { .. } | State::Proceeding { .. }, _) => {
                self.state = match self.flow.transport.is_reliable() {
                    true => State::Terminated,
                    false => State::Completed { end_at: now + T4 },
                };
                Step::ToUser
            }
            (State::InviteAccepted { .. } | State::InviteCompleted { .. }, _)
            | (State::Completed { .. } | State::Terminated, _) => Step::Absorbed,
        }
    }

    /// Handles due timers.
    pub(super) fn expire(&mut self, now: Instant, out: &mut Vec<Transmit>) -> Expired {
        if self.is_unheard() && self.doubted_until.is_some_and(|at| at <= now) {
            self.state = State::Terminated;
            return Expired::Unreachable;
        }
        match &mut self.state {
            State::Calling { give_up_at, .. }
            | State::InviteProceeding { give_up_at, cancelled: true }
            | State::Trying { give_up_at, .. }
            | State::Proceeding { give_up_at, .. }
                if *give_up_at <= now =>
            {
                self.state = State::Terminated;
                return Expired::Timeout;
            }
            State::InviteProceeding { give_up_at, cancelled: false } if *give_up_at <= now => {
                self.state = State::InviteProceeding { give_up_at: now + PATIENCE, cancelled: true };
                return Expired::Cancel;
            }
            State::Calling { resend: Some(resend), .. } if resend.is_due(now) => {
                *resend = resend.doubled(now, PATIENCE);
                out.push(Transmit { flow: self.flow, bytes: self.request.clone() });
            }
            State::Trying { resend: Some(resend), .. } if resend.is_due(now) => {
                *resend = resend.doubled(now, T2);
                out.push(Transmit { flow: self.flow, bytes: self.request.clone() });
            }
            State::Proceeding { resend: Some(resend), .. } if resend.is_due(now) => {
                *resend = Resend::start(now, T2);
                out.push(Transmit { flow: self.flow, bytes: self.request.clone() });
            }
            State::InviteCompleted { end_at, .. } | State::InviteAccepted { end_at } | State::Completed { end_at }
                if *end_at <= now =>
            {
                self.state = State::Terminated;
            }
            State::Calling { .. }
            | State::InviteProceeding { .. }
            | State::InviteCompleted { .. }
            | State::InviteAccepted { .. }
            | State::Trying { .. }
            | State::Proceeding { .. }
            | State::Completed { .. }
            | State::Terminated => {}
        }
        Expired::Quietly
    }

    /// The user wants to cancel the INVITE (RFC 3261 §9.1).
    pub(super) fn cancel(&mut self, now: Instant) -> Cancelling {
        match &mut self.state {
            State::Calling { cancel, .. } => {
                *cancel = true;
                Cancelling::Noted
            }
            State::InviteProceeding { cancelled: true, .. } => Cancelling::Noted,
            State::InviteProceeding { cancelled: false, .. } => {
                self.state = State::InviteProceeding { give_up_at: now + PATIENCE, cancelled: true };
                Cancelling::Send
            }
            State::InviteCompleted { .. }
            | State::InviteAccepted { .. }
            | State::Trying { .. }
            | State::Proceeding { .. }
            | State::Completed { .. }
            | State::Terminated => Cancelling::TooLate,
        }
    }

    /// The network reports that datagrams do not reach the peer. This counts only if no response arrives soon.
    pub(super) fn doubt(&mut self, now: Instant) {
        if self.is_unheard() && self.doubted_until.is_none() {
            self.doubted_until = Some(now + DOUBT);
        }
    }

    /// True if no response has arrived.
    pub(super) fn is_unheard(&self) -> bool {
        match self.state {
            State::Calling { .. } | State::Trying { .. } => true,
            State::InviteProceeding { .. }
            | State::InviteCompleted { .. }
            | State::InviteAccepted { .. }
            | State::Proceeding { .. }
            | State::Completed { .. }
            | State::Terminated => false,
        }
    }

    /// The transport failed. Returns true if this ends the transaction, false if it already had its final response.
    pub(super) fn transport_failed(&mut self) -> bool {
        match self.state {
            State::Calling { .. }
            | State::InviteProceeding { .. }
            | State::Trying { .. }
            | State::Proceeding { .. } => {
                self.state = State::Terminated;
                true
            }
            State::InviteCompleted { .. }
            | State::InviteAccepted { .. }
            | State::Completed { .. }
            | State::Terminated => false,
        }
    }

    /// The next time at which `expire` must run.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Calling { resend, give_up_at, .. } | State::Trying { resend, give_up_at } => {
                let at = first(resend, give_up_at);
                Some(self.doubted_until.map_or(at, |doubted| doubted.min(at)))
            }
            State::Proceeding { resend, give_up_at } => Some(first(resend, give_up_at)),
            State::InviteProceeding { give_up_at: at, .. }
            | State::InviteCompleted { end_at: at, .. }
            | State::InviteAccepted { end_at: at }
            | State::Completed { end_at: at } => Some(at),
            State::Terminated => None,
        }
    }

    /// Acknowledges a final response that is not a 2xx; on streams this ends the transaction (timer D is zero).
    fn fail(&mut self, now: Instant, response: &Message<'_>, out: &mut Vec<Transmit>) {
        self.state = State::Terminated;
        let Some(ack) = hop::ack(&self.request, response) else { return };
        out.push(Transmit { flow: self.flow, bytes: ack.clone() });
        if !self.flow.transport.is_reliable() {
            self.state = State::InviteCompleted { ack, end_at: now + D };
        }
    }

    /// True if no final response has arrived.
    pub(super) const fn is_waiting(&self) -> bool {
        match self.state {
            State::Calling { .. }
            | State::InviteProceeding { .. }
            | State::Trying { .. }
            | State::Proceeding { .. } => true,
            State::InviteCompleted { .. }
            | State::InviteAccepted { .. }
            | State::Completed { .. }
            | State::Terminated => false,
        }
    }
}
