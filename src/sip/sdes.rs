//! SRTP keys in session descriptions: `a=crypto` (RFC 4568).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The supported crypto suites (RFC 4568 §6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Suite {
    /// AES_CM_128_HMAC_SHA1_80, which every implementation supports.
    Sha1_80,
    /// AES_CM_128_HMAC_SHA1_32.
    Sha1_32,
}

impl Suite {
    const ALL: [Self; 2] = [Self::Sha1_80, Self::Sha1_32];

    /// Its name in `a=crypto`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::Sha1_32 => "AES_CM_128_HMAC_SHA1_32",
        }
    }
}

/// A master key of 16 bytes and its salt of 14 (RFC 4568 §6.1). It appears only in the description.
#[derive(Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct MasterKey(pub [u8; 30]);

impl MasterKey {
    /// The key.
    pub fn key(&self) -> [u8; 16] {
        self.0.first_chunk().copied().unwrap_or_default()
    }

    /// The salt.
    pub fn salt(&self) -> [u8; 14] {
        self.0.last_chunk().copied().unwrap_or_default()
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

/// The SRTP setting of a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum SrtpPolicy {
    /// Our offers are plain RTP; the peer's offers are answered by their profile.
    AsOffered,
    /// Our offers are SRTP; keys in a plain profile are accepted.
    Wanted,
    /// Like `Wanted`, and plain RTP is rejected.
    Required,
}

/// Our parameters for the negotiation of SRTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Terms {
    pub srtp_policy: SrtpPolicy,
    /// The suite of our offers; after the first negotiation, the negotiated one.
    pub suite: Suite,
    /// The key for packets that we send.
    pub key: MasterKey,
}

impl Terms {
    /// The terms of a leg that follows the peer's profile.
    pub const fn new(key: MasterKey) -> Self {
        Self { srtp_policy: SrtpPolicy::AsOffered, suite: Suite::Sha1_80, key }
    }

    /// Our crypto line with a tag.
    pub(super) const fn line(&self, tag: u32) -> CryptoLine {
        CryptoLine { tag, suite: self.suite, key: self.key, mki_bytes: 0 }
    }
}

/// One usable `a=crypto` line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CryptoLine {
    pub tag: u32,
    pub suite: Suite,
    pub key: MasterKey,
    /// Length of the master key identifier in its packets; 0: none.
    pub mki_bytes: u8,
}

impl CryptoLine {
    /// Reads the value of one line. None for another suite, several keys, and session parameters that change the packets (RFC 4568 §6.3:
    /// unknown ones do, unless they begin with a hyphen).
    pub fn parse(value: &str) -> Option<Self> {
        let mut words = value.split_whitespace();
        let tag = words.next().filter(|tag| tag.len() <= 9)?.parse().ok()?;
        let name = words.next()?;
        let suite = Suite::ALL.into_iter().find(|suite| name.eq_ignore_ascii_case(suite.name()))?;
        let method = words.next()?;
        let (scheme, parts) = method.split_at_checked("inline:".len())?;
        let harmless = |word: &str| word.starts_with('-') || word.starts_with("WSH=");
        if !scheme.eq_ignore_ascii_case("inline:") || parts.contains(';') || !words.all(harmless) {
            return None;
        }
        let mut parts = parts.split('|');
        let key = STANDARD.decode(parts.next()?).ok()?.try_into().ok()?;
        // A lifetime, an identifier with its length, or both (RFC 4568 §6.1).
        let mki_bytes = match parts.filter_map(|part| part.split_once(':')).next() {
            Some((_, length)) => length.parse().ok().filter(|length| (1..=128).contains(length))?,
            None => 0,
        };
        Some(Self { tag, suite, key: MasterKey(key), mki_bytes })
    }

    /// The line for a description.
    pub fn text(&self) -> String {
        let key = STANDARD.encode(self.key.0);
        format!("a=crypto:{} {} inline:{key}\r\n", self.tag, self.suite.name())
    }
}

/// The negotiated keys of two peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Crypto {
    /// The key for packets that we send.
    pub ours: MasterKey,
    /// The peer's line.
    pub theirs: CryptoLine,
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";

    fn parse(rest: &str) -> Option<CryptoLine> {
        CryptoLine::parse(&rest.replace("KEY", KEY))
    }

    #[test]
    fn lines_of_the_standard_and_of_phones_are_read() {
        for (line, tag, suite, mki_bytes) in [
            ("1 AES_CM_128_HMAC_SHA1_80 inline:KEY|2^20|1:32", 1, Suite::Sha1_80, 32),
            ("1 AES_CM_128_HMAC_SHA1_32 inline:KEY|2^20|1:4", 1, Suite::Sha1_32, 4),
            ("2 AES_CM_128_HMAC_SHA1_80 inline:KEY", 2, Suite::Sha1_80, 0),
            ("999999999 aes_cm_128_hmac_sha1_80  INLINE:KEY|2^31", 999_999_999, Suite::Sha1_80, 0),
            ("3 AES_CM_128_HMAC_SHA1_80 inline:KEY|1:1 -NEW=1 WSH=64", 3, Suite::Sha1_80, 1),
        ] {
            let read = parse(line).unwrap();
            assert_eq!((read.tag, read.suite, read.mki_bytes), (tag, suite, mki_bytes), "{line}");
            assert_eq!((&read.key.key()[..3], &read.key.salt()[12..]), (&b"wDf"[..], &b"*#"[..]), "{line}");
        }
    }

    #[test]
    fn what_we_cannot_do_is_stepped_over() {
        for line in [
            "",
            "1",
            "x AES_CM_128_HMAC_SHA1_80 inline:KEY",
            "1234567890 AES_CM_128_HMAC_SHA1_80 inline:KEY",
            "1 F8_128_HMAC_SHA1_80 inline:KEY",
            "1 AEAD_AES_128_GCM inline:KEY",
            "1 AES_CM_128_HMAC_SHA1_80",
            "1 AES_CM_128_HMAC_SHA1_80 inline:",
            "1 AES_CM_128_HMAC_SHA1_80 inline:c2hvcnQ=",
            "1 AES_CM_128_HMAC_SHA1_80 inline:KEYKEY",
            "1 AES_CM_128_HMAC_SHA1_80 other:KEY",
            "1 AES_CM_128_HMAC_SHA1_80 inline:KEY|2^20|1:0",
            "1 AES_CM_128_HMAC_SHA1_80 inline:KEY|2^20|1:1;inline:KEY|2^20|2:1",
            "1 AES_CM_128_HMAC_SHA1_80 inline:KEY UNENCRYPTED_SRTP",
            "1 AES_CM_128_HMAC_SHA1_80 inline:KEY KDR=1",
            "1 AES_CM_128_HMAC_SHA1_80 inline:KEY NEW",
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
    }

    #[test]
    fn what_we_write_is_read_back_and_shown_nowhere_else() {
        let line = CryptoLine {
            tag: 7,
            suite: Suite::Sha1_32,
            key: MasterKey(*b"0123456789abcdefsaltsaltsaltsa"),
            mki_bytes: 0,
        };
        let text = line.text();
        let value = text.strip_prefix("a=crypto:").and_then(|text| text.strip_suffix("\r\n")).unwrap();
        assert_eq!(CryptoLine::parse(value), Some(line));
        assert!(!format!("{line:?}").contains("48, 49"));
    }
}
