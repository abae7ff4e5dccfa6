//! Requests that are sent again because the peer asks for credentials (RFC 3261 §22.2) or a longer session interval (RFC 4028 §7.4).

use crate::sip::message;
use crate::sip::session_timer::{Terms, min_se};
use crate::sip::transaction::ClientId;
use crate::sip::wire::{Message, Method, Name};
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::leg::OutgoingLeg;
use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::session::state::closing::Credentials;
use crate::switchboard::step::Step;
use crate::switchboard::wire::clients::{Purpose, RetryableRequest};
use crate::switchboard::wire::requests::{MIN_SE_RETRIES_MAX, TRIES_MAX};

impl Calls {
    /// Sends a request again if its final response allows it. Returns false if the response is final.
    pub(in crate::switchboard) fn try_retry(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        client: ClientId,
        purpose: &Purpose,
        response: &Message<'_>,
    ) -> bool {
        let Some(status) = response.status().filter(|status| *status >= 200) else { return false };
        let Some(asked) = net.wire.take_retry(&client) else { return false };
        if self.is_cancelled_invite(purpose) {
            return false;
        }
        match status {
            401 | 407 => self.answer_challenge(net, step, client, purpose, asked, response),
            422 if matches!(purpose, Purpose::Invite(_)) => {
                self.retry_with_min_se(net, step, client, purpose, asked, response)
            }
            _ => false,
        }
    }

    /// Answers a challenge of a trunk. Returns false if there are no credentials for it, or if they were wrong.
    fn answer_challenge(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        client: ClientId,
        purpose: &Purpose,
        asked: RetryableRequest,
        response: &Message<'_>,
    ) -> bool {
        let cnonce = step.rng.token();
        let head = asked.bytes.split(|b| *b == b'\r').next().unwrap_or_default();
        let mut words = head.split(|b| *b == b' ').map(|word| std::str::from_utf8(word).unwrap_or_default());
        let (Some(word), Some(uri)) = (words.next(), words.next()) else { return false };
        let identity = asked.identity.as_ref();
        let Some(answer) = identity.and_then(|me| me.answer(response, word, uri, cnonce.as_str())) else {
            return false;
        };
        if asked.tries > 0 && !(answer.stale && asked.tries < TRIES_MAX) {
            return false;
        }
        let asked = RetryableRequest { tries: asked.tries + 1, ..asked };
        self.send_again(net, step, client, purpose, asked, &[(answer.name, answer.value.as_bytes())])
    }

    /// Answers a 422 with a longer session interval. A later challenge is answered again, because credentials are valid for one request.
    fn retry_with_min_se(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        client: ClientId,
        purpose: &Purpose,
        asked: RetryableRequest,
        response: &Message<'_>,
    ) -> bool {
        if asked.intervals >= MIN_SE_RETRIES_MAX {
            return false;
        }
        let min_se = asked.min_se.max(min_se(response));
        let asked = RetryableRequest { intervals: asked.intervals + 1, tries: 0, min_se, ..asked };
        let terms = Terms::wanted(self.settings.session.seconds.unwrap_or(0)).at_least(min_se);
        let (expires, least) = (terms.header(true), min_se.to_string());
        let fields = [(Name::SessionExpires, expires.as_bytes()), (Name::MinSe, least.as_bytes())];
        self.send_again(net, step, client, purpose, asked, &fields)
    }

    fn send_again(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        client: ClientId,
        purpose: &Purpose,
        asked: RetryableRequest,
        fields: &[(Name, &[u8])],
    ) -> bool {
        let Some(cseq) = self.next_cseq(purpose, asked.cseq) else { return false };
        let branch = format!("z9hG4bK{}", step.rng.token());
        let via = (asked.flow.transport, self.settings.site.advertised(asked.flow), branch.as_str());
        let Some(bytes) = message::again(&asked.bytes, via, cseq, fields) else { return false };
        let method = Method::of(bytes.split(|b| *b == b' ').next().unwrap_or_default());
        let sent = net.wire.request(step, asked.flow, method, &branch, bytes.clone());
        let Some(new) = sent else { return false };
        net.wire.take_purpose(&client);
        net.wire.drop_transaction(client);
        net.wire.expect(new, purpose.clone());
        net.wire.may_retry(new, RetryableRequest { bytes, cseq, ..asked });
        if let Purpose::Invite(LegRef::Outgoing(call, leg)) = purpose
            && let Some(leg) = self.calls.get_mut(call).and_then(|call| call.legs.get_mut(leg))
        {
            // The leg's other INVITE is cancelled by now: see `invite_responds`.
            (leg.client, leg.cseq) = (Some(new), cseq);
        }
        if let Purpose::TrunkRegister(index, _) = purpose {
            net.trunks.registering_with(*index, cseq);
        }
        let given = fields.iter().find(|(name, _)| matches!(name, Name::Authorization | Name::ProxyAuthorization));
        let credentials = given.map(|(name, value)| Credentials::of(cseq, *name, value));
        if let Some(session) = purpose.leg().and_then(|who| self.session_mut(who)) {
            session.sent_again((purpose, method), client, (new, cseq), credentials);
        }
        true
    }

    /// The CSeq of a request that is sent again: the next one of its dialog, or outside a dialog `last` plus one.
    fn next_cseq(&mut self, purpose: &Purpose, last: u32) -> Option<u32> {
        match purpose {
            Purpose::Refresh(who) | Purpose::Digit(who) | Purpose::Prack(who, _) => {
                self.session_mut(*who)?.next_number(purpose)
            }
            Purpose::Invite(_)
            | Purpose::TrunkPing(..)
            | Purpose::TrunkRegister(..)
            | Purpose::PhonePing(..)
            | Purpose::Bye
            | Purpose::Deregister { .. }
            | Purpose::Notify(_)
            | Purpose::ReferNotify(_)
            | Purpose::Inquiry(_)
            | Purpose::Message(_) => last.checked_add(1),
        }
    }

    /// True for an INVITE whose leg no longer rings. It is not sent again.
    fn is_cancelled_invite(&self, purpose: &Purpose) -> bool {
        let Purpose::Invite(who) = purpose else { return false };
        let leg = match who {
            LegRef::Outgoing(call, leg) => self.calls.get(call).and_then(|call| call.legs.get(leg)),
            LegRef::Caller(_) | LegRef::Service(_) => None,
        };
        !leg.is_some_and(OutgoingLeg::is_ringing)
    }
}
