//! `[store] group`: a report under another user of that group. The test needs root to change the user; without root it checks nothing more
//! than the modes, as `store::access` does.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod stories;

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use siaga::store::facts::Batch;
use siaga::store::{Store, access};
use stories::MORNING;

/// A user without other groups, and the group that reports are opened to.
const USER: u32 = 65_534;
const GROUP: u32 = 4_711;

fn is_root() -> bool {
    std::fs::read_to_string("/proc/self/status").unwrap().lines().any(|line| line.starts_with("Uid:\t0\t0"))
}

/// `siaga report calls` by that user and group; whether it succeeded, and its output.
fn report(folder: &Path, group: u32) -> (bool, String) {
    let mut command = Command::new(folder.join("siaga"));
    command.args(["report", "calls", "--config", "siaga.toml", "--from", "2026-11-24", "--to", "2026-11-24"]);
    let ran = command.current_dir(folder).gid(group).uid(USER).output().unwrap();
    (ran.status.success(), String::from_utf8([ran.stdout, ran.stderr].concat()).unwrap())
}

/// A folder that every user may enter, with the program, a configuration and a database with one call.
fn prepared() -> (tempfile::TempDir, PathBuf, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_siaga"), folder.path().join("siaga")).unwrap();
    let text = format!(
        "[[trunk]]\nname = \"telco\"\npeers = [\"127.0.0.2\"]\n[store]\nurl = \"sqlite:data/siaga.db\"\ngroup = \"{GROUP}\"\n"
    );
    std::fs::write(folder.path().join("siaga.toml"), text).unwrap();
    let database = folder.path().join("data/siaga.db");
    let url = format!("sqlite:{}", database.display());
    (folder, database, url)
}

#[test]
fn another_user_of_the_group_reads_reports_while_the_service_writes_and_after_it_has_ended() {
    if !is_root() {
        return;
    }
    let (folder, database, url) = prepared();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (call, other) = (stories::answered(1, MORNING), stories::answered(2, MORNING + 1));
    // As the service does it: the folder first, then the database.
    access::share(database.parent().unwrap(), &access::database_files(&database), GROUP).unwrap();
    let store = runtime.block_on(async {
        let store = Store::open(&url).await.unwrap();
        store.take("journal", Batch { cdrs: vec![call.cdr()], ..Batch::default() }).await.unwrap();
        store
    });
    let (good, told) = report(folder.path(), GROUP);
    assert!(good && told.contains(&call.call.to_string()), "in WAL mode, with an open writer: {told}");
    runtime.block_on(async {
        let batch = Batch { cdrs: vec![other.cdr()], ..Batch::default() };
        store.take("journal", batch).await.expect("the reader holds nothing up");
        store.close().await;
    });
    let (good, told) = report(folder.path(), GROUP);
    assert!(good && told.contains(&other.call.to_string()), "without -wal and -shm: {told}");
    let (good, told) = report(folder.path(), GROUP + 1);
    assert!(!good, "another group: {told}");
}
