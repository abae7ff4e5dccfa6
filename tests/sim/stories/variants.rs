//! Session descriptions that other call centres have rejected: none of them makes an emergency call fail. Address families of media.

use std::net::IpAddr;

use siaga::sip::flow::Transport;
use siaga::switchboard::{Listener, Network, Settings};

use super::*;

fn invite(n: u32, body: &str) -> String {
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "INVITE sip:112@127.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP {TRUNK};branch=z9hG4bKv{n};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:0812@127.0.0.2>;tag=v{n}\r\nTo: <sip:112@127.0.0.1>\r\nCall-ID: variant-{n}\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:me@{TRUNK}>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A request of that caller in the dialog of a response.
fn asks_in(world: &mut World, got: &str, method: &str, cseq: u32, body: &str) {
    world.asks(TRUNK, got, method, cseq, "", body);
}

fn plain(lines: &str) -> String {
    format!("v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nt=0 0\r\n{lines}")
}

#[test]
fn descriptions_with_odd_addresses_and_mappings_are_answered_from_either_side() {
    let good = sdp(TRUNK, 30_000);
    let variants = [
        good.replace("c=IN IP4 127.0.0.2", "c=IN IP4 media.telco.example"),
        good.replace("c=IN IP4 127.0.0.2\r\n", ""),
        good.replace("PCMA/8000", "PCMA"),
        good.replace("PCMA/8000", "G711-ALAW/8000"),
        good.replace("a=rtpmap:8 PCMA/8000\r\n", ""),
    ];
    for (n, variant) in (1..).zip(&variants) {
        let mut world = staffed();
        world.receive(TRUNK, &invite(n, variant));
        let invite = world.take(BUDI, "INVITE");
        let theirs = variant.replace("127.0.0.2", "127.0.0.3").replace("30000", "31000");
        world.receive(BUDI, &response(&invite, BUDI, "200 OK", &theirs));
        world.take(BUDI, "ACK");
        let answer = world.take(TRUNK, "SIP/2.0 200");
        assert!(answer.contains("m=audio 20000 RTP/AVP 8"), "{answer}");
        asks_in(&mut world, &answer, "ACK", 1, "");
        // In the call too.
        asks_in(&mut world, &answer, "UPDATE", 2, variant);
        world.take(TRUNK, "SIP/2.0 200");
        asks(&mut world, BUDI, &invite, "UPDATE", 1, "", &theirs);
        world.take(BUDI, "SIP/2.0 200");
        asks_in(&mut world, &answer, "BYE", 3, "");
        world.assert_empty_in_the_end();
        assert_eq!(endings(&world), [(Side::Caller, EndCause::Normal)]);
    }
}

#[test]
fn an_offer_without_audio_is_accepted_and_audio_is_offered_by_re_invite() {
    for (n, lines, places) in [
        (1, "", "m=audio "),
        (2, "m=video 5000 RTP/AVP 31\r\n", "m=video 0 RTP/AVP 31\r\nm=audio "),
        (3, "m=audio 0 RTP/AVP 8\r\n", "m=audio 0 RTP/AVP 8\r\nm=audio "),
    ] {
        let mut world = staffed();
        world.receive(TRUNK, &invite(n, &plain(lines)));
        answers(&mut world, BUDI);
        let answer = world.take(TRUNK, "SIP/2.0 200");
        assert!(!answer.contains("m=audio 2"), "{answer}");
        asks_in(&mut world, &answer, "ACK", 1, "");
        let (a, _) = ports(&world);
        let again = world.take(TRUNK, "INVITE");
        assert!(again.contains(places) && again.contains("m=audio 20000 "), "{again}");
        world.media.clear();
        let theirs = sdp(TRUNK, 30_000).replace("m=audio", &format!("{}m=audio", lines.replace("5000", "0")));
        world.receive(TRUNK, &response(&again, TRUNK, "200 OK", &theirs));
        world.take(TRUNK, "ACK");
        let aimed = world.media.iter().any(|command| match command {
            Command::SetRemote { anchor, remote } => *anchor == a && remote.rtp.port() == 30_000,
            _ => false,
        });
        assert!(aimed, "{:#?}", world.media);
        asks_in(&mut world, &answer, "BYE", 2, "");
        world.assert_empty_in_the_end();
    }
}

/// A caller who offered no media has been answered, and audio is offered; gives the 200 to the caller.
fn is_offered_audio(world: &mut World) -> String {
    world.receive(TRUNK, &invite(1, &plain("")));
    answers(world, BUDI);
    let answer = world.take(TRUNK, "SIP/2.0 200");
    asks_in(world, &answer, "ACK", 1, "");
    answer
}

#[test]
fn an_offer_of_audio_that_meets_another_offer_is_made_again() {
    let mut world = staffed();
    let answer = is_offered_audio(&mut world);
    let rejections = [
        ("491 Request Pending", "", 10..=2_020),
        ("500 Server Internal Error", "Retry-After: 3\r\n", 3_000..=3_020),
        ("491 Request Pending", "", 10..=2_020),
    ];
    for (status, more, times) in rejections {
        let offer = world.take(TRUNK, "INVITE");
        let rejection = response(&offer, TRUNK, status, "").replacen("Contact", &format!("{more}Contact"), 1);
        let rejected = world.now.mono;
        world.receive(TRUNK, &rejection);
        world.take(TRUNK, "ACK");
        let waited = |world: &World| u64::try_from(world.now.mono.since(rejected).as_millis()).unwrap();
        while !world.has(TRUNK, "INVITE") && waited(&world) < 10_000 {
            world.pass(Duration::from_millis(10));
        }
        assert!(times.contains(&waited(&world)), "{status} after {} ms", waited(&world));
    }
    let offer = world.take(TRUNK, "INVITE");
    assert_eq!(header(&offer, "CSeq"), "4 INVITE");
    world.receive(TRUNK, &response(&offer, TRUNK, "200 OK", &sdp(TRUNK, 30_000)));
    world.take(TRUNK, "ACK");
    let (caller, _) = ports(&world);
    let aims = |command: &Command| matches!(command, Command::SetRemote { anchor, remote } if *anchor == caller && remote.rtp.port() == 30_000);
    assert!(world.media.iter().any(aims), "{:#?}", world.media);
    world.pass(Duration::from_secs(10));
    assert!(!world.has(TRUNK, "INVITE"), "it is accepted");
    asks_in(&mut world, &answer, "BYE", 2, "");
    world.assert_empty_in_the_end();
}

#[test]
fn audio_is_not_offered_again_to_a_caller_who_has_offered_it_or_has_hung_up() {
    for hangs_up in [false, true] {
        let mut world = staffed();
        let answer = is_offered_audio(&mut world);
        let offer = world.take(TRUNK, "INVITE");
        world.receive(TRUNK, &response(&offer, TRUNK, "491 Request Pending", ""));
        if hangs_up {
            asks_in(&mut world, &answer, "BYE", 2, "");
        } else {
            asks_in(&mut world, &answer, "INVITE", 2, &sdp(TRUNK, 30_000));
            let accepted = world.take(TRUNK, "SIP/2.0 200");
            asks_in(&mut world, &accepted, "ACK", 2, "");
        }
        world.pass(Duration::from_secs(5));
        assert!(!world.has(TRUNK, "INVITE"));
        if !hangs_up {
            asks_in(&mut world, &answer, "BYE", 3, "");
        }
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}

#[test]
fn a_description_that_cannot_be_used_is_rejected_with_the_reason() {
    for (n, body, code) in [
        (
            1,
            sdp(TRUNK, 30_000).replace("RTP/AVP 8 101", "RTP/AVP 18 101").replace("rtpmap:8 PCMA", "rtpmap:18 G729"),
            "305",
        ),
        (2, sdp(TRUNK, 30_000).replace("IP4 127.0.0.2", "IP6 2001:db8::2"), "301"),
        (3, sdp(TRUNK, 30_000).replace("RTP/AVP", "RTP/SAVP"), "399"),
    ] {
        let mut world = staffed();
        world.receive(TRUNK, &invite(n, &body));
        let refusal = world.take(TRUNK, "SIP/2.0 488");
        assert!(header(&refusal, "Warning").starts_with(&format!("{code} siaga \"")), "{refusal}");
        // In a call, the call continues.
        let mut caller = Caller::dials(&mut world);
        let talk = answers(&mut world, BUDI);
        caller.is_answered(&mut world);
        for method in ["INVITE", "UPDATE"] {
            caller.asks(&mut world, method, 2 + u32::from(method == "UPDATE"), "", &body);
            assert!(header(&world.take(TRUNK, "SIP/2.0 488"), "Warning").starts_with(code));
        }
        asks(&mut world, BUDI, &talk, "INVITE", 1, "", &body);
        assert!(header(&world.take(BUDI, "SIP/2.0 488"), "Warning").starts_with(code));
        caller.hangs_up_as(&mut world, 4);
    }
}

/// Media and signalling in both families.
fn dual() -> World {
    let mut settings: Settings = settings();
    settings.media.addresses = ["127.0.0.1", "2001:db8::1"].map(|ip| ip.parse::<IpAddr>().unwrap()).to_vec();
    let local = "[2001:db8::1]:5060".parse().unwrap();
    settings.site.listeners.push(Listener {
        transport: Transport::Udp,
        local,
        advertised: "[2001:db8::1]:5060".to_owned(),
    });
    settings.trunks[0].peers.push(Network::parse("2001:db8::2").unwrap());
    let mut world = World::new(settings, &["budi", "sari"]);
    world.register("budi", BUDI);
    world
}

#[test]
fn the_callers_offer_chooses_the_address_family_and_the_phone_has_its_own() {
    let v4 = sdp(TRUNK, 30_000);
    let v6 = v4.replace("IP4 127.0.0.2", "IP6 2001:db8::2");
    let anat = "v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nt=0 0\r\na=group:ANAT 1 2\r\nm=audio 25000 RTP/AVP 8\r\nc=IN IP6 2001:db8::2\r\n\
         a=mid:1\r\nm=audio 22334 RTP/AVP 8\r\nc=IN IP4 127.0.0.2\r\na=mid:2\r\n"
        .to_owned();
    for (n, offer, ours) in
        [(1, &v4, "IN IP4 127.0.0.1"), (2, &v6, "IN IP6 2001:db8::1"), (3, &anat, "IN IP6 2001:db8::1")]
    {
        let mut world = dual();
        world.receive(TRUNK, &invite(n, offer));
        let invite = answers(&mut world, BUDI);
        assert!(invite.contains("c=IN IP4 127.0.0.1\r\n"), "the phone is reached over IPv4: {invite}");
        let answer = world.take(TRUNK, "SIP/2.0 200");
        assert!(answer.contains(&format!("c={ours}\r\n")), "{answer}");
        asks_in(&mut world, &answer, "ACK", 1, "");
        asks_in(&mut world, &answer, "BYE", 2, "");
        world.assert_empty_in_the_end();
    }
}

#[test]
fn a_bye_that_crosses_ours_is_answered_200() {
    let mut world = staffed();
    let mut caller = Caller::dials(&mut world);
    let invite = answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    operator_hangs_up(&mut world, BUDI, &invite);
    world.take(TRUNK, "BYE");
    // The caller hangs up before our BYE arrives.
    caller.hangs_up_as(&mut world, 2);
    // So does the operator, whose leg a caller's BYE has ended.
    let mut caller = Caller::dials(&mut world);
    world.pass(Duration::from_secs(20));
    let invite = answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    caller.hangs_up(&mut world);
    world.take(BUDI, "BYE");
    operator_hangs_up(&mut world, BUDI, &invite);
    // A dialog that never existed is still unknown.
    asks(&mut world, BUDI, &invite.replace("Call-ID: ", "Call-ID: other-"), "BYE", 2, "", "");
    world.take(BUDI, "SIP/2.0 481");
    world.assert_empty_in_the_end();
}

#[test]
fn the_trunks_expires_never_ends_an_emergency_call() {
    let mut world = staffed();
    let mut caller = Caller::dials_with(&mut world, "Expires: 1\r\n", true);
    world.pass(Duration::from_secs(10));
    answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn options_names_encodings_and_languages() {
    let mut world = staffed();
    world.receive(TRUNK, &invite(1, "").replace("INVITE", "OPTIONS"));
    let answer = world.take(TRUNK, "SIP/2.0 200");
    assert_eq!((header(&answer, "Accept-Encoding"), header(&answer, "Accept-Language")), ("identity", "id, en"));
    // In a dialog too.
    let mut caller = Caller::dials(&mut world);
    answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    caller.asks(&mut world, "OPTIONS", 2, "", "");
    let answer = world.take(TRUNK, "SIP/2.0 200");
    assert_eq!((header(&answer, "Accept-Encoding"), header(&answer, "Accept-Language")), ("identity", "id, en"));
}

#[test]
fn a_number_that_reads_backwards_reaches_no_record() {
    let mut world = staffed();
    let body = sdp(TRUNK, 30_000);
    world.receive(TRUNK, &invite(1, &body).replace("sip:0812@", "sip:%E2%80%AE0812%E2%81%A6@"));
    let presented = world.facts.iter().find_map(|fact| match &fact.kind {
        FactKind::Received { presented, .. } => presented.clone(),
        _ => None,
    });
    assert_eq!(presented.as_deref(), Some("0812"));
}
