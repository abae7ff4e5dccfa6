//! What one step of the switchboard costs amid ten calls and amid thousands, and the ratio of the two. The peers' share (a few `format!`) is
//! in it.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a bench stops by panicking, reads the clock, and does not take every step that the tests take"
)]

#[path = "../tests/sim/crowd.rs"]
mod crowd;
#[path = "../tests/sim/text.rs"]
mod text;

use std::time::{Duration, Instant};

use siaga::limits::PLACED_CALLS_MAX;

use crowd::{Crowd, Kind};

const ROUNDS: usize = 501;

/// The median of a step amid a crowd that it leaves as it was.
fn median(crowd: &mut Crowd, mut step: impl FnMut(&mut Crowd) -> Duration) -> Duration {
    let mut spans: Vec<Duration> = (0..ROUNDS).map(|_| step(crowd)).collect();
    spans.sort();
    spans.get(ROUNDS / 2).copied().unwrap()
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let before = Instant::now();
    let done = work();
    (done, before.elapsed())
}

fn costs(kind: Kind, calls: usize) -> [Duration; 3] {
    let mut crowd = Crowd::new(kind, calls);
    let options = median(&mut crowd, |crowd| timed(|| crowd.options()).1);
    let invite = median(&mut crowd, |crowd| {
        let (invite, span) = timed(|| crowd.invite());
        crowd.cancel(&invite);
        span
    });
    // The first one brings another operator, the others refresh the binding.
    let register = median(&mut crowd, |crowd| timed(|| crowd.late_registers()).1);
    [options, register, invite]
}

fn main() {
    println!("| calls | step | amid 10 | amid many | ratio |\n| --- | --- | --- | --- | --- |");
    for (kind, many) in [(Kind::Waiting, 5_000), (Kind::Fallback, 5_000), (Kind::Placed, PLACED_CALLS_MAX - 1)] {
        let (few, crowded) = (costs(kind, 10), costs(kind, many));
        for ((step, few), crowded) in ["OPTIONS", "REGISTER", "INVITE"].into_iter().zip(few).zip(crowded) {
            let ratio = crowded.as_secs_f64() / few.as_secs_f64();
            println!("| {many} {kind:?} | {step} | {few:.1?} | {crowded:.1?} | {ratio:.2} |");
        }
    }
}
