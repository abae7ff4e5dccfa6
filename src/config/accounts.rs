//! Compares the operators' names in the configuration and its files with the accounts.

use std::collections::BTreeSet;

use crate::ids::OperatorId;

use super::{Config, Fault};

/// Maximum names without an account that are reported for one key.
const NAMES_MAX: usize = 20;

impl Config {
    /// The names without an account in desks, supervisors, roster and decrees, by key. For the roster and the decrees each name is
    /// reported once.
    pub fn without_account(&self, accounts: &BTreeSet<OperatorId>) -> Vec<Fault> {
        let mut all = Vec::new();
        for (at, desk) in self.desks.0.iter().enumerate() {
            let key = match at.checked_sub(1) {
                None => "queue.operators".to_owned(),
                Some(at) => format!("desk[{at}].operators"),
            };
            self.compare(&key, desk.members.iter().flat_map(|members| members.keys()), accounts, &mut all);
        }
        self.compare("operators.supervisors", &self.supervisors, accounts, &mut all);
        let entries = self.rostered.roster.entries().iter().map(|entry| &entry.operator);
        self.compare("operators.roster", entries, accounts, &mut all);
        let decrees = self.rostered.decrees.iter().map(|decree| &decree.operator);
        self.compare("operators.decrees", decrees, accounts, &mut all);
        all
    }

    fn compare<'a>(
        &self,
        key: &str,
        names: impl IntoIterator<Item = &'a OperatorId>,
        accounts: &BTreeSet<OperatorId>,
        all: &mut Vec<Fault>,
    ) {
        let unknown: BTreeSet<&OperatorId> = names.into_iter().filter(|name| !accounts.contains(*name)).collect();
        all.extend(unknown.into_iter().take(NAMES_MAX).map(|name| Fault {
            file: self.file.display().to_string(),
            line: None,
            key: key.to_owned(),
            wrong: format!("\"{name}\" has no account"),
            right: "an operator of `siaga operator list`".to_owned(),
        }));
    }
}
