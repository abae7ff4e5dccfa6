//! The decrees (SK) that appoint operators: a number, and the first and last day of validity.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::{RosterFault, calendar_day, table};
use crate::acd::shift::merged;
use crate::clock::Timestamp;
use crate::ids::OperatorId;

const COLUMNS: [&str; 4] = ["operator", "decree", "valid_from", "valid_to"];

/// One appointment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decree {
    pub operator: OperatorId,
    pub number: String,
    /// The first day; None: no limit.
    pub from: Option<Date>,
    /// The last day; None: no limit.
    pub to: Option<Date>,
}

/// Reads CSV with the header `operator,decree,valid_from,valid_to`; an empty date means no limit. Returns all errors at once, at most 100.
pub fn parse(text: &str) -> Result<Vec<Decree>, Vec<RosterFault>> {
    table::read(text, COLUMNS, |line, columns| decree(line, columns).map_err(|fault| vec![fault]))
}

fn decree(line: u64, [operator, number, from, to]: [&str; 4]) -> Result<Decree, RosterFault> {
    let fault = |what, found: &str, right: &str| RosterFault::new(line, what, found, right);
    let day = |what, text: &str| match text {
        "" => Ok(None),
        text => calendar_day(text).map(Some).ok_or_else(|| fault(what, text, "a day as YYYY-MM-DD, or nothing")),
    };
    let name = OperatorId::parse(operator);
    let operator = name.map_err(|_| fault("operator", operator, "1 to 64 letters, digits, '.', '_' or '-'"))?;
    if number.is_empty() {
        return Err(fault("decree", number, "the decree's number"));
    }
    let (from, last) = (day("valid_from", from)?, day("valid_to", to)?);
    if from.zip(last).is_some_and(|(from, last)| last < from) {
        return Err(fault("valid_to", to, "a day that is not before valid_from"));
    }
    Ok(Decree { operator, number: number.to_owned(), from, to: last })
}

/// When operators are appointed, as time spans that do not overlap. An operator without a decree has no entry and no limit.
pub fn validity(decrees: &[Decree], zone: &TimeZone) -> BTreeMap<OperatorId, BTreeSet<(Timestamp, Timestamp)>> {
    let midnight = |date: Date| zone.to_timestamp(date.to_datetime(jiff::civil::Time::midnight())).ok();
    let point = |date: Option<Date>, open: i64| {
        let at = date.and_then(midnight).map_or(open, |at| at.as_millisecond());
        Timestamp::from_millis(at)
    };
    let mut all: BTreeMap<OperatorId, BTreeSet<(Timestamp, Timestamp)>> = BTreeMap::new();
    for decree in decrees {
        let behind = decree.to.and_then(|last| last.tomorrow().ok());
        let span = (point(decree.from, i64::MIN), point(behind, i64::MAX));
        all.entry(decree.operator.clone()).or_default().insert(span);
    }
    for spans in all.values_mut() {
        *spans = merged(spans);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decrees_are_read_with_open_ends() {
        let text =
            "operator;decree;valid_from;valid_to\r\nbudi;SK 800/12;2026-01-01;2026-12-31\r\nsari;SK 800/13;;\r\n";
        let decrees = parse(text).unwrap();
        assert_eq!(decrees[0].number, "SK 800/12");
        let spans = validity(&decrees, &TimeZone::get("Asia/Jakarta").unwrap());
        let at = |text: &str| Timestamp::from_millis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond());
        let of = |name: &str| spans[&OperatorId::parse(name).unwrap()].iter().copied().collect::<Vec<_>>();
        assert_eq!(
            of("budi"),
            [(at("2026-01-01T00:00:00+07:00"), at("2027-01-01T00:00:00+07:00"))],
            "the last day is inside"
        );
        assert_eq!(of("sari"), [(Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX))]);
    }

    #[test]
    fn every_fault_is_told_with_its_line() {
        let text =
            "operator,decree,valid_from,valid_to\nb udi,1,,\nbudi,,,\nbudi,1,1.1.2026,\nbudi,1,2026-02-01,2026-01-31\n";
        let faults = parse(text).unwrap_err();
        let told: Vec<_> = faults.iter().map(|fault| (fault.line, fault.what)).collect();
        assert_eq!(told, [(2, "operator"), (3, "decree"), (4, "valid_from"), (5, "valid_to")]);
        assert_eq!(parse("operator,decree\n").unwrap_err()[0].what, "header");
    }
}
