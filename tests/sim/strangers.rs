//! Strangers who try passwords, or just flood: the guard sees to them. And strangers who have overheard the dialogs of others, and
//! send requests in them: nothing comes of it (RFC 3261 §22, §26.1).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use siaga::ids::Rng;
use siaga::sip::flow::Flow;
use siaga::switchboard::{Input, Output};

use super::agenda::Event;
use super::city::City;
use super::endpoint::{Heard, Said};
use super::world::{SERVER, TRUNK, sdp};

/// They do not listen there.
pub(crate) const PORT: u16 = 9;

/// Where forged requests in dialogs come from.
const FORGER: &str = "203.0.113.77:9";

const GUESS: &str = "Authorization: Digest username=\"op1\", realm=\"127.0.0.1\", nonce=\"00\", uri=\"sip:127.0.0.1\", \
     response=\"00000000000000000000000000000000\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"c\"\r\n";

/// What one of them sends, and from where: some speak in the name of the phones' address.
pub(crate) fn come(rng: &mut Rng, serial: u64) -> (SocketAddr, Vec<String>) {
    let host = match rng.below(8) {
        0 => "127.0.0.3".parse().unwrap(),
        n => std::net::Ipv4Addr::new(203, 0, 113, u8::try_from(n).unwrap()).into(),
    };
    let from = SocketAddr::new(host, PORT);
    let many = if rng.below(10) == 0 { 2_000 } else { 20 };
    let guess = if rng.below(2) == 0 { GUESS } else { "" };
    let text = |n: u64| {
        format!(
            "REGISTER sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bKs{n}\r\n\
             From: <sip:op1@127.0.0.1>;tag=s\r\nTo: <sip:op1@127.0.0.1>\r\nCall-ID: s{n}\r\n\
             CSeq: 1 REGISTER\r\n{guess}Content-Length: 0\r\n\r\n"
        )
    };
    (from, (serial..serial + rng.below(many)).map(text).collect())
}

/// What strangers have overheard: messages of the service in dialogs, and its responses to INVITEs, the latest of them.
#[derive(Debug)]
pub(crate) struct Overheard {
    /// Of their own, so that stories go as they would go without them.
    rng: Rng,
    said: VecDeque<String>,
    /// Forged messages that were rejected.
    pub(super) rejected: u64,
}

const OVERHEARD_MAX: usize = 40;

const METHODS: [&str; 10] =
    ["BYE", "INVITE", "UPDATE", "INFO", "REFER", "OPTIONS", "MESSAGE", "PRACK", "NOTIFY", "SUBSCRIBE"];

impl Overheard {
    pub(crate) fn new(seed: u64) -> Self {
        Self { rng: Rng::from_number(!seed), said: VecDeque::new(), rejected: 0 }
    }

    /// The service has said something.
    pub(crate) fn hear(&mut self, heard: &Heard<'_>) {
        let in_dialog = heard.from.contains("tag=") && heard.to.contains("tag=");
        if in_dialog && (heard.status().is_none() || heard.method == "INVITE") {
            self.said.push_back(heard.text.to_owned());
            if self.said.len() > OVERHEARD_MAX {
                self.said.pop_front();
            }
        }
    }

    /// A request in one of the dialogs, or a CANCEL of one of the INVITEs, from a place that has nothing to do with it. With the
    /// right tags, or with others.
    fn forge(&mut self, serial: u64) -> Option<String> {
        let rng = &mut self.rng;
        let any = usize::try_from(rng.below(u64::try_from(self.said.len()).unwrap())).unwrap();
        let heard = Heard::read(self.said.get(any)?);
        let (Heard { via, call_id, .. }, at) = (&heard, FORGER);
        if heard.status().is_some() && rng.below(4) == 0 {
            let to = heard.to.split(";tag=").next().unwrap();
            return Some(format!(
                "CANCEL sip:112@127.0.0.1 SIP/2.0\r\nVia: {via}\r\nFrom: {}\r\nTo: {to}\r\nCall-ID: {call_id}\r\n\
                 CSeq: {} CANCEL\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
                heard.from, heard.cseq
            ));
        }
        let (mut from, mut to) = if heard.status().is_some() { (heard.from, heard.to) } else { (heard.to, heard.from) };
        let (other_from, other_to) = (format!("{from}x"), format!("{to}x"));
        match rng.below(4) {
            0 => from = &other_from,
            1 => to = &other_to,
            _ => {}
        }
        let method = METHODS[usize::try_from(rng.below(10)).unwrap()];
        let more = match method {
            "REFER" => "Refer-To: <sip:op1@127.0.0.1>\r\n",
            "PRACK" => "RAck: 1 1 INVITE\r\n",
            "SUBSCRIBE" => "Event: presence\r\nExpires: 0\r\n",
            _ => "",
        };
        let body = if matches!(method, "INVITE" | "UPDATE") { sdp(at, 40_000) } else { String::new() };
        let (branch, uri) = (format!("z9hG4bKf{serial}"), "sip:siaga@127.0.0.1:5060");
        let cseq = 1_000_000;
        Some(Said { method, uri, at, branch: &branch, from, to, call_id, cseq, more, body: &body }.text())
    }
}

impl City {
    /// Strangers speak in dialogs of others: nothing happens but that they are rejected, and nothing is left of it.
    pub(super) fn strangers_forge(&mut self) {
        if !self.is_closed() {
            let after = Duration::from_millis(1_000 + self.overheard.rng.below(20_000));
            self.schedule(after, Event::Forge);
        }
        let serial = self.steps;
        let Some(text) = self.overheard.forge(serial) else { return };
        self.step(Input::Tick);
        if self.drained_at.is_some() || self.restarts.down {
            return;
        }
        let flow = Flow::udp(SERVER.parse().unwrap(), FORGER.parse().unwrap());
        let (before, mut out) = (self.switchboard.gauges(), Vec::new());
        self.switchboard.handle(self.now, Input::Received { flow, bytes: text.as_bytes() }, &mut out);
        for output in &out {
            match output {
                Output::Send(transmit) if transmit.flow.remote.ip() == flow.remote.ip() => {
                    let said = std::str::from_utf8(&transmit.bytes).unwrap();
                    // A BYE of an ended dialog gets 200 from any source.
                    let status = Heard::read(said).status();
                    let rejected = matches!(status, Some(401 | 403 | 481));
                    assert!(rejected || status == Some(200) && text.starts_with("BYE"), "{text}\ngets {said}");
                    self.overheard.rejected += 1;
                }
                // A CANCEL that the caller has sent before is a repetition: the caller gets its response again.
                Output::Send(transmit) if text.starts_with("CANCEL") => {
                    assert!(transmit.bytes.starts_with(b"SIP/2.0 ") && transmit.flow.remote == TRUNK.parse().unwrap());
                }
                Output::Rejected(_) => {}
                other => panic!("{text}\nleads to {other:?}"),
            }
        }
        assert!(out.len() <= 2, "{out:?}");
        assert_eq!(self.switchboard.gauges(), before, "{text}");
    }
}
