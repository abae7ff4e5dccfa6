//! Reads damaged segments of a journal again, repairs records with one flipped bit, and stores the facts that the database does not have.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::ids::CallId;

use super::facts::Batch;
use super::journal::record::{self, Entry};
use super::journal::segments::{self, State};
use super::{Store, StoreError};

/// Maximum facts in one transaction.
const BATCH_FACTS_MAX: usize = 1_024;

/// The content of a segment.
#[derive(Debug, Default)]
pub struct Contents {
    /// Readable facts, in their order.
    pub entries: Vec<Entry>,
    /// How many entries were repaired.
    pub repaired: usize,
    /// First byte and length of each damaged range.
    pub damage: Vec<(usize, usize)>,
    /// First byte and length of the incomplete record at the end, which is no damage (`record::is_torn`).
    pub torn: Option<(usize, usize)>,
    /// Complete records that are not facts.
    pub unknown: usize,
}

/// Reads all of a segment. `repair`: records with one flipped bit are repaired.
pub fn read(path: &Path, repair: bool) -> io::Result<Contents> {
    let bytes = fs::read(path)?;
    let (mut contents, mut at) = (Contents::default(), 0);
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        if let Some((json, length)) = record::first(rest) {
            match Entry::read(json) {
                Some(entry) => contents.entries.push(entry),
                None => contents.unknown += 1,
            }
            at += length;
            continue;
        }
        let found = record::resynchronise(rest.get(1..).unwrap_or_default());
        if found.is_none() && record::is_torn(rest) {
            contents.torn = Some((at, rest.len()));
            break;
        }
        let repaired = if repair { record::repair(rest) } else { None };
        if let Some((entry, length)) = repaired.and_then(|(json, length)| Some((Entry::read(&json)?, length))) {
            contents.entries.push(entry);
            contents.repaired += 1;
            at += length;
            continue;
        }
        let lost = found.map_or(rest.len(), |found| found + 1);
        contents.damage.push((at, lost));
        at += lost;
    }
    Ok(contents)
}

/// The files of a journal: segments in every state.
pub fn files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for state in [State::Damaged, State::Stored, State::Waiting] {
        found.extend(segments::list(dir, state)?.into_iter().map(|segment| segments::path(dir, segment, state)));
    }
    Ok(found)
}

/// Stores facts that the database does not have yet, and computes the records of their calls again.
pub async fn store(store: &Store, journal: &str, entries: &[Entry]) -> Result<(), StoreError> {
    for part in entries.chunks(BATCH_FACTS_MAX) {
        let mut recompute: Vec<CallId> = part.iter().filter_map(|entry| entry.call).collect();
        recompute.sort_unstable();
        recompute.dedup();
        store.take(journal, Batch { facts: part.iter().collect(), recompute, ..Batch::default() }).await?;
    }
    Ok(())
}
