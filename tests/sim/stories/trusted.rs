//! Legs that are no longer suspected, or never were: a message of the peer ends a suspicion with its OPTIONS, and only the failure of the
//! trunk's current server begins one.

use siaga::sip::flow::Transport;
use siaga::sip::locate::Target;
use siaga::switchboard::TrunkHost;

use super::peer_probe::{asking, dead, is_over, is_probed, limit, lost, respond, talking};
use super::*;

#[test]
fn a_suspected_phone_that_sends_a_request_before_it_responds_to_options_keeps_its_call() {
    let (mut world, caller, invite, operator) = dead(&["budi", "sari"], true);
    is_probed(&mut world, BUDI, &invite);
    asks(&mut world, BUDI, &invite, "INFO", 1, "", "");
    world.take(BUDI, "SIP/2.0 200");
    assert_eq!(limit(&world, operator), None);
    let aimed = |command: &&Command| matches!(command, Command::SetRemote { anchor, .. } if *anchor == operator);
    assert!(world.media.iter().rev().take(2).any(|command| aimed(&command)), "its silence is measured anew");
    respond(&mut world, 33, &[]);
    assert_eq!((lost(&world), endings(&world)), (0, vec![]));
    world.step(Input::Media(Event::Silent { anchor: operator, limit: None }));
    is_probed(&mut world, BUDI, &invite);
    caller.hangs_up(&mut world);
    is_over(world);
}

#[test]
fn a_report_of_two_seconds_of_silence_that_arrives_after_the_suspicion_has_ended_is_ignored() {
    let (mut world, caller, invite) = talking(asking(), &["budi", "sari"]);
    world.register("sari", SARI);
    let (_, operator) = ports(&world);
    respond(&mut world, 75, &[BUDI]);
    let short = limit(&world, operator);
    assert_eq!(short, Some(seconds(2)));
    asks(&mut world, BUDI, &invite, "INFO", 1, "", "");
    world.take(BUDI, "SIP/2.0 200");
    world.media.clear();
    world.step(Input::Media(Event::Silent { anchor: operator, limit: short }));
    let its = |text: &str| header(text, "Call-ID") == header(&invite, "Call-ID");
    assert!(!world.sent.iter().any(|(_, text)| text.starts_with("OPTIONS") && its(text)));
    assert!(matches!(world.media.last(), Some(Command::SetRemote { anchor, .. }) if *anchor == operator));
    world.step(Input::Media(Event::Silent { anchor: operator, limit: None }));
    is_probed(&mut world, BUDI, &invite);
    caller.hangs_up(&mut world);
    is_over(world);
}

#[test]
fn a_server_that_is_no_longer_in_use_raises_no_suspicion() {
    const OLD: &str = "127.0.0.2:5081";
    let target = |at: &str| Target { transport: Transport::Udp, address: at.parse().unwrap() };
    let found = |servers: &[&str]| Input::Targets {
        trunk: "telco".to_owned(),
        targets: servers.iter().map(|at| target(at)).collect(),
    };
    let transports = vec![Transport::Udp];
    let mut settings = asking();
    settings.trunks[0].target = None;
    settings.trunks[0].host = Some(TrunkHost {
        name: "sbc.example".to_owned(),
        port: None,
        transports,
        transport_named: false,
        secure: false,
    });
    for moved in [true, false] {
        let mut world = World::new(settings.clone(), &["budi"]);
        world.step(found(&[OLD]));
        world.register("budi", BUDI);
        let mut caller = Caller::dials(&mut world);
        answers(&mut world, BUDI);
        caller.is_answered(&mut world);
        let (port, operator) = ports(&world);
        for anchor in [port, operator] {
            world.step(Input::Media(Event::Heard { anchor }));
        }
        respond(&mut world, 2, &[]);
        respond(&mut world, 40, &[OLD]);
        if moved {
            world.step(found(&[TRUNK]));
        }
        respond(&mut world, 30, &[OLD]);
        assert_eq!(limit(&world, port), (!moved).then_some(seconds(2)), "moved: {moved}");
        caller.hangs_up(&mut world);
        is_over(world);
    }
}
