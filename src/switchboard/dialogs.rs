//! Requests inside dialogs: ACK, BYE, re-INVITE, OPTIONS, whoever's leg it is.

use crate::cdr::fact::{EndCause, Side};
use crate::clock::Now;
use crate::media::command::Command;
use crate::sip::dialog::DialogKey;
use crate::sip::location::session_description;
use crate::sip::message::Stencil;
use crate::sip::offer_answer;
use crate::sip::sdp::{self, AudioCodec, Direction};
use crate::sip::wire::{Message, Method, Name};

use super::Switchboard;
use super::door::{ALLOW, Taken};
use super::end::Ending;
use super::leg::Who;

impl Switchboard {
    /// The ACK of a 2xx of ours.
    pub(super) fn acknowledged(&mut self, now: Now, message: &Message<'_>) {
        let Some(who) = DialogKey::of_request(message).and_then(|key| self.dialogs.get(&key).copied()) else { return };
        self.stop_waiting_for_ack(who);
        self.take_late_answer(who, message);
        let bye_due = self.line_mut(who).is_some_and(|line| std::mem::take(&mut line.bye_due));
        if bye_due {
            self.bye(now, who);
        }
        match who {
            Who::Caller(call) => self.reap(call),
            Who::Phone(_) | Who::Offer(..) => {}
        }
    }

    /// The answer to an offer that stood in our 2xx (RFC 3261 §13.2.1).
    fn take_late_answer(&mut self, who: Who, message: &Message<'_>) {
        let Some(line) = self.line_mut(who) else { return };
        let Some(sound) = line.sound.as_mut().filter(|sound| sound.agreed.is_none()) else { return };
        let answer = session_description(message).and_then(|body| sdp::read(body).ok());
        let Some(agreed) = answer.and_then(|answer| offer_answer::accept(&answer, sound.local).ok()) else { return };
        sound.agree(agreed);
        let (anchor, remote) = (sound.anchor, sound.remote());
        self.media.extend(remote.map(|remote| Command::Aim { anchor, remote }));
    }

    /// A request with a To tag.
    pub(super) fn in_dialog(&mut self, now: Now, taken: &Taken<'_, '_>, method: Method) {
        let who = DialogKey::of_request(taken.message).and_then(|key| self.dialogs.get(&key).copied());
        let Some(who) = who else { return self.reply(now, taken, 481, &[]) };
        let accepted = self.line_mut(who).and_then(|line| line.dialog.as_mut()).map(|d| d.accept(taken.message));
        match accepted {
            Some(Ok(())) => {}
            Some(Err(fault)) => return self.reply(now, taken, fault.status, &[]),
            None => return self.reply(now, taken, 481, &[]),
        }
        match method {
            Method::Bye => {
                self.reply(now, taken, 200, &[]);
                self.hung_up(now, who, q850(taken.message));
            }
            Method::Invite => self.renegotiate(now, taken, who),
            Method::Options => self.reply(now, taken, 200, &[(Name::Allow, ALLOW)]),
            Method::Other => self.reply(now, taken, 501, &[(Name::Allow, ALLOW)]),
            Method::Ack
            | Method::Cancel
            | Method::Register
            | Method::Info
            | Method::Update
            | Method::Prack
            | Method::Subscribe
            | Method::Notify
            | Method::Refer
            | Method::Message
            | Method::Publish => self.reply(now, taken, 405, &[(Name::Allow, ALLOW)]),
        }
    }

    fn hung_up(&mut self, now: Now, who: Who, q850: Option<u8>) {
        match who {
            Who::Caller(call) => {
                // A BYE may overtake the answer: in an early dialog it is a CANCEL (RFC 3261 §15).
                let talked = self.calls.get(&call).is_some_and(super::call::Call::has_talked);
                let cause = if talked { EndCause::Normal } else { EndCause::Abandoned };
                self.end_call(now, call, Ending::by(Side::Caller, cause).with_bye(who, q850));
                self.reap(call);
            }
            Who::Offer(call, _) => {
                self.end_call(now, call, Ending::by(Side::Operator, EndCause::Normal).with_bye(who, q850));
            }
            Who::Phone(phone) => self.end_phone(now, phone, false),
        }
    }

    /// A re-INVITE: hold, resume, a new address. Its offer is answered from the leg's own port (RFC 3264 §8).
    fn renegotiate(&mut self, now: Now, taken: &Taken<'_, '_>, who: Who) {
        let waiting = self.line_mut(who).is_some_and(|line| line.unacked.is_some());
        let unanswered =
            matches!(who, Who::Caller(call) if self.calls.get(&call).is_some_and(|c| c.caller.invite.is_some()));
        if waiting || unanswered {
            return self.reply(now, taken, 491, &[]);
        }
        let fresh = self.master_key();
        let Some(sound) = self.line_mut(who).and_then(|line| line.sound.as_mut()) else {
            return self.reply(now, taken, 481, &[]);
        };
        sound.local.version += 1;
        let described = match session_description(taken.message) {
            Some(body) => sdp::read(body).and_then(|offer| {
                sound.renew_key(&offer, fresh);
                let (body, agreed) = offer_answer::answer(&offer, sound.local, None)?;
                Ok((body, Some(agreed)))
            }),
            None => Ok((sdp::write_offer(sound.local, AudioCodec::Pcma, Direction::SendRecv), None)),
        };
        let Ok((body, agreed)) = described else { return self.reply(now, taken, 488, &[]) };
        sound.agreed = None;
        agreed.into_iter().for_each(|agreed| sound.agree(agreed));
        let (anchor, remote) = (sound.anchor, sound.remote());
        self.media.extend(remote.map(|remote| Command::Aim { anchor, remote }));
        let contact = self.contact(taken.flow);
        let bytes = Stencil::of(taken.message, taken.flow)
            .response(200, None)
            .header(Name::Contact, contact.as_bytes())
            .header(Name::Allow, ALLOW)
            .body("application/sdp", &body)
            .encode();
        self.transactions.respond(now.mono, taken.server, 200, bytes.clone(), &mut self.transmits);
        self.await_ack(now, who, taken.server, bytes);
    }
}

/// The Q.850 cause of a Reason header field (RFC 3326 §2).
fn q850(message: &Message<'_>) -> Option<u8> {
    message.list(Name::Reason).find_map(|value| {
        let text = std::str::from_utf8(value).ok()?;
        let (protocol, params) = text.split_once(';')?;
        if !protocol.trim().eq_ignore_ascii_case("Q.850") {
            return None;
        }
        let cause = params.split(';').find_map(|param| param.trim().strip_prefix("cause="))?;
        cause.trim().parse().ok()
    })
}
