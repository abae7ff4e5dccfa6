//! Event packages (RFC 6665 §5) of siaga's notifications: reads SUBSCRIBE and writes NOTIFY. Stores no state.

pub mod dialog_info;
pub mod pidf;
pub mod summary;

use std::time::Duration;

use bytes::Bytes;

use super::header::Params;
use super::wire::{Message, Name};

/// The packages, as the value of Allow-Events (RFC 6665 §4.4.4).
pub const ALLOW_EVENTS: &[u8] = b"presence, dialog, message-summary";

/// Maximum bytes of a stored `id`.
const ID_BYTES_MAX: usize = 128;

/// A package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum Package {
    /// RFC 3856.
    Presence,
    /// RFC 4235.
    Dialog,
    /// RFC 3842.
    MessageSummary,
}

impl Package {
    /// Every package.
    pub const ALL: [Self; 3] = [Self::Presence, Self::Dialog, Self::MessageSummary];

    /// Its name in Event and Allow-Events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Presence => "presence",
            Self::Dialog => "dialog",
            Self::MessageSummary => "message-summary",
        }
    }

    /// The type of its bodies.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Presence => "application/pidf+xml",
            Self::Dialog => "application/dialog-info+xml",
            Self::MessageSummary => "application/simple-message-summary",
        }
    }

    /// Minimum time between two notifications. RFC 3856 §6.10 has five seconds. RFC 4235 §3.10 recommends as much, but a lamp that shows a
    /// colleague's call five seconds late is useless, so it is one.
    pub const fn gap(self) -> Duration {
        match self {
            Self::Presence => Duration::from_secs(5),
            Self::Dialog | Self::MessageSummary => Duration::from_secs(1),
        }
    }

    /// True if the request accepts bodies of this package; without an Accept it does (RFC 6665 §3.1.3).
    pub fn is_accepted(self, request: &Message<'_>) -> bool {
        let fits = |value: &[u8]| {
            let kind = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
            [self.media_type(), "application/*", "*/*"].iter().any(|good| kind.eq_ignore_ascii_case(good.as_bytes()))
        };
        request.first(Name::Accept).is_none() || request.list(Name::Accept).any(fits)
    }
}

/// The value of an Event header field (RFC 6665 §8.2.1). Package and id together distinguish subscriptions.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Event {
    pub package: Package,
    pub id: Option<Bytes>,
}

impl Event {
    /// Reads a request's Event. None if it has none, or names an unsupported package (489).
    pub fn of(request: &Message<'_>) -> Option<Self> {
        let value = request.first(Name::Event)?;
        let end = value.iter().position(|byte| *byte == b';').unwrap_or(value.len());
        let (word, params) = value.split_at_checked(end)?;
        let word = word.trim_ascii();
        let package = Package::ALL.into_iter().find(|one| word.eq_ignore_ascii_case(one.as_str().as_bytes()))?;
        let id = Params::new(params).value("id");
        if id.as_ref().is_some_and(|id| id.len() > ID_BYTES_MAX) {
            return None;
        }
        Some(Self { package, id: id.map(|id| Bytes::copy_from_slice(&id)) })
    }

    /// The value for NOTIFY.
    pub fn value(&self) -> Vec<u8> {
        match &self.id {
            Some(id) => [self.package.as_str().as_bytes(), b";id=", id].concat(),
            None => self.package.as_str().as_bytes().to_vec(),
        }
    }
}

/// The reason for the end of a subscription (RFC 6665 §4.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Ended {
    /// The subscription was not refreshed, or the subscriber ended it.
    Timeout,
    /// The subscriber may subscribe again after this time in seconds.
    Probation { retry_after: u32 },
    /// The subscriber's account no longer exists.
    Rejected,
    /// The account whose state is subscribed to no longer exists.
    NoResource,
}

impl Ended {
    /// The value of Subscription-State.
    pub fn value(self) -> String {
        match self {
            Self::Timeout => "terminated;reason=timeout".to_owned(),
            Self::Probation { retry_after } => format!("terminated;reason=probation;retry-after={retry_after}"),
            Self::Rejected => "terminated;reason=rejected".to_owned(),
            Self::NoResource => "terminated;reason=noresource".to_owned(),
        }
    }
}

/// Text in an XML document: markup is escaped, and characters that XML does not allow are removed.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::wire::{Parsed, parse};
    use super::*;

    fn with<T>(fields: &str, ask: impl FnOnce(&Message<'_>) -> T) -> T {
        let text = format!(
            "SUBSCRIBE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP b;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\n\
             Call-ID: c\r\nCSeq: 1 SUBSCRIBE\r\n{fields}\r\n"
        );
        let Parsed::Good(message) = parse(text.as_bytes()) else { panic!("must be good: {text}") };
        ask(&message)
    }

    #[test]
    fn an_event_is_a_package_and_perhaps_an_id() {
        let of = |field: &str| with(field, Event::of);
        assert_eq!(of("Event: dialog\r\n"), Some(Event { package: Package::Dialog, id: None }));
        let named = of("o: Presence ; id=7\r\n").unwrap();
        assert_eq!((named.package, named.value()), (Package::Presence, b"presence;id=7".to_vec()));
        let summary = of("Event: message-summary;call-id=x\r\n").unwrap();
        assert_eq!(summary.value(), b"message-summary");
        let long = format!("Event: dialog;id={}\r\n", "x".repeat(ID_BYTES_MAX + 1));
        for foreign in ["", "Event: presence.winfo\r\n", "Event: reg\r\n", "Event: \r\n", "Event: ;id=1\r\n", &long] {
            assert_eq!(of(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn all_packages_are_allowed_events() {
        let names: Vec<&str> = Package::ALL.iter().map(|package| package.as_str()).collect();
        assert_eq!(names.join(", ").as_bytes(), ALLOW_EVENTS);
    }

    #[test]
    fn accept_is_asked_for_the_packages_type() {
        let takes = |fields: &str| with(fields, |message| Package::Dialog.is_accepted(message));
        assert!(takes(""));
        assert!(takes("Accept: text/plain, application/dialog-info+xml;q=0.5\r\n"));
        assert!(takes("Accept: */*\r\n") && takes("Accept: application/*\r\n"));
        assert!(!takes("Accept: application/pidf+xml\r\n") && !takes("Accept:\r\n"));
    }

    #[test]
    fn ends_say_why() {
        assert_eq!(Ended::Timeout.value(), "terminated;reason=timeout");
        assert_eq!(Ended::Probation { retry_after: 30 }.value(), "terminated;reason=probation;retry-after=30");
    }

    #[test]
    fn no_text_can_leave_its_element() {
        assert_eq!(escaped("<a b='1'>&\"\u{0}\u{ffff}é"), "&lt;a b=&apos;1&apos;&gt;&amp;&quot;é");
    }
}
