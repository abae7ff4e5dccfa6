//! Calls that wait while operators are at work and none of them is ready.

use super::*;

fn on_break(names: &[&str]) -> Stage {
    let mut stage = Stage::new(names);
    for name in names {
        stage.acd.pause(stage.now, &op(name), "meal").unwrap();
    }
    stage
}

fn fallback(call: CallId, names: &[&str]) -> Decision {
    Decision::Fallback { call, operators: names.iter().map(|name| op(name)).collect() }
}

#[test]
fn operators_on_a_break_ring_after_the_time_and_not_before_it() {
    let mut stage = on_break(&["a", "b"]);
    let call = stage.caller();
    assert_eq!(stage.decisions(), []);
    assert_eq!(stage.acd.poll_timeout(), Some(stage.now.mono + NONE_READY));
    stage.pass(NONE_READY - Duration::from_millis(1));
    assert_eq!(stage.decisions(), []);
    stage.pass(Duration::from_millis(1));
    assert_eq!(stage.offers(), [(call, op("a")), (call, op("b"))]);
    stage.acd.answered(stage.now, call, &op("b"));
    assert_eq!((stage.state("a"), stage.state("b")), (State::Break, State::Talking));
    stage.acd.finished(stage.now, call, &op("b"));
    stage.pass(WRAP_UP);
    assert_eq!(stage.state("b"), State::Break, "the break continues after the call");
}

#[test]
fn the_reason_of_the_attempt_names_the_break() {
    let mut stage = on_break(&["a"]);
    stage.caller();
    stage.decisions();
    stage.pass(NONE_READY);
    let Some(Decision::Offer { why, .. }) = stage.decisions().pop() else { panic!("no ring attempt") };
    assert_eq!(why, "no operator ready for 15 s: on break (meal)");
}

#[test]
fn each_call_that_waits_rings_an_operator_on_a_break_before_two_ring_for_one() {
    let mut stage = on_break(&["a", "b", "c"]);
    let (first, second) = (stage.caller(), stage.caller());
    stage.decisions();
    stage.pass(NONE_READY);
    assert_eq!(stage.offers(), [(first, op("a")), (second, op("b")), (first, op("c"))]);
}

#[test]
fn all_phones_and_the_number_follow_when_operators_on_a_break_do_not_answer() {
    let mut stage = on_break(&["a"]);
    let call = stage.caller();
    stage.decisions();
    stage.pass(NONE_READY);
    assert_eq!(stage.offers(), [(call, op("a"))]);
    stage.fail(call, "a");
    assert_eq!(stage.decisions(), [fallback(call, &["a"])]);
    stage.acd.fallback_failed(stage.now, call);
    assert_eq!(stage.decisions(), []);
    stage.pass(REST);
    assert_eq!(stage.offers(), [(call, op("a"))], "the operator on a break has rested");
}

#[test]
fn no_fallback_begins_while_an_operator_talks_or_wraps_up() {
    let mut stage = Stage::new(&["a", "b"]);
    let (talk, busy) = stage.talk();
    let other = if busy == op("a") { "b" } else { "a" };
    stage.acd.pause(stage.now, &op(other), "meal").unwrap();
    let call = stage.caller();
    stage.decisions();
    stage.pass(NONE_READY);
    assert_eq!(stage.offers(), [(call, op(other))], "who talks is not rung");
    stage.fail(call, other);
    assert_eq!(stage.decisions(), []);
    stage.pass(REST);
    assert_eq!(stage.offers(), [(call, op(other))]);
    stage.fail(call, other);
    stage.acd.pause(stage.now, &busy, "meal").unwrap();
    stage.acd.finished(stage.now, talk, &busy);
    assert_eq!((stage.decisions(), stage.state(busy.as_str())), (vec![], State::WrapUp));
    stage.pass(WRAP_UP);
    stage.decisions();
    stage.fail(call, "a");
    stage.fail(call, "b");
    assert!(matches!(stage.decisions().as_slice(), [Decision::Fallback { .. }]));
}

#[test]
fn an_operator_who_becomes_ready_joins_a_call_that_rings_operators_on_a_break() {
    let mut stage = on_break(&["a", "b"]);
    let call = stage.caller();
    stage.acd.set_registered(stage.now, &op("b"), false);
    stage.decisions();
    stage.pass(NONE_READY);
    assert_eq!(stage.offers(), [(call, op("a"))]);
    stage.acd.set_registered(stage.now, &op("b"), true);
    stage.acd.resume(stage.now, &op("b")).unwrap();
    assert_eq!(stage.offers(), [(call, op("b"))]);
}

#[test]
fn the_time_runs_only_while_no_operator_is_ready_or_rung() {
    let mut stage = on_break(&["a", "b"]);
    stage.acd.resume(stage.now, &op("b")).unwrap();
    let call = stage.caller();
    assert_eq!(stage.offers(), [(call, op("b"))]);
    stage.pass(NONE_READY * 2);
    assert_eq!(stage.decisions(), [], "b rings");
    stage.acd.pause(stage.now, &op("b"), "meal").unwrap();
    stage.fail(call, "b");
    assert_eq!(stage.decisions(), []);
    stage.pass(NONE_READY);
    assert_eq!(stage.offers(), [(call, op("a")), (call, op("b"))]);
}

#[test]
fn a_call_rings_the_operators_on_a_break_of_its_own_desks() {
    let desk = |name: &str, members: &[&str]| desk::Desk {
        name: name.to_owned(),
        members: Some(members.iter().map(|name| (op(name), 1)).collect()),
        ..desk::Desk::default()
    };
    let desks = vec![desk::Desk::default(), desk("fire", &["a"]), desk("police", &["b"])];
    let mut stage = Stage::with(Settings { desks, ..settings() }, &["a", "b"]);
    stage.acd.pause(stage.now, &op("a"), "meal").unwrap();
    let call = stage.caller_for(1, DeskNo(1));
    assert_eq!(stage.decisions(), []);
    assert!(stage.acd.is_none_ready(), "at once");
    stage.pass(NONE_READY);
    assert_eq!(stage.offers(), [(call, op("a"))], "b is ready, and at another desk");
    stage.fail(call, "a");
    assert_eq!(stage.decisions(), [fallback(call, &["b", "a"])]);
}

#[test]
fn a_floor_on_a_break_is_reported_at_once_and_one_that_talks_after_the_time() {
    let mut stage = on_break(&["a"]);
    assert!(!stage.acd.is_none_ready(), "no call waits");
    let call = stage.caller();
    stage.decisions();
    assert!(stage.acd.is_none_ready() && !stage.acd.is_unstaffed());
    stage.acd.leave(stage.now, call);
    stage.acd.resume(stage.now, &op("a")).unwrap();
    stage.talk();
    stage.caller();
    stage.decisions();
    assert!(!stage.acd.is_none_ready(), "a talks");
    stage.pass(NONE_READY);
    assert_eq!((stage.decisions(), stage.acd.is_none_ready()), (vec![], true));
}

#[test]
fn a_floor_is_unstaffed_for_as_long_as_a_call_waits_on_it() {
    let mut stage = Stage::new(&["a"]);
    stage.acd.set_registered(stage.now, &op("a"), false);
    assert!(!stage.acd.is_unstaffed());
    let call = stage.caller();
    for _ in 0..5 {
        stage.decisions();
        assert!(stage.acd.is_unstaffed(), "in its fallback");
        stage.acd.fallback_failed(stage.now, call);
        assert!(stage.acd.is_unstaffed(), "until the next one");
        stage.pass(RETRY);
    }
    stage.acd.set_registered(stage.now, &op("a"), true);
    assert!(!stage.acd.is_unstaffed());
}

#[test]
fn an_operator_is_the_last_one_ready_while_no_other_is() {
    let mut stage = Stage::new(&["a", "b"]);
    assert!(!stage.acd.is_last_ready(&op("a")));
    stage.acd.pause(stage.now, &op("b"), "meal").unwrap();
    assert!(stage.acd.is_last_ready(&op("a")) && !stage.acd.is_last_ready(&op("b")));
}

#[test]
fn the_time_begins_when_the_last_ready_operator_pauses() {
    let mut stage = Stage::new(&["a"]);
    let call = stage.caller();
    stage.decisions();
    stage.fail(call, "a");
    stage.pass(Duration::from_secs(3));
    stage.acd.pause(stage.now, &op("a"), "meal").unwrap();
    assert_eq!(stage.decisions(), []);
    stage.pass(Duration::from_secs(12));
    assert_eq!(stage.decisions(), [], "the call has waited long enough, the operator has not");
    assert_eq!(stage.acd.poll_timeout(), Some(stage.now.mono + Duration::from_secs(3)));
    stage.pass(Duration::from_secs(3));
    assert_eq!(stage.offers(), [(call, op("a"))]);
}

#[test]
fn a_ready_operator_gets_a_call_that_rings_only_operators_on_a_break_before_a_later_call() {
    let mut stage = on_break(&["a", "b"]);
    stage.acd.pause(stage.now, &op("b"), "meal").unwrap();
    stage.acd.set_registered(stage.now, &op("b"), false);
    let first = stage.caller();
    stage.decisions();
    stage.pass(NONE_READY);
    assert_eq!(stage.offers(), [(first, op("a"))]);
    let second = stage.caller();
    assert_eq!(stage.decisions(), []);
    stage.acd.set_registered(stage.now, &op("b"), true);
    stage.acd.resume(stage.now, &op("b")).unwrap();
    assert_eq!(stage.offers(), [(first, op("b"))], "the call that arrived first");
    stage.acd.answered(stage.now, first, &op("b"));
    stage.acd.resume(stage.now, &op("a")).unwrap();
    assert_eq!(stage.offers(), [(second, op("a"))]);
}

#[test]
fn a_more_urgent_call_comes_before_one_that_rings_only_operators_on_a_break() {
    let mut stage = on_break(&["a", "b"]);
    stage.acd.set_registered(stage.now, &op("b"), false);
    let first = stage.caller();
    stage.decisions();
    stage.pass(NONE_READY);
    assert_eq!(stage.offers(), [(first, op("a"))]);
    let urgent = stage.caller_with(0);
    assert_eq!(stage.decisions(), []);
    stage.acd.set_registered(stage.now, &op("b"), true);
    stage.acd.resume(stage.now, &op("b")).unwrap();
    assert_eq!(stage.offers(), [(urgent, op("b"))]);
}

#[test]
fn a_lost_operators_caller_who_rings_operators_on_a_break_gets_the_next_ready_operator() {
    let mut stage = Stage::new(&["a", "b", "c"]);
    stage.acd.set_registered(stage.now, &op("c"), false);
    stage.acd.pause(stage.now, &op("b"), "meal").unwrap();
    let (lost, _) = stage.talk();
    stage.decisions();
    stage.pass(NONE_READY);
    stage.acd.operator_lost(stage.now, lost, &op("a"));
    assert_eq!(stage.offers(), [(lost, op("b"))], "a wraps up");
    let later = stage.caller();
    assert_eq!(stage.decisions(), []);
    stage.acd.set_registered(stage.now, &op("c"), true);
    assert_eq!(stage.offers(), [(lost, op("c"))]);
    stage.acd.answered(stage.now, lost, &op("c"));
    assert_eq!(stage.decisions(), [], "{later} waits: b rests or is on a break");
}

#[test]
fn a_call_rings_one_ready_operator_while_another_call_waits() {
    let mut stage = on_break(&["a", "b", "c"]);
    let (first, second) = (stage.caller(), stage.caller());
    stage.decisions();
    stage.pass(NONE_READY);
    assert_eq!(stage.offers(), [(first, op("a")), (second, op("b")), (first, op("c"))]);
    stage.fail(first, "c");
    stage.acd.resume(stage.now, &op("c")).unwrap();
    assert_eq!(stage.offers(), [(first, op("c"))]);
    stage.fail(second, "b");
    stage.acd.resume(stage.now, &op("b")).unwrap();
    assert_eq!(stage.offers(), [(second, op("b"))], "the first call rings a ready operator");
    stage.fail(first, "c");
    stage.acd.resume(stage.now, &op("c")).unwrap();
    assert_eq!(stage.offers(), [(first, op("c"))], "only an operator on a break is left at it");
}

#[test]
fn operators_on_a_break_never_take_the_last_leg_from_a_ready_one() {
    let names: Vec<String> = (0..limits::LIVE_LEGS_PER_CALL_MAX).map(|n| format!("b{n:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut stage = on_break(&names);
    let first = stage.caller();
    stage.decisions();
    stage.pass(NONE_READY);
    assert_eq!(stage.offers().len(), limits::LIVE_LEGS_PER_CALL_MAX - 3);
    let last = names[names.len() - 1];
    stage.caller();
    stage.acd.resume(stage.now, &op(last)).unwrap();
    assert!(stage.offers().contains(&(first, op(last))));
}

#[test]
fn the_time_belongs_to_the_desk_with_its_name_when_the_desks_get_new_numbers() {
    let desk = |name: &str, members: &[&str]| desk::Desk {
        name: name.to_owned(),
        members: Some(members.iter().map(|name| (op(name), 1)).collect()),
        ..desk::Desk::default()
    };
    let with = |desks: &[desk::Desk]| Settings { desks: desks.to_vec(), ..settings() };
    let (general, fire, police) = (desk::Desk::default(), desk("fire", &["a"]), desk("police", &["b"]));
    let mut stage = Stage::with(with(&[general.clone(), fire.clone()]), &["a", "b"]);
    stage.acd.pause(stage.now, &op("a"), "meal").unwrap();
    let call = stage.caller_for(1, DeskNo(1));
    assert_eq!(stage.decisions(), []);
    stage.pass(NONE_READY - Duration::from_secs(1));
    stage.acd.configure(stage.now, with(&[general, police, fire]));
    assert_eq!(stage.decisions(), []);
    stage.pass(Duration::from_secs(1));
    assert_eq!(stage.offers(), [(call, op("a"))], "the desk of a has had no ready operator for long enough");
}
