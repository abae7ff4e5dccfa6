//! `siaga report ministry`: the monthly report of a city.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use crate::cli::ConfigFile;
use crate::config::Config;
use crate::reports::Format;
use crate::reports::ministry::scheme::Scheme;
use crate::reports::ministry::{Month, parquet, workbook};
use crate::store::Store;
use crate::web::texts::Language;

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
    format: Format,
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
    let language = Language::parse(&config.site.language).unwrap_or_default();
    let scheme = match asked.scheme.as_ref().or(config.report.scheme.as_ref()) {
        Some(path) => Scheme::read(path)?,
        None => Scheme::usual(|word| match asked.format {
            Format::Json | Format::Parquet => word.to_owned(),
            Format::Table | Format::Csv | Format::Xlsx => language.text(&format!("scheme-{word}")),
        }),
    };
    let period = month.period(&config.zone, now)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut out = BufWriter::new(io::stdout());
    let written = runtime.block_on(async {
        let store = Store::open_read_only(&config.store_url).await.context("[store] url")?;
        let written = match asked.format {
            Format::Csv => {
                let separator = match language {
                    Language::Indonesian => b';',
                    Language::English => b',',
                };
                let file = scheme.csv(&store, month, &period, separator).await;
                file.map_err(anyhow::Error::from).and_then(|file| Ok(out.write_all(&file)?))
            }
            Format::Xlsx => {
                let rows = scheme.rows(&store, month, &period, '.').await;
                rows.map_err(anyhow::Error::from).and_then(|rows| workbook(&scheme, &rows, &period, &mut out))
            }
            Format::Parquet => {
                let rows = scheme.rows(&store, month, &period, '.').await;
                rows.map_err(anyhow::Error::from).and_then(|rows| parquet(&scheme, &rows, &mut out))
            }
            Format::Table | Format::Json => {
                let rows = scheme.rows(&store, month, &period, '.').await;
                rows.map_err(anyhow::Error::from).and_then(|rows| lines(&scheme, &rows, asked.format, &mut out))
            }
        };
        store.close().await;
        written
    });
    super::finish(written, out)
}

/// One line for each column, or one JSON object for each row.
fn lines(scheme: &Scheme, rows: &[Vec<String>], format: Format, out: &mut impl Write) -> anyhow::Result<()> {
    let width = scheme.names().map(|name| name.chars().count()).max().unwrap_or(0);
    for (no, row) in rows.iter().enumerate() {
        if format == Format::Json {
            let cells = scheme.names().zip(row).map(|(name, cell)| (name.to_owned(), cell.clone().into()));
            writeln!(out, "{}", serde_json::Value::Object(cells.collect()))?;
            continue;
        }
        if no > 0 {
            writeln!(out)?;
        }
        for (name, cell) in scheme.names().zip(row) {
            writeln!(out, "{name:width$}  {cell}")?;
        }
    }
    Ok(())
}
