//! `[posture]`: the default duration of an operating mode, and the settings of a major incident.

use std::time::Duration;

use serde::Deserialize;

use crate::switchboard::PostureTerms;

use super::source::Source;

/// Bytes of a text to operators: with its header it fits a datagram (RFC 3428 §8).
const TEXT_MAX: usize = 700;

/// `[posture]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Section {
    hours: u32,
    incident_wrap_up_seconds: u64,
    incident_text: String,
}

impl Default for Section {
    fn default() -> Self {
        let incident_text = "Insiden besar: semua telepon berdering. Mohon kembali bertugas.".to_owned();
        Self { hours: 0, incident_wrap_up_seconds: 5, incident_text }
    }
}

/// `[posture]`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostureConfig {
    pub terms: PostureTerms,
    /// Upper limit of the wrap-up in a major incident.
    pub incident_wrap_up: Duration,
}

/// Checks `[posture]`.
pub(super) fn checked(source: &mut Source, section: &Section) -> PostureConfig {
    let Section { hours, incident_wrap_up_seconds, incident_text } = section;
    if *hours > 168 {
        source.fault("posture.hours", hours.to_string(), "0 to 168 hours, 0: no end");
    }
    if *incident_wrap_up_seconds > 3_600 {
        source.fault("posture.incident_wrap_up_seconds", incident_wrap_up_seconds.to_string(), "0 to 3600 seconds");
    }
    if incident_text.len() > TEXT_MAX || incident_text.chars().any(char::is_control) {
        let wrong = format!("a text of {} bytes, or of several lines", incident_text.len());
        source.fault("posture.incident_text", wrong, "one line of at most 700 bytes, \"\": no text");
    }
    PostureConfig {
        terms: PostureTerms { hours: *hours, incident_text: incident_text.clone() },
        incident_wrap_up: Duration::from_secs(*incident_wrap_up_seconds),
    }
}
