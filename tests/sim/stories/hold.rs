//! Hold and resume, and other re-INVITEs (RFC 3261 §14, RFC 3264 §8.4).

use siaga::cdr::Cdr;
use siaga::media::command::{Codec, Prompt};

use super::*;

fn talking(world: &mut World) -> (Caller, String) {
    let mut caller = Caller::dials(world);
    let invite = answers(world, BUDI);
    caller.is_answered(world);
    world.sent.clear();
    (caller, invite)
}

/// The operator's re-INVITE, answered and acknowledged; gives the answer.
fn reinvites(world: &mut World, invite: &str, cseq: u32, body: &str) -> String {
    asks(world, BUDI, invite, "INVITE", cseq, "", body);
    let answer = world.take(BUDI, "SIP/2.0 200");
    asks(world, BUDI, invite, "ACK", cseq, "", "");
    answer
}

fn record(world: &World) -> Cdr {
    let facts: Vec<_> = world.facts.iter().filter(|fact| fact.call.is_some()).cloned().collect();
    Cdr::fold(&facts).unwrap()
}

#[test]
fn every_form_of_an_operators_hold_plays_the_tone_to_the_caller_until_resumed() {
    let plain = sdp(BUDI, 31_000);
    let old = plain.replace("c=IN IP4 127.0.0.3", "c=IN IP4 0.0.0.0");
    for held in [plain.replace("sendrecv", "sendonly"), plain.replace("sendrecv", "inactive"), old] {
        let mut world = staffed();
        let (caller, invite) = talking(&mut world);
        let (a, b) = ports(&world);
        world.media.clear();
        let answer = reinvites(&mut world, &invite, 1, &held);
        assert!(!answer.contains("a=sendrecv"), "{answer}");
        let tone = Command::Play { anchor: a, first: None, then: Some(Prompt::HoldTone) };
        let wanted = [Command::Unbridge { anchor: a }, tone];
        let heard: Vec<_> =
            world.media.iter().filter(|command| !matches!(command, Command::SetRemote { .. })).collect();
        assert_eq!(heard, wanted.iter().collect::<Vec<_>>());
        world.pass(Duration::from_secs(7));
        reinvites(&mut world, &invite, 2, &plain);
        assert_eq!(world.media.last(), Some(&Command::Bridge { a, b }));
        caller.hangs_up(&mut world);
        assert_eq!(record(&world).hold_ms, 7_000);
        assert_eq!(world.count(|kind| matches!(kind, FactKind::Resumed { .. })), 1);
        world.assert_empty_in_the_end();
    }
}

#[test]
fn a_callers_hold_plays_the_tone_to_the_operator_and_lasts_until_the_end_of_the_talk() {
    let mut world = staffed();
    let (caller, _) = talking(&mut world);
    let (_, b) = ports(&world);
    world.media.clear();
    caller.asks(&mut world, "INVITE", 2, "", &sdp(TRUNK, 30_000).replace("sendrecv", "sendonly"));
    world.take(TRUNK, "SIP/2.0 200");
    caller.asks(&mut world, "ACK", 2, "", "");
    assert!(world.media.contains(&Command::Play { anchor: b, first: None, then: Some(Prompt::HoldTone) }));
    world.pass(Duration::from_secs(3));
    caller.hangs_up_as(&mut world, 3);
    assert_eq!(record(&world).hold_ms, 3_000);
    world.assert_empty_in_the_end();
}

#[test]
fn when_both_sides_hold_neither_hears_anything_until_one_resumes() {
    let mut world = staffed();
    let (caller, invite) = talking(&mut world);
    let (a, b) = ports(&world);
    reinvites(&mut world, &invite, 1, &sdp(BUDI, 31_000).replace("sendrecv", "sendonly"));
    caller.asks(&mut world, "UPDATE", 2, "", &sdp(TRUNK, 30_000).replace("sendrecv", "sendonly"));
    world.media.clear();
    reinvites(&mut world, &invite, 2, &sdp(BUDI, 31_000));
    assert!(world.media.contains(&Command::Play { anchor: b, first: None, then: Some(Prompt::HoldTone) }));
    assert!(!world.media.contains(&Command::Bridge { a, b }));
    caller.asks(&mut world, "UPDATE", 3, "", &sdp(TRUNK, 30_000));
    assert!(world.media.contains(&Command::Bridge { a, b }));
    caller.hangs_up_as(&mut world, 4);
    world.assert_empty_in_the_end();
}

#[test]
fn the_holding_side_may_be_silent_and_the_held_side_may_not() {
    let mut world = staffed();
    let (_caller, invite) = talking(&mut world);
    let (a, b) = ports(&world);
    reinvites(&mut world, &invite, 1, &sdp(BUDI, 31_000).replace("sendrecv", "sendonly"));
    world.step(Input::Media(Event::Silent { anchor: b, limit: None }));
    assert_eq!(world.count(|kind| matches!(kind, FactKind::OperatorLost { .. })), 0);
    world.step(Input::Media(Event::Silent { anchor: a, limit: None }));
    let options = world.take(TRUNK, "OPTIONS");
    world.receive(TRUNK, &response(&options, TRUNK, "481 Call/Transaction Does Not Exist", ""));
    assert_eq!(endings(&world), [(Side::Service, EndCause::CallerSilent)]);
    world.assert_empty_in_the_end();
}

#[test]
fn the_hold_tone_ends_when_the_held_operator_is_lost() {
    let mut world = staffed();
    world.register("sari", SARI);
    let (caller, invite) = talking(&mut world);
    reinvites(&mut world, &invite, 1, &sdp(BUDI, 31_000).replace("sendrecv", "inactive"));
    let (a, _) = ports(&world);
    caller.asks(&mut world, "UPDATE", 2, "", &sdp(TRUNK, 30_000).replace("sendrecv", "sendonly"));
    world.media.clear();
    reinvites(&mut world, &invite, 2, &sdp(BUDI, 31_000));
    let (_, b) = ports_of_record(&world, a);
    world.step(Input::Media(Event::Silent { anchor: b, limit: None }));
    assert!(world.media.contains(&Command::Stop { anchor: a }));
    answers(&mut world, SARI);
    // The caller still holds: the next operator hears the tone.
    assert!(matches!(world.media.last(), Some(Command::Play { .. })), "{:#?}", world.media);
    caller.hangs_up_as(&mut world, 3);
    world.assert_empty_in_the_end();
}

/// The ports by the recording, which outlives the bridge.
fn ports_of_record(world: &World, a: AnchorId) -> (AnchorId, AnchorId) {
    let mut stopped = world.media.iter().filter_map(|command| match command {
        Command::Play { anchor, .. } | Command::Stop { anchor } if *anchor != a => Some(*anchor),
        _ => None,
    });
    (a, stopped.next_back().unwrap())
}

#[test]
fn another_codec_is_taken_up() {
    let mut world = staffed();
    let (caller, _) = talking(&mut world);
    let body = sdp(TRUNK, 30_000).replace("AVP 8 101", "AVP 0 101").replace("8 PCMA", "0 PCMU");
    caller.asks(&mut world, "INVITE", 2, "", &body);
    let answer = world.take(TRUNK, "SIP/2.0 200");
    assert!(answer.contains("PCMU/8000") && !answer.contains("PCMA"), "{answer}");
    let last = world.media.iter().rev().find_map(|command| match command {
        Command::SetRemote { remote, .. } => Some(remote.codec),
        _ => None,
    });
    assert_eq!(last, Some(Codec::Pcmu));
    caller.asks(&mut world, "ACK", 2, "", "");
    caller.hangs_up_as(&mut world, 3);
    world.assert_empty_in_the_end();
}

#[test]
fn a_reinvite_without_offer_gets_ours_and_the_ack_answers() {
    let mut world = staffed();
    let (caller, invite) = talking(&mut world);
    asks(&mut world, BUDI, &invite, "INVITE", 1, "", "");
    let offer = world.take(BUDI, "SIP/2.0 200");
    assert!(offer.contains("PCMA") && offer.contains("PCMU") && offer.contains("a=sendrecv"), "{offer}");
    asks(&mut world, BUDI, &invite, "ACK", 1, "", &sdp(BUDI, 31_000).replace("sendrecv", "sendonly"));
    assert_eq!(world.count(|kind| matches!(kind, FactKind::Held { .. })), 1);
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn an_offer_that_cannot_be_used_changes_nothing() {
    let mut world = staffed();
    let (caller, _) = talking(&mut world);
    world.media.clear();
    caller.asks(&mut world, "INVITE", 2, "", &sdp(TRUNK, 30_000).replace("AVP 8 101", "AVP 18"));
    world.take(TRUNK, "SIP/2.0 488");
    assert_eq!(world.media, []);
    caller.hangs_up_as(&mut world, 3);
    world.assert_empty_in_the_end();
}

#[test]
fn a_reinvite_before_the_answer_or_before_its_ack_is_put_off() {
    let mut world = staffed();
    let mut caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    world.receive(BUDI, &response(&invite, BUDI, "180 Ringing", ""));
    caller.hears(&mut world, "SIP/2.0 180");
    caller.asks(&mut world, "INVITE", 2, "", &sdp(TRUNK, 30_000));
    let refusal = world.take(TRUNK, "SIP/2.0 500");
    assert!(header(&refusal, "Retry-After").parse::<u32>().unwrap() <= 10);
    world.receive(BUDI, &response(&invite, BUDI, "200 OK", &sdp(BUDI, 31_000)));
    caller.hears_200(&mut world);
    caller.asks(&mut world, "INVITE", 3, "", &sdp(TRUNK, 30_000));
    world.take(TRUNK, "SIP/2.0 491");
    caller.acknowledges(&mut world);
    caller.asks(&mut world, "INVITE", 4, "", &sdp(TRUNK, 30_000));
    world.take(TRUNK, "SIP/2.0 200");
    caller.asks(&mut world, "ACK", 4, "", "");
    caller.hangs_up_as(&mut world, 5);
    world.assert_empty_in_the_end();
}
