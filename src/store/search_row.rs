//! The row by which a call is searched, computed from its record.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::cdr::Cdr;
use crate::cdr::fact::Callee;
use crate::ids::CallId;

/// Characters of a number in the row.
const NUMBER_CHARS_MAX: usize = 64;
/// Characters that people write between digits.
const SEPARATORS: [char; 6] = [' ', '+', '-', '.', '(', ')'];

/// The columns of `call_search`.
#[derive(Debug, Serialize)]
pub(super) struct SearchRow<'a> {
    pub(super) received: i64,
    pub(super) call: CallId,
    pub(super) number: String,
    /// Each between line feeds, sorted.
    pub(super) operators: String,
    pub(super) desk: &'a str,
    pub(super) trunk: &'a str,
    pub(super) outcome: &'static str,
    pub(super) class: &'static str,
    pub(super) category: &'a str,
    pub(super) agency: &'a str,
    pub(super) mode: &'static str,
    pub(super) waited_ms: u64,
    pub(super) talk_ms: u64,
    pub(super) wrap_ms: Option<u64>,
    pub(super) note: String,
}

impl<'a> SearchRow<'a> {
    /// None while the call is open.
    pub(super) fn of(cdr: &'a Cdr) -> Option<Self> {
        let talked = cdr.talks.iter().filter_map(|talk| match &talk.with {
            Callee::Operator(operator) => Some(operator.as_str()),
            Callee::Number(_) => None,
        });
        let names: BTreeSet<&str> = talked.collect();
        let disposition = cdr.disposition.as_ref();
        Some(Self {
            received: cdr.received.as_millis(),
            call: cdr.call,
            number: plain_number(cdr.number().unwrap_or_default()),
            operators: if names.is_empty() { String::new() } else { between(&names.into_iter().collect::<Vec<_>>()) },
            desk: &cdr.desk,
            trunk: &cdr.trunk,
            outcome: cdr.outcome?.word(),
            class: disposition.map_or("", |of| of.class.word()),
            category: disposition.and_then(|of| of.category.as_deref()).unwrap_or_default(),
            agency: disposition.and_then(|of| of.agency.as_deref()).unwrap_or_default(),
            mode: cdr.mode.word(),
            waited_ms: cdr.waited_ms,
            talk_ms: cdr.talk_ms,
            wrap_ms: cdr.wrap_ms,
            note: disposition.and_then(|of| of.note.as_deref()).unwrap_or_default().to_ascii_lowercase(),
        })
    }
}

/// A number without separators, at most `NUMBER_CHARS_MAX` characters.
pub(super) fn plain_number(number: &str) -> String {
    number.chars().filter(|c| !SEPARATORS.contains(c)).take(NUMBER_CHARS_MAX).collect()
}

/// Operators as the column has them.
pub(super) fn between(operators: &[&str]) -> String {
    format!("\n{}\n", operators.join("\n"))
}
