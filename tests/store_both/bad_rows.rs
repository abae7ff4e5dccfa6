//! One row that cannot be read or stored affects no other row.

use std::sync::atomic::Ordering;

use siaga::cdr::fact::{EndCause, FactKind};
use siaga::store::Store;
use siaga::store::aside::Aside;
use siaga::store::facts::Batch;
use siaga::store::journal::record::Entry;
use siaga::store::journal::segments::{self, State};
use siaga::store::salvage;

use crate::base::Base;
use crate::stories::{self, MORNING, Story};
use crate::writing::records;
use crate::{Run, at, has_failed};

const POISON: &str = "+62666";

/// Makes the database reject records of one number.
async fn refuse(base: &Base) {
    base.behind(
        "CREATE TRIGGER refuse BEFORE INSERT ON cdr WHEN NEW.number = '+62666' BEGIN SELECT RAISE(ABORT, 'refused'); END",
        "ALTER TABLE cdr ADD CONSTRAINT refuse CHECK (number <> '+62666') NOT VALID",
    )
    .await;
}

async fn mend(base: &Base) {
    base.behind("DROP TRIGGER refuse", "ALTER TABLE cdr DROP CONSTRAINT refuse").await;
}

/// A call of the number that the database rejects.
fn poisoned(no: u64) -> Story {
    let story = Story::new(no, MORNING + 5, Some(POISON)).queued(1);
    story.ended(2_000, siaga::cdr::fact::Side::Caller, EndCause::Abandoned)
}

pub(crate) async fn a_fact_and_a_cause_of_a_newer_version_are_kept_raw_and_block_nothing(base: &Base) {
    base.make().await;
    let (one, other) = (stories::answered(1, MORNING), stories::fallback(2, MORNING + 1));
    let mut run = Run::start(base, at(0));
    run.journal.append(one.facts.iter(), at(0)).unwrap();
    drop(run);
    // A newer version wrote them: a kind, a field, a cause, a side and a mode that this version does not know.
    let file =
        segments::path(&base.journal(), segments::list(&base.journal(), State::Waiting).unwrap()[0], State::Waiting);
    let mut bodies: Vec<String> =
        salvage::read(&file, false).unwrap().entries.into_iter().map(|entry| entry.json).collect();
    bodies[0] =
        bodies[0].replace("\"kind\":\"received\"", "\"kind\":\"received\",\"posture\":\"floating\",\"satellite\":7");
    let end = bodies.iter().position(|body| body.contains("\"kind\":\"ended\"")).unwrap();
    bodies[end] = bodies[end].replace("\"cause\":\"normal\"", "\"cause\":\"hung-up-by-satellite\"");
    bodies[end] = bodies[end].replace("\"by\":\"caller\"", "\"by\":\"satellite\"");
    bodies.push(format!(
        "{{\"stream\":\"{0}\",\"seq\":50,\"call\":\"{0}\",\"at\":1,\"kind\":\"satellite-positioned\"}}",
        one.call
    ));
    let record = |body: &String| {
        let (length, sum) = (u32::try_from(body.len()).unwrap(), crc32fast::hash(body.as_bytes()));
        [&length.to_le_bytes()[..], &sum.to_le_bytes(), body.as_bytes()].concat()
    };
    std::fs::write(&file, bodies.iter().flat_map(record).collect::<Vec<u8>>()).unwrap();

    let mut run = Run::start(base, at(1_000));
    run.journal.append(other.facts.iter(), at(1_000)).unwrap();
    let figures = run.finish(base).await;
    assert_eq!((figures.failures.load(Ordering::Relaxed), figures.unknown_records.load(Ordering::Relaxed)), (0, 1));
    let store = Store::open(&base.url).await.unwrap();
    let found = records(&store).await;
    assert_eq!((found.len(), found[0].cause, found[0].talk_ms), (2, Some(EndCause::Unknown), one.cdr().talk_ms));
    // The record is folded again from the stored facts, as after a late fact.
    store.take("another", Batch { recompute: vec![one.call], ..Batch::default() }).await.unwrap();
    assert_eq!(records(&store).await, found);
    // The database has the facts unchanged, so that a newer version can read them.
    let three = "CREATE TABLE three (n BIGINT CHECK (n = 3)); \
        INSERT INTO three SELECT COUNT(*) FROM fact WHERE body LIKE '%satellite%'";
    base.behind(three, three).await;
    store.close().await;
}

pub(crate) async fn a_call_that_the_database_does_not_take_is_set_aside_and_stored_by_a_retry(base: &Base) {
    base.make().await;
    let store = Store::open(&base.url).await.unwrap();
    refuse(base).await;
    let (bad, good) = (poisoned(40), stories::all(MORNING));
    let mut run = Run::start(base, at(0));
    let all: Vec<_> = good.iter().flat_map(|(_, story)| story.facts.clone()).chain(bad.facts.clone()).collect();
    run.journal.append(all.iter(), at(0)).unwrap();
    let id = run.journal.id().to_owned();
    run.writer(base).run(run.durable()).await;
    assert_eq!(run.figures.calls_aside.load(Ordering::Relaxed), 1);
    assert_eq!(records(&store).await.len(), good.len(), "all others are stored");
    // A later fact of the call is set aside too.
    let late = bad.fact(stories::LATE | 9, 9_000, FactKind::CallBackLost);
    run.journal.append([&late].into_iter(), at(9_000)).unwrap();
    run.finish(base).await;
    let mut aside = Aside::open(&base.journal()).unwrap();
    let listed = aside.list().unwrap();
    assert_eq!((listed.len(), listed[0].call, listed[0].facts), (1, bad.call, bad.facts.len() + 1));
    assert_eq!(store.open_calls(&id).await.unwrap(), []);

    let outcomes = aside.retry(&store, &id).await;
    assert!(outcomes.len() == 1 && outcomes[0].1.is_err(), "it is still refused");
    mend(base).await;
    let outcomes = aside.retry(&store, &id).await;
    assert!(outcomes.len() == 1 && outcomes[0].1.is_ok(), "{outcomes:?}");
    assert!(Aside::open(&base.journal()).unwrap().is_empty());
    let found = records(&store).await;
    assert_eq!(found.len(), good.len() + 1);
    assert!(found.contains(&bad.cdr()));
    assert_eq!(store.open_calls(&id).await.unwrap(), []);
    store.close().await;
}

/// A retry of a batch sets no fact aside again.
pub(crate) async fn a_database_that_fails_behind_a_call_that_is_set_aside_gets_its_facts_once(base: &Base) {
    base.make().await;
    let store = Store::open(&base.url).await.unwrap();
    refuse(base).await;
    let (bad, good) = (poisoned(40), stories::all(MORNING));
    let mut run = Run::start(base, at(0));
    run.journal.append(bad.facts.iter(), at(0)).unwrap();
    assert_eq!(run.finish(base).await.calls_aside.load(Ordering::Relaxed), 1);
    let mut run = Run::start(base, at(8_000));
    base.behind("ALTER TABLE cdr RENAME TO away", "ALTER TABLE cdr RENAME TO away").await;
    let late = bad.fact(stories::LATE | 9, 9_000, FactKind::CallBackLost);
    run.journal.append([&late].into_iter().chain(good.iter().flat_map(|(_, story)| &story.facts)), at(9_000)).unwrap();
    let figures = run.figures.clone();
    let failed = async {
        while figures.failures.load(Ordering::Relaxed) < 3 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    run.writer(base).run_until(run.durable(), failed).await;
    let listed = Aside::open(&base.journal()).unwrap().list().unwrap();
    assert_eq!((listed.len(), listed[0].facts), (1, bad.facts.len() + 1));
    base.behind("ALTER TABLE away RENAME TO cdr", "ALTER TABLE away RENAME TO cdr").await;
    run.finish(base).await;
    assert_eq!(records(&store).await.len(), good.len());
    store.close().await;
}

pub(crate) async fn an_interrupted_call_that_the_database_does_not_take_blocks_no_other(base: &Base) {
    base.make().await;
    let store = Store::open(&base.url).await.unwrap();
    let (bad, good) =
        (Story::new(40, MORNING, Some(POISON)).queued(1), Story::new(41, MORNING, Some("+6281")).queued(1));
    let mut run = Run::start(base, at(0));
    run.journal.append(bad.facts.iter().chain(&good.facts), at(0)).unwrap();
    let id = run.journal.id().to_owned();
    run.finish(base).await;
    refuse(base).await;
    let figures = Run::start(base, at(20_000)).finish(base).await;
    assert_eq!(figures.calls_aside.load(Ordering::Relaxed), 1);
    assert_eq!(records(&store).await.iter().map(|cdr| cdr.call).collect::<Vec<_>>(), [good.call]);
    mend(base).await;
    let outcomes = Aside::open(&base.journal()).unwrap().retry(&store, &id).await;
    assert!(outcomes.iter().all(|(_, outcome)| outcome.is_ok()), "{outcomes:?}");
    assert_eq!(records(&store).await.len(), 2);
    assert_eq!(store.open_calls(&id).await.unwrap(), []);
    store.close().await;
}

/// The only call that a run left open: the writer sets it aside and stores the facts of its own run.
pub(crate) async fn the_only_interrupted_call_is_set_aside_if_the_database_rejects_it(base: &Base) {
    base.make().await;
    let store = Store::open(&base.url).await.unwrap();
    let bad = Story::new(40, MORNING, Some(POISON)).queued(1);
    let mut run = Run::start(base, at(0));
    run.journal.append(bad.facts.iter(), at(0)).unwrap();
    run.finish(base).await;
    refuse(base).await;
    let mut run = Run::start(base, at(20_000));
    let next = stories::answered(42, MORNING + 30_000);
    run.journal.append(next.facts.iter(), at(40_000)).unwrap();
    let figures = run.figures.clone();
    let failed_often = async {
        has_failed(&figures, 3).await;
    };
    run.writer(base).run_until(run.durable(), failed_often).await;
    assert_eq!((figures.failures.load(Ordering::Relaxed), figures.calls_aside.load(Ordering::Relaxed)), (0, 1));
    assert_eq!(records(&store).await, [next.cdr()]);
    store.close().await;
}

/// All calls that a run left open: they wait until the database has taken a record, and hold up no other call.
pub(crate) async fn several_interrupted_calls_that_the_database_rejects_hold_up_no_other(base: &Base) {
    base.make().await;
    let store = Store::open(&base.url).await.unwrap();
    let bad = [40, 41].map(|no| Story::new(no, MORNING, Some(POISON)).queued(1));
    let mut run = Run::start(base, at(0));
    run.journal.append(bad.iter().flat_map(|bad| &bad.facts), at(0)).unwrap();
    let id = run.journal.id().to_owned();
    run.finish(base).await;
    refuse(base).await;
    // No call has ended since the start: whether the database takes any record is not known.
    let mut run = Run::start(base, at(20_000));
    let next = stories::answered(42, MORNING + 30_000);
    run.journal.append(next.facts[..2].iter(), at(40_000)).unwrap();
    let figures = run.figures.clone();
    run.writer(base).run_until(run.durable(), has_failed(&figures, 3)).await;
    assert_eq!((figures.failures.load(Ordering::Relaxed), figures.calls_aside.load(Ordering::Relaxed)), (0, 0));
    assert_eq!(store.facts(next.call).await.unwrap().len(), 2);
    run.journal.append(next.facts[2..].iter(), at(40_000)).unwrap();
    run.writer(base).run_until(run.durable(), has_failed(&figures, 3)).await;
    assert_eq!((figures.failures.load(Ordering::Relaxed), figures.calls_aside.load(Ordering::Relaxed)), (0, 2));
    assert_eq!(figures.interrupted_calls.load(Ordering::Relaxed), 2);
    assert_eq!(records(&store).await, [next.cdr()]);
    mend(base).await;
    let outcomes = Aside::open(&base.journal()).unwrap().retry(&store, &id).await;
    assert!(outcomes.iter().all(|(_, outcome)| outcome.is_ok()), "{outcomes:?}");
    assert_eq!((records(&store).await.len(), store.open_calls(&id).await.unwrap().len()), (3, 0));
    store.close().await;
}

/// A retry that was killed has left its file, and the service has set a later fact of the call aside since.
pub(crate) async fn a_retry_takes_what_an_earlier_one_has_left(base: &Base) {
    base.make().await;
    let bad = poisoned(40);
    let mut run = Run::start(base, at(0));
    run.journal.append([].into_iter(), at(0)).unwrap();
    let id = run.journal.id().to_owned();
    run.finish(base).await;
    let mut aside = Aside::open(&base.journal()).unwrap();
    let entries: Vec<_> = bad.facts.iter().map(|fact| Entry::of(fact).unwrap()).collect();
    let (last, first) = entries.split_last().unwrap();
    aside.put(bad.call, &first.iter().collect::<Vec<_>>()).unwrap();
    let file = base.journal().join("aside").join(format!("{}.facts", bad.call));
    std::fs::rename(&file, file.with_extension("retried")).unwrap();
    let mut aside = Aside::open(&base.journal()).unwrap();
    assert!(aside.has(bad.call), "no fact of the call may pass the ones that wait");
    aside.put(bad.call, &[last]).unwrap();
    assert_eq!(aside.list().unwrap()[0].facts, bad.facts.len());
    let store = Store::open(&base.url).await.unwrap();
    let outcomes = aside.retry(&store, &id).await;
    assert!(outcomes.len() == 1 && outcomes[0].1.is_ok(), "{outcomes:?}");
    assert!(aside.is_empty() && std::fs::read_dir(base.journal().join("aside")).unwrap().next().is_none());
    assert_eq!(records(&store).await, [bad.cdr()]);
    store.close().await;
}

/// Holds a lock on the database, so that a retry waits for it, until the returned function releases the lock.
async fn locked(base: &Base) -> impl AsyncFnOnce() {
    use sqlx::{Connection as _, Executor as _, PgConnection, SqliteConnection};
    let (mut sqlite, mut postgres) = (None, None);
    if base.is_postgres() {
        let mut connection = PgConnection::connect(&base.url).await.unwrap();
        connection.execute("BEGIN; LOCK TABLE fact IN ACCESS EXCLUSIVE MODE").await.unwrap();
        postgres = Some(connection);
    } else {
        let mut connection = SqliteConnection::connect(&base.url).await.unwrap();
        connection.execute("BEGIN IMMEDIATE").await.unwrap();
        sqlite = Some(connection);
    }
    async move || {
        if let Some(mut connection) = sqlite {
            connection.execute("ROLLBACK").await.unwrap();
        }
        if let Some(mut connection) = postgres {
            connection.execute("ROLLBACK").await.unwrap();
        }
    }
}

/// The service sets a late fact of the call aside while `siaga journal retry` waits for the database.
pub(crate) async fn facts_that_are_set_aside_during_a_retry_wait_for_the_next_one(base: &Base) {
    base.make().await;
    let store = Store::open(&base.url).await.unwrap();
    let bad = poisoned(40);
    let mut run = Run::start(base, at(0));
    run.journal.append([].into_iter(), at(0)).unwrap();
    let id = run.journal.id().to_owned();
    run.finish(base).await;
    let entries: Vec<_> = bad.facts.iter().map(|fact| Entry::of(fact).unwrap()).collect();
    let (last, first) = entries.split_last().unwrap();
    let (mut service, mut command) = (Aside::open(&base.journal()).unwrap(), Aside::open(&base.journal()).unwrap());
    service.put(bad.call, &first.iter().collect::<Vec<_>>()).unwrap();
    assert!(std::mem::replace(&mut command, Aside::open(&base.journal()).unwrap()).is_empty());
    let file = base.journal().join("aside").join(format!("{}.facts", bad.call));
    let release = locked(base).await;
    let adds = async {
        while !file.with_extension("retried").exists() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        assert!(service.has(bad.call), "it is still set aside");
        service.put(bad.call, &[last]).unwrap();
        release().await;
    };
    let (outcomes, ()) = tokio::join!(command.retry(&store, &id), adds);
    assert!(outcomes.len() == 1 && outcomes[0].1.is_ok(), "{outcomes:?}");
    assert!(!command.is_empty() && service.has(bad.call), "the last fact waits");
    assert_eq!(command.list().unwrap()[0].facts, 1);
    let outcomes = command.retry(&store, &id).await;
    assert!(outcomes.len() == 1 && outcomes[0].1.is_ok(), "{outcomes:?}");
    assert!(command.is_empty() && !service.has(bad.call));
    assert_eq!(records(&store).await, [bad.cdr()]);
    store.close().await;
}

/// The disk does not read the file of one call: the others are stored.
pub(crate) async fn a_retry_stores_the_other_calls_if_the_file_of_one_cannot_be_read(base: &Base) {
    base.make().await;
    let store = Store::open(&base.url).await.unwrap();
    let (one, other) = (poisoned(40), poisoned(41));
    let mut run = Run::start(base, at(0));
    run.journal.append([].into_iter(), at(0)).unwrap();
    let id = run.journal.id().to_owned();
    run.finish(base).await;
    let (first, second) = if one.call < other.call { (&one, &other) } else { (&other, &one) };
    let entries: Vec<_> = second.facts.iter().map(|fact| Entry::of(fact).unwrap()).collect();
    Aside::open(&base.journal()).unwrap().put(second.call, &entries.iter().collect::<Vec<_>>()).unwrap();
    std::fs::create_dir(base.journal().join("aside").join(format!("{}.facts", first.call))).unwrap();
    let mut aside = Aside::open(&base.journal()).unwrap();
    let outcomes = aside.retry(&store, &id).await;
    let stored: Vec<_> = outcomes.iter().map(|(call, outcome)| (*call, outcome.is_ok())).collect();
    assert_eq!(stored, [(first.call, false), (second.call, true)]);
    assert_eq!((aside.len(), records(&store).await), (1, vec![second.cdr()]));
    store.close().await;
}

/// An error of the whole database: all calls wait, and none is set aside.
pub(crate) async fn a_database_that_takes_no_record_sets_nothing_aside(base: &Base) {
    base.make().await;
    let store = Store::open(&base.url).await.unwrap();
    base.refuse_records().await;
    let mut run = Run::start(base, at(0));
    run.journal.append(stories::all(MORNING).iter().flat_map(|(_, story)| &story.facts), at(0)).unwrap();
    let figures = run.figures.clone();
    let failed = has_failed(&figures, 2);
    run.writer(base).run_until(run.durable(), failed).await;
    assert!(Aside::open(&base.journal()).unwrap().is_empty());
    mend(base).await;
    run.finish(base).await;
    assert_eq!(records(&store).await.len(), stories::all(MORNING).len());
    store.close().await;
}

pub(crate) async fn damage_in_the_journal_costs_one_fact_and_salvage_brings_it_back(base: &Base) {
    base.make().await;
    let stories: Vec<Story> = (0..60).map(|no| stories::answered(no, MORNING + no as i64 * 10)).collect();
    let mut run = Run::start(base, at(0));
    run.journal.append(stories.iter().flat_map(|story| &story.facts), at(0)).unwrap();
    let id = run.journal.id().to_owned();
    drop(run);
    let file =
        segments::path(&base.journal(), segments::list(&base.journal(), State::Waiting).unwrap()[0], State::Waiting);
    let mut bytes = std::fs::read(&file).unwrap();
    // The first fact of the seventh call.
    let length = |at: usize| 8 + u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let before = stories[..6].iter().map(|story| story.facts.len()).sum();
    let place = (0..before).fold(0, |at, _| at + length(at));
    let first = length(place);
    bytes[place + 40] ^= 4;
    std::fs::write(&file, bytes).unwrap();
    let figures = Run::start(base, at(90_000)).finish(base).await;
    assert_eq!(figures.lost_bytes.load(Ordering::Relaxed), first as u64);
    let store = Store::open(&base.url).await.unwrap();
    assert_eq!(records(&store).await.len(), 59);
    let damaged = segments::list(&base.journal(), State::Damaged).unwrap();
    assert_eq!(damaged.len(), 1, "the segment is kept");
    let kept = segments::path(&base.journal(), damaged[0], State::Damaged);
    assert_eq!(salvage::read(&kept, false).unwrap().damage, [(place, first)]);
    let found = salvage::read(&kept, true).unwrap();
    assert_eq!((found.repaired, found.damage.len()), (1, 0));
    salvage::store(&store, &id, &found.entries).await.unwrap();
    assert_eq!(records(&store).await, stories.iter().map(Story::cdr).collect::<Vec<_>>());
    assert_eq!(store.open_calls(&id).await.unwrap(), []);
    store.close().await;
}

/// A real PostgreSQL with an encoding of few letters; SQLite has every letter.
pub(crate) async fn a_letter_that_a_latin1_database_lacks_costs_that_call_alone(base: &Base) {
    base.make_in_latin1().await;
    let (odd, good) = (Story::new(40, MORNING, Some("Łukasz")), stories::all(MORNING));
    let odd = odd.queued(1).ended(2_000, siaga::cdr::fact::Side::Caller, EndCause::Abandoned);
    let mut run = Run::start(base, at(0));
    run.journal.append(odd.facts.iter().chain(good.iter().flat_map(|(_, story)| &story.facts)), at(0)).unwrap();
    let figures = run.finish(base).await;
    let store = Store::open(&base.url).await.unwrap();
    assert_eq!(figures.calls_aside.load(Ordering::Relaxed), u64::from(base.is_postgres()));
    assert_eq!(records(&store).await.len(), good.len() + usize::from(!base.is_postgres()));
    let faults = siaga::store::examine::examine(&base.url).await;
    assert_eq!(faults.len(), usize::from(base.is_postgres()));
    assert!(faults.iter().all(|fault| fault.contains("LATIN1") && fault.contains("expected: UTF8")), "{faults:?}");
    store.close().await;
}
