//! Media on IPv4 and IPv6, and pairs of one family used up: what needs the other family goes on.

use super::call_commands::named;
use super::ring_all::{outcomes, picks_up, rings};
use super::*;
use siaga::acd::{self, State};
use siaga::switchboard::PortShortage;

const BUDI_V6: &str = "[::1]:5091";
const TONO: &str = "127.0.0.3:5093";
const NUMBER: &str = "127.0.0.2:5070";

fn both_families() -> Settings {
    let mut settings = settings();
    settings.media.addresses = vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()];
    settings
}

/// Operators do not log in when their phones register.
fn unattended() -> acd::Settings {
    acd::Settings { login_on_register: false, ..settings().acd }
}

/// A service with so many pairs of each family. All phones are at IPv4 addresses.
fn with(pairs: u16) -> World {
    let mut settings = both_families();
    settings.acd.rest = Duration::from_secs(60);
    World::with_ports(settings, &["budi", "sari"], pairs)
}

/// A caller whose media is on IPv6.
fn dials_over_ipv6(world: &mut World) -> Caller {
    world.pass(Duration::from_millis(1));
    let body = sdp(TRUNK, 30_000).replace("IN IP4 127.0.0.2", "IN IP6 ::1");
    let caller = Caller::dials_of(world, "Content-Type: application/sdp\r\n", &body);
    world.take(TRUNK, "SIP/2.0 100");
    caller
}

fn dials_over_ipv4(world: &mut World) -> Caller {
    world.pass(Duration::from_millis(1));
    Caller::dials(world)
}

#[test]
fn an_operator_whose_phones_family_is_used_up_is_rung_as_soon_as_a_pair_of_it_is_free() {
    let mut world = with(2);
    world.register("budi", BUDI);
    let mut first = dials_over_ipv4(&mut world);
    answers(&mut world, BUDI);
    first.is_answered(&mut world);
    world.register("sari", SARI);
    let mut second = dials_over_ipv6(&mut world);
    assert!(!world.has(SARI, "INVITE"), "no pair of IPv4 is left for the phone");
    let view = view(&mut world, "sari");
    assert!(view.state == State::Ready && !view.resting, "{view:?}");
    assert_eq!(world.port_shortages.last(), Some(&PortShortage::Exhausted));
    world.sent.clear();
    first.hangs_up(&mut world);
    let invite = rings(&mut world, SARI);
    assert!(header(&invite, "From").contains(&second.number()), "{invite}");
    picks_up(&mut world, SARI, &invite);
    let answer = second.hears(&mut world, "SIP/2.0 200");
    assert!(answer.contains("IN IP6 ::1"), "{answer}");
    second.acknowledges(&mut world);
    second.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_caller_whose_family_is_short_does_not_keep_the_queue_from_callers_of_the_other() {
    let mut world = with(4);
    let mut callers: Vec<Caller> = (0..3).map(|_| dials_over_ipv4(&mut world)).collect();
    let [first, second, mut third] = [(); 3].map(|()| dials_over_ipv6(&mut world));
    assert_eq!(world.switchboard.gauges().without_port, 2, "the last one of each family");
    world.sent.clear();
    first.cancels(&mut world);
    let early = third.hears(&mut world, "SIP/2.0 183");
    assert!(early.contains("IN IP6 ::1"), "{early}");
    assert_eq!(world.switchboard.gauges().without_port, 1);
    callers.extend([second, third]);
    callers.iter().for_each(|caller| caller.cancels(&mut world));
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn all_phones_ring_although_the_pairs_of_the_other_family_are_used_up() {
    let mut world =
        World::with_ports(changed(both_families(), |settings| settings.acd = unattended()), &["budi", "sari"], 4);
    let callers = [dials_over_ipv6(&mut world), dials_over_ipv6(&mut world)];
    assert_eq!(world.switchboard.gauges().anchors, 2, "the other two are the reserve");
    world.register("budi", BUDI);
    world.register("sari", SARI);
    world.pass(Duration::from_secs(10));
    assert!(world.has(BUDI, "INVITE") && world.has(SARI, "INVITE"), "{:#?}", world.sent);
    callers.iter().for_each(|caller| caller.cancels(&mut world));
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_phone_that_does_not_respond_keeps_its_pair_if_a_ready_operator_needs_one_of_the_other_family() {
    let mut world = World::with_ports(both_families(), &["budi", "sari", "tono"], 2);
    world.register("budi", BUDI_V6);
    let first = dials_over_ipv6(&mut world);
    world.take(BUDI_V6, "INVITE");
    world.register("tono", TONO);
    let second = dials_over_ipv4(&mut world);
    world.take(TONO, "INVITE");
    world.pass(Duration::from_secs(6));
    assert_eq!(world.switchboard.gauges().anchors, 4, "both INVITEs are open");
    world.register("sari", SARI);
    rings(&mut world, SARI);
    assert_eq!(outcomes(&world, OfferOutcome::Withdrawn), 1, "the one to tono");
    first.cancels(&mut world);
    second.cancels(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn an_operator_on_a_break_whose_family_is_used_up_is_not_kept_idle_by_that() {
    let mut world = with(2);
    world.register("budi", BUDI);
    let mut first = dials_over_ipv4(&mut world);
    answers(&mut world, BUDI);
    first.is_answered(&mut world);
    world.register("sari", SARI);
    let second = dials_over_ipv6(&mut world);
    assert_eq!(world.port_shortages.last(), Some(&PortShortage::Exhausted));
    world.orders(ConsoleCommand::Pause { operator: named("sari"), reason: "meal".to_owned() });
    assert_eq!(world.port_shortages.last(), Some(&PortShortage::Reserve));
    world.orders(ConsoleCommand::Resume { operator: named("sari") });
    assert_eq!(world.port_shortages.last(), Some(&PortShortage::Exhausted));
    second.cancels(&mut world);
    first.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn an_operator_who_cannot_be_rung_beside_the_fallback_number_is_rung_as_soon_as_a_pair_is_free() {
    let media_addresses = both_families().media.addresses;
    let mut settings = changed(with_fallback_at(NUMBER), |settings| settings.media.addresses = media_addresses);
    settings.acd.rest = Duration::from_secs(60);
    let mut world = World::with_ports(settings, &["budi"], 4);
    let [first, second] = [(); 2].map(|()| dials_over_ipv4(&mut world));
    let [_, number] = [(); 2].map(|()| rings(&mut world, NUMBER));
    world.register("budi", BUDI);
    assert!(!world.has(BUDI, "INVITE"), "no pair of IPv4 is left for the phone");
    world.receive(NUMBER, &response(&number, NUMBER, "486 Busy Here", ""));
    world.take(NUMBER, "ACK");
    let invite = rings(&mut world, BUDI);
    assert!(header(&invite, "From").contains(&first.number()), "{invite}");
    first.cancels(&mut world);
    second.cancels(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}
