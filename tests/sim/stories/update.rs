//! UPDATE (RFC 3311), INFO, and what is out of order inside dialogs.

use super::*;

#[test]
fn an_update_puts_on_hold_and_is_answered_with_a_description() {
    let mut world = staffed();
    let mut caller = Caller::dials(&mut world);
    let invite = answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    asks(&mut world, BUDI, &invite, "UPDATE", 1, "", &sdp(BUDI, 31_000).replace("sendrecv", "sendonly"));
    let answer = world.take(BUDI, "SIP/2.0 200");
    assert!(answer.contains("a=recvonly") && answer.contains("Contact: "), "{answer}");
    assert_eq!(world.count(|kind| matches!(kind, FactKind::Held { .. })), 1);
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn an_offer_before_our_answer_comes_too_early() {
    let mut world = World::new(settings(), &[]);
    let mut caller = Caller::dials_with(&mut world, "Require: 100rel\r\n", true);
    let early = caller.hears(&mut world, "SIP/2.0 183");
    caller.pracks(&mut world, &early, 2, "");
    caller.asks(&mut world, "UPDATE", 3, "", &sdp(TRUNK, 30_500));
    let answer = world.take(TRUNK, "SIP/2.0 200");
    assert!(answer.contains("m=audio 20"), "the answer was sent reliably, so a new offer is fine: {answer}");
    caller.cancels(&mut world);

    let mut second = Caller::dials(&mut world);
    second.hears(&mut world, "SIP/2.0 183");
    second.asks(&mut world, "UPDATE", 2, "", &sdp(TRUNK, 30_500));
    let refusal = world.take(TRUNK, "SIP/2.0 500");
    assert!(header(&refusal, "Retry-After").parse::<u32>().unwrap() <= 10);
    second.asks(&mut world, "UPDATE", 3, "", "");
    world.take(TRUNK, "SIP/2.0 200");
    second.cancels(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn an_offer_that_crosses_ours_is_refused() {
    let mut world = staffed();
    let mut caller = Caller::dials_with(&mut world, "", false);
    answers(&mut world, BUDI);
    caller.hears_200(&mut world);
    caller.asks(&mut world, "UPDATE", 2, "", &sdp(TRUNK, 30_500));
    world.take(TRUNK, "SIP/2.0 491");
    caller.asks(&mut world, "ACK", 1, "", &sdp(TRUNK, 30_000));
    caller.asks(&mut world, "UPDATE", 3, "", &sdp(TRUNK, 30_500));
    world.take(TRUNK, "SIP/2.0 200");
    caller.hangs_up_as(&mut world, 4);
    world.assert_empty_in_the_end();
}

#[test]
fn an_update_moves_the_target_of_our_requests() {
    let mut world = staffed();
    let mut caller = Caller::dials(&mut world);
    let invite = answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    caller.asks_from(&mut world, "sip:moved@127.0.0.2:5999", ("UPDATE", 2), "");
    world.take(TRUNK, "SIP/2.0 200");
    operator_hangs_up(&mut world, BUDI, &invite);
    let bye = world.take("127.0.0.2:5999", "BYE");
    assert!(bye.starts_with("BYE sip:moved@127.0.0.2:5999 "), "{bye}");
    world.assert_empty_in_the_end();
}

#[test]
fn a_phone_may_update_before_it_answers() {
    let mut world = staffed();
    let mut caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    world.receive(BUDI, &response(&invite, BUDI, "180 Ringing", ""));
    asks(&mut world, BUDI, &invite, "UPDATE", 1, "", &sdp(BUDI, 31_000));
    world.take(BUDI, "SIP/2.0 491");
    let early = response(&invite, BUDI, "183 Session Progress", &sdp(BUDI, 31_000));
    world.receive(BUDI, &early.replacen("Contact", "Require: 100rel\r\nRSeq: 1\r\nContact", 1));
    let prack = world.take(BUDI, "PRACK");
    world.receive(BUDI, &response(&prack, BUDI, "200 OK", ""));
    asks(&mut world, BUDI, &invite, "UPDATE", 2, "", &sdp(BUDI, 31_500));
    assert!(world.take(BUDI, "SIP/2.0 200").contains("m=audio"));
    asks(&mut world, BUDI, &invite, "BYE", 3, "", "");
    world.take(BUDI, "SIP/2.0 481");
    world.receive(BUDI, &response(&invite, BUDI, "200 OK", ""));
    world.take(BUDI, "ACK");
    let aimed = |command: &Command| matches!(command, Command::SetRemote { remote, .. } if remote.rtp.port() == 31_500);
    assert!(world.media.iter().any(aimed), "what was agreed last counts: {:#?}", world.media);
    caller.is_answered(&mut world);
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_request_out_of_order_is_refused_for_the_moment() {
    let mut world = staffed();
    let mut caller = Caller::dials(&mut world);
    answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    caller.asks(&mut world, "OPTIONS", 9, "", "");
    world.take(TRUNK, "SIP/2.0 200");
    caller.asks(&mut world, "UPDATE", 8, "", "");
    assert!(world.take(TRUNK, "SIP/2.0 500").contains("Retry-After: "));
    caller.hangs_up_as(&mut world, 10);
    world.assert_empty_in_the_end();
}

#[test]
fn an_unknown_extension_is_refused_inside_a_dialog_too_but_never_a_bye() {
    let mut world = staffed();
    let mut caller = Caller::dials(&mut world);
    answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    caller.asks(&mut world, "UPDATE", 2, "Require: x-new\r\n", "");
    assert_eq!(header(&world.take(TRUNK, "SIP/2.0 420"), "Unsupported"), "x-new");
    caller.asks(&mut world, "BYE", 3, "Require: x-new\r\n", "");
    world.take(TRUNK, "SIP/2.0 200");
    assert_eq!(endings(&world), [(Side::Caller, EndCause::Normal)]);
    world.assert_empty_in_the_end();
}

#[test]
fn a_digit_by_info_is_written_down() {
    let mut world = staffed();
    let mut caller = Caller::dials(&mut world);
    let invite = answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    let info = |kind: &str| format!("Content-Type: {kind}\r\n");
    let (relay, plain) = (info("application/dtmf-relay"), info("application/dtmf"));
    for (cseq, kind, body) in [(2, &relay, "Signal=5\r\nDuration=160\r\n"), (3, &plain, "#")] {
        caller.asks_of(&mut world, "INFO", cseq, kind, body);
        world.take(TRUNK, "SIP/2.0 200");
    }
    let digits: Vec<char> = world
        .facts
        .iter()
        .filter_map(|fact| match fact.kind {
            FactKind::Digit { digit, .. } => Some(digit),
            _ => None,
        })
        .collect();
    assert_eq!(digits, ['5', '#']);
    caller.asks_of(&mut world, "INFO", 4, &info("application/x-other"), "x");
    world.take(TRUNK, "SIP/2.0 415");
    asks(&mut world, BUDI, &invite, "INFO", 1, "Info-Package: x\r\n", "");
    assert!(world.take(BUDI, "SIP/2.0 469").contains("Recv-Info:"));
    asks(&mut world, BUDI, &invite, "INFO", 2, "", "");
    world.take(BUDI, "SIP/2.0 200");
    caller.hangs_up_as(&mut world, 5);
    world.assert_empty_in_the_end();
}
