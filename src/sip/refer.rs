//! REFER (RFC 3515): the target of a transfer, the referrer (RFC 3892), and whether NOTIFYs are wanted (RFC 4488).

use bytes::Bytes;

use super::header::NameAddr;
use super::message::reason_phrase;
use super::replaces::Replaces;
use super::uri::{self, Uri};
use super::wire::{Fault, Message, Name};

/// Maximum bytes of a Referred-By; a longer one is dropped.
const REFERRED_BY_BYTES_MAX: usize = 512;

/// The content of a REFER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refer<'a> {
    pub to: Uri<'a>,
    /// The dialog to be replaced, from the headers of the URI.
    pub replaces: Option<Replaces>,
    /// Referred-By, unchanged.
    pub referred_by: Option<Bytes>,
    /// False if no notification is wanted (`Refer-Sub: false`, RFC 4488 §4).
    pub wants_notify: bool,
}

impl<'a> Refer<'a> {
    /// Reads a REFER: exactly one Refer-To (RFC 3515 §2.4.2), at most one Referred-By (RFC 3892 §3).
    pub fn read(message: &'a Message<'_>) -> Result<Self, Fault> {
        let mut values = message.list(Name::ReferTo);
        let (Some(value), None) = (values.next(), values.next()) else { return Err(fault("Refer-To")) };
        let address = NameAddr::parse(value).map_err(|_| fault("Refer-To"))?;
        let to = Uri::parse(address.uri).map_err(|_| fault("Refer-To"))?;
        let replaces = match &to {
            Uri::Sip(uri) => {
                let method = uri.params.value("method");
                if method.is_some_and(|method| !method.eq_ignore_ascii_case(b"INVITE")) {
                    return Err(Fault { status: 403, why: "Only INVITE" });
                }
                uri.headers.map_or(Ok(None), replaces)?
            }
            Uri::Tel { .. } | Uri::Service(_) => None,
            Uri::Other { .. } => return Err(Fault { status: 416, why: "Unsupported URI Scheme" }),
        };
        let mut lines = message.lines(Name::ReferredBy);
        let (referred_by, None) = (lines.next(), lines.next()) else { return Err(fault("Referred-By")) };
        let short = referred_by.filter(|by| by.len() <= REFERRED_BY_BYTES_MAX && NameAddr::parse(by).is_ok());
        let wanted = message.first(Name::ReferSub).map(|value| value.split(|byte| *byte == b';').next());
        let unwanted = wanted.flatten().is_some_and(|word| word.trim_ascii().eq_ignore_ascii_case(b"false"));
        Ok(Self { to, replaces, referred_by: short.map(Bytes::copy_from_slice), wants_notify: !unwanted })
    }
}

/// The Replaces among the headers of a URI (`name=value&…`, escaped; RFC 3261 §19.1.1).
fn replaces(headers: &[u8]) -> Result<Option<Replaces>, Fault> {
    let mut found = None;
    for header in headers.split(|byte| *byte == b'&') {
        let at = header.iter().position(|byte| *byte == b'=').unwrap_or(header.len());
        let (name, value) = header.split_at_checked(at).unwrap_or((header, b""));
        if !uri::decode(name).eq_ignore_ascii_case(Name::Replaces.as_str().as_bytes()) {
            continue;
        }
        let value = uri::decode(value.get(1..).unwrap_or_default());
        if found.replace(Replaces::parse(&value)?).is_some() {
            return Err(fault("Replaces"));
        }
    }
    Ok(found)
}

/// The body of a NOTIFY for a response: its status line (RFC 3515 §2.4.5, RFC 3420).
pub fn fragment(status: u16) -> String {
    format!("SIP/2.0 {status} {}\r\n", reason_phrase(status))
}

const fn fault(why: &'static str) -> Fault {
    Fault { status: 400, why }
}

#[cfg(test)]
mod tests {
    use super::super::wire::{Parsed, parse};
    use super::*;

    fn read<T>(fields: &str, look: impl FnOnce(Result<Refer<'_>, Fault>) -> T) -> T {
        let text = format!(
            "REFER sip:siaga@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nFrom: <sip:a@h>;tag=a\r\n\
             To: <sip:siaga@h>;tag=b\r\nCall-ID: x\r\nCSeq: 1 REFER\r\nMax-Forwards: 70\r\n{fields}Content-Length: 0\r\n\r\n"
        );
        match parse(text.as_bytes()) {
            Parsed::Good(message) => look(Refer::read(&message)),
            other @ (Parsed::Bad(..) | Parsed::KeepAlive | Parsed::Garbage(_)) => panic!("{other:?}"),
        }
    }

    fn status(fields: &str) -> u16 {
        read(fields, |refer| refer.unwrap_err().status)
    }

    #[test]
    fn a_target_is_read_in_each_of_its_forms() {
        for (fields, user) in [
            ("Refer-To: sip:budi@h\r\n", "budi"),
            ("r: \"Budi, piket\" <sip:budi@h;transport=tcp>\r\n", "budi"),
            ("Refer-To: <tel:+62-725-113>\r\n", "+62725113"),
            ("Refer-To: <sip:bu%64i@h?Subject=x>\r\n", "budi"),
        ] {
            read(fields, |refer| {
                let refer = refer.unwrap();
                assert_eq!(refer.to.user().unwrap().as_ref(), user.as_bytes());
                assert_eq!((refer.replaces, refer.wants_notify), (None, true));
            });
        }
    }

    #[test]
    fn a_dialog_to_be_replaced_is_unescaped() {
        let fields = "Refer-To: <sip:sari@h?Require=replaces&Replaces=12%40h%3Bto-tag%3D7%3Bfrom-tag%3D9>\r\n\
                      Referred-By: <sip:budi@h>\r\nRefer-Sub: false\r\n";
        read(fields, |refer| {
            let refer = refer.unwrap();
            assert_eq!(refer.replaces, Some(Replaces::parse(b"12@h;to-tag=7;from-tag=9").unwrap()));
            assert_eq!(refer.referred_by.as_deref(), Some(&b"<sip:budi@h>"[..]));
            assert!(!refer.wants_notify);
        });
    }

    #[test]
    fn none_or_two_targets_and_what_cannot_be_read_are_refused() {
        assert_eq!(status(""), 400);
        assert_eq!(status("Refer-To: <sip:a@h>\r\nRefer-To: <sip:b@h>\r\n"), 400);
        assert_eq!(status("Refer-To: <sip:a@h>, <sip:b@h>\r\n"), 400);
        assert_eq!(status("Refer-To: a\r\n"), 400);
        assert_eq!(status("Refer-To: <http://h/>\r\n"), 416);
        assert_eq!(status("Refer-To: <sip:a@h;method=BYE>\r\n"), 403);
        assert_eq!(status("Refer-To: <sip:a@h?Replaces=x>\r\n"), 400);
        let two =
            "Refer-To: <sip:a@h?Replaces=x%3Bto-tag%3D1%3Bfrom-tag%3D2&replaces=y%3Bto-tag%3D1%3Bfrom-tag%3D2>\r\n";
        assert_eq!(status(two), 400);
        assert_eq!(status("Refer-To: <sip:a@h>\r\nReferred-By: <sip:b@h>\r\nb: <sip:c@h>\r\n"), 400);
    }

    #[test]
    fn a_fragment_is_a_status_line() {
        assert_eq!(fragment(200), "SIP/2.0 200 OK\r\n");
        assert_eq!(fragment(486), "SIP/2.0 486 Busy Here\r\n");
    }
}
