//! What a phone does beside calls: it registers, and its operator dials feature codes.

use super::super::endpoint::{Heard, Io, Pace, RepeatId, Said};
use super::super::text::credentials;
use super::{Alarm, Phone, State};
use std::time::Duration;

/// Into whose call a supervisor wants, and how.
const SUPERVISES: [&str; 14] = [
    "*21op0", "*21op1", "*21op2", "*22op3", "*22op4", "*22op5", "*23op0", "*23op2", "*23op4", "*24op1", "*24op3",
    "*21no", "*25", "*252",
];

/// Who logs in at a station.
const TURNS: [&str; 4] = ["*170", "*171", "*172", "*179"];

/// What a phone has under way with the registrar.
#[derive(Debug, Default)]
pub(super) struct Registration {
    pub(super) life: u32,
    pub(super) cseq: u32,
    pub(super) asked: Option<RepeatId>,
    pub(super) leaving: bool,
}

impl Phone {
    pub(super) fn registers(&mut self, io: &mut Io<'_, Alarm>) {
        if self.closing {
            return;
        }
        self.registration.leaving = !self.attentive && io.chance(8);
        self.sends_register("", io);
    }

    pub(super) fn sends_register(&mut self, authorization: &str, io: &mut Io<'_, Alarm>) {
        self.said.stop(self.registration.asked.take());
        self.registration.cseq += 1;
        self.serial += 1;
        let (name, life, cseq) = (&self.name, self.registration.life, self.registration.cseq);
        let aor = format!("<sip:{name}@127.0.0.1>");
        let expires = if self.registration.leaving { 0 } else { 300 };
        let text = Said {
            method: "REGISTER",
            uri: "sip:127.0.0.1",
            at: &self.host_port,
            branch: &format!("z9hG4bKr{name}{}", self.serial),
            from: &format!("{aor};tag=r{life}"),
            to: &aor,
            call_id: &format!("reg-{name}-{life}"),
            cseq,
            more: &format!("Expires: {expires}\r\n{authorization}"),
            body: "",
        }
        .text();
        let text = self.with_contact(text);
        self.registration.asked = Some(self.said.start(io, Pace::Other, text, Alarm::Again));
    }

    pub(super) fn registered(&mut self, heard: &Heard<'_>, status: u16, io: &mut Io<'_, Alarm>) {
        if status < 200 || heard.cseq != self.registration.cseq || self.registration.asked.is_none() {
            return;
        }
        self.said.stop(self.registration.asked.take());
        match status {
            401 => {
                let authorization = credentials(heard.text, &self.name, "REGISTER", "sip:127.0.0.1");
                self.sends_register(&authorization, io);
            }
            200 => {
                let away = self.registration.leaving;
                let next = if away { io.between(500, 120_000) } else { io.between(100_000, 200_000) };
                io.wake(next, Alarm::Register(self.registration.life));
            }
            // Removed from the list of operators, or out of order: tries again.
            403 | 500 => {
                let next = io.between(5_000, 60_000);
                io.wake(next, Alarm::Register(self.registration.life));
            }
            // The service has started and does not know its accounts yet.
            503 if self.unready_until.is_some_and(|until| io.now <= until) => {
                let next = io.between(5_000, 10_000);
                io.wake(next, Alarm::Register(self.registration.life));
            }
            // What the last operator sends while it is removed counts as guesses of a password.
            503 if self.name == "op5" => {
                let next = io.between(5_000, 60_000);
                io.wake(next, Alarm::Register(self.registration.life));
            }
            _ => panic!("unexpected: {}", heard.text),
        }
    }

    pub(super) fn dials(&mut self, io: &mut Io<'_, Alarm>) {
        // Operators come to a station, and go, more often than they dial.
        let next = if self.station { io.between(5_000, 60_000) } else { io.between(20_000, 400_000) };
        io.wake(next, Alarm::Dial);
        if !self.is_open() && self.dialled.is_none() && !self.closing {
            let codes = [
                "*11", "*12", "*13", "*14", "*11", "*14", "*99", "op0", "op3", "op5", "damkar", "*41", "*43", "*50",
                "*132", "*15",
            ];
            let code = codes[usize::try_from(io.rng.below(16)).unwrap()];
            let code = if io.chance(60) { SUPERVISES[usize::try_from(io.rng.below(14)).unwrap()] } else { code };
            let code = match self.station && io.chance(60) {
                true => TURNS[usize::try_from(io.rng.below(4)).unwrap()],
                false => code,
            };
            self.dials_code(code, "", io);
        }
    }

    pub(super) fn dials_code(&mut self, code: &'static str, authorization: &str, io: &mut Io<'_, Alarm>) {
        self.serial += 1;
        let n = self.serial;
        let text = self.code_request("INVITE", code, n, authorization, &self.sdp(0, "sendrecv"));
        self.dialled = Some((n, self.said.start(io, Pace::Invite, text, Alarm::Again), code));
    }

    pub(super) fn code_answered(&mut self, heard: &Heard<'_>, status: u16, io: &mut Io<'_, Alarm>) {
        let Some((n, asked, code)) = self.dialled else { return };
        if heard.call_id != format!("code-{}-{n}", self.name) {
            return;
        }
        if heard.method == "BYE" && status >= 200 {
            self.said.stop(Some(asked));
            self.dialled = None;
            return;
        }
        if heard.method != "INVITE" {
            return;
        }
        // Of an answer that is repeated while the operator leaves.
        let leaving = self.consulted.as_ref().is_some_and(|(known, _)| *known == n);
        if !leaving {
            self.said.stop(Some(asked));
        }
        if status < 200 {
            return;
        }
        let mut ack = self.code_request("ACK", code, n, "", "");
        if status >= 300 {
            ack = ack.replace("branch=z9hG4bKack", "branch=z9hG4bKcode");
        }
        io.say(ack.replace(&format!("To: <sip:{code}@127.0.0.1>"), &format!("To: {}", heard.to)));
        match status {
            401 => {
                let uri = format!("sip:{code}@127.0.0.1");
                let authorization = credentials(heard.text, &self.name, "INVITE", &uri);
                self.dials_code(code, &authorization, io);
            }
            300.. => self.dialled = None,
            _ if code.starts_with("*2") => self.is_let_in(n, heard.to, io),
            _ => self.has_consulted(n, heard.to, io),
        }
    }

    pub(super) fn code_request(&self, method: &str, code: &str, n: u32, authorization: &str, body: &str) -> String {
        let name = &self.name;
        let kind = if method == "ACK" { "ack" } else { "code" };
        let uri = format!("sip:{code}@127.0.0.1");
        Said {
            method,
            uri: &uri,
            at: &self.host_port,
            branch: &format!("z9hG4bK{kind}{name}{n}"),
            from: &format!("<sip:{name}@127.0.0.1>;tag=f{n}"),
            to: &format!("<{uri}>"),
            call_id: &format!("code-{name}-{n}"),
            cseq: 1,
            more: authorization,
            body,
        }
        .text()
    }
    // The rest.

    /// One of its messages got no response for 64 T1.
    pub(super) fn unheard(&mut self, id: RepeatId, io: &mut Io<'_, Alarm>) {
        self.colleagues.give_up(id);
        let id = Some(id);
        if id == self.registration.asked {
            self.unheard_registers += 1;
            self.registration.asked = None;
            io.wake(Duration::from_secs(5), Alarm::Register(self.registration.life));
        }
        if id == self.dialled.map(|(_, asked, _)| asked) {
            self.dialled = None;
        }
        let Some(at) =
            self.legs.iter().position(|leg| [leg.final_response, leg.bye, leg.reinvite, leg.reliable].contains(&id))
        else {
            return;
        };
        let mut leg = self.legs.remove(at);
        if id == leg.final_response && leg.state == State::PickedUp {
            // No ACK came: the session is ended with BYE (RFC 3261 §13.3.1.4).
            self.hangs_up(&mut leg, io);
        } else if id == leg.reinvite {
            leg.reinvite = None;
        } else if id == leg.reliable {
            leg.reliable = None;
        } else {
            leg.state = State::Over;
        }
        self.legs.insert(at, leg);
    }
}

/// The same response with another status and body.
pub(super) fn again_as(response: &str, status: &str, body: &str) -> String {
    let (_, fields) = response.split_once("\r\n").unwrap();
    let (fields, _) = fields.split_once("Content-Length").unwrap();
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!("SIP/2.0 {status}\r\n{fields}{kind}Content-Length: {}\r\n\r\n{body}", body.len())
}
