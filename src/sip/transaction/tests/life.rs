//! Whole lives: schedules, transport failures, caps, and that nothing is left behind.

use super::*;

#[test]
fn an_unanswered_invite_is_sent_seven_times_in_32_seconds() {
    let mut bench = Bench::new(udp());
    let id = bench.send(Method::Invite);
    let times: Vec<Millis> = bench.run_to(60_000).into_iter().map(|(at, _)| at).collect();
    assert_eq!(times, [500, 1_500, 3_500, 7_500, 15_500, 31_500]);
    assert_eq!(bench.events, [Event::Timeout(id)]);
    bench.assert_empty();
}

#[test]
fn an_unanswered_bye_is_sent_eleven_times_in_32_seconds() {
    let mut bench = Bench::new(udp());
    let id = bench.send(Method::Bye);
    let times: Vec<Millis> = bench.run_to(60_000).into_iter().map(|(at, _)| at).collect();
    assert_eq!(times, [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
    assert_eq!(bench.events, [Event::Timeout(id)]);
    bench.assert_empty();
}

#[test]
fn a_late_tick_retransmits_once_and_not_for_every_missed_interval() {
    let mut bench = Bench::new(udp());
    bench.send(Method::Invite);
    bench.sent.clear();
    bench.transactions.expire(at(10_000), &mut bench.sent, &mut bench.events);
    assert_eq!(bench.take_sent(), ["INVITE"]);
    bench.transactions.expire(at(40_000), &mut bench.sent, &mut bench.events);
    assert_eq!(bench.take_sent(), [""; 0], "giving up comes before another retransmission");
    bench.assert_empty();
}

#[test]
fn an_unreachable_peer_ends_its_own_clients_only() {
    let mut bench = Bench::new(udp());
    let dead = bench.send(Method::Bye);
    let other = udp().towards("192.0.2.10:5070".parse().unwrap());
    let request = our_request(Method::Bye, "z9hG4bKother");
    let alive = bench.transactions.send(bench.now, other, Method::Bye, "z9hG4bKother", request, &mut bench.sent);
    bench.fail_transport();
    bench.run_to(999);
    assert!(bench.events.is_empty(), "it may be forged, or concern one datagram");
    bench.fail_transport();
    bench.run_to(1_000);
    assert_eq!(bench.events, [Event::TransportFailed(dead)]);
    assert_eq!(bench.client(dead), "gone");
    assert_eq!(bench.client(alive.unwrap()), "Trying E@1500 F@32000");
    bench.fail_transport();
    bench.run_to(3_000);
    assert_eq!(bench.events.len(), 1, "once");
}

#[test]
fn a_closed_stream_ends_its_clients_whichever_was_its_peer() {
    let mut bench = Bench::new(tcp());
    let id = bench.send(Method::Invite);
    let other = Flow { connection: ConnectionId(8), ..tcp() };
    bench.transactions.transport_failed(bench.now, other, &mut bench.events);
    assert!(bench.events.is_empty());
    bench.fail_transport();
    assert_eq!(bench.events, [Event::TransportFailed(id)]);
    bench.assert_empty();
}

#[test]
fn a_full_table_takes_nothing_new_but_still_absorbs_and_acknowledges() {
    let mut bench = Bench::new(udp());
    bench.transactions = Transactions::with_max(2);
    let server = bench.open(&request("INVITE", "z9hG4bKtheirs"));
    bench.send(Method::Invite);
    assert_eq!(bench.receive(&request("INVITE", "z9hG4bKnew")), Received::Full);
    let more = our_request(Method::Bye, "z9hG4bKmore");
    let sent = bench.sent.len();
    assert_eq!(bench.transactions.send(bench.now, udp(), Method::Bye, "z9hG4bKmore", more, &mut bench.sent), None);
    assert_eq!(bench.sent.len(), sent, "what gets no transaction is not sent");
    bench.respond(server, 486);
    assert_eq!(bench.receive(&request("INVITE", "z9hG4bKtheirs")), Received::Absorbed);
    assert_eq!(bench.receive(&request("ACK", "z9hG4bKtheirs")), Received::Absorbed);
    assert_eq!(bench.transactions.len(), 2);
}

#[test]
fn a_full_table_still_lets_a_cancel_out() {
    let mut bench = Bench::new(udp());
    bench.transactions = Transactions::with_max(1);
    let id = bench.send(Method::Invite);
    bench.hear(&response_to(Method::Invite, "z9hG4bKours", 180, "t"));
    bench.sent.clear();
    assert!(bench.cancel(id));
    assert_eq!(bench.take_sent(), ["CANCEL"]);
    assert_eq!(bench.transactions.len(), 1);
}

#[test]
fn one_branch_is_not_used_twice_for_the_same_method() {
    let mut bench = Bench::new(udp());
    bench.send(Method::Bye);
    let again = our_request(Method::Bye, "z9hG4bKours");
    assert_eq!(bench.transactions.send(bench.now, udp(), Method::Bye, "z9hG4bKours", again, &mut bench.sent), None);
}

#[test]
fn a_refusal_leaves_no_state() {
    let mut bench = Bench::new(udp());
    let id = bench.open(&request("INVITE", "z9hG4bKtheirs"));
    assert!(bench.transactions.refuse(bench.now, id, 401, answer(401), &mut bench.sent));
    assert_eq!(bench.take_sent(), ["401"]);
    bench.assert_empty();
    assert_eq!(bench.receive(&request("ACK", "z9hG4bKtheirs")), Received::Ack, "the user finds no dialog for it");
    assert!(!bench.transactions.refuse(bench.now, id, 401, answer(401), &mut bench.sent));
}

#[test]
fn a_forgotten_client_is_silent_but_keeps_its_duties() {
    let mut bench = Bench::new(udp());
    let id = bench.send(Method::Invite);
    bench.transactions.forget(id);
    bench.sent.clear();
    assert_eq!(bench.hear(&response_to(Method::Invite, "z9hG4bKours", 180, "t")), Answered::Absorbed);
    assert_eq!(bench.hear(&response_to(Method::Invite, "z9hG4bKours", 486, "t")), Answered::Absorbed);
    assert_eq!(bench.take_sent(), ["ACK"]);
    bench.run_to(60_000);
    assert!(bench.events.is_empty());
    bench.assert_empty();
}

#[test]
fn a_forgotten_invite_still_reports_its_2xx_because_only_the_user_can_end_that_call() {
    let mut bench = Bench::new(udp());
    let id = bench.send(Method::Invite);
    bench.transactions.forget(id);
    let answered = bench.hear(&response_to(Method::Invite, "z9hG4bKours", 200, "t"));
    assert_eq!(answered, Answered::ToUser(id, Method::Invite));
}

#[test]
fn a_request_that_its_user_never_answers_ends_by_itself() {
    let mut bench = Bench::new(udp());
    let id = bench.open(&request("MESSAGE", "z9hG4bKtheirs"));
    assert!(bench.run_to(31_999).is_empty());
    assert_eq!(bench.server(id), "Trying, gives up @32000");
    assert!(bench.run_to(32_000).is_empty(), "a response now would reach no client (RFC 4320)");
    bench.assert_empty();
    assert!(!bench.respond(id, 200));
}

#[test]
fn a_phone_that_rings_for_ever_is_cancelled() {
    let mut bench = Bench::new(udp());
    let id = bench.send(Method::Invite);
    bench.hear(&response_to(Method::Invite, "z9hG4bKours", 180, "t"));
    let log = bench.run_to(400_000);
    assert_eq!(log.first(), Some(&(181_000, "CANCEL".to_owned())));
    assert_eq!(bench.events, [Event::Timeout(id)]);
    bench.assert_empty();
}
