//! Reports as they are read: figures and calls of a fixed set of calls, in each format, and the command itself.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]

mod stories;

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use siaga::cdr::fact::{Class, EndCause, FactKind, Side};
use siaga::clock::Timestamp;
use siaga::config::{Levels, ServiceLevel};
use siaga::reports::period::Period;
use siaga::reports::{self, Format};
use siaga::store::Store;
use siaga::store::facts::Batch;
use siaga::store::journal::record::Entry;
use siaga::store::operators::OperatorRow;
use siaga::store::report_queries::Limits;
use stories::MORNING;

/// What the queue promises, and the desks beside it.
fn levels(others: &[(&str, u64, u8)]) -> Levels {
    let level = |seconds, percent| ServiceLevel { within: Duration::from_secs(seconds), percent };
    let others = others.iter().map(|(name, seconds, percent)| ((*name).to_owned(), level(*seconds, *percent)));
    Levels { usual: level(10, 90), desks: std::iter::once((String::new(), level(10, 90))).chain(others).collect() }
}

const LIMITS: Limits = Limits { service_level_ms: 10_000, short_abandon_ms: 5_000 };
const DAY: i64 = 86_400_000;

/// The stories of a morning, one call just before the day and one just after it.
async fn filled(url: &str) -> Store {
    let store = Store::open(url).await.unwrap();
    let midnight = MORNING - 7 * 3_600_000;
    let mut cdrs: Vec<_> = stories::all(MORNING).iter().map(|(_, story)| story.cdr()).collect();
    cdrs.push(stories::answered(50, midnight - 1).cdr());
    cdrs.push(stories::answered(51, midnight + DAY).cdr());
    cdrs.push(stories::abandoned(52, midnight, 4_999).cdr());
    cdrs.push(stories::abandoned(53, midnight + DAY - 1, 5_000).cdr());
    store.take("journal", Batch { cdrs, ..Batch::default() }).await.unwrap();
    let row = OperatorRow {
        operator: "op0001".to_owned(),
        name: "Sri Wahyuni".to_owned(),
        realm: "127.0.0.1".to_owned(),
        ha1_md5: String::new(),
        ha1_sha256: String::new(),
        station: 0,
        number: None,
        pin: None,
    };
    store.add_operator(&row).await.unwrap();
    store
}

fn day() -> Period {
    let zone = jiff::tz::TimeZone::get("Asia/Jakarta").unwrap();
    Period::parse(Some("2026-11-24"), Some("2026-11-24"), &zone, Timestamp::from_millis(MORNING)).unwrap()
}

fn on_runtime<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn written(is_summary: bool, format: Format) -> String {
    let folder = tempfile::tempdir().unwrap();
    on_runtime(async {
        let store = filled(&url(folder.path())).await;
        let mut out = Vec::new();
        if is_summary {
            reports::summary(&store, &day(), LIMITS, &levels(&[]), format, &mut out).await.unwrap();
        } else {
            reports::calls(&store, &day(), format, &mut out).await.unwrap();
        }
        String::from_utf8(out).unwrap()
    })
}

fn url(folder: &Path) -> String {
    format!("sqlite:{}", folder.join("data/siaga.db").display())
}

/// The desks' lines of a summary, of calls of two desks and of one that is gone.
fn of_desks(format: Format) -> String {
    let folder = tempfile::tempdir().unwrap();
    on_runtime(async {
        let store = Store::open(&url(folder.path())).await.unwrap();
        let queued = |no: u64, desk: &str| {
            let kind = FactKind::Queued { priority: 0, desk: desk.to_owned(), returned: false };
            stories::Story::new(no, MORNING, None).then(0, kind)
        };
        let mut cdrs = Vec::new();
        for (no, desk, waited) in [(1, "", 10_000), (2, "damkar", 5_000), (3, "damkar", 5_001), (4, "polisi", 9_000)] {
            let call = queued(no, desk).answered(waited, 1, "op0001");
            cdrs.push(call.ended(waited + 60_000, Side::Caller, EndCause::Normal).cdr());
        }
        for (no, desk, waited) in [(5, "", 4_999), (6, "damkar", 4_999), (7, "damkar", 5_000)] {
            cdrs.push(queued(no, desk).ended(waited, Side::Caller, EndCause::Abandoned).cdr());
        }
        store.take("journal", Batch { cdrs, ..Batch::default() }).await.unwrap();
        let mut out = Vec::new();
        reports::summary(&store, &day(), LIMITS, &levels(&[("damkar", 5, 95)]), format, &mut out).await.unwrap();
        String::from_utf8(out).unwrap()
    })
}

#[test]
fn desks_for_eyes() {
    let text = of_desks(Format::Table);
    insta::assert_snapshot!(text.lines().filter(|line| line.starts_with("desk-")).collect::<Vec<_>>().join("\n"));
}

#[test]
fn desks_for_spreadsheets() {
    let text = shown(&of_desks(Format::Csv));
    insta::assert_snapshot!(text.lines().filter(|line| line.starts_with("desk-")).collect::<Vec<_>>().join("\n"));
}

#[test]
fn desks_for_programs() {
    let summary: serde_json::Value = serde_json::from_str(&of_desks(Format::Json)).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&summary["desks"]).unwrap());
}

#[test]
fn summary_for_eyes() {
    insta::assert_snapshot!(written(true, Format::Table));
}

#[test]
fn summary_for_spreadsheets() {
    insta::assert_snapshot!(shown(&written(true, Format::Csv)));
}

#[test]
fn summary_for_programs() {
    insta::assert_snapshot!(written(true, Format::Json));
}

#[test]
fn calls_for_eyes() {
    insta::assert_snapshot!(written(false, Format::Table));
}

#[test]
fn calls_for_spreadsheets() {
    insta::assert_snapshot!(shown(&written(false, Format::Csv)));
}

/// A byte order mark and line ends of RFC 4180, without which the text would look the same.
fn shown(csv: &str) -> String {
    assert!(csv.starts_with('\u{feff}'), "no byte order mark");
    assert_eq!(csv.matches('\n').count(), csv.matches("\r\n").count());
    csv.trim_start_matches('\u{feff}').replace("\r\n", "\n")
}

#[test]
fn calls_for_programs_are_the_whole_records() {
    let calls: Vec<siaga::cdr::Cdr> = serde_json::from_str(&written(false, Format::Json)).unwrap();
    let mut told: Vec<_> = stories::all(MORNING).iter().map(|(_, story)| story.cdr()).collect();
    let midnight = MORNING - 7 * 3_600_000;
    told.insert(0, stories::abandoned(52, midnight, 4_999).cdr());
    told.push(stories::abandoned(53, midnight + DAY - 1, 5_000).cdr());
    assert_eq!(calls, told);
}

#[test]
fn pages_neither_lose_nor_repeat_calls_that_arrive_together() {
    let folder = tempfile::tempdir().unwrap();
    on_runtime(async {
        let store = Store::open(&url(folder.path())).await.unwrap();
        // More than two pages within three milliseconds.
        let cdrs: Vec<_> = (0..450).map(|no| stories::abandoned(no, MORNING + (no % 3) as i64, 1).cdr()).collect();
        store.take("journal", Batch { cdrs: cdrs.clone(), ..Batch::default() }).await.unwrap();
        let mut out = Vec::new();
        reports::calls(&store, &day(), Format::Json, &mut out).await.unwrap();
        let read: Vec<siaga::cdr::Cdr> = serde_json::from_slice(&out).unwrap();
        let mut told = cdrs;
        told.sort_by_key(|cdr| (cdr.received, cdr.call));
        assert_eq!(read, told);
    });
}

#[test]
fn a_period_without_calls_is_an_empty_report() {
    let folder = tempfile::tempdir().unwrap();
    on_runtime(async {
        let store = Store::open(&url(folder.path())).await.unwrap();
        let mut out = Vec::new();
        reports::calls(&store, &day(), Format::Json, &mut out).await.unwrap();
        assert_eq!(String::from_utf8(out).unwrap().trim(), "[]");
        let mut out = Vec::new();
        reports::summary(&store, &day(), LIMITS, &levels(&[]), Format::Json, &mut out).await.unwrap();
        let summary: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!((&summary["calls"], &summary["sl3"]["percent"]), (&0.into(), &serde_json::Value::Null));
    });
}

/// Runs the command in a folder, with the default configuration.
fn siaga(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let config = folder.join("config/siaga.toml");
    std::fs::create_dir_all(config.parent().unwrap()).unwrap();
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/siaga.toml")).unwrap();
    let prompts = format!("{}/config/prompts", env!("CARGO_MANIFEST_DIR"));
    std::fs::write(&config, text.replace("dir = \"prompts\"", &format!("dir = {prompts:?}"))).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_siaga"));
    command.current_dir(folder).args(arguments).args(["--config", "config/siaga.toml"]);
    command
}

#[test]
fn a_reader_who_has_seen_enough_is_no_fault() {
    let folder = tempfile::tempdir().unwrap();
    on_runtime(async {
        let store = Store::open(&url(folder.path())).await.unwrap();
        // More than a pipe holds.
        let cdrs: Vec<_> = (0..2_000).map(|no| stories::abandoned(no, MORNING, 1).cdr()).collect();
        store.take("journal", Batch { cdrs, ..Batch::default() }).await.unwrap();
        store.close().await;
    });
    for format in ["table", "csv", "json"] {
        let mut command = command(
            folder.path(),
            &["report", "calls", "--from", "2026-11-24", "--to", "2026-11-24", "--format", format],
        );
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut begin = [0; 100];
        child.stdout.take().unwrap().read_exact(&mut begin).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()), "{format}");
    }
}

#[test]
fn the_command_reports_from_a_database_that_another_process_has_open() {
    let folder = tempfile::tempdir().unwrap();
    // Its connection stays open to the end.
    let _store = on_runtime(filled(&url(folder.path())));
    for (what, is_summary) in [("summary", true), ("calls", false)] {
        for (name, format) in [("table", Format::Table), ("csv", Format::Csv), ("json", Format::Json)] {
            let dates = ["--from", "2026-11-24", "--to", "2026-11-24"];
            let output = siaga(folder.path(), &[&["report", what, "--format", name][..], &dates].concat());
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            assert_eq!(String::from_utf8(output.stdout).unwrap(), written(is_summary, format), "{what} {name}");
        }
    }
}

#[test]
fn without_a_database_the_command_says_so_and_makes_none() {
    let folder = tempfile::tempdir().unwrap();
    let output = siaga(folder.path(), &["report", "summary"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    let database = folder.path().canonicalize().unwrap().join("data/siaga.db");
    assert!(told.contains(&format!("there is no database at {}", database.display())), "{told}");
    assert!(!folder.path().join("data").exists());
}

#[test]
fn a_database_without_tables_is_told_apart_from_an_empty_period() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    std::fs::write(folder.path().join("data/siaga.db"), "").unwrap();
    let output = siaga(folder.path(), &["report", "calls"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(told.contains("no records of this version yet"), "{told}");
}

#[test]
fn a_database_of_an_older_version_is_told_apart_from_a_fault() {
    let folder = tempfile::tempdir().unwrap();
    on_runtime(async {
        Store::open(&url(folder.path())).await.unwrap().close().await;
        let pool = sqlx::SqlitePool::connect(&url(folder.path())).await.unwrap();
        for older in ["DROP INDEX cdr_desk_class", "ALTER TABLE cdr DROP COLUMN desk"] {
            sqlx::query(older).execute(&pool).await.unwrap();
        }
        pool.close().await;
    });
    let output = siaga(folder.path(), &["report", "summary"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(told.contains("no records of this version yet"), "{told}");
}

#[test]
fn wrong_dates_are_a_fault_that_says_what_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let output = siaga(folder.path(), &["report", "calls", "--from", "24/11/2026"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(told.contains("--from") && told.contains("2026-11-24"), "{told}");
}

#[test]
fn a_caller_who_was_answered_after_the_period_is_reported_as_answered_since() {
    let folder = tempfile::tempdir().unwrap();
    let day = 86_400_000;
    on_runtime(async {
        let store = Store::open(&url(folder.path())).await.unwrap();
        let number = Some("+6281200000077");
        let missed = stories::Story::new(1, MORNING, number).queued(0).ended(9_000, Side::Caller, EndCause::Abandoned);
        let other = stories::Story::new(2, MORNING, Some("+6281200000078")).queued(0);
        let other = other.ended(9_000, Side::Caller, EndCause::Abandoned);
        let later = stories::Story::new(3, MORNING + 3 * day, number).queued(0).answered(2_000, 1, "op0001");
        let later = later.ended(60_000, Side::Caller, EndCause::Normal);
        let drill = stories::Story::new(4, MORNING, Some("+6281200000079")).queued(0);
        let drill = drill.ended(9_000, Side::Caller, EndCause::Abandoned).disposed(20_000, Class::Drill, None);
        let cdrs = [missed, other, later, drill].map(|story| story.cdr()).to_vec();
        store.take("journal", Batch { cdrs, ..Batch::default() }).await.unwrap();
        store.close().await;
    });
    let arguments = ["report", "abandoned", "--from", "2026-11-24", "--to", "2026-11-24", "--format", "json"];
    let out = siaga(folder.path(), &arguments);
    let report: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    let numbers = report["numbers"].as_array().unwrap();
    let seen: Vec<_> = numbers.iter().map(|one| (&one["number"], one["answered_later"].as_i64())).collect();
    assert_eq!(
        seen,
        [(&"+6281200000077".into(), Some(MORNING + 3 * day + 2_000)), (&"+6281200000078".into(), None)],
        "a drill is not a caller"
    );
    assert_eq!(report["reached"], 1);
}

#[test]
fn a_call_is_named_by_the_start_of_its_id_unless_several_start_so() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (stories::abandoned(1, MORNING, 9_000), stories::abandoned(2, MORNING, 9_000));
    on_runtime(async {
        let store = Store::open(&url(folder.path())).await.unwrap();
        let facts: Vec<_> = one.facts.iter().chain(&other.facts).map(|fact| Entry::of(fact).unwrap()).collect();
        let cdrs = vec![one.cdr(), other.cdr()];
        store.take("journal", Batch { facts: facts.iter().collect(), cdrs, ..Batch::default() }).await.unwrap();
        store.close().await;
    });
    let (one, other) = (one.call.to_string(), other.call.to_string());
    let common = one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    let out = siaga(folder.path(), &["report", "call", &one[..=common]]);
    assert!(out.status.success() && String::from_utf8_lossy(&out.stdout).contains("received"), "{out:?}");
    let out = siaga(folder.path(), &["report", "call", &one[..common]]);
    let told = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(!out.status.success() && told.contains(&one) && told.contains(&other), "{told}");
}

#[test]
fn a_check_reports_absolute_paths_and_names_without_an_account_as_errors() {
    let folder = tempfile::tempdir().unwrap();
    on_runtime(async {
        Store::open(&url(folder.path())).await.unwrap().close().await;
    });
    let out = siaga(folder.path(), &["check"]);
    let told = String::from_utf8_lossy(&out.stdout).into_owned();
    let database = folder.path().canonicalize().unwrap().join("data/siaga.db");
    assert!(out.status.success() && told.contains(&database.display().to_string()), "{told}");
    let mut command = command(folder.path(), &["check"]);
    let config = folder.path().join("config/siaga.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("supervisors = []", "supervisors = [\"anni\"]")).unwrap();
    let out = command.output().unwrap();
    let told = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(!out.status.success(), "{out:?}");
    assert!(told.contains("operators.supervisors: \"anni\" has no account; expected: an operator of"), "{told}");
}
