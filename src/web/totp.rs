//! The second factor: time-based one-time codes (RFC 6238) of six digits, with HMAC-SHA-1 and steps of 30 seconds, as all apps have them.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use subtle::ConstantTimeEq as _;

use crate::clock::Timestamp;

const STEP_MS: i64 = 30_000;
/// The codes of this many steps before and after the present one are accepted: clocks differ.
const STEPS_AROUND: i64 = 1;
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A new secret of 160 bits in Base32.
pub fn generate() -> Result<String, getrandom::Error> {
    let mut secret = [0; 20];
    getrandom::fill(&mut secret)?;
    Ok(base32(&secret))
}

/// The time step of a right code that is newer than `used`. None if the code is wrong or was used before.
pub fn step_of(secret: &str, typed: &str, now: Timestamp, used: i64) -> Option<i64> {
    let secret = from_base32(secret)?;
    let typed: String = typed.chars().filter(|c| !c.is_whitespace()).collect();
    let present = now.as_millis().div_euclid(STEP_MS);
    let mut steps = (present - STEPS_AROUND..=present + STEPS_AROUND).filter(|step| *step > used);
    steps.rfind(|step| code(&secret, *step).is_some_and(|code| code.as_bytes().ct_eq(typed.as_bytes()).into()))
}

/// The present code of a secret, for tests and for the command line.
pub fn code_at(secret: &str, now: Timestamp) -> Option<String> {
    code(&from_base32(secret)?, now.as_millis().div_euclid(STEP_MS))
}

/// The address that an app reads from the picture.
pub fn address(secret: &str, issuer: &str, user: &str) -> String {
    let escape = |text: &str| -> String {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
        text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
    };
    let issuer = escape(issuer);
    format!("otpauth://totp/{issuer}:{}?secret={secret}&issuer={issuer}", escape(user))
}

/// HOTP (RFC 4226 §5.3) of a time step.
fn code(secret: &[u8], step: i64) -> Option<String> {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret).ok()?;
    mac.update(&step.to_be_bytes());
    let digest = mac.finalize().into_bytes();
    let offset = usize::from(digest.last()? & 0x0f);
    let four: [u8; 4] = digest.get(offset..offset + 4)?.try_into().ok()?;
    Some(format!("{:06}", (u32::from_be_bytes(four) & 0x7fff_ffff) % 1_000_000))
}

fn base32(bytes: &[u8]) -> String {
    let (mut text, mut buffer, mut bits) = (String::new(), 0_u32, 0);
    for byte in bytes {
        buffer = buffer << 8 | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            let at = usize::try_from(buffer >> bits & 31).unwrap_or(0);
            text.extend(ALPHABET.get(at).copied().map(char::from));
        }
    }
    text
}

fn from_base32(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut buffer, mut bits) = (Vec::new(), 0_u32, 0);
    for c in text.bytes() {
        let value = ALPHABET.iter().position(|known| *known == c)?;
        buffer = buffer << 5 | u32::try_from(value).ok()?;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(buffer >> bits & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    #[test]
    fn codes_are_those_of_rfc_6238_appendix_b() {
        let secret = base32(b"12345678901234567890");
        assert_eq!(secret, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        // The appendix has eight digits; six are their end.
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(code_at(&secret, at(seconds)).as_deref(), Some(code), "{seconds}");
        }
    }

    #[test]
    fn a_code_is_valid_once_and_within_a_step_of_its_time() {
        let secret = generate().unwrap();
        assert_eq!(secret.len(), 32);
        let code = code_at(&secret, at(3_000)).unwrap();
        for (now, used, expected) in [
            (3_000, 0, Some(100)),
            (3_029, 0, Some(100)),
            (3_059, 0, Some(100)),
            (2_970, 0, Some(100)),
            (3_060, 0, None),
            (2_969, 0, None),
            (3_000, 100, None),
            (3_000, 99, Some(100)),
        ] {
            assert_eq!(step_of(&secret, &code, at(now), used), expected, "{now} {used}");
        }
        let spaced = format!(" {} {}", &code[..3], &code[3..]);
        assert_eq!(step_of(&secret, &spaced, at(3_000), 0), Some(100));
        let wrong = if code == "000000" { "000001" } else { "000000" };
        for typed in ["", wrong, "12345", "ａｂｃ"] {
            assert_eq!(step_of(&secret, typed, at(300_000_000), 0), None, "{typed}");
        }
    }

    #[test]
    fn the_address_for_an_app_is_escaped() {
        let address = address("ABC", "112 Kota & Kab", "siti?");
        assert_eq!(address, "otpauth://totp/112%20Kota%20%26%20Kab:siti%3F?secret=ABC&issuer=112%20Kota%20%26%20Kab");
    }
}
