//! Whether the files of `[sip.tls]` have changed on the disk.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::config::TlsFiles;

/// How often is looked.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Path, time of change and length of each file. One that cannot be looked at has no time.
pub(super) type Stamps = Vec<(PathBuf, Option<SystemTime>, u64)>;

/// How the files stand now.
pub(super) fn stamps(files: Option<&TlsFiles>) -> Stamps {
    let of = |path: &std::path::Path| {
        let seen = std::fs::metadata(path).ok();
        let length = seen.as_ref().map_or(0, std::fs::Metadata::len);
        (path.to_owned(), seen.and_then(|seen| seen.modified().ok()), length)
    };
    files.into_iter().flat_map(TlsFiles::paths).map(of).collect()
}
