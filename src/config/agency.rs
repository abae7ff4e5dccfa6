//! `[[agency]]`: the agencies that operators may call and to which they may transfer callers.

use std::collections::BTreeSet;

use crate::acd::section::is_dialable;
use crate::limits::AGENCIES_MAX;
use crate::switchboard::Agency;
use crate::switchboard::section::AgencySection as Section;

use super::source::Source;

/// The valid agencies; errors of the others are reported.
pub(super) fn checked(source: &mut Source, sections: &[Section]) -> Vec<Agency> {
    let mut names = BTreeSet::new();
    let mut agencies = Vec::new();
    if sections.len() > AGENCIES_MAX {
        source.fault("agency", format!("{} agencies", sections.len()), format!("at most {AGENCIES_MAX}"));
    }
    for (index, Section { name, number }) in sections.iter().enumerate() {
        let key = |name: &str| format!("agency[{index}].{name}");
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if name.is_empty() || !name.bytes().all(letter) || !name.bytes().any(|byte| byte.is_ascii_alphabetic()) {
            source.fault(&key("name"), format!("{name:?} cannot be dialled"), "letters, digits, - and _: \"damkar\"");
        } else if !names.insert(name.to_ascii_lowercase()) {
            source.fault(&key("name"), format!("{name:?} is listed twice"), "a different name");
        }
        if !is_dialable(number) {
            source.fault(&key("number"), format!("{number:?}"), "3 to 20 digits, with or without a leading +");
        }
        agencies.push(Agency { name: name.clone(), number: number.clone() });
    }
    agencies
}
