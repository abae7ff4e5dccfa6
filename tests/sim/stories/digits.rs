//! Digits that go on to the other side of a talk, where telephone events alone would not take them there.

use siaga::sip::sdp::Formats;

use super::*;

/// Budi talks with a caller whose trunk takes no telephone events; Budi's INVITE is given.
pub(super) fn over_info() -> (World, Caller, String) {
    let mut settings = settings();
    settings.trunks[0].terms.formats = Formats::new(&[], None);
    let mut world = World::new(settings, &["budi", "sari"]);
    world.register("budi", BUDI);
    let mut caller = Caller::dials(&mut world);
    let invite = answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    (world, caller, invite)
}

/// The operator presses a key.
pub(super) fn presses(world: &mut World, digit: char) {
    let (_, operator) = ports(world);
    world.step(Input::Media(Event::Digit { anchor: operator, digit }));
}

/// What the trunk is told by INFO, and then answers with.
fn is_told(world: &mut World, status: &str) -> String {
    let info = world.take(TRUNK, "INFO");
    assert_eq!(header(&info, "Content-Type"), "application/dtmf-relay");
    world.receive(TRUNK, &response(&info, TRUNK, status, ""));
    info.split("\r\n\r\n").nth(1).unwrap().to_owned()
}

fn pressed(world: &World) -> Vec<(AnchorId, char)> {
    let press = |command: &Command| match command {
        Command::Press { anchor, digit } => Some((*anchor, *digit)),
        _ => None,
    };
    world.media.iter().filter_map(press).collect()
}

#[test]
fn an_operators_digits_go_by_info_one_after_the_other_to_a_trunk_without_telephone_events() {
    let (mut world, caller, _) = over_info();
    for digit in ['1', '#', '2'] {
        presses(&mut world, digit);
    }
    assert_eq!(is_told(&mut world, "200 OK"), "Signal=1\r\nDuration=160\r\n");
    // One that is refused is no reason to keep the next.
    assert_eq!(is_told(&mut world, "415 Unsupported Media Type"), "Signal=#\r\nDuration=160\r\n");
    assert_eq!(is_told(&mut world, "200 OK"), "Signal=2\r\nDuration=160\r\n");
    assert!(!world.has(TRUNK, "INFO") && pressed(&world).is_empty());
    assert_eq!(world.count(|kind| matches!(kind, FactKind::Digit { .. })), 3);
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn digits_that_wait_while_a_trunk_is_silent_are_forgotten() {
    let (mut world, caller, _) = over_info();
    (0..100).for_each(|_| presses(&mut world, '1'));
    world.pass(Duration::from_secs(33));
    world.sent.retain(|(_, text)| !text.starts_with("INFO"));
    world.pass(Duration::from_secs(1));
    assert!(!world.has(TRUNK, "INFO"));
    presses(&mut world, '2');
    assert_eq!(is_told(&mut world, "200 OK"), "Signal=2\r\nDuration=160\r\n");
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_call_that_ends_takes_its_digits_along() {
    let (mut world, caller, _) = over_info();
    presses(&mut world, '1');
    presses(&mut world, '2');
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn what_a_caller_says_by_info_is_pressed_for_the_operator() {
    let (mut world, caller, invite) = over_info();
    let (_, operator) = ports(&world);
    let kind = "Content-Type: application/dtmf-relay\r\n";
    caller.asks_of(&mut world, "INFO", 2, kind, "Signal=5\r\n");
    world.take(TRUNK, "SIP/2.0 200");
    assert_eq!(pressed(&world), [(operator, '5')]);
    // While one of them is on hold nothing passes.
    world.media.clear();
    asks(&mut world, BUDI, &invite, "INVITE", 1, "", &sdp(BUDI, 31_000).replace("sendrecv", "sendonly"));
    asks(&mut world, BUDI, &invite, "ACK", 1, "", "");
    caller.asks_of(&mut world, "INFO", 3, kind, "Signal=6\r\n");
    assert_eq!(pressed(&world), []);
    caller.hangs_up_as(&mut world, 4);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_phone_that_says_each_digit_in_both_ways_is_heard_once() {
    let (mut world, caller, invite) = over_info();
    presses(&mut world, '7');
    asks(&mut world, BUDI, &invite, "INFO", 1, "Content-Type: application/dtmf\r\n", "7");
    assert_eq!(is_told(&mut world, "200 OK"), "Signal=7\r\nDuration=160\r\n");
    assert!(!world.has(TRUNK, "INFO"));
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_telco_that_wants_the_password_for_an_info_gets_it() {
    let mut settings = settings();
    settings.trunks[0].terms.formats = Formats::new(&[], None);
    settings.trunks[0].terms.identity = crate::trunks::identity();
    let mut world = World::new(settings, &["budi"]);
    world.register("budi", BUDI);
    let mut caller = Caller::dials(&mut world);
    answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    presses(&mut world, '1');
    presses(&mut world, '2');
    let first = world.take(TRUNK, "INFO");
    let refusal = response(&first, TRUNK, "407 Proxy Authentication Required", "");
    let challenge = crate::trunks::CHALLENGE.replace("WWW", "Proxy");
    world.receive(TRUNK, &refusal.replacen("Contact:", &format!("{challenge}Contact:"), 1));
    let again = world.take(TRUNK, "INFO");
    assert!(again.contains("Signal=1") && again.contains("Proxy-Authorization: "), "{again}");
    assert!(!world.has(TRUNK, "INFO"), "the second waits");
    world.receive(TRUNK, &response(&again, TRUNK, "200 OK", ""));
    assert_eq!(is_told(&mut world, "200 OK"), "Signal=2\r\nDuration=160\r\n");
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}
