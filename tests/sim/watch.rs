//! A phone that watches an operator, as it sees its subscription (RFC 6665).

use super::text::{credentials, header, response};
use super::world::{SERVER, World};

/// A phone's side of one subscription.
pub(crate) struct Watch {
    who: &'static str,
    pub(crate) at: &'static str,
    whom: &'static str,
    /// Event, with its id where it has one.
    pub(crate) event: String,
    call_id: String,
    pub(crate) to: String,
    pub(crate) cseq: u32,
    /// Host and port of its Contact.
    pub(crate) contact: String,
}

impl Watch {
    pub(crate) fn new(world: &mut World, who: &'static str, at: &'static str, whom: &'static str, event: &str) -> Self {
        let (call_id, to) = (format!("watch-{}", world.next_serial()), format!("<sip:{whom}@127.0.0.1>"));
        Self { who, at, whom, event: event.to_owned(), call_id, to, cseq: 0, contact: at.to_owned() }
    }

    /// Subscribes, through the challenge; takes the 200.
    pub(crate) fn begins(
        world: &mut World,
        who: &'static str,
        at: &'static str,
        whom: &'static str,
        event: &str,
    ) -> Self {
        let mut watch = Self::new(world, who, at, whom, event);
        let answer = watch.asks_as_operator(world, "Expires: 600\r\n");
        assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
        assert_eq!(header(&answer, "Expires"), "600");
        watch.to = header(&answer, "To").to_owned();
        watch
    }

    /// A SUBSCRIBE with credentials; gives the answer.
    pub(crate) fn asks_as_operator(&mut self, world: &mut World, more: &str) -> String {
        let challenge = self.asks(world, more);
        assert!(challenge.starts_with("SIP/2.0 401"), "{challenge}");
        let uri = self.uri();
        let more = format!("{}{more}", credentials(&challenge, self.who, "SUBSCRIBE", &uri));
        self.asks(world, &more)
    }

    /// A SUBSCRIBE; gives the answer.
    pub(crate) fn asks(&mut self, world: &mut World, more: &str) -> String {
        self.cseq += 1;
        let text = self.text(world, more);
        world.receive(self.at, &text);
        world.take(self.at, "SIP/2.0")
    }

    fn text(&self, world: &mut World, more: &str) -> String {
        let Self { who, at, event, call_id, to, cseq, contact, .. } = self;
        let event = if event.is_empty() { String::new() } else { format!("Event: {event}\r\n") };
        format!(
            "SUBSCRIBE {} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bKw{};rport\r\nFrom: <sip:{who}@127.0.0.1>;tag=w\r\n\
             To: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} SUBSCRIBE\r\nContact: <sip:{who}@{contact}>\r\nMax-Forwards: 70\r\n\
             {event}{more}Content-Length: 0\r\n\r\n",
            self.uri(),
            world.next_serial(),
        )
    }

    fn uri(&self) -> String {
        if self.to.contains("tag=") { format!("sip:siaga@{SERVER}") } else { format!("sip:{}@127.0.0.1", self.whom) }
    }

    pub(crate) fn call_id(&self) -> &str {
        &self.call_id
    }

    pub(crate) fn refreshes(&mut self, world: &mut World, expires: u32) -> String {
        self.asks(world, &format!("Expires: {expires}\r\n"))
    }

    /// The NOTIFY of this subscription that was sent last and not yet taken.
    pub(crate) fn unanswered(&self, world: &mut World) -> Option<String> {
        let at = self.at.parse().unwrap();
        let his = |(to, text): &(_, String)| {
            *to == at && text.starts_with("NOTIFY") && header(text, "Call-ID") == self.call_id
        };
        world.sent.iter().position(his).map(|i| world.sent.remove(i).1)
    }

    /// Takes the NOTIFY and answers it.
    pub(crate) fn hears(&self, world: &mut World) -> String {
        let notify = self.unanswered(world).unwrap_or_else(|| panic!("no NOTIFY; sent: {:#?}", world.sent));
        let event = header(&notify, "Event");
        assert_eq!((event, header(&notify, "From")), (self.event.as_str(), self.to.as_str()), "{notify}");
        assert!(header(&notify, "To").ends_with(";tag=w") && !header(&notify, "Contact").is_empty(), "{notify}");
        // Copies that were on their way.
        world.sent.retain(|(_, text)| *text != notify);
        world.receive(self.at, &response(&notify, self.at, "200 OK", ""));
        notify
    }

    pub(crate) fn hears_nothing(&self, world: &mut World) {
        let notify = self.unanswered(world);
        assert_eq!(notify, None);
    }
}
