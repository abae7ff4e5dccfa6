//! All RTP ports of IPv6 are used up: calls, participants, supervisors and placed calls that need only IPv4 go on.

use siaga::acd;
use siaga::switchboard::Agency;

use super::attended::Placed;
use super::call_back::abandons;
use super::call_commands::named;
use super::ring_all::{picks_up, rings};
use super::transfer::DAMKAR;
use super::*;

/// The server of numbers.
const NUMBER: &str = "127.0.0.2:5070";
/// Operators whose phones are at IPv6 addresses.
const OVER_IPV6: [(&str, &str); 3] = [("ani", "[::1]:5101"), ("eko", "[::1]:5102"), ("tono", "[::1]:5103")];

fn over_ipv6(at: &str) -> String {
    sdp(at, 31_000).replace("IN IP4 [", "IN IP6 ::1")
}

/// Three conversations have all pairs of IPv6. Six pairs of IPv4 are free.
fn used_up() -> (World, Vec<Caller>) {
    let mut settings = with_fallback_at(NUMBER);
    settings.media.addresses = vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()];
    settings.numbers.agencies = vec![Agency { name: "damkar".to_owned(), number: DAMKAR.to_owned() }];
    settings.operators.supervisors = [named("sari")].into();
    settings.acd = acd::Settings { rest: seconds(60), ..settings.acd };
    let mut world = World::with_ports(settings, &["ani", "budi", "eko", "sari", "tono"], 6);
    let mut callers = Vec::new();
    for (operator, at) in OVER_IPV6 {
        world.register(operator, at);
        world.pass(Duration::from_millis(1));
        let body = sdp(TRUNK, 30_000).replace("IN IP4 127.0.0.2", "IN IP6 ::1");
        let mut caller = Caller::dials_of(&mut world, "Content-Type: application/sdp\r\n", &body);
        world.take(TRUNK, "SIP/2.0 100");
        let invite = rings(&mut world, at);
        world.receive(at, &response(&invite, at, "200 OK", &over_ipv6(at)));
        world.take(at, "ACK");
        caller.is_answered(&mut world);
        callers.push(caller);
    }
    assert_eq!(world.switchboard.gauges().anchors, 6);
    world.sent.clear();
    (world, callers)
}

/// Budi, whose phone is at an IPv4 address, talks with a caller over IPv4.
fn with_a_talk() -> (World, Vec<Caller>) {
    let (mut world, mut callers) = used_up();
    world.register("budi", BUDI);
    let mut caller = Caller::dials(&mut world);
    answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    callers.push(caller);
    world.sent.clear();
    (world, callers)
}

fn all_end(mut world: World, callers: &[Caller]) {
    callers.iter().for_each(|caller| caller.hangs_up(&mut world));
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_caller_reaches_the_fallback_number() {
    let (mut world, mut callers) = used_up();
    for (operator, _) in OVER_IPV6 {
        world.orders(ConsoleCommand::LogOut { operator: named(operator) });
    }
    let mut caller = Caller::dials(&mut world);
    let number = rings(&mut world, NUMBER);
    picks_up(&mut world, NUMBER, &number);
    caller.is_answered(&mut world);
    callers.push(caller);
    all_end(world, &callers);
}

#[test]
fn a_number_and_an_operator_join_a_call_as_participants() {
    let (mut world, callers) = with_a_talk();
    world.register("sari", SARI);
    let talks = |fact: &siaga::cdr::fact::Fact| matches!(&fact.kind, FactKind::Answered { .. }).then_some(fact.call);
    let call = world.facts.iter().rev().find_map(talks).flatten().unwrap();
    for (whom, at) in [("damkar", NUMBER), ("sari", SARI)] {
        let reply = world.orders(ConsoleCommand::InviteParticipant { call, to: whom.to_owned() });
        assert!(!matches!(reply, ConsoleReply::Refused { .. }), "{whom}: {reply:?}");
        rings(&mut world, at);
        world.pass(seconds(30));
        world.sent.clear();
    }
    all_end(world, &callers);
}

#[test]
fn a_supervisor_listens_to_a_call() {
    let (mut world, callers) = with_a_talk();
    world.register("sari", SARI);
    Placed::to(&mut world, "sari", SARI, "*21budi").is_answered(&mut world);
    all_end(world, &callers);
}

#[test]
fn an_operator_calls_a_number_and_the_console_has_one_called() {
    let (mut world, callers) = used_up();
    world.register("budi", BUDI);
    let placed = Placed::to(&mut world, "budi", BUDI, "damkar");
    rings(&mut world, NUMBER);
    world.receive(BUDI, &placed.request("CANCEL", 2, "", ""));
    world.pass(seconds(40));
    world.sent.clear();
    let place = ConsoleCommand::Place { operator: named("budi"), to: "damkar".to_owned() };
    let reply = world.orders(place);
    assert!(matches!(reply, ConsoleReply::Calling { .. }), "{reply:?}");
    rings(&mut world, BUDI);
    world.pass(seconds(30));
    all_end(world, &callers);
}

#[test]
fn an_operator_calls_back_a_caller_who_was_not_answered() {
    let (mut world, callers) = used_up();
    world.register("budi", BUDI);
    abandons(&mut world, "081355501", 8);
    world.sent.clear();
    let mut placed = Placed::to(&mut world, "budi", BUDI, "*50");
    let out = rings(&mut world, NUMBER);
    assert!(out.starts_with("INVITE sip:081355501@"), "{out}");
    picks_up(&mut world, NUMBER, &out);
    placed.is_answered(&mut world);
    world.receive(BUDI, &placed.request("BYE", 3, "", ""));
    all_end(world, &callers);
}

#[test]
fn an_operator_calls_no_colleague_whose_phone_needs_a_port_of_the_other_family() {
    let (mut world, callers) = used_up();
    world.register("budi", BUDI);
    world.register("sari", "[::1]:5104");
    Placed::to(&mut world, "budi", BUDI, "sari");
    world.take(BUDI, "SIP/2.0 503");
    all_end(world, &callers);
}
