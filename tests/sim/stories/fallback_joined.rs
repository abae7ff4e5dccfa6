//! Operators who become ready while a call is in its fallback: they ring beside it, and the first answer has the caller.

use siaga::acd::OperatingMode;
use siaga::ids::OperatorId;

use super::ring_all::{is_cancelled, outcomes, picks_up, rings, states};
use super::transfer::refuses;
use super::*;

const NUMBER: &str = "127.0.0.2:5070";

/// A caller at the ringing fallback number, since no phone is registered.
fn falling_back(settings: Settings) -> (World, Caller, String) {
    let mut world = World::new(settings, &["budi", "sari"]);
    let caller = Caller::dials(&mut world);
    let number = rings(&mut world, NUMBER);
    (world, caller, number)
}

fn orders(world: &mut World, command: ConsoleCommand) {
    assert_eq!(world.orders(command), ConsoleReply::Done);
}

fn logs(world: &mut World, name: &str, is_in: bool) {
    let operator = OperatorId::parse(name).unwrap();
    let command = if is_in { ConsoleCommand::LogIn { operator } } else { ConsoleCommand::LogOut { operator } };
    orders(world, command);
}

#[test]
fn an_operator_who_registers_while_the_fallback_number_rings_is_rung_at_once_and_gets_the_caller() {
    let (mut world, mut caller, number) = falling_back(with_fallback_at(NUMBER));
    world.pass(Duration::from_secs(2));
    world.register("budi", BUDI);
    let budi = rings(&mut world, BUDI);
    assert!(!world.has(NUMBER, "CANCEL"), "the number rings on");
    picks_up(&mut world, BUDI, &budi);
    is_cancelled(&mut world, NUMBER, &number);
    caller.is_answered(&mut world);
    assert_eq!(states(&world)[3], 1);
    assert_eq!(outcomes(&world, OfferOutcome::LostRace), 1);
    operator_hangs_up(&mut world, BUDI, &budi);
    caller.is_hung_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_number_that_answers_first_frees_the_operator() {
    let (mut world, mut caller, number) = falling_back(with_fallback_at(NUMBER));
    world.register("budi", BUDI);
    let budi = rings(&mut world, BUDI);
    picks_up(&mut world, NUMBER, &number);
    is_cancelled(&mut world, BUDI, &budi);
    caller.is_answered(&mut world);
    assert_eq!(states(&world), [1, 1, 0, 0, 0, 0], "budi is ready");
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_number_that_answers_with_the_operator_gets_ack_and_bye() {
    let (mut world, mut caller, number) = falling_back(with_fallback_at(NUMBER));
    world.register("budi", BUDI);
    let budi = rings(&mut world, BUDI);
    picks_up(&mut world, BUDI, &budi);
    world.take(NUMBER, "CANCEL");
    picks_up(&mut world, NUMBER, &number);
    let bye = world.take(NUMBER, "BYE");
    world.receive(NUMBER, &response(&bye, NUMBER, "200 OK", ""));
    caller.is_answered(&mut world);
    assert_eq!(world.count(|kind| matches!(kind, FactKind::Answered { .. })), 1);
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn the_number_rings_on_when_the_operator_does_not_take_the_call() {
    let (mut world, caller, number) = falling_back(with_fallback_at(NUMBER));
    world.register("budi", BUDI);
    let budi = rings(&mut world, BUDI);
    refuses(&mut world, BUDI, &budi, "486 Busy Here");
    assert!(!world.has(NUMBER, "CANCEL") && !world.has(BUDI, "INVITE"), "budi rests");
    world.pass(Duration::from_secs(5));
    let budi = rings(&mut world, BUDI);
    refuses(&mut world, NUMBER, &number, "486 Busy Here");
    assert!(!world.has(BUDI, "CANCEL"), "and budi rings on when the number fails");
    caller.cancels(&mut world);
    is_cancelled(&mut world, BUDI, &budi);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn the_number_rings_on_while_the_operators_phone_does_not_respond() {
    let (mut world, mut caller, number) = falling_back(with_fallback_at(NUMBER));
    world.register("budi", BUDI);
    world.take(BUDI, "INVITE");
    world.pass(Duration::from_secs(5));
    world.register("sari", SARI);
    let sari = rings(&mut world, SARI);
    picks_up(&mut world, NUMBER, &number);
    is_cancelled(&mut world, SARI, &sari);
    caller.is_answered(&mut world);
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn callers_in_the_fallback_are_served_in_order_before_later_callers() {
    let mut world = World::new(with_fallback_at(NUMBER), &["budi", "sari"]);
    let mut first = Caller::dials(&mut world);
    rings(&mut world, NUMBER);
    let second = Caller::dials(&mut world);
    rings(&mut world, NUMBER);
    world.register("budi", BUDI);
    let third = Caller::dials(&mut world);
    let budi = rings(&mut world, BUDI);
    world.register("sari", SARI);
    rings(&mut world, SARI);
    picks_up(&mut world, BUDI, &budi);
    first.is_answered(&mut world);
    world.sent.clear();
    first.hangs_up(&mut world);
    second.cancels(&mut world);
    // Sari gets the third caller now.
    assert!(world.has(SARI, "INVITE"));
    third.cancels(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn an_operator_who_logs_in_while_all_phones_ring_rings_on_when_the_phones_give_way_to_the_number() {
    let mut world = World::new(with_fallback_at(NUMBER), &["budi", "sari"]);
    world.register("budi", BUDI);
    logs(&mut world, "budi", false);
    let mut caller = Caller::dials(&mut world);
    let budi = rings(&mut world, BUDI);
    world.pass(Duration::from_secs(15));
    world.register("sari", SARI);
    let sari = rings(&mut world, SARI);
    assert!(!world.has(BUDI, "CANCEL"));
    world.pass(Duration::from_secs(5));
    is_cancelled(&mut world, BUDI, &budi);
    let number = rings(&mut world, NUMBER);
    assert!(!world.has(SARI, "CANCEL"), "it is sari's turn, for ring_seconds");
    picks_up(&mut world, SARI, &sari);
    is_cancelled(&mut world, NUMBER, &number);
    caller.is_answered(&mut world);
    operator_hangs_up(&mut world, SARI, &sari);
    caller.is_hung_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_log_out_withdraws_the_operator_and_not_the_number() {
    let (mut world, caller, number) = falling_back(with_fallback_at(NUMBER));
    world.register("budi", BUDI);
    let budi = rings(&mut world, BUDI);
    logs(&mut world, "budi", false);
    is_cancelled(&mut world, BUDI, &budi);
    assert!(!world.has(NUMBER, "CANCEL"));
    logs(&mut world, "budi", true);
    let budi = rings(&mut world, BUDI);
    caller.cancels(&mut world);
    is_cancelled(&mut world, BUDI, &budi);
    is_cancelled(&mut world, NUMBER, &number);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn in_an_evacuation_operators_wait_until_the_number_has_failed() {
    let mut world = World::new(with_fallback_at(NUMBER), &["budi", "sari"]);
    world.register("budi", BUDI);
    let set = |mode| ConsoleCommand::SetMode { mode, hours: None };
    world.orders(set(OperatingMode::Fallback));
    let caller = Caller::dials(&mut world);
    let number = rings(&mut world, NUMBER);
    assert!(!world.has(BUDI, "INVITE"), "the centre is being left");
    world.orders(set(OperatingMode::Normal));
    let budi = rings(&mut world, BUDI);
    world.orders(set(OperatingMode::Fallback));
    is_cancelled(&mut world, BUDI, &budi);
    refuses(&mut world, NUMBER, &number, "486 Busy Here");
    let budi = rings(&mut world, BUDI);
    caller.cancels(&mut world);
    is_cancelled(&mut world, BUDI, &budi);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_number_that_is_cancelled_takes_no_capacity_of_its_trunk() {
    let mut settings = with_fallback_at(NUMBER);
    settings.trunks[0].terms.max_calls = 2;
    let (mut world, mut caller, _) = falling_back(settings);
    Caller::dials_and_is_rejected(&mut world);
    world.register("budi", BUDI);
    answers(&mut world, BUDI);
    world.take(NUMBER, "CANCEL");
    caller.is_answered(&mut world);
    // The telco has not ended the cancelled leg yet.
    let second = Caller::dials(&mut world);
    second.cancels(&mut world);
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_phone_that_says_late_that_it_rings_rings_beside_the_fallback_number() {
    let mut world = World::new(with_fallback_at(NUMBER), &["budi"]);
    world.register("budi", BUDI);
    logs(&mut world, "budi", false);
    let mut caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    world.pass(seconds(5));
    let number = world.take(NUMBER, "INVITE");
    world.receive(NUMBER, &response(&number, NUMBER, "180 Ringing", ""));
    world.receive(BUDI, &response(&invite, BUDI, "180 Ringing", ""));
    assert_eq!(view(&mut world, "budi").state, siaga::acd::State::Offered);
    world.sent.clear();
    let second = Caller::dials_as(&mut world, "081300000");
    assert!(!world.has(BUDI, ""), "no second call rings the operator: {:#?}", world.sent);
    world.receive(NUMBER, &response(&number, NUMBER, "486 Busy Here", ""));
    assert!(!world.has(BUDI, "CANCEL"), "the phone rings on");
    picks_up(&mut world, BUDI, &invite);
    caller.is_answered(&mut world);
    second.cancels(&mut world);
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn an_operator_who_is_not_at_work_and_rings_late_for_the_fallback_is_not_to_blame() {
    let mut settings = with_fallback_at(NUMBER);
    settings.acd.rest = seconds(60);
    let mut world = World::new(settings, &["budi"]);
    world.register("budi", BUDI);
    logs(&mut world, "budi", false);
    let caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    world.pass(seconds(5));
    world.take(NUMBER, "INVITE");
    world.receive(BUDI, &response(&invite, BUDI, "180 Ringing", ""));
    world.receive(BUDI, &response(&invite, BUDI, "486 Busy Here", ""));
    world.sent.clear();
    logs(&mut world, "budi", true);
    assert!(world.has(BUDI, "INVITE"), "the operator does not rest");
    caller.cancels(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}
