//! The journal's files: `N.facts` has facts that are not all in the database yet; `N.stored` is in the database and is kept for some days;
//! `N.damaged` has unreadable bytes and is kept until a person removes it.

use std::fs::{self, File};
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tracing::warn;

use crate::cdr::fact::{FactId, FactKind};
use crate::clock::Timestamp;
use crate::counted::visit;
use crate::limits::STORED_SEGMENTS_MAX;

use super::place::JournalPosition;
use super::record::{self, Entry, HEAD};

/// How many bytes after damage are searched for the next record.
const SEARCH_BYTES_MAX: u64 = 64 << 20;

/// The state of a segment, which its name shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its facts are not all in the database yet.
    Waiting,
    Stored,
    Damaged,
}

impl State {
    /// The file's extension.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Waiting => "facts",
            Self::Stored => "stored",
            Self::Damaged => "damaged",
        }
    }
}

/// The file of a segment.
pub fn path(dir: &Path, segment: i64, state: State) -> PathBuf {
    dir.join(format!("{segment:020}.{}", state.extension()))
}

/// The segments in one state, oldest first.
pub fn list(dir: &Path, state: State) -> io::Result<Vec<i64>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        visit();
        let name = PathBuf::from(entry?.file_name());
        if name.extension().is_some_and(|extension| extension == state.extension()) {
            let number = name.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse::<i64>().ok());
            found.extend(number);
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Facts that were read between two positions.
#[derive(Debug, Default)]
pub struct Chunk {
    pub entries: Vec<Entry>,
    /// The position of the next read.
    pub next: JournalPosition,
    /// Bytes that could not be read: incomplete after a crash, or damaged.
    pub lost_bytes: u64,
    /// Undamaged records without the identity of a fact.
    pub unknown: u64,
    /// Segments with damage.
    pub damaged: Vec<i64>,
    /// The segment in which the read should have begun, if its file is missing.
    pub missing: Option<i64>,
}

impl Chunk {
    /// The facts that this version knows.
    pub fn facts(&self) -> Vec<crate::cdr::fact::Fact> {
        self.entries.iter().filter_map(|entry| entry.fact.clone()).collect()
    }
}

/// Reads at most `facts_max` facts from `from` on, not beyond `until`. If there are none, the chunk is empty and `next == from`. An error
/// if the file of `until` is missing.
pub fn read(dir: &Path, from: JournalPosition, until: JournalPosition, facts_max: usize) -> io::Result<Chunk> {
    let mut chunk = Chunk { next: from, ..Chunk::default() };
    let all = list(dir, State::Waiting)?;
    if until.position > 0 && all.binary_search(&until.segment).is_err() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the journal's newest segment is missing"));
    }
    chunk.missing = (from.segment > 0 && all.binary_search(&from.segment).is_err()).then_some(from.segment);
    for segment in all.into_iter().filter(|segment| (from.segment..=until.segment).contains(segment)) {
        if chunk.entries.len() >= facts_max {
            break;
        }
        let position = if segment == from.segment { from.position } else { 0 };
        let end = (segment == until.segment).then_some(until.position);
        let file = File::open(path(dir, segment, State::Waiting))?;
        read_segment(file, JournalPosition { segment, position }, end, facts_max, &mut chunk)?;
    }
    Ok(chunk)
}

/// Reads one file, whatever its state, from its beginning to its end.
pub fn read_whole(dir: &Path, segment: i64, state: State) -> io::Result<Chunk> {
    let mut chunk = Chunk::default();
    read_segment(
        File::open(path(dir, segment, state))?,
        JournalPosition { segment, position: 0 },
        None,
        usize::MAX,
        &mut chunk,
    )?;
    Ok(chunk)
}

/// Reads a file of records that is no segment.
pub(in crate::store) fn read_file(file: File, chunk: &mut Chunk) -> io::Result<()> {
    read_segment(file, JournalPosition::default(), None, usize::MAX, chunk)
}

fn read_segment(
    file: File,
    from: JournalPosition,
    end: Option<i64>,
    facts_max: usize,
    chunk: &mut Chunk,
) -> io::Result<()> {
    let length = file.metadata()?.len();
    let end = end.map_or(length, |end| end.unsigned_abs().min(length));
    let mut at = from.position.unsigned_abs();
    let mut file = BufReader::with_capacity(256 << 10, file);
    file.seek(SeekFrom::Start(at))?;
    let mut buffer = Vec::new();
    while chunk.entries.len() < facts_max && at < end {
        if next_record(&mut file, end - at, &mut buffer)? {
            let json = buffer.get(HEAD..).unwrap_or_default();
            at += buffer.len() as u64;
            match Entry::read(json) {
                Some(entry) => chunk.entries.push(entry),
                None => chunk.unknown += 1,
            }
            continue;
        }
        let (lost, damage) = skip_damage(&mut file, (at, end), length)?;
        at += lost;
        chunk.lost_bytes += lost;
        if damage {
            chunk.damaged.push(from.segment);
        }
        file.seek(SeekFrom::Start(at))?;
    }
    chunk.next = JournalPosition { segment: from.segment, position: i64::try_from(at).unwrap_or(i64::MAX) };
    Ok(())
}

/// Reads one record of at most `left` bytes into `buffer`. False if there is no complete and undamaged one.
fn next_record(file: &mut BufReader<File>, left: u64, buffer: &mut Vec<u8>) -> io::Result<bool> {
    let mut head = [0; HEAD];
    if left < HEAD as u64 {
        return Ok(false);
    }
    file.read_exact(&mut head)?;
    let length = head.first_chunk().map_or(0, |length| u64::from(u32::from_le_bytes(*length)));
    if length > left - HEAD as u64 {
        return Ok(false);
    }
    buffer.clear();
    buffer.extend_from_slice(&head);
    file.take(length).read_to_end(buffer)?;
    Ok(record::decode(buffer).is_some())
}

/// How many bytes from `at` on are lost, up to the next record or to `end`, and whether this is damage: an incomplete record at the end of
/// a file is not.
fn skip_damage(file: &mut BufReader<File>, (at, end): (u64, u64), length: u64) -> io::Result<(u64, bool)> {
    file.seek(SeekFrom::Start(at))?;
    let mut rest = Vec::new();
    file.take((end - at).min(SEARCH_BYTES_MAX)).read_to_end(&mut rest)?;
    let found = record::resynchronise(rest.get(1..).unwrap_or_default());
    let lost = found.map_or(end - at, |found| found as u64 + 1);
    let is_torn = lost == end - at && end == length && record::is_torn(&rest);
    Ok((lost, !is_torn))
}

/// Number of facts between two positions.
pub fn count(dir: &Path, from: JournalPosition, until: JournalPosition) -> io::Result<u64> {
    let mut facts = 0;
    for segment in list(dir, State::Waiting)? {
        if !(from.segment..=until.segment).contains(&segment) {
            continue;
        }
        let mut at = if segment == from.segment { from.position.unsigned_abs() } else { 0 };
        let mut file = File::open(path(dir, segment, State::Waiting))?;
        let length = file.metadata()?.len();
        let end = if segment == until.segment { until.position.unsigned_abs().min(length) } else { length };
        let mut head = [0; 4];
        while at + HEAD as u64 <= end {
            file.seek(SeekFrom::Start(at))?;
            file.read_exact(&mut head)?;
            at += HEAD as u64 + u64::from(u32::from_le_bytes(head));
            facts += u64::from(at <= end);
        }
    }
    Ok(facts)
}

/// One run of the service, as far as its segments show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessRun {
    pub began: Timestamp,
    /// When its last segment was last written or time-stamped.
    pub last_write: Timestamp,
}

/// The runs that wrote the segments before one, oldest first: each begins with `Started`.
pub fn runs_before(dir: &Path, before: i64) -> io::Result<Vec<ProcessRun>> {
    let mut runs: Vec<(ProcessRun, Option<FactId>)> = Vec::new();
    for segment in list(dir, State::Waiting)?.into_iter().filter(|segment| *segment < before) {
        let file = File::open(path(dir, segment, State::Waiting))?;
        let last_write = stamp(&file.metadata()?)?;
        let mut chunk = Chunk::default();
        read_segment(file, JournalPosition { segment, position: 0 }, None, 1, &mut chunk)?;
        let Some(first) = chunk.facts().into_iter().next() else { continue };
        let run = matches!(first.kind, FactKind::Started { .. }).then_some(first.id);
        match runs.last_mut() {
            // A segment with the facts that a crash left in memory may begin with the same `Started`.
            Some((life, known)) if run.is_none() || run == *known => life.last_write = last_write,
            Some(_) | None => {
                // Facts that a crash left in memory were written to the disk after their run had ended.
                let number = Timestamp::from_millis(segment);
                let began = if last_write < number { first.at.min(number) } else { number };
                runs.push((ProcessRun { began, last_write }, run));
            }
        }
    }
    Ok(runs.into_iter().map(|(life, _)| life).collect())
}

fn stamp(metadata: &fs::Metadata) -> io::Result<Timestamp> {
    let since = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)))
}

/// Keeps a damaged segment by a link, without writing to the disk. Returns the file that keeps it. Without a link, for example on a file
/// system that has none, that is the stored segment.
pub fn keep_damaged(dir: &Path, segment: i64) -> PathBuf {
    keep_damaged_by(dir, segment, |from, to| fs::hard_link(from, to))
}

fn keep_damaged_by(dir: &Path, segment: i64, link: impl FnOnce(&Path, &Path) -> io::Result<()>) -> PathBuf {
    let kept = path(dir, segment, State::Damaged);
    match link(&path(dir, segment, State::Waiting), &kept) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            let stored = path(dir, segment, State::Stored);
            warn!(%error, "a damaged segment cannot be kept under a name of its own: it is removed after [journal] keep_days");
            stored
        }
        Ok(()) | Err(_) => kept,
    }
}

/// Marks the segments that are completely before a position as stored. Returns their number. An error with one segment does not affect the
/// others.
pub fn retire_before(dir: &Path, place: JournalPosition) -> io::Result<usize> {
    let old = list(dir, State::Waiting)?.into_iter().filter(|segment| *segment < place.segment);
    each(old.collect(), |segment| {
        let waiting = path(dir, segment, State::Waiting);
        if path(dir, segment, State::Damaged).exists() {
            fs::remove_file(waiting)?;
        } else {
            fs::rename(waiting, path(dir, segment, State::Stored))?;
        }
        Ok(true)
    })
}

/// Applies a change to each segment and counts the changed ones. After an error with one segment the others are still changed; returns the
/// first error. A missing file is no error: another thread may have removed it to make room.
fn each(segments: Vec<i64>, mut apply: impl FnMut(i64) -> io::Result<bool>) -> io::Result<usize> {
    let (mut changed, mut first) = (0, None);
    for segment in segments {
        match apply(segment) {
            Ok(done) => changed += usize::from(done),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                first.get_or_insert(error);
            }
        }
    }
    first.map_or(Ok(changed), Err)
}

/// Marks stored segments as waiting again, from the one of `cursor` on: the database lacks their facts, because it is new or was restored
/// from a backup. Returns their number.
pub fn bring_back(dir: &Path, cursor: JournalPosition) -> io::Result<usize> {
    let lacking: Vec<i64> =
        list(dir, State::Stored)?.into_iter().filter(|segment| *segment >= cursor.segment).collect();
    for segment in &lacking {
        fs::rename(path(dir, *segment, State::Stored), path(dir, *segment, State::Waiting))?;
    }
    Ok(lacking.len())
}

/// Removes stored segments whose time stamp is more than `keep` before that of the newest segment, and the oldest ones beyond
/// `STORED_SEGMENTS_MAX`. Returns how many.
pub fn remove_stored(dir: &Path, keep: Duration) -> io::Result<usize> {
    let Some(now) = last_stamp(dir)? else { return Ok(0) };
    let stored = list(dir, State::Stored)?;
    let too_many = stored.len().saturating_sub(STORED_SEGMENTS_MAX);
    let mut no = 0;
    each(stored, |segment| {
        no += 1;
        let file = path(dir, segment, State::Stored);
        let age = now.millis_since(stamp(&fs::metadata(&file)?)?);
        let old = no <= too_many || u128::from(age) >= keep.as_millis();
        if old {
            fs::remove_file(file)?;
        }
        Ok(old)
    })
}

/// Removes the oldest stored segments, at most `most`, to make room on a full disk. Returns how many.
pub fn make_room(dir: &Path, most: usize) -> io::Result<usize> {
    let mut stored = list(dir, State::Stored)?;
    stored.truncate(most);
    each(stored, |segment| fs::remove_file(path(dir, segment, State::Stored)).map(|()| true))
}

/// Sets the time stamp of a segment.
pub(super) fn set_stamp(file: &File, at: Timestamp) -> io::Result<()> {
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_millis(at.as_millis().unsigned_abs()))
}

/// The time stamp of the newest segment.
pub(super) fn last_stamp(dir: &Path) -> io::Result<Option<Timestamp>> {
    match list(dir, State::Waiting)?.last() {
        Some(last) => Ok(Some(stamp(&fs::metadata(path(dir, *last, State::Waiting))?)?)),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_segment_on_a_disk_without_links_is_kept_as_a_stored_one() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(path(dir.path(), 7, State::Waiting), "damaged").unwrap();
        let kept = keep_damaged_by(dir.path(), 7, |_, _| Err(io::ErrorKind::Unsupported.into()));
        assert_eq!(retire_before(dir.path(), JournalPosition { segment: 8, position: 0 }).unwrap(), 1);
        assert_eq!(fs::read_to_string(kept).unwrap(), "damaged");
    }
}
