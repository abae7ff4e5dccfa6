//! Logs a warning for each operator in the configuration and its files that has no account.

use std::collections::BTreeSet;

use tracing::warn;

use crate::cdr::fact::ConsoleRole;
use crate::config::Config;
use crate::ids::OperatorId;
use crate::switchboard::{Actor, ConsoleCommand, ConsoleReply};

use super::desk::Desk;

/// The accounts of the signalling loop. None if it does not respond, or has no accounts yet.
pub(super) async fn accounts(desk: &Desk) -> Option<BTreeSet<OperatorId>> {
    let by = Actor { name: "service".to_owned(), role: ConsoleRole::Auditor };
    match desk.console(by, ConsoleCommand::Operators).await {
        Ok(ConsoleReply::Operators { operators, .. }) if !operators.is_empty() => {
            Some(operators.into_iter().map(|view| view.operator).collect())
        }
        Ok(_) | Err(_) => None,
    }
}

/// Logs each name without an account.
pub(super) fn warn_of_names(config: &Config, accounts: &BTreeSet<OperatorId>) {
    for fault in config.without_account(accounts) {
        warn!(
            key = fault.key,
            problem = fault.wrong,
            expected = fault.right,
            "a name in the configuration has no account"
        );
    }
}
