//! Offers and answers in a dialog: re-INVITE and UPDATE of a peer (RFC 3261 §14, RFC 3311, RFC 6141), and late answers.

use crate::sip::dialog::DialogKey;
use crate::sip::location::session_description;
use crate::sip::offer_answer::{self, Agreed};
use crate::sip::sdp::{self, SdpError};
use crate::sip::wire::{Message, Name};
use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::session::Session;
use crate::switchboard::session::events::SessionEvent;
use crate::switchboard::session::state::timer::Agreement;
use crate::switchboard::step::Step;
use crate::switchboard::wire::incoming_request::IncomingRequest;

/// Why an offer cannot be accepted now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Glare {
    /// An offer of siaga has no answer yet: 491.
    Ours,
    /// The peer's own offer has no answer yet: 500 with Retry-After.
    Theirs,
}

impl Session {
    /// The result of siaga's offer and the answer in a message. None if there is no usable answer.
    pub(super) fn answer_in(&self, message: &Message<'_>) -> Option<Agreed> {
        let answer = sdp::read(session_description(message)?).ok()?;
        offer_answer::accept(&answer, self.media.as_ref()?.local()).ok()
    }

    /// Handles the answer to siaga's offer in an ACK or PRACK (RFC 3261 §13.2.1, RFC 3262 §5).
    pub(super) fn take_late_answer(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        leg: LegRef,
        message: &Message<'_>,
    ) -> Option<SessionEvent> {
        let agreed = self.answer_in(message)?;
        let was_offered = self.media.as_mut()?.take_offered();
        if was_offered { self.agree(net, step, leg, agreed) } else { None }
    }

    /// Drops siaga's offer if the ACK has not answered it, so that it blocks no other offer. Returns true if there was
    /// one.
    pub(super) fn give_up_offer(&mut self) -> bool {
        self.media.as_mut().is_some_and(|media| media.take_offered())
    }

    /// Applies the result of offer and answer: sets the remote address of media.
    pub(super) fn agree(
        &mut self,
        net: &NetworkParts,
        step: &mut Step,
        leg: LegRef,
        agreed: Agreed,
    ) -> Option<SessionEvent> {
        let media = self.media.as_mut()?;
        media.agree(agreed);
        media.set_silent(false);
        self.send_peer_address(net, step, leg);
        Some(SessionEvent::Negotiated)
    }

    /// Answers an offer with the leg's own port (RFC 3264 §8).
    pub(super) fn take_offer(
        &mut self,
        net: &NetworkParts,
        step: &mut Step,
        leg: LegRef,
        offer: &[u8],
    ) -> Result<(Vec<u8>, Option<SessionEvent>), SdpError> {
        let fresh = step.master_key();
        let media = self.media.as_mut().ok_or(SdpError::NoAudio)?;
        let (body, agreed) = media.answer(offer, fresh)?;
        self.outdate();
        Ok((body, self.agree(net, step, leg, agreed)))
    }

    /// Answers the offer of a request. Returns None if the request was rejected with 488, because its offer cannot be accepted.
    pub(super) fn take_offer_of(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
        leg: LegRef,
        offer: &[u8],
    ) -> Option<(Vec<u8>, Option<SessionEvent>)> {
        let answered = self.take_offer(net, step, leg, offer);
        answered.map_err(|why| net.wire.reply(step, taken, 488, &[(Name::Warning, why.warning())])).ok()
    }

    /// Handles a re-INVITE: hold, resume, a new address or codec, or a session refresh (RFC 3261 §14.2).
    pub(super) fn renegotiate(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
        leg: LegRef,
        key: &DialogKey,
    ) -> Option<SessionEvent> {
        if self.invite_is_pending() {
            net.wire.reply_later(step, taken);
            return None;
        }
        if self.unacked.is_some() || self.has_pending_offer() {
            net.wire.reply(step, taken, 491, &[]);
            return None;
        }
        let terms = Agreement::of_request(net, step, taken, leg)?;
        let (body, negotiated) = match session_description(taken.message) {
            Some(offer) => self.take_offer_of(net, step, taken, leg, offer)?,
            None => {
                let Some(media) = &mut self.media else {
                    net.wire.reply(step, taken, 481, &[]);
                    return None;
                };
                (media.offer_in_answer(), None)
            }
        };
        self.follow(net, step, taken, leg, key);
        let session = terms.headers();
        let bytes = net.wire.settings.site.describe_response(taken, Some(&body), &session.as_headers());
        net.wire.respond(step, taken.server, 200, bytes.clone());
        self.await_ack(step, leg, taken.invite(), bytes);
        self.begin_timer(step, leg, terms);
        negotiated
    }

    /// Handles an UPDATE (RFC 3311 §5.2): a new offer, a new target or a session refresh, before or after the answer.
    pub(super) fn updated(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
        leg: LegRef,
        key: &DialogKey,
    ) -> Option<SessionEvent> {
        let offer = session_description(taken.message);
        match offer.and_then(|_| self.glare(key)) {
            Some(Glare::Ours) => {
                net.wire.reply(step, taken, 491, &[]);
                return None;
            }
            Some(Glare::Theirs) => {
                net.wire.reply_later(step, taken);
                return None;
            }
            None => {}
        }
        if !self.is_confirmed(key) {
            self.updated_early(net, step, taken, leg, key);
            return None;
        }
        let terms = Agreement::of_request(net, step, taken, leg)?;
        let (body, negotiated) = match offer {
            Some(offer) => {
                let (body, negotiated) = self.take_offer_of(net, step, taken, leg, offer)?;
                (Some(body), negotiated)
            }
            None => (None, None),
        };
        self.follow(net, step, taken, leg, key);
        let session = terms.headers();
        net.wire.reply_described(step, taken, body.as_deref(), &session.as_headers());
        if self.is_answered() {
            self.begin_timer(step, leg, terms);
        }
        negotiated
    }

    /// Handles an UPDATE in an early dialog of a phone. Its SDP applies if this dialog is answered.
    fn updated_early(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
        leg: LegRef,
        key: &DialogKey,
    ) {
        let fresh = step.master_key();
        let Some(body) = session_description(taken.message) else {
            self.follow(net, step, taken, leg, key);
            return net.wire.reply_described(step, taken, None, &[]);
        };
        let (Some(media), Some(early)) = (self.media.as_mut(), self.early.get_mut(key)) else {
            return net.wire.reply(step, taken, 481, &[]);
        };
        let body = match media.answer(body, fresh) {
            Ok((body, agreed)) => {
                early.agreed = Some(agreed);
                body
            }
            Err(why) => return net.wire.reply(step, taken, 488, &[(Name::Warning, why.warning())]),
        };
        self.follow(net, step, taken, leg, key);
        net.wire.reply_described(step, taken, Some(&body), &[]);
    }

    fn glare(&self, key: &DialogKey) -> Option<Glare> {
        if self.invite.as_ref().is_some_and(|invite| invite.is_pending() && !invite.is_described()) {
            return Some(Glare::Theirs);
        }
        if !self.is_confirmed(key) {
            let early = self.early.get(key)?;
            return early.agreed.is_none().then_some(Glare::Ours);
        }
        self.is_offering().then_some(Glare::Ours)
    }

    /// True while an offer of siaga has no answer.
    pub(super) fn is_offering(&self) -> bool {
        self.media.as_ref().is_some_and(|media| media.is_offered()) || self.has_pending_offer()
    }
}
