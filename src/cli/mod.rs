//! The command line. Exit codes: 0 good, 1 a fault, 2 wrong usage.

mod console;
mod guard;
mod operator;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{Config, Faults};

/// Call handling of a 112 emergency centre.
#[derive(Debug, Parser)]
#[command(name = "siaga", version, about, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the service in the foreground. SIGTERM ends it once the running calls are over, SIGHUP reads the
    /// configuration again.
    Serve(ConfigFile),
    /// Reads the configuration and tells every fault at once. Exit code 1 when there is one.
    Check(ConfigFile),
    /// Operators: who may register a phone, and who gets calls.
    #[command(subcommand)]
    Operator(OperatorCommand),
    /// Addresses that get no answers for a while.
    #[command(subcommand)]
    Guard(guard::GuardCommand),
    /// Figures and calls of a period, from the database.
    #[command(subcommand)]
    Report(report::ReportCommand),
}

/// Where the configuration is.
#[derive(Clone, Debug, Args)]
struct ConfigFile {
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = "config/siaga.toml")]
    config: PathBuf,
}

#[derive(Debug, Subcommand)]
enum OperatorCommand {
    /// Makes an account and prints its password, this once.
    Add {
        #[command(flatten)]
        named: Named,
        /// His name, as colleagues and reports see it.
        #[arg(long)]
        name: Option<String>,
    },
    /// Lists the accounts.
    List(ConfigFile),
    /// Gives an account a new password and prints it, this once.
    Passwd(Named),
    /// Removes an account; a running call goes on.
    Remove(Named),
    /// Makes or changes accounts by a CSV file with the header operator,name,password: all of them or none. An empty
    /// password is generated and printed.
    Import {
        /// The CSV file.
        accounts: PathBuf,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Logs an operator in.
    LogIn(Named),
    /// Logs an operator out; a running call goes on.
    LogOut(Named),
    /// Starts a break: no calls until resume.
    Pause {
        #[command(flatten)]
        named: Named,
        /// Why, as reports show it: one of `[operators] break_reasons`, where there are any.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Ends a break, or the work after a call.
    Resume(Named),
    /// Sends a text to an operator's phones, or to everybody's. Who has no phone registered now never gets it.
    #[command(allow_missing_positional = true)]
    Message {
        /// The operator's name.
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        operator: Option<String>,
        /// At most 700 bytes.
        text: String,
        /// To all operators whose phones are registered.
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        file: ConfigFile,
    },
}

#[derive(Debug, Args)]
struct Named {
    /// The operator's name.
    operator: String,
    #[command(flatten)]
    file: ConfigFile,
}

/// Runs what the command line asks for.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    match carry_out(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", told(&error));
            ExitCode::FAILURE
        }
    }
}

fn carry_out(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(file) => crate::server::serve(Config::load(&file.config)?),
        Command::Check(file) => {
            let config = Config::load(&file.config)?;
            if let Some(files) = &config.sip.tls {
                files.read()?;
            }
            check(&config);
            Ok(())
        }
        Command::Operator(command) => on_operator(command),
        Command::Guard(command) => guard::guard(command),
        Command::Report(command) => report::report(command),
    }
}

fn on_operator(command: OperatorCommand) -> anyhow::Result<()> {
    match command {
        OperatorCommand::Add { named, name } => {
            operator::add(&Config::load(&named.file.config)?, &named.operator, name.as_deref())
        }
        OperatorCommand::List(file) => operator::list(&Config::load(&file.config)?),
        OperatorCommand::Passwd(named) => operator::passwd(&Config::load(&named.file.config)?, &named.operator),
        OperatorCommand::Remove(named) => operator::remove(&Config::load(&named.file.config)?, &named.operator),
        OperatorCommand::Import { accounts, file } => operator::import(&Config::load(&file.config)?, &accounts),
        OperatorCommand::LogIn(named) => console::change(&named, "log-in", None),
        OperatorCommand::LogOut(named) => console::change(&named, "log-out", None),
        OperatorCommand::Pause { named, reason } => console::change(&named, "pause", Some(&reason)),
        OperatorCommand::Resume(named) => console::change(&named, "resume", None),
        OperatorCommand::Message { operator, text, all: _, file } => {
            console::message(&Config::load(&file.config)?, operator.as_deref(), &text)
        }
    }
}

/// Faults of the configuration stand for themselves; other errors say what they are.
fn told(error: &anyhow::Error) -> String {
    match error.downcast_ref::<Faults>() {
        Some(faults) => {
            let count = faults.0.len();
            format!("{faults}\n{count} fault{}", if count == 1 { "" } else { "s" })
        }
        None => format!("siaga: {error:#}"),
    }
}

fn check(config: &Config) {
    for warning in &config.warnings {
        println!("remark: {warning}");
    }
    let listeners: Vec<String> =
        config.sip.listeners.iter().map(|l| format!("{} {}", l.transport.via(), l.local)).collect();
    let trunks: Vec<&str> = config.trunks.iter().map(|trunk| trunk.name.as_str()).collect();
    println!("{} is good", config.file.display());
    println!("  site       {}, {}, {}", config.site.name, config.site.number, config.site.timezone);
    println!("  sip        {} as {}", listeners.join(", "), config.sip.domain);
    println!("  trunks     {}", trunks.join(", "));
    println!("  media      {} ports {}-{}", config.media.listen, config.media.ports.0, config.media.ports.1);
    println!(
        "  shifts     {}",
        if config.shifts.is_empty() {
            "none: everybody is always on shift".to_owned()
        } else {
            config.shifts.len().to_string()
        }
    );
    println!("  console    http://{}", config.console.listen);
}
