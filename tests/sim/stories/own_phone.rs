//! Calls that the console places for an operator: the own phones ring first, and then the target.

use siaga::cdr::fact::{Callee, Fact};
use siaga::ids::{CallId, OperatorId};
use siaga::media::command::Prompt;
use siaga::sip::flow::{ConnectionId, Transport};
use siaga::switchboard::{ConsoleCommand, ConsoleReply, Listener};

use super::call_back::{abandons, list};
use super::call_commands::named;
use super::conference::is_bridged;
use super::ring_all::{is_cancelled, outcomes, picks_up, rings, states};
use super::transfer::{DAMKAR, floor, is_hung_up, refuses};
use super::*;

/// Budi's second phone.
const BUDI_TOO: &str = "127.0.0.3:5094";
/// Who has called and was not answered.
const ANI: &str = "081355501";
const REFUSED: fn(u16) -> ConsoleReply = |status| ConsoleReply::Refused { status };

/// Budi and Sari, and an agency behind a trunk.
fn setup() -> World {
    let mut world = floor();
    world.register("sari", SARI);
    world
}

fn orders(world: &mut World, operator: &str, to: &str) -> ConsoleReply {
    world.orders(ConsoleCommand::Place { operator: named(operator), to: to.to_owned() })
}

/// Rings Budi's phones for a placed call.
fn calls(world: &mut World, to: &str) -> CallId {
    match orders(world, "budi", to) {
        ConsoleReply::Calling { call } => call,
        reply => panic!("{to}: {reply:?}"),
    }
}

/// Budi has answered the own phone; returns its INVITE.
fn is_there(world: &mut World, to: &str) -> (CallId, String) {
    let call = calls(world, to);
    let invite = rings(world, BUDI);
    picks_up(world, BUDI, &invite);
    (call, invite)
}

/// The facts of that call.
fn facts(world: &World, call: CallId) -> Vec<&Fact> {
    world.facts.iter().filter(|fact| fact.call == Some(call)).collect()
}

/// How it has ended: who has ended it, why, and the status that stands for it.
fn ended(world: &World, call: CallId) -> (Side, EndCause, Option<u16>) {
    let ended = facts(world, call).into_iter().find_map(|fact| match fact.kind {
        FactKind::Ended { by, cause, sip_status, .. } => Some((by, cause, sip_status)),
        _ => None,
    });
    ended.unwrap()
}

fn state_of(world: &mut World, call: CallId) -> Option<(&'static str, Option<OperatorId>)> {
    let ConsoleReply::Calls { calls } = world.orders(ConsoleCommand::Calls) else { panic!("no calls") };
    calls.into_iter().find(|one| one.call == call).map(|one| (one.state, one.operator))
}

#[test]
fn the_operators_own_phone_rings_first_and_then_the_colleagues() {
    let mut world = setup();
    let call = calls(&mut world, "sari");
    assert!(!world.has(SARI, ""), "not before he is there");
    let own = rings(&mut world, BUDI);
    assert!(header(&own, "From").starts_with("\"sari\" <sip:sari@127.0.0.1>;tag="), "he sees whom he calls: {own}");
    assert!(!own.contains("emergency-CallId"), "it is no emergency call: {own}");
    assert_eq!(state_of(&mut world, call), Some(("own-phone", Some(named("budi")))));
    assert_eq!(states(&world), [0, 1, 1, 0, 0, 0]);
    picks_up(&mut world, BUDI, &own);
    let offered = rings(&mut world, SARI);
    assert!(header(&offered, "From").starts_with("\"budi\" <sip:budi@127.0.0.1>;tag="), "{offered}");
    let tone = |command: &&Command| matches!(command, Command::Play { then: Some(Prompt::HoldTone), .. });
    assert!(world.media.iter().any(|command| tone(&command)), "he hears that it rings");
    assert_eq!(state_of(&mut world, call), Some(("placed", Some(named("budi")))));
    assert_eq!(states(&world), [0, 0, 1, 1, 0, 0]);
    picks_up(&mut world, SARI, &offered);
    assert!(is_bridged(&world) && !world.has(BUDI, ""), "he is asked for nothing more: {:#?}", world.sent);
    assert_eq!(states(&world), [0, 0, 0, 2, 0, 0]);
    world.pass(Duration::from_secs(20));
    operator_hangs_up(&mut world, BUDI, &own);
    is_hung_up(&mut world, SARI);
    assert_eq!(ended(&world, call), (Side::Caller, EndCause::Normal, None));
    let FactKind::Placed { by, to, ordered_by, .. } = &facts(&world, call)[0].kind else { panic!("not placed") };
    let sari = Callee::Operator(named("sari"));
    assert_eq!((by, to, ordered_by.as_deref()), (&named("budi"), &sari, Some("ani")));
    let ordered = |kind: &FactKind| matches!(kind, FactKind::Commanded { command, of, done: true, .. } if command == "call" && of == "budi sari");
    assert_eq!(world.count(ordered), 1);
    world.assert_empty_in_the_end();
}

#[test]
fn the_colleague_and_the_operator_may_hang_up_and_hold() {
    let mut world = setup();
    let (call, own) = is_there(&mut world, "sari");
    let offered = rings(&mut world, SARI);
    picks_up(&mut world, SARI, &offered);
    let held = sdp(BUDI, 31_000).replace("sendrecv", "sendonly");
    asks(&mut world, BUDI, &own, "INVITE", 1, "", &held);
    let answer = world.take(BUDI, "SIP/2.0 200");
    assert!(answer.contains("a=recvonly"), "{answer}");
    world.asks(BUDI, &own, "ACK", 1, "", "");
    assert_eq!(world.count(|kind| matches!(kind, FactKind::Held { .. })), 1);
    operator_hangs_up(&mut world, SARI, &offered);
    is_hung_up(&mut world, BUDI);
    assert_eq!(ended(&world, call), (Side::Operator, EndCause::Normal, None));
    world.assert_empty_in_the_end();
}

#[test]
fn an_agency_is_called_from_the_centres_number() {
    let mut world = setup();
    let (call, own) = is_there(&mut world, "damkar");
    assert!(header(&own, "From").contains(DAMKAR), "{own}");
    let out = world.take(TRUNK, "INVITE");
    assert!(out.starts_with(&format!("INVITE sip:{DAMKAR}@{TRUNK} SIP/2.0\r\n")), "{out}");
    assert!(header(&out, "From").starts_with("\"112\" <sip:112@127.0.0.1>;tag="), "{out}");
    assert!(!out.contains("psap-callback"), "{out}");
    world.receive(TRUNK, &response(&out, TRUNK, "180 Ringing", ""));
    world.receive(TRUNK, &response(&out, TRUNK, "200 OK", &sdp(TRUNK, 31_000)));
    world.take(TRUNK, "ACK");
    assert!(is_bridged(&world));
    operator_hangs_up(&mut world, BUDI, &own);
    is_hung_up(&mut world, TRUNK);
    assert_eq!(ended(&world, call).2, None);
    world.assert_empty_in_the_end();
}

#[test]
fn a_call_back_has_the_fields_of_rfc_7090() {
    let mut world = setup();
    world.orders(ConsoleCommand::LogOut { operator: named("sari") });
    abandons(&mut world, ANI, 8);
    let call = calls(&mut world, ANI);
    let own = rings(&mut world, BUDI);
    assert!(header(&own, "From").starts_with(&format!("\"{ANI} 0 min ago, waited 0:08\"")), "{own}");
    assert!(!own.contains("psap-callback"), "his own phone is nobody who is called back: {own}");
    assert!(list(&mut world)[0].called_now, "nobody else calls that number meanwhile");
    assert_eq!(orders(&mut world, "sari", ANI), REFUSED(486));
    picks_up(&mut world, BUDI, &own);
    let out = world.take(TRUNK, "INVITE");
    assert!(out.starts_with(&format!("INVITE sip:{ANI}@{TRUNK} SIP/2.0\r\n")), "{out}");
    assert_eq!((header(&out, "Priority"), header(&out, "Resource-Priority")), ("psap-callback", "esnet.0"));
    assert_eq!(header(&out, "P-Asserted-Identity"), "<sip:112@127.0.0.1>");
    refuses(&mut world, TRUNK, &out, "486 Busy Here");
    let bye = world.take(BUDI, "BYE");
    assert_eq!(header(&bye, "Reason"), "SIP;cause=486", "he is told why");
    world.receive(BUDI, &response(&bye, BUDI, "200 OK", ""));
    assert_eq!(ended(&world, call), (Side::Service, EndCause::Normal, Some(486)));
    assert_eq!(list(&mut world)[0].tries, 1);
    let (_, own) = is_there(&mut world, ANI);
    let out = world.take(TRUNK, "INVITE");
    world.receive(TRUNK, &response(&out, TRUNK, "200 OK", &sdp(TRUNK, 31_000)));
    world.take(TRUNK, "ACK");
    assert!(list(&mut world).is_empty(), "who was reached leaves the list");
    operator_hangs_up(&mut world, BUDI, &own);
    is_hung_up(&mut world, TRUNK);
    let called_back = |kind: &FactKind| match kind {
        FactKind::CalledBack { outcome, .. } => Some(*outcome),
        _ => None,
    };
    let told: Vec<_> = world.facts.iter().filter_map(|fact| called_back(&fact.kind)).collect();
    assert_eq!(told, [OfferOutcome::Busy, OfferOutcome::Answered]);
    world.assert_empty_in_the_end();
}

#[test]
fn an_operator_who_does_not_answer_is_free_again_and_no_number_was_called() {
    for end in ["rings in vain", "declines", "redirects", "dies", "is removed", "answers unusably"] {
        let mut world = setup();
        abandons(&mut world, ANI, 8);
        world.orders(ConsoleCommand::AssignCallBack { number: Some(ANI.to_owned()), operator: named("budi") });
        world.sent.clear();
        let call = calls(&mut world, ANI);
        let invite = world.take(BUDI, "INVITE");
        if end != "dies" {
            world.receive(BUDI, &response(&invite, BUDI, "180 Ringing", ""));
        }
        let status = match end {
            "rings in vain" => {
                world.pass(Duration::from_secs(16));
                is_cancelled(&mut world, BUDI, &invite);
                480
            }
            "declines" => {
                refuses(&mut world, BUDI, &invite, "603 Decline");
                603
            }
            "redirects" => {
                refuses(&mut world, BUDI, &invite, "302 Moved Temporarily");
                480
            }
            "dies" => {
                world.is_unreachable(BUDI);
                503
            }
            "is removed" => {
                world.step(Input::Accounts(vec![crate::world::account("sari")]));
                is_cancelled(&mut world, BUDI, &invite);
                480
            }
            _ => {
                let body = sdp(BUDI, 31_000).replace("m=audio", "m=video");
                world.receive(BUDI, &response(&invite, BUDI, "200 OK", &body));
                world.take(BUDI, "ACK");
                is_hung_up(&mut world, BUDI);
                488
            }
        };
        assert_eq!(ended(&world, call), (Side::Caller, EndCause::Abandoned, Some(status)), "{end}");
        assert!(!world.has(TRUNK, "INVITE"), "{end}: the number was never called");
        let one = list(&mut world).remove(0);
        assert_eq!((one.tries, one.called_now), (0, false), "{end}: it is as it was");
        assert_eq!(one.assigned_to, Some(named("budi")), "{end}");
        assert_eq!(world.count(|kind| matches!(kind, FactKind::CalledBack { .. })), 0);
        let gone = usize::from(matches!(end, "dies"));
        assert_eq!(states(&world)[..4], [gone, 2 - gone - usize::from(end == "is removed"), 0, 0], "{end}");
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}

#[test]
fn while_the_own_phone_rings_the_operator_gets_no_call_and_then_a_waiting_one() {
    let mut world = setup();
    world.orders(ConsoleCommand::Pause { operator: named("sari"), reason: "meal".to_owned() });
    calls(&mut world, "damkar");
    let own = rings(&mut world, BUDI);
    let mut caller = Caller::dials(&mut world);
    assert!(!world.has(BUDI, "INVITE"), "he is reserved");
    // Nor can Budi be rung for another order.
    assert_eq!(orders(&mut world, "budi", "sari"), REFUSED(486));
    refuses(&mut world, BUDI, &own, "486 Busy Here");
    let invite = rings(&mut world, BUDI);
    assert!(header(&invite, "From").contains("sip:0812"), "{invite}");
    picks_up(&mut world, BUDI, &invite);
    caller.is_answered(&mut world);
    caller.hangs_up(&mut world);
    is_hung_up(&mut world, BUDI);
    // A call during the wrap-up is allowed, and ends the wrap-up.
    assert_eq!(states(&world)[4], 1);
    calls(&mut world, "damkar");
    assert_eq!(states(&world), [0, 0, 1, 0, 0, 1]);
    assert_eq!(world.count(|kind| matches!(kind, FactKind::WrappedUp { .. })), 1);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn the_operator_hangs_up_while_the_other_side_rings() {
    let mut world = setup();
    abandons(&mut world, ANI, 8);
    world.sent.clear();
    let (call, own) = is_there(&mut world, "sari");
    let offered = rings(&mut world, SARI);
    operator_hangs_up(&mut world, BUDI, &own);
    is_cancelled(&mut world, SARI, &offered);
    assert_eq!(ended(&world, call), (Side::Caller, EndCause::Abandoned, Some(487)));
    // A call-back that was begun is a try.
    let (_, own) = is_there(&mut world, ANI);
    let out = world.take(TRUNK, "INVITE");
    world.receive(TRUNK, &response(&out, TRUNK, "180 Ringing", ""));
    operator_hangs_up(&mut world, BUDI, &own);
    is_cancelled(&mut world, TRUNK, &out);
    assert_eq!(list(&mut world)[0].tries, 1);
    world.assert_empty_in_the_end();
}

#[test]
fn a_colleague_who_became_busy_is_not_rung_and_the_operator_gets_the_reason() {
    let mut world = setup();
    let call = calls(&mut world, "sari");
    let own = rings(&mut world, BUDI);
    let mut caller = Caller::dials(&mut world);
    answers(&mut world, SARI);
    caller.is_answered(&mut world);
    picks_up(&mut world, BUDI, &own);
    assert!(!world.has(SARI, "INVITE"));
    let bye = world.take(BUDI, "BYE");
    assert_eq!(header(&bye, "Reason"), "SIP;cause=486");
    assert_eq!(ended(&world, call).2, Some(486));
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn both_own_phones_ring_and_the_first_answer_is_used() {
    let mut world = setup();
    world.register("budi", BUDI_TOO);
    let call = calls(&mut world, "sari");
    let (one, other) = (rings(&mut world, BUDI), rings(&mut world, BUDI_TOO));
    refuses(&mut world, BUDI, &one, "486 Busy Here");
    assert_eq!(states(&world)[2], 1, "the other one rings still");
    picks_up(&mut world, BUDI_TOO, &other);
    let offered = rings(&mut world, SARI);
    operator_hangs_up(&mut world, BUDI_TOO, &other);
    is_cancelled(&mut world, SARI, &offered);
    assert_eq!(ended(&world, call).2, Some(487));
    calls(&mut world, "sari");
    let (one, other) = (rings(&mut world, BUDI), rings(&mut world, BUDI_TOO));
    picks_up(&mut world, BUDI, &one);
    let cancel = world.take(BUDI_TOO, "CANCEL");
    assert!(header(&cancel, "Reason").contains("Call completed elsewhere"), "{cancel}");
    // It was answered in the same moment.
    picks_up(&mut world, BUDI_TOO, &other);
    is_hung_up(&mut world, BUDI_TOO);
    let offered = rings(&mut world, SARI);
    picks_up(&mut world, SARI, &offered);
    assert!(is_bridged(&world));
    assert_eq!(outcomes(&world, OfferOutcome::LostRace), 1);
    operator_hangs_up(&mut world, BUDI, &one);
    is_hung_up(&mut world, SARI);
    world.assert_empty_in_the_end();
}

#[test]
fn a_200_that_comes_again_gets_its_ack_and_that_of_a_fork_a_bye() {
    let mut world = setup();
    let call = calls(&mut world, "sari");
    let first = world.take(BUDI, "INVITE");
    // The phone wants longer sessions: the INVITE comes again, with another number.
    let small = response(&first, BUDI, "422 Session Interval Too Small", "");
    world.receive(BUDI, &small.replacen("Contact", "Min-SE: 200\r\nContact", 1));
    world.take(BUDI, "ACK");
    let own = rings(&mut world, BUDI);
    assert_eq!(header(&own, "CSeq"), "2 INVITE");
    picks_up(&mut world, BUDI, &own);
    world.receive(BUDI, &response(&own, BUDI, "200 OK", &sdp(BUDI, 31_000)));
    assert_eq!(header(&world.take(BUDI, "ACK"), "CSeq"), "2 ACK", "our first one was lost");
    let fork = response(&own, BUDI, "200 OK", &sdp(BUDI, 31_000)).replace("tag=phone", "tag=fork");
    world.receive(BUDI, &fork);
    assert!(header(&world.take(BUDI, "ACK"), "To").contains("tag=fork"));
    assert!(header(&world.take(BUDI, "BYE"), "To").contains("tag=fork"));
    let offered = rings(&mut world, SARI);
    picks_up(&mut world, SARI, &offered);
    assert!(is_bridged(&world) && !world.has(BUDI, "BYE"), "the call is none the worse for it");
    operator_hangs_up(&mut world, SARI, &offered);
    is_hung_up(&mut world, BUDI);
    assert_eq!(ended(&world, call).2, None);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_call_that_cannot_be_placed_is_refused_with_the_reason() {
    let mut world = setup();
    abandons(&mut world, ANI, 8);
    world.sent.clear();
    assert_eq!(orders(&mut world, "nobody", "sari"), ConsoleReply::UnknownOperator);
    assert_eq!(orders(&mut world, "budi", "nobody"), REFUSED(404));
    assert_eq!(orders(&mut world, "budi", "budi"), REFUSED(403), "nobody calls himself");
    assert_eq!(orders(&mut world, "budi", "112"), REFUSED(403), "nor the queue");
    assert_eq!(orders(&mut world, "budi", "0725999"), ConsoleReply::UnknownNumber);
    world.orders(ConsoleCommand::AssignCallBack { number: Some(ANI.to_owned()), operator: named("sari") });
    assert_eq!(orders(&mut world, "budi", ANI), REFUSED(403), "it is for Sari");
    world.register_for("sari", SARI, 0);
    assert_eq!(orders(&mut world, "budi", "sari"), REFUSED(480), "she has no phone there");
    assert_eq!(orders(&mut world, "sari", "budi"), REFUSED(480), "nor could she call");
    let mut caller = Caller::dials(&mut world);
    let invite = answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    assert_eq!(orders(&mut world, "budi", "damkar"), REFUSED(486), "he talks");
    world.register("sari", SARI);
    assert_eq!(orders(&mut world, "sari", "budi"), REFUSED(486));
    operator_hangs_up(&mut world, BUDI, &invite);
    caller.is_hung_up(&mut world);
    world.step(Input::Drain);
    assert_eq!(orders(&mut world, "sari", "damkar"), REFUSED(503), "the service is ending");
    assert_eq!(world.count(|kind| matches!(kind, FactKind::Placed { .. })), 0);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_service_that_ends_cancels_ringing_phones_and_hangs_up_connected_ones() {
    for is_there_already in [false, true] {
        let mut world = setup();
        if is_there_already {
            is_there(&mut world, "sari");
            world.take(SARI, "INVITE");
        } else {
            calls(&mut world, "sari");
            rings(&mut world, BUDI);
        }
        world.step(Input::HangUpAll);
        world.take(BUDI, if is_there_already { "BYE" } else { "CANCEL" });
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}

#[test]
fn a_phone_over_tcp_that_loses_its_connection_keeps_the_call_that_it_has_answered() {
    let mut settings = settings();
    settings.site.listeners.push(Listener {
        transport: Transport::Tcp,
        local: "127.0.0.1:5060".parse().unwrap(),
        advertised: "127.0.0.1:5060".to_owned(),
    });
    let mut world = World::new(settings, &["budi", "sari"]);
    let flow = Flow {
        transport: Transport::Tcp,
        local: "127.0.0.1:5060".parse().unwrap(),
        remote: BUDI.parse().unwrap(),
        connection: ConnectionId(7),
    };
    world.streams.insert(BUDI.parse().unwrap(), flow);
    world.register("budi", BUDI);
    world.register("sari", SARI);
    is_there(&mut world, "sari");
    let offered = rings(&mut world, SARI);
    picks_up(&mut world, SARI, &offered);
    world.step(Input::Unreachable { flow });
    assert!(is_bridged(&world), "they talk on");
    operator_hangs_up(&mut world, SARI, &offered);
    is_hung_up(&mut world, BUDI);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_call_back_without_a_trunk_counts_as_an_attempt_and_the_operator_gets_the_reason() {
    let mut world = World::new(settings(), &["budi"]);
    world.register("budi", BUDI);
    abandons(&mut world, ANI, 8);
    let (call, _) = is_there(&mut world, ANI);
    let bye = world.take(BUDI, "BYE");
    assert_eq!(header(&bye, "Reason"), "SIP;cause=503");
    world.receive(BUDI, &response(&bye, BUDI, "200 OK", ""));
    assert_eq!(ended(&world, call), (Side::Service, EndCause::Normal, Some(503)));
    // The answer at the own phone says nothing of the number.
    let unreachable = |kind: &FactKind| matches!(kind, FactKind::CalledBack { outcome: OfferOutcome::Unreachable, .. });
    assert_eq!((world.count(unreachable), list(&mut world)[0].tries), (1, 1));
    world.assert_empty_in_the_end();
}

#[test]
fn an_early_dialog_of_the_own_phone_ends_when_another_one_is_answered() {
    let mut world = setup();
    calls(&mut world, "sari");
    let own = world.take(BUDI, "INVITE");
    world.receive(BUDI, &response(&own, BUDI, "180 Ringing", "").replace("tag=phone", "tag=fork"));
    picks_up(&mut world, BUDI, &own);
    let offered = rings(&mut world, SARI);
    operator_hangs_up(&mut world, BUDI, &own);
    is_cancelled(&mut world, SARI, &offered);
    world.sent.clear();
    world.assert_empty_in_the_end();
}
