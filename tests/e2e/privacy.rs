//! A number is erased while the service runs and takes calls.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use siaga::store::crash_log::Files;

use super::baresip::Baresip;
use super::process::until;
use super::service::Service;
use super::three_callers::Phone as _;
use super::trunk::{Caller, Manner};

/// Every file below a folder in which these digits are found.
fn files_with(folder: &Path, digits: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            found.extend(files_with(&entry, digits));
        } else if std::fs::read(&entry).unwrap().windows(digits.len()).any(|window| window == digits.as_bytes()) {
            found.push(entry);
        }
    }
    found
}

fn call(service: &Service, phone: &mut Baresip, n: u16) -> String {
    let caller = Caller::calls(service, n, 700, Manner::HangsUpAfter(1_000));
    phone.rings_for(&caller.number);
    phone.answers();
    let number = caller.number.clone();
    caller.ends();
    service.wait_for_state("op1", "ready");
    number
}

/// The files and folders that others than the owner may use.
fn open_to_others(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let status = std::fs::symlink_metadata(&entry).unwrap();
        if status.mode() & 0o077 != 0 {
            found.push(entry.clone());
        }
        if status.is_dir() {
            found.extend(open_to_others(&entry));
        }
    }
    found
}

fn siaga(service: &Service, arguments: &[&str]) -> String {
    service.siaga(&[arguments, &["--config", "siaga.toml"]].concat())
}

#[test]
fn a_number_is_erased_everywhere_while_the_service_runs() {
    let mut service = Service::start(201, 1, "wrap_up_seconds = 0\n");
    let mut phone = Baresip::start(&service, 1, 440);
    let number = call(&service, &mut phone, 1);
    let digits = number.trim_start_matches('0').to_owned();
    let data = service.path().join("data");
    service.records(1, |record| record["recordings"].as_array().is_some_and(|all| !all.is_empty()));
    assert_eq!(open_to_others(&data), Vec::<PathBuf>::new());
    assert!(!files_with(&data, &digits).is_empty());
    // A flag is in the local copy too.
    siaga(&service, &["caller", "mark", &number, "prank"]);
    until("the flag is in the local copy", || {
        (!files_with(&data.join("journal/local"), &digits).is_empty()).then_some(())
    });
    for (name, role) in [("ani", "admin"), ("budi", "auditor")] {
        siaga(&service, &["user", "add", name, "--role", role, "--password"]);
    }
    let erase = ["privacy", "erase", &number, "--by", "ani", "--second", "budi", "--ground", "permintaan"];
    // Facts may still come for ten seconds after the end of a call.
    let told = until("the call is erased", || {
        let done = service.program().args(erase).args(["--config", "siaga.toml"]).output().unwrap();
        let told = String::from_utf8([done.stdout, done.stderr].concat()).unwrap();
        assert!(done.status.success() || told.contains("has just ended"), "{told}");
        done.status.success().then_some(told)
    });
    assert!(told.contains("1 recordings"), "{told}");
    assert_eq!(files_with(&data, &digits), Vec::<PathBuf>::new());
    // The copy in memory of facts that are on the disk goes with the next facts.
    let other = call(&service, &mut phone, 2);
    let in_memory = || {
        let left = Files::of(&data.join("journal")).unwrap().left_beside(siaga::clock::Timestamp::default()).unwrap();
        let has = left.iter().any(|left| left.bytes.windows(digits.len()).any(|window| window == digits.as_bytes()));
        (!has).then_some(())
    };
    until("the facts in memory are renewed", in_memory);
    let records = service.records(2, |_| true);
    assert_eq!(records.iter().filter(|record| record["asserted"].is_null()).count(), 1);
    assert!(records.iter().any(|record| record["asserted"].to_string().contains(other.trim_start_matches('0'))));
    service.end();
    let told = siaga(&service, &["verify", "records"]);
    assert!(told.contains("records and sums are those of the facts"), "{told}");
    siaga(&service, &["verify", "journal"]);
    assert_eq!(open_to_others(&data), Vec::<PathBuf>::new(), "changed files are still closed to others");
    assert_eq!(files_with(&data, &digits), Vec::<PathBuf>::new());
}
