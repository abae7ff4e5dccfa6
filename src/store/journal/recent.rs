//! The facts that the journal has written last, in memory: a writer that is not behind takes them from here, and need
//! not read and parse the files. Facts that are not here are read from the disk, so nothing is lost if this is dropped.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::cdr::fact::Fact;
use crate::limits::{FACTS_RECENT_BYTES_MAX, FACTS_RECENT_MAX};

use super::place::JournalPosition;
use super::record::{self, Entry};
use super::segments::Chunk;

/// Shared by the journal's thread and the writer.
#[derive(Clone, Debug, Default)]
pub struct Recent(Arc<Mutex<Groups>>);

#[derive(Debug, Default)]
struct Groups {
    all: VecDeque<Group>,
    facts: usize,
    /// Of the records.
    bytes: usize,
    /// The writer needs a new segment.
    is_segment_wanted: bool,
}

/// Facts that were written together, with their records.
#[derive(Debug)]
struct Group {
    from: JournalPosition,
    until: JournalPosition,
    records: Vec<u8>,
    facts: Vec<Fact>,
}

impl Recent {
    /// Adds facts that are on the disk; their records end at `until`. Drops the oldest facts if there are too many.
    pub fn add(&self, until: JournalPosition, records: Vec<u8>, facts: Vec<Fact>) {
        let length = i64::try_from(records.len()).unwrap_or(i64::MAX);
        let from = JournalPosition { position: until.position.saturating_sub(length), ..until };
        let mut groups = self.groups();
        groups.facts += facts.len();
        groups.bytes += records.len();
        groups.all.push_back(Group { from, until, records, facts });
        while groups.are_too_many() && groups.drop_first() {}
    }

    /// Takes the facts from `from` on, not beyond `until`, and about `facts_max` of them. None if the memory does not have them.
    pub fn take(&self, from: JournalPosition, until: JournalPosition, facts_max: usize) -> Option<Chunk> {
        let taken = self.groups().take(from, until, facts_max);
        let mut chunk = Chunk { next: taken.last()?.until, ..Chunk::default() };
        for group in taken {
            chunk.entries.append(&mut entries(group)?);
        }
        Some(chunk)
    }

    /// Asks the journal's thread to begin a new segment: stored segments can be changed, the newest one cannot.
    pub fn ask_for_segment(&self) {
        self.groups().is_segment_wanted = true;
    }

    /// True once after a new segment was asked for.
    pub fn is_segment_wanted(&self) -> bool {
        std::mem::take(&mut self.groups().is_segment_wanted)
    }

    fn groups(&self) -> std::sync::MutexGuard<'_, Groups> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Groups {
    fn take(&mut self, from: JournalPosition, until: JournalPosition, facts_max: usize) -> Vec<Group> {
        while self.all.front().is_some_and(|group| group.until <= from) {
            self.drop_first();
        }
        let (mut taken, mut next, mut facts) = (Vec::new(), from, 0);
        while self.all.front().is_some_and(|group| group.from == next && group.until <= until) {
            let Some(group) = self.pop() else { break };
            (next, facts) = (group.until, facts + group.facts.len());
            taken.push(group);
            if facts >= facts_max {
                break;
            }
        }
        taken
    }

    fn are_too_many(&self) -> bool {
        self.facts > FACTS_RECENT_MAX || self.bytes > FACTS_RECENT_BYTES_MAX
    }

    fn drop_first(&mut self) -> bool {
        self.pop().is_some()
    }

    fn pop(&mut self) -> Option<Group> {
        let group = self.all.pop_front()?;
        self.facts -= group.facts.len();
        self.bytes -= group.records.len();
        Some(group)
    }
}

/// The entries of a group, as a reader of its records gets them. None if the records are not those of the facts.
fn entries(group: Group) -> Option<Vec<Entry>> {
    let (mut entries, mut at) = (Vec::with_capacity(group.facts.len()), 0);
    for fact in group.facts {
        let (json, length) = record::first(group.records.get(at..)?)?;
        at += length;
        let json_text = std::str::from_utf8(json).ok()?.to_owned();
        let entry = Entry { id: fact.id, call: fact.call, fact: Some(fact), json: json_text };
        debug_assert_eq!(Entry::read(json).as_ref(), Some(&entry));
        entries.push(entry);
    }
    (at == group.records.len()).then_some(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cdr::fact::{FactId, FactKind};
    use crate::clock::Timestamp;
    use crate::ids::{CallId, Rng};

    const SEGMENT: i64 = 7;

    fn at(position: usize) -> JournalPosition {
        JournalPosition { segment: SEGMENT, position: i64::try_from(position).unwrap() }
    }

    /// Adds a group with facts of these numbers behind `from`. Returns its end.
    fn add(recent: &Recent, from: usize, seqs: std::ops::Range<u32>) -> usize {
        let now = Timestamp::from_millis(1);
        let stream = CallId::new(now, &mut Rng::from_number(1));
        let kind = FactKind::Breach { what: String::new() };
        let facts: Vec<Fact> = seqs
            .map(|seq| Fact { id: FactId { stream, seq }, call: None, at: now, up: None, kind: kind.clone() })
            .collect();
        let mut records = Vec::new();
        facts.iter().for_each(|fact| record::encode(&mut records, fact).unwrap());
        let until = from + records.len();
        recent.add(at(until), records, facts);
        until
    }

    fn seqs(chunk: &Chunk) -> Vec<u32> {
        chunk.entries.iter().map(|entry| entry.id.seq).collect()
    }

    #[test]
    fn facts_are_taken_once_in_their_order_and_not_beyond_the_end() {
        let recent = Recent::default();
        let first = add(&recent, 0, 0..2);
        let second = add(&recent, first, 2..3);
        let third = add(&recent, second, 3..4);
        let chunk = recent.take(at(0), at(second), 100).unwrap();
        assert_eq!((seqs(&chunk), chunk.next), (vec![0, 1, 2], at(second)));
        assert!(recent.take(at(0), at(third), 100).is_none(), "taken before");
        assert_eq!(seqs(&recent.take(at(second), at(third), 100).unwrap()), [3]);
    }

    #[test]
    fn one_group_is_enough_for_the_limit() {
        let recent = Recent::default();
        let first = add(&recent, 0, 0..2);
        let second = add(&recent, first, 2..4);
        let chunk = recent.take(at(0), at(second), 1).unwrap();
        assert_eq!((seqs(&chunk), chunk.next), (vec![0, 1], at(first)));
    }

    #[test]
    fn a_gap_is_left_to_the_disk() {
        let recent = Recent::default();
        let first = add(&recent, 0, 0..1);
        let behind = add(&recent, first + 10, 2..3);
        assert_eq!(seqs(&recent.take(at(0), at(behind), 100).unwrap()), [0]);
        assert!(recent.take(at(first), at(behind), 100).is_none(), "the journal has facts that are not here");
        assert_eq!(seqs(&recent.take(at(first + 10), at(behind), 100).unwrap()), [2]);
    }

    #[test]
    fn the_oldest_facts_are_dropped_first_if_nothing_takes_them() {
        let recent = Recent::default();
        let (mut end, step) = (0, 4_096);
        let mut ends = Vec::new();
        for group in 0..u32::try_from(FACTS_RECENT_MAX).unwrap() / step + 2 {
            end = add(&recent, end, group * step..(group + 1) * step);
            ends.push(end);
        }
        assert!(recent.take(at(0), at(end), 1).is_none());
        assert!(recent.take(at(ends[1]), at(end), 1).is_some(), "two groups were dropped");
        assert!(recent.groups().facts < FACTS_RECENT_MAX);
    }

    #[test]
    fn a_few_long_facts_are_bounded_by_their_bytes() {
        let (recent, bytes) = (Recent::default(), FACTS_RECENT_BYTES_MAX / 2);
        for group in 1..=3 {
            recent.add(at(group * bytes), vec![0; bytes], Vec::new());
        }
        let groups = recent.groups();
        assert_eq!((groups.all.len(), groups.bytes), (2, 2 * bytes));
        assert_eq!(groups.all.front().unwrap().from, at(bytes), "the oldest was dropped");
    }
}
