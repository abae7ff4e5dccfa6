//! When a scheduled report is due, and which days it is about.

use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::clock::Timestamp;
use crate::config::{Every, Schedule};

/// A time at which a report is due, and its first and last day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    pub at: Timestamp,
    pub first: Date,
    pub last: Date,
}

impl Due {
    /// The last time that is not after `now`. None at the beginning of the calendar.
    pub fn last(schedule: &Schedule, zone: &TimeZone, now: Timestamp) -> Option<Self> {
        let today = zone.to_datetime(jiff::Timestamp::from_millisecond(now.as_millis()).ok()?).date();
        let this = match schedule.every {
            Every::Day => today,
            Every::Week => {
                let back = (today.weekday().to_monday_one_offset() - schedule.day).rem_euclid(7);
                today.checked_sub(i64::from(back).days()).ok()?
            }
            Every::Month => today.with().day(schedule.day).build().ok()?,
        };
        let due = Self::on(schedule, zone, this)?;
        if due.at <= now {
            return Some(due);
        }
        let before = match schedule.every {
            Every::Day => this.yesterday().ok()?,
            Every::Week => this.checked_sub(7.days()).ok()?,
            Every::Month => this.checked_sub(1.month()).ok()?,
        };
        Self::on(schedule, zone, before)
    }

    fn on(schedule: &Schedule, zone: &TimeZone, day: Date) -> Option<Self> {
        let at = zone.to_timestamp(day.to_datetime(schedule.at)).ok()?;
        let (first, last) = match schedule.every {
            Every::Day => (day.yesterday().ok()?, day.yesterday().ok()?),
            Every::Week => (day.checked_sub(7.days()).ok()?, day.yesterday().ok()?),
            Every::Month => {
                let last = day.first_of_month().yesterday().ok()?;
                (last.first_of_month(), last)
            }
        };
        Some(Self { at: Timestamp::from_millis(at.as_millisecond()), first, last })
    }

    /// The days as a file's name has them: `2026-11-30`, `2026-11-23-2026-11-29`, `2026-11`.
    pub fn days(&self, every: Every) -> String {
        match every {
            Every::Day => self.first.to_string(),
            Every::Week => format!("{}-{}", self.first, self.last),
            Every::Month => format!("{:04}-{:02}", self.first.year(), self.first.month()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{FileFormat, ScheduledReport, Target};

    fn due(every: Every, at: &str, day: i8, zone: &str, now: &str) -> (String, String) {
        let schedule = Schedule {
            name: "x".to_owned(),
            report: ScheduledReport::Summary,
            format: FileFormat::Csv,
            every,
            at: at.parse().unwrap(),
            day,
            target: Target::Folder("x".into()),
        };
        let zone = TimeZone::get(zone).unwrap();
        let now: jiff::Timestamp = now.parse().unwrap();
        let due = Due::last(&schedule, &zone, Timestamp::from_millis(now.as_millisecond())).unwrap();
        let at = jiff::Timestamp::from_millisecond(due.at.as_millis()).unwrap();
        (at.to_zoned_datetime(zone).strftime("%F %R").to_string(), due.days(every))
    }

    #[test]
    fn the_last_time_is_today_or_before() {
        let jakarta = |every, at, day, now| due(every, at, day, "Asia/Jakarta", now);
        let is = |due: (String, String), at: &str, days: &str| assert_eq!(due, (at.to_owned(), days.to_owned()));
        is(jakarta(Every::Day, "06:00:00", 1, "2026-12-01T06:00:00+07:00"), "2026-12-01 06:00", "2026-11-30");
        is(jakarta(Every::Day, "06:00:00", 1, "2026-12-01T05:59:59+07:00"), "2026-11-30 06:00", "2026-11-29");
        // 1 December 2026 is a Tuesday.
        let week = "2026-11-23-2026-11-29";
        is(jakarta(Every::Week, "07:30:00", 1, "2026-12-01T06:00:00+07:00"), "2026-11-30 07:30", week);
        is(
            jakarta(Every::Week, "07:30:00", 2, "2026-12-01T06:00:00+07:00"),
            "2026-11-24 07:30",
            "2026-11-17-2026-11-23",
        );
        is(
            jakarta(Every::Week, "05:30:00", 7, "2026-12-01T06:00:00+07:00"),
            "2026-11-29 05:30",
            "2026-11-22-2026-11-28",
        );
        is(jakarta(Every::Month, "06:00:00", 1, "2026-12-01T06:00:00+07:00"), "2026-12-01 06:00", "2026-11");
        is(jakarta(Every::Month, "06:00:00", 28, "2027-01-03T06:00:00+07:00"), "2026-12-28 06:00", "2026-11");
    }

    #[test]
    fn a_time_that_the_clock_skips_comes_once() {
        // 29 March 2026: 02:30 does not exist in Berlin.
        let berlin = |now| due(Every::Day, "02:30:00", 1, "Europe/Berlin", now);
        assert_eq!(berlin("2026-03-29T00:59:00Z").0, "2026-03-28 02:30");
        assert_eq!(berlin("2026-03-29T01:30:00Z").0, "2026-03-29 03:30");
        assert_eq!(berlin("2026-03-29T12:00:00Z").0, "2026-03-29 03:30");
    }
}
