//! One story each: what a caller, a queue and operators live through, told in SIP.

mod all_phones;
mod attended;
mod bodies;
mod breaks;
mod bring_up;
mod call_back;
mod call_commands;
mod classes;
mod clock_steps;
mod conference;
mod damaged;
mod dead_phone;
mod digits;
mod early;
mod events;
mod fallback_joined;
mod few_ports;
mod forged_numbers;
mod full_transactions;
mod history;
mod hold;
mod internal;
mod late;
mod long_calls;
mod lost_dialog;
mod moves;
mod neighbours;
mod next_trunk;
mod no_response;
mod no_response_few_ports;
mod operating_mode;
mod outside;
mod over;
mod overtaken;
mod own_lack;
mod own_phone;
mod peer_probe;
mod place_kept;
mod present;
mod reach;
mod refresh;
mod rejected;
mod reliable;
mod reload;
mod renegotiate;
mod replaces;
mod restart;
mod ring_all;
mod second_address;
mod secret;
mod service_calls;
mod shared_address;
mod silent;
mod small;
mod sources;
mod stations;
mod strangers_state;
mod supervise;
mod texts;
mod texts_again;
mod third_parties;
mod transfer;
mod trusted;
mod two_families;
mod two_phones;
mod unsent;
mod update;
mod used_up;
mod variants;
mod waiting;
mod watchers;

use std::time::Duration;

use siaga::acd::View;
use siaga::cdr::fact::{EndCause, FactKind, OfferOutcome, Side};
use siaga::media::command::{AnchorId, Command, Event};
use siaga::sip::flow::Flow;
use siaga::switchboard::{ConsoleCommand, ConsoleReply, Input, Settings};

use super::caller::Caller;
use super::world::{TRUNK, World, admin, changed, credentials, header, response, sdp, settings};

const BUDI: &str = "127.0.0.3:5091";
const SARI: &str = "127.0.0.3:5092";

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A fallback number over a server of its own, at `at`.
fn with_fallback_at(at: &str) -> Settings {
    let mut settings = settings();
    settings.fallback.number = Some("0725112233".to_owned());
    settings.trunks[0].target = Some(at.parse().unwrap());
    settings
}

/// What the console shows of an operator.
fn view(world: &mut World, operator: &str) -> View {
    let ConsoleReply::Operators { operators, .. } = world.orders(ConsoleCommand::Operators) else { panic!() };
    operators.into_iter().find(|view| view.operator.as_str() == operator).unwrap()
}

fn staffed() -> World {
    let mut world = World::new(settings(), &["budi", "sari"]);
    world.register("budi", BUDI);
    world
}

/// The phone at `at` rings and answers; gives the INVITE.
fn answers(world: &mut World, at: &str) -> String {
    let invite = world.take(at, "INVITE");
    world.receive(at, &response(&invite, at, "180 Ringing", ""));
    world.receive(at, &response(&invite, at, "200 OK", &sdp(at, 31_000)));
    world.take(at, "ACK");
    invite
}

/// The phone that got `invite` sends BYE.
fn operator_hangs_up(world: &mut World, at: &str, invite: &str) {
    world.asks(at, invite, "BYE", 1, "", "");
    world.take(at, "SIP/2.0 200");
}

/// A request of the phone that got `invite`, in the dialog of its 200.
fn asks(world: &mut World, at: &str, invite: &str, method: &str, cseq: u32, more: &str, body: &str) {
    world.asks(at, invite, method, cseq, more, body);
}

/// The two ports of the talk: the caller's, the operator's.
fn ports(world: &World) -> (AnchorId, AnchorId) {
    let bridge = world.media.iter().rev().find_map(|command| match command {
        Command::Bridge { a, b } => Some((*a, *b)),
        _ => None,
    });
    bridge.unwrap()
}

fn endings(world: &World) -> Vec<(Side, EndCause)> {
    let ending = |kind: &FactKind| match kind {
        FactKind::Ended { by, cause, .. } => Some((*by, *cause)),
        _ => None,
    };
    world.facts.iter().filter_map(|fact| ending(&fact.kind)).collect()
}

#[test]
fn a_call_rings_is_answered_bridged_and_hung_up_by_the_operator() {
    let mut world = staffed();
    let mut caller = Caller::dials(&mut world);
    let invite = answers(&mut world, BUDI);
    assert!(header(&invite, "From").contains("sip:0812"), "the operator sees the caller's number: {invite}");
    world.take(TRUNK, "SIP/2.0 180");
    caller.is_answered(&mut world);
    assert!(world.media.iter().any(|command| matches!(command, Command::Bridge { .. })));
    operator_hangs_up(&mut world, BUDI, &invite);
    caller.is_hung_up(&mut world);
    assert_eq!(endings(&world), [(Side::Operator, EndCause::Normal)]);
    world.assert_empty_in_the_end();
    assert_eq!(world.count(|kind| matches!(kind, FactKind::WrappedUp { .. })), 1);
}

#[test]
fn the_callers_bye_ends_the_operators_leg() {
    let mut world = staffed();
    let mut caller = Caller::dials(&mut world);
    answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    caller.hangs_up(&mut world);
    let bye = world.take(BUDI, "BYE");
    world.receive(BUDI, &response(&bye, BUDI, "200 OK", ""));
    assert_eq!(endings(&world), [(Side::Caller, EndCause::Normal)]);
    world.assert_empty_in_the_end();
}

#[test]
fn a_cancel_stops_the_ringing_phone_in_the_same_step() {
    let mut world = staffed();
    let caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    world.receive(BUDI, &response(&invite, BUDI, "180 Ringing", ""));
    caller.cancels(&mut world);
    let cancel = world.take(BUDI, "CANCEL");
    world.receive(BUDI, &response(&cancel, BUDI, "200 OK", ""));
    world.receive(BUDI, &response(&invite, BUDI, "487 Request Terminated", ""));
    world.take(BUDI, "ACK");
    assert_eq!(endings(&world), [(Side::Caller, EndCause::Abandoned)]);
    world.assert_empty_in_the_end();
}

#[test]
fn a_200_that_crosses_the_cancel_gets_ack_and_bye() {
    let mut world = staffed();
    let caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    world.receive(BUDI, &response(&invite, BUDI, "180 Ringing", ""));
    caller.cancels(&mut world);
    world.take(BUDI, "CANCEL");
    world.receive(BUDI, &response(&invite, BUDI, "200 OK", &sdp(BUDI, 31_000)));
    world.take(BUDI, "ACK");
    let bye = world.take(BUDI, "BYE");
    world.receive(BUDI, &response(&bye, BUDI, "200 OK", ""));
    assert_eq!(endings(&world), [(Side::Caller, EndCause::Abandoned)]);
    world.assert_empty_in_the_end();
}

#[test]
fn a_phone_that_does_not_answer_makes_way_for_the_next() {
    let mut world = staffed();
    world.register("sari", SARI);
    let mut caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    world.receive(BUDI, &response(&invite, BUDI, "180 Ringing", ""));
    world.pass(Duration::from_secs(16));
    world.take(BUDI, "CANCEL");
    world.receive(BUDI, &response(&invite, BUDI, "487 Request Terminated", ""));
    answers(&mut world, SARI);
    caller.is_answered(&mut world);
    caller.hangs_up(&mut world);
    let no_answer = |kind: &FactKind| matches!(kind, FactKind::OfferEnded { outcome: OfferOutcome::NoAnswer, .. });
    assert_eq!(world.count(no_answer), 1);
    world.assert_empty_in_the_end();
}

#[test]
fn a_phone_that_is_not_there_gets_no_more_offers_until_it_registers() {
    let mut world = staffed();
    world.register("sari", SARI);
    let mut caller = Caller::dials(&mut world);
    world.take(BUDI, "INVITE");
    world.is_unreachable(BUDI);
    answers(&mut world, SARI);
    caller.is_answered(&mut world);
    let mut second = Caller::dials(&mut world);
    world.pass(Duration::from_secs(20));
    assert!(!world.has(BUDI, "INVITE"), "{:#?}", world.sent);
    world.register("budi", BUDI);
    answers(&mut world, BUDI);
    second.is_answered(&mut world);
    caller.hangs_up(&mut world);
    second.hangs_up(&mut world);
    let unreachable = |kind: &FactKind| matches!(kind, FactKind::OfferEnded { outcome: OfferOutcome::Unreachable, .. });
    assert_eq!(world.count(unreachable), 1);
    world.assert_empty_in_the_end();
}

#[test]
fn a_busy_phone_frees_the_next_attempt_at_once_and_the_caller_keeps_the_place() {
    let mut world = staffed();
    world.register("sari", SARI);
    let mut first = Caller::dials(&mut world);
    let busy = world.take(BUDI, "INVITE");
    world.receive(BUDI, &response(&busy, BUDI, "486 Busy Here", ""));
    world.take(BUDI, "ACK");
    answers(&mut world, SARI);
    first.is_answered(&mut world);
    first.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn the_second_caller_hears_the_queue_and_is_served_after_wrap_up() {
    let mut world = staffed();
    let mut first = Caller::dials(&mut world);
    let invite = answers(&mut world, BUDI);
    first.is_answered(&mut world);
    let mut second = Caller::dials(&mut world);
    let early = world.take(TRUNK, "SIP/2.0 183");
    assert!(early.contains("m=audio"), "early media needs a description: {early}");
    assert!(world.media.iter().any(|command| matches!(command, Command::Play { .. })));
    operator_hangs_up(&mut world, BUDI, &invite);
    first.is_hung_up(&mut world);
    world.pass(Duration::from_secs(9));
    assert!(!world.has(BUDI, "INVITE"), "wrap-up is not over");
    world.pass(Duration::from_secs(2));
    answers(&mut world, BUDI);
    second.is_answered(&mut world);
    second.hangs_up(&mut world);
    assert_eq!(endings(&world).len(), 2);
    world.assert_empty_in_the_end();
}

#[test]
fn a_caller_waits_until_an_operator_registers() {
    let mut world = World::new(settings(), &["budi"]);
    let mut caller = Caller::dials(&mut world);
    world.take(TRUNK, "SIP/2.0 183");
    assert_eq!(world.count(|kind| matches!(kind, FactKind::NobodyOnShift)), 1);
    world.register("budi", BUDI);
    world.pass(Duration::from_secs(11));
    answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_lost_operator_sends_the_caller_back_to_the_head_of_the_queue() {
    let mut world = staffed();
    world.register("sari", SARI);
    let mut caller = Caller::dials(&mut world);
    answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    let bridge = world.media.iter().find_map(|command| match command {
        Command::Bridge { b, .. } => Some(*b),
        _ => None,
    });
    world.step(Input::Media(Event::Silent { anchor: bridge.unwrap(), limit: None }));
    world.take(BUDI, "BYE");
    answers(&mut world, SARI);
    caller.hangs_up(&mut world);
    assert_eq!(world.count(|kind| matches!(kind, FactKind::OperatorLost { .. })), 1);
    assert_eq!(world.count(|kind| matches!(kind, FactKind::Answered { .. })), 2);
    assert_eq!(endings(&world), [(Side::Caller, EndCause::Normal)]);
    world.assert_empty_in_the_end();
}

#[test]
fn a_200_is_repeated_until_the_ack_and_a_silent_caller_without_ack_is_given_up() {
    let mut world = staffed();
    let mut caller = Caller::dials(&mut world);
    answers(&mut world, BUDI);
    caller.hears_200(&mut world);
    world.pass(Duration::from_millis(600));
    world.take(TRUNK, "SIP/2.0 200");
    world.pass(Duration::from_secs(40));
    assert_eq!(endings(&world), [(Side::Service, EndCause::CallerLost)]);
    world.take(TRUNK, "BYE");
    world.take(BUDI, "BYE");
    world.assert_empty_in_the_end();
}

#[test]
fn a_caller_with_audio_keeps_the_call_without_an_ack() {
    let mut world = staffed();
    let mut caller = Caller::dials(&mut world);
    answers(&mut world, BUDI);
    caller.hears_200(&mut world);
    let bridge = world.media.iter().find_map(|command| match command {
        Command::Bridge { a, .. } => Some(*a),
        _ => None,
    });
    world.step(Input::Media(Event::Heard { anchor: bridge.unwrap() }));
    world.pass(Duration::from_secs(60));
    assert_eq!(endings(&world), []);
    world.sent.clear();
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn an_operator_who_hangs_up_before_the_callers_ack_waits_with_the_bye() {
    let mut world = staffed();
    let mut caller = Caller::dials(&mut world);
    let invite = answers(&mut world, BUDI);
    caller.hears_200(&mut world);
    operator_hangs_up(&mut world, BUDI, &invite);
    assert!(!world.has(TRUNK, "BYE"));
    caller.acknowledges(&mut world);
    caller.is_hung_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_stranger_is_challenged_and_leaves_no_state() {
    let mut world = staffed();
    let before = world.switchboard.gauges();
    let stranger = "127.0.0.9:5060";
    world.receive(
        stranger,
        "INVITE sip:112@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.9:5060;branch=z9hG4bKx\r\nFrom: <sip:x@x>;tag=x\r\n\
         To: <sip:112@127.0.0.1>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nContact: <sip:x@127.0.0.9>\r\nMax-Forwards: 70\r\n\
         Content-Length: 0\r\n\r\n",
    );
    world.take(stranger, "SIP/2.0 401");
    assert_eq!(world.switchboard.gauges(), before);
}

#[test]
fn a_fork_of_the_same_call_is_refused_as_merged() {
    let mut world = staffed();
    let caller = Caller::dials(&mut world);
    caller.invite_again(&mut world, "fork");
    world.take(TRUNK, "SIP/2.0 482");
    caller.cancels(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_feature_code_pauses_and_resumes_an_operator() {
    let mut world = staffed();
    for (code, cseq) in [("*13", 1), ("*14", 3)] {
        let uri = format!("sip:{code}@127.0.0.1");
        let invite = |branch: u32, cseq: u32, authorization: &str| {
            let body = sdp(BUDI, 31_000);
            format!(
                "INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {BUDI};branch=z9hG4bKf{branch}\r\nFrom: <sip:budi@127.0.0.1>;tag=f\r\n\
                 To: <{uri}>\r\nCall-ID: feature{code}\r\nCSeq: {cseq} INVITE\r\nContact: <sip:budi@{BUDI}>\r\nMax-Forwards: 70\r\n\
                 {authorization}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
        };
        let serial = world.next_serial();
        world.receive(BUDI, &invite(serial, cseq, ""));
        let challenge = world.take(BUDI, "SIP/2.0 401");
        let serial = world.next_serial();
        world.receive(BUDI, &invite(serial, cseq + 1, &credentials(&challenge, "budi", "INVITE", &uri)));
        world.take(BUDI, "SIP/2.0 200");
        let paused = world.switchboard.gauges().operators[5];
        assert_eq!(paused, usize::from(code == "*13"));
    }
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_drain_refuses_new_calls_and_ends_when_the_last_is_over() {
    let mut world = staffed();
    let mut caller = Caller::dials(&mut world);
    answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    world.step(Input::Drain);
    assert!(!world.drained);
    let late = Caller::dials_and_is_rejected(&mut world);
    assert!(late.contains("Retry-After"), "{late}");
    caller.hangs_up(&mut world);
    // The phone's answer to our BYE may be lost, and the refusal has no ACK yet: both are sent again.
    assert!(!world.drained);
    world.pass(Duration::from_secs(33));
    assert!(world.drained);
}
