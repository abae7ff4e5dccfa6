//! What figures from roll-ups cost, as ratios to a plain scan of the records, on the calls of the synthetic city.
//!
//! `SIAGA_BENCH_DAYS` is the number of days (default 30). `SIAGA_BENCH_URL` is a database with the data of `siaga demo data`; without it, a
//! temporary SQLite file is filled. The numbers are in docs/benchmarks.md.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench stops by panicking, and prints its result")]

use std::time::Duration;

use siaga::cdr::city::{City, CityHour};
use siaga::cdr::rollup::{Calendar, CallCount, DeskTarget, Grain, Key, TargetHistory, Targets};
use siaga::clock::Timestamp;
use siaga::config::{Levels, ServiceLevel};
use siaga::reports::figures::{Exercises, Filter, GroupBy, figures, merged, operator_figures};
use siaga::reports::period::Period;
use siaga::store::Store;
use siaga::store::demo::Demo;
use siaga::store::report_queries::Limits;
use siaga::store::rollups::fill::Settings;

/// 2026-11-24 00:00 in Jakarta, a Tuesday.
const END: i64 = 1_795_453_200_000;
const DAY: i64 = 86_400_000;
const ZONE: &str = "Asia/Jakarta";

fn targets() -> Targets {
    let desks = [(String::new(), DeskTarget { within_ms: 10_000, percent: 90 })].into();
    Targets { within_ms: 10_000, percent: 90, short_ms: 5_000, desks }
}

async fn filled(url: &str, days: i64) -> Store {
    let store = Store::open(url).await.unwrap();
    let start = Timestamp::from_millis(END - days * DAY);
    let settings = Settings { zone: ZONE.to_owned(), targets: targets() };
    store.prepare_rollups(&settings, start).await.unwrap();
    while !store.fill_rollups().await.unwrap() {}
    let (mut city, mut demo) = (City::new(1, 1_918, start), Demo::resume(&store, "demo: bench").await.unwrap());
    for no in 0..days * 24 {
        let at = start.shifted(no * 3_600_000);
        let calendar = Calendar::named(ZONE).unwrap().hour_of_week(at);
        let local = jiff::Timestamp::from_millisecond(at.as_millis())
            .unwrap()
            .to_zoned_datetime(jiff::tz::TimeZone::get(ZONE).unwrap());
        let hour = CityHour {
            start: at,
            weekday: u8::try_from(calendar / 24).unwrap(),
            day_of_month: u8::try_from(local.day()).unwrap(),
            hour: u8::try_from(calendar % 24).unwrap(),
        };
        demo.hour(city.hour(&hour)).await.unwrap();
    }
    let written = demo.finish().await.unwrap();
    println!("{} calls and {} facts were written", written.calls, written.facts);
    store
}

/// The shortest of some rounds.
#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
async fn shortest(rounds: u32, mut work: impl AsyncFnMut()) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..rounds {
        let from = std::time::Instant::now();
        work().await;
        best = best.min(from.elapsed());
    }
    best
}

/// All figures of the overview.
async fn overview(store: &Store, period: &Period, filter: &Filter) {
    for (group_by, with_waits) in
        [(GroupBy::Nothing, true), (GroupBy::Day, false), (GroupBy::HourOfWeek, false), (GroupBy::Combination, false)]
    {
        let rows = figures(store, period, filter, group_by, with_waits).await.unwrap().rows;
        assert!(!rows.is_empty());
        let values: [fn(&Key) -> Option<&str>; 3] =
            [|key| Some(key.desk.as_str()), |key| Some(key.class.as_str()), |key| Some(key.agency.as_str())];
        for value in values {
            assert!(group_by != GroupBy::Combination || !merged(&rows, value).is_empty());
        }
    }
    operator_figures(store, period).await.unwrap();
}

/// The same sums from every record.
async fn scan(store: &Store, period: &Period) -> CallCount {
    let (targets, mut all) = (TargetHistory::new(targets()), CallCount::default());
    let mut page = store.calls(&period.span, None).await.unwrap();
    while let Some(last) = page.last() {
        for call in &page {
            let cdr = call.cdr().unwrap();
            CallCount::of(&cdr, &targets).filter(|_| !cdr.is_exercise()).iter().for_each(|count| all.add(count, 1));
        }
        page = store.calls(&period.span, Some(last)).await.unwrap();
    }
    all
}

async fn measure(store: &Store, period: &Period) {
    let mut scanned = CallCount::default();
    let plain = shortest(1, async || scanned = scan(store, period).await).await;
    let found = figures(store, period, &Filter::default(), GroupBy::Nothing, true).await.unwrap();
    assert!(found.rows.iter().all(|row| row.count.waits == scanned.waits), "the figures are those of the records");
    let level = ServiceLevel { within: Duration::from_secs(10), percent: 90 };
    let (levels, limits) =
        (Levels { usual: level, desks: Vec::new() }, Limits { service_level_ms: 10_000, short_abandon_ms: 5_000 });
    let indexed = shortest(3, async || drop(store.totals(&period.span, limits, &levels).await.unwrap())).await;
    println!("{} calls; a plain scan of the records takes {plain:?}", scanned.sums.calls);
    let tell = |name: &str, took: Duration| {
        println!("{name:<44} {took:>12.1?}  1/{:.0} of the scan", plain.as_secs_f64() / took.as_secs_f64());
    };
    tell("sums from the indexes of the records", indexed);
    let all = Filter::default();
    tell("overview", shortest(5, async || overview(store, period, &all).await).await);
    let desk = Filter { desk: Some("damkar".to_owned()), ..Filter::default() };
    tell("overview of a desk", shortest(5, async || overview(store, period, &desk).await).await);
    let two = Filter { class: Some("normal".to_owned()), exercises: Exercises::With, ..desk };
    for (name, group_by, with_waits) in [
        ("hours of a desk and a class", GroupBy::Hour, false),
        ("hours of the week of a desk and a class", GroupBy::HourOfWeek, false),
        ("percentiles of each agency", GroupBy::Agency, true),
        ("percentiles of each hour of the week", GroupBy::HourOfWeek, true),
    ] {
        let filter = if with_waits { &all } else { &two };
        let took =
            shortest(3, async || drop(figures(store, period, filter, group_by, with_waits).await.unwrap())).await;
        tell(name, took);
    }
}

fn main() {
    let days: i64 = std::env::var("SIAGA_BENCH_DAYS").map_or(30, |days| days.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let store = match std::env::var("SIAGA_BENCH_URL") {
            Ok(url) => Store::open_read_only(&url).await.unwrap(),
            Err(_) => filled(&format!("sqlite:{}", folder.path().join("siaga.db").display()), days).await,
        };
        let zone = jiff::tz::TimeZone::get(ZONE).unwrap();
        let calendar = Calendar::new(zone.clone());
        let last = store.last_call().await.unwrap().unwrap();
        let end = calendar.next(Grain::Day, last);
        let period = Period { span: end.shifted(-days * DAY)..end, zone };
        measure(&store, &period).await;
        store.close().await;
    });
}
