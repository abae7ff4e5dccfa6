//! The visitor of a page: session, user, language and theme, as the request names them; and the fields of a form.

use std::collections::BTreeMap;
use std::net::IpAddr;

use axum::http::{HeaderMap, header};

use super::role::{Permission, Role};
use super::session::SessionId;
use super::texts::Language;

/// The cookies of the pages. All are `SameSite=Strict`.
pub(super) const SESSION_COOKIE: &str = "siaga_session";
pub(super) const BROWSER_COOKIE: &str = "siaga_browser";
pub(super) const FORM_COOKIE: &str = "siaga_form";
pub(super) const LANGUAGE_COOKIE: &str = "siaga_language";
pub(super) const THEME_COOKIE: &str = "siaga_theme";

/// The address of the peer; the server adds it to each request.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

impl Peer {
    /// The address as a key of failures: an IPv6 network of 64 bits counts as one.
    pub fn key(self) -> String {
        match self.0.to_canonical() {
            IpAddr::V4(v4) => v4.to_string(),
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
            }
        }
    }
}

/// An extension of the response to a user who is logged in.
#[derive(Clone, Copy, Debug)]
pub struct Known;

/// Dark, light, or as the visitor's system is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Theme {
    #[default]
    Auto,
    Light,
    Dark,
}

impl Theme {
    /// The name in cookies and HTML.
    pub fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// The theme with this name.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Auto, Self::Light, Self::Dark].into_iter().find(|theme| theme.word() == word)
    }
}

/// What a user must still do before other pages are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The code of the second factor is missing.
    Code,
    /// The one-time password must be changed.
    NewPassword,
    /// A second factor must be set up.
    NewTotp,
    Complete,
}

/// The user of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub name: String,
    pub display: String,
    pub role: Role,
    pub stage: Stage,
    pub has_totp: bool,
    /// True if this user was allowed to hear recordings.
    pub may_hear: bool,
}

impl User {
    /// True if the role has the permission, or a supervisor was given it.
    pub fn may(&self, permission: Permission) -> bool {
        let is_given = permission == Permission::Recordings && self.may_hear && self.role == Role::Supervisor;
        self.role.may(permission) || is_given
    }

    /// True if nothing must be done before other pages are served.
    pub fn is_complete(&self) -> bool {
        self.stage == Stage::Complete
    }
}

/// The visitor who sent a request.
#[derive(Clone, Debug)]
pub struct Visitor {
    pub language: Language,
    pub theme: Theme,
    /// The key of the visitor's address.
    pub address: String,
    /// The path of the page.
    pub path: String,
    /// Path and query of the page.
    pub address_of_page: String,
    /// The session of a user, or the id of a visitor who is not logged in: forms have its token.
    pub form_id: SessionId,
    /// The id of a browser from which a user has logged in before.
    pub browser: Option<SessionId>,
    pub user: Option<User>,
}

impl Visitor {
    /// The name of the user; empty for a visitor who is not logged in.
    pub fn name(&self) -> &str {
        self.user.as_ref().map_or("", |user| &user.name)
    }

    /// True if the visitor is logged in completely, and the role has the permission.
    pub fn may(&self, permission: Permission) -> bool {
        self.user.as_ref().is_some_and(|user| user.is_complete() && user.may(permission))
    }
}

/// The fields of a form, or of the query of an address. Of fields with the same name, the last counts.
#[derive(Clone, Debug, Default)]
pub struct Fields(BTreeMap<String, String>);

impl Fields {
    /// Reads `name=value&…`.
    pub fn read(text: &[u8]) -> Self {
        let pairs = text.split(|b| *b == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = match pair.iter().position(|b| *b == b'=') {
                Some(at) => (pair.get(..at).unwrap_or_default(), pair.get(at + 1..).unwrap_or_default()),
                None => (pair, &b""[..]),
            };
            (decoded(name), decoded(value))
        });
        Self(pairs.collect())
    }

    /// The value of a field; empty if it is missing.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

fn decoded(text: &[u8]) -> String {
    let digit = |at: usize| text.get(at).and_then(|b| char::from(*b).to_digit(16));
    let (mut bytes, mut at) = (Vec::new(), 0);
    while let Some(byte) = text.get(at) {
        let escaped = digit(at + 1).zip(digit(at + 2)).and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        match (byte, escaped) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                at += 2;
            }
            (b'+', _) => bytes.push(b' '),
            (byte, _) => bytes.push(*byte),
        }
        at += 1;
    }
    // PostgreSQL text cannot contain NUL.
    String::from_utf8_lossy(&bytes).replace('\0', "\u{fffd}")
}

/// The value of a cookie of a request.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    all.flat_map(|line| line.split(';'))
        .find_map(|pair| pair.trim().split_once('=').filter(|(known, _)| *known == name))
        .map(|(_, value)| value)
}

/// A path of this site to return to; `/` for anything else. No address of another host is returned.
pub(super) fn own_path(text: &str) -> &str {
    let is_own = text.starts_with('/')
        && !text.starts_with("//")
        && !text.contains('\\')
        && text.bytes().all(|b| b.is_ascii_graphic());
    if is_own { text } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_this_site_are_returned_to() {
        for (text, path) in [
            ("/access?before=7", "/access?before=7"),
            ("", "/"),
            ("//evil.example/", "/"),
            ("/\\evil.example", "/"),
            ("https://evil.example", "/"),
            ("/a\r\nSet-Cookie: x=y", "/"),
            ("javascript:alert(1)", "/"),
        ] {
            assert_eq!(own_path(text), path, "{text}");
        }
    }

    #[test]
    fn fields_and_cookies_are_read() {
        let fields = Fields::read(b"a=1&b=x+y%26%C3%A9&a=2&c&=&d=%zz%4");
        assert_eq!(["a", "b", "c", "d", "e"].map(|name| fields.get(name)), ["2", "x y&é", "", "%zz%4", ""]);
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, "other=1; siaga_session=abc;siaga_theme=dark".parse().unwrap());
        assert_eq!(cookie(&headers, SESSION_COOKIE), Some("abc"));
        assert_eq!(cookie(&headers, THEME_COOKIE), Some("dark"));
        assert_eq!(cookie(&headers, "session"), None);
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        let key = |text: &str| Peer(text.parse().unwrap()).key();
        assert_eq!(key("2001:db8:1:2:3::4"), key("2001:db8:1:2:ffff::1"));
        assert_ne!(key("2001:db8:1:2::4"), key("2001:db8:1:3::4"));
        assert_eq!(key("::ffff:192.0.2.1"), "192.0.2.1");
    }
}
