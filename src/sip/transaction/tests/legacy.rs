//! Matching of clients that speak RFC 2543 (RFC 3261 §17.2.3).

use super::*;

const VIA: &str = "SIP/2.0/UDP 192.0.2.9:5070";

fn legacy(method: &str) -> String {
    request_via(method, VIA)
}

#[test]
fn a_retransmission_agrees_in_everything() {
    let first = legacy("OPTIONS");
    for (from, to) in [
        ("sip:112@siaga.example SIP/2.0", "sip:113@siaga.example SIP/2.0"),
        ("tag=from1", "tag=from2"),
        ("To: <sip:112@siaga.example>", "To: <sip:112@siaga.example>;tag=x"),
        ("one@example.net", "other@example.net"),
        ("CSeq: 7", "CSeq: 8"),
        (VIA, "SIP/2.0/UDP 192.0.2.9:5071"),
        (VIA, "SIP/2.0/UDP 192.0.2.9:5070;branch=1"),
    ] {
        let mut bench = Bench::new(udp());
        bench.open(&first);
        let changed = first.replace(from, to);
        assert_ne!(changed, first);
        assert!(matches!(bench.receive(&changed), Received::New(_)), "{from} -> {to}");
        assert_eq!(bench.receive(&first), Received::Absorbed);
    }
}

#[test]
fn branches_without_the_cookie_and_the_bare_cookie_identify_nothing() {
    for branch in ["390skdjuw", "z9hG4bK"] {
        let mut bench = Bench::new(udp());
        let first = request("OPTIONS", branch);
        bench.open(&first);
        assert_eq!(bench.receive(&first), Received::Absorbed);
        assert!(matches!(bench.receive(&first.replace("tag=from1", "tag=from2")), Received::New(_)), "{branch}");
    }
}

#[test]
fn the_ack_has_the_tag_of_our_response() {
    let mut bench = Bench::new(udp());
    let id = bench.open(&legacy("INVITE"));
    bench.respond(id, 486);
    let ack =
        |tag: &str| legacy("ACK").replace("To: <sip:112@siaga.example>", &format!("To: <sip:112@siaga.example>{tag}"));
    assert_eq!(bench.receive(&ack(";tag=another")), Received::Ack);
    assert_eq!(bench.receive(&ack("")), Received::Ack);
    assert_eq!(bench.server(id), "Completed G@500 H@32000");
    assert_eq!(bench.receive(&ack(";tag=our486")), Received::Absorbed);
    assert_eq!(bench.server(id), "Confirmed I@5000");
    assert_eq!(bench.receive(&ack(";tag=our486")), Received::Absorbed);
}

#[test]
fn the_ack_of_a_re_invite_is_found_by_the_tag_that_both_have() {
    let mut bench = Bench::new(udp());
    let tagged = |text: String| text.replace("To: <sip:112@siaga.example>", "To: <sip:112@siaga.example>;tag=our488");
    let id = bench.open(&tagged(legacy("INVITE")));
    bench.respond(id, 488);
    assert_eq!(bench.receive(&tagged(legacy("ACK"))), Received::Absorbed);
    assert_eq!(bench.server(id), "Confirmed I@5000");
}

#[test]
fn the_ack_of_a_2xx_goes_to_the_user() {
    let mut bench = Bench::new(udp());
    let id = bench.open(&legacy("INVITE"));
    bench.respond(id, 200);
    let ack = legacy("ACK").replace("To: <sip:112@siaga.example>", "To: <sip:112@siaga.example>;tag=our200");
    assert_eq!(bench.receive(&ack), Received::Ack);
}

#[test]
fn a_cancel_finds_its_invite() {
    let mut bench = Bench::new(udp());
    let id = bench.open(&legacy("INVITE"));
    let Received::Cancel { invite, .. } = bench.receive(&legacy("CANCEL")) else { panic!("not a CANCEL") };
    assert_eq!(invite, Some(id));
    assert_eq!(bench.receive(&legacy("CANCEL")), Received::Absorbed);
}
