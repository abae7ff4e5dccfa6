//! Forged sources: what anybody sends in the name of the control room's address keeps no phone out and no call waiting.

use std::time::Duration;

use siaga::cdr::fact::FactKind;
use siaga::ids::Rng;
use siaga::sip::flow::{ConnectionId, Flow, Transport};
use siaga::switchboard::{Input, Network, Settings};

use super::caller::Caller;
use super::guard::{answers, asks, challenged, claims};
use super::world::{SERVER, World, changed, header, response, settings};

const BUDI: &str = "127.0.0.3:5091";
/// Where a forger says that it is: the phone's host.
const FORGED: &str = "127.0.0.3:4444";
/// Where the forger really is.
const STRANGER: &str = "203.0.113.9:5060";
const MADE_UP: &str =
    "WWW-Authenticate: Digest realm=\"127.0.0.1\", nonce=\"ababab\", algorithm=MD5, qop=\"auth\"\r\n\r\n";

fn terms() -> Settings {
    changed(settings(), |settings| settings.phones.nonce_life = Duration::from_secs(10))
}

fn staffed() -> World {
    let mut world = World::new(terms(), &["budi", "sari"]);
    world.register("budi", BUDI);
    world
}

/// The phone shows the response to an old challenge, gets a new one, and answers that.
fn refreshes(world: &mut World, at: &str, old: &str) -> String {
    asks(world, at, "REGISTER", "budi", &claims(old, "budi", "budi"));
    let challenge = world.take(at, "SIP/2.0 401");
    assert!(challenge.contains("stale=true"), "{challenge}");
    asks(world, at, "REGISTER", "budi", &claims(&challenge, "budi", "budi"));
    world.take(at, "SIP/2.0 200");
    challenge
}

/// The phone answers a challenge that still holds.
fn refreshes_with(world: &mut World, at: &str, challenge: &str) {
    asks(world, at, "REGISTER", "budi", &claims(challenge, "budi", "budi"));
    world.take(at, "SIP/2.0 200");
}

/// A 112 call rings at the phone at once.
fn a_call_rings(world: &mut World) {
    let caller = Caller::dials(world);
    let invite = world.take(BUDI, "INVITE");
    world.receive(BUDI, &response(&invite, BUDI, "180 Ringing", ""));
    caller.cancels(world);
    world.receive(BUDI, &response(&invite, BUDI, "487 Request Terminated", ""));
    world.pass(Duration::from_secs(40));
    world.sent.clear();
}

#[test]
fn forged_credentials_neither_ban_a_registered_phone_nor_end_its_registration() {
    let mut world = staffed();
    let old = challenged(&mut world, BUDI);
    let forgers = challenged(&mut world, STRANGER);
    for _ in 0..300 {
        asks(&mut world, FORGED, "REGISTER", "budi", &claims(MADE_UP, "budi", "guess"));
        asks(&mut world, FORGED, "REGISTER", "sari", &claims(&forgers, "sari", "guess"));
        asks(&mut world, BUDI, "REGISTER", "budi", &claims(&forgers, "budi", "guess"));
        world.pass(Duration::from_millis(50));
    }
    assert_eq!(world.switchboard.guard_figures().banned, 0);
    answers(&mut world, BUDI);
    refreshes(&mut world, BUDI, &old);
    a_call_rings(&mut world);
}

#[test]
fn a_forged_flood_does_not_silence_a_registered_phone() {
    let mut world = staffed();
    let old = challenged(&mut world, BUDI);
    for _ in 0..40 {
        for _ in 0..1_000 {
            asks(&mut world, FORGED, "OPTIONS", "budi", "");
        }
        world.pass(Duration::from_millis(500));
        answers(&mut world, FORGED);
    }
    assert_eq!(world.switchboard.guard_figures().banned, 0);
    refreshes(&mut world, BUDI, &old);
    // The phone's own port has its own rate: without credentials, too, it gets its challenge.
    let challenge = challenged(&mut world, BUDI);
    asks(&mut world, BUDI, "REGISTER", "budi", &claims(&challenge, "budi", "budi"));
    world.take(BUDI, "SIP/2.0 200");
    a_call_rings(&mut world);
    // A moderate flood in its name slows no other port either.
    world.pass(Duration::from_secs(10));
    for _ in 0..80 {
        asks(&mut world, FORGED, "OPTIONS", "budi", "");
        world.pass(Duration::from_millis(12));
    }
    assert_eq!(answers(&mut world, FORGED).len(), 80);
}

#[test]
fn a_phone_registers_although_forgers_have_had_its_address_banned_before() {
    for forged in ["REGISTER", "OPTIONS"] {
        let mut world = World::new(terms(), &["budi", "sari"]);
        for _ in 0..3_000 {
            let credentials = if forged == "REGISTER" { claims(MADE_UP, "budi", "guess") } else { String::new() };
            asks(&mut world, FORGED, forged, "budi", &credentials);
        }
        assert_eq!(world.switchboard.guard_figures().banned, 1, "{forged}");
        world.pass(Duration::from_secs(1));
        answers(&mut world, FORGED);
        let challenge = challenged(&mut world, BUDI);
        asks(&mut world, BUDI, "REGISTER", "budi", &claims(&challenge, "budi", "budi"));
        world.take(BUDI, "SIP/2.0 200");
        assert_eq!(world.switchboard.guard_figures().banned, 0, "its proof ends what a forger could bring about");
        a_call_rings(&mut world);
    }
}

#[test]
fn a_right_response_to_a_challenge_is_accepted_from_any_address() {
    let mut world = staffed();
    let phones = challenged(&mut world, BUDI);
    // A real guesser at another address, whose ban is no forger's work.
    let guessers = challenged(&mut world, STRANGER);
    for _ in 0..40 {
        asks(&mut world, STRANGER, "REGISTER", "sari", &claims(&guessers, "sari", "guess"));
    }
    assert_eq!(world.switchboard.guard_figures().banned, 1);
    answers(&mut world, STRANGER);
    asks(&mut world, STRANGER, "REGISTER", "sari", "");
    asks(&mut world, STRANGER, "OPTIONS", "sari", "");
    assert_eq!(answers(&mut world, STRANGER), [""; 0]);
    asks(&mut world, STRANGER, "REGISTER", "budi", &claims(&phones, "budi", "budi"));
    let granted = world.take(STRANGER, "SIP/2.0 200");
    assert!(header(&granted, "Contact").contains(STRANGER), "{granted}");
    assert_eq!(world.switchboard.guard_figures().banned, 1, "the guesser stays out");
}

#[test]
fn neighbours_in_one_ipv6_network_cannot_have_a_phone_banned() {
    let mut world = World::new(terms(), &["budi"]);
    let (phone, neighbour) = ("[2001:db8::5]:5060", "[2001:db8::6]:5060");
    world.register("budi", phone);
    for _ in 0..3_000 {
        asks(&mut world, neighbour, "REGISTER", "budi", &claims(MADE_UP, "budi", "guess"));
        asks(&mut world, neighbour, "OPTIONS", "budi", "");
    }
    assert_eq!(world.switchboard.guard_figures().banned, 0);
    challenged(&mut world, phone);
}

/// An hour of forgers who know the phone's address, each in another way: the phone keeps its registration, whose refreshes show
/// nonces that are too old, and each call rings at once.
#[test]
fn whatever_forgers_send_no_phone_loses_its_registration_and_every_call_rings() {
    for seed in 0..2 {
        let mut rng = Rng::from_number(seed);
        let mut world = staffed();
        let mut challenge = challenged(&mut world, BUDI);
        let forgers = challenged(&mut world, STRANGER);
        for minute in 0..60 {
            let many = [30, 300, 1_000][usize::try_from(rng.below(3)).unwrap()];
            let from = [FORGED, BUDI, "127.0.0.3:5060"][usize::try_from(rng.below(3)).unwrap()];
            let method = ["REGISTER", "OPTIONS", "INVITE", "SUBSCRIBE"][usize::try_from(rng.below(4)).unwrap()];
            let made_of = [MADE_UP, &forgers][usize::try_from(rng.below(2)).unwrap()];
            let credentials = if rng.below(3) == 0 { String::new() } else { claims(made_of, "budi", "guess") };
            for _ in 0..many {
                asks(&mut world, from, method, "budi", &credentials);
            }
            answers(&mut world, from);
            if minute % 5 == 4 {
                challenge = refreshes(&mut world, BUDI, &challenge);
            }
            a_call_rings(&mut world);
            world.pass(Duration::from_secs(20));
        }
        assert_eq!(world.switchboard.guard_figures().banned, 0, "seed {seed}");
        world.assert_empty_in_the_end();
    }
}

#[test]
fn an_account_whose_password_is_guessed_is_named_once_and_its_phone_works_on() {
    let mut world = staffed();
    let phones = challenged(&mut world, BUDI);
    // From 40 addresses, nine each.
    let mut waits = 0;
    for n in 0..40 {
        let guesser = format!("203.0.113.{n}:5060");
        let challenge = challenged(&mut world, &guesser);
        for _ in 0..9 {
            asks(&mut world, &guesser, "REGISTER", "budi", &claims(&challenge, "budi", "guess"));
        }
        let told = answers(&mut world, &guesser);
        assert!(
            told.iter().all(|text| text.starts_with("SIP/2.0 403") || text.starts_with("SIP/2.0 503")),
            "{told:#?}"
        );
        waits += told.iter().filter(|text| text.starts_with("SIP/2.0 503")).count();
    }
    assert_eq!(waits, 360 - 12 - 39, "12 are looked at, then one of each address");
    assert_eq!(world.switchboard.guard_figures().banned, 0);
    let named = |kind: &FactKind| matches!(kind, FactKind::PasswordGuessed { account, .. } if account == "budi");
    assert_eq!(world.count(named), 1);
    assert_eq!(world.guessing, [("budi".to_owned(), true)]);
    // Its phone is not kept waiting, and the right password gets in from anywhere.
    refreshes_with(&mut world, BUDI, &phones);
    let elsewhere = challenged(&mut world, "198.51.100.1:5060");
    asks(&mut world, "198.51.100.1:5060", "REGISTER", "budi", &claims(&elsewhere, "budi", "budi"));
    world.take("198.51.100.1:5060", "SIP/2.0 200");
    world.pass(Duration::from_secs(2 * 3_600));
    assert_eq!(world.guessing, [("budi".to_owned(), true), ("budi".to_owned(), false)]);
}

#[test]
fn guesses_from_an_allowed_address_wait_too() {
    let mut terms = terms();
    terms.guard.allow = vec![Network::parse("203.0.113.0/24").unwrap()];
    let mut world = World::new(terms, &["budi"]);
    let challenge = challenged(&mut world, STRANGER);
    let before = world.switchboard.gauges();
    for _ in 0..600 {
        asks(&mut world, STRANGER, "REGISTER", "budi", &claims(&challenge, "budi", "guess"));
    }
    assert_eq!(world.switchboard.gauges(), before, "neither 403 nor 503 leaves state");
    let told = answers(&mut world, STRANGER);
    assert_eq!(told.iter().filter(|text| text.starts_with("SIP/2.0 403")).count(), 13);
    assert_eq!(header(told.last().unwrap(), "Retry-After"), "2");
    assert_eq!(world.guessing, [("budi".to_owned(), true)]);
}

/// 2,000 requests without credentials in a second in the name of the phone's host.
fn floods(world: &mut World, method: &str) {
    for _ in 0..100 {
        for _ in 0..20 {
            asks(world, FORGED, method, "budi", "");
        }
        world.pass(Duration::from_millis(10));
    }
}

#[test]
fn a_phone_that_is_not_registered_gets_its_challenge_whatever_others_send_in_the_name_of_its_network() {
    for (neighbour, method) in [(false, "REGISTER"), (false, "OPTIONS"), (true, "OPTIONS"), (true, "REGISTER")] {
        let mut world = World::new(terms(), &["budi", "sari"]);
        if neighbour {
            world.register("sari", "127.0.0.3:5092");
        }
        for _ in 0..3 {
            floods(&mut world, method);
        }
        assert_eq!(world.switchboard.guard_figures().banned, usize::from(!neighbour), "{method}");
        for _ in 0..20 {
            asks(&mut world, FORGED, method, "budi", "");
        }
        let challenge = challenged(&mut world, BUDI);
        asks(&mut world, BUDI, "REGISTER", "budi", &claims(&challenge, "budi", "budi"));
        world.take(BUDI, "SIP/2.0 200");
    }
}

/// A guesser in the phone's network, over connections of its own.
fn guesses(world: &mut World, at: &str, times: usize) -> Vec<String> {
    let challenge = challenged(world, at);
    for _ in 0..times {
        asks(world, at, "REGISTER", "budi", &claims(&challenge, "budi", "guess"));
    }
    answers(world, at)
}

#[test]
fn a_guesser_behind_the_phones_address_keeps_no_phone_from_registering() {
    let ends = ["127.0.0.3:40001", "127.0.0.3:40002", "127.0.0.3:40003", "127.0.0.3:40004"];
    let [phone, guesser, again, other] = ends;
    let mut world = World::new(
        changed(settings(), |settings| settings.phones.nonce_life = Duration::from_secs(3_600)),
        &["budi", "sari"],
    );
    for (n, at) in (1..).zip(ends) {
        let (local, remote) = (SERVER.parse().unwrap(), at.parse().unwrap());
        let flow = Flow { transport: Transport::Tcp, local, remote, connection: ConnectionId(n) };
        world.streams.insert(remote, flow);
    }
    world.register("budi", phone);
    guesses(&mut world, guesser, 48);
    world.pass(Duration::from_secs(2));
    let waits = |world: &mut World| {
        guesses(world, guesser, 1);
        let told = guesses(world, guesser, 1);
        assert!(told.iter().all(|text| !text.starts_with("SIP/2.0 403")), "the guesser waits: {told:#?}");
    };
    waits(&mut world);
    // The phone's connection breaks; it registers over another one, with the Call-ID that it has always had.
    world.step(Input::Unreachable { flow: world.streams[&phone.parse().unwrap()] });
    world.register("budi", again);
    world.pass(Duration::from_secs(2));
    waits(&mut world);
    // A phone without a history shows the right password at its first attempt.
    let challenge = challenged(&mut world, other);
    asks(&mut world, other, "REGISTER", "budi", &claims(&challenge, "budi", "budi"));
    world.take(other, "SIP/2.0 200");
    waits(&mut world);
}

#[test]
fn a_phone_that_registers_over_a_new_connection_does_not_wait_with_the_new_connections_of_a_guesser() {
    let ends: Vec<String> = (1..=16).map(|n| format!("127.0.0.3:400{n:02}")).collect();
    let mut world =
        World::new(changed(settings(), |settings| settings.phones.nonce_life = Duration::from_secs(3_600)), &["budi"]);
    for (n, at) in (1..).zip(&ends) {
        let (local, remote) = (SERVER.parse().unwrap(), at.parse().unwrap());
        let flow = Flow { transport: Transport::Tcp, local, remote, connection: ConnectionId(n) };
        world.streams.insert(remote, flow);
    }
    let [phone, again, guesser, others @ .., last] = ends.as_slice() else { panic!() };
    world.register("budi", phone);
    guesses(&mut world, guesser, 48);
    world.pass(Duration::from_secs(2));
    for other in others {
        guesses(&mut world, other, 1);
        world.pass(Duration::from_millis(50));
    }
    let told = guesses(&mut world, last, 1);
    assert!(told.iter().all(|text| !text.starts_with("SIP/2.0 403")), "new connections wait: {told:#?}");
    // The connection of the phone breaks. The REGISTER over another one has the Call-ID of all its REGISTERs.
    world.step(Input::Unreachable { flow: world.streams[&phone.parse().unwrap()] });
    world.sent.clear();
    world.register("budi", again);
}
