//! What the desks promise: so many per cent of their calls answered within so long.

use std::time::Duration;

use super::section::File;
use super::source::Source;

/// How reports and metrics call the desk without a name, `[queue]`.
pub const FIRST_DESK: &str = "queue";

/// One desk's promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceLevel {
    /// T: a wait of exactly T is within.
    pub within: Duration,
    /// Of those who were answered or waited for more than a short abandon.
    pub percent: u8,
}

impl ServiceLevel {
    /// T in milliseconds.
    pub fn within_ms(self) -> u64 {
        u64::try_from(self.within.as_millis()).unwrap_or(u64::MAX)
    }
}

/// The promises of all desks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Levels {
    /// Of desks that are no longer configured.
    pub usual: ServiceLevel,
    /// By the desk's name as facts have it, the first is empty; in the order of the file.
    pub desks: Vec<(String, ServiceLevel)>,
}

impl Levels {
    /// The promise of a desk by its name.
    pub fn of(&self, desk: &str) -> ServiceLevel {
        self.desks.iter().find(|(name, _)| name == desk).map_or(self.usual, |(_, level)| *level)
    }

    /// The word for a desk that is called so in facts.
    pub fn shown(desk: &str) -> &str {
        if desk.is_empty() { FIRST_DESK } else { desk }
    }
}

/// Checks `service_level_seconds` and `service_level_percent` of each desk; `[report]` has what a desk does not say.
pub(super) fn checked(source: &mut Source, file: &File) -> Levels {
    let report = &file.report;
    let mut level = |at: &str, seconds: Option<u64>, percent: Option<u8>| {
        let (seconds, percent) =
            (seconds.unwrap_or(report.service_level_seconds), percent.unwrap_or(report.service_level_percent));
        if seconds > 3_600 {
            source.fault(&format!("{at}.service_level_seconds"), seconds.to_string(), "0 to 3600 seconds");
        }
        if !(1..=100).contains(&percent) {
            source.fault(&format!("{at}.service_level_percent"), percent.to_string(), "1 to 100 per cent");
        }
        ServiceLevel { within: Duration::from_secs(seconds), percent }
    };
    let usual = level("report", None, None);
    let own = |seconds: Option<u64>, percent: Option<u8>| seconds.is_some() || percent.is_some();
    let mut of = |at: &str, seconds, percent| if own(seconds, percent) { level(at, seconds, percent) } else { usual };
    let mut desks =
        vec![(String::new(), of("queue", file.queue.service_level_seconds, file.queue.service_level_percent))];
    for (i, desk) in file.desk.iter().enumerate() {
        let level = of(&format!("desk[{i}]"), desk.service_level_seconds, desk.service_level_percent);
        desks.push((desk.name.clone(), level));
    }
    Levels { usual, desks }
}
