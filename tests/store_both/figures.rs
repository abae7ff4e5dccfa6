//! Figures from roll-ups equal figures that are computed from calls, for random calls, periods and filters.

use std::collections::BTreeMap;

use siaga::cdr::rollup::{Calendar, CallCount, Key, OperatorSums, TargetHistory};
use siaga::cdr::{Cdr, Outcome};
use siaga::clock::Timestamp;
use siaga::config::{Levels, ServiceLevel};
use siaga::ids::Rng;
use siaga::reports::figures::{self, Exercises, FiguresError, Filter, Group, GroupBy, Row};
use siaga::reports::period::Period;
use siaga::reports::{self, Format};
use siaga::store::Store;
use siaga::store::facts::Batch;
use siaga::store::report_queries::Limits;

use super::at;
use super::base::Base;
use super::rollups::{records, settings, some_stories};

const DAY: i64 = 86_400_000;
const GROUPS: [GroupBy; 12] = [
    GroupBy::Nothing,
    GroupBy::Hour,
    GroupBy::Day,
    GroupBy::Month,
    GroupBy::HourOfWeek,
    GroupBy::Desk,
    GroupBy::Trunk,
    GroupBy::Class,
    GroupBy::Category,
    GroupBy::Agency,
    GroupBy::Mode,
    GroupBy::Combination,
];

pub(crate) fn zone(name: &str) -> jiff::tz::TimeZone {
    jiff::tz::TimeZone::get(name).unwrap()
}

/// Random calls of some ten weeks.
pub(crate) async fn fill(store: &Store, rng: &mut Rng) {
    let mut cdrs = Vec::new();
    for story in some_stories(rng, 250) {
        let mut cdr = story.cdr();
        let shift = i64::try_from(rng.below(70)).unwrap() * DAY;
        for time in [Some(&mut cdr.received), cdr.ended.as_mut(), cdr.answered.as_mut()].into_iter().flatten() {
            *time = time.shifted(shift);
        }
        cdr.waited_ms = rng.below(20_000) * (1 + rng.below(5));
        cdr.trunk = ["telco", "mobile"][usize::try_from(rng.below(2)).unwrap()].to_owned();
        cdrs.push(cdr);
    }
    store.take("journal", Batch { cdrs, ..Batch::default() }).await.unwrap();
}

/// A period whose ends are at any time, at an hour, at a day or at a month.
fn some_period(rng: &mut Rng, zone: &jiff::tz::TimeZone) -> Period {
    let calendar = Calendar::new(zone.clone());
    let mut end = || {
        let time =
            at(i64::try_from(rng.below(80)).unwrap() * DAY - DAY + i64::try_from(rng.below(DAY as u64)).unwrap());
        match rng.below(5) {
            0 => time,
            1 => calendar.starts(time)[0].1,
            2 | 3 => calendar.starts(time)[1].1,
            _ => calendar.starts(time)[2].1,
        }
    };
    let (one, other) = (end(), end());
    Period { span: one.min(other)..one.max(other), zone: zone.clone() }
}

/// A filter of at most two values that occur.
fn some_filter(rng: &mut Rng, cdrs: &[Cdr]) -> Filter {
    let exercises = [Exercises::Without, Exercises::With, Exercises::Only][usize::try_from(rng.below(3)).unwrap()];
    let mut filter = Filter { exercises, ..Filter::default() };
    for _ in 0..rng.below(3) {
        let key = Key::of(&cdrs[usize::try_from(rng.below(cdrs.len() as u64)).unwrap()]);
        match rng.below(6) {
            0 => filter.desk = Some(key.desk),
            1 => filter.trunk = Some(key.trunk),
            2 => filter.class = Some(key.class),
            3 => filter.category = Some(key.category),
            4 => filter.agency = Some(key.agency),
            _ => filter.mode = Some(key.mode),
        }
    }
    filter
}

/// Whether the filter lets a call through, from the record alone.
fn passes(filter: &Filter, cdr: &Cdr) -> bool {
    let disposition = cdr.disposition.as_ref();
    let exercises = match filter.exercises {
        Exercises::Without => !cdr.is_exercise(),
        Exercises::With => true,
        Exercises::Only => cdr.is_exercise(),
    };
    let equal = |wanted: &Option<String>, value: &str| wanted.as_ref().is_none_or(|wanted| wanted == value);
    exercises
        && equal(&filter.desk, &cdr.desk)
        && equal(&filter.trunk, &cdr.trunk)
        && equal(&filter.class, disposition.map_or("", |of| of.class.word()))
        && equal(&filter.category, disposition.and_then(|of| of.category.as_deref()).unwrap_or_default())
        && equal(&filter.agency, disposition.and_then(|of| of.agency.as_deref()).unwrap_or_default())
        && equal(&filter.mode, cdr.mode.word())
}

async fn compare(store: &Store, rng: &mut Rng, cdrs: &[Cdr], zone: &jiff::tz::TimeZone) {
    let targets = TargetHistory::new(settings(10).targets);
    let calendar = Calendar::new(zone.clone());
    let (period, filter) = (some_period(rng, zone), some_filter(rng, cdrs));
    let group_by = GROUPS[usize::try_from(rng.below(12)).unwrap()];
    let with_waits = rng.below(2) == 0;
    let inside: Vec<&Cdr> =
        cdrs.iter().filter(|cdr| period.span.contains(&cdr.received) && passes(&filter, cdr)).collect();
    let mut expected: BTreeMap<Group, CallCount> = BTreeMap::new();
    for cdr in &inside {
        let mut count = CallCount::of(cdr, &targets).unwrap();
        if !with_waits {
            count.waits = Default::default();
        }
        let group = figures::group_of_call(cdr, &Key::of(cdr), group_by, &calendar);
        expected.entry(group).or_default().add(&count, 1);
    }
    if group_by == GroupBy::Nothing {
        expected.entry(Group::Whole).or_default();
    }
    let found = figures::figures(store, &period, &filter, group_by, with_waits).await.unwrap();
    let rows: BTreeMap<Group, CallCount> = found.rows.into_iter().map(|row| (row.group, row.count)).collect();
    let words = format!("{:?} {filter:?} {group_by:?} {with_waits}", period.span);
    assert_eq!(rows, expected, "{words}");
    if group_by == GroupBy::Combination {
        let rows: Vec<Row> =
            rows.iter().map(|(group, count)| Row { group: group.clone(), count: count.clone() }).collect();
        let desks = figures::figures(store, &period, &filter, GroupBy::Desk, with_waits).await.unwrap().rows;
        let desks: BTreeMap<Group, CallCount> = desks.into_iter().map(|row| (row.group, row.count)).collect();
        let merged = figures::merged(&rows, |key| Some(&key.desk));
        assert_eq!(
            merged.into_iter().map(|(desk, count)| (Group::Word(desk), count)).collect::<BTreeMap<_, _>>(),
            desks
        );
    }
    // Some figures without any code of roll-ups.
    let mut all = CallCount::default();
    rows.values().for_each(|count| all.add(count, 1));
    let of = |outcome: Outcome, longest: u64| {
        let calls = inside.iter().filter(|cdr| cdr.outcome == Some(outcome) && cdr.waited_ms <= longest);
        i64::try_from(calls.count()).unwrap()
    };
    let any = u64::MAX;
    assert_eq!(all.sums.answered, of(Outcome::Answered, any), "{words}");
    assert_eq!(all.sums.abandoned, of(Outcome::Abandoned, any), "{words}");
    assert_eq!(all.sums.within, of(Outcome::Answered, 10_000), "{words}");
    assert_eq!(all.sums.short, of(Outcome::Abandoned, 4_999), "{words}");
    let waited: u64 = inside.iter().filter(|cdr| cdr.outcome == Some(Outcome::Answered)).map(|cdr| cdr.waited_ms).sum();
    assert_eq!(all.sums.answered_wait_ms, i64::try_from(waited).unwrap(), "{words}");

    let mut expected: BTreeMap<_, OperatorSums> = BTreeMap::new();
    for cdr in cdrs.iter().filter(|cdr| period.span.contains(&cdr.received)) {
        OperatorSums::of(cdr).into_iter().for_each(|(party, sums)| expected.entry(party).or_default().add(&sums, 1));
    }
    expected.retain(|_, sums| *sums != OperatorSums::default());
    assert_eq!(figures::operator_figures(store, &period).await.unwrap(), expected, "{words}");
}

pub(crate) async fn figures_from_rollups_are_those_of_the_calls(base: &Base) {
    base.make().await;
    let store = Store::open(&base.url).await.unwrap();
    for (seed, name) in [(21, "Asia/Jakarta"), (22, "Europe/Berlin")] {
        let mut rng = Rng::from_number(seed);
        let settings = siaga::store::rollups::fill::Settings { zone: name.to_owned(), ..settings(10) };
        store.forget_rollups(&settings).await.unwrap();
        fill(&store, &mut rng).await;
        while !store.fill_rollups().await.unwrap() {}
        let cdrs = records(&store).await;
        for _ in 0..120 {
            compare(&store, &mut rng, &cdrs, &zone(name)).await;
        }
    }
    store.close().await;
}

/// The summary that leaves the centre has the same figures, and those of no operator.
pub(crate) async fn a_summary_without_operators_has_all_other_figures(base: &Base) {
    base.make().await;
    let store = Store::open(&base.url).await.unwrap();
    fill(&store, &mut Rng::from_number(29)).await;
    let period = Period::parse(Some("2026-11-01"), Some("2026-12-31"), &zone("Asia/Jakarta"), at(0)).unwrap();
    let (limits, levels) = terms();
    let whole: serde_json::Value = serde_json::from_str(&summary(&store, &period).await).unwrap();
    let mut out = Vec::new();
    reports::summary_without_operators(&store, &period, limits, &levels, Format::Json, &mut out).await.unwrap();
    let mut without: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert!(!whole["operators"].as_array().unwrap().is_empty());
    assert_eq!(without["operators"], serde_json::json!([]));
    without["operators"] = whole["operators"].clone();
    assert_eq!(without, whole);
    store.close().await;
}

fn terms() -> (Limits, Levels) {
    let limits = Limits { service_level_ms: 10_000, short_abandon_ms: 5_000 };
    let level = |seconds, percent| ServiceLevel { within: std::time::Duration::from_secs(seconds), percent };
    let desks = vec![(String::new(), level(10, 90)), ("fire".to_owned(), level(5, 95))];
    (limits, Levels { usual: level(10, 90), desks })
}

async fn summary(store: &Store, period: &Period) -> String {
    let (limits, levels) = terms();
    let mut out = Vec::new();
    reports::summary(store, period, limits, &levels, Format::Json, &mut out).await.unwrap();
    String::from_utf8(out).unwrap()
}

/// The summary is the same, whether it is read from the records or from roll-ups.
pub(crate) async fn a_summary_from_rollups_is_that_of_the_records(base: &Base) {
    base.make().await;
    let store = Store::open(&base.url).await.unwrap();
    let mut rng = Rng::from_number(23);
    fill(&store, &mut rng).await;
    let zone = zone("Asia/Jakarta");
    let mut settings = settings(10);
    settings.targets.desks.insert(String::new(), siaga::cdr::rollup::DeskTarget { within_ms: 10_000, percent: 90 });
    let mut periods: Vec<Period> = (0..12).map(|_| some_period(&mut rng, &zone)).collect();
    let whole = at(-DAY)..at(90 * DAY);
    periods.push(Period { span: whole.clone(), zone: zone.clone() });
    let mut scanned = Vec::new();
    for period in &periods {
        let none = figures::figures(&store, period, &Filter::default(), GroupBy::Nothing, false).await;
        assert!(matches!(none, Err(FiguresError::NotFilled)), "{none:?}");
        scanned.push(summary(&store, period).await);
    }
    store.forget_rollups(&settings).await.unwrap();
    while !store.fill_rollups().await.unwrap() {}
    for (period, scanned) in periods.iter().zip(&scanned) {
        assert_eq!(summary(&store, period).await, *scanned, "{:?}", period.span);
    }
    let moved = Period { span: whole, zone: jiff::tz::TimeZone::get("Asia/Jayapura").unwrap() };
    let other = figures::figures(&store, &moved, &Filter::default(), GroupBy::Nothing, false).await.unwrap_err();
    let expected = "the calls are counted in the time zone Asia/Jakarta, and the site is in Asia/Jayapura: run siaga report rebuild";
    assert_eq!(other.to_string(), expected);
    base.behind("DELETE FROM cdr WHERE class IS NULL", "DELETE FROM cdr WHERE class IS NULL").await;
    let last = periods.len() - 1;
    let count = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap()["calls"].clone();
    assert_eq!(count(&summary(&store, &periods[last]).await), count(&scanned[last]), "it is read from roll-ups");
    store.close().await;
}

/// The hours of the week from roll-ups are the quarters of the records, which charts use while roll-ups cannot be used.
pub(crate) async fn hours_from_rollups_are_the_quarters_of_the_records(base: &Base) {
    base.make().await;
    let store = Store::open(&base.url).await.unwrap();
    let (mut rng, zone) = (Rng::from_number(24), zone("Asia/Jakarta"));
    fill(&store, &mut rng).await;
    store.forget_rollups(&settings(10)).await.unwrap();
    while !store.fill_rollups().await.unwrap() {}
    let (calendar, limits) =
        (Calendar::new(zone.clone()), Limits { service_level_ms: 10_000, short_abandon_ms: 5_000 });
    let mut waited_long = 0;
    for _ in 0..12 {
        let period = some_period(&mut rng, &zone);
        let mut expected: BTreeMap<Group, [u64; 4]> = BTreeMap::new();
        let quarters = store.bins(&period.span, limits).await.unwrap();
        for bin in &quarters {
            let sums = expected.entry(Group::HourOfWeek(calendar.hour_of_week(bin.start))).or_default();
            for (sum, more) in sums.iter_mut().zip([bin.calls, bin.answered, bin.within, bin.abandoned]) {
                *sum += more;
            }
        }
        let hours =
            figures::figures(&store, &period, &Filter::default(), GroupBy::HourOfWeek, true).await.unwrap().rows;
        let long: i64 = hours.iter().map(|row| row.count.waits.longer_than(60)).sum();
        let row = |row: Row| {
            let sums = row.count.sums;
            let all = [sums.calls, sums.answered, sums.within, sums.abandoned - sums.short];
            (row.group, all.map(i64::unsigned_abs))
        };
        assert_eq!(hours.into_iter().map(row).collect::<BTreeMap<_, _>>(), expected, "{:?}", period.span);
        assert_eq!(long.unsigned_abs(), quarters.iter().map(|bin| bin.long).sum::<u64>(), "{:?}", period.span);
        waited_long += long;
    }
    assert!(waited_long > 0, "no call waited for more than a minute");
    store.close().await;
}

/// Targets are reported with the time from which they apply.
pub(crate) async fn the_targets_of_a_period_are_reported(base: &Base) {
    base.make().await;
    let store = Store::open(&base.url).await.unwrap();
    store.prepare_rollups(&settings(10), at(0)).await.unwrap();
    store.fill_rollups().await.unwrap();
    store.prepare_rollups(&settings(20), at(DAY)).await.unwrap();
    let period = |from: i64, until: i64| Period { span: at(from)..at(until), zone: zone("Asia/Jakarta") };
    let filter = Filter::default();
    let within = async |period: Period| {
        let found = figures::figures(&store, &period, &filter, GroupBy::Nothing, false).await.unwrap();
        found.targets.into_iter().map(|(since, of)| (since, of.within_ms)).collect::<Vec<_>>()
    };
    let later: Option<Timestamp> = Some(at(DAY));
    assert_eq!(within(period(0, DAY)).await, [(None, 10_000)]);
    assert_eq!(within(period(0, DAY + 1)).await, [(None, 10_000), (later, 20_000)]);
    assert_eq!(within(period(DAY, 2 * DAY)).await, [(later, 20_000)]);
    store.close().await;
}
