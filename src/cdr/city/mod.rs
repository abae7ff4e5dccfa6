//! A synthetic city for demonstrations, tests and benchmarks: the facts of its emergency calls and of its operators' states, shaped by hour
//! and weekday, with bursts, pranks, ghost calls, drills, tests, abandoned calls and call-backs. The same seed gives the same facts.

mod call;
mod callers;
mod crew;
mod draw;
mod script;
#[cfg(test)]
mod tests;
mod words;

use crate::acd::OperatingMode;
use crate::clock::Timestamp;
use crate::ids::{CallId, Rng};

use super::fact::{Class, Fact, FactId, FactKind};
use callers::Callers;
use crew::Crew;

const HOUR: i64 = 3_600_000;
/// An incident of which many people call begins once in so many hours.
const BURST_EVERY: u64 = 260;
/// The factor of the calls in the hour of such an incident.
const BURST: u64 = 5;

/// One hour of the city's local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CityHour {
    pub start: Timestamp,
    /// 0 is Monday.
    pub weekday: u8,
    pub day_of_month: u8,
    pub hour: u8,
}

/// The state of the city at the end of the last hour.
#[derive(Debug)]
pub struct City {
    rng: Rng,
    crew: Crew,
    callers: Callers,
    calls_per_day: u32,
    /// The stream of the operators' states.
    run: CallId,
    next: u32,
}

impl City {
    /// A city with a mean number of calls a day, whose service started at `start`.
    pub fn new(seed: u64, calls_per_day: u32, start: Timestamp) -> Self {
        let mut rng = Rng::from_number(seed);
        let run = CallId::new(start, &mut rng);
        let callers = Callers::new(&mut rng);
        Self { rng, crew: Crew::new(calls_per_day), callers, calls_per_day, run, next: 0 }
    }

    /// The facts of the next hour: first those of the service, then those of each call that arrives in it, from its arrival to its end. To be
    /// called for all hours in their order.
    pub fn hour(&mut self, hour: &CityHour) -> Vec<Vec<Fact>> {
        let start = hour.start.as_millis();
        let mut streams = Vec::new();
        let mut own = Vec::new();
        if self.next == 0 {
            own.push(self.of_service(hour.start, FactKind::Started { version: "demo".to_owned() }));
        }
        self.crew.begin_hour(start, hour.hour, &mut self.rng);
        // The drill of each month is on its second Wednesday.
        let is_drill = hour.weekday == 2 && (8..15).contains(&hour.day_of_month) && hour.hour == 10;
        let is_burst = !is_drill && self.rng.below(BURST_EVERY) == 0;
        let mode = match (is_drill, is_burst) {
            (true, _) => OperatingMode::Drill,
            (false, true) => OperatingMode::MajorIncident,
            (false, false) => OperatingMode::Normal,
        };
        for (at, class) in self.arrivals(hour, is_drill, is_burst) {
            streams.extend(self.call(start + at, class, mode));
        }
        for (at, kind) in self.crew.take_changes() {
            own.push(self.of_service(at, kind));
        }
        streams.insert(0, own);
        streams
    }

    /// The arrivals of an hour in order: milliseconds since its start, and the reason.
    fn arrivals(&mut self, hour: &CityHour, is_drill: bool, is_burst: bool) -> Vec<(i64, Class)> {
        let share = words::HOURS.get(usize::from(hour.hour)).copied().unwrap_or(0);
        let weekday = words::WEEKDAYS.get(usize::from(hour.weekday)).copied().unwrap_or(100);
        // In hundredths: `share` is in thousandths, `weekday` in hundredths.
        let expected = u64::from(self.calls_per_day) * share * weekday / 1_000;
        let expected = expected * if is_burst { BURST } else { 1 };
        let rng = &mut self.rng;
        let mut arrivals: Vec<(i64, Class)> = (0..draw::arrivals(rng, expected))
            .map(|_| {
                let reason = draw::weighted(rng, &words::REASONS, |(_, percent)| *percent);
                let class = reason.map_or(Class::Normal, |(class, _)| *class);
                // In a burst, many report the same incident.
                let class = if is_burst && draw::chance(rng, 70) { Class::Normal } else { class };
                (draw::between(rng, 0, HOUR), class)
            })
            .collect();
        if is_drill {
            arrivals.extend((0..8).map(|_| (draw::between(rng, 0, HOUR), Class::Drill)));
        }
        if hour.hour == 6 {
            arrivals.push((draw::between(rng, 0, HOUR), Class::Test));
        }
        arrivals.sort_by_key(|(at, _)| *at);
        arrivals
    }

    fn of_service(&mut self, at: Timestamp, kind: FactKind) -> Fact {
        let id = FactId { stream: self.run, seq: self.next };
        self.next = self.next.wrapping_add(1);
        Fact { id, call: None, at, up: None, kind }
    }
}
