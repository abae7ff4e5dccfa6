//! `[guard]`: limits and bans.

use std::time::Duration;

use crate::sip::guard::{Scanners, Terms};
use crate::switchboard::GuardSettings;

use super::network;
use super::section;
use super::source::Source;

/// Checks `[guard]`.
pub(super) fn checked(source: &mut Source, section: &section::Guard) -> GuardSettings {
    for (i, name) in section.scanners.iter().enumerate() {
        if !(3..=64).contains(&name.len()) {
            let wrong = format!("{name:?} would match every name, or none");
            source.fault(&format!("guard.scanners[{i}]"), wrong, "3 to 64 characters, as in \"friendly-scanner\"");
        }
    }
    let mut within = |key: &str, value: u64, low: u64, high: u64| {
        if !(low..=high).contains(&value) {
            source.fault(&format!("guard.{key}"), value.to_string(), format!("{low} to {high}"));
        }
    };
    within("requests_per_second", section.requests_per_second.into(), 0, 100_000);
    within("burst", section.burst.into(), 1, 1_000_000);
    within("failures", section.failures.into(), 3, 10_000);
    within("ban_first_seconds", section.ban_first_seconds, 1, 86_400);
    within("ban_longest_seconds", section.ban_longest_seconds, section.ban_first_seconds.max(1), 86_400);
    GuardSettings {
        terms: Terms {
            requests_per_second: section.requests_per_second,
            burst: section.burst,
            failures: section.failures,
            ban_first: Duration::from_secs(section.ban_first_seconds),
            ban_longest: Duration::from_secs(section.ban_longest_seconds),
        },
        scanners: Scanners::with(&section.scanners),
        allow: network::networks(source, "guard.allow", &section.allow),
        ..GuardSettings::default()
    }
}
