//! What an operator does about a ringing call, and later in it.

use std::time::Duration;

use super::super::endpoint::{Heard, Io, Pace};
use super::{Alarm, Deed, Leg, Phone, State, again_as};

impl Phone {
    /// What the operator will do about a call.
    pub(super) fn plans(&mut self, leg: &mut Leg, heard: &Heard<'_>, io: &mut Io<'_, Alarm>) {
        let dice = io.rng.below(100).max(if self.attentive { 10 } else { 0 });
        let expires = heard.field("Session-Expires").and_then(|expires| expires.split(';').next()?.parse().ok());
        if expires.is_some_and(|seconds: u32| seconds < 200) && io.chance(8) {
            let small = heard.answer("422 Session Interval Too Small", &leg.local, &self.contact(), "");
            return self.ends_with(leg, small.replacen("Contact", "Min-SE: 200\r\nContact", 1), io);
        }
        // Who never says anything cannot be cancelled either (RFC 3261 §9.1): the caller's side gives up by timer B.
        if dice < 6 {
            leg.state = State::Deaf;
            return;
        }
        // Says nothing until its operator picks up, late.
        if dice < 10 {
            leg.plain = heard.answer("180 Ringing", &leg.local, &self.contact(), "");
            let late = io.between(4_500, 12_000);
            return io.wake(late, Alarm::Leg(leg.id, Deed::PickUp));
        }
        let early = if dice < 16 { "100 Trying" } else { "180 Ringing" };
        leg.plain = heard.answer(early, &leg.local, &self.contact(), "");
        leg.last.clone_from(&leg.plain);
        if early == "180 Ringing" && io.chance(15) {
            self.rings_reliably(leg, io);
        } else {
            io.say(leg.last.clone());
        }
        let (when, deed) = match dice {
            0..=11 => return,
            12..=14 => (io.between(0, 3_000), Deed::Refuse("486 Busy Here")),
            15..=17 => (io.between(0, 3_000), Deed::Refuse("603 Decline")),
            18..=20 => (io.between(0, 20_000), Deed::Refuse("480 Temporarily Unavailable")),
            21..=22 => (io.between(0, 3_000), Deed::Refuse("503 Service Unavailable")),
            23..=24 => (io.between(0, 3_000), Deed::PickUpUnusably),
            25..=33 => (io.between(14_600, 15_600), Deed::PickUp),
            _ => (io.between(0, 9_000), Deed::PickUp),
        };
        io.wake(when, Alarm::Leg(leg.id, deed));
    }

    pub(super) fn does(&mut self, at: usize, deed: Deed, io: &mut Io<'_, Alarm>) {
        let mut leg = self.legs.remove(at);
        match (deed, leg.state) {
            // Not before the PRACK (RFC 3262 §3).
            (Deed::PickUp | Deed::PickUpUnusably, State::Ringing) if leg.described && leg.reliable.is_some() => {
                io.wake(Duration::from_millis(200), Alarm::Leg(leg.id, deed));
            }
            (Deed::PickUp, State::Ringing) => self.picks_up(&mut leg, true, io),
            (Deed::PickUpUnusably, State::Ringing) => self.picks_up(&mut leg, false, io),
            (Deed::Refuse(status), State::Ringing) => {
                let text = again_as(&leg.plain, status, "");
                self.ends_with(&mut leg, text, io);
            }
            (Deed::HangUp, State::Talking) => self.hangs_up(&mut leg, io),
            (Deed::Refresh, State::Talking) => self.refreshes(&mut leg, io),
            (Deed::PassOn, State::Talking) => self.passes_on(&mut leg, io),
            (Deed::Consult, State::Talking) => self.consults(io),
            (Deed::Hold, State::Talking) if leg.reinvite.is_none() => self.holds(&mut leg, io),
            (Deed::Forget, State::Deaf | State::Refused | State::Over) => return,
            // A phone without an answer stops by itself.
            (Deed::Forget, State::Ringing) if leg.stale || !leg.heard_of => return,
            (Deed::Forget, _) => io.wake(Duration::from_secs(60), Alarm::Leg(leg.id, Deed::Forget)),
            (_, _) => {}
        }
        self.legs.insert(at, leg);
    }

    /// The service is killed: its calls at this phone go silent. The operator hangs up, or the phone stops ringing after a while. What is
    /// said already is said again, to the next run of the service too.
    pub(crate) fn is_cut_off(&mut self, io: &mut Io<'_, Alarm>) {
        for leg in &mut self.legs {
            leg.stale = true;
            let deed = match leg.state {
                State::Talking => Deed::HangUp,
                State::Ringing => Deed::Forget,
                State::Deaf | State::PickedUp | State::Refused | State::Leaving | State::Over => continue,
            };
            let after = io.between(500, 30_000);
            io.wake(after, Alarm::Leg(leg.id, deed));
        }
        let Some((n, asked, _)) = self.dialled else { return };
        if self.consulted.as_ref().is_some_and(|(known, _)| *known == n) {
            let after = io.between(500, 30_000);
            io.wake(after, Alarm::Leave(n));
        } else if !self.said.is_open(asked) {
            // It has heard that the call is in progress, and nothing since.
            self.dialled = None;
        }
    }

    fn picks_up(&mut self, leg: &mut Leg, usable: bool, io: &mut Io<'_, Alarm>) {
        let body = self.described(leg, "sendrecv");
        let body = if usable { body } else { body.replace("m=audio", "m=video") };
        leg.last = self.answer_of(leg, &body, io);
        self.said.stop(leg.reliable.take());
        leg.state = State::PickedUp;
        leg.final_response = Some(self.said.start(io, Pace::Other, leg.last.clone(), Alarm::Again));
        io.voices.insert(self.rtp(leg.id));
    }
}
