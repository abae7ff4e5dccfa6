//! Counts of calls by hour of the day and by weekday, and the heat map of service levels.

use jiff::tz::TimeZone;

use crate::reports::kpi::Share;
use crate::store::report_bins::Bin;
use crate::web::chart::{Cell, Heat, heat};
use crate::web::format::{tenths, weekday};
use crate::web::texts::Language;

/// Hours of one column.
const HOURS: usize = 2;
const COLUMNS: usize = 24 / HOURS;
/// A cell with fewer calls is in no headline.
const CALLS_MIN: u64 = 5;
const DAYS: [jiff::civil::Weekday; 7] = [
    jiff::civil::Weekday::Monday,
    jiff::civil::Weekday::Tuesday,
    jiff::civil::Weekday::Wednesday,
    jiff::civil::Weekday::Thursday,
    jiff::civil::Weekday::Friday,
    jiff::civil::Weekday::Saturday,
    jiff::civil::Weekday::Sunday,
];

/// Counts by hour, and service levels by weekday and two hours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rhythm {
    /// Answered and other calls of each hour.
    pub hours: [(u64, u64); 24],
    /// Monday first.
    pub cells: [[Share; COLUMNS]; 7],
    /// Calls that waited longer than one minute.
    pub long: u64,
}

impl Rhythm {
    /// Sums quarters of hours by the local time of the site.
    pub(super) fn of(bins: &[Bin], zone: &TimeZone) -> Self {
        let mut rhythm = Self::default();
        for bin in bins {
            let Ok(point) = jiff::Timestamp::from_millisecond(bin.start.as_millis()) else { continue };
            let local = zone.to_datetime(point);
            let hour = usize::try_from(local.hour()).unwrap_or(0);
            let day = usize::try_from(local.weekday().to_monday_zero_offset()).unwrap_or(0);
            rhythm.add((day, hour), bin);
        }
        rhythm
    }

    /// Adds calls of a day (0: Monday) and hour.
    pub(super) fn add(&mut self, (day, hour): (usize, usize), bin: &Bin) {
        if let Some((answered, others)) = self.hours.get_mut(hour) {
            *answered += bin.answered;
            *others += bin.calls.saturating_sub(bin.answered);
        }
        if let Some(share) = self.cells.get_mut(day).and_then(|row| row.get_mut(hour / HOURS)) {
            share.part += bin.within;
            share.whole += bin.answered + bin.abandoned;
        }
        self.long += bin.long;
    }

    /// The busiest hour and its calls; None without calls.
    pub(super) fn busiest(&self) -> Option<(usize, u64)> {
        let sums = self.hours.iter().enumerate().map(|(hour, (answered, others))| (hour, answered + others));
        // Of equal hours, the first.
        sums.filter(|(_, calls)| *calls > 0).max_by_key(|(hour, calls)| (*calls, 24 - hour))
    }

    /// Day, first hour and share of the lowest service level below the target; None if there is none.
    pub(super) fn lowest(&self, target: u8) -> Option<(usize, usize, Share)> {
        let all =
            self.cells.iter().enumerate().flat_map(|(day, row)| {
                row.iter().enumerate().map(move |(column, share)| (day, column * HOURS, *share))
            });
        all.filter(|(_, _, share)| share.whole >= CALLS_MIN && is_below(*share, target))
            .min_by_key(|(_, _, share)| share.per_mille())
    }

    /// True if some time has enough calls for a comparison.
    pub(super) fn has_enough(&self) -> bool {
        self.cells.iter().flatten().any(|share| share.whole >= CALLS_MIN)
    }

    /// The chart.
    pub(super) fn heat_map(&self, title: &str, target: u8, language: Language) -> String {
        let columns: Vec<String> = (0..COLUMNS).map(|column| format!("{:02}", column * HOURS)).collect();
        let rows: Vec<(String, Vec<Cell>)> = DAYS
            .iter()
            .zip(&self.cells)
            .map(|(day, row)| {
                let name = weekday(*day, language);
                let cells = row.iter().enumerate().map(|(column, share)| Cell {
                    text: whole_percent(*share),
                    shade: shade(*share, target),
                    is_framed: is_below(*share, target),
                    hint: format!(
                        "{name} {:02}: {} % ({}/{})",
                        column * HOURS,
                        tenths(share.per_mille(), language),
                        share.part,
                        share.whole
                    ),
                });
                (name.clone(), cells.collect())
            })
            .collect();
        heat(&Heat { title, columns: &columns, rows: &rows })
    }

    /// The table: for each day its name and the numbers of the chart.
    pub(super) fn table(&self, language: Language) -> Vec<(String, Vec<String>)> {
        let row = |(day, row): (&jiff::civil::Weekday, &[Share; COLUMNS])| {
            (weekday(*day, language), row.iter().map(|share| whole_percent(*share)).collect())
        };
        DAYS.iter().zip(&self.cells).map(row).collect()
    }
}

/// The name of a day by its number, Monday first.
pub(super) fn day_name(day: usize, language: Language) -> String {
    DAYS.get(day).map(|day| weekday(*day, language)).unwrap_or_default()
}

fn whole_percent(share: Share) -> String {
    share.per_mille().map(|tenths| (tenths / 10).to_string()).unwrap_or_default()
}

/// The comparison is exact: 89.99 % are below 90 %.
fn is_below(share: Share, target: u8) -> bool {
    share.whole > 0 && u128::from(share.part) * 100 < u128::from(share.whole) * u128::from(target)
}

/// The more is missing to the target, the darker.
fn shade(share: Share, target: u8) -> u8 {
    let Some(tenths) = share.per_mille() else { return 0 };
    match (u64::from(target) * 10).checked_sub(tenths) {
        None => u8::from(tenths < 970),
        Some(0) => u8::from(is_below(share, target)) + 1,
        Some(..=80) => 2,
        Some(..=180) => 3,
        Some(_) => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    /// Saturday, 28 November 2026, 00:00 in Kathmandu, which is 5:45 ahead of UTC.
    const MIDNIGHT: i64 = 1_795_803_300_000;

    fn bin(quarter: i64, counts: [u64; 5]) -> Bin {
        let [calls, answered, within, abandoned, long] = counts;
        Bin { start: Timestamp::from_millis(MIDNIGHT + quarter * 900_000), calls, answered, within, abandoned, long }
    }

    #[test]
    fn quarters_become_hours_of_the_sites_day_in_every_zone() {
        let zone = TimeZone::get("Asia/Kathmandu").unwrap();
        let bins =
            [bin(0, [3, 2, 1, 1, 1]), bin(3, [1, 1, 1, 0, 0]), bin(4, [9, 9, 9, 0, 2]), bin(-1, [7, 5, 5, 0, 0])];
        let rhythm = Rhythm::of(&bins, &zone);
        assert_eq!(rhythm.hours[0], (3, 1));
        assert_eq!(rhythm.hours[1], (9, 0));
        assert_eq!(rhythm.hours[23], (5, 2));
        assert_eq!(rhythm.cells[5][0], Share { part: 11, whole: 13 });
        assert_eq!(rhythm.cells[4][11], Share { part: 5, whole: 5 });
        assert_eq!((rhythm.long, rhythm.busiest()), (3, Some((1, 9))));
        assert_eq!(rhythm.lowest(90), Some((5, 0, Share { part: 11, whole: 13 })));
        assert_eq!(rhythm.lowest(80), None);
    }

    #[test]
    fn a_cell_is_framed_exactly_below_the_target() {
        for (part, whole, below, shades) in [
            (90, 100, false, 1),
            (8_999, 10_000, true, 2),
            (85, 100, true, 2),
            (60, 100, true, 4),
            (100, 100, false, 0),
            (0, 0, false, 0),
        ] {
            let share = Share { part, whole };
            assert_eq!((is_below(share, 90), shade(share, 90)), (below, shades), "{part} of {whole}");
        }
    }
}
