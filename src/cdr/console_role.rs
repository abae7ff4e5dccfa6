//! The roles of console users, as in the facts about their commands.

use serde::{Deserialize, Serialize};

/// What a console user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConsoleRole {
    /// May see everything, change their own state, and class calls in their own name.
    Operator,
    /// May also command all operators.
    Supervisor,
    /// May do everything.
    Admin,
    /// May see everything and change nothing.
    Auditor,
}

impl ConsoleRole {
    /// All roles.
    pub const ALL: [Self; 4] = [Self::Operator, Self::Supervisor, Self::Admin, Self::Auditor];

    /// The name in records and on the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Supervisor => "supervisor",
            Self::Admin => "admin",
            Self::Auditor => "auditor",
        }
    }

    /// Parses the name of a role.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }
}
