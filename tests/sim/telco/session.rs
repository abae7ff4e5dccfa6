//! What a caller does about reliable responses, own session refreshes, and those of the service.

use std::time::Duration;

use super::super::endpoint::{Heard, Io, Pace};
use super::super::world::TRUNK;
use super::{Alarm, Caller, State};

/// What a caller's side knows beside RFC 3261.
#[derive(Debug, Default)]
pub(super) struct Knows {
    /// Header fields of the caller's INVITE.
    pub(super) more: &'static str,
    /// The caller has to refresh, and does.
    pub(super) refreshes: bool,
    /// The caller has to refresh, and does not.
    pub(super) lazy: bool,
    /// The caller never acknowledges a reliable response.
    pub(super) deaf: bool,
}

impl Knows {
    pub(super) fn some(io: &mut Io<'_, Alarm>) -> Self {
        let more = match io.rng.below(20) {
            0..=2 => "Require: 100rel\r\n",
            3..=4 => "Supported: 100rel, timer\r\nAllow: INVITE, ACK, BYE, CANCEL, UPDATE, PRACK\r\n",
            5..=6 => "Supported: timer\r\n",
            7..=8 => "Supported: timer\r\nSession-Expires: 90;refresher=uac\r\nAllow: INVITE, UPDATE\r\n",
            9 => "Session-Expires: 100\r\nRequire: 100rel\r\n",
            _ => "",
        };
        let owes = more.contains("refresher=uac");
        let lazy = owes && io.chance(50);
        Self { more, refreshes: owes && !lazy, lazy, deaf: io.chance(5) }
    }
}

const CHALLENGES: &str = "407 Proxy Authentication Required";
/// With the header field that follows.
pub(in super::super) const BUSY: &str = "500 Server Internal Error\r\nRetry-After: 3";

/// Wants the service's password for this request.
fn challenge(heard: &Heard<'_>, contact: &str) -> String {
    let more = "Proxy-Authenticate: Digest realm=\"telco\", nonce=\"n2\", algorithm=MD5, qop=\"auth\"\r\nContact";
    heard.answer(CHALLENGES, heard.to, contact, "").replacen("Contact", more, 1)
}

/// The 2xx to a refresh of the service, which goes on refreshing.
pub(in super::super) fn agrees(heard: &Heard<'_>, answer: &str) -> String {
    let expires = heard.field("Session-Expires").unwrap();
    answer.replacen("Contact", &format!("Require: timer\r\nSession-Expires: {expires}\r\nContact"), 1)
}

impl Caller {
    /// A provisional response that wants a PRACK.
    pub(super) fn pracks(&mut self, heard: &Heard<'_>, io: &mut Io<'_, Alarm>) {
        let Some(rseq) = heard.field("RSeq").and_then(|rseq| rseq.parse().ok()) else { return };
        assert!(self.knows.more.contains("100rel"), "nobody has asked for reliable responses: {}", heard.text);
        let new = self.last_rseq.is_none_or(|last| rseq > last);
        if self.knows.deaf || !new {
            return;
        }
        self.last_rseq = Some(rseq);
        heard.to.clone_into(&mut self.to);
        let describes = heard.text.contains("m=audio");
        assert!(!(self.described && describes), "described twice: {}", heard.text);
        self.described |= describes;
        let body = if self.delayed && describes { self.sdp("sendrecv") } else { String::new() };
        self.cseq += 1;
        let text = self.request("PRACK", "sip:siaga@127.0.0.1:5060", &format!("p{}x", self.cseq), self.cseq, &body);
        let rack = format!("RAck: {rseq} 1 INVITE\r\nMax-Forwards");
        let text = text.replacen("Max-Forwards", &rack, 1);
        self.prack = Some(self.said.start(io, Pace::Other, text, Alarm::Again));
    }

    pub(super) fn refreshes(&mut self, io: &mut Io<'_, Alarm>) {
        if self.state != State::Talking {
            return;
        }
        io.wake(Duration::from_secs(40), Alarm::Refresh);
        self.cseq += 1;
        let text = self.request("UPDATE", "sip:siaga@127.0.0.1:5060", &format!("u{}x", self.cseq), self.cseq, "");
        let more = "Supported: timer\r\nSession-Expires: 90;refresher=uac\r\nMax-Forwards";
        let text = text.replacen("Max-Forwards", more, 1);
        self.update = Some((self.cseq, self.said.start(io, Pace::Other, text, Alarm::Again)));
    }

    /// A re-INVITE before the answer, which must be put off (RFC 3261 §14.2).
    pub(super) fn is_early(&mut self, io: &mut Io<'_, Alarm>) {
        if self.state != State::Waiting || self.early.is_some() {
            return;
        }
        self.cseq += 1;
        let (branch, body) = (format!("h{}x", self.cseq), self.sdp("sendrecv"));
        let text = self.request("INVITE", "sip:siaga@127.0.0.1:5060", &branch, self.cseq, &body);
        self.early = Some(self.said.start(io, Pace::Invite, text, Alarm::Again));
    }

    /// The service is killed: a caller who talks hears nothing more and hangs up, one who waits is not told.
    pub(in super::super) fn is_cut_off(&mut self, io: &mut Io<'_, Alarm>) {
        match self.state {
            State::Waiting | State::Cancelling | State::Leaving => self.cut_off = true,
            State::Talking => {
                self.cut_off = true;
                let after = io.between(500, 30_000);
                io.wake(after, Alarm::HangUp);
            }
            State::Calling | State::Over | State::Dead => {}
        }
    }

    /// If the service refreshes, the caller's hold often falls into the same moment.
    pub(super) fn collides(&mut self, answer: &Heard<'_>, io: &mut Io<'_, Alarm>) {
        let agreed = answer.field("Session-Expires").filter(|agreed| agreed.ends_with("refresher=uas"));
        let seconds = agreed.and_then(|agreed| agreed.split(';').next()?.parse::<u64>().ok());
        if let Some(seconds) = seconds.filter(|_| io.chance(50)) {
            let at = io.between(seconds * 500 - 100, seconds * 500 + 60);
            io.wake(at, Alarm::Hold);
        }
    }

    /// The service asks for something in the dialog: the end, or a refresh.
    pub(super) fn asked(&mut self, heard: &Heard<'_>, io: &mut Io<'_, Alarm>) {
        let contact = format!("sip:me@{TRUNK}");
        if self.strict && heard.method == "BYE" && !heard.text.contains("Proxy-Authorization: ") {
            return io.say(challenge(heard, &contact));
        }
        match heard.method {
            "BYE" => {
                io.say(heard.answer("200 OK", heard.to, &contact, ""));
                match self.state {
                    State::Talking | State::Calling | State::Waiting | State::Cancelling => {
                        self.was_hung_up = true;
                        self.is_over(io);
                    }
                    State::Leaving | State::Over | State::Dead => {}
                }
            }
            "ACK" => {
                if self.answering.as_ref().is_some_and(|(cseq, _, _)| *cseq == heard.cseq) {
                    self.said.stop(self.answering.as_ref().and_then(|(_, _, id)| *id));
                }
            }
            "OPTIONS" => {
                let talks = self.state == State::Talking;
                let status = if talks { "200 OK" } else { "481 Call/Transaction Does Not Exist" };
                io.say(heard.answer(status, heard.to, &contact, ""));
            }
            "UPDATE" | "INVITE" => self.is_refreshed(heard, &contact, io),
            method => panic!("the service asks a caller for no {method}: {}", heard.text),
        }
    }

    fn is_refreshed(&mut self, heard: &Heard<'_>, contact: &str, io: &mut Io<'_, Alarm>) {
        if let Some((_, text, _)) = self.answering.as_ref().filter(|(cseq, _, _)| *cseq == heard.cseq) {
            return io.say(text.clone());
        }
        assert!(heard.text.contains("Session-Expires: "), "only refreshes are sent: {}", heard.text);
        let offers = heard.method == "INVITE";
        let (status, body) = match self.state {
            State::Talking if self.strict && !heard.text.contains("Proxy-Authorization: ") => {
                (CHALLENGES, String::new())
            }
            State::Talking if io.chance(4) => (BUSY, String::new()),
            State::Talking if offers && self.reinvite.is_some() => ("491 Request Pending", String::new()),
            State::Talking if offers => ("200 OK", self.sdp(if self.on_hold { "inactive" } else { "sendrecv" })),
            State::Talking => ("200 OK", String::new()),
            _ => ("481 Call/Transaction Does Not Exist", String::new()),
        };
        let text = if status == CHALLENGES {
            challenge(heard, contact)
        } else {
            heard.answer(status, heard.to, contact, &body)
        };
        let text = if status == "200 OK" { agrees(heard, &text) } else { text };
        let repeated = offers.then(|| self.said.start(io, Pace::Other, text.clone(), Alarm::Again));
        if !offers {
            io.say(text.clone());
        }
        self.answering = Some((heard.cseq, text, repeated));
    }
}
