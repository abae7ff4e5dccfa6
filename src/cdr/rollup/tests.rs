//! The arithmetic of roll-ups, on the calls of the synthetic city.

use super::*;
use crate::cdr::Outcome;
use crate::cdr::city::{City, CityHour};
use crate::clock::Timestamp;

/// 2026-11-24 00:00 in Jakarta, a Tuesday.
const MIDNIGHT: i64 = 1_795_453_200_000;
const HOUR: i64 = 3_600_000;

fn targets(within_ms: u64, short_ms: u64) -> Targets {
    let desk = DeskTarget { within_ms: 5_000, percent: 95 };
    Targets { within_ms, percent: 90, short_ms, desks: [("damkar".to_owned(), desk)].into() }
}

fn rules() -> Rules {
    let calendar = Calendar::named("Asia/Jakarta").unwrap();
    Rules { calendar, targets: TargetHistory::new(targets(10_000, 5_000)) }
}

/// The calls of some hours.
fn calls(hours: i64) -> Vec<Cdr> {
    let mut city = City::new(11, 2_000, Timestamp::from_millis(MIDNIGHT));
    let hour = |no: i64| CityHour {
        start: Timestamp::from_millis(MIDNIGHT + no * HOUR),
        weekday: u8::try_from((1 + no / 24) % 7).unwrap(),
        day_of_month: 24,
        hour: u8::try_from(no % 24).unwrap(),
    };
    (0..hours).flat_map(|no| city.hour(&hour(no))).filter_map(|facts| Cdr::fold(&facts)).collect()
}

fn counted(cdrs: &[Cdr], rules: &Rules) -> Changes {
    let mut changes = Changes::default();
    cdrs.iter().for_each(|cdr| changes.count(cdr, rules, 1));
    changes
}

fn at_level(changes: &Changes, grain: Grain, whole: bool) -> CallCount {
    let mut all = CallCount::default();
    let of_level = changes.calls.iter().filter(|(cell, _)| (cell.grain, cell.whole) == (grain, whole));
    of_level.for_each(|(_, count)| all.add(count, 1));
    all
}

#[test]
fn each_level_has_the_sums_of_all_calls() {
    let cdrs = calls(30);
    let changes = counted(&cdrs, &rules());
    let of = |outcome| cdrs.iter().filter(move |cdr| cdr.outcome == Some(outcome));
    let whole = at_level(&changes, Grain::Hour, true);
    for (grain, of_all) in [(Grain::Hour, false), (Grain::Day, true), (Grain::Day, false), (Grain::Month, true)] {
        assert_eq!(at_level(&changes, grain, of_all), whole, "{grain:?} {of_all}");
    }
    let sums = whole.sums;
    assert_eq!(sums.calls, i64::try_from(cdrs.len()).unwrap());
    assert_eq!(sums.answered, i64::try_from(of(Outcome::Answered).count()).unwrap());
    let millis = |of: &dyn Fn(&Cdr) -> u64| i64::try_from(cdrs.iter().map(of).sum::<u64>()).unwrap();
    assert_eq!((sums.talk_ms, sums.hold_ms), (millis(&|cdr| cdr.talk_ms), millis(&|cdr| cdr.hold_ms)));
    assert_eq!(sums.wrap_ms, millis(&|cdr| cdr.wrap_ms.unwrap_or(0)));
    let short = of(Outcome::Abandoned).filter(|cdr| cdr.waited_ms < 5_000).count();
    assert_eq!(sums.short, i64::try_from(short).unwrap());
    let days: Vec<i64> = changes.calls.keys().filter(|of| of.grain == Grain::Day).map(|of| of.start).collect();
    assert!(days.iter().all(|day| [MIDNIGHT, MIDNIGHT + 24 * HOUR].contains(day)), "{days:?}");
}

#[test]
fn a_record_that_is_taken_back_leaves_nothing() {
    let cdrs = calls(12);
    let mut changes = counted(&cdrs, &rules());
    let kept = counted(&cdrs[..100], &rules());
    cdrs[100..].iter().for_each(|cdr| changes.count(cdr, &rules(), -1));
    changes.drop_nothing();
    assert_eq!((changes.calls, changes.operators), (kept.calls, kept.operators));
}

#[test]
fn a_call_that_has_not_ended_does_not_count() {
    let mut cdr = calls(2).pop().unwrap();
    cdr.ended = None;
    assert_eq!(counted(&[cdr], &rules()), Changes::default());
}

#[test]
fn each_call_is_judged_by_the_targets_in_force_when_it_arrived() {
    let mut rules = rules();
    let noon = Timestamp::from_millis(MIDNIGHT + 12 * HOUR);
    rules.targets.add(noon, targets(7_000, 2_000));
    let mut cdr = calls(2).into_iter().find(|cdr| cdr.outcome == Some(Outcome::Answered)).unwrap();
    cdr.waited_ms = 7_001;
    let mut judged = |received: Timestamp| {
        cdr.received = received;
        CallSums::of(&cdr, &rules.targets).within
    };
    assert_eq!([judged(noon.shifted(-1)), judged(noon), judged(noon.shifted(HOUR))], [1, 0, 0]);
    assert_eq!(rules.targets.last().within_ms, 7_000);
}

#[test]
fn a_desk_is_judged_by_its_own_target_and_a_wait_of_exactly_t_is_within_it() {
    let mut cdr = calls(2).into_iter().find(|cdr| cdr.outcome == Some(Outcome::Answered)).unwrap();
    let rules = rules();
    for (desk, waited_ms, within, desk_within) in
        [("damkar", 5_000, 1, 1), ("damkar", 5_001, 1, 0), ("", 10_000, 1, 1), ("gone", 10_001, 0, 0)]
    {
        (cdr.desk, cdr.waited_ms) = (desk.to_owned(), waited_ms);
        let sums = CallSums::of(&cdr, &rules.targets);
        assert_eq!((sums.within, sums.desk_within), (within, desk_within), "{desk} {waited_ms}");
    }
}

#[test]
fn percentiles_are_the_nearest_rank_of_waits_rounded_up_to_tenths() {
    let cdrs = calls(48);
    let waits = at_level(&counted(&cdrs, &rules()), Grain::Month, true).waits.answered;
    let answered = cdrs.iter().filter(|cdr| cdr.outcome == Some(Outcome::Answered));
    let mut sorted: Vec<u64> = answered.map(|cdr| cdr.waited_ms.div_ceil(100) * 100).collect();
    sorted.sort_unstable();
    for percent in [1_u8, 50, 90, 95, 99, 100] {
        let rank = (sorted.len() * usize::from(percent)).div_ceil(100);
        assert_eq!(Waits::percentile(&waits, percent), Some(sorted[rank - 1]), "{percent} %");
    }
    assert_eq!(Waits::longest(&waits), sorted.last().copied());
    let within = sorted.iter().filter(|wait| **wait <= 15_000).count();
    assert_eq!(Waits::within(&waits, 15), i64::try_from(within).unwrap());
    assert_eq!((Waits::percentile(&Bins::new(), 50), Waits::longest(&Bins::new())), (None, None));
}

#[test]
fn the_id_of_a_combination_depends_on_each_value_and_its_place() {
    let key = |desk: &str, trunk: &str| Key { desk: desk.to_owned(), trunk: trunk.to_owned(), ..Key::default() };
    let ids = [key("a", "b"), key("b", "a"), key("ab", ""), key("", "ab"), Key::whole(true), Key::whole(false)];
    let ids: std::collections::BTreeSet<i64> = ids.iter().map(Key::id).collect();
    assert_eq!(ids.len(), 6);
    assert!(ids.iter().all(|id| *id >= 0));
    // The database has this number: it must never change.
    assert_eq!(Key::whole(false).id(), 4_950_846_428_839_643_000);
}
