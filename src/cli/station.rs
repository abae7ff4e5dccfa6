//! Stations on the command line, and the numbers and PINs for logging in at them.

use std::io::{BufRead as _, Read as _};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};

use crate::config::Config;
use crate::ids::OperatorId;
use crate::store::operators::StationLoginChange;
use crate::switchboard::{Pin, StationLogin};

use super::ConfigFile;
use super::operator::{self, Kind, reading, with_existing};
use super::output::print_line;

/// Bytes of the line that a PIN is read from.
const PIN_LINE_MAX: u64 = 64;

#[derive(Debug, Subcommand)]
pub(super) enum StationCommand {
    /// Creates the account of a station's phone and prints its password, only once.
    Add {
        #[command(flatten)]
        named: Named,
        /// The display name, for colleagues and reports.
        #[arg(long)]
        name: Option<String>,
    },
    /// Lists the stations.
    List(ConfigFile),
    /// Gives a station's phone a new password and prints it, only once.
    Passwd(Named),
    /// Removes a station; a live call continues.
    Remove(Named),
}

#[derive(Debug, Args)]
pub(super) struct Named {
    /// The station's name.
    station: String,
    #[command(flatten)]
    file: ConfigFile,
}

pub(super) fn station(command: StationCommand) -> anyhow::Result<()> {
    let load = |file: &ConfigFile| Config::load_to_serve(&file.config);
    match command {
        StationCommand::Add { named, name } => {
            operator::add(&load(&named.file)?, Kind::Station, &named.station, name.as_deref())
        }
        StationCommand::List(file) => list(&load(&file)?),
        StationCommand::Passwd(named) => operator::passwd(&load(&named.file)?, Kind::Station, &named.station),
        StationCommand::Remove(named) => operator::remove(&load(&named.file)?, Kind::Station, &named.station),
    }
}

fn list(config: &Config) -> anyhow::Result<()> {
    let rows = reading(config, async |store| Ok(store.operators().await?))?;
    for row in rows.iter().filter(|row| Kind::Station.has(row)) {
        print_line!("{}\t{}", row.operator, row.name);
    }
    Ok(())
}

/// Gives an operator the number and the PIN for logging in at stations. The PIN is read from standard input, or generated and printed,
/// only once.
pub(super) fn pin(config: &Config, operator: &str, number: &str, own: bool) -> anyhow::Result<()> {
    let operator = OperatorId::parse(operator)?;
    let (mut salt, mut line) = ([0; 16], String::new());
    getrandom::fill(&mut salt)?;
    if own {
        std::io::stdin().lock().take(PIN_LINE_MAX).read_line(&mut line).context("standard input cannot be read")?;
    } else {
        line = generated_pin()?;
    }
    let digits = line.trim();
    let pin = Pin::new(salt, digits).context("not a PIN; expected: 4 to 12 digits")?;
    let Some(station_login) = StationLogin::new(number, pin) else {
        bail!("{number:?} is not an operator's number; expected: 1 to 8 digits")
    };
    let given = (station_login.number.as_str(), station_login.pin.to_hex());
    let change = with_existing(config, async |store| {
        Ok(store.set_station_login(operator.as_str(), Some((given.0, &given.1))).await?)
    })?;
    match change {
        StationLoginChange::Done if own => {
            print_line!("{operator} logs in at stations with the number {number} and the given PIN")
        }
        StationLoginChange::Done => print_line!("number  {number}\npin     {digits}\nThe PIN is not shown again."),
        StationLoginChange::Taken => bail!("{number} is another operator's number; expected: a number of its own"),
        StationLoginChange::Unknown => bail!("no operator is named {operator}, or it is a station"),
    }
    Ok(())
}

/// Removes number and PIN.
pub(super) fn remove_pin(config: &Config, operator: &str) -> anyhow::Result<()> {
    let operator = OperatorId::parse(operator)?;
    match with_existing(config, async |store| Ok(store.set_station_login(operator.as_str(), None).await?))? {
        StationLoginChange::Done => {
            print_line!("{operator} can no longer log in at stations; a current log-in stays")
        }
        StationLoginChange::Taken | StationLoginChange::Unknown => {
            bail!("no operator is named {operator}, or it is a station")
        }
    }
    Ok(())
}

/// Six digits.
fn generated_pin() -> anyhow::Result<String> {
    let mut random = [0; 8];
    getrandom::fill(&mut random)?;
    Ok(format!("{:06}", u64::from_le_bytes(random) % 1_000_000))
}
