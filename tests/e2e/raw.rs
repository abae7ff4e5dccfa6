//! A peer that speaks SIP byte by byte, over UDP or one TCP connection, and can call 112 in its own name.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};

use socket2::{Domain, Socket, Type};

use super::process::PATIENCE;

enum Way {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

pub(crate) struct Raw {
    way: Way,
    /// Its own address and the service's.
    at: SocketAddr,
    service: SocketAddr,
    calls: u32,
}

/// The status of a response.
pub(crate) fn status(message: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(message.get(..12)?).ok()?;
    text.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
}

/// The value of a header field, by its long or short name.
pub(crate) fn field(message: &[u8], name: &str, short: &str) -> Option<String> {
    let text = String::from_utf8_lossy(message);
    text.lines().take_while(|line| !line.is_empty()).find_map(|line| {
        let (one, value) = line.split_once(':')?;
        let is_it = |name: &str| one.trim().eq_ignore_ascii_case(name);
        (is_it(name) || is_it(short)).then(|| value.trim().to_owned())
    })
}

/// The Route lines that a caller owes to the proxies of a response (RFC 3261 §12.1.2).
fn routes(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer);
    let recorded: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("Record-Route:")).collect();
    let each = recorded.iter().flat_map(|line| line.split(','));
    let lines: Vec<String> = each.map(|route| format!("Route: {}\r\n", route.trim())).collect();
    lines.into_iter().rev().collect()
}

impl Raw {
    pub(crate) fn udp(from: &str, service: &str) -> Self {
        let socket = UdpSocket::bind(from).unwrap_or_else(|error| panic!("{from}: {error}"));
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let at = socket.local_addr().unwrap();
        Self { way: Way::Udp(socket), at, service: service.parse().unwrap(), calls: 0 }
    }

    pub(crate) fn tcp(from: &str, service: &str) -> Self {
        let (from, service): (SocketAddr, SocketAddr) = (from.parse().unwrap(), service.parse().unwrap());
        let socket = Socket::new(Domain::for_address(service), Type::STREAM, None).unwrap();
        socket.bind(&from.into()).unwrap();
        socket.connect(&service.into()).unwrap();
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let at = stream.local_addr().unwrap();
        Self { way: Way::Tcp(stream), at, service, calls: 0 }
    }

    /// Sends what may be no message at all. A peer that has closed has been told enough.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        match &mut self.way {
            Way::Udp(socket) => drop(socket.send_to(bytes, self.service)),
            Way::Tcp(stream) => drop(stream.write_all(bytes)),
        }
    }

    /// Nothing more comes from this side.
    pub(crate) fn finish(&mut self) {
        if let Way::Tcp(stream) = &self.way {
            drop(stream.shutdown(std::net::Shutdown::Write));
        }
    }

    /// The next message. None: the connection is closed.
    pub(crate) fn next(&mut self) -> Option<Vec<u8>> {
        let stream = match &mut self.way {
            Way::Udp(socket) => {
                let mut buffer = vec![0; 65_535];
                let length = socket.recv(&mut buffer).unwrap();
                buffer.truncate(length);
                return Some(buffer);
            }
            Way::Tcp(stream) => stream,
        };
        let (mut text, mut byte) = (Vec::new(), [0]);
        while !text.ends_with(b"\r\n\r\n") {
            if text == b"\r\n" {
                // An empty line before a message is not part of it (RFC 3261 §7.5): siaga sends it to probe half-closed connections.
                text.clear();
            }
            match stream.read(&mut byte) {
                Ok(1) => text.push(byte[0]),
                Ok(_) => return None,
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("{} hears nothing: {error}", self.at),
            }
        }
        let length: usize = field(&text, "Content-Length", "l").unwrap().parse().unwrap();
        let head = text.len();
        text.resize(head + length, 0);
        stream.read_exact(&mut text[head..]).unwrap();
        Some(text)
    }

    fn request(&self, method: &str, cseq: u32, call: &str, to: &str, body: &str) -> String {
        self.request_to(&format!("sip:112@{}", self.service), "", method, cseq, call, to, body)
    }

    #[expect(clippy::too_many_arguments, reason = "all that a request says")]
    fn request_to(&self, uri: &str, routes: &str, method: &str, cseq: u32, call: &str, to: &str, body: &str) -> String {
        let at = self.at;
        let transport = if matches!(self.way, Way::Udp(_)) { "UDP" } else { "TCP" };
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{transport} {at};branch=z9hG4bK{call}{cseq}{method}\r\n{routes}\
             From: <sip:0812@{at}>;tag=c\r\nTo: {to}\r\nCall-ID: {call}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:0812@{at}>\r\nMax-Forwards: 70\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    /// The next response to a request of a call; others are stepped over.
    fn answer(&mut self, call: &str, cseq: &str) -> Vec<u8> {
        loop {
            let message = self.next().unwrap_or_else(|| panic!("the connection of {call} is closed"));
            let of_it = field(&message, "Call-ID", "i").as_deref() == Some(call)
                && field(&message, "CSeq", "CSeq").as_deref() == Some(cseq);
            if of_it && status(&message).is_some_and(|status| status >= 200) {
                return message;
            }
        }
    }

    /// Asks with OPTIONS, in the name of `what`.
    pub(crate) fn options(&self, what: &str) -> String {
        self.request("OPTIONS", 1, what, &format!("<sip:{}>", self.service), "")
    }

    /// Calls 112, is answered by the queue, and hangs up.
    pub(crate) fn calls(&mut self) {
        assert_eq!(self.invites(), 200);
    }

    /// Calls 112, and hangs up when it is answered; the answer's status.
    pub(crate) fn invites(&mut self) -> u16 {
        self.calls += 1;
        let call = format!("raw-{}-{}", self.at.port(), self.calls);
        let ip = self.at.ip();
        let family = if ip.is_ipv6() { "IP6" } else { "IP4" };
        let sdp = format!(
            "v=0\r\no=- 1 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\nm=audio 29998 RTP/AVP 8\r\n"
        );
        let to = format!("<sip:112@{}>", self.service);
        self.send(self.request("INVITE", 1, &call, &to, &sdp).as_bytes());
        let answer = self.answer(&call, "1 INVITE");
        let to = field(&answer, "To", "t").unwrap();
        if status(&answer) != Some(200) {
            self.send(self.request("ACK", 1, &call, &to, "").as_bytes());
            return status(&answer).unwrap();
        }
        assert!(String::from_utf8_lossy(&answer).contains("m=audio "), "with a session");
        let contact = field(&answer, "Contact", "m").unwrap();
        let uri = contact.trim_start_matches('<').split('>').next().unwrap();
        let routes = routes(&answer);
        self.send(self.request_to(uri, &routes, "ACK", 1, &call, &to, "").as_bytes());
        self.send(self.request_to(uri, &routes, "BYE", 2, &call, &to, "").as_bytes());
        let answer = self.answer(&call, "2 BYE");
        assert_eq!(status(&answer), Some(200), "{}", String::from_utf8_lossy(&answer));
        200
    }
}
