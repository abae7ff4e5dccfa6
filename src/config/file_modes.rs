//! Warnings about the service's files that other users may read.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::Fault;
use super::section::File;
use super::source::Source;

const OTHERS: u32 = 0o007;
const GROUP: u32 = 0o070;

/// A warning for each file and folder that is open to more users than it should be.
pub(super) fn warnings(source: &Source, file: &File) -> Vec<Fault> {
    let shared = if file.store.group.is_some() { OTHERS } else { OTHERS | GROUP };
    let database = file.store.url.strip_prefix("sqlite:").map(|path| path.split('?').next().unwrap_or(path));
    let places = [
        ("store.url", database, shared, false),
        ("journal.dir", Some(file.journal.dir.as_str()), OTHERS | GROUP, true),
        ("recording.dir", Some(file.recording.dir.as_str()), shared, true),
        ("console.token_file", Some(file.console.token_file.as_str()), OTHERS | GROUP, false),
    ];
    let warn = |(key, path, forbidden, is_folder): (&str, Option<&str>, u32, bool)| {
        let (path, found) = path.and_then(|path| Some((path, fs::metadata(Path::new(path)).ok()?)))?;
        let (mode, right) = (found.mode() & 0o777, found.mode() & 0o777 & !forbidden);
        // A file in place of a folder is an error of its own.
        (mode != right && found.is_dir() == is_folder).then(|| {
            source.warning(key, format!("{path} is open to other users (mode {mode:04o})"), format!("chmod {right:o}"))
        })
    };
    places.into_iter().filter_map(warn).collect()
}

/// The id of a group of this machine, by its name or number. None if there is no such group.
pub(super) fn group(name: &str) -> Option<u32> {
    let known = fs::read_to_string("/etc/group").unwrap_or_default();
    let found = known.lines().find_map(|line| {
        let mut parts = line.split(':');
        (parts.next() == Some(name)).then(|| parts.nth(1)?.parse().ok())?
    });
    found.or_else(|| name.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::group;

    #[test]
    fn a_group_is_known_by_name_or_number() {
        assert_eq!(group("root"), Some(0));
        assert_eq!(group("4711"), Some(4711));
        assert_eq!(group("no such group"), None);
    }
}
