//! The switchboard: a back-to-back user agent with a queue. It owns every call and makes all decisions about calls. It must not depend on
//! sockets, clocks, disks or threads: time and inputs are passed in, outputs are returned.

mod admission;
mod alarm;
mod calls;
mod dispatch;
mod facts;
mod ids;
mod input;
mod kept;
mod media;
mod messages;
mod mode;
mod network;
mod output;
mod phones;
mod pin;
mod recovery;
mod session;
mod settings;
mod snapshot;
mod step;
mod subscriptions;
mod trunks;
mod verify;
mod wire;

use std::net::SocketAddr;

use crate::clock::{Instant, Now};
use crate::ids::Rng;

use dispatch::parts::Parts;
use subscriptions::Subscriptions;

pub use admission::guard::GuardFigures;
pub use calls::called::is_prefix;
pub use input::{Account, Actor, ConsoleCommand, Input, Supervision};
pub use kept::{KeptBinding, Presence, Restored};
pub use output::{
    CallBackView, CallView, ChoiceView, ConsoleReply, Gauges, Guess, GuestView, MarkView, Output, PortShortage,
    Rejected, Rejection, StationView,
};
pub use pin::{Badge, Pin};
pub use settings::{
    Agency, AnswerMode, CallerTerms, Category, DeskCalls, FeatureCodes, GuardSettings, Listener, Network, PostureTerms,
    Registration, Settings, SilentTerms, SrtpOffer, Trunk, TrunkHost, TrunkTerms,
};
pub use snapshot::SnapshotError;

/// The state machine of the service.
#[derive(Debug)]
pub struct Switchboard {
    parts: Parts,
}

impl Switchboard {
    /// Starts without calls. `rtp_ports` are the even ports that media has bound; RTCP uses the next odd port. Slot i is `rtp_ports[i]`.
    pub fn new(now: Now, settings: Settings, rtp_ports: Vec<SocketAddr>, rng: Rng) -> Self {
        Self { parts: Parts::new(now, settings, rtp_ports, rng) }
    }

    /// The settings in use.
    pub fn settings(&self) -> &Settings {
        &self.parts.settings
    }

    /// The state as bytes, for `read`. They contain secrets: see `snapshot`.
    pub fn write(&self) -> Result<Vec<u8>, SnapshotError> {
        snapshot::write(&self.parts)
    }

    /// The switchboard that was written, with the same settings.
    pub fn read(bytes: &[u8], settings: Settings) -> Result<Self, SnapshotError> {
        snapshot::read(bytes, settings).map(|parts| Self { parts })
    }

    /// Handles one input and appends the resulting outputs to `out`.
    pub fn handle(&mut self, now: Now, input: Input<'_>, out: &mut Vec<Output>) {
        self.parts.handle(now, input, out);
    }

    /// The time at which `Input::Tick` is needed.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.parts.poll_timeout()
    }

    /// Values for the metrics.
    pub fn gauges(&self) -> Gauges {
        self.parts.gauges()
    }

    /// Values of the guard for the metrics.
    pub fn guard_figures(&self) -> GuardFigures {
        self.parts.guard_figures()
    }

    /// True if no call, transaction, binding or subscription is left.
    pub fn is_idle(&self) -> bool {
        self.parts.is_idle()
    }

    /// Checks the invariants of ARCHITECTURE.md. The error names the broken one.
    pub fn verify(&self) -> Result<(), String> {
        self.parts.verify()
    }
}
