//! NUL in JSON: PostgreSQL text cannot contain it.

/// The NUL character in JSON.
pub(super) const NUL: &str = "\\u0000";

/// JSON with U+FFFD in place of each NUL.
pub(super) fn without_nul(mut text: String) -> String {
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find(NUL)).map(|at| from + at) {
        let before = text.get(..at).unwrap_or_default();
        let backslashes = before.len() - before.trim_end_matches('\\').len();
        // After an odd number of backslashes the text is a literal `\u0000`, not the NUL character.
        if backslashes % 2 == 0 {
            text.replace_range(at..at + NUL.len(), "\\ufffd");
        }
        from = at + NUL.len();
    }
    text
}
