//! Calls that wait while operators are at work and none of them is ready.

use super::*;
use siaga::ids::OperatorId;
use siaga::switchboard::{ConsoleCommand, ConsoleReply};

fn pauses(world: &mut World, name: &str) {
    let operator = OperatorId::parse(name).unwrap();
    let reply = world.orders(ConsoleCommand::Pause { operator, reason: "meal".to_owned() });
    assert_eq!(reply, ConsoleReply::Done);
}

#[test]
fn a_caller_is_served_although_every_operator_is_on_a_break() {
    let mut world = staffed();
    pauses(&mut world, "budi");
    let mut caller = Caller::dials(&mut world);
    assert_eq!(world.alarms, [("none-ready", true)], "at once");
    world.pass(Duration::from_millis(14_900));
    assert!(!world.has(BUDI, "INVITE"));
    world.pass(Duration::from_millis(100));
    let invite = answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    assert_eq!(world.alarms, [("none-ready", true), ("none-ready", false)]);
    operator_hangs_up(&mut world, BUDI, &invite);
    caller.is_hung_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn the_fallback_number_follows_when_operators_on_a_break_do_not_answer() {
    let mut settings = settings();
    settings.fallback.number = Some("0725000000".to_owned());
    settings.trunks[0].target = Some(TRUNK.parse().unwrap());
    let mut world = World::new(settings, &["budi", "sari"]);
    world.register("budi", BUDI);
    pauses(&mut world, "budi");
    let caller = Caller::dials(&mut world);
    world.pass(Duration::from_secs(15));
    for _ in 0..2 {
        // The operator on a break, then all phones.
        let invite = world.take(BUDI, "INVITE");
        world.receive(BUDI, &response(&invite, BUDI, "486 Busy Here", ""));
        world.take(BUDI, "ACK");
    }
    let number = |kind: &FactKind| matches!(kind, FactKind::Offered { why, .. } if why.starts_with("no operator ready: fallback number"));
    assert_eq!(world.count(number), 1, "{:#?}", world.facts);
    assert!(world.take(TRUNK, "INVITE").starts_with("INVITE sip:0725000000@"));
    caller.cancels(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_caller_on_an_empty_floor_keeps_the_alarm_up_until_a_phone_can_be_rung() {
    let mut world = World::new(settings(), &["budi"]);
    let mut caller = Caller::dials(&mut world);
    for _ in 0..96 {
        assert_eq!(world.alarms, [("unstaffed", true)], "for as long as the call waits");
        world.pass(Duration::from_secs(1));
    }
    world.register("budi", BUDI);
    assert_eq!(world.alarms, [("unstaffed", true), ("unstaffed", false)]);
    let invite = answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    operator_hangs_up(&mut world, BUDI, &invite);
    caller.is_hung_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn the_last_ready_operator_is_warned_before_a_pause() {
    for by_code in [false, true] {
        let mut settings = settings();
        settings.operators.last_ready_text = "Anda operator siap terakhir".to_owned();
        let mut world = World::new(settings, &["budi", "sari"]);
        world.register("budi", BUDI);
        world.register("sari", SARI);
        pauses(&mut world, "sari");
        assert!(!world.has(SARI, "MESSAGE"), "budi is ready");
        if by_code {
            assert!(super::waiting::dials(&mut world, "*13"));
        } else {
            pauses(&mut world, "budi");
        }
        assert!(world.take(BUDI, "MESSAGE").contains("Anda operator siap terakhir"));
        world.assert_empty_in_the_end();
    }
}
