//! The signalling loop's side of the local copy. It writes each change to a file in memory, sends it to the thread that writes the disk,
//! and never waits for either.

use serde::Deserialize;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::{SyncSender, TrySendError};

use crate::alarm::{Alarms, Kind};
use crate::cdr::fact::{Fact, FactKind};
use crate::cdr::personal::Number;
use crate::ids::OperatorId;
use crate::switchboard::AccountState;

use super::crash_copy::CrashCopy;

/// The loop's side of the copy.
#[derive(Debug)]
pub(super) struct Keeper {
    changes: SyncSender<Change>,
    crash_copy: CrashCopy,
    /// Changes that did not fit into the queue to the disk's thread: the last one of each account or number.
    waiting: Waiting,
    line: Vec<u8>,
    alarms: Alarms,
}

impl Keeper {
    pub(super) const fn new(changes: SyncSender<Change>, crash_copy: CrashCopy, alarms: Alarms) -> Self {
        Self { changes, crash_copy, waiting: Waiting::new(), line: Vec::new(), alarms }
    }

    pub(super) fn account_state(&mut self, account_state: AccountState) {
        self.keep(Change::Presence(account_state));
    }

    /// Stores a fact that sets a flag or the operating mode.
    pub(super) fn fact(&mut self, fact: &Fact) {
        if matches!(fact.kind, FactKind::CallerMarked { .. } | FactKind::ModeSet { .. }) {
            self.keep(Change::Term(fact.clone()));
        }
    }

    /// Removes a number from the copy, in every form in which it is stored.
    pub(super) fn forget(&mut self, number: &Number) {
        self.waiting.forget(number);
        self.crash_copy.renew();
        self.send(Change::Forget(number.clone()));
    }

    fn keep(&mut self, change: Change) {
        self.line.clear();
        if line(&mut self.line, &change).is_ok() {
            self.crash_copy.append(&self.line);
        }
        if self.waiting.is_empty() {
            self.send(change);
        } else {
            self.waiting.put(change);
            self.send_waiting();
        }
    }

    /// Sends a change to the disk's thread. If the queue is full, the change waits here, and its file in memory stays.
    fn send(&mut self, change: Change) -> bool {
        match self.changes.try_send(change) {
            Ok(()) => {
                self.crash_copy.handed();
                true
            }
            Err(TrySendError::Full(change) | TrySendError::Disconnected(change)) => {
                if self.waiting.is_empty() {
                    self.crash_copy.hold(true);
                    self.alarms.raise(Kind::LocalState, "queue", "the disk is too slow: changes wait in memory");
                }
                self.waiting.put(change);
                false
            }
        }
    }

    /// Sends waiting changes, until the queue is full.
    pub(super) fn send_waiting(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        while let Some(change) = self.waiting.take_first() {
            if !self.send(change) {
                return;
            }
        }
        self.crash_copy.hold(false);
        self.alarms.clear(Kind::LocalState, "queue");
    }
}

/// Changes in the order in which their subjects were first changed. A later change of a subject replaces the earlier one.
#[derive(Debug)]
struct Waiting {
    changes: BTreeMap<u64, Change>,
    numbers: BTreeMap<Subject, u64>,
    last: u64,
}

impl Waiting {
    const fn new() -> Self {
        Self { changes: BTreeMap::new(), numbers: BTreeMap::new(), last: 0 }
    }

    fn put(&mut self, change: Change) {
        self.last += 1;
        let number = *self.numbers.entry(change.subject()).or_insert(self.last);
        self.changes.insert(number, change);
    }

    fn forget(&mut self, number: &Number) {
        self.changes.retain(|_, change| !change.is_about(number));
        self.numbers.retain(|subject, _| !matches!(subject, Subject::Number(known) if number.is_in(known)));
    }

    fn take_first(&mut self) -> Option<Change> {
        let (_, change) = self.changes.pop_first()?;
        self.numbers.remove(&change.subject());
        Some(change)
    }

    fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

impl Change {
    fn is_about(&self, number: &Number) -> bool {
        match self {
            Self::Term(Fact { kind: FactKind::CallerMarked { number: known, .. }, .. }) => number.is_in(known),
            Self::Term(_) | Self::Presence(_) | Self::Forget(_) => false,
        }
    }

    fn subject(&self) -> Subject {
        match self {
            Self::Presence(account_state) => Subject::Account(account_state.account.clone()),
            Self::Forget(_) => Subject::Erasure,
            Self::Term(fact) => {
                // A fact that flags no caller sets the operating mode: `Keeper::fact` keeps no other kind.
                if let FactKind::CallerMarked { number, .. } = &fact.kind {
                    Subject::Number(number.clone())
                } else {
                    Subject::Mode
                }
            }
        }
    }
}

/// The subject of a change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Account(OperatorId),
    Number(String),
    Mode,
    Erasure,
}

/// One change. Only the last change of each account or number, and the last operating mode, are valid.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Change {
    Presence(AccountState),
    Term(Fact),
    /// This number is removed. It is never written.
    #[serde(skip)]
    Forget(Number),
}

pub(super) fn line(text: &mut Vec<u8>, change: &Change) -> io::Result<()> {
    serde_json::to_writer(&mut *text, change)?;
    text.push(b'\n');
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::atomic::Ordering;
    use std::sync::mpsc::sync_channel;

    use super::*;
    use crate::clock::Timestamp;

    fn account_state(name: &str) -> AccountState {
        AccountState {
            account: OperatorId::parse(name).unwrap(),
            at: Timestamp::from_millis(1),
            bindings: Vec::new(),
            logged_in: true,
            paused: None,
            station_operator: None,
        }
    }

    #[test]
    fn a_change_that_finds_no_room_stays_in_memory_and_is_written_as_soon_as_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let alarms = Alarms::default();
        let (changes, inbox) = sync_channel(1);
        let (crash_copy, _) = CrashCopy::open(folder.path());
        let (written, held) = (crash_copy.written(), crash_copy.held());
        let file = crash_copy.path().unwrap();
        let mut keeper = Keeper::new(changes, crash_copy, alarms.clone());
        let accounts = ["budi", "sari", "sari", "tono"];
        accounts.iter().for_each(|name| keeper.account_state(account_state(name)));
        assert!(held.load(Ordering::Acquire) && !alarms.lines().is_empty());
        // The disk has what it received; a long file is emptied only if nothing waits for it.
        written.store(1, Ordering::Release);
        for _ in 0..8_000 {
            keeper.account_state(account_state("tono"));
        }
        assert!(fs::read_to_string(&file).unwrap().contains("sari"), "only this file has the change");
        let account = |change: Change| match change {
            Change::Presence(account_state) => account_state.account.as_str().to_owned(),
            Change::Term(_) | Change::Forget(_) => String::new(),
        };
        let mut received: Vec<String> = inbox.try_iter().map(account).collect();
        // No further change comes.
        for _ in 0..5 {
            keeper.send_waiting();
            received.extend(inbox.try_iter().map(account));
        }
        received.sort_unstable();
        received.dedup();
        assert_eq!(received, ["budi", "sari", "tono"]);
        assert!(!held.load(Ordering::Acquire));
        assert_eq!(alarms.lines(), Vec::<String>::new());
        fs::remove_file(file).unwrap();
    }
}
