//! Staffing plans: how many operators each hour of the week needs, how many people that is in each shift pattern, and what callers
//! notice of one operator more or less. Computes only: knows no database, no clock and no output.

pub mod demand;
pub mod erlang;
mod hours;
pub mod patience;
pub mod people;
mod roster;
pub mod simulate;

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use demand::Profile;
use erlang::{Experience, Load};
pub use hours::HOURS;
use patience::Patience;
use people::{Crewed, Pattern, Terms};
use simulate::{Demand, Simulated, simulate};

/// Simulated calls of one plan: with more calls in a week, fewer weeks are simulated.
const SIMULATED_CALLS_MAX: f64 = 5_000_000.0;
/// Fewer weeks give no band.
const REPLICATIONS_MIN: u32 = 2;

/// The service level that a plan reaches: `90/10` is 90 % of all calls answered within 10 s.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    pub percent: f64,
    pub within_seconds: f64,
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let wrong = || TargetError(text.to_owned());
        let (percent, seconds) = text.split_once('/').ok_or_else(wrong)?;
        let number = |text: &str| text.trim().parse::<f64>().map_err(|_| wrong());
        let (percent, within_seconds) = (number(percent)?, number(seconds)?);
        let valid = (1.0..=99.9).contains(&percent) && (0.0..=3_600.0).contains(&within_seconds);
        if valid { Ok(Self { percent, within_seconds }) } else { Err(wrong()) }
    }
}

/// A text that is no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a target; expected: per cent (1 to 99.9) / seconds (0 to 3600), as in 90/10, 90/15 or 95/20")]
pub struct TargetError(String);

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.percent, self.within_seconds)
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Where the load of a plan comes from.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Source {
    /// The same load in every hour.
    Assumed,
    Records {
        /// Calls, without short abandons.
        calls: u64,
        short_abandons: u64,
        weeks: f64,
        /// Hours of the week with their own handling time; the others have too few answered calls.
        own_aht_hours: u32,
        /// As estimated; without an estimate, no caller gives up.
        patience: Patience,
    },
}

/// The load of each hour of the week.
#[derive(Clone, Debug)]
pub struct Given {
    pub source: Source,
    /// Mean time after which a waiting caller gives up. None: never.
    pub patience_seconds: Option<f64>,
    pub calls_per_hour: [f64; HOURS],
    pub aht_seconds: [f64; HOURS],
    /// Handling times for the simulation. Empty: exponential.
    pub handled_ms: Vec<u32>,
}

impl Given {
    /// The same load in every hour.
    pub fn assumed(calls_per_hour: f64, aht_seconds: f64, patience_seconds: Option<f64>) -> Self {
        Self {
            source: Source::Assumed,
            patience_seconds,
            calls_per_hour: [calls_per_hour; HOURS],
            aht_seconds: [aht_seconds; HOURS],
            handled_ms: Vec::new(),
        }
    }

    /// The load of records. `patience_seconds` replaces the estimate.
    pub fn recorded(profile: Profile, patience_seconds: Option<f64>) -> Self {
        Self {
            patience_seconds: patience_seconds.or(profile.patience.mean_seconds),
            source: Source::Records {
                calls: profile.calls,
                short_abandons: profile.short_abandons,
                weeks: profile.weeks,
                own_aht_hours: profile.own_aht,
                patience: profile.patience,
            },
            calls_per_hour: profile.calls_per_hour,
            aht_seconds: profile.aht_seconds,
            handled_ms: profile.handled_ms,
        }
    }
}

/// What to plan.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub target: Target,
    pub terms: Terms,
    /// At least one.
    pub patterns: Vec<Pattern>,
    /// Simulated weeks.
    pub replications: u32,
    pub seed: u64,
}

/// One hour of the week.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Hour {
    /// 0 is Monday.
    pub weekday: u8,
    pub hour: u8,
    pub calls_per_hour: f64,
    pub aht_seconds: f64,
    pub erlang: f64,
    /// Operators needed at the desk.
    pub operators: u32,
    #[serde(flatten)]
    pub expected: Expected,
}

/// What callers notice.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Expected {
    /// Share of all calls answered within T.
    pub service_level: f64,
    /// None: the queue grows for ever.
    pub mean_wait_seconds: Option<f64>,
    pub abandonment: f64,
    pub occupancy: f64,
}

impl From<Experience> for Expected {
    fn from(of: Experience) -> Self {
        Self {
            service_level: of.service_level,
            mean_wait_seconds: of.mean_wait_seconds,
            abandonment: of.abandonment,
            occupancy: of.occupancy,
        }
    }
}

/// The busiest hour with another number of operators, by the formula.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Effect {
    pub operators: u32,
    #[serde(flatten)]
    pub expected: Expected,
}

/// The week with the recommended roster, and as many people more or fewer on each shift, by the simulation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct WeekEffect {
    /// -1, 0 or 1.
    pub people_more: i32,
    #[serde(flatten)]
    pub simulated: Simulated,
}

/// The formula of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Model {
    /// Callers give up.
    ErlangA,
    /// No caller gives up.
    ErlangC,
}

/// A staffing plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    pub target: Target,
    pub source: Source,
    pub model: Model,
    pub patience_seconds: Option<f64>,
    pub terms: Terms,
    /// 168 hours, Monday 00:00 first.
    pub hours: Vec<Hour>,
    pub calls_per_week: f64,
    /// The first hour with the largest load.
    pub busiest: Hour,
    /// The busiest hour with one operator fewer, the needed number and one more.
    pub effects: Vec<Effect>,
    pub patterns: Vec<Crewed>,
    /// The pattern with the fewest people, of those without overtime if there is one.
    pub recommended: Crewed,
    /// Share of all calls answered within T if every hour has the operators that it needs, by the formula.
    pub service_level: f64,
    /// Weeks with the recommended roster. Empty: too few calls.
    pub weeks: Vec<WeekEffect>,
}

/// Why there is no plan.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum PlanError {
    #[error("{erlang:.0} Erlang need more than {max} operators; expected: fewer calls or a shorter handling time", max = erlang::OPERATORS_MAX)]
    TooMuch { erlang: f64 },
    #[error("no shift pattern; expected: at least one")]
    NoPattern,
}

/// Plans the week.
pub fn plan(given: Given, wanted: &Wanted) -> Result<Plan, PlanError> {
    let hours = hours(&given, wanted.target)?;
    let mut needed = [0; HOURS];
    needed.iter_mut().zip(&hours).for_each(|(needed, hour)| *needed = hour.operators);
    let patterns: Vec<Crewed> =
        wanted.patterns.iter().map(|pattern| Crewed::of(*pattern, &needed, &wanted.terms)).collect();
    let recommended = patterns
        .iter()
        .min_by_key(|of| (of.overtime_week_hours > 0.0, of.people))
        .cloned()
        .ok_or(PlanError::NoPattern)?;
    let busiest = hours
        .iter()
        .copied()
        .reduce(|most, hour| if hour.erlang > most.erlang { hour } else { most })
        .ok_or(PlanError::NoPattern)?;
    let load = load(&given, busiest.calls_per_hour, busiest.aht_seconds);
    let effect = |operators: u32| {
        let expected = load.with(operators, wanted.target.within_seconds).into();
        Effect { operators, expected }
    };
    let calls_per_week: f64 = hours.iter().map(|hour| hour.calls_per_hour).sum();
    let in_time: f64 = hours.iter().map(|hour| hour.calls_per_hour * hour.expected.service_level).sum();
    Ok(Plan {
        target: wanted.target,
        model: if given.patience_seconds.is_some() { Model::ErlangA } else { Model::ErlangC },
        patience_seconds: given.patience_seconds,
        terms: wanted.terms,
        calls_per_week,
        busiest,
        effects: [busiest.operators - 1, busiest.operators, busiest.operators + 1].map(effect).to_vec(),
        weeks: weeks(&given, wanted, &recommended, calls_per_week),
        patterns,
        recommended,
        service_level: if calls_per_week > 0.0 { in_time / calls_per_week } else { 1.0 },
        source: given.source,
        hours,
    })
}

fn load(given: &Given, calls_per_hour: f64, aht_seconds: f64) -> Load {
    Load { calls_per_second: calls_per_hour / 3_600.0, aht_seconds, patience_seconds: given.patience_seconds }
}

fn hours(given: &Given, target: Target) -> Result<Vec<Hour>, PlanError> {
    let mut hours: Vec<Hour> = Vec::with_capacity(HOURS);
    for (no, (calls_per_hour, aht_seconds)) in (0_u8..).zip(given.calls_per_hour.into_iter().zip(given.aht_seconds)) {
        let (weekday, hour) = (no / 24, no % 24);
        let load = load(given, calls_per_hour, aht_seconds);
        // The search takes long for large loads, and an assumed load is the same in each hour.
        let same = hours.last().filter(|last| {
            (last.calls_per_hour.to_bits(), last.aht_seconds.to_bits())
                == (calls_per_hour.to_bits(), aht_seconds.to_bits())
        });
        let operators = match same {
            Some(last) => last.operators,
            None => load
                .operators_for(target.percent / 100.0, target.within_seconds)
                .ok_or(PlanError::TooMuch { erlang: load.erlang() })?,
        };
        let expected = match same {
            Some(last) => last.expected,
            None => load.with(operators, target.within_seconds).into(),
        };
        hours.push(Hour { weekday, hour, calls_per_hour, aht_seconds, erlang: load.erlang(), operators, expected });
    }
    Ok(hours)
}

fn weeks(given: &Given, wanted: &Wanted, roster: &Crewed, calls_per_week: f64) -> Vec<WeekEffect> {
    let demand = Demand {
        calls_per_hour: given.calls_per_hour,
        aht_seconds: given.aht_seconds,
        handled_ms: given.handled_ms.clone(),
        patience_seconds: given.patience_seconds,
        within_seconds: wanted.target.within_seconds,
    };
    let most = (SIMULATED_CALLS_MAX / 3.0 / calls_per_week.max(1.0)) as u32;
    let replications = wanted.replications.min(most).max(REPLICATIONS_MIN);
    let week = |people_more: i32| {
        let duties = roster::duties(&roster.shifts, wanted.terms.shrinkage, people_more);
        let simulated = simulate(&demand, &duties, replications, wanted.seed)?;
        Some(WeekEffect { people_more, simulated })
    };
    [-1, 0, 1].into_iter().filter_map(week).collect()
}

#[cfg(test)]
mod tests;
