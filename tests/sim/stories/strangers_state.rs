//! Requests of strangers leave no state, and their responses are hardly longer than they are.

use super::third_parties::{METHODS, STRANGER, forged, gets, spoiled};
use super::*;

#[test]
fn requests_in_dialogs_that_no_one_has_leave_no_state_and_repeats_get_the_same_response() {
    let mut world = staffed();
    for n in 0..100 {
        for method in METHODS {
            let got =
                format!("SIP/2.0 200 OK\r\nFrom: <sip:a@b>;tag=a{n}\r\nTo: <sip:c@d>;tag=zz\r\nCall-ID: x{n}\r\n");
            let text = forged(&mut world, &got, method);
            assert_eq!(gets(&mut world, &text), "481", "{method}");
        }
        let cancel =
            forged(&mut world, "SIP/2.0 200 OK\r\nFrom: <sip:a@b>;tag=a\r\nTo: <sip:c@d>\r\nCall-ID: y\r\n", "CANCEL");
        assert_eq!(gets(&mut world, &cancel), "481");
        world.receive(STRANGER, &cancel);
        world.receive(STRANGER, &cancel);
        let [one, other] = [world.take(STRANGER, "SIP/2.0 481"), world.take(STRANGER, "SIP/2.0 481")];
        assert_eq!(one, other);
        assert!(header(&one, "To").contains(";tag="), "{one}");
        world.pass(Duration::from_secs(2));
    }
    // A trunk's BYE of a call before a restart gets its 481 too.
    let got = "SIP/2.0 200 OK\r\nFrom: <sip:a@b>;tag=a\r\nTo: <sip:c@d>;tag=zz\r\nCall-ID: x\r\n";
    world.asks(TRUNK, got, "BYE", 2, "", "");
    world.take(TRUNK, "SIP/2.0 481");
}

#[test]
fn where_it_is_crowded_strangers_get_no_response_and_a_trunk_does() {
    let mut settings = settings();
    settings.guard.crowded_at = 1;
    let mut world = World::new(settings, &["budi"]);
    Caller::dials(&mut world);
    let got = "SIP/2.0 200 OK\r\nFrom: <sip:a@b>;tag=a\r\nTo: <sip:c@d>;tag=zz\r\nCall-ID: x\r\n";
    for method in METHODS.into_iter().chain(["CANCEL"]) {
        let text = forged(&mut world, got, method);
        assert_eq!(gets(&mut world, &text), "", "{method}");
    }
    world.asks(TRUNK, got, "BYE", 2, "", "");
    world.take(TRUNK, "SIP/2.0 481");
    Caller::dials(&mut world);
}

#[test]
fn wrong_credentials_leave_no_state() {
    let mut world = staffed();
    let register = |authorization: &str, n: u32| {
        format!(
            "REGISTER sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {STRANGER};branch=z9hG4bKw{n};rport\r\n\
             From: <sip:budi@127.0.0.1>;tag=s\r\nTo: <sip:budi@127.0.0.1>\r\nCall-ID: w{n}\r\nCSeq: {n} REGISTER\r\n\
             Max-Forwards: 70\r\n{authorization}Content-Length: 0\r\n\r\n"
        )
    };
    world.receive(STRANGER, &register("", 1));
    let challenge = world.take(STRANGER, "SIP/2.0 401");
    let right = credentials(&challenge, "budi", "REGISTER", "sip:127.0.0.1");
    let wrong = spoiled(&right);
    let unknown = right.replace("nonce=\"A", "nonce=\"B");
    for (n, (credentials, expected)) in
        [(wrong, "403"), (unknown, "401"), ("Authorization: Digest x\r\n".to_owned(), "400")].into_iter().enumerate()
    {
        let text = register(&credentials, 2 + u32::try_from(n).unwrap());
        assert_eq!(gets(&mut world, &text), expected, "{credentials}");
    }
}

#[test]
fn what_strangers_get_is_hardly_longer_than_what_they_send() {
    let mut settings = settings();
    settings.site.server_header = Some("siaga/1.0 (a long name)".to_owned());
    let mut world = World::new(settings, &["budi"]);
    world.register("budi", BUDI);
    for method in ["OPTIONS", "BYE", "NOTIFY", "REFER", "UPDATE", "FETCH", "PUBLISH"] {
        let got = "SIP/2.0 200 OK\r\nFrom: <sip:a@b>;tag=a\r\nTo: <sip:c@d>\r\nCall-ID: x\r\n";
        let text = forged(&mut world, got, method);
        for (at, known) in [(STRANGER, false), (BUDI, true)] {
            world.receive(at, &text.replace(STRANGER, at));
            let said = world.take(at, "SIP/2.0 ");
            let has_list = known && matches!(method, "OPTIONS" | "NOTIFY" | "FETCH" | "PUBLISH");
            assert_eq!((said.contains("Allow"), said.contains("Server: siaga")), (has_list, known), "{said}");
            assert!(known || said.len() <= text.len() * 5 / 4, "{method}: {} bytes get {}", text.len(), said.len());
        }
    }
}

/// What anyone can send in the name of a trunk, whose address is never limited, takes no room from trunk calls (RFC 3261 §26.3.2.4).
#[test]
fn a_register_without_credentials_leaves_no_state_for_any_source() {
    const MAX: usize = 30;
    for from in [STRANGER, TRUNK, "127.0.0.2:4444"] {
        let mut settings = settings();
        settings.guard.transactions_max = MAX;
        // It is never crowded: a REGISTER that needed a transaction would get 503.
        settings.guard.crowded_at = usize::MAX;
        let mut world = World::new(settings, &["budi"]);
        world.register("budi", BUDI);
        while world.switchboard.gauges().transactions < MAX {
            super::super::guard::asks(&mut world, TRUNK, "INVITE", "100", "");
        }
        world.sent.clear();
        let before = world.switchboard.gauges();
        for _ in 0..200 {
            super::super::guard::asks(&mut world, from, "REGISTER", "budi", "");
        }
        let at: std::net::SocketAddr = from.parse().unwrap();
        let challenges = world.sent.iter().filter(|(to, text)| *to == at && text.starts_with("SIP/2.0 401"));
        assert_eq!(challenges.count(), 200, "{from}");
        assert_eq!(world.switchboard.gauges(), before, "{from}");
    }
}
