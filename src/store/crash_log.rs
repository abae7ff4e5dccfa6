//! The crash log: facts in files in memory (tmpfs), which survive the process but not the machine. The signalling loop appends each step's
//! facts before the step's messages are sent; the journal's thread removes a file when its facts are on the disk. The next start moves the
//! remaining facts to the journal.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use crate::clock::Timestamp;
use crate::limits::{CRASH_LOG_FILE_BYTES_MAX, CRASH_LOG_FILES_MAX};

use super::journal::record;

/// Folders for the files. The first one that is in memory and writable is used.
const FOLDERS: [&str; 2] = ["/run/siaga", "/dev/shm"];
/// How many appends are skipped after an error before the next attempt.
const PAUSE: u32 = 64;

/// The files of one journal. Their names are derived from the journal's folder and the user, so that no two services share them.
#[derive(Clone, Debug)]
pub struct Files {
    stem: String,
    user: u32,
}

/// The remaining facts of one earlier run.
#[derive(Debug)]
pub struct Left {
    pub bytes: Vec<u8>,
    /// When the last fact was appended.
    pub last_write: Timestamp,
    files: Vec<PathBuf>,
}

impl Left {
    /// Removes the files: their facts are on the disk.
    pub fn remove(&self) -> io::Result<()> {
        self.files.iter().try_for_each(fs::remove_file)
    }
}

impl Files {
    /// The files of the journal in `dir`, which need not exist.
    pub fn of(dir: &Path) -> io::Result<Self> {
        let user = fs::metadata("/proc/self")?.uid();
        let digest = Sha256::digest(resolved(dir)?.as_os_str().as_encoded_bytes());
        let name = HEXLOWER.encode(digest.get(..8).unwrap_or_default());
        Ok(Self { stem: format!("siaga-{user}-{name}-"), user })
    }

    /// The file `no` of the run `run`.
    fn path(&self, folder: &Path, run: Timestamp, no: u32) -> PathBuf {
        folder.join(format!("{}{:020}-{no:010}.facts", self.stem, run.as_millis()))
    }

    /// The remaining facts of runs other than `run`, by run, oldest first.
    pub fn left_beside(&self, run: Timestamp) -> io::Result<Vec<Left>> {
        let mut all: Vec<Left> = Vec::new();
        for folder in FOLDERS {
            let mut files = self.found(Path::new(folder));
            files.retain(|(of, _, _)| *of != run.as_millis());
            files.sort_unstable();
            for group in files.chunk_by(|(one, _, _), (other, _, _)| one == other) {
                let mut left = Left { bytes: Vec::new(), last_write: Timestamp::default(), files: Vec::new() };
                let mut last = 0;
                for (_, _, file) in group {
                    // If a record did not fit into a file, the next records are in another file.
                    let whole = record::without_torn_end(left.bytes.get(last..).unwrap_or_default()).len();
                    left.bytes.truncate(last + whole);
                    last = left.bytes.len();
                    left.bytes.extend(fs::read(file)?);
                    let at = fs::metadata(file)?;
                    let millis = at.mtime().saturating_mul(1_000).saturating_add(at.mtime_nsec() / 1_000_000);
                    left.last_write = left.last_write.max(Timestamp::from_millis(millis));
                    left.files.push(file.clone());
                }
                all.push(left);
            }
        }
        Ok(all)
    }

    /// Run, number and path of every file of this journal. Files of other users, files that others can read, and files with several links
    /// are ignored.
    fn found(&self, folder: &Path) -> Vec<(i64, u32, PathBuf)> {
        let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
        let ours = entries.filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name();
            let (run, no) = name.to_str()?.strip_prefix(&self.stem)?.strip_suffix(".facts")?.split_once('-')?;
            let (run, no) = (run.parse().ok()?, no.parse().ok()?);
            let found = fs::symlink_metadata(entry.path()).ok()?;
            let private =
                found.is_file() && found.uid() == self.user && found.mode() & 0o077 == 0 && found.nlink() == 1;
            private.then(|| (run, no, entry.path()))
        });
        ours.collect()
    }

    /// Removes every file of every run: for tests, and for services whose journal was removed permanently.
    pub fn remove_all(&self) {
        for (_, _, file) in FOLDERS.iter().flat_map(|folder| self.found(Path::new(folder))) {
            // Its service may have removed it already.
            drop(fs::remove_file(file));
        }
    }
}

/// Identifies a journal by machine and folder. None if the machine has no name.
pub fn home(dir: &Path) -> Option<String> {
    let read = |path| fs::read_to_string(path).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let (machine, host) = (read("/etc/machine-id").unwrap_or_default(), read("/proc/sys/kernel/hostname")?);
    Some(format!("{machine}:{host}:{}", resolved(dir).ok()?.display()))
}

/// The path with links resolved, as far as it exists: the same for every spelling.
fn resolved(dir: &Path) -> io::Result<PathBuf> {
    let whole = std::path::absolute(dir)?;
    for existing in whole.ancestors() {
        if let Ok(found) = existing.canonicalize() {
            let rest = whole.strip_prefix(existing).unwrap_or(Path::new(""));
            return Ok(if rest.as_os_str().is_empty() { found } else { found.join(rest) });
        }
    }
    Ok(whole)
}

/// The first folder that is in memory and writable. None if there is none; a disk is not used, because a write could block the loop.
pub fn folder() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let in_memory = |folder: &Path| {
        let kind = |line: &str| {
            let mut fields = line.split(' ');
            let (point, kind) = (fields.nth(1)?.to_owned(), fields.next()?.to_owned());
            folder.starts_with(&point).then_some((point.len(), kind))
        };
        mounts.lines().filter_map(kind).max_by_key(|(length, _)| *length).is_some_and(|(_, kind)| kind == "tmpfs")
    };
    FOLDERS.map(PathBuf::from).into_iter().find(|folder| {
        folder.canonicalize().is_ok_and(|folder| in_memory(&folder))
            && fs::metadata(folder).is_ok_and(|found| found.is_dir())
            && probe(folder)
    })
}

/// True if a file can be created there. The file has no name: nothing is left after a kill, and no other probe is in the way.
fn probe(folder: &Path) -> bool {
    OpenOptions::new().write(true).mode(0o600).custom_flags(libc::O_TMPFILE).open(folder).is_ok()
}

/// The appending side, in the signalling loop.
#[derive(Debug)]
pub struct CrashLog {
    files: Files,
    run: Timestamp,
    /// None if there is no folder in memory.
    folder: Option<PathBuf>,
    file: Option<File>,
    no: u32,
    length: u64,
    pause: u32,
    cleaner: Cleaner,
}

/// The removing side, in the journal's thread.
#[derive(Clone, Debug)]
pub struct Cleaner {
    files: Files,
    run: Timestamp,
    folder: Option<PathBuf>,
    /// Files before this one have been removed.
    kept_from: Arc<AtomicU32>,
    /// Files with facts that did not fit into the queue to the journal: see `Held`.
    held: Arc<AtomicU64>,
    /// The next fact goes to a new file.
    is_renewed: Arc<AtomicBool>,
}

/// Files that must stay until the journal has their facts: the file `from` and those after it. `count` increases with each step whose
/// facts did not fit into the queue. Both are packed into one atomic value, so that the loop and the journal's thread change them
/// together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    from: u32,
    count: u32,
}

impl Held {
    const NONE: u32 = u32::MAX;

    const fn of(number: u64) -> Self {
        Self { from: (number >> 32) as u32, count: number as u32 }
    }

    const fn number(self) -> u64 {
        (self.from as u64) << 32 | self.count as u64
    }
}

impl CrashLog {
    /// The crash log of one run for the journal in `dir`. Without a folder in memory it stores nothing.
    pub fn open(dir: &Path, run: Timestamp) -> Self {
        let (files, folder) = match Files::of(dir) {
            Ok(files) => (files, folder()),
            Err(_) => (Files { stem: String::new(), user: 0 }, None),
        };
        let held = Arc::new(AtomicU64::new(Held { from: Held::NONE, count: 0 }.number()));
        let cleaner = Cleaner {
            files: files.clone(),
            run,
            folder: folder.clone(),
            kept_from: Arc::default(),
            held,
            is_renewed: Arc::default(),
        };
        Self { files, run, folder, file: None, no: 0, length: 0, pause: 0, cleaner }
    }

    /// True if there is a folder in memory.
    pub const fn is_possible(&self) -> bool {
        self.folder.is_some()
    }

    /// The removing side.
    pub fn cleaner(&self) -> Cleaner {
        self.cleaner.clone()
    }

    /// The journal did not get the facts in the file `no`: this file and those after it stay until the journal's thread has read them
    /// (`Cleaner::held`), or until the next start.
    pub fn hold(&self, no: u32) {
        let held = &self.cleaner.held;
        let next = |number| {
            let Held { from, count } = Held::of(number);
            Held { from: from.min(no), count: count.wrapping_add(1) }.number()
        };
        // `next` always returns a number, so the update cannot fail.
        let _updated = held.fetch_update(Ordering::AcqRel, Ordering::Acquire, |number| Some(next(number)));
    }

    /// Appends records with one `write()`. Returns the number of the file. Returns None if the records are not in
    /// memory, because there is no folder, the memory is full, or too many files wait for the disk.
    pub fn append(&mut self, records: &[u8]) -> Option<u32> {
        if self.pause > 0 {
            self.pause -= 1;
            return None;
        }
        let appended = self.try_append(records);
        if appended.is_none() {
            (self.file, self.pause) = (None, PAUSE);
        }
        appended
    }

    fn try_append(&mut self, records: &[u8]) -> Option<u32> {
        let is_renewed = self.cleaner.is_renewed.swap(false, Ordering::Relaxed);
        if self.file.is_none() || is_renewed || self.length >= CRASH_LOG_FILE_BYTES_MAX {
            self.begin()?;
        }
        self.file.as_mut()?.write_all(records).ok()?;
        self.length += records.len() as u64;
        Some(self.no)
    }

    fn begin(&mut self) -> Option<()> {
        let no = self.no.checked_add(1)?;
        if no.saturating_sub(self.cleaner.kept_from.load(Ordering::Relaxed)) > CRASH_LOG_FILES_MAX {
            return None;
        }
        let path = self.files.path(self.folder.as_ref()?, self.run, no);
        let mut options = OpenOptions::new();
        options.create_new(true).append(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
        (self.no, self.length) = (no, 0);
        self.file = Some(options.open(path).ok()?);
        Some(())
    }
}

impl Cleaner {
    /// The run to which these files belong.
    pub const fn run(&self) -> Timestamp {
        self.run
    }

    /// Removes the files before `no`: their facts are on the disk.
    pub fn stored_before(&self, no: u32) {
        let Some(folder) = &self.folder else { return };
        let no = no.min(Held::of(self.held.load(Ordering::Acquire)).from);
        for old in self.kept_from.swap(no, Ordering::Relaxed)..no {
            // The file may not exist, or may be removed already.
            drop(fs::remove_file(self.files.path(folder, self.run, old)));
        }
    }

    /// Lets the next fact go to a new file, so that the facts in the present one are removed soon.
    pub fn renew(&self) {
        self.is_renewed.store(true, Ordering::Relaxed);
    }

    /// The files that the journal's thread has to read, if any.
    pub fn held(&self) -> Option<Held> {
        Some(Held::of(self.held.load(Ordering::Acquire))).filter(|held| held.from != Held::NONE)
    }

    /// The records in the held files. The journal may have some of them already: a fact counts once, however often the journal has it.
    pub fn read(&self, held: Held) -> io::Result<Vec<u8>> {
        let mut files: Vec<_> = self.folder.iter().flat_map(|folder| self.files.found(folder)).collect();
        files.retain(|(run, no, _)| *run == self.run.as_millis() && *no >= held.from);
        files.sort_unstable();
        let mut records = Vec::new();
        for (_, _, file) in files {
            let bytes = fs::read(file)?;
            records.extend_from_slice(record::without_torn_end(&bytes));
        }
        Ok(records)
    }

    /// Releases the held files, whose records the journal has. Returns false if another step was added since `held` was read: then the
    /// files stay, and the next attempt reads them.
    pub fn release(&self, held: Held) -> bool {
        let none = Held { from: Held::NONE, ..held };
        self.held.compare_exchange(held.number(), none.number(), Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Removes all files of this run, after all its facts are on the disk and no more will follow.
    pub fn stored_all(&self, last: u32) {
        self.stored_before(last.saturating_add(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: Timestamp = Timestamp::from_millis(1_000);
    const NEXT: Timestamp = Timestamp::from_millis(2_000);

    struct Journal(tempfile::TempDir);

    impl Journal {
        fn files(&self) -> Files {
            Files::of(self.0.path()).unwrap()
        }
    }

    impl Drop for Journal {
        fn drop(&mut self) {
            self.files().remove_all();
        }
    }

    fn journal() -> Journal {
        Journal(tempfile::tempdir().unwrap())
    }

    #[test]
    fn the_next_run_finds_what_a_killed_run_left_and_no_other_service_does() {
        let (mine, other) = (journal(), journal());
        let mut log = CrashLog::open(mine.0.path(), RUN);
        assert!(log.is_possible(), "this machine has /dev/shm");
        assert_eq!((log.append(b"one"), log.append(b"two")), (Some(1), Some(1)));
        drop(log);
        assert!(mine.files().left_beside(RUN).unwrap().is_empty(), "a run's own files are not left behind");
        assert!(other.files().left_beside(NEXT).unwrap().is_empty());
        let link = other.0.path().join("link");
        std::os::unix::fs::symlink(mine.0.path(), &link).unwrap();
        let left = Files::of(&link).unwrap().left_beside(NEXT).unwrap();
        assert_eq!((left.len(), left[0].bytes.as_slice()), (1, &b"onetwo"[..]));
        left[0].remove().unwrap();
        assert!(mine.files().left_beside(NEXT).unwrap().is_empty());
    }

    #[test]
    fn the_folder_in_memory_is_found_by_all_that_look_for_it_at_the_same_time() {
        let threads =
            std::array::from_fn::<_, 8, _>(|_| std::thread::spawn(|| (0..200).filter(|_| folder().is_none()).count()));
        let failures: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
        assert_eq!(failures, 0, "of 1,600");
    }

    #[test]
    fn files_whose_facts_are_stored_are_removed_and_the_log_is_bounded() {
        let mine = journal();
        let mut log = CrashLog::open(mine.0.path(), RUN);
        let big = vec![b'x'; usize::try_from(CRASH_LOG_FILE_BYTES_MAX).unwrap()];
        for no in 1..=CRASH_LOG_FILES_MAX {
            assert_eq!(log.append(&big), Some(no));
        }
        assert_eq!(log.append(&big), None, "as much as it may hold waits for the disk");
        log.cleaner().stored_before(3);
        let again = (0..=PAUSE).find_map(|_| log.append(b"again"));
        assert_eq!(again, Some(CRASH_LOG_FILES_MAX + 1));
        let left = mine.files().left_beside(NEXT).unwrap();
        assert_eq!(left[0].bytes.len(), big.len() * (CRASH_LOG_FILES_MAX as usize - 2) + 5);
        log.cleaner().stored_all(CRASH_LOG_FILES_MAX + 1);
        assert!(mine.files().left_beside(NEXT).unwrap().is_empty());
    }

    #[test]
    fn a_file_with_facts_that_the_journal_did_not_get_stays_for_the_next_start() {
        let mine = journal();
        let mut log = CrashLog::open(mine.0.path(), RUN);
        let big = vec![b'x'; usize::try_from(CRASH_LOG_FILE_BYTES_MAX).unwrap()];
        for no in 1..=3 {
            assert_eq!(log.append(&big), Some(no));
        }
        log.hold(2);
        log.cleaner().stored_before(2);
        log.cleaner().stored_all(3);
        let left = mine.files().left_beside(NEXT).unwrap();
        assert_eq!(left[0].bytes.len(), big.len() * 2, "the files 2 and 3");
    }

    #[test]
    fn a_record_that_found_no_room_in_memory_damages_no_other() {
        let mine = journal();
        let mut log = CrashLog::open(mine.0.path(), RUN);
        let mut whole = Vec::new();
        record::encode_json(&mut whole, br#"{"stream":"x","seq":3,"kind":"answered"}"#);
        log.append(&[&whole, &whole[..20]].concat()).unwrap();
        log.file = None;
        log.append(&whole).unwrap();
        let left = mine.files().left_beside(NEXT).unwrap();
        assert_eq!(left[0].bytes, [&whole[..], &whole].concat());
        log.hold(1);
        let cleaner = log.cleaner();
        assert_eq!(cleaner.read(cleaner.held().unwrap()).unwrap(), left[0].bytes);
    }

    #[test]
    fn a_damaged_record_in_memory_is_kept_with_those_after_it() {
        let mine = journal();
        let mut log = CrashLog::open(mine.0.path(), RUN);
        let mut whole = Vec::new();
        record::encode_json(&mut whole, br#"{"stream":"x","seq":3,"kind":"answered"}"#);
        let mut damaged = whole.clone();
        damaged[12] ^= 1;
        let both = [damaged, whole].concat();
        log.append(&both).unwrap();
        log.hold(1);
        let cleaner = log.cleaner();
        assert_eq!(cleaner.read(cleaner.held().unwrap()).unwrap(), both);
    }

    #[test]
    fn only_the_owner_can_read_the_files_and_files_of_others_are_not_taken_over() {
        let mine = journal();
        CrashLog::open(mine.0.path(), RUN).append(b"one").unwrap();
        let (_, _, file) = mine.files().found(Path::new("/dev/shm")).remove(0);
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        assert!(mine.files().left_beside(NEXT).unwrap().is_empty(), "others could have read it");
        let twin = mine.0.path().join("twin");
        fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        fs::rename(&file, file.with_extension("moved")).unwrap();
        std::os::unix::fs::symlink(&twin, &file).unwrap();
        assert!(mine.files().left_beside(NEXT).unwrap().is_empty(), "a link could point to any file");
        for left in [file.with_extension("moved"), file] {
            fs::remove_file(left).unwrap();
        }
    }
}
