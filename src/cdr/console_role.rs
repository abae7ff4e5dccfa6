//! The roles of the console, as facts of its commands name them.

use serde::{Deserialize, Serialize};

/// What somebody may do by the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConsoleRole {
    /// Sees the floor; changes his own state, and classes calls in his own name.
    Operator,
    /// And commands all operators.
    Supervisor,
    /// Everything.
    Admin,
    /// Sees everything, changes nothing.
    Auditor,
}

impl ConsoleRole {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Operator, Self::Supervisor, Self::Admin, Self::Auditor];

    /// The word in records and on the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Supervisor => "supervisor",
            Self::Admin => "admin",
            Self::Auditor => "auditor",
        }
    }

    /// The role of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }
}
