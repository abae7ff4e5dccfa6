//! The signalling loop over real UDP: a phone registers, the trunk calls, both talk, the operator hangs up.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]

#[path = "sim/text.rs"]
mod text;

use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc;
use std::time::Duration;

use siaga::cdr::fact::{ConsoleRole, Fact, FactKind, OfferOutcome};
use siaga::config::Config;
use siaga::ids::{OperatorId, Rng};
use siaga::media::command::Command;
use siaga::server::clock::Clock;
use siaga::server::signalling::{Inbound, OutputSink, Signalling, Tally, bind};
use siaga::sip::digest::Ha1;
use siaga::switchboard::{Account, Actor, ConsoleCommand, ConsoleReply, Listener, Network, Switchboard};
use text::{credentials, header, response, sdp};

/// Hands that note what they are given.
struct Notes(mpsc::SyncSender<Fact>, mpsc::SyncSender<Command>);

impl OutputSink for Notes {
    fn forget(&mut self, _: &siaga::cdr::personal::Number) {}

    fn account_state(&mut self, _presence: siaga::switchboard::AccountState) {}

    fn media(&mut self, command: Command) {
        self.1.send(command).unwrap();
    }

    fn fact(&mut self, fact: Fact) {
        self.0.send(fact).unwrap();
    }

    fn trunk_health(&mut self, _: &str, _: bool) {}

    fn trunk_registered(&mut self, _: &str, _: bool) {}
    fn trunk_gone(&mut self, _: &str) {}

    fn phone_reach(&mut self, _account: &OperatorId, _contact: &str, _unreachable: bool) {}

    fn long_call(&mut self, _: siaga::ids::CallId, _: u64, _: bool) {}
    fn guessing(&mut self, _: &str, _: Option<siaga::switchboard::PasswordGuess>) {}
    fn rejected(&mut self, _: siaga::clock::Instant, _: &siaga::switchboard::Rejection) {}
    fn banned(&mut self, _: siaga::clock::Instant, _: &siaga::sip::guard::Ban) {}
    fn ignored(&mut self, _: siaga::clock::Instant, _: &str, _: &str) {}
    fn foreign_media(&mut self, _: siaga::clock::Instant, _: Option<&str>, _: SocketAddr, _: Option<SocketAddr>) {}

    fn look_up(&mut self, _: bytes::Bytes, _: siaga::switchboard::TrunkHost) {}

    fn unstaffed(&mut self, _: bool) {}
    fn none_ready(&mut self, _: bool) {}
    fn ports(&mut self, _: siaga::switchboard::PortShortage) {}

    fn mode(&mut self, _: siaga::acd::OperatingMode, _: u64, _: bool) {}

    fn turn_over(&mut self) {}
}

struct Service {
    address: SocketAddr,
    inbox: tokio::sync::mpsc::Sender<Inbound>,
    facts: mpsc::Receiver<Fact>,
    media: mpsc::Receiver<Command>,
    tally: mpsc::Receiver<Tally>,
}

fn start(at: &'static str) -> Service {
    let (inbox, inbound) = tokio::sync::mpsc::channel(64);
    let (facts_in, facts) = mpsc::sync_channel(1_000);
    let (media_in, media) = mpsc::sync_channel(1_000);
    let (address_in, address) = mpsc::sync_channel(1);
    let (tally_in, tally) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let socket = bind(at.parse().unwrap()).unwrap();
            let local = socket.local_addr().unwrap();
            let config = Config::parse("config/siaga.toml", include_str!("../config/siaga.toml")).unwrap();
            let mut settings = config.switchboard();
            let transport = siaga::sip::flow::Transport::Udp;
            settings.site.listeners = vec![Listener { transport, local, advertised: local.to_string() }];
            settings.trunks[0].peers.extend(Network::parse("::1"));
            let clock = Clock::start();
            // Media is IPv4 in every call, whatever family the signalling has.
            let ports = [20_000, 20_002].map(|port| SocketAddr::from(([127, 0, 0, 1], port))).to_vec();
            let switchboard = Switchboard::new(clock.now(), settings, ports, Rng::from_number(1));
            let sink = Notes(facts_in, media_in);
            let signalling = Signalling::new(switchboard, clock, vec![socket], inbound, sink).unwrap();
            address_in.send(local).unwrap();
            tally_in.send(signalling.run().await).unwrap();
        });
    });
    let address = address.recv().unwrap();
    Service { address, inbox, facts, media, tally }
}

/// A peer with a socket of its own.
struct Peer {
    socket: UdpSocket,
    at: String,
}

impl Peer {
    fn new(host: &str, server: SocketAddr) -> Self {
        let socket = UdpSocket::bind((host, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        // A response from a different address than the request was sent to does not arrive.
        socket.connect(server).unwrap();
        let at = socket.local_addr().unwrap().to_string();
        Self { socket, at }
    }

    fn send(&self, text: &str) {
        self.socket.send(text.as_bytes()).unwrap();
    }

    /// Waits for the next message that starts so; others are passed over.
    fn hear(&self, start: &str) -> String {
        let mut buffer = [0; 4_096];
        for _ in 0..50 {
            let (length, _) =
                self.socket.recv_from(&mut buffer).unwrap_or_else(|error| panic!("no {start:?}: {error}"));
            let message = String::from_utf8(buffer[..length].to_vec()).unwrap();
            if message.starts_with(start) {
                return message;
            }
        }
        panic!("50 messages, but no {start:?}");
    }
}

fn register(phone: &Peer, operator: &str) {
    let at = &phone.at;
    let request = |cseq: u32, authorization: &str| {
        format!(
            "REGISTER sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bKr{cseq};rport\r\n\
             From: <sip:{operator}@127.0.0.1>;tag=r\r\nTo: <sip:{operator}@127.0.0.1>\r\nCall-ID: r\r\n\
             CSeq: {cseq} REGISTER\r\nContact: <sip:{operator}@{at}>\r\nMax-Forwards: 70\r\nExpires: 600\r\n\
             {authorization}Content-Length: 0\r\n\r\n"
        )
    };
    phone.send(&request(1, ""));
    let challenge = phone.hear("SIP/2.0 401");
    phone.send(&request(2, &credentials(&challenge, operator, "REGISTER", "sip:127.0.0.1")));
    phone.hear("SIP/2.0 200");
}

#[test]
fn a_call_goes_from_the_trunk_to_a_registered_phone_and_back() {
    call(&start("127.0.0.1:0"), "127.0.0.2", "127.0.0.3");
}

#[test]
fn a_call_goes_over_ipv6() {
    call(&start("[::1]:0"), "::1", "::1");
}

#[test]
fn a_service_that_listens_on_every_address_answers_from_the_one_that_is_asked() {
    let mut service = start("0.0.0.0:0");
    service.address.set_ip("127.0.0.77".parse().unwrap());
    call(&service, "127.0.0.2", "127.0.0.3");
    let mut service = start("[::]:0");
    service.address.set_ip("::1".parse().unwrap());
    call(&service, "::1", "::1");
}

#[test]
fn a_service_that_listens_on_every_address_sees_that_a_phone_is_gone() {
    let mut service = start("0.0.0.0:0");
    service.address.set_ip("127.0.0.77".parse().unwrap());
    let operator = OperatorId::parse("budi").unwrap();
    let ha1 = Ha1::new("budi", "127.0.0.1", "pw-budi");
    let account = Account { operator, name: "Budi".to_owned(), ha1, station: false, station_login: None };
    service.inbox.blocking_send(Inbound::Accounts(vec![account])).unwrap();
    let phone = Peer::new("127.0.0.3", service.address);
    register(&phone, "budi");
    drop(phone);
    let trunk = Peer::new("127.0.0.2", service.address);
    let (at, server, body) = (&trunk.at, service.address, sdp("127.0.0.2", 30_000));
    trunk.send(&format!(
        "INVITE sip:112@{server} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK1\r\nFrom: <sip:0812@127.0.0.2>;tag=c\r\n\
         To: <sip:112@127.0.0.1>\r\nCall-ID: gone\r\nCSeq: 1 INVITE\r\nContact: <sip:0812@{at}>\r\nMax-Forwards: 70\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    // The ICMP error has the address that the INVITE was sent from: without this error the phone would ring for 15 s.
    let outcome = loop {
        let fact = service.facts.recv_timeout(Duration::from_secs(10)).unwrap();
        if let FactKind::OfferEnded { outcome, .. } = fact.kind {
            break outcome;
        }
    };
    assert_eq!(outcome, OfferOutcome::Unreachable);
}

fn call(service: &Service, trunk_host: &str, phone_host: &str) {
    let operator = OperatorId::parse("budi").unwrap();
    let ha1 = Ha1::new("budi", "127.0.0.1", "pw-budi");
    let account = Account { operator, name: "Budi".to_owned(), ha1, station: false, station_login: None };
    service.inbox.blocking_send(Inbound::Accounts(vec![account])).unwrap();
    let (trunk, phone) = (Peer::new(trunk_host, service.address), Peer::new(phone_host, service.address));
    register(&phone, "budi");

    let (at, server, body) = (&trunk.at, service.address, sdp("127.0.0.2", 30_000));
    let request = |method: &str, cseq: u32, to: &str, body: &str| {
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} sip:112@{server} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK{method}\r\n\
             From: <sip:0812@127.0.0.2>;tag=c\r\nTo: {to}\r\nCall-ID: first-call\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:0812@{at}>\r\nMax-Forwards: 70\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    trunk.send(&request("INVITE", 1, "<sip:112@127.0.0.1>", &body));
    trunk.hear("SIP/2.0 100");
    let invite = phone.hear("INVITE");
    phone.send(&response(&invite, &phone.at, "180 Ringing", ""));
    trunk.hear("SIP/2.0 180");
    phone.send(&response(&invite, &phone.at, "200 OK", &sdp("127.0.0.3", 31_000)));
    phone.hear("ACK");
    let answer = trunk.hear("SIP/2.0 200");
    trunk.send(&request("ACK", 1, header(&answer, "To"), ""));

    let (reply, replied) = tokio::sync::oneshot::channel();
    let by = Actor { name: "ani".to_owned(), role: ConsoleRole::Auditor };
    service.inbox.blocking_send(Inbound::Console(by, ConsoleCommand::Calls, reply)).unwrap();
    let ConsoleReply::Calls { calls } = replied.blocking_recv().unwrap() else { panic!("not a list of calls") };
    assert_eq!(calls.iter().map(|call| call.state).collect::<Vec<_>>(), ["talking"]);

    phone.send(&format!(
        "BYE sip:siaga@{server} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bKbye\r\nFrom: {};tag=phone\r\nTo: {}\r\n\
         Call-ID: {}\r\nCSeq: 1 BYE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
        phone.at,
        header(&invite, "To"),
        header(&invite, "From"),
        header(&invite, "Call-ID")
    ));
    phone.hear("SIP/2.0 200");
    let bye = trunk.hear("BYE");
    trunk.send(&response(&bye, at, "200 OK", ""));
    service.inbox.blocking_send(Inbound::Stop).unwrap();
    let tally = service.tally.recv().unwrap();
    assert_eq!(tally.datagrams_unsent, 0);

    let facts: Vec<Fact> = service.facts.try_iter().collect();
    let count = |wanted: fn(&FactKind) -> bool| facts.iter().filter(|fact| wanted(&fact.kind)).count();
    assert_eq!(count(|kind| matches!(kind, FactKind::Received { .. })), 1);
    assert_eq!(count(|kind| matches!(kind, FactKind::Answered { .. })), 1);
    assert_eq!(count(|kind| matches!(kind, FactKind::Ended { .. })), 1);
    let media: Vec<Command> = service.media.try_iter().collect();
    assert!(media.iter().any(|command| matches!(command, Command::Bridge { .. })));
    assert_eq!(media.iter().filter(|command| matches!(command, Command::Close { .. })).count(), 2);
}
