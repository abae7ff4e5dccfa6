//! The roster's files (shifts of operators, changes, decrees), and the shift plan that is built from them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::civil::Date;

use crate::acd::roster::decree::{self, Decree};
use crate::acd::roster::{Entry, Roster, RosterFault, table};
use crate::acd::section::OperatorsSection;
use crate::acd::shift::{Gap, Plan, ShiftTimes};
use crate::clock::{Now, Timestamp};
use crate::ids::OperatorId;

use super::Config;
use super::section::File;
use super::source::Source;

/// The content of the roster's files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rostered {
    pub plan: Plan,
    /// The roster after its changes.
    pub roster: Roster,
    pub decrees: Vec<Decree>,
}

/// Coming gaps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ahead {
    pub gaps: Vec<Gap>,
    /// Decrees that have ended, or end in that time.
    pub ending: Vec<Decree>,
}

/// Reads the files and builds the plan. Errors go to `source`; then all operators are always on shift.
pub(super) fn load(source: &mut Source, file: &File, zone: Option<&jiff::tz::TimeZone>) -> Rostered {
    let mut shifts = Vec::new();
    for (i, section) in file.shift.iter().enumerate() {
        match ShiftTimes::parse(section) {
            Ok(times) => shifts.push(times),
            Err(faults) => super::source::section_faults(source, &format!("shift[{i}]"), &faults),
        }
    }
    let operators = &file.operators;
    if operators.changes.is_some() && operators.roster.is_none() {
        source.fault("operators.changes", "there is no roster for the changes", "the key roster too");
    }
    if operators.overlap_minutes > 240 {
        source.fault("operators.overlap_minutes", operators.overlap_minutes.to_string(), "0 to 240 minutes");
    }
    let utc = jiff::tz::TimeZone::UTC;
    let zone = zone.unwrap_or(&utc);
    let faults = match attempt(&Files::of(file), operators, &shifts, zone) {
        Ok(rostered) => return rostered,
        Err(faults) => faults,
    };
    for (key, wrong, expected) in faults {
        source.optional_fault(key, wrong, expected);
    }
    if !source.allows_optional_faults() {
        return Rostered::default();
    }
    let copies = Files::copies(file, &Path::new(&file.journal.dir).join(LOCAL));
    attempt(&copies, operators, &shifts, zone).unwrap_or_default()
}

/// The folder next to the journal with the last valid copies.
const LOCAL: &str = "local";

/// A key, the error, and the expected value.
type RosterFaults = Vec<(&'static str, String, String)>;

/// The paths of the three files.
#[derive(Debug)]
struct Files {
    roster: Option<PathBuf>,
    changes: Option<PathBuf>,
    decrees: Option<PathBuf>,
}

impl Files {
    fn of(file: &File) -> Self {
        let path = |path: &Option<String>| path.as_ref().map(PathBuf::from);
        let operators = &file.operators;
        Self { roster: path(&operators.roster), changes: path(&operators.changes), decrees: path(&operators.decrees) }
    }

    /// The last valid copies of the configured files.
    fn copies(file: &File, folder: &Path) -> Self {
        let operators = &file.operators;
        let copy = |path: &Option<String>, name: &str| path.as_ref().map(|_| folder.join(name));
        Self {
            roster: copy(&operators.roster, "roster.csv"),
            changes: copy(&operators.changes, "changes.csv"),
            decrees: copy(&operators.decrees, "decrees.csv"),
        }
    }
}

fn attempt(
    files: &Files,
    operators: &OperatorsSection,
    shifts: &[ShiftTimes],
    zone: &jiff::tz::TimeZone,
) -> Result<Rostered, RosterFaults> {
    let mut faults = Vec::new();
    let columns = "operator,date,shift";
    let written = read(&mut faults, "operators.roster", files.roster.as_deref(), columns, Roster::parse);
    let changes = read(&mut faults, "operators.changes", files.changes.as_deref(), columns, Roster::parse);
    let columns = "operator,decree,valid_from,valid_to";
    let decrees = read(&mut faults, "operators.decrees", files.decrees.as_deref(), columns, decree::parse);
    let decrees = decrees.unwrap_or_default();
    // Lines of the roster itself; other lines of the changed roster come from the changes.
    let lines: BTreeSet<_> = written.iter().flat_map(Roster::entries).map(place_of).collect();
    let roster = match (&written, changes) {
        (Some(written), Some(changes)) => match written.changed(&changes) {
            Ok(changed) => Some(changed),
            Err(wrong) => {
                tell(&mut faults, "operators.changes", files.changes.as_deref(), &wrong);
                None
            }
        },
        (_, _) => written.clone(),
    };
    let plan = match Plan::build(shifts, roster.as_ref(), zone) {
        Ok(plan) => plan,
        Err(wrong) => {
            let entries = roster.iter().flat_map(Roster::entries);
            let unknown = entries.filter(|entry| !shifts.iter().any(|shift| shift.name == entry.shift));
            for (entry, wrong) in unknown.zip(&wrong) {
                let (key, path) = if lines.contains(&place_of(entry)) {
                    ("operators.roster", &files.roster)
                } else {
                    ("operators.changes", &files.changes)
                };
                tell(&mut faults, key, path.as_deref(), std::slice::from_ref(wrong));
            }
            Plan::default()
        }
    };
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut plan = plan.with_overlap(Duration::from_secs(operators.overlap_minutes.min(240) * 60));
    plan.validity = decree::validity(&decrees, zone);
    Ok(Rostered { plan, roster: roster.unwrap_or_default(), decrees })
}

/// What identifies a line of the roster also after a swap of its operator.
fn place_of(entry: &Entry) -> (u64, Date, &str) {
    (entry.line, entry.date, &entry.shift)
}

fn read<T>(
    faults: &mut RosterFaults,
    key: &'static str,
    path: Option<&Path>,
    columns: &str,
    parse: impl FnOnce(&str) -> Result<T, Vec<RosterFault>>,
) -> Option<T> {
    let path = path?;
    let parsed = std::fs::read(path).map(|bytes| parse(&table::text_of(bytes).map_err(|fault| vec![fault])?));
    match parsed {
        Ok(Ok(read)) => Some(read),
        Ok(Err(wrong)) => {
            tell(faults, key, Some(path), &wrong);
            None
        }
        Err(error) => {
            faults.push((key, format!("{}: {error}", path.display()), format!("a readable CSV file: {columns}")));
            None
        }
    }
}

fn tell(faults: &mut RosterFaults, key: &'static str, path: Option<&Path>, wrong: &[RosterFault]) {
    let path = path.map(|path| path.display().to_string()).unwrap_or_default();
    for fault in wrong {
        let wrong = format!("{path} line {}: {}: {:?}", fault.line, fault.what, fault.found);
        faults.push((key, wrong, fault.expected.clone()));
    }
}

impl Config {
    /// Each configured file of the roster, with the path of its last valid copy.
    pub fn roster_copies(&self) -> Vec<(PathBuf, PathBuf)> {
        let operators = &self.operators;
        let files = [
            (&operators.roster, "roster.csv"),
            (&operators.changes, "changes.csv"),
            (&operators.decrees, "decrees.csv"),
        ];
        let folder = self.journal_dir.join(LOCAL);
        let pair = |(path, name): (&Option<String>, &str)| Some((PathBuf::from(path.as_ref()?), folder.join(name)));
        files.into_iter().filter_map(pair).collect()
    }

    /// This configuration with the roster of `new`, if `new` has read it without an error and under the same keys. Nothing else of `new`
    /// is used, because its file may be unfinished.
    pub fn with_roster_of(&self, new: &Self) -> Option<Self> {
        let same = new.operators == self.operators && new.shifts == self.shifts && new.zone == self.zone;
        (same && new.roster_faults.is_empty()).then(|| Self {
            rostered: new.rostered.clone(),
            roster_faults: Vec::new(),
            ..self.clone()
        })
    }

    /// The gaps of the next `days` days. Only operators with an account count, if the accounts are known.
    pub fn roster_ahead(&self, now: Timestamp, days: u32, accounts: Option<&BTreeSet<OperatorId>>) -> Ahead {
        let span = Duration::from_secs(u64::from(days) * 86_400);
        let until = Now { wall: now, ..Now::default() }.after(span).wall;
        let mut plan = self.rostered.plan.clone();
        plan.spans.retain(|operator, _| accounts.is_none_or(|accounts| accounts.contains(operator)));
        let gaps = plan.gaps(now, until, self.operators.minimum_on_shift);
        let day = |at: Timestamp| {
            let at = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default();
            self.zone.to_datetime(at).date()
        };
        let last = day(until);
        // A decree that is followed by another one needs no warning.
        let follows = |one: &Decree| {
            let others = self.rostered.decrees.iter().filter(|other| other.operator == one.operator);
            others.clone().any(|other| other.to.is_none_or(|to| Some(to) > one.to))
        };
        let ends = |one: &&Decree| one.to.is_some_and(|to| to < last) && !follows(one);
        Ahead { gaps, ending: self.rostered.decrees.iter().filter(ends).cloned().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_roster_without_faults_is_used_and_nothing_else_of_an_unfinished_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).unwrap();
            folder.path().join(name)
        };
        let text = "[[trunk]]\nname = \"telco\"\npeers = [\"127.0.0.2\"]\n[[shift]]\nname = \"pagi\"\nstart = \"07:00\"\nend = \"19:00\"\n\
             [operators]\nroster = \"roster.csv\"\n";
        file("roster.csv", "operator,date,shift\nbudi,2026-11-24,siang\n");
        let running = Config::load_to_serve(&file("siaga.toml", text)).unwrap();
        assert_eq!((running.roster_faults.len(), running.rostered.roster.entries().len()), (1, 0));
        assert!(running.with_roster_of(&running).is_none(), "the fault is still there");
        file("roster.csv", "operator,date,shift\nbudi,2026-11-24,pagi\n");
        let new = Config::load_to_serve(&file("siaga.toml", &text.replace("127.0.0.2", "127.0.0.3"))).unwrap();
        let repaired = running.with_roster_of(&new).unwrap();
        assert_eq!((repaired.roster_faults.len(), repaired.rostered.roster.entries().len()), (0, 1));
        assert_eq!(repaired.trunks, running.trunks, "only a reload applies the rest");
        let other = Config::load_to_serve(&file("siaga.toml", &text.replace("19:00", "15:00"))).unwrap();
        assert!(running.with_roster_of(&other).is_none(), "its plan has other shifts");
    }
}
