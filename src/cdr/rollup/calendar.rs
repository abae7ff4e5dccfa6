//! Hours, days and months of the site's time zone. They divide time without gaps, also where the clock is set forward or back.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp as Point};

use crate::clock::Timestamp;

const HOUR_S: i64 = 3_600;

/// The length of a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grain {
    Hour,
    Day,
    Month,
}

impl Grain {
    /// All of them, the shortest first.
    pub const ALL: [Self; 3] = [Self::Hour, Self::Day, Self::Month];

    /// Its number in the database.
    pub const fn number(self) -> i16 {
        match self {
            Self::Hour => 0,
            Self::Day => 1,
            Self::Month => 2,
        }
    }
}

/// A time zone as a calendar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    zone: TimeZone,
}

impl Calendar {
    pub const fn new(zone: TimeZone) -> Self {
        Self { zone }
    }

    /// The calendar of an IANA time zone. None if this machine does not know it.
    pub fn named(zone: &str) -> Option<Self> {
        TimeZone::get(zone).ok().map(Self::new)
    }

    pub const fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The starts of the hour, the day and the month of a time.
    pub fn starts(&self, at: Timestamp) -> [(Grain, Timestamp); 3] {
        Grain::ALL.map(|grain| (grain, self.start(grain, at)))
    }

    /// The start of the period that contains a time.
    pub fn start(&self, grain: Grain, at: Timestamp) -> Timestamp {
        // Times beyond the year 9999 do not occur; they would each be a period.
        self.try_start(grain, at).unwrap_or(at)
    }

    /// The start of the next period after the one that contains a time.
    pub fn next(&self, grain: Grain, at: Timestamp) -> Timestamp {
        self.try_next(grain, at).unwrap_or(at.shifted(1))
    }

    /// The first start of a period that is not before a time.
    pub fn first_from(&self, grain: Grain, at: Timestamp) -> Timestamp {
        if self.start(grain, at) == at { at } else { self.next(grain, at) }
    }

    /// The hour of the week of a time: 0 is Monday from 00:00 to 01:00, 167 is Sunday from 23:00 to 24:00.
    pub fn hour_of_week(&self, at: Timestamp) -> i16 {
        let Ok(point) = Point::from_millisecond(at.as_millis()) else { return 0 };
        let local = self.zone.to_datetime(point);
        i16::from(local.date().weekday().to_monday_zero_offset()) * 24 + i16::from(local.hour())
    }

    fn try_start(&self, grain: Grain, at: Timestamp) -> Option<Timestamp> {
        let point = Point::from_millisecond(at.as_millis()).ok()?;
        let local = self.zone.to_datetime(point).date();
        match grain {
            Grain::Hour => self.hour(point).map(millis),
            Grain::Day => self.midnight(local),
            Grain::Month => self.midnight(local.first_of_month()),
        }
    }

    fn try_next(&self, grain: Grain, at: Timestamp) -> Option<Timestamp> {
        let point = Point::from_millisecond(at.as_millis()).ok()?;
        let local = self.zone.to_datetime(point).date();
        match grain {
            Grain::Hour => {
                let start = self.hour(point)?;
                let offset = i64::from(self.zone.to_offset(point).seconds());
                let local_end = (start.as_second() + offset).div_euclid(HOUR_S) * HOUR_S + HOUR_S;
                let end = Point::from_second(local_end - offset).ok()?;
                let change = self.zone.following(point).next().map(|change| change.timestamp());
                Some(millis(change.filter(|change| *change < end).unwrap_or(end)))
            }
            Grain::Day => self.midnight(local.tomorrow().ok()?),
            Grain::Month => self.midnight(local.last_of_month().tomorrow().ok()?),
        }
    }

    /// The start of the hour. An hour in which the clock is changed ends, and another begins.
    fn hour(&self, point: Point) -> Option<Point> {
        let offset = i64::from(self.zone.to_offset(point).seconds());
        let start = Point::from_second((point.as_second() + offset).div_euclid(HOUR_S) * HOUR_S - offset).ok()?;
        if i64::from(self.zone.to_offset(start).seconds()) == offset {
            return Some(start);
        }
        let behind = point.checked_add(SignedDuration::from_nanos(1)).ok()?;
        self.zone.preceding(behind).next().map(|change| change.timestamp())
    }

    /// The first moment of a day; where the clock is set forward at midnight, that is not 00:00.
    fn midnight(&self, day: jiff::civil::Date) -> Option<Timestamp> {
        Some(millis(day.to_zoned_datetime(self.zone.clone()).ok()?.start_of_day().ok()?.timestamp()))
    }
}

fn millis(point: Point) -> Timestamp {
    Timestamp::from_millis(point.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        millis(text.parse().unwrap())
    }

    #[test]
    fn periods_are_those_of_the_sites_zone() {
        let calendar = Calendar::named("Asia/Jakarta").unwrap();
        let starts = calendar.starts(at("2026-11-23T18:30:00.007Z"));
        let expected = ["2026-11-23T18:00:00Z", "2026-11-23T17:00:00Z", "2026-10-31T17:00:00Z"];
        assert_eq!(starts.map(|(_, start)| start), expected.map(at));
        assert_eq!(calendar.hour_of_week(at("2026-11-23T18:30:00Z")), 25, "Tuesday 01:30");
        assert_eq!(calendar.next(Grain::Month, at("2026-11-23T18:30:00Z")), at("2026-11-30T17:00:00Z"));
        assert_eq!(calendar.first_from(Grain::Hour, at("2026-11-23T18:00:00Z")), at("2026-11-23T18:00:00Z"));
        assert_eq!(calendar.first_from(Grain::Hour, at("2026-11-23T18:00:00.001Z")), at("2026-11-23T19:00:00Z"));
    }

    /// From the first to the last moment, each period begins where the one before ends, whatever is done to the clock.
    #[test]
    fn periods_have_no_gap_and_no_overlap() {
        for (zone, from, to) in [
            ("Asia/Jakarta", "2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z"),
            ("Europe/Berlin", "2026-03-28T00:00:00Z", "2026-03-30T12:00:00Z"),
            ("Europe/Berlin", "2026-10-24T00:00:00Z", "2026-10-26T12:00:00Z"),
            ("Australia/Lord_Howe", "2026-04-03T00:00:00Z", "2026-04-06T00:00:00Z"),
            ("Australia/Lord_Howe", "2026-10-02T00:00:00Z", "2026-10-05T00:00:00Z"),
            ("America/Sao_Paulo", "2018-11-03T00:00:00Z", "2018-11-05T00:00:00Z"),
            ("Asia/Kathmandu", "2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z"),
        ] {
            let calendar = Calendar::named(zone).unwrap();
            for grain in Grain::ALL {
                let mut start = calendar.start(grain, at(from));
                while start < at(to) {
                    let next = calendar.next(grain, start);
                    assert!(start < next, "{zone} {grain:?}");
                    for within in [start, start.shifted(1), start.shifted((next.as_millis() - start.as_millis()) / 2)] {
                        assert_eq!(calendar.start(grain, within), start, "{zone} {grain:?} {within}");
                        assert_eq!(calendar.next(grain, within), next, "{zone} {grain:?} {within}");
                    }
                    assert_eq!(calendar.start(grain, next.shifted(-1)), start, "{zone} {grain:?}");
                    start = next;
                }
            }
            // A day begins with an hour, and a month with a day.
            let day = calendar.start(Grain::Day, at(to));
            assert_eq!(calendar.start(Grain::Hour, day), day, "{zone}");
        }
    }
}
