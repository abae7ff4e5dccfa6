//! The messages of RFC 4475 against the running service: each gets the answer that is required, and calls go on.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use super::baresip::Baresip;
use super::process::until;
use super::service::Service;
use super::three_callers::Phone as _;
use super::trunk::{Caller, Manner};

#[path = "../rfc4475/mod.rs"]
#[expect(dead_code, reason = "what the reader makes of a message is another test's matter")]
mod rfc4475;

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
}

/// The ports of sent-by in the topmost Via: that is where answers go (RFC 3261 §18.2.2).
fn ports(message: &[u8]) -> BTreeSet<u16> {
    let text = String::from_utf8_lossy(message);
    let digits = |part: &str| part.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
    text.split([':', ' ']).filter_map(digits).filter(|port| *port > 1_024).collect()
}

fn status(message: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(message.get(..12)?).ok()?;
    text.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
}

/// Whether a final answer is the one that is wanted. Who is called is looked at before the body (RFC 3261 §8.2.2.1, §8.2.3): for
/// users that we do not have, 404 stands before what the body would lead to.
fn fits(wanted: &str, status: u16, message: &[u8]) -> bool {
    let for_us = message.windows(4).any(|four| four == b":112");
    match wanted {
        "understood" => status != 400,
        "406" | "415" | "488" => wanted == status.to_string() || (status == 404 && !for_us),
        _ => wanted == status.to_string(),
    }
}

#[test]
fn torture_messages_get_their_answer_and_calls_go_on() {
    let service = Service::start(10, 1, "");
    let host = service.host(2);
    let messages = rfc4475::messages();
    assert!(messages.len() > 40, "{} messages", messages.len());
    let mut wanted: BTreeSet<u16> = messages.iter().flat_map(|message| ports(&message.bytes)).collect();
    wanted.insert(5060);
    let open = |port: u16| {
        let socket = UdpSocket::bind((host.as_str(), port)).ok()?;
        socket.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        Some(socket)
    };
    let mut trunk = Trunk { sockets: wanted.into_iter().filter_map(open).collect(), seen: BTreeSet::new() };
    let sender = UdpSocket::bind((host.as_str(), 5099)).unwrap();
    sender.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    trunk.sockets.push(sender.try_clone().unwrap());
    let mut wrong = Vec::new();
    for (n, message) in messages.iter().enumerate() {
        sender.send_to(&message.bytes, service.address()).unwrap();
        let options = format!(
            "OPTIONS sip:{0} SIP/2.0\r\nVia: SIP/2.0/UDP {host}:5099;branch=z9hG4bKopt{n}\r\nFrom: <sip:t@{host}>;tag=o\r\n\
             To: <sip:{0}>\r\nCall-ID: opt-{n}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
            service.host(1)
        );
        sender.send_to(options.as_bytes(), service.address()).unwrap();
        let mut answers: Vec<u16> = Vec::new();
        until(&format!("OPTIONS is answered after {}", message.name), || {
            let mut alive = None;
            for news in trunk.news() {
                if String::from_utf8_lossy(&news).contains(&format!("opt-{n}\r\n")) {
                    assert_eq!(status(&news), Some(200));
                    alive = Some(());
                } else {
                    answers.extend(status(&news));
                }
            }
            alive
        });
        let last = answers.iter().copied().rfind(|status| *status >= 200);
        let good = match (message.answer.as_str(), last) {
            ("drop", answer) => answer.is_none(),
            (wanted, answer) => {
                wanted.split('|').any(|one| answer.is_some_and(|status| fits(one, status, &message.bytes)))
            }
        };
        if !good {
            wrong.push(format!("{} (§{}): {} wanted, {answers:?}", message.name, message.section, message.answer));
        }
        if n % 10 == 0 {
            Caller::calls(&service, u16::try_from(n).unwrap(), 700, Manner::CancelsAfter(50)).ends();
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A connection from an address that is no trunk's.
fn connect(service: &Service) -> TcpStream {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let at = |address: String| address.parse::<std::net::SocketAddr>().unwrap().into();
    socket.bind(&at(format!("{}:0", service.host(9)))).unwrap();
    socket.connect(&at(service.address())).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(super::process::PATIENCE)).unwrap();
    stream
}

#[test]
fn torture_messages_over_tcp_hold_up_nobody_else() {
    let service = Service::start_over(45, 1, "wrap_up_seconds = 0", &["udp", "tcp"], "", "");
    let mut phone = Baresip::start_over(&service, 1, 440, ";transport=tcp");
    let mut standing = connect(&service);
    for (n, message) in rfc4475::messages().iter().enumerate() {
        let mut stream = connect(&service);
        stream.write_all(&message.bytes).unwrap();
        // In pieces too, and with what can follow it.
        let mut second = connect(&service);
        second.set_nodelay(true).unwrap();
        for piece in message.bytes.chunks(97) {
            // Who is cut off in the middle has been told enough.
            if second.write_all(piece).is_err() {
                break;
            }
        }
        let options = format!(
            "OPTIONS sip:{0} SIP/2.0\r\nVia: SIP/2.0/TCP {1};branch=z9hG4bKtcp{n}\r\nFrom: <sip:t@{1}>;tag=o\r\n\
             To: <sip:{0}>\r\nCall-ID: tcp-{n}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
            service.host(1),
            service.host(9)
        );
        standing.write_all(options.as_bytes()).unwrap();
        let (mut answer, mut byte) = (Vec::new(), [0]);
        while !answer.ends_with(b"\r\n\r\n") {
            standing.read_exact(&mut byte).unwrap();
            answer.push(byte[0]);
        }
        assert_eq!(status(&answer), Some(200), "after {}", message.name);
        if n % 10 == 0 {
            let caller = Caller::calls_over(&service, u16::try_from(n).unwrap(), 700, Manner::HangsUpAfter(300), "t1");
            phone.rings_for(&caller.number);
            phone.answers();
            phone.is_hung_up();
            caller.ends();
            service.wait_for_state("op1", "ready");
        }
    }
    drop(standing);
    until("the strangers' connections are forgotten", || {
        (service.metric("siaga_sip_connections") <= 2.0).then_some(())
    });
}
