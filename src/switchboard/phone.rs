//! Sessions that end with the service itself: operators' feature codes and test calls.

use std::time::Duration;

use bytes::Bytes;

use crate::clock::{Instant, Now};
use crate::media::command::{Command, Prompt};
use crate::sip::dialog::Dialog;
use crate::sip::location::session_description;
use crate::sip::message::Stencil;
use crate::sip::offer_answer;
use crate::sip::replaces::Replaces;
use crate::sip::sdp;
use crate::sip::uri::Uri;
use crate::sip::wire::Name;

use super::Switchboard;
use super::door::{ALLOW, Taken};
use super::leg::{Line, Who};
use super::timers::Alarm;

/// A service call lasts no longer, whatever is played.
const PHONE_CALL_MAX: Duration = Duration::from_secs(15);
/// Service calls at once; more are told to try again.
const PHONE_CALLS_MAX: usize = 1_000;

/// One session with the service.
#[derive(Debug)]
pub(super) struct PhoneCall {
    pub(super) line: Line,
    pub(super) over_at: Instant,
}

impl Switchboard {
    /// An INVITE of somebody who is not a trunk: operators may dial feature codes, colleagues and agencies,
    /// and take over the calls of others (RFC 3891).
    pub(super) fn phone_invited(&mut self, now: Now, taken: &Taken<'_, '_>) {
        let Some(operator) = self.authenticate(now, taken) else { return };
        match Replaces::read(taken.message) {
            Ok(None) => {}
            Ok(Some(replaces)) => return self.picks_up(now, taken, operator, &replaces),
            Err(fault) => return self.reply(now, taken, fault.status, &[]),
        }
        let uri = taken.message.request_uri().unwrap_or_default();
        let dialled = Uri::parse(uri).ok().and_then(|uri| uri.user().map(|user| user.into_owned())).unwrap_or_default();
        let codes = &self.settings.feature_codes;
        let is = |code: &str| dialled == code.as_bytes();
        let done = if is(&codes.log_in) {
            self.acd.log_in(now, &operator)
        } else if is(&codes.log_out) {
            self.acd.log_out(now, &operator)
        } else if is(&codes.pause) {
            self.acd.pause(now, &operator, "phone")
        } else if is(&codes.resume) {
            self.acd.resume(now, &operator)
        } else if let Some((errand, whose)) = self.supervision(&dialled) {
            return self.supervises(now, taken, operator, errand, &whose);
        } else {
            return self.place(now, taken, operator);
        };
        let prompt = if done.is_ok() { Prompt::Confirm } else { Prompt::Refused };
        self.serve(now, taken, prompt);
    }

    /// `urn:service:test.sos`: answered, confirmed, hung up; never queued, never a call.
    pub(super) fn test_call(&mut self, now: Now, taken: &Taken<'_, '_>) {
        self.serve(now, taken, Prompt::Confirm);
    }

    fn serve(&mut self, now: Now, taken: &Taken<'_, '_>, prompt: Prompt) {
        if self.phones.len() >= PHONE_CALLS_MAX {
            return self.reply(now, taken, 503, &[(Name::RetryAfter, b"5")]);
        }
        let tag = self.rng.token();
        let dialog = match Dialog::as_callee(taken.message, tag.as_str()) {
            Ok(dialog) => dialog,
            Err(fault) => return self.reply(now, taken, fault.status, &[]),
        };
        self.next_phone += 1;
        let who = Who::Phone(self.next_phone);
        let Some(mut sound) = self.lend_sound(who) else {
            return self.reply(now, taken, 503, &[(Name::RetryAfter, b"5")]);
        };
        let answer = session_description(taken.message)
            .and_then(|body| sdp::read(body).ok())
            .and_then(|offer| offer_answer::answer(&offer, sound.local, None).ok());
        let Some((body, agreed)) = answer else {
            self.return_anchor(sound.anchor);
            return self.reply(now, taken, 488, &[]);
        };
        sound.agree(agreed);
        let (anchor, remote) = (sound.anchor, sound.remote());
        self.media.extend(remote.map(|remote| Command::Aim { anchor, remote }));
        self.media.push(Command::Play { anchor, first: Some(prompt), then: None });
        let contact = self.contact(taken.flow);
        let bytes: Bytes = Stencil::of(taken.message, taken.flow)
            .response(200, Some(tag.as_str()))
            .header(Name::Contact, contact.as_bytes())
            .header(Name::Allow, ALLOW)
            .body("application/sdp", &body)
            .encode();
        self.transactions.respond(now.mono, taken.server, 200, bytes.clone(), &mut self.transmits);
        self.dialogs.insert(dialog.key().clone(), who);
        let mut line = Line::new(taken.flow, false);
        line.dialog = Some(dialog);
        line.sound = Some(sound);
        let over_at = now.mono + PHONE_CALL_MAX;
        self.phones.insert(self.next_phone, PhoneCall { line, over_at });
        self.alarms.insert(over_at, Alarm::PhoneOver(self.next_phone));
        self.await_ack(now, who, taken.invite(), bytes);
    }

    /// Ends a service call; `bye` unless the peer has sent one.
    pub(super) fn end_phone(&mut self, now: Now, phone: u64, bye: bool) {
        let who = Who::Phone(phone);
        if !self.phones.contains_key(&phone) {
            return;
        }
        if bye {
            self.bye(now, who);
        }
        self.stop_waiting_for_ack(who);
        self.close_sound(who);
        if let Some(gone) = self.phones.remove(&phone) {
            self.alarms.remove(gone.over_at, Alarm::PhoneOver(phone));
            self.forget_dialog(gone.line.dialog.as_ref());
        }
    }
}
