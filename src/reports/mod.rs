//! Reports for the administrators of the centre: figures and calls of a period, as a table, CSV or JSON. Only reads the
//! database; does not depend on the running service.
//!
//! `figures` is the interface for pages and files. `figures::figures(store, period, filter, group_by, with_waits)` returns rows: each has
//! its group (an hour, a day, a desk …) and a `CallCount` with sums (`CallSums`) and, on request, the distribution of waits (`Waits`).
//! Counts of several rows can be added (`CallCount::add`); shares, means and percentiles are computed from the result last
//! (`kpi`, `Waits::percentile`). `figures::operator_figures` is the same for operators. Both need roll-ups
//! that are complete and in the site's time zone; otherwise they return an error whose text names the remedy. The cost depends on the number
//! of months, days or hours in the period, not on the number of calls.

mod abandoned;
mod cells;
mod csv;
pub mod figures;
mod json;
pub mod kpi;
pub mod ministry;
pub mod pages;
mod parquet;
pub mod pdf;
pub mod period;
mod plan;
pub mod planning;
pub mod schedule;
pub mod staffing;
mod table;
mod totals;
mod words;
mod xlsx;

use std::io::Write;

use crate::cdr::Cdr;
use crate::cdr::fact::Callee;
use crate::config::Levels;
use crate::ids::CallId;
use crate::store::Store;
use crate::store::report_queries::Limits;

use abandoned::AbandonedReport;
use kpi::{DeskFigures, Figures};
use period::Period;

/// The format of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// UTF-8 with a byte order mark, for spreadsheets; times in ISO 8601 with their offset.
    Csv,
    /// All data, for programs.
    Json,
    /// A workbook for spreadsheets, with dates, numbers and durations; write it to a file.
    Xlsx,
    /// Apache Parquet for data analysis, with times in UTC and durations in milliseconds; write it to a file.
    Parquet,
}

/// Writes a period's figures.
pub async fn summary(
    store: &Store,
    period: &Period,
    limits: Limits,
    levels: &Levels,
    format: Format,
    out: &mut (impl Write + Send),
) -> anyhow::Result<()> {
    let totals = totals::usable(store, period, limits, levels).await?;
    write_summary(period, &Figures::of(&totals, limits, levels), format, out)
}

/// Writes the summary without the operators, for receivers who may not see what a person has done.
pub async fn summary_without_operators(
    store: &Store,
    period: &Period,
    limits: Limits,
    levels: &Levels,
    format: Format,
    out: &mut (impl Write + Send),
) -> anyhow::Result<()> {
    let totals = totals::usable(store, period, limits, levels).await?;
    let mut figures = Figures::of(&totals, limits, levels);
    figures.operators.clear();
    write_summary(period, &figures, format, out)
}

fn write_summary(
    period: &Period,
    figures: &Figures,
    format: Format,
    out: &mut (impl Write + Send),
) -> anyhow::Result<()> {
    match format {
        Format::Table => table::summary(period, figures, out),
        Format::Csv => csv::summary(period, figures, out),
        Format::Json => json::summary(period, figures, out),
        Format::Xlsx => xlsx::summary(period, figures, out),
        Format::Parquet => parquet::summary(period, figures, out),
    }
}

/// Writes a period's calls in the order of their arrival; at most one page of them is in memory.
pub async fn calls(
    store: &Store,
    period: &Period,
    format: Format,
    out: &mut (impl Write + Send),
) -> anyhow::Result<()> {
    match format {
        Format::Table => table::calls(store, period, out).await,
        Format::Csv => csv::calls(store, period, out).await,
        Format::Json => json::calls(store, period, out).await,
        Format::Xlsx => xlsx::calls(store, period, out).await,
        Format::Parquet => parquet::calls(store, period, out).await,
    }
}

/// Writes the unanswered callers of a period.
pub async fn abandoned(
    store: &Store,
    period: &Period,
    limits: Limits,
    format: Format,
    out: &mut (impl Write + Send),
) -> anyhow::Result<()> {
    let report = AbandonedReport::of(store, period, limits).await?;
    match format {
        Format::Table => table::abandoned(period, &report, out),
        Format::Csv => csv::abandoned(period, &report, out),
        Format::Json => json::abandoned(period, &report, out),
        Format::Xlsx => xlsx::abandoned(period, &report, out),
        Format::Parquet => parquet::abandoned(&report, out),
    }
}

/// Writes the facts of one call in order: local time, kind, and details as text.
pub async fn call(store: &Store, call: CallId, zone: &jiff::tz::TimeZone, out: &mut impl Write) -> anyhow::Result<()> {
    let mut facts = store.facts(call).await?;
    anyhow::ensure!(!facts.is_empty(), "there is no call {call}");
    // Late facts have numbers without an order.
    facts.sort_by_key(|fact| (fact.at, fact.id));
    for fact in &facts {
        let serde_json::Value::Object(mut body) = serde_json::to_value(fact)? else { continue };
        body.retain(|key, value| {
            !matches!(key.as_str(), "stream" | "seq" | "call" | "at" | "kind") && !value.is_null()
        });
        let rest = words::words(zone, &body);
        let line = format!("{}  {:<18} {rest}", period::local(zone, fact.at), fact.kind.word());
        writeln!(out, "{}", table::plain(line.trim_end()))?;
    }
    Ok(())
}

/// One figure as the table and the CSV show it.
struct Line {
    /// Its stable name in the CSV.
    name: &'static str,
    /// The operator, outcome or class; empty: the whole period.
    of: String,
    value: Value,
    /// The description, with the formula.
    formula: String,
}

/// A figure's value and unit.
enum Value {
    Calls(u64),
    Millis(Option<u64>),
    /// In tenths of a per cent.
    PerMille(Option<u64>),
    Yes(Option<bool>),
}

/// The word for yes or no.
fn yes(answer: Option<bool>) -> Option<&'static str> {
    answer.map(|answer| if answer { "yes" } else { "no" })
}

/// All figures of a summary, in their order.
fn lines(figures: &Figures) -> Vec<Line> {
    let line = |name, value, formula: &str| Line { name, of: String::new(), value, formula: formula.to_owned() };
    let t = figures.service_level_ms / 1_000;
    let short = figures.short_abandon_ms / 1_000;
    let counted = |name, of: &str, calls, formula: &str| Line {
        name,
        of: of.to_owned(),
        value: Value::Calls(calls),
        formula: formula.to_owned(),
    };
    let mut all = vec![line("calls", Value::Calls(figures.calls), "all ended calls, without drills and tests")];
    all.extend(figures.outcomes.iter().map(|of| counted("outcome", &of.word, of.calls, "")));
    all.extend([
        line("short-abandons", Value::Calls(figures.short_abandons), &format!("abandoned before {short} s")),
        line(
            "service-level",
            Value::PerMille(figures.sl3.per_mille()),
            &format!("SL3: answered within {t} s / (answered + abandoned - short abandons)"),
        ),
        line(
            "service-level-1",
            Value::PerMille(figures.sl1.per_mille()),
            &format!("SL1: answered within {t} s / answered"),
        ),
        line(
            "service-level-2",
            Value::PerMille(figures.sl2.per_mille()),
            &format!("SL2: (answered + abandoned within {t} s) / (answered + abandoned)"),
        ),
        line("asa", Value::Millis(figures.asa.millis()), "ASA: wait of the answered / answered"),
        line("longest-wait-answered", Value::Millis(Some(figures.answered_longest_ms)), "of the answered"),
        line("longest-wait-unanswered", Value::Millis(Some(figures.unanswered_longest_ms)), "of all others"),
        line("abandonment", Value::PerMille(figures.abandonment.per_mille()), "abandoned / (answered + abandoned)"),
        line(
            "abandonment-without-short",
            Value::PerMille(figures.abandonment_without_short.per_mille()),
            "the same without short abandons, above and below",
        ),
        line("aht", Value::Millis(figures.aht.millis()), "AHT: (talk + wrap-up) / answered"),
    ]);
    all.extend(figures.classes.iter().map(|of| counted("class", &of.word, of.calls, "")));
    all.push(line("unclassed", Value::Calls(figures.unclassed), "answered calls without a disposition"));
    all.push(line("drills-and-tests", Value::Calls(figures.exercises), "classed as drill or test; in no other figure"));
    all.push(line("fallback-answered", Value::Calls(figures.fallback_answered), "answered by the fallback number"));
    all.push(line("agency-answered", Value::Calls(figures.agency_answered), "transferred by operators to agencies"));
    all.extend(figures.desks.iter().flat_map(|of| of_desk(of, short)));
    for of in &figures.operators {
        let own =
            |name, value, formula: &str| Line { name, of: of.operator.clone(), value, formula: formula.to_owned() };
        all.push(own("operator-answered", Value::Calls(of.answered), of.name.as_deref().unwrap_or_default()));
        if of.answered == 0 && of.joined == 0 {
            continue;
        }
        all.extend([
            own("operator-talk", Value::Millis(Some(of.talk_ms)), "all talk"),
            own("operator-wrap-up", Value::Millis(Some(of.wrap_ms)), "all wrap-up"),
            own("operator-aht", Value::Millis(of.aht.millis()), "(talk + wrap-up) / answered"),
        ]);
        if of.joined > 0 {
            all.extend([
                own("operator-joined", Value::Calls(of.joined), "as a participant of another operator's call"),
                own("operator-joined-talk", Value::Millis(Some(of.joined_ms)), "all talk as a participant"),
            ]);
        }
    }
    all
}

/// One desk's figures, and whether its target is met.
fn of_desk(of: &DeskFigures, short: u64) -> [Line; 7] {
    let own = |name, value, formula: String| Line { name, of: of.desk.clone(), value, formula };
    let t = of.service_level_ms / 1_000;
    let target = Some(u64::from(of.target_percent) * 10);
    [
        own("desk-calls", Value::Calls(of.calls), String::new()),
        own("desk-answered", Value::Calls(of.answered), String::new()),
        own("desk-abandoned", Value::Calls(of.abandoned), String::new()),
        own("desk-short-abandons", Value::Calls(of.short_abandons), format!("abandoned before {short} s")),
        own(
            "desk-service-level",
            Value::PerMille(of.service_level.per_mille()),
            format!("answered within {t} s / (answered + abandoned - short abandons)"),
        ),
        own("desk-target", Value::PerMille(target), "what the desk promises".to_owned()),
        own("desk-target-met", Value::Yes(of.met), "the service level is the target at least".to_owned()),
    ]
}

/// Every ring attempt in a few words: `op0001 no-answer 480; op0002 answered`.
fn offers_text(cdr: &Cdr) -> String {
    let words = cdr.offers.iter().map(|offer| {
        let outcome = offer.outcome.map_or("open", crate::cdr::fact::OfferOutcome::word);
        let status = offer.sip_status.map(|status| format!(" {status}")).unwrap_or_default();
        format!("{} {outcome}{status}", callee(&offer.to))
    });
    words.collect::<Vec<_>>().join("; ")
}

fn callee(callee: &Callee) -> &str {
    match callee {
        Callee::Operator(operator) => operator.as_str(),
        Callee::Number(number) => number,
    }
}

/// The party that talked last.
fn last_callee(cdr: &Cdr) -> &str {
    cdr.talks.last().map_or("", |talk| callee(&talk.with))
}
