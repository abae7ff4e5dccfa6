//! Trunks as they are now: who answers, and over which a call goes out.

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

/// How one trunk is used, beyond where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrunkTerms {
    /// Lower is tried first for outgoing calls.
    pub priority: u16,
    /// Calls at once, both ways; 0: no limit. Outgoing legs may exceed it.
    pub max_calls: usize,
    /// What we answer the telco's challenges with.
    pub identity: Option<Identity>,
    pub register: Option<Registration>,
    pub number_format: NumberFormat,
    /// Country code of national numbers, without `+`; empty: numbers stay as they come.
    pub country: String,
    /// Prefixes that the trunk may write before a called number of this site.
    pub called: Vec<String>,
    /// Keep-alives without an answer until the trunk counts as down, and answers until it is up again.
    pub down_after: u32,
    pub up_after: u32,
    /// Codecs and digits of its legs.
    pub formats: Formats,
    /// The networks of its media gateways; empty: the addresses of its peers.
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

/// How a number is dialled again after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::switchboard) enum NextWay {
    /// Over the trunk's next server, or over the next trunk if there is none (RFC 3263 §4.3).
    Server,
    /// Over the next trunk: this one has no route to the number, or does not accept the call.
    Trunk,
}

/// How to dial again after a failure. None after 486, 600 and 603: the callee was reached, and is busy or declines on every trunk.
pub(in crate::switchboard) fn next_way(outcome: OfferOutcome, sip_status: Option<u16>) -> Option<NextWay> {
    match (outcome, sip_status) {
        (_, None | Some(486 | 600 | 603)) => None,
        // No response, or 503: the server has failed.
        (OfferOutcome::Unreachable, Some(408 | 503)) => Some(NextWay::Server),
        (_, Some(_)) => Some(NextWay::Trunk),
    }
}

/// One trunk now.
#[derive(Debug, Default)]
pub(in crate::switchboard) struct TrunkState {
    pub(in crate::switchboard) name: String,
    pub(in crate::switchboard) up: Option<bool>,
    /// Keep-alives in a row that speak against `up`.
    pub(in crate::switchboard) streak: u32,
    pub(in crate::switchboard) binding: Option<Binding>,
}

impl TrunkState {
    /// Did not answer when it was asked last.
    pub(in crate::switchboard) fn is_down(&self) -> bool {
        self.up == Some(false)
    }
}

/// True when two settings of a trunk speak of the same place.
pub(in crate::switchboard) fn same_place(one: &Trunk, other: &Trunk) -> bool {
    (one.target, &one.host, one.transport) == (other.target, &other.host, other.transport)
}

impl Trunks {
    /// Counts one keep-alive; the change is told once enough of them agree.
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
    /// Where a number is reached over a trunk: Request-URI and flow.
    pub(in crate::switchboard) fn way_out(&self, index: usize, number: &str) -> Option<(Bytes, Flow)> {
        let trunk = self.settings.trunks.get(index)?;
        let flow = self.trunk_flow(trunk)?;
        let number = dialled(number, trunk.terms.number_format, &trunk.terms.country);
        Some((uri_over(flow, Some(&number)), flow))
    }
}

impl Trunks {
    /// Seats, challenges and requests belong to somebody alive.
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
