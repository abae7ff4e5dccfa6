//! A bench on which the machines are driven and looked at.

mod cancel;
mod client_rows;
mod legacy;
mod life;
mod matching;
mod properties;
mod server_rows;

use std::time::Duration;

use bytes::Bytes;

use super::timers::Resend;
use super::*;
use crate::sip::flow::{ConnectionId, Transport};
use crate::sip::wire::sample::good;

/// Milliseconds since the bench was set up.
type Millis = u64;

struct Bench {
    transactions: Transactions,
    now: Instant,
    flow: Flow,
    sent: Vec<Transmit>,
    events: Vec<Event>,
}

fn udp() -> Flow {
    Flow::udp("192.0.2.1:5060".parse().unwrap(), "192.0.2.9:5070".parse().unwrap())
}

fn tcp() -> Flow {
    Flow { transport: Transport::Tcp, connection: ConnectionId(7), ..udp() }
}

impl Bench {
    fn new(flow: Flow) -> Self {
        Self {
            transactions: Transactions::default(),
            now: Instant::default(),
            flow,
            sent: Vec::new(),
            events: Vec::new(),
        }
    }

    fn receive(&mut self, text: &str) -> Received {
        let message = good(text.as_bytes());
        self.transactions.receive_request(self.now, self.flow, &message, &mut self.sent)
    }

    /// Receives a request that must start a transaction.
    fn open(&mut self, text: &str) -> ServerId {
        match self.receive(text) {
            Received::New(id) | Received::Cancel { cancel: id, .. } => id,
            other @ (Received::Ack | Received::Absorbed | Received::Full) => panic!("{other:?}"),
        }
    }

    fn respond(&mut self, id: ServerId, status: u16) -> bool {
        self.transactions.respond(self.now, id, status, answer(status), &mut self.sent)
    }

    fn send(&mut self, method: Method) -> ClientId {
        let request = our_request(method, "z9hG4bKours");
        self.transactions.send(self.now, self.flow, method, "z9hG4bKours", request, &mut self.sent).unwrap()
    }

    fn hear(&mut self, text: &str) -> Answered {
        let message = good(text.as_bytes());
        self.transactions.receive_response(self.now, &message, &mut self.sent)
    }

    fn cancel(&mut self, id: ClientId) -> bool {
        self.transactions.cancel(self.now, id, None, &mut self.sent)
    }

    fn fail_transport(&mut self) {
        self.transactions.transport_failed(self.now, self.flow, &mut self.events);
    }

    /// Jumps to the next deadline and fires it.
    fn fire(&mut self) {
        self.now = self.transactions.poll_timeout().unwrap();
        self.transactions.expire(self.now, &mut self.sent, &mut self.events);
    }

    /// Goes on to a point in time, deadline by deadline. Gives what was sent, with the time.
    fn run_to(&mut self, end: Millis) -> Vec<(Millis, String)> {
        let end = at(end);
        let mut log = Vec::new();
        while self.transactions.poll_timeout().is_some_and(|next| next <= end) {
            self.sent.clear();
            self.fire();
            log.extend(self.sent.iter().map(|transmit| (millis(self.now), first_word(transmit))));
        }
        self.now = end;
        self.sent.clear();
        log
    }

    /// The first words of what has been sent since the last time.
    fn take_sent(&mut self) -> Vec<String> {
        self.sent.drain(..).map(|transmit| first_word(&transmit)).collect()
    }

    fn client(&self, id: ClientId) -> String {
        self.transactions.clients.get(&id).map_or_else(|| "gone".to_owned(), |client| describe_client(&client.state))
    }

    fn server(&self, id: ServerId) -> String {
        self.transactions.servers.get(&id).map_or_else(|| "gone".to_owned(), |server| describe_server(&server.state))
    }

    /// Nothing is left behind in any table.
    fn assert_empty(&self) {
        let t = &self.transactions;
        assert!(t.is_empty() && t.deadlines.is_empty() && t.flows.is_empty(), "{t:?}");
        assert!(t.server_keys.is_empty() && t.client_keys.is_empty(), "{t:?}");
    }
}

fn at(millis: Millis) -> Instant {
    Instant::default() + Duration::from_millis(millis)
}

fn millis(at: Instant) -> Millis {
    at.as_nanos() / 1_000_000
}

/// Request method, or status of a response.
fn first_word(transmit: &Transmit) -> String {
    let text = std::str::from_utf8(&transmit.bytes).unwrap();
    let mut words = text.split(' ');
    match words.next() {
        Some("SIP/2.0") => words.next().unwrap().to_owned(),
        word => word.unwrap().to_owned(),
    }
}

/// A request from a peer of RFC 3261.
fn request(method: &str, branch: &str) -> String {
    request_via(method, &format!("SIP/2.0/UDP 192.0.2.9:5070;branch={branch}"))
}

fn request_via(method: &str, via: &str) -> String {
    format!(
        "{method} sip:112@siaga.example SIP/2.0\r\nVia: {via}\r\nFrom: <sip:a@example.net>;tag=from1\r\n\
         To: <sip:112@siaga.example>\r\nCall-ID: one@example.net\r\nCSeq: 7 {method}\r\nMax-Forwards: 70\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

fn answer(status: u16) -> Bytes {
    let text = format!(
        "SIP/2.0 {status} Answer\r\nVia: SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bKtheirs\r\n\
         From: <sip:a@example.net>;tag=from1\r\nTo: <sip:112@siaga.example>;tag=our{status}\r\n\
         Call-ID: one@example.net\r\nCSeq: 7 INVITE\r\nContent-Length: 0\r\n\r\n"
    );
    Bytes::from(text)
}

/// A request of ours, with a route to show that what is made of it keeps to it.
fn our_request(method: Method, branch: &str) -> Bytes {
    let name = method.as_str();
    let text = format!(
        "{name} sip:op1@192.0.2.9:5070;ob SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch={branch};rport\r\n\
         Route: <sip:edge1.example;lr>\r\nRoute: <sip:edge2.example;lr>\r\nMax-Forwards: 70\r\n\
         From: \"112\" <sip:112@siaga.example>;tag=ours\r\nTo: <sip:op1@siaga.example>\r\n\
         Call-ID: two@siaga.example\r\nCSeq: 31 {name}\r\nContact: <sip:192.0.2.1:5060>\r\n\
         Content-Type: application/sdp\r\nContent-Length: 4\r\n\r\nv=0\n"
    );
    Bytes::from(text)
}

fn response_to(method: Method, branch: &str, status: u16, to_tag: &str) -> String {
    let name = method.as_str();
    format!(
        "SIP/2.0 {status} Whatever\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch={branch};rport=5060;received=192.0.2.1\r\n\
         From: \"112\" <sip:112@siaga.example>;tag=ours\r\nTo: <sip:op1@siaga.example>;tag={to_tag}\r\n\
         Call-ID: two@siaga.example\r\nCSeq: 31 {name}\r\nContent-Length: 0\r\n\r\n"
    )
}

fn timer(name: &str, resend: Option<Resend>) -> String {
    resend.map_or_else(String::new, |resend| format!(" {name}@{}", millis(resend.at)))
}

/// The state with the timers that run in it and the milliseconds at which they fire.
fn describe_client(state: &client::State) -> String {
    use client::State;
    match state {
        State::Calling { resend, give_up_at, cancel } => {
            let wish = if *cancel { " to be cancelled" } else { "" };
            format!("Calling{wish}{} B@{}", timer("A", *resend), millis(*give_up_at))
        }
        State::InviteProceeding { give_up_at, cancelled: false } => format!("Proceeding C@{}", millis(*give_up_at)),
        State::InviteProceeding { give_up_at, cancelled: true } => {
            format!("Proceeding cancelled, gives up @{}", millis(*give_up_at))
        }
        State::InviteCompleted { end_at, .. } => format!("Completed D@{}", millis(*end_at)),
        State::InviteAccepted { end_at } => format!("Accepted M@{}", millis(*end_at)),
        State::Trying { resend, give_up_at } => {
            format!("Trying{} F@{}", timer("E", *resend), millis(*give_up_at))
        }
        State::Proceeding { resend, give_up_at } => {
            format!("Proceeding{} F@{}", timer("E", *resend), millis(*give_up_at))
        }
        State::Completed { end_at } => format!("Completed K@{}", millis(*end_at)),
        State::Terminated => "Terminated".to_owned(),
    }
}

fn describe_server(state: &server::State) -> String {
    use server::State;
    match state {
        State::InviteProceeding { .. } => "Proceeding".to_owned(),
        State::InviteCompleted { resend, give_up_at, .. } => {
            format!("Completed{} H@{}", timer("G", *resend), millis(*give_up_at))
        }
        State::InviteConfirmed { end_at } => format!("Confirmed I@{}", millis(*end_at)),
        State::InviteAccepted { end_at } => format!("Accepted L@{}", millis(*end_at)),
        State::Trying { give_up_at } => format!("Trying, gives up @{}", millis(*give_up_at)),
        State::Proceeding { give_up_at, .. } => format!("Proceeding, gives up @{}", millis(*give_up_at)),
        State::Completed { end_at, .. } => format!("Completed J@{}", millis(*end_at)),
        State::Terminated => "Terminated".to_owned(),
    }
}
