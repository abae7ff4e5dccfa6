//! The console's bearer token: made at the first start, readable by the service's user only.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::Context as _;
use subtle::ConstantTimeEq as _;

use crate::store::access;

/// Fewer characters are no secret.
const LENGTH_MIN: usize = 32;

/// A secret that whoever may command the console knows.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// Reads the token of a running service.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("the console's token {}", path.display()))?;
        let text = text.trim();
        anyhow::ensure!(
            text.len() >= LENGTH_MIN && text.bytes().all(|b| b.is_ascii_graphic()),
            "the console's token {} is not at least {LENGTH_MIN} printable characters: delete the file, and the next start makes a new one",
            path.display()
        );
        Ok(Self(text.to_owned()))
    }

    /// Reads the token, or makes one when there is none.
    pub(super) fn read_or_make(path: &Path) -> anyhow::Result<Self> {
        if !path.exists() {
            make(path).with_context(|| format!("the console's token {} cannot be made", path.display()))?;
            tracing::info!(path = %path.display(), "the console's token was made");
        }
        let mode = fs::metadata(path).map_or(0, |about| about.permissions().mode());
        if mode & 0o077 != 0 {
            tracing::warn!(path = %path.display(), "others can read the console's token: chmod 600 would be right");
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
    writeln!(file, "{}", hex::encode(secret))?;
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
    fn an_empty_token_file_is_refused_not_accepted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t");
        fs::write(&path, "\n").unwrap();
        assert!(Token::read_or_make(&path).is_err());
    }
}
