use super::*;
use crate::limits::GUESS_WAITS_MAX;
use crate::sip::wire::{Parsed, parse};

fn at(seconds: u64) -> Instant {
    Instant::default() + Duration::from_secs(1_000 + seconds)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn end(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn guard() -> Guard {
    Guard::new(Terms { requests_per_second: 10, burst: 5, failures: 3, ..Terms::default() })
}

fn ask(guard: &mut Guard, now: Instant, source: IpAddr, resident: bool) -> Result<Pass, Ban> {
    let here = if resident { Resident::Host } else { Resident::No };
    guard.ask(now, SocketAddr::new(source, 5060), true, || here)
}

/// Asks until the answer is a ban; how often, and the ban.
fn flood(guard: &mut Guard, now: Instant, source: IpAddr) -> (usize, Ban) {
    for n in 1..10_000 {
        if let Err(ban) = ask(guard, now, source, false) {
            guard.verify().unwrap();
            return (n, ban);
        }
    }
    panic!("never banned");
}

#[test]
fn a_burst_passes_and_more_waits_for_the_rate() {
    let mut guard = guard();
    let source = ip("192.0.2.1");
    for _ in 0..5 {
        assert_eq!(ask(&mut guard, at(0), source, false), Ok(Pass::Yes));
    }
    assert_eq!(ask(&mut guard, at(0), source, false), Ok(Pass::OnlyProven(Reason::Rate)));
    assert_eq!(ask(&mut guard, at(0), ip("192.0.2.2"), false), Ok(Pass::Yes), "another source has its own");
    assert_eq!(ask(&mut guard, at(1), source, false), Ok(Pass::Yes));
    guard.verify().unwrap();
}

#[test]
fn a_flood_is_banned_and_each_ban_takes_twice_as_long_up_to_an_hour() {
    let mut guard = guard();
    let source = ip("192.0.2.1");
    let mut now = at(0);
    for (nth, seconds) in [60, 120, 240, 480, 960, 1_920, 3_600, 3_600].into_iter().enumerate() {
        let (asked, ban) = flood(&mut guard, now, source);
        assert!(asked > 25, "far over the rate, not a little");
        assert_eq!((ban.seconds, usize::try_from(ban.nth).unwrap()), (seconds, nth + 1));
        assert_eq!(ask(&mut guard, now, source, false), Ok(Pass::OnlyProvenOrNew(Reason::Banned)));
        now = now + Duration::from_secs(seconds);
        guard.expire(now);
        assert_eq!(guard.bans(now), []);
        assert_eq!(ask(&mut guard, now, source, false), Ok(Pass::Yes), "bans end by time");
    }
    let later = now + Duration::from_secs(3_600);
    guard.expire(later);
    assert_eq!(flood(&mut guard, later, source).1.seconds, 60, "an hour without one begins anew");
}

#[test]
fn where_a_phone_is_registered_a_flood_slows_but_never_bans() {
    let mut guard = guard();
    for _ in 0..1_000 {
        assert!(ask(&mut guard, at(0), ip("192.0.2.1"), true).is_ok());
    }
    assert_eq!(ask(&mut guard, at(0), ip("192.0.2.1"), true), Ok(Pass::OnlyProvenOrNew(Reason::Rate)));
}

#[test]
fn repeated_wrong_credentials_are_banned_and_single_ones_forgiven() {
    let mut guard = guard();
    let (thief, clumsy, floor) = (ip("192.0.2.1"), ip("192.0.2.2"), ip("192.0.2.3"));
    for _ in 0..3 {
        assert_eq!(guard.failed(at(0), thief, true, || false), None);
    }
    let ban = guard.failed(at(0), thief, true, || false).unwrap();
    assert_eq!((ban.reason, ban.seconds), (Reason::Credentials, 60));
    for minute in 0..100 {
        assert_eq!(guard.failed(at(60 * minute), clumsy, true, || false), None, "one a minute");
    }
    for _ in 0..12 {
        assert_eq!(guard.failed(at(0), floor, true, || true), None);
    }
    assert!(guard.failed(at(0), floor, true, || true).is_some());
    assert_eq!(ask(&mut guard, at(0), floor, true), Ok(Pass::OnlyProvenOrNew(Reason::Banned)), "its phones get in");
    guard.verify().unwrap();
}

#[test]
fn messages_that_can_be_forged_never_ban_a_registered_phone() {
    let mut guard = guard();
    let floor = ip("192.0.2.3");
    for _ in 0..1_000 {
        assert_eq!(guard.failed(at(0), floor, false, || true), None);
        assert!(ask(&mut guard, at(0), floor, true).is_ok());
    }
    let phone = SocketAddr::new(floor, 5061);
    assert_eq!(guard.ask(at(0), phone, true, || Resident::Phone), Ok(Pass::Yes), "its own port has its own rate");
    assert_eq!(
        guard.ask(at(0), SocketAddr::new(floor, 7), true, || Resident::Host),
        Ok(Pass::OnlyProvenOrNew(Reason::Rate))
    );
    for _ in 0..12 {
        assert_eq!(guard.failed(at(0), floor, true, || true), None, "forged ones have used up no patience");
    }
    guard.verify().unwrap();
}

#[test]
fn a_ban_that_a_forger_could_bring_about_leaves_room_for_challenges_and_ends_with_a_proof() {
    let mut guard = guard();
    let (forged, thief) = (ip("192.0.2.1"), ip("192.0.2.2"));
    for _ in 0..4 {
        guard.failed(at(0), forged, false, || false);
        guard.failed(at(0), thief, true, || false);
    }
    assert_eq!(ask(&mut guard, at(0), forged, false), Ok(Pass::OnlyProvenOrNew(Reason::Banned)));
    let forged_phone = SocketAddr::new(forged, 5060);
    assert!(!guard.may_challenge(at(0), forged_phone), "no burst");
    assert!(guard.may_challenge(at(1), forged_phone));
    assert_eq!(ask(&mut guard, at(0), thief, false), Ok(Pass::OnlyProven(Reason::Banned)));
    guard.proven(forged);
    guard.proven(thief);
    assert_eq!(ask(&mut guard, at(1), forged, false), Ok(Pass::Yes));
    assert_eq!(ask(&mut guard, at(1), thief, false), Ok(Pass::OnlyProven(Reason::Banned)));
    guard.verify().unwrap();
}

#[test]
fn challenges_in_a_ban_are_counted_by_port_and_by_network() {
    let mut guard = guard();
    let network = ip("192.0.2.1");
    flood(&mut guard, at(0), network);
    let end = |port| SocketAddr::new(network, port);
    let challenged = |guard: &mut Guard, ports: std::ops::Range<u16>| {
        ports.filter(|port| guard.may_challenge(at(1), end(*port))).count()
    };
    let of_one_port = (0..1_000).filter(|_| guard.may_challenge(at(1), end(4444))).count();
    assert_eq!(of_one_port, 10, "the rate");
    assert_eq!(challenged(&mut guard, 5_060..5_070), 10, "other ports are not affected");
    assert_eq!(challenged(&mut guard, 10_000..20_000), 80, "ten times the rate for the network");
    assert!(!guard.may_challenge(at(1), end(5_080)));
    assert!(guard.may_challenge(at(2), end(5_080)));
    assert!(guard.may_challenge(at(1), SocketAddr::new(ip("192.0.2.2"), 5_060)), "another network");
    guard.verify().unwrap();
}

#[test]
fn wrong_passwords_of_one_account_make_their_sources_wait_longer_each_time() {
    let mut guesses = Guesses::default();
    let (thief, other) = (end("192.0.2.1:5060"), end("192.0.2.2:5060"));
    let here = Standing::Reachable;
    for name in ["budi", "nobody"] {
        let account = Some(name).filter(|name| *name == "budi");
        for _ in 0..12 {
            guesses.failed(at(0), account, name, thief, here);
            assert_eq!(guesses.wait(at(0), account, name, thief, here), None);
        }
        let waits = [1, 2, 4, 8, 16, 32, 64, 120, 120].map(|_| {
            guesses.failed(at(0), account, name, thief, here);
            guesses.wait(at(0), account, name, thief, here).unwrap().as_secs()
        });
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 120, 120], "{name}");
        assert_eq!(guesses.wait(at(120), account, name, thief, here), None);
        assert_eq!(guesses.wait(at(0), account, name, thief, Standing::Phone), None, "its phone works on");
        assert_eq!(guesses.wait(at(0), account, name, other, here), None, "every source has its first attempt");
        guesses.failed(at(0), account, name, other, here);
        assert_eq!(guesses.wait(at(0), account, name, other, here), Some(Duration::from_secs(120)), "and no second");
    }
    assert_eq!(guesses.wait(at(0), Some("sari"), "sari", thief, here), None, "another account");
    // What anybody could send in the name of an address makes only such attempts wait.
    guesses.failed(at(0), Some("budi"), "budi", end("192.0.2.9:5060"), Standing::Forgeable);
    assert!(guesses.wait(at(0), Some("budi"), "budi", end("192.0.2.9:5060"), Standing::Forgeable).is_some());
    assert_eq!(guesses.wait(at(0), Some("budi"), "budi", end("192.0.2.9:5060"), here), None);
}

#[test]
fn a_network_that_has_shown_the_password_has_four_times_the_attempts() {
    let mut guesses = Guesses::default();
    let home = end("[2001:db8::1]:5060");
    guesses.succeeded("budi", home, Standing::Reachable);
    for _ in 0..48 {
        guesses.failed(at(0), Some("budi"), "budi", end("[2001:db8::2]:5060"), Standing::Reachable);
        assert_eq!(guesses.wait(at(0), Some("budi"), "budi", home, Standing::Reachable), None);
    }
    guesses.failed(at(0), Some("budi"), "budi", home, Standing::Reachable);
    assert!(guesses.wait(at(0), Some("budi"), "budi", home, Standing::Reachable).is_some());
    guesses.succeeded("budi", home, Standing::Reachable);
    assert_eq!(guesses.wait(at(0), Some("budi"), "budi", home, Standing::Reachable), None);
}

#[test]
fn a_full_table_of_waits_forgets_the_one_that_ends_first() {
    let mut guesses = Guesses::default();
    let source = |n: u32| SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::from_bits(0x0a00_0000 + n)), 5060);
    let many = u32::try_from(GUESS_WAITS_MAX).unwrap() + 40;
    for n in 0..many {
        guesses.failed(at(0), Some("budi"), "budi", source(n), Standing::Reachable);
    }
    assert_eq!(guesses.waiting(), GUESS_WAITS_MAX);
    assert!(guesses.wait(at(0), Some("budi"), "budi", source(many - 1), Standing::Reachable).is_some());
}

/// A guesser at `at` has failed until it must wait two minutes.
fn guessed_at(at_end: &str) -> Guesses {
    let mut guesses = Guesses::default();
    guesses.succeeded("budi", end("192.0.2.1:1"), Standing::Reachable);
    guesses.succeeded("budi", end("[2001:db8::1]:1"), Standing::Reachable);
    for _ in 0..60 {
        guesses.failed(at(0), Some("budi"), "budi", end(at_end), Standing::Reachable);
    }
    guesses
}

fn waits(guesses: &Guesses, seconds: u64, at_end: &str) -> Option<u64> {
    let wait = guesses.wait(at(seconds), Some("budi"), "budi", end(at_end), Standing::Reachable);
    wait.map(|wait| wait.as_secs())
}

#[test]
fn a_guesser_beside_a_phone_makes_no_other_connection_wait() {
    for guesser in ["192.0.2.1:2", "[2001:db8::1]:2", "[2001:db8::2]:2"] {
        let guesses = guessed_at(guesser);
        assert_eq!(waits(&guesses, 0, guesser), Some(120), "{guesser}");
        for phone in ["192.0.2.1:1", "192.0.2.1:3", "[2001:db8::1]:3", "[2001:db8::3]:3"] {
            assert_eq!(waits(&guesses, 0, phone), None, "{guesser} {phone}");
        }
    }
}

#[test]
fn few_new_connections_of_a_guesser_in_a_phones_network_may_fail() {
    let mut guesses = guessed_at("192.0.2.1:2");
    let tried = |guesses: &mut Guesses, seconds: u64, ports: std::ops::Range<u16>| {
        let may = |port: &u16| {
            let end = SocketAddr::new(ip("192.0.2.1"), *port);
            let may = guesses.wait(at(seconds), Some("budi"), "budi", end, Standing::Reachable).is_none();
            if may {
                guesses.failed(at(seconds), Some("budi"), "budi", end, Standing::Reachable);
            }
            may
        };
        ports.filter(may).count()
    };
    assert_eq!(tried(&mut guesses, 0, 1_000..2_000), 10);
    assert_eq!(tried(&mut guesses, 10, 2_000..3_000), 5);
    // An address of its own is not affected, nor is a phone that registers with the Call-ID that it has always had.
    assert_eq!(waits(&guesses, 10, "[2001:db8::1]:9"), None);
    guesses.registered("budi", b"call");
    assert!(guesses.has_registered("budi", b"call") && !guesses.has_registered("budi", b"other"));
    assert!(!guesses.has_registered("sari", b"call"));
}

#[test]
fn a_new_phone_beside_a_guesser_gets_in_even_if_the_guesser_uses_many_ports() {
    let mut rng = crate::ids::Rng::from_number(7);
    let mut random = |below: u64| rng.next_u64() % below;
    for (is_home, hours) in [(true, 1), (false, 8)] {
        let mut guesses = Guesses::default();
        if is_home {
            guesses.succeeded("budi", end("192.0.2.1:1"), Standing::Reachable);
        }
        let moment = |ms: u64| Instant::default() + Duration::from_millis(ms);
        let wait = |guesses: &Guesses, ms, at_end| {
            guesses.wait(moment(ms), Some("budi"), "budi", at_end, Standing::Reachable).is_some()
        };
        let (mut ms, mut looked_at, mut phone_tries, mut waited) = (0, 0, 60_000, 0);
        loop {
            // Five attempts a second, each from another port.
            ms += 180 + random(40);
            let guesser = SocketAddr::new(ip("192.0.2.1"), u16::try_from(ms / 180 % 60_000).unwrap() + 1_000);
            if !wait(&guesses, ms, guesser) {
                looked_at += 1;
                guesses.failed(moment(ms), Some("budi"), "budi", guesser, Standing::Reachable);
            }
            if ms >= phone_tries {
                waited += 1;
                if !wait(&guesses, ms + random(180), end("192.0.2.1:500")) {
                    break;
                }
                phone_tries += 20_000 + random(20_000);
            }
            assert!(ms < hours * 3_600_000, "never, home: {is_home}");
        }
        assert!(waited > 1, "the guesser has used up what new ports may have: {is_home}");
        let most = if is_home { 80 + ms / 2_000 } else { 40 + ms / 10_000 + ms / 120_000 };
        assert!(looked_at <= most, "{looked_at} guesses in {ms} ms, home: {is_home}");
    }
}

#[test]
fn new_connections_of_a_guesser_in_a_phones_network_do_not_make_the_phones_address_wait() {
    let mut guesses = guessed_at("[2001:db8::2]:2");
    for port in 1_000..1_010 {
        let end = SocketAddr::new(ip("2001:db8::2"), port);
        guesses.failed(at(0), Some("budi"), "budi", end, Standing::Reachable);
    }
    assert!(waits(&guesses, 0, "[2001:db8::3]:9").is_some(), "another host of the network");
    assert_eq!(waits(&guesses, 0, "[2001:db8::1]:9"), None, "the address that has shown the password");
}

#[test]
fn a_ban_can_be_lifted_and_then_nothing_is_held_against_the_source() {
    let mut guard = guard();
    let source = ip("2001:db8::1");
    flood(&mut guard, at(0), source);
    assert_eq!(
        ask(&mut guard, at(0), ip("2001:db8::2"), false),
        Ok(Pass::OnlyProvenOrNew(Reason::Banned)),
        "one /64 is one source"
    );
    assert_eq!(guard.bans(at(0)).len(), 1);
    let phone = end("[2001:db8::3]:1");
    assert!(!guard.may_challenge(at(0), phone), "challenges of the network are used up");
    assert!(guard.lift(ip("2001:db8::7")));
    assert!(!guard.lift(source));
    assert!(guard.may_challenge(at(0), phone));
    assert_eq!(ask(&mut guard, at(0), source, false), Ok(Pass::Yes));
    assert_eq!(guard.banned(), 0);
    guard.verify().unwrap();
}

#[test]
fn all_is_forgotten_in_time() {
    let mut guard = guard();
    flood(&mut guard, at(0), ip("192.0.2.1"));
    guard.failed(at(0), ip("192.0.2.2"), true, || false);
    while let Some(due) = guard.poll_timeout() {
        guard.expire(due);
        guard.verify().unwrap();
        assert!(guard.poll_timeout().is_none_or(|next| next > due));
    }
    assert!(guard.sources.is_empty() && guard.bans.is_empty());
}

#[test]
fn a_full_table_drops_sources_without_offences_first() {
    let mut guard = guard();
    let source = |n: u32| IpAddr::V4(std::net::Ipv4Addr::from_bits(0x0a00_0000 + n));
    let many = u32::try_from(GUARD_SOURCES_MAX).unwrap();
    guard.failed(at(0), source(0), true, || false);
    for n in 1..=many {
        ask(&mut guard, at(0), source(n), false).unwrap();
    }
    guard.verify().unwrap();
    assert_eq!(guard.sources.len(), GUARD_SOURCES_MAX);
    assert!(guard.sources.contains_key(&Key::Network(source(0))), "who is still in the wrong is remembered");
    for n in 0..u32::try_from(GUARD_BANS_MAX).unwrap() + 1 {
        guard.ban(at(u64::from(n)), source(n), Reason::Rate, true, true);
    }
    guard.verify().unwrap();
    assert_eq!(guard.banned(), GUARD_BANS_MAX);
    assert!(!guard.bans.contains_key(&source(0)));
}

#[test]
fn scanners_are_known_by_name_as_a_whole_word() {
    let sent = |scanners: &Scanners, field: &str| {
        let text = format!(
            "OPTIONS sip:100@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\nTo: <sip:a@b>\r\n\
             From: <sip:tiwari@b>;tag=1\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n{field}\r\nContent-Length: 0\r\n\r\n"
        );
        let Parsed::Good(message) = parse(text.as_bytes()) else { panic!("not read: {text}") };
        scanners.sent(&message)
    };
    let known = Scanners::default();
    for field in [
        "User-Agent: friendly-scanner",
        "User-Agent: sipcli/v1.8",
        "User-Agent: VaxSIPUserAgent/3.1",
        "Contact: \"sipvicious\" <sip:100@1.1.1.1>",
        "User-Agent: iWar",
    ] {
        assert!(sent(&known, field), "{field}");
    }
    for field in ["User-Agent: sipsak 0.9.7", "Contact: <sip:tiwari@192.0.2.9>", "User-Agent: baresip v1.0.0"] {
        assert!(!sent(&known, field), "{field}");
    }
    assert!(sent(&Scanners::with(&["Badger".to_owned()]), "User-Agent: badger 2"));
}
