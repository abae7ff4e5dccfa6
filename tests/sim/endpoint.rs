//! What phones and callers have in common: reading and writing SIP, and saying things again until they are heard
//! (RFC 3261 §17.1, §17.2, §13.3.1.4). Shares no code with the switchboard, so that both cannot be wrong alike.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use siaga::clock::Instant;
use siaga::ids::Rng;

pub(crate) const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
/// The longest that anything is said again.
pub(crate) const PATIENCE: Duration = Duration::from_secs(32);

/// One message, taken apart. It must have all that every message has.
#[derive(Debug)]
pub(crate) struct Heard<'a> {
    pub(crate) start: &'a str,
    pub(crate) via: &'a str,
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
    pub(crate) call_id: &'a str,
    pub(crate) cseq: u32,
    pub(crate) method: &'a str,
    pub(crate) text: &'a str,
}

impl<'a> Heard<'a> {
    pub(crate) fn read(text: &'a str) -> Self {
        let mut heard = Heard { start: "", via: "", from: "", to: "", call_id: "", cseq: 0, method: "", text };
        let mut lines = text.split("\r\n");
        heard.start = lines.next().unwrap();
        for line in lines.take_while(|line| !line.is_empty()) {
            let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("no header field: {line}"));
            match name {
                "Via" => heard.via = value,
                "From" => heard.from = value,
                "To" => heard.to = value,
                "Call-ID" => heard.call_id = value,
                "CSeq" => {
                    let (number, method) = value.split_once(' ').unwrap();
                    (heard.cseq, heard.method) = (number.parse().unwrap(), method);
                }
                _ => {}
            }
        }
        let whole = [heard.via, heard.from, heard.to, heard.call_id, heard.method];
        assert!(whole.iter().all(|part| !part.is_empty()), "a part is missing: {text}");
        heard
    }

    /// The status of a response.
    pub(crate) fn status(&self) -> Option<u16> {
        Some(self.start.strip_prefix("SIP/2.0 ")?.split(' ').next()?.parse().unwrap())
    }

    /// A header field that not every message has.
    pub(crate) fn field(&self, name: &str) -> Option<&'a str> {
        let mut lines = self.text.split("\r\n").take_while(|line| !line.is_empty());
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub(crate) fn branch(&self) -> &'a str {
        self.via.split("branch=").nth(1).unwrap().split(';').next().unwrap()
    }

    /// The answer to this request. `to` is its To with our tag.
    pub(crate) fn answer(&self, status: &str, to: &str, contact: &str, body: &str) -> String {
        let mut text = format!(
            "SIP/2.0 {status}\r\nVia: {}\r\nFrom: {}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {} {}\r\nContact: <{contact}>\r\n",
            self.via, self.from, self.call_id, self.cseq, self.method
        );
        close(&mut text, body);
        text
    }
}

/// Writes the end of a message.
fn close(text: &mut String, body: &str) {
    if !body.is_empty() {
        text.push_str("Content-Type: application/sdp\r\n");
    }
    write!(text, "Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
}

/// One request as an endpoint writes it.
pub(crate) struct Said<'a> {
    pub(crate) method: &'a str,
    pub(crate) uri: &'a str,
    pub(crate) at: &'a str,
    pub(crate) branch: &'a str,
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
    pub(crate) call_id: &'a str,
    pub(crate) cseq: u32,
    /// Further header fields, each with its line's end.
    pub(crate) more: &'a str,
    pub(crate) body: &'a str,
}

impl Said<'_> {
    pub(crate) fn text(&self) -> String {
        let Said { method, uri, at, branch, from, to, call_id, cseq, more, body } = self;
        let mut text = String::with_capacity(700 + body.len());
        write!(
            text,
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch={branch};rport\r\nMax-Forwards: 70\r\nFrom: {from}\r\n\
             To: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\nContact: <sip:me@{at}>\r\n{more}"
        )
        .unwrap();
        close(&mut text, body);
        text
    }
}

/// What an endpoint sees of the world, and what it does to it. `A` is what it wakes up for.
pub(crate) struct Io<'w, A> {
    pub(crate) now: Instant,
    pub(crate) rng: &'w mut Rng,
    pub(crate) sent: Vec<String>,
    pub(crate) alarms: Vec<(Duration, A)>,
    /// Who sends sound.
    pub(crate) voices: &'w mut BTreeSet<SocketAddr>,
}

impl<A> Io<'_, A> {
    pub(crate) fn say(&mut self, text: String) {
        self.sent.push(text);
    }

    pub(crate) fn wake(&mut self, after: Duration, alarm: A) {
        self.alarms.push((after, alarm));
    }

    /// True in `percent` of 100 cases.
    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.rng.below(100) < percent
    }

    /// A time between the two.
    pub(crate) fn between(&mut self, from_ms: u64, to_ms: u64) -> Duration {
        Duration::from_millis(from_ms + self.rng.below(to_ms - from_ms))
    }
}

/// How often something is said again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// INVITE: doubles without end.
    Invite,
    /// All else: doubles up to T2.
    Other,
}

#[derive(Debug)]
struct Repeat {
    text: String,
    interval: Duration,
    pace: Pace,
    until: Instant,
}

/// Names one thing that is said again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RepeatId(u32);

/// What an endpoint says again until it is heard.
#[derive(Debug, Default)]
pub(crate) struct Repeats {
    next: u32,
    open: BTreeMap<RepeatId, Repeat>,
}

impl Repeats {
    /// Says it, and again until `stop`.
    pub(crate) fn start<A>(
        &mut self,
        io: &mut Io<'_, A>,
        pace: Pace,
        text: String,
        again: impl FnOnce(RepeatId) -> A,
    ) -> RepeatId {
        self.next += 1;
        let id = RepeatId(self.next);
        io.say(text.clone());
        io.wake(T1, again(id));
        self.open.insert(id, Repeat { text, interval: T1, pace, until: io.now + PATIENCE });
        id
    }

    pub(crate) fn stop(&mut self, id: Option<RepeatId>) {
        if let Some(id) = id {
            self.open.remove(&id);
        }
    }

    /// It is still said.
    pub(crate) fn is_open(&self, id: RepeatId) -> bool {
        self.open.contains_key(&id)
    }

    /// Handles a deadline; true if no response has arrived for too long.
    pub(crate) fn again<A>(&mut self, io: &mut Io<'_, A>, id: RepeatId, again: impl FnOnce(RepeatId) -> A) -> bool {
        let Some(repeat) = self.open.get_mut(&id) else { return false };
        if io.now >= repeat.until {
            self.open.remove(&id);
            return true;
        }
        repeat.interval *= 2;
        if repeat.pace == Pace::Other {
            repeat.interval = repeat.interval.min(T2);
        }
        io.say(repeat.text.clone());
        io.wake(repeat.interval.min(repeat.until.since(io.now)), again(id));
        false
    }

    pub(crate) fn forget_all(&mut self) {
        self.open.clear();
    }
}
