//! Staffing plans: their inputs, the load from the city's records, and the result as tables in the reader's language. The command and the
//! page share all of it.

pub mod inputs;
pub mod shown;

use std::io::Write;
use std::ops::Range;

use jiff::tz::TimeZone;

use crate::cdr::Outcome;
use crate::clock::Timestamp;
use crate::reports::staffing::Plan;
use crate::reports::staffing::demand::{Arrival, Collected, End, Profile};
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

/// Writes the hours of the week as CSV.
pub fn hours_csv(plan: &Plan, delimiter: u8, out: &mut impl Write) -> anyhow::Result<()> {
    out.write_all(crate::reports::csv::BOM)?;
    let comma = if delimiter == b';' { "," } else { "." };
    let number = |value: f64, places: usize| format!("{value:.places$}").replace('.', comma);
    let mut writer =
        csv::WriterBuilder::new().delimiter(delimiter).terminator(csv::Terminator::CRLF).from_writer(&mut *out);
    writer.write_record([
        "weekday",
        "hour",
        "calls_per_hour",
        "aht_seconds",
        "erlang",
        "operators",
        "service_level",
        "mean_wait_seconds",
        "abandonment",
        "occupancy",
    ])?;
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
