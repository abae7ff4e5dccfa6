//! Operators whose phones do not respond.

use super::*;

#[test]
fn an_operator_whose_phone_is_unheard_is_free_and_not_rung_while_the_invite_is_open() {
    let mut stage = Stage::new(&["a"]);
    let call = stage.caller();
    assert_eq!(stage.offers(), [(call, op("a"))]);
    stage.acd.no_response(stage.now, call, &op("a"), true);
    assert_eq!(stage.state("a"), State::Ready);
    assert_eq!(stage.decisions(), [], "it is being tried");
    stage.acd.stops_trying(&op("a"));
    assert_eq!(stage.offers(), [(call, op("a"))]);
}

#[test]
fn with_another_phone_the_operator_is_rung_at_once() {
    let mut stage = Stage::new(&["a"]);
    let call = stage.caller();
    stage.offers();
    stage.acd.no_response(stage.now, call, &op("a"), false);
    assert_eq!(stage.offers(), [(call, op("a"))]);
}

#[test]
fn no_number_of_unheard_attempts_is_blamed() {
    let mut stage = Stage::with(Settings { unanswered_max: 1, ..settings() }, &["a", "b"]);
    stage.acd.pause(stage.now, &op("b"), "meal").unwrap();
    let call = stage.caller();
    for _ in 0..5 {
        assert_eq!(stage.offers(), [(call, op("a"))], "neither a rest nor a break");
        stage.acd.no_response(stage.now, call, &op("a"), false);
    }
}

#[test]
fn an_operator_whose_phone_is_unheard_does_not_count_as_ready() {
    let mut stage = Stage::new(&["a", "b"]);
    stage.acd.pause(stage.now, &op("b"), "meal").unwrap();
    let call = stage.caller();
    stage.offers();
    stage.pass(Duration::from_secs(5));
    stage.acd.no_response(stage.now, call, &op("a"), true);
    assert_eq!(stage.decisions(), []);
    stage.pass(NONE_READY);
    assert_eq!(stage.offers(), [(call, op("b"))], "operators on a break are rung");
    stage.acd.phone_responded(&op("a"));
    assert!(stage.acd.ring_again(stage.now, call, &op("a")));
    assert_eq!((stage.state("a"), stage.state("b")), (State::Offered, State::Offered));
    assert_eq!(stage.decisions(), []);
}

#[test]
fn a_phone_that_rings_after_all_is_refused_when_its_operator_is_busy_or_away() {
    let mut stage = Stage::new(&["a", "b"]);
    let (talk, _) = stage.talk();
    let call = stage.caller();
    assert_eq!(stage.offers(), [(call, op("b"))]);
    assert!(!stage.acd.ring_again(stage.now, call, &op("a")), "talks");
    stage.acd.finished(stage.now, talk, &op("a"));
    stage.pass(WRAP_UP);
    stage.acd.log_out(stage.now, &op("a")).unwrap();
    assert!(!stage.acd.ring_again(stage.now, call, &op("a")), "logged out while others are at work");
    stage.acd.log_in(stage.now, &op("a")).unwrap();
    assert!(stage.acd.ring_again(stage.now, call, &op("a")));
    stage.acd.answered(stage.now, call, &op("b"));
    assert!(!stage.acd.ring_again(stage.now, call, &op("a")), "the call waits no longer");
    assert!(!stage.acd.take_late(stage.now, talk, &op("b"), Entry::default()), "b talks");
    assert!(stage.decisions().is_empty());
}
