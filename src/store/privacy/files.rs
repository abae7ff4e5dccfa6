//! Erases values of facts in the files of a journal. Each record keeps its place and length, because positions in the journal count bytes.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::cdr::fact::FactId;
use crate::cdr::personal::Number;
use crate::ids::CallId;
use crate::store::journal::record::{self, Entry};
use crate::store::journal::segments::{self, State};
use crate::store::{access, seal};

/// The ending of a file that is being written in the place of another.
const NEW: &str = "new";

/// Erases the values of these facts, and of all facts with this number, in every file of the journal in `dir` except segments from
/// `before` on, which the service may be writing. Returns the number of facts. The journal's lock must be held by this process.
pub fn erase_in_files(
    dir: &Path,
    facts: &BTreeSet<(CallId, u32)>,
    number: Option<&Number>,
    before: i64,
) -> io::Result<u64> {
    let mut erased = 0;
    for path in files(dir, before)? {
        match erase_in(&path, facts, number) {
            Ok(more) => erased += more,
            // Stored segments are removed when the disk is full.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(erased)
}

fn files(dir: &Path, before: i64) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for state in [State::Damaged, State::Stored, State::Waiting] {
        let segments = segments::list(dir, state)?.into_iter().filter(|segment| *segment < before);
        found.extend(segments.map(|segment| segments::path(dir, segment, state)));
    }
    match fs::read_dir(dir.join("aside")) {
        Ok(entries) => {
            for entry in entries {
                found.push(entry?.path());
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(found)
}

fn erase_in(path: &Path, facts: &BTreeSet<(CallId, u32)>, number: Option<&Number>) -> io::Result<u64> {
    let new = path.with_added_extension(NEW);
    if new.exists() {
        fs::remove_file(&new)?;
    }
    let mut bytes = fs::read(path)?;
    let erased = erase_in_bytes(&mut bytes, facts, number);
    if erased == 0 {
        return Ok(0);
    }
    let found = fs::metadata(path)?;
    let mut file = access::options().create_new(true).write(true).open(&new)?;
    file.write_all(&bytes)?;
    file.set_permissions(found.permissions())?;
    // The time stamp of a segment shows when its run was last alive.
    file.set_modified(found.modified()?)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(erased)
}

/// Returns how many records were changed, and how many unreadable ranges.
fn erase_in_bytes(bytes: &mut [u8], facts: &BTreeSet<(CallId, u32)>, number: Option<&Number>) -> u64 {
    let (mut erased, mut at) = (0, 0);
    while let Some(rest) = bytes.get_mut(at..).filter(|rest| !rest.is_empty()) {
        let Some((json, length)) = record::first(rest) else {
            let end = record::resynchronise(rest.get(1..).unwrap_or_default()).map_or(rest.len(), |found| found + 1);
            let damaged = rest.get_mut(..end).unwrap_or_default();
            erased += u64::from(number.is_some_and(|number| blank(damaged, number.digits().as_bytes())));
            at += end;
            continue;
        };
        let text = std::str::from_utf8(json).unwrap_or_default();
        let is_chosen = Entry::read(json).is_some_and(|entry| is_in(entry.id, facts))
            || number.is_some_and(|number| seal::mentions(text, number));
        if let Some(left) = is_chosen.then(|| seal::erase(text)).flatten() {
            if let Some(place) = rest.get_mut(..length) {
                record::replace(place, left.as_bytes());
            }
            erased += 1;
        }
        at += length;
    }
    erased
}

fn is_in(FactId { stream, seq }: FactId, facts: &BTreeSet<(CallId, u32)>) -> bool {
    facts.contains(&(stream, seq))
}

/// Overwrites every occurrence. True if there was one.
fn blank(bytes: &mut [u8], digits: &[u8]) -> bool {
    let mut is_found = false;
    while let Some(at) = memchr::memmem::find(bytes, digits) {
        bytes.iter_mut().skip(at).take(digits.len()).for_each(|byte| *byte = b'?');
        is_found = true;
    }
    is_found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cdr::fact::{Fact, FactKind};
    use crate::clock::Timestamp;
    use crate::ids::{LegNo, Rng};

    fn digit(seq: u32, call: CallId) -> Fact {
        let kind = FactKind::Digit { leg: LegNo(0), digit: '7' };
        Fact { id: FactId { stream: call, seq }, call: Some(call), at: Timestamp::from_millis(1), up: None, kind }
    }

    fn marked(seq: u32, call: CallId, number: &str) -> Fact {
        let kind = FactKind::CallerMarked { number: number.to_owned(), until: None, by: "siti".to_owned() };
        Fact { kind, call: None, ..digit(seq, call) }
    }

    #[test]
    fn records_keep_their_places_and_only_the_chosen_ones_change() {
        let call = CallId::new(Timestamp::from_millis(1), &mut Rng::from_number(1));
        let number = Number::parse("0812-3456-7890").unwrap();
        let mut bytes = Vec::new();
        record::encode(&mut bytes, &digit(0, call)).unwrap();
        record::encode(&mut bytes, &digit(1, call)).unwrap();
        bytes.extend_from_slice(b"torn 81234567890 rubbish");
        record::encode(&mut bytes, &marked(2, call, "+6281234567890")).unwrap();
        record::encode(&mut bytes, &marked(3, call, "+6281234567891")).unwrap();
        let before = bytes.clone();
        assert_eq!(erase_in_bytes(&mut bytes, &BTreeSet::from([(call, 1)]), Some(&number)), 3);
        assert_eq!(bytes.len(), before.len());
        assert!(memchr::memmem::find(&bytes, b"81234567890").is_none());
        let (mut at, mut read) = (0, Vec::new());
        while at < bytes.len() {
            match record::first(&bytes[at..]) {
                Some((json, length)) => {
                    read.push((at, seal::check(std::str::from_utf8(json).unwrap()), Entry::read(json).unwrap().id.seq));
                    at += length;
                }
                None => at += 1 + record::resynchronise(&bytes[at + 1..]).unwrap(),
            }
        }
        let states: Vec<_> = read.iter().map(|(_, state, seq)| (*state, *seq)).collect();
        use seal::Seal::{Erased, Whole};
        assert_eq!(states, [(Whole, 0), (Erased, 1), (Erased, 2), (Whole, 3)]);
        for (at, _, _) in read {
            assert!(record::first(&before[at..]).is_some(), "a record began at byte {at} before");
        }
        assert_eq!(erase_in_bytes(&mut bytes, &BTreeSet::from([(call, 1)]), Some(&number)), 0, "once is enough");
    }
}
