//! OPTIONS to silent parties that cannot be sent, without any keep-alive: a closed connection or an ICMP error does not show that a party is gone.

use siaga::sip::flow::{ConnectionId, Transport};
use siaga::switchboard::Listener;

use super::super::world::SERVER;
use super::*;

fn stream(peer: &str, connection: u64) -> Flow {
    let (local, remote) = (SERVER.parse().unwrap(), peer.parse().unwrap());
    Flow { transport: Transport::Tcp, local, remote, connection: ConnectionId(connection) }
}

/// The last limit of this port's silence.
fn limit(world: &World, anchor: AnchorId) -> Option<Duration> {
    let limit = world.media.iter().rev().find_map(|command| match command {
        Command::LimitSilence { anchor: limited, limit } if *limited == anchor => Some(*limit),
        _ => None,
    });
    limit.flatten()
}

fn lost(world: &World) -> usize {
    world.count(|kind| matches!(kind, FactKind::OperatorLost { .. }))
}

/// Budi talks with a caller over `transport`; both are heard, then one of them puts the other on hold. The ports of both.
fn on_hold(transport: Transport, holder: &str) -> (World, Caller, (AnchorId, AnchorId)) {
    let mut settings = settings();
    let local = SERVER.parse().unwrap();
    settings.site.listeners.push(Listener { transport: Transport::Tcp, local, advertised: SERVER.to_owned() });
    let mut world = World::new(settings, &["budi", "sari"]);
    if transport == Transport::Tcp {
        world.streams.insert(holder.parse().unwrap(), stream(holder, 4));
    }
    world.register("budi", BUDI);
    let mut caller = Caller::dials(&mut world);
    let invite = answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    world.register("sari", SARI);
    let (a, b) = ports(&world);
    for anchor in [a, b] {
        world.step(Input::Media(Event::Heard { anchor }));
    }
    let inactive = sdp(holder, 31_000).replace("sendrecv", "inactive");
    if holder == TRUNK {
        caller.asks(&mut world, "INVITE", 2, "", &inactive);
        world.take(TRUNK, "SIP/2.0 200");
        caller.asks(&mut world, "ACK", 2, "", "");
    } else {
        asks(&mut world, BUDI, &invite, "INVITE", 1, "", &inactive);
        world.take(BUDI, "SIP/2.0 200");
        asks(&mut world, BUDI, &invite, "ACK", 1, "", "");
    }
    if transport == Transport::Tcp {
        let flow = world.streams.remove(&holder.parse().unwrap()).unwrap();
        world.step(Input::Unreachable { flow });
    }
    (world, caller, (a, b))
}

/// The silent party gets OPTIONS, and these cannot be sent.
fn fails(world: &mut World, transport: Transport, at: &str, anchor: AnchorId) -> String {
    world.step(Input::Media(Event::Silent { anchor, limit: None }));
    let options = world.take(at, "OPTIONS");
    if transport == Transport::Tcp {
        let sent = world.ways.iter().rfind(|(_, line)| line.starts_with("OPTIONS"));
        let flow = sent.map(|(flow, _)| *flow).unwrap();
        world.step(Input::Unreachable { flow });
    } else {
        world.icmp(at);
    }
    world.pass(seconds(1));
    world.sent.retain(|(_, text)| !text.starts_with("OPTIONS"));
    options
}

/// All cases: the transport of the party that holds, and its address.
const CASES: [(Transport, &str); 4] =
    [(Transport::Tcp, TRUNK), (Transport::Udp, TRUNK), (Transport::Tcp, BUDI), (Transport::Udp, BUDI)];

#[test]
fn a_party_on_hold_keeps_its_call_while_its_connection_or_host_is_down_for_seconds() {
    for (transport, at) in CASES {
        let (mut world, caller, (a, b)) = on_hold(transport, at);
        let port = if at == TRUNK { a } else { b };
        for _ in 0..2 {
            fails(&mut world, transport, at, port);
            assert_eq!((lost(&world), endings(&world)), (0, vec![]), "{transport:?} {at}");
            assert_eq!(limit(&world, port), Some(seconds(2)), "the next OPTIONS follow soon: {transport:?} {at}");
            assert!(matches!(world.media.last(), Some(Command::SetRemote { anchor, .. }) if *anchor == port));
        }
        world.step(Input::Media(Event::Silent { anchor: port, limit: None }));
        let options = world.take(at, "OPTIONS");
        if transport == Transport::Tcp {
            world.streams.insert(at.parse().unwrap(), stream(at, 5));
        }
        world.receive(at, &response(&options, at, "200 OK", ""));
        assert_eq!((lost(&world), endings(&world)), (0, vec![]), "{transport:?} {at}");
        assert_eq!(limit(&world, port), None, "its silence is measured as before: {transport:?} {at}");
        caller.hangs_up_as(&mut world, 3);
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}

#[test]
fn a_party_that_is_heard_again_begins_anew_with_failed_options() {
    let (mut world, caller, (port, _)) = on_hold(Transport::Udp, TRUNK);
    for _ in 0..15 {
        fails(&mut world, Transport::Udp, TRUNK, port);
    }
    world.step(Input::Media(Event::Heard { anchor: port }));
    assert_eq!(limit(&world, port), None);
    fails(&mut world, Transport::Udp, TRUNK, port);
    assert_eq!(endings(&world), []);
    caller.hangs_up_as(&mut world, 3);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_party_that_stays_unreachable_is_lost_after_three_or_sixteen_options() {
    for (transport, at) in CASES {
        let (mut world, caller, (a, b)) = on_hold(transport, at);
        let port = if at == TRUNK { a } else { b };
        let goes_on = |world: &World| lost(world) == 0 && endings(world).is_empty();
        let sent = (0..30).take_while(|_| {
            let goes_on = goes_on(&world);
            if goes_on {
                fails(&mut world, transport, at, port);
            }
            goes_on
        });
        let sent = sent.count();
        if at == TRUNK {
            assert_eq!((sent, endings(&world)), (16, vec![(Side::Service, EndCause::CallerSilent)]), "{transport:?}");
        } else {
            assert_eq!((sent, lost(&world), endings(&world)), (3, 1, vec![]), "{transport:?}");
            answers(&mut world, SARI);
            caller.hangs_up_as(&mut world, 3);
        }
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}
