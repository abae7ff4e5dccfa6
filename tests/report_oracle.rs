//! The figures of reports, computed again by DuckDB from the exported calls (tests/oracles/figures.py), for cities of several sizes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;

/// Runs siaga in a folder. Returns what it prints.
fn siaga(folder: &Path, arguments: &[&str]) -> Vec<u8> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_siaga"));
    let ran = command.args(arguments).args(["--config", "siaga.toml"]).current_dir(folder).output().unwrap();
    assert!(ran.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
    ran.stdout
}

/// Fills a city, exports its calls and reports, and compares them with the oracle. Returns the oracle's last line.
fn compared(seed: &str, days: &str, calls_per_day: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let text = "[[trunk]]\nname = \"telco\"\npeers = [\"127.0.0.2\"]\nuri = \"sip:127.0.0.2\"\n\
        [store]\nurl = \"sqlite:siaga.db\"\n";
    std::fs::write(folder.path().join("siaga.toml"), text).unwrap();
    let city =
        ["demo", "data", "--seed", seed, "--days", days, "--calls-per-day", calls_per_day, "--until", "2026-10-31"];
    siaga(folder.path(), &city);
    let period = ["--from", "2026-10-01", "--to", "2026-10-31"];
    for (report, format, file) in [
        ("calls", "csv", "calls.csv"),
        ("calls", "json", "calls.json"),
        ("summary", "json", "summary.json"),
        ("abandoned", "json", "abandoned.json"),
    ] {
        let printed = siaga(folder.path(), &[&["report", report, "--format", format][..], &period[..]].concat());
        std::fs::write(folder.path().join(file), printed).unwrap();
    }
    let month = siaga(folder.path(), &["report", "ministry", "--month", "2026-10", "--format", "json"]);
    std::fs::write(folder.path().join("ministry.json"), month).unwrap();
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/oracles/bin/python");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/figures.py");
    let ran = Command::new(&python).arg(script).arg(folder.path()).output();
    let ran = ran.unwrap_or_else(|fault| panic!("{}: {fault}; scripts/setup test installs it", python.display()));
    let printed = String::from_utf8_lossy(&ran.stdout).into_owned();
    let faults = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "seed {seed}, {days} days: {printed}{faults}");
    printed.lines().last().unwrap().to_owned()
}

#[test]
fn the_figures_of_thirty_days_are_those_that_duckdb_computes() {
    let line = compared("3", "30", "1918");
    let calls: u64 = line.split(' ').nth(4).unwrap().parse().unwrap();
    assert!(line.contains("0 differences") && calls > 40_000, "{line}");
}

#[test]
fn the_figures_of_small_histories_are_those_that_duckdb_computes() {
    for (seed, calls_per_day) in [("11", "1"), ("12", "2"), ("13", "5"), ("14", "20"), ("15", "60"), ("16", "150")] {
        let line = compared(seed, "2", calls_per_day);
        assert!(line.contains("0 differences"), "{line}");
    }
}
