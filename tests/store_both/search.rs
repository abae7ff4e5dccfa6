//! Calls are searched by their values, page by page.

use std::collections::BTreeSet;

use siaga::cdr::Cdr;
use siaga::cdr::city::{City, CityHour};
use siaga::cdr::fact::{Callee, Class, Fact, FactKind};
use siaga::ids::Rng;
use siaga::store::Store;
use siaga::store::call_search::{CallFilter, CallKey, Exercises, From};
use siaga::store::demo::Demo;
use siaga::store::facts::Batch;
use siaga::store::journal::record::Entry;
use siaga::store::report_queries::StoredCall;

use crate::at;
use crate::base::Base;
use crate::rollups::records;
use crate::stories::{self, LATE, MORNING};

const HOUR: i64 = 3_600_000;

/// Two days of a synthetic city, and stories with notes and other rare values.
async fn fill(store: &Store) -> Vec<Cdr> {
    let mut city = City::new(7, 300, at(0));
    let mut demo = Demo::resume(store, "demo: Kota").await.unwrap();
    for no in 0..48 {
        let hour = CityHour {
            start: at(no * HOUR),
            weekday: u8::try_from(no / 24).unwrap(),
            day_of_month: u8::try_from(no / 24).unwrap() + 1,
            hour: u8::try_from(no % 24).unwrap(),
        };
        demo.hour(city.hour(&hour)).await.unwrap();
    }
    demo.finish().await.unwrap();
    for (no, (_, story)) in (1_000_u64..).zip(stories::all(MORNING + HOUR)) {
        take(store, &story.facts).await;
        let noted = FactKind::Disposed {
            class: Class::Normal,
            category: Some("Pohon 50%_tumbang".to_owned()),
            note: Some(format!("Pohon TUMBANG no. {no}, 'jalan' \"A\"; DROP TABLE cdr")),
            by: "ani".to_owned(),
            agency: Some("BPBD".to_owned()),
        };
        if story.facts.iter().any(|fact| matches!(fact.kind, FactKind::Answered { .. })) {
            take(store, &[story.fact(LATE | 9, 900_000, noted)]).await;
        }
    }
    records(store).await
}

async fn take(store: &Store, facts: &[Fact]) {
    let entries: Vec<Entry> = facts.iter().map(|fact| Entry::of(fact).unwrap()).collect();
    let recompute = facts.iter().filter_map(|fact| fact.call).collect::<BTreeSet<_>>().into_iter().collect();
    let batch = Batch { facts: entries.iter().collect(), recompute, ..Batch::default() };
    store.take("journal", batch).await.unwrap();
}

fn all_of(store_has: &[Cdr], fits: impl Fn(&Cdr) -> bool) -> Vec<String> {
    let mut found: Vec<&Cdr> = store_has.iter().filter(|cdr| fits(cdr)).collect();
    found.sort_by_key(|cdr| std::cmp::Reverse((cdr.received, cdr.call.to_string())));
    found.into_iter().map(|cdr| cdr.call.to_string()).collect()
}

fn key(call: &StoredCall) -> CallKey {
    CallKey { received: call.received, call: call.call.clone() }
}

/// Every page of a search, newest first.
async fn pages(store: &Store, filter: &CallFilter, most: i64) -> Vec<StoredCall> {
    let (mut all, mut from) = (Vec::new(), From::Newest);
    loop {
        let page = store.search_calls(filter, &from, most).await.unwrap();
        let Some(last) = page.last() else { return all };
        from = From::OlderThan(key(last));
        all.extend(page);
    }
}

fn talked(cdr: &Cdr, name: &str) -> bool {
    cdr.talks.iter().any(|talk| matches!(&talk.with, Callee::Operator(operator) if operator.as_str() == name))
}

type Case = (&'static str, fn(&mut CallFilter), fn(&Cdr) -> bool);

const CASES: [Case; 16] = [
    ("all", |filter| filter.exercises = Exercises::With, |_| true),
    ("without drills", |_| (), |cdr| !cdr.is_exercise()),
    ("drills", |filter| filter.exercises = Exercises::Only, Cdr::is_exercise),
    (
        "answered",
        |filter| filter.outcomes = vec!["answered".to_owned()],
        |cdr| cdr.outcome.unwrap().word() == "answered" && !cdr.is_exercise(),
    ),
    (
        "not answered",
        |filter| filter.outcomes = ["abandoned", "failed", "interrupted"].map(str::to_owned).into(),
        |cdr| cdr.outcome.unwrap().word() != "answered" && !cdr.is_exercise(),
    ),
    (
        "operator",
        |filter| filter.operator = Some("op0001".to_owned()),
        |cdr| talked(cdr, "op0001") && !cdr.is_exercise(),
    ),
    ("operator's part", |filter| filter.operator = Some("op000".to_owned()), |_| false),
    (
        "waits",
        |filter| filter.waited_ms = (Some(4_000), Some(9_999)),
        |cdr| (4_000..=9_999).contains(&cdr.waited_ms) && !cdr.is_exercise(),
    ),
    ("talk", |filter| filter.talk_ms = (Some(60_000), None), |cdr| cdr.talk_ms >= 60_000 && !cdr.is_exercise()),
    (
        "class",
        |filter| filter.class = Some("prank".to_owned()),
        |cdr| cdr.disposition.as_ref().is_some_and(|of| of.class == Class::Prank),
    ),
    ("no class", |filter| filter.class = Some(String::new()), |cdr| cdr.disposition.is_none()),
    (
        "agency and note",
        |filter| (filter.agency, filter.note) = (Some("BPBD".to_owned()), "pohon tumbang".to_owned()),
        |cdr| cdr.disposition.as_ref().is_some_and(|of| of.note.is_some()),
    ),
    (
        "signs of SQL are only text",
        |filter| filter.note = "'jalan' \"a\"; drop table cdr".to_owned(),
        |cdr| cdr.disposition.as_ref().is_some_and(|of| of.note.is_some()),
    ),
    ("a wild card is only text", |filter| filter.note = "p%n".to_owned(), |_| false),
    (
        "category",
        |filter| filter.category = Some("Pohon 50%_tumbang".to_owned()),
        |cdr| cdr.disposition.as_ref().is_some_and(|of| of.note.is_some()),
    ),
    (
        "number",
        |filter| filter.number = "+62 81-22".to_owned(),
        |cdr| cdr.number().is_some_and(|number| number.contains("8122")) && !cdr.is_exercise(),
    ),
];

pub(crate) async fn each_condition_finds_the_calls_that_a_scan_of_the_records_finds(base: &Base) {
    base.make().await;
    let store = Store::open(&base.url).await.unwrap();
    let all = fill(&store).await;
    let period = at(-HOUR)..at(50 * HOUR);
    for (name, set, fits) in CASES {
        let mut filter = CallFilter::of(period.clone());
        set(&mut filter);
        let expected = all_of(&all, |cdr| period.contains(&cdr.received) && fits(cdr));
        let found: Vec<String> = pages(&store, &filter, 37).await.into_iter().map(|call| call.call).collect();
        assert_eq!(found, expected, "{name}");
        assert_eq!(store.count_calls(&filter, 1_000_000).await.unwrap(), expected.len() as u64, "{name}");
        let is_empty_on_purpose = name.contains("part") || name.contains("wild");
        assert!(is_empty_on_purpose || !expected.is_empty(), "{name} finds nothing: the test shows nothing");
    }
    let few = CallFilter::of(period.start..period.start.shifted(HOUR + 1));
    assert!(store.count_calls(&few, 1_000).await.unwrap() < 40, "the period limits");
    assert_eq!(store.count_calls(&CallFilter::of(period), 10).await.unwrap(), 10, "no further than asked");
    let (one, facts) = (&all[3], store.facts(all[3].call).await.unwrap());
    let stored = store.stored_call(&one.call.to_string()).await.unwrap().unwrap();
    assert_eq!(stored.cdr().unwrap(), *one);
    assert_eq!(store.stored_call("' OR 1=1 --").await.unwrap(), None);
    assert_eq!(store.fact_texts(&one.call.to_string(), 2).await.unwrap().len(), facts.len().min(2));
    store.close().await;
}

pub(crate) async fn pages_neither_repeat_nor_lose_a_call_while_calls_arrive(base: &Base) {
    base.make().await;
    let store = Store::open(&base.url).await.unwrap();
    let mut rng = Rng::from_number(3);
    // Several calls arrive in the same millisecond.
    let story = |no: u64, rng: &mut Rng| stories::abandoned(no, MORNING + i64::try_from(rng.below(40)).unwrap(), 2_000);
    for no in 0..120 {
        take(&store, &story(no, &mut rng).facts).await;
    }
    let filter = CallFilter::of(at(-HOUR)..at(HOUR));
    let before: BTreeSet<String> = pages(&store, &filter, 1_000).await.into_iter().map(|call| call.call).collect();
    assert_eq!(before.len(), 120);
    let (mut older, mut from) = (Vec::new(), From::Newest);
    for no in 200.. {
        let page = store.search_calls(&filter, &from, 7).await.unwrap();
        let Some(last) = page.last() else { break };
        from = From::OlderThan(key(last));
        older.extend(page);
        take(&store, &story(no, &mut rng).facts).await;
    }
    let seen: BTreeSet<String> = older.iter().map(|call| call.call.clone()).collect();
    assert_eq!(seen.len(), older.len(), "no call twice");
    assert!(before.is_subset(&seen), "no call is lost");
    assert!(older.is_sorted_by_key(|call| std::cmp::Reverse((call.received, call.call.clone()))), "newest first");
    // Back to the newest: the same pages, and those that arrived meanwhile.
    let (mut newer, mut from) = (Vec::new(), From::NewerThan(key(older.last().unwrap())));
    loop {
        let page = store.search_calls(&filter, &from, 7).await.unwrap();
        let Some(first) = page.first() else { break };
        assert!(page.is_sorted_by_key(|call| std::cmp::Reverse((call.received, call.call.clone()))), "newest first");
        from = From::NewerThan(key(first));
        newer.extend(page.into_iter().rev());
    }
    let all = pages(&store, &filter, 1_000).await;
    let back: Vec<&StoredCall> = newer.iter().rev().chain(older.last()).collect();
    assert_eq!(back, all.iter().collect::<Vec<_>>());
    store.close().await;
}

pub(crate) async fn a_search_row_changes_and_goes_with_its_record(base: &Base) {
    base.make().await;
    let store = Store::open(&base.url).await.unwrap();
    let story = stories::answered(1, MORNING);
    take(&store, &story.facts).await;
    let find = async |set: fn(&mut CallFilter)| {
        let mut filter = CallFilter::of(at(-HOUR)..at(HOUR));
        set(&mut filter);
        store.count_calls(&filter, 10).await.unwrap()
    };
    assert_eq!(find(|_| ()).await, 1);
    let drill =
        FactKind::Disposed { class: Class::Drill, category: None, note: None, by: "op0001".to_owned(), agency: None };
    take(&store, &[story.fact(LATE | 99, 90_000_000, drill)]).await;
    assert_eq!((find(|_| ()).await, find(|filter| filter.exercises = Exercises::Only).await), (0, 1));
    let moved = format!("UPDATE cdr SET received = {}", at(1).as_millis());
    base.behind(&moved, &moved).await;
    assert_eq!(find(|filter| filter.exercises = Exercises::With).await, 0, "a row of another time is removed");
    store.close().await;
    // A database of the version before is filled when it is opened.
    let undo = "DROP TRIGGER cdr_removed ON cdr; DROP TRIGGER cdr_moved ON cdr; DROP FUNCTION call_search_remove; \
        DROP TABLE call_search; DELETE FROM _sqlx_migrations WHERE version = 40;";
    let undo_sqlite = "DROP TRIGGER cdr_removed; DROP TRIGGER cdr_moved; DROP TABLE call_search; \
        DELETE FROM _sqlx_migrations WHERE version = 40;";
    base.behind(undo_sqlite, undo).await;
    let store = Store::open(&base.url).await.unwrap();
    let only = CallFilter { exercises: Exercises::Only, ..CallFilter::of(at(-HOUR)..at(HOUR)) };
    assert_eq!(store.search_calls(&only, &From::Newest, 9).await.unwrap().len(), 1, "filled by the migration");
    base.behind("DELETE FROM cdr", "DELETE FROM cdr").await;
    assert_eq!(store.count_calls(&only, 9).await.unwrap(), 0, "no row outlives its record");
    store.close().await;
}

pub(crate) async fn the_migration_makes_the_rows_that_the_writer_makes(base: &Base) {
    base.make().await;
    let store = Store::open(&base.url).await.unwrap();
    fill(&store).await;
    store.close().await;
    let rows = "received, call, number, operators, desk, trunk, outcome, class, category, agency, mode, waited_ms, talk_ms, wrap_ms, note";
    let sqlite = format!(
        "CREATE TABLE written AS SELECT {rows} FROM call_search; DROP TRIGGER cdr_removed; DROP TRIGGER cdr_moved; \
         DROP TABLE call_search; DELETE FROM _sqlx_migrations WHERE version = 40;"
    );
    let postgres = format!(
        "CREATE TABLE written AS SELECT {rows} FROM call_search; DROP TRIGGER cdr_removed ON cdr; \
         DROP TRIGGER cdr_moved ON cdr; DROP FUNCTION call_search_remove; DROP TABLE call_search; \
         DELETE FROM _sqlx_migrations WHERE version = 40;"
    );
    base.behind(&sqlite, &postgres).await;
    Store::open(&base.url).await.unwrap().close().await;
    // Fails if a row differs.
    let sqlite = format!(
        "CREATE TABLE none (x INTEGER CHECK (x = 0)); \
         INSERT INTO none SELECT COUNT(*) FROM (SELECT {rows} FROM written EXCEPT SELECT {rows} FROM call_search); \
         INSERT INTO none SELECT COUNT(*) FROM (SELECT {rows} FROM call_search EXCEPT SELECT {rows} FROM written); \
         INSERT INTO none SELECT (SELECT COUNT(*) FROM written) < 300;"
    );
    let postgres = format!(
        "CREATE TABLE none (x BIGINT CHECK (x = 0)); \
         INSERT INTO none SELECT COUNT(*) FROM (SELECT {rows} FROM written EXCEPT SELECT {rows} FROM call_search) AS a; \
         INSERT INTO none SELECT COUNT(*) FROM (SELECT {rows} FROM call_search EXCEPT SELECT {rows} FROM written) AS a; \
         INSERT INTO none SELECT ((SELECT COUNT(*) FROM written) < 300)::int;"
    );
    base.behind(&sqlite, &postgres).await;
}

pub(crate) async fn the_migration_passes_over_records_that_cannot_be_read(base: &Base) {
    base.make().await;
    let store = Store::open(&base.url).await.unwrap();
    for (no, received) in [0, 1_000, 2_000, 3_000].into_iter().enumerate() {
        take(&store, &stories::answered(u64::try_from(no).unwrap(), MORNING + received).facts).await;
    }
    store.close().await;
    let undo = "DROP TRIGGER cdr_removed ON cdr; DROP TRIGGER cdr_moved ON cdr; DROP FUNCTION call_search_remove; \
        DROP TABLE call_search; DELETE FROM _sqlx_migrations WHERE version = 40;";
    let undo_sqlite = "DROP TRIGGER cdr_removed; DROP TRIGGER cdr_moved; DROP TABLE call_search; \
        DELETE FROM _sqlx_migrations WHERE version = 40;";
    base.behind(undo_sqlite, undo).await;
    // No JSON, no object, and text that PostgreSQL cannot represent.
    for (no, body) in ["x", "5", r#"{"disposition":{"note":"a\u0000b"}}"#].into_iter().enumerate() {
        let spoil = format!(
            "UPDATE cdr SET body = '{body}' WHERE received = {} ",
            at(0).as_millis() + i64::try_from(no).unwrap() * 1_000
        );
        base.behind(&spoil, &spoil).await;
    }
    let store = Store::open(&base.url).await.unwrap();
    let all = CallFilter { exercises: Exercises::With, ..CallFilter::of(at(-HOUR)..at(HOUR)) };
    assert_eq!(store.count_calls(&all, 9).await.unwrap(), 4, "each record can be found by its columns");
    store.close().await;
}
