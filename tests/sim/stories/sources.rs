//! Media from a source other than the signalled one: which is accepted, for either party, plain and under SRTP. The relay is the
//! real one; it gets the switchboard's commands.

use std::net::SocketAddr;
use std::sync::Arc;

use siaga::clock::Instant;
use siaga::ids::Rng;
use siaga::media::datagram::Datagram;
use siaga::media::prompt::Sounds;
use siaga::media::relay::{Channel, Effect, Fate, Out, Relay};
use siaga::media::srtp::{Keys, RTP_OVERHEAD_MAX, Session};
use siaga::switchboard::{Network, SrtpOffer};

use super::super::world::secret;
use super::*;

/// The signalled addresses of caller and operator, and a media gateway of the trunk.
const CALLER: &str = "127.0.0.2:30000";
const OPERATOR: &str = "127.0.0.3:31000";
const GATEWAY: &str = "10.9.0.7:40000";
const STRANGER: &str = "203.0.113.66:30000";

/// The relay of one talk.
struct Wire {
    relay: Relay,
    out: Out,
    now: Instant,
    sequence: u16,
    obeyed: usize,
}

impl Wire {
    fn new() -> Self {
        let relay = Relay::new(200, Arc::new(Sounds::default()), None, 0, Rng::from_number(3));
        Self { relay, out: Out::default(), now: Instant::from_nanos(0), sequence: 0, obeyed: 0 }
    }

    /// Carries out the switchboard's commands since the last call.
    fn obeys(&mut self, world: &World) {
        for command in world.media.iter().skip(self.obeyed) {
            self.relay.command(self.now, command.clone(), &mut self.out);
        }
        self.obeyed = world.media.len();
    }

    /// Sends a packet from an address to a port; returns where it is forwarded to.
    fn sends(&mut self, from: &str, to: AnchorId, secure: Option<&mut Session>) -> Option<SocketAddr> {
        self.now = self.now + Duration::from_millis(20);
        self.sequence += 1;
        let mut room = vec![0x55; 172 + RTP_OVERHEAD_MAX];
        room[..12].copy_from_slice(&[0x80, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
        room[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        let length = secure.map_or(172, |session| session.seal(&mut room, 172).unwrap());
        let from = from.parse().unwrap();
        let datagram = Datagram { from, room: &mut room, length };
        match self.relay.receive(self.now, to.slot, Channel::Rtp, datagram, &mut self.out) {
            Fate::Passed(departure) => Some(departure.to),
            Fate::Taken | Fate::Foreign | Fate::Ignored => None,
        }
    }

    /// After how many packets a source is accepted; None: not within two seconds.
    fn hears(&mut self, from: &str, to: AnchorId) -> Option<usize> {
        (0..100).position(|_| self.sends(from, to, None).is_some())
    }
}

/// A trunk whose gateways are in a network of their own.
fn with_gateways() -> World {
    let mut settings = settings();
    settings.trunks[0].terms.media = vec![Network::parse("10.9.0.0/24").unwrap()];
    let mut world = World::new(settings, &["budi", "sari"]);
    world.register("budi", BUDI);
    world
}

fn talking(world: &mut World) -> (Caller, String, Wire, (AnchorId, AnchorId)) {
    let mut caller = Caller::dials(world);
    let invite = answers(world, BUDI);
    caller.is_answered(world);
    let mut wire = Wire::new();
    wire.obeys(world);
    let ports = ports(world);
    (caller, invite, wire, ports)
}

#[test]
fn media_of_either_party_that_moves_in_mid_call_is_heard_again_and_sent_back_there() {
    let mut world = with_gateways();
    let (_caller, _, mut wire, (a, b)) = talking(&mut world);
    for (port, other, signalled, moves) in [
        (a, (b, OPERATOR), CALLER, ["127.0.0.2:30444", GATEWAY, "10.9.0.255:2"]),
        (b, (a, CALLER), OPERATOR, ["127.0.0.3:9", "127.0.0.3:31002", "127.0.0.3:31004"]),
    ] {
        assert_eq!(wire.hears(signalled, port), Some(0));
        for moved in moves {
            let dropped = wire.hears(moved, port);
            assert!(matches!(dropped, Some(48 | 49)), "{moved}: one second after the old source, not {dropped:?}");
            assert_eq!(wire.sends(other.1, other.0, None), Some(moved.parse().unwrap()));
        }
        assert_eq!(wire.hears(STRANGER, port), None);
        assert_eq!(wire.hears(signalled, port), Some(0), "a better rank takes over at once");
    }
    // Only the caller's trunk has gateways.
    assert_eq!(wire.hears(GATEWAY, b), None);
}

#[test]
fn without_media_networks_the_trunks_peers_are_its_gateways_and_a_phone_has_the_host_of_its_last_request() {
    let mut settings = settings();
    settings.trunks[0].peers.push(Network::parse("10.8.0.0/24").unwrap());
    let mut world = World::new(settings, &["budi"]);
    world.register("budi", BUDI);
    let (_caller, invite, mut wire, (a, b)) = talking(&mut world);
    assert_eq!(wire.hears("10.8.0.200:4000", a), Some(4));
    // The phone has moved to another network, but its description is unchanged.
    let elsewhere = "198.51.100.3:7777";
    assert_eq!(wire.hears(elsewhere, b), None);
    world.register("budi", "198.51.100.3:5091");
    asks(&mut world, "198.51.100.3:5091", &invite, "UPDATE", 1, "", "");
    wire.obeys(&world);
    assert_eq!(wire.hears(elsewhere, b), Some(4));
    assert_eq!(wire.sends("10.8.0.200:4000", a, None), Some(elsewhere.parse().unwrap()));
}

#[test]
fn a_phone_behind_a_nat_is_heard_from_the_host_of_its_signalling_and_from_no_other() {
    let mut world = staffed();
    let mut caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    world.receive(BUDI, &response(&invite, BUDI, "200 OK", &sdp("192.168.1.5:5091", 31_000)));
    caller.is_answered(&mut world);
    let mut wire = Wire::new();
    wire.obeys(&world);
    let (a, b) = ports(&world);
    assert_eq!(wire.hears(CALLER, a), Some(0));
    assert_eq!(wire.hears(STRANGER, b), None);
    assert_eq!(wire.hears("127.0.0.3:62000", b), Some(4));
    assert_eq!(wire.sends(CALLER, a, None), Some("127.0.0.3:62000".parse().unwrap()));
}

#[test]
fn a_phones_media_from_another_host_is_heard_only_with_networks_of_its_own() {
    let elsewhere = "198.51.100.7:31000";
    for (networks, heard) in [(vec![], None), (vec!["198.51.101.0/24"], None), (vec!["198.51.100.0/24"], Some(4))] {
        let phone_media = networks.into_iter().map(|network| Network::parse(network).unwrap()).collect();
        let mut world = World::new(changed(settings(), |settings| settings.media.phones = phone_media), &["budi"]);
        world.register("budi", BUDI);
        let (_caller, _, mut wire, (a, b)) = talking(&mut world);
        assert_eq!(wire.hears(CALLER, a), Some(0));
        assert_eq!(wire.hears(elsewhere, b), heard);
        let to = if heard.is_some() { elsewhere } else { OPERATOR };
        assert_eq!(wire.sends(CALLER, a, None), Some(to.parse().unwrap()));
        assert_eq!(wire.hears(STRANGER, b), None);
        assert_eq!(wire.hears(elsewhere, a), None, "the caller's media does not come from the phones' networks");
    }
}

#[test]
fn under_srtp_a_source_that_moves_needs_a_valid_tag() {
    let mut world = World::new(changed(settings(), |settings| settings.media.srtp = SrtpOffer::Always), &["budi"]);
    world.register("budi", BUDI);
    let mut caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    world.receive(BUDI, &response(&invite, BUDI, "200 OK", &secret(&sdp(BUDI, 31_000))));
    caller.is_answered(&mut world);
    let mut wire = Wire::new();
    wire.obeys(&world);
    let (_, b) = ports(&world);
    let keys = world.media.iter().rev().find_map(|command| match command {
        Command::SetRemote { anchor, remote } if *anchor == b => remote.srtp,
        _ => None,
    });
    let keys = keys.unwrap();
    let mut phone = Session::new(Keys { ours: keys.theirs, theirs: keys.ours, ..keys });
    assert!(wire.sends(OPERATOR, b, Some(&mut phone)).is_some());
    let moved = "127.0.0.3:62000";
    assert_eq!(wire.hears(moved, b), None, "plain packets");
    let heard = (0..100).position(|_| wire.sends(moved, b, Some(&mut phone)).is_some());
    assert_eq!(heard, Some(4), "the old source has been silent for two seconds");
}

#[test]
fn a_description_that_names_a_port_of_this_service_names_no_address() {
    for (method, body) in [("UPDATE", sdp("127.0.0.1:1", 20_004)), ("UPDATE", sdp("127.0.0.1:1", 20_005))] {
        let mut world = staffed();
        let (caller, _, mut wire, (a, b)) = talking(&mut world);
        caller.asks(&mut world, method, 2, "", &body);
        world.take(TRUNK, "SIP/2.0 200");
        wire.obeys(&world);
        let sent = wire.sends(OPERATOR, b, None);
        assert_eq!(sent, Some(CALLER.parse().unwrap()), "as before");
        assert_eq!(wire.hears("127.0.0.1:20004", a), None);
    }
    // Other ports of the same host are phones on this machine.
    let mut world = staffed();
    let (caller, _, mut wire, (_, b)) = talking(&mut world);
    caller.asks(&mut world, "UPDATE", 2, "", &sdp("127.0.0.1:1", 41_000));
    wire.obeys(&world);
    assert_eq!(wire.sends(OPERATOR, b, None), Some("127.0.0.1:41000".parse().unwrap()));
}

#[test]
fn an_unknown_source_that_sends_to_each_port_neither_hears_nor_is_heard() {
    let mut world = staffed();
    let (caller, _, mut wire, (a, b)) = talking(&mut world);
    // Before either party has sent anything.
    assert_eq!((wire.hears(STRANGER, a), wire.hears(STRANGER, b)), (None, None));
    assert_eq!(wire.sends(OPERATOR, b, None), Some(CALLER.parse().unwrap()));
    // After a new description whose address is silent, and again after another.
    for (cseq, method, port) in [(2, "INVITE", 40_000), (3, "UPDATE", 40_002)] {
        caller.asks(&mut world, method, cseq, "", &sdp("198.51.100.7:1", port));
        world.take(TRUNK, "SIP/2.0 200");
        wire.obeys(&world);
        assert_eq!((wire.hears(STRANGER, a), wire.hears(STRANGER, b)), (None, None), "{method}");
        let sent = wire.sends(OPERATOR, b, None);
        assert_eq!(sent, Some(format!("198.51.100.7:{port}").parse().unwrap()), "{method}");
        if method == "INVITE" {
            caller.asks(&mut world, "ACK", cseq, "", "");
        }
    }
    assert_eq!(wire.hears("198.51.100.7:40002", a), Some(0));
    caller.hangs_up_as(&mut world, 4);
}

#[test]
fn a_leg_that_is_not_heard_is_reported_once_with_both_addresses() {
    let mut world = with_gateways();
    let (_caller, _, mut wire, (a, b)) = talking(&mut world);
    let foreign = |wire: &mut Wire, world: &mut World| {
        for effect in std::mem::take(&mut wire.out).effects {
            if let Effect::Report(event @ siaga::media::command::Event::Foreign { .. }) = effect {
                world.step(Input::Media(event));
            }
        }
        std::mem::take(&mut world.foreign_media)
    };
    assert_eq!(wire.hears(GATEWAY, a), Some(4));
    assert_eq!(wire.hears(STRANGER, a), None);
    let address = |text: &str| Some(text.parse::<SocketAddr>().unwrap());
    // A stranger is reported when the peer has been silent, and only once.
    assert_eq!(
        foreign(&mut wire, &mut world),
        [(Some("telco".to_owned()), address(STRANGER).unwrap(), address(CALLER))]
    );
    assert_eq!(wire.hears(STRANGER, a), None);
    assert_eq!(foreign(&mut wire, &mut world), []);
    assert_eq!(wire.hears("127.0.0.3:31002", b), Some(4), "another port of the phone is accepted in silence");
    assert_eq!(foreign(&mut wire, &mut world), []);
    for _ in 0..20 {
        wire.sends("127.0.0.3:31002", b, None);
        wire.sends(STRANGER, b, None);
    }
    assert_eq!(foreign(&mut wire, &mut world), [], "the phone is heard");
    assert_eq!(wire.hears(STRANGER, b), None);
    assert_eq!(foreign(&mut wire, &mut world), [(None, address(STRANGER).unwrap(), address(OPERATOR))]);
}
