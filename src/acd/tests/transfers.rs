//! Operators who transfer callers, and who call each other.

use super::*;
use crate::acd::engage::Availability;

/// Budi talks with a caller; Sari is free.
fn talking() -> (Stage, CallId) {
    let mut stage = Stage::new(&["budi", "sari"]);
    let (call, operator) = stage.talk();
    assert_eq!(operator, op("budi"));
    (stage, call)
}

fn settled(stage: &mut Stage) {
    assert_eq!(stage.acd.decide(stage.now), None);
    stage.acd.verify(true).unwrap();
}

#[test]
fn a_transfer_target_gets_no_other_call_and_has_the_caller_after_the_answer() {
    let (mut stage, call) = talking();
    stage.acd.begin_transfer(call);
    assert_eq!(stage.acd.availability(&op("sari")), Availability::Free);
    stage.acd.reserve(call, &op("sari"));
    stage.caller();
    settled(&mut stage);
    assert_eq!((stage.state("budi"), stage.state("sari")), (State::Talking, State::Offered));
    stage.acd.answered(stage.now, call, &op("sari"));
    assert_eq!((stage.state("budi"), stage.state("sari")), (State::WrapUp, State::Talking));
    settled(&mut stage);
    stage.acd.finished(stage.now, call, &op("sari"));
    assert_eq!(stage.state("sari"), State::WrapUp);
}

#[test]
fn a_transfer_target_who_does_not_answer_rests_and_the_transferor_keeps_the_caller() {
    let (mut stage, call) = talking();
    stage.acd.begin_transfer(call);
    stage.acd.reserve(call, &op("sari"));
    stage.acd.offer_failed(stage.now, call, &op("sari"), false);
    stage.acd.keep_with_transferor(call);
    settled(&mut stage);
    assert!(stage.acd.view(&op("sari")).unwrap().resting);
    stage.acd.finished(stage.now, call, &op("budi"));
    assert_eq!(stage.state("budi"), State::WrapUp);
    settled(&mut stage);
}

#[test]
fn a_failed_transfer_returns_the_caller_to_the_transferor_or_to_the_old_place() {
    for paused in [false, true] {
        let (mut stage, call) = talking();
        let later = stage.caller();
        stage.acd.pause(stage.now, &op("sari"), "tea").unwrap();
        stage.acd.begin_transfer(call);
        stage.acd.reserve(call, &op("sari"));
        stage.acd.leave_transfer(stage.now, call, &op("budi"));
        assert_eq!(stage.state("budi"), State::WrapUp);
        stage.acd.offer_failed(stage.now, call, &op("sari"), true);
        if paused {
            stage.acd.pause(stage.now, &op("budi"), "tea").unwrap();
            assert!(!stage.acd.ring_transferor_again(call, &op("budi")));
            stage.acd.requeue(stage.now, call);
            settled(&mut stage);
            assert_eq!(stage.acd.waiting().collect::<Vec<_>>(), [call, later]);
        } else {
            assert!(stage.acd.ring_transferor_again(call, &op("budi")));
            settled(&mut stage);
            assert_eq!(stage.state("budi"), State::Offered);
            stage.acd.answered(stage.now, call, &op("budi"));
            assert_eq!(stage.state("budi"), State::Talking);
        }
    }
}

#[test]
fn a_call_between_operators_takes_both_and_is_no_callers_matter() {
    let mut stage = Stage::new(&["budi", "sari"]);
    let call = CallId::new(stage.now.wall, &mut Rng::from_number(1));
    stage.acd.place(stage.now, call, &op("budi"));
    stage.acd.reserve(call, &op("sari"));
    stage.caller();
    settled(&mut stage);
    stage.acd.answered(stage.now, call, &op("sari"));
    assert_eq!((stage.state("budi"), stage.state("sari")), (State::Talking, State::Talking));
    assert_eq!(stage.acd.direct_call_of(&op("sari")), Some(call));
    stage.acd.leave(stage.now, call);
    assert_eq!((stage.state("budi"), stage.state("sari")), (State::WrapUp, State::Ready));
    assert!(matches!(stage.acd.decide(stage.now), Some(Decision::Offer { operator, .. }) if operator == op("sari")));
}

#[test]
fn an_operator_who_was_asked_comes_over_to_the_caller() {
    let (mut stage, call) = talking();
    let asked = CallId::new(stage.now.wall, &mut Rng::from_number(1));
    stage.acd.place(stage.now, asked, &op("budi"));
    stage.acd.reserve(asked, &op("sari"));
    stage.acd.answered(stage.now, asked, &op("sari"));
    settled(&mut stage);
    stage.acd.begin_transfer(call);
    stage.acd.join(stage.now, call, asked, &op("sari"));
    stage.acd.leave(stage.now, asked);
    settled(&mut stage);
    assert_eq!((stage.state("budi"), stage.state("sari")), (State::WrapUp, State::Talking));
    assert_eq!(stage.acd.view(&op("sari")).unwrap().call, Some(call));
}

#[test]
fn an_operator_who_takes_over_a_call_must_be_free_and_frees_all_others() {
    let (mut stage, call) = talking();
    assert!(!stage.acd.take(stage.now, call, &op("budi"), Entry::default()), "the operator already has it");
    assert!(stage.acd.take(stage.now, call, &op("sari"), Entry::default()));
    settled(&mut stage);
    assert_eq!((stage.state("budi"), stage.state("sari")), (State::WrapUp, State::Talking));
}

#[test]
fn an_operator_with_a_placed_call_is_not_free_when_the_caller_hangs_up() {
    let (mut stage, call) = talking();
    let placed = CallId::new(stage.now.wall, &mut Rng::from_number(1));
    stage.acd.place(stage.now, placed, &op("budi"));
    stage.acd.finished(stage.now, call, &op("budi"));
    stage.acd.occupy(stage.now, placed);
    settled(&mut stage);
    assert_eq!(stage.state("budi"), State::Talking);
    stage.acd.leave(stage.now, placed);
    assert_eq!(stage.state("budi"), State::WrapUp);
    settled(&mut stage);
}

#[test]
fn an_operator_rung_for_click_to_call_gets_no_call_and_is_free_after_no_answer() {
    let mut stage = Stage::new(&["budi"]);
    let call = CallId::new(stage.now.wall, &mut Rng::from_number(1));
    assert!(stage.acd.call_up(call, &op("budi")));
    assert_eq!(stage.state("budi"), State::Offered);
    assert_eq!(stage.acd.rung_for(call).collect::<Vec<_>>(), [&op("budi")]);
    assert!(
        !stage.acd.call_up(CallId::new(stage.now.wall, &mut Rng::from_number(2)), &op("budi")),
        "the operator rings"
    );
    let waiting = stage.caller();
    settled(&mut stage);
    stage.acd.offer_failed(stage.now, call, &op("budi"), false);
    stage.acd.leave(stage.now, call);
    assert_eq!(stage.offers(), [(waiting, op("budi"))], "and the operator need not rest");
    stage.acd.answered(stage.now, waiting, &op("budi"));
    stage.acd.finished(stage.now, waiting, &op("budi"));
    // An open wrap-up ends when the operator calls.
    assert_eq!(stage.state("budi"), State::WrapUp);
    assert!(stage.acd.call_up(call, &op("budi")));
    stage.acd.comes(stage.now, call, &op("budi"));
    assert_eq!(stage.state("budi"), State::Talking);
    assert_eq!(stage.acd.rung_for(call).count(), 0);
    settled(&mut stage);
    stage.acd.leave(stage.now, call);
    stage.acd.set_registered(stage.now, &op("budi"), false);
    assert!(!stage.acd.call_up(call, &op("budi")), "the operator has no phone");
    settled(&mut stage);
}

#[test]
fn a_call_that_an_agency_had_has_its_old_place_when_an_operator_takes_it_over() {
    let (mut stage, call) = talking();
    let place = stage.acd.place_of(call).unwrap();
    stage.acd.leave(stage.now, call);
    let entry = Entry { priority: place.0, arrival: Some(place.1), desk: DeskNo(0) };
    assert!(stage.acd.take(stage.now, call, &op("sari"), entry));
    assert_eq!(stage.acd.place_of(call), Some(place));
    settled(&mut stage);
}
