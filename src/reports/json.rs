//! JSON: one object for a summary, one array for calls. Each call is its complete record, as it is stored.

use std::io::Write;

use serde::Serialize;

use crate::store::Store;

use super::abandoned::AbandonedReport;
use super::kpi::Figures;
use super::period::Period;

pub(super) fn summary(period: &Period, figures: &Figures, out: &mut impl Write) -> anyhow::Result<()> {
    #[derive(Serialize)]
    struct Summary<'a> {
        from: String,
        /// Excluded.
        to: String,
        #[serde(flatten)]
        figures: &'a Figures,
    }
    let (from, to) = (period.iso(period.span.start), period.iso(period.span.end));
    serde_json::to_writer_pretty(&mut *out, &Summary { from, to, figures }).map_err(std::io::Error::from)?;
    writeln!(out)?;
    Ok(())
}

pub(super) fn abandoned(period: &Period, report: &AbandonedReport, out: &mut impl Write) -> anyhow::Result<()> {
    #[derive(Serialize)]
    struct Abandoned<'a> {
        from: String,
        /// Excluded.
        to: String,
        #[serde(flatten)]
        report: &'a AbandonedReport,
    }
    let (from, to) = (period.iso(period.span.start), period.iso(period.span.end));
    serde_json::to_writer_pretty(&mut *out, &Abandoned { from, to, report }).map_err(std::io::Error::from)?;
    writeln!(out)?;
    Ok(())
}

pub(super) async fn calls(store: &Store, period: &Period, out: &mut impl Write) -> anyhow::Result<()> {
    let mut page = store.calls(&period.span, None).await?;
    let mut before = "[\n";
    while let Some(last) = page.last() {
        for call in &page {
            write!(out, "{before}{}", call.body)?;
            before = ",\n";
        }
        page = store.calls(&period.span, Some(last)).await?;
    }
    // Without calls, an empty array is written.
    writeln!(out, "{}", if before == "[\n" { "[]" } else { "\n]" })?;
    Ok(())
}
