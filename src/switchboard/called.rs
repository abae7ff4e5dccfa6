//! Reads which service or number a trunk's INVITE calls.

use crate::sip::uri::Uri;
use crate::sip::wire::Message;

use super::caller::clean;
use crate::switchboard::Settings;

/// Maximum characters of a called number; the rest is cut off.
const CALLED_CHARS_MAX: usize = 512;

/// The called number or service of a Request-URI.
pub(super) enum Called {
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

impl Settings {
    /// Reads which number or service an INVITE of `trunk` calls.
    pub(super) fn called(&self, message: &Message<'_>, trunk: usize) -> Called {
        let request_uri = message.request_uri().unwrap_or_default();
        let has_blank = request_uri.iter().any(u8::is_ascii_whitespace);
        match (Uri::parse(request_uri), message.to()) {
            (Ok(uri), _) if !has_blank => self.called_by(uri, trunk),
            // A Request-URI that cannot be read: To names what was dialled, too.
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
        if self.answers_number(&user) {
            return Called::Emergency { called: user, prefixed: false };
        }
        // A telco with which this site is registered may call it by the registered user name.
        if self.is_account(trunk, user.as_bytes()) {
            return Called::Emergency { called: self.number.clone(), prefixed: false };
        }
        match self.without_prefix(trunk, &user) {
            Some(number) => Called::Emergency { called: number.to_owned(), prefixed: true },
            None => Called::Unknown,
        }
    }

    /// The number after the longest prefix of the trunk for which the rest is a number of this site.
    fn without_prefix<'u>(&self, trunk: usize, user: &'u str) -> Option<&'u str> {
        let prefixes = &self.trunks.get(trunk)?.terms.called;
        let rests = prefixes.iter().filter_map(|prefix| user.strip_prefix(prefix.as_str()));
        rests.filter(|rest| self.answers_number(rest)).min_by_key(|rest| rest.len())
    }

    /// True for the site's number and each desk's numbers.
    fn answers_number(&self, number: &str) -> bool {
        number == self.number || self.is_desk_number(number.as_bytes())
    }

    /// The prefix that `[[trunk]] called` would need so that `user` reaches a number of this site.
    pub(super) fn missing_prefix<'u>(&self, user: &'u str) -> Option<&'u str> {
        let desks = self.desks.iter().flat_map(|desk| &desk.numbers);
        let numbers = desks.chain(std::iter::once(&self.number));
        let prefixes = numbers.filter_map(|number| user.strip_suffix(number.as_str()));
        prefixes.filter(|prefix| is_prefix(prefix)).min_by_key(|prefix| prefix.len())
    }

    fn is_account(&self, trunk: usize, user: &[u8]) -> bool {
        let terms = self.trunks.get(trunk).map(|trunk| &trunk.terms);
        let identity = terms.filter(|terms| terms.register.is_some()).and_then(|terms| terms.identity.as_ref());
        identity.is_some_and(|identity| identity.user.as_bytes() == user)
    }
}

/// True for a valid prefix of `[[trunk]] called`: digits, with or without `+` before them, or `+` alone.
pub fn is_prefix(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    (1..=15).contains(&text.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// True for the service itself and all services below it.
fn is_or_below(service: &str, root: &str) -> bool {
    service.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_digits_with_or_without_a_plus() {
        for (text, expected) in
            [("+62", true), ("0725", true), ("+", true), ("", false), ("6+2", false), ("+62-", false), ("00", true)]
        {
            assert_eq!(is_prefix(text), expected, "{text}");
        }
    }
}
