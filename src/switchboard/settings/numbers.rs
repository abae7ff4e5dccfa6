//! The numbers that callers and operators may call.

use std::time::Duration;

use crate::cdr::fact::Callee;
use crate::ids::OperatorId;

/// The subject of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Category {
    /// Digits that are dialled after the code of a class.
    pub code: String,
    pub name: String,
    /// The agency in charge.
    pub agency: Option<String>,
}

impl Category {
    /// True if `text` is the code or the name of the category.
    pub(in crate::switchboard) fn is(&self, text: &str) -> bool {
        self.code == text || self.name.eq_ignore_ascii_case(text)
    }
}

/// The calls that belong to a desk of the ACD.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeskCalls {
    /// The part of the URN after `urn:service:sos.`. Services below count too.
    pub services: Vec<String>,
    pub numbers: Vec<String>,
    /// Calls with lower priorities are served first.
    pub priority: u8,
    /// The outside numbers that are tried too, each after this waiting time, in the order of time.
    pub outside: Vec<(Duration, String)>,
}

/// An agency that operators may call, and to which they may transfer callers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agency {
    /// The name that can be dialled instead of the number.
    pub name: String,
    pub number: String,
}

/// The numbers that callers and operators may call.
#[derive(Clone, Debug, Default)]
pub struct NumberPlan {
    /// The emergency number: `112`.
    pub emergency: String,
    /// The calls of each desk, in the order of `acd.desks`.
    pub desks: Vec<DeskCalls>,
    /// The only outside numbers that operators may dial.
    pub agencies: Vec<Agency>,
    /// The categories. If there are none, any category is accepted.
    pub categories: Vec<Category>,
}

/// True for a valid prefix of `[[trunk]] called`: digits, with or without `+` before them, or `+` alone.
pub fn is_prefix(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    (1..=15).contains(&text.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

impl NumberPlan {
    /// True for the site's number and each desk's numbers.
    pub(in crate::switchboard) fn answers_number(&self, number: &str) -> bool {
        number == self.emergency || self.is_desk_number(number.as_bytes())
    }

    /// The prefix that `[[trunk]] called` would need so that `user` reaches a number of this site.
    pub(in crate::switchboard) fn missing_prefix<'u>(&self, user: &'u str) -> Option<&'u str> {
        let desks = self.desks.iter().flat_map(|desk| &desk.numbers);
        let numbers = desks.chain(std::iter::once(&self.emergency));
        let prefixes = numbers.filter_map(|number| user.strip_suffix(number.as_str()));
        prefixes.filter(|prefix| is_prefix(prefix)).min_by_key(|prefix| prefix.len())
    }

    /// True for a number of a desk.
    pub(in crate::switchboard) fn is_desk_number(&self, user: &[u8]) -> bool {
        self.desks.iter().any(|desk| desk.numbers.iter().any(|number| number.as_bytes() == user))
    }

    /// The calling identity of an operator: their name for operators, the centre's number for others.
    pub(in crate::switchboard) fn placed_as(&self, by: &OperatorId, to: &Callee) -> String {
        match to {
            Callee::Operator(_) => by.to_string(),
            Callee::Number(_) => self.emergency.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_digits_with_or_without_a_plus() {
        for (text, expected) in
            [("+62", true), ("0725", true), ("+", true), ("", false), ("6+2", false), ("+62-", false), ("00", true)]
        {
            assert_eq!(is_prefix(text), expected, "{text}");
        }
    }
}
