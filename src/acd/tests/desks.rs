//! Several desks, their strategies, overflow, and operators who do not answer.

use std::collections::BTreeMap;

use super::*;
use crate::acd::desk::{Overflow, Strategy};

fn desk(name: &str, members: &[(&str, u8)]) -> Desk {
    let members = members.iter().map(|(name, level)| (op(name), *level)).collect::<BTreeMap<_, _>>();
    Desk { name: name.to_owned(), members: (!members.is_empty()).then_some(members), ..Desk::default() }
}

fn with_desks(desks: Vec<Desk>, names: &[&str]) -> Stage {
    Stage::with(Settings { desks, wrap_up: Duration::ZERO, ..settings() }, names)
}

fn with_strategy(strategy: Strategy, names: &[&str]) -> Stage {
    with_desks(vec![Desk { strategy, ..Desk::default() }], names)
}

const FIRE: DeskNo = DeskNo(1);

/// The operators who answer calls that arrive one after the other. `seconds` has the duration of each call.
fn answers(stage: &mut Stage, seconds: &[u64]) -> Vec<String> {
    let mut all = Vec::new();
    for seconds in seconds {
        let (call, operator) = stage.talk();
        stage.pass(Duration::from_secs(*seconds));
        stage.acd.finished(stage.now, call, &operator);
        all.push(operator.as_str().to_owned());
    }
    all
}

#[test]
fn each_strategy_has_its_order() {
    let lasting = [60, 5, 5, 5, 5, 5];
    let of = |strategy| answers(&mut with_strategy(strategy, &["a", "b", "c"]), &lasting).concat();
    assert_eq!(of(Strategy::LongestIdle), "abcabc");
    assert_eq!(of(Strategy::RoundRobin), "abcabc");
    assert_eq!(of(Strategy::FewestCalls), "abcabc");
    assert_eq!(of(Strategy::LeastTalkTime), "abcbcb", "a has talked for a minute");
    assert_eq!(of(Strategy::Linear), "aaaaaa");
}

#[test]
fn round_robin_counts_offers_and_longest_idle_counts_time() {
    for (strategy, expected) in [(Strategy::RoundRobin, "b"), (Strategy::LongestIdle, "c")] {
        let mut stage = with_strategy(strategy, &["a", "b", "c"]);
        let (first, second) = (stage.talk(), stage.talk());
        stage.acd.finished(stage.now, second.0, &second.1);
        stage.acd.finished(stage.now, first.0, &first.1);
        let third = stage.talk();
        assert_eq!(third.1, op("c"));
        stage.acd.finished(stage.now, third.0, &third.1);
        stage.acd.set_reachable(stage.now, &op("a"), false);
        stage.pass(Duration::from_secs(9));
        let (call, b) = stage.talk();
        assert_eq!(b, op("b"));
        stage.pass(Duration::from_secs(9));
        // The operator who has been idle for longest is c; b was rung after c.
        stage.acd.finished(stage.now, call, &b);
        stage.acd.set_reachable(stage.now, &op("a"), true);
        stage.acd.pause(stage.now, &op("a"), "meal").unwrap();
        let (_, next) = stage.talk();
        assert_eq!(next, op("c"), "{expected}: {}", strategy.word());
    }
}

#[test]
fn a_newcomer_begins_level_with_those_at_work() {
    let mut stage = with_strategy(Strategy::FewestCalls, &["a", "b"]);
    stage.acd.set_registered(stage.now, &op("b"), false);
    assert_eq!(answers(&mut stage, &[5; 4]), ["a"; 4]);
    stage.acd.set_registered(stage.now, &op("b"), true);
    let next = answers(&mut stage, &[5; 4]);
    assert_eq!(next.iter().filter(|name| *name == "b").count(), 2, "neither flooded nor spared: {next:?}");
}

#[test]
fn random_gives_each_operator_a_share() {
    let mut stage = with_strategy(Strategy::Random, &["a", "b", "c", "d"]);
    let mut answered = BTreeMap::new();
    for name in answers(&mut stage, &[1; 4_000]) {
        *answered.entry(name).or_insert(0) += 1;
    }
    // 1,000 each; the standard deviation is 27.
    assert!(answered.len() == 4 && answered.values().all(|count| (850..1_150).contains(count)), "{answered:?}");
}

#[test]
fn a_desk_rings_its_own_operators_by_level() {
    let desks = vec![desk("", &[]), desk("fire", &[("b", 2), ("c", 1)])];
    let mut stage = with_desks(desks, &["a", "b", "c"]);
    let calls = [(); 3].map(|()| stage.caller_for(1, FIRE));
    assert_eq!(stage.offers(), [(calls[0], op("c")), (calls[1], op("b"))], "a is not of the fire desk");
    let other = stage.caller();
    assert_eq!(
        stage.offers(),
        [(other, op("a"))],
        "a later call passes only if no operator could take the earlier one"
    );
    stage.acd.leave(stage.now, calls[0]);
    assert_eq!(stage.offers(), [(calls[2], op("c"))]);
}

#[test]
fn the_order_of_all_calls_is_one_whatever_their_desks() {
    let mut stage = with_desks(vec![desk("", &[]), desk("fire", &[("a", 1)])], &["a"]);
    let (_, a) = stage.talk();
    let waiting = [stage.caller_with(1), stage.caller_for(1, FIRE), stage.caller_for(0, FIRE), stage.caller_with(0)];
    stage.acd.pause(stage.now, &a, "x").unwrap();
    let mut served = Vec::new();
    for _ in 0..4 {
        stage.acd.resume(stage.now, &a).unwrap();
        let busy = stage.acd.view(&a).unwrap().call.unwrap();
        stage.acd.finished(stage.now, busy, &a);
        let (call, operator) = stage.offers().pop().unwrap();
        stage.acd.answered(stage.now, call, &operator);
        served.push(call);
    }
    assert_eq!(served, [waiting[2], waiting[3], waiting[0], waiting[1]]);
}

#[test]
fn a_desk_without_operators_is_answered_by_all_operators() {
    let mut stage = with_desks(vec![desk("", &[]), desk("fire", &[("b", 1)])], &["a"]);
    let call = stage.caller_for(1, FIRE);
    let decisions = stage.decisions();
    let Some(Decision::Offer { call: offered, operator, why }) = decisions.first() else { panic!("{decisions:?}") };
    assert_eq!((*offered, operator), (call, &op("a")));
    assert!(why.ends_with("first of 1 ready for fire, by everybody"), "{why}");
}

#[test]
fn all_operators_are_more_than_the_members_of_the_first_desk() {
    let mut stage = with_desks(vec![desk("", &[("a", 1)]), desk("fire", &[("b", 1)])], &["a", "b"]);
    let first = stage.caller();
    assert_eq!(stage.offers(), [(first, op("a"))]);
    let second = stage.caller();
    assert_eq!(stage.offers(), [], "b is not of the first desk");
    stage.acd.set_registered(stage.now, &op("a"), false);
    assert_eq!(stage.offers(), [(second, op("b"))], "no operator is left there");
}

#[test]
fn a_call_that_waits_too_long_overflows_and_keeps_its_place() {
    let mut fire = desk("fire", &[("a", 1)]);
    fire.overflow = Overflow { after: Some(Duration::from_secs(20)), length: None, to: vec![DeskNo(2)] };
    let desks = vec![desk("", &[]), fire, desk("police", &[("c", 1)])];
    let mut stage = with_desks(desks, &["a", "b", "c"]);
    let talk = stage.caller_for(1, FIRE);
    assert_eq!(stage.offers(), [(talk, op("a"))]);
    stage.acd.answered(stage.now, talk, &op("a"));
    let call = stage.caller_for(1, FIRE);
    assert_eq!(stage.offers(), []);
    stage.pass(Duration::from_millis(19_999));
    assert_eq!(stage.offers(), []);
    assert_eq!(stage.acd.poll_timeout(), Some(stage.now.mono + Duration::from_millis(1)));
    stage.pass(Duration::from_millis(1));
    assert_eq!(stage.offers(), [(call, op("c"))], "b is neither of the fire desk nor of the police's");
    stage.acd.offer_failed(stage.now, call, &op("c"), false);
    stage.acd.finished(stage.now, talk, &op("a"));
    assert_eq!(stage.offers(), [(call, op("a"))], "its own desk serves it still");
}

#[test]
fn a_desk_with_a_long_queue_overflows_at_once() {
    let mut fire = desk("fire", &[("a", 1)]);
    fire.overflow = Overflow { after: None, length: Some(1), to: Vec::new() };
    let mut stage = with_desks(vec![desk("", &[]), fire], &["a", "b"]);
    let first = stage.caller_for(1, FIRE);
    assert_eq!(stage.offers(), [(first, op("a"))]);
    let second = stage.caller_for(1, FIRE);
    assert_eq!(stage.offers(), [], "no call waits before it");
    let third = stage.caller_for(1, FIRE);
    stage.pass(Duration::ZERO);
    assert_eq!(stage.offers(), [(third, op("b"))]);
    assert_eq!(stage.acd.waiting().collect::<Vec<_>>(), [second]);
}

#[test]
fn new_desks_find_the_waiting_calls_by_name() {
    let mut stage = with_desks(vec![desk("", &[]), desk("fire", &[("a", 1)])], &["a", "b"]);
    stage.acd.set_registered(stage.now, &op("b"), false);
    let (_, a) = stage.talk();
    let call = stage.caller_for(1, FIRE);
    let desks = vec![desk("", &[]), desk("police", &[("a", 1)]), desk("fire", &[("b", 1), ("a", 2)])];
    stage.acd.configure(stage.now, Settings { desks, wrap_up: Duration::ZERO, ..settings() });
    assert_eq!(stage.offers(), []);
    stage.acd.set_registered(stage.now, &op("b"), true);
    assert_eq!(stage.offers(), [(call, op("b"))]);
    assert_eq!(stage.state(a.as_str()), State::Talking);
    // The calls of a removed desk move to the first desk.
    let gone = stage.caller_for(1, FIRE);
    stage.acd.configure(stage.now, Settings { wrap_up: Duration::ZERO, ..settings() });
    assert_eq!(stage.acd.waiting().collect::<Vec<_>>(), [gone]);
    assert_eq!(stage.offers(), []);
}

#[test]
fn an_operator_with_too_many_unanswered_attempts_goes_on_a_break_unless_the_last_ready_one() {
    let mut stage = Stage::with(Settings { unanswered_max: 2, ..settings() }, &["a", "b"]);
    stage.acd.pause(stage.now, &op("b"), "meal").unwrap();
    let call = stage.caller();
    for _ in 0..3 {
        assert_eq!(stage.offers(), [(call, op("a"))], "no other operator is left at work");
        stage.fail(call, "a");
        stage.pass(REST);
    }
    stage.acd.resume(stage.now, &op("b")).unwrap();
    assert_eq!(stage.offers(), [(call, op("b"))]);
    stage.fail(call, "b");
    assert_eq!(stage.offers(), [(call, op("a"))]);
    stage.fail(call, "a");
    let view = stage.acd.view(&op("a")).unwrap();
    assert_eq!((view.state, view.paused.as_deref()), (State::Break, Some("unanswered")));
    stage.acd.resume(stage.now, &op("a")).unwrap();
    assert_eq!(stage.offers(), [(call, op("a"))]);
    stage.fail(call, "a");
    assert_eq!(stage.state("a"), State::Ready, "it counts from the resumption");
}

#[test]
fn a_wrap_up_is_prolonged_but_not_for_ever() {
    let mut stage = Stage::new(&["a"]);
    let (call, a) = stage.talk();
    assert_eq!(stage.acd.extend_wrap_up(stage.now, &a, WRAP_UP), Ok(false), "the operator talks");
    stage.acd.finished(stage.now, call, &a);
    assert_eq!(stage.acd.extend_wrap_up(stage.now, &a, WRAP_UP), Ok(true));
    stage.pass(WRAP_UP);
    assert_eq!(stage.state("a"), State::WrapUp);
    assert_eq!(stage.acd.extend_wrap_up(stage.now, &a, Duration::from_secs(99_999)), Ok(true));
    stage.pass(WRAP_UP_MAX);
    assert_eq!(stage.state("a"), State::Ready);
    assert_eq!(stage.acd.extend_wrap_up(stage.now, &op("x"), WRAP_UP), Err(UnknownOperator));
}
