//! Erlang B, C and A: what callers experience with `n` operators at a constant load.
//!
//! Calls arrive at random at the rate λ, the handling time is exponential with mean 1/μ (AHT), the load is a = λ/μ Erlang. In
//! Erlang A, a caller gives up after an exponential time with mean 1/θ (patience). Without patience, no caller gives up: Erlang C.

/// No plan has fewer operators: one operator cannot take a break, and a second call would wait for the end of the first.
pub const OPERATORS_MIN: u32 = 2;
/// More operators than this are not searched for.
pub const OPERATORS_MAX: u32 = 20_000;
/// Sums leave out terms that are smaller than this part of the sum.
const NEGLIGIBLE: f64 = 1e-18;
/// Sums are divided by this before they exceed the range of numbers.
const LARGE: f64 = 1e200;

/// A constant load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// Calls in a second (λ).
    pub calls_per_second: f64,
    /// Mean handling time (1/μ): talk and wrap-up.
    pub aht_seconds: f64,
    /// Mean time after which a caller in the queue gives up (1/θ). None: never.
    pub patience_seconds: Option<f64>,
}

/// What callers and operators experience.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Experience {
    /// Share of the calls that wait.
    pub waiting: f64,
    /// Share of all calls that are answered within T.
    pub service_level: f64,
    /// Mean wait of all calls, in seconds, including those given up. None: without end, as the queue grows for ever.
    pub mean_wait_seconds: Option<f64>,
    /// Share of all calls that are given up.
    pub abandonment: f64,
    /// Share of the operators' time spent on calls.
    pub occupancy: f64,
}

impl Load {
    /// The load in Erlang (a).
    pub fn erlang(&self) -> f64 {
        self.calls_per_second * self.aht_seconds
    }

    /// What callers experience with `operators` operators; `within_seconds` is T. With no operator, no call is answered.
    pub fn with(&self, operators: u32, within_seconds: f64) -> Experience {
        if self.erlang() <= 0.0 {
            let level = f64::from(u8::from(operators > 0));
            return Experience {
                waiting: 1.0 - level,
                service_level: level,
                mean_wait_seconds: (operators > 0).then_some(0.0),
                abandonment: 0.0,
                occupancy: 0.0,
            };
        }
        match self.patience_seconds {
            Some(patience) if operators > 0 => erlang_a(self, 1.0 / patience, operators, within_seconds),
            Some(patience) => Experience {
                waiting: 1.0,
                service_level: 0.0,
                mean_wait_seconds: Some(patience),
                abandonment: 1.0,
                occupancy: 0.0,
            },
            None => erlang_c(self, operators, within_seconds),
        }
    }

    /// The least number of operators, at least `OPERATORS_MIN`, with which the share `level` of all calls is answered within T.
    /// None if even `OPERATORS_MAX` are too few.
    pub fn operators_for(&self, level: f64, within_seconds: f64) -> Option<u32> {
        let reaches = |operators| self.with(operators, within_seconds).service_level >= level;
        if reaches(OPERATORS_MIN) {
            return Some(OPERATORS_MIN);
        }
        // More operators never worsen the service level: the first that reaches it lies between the last two.
        let (mut few, mut enough) = (OPERATORS_MIN, OPERATORS_MIN * 2);
        while !reaches(enough) {
            if enough == OPERATORS_MAX {
                return None;
            }
            (few, enough) = (enough, (enough * 2).min(OPERATORS_MAX));
        }
        while enough - few > 1 {
            let middle = few + (enough - few) / 2;
            if reaches(middle) {
                enough = middle;
            } else {
                few = middle;
            }
        }
        Some(enough)
    }
}

/// 1 / B(n): the inverse of the Erlang B formula, by the recursion 1/B(n) = 1 + n/a · 1/B(n-1), which only adds positive terms.
fn inverse_b(erlang: f64, operators: u32) -> f64 {
    (1..=operators).fold(1.0, |inverse, n| 1.0 + f64::from(n) / erlang * inverse)
}

/// Share of calls lost if no call can wait (Erlang B).
pub fn blocking(erlang: f64, operators: u32) -> f64 {
    if erlang <= 0.0 {
        return f64::from(u8::from(operators == 0));
    }
    1.0 / inverse_b(erlang, operators)
}

fn erlang_c(load: &Load, operators: u32, within_seconds: f64) -> Experience {
    let (erlang, n) = (load.erlang(), f64::from(operators));
    if n <= erlang {
        return Experience {
            waiting: 1.0,
            service_level: 0.0,
            mean_wait_seconds: None,
            abandonment: 0.0,
            occupancy: if operators > 0 { 1.0 } else { 0.0 },
        };
    }
    let b = blocking(erlang, operators);
    let waiting = b / (1.0 - erlang / n * (1.0 - b));
    let free = n - erlang;
    Experience {
        waiting,
        service_level: 1.0 - waiting * (-free * within_seconds / load.aht_seconds).exp(),
        mean_wait_seconds: Some(waiting * load.aht_seconds / free),
        abandonment: 0.0,
        occupancy: erlang / n,
    }
}

/// The states of a system with `operators` operators whose queue has any length. Probabilities are relative to that of the
/// state in which all operators are busy and no call waits, times e^-`exponent`.
struct States {
    /// All states with a free operator.
    free: f64,
    /// All states without a free operator.
    busy: f64,
    /// The same, each times the number of calls that wait.
    queued: f64,
    exponent: f64,
}

impl States {
    fn of(load: &Load, theta: f64, operators: u32) -> Self {
        let all_leave = f64::from(operators) / load.aht_seconds;
        let mut states =
            Self { free: inverse_b(load.erlang(), operators) - 1.0, busy: 1.0, queued: 0.0, exponent: 0.0 };
        let (mut term, mut waiting) = (1.0, 0.0);
        loop {
            waiting += 1.0;
            let ratio = load.calls_per_second / (all_leave + waiting * theta);
            term *= ratio;
            states.busy += term;
            states.queued += waiting * term;
            // The rest of the sum is smaller than a geometric series with this ratio.
            if ratio < 1.0 && term * waiting < NEGLIGIBLE * (1.0 - ratio) * (1.0 - ratio) * states.busy {
                return states;
            }
            if term > LARGE {
                for sum in [&mut term, &mut states.free, &mut states.busy, &mut states.queued] {
                    *sum /= LARGE;
                }
                states.exponent += LARGE.ln();
            }
        }
    }
}

fn erlang_a(load: &Load, theta: f64, operators: u32, within_seconds: f64) -> Experience {
    let states = States::of(load, theta, operators);
    let all = states.free + states.busy;
    let queue = states.queued / all;
    let abandonment = theta * queue / load.calls_per_second;
    let n = f64::from(operators);
    Experience {
        waiting: states.busy / all,
        service_level: 1.0 - states.busy / all + answered_after_waiting(load, theta, n, within_seconds, &states),
        mean_wait_seconds: Some(queue / load.calls_per_second),
        abandonment,
        occupancy: load.erlang() * (1.0 - abandonment) / n,
    }
}

/// Share of all calls that wait and are answered within T. The time that a caller of endless patience would wait has the density
/// nμ p(n) exp(λ(1 - e^-θx)/θ - nμx) at x > 0 (Baccelli and Hébuterne); a caller is still there at x with the probability e^-θx.
fn answered_after_waiting(load: &Load, theta: f64, n: f64, within_seconds: f64, states: &States) -> f64 {
    let (lambda, all_leave) = (load.calls_per_second, n / load.aht_seconds);
    // With far more operators than calls, `free` is beyond the range of numbers, and the density 0.
    let start = all_leave.ln() - (states.free + states.busy).ln() - states.exponent;
    let density = |x: f64| (start - lambda * (-theta * x).exp_m1() / theta - (all_leave + theta) * x).exp();
    // Simpson's rule, with steps that are short against every rate.
    let steps = (within_seconds * (lambda + all_leave + theta) * 16.0).clamp(256.0, 200_000.0) as u32;
    let step = within_seconds / f64::from(2 * steps);
    let inside: f64 = (1..2 * steps).map(|i| f64::from(2 + 2 * (i % 2)) * density(f64::from(i) * step)).sum();
    (density(0.0) + inside + density(within_seconds)) * step / 3.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 100 calls in 30 minutes of 180 s: 10 Erlang.
    fn oracle(patience_seconds: Option<f64>) -> Load {
        Load { calls_per_second: 100.0 / 1_800.0, aht_seconds: 180.0, patience_seconds }
    }

    fn near(found: f64, expected: f64, within: f64) {
        assert!((found - expected).abs() <= within, "found {found}, expected {expected}");
    }

    #[test]
    fn erlang_c_gives_the_published_figures() {
        let found = oracle(None).with(14, 20.0);
        near(found.waiting, 0.174_131_9, 1e-7);
        near(found.service_level, 0.888_35, 5e-6);
        near(found.mean_wait_seconds.unwrap(), 7.835_937, 1e-6);
        near(found.occupancy, 0.714_285_7, 1e-7);
        for (operators, level) in [(11, 0.389_613_8), (12, 0.640_158), (13, 0.795_594_8)] {
            near(oracle(None).with(operators, 20.0).service_level, level, 1e-6);
        }
        let other = Load { calls_per_second: 3.5 / 60.0, aht_seconds: 180.0, patience_seconds: None };
        near(other.with(13, 20.0).mean_wait_seconds.unwrap(), 26.56, 0.005);
    }

    #[test]
    fn erlang_a_gives_the_published_figures() {
        let found = oracle(Some(300.0)).with(14, 20.0);
        near(found.waiting, 0.145_26, 5e-6);
        near(found.abandonment, 0.013_984, 1e-6);
        near(found.mean_wait_seconds.unwrap() / 60.0, 0.069_919, 1e-6);
        near(found.occupancy, 0.704_297, 1e-6);
        near(found.service_level, 0.916_792, 1e-6);
        let fewer = oracle(Some(300.0)).with(13, 20.0);
        near(fewer.service_level, 0.858, 5e-4);
        near(fewer.abandonment, 0.025, 5e-4);
        near(fewer.mean_wait_seconds.unwrap() / 60.0, 0.125, 5e-4);
        near(fewer.occupancy, 0.750, 5e-4);
    }

    #[test]
    fn the_least_number_of_operators_for_each_target() {
        let load = oracle(None);
        for (level, within) in [(0.9, 10.0), (0.9, 15.0), (0.95, 20.0), (0.5, 20.0)] {
            let operators = load.operators_for(level, within).unwrap();
            assert!(load.with(operators, within).service_level >= level);
            assert!(load.with(operators - 1, within).service_level < level, "{operators} for {level} within {within}");
        }
        assert_eq!(load.operators_for(0.9, 20.0), Some(15), "14 answer 88.8 % within 20 s");
    }

    #[test]
    fn a_plan_never_has_a_single_operator() {
        let idle = Load { calls_per_second: 0.0, aht_seconds: 180.0, patience_seconds: None };
        let quiet = Load { calls_per_second: 1e-6, ..idle };
        assert_eq!((idle.operators_for(0.9, 10.0), quiet.operators_for(0.01, 10.0)), (Some(2), Some(2)));
        assert_eq!(idle.with(2, 10.0).service_level.to_bits(), 1.0_f64.to_bits());
        let too_much = Load { calls_per_second: 200.0, ..idle };
        assert_eq!(too_much.operators_for(0.9, 10.0), None, "36,000 Erlang");
    }

    #[test]
    fn thousands_of_erlangs_give_finite_numbers() {
        // Halfin and Whitt's approximation of Erlang C gives 90.1 % for 5,031 and 89.4 % for 5,030.
        // With patience and 4,737: 5.3 % give up, the wait is 6.5 s with a deviation of 2.1 s, 0.947 · P(wait < 10 s) = 0.904.
        for (patience_seconds, expected) in [(None, 5_031..5_032), (Some(120.0), 4_720..4_755)] {
            let load = Load { calls_per_second: 5_000.0 / 180.0, aht_seconds: 180.0, patience_seconds };
            let operators = load.operators_for(0.9, 10.0).unwrap();
            assert!(expected.contains(&operators), "{operators}");
            // Far too few, and far too many.
            for operators in [2, 100, 2_500, 10_000, 20_000] {
                let found = load.with(operators, 10.0);
                let shares = [found.waiting, found.service_level, found.abandonment, found.occupancy];
                assert!(shares.iter().all(|share| (-1e-9..=1.0 + 1e-9).contains(share)), "{operators}: {found:?}");
                assert!(found.mean_wait_seconds.is_none_or(f64::is_finite), "{operators}: {found:?}");
            }
        }
    }

    #[test]
    fn no_operator_answers_no_call() {
        for patience_seconds in [None, Some(60.0)] {
            let found = oracle(patience_seconds).with(0, 10.0);
            assert!(found.service_level.abs() < 1e-12 && (found.waiting - 1.0).abs() < 1e-12, "{found:?}");
        }
    }

    /// Erlang B by its definition: (aⁿ/n!) / Σ aᵏ/k!.
    fn direct_b(erlang: f64, operators: u32) -> f64 {
        let mut terms = vec![1.0];
        for k in 1..=operators {
            terms.push(terms.last().unwrap() * erlang / f64::from(k));
        }
        terms.last().unwrap() / terms.iter().sum::<f64>()
    }

    /// Share answered within T in Erlang A by the states found on arrival: the caller's place is reached after a sum of
    /// exponential times, which uniformisation adds up. An independent way to the integral.
    fn direct_level(load: &Load, operators: u32, within: f64) -> f64 {
        let (lambda, mu, theta) = (load.calls_per_second, 1.0 / load.aht_seconds, 1.0 / load.patience_seconds.unwrap());
        let n = operators as usize;
        let mut states = vec![1.0];
        for k in 1..n + 200 {
            let rate = k.min(n) as f64 * mu + k.saturating_sub(n) as f64 * theta;
            states.push(states[k - 1] * lambda / rate);
        }
        let all: f64 = states.iter().sum();
        let mut level: f64 = states[..n].iter().sum::<f64>() / all;
        // place[j]: j calls ahead; j = 0 is next. Given up or answered: gone.
        let mut place: Vec<f64> = states[n..].iter().map(|state| state / all).collect();
        let all_leave = n as f64 * mu;
        let fastest = all_leave + theta * (place.len() + 1) as f64;
        let mut weight = (-fastest * within).exp();
        let (mut tail, mut step) = (1.0 - weight, 0.0);
        while tail > 1e-12 {
            let answered = place[0] * all_leave / fastest;
            level += answered * tail;
            let next: Vec<f64> = (0..place.len())
                .map(|j| {
                    let ahead = all_leave + theta * j as f64;
                    let stays = 1.0 - (ahead + theta) / fastest;
                    let from_behind = place.get(j + 1).map_or(0.0, |p| p * (all_leave + theta * (j + 1) as f64));
                    place[j] * stays + from_behind / fastest
                })
                .collect();
            place = next;
            step += 1.0;
            weight *= fastest * within / step;
            tail -= weight;
        }
        level
    }

    #[test]
    fn the_service_level_of_erlang_a_agrees_with_the_states_found_on_arrival() {
        for (operators, patience, within) in [(14, 300.0, 20.0), (9, 60.0, 10.0), (12, 20.0, 15.0), (10, 600.0, 60.0)] {
            let load = oracle(Some(patience));
            near(load.with(operators, within).service_level, direct_level(&load, operators, within), 1e-7);
        }
    }

    proptest! {
        #[test]
        fn the_recursion_agrees_with_the_direct_sum(erlang in 0.01..60.0_f64, operators in 0..100_u32) {
            let (found, direct) = (blocking(erlang, operators), direct_b(erlang, operators));
            prop_assert!((found - direct).abs() <= 1e-12 + 1e-9 * direct, "{found} {direct}");
        }

        #[test]
        fn one_operator_more_never_worsens_anything(
            erlang in 0.01..80.0_f64,
            aht_seconds in 20.0..600.0_f64,
            patience in proptest::option::of(5.0..2_000.0_f64),
            operators in 1..100_u32,
            within in 0.0..60.0_f64,
        ) {
            let load = Load { calls_per_second: erlang / aht_seconds, aht_seconds, patience_seconds: patience };
            let (before, after) = (load.with(operators, within), load.with(operators + 1, within));
            prop_assert!(after.service_level >= before.service_level - 1e-9, "{before:?} {after:?}");
            prop_assert!(after.waiting <= before.waiting + 1e-9);
            prop_assert!(after.abandonment <= before.abandonment + 1e-9);
            prop_assert!(after.occupancy <= before.occupancy + 1e-9);
            let [before, after] = [before, after].map(|of| of.mean_wait_seconds.unwrap_or(f64::INFINITY));
            prop_assert!(after <= before * (1.0 + 1e-9) + 1e-9);
        }

        #[test]
        fn endless_patience_is_erlang_c(erlang in 0.1..50.0_f64, more in 1..20_u32, within in 0.0..60.0_f64) {
            let operators = erlang.ceil() as u32 + more;
            let load = |patience_seconds| Load { calls_per_second: erlang / 180.0, aht_seconds: 180.0, patience_seconds };
            let (a, c) = (load(Some(1e9)).with(operators, within), load(None).with(operators, within));
            prop_assert!((a.waiting - c.waiting).abs() < 1e-5, "{a:?} {c:?}");
            prop_assert!((a.service_level - c.service_level).abs() < 1e-5, "{a:?} {c:?}");
            let [short, long] = [a, c].map(|of| of.mean_wait_seconds.unwrap());
            prop_assert!((short - long).abs() <= 1e-4 * long + 1e-9, "{a:?} {c:?}");
        }
    }
}
