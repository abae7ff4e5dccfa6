//! The journal: facts on the local disk, before they are stored in the database. Append-only segments of records, with one fsync for a
//! group of facts. The writer reads the facts from here, so that none is lost while the database is down.

mod place;
mod recent;
pub mod record;
pub mod segments;

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cdr::fact::Fact;
use crate::clock::Timestamp;

use super::access;
use super::crash_log::{Files, Left};
use data_encoding::HEXLOWER;
use segments::State;

pub use place::JournalPosition;
pub use recent::Recent;
pub use segments::{Chunk, ProcessRun, read, runs_before};

/// Size of a segment after which a new one is begun.
const SEGMENT_BYTES: u64 = 16 << 20;
/// Number of stored segments that are removed at a time when the disk is full.
const ROOM: usize = 4;

/// Why the journal cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("another siaga uses this journal")]
    InUse,
    #[error("the folder cannot be used")]
    Folder(#[from] io::Error),
}

/// The lock of a journal. It is held as long as any part of this run may write to the journal or store its facts: one service, one journal.
#[derive(Clone, Debug)]
pub struct Lock(Arc<File>);

impl Lock {
    /// Takes the lock of a folder, which is created if it is missing.
    pub fn take(dir: &Path) -> Result<Self, JournalError> {
        access::make_folder(dir)?;
        let file = access::options().create(true).truncate(false).write(true).open(dir.join("lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(Arc::new(file))),
            Err(fs::TryLockError::WouldBlock) => Err(JournalError::InUse),
            Err(fs::TryLockError::Error(error)) => Err(error.into()),
        }
    }
}

/// The appending side.
#[derive(Debug)]
pub struct Journal {
    dir: PathBuf,
    id: String,
    lock: Lock,
    segment: i64,
    file: Option<File>,
    length: u64,
    first: i64,
    buffer: Vec<u8>,
    segment_bytes: u64,
}

impl Journal {
    /// Takes the lock of a folder and opens it for a run that begins now. See `open_locked`.
    pub fn open(dir: &Path, now: Timestamp) -> Result<Self, JournalError> {
        Self::open_locked(dir, Lock::take(dir)?, now, now)
    }

    /// Opens a folder, moves the facts to it that runs other than `run` left in the crash log, and begins a new segment. An incomplete
    /// record at the end of an earlier run thus stays in its own segment.
    pub fn open_locked(dir: &Path, lock: Lock, now: Timestamp, run: Timestamp) -> Result<Self, JournalError> {
        access::make_folder(dir)?;
        let id = read_or_make_id(&dir.join("id"))?;
        let last = segments::list(dir, State::Waiting)?.last().copied();
        let stored = segments::list(dir, State::Stored)?.last().copied();
        let mut journal = Self {
            dir: dir.to_owned(),
            id,
            lock,
            segment: last.max(stored).unwrap_or(0),
            file: None,
            length: 0,
            first: 0,
            buffer: Vec::new(),
            segment_bytes: SEGMENT_BYTES,
        };
        for left in Files::of(dir)?.left_beside(run)? {
            journal.take_over(&left, now)?;
            left.remove()?;
        }
        journal.begin(now)?;
        journal.first = journal.segment;
        Ok(journal)
    }

    /// Sets the size of a segment after which a new one is begun.
    #[must_use]
    pub fn with_segments_of(self, bytes: u64) -> Self {
        Self { segment_bytes: bytes, ..self }
    }

    /// Moves the facts that a killed run left in memory to a separate segment, whose time stamp is that run's last sign
    /// of life. On a full disk it removes stored segments until the new one fits. On an error the unfinished segment is
    /// removed; otherwise each attempt would leave one.
    fn take_over(&mut self, left: &Left, now: Timestamp) -> io::Result<()> {
        let before = segments::last_stamp(&self.dir)?;
        let stamp = before.map_or(left.last_write, |before| before.max(left.last_write));
        loop {
            let copied = self.begin(now).and_then(|()| self.copy(&left.bytes, stamp));
            let Err(error) = copied else { return Ok(()) };
            if self.file.take().is_some() {
                fs::remove_file(segments::path(&self.dir, self.segment, State::Waiting))?;
            }
            if error.kind() != io::ErrorKind::StorageFull || segments::make_room(&self.dir, ROOM)? == 0 {
                return Err(error);
            }
        }
    }

    /// Writes all bytes of the open segment, with its time stamp.
    fn copy(&self, bytes: &[u8], stamp: Timestamp) -> io::Result<()> {
        let Some(mut file) = self.file.as_ref() else { return Err(io::ErrorKind::NotFound.into()) };
        file.write_all(bytes)?;
        segments::set_stamp(file, stamp)?;
        file.sync_all()
    }

    /// Identifies this journal among those that are stored in the same database.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The lock, for parts that work with the journal's facts after this journal is dropped.
    pub fn lock(&self) -> Lock {
        self.lock.clone()
    }

    /// The first segment of this run. Earlier segments belong to earlier runs.
    pub const fn first_segment(&self) -> i64 {
        self.first
    }

    /// Appends facts and waits until they are on the disk. See `append_records`.
    pub fn append<'f>(
        &mut self,
        mut facts: impl Iterator<Item = &'f Fact>,
        now: Timestamp,
    ) -> io::Result<JournalPosition> {
        let mut records = std::mem::take(&mut self.buffer);
        records.clear();
        let encoded = facts.try_for_each(|fact| record::encode(&mut records, fact));
        let result = encoded.map_err(io::Error::from).and_then(|()| self.append_records(&records, now));
        self.buffer = records;
        result
    }

    /// Appends records and waits until they are on the disk. After an error none of them counts as written, and the next attempt writes to
    /// a new segment. If the disk is full, the oldest stored segments are removed.
    pub fn append_records(&mut self, records: &[u8], now: Timestamp) -> io::Result<JournalPosition> {
        let result = self.try_append(records, now);
        if let Err(error) = &result {
            self.file = None;
            if error.kind() == io::ErrorKind::StorageFull {
                segments::make_room(&self.dir, ROOM)?;
            }
        }
        result
    }

    /// The end of the journal; everything before it is on the disk.
    pub fn end(&self) -> JournalPosition {
        JournalPosition { segment: self.segment, position: i64::try_from(self.length).unwrap_or(i64::MAX) }
    }

    /// Begins a new segment, unless the newest one has no facts. Returns the end of the journal.
    pub fn begin_segment(&mut self, now: Timestamp) -> io::Result<JournalPosition> {
        self.rescue(now)?;
        if self.length > 0 {
            self.begin(now)?;
        }
        Ok(self.end())
    }

    /// Sets the segment's time stamp, which shows that the service is alive: a recovery uses it as the time of the end. Returns the end of
    /// the journal, which changes if the folder was lost and is created again.
    pub fn beat(&mut self, now: Timestamp) -> io::Result<JournalPosition> {
        self.rescue(now)?;
        if let Some(file) = &self.file {
            segments::set_stamp(file, now)?;
        }
        Ok(self.end())
    }

    fn try_append(&mut self, records: &[u8], now: Timestamp) -> io::Result<JournalPosition> {
        self.rescue(now)?;
        if self.file.is_none() || self.length >= self.segment_bytes {
            self.begin(now)?;
        }
        let Some(file) = &mut self.file else { return Err(io::ErrorKind::NotFound.into()) };
        file.write_all(records)?;
        file.sync_data()?;
        self.length += records.len() as u64;
        Ok(self.end())
    }

    /// If the open segment is no longer at its path, the folder was removed or moved: creates it again and copies the segment's facts,
    /// which the open file still has.
    fn rescue(&mut self, now: Timestamp) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let (open, path) = (file.metadata()?, segments::path(&self.dir, self.segment, State::Waiting));
        if fs::metadata(path).is_ok_and(|found| (found.dev(), found.ino()) == (open.dev(), open.ino())) {
            return Ok(());
        }
        tracing::error!(dir = %self.dir.display(), "the journal's folder was lost: it is created again with the facts of the last segment");
        let mut facts = Vec::new();
        let mut file = file;
        file.rewind()?;
        file.take(self.length).read_to_end(&mut facts)?;
        let lock = match Lock::take(&self.dir) {
            Ok(lock) => lock,
            // The folder is still the same: only the segment was removed.
            Err(JournalError::InUse) if self.has_lock() => self.lock.clone(),
            Err(JournalError::InUse) => return Err(io::Error::other("another siaga uses this journal")),
            Err(JournalError::Folder(error)) => return Err(error),
        };
        let mut id = access::create(&self.dir.join("id"))?;
        writeln!(id, "{}", self.id)?;
        id.sync_all()?;
        self.begin(now)?;
        self.lock = lock;
        let Some(file) = &mut self.file else { return Err(io::ErrorKind::NotFound.into()) };
        file.write_all(&facts)?;
        file.sync_all()?;
        self.length = facts.len() as u64;
        Ok(())
    }

    /// True if the folder's lock file is the one that this run holds.
    fn has_lock(&self) -> bool {
        let held = self.lock.0.metadata().map(|held| (held.dev(), held.ino()));
        let found = fs::metadata(self.dir.join("lock")).map(|found| (found.dev(), found.ino()));
        matches!((held, found), (Ok(held), Ok(found)) if held == found)
    }

    fn begin(&mut self, now: Timestamp) -> io::Result<()> {
        let segment = now.as_millis().max(self.segment.saturating_add(1));
        let path = segments::path(&self.dir, segment, State::Waiting);
        let file = access::options().create_new(true).read(true).append(true).open(path)?;
        // The directory entry must survive a power failure too.
        File::open(&self.dir)?.sync_all()?;
        (self.segment, self.length, self.file) = (segment, 0, Some(file));
        Ok(())
    }
}

fn read_or_make_id(path: &Path) -> io::Result<String> {
    match fs::read_to_string(path) {
        Ok(id) if !id.trim().is_empty() => return Ok(id.trim().to_owned()),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let id = HEXLOWER.encode(&random);
    let mut file = access::create(path)?;
    writeln!(file, "{id}")?;
    file.sync_all()?;
    Ok(id)
}
