//! Numbers, durations and dates as each language writes them.

use jiff::civil::Weekday;
use jiff::tz::TimeZone;

use crate::clock::Timestamp;

use super::texts::Language;

/// A whole number with separators of thousands: `6.412`, `6,412`.
pub fn number(value: u64, language: Language) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(match language {
                Language::Indonesian => '.',
                Language::English => ',',
            });
        }
        text.push(digit);
    }
    text
}

/// A share in tenths of a per cent, without the sign: `84,2`, `84.2`; a dash if there is none.
pub fn tenths(value: Option<u64>, language: Language) -> String {
    let Some(value) = value else { return "–".to_owned() };
    match value {
        0 | 1_000 => (value / 10).to_string(),
        value => decimal(value, language),
    }
}

/// Tenths of a unit with one decimal: `12,3`, `12.3`.
pub fn decimal(tenths: u64, language: Language) -> String {
    let comma = match language {
        Language::Indonesian => ',',
        Language::English => '.',
    };
    format!("{}{comma}{}", number(tenths / 10, language), tenths % 10)
}

/// A share in tenths of a per cent with the sign: `84,2 %`.
pub fn percent(value: Option<u64>, language: Language) -> String {
    // No line break before the sign.
    if value.is_none() { "–".to_owned() } else { format!("{}\u{a0}%", tenths(value, language)) }
}

/// A duration: `0:07`, `12:41`, `1:02:03`. Half a second goes up.
pub fn duration(millis: u64) -> String {
    let seconds = millis.saturating_add(500) / 1_000;
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// A duration, or a dash if there is none.
pub fn duration_or_dash(millis: Option<u64>) -> String {
    millis.map_or("–".to_owned(), duration)
}

/// The change from `before` to `now` in per cent with its sign; None if there is no `before`.
pub fn change(before: u64, now: u64, language: Language) -> Option<String> {
    let difference = now.abs_diff(before);
    let tenths_of = u128::from(difference).checked_mul(2_000)?.checked_add(u128::from(before))?;
    let share = u64::try_from(tenths_of.checked_div(u128::from(before).checked_mul(2)?)?).ok()?;
    let sign = match now.cmp(&before) {
        std::cmp::Ordering::Less => "−",
        std::cmp::Ordering::Equal => "±",
        std::cmp::Ordering::Greater => "+",
    };
    Some(format!("{sign}{}", percent(Some(share), language)))
}

/// A date and time in a zone.
#[derive(Clone, Debug)]
pub struct Moment(jiff::ZonedDateTime);

impl Moment {
    /// The moment in the zone. A time that no calendar has becomes 1970.
    pub fn of(at: Timestamp, zone: &TimeZone) -> Self {
        let point = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        Self(point.to_zoned_datetime(zone.clone()))
    }

    /// The time of day: `14.02`, `14:02`.
    pub fn time(&self, language: Language) -> String {
        let mark = match language {
            Language::Indonesian => '.',
            Language::English => ':',
        };
        format!("{:02}{mark}{:02}", self.0.hour(), self.0.minute())
    }

    /// The time of day with seconds: `14.02.07`, `14:02:07`.
    pub fn seconds(&self, language: Language) -> String {
        let mark = match language {
            Language::Indonesian => '.',
            Language::English => ':',
        };
        format!("{}{mark}{:02}", self.time(language), self.0.second())
    }

    /// The date: `28 November 2026`.
    pub fn date(&self, language: Language) -> String {
        format!("{} {} {}", self.0.day(), month(self.0.month(), language), self.0.year())
    }

    /// The date for narrow columns: `28/11/2026`, `2026-11-28`.
    pub fn short_date(&self, language: Language) -> String {
        let (day, month, year) = (self.0.day(), self.0.month(), self.0.year());
        match language {
            Language::Indonesian => format!("{day:02}/{month:02}/{year}"),
            Language::English => format!("{year:04}-{month:02}-{day:02}"),
        }
    }

    /// The month: `November 2026`.
    pub fn month(&self, language: Language) -> String {
        format!("{} {}", month(self.0.month(), language), self.0.year())
    }

    /// The date with its weekday: `Sabtu, 28 November 2026`.
    pub fn day(&self, language: Language) -> String {
        format!("{}, {}", weekday(self.0.weekday(), language), self.date(language))
    }

    /// Date and time: `28 November 2026, 14.02`.
    pub fn full(&self, language: Language) -> String {
        format!("{}, {}", self.date(language), self.time(language))
    }
}

/// The name of a weekday.
pub fn weekday(day: Weekday, language: Language) -> String {
    let key = match day {
        Weekday::Monday => "monday",
        Weekday::Tuesday => "tuesday",
        Weekday::Wednesday => "wednesday",
        Weekday::Thursday => "thursday",
        Weekday::Friday => "friday",
        Weekday::Saturday => "saturday",
        Weekday::Sunday => "sunday",
    };
    language.text(key)
}

/// The name of a weekday by its number; 0 is Monday.
pub fn weekday_of(day: u8, language: Language) -> String {
    let day = i8::try_from(day).ok().and_then(|day| Weekday::from_monday_zero_offset(day).ok());
    day.map_or(String::new(), |day| weekday(day, language))
}

fn month(month: i8, language: Language) -> String {
    language.text(&format!("month-{month}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Language::{English, Indonesian};

    #[test]
    fn numbers_are_grouped_and_shares_have_one_decimal() {
        for (value, id, en) in [
            (0, "0", "0"),
            (999, "999", "999"),
            (6_412, "6.412", "6,412"),
            (1_000_000, "1.000.000", "1,000,000"),
            (u64::MAX, "18.446.744.073.709.551.615", "18,446,744,073,709,551,615"),
        ] {
            assert_eq!((number(value, Indonesian).as_str(), number(value, English).as_str()), (id, en));
        }
        for (value, id, en) in [
            (Some(842), "84,2\u{a0}%", "84.2\u{a0}%"),
            (Some(1_000), "100\u{a0}%", "100\u{a0}%"),
            (Some(900), "90,0\u{a0}%", "90.0\u{a0}%"),
            (Some(0), "0\u{a0}%", "0\u{a0}%"),
            (None, "–", "–"),
        ] {
            assert_eq!((percent(value, Indonesian).as_str(), percent(value, English).as_str()), (id, en));
        }
        assert_eq!(change(5_980, 6_412, Indonesian).as_deref(), Some("+7,2\u{a0}%"));
        assert_eq!(change(100, 50, English).as_deref(), Some("−50.0\u{a0}%"));
        assert_eq!(change(7, 7, English).as_deref(), Some("±0\u{a0}%"));
        assert_eq!(change(0, 5, English), None);
    }

    #[test]
    fn durations_are_minutes_and_seconds() {
        for (millis, text) in
            [(0, "0:00"), (499, "0:00"), (500, "0:01"), (7_000, "0:07"), (761_000, "12:41"), (3_723_000, "1:02:03")]
        {
            assert_eq!(duration(millis), text);
        }
        assert_eq!(duration(u64::MAX), "5124095576030:25:51");
        assert_eq!(duration_or_dash(None), "–");
    }

    #[test]
    fn dates_have_the_names_of_the_language() {
        let zone = TimeZone::get("Asia/Jakarta").unwrap();
        let moment = Moment::of(Timestamp::from_millis(1_795_849_327_000), &zone);
        assert_eq!(moment.day(Indonesian), "Sabtu, 28 November 2026");
        assert_eq!(moment.day(English), "Saturday, 28 November 2026");
        assert_eq!((moment.time(Indonesian).as_str(), moment.seconds(English).as_str()), ("14.02", "14:02:07"));
        assert_eq!(moment.month(Indonesian), "November 2026");
        assert_eq!(
            (moment.short_date(Indonesian), moment.short_date(English)),
            ("28/11/2026".into(), "2026-11-28".into())
        );
        assert_eq!(moment.full(English), "28 November 2026, 14:02");
    }
}
