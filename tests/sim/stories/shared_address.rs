//! Phones of several operators behind one address, as behind a NAT or on one terminal server: each speaks in its own dialogs, and no
//! colleague speaks in those of another operator.

use siaga::sip::flow::{ConnectionId, Transport};
use siaga::switchboard::Output;

use super::super::watch::Watch;
use super::super::world::SERVER;
use super::attended::Placed;
use super::stations;
use super::third_parties::{METHODS, STRANGER, forged, gets_at};
use super::transfer::is_hung_up;
use super::*;

const BUDI_TOO: &str = "127.0.0.3:5094";
const BUDI_MOVED: &str = "127.0.0.3:5095";

/// Budi talks with a caller; Sari's phone has the same address. Over TLS, each address here is a connection of its own.
fn neighbours(over_tls: bool) -> (World, Caller, String) {
    let mut world = World::new(settings(), &["budi", "sari"]);
    let ends = [BUDI, SARI, BUDI_TOO, BUDI_MOVED];
    for (n, at) in (7..).zip(ends).filter(|_| over_tls) {
        let (local, remote) = (SERVER.parse().unwrap(), at.parse().unwrap());
        let flow = Flow { transport: Transport::Tls, local, remote, connection: ConnectionId(n) };
        world.streams.insert(remote, flow);
    }
    world.register("budi", BUDI);
    let mut caller = Caller::dials(&mut world);
    let invite = answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    world.register("sari", SARI);
    (world, caller, invite)
}

#[test]
fn a_colleague_behind_the_same_address_speaks_in_no_dialog_of_another_operator() {
    for over_tls in [false, true] {
        let (mut world, caller, invite) = neighbours(over_tls);
        let watch = Watch::begins(&mut world, "budi", BUDI, "sari", "presence");
        watch.hears(&mut world);
        let watches = format!(
            "SIP/2.0 200 OK\r\nFrom: <sip:budi@127.0.0.1>;tag=w\r\nTo: {}\r\nCall-ID: {}\r\n",
            watch.to,
            watch.call_id()
        );
        for got in [&invite, &watches] {
            for (at, method) in [SARI, BUDI_TOO].into_iter().flat_map(|at| METHODS.map(|method| (at, method))) {
                let text = forged(&mut world, got, method).replace(STRANGER, at);
                assert_eq!(gets_at(&mut world, at, &text), "401", "{method} from {at}, TLS: {over_tls}");
            }
        }
        world.asks(SARI, &invite, "BYE", 901, "", "");
        let proof = credentials(&world.take(SARI, "SIP/2.0 401"), "sari", "BYE", "sip:siaga@127.0.0.1:5060");
        world.asks(SARI, &invite, "BYE", 902, &proof, "");
        world.take(SARI, "SIP/2.0 403");
        assert_eq!(endings(&world), []);
        // The CSeq of those requests is not remembered.
        operator_hangs_up(&mut world, BUDI, &invite);
        caller.is_hung_up(&mut world);
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}

#[test]
fn phones_behind_one_address_speak_in_their_own_dialogs_wherever_they_are_registered() {
    for over_tls in [false, true] {
        for how in ["registers elsewhere", "moves", "is alone", "shows credentials"] {
            let (mut world, caller, invite) = neighbours(over_tls);
            let mut more = String::new();
            let at = match how {
                "registers elsewhere" => {
                    world.register("budi", BUDI_TOO);
                    BUDI_TOO
                }
                "moves" => {
                    world.register_with("budi", BUDI_MOVED, 600, ";+sip.instance=\"<urn:uuid:1>\";reg-id=1", "");
                    world.asks(BUDI_MOVED, &invite, "INVITE", 1, "", &sdp(BUDI_MOVED, 31_010));
                    world.take(BUDI_MOVED, "SIP/2.0 200");
                    world.asks(BUDI_MOVED, &invite, "ACK", 1, "", "");
                    world.register_for("budi", BUDI_MOVED, 0);
                    BUDI_MOVED
                }
                "is alone" => {
                    world.register_for("sari", SARI, 0);
                    BUDI_MOVED
                }
                _ => {
                    world.asks(BUDI_MOVED, &invite, "BYE", 2, "", "");
                    let challenge = world.take(BUDI_MOVED, "SIP/2.0 401");
                    more = credentials(&challenge, "budi", "BYE", "sip:siaga@127.0.0.1:5060");
                    BUDI_MOVED
                }
            };
            world.asks(at, &invite, "BYE", 3, &more, "");
            world.take(at, "SIP/2.0 200");
            // A request before it could be under way.
            world.pass(Duration::from_millis(500));
            caller.is_hung_up(&mut world);
            assert_eq!(endings(&world), [(Side::Operator, EndCause::Normal)], "{how}, TLS: {over_tls}");
        }
    }
}

#[test]
fn the_ack_of_a_phone_whose_port_has_changed_counts_since_it_cannot_be_challenged() {
    let mut world = World::new(settings(), &["budi", "sari"]);
    world.register("budi", BUDI);
    world.register("sari", SARI);
    let placed = Placed::to(&mut world, "budi", BUDI, "sari");
    answers(&mut world, SARI);
    let answer = world.take(BUDI, "SIP/2.0 200");
    world.asks(BUDI_MOVED, &answer, "ACK", 2, "", "");
    world.pass(Duration::from_secs(2));
    assert!(!world.has(BUDI, "SIP/2.0 200"), "the 200 is not repeated");
    drop(placed);
}

#[test]
fn a_connection_over_which_a_phone_speaks_in_its_dialog_is_trusted() {
    let trusts = |world: &World, at: &str| {
        let remote = at.parse().unwrap();
        world.last_step.iter().any(|output| matches!(output, Output::Authenticated(flow) if flow.remote == remote))
    };
    let (mut world, caller, invite) = neighbours(true);
    world.asks(BUDI_TOO, &invite, "UPDATE", 1, "", "");
    let challenge = world.take(BUDI_TOO, "SIP/2.0 401");
    assert!(!trusts(&world, BUDI_TOO), "a colleague could have sent it");
    let proof = credentials(&challenge, "budi", "UPDATE", "sip:siaga@127.0.0.1:5060");
    world.asks(BUDI_TOO, &invite, "UPDATE", 2, &proof, "");
    assert!(trusts(&world, BUDI_TOO));
    // Alone at its address, the phone comes over a new connection without registering.
    world.register_for("sari", SARI, 0);
    world.asks(BUDI_MOVED, &invite, "INVITE", 3, "", &sdp(BUDI_MOVED, 31_010));
    assert!(trusts(&world, BUDI_MOVED));
    world.take(BUDI_MOVED, "SIP/2.0 200");
    world.asks(BUDI_MOVED, &invite, "ACK", 3, "", "");
    assert!(trusts(&world, BUDI_MOVED));
    world.asks(BUDI_MOVED, &invite.replace("Call-ID: ", "Call-ID: x"), "BYE", 4, "", "");
    assert!(!trusts(&world, BUDI_MOVED), "of no dialog");
    caller.hangs_up(&mut world);
    is_hung_up(&mut world, BUDI_MOVED);
}

/// Budi talks with a caller. The Contact of the answer is not registered, and the phone unregisters.
fn answers_with_another_contact(transport: Transport) -> (World, Caller, String) {
    let mut world = World::new(settings(), &["budi", "sari"]);
    let (local, remote) = (SERVER.parse().unwrap(), BUDI.parse().unwrap());
    if transport != Transport::Udp {
        world.streams.insert(remote, Flow { transport, local, remote, connection: ConnectionId(7) });
    }
    world.register("budi", BUDI);
    let mut caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    let answer = response(&invite, BUDI, "200 OK", &sdp(BUDI, 31_000));
    world.receive(BUDI, &answer.replace(&format!("@{BUDI}>"), &format!("@{BUDI_TOO}>")));
    caller.is_answered(&mut world);
    world.register("sari", SARI);
    world.register_for("budi", BUDI, 0);
    world.sent.clear();
    (world, caller, invite)
}

#[test]
fn a_phone_that_has_unregistered_speaks_from_where_it_answered_and_from_its_contact() {
    for at in [BUDI, BUDI_TOO] {
        let (mut world, caller, invite) = answers_with_another_contact(Transport::Udp);
        world.asks(at, &invite, "BYE", 1, "", "");
        world.take(at, "SIP/2.0 200");
        caller.is_hung_up(&mut world);
    }
}

#[test]
fn no_datagram_from_the_contact_speaks_in_a_dialog_over_a_connection() {
    let (mut world, caller, invite) = answers_with_another_contact(Transport::Tcp);
    world.asks(BUDI_TOO, &invite, "BYE", 1, "", "");
    world.take(BUDI_TOO, "SIP/2.0 401");
    assert_eq!(endings(&world), []);
    caller.hangs_up(&mut world);
}

#[test]
fn the_phone_of_a_station_speaks_for_the_operator_who_has_logged_in_there() {
    const MOVED: &str = "127.0.0.3:5111";
    for shared in [true, false] {
        let mut world = stations::seated();
        let mut caller = Caller::dials(&mut world);
        let invite = answers(&mut world, stations::DESK1);
        caller.is_answered(&mut world);
        if shared {
            // Another station's phone has the same address: only a registered one of this station speaks.
            world.register("desk1", MOVED);
        } else {
            world.register_for("desk2", stations::DESK2, 0);
        }
        operator_hangs_up(&mut world, MOVED, &invite);
        caller.is_hung_up(&mut world);
        assert_eq!(endings(&world), [(Side::Operator, EndCause::Normal)], "{shared}");
    }
}
