//! `[mode]`: the default duration of an operating mode, and the settings of a major incident.

use std::time::Duration;

use crate::switchboard::ModeSettings;
use crate::switchboard::section::ModeSection as Section;

use super::Fault;
use super::source::{Source, shown};

/// Former names of a section and of feature codes, which are still accepted, and the present names.
pub(super) const RENAMED: [(&str, &str); 5] = [
    ("posture", "mode"),
    ("features.posture_normal", "features.mode_normal"),
    ("features.posture_incident", "features.mode_incident"),
    ("features.posture_drill", "features.mode_drill"),
    ("features.posture_fallback", "features.mode_fallback"),
];

/// Bytes of a text to operators: with its header it fits a datagram (RFC 3428 §8).
const TEXT_MAX: usize = 700;

/// `[mode]`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModeConfig {
    pub terms: ModeSettings,
    /// Upper limit of the wrap-up in a major incident.
    pub incident_wrap_up: Duration,
}

/// Checks `[mode]`.
pub(super) fn checked(source: &mut Source, section: &Section) -> ModeConfig {
    let Section { hours, incident_wrap_up_seconds, incident_text } = section;
    let key = |name: &str| format!("{}.{name}", source.name_of("mode", &RENAMED));
    let [hours_key, wrap_up_key, text_key] = ["hours", "incident_wrap_up_seconds", "incident_text"].map(key);
    if *hours > 168 {
        source.fault(&hours_key, hours.to_string(), "0 to 168 hours, 0: no end");
    }
    if *incident_wrap_up_seconds > 3_600 {
        source.fault(&wrap_up_key, incident_wrap_up_seconds.to_string(), "0 to 3600 seconds");
    }
    if incident_text.len() > TEXT_MAX || incident_text.chars().any(char::is_control) {
        let wrong = format!("a text of {} bytes, or of several lines", incident_text.len());
        source.fault(&text_key, wrong, "one line of at most 700 bytes, \"\": no text");
    }
    ModeConfig {
        terms: ModeSettings { hours: *hours, incident_text: incident_text.clone() },
        incident_wrap_up: Duration::from_secs(*incident_wrap_up_seconds),
    }
}

/// A warning for each former name in the file.
pub(super) fn warnings(source: &Source) -> Vec<Fault> {
    let old = RENAMED.iter().filter(|(old, _)| source.has(old));
    old.map(|(old, new)| source.warning(old, "an old name, accepted for now", shown(new))).collect()
}
