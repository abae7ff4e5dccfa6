//! A caller on the trunk.

use super::endpoint::Said;
use super::world::{TRUNK, World, header, sdp};

/// One caller's dialog as the trunk sees it.
pub(crate) struct Caller {
    n: u32,
    to: String,
    number: String,
}

impl Caller {
    /// Sends the INVITE and expects 100.
    pub(crate) fn dials(world: &mut World) -> Self {
        let caller = Self::new(world);
        caller.dials_now(world);
        caller
    }

    /// As `dials`, with the given number.
    pub(crate) fn dials_as(world: &mut World, number: &str) -> Self {
        let caller = Self { number: number.to_owned(), ..Self::new(world) };
        caller.dials_now(world);
        caller
    }

    fn new(world: &mut World) -> Self {
        let n = world.next_serial();
        Self { n, to: "<sip:112@127.0.0.1>".to_owned(), number: format!("0812{n:04}") }
    }

    /// The INVITE of a new caller, not sent yet.
    pub(crate) fn invite_text(world: &mut World) -> String {
        let body = sdp(TRUNK, 30_000);
        Self::new(world).request("INVITE", "sip:112@127.0.0.1:5060", "inv", 1, &body)
    }

    fn dials_now(&self, world: &mut World) {
        let body = sdp(TRUNK, 30_000);
        let invite = self.request("INVITE", "sip:112@127.0.0.1:5060", "inv", 1, &body);
        world.receive(TRUNK, &invite);
        world.take(TRUNK, "SIP/2.0 100");
    }

    /// The INVITE of a new caller, not yet sent.
    pub(crate) fn invite_of(world: &mut World) -> String {
        Self::new(world).request("INVITE", "sip:112@127.0.0.1:5060", "inv", 1, &sdp(TRUNK, 30_000))
    }

    /// As `dials`, with the given header fields (each with its line's end), and with or without an offer.
    pub(crate) fn dials_with(world: &mut World, more: &str, offers: bool) -> Self {
        let caller = Self::new(world);
        let body = if offers { sdp(TRUNK, 30_000) } else { String::new() };
        let invite = caller.request("INVITE", "sip:112@127.0.0.1:5060", "inv", 1, &body);
        world.receive(TRUNK, &with(&invite, more));
        caller
    }

    /// Like `dials`, with a body of another type (`kind`: complete Content-Type and other lines).
    pub(crate) fn dials_of(world: &mut World, kind: &str, body: &str) -> Self {
        let caller = Self::new(world);
        let invite = caller.request("INVITE", "sip:112@127.0.0.1:5060", "inv", 1, body);
        // The body keeps its own header lines.
        world.receive(TRUNK, &invite.replacen("Content-Type: application/sdp\r\n", kind, 1));
        caller
    }

    pub(crate) fn number(&self) -> String {
        self.number.clone()
    }

    /// Takes a provisional response, whose To tag makes the early dialog.
    pub(crate) fn hears(&mut self, world: &mut World, start: &str) -> String {
        let response = world.take(TRUNK, start);
        self.to = header(&response, "To").to_owned();
        response
    }

    /// Asks for something in the dialog.
    pub(crate) fn asks(&self, world: &mut World, method: &str, cseq: u32, more: &str, body: &str) {
        let branch = format!("q{cseq}{method}");
        let text = self.request(method, "sip:siaga@127.0.0.1:5060", &branch, cseq, body);
        world.receive(TRUNK, &with(&text, more));
    }

    /// As `asks`, with a body of another kind (a whole Content-Type line).
    pub(crate) fn asks_of(&self, world: &mut World, method: &str, cseq: u32, kind: &str, body: &str) {
        let text = self.request(method, "sip:siaga@127.0.0.1:5060", &format!("q{cseq}"), cseq, body);
        world.receive(TRUNK, &text.replace("Content-Type: application/sdp\r\n", kind));
    }

    /// As `asks`, from another place.
    pub(crate) fn asks_from(&self, world: &mut World, uri: &str, (method, cseq): (&str, u32), body: &str) {
        let text = self.request(method, "sip:siaga@127.0.0.1:5060", &format!("moves{cseq}"), cseq, body);
        let old = header(&text, "Contact").to_owned();
        world.receive(TRUNK, &text.replace(&format!("Contact: {old}"), &format!("Contact: <{uri}>")));
    }

    /// As `asks`, from another server of the trunk.
    pub(crate) fn asks_at(&self, world: &mut World, server: &str, method: &str, cseq: u32) {
        let text = self.request(method, "sip:siaga@127.0.0.1:5060", &format!("q{cseq}{method}"), cseq, "");
        world.receive(server, &text);
    }

    /// Acknowledges a received provisional response.
    pub(crate) fn pracks(&self, world: &mut World, response: &str, cseq: u32, body: &str) {
        let rack = format!("RAck: {} 1 INVITE\r\n", header(response, "RSeq"));
        self.asks(world, "PRACK", cseq, &rack, body);
        let answer = world.take(TRUNK, "SIP/2.0 200");
        assert_eq!(header(&answer, "CSeq"), format!("{cseq} PRACK"));
    }

    /// Sends an INVITE that must be refused with 503; gives the refusal.
    pub(crate) fn dials_and_is_rejected(world: &mut World) -> String {
        let caller = Self::new(world);
        caller.invite_again(world, "inv");
        world.take(TRUNK, "SIP/2.0 503")
    }

    pub(crate) fn invite_again(&self, world: &mut World, branch: &str) {
        let body = sdp(TRUNK, 30_000);
        let invite = self.request("INVITE", "sip:112@127.0.0.1:5060", branch, 1, &body);
        world.receive(TRUNK, &invite);
    }

    fn request(&self, method: &str, uri: &str, branch: &str, cseq: u32, body: &str) -> String {
        let (n, number) = (self.n, &self.number);
        let (branch, from) = (format!("z9hG4bK{branch}{n}"), format!("<sip:{number}@127.0.0.2>;tag=c{n}"));
        let more = format!("P-Asserted-Identity: <sip:{number}@127.0.0.2>\r\n");
        let (to, call_id) = (self.to.as_str(), format!("call-{n}"));
        Said { method, uri, at: TRUNK, branch: &branch, from: &from, to, call_id: &call_id, cseq, more: &more, body }
            .text()
    }

    /// Takes the 200 and acknowledges it.
    pub(crate) fn is_answered(&mut self, world: &mut World) {
        self.hears_200(world);
        self.acknowledges(world);
    }

    pub(crate) fn hears_200(&mut self, world: &mut World) {
        let answer = world.take(TRUNK, "SIP/2.0 200");
        assert_eq!(header(&answer, "CSeq"), "1 INVITE");
        assert_eq!(header(&answer, "Call-ID"), format!("call-{}", self.n));
        assert!(answer.contains("m=audio 20"), "{answer}");
        self.to = header(&answer, "To").to_owned();
    }

    pub(crate) fn acknowledges(&self, world: &mut World) {
        world.receive(TRUNK, &self.request("ACK", "sip:siaga@127.0.0.1:5060", "ack", 1, ""));
    }

    /// The same, with an answer to our offer.
    pub(crate) fn acknowledges_with(&self, world: &mut World, answer: &str) {
        world.receive(TRUNK, &self.request("ACK", "sip:siaga@127.0.0.1:5060", "ack", 1, answer));
    }

    pub(crate) fn hangs_up_as(&self, world: &mut World, cseq: u32) {
        self.asks(world, "BYE", cseq, "", "");
        world.take(TRUNK, "SIP/2.0 200");
    }

    pub(crate) fn hangs_up(&self, world: &mut World) {
        world.receive(TRUNK, &self.request("BYE", "sip:siaga@127.0.0.1:5060", "bye", 2, ""));
        world.take(TRUNK, "SIP/2.0 200");
    }

    pub(crate) fn cancels(&self, world: &mut World) {
        self.cancels_for(world, "");
    }

    /// Cancels, and says why (a whole Reason line).
    pub(crate) fn cancels_for(&self, world: &mut World, reason: &str) {
        self.sends_cancel(world, reason);
        world.take(TRUNK, "SIP/2.0 200");
        world.take(TRUNK, "SIP/2.0 487");
        world.receive(TRUNK, &self.request("ACK", "sip:112@127.0.0.1:5060", "inv", 1, ""));
    }

    /// Sends the CANCEL, with any outcome.
    pub(crate) fn sends_cancel(&self, world: &mut World, reason: &str) {
        world.receive(TRUNK, &with(&self.request("CANCEL", "sip:112@127.0.0.1:5060", "inv", 1, ""), reason));
    }

    /// Another address sends the CANCEL; the response goes there.
    pub(crate) fn sends_cancel_from(&self, world: &mut World, at: &str) {
        world.receive(at, &self.request("CANCEL", "sip:112@127.0.0.1:5060", "inv", 1, ""));
        let at: std::net::SocketAddr = at.parse().unwrap();
        for (to, _) in world.sent.iter_mut().filter(|(to, _)| *to == at) {
            *to = TRUNK.parse().unwrap();
        }
    }

    /// Takes our BYE and answers it.
    pub(crate) fn is_hung_up(&self, world: &mut World) {
        let bye = world.take(TRUNK, "BYE");
        assert_eq!(header(&bye, "Call-ID"), format!("call-{}", self.n));
        world.receive(TRUNK, &super::world::response(&bye, TRUNK, "200 OK", ""));
    }
}

/// A message with more header fields.
fn with(text: &str, more: &str) -> String {
    text.replacen("Max-Forwards", &format!("{more}Max-Forwards"), 1)
}
