//! Digest authentication as the client (RFC 3261 §22.2, RFC 7616, RFC 8760 §2.4): responds to a telco's challenge.

use super::credentials::Parameters;
use super::{Algorithm, Ha1};
use crate::sip::wire::{Message, Name};

/// The header field with the credentials for a challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub name: Name,
    pub value: String,
    /// The previous nonce was valid but too old: the password is not wrong.
    pub stale: bool,
}

/// Our credentials for a telco. The password is never logged or serialised.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Identity {
    pub user: String,
    #[serde(skip)]
    pub password: String,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Identity {
    /// Responds to the topmost challenge of a 401 or 407 with a supported algorithm (RFC 8760 §2.4). None if there is none, or if the password is
    /// not known.
    pub fn answer(&self, response: &Message<'_>, method: &str, uri: &str, cnonce: &str) -> Option<Answer> {
        if self.password.is_empty() {
            return None;
        }
        let (asked, name) = match response.status()? {
            401 => (Name::WwwAuthenticate, Name::Authorization),
            407 => (Name::ProxyAuthenticate, Name::ProxyAuthorization),
            _ => return None,
        };
        response.lines(asked).find_map(|challenge| self.answer_one(challenge, name, method, uri, cnonce))
    }

    fn answer_one(&self, challenge: &[u8], name: Name, method: &str, uri: &str, cnonce: &str) -> Option<Answer> {
        let (scheme, rest) = challenge.split_at_checked(6)?;
        if !scheme.eq_ignore_ascii_case(b"Digest") {
            return None;
        }
        let params = Parameters::read(rest)?;
        let text = |name| params.get(name).and_then(|value| std::str::from_utf8(value).ok());
        let algorithm = match text("algorithm") {
            None => Algorithm::Md5,
            Some(name) if name.eq_ignore_ascii_case("MD5") => Algorithm::Md5,
            Some(name) if name.eq_ignore_ascii_case("SHA-256") => Algorithm::Sha256,
            Some(_) => return None,
        };
        let (realm, nonce) = (text("realm")?, text("nonce")?);
        // Without qop it is the digest of RFC 2069, which old telcos still ask for (RFC 3261 §22.4 item 8).
        let qop = params.get("qop").is_some();
        if qop && !text("qop")?.split(',').any(|one| one.trim().eq_ignore_ascii_case("auth")) {
            return None;
        }
        let ha1 = algorithm.ha1(&Ha1::new(&self.user, realm, &self.password));
        let ha2 = algorithm.hash(&[method.as_bytes(), uri.as_bytes()]);
        let response = if qop {
            let parts = [ha1.as_str(), nonce, "00000001", cnonce, "auth", &ha2];
            algorithm.hash(&parts.map(str::as_bytes))
        } else {
            algorithm.hash(&[ha1.as_str(), nonce, &ha2].map(str::as_bytes))
        };
        let mut value = format!(
            "Digest username={}, realm={}, nonce={}, uri={}, response=\"{response}\", algorithm={}",
            quoted(&self.user),
            quoted(realm),
            quoted(nonce),
            quoted(uri),
            algorithm.name()
        );
        if qop {
            value += &format!(", qop=auth, nc=00000001, cnonce={}", quoted(cnonce));
        }
        if let Some(opaque) = text("opaque") {
            value += &format!(", opaque={}", quoted(opaque));
        }
        let stale = text("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true"));
        Some(Answer { name, value, stale })
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::wire::{Parsed, parse};

    fn answer(fields: &str) -> Option<Answer> {
        let text = format!(
            "SIP/2.0 407 Proxy Authentication Required\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
             From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n{fields}Content-Length: 0\r\n\r\n"
        );
        let Parsed::Good(message) = parse(text.as_bytes()) else { panic!("not read: {text}") };
        let me = Identity { user: "siaga".to_owned(), password: "rahasia".to_owned() };
        me.answer(&message, "INVITE", "sip:113@telco.example", "c0ffee")
    }

    #[test]
    fn the_topmost_known_algorithm_is_answered() {
        let fields = "Proxy-Authenticate: Digest realm=\"telco\", nonce=\"n\", algorithm=SHA-512-256, qop=\"auth\"\r\n\
                      Proxy-Authenticate: Digest realm=\"telco\", nonce=\"n\", algorithm=SHA-256, qop=\"auth-int, auth\"\r\n\
                      Proxy-Authenticate: Digest realm=\"telco\", nonce=\"n\", algorithm=MD5, qop=\"auth\"\r\n";
        let answer = answer(fields).unwrap();
        assert_eq!(answer.name, Name::ProxyAuthorization);
        assert!(answer.value.contains("algorithm=SHA-256, qop=auth, nc=00000001, cnonce=\"c0ffee\""), "{answer:?}");
        assert!(!answer.stale);
    }

    #[test]
    fn without_qop_the_old_digest_is_made_and_opaque_goes_back() {
        let fields = "Proxy-Authenticate: Digest realm=\"te\\\"lco\", nonce=\"n\", opaque=\"o\", stale=TRUE\r\n";
        let answer = answer(fields).unwrap();
        let hash = |text: &str| Algorithm::Md5.hash(&[text.as_bytes()]);
        let (ha1, ha2) = (hash("siaga:te\"lco:rahasia"), hash("INVITE:sip:113@telco.example"));
        let response = hash(&format!("{ha1}:n:{ha2}"));
        assert!(answer.value.contains(&format!("response=\"{response}\"")), "{answer:?}");
        assert!(answer.value.contains("realm=\"te\\\"lco\"") && answer.value.ends_with("opaque=\"o\""), "{answer:?}");
        assert!(answer.stale && !answer.value.contains("qop"));
    }

    #[test]
    fn what_cannot_be_answered_is_not() {
        assert_eq!(answer(""), None);
        assert_eq!(answer("Proxy-Authenticate: Basic realm=\"telco\"\r\n"), None);
        assert_eq!(answer("Proxy-Authenticate: Digest realm=\"telco\"\r\n"), None);
        assert_eq!(answer("Proxy-Authenticate: Digest realm=\"t\", nonce=\"n\", qop=\"auth-int\"\r\n"), None);
        assert_eq!(answer("WWW-Authenticate: Digest realm=\"t\", nonce=\"n\"\r\n"), None, "of a 401");
    }
}
