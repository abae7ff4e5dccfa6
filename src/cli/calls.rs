//! Live calls of a running service.

use clap::Subcommand;

use crate::config::Config;
use crate::ids::CallId;

use super::{ConfigFile, console};

/// What may be done to a live call.
#[derive(Debug, Subcommand)]
pub(super) enum CallCommand {
    /// Asks the caller to press a digit if he cannot speak. What he presses is shown to his operator and kept.
    SilentPrompt {
        /// The call, as `GET /v1/calls` names it.
        call: CallId,
        #[command(flatten)]
        file: ConfigFile,
    },
}

/// Carries it out.
pub(super) fn call(command: CallCommand) -> anyhow::Result<()> {
    match command {
        CallCommand::SilentPrompt { call, file } => {
            let path = format!("/v1/calls/{call}/silent-prompt");
            match console::ask(&Config::load(&file.config)?, "POST", &path, "")? {
                (200, _) => println!("{call}: the caller is asked"),
                (404, _) => anyhow::bail!("no call {call} is alive"),
                (409, _) => anyhow::bail!("no operator talks with the caller now"),
                (status, answer) => anyhow::bail!("the service answers {status}: {}", answer.trim()),
            }
            Ok(())
        }
    }
}
