//! Whether the file of SQLite that the writer has open is still the one at its path. Without this check facts go into a file that no other process
//! finds, and no write fails.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::alarm::{Alarms, Kind};
use crate::store::{self, StoreError};

/// The subject of the alarm.
const FILE: &str = "file";

/// The file that was opened; nothing for PostgreSQL.
#[derive(Debug)]
pub(super) struct OpenFile(Option<(PathBuf, (u64, u64))>);

impl OpenFile {
    /// To be called when the database has been opened.
    pub(super) fn of(url: &str) -> Result<Self, StoreError> {
        Ok(match store::Kind::of(url)? {
            store::Kind::Sqlite(options) => {
                let path = options.get_filename().to_owned();
                let identity = identity(&path);
                Self(identity.map(|identity| (path, identity)))
            }
            store::Kind::Postgres(_) => Self(None),
        })
    }

    /// Raises the alarm while another file, or none, is at the path.
    pub(super) fn check_file(&self, alarms: &Alarms) {
        let Some((path, opened)) = &self.0 else { return };
        let wrong = match identity(path) {
            Some(found) if found == *opened => return alarms.clear(Kind::Database, FILE),
            Some(_) => "is another file than the one that siaga has open",
            None => "was moved or deleted while siaga has it open",
        };
        let path = path.display();
        let what = format!(
            "{path} {wrong}: facts go into the open file; expected: that file at its path, or a restart of siaga, which stores the facts of the journal again"
        );
        alarms.raise(Kind::Database, FILE, what);
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}
