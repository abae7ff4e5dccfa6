//! `siaga plan`: how many operators and people a load needs.

use std::io::{self, BufWriter, Write};

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use crate::config::Config;
use crate::reports::period::Period;
use crate::reports::planning::inputs::{Inputs, NAMES, PatienceInput};
use crate::reports::planning::shown::{PlanText, Table};
use crate::reports::planning::{hours_csv, recorded};
use crate::reports::staffing::{Given, Plan, plan as computed};
use crate::store::Store;
use crate::web::texts::Language;

use super::ConfigFile;

/// The format of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PlanFormat {
    /// For people, in the language of the site.
    Table,
    /// The 168 hours of the week, for spreadsheets.
    Csv,
    /// All of it, for programs.
    Json,
}

#[derive(Debug, Args)]
pub(super) struct PlanArguments {
    #[command(flatten)]
    file: ConfigFile,
    /// First day of the records whose load is planned for. Default: 28 days before the last day.
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// Last day of the records. Default: yesterday.
    #[arg(long, value_name = "DAY")]
    to: Option<String>,
    /// Assumes this load in each hour instead of the records; needs --aht.
    #[arg(long, value_name = "CALLS")]
    calls_per_hour: Option<String>,
    /// Seconds of talk and wrap-up of an assumed call.
    #[arg(long, value_name = "SECONDS")]
    aht: Option<String>,
    /// Seconds after which a waiting caller gives up, or `never`. Default: estimated from the records; an assumed caller never gives up.
    #[arg(long, value_name = "SECONDS|never")]
    patience: Option<String>,
    /// Per cent of all calls / seconds within which they are answered. [default: 90/10]
    #[arg(long, value_name = "PERCENT/SECONDS")]
    target: Option<String>,
    /// Per cent of a shift that is spent away from the desk: breaks, briefing, training. [default: 15]
    #[arg(long, value_name = "PERCENT")]
    shrinkage: Option<String>,
    /// Shift patterns to compare: 2x12 or 3x8, with a number of crews if people work in crews. [default: 2x12, 3x8, 2x12/4, 3x8/5]
    #[arg(long, value_name = "PATTERNS")]
    pattern: Option<String>,
    /// Paid hours of a week. [default: 37.5]
    #[arg(long, value_name = "HOURS")]
    week_hours: Option<String>,
    /// Paid hours of a year without a shift: leave, sickness, courses. [default: 382]
    #[arg(long, value_name = "HOURS")]
    leave_hours: Option<String>,
    /// Hour of the day at which the first shift starts. [default: 7]
    #[arg(long, value_name = "HOUR")]
    first_hour: Option<String>,
    /// Weeks that are simulated. [default: 20]
    #[arg(long, value_name = "NUMBER")]
    weeks: Option<String>,
    /// The same seed gives the same simulation. [default: 1]
    #[arg(long, value_name = "NUMBER")]
    seed: Option<String>,
    /// The format of the output.
    #[arg(long, value_enum, default_value = "table")]
    format: PlanFormat,
}

impl PlanArguments {
    fn given(&self, name: &str) -> String {
        let values = [
            &self.calls_per_hour,
            &self.aht,
            &self.patience,
            &self.target,
            &self.shrinkage,
            &self.pattern,
            &self.week_hours,
            &self.leave_hours,
            &self.first_hour,
            &self.weeks,
            &self.seed,
        ];
        let found = NAMES.iter().zip(values).find(|(known, _)| **known == name);
        found.and_then(|(_, value)| value.clone()).unwrap_or_default()
    }
}

/// Prints a plan.
pub(super) fn plan(asked: &PlanArguments) -> anyhow::Result<()> {
    let inputs = Inputs::read(&|name| asked.given(name)).map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        anyhow::anyhow!(lines.join("\n"))
    })?;
    let config = Config::load_to_serve(&asked.file.config)?;
    let patience = match inputs.patience {
        PatienceInput::Seconds(seconds) => Some(seconds),
        PatienceInput::Recorded | PatienceInput::Never => None,
    };
    let given = match inputs.assumed {
        Some(load) => Given::assumed(load.calls_per_hour, load.aht_seconds, patience),
        None => {
            let mut given = from_records(asked, &config, patience)?;
            if inputs.patience == PatienceInput::Never {
                given.patience_seconds = None;
            }
            given
        }
    };
    let plan = computed(given, &inputs.wanted)?;
    let mut out = BufWriter::new(io::stdout());
    let written = match asked.format {
        PlanFormat::Table => table(&plan, Language::parse(&config.site.language).unwrap_or_default(), &mut out),
        PlanFormat::Csv => hours_csv(&plan, b',', &mut out),
        PlanFormat::Json => {
            serde_json::to_writer_pretty(&mut out, &plan).map_err(Into::into).and_then(|()| Ok(writeln!(out)?))
        }
    };
    super::report::finish(written, out)
}

fn from_records(asked: &PlanArguments, config: &Config, patience: Option<f64>) -> anyhow::Result<Given> {
    let now = crate::server::clock::wall_now();
    let period = Period::before_today(asked.from.as_deref(), asked.to.as_deref(), &config.zone, now)?;
    let short_ms = u64::try_from(config.report.short_abandon.as_millis())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let profile = runtime.block_on(async {
        let store = Store::open_read_only(&config.store_url).await.context("[store] url")?;
        let read = recorded(&store, &period.span, &config.zone, short_ms).await;
        store.close().await;
        anyhow::Ok(read?)
    })?;
    let profile = profile.with_context(|| {
        format!(
            "no call was answered from {} to {}; expected: a period with answered calls, or --calls-per-hour and --aht",
            period.local(period.span.start),
            period.local(period.span.end)
        )
    })?;
    Ok(Given::recorded(profile, patience))
}

fn table(plan: &Plan, language: Language, out: &mut impl Write) -> anyhow::Result<()> {
    let text = PlanText::of(plan, language);
    writeln!(out, "{}", text.recommendation)?;
    for line in &text.reasons {
        writeln!(out, "{line}")?;
    }
    let tables =
        [Some(&text.patterns), Some(&text.seats), Some(&text.shifts), Some(&text.effects), text.weeks.as_ref()];
    for table in tables.into_iter().flatten() {
        writeln!(out)?;
        columns(table, out)?;
    }
    writeln!(out)?;
    for line in &text.method {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// The first column to the left, the others to the right.
fn columns(table: &Table, out: &mut impl Write) -> anyhow::Result<()> {
    let all = || std::iter::once(&table.heads).chain(&table.rows);
    let width =
        |column: usize| all().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..table.heads.len()).map(width).collect();
    writeln!(out, "{}", table.title)?;
    for row in all() {
        let mut line = String::new();
        for (no, (cell, width)) in row.iter().zip(&widths).enumerate() {
            if no == 0 {
                line += &format!("{cell:<width$}");
            } else {
                line += &format!("  {cell:>width$}");
            }
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    writeln!(out, "{}", table.help)?;
    Ok(())
}
