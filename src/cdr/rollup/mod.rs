//! Roll-ups: sums of the calls of an hour, a day and a month, which reports read in place of the records. This is their arithmetic: what one
//! record adds to which sums, so that a record that changes can be subtracted and added again. Knows no database.
//!
//! Each call counts in the periods in which it arrived, by the site's time zone, and is judged by the targets that were in force then.

mod calendar;
mod key;
mod operators;
mod sums;
mod targets;
#[cfg(test)]
mod tests;
mod waits;

use std::collections::BTreeMap;

use super::Cdr;

pub use calendar::{Calendar, Grain};
pub use key::Key;
pub use operators::{OperatorSums, Party};
pub use sums::CallSums;
pub use targets::{DeskTarget, TargetHistory, Targets};
pub use waits::{Bins, Waits};

/// The version of this arithmetic. Sums of another version are not valid and must be computed again.
pub const VERSION: i32 = 1;

/// The sums of one row: of one period and one combination of values or, `whole`, of all calls of the period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    pub grain: Grain,
    pub whole: bool,
    /// The start of the period, milliseconds since 1970-01-01 UTC.
    pub start: i64,
    /// `Key::id` of the combination.
    pub key: i64,
}

impl Cell {
    /// The level of a row: 0, 1 and 2 are hours, days and months by combination; 3, 4 and 5 of all calls.
    pub const fn level(grain: Grain, whole: bool) -> i16 {
        grain.number() + if whole { 3 } else { 0 }
    }
}

/// The sums of one row about an operator, or about all outside numbers of one kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OperatorCell {
    pub grain: Grain,
    pub start: i64,
    pub party: Party,
    /// Empty for outside numbers.
    pub operator: String,
}

/// What a row has, or what is added to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallCount {
    pub sums: CallSums,
    pub waits: Waits,
}

impl CallCount {
    /// What one record counts. None for a call that has not ended.
    pub fn of(cdr: &Cdr, targets: &TargetHistory) -> Option<Self> {
        cdr.ended.and(cdr.outcome)?;
        Some(Self { sums: CallSums::of(cdr, targets), waits: Waits::of(cdr) })
    }

    /// Adds another, `times` may be -1.
    pub fn add(&mut self, other: &Self, times: i64) {
        self.sums.add(&other.sums, times);
        self.waits.add(&other.waits, times);
    }
}

/// By what records are counted.
#[derive(Clone, Debug)]
pub struct Rules {
    pub calendar: Calendar,
    pub targets: TargetHistory,
}

/// What some records add to the roll-ups, or take from them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    pub keys: BTreeMap<i64, Key>,
    pub calls: BTreeMap<Cell, CallCount>,
    pub operators: BTreeMap<OperatorCell, OperatorSums>,
}

impl Changes {
    /// Counts a record (`times` 1), or takes back that it was counted (-1). A call that has not ended does not count.
    pub fn count(&mut self, cdr: &Cdr, rules: &Rules, times: i64) {
        let Some(count) = CallCount::of(cdr, &rules.targets) else { return };
        let key = Key::of(cdr);
        let whole = Key::whole(key.exercise);
        let (key_id, whole_id) = (key.id(), whole.id());
        let starts = rules.calendar.starts(cdr.received);
        let operators = OperatorSums::of(cdr);
        for (grain, start) in starts {
            let start = start.as_millis();
            for (whole, key) in [(false, key_id), (true, whole_id)] {
                let cell = Cell { grain, whole, start, key };
                self.calls.entry(cell).or_default().add(&count, times);
            }
            for ((party, operator), sums) in &operators {
                let cell = OperatorCell { grain, start, party: *party, operator: operator.clone() };
                self.operators.entry(cell).or_default().add(sums, times);
            }
        }
        self.keys.insert(whole_id, whole);
        self.keys.insert(key_id, key);
    }

    /// Removes what changes nothing.
    pub fn drop_nothing(&mut self) {
        self.calls.retain(|_, count| *count != CallCount::default());
        self.operators.retain(|_, sums| *sums != OperatorSums::default());
    }
}
