//! Data of a synthetic city, for demonstrations and benchmarks.

use anyhow::Context as _;
use clap::{Args, Subcommand};
use jiff::civil::Date;

use crate::cdr::city::{City, CityHour};
use crate::clock::Timestamp;
use crate::config::Config;
use crate::store::Store;
use crate::store::demo::{Demo, Held};
use crate::store::rollups::fill::Settings;

use super::ConfigFile;
use super::output::print_line;

/// What to make.
#[derive(Debug, Subcommand)]
pub(super) enum DemoCommand {
    /// Writes the calls of a synthetic city to the database: facts and records, as the service stores them. Rejected if the database has
    /// other records. The same arguments give the same data; an interrupted run is continued.
    Data(DataArguments),
}

#[derive(Debug, Args)]
pub(super) struct DataArguments {
    #[command(flatten)]
    file: ConfigFile,
    /// Number of days.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=3_660))]
    days: u16,
    /// Selects one of many cities.
    #[arg(long)]
    seed: u64,
    /// The mean number of calls of a day.
    #[arg(long, default_value_t = 1_918, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    calls_per_day: u32,
    /// The last day. Default: yesterday.
    #[arg(long, value_name = "DAY")]
    until: Option<Date>,
}

/// Makes data.
pub(super) fn demo(command: DemoCommand) -> anyhow::Result<()> {
    let DemoCommand::Data(arguments) = command;
    let config = Config::load_to_serve(&arguments.file.config)?;
    let zone = &config.zone;
    let until = match arguments.until {
        Some(day) => day,
        None => {
            let now = jiff::Timestamp::from_millisecond(crate::server::clock::wall_now().as_millis())?;
            zone.to_datetime(now).date().yesterday()?
        }
    };
    let first = until.checked_sub(jiff::Span::new().days(i64::from(arguments.days) - 1)).context("--days")?;
    let hours = hours(first, until, zone).context("--until")?;
    let start = hours.first().context("the days have no hour")?.start;
    let name = format!(
        "demo: seed {}, {} days until {until}, {} calls a day, {}",
        arguments.seed,
        arguments.days,
        arguments.calls_per_day,
        config.zone.iana_name().unwrap_or_default()
    );
    let settings = Settings::of(&config.report, zone);
    let city = City::new(arguments.seed, arguments.calls_per_day, start);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let store = Store::open(&config.store_url).await.context("[store] url")?;
        let written = write(&store, &name, city, &hours, (&settings, start)).await;
        store.close().await;
        written
    })
}

async fn write(
    store: &Store,
    name: &str,
    mut city: City,
    hours: &[CityHour],
    (settings, start): (&Settings, Timestamp),
) -> anyhow::Result<()> {
    match store.held().await? {
        Held::Nothing => {}
        Held::Demo(other) if other == name => {}
        Held::Demo(other) => anyhow::bail!("the database has other demo data ({other}); expected: an empty database"),
        Held::Records => {
            anyhow::bail!("the database has facts or records of a service; expected: a database without any")
        }
    }
    store.prepare_rollups(settings, start).await?;
    while !store.fill_rollups().await? {}
    let mut demo = Demo::resume(store, name).await?;
    for hour in hours {
        demo.hour(city.hour(hour)).await?;
    }
    let written = demo.finish().await?;
    print_line!("{} calls and {} facts were written ({name})", written.calls, written.facts);
    Ok(())
}

/// Every hour of the days, in order.
fn hours(first: Date, last: Date, zone: &jiff::tz::TimeZone) -> anyhow::Result<Vec<CityHour>> {
    let mut at = first.to_zoned_datetime(zone.clone())?.start_of_day()?;
    let end = last.tomorrow()?.to_zoned_datetime(zone.clone())?.start_of_day()?;
    let mut hours = Vec::new();
    while at < end {
        hours.push(CityHour {
            start: Timestamp::from_millis(at.timestamp().as_millisecond()),
            weekday: u8::try_from(at.weekday().to_monday_zero_offset())?,
            day_of_month: u8::try_from(at.day())?,
            hour: u8::try_from(at.hour())?,
        });
        at = at.checked_add(jiff::Span::new().hours(1))?;
    }
    Ok(hours)
}
