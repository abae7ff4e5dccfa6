//! The journal: facts on the local disk before anything else. Append-only segments of length, checksum and JSON; one
//! fsync for a group of facts. The writer reads them back from here, so nothing is lost while the database is away.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use crate::cdr::fact::{Fact, FactKind};
use crate::clock::Timestamp;

/// Bytes after which a new segment is begun.
const SEGMENT_BYTES: u64 = 16 << 20;
/// Bytes of one fact at most; a longer length can only be a torn or damaged record.
const RECORD_BYTES_MAX: u32 = 4 << 20;
/// Bytes in front of each record: its length and its CRC-32, little-endian.
const FRAME: u64 = 8;

/// A place in the journal: everything before it has been taken. Segments are numbered by the time of their beginning,
/// in milliseconds, so that numbers rise even if the folder was emptied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub segment: i64,
    pub position: i64,
}

/// Why the journal cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("another siaga works with this journal")]
    InUse,
    #[error("the folder cannot be used")]
    Folder(#[from] io::Error),
}

/// The appending side.
#[derive(Debug)]
pub struct Journal {
    dir: PathBuf,
    id: String,
    /// Held for the process's life: one service, one journal.
    _lock: File,
    segment: i64,
    file: Option<File>,
    length: u64,
    first: i64,
    buffer: Vec<u8>,
}

impl Journal {
    /// Opens a folder, makes it when it is missing, and begins a new segment: the torn end of an earlier run stays behind.
    pub fn open(dir: &Path, now: Timestamp) -> Result<Self, JournalError> {
        fs::create_dir_all(dir)?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(dir.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(JournalError::InUse),
            Err(fs::TryLockError::Error(error)) => return Err(error.into()),
        }
        let id = read_or_make_id(&dir.join("id"))?;
        let last = segments(dir)?.last().copied().unwrap_or(0);
        let mut journal = Self {
            dir: dir.to_owned(),
            id,
            _lock: lock,
            segment: last,
            file: None,
            length: 0,
            first: 0,
            buffer: Vec::new(),
        };
        journal.begin(now)?;
        journal.first = journal.segment;
        Ok(journal)
    }

    /// Tells this journal from others that fill the same database.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The first segment of this run: what lies before it was written by earlier runs.
    pub const fn first_segment(&self) -> i64 {
        self.first
    }

    /// Appends facts and waits until they are on the disk. On an error none of them counts as written, and the next
    /// attempt goes to a new segment.
    pub fn append<'f>(&mut self, facts: impl Iterator<Item = &'f Fact>, now: Timestamp) -> io::Result<Place> {
        let result = self.try_append(facts, now);
        if result.is_err() {
            self.file = None;
        }
        result
    }

    /// Everything up to here is on the disk.
    pub fn end(&self) -> Place {
        Place { segment: self.segment, position: i64::try_from(self.length).unwrap_or(i64::MAX) }
    }

    /// Shows in the segment's time stamp that the service is alive: what a recovery takes for the time of the end.
    pub fn beat(&self, now: Timestamp) -> io::Result<()> {
        match &self.file {
            Some(file) => file
                .set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_millis(now.as_millis().unsigned_abs())),
            None => Ok(()),
        }
    }

    fn try_append<'f>(&mut self, facts: impl Iterator<Item = &'f Fact>, now: Timestamp) -> io::Result<Place> {
        if self.file.is_none() || self.length >= SEGMENT_BYTES {
            self.begin(now)?;
        }
        let Some(file) = &mut self.file else { return Err(io::ErrorKind::NotFound.into()) };
        self.buffer.clear();
        for fact in facts {
            frame(&mut self.buffer, fact)?;
        }
        file.write_all(&self.buffer)?;
        file.sync_data()?;
        self.length += self.buffer.len() as u64;
        Ok(self.end())
    }

    fn begin(&mut self, now: Timestamp) -> io::Result<()> {
        self.file = None;
        let segment = now.as_millis().max(self.segment.saturating_add(1));
        let file = OpenOptions::new().create_new(true).append(true).open(path(&self.dir, segment))?;
        // The name, too, must survive a power cut.
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
    let id = hex::encode(random);
    let mut file = File::create(path)?;
    writeln!(file, "{id}")?;
    file.sync_all()?;
    Ok(id)
}

/// Adds one record to a buffer.
fn frame(buffer: &mut Vec<u8>, fact: &Fact) -> io::Result<()> {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; 8]);
    serde_json::to_writer(&mut *buffer, fact)?;
    let body = buffer.get(start + 8..).unwrap_or_default();
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes();
    let sum = crc32fast::hash(body).to_le_bytes();
    if let Some(head) = buffer.get_mut(start..start + 8) {
        head.copy_from_slice(&[length, sum].concat());
    }
    Ok(())
}

/// Facts read back from one place to another.
#[derive(Debug, Default)]
pub struct Chunk {
    pub facts: Vec<Fact>,
    /// Where the next read begins.
    pub next: Place,
    /// Bytes that could not be read: torn by a crash, or damaged.
    pub lost_bytes: u64,
    /// Records that are whole but not facts that this version knows.
    pub unknown: u64,
}

/// Reads at most `facts_max` facts from `from` on, not beyond `until`. Empty with `next == from` when there is nothing.
pub fn read(dir: &Path, from: Place, until: Place, facts_max: usize) -> io::Result<Chunk> {
    let mut chunk = Chunk { next: from, ..Chunk::default() };
    let here = segments(dir)?.into_iter().filter(|segment| (from.segment..=until.segment).contains(segment));
    for segment in here {
        if chunk.facts.len() >= facts_max {
            break;
        }
        let position = if segment == from.segment { from.position } else { 0 };
        let end = (segment == until.segment).then_some(until.position);
        read_segment(dir, Place { segment, position }, end, facts_max, &mut chunk)?;
    }
    Ok(chunk)
}

fn read_segment(dir: &Path, from: Place, end: Option<i64>, facts_max: usize, chunk: &mut Chunk) -> io::Result<()> {
    let file = File::open(path(dir, from.segment))?;
    let length = file.metadata()?.len();
    let end = end.map_or(length, |end| end.unsigned_abs().min(length));
    let mut at = from.position.unsigned_abs();
    let mut file = BufReader::with_capacity(256 << 10, file);
    file.seek(SeekFrom::Start(at))?;
    let mut body = Vec::new();
    while chunk.facts.len() < facts_max && at + FRAME <= end {
        let (mut length, mut sum) = ([0; 4], [0; 4]);
        file.read_exact(&mut length)?;
        file.read_exact(&mut sum)?;
        let length = u32::from_le_bytes(length);
        if length > RECORD_BYTES_MAX || at + FRAME + u64::from(length) > end {
            break;
        }
        body.resize(usize::try_from(length).unwrap_or(0), 0);
        file.read_exact(&mut body)?;
        if crc32fast::hash(&body) != u32::from_le_bytes(sum) {
            break;
        }
        at += FRAME + u64::from(length);
        match serde_json::from_slice(&body) {
            Ok(fact) => chunk.facts.push(fact),
            Err(_) => chunk.unknown += 1,
        }
    }
    if chunk.facts.len() < facts_max && at < end {
        // Nothing behind a record that cannot be read can be trusted.
        chunk.lost_bytes += end - at;
        at = end;
    }
    chunk.next = Place { segment: from.segment, position: i64::try_from(at).unwrap_or(i64::MAX) };
    Ok(())
}

/// One run of the service as its segments show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    pub began: Timestamp,
    /// When its last segment was written to or beaten for the last time.
    pub last_sign: Timestamp,
}

/// The runs that wrote the segments before one, oldest first: each begins with `Started`.
pub fn lives_before(dir: &Path, before: i64) -> io::Result<Vec<Life>> {
    let mut lives: Vec<Life> = Vec::new();
    for segment in segments(dir)?.into_iter().filter(|segment| *segment < before) {
        let (from, until) = (Place { segment, position: 0 }, Place { segment, position: i64::MAX });
        let Some(first) = read(dir, from, until, 1)?.facts.into_iter().next() else { continue };
        let modified = fs::metadata(path(dir, segment))?.modified()?;
        let since = modified.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let last_sign = Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
        match lives.last_mut() {
            Some(life) if !matches!(first.kind, FactKind::Started { .. }) => life.last_sign = last_sign,
            Some(_) | None => lives.push(Life { began: Timestamp::from_millis(segment), last_sign }),
        }
    }
    Ok(lives)
}

/// Removes the segments that lie wholly before a place. Gives how many.
pub fn remove_before(dir: &Path, place: Place) -> io::Result<usize> {
    let old: Vec<i64> = segments(dir)?.into_iter().filter(|segment| *segment < place.segment).collect();
    for segment in &old {
        fs::remove_file(path(dir, *segment))?;
    }
    Ok(old.len())
}

/// The segments that are there, oldest first.
fn segments(dir: &Path) -> io::Result<Vec<i64>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".facts"));
        found.extend(number.and_then(|number| number.parse::<i64>().ok()));
    }
    found.sort_unstable();
    Ok(found)
}

fn path(dir: &Path, segment: i64) -> PathBuf {
    dir.join(format!("{segment:020}.facts"))
}
