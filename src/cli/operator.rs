//! Operators' accounts on the command line: created, listed, changed and removed in the database. A running service applies changes
//! within seconds.

use std::collections::BTreeSet;

use anyhow::{Context as _, bail};
use data_encoding::HEXLOWER;

use crate::config::{Config, OWN_NAME};
use crate::ids::OperatorId;
use crate::limits::OPERATORS_MAX;
use crate::server::accounts_copy::AccountsCopy;
use crate::sip::digest::Ha1;
use crate::store::Store;
use crate::store::operators::OperatorRow;

use super::output::{complain, print_line};

/// Characters of generated passwords, without those that look alike on paper.
const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789A";
/// Length of generated passwords: 80 bits.
const PASSWORD_LETTERS: usize = 16;
/// Minimum characters of a password, generated or given.
const PASSWORD_MIN: usize = 8;
const PASSWORD_MAX: usize = 128;
const _: () = assert!(PASSWORD_MIN <= PASSWORD_LETTERS && PASSWORD_LETTERS <= PASSWORD_MAX);
/// Maximum characters of a display name.
const NAME_MAX: usize = 100;

/// The kind of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Operator,
    Station,
}

impl Kind {
    pub(super) fn has(self, row: &OperatorRow) -> bool {
        (row.station != 0) == (self == Self::Station)
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Station => "station",
        }
    }
}

/// Creates an account and prints its password, only once.
pub(super) fn add(config: &Config, kind: Kind, name: &str, shown: Option<&str>) -> anyhow::Result<()> {
    let account = OperatorId::parse(name).with_context(|| format!("{name:?}"))?;
    if let Some(meaning) = config.other_meaning(name) {
        bail!("{name:?} is {meaning}; expected: {OWN_NAME}");
    }
    let password = generated()?;
    let row = row(config, &account, shown.unwrap_or(name), &password)?;
    let row = OperatorRow { station: i16::from(kind == Kind::Station), ..row };
    let added = with_store(config, async |store| {
        let known = store.operators().await?;
        if let Some(expected) = alike(&known, name) {
            bail!("{name:?} is not a new name; expected: {expected}");
        }
        let count = known.len();
        if count >= OPERATORS_MAX {
            bail!("{count} accounts exist; expected: at most {OPERATORS_MAX}");
        }
        Ok(store.add_operator(&row).await?)
    })?;
    if !added {
        bail!("{account} already exists; siaga operator passwd or siaga station passwd gives a new password");
    }
    print(config, &account, &password);
    Ok(())
}

/// The expected name if another account has this name in another case: phones and people would confuse the two.
pub(super) fn alike(known: &[OperatorRow], name: &str) -> Option<String> {
    let other = known.iter().map(|row| row.operator.as_str()).find(|one| one.eq_ignore_ascii_case(name))?;
    let exists = known.iter().any(|row| row.operator == name);
    (!exists).then(|| format!("\"{other}\", the account that exists, or a name that differs from it by more than case"))
}

/// Gives an operator or a station a new password and prints it, only once.
pub(super) fn passwd(config: &Config, kind: Kind, name: &str) -> anyhow::Result<()> {
    let password = generated()?;
    let account = OperatorId::parse(name)?;
    with_existing(config, async |store| {
        let known = known(store, kind, &account).await?;
        Ok(store.put_operators(&[row(config, &account, &known.name, &password)?]).await?)
    })?;
    print(config, &account, &password);
    Ok(())
}

/// Removes an operator or a station. A live call continues.
pub(super) fn remove(config: &Config, kind: Kind, name: &str) -> anyhow::Result<()> {
    let account = OperatorId::parse(name)?;
    with_existing(config, async |store| {
        known(store, kind, &account).await?;
        Ok(store.remove_operator(account.as_str()).await?)
    })?;
    print_line!("{account} is removed");
    Ok(())
}

/// The account of this kind and name.
async fn known(store: &Store, kind: Kind, name: &OperatorId) -> anyhow::Result<OperatorRow> {
    let known = store.operators().await?.into_iter().find(|row| row.operator == name.as_str());
    known.filter(|row| kind.has(row)).with_context(|| format!("no {} is named {name}", kind.word()))
}

/// The names of the accounts of one kind. Does not change the database.
pub(super) fn accounts(config: &Config, kind: Kind) -> anyhow::Result<BTreeSet<OperatorId>> {
    let rows = reading(config, async |store| Ok(store.operators().await?))?;
    let accounts = rows.iter().filter(|row| kind.has(row));
    Ok(accounts.filter_map(|row| OperatorId::parse(&row.operator).ok()).collect())
}

/// Prints the accounts, never their passwords.
pub(super) fn list(config: &Config) -> anyhow::Result<()> {
    let rows = reading(config, async |store| Ok(store.operators().await?))?;
    for row in rows.iter().filter(|row| Kind::Operator.has(row)) {
        let number = row.number.as_deref().map(|number| format!("\t{number}")).unwrap_or_default();
        let foreign = if row.realm == config.sip.domain { "" } else { "\t(password of another domain)" };
        print_line!("{}\t{}{number}{foreign}", row.operator, row.name);
    }
    Ok(())
}

pub(super) fn row(config: &Config, operator: &OperatorId, name: &str, password: &str) -> anyhow::Result<OperatorRow> {
    if name.chars().count() > NAME_MAX || name.chars().any(char::is_control) {
        bail!(
            "the display name of {operator} cannot be used; expected: at most {NAME_MAX} characters, no control characters"
        );
    }
    let ha1 = Ha1::new(operator.as_str(), &config.sip.domain, password);
    Ok(OperatorRow {
        operator: operator.to_string(),
        name: name.to_owned(),
        realm: config.sip.domain.clone(),
        ha1_md5: HEXLOWER.encode(&ha1.md5),
        ha1_sha256: HEXLOWER.encode(&ha1.sha256),
        station: 0,
        number: None,
        pin: None,
    })
}

/// The expected password if this one is invalid; None if it is valid.
pub(super) fn wrong_password(password: &str) -> Option<String> {
    let length = password.chars().count();
    let good = (PASSWORD_MIN..=PASSWORD_MAX).contains(&length) && !password.chars().any(char::is_control);
    (!good).then(|| format!("{PASSWORD_MIN} to {PASSWORD_MAX} characters without control characters, or an empty cell"))
}

pub(super) fn generated() -> anyhow::Result<String> {
    let mut random = [0; PASSWORD_LETTERS];
    getrandom::fill(&mut random)?;
    Ok(random.iter().filter_map(|byte| LETTERS.get(usize::from(byte % 32))).map(|letter| char::from(*letter)).collect())
}

fn print(config: &Config, operator: &OperatorId, password: &str) {
    print_line!("user      {operator}\npassword  {password}\ndomain    {}", config.sip.domain);
    print_line!("The password is not shown again.");
}

/// Works on the database, and creates it if there is none.
pub(super) fn with_store<T>(config: &Config, work: impl AsyncFnOnce(&Store) -> anyhow::Result<T>) -> anyhow::Result<T> {
    writing(config, true, work)
}

/// Works on the database; an error if there is none.
pub(super) fn with_existing<T>(
    config: &Config,
    work: impl AsyncFnOnce(&Store) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    writing(config, false, work)
}

/// Reads the database, and changes nothing; an error if there is none.
pub(super) fn reading<T>(config: &Config, work: impl AsyncFnOnce(&Store) -> anyhow::Result<T>) -> anyhow::Result<T> {
    on_runtime(async {
        let store = Store::open_read_only(&config.store_url).await?;
        let done = work(&store).await;
        store.close().await;
        done
    })
}

fn writing<T>(
    config: &Config,
    creates: bool,
    work: impl AsyncFnOnce(&Store) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    on_runtime(async {
        let mut copy = copy(config);
        if creates && !Store::is_there(&config.store_url).context("[store] url")? {
            // An error of the copy must not leave a new database.
            copy = Ok(copy?);
        }
        let store = match creates {
            true => Store::open(&config.store_url).await.context("[store] url")?,
            false => Store::open_existing(&config.store_url).await?,
        };
        let done = match restore(config, &store, copy).await {
            Ok(()) => work(&store).await,
            Err(fault) => Err(fault),
        };
        store.close().await;
        done
    })
}

pub(super) fn on_runtime<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// The service's local copy of the accounts.
fn copy(config: &Config) -> anyhow::Result<Option<AccountsCopy>> {
    let file = AccountsCopy::file(&config.journal_dir);
    AccountsCopy::read(&file).with_context(|| {
        format!(
            "nothing was changed: the database has no accounts, and their local copy {} cannot be read; expected: the service's own user, or no such file",
            file.display()
        )
    })
}

/// Restores the accounts of the local copy into a database that has none and is newer than the copy's: that database was lost.
async fn restore(config: &Config, store: &Store, copy: anyhow::Result<Option<AccountsCopy>>) -> anyhow::Result<()> {
    if !store.operators().await?.is_empty() || !store.console_users().await?.is_empty() {
        return Ok(());
    }
    let Some(AccountsCopy { read_at, mark, operators, users }) = copy? else { return Ok(()) };
    // A higher mark: the accounts were removed in this database.
    if (operators.is_empty() && users.is_empty()) || store.operators_mark().await? > mark {
        return Ok(());
    }
    store.restore_accounts(&operators, &users, mark).await?;
    let at = config.zone.to_datetime(jiff::Timestamp::from_millisecond(read_at.as_millis())?);
    complain(format_args!(
        "the database had no accounts: restored {} accounts and {} users from the local copy of {}",
        operators.len(),
        users.len(),
        at.strftime("%Y-%m-%d %H:%M:%S")
    ));
    Ok(())
}
