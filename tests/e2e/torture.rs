//! The messages of RFC 4475 and RFC 5118 against the running service, over UDP and TCP, IPv4 and IPv6: each gets the answer that is
//! required, and after each a call is answered.

use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::time::Duration;

use super::baresip::Baresip;
use super::process::until;
use super::raw::{Raw, field, status};
use super::service::Service;
use super::three_callers::Phone as _;
use super::trunk::{Caller, Manner};

#[path = "../torture/mod.rs"]
#[expect(dead_code, reason = "what the reader makes of a message is another test's matter")]
mod messages;

use messages::Torture;

const QUEUE: &str = "answer = \"queue\"\nwrap_up_seconds = 0";

/// Everything that arrives at the trunk's ports.
struct Trunk {
    sockets: Vec<UdpSocket>,
    /// Answers are repeated until they are acknowledged: those are not news.
    seen: BTreeSet<Vec<u8>>,
}

impl Trunk {
    fn news(&mut self) -> Vec<Vec<u8>> {
        let mut buffer = [0; 65_535];
        let mut news = Vec::new();
        for socket in &self.sockets {
            while let Ok(length) = socket.recv(&mut buffer) {
                if self.seen.insert(buffer[..length].to_vec()) {
                    news.push(buffer[..length].to_vec());
                }
            }
        }
        news
    }

    /// A message is sent that may be taken for one sent before: what it gets is news again. Returns what that one got.
    fn forget(&mut self, message: &[u8]) -> BTreeSet<Vec<u8>> {
        let key = |message: &[u8]| (field(message, "Call-ID", "i"), field(message, "CSeq", "CSeq"));
        let its = key(message);
        self.seen.extract_if(.., |seen| key(seen) == its).collect()
    }
}

/// The ports of sent-by in the topmost Via: that is where answers go (RFC 3261 §18.2.2).
fn ports(message: &[u8]) -> BTreeSet<u16> {
    let text = String::from_utf8_lossy(message);
    let digits = |part: &str| part.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
    text.split([':', ' ']).filter_map(digits).filter(|port| *port > 1_024).collect()
}

/// Whether a final answer is the one that is wanted. Who is called is looked at before the body (RFC 3261 §8.2.2.1, §8.2.3): for
/// users that we do not have, 404 stands before what the body would lead to.
fn fits(wanted: &str, status: u16) -> bool {
    match wanted {
        "understood" => status != 400,
        "406" | "415" | "488" => wanted == status.to_string() || status == 404,
        _ => wanted == status.to_string(),
    }
}

/// What is wrong with the answers to a message, if anything.
fn complaint(message: &Torture, wanted: &str, answers: &[u16]) -> Option<String> {
    let last = answers.iter().copied().rfind(|status| *status >= 200);
    let good = match wanted {
        "drop" => last.is_none(),
        _ => wanted.split('|').any(|one| last.is_some_and(|status| fits(one, status))),
    };
    (!good).then(|| format!("{} (§{}): {wanted} wanted, {answers:?}", message.name, message.section))
}

/// All messages of an RFC from a trunk's address, one datagram each.
fn over_udp(rfc: &str, host: &str, service: &str) {
    let messages = messages::messages(rfc);
    let mut wanted: BTreeSet<u16> = messages.iter().flat_map(|message| ports(&message.bytes)).collect();
    wanted.insert(5060);
    let open = |port: u16| {
        let socket = UdpSocket::bind(format!("{host}:{port}")).ok()?;
        socket.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        Some(socket)
    };
    let mut trunk = Trunk { sockets: wanted.into_iter().filter_map(open).collect(), seen: BTreeSet::new() };
    let sender = open(5099).unwrap();
    trunk.sockets.push(sender.try_clone().unwrap());
    let mut caller = Raw::udp(&format!("{host}:5098"), service);
    let mut wrong = Vec::new();
    for message in &messages {
        let earlier = trunk.forget(&message.bytes);
        sender.send_to(&message.bytes, service).unwrap();
        let call = format!("opt-{}", message.name);
        // What it gets comes before the answer to what is asked next.
        let options = caller.options(&call).replace(":5098", ":5099");
        sender.send_to(options.as_bytes(), service).unwrap();
        let (mut answers, mut repeated): (Vec<u16>, Vec<u16>) = Default::default();
        let mut hear = || {
            let mut alive = None;
            for news in trunk.news() {
                if field(&news, "Call-ID", "i").as_ref() == Some(&call) {
                    assert_eq!(status(&news), Some(200));
                    alive = Some(());
                } else if earlier.contains(&news) {
                    repeated.extend(status(&news));
                } else {
                    answers.extend(status(&news));
                }
            }
            alive
        };
        until(&format!("OPTIONS is answered after {}", message.name), &mut hear);
        // It may have come to a port that was looked at before the answer to OPTIONS came to another.
        hear();
        // The service repeats what it has answered to the same transaction: by itself, or because it takes this message for the same.
        if answers.iter().all(|status| *status < 200) {
            answers.extend(repeated);
        }
        trunk.seen.extend(earlier);
        wrong.extend(complaint(message, &message.answer, &answers));
        caller.calls();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// One message over a connection of its own, whole or in pieces, and OPTIONS behind it; the answers, and what became of the
/// connection.
fn over_one_connection(message: &Torture, host: &str, service: &str, piece: usize) -> (Vec<u16>, &'static str) {
    let mut peer = Raw::tcp(&format!("{host}:0"), service);
    message.bytes.chunks(piece).for_each(|piece| peer.send(piece));
    let call = format!("opt-{}-{piece}", message.name);
    let mut answers = Vec::new();
    // One that waits cannot be told from a slow one but by its end.
    let waits = message.stream.ends_with("waits");
    if message.stream == "waits" {
        // More would be taken for the rest of it.
        peer.finish();
    } else {
        let options = peer.options(&call);
        peer.send(options.as_bytes());
    }
    while let Some(answer) = peer.next() {
        if field(&answer, "Call-ID", "i").as_ref() == Some(&call) {
            assert_eq!(status(&answer), Some(200), "after {}", message.name);
            return (answers, "goes on");
        }
        answers.extend(status(&answer));
        // Over a stream a refused INVITE is done with when its ACK has come.
        if status(&answer).is_some_and(|status| status >= 300) {
            let ack = ack(&message.bytes, &answer);
            match message.stream.ends_with("closes") {
                // Nothing more is read there.
                true => acknowledge_elsewhere(host, service, &ack),
                false => peer.send(ack.as_bytes()),
            }
        }
        if waits {
            peer.finish();
        }
    }
    (answers, if waits { "waits" } else { "closes" })
}

/// Sends an ACK over a connection of its own, and waits until it has been read.
fn acknowledge_elsewhere(host: &str, service: &str, ack: &str) {
    let mut peer = Raw::tcp(&format!("{host}:0"), service);
    let options = peer.options("after-ack");
    peer.send(ack.as_bytes());
    peer.send(options.as_bytes());
    assert_eq!(peer.next().and_then(|answer| status(&answer)), Some(200));
}

/// The ACK for a refused INVITE (RFC 3261 §17.1.1.3); nothing for other requests.
fn ack(message: &[u8], answer: &[u8]) -> String {
    let Some((uri, _)) =
        std::str::from_utf8(message).ok().and_then(|text| text.strip_prefix("INVITE ")?.split_once(' '))
    else {
        return String::new();
    };
    let line = |name, short| field(answer, name, short).unwrap_or_default();
    let number = line("CSeq", "CSeq").split(' ').next().unwrap_or_default().to_owned();
    format!(
        "ACK {uri} SIP/2.0\r\nVia: {}\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {number} ACK\r\nContent-Length: 0\r\n\r\n",
        // As it was sent: without what the service has added.
        line("Via", "v").split(";received=").next().unwrap_or_default(),
        line("From", "f"),
        line("To", "t"),
        line("Call-ID", "i")
    )
}

/// All messages of an RFC from a trunk's address, each over a connection of its own and once more in pieces.
fn over_tcp(rfc: &str, host: &str, service: &str) {
    let mut standing = Raw::tcp(&format!("{host}:0"), service);
    let mut wrong = Vec::new();
    for message in &messages::messages(rfc) {
        let (wanted, fate) = ["closes", "waits"]
            .into_iter()
            .find_map(|fate| Some((message.stream.strip_suffix(fate)?.trim_end(), fate)))
            .unwrap_or((&message.stream, "goes on"));
        let wanted = if wanted.is_empty() { "drop" } else { wanted };
        for piece in [usize::MAX, 97] {
            let (answers, found) = over_one_connection(message, host, service, piece);
            wrong.extend(complaint(message, wanted, &answers));
            if found != fate {
                wrong.push(format!("{} (§{}): the connection {found}, not {fate}", message.name, message.section));
            }
        }
        standing.calls();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A trunk at the IPv6 loopback address.
const SIX: &str = "[[trunk]]\nname = \"six\"\npeers = [\"::1/128\"]";

fn connections_are_forgotten(service: &Service) {
    until("the connections are forgotten", || (service.metric("siaga_sip_connections") == 0.0).then_some(()));
}

// The branches are the same every time: a service that has seen a message takes it for a retransmission.

#[test]
fn rfc4475_over_udp() {
    let service = Service::start(10, 1, QUEUE);
    over_udp("rfc4475", &service.host(2), &service.address());
}

#[test]
fn rfc4475_over_tcp() {
    let service = Service::start_over(90, 1, QUEUE, &["udp", "tcp"], "", "");
    over_tcp("rfc4475", &service.host(2), &service.address());
    connections_are_forgotten(&service);
}

#[test]
fn rfc5118_over_udp_and_ipv6() {
    let service = Service::start_over(91, 1, QUEUE, &["udp", "udp6"], "", SIX);
    over_udp("rfc5118", "[::1]", &service.address_v6());
}

#[test]
fn rfc5118_over_tcp_and_ipv6() {
    let service = Service::start_over(92, 1, QUEUE, &["udp", "tcp6"], "", SIX);
    over_tcp("rfc5118", "[::1]", &service.address_v6());
    connections_are_forgotten(&service);
}

#[test]
fn torture_messages_of_strangers_over_tcp_hold_up_no_operator() {
    let service = Service::start_over(45, 1, "wrap_up_seconds = 0", &["udp", "tcp"], "", "");
    let mut phone = Baresip::start_over(&service, 1, 440, ";transport=tcp");
    for (n, message) in messages::messages("rfc4475").iter().enumerate() {
        // No part waits for the response to an unknown source.
        Raw::tcp(&format!("{}:0", service.host(9)), &service.address()).send(&message.bytes);
        if n % 12 == 0 {
            let caller = Caller::calls_over(&service, u16::try_from(n).unwrap(), 700, Manner::HangsUpAfter(300), "t1");
            phone.rings_for(&caller.number);
            phone.answers();
            phone.is_hung_up();
            caller.ends();
            service.wait_for_state("op1", "ready");
        }
    }
    until("the strangers' connections are forgotten", || {
        (service.metric("siaga_sip_connections") <= 2.0).then_some(())
    });
}
