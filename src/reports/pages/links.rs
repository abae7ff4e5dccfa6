//! Links from figures to the calls that they count, for roles that may see calls.

use crate::web::role::Permission;
use crate::web::visitor::Visitor;

use super::choice::Choice;

/// The links of one page.
pub(super) struct Links {
    /// The query of the period; None if the visitor may not see calls.
    period: Option<String>,
}

impl Links {
    pub(super) fn of(visitor: &Visitor, choice: &Choice) -> Self {
        let period = match choice.name {
            "" => format!("from={}&to={}", choice.days.0, choice.days.1),
            name => format!("period={name}"),
        };
        Self { period: visitor.may(Permission::Calls).then_some(period) }
    }

    /// The links, with a filter in each: `&desk=damkar`.
    pub(super) fn with(mut self, filter: &str) -> Self {
        if let Some(period) = &mut self.period {
            period.push_str(filter);
        }
        self
    }

    /// The address of the calls with these conditions.
    pub(super) fn to(&self, conditions: &str) -> Option<String> {
        let period = self.period.as_ref()?;
        Some(if conditions.is_empty() { format!("/calls?{period}") } else { format!("/calls?{period}&{conditions}") })
    }
}

/// Milliseconds as seconds in an address: `4.999`.
pub(super) fn seconds(millis: u64) -> String {
    format!("{}.{:03}", millis / 1_000, millis % 1_000)
}
