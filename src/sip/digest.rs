//! Digest authentication as the server (RFC 7616, RFC 8760): SHA-256 and MD5, qop=auth. Nonces are verified without stored state.

pub mod client;
mod credentials;
mod nonce;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use md5::{Digest as _, Md5};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use self::credentials::{Credentials, Found};
use self::nonce::Nonces;
use super::wire::{Message, Name};
use crate::clock::Now;
use crate::ids::Rng;

/// H(user:realm:password) of both algorithms, which is stored instead of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Ha1 {
    pub md5: [u8; 16],
    pub sha256: [u8; 32],
}

impl fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ha1(…)")
    }
}

impl Ha1 {
    /// Hashes a password.
    pub fn new(user: &str, realm: &str, password: &str) -> Self {
        let text = format!("{user}:{realm}:{password}");
        Self { md5: Md5::digest(&text).into(), sha256: Sha256::digest(&text).into() }
    }

    /// Reads hashes that were stored as hexadecimal digits. None if they are invalid.
    pub fn from_hex(md5: &str, sha256: &str) -> Option<Self> {
        let (mut hashes, text) = (Self { md5: [0; 16], sha256: [0; 32] }, (md5, sha256));
        hex::decode_to_slice(text.0, &mut hashes.md5).ok()?;
        hex::decode_to_slice(text.1, &mut hashes.sha256).ok()?;
        Some(hashes)
    }
}

/// The header fields of the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// 401, WWW-Authenticate, Authorization.
    Server,
    /// 407, Proxy-Authenticate, Proxy-Authorization.
    Proxy,
}

/// The result of checking a request's credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The credentials are valid; the user's name.
    Accepted(String),
    /// There are no credentials, or their nonce is old, unknown or used up: challenge, with `stale=true` if the response was correct.
    Challenge { stale: bool },
    /// Wrong user or password: challenge again or 403, with the same text for both.
    Refused,
    /// The header field is malformed: 400.
    Malformed,
}

/// The identity that the sender of a request claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub user: String,
    /// True if the nonce was issued to the network from which the request comes.
    pub was_challenged_here: bool,
}

/// A hash algorithm. The `-sess` variants are not offered; credentials that use them are challenged again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
pub enum Algorithm {
    #[serde(rename = "MD5")]
    Md5,
    #[serde(rename = "SHA-256")]
    Sha256,
}

impl Algorithm {
    /// The name in challenges and credentials.
    const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }

    /// The hash of the parts with colons between them, in lower-case hexadecimal digits.
    fn hash(self, parts: &[&[u8]]) -> String {
        let text = parts.join(&b':');
        match self {
            Self::Md5 => hex::encode(Md5::digest(text)),
            Self::Sha256 => hex::encode(Sha256::digest(text)),
        }
    }

    fn ha1(self, ha1: &Ha1) -> String {
        match self {
            Self::Md5 => hex::encode(ha1.md5),
            Self::Sha256 => hex::encode(ha1.sha256),
        }
    }
}

/// Checks credentials and creates challenges. Stores use counts of at most `limits::NONCES_MAX` nonces.
#[derive(Debug)]
pub struct Authenticator {
    realm: String,
    /// The offered and accepted algorithms, in order of preference.
    algorithms: Vec<Algorithm>,
    nonces: Nonces,
    /// The hashes for users that do not exist, so that their check takes the same time.
    nobody: Ha1,
}

impl Authenticator {
    /// `realm` is shown to users; `algorithms` are offered in that order; nonces are valid for `nonce_life`.
    pub fn new(realm: &str, algorithms: Vec<Algorithm>, nonce_life: Duration, rng: &mut Rng) -> Self {
        let mut nobody = Ha1 { md5: [0; 16], sha256: [0; 32] };
        rng.fill(&mut nobody.md5);
        rng.fill(&mut nobody.sha256);
        Self { realm: realm.to_owned(), algorithms, nonces: Nonces::new(nonce_life, rng), nobody }
    }

    /// The values of one challenge, one header field for each algorithm: a phone uses the topmost one that it supports (RFC 8760 §2.4).
    /// The nonce is valid from any network; `claim` detects whether it returns from the network of `source`.
    pub fn challenge(&self, now: Now, source: IpAddr, stale: bool, rng: &mut Rng) -> Vec<String> {
        let nonce = self.nonces.issue(now.mono, source, rng);
        let realm = self.realm.replace('\\', "\\\\").replace('"', "\\\"");
        let stale = if stale { ", stale=true" } else { "" };
        let value = |algorithm: &Algorithm| {
            let name = algorithm.name();
            format!("Digest realm=\"{realm}\", nonce=\"{nonce}\", algorithm={name}, qop=\"auth\"{stale}")
        };
        self.algorithms.iter().map(value).collect()
    }

    /// The identity that a request's credentials claim, without verifying or using up anything.
    pub fn claim(&self, request: &Message<'_>, source: IpAddr) -> Option<Claim> {
        match credentials::find(request.lines(Name::Authorization), &self.realm) {
            Found::Ours(credentials) => {
                let was_challenged_here = self.nonces.was_issued_to(source, &credentials.nonce);
                Some(Claim { user: credentials.user, was_challenged_here })
            }
            Found::None | Found::Malformed => None,
        }
    }

    /// True if a request has a user's correct response, whatever its nonce is. Uses nothing up, and takes the same time for users that do
    /// not exist.
    pub fn is_right<'d>(&self, request: &Message<'_>, find: impl FnOnce(&str) -> Option<&'d Ha1>) -> bool {
        let Found::Ours(credentials) = credentials::find(request.lines(Name::Authorization), &self.realm) else {
            return false;
        };
        let Some(method) = request.method_text() else { return false };
        let known = find(&credentials.user);
        let right = response(&credentials, method, known.unwrap_or(&self.nobody));
        bool::from(right.as_bytes().ct_eq(credentials.response.as_bytes())) && known.is_some()
    }

    /// Checks a request's credentials in constant time. `find` returns the stored hashes of a user.
    ///
    /// The `uri` that was hashed need not equal the Request-URI: RFC 3261 §22.4 item 6 lifts that rule of RFC 7616 §3.4.6 for SIP, and
    /// phones write the server's address there instead of the domain. No response is accepted twice, so an attacker gains nothing by using
    /// it for another URI.
    pub fn verify<'d>(
        &mut self,
        now: Now,
        role: Role,
        request: &Message<'_>,
        find: impl FnOnce(&str) -> Option<&'d Ha1>,
    ) -> Verdict {
        let name = match role {
            Role::Server => Name::Authorization,
            Role::Proxy => Name::ProxyAuthorization,
        };
        let credentials = match credentials::find(request.lines(name), &self.realm) {
            Found::Ours(credentials) if self.algorithms.contains(&credentials.algorithm) => credentials,
            Found::Ours(_) | Found::None => return Verdict::Challenge { stale: false },
            Found::Malformed => return Verdict::Malformed,
        };
        let Some(method) = request.method_text() else { return Verdict::Malformed };
        let known = find(&credentials.user);
        let expected = response(&credentials, method, known.unwrap_or(&self.nobody));
        let right = expected.as_bytes().ct_eq(credentials.response.as_bytes());
        let right = bool::from(right) && known.is_some();
        match self.nonces.proves(now.mono, &credentials.nonce) {
            Some(id) if right && self.nonces.count(now.mono, id, credentials.nc) => Verdict::Accepted(credentials.user),
            Some(_) if !right => Verdict::Refused,
            Some(_) | None => Verdict::Challenge { stale: right },
        }
    }
}

/// The `response` that the user's phone must have sent (RFC 7616 §3.4.1).
fn response(credentials: &Credentials, method: &[u8], ha1: &Ha1) -> String {
    let algorithm = credentials.algorithm;
    let ha2 = algorithm.hash(&[method, &credentials.uri]);
    algorithm.hash(&[
        algorithm.ha1(ha1).as_bytes(),
        &credentials.nonce,
        &credentials.nc_text,
        &credentials.cnonce,
        &credentials.qop,
        ha2.as_bytes(),
    ])
}
