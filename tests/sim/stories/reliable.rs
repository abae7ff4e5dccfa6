//! Reliable provisional responses (RFC 3262), both ways.

use super::*;

const REQUIRED: &str = "Require: 100rel\r\n";

fn alone() -> World {
    World::new(settings(), &["budi"])
}

#[test]
fn a_caller_that_requires_reliable_responses_gets_them_and_a_200_without_sdp() {
    let mut world = staffed();
    let mut caller = Caller::dials_with(&mut world, REQUIRED, true);
    let invite = world.take(BUDI, "INVITE");
    world.receive(BUDI, &response(&invite, BUDI, "180 Ringing", ""));
    let ringing = caller.hears(&mut world, "SIP/2.0 180");
    assert_eq!(header(&ringing, "Require"), "100rel");
    caller.pracks(&mut world, &ringing, 2, "");
    world.receive(BUDI, &response(&invite, BUDI, "200 OK", &sdp(BUDI, 31_000)));
    // The 180 had no description, so the 200 has it.
    caller.is_answered(&mut world);
    caller.hangs_up_as(&mut world, 3);
    world.assert_empty_in_the_end();
}

#[test]
fn early_media_is_described_once_and_reliably() {
    let mut world = alone();
    let mut caller = Caller::dials_with(&mut world, REQUIRED, true);
    let early = caller.hears(&mut world, "SIP/2.0 183");
    assert!(early.contains("m=audio"), "{early}");
    caller.pracks(&mut world, &early, 2, "");
    world.register("budi", BUDI);
    world.pass(Duration::from_secs(11));
    answers(&mut world, BUDI);
    let answer = caller.hears(&mut world, "SIP/2.0 200");
    assert!(!answer.contains("m=audio"), "all has been agreed before: {answer}");
    caller.acknowledges(&mut world);
    assert!(world.media.iter().any(|command| matches!(command, Command::Bridge { .. })));
    caller.hangs_up_as(&mut world, 3);
    world.assert_empty_in_the_end();
}

#[test]
fn a_200_waits_for_the_prack_of_a_described_response() {
    let mut world = alone();
    let mut caller = Caller::dials_with(&mut world, REQUIRED, true);
    let early = caller.hears(&mut world, "SIP/2.0 183");
    world.register("budi", BUDI);
    world.pass(Duration::from_secs(11));
    answers(&mut world, BUDI);
    assert!(!world.has(TRUNK, "SIP/2.0 200"));
    caller.pracks(&mut world, &early, 2, "");
    caller.hears(&mut world, "SIP/2.0 200");
    caller.acknowledges(&mut world);
    caller.hangs_up_as(&mut world, 3);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn the_next_response_waits_for_the_prack_of_the_last() {
    let mut world = staffed();
    let mut first = Caller::dials(&mut world);
    answers(&mut world, BUDI);
    first.is_answered(&mut world);
    world.sent.clear();
    let mut caller = Caller::dials_with(&mut world, REQUIRED, true);
    let early = caller.hears(&mut world, "SIP/2.0 183");
    first.hangs_up(&mut world);
    world.pass(Duration::from_secs(11));
    world.sent.retain(|(_, text)| !text.starts_with("SIP/2.0 183"));
    let invite = world.take(BUDI, "INVITE");
    world.receive(BUDI, &response(&invite, BUDI, "180 Ringing", ""));
    world.receive(BUDI, &response(&invite, BUDI, "486 Busy Here", ""));
    assert!(!world.has(TRUNK, "SIP/2.0 18"), "one at a time: {:#?}", world.sent);
    caller.asks(&mut world, "PRACK", 2, "RAck: 1 1 INVITE\r\n", "");
    world.take(TRUNK, "SIP/2.0 481");
    caller.pracks(&mut world, &early, 3, "");
    caller.asks(&mut world, "PRACK", 4, &format!("RAck: {} 1 INVITE\r\n", header(&early, "RSeq")), "");
    world.take(TRUNK, "SIP/2.0 481");
    caller.cancels(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn early_media_waits_for_the_prack_of_the_ringing() {
    let mut world = staffed();
    let mut caller = Caller::dials_with(&mut world, REQUIRED, true);
    let invite = world.take(BUDI, "INVITE");
    world.receive(BUDI, &response(&invite, BUDI, "180 Ringing", ""));
    let ringing = caller.hears(&mut world, "SIP/2.0 180");
    world.receive(BUDI, &response(&invite, BUDI, "486 Busy Here", ""));
    assert!(!world.has(TRUNK, "SIP/2.0 183"), "one at a time (RFC 3262 §3): {:#?}", world.sent);
    caller.pracks(&mut world, &ringing, 2, "");
    let early = caller.hears(&mut world, "SIP/2.0 183");
    let number = |response: &str| header(response, "RSeq").parse::<u32>().unwrap();
    assert_eq!(number(&early), number(&ringing) + 1);
    caller.pracks(&mut world, &early, 3, "");
    caller.cancels(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_caller_whose_prack_never_comes_is_told_eight_times_and_kept() {
    let mut world = alone();
    let mut caller = Caller::dials_with(&mut world, REQUIRED, true);
    caller.hears(&mut world, "SIP/2.0 183");
    world.pass(Duration::from_secs(33));
    // After 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s.
    let again = world.sent.iter().filter(|(_, text)| text.starts_with("SIP/2.0 183")).count();
    assert_eq!(again, 6);
    world.sent.clear();
    assert_eq!(endings(&world), []);
    world.register("budi", BUDI);
    world.pass(Duration::from_secs(11));
    answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn an_invite_without_offer_gets_ours_early_and_the_answer_comes_in_the_prack() {
    let mut world = staffed();
    let mut caller = Caller::dials_with(&mut world, REQUIRED, false);
    let invite = world.take(BUDI, "INVITE");
    world.receive(BUDI, &response(&invite, BUDI, "180 Ringing", ""));
    let ringing = caller.hears(&mut world, "SIP/2.0 180");
    assert!(ringing.contains("m=audio"), "the first reliable response holds the offer: {ringing}");
    caller.pracks(&mut world, &ringing, 2, &sdp(TRUNK, 30_000));
    let aimed = |command: &Command| matches!(command, Command::SetRemote { remote, .. } if remote.rtp.port() == 30_000);
    assert!(world.media.iter().any(aimed));
    world.receive(BUDI, &response(&invite, BUDI, "200 OK", &sdp(BUDI, 31_000)));
    let answer = caller.hears(&mut world, "SIP/2.0 200");
    assert!(!answer.contains("m=audio"), "{answer}");
    caller.acknowledges(&mut world);
    caller.hangs_up_as(&mut world, 3);
    world.assert_empty_in_the_end();
}

#[test]
fn a_prack_may_bring_an_offer() {
    let mut world = alone();
    let mut caller = Caller::dials_with(&mut world, REQUIRED, true);
    let early = caller.hears(&mut world, "SIP/2.0 183");
    let rack = format!("RAck: {} 1 INVITE\r\n", header(&early, "RSeq"));
    caller.asks(&mut world, "PRACK", 2, &rack, &sdp(TRUNK, 30_500));
    let answer = world.take(TRUNK, "SIP/2.0 200");
    assert!(answer.contains("m=audio 20"), "{answer}");
    let aimed = |command: &Command| matches!(command, Command::SetRemote { remote, .. } if remote.rtp.port() == 30_500);
    assert!(world.media.iter().any(aimed));
    caller.cancels(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_caller_that_only_supports_reliable_responses_gets_them_if_configured() {
    for wanted in [false, true] {
        let settings = changed(settings(), |settings| settings.session.reliable_when_supported = wanted);
        let mut world = World::new(settings, &["budi"]);
        let mut caller = Caller::dials_with(&mut world, "Supported: timer, 100rel\r\n", true);
        let early = caller.hears(&mut world, "SIP/2.0 183");
        assert_eq!(early.contains("RSeq"), wanted, "{early}");
        caller.cancels(&mut world);
        world.assert_empty_in_the_end();
    }
}

#[test]
fn a_required_extension_that_is_unknown_is_ignored_beside_those_that_are_obeyed() {
    let mut world = staffed();
    let mut caller = Caller::dials_with(&mut world, "Require: 100rel, x-unheard-of, timer\r\n", true);
    let invite = world.take(BUDI, "INVITE");
    world.receive(BUDI, &response(&invite, BUDI, "180 Ringing", ""));
    let early = caller.hears(&mut world, "SIP/2.0 180");
    assert!(early.contains("RSeq"), "{early}");
    assert_eq!(world.ignored, ["Require: x-unheard-of"]);
}

/// A reliable provisional response of a phone, with a tag of its own.
fn reliably(invite: &str, status: &str, rseq: u32, tag: &str, body: &str) -> String {
    let text = response(invite, BUDI, status, body).replace("tag=phone", &format!("tag={tag}"));
    text.replacen("Contact", &format!("Require: 100rel\r\nRSeq: {rseq}\r\nContact"), 1)
}

#[test]
fn a_phones_reliable_responses_are_acknowledged_once_and_in_order() {
    let mut world = staffed();
    let mut caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    assert!(header(&invite, "Supported").contains("100rel"));
    world.receive(BUDI, &reliably(&invite, "180 Ringing", 70, "phone", ""));
    let prack = world.take(BUDI, "PRACK");
    assert_eq!((header(&prack, "RAck"), header(&prack, "CSeq")), ("70 1 INVITE", "2 PRACK"));
    world.receive(BUDI, &response(&prack, BUDI, "200 OK", ""));
    for rseq in [70, 72] {
        world.receive(BUDI, &reliably(&invite, "183 Session Progress", rseq, "phone", &sdp(BUDI, 31_000)));
        assert!(!world.has(BUDI, "PRACK"), "a repetition, and one too early: {rseq}");
    }
    world.receive(BUDI, &reliably(&invite, "183 Session Progress", 71, "phone", &sdp(BUDI, 31_000)));
    let prack = world.take(BUDI, "PRACK");
    assert_eq!((header(&prack, "RAck"), header(&prack, "CSeq")), ("71 1 INVITE", "3 PRACK"));
    world.receive(BUDI, &response(&prack, BUDI, "200 OK", ""));
    // All is agreed: the 200 needs no description.
    world.receive(BUDI, &response(&invite, BUDI, "200 OK", ""));
    assert_eq!(header(&world.take(BUDI, "ACK"), "CSeq"), "1 ACK");
    caller.is_answered(&mut world);
    caller.hangs_up(&mut world);
    assert_eq!(header(&world.take(BUDI, "BYE"), "CSeq"), "4 BYE");
    world.assert_empty_in_the_end();
}

#[test]
fn a_fork_has_an_early_dialog_for_each_phone_and_only_the_first_answer_stays() {
    let mut world = staffed();
    let mut caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    for (tag, rseq) in [("one", 5), ("two", 900)] {
        world.receive(BUDI, &reliably(&invite, "180 Ringing", rseq, tag, ""));
        let prack = world.take(BUDI, "PRACK");
        assert!(header(&prack, "To").ends_with(tag) && header(&prack, "RAck").starts_with(&rseq.to_string()));
        world.receive(BUDI, &response(&prack, BUDI, "200 OK", ""));
    }
    for tag in ["two", "one"] {
        let answer = response(&invite, BUDI, "200 OK", &sdp(BUDI, 31_000)).replace("tag=phone", &format!("tag={tag}"));
        world.receive(BUDI, &answer);
        assert!(header(&world.take(BUDI, "ACK"), "To").ends_with(tag));
    }
    let bye = world.take(BUDI, "BYE");
    assert!(header(&bye, "To").ends_with("one"));
    assert_eq!(header(&bye, "CSeq"), "3 BYE", "after its PRACK");
    world.receive(BUDI, &response(&bye, BUDI, "200 OK", ""));
    caller.is_answered(&mut world);
    caller.hangs_up(&mut world);
    assert!(header(&world.take(BUDI, "BYE"), "To").ends_with("two"));
    world.assert_empty_in_the_end();
}

#[test]
fn a_phone_that_wants_to_send_the_call_elsewhere_has_refused_it() {
    let mut world = staffed();
    let caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    world.receive(BUDI, &response(&invite, BUDI, "302 Moved Temporarily", ""));
    world.take(BUDI, "ACK");
    let redirected = |kind: &FactKind| matches!(kind, FactKind::OfferEnded { outcome: OfferOutcome::Redirected, .. });
    assert_eq!(world.count(redirected), 1);
    caller.cancels(&mut world);
    world.assert_empty_in_the_end();
}
