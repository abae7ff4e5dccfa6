//! Together on the line: operators ask colleagues and agencies in, supervisors listen, whisper, barge in and take over.

use siaga::cdr::Cdr;
use siaga::cdr::fact::{Callee, Role};
use siaga::ids::OperatorId;
use siaga::media::command::Prompt;
use siaga::switchboard::Agency;

use super::attended::{Placed, replaces};
use super::transfer::{
    DAMKAR, TO_SARI, is_hung_up, is_notified, outcomes, record, refers, refuses, talk, talking, talks,
};
use super::*;

pub(super) const ANI: &str = "127.0.0.3:5093";
const ADDS_SARI: &str = "Refer-To: <sip:*30sari@127.0.0.1>\r\n";
pub(super) const ADDS_DAMKAR: &str = "Refer-To: <sip:*30damkar@127.0.0.1>\r\n";
pub(super) const ALL_HEAR_ALL: [u8; 3] = [0b110, 0b101, 0b011];

/// Budi, Sari, and Ani, who is their supervisor.
pub(super) fn floor() -> World {
    let mut settings = settings();
    settings.acd.none_ready = Duration::from_secs(600);
    settings.trunks[0].target = Some(TRUNK.parse().unwrap());
    settings.numbers.agencies = vec![Agency { name: "damkar".to_owned(), number: DAMKAR.to_owned() }];
    settings.operators.supervisors = [OperatorId::parse("ani").unwrap()].into();
    let mut world = World::new(settings, &["budi", "sari", "ani"]);
    world.register("budi", BUDI);
    world
}

/// Budi talks with a caller; Sari and Ani are there, and have no call.
pub(super) fn staffed() -> (World, Caller, String) {
    let mut world = floor();
    let (caller, invite) = talking(&mut world);
    world.register("ani", ANI);
    (world, caller, invite)
}

/// Sari answers the invitation; Budi is notified.
pub(super) fn joins(world: &mut World, invite: &str, cseq: u32) -> String {
    refers(world, invite, cseq, ADDS_SARI);
    let offered = answers(world, SARI);
    assert_eq!(is_notified(world, BUDI), "SIP/2.0 200 OK");
    offered
}

pub(super) fn supervises(world: &mut World, code: &str) -> Placed {
    let mut placed = Placed::to(world, "ani", ANI, code);
    placed.is_answered(world);
    placed
}

/// The parties that each party of the last conference hears: caller, operator, participants.
pub(super) fn matrix(world: &World) -> Vec<u8> {
    let last = world.media.iter().rev().find_map(|command| match command {
        Command::Mix { parties, .. } => Some(parties.iter().map(|party| party.hears).collect()),
        Command::Unmix { .. } | Command::Bridge { .. } => Some(Vec::new()),
        _ => None,
    });
    last.unwrap()
}

pub(super) fn is_bridged(world: &World) -> bool {
    let sound =
        |command: &&Command| matches!(command, Command::Mix { .. } | Command::Unmix { .. } | Command::Bridge { .. });
    matches!(world.media.iter().rfind(sound), Some(Command::Bridge { .. }))
}

/// The participants with role and seconds.
pub(super) fn visits(record: &Cdr) -> Vec<(String, Role, u64)> {
    let name = |who: &Callee| match who {
        Callee::Operator(operator) => operator.to_string(),
        Callee::Number(number) => number.clone(),
    };
    let visit = |one: &siaga::cdr::Visit| (name(&one.who), one.role, one.to.millis_since(one.from) / 1_000);
    record.guests.iter().map(visit).collect()
}

pub(super) fn visit(who: &str, role: Role, seconds: u64) -> (String, Role, u64) {
    (who.to_owned(), role, seconds)
}

pub(super) fn seconds(world: &mut World, seconds: u64) {
    world.pass(Duration::from_secs(seconds));
}

#[test]
fn an_agency_is_asked_in_and_caller_and_operator_talk_on_while_it_rings() {
    let (mut world, caller, invite) = staffed();
    seconds(&mut world, 10);
    world.media.clear();
    refers(&mut world, &invite, 1, ADDS_DAMKAR);
    let out = world.take(TRUNK, "INVITE");
    world.receive(TRUNK, &response(&out, TRUNK, "180 Ringing", ""));
    assert!(!world.media.iter().any(|command| matches!(command, Command::Unbridge { .. } | Command::Play { .. })));
    seconds(&mut world, 5);
    world.receive(TRUNK, &response(&out, TRUNK, "200 OK", &sdp(TRUNK, 31_500)));
    world.take(TRUNK, "ACK");
    assert_eq!(is_notified(&mut world, BUDI), "SIP/2.0 200 OK");
    assert_eq!(matrix(&world), ALL_HEAR_ALL);
    assert!(
        !world.has(BUDI, "BYE") && !world.has(BUDI, "INVITE") && !world.has(TRUNK, "INVITE"),
        "nobody is asked again"
    );
    seconds(&mut world, 20);
    asks(&mut world, TRUNK, &out, "BYE", 1, "", "");
    world.take(TRUNK, "SIP/2.0 200");
    assert!(is_bridged(&world));
    seconds(&mut world, 7);
    caller.hangs_up(&mut world);
    is_hung_up(&mut world, BUDI);
    let record = record(&world);
    assert_eq!(talks(&world), [talk(DAMKAR, 20, false), talk("budi", 42, false)]);
    assert_eq!(visits(&record), [visit(DAMKAR, Role::Guest, 20)]);
    assert_eq!((record.talk_ms, record.talks[0].guest, record.talks[1].guest), (42_000, true, false));
    world.assert_empty_in_the_end();
}

#[test]
fn a_colleague_who_is_asked_in_gets_no_other_call_and_has_nothing_to_wrap_up() {
    let (mut world, caller, invite) = staffed();
    let offered = joins(&mut world, &invite, 1);
    assert_eq!(matrix(&world), ALL_HEAR_ALL);
    let placed = Placed::to(&mut world, "ani", ANI, "damkar");
    let next = Caller::dials(&mut world);
    assert!(!world.has(SARI, "INVITE") && !world.has(ANI, "INVITE"));
    operator_hangs_up(&mut world, SARI, &offered);
    assert!(is_bridged(&world));
    world.take(SARI, "INVITE");
    assert_eq!(world.count(|kind| matches!(kind, FactKind::WrappedUp { .. })), 0);
    placed.asks(&mut world, "CANCEL", 2, "");
    next.cancels(&mut world);
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn the_participant_has_the_caller_when_the_operator_hangs_up_first() {
    let (mut world, caller, invite) = staffed();
    seconds(&mut world, 10);
    joins(&mut world, &invite, 1);
    seconds(&mut world, 20);
    operator_hangs_up(&mut world, BUDI, &invite);
    assert!(is_bridged(&world) && !world.has(TRUNK, "BYE") && !world.has(SARI, "BYE"));
    seconds(&mut world, 30);
    caller.hangs_up(&mut world);
    is_hung_up(&mut world, SARI);
    assert_eq!(talks(&world), [talk("budi", 30, true), talk("sari", 20, false), talk("sari", 30, false)]);
    let record = record(&world);
    assert_eq!(record.talk_ms, 60_000, "the caller has talked so long");
    assert_eq!(record.talks.iter().map(|talk| talk.guest).collect::<Vec<_>>(), [false, true, false]);
    assert_eq!(record.operator, OperatorId::parse("sari").ok());
    world.assert_empty_in_the_end();
    assert_eq!(world.count(|kind| matches!(kind, FactKind::WrappedUp { .. })), 2);
}

#[test]
fn the_caller_who_hangs_up_first_ends_it_for_all() {
    let (mut world, caller, invite) = staffed();
    joins(&mut world, &invite, 1);
    let _ani = supervises(&mut world, "*21budi");
    caller.hangs_up(&mut world);
    for phone in [BUDI, SARI, ANI] {
        is_hung_up(&mut world, phone);
    }
    assert_eq!(endings(&world), [(Side::Caller, EndCause::Normal)]);
    assert_eq!(world.count(|kind| matches!(kind, FactKind::GuestLeft { .. })), 2);
    world.assert_empty_in_the_end();
}

#[test]
fn an_agency_keeps_the_caller_when_the_operator_leaves_and_an_operator_would_come_first() {
    for with_sari in [false, true] {
        let (mut world, caller, invite) = staffed();
        refers(&mut world, &invite, 1, ADDS_DAMKAR);
        let out = world.take(TRUNK, "INVITE");
        world.receive(TRUNK, &response(&out, TRUNK, "200 OK", &sdp(TRUNK, 31_500)));
        world.take(TRUNK, "ACK");
        is_notified(&mut world, BUDI);
        let offered = with_sari.then(|| joins(&mut world, &invite, 2));
        asks(&mut world, BUDI, &invite, "BYE", 3, "", "");
        world.take(BUDI, "SIP/2.0 200");
        assert!(!world.has(TRUNK, "BYE"), "neither the caller nor the agency is hung up");
        assert_eq!(is_bridged(&world), !with_sari);
        let last = world.facts.iter().rev().find_map(|fact| match &fact.kind {
            FactKind::Answered { by, .. } => Some(by.clone()),
            _ => None,
        });
        let sari = Callee::Operator(OperatorId::parse("sari").unwrap());
        assert_eq!(last, Some(if with_sari { sari } else { Callee::Number(DAMKAR.to_owned()) }));
        if let Some(offered) = offered {
            operator_hangs_up(&mut world, SARI, &offered);
            assert!(is_bridged(&world) && !world.has(TRUNK, "BYE"));
        }
        caller.hangs_up(&mut world);
        is_hung_up(&mut world, TRUNK);
        world.assert_empty_in_the_end();
    }
}

#[test]
fn an_operator_who_is_asked_in_by_none_but_the_lead_can_follow_an_agency_that_leads() {
    let (mut world, caller, invite) = staffed();
    refers(&mut world, &invite, 1, ADDS_DAMKAR);
    let out = world.take(TRUNK, "INVITE");
    world.receive(TRUNK, &response(&out, TRUNK, "200 OK", &sdp(TRUNK, 31_500)));
    world.take(TRUNK, "ACK");
    is_notified(&mut world, BUDI);
    let _ani = supervises(&mut world, "*21budi");
    operator_hangs_up(&mut world, BUDI, &invite);
    assert_eq!(matrix(&world), [0b010, 0b001, 0b011], "she goes on to listen");
    // Then the supervisor barges in, and the agency leaves: the supervisor has the caller.
    let ani = last_guest(&world);
    world.step(Input::Media(Event::Digit { anchor: ani, digit: '3' }));
    asks(&mut world, TRUNK, &out, "BYE", 1, "", "");
    world.take(TRUNK, "SIP/2.0 200");
    assert!(is_bridged(&world));
    caller.hangs_up(&mut world);
    is_hung_up(&mut world, ANI);
    world.assert_empty_in_the_end();
    assert_eq!(world.count(|kind| matches!(kind, FactKind::WrappedUp { .. })), 2);
}

/// The port of the last participant.
pub(super) fn last_guest(world: &World) -> AnchorId {
    let last = world.media.iter().rev().find_map(|command| match command {
        Command::Mix { parties, .. } => parties.last().map(|party| party.anchor),
        _ => None,
    });
    last.unwrap()
}

#[test]
fn a_participant_who_does_not_answer_changes_nothing() {
    for (status, told) in [("486 Busy Here", "SIP/2.0 486 "), ("603 Decline", "SIP/2.0 603 ")] {
        let (mut world, caller, invite) = staffed();
        world.media.clear();
        refers(&mut world, &invite, 1, ADDS_SARI);
        let offered = world.take(SARI, "INVITE");
        refuses(&mut world, SARI, &offered, status);
        assert!(is_notified(&mut world, BUDI).starts_with(told));
        let changes = |command: &Command| {
            matches!(command, Command::Unbridge { .. } | Command::Mix { .. } | Command::Unmix { .. })
        };
        assert!(!world.media.iter().any(changes), "{:?}", world.media);
        // Sari has not rejected a caller, and gets the next one. A BYE within 2 s would count as the phone's own.
        seconds(&mut world, 2);
        operator_hangs_up(&mut world, BUDI, &invite);
        caller.is_hung_up(&mut world);
        world.assert_empty_in_the_end();
    }
    let (mut world, _, invite) = staffed();
    refers(&mut world, &invite, 1, ADDS_SARI);
    let offered = world.take(SARI, "INVITE");
    world.receive(SARI, &response(&offered, SARI, "180 Ringing", ""));
    seconds(&mut world, 60);
    world.take(SARI, "CANCEL");
    assert_eq!(is_notified(&mut world, BUDI), "SIP/2.0 480 Temporarily Unavailable");
}

#[test]
fn a_caller_who_hangs_up_cancels_a_ringing_participant() {
    let (mut world, caller, invite) = staffed();
    refers(&mut world, &invite, 1, ADDS_SARI);
    let offered = world.take(SARI, "INVITE");
    world.receive(SARI, &response(&offered, SARI, "180 Ringing", ""));
    caller.hangs_up(&mut world);
    let cancel = world.take(SARI, "CANCEL");
    world.receive(SARI, &response(&cancel, SARI, "200 OK", ""));
    assert_eq!(is_notified(&mut world, BUDI), "SIP/2.0 487 Request Terminated");
    is_hung_up(&mut world, BUDI);
    // The answer crosses the CANCEL.
    world.receive(SARI, &response(&offered, SARI, "200 OK", &sdp(SARI, 31_000)));
    world.take(SARI, "ACK");
    is_hung_up(&mut world, SARI);
    assert_eq!(world.count(|kind| matches!(kind, FactKind::GuestJoined { .. })), 0);
    world.assert_empty_in_the_end();
}

#[test]
fn an_operator_who_leaves_while_a_participant_rings_has_transferred_the_caller() {
    for (to, at) in [(ADDS_SARI, SARI), (ADDS_DAMKAR, TRUNK)] {
        for comes in [true, false] {
            let (mut world, caller, invite) = staffed();
            seconds(&mut world, 10);
            refers(&mut world, &invite, 1, to);
            let offered = world.take(at, "INVITE");
            world.receive(at, &response(&offered, at, "180 Ringing", ""));
            operator_hangs_up(&mut world, BUDI, &invite);
            assert!(!world.has(TRUNK, "BYE"), "the caller is not left alone");
            assert!(
                world.media.iter().any(|command| matches!(command, Command::Play { then: Some(Prompt::HoldTone), .. }))
            );
            if comes {
                world.receive(at, &response(&offered, at, "200 OK", &sdp(at, 31_500)));
                world.take(at, "ACK");
                assert!(is_bridged(&world));
                caller.hangs_up(&mut world);
                is_hung_up(&mut world, at);
                assert_eq!(outcomes(&world), [(OfferOutcome::Answered, None)]);
            } else {
                refuses(&mut world, at, &offered, "486 Busy Here");
                assert_eq!(outcomes(&world), [(OfferOutcome::Busy, Some(486))]);
                caller.hangs_up(&mut world);
            }
            world.sent.clear();
            world.assert_empty_in_the_end();
        }
    }
}

#[test]
fn one_thing_at_a_time() {
    let (mut world, caller, invite) = staffed();
    refers(&mut world, &invite, 1, ADDS_DAMKAR);
    for (cseq, more) in [(2, ADDS_SARI), (3, TO_SARI)] {
        asks(&mut world, BUDI, &invite, "REFER", cseq, more, "");
        world.take(BUDI, "SIP/2.0 491");
    }
    let out = world.take(TRUNK, "INVITE");
    world.receive(TRUNK, &response(&out, TRUNK, "200 OK", &sdp(TRUNK, 31_500)));
    world.take(TRUNK, "ACK");
    is_notified(&mut world, BUDI);
    // Nor is a caller passed on out of a conference, or picked up.
    asks(&mut world, BUDI, &invite, "REFER", 4, TO_SARI, "");
    world.take(BUDI, "SIP/2.0 491");
    Placed::with(&mut world, "sari", SARI, "112", &replaces(&invite, "phone"));
    world.take(SARI, "SIP/2.0 491");
    for (cseq, whom, status) in [(5, "budi", 403), (6, "112", 403), (7, "nobody", 403), (8, "0811", 403)] {
        let more = format!("Refer-To: <sip:*30{whom}@127.0.0.1>\r\n");
        asks(&mut world, BUDI, &invite, "REFER", cseq, &more, "");
        world.take(BUDI, &format!("SIP/2.0 {status}"));
    }
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_participant_cannot_invite_others_or_transfer_the_caller() {
    let (mut world, caller, invite) = staffed();
    let offered = joins(&mut world, &invite, 1);
    for (cseq, more) in [(1, ADDS_DAMKAR), (2, "Refer-To: <sip:ani@127.0.0.1>\r\n")] {
        asks(&mut world, SARI, &offered, "REFER", cseq, more, "");
        world.take(SARI, "SIP/2.0 403");
    }
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_silent_participant_is_disconnected_and_the_others_continue() {
    let (mut world, caller, invite) = staffed();
    joins(&mut world, &invite, 1);
    let sari = last_guest(&world);
    world.step(Input::Media(Event::Silent { anchor: sari, limit: None }));
    is_hung_up(&mut world, SARI);
    assert!(is_bridged(&world));
    caller.hangs_up(&mut world);
    is_hung_up(&mut world, BUDI);
    world.assert_empty_in_the_end();
}

#[test]
fn an_operator_on_hold_leaves_the_others_talking_and_a_lone_caller_hears_the_tone() {
    for (joins_first, hears, tone) in [(true, vec![0b100, 0, 0b001], false), (false, vec![0, 0, 0b001], true)] {
        let (mut world, caller, invite) = staffed();
        let (a, _) = ports(&world);
        if joins_first {
            joins(&mut world, &invite, 1);
        } else {
            supervises(&mut world, "*21budi");
        }
        let hold = sdp(BUDI, 31_000).replace("sendrecv", "sendonly");
        asks(&mut world, BUDI, &invite, "INVITE", 2, "", &hold);
        world.take(BUDI, "SIP/2.0 200");
        asks(&mut world, BUDI, &invite, "ACK", 2, "", "");
        assert_eq!(matrix(&world), hears);
        let plays = Command::Play { anchor: a, first: None, then: Some(Prompt::HoldTone) };
        assert_eq!(world.media.contains(&plays), tone);
        seconds(&mut world, 5);
        asks(&mut world, BUDI, &invite, "INVITE", 3, "", &sdp(BUDI, 31_000));
        world.take(BUDI, "SIP/2.0 200");
        asks(&mut world, BUDI, &invite, "ACK", 3, "", "");
        assert_eq!(matrix(&world), if joins_first { ALL_HEAR_ALL } else { [0b010, 0b001, 0b011] });
        caller.hangs_up(&mut world);
        assert_eq!(record(&world).hold_ms, 5_000);
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}

#[test]
fn a_consulted_colleague_joins_when_the_two_calls_are_merged() {
    for (whom, at, in_placed) in [("*30sari", SARI, false), ("*30sari", SARI, true), ("*30damkar", TRUNK, false)] {
        let (mut world, caller, invite) = staffed();
        let mut placed = Placed::to(&mut world, "budi", BUDI, whom);
        let offered = world.take(at, "INVITE");
        world.receive(at, &response(&offered, at, "200 OK", &sdp(at, 31_700)));
        world.take(at, "ACK");
        placed.is_answered(&mut world);
        seconds(&mut world, 10);
        if in_placed {
            let tag = |value: &str| value.split(";tag=").nth(1).unwrap().to_owned();
            let (call_id, ours) = (header(&invite, "Call-ID"), tag(header(&invite, "From")));
            let replaces = format!("Replaces={call_id}%3Bto-tag%3D{ours}%3Bfrom-tag%3Dphone");
            placed.asks(&mut world, "REFER", 3, &format!("Refer-To: <sip:112@127.0.0.1?{replaces}>\r\n"));
        } else {
            asks(&mut world, BUDI, &invite, "REFER", 1, &placed.replaced_by(whom), "");
        }
        world.take(BUDI, "SIP/2.0 202");
        assert_eq!(is_notified(&mut world, BUDI), "SIP/2.0 100 Trying");
        assert_eq!(is_notified(&mut world, BUDI), "SIP/2.0 200 OK");
        assert_eq!(matrix(&world), ALL_HEAR_ALL);
        // Only the call between the two is over.
        is_hung_up(&mut world, BUDI);
        assert!(!world.has(BUDI, "BYE") && !world.has(at, "BYE") && !world.has(TRUNK, "BYE"));
        seconds(&mut world, 20);
        asks(&mut world, at, &offered, "BYE", 1, "", "");
        world.take(at, "SIP/2.0 200");
        assert!(is_bridged(&world));
        caller.hangs_up(&mut world);
        is_hung_up(&mut world, BUDI);
        let name = if at == SARI { "sari" } else { DAMKAR };
        assert_eq!(visits(&record(&world)), [visit(name, Role::Guest, 20)]);
        assert_eq!(record(&world).transfers.len(), 0);
        world.assert_empty_in_the_end();
    }
}

#[test]
fn a_consulted_colleague_who_still_rings_at_the_merge_rings_as_a_participant() {
    for comes in [true, false] {
        let (mut world, caller, invite) = staffed();
        let placed = Placed::to(&mut world, "budi", BUDI, "*30sari");
        let offered = world.take(SARI, "INVITE");
        world.receive(SARI, &response(&offered, SARI, "180 Ringing", ""));
        let tag = header(&world.take(BUDI, "SIP/2.0 180"), "To").to_owned();
        let named = placed.replaced_as(&tag, "sari");
        asks(&mut world, BUDI, &invite, "REFER", 1, &named, "");
        world.take(BUDI, "SIP/2.0 202");
        is_notified(&mut world, BUDI);
        world.take(BUDI, "SIP/2.0 487");
        if comes {
            world.receive(SARI, &response(&offered, SARI, "200 OK", &sdp(SARI, 31_700)));
            world.take(SARI, "ACK");
            assert_eq!(is_notified(&mut world, BUDI), "SIP/2.0 200 OK");
            assert_eq!(matrix(&world), ALL_HEAR_ALL);
        } else {
            refuses(&mut world, SARI, &offered, "486 Busy Here");
            assert!(is_notified(&mut world, BUDI).starts_with("SIP/2.0 486"));
        }
        caller.hangs_up(&mut world);
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}
