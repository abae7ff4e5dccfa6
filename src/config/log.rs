//! `[log]`: the log's format and level. A wrong level never stops a service, which then logs at `info`.

use serde::Deserialize;

use super::Fault;
use super::source::Source;

/// The level without a valid setting.
const DEFAULT_LEVEL: &str = "info";
const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// `[log]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// The format of a line.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,siaga::server=debug`.
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Human, level: DEFAULT_LEVEL.to_owned() }
    }
}

/// The format of a line of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

impl Log {
    /// The configured level or filter, or `info` if it is invalid.
    pub fn filter(&self) -> &str {
        if is_filter(&self.level) { &self.level } else { DEFAULT_LEVEL }
    }
}

/// True for a level, and for a list of levels and `TARGET=LEVEL`. A word that is no level would be read as a target: nothing else is logged.
fn is_filter(text: &str) -> bool {
    let is_level = |word: &str| LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word));
    let is_directive = |part: &str| match part.rsplit_once('=') {
        Some((target, level)) => !target.is_empty() && (is_level(level) || level.eq_ignore_ascii_case("off")),
        None => is_level(part),
    };
    text.split(',').all(is_directive) && tracing_subscriber::EnvFilter::try_new(text).is_ok()
}

/// An error in `siaga check`, and a warning at a start.
pub(super) fn checked(source: &mut Source, log: &Log) -> Option<Fault> {
    if is_filter(&log.level) {
        return None;
    }
    let right = "\"error\", \"warn\", \"info\", \"debug\" or \"trace\"";
    if source.allows_optional_faults() {
        let wrong = format!("{:?} is not a level, {DEFAULT_LEVEL:?} is used", log.level);
        return Some(source.warning("log.level", wrong, right));
    }
    source.fault("log.level", format!("{:?} is not a level", log.level), right);
    None
}
