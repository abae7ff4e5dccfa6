//! Emergency calls from the centre's own phones, and operators' own calls that are not answered.

use siaga::acd::State;
use siaga::ids::OperatorId;
use siaga::switchboard::{Account, ConsoleCommand};

use super::super::guard::{answers as said, asks as sends, claims};
use super::attended::Placed;
use super::call_back::{abandons, list};
use super::transfer::{floor, record, refuses};
use super::*;

fn state(world: &mut World, name: &str) -> State {
    view(world, name).state
}

#[test]
fn an_operators_emergency_call_is_served_and_never_rings_at_its_operator() {
    for called in ["sip:112@127.0.0.1", "urn:service:sos", "urn:service:sos.fire", "tel:112"] {
        let mut world = floor();
        // With no other operator the call waits.
        let mut placed = Placed::by_uri(&mut world, "budi", BUDI, called);
        world.take(BUDI, "SIP/2.0 100");
        assert!(!world.has(BUDI, "INVITE"), "{called}: the caller's own phone does not ring");
        assert_eq!(state(&mut world, "budi"), State::Talking, "{called}");
        // Nor does it ring for another caller during the call.
        let other = Caller::dials(&mut world);
        assert!(!world.has(BUDI, "INVITE"));
        world.register("sari", SARI);
        let invite = answers(&mut world, SARI);
        assert!(header(&invite, "From").contains("budi"), "the operator sees who calls: {invite}");
        placed.is_answered(&mut world);
        assert_eq!((state(&mut world, "budi"), state(&mut world, "sari")), (State::Talking, State::Talking));
        assert!(world.media.iter().any(|command| matches!(command, Command::Record { .. })), "it is recorded");
        placed.asks(&mut world, "BYE", 3, "");
        world.take(BUDI, "SIP/2.0 200");
        let bye = world.take(SARI, "BYE");
        world.receive(SARI, &response(&bye, SARI, "200 OK", ""));
        // The caller is free again at once and gets the other call; the operator who answered wraps up.
        assert_eq!(state(&mut world, "sari"), State::WrapUp);
        let second = world.take(BUDI, "INVITE");
        assert!(header(&second, "From").contains("sip:0812"), "{second}");
        let record = record_of(&world, "budi");
        assert_eq!(record.internal.as_ref().map(OperatorId::as_str), Some("budi"), "{called}");
        assert_eq!((record.trunk.as_str(), record.operator.as_ref().map(OperatorId::as_str)), ("", Some("sari")));
        other.cancels(&mut world);
    }
}

#[test]
fn an_operators_own_emergency_call_does_not_keep_callers_out_of_the_fallback() {
    for own_call_first in [true, false] {
        let mut settings = settings();
        settings.fallback.number = Some("0725000000".to_owned());
        settings.trunks[0].target = Some(TRUNK.parse().unwrap());
        let mut world = World::new(settings, &["budi", "sari"]);
        world.register("budi", BUDI);
        let mut other = None;
        if !own_call_first {
            // The phone rings for the caller and rejects, since its operator dials the emergency number.
            other = Some(Caller::dials(&mut world));
            let invite = world.take(BUDI, "INVITE");
            world.receive(BUDI, &response(&invite, BUDI, "486 Busy Here", ""));
            world.take(BUDI, "ACK");
        }
        let mut placed = Placed::to(&mut world, "budi", BUDI, "112");
        let mut other = other.unwrap_or_else(|| Caller::dials(&mut world));
        world.pass(Duration::from_millis(14_800));
        assert!(!world.has(TRUNK, "INVITE"), "before the time is over");
        world.pass(Duration::from_millis(400));
        assert!(!world.has(BUDI, "INVITE"), "the phone of the operator who calls does not ring");
        for _ in 0..2 {
            let invite = world.take(TRUNK, "INVITE");
            assert!(invite.starts_with("INVITE sip:0725000000@"), "{invite}");
            world.receive(TRUNK, &response(&invite, TRUNK, "200 OK", &sdp(TRUNK, 31_000)));
            world.take(TRUNK, "ACK");
        }
        placed.is_answered(&mut world);
        other.is_answered(&mut world);
        placed.asks(&mut world, "BYE", 3, "");
        other.hangs_up(&mut world);
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}

#[test]
fn callers_wait_for_an_operator_who_talks_with_one_even_if_a_colleague_dials_112() {
    let mut settings = settings();
    settings.fallback.number = Some("0725000000".to_owned());
    settings.trunks[0].target = Some(TRUNK.parse().unwrap());
    let mut world = World::new(settings, &["budi", "sari"]);
    world.register("budi", BUDI);
    world.register("sari", SARI);
    let mut placed = Placed::to(&mut world, "budi", BUDI, "112");
    answers(&mut world, SARI);
    placed.is_answered(&mut world);
    let other = Caller::dials(&mut world);
    world.pass(Duration::from_secs(60));
    assert!(!world.has(TRUNK, "INVITE") && !world.has(BUDI, "INVITE"), "sari talks and is free again soon");
    other.cancels(&mut world);
}

/// The record of the call from a phone of the centre.
fn record_of(world: &World, account: &str) -> siaga::cdr::Cdr {
    let internal = |fact: &&siaga::cdr::fact::Fact| matches!(&fact.kind, FactKind::Received { internal: Some(by), .. } if by.as_str() == account);
    let call = world.facts.iter().find(internal).unwrap().call;
    let facts: Vec<_> = world.facts.iter().filter(|fact| fact.call == call).cloned().collect();
    siaga::cdr::Cdr::fold(&facts).unwrap()
}

#[test]
fn an_operator_on_a_break_is_on_a_break_again_after_an_own_112_call() {
    let mut world = floor();
    world.register("sari", SARI);
    let operator = OperatorId::parse("budi").unwrap();
    world.orders(ConsoleCommand::Pause { operator, reason: "meal".to_owned() });
    let mut placed = Placed::to(&mut world, "budi", BUDI, "112");
    let invite = answers(&mut world, SARI);
    placed.is_answered(&mut world);
    assert_eq!(state(&mut world, "budi"), State::Talking);
    operator_hangs_up(&mut world, SARI, &invite);
    let bye = world.take(BUDI, "BYE");
    world.receive(BUDI, &response(&bye, BUDI, "200 OK", ""));
    assert_eq!(state(&mut world, "budi"), State::Break);
    world.assert_empty_in_the_end();
}

#[test]
fn a_station_without_an_operator_may_call_112_and_nothing_else() {
    let mut world = World::new(settings(), &[]);
    let station = Account { station: true, ..super::super::world::account("desk1") };
    world.step(Input::Accounts(vec![super::super::world::account("sari"), station]));
    world.register("desk1", BUDI);
    world.register("sari", SARI);
    Placed::to(&mut world, "desk1", BUDI, "sari");
    world.take(BUDI, "SIP/2.0 403");
    let mut placed = Placed::to(&mut world, "desk1", BUDI, "112");
    let invite = answers(&mut world, SARI);
    placed.is_answered(&mut world);
    operator_hangs_up(&mut world, SARI, &invite);
    let bye = world.take(BUDI, "BYE");
    world.receive(BUDI, &response(&bye, BUDI, "200 OK", ""));
    assert_eq!(record(&world).internal.unwrap().as_str(), "desk1");
    world.assert_empty_in_the_end();
}

#[test]
fn an_internal_call_that_is_not_answered_is_not_called_back() {
    let mut settings = settings();
    settings.calls.long_call = Duration::from_secs(3_600);
    let mut world = World::new(settings, &["budi"]);
    world.register("budi", BUDI);
    Placed::to(&mut world, "budi", BUDI, "112");
    world.step(Input::HangUpAll);
    world.take(BUDI, "SIP/2.0 503");
    assert_eq!(state(&mut world, "budi"), State::Ready);
    assert!(list(&mut world).is_empty());
}

#[test]
fn an_own_call_that_is_not_answered_has_no_wrap_up() {
    for (whom, status) in [("damkar", "486 Busy Here"), ("damkar", "603 Decline"), ("*50", "486 Busy Here")] {
        let mut world = floor();
        abandons(&mut world, "081355501", 8);
        Placed::to(&mut world, "budi", BUDI, whom);
        let out = world.take(TRUNK, "INVITE");
        assert_eq!(state(&mut world, "budi"), State::Talking);
        refuses(&mut world, TRUNK, &out, status);
        world.take(BUDI, &format!("SIP/2.0 {}", &status[..3]));
        assert_eq!(state(&mut world, "budi"), State::Ready, "{whom}: {status}");
    }
    // A colleague rejects the call: neither operator has a wrap-up.
    let mut world = floor();
    world.register("sari", SARI);
    Placed::to(&mut world, "budi", BUDI, "sari");
    let invite = world.take(SARI, "INVITE");
    refuses(&mut world, SARI, &invite, "486 Busy Here");
    assert_eq!((state(&mut world, "budi"), state(&mut world, "sari")), (State::Ready, State::Ready));
    // An answered call has a wrap-up.
    let mut placed = Placed::to(&mut world, "budi", BUDI, "damkar");
    let out = world.take(TRUNK, "INVITE");
    world.receive(TRUNK, &response(&out, TRUNK, "200 OK", &sdp(TRUNK, 31_000)));
    world.take(TRUNK, "ACK");
    placed.is_answered(&mut world);
    placed.asks(&mut world, "BYE", 3, "");
    assert_eq!(state(&mut world, "budi"), State::WrapUp);
}

#[test]
fn a_phones_emergency_call_is_not_rejected_for_an_extension_or_a_body() {
    let text = |world: &mut World, cseq: u32, more: &str, kind: &str| {
        let (n, body) = (world.next_serial(), if kind.is_empty() { sdp(BUDI, 33_000) } else { "?".to_owned() });
        let kind = if kind.is_empty() { "application/sdp" } else { kind };
        format!(
            "INVITE sip:112@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {BUDI};branch=z9hG4bKe{n};rport\r\n\
             From: <sip:budi@127.0.0.1>;tag=e\r\nTo: <sip:112@127.0.0.1>\r\nCall-ID: odd\r\nCSeq: {cseq} INVITE\r\n\
             Contact: <sip:budi@{BUDI}>\r\nMax-Forwards: 70\r\n{more}Content-Type: {kind}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    for (more, kind) in
        [("Require: x-new\r\n", ""), ("", "application/x-new"), ("Require: x-new\r\n", "application/x-new")]
    {
        let mut world = floor();
        world.register("sari", SARI);
        let first = text(&mut world, 1, more, kind);
        world.receive(BUDI, &first);
        let challenge = world.take(BUDI, "SIP/2.0 401");
        let authorization = credentials(&challenge, "budi", "INVITE", "sip:112@127.0.0.1");
        let second = text(&mut world, 2, &format!("{authorization}{more}"), kind);
        world.receive(BUDI, &second);
        world.take(BUDI, "SIP/2.0 100");
        let invite = world.take(SARI, "INVITE");
        world.receive(SARI, &response(&invite, SARI, "200 OK", &sdp(SARI, 31_000)));
        world.take(SARI, "ACK");
        let answer = world.take(BUDI, "SIP/2.0 200");
        let answered = if kind.is_empty() { String::new() } else { sdp(BUDI, 33_000) };
        world.asks(BUDI, &answer, "ACK", 2, "", &answered);
        // The same in its re-INVITE.
        world.asks(BUDI, &answer, "INVITE", 3, more, &sdp(BUDI, 33_000));
        world.take(BUDI, "SIP/2.0 200");
        world.asks(BUDI, &answer, "ACK", 3, "", "");
        // What is no emergency call is rejected as before.
        let other =
            text(&mut world, 4, more, kind).replace("sip:112@", "sip:sari@").replace("Call-ID: odd", "Call-ID: other");
        world.receive(BUDI, &other);
        world.take(BUDI, if more.is_empty() { "SIP/2.0 415" } else { "SIP/2.0 420" });
    }
}

#[test]
fn a_phone_gives_its_call_up_during_a_ban_and_above_the_rate() {
    let forged = "127.0.0.3:4444";
    for banned in [true, false] {
        let mut world = floor();
        let placed = Placed::to(&mut world, "budi", BUDI, "112");
        world.take(BUDI, "SIP/2.0 100");
        if banned {
            sends(&mut world, forged, "REGISTER", "budi", "");
            let challenge = world.take(forged, "SIP/2.0 401");
            for _ in 0..45 {
                sends(&mut world, forged, "REGISTER", "budi", &claims(&challenge, "budi", "guess"));
            }
        }
        for _ in 0..5_000 {
            sends(&mut world, BUDI, "OPTIONS", "budi", "");
        }
        assert_eq!(world.switchboard.guard_figures().banned, usize::from(banned));
        said(&mut world, BUDI);
        let cancel = placed.request("CANCEL", 2, "", "").replace("x2CANCEL", "x2INVITE");
        world.receive(BUDI, &cancel.replace("z9hG4bK", "z9hG4bKother"));
        assert_eq!(said(&mut world, BUDI), [""; 0], "a CANCEL of no INVITE is a flood's");
        world.receive(BUDI, &cancel);
        world.take(BUDI, "SIP/2.0 200");
        world.take(BUDI, "SIP/2.0 487");
        assert_eq!(endings(&world), [(Side::Caller, EndCause::Abandoned)]);
    }
}
