//! INVITEs of a trunk with errors. A 112 call is accepted if it can be answered and its dialog can be made.

use super::ring_all::{picks_up, rings};
use super::*;
use crate::endpoint::Said;
use crate::world::SERVER;
use siaga::sip::flow::{ConnectionId, Flow, Transport};

const URI: &str = "sip:112@127.0.0.1:5060";

/// A caller whose messages all have the same error: `was` is `is` in each of them.
struct Damaged {
    was: &'static str,
    is: String,
    to: String,
}

impl Damaged {
    fn new(was: &'static str, is: &str) -> Self {
        Self { was, is: is.to_owned(), to: "<sip:112@127.0.0.1>".to_owned() }
    }

    fn says(&self, world: &mut World, method: &str, cseq: u32, body: &str) {
        let of_invite = matches!(method, "INVITE" | "CANCEL");
        let uri = if cseq == 1 && of_invite { URI } else { "sip:siaga@127.0.0.1:5060" };
        let branch = if of_invite { "INVITE" } else { method };
        let (from, branch) = ("<sip:08121234@127.0.0.2>;tag=caller", format!("z9hG4bKdamaged{branch}"));
        let more = "P-Asserted-Identity: <sip:08121234@127.0.0.2>\r\nSubject: help\r\n";
        let (at, to, call_id) = (TRUNK, self.to.as_str(), "damaged");
        let said = Said { method, uri, at, branch: &branch, from, to, call_id, cseq, more, body };
        let text = said.text();
        assert!(method != "INVITE" || text.contains(self.was), "{text} has no {}", self.was);
        world.receive(TRUNK, &text.replacen(self.was, &self.is, 1));
    }

    /// The INVITE, an answer, ACK, and BYE of the caller or of the operator. True: the call was accepted.
    fn calls(&mut self, caller_ends: bool) -> bool {
        let mut world = staffed();
        self.says(&mut world, "INVITE", 1, &sdp(TRUNK, 30_000));
        if !world.has(TRUNK, "SIP/2.0 100") {
            world.take(TRUNK, "SIP/2.0 400");
            assert!(!world.has(BUDI, "INVITE") && world.rejections.len() == 1, "{}", self.is);
            return false;
        }
        let invite = rings(&mut world, BUDI);
        picks_up(&mut world, BUDI, &invite);
        let answer = world.take(TRUNK, "SIP/2.0 200");
        // A line that begins with a bare CR continues no header: the tag in it belongs to none.
        let has_tag = !self.is.contains("From") && !self.is.contains("\r\n\r");
        assert!(!has_tag || header(&answer, "From").contains(";tag=caller"), "{answer}");
        let tag = header(&answer, "To").rsplit_once(";tag=").unwrap().1.to_owned();
        self.to = format!("<sip:112@127.0.0.1>;tag={tag}");
        self.says(&mut world, "ACK", 1, "");
        world.pass(Duration::from_secs(3));
        assert!(!world.has(TRUNK, "SIP/2.0 200"), "the ACK has been read: {} {:#?}", self.is, world.sent);
        if caller_ends {
            self.says(&mut world, "BYE", 2, "");
            world.take(TRUNK, "SIP/2.0 200");
            world.take(BUDI, "BYE");
        } else {
            operator_hangs_up(&mut world, BUDI, &invite);
            let bye = world.take(TRUNK, "BYE");
            world.receive(TRUNK, &response(&bye, TRUNK, "200 OK", ""));
        }
        assert_eq!(world.count(|kind| matches!(kind, FactKind::Ended { .. })), 1);
        world.sent.clear();
        world.assert_empty_in_the_end();
        true
    }
}

/// Headers that only the INVITE has need not be damaged in later messages; the same text stands in all of them.
const ACCEPTED: [(&str, &str); 57] = [
    // From and To.
    ("<sip:08121234@127.0.0.2>", "\"Budi <sip:08121234@127.0.0.2>"),
    ("<sip:08121234@127.0.0.2>", "Budi\" <sip:08121234@127.0.0.2>"),
    ("<sip:08121234@127.0.0.2>", "\"Bu\"di\" <sip:08121234@127.0.0.2>"),
    ("<sip:08121234@127.0.0.2>", "\"Budi\\\" <sip:08121234@127.0.0.2>"),
    ("<sip:08121234@127.0.0.2>", "Bu\\di <sip:08121234@127.0.0.2>"),
    ("<sip:08121234@127.0.0.2>", "<<sip:08121234@127.0.0.2>>"),
    ("<sip:08121234@127.0.0.2>", "<08121234>"),
    ("<sip:08121234@127.0.0.2>", "<>"),
    ("<sip:08121234@127.0.0.2>", "<sip:0812 1234@127.0.0.2>"),
    ("<sip:08121234@127.0.0.2>;tag", "<sip:08121234@127.0.0.2>;name=\"open;tag"),
    ("<sip:08121234@127.0.0.2>;tag", "<sip:08121234@127.0.0.2>;=;tag"),
    ("<sip:08121234@127.0.0.2>;tag", "<sip:08121234@127.0.0.2> x;tag"),
    ("<sip:08121234@127.0.0.2>;tag", "sip:08121234@127.0.0.2?a=b;tag"),
    ("<sip:112@127.0.0.1>", "\"112 <sip:112@127.0.0.1>"),
    ("<sip:112@127.0.0.1>", "112\" <sip:112@127.0.0.1>"),
    ("<sip:112@127.0.0.1>", "<112>"),
    ("<sip:112@127.0.0.1>", "112"),
    ("From:", "From: <sip:first@127.0.0.2>;tag=caller\r\nFrom:"),
    // Control characters in them.
    ("<sip:08121234@127.0.0.2>", "\"Bu\rdi\" <sip:08121234@127.0.0.2>"),
    ("<sip:08121234@127.0.0.2>", "Bu\rdi <sip:08121234@127.0.0.2>"),
    ("<sip:08121234@127.0.0.2>", "\r<sip:08121234@127.0.0.2>"),
    ("<sip:08121234@127.0.0.2>", "Bu\0di <sip:08121234@127.0.0.2>"),
    ("<sip:08121234@127.0.0.2>", "\"Bu\u{1}d\u{7f}i\t\" <sip:08121234@127.0.0.2>"),
    ("<sip:08121234@127.0.0.2>", "<sip:0812\r1234@127.0.0.2>"),
    ("<sip:08121234@127.0.0.2>", "<sip:0812\u{0}1234@127.0.0.2>"),
    ("<sip:08121234@127.0.0.2>", "Bu\r\n\rdi <sip:08121234@127.0.0.2>"),
    ("<sip:08121234@127.0.0.2>", "Budi\r\n \r<sip:08121234@127.0.0.2>"),
    ("<sip:112@127.0.0.1>", "\"1\r12\" <sip:112@127.0.0.1>"),
    ("<sip:112@127.0.0.1>", "\u{1b}[2J <sip:112@127.0.0.1>"),
    // The Request-URI and its line.
    ("sip:112@127.0.0.1:5060 SIP", "sip:112@127.0.0.1:port SIP"),
    ("sip:112@127.0.0.1:5060 SIP", "sip:112 @127.0.0.1 SIP"),
    ("sip:112@127.0.0.1:5060 SIP", "112 SIP"),
    ("sip:112@127.0.0.1:5060 SIP", "sip:112@127.0.0.1?Subject=help SIP"),
    ("INVITE sip:112@127.0.0.1:5060 SIP", "INVITE  sip:112@127.0.0.1:5060  SIP"),
    // Lines.
    ("Subject: help", "Subject help"),
    ("Subject: help", "Sub ject: help"),
    ("Subject: help", ": help"),
    ("Subject: help", "Subject: he\rlp"),
    ("Subject: help", "S\u{fc}bject: help"),
    // Max-Forwards.
    ("Max-Forwards: 70\r\n", ""),
    ("Max-Forwards: 70", "Max-Forwards: 0"),
    ("Max-Forwards: 70", "Max-Forwards: many"),
    ("Max-Forwards: 70", "Max-Forwards: 4294967296"),
    ("Max-Forwards: 70", "Max-Forwards:"),
    ("Max-Forwards: 70", "Max-Forwards: 70\r\nMax-Forwards: 71"),
    // Contact.
    ("Contact: <sip:me@127.0.0.2:5080>\r\n", ""),
    ("<sip:me@127.0.0.2:5080>", "\"me <sip:me@127.0.0.2:5080>"),
    ("<sip:me@127.0.0.2:5080>", "*"),
    ("<sip:me@127.0.0.2:5080>", "<me>"),
    ("<sip:me@127.0.0.2:5080>", ""),
    // Routes, and hops before the last.
    ("Subject: help", "Record-Route: <sip:proxy"),
    ("Subject: help", "Record-Route: \"x <sip:127.0.0.2:5080;lr>, <sip:127.0.0.2:5080;lr>"),
    ("Max-Forwards", "Via: SIP/2.0/UDP\r\nMax-Forwards"),
    ("Max-Forwards", "Via: nonsense\r\nMax-Forwards"),
    // Identity, date and extensions.
    ("P-Asserted-Identity: <", "P-Asserted-Identity: \"x <"),
    ("Subject: help", "Require: \"\r\nSession-Expires: soon\r\nMin-SE: x\r\nSupported: ;\r\nExpires: never\r\nDate: ?"),
    ("Call-ID: damaged", "Call-ID: damaged @ \u{fc}"),
];

const REJECTED: [(&str, &str); 11] = [
    ("Via: SIP/2.0/UDP 127.0.0.2:5080", "Via: 127.0.0.2:5080"),
    ("Call-ID: damaged\r\n", ""),
    ("Call-ID: damaged", "Call-ID:"),
    ("Call-ID: damaged", "Call-ID: damaged\r\nCall-ID: other"),
    ("CSeq: 1 INVITE\r\n", ""),
    ("CSeq: 1 INVITE", "CSeq: one INVITE"),
    ("CSeq: 1 INVITE", "CSeq: 1 OPTIONS"),
    ("CSeq: 1 INVITE", "CSeq: 1 INVITE\r\nCSeq: 2 INVITE"),
    ("From: <sip:08121234@127.0.0.2>;tag=caller\r\n", ""),
    ("To: <sip:112@127.0.0.1>\r\n", ""),
    ("To: <sip:112@127.0.0.1>", "To:"),
];

#[test]
fn a_112_call_is_accepted_whatever_is_wrong_with_what_its_dialog_does_not_need() {
    let mut rejected = Vec::new();
    for (was, is) in ACCEPTED {
        for caller_ends in [true, false] {
            if !Damaged::new(was, is).calls(caller_ends) {
                rejected.push(is);
            }
        }
    }
    assert!(rejected.is_empty(), "{rejected:#?}");
}

#[test]
fn a_112_call_that_cannot_be_answered_or_have_a_dialog_is_rejected() {
    let accepted: Vec<_> = REJECTED.iter().filter(|(was, is)| Damaged::new(was, is).calls(true)).collect();
    assert!(accepted.is_empty(), "{accepted:#?}");
}

#[test]
fn a_caller_whose_cancel_has_the_same_error_ends_the_call() {
    for is in ["\"Budi <sip:08121234@127.0.0.2>", "<08121234>"] {
        let mut world = staffed();
        let damaged = Damaged::new("<sip:08121234@127.0.0.2>", is);
        damaged.says(&mut world, "INVITE", 1, &sdp(TRUNK, 30_000));
        rings(&mut world, BUDI);
        damaged.says(&mut world, "CANCEL", 1, "");
        world.take(TRUNK, "SIP/2.0 200");
        world.take(TRUNK, "SIP/2.0 487");
        world.take(BUDI, "CANCEL");
    }
}

/// The INVITE of a new caller, changed.
fn sends(world: &mut World, change: impl Fn(&str) -> String) {
    let invite = Caller::invite_text(world);
    let changed = change(&invite);
    assert_ne!(changed, invite);
    world.receive(TRUNK, &changed);
}

#[test]
fn a_content_length_that_disagrees_with_the_datagram_costs_no_call() {
    let length = format!("Content-Length: {}\r\n", sdp(TRUNK, 30_000).len());
    for is in [
        "Content-Length: 9999\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: some\r\n",
        "Content-Length:\r\n",
        "Content-Length: 1\r\nContent-Length: 2\r\n",
        "Content-Length: 40\r\n",
        "Content-Length: 0\r\n",
        "",
    ] {
        let mut world = staffed();
        sends(&mut world, |invite| invite.replace(&length, is));
        world.take(TRUNK, "SIP/2.0 100");
        let budi = rings(&mut world, BUDI);
        picks_up(&mut world, BUDI, &budi);
        world.take(TRUNK, "SIP/2.0 200");
        let aimed =
            |command: &Command| matches!(command, Command::SetRemote { remote, .. } if remote.rtp.port() == 30_000);
        let is_cut = is.ends_with(" 40\r\n") || is.ends_with(" 0\r\n");
        assert_eq!(world.media.iter().any(aimed), !is_cut, "the whole body is read: {is}");
    }
    // A datagram that ends within its header.
    let mut world = staffed();
    sends(&mut world, |invite| invite.split_once("Content-Type").unwrap().0.to_owned());
    world.take(TRUNK, "SIP/2.0 100");
    world.take(BUDI, "INVITE");
}

#[test]
fn too_many_or_too_long_lines_cost_no_call() {
    let many: String = (0..400).map(|n| format!("X-{n}: y\r\n")).collect();
    let long = format!("X-Long: {}\r\n", "y".repeat(20_000));
    let vias = "Via: SIP/2.0/UDP 127.0.0.2:5080\r\n".repeat(80);
    for more in [many, long, vias] {
        let mut world = staffed();
        sends(&mut world, |invite| invite.replacen("Content-Type", &format!("{more}Content-Type"), 1));
        world.take(TRUNK, "SIP/2.0 100");
        world.take(BUDI, "INVITE");
    }
}

#[test]
fn an_error_that_is_ignored_is_reported_and_recorded() {
    let mut world = staffed();
    sends(&mut world, |invite| invite.replacen("From: <", "From: \"x <", 1));
    let trying = world.take(TRUNK, "SIP/2.0 100");
    assert!(header(&trying, "From").starts_with("\"x <sip:0812"), "a response has From as it came: {trying}");
    assert_eq!((world.ignored.as_slice(), world.rejections.len()), (&["From".to_owned()][..], 0));
    let recorded = world.facts.iter().any(|fact| match &fact.kind {
        FactKind::Received { headers, presented, .. } => {
            presented.is_some() && headers.iter().any(|header| header.starts_with("From: \"x <sip:0812"))
        }
        _ => false,
    });
    assert!(recorded, "{:#?}", world.facts);
    let answer = world.take(BUDI, "INVITE");
    assert!(answer.contains("sip:0812"), "the operator sees the number: {answer}");
}

#[test]
fn requests_that_are_no_112_call_are_rejected_for_their_errors_as_before() {
    let broken = |text: &str| text.replacen("From: <", "From: \"x <", 1);
    let mut world = staffed();
    // Another number.
    sends(&mut world, |invite| broken(&invite.replace("sip:112@127.0.0.1", "sip:0215000@127.0.0.1")));
    world.take(TRUNK, "SIP/2.0 400");
    // No trunk.
    let invite = Caller::invite_text(&mut world).replace(TRUNK, "127.0.0.9:5060");
    world.receive("127.0.0.9:5060", &broken(&invite));
    world.take("127.0.0.9:5060", "SIP/2.0 400");
    // No call.
    sends(&mut world, |invite| broken(&invite.replace("INVITE", "OPTIONS")));
    world.take(TRUNK, "SIP/2.0 400");
    assert!(!world.has(BUDI, "INVITE"));
}

#[test]
fn in_a_stream_a_damaged_invite_without_its_length_is_rejected() {
    for has_length in [true, false] {
        let mut world = staffed();
        let (local, remote) = (SERVER.parse().unwrap(), TRUNK.parse().unwrap());
        let flow = Flow { transport: Transport::Tcp, local, remote, connection: ConnectionId(1) };
        world.streams.insert(remote, flow);
        sends(&mut world, |invite| {
            let damaged = invite.replacen("From: <", "From: \"x <", 1);
            let other = |line: &&str| has_length || !line.starts_with("Content-Length");
            damaged.split("\r\n").filter(other).collect::<Vec<_>>().join("\r\n")
        });
        let accepted = world.has(BUDI, "INVITE");
        assert_eq!((accepted, world.rejections.len()), (has_length, usize::from(!has_length)));
    }
}
