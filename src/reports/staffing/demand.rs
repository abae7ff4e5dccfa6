//! The calls of each hour of the week, from the city's records or assumed.

use jiff::tz::TimeZone;

use crate::clock::Timestamp;
use crate::ids::Rng;

use super::hours::HOURS;
use super::patience::{Patience, Waits};

/// With fewer answered calls in an hour of the week, the mean handling time of all hours is used.
const ANSWERED_MIN: u64 = 30;
/// Handling times kept for the simulation.
const SAMPLES: usize = 10_000;
/// Offsets of time zones are multiples of this.
const QUARTER_MS: i64 = 15 * 60_000;
const HOUR_MS: f64 = 3_600_000.0;

/// How a call ended, for a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Answered,
    Abandoned,
    /// By a fault, before an answer.
    Other,
}

/// One call of the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    pub received: Timestamp,
    pub end: End,
    pub waited_ms: u64,
    /// Talk and wrap-up.
    pub handled_ms: u64,
}

/// One hour of the week in the records.
#[derive(Clone, Copy, Debug, Default)]
struct Hour {
    calls: u64,
    answered: u64,
    handled_ms: u64,
    /// How long the period was in this hour.
    observed_ms: u64,
}

/// Collects calls one by one.
pub struct Collected {
    zone: TimeZone,
    short_ms: u64,
    hours: [Hour; HOURS],
    waits: Waits,
    handled_ms: Vec<u32>,
    answered: u64,
    calls: u64,
    short: u64,
    first: Option<Timestamp>,
    rng: Rng,
}

/// What the records show.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Calls in each hour of the week, Monday 00:00 first.
    pub calls_per_hour: [f64; HOURS],
    pub aht_seconds: [f64; HOURS],
    /// Hours of the week whose handling time is their own.
    pub own_aht: u32,
    /// Calls, without short abandons.
    pub calls: u64,
    pub short_abandons: u64,
    /// From the first call, or the start of the period, to its end.
    pub weeks: f64,
    pub patience: Patience,
    /// A sample of the handling times.
    pub handled_ms: Vec<u32>,
}

impl Collected {
    /// `short_ms`: calls abandoned earlier are no calls for a plan.
    pub fn new(zone: TimeZone, short_ms: u64) -> Self {
        Self {
            zone,
            short_ms,
            hours: [Hour::default(); HOURS],
            waits: Waits::default(),
            handled_ms: Vec::new(),
            answered: 0,
            calls: 0,
            short: 0,
            first: None,
            rng: Rng::from_number(112),
        }
    }

    /// Adds a call; in any order.
    pub fn add(&mut self, call: Arrival) {
        self.first = Some(self.first.map_or(call.received, |first| first.min(call.received)));
        let abandoned = call.end == End::Abandoned;
        self.waits.add(call.waited_ms, abandoned);
        if abandoned && call.waited_ms < self.short_ms {
            self.short += 1;
            return;
        }
        self.calls += 1;
        let Some(hour) = hour_of_week(&self.zone, call.received).and_then(|hour| self.hours.get_mut(hour)) else {
            return;
        };
        hour.calls += 1;
        if call.end != End::Answered {
            return;
        }
        hour.answered += 1;
        hour.handled_ms += call.handled_ms;
        self.answered += 1;
        let sample = u32::try_from(call.handled_ms).unwrap_or(u32::MAX);
        if self.handled_ms.len() < SAMPLES {
            self.handled_ms.push(sample);
        } else if let Ok(place) = usize::try_from(self.rng.below(self.answered)) {
            // Each answered call stays in the sample with the same probability.
            self.handled_ms.get_mut(place).into_iter().for_each(|kept| *kept = sample);
        }
    }

    /// The rates of the time from `from`, or the first call if that is later, to `until`. None if no answered call has a handling time.
    pub fn profile(mut self, from: Timestamp, until: Timestamp) -> Option<Profile> {
        let from = self.first?.max(from);
        let (mut at, end) = (from.as_millis(), until.as_millis());
        while at < end {
            let next = ((at.div_euclid(QUARTER_MS) + 1) * QUARTER_MS).min(end);
            let hour = hour_of_week(&self.zone, Timestamp::from_millis(at)).and_then(|hour| self.hours.get_mut(hour));
            hour.into_iter().for_each(|hour| hour.observed_ms += next.abs_diff(at));
            at = next;
        }
        let sum = |figure: fn(&Hour) -> u64| self.hours.iter().map(figure).sum::<u64>();
        let (observed_ms, handled_ms) = (sum(|hour| hour.observed_ms), sum(|hour| hour.handled_ms));
        if handled_ms == 0 || observed_ms == 0 {
            return None;
        }
        let mean_rate = self.calls as f64 / (observed_ms as f64 / HOUR_MS);
        let mean_aht = handled_ms as f64 / self.answered as f64 / 1_000.0;
        let is_own = |hour: &Hour| hour.answered >= ANSWERED_MIN && hour.handled_ms > 0;
        Some(Profile {
            calls_per_hour: self.hours.map(|hour| match hour.observed_ms {
                0 => mean_rate,
                observed => hour.calls as f64 / (observed as f64 / HOUR_MS),
            }),
            aht_seconds: self.hours.map(|hour| {
                if is_own(&hour) { hour.handled_ms as f64 / hour.answered as f64 / 1_000.0 } else { mean_aht }
            }),
            own_aht: self.hours.iter().map(|hour| u32::from(is_own(hour))).sum(),
            calls: self.calls,
            short_abandons: self.short,
            weeks: observed_ms as f64 / HOUR_MS / HOURS as f64,
            patience: Patience::of(&self.waits, self.short_ms),
            handled_ms: self.handled_ms,
        })
    }
}

/// 0 is Monday 00:00 to 01:00, local time.
fn hour_of_week(zone: &TimeZone, at: Timestamp) -> Option<usize> {
    let local = zone.to_datetime(jiff::Timestamp::from_millisecond(at.as_millis()).ok()?);
    let weekday = local.date().weekday().to_monday_zero_offset();
    usize::try_from(i32::from(weekday) * 24 + i32::from(local.hour())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    fn at(text: &str) -> Timestamp {
        Timestamp::from_millis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    fn jakarta() -> TimeZone {
        TimeZone::get("Asia/Jakarta").unwrap()
    }

    fn call(received: Timestamp, end: End, waited_ms: u64, handled_ms: u64) -> Arrival {
        Arrival { received, end, waited_ms, handled_ms }
    }

    #[test]
    fn calls_are_counted_in_the_local_hour_of_their_arrival_for_each_week_observed() {
        let mut collected = Collected::new(jakarta(), 5_000);
        // Two Mondays at 07:30 in Jakarta.
        for day in ["2026-11-23T00:30:00Z", "2026-11-30T00:30:00Z"] {
            for no in 0..15 {
                let received = Timestamp::from_millis(at(day).as_millis() + no * MINUTE);
                collected.add(call(received, End::Answered, 3_000, 120_000));
                collected.add(call(received, End::Abandoned, 4_999, 0));
            }
        }
        collected.add(call(at("2026-11-24T00:30:00Z"), End::Answered, 0, 60_000));
        let found = collected.profile(at("2026-11-22T17:00:00Z"), at("2026-12-06T17:00:00Z")).unwrap();
        assert_eq!((found.calls, found.short_abandons, found.own_aht), (31, 30, 1));
        // From the first call at 07:30: one and a half hours between 7 and 8.
        assert!((found.calls_per_hour[7] - 30.0 / 1.5).abs() < 1e-9, "{}", found.calls_per_hour[7]);
        assert!((found.calls_per_hour[24 + 7] - 0.5).abs() < 1e-9);
        assert!(found.calls_per_hour[8].abs() < 1e-12);
        assert!((found.aht_seconds[7] - 120.0).abs() < 1e-9);
        let mean = (30.0 * 120.0 + 60.0) / 31.0;
        assert!((found.aht_seconds[8] - mean).abs() < 1e-9, "an hour with few calls uses the mean of all");
        assert_eq!(found.handled_ms.len(), 31);
    }

    #[test]
    fn an_hour_that_the_period_does_not_contain_gets_the_mean_rate() {
        let mut collected = Collected::new(jakarta(), 0);
        let start = at("2026-11-23T00:00:00Z");
        for no in 0..6 {
            let received = Timestamp::from_millis(start.as_millis() + no * 10 * MINUTE);
            collected.add(call(received, End::Answered, 0, 60_000));
        }
        let found = collected.profile(start, at("2026-11-23T02:00:00Z")).unwrap();
        assert!((found.calls_per_hour[7] - 6.0).abs() < 1e-9 && found.calls_per_hour[8].abs() < 1e-9);
        assert!((found.calls_per_hour[100] - 3.0).abs() < 1e-9, "6 calls in 2 hours");
    }

    #[test]
    fn without_an_answered_call_there_is_no_profile() {
        let mut collected = Collected::new(jakarta(), 0);
        collected.add(call(at("2026-11-23T00:00:00Z"), End::Abandoned, 9_000, 0));
        collected.add(call(at("2026-11-23T00:00:00Z"), End::Other, 9_000, 0));
        assert!(collected.profile(at("2026-11-23T00:00:00Z"), at("2026-11-24T00:00:00Z")).is_none());
        let none = Collected::new(jakarta(), 0);
        assert!(none.profile(at("2026-11-23T00:00:00Z"), at("2026-11-24T00:00:00Z")).is_none());
    }

    #[test]
    fn the_sample_of_handling_times_stays_small() {
        let mut collected = Collected::new(jakarta(), 0);
        for no in 0..30_000 {
            collected.add(call(at("2026-11-23T00:00:00Z"), End::Answered, 0, if no < 15_000 { 1 } else { 3 }));
        }
        let found = collected.profile(at("2026-11-23T00:00:00Z"), at("2026-11-24T00:00:00Z")).unwrap();
        let mean = found.handled_ms.iter().map(|ms| f64::from(*ms)).sum::<f64>() / SAMPLES as f64;
        assert_eq!(found.handled_ms.len(), SAMPLES);
        assert!((mean - 2.0).abs() < 0.1, "both halves are represented: {mean}");
    }
}
