//! The command line. Exit codes: 0 good, 1 a fault, 2 wrong usage.

mod call_id;
mod callers;
mod calls;
mod console;
mod floor;
mod guard;
mod import;
mod journal;
mod operator;
mod posture;
mod report;
mod roster;
mod station;
mod user;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use operator::Kind;

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
    /// Reads the configuration and reports all errors at once. Exit code 1 if there is one.
    #[command(args_conflicts_with_subcommands = true)]
    Check {
        #[command(flatten)]
        file: ConfigFile,
        #[command(subcommand)]
        what: Option<CheckCommand>,
    },
    /// The roster of shifts.
    #[command(subcommand)]
    Roster(roster::RosterCommand),
    /// Operators: who may register a phone, and who gets calls.
    #[command(subcommand)]
    Operator(OperatorCommand),
    /// Stations: phones of the room at which operators take turns.
    #[command(subcommand)]
    Station(station::StationCommand),
    /// Users of the console beside the service's own token, each in a role.
    #[command(subcommand)]
    User(user::UserCommand),
    /// Addresses that get no answers for a while.
    #[command(subcommand)]
    Guard(guard::GuardCommand),
    /// Callers whom nobody has answered, for operators to call back.
    #[command(subcommand, name = "callback")]
    CallBack(callers::CallBackCommand),
    /// Numbers whose calls wait behind others.
    #[command(subcommand)]
    Caller(callers::CallerCommand),
    /// Lists the live calls of the running service.
    Calls(ConfigFile),
    /// Lists the operators of the running service with their states, and the stations.
    Floor(ConfigFile),
    /// Changes a live call of the running service.
    #[command(subcommand)]
    Call(calls::CallCommand),
    /// How the house works: as ever, in a major incident, a drill, or while it is being left.
    Posture(posture::PostureArguments),
    /// The journal: salvage damaged segments, and list or store the calls that the database rejected.
    #[command(subcommand)]
    Journal(journal::JournalCommand),
    /// Verifies what siaga has written. Changes nothing.
    #[command(subcommand)]
    Verify(journal::VerifyCommand),
    /// Figures and calls of a period, from the database.
    #[command(subcommand)]
    Report(report::ReportCommand),
}

#[derive(Debug, Subcommand)]
enum CheckCommand {
    /// Tells times ahead in which too few operators are on shift, and decrees that end. Exit code 1 when somebody is missing.
    Roster {
        /// So many days.
        #[arg(long, default_value_t = 14, value_parser = clap::value_parser!(u32).range(1..=366))]
        days: u32,
        #[command(flatten)]
        file: ConfigFile,
    },
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
    /// Gives an operator the number and the PIN by which he logs in at stations, or takes them away.
    Pin {
        #[command(flatten)]
        named: Named,
        /// 1 to 8 digits, dialled behind the code of stations.
        #[arg(long, required_unless_present = "remove", conflicts_with = "remove")]
        number: Option<String>,
        /// Reads the PIN, 4 to 12 digits, from standard input. Without: it is generated and printed, this once.
        #[arg(long, conflicts_with = "remove")]
        own: bool,
        /// He logs in at no station any more.
        #[arg(long)]
        remove: bool,
    },
    /// Creates or changes accounts from a CSV file with the columns operator, name and password: all of them or none. Without a
    /// password, an existing account keeps its password, and a new account gets one, which is printed.
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
    /// Prolongs the work after a call by `[queue] wrap_up_extension_seconds`.
    WrapUp(Named),
    /// Places a call for an operator: his own phones ring, and whom he wants is called when he answers.
    Call {
        /// The operator's name.
        operator: String,
        /// A colleague, an agency's name or number, or a number of `siaga callback list`.
        to: String,
        #[command(flatten)]
        file: ConfigFile,
    },
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
        Command::Serve(file) => crate::server::serve(|| Ok(Config::load_to_serve(&file.config)?)),
        Command::Check { what: Some(CheckCommand::Roster { days, file }), .. } => {
            roster::check(&Config::load(&file.config)?, days)
        }
        Command::Roster(command) => roster::roster(command),
        Command::Check { file, what: None } => {
            let config = Config::load(&file.config)?;
            if let Some(files) = &config.sip.tls {
                files.read()?;
            }
            match operator::accounts(&config).map(|accounts| config.without_account(&accounts)) {
                Ok(unknown) if unknown.is_empty() => {}
                Ok(unknown) => return Err(Faults(unknown).into()),
                Err(fault) => println!("warning: the operators' names were not compared with the accounts: {fault:#}"),
            }
            check(&config);
            check_database(&config)
        }
        Command::Operator(command) => on_operator(command),
        Command::Station(command) => station::station(command),
        Command::User(command) => user::user(command),
        Command::Guard(command) => guard::guard(command),
        Command::CallBack(command) => callers::call_back(command),
        Command::Caller(command) => callers::caller(command),
        Command::Calls(file) => floor::calls(&Config::load_to_serve(&file.config)?),
        Command::Floor(file) => floor::floor(&Config::load_to_serve(&file.config)?),
        Command::Call(command) => calls::call(command),
        Command::Posture(arguments) => posture::posture(arguments),
        Command::Journal(command) => journal::journal(command),
        Command::Verify(command) => journal::verify(&command),
        Command::Report(command) => report::report(command),
    }
}

fn on_operator(command: OperatorCommand) -> anyhow::Result<()> {
    match command {
        OperatorCommand::Add { named, name } => {
            operator::add(&Config::load_to_serve(&named.file.config)?, Kind::Operator, &named.operator, name.as_deref())
        }
        OperatorCommand::List(file) => operator::list(&Config::load_to_serve(&file.config)?),
        OperatorCommand::Passwd(named) => {
            operator::passwd(&Config::load_to_serve(&named.file.config)?, Kind::Operator, &named.operator)
        }
        OperatorCommand::Remove(named) => {
            operator::remove(&Config::load_to_serve(&named.file.config)?, Kind::Operator, &named.operator)
        }
        OperatorCommand::Pin { named, number, own, remove: _ } => {
            let config = Config::load_to_serve(&named.file.config)?;
            match number {
                Some(number) => station::pin(&config, &named.operator, &number, own),
                None => station::remove_pin(&config, &named.operator),
            }
        }
        OperatorCommand::Import { accounts, file } => import::import(&Config::load_to_serve(&file.config)?, &accounts),
        OperatorCommand::LogIn(named) => console::change(&named, "log-in", None),
        OperatorCommand::LogOut(named) => console::change(&named, "log-out", None),
        OperatorCommand::Pause { named, reason } => console::change(&named, "pause", Some(&reason)),
        OperatorCommand::Resume(named) => console::change(&named, "resume", None),
        OperatorCommand::WrapUp(named) => console::change(&named, "wrap-up", None),
        OperatorCommand::Call { operator, to, file } => {
            console::place(&Config::load_to_serve(&file.config)?, &operator, &to)
        }
        OperatorCommand::Message { operator, text, all: _, file } => {
            console::message(&Config::load_to_serve(&file.config)?, operator.as_deref(), &text)
        }
    }
}

/// Faults of the configuration stand for themselves; other errors say what they are.
fn told(error: &anyhow::Error) -> String {
    match error.downcast_ref::<Faults>() {
        Some(faults) => {
            let count = faults.0.len();
            format!("{faults}\n{count} error{}", if count == 1 { "" } else { "s" })
        }
        None => format!("siaga: {error:#}"),
    }
}

/// Checks what the service needs of its database.
fn check_database(config: &Config) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let faults = runtime.block_on(crate::store::examine::examine(&config.store_url));
    anyhow::ensure!(faults.is_empty(), "[store] url: {}", faults.join("\n[store] url: "));
    Ok(())
}

fn check(config: &Config) {
    for warning in &config.warnings {
        println!("warning: {warning}");
    }
    if let Some(warning) = crate::server::open_files::warning(config) {
        println!("warning: {warning}");
    }
    for remark in crate::server::dns::remarks(&config.trunks, &config.sip.name_servers) {
        println!("remark: {remark}");
    }
    let listeners: Vec<String> =
        config.sip.listeners.iter().map(|l| format!("{} {}", l.transport.via(), l.local)).collect();
    let trunks: Vec<&str> = config.trunks.iter().map(|trunk| trunk.name.as_str()).collect();
    println!("{} is good", config.file.display());
    println!("  site       {}, {}, {}", config.site.name, config.site.number, config.site.timezone);
    println!("  sip        {} as {}", listeners.join(", "), config.sip.domain);
    println!("  trunks     {}", trunks.join(", "));
    let media: Vec<String> = config.media.listen.iter().map(ToString::to_string).collect();
    println!("  media      {} ports {}-{}", media.join(", "), config.media.ports.0, config.media.ports.1);
    println!(
        "  shifts     {}",
        if config.shifts.is_empty() {
            "none: everybody is always on shift".to_owned()
        } else {
            config.shifts.len().to_string()
        }
    );
    println!("  console    http://{}", config.console.listen);
    for (what, path) in config.places() {
        println!("  {what:<10} {path}");
    }
}
