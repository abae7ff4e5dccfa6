//! Service levels of the desks: the share of calls that must be answered within a target time.

use std::time::Duration;

use super::section::File;
use super::source::Source;

/// The name in reports and metrics of the desk without a name, `[queue]`.
pub const FIRST_DESK: &str = "queue";

/// One desk's service level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceLevel {
    /// Target time T; a wait of exactly T is within it.
    pub within: Duration,
    /// Target share of the calls that were answered or waited longer than a short abandon.
    pub percent: u8,
}

impl ServiceLevel {
    /// T in milliseconds.
    pub fn within_ms(self) -> u64 {
        u64::try_from(self.within.as_millis()).unwrap_or(u64::MAX)
    }
}

/// The service levels of all desks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Levels {
    /// The level for desks that are no longer configured.
    pub usual: ServiceLevel,
    /// By the desk's name in facts, which is empty for the first; in the order of the file.
    pub desks: Vec<(String, ServiceLevel)>,
}

impl Levels {
    /// The service level of a desk by its name.
    pub fn of(&self, desk: &str) -> ServiceLevel {
        self.desks.iter().find(|(name, _)| name == desk).map_or(self.usual, |(_, level)| *level)
    }

    /// The display name of a desk from its name in facts.
    pub fn shown(desk: &str) -> &str {
        if desk.is_empty() { FIRST_DESK } else { desk }
    }
}

/// Checks `service_level_seconds` and `service_level_percent` of each desk; `[report]` has the defaults.
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
