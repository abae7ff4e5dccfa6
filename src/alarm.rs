//! Alarms: errors that a person must correct. Any part of the service may raise an alarm; the service continues. Until its cause is gone,
//! an alarm is logged as WARN at once and hourly, sets the gauge `siaga_alarm{kind}` and adds a line to the body of `/health/ready`.
//!
//! This module owns the table of alarms; it must not depend on the parts that raise them.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::{info, warn};

use crate::limits::ALARMS_MAX;

/// The part that has the error: the label of the gauge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The service cannot listen on a SIP address.
    Listener,
    /// The TLS certificates cannot be used.
    Certificates,
    /// A trunk does not respond, or its registration fails.
    Trunk,
    /// Operators' accounts cannot be read.
    Accounts,
    /// The local copies of accounts and registrations cannot be read or written.
    LocalState,
    /// The roster's files cannot be used.
    Roster,
    /// The configuration that was read last has errors: an earlier one is in use.
    Configuration,
    /// Facts cannot be written to the journal's disk, or its stored segments cannot be removed.
    Journal,
    /// Records cannot be written to the database.
    Database,
    /// Some calls cannot be stored in the database, or the journal has damaged segments.
    Records,
    /// Recordings cannot be written.
    Recordings,
    /// The announcements cannot be played.
    Prompts,
    /// RTP ports cannot be opened.
    Media,
    /// Callers wait without an RTP port, or no port is left to ring a ready operator.
    Ports,
    /// The console's address or token cannot be used.
    Console,
    /// A conversation lasts unusually long.
    LongCall,
    /// The password of an account is being guessed.
    Password,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 17] = [
        Self::Listener,
        Self::Certificates,
        Self::Trunk,
        Self::Accounts,
        Self::LocalState,
        Self::Roster,
        Self::Configuration,
        Self::Journal,
        Self::Database,
        Self::Records,
        Self::Recordings,
        Self::Prompts,
        Self::Media,
        Self::Ports,
        Self::Console,
        Self::LongCall,
        Self::Password,
    ];

    /// The word in metrics, log and `/health/ready`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Listener => "listener",
            Self::Certificates => "certificates",
            Self::Trunk => "trunk",
            Self::Accounts => "accounts",
            Self::LocalState => "local-state",
            Self::Roster => "roster",
            Self::Configuration => "configuration",
            Self::Journal => "journal",
            Self::Database => "database",
            Self::Records => "records",
            Self::Recordings => "recordings",
            Self::Prompts => "prompts",
            Self::Media => "media",
            Self::Ports => "ports",
            Self::Console => "console",
            Self::LongCall => "long-call",
            Self::Password => "password",
        }
    }
}

/// The current alarms. Clones share the table; every method may be called from any thread and does not wait for I/O.
#[derive(Clone, Debug, Default)]
pub struct Alarms(Arc<Mutex<Table>>);

/// The reason by kind and subject (a trunk's name, a listener's address; empty if the part exists once).
type Table = BTreeMap<(Kind, String), String>;

impl Alarms {
    /// Raises an alarm and logs one WARN. While it is raised, another reason only replaces the text.
    pub fn raise(&self, kind: Kind, subject: &str, why: impl Display) {
        let why = why.to_string();
        let new = {
            let mut table = self.table();
            let full = table.len() >= ALARMS_MAX;
            let key = (kind, subject.to_owned());
            match table.get_mut(&key) {
                Some(known) => {
                    known.clone_from(&why);
                    false
                }
                // If the table is full, the alarm is logged each time and not listed.
                None if full => true,
                None => table.insert(key, why.clone()).is_none(),
            }
        };
        if new {
            warn!(alarm = kind.word(), subject, why, "alarm");
        }
    }

    /// Ends an alarm if it is raised, and logs one line at INFO.
    pub fn clear(&self, kind: Kind, subject: &str) {
        if self.table().remove(&(kind, subject.to_owned())).is_some() {
            info!(alarm = kind.word(), subject, "the alarm has ended");
        }
    }

    /// Raises an alarm on an error and ends it on a success; returns `result`.
    pub fn watch<T, E: Display>(&self, kind: Kind, subject: &str, result: Result<T, E>) -> Result<T, E> {
        match &result {
            Ok(_) => self.clear(kind, subject),
            Err(fault) => self.raise(kind, subject, format!("{fault:#}")),
        }
        result
    }

    /// Logs every current alarm again. The service calls this once an hour.
    pub fn remind(&self) {
        let raised = self.table().clone();
        for ((kind, subject), why) in raised {
            warn!(alarm = kind.word(), subject, why, "the alarm is still raised");
        }
    }

    /// True while an alarm of this kind is raised.
    pub fn is_raised(&self, kind: Kind) -> bool {
        self.table().range((kind, String::new())..).next().is_some_and(|((first, _), _)| *first == kind)
    }

    /// One line for each alarm: `kind subject: why`.
    pub fn lines(&self) -> Vec<String> {
        let line = |((kind, subject), why): (&(Kind, String), &String)| match subject.as_str() {
            "" => format!("{}: {why}", kind.word()),
            subject => format!("{} {subject}: {why}", kind.word()),
        };
        self.table().iter().map(line).collect()
    }

    /// If another thread panics while it has the table, the table is still consistent: each change is one call.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_is_listed_from_its_first_error_until_the_cause_is_gone() {
        let alarms = Alarms::default();
        assert!(alarms.watch(Kind::Database, "", Err::<(), _>("it is locked")).is_err());
        alarms.raise(Kind::Database, "", "it is full");
        alarms.raise(Kind::Listener, "UDP:10.0.0.1:5060", "address in use");
        assert!(alarms.is_raised(Kind::Database) && alarms.is_raised(Kind::Listener) && !alarms.is_raised(Kind::Trunk));
        assert_eq!(alarms.lines(), ["listener UDP:10.0.0.1:5060: address in use", "database: it is full"]);
        assert!(alarms.watch(Kind::Database, "", Ok::<_, &str>(())).is_ok());
        assert!(!alarms.is_raised(Kind::Database) && alarms.is_raised(Kind::Listener));
    }

    #[test]
    fn two_subjects_of_one_kind_end_one_by_one() {
        let alarms = Alarms::default();
        for trunk in ["a", "b"] {
            alarms.raise(Kind::Trunk, trunk, "no response");
        }
        alarms.clear(Kind::Trunk, "a");
        assert!(alarms.is_raised(Kind::Trunk));
        alarms.clear(Kind::Trunk, "b");
        assert!(!alarms.is_raised(Kind::Trunk));
    }

    #[test]
    fn a_full_table_keeps_the_alarms_that_it_has() {
        let alarms = Alarms::default();
        for call in 0..=ALARMS_MAX {
            alarms.raise(Kind::LongCall, &call.to_string(), "six hours");
        }
        assert_eq!(alarms.lines().len(), ALARMS_MAX);
    }

    #[test]
    fn every_kind_has_a_word_of_its_own() {
        let words: std::collections::BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.word()).collect();
        assert_eq!(words.len(), Kind::ALL.len());
    }
}
