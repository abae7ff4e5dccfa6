//! Ring attempts while few RTP port pairs are free.

use super::*;
use crate::limits::WAITING_CALLS_SEARCHED_MAX;

fn free(v4: usize) -> FreePairs {
    FreePairs { v4, v6: 0 }
}

/// A caller who waits without a port.
fn without_port(stage: &mut Stage) -> CallId {
    let call = stage.caller();
    stage.acd.set_without_port(call, Some(Family::V4));
    call
}

#[test]
fn nothing_rings_without_a_free_pair_and_the_ready_operator_is_rung_as_soon_as_one_is_free() {
    let mut stage = Stage::new(&["a"]);
    stage.acd.set_free_pairs(free(0));
    let call = stage.caller();
    assert_eq!(stage.decisions(), []);
    assert!(stage.acd.is_out_of_ports());
    stage.pass(Duration::from_secs(60));
    assert_eq!((stage.decisions(), stage.state("a")), (Vec::new(), State::Ready));
    stage.acd.set_free_pairs(free(1));
    assert!(!stage.acd.is_out_of_ports());
    assert_eq!(stage.offers(), [(call, op("a"))]);
}

#[test]
fn a_free_pair_without_a_waiting_call_or_a_ready_operator_is_no_shortage() {
    let mut stage = Stage::new(&["a"]);
    stage.acd.set_free_pairs(free(0));
    assert!(!stage.acd.is_out_of_ports());
    stage.acd.pause(stage.now, &op("a"), "meal").unwrap();
    stage.caller();
    stage.decisions();
    assert!(!stage.acd.is_out_of_ports());
}

#[test]
fn the_last_pair_is_for_the_first_call_that_has_its_own() {
    let mut stage = Stage::new(&["a", "b"]);
    stage.acd.set_free_pairs(free(1));
    let (first, second, third) = (without_port(&mut stage), stage.caller(), stage.caller());
    let decision = stage.acd.decide(stage.now);
    let Some(Decision::Offer { call, operator, .. }) = decision else { panic!("{decision:?}") };
    assert_eq!(call, second, "one pair is too few for the first");
    stage.acd.set_free_pairs(free(0));
    assert_eq!(stage.decisions(), []);
    // Two pairs are free again: the first call has kept its place.
    stage.acd.answered(stage.now, second, &operator);
    stage.acd.set_free_pairs(free(2));
    let decision = stage.acd.decide(stage.now);
    assert!(matches!(&decision, Some(Decision::Offer { call, .. }) if *call == first), "{decision:?} {third}");
}

#[test]
fn a_call_that_got_its_port_needs_one_pair() {
    let mut stage = Stage::new(&["a"]);
    stage.acd.set_free_pairs(free(1));
    let call = without_port(&mut stage);
    assert_eq!(stage.decisions(), []);
    assert!(stage.acd.is_out_of_ports());
    stage.acd.set_without_port(call, None);
    assert_eq!(stage.offers(), [(call, op("a"))]);
}

#[test]
fn only_so_many_calls_are_searched_for_one_that_the_last_pair_is_enough_for() {
    for (before, found) in [(WAITING_CALLS_SEARCHED_MAX - 1, true), (WAITING_CALLS_SEARCHED_MAX, false)] {
        let mut stage = Stage::new(&["a"]);
        stage.acd.set_free_pairs(free(1));
        for _ in 0..before {
            without_port(&mut stage);
        }
        let last = stage.caller();
        assert_eq!(stage.offers() == [(last, op("a"))], found, "{before}");
    }
}

#[test]
fn the_fallback_and_operators_on_a_break_wait_for_a_pair_too() {
    let mut stage = Stage::new(&["a"]);
    stage.acd.set_free_pairs(free(1));
    stage.acd.pause(stage.now, &op("a"), "meal").unwrap();
    let call = without_port(&mut stage);
    stage.decisions();
    stage.pass(NONE_READY);
    assert_eq!(stage.decisions(), []);
    stage.acd.set_registered(stage.now, &op("a"), false);
    assert_eq!(stage.decisions(), [], "the centre is unstaffed");
    stage.acd.set_free_pairs(free(2));
    assert_eq!(stage.decisions(), [Decision::Fallback { call, operators: Vec::new() }]);
}

#[test]
fn no_call_is_offered_out_of_turn_without_a_pair() {
    let mut stage = Stage::new(&["a"]);
    stage.acd.set_free_pairs(free(1));
    let call = without_port(&mut stage);
    assert!(!stage.acd.offer_out_of_turn(stage.now, call, &op("a")));
    stage.acd.set_free_pairs(free(2));
    assert!(stage.acd.offer_out_of_turn(stage.now, call, &op("a")));
}

/// A call was offered to an operator whose phone is in a family without a free pair.
fn lacking(stage: &mut Stage) -> CallId {
    stage.acd.set_free_pairs(FreePairs { v4: 0, v6: 2 });
    let call = stage.caller();
    lacks(stage, call);
    call
}

fn lacks(stage: &mut Stage, call: CallId) {
    assert_eq!(stage.offers(), [(call, op("a"))]);
    stage.acd.no_port_pair(stage.now, call, &op("a"), Some(Family::V4));
    assert_eq!(stage.decisions(), []);
    assert!(stage.acd.is_out_of_ports());
}

#[test]
fn a_new_binding_may_be_in_a_family_with_free_pairs() {
    let mut stage = Stage::new(&["a"]);
    let call = lacking(&mut stage);
    stage.acd.phone_responded(&op("a"));
    assert_eq!(stage.offers(), [(call, op("a"))]);
}

#[test]
fn a_deleted_operator_lacks_no_pair() {
    let mut stage = Stage::new(&["a"]);
    lacking(&mut stage);
    stage.acd.set_operators(stage.now, &[]);
    assert!(!stage.acd.is_out_of_ports());
}

#[test]
fn a_lack_of_pairs_uses_up_no_ring_attempt() {
    let mut stage = Stage::new(&["a"]);
    let call = lacking(&mut stage);
    for _ in 0..limits::RING_ATTEMPTS_PER_CALL_MAX {
        stage.acd.set_free_pairs(FreePairs { v4: 2, v6: 2 });
        stage.acd.set_free_pairs(FreePairs { v4: 0, v6: 2 });
        lacks(&mut stage, call);
    }
}
