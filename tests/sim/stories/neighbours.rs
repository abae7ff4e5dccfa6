//! Phones behind one address (NAT), of which one has a wrong password, and participants of dialogs who flood.

use siaga::sip::flow::{ConnectionId, Transport};
use siaga::switchboard::{Account, Input};

use super::super::guard::{answers as responses, asks as requests, challenged, claims};
use super::super::world::{SERVER, account};
use super::attended::Placed;
use super::restart::killed;
use super::*;

/// A phone with a wrong password behind the address of budi's phone.
const WRONG: &str = "127.0.0.3:6000";

/// Wrong passwords from `WRONG`, until its address is banned.
fn guesses_until_banned(world: &mut World) {
    let challenge = challenged(world, WRONG);
    for _ in 0..200 {
        if world.switchboard.guard_figures().banned > 0 {
            return;
        }
        requests(world, WRONG, "REGISTER", "budi", &claims(&challenge, "budi", "guess"));
        responses(world, WRONG);
    }
    panic!("never banned");
}

#[test]
fn a_registered_phone_works_on_beside_a_neighbour_with_a_wrong_password() {
    let mut world = staffed();
    guesses_until_banned(&mut world);
    for minute in 0..3 {
        // The neighbour goes on.
        for _ in 0..100 {
            requests(&mut world, WRONG, "REGISTER", "sari", "");
        }
        responses(&mut world, WRONG);
        requests(&mut world, BUDI, "OPTIONS", "budi", "");
        world.take(BUDI, "SIP/2.0 200");
        world.register("budi", BUDI);
        let placed = Placed::to(&mut world, "budi", BUDI, "sari");
        world.take(BUDI, "SIP/2.0");
        drop(placed);
        world.sent.clear();
        assert!(world.switchboard.guard_figures().banned <= 1, "{minute}");
        world.pass(Duration::from_secs(15));
    }
}

#[test]
fn an_account_that_is_added_again_does_not_wait_for_its_predecessor() {
    let mut world = World::new(settings(), &["budi", "sari"]);
    let challenge = challenged(&mut world, BUDI);
    for n in 0..14 {
        let at = format!("127.0.1.{}:5060", 1 + n / 5);
        let challenge = challenged(&mut world, &at);
        requests(&mut world, &at, "REGISTER", "budi", &claims(&challenge, "budi", "guess"));
    }
    requests(&mut world, BUDI, "REGISTER", "budi", &claims(&challenge, "budi", "guess"));
    requests(&mut world, BUDI, "REGISTER", "budi", &claims(&challenge, "budi", "budi"));
    world.take(BUDI, "SIP/2.0 503");
    assert_eq!(world.guessing, [("budi".to_owned(), true)]);
    let accounts = |names: &[&str]| names.iter().map(|name| account(name)).collect::<Vec<Account>>();
    world.step(Input::Accounts(accounts(&["sari"])));
    assert_eq!(world.guessing.last(), Some(&("budi".to_owned(), false)), "its alarm ends");
    world.step(Input::Accounts(accounts(&["budi", "sari"])));
    world.sent.clear();
    world.register("budi", BUDI);
}

#[test]
fn a_source_that_waits_leaves_no_state() {
    let mut world = World::new(settings(), &["budi", "sari"]);
    for n in 0..14 {
        let at = format!("127.0.1.{}:5060", 1 + n / 5);
        let challenge = challenged(&mut world, &at);
        requests(&mut world, &at, "REGISTER", "budi", &claims(&challenge, "budi", "guess"));
    }
    let challenge = challenged(&mut world, "127.0.1.3:5060");
    let before = world.switchboard.gauges();
    requests(&mut world, "127.0.1.3:5060", "REGISTER", "budi", &claims(&challenge, "budi", "guess"));
    world.take("127.0.1.3:5060", "SIP/2.0 503");
    assert_eq!(world.switchboard.gauges(), before);
}

#[test]
fn a_flood_in_a_dialog_is_limited_even_with_the_right_tags() {
    let mut world = staffed();
    let mut caller = Caller::dials(&mut world);
    let invite = answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    for from in [BUDI, "203.0.113.7:5060"] {
        world.sent.clear();
        let before = world.switchboard.gauges().transactions;
        for cseq in 1..10_000 {
            world.asks(from, &invite, "OPTIONS", cseq, "", "");
        }
        let answered = responses(&mut world, from).len();
        assert!(answered < 2_000, "{from} got {answered} responses");
        assert!(world.switchboard.gauges().transactions < before + 2_000, "{from}");
    }
    // The phone keeps its rate again, and the call its end.
    world.pass(Duration::from_secs(30));
    world.sent.clear();
    operator_hangs_up_as(&mut world, &invite, 10_000);
    world.pass(Duration::from_secs(1));
    caller.is_hung_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

fn operator_hangs_up_as(world: &mut World, invite: &str, cseq: u32) {
    world.asks(BUDI, invite, "BYE", cseq, "", "");
    world.take(BUDI, "SIP/2.0 200");
}

/// A guesser's attempts over many connections or ports at the phones' address, with one challenge.
fn guesses_from_many(world: &mut World, challenge: &str, ports: std::ops::Range<u16>) {
    for port in ports {
        let at = format!("127.0.0.3:{port}");
        requests(world, &at, "REGISTER", "budi", &claims(challenge, "budi", "guess"));
        responses(world, &at);
    }
}

fn connects(world: &mut World, number: u64, at: &str) {
    let (local, remote) = (SERVER.parse().unwrap(), at.parse().unwrap());
    world.streams.insert(remote, Flow { transport: Transport::Tcp, local, remote, connection: ConnectionId(number) });
}

#[test]
fn a_phone_registers_again_after_a_restart_whatever_a_guesser_behind_its_address_does() {
    let (phone, again) = ("127.0.0.3:40001", "127.0.0.3:40002");
    let mut world = World::new(settings(), &["budi", "sari"]);
    connects(&mut world, 1, phone);
    world.register("budi", phone);
    let mut world = killed(&world, settings(), &["budi", "sari"], 5);
    let challenge = challenged(&mut world, WRONG);
    // More than the account, its network and the network's new connections may have.
    guesses_from_many(&mut world, &challenge, 41_000..41_090);
    world.pass(Duration::from_secs(2));
    guesses_from_many(&mut world, &challenge, 42_000..42_010);
    connects(&mut world, 2, again);
    world.register("budi", again);
}

#[test]
fn a_phone_that_has_never_registered_gets_in_beside_a_guesser_at_its_address() {
    let mut world = World::new(settings(), &["budi", "sari"]);
    world.register("sari", "127.0.0.3:5092");
    let challenge = challenged(&mut world, WRONG);
    for _ in 0..30 {
        requests(&mut world, WRONG, "REGISTER", "budi", &claims(&challenge, "budi", "guess"));
    }
    let told = responses(&mut world, WRONG);
    assert!(told.last().unwrap().starts_with("SIP/2.0 503"), "the guesser waits: {told:#?}");
    world.register("budi", "127.0.0.3:6001");
}
