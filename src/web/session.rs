//! Sessions: a random id in a cookie, of which the store has only the hash.

use std::time::Duration;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::clock::Timestamp;

/// The id of a session, or of a visitor before the log-in: 256 random bits in hexadecimal digits.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionId(String);

impl std::fmt::Debug for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionId")
    }
}

impl SessionId {
    /// A new random id.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut random = [0; 32];
        getrandom::fill(&mut random)?;
        Ok(Self(HEXLOWER.encode(&random)))
    }

    /// The id in a cookie; None if it has another form.
    pub fn parse(text: &str) -> Option<Self> {
        let is_id = text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        is_id.then(|| Self(text.to_owned()))
    }

    /// The value of the cookie.
    pub fn cookie(&self) -> &str {
        &self.0
    }

    /// The hash in the store.
    pub fn hash(&self) -> String {
        self.digest("session")
    }

    /// The hash in the store of an id that names a browser.
    pub fn browser_hash(&self) -> String {
        self.digest("browser")
    }

    /// The token of this session's forms. It does not reveal the id.
    pub fn form_token(&self) -> String {
        self.digest("form")
    }

    /// True if a form has the token of this session. The comparison takes the same time for all wrong tokens.
    pub fn is_form_token(&self, token: &str) -> bool {
        self.form_token().as_bytes().ct_eq(token.as_bytes()).into()
    }

    fn digest(&self, purpose: &str) -> String {
        HEXLOWER.encode(&Sha256::digest(format!("{purpose}:{}", self.0).as_bytes()))
    }
}

/// How long sessions last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    pub idle: Duration,
    pub absolute: Duration,
}

impl Life {
    /// True if a session has ended by time.
    pub fn is_over(self, started_ms: i64, seen_ms: i64, now: Timestamp) -> bool {
        let (seen, started) = self.oldest(now);
        seen_ms < seen || started_ms < started
    }

    /// The earliest last request and the earliest start of sessions that are valid at `now`, in milliseconds.
    pub fn oldest(self, now: Timestamp) -> (i64, i64) {
        let before =
            |life: Duration| now.as_millis().saturating_sub(i64::try_from(life.as_millis()).unwrap_or(i64::MAX));
        (before(self.idle), before(self.absolute))
    }
}

/// Delay after a number of failed log-ins of one user from one address: 1, 2, 4, 8, 16 and then 30 seconds.
pub fn delay_ms(failures: i64) -> i64 {
    match failures {
        ..=0 => 0,
        1..=5 => 1_000 << (failures - 1),
        6.. => 30_000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_grows_to_30_seconds_and_no_further() {
        let delays = [0, 1, 2, 3, 4, 5, 6, 7, 1_000, i64::MAX].map(delay_ms);
        assert_eq!(delays, [0, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000, 30_000]);
    }

    #[test]
    fn a_session_ends_after_its_idle_time_and_after_its_absolute_time() {
        let life = Life { idle: Duration::from_secs(1_800), absolute: Duration::from_secs(43_200) };
        let now = Timestamp::from_millis(100_000_000);
        for (started, seen, over) in [
            (99_000_000, 99_000_000, false),
            (90_000_000, 98_200_000, false),
            (90_000_000, 98_199_999, true),
            (56_800_000, 100_000_000, false),
            (56_799_999, 100_000_000, true),
        ] {
            assert_eq!(life.is_over(started, seen, now), over, "{started} {seen}");
        }
    }

    #[test]
    fn the_store_and_the_forms_have_hashes_that_do_not_reveal_the_id() {
        let id = SessionId::generate().unwrap();
        assert_ne!(id, SessionId::generate().unwrap());
        let (hash, token) = (id.hash(), id.form_token());
        assert!(hash != token && hash != id.cookie() && token != id.cookie());
        assert!(id.is_form_token(&token) && !id.is_form_token(&hash) && !id.is_form_token(""));
        assert_eq!(SessionId::parse(id.cookie()), Some(id.clone()));
        for bad in ["", "../../etc/passwd", &"g".repeat(64), &"A".repeat(64), &"a".repeat(63)] {
            assert_eq!(SessionId::parse(bad), None, "{bad}");
        }
        assert_eq!(format!("{id:?}"), "SessionId");
    }
}
