//! Bans of a running service.

use std::net::IpAddr;

use clap::Subcommand;
use serde::Deserialize;

use crate::config::Config;

use super::output::print_line;
use super::{ConfigFile, console};

/// Commands on bans.
#[derive(Debug, Subcommand)]
pub(super) enum GuardCommand {
    /// Lists the current bans.
    List(ConfigFile),
    /// Ends a ban.
    Lift {
        /// The banned address.
        address: IpAddr,
        #[command(flatten)]
        file: ConfigFile,
    },
}

#[derive(Debug, Deserialize)]
struct Bans {
    bans: Vec<Ban>,
}

#[derive(Debug, Deserialize)]
struct Ban {
    address: IpAddr,
    reason: String,
    seconds: u64,
    nth: u32,
}

/// Runs the command.
pub(super) fn guard(command: GuardCommand) -> anyhow::Result<()> {
    match command {
        GuardCommand::List(file) => list(&Config::load_to_serve(&file.config)?),
        GuardCommand::Lift { address, file } => lift(&Config::load_to_serve(&file.config)?, address),
    }
}

fn list(config: &Config) -> anyhow::Result<()> {
    match console::ask(config, "GET", "/v1/guard", "")? {
        (200, answer) => {
            let Bans { bans } = console::read(&answer)?;
            if bans.is_empty() {
                print_line!("no address is banned");
            }
            for Ban { address, reason, seconds, nth } in bans {
                print_line!("{address:<39} {reason:<12} {seconds:>6} s left, ban number {nth}");
            }
            Ok(())
        }
        (status, answer) => Err(console::rejected(status, &answer)),
    }
}

fn lift(config: &Config, address: IpAddr) -> anyhow::Result<()> {
    match console::ask(config, "POST", &format!("/v1/guard/{address}/lift"), "")? {
        (200, _) => {
            print_line!("{address} is no longer banned");
            Ok(())
        }
        (404, _) => anyhow::bail!("{address} is not banned"),
        (status, answer) => Err(console::rejected(status, &answer)),
    }
}
