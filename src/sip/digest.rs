//! Digest authentication as the server (RFC 7616, RFC 8760): SHA-256 and MD5, qop=auth. Nonces are verified without stored state.

mod algorithm;
pub mod client;
mod credentials;
mod nonce;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::time::Duration;

use subtle::ConstantTimeEq as _;

pub use self::algorithm::{Algorithm, Ha1};
use self::credentials::{Credentials, Found};
use self::nonce::Nonces;
use super::wire::{Message, Name};
use crate::clock::Now;
use crate::ids::Rng;

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

/// Checks credentials and creates challenges. Stores use counts of at most `limits::NONCES_MAX` nonces.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
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
