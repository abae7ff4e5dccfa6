//! Positions in the journal.

/// A position in the journal: everything before it has been processed. Segments are numbered by the time of their beginning, in
/// milliseconds, so that numbers increase even if the folder was emptied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JournalPosition {
    pub segment: i64,
    pub position: i64,
}
