//! Access to the files that the service writes: for its own user, and for database and recordings also one group, if the configuration
//! names one. A folder that is shared with a group has the `setgid` bit, so the group can read new files in it.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

const OWN_FOLDER: u32 = 0o700;
const OWN_FILE: u32 = 0o600;
const SHARED_FOLDER: u32 = 0o2750;
const SHARED_FILE: u32 = 0o640;
/// `setgid`, and the group may list the folder.
const IS_SHARED: u32 = 0o2050;

/// Creates a folder and its missing parents, for this user only.
pub fn make_folder(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(OWN_FOLDER).create(dir)
}

/// Options for files that only this user may read.
pub fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(OWN_FILE);
    options
}

/// Creates or empties a file that only this user may read.
pub fn create(path: &Path) -> io::Result<File> {
    options().create(true).write(true).truncate(true).open(path)
}

/// Creates a folder. It is shared if its parent is.
pub fn make_folder_like(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let above = dir.parent().filter(|above| !above.as_os_str().is_empty());
    if let Some(above) = above {
        make_folder_like(above)?;
    }
    make_folder(dir)?;
    // The kernel has set the group and the `setgid` bit.
    match above.is_some_and(is_shared) {
        true => fs::set_permissions(dir, Permissions::from_mode(SHARED_FOLDER)),
        false => Ok(()),
    }
}

/// Creates a new file that is shared if its folder is. An existing file is an error.
pub fn create_new_like(path: &Path) -> io::Result<File> {
    let file = options().create_new(true).read(true).write(true).open(path)?;
    if path.parent().is_some_and(is_shared) {
        file.set_permissions(Permissions::from_mode(SHARED_FILE))?;
    }
    Ok(file)
}

/// Opens a folder, and those of these files that exist, to a group.
pub fn share(folder: &Path, files: &[PathBuf], group: u32) -> io::Result<()> {
    make_folder(folder)?;
    chown(folder, None, Some(group))?;
    // After the change of the group, which clears the bit.
    fs::set_permissions(folder, Permissions::from_mode(SHARED_FOLDER))?;
    for file in files.iter().filter(|file| file.exists()) {
        chown(file, None, Some(group))?;
        fs::set_permissions(file, Permissions::from_mode(SHARED_FILE))?;
    }
    Ok(())
}

/// Opens to a group what exists below a folder, except hidden folders and files. Returns how many entries could not be opened, with the
/// first error. Takes long if there are many files.
pub fn share_below(folder: &Path, group: u32) -> (usize, Option<io::Error>) {
    let (mut failures, mut first) = (0, None);
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let opened = fs::read_dir(&folder).map(|entries| {
            for entry in entries.filter_map(Result::ok) {
                let Ok(kind) = entry.file_type() else { continue };
                if entry.file_name().as_encoded_bytes().starts_with(b".") || kind.is_symlink() {
                    continue;
                }
                let (path, mode) = (entry.path(), if kind.is_dir() { SHARED_FOLDER } else { SHARED_FILE });
                if let Err(error) = share_one(&path, group, mode) {
                    failures += 1;
                    first.get_or_insert(error);
                }
                if kind.is_dir() {
                    folders.push(path);
                }
            }
        });
        if let Err(error) = opened {
            failures += 1;
            first.get_or_insert(error);
        }
    }
    (failures, first)
}

/// Changes only what differs, because most files are shared already.
fn share_one(path: &Path, group: u32, mode: u32) -> io::Result<()> {
    let found = fs::metadata(path)?;
    if found.gid() != group {
        chown(path, None, Some(group))?;
    } else if found.mode() & 0o7777 == mode {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(mode))
}

/// The first folder above a path that members of a group who are not its owner cannot enter.
pub fn closed_above(path: &Path, group: u32) -> Option<PathBuf> {
    let above = path.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
    let enters = |folder: &Path| {
        let found = fs::metadata(folder).ok();
        found.is_none_or(|found| found.mode() & if found.gid() == group { 0o010 } else { 0o001 } != 0)
    };
    above.filter(|folder| !enters(folder)).last().map(Path::to_owned)
}

/// The file of an SQLite database, and its WAL and shared-memory files.
pub fn database_files(path: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|end| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    })
}

fn is_shared(folder: &Path) -> bool {
    fs::metadata(folder).is_ok_and(|found| found.mode() & IS_SHARED == IS_SHARED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn what_is_made_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/b");
        make_folder_like(&deep).unwrap();
        create_new_like(&deep.join("x")).unwrap();
        create(&deep.join("y")).unwrap();
        assert_eq!([mode(&folder.path().join("a")), mode(&deep)], [0o700; 2]);
        assert_eq!([mode(&deep.join("x")), mode(&deep.join("y"))], [0o600; 2]);
        assert!(create_new_like(&deep.join("x")).is_err(), "an existing file is not overwritten");
    }

    #[test]
    fn a_shared_folder_shares_what_is_made_in_it_and_nothing_private() {
        let folder = tempfile::tempdir().unwrap();
        let group = fs::metadata(folder.path()).unwrap().gid();
        let shared = folder.path().join("recordings");
        make_folder(&shared).unwrap();
        let old = shared.join("old");
        create(&old).unwrap();
        share(&shared, &[old.clone(), shared.join("missing")], group).unwrap();
        assert_eq!((mode(&shared), mode(&old)), (0o2750, 0o640));
        let day = shared.join("2026-11-30");
        make_folder_like(&day).unwrap();
        create_new_like(&day.join("x.wav")).unwrap();
        assert_eq!((mode(&day), mode(&day.join("x.wav"))), (0o2750, 0o640));
        let own = shared.join("journal");
        make_folder(&own).unwrap();
        assert_eq!(mode(&own) & 0o777, 0o700);
        create(&own.join("id")).unwrap();
        assert_eq!(mode(&own.join("id")), 0o600);
    }

    #[test]
    fn what_exists_below_a_shared_folder_is_shared_too_and_hidden_folders_stay_private() {
        let folder = tempfile::tempdir().unwrap();
        let group = fs::metadata(folder.path()).unwrap().gid();
        let (day, hidden) = (folder.path().join("2026/11/29"), folder.path().join(".unregistered"));
        make_folder(&day).unwrap();
        make_folder(&hidden).unwrap();
        let (old, marker) = (day.join("old.wav"), hidden.join("marker"));
        create(&old).unwrap();
        create(&marker).unwrap();
        std::os::unix::fs::symlink(&marker, day.join("link.wav")).unwrap();
        share(folder.path(), &[], group).unwrap();
        assert_eq!(share_below(folder.path(), group).0, 0);
        let folders = ["2026", "2026/11", "2026/11/29"].map(|name| mode(&folder.path().join(name)));
        assert_eq!((folders, mode(&old)), ([0o2750; 3], 0o640));
        assert_eq!((mode(&hidden), mode(&marker)), (0o700, 0o600), "not even over a link");
        let tomorrow = folder.path().join("2026/11/30");
        make_folder_like(&tomorrow).unwrap();
        assert_eq!(mode(&tomorrow), 0o2750);
        let (failures, first) = share_below(&folder.path().join("missing"), group);
        assert_eq!((failures, first.map(|error| error.kind())), (1, Some(io::ErrorKind::NotFound)));
    }

    #[test]
    fn the_first_folder_that_a_group_cannot_enter_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let group = fs::metadata(folder.path()).unwrap().gid();
        let deep = folder.path().join("a/b/siaga.db");
        make_folder(&folder.path().join("a/b")).unwrap();
        let set =
            |name: &str, mode| fs::set_permissions(folder.path().join(name), Permissions::from_mode(mode)).unwrap();
        set("", 0o755);
        assert_eq!(closed_above(&deep, group), Some(folder.path().join("a")), "the outermost");
        set("a", 0o710);
        assert_eq!(closed_above(&deep, group), Some(folder.path().join("a/b")));
        set("a/b", 0o2750);
        assert_eq!(closed_above(&deep, group), None);
        assert_eq!(closed_above(&deep, group + 1), Some(folder.path().join("a")), "another group");
    }

    #[tokio::test]
    async fn a_new_database_and_a_new_journal_are_readable_by_their_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data/siaga.db");
        let store = crate::store::Store::open(&format!("sqlite:{}", path.display())).await.unwrap();
        let files = database_files(&path);
        assert_eq!(files.each_ref().map(|file| (file.exists(), mode(file))), [(true, 0o600); 3], "{files:?}");
        assert_eq!(mode(&folder.path().join("data")), 0o700);
        store.close().await;
        let dir = folder.path().join("data/journal");
        let now = crate::clock::Timestamp::from_millis(1_764_000_000_000);
        drop(crate::store::journal::Journal::open(&dir, now).unwrap());
        assert_eq!(mode(&dir), 0o700);
        let made: Vec<u32> = fs::read_dir(&dir).unwrap().map(|entry| mode(&entry.unwrap().path())).collect();
        assert!(made.len() >= 3 && made.iter().all(|mode| *mode == 0o600), "{made:?}");
    }
}
