//! The synthetic city: its shape, and that a seed means the same every time.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::cdr::{Cdr, Outcome};

const START: i64 = 1_796_058_000_000;

/// The streams of some days in UTC+7; the first day is a Tuesday.
fn city(seed: u64, days: i64) -> Vec<Vec<Fact>> {
    let mut city = City::new(seed, 1_900, Timestamp::from_millis(START));
    (0..days * 24)
        .flat_map(|no| {
            let day = no / 24;
            let hour = CityHour {
                start: Timestamp::from_millis(START + no * HOUR),
                weekday: u8::try_from((day + 1) % 7).unwrap(),
                day_of_month: u8::try_from(day % 30 + 1).unwrap(),
                hour: u8::try_from(no % 24).unwrap(),
            };
            city.hour(&hour)
        })
        .collect()
}

#[test]
fn a_seed_gives_the_same_facts_and_another_seed_gives_others() {
    let text = |seed| serde_json::to_string(&city(seed, 2)).unwrap();
    assert_eq!(text(7), text(7));
    assert_ne!(text(7), text(8));
}

#[test]
fn every_call_has_a_record_and_every_fact_has_its_own_id() {
    let streams = city(1, 3);
    let ids: BTreeSet<FactId> = streams.iter().flatten().map(|fact| fact.id).collect();
    assert_eq!(ids.len(), streams.iter().map(Vec::len).sum::<usize>());
    let is_call = |stream: &&Vec<Fact>| matches!(stream.first().map(|f| &f.kind), Some(FactKind::Received { .. }));
    let calls: Vec<Cdr> = streams.iter().filter(is_call).map(|stream| Cdr::fold(stream).unwrap()).collect();
    assert!((4_000..8_000).contains(&calls.len()), "{} calls in three days", calls.len());
    assert!(calls.iter().all(Cdr::is_settled));
    let in_order = calls.windows(2).filter(|two| two[0].received <= two[1].received).count();
    assert_eq!(in_order, calls.len() - 1, "they come in the order of their arrival");
}

#[test]
fn the_city_has_everything_that_reports_distinguish() {
    let calls: Vec<Cdr> = city(3, 45).iter().filter_map(|stream| Cdr::fold(stream)).collect();
    let share = |of: &dyn Fn(&Cdr) -> bool| calls.iter().filter(|cdr| of(cdr)).count() * 1_000 / calls.len();
    let abandoned = share(&|cdr| cdr.outcome == Some(Outcome::Abandoned));
    assert!((150..500).contains(&abandoned), "{abandoned} of 1000 are abandoned");
    let short = share(&|cdr| cdr.outcome == Some(Outcome::Abandoned) && cdr.waited_ms < 5_000);
    assert!(short > 80 && short < abandoned, "{short} of 1000 are short ones");
    let within = share(&|cdr| cdr.outcome == Some(Outcome::Answered) && cdr.waited_ms <= 10_000);
    assert!((400..900).contains(&within), "{within} of 1000 are answered within 10 s");
    let mut classes: BTreeMap<String, usize> = BTreeMap::new();
    calls.iter().for_each(|cdr| {
        let class = cdr.disposition.as_ref().map_or("", |of| of.class.word());
        *classes.entry(class.to_owned()).or_default() += 1;
    });
    assert_eq!(classes.len(), 7, "all classes, and calls without one: {classes:?}");
    for (name, share) in [
        ("call-backs", share(&|cdr| !cdr.call_backs.is_empty())),
        ("transfers", share(&|cdr| !cdr.transfers.is_empty())),
        ("conferences", share(&|cdr| !cdr.guests.is_empty())),
        ("holds", share(&|cdr| cdr.hold_ms > 0)),
        ("locations", share(&|cdr| !cdr.locations.is_empty())),
        ("repeat callers", share(&|cdr| cdr.calls_of_late > 1)),
        ("modes", share(&|cdr| cdr.mode != OperatingMode::Normal)),
        ("unanswered ring attempts", share(&|cdr| cdr.offers.len() > 1)),
    ] {
        assert!(share > 0, "no {name}");
    }
    let values = |of: &dyn Fn(&Cdr) -> String| calls.iter().map(of).collect::<BTreeSet<_>>().len();
    assert_eq!((values(&|cdr| cdr.desk.clone()), values(&|cdr| cdr.trunk.clone())), (4, 3));
    assert!(values(&|cdr| cdr.operator.as_ref().map(ToString::to_string).unwrap_or_default()) > 12);
}

#[test]
fn an_operator_never_has_two_calls_at_once() {
    let mut talks: BTreeMap<String, Vec<(i64, i64)>> = BTreeMap::new();
    for cdr in city(5, 4).iter().filter_map(|stream| Cdr::fold(stream)) {
        for talk in cdr.talks.iter().filter(|talk| !talk.guest) {
            if let crate::cdr::fact::Callee::Operator(operator) = &talk.with {
                talks.entry(operator.to_string()).or_default().push((talk.from.as_millis(), talk.to.as_millis()));
            }
        }
    }
    for (operator, mut talks) in talks {
        talks.sort_unstable();
        assert!(talks.windows(2).all(|two| two[0].1 <= two[1].0), "{operator} talks twice at once");
    }
}
