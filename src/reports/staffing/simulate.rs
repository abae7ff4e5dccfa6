//! A simulation of weeks, call by call, with a roster and breaks. It checks the formulas, which know neither shifts nor breaks,
//! and shows how much one week differs from another. The same seed gives the same result to the last bit.
//!
//! The caller who waits longest is answered first, by the operator who has been free longest. An operator ends a call before a
//! break or the end of a shift. Times are whole microseconds.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, VecDeque};
use std::ops::Range;

use serde::Serialize;

use super::hours::HOURS;
use crate::ids::Rng;

const SECOND: u64 = 1_000_000;
pub(super) const HOUR: u64 = 3_600 * SECOND;
/// A day before the week that is counted, so that it does not start with an empty queue, and a day after it.
pub(super) const BEFORE: u64 = 24 * HOUR;
pub(super) const END: u64 = BEFORE + HOURS as u64 * HOUR + BEFORE;
const COUNTED: Range<u64> = BEFORE..END - BEFORE;
/// Quantiles of Student's t for 95 % on both sides, by degrees of freedom from 1.
const STUDENT: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
    2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/// The calls of a week.
#[derive(Clone, Debug)]
pub struct Demand {
    /// Calls in each hour of the week, Monday 00:00 first.
    pub calls_per_hour: [f64; HOURS],
    /// Mean handling time in each hour, in seconds.
    pub aht_seconds: [f64; HOURS],
    /// Handling times from records, in milliseconds, drawn at random. Empty: exponential with the mean of the hour.
    pub handled_ms: Vec<u32>,
    pub patience_seconds: Option<f64>,
    /// T.
    pub within_seconds: f64,
}

/// The times at the desk of one operator, in order, in microseconds from the start of the simulation: a day before Monday 00:00.
pub type Duty = Vec<Range<u64>>;

/// Mean over the replications, and half the width of its 95 % confidence band.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Band {
    pub mean: f64,
    pub half_width: f64,
}

/// Figures of the simulated weeks, of all calls.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Simulated {
    pub replications: u32,
    /// Share of all calls answered within T.
    pub service_level: Band,
    /// Mean wait in seconds, including calls given up.
    pub mean_wait_seconds: Band,
    /// Share of all calls given up.
    pub abandonment: Band,
}

#[derive(Clone, Copy, Debug)]
struct Call {
    at: u64,
    /// When the caller gives up.
    until: u64,
    handling: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    calls: u64,
    within: u64,
    abandoned: u64,
    waited: u64,
}

/// In the order in which events of the same time are processed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    CallEnds(usize),
    DutyEnds(usize),
    DutyStarts(usize),
}

/// Simulates `replications` weeks. With the same seed, each roster gets the same calls. None if fewer than two of the weeks have calls.
pub fn simulate(demand: &Demand, duties: &[Duty], replications: u32, seed: u64) -> Option<Simulated> {
    let mut rng = Rng::from_number(seed);
    let weeks: Vec<Tally> = (0..replications)
        .map(|_| Floor::new(duties, demand.within_seconds).run(&calls(demand, &mut rng)))
        .filter(|week| week.calls > 0)
        .collect();
    let band = |figure: fn(&Tally) -> u64| {
        let shares: Vec<f64> = weeks.iter().map(|week| figure(week) as f64 / week.calls as f64).collect();
        band(&shares)
    };
    let wait = band(|week| week.waited)?;
    Some(Simulated {
        replications,
        service_level: band(|week| week.within)?,
        mean_wait_seconds: Band { mean: wait.mean / SECOND as f64, half_width: wait.half_width / SECOND as f64 },
        abandonment: band(|week| week.abandoned)?,
    })
}

fn band(values: &[f64]) -> Option<Band> {
    let count = values.len();
    let freedom = count.checked_sub(2)?;
    let mean = values.iter().sum::<f64>() / count as f64;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (freedom + 1) as f64;
    // Behind the table, 1.96 + 2.4/f is within 0.01 of the quantile.
    let quantile = STUDENT.get(freedom).copied().unwrap_or(1.96 + 2.4 / (freedom + 1) as f64);
    Some(Band { mean, half_width: quantile * (variance / count as f64).sqrt() })
}

/// Exponential with mean 1.
fn exponential(rng: &mut Rng) -> f64 {
    let uniform = ((rng.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    -uniform.ln()
}

/// The calls of one simulation: Poisson arrivals with the rate of each hour.
fn calls(demand: &Demand, rng: &mut Rng) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut left = exponential(rng);
    // The day before Monday is a Sunday.
    let week = demand.calls_per_hour.iter().zip(&demand.aht_seconds).cycle().skip(HOURS - 24);
    for (start, (rate, aht)) in (0..END).step_by(HOUR as usize).zip(week) {
        let mut from = 0.0;
        while left < rate * (1.0 - from) {
            from += left / rate;
            let at = start + (from * HOUR as f64) as u64;
            let patience = demand.patience_seconds.map(|mean| mean * exponential(rng) * SECOND as f64);
            let drawn = usize::try_from(rng.below(demand.handled_ms.len() as u64)).ok();
            let observed = drawn.and_then(|drawn| demand.handled_ms.get(drawn));
            let handling = match observed {
                Some(ms) => u64::from(*ms) * 1_000,
                None => (aht * exponential(rng) * SECOND as f64) as u64,
            };
            calls.push(Call { at, until: patience.map_or(u64::MAX, |patience| at + patience as u64), handling });
            left = exponential(rng);
        }
        left -= rate * (1.0 - from);
    }
    calls
}

#[derive(Clone, Copy, Debug, Default)]
struct Operator {
    at_desk: bool,
    on_call: bool,
    free_since: u64,
}

/// The operators and the queue at one moment.
struct Floor {
    operators: Vec<Operator>,
    /// By the time since which they are free.
    free: BTreeSet<(u64, usize)>,
    queue: VecDeque<Call>,
    events: BinaryHeap<Reverse<(u64, Event)>>,
    within: u64,
    tally: Tally,
}

impl Floor {
    fn new(duties: &[Duty], within_seconds: f64) -> Self {
        let mut events = BinaryHeap::new();
        for (no, duty) in duties.iter().enumerate() {
            for span in duty {
                events.push(Reverse((span.start, Event::DutyStarts(no))));
                events.push(Reverse((span.end, Event::DutyEnds(no))));
            }
        }
        Self {
            operators: vec![Operator::default(); duties.len()],
            free: BTreeSet::new(),
            queue: VecDeque::new(),
            events,
            within: (within_seconds * SECOND as f64) as u64,
            tally: Tally::default(),
        }
    }

    fn run(mut self, calls: &[Call]) -> Tally {
        for call in calls {
            self.events_before(call.at);
            if let Some((_, no)) = self.free.pop_first() {
                self.answer(*call, no, call.at);
            } else {
                self.queue.push_back(*call);
            }
        }
        self.events_before(u64::MAX);
        // Calls that no operator came for.
        while let Some(call) = self.queue.pop_front() {
            self.count(call, call.until.min(END), false);
        }
        self.tally
    }

    /// Processes the events up to and including `until`.
    fn events_before(&mut self, until: u64) {
        while let Some(Reverse((at, event))) = self.events.peek().copied().filter(|Reverse((at, _))| *at <= until) {
            self.events.pop();
            let (Event::CallEnds(no) | Event::DutyStarts(no) | Event::DutyEnds(no)) = event;
            let Some(operator) = self.operators.get_mut(no) else { continue };
            match event {
                Event::CallEnds(_) => operator.on_call = false,
                Event::DutyStarts(_) => operator.at_desk = true,
                Event::DutyEnds(_) => operator.at_desk = false,
            }
            self.free.remove(&(operator.free_since, no));
            if operator.at_desk && !operator.on_call {
                operator.free_since = at;
                self.take_next(no, at);
            }
        }
    }

    /// Gives the operator the next caller who still waits; without one, the operator is free.
    fn take_next(&mut self, no: usize, at: u64) {
        while let Some(call) = self.queue.pop_front() {
            if call.until > at {
                self.answer(call, no, at);
                return;
            }
            self.count(call, call.until, false);
        }
        if let Some(operator) = self.operators.get(no) {
            self.free.insert((operator.free_since, no));
        }
    }

    fn answer(&mut self, call: Call, no: usize, at: u64) {
        if let Some(operator) = self.operators.get_mut(no) {
            operator.on_call = true;
        }
        self.events.push(Reverse((at + call.handling, Event::CallEnds(no))));
        self.count(call, at, true);
    }

    fn count(&mut self, call: Call, until: u64, answered: bool) {
        if !COUNTED.contains(&call.at) {
            return;
        }
        let waited = until.saturating_sub(call.at);
        self.tally.calls += 1;
        self.tally.waited += waited;
        self.tally.within += u64::from(answered && waited <= self.within);
        self.tally.abandoned += u64::from(!answered);
    }
}

#[cfg(test)]
mod tests {
    use super::super::erlang::Load;
    use super::*;

    fn stationary(patience_seconds: Option<f64>) -> Demand {
        Demand {
            calls_per_hour: [200.0; HOURS],
            aht_seconds: [180.0; HOURS],
            handled_ms: Vec::new(),
            patience_seconds,
            within_seconds: 20.0,
        }
    }

    fn always(operators: usize) -> Vec<Duty> {
        vec![std::iter::once(0..END).collect(); operators]
    }

    fn assert_agrees(found: &Simulated, load: &Load, operators: u32) {
        let formula = load.with(operators, 20.0);
        for (name, band, expected, finest) in [
            ("service level", found.service_level, formula.service_level, 0.01),
            ("wait", found.mean_wait_seconds, formula.mean_wait_seconds.unwrap(), 0.5),
            ("abandonment", found.abandonment, formula.abandonment, 0.002),
        ] {
            assert!((band.mean - expected).abs() <= band.half_width, "{name}: {band:?}, formula {expected}");
            assert!(band.half_width <= finest, "{name}: the band is too wide to tell anything: {band:?}");
        }
    }

    #[test]
    fn a_stationary_load_agrees_with_erlang_a_and_erlang_c() {
        for patience_seconds in [Some(300.0), None] {
            let found = simulate(&stationary(patience_seconds), &always(14), 24, 1).unwrap();
            let load = Load { calls_per_second: 200.0 / 3_600.0, aht_seconds: 180.0, patience_seconds };
            assert_agrees(&found, &load, 14);
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_bits_and_another_seed_does_not() {
        let run = |seed| simulate(&stationary(Some(300.0)), &always(12), 3, seed).unwrap();
        let bits = |found: Simulated| {
            [found.service_level, found.mean_wait_seconds, found.abandonment]
                .map(|band| (band.mean.to_bits(), band.half_width.to_bits()))
        };
        assert_eq!(bits(run(7)), bits(run(7)));
        assert_ne!(bits(run(7)), bits(run(8)));
    }

    #[test]
    fn one_operator_more_helps_the_same_callers() {
        let levels = [12, 13, 14].map(|n| simulate(&stationary(Some(300.0)), &always(n), 3, 1).unwrap());
        assert!(levels.windows(2).all(|two| two[0].service_level.mean < two[1].service_level.mean), "{levels:?}");
    }

    #[test]
    fn breaks_cost_service_and_calls_end_before_them() {
        let half = |no: usize| {
            let start = if no.is_multiple_of(2) { 0 } else { HOUR };
            (start..END).step_by(2 * HOUR as usize).map(|from| from..from + HOUR).collect::<Duty>()
        };
        let duties: Vec<Duty> = (0..28).map(half).collect();
        let found = simulate(&stationary(Some(300.0)), &duties, 12, 1).unwrap();
        let formula = Load { calls_per_second: 200.0 / 3_600.0, aht_seconds: 180.0, patience_seconds: Some(300.0) };
        let formula = formula.with(14, 20.0).service_level;
        let level = found.service_level;
        // 14 are always at the desk, and operators end their calls after it: slightly better than the formula.
        assert!(level.mean > formula - level.half_width && level.mean < formula + 0.05, "{level:?} {formula}");
    }

    #[test]
    fn without_operators_every_caller_gives_up() {
        let found = simulate(&stationary(Some(60.0)), &[], 3, 1).unwrap();
        assert!((found.abandonment.mean - 1.0).abs() < 1e-12);
        assert!((found.mean_wait_seconds.mean - 60.0).abs() < 1.0, "{found:?}");
        let mut none = stationary(None);
        none.calls_per_hour = [0.0; HOURS];
        assert_eq!(simulate(&none, &always(2), 3, 1), None, "without calls there is nothing to count");
    }

    #[test]
    fn handling_times_of_records_are_used() {
        let mut demand = stationary(None);
        demand.handled_ms = vec![180_000];
        let constant = simulate(&demand, &always(14), 6, 1).unwrap();
        let random = simulate(&stationary(None), &always(14), 6, 1).unwrap();
        assert!(constant.mean_wait_seconds.mean < 0.8 * random.mean_wait_seconds.mean, "{constant:?} {random:?}");
    }

    #[test]
    fn a_band_is_students() {
        let found = band(&[1.0, 2.0, 3.0]).unwrap();
        assert!((found.mean - 2.0).abs() < 1e-12 && (found.half_width - 4.303 / 3.0_f64.sqrt()).abs() < 1e-9);
        assert_eq!(band(&[1.0]), None);
    }
}
