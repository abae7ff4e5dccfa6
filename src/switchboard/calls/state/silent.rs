//! The state of the dialogue with a caller who cannot speak.

use crate::switchboard::output::ChoiceView;

/// The state of a caller who may be unable to speak.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Silent {
    /// The last keys that the caller's operator has pressed.
    pub(in crate::switchboard::calls) typed: String,
    /// True after the caller was asked to press a digit: each later digit is an answer.
    pub(in crate::switchboard) asked: bool,
    /// The digits that the caller has pressed, each with its meaning; empty if the meaning is unknown.
    pub(in crate::switchboard) choices: Vec<ChoiceView>,
}
