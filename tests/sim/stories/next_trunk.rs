//! A number that fails over one trunk is dialled over the next, unless the callee was reached and is busy or declines.

use siaga::acd::shift::Plan;
use siaga::switchboard::{Agency, DeskCalls, Settings, TrunkSettings};

use super::attended::Placed;
use super::call_back::abandons;
use super::transfer::{DAMKAR, is_notified, refers, refuses, talking};
use super::*;
use crate::trunks::{SECOND, second};

/// Failures that do not concern the callee, or that may differ over another trunk.
const NEXT: [&str; 16] = [
    "302 Moved Temporarily",
    "400 Bad Request",
    "403 Forbidden",
    "404 Not Found",
    "408 Request Timeout",
    "410 Gone",
    "480 Temporarily Unavailable",
    "484 Address Incomplete",
    "488 Not Acceptable Here",
    "500 Server Internal Error",
    "501 Not Implemented",
    "503 Service Unavailable",
    "504 Server Time-out",
    "604 Does Not Exist Anywhere",
    "606 Not Acceptable",
    "699 Unknown",
];
/// Failures that concern the callee on every trunk.
const LAST: [&str; 3] = ["486 Busy Here", "600 Busy Everywhere", "603 Decline"];

/// Two trunks, an agency and a fallback number.
fn two_trunks() -> Settings {
    let mut settings = settings();
    settings.fallback.number = Some("0725112233".to_owned());
    settings.numbers.agencies = vec![Agency { name: "damkar".to_owned(), number: DAMKAR.to_owned() }];
    settings.trunks[0].target = Some(TRUNK.parse().unwrap());
    let mut other = second(TrunkSettings { priority: 20, ..TrunkSettings::default() });
    other.keep_alive = None;
    settings.trunks.push(other);
    settings
}

/// The INVITE over the first trunk fails, with `rings` after a 180. Returns the INVITE over the second trunk, if one follows.
fn fails(world: &mut World, status: &str, rings: bool) -> Option<String> {
    let invite = world.take(TRUNK, "INVITE");
    if rings {
        world.receive(TRUNK, &response(&invite, TRUNK, "180 Ringing", ""));
    }
    refuses(world, TRUNK, &invite, status);
    world.has(SECOND, "INVITE").then(|| world.take(SECOND, "INVITE"))
}

/// Each failure, and whether the next trunk is expected.
fn cases() -> impl Iterator<Item = (&'static str, bool)> {
    NEXT.into_iter().map(|status| (status, true)).chain(LAST.into_iter().map(|status| (status, false)))
}

#[test]
fn the_fallback_number_is_dialled_over_the_next_trunk_after_any_failure_but_the_callees() {
    for (status, next) in cases() {
        for rings in [false, true] {
            let mut settings = two_trunks();
            settings.acd.plan = Plan { rostered: true, ..Plan::default() };
            let mut world = World::new(settings, &["budi"]);
            let mut caller = Caller::dials(&mut world);
            let Some(invite) = fails(&mut world, status, rings) else {
                assert!(!next, "{status}: the second trunk is not tried");
                continue;
            };
            assert!(next, "{status}: the second trunk is tried");
            world.receive(SECOND, &response(&invite, SECOND, "200 OK", &sdp(SECOND, 31_000)));
            world.take(SECOND, "ACK");
            caller.is_answered(&mut world);
        }
    }
}

#[test]
fn an_agency_is_dialled_over_the_next_trunk_too() {
    for (status, next) in cases() {
        // A transfer.
        let mut world = World::new(two_trunks(), &["budi", "sari"]);
        world.register("budi", BUDI);
        let (_caller, invite) = talking(&mut world);
        refers(&mut world, &invite, 1, "Refer-To: <sip:damkar@127.0.0.1>\r\n");
        assert_eq!(fails(&mut world, status, false).is_some(), next, "{status}: transfer");
        if !next {
            assert_eq!(is_notified(&mut world, BUDI), format!("SIP/2.0 {status}"));
        }
        // An operator's own call.
        let mut world = World::new(two_trunks(), &["budi"]);
        world.register("budi", BUDI);
        Placed::to(&mut world, "budi", BUDI, "damkar");
        assert_eq!(fails(&mut world, status, false).is_some(), next, "{status}: own call");
        // A participant.
        let mut world = World::new(two_trunks(), &["budi", "sari"]);
        world.register("budi", BUDI);
        let (_caller, invite) = talking(&mut world);
        refers(&mut world, &invite, 1, "Refer-To: <sip:*30damkar@127.0.0.1>\r\n");
        assert_eq!(fails(&mut world, status, false).is_some(), next, "{status}: participant");
        // A number of the escalation.
        let mut settings = two_trunks();
        let outside = vec![(Duration::from_secs(5), DAMKAR.to_owned())];
        settings.numbers.desks = vec![DeskCalls { outside, ..DeskCalls::default() }];
        let mut world = World::new(settings, &["budi"]);
        world.register("budi", BUDI);
        Caller::dials(&mut world);
        world.pass(Duration::from_secs(5));
        assert_eq!(fails(&mut world, status, false).is_some(), next, "{status}: escalation");
    }
}

#[test]
fn a_call_back_is_dialled_over_the_next_trunk_too() {
    for (status, next) in cases() {
        let mut world = World::new(two_trunks(), &["budi"]);
        world.register("budi", BUDI);
        abandons(&mut world, "081355501", 8);
        Placed::to(&mut world, "budi", BUDI, "*50");
        assert_eq!(fails(&mut world, status, false).is_some(), next, "{status}");
    }
}
