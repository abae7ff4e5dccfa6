//! A switchboard with a crowd of calls, and single steps amid it: what a step costs must not depend on the crowd. The benchmark of steps
//! uses it too.

use std::net::SocketAddr;
use std::time::Duration;

use siaga::acd::OperatingMode;
use siaga::clock::{Instant, Now, Timestamp};
use siaga::config::Config;
use siaga::ids::{OperatorId, Rng};
use siaga::sip::digest::Ha1;
use siaga::sip::flow::Flow;
use siaga::switchboard::{Account, Actor, ConsoleCommand, Input, Output, Switchboard};

use super::text::{credentials, response, sdp};

const SERVER: &str = "127.0.0.1:5060";
const TRUNK: &str = "127.0.0.2:5080";
const AGENCY: &str = "0725113";
/// An operator with a phone and no call. The others are `op0`, `op1` and so on.
const LATE: &str = "late";

/// `[queue] fallback_retry_seconds`.
const RETRY: Duration = Duration::from_secs(30);

const CONFIG: &str = "[site]\nmax_calls = 20000\n[sip]\nkeep_alive_seconds = 0\n[guard]\nallow = [\"127.0.0.0/8\"]\n\
     [[trunk]]\nname = \"telco\"\npeers = [\"127.0.0.2\"]\nuri = \"sip:127.0.0.2:5080\"\nkeep_alive_seconds = 0\n\
     [queue]\nfallback_number = \"0725000000\"\nfallback_retry_seconds = 30\n[[agency]]\nname = \"fire\"\nnumber = \"0725113\"\n";

/// What the calls of the crowd do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Their callers wait: the one operator who is logged in is on a break.
    Waiting,
    /// No operator is there: the fallback number is dialled for each.
    Fallback,
    /// Each was placed by another operator, and the agency's phone rings.
    Placed,
}

/// The switchboard, its clock that stands still, and what it has sent.
pub(crate) struct Crowd {
    now: Now,
    switchboard: Switchboard,
    out: Vec<Output>,
    /// Receiver and text.
    sent: Vec<(String, String)>,
    serial: usize,
}

impl Crowd {
    pub(crate) fn new(kind: Kind, calls: usize) -> Self {
        let settings = Config::parse("crowd.toml", CONFIG).unwrap().switchboard();
        let now = Now { mono: Instant::from_nanos(0), wall: Timestamp::from_millis(1_764_000_000_000) };
        let ports = (0..12_000).map(|i| SocketAddr::from(([127, 0, 0, 1], 20_000 + 2 * i))).collect();
        let switchboard = Switchboard::new(now, settings, ports, Rng::from_number(1));
        let mut crowd = Self { now, switchboard, out: Vec::new(), sent: Vec::new(), serial: 0 };
        let operators = if kind == Kind::Placed { calls } else { 1 };
        let names = (0..operators).map(|n| format!("op{n}")).chain([LATE.to_owned()]);
        crowd.step(Input::Accounts(names.map(|name| account(&name)).collect()));
        for n in 0..operators {
            let operator = format!("op{n}");
            match kind {
                Kind::Fallback => {}
                Kind::Waiting => {
                    crowd.register(&operator);
                    let reason = String::new();
                    crowd.orders(ConsoleCommand::Pause { operator: OperatorId::parse(&operator).unwrap(), reason });
                }
                Kind::Placed => {
                    crowd.register(&operator);
                    crowd.place(&operator);
                }
            }
        }
        if kind != Kind::Placed {
            (0..calls).for_each(|_| {
                crowd.invite();
            });
        }
        assert_eq!(crowd.switchboard.gauges().calls, calls);
        crowd.sent.clear();
        crowd
    }

    pub(crate) fn verify(&self) {
        self.switchboard.verify().unwrap();
    }

    /// A keep-alive of the trunk.
    pub(crate) fn options(&mut self) {
        let text = self.request("OPTIONS", "112", TRUNK, "0812", "");
        self.receive(TRUNK, &text);
    }

    /// A caller; gives the request, for `cancel`.
    pub(crate) fn invite(&mut self) -> String {
        let number = format!("0812{:06}", self.serial);
        let text = self.request("INVITE", "112", TRUNK, &number, "");
        self.receive(TRUNK, &text);
        text
    }

    /// That caller hangs up.
    pub(crate) fn cancel(&mut self, invite: &str) {
        let (head, _) = invite.split_once("Content-Type").unwrap();
        let text = head.replace("INVITE", "CANCEL") + "Content-Length: 0\r\n\r\n";
        self.receive(TRUNK, &text);
    }

    /// A phone registers, through the challenge.
    pub(crate) fn register(&mut self, operator: &str) {
        let ask = |crowd: &mut Self, authorization: &str| {
            let n = crowd.next();
            let text = format!(
                "REGISTER sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bKr{n};rport\r\n\
                 From: <sip:{operator}@127.0.0.1>;tag=r\r\nTo: <sip:{operator}@127.0.0.1>\r\nCall-ID: reg-{operator}\r\n\
                 CSeq: {n} REGISTER\r\nContact: <sip:{operator}@{at}>\r\nMax-Forwards: 70\r\nExpires: 3600\r\n\
                 {authorization}Content-Length: 0\r\n\r\n",
                at = phone(operator)
            );
            crowd.receive(&phone(operator), &text);
        };
        ask(self, "");
        let challenge = self.take("SIP/2.0 401");
        ask(self, &credentials(&challenge, operator, "REGISTER", "sip:127.0.0.1"));
        self.take("SIP/2.0 200");
    }

    /// An operator calls the agency, through the challenge.
    pub(crate) fn place(&mut self, operator: &str) {
        self.dial(operator, AGENCY);
    }

    /// The same with whatever they dial.
    pub(crate) fn dial(&mut self, operator: &str, number: &str) {
        let at = phone(operator);
        let text = self.request("INVITE", number, &at, operator, "");
        self.receive(&at, &text);
        let challenge = self.take("SIP/2.0 401");
        let more = credentials(&challenge, operator, "INVITE", &format!("sip:{number}@{SERVER}"));
        let text = self.request("INVITE", number, &at, operator, &more);
        self.receive(&at, &text);
    }

    pub(crate) fn late_registers(&mut self) {
        self.register(LATE);
    }

    pub(crate) fn late_places(&mut self) {
        self.place(LATE);
    }

    /// The late operator asks for the next number to call back.
    pub(crate) fn late_calls_back(&mut self) {
        self.dial(LATE, "*50");
    }

    /// The operator on a break is ready.
    pub(crate) fn resume(&mut self) {
        self.orders(ConsoleCommand::Resume { operator: OperatorId::parse("op0").unwrap() });
    }

    /// The operator on a break, who is the only one, logs out: the fallback number is dialled for each caller.
    pub(crate) fn logs_out(&mut self) {
        self.orders(ConsoleCommand::LogOut { operator: OperatorId::parse("op0").unwrap() });
    }

    /// The operating mode `fallback` begins: the fallback number is dialled for each caller.
    pub(crate) fn falls_back(&mut self) {
        self.orders(ConsoleCommand::SetMode { mode: OperatingMode::Fallback, hours: None });
    }

    /// The fallback number is busy, and so are all phones: each caller waits until the fallback is tried again.
    pub(crate) fn fallback_fails(&mut self) {
        for _ in 0..2 {
            for (to, invite) in std::mem::take(&mut self.sent) {
                if invite.starts_with("INVITE") {
                    self.receive(&to, &response(&invite, &to, "486 Busy Here", ""));
                }
            }
        }
        self.sent.clear();
    }

    /// The fallback is tried again for all of them in one step.
    pub(crate) fn retry_is_due(&mut self) {
        self.now = self.now.after(RETRY);
        self.step(Input::Tick);
    }

    /// How many calls have an INVITE to a trunk.
    pub(crate) fn dialled(&self) -> usize {
        self.sent.iter().filter(|(to, text)| to == TRUNK && text.starts_with("INVITE")).count()
    }

    /// What the server asks after each step, and the metrics each time that they are read.
    pub(crate) fn figures(&mut self) {
        assert!(self.switchboard.gauges().calls > 0);
        assert!(self.switchboard.poll_timeout().is_some());
        self.step(Input::Tick);
    }

    fn orders(&mut self, command: ConsoleCommand) {
        let by = Actor { name: "admin".to_owned(), role: siaga::cdr::fact::ConsoleRole::Admin };
        self.step(Input::Console { request: 1, by, command });
    }

    fn request(&mut self, method: &str, user: &str, at: &str, from: &str, more: &str) -> String {
        let n = self.next();
        let body = if method == "INVITE" { sdp(at, 30_000) } else { String::new() };
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} sip:{user}@{SERVER} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bKq{n};rport\r\n\
             From: <sip:{from}@127.0.0.1>;tag=f{n}\r\nTo: <sip:{user}@127.0.0.1>\r\nCall-ID: q{n}\r\nCSeq: 1 {method}\r\n\
             Contact: <sip:{from}@{at}>\r\nMax-Forwards: 70\r\n{more}{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    fn next(&mut self) -> usize {
        self.serial += 1;
        self.serial
    }

    fn receive(&mut self, from: &str, text: &str) {
        let flow = Flow::udp(SERVER.parse().unwrap(), from.parse().unwrap());
        self.step(Input::Received { flow, bytes: text.as_bytes() });
    }

    fn step(&mut self, input: Input<'_>) {
        self.switchboard.handle(self.now, input, &mut self.out);
        for output in self.out.drain(..) {
            if let Output::Send(transmit) = output {
                let text = String::from_utf8(transmit.bytes.to_vec()).unwrap();
                self.sent.push((transmit.flow.remote.to_string(), text));
            }
        }
    }

    fn take(&mut self, start: &str) -> String {
        let at = self.sent.iter().position(|(_, text)| text.starts_with(start));
        let at = at.unwrap_or_else(|| panic!("no {start}: {:?}", self.sent));
        self.sent.drain(..=at).next_back().unwrap().1
    }
}

fn phone(operator: &str) -> String {
    let n: u32 = operator.trim_start_matches("op").parse().unwrap_or(60_000);
    format!("127.1.{}.{}:5090", n / 250, n % 250 + 1)
}

fn account(name: &str) -> Account {
    Account {
        operator: OperatorId::parse(name).unwrap(),
        name: name.to_owned(),
        ha1: Ha1::new(name, "127.0.0.1", &format!("pw-{name}")),
        station: false,
        station_login: None,
    }
}
