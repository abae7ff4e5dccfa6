//! Deadlines of the switchboard: what each is about.

use std::time::Duration;

use crate::ids::{CallId, OperatorId};
use crate::switchboard::ids::{TextId, WatchId, Who};

/// Round-trip estimate, and longest interval of repeats (RFC 3261 §17.1.1.1, §17.1.2.1).
pub(in crate::switchboard) const T1: Duration = Duration::from_millis(500);

pub(in crate::switchboard) const T2: Duration = Duration::from_secs(4);

/// A caller who waits is told so once a minute, or proxies on his way end the call (RFC 3261 §13.3.1.1).
pub(in crate::switchboard) const TELL_AGAIN: Duration = Duration::from_secs(60);

/// What a deadline is about. Its owner keeps the time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::switchboard) enum Alarm {
    /// A 2xx is to be repeated, or given up.
    Unacked(Who),
    /// A reliable provisional response is to be repeated, or given up.
    Unpracked(CallId),
    /// A session is to be refreshed, or has not been.
    Session(Who),
    /// A silent outgoing leg has not responded in time.
    Inquiry(Who),
    /// A BYE has waited long enough for earlier requests of its dialog.
    HeldBye(Who),
    /// The phone of a ring attempt has not responded at its Contact: its other address is tried.
    SecondWay(Who),
    /// The phone of a ring attempt has not responded in time. Before `RingOver`, which may be due at the same time.
    Unheard(Who),
    /// The binding of a ring attempt without a response has gone.
    BindingGone(Who),
    /// An offer has rung long enough.
    RingOver(Who),
    /// The fallback has rung all phones long enough.
    PhonesOver(CallId),
    /// The time for a sign of life of a disconnected caller is over.
    Disconnected(CallId),
    /// A call has reached the longest time.
    TooLong(CallId),
    /// An operator's own INVITE expires.
    InviteExpires(CallId),
    /// A caller who waits is told so again.
    TellAgain(CallId),
    /// A caller whose description had no audio is offered audio again.
    OfferAudio(CallId),
    /// A caller who waits is told his place.
    TellPlace(CallId),
    /// A number outside is tried for a call that waits.
    Outside(CallId),
    /// A service call has reached its end.
    PhoneOver(u64),
    PingTrunk(usize),
    /// A registration with a telco is due.
    RegisterTrunk(usize),
    /// Telcos have had time to hear that we leave.
    GoodbyesOver,
    PingPhone(OperatorId),
    /// The posture is over, or told of again.
    Posture,
    /// The sender of a text in a call must get a response.
    Text(TextId),
    /// A text goes to the second addresses of phones that have not responded.
    TextAgain(TextId),
    /// A subscription may tell again, or expires.
    Watch(WatchId),
}
