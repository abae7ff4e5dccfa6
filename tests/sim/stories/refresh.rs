//! Session timers (RFC 4028) on both legs.

use super::third_parties::STRANGER;
use super::*;

fn timed() -> World {
    let mut world =
        World::new(changed(settings(), |settings| settings.session.seconds = Some(1_800)), &["budi", "sari"]);
    world.register("budi", BUDI);
    world
}

/// The phone answers with more header fields in its 200.
fn answers_with(world: &mut World, more: &str) -> String {
    let invite = world.take(BUDI, "INVITE");
    let answer = response(&invite, BUDI, "200 OK", &sdp(BUDI, 31_000));
    world.receive(BUDI, &answer.replacen("Contact", &format!("{more}Contact"), 1));
    world.take(BUDI, "ACK");
    invite
}

fn expired(world: &World) -> Vec<bool> {
    let kept = |kind: &FactKind| match kind {
        FactKind::SessionExpired { kept, .. } => Some(*kept),
        _ => None,
    };
    world.facts.iter().filter_map(|fact| kept(&fact.kind)).collect()
}

#[test]
fn a_phone_that_knows_update_is_refreshed_with_it_at_half_time_again_and_again() {
    let mut world = timed();
    let mut caller = Caller::dials(&mut world);
    let invite = answers_with(&mut world, "Allow: INVITE, UPDATE\r\nSession-Expires: 200;refresher=uac\r\n");
    assert_eq!(header(&invite, "Session-Expires"), "1800;refresher=uac");
    caller.is_answered(&mut world);
    for _ in 0..3 {
        world.pass(Duration::from_secs(99));
        assert!(!world.has(BUDI, "UPDATE"));
        world.pass(Duration::from_secs(1));
        let update = world.take(BUDI, "UPDATE");
        assert_eq!(header(&update, "Session-Expires"), "200;refresher=uac");
        let answer = response(&update, BUDI, "200 OK", "");
        world.receive(BUDI, &answer.replacen("Contact", "Session-Expires: 200;refresher=uac\r\nContact", 1));
    }
    caller.hangs_up(&mut world);
    assert_eq!(expired(&world), [] as [bool; 0]);
    world.assert_empty_in_the_end();
}

#[test]
fn a_phone_without_update_is_refreshed_by_an_invite_that_changes_nothing() {
    let mut world = timed();
    let mut caller = Caller::dials(&mut world);
    answers_with(&mut world, "Session-Expires: 200\r\n");
    caller.is_answered(&mut world);
    world.pass(Duration::from_secs(100));
    let invite = world.take(BUDI, "INVITE");
    assert!(invite.contains("m=audio") && invite.contains("a=sendrecv"), "{invite}");
    assert_eq!(header(&invite, "CSeq"), "2 INVITE");
    let answer = response(&invite, BUDI, "200 OK", &sdp(BUDI, 31_000));
    for _ in 0..2 {
        world.receive(BUDI, &answer);
        assert_eq!(header(&world.take(BUDI, "ACK"), "CSeq"), "2 ACK", "a repeated 200 gets its ACK again");
    }
    assert_eq!(world.count(|kind| matches!(kind, FactKind::Held { .. })), 0);
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn after_glare_the_owner_of_the_call_id_waits_longer() {
    let mut world = timed();
    let mut caller = Caller::dials_with(&mut world, "Supported: timer\r\n", true);
    answers_with(&mut world, "Session-Expires: 1800\r\n");
    let answer = caller.hears(&mut world, "SIP/2.0 200");
    assert_eq!(header(&answer, "Session-Expires"), "1800;refresher=uas");
    caller.acknowledges(&mut world);
    world.pass(Duration::from_secs(900));
    for (at, least, most) in [(BUDI, 2_100, 4_000), (TRUNK, 0, 2_000)] {
        let invite = world.take(at, "INVITE");
        world.sent.retain(|(to, _)| *to != at.parse().unwrap());
        let busy = world.now.mono;
        world.receive(at, &response(&invite, at, "491 Request Pending", ""));
        while !world.has(at, "INVITE") {
            world.pass(Duration::from_millis(10));
        }
        let waited = u64::try_from(world.now.mono.since(busy).as_millis()).unwrap();
        assert!((least..=most + 20).contains(&waited), "{at} after {waited} ms");
        let again = world.take(at, "INVITE");
        world.receive(at, &response(&again, at, "200 OK", &sdp(at, 30_000)));
    }
    world.sent.clear();
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_peer_that_does_not_take_update_is_asked_by_invite() {
    let mut world = timed();
    let mut caller = Caller::dials(&mut world);
    answers_with(&mut world, "Allow: UPDATE\r\nSession-Expires: 200\r\n");
    caller.is_answered(&mut world);
    world.pass(Duration::from_secs(100));
    let update = world.take(BUDI, "UPDATE");
    world.receive(BUDI, &response(&update, BUDI, "405 Method Not Allowed", ""));
    world.pass(Duration::from_secs(1));
    let invite = world.take(BUDI, "INVITE");
    world.receive(
        BUDI,
        &response(&invite, BUDI, "422 Session Interval Too Small", "").replacen("Contact", "Min-SE: 500\r\nContact", 1),
    );
    world.sent.clear();
    world.pass(Duration::from_secs(1));
    assert_eq!(header(&world.take(BUDI, "INVITE"), "Session-Expires"), "500;refresher=uac");
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_caller_who_does_not_refresh_is_given_up_unless_audio_arrives() {
    for heard in [false, true] {
        let mut world = timed();
        let more = "Supported: timer\r\nSession-Expires: 300;refresher=uac\r\n";
        let mut caller = Caller::dials_with(&mut world, more, true);
        answers(&mut world, BUDI);
        let answer = caller.hears(&mut world, "SIP/2.0 200");
        assert_eq!(header(&answer, "Session-Expires"), "300;refresher=uac");
        assert!(answer.contains("Require: timer"), "{answer}");
        caller.acknowledges(&mut world);
        let (a, _) = ports(&world);
        if heard {
            world.step(Input::Media(Event::Heard { anchor: a }));
        }
        world.pass(Duration::from_secs(267));
        assert_eq!(expired(&world), [] as [bool; 0]);
        world.pass(Duration::from_secs(2));
        assert_eq!(expired(&world), [heard]);
        if heard {
            world.pass(Duration::from_secs(900));
            assert_eq!((endings(&world), expired(&world)), (vec![], vec![true]), "told once");
            caller.hangs_up(&mut world);
        } else {
            assert_eq!(endings(&world), [(Side::Service, EndCause::CallerLost)]);
            world.take(TRUNK, "BYE");
        }
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}

#[test]
fn a_refresh_of_the_peer_starts_the_timer_again() {
    let mut world = timed();
    let more = "Supported: timer\r\nSession-Expires: 300;refresher=uac\r\n";
    let mut caller = Caller::dials_with(&mut world, more, true);
    answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    for cseq in 2..6 {
        world.pass(Duration::from_secs(150));
        caller.asks(&mut world, "UPDATE", cseq, more, "");
        let answer = world.take(TRUNK, "SIP/2.0 200");
        assert_eq!(header(&answer, "Session-Expires"), "300;refresher=uac");
    }
    assert_eq!(expired(&world), [] as [bool; 0]);
    caller.hangs_up_as(&mut world, 9);
    world.assert_empty_in_the_end();
}

#[test]
fn a_phone_that_does_not_know_the_session_any_more_gives_its_caller_back() {
    let mut world = timed();
    let mut caller = Caller::dials(&mut world);
    answers_with(&mut world, "Allow: UPDATE\r\nSession-Expires: 200\r\n");
    caller.is_answered(&mut world);
    world.pass(Duration::from_secs(100));
    let update = world.take(BUDI, "UPDATE");
    world.receive(BUDI, &response(&update, BUDI, "481 Call/Transaction Does Not Exist", ""));
    let (_, anchor) = ports(&world);
    world.step(Input::Media(Event::Silent { anchor, limit: None }));
    assert_eq!(world.count(|kind| matches!(kind, FactKind::OperatorLost { .. })), 1);
    assert_eq!(endings(&world), []);
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_phone_that_answers_no_refresh_is_lost_at_the_end_of_its_session() {
    let mut world = timed();
    let mut caller = Caller::dials(&mut world);
    answers_with(&mut world, "Session-Expires: 200\r\n");
    caller.is_answered(&mut world);
    world.pass(Duration::from_secs(199));
    assert_eq!(expired(&world), [] as [bool; 0]);
    world.pass(Duration::from_secs(2));
    assert_eq!(expired(&world), [false]);
    assert_eq!(world.count(|kind| matches!(kind, FactKind::OperatorLost { .. })), 1);
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn too_short_an_interval_is_refused_to_an_operator_and_never_to_a_caller() {
    let mut world = timed();
    let short = "Supported: timer\r\nSession-Expires: 30\r\n";
    let mut caller = Caller::dials_with(&mut world, short, true);
    let invite = answers(&mut world, BUDI);
    let answer = caller.hears(&mut world, "SIP/2.0 200");
    assert_eq!(header(&answer, "Session-Expires"), "30;refresher=uac");
    caller.acknowledges(&mut world);
    asks(&mut world, BUDI, &invite, "INVITE", 1, short, &sdp(BUDI, 31_000));
    assert_eq!(header(&world.take(BUDI, "SIP/2.0 422"), "Min-SE"), "90");
    world.pass(Duration::from_secs(59));
    assert_eq!(endings(&world), [], "ours is no shorter than that of the shortest session");
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

/// A world in which the phone at `BUDI` has left a refresh of ours without any answer; gives our INVITEs.
fn unanswered() -> (World, Caller, [String; 2]) {
    let mut world = timed();
    let mut caller = Caller::dials(&mut world);
    let first = answers_with(&mut world, "Session-Expires: 200\r\n");
    caller.is_answered(&mut world);
    world.pass(Duration::from_secs(100));
    let refresh = world.take(BUDI, "INVITE");
    world.pass(Duration::from_secs(40));
    world.sent.clear();
    (world, caller, [first, refresh])
}

#[test]
fn an_answer_that_comes_after_its_transaction_is_acknowledged_each_time_and_keeps_the_session() {
    let (mut world, caller, [_, refresh]) = unanswered();
    let answer = response(&refresh, BUDI, "200 OK", &sdp(BUDI, 31_700));
    world.receive(BUDI, &answer.replacen("Contact", "Session-Expires: 200\r\nContact", 1));
    for _ in 0..2 {
        assert_eq!(header(&world.take(BUDI, "ACK"), "CSeq"), "2 ACK");
        world.receive(BUDI, &answer);
    }
    let aimed = |command: &Command| matches!(command, Command::SetRemote { remote, .. } if remote.rtp.port() == 31_700);
    assert!(world.media.iter().any(aimed), "what it says counts: {:#?}", world.media);
    world.pass(Duration::from_secs(99));
    assert_eq!((expired(&world), world.has(BUDI, "INVITE")), (vec![], false));
    world.pass(Duration::from_secs(1));
    assert_eq!(header(&world.take(BUDI, "INVITE"), "CSeq"), "3 INVITE", "and the session is refreshed again");
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_late_answer_counts_only_from_the_peer_that_was_asked() {
    let (mut world, caller, [_, refresh]) = unanswered();
    world.media.clear();
    let answer = response(&refresh, BUDI, "200 OK", &sdp(STRANGER, 31_700));
    world.receive(STRANGER, &answer);
    assert!(!world.has(STRANGER, "ACK") && !world.has(BUDI, "ACK"), "no ACK for a stranger");
    assert_eq!(world.media, [], "and no media");
    world.receive(BUDI, &response(&refresh, BUDI, "200 OK", &sdp(BUDI, 31_710)));
    assert_eq!(header(&world.take(BUDI, "ACK"), "CSeq"), "2 ACK");
    let aimed = |command: &Command| matches!(command, Command::SetRemote { remote, .. } if remote.rtp.port() == 31_710);
    assert!(world.media.iter().any(aimed), "the phone's own answer counts: {:#?}", world.media);
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_late_answer_is_only_acknowledged_when_something_newer_was_agreed() {
    let (mut world, caller, [first, refresh]) = unanswered();
    asks(&mut world, BUDI, &first, "INVITE", 1, "", &sdp(BUDI, 31_800));
    world.take(BUDI, "SIP/2.0 200");
    asks(&mut world, BUDI, &first, "ACK", 1, "", "");
    world.media.clear();
    world.receive(BUDI, &response(&refresh, BUDI, "200 OK", &sdp(BUDI, 31_700)));
    assert_eq!(header(&world.take(BUDI, "ACK"), "CSeq"), "2 ACK");
    assert_eq!(world.media, []);
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_response_that_belongs_to_nothing_of_ours_gets_no_ack() {
    let (mut world, caller, [_, refresh]) = unanswered();
    let answer = response(&refresh, BUDI, "200 OK", &sdp(BUDI, 31_700));
    for stray in [
        answer.replace("CSeq: 2 INVITE", "CSeq: 7 INVITE"),
        answer.replace("CSeq: 2 INVITE", "CSeq: 2 UPDATE"),
        answer.replace("200 OK", "486 Busy Here"),
        answer.replace("tag=phone", "tag=other"),
    ] {
        world.receive(BUDI, &stray);
        assert!(!world.has(BUDI, "ACK"), "{stray}");
    }
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn an_answer_that_crosses_the_end_of_the_call_is_acknowledged_each_time() {
    let mut world = timed();
    let mut caller = Caller::dials(&mut world);
    answers_with(&mut world, "Session-Expires: 200\r\n");
    caller.is_answered(&mut world);
    world.pass(Duration::from_secs(100));
    let invite = world.take(BUDI, "INVITE");
    caller.hangs_up(&mut world);
    let bye = world.take(BUDI, "BYE");
    for _ in 0..3 {
        world.receive(BUDI, &response(&invite, BUDI, "200 OK", &sdp(BUDI, 31_000)));
        assert_eq!(header(&world.take(BUDI, "ACK"), "CSeq"), "2 ACK");
    }
    world.receive(BUDI, &response(&bye, BUDI, "200 OK", ""));
    assert!(!world.has(BUDI, "BYE"));
    world.assert_empty_in_the_end();
}

#[test]
fn a_busy_peers_retry_after_sets_the_time_of_the_next_refresh() {
    let mut world = timed();
    let mut caller = Caller::dials(&mut world);
    answers_with(&mut world, "Allow: UPDATE\r\nSession-Expires: 200\r\n");
    caller.is_answered(&mut world);
    world.pass(Duration::from_secs(100));
    let update = world.take(BUDI, "UPDATE");
    let busy = response(&update, BUDI, "500 Server Internal Error", "");
    world.receive(BUDI, &busy.replacen("Contact", "Retry-After: 4\r\nContact", 1));
    world.pass(Duration::from_millis(3_900));
    assert!(!world.has(BUDI, "UPDATE"));
    world.pass(Duration::from_millis(200));
    world.take(BUDI, "UPDATE");
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_phone_that_wants_a_longer_session_is_rung_again_with_it() {
    let mut world = timed();
    let mut caller = Caller::dials(&mut world);
    let first = world.take(BUDI, "INVITE");
    let small = response(&first, BUDI, "422 Session Interval Too Small", "");
    world.receive(BUDI, &small.replacen("Contact", "Min-SE: 2400\r\nContact", 1));
    world.take(BUDI, "ACK");
    let second = world.take(BUDI, "INVITE");
    assert_eq!((header(&second, "Session-Expires"), header(&second, "Min-SE")), ("2400;refresher=uac", "2400"));
    assert_eq!(header(&second, "CSeq"), "2 INVITE");
    for same in ["Call-ID", "From", "To"] {
        assert_eq!(header(&first, same), header(&second, same));
    }
    assert_ne!(header(&first, "Via"), header(&second, "Via"));
    let answer = response(&second, BUDI, "200 OK", &sdp(BUDI, 31_000));
    world.receive(BUDI, &answer.replacen("Contact", "Session-Expires: 2400\r\nContact", 1));
    assert_eq!(header(&world.take(BUDI, "ACK"), "CSeq"), "2 ACK");
    caller.is_answered(&mut world);
    assert_eq!(world.count(|kind| matches!(kind, FactKind::Offered { .. })), 1, "it is one offer");
    world.pass(Duration::from_secs(1_200));
    assert_eq!(header(&world.take(BUDI, "INVITE"), "CSeq"), "3 INVITE");
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_phone_that_never_has_enough_has_refused_the_call() {
    let mut world = timed();
    let caller = Caller::dials(&mut world);
    for tries in 1..=4 {
        let invite = world.take(BUDI, "INVITE");
        assert_eq!(header(&invite, "CSeq"), format!("{tries} INVITE"));
        world.receive(BUDI, &response(&invite, BUDI, "422 Session Interval Too Small", ""));
        world.take(BUDI, "ACK");
    }
    assert!(!world.has(BUDI, "INVITE"));
    let refused = |kind: &FactKind| matches!(kind, FactKind::OfferEnded { sip_status: Some(422), .. });
    assert_eq!(world.count(refused), 1);
    caller.cancels(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_phone_whose_call_is_over_is_not_rung_again() {
    let mut world = timed();
    let caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    caller.cancels(&mut world);
    world.receive(BUDI, &response(&invite, BUDI, "422 Session Interval Too Small", ""));
    world.take(BUDI, "ACK");
    assert!(!world.has(BUDI, "INVITE"));
    world.assert_empty_in_the_end();
}
