//! The timer values of RFC 3261 §17 (table 4 in its appendix A) and the back-off of retransmissions.

use std::time::Duration;

use crate::clock::Instant;

/// The estimate of a round trip.
pub(super) const T1: Duration = Duration::from_millis(500);
/// The longest interval between retransmissions of all but INVITE requests.
pub(super) const T2: Duration = Duration::from_secs(4);
/// How long a message stays in the network.
pub(super) const T4: Duration = Duration::from_secs(5);
/// 64*T1: timers B, F, H, J, L and M, the limit of a cancelled INVITE (RFC 3261 §9.1), and our limit for responses to non-INVITE requests.
pub(super) const PATIENCE: Duration = Duration::from_secs(32);
/// How long a request over datagrams waits for its first response after the network has reported the peer as unreachable. The report
/// may be forged, or concern only one lost datagram (RFC 5927).
pub(super) const DOUBT: Duration = Duration::from_secs(1);
/// Timer D on datagrams: at least 32 s.
pub(super) const D: Duration = Duration::from_secs(32);
/// How long a client INVITE may ring without a further provisional response: like timer C of a proxy (RFC 3261 §16.6
/// item 11), as a callee that rings repeats its provisional response every minute (RFC 3261 §13.3.1.1).
pub(super) const C: Duration = Duration::from_secs(181);

/// The next retransmission, and the interval before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Resend {
    pub(super) at: Instant,
    pub(super) interval: Duration,
}

impl Resend {
    /// Starts a timer.
    pub(super) fn start(now: Instant, interval: Duration) -> Self {
        Self { at: now + interval, interval }
    }

    /// The timer after it has fired: twice the interval, at most `longest`.
    pub(super) fn doubled(self, now: Instant, longest: Duration) -> Self {
        Self::start(now, self.interval.saturating_mul(2).min(longest))
    }

    pub(super) fn is_due(self, now: Instant) -> bool {
        self.at <= now
    }
}

/// The first of a retransmission, if there is one, and the end.
pub(super) fn first(resend: Option<Resend>, end: Instant) -> Instant {
    resend.map_or(end, |resend| resend.at.min(end))
}
