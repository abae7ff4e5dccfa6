//! Which calls a visitor may see.

use std::ops::Range;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

use crate::cdr::Cdr;
use crate::cdr::fact::Callee;
use crate::clock::Timestamp;
use crate::reports::pages::Pages;
use crate::web::role::Permission;
use crate::web::visitor::Visitor;

/// Without shifts, an operator sees the own calls of this time.
const SHIFTLESS_MS: i64 = 12 * 3_600_000;

/// A shift of the configuration: its local start and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShiftSpan {
    pub start: Time,
    /// If it is not later than `start`, the shift ends on the next day.
    pub end: Time,
}

impl ShiftSpan {
    fn on(self, day: Date, zone: &TimeZone) -> Option<Range<Timestamp>> {
        let last = if self.end <= self.start { day.tomorrow().ok()? } else { day };
        let at = |day: Date, time: Time| {
            zone.to_timestamp(day.to_datetime(time)).ok().map(|at| Timestamp::from_millis(at.as_millisecond()))
        };
        Some(at(day, self.start)?..at(last, self.end)?)
    }
}

/// The calls that a visitor may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::reports::pages) enum Scope {
    All,
    /// Calls in which this operator talked, of this time.
    Own {
        operator: String,
        span: Range<Timestamp>,
    },
}

impl Scope {
    /// The scope of a visitor who may see calls at all.
    pub(in crate::reports::pages) fn of(pages: &Pages, visitor: &Visitor) -> Self {
        if visitor.may(Permission::Calls) {
            return Self::All;
        }
        let now = pages.site.now();
        Self::Own { operator: visitor.name().to_owned(), span: shift(&pages.shifts, pages.site.zone(), now) }
    }

    /// True if the visitor may see the call.
    pub(in crate::reports::pages) fn has(&self, cdr: &Cdr) -> bool {
        match self {
            Self::All => true,
            Self::Own { operator, span } => {
                let talked = |callee: &Callee| matches!(callee, Callee::Operator(own) if own.as_str() == operator);
                span.contains(&cdr.received) && cdr.talks.iter().any(|talk| talked(&talk.with))
            }
        }
    }
}

/// The shift at `now`; of several, the one that began first. Empty between shifts.
fn shift(shifts: &[ShiftSpan], zone: &TimeZone, now: Timestamp) -> Range<Timestamp> {
    if shifts.is_empty() {
        return now.shifted(-SHIFTLESS_MS)..now.shifted(1);
    }
    let today = jiff::Timestamp::from_millisecond(now.as_millis()).map(|at| zone.to_datetime(at).date());
    let days = today.ok().into_iter().flat_map(|today| [today.yesterday().ok(), Some(today)]).flatten();
    let spans = days.flat_map(|day| shifts.iter().filter_map(move |shift| shift.on(day, zone)));
    spans.filter(|span| span.contains(&now)).min_by_key(|span| span.start).unwrap_or(now..now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shift_in_progress_is_found_also_after_midnight() {
        let zone = TimeZone::get("Asia/Jakarta").unwrap();
        let at = |text: &str| Timestamp::from_millis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond());
        let time = |hour| Time::constant(hour, 0, 0, 0);
        let shifts = [ShiftSpan { start: time(7), end: time(15) }, ShiftSpan { start: time(21), end: time(7) }];
        for (now, from, to) in [
            ("2026-11-28T08:00:00+07:00", "2026-11-28T07:00:00+07:00", "2026-11-28T15:00:00+07:00"),
            ("2026-11-28T02:00:00+07:00", "2026-11-27T21:00:00+07:00", "2026-11-28T07:00:00+07:00"),
            ("2026-11-28T23:00:00+07:00", "2026-11-28T21:00:00+07:00", "2026-11-29T07:00:00+07:00"),
        ] {
            assert_eq!(shift(&shifts, &zone, at(now)), at(from)..at(to), "{now}");
        }
        assert!(shift(&shifts, &zone, at("2026-11-28T16:00:00+07:00")).is_empty(), "between shifts");
        let now = at("2026-11-28T16:00:00+07:00");
        assert!(shift(&[], &zone, now).contains(&now), "without shifts, the last hours");
    }
}
