//! A switchboard with one trunk and some operators, whose calls are played as bytes in and out.

use std::net::SocketAddr;
use std::time::Duration;

use crate::text::{credentials, header, response, sdp};
use siaga::clock::{Instant, Now, Timestamp};
use siaga::config::Config;
use siaga::ids::{OperatorId, Rng};
use siaga::media::command::{Command, Event, Quality};
use siaga::sip::digest::Ha1;
use siaga::sip::flow::Flow;
use siaga::switchboard::{Account, Input, Output, Switchboard};

const TRUNK: &str = "127.0.0.2:5080";
const SERVER: &str = "127.0.0.1:5060";

pub(crate) struct World {
    now: Now,
    pub(crate) switchboard: Switchboard,
    out: Vec<Output>,
    sent: Vec<(SocketAddr, String)>,
    pub(crate) outputs: u64,
    calls: u64,
    operators: u16,
}

/// The phone of an operator.
fn phone(operator: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 3], 10_000 + operator))
}

impl World {
    /// `pairs`: the number of RTP port pairs.
    pub(crate) fn new(operators: u16, pairs: u16) -> Self {
        let config = "[sip]\nkeep_alive_seconds = 0\n[[trunk]]\nname = \"telco\"\npeers = [\"127.0.0.2\"]\n\
                      [queue]\nwrap_up_seconds = 0\n[guard]\nallow = [\"127.0.0.3/32\"]\n";
        let settings = Config::parse("bench.toml", config).unwrap().switchboard();
        let now = Now { mono: Instant::from_nanos(0), wall: Timestamp::from_millis(1_764_000_000_000) };
        let ports = (0..pairs).map(|i| SocketAddr::from(([127, 0, 0, 1], 20_000 + 2 * i))).collect();
        let switchboard = Switchboard::new(now, settings, ports, Rng::from_number(1));
        let mut world = Self { now, switchboard, out: Vec::new(), sent: Vec::new(), outputs: 0, calls: 0, operators };
        let account = |no: u16| {
            let name = format!("op{no}");
            let (operator, ha1) =
                (OperatorId::parse(&name).unwrap(), Ha1::new(&name, "127.0.0.1", &format!("pw-{name}")));
            Account { operator, name, ha1, station: false, station_login: None }
        };
        world.step(Input::Accounts((1..=operators).map(account).collect()));
        world.register();
        world
    }

    fn register(&mut self) {
        for no in 1..=self.operators {
            self.register_one(no);
        }
    }

    fn register_one(&mut self, no: u16) {
        let (calls, at) = (self.calls, phone(no));
        let request = |n: u64, authorization: &str| {
            format!(
                "REGISTER sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bKr{no}-{n};rport\r\n\
                 From: <sip:op{no}@127.0.0.1>;tag=r\r\nTo: <sip:op{no}@127.0.0.1>\r\nCall-ID: reg{no}-{calls}\r\nCSeq: {n} REGISTER\r\n\
                 Contact: <sip:op{no}@{at}>\r\nMax-Forwards: 70\r\nExpires: 3600\r\n{authorization}Content-Length: 0\r\n\r\n",
            )
        };
        self.receive(at, &request(1, ""));
        let challenge = self.take("SIP/2.0 401").1;
        let user = format!("op{no}");
        self.receive(at, &request(2, &credentials(&challenge, &user, "REGISTER", "sip:127.0.0.1")));
        self.take("SIP/2.0 200");
    }

    fn step(&mut self, input: Input<'_>) {
        let mut out = std::mem::take(&mut self.out);
        self.switchboard.handle(self.now, input, &mut out);
        let mut closed = Vec::new();
        for output in out.drain(..) {
            self.outputs += 1;
            match output {
                Output::Send(transmit) => {
                    self.sent.push((transmit.flow.remote, String::from_utf8(transmit.bytes.to_vec()).unwrap()));
                }
                Output::Media(Command::Close { anchor }) => closed.push(anchor),
                _ => {}
            }
        }
        self.out = out;
        for anchor in closed {
            self.step(Input::Media(Event::Closed { anchor, quality: Quality::default() }));
        }
    }

    fn receive(&mut self, from: SocketAddr, text: &str) {
        let flow = Flow::udp(SERVER.parse().unwrap(), from);
        self.step(Input::Received { flow, bytes: text.as_bytes() });
    }

    /// Takes a message that begins so, and drops those before it.
    fn take(&mut self, start: &str) -> (SocketAddr, String) {
        let at = self.sent.iter().position(|(_, text)| text.starts_with(start)).unwrap();
        self.sent.drain(..=at).next_back().unwrap()
    }

    /// One call, and the time that it takes: enough for old transactions to end.
    pub(crate) fn call(&mut self) {
        self.waiting();
        let answered = self.answer();
        self.hang_up(&answered);
        self.rest();
        if self.calls.is_multiple_of(60) {
            self.register();
        }
    }

    /// The INVITE of a new call. If no operator is free, the call waits.
    pub(crate) fn waiting(&mut self) {
        self.calls += 1;
        let invite = request(self.calls, "INVITE", 1, "<sip:112@127.0.0.1>", &sdp(TRUNK, 30_000));
        self.receive(TRUNK.parse().unwrap(), &invite);
    }

    /// The operator answers the last call.
    pub(crate) fn answer(&mut self) -> Answered {
        let (at, invite) = self.take("INVITE");
        let name = at.to_string();
        self.receive(at, &response(&invite, &name, "180 Ringing", ""));
        self.receive(at, &response(&invite, &name, "200 OK", &sdp(&name, 31_000)));
        let to = header(&self.take("SIP/2.0 200").1, "To").to_owned();
        self.receive(TRUNK.parse().unwrap(), &request(self.calls, "ACK", 1, &to, ""));
        self.sent.clear();
        Answered { call: self.calls, to }
    }

    pub(crate) fn hang_up(&mut self, answered: &Answered) {
        self.receive(TRUNK.parse().unwrap(), &request(answered.call, "BYE", 2, &answered.to, ""));
        let (at, bye) = self.take("BYE");
        self.receive(at, &response(&bye, &at.to_string(), "200 OK", ""));
        self.sent.clear();
    }

    /// Lets all transactions end.
    pub(crate) fn rest(&mut self) {
        self.sent.clear();
        for _ in 0..2 {
            self.now = self.now.after(Duration::from_secs(20));
            self.step(Input::Tick);
        }
    }

    /// Drops what was sent.
    pub(crate) fn forget(&mut self) {
        self.sent = Vec::new();
    }
}

/// A call that an operator has answered.
pub(crate) struct Answered {
    call: u64,
    /// To with its tag.
    to: String,
}

fn request(n: u64, method: &str, cseq: u32, to: &str, body: &str) -> String {
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "{method} sip:112@{SERVER} SIP/2.0\r\nVia: SIP/2.0/UDP {TRUNK};branch=z9hG4bK{method}{n}\r\n\
         From: <sip:0812@127.0.0.2>;tag=c{n}\r\nTo: {to}\r\nCall-ID: call-{n}\r\nCSeq: {cseq} {method}\r\n\
         Contact: <sip:0812@{TRUNK}>\r\nP-Asserted-Identity: <sip:0812@127.0.0.2>\r\nMax-Forwards: 70\r\n\
         {kind}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
