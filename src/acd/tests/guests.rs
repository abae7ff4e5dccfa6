//! Operators who are in a call beside the one who has it.

use super::*;
use crate::acd::engage::Standing;

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
fn a_guest_is_offered_nothing_while_he_rings_and_while_he_talks() {
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
fn a_guest_who_leaves_or_does_not_come_is_free_at_once_and_has_nothing_to_wrap_up() {
    let (mut stage, call) = talking();
    stage.acd.invite(call, &op("sari"));
    stage.acd.attend(stage.now, call, &op("tono"));
    let waiting = [stage.caller(), stage.caller()];
    stage.acd.release_participant(stage.now, call, &op("sari"));
    assert_eq!(stage.offers(), [(waiting[0], op("sari"))]);
    stage.acd.release_participant(stage.now, call, &op("tono"));
    assert_eq!(stage.offers(), [(waiting[1], op("tono"))]);
    // Whoever is no guest of that call is left alone.
    stage.acd.release_participant(stage.now, call, &op("budi"));
    assert_eq!(stage.state("budi"), State::Talking);
}

#[test]
fn only_who_is_free_becomes_a_guest() {
    let (mut stage, call) = talking();
    let second = stage.caller();
    let (_, sari) = stage.offers().pop().unwrap();
    for other in [op("budi"), sari.clone(), op("nobody")] {
        assert!(!stage.acd.attend(stage.now, call, &other) && !stage.acd.invite(call, &other), "{other}");
    }
    stage.acd.set_registered(stage.now, &op("tono"), false);
    assert_eq!(stage.acd.standing(&op("tono")), Standing::Away);
    assert!(!stage.acd.attend(stage.now, call, &op("tono")));
    stage.acd.offer_failed(stage.now, second, &sari, false);
    assert!(stage.acd.attend(stage.now, call, &sari), "a rest keeps nobody away");
    stage.acd.verify(false).unwrap();
}

#[test]
fn a_guest_who_leads_wraps_up_in_the_end_and_who_led_at_once() {
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
fn a_guest_may_lead_after_an_agency_whose_call_is_no_longer_ours() {
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
fn one_who_rings_as_a_guest_can_be_passed_the_caller() {
    let (mut stage, call) = talking();
    stage.acd.invite(call, &op("sari"));
    stage.acd.guest_is_passed(call, &op("sari"));
    assert_eq!(stage.acd.participant_call_of(&op("sari")), Some(call), "the caller is not passed on");
    stage.acd.pass_on(call);
    stage.acd.guest_is_passed(call, &op("sari"));
    stage.acd.step_out(stage.now, call, &op("budi"));
    settled(&mut stage);
    stage.acd.answered(stage.now, call, &op("sari"));
    assert_eq!((stage.state("budi"), stage.state("sari")), (State::WrapUp, State::Talking));
    settled(&mut stage);
}

#[test]
fn a_guest_who_is_removed_is_withdrawn_while_he_rings_and_stays_while_he_talks() {
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
fn a_guests_talk_counts_as_work_and_makes_him_the_last_to_be_offered_a_call() {
    let (mut stage, call) = talking();
    stage.acd.attend(stage.now, call, &op("sari"));
    stage.pass(Duration::from_secs(60));
    stage.acd.release_participant(stage.now, call, &op("sari"));
    let next = stage.caller();
    assert_eq!(stage.offers(), [(next, op("tono"))], "she has been free for no time");
}
