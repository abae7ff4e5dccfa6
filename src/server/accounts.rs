//! The operators that exist and the users of the console, as the database has them: polled, because they are changed by another process.

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
use crate::switchboard::{Account, Badge, Pin};

use super::clock::Clock;
use super::local_state::{self, AccountsCopy, LocalState};
use super::users::Users;

/// How often changes are looked for.
const POLL: Duration = Duration::from_secs(2);
/// The interval while no account is known.
const POLL_FIRST: Duration = Duration::from_millis(250);
/// How long one look may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads the accounts when they have changed.
#[derive(Clone, Debug)]
pub(super) struct Accounts {
    url: String,
    domain: String,
    /// Whom the configuration names.
    supervisors: BTreeSet<OperatorId>,
    local: LocalState,
    alarms: Alarms,
    clock: Clock,
    /// How long one look may take.
    patience: Duration,
    store: Option<Store>,
    mark: Option<i64>,
    /// Accounts were read, from the database or its copy.
    known: bool,
    /// Failed attempts in a row.
    failures: u32,
}

impl Accounts {
    /// `domain` is the realm that passwords must have been given for.
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
            known: false,
            failures: 0,
        }
    }

    /// The accounts and users of the last run; None without a copy.
    pub(super) fn of_last_run(&mut self) -> Option<(Vec<Account>, Users)> {
        let copy = self.local.accounts(&self.alarms)?;
        local_state::tell_age(&copy, self.clock.now().wall);
        self.known = true;
        Some((self.accounts(&copy.operators), Users::of(&copy.users)))
    }

    /// All accounts and console users, if any has changed since the last call. None also while the database is down: the service continues
    /// with the known ones.
    pub(super) async fn changed(&mut self) -> Option<(Vec<Account>, Users)> {
        let fault = match tokio::time::timeout(self.patience, self.look()).await {
            Ok(Ok(found)) => {
                self.failures = 0;
                self.alarms.clear(Kind::Accounts, "");
                let (operators, users) = found?;
                return Some(self.read(operators, users).await);
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

    async fn look(&mut self) -> Result<Option<(Vec<OperatorRow>, Vec<ConsoleUserRow>)>, StoreError> {
        let store = match &self.store {
            Some(store) => store,
            None => self.store.insert(Store::open_as_is(&self.url).await?),
        };
        let mark = store.operators_mark().await?;
        if self.mark == Some(mark) {
            return Ok(None);
        }
        let rows = (store.operators().await?, store.console_users().await?);
        self.mark = Some(mark);
        Ok(Some(rows))
    }

    /// Takes the rows of the database, and writes the copy for the next start.
    async fn read(&mut self, operators: Vec<OperatorRow>, users: Vec<ConsoleUserRow>) -> (Vec<Account>, Users) {
        self.known = true;
        let accounts = self.accounts(&operators);
        info!(operators = accounts.len(), "operators' accounts were read");
        let missing = |name: &&OperatorId| accounts.iter().all(|account| account.operator != **name);
        for name in self.supervisors.iter().filter(missing) {
            warn!(supervisor = %name, "a name in operators.supervisors has no account");
        }
        let who = Users::of(&users);
        let (local, copy) = (self.local.clone(), AccountsCopy { read_at: self.clock.now().wall, operators, users });
        let kept = tokio::task::spawn_blocking(move || local.keep_accounts(&copy)).await;
        let kept = kept.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        if let Err(fault) = self.alarms.watch(Kind::LocalState, "accounts", kept) {
            warn!(%fault, "the local copy of the accounts cannot be written");
        }
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
                "his password is for another domain: siaga operator passwd"
            );
            return None;
        }
        let operator = OperatorId::parse(&row.operator).ok();
        let ha1 = Ha1::from_hex(&row.ha1_md5, &row.ha1_sha256);
        let pin = row.pin.as_deref().and_then(Pin::from_hex);
        let badge = row.number.as_deref().zip(pin).and_then(|(number, pin)| Badge::new(number, pin));
        let (name, station) = (row.name.clone(), row.station != 0);
        let account = operator.zip(ha1).map(|(operator, ha1)| Account { operator, name, ha1, station, badge });
        if account.is_none() {
            warn!(operator = row.operator, "the account cannot be read: siaga operator passwd makes it anew");
        }
        account
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::mpsc::channel;

    use super::*;

    /// A server that accepts connections and never answers, as a database whose machine has died; a file of SQLite gives up by itself.
    #[test]
    fn a_database_that_never_answers_is_given_up_and_asked_again_on_a_new_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (folder, address) = (tempfile::tempdir().unwrap(), listener.local_addr().unwrap());
        let (accepted, connections) = channel();
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
}
