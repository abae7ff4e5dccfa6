//! The table of transactions is full when an operator's turn comes: no INVITE can be sent, which is not the operator's doing.

use siaga::ids::OperatorId;
use siaga::switchboard::{ConsoleCommand, ConsoleReply, Settings};

use super::super::guard::asks as requests;
use super::transfer::{TO_SARI, is_notified};
use super::*;

const MAX: usize = 30;

/// One unanswered ring attempt puts an operator on a break.
fn strict() -> Settings {
    let mut settings = settings();
    settings.guard.transactions_max = MAX;
    settings.guard.crowded_at = MAX;
    settings.acd.unanswered_max = 1;
    settings
}

fn floor(settings: Settings) -> World {
    let mut world = World::new(settings, &["budi", "sari"]);
    world.register("budi", BUDI);
    world.register("sari", SARI);
    world.pass(Duration::from_secs(40));
    world.sent.clear();
    world
}

/// Rejected INVITEs of the trunk, which await their ACK, until this much room is left.
fn fills(world: &mut World, room: usize) -> Vec<String> {
    let mut rejected = Vec::new();
    while world.switchboard.gauges().transactions + room < MAX {
        rejected.push(requests(world, TRUNK, "INVITE", "100", ""));
    }
    assert_eq!(world.switchboard.gauges().transactions + room, MAX);
    rejected
}

/// The trunk acknowledges the rejections: there is room again.
fn empties(world: &mut World, rejected: &[String]) {
    for invite in rejected {
        world.receive(TRUNK, &invite.replacen("INVITE", "ACK", 1).replacen(" INVITE\r\n", " ACK\r\n", 1));
    }
    world.pass(Duration::from_secs(5));
}

fn state_of(world: &mut World, operator: &str) -> siaga::acd::State {
    let ConsoleReply::Operators { operators, .. } = world.orders(ConsoleCommand::Operators) else { panic!() };
    operators.into_iter().find(|view| view.operator.as_str() == operator).unwrap().state
}

#[test]
fn operators_that_cannot_be_rung_are_not_blamed_and_ring_as_soon_as_there_is_room() {
    let mut world = floor(strict());
    let rejected = fills(&mut world, 1);
    let mut caller = Caller::dials(&mut world);
    assert!(!world.has(BUDI, "INVITE") && !world.has(SARI, "INVITE"));
    for operator in ["budi", "sari"] {
        assert_eq!(state_of(&mut world, operator), siaga::acd::State::Ready, "{operator}");
    }
    empties(&mut world, &rejected);
    answers(&mut world, BUDI);
    caller.is_answered(&mut world);
}

#[test]
fn the_target_of_a_transfer_that_cannot_be_rung_is_not_blamed() {
    let mut world = floor(strict());
    let mut caller = Caller::dials(&mut world);
    let invite = answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    world.pass(Duration::from_secs(40));
    world.sent.clear();
    // Room for the REFER and the NOTIFY of its beginning.
    fills(&mut world, 2);
    asks(&mut world, BUDI, &invite, "REFER", 1, TO_SARI, "");
    world.take(BUDI, "SIP/2.0 202");
    assert_eq!(is_notified(&mut world, BUDI), "SIP/2.0 100 Trying");
    assert!(!world.has(SARI, "INVITE"));
    assert_eq!(world.count(|kind| matches!(kind, FactKind::TransferFailed { back: true, .. })), 1);
    assert_eq!(state_of(&mut world, "sari"), siaga::acd::State::Ready);
}

#[test]
fn operators_that_the_fallback_cannot_ring_are_rung_as_soon_as_they_are_at_work() {
    let mut settings = strict();
    settings.acd.rest = Duration::from_secs(60);
    let mut world = floor(settings);
    let operator = || OperatorId::parse("budi").unwrap();
    for name in ["budi", "sari"] {
        world.orders(ConsoleCommand::LogOut { operator: OperatorId::parse(name).unwrap() });
    }
    let rejected = fills(&mut world, 1);
    let mut caller = Caller::dials(&mut world);
    world.pass(Duration::from_secs(1));
    assert!(!world.has(BUDI, "INVITE") && !world.has(SARI, "INVITE"), "all phones were to ring");
    empties(&mut world, &rejected);
    world.sent.clear();
    world.orders(ConsoleCommand::LogIn { operator: operator() });
    answers(&mut world, BUDI);
    caller.is_answered(&mut world);
}
