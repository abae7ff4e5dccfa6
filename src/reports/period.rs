//! Periods: converts dates of the site's time zone, or times, to a half-open span.

use std::ops::Range;

use anyhow::{Context as _, bail};
use jiff::ToSpan as _;
use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::clock::Timestamp;

/// From the start (included) to the end (excluded), with the zone in which times are shown.
#[derive(Clone, Debug)]
pub struct Period {
    pub span: Range<Timestamp>,
    pub zone: TimeZone,
}

/// One end of a period, as the user has written it.
enum Mark {
    Day(Date),
    Point(jiff::Timestamp),
    /// A local time that daylight saving skips: the moment when the clock is set forward.
    Skipped(jiff::Timestamp),
}

impl Period {
    /// Reads the two ends. Each is a day (`2026-11-24`), a local time (`2026-11-24T07:00`) or an RFC 3339 time with an
    /// offset (`2026-11-24T07:00:00+07:00`). A day as the end is included, a time as the end is excluded. Without a
    /// start: the day of the end. Without an end: until the end of today. Without both: today.
    pub fn parse(from: Option<&str>, to: Option<&str>, zone: &TimeZone, now: Timestamp) -> anyhow::Result<Self> {
        let from = from.map(|text| mark(text, zone).context("--from")).transpose()?;
        let to = to.map(|text| mark(text, zone).context("--to")).transpose()?;
        let today = zone.to_datetime(jiff::Timestamp::from_millisecond(now.as_millis())?).date();
        let start = match (&from, &to) {
            (Some(Mark::Point(point) | Mark::Skipped(point)), _) => *point,
            (Some(Mark::Day(day)), _) | (None, Some(Mark::Day(day))) => midnight(*day, zone)?,
            (None, Some(Mark::Point(point) | Mark::Skipped(point))) => midnight(zone.to_datetime(*point).date(), zone)?,
            (None, None) => midnight(today, zone)?,
        };
        let skipped = [&from, &to].iter().any(|end| matches!(end, Some(Mark::Skipped(_))));
        let end = match to {
            Some(Mark::Point(point) | Mark::Skipped(point)) => point,
            Some(Mark::Day(day)) => midnight(day.tomorrow()?, zone)?,
            None => midnight(today.tomorrow()?, zone)?,
        };
        // A period within the skipped hour is empty, not an error.
        if start > end || start == end && !skipped {
            let (start, end) = (local(zone, millis(start)), local(zone, millis(end)));
            bail!("the period ends before it begins: {start} to {end}");
        }
        let span = millis(start)..millis(end);
        Ok(Self { span, zone: zone.clone() })
    }

    /// Whole days that are over. Without an end: until yesterday. Without a start: 28 days, which have each hour of the week four times.
    pub fn before_today(from: Option<&str>, to: Option<&str>, zone: &TimeZone, now: Timestamp) -> anyhow::Result<Self> {
        let today = zone.to_datetime(jiff::Timestamp::from_millisecond(now.as_millis())?).date();
        let to = match to {
            Some(to) => to.to_owned(),
            None => today.yesterday()?.to_string(),
        };
        let from = match (from, to.parse::<Date>()) {
            (Some(from), _) => from.to_owned(),
            (None, Ok(last)) => last.checked_sub(27.days())?.to_string(),
            (None, Err(_)) => to.clone(),
        };
        Self::parse(Some(&from), Some(&to), zone, now)
    }

    /// A time in ISO 8601 with the zone's offset and milliseconds: `2026-11-24T07:00:00.000+07:00`.
    pub fn iso(&self, at: Timestamp) -> String {
        shown(&self.zone, at, "%Y-%m-%dT%H:%M:%S%.3f%:z")
    }

    /// A time for people, in the zone: `2026-11-24 07:00:00`.
    pub fn local(&self, at: Timestamp) -> String {
        local(&self.zone, at)
    }
}

/// A time as text: `2026-11-24 07:00:00`; in an hour that occurs twice, with the offset: `2026-10-25 02:30:00+01:00`.
pub fn local(zone: &TimeZone, at: Timestamp) -> String {
    let twice = jiff::Timestamp::from_millisecond(at.as_millis())
        .is_ok_and(|point| zone.to_ambiguous_timestamp(zone.to_datetime(point)).is_ambiguous());
    shown(zone, at, if twice { "%Y-%m-%d %H:%M:%S%:z" } else { "%Y-%m-%d %H:%M:%S" })
}

fn shown(zone: &TimeZone, at: Timestamp, format: &str) -> String {
    match jiff::Timestamp::from_millisecond(at.as_millis()) {
        Ok(point) => point.to_zoned_datetime(zone.clone()).strftime(format).to_string(),
        Err(_) => at.to_string(),
    }
}

fn mark(text: &str, zone: &TimeZone) -> anyhow::Result<Mark> {
    // A time also begins with a day: only text without a time is a day.
    if text.len() <= "2026-11-24".len() {
        return text.parse().map(Mark::Day).with_context(|| wanted(text));
    }
    if let Ok(point) = text.parse::<jiff::Timestamp>() {
        return Ok(Mark::Point(point));
    }
    let local: DateTime = text.parse().with_context(|| wanted(text))?;
    let ambiguous = zone.to_ambiguous_timestamp(local);
    match ambiguous.offset() {
        AmbiguousOffset::Gap { before, .. } => {
            // With the old offset, the local time is after the change.
            let behind = before.to_timestamp(local)?.checked_add(jiff::SignedDuration::from_nanos(1))?;
            let change = zone.preceding(behind).next().context("no change of the clock is known")?;
            Ok(Mark::Skipped(change.timestamp()))
        }
        AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => Ok(Mark::Point(ambiguous.compatible()?)),
    }
}

fn wanted(text: &str) -> String {
    format!("{text:?} is neither a day (2026-11-24) nor a time (2026-11-24T07:00, 2026-11-24T07:00:00+07:00)")
}

/// The first moment of a day. If summer time begins at midnight, this is not 00:00.
fn midnight(day: Date, zone: &TimeZone) -> anyhow::Result<jiff::Timestamp> {
    Ok(day.to_zoned_datetime(zone.clone())?.start_of_day()?.timestamp())
}

fn millis(point: jiff::Timestamp) -> Timestamp {
    Timestamp::from_millis(point.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-24 01:30 in Jakarta, still the 23rd in UTC.
    const NOW: &str = "2026-11-23T18:30:00Z";

    fn at(text: &str) -> Timestamp {
        millis(text.parse().unwrap())
    }

    fn period(from: Option<&str>, to: Option<&str>) -> Range<Timestamp> {
        let zone = TimeZone::get("Asia/Jakarta").unwrap();
        Period::parse(from, to, &zone, at(NOW)).unwrap().span
    }

    #[test]
    fn an_error_shows_times_of_the_sites_zone() {
        let zone = TimeZone::get("Asia/Jakarta").unwrap();
        let fault = Period::parse(Some("2026-11-24T08:00"), Some("2026-11-24T07:00"), &zone, at(NOW)).unwrap_err();
        let expected = "the period ends before it begins: 2026-11-24 08:00:00 to 2026-11-24 07:00:00";
        assert_eq!(fault.to_string(), expected);
    }

    #[test]
    fn days_are_days_of_the_sites_zone_and_the_last_is_inside() {
        let day = at("2026-11-23T17:00:00Z")..at("2026-11-24T17:00:00Z");
        assert_eq!(period(None, None), day, "today is the day in Jakarta");
        assert_eq!(period(Some("2026-11-24"), None), day);
        assert_eq!(period(Some("2026-11-24"), Some("2026-11-24")), day);
        assert_eq!(period(None, Some("2026-11-24")), day);
        let month = at("2026-10-31T17:00:00Z")..at("2026-11-30T17:00:00Z");
        assert_eq!(period(Some("2026-11-01"), Some("2026-11-30")), month);
    }

    #[test]
    fn times_are_points_and_the_last_is_outside() {
        let night = at("2026-11-24T00:00:00Z")..at("2026-11-24T12:00:00Z");
        assert_eq!(period(Some("2026-11-24T07:00"), Some("2026-11-24T19:00:00")), night);
        assert_eq!(period(Some("2026-11-24T07:00:00+07:00"), Some("2026-11-24T12:00:00Z")), night);
        assert_eq!(period(None, Some("2026-11-24T19:00")), at("2026-11-23T17:00:00Z")..night.end);
    }

    #[test]
    fn nonsense_is_told_with_what_is_wanted() {
        let zone = TimeZone::get("Asia/Jakarta").unwrap();
        for bad in ["", "24-11-2026", "2026-02-30", "yesterday", "2026-11-24T25:00", "2026-11-24 7 o'clock"] {
            let fault = Period::parse(Some(bad), None, &zone, at(NOW)).unwrap_err();
            assert!(format!("{fault:#}").contains("--from: "), "{bad}: {fault:#}");
        }
        assert!(Period::parse(Some("2026-11-25"), Some("2026-11-24"), &zone, at(NOW)).is_err());
        assert!(Period::parse(Some("2026-11-24T07:00"), Some("2026-11-24T07:00"), &zone, at(NOW)).is_err());
    }

    #[test]
    fn a_day_without_midnight_begins_with_its_first_moment() {
        let zone = TimeZone::get("America/Sao_Paulo").unwrap();
        let day = Period::parse(Some("2018-11-04"), Some("2018-11-04"), &zone, at(NOW)).unwrap();
        assert_eq!(day.span, at("2018-11-04T03:00:00Z")..at("2018-11-05T02:00:00Z"));
        assert_eq!(day.iso(day.span.start), "2018-11-04T01:00:00.000-02:00");
    }

    #[test]
    fn a_period_in_the_hour_that_daylight_saving_skips_is_empty_or_ends_at_the_change() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let read = |from, to| Period::parse(Some(from), Some(to), &zone, at(NOW)).unwrap().span;
        let change = at("2026-03-29T01:00:00Z");
        assert_eq!(read("2026-03-29T02:10", "2026-03-29T02:50"), change..change);
        assert_eq!(read("2026-03-29T02:00", "2026-03-29T03:00"), change..change);
        assert_eq!(read("2026-03-29T01:00", "2026-03-29T02:30"), at("2026-03-29T00:00:00Z")..change);
        assert_eq!(read("2026-03-29T02:50", "2026-03-29T03:10"), change..at("2026-03-29T01:10:00Z"));
        assert!(Period::parse(Some("2026-03-29T04:00"), Some("2026-03-29T02:30"), &zone, at(NOW)).is_err());
    }

    #[test]
    fn an_hour_that_comes_twice_is_shown_with_its_offset() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        for (point, shown) in [
            ("2026-10-25T00:30:00Z", "2026-10-25 02:30:00+02:00"),
            ("2026-10-25T01:30:00Z", "2026-10-25 02:30:00+01:00"),
            ("2026-10-25T02:30:00Z", "2026-10-25 03:30:00"),
        ] {
            assert_eq!(local(&zone, at(point)), shown);
        }
    }

    #[test]
    fn times_are_shown_with_the_zones_offset() {
        let zone = TimeZone::get("Asia/Jayapura").unwrap();
        let period = Period::parse(None, None, &zone, at(NOW)).unwrap();
        assert_eq!(period.iso(at("2026-11-23T18:30:00.007Z")), "2026-11-24T03:30:00.007+09:00");
        assert_eq!(period.local(at("2026-11-23T18:30:00.007Z")), "2026-11-24 03:30:00");
    }
}
