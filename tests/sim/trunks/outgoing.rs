//! Calls that go on over a trunk, and dialogs with a telco that wants our password for every request.

use siaga::cdr::fact::FactKind;

use super::*;

/// The fallback number over a telco that knows us by our password.
fn known() -> World {
    unstaffed(|settings| {
        settings.trunks[0].terms.identity = identity();
        settings.trunks.truncate(1);
    })
}

/// The telco's refusal of a request that has no credentials; gives the same request with them.
fn challenged(world: &mut World, at: &str, request: &str) -> String {
    let method = request.split(' ').next().unwrap();
    assert!(!request.contains("Authorization"), "{request}");
    let refusal = response(request, at, "407 Proxy Authentication Required", "");
    let challenge = CHALLENGE.replace("WWW", "Proxy");
    world.receive(at, &refusal.replacen("Contact:", &format!("{challenge}Contact:"), 1));
    if method == "INVITE" {
        world.take(at, "ACK");
    }
    let again = world.take(at, method);
    let number = |text: &str| header(text, "CSeq").split(' ').next().unwrap().parse::<u32>().unwrap();
    assert_eq!(number(&again), number(request) + 1);
    assert!(header(&again, "Proxy-Authorization").contains("uri=\"sip:"), "{again}");
    again
}

fn good(world: &mut World, at: &str, request: &str, body: &str) {
    world.receive(at, &response(request, at, "200 OK", body));
}

#[test]
fn every_request_of_a_dialog_is_made_again_with_the_password_that_the_telco_asks_for() {
    for (allow, method) in [("", "INVITE"), ("Allow: INVITE, UPDATE\r\n", "UPDATE")] {
        let mut settings = settings();
        settings.trunks[0].terms.identity = identity();
        settings.session.seconds = Some(200);
        let mut world = World::new(settings, &["budi"]);
        world.register("budi", BUDI);
        let mut caller = Caller::dials_with(&mut world, &format!("Supported: timer\r\n{allow}"), true);
        let invite = world.take(BUDI, "INVITE");
        world.receive(BUDI, &response(&invite, BUDI, "200 OK", &sdp(BUDI, 31_000)));
        caller.is_answered(&mut world);
        for refreshes in 1..=2 {
            world.pass(Duration::from_secs(100));
            let first = world.take(TRUNK, method);
            assert_eq!(header(&first, "CSeq"), format!("{} {method}", 2 * refreshes - 1));
            let again = challenged(&mut world, TRUNK, &first);
            assert_eq!(header(&again, "Session-Expires"), header(&first, "Session-Expires"));
            let body = if method == "INVITE" { sdp(TRUNK, 30_000) } else { String::new() };
            good(&mut world, TRUNK, &again, &body);
            if method == "INVITE" {
                let ack = world.take(TRUNK, "ACK");
                assert_eq!(header(&ack, "CSeq"), format!("{} ACK", 2 * refreshes));
                assert_eq!(header(&ack, "Proxy-Authorization"), header(&again, "Proxy-Authorization"));
            }
        }
        assert_eq!(world.count(|kind| matches!(kind, FactKind::SessionExpired { .. })), 0);
        world.asks(BUDI, &invite, "BYE", 1, "", "");
        let bye = world.take(TRUNK, "BYE");
        let bye = challenged(&mut world, TRUNK, &bye);
        good(&mut world, TRUNK, &bye, "");
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}

#[test]
fn a_bye_that_has_waited_for_the_ack_is_made_with_the_password_too() {
    let mut settings = settings();
    settings.trunks[0].terms.identity = identity();
    let mut world = World::new(settings, &["budi"]);
    world.register("budi", BUDI);
    let mut caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    world.receive(BUDI, &response(&invite, BUDI, "200 OK", &sdp(BUDI, 31_000)));
    caller.hears_200(&mut world);
    world.asks(BUDI, &invite, "BYE", 1, "", "");
    assert!(!world.has(TRUNK, "BYE"));
    caller.acknowledges(&mut world);
    let bye = world.take(TRUNK, "BYE");
    let bye = challenged(&mut world, TRUNK, &bye);
    good(&mut world, TRUNK, &bye, "");
    world.assert_empty_in_the_end();
}

#[test]
fn a_telco_that_takes_no_password_for_a_refresh_is_asked_again_later_and_the_call_goes_on() {
    let mut settings = settings();
    settings.trunks[0].terms.identity = identity();
    settings.session.seconds = Some(200);
    let mut world = World::new(settings, &["budi"]);
    world.register("budi", BUDI);
    let mut caller = Caller::dials_with(&mut world, "Supported: timer\r\nAllow: UPDATE\r\n", true);
    let invite = world.take(BUDI, "INVITE");
    world.receive(BUDI, &response(&invite, BUDI, "200 OK", &sdp(BUDI, 31_000)));
    caller.is_answered(&mut world);
    world.pass(Duration::from_secs(100));
    let first = world.take(TRUNK, "UPDATE");
    let again = challenged(&mut world, TRUNK, &first);
    let refusal = response(&again, TRUNK, "407 Proxy Authentication Required", "");
    let challenge = CHALLENGE.replace("WWW", "Proxy");
    world.receive(TRUNK, &refusal.replacen("Contact:", &format!("{challenge}Contact:"), 1));
    assert!(!world.has(TRUNK, "UPDATE"), "a wrong password is not tried twice");
    world.pass(Duration::from_secs(10));
    let later = world.take(TRUNK, "UPDATE");
    good(&mut world, TRUNK, &later, "");
    assert_eq!(world.count(|kind| matches!(kind, FactKind::Ended { .. })), 0);
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_reliable_response_is_acknowledged_with_the_password_and_numbers_go_on() {
    let mut world = known();
    let mut caller = Caller::dials(&mut world);
    let invite = world.take(TRUNK, "INVITE");
    let invite = challenged(&mut world, TRUNK, &invite);
    let early = response(&invite, TRUNK, "183 Session Progress", &sdp(TRUNK, 31_000));
    world.receive(TRUNK, &early.replacen("Contact", "Require: 100rel\r\nRSeq: 9\r\nContact", 1));
    let prack = world.take(TRUNK, "PRACK");
    assert_eq!((header(&prack, "CSeq"), header(&prack, "RAck")), ("3 PRACK", "9 2 INVITE"));
    let prack = challenged(&mut world, TRUNK, &prack);
    assert_eq!(header(&prack, "RAck"), "9 2 INVITE");
    good(&mut world, TRUNK, &prack, "");
    good(&mut world, TRUNK, &invite, "");
    let ack = world.take(TRUNK, "ACK");
    assert_eq!(header(&ack, "CSeq"), "2 ACK");
    assert_eq!(header(&ack, "Proxy-Authorization"), header(&invite, "Proxy-Authorization"));
    caller.is_answered(&mut world);
    caller.hangs_up(&mut world);
    let bye = world.take(TRUNK, "BYE");
    assert_eq!(header(&bye, "CSeq"), "5 BYE");
    let bye = challenged(&mut world, TRUNK, &bye);
    good(&mut world, TRUNK, &bye, "");
    world.assert_empty_in_the_end();
}

#[test]
fn a_trunk_that_wants_a_longer_session_and_then_a_password_gets_both() {
    let mut world = known();
    let mut caller = Caller::dials(&mut world);
    let invite = world.take(TRUNK, "INVITE");
    let invite = challenged(&mut world, TRUNK, &invite);
    let small = response(&invite, TRUNK, "422 Session Interval Too Small", "");
    world.receive(TRUNK, &small.replacen("Contact", "Min-SE: 1800\r\nContact", 1));
    world.take(TRUNK, "ACK");
    let longer = world.take(TRUNK, "INVITE");
    assert_eq!((header(&longer, "Session-Expires"), header(&longer, "Min-SE")), ("1800;refresher=uac", "1800"));
    let longer = challenged(&mut world, TRUNK, &longer);
    assert_eq!((header(&longer, "CSeq"), header(&longer, "Min-SE")), ("4 INVITE", "1800"));
    good(&mut world, TRUNK, &longer, &sdp(TRUNK, 31_000));
    world.take(TRUNK, "ACK");
    caller.is_answered(&mut world);
    caller.hangs_up(&mut world);
    world.take(TRUNK, "BYE");
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn of_a_trunks_forks_the_first_answer_stays_and_every_other_is_acknowledged_and_hung_up() {
    let mut world = known();
    let mut caller = Caller::dials(&mut world);
    let invite = world.take(TRUNK, "INVITE");
    let from = |tag: &str, status: &str, body: &str| {
        response(&invite, TRUNK, status, body).replace("tag=phone", &format!("tag={tag}"))
    };
    for (tag, status) in [("one", "180 Ringing"), ("two", "183 Session Progress"), ("one", "183 Session Progress")] {
        world.receive(TRUNK, &from(tag, status, &sdp(TRUNK, 31_000)));
    }
    world.receive(TRUNK, &from("two", "200 OK", &sdp(TRUNK, 31_002)));
    assert!(header(&world.take(TRUNK, "ACK"), "To").ends_with("tag=two"));
    caller.is_answered(&mut world);
    // One that has rung, and one without an earlier response. Each repeats its 200 until the ACK arrives, and gets one BYE.
    for (tag, repeated) in [("one", false), ("three", false), ("one", true)] {
        world.receive(TRUNK, &from(tag, "200 OK", &sdp(TRUNK, 31_004)));
        assert!(header(&world.take(TRUNK, "ACK"), "To").ends_with(tag));
        if repeated {
            assert!(!world.has(TRUNK, "BYE"));
            continue;
        }
        let bye = world.take(TRUNK, "BYE");
        assert!(header(&bye, "To").ends_with(tag), "{bye}");
        let bye = challenged(&mut world, TRUNK, &bye);
        good(&mut world, TRUNK, &bye, "");
    }
    // The one that stays says it again too.
    world.receive(TRUNK, &from("two", "200 OK", &sdp(TRUNK, 31_002)));
    world.take(TRUNK, "ACK");
    assert!(!world.has(TRUNK, "BYE"));
    let aimed = world.media.iter().rev().find_map(|command| match command {
        siaga::media::command::Command::SetRemote { remote, .. } => Some(remote.rtp.port()),
        _ => None,
    });
    assert_ne!(aimed, Some(31_004));
    assert_eq!(world.count(|kind| matches!(kind, FactKind::Answered { .. })), 1);
    caller.hangs_up(&mut world);
    assert!(header(&world.take(TRUNK, "BYE"), "To").ends_with("tag=two"));
    world.assert_empty_in_the_end();
}

#[test]
fn each_of_a_trunks_forks_is_spoken_to_where_it_is() {
    let mut world = known();
    let mut caller = Caller::dials(&mut world);
    let invite = world.take(TRUNK, "INVITE");
    let at = |place: &str, tag: &str, status: &str, body: &str| {
        response(&invite, place, status, body).replace("tag=phone", &format!("tag={tag}"))
    };
    let (one, two) = ("127.0.0.2:5071", "127.0.0.2:5072");
    let early = at(one, "one", "183 Session Progress", &sdp(TRUNK, 31_000));
    world.receive(TRUNK, &early.replacen("Contact", "Require: 100rel\r\nRSeq: 1\r\nContact", 1));
    let prack = world.take(one, "PRACK sip:phone@127.0.0.2:5071 ");
    good(&mut world, one, &prack, "");
    world.receive(TRUNK, &at(one, "one", "200 OK", ""));
    world.take(one, "ACK");
    caller.is_answered(&mut world);
    world.receive(TRUNK, &at(two, "two", "200 OK", &sdp(TRUNK, 31_004)));
    world.take(two, "ACK sip:phone@127.0.0.2:5072 ");
    let bye = world.take(two, "BYE sip:phone@127.0.0.2:5072 ");
    good(&mut world, two, &bye, "");
    caller.hangs_up(&mut world);
    let bye = world.take(one, "BYE");
    good(&mut world, one, &bye, "");
    world.assert_empty_in_the_end();
}

#[test]
fn an_outside_number_gets_the_origin_of_the_call_and_operators_phones_do_not() {
    let history =
        "History-Info: <sip:110@telco.example>;index=1\r\nDiversion: <sip:115@telco.example>;reason=no-answer\r\n";
    let inner =
        "P-Charging-Vector: icid-value=77\r\nP-Visited-Network-ID: telco\r\nP-Called-Party-ID: <sip:112@telco>\r\n";
    let more = format!("{history}Privacy: id\r\n{inner}");
    let mut world = known();
    Caller::dials_with(&mut world, &more, true);
    let onward = world.take(TRUNK, "INVITE");
    for (name, value) in [
        ("History-Info", "<sip:110@telco.example>;index=1"),
        ("Diversion", "<sip:115@telco.example>;reason=no-answer"),
        ("Privacy", "id"),
    ] {
        assert_eq!(header(&onward, name), value);
    }
    assert!(!onward.contains("P-Charging-Vector") && !onward.contains("P-Visited"), "{onward}");
    let kept = world.facts.iter().find_map(|fact| match &fact.kind {
        FactKind::Received { headers, .. } => Some(headers.clone()),
        _ => None,
    });
    let kept = kept.unwrap();
    for line in more.lines() {
        assert!(kept.iter().any(|header| header == line), "{line} is not in the record: {kept:#?}");
    }

    let mut world = World::new(settings(), &["budi"]);
    world.register("budi", BUDI);
    Caller::dials_with(&mut world, &more, true);
    let offered = world.take(BUDI, "INVITE");
    for name in ["History-Info", "Diversion", "Privacy", "P-Charging-Vector"] {
        assert!(!offered.contains(name), "{offered}");
    }
}

#[test]
fn why_a_call_ends_is_passed_to_the_other_side_and_to_phones_that_need_not_ring_any_more() {
    let mut world = World::new(settings(), &["budi"]);
    world.register("budi", BUDI);
    let mut caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    world.receive(BUDI, &response(&invite, BUDI, "200 OK", &sdp(BUDI, 31_000)));
    caller.is_answered(&mut world);
    caller.asks(&mut world, "BYE", 2, "Reason: Q.850;cause=31\r\n", "");
    assert_eq!(header(&world.take(BUDI, "BYE"), "Reason"), "Q.850;cause=31");
    world.pass(Duration::from_secs(40));
    world.sent.clear();
    let caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    world.receive(BUDI, &response(&invite, BUDI, "180 Ringing", ""));
    caller.cancels_for(&mut world, "Reason: Q.850;cause=127\r\n");
    assert_eq!(header(&world.take(BUDI, "CANCEL"), "Reason"), "Q.850;cause=127");
    let causes: Vec<_> = world
        .facts
        .iter()
        .filter_map(|fact| match fact.kind {
            FactKind::Ended { q850, .. } => Some(q850),
            _ => None,
        })
        .collect();
    assert_eq!(causes, [Some(31), Some(127)]);
}

#[test]
fn cancelled_phones_get_the_reason_that_the_call_was_answered_elsewhere() {
    const SARI: &str = "127.0.0.3:5092";
    let mut settings = settings();
    settings.acd.plan = Plan { rostered: true, ..Plan::default() };
    let mut world = World::new(settings, &["budi", "sari"]);
    world.register("budi", BUDI);
    world.register("sari", SARI);
    let mut caller = Caller::dials(&mut world);
    let [first, second] = [BUDI, SARI].map(|at| world.take(at, "INVITE"));
    world.receive(SARI, &response(&second, SARI, "180 Ringing", ""));
    world.receive(BUDI, &response(&first, BUDI, "200 OK", &sdp(BUDI, 31_000)));
    let cancel = world.take(SARI, "CANCEL");
    assert_eq!(header(&cancel, "Reason"), "SIP;cause=200;text=\"Call completed elsewhere\"");
    caller.is_answered(&mut world);
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}
