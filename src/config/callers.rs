//! `[callers]` and `[[category]]`: the history of callers, and the subjects of calls.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::limits::{CALL_BACK_PREFIXES_MAX, CATEGORIES_MAX};
use crate::switchboard::section::CallersSection as Section;
use crate::switchboard::section::CategorySection;
use crate::switchboard::{CallerSettings, Category, is_prefix};

use super::source::Source;

/// Checks `[callers]`.
pub(super) fn checked(source: &mut Source, section: &Section, short_abandon_seconds: u64) -> CallerSettings {
    let mut within = |key: &str, value: u64, low: u64, high: u64, unit: &str| {
        if !(low..=high).contains(&value) {
            source.fault(&format!("callers.{key}"), value.to_string(), format!("{low} to {high}{unit}"));
        }
    };
    within("repeat_minutes", section.repeat_minutes, 1, 1_440, " minutes");
    within("prank_calls", section.prank_calls as u64, 0, 100, ", 0: never by itself");
    within("prank_hours", section.prank_hours, 1, 168, " hours");
    within("call_back_hours", section.call_back_hours, 1, 72, " hours");
    for (key, prefixes) in [("prefixes", &section.call_back_prefixes), ("never", &section.call_back_never)] {
        let key = format!("callers.call_back_{key}");
        if prefixes.len() > CALL_BACK_PREFIXES_MAX {
            source.fault(&key, format!("{} prefixes", prefixes.len()), format!("at most {CALL_BACK_PREFIXES_MAX}"));
        }
        for prefix in prefixes.iter().filter(|prefix| !is_prefix(prefix)) {
            source.fault(
                &key,
                format!("{prefix:?} is not the start of a number"),
                "digits, with or without + before them: \"+62\"",
            );
        }
    }
    CallerSettings {
        repeat: Duration::from_secs(section.repeat_minutes.saturating_mul(60)),
        prank_calls: section.prank_calls,
        prank: hours(section.prank_hours),
        prank_penalty: section.prank_priority_penalty,
        call_back: hours(section.call_back_hours),
        call_back_prefixes: section.call_back_prefixes.clone(),
        call_back_never: section.call_back_never.clone(),
        short_abandon: Duration::from_secs(short_abandon_seconds),
    }
}

const fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours.saturating_mul(3_600))
}

/// The valid categories; errors of the others are reported.
pub(super) fn categories(source: &mut Source, sections: &[CategorySection]) -> Vec<Category> {
    let (mut codes, mut names) = (BTreeSet::new(), BTreeSet::new());
    let mut categories = Vec::new();
    if sections.len() > CATEGORIES_MAX {
        source.fault("category", format!("{} categories", sections.len()), format!("at most {CATEGORIES_MAX}"));
    }
    for (index, CategorySection { code, name, agency }) in sections.iter().enumerate() {
        let key = |name: &str| format!("category[{index}].{name}");
        if !(1..=4).contains(&code.len()) || !code.bytes().all(|b| b.is_ascii_digit()) {
            source.fault(&key("code"), format!("{code:?} cannot be dialled"), "1 to 4 digits");
        } else if !codes.insert(code.as_str()) {
            source.fault(&key("code"), format!("{code:?} is listed twice"), "a different code");
        }
        let words = |text: &str| !text.trim().is_empty() && text.len() <= 64 && !text.chars().any(char::is_control);
        if !words(name) || name.bytes().all(|b| b.is_ascii_digit()) {
            source.fault(&key("name"), format!("{name:?} is not a name"), "1 to 64 letters: \"kebakaran\"");
        } else if !names.insert(name.to_ascii_lowercase()) {
            source.fault(&key("name"), format!("{name:?} is listed twice"), "a different name");
        }
        if let Some(agency) = agency.as_deref().filter(|agency| !words(agency)) {
            source.fault(&key("agency"), format!("{agency:?} is not a name"), "1 to 64 letters: \"Damkar\", or absent");
        }
        categories.push(Category { code: code.clone(), name: name.clone(), agency: agency.clone() });
    }
    categories
}
