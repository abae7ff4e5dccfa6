//! How long callers wait before they give up, from records. An answered call shows only that its caller would have waited longer:
//! its wait is censored.

use std::collections::BTreeMap;

use serde::Serialize;

/// With fewer abandoned calls, no patience is estimated.
pub const ABANDONS_MIN: u64 = 30;
/// A longer patience makes no difference to a plan.
const PATIENCE_MAX_SECONDS: f64 = 3_600.0;

/// Calls with the same wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ends {
    abandoned: u64,
    /// Answered, or ended by another cause.
    others: u64,
}

/// The waits of calls, in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waits(BTreeMap<u64, Ends>);

impl Waits {
    /// Adds a call.
    pub fn add(&mut self, waited_ms: u64, abandoned: bool) {
        let ends = self.0.entry(waited_ms).or_default();
        if abandoned {
            ends.abandoned += 1;
        } else {
            ends.others += 1;
        }
    }
}

/// An estimate, and a second one that assumes no distribution.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Patience {
    /// Abandoned calls, without short ones.
    pub abandoned: u64,
    /// Mean of the exponential distribution: total waiting time / abandoned calls. None: too few abandoned calls.
    pub mean_seconds: Option<f64>,
    /// Median of that distribution.
    pub median_seconds: Option<f64>,
    /// Median by Kaplan and Meier, from `short_ms` on as the mean. None: more than half of the callers were answered before they
    /// would have given up.
    pub kaplan_meier_median_seconds: Option<f64>,
}

impl Patience {
    /// Estimates from waits. Calls that ended before `short_ms` count neither as callers nor as waiting time, as in the service
    /// level: the time before `short_ms` is left out of all waits.
    pub fn of(waits: &Waits, short_ms: u64) -> Self {
        let longer = || waits.0.range(short_ms..).map(|(waited_ms, ends)| (waited_ms - short_ms, *ends));
        let abandoned: u64 = longer().map(|(_, ends)| ends.abandoned).sum();
        let total_ms: u64 = longer().map(|(waited_ms, ends)| waited_ms * (ends.abandoned + ends.others)).sum();
        let enough = abandoned >= ABANDONS_MIN && total_ms > 0;
        let mean_seconds =
            enough.then(|| (total_ms as f64 / 1_000.0 / abandoned as f64).clamp(1.0, PATIENCE_MAX_SECONDS));
        let median_ms = enough.then(|| median(&longer().collect::<Vec<_>>())).flatten();
        Self {
            abandoned,
            mean_seconds,
            median_seconds: mean_seconds.map(|mean| mean * std::f64::consts::LN_2),
            kaplan_meier_median_seconds: median_ms.map(|ms| ms as f64 / 1_000.0),
        }
    }
}

/// The time at which the Kaplan-Meier estimate of the share that still waits falls to a half. `waits` in order of time.
fn median(waits: &[(u64, Ends)]) -> Option<u64> {
    let mut left: u64 = waits.iter().map(|(_, ends)| ends.abandoned + ends.others).sum();
    let mut waiting = 1.0;
    for (waited_ms, ends) in waits {
        waiting *= 1.0 - ends.abandoned as f64 / left as f64;
        left -= ends.abandoned + ends.others;
        if ends.abandoned > 0 && waiting <= 0.5 {
            return Some(*waited_ms);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(of: impl IntoIterator<Item = (u64, bool)>) -> Waits {
        let mut waits = Waits::default();
        of.into_iter().for_each(|(waited_ms, abandoned)| waits.add(waited_ms, abandoned));
        waits
    }

    fn same(calls: usize, waited_ms: u64, abandoned: bool) -> impl Iterator<Item = (u64, bool)> {
        std::iter::repeat_n((waited_ms, abandoned), calls)
    }

    fn kaplan_meier(of: &[(u64, bool)]) -> Option<u64> {
        median(&waits(of.iter().copied()).0.into_iter().collect::<Vec<_>>())
    }

    #[test]
    fn patience_is_the_total_wait_for_each_abandoned_call() {
        let found = Patience::of(&waits(same(30, 20_000, true).chain(same(90, 10_000, false))), 0);
        assert_eq!((found.abandoned, found.mean_seconds), (30, Some(50.0)), "(30 · 20 s + 90 · 10 s) / 30");
        assert_eq!(found.kaplan_meier_median_seconds, Some(20.0), "of the 30 that still wait at 20 s, none is left");
    }

    #[test]
    fn short_abandons_are_no_callers_and_their_time_is_no_wait() {
        let found = Patience::of(&waits(same(30, 20_000, true).chain(same(500, 4_999, true))), 5_000);
        assert_eq!((found.abandoned, found.mean_seconds), (30, Some(15.0)));
    }

    #[test]
    fn few_abandoned_calls_give_no_estimate() {
        let found = Patience::of(&waits(same(29, 20_000, true)), 0);
        let none =
            Patience { abandoned: 29, mean_seconds: None, median_seconds: None, kaplan_meier_median_seconds: None };
        assert_eq!(found, none);
        assert_eq!(Patience::of(&waits(same(60, 0, true)), 0).mean_seconds, None, "calls without any wait");
    }

    #[test]
    fn kaplan_meier_steps_down_at_abandoned_calls_only() {
        // At 1 s one of 4 gives up (3/4), at 2 s one is answered, at 3 s one of 2 gives up (3/8).
        assert_eq!(kaplan_meier(&[(3_000, true), (1_000, true), (2_000, false), (4_000, false)]), Some(3_000));
        let answered = [(1_000, true), (2_000, false), (3_000, false), (4_000, false)];
        assert_eq!(kaplan_meier(&answered), None, "the share that waits never falls to a half");
        // Answers at the time of an abandoned call were still waiting at that time.
        assert_eq!(kaplan_meier(&[(1_000, true), (1_000, false), (5_000, false)]), None);
    }

    #[test]
    fn exponential_patience_with_censored_answers_is_found_again() {
        // Quantiles of an exponential distribution with mean 60 s; every second call is answered after 30 s.
        let quantile = |i: u32| -60_000.0 * (1.0 - (f64::from(i) + 0.5) / 2_000.0).ln();
        let waits = waits((0..2_000).map(|i| {
            let patience = quantile(i) as u64;
            if i % 2 == 0 && patience > 30_000 { (30_000, false) } else { (patience, true) }
        }));
        let found = Patience::of(&waits, 0);
        let mean = found.mean_seconds.unwrap();
        assert!((mean - 60.0).abs() < 0.5, "{mean}");
        let difference = found.median_seconds.unwrap() - found.kaplan_meier_median_seconds.unwrap();
        assert!(difference.abs() < 0.5, "both medians agree: {found:?}");
        let shifted = Patience::of(&waits, 10_000).mean_seconds.unwrap();
        assert!((shifted - 60.0).abs() < 0.5, "an exponential patience does not depend on the time waited: {shifted}");
    }
}
