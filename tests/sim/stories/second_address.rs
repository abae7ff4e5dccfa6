//! Phones that register from one address and listen at another.

use siaga::sip::flow::{Flow, Transport};
use siaga::switchboard::{Input, Listener, Settings};

use super::super::world::SERVER;
use super::ring_all::{is_cancelled, outcomes, picks_up};
use super::*;

/// Where budi's phone registers from, while it listens at `BUDI`.
const SOURCE: &str = "127.0.0.3:49152";

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Budi's phone registers from `SOURCE` with another port in its Contact.
fn apart(settings: Settings, parameters: &str) -> World {
    let mut world = World::new(settings, &["budi", "sari"]);
    world.register_as("budi", SOURCE, &format!("<sip:budi@{BUDI}{parameters}>"), 600, "");
    world
}

fn with_streams() -> Settings {
    let mut settings = settings();
    for transport in [Transport::Tcp, Transport::Tls] {
        let listener = Listener { transport, local: SERVER.parse().unwrap(), advertised: SERVER.to_owned() };
        settings.site.listeners.push(listener);
    }
    settings
}

fn branch(message: &str) -> &str {
    header(message, "Via").split("branch=").nth(1).unwrap().split(';').next().unwrap()
}

#[test]
fn requests_go_to_the_contact_and_the_source_is_not_asked_if_it_responds_in_time() {
    let mut world = apart(settings(), "");
    let mut caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    assert!(invite.starts_with(&format!("INVITE sip:budi@{BUDI} ")), "{invite}");
    world.pass(millis(999));
    world.receive(BUDI, &response(&invite, BUDI, "180 Ringing", ""));
    world.pass(millis(5_000));
    picks_up(&mut world, BUDI, &invite);
    caller.is_answered(&mut world);
    caller.hangs_up(&mut world);
    let bye = world.take(BUDI, "BYE");
    world.receive(BUDI, &response(&bye, BUDI, "200 OK", ""));
    let at_source: std::net::SocketAddr = SOURCE.parse().unwrap();
    assert!(!world.sent.iter().any(|(to, _)| *to == at_source), "{:#?}", world.sent);
    world.assert_empty_in_the_end();
}

#[test]
fn a_phone_that_does_not_respond_at_its_contact_is_rung_where_it_registers_from_too() {
    let mut world = apart(settings(), "");
    let mut caller = Caller::dials(&mut world);
    let contact = world.take(BUDI, "INVITE");
    world.pass(millis(999));
    assert!(!world.has(SOURCE, "INVITE"));
    world.pass(millis(1));
    let source = world.take(SOURCE, "INVITE");
    for name in ["Call-ID", "From", "To", "CSeq"] {
        assert_eq!(header(&contact, name), header(&source, name), "one leg (RFC 3261 §16.6)");
    }
    assert_ne!(branch(&contact), branch(&source));
    assert_eq!(world.count(|kind| matches!(kind, FactKind::Offered { .. })), 1);
    world.receive(SOURCE, &response(&source, SOURCE, "180 Ringing", ""));
    // Late: it is no longer wanted (RFC 3261 §9.1).
    world.receive(BUDI, &response(&contact, BUDI, "180 Ringing", ""));
    is_cancelled(&mut world, BUDI, &contact);
    picks_up(&mut world, SOURCE, &source);
    caller.is_answered(&mut world);
    assert_eq!((outcomes(&world, OfferOutcome::Answered), world.reach.len()), (1, 0));
    caller.hangs_up(&mut world);
    let bye = world.take(SOURCE, "BYE");
    world.receive(SOURCE, &response(&bye, SOURCE, "200 OK", ""));
    world.assert_empty_in_the_end();
}

#[test]
fn whichever_address_answers_first_has_the_call_and_the_other_answer_is_hung_up_where_it_came_from() {
    for (first, other) in [(BUDI, SOURCE), (SOURCE, BUDI)] {
        let mut world = apart(settings(), "");
        let mut caller = Caller::dials(&mut world);
        world.pass(millis(1_000));
        let (won, lost) = (world.take(first, "INVITE"), world.take(other, "INVITE"));
        world.sent.clear();
        picks_up(&mut world, first, &won);
        caller.is_answered(&mut world);
        let second = response(&lost, other, "200 OK", &sdp(other, 31_002)).replace("tag=phone", "tag=other");
        world.receive(other, &second);
        world.take(other, "ACK");
        let bye = world.take(other, "BYE");
        world.receive(other, &response(&bye, other, "200 OK", ""));
        caller.hangs_up(&mut world);
        world.take(first, "BYE");
        world.assert_empty_in_the_end();
    }
}

#[test]
fn an_answer_that_crosses_the_cancel_of_its_address_counts_while_the_phone_rings() {
    let mut world = apart(settings(), "");
    let mut caller = Caller::dials(&mut world);
    world.pass(millis(1_000));
    let (contact, source) = (world.take(BUDI, "INVITE"), world.take(SOURCE, "INVITE"));
    world.sent.clear();
    world.receive(SOURCE, &response(&source, SOURCE, "180 Ringing", ""));
    picks_up(&mut world, BUDI, &contact);
    caller.is_answered(&mut world);
    is_cancelled(&mut world, SOURCE, &source);
    caller.hangs_up(&mut world);
    world.take(BUDI, "BYE");
    world.assert_empty_in_the_end();
}

#[test]
fn a_phone_that_gets_the_invite_twice_rings_on() {
    for (first, other) in [(BUDI, SOURCE), (SOURCE, BUDI)] {
        let mut world = apart(settings(), "");
        let mut caller = Caller::dials(&mut world);
        world.pass(millis(1_000));
        let (rings, merged) = (world.take(first, "INVITE"), world.take(other, "INVITE"));
        world.sent.clear();
        world.receive(other, &response(&merged, other, "482 Loop Detected", ""));
        world.take(other, "ACK");
        world.receive(first, &response(&rings, first, "180 Ringing", ""));
        picks_up(&mut world, first, &rings);
        caller.is_answered(&mut world);
        caller.hangs_up(&mut world);
        world.take(first, "BYE");
        world.assert_empty_in_the_end();
    }
}

#[test]
fn a_rejection_at_either_address_is_that_of_the_phone() {
    for (rejects, other) in [(BUDI, SOURCE), (SOURCE, BUDI)] {
        let mut world = apart(settings(), "");
        let caller = Caller::dials(&mut world);
        world.pass(millis(1_000));
        let (rejected, open) = (world.take(rejects, "INVITE"), world.take(other, "INVITE"));
        world.sent.clear();
        world.receive(rejects, &response(&rejected, rejects, "486 Busy Here", ""));
        world.take(rejects, "ACK");
        assert_eq!(outcomes(&world, OfferOutcome::Busy), 1);
        // The other one is acknowledged and hung up, if it answers.
        picks_up(&mut world, other, &open);
        let bye = world.take(other, "BYE");
        world.receive(other, &response(&bye, other, "200 OK", ""));
        caller.cancels(&mut world);
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}

#[test]
fn a_contact_that_nothing_listens_at_costs_no_more_than_a_second() {
    let mut world = apart(settings(), "");
    let mut caller = Caller::dials(&mut world);
    world.icmp(BUDI);
    world.pass(millis(1_000));
    answers(&mut world, SOURCE);
    caller.is_answered(&mut world);
    assert_eq!(outcomes(&world, OfferOutcome::Unreachable), 0);
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_caller_who_gives_up_cancels_both() {
    let mut world = apart(settings(), "");
    let caller = Caller::dials(&mut world);
    world.pass(millis(1_000));
    let (contact, source) = (world.take(BUDI, "INVITE"), world.take(SOURCE, "INVITE"));
    world.sent.clear();
    caller.cancels(&mut world);
    world.receive(SOURCE, &response(&source, SOURCE, "180 Ringing", ""));
    is_cancelled(&mut world, SOURCE, &source);
    world.receive(BUDI, &response(&contact, BUDI, "180 Ringing", ""));
    is_cancelled(&mut world, BUDI, &contact);
    world.assert_empty_in_the_end();
}

#[test]
fn a_phone_that_responds_at_neither_address_makes_way_after_five_seconds() {
    let mut world = apart(settings(), "");
    world.register("sari", SARI);
    world.sent.clear();
    let mut caller = Caller::dials(&mut world);
    world.pass(millis(4_999));
    assert!(world.has(SOURCE, "INVITE") && !world.has(SARI, "INVITE"));
    world.pass(millis(1));
    let source = world.take(SOURCE, "INVITE");
    world.take(SARI, "INVITE");
    assert_eq!(world.reach, [(format!("sip:budi@{BUDI}"), true)]);
    world.sent.clear();
    picks_up(&mut world, SOURCE, &source);
    caller.is_answered(&mut world);
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_phone_behind_nat_is_reached_where_it_registers_from() {
    let nat = "203.0.113.9:40001";
    let mut world = World::new(settings(), &["budi"]);
    world.register_as("budi", nat, "<sip:budi@192.168.7.9:5060>", 600, "");
    let mut caller = Caller::dials(&mut world);
    let invite = world.take(nat, "INVITE sip:budi@192.168.7.9:5060 ");
    world.pass(millis(3_000));
    assert!(!world.has("192.168.7.9:5060", "INVITE"));
    world.sent.clear();
    picks_up(&mut world, nat, &invite);
    caller.is_answered(&mut world);
    caller.hangs_up(&mut world);
    world.take(nat, "BYE");
    world.assert_empty_in_the_end();
}

#[test]
fn a_contact_that_names_ourselves_or_no_address_is_not_followed() {
    for contact in [format!("<sip:budi@{SERVER}>"), "<sip:budi@phone.example:5091>".to_owned()] {
        let mut world = World::new(settings(), &["budi"]);
        let at = "127.0.0.1:5070";
        world.register_as("budi", at, &contact, 600, "");
        let caller = Caller::dials(&mut world);
        world.pass(millis(2_000));
        assert!(world.has(at, "INVITE") && !world.has(SERVER, "INVITE"), "{contact}");
        caller.cancels(&mut world);
    }
}

#[test]
fn the_transport_of_a_contact_is_used_and_the_flow_of_the_register_when_it_fails() {
    for (parameter, transport) in [(";transport=tcp", Transport::Tcp), (";transport=TLS", Transport::Tls)] {
        for fails_at_once in [true, false] {
            let mut world = apart(with_streams(), parameter);
            let mut caller = Caller::dials(&mut world);
            let (flow, _) = world.ways.iter().rfind(|(_, line)| line.starts_with("INVITE")).unwrap().clone();
            assert_eq!(flow, Flow::any(transport, SERVER.parse().unwrap(), BUDI.parse().unwrap()));
            let invite = world.take(BUDI, "INVITE");
            assert!(header(&invite, "Via").starts_with(&format!("SIP/2.0/{} ", transport.via())), "{invite}");
            if fails_at_once {
                world.step(Input::Unreachable { flow });
            } else {
                world.pass(millis(1_000));
            }
            let source = world.take(SOURCE, "INVITE");
            assert!(header(&source, "Via").starts_with("SIP/2.0/UDP "), "{source}");
            assert!(!header(&source, "Contact").contains("transport"), "{source}");
            picks_up(&mut world, SOURCE, &source);
            caller.is_answered(&mut world);
            caller.hangs_up(&mut world);
            world.sent.clear();
            world.assert_empty_in_the_end();
        }
    }
}

#[test]
fn a_phone_that_is_reached_over_the_transport_of_its_contact_keeps_it() {
    let mut world = apart(with_streams(), ";transport=tcp");
    let mut caller = Caller::dials(&mut world);
    answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    caller.hangs_up(&mut world);
    let (flow, _) = world.ways.iter().rfind(|(_, line)| line.starts_with("BYE")).unwrap();
    assert_eq!((flow.transport, flow.remote), (Transport::Tcp, BUDI.parse().unwrap()));
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_transport_that_we_do_not_listen_on_is_not_used() {
    let mut world = apart(settings(), ";transport=tcp");
    let mut caller = Caller::dials(&mut world);
    answers(&mut world, SOURCE);
    caller.is_answered(&mut world);
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_call_at_the_contact_stays_there_when_the_phone_registers_from_another_port() {
    let mut world = apart(settings(), "");
    let mut caller = Caller::dials(&mut world);
    answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    world.register_as("budi", "127.0.0.3:49153", &format!("<sip:budi@{BUDI}>"), 600, "");
    caller.hangs_up(&mut world);
    world.take(BUDI, "BYE");
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_phone_that_wants_a_longer_session_at_its_second_address_gets_it_there() {
    let mut settings = settings();
    settings.session.seconds = Some(90);
    let mut world = apart(settings, "");
    let mut caller = Caller::dials(&mut world);
    world.pass(millis(1_000));
    let source = world.take(SOURCE, "INVITE");
    let small = response(&source, SOURCE, "422 Session Interval Too Small", "");
    world.receive(SOURCE, &small.replacen("Contact", "Min-SE: 200\r\nContact", 1));
    world.take(SOURCE, "ACK");
    let again = world.take(SOURCE, "INVITE");
    assert_eq!(header(&again, "CSeq"), "2 INVITE");
    world.sent.clear();
    picks_up(&mut world, SOURCE, &again);
    caller.is_answered(&mut world);
    caller.hangs_up(&mut world);
    world.take(SOURCE, "BYE");
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_second_address_that_repeats_its_answer_gets_one_bye() {
    let mut world = apart(settings(), "");
    let mut caller = Caller::dials(&mut world);
    world.pass(millis(1_000));
    let (won, lost) = (world.take(BUDI, "INVITE"), world.take(SOURCE, "INVITE"));
    world.sent.clear();
    picks_up(&mut world, BUDI, &won);
    caller.is_answered(&mut world);
    let second = response(&lost, SOURCE, "200 OK", &sdp(SOURCE, 31_002)).replace("tag=phone", "tag=other");
    for nth in 0..3 {
        world.receive(SOURCE, &second);
        world.take(SOURCE, "ACK");
        assert_eq!(world.has(SOURCE, "BYE"), nth == 0, "{nth}");
        world.sent.clear();
    }
    // Also after the leg has ended.
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.receive(SOURCE, &second);
    world.take(SOURCE, "ACK");
    assert!(!world.has(SOURCE, "BYE"), "{:#?}", world.sent);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_phone_that_answers_at_both_addresses_in_one_dialog_gets_no_bye() {
    let mut world = apart(settings(), "");
    let mut caller = Caller::dials(&mut world);
    world.pass(millis(1_000));
    let (won, lost) = (world.take(BUDI, "INVITE"), world.take(SOURCE, "INVITE"));
    world.sent.clear();
    picks_up(&mut world, BUDI, &won);
    caller.is_answered(&mut world);
    world.receive(SOURCE, &response(&lost, SOURCE, "200 OK", &sdp(SOURCE, 31_002)));
    world.take(SOURCE, "ACK");
    assert!(!world.has(SOURCE, "BYE") && !world.has(BUDI, "BYE"), "{:#?}", world.sent);
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}
