//! The hashes of digest authentication (RFC 7616 §3.4).

use std::fmt;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use md5::{Digest as _, Md5};
use sha2::Sha256;

/// H(user:realm:password) of both algorithms, which is stored instead of a password.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
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
        let bytes = |text: &str| HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok();
        Some(Self { md5: bytes(md5)?.try_into().ok()?, sha256: bytes(sha256)?.try_into().ok()? })
    }
}

/// A hash algorithm. The `-sess` variants are not offered; credentials that use them are challenged again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub enum Algorithm {
    #[serde(rename = "MD5")]
    Md5,
    #[serde(rename = "SHA-256")]
    Sha256,
}

impl Algorithm {
    /// The name in challenges and credentials.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }

    /// The hash of the parts with colons between them, in lower-case hexadecimal digits.
    pub(super) fn hash(self, parts: &[&[u8]]) -> String {
        let text = parts.join(&b':');
        match self {
            Self::Md5 => HEXLOWER.encode(&Md5::digest(text)),
            Self::Sha256 => HEXLOWER.encode(&Sha256::digest(text)),
        }
    }

    pub(super) fn ha1(self, ha1: &Ha1) -> String {
        match self {
            Self::Md5 => HEXLOWER.encode(&ha1.md5),
            Self::Sha256 => HEXLOWER.encode(&ha1.sha256),
        }
    }
}
