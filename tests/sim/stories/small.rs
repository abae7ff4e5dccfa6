//! Peers that reject a request again and again, or send one twice, and other single cases.

use super::transfer::{floor, is_hung_up, is_notified, refers, talking};
use super::*;

/// A talk with a session timer, whose phone supports UPDATE.
fn timed() -> (World, Caller, String) {
    let terms = changed(settings(), |settings| settings.session.seconds = Some(1_800));
    let mut world = World::new(terms, &["budi"]);
    world.register("budi", BUDI);
    let mut caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    let answer = response(&invite, BUDI, "200 OK", &sdp(BUDI, 31_000));
    let terms = "Allow: INVITE, UPDATE\r\nSession-Expires: 200;refresher=uac\r\nContact";
    world.receive(BUDI, &answer.replacen("Contact", terms, 1));
    world.take(BUDI, "ACK");
    caller.is_answered(&mut world);
    (world, caller, invite)
}

/// How many requests of this method the phone gets within 10 s if it rejects each.
fn asked_in_ten_seconds(world: &mut World, rejection: &str, more: &str) -> usize {
    let mut asked = 0;
    for _ in 0..1_000 {
        world.pass(Duration::from_millis(10));
        while world.has(BUDI, "UPDATE") {
            let update = world.take(BUDI, "UPDATE");
            asked += 1;
            let more = more.replace("MORE", &(90 + asked * 100).to_string());
            world.receive(
                BUDI,
                &response(&update, BUDI, rejection, "").replacen("Contact", &format!("{more}Contact"), 1),
            );
        }
    }
    asked
}

#[test]
fn a_peer_that_rejects_every_refresh_is_not_asked_without_end() {
    for (rejection, more) in [
        ("422 Session Interval Too Small", "Min-SE: 90\r\n"),
        ("422 Session Interval Too Small", "Min-SE: MORE\r\n"),
        ("500 Server Internal Error", "Retry-After: 0\r\n"),
        ("405 Method Not Allowed", ""),
    ] {
        let (mut world, caller, _) = timed();
        world.pass(Duration::from_secs(99));
        world.sent.clear();
        let asked = asked_in_ten_seconds(&mut world, rejection, more);
        assert!((1..=5).contains(&asked), "{rejection} {more}: {asked} times");
        caller.hangs_up(&mut world);
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}

#[test]
fn an_update_follows_a_re_invite_without_offer_whose_ack_never_came() {
    let (mut world, caller, invite) = timed();
    let (_, operator) = ports(&world);
    world.step(Input::Media(Event::Heard { anchor: operator }));
    asks(&mut world, BUDI, &invite, "INVITE", 1, "", "");
    assert!(world.take(BUDI, "SIP/2.0 200").contains("m=audio"), "our offer");
    world.pass(Duration::from_secs(33));
    world.sent.clear();
    asks(&mut world, BUDI, &invite, "UPDATE", 2, "", &sdp(BUDI, 31_200));
    world.take(BUDI, "SIP/2.0 200");
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn the_callers_update_follows_a_re_invite_without_offer_whose_ack_never_came() {
    let (mut world, caller, _) = timed();
    let (anchor, _) = ports(&world);
    world.step(Input::Media(Event::Heard { anchor }));
    caller.asks(&mut world, "INVITE", 2, "", "");
    world.take(TRUNK, "SIP/2.0 200");
    world.pass(Duration::from_secs(33));
    world.sent.clear();
    caller.asks(&mut world, "UPDATE", 3, "", &sdp(TRUNK, 30_200));
    world.take(TRUNK, "SIP/2.0 200");
    assert_eq!(endings(&world), []);
    caller.hangs_up_as(&mut world, 4);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_request_that_comes_again_another_way_changes_nothing_and_gets_the_same_response() {
    let mut world = floor();
    let (caller, invite) = talking(&mut world);
    let moved = sdp(BUDI, 31_400);
    let relay = "Content-Type: application/dtmf-relay\r\n";
    let twice: [(&str, &str, &str, u16); 5] = [
        ("INVITE", "", &moved, 200),
        ("UPDATE", "", &moved, 200),
        ("INFO", relay, "Signal=5\r\nDuration=160\r\n", 200),
        ("REFER", "Refer-To: <sip:nobody@127.0.0.1>\r\n", "", 403),
        ("REFER", "Refer-To: <sip:damkar@127.0.0.1>\r\n", "", 202),
    ];
    for (cseq, (method, more, body, status)) in (1..).zip(twice) {
        let said = |world: &mut World| {
            asks(world, BUDI, &invite, method, cseq, more, body);
            let text = world.take(BUDI, &format!("SIP/2.0 {status}"));
            assert_eq!(header(&text, "CSeq"), format!("{cseq} {method}"));
            text.split("\r\n\r\n").nth(1).unwrap().to_owned()
        };
        let first = said(&mut world);
        let (media, facts, sent) = (world.media.len(), world.facts.len(), world.sent.len());
        assert_eq!(said(&mut world), first, "{method}");
        assert_eq!((world.media.len(), world.facts.len(), world.sent.len()), (media, facts, sent), "{method}");
        if method == "INVITE" {
            asks(&mut world, BUDI, &invite, "ACK", cseq, "", "");
        }
    }
    assert_eq!(world.count(|kind| matches!(kind, FactKind::Digit { .. })), 1);
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_200_is_repeated_at_doubled_intervals_until_the_ack() {
    let mut world = staffed();
    let mut caller = Caller::dials(&mut world);
    answers(&mut world, BUDI);
    caller.hears_200(&mut world);
    let mut repeated = Vec::new();
    for tick in 1..200_u64 {
        world.pass(Duration::from_millis(100));
        if world.has(TRUNK, "SIP/2.0 200") {
            world.take(TRUNK, "SIP/2.0 200");
            repeated.push(tick * 100);
        }
    }
    assert_eq!(repeated, [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500], "RFC 3261 §13.3.1.4");
    caller.acknowledges(&mut world);
    world.pass(Duration::from_secs(5));
    assert!(!world.has(TRUNK, "SIP/2.0 200"));
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_reason_is_read_whatever_its_letters() {
    for reason in ["Q.850;cause=16", "q.850 ; CAUSE = 16", "SIP;cause=200, Q.850;text=\"x\";Cause=16"] {
        let mut world = staffed();
        let mut caller = Caller::dials(&mut world);
        answers(&mut world, BUDI);
        caller.is_answered(&mut world);
        caller.asks(&mut world, "BYE", 2, &format!("Reason: {reason}\r\n"), "");
        let cause = |kind: &FactKind| matches!(kind, FactKind::Ended { q850: Some(16), .. });
        assert_eq!(world.count(cause), 1, "{reason}");
    }
}

#[test]
fn a_participant_who_goes_on_for_a_lost_operator_is_no_transfer() {
    let mut world = floor();
    let (caller, invite) = talking(&mut world);
    let (_, operator) = ports(&world);
    refers(&mut world, &invite, 1, "Refer-To: <sip:*30sari@127.0.0.1>\r\n");
    answers(&mut world, SARI);
    assert_eq!(is_notified(&mut world, BUDI), "SIP/2.0 200 OK");
    world.step(Input::Media(Event::Silent { anchor: operator, limit: None }));
    is_hung_up(&mut world, BUDI);
    caller.hangs_up(&mut world);
    is_hung_up(&mut world, SARI);
    let record = super::transfer::record(&world);
    let talks: Vec<_> =
        record.talks.iter().filter(|talk| !talk.guest).map(|talk| (talk.lost, talk.transferred)).collect();
    assert_eq!(talks, [(true, false), (false, false)]);
    world.assert_empty_in_the_end();
}

#[test]
fn a_re_subscription_moves_the_target() {
    let mut world = floor();
    let mut watch = crate::watch::Watch::begins(&mut world, "sari", SARI, "budi", "dialog");
    watch.hears(&mut world);
    watch.contact = "127.0.0.3:5199".to_owned();
    assert!(watch.refreshes(&mut world, 600).starts_with("SIP/2.0 200"));
    assert!(watch.hears(&mut world).starts_with("NOTIFY sip:sari@127.0.0.3:5199 "));
    world.assert_empty_in_the_end();
}

#[test]
fn an_agency_that_rings_for_a_consultation_takes_its_server_along_to_the_callers_call() {
    let mut world = floor();
    let (caller, invite) = talking(&mut world);
    let placed = super::attended::Placed::to(&mut world, "budi", BUDI, "damkar");
    let out = world.take(TRUNK, "INVITE");
    world.receive(TRUNK, &response(&out, TRUNK, "180 Ringing", ""));
    let ringing = world.take(BUDI, "SIP/2.0 180");
    // `verify` compares the call's server with the leg's in every step.
    asks(&mut world, BUDI, &invite, "REFER", 1, &placed.replaced_as(header(&ringing, "To"), "damkar"), "");
    world.take(BUDI, "SIP/2.0 202");
    world.receive(TRUNK, &response(&out, TRUNK, "200 OK", &sdp(TRUNK, 32_000)));
    world.take(TRUNK, "ACK");
    is_hung_up(&mut world, BUDI);
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}
