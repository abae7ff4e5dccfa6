//! Supervisors: they listen to an operator's call, whisper to the operator, barge in, and take over.

use siaga::cdr::fact::Role;
use siaga::ids::OperatorId;

use super::attended::Placed;
use super::conference::{
    ALL_HEAR_ALL, ANI, is_bridged, joins, last_guest, matrix, seconds, staffed, supervises, visit, visits,
};
use super::transfer::{is_hung_up, record, talk, talks};
use super::*;

#[test]
fn a_supervisor_listens_whispers_and_barges_in_without_a_confirmation() {
    for (code, role, hears) in [
        ("*21budi", Role::Listener, [0b010, 0b001, 0b011]),
        ("*22budi", Role::Whisperer, [0b010, 0b101, 0b011]),
        ("*23budi", Role::Barger, ALL_HEAR_ALL),
    ] {
        let (mut world, caller, _) = staffed();
        seconds(&mut world, 10);
        let ani = supervises(&mut world, code);
        assert_eq!(matrix(&world), hears, "{code}");
        seconds(&mut world, 20);
        ani.asks(&mut world, "BYE", 3, "");
        world.take(ANI, "SIP/2.0 200");
        assert!(is_bridged(&world));
        assert!(!world.has(BUDI, "") && !world.has(TRUNK, "INVITE"), "{:#?}", world.sent);
        seconds(&mut world, 30);
        caller.hangs_up(&mut world);
        is_hung_up(&mut world, BUDI);
        let record = record(&world);
        assert_eq!(visits(&record), [visit("ani", role, 20)]);
        let barged = (role == Role::Barger).then(|| talk("ani", 20, false));
        let expected: Vec<_> = barged.into_iter().chain([talk("budi", 60, false)]).collect();
        assert_eq!((talks(&world), record.talk_ms), (expected, 60_000), "who only listens has not talked");
        world.assert_empty_in_the_end();
        assert_eq!(world.count(|kind| matches!(kind, FactKind::WrappedUp { .. })), 1);
    }
}

#[test]
fn a_supervisors_keys_change_the_mode_and_the_records_follow() {
    let (mut world, caller, _) = staffed();
    supervises(&mut world, "*21budi");
    let ani = last_guest(&world);
    let press = |world: &mut World, digit| {
        world.pass(Duration::from_secs(10));
        world.step(Input::Media(Event::Digit { anchor: ani, digit }));
    };
    for (digit, hears) in [('2', [0b010, 0b101, 0b011]), ('3', ALL_HEAR_ALL), ('1', [0b010, 0b001, 0b011])] {
        press(&mut world, digit);
        assert_eq!(matrix(&world), hears, "{digit}");
    }
    press(&mut world, '9');
    caller.hangs_up(&mut world);
    let record = record(&world);
    let listened = |seconds| visit("ani", Role::Listener, seconds);
    let (whispered, barged) = (visit("ani", Role::Whisperer, 10), visit("ani", Role::Barger, 10));
    assert_eq!(visits(&record), [listened(10), whispered, barged, listened(10)]);
    assert_eq!(talks(&world), [talk("ani", 10, false), talk("budi", 40, false)]);
    assert_eq!(
        record.digits.iter().map(|(_, digit)| *digit).collect::<String>(),
        "9",
        "keys that mean nothing are digits"
    );
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_supervisor_takes_over_by_code_or_by_key() {
    for by_key in [false, true] {
        let (mut world, caller, _) = staffed();
        seconds(&mut world, 10);
        supervises(&mut world, if by_key { "*22budi" } else { "*24budi" });
        if by_key {
            let ani = last_guest(&world);
            world.step(Input::Media(Event::Digit { anchor: ani, digit: '4' }));
        }
        is_hung_up(&mut world, BUDI);
        assert!(is_bridged(&world) && !world.has(TRUNK, "INVITE"));
        let recorded = world.media.iter().rev().find_map(|command| match command {
            Command::Record { leg, .. } => Some(leg.0),
            _ => None,
        });
        assert_eq!(recorded, Some(2), "she is recorded");
        seconds(&mut world, 20);
        caller.hangs_up(&mut world);
        is_hung_up(&mut world, ANI);
        assert_eq!(talks(&world).last(), Some(&talk("ani", 20, false)));
        assert!(talks(&world).contains(&talk("budi", 10, true)));
        assert_eq!(record(&world).talk_ms, 30_000);
        assert_eq!(world.count(|kind| matches!(kind, FactKind::TakenOver { .. })), 1);
        world.assert_empty_in_the_end();
    }
}

#[test]
fn a_rejected_supervision_gets_the_reason() {
    let (mut world, caller, invite) = staffed();
    for (name, at, whom, status) in [
        ("sari", SARI, "*21budi", 403),
        ("sari", SARI, "*24budi", 403),
        ("ani", ANI, "*21nobody", 404),
        ("ani", ANI, "*22", 404),
        ("ani", ANI, "*21sari", 480),
        ("ani", ANI, "*21ani", 480),
    ] {
        Placed::to(&mut world, name, at, whom);
        world.take(at, &format!("SIP/2.0 {status}"));
    }
    // A supervisor with a placed call is busy.
    let placed = Placed::to(&mut world, "ani", ANI, "damkar");
    Placed::to(&mut world, "ani", ANI, "*21budi");
    world.take(ANI, "SIP/2.0 486");
    placed.asks(&mut world, "CANCEL", 2, "");
    operator_hangs_up(&mut world, BUDI, &invite);
    caller.is_hung_up(&mut world);
    Placed::to(&mut world, "ani", ANI, "*23budi");
    assert!(world.has(ANI, "SIP/2.0 480"), "he wraps up");
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_supervisor_who_comes_as_the_call_ends_is_refused_or_hung_up_at_once() {
    let (mut world, caller, _) = staffed();
    Placed::to(&mut world, "ani", ANI, "*21budi");
    assert!(world.has(ANI, "SIP/2.0 200"));
    // The ACK is on its way.
    caller.hangs_up(&mut world);
    is_hung_up(&mut world, ANI);
    Placed::to(&mut world, "ani", ANI, "*21budi");
    world.take(ANI, "SIP/2.0 480");
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_lost_operators_caller_goes_to_the_participant_or_to_the_queue() {
    for with_guest in [true, false] {
        let (mut world, caller, invite) = staffed();
        let (_, budi) = ports(&world);
        if with_guest {
            joins(&mut world, &invite, 1);
        } else {
            Placed::to(&mut world, "sari", SARI, "ani");
            world.take(ANI, "INVITE");
            world.sent.clear();
            seconds(&mut world, 60);
            world.sent.clear();
        }
        let _ani = supervises(&mut world, "*21budi");
        world.step(Input::Media(Event::Silent { anchor: budi, limit: None }));
        is_hung_up(&mut world, BUDI);
        assert!(!world.has(TRUNK, "BYE"));
        if with_guest {
            assert_eq!(matrix(&world), [0b010, 0b001, 0b011], "Sari has him, Ani listens on");
        } else {
            is_hung_up(&mut world, ANI);
            assert_eq!(record(&world).returned, 1);
        }
        caller.hangs_up(&mut world);
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}

#[test]
fn a_room_has_eight_at_most() {
    let mut settings = settings();
    let names: Vec<String> = (0..7).map(|n| format!("s{n}")).collect();
    settings.operators.supervisors = names.iter().map(|name| OperatorId::parse(name).unwrap()).collect();
    let all: Vec<&str> = ["budi"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let mut world = World::new(settings, &all);
    world.register("budi", BUDI);
    let mut caller = Caller::dials(&mut world);
    answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    let phones = ["5101", "5102", "5103", "5104", "5105", "5106", "5107"];
    for (n, (name, port)) in ["s0", "s1", "s2", "s3", "s4", "s5", "s6"].into_iter().zip(phones).enumerate() {
        let at: &'static str = Box::leak(format!("127.0.0.3:{port}").into_boxed_str());
        world.register(name, at);
        Placed::to(&mut world, name, at, "*23budi");
        world.take(at, if n < 6 { "SIP/2.0 200" } else { "SIP/2.0 486" });
    }
    assert_eq!(matrix(&world), [0xfe, 0xfd, 0xfb, 0xf7, 0xef, 0xdf, 0xbf, 0x7f]);
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

/// Budi is on a break, so that callers wait; or not, so that the phone rings.
fn waiting(on_break: bool) -> World {
    let mut world = super::conference::floor();
    world.register("ani", ANI);
    // Supervisors take calls only when they pick them up.
    for operator in ["ani", "budi"].iter().take(if on_break { 2 } else { 1 }) {
        let operator = OperatorId::parse(operator).unwrap();
        let command = siaga::switchboard::ConsoleCommand::Pause { operator, reason: "meal".to_owned() };
        world.step(Input::Console { request: 1, by: admin(), command });
    }
    world
}

#[test]
fn a_supervisor_takes_callers_out_of_the_queue_by_their_place() {
    let mut world = waiting(true);
    let mut callers: Vec<Caller> = (0..3).map(|_| Caller::dials(&mut world)).collect();
    seconds(&mut world, 10);
    supervises(&mut world, "*252");
    callers[1].is_answered(&mut world);
    assert!(!world.has(TRUNK, "SIP/2.0 200"), "the others wait");
    seconds(&mut world, 20);
    callers[1].hangs_up(&mut world);
    is_hung_up(&mut world, ANI);
    seconds(&mut world, 10);
    supervises(&mut world, "*25");
    callers[0].is_answered(&mut world);
    let told =
        |kind: &FactKind| matches!(kind, FactKind::Offered { why, .. } if why == "picked up from the queue by ani");
    assert_eq!(world.count(told), 2);
    callers[0].hangs_up(&mut world);
    is_hung_up(&mut world, ANI);
    callers[2].cancels(&mut world);
    assert_eq!(world.count(|kind| matches!(kind, FactKind::WrappedUp { .. })), 1, "the second wrap-up still runs");
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_supervisor_takes_a_ringing_caller_and_the_phone_stops_ringing() {
    let mut world = waiting(false);
    let mut caller = Caller::dials(&mut world);
    let budi = super::ring_all::rings(&mut world, BUDI);
    supervises(&mut world, "*25");
    let cancel = super::ring_all::is_cancelled(&mut world, BUDI, &budi);
    assert!(header(&cancel, "Reason").contains("Call completed elsewhere"), "{cancel}");
    caller.is_answered(&mut world);
    seconds(&mut world, 20);
    caller.hangs_up(&mut world);
    assert_eq!(talks(&world), [talk("ani", 20, false)]);
}

#[test]
fn only_a_supervisor_who_names_an_operator_picks_up_a_call() {
    let mut world = waiting(true);
    let refused = |world: &mut World, (who, at): (&'static str, &'static str), code: &str| {
        Placed::to(world, who, at, code);
        let text = world.take(at, "SIP/2.0 4");
        text.split(' ').nth(1).unwrap().parse::<u16>().unwrap()
    };
    assert_eq!(refused(&mut world, ("ani", ANI), "*25"), 480);
    let caller = Caller::dials(&mut world);
    assert_eq!(refused(&mut world, ("budi", BUDI), "*25"), 403);
    assert_eq!(refused(&mut world, ("ani", ANI), "*25x"), 404);
    assert_eq!(refused(&mut world, ("ani", ANI), "*250"), 404);
    assert_eq!(refused(&mut world, ("ani", ANI), "*252"), 480);
    caller.cancels(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}
