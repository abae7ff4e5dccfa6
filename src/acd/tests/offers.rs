//! Ring attempts, calls, wrap-up and breaks.

use super::*;

#[test]
fn the_longest_idle_operator_gets_the_call() {
    let mut stage = Stage::new(&["a", "b", "c"]);
    let (first, operator) = stage.talk();
    assert_eq!(operator, op("a"), "equally long idle: by name");
    stage.acd.finished(stage.now, first, &operator);
    stage.pass(WRAP_UP);
    for expected in ["b", "c", "a"] {
        let (call, operator) = stage.talk();
        assert_eq!(operator, op(expected));
        stage.acd.finished(stage.now, call, &operator);
        stage.pass(WRAP_UP);
    }
}

#[test]
fn priority_comes_before_arrival_and_arrival_before_all_else() {
    let mut stage = Stage::new(&[]);
    stage.acd.set_operators(stage.now, &[op("busy"), op("a")]);
    let late_but_urgent = [stage.caller_with(2), stage.caller_with(1), stage.caller_with(1), stage.caller_with(0)];
    let [low, first, second, urgent] = late_but_urgent;
    assert_eq!(stage.acd.waiting().collect::<Vec<_>>(), [urgent, first, second, low]);
    stage.acd.set_registered(stage.now, &op("a"), true);
    stage.acd.set_registered(stage.now, &op("busy"), true);
    assert_eq!(stage.offers(), [(urgent, op("a")), (first, op("busy"))]);
    assert_eq!(stage.acd.counts(), (2, [0, 0, 2, 0, 0, 0]));
}

#[test]
fn a_failed_offer_keeps_the_place_of_the_caller_and_puts_the_operator_behind() {
    let mut stage = Stage::new(&["a", "b"]);
    let first = stage.caller();
    assert_eq!(stage.offers(), [(first, op("a"))]);
    stage.acd.set_reachable(stage.now, &op("b"), false);
    let second = stage.caller();
    stage.fail(first, "a");
    stage.acd.set_reachable(stage.now, &op("b"), true);
    assert_eq!(stage.acd.waiting().collect::<Vec<_>>(), [first, second]);
    assert_eq!(stage.offers(), [(first, op("b"))], "a rests");
    assert!(stage.acd.view(&op("a")).unwrap().resting);
    assert_eq!(stage.acd.poll_timeout(), Some(stage.now.mono + REST));
    stage.pass(REST);
    assert_eq!(stage.offers(), [(second, op("a"))]);
}

#[test]
fn a_blameless_failure_brings_no_rest_until_the_third_in_a_row() {
    let mut stage = Stage::new(&["a"]);
    let call = stage.caller();
    for _ in 0..3 {
        assert_eq!(stage.offers(), [(call, op("a"))]);
        stage.acd.offer_failed(stage.now, call, &op("a"), true);
    }
    assert_eq!(stage.offers(), []);
    stage.pass(REST);
    assert_eq!(stage.offers(), [(call, op("a"))]);
}

#[test]
fn an_answer_forgives_blameless_failures() {
    let mut stage = Stage::with(Settings { wrap_up: Duration::ZERO, ..settings() }, &["a"]);
    for _ in 0..2 {
        for _ in 0..2 {
            let call = stage.caller();
            assert_eq!(stage.offers(), [(call, op("a"))]);
            stage.acd.offer_failed(stage.now, call, &op("a"), true);
            stage.acd.leave(stage.now, call);
        }
        let (call, a) = stage.talk();
        stage.acd.finished(stage.now, call, &a);
    }
}

#[test]
fn an_offer_that_fails_in_the_step_of_the_log_out_is_not_withdrawn() {
    let mut stage = Stage::new(&["a", "b"]);
    let call = stage.caller();
    stage.offers();
    stage.acd.log_out(stage.now, &op("a")).unwrap();
    stage.acd.offer_failed(stage.now, call, &op("a"), true);
    assert_eq!(stage.offers(), [(call, op("b"))]);
}

#[test]
fn wrap_up_begins_with_the_end_of_the_call_and_ends_exactly_when_it_is_over() {
    let mut stage = Stage::new(&["a"]);
    let (call, a) = stage.talk();
    stage.acd.finished(stage.now, call, &a);
    let next = stage.caller();
    stage.pass(WRAP_UP - Duration::from_secs(1) - Duration::from_nanos(1));
    assert_eq!((stage.offers(), stage.state("a")), (vec![], State::WrapUp));
    assert_eq!(stage.acd.poll_timeout(), Some(stage.now.mono + Duration::from_nanos(1)));
    stage.pass(Duration::from_nanos(1));
    assert_eq!(stage.offers(), [(next, op("a"))]);
    let wrap_up_over = Some(call);
    let expected = [
        (State::Offered, None),
        (State::Talking, None),
        (State::WrapUp, None),
        (State::Ready, wrap_up_over),
        (State::Offered, None),
    ];
    assert_eq!(stage.changes(), expected);
}

#[test]
fn a_wrap_up_of_zero_is_over_in_the_step_of_the_hang_up() {
    let mut stage = Stage::with(Settings { wrap_up: Duration::ZERO, ..settings() }, &["a"]);
    let (call, a) = stage.talk();
    stage.changes();
    stage.acd.finished(stage.now, call, &a);
    assert_eq!(stage.changes(), [(State::Ready, Some(call))]);
    assert_eq!(stage.acd.poll_timeout(), None);
}

#[test]
fn a_pause_while_an_offer_rings_lets_it_ring_and_begins_after_it() {
    let mut stage = Stage::new(&["a"]);
    let call = stage.caller();
    stage.offers();
    stage.acd.pause(stage.now, &op("a"), "meal").unwrap();
    assert_eq!((stage.decisions(), stage.state("a")), (vec![], State::Offered));
    stage.fail(call, "a");
    assert_eq!((stage.decisions(), stage.state("a")), (vec![], State::Break));
    stage.acd.take_changes();
    stage.acd.pause(stage.now, &op("a"), "training").unwrap();
    let change = stage.acd.take_changes().pop().unwrap();
    assert_eq!((change.state, change.reason.as_deref()), (State::Break, Some("training")));
    stage.acd.resume(stage.now, &op("a")).unwrap();
    assert_eq!(stage.offers(), [(call, op("a"))]);
}

#[test]
fn a_pause_in_a_call_begins_after_its_wrap_up() {
    let mut stage = Stage::new(&["a"]);
    let (call, a) = stage.talk();
    stage.acd.pause(stage.now, &a, "meal").unwrap();
    assert_eq!(stage.state("a"), State::Talking);
    stage.acd.finished(stage.now, call, &a);
    assert_eq!(stage.state("a"), State::WrapUp);
    stage.pass(WRAP_UP);
    assert_eq!(stage.state("a"), State::Break);
    stage.acd.resume(stage.now, &a).unwrap();
    assert_eq!(stage.state("a"), State::Ready);
}

#[test]
fn resume_ends_the_wrap_up() {
    let mut stage = Stage::new(&["a"]);
    let (call, a) = stage.talk();
    stage.acd.finished(stage.now, call, &a);
    stage.changes();
    stage.acd.resume(stage.now, &a).unwrap();
    assert_eq!(stage.changes(), [(State::Ready, Some(call))]);
}

#[test]
fn a_log_out_in_a_call_keeps_the_call_and_its_wrap_up() {
    let mut stage = Stage::new(&["a"]);
    let (call, a) = stage.talk();
    stage.acd.log_out(stage.now, &a).unwrap();
    assert_eq!((stage.decisions(), stage.state("a")), (vec![], State::Talking));
    stage.acd.finished(stage.now, call, &a);
    stage.changes();
    stage.pass(WRAP_UP);
    assert_eq!(stage.changes(), [(State::Offline, Some(call))]);
}

#[test]
fn a_log_out_in_wrap_up_ends_it() {
    let mut stage = Stage::new(&["a"]);
    let (call, a) = stage.talk();
    stage.acd.finished(stage.now, call, &a);
    stage.changes();
    stage.acd.log_out(stage.now, &a).unwrap();
    assert_eq!(stage.changes(), [(State::Offline, Some(call))]);
}

#[test]
fn a_log_out_while_an_offer_rings_withdraws_it_once() {
    let mut stage = Stage::new(&["a", "b"]);
    let call = stage.caller();
    stage.offers();
    stage.acd.log_out(stage.now, &op("a")).unwrap();
    assert_eq!(stage.decisions(), [Decision::Withdraw { call, operator: op("a") }]);
    stage.acd.log_out(stage.now, &op("a")).unwrap();
    assert_eq!(stage.decisions(), []);
    assert_eq!(stage.state("a"), State::Offered, "reserved until the offer has failed");
    stage.acd.offer_failed(stage.now, call, &op("a"), true);
    assert_eq!(stage.state("a"), State::Offline);
    assert_eq!(stage.offers(), [(call, op("b"))]);
}

#[test]
fn an_answer_that_crosses_the_withdrawal_counts() {
    let mut stage = Stage::new(&["a"]);
    let call = stage.caller();
    stage.offers();
    stage.acd.log_out(stage.now, &op("a")).unwrap();
    stage.acd.answered(stage.now, call, &op("a"));
    assert_eq!((stage.decisions(), stage.state("a")), (vec![], State::Talking));
}

#[test]
fn a_removed_operator_leaves_when_the_call_ends() {
    let mut stage = Stage::new(&["a", "b"]);
    let (call, a) = stage.talk();
    let ringing = stage.caller();
    assert_eq!(stage.offers(), [(ringing, op("b"))]);
    stage.acd.set_operators(stage.now, &[op("c")]);
    assert_eq!(stage.acd.log_in(stage.now, &a), Err(UnknownOperator));
    assert!(stage.decisions().contains(&Decision::Withdraw { call: ringing, operator: op("b") }));
    stage.changes();
    stage.acd.finished(stage.now, call, &a);
    assert_eq!(stage.changes(), [(State::Offline, Some(call))]);
    stage.acd.leave(stage.now, ringing);
    let names: Vec<_> = stage.acd.views().into_iter().map(|view| view.operator).collect();
    assert_eq!(names, [op("c")]);
}

#[test]
fn with_login_on_register_only_a_new_registration_logs_in_again() {
    let mut stage = Stage::new(&["a"]);
    let a = op("a");
    stage.acd.log_out(stage.now, &a).unwrap();
    stage.acd.set_registered(stage.now, &a, true);
    assert_eq!(stage.state("a"), State::Offline, "a refreshed registration is no new one");
    stage.acd.set_registered(stage.now, &a, false);
    stage.acd.set_registered(stage.now, &a, true);
    assert_eq!(stage.state("a"), State::Ready);
}

#[test]
fn with_explicit_login_a_registration_is_not_enough() {
    let mut stage = Stage::with(Settings { login_on_register: false, ..settings() }, &["a"]);
    assert_eq!(stage.state("a"), State::Offline);
    stage.acd.log_in(stage.now, &op("a")).unwrap();
    assert_eq!(stage.state("a"), State::Ready);
    stage.acd.set_registered(stage.now, &op("a"), false);
    stage.acd.set_registered(stage.now, &op("a"), true);
    assert_eq!(stage.state("a"), State::Ready, "the operator is still logged in");
}

#[test]
fn switching_to_login_on_register_logs_in_all_registered_operators() {
    let mut stage = Stage::with(Settings { login_on_register: false, ..settings() }, &["a"]);
    stage.acd.configure(stage.now, settings());
    assert_eq!(stage.state("a"), State::Ready);
}

#[test]
fn the_last_break_keeps_the_operators_turn() {
    let mut stage = Stage::new(&["a", "b"]);
    let (call, a) = stage.talk();
    stage.acd.finished(stage.now, call, &a);
    stage.pass(WRAP_UP);
    stage.acd.pause(stage.now, &op("b"), "meal").unwrap();
    stage.acd.resume(stage.now, &op("b")).unwrap();
    let call = stage.caller();
    assert_eq!(stage.offers(), [(call, op("b"))]);
}
