//! Calls that are over, and whose cancelled ring attempts still wait for a response: they take no room from live callers.

use super::attended::Placed;
use super::ring_all::{picks_up, rings};
use super::transfer::DAMKAR;
use super::*;
use siaga::acd::desk::{Desk, Strategy};
use siaga::switchboard::{Agency, Rejected, Settings};

/// Budi's phone does not respond, so each caller who gives up leaves a ring attempt that ends after 64*T1.
fn give_up(world: &mut World, callers: usize) {
    for _ in 0..callers {
        let caller = Caller::dials(world);
        caller.cancels(world);
        world.sent.clear();
    }
    assert_eq!(world.switchboard.gauges().calls, 0, "none is live");
    assert!(world.switchboard.gauges().transactions >= callers, "their ring attempts are still open");
}

fn with_calls_max(calls_max: usize) -> Settings {
    let mut settings = settings();
    settings.calls.max = calls_max;
    settings
}

#[test]
fn callers_who_have_given_up_leave_their_room_to_the_next_caller() {
    let mut world = World::new(with_calls_max(8), &["budi"]);
    world.register("budi", BUDI);
    give_up(&mut world, 8);
    let caller = Caller::dials(&mut world);
    assert_eq!(world.switchboard.gauges().calls, 1);
    let invite = world.take(BUDI, "INVITE");
    assert!(header(&invite, "From").contains(&caller.number()));
    caller.cancels(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn callers_who_have_given_up_count_neither_against_operators_calls_nor_as_load() {
    let mut settings = with_calls_max(8);
    settings.numbers.agencies = vec![Agency { name: "damkar".to_owned(), number: DAMKAR.to_owned() }];
    settings.trunks[0].target = Some(TRUNK.parse().unwrap());
    let mut world = World::new(settings, &["budi", "sari"]);
    world.register("budi", BUDI);
    give_up(&mut world, 8);
    world.register("sari", SARI);
    Placed::to(&mut world, "sari", SARI, DAMKAR);
    world.take(TRUNK, "INVITE");
    let asks = Caller::invite_text(&mut world).replacen(";rport", ";rport;oc;oc-algo=\"loss\"", 1);
    world.receive(TRUNK, &asks);
    let trying = world.take(TRUNK, "SIP/2.0 100");
    assert!(header(&trying, "Via").contains("oc=0;"), "{trying}");
}

#[test]
fn callers_who_have_given_up_leave_their_channel_of_the_trunk_to_the_next_caller() {
    let mut settings = settings();
    settings.trunks[0].terms.max_calls = 1;
    let mut world = World::new(settings, &["budi"]);
    world.register("budi", BUDI);
    give_up(&mut world, 1);
    let live = Caller::dials(&mut world);
    Caller::dials_and_is_rejected(&mut world);
    assert_eq!(world.rejections.pop().unwrap().reason, Rejected::TrunkFull, "a live call takes the channel");
    live.cancels(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_call_that_waits_for_the_ack_before_its_bye_leaves_its_channel_too() {
    let mut settings = settings();
    settings.trunks[0].terms.max_calls = 1;
    settings.acd.desks = vec![Desk { strategy: Strategy::RingAll, ..Desk::default() }];
    let mut world = World::new(settings, &["budi", "sari"]);
    world.register("budi", BUDI);
    world.register("sari", SARI);
    let mut caller = Caller::dials(&mut world);
    let sari = rings(&mut world, SARI);
    picks_up(&mut world, SARI, &sari);
    caller.hears_200(&mut world);
    operator_hangs_up(&mut world, SARI, &sari);
    assert!(!world.has(TRUNK, "BYE"));
    let next = Caller::dials(&mut world);
    // The trunk of the first one is still known: its ACK counts, and its BYE leaves.
    caller.acknowledges(&mut world);
    caller.is_hung_up(&mut world);
    next.cancels(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}
