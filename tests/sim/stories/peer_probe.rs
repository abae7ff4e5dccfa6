//! Legs whose phone or trunk may be gone: a keep-alive got no response, or a phone registers as after a reboot. If their media has
//! stopped too, they get OPTIONS at once; they are lost only if these show it.

use siaga::sip::flow::{ConnectionId, Transport};
use siaga::switchboard::Listener;

use super::super::world::SERVER;
use super::transfer::is_hung_up;
use super::*;

/// A fallback number over the caller's trunk.
const NUMBER: &str = "0725112233";

/// Keep-alives to phones and to the trunk, each 30 s.
pub(super) fn asking() -> Settings {
    let mut settings = settings();
    settings.phones.keep_alive = Some(seconds(30));
    settings.trunks[0].target = Some(TRUNK.parse().unwrap());
    settings.trunks[0].keep_alive = Some(seconds(30));
    settings
}

/// All but `silent` respond to keep-alives for so long. A request in a dialog gets no response.
pub(super) fn respond(world: &mut World, span: u64, silent: &[&str]) {
    for _ in 0..span {
        world.pass(seconds(1));
        let (pings, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut world.sent).into_iter().partition(|(_, text)| is_keep_alive(text));
        world.sent = others;
        for (to, text) in pings {
            let at = to.to_string();
            if !silent.contains(&at.as_str()) {
                world.receive(&at, &response(&text, &at, "200 OK", ""));
            }
        }
    }
}

/// All is over: without keep-alives, nothing is left.
pub(super) fn is_over(mut world: World) {
    world.step(Input::Configure(Box::new(super::settings())));
    world.sent.clear();
    world.assert_empty_in_the_end();
}

/// OPTIONS outside a dialog.
fn is_keep_alive(text: &str) -> bool {
    text.starts_with("OPTIONS") && !header(text, "To").contains("tag=")
}

/// Budi talks with a caller, and both are heard.
pub(super) fn talking(settings: Settings, names: &[&str]) -> (World, Caller, String) {
    let mut world = World::new(settings, names);
    world.step(Input::Tick);
    world.register("budi", BUDI);
    let mut caller = Caller::dials(&mut world);
    let invite = answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    let (a, b) = ports(&world);
    for anchor in [a, b] {
        world.step(Input::Media(Event::Heard { anchor }));
    }
    (world, caller, invite)
}

/// The last limit of this port's silence.
pub(super) fn limit(world: &World, anchor: AnchorId) -> Option<Duration> {
    let limit = world.media.iter().rev().find_map(|command| match command {
        Command::LimitSilence { anchor: limited, limit } if *limited == anchor => Some(*limit),
        _ => None,
    });
    limit.flatten()
}

pub(super) fn lost(world: &World) -> usize {
    world.count(|kind| matches!(kind, FactKind::OperatorLost { .. }))
}

/// The OPTIONS in the dialog of `invite`.
pub(super) fn is_probed(world: &mut World, at: &str, invite: &str) -> String {
    let at: std::net::SocketAddr = at.parse().unwrap();
    let call_id = header(invite, "Call-ID");
    let its = |(to, text): &(std::net::SocketAddr, String)| {
        *to == at && text.starts_with("OPTIONS") && header(text, "Call-ID") == call_id
    };
    let found = world.sent.iter().position(its).unwrap_or_else(|| panic!("no OPTIONS: {:#?}", world.sent));
    world.sent.remove(found).1
}

/// Budi's phone has not responded to a keep-alive, and its media has stopped.
pub(super) fn dead(names: &[&str], silence_ends_call: bool) -> (World, Caller, String, AnchorId) {
    let (mut world, caller, invite) =
        talking(changed(asking(), |settings| settings.session.silence_ends_call = silence_ends_call), names);
    if names.contains(&"sari") {
        world.register("sari", SARI);
    }
    let (_, operator) = ports(&world);
    respond(&mut world, 61, &[BUDI]);
    assert_eq!(limit(&world, operator), None);
    respond(&mut world, 3, &[BUDI]);
    assert_eq!(limit(&world, operator), Some(seconds(2)), "media reports its silence after 2 s");
    assert_eq!(lost(&world), 0, "a keep-alive ends nothing");
    world.step(Input::Media(Event::Silent { anchor: operator, limit: None }));
    (world, caller, invite, operator)
}

#[test]
fn a_caller_whose_operators_phone_died_waits_again_seconds_after_the_failed_keep_alive() {
    for silence_ends_call in [true, false] {
        let (mut world, caller, invite, _) = dead(&["budi", "sari"], silence_ends_call);
        is_probed(&mut world, BUDI, &invite);
        world.pass(Duration::from_millis(3_900));
        assert_eq!(lost(&world), 0);
        world.pass(Duration::from_millis(200));
        assert_eq!((lost(&world), endings(&world)), (1, vec![]));
        answers(&mut world, SARI);
        caller.hangs_up(&mut world);
        is_over(world);
    }
}

#[test]
fn the_last_phone_of_the_centre_is_probed_although_it_is_not_marked() {
    let (mut world, caller, invite, _) = dead(&["budi"], true);
    assert_eq!(world.reach, []);
    is_probed(&mut world, BUDI, &invite);
    world.pass(seconds(4));
    assert_eq!((lost(&world), endings(&world)), (1, vec![]));
    caller.hangs_up(&mut world);
    is_over(world);
}

#[test]
fn a_phone_that_does_not_know_the_call_is_lost_at_once_and_one_that_does_keeps_it() {
    let (mut world, caller, invite, _) = dead(&["budi", "sari"], true);
    let probe = is_probed(&mut world, BUDI, &invite);
    world.receive(BUDI, &response(&probe, BUDI, "481 Call/Transaction Does Not Exist", ""));
    assert_eq!((lost(&world), endings(&world)), (1, vec![]));
    answers(&mut world, SARI);
    caller.hangs_up(&mut world);

    let (mut world, caller, invite, operator) = dead(&["budi", "sari"], true);
    let probe = is_probed(&mut world, BUDI, &invite);
    world.receive(BUDI, &response(&probe, BUDI, "200 OK", ""));
    assert_eq!(limit(&world, operator), None, "its silence is measured as before");
    assert!(matches!(world.media.last(), Some(Command::SetRemote { anchor, .. }) if *anchor == operator));
    world.pass(seconds(10));
    assert_eq!((lost(&world), endings(&world)), (0, vec![]));
    assert_eq!(world.count(|kind| matches!(kind, FactKind::SilentLegPresent { .. })), 0);
    caller.hangs_up(&mut world);
    is_over(world);
}

#[test]
fn a_phone_whose_media_arrives_keeps_its_call_whatever_its_keep_alives_and_the_probe_get() {
    let (mut world, caller, invite, operator) = dead(&["budi", "sari"], true);
    is_probed(&mut world, BUDI, &invite);
    world.step(Input::Media(Event::Heard { anchor: operator }));
    respond(&mut world, 100, &[BUDI]);
    assert_eq!((lost(&world), endings(&world)), (0, vec![]));
    caller.hangs_up(&mut world);
    is_hung_up(&mut world, BUDI);
    is_over(world);
}

#[test]
fn forged_icmp_errors_about_keep_alives_end_no_call_of_a_phone_that_is_on_hold() {
    let (mut world, caller, invite) = talking(asking(), &["budi", "sari"]);
    world.register("sari", SARI);
    let (_, operator) = ports(&world);
    asks(&mut world, BUDI, &invite, "INVITE", 1, "", &sdp(BUDI, 31_000).replace("sendrecv", "inactive"));
    world.take(BUDI, "SIP/2.0 200");
    world.asks(BUDI, &invite, "ACK", 1, "", "");
    for _ in 0..4 {
        world.pass(seconds(30));
        world.icmp(BUDI);
        world.pass(seconds(2));
        world.sent.retain(|(_, text)| !is_keep_alive(text));
        assert_eq!(limit(&world, operator), Some(seconds(2)));
        world.step(Input::Media(Event::Silent { anchor: operator, limit: None }));
        let probe = is_probed(&mut world, BUDI, &invite);
        world.icmp(BUDI);
        world.receive(BUDI, &response(&probe, BUDI, "200 OK", ""));
        world.register("budi", BUDI);
    }
    assert_eq!((lost(&world), endings(&world)), (0, vec![]));
    caller.hangs_up(&mut world);
    is_hung_up(&mut world, BUDI);
    is_over(world);
}

#[test]
fn a_phone_that_registers_as_after_a_reboot_is_probed_if_it_is_silent() {
    const ELSEWHERE: &str = "127.0.0.7:5091";
    let instance = ";+sip.instance=\"<urn:uuid:1>\"";
    // (registers from, with the parameters, is its leg probed)
    for (at, contact, probed) in [(BUDI, "", true), (ELSEWHERE, instance, true), (ELSEWHERE, "", false)] {
        let mut world = World::new(settings(), &["budi", "sari"]);
        world.register_with("budi", BUDI, 600, instance, "");
        let mut caller = Caller::dials(&mut world);
        let invite = answers(&mut world, BUDI);
        caller.is_answered(&mut world);
        world.register("sari", SARI);
        let (_, operator) = ports(&world);
        world.register_with("budi", BUDI, 600, instance, "");
        assert_eq!(limit(&world, operator), None, "a refresh");
        world.registers_anew("budi", at, contact, "after-boot");
        assert_eq!(limit(&world, operator), probed.then_some(seconds(2)), "{at} {contact}");
        if probed {
            world.step(Input::Media(Event::Silent { anchor: operator, limit: None }));
            let probe = is_probed(&mut world, at, &invite);
            world.receive(at, &response(&probe, at, "481 Call/Transaction Does Not Exist", ""));
            assert_eq!((lost(&world), endings(&world)), (1, vec![]));
            answers(&mut world, SARI);
        }
        caller.hangs_up(&mut world);
        is_over(world);
    }
}

#[test]
fn a_caller_whose_trunk_has_failed_its_keep_alive_is_probed_if_silent() {
    let (mut world, _caller, invite) = talking(asking(), &["budi"]);
    let (caller, operator) = ports(&world);
    respond(&mut world, 2, &[]);
    respond(&mut world, 61, &[TRUNK]);
    assert_eq!((limit(&world, caller), limit(&world, operator)), (Some(seconds(2)), None));
    assert_eq!(world.trunks_up, [true], "one keep-alive is not enough to count the trunk as down");
    world.step(Input::Media(Event::Silent { anchor: caller, limit: None }));
    let probes = world.sent.iter().filter(|(_, text)| text.starts_with("OPTIONS") && !is_keep_alive(text)).count();
    assert_eq!(probes, 1);
    let probe = world.take(TRUNK, "OPTIONS");
    world.receive(TRUNK, &response(&probe, TRUNK, "481 Call/Transaction Does Not Exist", ""));
    assert_eq!(endings(&world), [(Side::Service, EndCause::CallerLost)]);
    world.take(TRUNK, "BYE");
    is_hung_up(&mut world, BUDI);
    assert!(!invite.is_empty());
    is_over(world);
}

#[test]
fn a_silent_caller_has_all_of_timer_f_to_respond_and_a_trunk_without_options_is_no_suspect() {
    let (mut world, _caller, _) = talking(asking(), &["budi"]);
    let (caller, _) = ports(&world);
    respond(&mut world, 2, &[]);
    respond(&mut world, 61, &[TRUNK]);
    world.step(Input::Media(Event::Silent { anchor: caller, limit: None }));
    respond(&mut world, 31, &[TRUNK]);
    assert_eq!(endings(&world), []);
    respond(&mut world, 2, &[TRUNK]);
    assert_eq!(endings(&world), [(Side::Service, EndCause::CallerLost)]);

    let (mut world, caller, _) = talking(asking(), &["budi"]);
    let (port, _) = ports(&world);
    respond(&mut world, 200, &[TRUNK]);
    assert_eq!((world.trunks_up.as_slice(), limit(&world, port)), (&[false][..], None));
    caller.hangs_up(&mut world);
}

#[test]
fn a_caller_at_a_fallback_number_waits_again_when_its_trunk_is_gone() {
    const SERVER: &str = "127.0.0.2:5070";
    let mut settings = asking();
    settings.fallback.number = Some(NUMBER.to_owned());
    settings.trunks[0].target = Some(SERVER.parse().unwrap());
    let mut world = World::new(settings, &["budi"]);
    world.step(Input::Tick);
    respond(&mut world, 1, &[]);
    let mut caller = Caller::dials(&mut world);
    let invite = world.take(SERVER, "INVITE");
    world.receive(SERVER, &response(&invite, SERVER, "200 OK", &sdp(SERVER, 31_000)));
    world.take(SERVER, "ACK");
    caller.is_answered(&mut world);
    let (_, number) = ports(&world);
    respond(&mut world, 62, &[SERVER]);
    assert_eq!(limit(&world, number), Some(seconds(2)));
    world.step(Input::Media(Event::Silent { anchor: number, limit: None }));
    is_probed(&mut world, SERVER, &invite);
    world.register("budi", BUDI);
    world.pass(seconds(4));
    assert_eq!(endings(&world), []);
    answers(&mut world, BUDI);
    caller.hangs_up(&mut world);
    is_over(world);
}

#[test]
fn a_phone_that_sends_a_request_in_its_call_is_no_longer_suspected_until_its_next_keep_alive_fails() {
    for long_call in [None, Some(50), Some(70)] {
        let mut settings = asking();
        if let Some(after) = long_call {
            (settings.session.silence_ends_call, settings.calls.long_call) = (false, seconds(after));
        }
        let (mut world, caller, invite) = talking(settings, &["budi", "sari"]);
        world.register("sari", SARI);
        let (_, operator) = ports(&world);
        respond(&mut world, 75, &[BUDI]);
        assert_eq!(limit(&world, operator), Some(seconds(2)), "{long_call:?}");
        asks(&mut world, BUDI, &invite, "INFO", 1, "", "");
        world.take(BUDI, "SIP/2.0 200");
        let usual = long_call.map(|_| seconds(30));
        assert_eq!(limit(&world, operator), usual, "its silence is measured as before: {long_call:?}");
        respond(&mut world, 31, &[]);
        assert_eq!(limit(&world, operator), usual);
        respond(&mut world, 70, &[BUDI]);
        assert_eq!(limit(&world, operator), Some(seconds(2)), "{long_call:?}");
        assert_eq!((lost(&world), endings(&world)), (0, vec![]));
        caller.hangs_up(&mut world);
        is_over(world);
    }
}

#[test]
fn a_suspected_phone_that_responds_is_trusted_also_if_it_has_rejected_a_refresh_meanwhile() {
    let refreshed = "Allow: INVITE, UPDATE\r\nSession-Expires: 200;refresher=uac\r\n";
    let mut world = World::new(changed(asking(), |settings| settings.session.seconds = Some(1_800)), &["budi", "sari"]);
    world.step(Input::Tick);
    world.register("budi", BUDI);
    let mut caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    let answer = response(&invite, BUDI, "200 OK", &sdp(BUDI, 31_000));
    world.receive(BUDI, &answer.replacen("Contact", &format!("{refreshed}Contact"), 1));
    world.take(BUDI, "ACK");
    caller.is_answered(&mut world);
    world.register("sari", SARI);
    let (_, operator) = ports(&world);
    world.step(Input::Media(Event::Heard { anchor: operator }));
    respond(&mut world, 99, &[BUDI]);
    assert_eq!(limit(&world, operator), Some(seconds(2)));
    world.step(Input::Media(Event::Silent { anchor: operator, limit: None }));
    let probe = is_probed(&mut world, BUDI, &invite);
    world.pass(seconds(2));
    let update = world.take(BUDI, "UPDATE");
    world.receive(BUDI, &response(&update, BUDI, "408 Request Timeout", ""));
    assert_eq!(limit(&world, operator), Some(seconds(3)));
    world.receive(BUDI, &response(&probe, BUDI, "200 OK", ""));
    assert_eq!(limit(&world, operator), None);
    world.step(Input::Media(Event::Silent { anchor: operator, limit: None }));
    assert_eq!((lost(&world), endings(&world)), (0, vec![]));
    caller.hangs_up(&mut world);
    is_over(world);
}

#[test]
fn where_silence_ends_no_call_a_caller_is_lost_only_if_the_trunk_says_so() {
    for says_so in [false, true] {
        let (mut world, caller, _) =
            talking(changed(asking(), |settings| settings.session.silence_ends_call = false), &["budi"]);
        let (port, _) = ports(&world);
        respond(&mut world, 2, &[]);
        respond(&mut world, 61, &[TRUNK]);
        world.step(Input::Media(Event::Silent { anchor: port, limit: None }));
        let probe = world.sent.iter().find(|(_, text)| text.starts_with("OPTIONS") && !is_keep_alive(text));
        let probe = probe.unwrap().1.clone();
        if says_so {
            world.receive(TRUNK, &response(&probe, TRUNK, "481 Call/Transaction Does Not Exist", ""));
            assert_eq!(endings(&world), [(Side::Service, EndCause::CallerLost)]);
        } else {
            respond(&mut world, 40, &[TRUNK]);
            assert_eq!((endings(&world), limit(&world, port)), (vec![], None));
            caller.hangs_up(&mut world);
        }
        is_over(world);
    }
}

#[test]
fn a_connection_that_fails_is_no_proof_that_a_silent_caller_is_lost() {
    let stream = |connection| Flow {
        transport: Transport::Tcp,
        local: SERVER.parse().unwrap(),
        remote: TRUNK.parse().unwrap(),
        connection: ConnectionId(connection),
    };
    for comes_back in [true, false] {
        let mut settings = asking();
        let local = SERVER.parse().unwrap();
        settings.site.listeners.push(Listener { transport: Transport::Tcp, local, advertised: SERVER.to_owned() });
        let mut world = World::new(settings, &["budi"]);
        world.step(Input::Tick);
        world.register("budi", BUDI);
        world.streams.insert(TRUNK.parse().unwrap(), stream(4));
        let mut caller = Caller::dials(&mut world);
        answers(&mut world, BUDI);
        caller.is_answered(&mut world);
        let (port, operator) = ports(&world);
        for anchor in [port, operator] {
            world.step(Input::Media(Event::Heard { anchor }));
        }
        respond(&mut world, 2, &[]);
        world.streams.remove(&TRUNK.parse().unwrap());
        world.step(Input::Unreachable { flow: stream(4) });
        respond(&mut world, 61, &[TRUNK]);
        assert_eq!(limit(&world, port), Some(seconds(2)));
        let fails = |world: &mut World| {
            world.step(Input::Media(Event::Silent { anchor: port, limit: None }));
            world.sent.retain(|(_, text)| !is_keep_alive(text));
            world.take(TRUNK, "OPTIONS");
            world.step(Input::Unreachable { flow: stream(0) });
            world.pass(seconds(2));
        };
        fails(&mut world);
        assert_eq!(endings(&world), []);
        assert!(
            world.media.iter().any(|command| matches!(command, Command::SetRemote { anchor, .. } if *anchor == port))
        );
        if comes_back {
            world.step(Input::Media(Event::Silent { anchor: port, limit: None }));
            world.sent.retain(|(_, text)| !is_keep_alive(text));
            let probe = world.take(TRUNK, "OPTIONS");
            world.streams.insert(TRUNK.parse().unwrap(), stream(5));
            world.receive(TRUNK, &response(&probe, TRUNK, "200 OK", ""));
            assert_eq!((endings(&world), limit(&world, port)), (vec![], None));
            caller.hangs_up(&mut world);
        } else {
            let failed = (0..30).take_while(|_| {
                let goes_on = endings(&world).is_empty();
                if goes_on {
                    fails(&mut world);
                }
                goes_on
            });
            assert_eq!(failed.count(), 15, "about as long as timer F");
            assert_eq!(endings(&world), [(Side::Service, EndCause::CallerLost)]);
        }
        is_over(world);
    }
}

#[test]
fn a_supervisor_whose_phone_was_rebooted_leaves_and_the_call_goes_on() {
    let (mut world, caller, _) = conference::staffed();
    conference::supervises(&mut world, "*21budi");
    let port = conference::last_guest(&world);
    world.registers_anew("ani", conference::ANI, "", "after-boot");
    assert_eq!(limit(&world, port), Some(seconds(2)));
    world.step(Input::Media(Event::Silent { anchor: port, limit: None }));
    let probe = world.take(conference::ANI, "OPTIONS");
    world.receive(conference::ANI, &response(&probe, conference::ANI, "481 Call/Transaction Does Not Exist", ""));
    assert!(conference::is_bridged(&world));
    assert_eq!((lost(&world), endings(&world)), (0, vec![]));
    caller.hangs_up(&mut world);
    is_hung_up(&mut world, BUDI);
    is_over(world);
}
