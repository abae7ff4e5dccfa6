//! Operating modes, and what happens to calls when the mode changes.

use super::*;
use desk::Strategy;

fn desk(name: &str, strategy: Strategy, members: &[(&str, u8)]) -> Desk {
    let members = members.iter().map(|(name, level)| (op(name), *level)).collect();
    Desk { name: name.to_owned(), strategy, members: Some(members), ..Desk::default() }
}

/// Two desks that ring one after the other: `a` and then `b`; and `c`.
fn setup() -> Stage {
    let desks = vec![
        desk("", Strategy::LongestIdle, &[("a", 1), ("b", 2)]),
        desk("damkar", Strategy::LongestIdle, &[("c", 1)]),
    ];
    Stage::with(Settings { desks, ..settings() }, &["a", "b", "c"])
}

fn rung(stage: &Stage, call: CallId) -> Vec<&str> {
    stage.acd.rung_for(call).map(OperatorId::as_str).collect()
}

fn set_mode(stage: &mut Stage, mode: OperatingMode) {
    stage.acd.set_mode(stage.now, mode);
}

/// Carries out all decisions: reports withdrawn ring attempts to the ACD as failed, and returns the other decisions.
fn withdrawn(stage: &mut Stage) -> Vec<Decision> {
    let mut others = Vec::new();
    while let Some(decision) = stage.acd.decide(stage.now) {
        match decision {
            Decision::Withdraw { call, operator } => stage.acd.offer_failed(stage.now, call, &operator, true),
            Decision::Offer { .. } | Decision::Fallback { .. } => others.push(decision),
        }
    }
    stage.acd.verify(true).unwrap();
    others
}

fn falls_back(call: CallId, operators: &[&str]) -> Decision {
    Decision::Fallback { call, operators: operators.iter().map(|name| op(name)).collect() }
}

#[test]
fn in_a_major_incident_a_call_rings_all_operators_of_any_desk_and_level() {
    let mut stage = setup();
    let waits = stage.caller();
    stage.offers();
    assert_eq!(rung(&stage, waits), ["a"]);
    set_mode(&mut stage, OperatingMode::MajorIncident);
    let why = stage.decisions();
    assert!(matches!(&why[0], Decision::Offer { why, .. } if why.starts_with("major incident: ")), "{why:?}");
    assert_eq!(rung(&stage, waits), ["a", "b", "c"], "one that rang already");
    stage.acd.answered(stage.now, waits, &op("c"));
    let next = stage.caller_for(1, DeskNo(1));
    stage.offers();
    assert_eq!(rung(&stage, next), ["a", "b"], "the desk's own operator talks");
    set_mode(&mut stage, OperatingMode::Normal);
    assert_eq!(stage.offers(), []);
    assert_eq!(rung(&stage, next), ["a", "b"], "who rings rings on");
    stage.fail(next, "a");
    stage.fail(next, "b");
    stage.pass(REST);
    assert_eq!(stage.offers(), [], "the desk's calls are its own again");
    stage.acd.finished(stage.now, waits, &op("c"));
    stage.acd.resume(stage.now, &op("c")).unwrap();
    assert_eq!(stage.offers(), [(next, op("c"))]);
}

#[test]
fn calls_that_wait_are_served_before_more_phones_ring_for_one() {
    let mut stage = setup();
    set_mode(&mut stage, OperatingMode::MajorIncident);
    ["a", "b", "c"].iter().for_each(|name| stage.acd.pause(stage.now, &op(name), "meal").unwrap());
    let (first, second) = (stage.caller(), stage.caller());
    assert_eq!(stage.offers(), []);
    ["a", "b", "c"].iter().for_each(|name| stage.acd.resume(stage.now, &op(name)).unwrap());
    stage.offers();
    assert_eq!((rung(&stage, first), rung(&stage, second)), (vec!["a", "c"], vec!["b"]));
}

#[test]
fn a_major_incident_shortens_wrap_ups() {
    let mut stage = setup();
    let (call, operator) = stage.talk();
    stage.acd.finished(stage.now, call, &operator);
    set_mode(&mut stage, OperatingMode::MajorIncident);
    stage.pass(Duration::from_secs(5));
    assert_eq!(stage.state(operator.as_str()), State::Ready, "one that had begun");
    let (call, operator) = stage.talk();
    stage.acd.finished(stage.now, call, &operator);
    stage.pass(Duration::from_secs(4));
    assert_eq!(stage.state(operator.as_str()), State::WrapUp);
    stage.pass(Duration::from_secs(1));
    assert_eq!(stage.state(operator.as_str()), State::Ready);
    set_mode(&mut stage, OperatingMode::Normal);
    let (call, operator) = stage.talk();
    stage.acd.finished(stage.now, call, &operator);
    stage.pass(WRAP_UP - Duration::from_secs(1));
    assert_eq!(stage.state(operator.as_str()), State::WrapUp);
}

#[test]
fn a_drill_changes_nothing() {
    let mut stage = setup();
    set_mode(&mut stage, OperatingMode::Drill);
    let call = stage.caller();
    assert_eq!(stage.offers(), [(call, op("a"))]);
}

#[test]
fn an_evacuated_centre_uses_the_fallback_first_and_rings_operators_when_it_fails() {
    let mut stage = setup();
    let rings = stage.caller();
    stage.offers();
    set_mode(&mut stage, OperatingMode::Fallback);
    assert_eq!(withdrawn(&mut stage), [falls_back(rings, &[])], "no operator rings any more");
    assert_eq!(stage.state("a"), State::Ready);
    let new = stage.caller();
    assert_eq!(stage.decisions(), [falls_back(new, &[])]);
    stage.acd.fallback_failed(stage.now, rings);
    assert_eq!(stage.offers(), [(rings, op("a"))], "the desk's own, as ever");
    stage.acd.fallback_failed(stage.now, new);
    assert_eq!(stage.offers(), [(new, op("b"))]);
    // The operator does not answer: the fallback is tried again before other operators are rung.
    stage.fail(rings, "a");
    assert_eq!(stage.decisions(), [falls_back(rings, &[])]);
    set_mode(&mut stage, OperatingMode::Normal);
    assert_eq!(stage.decisions(), [], "a fallback that has begun goes on");
    stage.acd.leave(stage.now, rings);
}

#[test]
fn in_an_evacuated_centre_the_number_and_the_phones_take_turns() {
    let mut stage = setup();
    ["a", "b", "c"].iter().for_each(|name| stage.acd.log_out(stage.now, &op(name)).unwrap());
    set_mode(&mut stage, OperatingMode::Fallback);
    let call = stage.caller();
    assert_eq!(stage.decisions(), [falls_back(call, &[])], "not the empty house first");
    stage.acd.fallback_failed(stage.now, call);
    assert_eq!(stage.decisions(), [falls_back(call, &["a", "b", "c"])], "but every call gets an attempt");
    stage.acd.fallback_failed(stage.now, call);
    assert_eq!(stage.decisions(), []);
    stage.pass(RETRY);
    assert_eq!(stage.decisions(), [falls_back(call, &[])]);
    stage.acd.leave(stage.now, call);
}

#[test]
fn the_operating_mode_stays_when_the_desks_change() {
    let mut stage = setup();
    set_mode(&mut stage, OperatingMode::MajorIncident);
    let desks = vec![desk("", Strategy::Linear, &[("b", 1)]), desk("damkar", Strategy::Linear, &[("c", 1)])];
    stage.acd.configure(stage.now, Settings { desks, ..settings() });
    let call = stage.caller_for(1, DeskNo(1));
    stage.offers();
    assert_eq!(rung(&stage, call), ["a", "b", "c"]);
}
