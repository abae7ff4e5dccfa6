use super::*;
use crate::sip::wire::{Parsed, parse};

fn at(seconds: u64) -> Instant {
    Instant::default() + Duration::from_secs(1_000 + seconds)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn guard() -> Guard {
    Guard::new(Terms { requests_per_second: 10, burst: 5, failures: 3, ..Terms::default() })
}

/// Asks until the answer is a ban; how often, and the ban.
fn flood(guard: &mut Guard, now: Instant, source: IpAddr) -> (usize, Ban) {
    for n in 1..10_000 {
        if let Err(ban) = guard.ask(now, source, || false) {
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
        assert_eq!(guard.ask(at(0), source, || false), Ok(Pass::Yes));
    }
    assert_eq!(guard.ask(at(0), source, || false), Ok(Pass::OnlyProven(Reason::Rate)));
    assert_eq!(guard.ask(at(0), ip("192.0.2.2"), || false), Ok(Pass::Yes), "another source has its own");
    assert_eq!(guard.ask(at(1), source, || false), Ok(Pass::Yes));
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
        assert_eq!(guard.ask(now, source, || false), Ok(Pass::No(Reason::Banned)));
        now = now + Duration::from_secs(seconds);
        guard.expire(now);
        assert_eq!(guard.bans(now), []);
        assert_eq!(guard.ask(now, source, || false), Ok(Pass::Yes), "bans end by time");
    }
    let later = now + Duration::from_secs(3_600);
    guard.expire(later);
    assert_eq!(flood(&mut guard, later, source).1.seconds, 60, "an hour without one begins anew");
}

#[test]
fn where_a_phone_is_registered_a_flood_slows_but_never_bans() {
    let mut guard = guard();
    for _ in 0..1_000 {
        assert!(guard.ask(at(0), ip("192.0.2.1"), || true).is_ok());
    }
    assert_eq!(guard.ask(at(0), ip("192.0.2.1"), || true), Ok(Pass::OnlyProven(Reason::Rate)));
}

#[test]
fn repeated_wrong_credentials_are_banned_and_single_ones_forgiven() {
    let mut guard = guard();
    let (thief, clumsy, floor) = (ip("192.0.2.1"), ip("192.0.2.2"), ip("192.0.2.3"));
    for _ in 0..3 {
        assert_eq!(guard.failed(at(0), thief, || false), None);
    }
    let ban = guard.failed(at(0), thief, || false).unwrap();
    assert_eq!((ban.reason, ban.seconds), (Reason::Credentials, 60));
    for minute in 0..100 {
        assert_eq!(guard.failed(at(60 * minute), clumsy, || false), None, "one a minute");
    }
    for _ in 0..12 {
        assert_eq!(guard.failed(at(0), floor, || true), None);
    }
    assert!(guard.failed(at(0), floor, || true).is_some());
    assert_eq!(guard.ask(at(0), floor, || true), Ok(Pass::OnlyProven(Reason::Banned)), "those with a nonce get in");
    guard.verify().unwrap();
}

#[test]
fn a_ban_can_be_lifted_and_then_nothing_is_held_against_the_source() {
    let mut guard = guard();
    let source = ip("2001:db8::1");
    flood(&mut guard, at(0), source);
    assert_eq!(guard.ask(at(0), ip("2001:db8::2"), || false), Ok(Pass::No(Reason::Banned)), "one /64 is one source");
    assert_eq!(guard.bans(at(0)).len(), 1);
    assert!(guard.lift(ip("2001:db8::7")));
    assert!(!guard.lift(source));
    assert_eq!(guard.ask(at(0), source, || false), Ok(Pass::Yes));
    assert_eq!(guard.banned(), 0);
    guard.verify().unwrap();
}

#[test]
fn all_is_forgotten_in_time() {
    let mut guard = guard();
    flood(&mut guard, at(0), ip("192.0.2.1"));
    guard.failed(at(0), ip("192.0.2.2"), || false);
    while let Some(due) = guard.poll_timeout() {
        guard.expire(due);
        guard.verify().unwrap();
        assert!(guard.poll_timeout().is_none_or(|next| next > due));
    }
    assert!(guard.sources.is_empty() && guard.bans.is_empty());
}

#[test]
fn a_full_table_forgets_who_is_clean_first() {
    let mut guard = guard();
    let source = |n: u32| IpAddr::V4(std::net::Ipv4Addr::from_bits(0x0a00_0000 + n));
    let many = u32::try_from(GUARD_SOURCES_MAX).unwrap();
    guard.failed(at(0), source(0), || false);
    for n in 1..=many {
        guard.ask(at(0), source(n), || false).unwrap();
    }
    guard.verify().unwrap();
    assert_eq!(guard.sources.len(), GUARD_SOURCES_MAX);
    assert!(guard.sources.contains_key(&source(0)), "who is still in the wrong is remembered");
    for n in 0..u32::try_from(GUARD_BANS_MAX).unwrap() + 1 {
        guard.ban(at(u64::from(n)), source(n), Reason::Rate, false);
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
