//! Nonces that can be verified without stored state (RFC 7616 §3.3): the time of issue, random bits, a hash of the network that got them,
//! and an HMAC over all three with a secret of this process. Only the counts of used nonces are stored.
//!
//! Nonces are short, because a challenge to a forged source must not be much longer than its request. A nonce is no secret: 64 bits of
//! HMAC are enough, because each guess requires one request.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::clock::Instant;
use crate::ids::Rng;
use crate::limits::NONCES_MAX;
use crate::sip::guard::source_network;

/// Issue time first, so that the oldest come first in the order.
pub(super) type NonceId = (Instant, u32);

/// Milliseconds since the start of the process: enough for 34 years.
const ISSUED_BYTES: usize = 5;
const PLACE_BYTES: usize = 4;
const PROOF_BYTES: usize = 8;
/// One block of SHA-256.
const SECRET_BYTES: usize = 64;
const NANOS_PER_MS: u64 = 1_000_000;

/// The counts of one nonce that have been used.
///
/// A count that was used before is a replay (RFC 7616 §3.4.5). Requests on datagrams may overtake each other, so a lower count is valid
/// once while it is within 64 of the highest; below that it counts as used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Counts {
    highest: u32,
    /// Bit i stands for the count `highest - i`.
    seen: u64,
}

impl Counts {
    /// Returns true if `nc` is new, and marks it as used.
    fn take(&mut self, nc: u32) -> bool {
        if nc > self.highest {
            self.seen = self.seen.checked_shl(nc - self.highest).unwrap_or(0) | 1;
            self.highest = nc;
            return true;
        }
        let bit = 1_u64.checked_shl(self.highest - nc).unwrap_or(0);
        let new = bit != 0 && self.seen & bit == 0;
        self.seen |= bit;
        new
    }
}

/// The secret of this service, and the HMAC that begins with it. It is never logged.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "Vec<u8>", into = "Vec<u8>")]
struct Key {
    secret: [u8; SECRET_BYTES],
    mac: Hmac<Sha256>,
}

impl Key {
    fn new(secret: [u8; SECRET_BYTES]) -> Self {
        Self { secret, mac: Hmac::new(&secret.into()) }
    }
}

impl TryFrom<Vec<u8>> for Key {
    type Error = &'static str;

    fn try_from(bytes: Vec<u8>) -> Result<Self, Self::Error> {
        let secret = bytes.try_into().map_err(|_| "a secret of another length")?;
        Ok(Self::new(secret))
    }
}

impl From<Key> for Vec<u8> {
    fn from(key: Key) -> Self {
        key.secret.to_vec()
    }
}

/// Issues and checks nonces.
#[derive(serde::Serialize, serde::Deserialize)]
pub(super) struct Nonces {
    life: Duration,
    key: Key,
    used: BTreeMap<NonceId, Counts>,
    /// The newest nonce whose counts were removed at the limit. An unknown nonce up to this one counts as used up.
    forgotten: Option<NonceId>,
    max: usize,
}

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nonces").field("life", &self.life).field("used", &self.used.len()).finish_non_exhaustive()
    }
}

impl Nonces {
    pub(super) fn new(life: Duration, rng: &mut Rng) -> Self {
        Self::with_cap(life, rng, NONCES_MAX)
    }

    pub(super) fn with_cap(life: Duration, rng: &mut Rng, max: usize) -> Self {
        let mut secret = [0; SECRET_BYTES];
        rng.fill(&mut secret);
        Self { life, key: Key::new(secret), used: BTreeMap::new(), forgotten: None, max }
    }

    /// Counts one use of a verified nonce. Returns false if it is a replay or cannot be distinguished from one.
    pub(super) fn count(&mut self, now: Instant, id: NonceId, nc: u32) -> bool {
        while self.used.first_key_value().is_some_and(|(&(issued, _), _)| issued + self.life <= now) {
            self.used.pop_first();
        }
        if let Some(counts) = self.used.get_mut(&id) {
            return counts.take(nc);
        }
        if self.forgotten.is_some_and(|forgotten| id <= forgotten) {
            return false;
        }
        self.used.insert(id, Counts { highest: nc, seen: 1 });
        if self.used.len() > self.max {
            self.forgotten = self.used.pop_first().map(|(id, _)| id).max(self.forgotten);
        }
        true
    }

    /// A new nonce for the host at `source`: 28 characters.
    pub(super) fn issue(&self, now: Instant, source: IpAddr, rng: &mut Rng) -> String {
        let [_, _, _, issued @ ..] = (now.as_nanos() / NANOS_PER_MS).to_be_bytes();
        let [random @ .., _, _, _, _] = rng.next_u64().to_be_bytes();
        let place = self.place(&issued, &random, source);
        let proof: [u8; PROOF_BYTES] = first_of(self.proof(&issued, &random, &place));
        URL_SAFE_NO_PAD.encode([&issued[..], &random[..], &place[..], &proof[..]].concat())
    }

    /// The id of a nonce that we have issued and that is still valid; compared in constant time.
    pub(super) fn proves(&self, now: Instant, nonce: &[u8]) -> Option<NonceId> {
        let Parts { issued, random, .. } = self.read(nonce)?;
        let [a, b, c, d, e] = issued;
        let ms = u64::from_be_bytes([0, 0, 0, a, b, c, d, e]);
        let issued = Instant::from_nanos(ms.saturating_mul(NANOS_PER_MS));
        (now < issued + self.life).then_some((issued, u32::from_be_bytes(random)))
    }

    /// True for a nonce that we have issued to the network of `source`, however long ago.
    pub(super) fn was_issued_to(&self, source: IpAddr, nonce: &[u8]) -> bool {
        self.read(nonce).is_some_and(|parts| parts.place == self.place(&parts.issued, &parts.random, source))
    }

    /// The parts of a nonce that we have issued.
    fn read(&self, nonce: &[u8]) -> Option<Parts> {
        let bytes = URL_SAFE_NO_PAD.decode(nonce).ok()?;
        let (issued, rest) = bytes.split_first_chunk()?;
        let (random, rest) = rest.split_first_chunk()?;
        let (place, proof) = rest.split_first_chunk()?;
        let proof: &[u8; PROOF_BYTES] = proof.try_into().ok()?;
        self.proof(issued, random, place).verify_truncated_left(proof).ok()?;
        Some(Parts { issued: *issued, random: *random, place: *place })
    }

    /// A hash of an address's network for one nonce, which does not reveal the network.
    fn place(&self, issued: &[u8; ISSUED_BYTES], random: &[u8; 4], source: IpAddr) -> [u8; PLACE_BYTES] {
        let address = match source_network(source) {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        first_of(self.key.mac.clone().chain_update(issued).chain_update(random).chain_update(address.octets()))
    }

    fn proof(&self, issued: &[u8; ISSUED_BYTES], random: &[u8; 4], place: &[u8; PLACE_BYTES]) -> Hmac<Sha256> {
        self.key.mac.clone().chain_update(issued).chain_update(random).chain_update(place)
    }
}

/// The parts of a nonce without its HMAC.
struct Parts {
    issued: [u8; ISSUED_BYTES],
    random: [u8; 4],
    place: [u8; PLACE_BYTES],
}

/// The first bytes of the HMAC.
fn first_of<const N: usize>(mac: Hmac<Sha256>) -> [u8; N] {
    let hash: [u8; 32] = mac.finalize().into_bytes().into();
    hash.first_chunk().copied().unwrap_or([0; N])
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn at(seconds: u64) -> Instant {
        Instant::default() + Duration::from_secs(seconds)
    }

    #[test]
    fn a_nonce_tells_which_network_it_was_issued_to_also_when_it_is_old() {
        let mut rng = Rng::from_number(4);
        let nonces = Nonces::new(Duration::from_secs(60), &mut rng);
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        for (here, there) in [("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8:0:1::1")] {
            let nonce = nonces.issue(at(5), ip(here), &mut rng);
            assert!(nonces.was_issued_to(ip(here), nonce.as_bytes()));
            assert!(!nonces.was_issued_to(ip(there), nonce.as_bytes()));
            assert!(nonces.proves(at(5), nonce.as_bytes()).is_some(), "it is good from anywhere");
        }
        let nonce = nonces.issue(at(5), ip("2001:db8::1"), &mut rng);
        assert!(nonces.was_issued_to(ip("2001:db8::2"), nonce.as_bytes()), "one /64 is one network");
        let nonce = nonces.issue(at(5), HERE, &mut rng);
        assert!(nonces.was_issued_to(ip("::ffff:192.0.2.1"), nonce.as_bytes()));
        assert!(!nonces.was_issued_to(HERE, &nonce.as_bytes()[..26]), "cut");
    }

    #[test]
    fn a_nonce_proves_itself_until_its_life_ends() {
        let mut rng = Rng::from_number(1);
        let nonces = Nonces::new(Duration::from_secs(60), &mut rng);
        let nonce = nonces.issue(at(5), HERE, &mut rng);
        assert!(nonces.proves(at(64), nonce.as_bytes()).is_some());
        assert_eq!(nonces.proves(at(65), nonce.as_bytes()), None);
        let other = Nonces::new(Duration::from_secs(60), &mut rng);
        assert_eq!(other.proves(at(6), nonce.as_bytes()), None, "another process's secret");
    }

    #[test]
    fn a_nonce_with_any_character_changed_is_unknown() {
        let mut rng = Rng::from_number(2);
        let nonces = Nonces::new(Duration::from_secs(60), &mut rng);
        let nonce = nonces.issue(at(5), HERE, &mut rng);
        for i in 0..nonce.len() {
            let mut forged = nonce.clone().into_bytes();
            forged[i] = if forged[i] == b'A' { b'B' } else { b'A' };
            assert_eq!(nonces.proves(at(6), &forged), None, "character {i}");
        }
        assert_eq!(nonces.proves(at(6), &nonce.as_bytes()[..26]), None, "cut");
        assert_eq!(nonces.proves(at(6), b"dcd98b7102dd2f0e8b11d0f600bfb0c093"), None, "not of our making");
    }

    #[test]
    fn each_count_is_good_once_and_may_come_late_by_less_than_64() {
        let mut counts = Counts { highest: 100, seen: 1 };
        assert!(!counts.take(100));
        assert!(counts.take(99));
        assert!(!counts.take(99));
        assert!(counts.take(37));
        assert!(!counts.take(36), "too far behind to be told from a replay");
        assert!(counts.take(101));
        assert!(!counts.take(37));
        assert!(counts.take(u32::MAX));
        assert!(!counts.take(101));
    }

    #[test]
    fn a_full_table_forgets_the_oldest_nonce_which_is_then_used_up() {
        let mut rng = Rng::from_number(3);
        let mut nonces = Nonces::with_cap(Duration::from_secs(60), &mut rng, 2);
        let (a, b, c) = ((at(1), 1), (at(2), 2), (at(3), 3));
        for id in [a, b, c] {
            assert!(nonces.count(at(4), id, 1));
        }
        assert_eq!(nonces.used.len(), 2);
        assert!(!nonces.count(at(4), a, 1), "a replay that is no longer remembered");
        assert!(!nonces.count(at(4), a, 2));
        assert!(nonces.count(at(4), b, 2));
        assert!(nonces.count(at(62), (at(50), 4), 1));
        assert_eq!(nonces.used.len(), 2, "those whose life is over make room");
    }
}
