//! Identities that all modules share, and the generator that creates them. Parsed once at the boundary, always valid afterwards.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use rand_chacha::ChaCha12Rng;
use rand_core::{Rng as _, SeedableRng as _};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::clock::Timestamp;

/// The one source of randomness of a core: tags, branches, nonces, identities. Seeded by the server from the
/// operating system, by a test from its seed.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Rng(ChaCha12Rng);

impl Rng {
    /// Starts a generator from 32 bytes of seed.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(ChaCha12Rng::from_seed(seed))
    }

    /// Starts a generator from a number, for tests and simulations.
    pub fn from_number(seed: u64) -> Self {
        Self(ChaCha12Rng::seed_from_u64(seed))
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A uniform number below `bound` (0 when `bound` is 0).
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.next_u64()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// 16 lower-case hexadecimal digits (64 random bits), fit for tags and branches.
    pub fn token(&mut self) -> Token {
        let mut text = [0; 16];
        let bits = self.next_u64();
        for (i, digit) in text.iter_mut().enumerate() {
            let nibble = u8::try_from(bits >> (4 * i) & 15).unwrap_or(0);
            *digit = if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
        }
        Token(text)
    }

    /// Fills a buffer.
    pub fn fill(&mut self, buffer: &mut [u8]) {
        self.0.fill_bytes(buffer);
    }
}

/// 64 random bits as text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "[u8; 16]")]
pub struct Token([u8; 16]);

impl TryFrom<[u8; 16]> for Token {
    type Error = &'static str;

    fn try_from(digits: [u8; 16]) -> Result<Self, Self::Error> {
        match digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
            true => Ok(Self(digits)),
            false => Err("a token with other characters than lower-case hexadecimal digits"),
        }
    }
}

impl Token {
    /// The digits.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is not a UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID; expected: 32 hexadecimal digits, with or without hyphens")]
pub struct UuidError;

/// Identifies one emergency call (not SIP's Call-ID): a UUID version 7 (RFC 9562 §5.7), so that ids sort by arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(u128);

impl CallId {
    /// Makes a new identity at `at`.
    pub fn new(at: Timestamp, rng: &mut Rng) -> Self {
        let millis = u128::from(at.as_millis().unsigned_abs() & 0xffff_ffff_ffff);
        let random = (u128::from(rng.next_u64()) << 64) | u128::from(rng.next_u64());
        let low = random & 0x0fff_3fff_ffff_ffff_ffff;
        Self((millis << 80) | 0x7000_8000_0000_0000_0000 | low)
    }

    /// The 128 bits.
    pub const fn as_u128(self) -> u128 {
        self.0
    }
}

impl CallId {
    /// The text: 32 lower-case hexadecimal digits in five groups.
    fn text(self) -> [u8; 36] {
        let mut text = [b'-'; 36];
        let mut nibble = 128_u32;
        for (at, byte) in text.iter_mut().enumerate() {
            if !matches!(at, 8 | 13 | 18 | 23) {
                nibble -= 4;
                *byte = HEX_DIGITS.get((self.0 >> nibble & 15) as usize).copied().unwrap_or(b'0');
            }
        }
        text
    }
}

const HEX_DIGITS: &[u8; 16] = b"0123456789abcdef";

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.text()).unwrap_or_default())
    }
}

impl FromStr for CallId {
    type Err = UuidError;

    fn from_str(text: &str) -> Result<Self, UuidError> {
        let (mut number, mut digits) = (0_u128, 0);
        for byte in text.bytes().filter(|byte| *byte != b'-') {
            let digit = char::from(byte).to_digit(16).ok_or(UuidError)?;
            (number, digits) = (number << 4 | u128::from(digit), digits + 1);
        }
        if digits == 32 { Ok(Self(number)) } else { Err(UuidError) }
    }
}

impl Serialize for CallId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(std::str::from_utf8(&self.text()).unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for CallId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text(str::parse))
    }
}

/// Reads an identity from text without copying it.
struct Text<T, E>(fn(&str) -> Result<T, E>);

impl<T, E: fmt::Display> Visitor<'_> for Text<T, E> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<F: serde::de::Error>(self, text: &str) -> Result<T, F> {
        self.0(text).map_err(F::custom)
    }
}

/// Numbers the legs of one call: 0 is the caller, each ring attempt at a phone gets the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LegNo(pub u32);

impl LegNo {
    /// The caller's leg.
    pub const CALLER: Self = Self(0);
}

/// The text cannot name an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an operator's name; expected: 1 to 64 letters, digits, '.', '_' or '-'")]
pub struct OperatorIdError;

/// The name of an operator, and the operator's SIP user.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperatorId(Arc<str>);

impl OperatorId {
    /// Reads a name: 1 to 64 ASCII letters, digits, `.`, `_`, `-`.
    pub fn parse(text: &str) -> Result<Self, OperatorIdError> {
        let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if text.is_empty() || text.len() > 64 || !text.bytes().all(good) {
            return Err(OperatorIdError);
        }
        Ok(Self(Arc::from(text)))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OperatorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for OperatorId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for OperatorId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text(Self::parse))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn call_ids_are_version_7_uuids_that_sort_by_time_and_round_trip() {
        let mut rng = Rng::from_number(1);
        let early = CallId::new(Timestamp::from_millis(1_700_000_000_000), &mut rng);
        let late = CallId::new(Timestamp::from_millis(1_700_000_000_001), &mut rng);
        assert!(early < late);
        let text = early.to_string();
        assert_eq!(text.as_bytes()[14], b'7');
        assert!(matches!(text.as_bytes()[19], b'8' | b'9' | b'a' | b'b'));
        assert_eq!(text.parse(), Ok(early));
        assert_eq!("zz".parse::<CallId>(), Err(UuidError));
    }

    #[test]
    fn operator_names_are_checked_at_the_edge() {
        assert!(OperatorId::parse("op0001").is_ok());
        for bad in ["", "a b", "a\r\nb", "a@b", &"x".repeat(65)] {
            assert_eq!(OperatorId::parse(bad), Err(OperatorIdError), "{bad:?}");
        }
    }

    #[test]
    fn below_stays_below() {
        let mut rng = Rng::from_number(7);
        assert_eq!(rng.below(0), 0);
        assert!((0..1000).all(|_| rng.below(6) < 6));
    }
}
