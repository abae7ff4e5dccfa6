//! Personal data on the command line: what is stored about a number, its erasure, and legal holds.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::{Args, Subcommand};
use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use crate::cdr::personal::{Number, without_numbers};
use crate::config::Config;
use crate::ids::CallId;
use crate::server::clock::wall_now;
use crate::store::Store;
use crate::store::journal::{Journal, JournalError, Lock};
use crate::store::privacy::{Found, Outcome, Request, Rules};
use crate::store::web::WebStore;
use crate::store::web::access_log::NewAccess;
use crate::store::writer::{Privacy, Writer};
use crate::web::role::Role;

use super::ConfigFile;
use super::operator::on_runtime;
use super::output::print_line;

/// How long the command waits for the running service.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Characters of a ground or a reason.
const REASON_CHARS_MAX: usize = 300;
/// Calls that are listed one by one.
const LISTED_MAX: usize = 20;

/// What to do with personal data.
#[derive(Debug, Subcommand)]
pub(super) enum PrivacyCommand {
    /// Writes everything that is stored about a number to the standard output, as JSON: facts and records. The access log gets an entry.
    Export {
        #[command(flatten)]
        asked: AboutNumber,
    },
    /// Erases a number, with the locations, notes, digits and recordings of its calls, in database and journal. The sums of reports stay.
    Erase {
        #[command(flatten)]
        asked: AboutNumber,
        /// A second user of the pages with another role, who has approved the erasure.
        #[arg(long, value_name = "USER")]
        second: String,
        /// Why the law asks for it; it is stored, so it must not name the person.
        #[arg(long, value_name = "TEXT")]
        ground: String,
    },
    /// Keeps a call from being erased or deleted.
    Hold {
        /// The call's id.
        call: CallId,
        /// The user of the pages who asks for it.
        #[arg(long, value_name = "USER")]
        by: String,
        /// Why; it is stored, so it must not name the person.
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Lifts a legal hold. The service then erases and deletes what [retention] asks for.
    Lift {
        /// The call's id.
        call: CallId,
        /// The user of the pages who asks for it.
        #[arg(long, value_name = "USER")]
        by: String,
        /// A second user of the pages with another role, who has approved it.
        #[arg(long, value_name = "USER")]
        second: String,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Lists the calls on legal hold.
    Holds(ConfigFile),
}

#[derive(Debug, Args)]
pub(super) struct AboutNumber {
    /// The number, with its country code (+6281…) or in national form (081…).
    #[arg(allow_hyphen_values = false)]
    number: String,
    /// The user of the pages who asks for it.
    #[arg(long, value_name = "USER")]
    by: String,
    #[command(flatten)]
    file: ConfigFile,
}

/// Runs one command.
pub(super) fn privacy(command: PrivacyCommand) -> anyhow::Result<()> {
    match command {
        PrivacyCommand::Export { asked } => export(&Config::load_to_serve(&asked.file.config)?, &asked),
        PrivacyCommand::Erase { asked, second, ground } => {
            erase(&Config::load_to_serve(&asked.file.config)?, &asked, &second, &ground)
        }
        PrivacyCommand::Hold { call, by, reason, file } => {
            let config = Config::load_to_serve(&file.config)?;
            hold(&config, call, &by, &text_of("--reason", &reason)?)
        }
        PrivacyCommand::Lift { call, by, second, file } => {
            lift(&Config::load_to_serve(&file.config)?, call, &by, &second)
        }
        PrivacyCommand::Holds(file) => holds(&Config::load_to_serve(&file.config)?),
    }
}

fn number_of(text: &str) -> anyhow::Result<Number> {
    Number::parse(text)
        .with_context(|| format!("{text:?} is no number of a person; expected: +6281… or 081…, at least six digits"))
}

/// A text that is stored and never erased.
fn text_of(option: &str, text: &str) -> anyhow::Result<String> {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let length = text.chars().count();
    ensure!(
        (1..=REASON_CHARS_MAX).contains(&length),
        "{option} has {length} characters; expected: 1 to {REASON_CHARS_MAX}"
    );
    ensure!(
        without_numbers(&text) == text,
        "{option} has the number of a person; expected: a text without it, because the text is never erased"
    );
    Ok(text)
}

/// Opens the store of the pages, checks that the users exist, and that their roles differ.
async fn users(config: &Config, by: &str, second: Option<&str>) -> anyhow::Result<WebStore> {
    let store = WebStore::open(&config.web.store_url).await.context("[web] store_url")?;
    let role = async |name: &str| -> anyhow::Result<Role> {
        let row = store.user(name).await?;
        let row = row.with_context(|| format!("no user of the pages is named {name:?}; siaga user list shows them"))?;
        Role::parse(&row.role).with_context(|| format!("the user {name} has the unknown role {:?}", row.role))
    };
    let first = role(by).await?;
    ensure!(
        matches!(first, Role::Admin | Role::Auditor),
        "the user {by} has the role {}; expected: admin or auditor",
        first.word()
    );
    if let Some(second) = second {
        let other = role(second).await?;
        ensure!(other != first, "{by} and {second} have the same role; expected: two users of different roles");
        ensure!(
            matches!(other, Role::Admin | Role::Auditor | Role::Supervisor),
            "the user {second} has the role {}; expected: admin, auditor or supervisor",
            other.word()
        );
    }
    Ok(store)
}

async fn log(store: &WebStore, user: &str, action: &str, subject: &str) -> anyhow::Result<()> {
    let entry = NewAccess { at_ms: wall_now().as_millis(), user, address: "", action, subject };
    Ok(store.add_access(entry).await?)
}

fn export(config: &Config, asked: &AboutNumber) -> anyhow::Result<()> {
    let number = number_of(&asked.number)?;
    on_runtime(async {
        let web = users(config, &asked.by, None).await?;
        let store = Store::open_read_only(&config.store_url).await.context("[store] url")?;
        let found = store.find_number(&number).await?;
        log(&web, &asked.by, "privacy-export", &format!("calls={} facts={}", found.calls.len(), found.facts.len()))
            .await?;
        let streams: BTreeSet<CallId> =
            found.facts.iter().map(|(stream, _)| *stream).chain(found.records.iter().copied()).collect();
        let mut out = std::io::BufWriter::new(std::io::stdout().lock());
        for stream in streams {
            let whole = found.calls.contains(&stream);
            let texts = store.fact_texts(&stream.to_string(), i64::MAX).await?;
            let facts: Vec<Value> = texts
                .iter()
                .filter_map(|text| serde_json::from_str(text).ok())
                .filter(|fact| whole || is_chosen(stream, fact, &found))
                .collect();
            let record = store.stored_call(&stream.to_string()).await?;
            let record = record.map(|record| record.cdr()).transpose()?.filter(|_| whole || facts.is_empty());
            writeln!(out, "{}", json!({ "stream": stream, "facts": facts, "record": record }))?;
        }
        out.flush()?;
        store.close().await;
        web.close().await;
        Ok(())
    })
}

/// True for a fact in which the number was found.
fn is_chosen(stream: CallId, fact: &Value, found: &Found) -> bool {
    let seq = fact.get("seq").and_then(Value::as_u64).and_then(|seq| u32::try_from(seq).ok());
    seq.is_some_and(|seq| found.facts.contains(&(stream, seq)))
}

fn erase(config: &Config, asked: &AboutNumber, second: &str, ground: &str) -> anyhow::Result<()> {
    let (number, ground) = (number_of(&asked.number)?, text_of("--ground", ground)?);
    on_runtime(async {
        let web = users(config, &asked.by, Some(second)).await?;
        let store = Store::open(&config.store_url).await.context("[store] url")?;
        let found = store.find_number(&number).await?;
        let id = new_id()?;
        let counts = format!("{id} second={second} calls={} facts={}", found.calls.len(), found.facts.len());
        log(&web, &asked.by, "privacy-erase", &counts).await?;
        print_line!(
            "{} facts of {} calls have the number, and {} records without facts",
            found.facts.len(),
            found.calls.len(),
            found.records.len()
        );
        let calls: BTreeSet<CallId> = found.calls.iter().chain(&found.records).copied().collect();
        let is_cut = found.is_cut;
        let request = Request {
            id: id.clone(),
            asked: wall_now(),
            by: asked.by.clone(),
            second: second.to_owned(),
            ground,
            number: asked.number.clone(),
            found,
        };
        store.ask_erasure(&request).await?;
        store.close().await;
        carry_out(config, &number).await?;
        let Some(outcome) = wait(config, &id).await? else {
            bail!(
                "the service has not erased the number within {} s; it will do so as soon as its database responds: the request is {id}",
                PATIENCE.as_secs()
            );
        };
        let kept: BTreeSet<CallId> = outcome.held.iter().chain(&outcome.open).copied().collect();
        for call in calls.difference(&kept) {
            web.forget_texts_of(&call.to_string()).await?;
        }
        web.close().await;
        print_outcome(&outcome);
        ensure!(!is_cut, "there are more facts than one erasure takes; expected: the same command once more");
        ensure!(kept.is_empty(), "the number is still stored: of {} calls nothing was erased", kept.len());
        Ok(())
    })
}

fn print_outcome(outcome: &Outcome) {
    print_line!(
        "erased: {} facts of {} streams in the database, {} in files of the journal, {} recordings",
        outcome.facts,
        outcome.calls,
        outcome.facts_in_files,
        outcome.recordings
    );
    for (calls, why) in [
        (&outcome.held, "is on legal hold"),
        (&outcome.open, "has not ended, or has just ended: repeat the command later"),
    ] {
        for call in calls.iter().take(LISTED_MAX) {
            print_line!("{call} {why}");
        }
    }
    print_line!(
        "Backups and copies of the database still have the number: erase or replace them too (docs/operate/privacy.md)."
    );
}

/// Does what is asked if no service runs: then this process is the one that writes the journal.
async fn carry_out(config: &Config, number: &Number) -> anyhow::Result<()> {
    let dir = &config.journal_dir;
    let lock = match Lock::take(dir) {
        Ok(lock) => lock,
        Err(JournalError::InUse) => return Ok(()),
        Err(fault) => return Err(fault).with_context(|| format!("[journal] dir {}", dir.display())),
    };
    crate::server::forget_number(dir, number).context("the local copy")?;
    let now = wall_now();
    let journal = Journal::open_locked(dir, lock, now, now)?;
    let (_, durable) = tokio::sync::watch::channel(journal.end());
    let (id, first, lock) = (journal.id().to_owned(), journal.first_segment(), journal.lock());
    let privacy = Privacy::new(Rules::default(), config.recording.dir.clone(), wall_now);
    let writer = Writer::new(config.store_url.clone(), dir.clone(), id, first, std::sync::Arc::default());
    let writer = writer.keeping(config.journal_keep).holding(lock).with_privacy(privacy);
    writer.run_until(durable, tokio::time::sleep(PATIENCE)).await;
    Ok(())
}

/// The outcome of a request; None if it is not there in time.
async fn wait(config: &Config, id: &str) -> anyhow::Result<Option<Outcome>> {
    let store = Store::open_read_only(&config.store_url).await?;
    let found = tokio::time::timeout(PATIENCE, async {
        loop {
            match store.erasure_outcome(id).await {
                Ok(None) => tokio::time::sleep(LOOK_EVERY).await,
                Ok(Some(outcome)) => return Ok(outcome),
                Err(fault) => return Err(fault),
            }
        }
    });
    let outcome = found.await.ok().transpose()?;
    store.close().await;
    Ok(outcome)
}

fn new_id() -> anyhow::Result<String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)?;
    Ok(HEXLOWER.encode(&bytes))
}

fn hold(config: &Config, call: CallId, by: &str, reason: &str) -> anyhow::Result<()> {
    on_runtime(async {
        let web = users(config, by, None).await?;
        let store = Store::open(&config.store_url).await.context("[store] url")?;
        let is_known = store.stored_call(&call.to_string()).await?.is_some() || store.has_call(call).await?;
        ensure!(is_known, "no call has the id {call}; expected: an id of siaga report calls");
        log(&web, by, "hold-place", &format!("{call} {reason}")).await?;
        let is_new = store.place_hold(call, wall_now(), by, reason).await?;
        store.close().await;
        web.close().await;
        print_line!("{call} is on legal hold{}", if is_new { "" } else { " already" });
        Ok(())
    })
}

fn lift(config: &Config, call: CallId, by: &str, second: &str) -> anyhow::Result<()> {
    on_runtime(async {
        let web = users(config, by, Some(second)).await?;
        let store = Store::open(&config.store_url).await.context("[store] url")?;
        log(&web, by, "hold-lift", &format!("{call} second={second}")).await?;
        let is_lifted = store.lift_hold(call, wall_now()).await?;
        store.close().await;
        web.close().await;
        ensure!(is_lifted, "{call} is not on legal hold; siaga privacy holds lists the calls that are");
        print_line!("the hold of {call} is lifted");
        Ok(())
    })
}

fn holds(config: &Config) -> anyhow::Result<()> {
    on_runtime(async {
        let store = Store::open_read_only(&config.store_url).await.context("[store] url")?;
        let holds = store.holds().await?;
        store.close().await;
        for hold in &holds {
            let since = jiff::Timestamp::from_millisecond(hold.placed).unwrap_or_default();
            let since = config.zone.to_datetime(since).strftime("%Y-%m-%d %H:%M");
            print_line!("{}  since {since}  by {}  {}", hold.call, hold.placed_by, hold.reason);
        }
        print_line!("{} calls are on legal hold", holds.len());
        Ok(())
    })
}
