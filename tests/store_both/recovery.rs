//! What the next run does about calls that a killed one left open.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use siaga::cdr::Outcome;
use siaga::cdr::fact::{EndCause, Fact, FactId, FactKind, Side};
use siaga::cdr::past::PastCall;
use siaga::ids::{CallId, OperatorId, Rng};
use siaga::store::Store;
use siaga::store::journal::Journal;
use siaga::store::past::HistoryQuery;
use siaga::store::writer::Writer;

use crate::base::Base;
use crate::stories::{self, MORNING, Story};
use crate::writing::records;
use crate::{Run, at, has_failed, started};

/// A caller who talks, and one who waits.
fn open() -> [Story; 2] {
    let talking = Story::new(1, MORNING, Some("+62811")).queued(1).offered(2, 1, "op0001").answered(5_000, 1, "op0001");
    [talking, Story::new(2, MORNING + 10, None).queued(1)]
}

fn facts(stories: &[Story]) -> Vec<Fact> {
    stories.iter().flat_map(|story| story.facts.clone()).collect()
}

/// What the record of an interrupted call must be.
fn interrupted_at(story: &Story, millis: i64) -> siaga::cdr::Cdr {
    story.clone().ended(millis, Side::Service, EndCause::Interrupted).cdr()
}

pub(crate) async fn calls_left_open_are_interrupted_once_at_the_last_sign_of_life(base: &Base) {
    base.make().await;
    let [talking, waiting] = open();
    let closed = stories::answered(3, MORNING + 20);
    // The first run stores some of it, and is killed 20 s after its last beat.
    let mut run = Run::start(base, at(0));
    run.journal.append(talking.facts[..2].iter().chain(&closed.facts), at(0)).unwrap();
    run.writer(base).run(run.durable()).await;
    run.journal.append(talking.facts[2..].iter().chain(&waiting.facts), at(5_000)).unwrap();
    run.journal.beat(at(30_000)).unwrap();
    drop(run);

    let mut run = Run::start(base, at(50_000));
    let next = stories::fallback(4, MORNING + 60_000);
    run.journal.append(next.facts.iter(), at(60_000)).unwrap();
    let figures = run.finish(base).await;
    assert_eq!(figures.interrupted_calls.load(Ordering::Relaxed), 2);
    let store = Store::open(&base.url).await.unwrap();
    let wanted = [interrupted_at(&talking, 30_000), interrupted_at(&waiting, 30_000 - 10), closed.cdr(), next.cdr()];
    assert_eq!(records(&store).await, wanted);
    assert_eq!((wanted[0].outcome, wanted[0].talk_ms), (Some(Outcome::Answered), 25_000));
    assert_eq!((wanted[1].outcome, wanted[1].waited_ms), (Some(Outcome::Interrupted), 29_990));

    // Two more starts find nothing to do.
    for later in [70_000, 80_000] {
        let run = Run::start(base, at(later));
        let id = run.journal.id().to_owned();
        let figures = run.finish(base).await;
        assert_eq!(figures.interrupted_calls.load(Ordering::Relaxed), 0);
        assert_eq!(store.open_calls(&id).await.unwrap(), []);
    }
    assert_eq!(records(&store).await, wanted);
    assert_eq!(store.facts(talking.call).await.unwrap().len(), talking.facts.len() + 1);
    store.close().await;
}

/// The database was away all the time: each run's calls end with that run, not with the last one.
pub(crate) async fn each_killed_run_ends_its_own_calls(base: &Base) {
    base.make().await;
    let [talking, _] = open();
    let waiting = Story::new(2, MORNING + 100_000, None).queued(1);
    for (no, began, story, last_write) in [(81, 0, &talking, 30_000), (82, 90_000, &waiting, 130_000)] {
        let mut run = Run::start(base, at(began));
        run.journal.append([started(no)].iter().chain(&story.facts), at(began)).unwrap();
        run.journal.beat(at(last_write)).unwrap();
    }
    let figures = Run::start(base, at(900_000)).finish(base).await;
    assert_eq!(figures.interrupted_calls.load(Ordering::Relaxed), 2);
    let store = Store::open(&base.url).await.unwrap();
    let wanted = [interrupted_at(&talking, 30_000), interrupted_at(&waiting, 30_000)];
    assert_eq!(records(&store).await, wanted);
    store.close().await;
}

pub(crate) async fn a_call_whose_end_waits_in_the_journal_is_not_interrupted(base: &Base) {
    base.make().await;
    let story = stories::answered(1, MORNING);
    let mut run = Run::start(base, at(0));
    run.journal.append(story.facts[..6].iter(), at(0)).unwrap();
    run.writer(base).run(run.durable()).await;
    // Stored as open; the end came to the journal, and no further before the kill.
    run.journal.append(story.facts[6..].iter(), at(1)).unwrap();
    drop(run);
    let figures = Run::start(base, at(2)).finish(base).await;
    assert_eq!(figures.interrupted_calls.load(Ordering::Relaxed), 0);
    let store = Store::open(&base.url).await.unwrap();
    assert_eq!(records(&store).await, [story.cdr()]);
    store.close().await;
}

/// The database rejects the ends of the first run's calls as long as the second run lasts: they stay open, and the third run ends them.
pub(crate) async fn a_recovery_that_dies_is_done_again(base: &Base) {
    base.make().await;
    let store = Store::open(&base.url).await.unwrap();
    let both = open();
    let mut run = Run::start(base, at(0));
    run.journal.append(facts(&both).iter(), at(0)).unwrap();
    run.journal.beat(at(9_000)).unwrap();
    drop(run);
    base.refuse_records().await;
    let run = Run::start(base, at(20_000));
    run.writer(base).run(run.durable()).await;
    let id = run.journal.id().to_owned();
    drop(run);
    assert_eq!(store.open_calls(&id).await.unwrap().len(), 2, "they are still open");
    base.behind("DROP TRIGGER refuse", "ALTER TABLE cdr DROP CONSTRAINT refuse").await;
    Run::start(base, at(40_000)).finish(base).await;
    assert_eq!(store.open_calls(&id).await.unwrap(), []);
    let found = records(&store).await;
    assert_eq!(found.len(), 2);
    for (cdr, story) in found.iter().zip(&both) {
        assert_eq!(cdr.cause, Some(EndCause::Interrupted));
        let ends = store.facts(story.call).await.unwrap();
        assert_eq!(ends.iter().filter(|fact| matches!(fact.kind, FactKind::Ended { .. })).count(), 1);
    }
    store.close().await;
}

/// Each service closes its own calls, never those of the other, which may be alive.
pub(crate) async fn two_journals_share_a_database(base: &Base) {
    base.make().await;
    let [mine, theirs] = open();
    let mut here = Run::start(base, at(0));
    here.journal.append(mine.facts.iter(), at(0)).unwrap();
    here.writer(base).run(here.durable()).await;
    let other = base.dir.path().join("other");
    let mut there = Journal::open(&other, at(0)).unwrap();
    there.append(theirs.facts.iter(), at(0)).unwrap();
    let (id, first) = (there.id().to_owned(), there.first_segment());
    let durable = tokio::sync::watch::channel(there.end()).1;
    siaga::store::writer::Writer::new(base.url.clone(), other, id.clone(), first, Default::default())
        .run(durable)
        .await;

    here.journal.beat(at(8_000)).unwrap();
    drop(here);
    let figures = Run::start(base, at(10_000)).finish(base).await;
    assert_eq!(figures.interrupted_calls.load(Ordering::Relaxed), 1);
    let store = Store::open(&base.url).await.unwrap();
    assert_eq!(records(&store).await, [interrupted_at(&mine, 8_000)]);
    assert_eq!(store.open_calls(&id).await.unwrap(), [theirs.call], "the other service's caller still waits");
    assert_eq!(store.cursor(&id).await.unwrap(), there.end());
    store.close().await;
}

/// A mark of a caller, told by the service `no` milliseconds after the first.
fn marked(no: u32, number: &str) -> Fact {
    let stream = CallId::new(at(0), &mut Rng::from_number(80));
    let kind = FactKind::CallerMarked { number: number.to_owned(), until: Some(at(9_000_000)), by: "ani".to_owned() };
    Fact { id: FactId { stream, seq: no }, call: None, at: at(i64::from(no)), up: None, kind }
}

/// Who sat where, the same way.
fn stationed(no: u32, operator: Option<&str>) -> Fact {
    let operator = operator.map(|name| OperatorId::parse(name).unwrap());
    let kind = FactKind::Stationed { station: OperatorId::parse("meja1").unwrap(), operator };
    Fact { kind, ..marked(no, "") }
}

/// What the run before has left in the journal counts, and nothing of this run does.
pub(crate) async fn what_earlier_runs_knew_is_told_before_anything_of_this_one(base: &Base) {
    base.make().await;
    let (old, missed) =
        (stories::abandoned_while_ringing(5, MORNING - 60_000), stories::abandoned_while_ringing(4, MORNING));
    let [talking, waiting] = open();
    let pranked = stories::taken_over(6, MORNING + 30);
    let mut run = Run::start(base, at(0));
    let marks =
        [marked(1, "0811"), marked(2, "0812"), marked(3, "0813"), stationed(4, Some("op1")), stationed(5, None)];
    run.journal.append(old.facts.iter().chain(&missed.facts).chain(&marks[..2]), at(0)).unwrap();
    run.writer(base).run(run.durable()).await;
    let late = talking.facts.iter().chain(&waiting.facts).chain(&pranked.facts).chain(&marks[2..]);
    run.journal.append(late, at(5_000)).unwrap();
    run.journal.beat(at(30_000)).unwrap();
    drop(run);

    let mut run = Run::start(base, at(50_000));
    let mine = stories::abandoned_while_ringing(7, MORNING + 60_000);
    let my_marks = [marked(60_000, "0814"), stationed(60_001, Some("op2"))];
    run.journal.append(mine.facts.iter().chain(&my_marks), at(60_001)).unwrap();
    let (tell, told) = tokio::sync::oneshot::channel();
    run.writer(base).with_history_query(HistoryQuery::new(at(0), at(2), tell)).run(run.durable()).await;
    let past = told.await.unwrap();
    assert_eq!(past.facts, marks[1..], "since then, those of the journal too, and none of this run");
    let cdrs = [missed.cdr(), interrupted_at(&talking, 30_000), interrupted_at(&waiting, 30_000 - 10), pranked.cdr()];
    let mut wanted: Vec<PastCall> = cdrs.iter().filter_map(PastCall::of).collect();
    wanted.sort_by_key(|call| (call.received, call.call));
    assert_eq!(past.calls, wanted);
    let prank = &past.calls.iter().find(|call| call.call == pranked.call).unwrap();
    assert_eq!(prank.prank, Some(at(96_030)));
    let worked: Vec<_> = prank.worked_by.iter().map(|(name, since)| (name.as_str(), *since)).collect();
    assert_eq!(worked, [("op0001", at(50_030)), ("op0002", at(15_030))]);
    assert_eq!(past.calls.iter().filter(|call| call.answered.is_none()).count(), 2);
    // All of it was stored, and a store of its own tells the same, with what this run has added.
    let store = Store::open(&base.url).await.unwrap();
    let later = store.past(at(0), at(2)).await.unwrap();
    assert_eq!((later.calls.len(), later.facts.len()), (wanted.len() + 1, 6));
    store.close().await;
}

/// The database rejects the recovery once, in a run that continues.
pub(crate) async fn a_recovery_that_fails_once_is_repeated_in_the_same_run(base: &Base) {
    base.make().await;
    let store = Store::open(&base.url).await.unwrap();
    let both = open();
    let mut run = Run::start(base, at(0));
    run.journal.append(facts(&both).iter(), at(0)).unwrap();
    run.writer(base).run(run.durable()).await;
    drop(run);
    base.refuse_records().await;
    let mut run = Run::start(base, at(20_000));
    let next = stories::fallback(4, MORNING + 60_000);
    let (writer, figures) = (run.writer(base), run.figures.clone());
    let (tell, durable) = tokio::sync::watch::channel(run.journal.end());
    let journal = &mut run.journal;
    let mended = async {
        while !figures.caught_up.load(Ordering::Relaxed) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        base.behind("DROP TRIGGER refuse", "ALTER TABLE cdr DROP CONSTRAINT refuse").await;
        journal.append(next.facts.iter(), at(60_000)).unwrap();
        tell.send(journal.end()).unwrap();
        drop(tell);
    };
    tokio::join!(writer.run(durable), mended);
    assert_eq!(store.open_calls(run.journal.id()).await.unwrap(), []);
    let causes: Vec<_> = records(&store).await.iter().map(|cdr| cdr.cause.unwrap()).collect();
    assert_eq!(causes, [EndCause::Interrupted, EndCause::Interrupted, next.cdr().cause.unwrap()]);
    store.close().await;
}

/// The folder is lost with its id: the next run at the same place has another journal, and closes the calls that the lost one left open.
pub(crate) async fn a_lost_journal_folder_leaves_no_call_open(base: &Base) {
    base.make().await;
    let both = open();
    let mut run = Run::start(base, at(0));
    run.journal.append(facts(&both).iter(), at(0)).unwrap();
    let lost = run.journal.id().to_owned();
    run.writer(base).run(run.durable()).await;
    drop(run);
    std::fs::remove_dir_all(base.journal()).unwrap();
    let run = Run::start(base, at(50_000));
    assert_ne!(run.journal.id(), lost);
    run.finish(base).await;
    let store = Store::open(&base.url).await.unwrap();
    assert_eq!(store.open_calls(&lost).await.unwrap(), []);
    let causes: Vec<_> = records(&store).await.iter().map(|cdr| cdr.cause).collect();
    assert_eq!(causes, [Some(EndCause::Interrupted), Some(EndCause::Interrupted)]);
    store.close().await;
}

/// A run that hung continues with a database in which a later run of the same journal has live calls.
pub(crate) async fn a_writer_closes_no_call_of_a_later_run(base: &Base) {
    base.make().await;
    let [mine, theirs] = open();
    let mut old = Run::start(base, at(0));
    old.journal.append(mine.facts.iter(), at(0)).unwrap();
    let (writer, durable) = (old.writer(base), old.durable());
    drop(old);
    let mut new = Run::start(base, at(10_000));
    new.journal.append(theirs.facts.iter(), at(10_000)).unwrap();
    let id = new.journal.id().to_owned();
    new.writer(base).run(new.durable()).await;
    let store = Store::open(&base.url).await.unwrap();
    assert_eq!(store.open_calls(&id).await.unwrap(), [theirs.call]);
    // The old writer has nothing to copy and runs its recovery.
    let ended = tokio::time::timeout(std::time::Duration::from_secs(3), writer.run(durable)).await;
    assert_eq!(store.open_calls(&id).await.unwrap(), [theirs.call], "{ended:?}");
    store.close().await;
}

pub(crate) async fn a_kill_in_the_wrap_up_ends_it_at_the_last_sign_of_life(base: &Base) {
    base.make().await;
    let whole = stories::answered(1, MORNING);
    let wrapped = whole.facts.iter().position(|fact| matches!(fact.kind, FactKind::WrappedUp { .. })).unwrap();
    let ended = whole.facts.iter().find(|fact| matches!(fact.kind, FactKind::Ended { .. })).unwrap().at;
    let at = |after: i64| siaga::clock::Timestamp::from_millis(ended.as_millis() + after);
    let mut run = Run::start(base, at(-80_000));
    run.journal.append(whole.facts[..wrapped].iter(), at(0)).unwrap();
    run.journal.beat(at(7_000)).unwrap();
    run.writer(base).run(run.durable()).await;
    drop(run);
    let figures = Run::start(base, at(60_000)).finish(base).await;
    assert_eq!(figures.interrupted_calls.load(Ordering::Relaxed), 0, "the call had ended");
    let store = Store::open(&base.url).await.unwrap();
    let found = records(&store).await;
    assert_eq!((found.len(), found[0].wrap_ms, found[0].cause), (1, Some(7_000), whole.cdr().cause));
    Run::start(base, at(90_000)).finish(base).await;
    assert_eq!(records(&store).await, found);
    store.close().await;
}

/// The cursor is within a call, and the facts that the crash left in memory begin before it: facts come again, the call's beginning after its end.
pub(crate) async fn facts_that_a_crash_left_in_memory_and_on_the_disk_are_stored_once(base: &Base) {
    base.make().await;
    let (whole, next) = (stories::answered(1, MORNING), stories::taken_over(2, MORNING + 5));
    let mut run = Run::start(base, at(0));
    run.journal.append(whole.facts[..3].iter(), at(0)).unwrap();
    run.writer(base).run(run.durable()).await;
    run.journal.append(whole.facts[3..].iter(), at(0)).unwrap();
    let mut crash_log = siaga::store::crash_log::CrashLog::open(&base.journal(), at(0));
    let mut records_left = Vec::new();
    let all = whole.facts.iter().chain(&next.facts);
    all.for_each(|fact| siaga::store::journal::record::encode(&mut records_left, fact).unwrap());
    crash_log.append(&records_left).unwrap();
    drop((run, crash_log));
    let figures = Run::start(base, at(200_000)).finish(base).await;
    assert_eq!((figures.failures.load(Ordering::Relaxed), figures.calls_aside.load(Ordering::Relaxed)), (0, 0));
    let store = Store::open(&base.url).await.unwrap();
    assert_eq!(records(&store).await, [whole.cdr(), next.cdr()]);
    store.close().await;
}

pub(crate) async fn a_new_or_restored_database_gets_the_calls_that_it_lacks_from_stored_segments(base: &Base) {
    base.make().await;
    let days = std::time::Duration::from_secs(7 * 86_400);
    let calls: Vec<Story> = (1..=4).map(|no| stories::answered(no, MORNING + no as i64)).collect();
    let mut starts = (0..).map(|no| at(100_000 * no));
    let one_run = async |start, base: &Base, url: &str, call: Option<&Story>| {
        let mut run = Run::start(base, start);
        run.journal.append(call.iter().flat_map(|call| &call.facts), start).unwrap();
        let (id, first) = (run.journal.id().to_owned(), run.journal.first_segment());
        let writer = Writer::new(url.to_owned(), base.journal(), id, first, Arc::clone(&run.figures)).keeping(days);
        writer.run(run.durable()).await;
    };
    for call in &calls[..3] {
        one_run(starts.next().unwrap(), base, &base.url, Some(call)).await;
    }
    let of_the_same_kind = if base.is_postgres() { Base::postgres } else { Base::sqlite };
    // On a thread of its own: it looks for the server in a runtime of its own.
    let new = std::thread::spawn(of_the_same_kind).join().unwrap();
    new.make().await;
    one_run(starts.next().unwrap(), base, &new.url, Some(&calls[3])).await;
    let found = |url: String| async move {
        let store = Store::open(&url).await.unwrap();
        let found: Vec<_> = records(&store).await.into_iter().map(|cdr| cdr.call).collect();
        store.close().await;
        found
    };
    let all: Vec<_> = calls.iter().map(|call| call.call).collect();
    assert_eq!(found(new.url.clone()).await, all);
    // The database of before is back: it lacks only the last call, and has no call twice.
    assert_eq!(found(base.url.clone()).await, all[..3]);
    one_run(starts.next().unwrap(), base, &base.url, None).await;
    assert_eq!(found(base.url.clone()).await, all);
}

/// The ends that the recovery has given are in the database alone: a database that is restored while the service runs lacks them.
pub(crate) async fn a_database_that_is_restored_while_the_writer_runs_gets_the_ends_of_interrupted_calls_again(
    base: &Base,
) {
    base.make().await;
    let days = std::time::Duration::from_secs(7 * 86_400);
    let both = open();
    let mut run = Run::start(base, at(0));
    run.journal.append(facts(&both).iter(), at(0)).unwrap();
    drop(run);
    let mut run = Run::start(base, at(20_000));
    let next = stories::answered(4, MORNING + 60_000);
    let (writer, figures) = (run.writer(base).keeping(days), run.figures.clone());
    let (tell, durable) = tokio::sync::watch::channel(run.journal.end());
    let store = Store::open(&base.url).await.unwrap();
    let restored = async {
        while records(&store).await.len() < both.len() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        let empty = "DELETE FROM cdr; DELETE FROM talk; DELETE FROM open_call; DELETE FROM fact; DELETE FROM journal_cursor; \
            ALTER TABLE cdr RENAME TO away";
        base.behind(empty, empty).await;
        run.journal.append(next.facts.iter(), at(70_000)).unwrap();
        tell.send_replace(run.journal.end());
        has_failed(&figures, 1).await;
        base.behind("ALTER TABLE away RENAME TO cdr", "ALTER TABLE away RENAME TO cdr").await;
        drop(tell);
    };
    tokio::join!(writer.run(durable), restored);
    let causes: Vec<_> = records(&store).await.iter().map(|cdr| cdr.cause.unwrap()).collect();
    assert_eq!(causes, [EndCause::Interrupted, EndCause::Interrupted, next.cdr().cause.unwrap()]);
    store.close().await;
}
