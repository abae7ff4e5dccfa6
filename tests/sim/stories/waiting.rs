//! What callers who wait are told, and what operators' feature codes do to their breaks and wrap-ups.

use super::*;
use siaga::ids::OperatorId;
use siaga::media::command::{Place, Prompt};
use siaga::switchboard::{ConsoleCommand, ConsoleReply, Output};

/// The places that callers were told so far.
fn places(world: &World) -> Vec<(u8, Option<u8>)> {
    let told = |command: &Command| match command {
        Command::Play { first: Some(Prompt::Place(Place { number, minutes })), then, .. } => {
            assert_eq!(*then, Some(Prompt::HoldTone), "the tone goes on");
            Some((*number, *minutes))
        }
        _ => None,
    };
    world.media.iter().filter_map(told).collect()
}

#[test]
fn a_waiting_caller_hears_the_position_and_the_wait_until_a_phone_rings() {
    let mut settings = settings();
    settings.calls.announce_each = Some(Duration::from_secs(20));
    let mut world = World::new(settings, &["budi"]);
    world.register("budi", BUDI);
    let mut first = Caller::dials(&mut world);
    let invite = answers(&mut world, BUDI);
    first.is_answered(&mut world);
    let mut second = Caller::dials(&mut world);
    world.pass(Duration::from_millis(100));
    let third = Caller::dials(&mut world);
    world.pass(Duration::from_secs(19));
    assert_eq!(places(&world), []);
    world.pass(Duration::from_secs(1));
    // Three minutes for each call before one has been heard out, one operator.
    assert_eq!(places(&world), [(1, Some(3)), (2, Some(6))]);
    world.pass(Duration::from_secs(20));
    assert_eq!(places(&world).len(), 4);
    operator_hangs_up(&mut world, BUDI, &invite);
    first.is_hung_up(&mut world);
    world.pass(Duration::from_secs(11));
    let invite = world.take(BUDI, "INVITE");
    world.receive(BUDI, &response(&invite, BUDI, "180 Ringing", ""));
    world.pass(Duration::from_secs(9));
    assert_eq!(
        places(&world).last(),
        Some(&(1, Some(2))),
        "the third is the next, and calls take less than was thought"
    );
    assert_eq!(places(&world).len(), 5, "the second's phone rings: nothing is told");
    world.receive(BUDI, &response(&invite, BUDI, "200 OK", &sdp(BUDI, 31_000)));
    world.take(BUDI, "ACK");
    second.is_answered(&mut world);
    third.cancels(&mut world);
    world.pass(Duration::from_secs(60));
    assert_eq!(places(&world).len(), 5, "nobody waits any more");
    second.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn no_position_is_announced_in_an_unstaffed_centre_or_without_the_setting() {
    for (each, staffed) in [(Some(Duration::from_secs(20)), false), (None, true)] {
        let mut settings = settings();
        settings.calls.announce_each = each;
        settings.acd.fallback_retry = Duration::from_secs(600);
        let mut world = World::new(settings, &["budi"]);
        if staffed {
            world.register("budi", BUDI);
            let operator = OperatorId::parse("budi").unwrap();
            world.step(Input::Console {
                request: 1,
                by: admin(),
                command: ConsoleCommand::Pause { operator, reason: String::new() },
            });
        }
        let caller = Caller::dials(&mut world);
        world.pass(Duration::from_secs(120));
        assert!(
            places(&world).iter().all(|(_, minutes)| minutes.is_none()),
            "nobody knows how long: {:?}",
            places(&world)
        );
        assert_eq!(places(&world).is_empty(), each.is_none());
        caller.cancels(&mut world);
        world.assert_empty_in_the_end();
    }
}

/// Budi dials a feature code; true if the confirmation is played.
pub(super) fn dials(world: &mut World, code: &str) -> bool {
    let uri = format!("sip:{code}@127.0.0.1");
    let call_id = format!("code-{}", world.next_serial());
    let invite = |serial: u32, authorization: &str| {
        let body = sdp(BUDI, 31_000);
        format!(
            "INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {BUDI};branch=z9hG4bKf{serial}\r\nFrom: <sip:budi@127.0.0.1>;tag=f\r\n\
             To: <{uri}>\r\nCall-ID: {call_id}\r\nCSeq: {serial} INVITE\r\nContact: <sip:budi@{BUDI}>\r\nMax-Forwards: 70\r\n\
             {authorization}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let serial = world.next_serial();
    world.receive(BUDI, &invite(serial, ""));
    let challenge = world.take(BUDI, "SIP/2.0 401");
    let serial = world.next_serial();
    world.receive(BUDI, &invite(serial, &credentials(&challenge, "budi", "INVITE", &uri)));
    let answer = world.take(BUDI, "SIP/2.0 200");
    let played = world.media.iter().rev().find_map(|command| match command {
        Command::Play { first, then: None, .. } => *first,
        _ => None,
    });
    assert!(matches!(played, Some(Prompt::Confirm | Prompt::Refused)), "{played:?}");
    // An account has at most two such calls at once.
    world.asks(BUDI, &answer, "ACK", serial, "", "");
    world.asks(BUDI, &answer, "BYE", serial + 1, "", "");
    world.take(BUDI, "SIP/2.0 200");
    played == Some(Prompt::Confirm)
}

/// The reason of Budi's last break; None without a break.
fn break_of(world: &World) -> Option<String> {
    let state = |kind: &FactKind| match kind {
        FactKind::OperatorState { state, reason, .. } => Some((state.clone(), reason.clone())),
        _ => None,
    };
    let last = world.facts.iter().rev().find_map(|fact| state(&fact.kind));
    last.filter(|(state, _)| state == "break").and_then(|(_, reason)| reason)
}

#[test]
fn a_feature_code_takes_the_reason_of_its_number_and_an_unknown_one_is_refused() {
    let mut settings = settings();
    settings.operators.break_reasons = ["meal", "prayer"].map(str::to_owned).to_vec();
    let mut world = World::new(settings, &["budi"]);
    world.register("budi", BUDI);
    for (code, done, reason) in [
        ("*13", true, Some("meal")),
        ("*132", true, Some("prayer")),
        ("*131", true, Some("meal")),
        ("*133", false, Some("meal")),
        ("*130", false, Some("meal")),
        ("*14", true, None),
        ("*139", false, None),
    ] {
        assert_eq!(dials(&mut world, code), done, "{code}");
        assert_eq!(break_of(&world).as_deref(), reason, "{code}");
    }
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn without_reasons_in_the_file_a_pause_has_none_of_a_number() {
    let mut world = staffed();
    assert!(!dials(&mut world, "*131"));
    assert_eq!(break_of(&world), None);
    assert!(dials(&mut world, "*13"));
    assert_eq!(break_of(&world).as_deref(), Some("phone"));
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn the_console_takes_the_reasons_of_the_file_and_names_them_when_it_is_another() {
    let mut settings = settings();
    settings.operators.break_reasons = ["meal", "prayer"].map(str::to_owned).to_vec();
    let mut world = World::new(settings, &["budi"]);
    world.register("budi", BUDI);
    let known = vec!["meal".to_owned(), "prayer".to_owned()];
    for (given, reply, reason) in [
        ("tea", ConsoleReply::UnknownReason { known }, None),
        ("prayer", ConsoleReply::Done, Some("prayer")),
        ("", ConsoleReply::Done, Some("meal")),
    ] {
        let operator = OperatorId::parse("budi").unwrap();
        let command = ConsoleCommand::Pause { operator, reason: given.to_owned() };
        let mut out = Vec::new();
        world.switchboard.handle(world.now, Input::Console { request: 1, by: admin(), command }, &mut out);
        let mut replies = Vec::new();
        for output in out {
            match output {
                Output::Reply { reply, .. } => replies.push(reply),
                Output::Fact(fact) => world.facts.push(fact),
                _ => {}
            }
        }
        assert_eq!((replies, break_of(&world).as_deref()), (vec![reply], reason), "{given:?}");
    }
}

#[test]
fn a_feature_code_prolongs_the_wrap_up_and_is_refused_where_there_is_none() {
    let mut world = staffed();
    assert!(!dials(&mut world, "*15"));
    let mut caller = Caller::dials(&mut world);
    let invite = answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    operator_hangs_up(&mut world, BUDI, &invite);
    caller.is_hung_up(&mut world);
    assert!(dials(&mut world, "*15"));
    world.pass(Duration::from_secs(69));
    assert_eq!(world.switchboard.gauges().operators[4], 1, "10 s, and 60 more");
    world.pass(Duration::from_secs(2));
    assert_eq!(world.switchboard.gauges().operators[4], 0);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_caller_answered_by_the_queue_hears_the_tone_while_the_first_phone_rings() {
    let mut settings = settings();
    settings.calls.answer = siaga::switchboard::AnswerMode::Queue;
    let mut world = World::new(settings, &["budi"]);
    world.register("budi", BUDI);
    let mut caller = Caller::dials(&mut world);
    caller.is_answered(&mut world);
    let plays = |world: &World| {
        let prompt = |command: &Command| match command {
            Command::Play { first, then, .. } => Some((*first, *then)),
            _ => None,
        };
        world.media.iter().filter_map(prompt).collect::<Vec<_>>()
    };
    assert_eq!(plays(&world), [(None, Some(Prompt::HoldTone))], "silence would be taken for a dead line");
    // No operator answers: now the caller hears the waiting announcement.
    let invite = world.take(BUDI, "INVITE");
    world.receive(BUDI, &response(&invite, BUDI, "486 Busy Here", ""));
    assert_eq!(plays(&world).last(), Some(&(Some(Prompt::Queue), Some(Prompt::HoldTone))));
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_drain_in_the_wrap_up_records_its_time_until_then() {
    let mut world = staffed();
    let mut caller = Caller::dials(&mut world);
    answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    world.pass(Duration::from_secs(20));
    caller.hangs_up(&mut world);
    let bye = world.take(BUDI, "BYE");
    world.receive(BUDI, &response(&bye, BUDI, "200 OK", ""));
    world.pass(Duration::from_secs(4));
    world.step(Input::Drain);
    world.pass(Duration::from_secs(1));
    assert!(world.drained);
    let facts: Vec<_> = world.facts.iter().filter(|fact| fact.call.is_some()).cloned().collect();
    let wrap_ms = siaga::cdr::Cdr::fold(&facts).unwrap().wrap_ms;
    assert!(wrap_ms.is_some_and(|ms| (4_000..=5_000).contains(&ms)), "{wrap_ms:?}");
}
