//! `[[silent_choice]]`: the meanings of the digits that callers press who cannot speak.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::switchboard::SilentSettings;
use crate::switchboard::section::SilentSection as Section;

use super::source::Source;

/// Characters of one choice's text, which phones must display.
const TEXT_MAX: usize = 40;

/// Checks the choices. Without any, those in the prompt of the site's language are used. `after`: how long a silent caller waits for the
/// prompt; zero: it is never played automatically.
pub(super) fn checked(source: &mut Source, sections: &[Section], language: &str, after: Duration) -> SilentSettings {
    let mut choices = Vec::new();
    let mut taken = BTreeSet::new();
    for (i, Section { digit, text }) in sections.iter().enumerate() {
        let mut digits = digit.chars();
        match (digits.next(), digits.next()) {
            (Some(one @ ('0'..='9' | '*' | '#')), None) if taken.insert(one) => choices.push((one, text.clone())),
            (Some('0'..='9' | '*' | '#'), None) => {
                let wrong = format!("{digit:?} is another choice's");
                source.fault(&format!("silent_choice[{i}].digit"), wrong, "a digit of its own");
            }
            _ => source.fault(
                &format!("silent_choice[{i}].digit"),
                format!("{digit:?} is no digit"),
                "one key of a phone: \"0\" to \"9\", \"*\" or \"#\"",
            ),
        }
        if text.trim().is_empty() || text.chars().count() > TEXT_MAX || text.chars().any(char::is_control) {
            source.fault(&format!("silent_choice[{i}].text"), format!("{text:?}"), "1 to 40 characters");
        }
    }
    if sections.is_empty() {
        choices = usual(language);
    }
    SilentSettings { after: Some(after).filter(|after| !after.is_zero()), choices, notice: notice(language).to_owned() }
}

/// The text about a party that is present and sends no audio.
fn notice(language: &str) -> &'static str {
    match language {
        "id" => "tidak ada suara dari",
        _ => "no audio from",
    }
}

/// The choices in `silent.wav`, as scripts/make-prompts creates it.
fn usual(language: &str) -> Vec<(char, String)> {
    let texts = match language {
        "id" => ["tidak dapat bicara", "perlu polisi", "perlu pertolongan medis"],
        _ => ["cannot speak", "needs the police", "needs medical help"],
    };
    ('1'..='3').zip(texts.map(str::to_owned)).collect()
}
