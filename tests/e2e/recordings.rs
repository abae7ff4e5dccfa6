//! Recordings and their records, for every way in which the service can end.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt};
use std::path::Path;

use data_encoding::HEXLOWER;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use siaga::media::wav::{HEADER_BYTES, PAIR_BYTES, header};

use super::baresip::Baresip;
use super::process::until;
use super::service::Service;
use super::three_callers::Phone as _;
use super::trunk::{Caller, Manner};

/// A call is up and its recording has begun.
fn talking(service: &Service, phone: &mut Baresip, n: u16, manner: Manner) -> Caller {
    let caller = Caller::calls(service, n, 700, manner);
    phone.rings_for(&caller.number);
    phone.answers();
    service.wait_for_call(&caller.number, "talking");
    service.sound_flows(2, 1);
    caller
}

/// The WAV files of the service, below its folder of recordings.
fn files(service: &Service) -> Vec<String> {
    let root = service.path().join("data/recordings");
    let (mut folders, mut found) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|kind| kind == "wav") {
                found.push(entry.strip_prefix(&root).unwrap().to_string_lossy().into_owned());
            }
        }
    }
    found
}

/// Whether a file has samples that its header does not have yet.
fn is_cut_short(service: &Service, file: &str) -> bool {
    let bytes = std::fs::read(service.path().join("data/recordings").join(file)).unwrap();
    let Some(samples) = bytes.len().checked_sub(HEADER_BYTES) else { return false };
    bytes[..HEADER_BYTES] != header((samples / PAIR_BYTES) as u64)
}

/// Asserts that each file is in the record of its call, with its checksum.
fn assert_registered(service: &Service, records: &[Value]) {
    let files = files(service);
    assert!(!files.is_empty(), "there are recordings");
    for file in files {
        let bytes = std::fs::read(service.path().join("data/recordings").join(&file)).unwrap();
        let mut all = records.iter().flat_map(|record| record["recordings"].as_array().unwrap());
        let entry =
            all.find(|entry| entry["file"] == *file).unwrap_or_else(|| panic!("{file} is in no record: {records:#?}"));
        assert_eq!(entry["sha256"], HEXLOWER.encode(&Sha256::digest(&bytes)), "{file}");
    }
}

#[test]
fn every_recording_is_in_its_record_after_an_orderly_stop() {
    let mut service = Service::start(34, 1, "");
    let mut phone = Baresip::start(&service, 1, 440);
    // Drain: the caller hangs up after SIGTERM.
    let caller = talking(&service, &mut phone, 1, Manner::HangsUpAfter(4_000));
    service.end();
    caller.ends();
    assert_registered(&service, &service.records(1, |_| true));
    let left = std::fs::read_dir(service.path().join("data/recordings/.unregistered")).unwrap();
    assert_eq!(left.count(), 0, "nothing is left for the next start");

    // Interrupted: a second SIGTERM ends the call.
    let mut service = Service::start(37, 1, "");
    let mut phone = Baresip::start(&service, 1, 440);
    let caller = talking(&service, &mut phone, 1, Manner::Stays);
    service.running().signal(15);
    until("the service drains", || service.get("/health/ready")["fault"].as_str().map(|_| ()));
    service.end();
    caller.ends();
    assert_registered(&service, &service.records(1, |_| true));
}

#[test]
fn a_service_that_starts_opens_existing_recordings_to_the_group_of_the_store() {
    let group = std::fs::metadata("/proc/self").unwrap().gid();
    let mut service = Service::with_media(188, 1, "", &format!("[store]\ngroup = \"{group}\""));
    service.end();
    let day = service.path().join("data/recordings/2026/11/29");
    let (file, hidden) = (day.join("old.wav"), service.path().join("data/recordings/.unregistered"));
    std::fs::create_dir_all(&day).unwrap();
    std::fs::create_dir_all(&hidden).unwrap();
    std::fs::write(&file, "RIFF").unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o7777;
    for (path, private) in [(&day, 0o700), (&file, 0o600), (&hidden, 0o700)] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(private)).unwrap();
    }
    service.go();
    until("the recording is open to the group", || (mode(&file) == 0o640).then_some(()));
    assert_eq!((mode(&day), mode(&hidden)), (0o2750, 0o700));
    service.end();
}

#[test]
fn a_recording_that_a_kill_cuts_short_is_repaired_and_registered_at_the_next_start() {
    let mut service = Service::start(38, 1, "");
    let mut phone = Baresip::start(&service, 1, 440);
    let caller = talking(&service, &mut phone, 1, Manner::Stays);
    service.sound_flows(2, 4);
    until("the service stands still and the recording is cut short", || {
        service.running().signal(19);
        let cut = files(&service).iter().any(|file| is_cut_short(&service, file));
        if !cut {
            service.running().signal(18);
        }
        cut.then_some(())
    });
    service.kill();
    drop((caller, phone));
    service.go();
    let registered = |record: &Value| record["recordings"][0].is_object();
    let records = service.records(1, registered);
    assert_registered(&service, &records);
    let recording = &records[0]["recordings"][0];
    assert_eq!((&records[0]["cause"], &recording["repaired"]), (&"interrupted".into(), &true.into()), "{records:#?}");
    let duration = recording["duration_ms"].as_u64().unwrap();
    assert!(duration >= 1_000, "{duration} ms were on the disk");
    let file = service.path().join("data/recordings").join(recording["file"].as_str().unwrap());
    let wav = hound::WavReader::open(file).unwrap();
    assert_eq!(u64::from(wav.duration()) / 8, duration);
    // A second start does not add it again.
    service.end();
    service.go();
    service.end();
    assert_eq!(service.records(1, registered)[0]["recordings"].as_array().unwrap().len(), 1);
}
