//! The addresses of a phone: that of its Contact, and the source address of its REGISTER. Over UDP a request goes to
//! the Contact (RFC 3261 §8.1.2, §16.5). If the two addresses have different hosts, the phone is behind NAT, and siaga
//! uses only the source address. If only the ports differ, siaga tries the Contact first. If no response arrives within
//! a second, it also sends the INVITE to the source address: one leg then has two INVITEs, and the first response
//! selects one.

use std::time::Duration;

use bytes::Bytes;

use crate::clock::Instant;
use crate::sip::flow::Flow;
use crate::sip::transaction::ClientId;
use crate::sip::wire::Method;
use crate::switchboard::step::Step;
use crate::switchboard::wire::Wire;
use crate::switchboard::wire::clients::Purpose;

/// Time for a phone to respond at its Contact.
pub(in crate::switchboard) const SECOND_INVITE_AFTER: Duration = Duration::from_secs(1);

/// The flows for requests to a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::switchboard) struct PhoneAddresses {
    pub(in crate::switchboard) first: Flow,
    /// The source of the REGISTER, if it differs from the Contact.
    pub(in crate::switchboard) second: Option<Flow>,
}

impl PhoneAddresses {
    pub(in crate::switchboard) fn iter(self) -> impl Iterator<Item = Flow> {
        std::iter::once(self.first).chain(self.second)
    }
}

/// A request to the second address of a phone.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct SecondRequest {
    pub(in crate::switchboard) flow: Flow,
    pub(in crate::switchboard) branch: String,
    pub(in crate::switchboard) bytes: Bytes,
}

/// The second INVITE of a leg, to the second address of its phone.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) enum SecondInvite {
    #[default]
    None,
    /// The INVITE is sent at `at`, unless the phone responds earlier.
    Due { at: Instant, invite: SecondRequest },
    /// The INVITE is pending in addition to the first one. `cancelled`: the first INVITE has got a response.
    Sent { client: ClientId, flow: Flow, cancelled: bool },
}

impl SecondInvite {
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

    /// The destination of the second INVITE.
    pub(in crate::switchboard) fn flow(&self) -> Option<Flow> {
        match self {
            Self::Sent { flow, .. } => Some(*flow),
            Self::None | Self::Due { .. } => None,
        }
    }
}

impl Wire {
    /// Sends a request to the second address of a phone. Returns None if no transaction is free.
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
