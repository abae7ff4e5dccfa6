//! Users of the console: created, listed and removed in the database. A running service applies changes within seconds.

use anyhow::bail;
use clap::{Args, Subcommand};

use crate::cdr::fact::ConsoleRole;
use crate::config::Config;
use crate::ids::OperatorId;
use crate::server::users::{OWNER, token_hash};
use crate::store::console_users::ConsoleUserRow;

use super::ConfigFile;
use super::operator::{reading, with_existing, with_store};
use super::output::print_line;

#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// Creates a user, or changes a user's role, and prints the new token, only once.
    Add {
        #[command(flatten)]
        named: Named,
        /// operator (own state and own calls), supervisor (all operators), admin (everything), auditor (reads everything, changes
        /// nothing).
        #[arg(long, value_parser = role)]
        role: ConsoleRole,
    },
    /// Lists the users and their roles.
    List(ConfigFile),
    /// Removes a user: the token is no longer valid.
    Remove(Named),
}

#[derive(Debug, Args)]
pub(super) struct Named {
    /// The user's name; for an operator, the name of the account.
    user: String,
    #[command(flatten)]
    file: ConfigFile,
}

fn role(word: &str) -> Result<ConsoleRole, String> {
    ConsoleRole::parse(word)
        .ok_or_else(|| format!("expected: one of {}", ConsoleRole::ALL.map(ConsoleRole::word).join(", ")))
}

/// Runs the command.
pub(super) fn user(command: UserCommand) -> anyhow::Result<()> {
    match command {
        UserCommand::Add { named, role } => add(&Config::load_to_serve(&named.file.config)?, &named.user, role),
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
    let token = hex::encode(secret);
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
    for row in reading(config, async |store| Ok(store.console_users().await?))? {
        print_line!("{}\t{}", row.name, row.role);
    }
    Ok(())
}

fn remove(config: &Config, name: &str) -> anyhow::Result<()> {
    if !with_existing(config, async |store| Ok(store.remove_console_user(name).await?))? {
        bail!("no user is named {name}");
    }
    print_line!("{name} is removed");
    Ok(())
}
