//! Unanswered callers are called back (RFC 7090).

use siaga::cdr::Cdr;
use siaga::cdr::fact::Fact;
use siaga::ids::OperatorId;
use siaga::switchboard::{CallBackView, ConsoleCommand, ConsoleReply};

use super::attended::Placed;
use super::transfer::{floor, refuses};
use super::*;

const CODE: &str = "*50";
const ANI: &str = "081355501";
const BAYU: &str = "081355502";

/// Calls, and gives up after so many seconds; Budi's phone rings meanwhile.
pub(super) fn abandons(world: &mut World, number: &str, seconds: u64) {
    let caller = Caller::dials_as(world, number);
    let invite = world.take(BUDI, "INVITE");
    world.receive(BUDI, &response(&invite, BUDI, "180 Ringing", ""));
    world.pass(Duration::from_secs(seconds));
    caller.cancels(world);
    let cancel = world.take(BUDI, "CANCEL");
    world.receive(BUDI, &response(&cancel, BUDI, "200 OK", ""));
    refuses(world, BUDI, &invite, "487 Request Terminated");
}

/// Asks the console.
pub(super) fn asks_console(world: &mut World, command: ConsoleCommand) -> ConsoleReply {
    world.orders(command)
}

pub(super) fn list(world: &mut World) -> Vec<CallBackView> {
    let ConsoleReply::CallBacks { call_backs } = asks_console(world, ConsoleCommand::CallBacks) else {
        panic!("no list");
    };
    call_backs
}

fn numbers(world: &mut World) -> Vec<String> {
    list(world).into_iter().map(|one| one.number).collect()
}

pub(super) fn calls_back(world: &mut World) -> (Placed, String) {
    let placed = Placed::to(world, "budi", BUDI, CODE);
    (placed, world.take(TRUNK, "INVITE"))
}

/// The record of the last call of a number.
fn record(world: &World, number: &str) -> Cdr {
    let his = |fact: &&Fact| matches!(&fact.kind, FactKind::Received { asserted: Some(his), .. } if his == number);
    let call = world.facts.iter().rfind(his).unwrap().call;
    let facts: Vec<_> = world.facts.iter().filter(|fact| fact.call == call).cloned().collect();
    Cdr::fold(&facts).unwrap()
}

fn call_backs(world: &World, number: &str) -> Vec<(String, OfferOutcome)> {
    record(world, number).call_backs.iter().map(|one| (one.by.to_string(), one.outcome)).collect()
}

#[test]
fn a_call_back_has_the_header_fields_of_rfc_7090_and_7135() {
    let mut world = floor();
    abandons(&mut world, ANI, 8);
    let (mut placed, out) = calls_back(&mut world);
    assert!(out.starts_with(&format!("INVITE sip:{ANI}@{TRUNK} SIP/2.0\r\n")), "{out}");
    assert_eq!(header(&out, "Priority"), "psap-callback");
    assert_eq!(header(&out, "Resource-Priority"), "esnet.0");
    assert_eq!(header(&out, "P-Asserted-Identity"), "<sip:112@127.0.0.1>");
    assert!(header(&out, "From").starts_with("\"112\" <sip:112@127.0.0.1>;tag="), "{out}");
    assert!(!out.contains("emergency-CallId"), "it is no emergency call: {out}");
    world.receive(TRUNK, &response(&out, TRUNK, "180 Ringing", ""));
    world.take(BUDI, "SIP/2.0 180");
    assert!(list(&mut world)[0].called_now);
    world.receive(TRUNK, &response(&out, TRUNK, "200 OK", &sdp(TRUNK, 31_000)));
    world.take(TRUNK, "ACK");
    placed.is_answered(&mut world);
    assert!(world.media.iter().any(|command| matches!(command, Command::Bridge { .. })));
    assert_eq!(numbers(&mut world), Vec::<String>::new(), "who was reached leaves the list");
    assert_eq!(call_backs(&world, ANI), [("budi".to_owned(), OfferOutcome::Answered)]);
    placed.asks(&mut world, "BYE", 3, "");
    world.take(BUDI, "SIP/2.0 200");
    let bye = world.take(TRUNK, "BYE");
    world.receive(TRUNK, &response(&bye, TRUNK, "200 OK", ""));
    assert_eq!(call_backs(&world, ANI).len(), 1, "one call-back is told once");
    world.assert_empty_in_the_end();
}

#[test]
fn an_agency_is_called_without_the_header_fields_of_a_call_back() {
    let mut world = floor();
    Placed::to(&mut world, "budi", BUDI, "damkar");
    let out = world.take(TRUNK, "INVITE");
    assert!(!out.contains("psap-callback") && !out.contains("Resource-Priority"), "{out}");
}

#[test]
fn a_busy_number_stays_on_the_list_behind_the_others() {
    let mut world = floor();
    abandons(&mut world, ANI, 8);
    abandons(&mut world, BAYU, 2);
    assert_eq!(numbers(&mut world), [ANI, BAYU]);
    let (_, out) = calls_back(&mut world);
    assert!(out.starts_with(&format!("INVITE sip:{ANI}@")), "the oldest first: {out}");
    refuses(&mut world, TRUNK, &out, "486 Busy Here");
    world.take(BUDI, "SIP/2.0 486");
    assert_eq!(numbers(&mut world), [BAYU, ANI]);
    assert_eq!(call_backs(&world, ANI), [("budi".to_owned(), OfferOutcome::Busy)]);
    let views = list(&mut world);
    assert_eq!((views[0].tries, views[0].short, views[1].tries, views[1].short), (0, 1, 1, 0));
    let (_, out) = calls_back(&mut world);
    assert!(out.starts_with(&format!("INVITE sip:{BAYU}@")), "{out}");
    refuses(&mut world, TRUNK, &out, "480 Temporarily Unavailable");
    world.take(BUDI, "SIP/2.0 480");
    world.assert_empty_in_the_end();
}

#[test]
fn calls_of_one_number_are_called_back_once() {
    let mut world = floor();
    for seconds in [8, 3, 12] {
        abandons(&mut world, ANI, seconds);
    }
    let views = list(&mut world);
    assert_eq!(views.len(), 1);
    assert_eq!((views[0].calls, views[0].short, views[0].longest_wait_ms), (3, 1, 12_000));
    world.assert_empty_in_the_end();
}

#[test]
fn a_number_that_calls_again_is_not_called_back_and_leaves_the_list_when_answered() {
    let mut world = floor();
    abandons(&mut world, ANI, 8);
    let mut again = Caller::dials_as(&mut world, ANI);
    let invite = world.take(BUDI, "INVITE");
    // The number is in a call with us: the tone tells Budi that there is no number to call.
    let mut code = Placed::to(&mut world, "budi", BUDI, CODE);
    code.is_answered(&mut world);
    assert!(!world.has(TRUNK, "INVITE"));
    assert_eq!(numbers(&mut world), [ANI]);
    world.receive(BUDI, &response(&invite, BUDI, "200 OK", &sdp(BUDI, 31_000)));
    world.take(BUDI, "ACK");
    again.is_answered(&mut world);
    assert_eq!(numbers(&mut world), Vec::<String>::new());
    again.hangs_up(&mut world);
    assert!(call_backs(&world, ANI).is_empty());
}

#[test]
fn an_operator_who_gives_up_a_call_back_leaves_the_caller_on_the_list() {
    let mut world = floor();
    abandons(&mut world, ANI, 8);
    let (placed, out) = calls_back(&mut world);
    world.receive(TRUNK, &response(&out, TRUNK, "180 Ringing", ""));
    let cancel = placed.request("CANCEL", 2, "", "").replace("2CANCEL;rport", "2INVITE;rport");
    world.receive(BUDI, &cancel);
    world.take(BUDI, "SIP/2.0 487");
    assert_eq!(list(&mut world)[0].tries, 1);
    assert_eq!(call_backs(&world, ANI), [("budi".to_owned(), OfferOutcome::CallerLeft)]);
    world.assert_empty_in_the_end();
}

#[test]
fn without_a_trunk_that_takes_calls_the_caller_stays_on_the_list() {
    let mut world = staffed();
    abandons(&mut world, ANI, 8);
    Placed::to(&mut world, "budi", BUDI, CODE);
    world.take(BUDI, "SIP/2.0 503");
    assert_eq!(call_backs(&world, ANI), [("budi".to_owned(), OfferOutcome::Unreachable)]);
    assert_eq!(numbers(&mut world), [ANI]);
}

#[test]
fn after_four_hours_no_number_is_called_back() {
    let mut world = floor();
    abandons(&mut world, ANI, 8);
    world.pass(Duration::from_secs(4 * 3600 - 10));
    assert_eq!(numbers(&mut world), [ANI]);
    world.pass(Duration::from_secs(10));
    assert_eq!(numbers(&mut world), Vec::<String>::new());
}

#[test]
fn a_caller_without_a_number_is_not_on_the_list() {
    let mut world = floor();
    for number in ["anonymous", "ani"] {
        abandons(&mut world, number, 8);
    }
    assert_eq!(numbers(&mut world), Vec::<String>::new());
}

#[test]
fn a_supervisor_assigns_a_call_back_and_the_operators_phone_gets_a_text() {
    let mut world = floor();
    world.register("sari", SARI);
    for number in [ANI, BAYU] {
        let caller = Caller::dials_as(&mut world, number);
        world.pass(Duration::from_secs(6));
        caller.cancels(&mut world);
    }
    let sari = OperatorId::parse("sari").unwrap();
    let wanted = ConsoleCommand::AssignCallBack { number: Some(BAYU.to_owned()), operator: sari.clone() };
    assert_eq!(asks_console(&mut world, wanted), ConsoleReply::Meant { number: BAYU.to_owned(), told: true });
    let text = world.take(SARI, "MESSAGE");
    assert!(text.ends_with(&format!("*50 -> {BAYU}")), "{text}");
    assert_eq!(list(&mut world).iter().filter(|one| one.assigned_to == Some(sari.clone())).count(), 1);
    let unknown = ConsoleCommand::AssignCallBack { number: Some("0811".to_owned()), operator: sari };
    assert_eq!(asks_console(&mut world, unknown), ConsoleReply::UnknownNumber);
    let nobody = ConsoleCommand::AssignCallBack { number: None, operator: OperatorId::parse("nobody").unwrap() };
    assert_eq!(asks_console(&mut world, nobody), ConsoleReply::UnknownOperator);
    Placed::to(&mut world, "sari", SARI, CODE);
    let out = world.take(TRUNK, "INVITE");
    assert!(out.starts_with(&format!("INVITE sip:{BAYU}@")), "hers, though another is older: {out}");
}

#[test]
fn the_phone_that_calls_back_is_shown_number_time_and_wait() {
    let mut world = floor();
    abandons(&mut world, ANI, 8);
    world.pass(Duration::from_secs(60));
    abandons(&mut world, ANI, 12);
    world.pass(Duration::from_secs(5 * 60));
    let (mut placed, out) = calls_back(&mut world);
    let about = "5 min ago, waited 0:12, 2 calls";
    let text = world.take(BUDI, "MESSAGE");
    assert!(text.ends_with(&format!("{ANI}: {about}")), "{text}");
    world.receive(BUDI, &response(&text, BUDI, "200 OK", ""));
    let identity = format!("\"{ANI} {about}\" <sip:{ANI}@127.0.0.1>");
    world.receive(TRUNK, &response(&out, TRUNK, "180 Ringing", ""));
    assert_eq!(header(&world.take(BUDI, "SIP/2.0 180"), "P-Asserted-Identity"), identity);
    world.receive(TRUNK, &response(&out, TRUNK, "200 OK", &sdp(TRUNK, 31_000)));
    world.take(TRUNK, "ACK");
    let answer = placed.is_answered(&mut world);
    assert_eq!(header(&answer, "P-Asserted-Identity"), identity);
    assert!(!out.contains("min ago"), "the callee is not shown what the centre knows: {out}");
}
