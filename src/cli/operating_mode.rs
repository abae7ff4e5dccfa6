//! The operating mode of a running service: reads and sets it.

use clap::Args;
use serde::Deserialize;

use crate::acd::OperatingMode;
use crate::clock::Timestamp;
use crate::config::Config;

use super::output::print_line;
use super::{ConfigFile, callers, console};

/// The mode to set.
#[derive(Debug, Args)]
pub(super) struct ModeArguments {
    /// normal; major-incident: every call rings all ready operators; drill: only the records are marked; fallback: calls go to the
    /// fallback number, and to operators if it fails. Default: prints the current mode.
    #[arg(value_parser = OperatingMode::ALL.map(OperatingMode::word))]
    set: Option<String>,
    /// Hours until the mode is normal again; 0: no end. Default: [mode] hours.
    #[arg(long, requires = "set", value_parser = clap::value_parser!(u32).range(0..=168))]
    hours: Option<u32>,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Deserialize)]
struct ModeView {
    mode: OperatingMode,
    since: Timestamp,
    until: Option<Timestamp>,
    by: String,
}

/// Runs the command.
pub(super) fn run(arguments: ModeArguments) -> anyhow::Result<()> {
    let config = Config::load_to_serve(&arguments.file.config)?;
    let (status, answer) = match arguments.set {
        None => console::ask(&config, "GET", "/v1/mode", "")?,
        Some(mode) => {
            let body = serde_json::json!({ "mode": mode, "hours": arguments.hours }).to_string();
            console::ask(&config, "POST", "/v1/mode", &body)?
        }
    };
    let ModeView { mode, since, until, by } = match status {
        200 => console::read(&answer)?,
        422 => anyhow::bail!("{}", console::fault(&answer)),
        _ => return Err(console::rejected(status, &answer)),
    };
    let mut line = mode.word().to_owned();
    if !by.is_empty() {
        line = format!("{line} since {} by {by}", callers::local(&config, since));
    }
    if let Some(until) = until {
        line = format!("{line}, until {}", callers::local(&config, until));
    }
    print_line!("{line}");
    Ok(())
}
