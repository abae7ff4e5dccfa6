//! The switchboard: a back-to-back user agent with a queue in the middle. Pure: time and input in, outputs out.
//!
//! It owns every call and is the only one that decides; it must not know sockets, clocks, disks or threads.

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
mod recovery;
mod settings;
mod step;
mod subscriptions;
mod trunks;
mod verify;
mod wire;

use std::net::SocketAddr;

use crate::clock::{Instant, Now};
use crate::ids::Rng;

use admission::Admission;
use calls::Calls;
use dispatch::parts::Parts;
use facts::Facts;
use media::MediaPorts;
use messages::Messages;
use mode::Mode;
use network::NetworkParts;
use phones::Phones;
use step::Step;
use subscriptions::Subscriptions;
use trunks::Trunks;
use wire::Wire;
use wire::clients::Purpose;

pub use admission::guard::{GuardFigures, GuardSettings};
pub use calls::called::is_prefix;
pub use calls::callers::CallerTerms;
pub use calls::without_port::PortShortage;
pub use input::{Account, Actor, ConsoleCommand, Input, Supervision};
pub use kept::{KeptBinding, Presence, Restored};
pub use mode::posture::PostureTerms;
pub use output::{CallBackView, CallView, ChoiceView, ConsoleReply, Gauges, GuestView, MarkView, Output, StationView};
pub use phones::pin::Pin;
pub use phones::stations::Badge;
pub use settings::{
    Agency, AnswerMode, Category, DeskCalls, FeatureCodes, Listener, Network, Settings, SilentTerms, SrtpOffer, Trunk,
    TrunkHost,
};
pub use trunks::registration::Registration;
pub use trunks::rejection::{Rejected, Rejection};
pub use trunks::trunk::TrunkTerms;

/// The one state machine of the service.
#[derive(Debug)]
pub struct Switchboard {
    parts: Parts,
}

impl Switchboard {
    /// Starts empty. `rtp_ports` are the even ports that media has bound (RTCP stands on the next); slot i is the i-th.
    pub fn new(now: Now, settings: Settings, rtp_ports: Vec<SocketAddr>, rng: Rng) -> Self {
        Self { parts: Parts::new(now, settings, rtp_ports, rng) }
    }

    /// Takes one input and pushes what it leads to.
    pub fn handle(&mut self, now: Now, input: Input<'_>, out: &mut Vec<Output>) {
        self.parts.handle(now, input, out);
    }

    /// When `Input::Tick` is wanted.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.parts.poll_timeout()
    }

    /// Figures for the metrics.
    pub fn gauges(&self) -> Gauges {
        self.parts.gauges()
    }

    /// Figures of the guard for the metrics.
    pub fn guard_figures(&self) -> GuardFigures {
        self.parts.guard_figures()
    }

    /// True when no call, transaction, binding or subscription is left.
    pub fn is_idle(&self) -> bool {
        self.parts.is_idle()
    }

    /// Checks the invariants of ARCHITECTURE.md. The error says which is broken.
    pub fn verify(&self) -> Result<(), String> {
        self.parts.verify()
    }
}
