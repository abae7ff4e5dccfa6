//! `[retention]`: after how many days personal values are erased, and recordings, facts and records are deleted.

use serde::Deserialize;

use super::source::Source;

/// The longest time that may be set: a century.
const DAYS_MAX: u32 = 36_500;

/// The section as written. What is absent is kept forever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    pub locations_days: Option<u32>,
    /// Numbers, notes and pressed digits, and the locations if they are still there.
    pub numbers_days: Option<u32>,
    pub recordings_days: Option<u32>,
    pub facts_days: Option<u32>,
    /// Whole months are deleted.
    pub records_days: Option<u32>,
}

/// Each time, and those that must not be longer. A record cannot be computed from facts without their numbers, nor after the facts.
pub(super) fn checked(source: &mut Source, retention: Retention, journal_keep_days: u64) -> Retention {
    let Retention { locations_days, numbers_days, recordings_days, facts_days, records_days } = retention;
    let keys = [
        ("retention.locations_days", locations_days),
        ("retention.numbers_days", numbers_days),
        ("retention.recordings_days", recordings_days),
        ("retention.facts_days", facts_days),
        ("retention.records_days", records_days),
    ];
    for (key, days) in keys.iter().filter_map(|(key, days)| Some((*key, (*days)?))) {
        if days == 0 || days > DAYS_MAX {
            source.fault(key, days.to_string(), format!("1 to {DAYS_MAX} days; absent: never"));
        } else if u64::from(days) <= journal_keep_days {
            let expected =
                format!("more than [journal] keep_days, {journal_keep_days}: the journal still has the facts");
            source.fault(key, days.to_string(), expected);
        }
    }
    let [locations, numbers, recordings, facts, records] = keys;
    for (first, then) in [(locations, numbers), (numbers, facts), (recordings, facts), (facts, records)] {
        in_order(source, first, then);
    }
    for first in [numbers, recordings] {
        if facts.1.is_none() {
            in_order(source, first, records);
        }
    }
    retention
}

fn in_order(source: &mut Source, first: (&str, Option<u32>), then: (&str, Option<u32>)) {
    let ((key, Some(days)), (later_key, Some(later))) = (first, then) else { return };
    if days > later {
        source.fault(key, days.to_string(), format!("at most {later_key}, {later}"));
    }
}
