//! Postures: how the whole house works, and what becomes of calls when that changes.

use super::*;
use desk::Strategy;

fn desk(name: &str, strategy: Strategy, members: &[(&str, u8)]) -> Desk {
    let members = members.iter().map(|(name, level)| (op(name), *level)).collect();
    Desk { name: name.to_owned(), strategy, members: Some(members), ..Desk::default() }
}

/// Two desks that ring one after the other: `a` and, after him, `b`; and `c`.
fn house() -> Stage {
    let desks = vec![
        desk("", Strategy::LongestIdle, &[("a", 1), ("b", 2)]),
        desk("damkar", Strategy::LongestIdle, &[("c", 1)]),
    ];
    Stage::with(Settings { desks, ..settings() }, &["a", "b", "c"])
}

fn rung(stage: &Stage, call: CallId) -> Vec<&str> {
    stage.acd.rung_for(call).map(OperatorId::as_str).collect()
}

fn assume(stage: &mut Stage, posture: Posture) {
    stage.acd.set_posture(stage.now, posture);
}

/// What is withdrawn, as the phones' side reports it.
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
fn in_a_major_incident_a_call_rings_everybody_whatever_desk_and_level() {
    let mut stage = house();
    let waits = stage.caller();
    stage.offers();
    assert_eq!(rung(&stage, waits), ["a"]);
    assume(&mut stage, Posture::MajorIncident);
    let why = stage.decisions();
    assert!(matches!(&why[0], Decision::Offer { why, .. } if why.starts_with("major incident: ")), "{why:?}");
    assert_eq!(rung(&stage, waits), ["a", "b", "c"], "one that rang already");
    stage.acd.answered(stage.now, waits, &op("c"));
    let next = stage.caller_for(1, DeskNo(1));
    stage.offers();
    assert_eq!(rung(&stage, next), ["a", "b"], "the desk's own operator talks");
    assume(&mut stage, Posture::Normal);
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
    let mut stage = house();
    assume(&mut stage, Posture::MajorIncident);
    ["a", "b", "c"].iter().for_each(|name| stage.acd.pause(stage.now, &op(name), "meal").unwrap());
    let (first, second) = (stage.caller(), stage.caller());
    assert_eq!(stage.offers(), []);
    ["a", "b", "c"].iter().for_each(|name| stage.acd.resume(stage.now, &op(name)).unwrap());
    stage.offers();
    assert_eq!((rung(&stage, first), rung(&stage, second)), (vec!["a", "c"], vec!["b"]));
}

#[test]
fn a_major_incident_shortens_wrap_ups() {
    let mut stage = house();
    let (call, operator) = stage.talk();
    stage.acd.finished(stage.now, call, &operator);
    assume(&mut stage, Posture::MajorIncident);
    stage.pass(Duration::from_secs(5));
    assert_eq!(stage.state(operator.as_str()), State::Ready, "one that had begun");
    let (call, operator) = stage.talk();
    stage.acd.finished(stage.now, call, &operator);
    stage.pass(Duration::from_secs(4));
    assert_eq!(stage.state(operator.as_str()), State::WrapUp);
    stage.pass(Duration::from_secs(1));
    assert_eq!(stage.state(operator.as_str()), State::Ready);
    assume(&mut stage, Posture::Normal);
    let (call, operator) = stage.talk();
    stage.acd.finished(stage.now, call, &operator);
    stage.pass(WRAP_UP - Duration::from_secs(1));
    assert_eq!(stage.state(operator.as_str()), State::WrapUp);
}

#[test]
fn a_drill_changes_nothing() {
    let mut stage = house();
    assume(&mut stage, Posture::Drill);
    let call = stage.caller();
    assert_eq!(stage.offers(), [(call, op("a"))]);
}

#[test]
fn a_house_that_is_left_falls_back_first_and_rings_operators_when_that_failed() {
    let mut stage = house();
    let rings = stage.caller();
    stage.offers();
    assume(&mut stage, Posture::Fallback);
    assert_eq!(withdrawn(&mut stage), [falls_back(rings, &[])], "nobody is left ringing");
    assert_eq!(stage.state("a"), State::Ready);
    let new = stage.caller();
    assert_eq!(stage.decisions(), [falls_back(new, &[])]);
    stage.acd.fallback_failed(stage.now, rings);
    assert_eq!(stage.offers(), [(rings, op("a"))], "the desk's own, as ever");
    stage.acd.fallback_failed(stage.now, new);
    assert_eq!(stage.offers(), [(new, op("b"))]);
    // Not answered: the fallback is tried again before anybody else is.
    stage.fail(rings, "a");
    assert_eq!(stage.decisions(), [falls_back(rings, &[])]);
    assume(&mut stage, Posture::Normal);
    assert_eq!(stage.decisions(), [], "a fallback that has begun goes on");
    stage.acd.leave(stage.now, rings);
}

#[test]
fn in_a_house_that_was_left_number_and_phones_take_turns() {
    let mut stage = house();
    ["a", "b", "c"].iter().for_each(|name| stage.acd.log_out(stage.now, &op(name)).unwrap());
    assume(&mut stage, Posture::Fallback);
    let call = stage.caller();
    assert_eq!(stage.decisions(), [falls_back(call, &[])], "not the empty house first");
    stage.acd.fallback_failed(stage.now, call);
    assert_eq!(stage.decisions(), [falls_back(call, &["a", "b", "c"])], "but nobody is left without a try");
    stage.acd.fallback_failed(stage.now, call);
    assert_eq!(stage.decisions(), []);
    stage.pass(RETRY);
    assert_eq!(stage.decisions(), [falls_back(call, &[])]);
    stage.acd.leave(stage.now, call);
}

#[test]
fn the_posture_stays_when_the_desks_are_others() {
    let mut stage = house();
    assume(&mut stage, Posture::MajorIncident);
    let desks = vec![desk("", Strategy::Linear, &[("b", 1)]), desk("damkar", Strategy::Linear, &[("c", 1)])];
    stage.acd.configure(stage.now, Settings { desks, ..settings() });
    let call = stage.caller_for(1, DeskNo(1));
    stage.offers();
    assert_eq!(rung(&stage, call), ["a", "b", "c"]);
}
