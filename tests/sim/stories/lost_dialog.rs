//! Peers that may have lost their dialog: each is lost when its media stops, and not before.

use super::transfer::{DAMKAR, floor, is_hung_up, is_notified, record, refers};
use super::*;
use siaga::switchboard::Settings;

const UPDATES: &str = "Allow: INVITE, UPDATE\r\nSession-Expires: 200;refresher=uac\r\n";
const ONE: Duration = Duration::from_secs(1);

/// Budi talks with a caller; both are heard. Silence by itself ends no call.
fn talking(more: &str) -> (World, Caller, String) {
    let terms = changed(settings(), |settings| {
        settings.session.seconds = Some(1_800);
        settings.session.silence_ends_call = false;
    });
    let mut world = World::new(terms, &["budi", "sari"]);
    world.register("budi", BUDI);
    let mut caller = Caller::dials_with(&mut world, more, true);
    let invite = world.take(BUDI, "INVITE");
    let answer = response(&invite, BUDI, "200 OK", &sdp(BUDI, 31_000));
    world.receive(BUDI, &answer.replacen("Contact", &format!("{UPDATES}Contact"), 1));
    world.take(BUDI, "ACK");
    caller.is_answered(&mut world);
    let (a, b) = ports(&world);
    for anchor in [a, b] {
        world.step(Input::Media(Event::Heard { anchor }));
    }
    (world, caller, invite)
}

/// Media reports at once when nothing arrives on this port for 3 s.
fn is_limited(world: &World, anchor: AnchorId) -> bool {
    let limit = world.media.iter().rev().find_map(|command| match command {
        Command::LimitSilence { anchor: limited, limit } if *limited == anchor => Some(*limit),
        _ => None,
    });
    limit.flatten() == Some(Duration::from_secs(3))
}

fn lost(world: &World) -> usize {
    world.count(|kind| matches!(kind, FactKind::OperatorLost { .. }))
}

#[test]
fn a_phone_that_has_lost_the_call_gives_its_caller_back_when_its_media_stops() {
    for rejection in ["481 Call/Transaction Does Not Exist", "408 Request Timeout"] {
        let (mut world, caller, _) = talking("");
        let (_, operator) = ports(&world);
        world.pass(Duration::from_secs(100));
        let update = world.take(BUDI, "UPDATE");
        world.receive(BUDI, &response(&update, BUDI, rejection, ""));
        assert!(is_limited(&world, operator) && lost(&world) == 0, "{rejection}");
        world.step(Input::Media(Event::Silent { anchor: operator, limit: None }));
        assert_eq!((lost(&world), endings(&world)), (1, vec![]));
        is_hung_up(&mut world, BUDI);
        world.pass(Duration::from_secs(16));
        answers(&mut world, BUDI);
        caller.hangs_up(&mut world);
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}

#[test]
fn a_phone_that_responds_to_nothing_gives_its_caller_back_when_its_media_stops() {
    let (mut world, caller, _) = talking("");
    let (_, operator) = ports(&world);
    world.pass(Duration::from_secs(133));
    assert!(is_limited(&world, operator));
    world.step(Input::Media(Event::Silent { anchor: operator, limit: None }));
    assert_eq!((lost(&world), endings(&world)), (1, vec![]));
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_phone_on_hold_that_has_lost_the_call_is_lost_though_it_need_not_send() {
    let (mut world, caller, invite) = talking("");
    let (_, operator) = ports(&world);
    asks(&mut world, BUDI, &invite, "UPDATE", 1, "", &sdp(BUDI, 31_000).replace("sendrecv", "inactive"));
    world.take(BUDI, "SIP/2.0 200");
    world.pass(Duration::from_secs(100));
    let update = world.take(BUDI, "UPDATE");
    world.receive(BUDI, &response(&update, BUDI, "481 Call/Transaction Does Not Exist", ""));
    world.step(Input::Media(Event::Silent { anchor: operator, limit: None }));
    assert_eq!((lost(&world), endings(&world)), (1, vec![]));
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_phone_that_proves_to_know_the_call_is_trusted_again() {
    for proof in ["its own request", "its answer"] {
        let (mut world, caller, invite) = talking("");
        let (_, operator) = ports(&world);
        world.pass(Duration::from_secs(100));
        let update = world.take(BUDI, "UPDATE");
        world.receive(BUDI, &response(&update, BUDI, "408 Request Timeout", ""));
        assert!(is_limited(&world, operator));
        match proof {
            "its answer" => {
                world.pass(Duration::from_secs(10));
                let update = world.take(BUDI, "UPDATE");
                world.receive(BUDI, &response(&update, BUDI, "200 OK", ""));
            }
            _ => {
                asks(&mut world, BUDI, &invite, "OPTIONS", 1, "", "");
                world.take(BUDI, "SIP/2.0 200");
            }
        }
        assert!(!is_limited(&world, operator), "{proof}");
        world.step(Input::Media(Event::Silent { anchor: operator, limit: None }));
        assert_eq!((lost(&world), endings(&world)), (0, vec![]), "{proof}");
        caller.hangs_up(&mut world);
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}

#[test]
fn an_expired_session_is_kept_only_while_media_arrives() {
    // The caller's side is the refresher.
    let (mut world, _, _) = talking("Supported: timer\r\nSession-Expires: 90;refresher=uac\r\n");
    let (caller, _) = ports(&world);
    world.pass(Duration::from_secs(90));
    let kept = |kind: &FactKind| matches!(kind, FactKind::SessionExpired { kept: true, .. });
    assert_eq!((world.count(kept), endings(&world)), (1, vec![]));
    assert!(is_limited(&world, caller));
    world.step(Input::Media(Event::Silent { anchor: caller, limit: None }));
    assert_eq!(endings(&world), [(Side::Service, EndCause::CallerLost)]);
    world.take(TRUNK, "BYE");
    is_hung_up(&mut world, BUDI);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

/// What a request of ours gets, and whether it shows that the dialog is gone.
const MEETS: [(Option<&str>, bool); 5] = [
    (Some("481 Call/Transaction Does Not Exist"), true),
    (Some("408 Request Timeout"), false),
    (Some("501 Not Implemented"), false),
    (Some("200 OK"), false),
    (None, false),
];

#[test]
fn a_text_that_meets_no_dialog_casts_the_same_doubt_and_one_without_an_answer_none() {
    for (meets, doubtful) in MEETS {
        let mut world = floor();
        let mut caller = Caller::dials(&mut world);
        answers(&mut world, BUDI);
        caller.is_answered(&mut world);
        let (_, operator) = ports(&world);
        world.step(Input::Media(Event::Heard { anchor: operator }));
        caller.asks_of(&mut world, "MESSAGE", 2, "Content-Type: text/plain\r\n", "tolong");
        let sent = world.take(BUDI, "MESSAGE");
        match meets {
            Some(status) => world.receive(BUDI, &response(&sent, BUDI, status, "")),
            None => world.pass(ONE * 33),
        }
        assert_eq!(is_limited(&world, operator), doubtful, "{meets:?}");
        world.step(Input::Media(Event::Silent { anchor: operator, limit: None }));
        assert_eq!((lost(&world), endings(&world)), (usize::from(doubtful), vec![]), "{meets:?}");
        assert_eq!(world.has(BUDI, "OPTIONS"), !doubtful, "{meets:?}: a silent party is asked before it is lost");
        caller.hangs_up_as(&mut world, 3);
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}

#[test]
fn a_digit_that_meets_no_dialog_at_the_trunk_casts_doubt_on_the_caller_and_one_without_an_answer_none() {
    for (meets, doubtful) in MEETS {
        let (mut world, caller, _) = super::digits::over_info();
        let (anchor, _) = ports(&world);
        world.step(Input::Media(Event::Heard { anchor }));
        super::digits::presses(&mut world, '5');
        let info = world.take(TRUNK, "INFO");
        match meets {
            Some(status) => world.receive(TRUNK, &response(&info, TRUNK, status, "")),
            None => world.pass(ONE * 33),
        }
        assert_eq!(is_limited(&world, anchor), doubtful, "{meets:?}");
        world.step(Input::Media(Event::Silent { anchor, limit: None }));
        if doubtful {
            assert_eq!(endings(&world), [(Side::Service, EndCause::CallerLost)]);
        } else {
            assert_eq!(endings(&world), [], "{meets:?}");
            caller.hangs_up(&mut world);
        }
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}

#[test]
fn any_final_response_but_481_and_408_shows_that_the_dialog_is_known() {
    for status in ["200 OK", "403 Forbidden", "488 Not Acceptable Here", "500 Server Internal Error"] {
        let (mut world, caller, _) = talking("");
        let (_, operator) = ports(&world);
        world.pass(Duration::from_secs(100));
        let update = world.take(BUDI, "UPDATE");
        world.receive(BUDI, &response(&update, BUDI, "408 Request Timeout", ""));
        assert!(is_limited(&world, operator));
        world.pass(Duration::from_secs(10));
        let update = world.take(BUDI, "UPDATE");
        world.receive(BUDI, &response(&update, BUDI, status, ""));
        assert!(!is_limited(&world, operator), "{status}");
        world.step(Input::Media(Event::Silent { anchor: operator, limit: None }));
        assert_eq!((lost(&world), endings(&world)), (0, vec![]), "{status}");
        caller.hangs_up(&mut world);
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}

/// A number outside has the caller; both are heard. Gives the INVITE to the number.
fn with_a_number(world: &mut World, caller: &mut Caller) -> String {
    let invite = answers(world, TRUNK);
    caller.is_answered(world);
    let (a, b) = ports(world);
    for anchor in [a, b] {
        world.step(Input::Media(Event::Heard { anchor }));
    }
    invite
}

/// The number's media stops, and it knows no such call any more.
fn number_is_lost(world: &mut World, status: &str) {
    let (_, number) = ports(world);
    world.step(Input::Media(Event::Silent { anchor: number, limit: None }));
    let options = world.take(TRUNK, "OPTIONS");
    world.receive(TRUNK, &response(&options, TRUNK, status, ""));
    assert_eq!(endings(world), [], "{status}");
    is_hung_up(world, TRUNK);
    assert_eq!(world.count(|kind| matches!(kind, FactKind::LeadLeft { lost: true, .. })), 1);
    assert_eq!(world.count(|kind| matches!(kind, FactKind::Queued { returned: true, .. })), 1);
    assert!(record(world).talks.last().unwrap().lost);
}

fn with_fallback() -> Settings {
    let mut settings = changed(settings(), |settings| settings.fallback.number = Some(DAMKAR.to_owned()));
    settings.trunks[0].target = Some(TRUNK.parse().unwrap());
    settings
}

#[test]
fn a_fallback_number_that_has_lost_the_call_is_dialled_again_at_once() {
    for status in ["481 Call/Transaction Does Not Exist", "408 Request Timeout"] {
        let mut world = World::new(with_fallback(), &["budi"]);
        let mut caller = Caller::dials(&mut world);
        let first = with_a_number(&mut world, &mut caller);
        number_is_lost(&mut world, status);
        let again = answers(&mut world, TRUNK);
        assert_ne!(header(&first, "Call-ID"), header(&again, "Call-ID"));
        caller.hangs_up(&mut world);
        is_hung_up(&mut world, TRUNK);
        world.assert_empty_in_the_end();
    }
}

#[test]
fn a_caller_whose_outside_number_lost_the_call_is_served_before_later_callers() {
    let mut world = World::new(with_fallback(), &["budi"]);
    let mut first = Caller::dials(&mut world);
    with_a_number(&mut world, &mut first);
    let pause = |world: &mut World, on: bool| {
        let operator = siaga::ids::OperatorId::parse("budi").unwrap();
        world.orders(if on {
            siaga::switchboard::ConsoleCommand::Pause { operator, reason: "meal".to_owned() }
        } else {
            siaga::switchboard::ConsoleCommand::Resume { operator }
        });
    };
    world.register("budi", BUDI);
    pause(&mut world, true);
    let second = Caller::dials(&mut world);
    number_is_lost(&mut world, "481 Call/Transaction Does Not Exist");
    pause(&mut world, false);
    let invite = answers(&mut world, BUDI);
    assert!(header(&invite, "From").contains(&first.number()), "{invite}");
    second.cancels(&mut world);
    first.hangs_up(&mut world);
    is_hung_up(&mut world, BUDI);
    world.assert_empty_in_the_end();
}

#[test]
fn an_agency_that_has_lost_the_call_gives_the_caller_back_to_the_queue() {
    let mut world = floor();
    let (caller, invite) = super::transfer::talking(&mut world);
    refers(&mut world, &invite, 1, "Refer-To: <sip:damkar@127.0.0.1>\r\n");
    answers(&mut world, TRUNK);
    assert_eq!(is_notified(&mut world, BUDI), "SIP/2.0 200 OK");
    is_hung_up(&mut world, BUDI);
    let (_, number) = ports(&world);
    world.step(Input::Media(Event::Heard { anchor: number }));
    number_is_lost(&mut world, "481 Call/Transaction Does Not Exist");
    answers(&mut world, SARI);
    caller.hangs_up(&mut world);
    is_hung_up(&mut world, SARI);
    world.assert_empty_in_the_end();
}
