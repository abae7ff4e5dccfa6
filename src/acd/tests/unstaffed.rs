//! The fallback of an unstaffed centre.

use super::*;

/// `names` are registered and logged out.
fn unstaffed(names: &[&str]) -> Stage {
    Stage::with(Settings { login_on_register: false, ..settings() }, names)
}

fn fallback(call: CallId, names: &[&str]) -> Decision {
    Decision::Fallback { call, operators: names.iter().map(|name| op(name)).collect() }
}

#[test]
fn an_unstaffed_centre_rings_all_phones_for_one_call_and_sends_the_others_to_the_number() {
    let mut stage = unstaffed(&["a", "b", "gone"]);
    stage.acd.set_registered(stage.now, &op("gone"), false);
    stage.acd.pause(stage.now, &op("b"), "meal").unwrap();
    let (first, second) = (stage.caller(), stage.caller());
    assert_eq!(stage.decisions(), [fallback(first, &["a", "b"]), fallback(second, &[])]);
    assert_eq!((stage.state("a"), stage.acd.counts().0), (State::Offered, 0));
}

#[test]
fn every_caller_gets_a_decision_without_any_operator() {
    let mut stage = unstaffed(&[]);
    let call = stage.caller();
    assert_eq!(stage.decisions(), [fallback(call, &[])]);
}

#[test]
fn one_answer_of_a_fallback_frees_all_others_at_once() {
    let mut stage = unstaffed(&["a", "b", "c"]);
    let call = stage.caller();
    stage.decisions();
    stage.acd.answered(stage.now, call, &op("b"));
    assert_eq!(
        [stage.state("a"), stage.state("b"), stage.state("c")],
        [State::Offline, State::Talking, State::Offline]
    );
    stage.acd.finished(stage.now, call, &op("b"));
    stage.pass(WRAP_UP);
    assert_eq!((stage.state("b"), stage.decisions()), (State::Offline, vec![]));
}

#[test]
fn one_failed_leg_of_a_fallback_redials_no_phone() {
    let mut stage = unstaffed(&["a", "b"]);
    let call = stage.caller();
    stage.decisions();
    stage.fail(call, "a");
    assert_eq!((stage.decisions(), stage.state("b")), (vec![], State::Offered));
    stage.fail(call, "b");
    assert_eq!(stage.decisions(), [], "the number is tried now");
    let later = stage.caller();
    assert_eq!(stage.decisions(), [fallback(later, &["a", "b"])], "the phones are free again, rest or not");
}

#[test]
fn a_failed_fallback_is_tried_again_after_the_retry_time() {
    let mut stage = unstaffed(&["a"]);
    let call = stage.caller();
    stage.decisions();
    stage.acd.fallback_failed(stage.now, call);
    assert_eq!((stage.decisions(), stage.acd.counts().0), (vec![], 1));
    let retry = stage.now.mono + RETRY;
    stage.pass(NONE_READY);
    assert_eq!((stage.decisions(), stage.acd.poll_timeout()), (vec![], Some(retry)));
    stage.pass(RETRY - NONE_READY);
    assert_eq!(stage.decisions(), [fallback(call, &["a"])]);
}

#[test]
fn an_operator_who_becomes_ready_gets_the_first_call_of_all_whether_it_waits_or_is_in_its_fallback() {
    let mut stage = unstaffed(&["a", "b", "c"]);
    let (failed, running) = (stage.caller(), stage.caller());
    stage.decisions();
    stage.acd.fallback_failed(stage.now, failed);
    stage.acd.log_in(stage.now, &op("b")).unwrap();
    assert_eq!(stage.offers(), [(failed, op("b"))]);
    stage.acd.log_in(stage.now, &op("a")).unwrap();
    assert_eq!(stage.offers(), [(running, op("a"))], "its number rings");
    stage.acd.log_in(stage.now, &op("c")).unwrap();
    assert_eq!(stage.offers(), [], "one operator for each");
    stage.acd.fallback_failed(stage.now, running);
    assert_eq!((stage.offers(), stage.state("a")), (vec![], State::Offered), "the operator rings on");
    stage.fail(running, "a");
    assert_eq!(stage.offers(), [(running, op("c"))]);
    stage.acd.answered(stage.now, running, &op("c"));
    assert_eq!(stage.state("c"), State::Talking);
}

#[test]
fn an_operator_who_becomes_ready_while_all_phones_ring_rings_beside_them() {
    let mut stage = unstaffed(&["a", "b", "c"]);
    stage.acd.set_registered(stage.now, &op("c"), false);
    let (first, second) = (stage.caller(), stage.caller());
    assert_eq!(stage.decisions(), [fallback(first, &["a", "b"]), fallback(second, &[])]);
    stage.acd.set_registered(stage.now, &op("c"), true);
    stage.acd.log_in(stage.now, &op("c")).unwrap();
    assert_eq!(stage.offers(), [(first, op("c"))]);
    assert!(stage.acd.is_in_turn(first, &op("c")) && !stage.acd.is_in_turn(first, &op("a")));
    stage.acd.log_out(stage.now, &op("c")).unwrap();
    stage.acd.log_out(stage.now, &op("a")).unwrap();
    assert_eq!(stage.decisions(), [Decision::Withdraw { call: first, operator: op("c") }]);
    stage.acd.offer_failed(stage.now, first, &op("c"), true);
    stage.acd.log_in(stage.now, &op("c")).unwrap();
    assert_eq!(stage.offers(), [(first, op("c"))]);
    stage.acd.answered(stage.now, first, &op("c"));
    assert_eq!((stage.state("c"), stage.state("a")), (State::Talking, State::Offline));
}

#[test]
fn in_an_evacuation_the_fallback_has_the_call_alone() {
    let mut stage = Stage::new(&["a"]);
    stage.acd.set_mode(stage.now, OperatingMode::Fallback);
    let call = stage.caller();
    assert_eq!(stage.decisions(), [fallback(call, &[])]);
    stage.acd.set_mode(stage.now, OperatingMode::Normal);
    assert_eq!(stage.offers(), [(call, op("a"))], "the operator rings beside the number");
    stage.acd.set_mode(stage.now, OperatingMode::Fallback);
    assert_eq!(stage.decisions(), [Decision::Withdraw { call, operator: op("a") }]);
    stage.acd.offer_failed(stage.now, call, &op("a"), true);
    assert_eq!(stage.decisions(), []);
}

/// A call in its fallback whose phones do not ring: these operators have registered since.
fn in_fallback(settings: Settings, names: &[&str]) -> (Stage, CallId) {
    let mut stage = Stage::with(Settings { login_on_register: false, ..settings }, names);
    names.iter().for_each(|name| stage.acd.set_registered(stage.now, &op(name), false));
    let call = stage.caller();
    assert_eq!(stage.decisions(), [fallback(call, &[])]);
    names.iter().for_each(|name| stage.acd.set_registered(stage.now, &op(name), true));
    (stage, call)
}

#[test]
fn in_a_major_incident_all_operators_who_become_ready_ring_beside_the_fallback() {
    let (mut stage, call) = in_fallback(settings(), &["a", "b"]);
    stage.acd.set_mode(stage.now, OperatingMode::MajorIncident);
    stage.acd.log_in(stage.now, &op("a")).unwrap();
    stage.acd.log_in(stage.now, &op("b")).unwrap();
    let why = |decision| match decision {
        Some(Decision::Offer { call: offered, why, .. }) if offered == call => why,
        other => panic!("{other:?}"),
    };
    assert!(!why(stage.acd.decide(stage.now)).contains("ring already"));
    assert!(why(stage.acd.decide(stage.now)).contains("; 1 ring already"));
    assert_eq!(stage.decisions(), []);
}

#[test]
fn beside_the_fallback_more_operators_ring_as_the_desk_of_the_call_says() {
    // If one more operator could be rung and is not, the deadline stays due, and `expire` does not end.
    let (strategy, progress) = (desk::Strategy::RingProgressively, Duration::from_secs(5));
    let desks = vec![desk::Desk { strategy, progress, ..desk::Desk::default() }];
    let (mut stage, call) = in_fallback(Settings { desks, ..settings() }, &["a", "b"]);
    stage.acd.log_in(stage.now, &op("a")).unwrap();
    stage.acd.log_in(stage.now, &op("b")).unwrap();
    assert_eq!(stage.offers(), [(call, op("a"))]);
    stage.pass(progress);
    assert_eq!(stage.offers(), [(call, op("b"))]);
}

#[test]
fn a_call_in_its_fallback_that_has_used_its_attempts_rings_no_operator_who_becomes_ready() {
    let mut stage = Stage::new(&["a"]);
    let call = attempts_used(&mut stage);
    stage.acd.set_registered(stage.now, &op("a"), false);
    stage.pass(RETRY);
    assert_eq!(stage.decisions(), [fallback(call, &[])]);
    stage.acd.set_registered(stage.now, &op("a"), true);
    assert_eq!((stage.decisions(), stage.state("a")), (vec![], State::Ready));
}

#[test]
fn in_an_evacuation_a_phone_that_responds_late_does_not_ring_beside_the_number() {
    let mut stage = Stage::new(&["a"]);
    let call = stage.caller();
    assert_eq!(stage.offers(), [(call, op("a"))]);
    stage.acd.no_response(stage.now, call, &op("a"), true);
    stage.acd.set_mode(stage.now, OperatingMode::Fallback);
    assert_eq!(stage.decisions(), [fallback(call, &[])]);
    stage.acd.phone_responded(&op("a"));
    assert!(!stage.acd.ring_again(stage.now, call, &op("a")));
    stage.acd.set_mode(stage.now, OperatingMode::Normal);
    assert!(stage.acd.ring_again(stage.now, call, &op("a")));
}

#[test]
fn staffed_but_paused_or_busy_operators_mean_waiting_not_fallback() {
    let mut stage = Stage::new(&["a", "b"]);
    stage.acd.pause(stage.now, &op("b"), "meal").unwrap();
    stage.talk();
    let call = stage.caller();
    assert_eq!((stage.decisions(), stage.acd.waiting().collect::<Vec<_>>()), (vec![], vec![call]));
}

#[test]
fn phones_that_answer_no_keep_alive_are_no_staff_but_are_rung_last() {
    let mut stage = Stage::new(&["a", "b"]);
    stage.acd.log_out(stage.now, &op("b")).unwrap();
    stage.acd.set_reachable(stage.now, &op("a"), false);
    let call = stage.caller();
    assert_eq!(stage.decisions(), [fallback(call, &["b", "a"])]);
}

#[test]
fn a_log_out_does_not_withdraw_from_a_fallback() {
    let mut stage = unstaffed(&["a"]);
    stage.caller();
    stage.decisions();
    stage.acd.log_out(stage.now, &op("a")).unwrap();
    assert_eq!((stage.decisions(), stage.state("a")), (vec![], State::Offered));
}

#[test]
fn a_fallback_keeps_within_the_legs_of_one_call() {
    let names: Vec<String> = (0..100).map(|i| format!("op{i:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut stage = unstaffed(&names);
    let call = stage.caller();
    let rung = names.get(..limits::LIVE_LEGS_PER_CALL_MAX - 3).unwrap();
    assert_eq!(stage.decisions(), [fallback(call, rung)]);
    stage.acd.log_in(stage.now, &op("op099")).unwrap();
    assert_eq!(stage.offers(), [(call, op("op099"))], "one leg is kept for an operator who becomes ready");
}

/// A call whose ring attempts have all failed, up to the limit.
fn attempts_used(stage: &mut Stage) -> CallId {
    let call = stage.caller();
    for _ in 0..limits::RING_ATTEMPTS_PER_CALL_MAX {
        assert_eq!(stage.offers(), [(call, op("a"))]);
        stage.fail(call, "a");
        stage.pass(REST);
    }
    call
}

#[test]
fn a_call_that_has_used_its_attempts_is_rung_once_for_each_retry_and_the_others_meanwhile() {
    let mut stage = Stage::new(&["a"]);
    let call = attempts_used(&mut stage);
    let behind = stage.caller();
    assert_eq!(stage.offers(), [(behind, op("a"))], "it waits for its retry, others are served");
    assert_eq!(stage.acd.waiting().collect::<Vec<_>>(), [call]);
    stage.acd.answered(stage.now, behind, &op("a"));
    stage.acd.finished(stage.now, behind, &op("a"));
    stage.acd.resume(stage.now, &op("a")).unwrap();
    let late = stage.caller();
    assert_eq!(stage.offers(), [(late, op("a"))]);
    stage.acd.leave(stage.now, late);
    stage.pass(RETRY);
    for _ in 0..3 {
        assert_eq!(stage.offers(), [(call, op("a"))], "it keeps its position");
        stage.fail(call, "a");
        stage.pass(REST);
        assert_eq!(stage.decisions(), [], "once for each retry");
        stage.pass(RETRY - REST);
    }
    stage.offers();
    stage.acd.answered(stage.now, call, &op("a"));
    assert_eq!(stage.state("a"), State::Talking);
}

#[test]
fn a_call_that_has_used_its_attempts_goes_to_the_number_when_no_operator_is_ready() {
    let mut stage = Stage::new(&["a"]);
    let call = attempts_used(&mut stage);
    stage.acd.pause(stage.now, &op("a"), "meal").unwrap();
    assert_eq!(stage.decisions(), []);
    stage.pass(RETRY);
    assert_eq!(stage.offers(), [(call, op("a"))], "the operator on a break first");
    stage.fail(call, "a");
    stage.pass(RETRY - Duration::from_secs(1));
    assert_eq!(stage.decisions(), []);
    stage.acd.invite(CallId::new(stage.now.wall, &mut Rng::from_number(5)), &op("a"));
    stage.pass(Duration::from_secs(1));
    assert_eq!(stage.decisions(), [fallback(call, &[])]);
    stage.acd.fallback_failed(stage.now, call);
    assert_eq!((stage.decisions(), stage.acd.waiting().collect::<Vec<_>>()), (vec![], vec![call]));
}
