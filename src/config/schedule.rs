//! `[[report.schedule]]`: reports that are written to a folder or sent by e-mail at fixed times.

use std::collections::BTreeSet;
use std::path::PathBuf;

use jiff::civil::Time;
use lettre::Address;
use serde::Deserialize;

use crate::limits::{RECIPIENTS_MAX, SCHEDULES_MAX};

use super::source::Source;

const NAME_MAX: usize = 40;
/// A month of each year has this day.
const MONTH_DAYS: i8 = 28;

/// A report that can be scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduledReport {
    Summary,
    Calls,
    Abandoned,
    Ministry,
}

impl ScheduledReport {
    pub fn word(self) -> &'static str {
        match self {
            Self::Summary => "summary",
            Self::Calls => "calls",
            Self::Abandoned => "abandoned",
            Self::Ministry => "ministry",
        }
    }

    /// True if the report has only figures: no numbers of callers, and no single calls.
    pub fn has_figures_only(self) -> bool {
        match self {
            Self::Summary | Self::Ministry => true,
            Self::Calls | Self::Abandoned => false,
        }
    }
}

/// The format of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileFormat {
    Csv,
    Json,
    Xlsx,
    Parquet,
    /// Only the monthly report.
    Pdf,
}

impl FileFormat {
    /// The end of the file's name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Xlsx => "xlsx",
            Self::Parquet => "parquet",
            Self::Pdf => "pdf",
        }
    }
}

/// How often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Every {
    /// About the day before.
    Day,
    /// About the seven days before.
    Week,
    /// About the month before.
    Month,
}

/// Where a report goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// An existing folder.
    Folder(PathBuf),
    /// Addresses; each gets an e-mail of its own.
    Mail(Vec<String>),
}

/// `[[report.schedule]]` as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    name: String,
    report: ScheduledReport,
    format: FileFormat,
    every: Every,
    at: String,
    day: Option<i8>,
    pub(super) folder: Option<String>,
    mail: Option<Vec<String>>,
}

/// `[[report.schedule]]`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    pub name: String,
    pub report: ScheduledReport,
    pub format: FileFormat,
    pub every: Every,
    pub at: Time,
    /// A day of the week from 1 (Monday) to 7, or a day of the month.
    pub day: i8,
    pub target: Target,
}

/// Checks all of them. `has_smtp`: e-mails can be sent.
pub(super) fn checked(source: &mut Source, sections: Vec<Section>, has_smtp: bool) -> Vec<Schedule> {
    if sections.len() > SCHEDULES_MAX {
        source.fault("report.schedule", format!("{} schedules", sections.len()), format!("at most {SCHEDULES_MAX}"));
        return Vec::new();
    }
    let mut names = BTreeSet::new();
    let mut schedules = Vec::new();
    for (no, section) in sections.into_iter().enumerate() {
        let key = format!("report.schedule[{no}]");
        if !names.insert(section.name.clone()) {
            let right = "a name of its own for each schedule";
            source.fault(&format!("{key}.name"), format!("another schedule has the name {:?}", section.name), right);
        }
        schedules.extend(section.checked(source, &key, has_smtp));
    }
    schedules
}

impl Section {
    fn checked(self, source: &mut Source, key: &str, has_smtp: bool) -> Option<Schedule> {
        let of = |part: &str| format!("{key}.{part}");
        let is_name = |name: &str| {
            let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(is_plain)
        };
        if !is_name(&self.name) {
            let right = "1 to 40 of the characters a to z, 0 to 9 and -: the name of the file begins with it";
            source.fault(&of("name"), format!("{:?}", self.name), right);
        }
        if self.format == FileFormat::Pdf && self.report != ScheduledReport::Ministry {
            let wrong = format!("the report {} does not exist as PDF", self.report.word());
            source.fault(&of("format"), wrong, "\"csv\", \"json\", \"xlsx\" or \"parquet\", or report = \"ministry\"");
        }
        if self.report == ScheduledReport::Ministry && self.every != Every::Month {
            source.fault(&of("every"), "the report ministry is about a month", "\"month\"");
        }
        let at = of_day(&self.at);
        if at.is_none() {
            source.fault(&of("at"), format!("{:?} is not a time of day", self.at), "\"06:00\"");
        }
        let day = self.day(source, &of("day"));
        let target = self.target(source, key, has_smtp);
        let (report, format, every) = (self.report, self.format, self.every);
        Some(Schedule { name: self.name, report, format, every, at: at?, day, target: target? })
    }

    fn day(&self, source: &mut Source, key: &str) -> i8 {
        let last = match self.every {
            Every::Day => {
                if self.day.is_some() {
                    source.fault(key, "every is \"day\"", "no day, or every = \"week\" or \"month\"");
                }
                return 1;
            }
            Every::Week => 7,
            Every::Month => MONTH_DAYS,
        };
        let day = self.day.unwrap_or(1);
        if !(1..=last).contains(&day) {
            let right = match self.every {
                Every::Day | Every::Week => "1 (Monday) to 7 (Sunday)",
                Every::Month => "1 to 28",
            };
            source.fault(key, day.to_string(), right);
        }
        day
    }

    fn target(&self, source: &mut Source, key: &str, has_smtp: bool) -> Option<Target> {
        let of = |part: &str| format!("{key}.{part}");
        match (&self.folder, &self.mail) {
            (Some(folder), None) => Some(Target::Folder(PathBuf::from(folder))),
            (None, Some(mail)) => {
                if !self.report.has_figures_only() {
                    let wrong = format!(
                        "the report {} has numbers of callers, which are not sent by e-mail",
                        self.report.word()
                    );
                    source.fault(&of("mail"), wrong, "folder, or report = \"summary\" or \"ministry\"");
                }
                if !has_smtp {
                    source.fault(&of("mail"), "there is no server for e-mails", "a section [report.smtp]");
                }
                if !(1..=RECIPIENTS_MAX).contains(&mail.len()) {
                    let right = format!("1 to {RECIPIENTS_MAX} addresses");
                    source.fault(&of("mail"), format!("{} addresses", mail.len()), right);
                }
                let wrong = mail.iter().find(|address| address.parse::<Address>().is_err());
                if let Some(wrong) = wrong {
                    source.fault(&of("mail"), format!("{wrong:?} is not an address"), "[\"NAME@DOMAIN\", …]");
                }
                Some(Target::Mail(mail.clone()))
            }
            (None, None) | (Some(_), Some(_)) => {
                let right = "folder = \"PATH\", or mail = [\"NAME@DOMAIN\", …]";
                source.fault(&of("folder"), "the schedule does not have exactly one of folder and mail", right);
                None
            }
        }
    }
}

/// Reads `06:00`.
fn of_day(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let part = |text: &str| (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?;
    Time::new(part(hour)?, part(minute)?, 0, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::of_day;

    #[test]
    fn times_of_day_have_two_digits_twice() {
        assert_eq!(of_day("06:30").unwrap().to_string(), "06:30:00");
        for wrong in ["", "6:00", "06:0", "24:00", "06:60", "06:00:00", "+6:00", "06-00"] {
            assert_eq!(of_day(wrong), None, "{wrong}");
        }
    }
}
