//! Which roll-ups and which records make up a period.

use std::ops::Range;

use crate::cdr::rollup::{Calendar, Grain};
use crate::clock::Timestamp;
use crate::store::rollups::query::Span;

/// The parts of a period, without gap or overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Months, days and hours that are inside, none longer than requested.
    pub(super) spans: Vec<Span>,
    /// Parts of hours at both ends.
    pub(super) edges: Vec<Range<Timestamp>>,
}

impl Plan {
    /// Divides a period into roll-ups of at most the length `longest`.
    pub(super) fn of(period: &Range<Timestamp>, calendar: &Calendar, longest: Grain) -> Self {
        let mut plan = Self::default();
        plan.divide(period.clone(), calendar, Some(longest));
        plan
    }

    /// `grain` None: what is left is shorter than an hour.
    fn divide(&mut self, period: Range<Timestamp>, calendar: &Calendar, grain: Option<Grain>) {
        if period.is_empty() {
            return;
        }
        let Some(grain) = grain else { return self.edges.push(period) };
        let shorter = match grain {
            Grain::Month => Some(Grain::Day),
            Grain::Day => Some(Grain::Hour),
            Grain::Hour => None,
        };
        let (from, to) = (calendar.first_from(grain, period.start), calendar.start(grain, period.end));
        if from > to || from == to && grain != Grain::Hour {
            return self.divide(period, calendar, shorter);
        }
        self.divide(period.start..from, calendar, shorter);
        if from < to {
            self.spans.push(Span { grain, starts: from..to });
        }
        self.divide(to..period.end, calendar, shorter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        let zone = jiff::tz::TimeZone::get("Asia/Jakarta").unwrap();
        let local: jiff::civil::DateTime = text.parse().unwrap();
        Timestamp::from_millis(zone.to_timestamp(local).unwrap().as_millisecond())
    }

    fn span(grain: Grain, from: &str, to: &str) -> Span {
        Span { grain, starts: at(from)..at(to) }
    }

    #[test]
    fn a_period_is_divided_into_the_longest_rollups_that_fit() {
        let calendar = Calendar::named("Asia/Jakarta").unwrap();
        let period = at("2026-01-30T22:30")..at("2026-04-02T01:00:00.001");
        let plan = Plan::of(&period, &calendar, Grain::Month);
        let expected = [
            span(Grain::Hour, "2026-01-30T23:00", "2026-01-31T00:00"),
            span(Grain::Day, "2026-01-31T00:00", "2026-02-01T00:00"),
            span(Grain::Month, "2026-02-01T00:00", "2026-04-01T00:00"),
            span(Grain::Day, "2026-04-01T00:00", "2026-04-02T00:00"),
            span(Grain::Hour, "2026-04-02T00:00", "2026-04-02T01:00"),
        ];
        assert_eq!(plan.spans, expected);
        let edges =
            [at("2026-01-30T22:30")..at("2026-01-30T23:00"), at("2026-04-02T01:00")..at("2026-04-02T01:00:00.001")];
        assert_eq!(plan.edges, edges);
        let hours = Plan::of(&period, &calendar, Grain::Hour).spans;
        assert_eq!(hours, [span(Grain::Hour, "2026-01-30T23:00", "2026-04-02T01:00")]);
    }

    #[test]
    fn a_part_of_an_hour_is_read_from_records() {
        let calendar = Calendar::named("Asia/Jakarta").unwrap();
        let short = at("2026-01-30T22:30")..at("2026-01-30T22:31");
        assert_eq!(Plan::of(&short, &calendar, Grain::Month), Plan { spans: Vec::new(), edges: vec![short] });
        let two = at("2026-01-30T22:30")..at("2026-01-30T23:30");
        let edges = vec![two.start..at("2026-01-30T23:00"), at("2026-01-30T23:00")..two.end];
        assert_eq!(Plan::of(&two, &calendar, Grain::Day), Plan { spans: Vec::new(), edges });
        let none = two.start..two.start;
        assert_eq!(Plan::of(&none, &calendar, Grain::Day), Plan::default());
    }
}
