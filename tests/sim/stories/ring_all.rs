//! Calls that ring at several phones: races of answers, legs that fail, phones that die, register or pause meanwhile.

use super::*;
use siaga::acd::desk::{Desk, Strategy};
use siaga::acd::shift::Plan;
use siaga::clock::Timestamp;
use siaga::ids::OperatorId;
use siaga::switchboard::ConsoleCommand;

const TONO: &str = "127.0.0.3:5093";

fn setup(strategy: Strategy) -> World {
    let mut settings = settings();
    let progress = Duration::from_secs(5);
    settings.acd.desks = vec![Desk { strategy, progress, ..Desk::default() }];
    let mut world = World::new(settings, &["budi", "sari", "tono"]);
    world.register("budi", BUDI);
    world.register("sari", SARI);
    world
}

/// The phone at `at` is rung and says so.
pub(super) fn rings(world: &mut World, at: &str) -> String {
    let invite = world.take(at, "INVITE");
    world.receive(at, &response(&invite, at, "180 Ringing", ""));
    invite
}

pub(super) fn picks_up(world: &mut World, at: &str, invite: &str) {
    world.receive(at, &response(invite, at, "200 OK", &sdp(at, 31_000)));
    world.take(at, "ACK");
}

/// The phone at `at` gets a CANCEL and ends its leg.
pub(super) fn is_cancelled(world: &mut World, at: &str, invite: &str) -> String {
    let cancel = world.take(at, "CANCEL");
    world.receive(at, &response(&cancel, at, "200 OK", ""));
    world.receive(at, &response(invite, at, "487 Request Terminated", ""));
    world.take(at, "ACK");
    cancel
}

pub(super) fn outcomes(world: &World, wanted: OfferOutcome) -> usize {
    world.count(|kind| matches!(kind, FactKind::OfferEnded { outcome, .. } if *outcome == wanted))
}

pub(super) fn states(world: &World) -> [usize; 6] {
    world.switchboard.gauges().operators
}

#[test]
fn the_first_answer_of_ring_all_wins_and_the_others_learn_that_it_was_taken_elsewhere() {
    let mut world = setup(Strategy::RingAll);
    let mut caller = Caller::dials(&mut world);
    let (budi, sari) = (rings(&mut world, BUDI), rings(&mut world, SARI));
    picks_up(&mut world, SARI, &sari);
    let cancel = is_cancelled(&mut world, BUDI, &budi);
    assert!(header(&cancel, "Reason").contains("Call completed elsewhere"), "{cancel}");
    caller.is_answered(&mut world);
    assert_eq!(outcomes(&world, OfferOutcome::LostRace), 1);
    assert_eq!(states(&world), [1, 1, 0, 1, 0, 0], "budi is ready again");
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn two_phones_that_answer_at_once_never_both_get_the_call() {
    let mut world = setup(Strategy::RingAll);
    let mut caller = Caller::dials(&mut world);
    let (budi, sari) = (rings(&mut world, BUDI), rings(&mut world, SARI));
    picks_up(&mut world, BUDI, &budi);
    world.take(SARI, "CANCEL");
    picks_up(&mut world, SARI, &sari);
    let bye = world.take(SARI, "BYE");
    world.receive(SARI, &response(&bye, SARI, "200 OK", ""));
    caller.is_answered(&mut world);
    assert_eq!(world.count(|kind| matches!(kind, FactKind::Answered { .. })), 1);
    assert!(!world.has(BUDI, "BYE"));
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn one_busy_leg_of_ring_all_does_not_redial_the_others() {
    let mut world = setup(Strategy::RingAll);
    let mut caller = Caller::dials(&mut world);
    let (budi, sari) = (rings(&mut world, BUDI), rings(&mut world, SARI));
    world.receive(SARI, &response(&sari, SARI, "486 Busy Here", ""));
    world.take(SARI, "ACK");
    world.pass(Duration::from_secs(2));
    assert!(
        !world.has(BUDI, "INVITE") && !world.has(BUDI, "CANCEL") && !world.has(SARI, "INVITE"),
        "{:#?}",
        world.sent
    );
    picks_up(&mut world, BUDI, &budi);
    caller.is_answered(&mut world);
    assert_eq!((outcomes(&world, OfferOutcome::Busy), outcomes(&world, OfferOutcome::LostRace)), (1, 0));
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_caller_who_cancels_while_a_phone_answers_leaves_no_phone_ringing() {
    let mut world = setup(Strategy::RingAll);
    let caller = Caller::dials(&mut world);
    let (budi, sari) = (rings(&mut world, BUDI), rings(&mut world, SARI));
    caller.cancels(&mut world);
    world.take(BUDI, "CANCEL");
    picks_up(&mut world, BUDI, &budi);
    let bye = world.take(BUDI, "BYE");
    world.receive(BUDI, &response(&bye, BUDI, "200 OK", ""));
    is_cancelled(&mut world, SARI, &sari);
    assert_eq!(endings(&world), [(Side::Caller, EndCause::Abandoned)]);
    assert_eq!(states(&world), [1, 2, 0, 0, 0, 0], "nobody is reserved for ever in ring-all");
    world.assert_empty_in_the_end();
}

#[test]
fn a_phone_that_dies_during_ring_all_leaves_the_others_ringing() {
    let mut world = setup(Strategy::RingAll);
    let mut caller = Caller::dials(&mut world);
    let budi = rings(&mut world, BUDI);
    world.take(SARI, "INVITE");
    world.is_unreachable(SARI);
    assert_eq!(outcomes(&world, OfferOutcome::Unreachable), 1);
    assert_eq!(states(&world), [2, 0, 1, 0, 0, 0]);
    picks_up(&mut world, BUDI, &budi);
    caller.is_answered(&mut world);
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_registration_during_ring_all_repeats_no_invite_and_the_new_operator_joins() {
    let mut world = setup(Strategy::RingAll);
    let mut caller = Caller::dials(&mut world);
    let (budi, sari) = (rings(&mut world, BUDI), rings(&mut world, SARI));
    world.register("sari", SARI);
    assert!(!world.has(SARI, "INVITE") && !world.has(SARI, "CANCEL") && !world.has(BUDI, "INVITE"));
    world.register("tono", TONO);
    let tono = rings(&mut world, TONO);
    assert!(!world.has(SARI, "INVITE") && !world.has(BUDI, "INVITE"), "the others are not rung again");
    picks_up(&mut world, SARI, &sari);
    is_cancelled(&mut world, BUDI, &budi);
    is_cancelled(&mut world, TONO, &tono);
    caller.is_answered(&mut world);
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_shift_that_ends_during_ring_all_lets_the_phone_ring_and_its_answer_counts() {
    let mut settings = settings();
    settings.acd.desks = vec![Desk { strategy: Strategy::RingAll, ..Desk::default() }];
    let from = 1_764_000_000_000;
    let mut plan = Plan { rostered: true, ..Plan::default() };
    for (name, seconds) in [("budi", 10), ("sari", 10_000)] {
        let spans = plan.spans.entry(OperatorId::parse(name).unwrap()).or_default();
        spans.insert((Timestamp::from_millis(from), Timestamp::from_millis(from + seconds * 1_000)));
    }
    settings.acd.plan = plan;
    let mut world = World::new(settings, &["budi", "sari"]);
    world.register("budi", BUDI);
    world.register("sari", SARI);
    let mut caller = Caller::dials(&mut world);
    let (budi, sari) = (rings(&mut world, BUDI), rings(&mut world, SARI));
    world.pass(Duration::from_secs(12));
    assert_eq!(states(&world), [0, 0, 2, 0, 0, 0]);
    picks_up(&mut world, BUDI, &budi);
    is_cancelled(&mut world, SARI, &sari);
    caller.is_answered(&mut world);
    caller.hangs_up(&mut world);
    world.pass(Duration::from_secs(11));
    assert_eq!(states(&world), [1, 1, 0, 0, 0, 0], "he finishes the call, and is off shift");
    world.assert_empty_in_the_end();
}

#[test]
fn a_pause_during_ring_all_begins_when_the_operators_leg_ends() {
    let mut world = setup(Strategy::RingAll);
    let mut caller = Caller::dials(&mut world);
    let (budi, sari) = (rings(&mut world, BUDI), rings(&mut world, SARI));
    let operator = OperatorId::parse("budi").unwrap();
    let command = ConsoleCommand::Pause { operator, reason: "meal".to_owned() };
    world.step(Input::Console { request: 1, by: admin(), command });
    assert_eq!(states(&world), [1, 0, 2, 0, 0, 0], "it rings on");
    picks_up(&mut world, SARI, &sari);
    is_cancelled(&mut world, BUDI, &budi);
    assert_eq!(states(&world), [1, 0, 0, 1, 0, 1]);
    caller.is_answered(&mut world);
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn an_unanswered_ring_all_ends_for_all_operators_and_is_repeated_after_the_rest() {
    let mut world = setup(Strategy::RingAll);
    let mut caller = Caller::dials(&mut world);
    let (budi, sari) = (rings(&mut world, BUDI), rings(&mut world, SARI));
    world.pass(Duration::from_secs(15));
    is_cancelled(&mut world, BUDI, &budi);
    is_cancelled(&mut world, SARI, &sari);
    assert_eq!((outcomes(&world, OfferOutcome::NoAnswer), states(&world)), (2, [1, 2, 0, 0, 0, 0]));
    assert!(!world.has(BUDI, "INVITE") && !world.has(SARI, "INVITE"), "they rest");
    world.pass(Duration::from_secs(5));
    let (budi, sari) = (rings(&mut world, BUDI), rings(&mut world, SARI));
    picks_up(&mut world, BUDI, &budi);
    is_cancelled(&mut world, SARI, &sari);
    caller.is_answered(&mut world);
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn ring_progressively_rings_one_more_after_a_while_and_the_first_rings_on() {
    let mut world = setup(Strategy::RingProgressively);
    let mut caller = Caller::dials(&mut world);
    let budi = rings(&mut world, BUDI);
    assert!(!world.has(SARI, "INVITE"));
    world.pass(Duration::from_secs(5));
    let sari = rings(&mut world, SARI);
    assert!(!world.has(BUDI, "CANCEL"));
    picks_up(&mut world, BUDI, &budi);
    is_cancelled(&mut world, SARI, &sari);
    caller.is_answered(&mut world);
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn each_leg_of_ring_progressively_has_its_own_time() {
    let mut world = setup(Strategy::RingProgressively);
    let caller = Caller::dials(&mut world);
    let budi = rings(&mut world, BUDI);
    world.pass(Duration::from_secs(5));
    let sari = rings(&mut world, SARI);
    world.pass(Duration::from_secs(10));
    is_cancelled(&mut world, BUDI, &budi);
    assert!(!world.has(SARI, "CANCEL"));
    world.pass(Duration::from_secs(5));
    is_cancelled(&mut world, SARI, &sari);
    caller.cancels(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn an_update_or_a_re_invite_that_crosses_the_bye_gets_481_and_times_nothing() {
    for method in ["UPDATE", "INVITE"] {
        let mut world = setup(Strategy::RingAll);
        let mut caller = Caller::dials(&mut world);
        let (budi, _) = (rings(&mut world, BUDI), rings(&mut world, SARI));
        picks_up(&mut world, BUDI, &budi);
        caller.is_answered(&mut world);
        // Sari's phone is dead: its leg keeps the call in the table for a while.
        world.take(SARI, "CANCEL");
        operator_hangs_up(&mut world, BUDI, &budi);
        let bye = world.take(TRUNK, "BYE");
        let body = if method == "INVITE" { sdp(TRUNK, 30_000) } else { String::new() };
        caller.asks(&mut world, method, 2, "Supported: timer\r\nSession-Expires: 90;refresher=uac\r\n", &body);
        world.take(TRUNK, "SIP/2.0 481");
        world.receive(TRUNK, &response(&bye, TRUNK, "200 OK", ""));
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}
