//! `[store] group`: opens the database and the recordings to one group, so that another user can run reports.

use std::path::{Path, PathBuf};

use tracing::warn;

use crate::config::Config;
use crate::store::access;

/// Opens database and recordings to the group of the configuration, if it names one. New files get the group of their folder.
pub(super) fn share(config: &Config) {
    let Some(group) = config.store_group else { return };
    let database =
        database(config).and_then(|path| Some((path.parent()?.to_owned(), access::database_files(path).to_vec())));
    let recordings = (config.recording.dir.clone(), Vec::new());
    for (folder, files) in database.into_iter().chain([recordings]) {
        if let Err(error) = access::share(&folder, &files, group) {
            warn!(folder = %folder.display(), group, %error, "[store] group: the group cannot read the folder");
        }
    }
    share_recordings(config.recording.dir.clone(), group);
}

/// Opens the existing recordings, on a separate thread, because there may be very many.
fn share_recordings(folder: PathBuf, group: u32) {
    let share = move || {
        if let (count, Some(error)) = access::share_below(&folder, group) {
            warn!(folder = %folder.display(), group, count, %error, "[store] group: the group cannot read some recordings");
        }
    };
    if let Err(error) = std::thread::Builder::new().name("sharing".to_owned()).spawn(share) {
        warn!(group, %error, "[store] group: the group cannot read the existing recordings");
    }
}

/// A warning for each shared path that the group cannot reach, because it cannot enter a folder above it.
pub fn warnings(config: &Config) -> Vec<String> {
    let Some(group) = config.store_group else { return Vec::new() };
    let folder = database(config).and_then(Path::parent);
    let closed = folder.into_iter().chain([config.recording.dir.as_path()]).filter_map(|place| {
        let above = access::closed_above(place, group)?;
        let (place, above) = (place.display(), above.display());
        Some(format!(
            "store.group: {place} cannot be reached by the group; expected: chmod o+x {above}, or its group and g+x"
        ))
    });
    closed.collect()
}

fn database(config: &Config) -> Option<&Path> {
    config.store_url.strip_prefix("sqlite:").map(|path| Path::new(path.split('?').next().unwrap_or(path)))
}
