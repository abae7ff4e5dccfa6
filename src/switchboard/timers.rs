//! The deadlines of the switchboard.

use std::time::Duration;

use crate::ids::{CallId, OperatorId};
use crate::switchboard::ids::{LegRef, TextId, WatchId};

/// Round-trip time estimate (RFC 3261 §17.1.1.1).
pub(in crate::switchboard) const T1: Duration = Duration::from_millis(500);

/// Longest interval of retransmissions (RFC 3261 §17.1.2.1).
pub(in crate::switchboard) const T2: Duration = Duration::from_secs(4);

/// Interval of the repetition of the last provisional response to a waiting caller: without it, proxies end the call (RFC 3261 §13.3.1.1).
pub(in crate::switchboard) const REPEAT_PROVISIONAL_EVERY: Duration = Duration::from_secs(60);

/// The purpose of a deadline. Its owner stores the time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) enum TimerKind {
    /// A 2xx is retransmitted or given up.
    Unacked(LegRef),
    /// A reliable provisional response is retransmitted or given up.
    Unpracked(LegRef),
    /// A session is refreshed, or its refresh has failed.
    Session(LegRef),
    /// A silent outgoing leg has not responded in time.
    Inquiry(LegRef),
    /// A BYE has waited long enough for earlier requests of its dialog.
    HeldBye(LegRef),
    /// The phone of a ring attempt has not responded at its Contact. Its other address is tried.
    SecondInvite(LegRef),
    /// The phone of a ring attempt has not responded in time. Handled before `RingOver`, which may be due at the same time.
    NoResponse(LegRef),
    /// The binding of a ring attempt without a response has ended.
    BindingGone(LegRef),
    /// A ring attempt has reached its maximum length.
    RingOver(LegRef),
    /// The ringing of all phones by the fallback has reached its maximum length.
    AllPhonesOver(CallId),
    /// A disconnected caller was not reached in time.
    Disconnected(CallId),
    /// A call has reached its maximum length.
    TooLong(CallId),
    /// An operator's own INVITE expires.
    InviteExpires(CallId),
    /// The last provisional response to a waiting caller is repeated.
    RepeatProvisional(LegRef),
    /// A caller whose SDP had no audio is offered audio again.
    OfferAudio(LegRef),
    /// The position in the queue is announced to a waiting caller.
    AnnouncePosition(CallId),
    /// An outside number is tried for a waiting call.
    Outside(CallId),
    /// A service call has reached its maximum length.
    ServiceCallOver(u64),
    PingTrunk(usize),
    /// A registration with a trunk is due.
    RegisterTrunk(usize),
    /// The time to wait for responses to deregistrations is over.
    DeregistrationsOver,
    PingPhone(OperatorId),
    /// The operating mode ends, or a reminder of it is due.
    Mode,
    /// The sender of a text in a call must get a response.
    Text(TextId),
    /// A text is sent to the second addresses of phones that have not responded.
    TextAgain(TextId),
    /// A subscription may send its next NOTIFY, or expires.
    Watch(WatchId),
}
