//! One recording's file. Samples that arrive while the disk cannot be written are lost: the file has silence there, listed as a gap. It
//! continues as soon as the disk can be written again.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use tracing::warn;

use crate::limits::RECORDING_GAPS_MAX;
use crate::media::recording::Pair;
use crate::media::wav::{self, HEADER_BYTES, PAIR_BYTES};
use crate::store::access;

/// Bytes that are gathered for one write: one second.
const BLOCK_BYTES: usize = 32_000;
/// Pairs of samples in a millisecond.
const PAIRS_PER_MS: u64 = 8;

/// From and to, in milliseconds since the start of the recording.
pub(super) type Gap = (u64, u64);

/// The operations of the disk that a file needs.
pub(super) trait Disk: Sized {
    /// Creates a file, and its folder if that is missing. An error if the file exists: it is another recording.
    fn create(path: &Path) -> io::Result<Self>;
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()>;
    fn set_length(&self, bytes: u64) -> io::Result<()>;
    /// Removes a file that this recording has created.
    fn remove(self, path: &Path) -> io::Result<()>;
}

impl Disk for File {
    fn create(path: &Path) -> io::Result<Self> {
        if let Some(parent) = path.parent() {
            access::make_folder_like(parent)?;
        }
        access::create_new_like(path)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.write_all_at(bytes, at)
    }

    fn set_length(&self, bytes: u64) -> io::Result<()> {
        self.set_len(bytes)
    }

    fn remove(self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}

/// A file that is being written.
#[derive(Debug)]
pub(super) struct WavFile<D> {
    path: PathBuf,
    /// None until it could be created.
    disk: Option<D>,
    /// Samples that are not written yet.
    pending: Vec<u8>,
    /// Pairs before `pending`, which are on the disk or in a gap.
    placed: u64,
    /// In pairs.
    gaps: Vec<(u64, u64)>,
    /// The error of the last write, if it failed.
    error: Option<io::Error>,
    /// Samples are on the disk.
    has_audio: bool,
}

impl<D: Disk> WavFile<D> {
    /// The file is created with its first write.
    pub(super) fn new(path: PathBuf) -> Self {
        let pending = Vec::with_capacity(BLOCK_BYTES);
        Self { path, disk: None, pending, placed: 0, gaps: Vec::new(), error: None, has_audio: false }
    }

    pub(super) fn push(&mut self, [left, right]: Pair) {
        self.pending.extend_from_slice(&left.to_le_bytes());
        self.pending.extend_from_slice(&right.to_le_bytes());
        if self.pending.len() >= BLOCK_BYTES {
            self.flush();
        }
    }

    /// Writes the gathered samples, and the header that fits the file.
    pub(super) fn keep(&mut self) {
        self.flush();
        if self.error.is_none() {
            self.error = self.write_header().err();
        }
    }

    /// Writes the remaining samples. Returns the pairs and the gaps; an error, and whether the disk has audio, if the file does not exist
    /// or has no valid header. A file without audio is removed: a full disk leaves one.
    pub(super) fn finish(mut self) -> Result<(u64, Vec<Gap>), (io::Error, bool)> {
        self.flush();
        let finished = self.complete();
        let Err(error) = finished else {
            let gaps = self.gaps.iter().map(|(from, to)| (from / PAIRS_PER_MS, to / PAIRS_PER_MS)).collect();
            return Ok((self.placed, gaps));
        };
        if !self.has_audio
            && let Some(disk) = self.disk.take()
            && let Err(error) = disk.remove(&self.path)
        {
            warn!(file = %self.path.display(), %error, "a recording without audio cannot be removed");
        }
        Err((error, self.has_audio))
    }

    fn complete(&mut self) -> io::Result<()> {
        if self.disk.is_none() {
            return Err(self.error.take().unwrap_or_else(|| io::ErrorKind::NotFound.into()));
        }
        self.write_header()?;
        if let Some(disk) = &self.disk {
            // A gap at the end becomes silence as well.
            disk.set_length(HEADER_BYTES as u64 + self.placed * PAIR_BYTES as u64)?;
        }
        Ok(())
    }

    /// Why the last write failed; None if it did not.
    pub(super) fn error(&self) -> Option<&io::Error> {
        self.error.as_ref()
    }

    fn flush(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let end = self.placed + (self.pending.len() / PAIR_BYTES) as u64;
        self.error = self.write().err();
        if self.error.is_some() {
            self.add_gap(end);
        }
        self.placed = end;
        self.pending.clear();
    }

    fn write(&mut self) -> io::Result<()> {
        if self.disk.is_none() {
            self.disk = Some(D::create(&self.path)?);
            self.write_header()?;
        }
        let Some(disk) = &self.disk else { return Ok(()) };
        disk.write_at(&self.pending, HEADER_BYTES as u64 + self.placed * PAIR_BYTES as u64)?;
        self.has_audio = true;
        Ok(())
    }

    fn write_header(&self) -> io::Result<()> {
        self.disk.as_ref().map_or(Ok(()), |disk| disk.write_at(&wav::header(self.placed), 0))
    }

    /// Adds a gap from the samples that are already placed to `end`.
    fn add_gap(&mut self, end: u64) {
        let full = self.gaps.len() >= RECORDING_GAPS_MAX;
        match self.gaps.last_mut() {
            Some((_, to)) if *to == self.placed || full => *to = end,
            Some(_) | None => self.gaps.push((self.placed, end)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};

    thread_local! {
        static FULL: Cell<bool> = const { Cell::new(false) };
        /// If set, a file can be created on the full disk, but no byte can be written to it: blocks are used up, and
        /// inodes are not.
        static NAMED: Cell<bool> = const { Cell::new(false) };
        static EXISTS: Cell<bool> = const { Cell::new(false) };
        static BYTES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }

    /// A disk in memory that can be full.
    struct Memory;

    impl Disk for Memory {
        fn create(_: &Path) -> io::Result<Self> {
            if FULL.get() && !NAMED.get() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            EXISTS.set(true);
            Ok(Self)
        }

        fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
            if FULL.get() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            BYTES.with(|all| {
                let mut all = all.borrow_mut();
                let (at, length) = (usize::try_from(at).unwrap(), all.len());
                all.resize(length.max(at + bytes.len()), 0);
                all[at..at + bytes.len()].copy_from_slice(bytes);
            });
            Ok(())
        }

        fn set_length(&self, bytes: u64) -> io::Result<()> {
            BYTES.with(|all| all.borrow_mut().resize(usize::try_from(bytes).unwrap(), 0));
            Ok(())
        }

        fn remove(self, _: &Path) -> io::Result<()> {
            EXISTS.set(false);
            Ok(())
        }
    }

    /// Adds seconds of samples with one value.
    fn speak(file: &mut WavFile<Memory>, seconds: u64, value: i16) {
        (0..seconds * 8_000).for_each(|_| file.push([value, -value]));
        file.keep();
    }

    fn heard() -> Vec<i16> {
        let bytes = BYTES.with(|all| all.borrow().clone());
        hound::WavReader::new(&bytes[..]).unwrap().samples().map(Result::unwrap).collect()
    }

    #[test]
    fn a_full_disk_leaves_a_marked_gap_and_the_recording_goes_on() {
        // Full in the middle, from the start, and at the end: (seconds before, full, after).
        for (before, full, after) in [(5, 8, 5), (0, 3, 4), (4, 3, 0)] {
            BYTES.with(|all| all.borrow_mut().clear());
            let mut file = WavFile::<Memory>::new(PathBuf::new());
            speak(&mut file, before, 100);
            FULL.set(true);
            speak(&mut file, full, 200);
            assert!(file.error().is_some());
            FULL.set(false);
            speak(&mut file, after, 300);
            assert!(after == 0 || file.error().is_none(), "it continues");
            let (pairs, gaps) = file.finish().unwrap_or_else(|(error, _)| panic!("{before} {full} {after}: {error}"));
            assert_eq!(pairs, (before + full + after) * 8_000);
            assert_eq!(gaps, [(before * 1_000, (before + full) * 1_000)], "{before} {full} {after}");
            let heard = heard();
            assert_eq!(heard.len() as u64, pairs * 2, "as long as the conversation");
            let at = |second: u64| heard[usize::try_from(second * 16_000 + 8).unwrap()];
            assert!(before == 0 || at(0) == 100);
            assert_eq!(at(before), 0, "the gap is silence");
            assert!(after == 0 || at(before + full) == 300, "what was said later is in its place");
        }
    }

    #[test]
    fn gaps_are_limited_and_the_last_one_grows() {
        BYTES.with(|all| all.borrow_mut().clear());
        let mut file = WavFile::<Memory>::new(PathBuf::new());
        for _ in 0..RECORDING_GAPS_MAX + 5 {
            FULL.set(true);
            speak(&mut file, 1, 1);
            FULL.set(false);
            speak(&mut file, 1, 1);
        }
        let (pairs, gaps) = file.finish().unwrap();
        assert_eq!(gaps.len(), RECORDING_GAPS_MAX);
        assert_eq!(gaps.last().unwrap().1, pairs / 8 - 1_000);
    }

    #[test]
    fn a_file_that_never_came_about_is_an_error() {
        FULL.set(true);
        let mut file = WavFile::<Memory>::new(PathBuf::new());
        speak(&mut file, 2, 1);
        let (error, has_audio) = file.finish().unwrap_err();
        assert_eq!((error.kind(), has_audio), (io::ErrorKind::StorageFull, false));
        FULL.set(false);
    }

    #[test]
    fn a_recording_on_a_full_disk_leaves_no_empty_file_and_one_that_was_begun_keeps_its_audio() {
        NAMED.set(true);
        for seconds_before in [0, 2] {
            let mut file = WavFile::<Memory>::new(PathBuf::new());
            speak(&mut file, seconds_before, 100);
            FULL.set(true);
            speak(&mut file, 2, 100);
            assert!(EXISTS.get());
            let (error, has_audio) = file.finish().unwrap_err();
            assert_eq!((error.kind(), has_audio), (io::ErrorKind::StorageFull, seconds_before > 0));
            assert_eq!(EXISTS.get(), has_audio, "the next start repairs what has audio");
            FULL.set(false);
        }
    }

    #[test]
    fn another_recording_is_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one.wav");
        std::fs::write(&path, "another").unwrap();
        let mut file = WavFile::<File>::new(path.clone());
        file.push([1, 1]);
        assert_eq!(file.finish().unwrap_err().0.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(path).unwrap(), b"another");
    }
}
