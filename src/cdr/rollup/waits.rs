//! How long callers waited: a count for each wait, rounded up to tenths of a second. Percentiles by the nearest rank are exact for such waits.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cdr::{Cdr, Outcome};

/// The width of a bin.
const BIN_MS: u64 = 100;

/// Counts of waits: the key `n` counts waits above `(n - 1) * 100` ms and up to `n * 100` ms.
pub type Bins = BTreeMap<u32, i64>;

/// The waits of some calls, by outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waits {
    pub answered: Bins,
    pub abandoned: Bins,
    /// Of failed and interrupted calls.
    pub other: Bins,
}

impl Waits {
    pub(super) fn of(cdr: &Cdr) -> Self {
        let bin = u32::try_from(cdr.waited_ms.div_ceil(BIN_MS)).unwrap_or(u32::MAX);
        let (one, mut waits) = (Bins::from([(bin, 1)]), Self::default());
        match cdr.outcome {
            Some(Outcome::Answered) => waits.answered = one,
            Some(Outcome::Abandoned) => waits.abandoned = one,
            Some(Outcome::Failed | Outcome::Interrupted) => waits.other = one,
            None => {}
        }
        waits
    }

    /// Adds others; `times` may be -1.
    pub fn add(&mut self, other: &Self, times: i64) {
        for (own, other) in [
            (&mut self.answered, &other.answered),
            (&mut self.abandoned, &other.abandoned),
            (&mut self.other, &other.other),
        ] {
            for (bin, calls) in other {
                let count = own.entry(*bin).or_default();
                *count = count.saturating_add(calls.saturating_mul(times));
                if *count == 0 {
                    own.remove(bin);
                }
            }
        }
    }

    /// The wait in milliseconds, rounded up to 100, that `percent` per cent of the waits do not exceed: the nearest rank. None without waits.
    pub fn percentile(bins: &Bins, percent: u8) -> Option<u64> {
        let all: i64 = bins.values().sum();
        let rank = i64::try_from((i128::from(all) * i128::from(percent.min(100)) + 99) / 100).ok()?.max(1);
        let mut seen = 0;
        for (bin, calls) in bins {
            seen += calls;
            if seen >= rank {
                return Some(u64::from(*bin) * BIN_MS);
            }
        }
        None
    }

    /// The number of waits of at most so many whole seconds.
    pub fn within(bins: &Bins, seconds: u32) -> i64 {
        bins.range(..=seconds.saturating_mul(10)).map(|(_, calls)| calls).sum()
    }

    /// The number of calls that waited longer than so many whole seconds.
    pub fn longer_than(&self, seconds: u32) -> i64 {
        let first = seconds.saturating_mul(10).saturating_add(1);
        let longer = |bins: &Bins| bins.range(first..).map(|(_, calls)| calls).sum::<i64>();
        [&self.answered, &self.abandoned, &self.other].map(longer).iter().sum()
    }

    /// The longest wait in milliseconds, rounded up to 100. None without waits.
    pub fn longest(bins: &Bins) -> Option<u64> {
        bins.last_key_value().map(|(bin, _)| u64::from(*bin) * BIN_MS)
    }
}
