//! The roster's files: who is on which shift, what has changed, who is appointed when, and the plan that they make together.

use std::time::Duration;

use crate::acd::roster::decree::{self, Decree};
use crate::acd::roster::{Roster, RosterFault};
use crate::acd::shift::{Gap, Plan, ShiftTimes};
use crate::clock::{Now, Timestamp};

use super::Config;
use super::section::File;
use super::source::Source;

/// What the roster's files say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rostered {
    pub plan: Plan,
    /// After its changes.
    pub roster: Roster,
    pub decrees: Vec<Decree>,
}

/// What will be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ahead {
    pub gaps: Vec<Gap>,
    /// Decrees that are over, or end in that time.
    pub ending: Vec<Decree>,
}

/// Reads the files and builds the plan. Faults go to `source`; then everybody is always on shift.
pub(super) fn load(source: &mut Source, file: &File, zone: Option<&jiff::tz::TimeZone>) -> Rostered {
    let mut shifts = Vec::new();
    for (i, section) in file.shift.iter().enumerate() {
        match ShiftTimes::parse(section) {
            Ok(times) => shifts.push(times),
            Err(faults) => super::check::section_faults(source, &format!("shift[{i}]"), &faults),
        }
    }
    let operators = &file.operators;
    if operators.overlap_minutes > 240 {
        source.fault("operators.overlap_minutes", operators.overlap_minutes.to_string(), "0 to 240 minutes");
    }
    let columns = "operator,date,shift";
    let written = read(source, "operators.roster", operators.roster.as_deref(), columns, Roster::parse);
    let changes = read(source, "operators.changes", operators.changes.as_deref(), columns, Roster::parse);
    if operators.changes.is_some() && operators.roster.is_none() {
        source.fault("operators.changes", "there is no roster that it could change", "roster beside it");
    }
    let columns = "operator,decree,valid_from,valid_to";
    let decrees = read(source, "operators.decrees", operators.decrees.as_deref(), columns, decree::parse);
    let decrees = decrees.unwrap_or_default();
    let roster = match (written, changes) {
        (Some(written), Some(changes)) => match written.changed(&changes) {
            Ok(changed) => Some(changed),
            Err(faults) => {
                tell(source, "operators.changes", operators.changes.as_deref().unwrap_or_default(), &faults);
                None
            }
        },
        (written, _) => written,
    };
    let Some(zone) = zone else { return Rostered::default() };
    let plan = match Plan::build(&shifts, roster.as_ref(), zone) {
        Ok(plan) => plan,
        Err(faults) => {
            tell(source, "operators.roster", "", &faults);
            Plan::default()
        }
    };
    let mut plan = plan.with_overlap(Duration::from_secs(operators.overlap_minutes.min(240) * 60));
    plan.validity = decree::validity(&decrees, zone);
    Rostered { plan, roster: roster.unwrap_or_default(), decrees }
}

fn read<T>(
    source: &mut Source,
    key: &str,
    path: Option<&str>,
    columns: &str,
    parse: impl FnOnce(&str) -> Result<T, Vec<RosterFault>>,
) -> Option<T> {
    let path = path?;
    match std::fs::read_to_string(path).map(|text| parse(&text)) {
        Ok(Ok(read)) => Some(read),
        Ok(Err(faults)) => {
            tell(source, key, path, &faults);
            None
        }
        Err(error) => {
            source.fault(key, format!("{path}: {error}"), format!("a readable CSV file: {columns}"));
            None
        }
    }
}

fn tell(source: &mut Source, key: &str, path: &str, faults: &[RosterFault]) {
    for fault in faults {
        let wrong = format!("{path} line {}: {}: {:?}", fault.line, fault.what, fault.found);
        source.fault(key, wrong, fault.expected.clone());
    }
}

impl Config {
    /// What will be missing within so many days.
    pub fn roster_ahead(&self, now: Timestamp, days: u32) -> Ahead {
        let span = Duration::from_secs(u64::from(days) * 86_400);
        let until = Now { wall: now, ..Now::default() }.after(span).wall;
        let gaps = self.rostered.plan.gaps(now, until, self.operators.minimum_on_shift);
        let day = |at: Timestamp| {
            let at = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default();
            self.zone.to_datetime(at).date()
        };
        let last = day(until);
        // A decree that another one follows is over in good order.
        let follows = |one: &Decree| {
            let others = self.rostered.decrees.iter().filter(|other| other.operator == one.operator);
            others.clone().any(|other| other.to.is_none_or(|to| Some(to) > one.to))
        };
        let ends = |one: &&Decree| one.to.is_some_and(|to| to < last) && !follows(one);
        Ahead { gaps, ending: self.rostered.decrees.iter().filter(ends).cloned().collect() }
    }
}
