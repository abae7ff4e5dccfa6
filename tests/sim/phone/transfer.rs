//! What an operator does in a call: talks for some time, holds, hangs up, or transfers the caller.

use std::time::Duration;

use super::super::endpoint::{Heard, Io, Pace};
use super::{Alarm, Deed, Leg, Phone, State};

/// The targets of transfers: colleagues, the queue, the fire brigade, an unknown name; and of invitations.
const TARGETS: [&str; 16] = [
    "sip:op0@",
    "sip:op1@",
    "sip:op2@",
    "sip:op3@",
    "sip:op4@",
    "sip:op5@",
    "sip:112@",
    "sip:damkar@",
    "sip:0113@",
    "sip:no@",
    "sip:*30op1@",
    "sip:*30op2@",
    "sip:*30op3@",
    "sip:*30op4@",
    "sip:*30damkar@",
    "sip:*30no@",
];

/// A REFER of this phone.
#[derive(Debug, Default)]
pub(super) struct Passing {
    asked: Option<super::super::endpoint::RepeatId>,
    cseq: u32,
}

impl Passing {
    /// Nothing of it is said any more.
    pub(super) fn take(&mut self) -> Option<super::super::endpoint::RepeatId> {
        self.asked.take()
    }
}

impl Phone {
    /// The call is connected.
    pub(super) fn talks(&mut self, id: u32, collides: bool, io: &mut Io<'_, Alarm>) {
        let talk = if io.chance(50) { io.between(500, 60_000) } else { io.between(240_000, 260_000) };
        io.wake(talk, Alarm::Leg(id, Deed::HangUp));
        io.wake(Duration::from_secs(40), Alarm::Leg(id, Deed::Refresh));
        if collides {
            let at = io.between(44_900, 45_060);
            io.wake(at, Alarm::Leg(id, Deed::Hold));
        } else if io.chance(10) {
            let hold = io.between(500, 20_000);
            io.wake(hold, Alarm::Leg(id, Deed::Hold));
        }
        if io.chance(15) {
            let consult = io.between(500, 20_000);
            io.wake(consult, Alarm::Leg(id, Deed::Consult));
        }
        if io.chance(20) {
            let pass = io.between(500, 20_000);
            io.wake(pass, Alarm::Leg(id, Deed::PassOn));
        }
    }

    /// Consults a colleague or the fire brigade, while the caller waits.
    pub(super) fn consults(&mut self, io: &mut Io<'_, Alarm>) {
        if self.dialled.is_none() {
            let whom = ["op0", "op1", "op2", "op3", "op4", "op5", "damkar", "*30op1", "*30op3", "*30op4", "*30damkar"];
            self.dials_code(whom[usize::try_from(io.rng.below(11)).unwrap()], "", io);
        }
    }

    /// The colleague has answered: most callers are passed on then, if they are there.
    pub(super) fn has_consulted(&mut self, n: u32, to: &str, io: &mut Io<'_, Alarm>) {
        let new = self.consulted.as_ref().is_none_or(|(known, _)| *known != n);
        let talks = self.legs.iter().find(|leg| leg.state == State::Talking).map(|leg| leg.id);
        self.consulted = Some((n, to.to_owned()));
        if let Some(id) = talks.filter(|_| new && io.chance(80)) {
            let join = io.between(0, 8_000);
            io.wake(join, Alarm::Leg(id, Deed::PassOn));
        }
    }

    /// Joins another operator's call, and stays for some time.
    pub(super) fn is_let_in(&mut self, n: u32, to: &str, io: &mut Io<'_, Alarm>) {
        if self.consulted.as_ref().is_some_and(|(known, _)| *known == n) {
            return;
        }
        self.consulted = Some((n, to.to_owned()));
        // Some phones send nothing while their operator only listens, and are taken for dead.
        if io.chance(80) {
            io.voices.insert(self.rtp(0));
        }
        let stay = io.between(0, 90_000);
        io.wake(stay, Alarm::Leave(n));
    }

    /// Leaves the call.
    pub(super) fn leaves(&mut self, n: u32, io: &mut Io<'_, Alarm>) {
        let Some((_, _, code)) = self.dialled.filter(|(dialled, _, _)| *dialled == n) else { return };
        let Some((_, to)) = self.consulted.clone().filter(|(known, _)| *known == n) else { return };
        io.voices.remove(&self.rtp(0));
        let text = self.code_request("BYE", code, n, "", "").replace("CSeq: 1 ", "CSeq: 2 ");
        let text = text.replace(&format!("To: <sip:{code}@127.0.0.1>"), &format!("To: {to}"));
        self.dialled = Some((n, self.said.start(io, Pace::Other, text, Alarm::Again), code));
    }

    /// The URI that names the colleague's dialog as its far end sees it.
    fn colleague(&self) -> Option<String> {
        let (n, _, whom) = self.dialled?;
        let (_, to) = self.consulted.as_ref().filter(|(known, _)| *known == n)?;
        let tag = to.split(";tag=").nth(1)?;
        let name = &self.name;
        Some(format!("sip:{whom}@127.0.0.1?Replaces=code-{name}-{n}%3Bto-tag%3D{tag}%3Bfrom-tag%3Df{n}"))
    }

    pub(super) fn passes_on(&mut self, leg: &mut Leg, io: &mut Io<'_, Alarm>) {
        let target = format!("{}127.0.0.1", TARGETS[usize::try_from(io.rng.below(16)).unwrap()]);
        let target = self.colleague().unwrap_or(target);
        let unwanted = if io.chance(20) { "Refer-Sub: false\r\n" } else { "" };
        let text = self.in_dialog(leg, "REFER", "");
        let more = format!("Refer-To: <{target}>\r\n{unwanted}Max-Forwards");
        let text = text.replacen("Max-Forwards", &more, 1);
        let asked = Some(self.said.start(io, Pace::Other, text, Alarm::Again));
        leg.passing = Passing { asked, cseq: leg.cseq };
    }

    pub(super) fn refer_answered(&mut self, heard: &Heard<'_>, status: u16, io: &mut Io<'_, Alarm>) {
        let Some(leg) = self.legs.iter_mut().find(|leg| leg.call_id == heard.call_id) else { return };
        if status < 200 || leg.passing.cseq != heard.cseq || leg.passing.asked.is_none() {
            return;
        }
        let (id, asked) = (leg.id, leg.passing.asked.take());
        self.said.stop(asked);
        let good = matches!(status, 202 | 403 | 404 | 481 | 486 | 491 | 500);
        assert!(good, "no answer to a REFER: {}", heard.text);
        // Some leave as soon as the transfer has begun.
        if status == 202 && io.chance(30) {
            let leave = io.between(0, 2_000);
            io.wake(leave, Alarm::Leg(id, Deed::HangUp));
        }
    }

    pub(super) fn is_notified(&mut self, heard: &Heard<'_>, io: &mut Io<'_, Alarm>) {
        let contact = self.contact();
        let Some(leg) = self.legs.iter_mut().find(|leg| leg.call_id == heard.call_id) else {
            return io.say(heard.answer("481 Call/Transaction Does Not Exist", heard.to, &contact, ""));
        };
        assert!(leg.passing.cseq > 0, "nobody has asked for it: {}", heard.text);
        let (id, done) = (leg.id, heard.text.contains("\r\n\r\nSIP/2.0 200 "));
        let over = matches!(leg.state, State::Over | State::Leaving);
        let status = if over && io.chance(50) { "481 Subscription Does Not Exist" } else { "200 OK" };
        io.say(heard.answer(status, heard.to, &contact, ""));
        if done && !over && io.chance(50) {
            io.wake(Duration::from_millis(1), Alarm::Leg(id, Deed::HangUp));
        }
    }
}
