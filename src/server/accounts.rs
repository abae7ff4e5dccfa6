//! The operators that exist and the users of the console, as the database has them: polled, because they are changed by another process.

use std::collections::BTreeSet;
use std::time::Duration;

use tracing::{info, warn};

use crate::ids::OperatorId;
use crate::sip::digest::Ha1;
use crate::store::console_users::ConsoleUserRow;
use crate::store::operators::OperatorRow;
use crate::store::{Store, StoreError};
use crate::switchboard::{Account, Badge, Pin};

use super::users::Users;

/// How often changes are looked for.
pub(super) const POLL: Duration = Duration::from_secs(2);
/// How long one look may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads the accounts when they have changed.
#[derive(Clone, Debug)]
pub(super) struct Accounts {
    url: String,
    domain: String,
    /// Whom the configuration names.
    supervisors: BTreeSet<OperatorId>,
    store: Option<Store>,
    mark: Option<i64>,
    /// The last look failed: told once.
    away: bool,
}

impl Accounts {
    /// `domain` is the realm that passwords must have been given for.
    pub(super) const fn new(url: String, domain: String, supervisors: BTreeSet<OperatorId>) -> Self {
        Self { url, domain, supervisors, store: None, mark: None, away: false }
    }

    /// Every account and every user of the console, when something has changed since the last look. None also while the database is away: the service
    /// goes on with those that it knows.
    pub(super) async fn changed(&mut self) -> Option<(Vec<Account>, Users)> {
        match tokio::time::timeout(PATIENCE, self.look()).await {
            Ok(Ok(rows)) => {
                self.away = false;
                let (rows, users) = rows?;
                let accounts: Vec<Account> = rows.iter().filter_map(|row| self.account(row)).collect();
                info!(operators = accounts.len(), "operators were read");
                let missing = |name: &&OperatorId| accounts.iter().all(|account| account.operator != **name);
                for name in self.supervisors.iter().filter(missing) {
                    warn!(supervisor = %name, "operators.supervisors names somebody who has no account");
                }
                return Some((accounts, Users::of(&users)));
            }
            Ok(Err(fault)) => self.lost(&format!("{:#}", anyhow::Error::from(fault))),
            Err(_) => self.lost("it does not answer"),
        }
        None
    }

    async fn look(&mut self) -> Result<Option<(Vec<OperatorRow>, Vec<ConsoleUserRow>)>, StoreError> {
        let store = match &self.store {
            Some(store) => store,
            None => self.store.insert(Store::open(&self.url).await?),
        };
        let mark = store.operators_mark().await?;
        if self.mark == Some(mark) {
            return Ok(None);
        }
        let rows = (store.operators().await?, store.console_users().await?);
        self.mark = Some(mark);
        Ok(Some(rows))
    }

    fn lost(&mut self, fault: &str) {
        self.store = None;
        if !std::mem::replace(&mut self.away, true) {
            warn!(fault, "operators cannot be read: those that are known stay");
        }
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
