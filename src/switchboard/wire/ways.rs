//! The ways to a phone. Over UDP a request goes to the Contact (RFC 3261 §8.1.2, §16.5); if the Contact names another host, the phone is
//! behind NAT and is reached at the address that its REGISTER came from. A phone that does not respond at its Contact within a second is
//! rung at that address too: two INVITEs of one leg, of which the first that gets a response counts.

use crate::sip::transaction::ClientId;
use crate::sip::wire::Method;
use crate::switchboard::Purpose;
use crate::switchboard::phones::ways::SecondRequest;
use crate::switchboard::{Step, Wire};

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
