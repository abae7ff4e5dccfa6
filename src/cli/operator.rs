//! Operators' accounts on the command line: created, listed, changed and removed in the database. A running service applies changes
//! within seconds.

use std::collections::BTreeSet;

use anyhow::{Context as _, bail};

use crate::config::{Config, OWN_NAME};
use crate::ids::OperatorId;
use crate::limits::OPERATORS_MAX;
use crate::sip::digest::Ha1;
use crate::store::Store;
use crate::store::operators::OperatorRow;

use super::output::print_line;

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
        let count = store.operators().await?.len();
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

/// Gives an operator or a station a new password and prints it, only once.
pub(super) fn passwd(config: &Config, kind: Kind, name: &str) -> anyhow::Result<()> {
    let password = generated()?;
    let account = OperatorId::parse(name)?;
    with_store(config, async |store| {
        let known = known(store, kind, &account).await?;
        Ok(store.put_operators(&[row(config, &account, &known.name, &password)?]).await?)
    })?;
    print(config, &account, &password);
    Ok(())
}

/// Removes an operator or a station. A live call continues.
pub(super) fn remove(config: &Config, kind: Kind, name: &str) -> anyhow::Result<()> {
    let account = OperatorId::parse(name)?;
    with_store(config, async |store| {
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
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let rows = runtime.block_on(async {
        let store = Store::open_read_only(&config.store_url).await?;
        let rows = store.operators().await;
        store.close().await;
        anyhow::Ok(rows?)
    })?;
    let accounts = rows.iter().filter(|row| kind.has(row));
    Ok(accounts.filter_map(|row| OperatorId::parse(&row.operator).ok()).collect())
}

/// Prints the accounts, never their passwords.
pub(super) fn list(config: &Config) -> anyhow::Result<()> {
    let rows = with_store(config, async |store| Ok(store.operators().await?))?;
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
        ha1_md5: hex::encode(ha1.md5),
        ha1_sha256: hex::encode(ha1.sha256),
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

pub(super) fn with_store<T>(config: &Config, work: impl AsyncFnOnce(&Store) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let store = Store::open(&config.store_url).await.context("[store] url")?;
        let done = work(&store).await;
        store.close().await;
        done
    })
}
