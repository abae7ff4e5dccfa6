//! BYEs of an operator's phone that arrive before an earlier request of their dialog.

use super::attended::consulting;
use super::transfer::{TO_SARI, floor, refers, talking};
use super::*;

const UNKNOWN: &str = "Refer-To: <sip:nobody@127.0.0.1>\r\n";

/// Budi talks with a caller. `seen`: the phone has sent a request, numbered 1.
fn talk(seen: bool) -> (World, Caller, String) {
    let mut world = floor();
    let (caller, invite) = talking(&mut world);
    if seen {
        asks(&mut world, BUDI, &invite, "OPTIONS", 1, "", "");
        world.take(BUDI, "SIP/2.0 200");
    }
    (world, caller, invite)
}

/// Budi's BYE gets its 200 at once, and the caller is connected still.
fn bye_comes_first(world: &mut World, invite: &str, cseq: u32) {
    asks(world, BUDI, invite, "BYE", cseq, "", "");
    world.take(BUDI, "SIP/2.0 200");
    assert!(!world.has(TRUNK, "BYE"));
}

#[test]
fn a_bye_that_overtakes_its_refer_leaves_the_caller_to_the_target() {
    for seen in [true, false] {
        let (mut world, caller, invite) = talk(seen);
        bye_comes_first(&mut world, &invite, 3);
        world.pass(Duration::from_millis(150));
        refers(&mut world, &invite, 2, TO_SARI);
        let sari = answers(&mut world, SARI);
        assert!(!world.has(TRUNK, "BYE") && !world.has(BUDI, "BYE"), "budi has hung up by himself");
        caller.hangs_up(&mut world);
        let bye = world.take(SARI, "BYE");
        assert_eq!(header(&bye, "Call-ID"), header(&sari, "Call-ID"));
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}

#[test]
fn a_bye_that_overtakes_a_rejected_refer_gives_the_caller_back_to_the_operator() {
    let (mut world, caller, invite) = talk(true);
    bye_comes_first(&mut world, &invite, 3);
    asks(&mut world, BUDI, &invite, "REFER", 2, UNKNOWN, "");
    world.take(BUDI, "SIP/2.0 403");
    assert!(!world.has(TRUNK, "BYE"));
    let again = answers(&mut world, BUDI);
    assert_ne!(header(&again, "Call-ID"), header(&invite, "Call-ID"));
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_bye_that_overtakes_an_attended_transfer_leaves_the_caller_to_the_colleague() {
    let mut world = floor();
    world.register("sari", SARI);
    let (caller, invite, placed, offered) = consulting(&mut world);
    asks(&mut world, BUDI, &invite, "OPTIONS", 1, "", "");
    world.take(BUDI, "SIP/2.0 200");
    bye_comes_first(&mut world, &invite, 3);
    asks(&mut world, BUDI, &invite, "REFER", 2, &placed.replaced_by("sari"), "");
    world.take(BUDI, "SIP/2.0 202");
    assert!(!world.has(TRUNK, "BYE") && !world.has(SARI, "BYE"));
    caller.hangs_up(&mut world);
    assert_eq!(header(&world.take(SARI, "BYE"), "Call-ID"), header(&offered, "Call-ID"));
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_bye_that_overtakes_another_request_ends_the_call_when_that_request_has_come() {
    let hold = sdp(BUDI, 31_000).replace("sendrecv", "sendonly");
    for (method, body) in [("INVITE", hold.as_str()), ("UPDATE", hold.as_str()), ("OPTIONS", ""), ("INFO", "")] {
        let (mut world, caller, invite) = talk(true);
        bye_comes_first(&mut world, &invite, 3);
        asks(&mut world, BUDI, &invite, method, 2, "", body);
        world.take(BUDI, "SIP/2.0 500");
        caller.is_hung_up(&mut world);
        assert_eq!(endings(&world), [(Side::Operator, EndCause::Normal)]);
        world.assert_empty_in_the_end();
    }
}

#[test]
fn re_invite_and_refer_may_both_be_overtaken_in_any_order() {
    let hold = sdp(BUDI, 31_000).replace("sendrecv", "sendonly");
    for order in [["INVITE", "REFER"], ["REFER", "INVITE"]] {
        for refer_cseq in [2, 3] {
            let (mut world, caller, invite) = talk(true);
            bye_comes_first(&mut world, &invite, 4);
            for method in order {
                let cseq = if method == "REFER" { refer_cseq } else { 5 - refer_cseq };
                let more = if method == "REFER" { TO_SARI } else { "" };
                asks(&mut world, BUDI, &invite, method, cseq, more, if method == "REFER" { "" } else { &hold });
            }
            assert!(!world.has(TRUNK, "BYE"), "{order:?} {refer_cseq}");
            answers(&mut world, SARI);
            caller.hangs_up(&mut world);
            world.sent.clear();
            world.assert_empty_in_the_end();
        }
    }
}

#[test]
fn a_missing_request_that_never_comes_delays_the_end_of_the_call_by_half_a_second() {
    for (seen, wait) in [(true, 500), (false, 200)] {
        let (mut world, caller, invite) = talk(seen);
        bye_comes_first(&mut world, &invite, 7);
        // The BYE again, over another path.
        asks(&mut world, BUDI, &invite, "BYE", 7, "", "");
        world.take(BUDI, "SIP/2.0 200");
        world.pass(Duration::from_millis(wait - 1));
        assert!(!world.has(TRUNK, "BYE"));
        world.pass(Duration::from_millis(1));
        caller.is_hung_up(&mut world);
        assert_eq!(endings(&world), [(Side::Operator, EndCause::Normal)]);
        world.assert_empty_in_the_end();
    }
}

#[test]
fn a_bye_without_a_gap_before_it_ends_the_call_at_once() {
    for (seen, cseq) in [(true, 2), (false, 1)] {
        let (mut world, caller, invite) = talk(seen);
        asks(&mut world, BUDI, &invite, "BYE", cseq, "", "");
        world.take(BUDI, "SIP/2.0 200");
        caller.is_hung_up(&mut world);
        world.assert_empty_in_the_end();
    }
}

#[test]
fn a_caller_who_hangs_up_while_the_operators_bye_is_held_ends_the_call_once() {
    let (mut world, caller, invite) = talk(true);
    bye_comes_first(&mut world, &invite, 3);
    caller.hangs_up(&mut world);
    assert_eq!(endings(&world), [(Side::Caller, EndCause::Normal)]);
    world.pass(Duration::from_secs(1));
    assert_eq!(endings(&world).len(), 1);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_request_after_a_bye_that_is_held_gets_481() {
    let (mut world, caller, invite) = talk(true);
    bye_comes_first(&mut world, &invite, 3);
    asks(&mut world, BUDI, &invite, "OPTIONS", 4, "", "");
    world.take(BUDI, "SIP/2.0 481");
    world.pass(Duration::from_millis(500));
    caller.is_hung_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}
