//! Reports on the command line: a process of its own that reads the database and nothing else.

use std::io::{self, BufWriter, Write as _};

use anyhow::Context as _;
use clap::{Args, Subcommand};

use crate::config::Config;
use crate::reports::period::Period;
use crate::reports::{self, Format};
use crate::store::Store;
use crate::store::report_queries::Limits;
use crate::store::rollups::fill::Settings;

use super::ConfigFile;
use super::call_id::CallStart;

mod deliveries;
mod ministry;

#[derive(Debug, Subcommand)]
pub(super) enum ReportCommand {
    /// The figures of a period: service levels, waits, abandonment, handling time, and each operator's calls.
    Summary(Asked),
    /// The calls of a period, one per line.
    Calls(Asked),
    /// The unanswered callers of a period, by number, with the result of call-backs.
    Abandoned(Asked),
    /// The calls of a month as cities publish and report them, with the columns of a scheme.
    Ministry(ministry::MinistryArguments),
    /// Computes the sums of hours, days and months again from all records. Needed after a change of `[site] timezone`. The service may run.
    Rebuild(ConfigFile),
    /// Serves the pages of reports on `[report] listen`, in the foreground. SIGTERM ends it.
    Serve(ConfigFile),
    /// What became of the scheduled reports, newest first.
    Deliveries(deliveries::DeliveriesArguments),
    /// The facts of one call, one per line, in their order.
    Call {
        /// The call's id from `report calls`. Its first digits are enough if no other call's id starts with them.
        call: CallStart,
        #[command(flatten)]
        file: ConfigFile,
    },
}

/// Which report.
#[derive(Clone, Copy, Debug)]
enum What {
    Summary,
    Calls,
    Abandoned,
}

#[derive(Debug, Args)]
pub(super) struct Asked {
    #[command(flatten)]
    file: ConfigFile,
    /// First day (2026-11-24) or time (2026-11-24T07:00, or with an offset 2026-11-24T07:00:00+07:00). Default: today.
    #[arg(long, value_name = "DAY|TIME")]
    from: Option<String>,
    /// Last day (included) or end time (excluded). Default: the end of today.
    #[arg(long, value_name = "DAY|TIME")]
    to: Option<String>,
    /// The format of the output.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

/// Writes a report to the standard output.
pub(super) fn report(command: ReportCommand) -> anyhow::Result<()> {
    let (asked, what) = match command {
        ReportCommand::Summary(asked) => (asked, What::Summary),
        ReportCommand::Calls(asked) => (asked, What::Calls),
        ReportCommand::Abandoned(asked) => (asked, What::Abandoned),
        ReportCommand::Ministry(asked) => return ministry::ministry(&asked),
        ReportCommand::Rebuild(file) => return rebuild(&Config::load_to_serve(&file.config)?),
        ReportCommand::Serve(file) => return crate::server::serve_reports(&Config::load_to_serve(&file.config)?),
        ReportCommand::Deliveries(asked) => return deliveries::deliveries(&asked),
        ReportCommand::Call { call, file } => return one_call(&Config::load_to_serve(&file.config)?, &call),
    };
    let config = Config::load_to_serve(&asked.file.config)?;
    let now = crate::server::clock::wall_now();
    let period = Period::parse(asked.from.as_deref(), asked.to.as_deref(), &config.zone, now)?;
    let limits = Limits {
        service_level_ms: u64::try_from(config.report.service_level.as_millis())?,
        short_abandon_ms: u64::try_from(config.report.short_abandon.as_millis())?,
    };
    let mut out = BufWriter::new(io::stdout());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let written = runtime.block_on(async {
        let store = Store::open_read_only(&config.store_url).await.context("[store] url")?;
        let written = match what {
            What::Summary => {
                reports::summary(&store, &period, limits, &config.report.levels, asked.format, &mut out).await
            }
            What::Calls => reports::calls(&store, &period, asked.format, &mut out).await,
            What::Abandoned => reports::abandoned(&store, &period, limits, asked.format, &mut out).await,
        };
        store.close().await;
        written
    });
    finish(written, out)
}

/// Computes all roll-ups again.
fn rebuild(config: &Config) -> anyhow::Result<()> {
    let settings = Settings::of(&config.report, &config.zone);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let store = Store::open_existing(&config.store_url).await.context("[store] url")?;
        let done = async {
            store.forget_rollups(&settings).await?;
            while !store.fill_rollups().await? {}
            Ok(())
        };
        let done = done.await;
        store.close().await;
        done
    })
}

/// Writes every fact of one call: ring attempts, dispositions and all others.
fn one_call(config: &Config, call: &CallStart) -> anyhow::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let written = runtime.block_on(async {
        let store = Store::open_read_only(&config.store_url).await.context("[store] url")?;
        let written = match call.stored(&store).await {
            Ok(call) => reports::call(&store, call, &config.zone, &mut out).await,
            Err(fault) => Err(fault),
        };
        store.close().await;
        written
    });
    finish(written, out)
}

pub(super) fn finish<W: io::Write>(written: anyhow::Result<()>, mut out: BufWriter<W>) -> anyhow::Result<()> {
    match written.and_then(|()| Ok(out.flush()?)) {
        Err(fault) if is_broken_pipe(&fault) => {
            // The reader has ended (`| head`): the rest of the buffer is dropped.
            drop(out.into_parts());
            Ok(())
        }
        other => other,
    }
}

fn is_broken_pipe(fault: &anyhow::Error) -> bool {
    fault.chain().any(|cause| {
        let error = match cause.downcast_ref::<csv::Error>().map(csv::Error::kind) {
            Some(csv::ErrorKind::Io(error)) => Some(error),
            Some(_) | None => cause.downcast_ref::<io::Error>(),
        };
        error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}
