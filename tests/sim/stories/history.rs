//! A service that was killed starts again: what it knew of callers comes back when the database tells it, and is merged with what has
//! happened since.

use std::collections::BTreeMap;

use siaga::cdr::Cdr;
use siaga::cdr::fact::{Fact, FactId};
use siaga::cdr::past::{Past, PastCall};
use siaga::clock::Now;
use siaga::ids::CallId;
use siaga::switchboard::{CallBackView, ConsoleCommand, ConsoleReply, MarkView};

use super::call_back::{abandons, asks_console, calls_back, list};
use super::classes::{confirms, dials, is_served};
use super::transfer::{floor, refuses};
use super::*;

const ANI: &str = "081355501";
const BAYU: &str = "081355502";
const CITRA: &str = "081355503";
const DEWI: &str = "081355504";

/// What the database has of a run that was killed now.
pub(super) fn past(world: &World) -> Past {
    let mut calls: BTreeMap<CallId, Vec<Fact>> = BTreeMap::new();
    for fact in &world.facts {
        calls.extend(fact.call.filter(|call| !calls.contains_key(call)).map(|call| (call, Vec::new())));
        if let Some(facts) = fact.call.and_then(|call| calls.get_mut(&call)) {
            facts.push(fact.clone());
        }
    }
    let folded = calls.into_values().filter_map(|mut facts| {
        let id = FactId { seq: 0x7fff_ffff, ..facts[0].id };
        let (by, cause) = (Side::Service, EndCause::Interrupted);
        let kind = FactKind::Ended { by, cause, sip_status: None, q850: None };
        facts.push(Fact { id, at: world.now.wall, up: None, kind, ..facts[0].clone() });
        Cdr::fold(&facts).and_then(|cdr| PastCall::of(&cdr))
    });
    let holds_on = |fact: &&Fact| matches!(fact.kind, FactKind::CallerMarked { .. } | FactKind::Stationed { .. });
    Past { calls: folded.collect(), facts: world.facts.iter().filter(holds_on).cloned().collect() }
}

/// The service is killed, and is there again a minute later.
fn again(world: &World) -> (World, Past) {
    let mut next = floor();
    let wall = world.now.after(Duration::from_secs(60)).wall;
    next.now = Now { wall, ..next.now };
    (next, past(world))
}

pub(super) fn remembers(world: &mut World, past: &Past) {
    world.step(Input::Remember(Box::new(past.clone())));
}

fn marks(world: &mut World) -> Vec<MarkView> {
    let ConsoleReply::Marks { marks } = asks_console(world, ConsoleCommand::Marks) else { panic!("no marks") };
    marks
}

fn mark(world: &mut World, number: &str, hours: u32) {
    let wanted = ConsoleCommand::MarkCaller { number: number.to_owned(), hours, by: "ani".to_owned() };
    assert_eq!(asks_console(world, wanted), ConsoleReply::Done);
}

fn of<'v>(views: &'v [CallBackView], number: &str) -> &'v CallBackView {
    views.iter().find(|one| one.number == number).unwrap_or_else(|| panic!("{number} is not on {views:?}"))
}

/// A caller who is answered and hung up, and the wrap-up.
fn served(world: &mut World, number: &str) {
    is_served(world, number);
    world.pass(Duration::from_secs(11));
}

#[test]
fn the_list_of_call_backs_is_merged_with_what_has_happened_since() {
    let mut world = floor();
    served(&mut world, CITRA);
    for (number, seconds) in [(ANI, 8), (BAYU, 8), (CITRA, 8), (ANI, 3)] {
        abandons(&mut world, number, seconds);
        world.pass(Duration::from_secs(60));
    }
    let (_, out) = calls_back(&mut world);
    refuses(&mut world, TRUNK, &out, "486 Busy Here");
    let before = list(&mut world);
    // The caller waits and is unanswered when it happens.
    Caller::dials_as(&mut world, DEWI);

    let (mut world, past) = again(&world);
    abandons(&mut world, ANI, 12);
    served(&mut world, BAYU);
    assert_eq!(list(&mut world).len(), 1);
    remembers(&mut world, &past);
    let now = list(&mut world);
    let names: Vec<_> = now.iter().map(|one| one.number.as_str()).collect();
    assert_eq!(
        names,
        [CITRA, DEWI, ANI],
        "the oldest first, who was tried last, and no longer whom somebody spoke with"
    );
    let (was, is) = (of(&before, ANI), of(&now, ANI));
    assert_eq!((was.calls, was.short, was.tries), (2, 1, 1), "{was:?}");
    assert_eq!((is.calls, is.short, is.tries, is.tried), (3, 1, 1, was.tried));
    assert_eq!((is.first, is.longest_wait_ms), (was.first, 12_000));
    assert_eq!(of(&now, CITRA), of(&before, CITRA));
    remembers(&mut world, &past);
    assert_eq!(list(&mut world), now, "a second time changes nothing");
    // The waiting number is called: the call-back refers to its last call.
    let (_, out) = calls_back(&mut world);
    assert!(out.starts_with(&format!("INVITE sip:{CITRA}@")), "{out}");
}

#[test]
fn a_number_called_back_in_an_earlier_run_is_not_called_again() {
    let mut world = floor();
    abandons(&mut world, ANI, 8);
    let (mut placed, out) = calls_back(&mut world);
    world.receive(TRUNK, &response(&out, TRUNK, "200 OK", &sdp(TRUNK, 31_000)));
    placed.is_answered(&mut world);
    let (mut world, past) = again(&world);
    remembers(&mut world, &past);
    assert_eq!(list(&mut world), []);
}

#[test]
fn marks_and_pranks_are_those_of_before_but_for_what_was_said_since() {
    let mut world = floor();
    for _ in 0..2 {
        served(&mut world, ANI);
        dials(&mut world, "budi", BUDI, "*43");
    }
    for number in [BAYU, CITRA, DEWI] {
        mark(&mut world, number, 24);
    }
    mark(&mut world, DEWI, 0);
    let before = marks(&mut world);
    assert_eq!(before.len(), 3, "{before:?}");

    let (mut world, past) = again(&world);
    mark(&mut world, CITRA, 1);
    mark(&mut world, CITRA, 0);
    mark(&mut world, BAYU, 48);
    let newer = marks(&mut world)[0].clone();
    remembers(&mut world, &past);
    assert_eq!(marks(&mut world), [before[0].clone(), newer]);
    // The calls of the number are counted with the earlier ones.
    Caller::dials_as(&mut world, ANI);
    let known = world.facts.iter().rev().find_map(|fact| match fact.kind {
        FactKind::CallerKnown { calls, prank, .. } => Some((calls, prank)),
        _ => None,
    });
    assert_eq!(known, Some((3, true)));
}

#[test]
fn the_last_call_of_before_can_be_classed_by_phone_for_a_quarter_of_an_hour() {
    for (minutes, right) in [(0, true), (16, false)] {
        let mut world = floor();
        served(&mut world, ANI);
        world.pass(Duration::from_secs(60 * minutes));
        let (mut world, past) = again(&world);
        world.register("budi", BUDI);
        dials(&mut world, "budi", BUDI, "*42");
        assert!(!confirms(&world), "nothing is known yet");
        remembers(&mut world, &past);
        dials(&mut world, "budi", BUDI, "*42");
        assert_eq!(confirms(&world), right);
        let classed = world.facts.iter().find(|fact| matches!(fact.kind, FactKind::Disposed { .. }));
        assert_eq!(classed.map(|fact| fact.call), right.then(|| Some(past.calls[0].call)));
    }
    // The operator has had another call since.
    let mut world = floor();
    served(&mut world, ANI);
    let (mut world, past) = again(&world);
    served(&mut world, BAYU);
    remembers(&mut world, &past);
    dials(&mut world, "budi", BUDI, "*42");
    let classed = world.facts.iter().find(|fact| matches!(fact.kind, FactKind::Disposed { .. })).unwrap();
    let bayus = world.facts.iter().find(|fact| matches!(fact.kind, FactKind::Received { .. })).unwrap();
    assert_eq!(classed.call, bayus.call);
}
