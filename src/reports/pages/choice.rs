//! The period that a page shows, and the one that it is compared with.

use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::clock::Timestamp;
use crate::reports::period::Period;
use crate::web::format::Moment;
use crate::web::texts::Language;
use crate::web::visitor::Fields;

/// The periods with a name, in the order of their buttons.
pub(super) const NAMED: [&str; 6] = ["today", "yesterday", "week", "month", "last-month", "year"];

/// A chosen period.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    /// One of `NAMED`; empty: from one day to another.
    pub name: &'static str,
    /// First and last day.
    pub days: (Date, Date),
    pub period: Period,
    pub before: Period,
    days_before: (Date, Date),
}

impl Choice {
    /// The period in the query of a page; None if its dates cannot be read.
    pub(super) fn of(fields: &Fields, zone: &TimeZone, now: Timestamp) -> Option<Self> {
        let today = zone.to_datetime(jiff::Timestamp::from_millisecond(now.as_millis()).ok()?).date();
        let (from, to) = (fields.get("from"), fields.get("to"));
        if !from.is_empty() || !to.is_empty() {
            let first: Date = if from.is_empty() { to } else { from }.parse().ok()?;
            let last: Date = if to.is_empty() { from } else { to }.parse().ok()?;
            let days = (last - first).get_days();
            if days < 0 {
                return None;
            }
            let before = (first.checked_sub((days + 1).days()).ok()?, first.yesterday().ok()?);
            return Self::between("", (first, last), before, zone, now);
        }
        let name = NAMED.into_iter().find(|name| *name == fields.get("period")).unwrap_or("today");
        let (days, before) = named(name, today)?;
        Self::between(name, days, before, zone, now)
    }

    fn between(
        name: &'static str,
        days: (Date, Date),
        days_before: (Date, Date),
        zone: &TimeZone,
        now: Timestamp,
    ) -> Option<Self> {
        let period = |(first, last): (Date, Date)| {
            Period::parse(Some(&first.to_string()), Some(&last.to_string()), zone, now).ok()
        };
        Some(Self { name, days, period: period(days)?, before: period(days_before)?, days_before })
    }

    /// True if the period is not over: its sums still grow, and a comparison with a whole period would mislead.
    pub(super) fn is_running(&self, now: Timestamp) -> bool {
        self.period.span.end > now
    }

    /// The name of the period.
    pub(super) fn text(&self, language: Language) -> String {
        text(self.days, &self.period, language)
    }

    /// The name of the period before.
    pub(super) fn text_before(&self, language: Language) -> String {
        text(self.days_before, &self.before, language)
    }
}

fn named(name: &str, today: Date) -> Option<((Date, Date), (Date, Date))> {
    let days = |first: Date, last: Date| (first, last);
    let month = |day: Date| days(day.first_of_month(), day.last_of_month());
    let yesterday = today.yesterday().ok()?;
    Some(match name {
        "yesterday" => (days(yesterday, yesterday), days(yesterday.yesterday().ok()?, yesterday.yesterday().ok()?)),
        "week" => {
            let back = i32::from(today.weekday().to_monday_zero_offset());
            let monday = today.checked_sub(back.days()).ok()?;
            let end = monday.checked_add(6.days()).ok()?;
            (days(monday, end), days(monday.checked_sub(7.days()).ok()?, monday.yesterday().ok()?))
        }
        "month" => (month(today), month(today.first_of_month().yesterday().ok()?)),
        "last-month" => {
            let last = today.first_of_month().yesterday().ok()?;
            (month(last), month(last.first_of_month().yesterday().ok()?))
        }
        "year" => {
            let year = |day: Date| days(day.first_of_year(), day.last_of_year());
            (year(today), year(today.first_of_year().yesterday().ok()?))
        }
        _ => (days(today, today), days(yesterday, yesterday)),
    })
}

fn text((first, last): (Date, Date), period: &Period, language: Language) -> String {
    let start = Moment::of(period.span.start, &period.zone);
    if first == last {
        return start.date(language);
    }
    if first == first.first_of_year() && last == first.last_of_year() {
        return first.year().to_string();
    }
    if first == first.first_of_month() && last == first.last_of_month() {
        return start.month(language);
    }
    let end = Moment::of(Timestamp::from_millis(period.span.end.as_millis() - 1), &period.zone);
    format!("{} – {}", start.date(language), end.date(language))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Thursday, 1 January 2026, 03:00 in Jakarta.
    const NOW: i64 = 1_767_211_200_000;

    fn choice(query: &str) -> Option<Choice> {
        let zone = TimeZone::get("Asia/Jakarta").unwrap();
        Choice::of(&Fields::read(query.as_bytes()), &zone, Timestamp::from_millis(NOW))
    }

    #[test]
    fn named_periods_and_the_ones_before_them_are_whole_days_of_the_site() {
        let now = Timestamp::from_millis(NOW);
        for (query, period, before, is_running) in [
            ("", "1 Januari 2026", "31 Desember 2025", true),
            ("period=nonsense", "1 Januari 2026", "31 Desember 2025", true),
            ("period=yesterday", "31 Desember 2025", "30 Desember 2025", false),
            ("period=week", "29 Desember 2025 – 4 Januari 2026", "22 Desember 2025 – 28 Desember 2025", true),
            ("period=month", "Januari 2026", "Desember 2025", true),
            ("period=last-month", "Desember 2025", "November 2025", false),
            ("period=year", "2026", "2025", true),
            (
                "from=2025-12-01&to=2025-12-10",
                "1 Desember 2025 – 10 Desember 2025",
                "21 November 2025 – 30 November 2025",
                false,
            ),
            ("from=2025-12-31", "31 Desember 2025", "30 Desember 2025", false),
        ] {
            let choice = choice(query).unwrap();
            let texts = (choice.text(Language::Indonesian), choice.text_before(Language::Indonesian));
            assert_eq!(texts, (period.to_owned(), before.to_owned()), "{query}");
            assert_eq!(choice.is_running(now), is_running, "{query}");
            assert_eq!(choice.before.span.end, choice.period.span.start, "{query}: no gap between them");
        }
    }

    #[test]
    fn dates_that_cannot_be_read_are_rejected() {
        for query in ["from=24-11-2026", "from=2026-11-24&to=2026-11-23", "to=x", "from=<script>"] {
            assert!(choice(query).is_none(), "{query}");
        }
    }
}
