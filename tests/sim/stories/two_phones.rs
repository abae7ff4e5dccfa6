//! One operator with two phones: both ring for one ring attempt, and count as one operator.

use super::ring_all::{is_cancelled, outcomes, picks_up, rings, states};
use super::*;
use siaga::acd::desk::{Desk, Strategy};
use siaga::ids::OperatorId;
use siaga::switchboard::ConsoleCommand;

/// Budi's second phone.
const BUDI_TOO: &str = "127.0.0.3:5094";

fn setup(strategy: Strategy) -> World {
    let mut settings = settings();
    settings.acd.desks = vec![Desk { strategy, ..Desk::default() }];
    let mut world = World::new(settings, &["budi", "sari"]);
    world.register("budi", BUDI);
    world.register("budi", BUDI_TOO);
    world
}

fn dies(world: &mut World, at: &str) {
    world.is_unreachable(at);
}

#[test]
fn both_phones_ring_and_the_one_that_is_not_answered_learns_that_it_was_taken_elsewhere() {
    let mut world = setup(Strategy::LongestIdle);
    let mut caller = Caller::dials(&mut world);
    let (one, other) = (rings(&mut world, BUDI), rings(&mut world, BUDI_TOO));
    picks_up(&mut world, BUDI, &one);
    let cancel = is_cancelled(&mut world, BUDI_TOO, &other);
    assert!(header(&cancel, "Reason").contains("Call completed elsewhere"), "{cancel}");
    caller.is_answered(&mut world);
    assert_eq!((states(&world), outcomes(&world, OfferOutcome::LostRace)), ([1, 0, 0, 1, 0, 0], 1));
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn both_phones_answered_at_once_are_one_talk() {
    let mut world = setup(Strategy::LongestIdle);
    let mut caller = Caller::dials(&mut world);
    let (one, other) = (rings(&mut world, BUDI), rings(&mut world, BUDI_TOO));
    picks_up(&mut world, BUDI, &one);
    world.take(BUDI_TOO, "CANCEL");
    picks_up(&mut world, BUDI_TOO, &other);
    let bye = world.take(BUDI_TOO, "BYE");
    world.receive(BUDI_TOO, &response(&bye, BUDI_TOO, "200 OK", ""));
    caller.is_answered(&mut world);
    assert_eq!(world.count(|kind| matches!(kind, FactKind::Answered { .. })), 1);
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_busy_phone_leaves_the_other_ringing_and_only_the_last_one_ends_the_offer() {
    let mut world = setup(Strategy::LongestIdle);
    let caller = Caller::dials(&mut world);
    let (one, other) = (rings(&mut world, BUDI), rings(&mut world, BUDI_TOO));
    world.receive(BUDI, &response(&one, BUDI, "486 Busy Here", ""));
    world.take(BUDI, "ACK");
    assert_eq!(states(&world), [1, 0, 1, 0, 0, 0]);
    world.pass(Duration::from_secs(15));
    is_cancelled(&mut world, BUDI_TOO, &other);
    assert_eq!(states(&world), [1, 1, 0, 0, 0, 0]);
    assert!(!world.has(BUDI, "INVITE"), "he rests");
    world.pass(Duration::from_secs(5));
    assert!(world.has(BUDI, "INVITE") && world.has(BUDI_TOO, "INVITE"));
    caller.cancels(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_call_that_is_declined_for_good_at_one_phone_stops_ringing_at_the_other() {
    let mut world = setup(Strategy::LongestIdle);
    let caller = Caller::dials(&mut world);
    let (one, other) = (rings(&mut world, BUDI), rings(&mut world, BUDI_TOO));
    world.receive(BUDI, &response(&one, BUDI, "603 Decline", ""));
    world.take(BUDI, "ACK");
    is_cancelled(&mut world, BUDI_TOO, &other);
    assert_eq!(states(&world), [1, 1, 0, 0, 0, 0]);
    caller.cancels(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_dead_phone_does_not_make_its_operator_unreachable_while_another_phone_responds() {
    let mut world = setup(Strategy::LongestIdle);
    let mut caller = Caller::dials(&mut world);
    world.take(BUDI, "INVITE");
    dies(&mut world, BUDI);
    let other = rings(&mut world, BUDI_TOO);
    assert_eq!(states(&world), [1, 0, 1, 0, 0, 0]);
    picks_up(&mut world, BUDI_TOO, &other);
    caller.is_answered(&mut world);
    caller.hangs_up(&mut world);
    world.pass(Duration::from_secs(11));
    world.sent.clear();
    let second = Caller::dials(&mut world);
    let other = rings(&mut world, BUDI_TOO);
    world.receive(BUDI_TOO, &response(&other, BUDI_TOO, "486 Busy Here", ""));
    world.take(BUDI_TOO, "ACK");
    dies(&mut world, BUDI);
    assert_eq!(states(&world), [1, 1, 0, 0, 0, 0], "he was heard from");
    second.cancels(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn an_operator_whose_phones_are_both_dead_gets_no_more_offers() {
    let mut world = setup(Strategy::LongestIdle);
    world.register("sari", SARI);
    let operator = OperatorId::parse("sari").unwrap();
    let command = ConsoleCommand::Pause { operator, reason: "meal".to_owned() };
    world.step(Input::Console { request: 1, by: admin(), command });
    let caller = Caller::dials(&mut world);
    dies(&mut world, BUDI);
    dies(&mut world, BUDI_TOO);
    assert_eq!(states(&world), [1, 0, 0, 0, 0, 1]);
    caller.cancels(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_log_out_withdraws_from_both_phones() {
    let mut world = setup(Strategy::LongestIdle);
    world.register("sari", SARI);
    let mut caller = Caller::dials(&mut world);
    let (one, other) = (rings(&mut world, BUDI), rings(&mut world, BUDI_TOO));
    let operator = OperatorId::parse("budi").unwrap();
    world.step(Input::Console { request: 1, by: admin(), command: ConsoleCommand::LogOut { operator } });
    is_cancelled(&mut world, BUDI, &one);
    is_cancelled(&mut world, BUDI_TOO, &other);
    answers(&mut world, SARI);
    caller.is_answered(&mut world);
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_caller_who_cancels_stops_both_phones() {
    let mut world = setup(Strategy::RingAll);
    world.register("sari", SARI);
    let caller = Caller::dials(&mut world);
    let all = [BUDI, BUDI_TOO, SARI];
    let invites = all.map(|at| rings(&mut world, at));
    caller.cancels(&mut world);
    for (at, invite) in all.into_iter().zip(invites) {
        is_cancelled(&mut world, at, &invite);
    }
    assert_eq!(endings(&world), [(Side::Caller, EndCause::Abandoned)]);
    world.assert_empty_in_the_end();
}

#[test]
fn second_phones_make_way_for_operators_who_would_find_no_room() {
    let mut settings = settings();
    settings.acd.desks = vec![Desk { strategy: Strategy::RingAll, ..Desk::default() }];
    let names: Vec<String> = (0..63).map(|n| format!("op{n:02}")).collect();
    let mut world = World::new(settings, &names.iter().map(String::as_str).collect::<Vec<_>>());
    for (n, name) in names.iter().enumerate() {
        world.register(name, &format!("127.0.0.4:{}", 6_000 + n));
        world.register(name, &format!("127.0.0.5:{}", 6_000 + n));
    }
    let caller = Caller::dials(&mut world);
    assert_eq!(states(&world), [0, 1, 62, 0, 0, 0], "all but one ring: a number outside keeps room");
    assert!(outcomes(&world, OfferOutcome::Withdrawn) > 0);
    caller.cancels(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}
