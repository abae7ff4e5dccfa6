//! The copy of accounts and users beside the journal. The service writes it, and a start uses it while the database does not respond. The command
//! line restores the accounts of a lost database from it.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::clock::Timestamp;
use crate::store::console_users::ConsoleUserRow;
use crate::store::operators::OperatorRow;

/// The accounts and users that were last read from the database.
#[derive(Debug, Serialize, Deserialize)]
pub struct AccountsCopy {
    pub read_at: Timestamp,
    /// The number of changes of the accounts in that database so far; 0 in copies of versions before this field.
    #[serde(default)]
    pub mark: i64,
    pub operators: Vec<OperatorRow>,
    pub users: Vec<ConsoleUserRow>,
}

impl AccountsCopy {
    /// `journal` is the journal's folder.
    pub fn file(journal: &Path) -> PathBuf {
        journal.join("local").join("accounts.json")
    }

    /// None if the file is missing.
    pub fn read(file: &Path) -> io::Result<Option<Self>> {
        match fs::read(file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps the copy in `file` under another name if `self` is of another database. One change removes at most one account: if more accounts are
    /// missing than there were changes, the database is another one.
    pub(super) fn keep_other(&self, file: &Path) -> io::Result<()> {
        // A file that cannot be read need not be kept.
        let Ok(Some(old)) = Self::read(file) else { return Ok(()) };
        let names: BTreeSet<&str> = self.operators.iter().map(|row| row.operator.as_str()).collect();
        let missing = old.operators.iter().filter(|row| !names.contains(row.operator.as_str())).count();
        let changes = usize::try_from(self.mark.saturating_sub(old.mark)).unwrap_or(0);
        if missing <= changes {
            return Ok(());
        }
        let kept = file.with_file_name(format!("accounts-{}.json", old.read_at.as_millis()));
        match fs::hard_link(file, &kept) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
        warn!(
            before = old.operators.len(),
            now = self.operators.len(),
            missing,
            kept = %kept.display(),
            "the database is another one and lacks accounts: their copy is kept"
        );
        Ok(())
    }
}
