//! Phones that are not rung because siaga has no port left: that is no fault of their operators.

use siaga::acd::State;
use siaga::ids::OperatorId;

use super::attended::Placed;
use super::transfer::TO_SARI;
use super::*;

/// An operator who is blamed once goes on a break, and rests.
fn strict() -> Settings {
    let mut settings = settings();
    settings.acd.unanswered_max = 1;
    settings.acd.rest = Duration::from_secs(60);
    settings
}

fn is_blameless(world: &mut World, operator: &str) {
    let view = view(world, operator);
    assert!(view.state == State::Ready && !view.resting && view.paused.is_none(), "{view:?}");
}

#[test]
fn an_operator_is_not_to_blame_when_no_port_is_left() {
    let mut world = World::with_ports(strict(), &["budi", "sari"], 1);
    world.register("budi", BUDI);
    world.register("sari", SARI);
    let caller = Caller::dials(&mut world);
    assert!(!world.has(BUDI, "INVITE") && !world.has(SARI, "INVITE"));
    // Tried three times at once, and after a rest again.
    for operator in ["budi", "sari"] {
        let view = view(&mut world, operator);
        assert!(view.state == State::Ready && view.paused.is_none(), "{view:?}");
    }
    caller.cancels(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn the_fallback_blames_no_operator_when_no_port_is_left() {
    // One pair for the caller, one for the first phone.
    let mut world = World::with_ports(strict(), &["budi", "sari"], 2);
    let operators = [("budi", BUDI), ("sari", SARI)];
    for (operator, phone) in operators {
        world.register(operator, phone);
        world.orders(ConsoleCommand::LogOut { operator: OperatorId::parse(operator).unwrap() });
    }
    let caller = Caller::dials(&mut world);
    assert_eq!(world.count(|kind| matches!(kind, FactKind::NobodyOnShift)), 1);
    assert_eq!(operators.iter().filter(|(_, phone)| world.has(phone, "INVITE")).count(), 1);
    caller.cancels(&mut world);
    for (operator, _) in operators {
        world.orders(ConsoleCommand::LogIn { operator: OperatorId::parse(operator).unwrap() });
        is_blameless(&mut world, operator);
    }
    world.assert_empty_in_the_end();
}

#[test]
fn the_target_of_a_transfer_is_not_to_blame_when_no_port_is_left() {
    let mut world = World::with_ports(strict(), &["budi", "sari"], 2);
    world.register("budi", BUDI);
    let mut caller = Caller::dials(&mut world);
    let invite = answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    world.register("sari", SARI);
    asks(&mut world, BUDI, &invite, "REFER", 1, TO_SARI, "");
    world.take(BUDI, "SIP/2.0 202");
    assert!(!world.has(SARI, "INVITE"));
    let failed = |kind: &FactKind| matches!(kind, FactKind::TransferFailed { sip_status: 503, back: true, .. });
    assert_eq!(world.count(failed), 1);
    is_blameless(&mut world, "sari");
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_colleague_who_is_called_is_not_to_blame_when_no_port_is_left() {
    let mut world = World::with_ports(strict(), &["budi", "sari"], 1);
    world.register("budi", BUDI);
    world.register("sari", SARI);
    Placed::to(&mut world, "budi", BUDI, "sari");
    world.take(BUDI, "SIP/2.0 503");
    is_blameless(&mut world, "sari");
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn an_operator_with_a_caller_may_consult_a_colleague_at_the_reserve_and_pass_the_caller_on() {
    let mut world = World::with_ports(settings(), &["budi", "sari"], 6);
    world.register("budi", BUDI);
    world.register("sari", SARI);
    let mut caller = Caller::dials(&mut world);
    let invite = answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    let mut placed = Placed::to(&mut world, "budi", BUDI, "sari");
    let offered = answers(&mut world, SARI);
    placed.is_answered(&mut world);
    asks(&mut world, BUDI, &invite, "REFER", 1, &placed.replaced_by("sari"), "");
    world.take(BUDI, "SIP/2.0 202");
    caller.hangs_up(&mut world);
    assert_eq!(header(&world.take(SARI, "BYE"), "Call-ID"), header(&offered, "Call-ID"));
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn an_operator_who_rejects_a_ring_attempt_of_the_fallback_is_not_to_blame() {
    let mut world = World::new(strict(), &["budi", "sari"]);
    world.register("budi", BUDI);
    world.orders(ConsoleCommand::LogOut { operator: OperatorId::parse("budi").unwrap() });
    let caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    world.receive(BUDI, &response(&invite, BUDI, "180 Ringing", ""));
    world.receive(BUDI, &response(&invite, BUDI, "486 Busy Here", ""));
    world.take(BUDI, "ACK");
    caller.cancels(&mut world);
    world.orders(ConsoleCommand::LogIn { operator: OperatorId::parse("budi").unwrap() });
    is_blameless(&mut world, "budi");
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn an_operator_who_logs_out_while_the_phone_rings_is_not_to_blame() {
    let mut world = World::new(strict(), &["budi", "sari"]);
    world.register("budi", BUDI);
    let caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    world.receive(BUDI, &response(&invite, BUDI, "180 Ringing", ""));
    world.orders(ConsoleCommand::LogOut { operator: OperatorId::parse("budi").unwrap() });
    world.take(BUDI, "CANCEL");
    caller.cancels(&mut world);
    world.orders(ConsoleCommand::LogIn { operator: OperatorId::parse("budi").unwrap() });
    is_blameless(&mut world, "budi");
}

#[test]
fn an_operator_whose_phone_the_network_reports_as_unreachable_is_not_to_blame() {
    let mut world = World::new(strict(), &["budi", "sari"]);
    world.register("budi", BUDI);
    world.register("sari", SARI);
    let caller = Caller::dials(&mut world);
    let (name, phone) = if world.has(BUDI, "INVITE") { ("budi", BUDI) } else { ("sari", SARI) };
    world.is_unreachable(phone);
    let view = view(&mut world, name);
    assert!(!view.resting && view.paused.is_none(), "{view:?}");
    caller.cancels(&mut world);
}

#[test]
fn an_operator_with_a_placed_call_takes_no_pair_of_the_reserve_for_another() {
    let mut world = World::with_ports(settings(), &["budi", "sari", "tono"], 6);
    world.register("budi", BUDI);
    world.register("sari", SARI);
    world.register("tono", "127.0.0.3:5093");
    let mut placed = Placed::to(&mut world, "budi", BUDI, "sari");
    answers(&mut world, SARI);
    placed.is_answered(&mut world);
    Placed::to(&mut world, "budi", BUDI, "tono");
    world.take(BUDI, "SIP/2.0 503");
}
