//! INVITE with Replaces (RFC 3891): who may pick up a call that rings, and who may take one that talks.

use siaga::switchboard::{ConsoleCommand, ConsoleReply, Supervision};

use super::super::watch::Watch;
use super::attended::{Placed, consulting, replaces};
use super::conference::{ANI, is_bridged, staffed as supervised};
use super::events::{dialogs, names};
use super::ring_all::{picks_up, rings};
use super::transfer::{TO_SARI, floor, is_hung_up, record, refers, refuses, talk, talking, talks};
use super::*;

/// Sari may take calls over.
fn supervised_floor() -> World {
    let mut settings = settings();
    settings.operators.supervisors = [siaga::ids::OperatorId::parse("sari").unwrap()].into();
    let mut world = World::new(settings, &["budi", "sari"]);
    world.register("budi", BUDI);
    world
}

#[test]
fn a_ringing_call_is_picked_up_at_another_phone() {
    let mut world = floor();
    let mut caller = Caller::dials(&mut world);
    let offered = world.take(BUDI, "INVITE");
    world.receive(BUDI, &response(&offered, BUDI, "180 Ringing", ""));
    world.register("sari", SARI);
    let more = replaces(&offered, "phone").replace("\r\n", ";early-only\r\n");
    let mut taken = Placed::with(&mut world, "sari", SARI, "budi", &format!("{more}Require: replaces\r\n"));
    taken.is_answered(&mut world);
    world.take(BUDI, "CANCEL");
    refuses(&mut world, BUDI, &offered, "487 Request Terminated");
    caller.is_answered(&mut world);
    world.pass(Duration::from_secs(5));
    caller.hangs_up(&mut world);
    is_hung_up(&mut world, SARI);
    assert_eq!(talks(&world), [talk("sari", 5, false)]);
    assert_eq!(record(&world).offers[0].outcome, Some(OfferOutcome::LostRace));
    world.assert_empty_in_the_end();
}

#[test]
fn a_call_that_talks_is_taken_over_by_a_supervisor_and_the_relieved_operator_is_hung_up() {
    let mut world = supervised_floor();
    let (caller, invite) = talking(&mut world);
    world.pass(Duration::from_secs(4));
    let mut taken = Placed::with(&mut world, "sari", SARI, "budi", &replaces(&invite, "phone"));
    taken.is_answered(&mut world);
    is_hung_up(&mut world, BUDI);
    world.pass(Duration::from_secs(7));
    // Sari's BYE ends the call, and Budi can no longer transfer the caller.
    asks(&mut world, BUDI, &invite, "REFER", 1, "Refer-To: <sip:sari@127.0.0.1>\r\n", "");
    world.take(BUDI, "SIP/2.0 481");
    taken.asks(&mut world, "BYE", 3, "");
    world.take(SARI, "SIP/2.0 200");
    caller.is_hung_up(&mut world);
    assert_eq!(talks(&world), [talk("budi", 4, true), talk("sari", 7, false)]);
    assert_eq!(endings(&world), [(Side::Operator, EndCause::Normal)]);
    world.assert_empty_in_the_end();
}

#[test]
fn a_conversation_is_no_colleagues_to_take() {
    let mut world = floor();
    let (caller, invite) = talking(&mut world);
    let facts = world.facts.len();
    world.media.clear();
    let named = replaces(&invite, "phone");
    for more in [named.clone(), format!("{named}Require: replaces\r\n")] {
        Placed::with(&mut world, "sari", SARI, "budi", &more);
        world.take(SARI, "SIP/2.0 403");
    }
    // A call from Sari to Budi is not one from Budi to Sari.
    Placed::to(&mut world, "sari", SARI, "budi");
    world.take(SARI, "SIP/2.0 486");
    Placed::with(&mut world, "sari", SARI, "budi", &named);
    world.take(SARI, "SIP/2.0 403");
    let taken = |kind: &FactKind| matches!(kind, FactKind::TakenOver { .. } | FactKind::Answered { .. });
    assert!(!world.facts[facts..].iter().any(|fact| taken(&fact.kind)), "Budi keeps the caller");
    let parted = |command: &Command| matches!(command, Command::Unbridge { .. } | Command::Bridge { .. });
    assert!(!world.media.iter().any(parted), "{:?}", world.media);
    operator_hangs_up(&mut world, BUDI, &invite);
    caller.is_hung_up(&mut world);
}

#[test]
fn an_operator_goes_on_with_a_conversation_at_another_phone_and_picks_a_ringing_one_up_there() {
    const BUDI_TOO: &str = "127.0.0.3:5094";
    for rings_still in [false, true] {
        let mut world = floor();
        let mut caller = Caller::dials(&mut world);
        let invite = world.take(BUDI, "INVITE");
        if rings_still {
            world.receive(BUDI, &response(&invite, BUDI, "180 Ringing", ""));
        } else {
            world.receive(BUDI, &response(&invite, BUDI, "200 OK", &sdp(BUDI, 31_000)));
            world.take(BUDI, "ACK");
            caller.is_answered(&mut world);
        }
        world.register("budi", BUDI_TOO);
        let mut taken = Placed::with(&mut world, "budi", BUDI_TOO, "budi", &replaces(&invite, "phone"));
        taken.is_answered(&mut world);
        if rings_still {
            world.take(BUDI, "CANCEL");
            refuses(&mut world, BUDI, &invite, "487 Request Terminated");
            caller.is_answered(&mut world);
        } else {
            is_hung_up(&mut world, BUDI);
        }
        world.pass(Duration::from_secs(3));
        taken.asks(&mut world, "BYE", 3, "");
        caller.is_hung_up(&mut world);
        assert_eq!(endings(&world), [(Side::Operator, EndCause::Normal)]);
        assert_eq!(record(&world).operator.unwrap().as_str(), "budi");
        world.assert_empty_in_the_end();
    }
}

#[test]
fn join_and_target_dialog_give_no_one_a_dialog_of_others() {
    let mut world = floor();
    let (_caller, invite) = talking(&mut world);
    let named = replaces(&invite, "phone").replace("Replaces: ", "").replace("\r\n", "");
    let facts = world.facts.len();
    for (field, tag) in [("Join", "join"), ("Target-Dialog", "tdialog")] {
        let invite = format!(
            "INVITE sip:budi@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {SARI};branch=z9hG4bK{tag};rport\r\n\
             From: <sip:sari@127.0.0.1>;tag=s\r\nTo: <sip:budi@127.0.0.1>\r\nCall-ID: {tag}\r\nCSeq: 1 INVITE\r\n\
             Contact: <sip:sari@{SARI}>\r\nMax-Forwards: 70\r\n{field}: {named}\r\nRequire: {tag}\r\nContent-Length: 0\r\n\r\n"
        );
        world.receive(SARI, &invite);
        assert_eq!(header(&world.take(SARI, "SIP/2.0 420"), "Unsupported"), tag);
    }
    let refer = format!(
        "REFER sip:siaga@127.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP {SARI};branch=z9hG4bKtd;rport\r\n\
         From: <sip:sari@127.0.0.1>;tag=s\r\nTo: <sip:budi@127.0.0.1>\r\nCall-ID: outside\r\nCSeq: 1 REFER\r\n\
         Contact: <sip:sari@{SARI}>\r\nMax-Forwards: 70\r\nTarget-Dialog: {named}\r\n{TO_SARI}Content-Length: 0\r\n\r\n"
    );
    world.receive(SARI, &refer);
    world.take(SARI, "SIP/2.0 403");
    assert_eq!(world.facts.len(), facts);
}

#[test]
fn a_consulted_colleague_takes_the_caller_with_replaces() {
    let mut world = floor();
    let (caller, invite, _, _) = consulting(&mut world);
    let mut taken = Placed::with(&mut world, "sari", SARI, "budi", &replaces(&invite, "phone"));
    taken.is_answered(&mut world);
    // All of the old legs end: two of Budi, one of Sari.
    is_hung_up(&mut world, BUDI);
    is_hung_up(&mut world, BUDI);
    is_hung_up(&mut world, SARI);
    caller.hangs_up(&mut world);
    assert_eq!(record(&world).operator.unwrap().as_str(), "sari");
    world.assert_empty_in_the_end();
}

#[test]
fn what_cannot_be_replaced_is_refused_by_the_rules() {
    let mut world = floor();
    let (caller, invite) = talking(&mut world);
    let refused = |world: &mut World, more: &str, status: u16| {
        Placed::with(world, "sari", SARI, "budi", more);
        world.take(SARI, &format!("SIP/2.0 {status}"));
    };
    let good = replaces(&invite, "phone");
    refused(&mut world, &good.replace("from-tag=phone", "from-tag=other"), 481);
    refused(&mut world, &good.replace("\r\n", ";early-only\r\n"), 486);
    refused(&mut world, &format!("{good}{good}"), 400);
    refused(&mut world, &good.replace("to-tag", "tag"), 400);
    caller.hangs_up(&mut world);
    refused(&mut world, &good, 603);
    world.assert_empty_in_the_end();
}

#[test]
fn an_emergency_call_is_served_as_a_new_one_whatever_it_wants_to_replace() {
    let mut world = floor();
    let more = "Replaces: x@y;to-tag=1;from-tag=2\r\nRequire: replaces\r\n";
    Caller::dials_with(&mut world, more, true);
    world.take(TRUNK, "SIP/2.0 100");
    answers(&mut world, BUDI);
    let two = "Replaces: x\r\nReplaces: y\r\n";
    Caller::dials_with(&mut world, two, true);
    world.take(TRUNK, "SIP/2.0 100");
}

#[test]
fn the_ringing_leg_of_a_supervisor_or_participant_gives_no_one_the_call_of_another_operator() {
    const ANI_TOO: &str = "127.0.0.3:5094";
    const SARI_TOO: &str = "127.0.0.3:5095";
    for supervises in [true, false] {
        let (mut world, caller, invite) = supervised();
        world.register("sari", SARI);
        let (guest, at) = if supervises { ("ani", ANI) } else { ("sari", SARI) };
        let (watcher, watches_at) = if supervises { ("sari", SARI) } else { ("ani", ANI) };
        let watch = Watch::begins(&mut world, watcher, watches_at, guest, "dialog");
        watch.hears(&mut world);
        world.pass(Duration::from_millis(1_001));
        if supervises {
            let call = world.facts.iter().find_map(|fact| fact.call).unwrap();
            let by = Some(siaga::ids::OperatorId::parse(guest).unwrap());
            let order = ConsoleCommand::Supervise { call, mode: Supervision::Listen, by };
            assert_eq!(world.orders(order), ConsoleReply::Done);
        } else {
            refers(&mut world, &invite, 1, "Refer-To: <sip:*30sari@127.0.0.1>\r\n");
        }
        let asked = rings(&mut world, at);
        let lamp = watch.hears(&mut world);
        assert_eq!(dialogs(&lamp).2[0].1, "early");
        assert_eq!(names(&lamp), None, "the lamp names no dialog to pick up");
        let facts = world.facts.len();
        for (name, from) in [(watcher, watches_at), ("ani", ANI_TOO), ("sari", SARI_TOO)] {
            Placed::with(&mut world, name, from, guest, &replaces(&asked, "phone"));
            world.take(from, "SIP/2.0 403");
        }
        assert_eq!(world.facts.len(), facts);
        assert!(is_bridged(&world) && !world.has(BUDI, "BYE") && !world.has(at, "CANCEL"));
        picks_up(&mut world, at, &asked);
        caller.hangs_up(&mut world);
        assert_eq!(record(&world).operator.unwrap().as_str(), "budi");
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}
