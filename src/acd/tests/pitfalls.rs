//! Errors of other call distributors, with one test for each.

use super::*;

#[test]
fn two_operators_never_answer_one_call() {
    let mut stage = Stage::with(Settings { login_on_register: false, ..settings() }, &["a", "b"]);
    let call = stage.caller();
    stage.decisions();
    stage.acd.answered(stage.now, call, &op("a"));
    stage.acd.answered(stage.now, call, &op("b"));
    assert_eq!((stage.state("a"), stage.state("b")), (State::Talking, State::Offline));
}

#[test]
fn a_late_answer_of_an_operator_who_has_another_offer_changes_nothing() {
    let mut stage = Stage::new(&["a", "b"]);
    let first = stage.caller();
    stage.offers();
    stage.fail(first, "a");
    assert_eq!(stage.offers(), [(first, op("b"))]);
    stage.pass(REST);
    let second = stage.caller();
    assert_eq!(stage.offers(), [(second, op("a"))]);
    stage.acd.answered(stage.now, first, &op("a"));
    assert_eq!(stage.acd.view(&op("a")).unwrap().call, Some(second));
    stage.acd.verify(true).unwrap();
}

#[test]
fn an_unregister_never_shortens_or_stops_the_wrap_up() {
    let mut stage = Stage::new(&["a"]);
    let (call, a) = stage.talk();
    stage.acd.finished(stage.now, call, &a);
    stage.changes();
    stage.acd.set_registered(stage.now, &a, false);
    stage.acd.set_registered(stage.now, &a, true);
    assert_eq!((stage.state("a"), stage.changes()), (State::WrapUp, vec![]));
    stage.acd.set_registered(stage.now, &a, false);
    stage.pass(WRAP_UP);
    assert_eq!(stage.changes(), [(State::Offline, Some(call))]);
}

#[test]
fn the_caller_of_a_lost_operator_has_the_old_place_again() {
    let mut stage = Stage::new(&["a"]);
    let (first, a) = stage.talk();
    let (urgent, second) = (stage.caller_with(0), stage.caller());
    stage.acd.operator_lost(stage.now, first, &a);
    assert_eq!(stage.acd.waiting().collect::<Vec<_>>(), [urgent, first, second]);
    let view = stage.acd.view(&a).unwrap();
    assert_eq!((view.state, view.resting, view.call), (State::WrapUp, true, Some(first)));
    stage.changes();
    stage.pass(WRAP_UP);
    assert_eq!(stage.changes(), [(State::Ready, Some(first))]);
}

#[test]
fn the_rest_after_a_lost_leg_outlasts_a_shorter_wrap_up() {
    let mut stage = Stage::with(Settings { wrap_up: Duration::ZERO, ..settings() }, &["a"]);
    let (call, a) = stage.talk();
    stage.acd.operator_lost(stage.now, call, &a);
    assert_eq!(stage.offers(), []);
    stage.pass(REST);
    assert_eq!(stage.offers(), [(call, a)]);
}

#[test]
fn a_free_operator_and_a_waiting_call_meet_in_the_step_in_which_the_second_of_them_appears() {
    let mut stage = Stage::new(&["a", "b"]);
    let (call, a) = stage.talk();
    stage.talk();
    let waiting = stage.caller();
    assert_eq!(stage.offers(), []);
    stage.acd.finished(stage.now, call, &a);
    stage.acd.resume(stage.now, &a).unwrap();
    assert_eq!(stage.offers(), [(waiting, a)]);
}

#[test]
fn no_operator_is_on_a_call_whose_caller_is_gone() {
    let mut stage = Stage::new(&["a"]);
    let (call, a) = stage.talk();
    stage.acd.leave(stage.now, call);
    assert_eq!(stage.state("a"), State::WrapUp);
    stage.changes();
    stage.acd.finished(stage.now, call, &a);
    stage.pass(WRAP_UP);
    assert_eq!(stage.changes(), [(State::Ready, Some(call))], "reported twice, counted once");
}

#[test]
fn a_caller_who_hangs_up_frees_every_phone_that_rings_for_the_call() {
    let mut stage = Stage::with(Settings { login_on_register: false, ..settings() }, &["a", "b"]);
    let call = stage.caller();
    stage.decisions();
    stage.acd.leave(stage.now, call);
    assert_eq!(stage.acd.counts(), (0, [2, 0, 0, 0, 0, 0]));
    assert_eq!(stage.decisions(), []);
}

#[test]
fn an_operator_who_does_not_answer_gets_no_storm_and_does_not_halt_distribution() {
    let mut stage = Stage::new(&["deaf", "good"]);
    let (mut rung, mut answered) = (0, 0);
    for _ in 0..60 {
        let call = stage.caller();
        while let Some((_, operator)) = stage.offers().pop() {
            if operator == op("deaf") {
                rung += 1;
                stage.fail(call, "deaf");
            } else {
                answered += 1;
                stage.acd.answered(stage.now, call, &operator);
                stage.acd.finished(stage.now, call, &operator);
                stage.acd.resume(stage.now, &operator).unwrap();
            }
        }
    }
    assert_eq!(answered, 60, "every caller is answered at once");
    assert!((5..=7).contains(&rung), "one offer a rest: {rung}");
}

#[test]
fn an_unregistered_phone_is_not_available() {
    let mut stage = Stage::new(&["a", "b"]);
    stage.acd.set_registered(stage.now, &op("a"), false);
    let call = stage.caller();
    assert_eq!(stage.offers(), [(call, op("b"))]);
}

#[test]
fn a_registration_that_lapses_or_is_renewed_during_an_offer_does_not_fail_it() {
    let mut stage = Stage::new(&["a"]);
    let call = stage.caller();
    stage.offers();
    stage.acd.set_registered(stage.now, &op("a"), false);
    stage.acd.set_reachable(stage.now, &op("a"), false);
    assert_eq!((stage.decisions(), stage.state("a")), (vec![], State::Offered));
    stage.acd.set_registered(stage.now, &op("a"), true);
    stage.acd.answered(stage.now, call, &op("a"));
    assert_eq!(stage.state("a"), State::Talking);
}

#[test]
fn a_report_about_a_call_that_is_over_changes_nothing() {
    let mut stage = Stage::new(&["a"]);
    let (call, a) = stage.talk();
    stage.acd.finished(stage.now, call, &a);
    stage.pass(WRAP_UP);
    stage.changes();
    stage.acd.offer_failed(stage.now, call, &a, false);
    stage.acd.answered(stage.now, call, &a);
    stage.acd.operator_lost(stage.now, call, &a);
    stage.acd.fallback_failed(stage.now, call);
    stage.acd.leave(stage.now, call);
    assert_eq!((stage.changes(), stage.decisions()), (vec![], vec![]));
}

#[test]
fn a_call_enqueued_twice_keeps_its_place_and_its_operator() {
    let mut stage = Stage::new(&["a"]);
    let (call, _) = stage.talk();
    stage.acd.enqueue(stage.now, call, 0, DeskNo(0));
    assert_eq!((stage.decisions(), stage.acd.counts().0), (vec![], 0));
}
