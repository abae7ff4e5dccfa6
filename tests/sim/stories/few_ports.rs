//! Few RTP ports: callers leave them to operators' phones, wait without one, and have one when they are served.

use siaga::acd::desk::{Desk, Strategy};
use siaga::ids::OperatorId;
use siaga::switchboard::{AnswerMode, ConsoleCommand, ConsoleReply, PortShortage};

use super::attended::Placed;
use super::call_commands::named;
use super::ring_all::{is_cancelled, outcomes, picks_up, rings, states};
use super::transfer::DAMKAR;
use super::*;

const BUDI_TOO: &str = "127.0.0.3:5094";

/// A service with so many pairs of ports; no phone is registered yet.
fn with(pairs: u16) -> World {
    World::with_ports(settings(), &["budi", "sari"], pairs)
}

/// Another caller, who waits without a port: hears 180 and nothing else.
pub(super) fn waits(world: &mut World) -> Caller {
    let lent = world.switchboard.gauges().anchors;
    // One after the other.
    world.pass(Duration::from_millis(1));
    let mut caller = Caller::dials(world);
    assert!(!world.has(TRUNK, "SIP/2.0 183") && !world.has(TRUNK, "SIP/2.0 200"), "{:#?}", world.sent);
    let ringing = caller.hears(world, "SIP/2.0 180");
    assert!(!ringing.contains("m=audio"), "{ringing}");
    assert_eq!(world.switchboard.gauges().anchors, lent, "takes no port");
    caller
}

/// The caller is answered by the phone that got this INVITE, and both hear each other: each is told of its own port, the two are
/// joined, and each is sent to where its peer listens.
pub(super) fn talks(world: &mut World, caller: &mut Caller, invite: &str) {
    let answer = caller.hears(world, "SIP/2.0 200");
    caller.acknowledges(world);
    let port = |text: &str| text.split("m=audio ").nth(1).unwrap().split(' ').next().unwrap().parse::<u32>().unwrap();
    let (of_caller, of_operator) = ports(world);
    assert_eq!((port(&answer), port(invite)), (20_000 + 2 * of_caller.slot, 20_000 + 2 * of_operator.slot));
    let aimed = |wanted: AnchorId| {
        let aimed = world.media.iter().rev().find_map(|command| match command {
            Command::SetRemote { anchor, remote } if *anchor == wanted => Some((remote.rtp.to_string(), remote.send)),
            _ => None,
        });
        aimed.unwrap()
    };
    assert_eq!(aimed(of_caller), ("127.0.0.2:30000".to_owned(), true));
    assert_eq!(aimed(of_operator), ("127.0.0.3:31000".to_owned(), true));
}

pub(super) fn lent(world: &World) -> usize {
    world.switchboard.gauges().anchors
}

pub(super) fn without_port(world: &World) -> usize {
    world.switchboard.gauges().without_port
}

#[test]
fn callers_who_wait_leave_the_ports_to_the_phone_of_a_ready_operator() {
    let mut world = with(2);
    let (mut first, mut second) = (waits(&mut world), waits(&mut world));
    assert_eq!((lent(&world), without_port(&world)), (0, 2));
    world.register("budi", BUDI);
    let invite = answers(&mut world, BUDI);
    talks(&mut world, &mut first, &invite);
    assert_eq!((lent(&world), without_port(&world)), (2, 1));
    assert!(!world.has(TRUNK, "SIP/2.0 200"), "the other one waits on");
    first.hangs_up(&mut world);
    world.sent.clear();
    world.pass(Duration::from_secs(10));
    let invite = answers(&mut world, BUDI);
    talks(&mut world, &mut second, &invite);
    second.hangs_up(&mut world);
    assert_eq!(endings(&world), [(Side::Caller, EndCause::Normal), (Side::Caller, EndCause::Normal)]);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn no_caller_is_rejected_for_want_of_a_port_and_each_is_served_in_turn() {
    let mut world = with(4);
    let early = [Caller::dials(&mut world), Caller::dials(&mut world)];
    assert_eq!(lent(&world), 2, "half of the pairs may be held while waiting");
    world.sent.clear();
    let mut callers: Vec<Caller> = early.into_iter().chain((0..20).map(|_| waits(&mut world))).collect();
    assert_eq!((lent(&world), without_port(&world)), (2, 20));
    world.register("budi", BUDI);
    for (nth, caller) in callers.iter_mut().enumerate() {
        world.pass(Duration::from_secs(11));
        let invite = answers(&mut world, BUDI);
        assert!(header(&invite, "From").contains(&caller.number()), "caller {nth} is next: {invite}");
        talks(&mut world, caller, &invite);
        caller.hangs_up(&mut world);
        world.sent.clear();
    }
    assert_eq!(world.count(|kind| matches!(kind, FactKind::Ended { cause: EndCause::Normal, .. })), 22);
    assert!(world.rejections.is_empty());
    world.assert_empty_in_the_end();
}

#[test]
fn the_port_is_given_back_when_no_operator_answers_and_the_caller_keeps_the_place() {
    let mut world = with(2);
    let (mut first, second) = (waits(&mut world), waits(&mut world));
    world.register("budi", BUDI);
    let invite = rings(&mut world, BUDI);
    assert_eq!((lent(&world), without_port(&world)), (2, 1));
    world.receive(BUDI, &response(&invite, BUDI, "486 Busy Here", ""));
    world.take(BUDI, "ACK");
    assert_eq!((lent(&world), without_port(&world)), (0, 2));
    assert!(!world.has(TRUNK, ""), "they know already that they wait: {:#?}", world.sent);
    world.pass(Duration::from_secs(6));
    let invite = rings(&mut world, BUDI);
    world.sent.clear();
    world.pass(Duration::from_secs(14));
    is_cancelled(&mut world, BUDI, &invite);
    assert_eq!((lent(&world), without_port(&world)), (0, 2));
    world.sent.clear();
    world.pass(Duration::from_secs(6));
    let invite = answers(&mut world, BUDI);
    assert!(header(&invite, "From").contains(&first.number()), "{invite}");
    talks(&mut world, &mut first, &invite);
    second.cancels(&mut world);
    first.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_caller_without_a_port_hears_the_queue_as_soon_as_the_reserve_is_free_again() {
    let mut world = with(4);
    let first = Caller::dials(&mut world);
    let second = Caller::dials(&mut world);
    world.sent.clear();
    let mut third = waits(&mut world);
    let fourth = waits(&mut world);
    first.cancels(&mut world);
    let early = third.hears(&mut world, "SIP/2.0 183");
    assert!(early.contains("m=audio"), "{early}");
    assert!(!world.has(TRUNK, "SIP/2.0 183"), "only one of them");
    assert_eq!((lent(&world), without_port(&world)), (2, 1));
    for caller in [second, third, fourth] {
        caller.cancels(&mut world);
    }
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_queue_that_answers_lets_callers_without_a_port_ring_until_they_have_one() {
    let mut world =
        World::with_ports(changed(settings(), |settings| settings.calls.answer = AnswerMode::Queue), &["budi"], 4);
    let mut first = Caller::dials(&mut world);
    first.is_answered(&mut world);
    let mut second = Caller::dials(&mut world);
    second.is_answered(&mut world);
    let (mut third, mut fourth) = (waits(&mut world), waits(&mut world));
    first.hangs_up(&mut world);
    third.is_answered(&mut world);
    assert!(!world.has(TRUNK, "SIP/2.0 200"), "the last one waits on: {:#?}", world.sent);
    second.hangs_up(&mut world);
    fourth.is_answered(&mut world);
    let fifth = Caller::dials(&mut world);
    fifth.cancels(&mut world);
    assert_eq!(lent(&world), 2);
    world.register("budi", BUDI);
    answers(&mut world, BUDI);
    third.hangs_up(&mut world);
    fourth.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_queue_that_answers_gives_a_caller_without_a_port_the_200_of_the_operator() {
    let mut world =
        World::with_ports(changed(settings(), |settings| settings.calls.answer = AnswerMode::Queue), &["budi"], 2);
    let mut caller = waits(&mut world);
    world.register("budi", BUDI);
    let invite = rings(&mut world, BUDI);
    assert!(!world.has(TRUNK, "SIP/2.0 200"), "the port may be taken back");
    picks_up(&mut world, BUDI, &invite);
    talks(&mut world, &mut caller, &invite);
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_caller_without_a_port_may_cancel_ask_and_be_asked_for_nothing() {
    let mut world = with(2);
    let caller = waits(&mut world);
    caller.asks(&mut world, "UPDATE", 2, "", "");
    world.take(TRUNK, "SIP/2.0 200");
    for (method, cseq) in [("UPDATE", 3), ("INVITE", 4)] {
        caller.asks(&mut world, method, cseq, "", &sdp(TRUNK, 30_002));
        let later = world.take(TRUNK, "SIP/2.0 500");
        assert!(later.contains("Retry-After"), "{later}");
    }
    caller.asks(&mut world, "PRACK", 5, "RAck: 1 1 INVITE\r\n", "");
    world.take(TRUNK, "SIP/2.0 481");
    caller.asks(&mut world, "OPTIONS", 6, "", "");
    world.take(TRUNK, "SIP/2.0 200");
    caller.asks_of(&mut world, "INFO", 7, "Content-Type: application/dtmf-relay\r\n", "Signal=1\r\nDuration=160\r\n");
    world.take(TRUNK, "SIP/2.0 200");
    world.pass(Duration::from_secs(61));
    world.take(TRUNK, "SIP/2.0 180");
    caller.cancels(&mut world);
    assert_eq!(endings(&world), [(Side::Caller, EndCause::Abandoned)]);
    world.assert_empty_in_the_end();
}

#[test]
fn a_caller_who_cancels_while_a_phone_rings_leaves_both_ports() {
    let mut world = with(2);
    let caller = waits(&mut world);
    world.register("budi", BUDI);
    let invite = rings(&mut world, BUDI);
    assert_eq!(lent(&world), 2);
    caller.cancels(&mut world);
    is_cancelled(&mut world, BUDI, &invite);
    assert_eq!((lent(&world), without_port(&world)), (0, 0));
    world.assert_empty_in_the_end();
}

#[test]
fn a_caller_without_an_offer_gets_ours_with_the_200() {
    for more in ["", "Require: 100rel\r\n"] {
        let mut world = with(2);
        let mut caller = Caller::dials_with(&mut world, more, false);
        let ringing = caller.hears(&mut world, "SIP/2.0 180");
        // A first response that is reliable would have to hold the offer, for which there is no port yet (RFC 3262 §5).
        assert!(!ringing.contains("m=audio") && !ringing.contains("RSeq"), "{ringing}");
        world.register("budi", BUDI);
        let invite = answers(&mut world, BUDI);
        let offer = caller.hears(&mut world, "SIP/2.0 200");
        assert!(offer.contains("m=audio"), "{offer}");
        caller.acknowledges_with(&mut world, &sdp(TRUNK, 30_000));
        let (of_caller, _) = ports(&world);
        let aimed = |command: &Command| matches!(command, Command::SetRemote { anchor, .. } if *anchor == of_caller);
        assert!(world.media.iter().any(aimed));
        operator_hangs_up(&mut world, BUDI, &invite);
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}

#[test]
fn a_caller_who_requires_reliable_responses_gets_the_answer_with_the_200() {
    let mut world = with(2);
    let mut caller = Caller::dials_with(&mut world, "Require: 100rel\r\n", true);
    let ringing = caller.hears(&mut world, "SIP/2.0 180");
    assert!(!ringing.contains("m=audio"), "{ringing}");
    caller.pracks(&mut world, &ringing, 2, "");
    world.register("budi", BUDI);
    let invite = answers(&mut world, BUDI);
    talks(&mut world, &mut caller, &invite);
    caller.hangs_up_as(&mut world, 3);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn an_offer_that_cannot_be_answered_is_rejected_at_once_with_or_without_a_port() {
    let mut world = with(2);
    let video = "v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\nm=audio 30000 RTP/AVP 96\r\n\
                 a=rtpmap:96 opus/48000/2\r\n";
    Caller::dials_of(&mut world, "Content-Type: application/sdp\r\n", video);
    world.take(TRUNK, "SIP/2.0 488");
    assert_eq!(endings(&world), [(Side::Service, EndCause::NoCodec)]);
    world.pass(Duration::from_secs(40));
    assert_eq!(lent(&world), 0);
}

#[test]
fn a_supervisor_picks_a_caller_without_a_port_up() {
    let mut terms = settings();
    terms.operators.supervisors = [OperatorId::parse("ani").unwrap()].into();
    for (pairs, picked) in [(2, true), (1, false)] {
        let mut world = World::with_ports(terms.clone(), &["ani"], pairs);
        let mut caller = waits(&mut world);
        // Sari has no phone that could be rung: Sari calls from a new registration, on a break.
        world.orders(ConsoleCommand::Pause { operator: named("ani"), reason: "meal".to_owned() });
        world.register("ani", super::conference::ANI);
        let mut ani = Placed::to(&mut world, "ani", super::conference::ANI, "*25");
        if !picked {
            world.take(super::conference::ANI, "SIP/2.0 503");
            assert_eq!((lent(&world), without_port(&world)), (0, 1));
            caller.cancels(&mut world);
            continue;
        }
        let answer = ani.is_answered(&mut world);
        assert!(answer.contains("m=audio"), "{answer}");
        caller.is_answered(&mut world);
        assert!(super::conference::is_bridged(&world));
        assert_eq!((lent(&world), without_port(&world)), (2, 0));
        caller.hangs_up(&mut world);
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}

#[test]
fn the_fallback_number_is_rung_for_a_caller_without_a_port() {
    let mut terms = settings();
    terms.trunks[0].target = Some(TRUNK.parse().unwrap());
    terms.fallback.number = Some("0113".to_owned());
    let mut world = World::with_ports(terms, &["budi"], 2);
    let mut caller = Caller::dials(&mut world);
    let invite = world.take(TRUNK, "INVITE sip:0113");
    assert!(!world.has(TRUNK, "SIP/2.0 183"), "the port may be taken back");
    let mut second = waits(&mut world);
    assert_eq!((lent(&world), without_port(&world)), (2, 1));
    world.receive(TRUNK, &response(&invite, TRUNK, "200 OK", &sdp(TRUNK, 31_000)));
    caller.is_answered(&mut world);
    assert!(super::conference::is_bridged(&world));
    caller.hangs_up(&mut world);
    // In the same step the second caller gets them.
    let invite = world.take(TRUNK, "INVITE sip:0113");
    world.receive(TRUNK, &response(&invite, TRUNK, "486 Busy Here", ""));
    assert_eq!((lent(&world), without_port(&world)), (0, 1));
    world.register("budi", BUDI);
    world.sent.retain(|(to, _)| *to != TRUNK.parse().unwrap());
    let invite = answers(&mut world, BUDI);
    talks(&mut world, &mut second, &invite);
    second.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_number_of_the_escalation_that_no_port_is_free_for_is_rung_as_soon_as_one_is() {
    let mut terms = settings();
    terms.acd.none_ready = Duration::from_secs(600);
    terms.trunks[0].target = Some(TRUNK.parse().unwrap());
    let outside = vec![(Duration::from_secs(20), DAMKAR.to_owned())];
    terms.numbers.desks = vec![siaga::switchboard::DeskCalls { outside, ..Default::default() }];
    let mut world = World::with_ports(terms, &["budi"], 2);
    world.register("budi", BUDI);
    let mut first = Caller::dials(&mut world);
    let invite = answers(&mut world, BUDI);
    talks(&mut world, &mut first, &invite);
    world.sent.clear();
    let mut second = waits(&mut world);
    world.pass(Duration::from_secs(35));
    assert!(!world.has(TRUNK, "INVITE"), "{:#?}", world.sent);
    world.orders(ConsoleCommand::Pause { operator: named("budi"), reason: "meal".to_owned() });
    first.hangs_up(&mut world);
    world.pass(Duration::from_secs(10));
    let invite = world.take(TRUNK, &format!("INVITE sip:{DAMKAR}"));
    world.receive(TRUNK, &response(&invite, TRUNK, "200 OK", &sdp(TRUNK, 31_000)));
    second.is_answered(&mut world);
    assert!(super::conference::is_bridged(&world));
    second.hangs_up(&mut world);
    world.sent.clear();
    world.pass(Duration::from_secs(600));
}

#[test]
fn where_all_phones_ring_further_ones_leave_pairs_to_the_next_call() {
    let mut terms = settings();
    terms.trunks[0].target = Some(TRUNK.parse().unwrap());
    terms.fallback.number = Some("0113".to_owned());
    terms.acd.login_on_register = false;
    let mut world = World::with_ports(terms, &["budi", "sari"], 4);
    world.register("budi", BUDI);
    world.register("sari", SARI);
    let mut caller = Caller::dials(&mut world);
    let invite = rings(&mut world, BUDI);
    assert!(!world.has(SARI, "INVITE"), "two pairs are for the next call: {:#?}", world.sent);
    let second = Caller::dials(&mut world);
    world.take(TRUNK, "INVITE sip:0113");
    picks_up(&mut world, BUDI, &invite);
    talks(&mut world, &mut caller, &invite);
    second.cancels(&mut world);
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.pass(Duration::from_secs(120));
}

#[test]
fn ring_all_rings_as_many_phones_as_there_are_ports_for() {
    let mut terms = settings();
    terms.acd.desks = vec![Desk { strategy: Strategy::RingAll, ..Desk::default() }];
    let mut world = World::with_ports(terms, &["budi", "sari"], 2);
    let mut caller = waits(&mut world);
    world.register("budi", BUDI);
    world.register("sari", SARI);
    let invite = rings(&mut world, BUDI);
    assert!(!world.has(SARI, "INVITE"), "{:#?}", world.sent);
    assert_eq!(states(&world), [0, 1, 1, 0, 0, 0], "the one without a port for the phone stays ready");
    picks_up(&mut world, BUDI, &invite);
    talks(&mut world, &mut caller, &invite);
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn an_operator_without_a_port_is_not_blamed_and_is_rung_as_soon_as_one_is_free() {
    let mut terms = settings();
    terms.acd.unanswered_max = 1;
    let mut world = World::with_ports(terms, &["budi", "sari"], 2);
    world.register("budi", BUDI);
    let mut first = Caller::dials(&mut world);
    let invite = answers(&mut world, BUDI);
    talks(&mut world, &mut first, &invite);
    world.sent.clear();
    let mut second = waits(&mut world);
    assert_eq!(world.port_shortages, [PortShortage::Reserve]);
    world.register("sari", SARI);
    assert_eq!(world.port_shortages, [PortShortage::Reserve, PortShortage::Exhausted]);
    world.pass(Duration::from_secs(60));
    assert!(!world.has(SARI, "INVITE"));
    assert_eq!((states(&world), outcomes(&world, OfferOutcome::NoAnswer)), ([0, 1, 0, 1, 0, 0], 0));
    world.sent.clear();
    first.hangs_up(&mut world);
    let invite = answers(&mut world, SARI);
    talks(&mut world, &mut second, &invite);
    assert_eq!(world.port_shortages.last(), Some(&PortShortage::None));
    second.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_single_pair_is_too_few_for_a_caller_without_a_port() {
    let mut world = with(3);
    let mut held = Caller::dials(&mut world);
    held.hears(&mut world, "SIP/2.0 183");
    world.register("budi", BUDI);
    let first = answers(&mut world, BUDI);
    talks(&mut world, &mut held, &first);
    assert_eq!(lent(&world), 2);
    let mut without = waits(&mut world);
    world.register("sari", SARI);
    assert!(!world.has(SARI, "INVITE"), "one pair is too few for a caller without a port");
    held.hangs_up(&mut world);
    let invite = answers(&mut world, SARI);
    talks(&mut world, &mut without, &invite);
    without.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn operators_second_phones_ring_only_while_another_conversation_can_begin() {
    for (pairs, both) in [(4, false), (5, true)] {
        let mut world = with(pairs);
        world.register("budi", BUDI);
        world.register("budi", BUDI_TOO);
        let caller = Caller::dials(&mut world);
        let rung = [BUDI, BUDI_TOO].into_iter().filter(|at| world.has(at, "INVITE")).count();
        assert_eq!(rung, if both { 2 } else { 1 }, "{pairs}");
        caller.cancels(&mut world);
        world.sent.clear();
    }
}

#[test]
fn a_test_call_takes_no_port_of_callers() {
    for (pairs, status) in [(2, "SIP/2.0 503"), (3, "SIP/2.0 200")] {
        let mut world = with(pairs);
        let test =
            Caller::invite_text(&mut world).replace("INVITE sip:112@127.0.0.1:5060", "INVITE urn:service:test.sos");
        world.receive(TRUNK, &test);
        world.take(TRUNK, status);
    }
}

#[test]
fn placed_calls_and_participants_leave_the_ports_to_callers() {
    let mut terms = settings();
    terms.trunks[0].target = Some(TRUNK.parse().unwrap());
    terms.numbers.agencies = vec![siaga::switchboard::Agency { name: "damkar".to_owned(), number: DAMKAR.to_owned() }];
    let mut world = World::with_ports(terms, &["budi", "sari"], 4);
    world.register("budi", BUDI);
    world.register("sari", SARI);
    let mut caller = Caller::dials(&mut world);
    let invite = answers(&mut world, BUDI);
    talks(&mut world, &mut caller, &invite);
    let call = world.facts.iter().find_map(|fact| fact.call).unwrap();
    let refused = ConsoleReply::Refused { status: 503 };
    let place = ConsoleCommand::Place { operator: named("sari"), to: "budi".to_owned() };
    assert_eq!(world.orders(place), ConsoleReply::Refused { status: 503 });
    let guest = ConsoleCommand::InviteParticipant { call, to: "damkar".to_owned() };
    assert_eq!(world.orders(guest), refused);
    Placed::to(&mut world, "sari", SARI, "budi");
    world.take(SARI, "SIP/2.0 503");
    let mut second = Caller::dials(&mut world);
    let invite = answers(&mut world, SARI);
    talks(&mut world, &mut second, &invite);
    caller.hangs_up(&mut world);
    second.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}
