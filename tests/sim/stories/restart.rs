//! The service is killed during a story, and a new one gets the state of the old one: phones are rung at once, breaks and log-outs
//! stay, terms last for their length. Also a start before the accounts can be read.

use std::collections::BTreeMap;

use siaga::acd::{OperatingMode, State};
use siaga::clock::{Now, Timestamp};
use siaga::ids::OperatorId;
use siaga::sip::flow::{ConnectionId, Transport};
use siaga::switchboard::{Account, AccountState, ConsoleCommand, ConsoleReply, Output, Restored, Settings};

use super::call_back::{abandons, list};
use super::classes::dials;
use super::*;
use crate::world::account;

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

fn outside() -> Settings {
    let mut settings = settings();
    settings.trunks[0].target = Some(TRUNK.parse().unwrap());
    settings.fallback.number = Some("0725000".to_owned());
    settings
}

/// A service without any state.
fn empty(settings: Settings, wall: Timestamp) -> World {
    let mut world = World::unready(settings);
    world.now = Now { wall, ..world.now };
    world
}

/// The service is killed, and `seconds` later a new one gets its state.
pub(super) fn killed(world: &World, settings: Settings, names: &[&str], seconds: u64) -> World {
    let mut next = empty(settings, world.now.after(Duration::from_secs(seconds)).wall);
    next.step(Input::Restore(Box::new(kept(world))));
    next.step(Input::Accounts(names.iter().map(|name| account(name)).collect()));
    next
}

fn kept(world: &World) -> Restored {
    let term = |kind: &FactKind| matches!(kind, FactKind::CallerMarked { .. } | FactKind::ModeSet { .. });
    let terms = world.facts.iter().filter(|fact| term(&fact.kind)).cloned().collect();
    Restored { account_states: world.account_states.values().cloned().collect(), terms }
}

fn states(world: &mut World) -> BTreeMap<String, State> {
    let ConsoleReply::Operators { operators, .. } = world.orders(ConsoleCommand::Operators) else {
        panic!("no operators")
    };
    operators.into_iter().map(|view| (view.operator.to_string(), view.state)).collect()
}

fn operator(name: &str) -> OperatorId {
    OperatorId::parse(name).unwrap()
}

#[test]
fn a_registered_phone_is_rung_at_once_after_a_kill_and_probed_meanwhile() {
    let world = staffed();
    let mut world = killed(&world, settings(), &["budi", "sari"], 5);
    let mut caller = Caller::dials(&mut world);
    let probe = world.take(BUDI, "OPTIONS");
    let invite = answers(&mut world, BUDI);
    world.receive(BUDI, &response(&probe, BUDI, "200 OK", ""));
    caller.is_answered(&mut world);
    operator_hangs_up(&mut world, BUDI, &invite);
    caller.is_hung_up(&mut world);
    world.pass(Duration::from_secs(15));
    Caller::dials(&mut world).cancels(&mut world);
    assert!(!world.has(BUDI, "OPTIONS"), "a phone that has responded is not probed again");
}

#[test]
fn a_phone_that_is_gone_after_a_restart_is_found_out_by_the_probe() {
    let world = staffed();
    let mut world = killed(&world, settings(), &["budi", "sari"], 5);
    // The last reachable phone of the centre would stay so.
    world.register("sari", SARI);
    let caller = Caller::dials(&mut world);
    world.pass(Duration::from_secs(40));
    let ConsoleReply::Operators { operators, .. } = world.orders(ConsoleCommand::Operators) else {
        panic!("no operators")
    };
    assert!(!operators[0].reachable, "neither INVITE nor OPTIONS was answered: {operators:?}");
    caller.cancels(&mut world);
}

#[test]
fn the_registration_is_kept_before_its_200_leaves() {
    let mut world = staffed();
    let mut order = Vec::new();
    world.register("sari", SARI);
    for output in std::mem::take(&mut world.last_step) {
        match output {
            Output::AccountState(account_state) => order.push(account_state.account.to_string()),
            Output::Send(_) => order.push("200".to_owned()),
            _ => {}
        }
    }
    assert_eq!(order, ["sari", "200"]);
}

#[test]
fn a_binding_lasts_as_long_as_without_the_restart_and_no_longer() {
    let mut world = World::new(settings(), &["budi"]);
    world.register_for("budi", BUDI, 600);
    let mut later = killed(&world, settings(), &["budi"], 500);
    assert_eq!(states(&mut later)["budi"], State::Ready);
    later.pass(Duration::from_secs(101));
    assert_eq!(states(&mut later)["budi"], State::Offline, "600 s are over");
    let mut too_late = killed(&world, settings(), &["budi"], 601);
    assert_eq!(states(&mut too_late)["budi"], State::Offline);
    // The clock was a year ahead when the state was stored.
    let account_states =
        kept(&world).account_states.into_iter().map(|one| AccountState { at: one.at.shifted(365 * 86_400_000), ..one });
    let restored = Restored { account_states: account_states.collect(), terms: Vec::new() };
    let mut right = empty(settings(), world.now.wall);
    right.step(Input::Accounts(vec![account("budi")]));
    right.step(Input::Restore(Box::new(restored)));
    right.pass(Duration::from_secs(601));
    assert_eq!(states(&mut right)["budi"], State::Offline);
    right.assert_empty_in_the_end();
}

#[test]
fn a_break_and_a_log_out_survive_two_restarts() {
    let mut world = World::new(settings(), &["ani", "budi", "sari"]);
    for (name, at) in [("ani", "127.0.0.3:5093"), ("budi", BUDI), ("sari", SARI)] {
        world.register(name, at);
    }
    world.orders(ConsoleCommand::Pause { operator: operator("budi"), reason: "meal".to_owned() });
    world.orders(ConsoleCommand::LogOut { operator: operator("sari") });
    for _ in 0..2 {
        world = killed(&world, settings(), &["ani", "budi", "sari"], 3);
        let states = states(&mut world);
        assert_eq!([states["ani"], states["budi"], states["sari"]], [State::Ready, State::Break, State::Offline]);
    }
    let pause = world.account_states.values().find_map(|one| one.paused.clone());
    assert_eq!(pause.as_deref(), Some("meal"));
}

#[test]
fn an_operator_who_logged_in_explicitly_is_logged_in_after_a_restart() {
    let mut explicit = settings();
    explicit.acd.login_on_register = false;
    let mut world = World::new(explicit.clone(), &["budi", "sari"]);
    world.register("budi", BUDI);
    world.register("sari", SARI);
    world.orders(ConsoleCommand::LogIn { operator: operator("budi") });
    let mut world = killed(&world, explicit, &["budi", "sari"], 3);
    let states = states(&mut world);
    assert_eq!([states["budi"], states["sari"]], [State::Ready, State::Offline]);
}

#[test]
fn an_operator_sits_at_the_station_after_a_restart() {
    let station = || Account { station: true, ..account("desk1") };
    let accounts = || vec![account("budi"), station()];
    let seated = AccountState { station_operator: Some(operator("budi")), ..presence_at("desk1", BUDI) };
    let budi = AccountState { bindings: Vec::new(), ..presence_at("budi", SARI) };
    let at = |seconds| seated.at.shifted(seconds * 1_000);
    let mut world = empty(settings(), at(60));
    world.step(Input::Accounts(accounts()));
    world.step(Input::Restore(Box::new(Restored {
        account_states: vec![seated.clone(), budi.clone()],
        terms: Vec::new(),
    })));
    assert_eq!(states(&mut world)["budi"], State::Ready);
    let caller = Caller::dials(&mut world);
    world.take(BUDI, "INVITE");
    caller.cancels(&mut world);
    // A day later no operator is logged in there.
    let mut world = empty(settings(), at(i64::try_from(DAY).unwrap() + 60));
    world.step(Input::Accounts(accounts()));
    world.step(Input::Restore(Box::new(Restored { account_states: vec![seated, budi], terms: Vec::new() })));
    world.register("desk1", BUDI);
    assert_eq!(states(&mut world)["budi"], State::Offline, "the station's phone is back, and no operator sits there");
}

/// The stored state of an account with one phone.
fn presence_at(name: &str, at: &str) -> AccountState {
    let mut world = World::new(settings(), &[name]);
    world.register(name, at);
    world.account_states.remove(&operator(name)).unwrap()
}

#[test]
fn a_phone_on_a_connection_is_rung_only_after_an_authenticated_request_on_a_new_one() {
    let mut world = World::new(settings(), &["budi"]);
    let flow = |connection| Flow {
        transport: Transport::Tcp,
        local: "127.0.0.1:5060".parse().unwrap(),
        remote: BUDI.parse().unwrap(),
        connection: ConnectionId(connection),
    };
    world.streams.insert(BUDI.parse().unwrap(), flow(7));
    world.register("budi", BUDI);
    let mut world = killed(&world, settings(), &["budi"], 3);
    assert_eq!(states(&mut world)["budi"], State::Offline);
    let caller = Caller::dials(&mut world);
    assert!(!world.has(BUDI, "INVITE"), "its connection is gone");
    caller.cancels(&mut world);
    // A second restart does not lose it, and a request without credentials does not wake it.
    let mut world = killed(&world, settings(), &["budi"], 3);
    world.streams.insert(BUDI.parse().unwrap(), flow(1));
    assert_eq!(states(&mut world)["budi"], State::Offline);
    // Nor does a request from another host, even with credentials.
    let elsewhere = "127.0.0.9:40009";
    world.streams.insert(elsewhere.parse().unwrap(), Flow { remote: elsewhere.parse().unwrap(), ..flow(2) });
    dials(&mut world, "budi", elsewhere, "*14");
    assert_eq!(states(&mut world)["budi"], State::Offline);
    dials(&mut world, "budi", BUDI, "*14");
    assert_eq!(states(&mut world)["budi"], State::Ready, "the phone has authenticated an INVITE on connection 1");
    let caller = Caller::dials(&mut world);
    world.take(BUDI, "INVITE");
    let (way, _) = world.ways.iter().rfind(|(_, line)| line.starts_with("INVITE")).unwrap();
    assert_eq!(*way, flow(1));
    caller.cancels(&mut world);
}

#[test]
fn an_operator_who_logged_out_is_not_logged_in_by_a_phone_that_reconnects() {
    let mut world = World::new(settings(), &["budi"]);
    let flow = Flow {
        transport: Transport::Tcp,
        connection: ConnectionId(7),
        ..Flow::udp("127.0.0.1:5060".parse().unwrap(), BUDI.parse().unwrap())
    };
    world.streams.insert(BUDI.parse().unwrap(), flow);
    world.register("budi", BUDI);
    world.orders(ConsoleCommand::LogOut { operator: operator("budi") });
    let mut world = killed(&world, settings(), &["budi"], 3);
    world.streams.insert(BUDI.parse().unwrap(), Flow { connection: ConnectionId(1), ..flow });
    world.register("budi", BUDI);
    assert_eq!(states(&mut world)["budi"], State::Offline);
    world.orders(ConsoleCommand::LogIn { operator: operator("budi") });
    assert_eq!(states(&mut world)["budi"], State::Ready);
}

#[test]
fn a_log_out_and_a_log_in_hold_although_the_phone_reconnects_later() {
    let flow = |connection| Flow {
        transport: Transport::Tcp,
        connection: ConnectionId(connection),
        ..Flow::udp("127.0.0.1:5060".parse().unwrap(), BUDI.parse().unwrap())
    };
    let order = |world: &mut World, logs_in: bool| {
        let operator = operator("budi");
        let command = if logs_in { ConsoleCommand::LogIn { operator } } else { ConsoleCommand::LogOut { operator } };
        assert_eq!(world.orders(command), ConsoleReply::Done);
    };
    for on_register in [true, false] {
        for (logs_in, by_register, restarts) in
            [(true, true, 0), (false, true, 0), (true, false, 0), (false, false, 0), (true, true, 1), (false, true, 1)]
        {
            let mut settings = settings();
            settings.acd.login_on_register = on_register;
            let mut world = World::new(settings.clone(), &["budi"]);
            world.streams.insert(BUDI.parse().unwrap(), flow(7));
            world.register("budi", BUDI);
            order(&mut world, !logs_in);
            let mut world = killed(&world, settings.clone(), &["budi"], 3);
            // The operator's phone has not reconnected yet.
            order(&mut world, logs_in);
            for _ in 0..restarts {
                world = killed(&world, settings.clone(), &["budi"], 3);
            }
            world.streams.insert(BUDI.parse().unwrap(), flow(1));
            if by_register {
                world.register("budi", BUDI);
            } else {
                dials(&mut world, "budi", BUDI, "*14");
            }
            let expected = if logs_in { State::Ready } else { State::Offline };
            assert_eq!(states(&mut world)["budi"], expected, "{on_register} {logs_in} {by_register} {restarts}");
            // Once the phone is back, registrations do what they always do.
            order(&mut world, !logs_in);
            world.register("budi", BUDI);
            let expected = if logs_in { State::Offline } else { State::Ready };
            assert_eq!(states(&mut world)["budi"], expected, "{on_register} {logs_in} {by_register} {restarts}: later");
        }
    }
}

#[test]
fn while_no_account_is_known_phones_are_not_rejected_and_callers_go_to_the_fallback_number_at_once() {
    let mut world = World::unready(outside());
    let register = "REGISTER sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.3:5091;branch=z9hG4bKearly\r\n\
        From: <sip:budi@127.0.0.1>;tag=r\r\nTo: <sip:budi@127.0.0.1>\r\nCall-ID: early\r\nCSeq: 1 REGISTER\r\n\
        Contact: <sip:budi@127.0.0.3:5091>\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n";
    world.receive(BUDI, register);
    assert!(world.sent.is_empty(), "dropped, and so repeated: {:?}", world.sent);
    world.receive(TRUNK, &register.replace("127.0.0.3:5091", TRUNK).replace("early", "beside-a-trunk"));
    assert!(world.sent.is_empty(), "also from a trunk's address: {:?}", world.sent);
    let mut caller = Caller::dials(&mut world);
    let out = world.take(TRUNK, "INVITE sip:0725000@");
    assert_eq!(world.unstaffed, Some(true));
    world.receive(TRUNK, &response(&out, TRUNK, "200 OK", &sdp(TRUNK, 31_000)));
    caller.is_answered(&mut world);
    world.pass(Duration::from_secs(10));
    for method in ["REGISTER", "SUBSCRIBE", "MESSAGE", "INVITE"] {
        world.receive(BUDI, &register.replace("REGISTER", method).replace("early", method));
        let late = world.take(BUDI, "SIP/2.0 503");
        assert!(late.contains("Retry-After: 5\r\n"), "{late}");
    }
    assert_eq!(world.switchboard.guard_figures().banned, 0);
    world.step(Input::Accounts(vec![account("budi")]));
    world.register("budi", BUDI);
    assert_eq!(states(&mut world)["budi"], State::Ready);
}

fn flags(world: &mut World) -> usize {
    let ConsoleReply::Marks { marks } = world.orders(ConsoleCommand::Marks) else { panic!("no flags") };
    marks.len()
}

fn mode(world: &mut World) -> OperatingMode {
    let ConsoleReply::Mode { mode, .. } = world.orders(ConsoleCommand::Mode) else { panic!("no mode") };
    mode
}

/// A service whose clock is 400 days ahead has flagged a caller for 24 h, set drill mode for 4 h and missed a call.
fn ahead() -> World {
    let mut world = World::new(outside(), &["budi", "sari"]);
    set_clock(&mut world, 400 * 86_400);
    world.register_for("budi", BUDI, 3_600);
    let flag = ConsoleCommand::MarkCaller { number: "0812333".to_owned(), hours: 24, by: "ani".to_owned() };
    assert_eq!(world.orders(flag), ConsoleReply::Done);
    world.orders(ConsoleCommand::SetMode { mode: OperatingMode::Drill, hours: Some(4) });
    abandons(&mut world, "0812444", 8);
    assert_eq!((flags(&mut world), mode(&mut world), list(&mut world).len()), (1, OperatingMode::Drill, 1));
    world
}

fn set_clock(world: &mut World, seconds: i64) {
    world.now = Now { wall: world.now.wall.shifted(seconds * 1_000), ..world.now };
}

#[test]
fn no_term_outlives_its_own_length_when_the_clock_is_put_right() {
    let mut world = ahead();
    world.pass(Duration::from_secs(HOUR));
    set_clock(&mut world, -400 * 86_400);
    assert_eq!(
        (flags(&mut world), mode(&mut world), list(&mut world).len()),
        (1, OperatingMode::Drill, 1),
        "they go on"
    );
    world.pass(Duration::from_secs(3 * HOUR + 60));
    assert_eq!((mode(&mut world), list(&mut world).len()), (OperatingMode::Normal, 0), "four hours are over");
    assert_eq!(flags(&mut world), 1);
    world.pass(Duration::from_secs(20 * HOUR));
    assert_eq!(flags(&mut world), 0, "a day is over");
}

#[test]
fn no_term_is_cut_short_when_the_clock_is_set_forward() {
    let mut world = ahead();
    set_clock(&mut world, 400 * 86_400);
    assert_eq!((flags(&mut world), mode(&mut world), list(&mut world).len()), (1, OperatingMode::Drill, 1));
}

#[test]
fn no_term_outlives_its_own_length_when_the_clock_is_put_right_between_two_runs() {
    let world = ahead();
    let right = world.now.wall.shifted(-400 * 86_400_000);
    let mut next = empty(outside(), right);
    next.step(Input::Accounts(vec![account("budi")]));
    next.step(Input::Restore(Box::new(kept(&world))));
    assert_eq!((flags(&mut next), mode(&mut next)), (1, OperatingMode::Drill));
    next.pass(Duration::from_secs(3 * HOUR));
    // The third run uses the facts of the second run, not those of the first.
    let mut third = empty(outside(), next.now.wall);
    third.step(Input::Accounts(vec![account("budi")]));
    third.step(Input::Restore(Box::new(Restored { terms: last_terms(&next), ..Restored::default() })));
    assert_eq!((flags(&mut third), mode(&mut third)), (1, OperatingMode::Drill));
    third.pass(Duration::from_secs(HOUR + 60));
    assert_eq!((flags(&mut third), mode(&mut third)), (1, OperatingMode::Normal));
    third.pass(Duration::from_secs(20 * HOUR));
    assert_eq!(flags(&mut third), 0);
}

fn last_terms(world: &World) -> Vec<siaga::cdr::fact::Fact> {
    kept(world).terms
}

#[test]
fn phones_that_a_restart_has_restored_get_keep_alives() {
    let asking = || changed(settings(), |settings| settings.phones.keep_alive = Some(Duration::from_secs(30)));
    let mut world = World::new(asking(), &["budi"]);
    world.register("budi", BUDI);
    let mut world = killed(&world, asking(), &["budi"], 5);
    world.pass(Duration::from_secs(31));
    world.take(BUDI, "OPTIONS");
}

#[test]
fn a_phone_that_did_not_respond_before_a_restart_is_not_rung_first_after_it() {
    let mut world = World::new(settings(), &["budi", "sari"]);
    world.register("budi", BUDI);
    world.pass(Duration::from_secs(1));
    world.register("sari", SARI);
    let caller = Caller::dials(&mut world);
    world.take(BUDI, "INVITE");
    world.pass(Duration::from_secs(5));
    assert_eq!(world.reach, [(format!("sip:budi@{BUDI}"), true)]);
    caller.cancels(&mut world);
    let mut next = killed(&world, settings(), &["budi", "sari"], 5);
    assert_eq!(next.reach, [(format!("sip:budi@{BUDI}"), true)]);
    let probe = next.take(BUDI, "OPTIONS");
    assert!(!next.has(SARI, "OPTIONS"));
    let caller = Caller::dials(&mut next);
    assert!(!next.has(BUDI, "INVITE"), "the caller would wait for 5 s");
    answers(&mut next, SARI);
    drop(caller);
    next.receive(BUDI, &response(&probe, BUDI, "200 OK", ""));
    assert_eq!(next.reach.last(), Some(&(format!("sip:budi@{BUDI}"), false)));
    let mut third = killed(&next, settings(), &["budi", "sari"], 5);
    assert_eq!(third.reach, [], "the mark ended before this restart");
    third.sent.clear();
    third.assert_empty_in_the_end();
}

#[test]
fn the_last_reachable_phone_stays_so_after_a_restart() {
    let mut world = World::new(settings(), &["budi", "sari"]);
    world.register("budi", BUDI);
    world.pass(Duration::from_secs(1));
    world.register("sari", SARI);
    let caller = Caller::dials(&mut world);
    world.pass(Duration::from_secs(5));
    caller.cancels(&mut world);
    // Sari's account is removed meanwhile.
    let mut next = killed(&world, settings(), &["budi"], 5);
    assert_eq!(next.reach, []);
    Caller::dials(&mut next);
    next.take(BUDI, "INVITE");
}

#[test]
fn a_state_of_an_earlier_version_has_no_mark_and_is_read() {
    let world = staffed();
    let text = serde_json::to_string(&world.account_states[&operator("budi")]).unwrap();
    assert!(text.contains(",\"unreachable\":false"), "{text}");
    let old: AccountState = serde_json::from_str(&text.replace(",\"unreachable\":false", "")).unwrap();
    assert_eq!(old, world.account_states[&operator("budi")]);
}

#[test]
fn each_account_of_a_phone_that_did_not_respond_before_a_restart_is_marked_again() {
    let asking = || changed(settings(), |settings| settings.phones.keep_alive = Some(Duration::from_secs(30)));
    let names = ["ani", "budi", "sari"];
    let mut world = World::new(asking(), &names);
    world.register("sari", SARI);
    for name in ["ani", "budi"] {
        world.register(name, BUDI);
    }
    super::peer_probe::respond(&mut world, 70, &[BUDI]);
    let mark = |name: &str| (format!("sip:{name}@{BUDI}"), true);
    assert_eq!(world.reach.len(), 2, "{:?}", world.reach);
    let mut next = killed(&world, asking(), &names, 5);
    assert_eq!(next.reach, [mark("ani"), mark("budi")]);
    for name in ["ani", "budi"] {
        let probe = next.take(BUDI, &format!("OPTIONS sip:{name}@"));
        next.receive(BUDI, &response(&probe, BUDI, "200 OK", ""));
    }
    assert_eq!(next.reach.len(), 4, "both have responded: {:?}", next.reach);
    next.sent.clear();
    super::peer_probe::is_over(next);
}
