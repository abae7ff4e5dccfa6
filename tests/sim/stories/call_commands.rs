//! What the console orders of calls: supervisors are let in, and callers who wait are offered out of turn.

use siaga::cdr::fact::{ConsoleRole, Role};
use siaga::ids::{CallId, OperatorId};
use siaga::switchboard::{Actor, ConsoleCommand, ConsoleReply, Supervision};

use super::attended::{Placed, replaces};
use super::conference::{
    ALL_HEAR_ALL, ANI, floor, is_bridged, joins, last_guest, matrix, seconds, staffed, visit, visits,
};
use super::ring_all::{is_cancelled, outcomes, picks_up, rings, states};
use super::transfer::{TO_SARI, is_hung_up, record, refers, refuses, talk, talks};
use super::*;

/// Ani's second phone.
const ANI_TOO: &str = "127.0.0.3:5094";
const REFUSED: fn(u16) -> ConsoleReply = |status| ConsoleReply::Refused { status };

pub(super) fn named(name: &str) -> OperatorId {
    OperatorId::parse(name).unwrap()
}

/// The emergency calls, in the order of their arrival.
fn calls(world: &World) -> Vec<CallId> {
    let received = world.facts.iter().filter(|fact| matches!(fact.kind, FactKind::Received { .. }));
    received.map(|fact| fact.call.unwrap()).collect()
}

/// Lets Ani into the first call.
fn lets_in(world: &mut World, mode: Supervision) -> ConsoleReply {
    lets(world, mode, "ani")
}

fn lets(world: &mut World, mode: Supervision, who: &str) -> ConsoleReply {
    let (call, by) = (calls(world)[0], Some(named(who)));
    world.orders(ConsoleCommand::Supervise { call, mode, by })
}

fn offers(world: &mut World, nth: usize, operator: &str) -> ConsoleReply {
    let (call, operator) = (calls(world)[nth], named(operator));
    world.orders(ConsoleCommand::OfferTo { call, operator })
}

#[test]
fn a_supervisor_is_in_the_call_after_answering_the_phone() {
    for (mode, role, hears) in [
        (Supervision::Listen, Role::Listener, [0b010, 0b001, 0b011]),
        (Supervision::Whisper, Role::Whisperer, [0b010, 0b101, 0b011]),
        (Supervision::Barge, Role::Barger, ALL_HEAR_ALL),
    ] {
        let (mut world, caller, _) = staffed();
        seconds(&mut world, 10);
        assert_eq!(lets_in(&mut world, mode), ConsoleReply::Done);
        let invite = rings(&mut world, ANI);
        assert!(header(&invite, "From").contains("sip:0812"), "she sees whose call it is: {invite}");
        let purpose = format!("\"{} budi: 0812", mode.word().to_uppercase());
        assert!(header(&invite, "From").starts_with(&purpose), "and that it is no new emergency call: {invite}");
        assert_eq!(states(&world)[2], 1, "she is reserved");
        assert!(is_bridged(&world), "the two talk on");
        seconds(&mut world, 5);
        picks_up(&mut world, ANI, &invite);
        assert_eq!(matrix(&world), hears, "{mode:?}");
        assert!(!world.has(BUDI, "") && !world.has(TRUNK, "INVITE"), "nobody is told: {:#?}", world.sent);
        seconds(&mut world, 20);
        operator_hangs_up(&mut world, ANI, &invite);
        assert!(is_bridged(&world));
        seconds(&mut world, 25);
        caller.hangs_up(&mut world);
        is_hung_up(&mut world, BUDI);
        let record = record(&world);
        assert_eq!((visits(&record), record.talk_ms), (vec![visit("ani", role, 20)], 60_000));
        let ordered = |kind: &FactKind| matches!(kind, FactKind::Commanded { by, command, done: true, .. } if by == "ani" && command == "supervise");
        assert_eq!(world.count(ordered), 1);
        let told = format!("asked to {} by ani", mode.word());
        assert_eq!(world.count(|kind| matches!(kind, FactKind::Offered { why, .. } if *why == told)), 1);
        world.assert_empty_in_the_end();
    }
}

#[test]
fn a_supervisor_rung_to_take_over_has_the_caller_after_the_answer() {
    let (mut world, caller, _) = staffed();
    seconds(&mut world, 10);
    assert_eq!(lets_in(&mut world, Supervision::TakeOver), ConsoleReply::Done);
    let invite = rings(&mut world, ANI);
    assert!(!world.has(BUDI, "BYE"), "not before she is there");
    picks_up(&mut world, ANI, &invite);
    is_hung_up(&mut world, BUDI);
    assert!(is_bridged(&world) && !world.has(TRUNK, "INVITE"));
    seconds(&mut world, 20);
    caller.hangs_up(&mut world);
    is_hung_up(&mut world, ANI);
    assert_eq!(talks(&world), [talk("budi", 10, true), talk("ani", 20, false)]);
    assert_eq!(world.count(|kind| matches!(kind, FactKind::TakenOver { .. })), 1);
    world.assert_empty_in_the_end();
}

#[test]
fn a_repeated_order_changes_the_supervisors_mode_while_ringing_and_while_connected() {
    let (mut world, caller, _) = staffed();
    assert_eq!(lets_in(&mut world, Supervision::TakeOver), ConsoleReply::Done);
    let invite = rings(&mut world, ANI);
    assert_eq!(lets_in(&mut world, Supervision::Listen), ConsoleReply::Done);
    assert!(!world.has(ANI, "INVITE"), "she rings already");
    // A phone that sends audio while it rings has no person to press a key.
    let opened = |command: &Command| match command {
        Command::Open { anchor } => Some(*anchor),
        _ => None,
    };
    let anchor = world.media.iter().rev().find_map(opened).unwrap();
    world.step(Input::Media(Event::Digit { anchor, digit: '3' }));
    assert_eq!(world.count(|kind| matches!(kind, FactKind::GuestJoined { .. })), 0, "she is not there");
    picks_up(&mut world, ANI, &invite);
    for (mode, hears) in [
        (Supervision::Barge, ALL_HEAR_ALL),
        (Supervision::Whisper, [0b010, 0b101, 0b011]),
        (Supervision::Listen, [0b010, 0b001, 0b011]),
    ] {
        seconds(&mut world, 10);
        assert_eq!(lets_in(&mut world, mode), ConsoleReply::Done);
        assert_eq!(matrix(&world), hears, "{mode:?}");
    }
    // The supervisor's keys do the same.
    let anchor = last_guest(&world);
    world.step(Input::Media(Event::Digit { anchor, digit: '3' }));
    assert_eq!(matrix(&world), ALL_HEAR_ALL);
    assert_eq!(lets_in(&mut world, Supervision::TakeOver), ConsoleReply::Done);
    is_hung_up(&mut world, BUDI);
    assert_eq!(lets_in(&mut world, Supervision::Listen), REFUSED(486), "he is hers now");
    caller.hangs_up(&mut world);
    is_hung_up(&mut world, ANI);
    world.assert_empty_in_the_end();
}

#[test]
fn an_order_that_cannot_be_carried_out_is_refused_with_the_reason() {
    let mut world = floor();
    let mut caller = Caller::dials(&mut world);
    let invite = rings(&mut world, BUDI);
    assert_eq!(lets_in(&mut world, Supervision::Listen), REFUSED(480), "nobody has him yet");
    picks_up(&mut world, BUDI, &invite);
    caller.is_answered(&mut world);
    assert_eq!(lets_in(&mut world, Supervision::Listen), REFUSED(480), "she has no phone there");
    world.register("ani", ANI);
    world.register("sari", SARI);
    assert_eq!(lets(&mut world, Supervision::Listen, "sari"), ConsoleReply::NoSupervisor);
    assert_eq!(lets(&mut world, Supervision::TakeOver, "nobody"), ConsoleReply::NoSupervisor);
    // Without a name, the command means its sender.
    let call = calls(&world)[0];
    let order = |name: &str| Input::Console {
        request: 7,
        by: Actor { name: name.to_owned(), role: ConsoleRole::Supervisor },
        command: ConsoleCommand::Supervise { call, mode: Supervision::Listen, by: None },
    };
    world.step(order("console"));
    assert_eq!(world.replied.pop(), Some(ConsoleReply::NoSupervisor));
    world.step(order("ani"));
    assert_eq!(world.replied.pop(), Some(ConsoleReply::Done));
    let ringing = rings(&mut world, ANI);
    refuses(&mut world, ANI, &ringing, "486 Busy Here");
    // An operator with a placed call is busy, and so is an invited participant.
    let placed = Placed::to(&mut world, "ani", ANI, "damkar");
    assert_eq!(lets_in(&mut world, Supervision::Barge), REFUSED(486));
    placed.asks(&mut world, "CANCEL", 2, "");
    let nobody = CallId::new(siaga::clock::Timestamp::from_millis(1), &mut siaga::ids::Rng::from_number(1));
    let by = Some(named("ani"));
    let order = ConsoleCommand::Supervise { call: nobody, mode: Supervision::Listen, by };
    assert_eq!(world.orders(order), ConsoleReply::UnknownCall);
    assert!(is_bridged(&world), "the two talk on");
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_supervisor_who_does_not_come_leaves_the_two_as_they_were() {
    for end in ["rings in vain", "declines", "is out of reach", "is sent away", "logs out", "is removed"] {
        let (mut world, caller, _) = staffed();
        lets_in(&mut world, Supervision::Barge);
        let invite = rings(&mut world, ANI);
        let call = calls(&world)[0];
        let outcome = match end {
            "rings in vain" => {
                seconds(&mut world, 16);
                OfferOutcome::NoAnswer
            }
            "declines" => {
                refuses(&mut world, ANI, &invite, "603 Decline");
                OfferOutcome::Rejected
            }
            "is out of reach" => {
                // The phone has sent 180: an ICMP error does not end its INVITE.
                world.is_unreachable(ANI);
                world.pass(Duration::from_secs(15));
                refuses(&mut world, ANI, &invite, "487 Request Terminated");
                OfferOutcome::NoAnswer
            }
            "is sent away" => {
                let leg = siaga::ids::LegNo(2);
                assert_eq!(world.orders(ConsoleCommand::DisconnectParticipant { call, leg }), ConsoleReply::Done);
                OfferOutcome::Withdrawn
            }
            "logs out" => {
                let logged_out = world.orders(ConsoleCommand::LogOut { operator: named("ani") });
                assert_eq!(logged_out, ConsoleReply::Done);
                assert_eq!(states(&world)[2], 1, "an order stands: she may be off shift as well");
                refuses(&mut world, ANI, &invite, "486 Busy Here");
                OfferOutcome::Busy
            }
            _ => {
                let left = ["budi", "sari"].map(crate::world::account).to_vec();
                world.step(Input::Accounts(left));
                OfferOutcome::Withdrawn
            }
        };
        if world.has(ANI, "CANCEL") {
            is_cancelled(&mut world, ANI, &invite);
        }
        assert_eq!(outcomes(&world, outcome), 1, "{end}");
        assert!(is_bridged(&world) && !world.has(BUDI, "") && !world.has(TRUNK, "BYE"), "{end}");
        assert_eq!(states(&world)[2], 0, "{end}: she is free, or away");
        caller.hangs_up(&mut world);
        is_hung_up(&mut world, BUDI);
        assert!(visits(&record(&world)).is_empty());
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}

#[test]
fn all_phones_of_a_supervisor_ring_and_the_first_answer_joins() {
    let (mut world, caller, _) = staffed();
    world.register("ani", ANI_TOO);
    lets_in(&mut world, Supervision::Listen);
    let (one, other) = (rings(&mut world, ANI), rings(&mut world, ANI_TOO));
    refuses(&mut world, ANI, &one, "486 Busy Here");
    assert_eq!(states(&world)[2], 1, "the other one rings still");
    picks_up(&mut world, ANI_TOO, &other);
    assert_eq!(matrix(&world), [0b010, 0b001, 0b011]);
    operator_hangs_up(&mut world, ANI_TOO, &other);
    lets_in(&mut world, Supervision::Listen);
    let (one, other) = (rings(&mut world, ANI), rings(&mut world, ANI_TOO));
    picks_up(&mut world, ANI, &one);
    // The other one is answered in the same moment.
    world.take(ANI_TOO, "CANCEL");
    picks_up(&mut world, ANI_TOO, &other);
    is_hung_up(&mut world, ANI_TOO);
    assert_eq!(matrix(&world), [0b010, 0b001, 0b011], "she is there once");
    operator_hangs_up(&mut world, ANI, &one);
    lets_in(&mut world, Supervision::Listen);
    let (one, other) = (rings(&mut world, ANI), rings(&mut world, ANI_TOO));
    refuses(&mut world, ANI, &one, "603 Decline");
    is_cancelled(&mut world, ANI_TOO, &other);
    assert_eq!(states(&world)[2], 0, "she does not want to at any phone");
    caller.hangs_up(&mut world);
    is_hung_up(&mut world, BUDI);
    world.assert_empty_in_the_end();
}

#[test]
fn a_call_that_ends_while_the_supervisor_rings_is_not_transferred_to_the_supervisor() {
    for by_caller in [true, false] {
        let (mut world, caller, invite) = staffed();
        lets_in(&mut world, Supervision::Barge);
        let ringing = rings(&mut world, ANI);
        if by_caller {
            caller.hangs_up(&mut world);
            is_hung_up(&mut world, BUDI);
        } else {
            operator_hangs_up(&mut world, BUDI, &invite);
            caller.is_hung_up(&mut world);
        }
        world.take(ANI, "CANCEL");
        // The answer has crossed it.
        picks_up(&mut world, ANI, &ringing);
        is_hung_up(&mut world, ANI);
        assert_eq!(endings(&world), [(if by_caller { Side::Caller } else { Side::Operator }, EndCause::Normal)]);
        world.assert_empty_in_the_end();
    }
}

#[test]
fn an_operator_invites_a_participant_while_a_supervisor_rings() {
    let (mut world, caller, invite) = staffed();
    lets_in(&mut world, Supervision::Listen);
    let ringing = rings(&mut world, ANI);
    let sari = joins(&mut world, &invite, 1);
    picks_up(&mut world, ANI, &ringing);
    assert_eq!(matrix(&world), [0b1010, 0b1001, 0b1011, 0b0011], "all but Ani are heard");
    operator_hangs_up(&mut world, SARI, &sari);
    operator_hangs_up(&mut world, ANI, &ringing);
    // And the caller is transferred to the invited participant, not to the supervisor.
    lets_in(&mut world, Supervision::Listen);
    let ringing = rings(&mut world, ANI);
    refers(&mut world, &invite, 2, &TO_SARI.replace("sari", "*30sari"));
    let offered = rings(&mut world, SARI);
    asks(&mut world, BUDI, &invite, "BYE", 3, "", "");
    world.take(BUDI, "SIP/2.0 200");
    is_cancelled(&mut world, ANI, &ringing);
    picks_up(&mut world, SARI, &offered);
    assert!(is_bridged(&world));
    caller.hangs_up(&mut world);
    is_hung_up(&mut world, SARI);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_transfer_and_a_pick_up_cancel_a_ringing_supervisor() {
    for how in ["phone", "console", "pick-up"] {
        let (mut world, caller, invite) = staffed();
        world.register("sari", SARI);
        lets_in(&mut world, Supervision::Barge);
        let ringing = rings(&mut world, ANI);
        match how {
            "phone" => refers(&mut world, &invite, 1, TO_SARI),
            "console" => {
                let (call, to) = (calls(&world)[0], "sari".to_owned());
                assert_eq!(world.orders(ConsoleCommand::Transfer { call, to }), ConsoleReply::Done);
            }
            _ => {
                // Budi goes on at another phone.
                let (his, at) = (replaces(&invite, "phone"), "127.0.0.3:5094");
                world.register("budi", at);
                Placed::with(&mut world, "budi", at, "budi", &his).is_answered(&mut world);
            }
        }
        is_cancelled(&mut world, ANI, &ringing);
        assert_eq!(outcomes(&world, OfferOutcome::Withdrawn), 1);
        if how != "pick-up" {
            let offered = rings(&mut world, SARI);
            picks_up(&mut world, SARI, &offered);
        }
        assert!(world.has(BUDI, "BYE") && is_bridged(&world), "{how}");
        caller.hangs_up(&mut world);
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}

/// Everybody has a phone and is on a break, so that callers wait.
fn paused() -> World {
    let mut world = floor();
    world.register("sari", SARI);
    for operator in ["ani", "budi", "sari"].map(named) {
        world.orders(ConsoleCommand::Pause { operator, reason: "meal".to_owned() });
    }
    world
}

#[test]
fn a_caller_who_waits_is_offered_out_of_turn_and_the_others_keep_their_places() {
    let mut world = paused();
    let mut callers: Vec<Caller> = (0..3).map(|_| Caller::dials(&mut world)).collect();
    seconds(&mut world, 10);
    assert_eq!(offers(&mut world, 1, "sari"), ConsoleReply::Done);
    let invite = rings(&mut world, SARI);
    let told = |kind: &FactKind| matches!(kind, FactKind::Offered { why, .. } if why == "out of turn by ani: 1 waited before it");
    assert_eq!(world.count(told), 1);
    picks_up(&mut world, SARI, &invite);
    callers[1].is_answered(&mut world);
    seconds(&mut world, 5);
    // The first is still the first.
    world.orders(ConsoleCommand::Resume { operator: named("budi") });
    let invite = rings(&mut world, BUDI);
    picks_up(&mut world, BUDI, &invite);
    callers[0].is_answered(&mut world);
    callers[0].hangs_up(&mut world);
    callers[1].hangs_up(&mut world);
    callers[2].cancels(&mut world);
    is_hung_up(&mut world, BUDI);
    is_hung_up(&mut world, SARI);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_caller_not_answered_out_of_turn_keeps_the_place() {
    for silent in [true, false] {
        let mut world = paused();
        let mut callers: Vec<Caller> = (0..3).map(|_| Caller::dials(&mut world)).collect();
        assert_eq!(offers(&mut world, 1, "sari"), ConsoleReply::Done);
        let invite = rings(&mut world, SARI);
        // Who becomes free meanwhile gets the first.
        world.orders(ConsoleCommand::Resume { operator: named("budi") });
        let first = rings(&mut world, BUDI);
        picks_up(&mut world, BUDI, &first);
        callers[0].is_answered(&mut world);
        if silent {
            seconds(&mut world, 16);
            is_cancelled(&mut world, SARI, &invite);
        } else {
            refuses(&mut world, SARI, &invite, "486 Busy Here");
        }
        callers[0].hangs_up(&mut world);
        is_hung_up(&mut world, BUDI);
        seconds(&mut world, 11);
        let second = rings(&mut world, BUDI);
        assert!(header(&second, "From").contains(&callers[1].number()), "he is before the third: {second}");
        assert!(!world.has(SARI, "INVITE"), "she is on her break");
        picks_up(&mut world, BUDI, &second);
        callers[1].is_answered(&mut world);
        callers[1].hangs_up(&mut world);
        callers[2].cancels(&mut world);
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}

#[test]
fn a_call_that_rings_one_operator_can_be_offered_to_another_too() {
    let mut world = floor();
    let mut caller = Caller::dials(&mut world);
    let budi = rings(&mut world, BUDI);
    world.register("sari", SARI);
    assert_eq!(offers(&mut world, 0, "sari"), ConsoleReply::Done);
    let sari = rings(&mut world, SARI);
    picks_up(&mut world, SARI, &sari);
    is_cancelled(&mut world, BUDI, &budi);
    caller.is_answered(&mut world);
    assert_eq!(states(&world), [1, 1, 0, 1, 0, 0]);
    caller.hangs_up(&mut world);
    is_hung_up(&mut world, SARI);
    world.assert_empty_in_the_end();
}

#[test]
fn an_offer_that_cannot_be_made_is_refused_with_the_reason() {
    let mut world = paused();
    let mut first = Caller::dials(&mut world);
    assert_eq!(offers(&mut world, 0, "ani"), REFUSED(480), "she has no phone there");
    assert_eq!(offers(&mut world, 0, "nobody"), ConsoleReply::UnknownOperator);
    assert_eq!(offers(&mut world, 0, "sari"), ConsoleReply::Done);
    assert_eq!(offers(&mut world, 0, "sari"), REFUSED(486), "she rings");
    let invite = rings(&mut world, SARI);
    picks_up(&mut world, SARI, &invite);
    first.is_answered(&mut world);
    assert_eq!(offers(&mut world, 0, "budi"), ConsoleReply::NotWaiting, "she has him");
    let second = Caller::dials(&mut world);
    assert_eq!(offers(&mut world, 1, "sari"), REFUSED(486), "she talks");
    second.cancels(&mut world);
    assert_eq!(offers(&mut world, 1, "budi"), ConsoleReply::UnknownCall);
    first.hangs_up(&mut world);
    is_hung_up(&mut world, SARI);
    world.sent.clear();
    world.assert_empty_in_the_end();
}
