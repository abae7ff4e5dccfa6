//! Random values of the synthetic city. Only integers, so that a seed means the same on every machine.

use crate::ids::Rng;

/// True in `percent` of a hundred cases.
pub(super) fn chance(rng: &mut Rng, percent: u64) -> bool {
    rng.below(100) < percent
}

/// A value of about exponential distribution with this mean.
pub(super) fn about(rng: &mut Rng, mean: i64) -> i64 {
    // Steps until one of eight ends: 7 on average, and half a step within the last one.
    let mut steps = 0;
    while steps < 128 && rng.below(8) != 0 {
        steps += 1;
    }
    let step = mean.saturating_mul(2) / 15;
    steps * step + between(rng, 0, step)
}

/// From `low` to just below `high`.
pub(super) fn between(rng: &mut Rng, low: i64, high: i64) -> i64 {
    low + i64::try_from(rng.below(high.saturating_sub(low).max(0).unsigned_abs())).unwrap_or(0)
}

/// The number of arrivals if `expected` (in hundredths) are the mean; the variance is three quarters of it.
pub(super) fn arrivals(rng: &mut Rng, expected: u64) -> u64 {
    let trials = expected.saturating_mul(4);
    let whole = trials / 100;
    let trials = whole + u64::from(rng.below(100) < trials % 100);
    (0..trials).map(|_| u64::from(rng.below(4) == 0)).sum()
}

/// One of several, by their weights. None if all weights are zero.
pub(super) fn weighted<'a, T>(rng: &mut Rng, all: &'a [T], weight: impl Fn(&T) -> u64) -> Option<&'a T> {
    let mut left = rng.below(all.iter().map(&weight).sum());
    all.iter().find(|one| {
        let own = weight(one);
        let found = left < own;
        left = left.saturating_sub(own);
        found
    })
}

/// One of several.
pub(super) fn one_of<T>(rng: &mut Rng, all: &[T]) -> Option<usize> {
    let count = u64::try_from(all.len()).unwrap_or(0);
    usize::try_from(rng.below(count)).ok().filter(|index| *index < all.len())
}
