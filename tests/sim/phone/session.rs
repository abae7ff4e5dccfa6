//! What a phone does about reliable responses of its own, and about sessions that are refreshed.

use std::time::Duration;

use super::super::endpoint::{Heard, Io, Pace};
use super::super::telco::session::{BUSY, agrees};
use super::{Alarm, Deed, Leg, Phone, State, again_as};

/// How a phone's 200 goes on about the session, and what it does then.
const SESSIONS: [(&str, Option<bool>); 5] = [
    ("", None),
    ("Allow: INVITE, ACK, BYE, CANCEL, UPDATE\r\n", None),
    ("Allow: INVITE, UPDATE\r\nRequire: timer\r\nSession-Expires: 90;refresher=uac\r\n", None),
    ("Require: timer\r\nSession-Expires: 90;refresher=uac\r\n", None),
    ("Session-Expires: 90;refresher=uas\r\n", Some(true)),
];

/// With the header field that follows.
const SMALL: &str = "422 Session Interval Too Small\r\nMin-SE: 120";

impl Phone {
    /// Rings reliably (RFC 3262): the response is repeated until its PRACK.
    pub(super) fn rings_reliably(&mut self, leg: &mut Leg, io: &mut Io<'_, Alarm>) {
        leg.rseq = 1 + u32::try_from(io.rng.below(1_000)).unwrap();
        leg.described = io.chance(50);
        let body = if leg.described { self.described(leg, "sendrecv") } else { String::new() };
        let text = again_as(&leg.plain, "180 Ringing", &body);
        leg.last = text.replacen("Contact", &format!("Require: 100rel\r\nRSeq: {}\r\nContact", leg.rseq), 1);
        leg.reliable = Some(self.said.start(io, Pace::Other, leg.last.clone(), Alarm::Again));
    }

    /// Responds to OPTIONS: a keep-alive, or the inquiry in the dialog of a silent talk.
    pub(super) fn asked_whether_present(&mut self, heard: &Heard<'_>, io: &mut Io<'_, Alarm>) {
        let talks = self.leg_mut(heard).is_some_and(|leg| matches!(leg.state, State::Talking | State::PickedUp));
        let present = talks || !heard.to.contains("tag=");
        let status = if present { "200 OK" } else { "481 Call/Transaction Does Not Exist" };
        io.say(heard.answer(status, &self.tagged(heard), &self.contact(), ""));
    }

    pub(super) fn is_pracked(&mut self, heard: &Heard<'_>, io: &mut Io<'_, Alarm>) {
        let contact = self.contact();
        let Some(leg) = self.leg_mut(heard) else {
            return io.say(heard.answer("481 Call/Transaction Does Not Exist", heard.to, &contact, ""));
        };
        assert_eq!(
            heard.field("RAck"),
            Some(format!("{} {} INVITE", leg.rseq, leg.invited).as_str()),
            "{}",
            heard.text
        );
        let reliable = leg.reliable.take();
        io.say(heard.answer("200 OK", heard.to, &contact, ""));
        self.said.stop(reliable);
    }

    /// The 200: without a description when all is agreed.
    pub(super) fn answer_of(&mut self, leg: &mut Leg, body: &str, io: &mut Io<'_, Alarm>) -> String {
        let (more, refreshes) = SESSIONS[usize::try_from(io.rng.below(5)).unwrap()];
        leg.refreshes = refreshes.unwrap_or(false) && io.chance(70);
        leg.lazy = refreshes.is_some() && !leg.refreshes;
        leg.collides = more.contains("refresher=uac") && io.chance(50);
        let body = if leg.described { "" } else { body };
        again_as(&leg.plain, "200 OK", body).replacen("Contact", &format!("{more}Contact"), 1)
    }

    pub(super) fn refreshes(&mut self, leg: &mut Leg, io: &mut Io<'_, Alarm>) {
        if !leg.refreshes {
            return;
        }
        io.wake(Duration::from_secs(40), Alarm::Leg(leg.id, Deed::Refresh));
        let text = self.in_dialog(leg, "UPDATE", "");
        let seconds = if io.chance(10) { 60 } else { 90 };
        let more = format!("Supported: timer\r\nSession-Expires: {seconds};refresher=uac\r\nMax-Forwards");
        self.said.stop(leg.update.take());
        leg.update = Some(self.said.start(io, Pace::Other, text.replacen("Max-Forwards", &more, 1), Alarm::Again));
        leg.update_cseq = leg.cseq;
    }

    pub(super) fn update_answered(&mut self, heard: &Heard<'_>, status: u16, io: &mut Io<'_, Alarm>) {
        let Some(at) = self.legs.iter().position(|leg| leg.call_id == heard.call_id) else { return };
        if self.legs[at].hold_cseq == heard.cseq {
            return self.reanswered(heard, status, io);
        }
        let leg = &mut self.legs[at];
        if status >= 200 && leg.update_cseq == heard.cseq {
            if status == 422 && leg.update.is_some() {
                io.wake(Duration::from_millis(10), Alarm::Leg(leg.id, Deed::Refresh));
            }
            let update = leg.update.take();
            self.said.stop(update);
        }
    }

    /// The service refreshes the session.
    pub(super) fn is_refreshed(&mut self, heard: &Heard<'_>, io: &mut Io<'_, Alarm>) {
        let contact = self.contact();
        let Some(at) = self.legs.iter().position(|leg| leg.call_id == heard.call_id) else {
            // The phone has lost its power and its state since; it does not repeat this, the service does.
            return io.say(heard.answer("481 Call/Transaction Does Not Exist", heard.to, &contact, ""));
        };
        let mut leg = self.legs.remove(at);
        let offers = heard.method == "INVITE";
        match leg.answering.as_ref().filter(|(cseq, _, _)| *cseq == heard.cseq) {
            Some((_, text, _)) => io.say(text.clone()),
            None => {
                let told = !offers && heard.field("P-Asserted-Identity").is_some();
                let known = heard.field("Session-Expires").is_some();
                assert!(known || told, "only refreshes are sent, and with whom it talks: {}", heard.text);
                let too_small = heard.text.contains("\r\nSession-Expires: 90;");
                let (status, body) = match leg.state {
                    State::Talking if io.chance(4) => (BUSY, String::new()),
                    State::Talking if too_small && io.chance(10) => (SMALL, String::new()),
                    State::Talking if offers && leg.reinvite.is_some() => ("491 Request Pending", String::new()),
                    State::Talking if offers => {
                        ("200 OK", self.described(&leg, if leg.on_hold { "inactive" } else { "sendrecv" }))
                    }
                    // The service has seen the 200, and we its ACK not yet.
                    State::Talking | State::PickedUp if !offers => ("200 OK", String::new()),
                    State::PickedUp => ("491 Request Pending", String::new()),
                    _ => ("481 Call/Transaction Does Not Exist", String::new()),
                };
                let text = heard.answer(status, heard.to, &contact, &body);
                let text = if status == "200 OK" && known { agrees(heard, &text) } else { text };
                let repeated = offers.then(|| self.said.start(io, Pace::Other, text.clone(), Alarm::Again));
                if !offers {
                    io.say(text.clone());
                }
                leg.answering = Some((heard.cseq, text, repeated));
            }
        }
        self.legs.insert(at, leg);
    }

    /// An ACK to the answer of a refresh. False when it belongs to the call's own INVITE.
    pub(super) fn refresh_acknowledged(&mut self, heard: &Heard<'_>) -> bool {
        if self.leg_mut(heard).is_none_or(|leg| leg.invited == heard.cseq) {
            return false;
        }
        let answering = self.leg_mut(heard).and_then(|leg| leg.answering.as_ref());
        let repeated = answering.filter(|(cseq, _, _)| *cseq == heard.cseq).and_then(|(_, _, id)| *id);
        self.said.stop(repeated);
        true
    }

    pub(super) fn holds(&mut self, leg: &mut Leg, io: &mut Io<'_, Alarm>) {
        let body = self.described(leg, if leg.on_hold { "sendrecv" } else { "inactive" });
        let (method, pace) = if io.chance(30) { ("UPDATE", Pace::Other) } else { ("INVITE", Pace::Invite) };
        let text = self.in_dialog(leg, method, &body);
        leg.hold_cseq = leg.cseq;
        leg.reinvite = Some(self.said.start(io, pace, text, Alarm::Again));
    }

    pub(super) fn reanswered(&mut self, heard: &Heard<'_>, status: u16, io: &mut Io<'_, Alarm>) {
        let Some(at) = self.legs.iter().position(|leg| leg.call_id == heard.call_id) else { return };
        let mut leg = self.legs.remove(at);
        if status < 200 {
            self.said.stop(leg.reinvite);
        } else {
            if heard.method == "INVITE" {
                let text = self.acks(&leg, heard, status);
                io.say(text);
            }
            let current = leg.reinvite.is_some() && heard.cseq == leg.hold_cseq;
            if current {
                self.said.stop(leg.reinvite.take());
            }
            if current && status < 300 && leg.state == State::Talking {
                leg.on_hold = !leg.on_hold;
                let rtp = self.rtp(leg.id);
                let changed = if leg.on_hold { io.voices.remove(&rtp) } else { io.voices.insert(rtp) };
                assert!(changed, "a talking phone is heard unless it is on hold");
            }
            if current && (leg.on_hold || matches!(status, 491 | 500)) {
                let again = io.between(2_000, 40_000);
                io.wake(again, Alarm::Leg(leg.id, Deed::Hold));
            }
        }
        self.legs.insert(at, leg);
    }
}
