//! Facts reach the journal, whatever fails.

use super::*;
use crate::cdr::fact::FactId;
use crate::clock::Timestamp;
use crate::ids::Rng;
use crate::store::crash_log::Files;

const RUN: Timestamp = Timestamp::from_millis(1);
const NEXT: Timestamp = Timestamp::from_millis(2);

/// A ledger whose queue to the journal's thread holds one step, after two steps of one fact each.
fn two_steps(dir: &std::path::Path) -> (Ledger, mpsc::Receiver<Step>) {
    let crash_log = CrashLog::open(dir, RUN);
    let (steps, inbox) = mpsc::channel(1);
    let figures = Arc::<JournalFigures>::default();
    let mut ledger =
        Ledger { steps, figures, crash_log, records: Vec::new(), facts: Vec::new(), recordings: Vec::new() };
    for seq in 0..2 {
        step(&mut ledger, seq);
    }
    assert_eq!(ledger.figures.held.load(Ordering::Relaxed), 1, "the second found no room");
    assert_eq!(ledger.figures.lost.load(Ordering::Relaxed), 0, "it is in the crash log");
    (ledger, inbox)
}

fn step(ledger: &mut Ledger, seq: u32) {
    let stream = CallId::new(RUN, &mut Rng::from_number(1));
    let kind = FactKind::Breach { what: String::new() };
    ledger.append(Fact { id: FactId { stream, seq }, call: None, at: RUN, up: None, kind });
    ledger.flush();
}

#[test]
fn facts_that_find_no_room_stay_in_the_crash_log() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, _inbox) = two_steps(dir.path());
    ledger.crash_log.cleaner().stored_all(1);
    let files = Files::of(dir.path()).unwrap();
    let left = files.left_beside(NEXT).unwrap();
    files.remove_all();
    assert_eq!(left.len(), 1);
}

fn writer(dir: &std::path::Path, ledger: &Ledger) -> (JournalWriter, watch::Receiver<JournalPosition>) {
    let journal = Journal::open_locked(dir, Lock::take(dir).unwrap(), RUN, RUN).unwrap();
    let thread = JournalThread {
        dir: dir.to_owned(),
        lock: None,
        clock: Clock::start(),
        figures: Arc::clone(&ledger.figures),
        alarms: Alarms::default(),
        cleaner: ledger.crash_log.cleaner(),
    };
    let (tell, durable) = watch::channel(journal.end());
    (JournalWriter { thread, journal, tell, recent: Recent::default() }, durable)
}

/// The numbers of the facts in the journal.
fn written(dir: &std::path::Path, until: JournalPosition) -> Vec<u32> {
    let read = crate::store::journal::read(dir, JournalPosition::default(), until, 100).unwrap();
    let seqs: std::collections::BTreeSet<u32> = read.entries.iter().map(|entry| entry.id.seq).collect();
    seqs.into_iter().collect()
}

#[tokio::test]
async fn a_recording_is_reported_when_its_fact_is_in_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, mut inbox) = Ledger::new(CrashLog::open(dir.path(), RUN), Arc::default());
    let (mut writer, _durable) = writer(dir.path(), &ledger);
    let (call, leg) = (CallId::new(RUN, &mut Rng::from_number(1)), LegNo(2));
    let kind = FactKind::RecordingFailed { leg, why: String::new() };
    ledger.append(Fact { id: FactId { stream: call, seq: 0 }, call: Some(call), at: RUN, up: None, kind });
    ledger.flush();
    let figures = Arc::clone(&ledger.figures);
    assert!(!figures.recordings.has(call, leg));
    drop(ledger);
    writer.run(&mut inbox).await;
    assert!(figures.recordings.has(call, leg));
    Files::of(dir.path()).unwrap().remove_all();
}

#[tokio::test]
async fn facts_that_found_no_room_reach_the_journal_once_it_has_caught_up() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, mut inbox) = two_steps(dir.path());
    let cleaner = ledger.crash_log.cleaner();
    let (mut writer, mut durable) = writer(dir.path(), &ledger);
    let caught_up = async {
        while cleaner.held().is_some() {
            durable.changed().await.unwrap();
        }
    };
    let figures = Arc::clone(&ledger.figures);
    let service = async {
        let in_time = tokio::time::timeout(Duration::from_secs(10), caught_up).await;
        drop(ledger);
        in_time.expect("it need not wait for the end of the service");
    };
    tokio::join!(writer.run(&mut inbox), service);
    assert_eq!(written(dir.path(), writer.journal.end()), [0, 1]);
    let read = crate::store::journal::read(dir.path(), JournalPosition::default(), writer.journal.end(), 100).unwrap();
    let figure = |of: &AtomicU64| of.load(Ordering::Relaxed);
    assert_eq!((figure(&figures.given), figure(&figures.held)), (figure(&figures.facts), 0), "none waits");
    assert_eq!(figure(&figures.facts), read.entries.len() as u64, "the writer counts every record that it reads");
    assert_eq!(cleaner.held(), None, "later facts may be removed from memory again");
    assert!(Files::of(dir.path()).unwrap().left_beside(NEXT).unwrap().is_empty());
}

#[tokio::test]
async fn facts_that_found_no_room_at_the_end_of_the_service_reach_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, mut inbox) = two_steps(dir.path());
    let (mut writer, _durable) = writer(dir.path(), &ledger);
    drop((inbox.try_recv().unwrap(), ledger));
    writer.run(&mut inbox).await;
    assert_eq!(written(dir.path(), writer.journal.end()), [0, 1]);
    Files::of(dir.path()).unwrap().remove_all();
}

#[test]
fn a_step_that_finds_no_room_while_the_held_files_are_read_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _inbox) = two_steps(dir.path());
    let cleaner = ledger.crash_log.cleaner();
    let held = cleaner.held().unwrap();
    let before = cleaner.read(held).unwrap();
    step(&mut ledger, 2);
    assert!(!cleaner.release(held));
    let again = cleaner.held().expect("the third step has found no room either");
    assert!(cleaner.read(again).unwrap().len() > before.len());
    assert!(cleaner.release(again));
    assert_eq!(cleaner.held(), None);
    Files::of(dir.path()).unwrap().remove_all();
}
