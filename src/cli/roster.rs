//! The roster: coming times with too few operators, and the roster after its changes.

use clap::Subcommand;
use jiff::civil::Date;

use crate::clock::Timestamp;
use crate::config::Config;

use super::operator::Kind;
use super::output::print_line;
use super::{ConfigFile, operator, output};

/// Commands on the roster.
#[derive(Debug, Subcommand)]
pub(super) enum RosterCommand {
    /// Writes the roster with its changes (leave, swaps, stand-ins) as CSV.
    Export {
        /// First day. Default: today.
        #[arg(long, value_name = "DAY")]
        from: Option<Date>,
        /// How many days.
        #[arg(long, default_value_t = 31, value_parser = clap::value_parser!(u32).range(1..=3_660))]
        days: u32,
        #[command(flatten)]
        file: ConfigFile,
    },
}

/// Runs the command.
pub(super) fn roster(command: RosterCommand) -> anyhow::Result<()> {
    let RosterCommand::Export { from, days, file } = command;
    let config = Config::load(&file.config)?;
    let from = match from {
        Some(from) => from,
        None => local(&config, crate::server::clock::wall_now())?.date(),
    };
    let last = from.checked_add(jiff::Span::new().days(i64::from(days) - 1))?;
    output::print(format_args!("{}", config.rostered.roster.csv(from..=last)));
    Ok(())
}

/// Lists the times within `days` days with too few operators. An error if there is one.
pub(super) fn check(config: &Config, days: u32) -> anyhow::Result<()> {
    let accounts = operator::accounts(config, Kind::Operator);
    let unknown = accounts.as_ref().map(|accounts| config.without_account(accounts)).unwrap_or_default();
    for fault in &unknown {
        print_line!("error: {fault}");
    }
    if let Err(fault) = &accounts {
        print_line!("warning: the names were not compared with the accounts: {fault:#}");
    }
    let ahead = config.roster_ahead(crate::server::clock::wall_now(), days, accounts.as_ref().ok());
    for gap in &ahead.gaps {
        let (from, to) = (local(config, gap.from)?, local(config, gap.to)?);
        let (from, to) = (from.strftime("%Y-%m-%d %H:%M"), to.strftime("%Y-%m-%d %H:%M"));
        print_line!("{from} to {to}: {} on shift", gap.fewest);
    }
    for decree in &ahead.ending {
        let to = decree.to.map(|to| to.to_string()).unwrap_or_default();
        print_line!("{}: decree {} is valid to {to}", decree.operator, decree.number);
    }
    let minimum = config.operators.minimum_on_shift;
    let count = ahead.gaps.len();
    anyhow::ensure!(count == 0, "{count} times within {days} days with fewer than {minimum} on shift");
    anyhow::ensure!(unknown.is_empty(), "{} names have no account", unknown.len());
    print_line!("at least {minimum} on shift at all times within {days} days");
    Ok(())
}

fn local(config: &Config, at: Timestamp) -> anyhow::Result<jiff::civil::DateTime> {
    Ok(config.zone.to_datetime(jiff::Timestamp::from_millisecond(at.as_millis())?))
}
