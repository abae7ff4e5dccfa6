//! Forged errors of the network, forged requests in the name of phones, and floods of strangers, at any moment of a story: no 112 call
//! ends, moves or waits because of them (RFC 3261 §26.1, RFC 5927). Each forged message is judged at once: it changes nothing, and is
//! answered at most once, to the address that it claims. A story with floods and the same one without them end alike.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use siaga::cdr::fact::FactKind;
use siaga::ids::Rng;
use siaga::sip::flow::Flow;
use siaga::switchboard::{Input, Output};

use super::agenda::Event;
use super::city::City;
use super::phone::source;
use super::trunks;
use super::world::{SERVER, TRUNK, sdp};

/// Every method that the service knows, and one that no one knows.
const METHODS: [&str; 15] = [
    "OPTIONS",
    "REGISTER",
    "INVITE",
    "SUBSCRIBE",
    "MESSAGE",
    "BYE",
    "CANCEL",
    "INFO",
    "UPDATE",
    "PRACK",
    "REFER",
    "NOTIFY",
    "PUBLISH",
    "ACK",
    "FROB",
];

/// The response to a challenge that the service has never issued.
fn invented(user: &str, n: u64) -> String {
    format!(
        "Authorization: Digest username=\"{user}\", realm=\"127.0.0.1\", nonce=\"{n:032x}\", uri=\"sip:127.0.0.1\", \
         response=\"00000000000000000000000000000000\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"c\"\r\n"
    )
}

/// Forged network errors come so fast at a phone.
const STORM: Duration = Duration::from_millis(5);
const STORM_LASTS: u64 = 200;

/// What is done to the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attack {
    /// The next one is chosen.
    Any,
    /// The network says that an address cannot be reached, and so many times more.
    Icmp(SocketAddr, u64),
}

/// What was seen of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Repelled {
    /// Forged network errors; those about a phone that rang, and those about a phone that had not yet responded or talked.
    pub(crate) icmp: u64,
    pub(crate) icmp_at_ringing: u64,
    /// Requests in the name of a phone's own address.
    pub(crate) in_a_phones_name: u64,
    /// Requests of strangers, by method.
    pub(crate) floods: [u64; METHODS.len()],
    /// Of all these, those that were answered, and those that were dropped.
    pub(crate) answered: u64,
    pub(crate) dropped: u64,
    /// While calls were open.
    pub(crate) amid_calls: u64,
}

impl Repelled {
    pub(super) fn add(&mut self, other: &Self) {
        self.icmp += other.icmp;
        self.icmp_at_ringing += other.icmp_at_ringing;
        self.in_a_phones_name += other.in_a_phones_name;
        for (sum, more) in self.floods.iter_mut().zip(other.floods) {
            *sum += more;
        }
        self.answered += other.answered;
        self.dropped += other.dropped;
        self.amid_calls += other.amid_calls;
    }
}

#[derive(Debug)]
pub(crate) struct Attackers {
    /// Of their own, so that stories go as they would go without them.
    rng: Rng,
    pub(super) repelled: Repelled,
    serial: u64,
}

impl Attackers {
    pub(super) fn new(seed: u64) -> Self {
        Self { rng: Rng::from_number(seed.rotate_left(16) ^ 0xf100d), repelled: Repelled::default(), serial: 0 }
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.rng.below(u64::try_from(end).unwrap())).unwrap()
    }

    /// A request that belongs to nothing, with an invented To tag or without one.
    fn request(&mut self, method: &str, from: SocketAddr, user: &str, credentials: &str) -> String {
        self.serial += 1;
        let n = self.serial;
        let tag = if self.rng.below(2) == 0 { format!(";tag=t{n}") } else { String::new() };
        let more = match method {
            "REFER" => "Refer-To: <sip:op1@127.0.0.1>\r\n",
            "PRACK" => "RAck: 1 1 INVITE\r\n",
            "SUBSCRIBE" | "NOTIFY" => "Event: dialog\r\nSubscription-State: active\r\n",
            _ => "",
        };
        let body = if matches!(method, "INVITE" | "UPDATE") { sdp(&from.to_string(), 41_000) } else { String::new() };
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} sip:{user}@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bKx{n};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{user}@127.0.0.1>;tag=x{n}\r\nTo: <sip:{user}@127.0.0.1>{tag}\r\nCall-ID: x{n}\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:{user}@{from}>\r\n{more}{credentials}{kind}Content-Length: {}\r\n\r\n{body}",
            body.len(),
            cseq = 900_000 + n
        )
    }
}

impl City {
    pub(super) fn is_attacked(&mut self, attack: Attack) {
        if let Attack::Icmp(at, more) = attack {
            self.network_lies(at);
            if more > 0 {
                self.schedule(STORM, Event::Attack(Attack::Icmp(at, more - 1)));
            }
            return;
        }
        if !self.is_closed() {
            let after = Duration::from_millis(1_000 + self.attackers.rng.below(240_000));
            self.schedule(after, Event::Attack(Attack::Any));
        }
        let nth = self.attackers.below(self.phones.len());
        let ringing = self.phones.iter().find(|phone| phone.is_ringing());
        let at = ringing.filter(|_| self.attackers.serial.is_multiple_of(2)).unwrap_or(&self.phones[nth]).at;
        match self.attackers.below(4) {
            0 => (0..5).for_each(|_| {
                let other = SocketAddr::new(at.ip(), 1_024 + u16::try_from(self.attackers.below(60_000)).unwrap());
                let peers = [at, TRUNK.parse().unwrap(), trunks::SECOND.parse().unwrap(), other];
                let any = peers[self.attackers.below(peers.len())];
                self.network_lies(any);
            }),
            1 => self.is_attacked(Attack::Icmp(at, STORM_LASTS)),
            2 => self.is_impersonated(at),
            _ => self.is_flooded(),
        }
    }

    /// The network says that an address cannot be reached. That is a hint, which changes nothing yet.
    fn network_lies(&mut self, at: SocketAddr) {
        self.attackers.repelled.icmp += 1;
        let rings = self.phones.iter().any(|phone| phone.at == at && phone.is_ringing());
        self.attackers.repelled.icmp_at_ringing += u64::from(rings);
        self.step(Input::Tick);
        let flow = Flow::udp(SERVER.parse().unwrap(), at);
        self.changes_nothing(Input::Unreachable { flow }, flow);
    }

    /// Requests that seem to come from a phone, with credentials that prove nothing or none.
    fn is_impersonated(&mut self, at: SocketAddr) {
        let from = source(at, if self.attackers.serial.is_multiple_of(2) { "REGISTER" } else { "OPTIONS" });
        let many = [1, 30, 300][self.attackers.below(3)];
        let user = format!("op{}", self.attackers.below(6));
        let method = ["REGISTER", "OPTIONS", "REGISTER", "SUBSCRIBE"][self.attackers.below(4)];
        self.step(Input::Tick);
        for _ in 0..many {
            let n = self.attackers.serial;
            let credentials = if self.attackers.rng.below(4) == 0 { String::new() } else { invented(&user, n) };
            let text = self.attackers.request(method, from, &user, &credentials);
            self.attackers.repelled.in_a_phones_name += 1;
            let flow = Flow::udp(SERVER.parse().unwrap(), from);
            self.changes_nothing(Input::Received { flow, bytes: text.as_bytes() }, flow);
        }
    }

    /// Strangers send the same method again and again: from addresses of theirs, or of the phones' host, or of a trunk.
    fn is_flooded(&mut self) {
        let nth = self.attackers.below(METHODS.len());
        let method = METHODS[nth];
        let port = 1_024 + u16::try_from(self.attackers.below(3_000)).unwrap();
        let stranger: std::net::IpAddr =
            Ipv4Addr::new(198, 51, 100, u8::try_from(self.attackers.below(250)).unwrap()).into();
        let trunk: SocketAddr = TRUNK.parse().unwrap();
        // An INVITE in the name of a trunk makes a call.
        let hosts = [stranger, stranger, "127.0.0.3".parse().unwrap(), trunk.ip()];
        let host = hosts[self.attackers.below(if method == "INVITE" { 3 } else { 4 })];
        let many = [50, 50, 400][self.attackers.below(3)];
        self.step(Input::Tick);
        for _ in 0..many {
            let text = self.attackers.request(method, SocketAddr::new(host, port), "112", "");
            self.attackers.repelled.floods[nth] += 1;
            let flow = Flow::udp(SERVER.parse().unwrap(), SocketAddr::new(host, port));
            self.changes_nothing(Input::Received { flow, bytes: text.as_bytes() }, flow);
        }
    }

    /// A forged message: at most one response goes to its flow, and all that the service knows stays as it is.
    fn changes_nothing(&mut self, input: Input<'_>, flow: Flow) {
        if self.drained_at.is_some() || self.restarts.down {
            return;
        }
        let is_message = matches!(input, Input::Received { .. });
        let what = match &input {
            Input::Received { bytes, .. } => String::from_utf8_lossy(bytes).into_owned(),
            other => format!("{other:?}"),
        };
        let (before, mut out) = (self.switchboard.gauges(), Vec::new());
        self.switchboard.handle(self.now, input, &mut out);
        if let Err(broken) = self.switchboard.verify() {
            panic!("invariant broken: {broken}");
        }
        let mut responses = 0;
        for output in &out {
            match output {
                Output::Send(transmit) if is_message && transmit.flow == flow => {
                    assert!(transmit.bytes.starts_with(b"SIP/2.0 "), "{what}\nleads to {output:?}");
                    responses += 1;
                }
                Output::Rejected(_) | Output::Guessing { .. } => {}
                Output::Fact(fact) if matches!(fact.kind, FactKind::PasswordGuessed { .. }) => {}
                // The address of a phone that is registered is never banned for what anyone may have sent.
                Output::Banned(ban) if before.phones == 0 || ban.address != self.phones[0].at.ip() => {}
                other => panic!("{what}\nleads to {other:?}"),
            }
        }
        assert!(responses <= 1, "{what}\nleads to {out:?}");
        let mut after = self.switchboard.gauges();
        // A request with credentials may be remembered, so that its repetition gets the same response.
        let kept = after.transactions.saturating_sub(before.transactions);
        assert!(kept == 0 || kept == 1 && responses == 1 && what.contains("Authorization: "), "{what}");
        after.transactions = before.transactions;
        assert_eq!(after, before, "{what}");
        let repelled = &mut self.attackers.repelled;
        repelled.answered += u64::from(is_message && responses == 1);
        repelled.dropped += u64::from(is_message && responses == 0);
        repelled.amid_calls += u64::from(before.calls > 0);
    }
}

impl Repelled {
    /// Each kind of attack was seen often.
    pub(super) fn is_enough(&self) -> bool {
        let each = self.icmp > 5_000 && self.icmp_at_ringing > 200 && self.in_a_phones_name > 1_000;
        each && self.floods.iter().all(|many| *many >= 50) && self.answered > 500 && self.amid_calls > 1_000
    }
}
