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

/// A folder with a city.
fn city(seed: &str, days: &str, calls_per_day: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = "[[trunk]]\nname = \"telco\"\npeers = [\"127.0.0.2\"]\nuri = \"sip:127.0.0.2\"\n\
        [store]\nurl = \"sqlite:siaga.db\"\n";
    std::fs::write(folder.path().join("siaga.toml"), text).unwrap();
    let city =
        ["demo", "data", "--seed", seed, "--days", days, "--calls-per-day", calls_per_day, "--until", "2026-10-31"];
    siaga(folder.path(), &city);
    folder
}

/// Writes reports of a city to files in its folder, each with the name of the report and the format.
fn write(folder: &Path, reports: &[(&str, &str)]) {
    for (report, format) in reports {
        let period: &[&str] = match *report {
            "ministry" => &["--month", "2026-10"],
            _ => &["--from", "2026-10-01", "--to", "2026-10-31"],
        };
        let printed = siaga(folder, &[&["report", report, "--format", format][..], period].concat());
        std::fs::write(folder.join(format!("{report}.{format}")), printed).unwrap();
    }
}

/// Compares the figures of a city with those of DuckDB. Returns the oracle's last line.
fn compared(seed: &str, days: &str, calls_per_day: &str) -> String {
    let folder = city(seed, days, calls_per_day);
    let reports =
        [("calls", "csv"), ("calls", "json"), ("summary", "json"), ("abandoned", "json"), ("ministry", "json")];
    write(folder.path(), &reports);
    python("figures.py", folder.path())
}

/// Runs a script of tests/oracles on a folder. Returns its last line.
fn python(script: &str, folder: &Path) -> String {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/oracles/bin/python");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles").join(script);
    let ran = Command::new(&python).arg(script).arg(folder).output();
    let ran = ran.unwrap_or_else(|fault| panic!("{}: {fault}; scripts/setup test installs it", python.display()));
    let printed = String::from_utf8_lossy(&ran.stdout).into_owned();
    let faults = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{}: {printed}{faults}", folder.display());
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

#[test]
fn workbooks_have_what_the_other_formats_have_as_dates_and_numbers() {
    let folder = city("5", "2", "300");
    for report in ["calls", "summary", "abandoned", "ministry"] {
        write(folder.path(), &[(report, "xlsx"), (report, "json"), (report, "csv")]);
    }
    let line = python("workbook.py", folder.path());
    let cells: u64 = line.split(' ').next().unwrap().parse().unwrap();
    assert!(cells > 10_000, "{line}");
    // The same data give the same bytes.
    let first = std::fs::read(folder.path().join("calls.xlsx")).unwrap();
    write(folder.path(), &[("calls", "xlsx")]);
    assert!(
        first == std::fs::read(folder.path().join("calls.xlsx")).unwrap(),
        "two workbooks of the same calls differ"
    );
}

#[test]
fn parquet_files_have_what_the_other_formats_have_with_types() {
    let folder = city("6", "4", "1400");
    for report in ["calls", "summary", "abandoned", "ministry"] {
        write(folder.path(), &[(report, "parquet"), (report, "json"), (report, "csv")]);
    }
    let line = python("parquet.py", folder.path());
    let numbers: Vec<u64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
    assert!(numbers[0] > 100_000 && numbers[1] > 1, "{line}");
    // The same data give the same bytes.
    let read = |report: &str| std::fs::read(folder.path().join(format!("{report}.parquet"))).unwrap();
    for report in ["calls", "summary", "abandoned", "ministry"] {
        let first = read(report);
        write(folder.path(), &[(report, "parquet")]);
        assert!(first == read(report), "two Parquet files of the same data differ: {report}");
    }
}
