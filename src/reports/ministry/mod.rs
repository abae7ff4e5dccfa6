//! What cities publish and report to the ministry: the calls of a month by what became of them, by class, agency, category and day.

mod document;
pub mod letter;
pub mod report;
pub mod scheme;

use std::collections::BTreeMap;
use std::io::Write;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::cdr::rollup::{CallCount, Waits};
use crate::clock::Timestamp;
use crate::store::Store;

use super::figures::{Exercises, FiguresError, Filter, Group, GroupBy, Row, figures, unsigned};
use super::kpi::{Mean, Share};
use super::period::Period;

/// The figures of a period. Drills and tests count only in `exercises`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MinistryFigures {
    /// Calls that have ended.
    pub incoming: u64,
    /// The caller hung up before an operator answered.
    pub abandoned: u64,
    /// Those of them that waited less than the limit of a short abandon.
    pub short: u64,
    /// Ended by a fault of the service or the network.
    pub failed: u64,
    pub answered: u64,
    /// By class; a class without calls is missing.
    pub classes: BTreeMap<String, u64>,
    /// Answered without a class.
    pub unclassed: u64,
    /// Emergencies (class `normal`) by agency, and by category; the empty word: none was chosen.
    pub agencies: BTreeMap<String, u64>,
    pub categories: BTreeMap<String, u64>,
    pub exercises: u64,
    /// Calls with a position.
    pub located: u64,
    /// Unanswered callers who were called back.
    pub called_back: u64,
    /// Answered in the target time, of answered and abandoned calls without short ones.
    pub level: Share,
    wait_ms: u64,
    handling_ms: u64,
    /// The longest wait of any caller, rounded up to tenths of a second.
    pub longest_ms: u64,
}

impl MinistryFigures {
    /// The sums of combinations of values.
    fn of(rows: &[Row]) -> Self {
        let (mut all, mut whole) = (Self::default(), CallCount::default());
        for row in rows {
            let Group::Combination(key) = &row.group else { continue };
            let calls = unsigned(row.count.sums.calls);
            if key.exercise {
                all.exercises += calls;
                continue;
            }
            whole.add(&row.count, 1);
            match key.class.as_str() {
                "" => all.unclassed += unsigned(row.count.sums.answered),
                class => *all.classes.entry(class.to_owned()).or_default() += calls,
            }
            if key.class == "normal" {
                *all.agencies.entry(key.agency.clone()).or_default() += calls;
                *all.categories.entry(key.category.clone()).or_default() += calls;
            }
        }
        let (sums, waits) = (&whole.sums, &whole.waits);
        all.incoming = unsigned(sums.calls);
        all.abandoned = unsigned(sums.abandoned);
        all.short = unsigned(sums.short);
        all.failed = unsigned(sums.failed) + unsigned(sums.interrupted);
        all.answered = unsigned(sums.answered);
        all.located = unsigned(sums.located);
        all.called_back = unsigned(sums.called_back);
        all.level =
            Share { part: unsigned(sums.within), whole: (all.answered + all.abandoned).saturating_sub(all.short) };
        all.wait_ms = unsigned(sums.answered_wait_ms);
        all.handling_ms = unsigned(sums.talk_ms) + unsigned(sums.wrap_ms);
        let longest = [&waits.answered, &waits.abandoned, &waits.other].map(Waits::longest);
        all.longest_ms = longest.into_iter().flatten().max().unwrap_or(0);
        all
    }

    /// The calls of a class.
    pub fn class(&self, word: &str) -> u64 {
        self.classes.get(word).copied().unwrap_or(0)
    }

    /// The mean wait of answered calls in milliseconds.
    pub fn mean_wait_ms(&self) -> Option<u64> {
        Mean { sum_ms: self.wait_ms, count: self.answered }.millis()
    }

    /// The mean of talk and wrap-up of answered calls in milliseconds.
    pub fn mean_handling_ms(&self) -> Option<u64> {
        Mean { sum_ms: self.handling_ms, count: self.answered }.millis()
    }
}

/// Writes rows of a scheme as a workbook for spreadsheets.
pub fn workbook(
    scheme: &scheme::Scheme,
    rows: &[Vec<String>],
    period: &Period,
    out: &mut (impl Write + Send),
) -> anyhow::Result<()> {
    super::xlsx::rows(period, &scheme.columns(), rows, out)
}

/// Writes rows of a scheme as JSON: one object for each row, in one line.
pub fn json(scheme: &scheme::Scheme, rows: &[Vec<String>], out: &mut impl Write) -> anyhow::Result<()> {
    for row in rows {
        let cells = scheme.names().zip(row).map(|(name, cell)| (name.to_owned(), cell.clone().into()));
        writeln!(out, "{}", serde_json::Value::Object(cells.collect()))?;
    }
    Ok(())
}

/// Writes rows of a scheme as Parquet.
pub fn parquet(scheme: &scheme::Scheme, rows: &[Vec<String>], out: &mut (impl Write + Send)) -> anyhow::Result<()> {
    super::parquet::rows(&scheme.columns(), rows, out)
}

/// Reads the figures of a period.
pub async fn read(store: &Store, period: &Period) -> Result<MinistryFigures, FiguresError> {
    let all = Filter { exercises: Exercises::With, ..Filter::default() };
    let rows = figures(store, period, &all, GroupBy::Combination, true).await?.rows;
    Ok(MinistryFigures::of(&rows))
}

/// Answered calls and all others of each day of a period.
pub async fn days(store: &Store, period: &Period) -> Result<BTreeMap<Date, (u64, u64)>, FiguresError> {
    let mut all = BTreeMap::new();
    for row in figures(store, period, &Filter::default(), GroupBy::Day, false).await?.rows {
        let Group::Start(start) = row.group else { continue };
        let sums = row.count.sums;
        if let Some(day) = day_of(start, &period.zone) {
            all.insert(day, (unsigned(sums.answered), unsigned(sums.calls - sums.answered)));
        }
    }
    Ok(all)
}

/// The day of a moment in a zone.
fn day_of(at: Timestamp, zone: &TimeZone) -> Option<Date> {
    Some(zone.to_datetime(jiff::Timestamp::from_millisecond(at.as_millis()).ok()?).date())
}

/// A month by its first day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month(Date);

impl Month {
    /// The month of a day.
    pub fn of(day: Date) -> Self {
        Self(day.first_of_month())
    }

    /// The last month that is over.
    pub fn last(zone: &TimeZone, now: Timestamp) -> Option<Self> {
        Some(Self::of(day_of(now, zone)?).before())
    }

    /// Reads `2026-11`.
    pub fn parse(text: &str) -> Option<Self> {
        let (year, month) = text.split_once('-')?;
        let is_month =
            year.len() == 4 && month.len() == 2 && [year, month].concat().bytes().all(|b| b.is_ascii_digit());
        is_month.then(|| Date::new(year.parse().ok()?, month.parse().ok()?, 1).ok().map(Self)).flatten()
    }

    /// The first and the last day.
    pub fn days(self) -> (Date, Date) {
        (self.0, self.0.last_of_month())
    }

    /// The month before; the same one at the beginning of the calendar.
    pub fn before(self) -> Self {
        self.0.yesterday().map_or(self, Self::of)
    }

    /// The month after; the same one at the end of the calendar.
    pub fn after(self) -> Self {
        self.0.last_of_month().tomorrow().map_or(self, Self::of)
    }

    /// The whole month as a period.
    pub fn period(self, zone: &TimeZone, now: Timestamp) -> anyhow::Result<Period> {
        let (first, last) = self.days();
        Period::parse(Some(&first.to_string()), Some(&last.to_string()), zone, now)
    }
}

impl std::fmt::Display for Month {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}", self.0.year(), self.0.month())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_read_and_follow_each_other() {
        let month = |text| Month::parse(text).unwrap();
        assert_eq!(month("2026-01").before().to_string(), "2025-12");
        assert_eq!(month("2026-12").after().to_string(), "2027-01");
        assert_eq!(month("2028-02").days().1.to_string(), "2028-02-29");
        for text in ["", "2026", "2026-13", "2026-00", "26-01", "2026-1", "2026-011", "+026-01", "2026-11-01"] {
            assert_eq!(Month::parse(text), None, "{text}");
        }
        let zone = TimeZone::get("Asia/Jakarta").unwrap();
        // 1 January 2026, 03:00 in Jakarta; in UTC it is still December.
        let now = Timestamp::from_millis(1_767_211_200_000);
        assert_eq!(Month::last(&zone, now).unwrap().to_string(), "2025-12");
        let period = month("2025-12").period(&zone, now).unwrap();
        assert_eq!(period.iso(period.span.start), "2025-12-01T00:00:00.000+07:00");
        assert_eq!(period.iso(period.span.end), "2026-01-01T00:00:00.000+07:00");
    }
}
