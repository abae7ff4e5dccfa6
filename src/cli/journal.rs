//! The journal on the command line: verify, salvage, and the calls that are set aside.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Subcommand;

use crate::config::Config;
use crate::store::aside::Aside;
use crate::store::rollups::verify::Verified;
use crate::store::salvage::{self, Contents};
use crate::store::seal::{self, Seal};
use crate::store::{Store, StoreError};

use super::ConfigFile;
use super::output::print_line;
use super::web_user::verify_access_log;

/// Differences that are listed one by one.
const DIFFERENCES_MAX: u32 = 100;

/// What to verify.
#[derive(Debug, Subcommand)]
pub(super) enum VerifyCommand {
    /// Reads every segment of the journal and lists each damaged range of bytes. Changes nothing. Exit code 1 if there is damage.
    Journal(ConfigFile),
    /// Computes the record of each call again from its facts, and the sums of reports again from the records, and lists every difference.
    /// Changes nothing. Exit code 1 if there is a difference.
    Records(ConfigFile),
    /// Reads the access log of the pages, and checks the hash of every entry. Exit code 1 if an entry was changed or removed.
    Access(ConfigFile),
}

/// What to do with the journal.
#[derive(Debug, Subcommand)]
pub(super) enum JournalCommand {
    /// Reads damaged segments again, repairs records with one flipped bit, and stores the facts that the database does not have. The files
    /// stay.
    Salvage {
        /// Segment files to read, *.damaged or *.stored. Default: all damaged ones.
        segments: Vec<PathBuf>,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Lists the calls that the database rejected and that are set aside.
    Aside(ConfigFile),
    /// Tries again to store the calls that are set aside. Exit code 1 if the database still rejects one.
    Retry(ConfigFile),
}

/// Verifies and changes nothing.
pub(super) fn verify(command: &VerifyCommand) -> anyhow::Result<()> {
    match command {
        VerifyCommand::Journal(file) => verify_journal(&Config::load_to_serve(&file.config)?),
        VerifyCommand::Access(file) => verify_access_log(&Config::load_to_serve(&file.config)?),
        VerifyCommand::Records(file) => verify_records(&Config::load_to_serve(&file.config)?),
    }
}

fn verify_records(config: &Config) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let verified = runtime.block_on(async {
        let store = Store::open_read_only(&config.store_url).await.context("[store] url")?;
        let mut listed = 0;
        let mut list = |difference: String| {
            listed += 1;
            if listed <= DIFFERENCES_MAX {
                print_line!("{difference}");
            } else if listed == DIFFERENCES_MAX + 1 {
                print_line!("…");
            }
        };
        let verified = store.verify_records(&mut list).await;
        store.close().await;
        Ok::<_, anyhow::Error>(verified?)
    })?;
    let Verified { facts, records, rows, erased, differences } = verified;
    print_line!("{facts} facts, {records} records and {rows} rows of sums were compared");
    if erased > 0 {
        print_line!("personal values were erased from {erased} facts");
    }
    anyhow::ensure!(differences == 0, "{differences} differences");
    print_line!("records and sums are those of the facts");
    Ok(())
}

fn verify_journal(config: &Config) -> anyhow::Result<()> {
    let (mut bad, mut changed) = (0, 0);
    for path in salvage::files(&config.journal_dir).with_context(|| shown(&config.journal_dir))? {
        let found = salvage::read(&path, false).with_context(|| shown(&path))?;
        print_contents(&path, &found);
        bad += usize::from(!found.damage.is_empty());
        changed += sealed(&found, Seal::Broken);
    }
    anyhow::ensure!(bad == 0, "{bad} damaged segments; siaga journal salvage reads what is readable");
    anyhow::ensure!(changed == 0, "the personal values of {changed} facts are not those that were written");
    print_line!("the journal is undamaged");
    Ok(())
}

/// How many facts have personal values in this state.
fn sealed(found: &Contents, state: Seal) -> usize {
    found.entries.iter().filter(|entry| seal::check(&entry.json) == state).count()
}

/// Prints what a segment contains, in the same words for every command.
fn print_contents(path: &Path, found: &Contents) {
    let facts = found.entries.len() + found.unknown;
    let unknown = found.entries.iter().filter(|entry| entry.fact.is_none()).count() + found.unknown;
    print_line!("{}: {facts} facts, {unknown} of them of an unknown kind", path.display());
    let (erased, changed) = (sealed(found, Seal::Erased), sealed(found, Seal::Broken));
    if erased > 0 {
        print_line!("  personal values were erased from {erased} facts");
    }
    if changed > 0 {
        print_line!("  the personal values of {changed} facts are not those that were written");
    }
    for (at, length) in &found.damage {
        print_line!("  {length} bytes from byte {at} on cannot be read");
    }
    if let Some((at, length)) = &found.torn {
        print_line!("  {length} bytes from byte {at} on are an incomplete record at the end: no damage");
    }
}

/// Salvages damaged segments, and lists or stores the calls that are set aside.
pub(super) fn journal(command: JournalCommand) -> anyhow::Result<()> {
    match command {
        JournalCommand::Salvage { segments, file } => salvage(&Config::load_to_serve(&file.config)?, segments),
        JournalCommand::Aside(file) => {
            let config = Config::load_to_serve(&file.config)?;
            let aside = Aside::open(&config.journal_dir)?.list()?;
            for one in &aside {
                print_line!("{}  {} facts", one.call, one.facts);
            }
            print_line!("{} calls are set aside", aside.len());
            Ok(())
        }
        JournalCommand::Retry(file) => retry(&Config::load_to_serve(&file.config)?),
    }
}

fn salvage(config: &Config, segments: Vec<PathBuf>) -> anyhow::Result<()> {
    let damaged = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "damaged");
    let segments = if segments.is_empty() {
        salvage::files(&config.journal_dir)?.into_iter().filter(damaged).collect()
    } else {
        segments
    };
    let id = journal_id(&config.journal_dir)?;
    with_store(config, async |store| {
        for path in &segments {
            let found = salvage::read(path, true).with_context(|| shown(path))?;
            salvage::store(store, &id, &found.entries).await?;
            print_contents(path, &found);
            print_line!("  {} facts are stored, {} of them repaired", found.entries.len(), found.repaired);
        }
        print_line!("{} segments were read; remove a file once the database has its facts", segments.len());
        Ok(())
    })
}

fn retry(config: &Config) -> anyhow::Result<()> {
    let id = journal_id(&config.journal_dir)?;
    with_store(config, async |store| {
        let outcomes = Aside::open(&config.journal_dir)?.retry(store, &id).await;
        let mut left = 0;
        for (call, outcome) in outcomes {
            match outcome {
                Ok(()) => print_line!("{call}  stored"),
                Err(fault) => {
                    left += 1;
                    print_line!("{call}  not stored: {:#}", anyhow::Error::from(fault));
                }
            }
        }
        anyhow::ensure!(left == 0, "{left} calls are still set aside");
        Ok(())
    })
}

fn journal_id(dir: &Path) -> anyhow::Result<String> {
    let id = std::fs::read_to_string(dir.join("id")).with_context(|| shown(dir))?;
    Ok(id.trim().to_owned())
}

fn with_store<F>(config: &Config, work: F) -> anyhow::Result<()>
where
    F: AsyncFnOnce(&Store) -> anyhow::Result<()>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let store = Store::open(&config.store_url).await.map_err(|fault: StoreError| anyhow::Error::from(fault))?;
        let done = work(&store).await;
        store.close().await;
        done
    })
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
