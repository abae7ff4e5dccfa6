//! `siaga demo data`: the same arguments give the same database, and a database with other records is rejected.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod stories;

use std::path::Path;
use std::process::Command;

use siaga::store::Store;
use siaga::store::facts::Batch;
use siaga::store::journal::record::Entry;

/// A folder with a configuration.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = "[[trunk]]\nname = \"telco\"\npeers = [\"127.0.0.2\"]\nuri = \"sip:127.0.0.2\"\n\
        [store]\nurl = \"sqlite:siaga.db\"\n";
    std::fs::write(folder.path().join("siaga.toml"), text).unwrap();
    folder
}

/// Whether the command succeeded, and its output.
fn siaga(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_siaga"));
    let ran = command.args(arguments).args(["--config", "siaga.toml"]).current_dir(folder).output().unwrap();
    (ran.status.success(), String::from_utf8([ran.stdout, ran.stderr].concat()).unwrap())
}

fn demo(folder: &Path, seed: &str, days: &str) -> (bool, String) {
    let city = ["demo", "data", "--seed", seed, "--days", days, "--calls-per-day", "400", "--until", "2026-11-24"];
    siaga(folder, &city)
}

fn calls(folder: &Path) -> String {
    let period = ["report", "calls", "--format", "json", "--from", "2026-11-01", "--to", "2026-11-30"];
    let (good, told) = siaga(folder, &period);
    assert!(good, "{told}");
    told
}

fn on_runtime<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn url(folder: &Path) -> String {
    format!("sqlite:{}", folder.join("siaga.db").display())
}

#[test]
fn the_same_seed_gives_the_same_calls_and_a_second_run_changes_nothing() {
    let (one, other, third) = (folder(), folder(), folder());
    let (good, told) = demo(one.path(), "7", "2");
    assert!(good && told.contains("calls and") && told.contains("seed 7, 2 days until 2026-11-24"), "{told}");
    let first = calls(one.path());
    assert!(first.lines().count() > 600, "{} calls", first.lines().count());
    assert!(demo(other.path(), "7", "2").0 && demo(third.path(), "8", "2").0);
    assert!(first == calls(other.path()), "the same seed");
    assert!(first != calls(third.path()), "another seed");
    let (good, told) = demo(one.path(), "7", "2");
    assert!(good && told.starts_with("0 calls and 0 facts"), "{told}");
    assert!(first == calls(one.path()), "the second run");
    let (good, told) = demo(one.path(), "8", "2");
    assert!(!good && told.contains("the database has other demo data (demo: seed 7"), "{told}");
}

#[test]
fn a_database_with_records_or_facts_of_a_service_is_rejected() {
    let story = stories::answered(1, stories::MORNING);
    let expected = "the database has facts or records of a service; expected: a database without any";
    let entries: Vec<Entry> = story.facts.iter().map(|fact| Entry::of(fact).unwrap()).collect();
    let batches = [
        Batch { cdrs: vec![story.cdr()], ..Batch::default() },
        Batch { facts: entries.iter().collect(), ..Batch::default() },
    ];
    for batch in batches {
        let folder = folder();
        on_runtime(async {
            let store = Store::open(&url(folder.path())).await.unwrap();
            store.take("journal", batch).await.unwrap();
            store.close().await;
        });
        let (good, told) = demo(folder.path(), "7", "1");
        assert!(!good && told.contains(expected), "{told}");
    }
    // A service that ran on demo data.
    let folder = folder();
    assert!(demo(folder.path(), "7", "1").0);
    on_runtime(async {
        let store = Store::open(&url(folder.path())).await.unwrap();
        let cursor = Some(siaga::store::journal::JournalPosition { segment: 1, position: 1 });
        store.take("journal", Batch { cursor, ..Batch::default() }).await.unwrap();
        store.close().await;
    });
    let (good, told) = demo(folder.path(), "7", "1");
    assert!(!good && told.contains(expected), "{told}");
}

#[test]
fn the_data_is_counted_verified_and_counted_again_in_another_zone() {
    let folder = folder();
    let folder = folder.path();
    assert!(demo(folder, "7", "2").0);
    let verify = || siaga(folder, &["verify", "records"]);
    let (good, told) = verify();
    assert!(good && told.contains("records and sums are those of the facts"), "{told}");
    let summary = || siaga(folder, &["report", "summary", "--from", "2026-11-24", "--to", "2026-11-24"]).1;
    let before = summary();
    // In another zone, the records are read until the sums are computed again.
    let config = std::fs::read_to_string(folder.join("siaga.toml")).unwrap();
    std::fs::write(folder.join("siaga.toml"), config + "[site]\ntimezone = \"Asia/Makassar\"\n").unwrap();
    let scanned = summary();
    assert_ne!(before, scanned, "a day begins an hour earlier");
    let (good, told) = siaga(folder, &["report", "rebuild"]);
    assert!(good, "{told}");
    assert_eq!(summary(), scanned);
    assert!(verify().0);
    on_runtime(async {
        let store = Store::open(&url(folder)).await.unwrap();
        assert_eq!(store.rollup_state().await.unwrap().zone, "Asia/Makassar");
        store.close().await;
    });
    change(folder, "UPDATE cdr SET waited_ms = waited_ms + 1");
    let (good, told) = verify();
    assert!(!good && told.contains("waited_ms is") && told.contains(" differences"), "{told}");
    assert!(told.lines().count() < 110, "the list of differences ends");
}

/// Changes the database behind the store's back.
fn change(folder: &Path, statement: &'static str) {
    use sqlx::{Connection as _, Executor as _};
    on_runtime(async {
        let mut connection = sqlx::SqliteConnection::connect(&url(folder)).await.unwrap();
        connection.execute(statement).await.unwrap();
        connection.close().await.unwrap();
    });
}
