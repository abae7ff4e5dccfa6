//! Parties that send no audio: each gets OPTIONS before its call or leg ends.

use super::*;

/// A supervisor's phone.
const ANI: &str = "127.0.0.3:5099";

fn supervised() -> World {
    let supervisors = [siaga::ids::OperatorId::parse("ani").unwrap()].into();
    let mut world = World::new(
        changed(settings(), |settings| settings.operators.supervisors = supervisors),
        &["ani", "budi", "sari"],
    );
    world.register("budi", BUDI);
    world
}

/// A talk in which both parties have been heard.
fn talking(world: &mut World) -> (Caller, (AnchorId, AnchorId)) {
    let mut caller = Caller::dials(world);
    answers(world, BUDI);
    caller.is_answered(world);
    let (a, b) = ports(world);
    for anchor in [a, b] {
        world.step(Input::Media(Event::Heard { anchor }));
    }
    world.sent.clear();
    (caller, (a, b))
}

fn aims(world: &World, port: AnchorId) -> usize {
    let aimed = |command: &&Command| matches!(command, Command::SetRemote { anchor, .. } if *anchor == port);
    world.media.iter().filter(aimed).count()
}

fn silent(world: &mut World, anchor: AnchorId) {
    world.step(Input::Media(Event::Silent { anchor, limit: None }));
}

#[test]
fn a_silent_caller_who_responds_keeps_the_call_each_time_and_operator_and_supervisors_are_notified() {
    let mut world = supervised();
    let (caller, (a, _)) = talking(&mut world);
    world.register("ani", ANI);
    for (nth, status) in (1..).zip(["200 OK", "405 Method Not Allowed", "501 Not Implemented", "486 Busy Here"]) {
        let aimed = aims(&world, a);
        silent(&mut world, a);
        let options = world.take(TRUNK, "OPTIONS");
        silent(&mut world, a);
        assert!(!world.has(TRUNK, "OPTIONS"), "asked once at a time");
        world.receive(TRUNK, &response(&options, TRUNK, status, ""));
        assert_eq!(world.count(|kind| matches!(kind, FactKind::SilentLegPresent { leg, .. } if leg.0 == 0)), nth);
        assert_eq!(aims(&world, a), aimed + 1, "media counts the silence anew");
        for at in [BUDI, ANI] {
            let text = world.take(at, "MESSAGE");
            assert!(text.contains(&caller.number()), "{text}");
            world.receive(at, &response(&text, at, "200 OK", ""));
        }
    }
    assert_eq!(endings(&world), []);
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_silent_caller_without_a_dialog_or_a_response_is_given_up() {
    for status in [Some("481 Call/Transaction Does Not Exist"), Some("408 Request Timeout"), None] {
        let mut world = supervised();
        let (caller, (a, _)) = talking(&mut world);
        silent(&mut world, a);
        let options = world.take(TRUNK, "OPTIONS");
        match status {
            Some(status) => world.receive(TRUNK, &response(&options, TRUNK, status, "")),
            None => world.pass(Duration::from_secs(33)),
        }
        assert_eq!(endings(&world), [(Side::Service, EndCause::CallerSilent)], "{status:?}");
        caller.is_hung_up(&mut world);
        world.assert_empty_in_the_end();
    }
}

#[test]
fn a_party_that_is_heard_again_meanwhile_keeps_its_call_without_a_response() {
    let mut world = supervised();
    let (caller, (a, b)) = talking(&mut world);
    for anchor in [a, b] {
        silent(&mut world, anchor);
        world.step(Input::Media(Event::Heard { anchor }));
    }
    world.pass(Duration::from_secs(40));
    assert_eq!(endings(&world), []);
    assert_eq!(world.count(|kind| matches!(kind, FactKind::OperatorLost { .. })), 0);
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_silent_operator_who_responds_stays_and_one_who_does_not_is_replaced_within_eight_seconds() {
    for status in [Some("200 OK"), Some("481 Call/Transaction Does Not Exist"), None] {
        let mut world = supervised();
        world.register("sari", SARI);
        let (caller, (_, b)) = talking(&mut world);
        silent(&mut world, b);
        let options = world.take(BUDI, "OPTIONS");
        match status {
            Some(status) => world.receive(BUDI, &response(&options, BUDI, status, "")),
            None => world.pass(Duration::from_secs(8)),
        }
        let stays = status == Some("200 OK");
        assert_eq!(world.count(|kind| matches!(kind, FactKind::SilentLegPresent { .. })), usize::from(stays));
        if stays {
            let text = world.take(BUDI, "MESSAGE");
            assert!(text.contains("budi"), "{text}");
        } else {
            answers(&mut world, SARI);
        }
        caller.hangs_up(&mut world);
        assert_eq!(world.count(|kind| matches!(kind, FactKind::Answered { .. })), 1 + usize::from(!stays));
        world.assert_empty_in_the_end();
    }
}

#[test]
fn an_operator_leg_that_has_sent_nothing_since_the_answer_is_lost_at_once() {
    let mut world = supervised();
    world.register("sari", SARI);
    let mut caller = Caller::dials(&mut world);
    answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    let (_, b) = ports(&world);
    silent(&mut world, b);
    assert!(!world.has(BUDI, "OPTIONS"));
    answers(&mut world, SARI);
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_call_that_ends_while_a_silent_party_is_asked_leaves_nothing_behind() {
    let mut world = supervised();
    let (caller, (a, b)) = talking(&mut world);
    silent(&mut world, a);
    silent(&mut world, b);
    caller.hangs_up(&mut world);
    let options = world.take(BUDI, "OPTIONS");
    world.receive(BUDI, &response(&options, BUDI, "200 OK", ""));
    assert_eq!(world.count(|kind| matches!(kind, FactKind::SilentLegPresent { .. })), 0);
    world.assert_empty_in_the_end();
}

#[test]
fn a_party_on_hold_may_be_silent_and_is_found_out_when_it_is_gone() {
    let mut world = supervised();
    let (caller, (a, _)) = talking(&mut world);
    caller.asks(&mut world, "INVITE", 2, "", &sdp(TRUNK, 30_000).replace("sendrecv", "inactive"));
    world.take(TRUNK, "SIP/2.0 200");
    caller.asks(&mut world, "ACK", 2, "", "");
    silent(&mut world, a);
    let options = world.take(TRUNK, "OPTIONS");
    world.receive(TRUNK, &response(&options, TRUNK, "200 OK", ""));
    assert_eq!(world.count(|kind| matches!(kind, FactKind::SilentLegPresent { .. })), 0, "it need not be heard");
    assert!(!world.has(BUDI, "MESSAGE"));
    silent(&mut world, a);
    world.pass(Duration::from_secs(33));
    assert_eq!(endings(&world), [(Side::Service, EndCause::CallerSilent)]);
    world.assert_empty_in_the_end();
}

#[test]
fn a_silent_party_that_sends_a_request_before_it_responds_to_options_is_reported_each_time() {
    let mut world = supervised();
    let (caller, (a, _)) = talking(&mut world);
    let present = |world: &World| {
        let status =
            |kind: &FactKind| matches!(kind, FactKind::SilentLegPresent { leg, sip_status: 200 } if leg.0 == 0);
        world.count(status)
    };
    for (nth, cseq) in (1..).zip(2..5) {
        let aimed = aims(&world, a);
        silent(&mut world, a);
        world.take(TRUNK, "OPTIONS");
        caller.asks(&mut world, "OPTIONS", cseq, "", "");
        world.take(TRUNK, "SIP/2.0 200");
        assert_eq!((present(&world), aims(&world, a)), (nth, aimed + 1), "media counts the silence anew");
        let text = world.take(BUDI, "MESSAGE");
        assert!(text.contains(&caller.number()), "{text}");
        world.receive(BUDI, &response(&text, BUDI, "200 OK", ""));
        world.pass(Duration::from_secs(33));
        assert_eq!(endings(&world), []);
    }
    // A party that is heard again, and one that hangs up, is not reported.
    silent(&mut world, a);
    world.step(Input::Media(Event::Heard { anchor: a }));
    caller.asks(&mut world, "OPTIONS", 5, "", "");
    silent(&mut world, a);
    caller.asks(&mut world, "BYE", 6, "", "");
    assert_eq!((present(&world), endings(&world)), (3, vec![(Side::Caller, EndCause::Normal)]));
    world.sent.clear();
    world.assert_empty_in_the_end();
}
