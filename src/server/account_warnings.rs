//! Logs a warning for each operator in the configuration and its files that has no account, and for each account whose name is dialled for
//! another purpose.

use std::collections::BTreeSet;

use tracing::warn;

use crate::cdr::fact::ConsoleRole;
use crate::config::Config;
use crate::ids::OperatorId;
use crate::switchboard::{Actor, ConsoleCommand, ConsoleReply};

use super::loop_sender::LoopSender;

/// The names of all accounts.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) operators: BTreeSet<OperatorId>,
    stations: BTreeSet<OperatorId>,
}

/// The accounts of the signalling loop. None if it does not respond, or has no accounts yet.
pub(super) async fn accounts(loop_sender: &LoopSender) -> Option<Names> {
    let by = Actor { name: "service".to_owned(), role: ConsoleRole::Auditor };
    match loop_sender.console(by, ConsoleCommand::Operators).await {
        Ok(ConsoleReply::Operators { operators, stations }) if !operators.is_empty() => Some(Names {
            operators: operators.into_iter().map(|view| view.operator).collect(),
            stations: stations.into_iter().map(|view| view.station).collect(),
        }),
        Ok(_) | Err(_) => None,
    }
}

/// Logs each name without an account, and each account with an ambiguous name.
pub(super) fn warn_of_names(config: &Config, accounts: &Names) {
    for fault in config.without_account(&accounts.operators) {
        warn!(
            key = fault.key,
            problem = fault.wrong,
            expected = fault.right,
            "a name in the configuration has no account"
        );
    }
    for fault in config.ambiguous_names(accounts.operators.iter().chain(&accounts.stations)) {
        warn!(problem = fault.wrong, expected = fault.right, "the name of an account must be changed");
    }
}
