//! Users of the console (with a token) and of the pages (with a password): created, listed and removed. A running service applies changes
//! within seconds.

use anyhow::bail;
use clap::{Args, Subcommand};
use data_encoding::HEXLOWER;

use crate::cdr::fact::ConsoleRole;
use crate::config::Config;
use crate::ids::OperatorId;
use crate::server::users::{OWNER, token_hash};
use crate::store::Store;
use crate::store::console_users::ConsoleUserRow;
use crate::web::role::Role;

use super::ConfigFile;
use super::operator::{reading, with_existing, with_store};
use super::output::print_line;
use super::web_user;

#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// Creates a user, or changes a user's role, and prints the new token, only once. With --password: creates a user of the pages, and
    /// prints a one-time password instead of a token.
    Add {
        #[command(flatten)]
        named: Named,
        /// operator (own state and own calls), supervisor (all operators), admin (everything), auditor (reads everything, changes
        /// nothing). Of the pages also: viewer (figures only).
        #[arg(long, value_parser = role)]
        role: Role,
        /// Creates a user of the pages (siaga report serve), with a generated one-time password.
        #[arg(long)]
        password: bool,
        /// Reads the password, at least 12 characters, from standard input.
        #[arg(long, requires = "password")]
        own: bool,
        /// The name that pages show.
        #[arg(long, requires = "password")]
        name: Option<String>,
    },
    /// Gives a user of the pages a new one-time password, and ends the user's sessions.
    Passwd {
        #[command(flatten)]
        named: Named,
        /// Reads the password, at least 12 characters, from standard input.
        #[arg(long)]
        own: bool,
        /// Also removes the second factor, for example after the loss of a phone.
        #[arg(long)]
        remove_second_factor: bool,
    },
    /// Lists the users and their roles.
    List(ConfigFile),
    /// Removes a user: token, password and sessions are no longer valid.
    Remove(Named),
}

#[derive(Debug, Args)]
pub(super) struct Named {
    /// The user's name; for an operator, the name of the account.
    user: String,
    #[command(flatten)]
    file: ConfigFile,
}

fn role(word: &str) -> Result<Role, String> {
    Role::parse(word).ok_or_else(|| format!("expected: one of {}", Role::ALL.map(Role::word).join(", ")))
}

/// Runs the command.
pub(super) fn user(command: UserCommand) -> anyhow::Result<()> {
    match command {
        UserCommand::Add { named, role, password: true, own, name } => {
            let config = Config::load_to_serve(&named.file.config)?;
            web_user::add(&config, &named.user, role, name.as_deref(), own)
        }
        UserCommand::Add { named, role, password: false, own: _, name: _ } => {
            let Some(role) = ConsoleRole::parse(role.word()) else {
                bail!("a {} has no token; expected: --password with this role", role.word());
            };
            add(&Config::load_to_serve(&named.file.config)?, &named.user, role)
        }
        UserCommand::Passwd { named, own, remove_second_factor } => {
            let config = Config::load_to_serve(&named.file.config)?;
            web_user::passwd(&config, &named.user, own, remove_second_factor)
        }
        UserCommand::List(file) => list(&Config::load_to_serve(&file.config)?),
        UserCommand::Remove(named) => remove(&Config::load_to_serve(&named.file.config)?, &named.user),
    }
}

fn add(config: &Config, name: &str, role: ConsoleRole) -> anyhow::Result<()> {
    // The rules of operators' names serve here too.
    let name = OperatorId::parse(name)?.to_string();
    if name.eq_ignore_ascii_case(OWNER) {
        bail!("the user {OWNER} is the service itself; expected: another name");
    }
    let mut secret = [0; 32];
    getrandom::fill(&mut secret)?;
    let token = HEXLOWER.encode(&secret);
    let row = ConsoleUserRow { name, role: role.word().to_owned(), token_sha256: token_hash(&token) };
    with_store(config, async |store| {
        let known = store.console_users().await?;
        let is_alike = |one: &&ConsoleUserRow| one.name.eq_ignore_ascii_case(&row.name);
        if let Some(other) = known.iter().find(is_alike).filter(|_| known.iter().all(|one| one.name != row.name)) {
            bail!(
                "{:?} is not a new name; expected: \"{}\", the user who exists, or a name that differs by more than case",
                row.name,
                other.name
            );
        }
        Ok(store.put_console_user(&row).await?)
    })?;
    print_line!("user   {}\nrole   {}\ntoken  {token}", row.name, row.role);
    print_line!("The token is not shown again.");
    Ok(())
}

fn list(config: &Config) -> anyhow::Result<()> {
    let pages = web_user::list(config)?;
    // Users of the pages may exist before the database of records does.
    let tokens = match reading(config, async |store| Ok(store.console_users().await?)) {
        Err(_) if !pages.is_empty() && !Store::is_there(&config.store_url)? => Vec::new(),
        other => other?,
    };
    for row in tokens {
        print_line!("{}\t{}", row.name, row.role);
    }
    for (name, role) in pages {
        print_line!("{name}\t{role}\tpassword");
    }
    Ok(())
}

fn remove(config: &Config, name: &str) -> anyhow::Result<()> {
    let has_password = web_user::remove(config, name)?;
    let has_token = match with_existing(config, async |store| Ok(store.remove_console_user(name).await?)) {
        Err(_) if has_password && !Store::is_there(&config.store_url)? => false,
        other => other?,
    };
    if !has_password && !has_token {
        bail!("no user is named {name}");
    }
    print_line!("{name} is removed");
    Ok(())
}
