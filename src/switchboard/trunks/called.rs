//! Reads which service or number a trunk's INVITE calls.

use crate::sip::dialog::DialogKey;
use crate::sip::sdp::Formats;
use crate::sip::uri::Uri;
use crate::sip::wire::{Message, Method};
use crate::switchboard::trunks::Trunks;
use crate::switchboard::wire::Wire;
use crate::switchboard::wire::text::clean;

/// Maximum characters of a called number; the rest is cut off.
const CALLED_CHARS_MAX: usize = 512;

/// The called number or service in a Request-URI.
pub(in crate::switchboard) enum Called {
    /// The site's number, a desk's number or an emergency service.
    Emergency {
        /// `112`, `113`, `urn:service:sos.fire`: chooses the desk.
        called: String,
        /// The Request-URI has a prefix of `[[trunk]] called` before the number.
        prefixed: bool,
    },
    /// `urn:service:test.sos` (RFC 6881 §15): siaga itself answers.
    Test,
    /// Another number or service.
    Unknown,
}

/// True for the service `root` and all services below it.
fn is_or_below(service: &str, root: &str) -> bool {
    service.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

impl Trunks {
    /// Reads which number or service an INVITE of `trunk` calls.
    pub(in crate::switchboard) fn called(&self, message: &Message<'_>, trunk: usize) -> Called {
        let request_uri = message.request_uri().unwrap_or_default();
        let has_blank = request_uri.iter().any(u8::is_ascii_whitespace);
        match (Uri::parse(request_uri), message.to()) {
            (Ok(uri), _) if !has_blank => self.called_by(uri, trunk),
            // If the Request-URI cannot be parsed, the called number is read from To.
            (Ok(_) | Err(_), Ok(to)) => Uri::parse(to.uri).map_or(Called::Unknown, |uri| self.called_by(uri, trunk)),
            (Ok(_) | Err(_), Err(_)) => Called::Unknown,
        }
    }

    fn called_by(&self, uri: Uri<'_>, trunk: usize) -> Called {
        let uri = match uri {
            Uri::Service(service) if is_or_below(&service, "sos") => {
                return Called::Emergency { called: format!("urn:service:{service}"), prefixed: false };
            }
            Uri::Service(service) if is_or_below(&service, "test.sos") => return Called::Test,
            uri @ (Uri::Sip(_) | Uri::Tel { .. } | Uri::Service(_) | Uri::Other { .. }) => uri,
        };
        let Some(user) = uri.user().map(|user| clean(&user, CALLED_CHARS_MAX)) else { return Called::Unknown };
        if self.settings.numbers.answers_number(&user) {
            return Called::Emergency { called: user, prefixed: false };
        }
        // A telco with which this site is registered may call it by the registered user name.
        if self.is_account(trunk, user.as_bytes()) {
            return Called::Emergency { called: self.settings.numbers.emergency.clone(), prefixed: false };
        }
        match self.without_prefix(trunk, &user) {
            Some(number) => Called::Emergency { called: number.to_owned(), prefixed: true },
            None => Called::Unknown,
        }
    }

    /// The number after the longest prefix of the trunk for which the rest is a number of this site.
    fn without_prefix<'u>(&self, trunk: usize, user: &'u str) -> Option<&'u str> {
        let prefixes = &self.settings.trunks.get(trunk)?.terms.called;
        let rests = prefixes.iter().filter_map(|prefix| user.strip_prefix(prefix.as_str()));
        rests.filter(|rest| self.settings.numbers.answers_number(rest)).min_by_key(|rest| rest.len())
    }

    fn is_account(&self, trunk: usize, user: &[u8]) -> bool {
        let terms = self.settings.trunks.get(trunk).map(|trunk| &trunk.terms);
        let identity = terms.filter(|terms| terms.register.is_some()).and_then(|terms| terms.identity.as_ref());
        identity.is_some_and(|identity| identity.user.as_bytes() == user)
    }

    /// The codec and DTMF settings of a trunk; the defaults for phones.
    pub(in crate::switchboard) fn formats_of(&self, trunk: Option<usize>) -> Formats {
        let trunk = trunk.and_then(|trunk| self.settings.trunks.get(trunk));
        trunk.map_or(Formats::ANY, |trunk| trunk.terms.formats)
    }

    /// True for the INVITE of an emergency call, and for requests and responses that belong to a call.
    pub(in crate::switchboard) fn concerns_a_call(&self, wire: &mut Wire, message: &Message<'_>, trunk: usize) -> bool {
        let of_dialog = DialogKey::of_request(message);
        match message.method() {
            None | Some(Method::Ack) => true,
            Some(Method::Cancel) => wire.transactions.invite_of(message).is_some(),
            Some(Method::Invite) if of_dialog.is_none() => {
                matches!(self.called(message, trunk), Called::Emergency { .. })
            }
            Some(_) => of_dialog.is_some_and(|key| wire.dialogs.contains_key(&key)),
        }
    }
}
