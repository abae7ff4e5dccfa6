//! Stations: phones of the room at which operators log in by number and PIN, one after the other.

use siaga::cdr::fact::Callee;
use siaga::ids::OperatorId;
use siaga::media::command::Prompt;
use siaga::switchboard::{Account, ConsoleCommand, ConsoleReply, Pin, StationLogin, StationView};

use super::attended::Placed;
use super::call_back::asks_console;
use super::classes::{confirms, dials};
use super::history::{past, remembers};
use super::ring_all::{picks_up, rings, states};
use super::transfer::record;
use super::*;

/// The phones of two stations.
pub(super) const DESK1: &str = "127.0.0.3:5101";
pub(super) const DESK2: &str = "127.0.0.3:5102";
const BUDIS: &str = "2580";
const SARIS: &str = "97531";
const INFO: &str = "Content-Type: application/dtmf-relay\r\n";

fn accounts() -> Vec<Account> {
    let station_login = |number: &str, digits: &str| StationLogin::new(number, Pin::new([5; 16], digits).unwrap());
    let operator = |name: &str, number: &str, pin: &str| Account {
        station_login: station_login(number, pin),
        ..super::super::world::account(name)
    };
    let station = |name: &str| Account { station: true, ..super::super::world::account(name) };
    vec![operator("budi", "101", BUDIS), operator("sari", "102", SARIS), station("desk1"), station("desk2")]
}

fn room_with(settings: siaga::switchboard::Settings) -> World {
    let mut world = World::new(settings, &[]);
    world.step(Input::Accounts(accounts()));
    world.register("desk1", DESK1);
    world.register("desk2", DESK2);
    world
}

pub(super) fn room() -> World {
    room_with(settings())
}

/// Budi has logged in at the first of two stations.
pub(super) fn seated() -> World {
    let mut world = room();
    sits(&mut world, ("desk1", DESK1), "101", BUDIS);
    world
}

/// What the phone that dialled is told by a sound.
fn told(world: &World) -> Option<Prompt> {
    world.media.iter().rev().find_map(|command| match command {
        Command::Play { first, .. } => Some(*first),
        _ => None,
    })?
}

/// The port of the phone that was last played something.
fn played(world: &World) -> AnchorId {
    let last = world.media.iter().rev().find_map(|command| match command {
        Command::Play { anchor, .. } => Some(*anchor),
        _ => None,
    });
    last.unwrap()
}

/// Dials a number's log-in at a station and keys digits (RFC 4733); returns the prompt.
fn keys(world: &mut World, (station, at): (&'static str, &'static str), number: &str, digits: &str) -> Option<Prompt> {
    dials(world, station, at, &format!("*17{number}"));
    assert_eq!(told(world), Some(Prompt::Pin), "he is asked, whoever he is");
    let anchor = played(world);
    world.step(Input::Media(Event::Played { anchor }));
    assert!(!world.has(at, "BYE"), "he is still keying");
    for digit in digits.chars() {
        world.step(Input::Media(Event::Digit { anchor, digit }));
    }
    let heard = told(world).filter(|prompt| *prompt != Prompt::Pin);
    if heard.is_some() {
        world.step(Input::Media(Event::Played { anchor }));
        let bye = world.take(at, "BYE");
        world.receive(at, &response(&bye, at, "200 OK", ""));
    }
    heard
}

fn sits(world: &mut World, station: (&'static str, &'static str), number: &str, pin: &str) {
    assert_eq!(keys(world, station, number, &format!("{pin}#")), Some(Prompt::Confirm));
}

/// Who sits at which station.
fn seats(world: &mut World) -> Vec<Option<String>> {
    let ConsoleReply::Operators { stations, operators } = asks_console(world, ConsoleCommand::Operators) else {
        panic!("no stations")
    };
    assert!(operators.iter().all(|view| !view.operator.as_str().starts_with("desk")), "a station is no operator");
    stations.into_iter().map(|StationView { operator, .. }| operator.map(|one| one.to_string())).collect()
}

fn named(callee: &Callee) -> String {
    match callee {
        Callee::Operator(operator) => operator.to_string(),
        Callee::Number(number) => number.clone(),
    }
}

fn some(name: &str) -> Option<String> {
    Some(name.to_owned())
}

fn ends(world: &mut World, at: &str, caller: &mut Caller) {
    caller.hangs_up(world);
    let bye = world.take(at, "BYE");
    world.receive(at, &response(&bye, at, "200 OK", ""));
}

#[test]
fn an_operator_logged_in_at_a_station_gets_calls_there_and_is_credited_for_them() {
    let mut world = room();
    assert_eq!((seats(&mut world), states(&world)), (vec![None, None], [2, 0, 0, 0, 0, 0]));
    sits(&mut world, ("desk1", DESK1), "101", BUDIS);
    assert_eq!((seats(&mut world), states(&world)), (vec![some("budi"), None], [1, 1, 0, 0, 0, 0]));
    let mut caller = Caller::dials(&mut world);
    let invite = answers(&mut world, DESK1);
    assert!(!world.has(DESK2, "INVITE"));
    caller.is_answered(&mut world);
    world.pass(Duration::from_secs(7));
    operator_hangs_up(&mut world, DESK1, &invite);
    caller.is_hung_up(&mut world);
    let talks: Vec<_> =
        record(&world).talks.iter().map(|talk| (named(&talk.with), talk.to.millis_since(talk.from))).collect();
    assert_eq!(talks, [("budi".to_owned(), 7_000)]);
    dials(&mut world, "desk1", DESK1, "*41");
    assert!(confirms(&world), "he speaks for himself from there");
    assert!(matches!(record(&world).disposition, Some(disposition) if disposition.by == "budi"));
    world.assert_empty_in_the_end();
}

#[test]
fn an_empty_station_cannot_call() {
    let mut world = room();
    world.register("sari", SARI);
    for code in ["*11", "*41", "sari", "*12", "113"] {
        let placed = Placed::to(&mut world, "desk1", DESK1, code);
        world.take(DESK1, "SIP/2.0 403");
        drop(placed);
    }
    assert!(!world.has(SARI, "INVITE"));
    let command = ConsoleCommand::LogIn { operator: OperatorId::parse("desk1").unwrap() };
    assert_eq!(asks_console(&mut world, command), ConsoleReply::UnknownOperator, "a station is never at work");
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn an_operators_own_phone_is_no_station() {
    let mut world = room();
    world.register("budi", BUDI);
    dials(&mut world, "budi", BUDI, "*17101");
    assert_eq!(told(&world), Some(Prompt::Refused));
    assert_eq!(seats(&mut world), [None, None]);
}

#[test]
fn a_wrong_pin_an_unknown_number_and_a_missing_pin_log_no_operator_in() {
    let mut world = room();
    for (number, keyed) in [("101", "2581#"), ("999", "2580#"), ("102", "2580#"), ("101", "#")] {
        assert_eq!(keys(&mut world, ("desk1", DESK1), number, keyed), Some(Prompt::Refused), "{number} {keyed}");
    }
    assert_eq!(seats(&mut world), [None, None]);
    for code in ["*17", "*171a", "*17123456789"] {
        // The former calls are over.
        world.pass(Duration::from_secs(31));
        world.sent.clear();
        dials(&mut world, "desk1", DESK1, code);
        assert_eq!(told(&world), Some(Prompt::Refused), "{code}");
    }
    assert_eq!(keys(&mut world, ("desk1", DESK1), "101", "99*2580#"), Some(Prompt::Confirm), "* begins anew");
    let told = world.facts.iter().map(|fact| serde_json::to_string(fact).unwrap()).collect::<String>();
    assert!(!told.contains(BUDIS) && !told.contains("2581"), "no fact has a PIN: {told}");
    assert_eq!(world.count(|kind| matches!(kind, FactKind::PinRefused { locked: false, .. })), 3);
}

#[test]
fn a_pin_may_come_by_info() {
    let mut world = room();
    world.media.clear();
    let mut placed = Placed::to(&mut world, "desk1", DESK1, "*17101");
    let ok = placed.is_answered(&mut world);
    for (cseq, digit) in (3..).zip("2580#".chars()) {
        world.asks(DESK1, &ok, "INFO", cseq, INFO, &format!("Signal={digit}\r\n"));
        world.take(DESK1, "SIP/2.0 200");
    }
    assert_eq!((told(&world), seats(&mut world)), (Some(Prompt::Confirm), vec![some("budi"), None]));
}

#[test]
fn five_wrong_pins_close_a_station_to_an_operator_for_a_quarter_of_an_hour_and_no_other_station() {
    let mut world = room();
    for station in [("desk1", DESK1), ("desk2", DESK2)] {
        for _ in 0..5 {
            assert_eq!(keys(&mut world, station, "101", "0000#"), Some(Prompt::Refused));
        }
        assert_eq!(keys(&mut world, station, "101", "2580#"), Some(Prompt::Refused), "the right one is too late");
        if station.0 == "desk1" {
            assert_eq!(
                keys(&mut world, ("desk2", DESK2), "101", "2580#"),
                Some(Prompt::Confirm),
                "not at another station"
            );
        }
    }
    assert_eq!(world.count(|kind| matches!(kind, FactKind::PinRefused { locked: true, .. })), 4);
    assert_eq!(world.guessing, [("budi".to_owned(), true)]);
    sits(&mut world, ("desk1", DESK1), "102", SARIS);
    world.register("desk1", DESK1);
    world.register("desk2", DESK2);
    world.pass(Duration::from_secs(15 * 60 + 1));
    world.register("desk2", DESK2);
    sits(&mut world, ("desk2", DESK2), "101", BUDIS);
}

#[test]
fn an_operator_who_does_not_enter_the_pin_is_hung_up_on() {
    let mut world = room();
    assert_eq!(keys(&mut world, ("desk1", DESK1), "101", "25"), None);
    world.pass(Duration::from_secs(29));
    assert!(!world.has(DESK1, "BYE"));
    world.pass(Duration::from_secs(2));
    let bye = world.take(DESK1, "BYE");
    world.receive(DESK1, &response(&bye, DESK1, "200 OK", ""));
    assert_eq!(seats(&mut world), [None, None]);
    world.assert_empty_in_the_end();
}

#[test]
fn the_next_shift_replaces_an_operator_who_forgot_to_log_out_but_not_during_a_call() {
    let mut world = room();
    sits(&mut world, ("desk1", DESK1), "101", BUDIS);
    let mut caller = Caller::dials(&mut world);
    answers(&mut world, DESK1);
    caller.is_answered(&mut world);
    let refused = keys(&mut world, ("desk1", DESK1), "102", &format!("{SARIS}#"));
    assert_eq!((refused, seats(&mut world)), (Some(Prompt::Refused), vec![some("budi"), None]));
    ends(&mut world, DESK1, &mut caller);
    sits(&mut world, ("desk1", DESK1), "102", SARIS);
    assert_eq!((seats(&mut world), states(&world)), (vec![some("sari"), None], [1, 1, 0, 0, 0, 0]));
    let mut caller = Caller::dials(&mut world);
    answers(&mut world, DESK1);
    caller.is_answered(&mut world);
    let by_sari = |kind: &FactKind| matches!(kind, FactKind::Answered { by, .. } if named(by) == "sari");
    assert_eq!(world.count(by_sari), 1);
    ends(&mut world, DESK1, &mut caller);
    world.assert_empty_in_the_end();
}

#[test]
fn an_operator_who_moves_to_another_station_leaves_the_old_one() {
    let mut world = room();
    sits(&mut world, ("desk1", DESK1), "101", BUDIS);
    sits(&mut world, ("desk2", DESK2), "101", BUDIS);
    assert_eq!((seats(&mut world), states(&world)), (vec![None, some("budi")], [1, 1, 0, 0, 0, 0]));
    let caller = Caller::dials(&mut world);
    rings(&mut world, DESK2);
    assert!(!world.has(DESK1, "INVITE"));
    let refused = keys(&mut world, ("desk1", DESK1), "101", &format!("{BUDIS}#"));
    assert_eq!(refused, Some(Prompt::Refused), "his phone rings: he stays");
    caller.cancels(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn the_operators_own_phone_rings_beside_the_station() {
    let mut world = room();
    world.register("budi", BUDI);
    sits(&mut world, ("desk1", DESK1), "101", BUDIS);
    let mut caller = Caller::dials(&mut world);
    let (own, station) = (rings(&mut world, BUDI), rings(&mut world, DESK1));
    picks_up(&mut world, BUDI, &own);
    super::ring_all::is_cancelled(&mut world, DESK1, &station);
    caller.is_answered(&mut world);
    ends(&mut world, BUDI, &mut caller);
    world.pass(Duration::from_secs(11));
    dials(&mut world, "desk1", DESK1, "*12");
    assert_eq!((confirms(&world), seats(&mut world)), (true, vec![None, None]));
    assert_eq!(states(&world), [2, 0, 0, 0, 0, 0], "logged out is logged out, wherever he has a phone");
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn an_operator_who_logs_out_in_a_call_keeps_the_station_until_its_end() {
    let mut world = room();
    sits(&mut world, ("desk1", DESK1), "101", BUDIS);
    let mut caller = Caller::dials(&mut world);
    answers(&mut world, DESK1);
    caller.is_answered(&mut world);
    dials(&mut world, "desk1", DESK1, "*12");
    assert_eq!((confirms(&world), seats(&mut world)), (true, vec![some("budi"), None]));
    world.sent.clear();
    ends(&mut world, DESK1, &mut caller);
    world.pass(Duration::from_secs(11));
    assert_eq!((seats(&mut world), states(&world)), (vec![None, None], [2, 0, 0, 0, 0, 0]));
    let empty = world.count(|kind| matches!(kind, FactKind::Stationed { operator: None, .. }));
    assert_eq!(empty, 1);
    world.assert_empty_in_the_end();
}

#[test]
fn a_supervisor_can_log_an_operator_out_of_a_station() {
    let mut world = room();
    sits(&mut world, ("desk1", DESK1), "101", BUDIS);
    let command = ConsoleCommand::LogOut { operator: OperatorId::parse("budi").unwrap() };
    assert_eq!(asks_console(&mut world, command), ConsoleReply::Done);
    assert_eq!((seats(&mut world), states(&world)), (vec![None, None], [2, 0, 0, 0, 0, 0]));
}

#[test]
fn in_an_unstaffed_centre_empty_stations_ring_and_can_answer() {
    let mut world = room();
    let mut caller = Caller::dials(&mut world);
    let one = rings(&mut world, DESK1);
    let other = rings(&mut world, DESK2);
    picks_up(&mut world, DESK2, &other);
    super::ring_all::is_cancelled(&mut world, DESK1, &one);
    caller.is_answered(&mut world);
    let refused = keys(&mut world, ("desk2", DESK2), "101", &format!("{BUDIS}#"));
    assert_eq!(refused, Some(Prompt::Refused), "the phone talks");
    ends(&mut world, DESK2, &mut caller);
    let by_desk = |kind: &FactKind| matches!(kind, FactKind::Answered { by, .. } if named(by) == "desk2");
    assert_eq!(world.count(by_desk), 1);
    world.pass(Duration::from_secs(11));
    sits(&mut world, ("desk2", DESK2), "101", BUDIS);
    world.assert_empty_in_the_end();
}

#[test]
fn a_call_to_an_occupied_station_reaches_its_operator() {
    let mut world = room();
    world.register("sari", SARI);
    sits(&mut world, ("desk1", DESK1), "101", BUDIS);
    for whom in ["budi", "desk1"] {
        let mut placed = Placed::to(&mut world, "sari", SARI, whom);
        answers(&mut world, DESK1);
        placed.is_answered(&mut world);
        let to_budi = |kind: &FactKind| matches!(kind, FactKind::Placed { to, .. } if named(to) == "budi");
        assert!(world.count(to_budi) > 0, "{whom}");
        placed.asks(&mut world, "BYE", 3, "");
        let bye = world.take(DESK1, "BYE");
        world.receive(DESK1, &response(&bye, DESK1, "200 OK", ""));
        world.sent.clear();
        world.pass(Duration::from_secs(1));
        world.facts.clear();
    }
}

#[test]
fn an_operator_is_unreachable_while_the_stations_phone_is_gone() {
    let mut world = room();
    sits(&mut world, ("desk1", DESK1), "101", BUDIS);
    world.register_for("desk1", DESK1, 0);
    assert_eq!((seats(&mut world), states(&world)), (vec![some("budi"), None], [2, 0, 0, 0, 0, 0]));
    world.register("desk1", DESK1);
    assert_eq!(states(&world), [1, 1, 0, 0, 0, 0]);
    let caller = Caller::dials(&mut world);
    rings(&mut world, DESK1);
    caller.cancels(&mut world);
}

#[test]
fn accounts_that_are_removed_leave_no_seat_behind() {
    let mut world = room();
    sits(&mut world, ("desk1", DESK1), "101", BUDIS);
    sits(&mut world, ("desk2", DESK2), "102", SARIS);
    let left = accounts().into_iter().filter(|one| !["budi", "desk2"].contains(&one.operator.as_str())).collect();
    world.step(Input::Accounts(left));
    assert_eq!((seats(&mut world), states(&world)), (vec![None], [1, 0, 0, 0, 0, 0]));
    world.assert_empty_in_the_end();
}

#[test]
fn a_station_removed_during_pin_entry_logs_no_operator_in() {
    let mut world = room();
    assert_eq!(keys(&mut world, ("desk1", DESK1), "101", BUDIS), None);
    let anchor = played(&world);
    let left = accounts().into_iter().filter(|one| one.operator.as_str() != "desk1").collect();
    world.step(Input::Accounts(left));
    world.step(Input::Media(Event::Digit { anchor, digit: '#' }));
    assert_eq!((told(&world), seats(&mut world)), (Some(Prompt::Refused), vec![None]));
    let budi = accounts().into_iter().filter(|one| one.operator.as_str() != "budi").collect();
    assert_eq!(keys(&mut world, ("desk2", DESK2), "101", BUDIS), None);
    let anchor = played(&world);
    world.step(Input::Accounts(budi));
    world.step(Input::Media(Event::Digit { anchor, digit: '#' }));
    assert_eq!((told(&world), seats(&mut world)), (Some(Prompt::Refused), vec![None, None]));
}

#[test]
fn after_a_restart_all_operators_are_at_their_stations() {
    let mut world = room();
    sits(&mut world, ("desk1", DESK1), "101", BUDIS);
    sits(&mut world, ("desk2", DESK2), "102", SARIS);
    world.register("sari", SARI);
    dials(&mut world, "desk2", DESK2, "*12");
    for settings in [settings(), logged_in_by_hand()] {
        let mut next = room_with(settings);
        next.now.wall = world.now.after(Duration::from_secs(60)).wall;
        remembers(&mut next, &past(&world));
        assert_eq!(seats(&mut next), [some("budi"), None]);
        assert_eq!(states(&next)[1], 1, "he is at work");
        let caller = Caller::dials(&mut next);
        rings(&mut next, DESK1);
        caller.cancels(&mut next);
    }
}

#[test]
fn changes_since_the_restart_count_and_no_log_in_lasts_longer_than_a_day() {
    let mut world = room();
    sits(&mut world, ("desk1", DESK1), "101", BUDIS);
    let mut next = room();
    next.now.wall = world.now.after(Duration::from_secs(60)).wall;
    sits(&mut next, ("desk1", DESK1), "102", SARIS);
    remembers(&mut next, &past(&world));
    assert_eq!(seats(&mut next), [some("sari"), None]);
    let mut late = room();
    late.now.wall = world.now.after(Duration::from_secs(25 * 3_600)).wall;
    remembers(&mut late, &past(&world));
    assert_eq!(seats(&mut late), [None, None]);
}

#[test]
fn by_hand_the_log_in_at_a_station_is_the_log_in() {
    let mut world = room_with(logged_in_by_hand());
    assert_eq!(states(&world), [2, 0, 0, 0, 0, 0]);
    sits(&mut world, ("desk1", DESK1), "101", BUDIS);
    assert_eq!(states(&world), [1, 1, 0, 0, 0, 0]);
}

fn logged_in_by_hand() -> siaga::switchboard::Settings {
    let mut settings = settings();
    settings.acd.login_on_register = false;
    settings
}

#[test]
fn a_call_that_the_console_places_rings_where_its_operator_sits_and_never_an_empty_station() {
    let mut world = room();
    world.register("sari", SARI);
    let place = |operator: &str| ConsoleCommand::Place {
        operator: OperatorId::parse(operator).unwrap(),
        to: "sari".to_owned(),
    };
    assert_eq!(asks_console(&mut world, place("desk1")), ConsoleReply::UnknownOperator);
    let desk1 = OperatorId::parse("desk1").unwrap();
    let caller = Caller::dials(&mut world);
    let call = world.facts.iter().rev().find_map(|fact| fact.call).unwrap();
    assert_eq!(
        asks_console(&mut world, ConsoleCommand::OfferTo { call, operator: desk1 }),
        ConsoleReply::UnknownOperator
    );
    caller.cancels(&mut world);
    let invite = world.take(SARI, "INVITE");
    world.receive(SARI, &response(&invite, SARI, "487 Request Terminated", ""));
    world.pass(Duration::from_secs(10));
    world.sent.clear();
    sits(&mut world, ("desk1", DESK1), "101", BUDIS);
    assert!(matches!(asks_console(&mut world, place("budi")), ConsoleReply::Calling { .. }));
    answers(&mut world, DESK1);
    answers(&mut world, SARI);
    assert_eq!(world.count(|kind| matches!(kind, FactKind::Answered { by, .. } if named(by) == "sari")), 1);
    world.step(Input::HangUpAll);
    for at in [DESK1, SARI] {
        let bye = world.take(at, "BYE");
        world.receive(at, &response(&bye, at, "200 OK", ""));
    }
}
