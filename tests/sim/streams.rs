//! Stories of connections: what goes over which, and what becomes of calls when one is gone.

use std::time::Duration;

use siaga::cdr::fact::{EndCause, FactKind, OfferOutcome, Side};
use siaga::media::command::{Command, Event};
use siaga::sip::flow::{ConnectionId, Flow, Transport};
use siaga::sip::locate::Target;
use siaga::switchboard::{Input, Listener, Registration, Settings, TrunkHost};

use super::caller::Caller;
use super::world::{SERVER, TRUNK, World, header, response, sdp, settings};

const BUDI: &str = "127.0.0.3:40001";
const BUDI_AGAIN: &str = "127.0.0.3:40002";
const SARI: &str = "127.0.0.3:40003";

fn with_streams() -> Settings {
    let mut settings = settings();
    for transport in [Transport::Tcp, Transport::Tls] {
        let listener = Listener { transport, local: SERVER.parse().unwrap(), advertised: SERVER.to_owned() };
        settings.site.listeners.push(listener);
    }
    settings
}

fn stream(peer: &str, transport: Transport, connection: u64) -> Flow {
    let connection = ConnectionId(connection);
    Flow { transport, local: SERVER.parse().unwrap(), remote: peer.parse().unwrap(), connection }
}

/// From now on `peer` speaks over a connection.
fn connect(world: &mut World, peer: &str, transport: Transport, connection: u64) -> Flow {
    let flow = stream(peer, transport, connection);
    world.streams.insert(flow.remote, flow);
    flow
}

fn lose(world: &mut World, flow: Flow) {
    world.streams.remove(&flow.remote);
    world.step(Input::Unreachable { flow });
}

/// The flow of the last message that starts so.
fn way(world: &World, start: &str) -> Flow {
    world.ways.iter().rfind(|(_, line)| line.starts_with(start)).map(|(flow, _)| *flow).unwrap()
}

fn answers(world: &mut World, at: &str) -> String {
    let invite = world.take(at, "INVITE");
    world.receive(at, &response(&invite, at, "200 OK", &sdp(at, 31_000)));
    world.take(at, "ACK");
    invite
}

#[test]
fn all_of_a_call_goes_over_the_connections_that_it_came_by() {
    let mut world = World::new(with_streams(), &["budi"]);
    let phone = connect(&mut world, BUDI, Transport::Tls, 3);
    let trunk = connect(&mut world, TRUNK, Transport::Tcp, 4);
    world.register("budi", BUDI);
    let mut caller = Caller::dials(&mut world);
    let invite = answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    assert!(header(&invite, "Via").starts_with("SIP/2.0/TLS "), "{invite}");
    assert_eq!(header(&invite, "Contact"), format!("<sip:siaga@{SERVER};transport=tls>"));
    caller.hangs_up(&mut world);
    let bye = world.take(BUDI, "BYE");
    world.receive(BUDI, &response(&bye, BUDI, "200 OK", ""));
    assert!(world.ways.iter().all(|(flow, _)| [phone, trunk].contains(flow)), "{:#?}", world.ways);
    lose(&mut world, phone);
    lose(&mut world, trunk);
    world.assert_empty_in_the_end();
}

#[test]
fn a_phone_that_keeps_its_flow_open_is_told_how_often_to_ping_where_pings_are_answered() {
    let flow = ";reg-id=1;+sip.instance=\"<urn:uuid:9e3a5eb3-c70c-5774-b077-b2496cfb4ccc>\"";
    let supported = "Supported: path, outbound\r\n";
    for (transport, contact, more, told) in [
        (Transport::Tcp, flow, supported, true),
        (Transport::Tls, flow, "Require: outbound\r\n", true),
        (Transport::Tcp, flow, "", false),
        (Transport::Tcp, "", supported, false),
        // Pings over UDP would be STUN.
        (Transport::Udp, flow, supported, false),
    ] {
        let mut world = World::new(with_streams(), &["budi"]);
        if transport != Transport::Udp {
            connect(&mut world, BUDI, transport, 3);
        }
        let answer = world.register_with("budi", BUDI, 600, contact, more);
        let is = answer.contains("\r\nRequire: outbound\r\n") && answer.contains("\r\nFlow-Timer: 120\r\n");
        assert_eq!(is, told, "{answer}");
        assert_eq!(answer.contains("outbound") || answer.contains("Flow-Timer"), told, "{answer}");
    }
}

#[test]
fn a_call_outlives_its_trunks_connection_and_ends_over_another() {
    let mut world = World::new(with_streams(), &["budi"]);
    world.register("budi", BUDI);
    let trunk = connect(&mut world, TRUNK, Transport::Tcp, 4);
    let mut caller = Caller::dials(&mut world);
    let invite = answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    lose(&mut world, trunk);
    assert_eq!(world.count(|kind| matches!(kind, FactKind::Ended { .. })), 0, "the sound goes on");
    world.asks(BUDI, &invite, "BYE", 1, "", "");
    assert_eq!(way(&world, "BYE"), stream(TRUNK, Transport::Tcp, 0), "to where his Contact says");
    connect(&mut world, TRUNK, Transport::Tcp, 5);
    caller.is_hung_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_phone_that_comes_back_over_another_connection_keeps_its_talk() {
    let mut world = World::new(with_streams(), &["budi"]);
    let first = connect(&mut world, BUDI, Transport::Tcp, 3);
    world.register("budi", BUDI);
    let mut caller = Caller::dials(&mut world);
    answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    lose(&mut world, first);
    let second = connect(&mut world, BUDI_AGAIN, Transport::Tcp, 8);
    world.register("budi", BUDI_AGAIN);
    caller.hangs_up(&mut world);
    assert_eq!(way(&world, "BYE"), second);
    let bye = world.take(BUDI_AGAIN, "BYE");
    world.receive(BUDI_AGAIN, &response(&bye, BUDI_AGAIN, "200 OK", ""));
    lose(&mut world, second);
    world.assert_empty_in_the_end();
}

#[test]
fn a_connection_that_goes_while_its_phone_rings_gives_the_caller_to_the_next() {
    let mut world = World::new(with_streams(), &["budi", "sari"]);
    let phone = connect(&mut world, BUDI, Transport::Tcp, 3);
    world.register("budi", BUDI);
    world.pass(Duration::from_secs(1));
    world.register("sari", SARI);
    let mut caller = Caller::dials(&mut world);
    world.take(BUDI, "INVITE");
    lose(&mut world, phone);
    answers(&mut world, SARI);
    caller.is_answered(&mut world);
    let unreachable = |kind: &FactKind| matches!(kind, FactKind::OfferEnded { outcome: OfferOutcome::Unreachable, .. });
    assert_eq!(world.count(unreachable), 1);
    caller.hangs_up(&mut world);
    let bye = world.take(SARI, "BYE");
    world.receive(SARI, &response(&bye, SARI, "200 OK", ""));
    world.assert_empty_in_the_end();
}

#[test]
fn a_trunk_with_a_name_calls_only_over_a_connection_that_has_proven_it() {
    let mut settings = with_streams();
    settings.trunks[0].tls_name = Some("sbc.example".to_owned());
    let mut world = World::new(settings, &["budi"]);
    let stranger = |world: &mut World| {
        let flow = world.streams.get(&TRUNK.parse().unwrap()).copied();
        let invite = format!(
            "INVITE sip:112@{SERVER} SIP/2.0\r\nVia: SIP/2.0/UDP {TRUNK};branch=z9hG4bK{}\r\nFrom: <sip:a@b>;tag=1\r\n\
             To: <sip:112@{SERVER}>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
            world.next_serial()
        );
        world.receive(TRUNK, &invite);
        world.take(TRUNK, "SIP/2.0 401");
        flow
    };
    assert_eq!(stranger(&mut world), None, "over UDP");
    let connection = connect(&mut world, TRUNK, Transport::Tls, 4);
    stranger(&mut world);
    world.step(Input::Proven { flow: connection, names: vec!["other.example".to_owned()] });
    stranger(&mut world);
    world.step(Input::Proven { flow: connection, names: vec!["sbc.example".to_owned()] });
    let caller = Caller::dials(&mut world);
    caller.cancels(&mut world);
    // A proof ends with its connection.
    lose(&mut world, connection);
    connect(&mut world, TRUNK, Transport::Tls, 5);
    stranger(&mut world);
    world.assert_empty_in_the_end();
}

fn host() -> TrunkHost {
    let transports = vec![Transport::Udp, Transport::Tcp, Transport::Tls];
    TrunkHost { name: "sbc.example".to_owned(), port: None, transports, transport_named: false, secure: false }
}

/// The trunk's name has been looked up.
fn stands_for(world: &mut World, servers: &[(Transport, &str)]) {
    let target =
        |(transport, address): &(Transport, &str)| Target { transport: *transport, address: address.parse().unwrap() };
    world.step(Input::Targets { trunk: "telco".to_owned(), targets: servers.iter().map(target).collect() });
}

#[test]
fn a_trunks_next_transport_is_used_when_the_first_cannot_be_had() {
    let (first, second) = ("127.0.0.8:5061", "127.0.0.9:5060");
    let mut settings = with_streams();
    settings.trunks[0].host = Some(host());
    settings.trunks[0].keep_alive = Some(Duration::from_secs(60));
    settings.fallback.number = Some("0725112233".to_owned());
    let mut world = World::new(settings, &[]);
    stands_for(&mut world, &[(Transport::Tls, first), (Transport::Udp, second)]);
    let options = world.take(first, "OPTIONS sip:127.0.0.8:5061;transport=tls ");
    assert!(header(&options, "Via").starts_with("SIP/2.0/TLS "), "{options}");
    world.receive(first, &response(&options, first, "200 OK", ""));
    // Two calls at once find no server: one step on, not two.
    let (one, other) = (Caller::dials(&mut world), Caller::dials(&mut world));
    world.take(first, "INVITE");
    world.take(first, "INVITE");
    world.step(Input::Unreachable { flow: stream(first, Transport::Tls, 0) });
    for _ in 0..2 {
        let invite = world.take(second, "INVITE sip:0725112233@127.0.0.9:5060 ");
        assert!(header(&invite, "Via").starts_with("SIP/2.0/UDP "), "{invite}");
    }
    assert!(!world.has(first, "INVITE"));
    one.cancels(&mut world);
    other.cancels(&mut world);
}

#[test]
fn a_trunk_with_a_name_is_registered_with_once_it_is_found_and_at_its_next_server_when_that_fails() {
    let (first, second) = ("127.0.0.8:5060", "127.0.0.9:5060");
    let mut settings = with_streams();
    settings.trunks[0].host = Some(host());
    let (registrar, aor) = ("sip:sbc.example".to_owned(), "sip:siaga@sbc.example".to_owned());
    settings.trunks[0].terms.register = Some(Registration { registrar, aor, expires: Duration::from_secs(600) });
    let mut world = World::new(settings, &[]);
    world.pass(Duration::from_secs(100));
    assert!(world.sent.is_empty(), "{:#?}", world.sent);
    stands_for(&mut world, &[(Transport::Udp, first), (Transport::Udp, second)]);
    let register = world.take(first, "REGISTER");
    world.receive(first, &response(&register, first, "503 Service Unavailable", ""));
    let register = world.take(second, "REGISTER");
    world.receive(second, &response(&register, second, "200 OK", ""));
    assert_eq!(world.registered, [("telco".to_owned(), true)]);
    // The name stands for others now: they are told where we are.
    stands_for(&mut world, &[(Transport::Udp, "127.0.0.7:5060")]);
    world.take("127.0.0.7:5060", "REGISTER");
}

#[test]
fn a_trunks_next_server_is_used_when_the_first_does_not_answer() {
    let (first, second) = ("127.0.0.8:5060", "127.0.0.9:5060");
    let mut settings = with_streams();
    settings.trunks[0].host = Some(host());
    settings.trunks[0].keep_alive = Some(Duration::from_secs(60));
    let mut world = World::new(settings, &[]);
    world.pass(Duration::from_secs(1));
    assert!(world.ways.is_empty(), "nobody is known yet");
    stands_for(&mut world, &[(Transport::Udp, first), (Transport::Udp, second)]);
    world.take(first, "OPTIONS sip:127.0.0.8:5060 ");
    world.is_unreachable(first);
    let options = world.take(second, "OPTIONS");
    world.receive(second, &response(&options, second, "200 OK", ""));
    world.sent.clear();
    world.pass(Duration::from_secs(61));
    assert!(world.has(second, "OPTIONS") && !world.has(first, "OPTIONS"), "who answers is asked again");
    let options = world.take(second, "OPTIONS");
    world.receive(second, &response(&options, second, "503 Service Unavailable", ""));
    assert!(world.has(first, "OPTIONS"), "503 sends us on (RFC 3263 §4.3)");
}

#[test]
fn a_server_that_answers_404_has_not_failed() {
    let (first, second) = ("127.0.0.8:5060", "127.0.0.9:5060");
    for (status, server_fails) in [("404 Not Found", false), ("410 Gone", false), ("503 Service Unavailable", true)] {
        let mut settings = with_streams();
        settings.trunks[0].host = Some(host());
        settings.fallback.number = Some("0725112233".to_owned());
        let mut world = World::new(settings, &[]);
        stands_for(&mut world, &[(Transport::Udp, first), (Transport::Udp, second)]);
        let _caller = Caller::dials(&mut world);
        let invite = world.take(first, "INVITE");
        world.receive(first, &response(&invite, first, status, ""));
        assert_eq!(world.has(second, "INVITE"), server_fails, "{status}");
    }
}

#[test]
fn a_request_too_long_for_a_datagram_goes_over_tcp_where_the_trunk_takes_it() {
    let mut settings = with_streams();
    settings.trunks[0].target = Some("127.0.0.2:5090".parse().unwrap());
    settings.fallback.number = Some(format!("0725{}", "0".repeat(1_000)));
    for (allowed, transport) in [(false, Transport::Udp), (true, Transport::Tcp)] {
        settings.trunks[0].tcp_when_large = allowed;
        let mut world = World::new(settings.clone(), &[]);
        let caller = Caller::dials(&mut world);
        assert_eq!(way(&world, "INVITE").transport, transport);
        let invite = world.take("127.0.0.2:5090", "INVITE");
        assert!(header(&invite, "Via").starts_with(&format!("SIP/2.0/{} ", transport.via())), "{invite}");
        caller.cancels(&mut world);
    }
}

#[test]
fn a_message_over_a_stream_that_does_not_tell_its_length_is_refused() {
    let mut world = World::new(with_streams(), &[]);
    let flow = connect(&mut world, TRUNK, Transport::Tcp, 7);
    let invite = format!(
        "INVITE sip:112@{SERVER} SIP/2.0\r\nVia: SIP/2.0/TCP {TRUNK};branch=z9hG4bKold\r\nFrom: <sip:0812@{TRUNK}>;tag=c\r\n\
         To: <sip:112@{SERVER}>\r\nCall-ID: old\r\nCSeq: 1 INVITE\r\nContact: <sip:0812@{TRUNK}>\r\n\r\n"
    );
    world.receive(TRUNK, &invite);
    assert_eq!(way(&world, "SIP/2.0 400 no Content-Length"), flow);
    assert_eq!(world.count(|kind| matches!(kind, FactKind::Received { .. })), 0);
    // A response without it says nothing either.
    world.receive(TRUNK, &invite.replace(&format!("INVITE sip:112@{SERVER} SIP/2.0"), "SIP/2.0 200 OK"));
    world.assert_empty_in_the_end();
}

/// No server listens where responses to this caller go.
fn no_way_back(world: &mut World) {
    world.step(Input::Unreachable { flow: stream(TRUNK, Transport::Tcp, 0) });
}

fn endings(world: &World) -> Vec<(Side, EndCause)> {
    let ending = |kind: &FactKind| match kind {
        FactKind::Ended { by, cause, .. } => Some((*by, *cause)),
        _ => None,
    };
    world.facts.iter().filter_map(|fact| ending(&fact.kind)).collect()
}

#[test]
fn callers_whose_connection_is_gone_ring_last_and_are_given_up_when_no_response_reaches_them() {
    let mut world = World::new(with_streams(), &["budi"]);
    let trunk = connect(&mut world, TRUNK, Transport::Tcp, 4);
    (0..3).for_each(|_| drop(Caller::dials(&mut world)));
    lose(&mut world, trunk);
    assert_eq!(way(&world, "SIP/2.0 18"), trunk, "it is tried whether a response reaches them");
    let mut caller = Caller::dials(&mut world);
    world.register("budi", BUDI);
    let invite = answers(&mut world, BUDI);
    assert!(header(&invite, "From").contains(&caller.number()), "{invite}");
    caller.is_answered(&mut world);
    no_way_back(&mut world);
    world.pass(Duration::from_millis(4_900));
    assert_eq!(endings(&world), []);
    world.pass(Duration::from_millis(200));
    assert_eq!(endings(&world), [(Side::Caller, EndCause::Abandoned); 3]);
    caller.hangs_up(&mut world);
    let bye = world.take(BUDI, "BYE");
    world.receive(BUDI, &response(&bye, BUDI, "200 OK", ""));
    world.assert_empty_in_the_end();
}

#[test]
fn a_caller_who_is_reached_over_another_connection_keeps_the_place() {
    let mut world = World::new(with_streams(), &["budi"]);
    let trunk = connect(&mut world, TRUNK, Transport::Tcp, 4);
    let first = Caller::dials(&mut world);
    lose(&mut world, trunk);
    Caller::dials(&mut world);
    world.pass(Duration::from_secs(6));
    world.register("budi", BUDI);
    let invite = world.take(BUDI, "INVITE");
    assert!(header(&invite, "From").contains(&first.number()), "{invite}");
}

#[test]
fn a_caller_who_speaks_in_the_dialog_again_keeps_the_place_and_the_call() {
    let mut world = World::new(with_streams(), &["budi"]);
    let trunk = connect(&mut world, TRUNK, Transport::Tcp, 4);
    world.register("budi", BUDI);
    let mut caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    world.receive(BUDI, &response(&invite, BUDI, "180 Ringing", ""));
    caller.hears(&mut world, "SIP/2.0 180");
    lose(&mut world, trunk);
    no_way_back(&mut world);
    connect(&mut world, TRUNK, Transport::Tcp, 5);
    caller.asks(&mut world, "OPTIONS", 2, "", "");
    world.pass(Duration::from_secs(8));
    assert_eq!(endings(&world), []);
    assert!(world.switchboard.gauges().calls == 1);
}

#[test]
fn a_caller_who_cannot_be_reached_and_is_heard_keeps_the_call_until_the_audio_stops() {
    for answered in [false, true] {
        let mut world = World::new(with_streams(), &["budi"]);
        let trunk = connect(&mut world, TRUNK, Transport::Tcp, 4);
        world.register("budi", BUDI);
        let caller = Caller::dials(&mut world);
        let opened = world.media.iter().find_map(|command| match command {
            Command::Open { anchor } => Some(*anchor),
            _ => None,
        });
        let anchor = opened.unwrap();
        if answered {
            answers(&mut world, BUDI);
        }
        lose(&mut world, trunk);
        no_way_back(&mut world);
        let limited = Command::LimitSilence { anchor, limit: Some(Duration::from_secs(5)) };
        assert!(world.media.contains(&limited), "{:?}", world.media);
        world.step(Input::Media(Event::Heard { anchor }));
        world.pass(Duration::from_secs(10));
        assert_eq!(endings(&world), []);
        world.step(Input::Media(Event::Silent { anchor, limit: None }));
        let expected =
            if answered { (Side::Service, EndCause::CallerLost) } else { (Side::Caller, EndCause::Abandoned) };
        assert_eq!(endings(&world), [expected]);
        drop(caller);
    }
}

#[test]
fn an_answer_that_reaches_no_caller_frees_the_operator_after_five_seconds() {
    let mut world = World::new(with_streams(), &["budi"]);
    let trunk = connect(&mut world, TRUNK, Transport::Tcp, 4);
    world.register("budi", BUDI);
    let caller = Caller::dials(&mut world);
    answers(&mut world, BUDI);
    lose(&mut world, trunk);
    no_way_back(&mut world);
    world.pass(Duration::from_secs(5));
    assert_eq!(endings(&world), [(Side::Service, EndCause::CallerLost)]);
    world.take(BUDI, "BYE");
    drop(caller);
}

#[test]
fn a_caller_who_speaks_in_the_dialog_again_has_the_place_back_at_once() {
    for speaks in [true, false] {
        let mut world = World::new(with_streams(), &["budi"]);
        let trunk = connect(&mut world, TRUNK, Transport::Tcp, 4);
        let mut first = Caller::dials(&mut world);
        first.hears(&mut world, "SIP/2.0 18");
        lose(&mut world, trunk);
        connect(&mut world, TRUNK, Transport::Tcp, 5);
        if speaks {
            first.asks(&mut world, "OPTIONS", 2, "", "");
        }
        let second = Caller::dials(&mut world);
        // No time has passed: after five seconds the first caller has the place back in any case.
        world.register("budi", BUDI);
        let invite = world.take(BUDI, "INVITE");
        let next = if speaks { first.number() } else { second.number() };
        assert!(header(&invite, "From").contains(&next), "{speaks}: {invite}");
    }
}

#[test]
fn a_caller_who_becomes_unreachable_later_rings_behind_the_others_again() {
    let mut world = World::new(with_streams(), &["budi"]);
    let trunk = connect(&mut world, TRUNK, Transport::Tcp, 4);
    Caller::dials(&mut world);
    lose(&mut world, trunk);
    world.pass(Duration::from_secs(6));
    no_way_back(&mut world);
    connect(&mut world, TRUNK, Transport::Tcp, 5);
    let second = Caller::dials(&mut world);
    world.register("budi", BUDI);
    let invite = world.take(BUDI, "INVITE");
    assert!(header(&invite, "From").contains(&second.number()), "{invite}");
}

#[test]
fn a_telco_ends_a_call_over_its_connection_when_its_trunk_has_a_name_meanwhile() {
    let mut world = World::new(with_streams(), &["budi"]);
    connect(&mut world, TRUNK, Transport::Tls, 4);
    world.register("budi", SARI);
    let mut caller = Caller::dials(&mut world);
    answers(&mut world, SARI);
    caller.is_answered(&mut world);
    let mut settings = with_streams();
    settings.trunks[0].tls_name = Some("sbc.example".to_owned());
    world.step(Input::Configure(Box::new(settings)));
    caller.hangs_up(&mut world);
    let bye = world.take(SARI, "BYE");
    world.receive(SARI, &response(&bye, SARI, "200 OK", ""));
    world.assert_empty_in_the_end();
}
