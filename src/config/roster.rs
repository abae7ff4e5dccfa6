//! The roster's file: who is on which shift, and the plan that shifts and roster make together.

use crate::acd::roster::{Roster, RosterFault};
use crate::acd::shift::{Plan, ShiftTimes};

use super::section::File;
use super::source::Source;

/// Reads the roster that the file names and builds the plan. Faults go to `source`; then everybody is always on shift.
pub(super) fn load(source: &mut Source, file: &File, zone: Option<&jiff::tz::TimeZone>) -> Plan {
    let mut shifts = Vec::new();
    for (i, section) in file.shift.iter().enumerate() {
        match ShiftTimes::parse(section) {
            Ok(times) => shifts.push(times),
            Err(faults) => super::check::section_faults(source, &format!("shift[{i}]"), &faults),
        }
    }
    let roster = file.operators.roster.as_deref().and_then(|path| read(source, path));
    let Some(zone) = zone else { return Plan::default() };
    match Plan::build(&shifts, roster.as_ref(), zone) {
        Ok(plan) => plan,
        Err(faults) => {
            for fault in faults {
                tell(source, "", &fault);
            }
            Plan::default()
        }
    }
}

fn read(source: &mut Source, path: &str) -> Option<Roster> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            source.fault("operators.roster", format!("{path}: {error}"), "a readable CSV file: operator,date,shift");
            return None;
        }
    };
    match Roster::parse(&text) {
        Ok(roster) => Some(roster),
        Err(faults) => {
            for fault in faults {
                tell(source, path, &fault);
            }
            None
        }
    }
}

fn tell(source: &mut Source, path: &str, fault: &RosterFault) {
    let wrong = format!("{path} line {}: {}: {:?}", fault.line, fault.what, fault.found);
    source.fault("operators.roster", wrong, fault.expected.clone());
}
