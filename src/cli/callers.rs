//! Callers of a running service: the list of call-backs, and numbers whose calls wait behind other calls.

use clap::Subcommand;
use serde::Deserialize;

use crate::clock::Timestamp;
use crate::config::Config;
use crate::ids::OperatorId;

use super::console::fault;
use super::output::print_line;
use super::{ConfigFile, console};

/// Commands on the list of call-backs.
#[derive(Debug, Subcommand)]
pub(super) enum CallBackCommand {
    /// Lists the unanswered numbers in the order of call-back.
    List(ConfigFile),
    /// Assigns the next number to an operator: the operator's phone shows it, and *50 calls it.
    Next {
        /// The operator's name.
        operator: String,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Assigns a number to an operator: the operator's phone shows it, and *50 calls it.
    Call {
        /// A number of the list.
        number: String,
        /// The operator's name.
        operator: String,
        #[command(flatten)]
        file: ConfigFile,
    },
}

/// Commands on callers' numbers.
#[derive(Debug, Subcommand)]
pub(super) enum CallerCommand {
    /// Lists the numbers whose calls wait behind other calls.
    List(ConfigFile),
    /// Flags a number: its calls wait behind other calls for some time. They are never rejected.
    Mark {
        /// The number.
        number: String,
        /// The kind of flag: prank.
        #[arg(value_parser = ["prank"])]
        class: String,
        /// For how many hours.
        #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=168))]
        hours: u32,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Removes the flag of a number.
    Clear {
        /// The number.
        number: String,
        #[command(flatten)]
        file: ConfigFile,
    },
}

#[derive(Debug, Deserialize)]
struct CallBacks {
    call_backs: Vec<CallBack>,
}

#[derive(Debug, Deserialize)]
struct CallBack {
    number: String,
    calls: u32,
    short: u32,
    last: Timestamp,
    longest_wait_ms: u64,
    tries: u32,
    assigned_to: Option<OperatorId>,
    called_now: bool,
}

#[derive(Debug, Deserialize)]
struct Meant {
    number: String,
    told: bool,
}

#[derive(Debug, Deserialize)]
struct Marks {
    marks: Vec<Mark>,
}

#[derive(Debug, Deserialize)]
struct Mark {
    number: String,
    pranks: usize,
    marked_until: Option<Timestamp>,
}

/// Runs the command.
pub(super) fn call_back(command: CallBackCommand) -> anyhow::Result<()> {
    match command {
        CallBackCommand::List(file) => list(&Config::load_to_serve(&file.config)?),
        CallBackCommand::Next { operator, file } => give(&Config::load_to_serve(&file.config)?, None, &operator),
        CallBackCommand::Call { number, operator, file } => {
            give(&Config::load_to_serve(&file.config)?, Some(&number), &operator)
        }
    }
}

/// Runs the command.
pub(super) fn caller(command: CallerCommand) -> anyhow::Result<()> {
    match command {
        CallerCommand::List(file) => marks(&Config::load_to_serve(&file.config)?),
        CallerCommand::Mark { number, class: _, hours, file } => {
            mark(&Config::load_to_serve(&file.config)?, &number, hours)
        }
        CallerCommand::Clear { number, file } => mark(&Config::load_to_serve(&file.config)?, &number, 0),
    }
}

fn list(config: &Config) -> anyhow::Result<()> {
    let CallBacks { call_backs } = match console::ask(config, "GET", "/v1/call-backs", "")? {
        (200, answer) => console::read(&answer)?,
        (status, answer) => return Err(console::rejected(status, &answer)),
    };
    if call_backs.is_empty() {
        print_line!("no number waits for a call-back");
    }
    for one in call_backs {
        let who = match one.assigned_to {
            Some(operator) => format!("assigned to {operator}"),
            None if one.called_now => "call in progress".to_owned(),
            None => String::new(),
        };
        let seconds = one.longest_wait_ms / 1_000;
        let CallBack { number, calls, short, tries, .. } = one;
        let line = format!(
            "{number:<20} {}  {calls} calls, {short} short, longest wait {seconds} s, {tries} call-backs  {who}",
            local(config, one.last)
        );
        print_line!("{}", line.trim_end());
    }
    Ok(())
}

fn give(config: &Config, number: Option<&str>, operator: &str) -> anyhow::Result<()> {
    let operator = OperatorId::parse(operator)?;
    let body = serde_json::json!({ "number": number, "operator": operator }).to_string();
    match console::ask(config, "POST", "/v1/call-backs", &body)? {
        (200, answer) => {
            let Meant { number, told } = console::read(&answer)?;
            let told = if told { "their phone shows it" } else { "no phone of theirs can show it now" };
            print_line!("{number} is assigned to {operator}, who calls it with {}: {told}", config.features.call_back);
            Ok(())
        }
        (404, answer) => anyhow::bail!("{}", fault(&answer)),
        (status, answer) => Err(console::rejected(status, &answer)),
    }
}

fn marks(config: &Config) -> anyhow::Result<()> {
    let Marks { marks } = match console::ask(config, "GET", "/v1/callers", "")? {
        (200, answer) => console::read(&answer)?,
        (status, answer) => return Err(console::rejected(status, &answer)),
    };
    if marks.is_empty() {
        print_line!("no number is flagged");
    }
    for Mark { number, pranks, marked_until } in marks {
        let until = marked_until.map(|until| format!(", flagged until {}", local(config, until))).unwrap_or_default();
        print_line!("{number:<20} {pranks} recent pranks{until}");
    }
    Ok(())
}

fn mark(config: &Config, number: &str, hours: u32) -> anyhow::Result<()> {
    let body = serde_json::json!({ "number": number, "hours": hours, "by": "command line" }).to_string();
    match console::ask(config, "POST", "/v1/callers", &body)? {
        (200, _) if hours > 0 => print_line!("{number}: its calls wait behind other calls for {hours} hours"),
        (200, _) => print_line!("{number}: its calls no longer wait behind other calls"),
        (404, _) => anyhow::bail!("{number} is not flagged"),
        (status, answer) => return Err(console::rejected(status, &answer)),
    }
    Ok(())
}

/// Local time without a date's ambiguities: `2026-11-24 22:30`.
pub(super) fn local(config: &Config, at: Timestamp) -> String {
    let at = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default();
    config.zone.to_datetime(at).strftime("%Y-%m-%d %H:%M").to_string()
}
