//! Text between operators, from the centre, and in calls (RFC 3428).

use siaga::ids::OperatorId;
use siaga::switchboard::{ConsoleCommand, ConsoleReply, Output};

use super::*;

const TABLET: &str = "127.0.0.3:5093";

fn floor() -> World {
    let mut world = World::new(settings(), &["budi", "sari", "tono"]);
    world.register("budi", BUDI);
    world.register("sari", SARI);
    world
}

/// A MESSAGE of an operator, through the challenge; the answer is taken by the test.
fn writes(world: &mut World, who: &str, at: &str, whom: &str, more: &str, body: &str) {
    let uri = format!("sip:{whom}@127.0.0.1");
    let call_id = world.next_serial();
    let text = |n: u32, more: &str| {
        format!(
            "MESSAGE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bKm{n}\r\nFrom: <sip:{who}@127.0.0.1>;tag=m\r\n\
             To: <{uri}>\r\nCall-ID: m{call_id}\r\nCSeq: {n} MESSAGE\r\nMax-Forwards: 70\r\n{more}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let serial = world.next_serial();
    world.receive(at, &text(serial, more));
    let challenge = world.take(at, "SIP/2.0 401");
    let serial = world.next_serial();
    let more = format!("{}{more}", credentials(&challenge, who, "MESSAGE", &uri));
    world.receive(at, &text(serial, &more));
}

const PLAIN: &str = "Content-Type: text/plain\r\n";

fn body(message: &str) -> &str {
    message.split_once("\r\n\r\n").unwrap().1
}

/// What the console answers.
fn asked(world: &mut World, to: Option<&str>, text: &str) -> ConsoleReply {
    let operator = to.map(|name| OperatorId::parse(name).unwrap());
    let mut out = Vec::new();
    let command = ConsoleCommand::Message { operator, text: text.to_owned() };
    world.switchboard.handle(world.now, Input::Console { request: 9, by: admin(), command }, &mut out);
    world.switchboard.verify().unwrap();
    let mut reply = None;
    for output in out {
        match output {
            Output::Send(transmit) => {
                world.sent.push((transmit.flow.remote, String::from_utf8(transmit.bytes.to_vec()).unwrap()));
            }
            Output::Reply { request: 9, reply: given } => reply = Some(given),
            Output::Fact(fact) => {
                let FactKind::Commanded { by, command, .. } = &fact.kind else { panic!("unexpected: {fact:?}") };
                assert_eq!((by.as_str(), command.as_str()), ("ani", "message"));
                assert!(!format!("{fact:?}").contains(text), "the words stay between those who write and read");
            }
            other => panic!("unexpected: {other:?}"),
        }
    }
    reply.unwrap()
}

fn names(names: &[&str]) -> Vec<OperatorId> {
    names.iter().map(|name| OperatorId::parse(name).unwrap()).collect()
}

#[test]
fn a_text_reaches_a_colleague_and_the_phones_response_is_returned() {
    let mut world = floor();
    let more = format!("{PLAIN}Subject: banjir\r\nContact: <sip:x@x>\r\nX-Secret: 1\r\n");
    writes(&mut world, "budi", BUDI, "sari", &more, "Jalan Sudirman ditutup");
    let message = world.take(SARI, "MESSAGE sip:sari@127.0.0.3:5092");
    assert!(header(&message, "From").starts_with("\"budi\" <sip:budi@127.0.0.1>;tag="), "{message}");
    assert_eq!(header(&message, "To"), "<sip:sari@127.0.0.1>");
    assert_eq!((header(&message, "Content-Type"), header(&message, "Subject")), ("text/plain", "banjir"));
    assert_eq!((body(&message), header(&message, "Max-Forwards")), ("Jalan Sudirman ditutup", "69"));
    assert!(!message.contains("Contact") && !message.contains("X-Secret"), "RFC 3428 §4: {message}");
    assert!(!world.has(BUDI, "SIP/2.0"), "the answer is the phone's");
    world.receive(SARI, &response(&message, SARI, "200 OK", ""));
    let answer = world.take(BUDI, "SIP/2.0 200");
    assert!(!answer.contains("Contact"), "RFC 3428 §7: {answer}");
    assert_eq!(world.facts.iter().filter(|fact| format!("{fact:?}").contains("Sudirman")).count(), 0);
    world.assert_empty_in_the_end();
}

#[test]
fn the_sender_is_the_authenticated_account() {
    let mut world = floor();
    writes(&mut world, "budi", BUDI, "sari", &format!("{PLAIN}P-Asserted-Identity: <sip:112@127.0.0.1>\r\n"), "x");
    let message = world.take(SARI, "MESSAGE");
    assert!(header(&message, "From").contains("<sip:budi@127.0.0.1>") && !message.contains("Asserted"), "{message}");
    world.receive(SARI, &response(&message, SARI, "200 OK", ""));
    world.assert_empty_in_the_end();
}

#[test]
fn all_phones_of_a_colleague_get_it_and_the_first_that_takes_it_counts() {
    let mut world = floor();
    let tablet = |world: &mut World| {
        let n = world.next_serial();
        let text = |n: u32, more: &str| {
            format!(
                "REGISTER sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {TABLET};branch=z9hG4bKt{n}\r\nFrom: <sip:sari@127.0.0.1>;tag=t\r\n\
                 To: <sip:sari@127.0.0.1>\r\nCall-ID: tablet\r\nCSeq: {n} REGISTER\r\nContact: <sip:sari@{TABLET}>\r\n\
                 Max-Forwards: 70\r\n{more}Content-Length: 0\r\n\r\n"
            )
        };
        world.receive(TABLET, &text(n, ""));
        let challenge = world.take(TABLET, "SIP/2.0 401");
        world.receive(TABLET, &text(n + 1, &credentials(&challenge, "sari", "REGISTER", "sip:127.0.0.1")));
        world.take(TABLET, "SIP/2.0 200");
    };
    tablet(&mut world);
    writes(&mut world, "budi", BUDI, "sari", PLAIN, "x");
    let (desk, table) = (world.take(SARI, "MESSAGE"), world.take(TABLET, "MESSAGE"));
    world.receive(SARI, &response(&desk, SARI, "415 Unsupported Media Type", ""));
    assert!(!world.has(BUDI, "SIP/2.0"), "the other may take it");
    world.receive(TABLET, &response(&table, TABLET, "202 Accepted", ""));
    world.take(BUDI, "SIP/2.0 202");

    // None takes it: the best of their answers.
    writes(&mut world, "budi", BUDI, "sari", PLAIN, "x");
    let (desk, table) = (world.take(SARI, "MESSAGE"), world.take(TABLET, "MESSAGE"));
    world.receive(SARI, &response(&desk, SARI, "500 Server Internal Error", ""));
    world.receive(TABLET, &response(&table, TABLET, "486 Busy Here", ""));
    world.take(BUDI, "SIP/2.0 486");
    world.assert_empty_in_the_end();
}

#[test]
fn what_cannot_be_delivered_is_refused_and_not_kept() {
    let mut world = floor();
    let long = "x".repeat(8_193);
    let for_a_stream = "x".repeat(1_200);
    let table = [
        ("nobody", PLAIN, "x", "404"),
        ("112", PLAIN, "x", "404"),
        ("tono", PLAIN, "x", "480"),
        ("sari", PLAIN, long.as_str(), "413"),
        ("sari", PLAIN, for_a_stream.as_str(), "413"),
        ("sari", "", "x", "415"),
        ("sari", "Content-Type: nonsense\r\n", "x", "415"),
    ];
    for (whom, more, body, status) in table {
        writes(&mut world, "budi", BUDI, whom, more, body);
        let answer = world.take(BUDI, "SIP/2.0");
        assert!(answer.starts_with(&format!("SIP/2.0 {status}")), "{whom} {}: {answer}", body.len());
    }
    world.register("tono", TABLET);
    assert!(!world.has(TABLET, "MESSAGE") && !world.has(SARI, "MESSAGE"), "nothing is kept");
    world.assert_empty_in_the_end();
}

#[test]
fn other_types_go_through_and_a_refusal_says_what_is_taken() {
    let mut world = floor();
    let kind = "Content-Type: application/im-iscomposing+xml\r\n";
    writes(&mut world, "budi", BUDI, "sari", kind, "<isComposing/>");
    let message = world.take(SARI, "MESSAGE");
    assert_eq!(header(&message, "Content-Type"), "application/im-iscomposing+xml");
    let refusal = response(&message, SARI, "415 Unsupported Media Type", "");
    world.receive(SARI, &refusal.replace("Content-Length", "Accept: text/plain\r\nContent-Length"));
    let answer = world.take(BUDI, "SIP/2.0 415");
    assert_eq!(header(&answer, "Accept"), "text/plain");
    for status in ["302 Moved Temporarily", "401 Unauthorized"] {
        writes(&mut world, "budi", BUDI, "sari", PLAIN, "x");
        let message = world.take(SARI, "MESSAGE");
        world.receive(SARI, &response(&message, SARI, status, ""));
        world.take(BUDI, "SIP/2.0 480");
    }
    world.assert_empty_in_the_end();
}

#[test]
fn a_phone_that_says_nothing_leaves_nothing_behind() {
    let mut world = floor();
    writes(&mut world, "budi", BUDI, "sari", PLAIN, "x");
    world.pass(Duration::from_secs(40));
    // The sender's own transaction is over by then, too (RFC 4320 §4.2).
    assert!(!world.has(BUDI, "SIP/2.0"));
    writes(&mut world, "budi", BUDI, "sari", PLAIN, "x");
    world.is_unreachable(SARI);
    world.take(BUDI, "SIP/2.0 480");
    world.assert_empty_in_the_end();
}

#[test]
fn a_trunk_and_an_unknown_source_cannot_send_texts() {
    let mut world = floor();
    let before = world.switchboard.gauges();
    for (at, status) in [(TRUNK, "403"), ("127.0.0.9:5060", "401")] {
        let text = format!(
            "MESSAGE sip:112@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bKs\r\nFrom: <sip:0812@x>;tag=s\r\n\
             To: <sip:112@127.0.0.1>\r\nCall-ID: s\r\nCSeq: 1 MESSAGE\r\nMax-Forwards: 70\r\nContent-Type: text/plain\r\n\
             Content-Length: 6\r\n\r\ntolong"
        );
        world.receive(at, &text);
        world.take(at, &format!("SIP/2.0 {status}"));
    }
    assert_eq!(world.switchboard.gauges(), before);
}

#[test]
fn in_a_call_each_side_may_write_to_the_other() {
    let mut world = floor();
    let mut caller = Caller::dials(&mut world);
    let ringing = world.take(BUDI, "INVITE");
    world.receive(BUDI, &response(&ringing, BUDI, "180 Ringing", ""));
    caller.hears(&mut world, "SIP/2.0 180");
    caller.asks_of(&mut world, "MESSAGE", 2, PLAIN, "tolong");
    // Not a status that would concern the call.
    world.take(TRUNK, "SIP/2.0 486");
    world.receive(BUDI, &response(&ringing, BUDI, "200 OK", &sdp(BUDI, 31_000)));
    world.take(BUDI, "ACK");
    caller.is_answered(&mut world);

    caller.asks_of(&mut world, "MESSAGE", 3, PLAIN, "saya tuli");
    let message = world.take(BUDI, "MESSAGE");
    assert_eq!((body(&message), header(&message, "Call-ID")), ("saya tuli", header(&ringing, "Call-ID")));
    assert!(header(&message, "To").contains(";tag=phone"), "in the operator's dialog: {message}");
    world.receive(BUDI, &response(&message, BUDI, "200 OK", ""));
    let answer = world.take(TRUNK, "SIP/2.0 200");
    assert_eq!(header(&answer, "CSeq"), "3 MESSAGE");

    let text = "di mana Anda?";
    let message = format!(
        "MESSAGE sip:siaga@127.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP {BUDI};branch=z9hG4bKback\r\nFrom: {};tag=phone\r\n\
         To: {}\r\nCall-ID: {}\r\nCSeq: 1 MESSAGE\r\nMax-Forwards: 70\r\n{PLAIN}Content-Length: {}\r\n\r\n{text}",
        header(&ringing, "To"),
        header(&ringing, "From"),
        header(&ringing, "Call-ID"),
        text.len()
    );
    world.receive(BUDI, &message);
    let message = world.take(TRUNK, "MESSAGE");
    assert_eq!(body(&message), text);
    world.receive(TRUNK, &response(&message, TRUNK, "405 Method Not Allowed", ""));
    world.take(BUDI, "SIP/2.0 486");
    caller.hangs_up_as(&mut world, 4);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn the_rejection_of_a_text_in_a_call_says_nothing_of_the_call() {
    for (status, told) in [
        ("481 Call/Transaction Does Not Exist", 486),
        ("408 Request Timeout", 486),
        ("404 Not Found", 486),
        ("480 Temporarily Unavailable", 486),
        ("503 Service Unavailable", 486),
        ("302 Moved Temporarily", 486),
        ("501 Not Implemented", 486),
        ("407 Proxy Authentication Required", 486),
        ("415 Unsupported Media Type", 415),
        ("403 Forbidden", 403),
        ("603 Decline", 603),
    ] {
        let mut world = floor();
        let mut caller = Caller::dials(&mut world);
        let invite = answers(&mut world, BUDI);
        caller.is_answered(&mut world);
        caller.asks_of(&mut world, "MESSAGE", 2, PLAIN, "tolong");
        let message = world.take(BUDI, "MESSAGE");
        world.receive(BUDI, &response(&message, BUDI, status, ""));
        let answer = world.take(TRUNK, &format!("SIP/2.0 {told}"));
        assert_eq!(header(&answer, "CSeq"), "2 MESSAGE");
        asks(&mut world, BUDI, &invite, "MESSAGE", 1, "", "");
        let message = world.take(TRUNK, "MESSAGE");
        world.receive(TRUNK, &response(&message, TRUNK, status, ""));
        world.take(BUDI, &format!("SIP/2.0 {told}"));
        caller.hangs_up_as(&mut world, 3);
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}

#[test]
fn a_text_in_a_call_that_gets_no_response_is_answered_before_its_sender_gives_up() {
    let mut world = floor();
    let mut caller = Caller::dials(&mut world);
    answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    caller.asks_of(&mut world, "MESSAGE", 2, PLAIN, "tolong");
    let message = world.take(BUDI, "MESSAGE");
    world.pass(Duration::from_secs(15));
    assert!(!world.has(TRUNK, "SIP/2.0 486"));
    world.pass(Duration::from_secs(2));
    world.take(TRUNK, "SIP/2.0 486");
    world.receive(BUDI, &response(&message, BUDI, "200 OK", ""));
    assert!(!world.sent.iter().any(|(to, text)| to.port() == 5080 && text.contains("CSeq: 2 MESSAGE")), "one answer");
    caller.hangs_up_as(&mut world, 3);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn the_centre_sends_a_text_to_one_or_to_all_reachable_operators() {
    let mut world = floor();
    let reply = asked(&mut world, Some("sari"), "rapat pukul tujuh");
    assert_eq!(reply, ConsoleReply::Messages { sent: names(&["sari"]), unsent: vec![] });
    let message = world.take(SARI, "MESSAGE");
    assert!(header(&message, "From").starts_with("\"112\" <sip:siaga@127.0.0.1>;tag="), "{message}");
    assert_eq!((header(&message, "Content-Type"), body(&message)), ("text/plain;charset=UTF-8", "rapat pukul tujuh"));
    world.receive(SARI, &response(&message, SARI, "200 OK", ""));

    let reply = asked(&mut world, None, "gempa");
    assert_eq!(reply, ConsoleReply::Messages { sent: names(&["budi", "sari"]), unsent: names(&["tono"]) });
    for at in [BUDI, SARI] {
        let message = world.take(at, "MESSAGE");
        world.receive(at, &response(&message, at, "200 OK", ""));
    }
    assert_eq!(asked(&mut world, Some("tono"), "x"), ConsoleReply::Messages { sent: vec![], unsent: names(&["tono"]) });
    assert_eq!(asked(&mut world, Some("nobody"), "x"), ConsoleReply::UnknownOperator);
    world.assert_empty_in_the_end();
}

#[test]
fn a_text_in_a_call_that_comes_again_another_way_is_carried_once_and_gets_the_same_answer() {
    for status in ["200 OK", "415 Unsupported Media Type"] {
        for answered_first in [true, false] {
            let mut world = staffed();
            let mut caller = Caller::dials(&mut world);
            answers(&mut world, BUDI);
            caller.is_answered(&mut world);
            world.sent.clear();
            caller.asks_of(&mut world, "MESSAGE", 2, "Content-Type: text/plain\r\n", "tolong");
            let sent = world.take(BUDI, "MESSAGE");
            let answer = response(&sent, BUDI, status, "");
            if answered_first {
                world.receive(BUDI, &answer);
            }
            caller.asks(&mut world, "MESSAGE", 2, "", "tolong");
            if !answered_first {
                assert!(!world.has(TRUNK, "SIP/2.0"), "it waits for the answer: {:#?}", world.sent);
                world.receive(BUDI, &answer);
            }
            let start = format!("SIP/2.0 {}", &status[..3]);
            let (first, second) = (world.take(TRUNK, &start), world.take(TRUNK, &start));
            assert_ne!(header(&first, "Via"), header(&second, "Via"), "each in its transaction");
            assert!(!world.has(BUDI, "MESSAGE") && !world.has(TRUNK, "SIP/2.0"));
            caller.hangs_up_as(&mut world, 3);
            world.sent.clear();
            world.assert_empty_in_the_end();
        }
    }
}
