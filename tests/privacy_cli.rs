//! `siaga privacy`, as an administrator uses it while the service is stopped: a number is shown, erased and found no more.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;

use serde_json::Value;

const PERIOD: [&str; 4] = ["--from", "2026-11-01", "--to", "2026-11-30"];

struct Folder(tempfile::TempDir);

impl Folder {
    /// Two days of a synthetic city, and users of three roles.
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let text = "[site]\nname = \"Kota\"\n[[trunk]]\nname = \"telco\"\npeers = [\"127.0.0.2\"]\nuri = \"sip:127.0.0.2\"\n\
            [store]\nurl = \"sqlite:siaga.db\"\n[journal]\ndir = \"journal\"\n[recording]\ndir = \"recordings\"\n\
            [web]\nstore_url = \"sqlite:web.db\"\n";
        std::fs::write(folder.0.path().join("siaga.toml"), text).unwrap();
        let city = ["demo", "data", "--seed", "5", "--days", "2", "--calls-per-day", "300", "--until", "2026-11-24"];
        folder.good(&city);
        for (name, role) in [("ani", "admin"), ("budi", "auditor"), ("citra", "auditor"), ("dewi", "viewer")] {
            folder.good(&["user", "add", name, "--role", role, "--password"]);
        }
        folder
    }

    fn siaga(&self, arguments: &[&str]) -> (bool, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_siaga"));
        let ran = command.args(arguments).args(["--config", "siaga.toml"]).current_dir(self.0.path()).output().unwrap();
        (ran.status.success(), String::from_utf8([ran.stdout, ran.stderr].concat()).unwrap())
    }

    fn good(&self, arguments: &[&str]) -> String {
        let (good, told) = self.siaga(arguments);
        assert!(good, "{arguments:?}: {told}");
        told
    }

    fn rejected(&self, arguments: &[&str], expected: &str) {
        let (good, told) = self.siaga(arguments);
        assert!(!good && told.contains(expected), "{arguments:?}: {told}");
    }

    fn calls(&self) -> Vec<Value> {
        let told = self.good(&[&["report", "calls", "--format", "json"], &PERIOD[..]].concat());
        serde_json::from_str(&told).unwrap()
    }

    /// A number with more than one call.
    fn number(&self) -> (String, usize) {
        let mut counts = std::collections::BTreeMap::new();
        for call in self.calls() {
            if let Some(number) = call["asserted"].as_str() {
                *counts.entry(number.to_owned()).or_insert(0) += 1;
            }
        }
        counts.into_iter().filter(|(number, _)| number.starts_with("+62")).max_by_key(|(_, calls)| *calls).unwrap()
    }

    fn erase(&self, number: &str) -> (bool, String) {
        self.siaga(&[
            "privacy",
            "erase",
            number,
            "--by",
            "ani",
            "--second",
            "budi",
            "--ground",
            "permintaan subjek data",
        ])
    }
}

/// The files in which these digits are found.
fn files_with(folder: &Path, digits: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, digits));
        } else if std::fs::read(&path).unwrap().windows(digits.len()).any(|window| window == digits.as_bytes()) {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn an_erased_number_is_in_no_file_no_report_and_no_export() {
    let folder = Folder::new();
    let (number, calls) = folder.number();
    let digits = number.trim_start_matches("+62");
    let summary = folder.good(&[&["report", "summary"], &PERIOD[..]].concat());
    assert!(!files_with(folder.0.path(), digits).is_empty());
    let exported = folder.good(&["privacy", "export", &number, "--by", "budi"]);
    let all: Vec<Value> = exported.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(all.len() >= calls, "{} of {calls}", all.len());
    assert!(all.iter().all(|one| one.to_string().contains(digits)), "each has the number");

    let (good, told) = folder.erase(&format!("0{digits}"));
    assert!(good && told.contains("erased: ") && told.contains("Backups"), "{told}");
    assert_eq!(files_with(folder.0.path(), digits), [""; 0]);
    assert_eq!(folder.good(&["privacy", "export", &number, "--by", "budi"]), "");
    assert_eq!(folder.good(&[&["report", "summary"], &PERIOD[..]].concat()), summary, "figures stay");
    let erased: Vec<Value> = folder.calls().into_iter().filter(|call| !call["erased"].is_null()).collect();
    assert_eq!(erased.len(), calls);
    assert!(erased.iter().all(|call| call["asserted"].is_null() && call["erased"]["by"] == "ani"));
    let verified = folder.good(&["verify", "records"]);
    assert!(verified.contains("personal values were erased from"), "{verified}");
    folder.good(&["verify", "journal"]);
    let (good, told) = folder.erase(&number);
    assert!(good && told.starts_with("0 facts of 0 calls"), "{told}");
    // The access log says who did it, and names no number.
    let verified = folder.good(&["verify", "access"]);
    assert!(verified.contains("is unchanged"), "{verified}");
}

#[test]
fn what_may_not_be_done_is_rejected_and_changes_nothing() {
    let folder = Folder::new();
    let (number, _) = folder.number();
    let before = folder.calls();
    let erase = |by: &str, second: &str, ground: &str, expected: &str| {
        let command = ["privacy", "erase", &number, "--by", by, "--second", second, "--ground", ground];
        folder.rejected(&command, expected);
    };
    erase("nina", "budi", "x", "no user of the pages is named \"nina\"");
    erase("budi", "citra", "x", "expected: two users of different roles");
    erase("dewi", "ani", "x", "expected: admin or auditor");
    erase("ani", "dewi", "x", "expected: admin, auditor or supervisor");
    erase("ani", "budi", " ", "--ground has 0 characters");
    erase("ani", "budi", &format!("dari {number}"), "never erased");
    folder.rejected(&["privacy", "export", "112", "--by", "ani"], "no number of a person");
    folder.rejected(&["privacy", "export", &number, "--by", "dewi"], "expected: admin or auditor");
    let call = before[0]["call"].as_str().unwrap();
    folder.rejected(&["privacy", "lift", call, "--by", "ani", "--second", "budi"], "is not on legal hold");
    let unknown = "01a20ada-2c00-7861-b0f4-d125cc0d694a";
    folder.rejected(&["privacy", "hold", unknown, "--by", "ani", "--reason", "perkara"], "no call has the id");
    assert_eq!(folder.calls(), before);
}

#[test]
fn a_call_on_hold_keeps_its_number() {
    let folder = Folder::new();
    let (number, calls) = folder.number();
    let of_number: Vec<Value> = folder.calls().into_iter().filter(|call| call["asserted"] == *number).collect();
    let call = of_number[0]["call"].as_str().unwrap();
    folder.good(&["privacy", "hold", call, "--by", "ani", "--reason", "perkara 7"]);
    let listed = folder.good(&["privacy", "holds"]);
    assert!(listed.contains(call) && listed.contains("perkara 7") && listed.ends_with("1 calls are on legal hold\n"));
    let (good, told) = folder.erase(&number);
    assert!(!good && told.contains(&format!("{call} is on legal hold")), "{told}");
    let left: Vec<Value> = folder.calls().into_iter().filter(|call| call["asserted"] == *number).collect();
    assert_eq!((left.len(), calls > 1), (1, true));
    folder.good(&["privacy", "lift", call, "--by", "ani", "--second", "budi"]);
    assert!(folder.erase(&number).0);
    assert_eq!(files_with(folder.0.path(), number.trim_start_matches("+62")), [""; 0]);
}
