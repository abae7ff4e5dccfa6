//! Calls for which several operators are rung, and calls for which operators of more desks are rung over time.

use super::*;
use desk::{Escalation, Overflow, Strategy};

const PROGRESS: Duration = Duration::from_secs(5);

fn desk(name: &str, strategy: Strategy, members: &[(&str, u8)]) -> Desk {
    let members = members.iter().map(|(name, level)| (op(name), *level)).collect();
    Desk { name: name.to_owned(), strategy, members: Some(members), progress: PROGRESS, ..Desk::default() }
}

/// All operators at one desk.
fn setup(strategy: Strategy, names: &[&str]) -> Stage {
    let desks = vec![Desk { strategy, progress: PROGRESS, ..Desk::default() }];
    Stage::with(Settings { desks, ..settings() }, names)
}

/// The operators of all decisions, which must be offers of that call.
fn rung(stage: &mut Stage, call: CallId) -> Vec<OperatorId> {
    let offers = stage.offers();
    assert!(offers.iter().all(|(offered, _)| *offered == call), "{offers:?}");
    offers.into_iter().map(|(_, operator)| operator).collect()
}

fn ops(names: &[&str]) -> Vec<OperatorId> {
    names.iter().map(|name| op(name)).collect()
}

#[test]
fn ring_all_rings_all_ready_operators_of_any_level() {
    let members = [("a", 2), ("b", 1), ("c", 1)];
    let desks = vec![desk("", Strategy::RingAll, &members)];
    let mut stage = Stage::with(Settings { desks, ..settings() }, &["a", "b", "c", "d", "paused"]);
    stage.acd.pause(stage.now, &op("paused"), "meal").unwrap();
    let call = stage.caller();
    assert_eq!(rung(&mut stage, call), ops(&["b", "c", "a"]), "d is not of the desk");
    assert_eq!(stage.acd.counts(), (0, [0, 1, 3, 0, 0, 1]));
}

#[test]
fn ring_all_does_not_redial_the_others_when_one_leg_fails() {
    let mut stage = setup(Strategy::RingAll, &["a", "b", "c"]);
    let call = stage.caller();
    assert_eq!(rung(&mut stage, call), ops(&["a", "b", "c"]));
    stage.fail(call, "b");
    assert_eq!(stage.offers(), [], "a and c ring on, b rests");
    assert_eq!(stage.acd.rung_for(call).cloned().collect::<Vec<_>>(), ops(&["a", "c"]));
    assert_eq!(stage.acd.waiting().count(), 0);
    stage.pass(REST);
    assert_eq!(rung(&mut stage, call), ops(&["b"]), "the rested operator joins again");
}

#[test]
fn a_call_waits_in_its_old_place_when_the_last_leg_of_ring_all_fails() {
    let mut stage = setup(Strategy::RingAll, &["a", "b"]);
    let first = stage.caller();
    stage.offers();
    let second = stage.caller();
    assert_eq!(stage.offers(), []);
    stage.fail(first, "a");
    assert_eq!(stage.acd.waiting().collect::<Vec<_>>(), [second]);
    stage.fail(first, "b");
    assert_eq!(stage.acd.waiting().collect::<Vec<_>>(), [first, second]);
    stage.pass(REST);
    assert_eq!(stage.offers(), [(first, op("a")), (second, op("b"))]);
}

#[test]
fn no_operator_is_reserved_for_ever_in_ring_all() {
    for answered in [true, false] {
        let mut stage = setup(Strategy::RingAll, &["a", "b", "c"]);
        let call = stage.caller();
        stage.offers();
        if answered {
            stage.acd.answered(stage.now, call, &op("b"));
            assert_eq!(
                (stage.state("a"), stage.state("b"), stage.state("c")),
                (State::Ready, State::Talking, State::Ready)
            );
        } else {
            stage.acd.leave(stage.now, call);
            assert_eq!(stage.acd.counts().1, [0, 3, 0, 0, 0, 0]);
        }
        let next = stage.caller();
        let free: &[&str] = if answered { &["a", "c"] } else { &["a", "b", "c"] };
        assert_eq!(
            rung(&mut stage, next),
            ops(free),
            "the operator who lost the race keeps the idle time, and does not rest"
        );
    }
}

#[test]
fn two_operators_never_answer_one_call_that_rings_all() {
    let mut stage = setup(Strategy::RingAll, &["a", "b"]);
    let call = stage.caller();
    stage.offers();
    stage.acd.answered(stage.now, call, &op("b"));
    stage.acd.answered(stage.now, call, &op("a"));
    assert_eq!((stage.state("a"), stage.state("b")), (State::Ready, State::Talking));
    stage.acd.offer_failed(stage.now, call, &op("a"), false);
    assert!(!stage.acd.view(&op("a")).unwrap().resting, "a leg that is over fails no more");
}

#[test]
fn a_newly_ready_operator_gets_a_waiting_call_before_joining_a_ringing_one() {
    let mut stage = setup(Strategy::RingAll, &["a", "b", "c"]);
    let (call, talks) = stage.talk();
    assert_eq!(talks, op("c"));
    stage.acd.pause(stage.now, &op("b"), "meal").unwrap();
    let first = stage.caller();
    assert_eq!(rung(&mut stage, first), ops(&["a"]));
    let second = stage.caller();
    stage.acd.resume(stage.now, &op("b")).unwrap();
    assert_eq!(stage.offers(), [(second, op("b"))], "a free operator and a waiting call never coexist");
    stage.acd.finished(stage.now, call, &talks);
    stage.acd.resume(stage.now, &talks).unwrap();
    assert_eq!(stage.offers(), [(first, talks)], "no call waits: the operator joins the first ringing call");
}

#[test]
fn one_call_rings_no_more_phones_than_it_may_have_legs() {
    let names: Vec<String> = (0..70).map(|n| format!("op{n:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut stage = setup(Strategy::RingAll, &names);
    let first = stage.caller();
    assert_eq!(rung(&mut stage, first).len(), limits::LIVE_LEGS_PER_CALL_MAX - 2);
    stage.fail(first, "op00");
    assert_eq!(rung(&mut stage, first), ops(&["op62"]), "one leg, one operator more");
    let second = stage.caller();
    assert_eq!(rung(&mut stage, second).len(), 7);
}

#[test]
fn a_log_out_withdraws_one_leg_of_ring_all_and_the_others_ring_on() {
    let mut stage = setup(Strategy::RingAll, &["a", "b"]);
    let call = stage.caller();
    stage.offers();
    stage.acd.log_out(stage.now, &op("a")).unwrap();
    assert_eq!(stage.decisions(), [Decision::Withdraw { call, operator: op("a") }]);
    stage.acd.offer_failed(stage.now, call, &op("a"), true);
    assert_eq!((stage.decisions(), stage.state("a"), stage.state("b")), (vec![], State::Offline, State::Offered));
}

#[test]
fn ring_progressively_adds_one_each_time_while_the_earlier_ring_on() {
    let mut stage = setup(Strategy::RingProgressively, &["a", "b", "c"]);
    let call = stage.caller();
    assert_eq!(rung(&mut stage, call), ops(&["a"]));
    assert_eq!(stage.acd.poll_timeout(), Some(stage.now.mono + PROGRESS));
    stage.pass(PROGRESS - Duration::from_nanos(1));
    assert_eq!(stage.offers(), []);
    stage.pass(Duration::from_nanos(1));
    assert_eq!(rung(&mut stage, call), ops(&["b"]));
    stage.fail(call, "a");
    assert_eq!(stage.offers(), [], "who fails is not replaced before the time of the next");
    stage.pass(PROGRESS);
    assert_eq!(rung(&mut stage, call), ops(&["c"]));
    stage.pass(PROGRESS);
    assert_eq!(rung(&mut stage, call), ops(&["a"]), "the operator has rested");
    stage.acd.answered(stage.now, call, &op("c"));
    assert_eq!(stage.acd.counts().1, [0, 2, 0, 1, 0, 0]);
    assert_eq!(stage.acd.poll_timeout(), None);
}

#[test]
fn ring_progressively_rings_the_next_at_once_when_no_other_operator_rings() {
    let mut stage = setup(Strategy::RingProgressively, &["a", "b", "c"]);
    let call = stage.caller();
    assert_eq!(rung(&mut stage, call), ops(&["a"]));
    stage.fail(call, "a");
    assert_eq!(rung(&mut stage, call), ops(&["b"]));
}

#[test]
fn ring_progressively_rings_a_newly_ready_operator_at_the_next_step() {
    let mut stage = setup(Strategy::RingProgressively, &["a", "b"]);
    stage.acd.pause(stage.now, &op("b"), "meal").unwrap();
    let call = stage.caller();
    assert_eq!(rung(&mut stage, call), ops(&["a"]));
    stage.acd.resume(stage.now, &op("b")).unwrap();
    assert_eq!(stage.offers(), []);
    stage.acd.pause(stage.now, &op("b"), "meal").unwrap();
    stage.pass(PROGRESS);
    assert_eq!(stage.offers(), []);
    stage.acd.resume(stage.now, &op("b")).unwrap();
    assert_eq!(rung(&mut stage, call), ops(&["b"]), "the time has come before");
}

#[test]
fn a_call_that_rings_all_goes_on_to_the_desks_of_its_escalation() {
    let escalation = vec![
        Escalation { after: Duration::from_secs(20), to: vec![DeskNo(2)] },
        Escalation { after: Duration::from_secs(40), to: Vec::new() },
    ];
    let fire = Desk { escalation, ..desk("fire", Strategy::RingAll, &[("a", 0)]) };
    let police = desk("police", Strategy::Linear, &[("b", 0), ("c", 0)]);
    let desks = vec![Desk::default(), fire, police];
    let mut stage = Stage::with(Settings { desks, ..settings() }, &["a", "b", "c", "d"]);
    let call = stage.caller_for(1, DeskNo(1));
    assert_eq!(rung(&mut stage, call), ops(&["a"]));
    stage.pass(Duration::from_secs(19));
    assert_eq!(stage.offers(), []);
    stage.pass(Duration::from_secs(1));
    assert_eq!(rung(&mut stage, call), ops(&["b", "c"]), "a rings on");
    stage.pass(Duration::from_secs(20));
    assert_eq!(rung(&mut stage, call), ops(&["d"]));
}

#[test]
fn escalation_and_overflow_add_desks_one_after_the_other_and_the_call_keeps_its_place() {
    let seconds = Duration::from_secs;
    let escalation =
        vec![Escalation { after: seconds(30), to: Vec::new() }, Escalation { after: seconds(10), to: vec![DeskNo(2)] }];
    let overflow = Overflow { after: Some(seconds(20)), length: None, to: vec![DeskNo(3)] };
    let fire = Desk { escalation, overflow, ..desk("fire", Strategy::LongestIdle, &[("a", 0)]) };
    let [police, water] =
        [("police", "b"), ("water", "c")].map(|(name, who)| desk(name, Strategy::Linear, &[(who, 0)]));
    let desks = vec![Desk::default(), fire, police, water];
    let mut stage = Stage::with(Settings { desks, wrap_up: Duration::ZERO, ..settings() }, &["a", "b", "c", "d"]);
    stage.acd.pause(stage.now, &op("a"), "meal").unwrap();
    let call = stage.caller_for(1, DeskNo(1));
    let mut seen = Vec::new();
    for second in 0..35 {
        for (offered, operator) in stage.offers() {
            assert_eq!(offered, call);
            seen.push((second, operator.clone()));
            stage.acd.pause(stage.now, &operator, "meal").unwrap();
            stage.fail(call, operator.as_str());
        }
        stage.pass(seconds(1));
    }
    assert_eq!(seen, [(10, op("b")), (20, op("c")), (30, op("d"))]);
}

#[test]
fn a_call_of_a_desk_that_rings_one_rings_one_wherever_it_goes() {
    let overflow = Overflow { after: Some(Duration::from_secs(1)), length: None, to: vec![DeskNo(1)] };
    let first = Desk { overflow, ..desk("", Strategy::LongestIdle, &[("x", 0)]) };
    let all = desk("all", Strategy::RingAll, &[("a", 0), ("b", 0)]);
    let mut stage = Stage::with(Settings { desks: vec![first, all], ..settings() }, &["a", "b", "x"]);
    stage.acd.pause(stage.now, &op("x"), "meal").unwrap();
    let call = stage.caller();
    stage.pass(Duration::from_secs(1));
    assert_eq!(rung(&mut stage, call), ops(&["a"]));
}

#[test]
fn a_ring_that_runs_goes_on_under_the_terms_with_which_it_began() {
    let mut stage = setup(Strategy::RingAll, &["a", "b"]);
    let call = stage.caller();
    stage.offers();
    stage.acd.configure(stage.now, settings());
    assert_eq!((stage.offers(), stage.acd.rung_for(call).count()), (vec![], 2));
    stage.acd.answered(stage.now, call, &op("a"));
    let next = stage.caller();
    assert_eq!(rung(&mut stage, next), ops(&["b"]));
}

#[test]
fn every_offer_tells_why_others_were_passed_over_and_names_no_more_than_a_handful() {
    let mut stage = Stage::new(&["ani", "budi", "cici", "dedi", "eka"]);
    let why = |stage: &mut Stage| match stage.decisions().pop() {
        Some(Decision::Offer { why, .. }) => why,
        other => panic!("{other:?}"),
    };
    stage.acd.pause(stage.now, &op("ani"), "meal").unwrap();
    let first = stage.caller();
    assert_eq!(why(&mut stage), "longest idle: 1000 ms, first of 4 ready; passed over: ani on break (meal)");
    stage.fail(first, "budi");
    assert_eq!(
        why(&mut stage),
        "longest idle: 1000 ms, first of 3 ready; passed over: ani on break (meal), budi rests 10000 ms more"
    );
    stage.acd.answered(stage.now, first, &op("cici"));
    stage.acd.log_out(stage.now, &op("eka")).unwrap();
    stage.caller();
    let expected = "longest idle: 2000 ms, first of 1 ready; passed over: ani on break (meal), budi rests 9000 ms more, cici talks";
    assert_eq!(why(&mut stage), expected, "who is not at work is not passed over");
    let names: Vec<String> = (0..100).map(|n| format!("op{n:02}")).collect();
    let mut stage = Stage::new(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for name in names.iter().take(99) {
        stage.acd.pause(stage.now, &op(name), &"x".repeat(500)).unwrap();
    }
    stage.caller();
    let why = why(&mut stage);
    assert!(why.ends_with(" and 94 more") && why.len() < 400, "{why}");
}

#[test]
fn an_operator_who_joins_a_ringing_call_gets_the_list_of_ringing_operators() {
    let mut stage = setup(Strategy::RingAll, &["a", "b"]);
    stage.caller();
    let whys: Vec<_> = stage.decisions().into_iter().map(|decision| format!("{decision:?}")).collect();
    assert!(whys[0].contains("\"ring-all: longest idle: 1000 ms, first of 2 ready\""), "{whys:?}");
    assert!(whys[1].contains("\"ring-all: longest idle: 1000 ms, first of 1 ready; 1 ring already\""), "{whys:?}");
}
