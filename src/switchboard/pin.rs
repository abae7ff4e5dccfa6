//! The PIN with which an operator logs in at a station.

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

const SALT_BYTES: usize = 16;
const MARK_BYTES: usize = 32;

/// A salted and hashed PIN. A hash of so few digits protects little against a reader of the database; it keeps the PIN
/// out of logs and pages.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Pin {
    salt: [u8; SALT_BYTES],
    mark: [u8; MARK_BYTES],
}

impl Pin {
    /// Allowed numbers of digits in a PIN.
    pub const DIGITS: std::ops::RangeInclusive<usize> = 4..=12;

    /// Hashes a PIN. Returns None unless it has 4 to 12 digits.
    pub fn new(salt: [u8; SALT_BYTES], digits: &str) -> Option<Self> {
        let fit = Self::DIGITS.contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        let mark = mac(&salt, digits).filter(|_| fit)?.finalize().into_bytes().into();
        Some(Self { salt, mark })
    }

    /// Parses the output of `to_hex`.
    pub fn from_hex(text: &str) -> Option<Self> {
        let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?;
        let (salt, mark) = bytes.split_first_chunk()?;
        Some(Self { salt: *salt, mark: mark.try_into().ok()? })
    }

    /// Salt and hash as 96 hexadecimal digits.
    pub fn to_hex(&self) -> String {
        HEXLOWER.encode(&[&self.salt[..], &self.mark[..]].concat())
    }

    /// Compares in constant time.
    pub(in crate::switchboard) fn is(&self, digits: &str) -> bool {
        mac(&self.salt, digits).is_some_and(|mac| mac.verify_slice(&self.mark).is_ok())
    }
}

impl std::fmt::Debug for Pin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pin(..)")
    }
}

fn mac(salt: &[u8], digits: &str) -> Option<Hmac<Sha256>> {
    Some(Hmac::<Sha256>::new_from_slice(salt).ok()?.chain_update(digits.as_bytes()))
}

/// Maximum digits of an operator's number.
const NUMBER_DIGITS_MAX: usize = 8;

/// The number and PIN with which an operator logs in at stations.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StationLogin {
    /// The number that is dialled after the station code: at most 8 digits.
    pub number: String,
    pub pin: Pin,
}

/// True for a valid operator number: 1 to 8 digits.
pub(in crate::switchboard) fn is_number(text: &str) -> bool {
    (1..=NUMBER_DIGITS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl StationLogin {
    /// Returns None if the number is invalid.
    pub fn new(number: &str, pin: Pin) -> Option<Self> {
        is_number(number).then(|| Self { number: number.to_owned(), pin })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_known_by_its_digits_and_nothing_else() {
        let pin = Pin::new([7; 16], "2580").unwrap();
        assert!(pin.is("2580"));
        for wrong in ["", "258", "25800", "2581", "0852"] {
            assert!(!pin.is(wrong), "{wrong}");
        }
        assert_eq!(Pin::from_hex(&pin.to_hex()), Some(pin.clone()));
        assert_ne!(Pin::new([8; 16], "2580"), Some(pin.clone()), "the salt counts");
        assert!(!format!("{pin:?} {}", pin.to_hex()).contains("2580"));
    }

    #[test]
    fn four_to_twelve_digits_are_a_pin() {
        for (digits, good) in [("123", false), ("1234", true), ("123456789012", true), ("1234567890123", false)] {
            assert_eq!(Pin::new([0; 16], digits).is_some(), good, "{digits}");
        }
        assert!(Pin::new([0; 16], "12a4").is_none() && Pin::new([0; 16], "12 4").is_none());
        assert!(Pin::from_hex("").is_none() && Pin::from_hex(&"0".repeat(95)).is_none());
    }
}
