//! Operators' accounts on the command line: made, listed, changed and removed in the database. A running service takes
//! changes up within seconds.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use serde::Deserialize;

use crate::config::Config;
use crate::ids::OperatorId;
use crate::sip::digest::Ha1;
use crate::store::Store;
use crate::store::operators::OperatorRow;

/// Characters of generated passwords: none that is mistaken for another when it is typed off a slip of paper.
const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789A";
/// 80 bits.
const PASSWORD_LETTERS: usize = 16;
/// Characters of a display name.
const NAME_MAX: usize = 100;
/// Bytes of an import.
const IMPORT_MAX: u64 = 16 << 20;

/// Whose account it is.
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

/// One line of an import.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    operator: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    password: String,
}

/// Makes an account and prints its password, this once.
pub(super) fn add(config: &Config, kind: Kind, name: &str, shown: Option<&str>) -> anyhow::Result<()> {
    let account = OperatorId::parse(name)?;
    let password = generated()?;
    let row = row(config, &account, shown.unwrap_or(name), &password)?;
    let row = OperatorRow { station: i16::from(kind == Kind::Station), ..row };
    if !with_store(config, async |store| Ok(store.add_operator(&row).await?))? {
        bail!("{account} exists already: siaga operator passwd, or siaga station passwd, gives a new password");
    }
    tell(config, &account, &password);
    Ok(())
}

/// Gives an operator, or a station, a new password and prints it, this once.
pub(super) fn passwd(config: &Config, kind: Kind, name: &str) -> anyhow::Result<()> {
    let password = generated()?;
    let account = OperatorId::parse(name)?;
    with_store(config, async |store| {
        let known = known(store, kind, &account).await?;
        Ok(store.put_operators(&[row(config, &account, &known.name, &password)?]).await?)
    })?;
    tell(config, &account, &password);
    Ok(())
}

/// Removes an operator, or a station. A call that runs goes on.
pub(super) fn remove(config: &Config, kind: Kind, name: &str) -> anyhow::Result<()> {
    let account = OperatorId::parse(name)?;
    with_store(config, async |store| {
        known(store, kind, &account).await?;
        Ok(store.remove_operator(account.as_str()).await?)
    })?;
    println!("{account} is removed");
    Ok(())
}

/// An account of that kind.
async fn known(store: &Store, kind: Kind, name: &OperatorId) -> anyhow::Result<OperatorRow> {
    let known = store.operators().await?.into_iter().find(|row| row.operator == name.as_str());
    known.filter(|row| kind.has(row)).with_context(|| format!("no {} is named {name}", kind.word()))
}

/// Prints the accounts, never their passwords.
pub(super) fn list(config: &Config) -> anyhow::Result<()> {
    let rows = with_store(config, async |store| Ok(store.operators().await?))?;
    for row in rows.iter().filter(|row| Kind::Operator.has(row)) {
        let number = row.number.as_deref().map(|number| format!("\t{number}")).unwrap_or_default();
        let foreign = if row.realm == config.sip.domain { "" } else { "\t(password of another domain)" };
        println!("{}\t{}{number}{foreign}", row.operator, row.name);
    }
    Ok(())
}

/// Makes or changes accounts by a CSV file (`operator,name,password`), all of them or none. An empty password is generated
/// and printed.
pub(super) fn import(config: &Config, file: &Path) -> anyhow::Result<()> {
    let mut text = String::new();
    let source = std::fs::File::open(file).with_context(|| format!("{} cannot be read", file.display()))?;
    source.take(IMPORT_MAX).read_to_string(&mut text).with_context(|| format!("{} is not UTF-8", file.display()))?;
    let mut reader =
        csv::ReaderBuilder::new().trim(csv::Trim::Fields).from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let (mut rows, mut told, mut faults) = (Vec::new(), Vec::new(), Vec::new());
    for (index, line) in reader.deserialize::<Line>().enumerate() {
        match line.map_err(anyhow::Error::from).and_then(|line| account(config, &line)) {
            Ok((row, generated)) => {
                told.extend(generated.map(|password| (row.operator.clone(), password)));
                rows.push(row);
            }
            Err(fault) => faults.push(format!("{} line {}: {fault:#}", file.display(), index + 2)),
        }
    }
    let mut names: Vec<&str> = rows.iter().map(|row| row.operator.as_str()).collect();
    names.sort_unstable();
    for pair in names.windows(2) {
        if let [one, other] = pair
            && one == other
        {
            faults.push(format!("{}: {one} stands there twice", file.display()));
        }
    }
    if !faults.is_empty() {
        bail!("nothing was imported:\n{}", faults.join("\n"));
    }
    with_store(config, async |store| {
        for known in store.operators().await?.iter().filter(|known| Kind::Station.has(known)) {
            if rows.iter().any(|row| row.operator == known.operator) {
                bail!("nothing was imported: {} is a station", known.operator);
            }
        }
        Ok(store.put_operators(&rows).await?)
    })?;
    for (operator, password) in told {
        println!("{operator}\t{password}");
    }
    eprintln!("{} operators imported", rows.len());
    Ok(())
}

fn account(config: &Config, line: &Line) -> anyhow::Result<(OperatorRow, Option<String>)> {
    let operator = OperatorId::parse(&line.operator).with_context(|| format!("operator {:?}", line.operator))?;
    let made = if line.password.is_empty() { Some(generated()?) } else { None };
    let name = if line.name.is_empty() { operator.as_str() } else { &line.name };
    let row = row(config, &operator, name, made.as_deref().unwrap_or(&line.password))?;
    Ok((row, made))
}

fn row(config: &Config, operator: &OperatorId, name: &str, password: &str) -> anyhow::Result<OperatorRow> {
    if name.chars().count() > NAME_MAX || name.chars().any(char::is_control) {
        bail!("the name of {operator} is longer than {NAME_MAX} characters, or has control characters");
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

fn generated() -> anyhow::Result<String> {
    let mut random = [0; PASSWORD_LETTERS];
    getrandom::fill(&mut random)?;
    Ok(random.iter().filter_map(|byte| LETTERS.get(usize::from(byte % 32))).map(|letter| char::from(*letter)).collect())
}

fn tell(config: &Config, operator: &OperatorId, password: &str) {
    println!("user      {operator}\npassword  {password}\ndomain    {}", config.sip.domain);
    println!("The password is shown this once.");
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
