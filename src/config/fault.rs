//! Errors of the configuration, reported all at once: where, what is wrong, what is expected.

use std::fmt;

/// One error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The path of the file as it was given.
    pub file: String,
    /// Line from 1, if it is known.
    pub line: Option<usize>,
    /// The full key: `queue.ring_seconds`, `trunk[0].peers`. Empty if the error belongs to no key.
    pub key: String,
    /// The invalid value, or the value that is missing.
    pub wrong: String,
    /// What is expected. Empty if `wrong` already says it.
    pub right: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.wrong)?;
        if !self.right.is_empty() {
            write!(f, "; expected: {}", self.right)?;
        }
        Ok(())
    }
}

/// At least one error, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, fault) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}
