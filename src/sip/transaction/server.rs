//! The INVITE and the non-INVITE server transaction (RFC 3261 §17.2 with RFC 6026 §7.1, §8.7).

use bytes::Bytes;

use super::key::Key;
use super::timers::{PATIENCE, Resend, T1, T2, T4, first};
use crate::clock::Instant;
use crate::sip::flow::{Flow, Transmit};

/// A state with the timers that run in it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum State {
    /// INVITE: waits for the user's response. No timer: it exists as long as the call.
    InviteProceeding {
        last: Option<Bytes>,
    },
    /// INVITE: waits for the ACK (timers G and H).
    InviteCompleted {
        last: Bytes,
        resend: Option<Resend>,
        give_up_at: Instant,
    },
    /// INVITE: absorbs further ACKs (timer I).
    InviteConfirmed {
        end_at: Instant,
    },
    /// INVITE: answered with a 2xx; absorbs retransmissions (timer L).
    InviteAccepted {
        end_at: Instant,
    },
    /// Waits for the user's response, at most for timer F, after which no client waits for it (RFC 4320 §4.2).
    Trying {
        give_up_at: Instant,
    },
    /// As Trying, with a provisional response.
    Proceeding {
        last: Bytes,
        give_up_at: Instant,
    },
    /// Repeats the final response (timer J).
    Completed {
        last: Bytes,
        end_at: Instant,
    },
    Terminated,
}

/// The result of an ACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Acknowledged {
    /// It ends the retransmission of a rejection, or has no effect.
    Absorbed,
    /// It is the ACK of a 2xx.
    ToUser,
}

/// One server transaction.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Server {
    pub(super) key: Key,
    pub(super) flow: Flow,
    pub(super) state: State,
    /// Its last response, whether or not it arrived.
    pub(super) said: Option<Bytes>,
    /// Its deadline in the table.
    pub(super) armed: Option<Instant>,
}

impl Server {
    pub(super) fn new(now: Instant, key: Key, flow: Flow, is_invite: bool) -> Self {
        let state = if is_invite {
            State::InviteProceeding { last: None }
        } else {
            State::Trying { give_up_at: now + PATIENCE }
        };
        Self { key, flow, state, said: None, armed: None }
    }

    /// Handles a retransmitted request: repeats the last response in the states that require it.
    pub(super) fn retransmitted(&self, out: &mut Vec<Transmit>) {
        match &self.state {
            State::InviteProceeding { last: Some(last) }
            | State::InviteCompleted { last, .. }
            | State::Proceeding { last, .. }
            | State::Completed { last, .. } => self.send(last, out),
            State::InviteProceeding { last: None }
            | State::InviteConfirmed { .. }
            | State::InviteAccepted { .. }
            | State::Trying { .. }
            | State::Terminated => {}
        }
    }

    /// Handles an ACK for the INVITE.
    pub(super) fn acknowledge(&mut self, now: Instant) -> Acknowledged {
        match self.state {
            State::InviteCompleted { .. } => {
                let reliable = self.flow.transport.is_reliable();
                self.state = if reliable { State::Terminated } else { State::InviteConfirmed { end_at: now + T4 } };
                Acknowledged::Absorbed
            }
            State::InviteAccepted { .. } => Acknowledged::ToUser,
            State::InviteProceeding { .. }
            | State::InviteConfirmed { .. }
            | State::Trying { .. }
            | State::Proceeding { .. }
            | State::Completed { .. }
            | State::Terminated => Acknowledged::Absorbed,
        }
    }

    /// Sends the user's response. Returns false if it is too late.
    pub(super) fn respond(&mut self, now: Instant, status: u16, bytes: Bytes, out: &mut Vec<Transmit>) -> bool {
        let reliable = self.flow.transport.is_reliable();
        let next = match (&self.state, status) {
            (State::InviteProceeding { .. }, 0..=199) => State::InviteProceeding { last: Some(bytes.clone()) },
            (State::InviteProceeding { .. }, 200..=299) => State::InviteAccepted { end_at: now + PATIENCE },
            (State::InviteProceeding { .. }, _) => State::InviteCompleted {
                last: bytes.clone(),
                resend: (!reliable).then(|| Resend::start(now, T1)),
                give_up_at: now + PATIENCE,
            },
            (&State::InviteAccepted { end_at }, 200..=299) => State::InviteAccepted { end_at },
            (&State::Trying { give_up_at } | &State::Proceeding { give_up_at, .. }, 0..=199) => {
                State::Proceeding { last: bytes.clone(), give_up_at }
            }
            (State::Trying { .. } | State::Proceeding { .. }, _) if reliable => State::Terminated,
            (State::Trying { .. } | State::Proceeding { .. }, _) => {
                State::Completed { last: bytes.clone(), end_at: now + PATIENCE }
            }
            (
                State::InviteAccepted { .. }
                | State::InviteCompleted { .. }
                | State::InviteConfirmed { .. }
                | State::Completed { .. }
                | State::Terminated,
                _,
            ) => return false,
        };
        self.state = next;
        self.said = Some(bytes.clone());
        out.push(Transmit { flow: self.flow, bytes });
        true
    }

    /// Handles due timers. Returns true if timer H expired without an ACK.
    pub(super) fn expire(&mut self, now: Instant, out: &mut Vec<Transmit>) -> bool {
        match &mut self.state {
            State::InviteCompleted { give_up_at, .. } if *give_up_at <= now => {
                self.state = State::Terminated;
                return true;
            }
            State::InviteCompleted { last, resend: Some(resend), .. } => {
                if resend.is_due(now) {
                    *resend = resend.doubled(now, T2);
                    out.push(Transmit { flow: self.flow, bytes: last.clone() });
                }
            }
            State::InviteConfirmed { end_at: at }
            | State::InviteAccepted { end_at: at }
            | State::Trying { give_up_at: at }
            | State::Proceeding { give_up_at: at, .. }
            | State::Completed { end_at: at, .. } => {
                if *at <= now {
                    self.state = State::Terminated;
                }
            }
            State::InviteProceeding { .. } | State::InviteCompleted { resend: None, .. } | State::Terminated => {}
        }
        false
    }

    /// The next time at which `expire` must run.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::InviteProceeding { .. } | State::Terminated => None,
            State::InviteCompleted { resend, give_up_at, .. } => Some(first(resend, give_up_at)),
            State::InviteConfirmed { end_at: at }
            | State::InviteAccepted { end_at: at }
            | State::Trying { give_up_at: at }
            | State::Proceeding { give_up_at: at, .. }
            | State::Completed { end_at: at, .. } => Some(at),
        }
    }

    /// The final response that waits for its ACK.
    pub(super) fn unacknowledged(&self) -> Option<&Bytes> {
        match &self.state {
            State::InviteCompleted { last, .. } => Some(last),
            State::InviteProceeding { .. }
            | State::InviteConfirmed { .. }
            | State::InviteAccepted { .. }
            | State::Trying { .. }
            | State::Proceeding { .. }
            | State::Completed { .. }
            | State::Terminated => None,
        }
    }

    fn send(&self, bytes: &Bytes, out: &mut Vec<Transmit>) {
        out.push(Transmit { flow: self.flow, bytes: bytes.clone() });
    }

    /// True if a rejected INVITE has not been acknowledged.
    pub(super) const fn is_waiting(&self) -> bool {
        match self.state {
            State::InviteCompleted { .. } => true,
            State::InviteProceeding { .. }
            | State::InviteConfirmed { .. }
            | State::InviteAccepted { .. }
            | State::Trying { .. }
            | State::Proceeding { .. }
            | State::Completed { .. }
            | State::Terminated => false,
        }
    }
}
