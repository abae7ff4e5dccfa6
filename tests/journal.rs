//! The journal: what was appended is read back, and what a crash or a bad disk leaves costs no more than it must.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]

mod stories;

use std::fs;
use std::path::{Path, PathBuf};

use siaga::cdr::fact::{Fact, FactKind};
use siaga::clock::Timestamp;
use siaga::counted::visits;
use siaga::store::crash_log::{CrashLog, Files};
use siaga::store::journal::segments::{self, State};
use siaga::store::journal::{self, Journal, JournalError, JournalPosition, ProcessRun, record};
use stories::MORNING;

const ALL: JournalPosition = JournalPosition { segment: i64::MAX, position: 0 };

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(MORNING + millis)
}

fn facts() -> Vec<Fact> {
    stories::all(MORNING).into_iter().flat_map(|(_, story)| story.facts).collect()
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = files.filter(|path| path.extension().is_some_and(|kind| kind == "facts")).collect();
    found.sort();
    found
}

#[test]
fn what_was_appended_is_read_back_in_order_and_places_rise() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(dir.path(), at(0)).unwrap();
    let facts = facts();
    let mut places = vec![journal.end()];
    for group in facts.chunks(7) {
        let place = journal.append(group.iter(), at(1)).unwrap();
        assert_eq!(place, journal.end());
        places.push(place);
    }
    assert!(places.is_sorted_by(|one, next| one < next), "{places:?}");
    let whole = journal::read(dir.path(), JournalPosition::default(), journal.end(), usize::MAX).unwrap();
    assert_eq!((whole.facts(), whole.next), (facts.clone(), journal.end()));
    assert_eq!((whole.lost_bytes, whole.unknown), (0, 0));
    // Between two places lies the group that was appended between them.
    for (pair, group) in places.windows(2).zip(facts.chunks(7)) {
        assert_eq!(journal::read(dir.path(), pair[0], pair[1], usize::MAX).unwrap().facts(), group);
    }
}

#[test]
fn reading_in_small_chunks_loses_and_repeats_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for run in 0..3 {
        Journal::open(dir.path(), at(run)).unwrap().append(facts().iter(), at(run)).unwrap();
    }
    let (mut read, mut place) = (Vec::new(), JournalPosition::default());
    loop {
        let chunk = journal::read(dir.path(), place, ALL, 4).unwrap();
        assert!(chunk.facts().len() <= 4);
        if chunk.facts().is_empty() {
            break;
        }
        assert!(chunk.next > place);
        place = chunk.next;
        read.extend(chunk.facts());
    }
    assert_eq!(read, [facts(), facts(), facts()].concat());
}

#[test]
fn a_torn_end_costs_only_what_was_torn() {
    let dir = tempfile::tempdir().unwrap();
    let facts = &facts()[..4];
    let mut ends = vec![0];
    let mut journal = Journal::open(dir.path(), at(0)).unwrap();
    for fact in facts {
        ends.push(journal.append([fact].into_iter(), at(0)).unwrap().position.unsigned_abs());
    }
    drop(journal);
    let torn = files(dir.path()).remove(0);
    let bytes = fs::read(&torn).unwrap();
    for length in (0..=bytes.len()).rev() {
        fs::write(&torn, &bytes[..length]).unwrap();
        let whole = ends.iter().rposition(|end| *end <= length as u64).unwrap();
        let chunk = journal::read(dir.path(), JournalPosition::default(), ALL, usize::MAX).unwrap();
        assert_eq!(chunk.facts(), facts[..whole], "{length} bytes");
        assert_eq!(chunk.lost_bytes, length as u64 - ends[whole], "{length} bytes");
        assert_eq!(chunk.damaged, [] as [i64; 0], "{length} bytes: the disk was full, or the service was killed");
    }
    // The next run writes behind it and both are read.
    fs::write(&torn, &bytes[..bytes.len() - 1]).unwrap();
    Journal::open(dir.path(), at(1)).unwrap().append([&facts[3]].into_iter(), at(1)).unwrap();
    let chunk = journal::read(dir.path(), JournalPosition::default(), ALL, usize::MAX).unwrap();
    assert_eq!((chunk.facts(), chunk.damaged), (facts.to_vec(), Vec::new()));
    // Before the place up to which the journal is synced nothing can be torn.
    let last = segments::list(dir.path(), State::Waiting).unwrap()[0];
    let synced = JournalPosition { segment: last, position: i64::try_from(bytes.len()).unwrap() };
    fs::write(&torn, [&bytes[..bytes.len() - 1], b"\0\0\0"].concat()).unwrap();
    assert_eq!(journal::read(dir.path(), JournalPosition::default(), synced, usize::MAX).unwrap().damaged, [last]);
}

#[test]
fn a_flipped_bit_never_makes_another_fact_and_costs_one_fact() {
    let dir = tempfile::tempdir().unwrap();
    let facts = &facts()[..3];
    let mut ends = Vec::new();
    let mut journal = Journal::open(dir.path(), at(0)).unwrap();
    for fact in facts {
        ends.push(journal.append([fact].into_iter(), at(0)).unwrap().position.unsigned_abs());
    }
    drop(journal);
    Journal::open(dir.path(), at(1)).unwrap().append([&facts[0]].into_iter(), at(1)).unwrap();
    let damaged = files(dir.path()).remove(0);
    let bytes = fs::read(&damaged).unwrap();
    for place in 0..bytes.len() {
        for bit in [0, 7] {
            let mut flipped = bytes.clone();
            flipped[place] ^= 1 << bit;
            fs::write(&damaged, flipped).unwrap();
            let hit = ends.iter().filter(|end| **end <= place as u64).count();
            let chunk = journal::read(dir.path(), JournalPosition::default(), ALL, usize::MAX).unwrap();
            let others = facts.iter().enumerate().filter(|(no, _)| *no != hit).map(|(_, fact)| fact);
            let wanted: Vec<Fact> = others.chain([&facts[0]]).cloned().collect();
            assert_eq!(chunk.facts(), wanted, "bit {bit} of byte {place}");
            assert!(chunk.lost_bytes > 0);
            assert_eq!(chunk.damaged.len(), 1);
        }
    }
}

#[test]
fn a_fact_of_another_version_is_read_as_it_is_and_what_is_no_fact_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let facts = facts();
    let mut journal = Journal::open(dir.path(), at(0)).unwrap();
    journal.append([&facts[0]].into_iter(), at(0)).unwrap();
    let body = br#"{"stream":"01a20ada-2c00-7861-b0f4-d125cc0d694a","seq":1,"at":1,"kind":"teleported"}"#;
    let file = files(dir.path()).remove(0);
    let mut bytes = fs::read(&file).unwrap();
    bytes.extend(u32::try_from(body.len()).unwrap().to_le_bytes());
    bytes.extend(crc32fast::hash(body).to_le_bytes());
    bytes.extend(body);
    let nothing = b"{}";
    bytes.extend(u32::try_from(nothing.len()).unwrap().to_le_bytes());
    bytes.extend(crc32fast::hash(nothing).to_le_bytes());
    bytes.extend(nothing);
    fs::write(&file, bytes).unwrap();
    drop(journal);
    Journal::open(dir.path(), at(1)).unwrap().append([&facts[1]].into_iter(), at(1)).unwrap();
    let chunk = journal::read(dir.path(), JournalPosition::default(), ALL, usize::MAX).unwrap();
    assert_eq!((chunk.unknown, chunk.lost_bytes), (1, 0));
    assert_eq!(chunk.facts(), facts[..2]);
    let unknown = &chunk.entries[1];
    assert_eq!((unknown.fact.clone(), unknown.id.seq, unknown.json.as_bytes()), (None, 1, &body[..]));
}

#[test]
fn a_torn_end_of_zeros_is_no_damage() {
    let dir = tempfile::tempdir().unwrap();
    Journal::open(dir.path(), at(0)).unwrap().append([&facts()[0]].into_iter(), at(0)).unwrap();
    let file = files(dir.path()).remove(0);
    let bytes = [fs::read(&file).unwrap(), vec![0; 300]].concat();
    fs::write(&file, bytes).unwrap();
    let chunk = journal::read(dir.path(), JournalPosition::default(), ALL, usize::MAX).unwrap();
    assert_eq!((chunk.facts().len(), chunk.lost_bytes, chunk.damaged.len()), (1, 300, 0));
}

#[test]
fn what_a_killed_run_left_in_memory_is_taken_over_before_the_next_run_and_shows_its_last_sign_of_life() {
    let dir = tempfile::tempdir().unwrap();
    let facts = facts();
    let mut first = Journal::open(dir.path(), at(0)).unwrap();
    first.append(facts[..3].iter(), at(0)).unwrap();
    first.beat(at(1_000)).unwrap();
    let mut crash_log = CrashLog::open(dir.path(), at(0));
    let mut records = Vec::new();
    facts[2..6].iter().for_each(|fact| record::encode(&mut records, fact).unwrap());
    // The kill left the last fact incomplete.
    crash_log.append(&records[..records.len() - 3]).unwrap();
    drop((first, crash_log));

    let second = Journal::open(dir.path(), at(60_000)).unwrap();
    let begin = JournalPosition { segment: second.first_segment(), position: 0 };
    let before = journal::read(dir.path(), JournalPosition::default(), begin, usize::MAX).unwrap().facts();
    assert_eq!(
        before,
        [&facts[..3], &facts[2..5]].concat(),
        "what was on the disk already comes twice: it is stored once"
    );
    let runs = journal::runs_before(dir.path(), second.first_segment()).unwrap();
    assert_eq!(runs.len(), 1);
    assert!(Files::of(dir.path()).unwrap().left_beside(at(60_000)).unwrap().is_empty(), "it is taken over once");
    drop(second);
    // The next run's loop appends facts before its journal is open: they do not count as those of an earlier run.
    CrashLog::open(dir.path(), at(89_000)).append(&records).unwrap();
    let lock = journal::Lock::take(dir.path()).unwrap();
    let third = Journal::open_locked(dir.path(), lock, at(90_000), at(89_000)).unwrap();
    let begin = JournalPosition { segment: third.first_segment(), position: 0 };
    assert_eq!(journal::read(dir.path(), JournalPosition::default(), begin, usize::MAX).unwrap().facts(), before);
    let files = Files::of(dir.path()).unwrap();
    assert_eq!(files.left_beside(at(99_000)).unwrap().len(), 1);
    files.remove_all();
}

#[test]
fn many_small_segments_are_looked_through_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(dir.path(), at(0)).unwrap();
    journal.append(facts()[..1].iter(), at(0)).unwrap();
    let one = fs::read(files(dir.path()).remove(0)).unwrap();
    for no in 1..=1_000 {
        fs::write(segments::path(dir.path(), MORNING + no, State::Waiting), &one).unwrap();
    }
    let folder = fs::read_dir(dir.path()).unwrap().count() as u64;
    let looked_at = |work: &dyn Fn()| {
        let before = visits();
        work();
        visits() - before
    };
    let runs = || assert_eq!(journal::runs_before(dir.path(), i64::MAX).unwrap().len(), 1);
    assert_eq!(looked_at(&runs), folder, "each file's name is read once");
    let count = || assert_eq!(segments::count(dir.path(), JournalPosition::default(), ALL).unwrap(), 1_001);
    assert_eq!(looked_at(&count), folder);
    let read = || {
        assert_eq!(journal::read(dir.path(), JournalPosition::default(), ALL, usize::MAX).unwrap().entries.len(), 1_001)
    };
    assert_eq!(looked_at(&read), folder);
    let end = JournalPosition { segment: MORNING + 1_000, position: 0 };
    let retire = || assert_eq!(segments::retire_before(dir.path(), end).unwrap(), 1_000);
    assert_eq!(looked_at(&retire), folder);
}

#[test]
fn a_folder_that_is_removed_or_moved_under_a_running_service_is_made_anew_with_the_last_segment() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("journal");
    for remove in [true, false] {
        let mut journal = Journal::open(&folder, at(0)).unwrap();
        let (id, facts) = (journal.id().to_owned(), facts());
        let before = journal.append(facts[..4].iter(), at(0)).unwrap();
        if remove {
            fs::remove_dir_all(&folder).unwrap();
        } else {
            fs::rename(&folder, dir.path().join("moved")).unwrap();
        }
        assert!(
            journal::read(&folder, JournalPosition::default(), before, usize::MAX).is_err(),
            "nothing is read, and that is an error"
        );
        let after = journal.append(facts[4..6].iter(), at(1)).unwrap();
        assert_eq!(journal::read(&folder, JournalPosition::default(), after, usize::MAX).unwrap().facts(), facts[..6]);
        assert!(matches!(Journal::open(&folder, at(2)), Err(JournalError::InUse)), "the new folder is locked");
        drop(journal);
        assert_eq!(Journal::open(&folder, at(3)).unwrap().id(), id);
        fs::remove_dir_all(&folder).unwrap();
    }
}

#[test]
fn stored_segments_are_kept_for_their_days_and_damaged_ones_until_they_are_removed() {
    let dir = tempfile::tempdir().unwrap();
    const DAY: i64 = 86_400_000;
    for day in 0..4 {
        let mut journal = Journal::open(dir.path(), at(day * DAY)).unwrap();
        journal.append(facts()[..1].iter(), at(day * DAY)).unwrap();
        journal.beat(at(day * DAY)).unwrap();
    }
    segments::keep_damaged(dir.path(), MORNING);
    let last = JournalPosition { segment: MORNING + 3 * DAY, position: 1 };
    assert_eq!(segments::retire_before(dir.path(), last).unwrap(), 3);
    let (waiting, stored, damaged) = (State::Waiting, State::Stored, State::Damaged);
    assert_eq!(segments::list(dir.path(), waiting).unwrap(), [MORNING + 3 * DAY]);
    assert_eq!(segments::list(dir.path(), stored).unwrap(), [MORNING + DAY, MORNING + 2 * DAY]);
    assert_eq!(segments::list(dir.path(), damaged).unwrap(), [MORNING]);
    let days = |days: u64| std::time::Duration::from_secs(days * 86_400);
    assert_eq!(segments::remove_stored(dir.path(), days(3)).unwrap(), 0);
    assert_eq!(segments::remove_stored(dir.path(), days(2)).unwrap(), 1);
    assert_eq!(segments::list(dir.path(), stored).unwrap(), [MORNING + 2 * DAY]);
    assert_eq!(segments::make_room(dir.path(), 4).unwrap(), 1);
    assert_eq!(segments::list(dir.path(), damaged).unwrap(), [MORNING], "neither time nor a full disk removes it");
}

/// A fact of 3 MiB.
fn heavy(no: u32) -> Fact {
    stories::answered(1, MORNING).fact(no, 0, FactKind::Breach { what: "x".repeat(3 << 20) })
}

#[test]
fn a_full_segment_is_followed_by_the_next_and_old_ones_can_be_removed() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(dir.path(), at(0)).unwrap();
    let facts: Vec<Fact> = (0..8).map(heavy).collect();
    for fact in &facts {
        // The clock stands still: numbers rise all the same.
        journal.append([fact].into_iter(), at(0)).unwrap();
    }
    assert_eq!(files(dir.path()).len(), 2);
    let middle = journal::read(dir.path(), JournalPosition::default(), journal.end(), 5).unwrap();
    assert_eq!(middle.facts(), facts[..5]);
    assert_eq!(segments::retire_before(dir.path(), middle.next).unwrap(), 0, "its segment is still needed");
    let rest = journal::read(dir.path(), middle.next, journal.end(), usize::MAX).unwrap();
    assert_eq!(rest.facts(), facts[5..]);
    assert_eq!(segments::retire_before(dir.path(), rest.next).unwrap(), 1);
    assert_eq!(files(dir.path()).len(), 1);
}

#[test]
fn after_an_error_the_group_goes_to_a_new_segment() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("journal");
    let mut journal = Journal::open(&folder, at(0)).unwrap();
    let full: Vec<Fact> = (0..6).map(heavy).collect();
    journal.append(full.iter(), at(0)).unwrap();
    let before = journal.end();
    // A file with the name of the next segment exists.
    let taken = segments::path(&folder, before.segment + 1, State::Waiting);
    fs::create_dir(&taken).unwrap();
    let facts = facts();
    assert!(journal.append(facts.iter(), at(0)).is_err(), "the next segment cannot be made");
    assert_eq!(journal.end(), before, "nothing counts as written");
    fs::remove_dir(&taken).unwrap();
    let after = journal.append(facts.iter(), at(2)).unwrap();
    assert!(after.segment > before.segment);
    assert_eq!(journal::read(&folder, before, after, usize::MAX).unwrap().facts(), facts);
}

#[test]
fn a_second_service_is_refused_while_the_first_lives() {
    let dir = tempfile::tempdir().unwrap();
    let first = Journal::open(dir.path(), at(0)).unwrap();
    assert!(matches!(Journal::open(dir.path(), at(1)), Err(JournalError::InUse)));
    let id = first.id().to_owned();
    drop(first);
    assert_eq!(Journal::open(dir.path(), at(2)).unwrap().id(), id, "the journal keeps its id over runs");
}

#[test]
fn numbers_rise_over_an_emptied_folder_and_over_a_clock_that_is_set_back() {
    let dir = tempfile::tempdir().unwrap();
    let first = Journal::open(dir.path(), at(0)).unwrap().end();
    let second = Journal::open(dir.path(), at(-5_000)).unwrap().end();
    assert!(second > first, "the clock was set back");
    for file in files(dir.path()) {
        fs::remove_file(file).unwrap();
    }
    assert!(Journal::open(dir.path(), at(10)).unwrap().end() > second, "the folder was emptied");
}

#[test]
fn each_run_has_its_own_last_sign_of_life() {
    let dir = tempfile::tempdir().unwrap();
    let life = |began, last_write| ProcessRun { began: at(began), last_write: at(last_write) };
    let begin = |began: u32| {
        let mut journal = Journal::open(dir.path(), at(began.into())).unwrap();
        let started = FactKind::Started { version: String::new() };
        let started = Fact { call: None, ..stories::answered(1, MORNING).fact(began, 0, started) };
        journal.append([&started].into_iter(), at(began.into())).unwrap();
        journal
    };
    let mut first = begin(0);
    assert_eq!(journal::runs_before(dir.path(), first.first_segment()).unwrap(), []);
    first.beat(at(65_432)).unwrap();
    drop(first);
    // Killed before it had written anything: no life.
    drop(Journal::open(dir.path(), at(70_000)).unwrap());
    let mut second = begin(90_000);
    // Its segment is full, and it runs on in the next.
    let full: Vec<Fact> = (0..6).map(heavy).collect();
    second.append(full.iter(), at(90_001)).unwrap();
    second.beat(at(95_000)).unwrap();
    second.append([heavy(7)].iter(), at(96_000)).unwrap();
    second.beat(at(99_000)).unwrap();
    drop(second);
    let third = Journal::open(dir.path(), at(100_000)).unwrap();
    let runs = journal::runs_before(dir.path(), third.first_segment()).unwrap();
    assert_eq!(runs, [life(0, 65_432), life(90_000, 99_000)]);
}

/// Runs the test `name` of this program on a disk of its own that has 1 MiB.
fn on_a_small_disk(name: &str) {
    let disk = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=1m none \"$1\" && exec \"$2\" --exact \"$3\" --ignored";
    let namespace = ["--mount", "--user", "--map-root-user", "--propagation", "private", "sh", "-c", script, "sh"];
    let mut run = std::process::Command::new("unshare");
    run.args(namespace).arg(disk.path()).arg(std::env::current_exe().unwrap()).arg(name).env("SMALL_DISK", disk.path());
    let output = run.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("1 passed"), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_start_on_a_full_disk_takes_over_the_crash_log_where_stored_segments_can_go() {
    on_a_small_disk("a_full_disk_with_stored_segments");
    on_a_small_disk("a_full_disk_with_nothing_to_remove");
}

/// A journal with a crash log of 200 KiB on a disk that has stored segments of 100 KiB each, and is full.
fn full_disk(stored: i64) -> (PathBuf, Vec<u8>) {
    let disk = PathBuf::from(std::env::var_os("SMALL_DISK").unwrap());
    let dir = disk.join("journal");
    drop(Journal::open(&dir, at(0)).unwrap());
    for no in 0..stored {
        fs::write(segments::path(&dir, MORNING - 100 + no, State::Stored), vec![0; 100 << 10]).unwrap();
    }
    let left = vec![7; 200 << 10];
    CrashLog::open(&dir, at(1)).append(&left).unwrap();
    let full = fs::write(disk.join("ballast"), vec![1; 1 << 20]);
    assert_eq!(full.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    (dir, left)
}

#[test]
#[ignore = "needs a disk of 1 MiB: a_start_on_a_full_disk_takes_over_the_crash_log_where_stored_segments_can_go runs it"]
fn a_full_disk_with_stored_segments() {
    let (dir, left) = full_disk(6);
    let journal = Journal::open(&dir, at(2));
    Files::of(&dir).unwrap().remove_all();
    drop(journal.unwrap());
    assert_eq!(segments::list(&dir, State::Stored).unwrap().len(), 2, "four made room");
    let waiting = segments::list(&dir, State::Waiting).unwrap();
    assert_eq!(waiting.len(), 3, "of the first run, of the crash log, of this run");
    assert_eq!(fs::read(segments::path(&dir, waiting[1], State::Waiting)).unwrap(), left);
}

#[test]
#[ignore = "needs a disk of 1 MiB: a_start_on_a_full_disk_takes_over_the_crash_log_where_stored_segments_can_go runs it"]
fn a_full_disk_with_nothing_to_remove() {
    let (dir, left) = full_disk(0);
    let faults = [2, 3, 4].map(|second| Journal::open(&dir, at(second)).unwrap_err());
    let found = Files::of(&dir).unwrap().left_beside(at(5)).unwrap();
    assert!(faults.iter().all(|fault| matches!(fault, JournalError::Folder(_))), "{faults:?}");
    assert_eq!(files(&dir).len(), 1, "no attempt leaves a segment");
    assert_eq!((found.len(), &found[0].bytes), (1, &left), "the facts stay in memory");
    fs::remove_file(dir.with_file_name("ballast")).unwrap();
    let journal = Journal::open(&dir, at(6));
    Files::of(&dir).unwrap().remove_all();
    drop(journal.unwrap());
    assert_eq!(files(&dir).len(), 3);
}
