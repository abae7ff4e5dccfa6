//! Callers behind the trunk, each with a plan: the wait, the end, and what goes wrong.

pub(crate) mod session;

use std::net::SocketAddr;
use std::time::Duration;

use super::endpoint::{Heard, Io, Pace, RepeatId, Repeats, Said};
use super::world::{TRUNK, sdp, secret};
use session::Knows;

const PROXY_PATIENCE: Duration = Duration::from_secs(180);

/// What a caller wakes up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alarm {
    Again(RepeatId),
    /// The wait has ended.
    Impatient,
    /// The talk has ended.
    HangUp,
    /// The line dies.
    Vanish,
    /// A proxy on the path would end the call now, had no provisional response come (RFC 3261 §16.6 item 11).
    TimerC,
    /// Puts us on hold, or resumes.
    Hold,
    /// Refreshes the session.
    Refresh,
    /// Changes the media before an answer.
    Early,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// INVITE sent, nothing heard.
    Calling,
    /// Something heard.
    Waiting,
    /// CANCEL sent.
    Cancelling,
    /// 200 heard and acknowledged.
    Talking,
    /// BYE sent.
    Leaving,
    Over,
    /// The line is dead: says nothing and hears nothing.
    Dead,
}

/// One caller.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) n: u32,
    state: State,
    to: String,
    cseq: u32,
    said: Repeats,
    invite: Option<RepeatId>,
    cancel: Option<RepeatId>,
    bye: Option<RepeatId>,
    reinvite: Option<RepeatId>,
    wants_to_cancel: bool,
    provisional: bool,
    on_hold: bool,
    /// So many 200s are not acknowledged.
    deaf_to: u32,
    /// The INVITE had no offer: the caller answers ours in the ACK (RFC 3261 §13.2.1).
    delayed: bool,
    /// The trunk offers SRTP.
    secret: bool,
    knows: Knows,
    /// The trunk wants our password for every request.
    strict: bool,
    early: Option<RepeatId>,
    last_rseq: Option<u32>,
    prack: Option<RepeatId>,
    update: Option<(u32, RepeatId)>,
    /// The caller has got the service's SDP.
    described: bool,
    /// CSeq of the caller's last hold or resume.
    hold_cseq: u32,
    /// The response to the service's last request, and until when it is repeated.
    answering: Option<(u32, String, Option<RepeatId>)>,
    // What the judge asks afterwards.
    pub(crate) saw_200: bool,
    pub(crate) refused: Option<u16>,
    pub(crate) cancelled: bool,
    pub(crate) hung_up: bool,
    pub(crate) was_hung_up: bool,
    pub(crate) vanished: bool,
    /// The line has died, or never carried an ACK.
    pub(crate) unwell: bool,
    /// The service was killed while the call was open.
    pub(crate) cut_off: bool,
}

impl Caller {
    /// Plans a call and sends its INVITE.
    pub(crate) fn dials(n: u32, known: bool, io: &mut Io<'_, Alarm>) -> Self {
        let mut caller = Self {
            n,
            state: State::Calling,
            to: "<sip:112@127.0.0.1>".to_owned(),
            cseq: 1,
            said: Repeats::default(),
            invite: None,
            cancel: None,
            bye: None,
            reinvite: None,
            wants_to_cancel: false,
            provisional: false,
            on_hold: false,
            deaf_to: 0,
            delayed: io.chance(5),
            secret: io.chance(10),
            knows: Knows::some(io),
            strict: known && io.chance(40),
            early: None,
            last_rseq: None,
            prack: None,
            update: None,
            described: false,
            hold_cseq: 0,
            answering: None,
            saw_200: false,
            refused: None,
            cancelled: false,
            hung_up: false,
            was_hung_up: false,
            vanished: false,
            unwell: false,
            cut_off: false,
        };
        let patience = match io.rng.below(10) {
            0 => io.between(0, 2_000),
            1..=2 => io.between(1_000, 30_000),
            3 => io.between(14_000, 16_000),
            _ => io.between(60_000, 400_000),
        };
        io.wake(patience, Alarm::Impatient);
        if io.chance(2) {
            let when = io.between(0, 60_000);
            io.wake(when, Alarm::Vanish);
        }
        if io.chance(3) {
            caller.deaf_to = u32::try_from(io.rng.below(14)).unwrap();
            caller.unwell = caller.deaf_to > 2;
        }
        io.wake(PROXY_PATIENCE, Alarm::TimerC);
        let uri = match (io.chance(20), caller.n % 2) {
            (true, 0) => "urn:service:sos.fire",
            (true, _) => "urn:service:sos",
            (false, _) => "sip:112@127.0.0.1:5060",
        };
        let body = if caller.delayed { String::new() } else { caller.sdp("sendrecv") };
        let text = caller.request("INVITE", uri, "i", 1, &body);
        let text = text.replacen("Max-Forwards", &format!("{}Max-Forwards", caller.knows.more), 1);
        caller.invite = Some(caller.said.start(io, Pace::Invite, text, Alarm::Again));
        caller
    }

    pub(crate) fn call_id(&self) -> String {
        format!("call-{}", self.n)
    }

    pub(crate) fn is_cancelling(&self) -> bool {
        matches!(self.state, State::Cancelling)
    }

    /// Its INVITE has no final response, as far as it knows.
    pub(crate) fn is_unanswered(&self) -> bool {
        matches!(self.state, State::Calling)
    }

    /// True if the caller has an open call.
    pub(crate) fn is_open(&self) -> bool {
        match self.state {
            State::Calling | State::Waiting | State::Cancelling | State::Talking | State::Leaving => true,
            State::Over | State::Dead => false,
        }
    }

    pub(crate) fn wakes(&mut self, alarm: Alarm, io: &mut Io<'_, Alarm>) {
        if self.state == State::Dead {
            return;
        }
        match alarm {
            Alarm::Again(id) => {
                if self.said.again(io, id, Alarm::Again) {
                    self.unheard(id, io);
                }
            }
            Alarm::Impatient => self.gives_up(io),
            Alarm::TimerC if self.state == State::Waiting && !self.provisional => self.gives_up(io),
            Alarm::TimerC => {
                self.provisional = false;
                if self.state == State::Waiting {
                    io.wake(PROXY_PATIENCE, Alarm::TimerC);
                }
            }
            Alarm::HangUp if self.state == State::Talking => self.hangs_up(io),
            Alarm::HangUp => {}
            Alarm::Vanish => {
                if self.is_open() {
                    (self.vanished, self.unwell) = (true, true);
                    self.dies(io);
                }
            }
            Alarm::Hold if self.state == State::Talking && self.reinvite.is_none() => self.holds(io),
            Alarm::Hold => {}
            Alarm::Refresh => self.refreshes(io),
            Alarm::Early => self.is_early(io),
        }
    }

    fn dies(&mut self, io: &mut Io<'_, Alarm>) {
        self.state = State::Dead;
        self.said.forget_all();
        io.voices.remove(&self.rtp());
    }

    /// One of the caller's requests got no response for 64 T1.
    fn unheard(&mut self, id: RepeatId, io: &mut Io<'_, Alarm>) {
        let id = Some(id);
        if id == self.invite && self.state == State::Calling || id == self.cancel || id == self.bye {
            self.unwell = true;
            self.is_over(io);
        } else if id == self.reinvite {
            self.reinvite = None;
        } else if id == self.prack {
            self.prack = None;
        } else if id == self.early {
            self.early = None;
        }
    }

    fn is_over(&mut self, io: &mut Io<'_, Alarm>) {
        self.state = State::Over;
        self.said.forget_all();
        io.voices.remove(&self.rtp());
    }

    fn gives_up(&mut self, io: &mut Io<'_, Alarm>) {
        match self.state {
            State::Calling => self.wants_to_cancel = true,
            State::Waiting => {
                self.state = State::Cancelling;
                self.cancelled = true;
                let text = self.request("CANCEL", "sip:112@127.0.0.1:5060", "i", 1, "");
                self.cancel = Some(self.said.start(io, Pace::Other, text, Alarm::Again));
            }
            State::Talking | State::Cancelling | State::Leaving | State::Over | State::Dead => {}
        }
    }

    fn hangs_up(&mut self, io: &mut Io<'_, Alarm>) {
        self.state = State::Leaving;
        self.hung_up = true;
        self.said.stop(self.reinvite.take());
        io.voices.remove(&self.rtp());
        self.cseq += 1;
        let text = self.request("BYE", "sip:siaga@127.0.0.1:5060", "b", self.cseq, "");
        self.bye = Some(self.said.start(io, Pace::Other, text, Alarm::Again));
    }

    fn holds(&mut self, io: &mut Io<'_, Alarm>) {
        self.cseq += 1;
        self.hold_cseq = self.cseq;
        // A caller who does not send a due refresh, and sends no audio, may lose the call.
        self.unwell |= self.knows.lazy;
        let body = self.sdp(if self.on_hold { "sendrecv" } else { "inactive" });
        let branch = format!("h{}x", self.cseq);
        let (method, pace) = if io.chance(30) { ("UPDATE", Pace::Other) } else { ("INVITE", Pace::Invite) };
        let text = self.request(method, "sip:siaga@127.0.0.1:5060", &branch, self.cseq, &body);
        self.reinvite = Some(self.said.start(io, pace, text, Alarm::Again));
    }

    pub(crate) fn hears(&mut self, heard: &Heard<'_>, io: &mut Io<'_, Alarm>) {
        if self.state == State::Dead {
            return;
        }
        match heard.status() {
            None => self.asked(heard, io),
            Some(status) => match heard.method {
                "INVITE" if heard.cseq == 1 => self.answered(heard, status, io),
                "INVITE" => self.reanswered(heard, status, io),
                "PRACK" if status >= 200 => {
                    let prack = self.prack.take();
                    self.said.stop(prack);
                }
                "UPDATE" if status >= 200 && heard.cseq == self.hold_cseq => self.reanswered(heard, status, io),
                "UPDATE" if status >= 200 => {
                    let update = self.update.take_if(|(cseq, _)| *cseq == heard.cseq);
                    self.said.stop(update.map(|(_, id)| id));
                }
                // A new run of the service does not know the call of the run before.
                "CANCEL" if status == 481 && self.cut_off => self.is_over(io),
                "CANCEL" if status >= 200 => self.said.stop(self.cancel),
                "BYE" if status >= 200 => {
                    self.said.stop(self.bye);
                    self.is_over(io);
                }
                _ => {}
            },
        }
    }

    fn answered(&mut self, heard: &Heard<'_>, status: u16, io: &mut Io<'_, Alarm>) {
        match status {
            100..=199 => {
                self.said.stop(self.invite);
                self.provisional |= status > 100;
                if matches!(self.state, State::Calling | State::Waiting) {
                    self.pracks(heard, io);
                }
                if status > 100 && io.chance(3) {
                    heard.to.clone_into(&mut self.to);
                    io.wake(Duration::from_millis(300), Alarm::Early);
                }
                if self.state == State::Calling {
                    self.state = State::Waiting;
                    if std::mem::take(&mut self.wants_to_cancel) {
                        self.gives_up(io);
                    }
                }
            }
            200..=299 => self.picked_up(heard, io),
            _ => {
                let more = self.request_to(heard.to, "ACK", "sip:112@127.0.0.1:5060", "i", 1, "");
                io.say(more);
                if matches!(self.state, State::Calling | State::Waiting | State::Cancelling) {
                    self.refused = Some(status);
                    self.is_over(io);
                }
            }
        }
    }

    fn picked_up(&mut self, heard: &Heard<'_>, io: &mut Io<'_, Alarm>) {
        self.to = heard.to.to_owned();
        self.said.stop(self.invite);
        if self.deaf_to > 0 {
            self.deaf_to -= 1;
            return;
        }
        let describes = heard.text.contains("m=audio");
        assert!(describes || self.described, "he never learns where to send sound: {}", heard.text);
        let answer = if self.delayed && describes { self.sdp("sendrecv") } else { String::new() };
        let ack = self.request("ACK", "sip:siaga@127.0.0.1:5060", "a", 1, &answer);
        io.say(ack);
        match self.state {
            State::Calling | State::Waiting => {
                self.saw_200 = true;
                self.state = State::Talking;
                self.said.stop(self.prack.take());
                if self.knows.refreshes {
                    io.wake(Duration::from_secs(40), Alarm::Refresh);
                }
                io.voices.insert(self.rtp());
                let lazy = if self.knows.lazy { 60 } else { 0 };
                let talk = if io.chance(15 + lazy) { io.between(60_000, 400_000) } else { io.between(1_000, 60_000) };
                io.wake(talk, Alarm::HangUp);
                self.collides(heard, io);
                if io.chance(10 + lazy) {
                    let hold = io.between(500, 20_000);
                    io.wake(hold, Alarm::Hold);
                }
                if io.chance(2) {
                    let vanish = io.between(0, 30_000);
                    io.wake(vanish, Alarm::Vanish);
                }
                if std::mem::take(&mut self.wants_to_cancel) {
                    self.hangs_up(io);
                }
            }
            // The 200 has crossed the CANCEL.
            State::Cancelling => {
                self.saw_200 = true;
                self.said.stop(self.cancel);
                self.hangs_up(io);
            }
            State::Talking | State::Leaving | State::Over | State::Dead => {}
        }
    }

    /// The answer to a re-INVITE.
    fn reanswered(&mut self, heard: &Heard<'_>, status: u16, io: &mut Io<'_, Alarm>) {
        if heard.cseq != self.hold_cseq {
            self.said.stop(self.early.take());
        } else if status < 200 {
            return self.said.stop(self.reinvite);
        }
        if status < 200 {
            return;
        }
        if heard.method == "UPDATE" {
            return self.hold_answered(status, io);
        }
        let branch = if status < 300 { format!("k{}", heard.cseq) } else { format!("h{}x", heard.cseq) };
        let ack = self.request("ACK", "sip:siaga@127.0.0.1:5060", &branch, heard.cseq, "");
        io.say(ack);
        if heard.cseq == self.hold_cseq {
            self.hold_answered(status, io);
        }
    }

    fn hold_answered(&mut self, status: u16, io: &mut Io<'_, Alarm>) {
        let Some(asked) = self.reinvite.take() else { return };
        self.said.stop(Some(asked));
        if status < 300 && self.state == State::Talking {
            self.on_hold = !self.on_hold;
            if self.on_hold {
                io.voices.remove(&self.rtp());
            } else {
                io.voices.insert(self.rtp());
            }
        }
        if self.on_hold || matches!(status, 491 | 500) {
            // Who owes refreshes, does not send them and is not heard is given up at last.
            let again = if self.knows.lazy { io.between(80_000, 300_000) } else { io.between(2_000, 40_000) };
            io.wake(again, Alarm::Hold);
        }
    }

    fn rtp(&self) -> SocketAddr {
        format!("127.0.0.2:{}", self.rtp_port()).parse().unwrap()
    }

    fn rtp_port(&self) -> u16 {
        u16::try_from(10_000 + self.n % 20_000 * 2).unwrap()
    }

    fn sdp(&self, direction: &str) -> String {
        let plain = sdp(TRUNK, self.rtp_port()).replace("sendrecv", direction);
        if self.secret && !self.delayed { secret(&plain) } else { plain }
    }

    fn request(&self, method: &str, uri: &str, branch: &str, cseq: u32, body: &str) -> String {
        self.request_to(&self.to, method, uri, branch, cseq, body)
    }

    fn request_to(&self, to: &str, method: &str, uri: &str, branch: &str, cseq: u32, body: &str) -> String {
        let n = self.n;
        let branch = format!("z9hG4bK{branch}{n}");
        let from = format!("<sip:0812{n:06}@127.0.0.2>;tag=c{n}");
        let more = format!("P-Asserted-Identity: <sip:0812{n:06}@127.0.0.2>\r\n");
        let call_id = self.call_id();
        Said { method, uri, at: TRUNK, branch: &branch, from: &from, to, call_id: &call_id, cseq, more: &more, body }
            .text()
    }
}
