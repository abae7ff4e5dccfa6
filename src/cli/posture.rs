//! The posture of a running service's house: what it is, and setting it.

use clap::Args;
use serde::Deserialize;

use crate::acd::Posture;
use crate::clock::Timestamp;
use crate::config::Config;

use super::{ConfigFile, callers, console};

/// What it is to be.
#[derive(Debug, Args)]
pub(super) struct PostureArguments {
    /// normal; major-incident: every call rings everybody who is ready; drill: only the records tell; fallback: calls go to the fallback
    /// number, and to operators when that fails. Absent: tells what it is.
    #[arg(value_parser = Posture::ALL.map(Posture::word))]
    set: Option<String>,
    /// After so many hours it is normal again; 0: not by itself, absent: as [posture] hours says.
    #[arg(long, requires = "set", value_parser = clap::value_parser!(u32).range(0..=168))]
    hours: Option<u32>,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Deserialize)]
struct Told {
    posture: Posture,
    since: Timestamp,
    until: Option<Timestamp>,
    by: String,
}

/// Carries it out.
pub(super) fn posture(arguments: PostureArguments) -> anyhow::Result<()> {
    let config = Config::load_to_serve(&arguments.file.config)?;
    let (status, answer) = match arguments.set {
        None => console::ask(&config, "GET", "/v1/posture", "")?,
        Some(posture) => {
            let body = serde_json::json!({ "posture": posture, "hours": arguments.hours }).to_string();
            console::ask(&config, "POST", "/v1/posture", &body)?
        }
    };
    let Told { posture, since, until, by } = match status {
        200 => console::read(&answer)?,
        422 => anyhow::bail!("{}", callers::fault(&answer)),
        _ => return Err(console::rejected(status, &answer)),
    };
    let mut line = posture.word().to_owned();
    if !by.is_empty() {
        line = format!("{line} since {} by {by}", callers::local(&config, since));
    }
    if let Some(until) = until {
        line = format!("{line}, until {}", callers::local(&config, until));
    }
    println!("{line}");
    Ok(())
}
