//! Live calls of a running service.

use clap::Subcommand;

use crate::config::Config;
use crate::ids::OperatorId;
use crate::switchboard::Supervision;

use super::call_id::CallStart;
use super::output::print_line;
use super::{ConfigFile, console};

/// Changes to a live call.
#[derive(Debug, Subcommand)]
pub(super) enum CallCommand {
    /// Asks the caller to press a digit if they cannot speak. The digit is shown to the operator and recorded.
    SilentPrompt {
        /// The call's id from `siaga calls`. Its first digits are enough if no other call's id starts with them.
        call: CallStart,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Adds a supervisor to a connected call: the supervisor's phones ring. For a supervisor who is already in the call, the mode changes.
    Supervise {
        /// The call's id from `siaga calls`. Its first digits are enough if no other call's id starts with them.
        call: CallStart,
        /// listen: not heard; whisper: heard by the operator only; barge: heard by all; take-over: replaces the operator.
        #[arg(value_parser = Supervision::ALL.map(Supervision::word))]
        mode: String,
        /// One of `[operators] supervisors`.
        supervisor: String,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Rings an operator for a waiting call, out of turn. Without an answer the call keeps its position.
    Offer {
        /// The call's id from `siaga calls`. Its first digits are enough if no other call's id starts with them.
        call: CallStart,
        /// The operator's name.
        operator: String,
        #[command(flatten)]
        file: ConfigFile,
    },
}

/// Runs the command.
pub(super) fn call(command: CallCommand) -> anyhow::Result<()> {
    match command {
        CallCommand::SilentPrompt { call, file } => {
            let config = Config::load_to_serve(&file.config)?;
            let call = call.live(&config)?;
            let path = format!("/v1/calls/{call}/silent-prompt");
            match console::ask(&config, "POST", &path, "")? {
                (200, _) => print_line!("{call}: the caller is asked to press a digit"),
                (404, _) => anyhow::bail!("no live call has the id {call}"),
                (409, _) => anyhow::bail!("no operator talks with the caller now"),
                (status, answer) => return Err(console::rejected(status, &answer)),
            }
            Ok(())
        }
        CallCommand::Supervise { call, mode, supervisor, file } => {
            let supervisor = OperatorId::parse(&supervisor)?;
            let body = serde_json::json!({ "mode": mode, "by": supervisor });
            let config = Config::load_to_serve(&file.config)?;
            let call = call.live(&config)?;
            console::order(&config, &format!("/v1/calls/{call}/supervision"), &body)?;
            print_line!("{call}: the phones of {supervisor} ring, mode {mode}");
            Ok(())
        }
        CallCommand::Offer { call, operator, file } => {
            let operator = OperatorId::parse(&operator)?;
            let body = serde_json::json!({ "operator": operator });
            let config = Config::load_to_serve(&file.config)?;
            let call = call.live(&config)?;
            console::order(&config, &format!("/v1/calls/{call}/offer"), &body)?;
            print_line!("{call}: the phones of {operator} ring");
            Ok(())
        }
    }
}
