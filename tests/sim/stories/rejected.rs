//! Rejected transfers: some phones then end their call by themselves, and the caller must stay connected.

use super::attended::consulting;
use super::transfer::{floor, is_hung_up, is_notified, is_told, record, refers, refuses, talking};
use super::*;

const UNKNOWN: &str = "Refer-To: <sip:nobody@127.0.0.1>\r\n";
const ASKS_SARI_IN: &str = "Refer-To: <sip:*30sari@127.0.0.1>\r\n";

/// The operator's BYE gets 200 and the caller's call continues: the same operator is rung again and answers.
fn bye_ends_only_the_leg(world: &mut World, caller: &Caller, invite: &str, cseq: u32) {
    asks(world, BUDI, invite, "BYE", cseq, "", "");
    world.take(BUDI, "SIP/2.0 200");
    assert!(!record(world).is_closed() && !world.has(TRUNK, "BYE"), "the caller is cut off");
    let again = answers(world, BUDI);
    assert_ne!(header(&again, "Call-ID"), header(invite, "Call-ID"));
    caller.hangs_up(world);
    world.assert_empty_in_the_end();
}

/// The operator's BYE ends the call, like every BYE without a preceding transfer.
fn bye_ends_the_call(world: &mut World, caller: &mut Caller, invite: &str, cseq: u32) {
    asks(world, BUDI, invite, "BYE", cseq, "", "");
    world.take(BUDI, "SIP/2.0 200");
    caller.is_hung_up(world);
    assert_eq!(endings(world), [(Side::Operator, EndCause::Normal)]);
    world.assert_empty_in_the_end();
}

#[test]
fn a_bye_after_a_rejected_refer_ends_only_the_operators_leg() {
    for (to, status) in [
        ("", 400),
        (UNKNOWN, 403),
        ("Refer-To: <sip:08119999@127.0.0.1>\r\n", 403),
        ("Refer-To: <sip:*30nobody@127.0.0.1>\r\n", 403),
        ("Refer-To: <sip:*30budi@127.0.0.1>\r\n", 403),
        ("Refer-To: <http://127.0.0.1/>\r\n", 403),
        ("Refer-To: <sip:sari@127.0.0.1>\r\nRequire: x-new\r\n", 420),
    ] {
        for wait in [0, 1_900] {
            let mut world = floor();
            let (caller, invite) = talking(&mut world);
            asks(&mut world, BUDI, &invite, "REFER", 1, to, "");
            world.take(BUDI, &format!("SIP/2.0 {status}"));
            world.pass(Duration::from_millis(wait));
            bye_ends_only_the_leg(&mut world, &caller, &invite, 2);
        }
    }
}

#[test]
fn a_bye_two_seconds_after_a_rejected_refer_ends_the_call() {
    let mut world = floor();
    let (mut caller, invite) = talking(&mut world);
    asks(&mut world, BUDI, &invite, "REFER", 1, UNKNOWN, "");
    world.take(BUDI, "SIP/2.0 403");
    world.pass(Duration::from_millis(2_000));
    bye_ends_the_call(&mut world, &mut caller, &invite, 2);
}

#[test]
fn a_rejection_that_reaches_the_phone_late_counts_from_then() {
    let mut world = floor();
    let (caller, invite) = talking(&mut world);
    let refer = |world: &mut World| {
        let from = format!("{};tag=phone", header(&invite, "To"));
        let to = header(&invite, "From");
        let (uri, call_id) = ("sip:siaga@127.0.0.1:5060", header(&invite, "Call-ID"));
        let said = crate::endpoint::Said {
            method: "REFER",
            uri,
            at: BUDI,
            branch: "z9hG4bKlate",
            from: &from,
            to,
            call_id,
            cseq: 1,
            more: UNKNOWN,
            body: "",
        };
        world.receive(BUDI, &said.text());
        world.take(BUDI, "SIP/2.0 403");
    };
    refer(&mut world);
    world.pass(Duration::from_millis(3_500));
    // The first responses were lost.
    refer(&mut world);
    world.pass(Duration::from_millis(100));
    bye_ends_only_the_leg(&mut world, &caller, &invite, 2);
}

#[test]
fn the_last_notification_counts_from_its_answer() {
    let mut world = floor();
    let (caller, invite) = talking(&mut world);
    refers(&mut world, &invite, 1, "Refer-To: <sip:sari@127.0.0.1>\r\n");
    let offered = world.take(SARI, "INVITE");
    refuses(&mut world, SARI, &offered, "486 Busy Here");
    // The REFER is retransmitted for longer than 2 s.
    world.pass(Duration::from_millis(5_000));
    assert_eq!(is_notified(&mut world, BUDI), "SIP/2.0 486 Busy Here");
    world.pass(Duration::from_millis(100));
    bye_ends_only_the_leg(&mut world, &caller, &invite, 2);
}

#[test]
fn a_participant_who_does_not_come_leaves_the_caller_connected_when_the_phone_hangs_up() {
    for (status, wait) in [("486 Busy Here", 0), ("603 Decline", 1_900)] {
        let mut world = floor();
        let (caller, invite) = talking(&mut world);
        refers(&mut world, &invite, 1, ASKS_SARI_IN);
        let offered = world.take(SARI, "INVITE");
        refuses(&mut world, SARI, &offered, status);
        assert!(is_told(&mut world, BUDI).starts_with(&format!("SIP/2.0 {}", &status[..3])));
        world.pass(Duration::from_millis(wait));
        bye_ends_only_the_leg(&mut world, &caller, &invite, 2);
    }
}

#[test]
fn a_re_invite_between_refer_and_bye_changes_nothing() {
    for order in [["INVITE", "REFER"], ["REFER", "INVITE"]] {
        for direction in ["sendonly", "sendrecv"] {
            let mut world = floor();
            let (caller, invite) = talking(&mut world);
            for (method, cseq) in order.into_iter().zip([1, 2]) {
                match method {
                    "REFER" => {
                        asks(&mut world, BUDI, &invite, "REFER", cseq, UNKNOWN, "");
                        world.take(BUDI, "SIP/2.0 403");
                    }
                    _ => {
                        let body = sdp(BUDI, 31_000).replace("sendrecv", direction);
                        asks(&mut world, BUDI, &invite, "INVITE", cseq, "", &body);
                        world.take(BUDI, "SIP/2.0 200");
                        asks(&mut world, BUDI, &invite, "ACK", cseq, "", "");
                    }
                }
            }
            bye_ends_only_the_leg(&mut world, &caller, &invite, 3);
        }
    }
}

#[test]
fn the_operator_of_a_rejected_refer_may_be_busy_and_the_caller_waits_for_another() {
    let mut world = floor();
    let (caller, invite) = talking(&mut world);
    asks(&mut world, BUDI, &invite, "REFER", 1, UNKNOWN, "");
    world.take(BUDI, "SIP/2.0 403");
    asks(&mut world, BUDI, &invite, "BYE", 2, "", "");
    world.take(BUDI, "SIP/2.0 200");
    let again = world.take(BUDI, "INVITE");
    refuses(&mut world, BUDI, &again, "486 Busy Here");
    answers(&mut world, SARI);
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_consultation_whose_join_is_rejected_may_end_with_both_legs() {
    for in_consultation in [true, false] {
        let mut world = floor();
        let (caller, invite, placed, _) = consulting(&mut world);
        let to = "Refer-To: <sip:sari@127.0.0.1?Replaces=gone%3Bto-tag%3Da%3Bfrom-tag%3Db>\r\n";
        match in_consultation {
            true => {
                placed.asks(&mut world, "REFER", 3, to);
                world.take(BUDI, "SIP/2.0 403");
            }
            false => {
                asks(&mut world, BUDI, &invite, "REFER", 1, to, "");
                world.take(BUDI, "SIP/2.0 202");
                assert_eq!(is_notified(&mut world, BUDI), "SIP/2.0 100 Trying");
                assert_eq!(is_notified(&mut world, BUDI), "SIP/2.0 481 Call/Transaction Does Not Exist");
            }
        }
        placed.asks(&mut world, "BYE", 4, "");
        world.take(BUDI, "SIP/2.0 200");
        is_hung_up(&mut world, SARI);
        bye_ends_only_the_leg(&mut world, &caller, &invite, 2);
    }
}

#[test]
fn a_colleague_whose_refer_is_rejected_ends_the_consultation() {
    let mut world = floor();
    let (caller, _, _, offered) = consulting(&mut world);
    asks(&mut world, SARI, &offered, "REFER", 1, UNKNOWN, "");
    world.take(SARI, "SIP/2.0 403");
    asks(&mut world, SARI, &offered, "BYE", 2, "", "");
    world.take(SARI, "SIP/2.0 200");
    is_hung_up(&mut world, BUDI);
    assert_eq!(world.count(|kind| matches!(kind, FactKind::TransferorLeft { .. })), 0);
    caller.hangs_up(&mut world);
    is_hung_up(&mut world, BUDI);
    world.assert_empty_in_the_end();
}

/// The caller has been passed on to an agency, which talks; gives the INVITE to it.
fn with_an_agency(world: &mut World) -> (Caller, String) {
    let (caller, invite) = talking(world);
    refers(world, &invite, 1, "Refer-To: <sip:damkar@127.0.0.1>\r\n");
    let out = answers(world, TRUNK);
    assert_eq!(is_notified(world, BUDI), "SIP/2.0 200 OK");
    is_hung_up(world, BUDI);
    (caller, out)
}

#[test]
fn an_agency_that_hangs_up_after_its_rejected_refer_leaves_the_caller_in_the_queue() {
    for (re_invites, wait) in [(false, 0), (true, 0), (false, 1_900)] {
        let mut world = floor();
        let (caller, out) = with_an_agency(&mut world);
        asks(&mut world, TRUNK, &out, "REFER", 1, "Refer-To: <sip:sari@127.0.0.1>\r\n", "");
        world.take(TRUNK, "SIP/2.0 403");
        if re_invites {
            asks(&mut world, TRUNK, &out, "INVITE", 2, "", &sdp(TRUNK, 32_000));
            world.take(TRUNK, "SIP/2.0 200");
            asks(&mut world, TRUNK, &out, "ACK", 2, "", "");
        }
        world.pass(Duration::from_millis(wait));
        asks(&mut world, TRUNK, &out, "BYE", 3, "", "");
        world.take(TRUNK, "SIP/2.0 200");
        assert!(!record(&world).is_closed() && !world.has(TRUNK, "BYE"), "the caller is cut off");
        answers(&mut world, SARI);
        caller.hangs_up(&mut world);
        is_hung_up(&mut world, SARI);
        world.assert_empty_in_the_end();
    }
}

#[test]
fn every_other_bye_of_an_agency_ends_the_call() {
    for refers in [false, true] {
        let mut world = floor();
        let (caller, out) = with_an_agency(&mut world);
        if refers {
            asks(&mut world, TRUNK, &out, "REFER", 1, UNKNOWN, "");
            world.take(TRUNK, "SIP/2.0 403");
            world.pass(Duration::from_millis(2_000));
        }
        asks(&mut world, TRUNK, &out, "BYE", 2, "", "");
        world.take(TRUNK, "SIP/2.0 200");
        caller.is_hung_up(&mut world);
        assert_eq!(endings(&world), [(Side::Operator, EndCause::Normal)]);
        world.assert_empty_in_the_end();
    }
}

#[test]
fn a_bye_whose_refer_does_not_arrive_in_time_ends_the_call_and_the_refer_gets_481() {
    let mut world = floor();
    let (caller, invite) = talking(&mut world);
    asks(&mut world, BUDI, &invite, "BYE", 2, "", "");
    world.take(BUDI, "SIP/2.0 200");
    world.pass(Duration::from_millis(200));
    caller.is_hung_up(&mut world);
    asks(&mut world, BUDI, &invite, "REFER", 1, UNKNOWN, "");
    world.take(BUDI, "SIP/2.0 481");
    world.assert_empty_in_the_end();
}
