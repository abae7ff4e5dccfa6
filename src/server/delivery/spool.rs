//! E-mails that wait, one file for each address: a line of JSON with its state, and the message. A file is written under another name first.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tracing::warn;

use crate::limits::{MAIL_BYTES_MAX, SPOOL_FILES_MAX};

const END: &str = ".mail";
/// Bytes of the first line.
const STATE_MAX: u64 = 4_096;

/// Why an e-mail cannot be queued.
#[derive(Debug, thiserror::Error)]
pub(super) enum SpoolError {
    #[error("the spool cannot be used, or there is no server for e-mails")]
    Missing,
    #[error("the message cannot be made: {0}")]
    Message(#[from] lettre::error::Error),
    #[error("an address cannot be used: {0}")]
    Address(#[from] lettre::address::AddressError),
    #[error("the message has {0} bytes, which are too many")]
    TooLong(usize),
    #[error("{SPOOL_FILES_MAX} e-mails wait already")]
    Full,
    #[error("the spool cannot be written: {0}")]
    Disk(#[from] io::Error),
}

impl SpoolError {
    /// True if a later attempt may succeed.
    pub(super) fn is_disk(&self) -> bool {
        matches!(self, Self::Disk(_))
    }
}

/// The state of an e-mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub schedule: String,
    pub due_ms: i64,
    pub to: String,
    pub queued_ms: i64,
    pub attempts: u32,
    pub next_ms: i64,
}

impl Entry {
    /// The file's name: the same report for the same address has only one.
    fn name(&self) -> String {
        let hash = HEXLOWER.encode(&Sha256::digest(format!("{}\n{}", self.schedule, self.to).as_bytes()));
        format!("{}-{}{END}", self.due_ms, hash.get(..16).unwrap_or_default())
    }
}

/// The folder, and the states of its files by name.
#[derive(Debug)]
pub(super) struct Spool {
    folder: PathBuf,
    entries: BTreeMap<String, Entry>,
}

impl Spool {
    /// Opens the folder, and makes it if it is missing. Only the owner may read it. All e-mails may be sent at once: the settings may have
    /// changed.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut entries = BTreeMap::new();
        for file in fs::read_dir(folder)? {
            let path = file?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if name.ends_with(".tmp") {
                // Left by a process that was killed while it wrote.
                fs::remove_file(&path)?;
            } else if name.ends_with(END) && entries.len() < SPOOL_FILES_MAX {
                match read(&path) {
                    Ok((entry, _)) => drop(entries.insert(name.to_owned(), Entry { next_ms: 0, ..entry })),
                    Err(fault) => warn!(file = name, %fault, "a file of the spool cannot be read and is left"),
                }
            }
        }
        Ok(Self { folder: folder.to_owned(), entries })
    }

    /// The e-mails whose time has come, oldest first, with the names of their files.
    pub(super) fn waiting(&self, now_ms: i64) -> Vec<(String, Entry)> {
        let due = self.entries.iter().filter(|(_, entry)| entry.next_ms <= now_ms);
        due.map(|(name, entry)| (name.clone(), entry.clone())).collect()
    }

    pub(super) fn add(&mut self, entry: &Entry, message: &[u8]) -> Result<(), SpoolError> {
        let name = entry.name();
        if self.entries.len() >= SPOOL_FILES_MAX && !self.entries.contains_key(&name) {
            return Err(SpoolError::Full);
        }
        self.write(&name, entry, message)?;
        Ok(())
    }

    pub(super) fn message(&self, name: &str) -> io::Result<Vec<u8>> {
        read(&self.folder.join(name)).map(|(_, message)| message)
    }

    /// Stores the state after an attempt. The state in memory changes in any case.
    pub(super) fn change(&mut self, name: &str, entry: &Entry) -> io::Result<()> {
        self.entries.insert(name.to_owned(), entry.clone());
        let message = self.message(name)?;
        self.write(name, entry, &message)
    }

    pub(super) fn remove(&mut self, name: &str) -> io::Result<()> {
        self.entries.remove(name);
        fs::remove_file(self.folder.join(name))
    }

    fn write(&mut self, name: &str, entry: &Entry, message: &[u8]) -> io::Result<()> {
        let unfinished = self.folder.join(format!("{name}.tmp"));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        serde_json::to_writer(&mut file, entry)?;
        file.write_all(b"\n")?;
        file.write_all(message)?;
        file.sync_all()?;
        fs::rename(&unfinished, self.folder.join(name))?;
        File::open(&self.folder)?.sync_all()?;
        self.entries.insert(name.to_owned(), entry.clone());
        Ok(())
    }
}

fn read(path: &Path) -> io::Result<(Entry, Vec<u8>)> {
    let mut file = BufReader::new(File::open(path)?);
    let mut state = Vec::new();
    file.by_ref().take(STATE_MAX).read_until(b'\n', &mut state)?;
    let entry = serde_json::from_slice(&state)?;
    let mut message = Vec::new();
    file.take(u64::try_from(MAIL_BYTES_MAX).unwrap_or(u64::MAX)).read_to_end(&mut message)?;
    Ok((entry, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(no: i64) -> Entry {
        let to = format!("kepala{no}@kota.example");
        Entry { schedule: "harian".to_owned(), due_ms: no, to, queued_ms: 5, attempts: 0, next_ms: 10 }
    }

    #[test]
    fn e_mails_survive_a_restart_with_their_attempts() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("spool");
        let mut spool = Spool::open(&place).unwrap();
        spool.add(&entry(1), b"From: a\r\n\r\nbody").unwrap();
        let (name, mut first) = spool.waiting(10).remove(0);
        assert!(spool.waiting(9).is_empty());
        (first.attempts, first.next_ms) = (1, 99);
        spool.change(&name, &first).unwrap();
        fs::write(place.join("2-x.mail.tmp"), "half").unwrap();
        fs::write(place.join("3-x.mail"), "no state").unwrap();
        let mut spool = Spool::open(&place).unwrap();
        assert_eq!(spool.waiting(0), [(name.clone(), Entry { next_ms: 0, ..first })]);
        assert_eq!(spool.message(&name).unwrap(), b"From: a\r\n\r\nbody");
        assert!(!place.join("2-x.mail.tmp").exists() && place.join("3-x.mail").exists());
        spool.remove(&name).unwrap();
        assert!(Spool::open(&place).unwrap().waiting(i64::MAX).is_empty());
    }

    #[test]
    fn a_full_spool_takes_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path()).unwrap();
        for no in 0..i64::try_from(SPOOL_FILES_MAX).unwrap() {
            spool.entries.insert(entry(no).name(), entry(no));
        }
        assert!(matches!(spool.add(&entry(-1), b"x"), Err(SpoolError::Full)));
        spool.add(&entry(1), b"x").unwrap();
        assert_eq!(spool.entries.len(), SPOOL_FILES_MAX);
    }
}
