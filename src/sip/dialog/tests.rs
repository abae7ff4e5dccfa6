use proptest::prelude::*;

use super::*;
use crate::sip::wire::sample::good;

const INVITE: &str = "INVITE sip:112@siaga.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\n\
    Record-Route: <sip:p2.example;lr>, <sip:p1.example;lr>\r\nFrom: \"Budi\" <sip:budi@example.net>;tag=theirs\r\n\
    To: <sip:112@siaga.example>\r\nCall-ID: c1\r\nCSeq: 5 INVITE\r\nContact: <sip:budi@192.0.2.9:5070;ob>\r\n\
    Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n";

const OK: &str = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK2\r\n\
    Record-Route: <sip:p1.example;lr>\r\nRecord-Route: <sip:p2.example;lr>\r\nFrom: <sip:112@siaga.example>;tag=ours\r\n\
    To: <sip:op1@siaga.example>;tag=theirs\r\nCall-ID: c2\r\nCSeq: 31 INVITE\r\nContact: <sip:op1@192.0.2.7:5066>\r\n\
    Content-Length: 0\r\n\r\n";

fn callee(invite: &str) -> Dialog {
    Dialog::as_callee(&good(invite.as_bytes()), "ours").unwrap()
}

fn caller(response: &str) -> Dialog {
    Dialog::as_caller(b"<sip:112@siaga.example>;tag=ours", 31, &good(response.as_bytes())).unwrap()
}

/// A request of the peer within the callee's dialog.
fn in_dialog(method: &str, cseq: u32, contact: &str) -> String {
    format!(
        "{method} sip:112@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK{cseq}\r\n\
         From: \"Budi\" <sip:budi@example.net>;tag=theirs\r\nTo: <sip:112@siaga.example>;tag=ours\r\nCall-ID: c1\r\n\
         CSeq: {cseq} {method}\r\nContact: {contact}\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
}

/// Request-URI and Route values of the next request.
fn way(dialog: &mut Dialog) -> (String, Vec<String>) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let bytes = dialog.request(Method::Bye).0.via(crate::sip::flow::Transport::Udp, "192.0.2.1", "z9hG4bKx").encode();
    let request = good(&bytes);
    (text(request.request_uri().unwrap()), request.list(Name::Route).map(text).collect())
}

#[test]
fn a_callee_takes_record_route_in_order_and_swaps_from_and_to() {
    let mut dialog = callee(INVITE);
    assert_eq!(dialog.next_hop(), b"sip:p2.example;lr");
    let (builder, number) = dialog.request(Method::Bye);
    assert_eq!(number, 1);
    let bytes = builder.via(crate::sip::flow::Transport::Udp, "192.0.2.1", "z9hG4bKx").encode();
    let bye = good(&bytes);
    assert_eq!(bye.method(), Some(Method::Bye));
    assert_eq!(bye.request_uri(), Some(&b"sip:budi@192.0.2.9:5070;ob"[..]));
    let routes: Vec<&[u8]> = bye.list(Name::Route).collect();
    assert_eq!(routes, [&b"<sip:p2.example;lr>"[..], b"<sip:p1.example;lr>"]);
    assert_eq!(bye.first(Name::From), Some(&b"<sip:112@siaga.example>;tag=ours"[..]));
    assert_eq!(bye.first(Name::To), Some(&b"\"Budi\" <sip:budi@example.net>;tag=theirs"[..]));
    assert_eq!(bye.first(Name::CallId), Some(&b"c1"[..]));
    assert_eq!(bye.first(Name::CSeq), Some(&b"1 BYE"[..]));
    assert_eq!(bye.number(Name::MaxForwards), Ok(Some(70)));
}

#[test]
fn a_caller_takes_record_route_backwards_and_counts_on_from_its_invite() {
    let mut dialog = caller(OK);
    assert_eq!(dialog.next_hop(), b"sip:p2.example;lr");
    let (builder, number) = dialog.request(Method::Bye);
    assert_eq!(number, 32);
    let bytes = builder.via(crate::sip::flow::Transport::Udp, "192.0.2.1", "z9hG4bKx").encode();
    let bye = good(&bytes);
    assert_eq!(bye.request_uri(), Some(&b"sip:op1@192.0.2.7:5066"[..]));
    let routes: Vec<&[u8]> = bye.list(Name::Route).collect();
    assert_eq!(routes, [&b"<sip:p2.example;lr>"[..], b"<sip:p1.example;lr>"]);
    assert_eq!(bye.first(Name::To), Some(&b"<sip:op1@siaga.example>;tag=theirs"[..]));
}

#[test]
fn the_ack_of_a_2xx_has_the_number_of_its_invite() {
    let mut dialog = caller(OK);
    dialog.request(Method::Info);
    let bytes = dialog.ack(31).via(crate::sip::flow::Transport::Udp, "192.0.2.1", "z9hG4bKx").encode();
    let ack = good(&bytes);
    assert_eq!(ack.method(), Some(Method::Ack));
    assert_eq!(ack.first(Name::CSeq), Some(&b"31 ACK"[..]));
    assert_eq!(dialog.request(Method::Bye).1, 33, "an ACK uses no number");
}

#[test]
fn a_strict_router_gets_its_uri_in_the_request_line_and_the_target_as_last_route() {
    let strict = "Record-Route: <sip:p2.example;method=INVITE;ttl=1?subject=x>, <sip:p1.example;lr>\r\nFrom: \"";
    let invite = INVITE.replace("Record-Route: <sip:p2.example;lr>, <sip:p1.example;lr>\r\nFrom: \"", strict);
    assert_ne!(invite, INVITE);
    let (uri, routes) = way(&mut callee(&invite));
    assert_eq!(uri, "sip:p2.example;ttl=1", "without what a Request-URI must not have");
    assert_eq!(routes, ["<sip:p1.example;lr>", "<sip:budi@192.0.2.9:5070;ob>"]);
}

#[test]
fn without_routes_the_target_is_everything() {
    let invite = INVITE.replace("Record-Route: <sip:p2.example;lr>, <sip:p1.example;lr>\r\n", "");
    let mut dialog = callee(&invite);
    assert_eq!(dialog.next_hop(), b"sip:budi@192.0.2.9:5070;ob");
    assert_eq!(way(&mut dialog), ("sip:budi@192.0.2.9:5070;ob".to_owned(), vec![]));
}

#[test]
fn a_target_loses_headers_and_method_but_keeps_a_user_with_semicolons() {
    let contact = "Contact: <sip:budi;method=x?y@192.0.2.9;METHOD=BYE;transport=tcp?Route=%3Csip:evil%3E>";
    let invite = INVITE.replace("Contact: <sip:budi@192.0.2.9:5070;ob>", contact);
    assert_eq!(way(&mut callee(&invite)).0, "sip:budi;method=x?y@192.0.2.9;transport=tcp");
}

#[test]
fn requests_to_a_caller_without_usable_contact_use_the_from_uri() {
    let no_routes = INVITE.replace("Record-Route: <sip:p2.example;lr>, <sip:p1.example;lr>\r\n", "");
    for contact in ["", "Contact: *\r\n", "Contact: <http://example.net>\r\n", "Contact: <sip:>\r\n"] {
        let invite = no_routes.replace("Contact: <sip:budi@192.0.2.9:5070;ob>\r\n", contact);
        assert_eq!(callee(&invite).next_hop(), b"sip:budi@example.net", "{contact:?}");
    }
}

#[test]
fn the_keys_of_both_directions_are_the_dialogs() {
    let dialog = callee(INVITE);
    let bye = in_dialog("BYE", 6, "<sip:budi@192.0.2.9>");
    assert_eq!(DialogKey::of_request(&good(bye.as_bytes())).as_ref(), Some(dialog.key()));
    assert_eq!(DialogKey::of_request(&good(INVITE.as_bytes())), None, "no To tag");
    let dialog = caller(OK);
    assert_eq!(DialogKey::of_response(&good(OK.as_bytes())).as_ref(), Some(dialog.key()));
    let other = OK.replace("tag=theirs", "tag=fork");
    assert_ne!(DialogKey::of_response(&good(other.as_bytes())).as_ref(), Some(dialog.key()));
}

#[test]
fn a_peer_of_rfc_2543_without_tag_has_an_empty_one() {
    let dialog = callee(&INVITE.replace(";tag=theirs", ""));
    assert_eq!(dialog.key().remote_tag, Bytes::new());
    let bye = in_dialog("BYE", 6, "<sip:budi@192.0.2.9>").replace(";tag=theirs", "");
    assert_eq!(DialogKey::of_request(&good(bye.as_bytes())).as_ref(), Some(dialog.key()));
    assert_eq!(caller(&OK.replace(";tag=theirs", "")).key().remote_tag, Bytes::new());
}

#[test]
fn a_lower_cseq_is_500_an_equal_or_higher_one_is_taken() {
    let mut dialog = callee(INVITE);
    let mut take = |method, cseq| {
        let text = in_dialog(method, cseq, "<sip:budi@192.0.2.9:5070;ob>");
        dialog.accept(&good(text.as_bytes())).map_err(|fault| fault.status)
    };
    assert_eq!(take("INFO", 4), Err(500));
    assert_eq!(take("INFO", 5), Ok(()));
    assert_eq!(take("INFO", 900), Ok(()));
    assert_eq!(take("BYE", 899), Err(500));
    assert_eq!(take("ACK", 5), Ok(()), "has the number of its INVITE");
    assert_eq!(take("CANCEL", 5), Ok(()));
    // 2^31 and above are invalid (RFC 3261 §8.1.1.5), and are not remembered.
    assert_eq!(take("INFO", u32::MAX), Err(400));
    assert_eq!(take("INFO", CSEQ_END), Err(400));
    assert_eq!(take("INFO", CSEQ_END - 1), Ok(()));
    assert_eq!(take("BYE", 0), Err(500));
}

#[test]
fn the_first_request_of_a_callee_may_have_any_number() {
    let mut dialog = caller(OK);
    let bye = in_dialog("BYE", 0, "<sip:op1@192.0.2.7>");
    assert_eq!(dialog.accept(&good(bye.as_bytes())), Ok(()));
}

#[test]
fn only_target_refresh_requests_move_the_target() {
    let moved = "<sip:budi@203.0.113.5>";
    for (method, moves) in [("INVITE", true), ("UPDATE", true), ("INFO", false), ("BYE", false), ("OPTIONS", false)] {
        let mut dialog = callee(INVITE);
        let text = in_dialog(method, 6, moved);
        let request = good(text.as_bytes());
        dialog.accept(&request).unwrap();
        assert_eq!(way(&mut dialog).0, "sip:budi@192.0.2.9:5070;ob", "{method} may still be refused");
        dialog.refresh(&request);
        assert_eq!(way(&mut dialog).0 == "sip:budi@203.0.113.5", moves, "{method}");
    }
}

#[test]
fn only_a_2xx_to_a_target_refresh_request_moves_the_target() {
    let answer = OK.replace("op1@192.0.2.7:5066", "op1@203.0.113.5");
    let cases = [
        (answer.clone(), true),
        (answer.replace("31 INVITE", "31 UPDATE"), true),
        (answer.replace("200 OK", "180 Ringing"), false),
        (answer.replace("200 OK", "302 Moved"), false),
        (answer.replace("31 INVITE", "31 INFO"), false),
    ];
    for (response, moves) in cases {
        let mut dialog = caller(OK);
        dialog.refresh(&good(response.as_bytes()));
        assert_eq!(way(&mut dialog).0 == "sip:op1@203.0.113.5", moves, "{response}");
    }
}

#[test]
fn the_route_set_never_changes_after_the_dialog_is_made() {
    let mut dialog = callee(INVITE);
    let before = way(&mut dialog).1;
    let again = in_dialog("INVITE", 6, "<sip:budi@203.0.113.5>")
        .replace("Call-ID", "Record-Route: <sip:x.example;lr>\r\nCall-ID");
    dialog.accept(&good(again.as_bytes())).unwrap();
    dialog.refresh(&good(again.as_bytes()));
    assert_eq!(way(&mut dialog).1, before);
}

#[test]
fn too_many_or_malformed_routes_are_400() {
    let status = |routes: &str| {
        let line = "Record-Route: <sip:p2.example;lr>, <sip:p1.example;lr>";
        let invite = INVITE.replace(line, &format!("Record-Route: {routes}"));
        Dialog::as_callee(&good(invite.as_bytes()), "ours").map(|_| ()).map_err(|fault| fault.status)
    };
    assert_eq!(status(&vec!["<sip:p.example;lr>"; ROUTES_MAX].join(",")), Ok(()));
    assert_eq!(status(&vec!["<sip:p.example;lr>"; ROUTES_MAX + 1].join(",")), Err(400));
    assert_eq!(status("<sip:p.example;lr"), Err(400));
}

#[test]
fn an_invite_with_a_to_tag_is_of_another_dialog() {
    let invite = in_dialog("INVITE", 6, "<sip:budi@192.0.2.9>");
    let fault = Dialog::as_callee(&good(invite.as_bytes()), "ours").map(|_| ()).map_err(|fault| fault.status);
    assert_eq!(fault, Err(481));
}

proptest! {
    #[test]
    fn every_request_of_ours_is_good_and_numbered_upwards(
        routes in prop::collection::vec("<sip:[a-z]{1,8}\\.example(;lr)?(;ftag=[a-z0-9]{1,5})?>", 0..6),
        user in "[a-zA-Z0-9;=+._-]{1,12}",
        methods in prop::collection::vec(prop::sample::select(vec![Method::Bye, Method::Info, Method::Invite]), 1..5),
    ) {
        let mut invite = INVITE.replace("<sip:p2.example;lr>, <sip:p1.example;lr>", &routes.join(", "));
        if routes.is_empty() {
            invite = invite.replace("Record-Route: \r\n", "");
        }
        let target = format!("sip:{user}@192.0.2.9");
        let mut dialog = callee(&invite.replace("sip:budi@192.0.2.9:5070;ob", &target));
        for (i, method) in methods.into_iter().enumerate() {
            let hop = dialog.next_hop().to_vec();
            let (builder, number) = dialog.request(method);
            prop_assert_eq!(number as usize, i + 1);
            let bytes = builder.via(crate::sip::flow::Transport::Udp, "192.0.2.1", "z9hG4bKx").encode();
            let request = good(&bytes);
            let sent: Vec<&[u8]> = request.list(Name::Route).collect();
            prop_assert_eq!(sent.len(), routes.len(), "strict or loose, no route is left out");
            let uri = request.request_uri().unwrap();
            let in_brackets = format!("<{target}>");
            prop_assert!(uri == target.as_bytes() || sent.last() == Some(&in_brackets.as_bytes()));
            prop_assert!(uri == hop || sent.first().is_some_and(|first| *first == [b"<", &hop[..], b">"].concat()));
        }
    }
}
