//! ICMP errors, which may be forged, and 2xx that arrive after their INVITE has ended.

use super::ring_all::{outcomes, rings};
use super::transfer::{floor, is_hung_up, refuses};
use super::*;

/// The answer with a different To tag.
fn forked(answer: &str, tag: &str) -> String {
    answer.replace(";tag=phone", &format!(";tag={tag}"))
}

#[test]
fn an_icmp_error_after_a_response_ends_nothing() {
    for status in ["100 Trying", "180 Ringing"] {
        let mut world = floor();
        let mut caller = Caller::dials(&mut world);
        let invite = world.take(BUDI, "INVITE");
        world.receive(BUDI, &response(&invite, BUDI, status, ""));
        world.is_unreachable(BUDI);
        world.receive(BUDI, &response(&invite, BUDI, "200 OK", &sdp(BUDI, 31_000)));
        world.take(BUDI, "ACK");
        caller.is_answered(&mut world);
        caller.hangs_up(&mut world);
        is_hung_up(&mut world, BUDI);
        world.assert_empty_in_the_end();
    }
}

#[test]
fn forged_icmp_errors_do_not_end_an_invite_that_is_answered_within_a_second() {
    let mut world = floor();
    let mut caller = Caller::dials(&mut world);
    for _ in 0..190 {
        world.icmp(BUDI);
        world.pass(Duration::from_millis(5));
    }
    answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    world.icmp(BUDI);
    world.pass(Duration::from_secs(5));
    caller.hangs_up(&mut world);
    is_hung_up(&mut world, BUDI);
    assert_eq!(outcomes(&world, OfferOutcome::Unreachable), 0);
    world.assert_empty_in_the_end();
}

#[test]
fn a_200_that_comes_after_the_phone_was_given_up_gets_ack_and_bye() {
    let mut world = floor();
    let caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    world.is_unreachable(BUDI);
    assert_eq!(outcomes(&world, OfferOutcome::Unreachable), 1);
    let answer = response(&invite, BUDI, "200 OK", &sdp(BUDI, 31_000));
    world.pass(Duration::from_secs(20));
    world.receive(BUDI, &answer);
    let ack = world.take(BUDI, "ACK");
    assert_eq!(header(&ack, "CSeq"), "1 ACK");
    is_hung_up(&mut world, BUDI);
    // Our ACK was lost.
    world.receive(BUDI, &answer);
    world.take(BUDI, "ACK");
    assert!(!world.has(BUDI, "BYE"), "one BYE is enough");
    // A fork's 2xx makes another dialog.
    world.receive(BUDI, &forked(&answer, "fork"));
    assert!(header(&world.take(BUDI, "ACK"), "To").ends_with(";tag=fork"));
    is_hung_up(&mut world, BUDI);
    world.pass(Duration::from_secs(12));
    world.receive(BUDI, &forked(&answer, "late"));
    assert!(!world.has(BUDI, "ACK"), "64*T1 are over");
    caller.cancels(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_200_that_follows_a_rejection_gets_ack_and_bye() {
    let mut world = floor();
    let caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    refuses(&mut world, BUDI, &invite, "486 Busy Here");
    world.receive(BUDI, &forked(&response(&invite, BUDI, "200 OK", &sdp(BUDI, 31_000)), "fork"));
    world.take(BUDI, "ACK");
    is_hung_up(&mut world, BUDI);
    caller.cancels(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_200_that_comes_after_the_call_is_acknowledged_however_often_it_comes() {
    let mut world = floor();
    let mut caller = Caller::dials(&mut world);
    let invite = rings(&mut world, BUDI);
    let answer = response(&invite, BUDI, "200 OK", &sdp(BUDI, 31_000));
    world.receive(BUDI, &answer);
    world.take(BUDI, "ACK");
    caller.is_answered(&mut world);
    caller.hangs_up(&mut world);
    is_hung_up(&mut world, BUDI);
    for after in [1, 20] {
        world.pass(Duration::from_secs(after));
        world.receive(BUDI, &answer);
        world.take(BUDI, "ACK");
        assert!(!world.has(BUDI, "BYE"));
    }
    world.assert_empty_in_the_end();
}

#[test]
fn a_2xx_to_no_invite_of_ours_is_dropped() {
    let mut world = floor();
    let caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    refuses(&mut world, BUDI, &invite, "486 Busy Here");
    let answer = response(&invite, BUDI, "200 OK", &sdp(BUDI, 31_000));
    let tag = header(&invite, "From").split(";tag=").nth(1).unwrap();
    for forged in [
        answer.replace(tag, "forged"),
        answer.replace(header(&invite, "Call-ID"), "forged"),
        answer.replace("CSeq: 1 INVITE", "CSeq: 2 INVITE"),
        answer.replace("CSeq: 1 INVITE", "CSeq: 1 BYE"),
        answer.replace("200 OK", "180 Ringing"),
    ] {
        world.receive(BUDI, &forged.replace("branch=z9hG4bK", "branch=z9hG4bKx"));
        assert!(!world.has(BUDI, "ACK") && !world.has(BUDI, "BYE"), "{forged}");
    }
    caller.cancels(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_fork_and_a_cancelled_phone_that_repeat_their_2xx_get_one_bye() {
    for cancelled in [true, false] {
        let mut world = floor();
        let mut caller = Caller::dials(&mut world);
        let invite = rings(&mut world, BUDI);
        let answer = response(&invite, BUDI, "200 OK", &sdp(BUDI, 31_000));
        if cancelled {
            caller.cancels(&mut world);
        } else {
            world.receive(BUDI, &answer);
            world.take(BUDI, "ACK");
            caller.is_answered(&mut world);
        }
        world.sent.clear();
        for nth in 0..3 {
            world.receive(BUDI, &forked(&answer, "fork"));
            world.take(BUDI, "ACK");
            assert_eq!(world.has(BUDI, "BYE"), nth == 0, "{cancelled} {nth}");
            world.sent.clear();
        }
        if !cancelled {
            caller.hangs_up(&mut world);
        }
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}
