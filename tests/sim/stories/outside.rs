//! Outside numbers that an escalation tries while the caller keeps the place in the queue.

use super::ring_all::{is_cancelled, outcomes, picks_up, rings, states};
use super::*;
use siaga::acd::desk::{Desk, Strategy};
use siaga::ids::OperatorId;
use siaga::switchboard::{ConsoleCommand, ConsoleReply, DeskCalls};

fn pauses(world: &mut World, on: bool) {
    let operator = OperatorId::parse("budi").unwrap();
    let command = if on {
        ConsoleCommand::Pause { operator, reason: "meal".to_owned() }
    } else {
        ConsoleCommand::Resume { operator }
    };
    world.step(Input::Console { request: 1, by: admin(), command });
}

/// Budi is on a break, and numbers are tried after 20 and 60 seconds.
fn setup() -> World {
    let mut settings = settings();
    settings.acd.none_ready = Duration::from_secs(600);
    settings.trunks[0].target = Some(TRUNK.parse().unwrap());
    let outside =
        [(20, "0725113"), (60, "0725110")].map(|(after, number)| (Duration::from_secs(after), number.to_owned()));
    settings.numbers.desks = vec![DeskCalls { outside: outside.to_vec(), ..DeskCalls::default() }];
    let mut world = World::new(settings, &["budi"]);
    world.register("budi", BUDI);
    pauses(&mut world, true);
    world
}

/// The operator and the outside number that the console shows for the only call.
fn with(world: &mut World) -> (Option<OperatorId>, Option<String>) {
    match world.orders(ConsoleCommand::Calls) {
        ConsoleReply::Calls { calls } => (calls[0].operator.clone(), calls[0].outside.clone()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_number_rings_after_a_while_and_the_caller_is_with_it_when_it_answers() {
    let mut world = setup();
    let mut caller = Caller::dials(&mut world);
    world.pass(Duration::from_secs(19));
    assert!(!world.has(TRUNK, "INVITE"));
    world.pass(Duration::from_secs(1));
    let invite = rings(&mut world, TRUNK);
    assert!(invite.starts_with("INVITE sip:0725113@"), "{invite}");
    assert_eq!(with(&mut world), (None, Some("0725113".to_owned())), "it rings");
    picks_up(&mut world, TRUNK, &invite);
    caller.is_answered(&mut world);
    assert_eq!(with(&mut world), (None, Some("0725113".to_owned())), "the console names the caller's party");
    pauses(&mut world, false);
    assert!(!world.has(BUDI, "INVITE"), "he waits no more");
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn an_operator_who_becomes_free_while_the_number_rings_gets_the_caller_all_the_same() {
    let mut world = setup();
    let mut caller = Caller::dials(&mut world);
    world.pass(Duration::from_secs(20));
    let number = rings(&mut world, TRUNK);
    pauses(&mut world, false);
    let budi = rings(&mut world, BUDI);
    picks_up(&mut world, BUDI, &budi);
    is_cancelled(&mut world, TRUNK, &number);
    caller.is_answered(&mut world);
    assert_eq!(with(&mut world), (OperatorId::parse("budi").ok(), None));
    assert_eq!((states(&world)[3], outcomes(&world, OfferOutcome::LostRace)), (1, 1));
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_number_that_answers_while_a_phone_rings_frees_its_operator() {
    let mut world = setup();
    let mut caller = Caller::dials(&mut world);
    world.pass(Duration::from_secs(20));
    let number = rings(&mut world, TRUNK);
    pauses(&mut world, false);
    let budi = rings(&mut world, BUDI);
    picks_up(&mut world, TRUNK, &number);
    is_cancelled(&mut world, BUDI, &budi);
    caller.is_answered(&mut world);
    assert_eq!(states(&world), [0, 1, 0, 0, 0, 0]);
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_busy_number_keeps_the_callers_place_and_the_next_is_tried_in_its_time() {
    let mut world = setup();
    let mut first = Caller::dials(&mut world);
    world.pass(Duration::from_secs(1));
    let second = Caller::dials(&mut world);
    world.pass(Duration::from_secs(19));
    let number = rings(&mut world, TRUNK);
    world.receive(TRUNK, &response(&number, TRUNK, "486 Busy Here", ""));
    world.take(TRUNK, "ACK");
    world.pass(Duration::from_secs(1));
    let number = rings(&mut world, TRUNK);
    world.receive(TRUNK, &response(&number, TRUNK, "486 Busy Here", ""));
    world.take(TRUNK, "ACK");
    world.pass(Duration::from_secs(39));
    let number = rings(&mut world, TRUNK);
    assert!(number.starts_with("INVITE sip:0725110@"), "{number}");
    pauses(&mut world, false);
    let budi = rings(&mut world, BUDI);
    picks_up(&mut world, BUDI, &budi);
    is_cancelled(&mut world, TRUNK, &number);
    first.is_answered(&mut world);
    first.hangs_up(&mut world);
    second.cancels(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_number_rings_on_when_the_operators_phone_does_not_answer() {
    let mut world = setup();
    let caller = Caller::dials(&mut world);
    world.pass(Duration::from_secs(20));
    let number = rings(&mut world, TRUNK);
    pauses(&mut world, false);
    let budi = rings(&mut world, BUDI);
    world.receive(BUDI, &response(&budi, BUDI, "486 Busy Here", ""));
    world.take(BUDI, "ACK");
    assert!(!world.has(TRUNK, "CANCEL"));
    caller.cancels(&mut world);
    is_cancelled(&mut world, TRUNK, &number);
    world.assert_empty_in_the_end();
}

/// So many operators at once ring for a call, beside its caller and a number outside.
const PHONES: usize = 62;

/// Where the phone of each operator is.
fn phone(n: usize) -> String {
    format!("127.0.4.{}:5090", n + 1)
}

#[test]
fn sixty_two_phones_and_the_number_of_an_escalation_ring_together() {
    for number_answers in [true, false] {
        let mut settings = settings();
        settings.calls.ring = Duration::from_secs(60);
        settings.trunks[0].target = Some(TRUNK.parse().unwrap());
        settings.acd.desks = vec![Desk { strategy: Strategy::RingAll, ..Desk::default() }];
        let outside = vec![(Duration::from_secs(20), "0725113".to_owned())];
        settings.numbers.desks = vec![DeskCalls { outside, ..DeskCalls::default() }];
        // Two more than may ring.
        let names: Vec<String> = (0..PHONES + 2).map(|n| format!("op{n}")).collect();
        let mut world = World::new(settings, &names.iter().map(String::as_str).collect::<Vec<_>>());
        for (n, name) in names.iter().enumerate() {
            world.register(name, &phone(n));
        }
        let mut caller = Caller::dials(&mut world);
        let rung: Vec<usize> = (0..names.len()).filter(|n| world.has(&phone(*n), "INVITE")).collect();
        assert_eq!(rung.len(), PHONES);
        let invites: Vec<String> = rung.iter().map(|n| rings(&mut world, &phone(*n))).collect();
        world.pass(Duration::from_secs(20));
        let number = rings(&mut world, TRUNK);
        assert_eq!(states(&world), [0, 2, PHONES, 0, 0, 0]);
        let (answers, others) = if number_answers { (TRUNK.to_owned(), 0) } else { (phone(rung[0]), 1) };
        picks_up(&mut world, &answers, if number_answers { &number } else { &invites[0] });
        if !number_answers {
            is_cancelled(&mut world, TRUNK, &number);
        }
        for (n, invite) in rung.iter().zip(&invites).skip(others) {
            is_cancelled(&mut world, &phone(*n), invite);
        }
        caller.is_answered(&mut world);
        assert_eq!(states(&world), [0, PHONES + 2 - others, 0, others, 0, 0]);
        assert_eq!(outcomes(&world, OfferOutcome::LostRace), PHONES);
        caller.hangs_up(&mut world);
        world.assert_empty_in_the_end();
    }
}
