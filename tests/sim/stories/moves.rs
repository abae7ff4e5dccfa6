//! Phones and trunks that move to another address, another port of a NAT or another connection; and the listener in Via and Contact.

use siaga::ids::OperatorId;
use siaga::sip::flow::{ConnectionId, Flow, Transport};
use siaga::sip::locate::Target;
use siaga::switchboard::{ConsoleCommand, Input, Listener, Settings};

use super::super::watch::Watch;
use super::super::world::SERVER;
use super::*;

const NEW: &str = "127.0.0.13:5072";
/// A second listener, on another network.
const OTHER: &str = "127.9.0.1:5060";

/// The flow of the last message with this start.
fn way(world: &World, start: &str) -> Flow {
    world.ways.iter().rfind(|(_, line)| line.starts_with(start)).map(|(flow, _)| *flow).unwrap()
}

fn stream(peer: &str, connection: u64) -> Flow {
    let (local, remote) = (SERVER.parse().unwrap(), peer.parse().unwrap());
    Flow { transport: Transport::Tcp, local, remote, connection: ConnectionId(connection) }
}

fn with_tcp() -> Settings {
    let mut settings = settings();
    let local = SERVER.parse().unwrap();
    settings.site.listeners.push(Listener { transport: Transport::Tcp, local, advertised: SERVER.to_owned() });
    settings
}

/// The second listener beside the first.
fn with_two_networks() -> Settings {
    let mut settings = settings();
    let listener = |text: &str, transport| {
        let local = text.parse().unwrap();
        Listener { transport, local, advertised: text.to_owned() }
    };
    settings.site.listeners.push(listener(OTHER, Transport::Udp));
    settings.site.listeners.push(listener(SERVER, Transport::Tcp));
    settings.site.listeners.push(listener(OTHER, Transport::Tcp));
    settings
}

/// An operator talks with a caller; returns the INVITE that the phone got.
fn talks(world: &mut World, at: &str) -> (Caller, String) {
    let mut caller = Caller::dials(world);
    let invite = world.take(at, "INVITE");
    world.receive(at, &response(&invite, at, "200 OK", &sdp(at, 31_000)));
    world.take(at, "ACK");
    caller.is_answered(world);
    (caller, invite)
}

/// The caller hangs up; the phone's BYE goes over this flow.
fn ends_at(world: &mut World, caller: &Caller, flow: Flow) {
    caller.hangs_up(world);
    assert_eq!(way(world, "BYE"), flow);
    let at = flow.remote.to_string();
    let bye = world.take(&at, "BYE");
    world.receive(&at, &response(&bye, &at, "200 OK", ""));
}

#[test]
fn a_phone_that_moves_during_its_call_gets_its_bye_where_it_is() {
    for (method, body, follows) in [
        ("INVITE", sdp(NEW, 31_010), true),
        ("INVITE", String::new(), true),
        ("UPDATE", sdp(NEW, 31_010), true),
        ("UPDATE", String::new(), true),
        // Not a target refresh (RFC 3261 §12.2): the phone's address is unchanged.
        ("OPTIONS", String::new(), false),
        // Rejected: the target is unchanged (RFC 6141 §4.6).
        ("INVITE", "v=0\r\nm=audio no\r\n".to_owned(), false),
    ] {
        let mut world = World::new(settings(), &["budi"]);
        world.register("budi", BUDI);
        let (caller, invite) = talks(&mut world, BUDI);
        world.register("budi", NEW);
        world.asks(NEW, &invite, method, 1, "", &body);
        if method == "INVITE" && follows {
            let answer = world.take(NEW, "SIP/2.0 200");
            let answered = if body.is_empty() { sdp(NEW, 31_010) } else { String::new() };
            assert!(answer.contains("m=audio"), "{answer}");
            world.asks(NEW, &invite, "ACK", 1, "", &answered);
        }
        let flow = Flow::udp(SERVER.parse().unwrap(), if follows { NEW } else { BUDI }.parse().unwrap());
        ends_at(&mut world, &caller, flow);
        world.assert_empty_in_the_end();
    }
}

#[test]
fn a_transfer_that_is_asked_for_from_another_address_moves_the_leg() {
    let mut world = World::new(settings(), &["budi", "sari"]);
    world.register("budi", BUDI);
    let (_caller, invite) = talks(&mut world, BUDI);
    world.register("sari", SARI);
    world.register("budi", NEW);
    world.asks(NEW, &invite, "REFER", 1, "Refer-To: <sip:sari@127.0.0.1>\r\n", "");
    world.take(NEW, "SIP/2.0 202");
    world.take(NEW, "NOTIFY");
}

#[test]
fn the_call_of_a_phone_behind_nat_follows_its_registration_to_another_port() {
    let (before, after) = ("203.0.113.9:40001", "203.0.113.9:40002");
    let contact = "<sip:budi@192.168.7.9:5060>";
    let mut world = World::new(settings(), &["budi", "sari"]);
    world.register_as("budi", before, contact, 600, "");
    let (caller, _) = talks(&mut world, before);
    world.register_as("budi", after, contact, 600, "");
    ends_at(&mut world, &caller, Flow::udp(SERVER.parse().unwrap(), after.parse().unwrap()));
    world.assert_empty_in_the_end();
}

#[test]
fn a_call_that_an_operator_places_follows_the_registration_too() {
    let (before, after) = ("203.0.113.9:40001", "203.0.113.9:40002");
    let contact = "<sip:budi@192.168.7.9:5060>";
    let mut world = World::new(settings(), &["budi", "sari"]);
    world.register_as("budi", before, contact, 600, "");
    world.register("sari", SARI);
    let (operator, to) = (OperatorId::parse("budi").unwrap(), "sari".to_owned());
    world.orders(ConsoleCommand::Place { operator, to });
    let own = world.take(before, "INVITE");
    world.receive(before, &response(&own, before, "200 OK", &sdp(before, 31_000)));
    world.take(before, "ACK");
    let call = world.take(SARI, "INVITE");
    world.receive(SARI, &response(&call, SARI, "200 OK", &sdp(SARI, 31_000)));
    world.take(SARI, "ACK");
    world.register_as("budi", after, contact, 600, "");
    world.asks(SARI, &call, "BYE", 1, "", "");
    assert_eq!(way(&world, "BYE").remote, after.parse().unwrap());
}

#[test]
fn what_a_watcher_is_told_follows_its_registration() {
    let (before, after) = ("203.0.113.9:40001", "203.0.113.9:40002");
    let contact = "<sip:sari@192.168.7.9:5060>";
    let mut world = World::new(settings(), &["budi", "sari"]);
    world.register("budi", BUDI);
    world.register_as("sari", before, contact, 600, "");
    let watch = Watch::begins(&mut world, "sari", before, "budi", "presence");
    watch.hears(&mut world);
    world.register_as("sari", after, contact, 600, "");
    world.pass(Duration::from_secs(10));
    events::pauses(&mut world, "budi");
    world.pass(Duration::from_secs(1));
    assert_eq!(way(&world, "NOTIFY").remote, after.parse().unwrap());
}

#[test]
fn a_phone_that_reconnects_and_sends_only_a_reinvite_gets_its_bye() {
    let (first, second) = (stream(BUDI, 3), stream("127.0.0.3:49152", 4));
    let mut world = World::new(with_tcp(), &["budi"]);
    world.streams.insert(first.remote, first);
    world.register("budi", BUDI);
    let (caller, invite) = talks(&mut world, BUDI);
    world.step(Input::Unreachable { flow: first });
    world.streams.insert(second.remote, second);
    let at = second.remote.to_string();
    world.asks(&at, &invite, "INVITE", 1, "", &sdp(&at, 31_000));
    world.take(&at, "SIP/2.0 200");
    world.asks(&at, &invite, "ACK", 1, "", "");
    ends_at(&mut world, &caller, second);
    world.step(Input::Unreachable { flow: second });
    world.assert_empty_in_the_end();
}

#[test]
fn a_trunk_without_a_listener_that_opens_a_new_connection_gets_its_bye_over_it() {
    for lost_before in [true, false] {
        let (first, second) = (stream(TRUNK, 3), stream("127.0.0.2:49152", 4));
        let mut world = World::new(with_tcp(), &["budi"]);
        world.register("budi", BUDI);
        world.streams.insert(first.remote, first);
        let (caller, invite) = talks(&mut world, BUDI);
        if lost_before {
            world.step(Input::Unreachable { flow: first });
        }
        world.streams.insert(first.remote, second);
        caller.asks(&mut world, "UPDATE", 2, "", "");
        world.take(&second.remote.to_string(), "SIP/2.0 200");
        if !lost_before {
            world.step(Input::Unreachable { flow: first });
        }
        world.asks(BUDI, &invite, "BYE", 1, "", "");
        assert_eq!(way(&world, "BYE"), second);
        let at = second.remote.to_string();
        let bye = world.take(&at, "BYE");
        world.receive(TRUNK, &response(&bye, &at, "200 OK", ""));
        world.step(Input::Unreachable { flow: second });
        world.assert_empty_in_the_end();
    }
}

#[test]
fn via_and_contact_name_the_listener_of_the_peers_network() {
    for (trunk_at, phone_at) in [(SERVER, OTHER), (OTHER, SERVER)] {
        for transport in [Transport::Udp, Transport::Tcp] {
            let mut world = World::new(with_two_networks(), &["budi"]);
            let connection = |n| ConnectionId(if transport == Transport::Udp { 0 } else { n });
            let mut at = |peer: &str, local: &str, n| {
                let (remote, local) = (peer.parse().unwrap(), local.parse().unwrap());
                world.streams.insert(remote, Flow { transport, local, remote, connection: connection(n) });
            };
            at(TRUNK, trunk_at, 3);
            at(BUDI, phone_at, 4);
            world.register("budi", BUDI);
            let mut caller = Caller::dials(&mut world);
            let invite = world.take(BUDI, "INVITE");
            assert!(header(&invite, "Via").contains(phone_at), "{invite}");
            assert!(header(&invite, "Contact").contains(phone_at), "{invite}");
            assert_eq!(way(&world, "INVITE").local, phone_at.parse().unwrap());
            world.receive(BUDI, &response(&invite, BUDI, "200 OK", &sdp(BUDI, 31_000)));
            let answer = caller.hears(&mut world, "SIP/2.0 200");
            assert!(header(&answer, "Contact").contains(trunk_at), "{answer}");
            caller.acknowledges(&mut world);
            world.asks(BUDI, &invite, "BYE", 1, "", "");
            let bye = world.take(TRUNK, "BYE");
            assert!(header(&bye, "Via").contains(trunk_at), "{bye}");
        }
    }
}

#[test]
fn a_call_to_a_trunk_leaves_from_the_listener_of_its_network() {
    for (target, local) in [("127.9.0.7:5060", OTHER), ("127.0.0.2:5080", SERVER), ("10.1.2.3:5060", SERVER)] {
        let mut settings = with_two_networks();
        for trunk in &mut settings.trunks {
            trunk.target = Some(target.parse().unwrap());
            trunk.keep_alive = Some(Duration::from_secs(30));
        }
        let mut world = World::new(settings, &["budi"]);
        world.pass(Duration::from_secs(1));
        let options = world.take(target, "OPTIONS");
        assert_eq!(way(&world, "OPTIONS").local, local.parse().unwrap());
        assert!(header(&options, "Via").contains(local), "{options}");
    }
}

#[test]
fn a_name_in_a_contact_or_a_route_is_looked_up_and_the_bye_goes_there() {
    let at = |address: &str| Target { transport: Transport::Udp, address: address.parse().unwrap() };
    let tcp = Target { transport: Transport::Tcp, ..at("127.0.0.88:5060") };
    for (route, name, port, found, goes_to) in [
        ("", "sbc.telco.example", Some(5066), vec![at("127.0.0.77:5066")], "127.0.0.77:5066"),
        (
            "Record-Route: <sip:edge.telco.example;lr>\r\n",
            "edge.telco.example",
            None,
            vec![tcp, at("127.0.0.9:5070")],
            "127.0.0.9:5070",
        ),
        // Not found, found only for another transport, or not found yet: the source of the INVITE.
        ("", "sbc.telco.example", Some(5066), vec![], TRUNK),
        ("", "sbc.telco.example", Some(5066), vec![tcp], TRUNK),
    ] {
        let mut world = World::new(settings(), &["budi"]);
        world.register("budi", BUDI);
        let invite = Caller::invite_of(&mut world);
        let contact = format!("Contact: {}", header(&invite, "Contact"));
        world.receive(TRUNK, &invite.replace(&contact, &format!("{route}Contact: <sip:c@sbc.telco.example:5066>")));
        let (uri, host) = world.lookups.pop().unwrap();
        assert_eq!((host.name.as_str(), host.port, &host.transports[..]), (name, port, &[Transport::Udp][..]));
        let targets = found.clone();
        let phone = world.take(BUDI, "INVITE");
        world.receive(BUDI, &response(&phone, BUDI, "200 OK", &sdp(BUDI, 31_000)));
        world.take(TRUNK, "SIP/2.0 200");
        world.step(Input::Found { uri, targets });
        world.asks(BUDI, &phone, "BYE", 1, "", "");
        world.pass(Duration::from_secs(40));
        assert_eq!(way(&world, "BYE").remote, goes_to.parse().unwrap(), "{found:?}");
    }
}

#[test]
fn an_address_needs_no_name_server() {
    let mut world = World::new(settings(), &["budi"]);
    world.register_as("budi", BUDI, "<sip:budi@phone.example>", 600, "");
    talks(&mut world, BUDI);
    assert!(world.lookups.is_empty(), "nor does a phone, which is reached over its flow: {:?}", world.lookups);
}

#[test]
fn a_name_whose_answer_never_comes_is_forgotten_with_its_last_leg() {
    let mut world = World::new(settings(), &["budi"]);
    let named = |world: &mut World| {
        let invite = Caller::invite_of(world);
        let contact = header(&invite, "Contact").to_owned();
        let invite = invite.replace(&contact, "<sip:c@sbc.telco.example:5066>");
        world.receive(TRUNK, &invite);
        invite
    };
    let cancels = |world: &mut World, invite: &str| {
        let [via, from, to, call_id] = ["Via", "From", "To", "Call-ID"].map(|name| header(invite, name));
        let cancel = format!(
            "CANCEL sip:112@127.0.0.1:5060 SIP/2.0\r\nVia: {via}\r\nFrom: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\n\
             CSeq: 1 CANCEL\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        );
        world.receive(TRUNK, &cancel);
        world.take(TRUNK, "SIP/2.0 487");
    };
    let (first, second) = (named(&mut world), named(&mut world));
    assert_eq!(world.lookups.len(), 1, "one question for both");
    cancels(&mut world, &first);
    let third = named(&mut world);
    assert_eq!(world.lookups.len(), 1, "the second call waits for it");
    cancels(&mut world, &second);
    cancels(&mut world, &third);
    world.assert_empty_in_the_end();
    named(&mut world);
    assert_eq!(world.lookups.len(), 2, "asked anew");
}

#[test]
fn an_agency_that_refreshes_over_a_connection_that_closes_gets_its_bye_over_a_new_one() {
    let (callers, second) = (stream(TRUNK, 3), stream("127.0.0.2:49152", 4));
    let mut settings = with_tcp();
    settings.fallback.number = Some("0725113".to_owned());
    settings.trunks[0].transport = Transport::Tcp;
    settings.trunks[0].target = Some(TRUNK.parse().unwrap());
    let mut world = World::new(settings, &[]);
    world.streams.insert(callers.remote, callers);
    let mut caller = Caller::dials(&mut world);
    let out = world.take(TRUNK, "INVITE");
    let dialled = way(&world, "INVITE");
    assert!(!dialled.is_connection(), "any connection to the trunk");
    world.receive(TRUNK, &response(&out, TRUNK, "200 OK", &sdp(TRUNK, 31_000)));
    world.take(TRUNK, "ACK");
    caller.is_answered(&mut world);
    // The telco opens another connection for its refresh, and closes it.
    world.streams.insert(callers.remote, second);
    world.asks(TRUNK, &out, "UPDATE", 1, "", "");
    world.take(&second.remote.to_string(), "SIP/2.0 200");
    world.step(Input::Unreachable { flow: second });
    world.streams.insert(callers.remote, callers);
    ends_at(&mut world, &caller, dialled);
    world.step(Input::Unreachable { flow: callers });
    world.assert_empty_in_the_end();
}

#[test]
fn a_registration_moves_no_leg_of_another_phone_of_its_operator() {
    for (closes, returns) in [(false, false), (true, false), (true, true)] {
        let at_b = "127.0.0.4:5091";
        let (a, b, new) = (stream(BUDI, 3), stream(at_b, 4), stream("127.0.0.4:49152", 5));
        let mut world = World::new(with_tcp(), &["budi"]);
        for flow in [a, b] {
            world.streams.insert(flow.remote, flow);
        }
        world.register("budi", BUDI);
        world.register_with("budi", at_b, 600, "", "");
        let mut caller = Caller::dials(&mut world);
        let invite = world.take(at_b, "INVITE");
        world.receive(at_b, &response(&invite, at_b, "200 OK", &sdp(at_b, 31_000)));
        world.take(at_b, "ACK");
        caller.is_answered(&mut world);
        // The phone opens a new connection, over which it sends a re-INVITE before it registers.
        world.step(Input::Unreachable { flow: b });
        world.streams.insert(b.remote, new);
        world.asks(at_b, &invite, "INVITE", 1, "", &sdp(at_b, 31_000));
        let at = new.remote.to_string();
        world.take(&at, "SIP/2.0 200");
        world.asks(at_b, &invite, "ACK", 1, "", "");
        if closes {
            world.step(Input::Unreachable { flow: new });
        }
        world.register("budi", BUDI);
        let mut expected = new;
        if returns {
            let third = stream("127.0.0.4:49153", 6);
            world.streams.insert(b.remote, third);
            world.streams.insert(third.remote, third);
            world.register_as("budi", &third.remote.to_string(), "<sip:budi@127.0.0.4:49153>", 600, "");
            expected = third;
        }
        world.sent.clear();
        caller.hangs_up(&mut world);
        assert_eq!(way(&world, "BYE"), expected, "{closes} {returns}");
    }
}

#[test]
fn an_emergency_call_of_a_phone_follows_its_registration_to_another_port() {
    let (before, after) = ("203.0.113.9:40001", "203.0.113.9:40002");
    let contact = "<sip:budi@192.168.7.9:5060>";
    for station in [false, true] {
        let mut world = World::new(settings(), &["budi", "sari"]);
        if station {
            let desk = siaga::switchboard::Account { station: true, ..super::super::world::account("budi") };
            world.step(Input::Accounts(vec![super::super::world::account("sari"), desk]));
        }
        world.register_as("budi", before, contact, 600, "");
        world.register("sari", SARI);
        let mut placed = super::attended::Placed::to(&mut world, "budi", before, "112");
        let invite = answers(&mut world, SARI);
        placed.is_answered(&mut world);
        world.register_as("budi", after, contact, 600, "");
        operator_hangs_up(&mut world, SARI, &invite);
        let bye = world.take(after, "BYE");
        world.receive(after, &response(&bye, after, "200 OK", ""));
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}
