//! The local copy of what a start needs while the database does not respond: accounts and users, registrations, log-ins, breaks,
//! stations, flags of callers and the operating mode. It is next to the journal, and only its owner may read it, because it has password
//! hashes.
//!
//! The signalling loop writes changes to a file in memory and never waits for the disk. A thread appends them to one file on the disk.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tracing::{info, warn};

use crate::alarm::{Alarms, Kind};
use crate::cdr::fact::{Fact, FactKind};
use crate::cdr::personal::Number;
use crate::clock::Timestamp;
use crate::config::Config;
use crate::ids::OperatorId;
use crate::limits::{LOCAL_CHANGES_MAX, PAST_MARKS_MAX};
use crate::switchboard::{AccountState, Restored};

use super::RETRY_EVERY;
use super::accounts_copy::AccountsCopy;
use super::crash_copy::CrashCopy;
use super::local_keeper::{Change, Keeper, line};

/// The file is rewritten when it has more lines than this and more than twice the entries that it describes.
const LINES_MIN: usize = 4_096;

/// Maximum wait of accounts and reloads for the disk of the copy. A write that takes longer continues.
const WRITE_TIME: Duration = Duration::from_secs(2);

/// The folder of the copy.
#[derive(Clone, Debug)]
pub(super) struct LocalState {
    folder: PathBuf,
    accounts: Slow,
    roster: Slow,
}

impl LocalState {
    /// `journal` is the journal's folder.
    pub(super) fn beside(journal: &Path) -> Self {
        Self { folder: journal.join("local"), accounts: Slow::default(), roster: Slow::default() }
    }

    /// The accounts of the last run; None if there are none, or they cannot be read.
    pub(super) fn accounts(&self, alarms: &Alarms) -> Option<AccountsCopy> {
        alarms.watch(Kind::LocalState, "accounts", AccountsCopy::read(&self.accounts_file())).ok().flatten()
    }

    /// Copies the roster's files, which are valid now, for a start at which they are not. Returns false after an error, which raises an
    /// alarm.
    pub(super) async fn keep_roster(&self, config: &Config, alarms: &Alarms) -> bool {
        let (state, files) = (self.clone(), config.roster_copies());
        let keep = move || {
            for (file, copy) in files {
                state.replace(&copy, &fs::read(file)?)?;
            }
            Ok(())
        };
        alarms.watch(Kind::LocalState, "roster", self.roster.in_time(keep).await).is_ok()
    }

    /// Writes the accounts for the next start, and keeps the copy of another database. An error raises an alarm.
    pub(super) async fn keep_accounts(&self, copy: AccountsCopy, alarms: &Alarms) -> bool {
        let state = self.clone();
        let keep = move || {
            copy.keep_other(&state.accounts_file())?;
            state.replace(&state.accounts_file(), serde_json::to_string(&copy)?.as_bytes())
        };
        alarms.watch(Kind::LocalState, "accounts", self.accounts.in_time(keep).await).is_ok()
    }

    fn accounts_file(&self) -> PathBuf {
        self.folder.join("accounts.json")
    }

    fn changes_file(&self) -> PathBuf {
        self.folder.join("changes.jsonl")
    }

    /// The state of the last run, and a keeper that continues it. A line that cannot be read, such as the last one after a loss of power,
    /// is ignored.
    pub(super) fn open(self, alarms: &Alarms) -> io::Result<(Restored, Keeper, JoinHandle<()>)> {
        let mut table = Table::default();
        let text = read(&self.changes_file());
        let text = alarms.watch(Kind::LocalState, "registrations", text).ok().flatten().unwrap_or_default();
        // The file in memory has the latest changes.
        let (crash_copy, latest) = CrashCopy::open(&self.folder);
        let lines = text.lines().chain(latest.lines()).filter(|line| !line.is_empty());
        let unreadable = lines.filter(|line| serde_json::from_str(line).map(|one| table.take(one)).is_err()).count();
        if unreadable > 0 {
            warn!(lines = unreadable, "lines of the local copy of registrations cannot be read");
        }
        let restored = table.restored();
        let (changes, inbox) = sync_channel(LOCAL_CHANGES_MAX);
        let written = crash_copy.written();
        let thread = LocalStateThread {
            state: self,
            alarms: alarms.clone(),
            table,
            file: None,
            lines: 0,
            taken: 0,
            written,
            crash_file: crash_copy.path(),
            held: crash_copy.held(),
        };
        let thread = std::thread::Builder::new().name("local-state".to_owned()).spawn(move || thread.run(&inbox))?;
        Ok((restored, Keeper::new(changes, crash_copy, alarms.clone()), thread))
    }

    /// Writes a file that only its owner may read, completely or not at all.
    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let new = unfinished(path);
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, path)
    }
}

/// Work on a disk that may hang. It runs on a separate thread, and no part of the service waits for it longer than `WRITE_TIME`.
#[derive(Clone, Debug, Default)]
struct Slow {
    /// True while the work has not ended.
    busy: Arc<AtomicBool>,
}

impl Slow {
    /// Does the work. Also fails if it takes too long, or while an earlier work has not ended.
    async fn in_time<T, F>(&self, work: F) -> io::Result<T>
    where
        T: Send + 'static,
        F: FnOnce() -> io::Result<T> + Send + 'static,
    {
        let late = || io::Error::new(io::ErrorKind::TimedOut, "the disk does not respond");
        if self.busy.swap(true, Ordering::AcqRel) {
            return Err(late());
        }
        let busy = Arc::clone(&self.busy);
        let task = tokio::task::spawn_blocking(move || {
            let done = work();
            busy.store(false, Ordering::Release);
            done
        });
        match tokio::time::timeout(WRITE_TIME, task).await {
            Ok(done) => done.unwrap_or_else(|error| Err(io::Error::other(error))),
            Err(_) => Err(late()),
        }
    }
}

/// The temporary path of a file that will replace `path`. It differs for each file of the folder, because two threads may write at once.
fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

/// None if the file is missing.
fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The state after all changes.
#[derive(Debug, Default)]
struct Table {
    account_states: BTreeMap<OperatorId, AccountState>,
    flags: BTreeMap<String, Fact>,
    mode: Option<Fact>,
}

impl Table {
    fn take(&mut self, change: Change) {
        match change {
            Change::Presence(account_state) if account_state.is_empty() => {
                self.account_states.remove(&account_state.account);
            }
            Change::Presence(account_state) => {
                self.account_states.insert(account_state.account.clone(), account_state);
            }
            Change::Forget(number) => self.flags.retain(|known, _| !number.is_in(known)),
            Change::Term(fact) => {
                // A removed flag is kept too, because the database may still have it.
                if let FactKind::CallerMarked { number, .. } = &fact.kind {
                    self.flags.insert(number.clone(), fact);
                    self.drop_oldest_flag();
                } else {
                    self.mode = Some(fact);
                }
            }
        }
    }

    fn drop_oldest_flag(&mut self) {
        if self.flags.len() > PAST_MARKS_MAX
            && let Some(oldest) = self.flags.iter().min_by_key(|(_, fact)| fact.at).map(|(number, _)| number.clone())
        {
            self.flags.remove(&oldest);
        }
    }

    fn len(&self) -> usize {
        self.account_states.len() + self.flags.len() + usize::from(self.mode.is_some())
    }

    fn restored(&self) -> Restored {
        let mut terms: Vec<Fact> = self.flags.values().chain(&self.mode).cloned().collect();
        terms.sort_by_key(|fact| fact.at);
        Restored { account_states: self.account_states.values().cloned().collect(), terms }
    }

    fn changes(&self) -> impl Iterator<Item = Change> {
        let account_states = self.account_states.values().cloned().map(Change::Presence);
        account_states.chain(self.flags.values().chain(&self.mode).cloned().map(Change::Term))
    }
}

/// Writes the file of changes.
struct LocalStateThread {
    state: LocalState,
    alarms: Alarms,
    table: Table,
    /// None: it is rewritten with the next change, or at the next retry.
    file: Option<File>,
    lines: usize,
    /// The numbers of changes that were received and that are on the disk.
    taken: u64,
    written: Arc<AtomicU64>,
    crash_file: Option<PathBuf>,
    /// True if the file in memory has changes that were never received.
    held: Arc<AtomicBool>,
}

impl LocalStateThread {
    fn run(mut self, inbox: &Receiver<Change>) {
        let mut behind = true;
        loop {
            match inbox.recv_timeout(RETRY_EVERY) {
                Ok(change) => {
                    let mut changes = vec![change];
                    changes.extend(inbox.try_iter().take(LINES_MIN));
                    behind = !self.write(changes);
                }
                Err(RecvTimeoutError::Timeout) if behind => behind = !self.write(Vec::new()),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    // After an orderly end all changes are on the disk, and no file stays in memory.
                    if (!behind || self.write(Vec::new()))
                        && !self.held.load(Ordering::Acquire)
                        && let Some(file) = &self.crash_file
                        && let Err(fault) = fs::remove_file(file)
                    {
                        warn!(%fault, "the file of registrations in memory cannot be removed");
                    }
                    return;
                }
            }
        }
    }

    fn write(&mut self, changes: Vec<Change>) -> bool {
        self.taken += u64::try_from(changes.len()).unwrap_or(u64::MAX);
        let written = self.try_write(changes);
        match &written {
            Ok(()) => self.written.store(self.taken, Ordering::Release),
            Err(_) => self.file = None,
        }
        self.alarms.watch(Kind::LocalState, "registrations", written).is_ok()
    }

    fn try_write(&mut self, changes: Vec<Change>) -> io::Result<()> {
        let mut text = Vec::new();
        let mut is_old = false;
        for change in changes {
            if matches!(change, Change::Forget(_)) {
                is_old = true;
            } else {
                line(&mut text, &change)?;
            }
            self.lines += 1;
            self.table.take(change);
        }
        let long = is_old || self.lines > LINES_MIN.max(self.table.len() * 2);
        match &mut self.file {
            Some(file) if !long => file.write_all(&text),
            Some(_) | None => self.rewrite(),
        }
    }

    fn rewrite(&mut self) -> io::Result<()> {
        self.file = None;
        let mut text = Vec::new();
        for change in self.table.changes() {
            line(&mut text, &change)?;
        }
        let path = self.state.changes_file();
        self.state.replace(&path, &text)?;
        self.file = Some(OpenOptions::new().append(true).open(&path)?);
        self.lines = self.table.len();
        Ok(())
    }
}

/// Removes a number from the copy beside a journal, while no service uses it.
pub fn forget_number(journal_dir: &Path, number: &Number) -> io::Result<()> {
    let (_, mut keeper, thread) = LocalState::beside(journal_dir).open(&Alarms::default())?;
    keeper.forget(number);
    drop(keeper);
    thread.join().map_err(|_| io::Error::other("the local copy cannot be written"))
}

/// Logs the age of the copy that a start uses.
pub(super) fn tell_age(copy: &AccountsCopy, now: Timestamp) {
    let age = Duration::from_millis(now.millis_since(copy.read_at)).as_secs();
    info!(
        operators = copy.operators.len(),
        age_seconds = age,
        "the accounts of the local copy are used until the database is read"
    );
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn account_state(name: &str, reason: Option<&str>) -> AccountState {
        AccountState {
            account: OperatorId::parse(name).unwrap(),
            at: Timestamp::from_millis(1),
            bindings: Vec::new(),
            logged_in: true,
            paused: reason.map(str::to_owned),
            station_operator: None,
        }
    }

    fn run(folder: &Path, changes: &[AccountState]) -> Restored {
        let alarms = Alarms::default();
        let (restored, mut keeper, thread) = LocalState::beside(folder).open(&alarms).unwrap();
        changes.iter().for_each(|one| keeper.account_state(one.clone()));
        drop(keeper);
        thread.join().unwrap();
        assert_eq!(alarms.lines(), Vec::<String>::new());
        restored
    }

    #[tokio::test]
    async fn the_last_change_of_each_account_survives_and_only_the_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(
            run(folder.path(), &[account_state("budi", None), account_state("sari", None)]),
            Restored::default()
        );
        let gone = AccountState { logged_in: false, ..account_state("sari", None) };
        run(folder.path(), &[account_state("budi", Some("meal")), gone]);
        assert_eq!(run(folder.path(), &[]).account_states, [account_state("budi", Some("meal"))]);
        let local = folder.path().join("local");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&local), mode(&local.join("changes.jsonl"))), (0o700, 0o600));
        let copy =
            AccountsCopy { read_at: Timestamp::from_millis(5), mark: 1, operators: Vec::new(), users: Vec::new() };
        assert!(LocalState::beside(folder.path()).keep_accounts(copy, &Alarms::default()).await);
        assert_eq!(mode(&local.join("accounts.json")), 0o600);
    }

    #[test]
    fn no_two_files_of_the_folder_are_written_under_one_name() {
        let files = ["changes.jsonl", "changes.csv", "roster.csv", "decrees.csv", "accounts.json"];
        let names: std::collections::BTreeSet<_> = files.iter().map(|file| unfinished(Path::new(file))).collect();
        assert_eq!(names.len(), files.len(), "{names:?}");
    }

    #[test]
    fn a_torn_line_costs_only_itself() {
        let folder = tempfile::tempdir().unwrap();
        run(folder.path(), &[account_state("budi", None)]);
        let file = folder.path().join("local/changes.jsonl");
        let mut text = fs::read_to_string(&file).unwrap();
        text.push_str("{\"presence\":{\"account\":\"sa");
        fs::write(&file, text).unwrap();
        assert_eq!(run(folder.path(), &[]).account_states, [account_state("budi", None)]);
    }

    #[test]
    fn an_orderly_end_while_changes_wait_in_memory_loses_none() {
        let folder = tempfile::tempdir().unwrap();
        let (alarms, state) = (Alarms::default(), LocalState::beside(folder.path()));
        // The queue to the disk's thread holds one change.
        let (changes, inbox) = sync_channel(1);
        let (crash_copy, _) = CrashCopy::open(&state.folder);
        let (file, held, written) = (crash_copy.path().unwrap(), crash_copy.held(), crash_copy.written());
        let crash_file = Some(file.clone());
        let mut keeper = Keeper::new(changes, crash_copy, alarms.clone());
        ["budi", "sari", "tono"].into_iter().for_each(|name| keeper.account_state(account_state(name, None)));
        drop(keeper);
        let table = Table::default();
        let (lines, taken) = (0, 0);
        LocalStateThread { state, alarms, table, file: None, lines, taken, written, crash_file, held }.run(&inbox);
        let names = |restored: Restored| -> Vec<String> {
            restored.account_states.iter().map(|one| one.account.as_str().to_owned()).collect()
        };
        assert_eq!(names(run(folder.path(), &[])), ["budi", "sari", "tono"], "two of them are in memory only");
        assert!(!file.exists(), "the next orderly end has written all of them to the disk");
        assert_eq!(names(run(folder.path(), &[])).len(), 3);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_an_alarm_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("local"), "a file is in the way").unwrap();
        let alarms = Alarms::default();
        let (_, mut keeper, thread) = LocalState::beside(folder.path()).open(&alarms).unwrap();
        keeper.account_state(account_state("budi", None));
        drop(keeper);
        thread.join().unwrap();
        assert!(alarms.is_raised(Kind::LocalState), "{:?}", alarms.lines());
    }
}
