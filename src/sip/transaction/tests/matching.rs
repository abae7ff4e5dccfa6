//! Matching by RFC 3261: the whole key, and nothing but the key (§17.1.3, §17.2.3).

use super::*;

/// What a request with this Via does after one with `z9hG4bKone` from 192.0.2.9:5070.
fn after_first(via: &str) -> Received {
    let mut bench = Bench::new(udp());
    bench.open(&request("OPTIONS", "z9hG4bKone"));
    bench.receive(&request_via("OPTIONS", via))
}

#[test]
fn branch_host_port_and_method_must_all_agree() {
    assert_eq!(after_first("SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bKone"), Received::Absorbed);
    for other in [
        "SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bKtwo",
        "SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bKONE",
        "SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bKon",
        "SIP/2.0/UDP 192.0.2.8:5070;branch=z9hG4bKone",
        "SIP/2.0/UDP 192.0.2.9:5071;branch=z9hG4bKone",
        "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKone",
    ] {
        assert!(matches!(after_first(other), Received::New(_)), "{other}");
    }
    let mut bench = Bench::new(udp());
    bench.open(&request("OPTIONS", "z9hG4bKone"));
    assert!(matches!(bench.receive(&request("MESSAGE", "z9hG4bKone")), Received::New(_)), "another method");
    assert!(matches!(bench.receive(&request("MASSAGE", "z9hG4bKone")), Received::New(_)), "an unknown method");
    assert!(matches!(bench.receive(&request("MUSSAGE", "z9hG4bKone")), Received::New(_)), "another unknown method");
    assert_eq!(bench.receive(&request("MASSAGE", "z9hG4bKone")), Received::Absorbed);
}

#[test]
fn what_else_a_via_says_does_not_matter() {
    for same in [
        "SIP/2.0/UDP 192.0.2.9:5070;rport;branch=z9hG4bKone",
        "SIP / 2.0 / UDP 192.0.2.9:5070 ; branch = z9hG4bKone ; ttl=16",
        "SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bKone, SIP/2.0/UDP 198.51.100.1;branch=z9hG4bKbelow",
    ] {
        assert_eq!(after_first(same), Received::Absorbed, "{same}");
    }
}

#[test]
fn a_missing_port_is_5060_and_host_names_ignore_case() {
    let mut bench = Bench::new(udp());
    bench.open(&request_via("OPTIONS", "SIP/2.0/UDP Phone.Example;branch=z9hG4bKone"));
    let same = request_via("OPTIONS", "SIP/2.0/UDP phone.example:5060;branch=z9hG4bKone");
    assert_eq!(bench.receive(&same), Received::Absorbed);
}

#[test]
fn a_peer_that_uses_one_branch_for_two_calls_gets_both() {
    let mut bench = Bench::new(udp());
    let first = request("INVITE", "z9hG4bKsame");
    bench.open(&first);
    assert!(matches!(bench.receive(&first.replace("one@example.net", "two@example.net")), Received::New(_)));
    assert!(matches!(bench.receive(&first.replace("CSeq: 7", "CSeq: 8")), Received::New(_)));
    assert_eq!(bench.receive(&first), Received::Absorbed);
}

#[test]
fn parts_of_a_key_cannot_run_into_each_other() {
    let mut bench = Bench::new(udp());
    bench.open(&request_via("OPTIONS", "SIP/2.0/UDP b.example;branch=z9hG4bKa"));
    let shifted = request_via("OPTIONS", "SIP/2.0/UDP ample;branch=z9hG4bKab.ex");
    assert!(matches!(bench.receive(&shifted), Received::New(_)));
}

#[test]
fn an_ack_finds_the_failure_that_it_acknowledges_and_no_other() {
    let mut bench = Bench::new(udp());
    let id = bench.open(&request("INVITE", "z9hG4bKtheirs"));
    bench.respond(id, 486);
    assert_eq!(bench.receive(&request("ACK", "z9hG4bKelse")), Received::Ack);
    assert_eq!(bench.server(id), "Completed G@500 H@32000");
    assert_eq!(bench.receive(&request("ACK", "z9hG4bKtheirs")), Received::Absorbed);
    assert_eq!(bench.server(id), "Confirmed I@5000");
}

#[test]
fn an_ack_never_makes_a_transaction() {
    let mut bench = Bench::new(udp());
    assert_eq!(bench.receive(&request("ACK", "z9hG4bKtheirs")), Received::Ack);
    bench.assert_empty();
}

#[test]
fn a_response_needs_our_branch_and_the_method_of_cseq() {
    let mut bench = Bench::new(udp());
    let id = bench.send(Method::Bye);
    let right = response_to(Method::Bye, "z9hG4bKours", 200, "t");
    assert_eq!(bench.hear(&response_to(Method::Bye, "z9hG4bKother", 200, "t")), Answered::Stray);
    assert_eq!(bench.hear(&response_to(Method::Info, "z9hG4bKours", 200, "t")), Answered::Stray);
    assert_eq!(bench.hear(&right.replace(";branch=z9hG4bKours", "")), Answered::Stray);
    assert_eq!(bench.hear(&right), Answered::ToUser(id, Method::Bye));
}

#[test]
fn a_response_with_a_second_via_is_for_another_element() {
    let mut bench = Bench::new(udp());
    bench.send(Method::Bye);
    let text = response_to(Method::Bye, "z9hG4bKours", 200, "t");
    let below = text.replace("From:", "Via: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bKbelow\r\nFrom:");
    assert_eq!(bench.hear(&below), Answered::Stray);
}

#[test]
fn responses_go_back_where_the_via_says() {
    let mut bench = Bench::new(udp());
    let via = "SIP/2.0/UDP 192.0.2.9:6000;branch=z9hG4bKtheirs";
    let id = bench.open(&request_via("OPTIONS", via));
    bench.respond(id, 200);
    assert_eq!(bench.sent.pop().unwrap().flow.remote, "192.0.2.9:6000".parse().unwrap());
    let with_rport = bench.open(&request_via("OPTIONS", "SIP/2.0/UDP 192.0.2.9:6000;rport;branch=z9hG4bKrport"));
    bench.respond(with_rport, 200);
    assert_eq!(bench.sent.pop().unwrap().flow, udp(), "RFC 3581");
}
