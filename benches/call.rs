//! What one whole call costs in the switchboard: trunk's INVITE, offer, answer, bridge, both BYEs, as bytes in and out, with
//! facts and media commands; the peers' share (a few `format!`) is in it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a bench stops by panicking"
)]

#[path = "../tests/sim/text.rs"]
mod text;

use std::net::SocketAddr;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use siaga::clock::{Instant, Now, Timestamp};
use siaga::config::Config;
use siaga::ids::{OperatorId, Rng};
use siaga::media::command::{Command, Event, Quality};
use siaga::sip::digest::Ha1;
use siaga::sip::flow::Flow;
use siaga::switchboard::{Account, Input, Output, Switchboard};
use text::{credentials, header, response, sdp};

const TRUNK: &str = "127.0.0.2:5080";
const PHONE: &str = "127.0.0.3:5090";
const SERVER: &str = "127.0.0.1:5060";

struct World {
    now: Now,
    switchboard: Switchboard,
    out: Vec<Output>,
    sent: Vec<(SocketAddr, String)>,
    outputs: u64,
    calls: u64,
}

impl World {
    fn new() -> Self {
        let config = "[sip]\nkeep_alive_seconds = 0\n[[trunk]]\nname = \"telco\"\npeers = [\"127.0.0.2\"]\n\
                      [queue]\nwrap_up_seconds = 0\n";
        let settings = Config::parse("bench.toml", config).unwrap().switchboard();
        let now = Now { mono: Instant::from_nanos(0), wall: Timestamp::from_millis(1_764_000_000_000) };
        let ports = (0..100).map(|i| SocketAddr::from(([127, 0, 0, 1], 20_000 + 2 * i))).collect();
        let switchboard = Switchboard::new(now, settings, ports, Rng::from_number(1));
        let mut world = Self { now, switchboard, out: Vec::new(), sent: Vec::new(), outputs: 0, calls: 0 };
        let (operator, ha1) = (OperatorId::parse("op1").unwrap(), Ha1::new("op1", "127.0.0.1", "pw-op1"));
        world.step(Input::Accounts(vec![Account {
            operator,
            name: "Operator 1".to_owned(),
            ha1,
            station: false,
            badge: None,
        }]));
        world.register();
        world
    }

    fn register(&mut self) {
        let request = |n: u64, authorization: &str| {
            format!(
                "REGISTER sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {PHONE};branch=z9hG4bKr{n};rport\r\n\
                 From: <sip:op1@127.0.0.1>;tag=r\r\nTo: <sip:op1@127.0.0.1>\r\nCall-ID: reg{}\r\nCSeq: {n} REGISTER\r\n\
                 Contact: <sip:op1@{PHONE}>\r\nMax-Forwards: 70\r\nExpires: 3600\r\n{authorization}Content-Length: 0\r\n\r\n",
                n / 2
            )
        };
        let n = self.calls * 2;
        self.receive(PHONE, &request(n, ""));
        let challenge = self.take("SIP/2.0 401");
        self.receive(PHONE, &request(n + 1, &credentials(&challenge, "op1", "REGISTER", "sip:127.0.0.1")));
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

    fn receive(&mut self, from: &str, text: &str) {
        let flow = Flow::udp(SERVER.parse().unwrap(), from.parse().unwrap());
        self.step(Input::Received { flow, bytes: text.as_bytes() });
    }

    /// Takes a message that begins so, and drops those before it.
    fn take(&mut self, start: &str) -> String {
        let at = self.sent.iter().position(|(_, text)| text.starts_with(start)).unwrap();
        self.sent.drain(..=at).next_back().unwrap().1
    }

    /// One call, and the time that it takes: enough for old transactions to end.
    fn call(&mut self) {
        self.calls += 1;
        let n = self.calls;
        let request = |method: &str, cseq: u32, to: &str, body: &str| {
            let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
            format!(
                "{method} sip:112@{SERVER} SIP/2.0\r\nVia: SIP/2.0/UDP {TRUNK};branch=z9hG4bK{method}{n}\r\n\
                 From: <sip:0812@127.0.0.2>;tag=c{n}\r\nTo: {to}\r\nCall-ID: call-{n}\r\nCSeq: {cseq} {method}\r\n\
                 Contact: <sip:0812@{TRUNK}>\r\nP-Asserted-Identity: <sip:0812@127.0.0.2>\r\nMax-Forwards: 70\r\n\
                 {kind}Content-Length: {}\r\n\r\n{body}",
                body.len()
            )
        };
        self.receive(TRUNK, &request("INVITE", 1, "<sip:112@127.0.0.1>", &sdp(TRUNK, 30_000)));
        let invite = self.take("INVITE");
        self.receive(PHONE, &response(&invite, PHONE, "180 Ringing", ""));
        self.receive(PHONE, &response(&invite, PHONE, "200 OK", &sdp(PHONE, 31_000)));
        let answer = self.take("SIP/2.0 200");
        let to = header(&answer, "To").to_owned();
        self.receive(TRUNK, &request("ACK", 1, &to, ""));
        self.receive(TRUNK, &request("BYE", 2, &to, ""));
        let bye = self.take("BYE");
        self.receive(PHONE, &response(&bye, PHONE, "200 OK", ""));
        self.sent.clear();
        for _ in 0..2 {
            self.now = self.now.after(Duration::from_secs(20));
            self.step(Input::Tick);
        }
        if n.is_multiple_of(60) {
            self.register();
        }
    }
}

fn calls(bench: &mut Criterion) {
    let mut world = World::new();
    world.call();
    let before = world.outputs;
    world.call();
    println!("one call has {} outputs", world.outputs - before);
    bench.bench_function("one call through the switchboard", |b| b.iter(|| world.call()));
    assert_eq!(world.switchboard.gauges().calls, 0);
}

criterion_group!(benches, calls);
criterion_main!(benches);
