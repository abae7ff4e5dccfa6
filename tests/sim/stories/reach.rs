//! Keep-alives to phones: one that does not respond is rung no more, as long as another phone of the centre does.

use super::ring_all::{picks_up, rings, states};
use super::*;
use siaga::switchboard::Settings;

/// Where budi's phone registers from, while it listens at `BUDI`.
const SOURCE: &str = "127.0.0.3:49152";

fn asking() -> Settings {
    let mut settings = settings();
    settings.phones.keep_alive = Some(seconds(30));
    settings
}

/// All phones but `silent` respond to keep-alives for so long.
fn respond(world: &mut World, span: u64, silent: &[&str]) {
    for _ in 0..span {
        world.pass(seconds(1));
        for (to, text) in std::mem::take(&mut world.sent) {
            let at = to.to_string();
            if text.starts_with("OPTIONS") && !silent.contains(&at.as_str()) {
                world.receive(&at, &response(&text, &at, "200 OK", ""));
            }
        }
    }
}

#[test]
fn a_phone_that_does_not_respond_to_keep_alives_is_not_rung_until_it_responds() {
    let mut world = World::new(asking(), &["budi", "sari"]);
    world.register("budi", BUDI);
    world.register("sari", SARI);
    respond(&mut world, 61, &[BUDI]);
    assert_eq!(world.reach, []);
    respond(&mut world, 2, &[BUDI]);
    assert_eq!(world.reach, [(format!("sip:budi@{BUDI}"), true)]);
    assert_eq!(states(&world), [1, 1, 0, 0, 0, 0]);
    assert_eq!(world.switchboard.gauges().bindings_unreachable, 1);
    let mut caller = Caller::dials(&mut world);
    assert!(!world.has(BUDI, "INVITE"));
    answers(&mut world, SARI);
    caller.is_answered(&mut world);
    respond(&mut world, 30, &[]);
    assert_eq!(world.reach.last(), Some(&(format!("sip:budi@{BUDI}"), false)));
    assert_eq!((states(&world), world.switchboard.gauges().bindings_unreachable), ([0, 1, 0, 1, 0, 0], 0));
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn each_phone_of_an_operator_is_asked_and_one_that_responds_keeps_the_operator() {
    const TABLET: &str = "127.0.0.3:5094";
    let mut world = World::new(asking(), &["budi", "sari"]);
    world.register("budi", BUDI);
    world.register("budi", TABLET);
    respond(&mut world, 70, &[BUDI]);
    assert_eq!(world.reach, [(format!("sip:budi@{BUDI}"), true)]);
    assert_eq!(states(&world), [1, 1, 0, 0, 0, 0]);
    let caller = Caller::dials(&mut world);
    assert!(world.has(TABLET, "INVITE") && !world.has(BUDI, "INVITE"));
    caller.cancels(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn the_last_phone_is_not_marked_and_the_one_that_is_left_counts_again() {
    let mut world = World::new(asking(), &["budi", "sari"]);
    world.register("budi", BUDI);
    world.register("sari", SARI);
    respond(&mut world, 70, &[BUDI, SARI]);
    assert_eq!(world.reach.len(), 1, "{:?}", world.reach);
    assert_eq!(states(&world), [1, 1, 0, 0, 0, 0]);
    let (marked, other) = match world.reach[0].0.contains("budi") {
        true => (BUDI, "sari"),
        false => (SARI, "budi"),
    };
    world.register_for(other, if other == "sari" { SARI } else { BUDI }, 0);
    let caller = Caller::dials(&mut world);
    assert!(world.has(marked, "INVITE"), "no other phone can be rung");
    assert_eq!(states(&world), [1, 0, 1, 0, 0, 0]);
    caller.cancels(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_phone_that_responds_only_where_it_registers_from_is_reachable() {
    let mut world = World::new(asking(), &["budi", "sari"]);
    world.register_as("budi", SOURCE, &format!("<sip:budi@{BUDI}>"), 600, "");
    world.register("sari", SARI);
    respond(&mut world, 130, &[BUDI]);
    assert_eq!(world.reach, []);
    respond(&mut world, 70, &[BUDI, SOURCE]);
    assert_eq!(world.reach, [(format!("sip:budi@{BUDI}"), true)]);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_keep_alive_ends_neither_a_phone_that_rings_nor_a_talk() {
    let mut settings = asking();
    settings.calls.ring = seconds(120);
    let mut world = World::new(settings, &["budi", "sari"]);
    world.register("budi", BUDI);
    world.pass(seconds(1));
    world.register("sari", SARI);
    let mut caller = Caller::dials(&mut world);
    let invite = rings(&mut world, BUDI);
    respond(&mut world, 70, &[BUDI]);
    assert_eq!(world.reach.len(), 1);
    assert_eq!(states(&world), [0, 1, 1, 0, 0, 0], "it rings on");
    picks_up(&mut world, BUDI, &invite);
    caller.hears_200(&mut world);
    assert_eq!(world.reach.len(), 2, "it has responded");
    caller.acknowledges(&mut world);
    respond(&mut world, 100, &[BUDI]);
    assert_eq!(states(&world), [0, 1, 0, 1, 0, 0]);
    assert_eq!(endings(&world), []);
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn an_unreachable_binding_makes_room_for_a_new_one_first() {
    let mut world = World::new(asking(), &["budi", "sari"]);
    world.register("sari", SARI);
    let place = |n: u16| format!("127.0.0.3:{}", 5_200 + n);
    for n in 0..8 {
        world.register("budi", &place(n));
        world.pass(seconds(1));
    }
    let silent = place(5);
    respond(&mut world, 70, &[&silent]);
    assert_eq!(world.reach, [(format!("sip:budi@{silent}"), true)]);
    let answer = world.register_with("budi", &place(8), 600, "", "");
    let kept: Vec<u16> = (0..9).filter(|n| answer.contains(&place(*n))).collect();
    assert_eq!(kept, [0, 1, 2, 3, 4, 6, 7, 8]);
}

#[test]
fn without_keep_alives_an_unreachable_phone_is_asked_until_it_responds() {
    let mut world = World::new(settings(), &["budi", "sari"]);
    world.register("budi", BUDI);
    world.pass(seconds(1));
    world.register("sari", SARI);
    let caller = Caller::dials(&mut world);
    world.take(BUDI, "INVITE");
    world.pass(seconds(5));
    assert_eq!(world.reach, [(format!("sip:budi@{BUDI}"), true)]);
    caller.cancels(&mut world);
    world.sent.clear();
    world.pass(seconds(29));
    assert!(!world.has(BUDI, "OPTIONS"));
    world.pass(seconds(1));
    assert!(world.has(BUDI, "OPTIONS") && !world.has(SARI, "OPTIONS"));
    world.sent.clear();
    // The first one may be lost.
    world.pass(seconds(30));
    respond(&mut world, 1, &[]);
    assert_eq!(world.reach.last(), Some(&(format!("sip:budi@{BUDI}"), false)));
    assert_eq!(states(&world), [0, 2, 0, 0, 0, 0]);
    world.pass(seconds(40));
    world.sent.clear();
    world.pass(seconds(120));
    assert!(!world.has(BUDI, "OPTIONS") && !world.has(SARI, "OPTIONS"), "all phones are reachable");
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn the_registers_of_one_phone_do_not_put_off_the_question_to_another() {
    let tablet = "127.0.0.3:5094";
    let mut world = World::new(settings(), &["budi", "sari"]);
    world.register("budi", BUDI);
    world.register("budi", tablet);
    let caller = Caller::dials(&mut world);
    rings(&mut world, tablet);
    world.pass(seconds(5));
    assert_eq!(world.reach, [(format!("sip:budi@{BUDI}"), true)]);
    caller.cancels(&mut world);
    world.sent.clear();
    for _ in 0..4 {
        world.pass(seconds(10));
        world.register("budi", tablet);
    }
    assert!(world.has(BUDI, "OPTIONS"));
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_phone_that_shows_its_credentials_in_a_call_of_its_own_is_reachable_again() {
    let mut world = World::new(settings(), &["budi", "sari"]);
    world.register("budi", BUDI);
    world.register("sari", SARI);
    let caller = Caller::dials(&mut world);
    let silent = if world.has(BUDI, "INVITE") { ("budi", BUDI) } else { ("sari", SARI) };
    world.pass(seconds(6));
    let contact = format!("sip:{}@{}", silent.0, silent.1);
    assert_eq!(world.reach, [(contact.clone(), true)]);
    caller.cancels(&mut world);
    world.sent.clear();
    super::classes::dials(&mut world, silent.0, silent.1, "*14");
    assert_eq!(world.reach, [(contact.clone(), true), (contact, false)]);
}

#[test]
fn a_phone_that_rings_keeps_its_binding_when_many_others_register() {
    for source in [BUDI, SOURCE] {
        let mut world = World::new(settings(), &["budi"]);
        world.register_as("budi", source, &format!("<sip:budi@{BUDI}>"), 600, "");
        let caller = Caller::dials(&mut world);
        let invite = world.take(BUDI, "INVITE");
        world.receive(BUDI, &response(&invite, BUDI, "180 Ringing", ""));
        let mut bound = String::new();
        for n in 0..siaga::limits::BINDINGS_PER_AOR_MAX {
            world.pass(seconds(1));
            bound = world.register_with("budi", &format!("127.0.0.3:{}", 5_100 + n), 600, "", "");
        }
        assert!(bound.contains(&format!("<sip:budi@{BUDI}>")), "{bound}");
        caller.cancels(&mut world);
    }
}

#[test]
fn when_the_last_reachable_phone_unregisters_the_others_count_as_reachable() {
    let mut world = World::new(settings(), &["budi", "sari"]);
    world.register("budi", BUDI);
    world.register("sari", SARI);
    let caller = Caller::dials(&mut world);
    let (name, reachable) = if world.has(BUDI, "INVITE") { ("sari", SARI) } else { ("budi", BUDI) };
    world.pass(seconds(6));
    assert_eq!(world.switchboard.gauges().bindings_unreachable, 1);
    caller.cancels(&mut world);
    world.register_for(name, reachable, 0);
    assert_eq!(world.switchboard.gauges().bindings_unreachable, 0);
}
