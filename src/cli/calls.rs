//! Live calls of a running service.

use clap::Subcommand;

use crate::config::Config;
use crate::ids::OperatorId;
use crate::switchboard::Supervision;

use super::call_id::CallStart;
use super::{ConfigFile, console};

/// What may be done to a live call.
#[derive(Debug, Subcommand)]
pub(super) enum CallCommand {
    /// Asks the caller to press a digit if he cannot speak. What he presses is shown to his operator and kept.
    SilentPrompt {
        /// The call, as `siaga calls` names it; the first digits of its id are enough if they fit no other call.
        call: CallStart,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Lets a supervisor into a call that talks: her phones ring. Who is in it already only changes what she is there.
    Supervise {
        /// The call, as `siaga calls` names it; the first digits of its id are enough if they fit no other call.
        call: CallStart,
        /// Whether she is heard, and by whom; or has the caller instead of his operator.
        #[arg(value_parser = Supervision::ALL.map(Supervision::word))]
        mode: String,
        /// One of `[operators] supervisors`.
        supervisor: String,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Offers a call that waits to an operator, out of turn. When he does not answer it is where it was.
    Offer {
        /// The call, as `siaga calls` names it; the first digits of its id are enough if they fit no other call.
        call: CallStart,
        /// The operator's name.
        operator: String,
        #[command(flatten)]
        file: ConfigFile,
    },
}

/// Carries it out.
pub(super) fn call(command: CallCommand) -> anyhow::Result<()> {
    match command {
        CallCommand::SilentPrompt { call, file } => {
            let config = Config::load_to_serve(&file.config)?;
            let call = call.live(&config)?;
            let path = format!("/v1/calls/{call}/silent-prompt");
            match console::ask(&config, "POST", &path, "")? {
                (200, _) => println!("{call}: the caller is asked"),
                (404, _) => anyhow::bail!("no call {call} is alive"),
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
            println!("{call}: {supervisor} is to {mode}");
            Ok(())
        }
        CallCommand::Offer { call, operator, file } => {
            let operator = OperatorId::parse(&operator)?;
            let body = serde_json::json!({ "operator": operator });
            let config = Config::load_to_serve(&file.config)?;
            let call = call.live(&config)?;
            console::order(&config, &format!("/v1/calls/{call}/offer"), &body)?;
            println!("{call}: {operator} rings");
            Ok(())
        }
    }
}
