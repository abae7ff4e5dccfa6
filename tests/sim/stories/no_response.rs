//! Phones that do not respond: the next operator is rung, and a late response counts as long as the caller waits.

use super::ring_all::{is_cancelled, outcomes, picks_up, rings, states};
use super::*;
use siaga::acd::State;
use siaga::acd::desk::{Desk, Strategy};
use siaga::ids::OperatorId;

/// Budi's second phone.
const BUDI_TOO: &str = "127.0.0.3:5094";
const FALLBACK_AT: &str = "127.0.0.2:5090";

/// Budi is rung first, then sari.
fn setup(settings: Settings) -> World {
    let mut world = World::new(settings, &["budi", "sari"]);
    world.register("budi", BUDI);
    world.pass(seconds(1));
    world.register("sari", SARI);
    world.sent.clear();
    world
}

/// How many INVITEs, repeated ones included, have been sent to a phone since the messages were taken last.
fn invites(world: &World, at: &str) -> usize {
    let at: std::net::SocketAddr = at.parse().unwrap();
    world.sent.iter().filter(|(to, text)| *to == at && text.starts_with("INVITE")).count()
}

fn state(world: &mut World, operator: &str) -> (State, bool) {
    let view = view(world, operator);
    (view.state, view.reachable)
}

fn budi(reachable: bool) -> (String, bool) {
    (format!("sip:budi@{BUDI}"), !reachable)
}

#[test]
fn after_five_seconds_without_a_response_the_next_operator_is_rung_and_a_late_answer_wins() {
    let mut world = setup(settings());
    let mut caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    world.pass(Duration::from_millis(4_999));
    assert!(!world.has(SARI, "INVITE"));
    assert_eq!(world.reach, []);
    world.pass(Duration::from_millis(1));
    assert_eq!(world.reach, [budi(false)]);
    assert_eq!(state(&mut world, "budi"), (State::Offline, false));
    let sari = rings(&mut world, SARI);
    world.pass(seconds(12));
    assert!(!world.has(BUDI, "CANCEL"), "its INVITE stays open beyond ring_seconds");
    assert_eq!(outcomes(&world, OfferOutcome::NoAnswer), 0);
    world.sent.clear();
    picks_up(&mut world, BUDI, &invite);
    is_cancelled(&mut world, SARI, &sari);
    caller.is_answered(&mut world);
    assert_eq!(world.reach, [budi(false), budi(true)]);
    assert_eq!(state(&mut world, "budi"), (State::Talking, true));
    assert_eq!(outcomes(&world, OfferOutcome::Answered), 1);
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_phone_that_says_late_that_it_rings_rings_beside_the_next_operators() {
    let mut world = setup(settings());
    let mut caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    world.pass(seconds(5));
    let sari = rings(&mut world, SARI);
    world.pass(seconds(3));
    world.receive(BUDI, &response(&invite, BUDI, "180 Ringing", ""));
    assert_eq!(states(&world), [0, 0, 2, 0, 0, 0]);
    assert_eq!(world.count(|kind| matches!(kind, FactKind::Ringing { .. })), 2);
    // It rings for ring_seconds from then on.
    world.pass(seconds(14));
    is_cancelled(&mut world, SARI, &sari);
    assert!(!world.has(BUDI, "CANCEL"));
    picks_up(&mut world, BUDI, &invite);
    caller.is_answered(&mut world);
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_late_180_while_the_caller_waits_alone_makes_the_phone_ring_again() {
    let mut settings = settings();
    settings.acd.rest = seconds(60);
    let mut world = setup(settings);
    let mut caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    world.pass(seconds(5));
    let sari = world.take(SARI, "INVITE");
    world.receive(SARI, &response(&sari, SARI, "486 Busy Here", ""));
    assert_eq!(states(&world), [1, 1, 0, 0, 0, 0], "sari rests");
    world.receive(BUDI, &response(&invite, BUDI, "180 Ringing", ""));
    assert_eq!(states(&world), [0, 1, 1, 0, 0, 0]);
    world.pass(seconds(15));
    assert!(world.has(BUDI, "CANCEL"), "nobody picks up");
    assert_eq!(outcomes(&world, OfferOutcome::NoAnswer), 1);
    picks_up(&mut world, BUDI, &invite);
    world.take(BUDI, "BYE");
    world.sent.clear();
    world.pass(seconds(46));
    answers(&mut world, SARI);
    caller.is_answered(&mut world);
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn trying_is_a_response() {
    let mut world = setup(settings());
    let caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    world.pass(seconds(4));
    world.receive(BUDI, &response(&invite, BUDI, "100 Trying", ""));
    world.pass(seconds(10));
    assert!(!world.has(SARI, "INVITE"));
    assert_eq!(world.reach, []);
    world.pass(seconds(1));
    world.take(BUDI, "CANCEL");
    assert_eq!(outcomes(&world, OfferOutcome::NoAnswer), 1);
    caller.cancels(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn an_operator_whose_phone_does_not_respond_is_not_to_blame() {
    let mut settings = settings();
    settings.acd.unanswered_max = 1;
    let mut world = setup(settings);
    let mut caller = Caller::dials(&mut world);
    world.take(BUDI, "INVITE");
    world.pass(seconds(5));
    let sari = answers(&mut world, SARI);
    caller.is_answered(&mut world);
    assert_eq!(outcomes(&world, OfferOutcome::LostRace), 1, "no blame in the record");
    world.pass(seconds(60));
    world.sent.clear();
    world.register("budi", BUDI);
    assert_eq!(state(&mut world, "budi"), (State::Ready, true), "no break, no rest");
    let mut second = Caller::dials(&mut world);
    answers(&mut world, BUDI);
    second.is_answered(&mut world);
    second.hangs_up(&mut world);
    operator_hangs_up(&mut world, SARI, &sari);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn an_invite_without_a_response_until_timer_b_blames_no_operator() {
    let mut settings = settings();
    settings.acd.unanswered_max = 1;
    let mut world = setup(settings);
    let caller = Caller::dials(&mut world);
    world.take(BUDI, "INVITE");
    world.pass(seconds(5));
    let sari = rings(&mut world, SARI);
    world.pass(seconds(10));
    world.receive(SARI, &response(&sari, SARI, "180 Ringing", ""));
    world.pass(seconds(18));
    assert_eq!(outcomes(&world, OfferOutcome::Unreachable), 1, "timer B");
    caller.cancels(&mut world);
    world.sent.clear();
    world.register("budi", BUDI);
    assert_eq!(state(&mut world, "budi"), (State::Ready, true));
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn the_last_phone_of_the_centre_is_rung_on_and_never_marked() {
    let mut settings = settings();
    settings.acd.none_ready = seconds(3_000);
    let mut world = World::new(settings, &["budi"]);
    world.register("budi", BUDI);
    let mut caller = Caller::dials(&mut world);
    world.pass(Duration::from_millis(31_900));
    assert_eq!(invites(&world, BUDI), 7, "one INVITE and its repetitions (timer A), and no other");
    let first = world.take(BUDI, "INVITE");
    world.sent.clear();
    world.pass(seconds(2));
    let again = world.take(BUDI, "INVITE");
    assert_ne!(header(&first, "Call-ID"), header(&again, "Call-ID"), "a new ring attempt after timer B");
    assert_eq!(world.reach, []);
    assert_eq!(state(&mut world, "budi"), (State::Offered, true));
    picks_up(&mut world, BUDI, &again);
    caller.is_answered(&mut world);
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn while_the_last_phone_does_not_respond_the_fallback_begins_and_a_late_answer_still_wins() {
    let mut world = World::new(with_fallback_at(FALLBACK_AT), &["budi"]);
    world.register("budi", BUDI);
    let mut caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    world.pass(seconds(5));
    assert_eq!(world.alarms, [("none-ready", true)]);
    world.pass(seconds(14));
    assert!(!world.has(FALLBACK_AT, "INVITE"));
    // none_ready_seconds after the phone was given up, all phones are rung; none responds.
    world.pass(seconds(6));
    let number = world.take(FALLBACK_AT, "INVITE");
    world.receive(FALLBACK_AT, &response(&number, FALLBACK_AT, "180 Ringing", ""));
    world.sent.clear();
    picks_up(&mut world, BUDI, &invite);
    caller.is_answered(&mut world);
    world.take(FALLBACK_AT, "CANCEL");
    assert_eq!(state(&mut world, "budi").0, State::Talking);
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn an_operator_who_is_rung_for_another_call_gets_no_second_one() {
    let mut world = setup(settings());
    let first = Caller::dials(&mut world);
    let old = world.take(BUDI, "INVITE");
    world.pass(seconds(5));
    let sari = rings(&mut world, SARI);
    let mut second = Caller::dials(&mut world);
    world.sent.clear();
    // The phone is back: it is rung for the caller who waits without a ring attempt.
    world.register("budi", BUDI);
    let new = world.take(BUDI, "INVITE");
    assert_ne!(header(&new, "Call-ID"), header(&old, "Call-ID"));
    assert_eq!(outcomes(&world, OfferOutcome::Withdrawn), 1);
    picks_up(&mut world, BUDI, &new);
    second.is_answered(&mut world);
    // The answer to the first INVITE comes all the same.
    picks_up(&mut world, BUDI, &old);
    let bye = world.take(BUDI, "BYE");
    assert_eq!(header(&bye, "Call-ID"), header(&old, "Call-ID"));
    world.receive(BUDI, &response(&bye, BUDI, "200 OK", ""));
    second.hangs_up(&mut world);
    first.cancels(&mut world);
    is_cancelled(&mut world, SARI, &sari);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_phone_that_registers_again_is_rung_at_once_with_the_invite_that_is_open() {
    let mut world = World::new(settings(), &["budi"]);
    world.register("budi", BUDI);
    let mut caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    world.pass(seconds(8));
    world.sent.clear();
    world.register("budi", BUDI);
    assert_eq!(states(&world), [0, 0, 1, 0, 0, 0]);
    assert_eq!(world.take(BUDI, "INVITE"), invite, "the same, at once");
    picks_up(&mut world, BUDI, &invite);
    caller.is_answered(&mut world);
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_phone_that_comes_back_elsewhere_is_rung_there_and_the_old_invite_is_cancelled() {
    let instance = ";+sip.instance=\"<urn:uuid:1>\"";
    let mut world = World::new(settings(), &["budi"]);
    world.register_with("budi", BUDI, 600, instance, "");
    let mut caller = Caller::dials(&mut world);
    let old = world.take(BUDI, "INVITE");
    world.pass(seconds(8));
    world.register_with("budi", BUDI_TOO, 600, instance, "");
    let new = world.take(BUDI_TOO, "INVITE");
    assert_eq!(outcomes(&world, OfferOutcome::Withdrawn), 1);
    picks_up(&mut world, BUDI_TOO, &new);
    caller.is_answered(&mut world);
    picks_up(&mut world, BUDI, &old);
    world.take(BUDI, "BYE");
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn an_operators_other_phone_that_rings_keeps_the_attempt_and_the_silent_one_is_marked() {
    let mut world = setup(settings());
    world.register("budi", BUDI_TOO);
    world.sent.clear();
    let mut caller = Caller::dials(&mut world);
    let silent = world.take(BUDI, "INVITE");
    let other = rings(&mut world, BUDI_TOO);
    world.pass(seconds(10));
    assert!(!world.has(SARI, "INVITE"));
    assert_eq!(world.reach, [budi(false)]);
    assert_eq!(state(&mut world, "budi"), (State::Offered, true));
    picks_up(&mut world, BUDI_TOO, &other);
    caller.is_answered(&mut world);
    world.receive(BUDI, &response(&silent, BUDI, "180 Ringing", ""));
    is_cancelled(&mut world, BUDI, &silent);
    assert_eq!(world.reach, [budi(false), budi(true)]);
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_phone_that_does_not_respond_is_left_out_while_the_other_one_of_its_operator_does() {
    let mut world = World::new(settings(), &["budi"]);
    world.register("budi", BUDI);
    world.register("budi", BUDI_TOO);
    let first = Caller::dials(&mut world);
    world.take(BUDI, "INVITE");
    rings(&mut world, BUDI_TOO);
    world.pass(seconds(6));
    first.cancels(&mut world);
    world.sent.clear();
    let second = Caller::dials(&mut world);
    assert!(world.has(BUDI_TOO, "INVITE") && !world.has(BUDI, "INVITE"));
    second.cancels(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_dead_phone_beside_a_busy_one_makes_way_for_the_next_operator() {
    let mut world = setup(settings());
    world.register("budi", BUDI_TOO);
    world.sent.clear();
    let caller = Caller::dials(&mut world);
    let busy = world.take(BUDI_TOO, "INVITE");
    world.receive(BUDI_TOO, &response(&busy, BUDI_TOO, "486 Busy Here", ""));
    world.pass(seconds(5));
    assert!(world.has(SARI, "INVITE"));
    assert_eq!(states(&world), [0, 1, 1, 0, 0, 0], "budi rests: the line was busy");
    caller.cancels(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn all_phones_that_do_not_respond_leave_the_caller_to_the_fallback_number_at_once() {
    let mut world = World::new(with_fallback_at(FALLBACK_AT), &["budi", "sari"]);
    world.register("budi", BUDI);
    world.register("sari", SARI);
    for operator in ["budi", "sari"] {
        let operator = OperatorId::parse(operator).unwrap();
        world.orders(ConsoleCommand::LogOut { operator });
    }
    let mut caller = Caller::dials(&mut world);
    let (budi, sari) = (world.take(BUDI, "INVITE"), world.take(SARI, "INVITE"));
    world.pass(seconds(5));
    let number = world.take(FALLBACK_AT, "INVITE");
    world.receive(FALLBACK_AT, &response(&number, FALLBACK_AT, "180 Ringing", ""));
    world.receive(BUDI, &response(&budi, BUDI, "180 Ringing", ""));
    assert!(!world.has(BUDI, "CANCEL"), "it rings, whoever answers first");
    picks_up(&mut world, SARI, &sari);
    caller.is_answered(&mut world);
    world.take(FALLBACK_AT, "CANCEL");
    is_cancelled(&mut world, BUDI, &budi);
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn ring_all_goes_on_to_wait_when_no_phone_responds_and_room_is_left_for_others() {
    let mut settings = settings();
    settings.acd.desks = vec![Desk { strategy: Strategy::RingAll, ..Desk::default() }];
    let mut world = setup(settings);
    let mut caller = Caller::dials(&mut world);
    let (budi, sari) = (world.take(BUDI, "INVITE"), world.take(SARI, "INVITE"));
    world.pass(seconds(5));
    assert_eq!(world.reach.len(), 1, "never the last one");
    world.sent.clear();
    world.register("budi", BUDI_TOO);
    let new = world.take(BUDI_TOO, "INVITE");
    picks_up(&mut world, SARI, &sari);
    caller.is_answered(&mut world);
    for (at, invite) in [(BUDI, &budi), (BUDI_TOO, &new)] {
        world.receive(at, &response(invite, at, "180 Ringing", ""));
        is_cancelled(&mut world, at, invite);
    }
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_ring_attempt_without_a_response_ends_two_seconds_after_its_binding_is_removed() {
    let mut world = setup(settings());
    let mut caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    world.pass(seconds(1));
    world.register_for("budi", BUDI, 0);
    world.pass(Duration::from_millis(1_999));
    assert!(!world.has(SARI, "INVITE"));
    world.pass(Duration::from_millis(1));
    assert_eq!(outcomes(&world, OfferOutcome::Unreachable), 1);
    answers(&mut world, SARI);
    caller.is_answered(&mut world);
    world.sent.clear();
    world.receive(BUDI, &response(&invite, BUDI, "180 Ringing", ""));
    is_cancelled(&mut world, BUDI, &invite);
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_ring_attempt_goes_on_if_its_phone_has_responded_or_registers_anew() {
    for (responds, again) in [(true, false), (false, true)] {
        let mut world = setup(settings());
        let mut caller = Caller::dials(&mut world);
        let invite = world.take(BUDI, "INVITE");
        if responds {
            world.receive(BUDI, &response(&invite, BUDI, "100 Trying", ""));
        }
        world.register_for("budi", BUDI, 0);
        world.pass(seconds(1));
        if again {
            world.register("budi", BUDI);
        }
        world.pass(seconds(3));
        assert!(!world.has(SARI, "INVITE"), "{responds} {again}");
        picks_up(&mut world, BUDI, &invite);
        caller.is_answered(&mut world);
        caller.hangs_up(&mut world);
        world.assert_empty_in_the_end();
    }
}

#[test]
fn an_open_invite_without_a_response_ends_two_seconds_after_its_binding_is_removed() {
    let mut world = setup(settings());
    let caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    world.pass(seconds(6));
    let sari = rings(&mut world, SARI);
    world.register_for("budi", BUDI, 0);
    world.pass(seconds(2));
    assert_eq!(outcomes(&world, OfferOutcome::Unreachable), 1);
    world.sent.clear();
    world.receive(BUDI, &response(&invite, BUDI, "180 Ringing", ""));
    is_cancelled(&mut world, BUDI, &invite);
    caller.cancels(&mut world);
    is_cancelled(&mut world, SARI, &sari);
    world.assert_empty_in_the_end();
}

#[test]
fn a_caller_who_gives_up_cancels_open_invites_too() {
    let mut world = setup(settings());
    let caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    world.pass(seconds(6));
    let sari = rings(&mut world, SARI);
    caller.cancels(&mut world);
    assert_eq!(outcomes(&world, OfferOutcome::CallerLeft), 2);
    is_cancelled(&mut world, SARI, &sari);
    world.sent.clear();
    picks_up(&mut world, BUDI, &invite);
    let bye = world.take(BUDI, "BYE");
    world.receive(BUDI, &response(&bye, BUDI, "200 OK", ""));
    world.assert_empty_in_the_end();
}
