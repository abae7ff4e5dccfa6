//! Calls that the database rejects: their facts wait in separate files next to the journal, so that all other calls are stored. A person
//! lists them, and stores them once the cause is removed (`siaga journal aside`, `siaga journal retry`).

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::ids::CallId;
use crate::limits::CALLS_ASIDE_MAX;

use super::access;
use super::facts::Batch;
use super::journal::record::{self, Entry};
use super::journal::segments::{self, Chunk};
use super::{Store, StoreError};

/// The calls, and the single facts of the service, that are set aside in one journal's folder.
#[derive(Debug)]
pub struct Aside {
    dir: PathBuf,
    streams: BTreeMap<CallId, PathBuf>,
}

/// One call with facts that are set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    pub call: CallId,
    pub facts: usize,
}

impl Aside {
    /// Reads the calls that are set aside next to the journal in `dir`.
    pub fn open(dir: &Path) -> io::Result<Self> {
        let dir = dir.join("aside");
        let mut streams = BTreeMap::new();
        match fs::read_dir(&dir) {
            Ok(entries) => {
                for entry in entries {
                    let path = entry?.path();
                    let name = path.file_name().and_then(|name| name.to_str());
                    let call = |ending| name.and_then(|name| name.strip_suffix(ending)?.parse().ok());
                    if let Some(call) = call(WAITING).or_else(|| call(RETRIED)) {
                        streams.insert(call, dir.join(format!("{call}{WAITING}")));
                    }
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(Self { dir, streams })
    }

    /// How many calls are set aside.
    pub fn len(&self) -> usize {
        self.streams.len()
    }

    /// True if no call is set aside.
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// True if facts of the call are set aside and no retry has stored them since.
    pub fn has(&mut self, call: CallId) -> bool {
        let here = self.streams.get(&call).is_some_and(|path| path.exists() || retried(path).exists());
        if !here {
            self.streams.remove(&call);
        }
        here
    }

    /// True if no further call may be set aside.
    pub fn is_full(&self) -> bool {
        self.streams.len() >= CALLS_ASIDE_MAX
    }

    /// Sets facts of one call or run aside. They are on the disk when this returns.
    pub fn put(&mut self, stream: CallId, entries: &[&Entry]) -> io::Result<()> {
        access::make_folder(&self.dir)?;
        let path = self.dir.join(format!("{stream}{WAITING}"));
        let mut records = Vec::new();
        entries.iter().for_each(|entry| record::encode_json(&mut records, entry.json.as_bytes()));
        append(&path, &records)?;
        File::open(&self.dir)?.sync_all()?;
        self.streams.insert(stream, path);
        Ok(())
    }

    /// The calls that are set aside, in order.
    pub fn list(&self) -> io::Result<Vec<SetAside>> {
        let one = |(call, path): (&CallId, &PathBuf)| {
            let facts = entries(&retried(path))?.len() + entries(path)?.len();
            Ok(SetAside { call: *call, facts })
        };
        self.streams.iter().map(one).collect()
    }

    /// Tries again to store each call, and removes its files if all its facts were stored. Returns the outcome of each.
    pub async fn retry(&mut self, store: &Store, journal: &str) -> Vec<(CallId, Result<(), RetryError>)> {
        let mut outcomes = Vec::new();
        for (stream, path) in std::mem::take(&mut self.streams) {
            let outcome = retry_one(store, journal, stream, &path).await;
            // A running service may have added facts in the meantime.
            if outcome.is_err() || path.exists() {
                self.streams.insert(stream, path);
            }
            outcomes.push((stream, outcome));
        }
        outcomes
    }
}

/// Why a call stays aside.
#[derive(Debug, thiserror::Error)]
pub enum RetryError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("its file cannot be used")]
    File(#[from] io::Error),
}

/// The ending of a file to which a running service may add facts.
const WAITING: &str = ".facts";
/// The ending of a file that a retry has taken. No fact is added to it any more.
const RETRIED: &str = ".retried";

fn retried(path: &Path) -> PathBuf {
    path.with_extension("retried")
}

async fn retry_one(store: &Store, journal: &str, stream: CallId, path: &Path) -> Result<(), RetryError> {
    let taken = retried(path);
    // A retry that failed or was killed has left its file.
    if taken.exists() {
        store_file(store, journal, stream, &taken).await?;
    }
    if path.exists() {
        fs::rename(path, &taken)?;
        store_file(store, journal, stream, &taken).await?;
    }
    Ok(())
}

/// Stores the facts of one file and removes it. After an error the file stays.
async fn store_file(store: &Store, journal: &str, stream: CallId, file: &Path) -> Result<(), RetryError> {
    let facts = entries(file)?;
    let recompute: Vec<CallId> =
        facts.iter().any(|fact| fact.call == Some(stream)).then_some(stream).into_iter().collect();
    let batch = Batch { facts: facts.iter().collect(), opened: recompute.clone(), recompute, ..Batch::default() };
    store.take(journal, batch).await?;
    Ok(fs::remove_file(file)?)
}

/// Appends records to the file. A retry that takes the file during the write may have read it without these records:
/// then they are also written to a new file. A fact that is in both files counts once.
fn append(path: &Path, records: &[u8]) -> io::Result<()> {
    append_while(path, records, || {})
}

/// `meanwhile` runs between the opening of the file and the write: for tests.
fn append_while(path: &Path, records: &[u8], mut meanwhile: impl FnMut()) -> io::Result<()> {
    loop {
        let mut file = access::options().create(true).append(true).open(path)?;
        meanwhile();
        file.write_all(records)?;
        file.sync_all()?;
        let written = file.metadata()?.ino();
        if fs::metadata(path).is_ok_and(|found| found.ino() == written) {
            return Ok(());
        }
    }
}

/// The facts of a file, none if it does not exist.
fn entries(path: &Path) -> io::Result<Vec<Entry>> {
    let mut chunk = Chunk::default();
    match File::open(path) {
        Ok(file) => segments::read_file(file, &mut chunk)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(chunk.entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_not_written_to_a_file_that_a_retry_has_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("call.facts");
        append(&path, b"one").unwrap();
        let mut retries = 0;
        // A retry takes the file; it has read and removed it before the write, or removes it later.
        let retry = || {
            if retries < 2 {
                fs::rename(&path, retried(&path)).unwrap();
            }
            if retries == 0 {
                fs::remove_file(retried(&path)).unwrap();
            }
            retries += 1;
        };
        append_while(&path, b"two", retry).unwrap();
        assert_eq!((retries, fs::read(&path).unwrap().as_slice()), (3, &b"two"[..]));
    }
}
