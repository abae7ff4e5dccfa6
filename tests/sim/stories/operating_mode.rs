//! Operating modes: a major incident rings all operators, a drill is only recorded, and an evacuation sends callers to the fallback number first.

use siaga::acd::OperatingMode;
use siaga::acd::desk::{Desk, Strategy};
use siaga::cdr::past::Past;
use siaga::clock::Now;
use siaga::ids::OperatorId;
use siaga::switchboard::{ConsoleCommand, ConsoleReply};

use super::attended::Placed;
use super::call_back::asks_console;
use super::classes::{confirms, dials};
use super::transfer::refuses;
use super::*;

/// Budi and Sari at the only desk, which rings one after the other; Budi is a supervisor.
fn setup() -> World {
    let mut settings = settings();
    settings.trunks[0].target = Some(TRUNK.parse().unwrap());
    settings.fallback.number = Some("0725000".to_owned());
    settings.operators.supervisors = [OperatorId::parse("budi").unwrap()].into();
    settings.acd.desks = vec![Desk { strategy: Strategy::Linear, ..Desk::default() }];
    let mut world = World::new(settings, &["budi", "sari"]);
    world.register("budi", BUDI);
    world.register("sari", SARI);
    world
}

fn sets(world: &mut World, mode: OperatingMode, hours: Option<u32>) -> ConsoleReply {
    asks_console(world, ConsoleCommand::SetMode { mode, hours })
}

fn rings(world: &mut World, at: &str) -> String {
    let invite = world.take(at, "INVITE");
    world.receive(at, &response(&invite, at, "180 Ringing", ""));
    invite
}

fn mode(world: &mut World) -> (OperatingMode, Option<i64>, String) {
    match asks_console(world, ConsoleCommand::Mode) {
        ConsoleReply::Mode { mode, until, by, .. } => (mode, until.map(|until| until.as_millis()), by),
        other => panic!("{other:?}"),
    }
}

/// The mode and its author, for every recorded change.
fn changes(world: &World) -> Vec<(OperatingMode, &str)> {
    let facts = world.facts.iter().filter_map(|fact| match &fact.kind {
        FactKind::ModeSet { mode, by, .. } => Some((*mode, by.as_str())),
        _ => None,
    });
    facts.collect()
}

fn arrived_in(world: &World) -> Vec<OperatingMode> {
    let received = world.facts.iter().filter_map(|fact| match &fact.kind {
        FactKind::Received { mode, .. } => Some(*mode),
        _ => None,
    });
    received.collect()
}

fn pauses(world: &mut World, name: &str, pauses: bool) {
    let operator = OperatorId::parse(name).unwrap();
    let command = match pauses {
        true => ConsoleCommand::Pause { operator, reason: "tea".to_owned() },
        false => ConsoleCommand::Resume { operator },
    };
    assert_eq!(asks_console(world, command), ConsoleReply::Done);
}

#[test]
fn a_supervisors_code_makes_every_phone_ring_and_those_on_a_break_are_told_once() {
    let mut world = setup();
    pauses(&mut world, "sari", true);
    dials(&mut world, "budi", BUDI, "*61");
    assert!(confirms(&world));
    let text = world.take(SARI, "MESSAGE");
    assert!(text.ends_with("kembali"), "{text}");
    world.receive(SARI, &response(&text, SARI, "200 OK", ""));
    assert!(!world.has(BUDI, "MESSAGE"), "he is at work");
    let mut caller = Caller::dials(&mut world);
    let at_budi = rings(&mut world, BUDI);
    pauses(&mut world, "sari", false);
    answers(&mut world, SARI);
    caller.is_answered(&mut world);
    let cancel = world.take(BUDI, "CANCEL");
    assert!(cancel.contains("Reason: SIP;cause=200"), "{cancel}");
    world.receive(BUDI, &response(&cancel, BUDI, "200 OK", ""));
    refuses(&mut world, BUDI, &at_budi, "487 Request Terminated");
    pauses(&mut world, "budi", true);
    dials(&mut world, "budi", BUDI, "*61");
    assert!(!world.has(BUDI, "MESSAGE"), "it has begun already");
    assert_eq!(changes(&world), [(OperatingMode::MajorIncident, "budi"), (OperatingMode::MajorIncident, "budi")]);
    assert_eq!(arrived_in(&world), [OperatingMode::MajorIncident]);
    assert_eq!(world.modes[0], (OperatingMode::MajorIncident, false));
    // An account has at most two such calls at once: the first ones end.
    world.pass(Duration::from_secs(20));
    world.sent.clear();
    dials(&mut world, "budi", BUDI, "*60");
    assert_eq!(mode(&mut world).0, OperatingMode::Normal);
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn only_a_supervisor_sets_the_operating_mode() {
    let mut world = setup();
    Placed::to(&mut world, "sari", SARI, "*63");
    world.take(SARI, "SIP/2.0 403");
    assert_eq!(mode(&mut world).0, OperatingMode::Normal);
    assert_eq!(changes(&world), []);
}

#[test]
fn a_drill_is_told_by_the_calls_and_changes_nothing_else() {
    let mut world = setup();
    sets(&mut world, OperatingMode::Drill, None);
    let mut caller = Caller::dials(&mut world);
    answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    assert!(!world.has(SARI, "INVITE"));
    assert_eq!(arrived_in(&world), [OperatingMode::Drill]);
    let classed = world.count(|kind| matches!(kind, FactKind::Disposed { .. }));
    assert_eq!(classed, 0, "an emergency in a drill is an emergency");
}

#[test]
fn an_evacuated_centre_sends_callers_to_the_number_and_rings_if_it_does_not_answer() {
    let mut world = setup();
    let caller = Caller::dials(&mut world);
    let at_budi = rings(&mut world, BUDI);
    sets(&mut world, OperatingMode::Fallback, None);
    let cancel = world.take(BUDI, "CANCEL");
    world.receive(BUDI, &response(&cancel, BUDI, "200 OK", ""));
    refuses(&mut world, BUDI, &at_budi, "487 Request Terminated");
    let outside = world.take(TRUNK, "INVITE");
    assert!(outside.starts_with("INVITE sip:0725000@"), "{outside}");
    assert!(!world.has(BUDI, "INVITE") && !world.has(SARI, "INVITE"), "nobody runs back for it");
    assert_eq!(world.count(|kind| matches!(kind, FactKind::NobodyOnShift)), 0, "they are, but not there");
    refuses(&mut world, TRUNK, &outside, "486 Busy Here");
    world.take(BUDI, "INVITE");
    sets(&mut world, OperatingMode::Normal, None);
    caller.cancels(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn without_a_fallback_number_the_mode_fallback_is_rejected() {
    let mut settings = settings();
    settings.operators.supervisors = [OperatorId::parse("budi").unwrap()].into();
    let mut world = World::new(settings, &["budi"]);
    world.register("budi", BUDI);
    assert_eq!(sets(&mut world, OperatingMode::Fallback, None), ConsoleReply::NoFallback);
    dials(&mut world, "budi", BUDI, "*63");
    assert!(!confirms(&world));
    assert_eq!(mode(&mut world).0, OperatingMode::Normal);
}

#[test]
fn an_operating_mode_is_reported_each_hour_and_ends_at_its_time() {
    let mut world = setup();
    sets(&mut world, OperatingMode::Drill, Some(2));
    let until = world.now.after(Duration::from_secs(7_200)).wall.as_millis();
    assert_eq!(mode(&mut world), (OperatingMode::Drill, Some(until), "ani".to_owned()));
    world.modes.clear();
    world.pass(Duration::from_secs(7_199));
    assert_eq!(world.modes, [(OperatingMode::Drill, true)]);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.modes, [(OperatingMode::Drill, true), (OperatingMode::Normal, false)]);
    assert_eq!(changes(&world), [(OperatingMode::Drill, "ani"), (OperatingMode::Normal, "time")]);
    // Without an end, the reminders continue until a supervisor ends the mode.
    sets(&mut world, OperatingMode::MajorIncident, Some(0));
    world.modes.clear();
    world.pass(Duration::from_secs(3 * 3_600));
    assert_eq!(world.modes, [(OperatingMode::MajorIncident, true); 3]);
    sets(&mut world, OperatingMode::Normal, None);
    world.modes.clear();
    world.pass(Duration::from_secs(3 * 3_600));
    assert_eq!(world.modes, []);
}

#[test]
fn an_operating_mode_survives_a_restart_unless_it_expired_or_a_new_one_was_set() {
    for (hours, minutes, set_since, kept) in
        [(0, 600, false, true), (2, 90, false, true), (2, 121, false, false), (2, 90, true, false)]
    {
        let mut world = setup();
        sets(&mut world, OperatingMode::MajorIncident, Some(hours));
        let (until, facts) = (mode(&mut world).1, world.facts.clone());
        let wall = world.now.after(Duration::from_secs(60 * minutes)).wall;
        let mut world = setup();
        world.now = Now { wall, ..world.now };
        let caller = Caller::dials(&mut world);
        world.take(BUDI, "INVITE");
        if set_since {
            sets(&mut world, OperatingMode::Normal, None);
        }
        world.step(Input::Remember(Box::new(Past { calls: Vec::new(), facts })));
        assert_eq!(world.has(SARI, "INVITE"), kept, "{hours} h, {minutes} min later");
        if kept {
            assert_eq!(mode(&mut world), (OperatingMode::MajorIncident, until, "ani".to_owned()));
            assert_eq!(changes(&world), [], "nobody has said so anew");
        }
        if kept && hours == 2 {
            world.modes.clear();
            world.pass(Duration::from_secs(30 * 60));
            assert_eq!(world.modes, [(OperatingMode::Normal, false)]);
        }
        caller.cancels(&mut world);
    }
}
