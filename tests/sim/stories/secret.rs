//! SRTP on a leg: the legs that are offered it, and keys that change in a session (RFC 4568 §7.1).

use siaga::media::srtp::Keys;
use siaga::sip::flow::{ConnectionId, Transport};
use siaga::switchboard::{Listener, SrtpOffer};

use super::super::world::{SERVER, secret};
use super::*;

/// A description under SRTP with the n-th of a peer's keys.
fn keyed(n: u8) -> String {
    secret(&sdp(BUDI, 31_000)).replace("inline:d0", &format!("inline:d{n}"))
}

/// The keys of the last aim.
fn keys(world: &World) -> Option<Keys> {
    let aims = world.media.iter().rev().find_map(|command| match command {
        Command::SetRemote { remote, .. } => Some(remote.srtp),
        _ => None,
    });
    aims.unwrap()
}

fn our_line(text: &str) -> &str {
    text.lines().find(|line| line.starts_with("a=crypto:")).unwrap_or_else(|| panic!("no key: {text}"))
}

fn required() -> World {
    let mut world = World::new(changed(settings(), |settings| settings.media.srtp = SrtpOffer::Always), &["budi"]);
    world.register("budi", BUDI);
    world
}

/// Answered under SRTP with the peer's first key; gives our INVITE.
fn talking(world: &mut World) -> (Caller, String) {
    let mut caller = Caller::dials(world);
    let invite = world.take(BUDI, "INVITE");
    world.receive(BUDI, &response(&invite, BUDI, "200 OK", &keyed(0)));
    world.take(BUDI, "ACK");
    caller.is_answered(world);
    (caller, invite)
}

/// The phone's re-INVITE, answered; gives the answer.
fn reinvites(world: &mut World, invite: &str, cseq: u32, body: &str) -> String {
    asks(world, BUDI, invite, "INVITE", cseq, "", body);
    let answer = world.take(BUDI, "SIP/2.0 200");
    asks(world, BUDI, invite, "ACK", cseq, "", "");
    answer
}

#[test]
fn a_new_key_of_the_phone_gets_a_new_one_of_ours_and_the_same_key_keeps_it() {
    let mut world = required();
    let (caller, invite) = talking(&mut world);
    let (line, before) = (our_line(&invite).to_owned(), keys(&world).unwrap());
    let same = reinvites(&mut world, &invite, 1, &keyed(0));
    assert_eq!(our_line(&same), line, "counters go on");
    assert_eq!(keys(&world), Some(before));
    let renewed = reinvites(&mut world, &invite, 2, &keyed(1));
    assert_ne!(our_line(&renewed), line);
    let after = keys(&world).unwrap();
    assert!(after.theirs != before.theirs && after.ours != before.ours);
    assert!(same.contains("RTP/SAVP") && renewed.contains("RTP/SAVP"));
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn our_refresh_keeps_our_key_and_an_answer_with_a_new_one_is_taken_up() {
    let settings = changed(settings(), |settings| {
        settings.media.srtp = SrtpOffer::Always;
        settings.session.seconds = Some(200);
    });
    let mut world = World::new(settings, &["budi"]);
    world.register("budi", BUDI);
    let mut caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    let answer = response(&invite, BUDI, "200 OK", &keyed(0));
    world.receive(BUDI, &answer.replacen("Contact", "Session-Expires: 200\r\nContact", 1));
    world.take(BUDI, "ACK");
    caller.is_answered(&mut world);
    let before = keys(&world).unwrap();
    world.pass(Duration::from_secs(100));
    let refresh = world.take(BUDI, "INVITE");
    assert_eq!(our_line(&refresh), our_line(&invite));
    world.receive(BUDI, &response(&refresh, BUDI, "200 OK", &keyed(2)));
    let after = keys(&world).unwrap();
    assert!(after.theirs != before.theirs && after.ours == before.ours);
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_secret_leg_does_not_become_plain() {
    let mut world = required();
    let (caller, invite) = talking(&mut world);
    let before = keys(&world);
    asks(&mut world, BUDI, &invite, "INVITE", 1, "", &sdp(BUDI, 31_000));
    world.take(BUDI, "SIP/2.0 488");
    asks(&mut world, BUDI, &invite, "UPDATE", 2, "", &sdp(BUDI, 31_000));
    world.take(BUDI, "SIP/2.0 488");
    assert_eq!(keys(&world), before);
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_plain_leg_becomes_secret_when_the_peer_offers_it() {
    let mut world = staffed();
    let mut caller = Caller::dials(&mut world);
    let invite = answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    assert!(!invite.contains("a=crypto") && keys(&world).is_none());
    let answer = reinvites(&mut world, &invite, 1, &keyed(0));
    assert!(answer.contains("RTP/SAVP") && keys(&world).is_some(), "{answer}");
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn only_phones_under_tls_are_offered_srtp() {
    for (transport, secretly) in [(Transport::Udp, false), (Transport::Tls, true)] {
        let mut settings = changed(settings(), |settings| settings.media.srtp = SrtpOffer::UnderTls);
        let listener =
            |transport| Listener { transport, local: SERVER.parse().unwrap(), advertised: SERVER.to_owned() };
        settings.site.listeners.push(listener(Transport::Tls));
        let mut world = World::new(settings, &["budi"]);
        if transport == Transport::Tls {
            let (local, remote) = (SERVER.parse().unwrap(), BUDI.parse().unwrap());
            world.streams.insert(remote, Flow { transport, local, remote, connection: ConnectionId(3) });
        }
        world.register("budi", BUDI);
        let mut caller = Caller::dials(&mut world);
        let invite = world.take(BUDI, "INVITE");
        assert_eq!((invite.contains("RTP/SAVP"), invite.contains("a=crypto:")), (secretly, secretly), "{invite}");
        let body = if secretly { keyed(0) } else { sdp(BUDI, 31_000) };
        world.receive(BUDI, &response(&invite, BUDI, "200 OK", &body));
        world.take(BUDI, "ACK");
        caller.is_answered(&mut world);
        assert_eq!(keys(&world).is_some(), secretly);
        caller.hangs_up(&mut world);
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}
