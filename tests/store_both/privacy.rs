//! An erased number is found nowhere, nothing else changes, and `[retention]` deletes what it asks for and no more.

use std::path::Path;
use std::sync::Arc;

use siaga::cdr::fact::{Callee, Class, Fact, FactId, FactKind};
use siaga::cdr::personal::Number;
use siaga::clock::Timestamp;
use siaga::ids::{CallId, LegNo, OperatorId, Rng};
use siaga::store::Store;
use siaga::store::privacy::{Outcome, Request, Rules};
use siaga::store::writer::{Privacy, Writer};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use super::base::Base;
use super::rollups::settings;
use super::stories::{self, LATE, Story};
use super::{Run, at};

const NUMBER: &str = "+6281355512345";
const OTHER: &str = "+6281298765432";
const DAY: i64 = 86_400_000;

fn next_morning() -> Timestamp {
    at(DAY)
}

/// After every time in these tests.
fn next_year() -> Timestamp {
    at(400 * DAY)
}

fn with(no: u64, after: i64, number: &str) -> Story {
    let mut story = stories::answered(no, super::MORNING + after);
    let Some(FactKind::Received { asserted, headers, .. }) = story.facts.first_mut().map(|fact| &mut fact.kind) else {
        panic!("a call begins with its arrival");
    };
    *asserted = Some(number.to_owned());
    headers.push(format!("History-Info: <sip:{number}@telco.example>;index=1"));
    let note = FactKind::Disposed {
        class: Class::Normal,
        category: Some("fire".to_owned()),
        note: Some(format!("rumah merah, call {number} back")),
        by: "op0001".to_owned(),
        agency: None,
    };
    story.facts.push(story.fact(LATE | 99, 90_000, note));
    let digit = FactKind::Digit { leg: LegNo(0), digit: '7' };
    story.facts.push(story.fact(LATE | 100, 90_001, digit));
    let name = format!("2026/11/24/{}-1.wav", story.call);
    for fact in &mut story.facts {
        if let FactKind::Recorded { file, .. } = &mut fact.kind {
            file.clone_from(&name);
        }
    }
    story
}

/// A call that an operator placed to a number.
fn placed(no: u64, number: &str) -> Vec<Fact> {
    let call = CallId::new(at(5_000), &mut Rng::from_number(no));
    let to = Callee::Number(number.to_owned());
    let by = OperatorId::parse("op0001").unwrap();
    let fact = |seq, kind| Fact { id: FactId { stream: call, seq }, call: Some(call), at: at(5_000), up: None, kind };
    let kind = FactKind::Placed { by, to: to.clone(), sip_call_id: String::new(), of: None, ordered_by: None };
    vec![fact(0, kind), fact(1, FactKind::Offered { leg: LegNo(2), to, why: String::new() })]
}

fn service_facts(number: &str) -> Vec<Fact> {
    let stream = CallId::new(at(-10_000), &mut Rng::from_number(900));
    let fact = |seq, kind| Fact { id: FactId { stream, seq }, call: None, at: at(9_000), up: None, kind };
    let marked = FactKind::CallerMarked { number: number.to_owned(), until: None, by: "spv".to_owned() };
    let role = siaga::cdr::fact::ConsoleRole::Supervisor;
    let of = format!("{number} 24 h");
    let told = FactKind::Commanded { by: "spv".to_owned(), role, command: "mark-caller".to_owned(), of, done: true };
    vec![fact(0, FactKind::Started { version: "1".to_owned() }), fact(1, marked), fact(2, told)]
}

/// A day with calls of two numbers, among others.
fn day() -> (Vec<Fact>, Vec<Story>) {
    let calls = vec![with(701, 1_000, NUMBER), with(702, 700_000, "081355512345"), with(703, 1_400_000, OTHER)];
    let mut facts: Vec<Fact> = stories::all(super::MORNING).into_iter().flat_map(|(_, story)| story.facts).collect();
    facts.extend(service_facts(NUMBER));
    facts.extend(placed(800, NUMBER));
    facts.extend(placed(801, OTHER));
    facts.extend(calls.iter().flat_map(|story| story.facts.clone()));
    (facts, calls)
}

fn recordings(base: &Base) -> std::path::PathBuf {
    base.dir.path().join("recordings")
}

fn make_recordings(base: &Base, calls: &[Story]) {
    for story in calls {
        for recording in story.cdr().recordings {
            let path = recordings(base).join(recording.file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "RIFF").unwrap();
        }
    }
}

/// Stores facts in the same way as a service, which then ends.
async fn stored(base: &Base, facts: &[Fact]) {
    base.make().await;
    let store = Store::open(&base.url).await.unwrap();
    store.prepare_rollups(&settings(10), at(-DAY)).await.unwrap();
    assert!(store.fill_rollups().await.unwrap());
    store.close().await;
    let mut run = Run::start(base, at(0));
    run.journal.append(facts.iter(), at(1)).unwrap();
    let writer = run.writer(base).with_rollups(settings(10), at(-DAY)).keeping(std::time::Duration::from_secs(864_000));
    writer.run(run.durable()).await;
}

/// Asks for an erasure, and lets a writer carry it out.
async fn erase(base: &Base, number: &str) -> Outcome {
    let store = Store::open(&base.url).await.unwrap();
    let found = store.find_number(&Number::parse(number).unwrap()).await.unwrap();
    let request = Request {
        id: "a1".to_owned(),
        asked: at(2),
        by: "ani".to_owned(),
        second: "budi".to_owned(),
        ground: "UU 27/2022 pasal 8".to_owned(),
        number: number.to_owned(),
        found,
    };
    store.ask_erasure(&request).await.unwrap();
    attend(base, at(DAY), Rules::default(), next_morning).await;
    let outcome = store.erasure_outcome("a1").await.unwrap().unwrap();
    store.close().await;
    outcome
}

/// One round of a writer with nothing to store.
async fn attend(base: &Base, since: Timestamp, rules: Rules, now: fn() -> Timestamp) {
    let run = Run::start(base, since);
    let privacy = Privacy::new(rules, recordings(base), now);
    let (id, first) = (run.journal.id().to_owned(), run.journal.first_segment());
    let writer = Writer::new(base.url.clone(), base.journal(), id, first, Arc::clone(&run.figures));
    let keep = std::time::Duration::from_secs(864_000);
    writer.keeping(keep).with_rollups(settings(10), at(-DAY)).with_privacy(privacy).run(run.durable()).await;
}

/// Every file below a folder in which one of the texts is found.
fn files_with(folder: &Path, texts: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, texts));
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        for text in texts {
            if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                found.push(format!("{text} in {}", path.display()));
            }
        }
    }
    found
}

/// Every row of every table, as text.
async fn rows(base: &Base) -> Vec<String> {
    let mut all = Vec::new();
    if base.is_postgres() {
        let mut connection = sqlx::PgConnection::connect(&base.url).await.unwrap();
        let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'";
        for table in sqlx::query(tables).fetch_all(&mut connection).await.unwrap() {
            let sql = format!("SELECT row_to_json(t)::text FROM {} AS t", table.get::<String, _>(0));
            let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut connection).await.unwrap();
            all.extend(rows.iter().map(|row| row.get::<String, _>(0)));
        }
        connection.close().await.unwrap();
    }
    all
}

/// The sums of the reports.
async fn sums(base: &Base) -> Vec<String> {
    let store = Store::open(&base.url).await.unwrap();
    let rules = super::rollups::rules(&settings(10));
    let changes = super::rollups::expected(&store, &rules).await;
    let stored = super::rollups::stored(&store).await;
    store.close().await;
    let mut lines: Vec<String> = stored.calls.iter().map(|(cell, count)| format!("{cell:?} {count:?}")).collect();
    assert_eq!(changes.calls.len(), stored.calls.len());
    lines.extend(stored.operators.iter().map(|(cell, sums)| format!("{cell:?} {sums:?}")));
    lines
}

async fn differences(base: &Base) -> (u64, Vec<String>) {
    let store = Store::open(&base.url).await.unwrap();
    let mut lines = Vec::new();
    let verified = store.verify_records(&mut |line| lines.push(line)).await.unwrap();
    store.close().await;
    (verified.erased, lines)
}

pub(crate) async fn an_erased_number_is_found_in_no_table_and_no_file(base: &Base) {
    let (facts, calls) = day();
    stored(base, &facts).await;
    make_recordings(base, &calls);
    let before = sums(base).await;
    assert_eq!(differences(base).await, (0, Vec::new()));
    let outcome = erase(base, "0813-5551-2345").await;
    assert_eq!((outcome.held, outcome.open, outcome.fault), (Vec::new(), Vec::new(), None));
    assert_eq!((outcome.calls, outcome.recordings), (4, 2), "two calls, a placed one, and facts of the service");
    assert_eq!(outcome.facts, outcome.facts_in_files, "the journal has the same facts");
    let texts = ["81355512345", "rumah merah, call +6281355"];
    assert_eq!(files_with(base.dir.path(), &texts), [""; 0]);
    let rows = rows(base).await;
    assert!(!rows.iter().any(|row| texts.iter().any(|text| row.contains(text))));
    assert_eq!(sums(base).await, before, "sums have no personal data");
    assert_eq!(differences(base).await, (outcome.facts, Vec::new()));
    // The others are as they were.
    let store = Store::open(&base.url).await.unwrap();
    let other = store.find_number(&Number::parse(OTHER).unwrap()).await.unwrap();
    assert_eq!(other.calls.len(), 2);
    assert!(recordings(base).join(&calls[2].cdr().recordings[0].file).exists());
    let erased = store.stored_call(&calls[0].call.to_string()).await.unwrap().unwrap().cdr().unwrap();
    assert_eq!((erased.number(), erased.locations.len(), erased.digits.len()), (None, 0, 2));
    assert_eq!(erased.recordings[0].sha256, "ab".repeat(32), "the hash of the recording stays");
    assert!(erased.recordings[0].erased && erased.talk_ms == calls[0].cdr().talk_ms);
    let told = erased.erased.unwrap();
    assert_eq!((told.by.as_str(), told.ground.as_str()), ("ani", "UU 27/2022 pasal 8"));
    let again = store.find_number(&Number::parse(NUMBER).unwrap()).await.unwrap();
    assert_eq!(again, Default::default());
    store.close().await;
}

pub(crate) async fn an_erasure_that_was_interrupted_is_completed(base: &Base) {
    let (facts, calls) = day();
    stored(base, &facts).await;
    make_recordings(base, &calls);
    let store = Store::open(&base.url).await.unwrap();
    let found = store.find_number(&Number::parse(NUMBER).unwrap()).await.unwrap();
    // As if the process had been killed when the database had the first call without its values, and the files all of them.
    let request = |id: &str, number: &str, found| Request {
        id: id.to_owned(),
        asked: at(2),
        by: "ani".to_owned(),
        second: "budi".to_owned(),
        ground: "permintaan".to_owned(),
        number: number.to_owned(),
        found,
    };
    let mut first = found.clone();
    first.facts.retain(|(stream, _)| *stream == calls[0].call);
    store.ask_erasure(&request("a0", "unknown", first)).await.unwrap();
    attend(base, at(DAY), Rules::default(), next_morning).await;
    assert!(!files_with(base.dir.path(), &["81355512345"]).is_empty());
    make_recordings(base, &calls);
    store.ask_erasure(&request("a1", NUMBER, found)).await.unwrap();
    attend(base, at(2 * DAY), Rules::default(), next_morning).await;
    let outcome = store.erasure_outcome("a1").await.unwrap().unwrap();
    assert_eq!(outcome.recordings, 2, "a recording that was left is deleted");
    assert_eq!(files_with(base.dir.path(), &["81355512345"]), [""; 0]);
    assert_eq!(differences(base).await.1, [""; 0]);
    store.close().await;
}

pub(crate) async fn a_call_on_hold_is_not_erased_until_the_hold_is_lifted(base: &Base) {
    let (facts, calls) = day();
    stored(base, &facts).await;
    make_recordings(base, &calls);
    let store = Store::open(&base.url).await.unwrap();
    let held = calls[0].call;
    assert!(store.place_hold(held, at(3), "ani", "perkara").await.unwrap());
    assert!(!store.place_hold(held, at(4), "budi", "lain").await.unwrap(), "there is a hold already");
    assert_eq!(store.holds().await.unwrap()[0].placed_by, "ani");
    store.close().await;
    let outcome = erase(base, NUMBER).await;
    assert_eq!((outcome.held, outcome.recordings), (vec![held], 1));
    let all = Rules { numbers: Some(1), recordings: Some(1), facts: Some(2), records: Some(3), ..Rules::default() };
    for round in 0..4 {
        attend(base, at((10 + round) * DAY), all, next_year).await;
    }
    let store = Store::open(&base.url).await.unwrap();
    let cdr = store.stored_call(&held.to_string()).await.unwrap().unwrap().cdr().unwrap();
    assert_eq!(cdr.number(), Some(NUMBER));
    assert!(recordings(base).join(&cdr.recordings[0].file).exists());
    assert_eq!(store.facts(held).await.unwrap().len(), calls[0].facts.len());
    assert!(store.stored_call(&calls[1].call.to_string()).await.unwrap().is_none(), "the others were deleted");
    assert_eq!(differences(base).await.1, [""; 0]);
    assert!(store.lift_hold(held, at(5)).await.unwrap() && !store.lift_hold(held, at(6)).await.unwrap());
    for round in 0..4 {
        attend(base, at((20 + round) * DAY), all, next_year).await;
    }
    assert!(store.stored_call(&held.to_string()).await.unwrap().is_none());
    assert!(!recordings(base).join(&cdr.recordings[0].file).exists());
    assert_eq!(store.holds().await.unwrap(), []);
    assert_eq!(differences(base).await.1, [""; 0]);
    store.close().await;
}

pub(crate) async fn each_rule_of_retention_takes_what_it_names(base: &Base) {
    let (facts, calls) = day();
    stored(base, &facts).await;
    make_recordings(base, &calls);
    let before = sums(base).await;
    let store = Store::open(&base.url).await.unwrap();
    let record = async || store.stored_call(&calls[0].call.to_string()).await.unwrap().map(|call| call.cdr().unwrap());
    let mut since = 10;
    let mut apply = async |rules: Rules| {
        since += 1;
        attend(base, at(since * DAY), rules, next_year).await;
    };
    let year = Some(399);
    // Not yet: the calls arrived 400 days ago.
    apply(Rules { locations: Some(401), numbers: Some(401), recordings: Some(401), ..Rules::default() }).await;
    let first = record().await.unwrap();
    assert_eq!(first, calls[0].cdr(), "nothing is old enough");
    assert!(!first.locations.is_empty());

    apply(Rules { locations: year, ..Rules::default() }).await;
    let located = record().await.unwrap();
    assert!(located.locations.is_empty() && located.number() == Some(NUMBER));
    assert_eq!(located.erased.unwrap().by, "retention");

    apply(Rules { recordings: year, ..Rules::default() }).await;
    assert!(record().await.unwrap().recordings[0].erased);
    assert!(!recordings(base).join(&calls[0].cdr().recordings[0].file).exists());

    apply(Rules { numbers: year, ..Rules::default() }).await;
    let without = record().await.unwrap();
    assert_eq!((without.number(), without.disposition.as_ref().unwrap().note.as_ref()), (None, None));
    for number in [NUMBER, OTHER, "0813-5551-2345"] {
        assert_eq!(store.find_number(&Number::parse(number).unwrap()).await.unwrap(), Default::default(), "{number}");
    }
    assert_eq!(sums(base).await, before);
    assert_eq!(differences(base).await.1, [""; 0]);

    apply(Rules { facts: year, ..Rules::default() }).await;
    let left: Vec<&str> = store.facts(calls[0].call).await.unwrap().iter().map(|fact| fact.kind.word()).collect();
    assert!(left.iter().all(|kind| *kind == "erased") && !left.is_empty(), "{left:?}");
    assert!(record().await.is_some());
    assert_eq!(differences(base).await.1, [""; 0], "records whose facts were deleted are no difference");

    apply(Rules { records: year, ..Rules::default() }).await;
    assert!(record().await.is_some(), "a month is deleted when all of it is old enough");
    assert_eq!(differences(base).await.1, [""; 0]);
    apply(Rules { records: Some(360), ..Rules::default() }).await;
    assert!(record().await.is_none());
    let stored_sums = super::rollups::stored(&store).await;
    assert_eq!(stored_sums.calls.len() + stored_sums.operators.len(), before.len(), "the sums stay");
    assert_eq!(differences(base).await.1, [""; 0]);
    store.forget_rollups(&settings(10)).await.unwrap();
    while !store.fill_rollups().await.unwrap() {}
    let again = super::rollups::stored(&store).await;
    assert_eq!(again.calls, stored_sums.calls, "a rebuild leaves out months whose records were deleted");
    assert_eq!(again.operators, stored_sums.operators);
    store.close().await;
}

pub(crate) async fn a_number_is_erased_from_a_record_whose_facts_were_deleted(base: &Base) {
    let (facts, calls) = day();
    stored(base, &facts).await;
    make_recordings(base, &calls);
    attend(base, at(10 * DAY), Rules { facts: Some(1), ..Rules::default() }, next_year).await;
    let outcome = erase(base, NUMBER).await;
    assert_eq!((outcome.facts, outcome.recordings), (0, 2));
    let store = Store::open(&base.url).await.unwrap();
    let cdr = store.stored_call(&calls[0].call.to_string()).await.unwrap().unwrap().cdr().unwrap();
    assert_eq!((cdr.number(), cdr.recordings[0].erased, cdr.digits[0].1), (None, true, '?'));
    store.close().await;
    assert_eq!(files_with(base.dir.path(), &["81355512345"]), [""; 0]);
    assert!(!rows(base).await.iter().any(|row| row.contains("81355512345")));
    assert_eq!(differences(base).await.1, [""; 0]);
}
