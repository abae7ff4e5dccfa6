//! The distributor against a second scheduler, written from the rules alone: plain lists, scanned each time. Random
//! histories must get the same decisions from both, whatever the strategy, the desks and the order of events.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    clippy::indexing_slicing,
    reason = "a test stops at whatever is not as it should be"
)]

use std::time::Duration;

use history::Outcome;
use siaga::acd::desk::Strategy;

mod history;
mod scheduler;

/// Histories of each strategy; a nightly run asks for more.
fn histories() -> u64 {
    std::env::var("SIAGA_HISTORIES").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000)
}

fn agree(strategy: Strategy) {
    let mut all = Outcome::default();
    for seed in 0..histories() {
        match history::run(strategy, seed) {
            Ok(outcome) => all.add(outcome),
            Err(difference) => panic!("{}, seed {seed}: {difference}", strategy.word()),
        }
    }
    println!("{}: {} histories, {all:?}", strategy.word(), histories());
    // A driver that never gets anywhere would prove nothing.
    let (offers, answers) = (all.offers, all.answers);
    assert!(offers > histories() && answers > histories() / 2, "too little happened: {all:?}");
    assert!(all.fallbacks > 0 && all.withdrawals > 0 && all.strangers > 0 && all.breaks > 0, "{all:?}");
    assert!(all.recalls > histories() / 20, "too few operators on a break were rung: {all:?}");
    assert!(all.waited > Duration::ZERO, "{all:?}");
    assert!(all.joins > 0 && all.races > 0 && all.incidents > 0 && all.evacuations > 0, "{all:?}");
    let several = matches!(strategy, Strategy::RingAll | Strategy::RingProgressively);
    assert!(!several || all.joins > histories() / 4 && all.races > histories() / 8, "too few ring at once: {all:?}");
}

#[test]
fn longest_idle_agrees() {
    agree(Strategy::LongestIdle);
}

#[test]
fn round_robin_agrees() {
    agree(Strategy::RoundRobin);
}

#[test]
fn fewest_calls_agrees() {
    agree(Strategy::FewestCalls);
}

#[test]
fn least_talk_time_agrees() {
    agree(Strategy::LeastTalkTime);
}

#[test]
fn linear_agrees() {
    agree(Strategy::Linear);
}

#[test]
fn random_agrees() {
    agree(Strategy::Random);
}

#[test]
fn ring_all_agrees() {
    agree(Strategy::RingAll);
}

#[test]
fn ring_progressively_agrees() {
    agree(Strategy::RingProgressively);
}
