//! Trunks that change or go while the service runs, and telcos that are taken leave of.

use siaga::cdr::fact::EndCause;
use siaga::media::source::AddressRange;

use super::*;

fn configure(world: &mut World, settings: Settings) {
    world.step(Input::Configure(Box::new(settings)));
}

/// Takes the REGISTER that takes our binding back; it is answered with a challenge first.
fn hears_goodbye(world: &mut World, at: &str) {
    let leave = takes_goodbye(world, at);
    let challenge = response(&leave, at, "401 Unauthorized", "");
    world.receive(at, &challenge.replacen("Contact:", &format!("{CHALLENGE}Contact:"), 1));
    let leave = takes_goodbye(world, at);
    assert!(header(&leave, "Authorization").contains("username=\"siaga\""), "{leave}");
    world.receive(at, &response(&leave, at, "200 OK", ""));
}

fn takes_goodbye(world: &mut World, at: &str) -> String {
    let goodbye = |(to, text): &(SocketAddr, String)| {
        to.to_string() == at && text.starts_with("REGISTER") && text.contains("\r\nExpires: 0\r\n")
    };
    let place = world.sent.iter().position(goodbye);
    world.sent.remove(place.unwrap_or_else(|| panic!("no goodbye in {:#?}", world.sent))).1
}

#[test]
fn a_trunk_that_is_taken_out_is_deregistered_and_left_alone() {
    let mut settings = registering();
    settings.trunks[0].keep_alive = Some(Duration::from_secs(60));
    let mut world = registered(settings);
    world.take(TRUNK, "OPTIONS");
    let caller = Caller::dials(&mut world);
    let mut without = registering();
    without.trunks = vec![Trunk { keep_alive: None, ..second(TrunkSettings::default()) }];
    configure(&mut world, without);
    hears_goodbye(&mut world, TRUNK);
    assert_eq!(world.registered, [("telco".to_owned(), true), ("telco".to_owned(), false)]);
    // Its keep-alive, which was not answered, is not repeated; nor is anything else sent there but to the caller.
    world.sent.retain(|(to, _)| *to == TRUNK.parse().unwrap());
    world.pass(Duration::from_secs(100));
    assert!(!world.has(TRUNK, "OPTIONS") && !world.has(TRUNK, "REGISTER"), "{:#?}", world.sent);
    assert_eq!(world.trunks_up, [true; 0]);
    caller.cancels(&mut world);
}

#[test]
fn a_binding_stays_through_a_reload_that_does_not_touch_it() {
    let mut world = registered_world();
    // Another trunk comes, before it.
    let mut more = registering();
    more.trunks.insert(0, second(TrunkSettings { identity: None, ..TrunkSettings::default() }));
    configure(&mut world, more.clone());
    assert!(!world.has(TRUNK, "REGISTER"), "{:#?}", world.sent);
    world.pass(Duration::from_secs(481));
    let refresh = world.take(TRUNK, "REGISTER");
    assert_eq!(header(&refresh, "CSeq"), "3 REGISTER");
    // Its answer finds the trunk in its new place, even when that changes again meanwhile.
    more.trunks.swap(0, 1);
    configure(&mut world, more);
    world.receive(TRUNK, &response(&refresh, TRUNK, "200 OK", ""));
    world.sent.clear();
    world.pass(Duration::from_secs(481));
    assert_eq!(header(&world.take(TRUNK, "REGISTER"), "CSeq"), "4 REGISTER");
    assert_eq!(world.registered, [("telco".to_owned(), true)]);
}

#[test]
fn a_trunk_that_moves_is_deregistered_at_the_old_place_and_registered_at_the_new() {
    for change in [
        |settings: &mut Settings| settings.trunks[0].target = Some(SECOND.parse().unwrap()),
        |settings: &mut Settings| settings.trunks[0].terms.register.as_mut().unwrap().aor = "sip:other@x".to_owned(),
        |settings: &mut Settings| settings.trunks[0].terms.register = None,
    ] {
        let mut world = registered_world();
        let mut settings = registering();
        change(&mut settings);
        configure(&mut world, settings.clone());
        hears_goodbye(&mut world, TRUNK);
        if let Some(register) = &settings.trunks[0].terms.register {
            let at = settings.trunks[0].target.unwrap().to_string();
            let again = world.take(&at, "REGISTER");
            assert_eq!((header(&again, "CSeq"), header(&again, "Expires")), ("1 REGISTER", "600"));
            assert_eq!(header(&again, "To"), format!("<{}>", register.aor));
            world.receive(&at, &response(&again, &at, "200 OK", ""));
            assert_eq!(world.registered.last().unwrap(), &("telco".to_owned(), true));
        } else {
            assert!(!world.has(TRUNK, "REGISTER"));
            assert_eq!(world.registered.last().unwrap(), &("telco".to_owned(), false));
        }
    }
}

#[test]
fn a_registration_under_way_is_taken_back_too() {
    let mut world = World::new(registering(), &["budi"]);
    world.step(Input::Tick);
    let register = world.take(TRUNK, "REGISTER");
    configure(&mut world, settings());
    hears_goodbye(&mut world, TRUNK);
    world.receive(TRUNK, &response(&register, TRUNK, "200 OK", ""));
    world.pass(Duration::from_secs(1_000));
    assert!(!world.has(TRUNK, "REGISTER"), "nothing is refreshed");
}

#[test]
fn calls_of_a_trunk_that_is_taken_out_go_on_and_seats_stay_with_their_trunks() {
    let mut settings = unstaffed_settings();
    settings.trunks[1].terms.max_calls = 1;
    let mut world = World::new(settings.clone(), &["budi"]);
    let mut caller = Caller::dials(&mut world);
    let invite = world.take(TRUNK, "INVITE");
    refuses(&mut world, TRUNK, &invite, "503 Service Unavailable", "");
    let invite = world.take(SECOND, "INVITE");
    // The second becomes the first, and its one seat is taken.
    settings.trunks.remove(0);
    configure(&mut world, settings);
    world.receive(SECOND, &response(&invite, SECOND, "200 OK", &sdp(SECOND, 31_000)));
    world.take(SECOND, "ACK");
    caller.is_answered(&mut world);
    caller.hangs_up(&mut world);
    let bye = world.take(SECOND, "BYE");
    world.receive(SECOND, &response(&bye, SECOND, "200 OK", ""));
    world.assert_empty_in_the_end();
}

#[test]
fn a_service_without_calls_ends_at_once_despite_open_trunk_requests() {
    let mut settings = settings();
    settings.trunks[0].target = Some(TRUNK.parse().unwrap());
    settings.trunks[0].keep_alive = Some(Duration::from_secs(60));
    settings.trunks[0].terms.register = registration();
    let mut world = World::new(settings, &["budi"]);
    world.step(Input::Tick);
    // Neither the keep-alive nor the REGISTER was ever answered: the latter may still be granted.
    world.take(TRUNK, "OPTIONS");
    world.take(TRUNK, "REGISTER");
    world.step(Input::Drain);
    assert_eq!(header(&world.take(TRUNK, "REGISTER"), "Expires"), "0");
    assert!(!world.drained);
    world.pass(Duration::from_millis(1_999));
    assert!(!world.drained && world.has(TRUNK, "REGISTER"), "it is said again");
    world.pass(Duration::from_millis(1));
    assert!(world.drained, "not 32 s");
}

#[test]
fn a_telco_that_is_down_is_told_goodbye_but_not_waited_for() {
    let mut settings = registering();
    settings.trunks[0].keep_alive = Some(Duration::from_secs(60));
    settings.trunks[0].terms.down_after = 1;
    let mut world = registered(settings);
    world.pass(Duration::from_secs(40));
    assert_eq!(world.trunks_up, [false]);
    world.step(Input::Drain);
    assert_eq!(header(&world.take(TRUNK, "REGISTER"), "Expires"), "0");
    assert!(world.drained);
}

#[test]
fn a_drain_waits_for_the_bye_of_its_last_call() {
    let mut world = World::new(settings(), &["budi"]);
    world.register("budi", "127.0.0.3:5091");
    let mut caller = Caller::dials(&mut world);
    let invite = world.take("127.0.0.3:5091", "INVITE");
    world.receive("127.0.0.3:5091", &response(&invite, "127.0.0.3:5091", "200 OK", &sdp("127.0.0.3:5091", 31_000)));
    caller.is_answered(&mut world);
    world.step(Input::Drain);
    caller.hangs_up(&mut world);
    world.pass(Duration::from_secs(31));
    assert!(!world.drained, "the phone has not heard the BYE");
    world.pass(Duration::from_secs(2));
    assert!(world.drained);
}

/// The other server of the trunk that is removed, and a host that is none.
const OTHER: &str = "127.0.0.9:5060";
const STRANGER: &str = "127.0.0.10:5060";

/// A call of a trunk that is then removed: the trunk has another server, credentials, and a media gateway.
fn call_of_removed_trunk() -> (World, Caller, String) {
    let mut with = settings();
    let network = |text: &str| Network::parse(text).unwrap();
    with.trunks[0].peers.push(network("127.0.0.9/32"));
    with.trunks[0].terms.identity = identity();
    with.trunks[0].terms.media = vec![network("127.0.0.30/32")];
    let mut world = World::new(with, &["budi"]);
    world.register("budi", BUDI);
    let mut caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    world.receive(BUDI, &response(&invite, BUDI, "200 OK", &sdp(BUDI, 31_000)));
    world.take(BUDI, "ACK");
    caller.is_answered(&mut world);
    let mut without = settings();
    without.trunks = vec![Trunk { keep_alive: None, ..second(TrunkSettings::default()) }];
    configure(&mut world, without);
    (world, caller, invite)
}

#[test]
fn a_caller_of_a_removed_trunk_hangs_up_from_another_server_of_it() {
    let (mut world, caller, _) = call_of_removed_trunk();
    caller.asks_at(&mut world, OTHER, "BYE", 2);
    world.take(OTHER, "SIP/2.0 200");
    assert_eq!(world.count(|kind| matches!(kind, FactKind::Ended { cause: EndCause::Normal, .. })), 1);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_source_that_no_trunk_had_ends_no_call_of_a_removed_trunk() {
    let (mut world, caller, _) = call_of_removed_trunk();
    caller.asks_at(&mut world, STRANGER, "BYE", 2);
    world.take(STRANGER, "SIP/2.0 403");
    assert_eq!(world.count(|kind| matches!(kind, FactKind::Ended { .. })), 0);
    caller.hangs_up_as(&mut world, 2);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_removed_trunk_that_challenges_the_bye_of_its_call_gets_its_credentials() {
    let (mut world, _caller, invite) = call_of_removed_trunk();
    world.asks(BUDI, &invite, "BYE", 1, "", "");
    let bye = world.take(TRUNK, "BYE");
    let challenge = response(&bye, TRUNK, "401 Unauthorized", "");
    world.receive(TRUNK, &challenge.replacen("Contact:", &format!("{CHALLENGE}Contact:"), 1));
    let bye = world.take(TRUNK, "BYE");
    assert!(header(&bye, "Authorization").contains("username=\"siaga\""), "{bye}");
    world.receive(TRUNK, &response(&bye, TRUNK, "200 OK", ""));
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn media_of_a_call_of_a_removed_trunk_is_accepted_from_its_gateways() {
    let (mut world, caller, _) = call_of_removed_trunk();
    let gateways = |world: &World| {
        let remotes = world.media.iter().rev().filter_map(|command| match command {
            Command::SetRemote { remote, .. } => Some(remote.sources.networks.clone()),
            _ => None,
        });
        remotes.take(2).collect::<Vec<_>>()
    };
    world.media.clear();
    caller.asks(&mut world, "INVITE", 2, "", &sdp(TRUNK, 30_002));
    world.take(TRUNK, "SIP/2.0 200");
    caller.asks(&mut world, "ACK", 2, "", "");
    let gateway = AddressRange::new([127, 0, 0, 30].into(), [127, 0, 0, 30].into());
    assert!(gateways(&world).iter().any(|networks| networks[..] == [gateway]), "{:?}", world.media);
    caller.hangs_up_as(&mut world, 3);
    world.sent.clear();
    world.assert_empty_in_the_end();
}
