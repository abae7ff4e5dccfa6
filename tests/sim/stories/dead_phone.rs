//! Operators with a phone that does not respond beside one that does.

use super::ring_all::{is_cancelled, outcomes, picks_up, rings, states};
use super::transfer::refuses;
use super::*;
use siaga::ids::OperatorId;

/// Budi's second phone. The first one, at `BUDI`, does not respond.
const BUDI_TOO: &str = "127.0.0.3:5094";
const TONO: &str = "127.0.0.3:5093";
const FALLBACK_AT: &str = "127.0.0.2:5090";

/// An operator who is blamed once goes on a break, and rests; the fallback number is another server's.
fn strict() -> Settings {
    let mut settings = with_fallback_at(FALLBACK_AT);
    settings.acd.unanswered_max = 1;
    settings.acd.rest = seconds(60);
    settings
}

/// Budi is rung first, at two phones; then sari, then tono.
fn setup(settings: Settings) -> World {
    let mut world = World::new(settings, &["budi", "sari", "tono"]);
    for (operator, at) in [("budi", BUDI), ("sari", SARI), ("tono", TONO)] {
        world.register(operator, at);
        world.pass(seconds(1));
    }
    world.register("budi", BUDI_TOO);
    world.sent.clear();
    world
}

fn busy(world: &mut World, at: &str, invite: &str) {
    refuses(world, at, invite, "486 Busy Here");
}

#[test]
fn an_operator_who_declines_beside_a_dead_phone_makes_way_at_once() {
    let mut world = setup(settings());
    let mut caller = Caller::dials(&mut world);
    let dead = world.take(BUDI, "INVITE");
    let living = rings(&mut world, BUDI_TOO);
    world.pass(seconds(6));
    assert!(!world.has(SARI, "INVITE"), "the operator's other phone rings");
    busy(&mut world, BUDI_TOO, &living);
    let sari = rings(&mut world, SARI);
    assert!(view(&mut world, "budi").resting, "the line was busy");
    assert!(!world.has(BUDI, "CANCEL"), "its INVITE stays open");
    world.sent.clear();
    // A late answer still counts.
    picks_up(&mut world, BUDI, &dead);
    is_cancelled(&mut world, SARI, &sari);
    caller.is_answered(&mut world);
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn an_operator_who_declines_late_beside_a_dead_phone_makes_way_at_once() {
    let mut world = setup(settings());
    let caller = Caller::dials(&mut world);
    let late = world.take(BUDI_TOO, "INVITE");
    world.pass(seconds(5));
    let sari = rings(&mut world, SARI);
    world.receive(BUDI_TOO, &response(&late, BUDI_TOO, "180 Ringing", ""));
    busy(&mut world, SARI, &sari);
    assert!(!world.has(TONO, "INVITE"), "budi's phone rings");
    busy(&mut world, BUDI_TOO, &late);
    assert!(world.has(TONO, "INVITE"));
    caller.cancels(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

/// All phones ring, for no operator is staffed; the fallback number is next.
fn unstaffed() -> World {
    let mut world = World::new(strict(), &["budi", "sari"]);
    world.register("budi", BUDI);
    world.register("budi", BUDI_TOO);
    world.orders(ConsoleCommand::LogOut { operator: OperatorId::parse("budi").unwrap() });
    world.sent.clear();
    world
}

#[test]
fn all_phones_end_when_the_living_ones_have_declined() {
    let mut world = unstaffed();
    let caller = Caller::dials(&mut world);
    let living = rings(&mut world, BUDI_TOO);
    world.pass(seconds(6));
    assert!(!world.has(FALLBACK_AT, "INVITE"));
    busy(&mut world, BUDI_TOO, &living);
    assert!(world.has(FALLBACK_AT, "INVITE"));
    caller.cancels(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_fallback_blames_no_operator_whatever_phone_declines_first() {
    for declines_after in [2, 6] {
        let mut world = unstaffed();
        let caller = Caller::dials(&mut world);
        let living = rings(&mut world, BUDI_TOO);
        world.pass(seconds(declines_after));
        busy(&mut world, BUDI_TOO, &living);
        world.pass(seconds(4));
        assert!(world.has(FALLBACK_AT, "INVITE"), "{declines_after}");
        let budi = view(&mut world, "budi");
        assert!(!budi.resting && budi.paused.is_none(), "{declines_after} {budi:?}");
        caller.cancels(&mut world);
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}

#[test]
fn an_unstaffed_operator_who_rings_late_and_declines_after_the_fallback_number_has_failed_is_not_to_blame() {
    let mut world = unstaffed();
    let caller = Caller::dials(&mut world);
    let late = world.take(BUDI_TOO, "INVITE");
    world.pass(seconds(6));
    let number = rings(&mut world, FALLBACK_AT);
    busy(&mut world, FALLBACK_AT, &number);
    world.receive(BUDI_TOO, &response(&late, BUDI_TOO, "180 Ringing", ""));
    assert_eq!(states(&world)[2], 1, "budi rings for the call that waits");
    busy(&mut world, BUDI_TOO, &late);
    let budi = view(&mut world, "budi");
    assert!(!budi.resting && budi.paused.is_none(), "{budi:?}");
    caller.cancels(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_late_180_rings_though_no_port_pair_is_free() {
    let mut world = World::with_ports(settings(), &["budi"], 2);
    world.register("budi", BUDI);
    let mut caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    world.pass(seconds(6));
    assert_eq!((world.switchboard.gauges().anchors, states(&world)[1]), (2, 1), "the open INVITE keeps both pairs");
    world.sent.clear();
    world.receive(BUDI, &response(&invite, BUDI, "180 Ringing", ""));
    assert!(!world.has(BUDI, "CANCEL"));
    assert_eq!((states(&world)[2], outcomes(&world, OfferOutcome::Withdrawn)), (1, 0));
    picks_up(&mut world, BUDI, &invite);
    caller.is_answered(&mut world);
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}
