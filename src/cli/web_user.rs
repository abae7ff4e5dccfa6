//! Users of the pages on the command line: created with a password, listed, removed. A running process applies changes at once.

use std::io::{BufRead as _, Read as _};

use anyhow::{Context as _, bail};

use crate::config::Config;
use crate::ids::OperatorId;
use crate::store::web::WebStore;
use crate::store::web::access_log::NewAccess;
use crate::store::web::users::WebUserRow;
use crate::web::password;
use crate::web::role::Role;

use super::operator::on_runtime;
use super::output::print_line;

/// The user of commands in the access log.
const COMMAND_LINE: &str = "(command line)";
/// Bytes of a line with a password.
const LINE_MAX: u64 = 1_024;

/// Adds a user. The password is read from standard input (`own`), or a one-time password is generated and printed once.
pub(super) fn add(config: &Config, name: &str, role: Role, display: Option<&str>, own: bool) -> anyhow::Result<()> {
    let name = OperatorId::parse(name)?.to_string();
    let password = password_for(&name, own)?;
    let row = WebUserRow {
        display: display.map_or_else(|| name.clone(), str::to_owned),
        role: role.word().to_owned(),
        password: password::hash(&password)?,
        must_change: i64::from(!own),
        totp_secret: None,
        totp_step: 0,
        name,
    };
    working(config, true, async |store| {
        let known = store.users().await?;
        if let Some(other) = known.iter().find(|one| one.name.eq_ignore_ascii_case(&row.name)) {
            bail!(
                "the user {} exists already; expected: another name, or siaga user passwd {} for a new password",
                other.name,
                other.name
            );
        }
        log(store, "user-add", &format!("{} {}", row.name, row.role)).await?;
        anyhow::ensure!(store.add_user(&row).await?, "the user {} exists already; expected: another name", row.name);
        Ok(())
    })?;
    print(&row.name, role.word(), &password, own);
    Ok(())
}

/// Gives a user a new password. All sessions of the user end.
pub(super) fn passwd(config: &Config, name: &str, own: bool, removes_totp: bool) -> anyhow::Result<()> {
    let password = password_for(name, own)?;
    let hash = password::hash(&password)?;
    let role = working(config, false, async |store| {
        let row = store.user(name).await?.with_context(|| format!("no user with a password is named {name}"))?;
        log(store, "user-password", name).await?;
        store.set_password(name, &hash, !own).await?;
        if removes_totp {
            log(store, "user-totp", name).await?;
            store.set_totp(name, None, 0).await?;
        }
        store.end_sessions(name, "").await?;
        Ok(row.role)
    })?;
    print(name, &role, &password, own);
    Ok(())
}

/// Names and roles of the users with a password. Creates no store.
pub(super) fn list(config: &Config) -> anyhow::Result<Vec<(String, String)>> {
    if !WebStore::is_there(&config.web.store_url)? {
        return Ok(Vec::new());
    }
    let rows = working(config, false, async |store| Ok(store.users().await?))?;
    Ok(rows.into_iter().map(|row| (row.name, row.role)).collect())
}

/// Removes a user with all sessions. Returns false if there is none.
pub(super) fn remove(config: &Config, name: &str) -> anyhow::Result<bool> {
    if !WebStore::is_there(&config.web.store_url)? {
        return Ok(false);
    }
    working(config, false, async |store| {
        if store.user(name).await?.is_none() {
            return Ok(false);
        }
        log(store, "user-remove", name).await?;
        Ok(store.remove_user(name).await?)
    })
}

/// Checks the hash chain of the access log.
pub(super) fn verify_access_log(config: &Config) -> anyhow::Result<()> {
    let chain = working(config, false, async |store| Ok(store.check_access().await?))?;
    if let Some(seq) = chain.broken_at {
        bail!("the access log is changed: entry {seq} does not follow the one before it");
    }
    print_line!(
        "the access log has {} entries and is unchanged; hash of the last entry: {}",
        chain.entries,
        chain.last_sha256
    );
    Ok(())
}

fn password_for(user: &str, own: bool) -> anyhow::Result<String> {
    if !own {
        return Ok(password::generate()?);
    }
    let mut line = String::new();
    std::io::stdin().lock().take(LINE_MAX).read_line(&mut line).context("standard input cannot be read")?;
    let password = line.trim_end_matches(['\r', '\n']).to_owned();
    if password::fault_of(&password, user).is_some() {
        bail!(
            "the password is not accepted; expected: {} to {} characters, at least five different ones, without the user's name",
            password::LENGTH_MIN,
            password::LENGTH_MAX
        );
    }
    Ok(password)
}

fn print(name: &str, role: &str, password: &str, own: bool) {
    if own {
        print_line!("user      {name}\nrole      {role}\nThe given password is valid now.");
    } else {
        print_line!("user      {name}\nrole      {role}\npassword  {password}");
        print_line!("The password is not shown again, and must be changed at the first log-in.");
    }
}

async fn log(store: &WebStore, action: &str, subject: &str) -> anyhow::Result<()> {
    let at_ms = crate::server::clock::wall_now().as_millis();
    Ok(store.add_access(NewAccess { at_ms, user: COMMAND_LINE, address: "", action, subject }).await?)
}

fn working<T>(
    config: &Config,
    creates: bool,
    work: impl AsyncFnOnce(&WebStore) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    on_runtime(async {
        if !creates && !WebStore::is_there(&config.web.store_url)? {
            bail!("there are no users of the pages yet; expected: siaga user add NAME --role ROLE --password first");
        }
        let store = WebStore::open(&config.web.store_url).await.context("[web] store_url")?;
        let done = work(&store).await;
        store.close().await;
        done
    })
}
