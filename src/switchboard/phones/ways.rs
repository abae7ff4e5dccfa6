//! The ways to a phone. Over UDP a request goes to the Contact (RFC 3261 §8.1.2, §16.5); if the Contact names another host, the phone is
//! behind NAT and is reached at the address that its REGISTER came from. A phone that does not respond at its Contact within a second is
//! rung at that address too: two INVITEs of one leg, of which the first that gets a response counts.

use std::time::Duration;

use bytes::Bytes;

use crate::clock::Instant;
use crate::sip::flow::Flow;
use crate::sip::transaction::ClientId;
use crate::sip::wire::Method;
use crate::switchboard::{Purpose, Step, Wire};

/// A phone has this long to respond at its Contact.
pub(in crate::switchboard) const SECOND_WAY_AFTER: Duration = Duration::from_secs(1);

/// Where requests to a phone go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::switchboard) struct Ways {
    pub(in crate::switchboard) first: Flow,
    /// Where the REGISTER came from, if that is another address.
    pub(in crate::switchboard) second: Option<Flow>,
}

impl Ways {
    pub(in crate::switchboard) fn iter(self) -> impl Iterator<Item = Flow> {
        std::iter::once(self.first).chain(self.second)
    }
}

/// A request to the second address of a phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::switchboard) struct SecondRequest {
    pub(in crate::switchboard) flow: Flow,
    pub(in crate::switchboard) branch: String,
    pub(in crate::switchboard) bytes: Bytes,
}

/// The INVITE of a leg to the second address of its phone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::switchboard) enum SecondWay {
    #[default]
    None,
    /// It leaves then, unless the phone responds before.
    Due { at: Instant, invite: SecondRequest },
    /// It is under way beside the leg's own. `cancelled`: the leg's own has got a response.
    Sent { client: ClientId, flow: Flow, cancelled: bool },
}

impl SecondWay {
    pub(in crate::switchboard) fn client(&self) -> Option<ClientId> {
        match self {
            Self::Sent { client, .. } => Some(*client),
            Self::None | Self::Due { .. } => None,
        }
    }

    pub(in crate::switchboard) fn due(&self) -> Option<Instant> {
        match self {
            Self::Due { at, .. } => Some(*at),
            Self::None | Self::Sent { .. } => None,
        }
    }

    /// Where the second INVITE has gone to.
    pub(in crate::switchboard) fn flow(&self) -> Option<Flow> {
        match self {
            Self::Sent { flow, .. } => Some(*flow),
            Self::None | Self::Due { .. } => None,
        }
    }
}

impl Wire {
    /// Sends a request to the second address of a phone. None: there is no room for its transaction.
    pub(in crate::switchboard) fn send_second(
        &mut self,
        step: &mut Step,
        method: Method,
        SecondRequest { flow, branch, bytes }: &SecondRequest,
        purpose: Purpose,
    ) -> Option<ClientId> {
        let now = step.now;
        let client = self.transactions.send(now.mono, *flow, method, branch, bytes.clone(), &mut step.out.transmits)?;
        self.clients.insert(client, purpose);
        Some(client)
    }
}
