//! Outgoing requests that are sent, repeated or dropped.

use crate::switchboard::step::Step;
use crate::switchboard::wire::Wire;
use crate::switchboard::wire::clients::{Purpose, RetryableRequest};
use bytes::Bytes;

use crate::sip::digest::client::Identity;
use crate::sip::flow::Flow;
use crate::sip::message;
use crate::sip::transaction::ClientId;
use crate::sip::wire::{Method, Name};

/// Maximum retries after a challenge: one, plus one if the nonce was stale.
pub(in crate::switchboard) const TRIES_MAX: u8 = 2;
/// Maximum retries of an INVITE after 422: each proxy on the way may raise Min-SE once.
pub(in crate::switchboard) const MIN_SE_RETRIES_MAX: u8 = 3;

impl Wire {
    /// Drops a request whose response is no longer needed.
    pub(in crate::switchboard) fn forget(&mut self, client: ClientId) {
        self.clients.remove(&client);
        self.transactions.forget(client);
    }

    /// Stores an INVITE, which may get 422, or any request to a trunk that may challenge it.
    pub(in crate::switchboard) fn keep_for_retry(
        &mut self,
        client: ClientId,
        trunk: Option<usize>,
        flow: Flow,
        bytes: Bytes,
        cseq: u32,
    ) {
        let trunk = trunk.and_then(|trunk| self.settings.trunks.get(trunk));
        let account = trunk.and_then(|trunk| Some((trunk.name.clone(), trunk.terms.identity.clone()?)));
        self.keep_with_account(client, account, flow, bytes, cseq);
    }

    /// Stores an INVITE, or a request with the name of a trunk and the credentials for it.
    pub(in crate::switchboard) fn keep_with_account(
        &mut self,
        client: ClientId,
        account: Option<(String, Identity)>,
        flow: Flow,
        bytes: Bytes,
        cseq: u32,
    ) {
        let (trunk, identity) = account.unzip();
        if identity.is_some() || matches!(self.clients.get(&client), Some(Purpose::Invite(_))) {
            self.retries.insert(
                client,
                RetryableRequest { identity, trunk, flow, bytes, cseq, tries: 0, intervals: 0, min_se: 0 },
            );
        }
    }

    /// Takes the passwords of trunks from the settings, because a snapshot does not contain them. A request whose user name the settings no
    /// longer have keeps it without a password, and answers no challenge.
    pub(in crate::switchboard) fn restore_passwords(&mut self) {
        for asked in self.retries.values_mut() {
            let trunk = self.settings.trunks.iter().find(|trunk| Some(&trunk.name) == asked.trunk.as_ref());
            let known = trunk.and_then(|trunk| trunk.terms.identity.clone());
            if let Some(known) = known.filter(|known| asked.identity.as_ref().is_some_and(|old| old.user == known.user))
            {
                asked.identity = Some(known);
            }
        }
    }

    pub(in crate::switchboard) fn drop_client(&mut self, client: ClientId) {
        self.retries.remove(&client);
        if self.clients.remove(&client).is_some() {
            self.transactions.forget(client);
        }
    }

    pub(in crate::switchboard) fn ping(&mut self, step: &mut Step, flow: Flow, uri: &[u8], purpose: Purpose) {
        let now = step.now;
        let branch = format!("z9hG4bK{}", step.rng.token());
        let (tag, sip_call_id) = (step.rng.token(), step.rng.token());
        let from = format!("<sip:siaga@{}>;tag={tag}", self.settings.site.domain);
        let contact = self.settings.site.contact(flow);
        let bytes = message::request(Method::Options, uri)
            .via(flow.transport, self.settings.site.advertised(flow), &branch)
            .header(Name::MaxForwards, b"70")
            .header(Name::From, from.as_bytes())
            .header(Name::To, &[b"<", uri, b">"].concat())
            .header(Name::CallId, sip_call_id.as_str().as_bytes())
            .header(Name::CSeq, b"1 OPTIONS")
            .header(Name::Contact, contact.as_bytes())
            .encode();
        let sent =
            self.transactions.send(now.mono, flow, Method::Options, &branch, bytes.clone(), &mut step.out.transmits);
        if let Some(client) = sent {
            if let Purpose::TrunkPing(index, _) = purpose {
                self.keep_for_retry(client, Some(index), flow, bytes, 1);
            }
            self.clients.insert(client, purpose);
        }
    }

    pub(in crate::switchboard) fn drop_referral(&mut self, client: Option<ClientId>) {
        if let Some(client) = client {
            self.clients.remove(&client);
            self.transactions.forget(client);
        }
    }

    /// Stops waiting for responses to deregistrations, after the time limit of the drain.
    pub(in crate::switchboard) fn goodbyes_over(&mut self) {
        self.clients.await_no_goodbyes();
    }

    pub(in crate::switchboard) fn abandon_registering(&mut self, index: usize) {
        self.abandon_trunk_requests(index, |purpose| matches!(purpose, Purpose::TrunkRegister(..)));
    }

    /// Ends the requests to a trunk itself whose purpose is `wanted`: its keep-alive or its REGISTER.
    pub(in crate::switchboard) fn abandon_trunk_requests(&mut self, index: usize, wanted: impl Fn(&Purpose) -> bool) {
        let gone: Vec<_> =
            self.clients.of_trunk(index).filter(|(_, purpose)| wanted(purpose)).map(|(id, _)| id).collect();
        for client in gone {
            self.clients.remove(&client);
            self.retries.remove(&client);
            self.transactions.abandon(client);
        }
    }
}
