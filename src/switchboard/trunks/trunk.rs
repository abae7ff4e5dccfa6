//! The terms and the state of a trunk, and the choice of the trunk for an outgoing call.

use bytes::Bytes;

use crate::cdr::fact::OfferOutcome;
use crate::sip::digest::client::Identity;
use crate::sip::flow::Flow;
use crate::sip::number::{NumberFormat, dialled};
use crate::sip::sdp::Formats;
use crate::switchboard::ids::Who;
use crate::switchboard::settings::{Network, Trunk};
use crate::switchboard::trunks::registration::{Binding, Registration};
use crate::switchboard::wire::connections::uri_over;
use crate::switchboard::{Output, Purpose, Step, Trunks, Wire};

/// The settings of a trunk beside its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrunkTerms {
    /// Trunks with a lower value are tried first for outgoing calls.
    pub priority: u16,
    /// Maximum concurrent calls in both directions; 0 means no limit. Outgoing legs may exceed it.
    pub max_calls: usize,
    /// Credentials for the telco's challenges.
    pub identity: Option<Identity>,
    pub register: Option<Registration>,
    pub number_format: NumberFormat,
    /// Country code of national numbers, without `+`. If empty, numbers stay unchanged.
    pub country: String,
    /// Prefixes that the trunk may write before a called number of this site.
    pub called: Vec<String>,
    /// Keep-alives without a response after which the trunk is down, and responses after which it is up again
    /// (`up_after`).
    pub down_after: u32,
    pub up_after: u32,
    /// Codecs and DTMF format of the trunk's legs.
    pub formats: Formats,
    /// Networks of the trunk's media gateways; if empty, the networks of its peers.
    pub media: Vec<Network>,
}

impl Default for TrunkTerms {
    fn default() -> Self {
        Self {
            priority: 10,
            max_calls: 0,
            identity: None,
            register: None,
            number_format: NumberFormat::AsDialled,
            country: String::new(),
            called: Vec::new(),
            down_after: 3,
            up_after: 2,
            formats: Formats::default(),
            media: Vec::new(),
        }
    }
}

/// The next route for a number after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::switchboard) enum NextWay {
    /// The trunk's next server, or the next trunk if no server is left (RFC 3263 §4.3).
    Server,
    /// The next trunk: this one has no route to the number or does not accept the call.
    Trunk,
}

/// Selects the next route after a failure. None after 486, 600 and 603: the called party is busy or declines on every
/// trunk.
pub(in crate::switchboard) fn next_way(outcome: OfferOutcome, sip_status: Option<u16>) -> Option<NextWay> {
    match (outcome, sip_status) {
        (_, None | Some(486 | 600 | 603)) => None,
        // No response, or 503: the server has failed.
        (OfferOutcome::Unreachable, Some(408 | 503)) => Some(NextWay::Server),
        (_, Some(_)) => Some(NextWay::Trunk),
    }
}

/// The state of one trunk.
#[derive(Debug, Default)]
pub(in crate::switchboard) struct TrunkState {
    pub(in crate::switchboard) name: String,
    pub(in crate::switchboard) up: Option<bool>,
    /// Consecutive keep-alives whose result contradicts `up`.
    pub(in crate::switchboard) streak: u32,
    pub(in crate::switchboard) binding: Option<Binding>,
}

impl TrunkState {
    /// True if the trunk's keep-alives have failed.
    pub(in crate::switchboard) fn is_down(&self) -> bool {
        self.up == Some(false)
    }
}

/// True if both settings have the same target, host and transport.
pub(in crate::switchboard) fn same_place(one: &Trunk, other: &Trunk) -> bool {
    (one.target, &one.host, one.transport) == (other.target, &other.host, other.transport)
}

impl Trunks {
    /// True if the trunk responds to keep-alives.
    pub(in crate::switchboard) fn is_up(&self, index: usize) -> bool {
        self.states.get(index).is_some_and(|state| state.up == Some(true))
    }

    /// Counts one keep-alive. The state changes after enough results in a row agree.
    pub(in crate::switchboard) fn trunk_pinged(&mut self, step: &mut Step, index: usize, up: bool) {
        let Some((terms, state)) = self.settings.trunks.get(index).zip(self.states.get_mut(index)) else { return };
        if state.up == Some(up) {
            state.streak = 0;
            return;
        }
        state.streak = state.streak.saturating_add(1);
        let needed = match (state.up, up) {
            (None, true) => 1,
            (Some(_), true) => terms.terms.up_after,
            (Some(_) | None, false) => terms.terms.down_after,
        };
        if state.streak >= needed {
            state.streak = 0;
            state.up = Some(up);
            let trunk = terms.name.clone();
            step.say(Output::TrunkHealth { trunk, up });
        }
    }
}

impl Trunks {
    /// The Request-URI and flow of a number over a trunk.
    pub(in crate::switchboard) fn way_out(&self, index: usize, number: &str) -> Option<(Bytes, Flow)> {
        let trunk = self.settings.trunks.get(index)?;
        let flow = self.trunk_flow(trunk)?;
        let number = dialled(number, trunk.terms.number_format, &trunk.terms.country);
        Some((uri_over(flow, Some(&number)), flow))
    }
}

impl Trunks {
    /// Checks that channels and pending requests belong to existing legs and trunks.
    pub(in crate::switchboard) fn verify_trunks(
        &self,
        wire: &Wire,
        alive: impl Fn(&Who) -> bool,
    ) -> Result<(), String> {
        let names = self.settings.trunks.iter().map(|trunk| trunk.name.as_str());
        if !self.states.iter().map(|state| state.name.as_str()).eq(names) {
            return Err("the trunks' states are not those of the settings".to_owned());
        }
        self.channels.verify(alive)?;
        if wire.retries.keys().any(|client| !wire.clients.contains_key(client)) {
            return Err("a request that is over may still be asked for credentials".to_owned());
        }
        for (_, purpose) in wire.clients.iter() {
            if let Purpose::TrunkPing(index, _) | Purpose::TrunkRegister(index, _) = purpose
                && *index >= self.states.len()
            {
                return Err(format!("{purpose:?} is under way to a trunk that is gone"));
            }
        }
        Ok(())
    }
}
