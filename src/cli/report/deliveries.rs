//! `siaga report deliveries`: what became of scheduled reports.

use std::io::{self, BufWriter, Write as _};

use anyhow::Context as _;
use clap::Args;

use crate::cli::ConfigFile;
use crate::clock::Timestamp;
use crate::config::Config;
use crate::reports::period::local;
use crate::store::web::WebStore;
use crate::store::web::deliveries::DeliveryRow;

#[derive(Debug, Args)]
pub(in crate::cli) struct DeliveriesArguments {
    #[command(flatten)]
    file: ConfigFile,
    /// The number of entries, newest first.
    #[arg(long, value_name = "NUMBER", default_value = "50")]
    last: u16,
}

/// Prints the newest entries of the delivery log.
pub(super) fn deliveries(asked: &DeliveriesArguments) -> anyhow::Result<()> {
    let config = Config::load_to_serve(&asked.file.config)?;
    let url = &config.web.store_url;
    let mut out = BufWriter::new(io::stdout());
    if !WebStore::is_there(url)? {
        return super::finish(Ok(writeln!(out, "no report was delivered")?), out);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let rows = runtime.block_on(async {
        let store = WebStore::open(url).await.context("[web] store_url")?;
        let rows = store.deliveries(i64::from(asked.last)).await;
        store.close().await;
        rows.map_err(anyhow::Error::from)
    })?;
    let written = if rows.is_empty() {
        writeln!(out, "no report was delivered").map_err(anyhow::Error::from)
    } else {
        rows.iter().try_for_each(|row| line(&config, row, &mut out))
    };
    super::finish(written, out)
}

fn line(config: &Config, row: &DeliveryRow, out: &mut impl io::Write) -> anyhow::Result<()> {
    let time = |millis| local(&config.zone, Timestamp::from_millis(millis));
    let (at, due) = (time(row.at_ms), time(row.due_ms));
    let line = format!("{at}  {:<8} {:<20} for {due}  {}  {}", row.outcome, row.schedule, row.target, row.detail);
    Ok(writeln!(out, "{}", line.trim_end())?)
}
