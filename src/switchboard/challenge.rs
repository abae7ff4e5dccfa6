//! What a telco asks our password for: the request goes out once more with the answer (RFC 3261 §22.2).

use bytes::Bytes;

use crate::clock::Now;
use crate::sip::digest::client::Identity;
use crate::sip::flow::Flow;
use crate::sip::message;
use crate::sip::transaction::ClientId;
use crate::sip::wire::{Message, Method};

use super::leg::Who;
use super::{Purpose, Switchboard};

/// A request is sent again for a challenge so often: once, and once more when its nonce was too old.
const TRIES_MAX: u8 = 2;

/// A request to a trunk that may be answered with a challenge. It outlives its trunk's settings.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    identity: Identity,
    flow: Flow,
    bytes: Bytes,
    cseq: u32,
    tries: u8,
}

impl Switchboard {
    /// Remembers what was sent to a trunk that may ask for our password.
    pub(super) fn may_be_asked(&mut self, client: ClientId, trunk: usize, flow: Flow, bytes: Bytes, cseq: u32) {
        let identity = self.settings.trunks.get(trunk).and_then(|trunk| trunk.terms.identity.clone());
        if let Some(identity) = identity {
            self.asked.insert(client, Asked { identity, flow, bytes, cseq, tries: 0 });
        }
    }

    /// A telco that may ask for a password which we have.
    pub(super) fn asks(&self, trunk: usize) -> bool {
        self.settings.trunks.get(trunk).is_some_and(|trunk| trunk.terms.identity.is_some())
    }

    /// A telco asks for credentials (401, 407): the request goes out again with them (RFC 3261 §22.2). False when it cannot,
    /// or they were wrong; then the challenge is a refusal.
    pub(super) fn authorize(&mut self, now: Now, client: ClientId, purpose: &Purpose, response: &Message<'_>) -> bool {
        if response.status().is_none_or(|status| status < 200) {
            return false;
        }
        let Some(asked) = self.asked.remove(&client) else { return false };
        if !matches!(response.status(), Some(401 | 407)) || self.is_unwanted(purpose) {
            return false;
        }
        let cnonce = self.rng.token();
        let branch = format!("z9hG4bK{}", self.rng.token());
        let head = asked.bytes.split(|b| *b == b'\r').next().unwrap_or_default();
        let mut words = head.split(|b| *b == b' ').map(|word| std::str::from_utf8(word).unwrap_or_default());
        let (Some(word), Some(uri)) = (words.next(), words.next()) else { return false };
        let Some(answer) = asked.identity.answer(response, word, uri, cnonce.as_str()) else { return false };
        if asked.tries > 0 && !(answer.stale && asked.tries < TRIES_MAX) {
            return false;
        }
        let (flow, cseq) = (asked.flow, asked.cseq + 1);
        let via = (flow.transport, self.advertised(flow), branch.as_str());
        let again = message::again(&asked.bytes, via, cseq, (answer.name, answer.value.as_bytes()));
        let Some(bytes) = again else { return false };
        let method = Method::of(word.as_bytes());
        let sent = self.transactions.send(now.mono, flow, method, &branch, bytes.clone(), &mut self.transmits);
        let Some(new) = sent else { return false };
        self.clients.remove(&client);
        self.transactions.forget(client);
        self.clients.insert(new, purpose.clone());
        self.asked.insert(new, Asked { bytes, cseq, tries: asked.tries + 1, ..asked });
        match purpose {
            Purpose::Offer(Who::Offer(call, leg)) => {
                if let Some(leg) = self.calls.get_mut(call).and_then(|call| call.legs.get_mut(leg)) {
                    (leg.client, leg.cseq) = (new, cseq);
                }
            }
            Purpose::TrunkRegister(index, _) => self.registering_with(*index, cseq),
            Purpose::Offer(Who::Caller(_) | Who::Phone(_))
            | Purpose::Refresh(_)
            | Purpose::TrunkPing(..)
            | Purpose::PhonePing(_)
            | Purpose::Farewell
            | Purpose::Leaving { .. } => {}
        }
        true
    }

    /// An offer that was cancelled meanwhile is not made again.
    fn is_unwanted(&self, purpose: &Purpose) -> bool {
        match purpose {
            Purpose::Offer(Who::Offer(call, leg)) => {
                let leg = self.calls.get(call).and_then(|call| call.legs.get(leg));
                !leg.is_some_and(super::leg::OfferLeg::is_ringing)
            }
            Purpose::Offer(Who::Caller(_) | Who::Phone(_)) => true,
            Purpose::Refresh(_)
            | Purpose::TrunkPing(..)
            | Purpose::TrunkRegister(..)
            | Purpose::PhonePing(_)
            | Purpose::Farewell
            | Purpose::Leaving { .. } => false,
        }
    }
}
