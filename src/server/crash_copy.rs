//! The changes of registrations that are not on the disk yet, in a file in memory: it survives the process, and writing it never waits for a
//! disk. The next start reads it after the file on the disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest as _, Sha256};
use tracing::warn;

/// Folders in memory, the first that can be used.
const FOLDERS: [&str; 2] = ["/run/siaga", "/dev/shm"];
/// The file is emptied when it is longer and everything in it is on the disk.
const LONG: u64 = 256 << 10;
/// A longer file takes nothing more: the disk has taken nothing for a long time, and the alarm of that is raised.
const LONGEST: u64 = 16 << 20;

/// The file of one folder of local state.
#[derive(Debug)]
pub(super) struct CrashCopy {
    /// None: there is no folder in memory. Then a change is kept as soon as the disk has it.
    file: Option<File>,
    path: Option<PathBuf>,
    length: u64,
    /// Changes that were handed to the disk's thread, and those that it has written.
    handed: u64,
    written: Arc<AtomicU64>,
}

impl CrashCopy {
    /// Opens the file of `folder`; gives what an earlier run has left in it.
    pub(super) fn open(folder: &Path) -> (Self, String) {
        let opened = FOLDERS.into_iter().find_map(|memory| {
            let path = path(Path::new(memory), folder)?;
            Some((open(&path).ok()?, path))
        });
        if opened.is_none() {
            warn!("no folder in memory: a registration is lost if the service is killed before the disk has it");
        }
        let (opened, path) = opened.unzip();
        let (file, left) = opened.unzip();
        let left = left.unwrap_or_default();
        let length = u64::try_from(left.len()).unwrap_or(u64::MAX);
        (Self { file, path, length, handed: 0, written: Arc::default() }, left)
    }

    /// Where the disk's thread counts what it has written.
    pub(super) fn written(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.written)
    }

    /// The file, to be removed in good order when the disk has everything.
    pub(super) fn path(&self) -> Option<PathBuf> {
        self.path.clone()
    }

    /// Appends one line.
    pub(super) fn append(&mut self, line: &[u8]) {
        let Some(file) = &mut self.file else { return };
        if self.length > LONG && self.handed > 0 && self.written.load(Ordering::Acquire) >= self.handed {
            if file.set_len(0).is_err() {
                return;
            }
            self.length = 0;
        }
        // What does not fit here is kept by the disk alone.
        if self.length < LONGEST && file.write_all(line).is_ok() {
            self.length += u64::try_from(line.len()).unwrap_or(u64::MAX);
        }
    }

    /// A change was handed to the disk's thread.
    pub(super) const fn handed(&mut self) {
        self.handed += 1;
    }
}

/// The file's name comes from the folder and the user, so that no two services share it.
fn path(memory: &Path, folder: &Path) -> Option<PathBuf> {
    // The folder itself may be missing at the first start.
    let above = std::path::absolute(folder.parent()?).ok()?;
    let folder = above.canonicalize().unwrap_or(above).join(folder.file_name()?);
    let digest = Sha256::digest(folder.as_os_str().as_encoded_bytes());
    let user = fs::metadata("/proc/self").ok()?.uid();
    let name = hex::encode(digest.get(..8)?);
    Some(memory.join(format!("siaga-{user}-{name}-registrations")))
}

/// Opens a file that only its owner reads, and reads it. A file of another user is not touched.
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
        let path =
            FOLDERS.iter().filter_map(|memory| path(Path::new(memory), folder.path())).find(|path| path.exists());
        fs::remove_file(path.unwrap()).unwrap();
    }
}
