//! Roll-ups agree with the records, whatever happens to the writer, the records and the targets.

use std::collections::BTreeMap;

use siaga::cdr::Cdr;
use siaga::cdr::fact::{Class, Fact, FactKind};
use siaga::cdr::rollup::{Calendar, Changes, DeskTarget, Grain, Key, Rules, TargetHistory, Targets};
use siaga::clock::Timestamp;
use siaga::ids::Rng;
use siaga::store::Store;
use siaga::store::facts::Batch;
use siaga::store::journal::record::Entry;
use siaga::store::rollups::fill::{Prepared, Settings};
use siaga::store::rollups::query::{Division, Span, Wanted};

use super::base::Base;
use super::stories::{self, LATE, MORNING, Story};
use super::{Run, at};

/// Targets with a T of so many seconds.
pub(super) fn settings(seconds: u64) -> Settings {
    let desk = DeskTarget { within_ms: 5_000, percent: 95 };
    let desks = BTreeMap::from([("fire".to_owned(), desk)]);
    let targets = Targets { within_ms: seconds * 1_000, percent: 90, short_ms: 5_000, desks };
    Settings { zone: "Asia/Jakarta".to_owned(), targets }
}

pub(super) fn rules(settings: &Settings) -> Rules {
    let calendar = Calendar::named(&settings.zone).unwrap();
    Rules { calendar, targets: TargetHistory::new(settings.targets.clone()) }
}

/// Every record of the database.
pub(super) async fn records(store: &Store) -> Vec<Cdr> {
    let period = at(-86_400_000)..at(90 * 86_400_000);
    let (mut all, mut page) = (Vec::new(), store.calls(&period, None).await.unwrap());
    while let Some(last) = page.last() {
        all.extend(page.iter().map(|call| call.cdr().unwrap()));
        page = store.calls(&period, Some(last)).await.unwrap();
    }
    all
}

/// What the records of the database add up to.
pub(super) async fn expected(store: &Store, rules: &Rules) -> Changes {
    let mut changes = Changes::default();
    records(store).await.iter().for_each(|cdr| changes.count(cdr, rules, 1));
    changes
}

/// What the database has, in the same form. Rows of all keys and starts are read one by one.
pub(super) async fn stored(store: &Store) -> Changes {
    let all = Timestamp::from_millis(0)..Timestamp::from_millis(i64::MAX);
    let mut changes = Changes::default();
    let keys = store.read_rollups(&wanted(Vec::new(), false, &|_| true)).await.unwrap().keys;
    for grain in Grain::ALL {
        for whole in [false, true] {
            for (id, key) in &keys {
                if whole && Key::whole(key.exercise) != *key {
                    continue;
                }
                let only = |other: &Key| other == key;
                let spans = vec![Span { grain, starts: all.clone() }];
                let found = store.read_rollups(&wanted(spans, whole, &only)).await.unwrap();
                for row in found.rows {
                    let cell = siaga::cdr::rollup::Cell { grain, whole, start: row.group, key: *id };
                    changes.calls.entry(cell).or_default().add(&row.count, 1);
                }
            }
        }
        let spans = vec![Span { grain, starts: all.clone() }];
        let found = store.read_rollups(&wanted(spans, true, &|_| true)).await.unwrap();
        for row in found.operators {
            let (party, operator, start) = (row.party, row.operator, row.start);
            let cell = siaga::cdr::rollup::OperatorCell { grain, start, party, operator };
            changes.operators.insert(cell, row.sums);
        }
    }
    changes.keys = keys;
    changes
}

fn wanted<'a>(spans: Vec<Span>, whole: bool, filter: &'a (dyn Fn(&Key) -> bool + Sync)) -> Wanted<'a> {
    let edges = Vec::new();
    Wanted { spans, edges, whole, division: Division::Start, filter, with_waits: true, with_operators: true }
}

/// The roll-ups are those of the records, to the last bit.
pub(super) async fn agree(store: &Store, rules: &Rules) {
    assert!(store.rollup_state().await.unwrap().is_complete());
    let (expected, stored) = (expected(store, rules).await, stored(store).await);
    let wrong: Vec<_> = stored.calls.iter().filter(|(cell, count)| expected.calls.get(cell) != Some(count)).collect();
    assert!(wrong.is_empty(), "{} rows, the first is {:#?}", wrong.len(), wrong[0]);
    assert_eq!(stored.calls.len(), expected.calls.len());
    assert_eq!(stored.operators, expected.operators);
    assert!(expected.keys.iter().all(|(id, key)| stored.keys.get(id) == Some(key)));
}

/// Calls of three days, with every outcome, class and desk of the stories.
pub(super) fn some_stories(rng: &mut Rng, count: u64) -> Vec<Story> {
    let mut all = Vec::new();
    for no in 0..count {
        let received = MORNING + i64::try_from(rng.below(3 * 86_400_000)).unwrap();
        let templates = stories::all(received);
        let index = usize::try_from(rng.below(templates.len() as u64)).unwrap();
        let (_, template) = &templates[index];
        all.push(renumbered(template, 10_000 + no, rng));
    }
    all
}

/// The same story as another call, of some desk.
fn renumbered(story: &Story, no: u64, rng: &mut Rng) -> Story {
    let call = siaga::ids::CallId::new(Timestamp::from_millis(story.received), &mut Rng::from_number(no));
    let desk = ["", "fire", "gone"][usize::try_from(rng.below(3)).unwrap()];
    let facts = story.facts.iter().cloned().map(|mut fact| {
        fact.id.stream = call;
        fact.call = fact.call.map(|_| call);
        if let FactKind::Queued { desk: of, .. } = &mut fact.kind {
            *of = desk.to_owned();
        }
        fact
    });
    Story { call, received: story.received, facts: facts.collect() }
}

/// A late classification.
fn classed(story: &Story, rng: &mut Rng) -> Fact {
    let classes = [Class::Normal, Class::Ghost, Class::Prank, Class::Information, Class::Test, Class::Drill];
    let class = classes[usize::try_from(rng.below(6)).unwrap()];
    let category = ["fire", "flood"].get(usize::try_from(rng.below(3)).unwrap()).map(|of| (*of).to_owned());
    let agency = category.as_ref().map(|of| format!("agency of {of}"));
    let kind = FactKind::Disposed { class, category, note: None, by: "op0001".to_owned(), agency };
    let seq = LATE | u32::try_from(rng.below(1 << 20)).unwrap();
    story.fact(seq, 4_000_000 + i64::try_from(rng.below(1_000_000)).unwrap(), kind)
}

pub(crate) async fn rollups_follow_records_that_are_stored_and_changed(base: &Base) {
    base.make().await;
    let store = Store::open(&base.url).await.unwrap();
    assert_eq!(store.prepare_rollups(&settings(10), at(0)).await.unwrap(), Prepared::ToFill);
    assert!(store.fill_rollups().await.unwrap());
    let rules = rules(&settings(10));
    let mut rng = Rng::from_number(5);
    let stories = some_stories(&mut rng, 120);
    for (no, story) in stories.iter().enumerate() {
        let entries: Vec<Entry> = story.facts.iter().map(|fact| Entry::of(fact).unwrap()).collect();
        let cdrs: Vec<Cdr> = Cdr::fold(&story.facts).into_iter().collect();
        store.take("journal", Batch { facts: entries.iter().collect(), cdrs, ..Batch::default() }).await.unwrap();
        // Later facts of earlier calls, some of them twice.
        let earlier = &stories[usize::try_from(rng.below(no as u64 + 1)).unwrap()];
        let late = Entry::of(&classed(earlier, &mut rng)).unwrap();
        for _ in 0..=rng.below(2) {
            let batch = Batch { facts: vec![&late], recompute: vec![earlier.call], ..Batch::default() };
            store.take("journal", batch).await.unwrap();
        }
        if no % 60 == 59 {
            agree(&store, &rules).await;
        }
    }
    let classes = expected(&store, &rules).await.keys.into_values().map(|key| key.class);
    assert_eq!(classes.collect::<std::collections::BTreeSet<_>>().len(), 7);
    store.close().await;
}

/// A database from before this version is filled, while the writer stores and changes records.
pub(crate) async fn a_database_with_records_is_filled_while_others_are_stored(base: &Base) {
    base.make().await;
    let store = Store::open(&base.url).await.unwrap();
    let mut rng = Rng::from_number(6);
    let template = stories::answered(1, MORNING);
    let stories: Vec<Story> = (0..9_000)
        .map(|no| {
            let received = MORNING + i64::try_from(rng.below(86_400_000)).unwrap();
            renumbered(&Story { received, ..template.clone() }, no, &mut rng)
        })
        .collect();
    let take = async |of: &[Story]| {
        let cdrs = of.iter().map(Story::cdr).collect();
        store.take("journal", Batch { cdrs, ..Batch::default() }).await.unwrap();
    };
    for part in stories[..8_800].chunks(1_000) {
        take(part).await;
    }
    assert!(!store.rollup_state().await.unwrap().is_complete());
    assert_eq!(stored(&store).await, Changes::default(), "nothing counts before the filling begins");
    assert_eq!(store.prepare_rollups(&settings(10), at(0)).await.unwrap(), Prepared::ToFill);
    take(&stories[8_800..8_900]).await;
    let mut steps = 1;
    while !store.fill_rollups().await.unwrap() {
        // Some of these are behind the filling and some before it.
        take(&stories[8_900..]).await;
        take(&stories[..50]).await;
        assert!(!store.rollup_state().await.unwrap().is_complete());
        steps += 1;
    }
    assert_eq!(steps, 3);
    agree(&store, &rules(&settings(10))).await;
    assert_eq!(store.prepare_rollups(&settings(10), at(0)).await.unwrap(), Prepared::Complete);
    store.close().await;
}

pub(crate) async fn targets_apply_to_calls_that_arrive_after_their_change(base: &Base) {
    base.make().await;
    let store = Store::open(&base.url).await.unwrap();
    store.prepare_rollups(&settings(10), at(0)).await.unwrap();
    store.fill_rollups().await.unwrap();
    // The clock was ahead when some of these arrived.
    let mut rng = Rng::from_number(7);
    let cdrs: Vec<Cdr> = some_stories(&mut rng, 60).iter().filter_map(|story| Cdr::fold(&story.facts)).collect();
    store.take("journal", Batch { cdrs, ..Batch::default() }).await.unwrap();
    let noon = at(30 * 3_600_000);
    assert_eq!(store.prepare_rollups(&settings(2), noon).await.unwrap(), Prepared::Complete);
    let mut rules = rules(&settings(10));
    assert_ne!(stored(&store).await.calls, expected(&store, &rules).await.calls, "some are judged otherwise");
    rules.targets.add(noon, settings(2).targets);
    agree(&store, &rules).await;
    // The same targets again change nothing, and a changed zone changes nothing either.
    let moved = Settings { zone: "Asia/Jayapura".to_owned(), ..settings(2) };
    let other = Prepared::OtherZone("Asia/Jakarta".to_owned());
    assert_eq!(store.prepare_rollups(&moved, at(90 * 3_600_000)).await.unwrap(), other);
    agree(&store, &rules).await;
    store.forget_rollups(&moved).await.unwrap();
    while !store.fill_rollups().await.unwrap() {}
    rules.calendar = Calendar::named("Asia/Jayapura").unwrap();
    agree(&store, &rules).await;
    store.close().await;
}

/// The writer is killed and its transactions fail at random; it stores facts again from the journal.
pub(crate) async fn a_writer_that_is_killed_and_retried_counts_nothing_twice(base: &Base) {
    base.make().await;
    let store = Store::open(&base.url).await.unwrap();
    store.prepare_rollups(&settings(10), at(0)).await.unwrap();
    store.fill_rollups().await.unwrap();
    let mut rng = Rng::from_number(8);
    let stories = some_stories(&mut rng, 40);
    let mut facts: Vec<Fact> = stories.iter().flat_map(|story| story.facts.clone()).collect();
    facts.extend(stories.iter().step_by(2).map(|story| classed(story, &mut rng)));
    facts.sort_by_key(|fact| (fact.at, fact.id));
    for (no, part) in (1..).zip(facts.chunks(facts.len() / 4 + 1)) {
        let mut run = Run::start(base, at(no * 10_000));
        run.journal.append(part.iter(), at(no * 10_000)).unwrap();
        let id = run.journal.id().to_owned();
        base.behind("ALTER TABLE cdr RENAME TO away", "ALTER TABLE cdr RENAME TO away").await;
        let figures = run.figures.clone();
        let failed = async { super::has_failed(&figures, 1).await };
        run.writer(base).run_until(run.durable(), failed).await;
        base.behind("ALTER TABLE away RENAME TO cdr", "ALTER TABLE away RENAME TO cdr").await;
        run.finish(base).await;
        // The database forgets how far it has read: all facts are stored again.
        let forget = format!("DELETE FROM journal_cursor WHERE journal = '{id}'");
        base.behind(&forget, &forget).await;
        Run::start(base, at(no * 10_000 + 5_000)).finish(base).await;
        agree(&store, &rules(&settings(10))).await;
    }
    assert_eq!(records(&store).await.len(), 40);
    store.close().await;
}

/// The writer counts the records of an earlier version at its start, and stores new facts meanwhile. The next start finds another time zone.
pub(crate) async fn a_start_counts_the_records_of_an_earlier_version(base: &Base) {
    base.make().await;
    let mut rng = Rng::from_number(9);
    let stories = some_stories(&mut rng, 30);
    let mut run = Run::start(base, at(0));
    run.journal.append(stories[..20].iter().flat_map(|story| &story.facts), at(0)).unwrap();
    run.finish(base).await;
    let store = Store::open(&base.url).await.unwrap();
    assert!(!store.rollup_state().await.unwrap().is_complete());
    // A stored record that cannot be read does not count, and stops nothing.
    let broken = "INSERT INTO cdr (call, received, ended, trunk, called, outcome, cause, ended_by, waited_ms, talk_ms, body) \
        VALUES ('0', 1, 1, 't', '112', 'answered', 'normal', 'caller', 1, 1, '{}')";
    base.behind(broken, broken).await;

    let mut run = Run::start(base, at(10_000));
    run.journal.append(stories[20..].iter().flat_map(|story| &story.facts), at(10_000)).unwrap();
    let (journal_end, settings) = (run.durable(), settings(10));
    let (sender, durable) = tokio::sync::watch::channel(*journal_end.borrow());
    let writer = run.writer(base).with_rollups(settings.clone(), at(10_000));
    let complete = async {
        while !store.rollup_state().await.unwrap().is_complete() {
            tokio::task::yield_now().await;
        }
    };
    writer.run_until(durable, complete).await;
    drop(sender);
    let figures = run.finish(base).await;
    assert_eq!(figures.failures.load(std::sync::atomic::Ordering::Relaxed), 0);
    assert_eq!(records(&store).await.len(), 30);
    agree(&store, &rules(&settings)).await;

    let moved = Settings { zone: "Asia/Jayapura".to_owned(), ..settings.clone() };
    let mut run = Run::start(base, at(20_000));
    let late = classed(&stories[0], &mut rng);
    run.journal.append([&late].into_iter(), at(20_000)).unwrap();
    run.writer(base).with_rollups(moved, at(20_000)).run(run.durable()).await;
    assert_eq!(store.rollup_state().await.unwrap().zone, "Asia/Jakarta");
    agree(&store, &rules(&settings)).await;
    store.close().await;
}
