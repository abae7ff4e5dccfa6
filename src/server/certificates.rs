//! Checks whether the files of a TLS section have changed on the disk.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Interval of the check.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Path, modification time and length of each file. The time is None if the file cannot be examined.
pub(super) type Stamps = Vec<(PathBuf, Option<SystemTime>, u64)>;

/// The current stamps of the files.
pub(super) fn stamps<'a>(files: impl IntoIterator<Item = &'a Path>) -> Stamps {
    let of = |path: &Path| {
        let seen = std::fs::metadata(path).ok();
        let length = seen.as_ref().map_or(0, std::fs::Metadata::len);
        (path.to_owned(), seen.and_then(|seen| seen.modified().ok()), length)
    };
    files.into_iter().map(of).collect()
}
