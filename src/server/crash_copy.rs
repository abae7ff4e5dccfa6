//! The changes of registrations that are not on the disk yet, in a file in memory: the file survives the process, and writing it never
//! waits for a disk. The next start reads it after the file on the disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use tracing::warn;

use crate::store::crash_log;

/// Length above which the file is emptied as soon as all its changes are on the disk.
const LONG: u64 = 256 << 10;
/// Length above which nothing is added: the disk could not be written for a long time, and its alarm is raised.
const LONGEST: u64 = 16 << 20;

/// The file of one folder of local state.
#[derive(Debug)]
pub(super) struct CrashCopy {
    /// None if there is no folder in memory: then a change survives only once it is on the disk.
    file: Option<File>,
    path: Option<PathBuf>,
    length: u64,
    /// True if the last line is incomplete, because of a kill or a lack of memory.
    torn: bool,
    /// The numbers of changes that were sent to the disk's thread and that it has written.
    handed: u64,
    /// The file is emptied as soon as all its changes are on the disk, however short it is.
    is_old: bool,
    written: Arc<AtomicU64>,
    /// True while a change could not be sent to the disk's thread, so that only this file has it.
    held: Arc<AtomicBool>,
}

impl CrashCopy {
    /// Opens the file of `folder`; returns the changes of an earlier run in it.
    pub(super) fn open(folder: &Path) -> (Self, String) {
        let opened = crash_log::folder().and_then(|memory| {
            let path = path(&memory, folder)?;
            Some((open(&path).ok()?, path))
        });
        if opened.is_none() {
            warn!(
                "neither /run/siaga nor /dev/shm can be used: a crash loses registrations that are not on the disk yet"
            );
        }
        let (opened, path) = opened.unzip();
        let (file, left) = opened.unzip();
        let left = left.unwrap_or_default();
        let length = u64::try_from(left.len()).unwrap_or(u64::MAX);
        let torn = !left.is_empty() && !left.ends_with('\n');
        (
            Self { file, path, length, torn, handed: 0, is_old: false, written: Arc::default(), held: Arc::default() },
            left,
        )
    }

    /// The counter in which the disk's thread counts the changes that it has written.
    pub(super) fn written(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.written)
    }

    /// The file, which an orderly end removes once all changes are on the disk.
    pub(super) fn path(&self) -> Option<PathBuf> {
        self.path.clone()
    }

    /// Appends one line.
    pub(super) fn append(&mut self, line: &[u8]) {
        let Some(file) = &mut self.file else { return };
        let on_disk = self.handed > 0 && self.written.load(Ordering::Acquire) >= self.handed;
        if (self.is_old || self.length > LONG) && on_disk && !self.held.load(Ordering::Acquire) {
            if file.set_len(0).is_err() {
                return;
            }
            (self.length, self.torn, self.is_old) = (0, false, false);
        }
        // A change that does not fit here is only on the disk.
        if self.length < LONGEST {
            // A line that was cut must not merge with the next one.
            let cut = if self.torn { &b"\n"[..] } else { b"" };
            self.torn = file.write_all(&[cut, line].concat()).is_err();
            self.length += u64::try_from(cut.len() + line.len()).unwrap_or(u64::MAX);
        }
    }

    /// Lets the next change empty the file, once all its changes are on the disk.
    pub(super) const fn renew(&mut self) {
        self.is_old = true;
    }

    /// Sets whether the file must stay as it is.
    pub(super) fn hold(&self, held: bool) {
        self.held.store(held, Ordering::Release);
    }

    /// True while the file stays as it is, also after an orderly end.
    pub(super) fn held(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.held)
    }

    /// Counts a change that was sent to the disk's thread.
    pub(super) const fn handed(&mut self) {
        self.handed += 1;
    }
}

/// The file's name is derived from the folder and the user, so that no two services share it.
fn path(memory: &Path, folder: &Path) -> Option<PathBuf> {
    // The folder itself may not exist at the first start.
    let above = std::path::absolute(folder.parent()?).ok()?;
    let folder = above.canonicalize().unwrap_or(above).join(folder.file_name()?);
    let digest = Sha256::digest(folder.as_os_str().as_encoded_bytes());
    let user = fs::metadata("/proc/self").ok()?.uid();
    let name = HEXLOWER.encode(digest.get(..8)?);
    Some(memory.join(format!("siaga-{user}-{name}-registrations")))
}

/// Opens a file that only its owner may read, and reads it. A file of another user is not used.
fn open(path: &Path) -> io::Result<(File, String)> {
    let mut options = OpenOptions::new();
    options.create(true).read(true).append(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let file = options.open(path)?;
    let (found, me) = (file.metadata()?, fs::metadata("/proc/self")?);
    if !found.is_file() || found.uid() != me.uid() || found.mode() & 0o077 != 0 || found.nlink() != 1 {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let left = String::from_utf8_lossy(&fs::read(path)?).into_owned();
    Ok((file, left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_a_kill_has_cut_costs_no_other_change() {
        let folder = tempfile::tempdir().unwrap();
        let (mut copy, _) = CrashCopy::open(folder.path());
        copy.append(b"one\n");
        copy.append(b"tw");
        drop(copy);
        let (mut copy, left) = CrashCopy::open(folder.path());
        assert_eq!(left, "one\ntw");
        copy.append(b"three\n");
        copy.append(b"four\n");
        let file = copy.path().unwrap();
        drop(copy);
        let (_, left) = CrashCopy::open(folder.path());
        fs::remove_file(file).unwrap();
        assert_eq!(left.lines().collect::<Vec<_>>(), ["one", "tw", "three", "four"]);
    }

    #[test]
    fn what_the_disk_has_not_taken_survives_and_what_it_has_taken_makes_room() {
        let folder = tempfile::tempdir().unwrap();
        let (mut copy, left) = CrashCopy::open(folder.path());
        assert_eq!(left, "");
        copy.append(b"one\n");
        copy.handed();
        drop(copy);
        let (mut copy, left) = CrashCopy::open(folder.path());
        assert_eq!(left, "one\n");
        let line = vec![b'x'; usize::try_from(LONG).unwrap()];
        copy.append(&line);
        copy.handed();
        copy.append(b"two\n");
        assert!(CrashCopy::open(folder.path()).1.starts_with("one\n"), "the disk has written nothing yet");
        copy.handed();
        copy.written().store(2, Ordering::Release);
        copy.append(b"three\n");
        assert_eq!(CrashCopy::open(folder.path()).1, "three\n");
        let path = path(&crash_log::folder().unwrap(), folder.path()).unwrap();
        fs::remove_file(path).unwrap();
    }
}
