//! Callers who wait again after an agency or a participant: they have the old place in the order.

use siaga::acd::desk::Desk;
use siaga::ids::OperatorId;
use siaga::sip::flow::{ConnectionId, Transport};
use siaga::switchboard::{ConsoleCommand, DeskCalls, Listener};

use super::super::world::SERVER;
use super::conference::{ADDS_DAMKAR, ANI, last_guest, staffed as conferring, supervises};
use super::ring_all::{picks_up, rings};
use super::transfer::{is_notified, refers};
use super::*;

const AGENCY_AT: &str = "127.0.0.2:5090";

fn orders(world: &mut World, command: fn(OperatorId) -> ConsoleCommand) {
    world.orders(command(OperatorId::parse("budi").unwrap()));
}

/// The side that talks with the caller is lost.
fn is_lost(world: &mut World) {
    let (_, anchor) = ports(world);
    world.step(Input::Media(Event::Silent { anchor, limit: None }));
}

#[test]
fn a_caller_whose_connection_was_closed_when_an_agency_answered_has_the_old_priority_again() {
    let mut settings = settings();
    settings.acd.none_ready = Duration::from_secs(600);
    settings.site.listeners.push(Listener {
        transport: Transport::Tcp,
        local: SERVER.parse().unwrap(),
        advertised: SERVER.to_owned(),
    });
    settings.trunks[0].target = Some(AGENCY_AT.parse().unwrap());
    let outside = vec![(Duration::from_secs(20), "0725113".to_owned())];
    settings.numbers.desks = vec![DeskCalls { outside, ..DeskCalls::default() }];
    settings.acd.desks = vec![Desk::default()];
    let mut world = World::new(settings, &["budi"]);
    world.register("budi", BUDI);
    orders(&mut world, |operator| ConsoleCommand::Pause { operator, reason: "meal".to_owned() });
    let over = |connection: u64| Flow {
        transport: Transport::Tcp,
        local: SERVER.parse().unwrap(),
        remote: TRUNK.parse().unwrap(),
        connection: ConnectionId(connection),
    };
    let trunk = TRUNK.parse().unwrap();
    world.streams.insert(trunk, over(4));
    let mut first = Caller::dials(&mut world);
    world.pass(Duration::from_secs(19));
    world.streams.remove(&trunk);
    world.step(Input::Unreachable { flow: over(4) });
    world.pass(Duration::from_secs(1));
    let number = rings(&mut world, AGENCY_AT);
    picks_up(&mut world, AGENCY_AT, &number);
    world.streams.insert(trunk, over(5));
    first.is_answered(&mut world);
    let second = Caller::dials(&mut world);
    is_lost(&mut world);
    world.sent.clear();
    orders(&mut world, |operator| ConsoleCommand::Resume { operator });
    let invite = rings(&mut world, BUDI);
    assert!(header(&invite, "From").contains(&first.number()), "{invite}");
    second.cancels(&mut world);
    first.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_caller_taken_over_by_a_participant_after_an_agency_keeps_the_place() {
    let (mut world, first, invite) = conferring();
    refers(&mut world, &invite, 1, ADDS_DAMKAR);
    let out = world.take(TRUNK, "INVITE");
    picks_up(&mut world, TRUNK, &out);
    is_notified(&mut world, BUDI);
    let _ani = supervises(&mut world, "*21budi");
    operator_hangs_up(&mut world, BUDI, &invite);
    // The agency has the caller, then the supervisor, who barges in.
    let ani = last_guest(&world);
    world.step(Input::Media(Event::Digit { anchor: ani, digit: '3' }));
    let second = Caller::dials(&mut world);
    asks(&mut world, TRUNK, &out, "BYE", 1, "", "");
    world.sent.clear();
    is_lost(&mut world);
    assert!(world.has(ANI, "BYE"));
    world.sent.clear();
    world.pass(Duration::from_secs(10));
    // Both operators are free again: the first caller is served first.
    let offered = |kind: &FactKind| matches!(kind, FactKind::Offered { why, .. } if why.starts_with("longest idle"));
    let order: Vec<_> =
        world.facts.iter().filter(|fact| offered(&fact.kind)).rev().take(2).map(|fact| fact.call).collect();
    let calls: Vec<_> = world
        .facts
        .iter()
        .filter(|fact| matches!(fact.kind, FactKind::Received { .. }))
        .map(|fact| fact.call)
        .collect();
    assert_eq!(order, [calls[1], calls[0]], "newest first");
    second.cancels(&mut world);
    first.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}
