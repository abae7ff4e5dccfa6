//! Calls that are classed by phone, and numbers that are known: who calls again, and whose calls were pranks.

use siaga::cdr::Cdr;
use siaga::cdr::fact::{Class, Fact};
use siaga::switchboard::{Category, ConsoleCommand, ConsoleReply};

use super::attended::Placed;
use super::call_back::asks_console;
use super::*;

const ANI: &str = "081355501";

fn with_categories() -> World {
    let mut settings = settings();
    let category = |code: &str, name: &str, agency: Option<&str>| Category {
        code: code.to_owned(),
        name: name.to_owned(),
        agency: agency.map(str::to_owned),
    };
    settings.numbers.categories = vec![category("1", "kebakaran", Some("Damkar")), category("2", "lain", None)];
    let mut world = World::new(settings, &["budi", "sari"]);
    world.register("budi", BUDI);
    world
}

/// Dials a code; the service answers, and hangs up later.
pub(super) fn dials(world: &mut World, name: &'static str, at: &'static str, code: &str) {
    world.media.clear();
    Placed::to(world, name, at, code).is_answered(world);
}

/// The tone that the service answers a code with.
pub(super) fn confirms(world: &World) -> bool {
    use siaga::media::command::Prompt;
    let played = world.media.iter().find_map(|command| match command {
        Command::Play { first, .. } => *first,
        _ => None,
    });
    played.unwrap() == Prompt::Confirm
}

/// A call that Budi has had.
pub(super) fn is_served(world: &mut World, number: &str) {
    let mut caller = Caller::dials_as(world, number);
    let invite = answers(world, BUDI);
    caller.is_answered(world);
    world.pass(Duration::from_secs(5));
    operator_hangs_up(world, BUDI, &invite);
    caller.is_hung_up(world);
}

fn record(world: &World, number: &str) -> Cdr {
    let his = |fact: &&Fact| matches!(&fact.kind, FactKind::Received { asserted: Some(his), .. } if his == number);
    let call = world.facts.iter().rfind(his).unwrap().call;
    let facts: Vec<_> = world.facts.iter().filter(|fact| fact.call == call).cloned().collect();
    Cdr::fold(&facts).unwrap()
}

#[test]
fn a_call_is_classed_by_code_in_the_wrap_up_which_goes_on() {
    let mut world = with_categories();
    is_served(&mut world, ANI);
    dials(&mut world, "budi", BUDI, "*41");
    assert!(confirms(&world));
    assert_eq!(world.count(|kind| matches!(kind, FactKind::WrappedUp { .. })), 0, "his wrap-up goes on");
    let disposition = record(&world, ANI).disposition.unwrap();
    assert_eq!((disposition.class, disposition.category, disposition.by.as_str()), (Class::Normal, None, "budi"));
    world.pass(Duration::from_secs(11));
    assert_eq!(world.count(|kind| matches!(kind, FactKind::WrappedUp { .. })), 1);
    // The last word counts, and all are kept.
    dials(&mut world, "budi", BUDI, "*411");
    let disposition = record(&world, ANI).disposition.unwrap();
    assert_eq!(disposition.category.as_deref(), Some("kebakaran"));
    assert_eq!(disposition.agency.as_deref(), Some("Damkar"));
    assert_eq!(world.count(|kind| matches!(kind, FactKind::Disposed { .. })), 2);
    world.assert_empty_in_the_end();
}

#[test]
fn a_running_call_is_classed_from_a_second_line_and_goes_on() {
    let mut world = with_categories();
    let mut caller = Caller::dials_as(&mut world, ANI);
    answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    dials(&mut world, "budi", BUDI, "*42");
    assert!(confirms(&world));
    assert!(endings(&world).is_empty(), "the talk goes on");
    caller.hangs_up(&mut world);
    assert_eq!(record(&world, ANI).disposition.unwrap().class, Class::Ghost);
}

#[test]
fn what_cannot_be_classed_is_told_by_the_tone() {
    let mut world = with_categories();
    dials(&mut world, "budi", BUDI, "*41");
    assert!(!confirms(&world), "he has had no call");
    is_served(&mut world, ANI);
    dials(&mut world, "budi", BUDI, "*419");
    assert!(!confirms(&world), "there is no such category");
    world.register("sari", SARI);
    dials(&mut world, "sari", SARI, "*41");
    assert!(!confirms(&world), "it is not her call");
    world.pass(Duration::from_secs(15 * 60 + 1));
    world.register("budi", BUDI);
    dials(&mut world, "budi", BUDI, "*41");
    assert!(!confirms(&world), "it is too long ago");
    assert_eq!(world.count(|kind| matches!(kind, FactKind::Disposed { .. })), 0);
}

#[test]
fn the_console_takes_the_categories_that_are_configured_and_no_others() {
    let mut world = with_categories();
    is_served(&mut world, ANI);
    let call = record(&world, ANI).call;
    let wanted = |category: &str| ConsoleCommand::SetDisposition {
        call,
        class: Class::Normal,
        category: Some(category.to_owned()),
        note: None,
        by: "admin".to_owned(),
    };
    let known = vec!["1 kebakaran".to_owned(), "2 lain".to_owned()];
    assert_eq!(asks_console(&mut world, wanted("banjir")), ConsoleReply::UnknownCategory { known });
    for good in ["Kebakaran", "1"] {
        assert_eq!(asks_console(&mut world, wanted(good)), ConsoleReply::Done);
        assert_eq!(record(&world, ANI).disposition.unwrap().category.as_deref(), Some("kebakaran"));
    }
    world.step(Input::Configure(Box::new(settings())));
    let none = ConsoleReply::UnknownCategory { known: vec![] };
    assert_eq!(asks_console(&mut world, wanted("kebakaran")), none, "no category is configured any longer");
}

/// Three pranks in a row, as Budi says.
fn plays_pranks(world: &mut World, number: &str) {
    for _ in 0..2 {
        is_served(world, number);
        dials(world, "budi", BUDI, "*43");
        assert!(confirms(world));
        world.pass(Duration::from_secs(20));
    }
}

#[test]
fn a_prank_number_is_never_refused() {
    let mut world = with_categories();
    plays_pranks(&mut world, ANI);
    // A hundred times: the caller waits, is answered, and is never rejected.
    for _ in 0..100 {
        world.register("budi", BUDI);
        is_served(&mut world, ANI);
        world.pass(Duration::from_secs(11));
    }
    let prank = |kind: &FactKind| matches!(kind, FactKind::CallerKnown { prank: true, .. });
    assert_eq!(world.count(prank), 100);
    let cdr = record(&world, ANI);
    assert!(cdr.known_prank && cdr.answered.is_some());
    world.assert_empty_in_the_end();
}

#[test]
fn a_prank_number_waits_behind_others_for_a_day() {
    let mut world = with_categories();
    plays_pranks(&mut world, ANI);
    let mut busy = Caller::dials(&mut world);
    let invite = answers(&mut world, BUDI);
    busy.is_answered(&mut world);
    let mut prank = Caller::dials_as(&mut world, ANI);
    let mut other = Caller::dials(&mut world);
    operator_hangs_up(&mut world, BUDI, &invite);
    busy.is_hung_up(&mut world);
    world.pass(Duration::from_secs(10));
    let invite = answers(&mut world, BUDI);
    other.is_answered(&mut world);
    operator_hangs_up(&mut world, BUDI, &invite);
    other.is_hung_up(&mut world);
    world.pass(Duration::from_secs(10));
    let invite = answers(&mut world, BUDI);
    assert!(header(&invite, "From").starts_with(&format!("\"{ANI} 3x/30min PRANK\" <sip:{ANI}@")), "{invite}");
    prank.is_answered(&mut world);
    operator_hangs_up(&mut world, BUDI, &invite);
    prank.is_hung_up(&mut world);
    let priority = |world: &World| {
        let queued = world.facts.iter().rev().find_map(|fact| match fact.kind {
            FactKind::Queued { priority, .. } => Some(priority),
            _ => None,
        });
        queued.unwrap()
    };
    // A day later the caller waits like all others, automatically.
    world.pass(Duration::from_secs(24 * 3600));
    world.register("budi", BUDI);
    is_served(&mut world, ANI);
    assert_eq!(priority(&world), 0);
    assert!(!record(&world, ANI).known_prank);
}

#[test]
fn what_is_known_of_a_caller_stays_in_the_centre() {
    let mut settings = settings();
    settings.trunks[0].target = Some(TRUNK.parse().unwrap());
    settings.fallback.number = Some("0725113".to_owned());
    let mut world = World::new(settings, &["budi"]);
    let mark = ConsoleCommand::MarkCaller { number: ANI.to_owned(), hours: 2, by: "admin".to_owned() };
    assert_eq!(asks_console(&mut world, mark), ConsoleReply::Done);
    let caller = Caller::dials_as(&mut world, ANI);
    let invite = world.take(TRUNK, "INVITE sip:0725113@");
    assert!(header(&invite, "From").starts_with(&format!("\"{ANI}\" <sip:{ANI}@")), "{invite}");
    world.receive(TRUNK, &response(&invite, TRUNK, "486 Busy Here", ""));
    caller.cancels(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_number_is_marked_for_hours_and_the_mark_can_be_lifted() {
    let mut world = with_categories();
    let mark = |hours| ConsoleCommand::MarkCaller { number: ANI.to_owned(), hours, by: "admin".to_owned() };
    assert_eq!(asks_console(&mut world, mark(2)), ConsoleReply::Done);
    let ConsoleReply::Marks { marks } = asks_console(&mut world, ConsoleCommand::Marks) else { panic!("no list") };
    assert_eq!(marks.len(), 1);
    is_served(&mut world, ANI);
    assert!(record(&world, ANI).known_prank);
    assert_eq!(asks_console(&mut world, mark(0)), ConsoleReply::Done);
    assert_eq!(asks_console(&mut world, mark(0)), ConsoleReply::UnknownNumber);
    world.pass(Duration::from_secs(11));
    is_served(&mut world, ANI);
    assert!(!record(&world, ANI).known_prank);
    assert_eq!(world.count(|kind| matches!(kind, FactKind::CallerMarked { .. })), 2);
}

#[test]
fn the_operator_sees_that_a_number_calls_again() {
    let mut world = with_categories();
    for (calls, display) in [(0, ANI.to_owned()), (2, format!("{ANI} 2x/30min")), (3, format!("{ANI} 3x/30min"))] {
        let mut caller = Caller::dials_as(&mut world, ANI);
        let invite = answers(&mut world, BUDI);
        caller.is_answered(&mut world);
        assert!(header(&invite, "From").starts_with(&format!("\"{display}\" <")), "{invite}");
        caller.hangs_up(&mut world);
        let bye = world.take(BUDI, "BYE");
        world.receive(BUDI, &response(&bye, BUDI, "200 OK", ""));
        assert_eq!(record(&world, ANI).calls_of_late, calls);
        world.pass(Duration::from_secs(11));
    }
    let mut hidden = Caller::dials_as(&mut world, "anonymous");
    answers(&mut world, BUDI);
    hidden.is_answered(&mut world);
    assert_eq!(world.count(|kind| matches!(kind, FactKind::CallerKnown { .. })), 2, "who shows no number is nobody's");
}

#[test]
fn the_console_prolongs_a_wrap_up_and_says_so_when_there_is_none() {
    let mut world = with_categories();
    let prolongs = |world: &mut World, name: &str| {
        let operator = siaga::ids::OperatorId::parse(name).unwrap();
        asks_console(world, ConsoleCommand::WrapUp { operator })
    };
    let wraps_up = |world: &World| world.switchboard.gauges().operators[4];
    assert_eq!(prolongs(&mut world, "budi"), ConsoleReply::NotWrappingUp);
    assert_eq!(prolongs(&mut world, "nobody"), ConsoleReply::UnknownOperator);
    is_served(&mut world, ANI);
    assert_eq!(prolongs(&mut world, "budi"), ConsoleReply::Done);
    // Ten seconds, and sixty more.
    world.pass(Duration::from_secs(69));
    assert_eq!(wraps_up(&world), 1);
    world.pass(Duration::from_secs(1));
    assert_eq!(wraps_up(&world), 0);
    let told =
        |kind: &FactKind| matches!(kind, FactKind::Commanded { command, done: true, .. } if command == "wrap-up");
    assert_eq!(world.count(told), 1);
}
