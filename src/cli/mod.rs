//! The command line. Exit codes: 0 success, 1 an error, 2 wrong usage.

#![deny(clippy::print_stdout, clippy::print_stderr, reason = "a closed pipe is no panic: `output` prints")]

mod call_id;
mod callers;
mod calls;
mod certificate;
mod check;
mod console;
mod demo;
mod floor;
mod guard;
mod import;
mod journal;
mod operating_mode;
mod operator;
mod output;
mod plan;
mod privacy;
mod report;
mod roster;
mod station;
mod user;
mod web_user;

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
    /// Runs the service in the foreground. SIGTERM ends it after the live calls; SIGHUP reads the configuration again.
    Serve(ConfigFile),
    /// Reads the configuration and its files and reports all errors at once. Exit code 1 if there is an error.
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
    /// Operators: their accounts, states and phones.
    #[command(subcommand)]
    Operator(OperatorCommand),
    /// Stations: phones at which operators log in by number and PIN.
    #[command(subcommand)]
    Station(station::StationCommand),
    /// Users: of the console, each with a token, and of the pages, each with a password.
    #[command(subcommand)]
    User(user::UserCommand),
    /// Banned addresses. For some time, siaga ignores their requests, except in its dialogs and with right credentials.
    #[command(subcommand)]
    Guard(guard::GuardCommand),
    /// Unanswered callers, for operators to call back.
    #[command(subcommand, name = "callback")]
    CallBack(callers::CallBackCommand),
    /// Numbers whose calls wait behind other calls.
    #[command(subcommand)]
    Caller(callers::CallerCommand),
    /// Lists the live calls of the running service.
    Calls(ConfigFile),
    /// Lists the operators of the running service with their states, and the stations.
    Floor(ConfigFile),
    /// Changes a live call of the running service.
    #[command(subcommand)]
    Call(calls::CallCommand),
    /// The operating mode: normal, major incident, drill or fallback.
    #[command(alias = "posture")]
    Mode(operating_mode::ModeArguments),
    /// The journal: salvage damaged segments, and list or store the calls that the database rejected.
    #[command(subcommand)]
    Journal(journal::JournalCommand),
    /// Checks the journal for damage, the records and the sums of reports against the facts, or the access log for changes. Changes nothing.
    #[command(subcommand)]
    Verify(journal::VerifyCommand),
    /// Figures and calls of a period, from the database.
    #[command(subcommand)]
    Report(report::ReportCommand),
    /// How many operators and people a load needs, in which shifts, and what callers notice.
    Plan(Box<plan::PlanArguments>),
    /// Personal data of callers: what is stored about a number, its erasure, and calls on legal hold.
    #[command(subcommand)]
    Privacy(privacy::PrivacyCommand),
    /// Makes a certificate for the pages, and at first the site's own certificate authority, with which browsers accept it.
    Certificate(certificate::CertificateArguments),
    /// Data of a synthetic city, to try the reports.
    #[command(subcommand)]
    Demo(demo::DemoCommand),
}

#[derive(Debug, Subcommand)]
enum CheckCommand {
    /// Lists coming times with too few operators on shift, and decrees that end. Exit code 1 if there is such a time, or if
    /// a name has no account.
    Roster {
        /// How many days ahead.
        #[arg(long, default_value_t = 14, value_parser = clap::value_parser!(u32).range(1..=366))]
        days: u32,
        #[command(flatten)]
        file: ConfigFile,
    },
}

/// Where the configuration is.
#[derive(Clone, Debug, Args)]
struct ConfigFile {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = "config/siaga.toml")]
    config: PathBuf,
}

#[derive(Debug, Subcommand)]
enum OperatorCommand {
    /// Creates an account and prints its password, only once.
    Add {
        #[command(flatten)]
        named: Named,
        /// The display name, for colleagues and reports.
        #[arg(long)]
        name: Option<String>,
    },
    /// Lists the accounts.
    List(ConfigFile),
    /// Gives an account a new password and prints it, only once.
    Passwd(Named),
    /// Removes an account; a live call continues.
    Remove(Named),
    /// Gives an operator the number and the PIN for logging in at stations, or removes them.
    Pin {
        #[command(flatten)]
        named: Named,
        /// 1 to 8 digits, dialled after the feature code of stations.
        #[arg(long, required_unless_present = "remove", conflicts_with = "remove")]
        number: Option<String>,
        /// Reads the PIN, 4 to 12 digits, from standard input. Default: a PIN is generated and printed, only once.
        #[arg(long, conflicts_with = "remove")]
        own: bool,
        /// Removes number and PIN: the operator can no longer log in at stations.
        #[arg(long)]
        remove: bool,
    },
    /// Creates or changes accounts from a CSV file with the columns operator, name and password. If one line has an error, no
    /// account is changed. Without a password, an existing account keeps its password, and a new account gets one, which is
    /// printed.
    Import {
        /// The CSV file.
        accounts: PathBuf,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Logs an operator in.
    LogIn(Named),
    /// Logs an operator out; a live call continues.
    LogOut(Named),
    /// Starts a break, until `resume`. Calls ring the operator only if no operator is ready.
    Pause {
        #[command(flatten)]
        named: Named,
        /// The reason for reports: one of `[operators] break_reasons`, if any are configured.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Ends a break or a wrap-up.
    Resume(Named),
    /// Extends a wrap-up by `[queue] wrap_up_extension_seconds`.
    WrapUp(Named),
    /// Places a call for an operator: the operator's own phones ring first, and the other party is called after the answer.
    Call {
        /// The operator's name.
        operator: String,
        /// A colleague, an agency's name or number, or a number of `siaga callback list`.
        to: String,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Sends a text to the registered phones of one operator or of all. A phone that registers later does not get it.
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

/// Runs the command.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    match carry_out(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(format_args!("{}", message(&error)));
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
        Command::Check { file, what: None } => check::check(&file.config),
        Command::Operator(command) => on_operator(command),
        Command::Station(command) => station::station(command),
        Command::User(command) => user::user(command),
        Command::Guard(command) => guard::guard(command),
        Command::CallBack(command) => callers::call_back(command),
        Command::Caller(command) => callers::caller(command),
        Command::Calls(file) => floor::calls(&Config::load_to_serve(&file.config)?),
        Command::Floor(file) => floor::floor(&Config::load_to_serve(&file.config)?),
        Command::Call(command) => calls::call(command),
        Command::Mode(arguments) => operating_mode::run(arguments),
        Command::Journal(command) => journal::journal(command),
        Command::Verify(command) => journal::verify(&command),
        Command::Report(command) => report::report(command),
        Command::Plan(arguments) => plan::plan(&arguments),
        Command::Privacy(command) => privacy::privacy(command),
        Command::Certificate(arguments) => certificate::certificate(&arguments),
        Command::Demo(command) => demo::demo(command),
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

/// Errors of the configuration are complete lines; other errors get the program's name.
fn message(error: &anyhow::Error) -> String {
    match error.downcast_ref::<Faults>() {
        Some(faults) => {
            let count = faults.0.len();
            format!("{faults}\n{count} error{}", if count == 1 { "" } else { "s" })
        }
        None => format!("siaga: {error:#}"),
    }
}
