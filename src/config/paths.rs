//! Paths in the configuration are relative to the folder of its file, whatever the current folder is.

use std::path::{Component, Path, PathBuf};

use super::Config;
use super::section::File;

/// Makes every path of the file absolute. `name` is the path of the file as it was given.
pub(super) fn resolve(name: &str, file: &mut File) {
    let folder = folder_of(Path::new(name));
    let own = [&mut file.journal.dir, &mut file.recording.dir, &mut file.console.token_file, &mut file.prompts.dir];
    let operators = &mut file.operators;
    let rosters = [&mut operators.roster, &mut operators.changes, &mut operators.decrees].into_iter().flatten();
    let report = &mut file.report;
    let of_report = [&mut report.scheme, &mut report.emblem, &mut report.template].into_iter().flatten();
    let of_smtp = report.smtp.iter_mut().flat_map(|smtp| [&mut smtp.ca, &mut smtp.password_file]).flatten();
    let folders = report.schedule.iter_mut().filter_map(|schedule| schedule.folder.as_mut());
    for path in of_report.chain(of_smtp).chain(folders).chain([&mut report.spool]) {
        *path = resolved(&folder, path);
    }
    let passwords = file.trunk.iter_mut().filter_map(|trunk| trunk.password_file.as_mut());
    let tls = file.sip.tls.iter_mut().flat_map(crate::sip::section::Tls::paths);
    let page_tls = [&mut file.console.tls, &mut file.report.tls].into_iter().flatten();
    let pages = page_tls.flat_map(super::page_tls::Section::paths);
    for path in own.into_iter().chain(rosters).chain(passwords).chain(tls).chain(pages) {
        *path = resolved(&folder, path);
    }
    let urls = [&mut file.store.url, &mut file.web.store_url].into_iter().chain(file.report.store_url.as_mut());
    urls.for_each(|url| resolve_url(&folder, url));
}

/// Makes the path in the URL of an SQLite file absolute.
fn resolve_url(folder: &Path, url: &mut String) {
    let Some(rest) = url.strip_prefix("sqlite:") else { return };
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let (path, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
    if path != ":memory:" && !path.is_empty() {
        *url = format!("sqlite:{}{query}", resolved(folder, path));
    }
}

/// The folder of the file, without links and `..`, if it exists.
fn folder_of(name: &Path) -> PathBuf {
    let folder = match name.parent() {
        Some(folder) if folder != Path::new("") => folder,
        Some(_) | None => Path::new("."),
    };
    std::fs::canonicalize(folder).or_else(|_| std::path::absolute(folder)).unwrap_or_else(|_| folder.to_owned())
}

/// A path below `folder`, without `.` and leading `..`. An absolute path stays unchanged, and so does an empty one, which is an error of
/// its key.
fn resolved(folder: &Path, path: &str) -> String {
    if path.is_empty() || Path::new(path).is_absolute() {
        return path.to_owned();
    }
    let mut whole = folder.to_owned();
    let mut below = false;
    for part in Path::new(path).components() {
        match part {
            Component::CurDir => {}
            // After a name that may be a link, the system resolves `..`.
            Component::ParentDir if !below => {
                whole.pop();
            }
            Component::ParentDir | Component::Normal(_) | Component::RootDir | Component::Prefix(_) => {
                below = true;
                whole.push(part);
            }
        }
    }
    whole.to_string_lossy().into_owned()
}

impl Config {
    /// The files and folders that the service reads and writes, by key, as absolute paths. A password in the database's URL is left out.
    pub fn places(&self) -> Vec<(&'static str, String)> {
        let show = |path: &Path| path.display().to_string();
        let database = match self.store_url.strip_prefix("sqlite:") {
            Some(path) => path.to_owned(),
            None => self.store_url.rsplit_once('@').map_or("PostgreSQL".to_owned(), |(_, place)| place.to_owned()),
        };
        vec![
            ("database", database),
            ("journal", show(&self.journal_dir)),
            ("recordings", show(&self.recording.dir)),
            ("prompts", show(&self.prompts_dir)),
            ("token", show(&self.console.token_file)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_below_the_folder_of_the_file_and_an_absolute_one_stays() {
        for (path, expected) in [
            ("data/siaga.db", "/etc/siaga/data/siaga.db"),
            ("./data", "/etc/siaga/data"),
            ("../data/journal", "/etc/data/journal"),
            ("../../../../data", "/data"),
            ("link/../data", "/etc/siaga/link/../data"),
            ("/var/lib/siaga", "/var/lib/siaga"),
            ("", ""),
        ] {
            assert_eq!(resolved(Path::new("/etc/siaga"), path), expected, "{path}");
        }
    }
}
