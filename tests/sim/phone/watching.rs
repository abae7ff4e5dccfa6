//! What a phone does with colleagues: it watches them, as lamps and presence do, and writes to them.

use super::super::endpoint::{Heard, Io, Pace, RepeatId, Said};
use super::super::text::credentials;
use super::{Alarm, Phone};

/// One subscription as the phone sees it.
#[derive(Debug)]
struct Watch {
    n: u32,
    whom: String,
    event: &'static str,
    /// To of our requests: with the service's tag once it has answered.
    to: String,
    cseq: u32,
    expires: u32,
    asked: Option<RepeatId>,
    /// CSeq of the last NOTIFY, and the version of its document.
    heard: u32,
    version: Option<u32>,
}

/// A text of ours that has no answer yet.
#[derive(Debug)]
struct Letter {
    n: u32,
    whom: String,
    asked: RepeatId,
}

/// What a phone has to do with colleagues.
#[derive(Debug, Default)]
pub(super) struct Colleagues {
    watches: Vec<Watch>,
    letter: Option<Letter>,
    /// Documents of colleagues that were read, and texts.
    pub(super) read: u32,
}

impl Colleagues {
    /// Its power is gone.
    pub(super) fn forget_all(&mut self) {
        *self = Self { read: self.read, ..Self::default() };
    }

    /// One of these got no response.
    pub(super) fn give_up(&mut self, id: RepeatId) {
        self.watches.retain(|watch| watch.asked != Some(id));
        self.letter.take_if(|letter| letter.asked == id);
    }
}

impl Phone {
    pub(super) fn looks_around(&mut self, io: &mut Io<'_, Alarm>) {
        let next = io.between(5_000, 200_000);
        io.wake(next, Alarm::Colleagues);
        if self.closing {
            return;
        }
        if io.chance(30) && self.colleagues.letter.is_none() {
            let whom = format!("op{}", io.rng.below(8));
            self.writes(whom, "", io);
        }
        if self.colleagues.watches.len() < 3 {
            return self.begins_to_watch(io);
        }
        let mut watch = self.colleagues.watches.remove(usize::try_from(io.rng.below(3)).unwrap());
        // Some phones forget what they have asked for.
        if io.chance(15) || watch.asked.is_some() {
            return self.said.stop(watch.asked);
        }
        watch.expires = [0, 60, 300][usize::try_from(io.rng.below(3)).unwrap()];
        self.subscribes(watch, "", io);
    }

    fn begins_to_watch(&mut self, io: &mut Io<'_, Alarm>) {
        self.serial += 1;
        let event =
            ["dialog", "dialog", "presence", "message-summary", "reg"][usize::try_from(io.rng.below(5)).unwrap()];
        let whom = if event == "message-summary" { self.name.clone() } else { format!("op{}", io.rng.below(7)) };
        let expires = [0, 10, 60, 120, 600][usize::try_from(io.rng.below(5)).unwrap()];
        let (n, to) = (self.serial, format!("<sip:{whom}@127.0.0.1>"));
        let watch = Watch { n, whom, event, to, cseq: 0, expires, asked: None, heard: 0, version: None };
        self.subscribes(watch, "", io);
    }

    fn subscribes(&mut self, mut watch: Watch, authorization: &str, io: &mut Io<'_, Alarm>) {
        self.serial += 1;
        watch.cseq += 1;
        let name = &self.name;
        let text = Said {
            method: "SUBSCRIBE",
            uri: &format!("sip:{}@127.0.0.1", watch.whom),
            at: &self.host_port,
            branch: &format!("z9hG4bKw{name}{}", self.serial),
            from: &format!("<sip:{name}@127.0.0.1>;tag=w{}", watch.n),
            to: &watch.to,
            call_id: &format!("watch-{name}-{}", watch.n),
            cseq: watch.cseq,
            more: &format!("Event: {}\r\nExpires: {}\r\n{authorization}", watch.event, watch.expires),
            body: "",
        }
        .text();
        watch.asked = Some(self.said.start(io, Pace::Other, text, Alarm::Again));
        self.colleagues.watches.push(watch);
    }

    pub(super) fn subscribed(&mut self, heard: &Heard<'_>, status: u16, io: &mut Io<'_, Alarm>) {
        let Some(at) = self.watch_of(heard) else { return };
        if status < 200 || heard.cseq != self.colleagues.watches[at].cseq {
            return;
        }
        let mut watch = self.colleagues.watches.remove(at);
        if watch.asked.is_none() {
            return self.colleagues.watches.push(watch);
        }
        self.said.stop(watch.asked.take());
        match status {
            401 => {
                let uri = format!("sip:{}@127.0.0.1", watch.whom);
                let authorization = credentials(heard.text, &self.name, "SUBSCRIBE", &uri);
                self.subscribes(watch, &authorization, io);
            }
            200 => {
                let granted: u32 = heard.field("Expires").unwrap().parse().unwrap();
                assert!(granted <= watch.expires, "{}", heard.text);
                heard.to.clone_into(&mut watch.to);
                self.colleagues.watches.push(watch);
            }
            423 => assert_eq!((watch.expires, heard.field("Min-Expires")), (10, Some("60")), "{}", heard.text),
            489 => assert_eq!(watch.event, "reg", "{}", heard.text),
            // Removed, who was removed, over meanwhile, crowded or ending.
            403 | 404 | 481 | 503 => {}
            _ => panic!("unexpected: {}", heard.text),
        }
    }

    /// A NOTIFY. Each document follows on the one before, or tells everything.
    pub(super) fn notified(&mut self, heard: &Heard<'_>, io: &mut Io<'_, Alarm>) {
        let Some(at) = self.watch_of(heard) else {
            return io.say(heard.answer("481 Subscription Does Not Exist", heard.to, &self.contact(), ""));
        };
        let contact = self.contact();
        match moods(heard) {
            0 => return,
            1 => {
                let later = heard.answer("503 Service Unavailable", heard.to, &contact, "");
                return io.say(later.replace("Content-Length", "Retry-After: 5\r\nContent-Length"));
            }
            2 => {
                let gone = self.colleagues.watches.remove(at);
                self.said.stop(gone.asked);
                return io.say(heard.answer("481 Subscription Does Not Exist", heard.to, &contact, ""));
            }
            _ => io.say(heard.answer("200 OK", heard.to, &contact, "")),
        }
        let watch = &mut self.colleagues.watches[at];
        if heard.cseq <= watch.heard {
            return;
        }
        watch.heard = heard.cseq;
        assert_eq!(heard.field("Event"), Some(watch.event), "{}", heard.text);
        if watch.event == "dialog" {
            let version = between(heard.text, ":dialog-info\" version=\"", "\"").parse().unwrap();
            let follows = watch.version.is_some_and(|last| version == last + 1);
            let full = between(heard.text, "state=\"", "\"") == "full";
            assert!(full || follows, "{} after {:?}: {}", version, watch.version, heard.text);
            watch.version = Some(version);
            let own = watch.whom == self.name;
            assert!(own || !heard.text.contains("<remote>"), "a caller is named: {}", heard.text);
        }
        self.colleagues.read += 1;
        if heard.field("Subscription-State").unwrap().starts_with("terminated") {
            let gone = self.colleagues.watches.remove(at);
            self.said.stop(gone.asked);
        }
    }

    fn watch_of(&self, heard: &Heard<'_>) -> Option<usize> {
        let n = heard.call_id.strip_prefix("watch-")?.strip_prefix(&self.name)?.strip_prefix('-')?;
        self.colleagues.watches.iter().position(|watch| watch.n.to_string() == n)
    }

    // Texts.

    fn writes(&mut self, whom: String, authorization: &str, io: &mut Io<'_, Alarm>) {
        self.serial += 1;
        let (name, n) = (&self.name, self.serial);
        let text = Said {
            method: "MESSAGE",
            uri: &format!("sip:{whom}@127.0.0.1"),
            at: &self.host_port,
            branch: &format!("z9hG4bKm{name}{n}"),
            from: &format!("<sip:{name}@127.0.0.1>;tag=m{n}"),
            to: &format!("<sip:{whom}@127.0.0.1>"),
            call_id: &format!("letter-{name}-{n}"),
            cseq: 1,
            more: authorization,
            body: "apa kabar",
        }
        .text();
        let asked = self.said.start(io, Pace::Other, text, Alarm::Again);
        self.colleagues.letter = Some(Letter { n, whom, asked });
    }

    /// An answer to a text of ours.
    pub(super) fn replied(&mut self, heard: &Heard<'_>, status: u16, io: &mut Io<'_, Alarm>) {
        let name = &self.name;
        let his = |letter: &mut Letter| heard.call_id == format!("letter-{name}-{}", letter.n);
        let Some(letter) = self.colleagues.letter.take_if(his) else { return };
        self.said.stop(Some(letter.asked));
        match status {
            401 => {
                let uri = format!("sip:{}@127.0.0.1", letter.whom);
                let authorization = credentials(heard.text, &self.name, "MESSAGE", &uri);
                self.writes(letter.whom, &authorization, io);
            }
            200 => self.colleagues.read += 1,
            // Rejected by the phone, removed, unknown, not registered, too many.
            486 | 403 | 404 | 480 | 503 => {}
            _ => panic!("unexpected: {}", heard.text),
        }
    }

    /// A text arrives.
    pub(super) fn is_written_to(&mut self, heard: &Heard<'_>, io: &mut Io<'_, Alarm>) {
        let status = match moods(heard) {
            0..=2 => return,
            3..=5 => "486 Busy Here",
            _ => "200 OK",
        };
        assert!(!heard.text.contains("Contact:"), "RFC 3428 §4: {}", heard.text);
        io.say(heard.answer(status, &self.tagged(heard), &self.contact(), ""));
    }
}

/// How a phone takes a request: the same each time it is repeated.
fn moods(heard: &Heard<'_>) -> u32 {
    heard.branch().bytes().fold(0, |sum, byte| (sum * 31 + u32::from(byte)) % 97) % 40
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    body.split(start).nth(1).and_then(|rest| rest.split(end).next()).unwrap_or_else(|| panic!("no {start}: {text}"))
}
