//! Transfers, calls between operators and participants ring all phones of an operator: the first answer has the call.

use siaga::ids::OperatorId;

use super::attended::Placed;
use super::ring_all::{is_cancelled, outcomes, picks_up, rings};
use super::transfer::{TO_SARI, floor, is_notified, refers, refuses, talking};
use super::*;

/// Sari's second phone.
const TABLET: &str = "127.0.0.3:5095";
const ADDS_SARI: &str = "Refer-To: <sip:*30sari@127.0.0.1>\r\n";

/// Budi talks with a caller; two phones of sari are registered.
fn two_phones() -> (World, Caller, String) {
    let mut world = floor();
    let (caller, invite) = talking(&mut world);
    world.register("sari", TABLET);
    (world, caller, invite)
}

fn is_ready(world: &mut World, operator: &str) -> bool {
    let view = view(world, operator);
    view.state == siaga::acd::State::Ready && !view.resting
}

#[test]
fn a_transfer_rings_all_phones_of_its_target() {
    for (answers, other) in [(SARI, TABLET), (TABLET, SARI)] {
        let (mut world, caller, invite) = two_phones();
        refers(&mut world, &invite, 1, TO_SARI);
        let (won, lost) = (rings(&mut world, answers), rings(&mut world, other));
        picks_up(&mut world, answers, &won);
        let cancel = is_cancelled(&mut world, other, &lost);
        assert!(header(&cancel, "Reason").contains("Call completed elsewhere"), "{cancel}");
        assert_eq!(is_notified(&mut world, BUDI), "SIP/2.0 200 OK");
        caller.hangs_up(&mut world);
        world.take(answers, "BYE");
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}

#[test]
fn a_transfer_fails_when_the_last_phone_of_its_target_has_rejected_it() {
    let (mut world, caller, invite) = two_phones();
    refers(&mut world, &invite, 1, TO_SARI);
    let (desk, tablet) = (rings(&mut world, SARI), rings(&mut world, TABLET));
    refuses(&mut world, TABLET, &tablet, "486 Busy Here");
    assert_eq!(world.count(|kind| matches!(kind, FactKind::TransferFailed { .. })), 0);
    assert!(!world.has(SARI, "CANCEL"));
    refuses(&mut world, SARI, &desk, "480 Temporarily Unavailable");
    assert_eq!(is_notified(&mut world, BUDI), "SIP/2.0 480 Temporarily Unavailable");
    assert_eq!(world.count(|kind| matches!(kind, FactKind::TransferFailed { back: true, .. })), 1);
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_target_with_a_dead_phone_is_reached_at_the_other_one() {
    for dead in [SARI, TABLET] {
        let (mut world, caller, invite) = two_phones();
        let alive = if dead == SARI { TABLET } else { SARI };
        for cseq in 1..3 {
            refers(&mut world, &invite, cseq, TO_SARI);
            let rung = rings(&mut world, alive);
            assert_eq!(world.has(dead, "INVITE"), cseq == 1, "once it is marked, it is left out");
            world.pass(Duration::from_secs(6));
            refuses(&mut world, alive, &rung, "486 Busy Here");
            assert!(is_notified(&mut world, BUDI).starts_with("SIP/2.0 48"));
            world.pass(Duration::from_secs(6));
            world.sent.clear();
        }
        caller.hangs_up(&mut world);
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}

#[test]
fn an_operator_who_leaves_while_the_target_rings_leaves_both_phones_ringing() {
    let (mut world, caller, invite) = two_phones();
    refers(&mut world, &invite, 1, TO_SARI);
    let (desk, tablet) = (rings(&mut world, SARI), rings(&mut world, TABLET));
    world.sent.clear();
    operator_hangs_up(&mut world, BUDI, &invite);
    refuses(&mut world, SARI, &desk, "486 Busy Here");
    picks_up(&mut world, TABLET, &tablet);
    assert_eq!(world.count(|kind| matches!(kind, FactKind::TransferDone { .. })), 1);
    caller.hangs_up(&mut world);
    world.take(TABLET, "BYE");
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_colleague_is_called_at_all_phones() {
    for rejected in [true, false] {
        let mut world = floor();
        world.register("sari", SARI);
        world.register("sari", TABLET);
        let mut placed = Placed::to(&mut world, "budi", BUDI, "sari");
        let (desk, tablet) = (rings(&mut world, SARI), rings(&mut world, TABLET));
        refuses(&mut world, TABLET, &tablet, "486 Busy Here");
        if rejected {
            refuses(&mut world, SARI, &desk, "480 Temporarily Unavailable");
            world.take(BUDI, "SIP/2.0 480");
        } else {
            picks_up(&mut world, SARI, &desk);
            placed.is_answered(&mut world);
            placed.asks(&mut world, "BYE", 3, "");
            world.take(SARI, "BYE");
        }
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}

#[test]
fn a_call_that_the_console_places_rings_all_phones_of_the_colleague() {
    let mut world = floor();
    world.register("sari", SARI);
    world.register("sari", TABLET);
    let (operator, to) = (OperatorId::parse("budi").unwrap(), "sari".to_owned());
    world.orders(ConsoleCommand::Place { operator, to });
    let own = world.take(BUDI, "INVITE");
    picks_up(&mut world, BUDI, &own);
    let (desk, tablet) = (rings(&mut world, SARI), rings(&mut world, TABLET));
    picks_up(&mut world, TABLET, &tablet);
    is_cancelled(&mut world, SARI, &desk);
    asks(&mut world, BUDI, &own, "BYE", 1, "", "");
    world.take(TABLET, "BYE");
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_participant_is_rung_at_all_phones() {
    for answered in [true, false] {
        let (mut world, caller, invite) = two_phones();
        refers(&mut world, &invite, 1, ADDS_SARI);
        let (desk, tablet) = (rings(&mut world, SARI), rings(&mut world, TABLET));
        assert!(header(&tablet, "From").contains("CONFERENCE"), "{tablet}");
        if answered {
            picks_up(&mut world, TABLET, &tablet);
            is_cancelled(&mut world, SARI, &desk);
            assert_eq!(is_notified(&mut world, BUDI), "SIP/2.0 200 OK");
        } else {
            refuses(&mut world, TABLET, &tablet, "480 Temporarily Unavailable");
            while world.has(BUDI, "NOTIFY") {
                let notify = world.take(BUDI, "NOTIFY");
                assert!(notify.contains("180 Ringing"), "{notify}");
                world.receive(BUDI, &response(&notify, BUDI, "200 OK", ""));
            }
            refuses(&mut world, SARI, &desk, "486 Busy Here");
            assert_eq!(is_notified(&mut world, BUDI), "SIP/2.0 486 Busy Here");
            assert!(is_ready(&mut world, "sari"), "who does not come is free at once");
        }
        caller.hangs_up(&mut world);
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}

#[test]
fn an_operator_who_leaves_while_a_participant_rings_leaves_the_caller_to_both_phones() {
    let (mut world, caller, invite) = two_phones();
    refers(&mut world, &invite, 1, ADDS_SARI);
    let (desk, tablet) = (rings(&mut world, SARI), rings(&mut world, TABLET));
    world.sent.clear();
    operator_hangs_up(&mut world, BUDI, &invite);
    refuses(&mut world, TABLET, &tablet, "486 Busy Here");
    picks_up(&mut world, SARI, &desk);
    assert_eq!(world.count(|kind| matches!(kind, FactKind::TransferDone { .. })), 1);
    caller.hangs_up(&mut world);
    world.take(SARI, "BYE");
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_call_that_rings_at_two_phones_is_transferred_with_both() {
    for participant in [false, true] {
        let (mut world, caller, invite) = two_phones();
        let whom = if participant { "*30sari" } else { "sari" };
        let placed = Placed::to(&mut world, "budi", BUDI, whom);
        let (desk, tablet) = (rings(&mut world, SARI), rings(&mut world, TABLET));
        let tag = header(&world.take(BUDI, "SIP/2.0 180"), "To").to_owned();
        let named = placed.replaced_as(&tag, "sari");
        asks(&mut world, BUDI, &invite, "REFER", 1, &named, "");
        world.take(BUDI, "SIP/2.0 202");
        refuses(&mut world, SARI, &desk, "486 Busy Here");
        picks_up(&mut world, TABLET, &tablet);
        assert_eq!(outcomes(&world, OfferOutcome::Answered), 2);
        caller.hangs_up(&mut world);
        world.take(TABLET, "BYE");
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}

#[test]
fn a_caller_comes_back_after_five_seconds_if_no_phone_of_the_target_responds() {
    let (mut world, caller, invite) = two_phones();
    refers(&mut world, &invite, 1, TO_SARI);
    let (desk, _) = (world.take(SARI, "INVITE"), world.take(TABLET, "INVITE"));
    world.pass(Duration::from_millis(4_999));
    assert_eq!(world.count(|kind| matches!(kind, FactKind::TransferFailed { .. })), 0);
    world.pass(Duration::from_millis(1));
    assert_eq!(is_notified(&mut world, BUDI), "SIP/2.0 503 Service Unavailable");
    assert_eq!(world.count(|kind| matches!(kind, FactKind::TransferFailed { back: true, .. })), 1);
    // An answer that comes now is too late.
    world.receive(SARI, &response(&desk, SARI, "200 OK", &sdp(SARI, 31_000)));
    world.take(SARI, "ACK");
    let bye = world.take(SARI, "BYE");
    world.receive(SARI, &response(&bye, SARI, "200 OK", ""));
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn one_phone_of_the_target_that_responds_keeps_the_transfer_for_ring_seconds() {
    let (mut world, caller, invite) = two_phones();
    refers(&mut world, &invite, 1, TO_SARI);
    let (_, tablet) = (world.take(SARI, "INVITE"), rings(&mut world, TABLET));
    world.pass(Duration::from_secs(14));
    assert_eq!(world.count(|kind| matches!(kind, FactKind::TransferFailed { .. })), 0);
    picks_up(&mut world, TABLET, &tablet);
    assert_eq!(is_notified(&mut world, BUDI), "SIP/2.0 200 OK");
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

/// Sari's tablet declines after so many seconds. The other phone does not respond within five.
fn declines(world: &mut World, after: u64, tablet: &str) {
    world.pass(Duration::from_secs(after));
    refuses(world, TABLET, tablet, "486 Busy Here");
    world.pass(Duration::from_secs(5_u64.saturating_sub(after)));
}

#[test]
fn a_target_that_declines_beside_a_dead_phone_ends_the_transfer() {
    for after in [1, 6] {
        let (mut world, caller, invite) = two_phones();
        refers(&mut world, &invite, 1, TO_SARI);
        let tablet = rings(&mut world, TABLET);
        declines(&mut world, after, &tablet);
        assert!(is_notified(&mut world, BUDI).contains(if after > 5 { "486" } else { "503" }));
        caller.hangs_up(&mut world);
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}

#[test]
fn a_colleague_who_declines_beside_a_dead_phone_ends_the_call() {
    for after in [1, 6] {
        let mut world = floor();
        world.register("sari", SARI);
        world.register("sari", TABLET);
        Placed::to(&mut world, "budi", BUDI, "sari");
        let tablet = rings(&mut world, TABLET);
        declines(&mut world, after, &tablet);
        world.take(BUDI, if after > 5 { "SIP/2.0 486" } else { "SIP/2.0 503" });
        assert!(is_ready(&mut world, "sari"));
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}

#[test]
fn a_participant_who_declines_beside_a_dead_phone_is_reported_at_once() {
    for after in [1, 6] {
        let (mut world, caller, invite) = two_phones();
        refers(&mut world, &invite, 1, ADDS_SARI);
        let tablet = rings(&mut world, TABLET);
        declines(&mut world, after, &tablet);
        assert!(is_notified(&mut world, BUDI).contains(if after > 5 { "486" } else { "503" }));
        assert!(is_ready(&mut world, "sari"));
        caller.hangs_up(&mut world);
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}

#[test]
fn an_operator_who_declines_a_click_to_call_beside_a_dead_phone_ends_it() {
    for after in [1, 6] {
        let mut world = floor();
        world.register("sari", SARI);
        world.register("sari", TABLET);
        let (operator, to) = (OperatorId::parse("sari").unwrap(), "budi".to_owned());
        world.orders(ConsoleCommand::Place { operator, to });
        let tablet = rings(&mut world, TABLET);
        declines(&mut world, after, &tablet);
        assert_eq!(endings(&world), [(Side::Caller, EndCause::Abandoned)]);
        assert!(is_ready(&mut world, "sari"));
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}
