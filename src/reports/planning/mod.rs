//! Staffing plans: their inputs, the load from the city's records, and the result as tables in the reader's language. The command and the
//! page share all of it.

pub mod inputs;
pub mod shown;

use std::io::Write;
use std::ops::Range;

use jiff::tz::TimeZone;

use crate::cdr::Outcome;
use crate::clock::Timestamp;
use crate::reports::cells::{Cell, Kind};
use crate::reports::staffing::demand::{Arrival, Collected, End, Profile};
use crate::reports::staffing::{Hour, Plan};
use crate::store::{Store, StoreError};

/// The load of a period's records; drills, tests and short abandons are no load. None if no call was answered.
pub async fn recorded(
    store: &Store,
    span: &Range<Timestamp>,
    zone: &TimeZone,
    short_ms: u64,
) -> Result<Option<Profile>, StoreError> {
    let mut collected = Collected::new(zone.clone(), short_ms);
    let mut page = store.call_loads(span, None).await?;
    while let Some(last) = page.last() {
        for call in &page {
            let end = match call.outcome.as_str() {
                word if word == Outcome::Answered.word() => End::Answered,
                word if word == Outcome::Abandoned.word() => End::Abandoned,
                _ => End::Other,
            };
            let (received, waited_ms, handled_ms) = (call.received, call.waited_ms, call.handled_ms);
            collected.add(Arrival { received, end, waited_ms, handled_ms });
        }
        page = store.call_loads(span, Some(last)).await?;
    }
    Ok(collected.profile(span.start, span.end))
}

/// The columns of the hours of the week.
pub(in crate::reports) const HOURS: [(&str, Kind); 10] = [
    ("weekday", Kind::Count),
    ("hour", Kind::Count),
    ("calls_per_hour", Kind::Decimal),
    ("aht_seconds", Kind::Decimal),
    ("erlang", Kind::Decimal),
    ("operators", Kind::Count),
    ("service_level", Kind::Decimal),
    ("mean_wait_seconds", Kind::Decimal),
    ("abandonment", Kind::Decimal),
    ("occupancy", Kind::Decimal),
];

/// The hours of the week as rows of `HOURS`.
pub(in crate::reports) fn hours_cells(plan: &Plan) -> Vec<Vec<Cell>> {
    let row = |of: &Hour| {
        vec![
            Cell::Count(u64::from(of.weekday) + 1),
            Cell::Count(u64::from(of.hour)),
            Cell::Decimal(of.calls_per_hour),
            Cell::Decimal(of.aht_seconds),
            Cell::Decimal(of.erlang),
            Cell::Count(u64::from(of.operators)),
            Cell::Decimal(of.expected.service_level),
            of.expected.mean_wait_seconds.map_or(Cell::None, Cell::Decimal),
            Cell::Decimal(of.expected.abandonment),
            Cell::Decimal(of.expected.occupancy),
        ]
    };
    plan.hours.iter().map(row).collect()
}

/// Writes the hours of the week as CSV.
pub fn hours_csv(plan: &Plan, delimiter: u8, out: &mut impl Write) -> anyhow::Result<()> {
    out.write_all(crate::reports::csv::BOM)?;
    let comma = if delimiter == b';' { "," } else { "." };
    let number = |value: f64, places: usize| format!("{value:.places$}").replace('.', comma);
    let mut writer =
        csv::WriterBuilder::new().delimiter(delimiter).terminator(csv::Terminator::CRLF).from_writer(&mut *out);
    writer.write_record(HOURS.map(|(name, _)| name))?;
    for of in &plan.hours {
        writer.write_record([
            (of.weekday + 1).to_string(),
            of.hour.to_string(),
            number(of.calls_per_hour, 3),
            number(of.aht_seconds, 1),
            number(of.erlang, 3),
            of.operators.to_string(),
            number(of.expected.service_level, 4),
            of.expected.mean_wait_seconds.map_or(String::new(), |seconds| number(seconds, 2)),
            number(of.expected.abandonment, 4),
            number(of.expected.occupancy, 4),
        ])?;
    }
    writer.flush()?;
    Ok(())
}
