//! A new trunk: how it writes numbers, which extensions it requires, and what siaga reports about its first rejected INVITEs.

use super::*;
use siaga::acd::desk::Desk;
use siaga::switchboard::{DeskCalls, Rejected, TrunkSettings};

/// A site with the desks 112 and fire (113), whose trunk may write prefixes before their numbers.
fn site(called: &[&str]) -> World {
    let mut settings = settings();
    settings.numbers.desks =
        vec![DeskCalls::default(), DeskCalls { numbers: vec!["113".to_owned()], ..DeskCalls::default() }];
    settings.acd.desks = vec![Desk::default(), Desk { name: "fire".to_owned(), ..Desk::default() }];
    settings.trunks[0].terms =
        TrunkSettings { called: called.iter().map(|text| (*text).to_owned()).collect(), ..TrunkSettings::default() };
    let mut world = World::new(settings, &["budi", "sari"]);
    world.register("budi", BUDI);
    world
}

/// An INVITE of the trunk to `uri`.
fn invites(world: &mut World, uri: &str) {
    let text = Caller::invite_text(world);
    world.receive(TRUNK, &text.replacen("sip:112@127.0.0.1:5060", uri, 1));
}

/// The desks of the calls so far, and the called numbers.
fn called(world: &World) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    for fact in &world.facts {
        match &fact.kind {
            FactKind::Received { called, .. } => all.push((called.clone(), String::new())),
            FactKind::Queued { desk, returned: false, .. } => all.last_mut().unwrap().1.clone_from(desk),
            _ => {}
        }
    }
    all
}

#[test]
fn a_prefix_of_the_trunk_before_a_number_of_the_site_only_chooses_the_desk() {
    let mut world = site(&["+62", "0", "0725", "+62725"]);
    for (uri, number, desk) in [
        ("sip:+62112@127.0.0.1", "112", ""),
        ("sip:0725112@127.0.0.1;user=phone", "112", ""),
        ("tel:+62112", "112", ""),
        ("tel:+62-725-113", "113", "fire"),
        ("sip:0113@127.0.0.1", "113", "fire"),
        ("sip:113@127.0.0.1", "113", "fire"),
        ("sip:+62112;npdi@127.0.0.1", "112", ""),
    ] {
        invites(&mut world, uri);
        world.take(TRUNK, "SIP/2.0 100");
        assert_eq!(called(&world).last().unwrap(), &(number.to_owned(), desk.to_owned()), "{uri}");
    }
    let raw = world.facts.iter().find_map(|fact| match &fact.kind {
        FactKind::Received { headers, .. } => headers.first().cloned(),
        _ => None,
    });
    assert_eq!(raw.as_deref(), Some("Request-URI: sip:+62112@127.0.0.1"), "the record keeps the number as it came");
    assert_eq!(world.rejections, []);
}

#[test]
fn an_invite_without_a_number_is_rejected_and_no_setting_is_proposed_that_the_configuration_rejects() {
    let mut world = site(&["+62"]);
    let no_number = Some("the Request-URI has no number");
    for (uri, why) in [("sip:127.0.0.1", no_number), ("sip:abc@127.0.0.1", None), ("sip:+@127.0.0.1", None)] {
        invites(&mut world, uri);
        world.take(TRUNK, "SIP/2.0 4");
        let rejection = world.rejections.pop().unwrap();
        assert_eq!((rejection.setting, rejection.why.is_some()), (None, why.is_some()), "{uri}");
        assert!(rejection.reason != Rejected::UnknownNumber || rejection.why == why, "{uri}: {:?}", rejection.why);
    }
}

#[test]
fn an_invite_to_another_number_is_rejected_and_the_report_names_the_setting() {
    let mut world = site(&["+62"]);
    for (uri, setting) in [
        ("sip:0725112@127.0.0.1", "called = [\"0725\"] in the [[trunk]] with name = \"telco\""),
        ("tel:+44112", "called = [\"+44\"] in the [[trunk]] with name = \"telco\""),
        ("sip:0215001234@127.0.0.1", "numbers = [\"0215001234\"] in a [[desk]], or number = \"0215001234\" in [site]"),
        // With a prefix of the trunk, a longer number is still not a number of this site.
        ("sip:+621120@127.0.0.1", "numbers = [\"+621120\"] in a [[desk]]"),
    ] {
        invites(&mut world, uri);
        world.take(TRUNK, "SIP/2.0 404");
        let rejection = world.rejections.pop().unwrap();
        assert_eq!((rejection.reason, rejection.status), (Rejected::UnknownNumber, 404), "{uri}");
        assert_eq!(rejection.setting.as_deref(), Some(setting), "{uri}");
        assert_eq!(rejection.trunk.as_deref(), Some("telco"));
        assert!(rejection.caller.is_some(), "{uri}");
    }
    assert!(called(&world).is_empty());
}

#[test]
fn a_prefix_of_the_trunk_is_no_number_of_an_operators_phone() {
    let mut world = site(&["9"]);
    let invite = Caller::invite_text(&mut world).replace("sip:112@127.0.0.1:5060", "sip:9112@127.0.0.1:5060");
    world.receive("127.0.0.9:5060", &invite.replace("127.0.0.2:5080", "127.0.0.9:5060"));
    world.take("127.0.0.9:5060", "SIP/2.0 401");
    assert!(called(&world).is_empty());
    // With credentials it is still no number of the site.
    super::attended::Placed::to(&mut world, "budi", BUDI, "9112");
    world.take(BUDI, "SIP/2.0 403");
    assert!(called(&world).is_empty());
}

#[test]
fn of_two_prefixes_that_fit_the_longer_one_counts() {
    let mut settings = settings();
    let numbers = |number: &str| DeskCalls { numbers: vec![number.to_owned()], ..DeskCalls::default() };
    settings.numbers.desks = vec![DeskCalls::default(), numbers("113"), numbers("7113")];
    let desk = |name: &str| Desk { name: name.to_owned(), ..Desk::default() };
    settings.acd.desks = vec![Desk::default(), desk("fire"), desk("port")];
    settings.trunks[0].terms.called = vec!["0".to_owned(), "07".to_owned()];
    let mut world = World::new(settings, &["budi"]);
    invites(&mut world, "sip:07113@127.0.0.1");
    world.take(TRUNK, "SIP/2.0 100");
    assert_eq!(called(&world), [("113".to_owned(), "fire".to_owned())]);
}

#[test]
fn the_service_is_not_shown_outside_the_centre() {
    let mut settings = settings();
    settings.numbers.desks =
        vec![DeskCalls::default(), DeskCalls { numbers: vec!["113".to_owned()], ..DeskCalls::default() }];
    settings.acd.desks = vec![Desk::default(), Desk { name: "fire".to_owned(), ..Desk::default() }];
    settings.trunks[0].target = Some(TRUNK.parse().unwrap());
    settings.fallback.number = Some("0725000".to_owned());
    let mut world = World::new(settings, &["budi"]);
    invites(&mut world, "sip:113@127.0.0.1");
    let outside = world.take(TRUNK, "INVITE");
    let shown = header(&outside, "From");
    assert!(shown.contains("0812") && !shown.contains("fire"), "{shown}");
}

#[test]
fn every_rejected_invite_of_a_trunk_is_reported_with_its_reason() {
    let mut full = settings();
    full.calls.max = 2;
    full.trunks[0].terms.max_calls = 1;
    let mut world = World::new(full, &["budi"]);
    let expects = |world: &mut World, reason: Rejected, status: u16| {
        world.take(TRUNK, &format!("SIP/2.0 {status}"));
        let rejection = world.rejections.pop().unwrap();
        assert_eq!((rejection.reason, rejection.status, world.rejections.len()), (reason, status, 0));
    };
    let invite = Caller::invite_text(&mut world);
    world.receive(TRUNK, &invite.replace("CSeq: 1 INVITE", "CSeq: one INVITE"));
    expects(&mut world, Rejected::Malformed, 400);
    world.receive(TRUNK, &invite.replacen("sip:112@127.0.0.1:5060", "mailto:112@telco", 1));
    expects(&mut world, Rejected::Scheme, 416);
    world.receive(TRUNK, &invite.replace("Content-Type", "Content-Encoding: gzip\r\nContent-Type"));
    expects(&mut world, Rejected::Body, 415);
    world.receive(TRUNK, &invite);
    world.take(TRUNK, "SIP/2.0 100");
    world.receive(TRUNK, &invite.replace("branch=z9hG4bK", "branch=z9hG4bKother"));
    expects(&mut world, Rejected::Repeated, 482);
    let second = Caller::invite_text(&mut world);
    world.receive(TRUNK, &second);
    expects(&mut world, Rejected::TrunkFull, 503);
}

#[test]
fn a_call_of_an_address_that_is_no_peer_is_reported_with_the_setting_and_a_phones_own_call_is_not() {
    let mut world = site(&[]);
    let stranger = "127.0.0.9:5060";
    let invite = Caller::invite_text(&mut world).replace("127.0.0.2:5080", stranger);
    world.receive(stranger, &invite);
    world.take(stranger, "SIP/2.0 401");
    let rejection = world.rejections.pop().unwrap();
    assert_eq!((rejection.reason, rejection.trunk), (Rejected::UnknownPeer, None));
    assert_eq!(rejection.setting.as_deref(), Some("peers = [\"127.0.0.9\"] in a [[trunk]]"));
    let other = invite.replace("sip:112@127.0.0.1:5060", "sip:sari@127.0.0.1").replace("hG4bK", "hG4bKx");
    world.receive(stranger, &other);
    let own = Caller::invite_text(&mut world).replace("127.0.0.2:5080", BUDI);
    world.receive(BUDI, &own);
    world.take(BUDI, "SIP/2.0 401");
    assert_eq!(world.rejections, []);
}

#[test]
fn unknown_required_extensions_of_a_call_are_ignored_recorded_and_reported() {
    let mut world = staffed();
    let mut caller =
        Caller::dials_with(&mut world, "Require: precondition, x-new\r\nProxy-Require: sec-agree\r\n", true);
    let invite = answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    assert_eq!(world.ignored, ["Require: precondition, x-new"]);
    let recorded = |fact: &siaga::cdr::fact::Fact| match &fact.kind {
        FactKind::Received { headers, .. } => headers.contains(&"Require: precondition, x-new".to_owned()),
        _ => false,
    };
    assert!(world.facts.iter().any(recorded));
    // In the call too: a peer that has required an extension requires it again.
    caller.asks(&mut world, "INVITE", 2, "Require: precondition\r\n", &sdp(TRUNK, 30_000));
    world.take(TRUNK, "SIP/2.0 200");
    caller.asks(&mut world, "ACK", 2, "", "");
    // Phones get 420 (RFC 3261 §8.2.2.3).
    asks(&mut world, BUDI, &invite, "OPTIONS", 5, "Require: x-new\r\n", "");
    world.take(BUDI, "SIP/2.0 420");
    caller.hangs_up_as(&mut world, 3);
    world.assert_empty_in_the_end();
}

#[test]
fn a_display_name_with_a_comma_and_no_quotes_does_not_cost_the_call() {
    let mut world = staffed();
    let invite = Caller::invite_text(&mut world);
    let contact = header(&invite, "Contact").to_owned();
    let from = header(&invite, "From").to_owned();
    let invite = invite
        .replace(&format!("From: {from}"), &format!("From: Bell, Alexander (Pak); RT: 3 {from}"))
        .replace("To: <", "To: Darurat, Polisi <")
        .replace(&format!("Contact: {contact}"), &format!("Contact: Bell, Alexander {contact}"))
        .replace(
            "P-Asserted-Identity: <",
            "Record-Route: Proxy, One <sip:127.0.0.2:5080;lr>, Two <sip:127.0.0.2:5081;lr>\r\nP-Asserted-Identity: Bell, Alexander <",
        );
    world.receive(TRUNK, &invite);
    world.take(TRUNK, "SIP/2.0 100");
    let taken = world.facts.iter().find_map(|fact| match &fact.kind {
        FactKind::Received { asserted, presented, .. } => Some((asserted.clone(), presented.clone())),
        _ => None,
    });
    let (asserted, presented) = taken.unwrap();
    assert!(asserted.is_some() && asserted == presented, "{asserted:?} {presented:?}");
    answers(&mut world, BUDI);
    let ok = world.take(TRUNK, "SIP/2.0 200");
    assert!(header(&ok, "From").starts_with("Bell, Alexander"), "the echo is unchanged: {ok}");
}

#[test]
fn callers_without_a_number_are_not_taken_for_one_caller() {
    let mut world = staffed();
    for name in ["unavailable", "Unknown", "restricted", "private", "0", "+", "anonymous"] {
        let caller = Caller::dials_as(&mut world, name);
        world.pass(Duration::from_secs(1));
        caller.cancels(&mut world);
        world.pass(Duration::from_secs(6));
    }
    assert_eq!(
        world.orders(siaga::switchboard::ConsoleCommand::CallBacks),
        siaga::switchboard::ConsoleReply::CallBacks { call_backs: Vec::new() }
    );
    for fact in &world.facts {
        match &fact.kind {
            FactKind::Received { asserted, presented, headers, .. } => {
                assert_eq!((asserted, presented), (&None, &None));
                assert!(headers.iter().any(|raw| raw.starts_with("P-Asserted-Identity: ")), "{headers:?}");
            }
            FactKind::CallerKnown { .. } => panic!("callers without a number are counted together: {fact:?}"),
            _ => {}
        }
    }
}

/// The display name of an INVITE's caller.
fn display(invite: &str) -> String {
    header(invite, "From").split('"').nth(1).unwrap_or_default().to_owned()
}

#[test]
fn the_display_shows_which_desk_or_service_was_called() {
    for (uri, shown) in [
        ("sip:113@127.0.0.1", "fire 113 "),
        ("urn:service:sos.police", "police "),
        ("urn:service:sos", ""),
        ("sip:112@127.0.0.1", ""),
    ] {
        let mut world = site(&[]);
        invites(&mut world, uri);
        let invite = world.take(BUDI, "INVITE");
        let rest = display(&invite).strip_prefix(shown).map(str::to_owned);
        assert!(rest.is_some_and(|rest| rest.starts_with("0812")), "{uri}: {}", display(&invite));
    }
}
