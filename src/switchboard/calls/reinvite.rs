//! Offers in a dialog: re-INVITE and UPDATE of a peer (RFC 3261 §14, RFC 3311, RFC 6141), and late answers.

use crate::cdr::fact::FactKind;
use crate::ids::{CallId, LegNo};
use crate::sip::dialog::{Dialog, DialogKey};
use crate::sip::location::session_description;
use crate::sip::offer_answer::Agreed;
use crate::sip::sdp::{AudioCodec, Direction, Places, SdpError};
use crate::sip::wire::{Message, Name};
use crate::sip::{offer_answer, sdp};
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::leg::Line;
use crate::switchboard::calls::refresh::Asked;
use crate::switchboard::calls::state::call::Stage;
use crate::switchboard::ids::Who;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::step::Step;
use crate::switchboard::wire::taken::Taken;

/// Why an offer cannot be accepted now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Glare {
    /// An offer of siaga has no answer yet: 491.
    Ours,
    /// The peer's own offer has no answer yet: 500 with Retry-After.
    His,
}

impl Calls {
    /// The dialog of a leg to which a request belongs: its confirmed dialog, or one of its early ones.
    pub(in crate::switchboard) fn dialog_mut(&mut self, who: Who, key: &DialogKey) -> Option<&mut Dialog> {
        if let Who::Offer(call, leg) = who {
            let offer = self.calls.get_mut(&call)?.legs.get_mut(&leg)?;
            let confirmed = offer.line.dialog.as_ref().is_some_and(|dialog| dialog.key() == key);
            return match confirmed {
                true => offer.line.dialog.as_mut(),
                false => offer.early.get_mut(key).map(|early| &mut early.dialog),
            };
        }
        self.line_mut(who).and_then(|line| line.dialog.as_mut())
    }

    /// True if the dialog is confirmed, or is the caller's.
    pub(in crate::switchboard) fn is_confirmed(&mut self, who: Who, key: &DialogKey) -> bool {
        self.line_mut(who).and_then(|line| line.dialog.as_ref()).is_some_and(|dialog| dialog.key() == key)
    }

    /// Handles the answer to siaga's offer in a 2xx or a reliable response (RFC 3261 §13.2.1, RFC 3262 §5).
    pub(in crate::switchboard) fn take_late_answer(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        who: Who,
        message: &Message<'_>,
    ) {
        let Some(line) = self.line_mut(who) else { return };
        let Some(agreed) = line.answer_in(message) else { return };
        let Some(sound) = line.sound.as_mut().filter(|sound| sound.offered) else { return };
        sound.offered = false;
        self.agree(net, step, who, agreed);
    }

    /// Drops siaga's offer if the ACK has not answered it, so that it blocks no other offer. Returns true if there was
    /// one.
    pub(in crate::switchboard) fn give_up_offer(&mut self, who: Who) -> bool {
        let sound = self.line_mut(who).and_then(|line| line.sound.as_mut());
        sound.is_some_and(|sound| std::mem::take(&mut sound.offered))
    }

    /// Applies the result of offer and answer: sets the remote address of media, and starts or ends hold.
    pub(in crate::switchboard) fn agree(&mut self, net: &mut NetworkParts, step: &mut Step, who: Who, agreed: Agreed) {
        let Some(sound) = self.line_mut(who).and_then(|line| line.sound.as_mut()) else { return };
        sound.agree(agreed);
        sound.silent = false;
        self.aim(net, step, who);
        if let Who::Caller(call) | Who::Offer(call, _) = who {
            self.rejoin(net, step, call);
        }
    }

    /// Answers an offer with the leg's own port (RFC 3264 §8).
    pub(in crate::switchboard) fn take_offer(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        who: Who,
        offer: &[u8],
    ) -> Result<Vec<u8>, SdpError> {
        let fresh = step.master_key();
        let Some(sound) = self.line_mut(who).and_then(|line| line.sound.as_mut()) else {
            return Err(SdpError::NoAudio);
        };
        let family = sound.local.address;
        let offer = sdp::read_for(offer, |address| address.is_ipv4() == family.is_ipv4())?;
        let local = sound.renewed(&offer, fresh);
        let (body, agreed) = offer_answer::answer(&offer, local, None)?;
        (sound.local, sound.places) = (local, Places::of(&offer));
        self.outdate(who);
        self.agree(net, step, who, agreed);
        Ok(body)
    }

    /// Handles a re-INVITE: hold, resume, a new address or codec, or a session refresh (RFC 3261 §14.2).
    pub(in crate::switchboard) fn renegotiate(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &Taken<'_, '_>,
        who: Who,
        key: &DialogKey,
    ) {
        let _now = step.now;
        let first_pending =
            matches!(who, Who::Caller(call) if self.calls.get(&call).is_some_and(|c| c.caller.invite.is_some()));
        if first_pending {
            return net.wire.reply_later(step, taken);
        }
        let offered = |line: &mut Line| line.asked.as_ref().is_some_and(Asked::offers);
        let busy = self.line_mut(who).is_some_and(|line| line.unacked.is_some() || offered(line));
        if busy {
            return net.wire.reply(step, taken, 491, &[]);
        }
        let Some(terms) = net.wire.agree_session(step, taken, who) else { return };
        let body = match session_description(taken.message) {
            Some(offer) => match self.take_offer(net, step, who, offer) {
                Ok(body) => body,
                Err(why) => return net.wire.reply(step, taken, 488, &[(Name::Warning, why.warning())]),
            },
            None => {
                let Some(sound) = self.line_mut(who).and_then(|line| line.sound.as_mut()) else {
                    return net.wire.reply(step, taken, 481, &[]);
                };
                sound.offered = true;
                sound.local.version += 1;
                let codec = sound.agreed.map_or(AudioCodec::Pcma, |agreed| agreed.codec);
                sdp::write_offer(sound.local, codec, Direction::SendRecv, &sound.places)
            }
        };
        self.follow(net, step, taken, who, key);
        let session = terms.headers();
        let bytes = self.settings.describe_response(taken, Some(&body), &session.as_headers());
        net.wire.respond(step, taken.server, 200, bytes.clone());
        self.await_ack(step, who, taken.invite(), bytes);
        self.begin_session(step, who, terms);
    }

    /// Handles an UPDATE (RFC 3311 §5.2): a new offer, a new target or a session refresh, before or after the answer.
    pub(in crate::switchboard) fn updated(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &Taken<'_, '_>,
        who: Who,
        key: &DialogKey,
    ) {
        let offer = session_description(taken.message);
        match offer.and_then(|_| self.glare(who, key)) {
            Some(Glare::Ours) => return net.wire.reply(step, taken, 491, &[]),
            Some(Glare::His) => return net.wire.reply_later(step, taken),
            None => {}
        }
        if !self.is_confirmed(who, key) {
            return self.updated_early(net, step, taken, who, key);
        }
        let Some(terms) = net.wire.agree_session(step, taken, who) else { return };
        let body = match offer.map(|offer| self.take_offer(net, step, who, offer)) {
            Some(Err(why)) => return net.wire.reply(step, taken, 488, &[(Name::Warning, why.warning())]),
            Some(Ok(body)) => Some(body),
            None => None,
        };
        self.follow(net, step, taken, who, key);
        let session = terms.headers();
        net.wire.reply_described(step, taken, body.as_deref(), &session.as_headers());
        let early = matches!(who, Who::Caller(call) if self.calls.get(&call).is_some_and(|c| !c.caller.answered));
        if !early {
            self.begin_session(step, who, terms);
        }
    }

    /// Handles an UPDATE in an early dialog of a phone. Its SDP applies if this dialog is answered.
    fn updated_early(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &Taken<'_, '_>,
        who: Who,
        key: &DialogKey,
    ) {
        let fresh = step.master_key();
        let Who::Offer(call, leg) = who else { return net.wire.reply(step, taken, 481, &[]) };
        let Some(offer) = self.calls.get_mut(&call).and_then(|call| call.legs.get_mut(&leg)) else {
            return net.wire.reply(step, taken, 481, &[]);
        };
        let Some(body) = session_description(taken.message) else {
            self.follow(net, step, taken, who, key);
            return net.wire.reply_described(step, taken, None, &[]);
        };
        let (Some(sound), Some(early)) = (offer.line.sound.as_mut(), offer.early.get_mut(key)) else {
            return net.wire.reply(step, taken, 481, &[]);
        };
        let family = sound.local.address;
        let read = sdp::read_for(body, |address| address.is_ipv4() == family.is_ipv4());
        let answered = read.and_then(|offer| {
            let local = sound.renewed(&offer, fresh);
            offer_answer::answer(&offer, local, None).map(|(body, agreed)| (body, agreed, local, Places::of(&offer)))
        });
        let (body, agreed, local, places) = match answered {
            Ok(answered) => answered,
            Err(why) => return net.wire.reply(step, taken, 488, &[(Name::Warning, why.warning())]),
        };
        (sound.local, sound.places, early.agreed) = (local, places, Some(agreed));
        self.follow(net, step, taken, who, key);
        net.wire.reply_described(step, taken, Some(&body), &[]);
    }

    /// Applies the target of an accepted request: its Contact becomes the dialog's remote target, and its flow the
    /// leg's flow. The phone has moved, or its NAT binding or connection has changed (RFC 3261 §12.2.2, RFC 6141 §4.6).
    pub(in crate::switchboard) fn follow(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &Taken<'_, '_>,
        who: Who,
        key: &DialogKey,
    ) {
        if let Some(dialog) = self.dialog_mut(who, key) {
            dialog.refresh(taken.message);
            self.reroute(net, who, taken.flow);
            self.look_up(net, step, who);
        }
    }

    fn glare(&mut self, who: Who, key: &DialogKey) -> Option<Glare> {
        if let Who::Caller(call) = who {
            let caller = self.calls.get(&call).map(|call| &call.caller)?;
            if caller.invite.is_some() && !caller.is_described() {
                return Some(Glare::His);
            }
        }
        if let Who::Offer(call, leg) = who
            && !self.is_confirmed(who, key)
        {
            let early = self.calls.get(&call)?.legs.get(&leg)?.early.get(key)?;
            return early.agreed.is_none().then_some(Glare::Ours);
        }
        let line = self.line_mut(who)?;
        let offered = line.sound.as_ref().is_some_and(|sound| sound.offered);
        (offered || line.asked.as_ref().is_some_and(|asked| asked.offers())).then_some(Glare::Ours)
    }
}

impl Calls {
    /// Bridges the two sides of an answered call, or separates them while one holds the other. The held side hears a
    /// tone. The recording continues, because audio of the held side may matter.
    pub(in crate::switchboard) fn rejoin(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Stage::Talking { leg } = call.stage else { return };
        let operator = call.legs.get(&leg).and_then(|leg| leg.line.sound.as_ref());
        let (Some(caller), Some(operator)) = (call.caller.line.sound.as_ref(), operator) else { return };
        let (a, b) = (caller.anchor, operator.anchor);
        let (was, is) = (call.holding, (caller.peer_holds(), operator.peer_holds()));
        call.holding = is;
        if call.mixed {
            self.arrange(net, step, id);
        } else if was != is {
            net.media.hold_apart(step, (a, b), was, is);
        }
        for (leg, was, is) in [(LegNo::CALLER, was.0, is.0), (leg, was.1, is.1)] {
            match (was, is) {
                (false, true) => self.fact(net, step, id, FactKind::Held { leg }),
                (true, false) => self.fact(net, step, id, FactKind::Resumed { leg }),
                (true, true) | (false, false) => {}
            }
        }
    }
}
