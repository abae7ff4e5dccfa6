//! From the journal to the database.

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use siaga::cdr::Cdr;
use siaga::cdr::fact::{Class, Fact, FactKind};
use siaga::cdr::past::Past;
use siaga::ids::LegNo;
use siaga::store::Store;
use siaga::store::facts::Batch;
use siaga::store::journal::{Journal, JournalPosition};
use siaga::store::past::HistoryQuery;

use crate::base::Base;
use crate::stories::{self, LATE, MORNING, Story};
use crate::{Run, at, has_failed, started, woven};

/// Every record of a day, in the order of arrival.
pub(crate) async fn records(store: &Store) -> Vec<Cdr> {
    let period = at(-86_400_000)..at(86_400_000);
    let (mut all, mut page) = (Vec::new(), store.calls(&period, None).await.unwrap());
    while let Some(last) = page.last() {
        all.extend(page.iter().map(|call| call.cdr().unwrap()));
        page = store.calls(&period, Some(last)).await.unwrap();
    }
    all
}

fn told() -> Vec<Cdr> {
    stories::all(MORNING).iter().map(|(_, story)| story.cdr()).collect()
}

pub(crate) async fn the_journal_is_copied_whole(base: &Base) {
    base.make().await;
    let mut run = Run::start(base, at(0));
    run.journal.append([started(90)].iter(), at(0)).unwrap();
    run.journal.append(woven().iter(), at(0)).unwrap();
    let (id, end) = (run.journal.id().to_owned(), run.journal.end());
    let figures = run.finish(base).await;
    let store = Store::open(&base.url).await.unwrap();
    assert_eq!(records(&store).await, told());
    for (name, story) in stories::all(MORNING) {
        assert_eq!(store.facts(story.call).await.unwrap(), story.facts, "{name}");
    }
    assert_eq!(store.facts(started(90).id.stream).await.unwrap(), [started(90)]);
    assert_eq!(store.cursor(&id).await.unwrap(), end);
    assert_eq!(store.cursor("another").await.unwrap(), JournalPosition::default());
    assert_eq!(store.open_calls(&id).await.unwrap(), []);
    assert_eq!(figures.facts.load(Ordering::Relaxed), woven().len() as u64 + 1);
    assert_eq!(figures.failures.load(Ordering::Relaxed), 0);
    store.close().await;
}

/// The records cannot be stored, but the facts in front of them could.
pub(crate) async fn a_refused_transaction_leaves_nothing_and_is_repeated(base: &Base) {
    base.make().await;
    let store = Store::open(&base.url).await.unwrap();
    base.refuse_records().await;
    let mut run = Run::start(base, at(0));
    run.journal.append(woven().iter(), at(0)).unwrap();
    let (writer, figures) = (run.writer(base), run.figures.clone());
    let (tell, durable) = tokio::sync::watch::channel(run.journal.end());
    let running = writer.run(durable);
    let look = async {
        has_failed(&figures, 1).await;
        let story = &stories::all(MORNING)[0].1;
        assert_eq!(store.facts(story.call).await.unwrap(), [], "half a transaction was stored");
        let begin = JournalPosition { segment: run.journal.first_segment(), position: 0 };
        assert_eq!(store.cursor(run.journal.id()).await.unwrap(), begin);
        assert!(!figures.caught_up.load(Ordering::Relaxed));
        base.behind("DROP TRIGGER refuse", "ALTER TABLE cdr DROP CONSTRAINT refuse").await;
        drop(tell);
    };
    tokio::join!(running, look);
    assert_eq!(records(&store).await, told());
    assert_eq!(store.facts(stories::all(MORNING)[0].1.call).await.unwrap(), stories::all(MORNING)[0].1.facts);
    store.close().await;
}

/// Polls the writer a few times and then drops it, as a kill would, and starts the next run: ever later.
pub(crate) async fn a_writer_that_dies_anywhere_stores_everything_once(base: &Base) {
    base.make().await;
    let stories: Vec<Story> = (0..700).map(|no| stories::taken_over(no, MORNING + no as i64 * 10)).collect();
    let facts: Vec<Fact> = stories.iter().flat_map(|story| story.facts.clone()).collect();
    assert!(facts.len() > 8_192, "more than two transactions are wanted");
    Run::start(base, at(0)).journal.append(facts.iter(), at(0)).unwrap();
    let (mut polls, mut deaths, mut interrupted) = (1, 0, 0);
    loop {
        let run = Run::start(base, at(1_000 + deaths));
        let mut running = pin!(run.writer(base).run(run.durable()));
        let mut left = polls;
        let finished = std::future::poll_fn(|context: &mut Context<'_>| match running.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(true),
            Poll::Pending if left == 0 => Poll::Ready(false),
            Poll::Pending => {
                left -= 1;
                Poll::Pending
            }
        });
        let finished = finished.await;
        interrupted += run.figures.interrupted_calls.load(Ordering::Relaxed);
        if finished {
            break;
        }
        polls += 1 + polls / 8;
        deaths += 1;
    }
    assert!(deaths > 5, "it died only {deaths} times");
    assert_eq!(interrupted, 0, "every call had ended");
    let store = Store::open(&base.url).await.unwrap();
    let wanted: Vec<Cdr> = stories.iter().map(Story::cdr).collect();
    assert_eq!(records(&store).await, wanted);
    for story in &stories {
        assert_eq!(store.facts(story.call).await.unwrap(), story.facts);
    }
    store.close().await;
}

pub(crate) async fn facts_wait_while_the_database_is_away(base: &Base) {
    if !base.is_postgres() {
        std::fs::write(base.dir.path().join("data"), "in the way of the folder").unwrap();
    }
    let mut run = Run::start(base, at(0));
    run.journal.append(woven().iter(), at(0)).unwrap();
    let (ask, told_past) = tokio::sync::oneshot::channel();
    let writer = run.writer(base).with_history_query(HistoryQuery::new(at(-1), at(-1), ask));
    let figures = run.figures.clone();
    let (tell, durable) = tokio::sync::watch::channel(run.journal.end());
    let come_back = async {
        has_failed(&figures, 1).await;
        // The journal takes facts all the while.
        let place = run.journal.append([started(91)].iter(), at(1)).unwrap();
        tell.send_replace(place);
        if !base.is_postgres() {
            std::fs::remove_file(base.dir.path().join("data")).unwrap();
        }
        base.make().await;
        drop(tell);
    };
    tokio::join!(writer.run(durable), come_back);
    assert_eq!(told_past.await.unwrap(), Past::default(), "asked until it was told, and of earlier runs alone");
    let store = Store::open(&base.url).await.unwrap();
    assert_eq!(records(&store).await, told());
    assert_eq!(store.facts(started(91).id.stream).await.unwrap().len(), 1);
    store.close().await;
}

/// Facts that come in a later run than the call's end: the record is folded anew from what is stored.
pub(crate) async fn late_facts_change_the_record(base: &Base) {
    base.make().await;
    let whole = stories::answered(1, MORNING);
    let ended = whole.facts.iter().position(|fact| matches!(fact.kind, FactKind::Ended { .. })).unwrap();
    let mut run = Run::start(base, at(0));
    run.journal.append(whole.facts[..=ended].iter(), at(0)).unwrap();
    run.finish(base).await;
    let store = Store::open(&base.url).await.unwrap();
    let before = records(&store).await;
    assert_eq!(before.len(), 1);
    assert_eq!((before[0].wrap_ms, before[0].disposition.clone(), before[0].recordings.len()), (None, None, 0));

    let mut run = Run::start(base, at(1));
    run.journal.append(whole.facts[ended + 1..].iter(), at(1)).unwrap();
    run.finish(base).await;
    assert_eq!(records(&store).await, [whole.cdr()]);
    let limits = siaga::store::report_queries::Limits { service_level_ms: 10_000, short_abandon_ms: 5_000 };
    let usual = siaga::config::ServiceLevel { within: std::time::Duration::from_secs(10), percent: 90 };
    let levels = siaga::config::Levels { usual, desks: Vec::new() };
    let totals = store.totals(&(at(0)..at(1)), limits, &levels).await.unwrap();
    assert_eq!(totals.classes, [("normal".to_owned(), 1)]);
    assert_eq!((totals.operators[0].totals.answered, totals.operators[0].totals.wrap_ms), (1, 20_000));

    // Classed again a month later.
    let kind =
        FactKind::Disposed { class: Class::Prank, category: None, note: None, by: "admin".to_owned(), agency: None };
    let mut run = Run::start(base, at(2));
    run.journal.append([whole.fact(LATE | 78, 2_592_000_000, kind)].iter(), at(2)).unwrap();
    run.finish(base).await;
    assert_eq!(store.totals(&(at(0)..at(1)), limits, &levels).await.unwrap().classes, [("prank".to_owned(), 1)]);
    store.close().await;
}

pub(crate) async fn facts_of_an_unknown_call_are_kept(base: &Base) {
    base.make().await;
    let lost = stories::answered(1, MORNING);
    let mut run = Run::start(base, at(0));
    run.journal.append(lost.facts[1..].iter().chain(&stories::fallback(2, MORNING).facts), at(0)).unwrap();
    run.finish(base).await;
    let store = Store::open(&base.url).await.unwrap();
    assert_eq!(store.facts(lost.call).await.unwrap(), lost.facts[1..]);
    assert_eq!(records(&store).await, [stories::fallback(2, MORNING).cdr()]);
    store.close().await;
}

/// A crash tore the last fact: the others are stored, the loss is counted, and what is stored leaves the disk.
pub(crate) async fn a_torn_end_is_counted_and_the_rest_is_stored(base: &Base) {
    base.make().await;
    let (first, second) = (stories::answered(1, MORNING), stories::fallback(2, MORNING + 1));
    let mut run = Run::start(base, at(0));
    run.journal.append(first.facts.iter(), at(0)).unwrap();
    let whole = run.journal.end().position.unsigned_abs();
    run.journal.append([started(92)].iter(), at(0)).unwrap();
    drop(run);
    let torn = segments(base).remove(0);
    std::fs::OpenOptions::new().write(true).open(&torn).unwrap().set_len(whole + 11).unwrap();

    let mut run = Run::start(base, at(1));
    run.journal.append(second.facts.iter(), at(1)).unwrap();
    let figures = run.finish(base).await;
    assert_eq!(figures.lost_bytes.load(Ordering::Relaxed), 11);
    let damaged = siaga::store::journal::segments::State::Damaged;
    assert_eq!(
        siaga::store::journal::segments::list(&base.journal(), damaged).unwrap(),
        [] as [i64; 0],
        "a torn end is no damage"
    );
    let store = Store::open(&base.url).await.unwrap();
    assert_eq!(records(&store).await, [first.cdr(), second.cdr()]);
    assert_eq!(store.facts(started(92).id.stream).await.unwrap(), []);
    assert_eq!(segments(base).len(), 1);
    assert!(!torn.exists());
    store.close().await;
}

fn segments(base: &Base) -> Vec<std::path::PathBuf> {
    let files = std::fs::read_dir(base.journal()).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|kind| kind == "facts")).collect()
}

/// PostgreSQL has no NUL in its texts: U+FFFD stands for it. The rest of a caller's oddities come back as they went in.
pub(crate) async fn text_that_the_database_cannot_hold_stops_nothing(base: &Base) {
    base.make().await;
    let odd = "a\0b \\u0000 \\\0 \u{1}'\"\\ \u{1f6d1} \u{2028}";
    let (story, stored) = (odd_story(odd), odd_story(&odd.replace('\0', "\u{fffd}")));
    let mut run = Run::start(base, at(0));
    run.journal.append(story.facts.iter(), at(0)).unwrap();
    let done = tokio::time::timeout(Duration::from_secs(5), run.finish(base)).await;
    assert!(done.is_ok(), "the writer is stuck");
    let store = Store::open(&base.url).await.unwrap();
    assert_eq!(records(&store).await, [stored.cdr()]);
    assert_eq!(store.facts(story.call).await.unwrap(), stored.facts);
    // And again from what is stored.
    let batch = Batch { recompute: vec![story.call], ..Batch::default() };
    store.take("another", batch).await.unwrap();
    assert_eq!(records(&store).await, [stored.cdr()]);
    store.close().await;
}

fn odd_story(text: &str) -> Story {
    let (file, sha256) = (text.to_owned(), text.to_owned());
    Story::new(1, MORNING, Some(text))
        .queued(1)
        .then(
            2,
            FactKind::Recorded {
                leg: LegNo(1),
                file,
                sha256,
                duration_ms: 1,
                frames_dropped: 0,
                gaps: Vec::new(),
                repaired: false,
            },
        )
        .ended(3, siaga::cdr::fact::Side::Caller, siaga::cdr::fact::EndCause::Abandoned)
        .disposed(4, Class::Ghost, Some(text))
}

/// The folder was emptied but for its id, and the clock was set back: segments begin before what is stored.
pub(crate) async fn a_journal_behind_the_stored_place_is_stored_all_the_same(base: &Base) {
    base.make().await;
    let mut run = Run::start(base, at(0));
    run.journal.append(stories::fallback(1, MORNING).facts.iter(), at(0)).unwrap();
    let journal = base.journal();
    run.finish(base).await;
    segments(base).iter().for_each(|segment| std::fs::remove_file(segment).unwrap());
    let mut run = Run { journal: Journal::open(&journal, at(-3_600_000)).unwrap(), figures: Default::default() };
    run.journal.append(stories::abandoned(2, MORNING + 1, 9).facts.iter(), at(0)).unwrap();
    let (id, end) = (run.journal.id().to_owned(), run.journal.end());
    run.finish(base).await;
    let store = Store::open(&base.url).await.unwrap();
    let wanted = [stories::fallback(1, MORNING).cdr(), stories::abandoned(2, MORNING + 1, 9).cdr()];
    assert_eq!(records(&store).await, wanted);
    assert_eq!(store.cursor(&id).await.unwrap(), end);
    store.close().await;
}
