//! `siaga report ministry`: the monthly report of a city.

use std::io::{self, BufWriter};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use crate::cli::ConfigFile;
use crate::config::Config;
use crate::reports::ministry::Month;
use crate::reports::ministry::report::{MinistryFormat, MinistryReport};
use crate::reports::ministry::scheme::Scheme;
use crate::store::Store;

#[derive(Debug, Args)]
pub(in crate::cli) struct MinistryArguments {
    #[command(flatten)]
    file: ConfigFile,
    /// The month: 2026-11. Default: the last month that is over.
    #[arg(long, value_name = "MONTH")]
    month: Option<String>,
    /// The TOML file with the columns. Default: `[report] scheme`, or the columns that cities publish.
    #[arg(long, value_name = "FILE")]
    scheme: Option<PathBuf>,
    /// The format of the output.
    #[arg(long, value_enum, default_value = "table")]
    format: MinistryFormat,
}

/// Writes the report to the standard output.
pub(super) fn ministry(asked: &MinistryArguments) -> anyhow::Result<()> {
    let config = Config::load_to_serve(&asked.file.config)?;
    let now = crate::server::clock::wall_now();
    let month = match &asked.month {
        Some(text) => {
            Month::parse(text).with_context(|| format!("--month: {text:?} is not a month; expected: 2026-11"))?
        }
        None => Month::last(&config.zone, now).context("the clock is wrong")?,
    };
    let report = MinistryReport::of(&config, asked.scheme.as_deref().map(Scheme::read).transpose()?)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut out = BufWriter::new(io::stdout());
    let written = runtime.block_on(async {
        let store = Store::open_read_only(&config.store_url).await.context("[store] url")?;
        let written = report.write(&store, month, now, asked.format, &mut out).await;
        store.close().await;
        written
    });
    super::finish(written, out)
}
