//! What the records cost with SQLite: journal to database, and the summary of a year. The aims: 15,000 rows a second, and
//! a year of 700,000 calls summed up in 300 ms.
//!
//! On two busy cores, without the optimisations of a release: 67,000 rows a second (facts, records and talks together); a
//! year in 222 ms, a day in 1.1 ms, a page of 200 calls in 1.7 ms.

#![allow(clippy::unwrap_used, reason = "a bench stops by panicking")]

#[path = "../tests/stories/mod.rs"]
mod stories;

use std::path::Path;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use siaga::cdr::Cdr;
use siaga::cdr::fact::Fact;
use siaga::clock::Timestamp;
use siaga::ids::Rng;
use siaga::store::Store;
use siaga::store::facts::Batch;
use siaga::store::journal::Journal;
use siaga::store::report_queries::Limits;
use siaga::store::writer::{Writer, WriterFigures};
use stories::{MORNING, Story};

const YEAR_CALLS: u64 = 700_000;
const YEAR_MS: i64 = 365 * DAY_MS;
const DAY_MS: i64 = 86_400_000;
const BATCH_CALLS: u64 = 4_096;
const WRITTEN_CALLS: u64 = 4_000;
const LIMITS: Limits = Limits { service_level_ms: 10_000, short_abandon_ms: 5_000 };

/// Six of ten calls are answered, some of them by a second operator; the others are given up.
fn story(no: u64, received: i64, rng: &mut Rng) -> Story {
    match rng.below(10) {
        0 => stories::taken_over(no, received),
        1..=5 => stories::answered(no, received),
        6 => stories::abandoned_while_ringing(no, received),
        _ => stories::abandoned(no, received, i64::try_from(rng.below(30_000)).unwrap()),
    }
}

fn written(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut rng = Rng::from_number(1);
    let told: Vec<Story> =
        (0..WRITTEN_CALLS).map(|no| story(no, MORNING + i64::try_from(no).unwrap() * 100, &mut rng)).collect();
    let facts: Vec<Fact> = told.iter().flat_map(|story| story.facts.clone()).collect();
    let talks: usize = told.iter().map(|story| story.cdr().talks.len()).sum();
    let rows = facts.len() + told.len() + talks;
    let mut group = criterion.benchmark_group("writer");
    group.sample_size(10).throughput(Throughput::Elements(u64::try_from(rows).unwrap()));
    group.bench_function("rows", |bench| {
        let journaled = || {
            let dir = tempfile::tempdir().unwrap();
            let mut journal = Journal::open(&dir.path().join("journal"), Timestamp::default()).unwrap();
            for group in facts.chunks(512) {
                journal.append(group.iter(), Timestamp::default()).unwrap();
            }
            (dir, journal)
        };
        let store = |(dir, journal): (tempfile::TempDir, Journal)| {
            let durable = tokio::sync::watch::channel(journal.end()).1;
            let (id, first) = (journal.id().to_owned(), journal.first_segment());
            let figures = Arc::<WriterFigures>::default();
            let writer = Writer::new(sqlite(dir.path()), dir.path().join("journal"), id, first, figures);
            runtime.block_on(writer.run(durable));
            dir
        };
        bench.iter_batched(journaled, store, BatchSize::PerIteration);
    });
    group.finish();
}

fn sqlite(dir: &Path) -> String {
    format!("sqlite:{}", dir.join("siaga.db").display())
}

/// A year of calls.
async fn filled(dir: &Path) -> Store {
    let store = Store::open(&sqlite(dir)).await.unwrap();
    let mut rng = Rng::from_number(2);
    let every = YEAR_MS / i64::try_from(YEAR_CALLS).unwrap();
    for batch in 0..YEAR_CALLS.div_ceil(BATCH_CALLS) {
        let numbers = batch * BATCH_CALLS..YEAR_CALLS.min((batch + 1) * BATCH_CALLS);
        let cdrs: Vec<Cdr> =
            numbers.map(|no| story(no, MORNING + i64::try_from(no).unwrap() * every, &mut rng).cdr()).collect();
        store.take("bench", Batch { cdrs, ..Batch::default() }).await.unwrap();
    }
    store
}

fn summed(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let store = runtime.block_on(filled(dir.path()));
    let mut group = criterion.benchmark_group("summary");
    group.sample_size(10);
    let usual = siaga::config::ServiceLevel { within: std::time::Duration::from_secs(10), percent: 90 };
    let levels = siaga::config::Levels { usual, desks: Vec::new() };
    for (name, length) in [("of_a_year", YEAR_MS), ("of_a_day", DAY_MS)] {
        let from = if length == DAY_MS { MORNING + 200 * DAY_MS } else { MORNING };
        let period = Timestamp::from_millis(from)..Timestamp::from_millis(from + length);
        group.bench_function(name, |bench| {
            bench.iter(|| runtime.block_on(store.totals(&period, LIMITS, &levels)).unwrap());
        });
    }
    let period = Timestamp::from_millis(MORNING)..Timestamp::from_millis(MORNING + DAY_MS);
    group.bench_function("page_of_calls", |bench| {
        bench.iter(|| runtime.block_on(store.calls(&period, None)).unwrap());
    });
    group.finish();
    runtime.block_on(store.close());
}

criterion_group!(benches, written, summed);
criterion_main!(benches);
