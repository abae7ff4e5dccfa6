//! Operators who are in a call in addition to the operator who has the caller.

use super::*;
use crate::acd::engage::Availability;

/// Budi talks with a caller; Sari and Tono are free.
fn talking() -> (Stage, CallId) {
    let mut stage = Stage::new(&["budi", "sari", "tono"]);
    let (call, operator) = stage.talk();
    assert_eq!(operator, op("budi"));
    (stage, call)
}

fn settled(stage: &mut Stage) {
    assert_eq!(stage.acd.decide(stage.now), None);
    stage.acd.verify(true).unwrap();
}

#[test]
fn a_participant_is_rung_for_no_other_call_while_ringing_or_talking() {
    let (mut stage, call) = talking();
    assert!(stage.acd.invite(call, &op("sari")) && stage.acd.attend(stage.now, call, &op("tono")));
    assert_eq!((stage.state("sari"), stage.state("tono")), (State::Offered, State::Talking));
    stage.caller();
    settled(&mut stage);
    assert!(stage.acd.attend(stage.now, call, &op("sari")));
    settled(&mut stage);
    assert_eq!(stage.acd.participant_call_of(&op("sari")), Some(call));
    assert_eq!(stage.acd.participant_call_of(&op("budi")), None);
}

#[test]
fn a_participant_who_leaves_or_does_not_answer_is_free_without_wrap_up() {
    let (mut stage, call) = talking();
    stage.acd.invite(call, &op("sari"));
    stage.acd.attend(stage.now, call, &op("tono"));
    let waiting = [stage.caller(), stage.caller()];
    stage.acd.release_participant(stage.now, call, &op("sari"));
    assert_eq!(stage.offers(), [(waiting[0], op("sari"))]);
    stage.acd.release_participant(stage.now, call, &op("tono"));
    assert_eq!(stage.offers(), [(waiting[1], op("tono"))]);
    // An operator who is no participant of that call is not affected.
    stage.acd.release_participant(stage.now, call, &op("budi"));
    assert_eq!(stage.state("budi"), State::Talking);
}

#[test]
fn only_a_free_operator_becomes_a_participant() {
    let (mut stage, call) = talking();
    let second = stage.caller();
    let (_, sari) = stage.offers().pop().unwrap();
    for other in [op("budi"), sari.clone(), op("nobody")] {
        assert!(!stage.acd.attend(stage.now, call, &other) && !stage.acd.invite(call, &other), "{other}");
    }
    stage.acd.set_registered(stage.now, &op("tono"), false);
    assert_eq!(stage.acd.availability(&op("tono")), Availability::Away);
    assert!(!stage.acd.attend(stage.now, call, &op("tono")));
    stage.acd.offer_failed(stage.now, second, &sari, false);
    assert!(stage.acd.attend(stage.now, call, &sari), "a rest keeps no participant away");
    stage.acd.verify(false).unwrap();
}

#[test]
fn a_participant_who_takes_over_wraps_up_at_the_end_and_the_predecessor_at_once() {
    let (mut stage, call) = talking();
    stage.acd.attend(stage.now, call, &op("sari"));
    stage.acd.participant_takes_over(stage.now, call, &op("sari"), Entry::default());
    assert_eq!((stage.state("budi"), stage.state("sari")), (State::WrapUp, State::Talking));
    assert_eq!(stage.acd.participant_call_of(&op("sari")), None);
    settled(&mut stage);
    stage.acd.finished(stage.now, call, &op("sari"));
    assert_eq!(stage.state("sari"), State::WrapUp);
    settled(&mut stage);
}

#[test]
fn a_participant_may_take_over_from_an_agency() {
    let (mut stage, call) = talking();
    stage.acd.attend(stage.now, call, &op("sari"));
    stage.acd.finished(stage.now, call, &op("budi"));
    settled(&mut stage);
    stage.acd.participant_takes_over(stage.now, call, &op("sari"), Entry::default());
    settled(&mut stage);
    stage.acd.finished(stage.now, call, &op("sari"));
    assert_eq!(stage.state("sari"), State::WrapUp);
}

#[test]
fn a_ringing_participant_can_become_the_transfer_target() {
    let (mut stage, call) = talking();
    stage.acd.invite(call, &op("sari"));
    stage.acd.participant_becomes_target(call, &op("sari"));
    assert_eq!(stage.acd.participant_call_of(&op("sari")), Some(call), "the caller is not passed on");
    stage.acd.begin_transfer(call);
    stage.acd.participant_becomes_target(call, &op("sari"));
    stage.acd.leave_transfer(stage.now, call, &op("budi"));
    settled(&mut stage);
    stage.acd.answered(stage.now, call, &op("sari"));
    assert_eq!((stage.state("budi"), stage.state("sari")), (State::WrapUp, State::Talking));
    settled(&mut stage);
}

#[test]
fn a_participant_whose_account_is_removed_stops_ringing_but_continues_talking() {
    let (mut stage, call) = talking();
    stage.acd.invite(call, &op("sari"));
    stage.acd.attend(stage.now, call, &op("tono"));
    stage.acd.set_operators(stage.now, &[op("budi")]);
    assert_eq!(stage.decisions(), [Decision::Withdraw { call, operator: op("sari") }]);
    stage.acd.release_participant(stage.now, call, &op("sari"));
    assert_eq!(stage.acd.view(&op("sari")), None);
    assert_eq!(stage.state("tono"), State::Talking);
    stage.acd.release_participant(stage.now, call, &op("tono"));
    assert_eq!(stage.acd.view(&op("tono")), None);
    settled(&mut stage);
}

#[test]
fn a_participants_talk_counts_as_work_for_longest_idle() {
    let (mut stage, call) = talking();
    stage.acd.attend(stage.now, call, &op("sari"));
    stage.pass(Duration::from_secs(60));
    stage.acd.release_participant(stage.now, call, &op("sari"));
    let next = stage.caller();
    assert_eq!(stage.offers(), [(next, op("tono"))], "the other operator has just become free");
}
