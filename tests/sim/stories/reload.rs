//! Settings that change while calls and registrations exist.

use siaga::acd::desk::Desk;
use siaga::switchboard::DeskCalls;

use super::peer_probe::talking;
use super::*;

/// Desks of these names. Calls to 112 belong to the last one.
fn desks(names: &[&str]) -> Settings {
    let mut settings = settings();
    settings.acd.desks = names.iter().map(|name| Desk { name: (*name).to_owned(), ..Desk::default() }).collect();
    settings.numbers.desks =
        (1..).zip(names).map(|(priority, _)| DeskCalls { priority, ..DeskCalls::default() }).collect();
    settings.numbers.desks.last_mut().unwrap().numbers = vec!["112".to_owned()];
    settings
}

/// Desk and priority of each call that entered the queue.
fn queued(world: &World) -> Vec<(String, u8)> {
    let facts = world.facts.iter().filter_map(|fact| match &fact.kind {
        FactKind::Queued { desk, priority, .. } => Some((desk.clone(), *priority)),
        _ => None,
    });
    facts.collect()
}

#[test]
fn a_call_returns_to_its_desk_after_a_reload_has_renumbered_the_desks() {
    for (now, expected) in
        [(["general", "police", "fire"], ("fire", 3)), (["other", "general", "police"], ("other", 1))]
    {
        let (mut world, caller, _) = talking(desks(&["general", "fire"]), &["budi"]);
        let mut new = desks(&now);
        new.acd.wrap_up = seconds(600);
        world.step(Input::Configure(Box::new(new)));
        let (_, anchor) = ports(&world);
        world.step(Input::Media(Event::Silent { anchor, limit: None }));
        let options = world.take(BUDI, "OPTIONS");
        world.receive(BUDI, &response(&options, BUDI, "481 Call/Transaction Does Not Exist", ""));
        assert_eq!(queued(&world), [("fire".to_owned(), 2), (expected.0.to_owned(), expected.1)]);
        caller.hangs_up(&mut world);
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}

#[test]
fn keep_alives_to_registered_phones_begin_and_end_with_the_reload() {
    let mut world = World::new(settings(), &["budi"]);
    world.register("budi", BUDI);
    let mut with = settings();
    with.phones.keep_alive = Some(seconds(30));
    world.step(Input::Configure(Box::new(with.clone())));
    world.pass(seconds(20));
    // A reload that does not change the interval does not postpone it.
    world.step(Input::Configure(Box::new(with)));
    world.pass(seconds(10));
    let ping = world.take(BUDI, "OPTIONS");
    world.receive(BUDI, &response(&ping, BUDI, "200 OK", ""));
    world.step(Input::Configure(Box::new(settings())));
    world.pass(seconds(100));
    assert!(!world.has(BUDI, "OPTIONS"), "{:#?}", world.sent);
    world.assert_empty_in_the_end();
}

#[test]
fn limits_of_registrations_apply_from_the_reload_on() {
    let mut world = World::new(settings(), &["budi"]);
    let mut short = settings();
    (short.phones.expires_min, short.phones.expires_max) = (seconds(60), seconds(120));
    world.step(Input::Configure(Box::new(short)));
    let accepted = world.register_with("budi", BUDI, 600, "", "");
    assert!(header(&accepted, "Contact").contains("expires=120"), "{accepted}");
    world.assert_empty_in_the_end();
}
