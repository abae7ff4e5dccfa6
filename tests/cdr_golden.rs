//! The fold of facts to a record: what each story comes to, in whatever order and however often its facts are told.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]

mod stories;

use proptest::prelude::*;
use proptest::sample::{Index, subsequence};
use siaga::cdr::fact::{Callee, Class, EndCause, Fact, FactKind, OfferOutcome, Role, Side, Uptime};
use siaga::cdr::{Cdr, Outcome};
use siaga::clock::Timestamp;
use siaga::ids::LegNo;
use stories::{LATE, MORNING, Story};

#[test]
fn every_story_has_its_outcome_and_exact_sums() {
    let by_word = |cdr: &Cdr| {
        let operator = cdr.operator.as_ref().map(ToString::to_string).unwrap_or_default();
        (cdr.outcome.unwrap(), cdr.waited_ms, cdr.talk_ms, cdr.wrap_ms, operator, cdr.returned)
    };
    let found: Vec<_> = stories::all(MORNING).iter().map(|(name, story)| (*name, by_word(&story.cdr()))).collect();
    let (none, op1) = (String::new, || "op0001".to_owned());
    let wanted = vec![
        ("answered", (Outcome::Answered, 8_000, 60_000, Some(20_000), op1(), 0)),
        ("taken over by another operator", (Outcome::Answered, 15_000, 70_000, Some(5_500), op1(), 1)),
        ("abandoned at once", (Outcome::Abandoned, 3_000, 0, None, none(), 0)),
        ("abandoned while ringing", (Outcome::Abandoned, 10_000, 0, None, none(), 0)),
        ("abandoned in a queue that answers", (Outcome::Abandoned, 7_000, 0, None, none(), 0)),
        ("fallback number", (Outcome::Answered, 20_000, 30_000, None, none(), 0)),
        ("refused", (Outcome::Failed, 1, 0, None, none(), 0)),
        ("interrupted", (Outcome::Interrupted, 4_000, 0, None, none(), 0)),
    ];
    assert_eq!(found, wanted);
}

#[test]
fn records_in_full() {
    for (name, story) in stories::all(MORNING) {
        insta::assert_snapshot!(name.replace(' ', "_"), serde_json::to_string_pretty(&story.cdr()).unwrap());
    }
}

#[test]
fn talk_is_credited_to_the_operator_who_talked() {
    let cdr = stories::taken_over(1, MORNING).cdr();
    let talks: Vec<_> = cdr.talks.iter().map(|talk| (talk.with.clone(), talk.millis(), talk.lost)).collect();
    assert_eq!(talks, [(stories::by("op0002"), 30_000, true), (stories::by("op0001"), 40_000, false)]);
    let offers: Vec<_> = cdr.offers.iter().map(|offer| (offer.to.clone(), offer.outcome.unwrap())).collect();
    let wanted = [
        (stories::by("op0001"), OfferOutcome::NoAnswer),
        (stories::by("op0002"), OfferOutcome::Answered),
        (stories::by("op0001"), OfferOutcome::Answered),
    ];
    assert_eq!(offers, wanted);
}

#[test]
fn a_transferring_operator_is_credited_only_for_the_own_talk() {
    let cdr = stories::passed_on(1, MORNING).cdr();
    let talks: Vec<_> = cdr.talks.iter().map(|talk| (talk.with.clone(), talk.millis(), talk.transferred)).collect();
    let (first, second) = (stories::by("op0001"), stories::by("op0002"));
    assert_eq!(talks, [(first.clone(), 20_000, true), (first, 10_000, true), (second, 25_000, false)]);
    assert_eq!((cdr.talk_ms, cdr.hold_ms, cdr.returned), (55_000, 5_000, 0));
    assert_eq!(cdr.wrap_ms, Some(5_000), "of the one who talked last");
    let outcomes: Vec<_> = cdr.transfers.iter().map(|one| (one.outcome.unwrap(), one.consulted.is_some())).collect();
    assert_eq!(outcomes, [(OfferOutcome::NoAnswer, false), (OfferOutcome::Answered, true)]);
    assert_eq!(cdr.operator.unwrap().as_str(), "op0002");
}

#[test]
fn participants_are_credited_for_their_talk_and_listeners_for_none() {
    let cdr = stories::conferred(1, MORNING).cdr();
    let talks: Vec<_> = cdr.talks.iter().map(|talk| (talk.with.clone(), talk.millis(), talk.guest)).collect();
    let (first, colleague, supervisor) = (stories::by("op0001"), stories::by("op0002"), stories::by("op0003"));
    let agency = Callee::Number("0725113".to_owned());
    let wanted = [
        (agency.clone(), 10_000, true),
        (supervisor.clone(), 12_000, true),
        (first, 40_000, false),
        (colleague.clone(), 25_000, true),
        (colleague.clone(), 20_000, false),
    ];
    assert_eq!(talks, wanted);
    assert_eq!(cdr.talk_ms, 60_000, "so long has the caller talked");
    assert!(cdr.talks[2].transferred && !cdr.talks[2].lost);
    let visits: Vec<_> = cdr.guests.iter().map(|one| (&one.who, one.role, one.to.millis_since(one.from))).collect();
    let wanted = [
        (&supervisor, Role::Listener, 13_000),
        (&agency, Role::Guest, 10_000),
        (&supervisor, Role::Barger, 12_000),
        (&colleague, Role::Guest, 25_000),
    ];
    assert_eq!(visits, wanted);
    assert_eq!((cdr.operator.unwrap().as_str(), cdr.wrap_ms), ("op0002", Some(2_000)));
}

#[test]
fn participants_of_an_interrupted_call_leave_with_it_and_of_an_open_call_have_no_time_yet() {
    let joined = FactKind::GuestJoined { leg: LegNo(2), who: stories::by("op0002"), role: Role::Guest };
    let open = Story::new(1, MORNING, None).offered(2, 1, "op0001").answered(5_000, 1, "op0001").then(6_000, joined);
    assert_eq!(open.cdr().talks.iter().map(siaga::cdr::Talk::millis).sum::<u64>(), 0);
    let cdr = open.ended(7_500, Side::Service, EndCause::Interrupted).cdr();
    let talks: Vec<_> = cdr.talks.iter().map(|talk| (talk.leg.0, talk.millis(), talk.guest)).collect();
    assert_eq!((talks, cdr.talk_ms), (vec![(2, 1_500, true), (1, 2_500, false)], 2_500));
}

#[test]
fn a_record_survives_its_json() {
    let more = [("passed on", stories::passed_on(9, MORNING)), ("conferred", stories::conferred(11, MORNING))];
    for (name, story) in stories::all(MORNING).into_iter().chain(more) {
        let cdr = story.cdr();
        assert_eq!(serde_json::from_str::<Cdr>(&serde_json::to_string(&cdr).unwrap()).unwrap(), cdr, "{name}");
        for fact in &story.facts {
            assert_eq!(&serde_json::from_str::<Fact>(&serde_json::to_string(fact).unwrap()).unwrap(), fact, "{name}");
        }
    }
}

#[test]
fn the_last_disposition_by_time_counts_whatever_its_number() {
    let mut story = stories::answered(1, MORNING);
    let disposed =
        |class| FactKind::Disposed { class, category: None, note: None, by: "admin".to_owned(), agency: None };
    // Numbers of late facts are random: the higher one is the earlier.
    story.facts.push(story.fact(LATE | 5, 200_000_000, disposed(Class::Drill)));
    story.facts.push(story.fact(LATE | 900, 100_000_000, disposed(Class::Ghost)));
    assert_eq!(story.cdr().disposition.unwrap().class, Class::Drill);
}

#[test]
fn a_second_end_changes_nothing() {
    let story = stories::answered(1, MORNING);
    let again = story.clone().ended(999_000, Side::Service, EndCause::Interrupted);
    assert_eq!(again.cdr(), story.cdr());
}

#[test]
fn a_clock_that_is_set_back_gives_no_negative_times() {
    let back = Story::new(1, MORNING, None)
        .queued(-1_000)
        .offered(-2_000, 1, "op0001")
        .answered(-3_000, 1, "op0001")
        .ended(-10_000, Side::Caller, EndCause::Normal)
        .wrapped_up(-20_000, "op0001");
    let cdr = back.cdr();
    assert_eq!((cdr.waited_ms, cdr.talk_ms, cdr.wrap_ms), (0, 0, Some(0)));
    assert_eq!(cdr.outcome, Some(Outcome::Answered));
}

/// The same call with uptimes, and with a step of the wall clock before the fact `from`.
fn with_uptime(mut story: Story, from: usize, step: i64) -> Story {
    let run = Timestamp::from_millis(MORNING - 50_000);
    for (no, fact) in story.facts.iter_mut().enumerate() {
        fact.up = Some(Uptime(run, fact.at.millis_since(run)));
        if no >= from {
            fact.at = Timestamp::from_millis(fact.at.as_millis() + step);
        }
    }
    story
}

#[test]
fn a_clock_step_between_any_two_facts_of_a_run_changes_no_record() {
    let mut all: Vec<Story> = stories::all(MORNING).into_iter().map(|(_, story)| story).collect();
    all.extend([stories::passed_on(10, MORNING), stories::conferred(12, MORNING)]);
    for story in all {
        for from in 1..=story.facts.len() {
            for step in [3_600_000, -3_600_000, 400 * 86_400_000] {
                assert_eq!(with_uptime(story.clone(), from, step).cdr(), story.cdr(), "step {step} before fact {from}");
            }
        }
    }
}

#[test]
fn a_span_across_two_runs_follows_the_calendar_and_is_never_below_0() {
    let open = Story::new(1, MORNING, None).queued(1).offered(2, 1, "op0001").answered(5_000, 1, "op0001");
    let interrupted = |open: Story, at: i64| open.ended(at, Side::Service, EndCause::Interrupted).cdr();
    assert_eq!(interrupted(with_uptime(open.clone(), 99, 0), 7_500).talk_ms, 2_500);
    assert_eq!(interrupted(with_uptime(open.clone(), 99, 0), -7_500).talk_ms, 0);
    // The wall clock was set before the answer: the next run uses the new time, as the answer does.
    let stepped = with_uptime(open.clone(), open.facts.len() - 1, 3_600_000);
    let cdr = interrupted(stepped, 3_607_500);
    assert_eq!((cdr.waited_ms, cdr.talk_ms), (5_000, 2_500));
    // Another run has its own start: its uptime cannot be compared with this run's.
    let mut later = with_uptime(open, 99, 0).ended(9_000, Side::Service, EndCause::Interrupted);
    later.facts.last_mut().unwrap().up = Some(Uptime(Timestamp::from_millis(MORNING + 8_000), 3));
    assert_eq!(later.cdr().talk_ms, 4_000);
}

#[test]
fn an_open_call_has_no_outcome_and_no_invented_talk() {
    let open = Story::new(1, MORNING, None).queued(1).offered(2, 1, "op0001").answered(5_000, 1, "op0001");
    let cdr = open.cdr();
    assert!(!cdr.is_closed());
    assert_eq!((cdr.outcome, cdr.talk_ms, cdr.waited_ms), (None, 0, 5_000));
    assert_eq!(open.ended(7_500, Side::Service, EndCause::Interrupted).cdr().talk_ms, 2_500);
}

#[test]
fn without_its_beginning_there_is_no_record() {
    let story = stories::answered(1, MORNING);
    assert_eq!(Cdr::fold(&story.facts[1..]), None);
    assert_eq!(Cdr::fold(&[]), None);
}

#[test]
fn facts_of_another_call_are_left_out() {
    let (one, other) = (stories::answered(1, MORNING), stories::taken_over(2, MORNING));
    let mixed: Vec<Fact> = one.facts.iter().chain(&other.facts).cloned().collect();
    assert_eq!(Cdr::fold(&mixed), Some(one.cdr()));
}

/// Two late facts at the same moment, a recording that failed, a digit, a breach: everything that a fold gathers.
fn eventful() -> Story {
    let mut story = stories::taken_over(9, MORNING)
        .then(96_500, FactKind::RecordingFailed { leg: LegNo(3), why: "the disk is full".to_owned() })
        .then(96_501, FactKind::Breach { what: "two owners".to_owned() });
    for (seq, class) in [(LATE | 3, Class::Ghost), (LATE | 2, Class::Normal)] {
        let kind = FactKind::Disposed { class, category: None, note: None, by: "op0001".to_owned(), agency: None };
        story.facts.push(story.fact(seq, 96_000, kind));
    }
    story
}

fn any_story() -> impl Strategy<Value = Story> {
    let mut all: Vec<Story> = stories::all(MORNING).into_iter().map(|(_, story)| story).collect();
    all.extend([eventful(), stories::passed_on(10, MORNING), stories::conferred(12, MORNING)]);
    prop::sample::select(all)
}

proptest! {
    #[test]
    fn any_order_and_any_repetition_give_the_same_record(
        (story, order) in any_story().prop_flat_map(|story| {
            let facts = story.facts.clone();
            (Just(story), Just(facts).prop_shuffle())
        }),
        again in prop::collection::vec((any::<Index>(), any::<Index>()), 0..12),
    ) {
        let mut told = order;
        for (which, place) in again {
            let fact = told[which.index(told.len())].clone();
            told.insert(place.index(told.len() + 1), fact);
        }
        prop_assert_eq!(Cdr::fold(&told), Some(story.cdr()));
    }

    #[test]
    fn whatever_is_missing_the_sums_agree_with_their_parts(
        facts in any_story().prop_flat_map(|story| {
            let count = story.facts.len();
            subsequence(story.facts, 0..=count)
        })
    ) {
        if let Some(cdr) = Cdr::fold(&facts) {
            let own = cdr.talks.iter().filter(|talk| !talk.guest);
            prop_assert_eq!(cdr.talk_ms, own.map(siaga::cdr::Talk::millis).sum::<u64>());
            prop_assert_eq!(cdr.outcome.is_some(), cdr.is_closed());
            prop_assert_eq!(cdr.outcome == Some(Outcome::Answered), cdr.answered.is_some() && cdr.is_closed());
        }
    }
}
