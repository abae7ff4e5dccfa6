//! Polls the database for accounts of operators and users of the console, because another process changes them.

use std::collections::BTreeSet;
use std::time::Duration;

use tracing::{info, warn};

use crate::alarm::{Alarms, Kind};
use crate::config::Config;
use crate::ids::OperatorId;
use crate::sip::digest::Ha1;
use crate::store::console_users::ConsoleUserRow;
use crate::store::operators::OperatorRow;
use crate::store::{Store, StoreError};
use crate::switchboard::{Account, Pin, StationLogin};

use super::accounts_copy::AccountsCopy;
use super::clock::Clock;
use super::local_state::{self, LocalState};
use super::users::Users;

/// Interval between two checks.
const POLL: Duration = Duration::from_secs(2);
/// The interval while no account is known.
const POLL_FIRST: Duration = Duration::from_millis(250);
/// Maximum duration of one check.
const PATIENCE: Duration = Duration::from_secs(10);

/// Checks between two attempts to write the local copy.
const COPY_LOOKS: u32 = 5;

/// The result of a check.
enum Found {
    Same,
    Changed(Vec<OperatorRow>, Vec<ConsoleUserRow>),
    /// The database has no accounts, and none was removed: it is new, or another one. With its number of changes.
    Emptied(i64),
}

/// Reads the accounts after a change.
#[derive(Clone, Debug)]
pub(super) struct Accounts {
    url: String,
    domain: String,
    /// The supervisors of the configuration.
    supervisors: BTreeSet<OperatorId>,
    local: LocalState,
    alarms: Alarms,
    clock: Clock,
    /// Maximum duration of one check.
    patience: Duration,
    store: Option<Store>,
    mark: Option<i64>,
    /// Change counter and number of the accounts in use, from the database or the local copy.
    used: (i64, usize),
    /// Checks until the accounts are read again because their copy could not be written.
    until_copy: Option<u32>,
    /// True once accounts were read, from the database or its copy.
    known: bool,
    /// Failed attempts in a row.
    failures: u32,
}

impl Accounts {
    /// `domain` is the realm for which the passwords must have been set.
    pub(super) fn new(config: &Config, local: LocalState, alarms: &Alarms, clock: Clock) -> Self {
        Self {
            url: config.store_url.clone(),
            domain: config.sip.domain.clone(),
            supervisors: config.supervisors.clone(),
            local,
            alarms: alarms.clone(),
            clock,
            patience: PATIENCE,
            store: None,
            mark: None,
            used: (0, 0),
            until_copy: None,
            known: false,
            failures: 0,
        }
    }

    /// The accounts and users of the last run; None without a copy.
    pub(super) fn of_last_run(&mut self) -> Option<(Vec<Account>, Users)> {
        let copy = self.local.accounts(&self.alarms)?;
        local_state::tell_age(&copy, self.clock.now().wall);
        self.known = true;
        self.used = (copy.mark, copy.operators.len());
        Some((self.accounts(&copy.operators), Users::of(&copy.users)))
    }

    /// All accounts and console users, if any has changed since the last call. None also while the database is down: the service continues
    /// with the known ones.
    pub(super) async fn changed(&mut self) -> Option<(Vec<Account>, Users)> {
        let fault = match tokio::time::timeout(self.patience, self.look()).await {
            Ok(Ok(Found::Emptied(mark))) => {
                let (_, used) = self.used;
                format!(
                    "the database has no accounts (change {mark}), unlike the {used} accounts in use; expected: this centre's database, or accounts by siaga operator import"
                )
            }
            Ok(Ok(Found::Changed(operators, users))) => {
                self.failures = 0;
                self.alarms.clear(Kind::Accounts, "");
                return Some(self.read(operators, users).await);
            }
            Ok(Ok(Found::Same)) => {
                self.failures = 0;
                self.alarms.clear(Kind::Accounts, "");
                return None;
            }
            Ok(Err(fault)) => format!("{:#}", anyhow::Error::from(fault)),
            Err(_) => "the database does not respond".to_owned(),
        };
        self.store = None;
        self.failures = self.failures.saturating_add(1);
        // The first attempt of a new service may precede the creation of the tables.
        if self.failures > 1 {
            let which = if self.known { "the last known accounts are used" } else { "no account is known" };
            self.alarms.raise(Kind::Accounts, "", format!("{which}: {fault}"));
        }
        None
    }

    /// The time until the next call of `changed`.
    pub(super) const fn pause(&self) -> Duration {
        if self.known { POLL } else { POLL_FIRST }
    }

    async fn look(&mut self) -> Result<Found, StoreError> {
        let store = match &self.store {
            Some(store) => store,
            None => self.store.insert(Store::open_as_is(&self.url).await?),
        };
        let mark = store.operators_mark().await?;
        self.until_copy = self.until_copy.map(|looks| looks.saturating_sub(1));
        if self.mark == Some(mark) && self.until_copy != Some(0) {
            return Ok(Found::Same);
        }
        let (operators, users) = (store.operators().await?, store.console_users().await?);
        let (used_mark, used) = self.used;
        if operators.is_empty() && used > 0 && mark <= used_mark {
            return Ok(Found::Emptied(mark));
        }
        self.mark = Some(mark);
        self.used = (mark, operators.len());
        Ok(Found::Changed(operators, users))
    }

    /// Applies the rows of the database, and writes the copy for the next start.
    async fn read(&mut self, operators: Vec<OperatorRow>, users: Vec<ConsoleUserRow>) -> (Vec<Account>, Users) {
        self.known = true;
        let accounts = self.accounts(&operators);
        info!(operators = accounts.len(), "operators' accounts were read");
        let missing = |name: &&OperatorId| accounts.iter().all(|account| account.operator != **name);
        for name in self.supervisors.iter().filter(missing) {
            warn!(supervisor = %name, "a name in operators.supervisors has no account");
        }
        let who = Users::of(&users);
        let copy = AccountsCopy { read_at: self.clock.now().wall, mark: self.used.0, operators, users };
        let kept = self.local.keep_accounts(copy, &self.alarms).await;
        self.until_copy = (!kept).then_some(COPY_LOOKS);
        (accounts, who)
    }

    fn accounts(&self, rows: &[OperatorRow]) -> Vec<Account> {
        rows.iter().filter_map(|row| self.account(row)).collect()
    }

    fn account(&self, row: &OperatorRow) -> Option<Account> {
        if row.realm != self.domain {
            warn!(
                operator = row.operator,
                realm = row.realm,
                domain = self.domain,
                "the account's password is for another domain: siaga operator passwd gives a new one"
            );
            return None;
        }
        let operator = OperatorId::parse(&row.operator).ok();
        let ha1 = Ha1::from_hex(&row.ha1_md5, &row.ha1_sha256);
        let pin = row.pin.as_deref().and_then(Pin::from_hex);
        let station_login = row.number.as_deref().zip(pin).and_then(|(number, pin)| StationLogin::new(number, pin));
        let (name, station) = (row.name.clone(), row.station != 0);
        let account = operator.zip(ha1).map(|(operator, ha1)| Account { operator, name, ha1, station, station_login });
        if account.is_none() {
            warn!(operator = row.operator, "the account cannot be read: siaga operator passwd repairs it");
        }
        account
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::path::Path;
    use std::sync::mpsc::sync_channel;

    use super::*;

    fn row(operator: &str) -> OperatorRow {
        OperatorRow {
            operator: operator.to_owned(),
            name: operator.to_owned(),
            realm: "127.0.0.1".to_owned(),
            ha1_md5: "0".repeat(32),
            ha1_sha256: "0".repeat(64),
            station: 0,
            number: None,
            pin: None,
        }
    }

    /// The reader of the accounts of a database in a folder, its alarms, and the database's URL.
    fn reader(folder: &Path) -> (Accounts, Alarms, String) {
        let url = format!("sqlite:{}", folder.join("siaga.db").display());
        let text = format!("[[trunk]]\nname = \"telco\"\npeers = [\"127.0.0.2\"]\n[store]\nurl = \"{url}\"\n");
        let config = Config::parse("test.toml", &text).unwrap();
        let alarms = Alarms::default();
        (Accounts::new(&config, LocalState::beside(folder), &alarms, Clock::start()), alarms, url)
    }

    async fn add(url: &str, operators: &[&str]) {
        let store = Store::open(url).await.unwrap();
        for operator in operators {
            assert!(store.add_operator(&row(operator)).await.unwrap());
        }
        store.close().await;
    }

    fn names(found: Option<(Vec<Account>, Users)>) -> Option<Vec<String>> {
        found.map(|(accounts, _)| accounts.into_iter().map(|account| account.operator.to_string()).collect())
    }

    #[tokio::test]
    async fn a_database_without_accounts_does_not_replace_the_known_ones() {
        let folder = tempfile::tempdir().unwrap();
        let (mut accounts, _, url) = reader(folder.path());
        add(&url, &["budi", "sari"]).await;
        assert_eq!(names(accounts.changed().await).unwrap(), ["budi", "sari"]);
        for file in ["siaga.db", "siaga.db-wal", "siaga.db-shm"] {
            drop(std::fs::remove_file(folder.path().join(file)));
        }
        // A restart with a new database, which has no accounts.
        add(&url, &[]).await;
        let (mut accounts, alarms, _) = reader(folder.path());
        assert_eq!(names(accounts.of_last_run()).unwrap(), ["budi", "sari"]);
        for _ in 0..2 {
            assert!(accounts.changed().await.is_none(), "the known accounts stay");
        }
        assert!(alarms.is_raised(Kind::Accounts));
        assert_eq!(names(reader(folder.path()).0.of_last_run()).unwrap(), ["budi", "sari"], "the copy stays");
        add(&url, &["tono"]).await;
        assert_eq!(names(accounts.changed().await).unwrap(), ["tono"]);
        assert!(!alarms.is_raised(Kind::Accounts));
        let kept: Vec<_> = std::fs::read_dir(folder.path().join("local"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("accounts-"))
            .collect();
        assert_eq!(kept.len(), 1, "the larger copy is kept");
        let old = AccountsCopy::read(&kept[0]).unwrap().unwrap();
        assert_eq!(old.operators.iter().map(|row| row.operator.as_str()).collect::<Vec<_>>(), ["budi", "sari"]);
        // The removal of the last account is intended.
        let store = Store::open(&url).await.unwrap();
        assert!(store.remove_operator("tono").await.unwrap());
        store.close().await;
        assert_eq!(names(accounts.changed().await).unwrap(), [""; 0]);
    }

    #[tokio::test]
    async fn a_copy_of_the_accounts_that_could_not_be_written_is_written_later() {
        let folder = tempfile::tempdir().unwrap();
        let (mut accounts, alarms, url) = reader(folder.path());
        add(&url, &["budi"]).await;
        let local = folder.path().join("local");
        std::fs::write(&local, "a file is in the way").unwrap();
        assert!(accounts.changed().await.is_some());
        assert!(alarms.is_raised(Kind::LocalState));
        std::fs::remove_file(&local).unwrap();
        for _ in 0..COPY_LOOKS {
            accounts.changed().await;
        }
        assert!(!alarms.is_raised(Kind::LocalState));
        assert_eq!(names(reader(folder.path()).0.of_last_run()).unwrap(), ["budi"]);
    }

    /// A server that accepts connections and never answers, as a database whose machine has died; a file of SQLite gives up by itself.
    #[test]
    fn a_database_that_never_answers_is_given_up_and_asked_again_on_a_new_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (folder, address) = (tempfile::tempdir().unwrap(), listener.local_addr().unwrap());
        let (accepted, connections) = sync_channel(4);
        std::thread::spawn(move || listener.incoming().try_for_each(|stream| accepted.send(stream)));
        let text = format!(
            "[[trunk]]\nname = \"telco\"\npeers = [\"127.0.0.2\"]\n[store]\nurl = \"postgres://siaga@{address}/siaga?sslmode=disable\"\n"
        );
        let config = Config::parse("test.toml", &text).unwrap();
        let alarms = Alarms::default();
        let accounts = Accounts::new(&config, LocalState::beside(folder.path()), &alarms, Clock::start());
        let mut accounts = Accounts { patience: Duration::from_millis(200), ..accounts };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut held = Vec::new();
        for look in 1..=2 {
            assert!(runtime.block_on(accounts.changed()).is_none());
            held.push(connections.recv().unwrap());
            assert_eq!(alarms.is_raised(Kind::Accounts), look > 1, "the first look may come too early");
        }
        let lines = alarms.lines();
        assert!(lines.iter().any(|line| line.contains("the database does not respond")), "{lines:?}");
    }
    /// The disk: a pipe without a reader, whose opening waits.
    #[tokio::test]
    async fn a_disk_that_hangs_holds_up_no_change_of_accounts() {
        let folder = tempfile::tempdir().unwrap();
        let (mut accounts, alarms, url) = reader(folder.path());
        add(&url, &["budi"]).await;
        std::fs::create_dir(folder.path().join("local")).unwrap();
        let pipe = folder.path().join("local/accounts.json.new");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let read = tokio::time::timeout(Duration::from_secs(10), accounts.changed()).await;
        // The write ends with an error.
        drop(std::fs::File::open(&pipe).unwrap());
        assert_eq!(names(read.expect("it waits for the disk")).unwrap(), ["budi"]);
        assert!(alarms.lines().iter().any(|line| line.contains("the disk does not respond")), "{:?}", alarms.lines());
        std::fs::remove_file(&pipe).unwrap();
        // The copy is written as soon as the disk responds.
        for _ in 0..=COPY_LOOKS {
            accounts.changed().await;
        }
        assert_eq!(alarms.lines(), Vec::<String>::new());
    }
}
