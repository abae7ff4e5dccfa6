//! What a session reports to the call of its leg.

/// What has happened in the session of a leg. The session has done its own part; the call does the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::switchboard) enum SessionEvent {
    /// Offer and answer have led to an agreement: the direction or address of the media may have changed.
    Negotiated,
    /// The session timer has expired. `kept`: the peer's media arrives, and the session continues.
    Expired { kept: bool },
    /// The peer is lost: its session has expired, or it may have lost its dialog, and its media has stopped.
    Lost,
    /// A silent peer has not responded to OPTIONS, or has lost its dialog.
    PeerGone,
    /// A silent peer that should send media has responded to OPTIONS with this status, or has sent another message before (200).
    SilentPeerPresent { status: u16 },
    /// The result of the OPTIONS to a party of an unusually long call is known.
    PresenceKnown,
    /// The peer has acknowledged the 2xx.
    Acknowledged,
    /// The peer has not acknowledged the 2xx for 64*T1 (RFC 3261 §13.3.1.4). `heard`: its media has arrived.
    NeverAcked { heard: bool },
    /// The 2xx has waited for a PRACK and must be sent now.
    AnswerDue,
    /// A provisional response with this status has waited for a PRACK and must be sent now.
    ProvisionalDue { status: u16 },
    /// The peer has sent a digit by INFO.
    Digit { digit: char },
    /// The peer's BYE takes effect.
    HungUp { q850: Option<u8> },
}

/// The events of one input, in their order.
pub(in crate::switchboard) type SessionEvents = Vec<SessionEvent>;
