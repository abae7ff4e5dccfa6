//! Random stories: a hundred thousand calls on bad lines. A story that fails prints its seed;
//! `SIM_SEED=<seed> cargo nextest run --test sim random` tells that one again, `SIM_TRACE=1` with every message.

use super::city::{City, Story};
use super::judge::{Tally, judge};

const CALLS: u32 = 1_000;

/// Stories that have found something once.
const REGRESSIONS: &[u64] = &[];

/// Prints the seed when a story fails.
struct Seed(Story);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("this was SIM_SEED={} ({:?})", self.0.seed, self.0);
        }
    }
}

/// The story of a seed: most on lines that lose 5 %, some on perfect and some on very bad ones, some drained.
fn story(seed: u64) -> Story {
    let loss_percent = match seed % 10 {
        0 => 0,
        1 => 10,
        _ => 5,
    };
    Story { seed, calls: CALLS, loss_percent, drained: seed % 8 == 7 }
}

fn tell(story: Story) -> Tally {
    let _seed = Seed(story);
    let mut city = City::new(story);
    city.run();
    judge(&city)
}

/// Tells the stories of some seeds, or the one of the environment.
fn tell_all(seeds: impl Iterator<Item = u64>) {
    if let Some(seed) = std::env::var("SIM_SEED").ok().and_then(|seed| seed.parse().ok()) {
        println!("{:#?}", tell(story(seed)));
        return;
    }
    let mut sum = Tally::default();
    for seed in seeds {
        sum.add(&tell(story(seed)));
    }
    println!("{sum:#?}");
    // A story in which nobody is helped, or nothing goes wrong, shows nothing.
    assert!(sum.answered * 3 > sum.calls, "too few are answered: {sum:?}");
    assert!(sum.news * 2 > sum.calls, "too few phones look at each other: {sum:?}");
    assert!(
        sum.abandoned > 1_000 && sum.returned > 10 && sum.fallbacks > 100 && sum.offers * 10 > sum.calls * 9,
        "too calm: {sum:?}"
    );
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

#[test]
fn random_stories_that_went_wrong_once_end_well() {
    for seed in REGRESSIONS {
        tell(story(*seed));
    }
}

#[test]
fn a_random_story_is_the_same_whenever_it_is_told() {
    let short = Story { calls: 100, ..story(2) };
    assert_eq!(tell(short), tell(short));
    assert_ne!(tell(short).digest, tell(Story { seed: 3, ..short }).digest);
}
