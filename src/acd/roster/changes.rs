//! Changes of a roster: leave, swaps and stand-ins, in a separate CSV file.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use super::{Entry, Roster, RosterFault};
use crate::ids::OperatorId;

/// The value of the column `shift`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Change {
    /// `leave` or `-`: the operator has none of the shifts that start on this day.
    Leave,
    /// `swap:NAME`: the two operators swap their shifts of the day.
    Swap(OperatorId),
    /// The name of a shift, which the operator has in addition.
    StandIn(String),
}

impl Change {
    fn of(entry: &Entry) -> Result<Self, RosterFault> {
        match entry.shift.split_once(':') {
            Some((word, other)) if word.eq_ignore_ascii_case("swap") => OperatorId::parse(other.trim())
                .ok()
                .filter(|other| *other != entry.operator)
                .map(Self::Swap)
                .ok_or_else(|| {
                    RosterFault::new(entry.line, "shift", &entry.shift, "swap:NAME, with another operator's name")
                }),
            Some(_) | None if matches!(entry.shift.to_ascii_lowercase().as_str(), "leave" | "-") => Ok(Self::Leave),
            Some(_) | None => Ok(Self::StandIn(entry.shift.clone())),
        }
    }
}

/// The shifts of each operator on each day of start, each with its line in the file.
type Days = BTreeMap<(Date, OperatorId), BTreeMap<String, u64>>;

impl Roster {
    /// The roster after `changes`, a table with the same columns that is applied line by line. Leave of an operator without a shift
    /// changes nothing; a swap between two operators without shifts is an error.
    pub fn changed(&self, changes: &Self) -> Result<Self, Vec<RosterFault>> {
        let mut days = Days::new();
        for entry in self.entries() {
            let day = days.entry((entry.date, entry.operator.clone())).or_default();
            day.insert(entry.shift.clone(), entry.line);
        }
        let mut faults = Vec::new();
        for entry in changes.entries() {
            let key = (entry.date, entry.operator.clone());
            match Change::of(entry) {
                Ok(Change::Leave) => drop(days.remove(&key)),
                Ok(Change::StandIn(shift)) => drop(days.entry(key).or_default().insert(shift, entry.line)),
                Ok(Change::Swap(other)) => {
                    let (his, other) = (days.remove(&key), (entry.date, other));
                    let others = days.remove(&other);
                    if his.is_none() && others.is_none() {
                        let right = "two operators, at least one of them with a shift that starts on the day";
                        faults.push(RosterFault::new(entry.line, "shift", &entry.shift, right));
                    }
                    days.extend(his.map(|shifts| (other, shifts)));
                    days.extend(others.map(|shifts| (key, shifts)));
                }
                Err(fault) => faults.push(fault),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let entries = days.into_iter().flat_map(|((date, operator), shifts)| {
            let entry = move |(shift, line)| Entry { line, operator: operator.clone(), date, shift };
            shifts.into_iter().map(entry).collect::<Vec<_>>()
        });
        Ok(Self::of(entries.collect()))
    }

    /// The roster as CSV, by day and name, for a range of days.
    pub fn csv(&self, days: std::ops::RangeInclusive<Date>) -> String {
        let within = self.entries().iter().filter(|entry| days.contains(&entry.date));
        let lines: BTreeSet<_> = within.map(|entry| (entry.date, &entry.operator, entry.shift.as_str())).collect();
        let mut text = "operator,date,shift\n".to_owned();
        for (date, operator, shift) in lines {
            // A shift's name may contain a comma or a quotation mark.
            let shift = if shift.contains([',', '"']) {
                format!("\"{}\"", shift.replace('"', "\"\""))
            } else {
                shift.to_owned()
            };
            text.push_str(&format!("{operator},{date},{shift}\n"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roster(lines: &str) -> Roster {
        Roster::parse(&format!("operator,date,shift\n{lines}")).unwrap()
    }

    fn after(changes: &str) -> Result<String, Vec<RosterFault>> {
        let plain = roster("a,2026-11-24,day\nb,2026-11-24,night\na,2026-11-25,day\nb,2026-11-25,night\n");
        let changed = plain.changed(&roster(changes))?;
        let all = "2026-01-01".parse().unwrap()..="2026-12-31".parse().unwrap();
        Ok(changed.csv(all).replace("operator,date,shift\n", ""))
    }

    #[test]
    fn leave_takes_the_shifts_of_a_day_and_a_stand_in_adds_one() {
        let left = after("a,2026-11-24,leave\nc,2026-11-24,day\nb,2026-11-25,-\nc,2026-11-26,leave").unwrap();
        assert_eq!(left, "b,2026-11-24,night\nc,2026-11-24,day\na,2026-11-25,day\n");
    }

    #[test]
    fn a_swap_gives_each_the_others_shifts() {
        let swapped = after("a,2026-11-24,swap:b").unwrap();
        assert_eq!(swapped, "a,2026-11-24,night\nb,2026-11-24,day\na,2026-11-25,day\nb,2026-11-25,night\n");
        let given = after("a,2026-11-24,swap:c").unwrap();
        assert!(given.starts_with("b,2026-11-24,night\nc,2026-11-24,day\n"), "who has none gets them: {given}");
    }

    #[test]
    fn invalid_swaps_and_swaps_with_oneself_are_reported() {
        let faults = after("c,2026-11-24,swap:d\na,2026-11-24,swap:a\na,2026-11-24,swap:").unwrap_err();
        assert_eq!(faults.iter().map(|fault| fault.line).collect::<Vec<_>>(), [2, 3, 4]);
    }

    #[test]
    fn what_is_exported_can_be_read_again() {
        let plain = roster("a,2026-11-24,\"day, long\"\n");
        let text = plain.csv("2026-11-24".parse().unwrap()..="2026-11-24".parse().unwrap());
        assert_eq!(Roster::parse(&text).unwrap().entries()[0].shift, "day, long");
    }
}
