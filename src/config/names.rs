//! Names that an account must not have: phones dial them for another purpose, so that no phone could call the account.

use std::collections::BTreeMap;

use crate::ids::OperatorId;

use super::{Config, Fault};

/// Maximum names that are reported.
const NAMES_MAX: usize = 20;
/// The name in records of a user with the service's own token.
pub const CONSOLE_NAME: &str = "console";
/// The expected name of an account.
pub const OWN_NAME: &str =
    "a name that is not also a number, an agency or a feature code of the configuration, and not \"console\"";

/// The expected name of an account that differs from another only in case.
const DISTINCT: &str = "one account for each person: add one under a new name, then remove this one";

impl Config {
    /// The other meaning of a name that phones dial, with the key that gives it this meaning. None: the name is free for an account.
    pub fn other_meaning(&self, name: &str) -> Option<String> {
        if name.eq_ignore_ascii_case(CONSOLE_NAME) {
            return Some("the name of the console in records".to_owned());
        }
        self.dialled_meaning(name)
    }

    fn dialled_meaning(&self, name: &str) -> Option<String> {
        let is = |number: &str| number.trim_start_matches('+') == name.trim_start_matches('+');
        if is(&self.site.number) {
            return Some("the emergency number (site.number)".to_owned());
        }
        for (at, (desk, calls)) in self.desks.0.iter().zip(&self.desks.1).enumerate() {
            if calls.numbers.iter().any(|number| is(number)) {
                return Some(format!("a number of the desk {:?} (desk[{}].numbers)", desk.name, at.saturating_sub(1)));
            }
            if calls.outside.iter().any(|(_, number)| is(number)) {
                return Some("a number of an escalation (escalation)".to_owned());
            }
        }
        for (at, agency) in self.agencies.iter().enumerate() {
            if agency.name.eq_ignore_ascii_case(name) {
                return Some(format!("the name of an agency (agency[{at}].name)"));
            }
            if is(&agency.number) {
                return Some(format!("the number of the agency {:?} (agency[{at}].number)", agency.name));
            }
        }
        if self.queue.fallback_number.as_deref().is_some_and(is) {
            return Some("the fallback number (queue.fallback_number)".to_owned());
        }
        self.features.codes().any(|code| code == name).then(|| "a feature code (features)".to_owned())
    }

    /// The accounts whose names phones dial for another purpose, that records cannot tell apart from the console, or
    /// that differ from another account only in case.
    pub fn ambiguous_names<'a>(&self, accounts: impl IntoIterator<Item = &'a OperatorId>) -> Vec<Fault> {
        let mut lowercase = BTreeMap::new();
        let faults = accounts.into_iter().filter_map(|name| {
            let other = lowercase.insert(name.as_str().to_ascii_lowercase(), name);
            let (wrong, right) = match (self.dialled_meaning(name.as_str()), self.other_meaning(name.as_str()), other) {
                (Some(meaning), _, _) => (format!("is also {meaning}: calls to it never reach the account"), OWN_NAME),
                (None, Some(meaning), _) => (format!("is also {meaning}"), OWN_NAME),
                (None, None, Some(other)) => (
                    format!("differs from the account \"{other}\" only in case: phones and people confuse them"),
                    DISTINCT,
                ),
                (None, None, None) => return None,
            };
            Some(Fault {
                file: self.file.display().to_string(),
                line: None,
                key: String::new(),
                wrong: format!("the account \"{name}\" {wrong}"),
                right: right.to_owned(),
            })
        });
        faults.take(NAMES_MAX).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[[trunk]]\nname = \"telco\"\npeers = [\"127.0.0.2\"]\nuri = \"sip:127.0.0.2\"\n\
        [[desk]]\nname = \"fire\"\nnumbers = [\"113\"]\n[[agency]]\nname = \"pmi\"\nnumber = \"+62215551234\"\n\
        [queue]\nfallback_number = \"08001234\"\nescalation = [{ after_seconds = 30, number = \"08009999\" }]\n";

    #[test]
    fn a_name_that_is_dialled_for_another_purpose_is_not_free_for_an_account() {
        let config = Config::parse("siaga.toml", TEXT).unwrap();
        for (name, meaning) in [
            ("112", "the emergency number (site.number)"),
            ("113", "a number of the desk \"fire\" (desk[0].numbers)"),
            ("PMI", "the name of an agency (agency[0].name)"),
            ("62215551234", "the number of the agency \"pmi\" (agency[0].number)"),
            ("08001234", "the fallback number (queue.fallback_number)"),
            ("08009999", "a number of an escalation (escalation)"),
            ("*50", "a feature code (features)"),
            ("*61", "a feature code (features)"),
            ("Console", "the name of the console in records"),
        ] {
            assert_eq!(config.other_meaning(name).as_deref(), Some(meaning), "{name}");
        }
        for name in ["sari", "1120", "11", "pmi2", "2001"] {
            assert_eq!(config.other_meaning(name), None, "{name}");
        }
    }

    #[test]
    fn no_feature_code_is_free_for_an_account() {
        let config = Config::parse("siaga.toml", TEXT).unwrap();
        let section = super::super::section::Features::default();
        for (key, code) in super::super::check::codes(&section) {
            assert_eq!(config.other_meaning(code).as_deref(), Some("a feature code (features)"), "{key}");
        }
    }

    #[test]
    fn every_ambiguous_account_is_reported() {
        let config = Config::parse("siaga.toml", TEXT).unwrap();
        let names = ["112", "pmi", "sari", "console", "Sari"].map(|name| OperatorId::parse(name).unwrap());
        let faults = config.ambiguous_names(&names);
        assert_eq!(faults.len(), 4);
        let alike = "the account \"Sari\" differs from the account \"sari\" only in case";
        assert!(faults[3].to_string().contains(alike), "{}", faults[3]);
        assert!(faults[2].to_string().contains("\"console\" is also the name of the console in records"));
        assert!(faults[0].to_string().contains("\"112\" is also the emergency number"), "{}", faults[0]);
        assert!(faults[1].to_string().contains("; expected: a name that"), "{}", faults[1]);
    }
}
