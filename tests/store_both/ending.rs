//! The writer's end, a database that does not respond, the backlog, and the check of a database.

use std::sync::atomic::Ordering;
use std::time::Duration;

use siaga::alarm::{Alarms, Kind};
use siaga::store::Store;
use siaga::store::examine::examine;
use sqlx::Connection as _;
use tokio::sync::watch;

use crate::base::Base;
use crate::stories::{self, MORNING};
use crate::writing::records;
use crate::{Run, at, has_failed, woven};

/// Removes SQLite's folder, or PostgreSQL's database.
fn take_away(base: &Base) {
    if !base.is_postgres() {
        std::fs::write(base.dir.path().join("data"), "in the way of the folder").unwrap();
    }
}

pub(crate) async fn a_writer_ends_when_it_is_told_to_though_the_database_is_down(base: &Base) {
    take_away(base);
    let mut run = Run::start(base, at(0));
    run.journal.append(woven().iter(), at(0)).unwrap();
    let (tell, told) = tokio::sync::oneshot::channel::<()>();
    let writer = run.writer(base).holding(run.journal.lock());
    let durable = run.durable();
    drop(run.journal);
    let figures = run.figures.clone();
    let stop = async {
        has_failed(&figures, 1).await;
        let second = siaga::store::journal::Journal::open(&base.journal(), at(1));
        assert!(second.is_err(), "the lock outlives the journal's side: a second service would close live calls");
        drop(tell);
    };
    let stopped = async { drop::<Result<(), _>>(told.await) };
    let ended =
        tokio::time::timeout(Duration::from_secs(20), async { tokio::join!(writer.run_until(durable, stopped), stop) });
    assert!(ended.await.is_ok(), "the writer went on");
    assert!(siaga::store::journal::Journal::open(&base.journal(), at(2)).is_ok(), "the lock is free");
}

pub(crate) async fn a_file_that_is_moved_while_the_writer_has_it_open_is_an_alarm(base: &Base) {
    if base.is_postgres() {
        return;
    }
    let run = Run::start(base, at(0));
    let (alarms, file) = (Alarms::default(), base.dir.path().join("data/siaga.db"));
    let (_journal, durable) = watch::channel(run.journal.end());
    let (tell, told) = tokio::sync::oneshot::channel::<()>();
    let writer = run.writer(base).raising(alarms.clone());
    let figures = run.figures.clone();
    let becomes = async |raised: bool| {
        while alarms.is_raised(Kind::Database) != raised {
            tokio::task::yield_now().await;
        }
    };
    let mover = async {
        while !figures.caught_up.load(Ordering::Relaxed) {
            tokio::task::yield_now().await;
        }
        let away = file.with_extension("away");
        std::fs::rename(&file, &away).unwrap();
        becomes(true).await;
        assert!(alarms.lines()[0].contains("was moved or deleted"), "{:?}", alarms.lines());
        std::fs::write(&file, "").unwrap();
        while !alarms.lines()[0].contains("is another file") {
            tokio::task::yield_now().await;
        }
        std::fs::rename(&away, &file).unwrap();
        becomes(false).await;
        drop(tell);
    };
    let stopped = async { drop::<Result<(), _>>(told.await) };
    let done = async { tokio::join!(writer.run_until(durable, stopped), mover) };
    tokio::time::timeout(Duration::from_secs(60), done).await.unwrap();
}

/// A connection that dies during a statement: here a lock that is never released.
pub(crate) async fn a_database_that_never_answers_is_given_up_and_tried_again(base: &Base) {
    if !base.is_postgres() {
        // SQLite uses no network: it stops waiting for a lock after 10 s.
        return;
    }
    base.make().await;
    Store::open(&base.url).await.unwrap().close().await;
    never_answers(base, "LOCK TABLE fact IN ACCESS EXCLUSIVE MODE").await;
}

/// The same while the tables are brought up to date.
pub(crate) async fn a_database_that_never_answers_at_the_opening_is_given_up_and_tried_again(base: &Base) {
    if !base.is_postgres() {
        return;
    }
    base.make().await;
    Store::open(&base.url).await.unwrap().close().await;
    never_answers(base, "LOCK TABLE _sqlx_migrations IN ACCESS EXCLUSIVE MODE").await;
}

async fn never_answers(base: &Base, lock: &'static str) {
    let mut other = sqlx::PgConnection::connect(&base.url).await.unwrap();
    sqlx::query("BEGIN").execute(&mut other).await.unwrap();
    sqlx::query(lock).execute(&mut other).await.unwrap();
    let mut run = Run::start(base, at(0));
    run.journal.append(woven().iter(), at(0)).unwrap();
    let (writer, figures) = (run.writer(base).with_statement_timeout(Duration::from_millis(300)), run.figures.clone());
    let released = async {
        has_failed(&figures, 2).await;
        sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    };
    let done =
        tokio::time::timeout(Duration::from_secs(60), async { tokio::join!(writer.run(run.durable()), released) });
    assert!(done.await.is_ok(), "the writer waits for a dead connection");
    let store = Store::open(&base.url).await.unwrap();
    assert_eq!(records(&store).await.len(), stories::all(MORNING).len());
    store.close().await;
}

pub(crate) async fn facts_of_earlier_runs_count_as_backlog_while_the_database_is_down(base: &Base) {
    take_away(base);
    let facts = woven();
    Run::start(base, at(0)).journal.append(facts.iter(), at(0)).unwrap();
    let mut run = Run::start(base, at(10_000));
    run.journal.append(facts[..3].iter(), at(10_000)).unwrap();
    let figures = run.figures.clone();
    let failed = has_failed(&figures, 1);
    run.writer(base).run_until(run.durable(), failed).await;
    assert_eq!(figures.earlier_facts.load(Ordering::Relaxed), facts.len() as u64);
    if !base.is_postgres() {
        std::fs::remove_file(base.dir.path().join("data")).unwrap();
    }
    base.make().await;
    let figures = run.finish(base).await;
    assert_eq!((figures.earlier_facts.load(Ordering::Relaxed), figures.own_facts.load(Ordering::Relaxed)), (0, 3));
}

pub(crate) async fn check_finds_what_a_database_lacks(base: &Base) {
    if base.is_postgres() {
        let faults = examine(&base.url).await;
        assert!(faults.len() == 1 && faults[0].contains("cannot be used"), "unreachable: {faults:?}");
    }
    base.make().await;
    assert_eq!(examine(&base.url).await, [""; 0], "a new database is good");
    Store::open(&base.url).await.unwrap().close().await;
    assert_eq!(examine(&base.url).await, [""; 0]);
    let newer = if base.is_postgres() {
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'x', true, '\\x00', 0)"
    } else {
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'x', 1, x'00', 0)"
    };
    base.behind(newer, newer).await;
    let faults = examine(&base.url).await;
    assert!(faults.len() == 1 && faults[0].contains("9999") && faults[0].contains("expected: "), "{faults:?}");
}

/// A folder is where a segment should be: it cannot be removed, which is no reason to hold up facts or the end.
pub(crate) async fn a_stored_segment_that_cannot_be_removed_holds_up_no_fact(base: &Base) {
    base.make().await;
    Run::start(base, at(0)).finish(base).await;
    std::fs::create_dir(base.journal().join("00000000000000000001.stored")).unwrap();
    let mut run = Run::start(base, at(1_000));
    run.journal.append(woven().iter(), at(1_000)).unwrap();
    let (figures, alarms) = (run.figures.clone(), siaga::alarm::Alarms::default());
    let writer = run.writer(base).raising(alarms.clone());
    writer.run_until(run.durable(), has_failed(&figures, 3)).await;
    assert_eq!(figures.failures.load(Ordering::Relaxed), 0);
    assert!(alarms.lines().iter().any(|line| line.contains("segments")), "{:?}", alarms.lines());
    let store = Store::open(&base.url).await.unwrap();
    assert_eq!(records(&store).await.len(), stories::all(MORNING).len());
    store.close().await;
}
