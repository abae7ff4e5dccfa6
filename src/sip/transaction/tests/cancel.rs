//! CANCEL (RFC 3261 §9), and the ACK and CANCEL that are made of a stored INVITE.

use super::*;

/// The header fields of a message that must be those of the INVITE.
fn common(message: &Message<'_>) -> Vec<Vec<u8>> {
    let line = |name| message.first(name).unwrap().to_vec();
    let mut fields = vec![message.request_uri().unwrap().to_vec(), line(Name::From), line(Name::CallId)];
    fields.extend(message.list(Name::Via).map(<[u8]>::to_vec));
    fields.extend(message.list(Name::Route).map(<[u8]>::to_vec));
    fields
}

#[test]
fn cancel_repeats_request_uri_via_route_from_to_call_id_and_cseq_number() {
    let mut bench = Bench::new(udp());
    let id = bench.send(Method::Invite);
    bench.hear(&response_to(Method::Invite, "z9hG4bKours", 180, "theirs"));
    bench.sent.clear();
    assert!(bench.cancel(id));
    let cancel = bench.sent.pop().unwrap();
    assert_eq!(cancel.flow, udp());
    let (cancel, invite) = (good(&cancel.bytes), our_request(Method::Invite, "z9hG4bKours"));
    let invite = good(&invite);
    assert_eq!(cancel.method(), Some(Method::Cancel));
    assert_eq!(common(&cancel), common(&invite));
    assert_eq!(common(&cancel).len(), 6, "one Via, two routes");
    assert_eq!(cancel.first(Name::To), invite.first(Name::To), "without the tag of the 180");
    assert_eq!(cancel.first(Name::CSeq), Some(&b"31 CANCEL"[..]));
    assert_eq!(cancel.number(Name::MaxForwards), Ok(Some(70)));
    assert_eq!(cancel.number(Name::ContentLength), Ok(Some(0)));
    assert_eq!(cancel.first(Name::ContentType), None);
}

#[test]
fn ack_of_a_failure_repeats_the_invite_but_takes_to_from_the_response() {
    let mut bench = Bench::new(udp());
    bench.send(Method::Invite);
    bench.sent.clear();
    bench.hear(&response_to(Method::Invite, "z9hG4bKours", 486, "theirs"));
    let ack = bench.sent.pop().unwrap();
    let (ack, invite) = (good(&ack.bytes), our_request(Method::Invite, "z9hG4bKours"));
    let invite = good(&invite);
    assert_eq!(ack.method(), Some(Method::Ack));
    assert_eq!(common(&ack), common(&invite));
    assert_eq!(ack.first(Name::To), Some(&b"<sip:op1@siaga.example>;tag=theirs"[..]));
    assert_eq!(ack.first(Name::CSeq), Some(&b"31 ACK"[..]));
    assert_eq!(ack.number(Name::ContentLength), Ok(Some(0)));
}

#[test]
fn a_cancel_before_the_first_provisional_waits_for_it_and_goes_out_once() {
    let mut bench = Bench::new(udp());
    let id = bench.send(Method::Invite);
    bench.sent.clear();
    assert!(bench.cancel(id));
    assert_eq!(bench.take_sent(), [""; 0]);
    bench.hear(&response_to(Method::Invite, "z9hG4bKours", 100, "theirs"));
    assert_eq!(bench.take_sent(), ["CANCEL"]);
    bench.hear(&response_to(Method::Invite, "z9hG4bKours", 180, "theirs"));
    assert!(bench.cancel(id));
    assert_eq!(bench.take_sent(), [""; 0]);
}

#[test]
fn a_cancel_is_retransmitted_and_its_response_is_not_reported() {
    let mut bench = Bench::new(udp());
    let id = bench.send(Method::Invite);
    bench.hear(&response_to(Method::Invite, "z9hG4bKours", 180, "theirs"));
    bench.cancel(id);
    assert_eq!(bench.run_to(600), [(500, "CANCEL".to_owned())]);
    assert_eq!(bench.hear(&response_to(Method::Cancel, "z9hG4bKours", 200, "theirs")), Answered::Absorbed);
    let invite = bench.hear(&response_to(Method::Invite, "z9hG4bKours", 487, "theirs"));
    assert_eq!(invite, Answered::ToUser(id, Method::Invite));
    assert_eq!(bench.take_sent(), ["ACK"]);
    bench.run_to(60_000);
    assert!(bench.events.is_empty());
    bench.assert_empty();
}

#[test]
fn a_cancelled_invite_without_a_final_response_times_out_after_64_t1() {
    let mut bench = Bench::new(udp());
    let id = bench.send(Method::Invite);
    bench.hear(&response_to(Method::Invite, "z9hG4bKours", 180, "theirs"));
    bench.run_to(10_000);
    bench.cancel(id);
    bench.hear(&response_to(Method::Cancel, "z9hG4bKours", 200, "theirs"));
    bench.run_to(41_999);
    assert!(bench.events.is_empty());
    bench.run_to(42_000);
    assert_eq!(bench.events, [Event::Timeout(id)]);
    bench.assert_empty();
}

#[test]
fn a_2xx_that_crosses_the_cancel_reaches_the_user() {
    let mut bench = Bench::new(udp());
    let id = bench.send(Method::Invite);
    bench.hear(&response_to(Method::Invite, "z9hG4bKours", 180, "theirs"));
    bench.cancel(id);
    let answered = bench.hear(&response_to(Method::Invite, "z9hG4bKours", 200, "theirs"));
    assert_eq!(answered, Answered::ToUser(id, Method::Invite));
}

#[test]
fn a_received_cancel_names_its_invite() {
    let mut bench = Bench::new(udp());
    let invite = bench.open(&request("INVITE", "z9hG4bKtheirs"));
    let Received::Cancel { cancel, invite: named } = bench.receive(&request("CANCEL", "z9hG4bKtheirs")) else {
        panic!("not a CANCEL")
    };
    assert_eq!(named, Some(invite));
    assert_ne!(cancel, invite);
    assert!(bench.respond(cancel, 200));
    assert!(bench.respond(invite, 487));
    bench.sent.clear();
    assert_eq!(bench.receive(&request("CANCEL", "z9hG4bKtheirs")), Received::Absorbed);
    assert_eq!(bench.take_sent(), ["200"]);
}

#[test]
fn a_received_cancel_of_nothing_names_nothing() {
    let mut bench = Bench::new(udp());
    bench.open(&request("INVITE", "z9hG4bKtheirs"));
    let Received::Cancel { invite, .. } = bench.receive(&request("CANCEL", "z9hG4bKelse")) else {
        panic!("not a CANCEL")
    };
    assert_eq!(invite, None);
}

#[test]
fn a_cancel_does_not_name_another_request_with_its_branch() {
    let mut bench = Bench::new(udp());
    bench.open(&request("OPTIONS", "z9hG4bKtheirs"));
    let Received::Cancel { invite, .. } = bench.receive(&request("CANCEL", "z9hG4bKtheirs")) else {
        panic!("not a CANCEL")
    };
    assert_eq!(invite, None);
}

#[test]
fn an_unreachable_phone_is_reported_once_though_its_cancel_fails_too() {
    let mut bench = Bench::new(tcp());
    let id = bench.send(Method::Invite);
    bench.hear(&response_to(Method::Invite, "z9hG4bKours", 180, "theirs"));
    bench.cancel(id);
    bench.fail_transport();
    assert_eq!(bench.events, [Event::TransportFailed(id)]);
    bench.assert_empty();
}
