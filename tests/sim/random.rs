//! Random stories: a hundred thousand calls on bad lines, a million at night. A story that fails prints its seed;
//! `SIM_SEED=<seed> cargo nextest run --test sim random` tells that one again, `SIM_TRACE=1` with every message, and
//! `SIM_STORIES=<from>..<to>` tells others than usual. docs/design/races.md has those that have found something.

use std::ops::Range;

use super::city::City;
use super::judge::{Tally, judge};
use super::terms::Story;

const CALLS: u32 = 1_000;
/// RTP port pairs: more than are ever needed.
pub(super) const PAIRS: u16 = 400;
/// … and fewer.
const FEW_PAIRS: [u16; 5] = [2, 4, 6, 10, 3];

/// Stories that have found something once.
const REGRESSIONS: &[u64] = &[0, 2, 3];

/// Prints the seed when a story fails.
pub(super) struct Seed(pub(super) Story);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("this was SIM_SEED={} ({:?})", self.0.seed, self.0);
        }
    }
}

/// The story of a seed: most on lines that lose 5 %, some on perfect and some on very bad ones; some drained, some with restarts.
pub(super) fn story(seed: u64) -> Story {
    let loss_percent = match seed % 10 {
        0 => 0,
        1 => 10,
        _ => 5,
    };
    Story {
        seed,
        calls: CALLS,
        loss_percent,
        drained: seed % 8 == 7,
        pairs: PAIRS,
        restarts: seed % 4 == 1,
        attacks: true,
        ..Story::default()
    }
}

fn tell(story: Story) -> Tally {
    let _seed = Seed(story);
    let mut city = City::new(story);
    city.run();
    judge(&city)
}

/// Numbers of the environment.
fn told_by_hand(name: &str) -> Option<Range<u64>> {
    let text = std::env::var(name).ok()?;
    let (from, to) = text.split_once("..").unwrap_or((&text, ""));
    let from = from.parse().ok()?;
    Some(from..to.parse().unwrap_or(from + 1))
}

/// Tells the stories of some seeds, or those of the environment. A story in which no caller is answered, or nothing goes wrong,
/// shows nothing: all of them together must have seen everything.
fn tell_all(usual: Range<u64>) {
    let by_hand = told_by_hand("SIM_SEED").or_else(|| told_by_hand("SIM_STORIES"));
    let mut sum = Tally::default();
    for seed in by_hand.clone().unwrap_or(usual) {
        sum.add(&tell(story(seed)));
    }
    println!("{sum:#?}");
    if by_hand.is_some() {
        return;
    }
    assert!(sum.answered * 3 > sum.calls, "too few are answered: {sum:?}");
    assert!(sum.forged > 1_000, "too few strangers speak in the dialogs of others: {sum:?}");
    assert!(sum.repelled.is_enough(), "too few attacks: {sum:?}");
    assert!(sum.survived.is_enough(), "too few restarts: {sum:?}");
    assert!(sum.news * 2 > sum.calls, "too few phones look at each other: {sum:?}");
    assert!(
        sum.passed_on > 500 && sum.transfers > sum.passed_on && sum.placed > 50 && sum.joined > 100,
        "too few transfers: {sum:?}"
    );
    assert!(sum.guests > 100 && sum.supervised > 40 && sum.succeeded > 20, "too few are together on the line: {sum:?}");
    assert!(
        sum.abandoned > 1_000 && sum.returned > 10 && sum.fallbacks > 100 && sum.offers * 3 > sum.calls * 2,
        "too calm: {sum:?}"
    );
    assert_eq!(sum.outcomes.missing(), [] as [&str; 0], "never seen");
}

#[test]
fn random_stories_of_the_first_quarter_end_well() {
    tell_all(0..28);
}

#[test]
fn random_stories_of_the_second_quarter_end_well() {
    tell_all(28..56);
}

#[test]
fn random_stories_of_the_third_quarter_end_well() {
    tell_all(56..84);
}

#[test]
fn random_stories_of_the_last_quarter_end_well() {
    tell_all(84..112);
}

/// A million calls in two halves, each a process of its own: only under nextest's profile `nightly`.
#[expect(clippy::disallowed_methods, reason = "how long it took is printed, not judged")]
fn tell_at_night(seeds: Range<u64>) {
    if std::env::var("NEXTEST_PROFILE").is_ok_and(|profile| profile == "nightly") {
        let began = std::time::Instant::now();
        let calls = seeds.clone().count() as u64 * u64::from(CALLS);
        tell_all(seeds);
        println!("{calls} calls in {} s", began.elapsed().as_secs());
    }
}

#[test]
fn random_stories_of_the_first_half_million_end_well() {
    tell_at_night(1_000..1_500);
}

#[test]
fn random_stories_of_the_second_half_million_end_well() {
    tell_at_night(1_500..2_000);
}

#[test]
fn random_stories_that_went_wrong_once_end_well() {
    for seed in REGRESSIONS {
        tell(story(*seed));
    }
}

/// Callers wait without a port, operators wait for one, and all that holds with many ports holds.
fn tell_with_few_ports(usual: Range<u64>) {
    let (mut sum, mut shortages) = (Tally::default(), (0, 0));
    for seed in told_by_hand("SIM_FEW_PORTS").unwrap_or(usual) {
        let pairs = FEW_PAIRS[usize::try_from(seed % 5).unwrap()];
        let story = Story { pairs, calls: 300, drained: false, ..story(seed) };
        let _seed = Seed(story);
        let mut city = City::new(story);
        city.run();
        sum.add(&judge(&city));
        shortages = (shortages.0 + city.shortages.0, shortages.1 + city.shortages.1);
    }
    println!("{shortages:?} {sum:#?}");
    assert!(shortages.0 > 100 && shortages.1 > 100, "ports are never short: {shortages:?}");
    assert!(sum.answered * 5 > sum.calls, "too few are answered: {sum:?}");
}

#[test]
fn random_stories_with_few_ports_end_well() {
    tell_with_few_ports(300..310);
}

#[test]
fn other_random_stories_with_few_ports_end_well() {
    tell_with_few_ports(310..320);
}

#[test]
fn a_random_story_is_the_same_whenever_it_is_told() {
    let short = Story { calls: 100, ..story(2) };
    assert_eq!(tell(short), tell(short));
    assert_ne!(tell(short).digest, tell(Story { seed: 3, ..short }).digest);
}
