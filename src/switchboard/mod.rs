//! The switchboard: a back-to-back user agent with a queue. It owns every call and makes all decisions about calls. It must not depend on
//! sockets, clocks, disks or threads: time and inputs are passed in, outputs are returned.

mod admission;
mod calls;
mod dispatch;
mod facts;
mod feature_codes;
mod few_map;
mod ids;
mod input;
mod media;
mod messages;
mod mode;
mod network;
mod output;
mod phones;
mod pin;
mod recovery;
mod saved_state;
pub mod section;
mod session;
mod settings;
mod snapshot;
mod step;
mod subscriptions;
mod timers;
mod trunks;
mod verify;
mod wire;

use std::net::SocketAddr;

use crate::clock::{Instant, Now};
use crate::ids::Rng;

use dispatch::parts::Parts;
use subscriptions::Subscriptions;

pub use admission::guard::GuardFigures;
pub use feature_codes::{FeatureCodes, Supervision, SupervisorCodes};
pub use input::{Account, Actor, ConsoleCommand, Input};
pub use output::{
    CallBackView, CallView, ChoiceView, ConsoleReply, Gauges, MarkView, Output, ParticipantView, PasswordGuess,
    PortShortage, Rejected, Rejection, StationView,
};
pub use pin::{Pin, StationLogin};
pub use saved_state::{AccountState, Restored, SavedBinding};
pub use settings::{
    Agency, AnswerMode, CallSettings, CallerSettings, Category, DeskCalls, FallbackSettings, GuardSettings, Listener,
    MediaSettings, ModeSettings, Network, NumberPlan, OperatorSettings, PhoneSettings, Registration, SessionSettings,
    Settings, SilentSettings, Site, SrtpOffer, Trunk, TrunkHost, TrunkSettings, numbers::is_prefix,
};
pub use snapshot::SnapshotError;

/// The state machine of the service.
#[derive(Debug)]
pub struct Switchboard {
    parts: Parts,
}

impl Switchboard {
    /// Starts without calls. `rtp_ports` are the even ports that media has bound; RTCP uses the next odd port. The slot
    /// of an `AnchorId` is an index into `rtp_ports`.
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

    /// Reads a switchboard from the bytes of `write`. `settings` must be those with which it was written.
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

    /// True if nothing is left: no call, service call, transaction, binding, connection, subscription, text or look-up
    /// of a host name.
    pub fn is_idle(&self) -> bool {
        self.parts.is_idle()
    }

    /// Checks the invariants of ARCHITECTURE.md. The error names the broken one.
    pub fn verify(&self) -> Result<(), String> {
        self.parts.verify()
    }
}
