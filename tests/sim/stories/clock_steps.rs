//! The wall clock is set during calls: durations and deadlines follow the monotonic clock.

use super::classes::{confirms, dials, is_served};
use super::*;
use siaga::acd::OperatingMode;
use siaga::cdr::Cdr;
use siaga::clock::{Now, Timestamp};
use siaga::switchboard::{ConsoleCommand, ConsoleReply};

const DAY: i64 = 86_400_000;

/// The administrator, or NTP, sets the wall clock.
fn set_clock(world: &mut World, by_ms: i64) {
    let wall = Timestamp::from_millis(world.now.wall.as_millis() + by_ms);
    world.now = Now { wall, ..world.now };
    world.step(Input::Tick);
}

#[test]
fn a_clock_step_during_the_wait_the_talk_or_the_wrap_up_changes_no_duration() {
    const HOUR: i64 = 3_600_000;
    let steps =
        [[HOUR, 0, 0], [-HOUR, 0, 0], [0, HOUR, 0], [0, -HOUR, 0], [0, 0, 400 * 24 * HOUR], [HOUR, -HOUR, HOUR]];
    for [waiting, talking, wrapping] in steps {
        let mut world = staffed();
        let mut caller = Caller::dials(&mut world);
        let invite = world.take(BUDI, "INVITE");
        world.receive(BUDI, &response(&invite, BUDI, "180 Ringing", ""));
        world.pass(Duration::from_secs(1));
        set_clock(&mut world, waiting);
        world.pass(Duration::from_secs(1));
        world.receive(BUDI, &response(&invite, BUDI, "200 OK", &sdp(BUDI, 31_000)));
        caller.is_answered(&mut world);
        world.pass(Duration::from_secs(2));
        set_clock(&mut world, talking);
        world.pass(Duration::from_secs(3));
        caller.hangs_up(&mut world);
        world.pass(Duration::from_secs(4));
        set_clock(&mut world, wrapping);
        world.pass(Duration::from_secs(60));
        let facts: Vec<_> = world.facts.iter().filter(|fact| fact.call.is_some()).cloned().collect();
        let cdr = Cdr::fold(&facts).unwrap();
        let durations = (cdr.waited_ms, cdr.talk_ms, cdr.wrap_ms);
        assert_eq!(durations, (2_000, 5_000, Some(10_000)), "steps {:?}", [waiting, talking, wrapping]);
        let between =
            |from: Option<Timestamp>, to: Option<Timestamp>| to.unwrap().as_millis() - from.unwrap().as_millis();
        assert_eq!(between(Some(cdr.received), cdr.answered), 2_000, "the record's times agree with its durations");
        assert_eq!(between(cdr.answered, cdr.ended), 5_000);
        world.assert_empty_in_the_end();
    }
}

/// The operating mode, and how long it has lasted and will last.
fn mode(world: &mut World) -> (OperatingMode, u64, u64) {
    let ConsoleReply::Mode { mode, since, until, .. } = world.orders(ConsoleCommand::Mode) else { panic!("no mode") };
    (mode, world.now.wall.millis_since(since), until.unwrap().millis_since(world.now.wall))
}

#[test]
fn the_times_of_the_operating_mode_follow_a_clock_step() {
    for step in [400 * DAY, -400 * DAY] {
        let mut world = staffed();
        world.orders(ConsoleCommand::SetMode { mode: OperatingMode::Drill, hours: Some(4) });
        world.pass(Duration::from_secs(3_600));
        set_clock(&mut world, step);
        assert_eq!(mode(&mut world), (OperatingMode::Drill, 3_600_000, 3 * 3_600_000), "{step}");
        let until = world.facts.iter().rev().find_map(|fact| match &fact.kind {
            FactKind::ModeSet { until, .. } => *until,
            _ => None,
        });
        assert_eq!(until.unwrap().millis_since(world.now.wall), 3 * 3_600_000, "a restart reads it: {step}");
        world.pass(Duration::from_secs(3 * 3_600 + 1));
        let ConsoleReply::Mode { mode, .. } = world.orders(ConsoleCommand::Mode) else { panic!("no mode") };
        assert_eq!(mode, OperatingMode::Normal);
    }
}

#[test]
fn an_operator_can_class_the_last_call_as_long_as_ever_after_a_clock_step() {
    for step in [400 * DAY, -400 * DAY] {
        let mut world = staffed();
        is_served(&mut world, "08121234");
        world.pass(Duration::from_secs(14 * 60));
        set_clock(&mut world, step);
        dials(&mut world, "budi", BUDI, "*41");
        assert!(confirms(&world), "14 min after its end: {step}");
        world.pass(Duration::from_secs(61));
        dials(&mut world, "budi", BUDI, "*42");
        assert!(!confirms(&world), "15 min after its end: {step}");
    }
}
