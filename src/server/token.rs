//! The console's bearer token: created at the first start, readable only by the service's user.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::Context as _;
use data_encoding::HEXLOWER;
use subtle::ConstantTimeEq as _;

use crate::store::access;

/// A shorter token can be guessed.
const LENGTH_MIN: usize = 32;
/// Bytes of the file that are read.
const FILE_MAX: u64 = 4_096;

/// Why a token file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenFault {
    #[error("cannot be read ({0})")]
    Unreadable(#[from] io::Error),
    #[error("has {0} characters")]
    Length(usize),
    #[error("has characters that are not printable ASCII")]
    Characters,
}

impl TokenFault {
    /// The content that the file must have, for a message.
    pub fn expected(&self) -> String {
        match self {
            Self::Unreadable(_) => "a file that the service's user can read".to_owned(),
            Self::Length(_) | Self::Characters => format!(
                "one line of {LENGTH_MIN} to {FILE_MAX} printable ASCII characters; if the file is deleted, siaga serve creates a new one"
            ),
        }
    }
}

/// The secret that a client of the console must present.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// Reads the token of a running service.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        Self::parse(path).map_err(|fault| {
            let expected = fault.expected();
            anyhow::anyhow!("the console's token file {} {fault}; expected: {expected}", path.display())
        })
    }

    /// Reads a token file. Changes nothing.
    pub fn parse(path: &Path) -> Result<Self, TokenFault> {
        let mut bytes = Vec::new();
        File::open(path)?.take(FILE_MAX + 1).read_to_end(&mut bytes)?;
        let text = String::from_utf8(bytes).map_err(|_| TokenFault::Characters)?;
        let text = text.trim();
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(TokenFault::Characters);
        }
        if text.len() < LENGTH_MIN || text.len() as u64 > FILE_MAX {
            return Err(TokenFault::Length(text.len()));
        }
        Ok(Self(text.to_owned()))
    }

    /// Reads the token. If the file does not exist, creates it with a random token.
    pub(super) fn read_or_make(path: &Path) -> anyhow::Result<Self> {
        if !path.exists() {
            make(path).with_context(|| format!("the console's token file {} cannot be created", path.display()))?;
            tracing::info!(path = %path.display(), "the console's token file is created");
        }
        let mode = fs::metadata(path).map_or(0, |about| about.permissions().mode());
        if mode & 0o077 != 0 {
            tracing::warn!(path = %path.display(), "other users can read the console's token; expected: chmod 600");
        }
        Self::read(path)
    }

    /// Compares in constant time.
    pub(super) fn is(&self, other: &str) -> bool {
        self.0.as_bytes().ct_eq(other.as_bytes()).into()
    }

    /// The value of an Authorization header.
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

fn make(path: &Path) -> anyhow::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        access::make_folder(folder)?;
    }
    let mut secret = [0; 32];
    getrandom::fill(&mut secret)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{}", HEXLOWER.encode(&secret))?;
    file.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_made_once_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data/console.token");
        let token = Token::read_or_make(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let again = Token::read_or_make(&path).unwrap();
        assert!(token.is(&again.0));
        assert!(!token.is("") && !token.is(&"0".repeat(64)));
        assert_eq!(format!("{token:?}"), "Token(…)");
    }

    #[test]
    fn a_token_file_that_cannot_be_used_is_rejected_with_its_path_and_what_is_expected() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t");
        for (content, wrong) in [
            (&b"\n"[..], "has 0 characters"),
            (b"short\n", "has 5 characters"),
            (&[b'x'; 5_000], "has 4097 characters"),
            (b"0123456789abcdef 0123456789abcdef", "characters that are not printable"),
            (b"0123456789abcdef0123456789abcdef\xe9", "characters that are not printable"),
        ] {
            fs::write(&path, content).unwrap();
            let told = Token::read_or_make(&path).unwrap_err().to_string();
            assert!(
                told.contains(&path.display().to_string()) && told.contains("; expected: one line of 32"),
                "{told}"
            );
            assert!(told.contains(wrong), "{told}");
        }
        let told = Token::read_or_make(folder.path()).unwrap_err().to_string();
        assert!(told.contains("cannot be read") && told.contains("; expected: a file"), "a folder: {told}");
    }
}
