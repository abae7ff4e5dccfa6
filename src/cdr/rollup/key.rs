//! The combination of values by which calls are counted.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::cdr::Cdr;

/// One combination of values; texts as in records, empty if the record has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    /// Empty: the first desk.
    pub desk: String,
    /// Empty: a call from a phone of the centre.
    pub trunk: String,
    pub class: String,
    pub category: String,
    pub agency: String,
    pub mode: String,
    /// True for calls that were classed as drill or test.
    pub exercise: bool,
}

impl Key {
    /// The combination of a record.
    pub fn of(cdr: &Cdr) -> Self {
        let disposition = cdr.disposition.as_ref();
        Self {
            desk: text(&cdr.desk),
            trunk: text(&cdr.trunk),
            class: disposition.map_or("", |of| of.class.word()).to_owned(),
            category: text(disposition.and_then(|of| of.category.as_deref()).unwrap_or_default()),
            agency: text(disposition.and_then(|of| of.agency.as_deref()).unwrap_or_default()),
            mode: cdr.mode.word().to_owned(),
            exercise: cdr.is_exercise(),
        }
    }

    /// The one for all calls of a period, with or without exercises.
    pub fn whole(exercise: bool) -> Self {
        Self { exercise, ..Self::default() }
    }

    /// A number of the combination that is the same in every database: 63 bits of the SHA-256 of its values.
    pub fn id(&self) -> i64 {
        let mut hash = Sha256::new();
        for value in [&self.desk, &self.trunk, &self.class, &self.category, &self.agency, &self.mode] {
            hash.update(u64::try_from(value.len()).unwrap_or(u64::MAX).to_le_bytes());
            hash.update(value.as_bytes());
        }
        hash.update([u8::from(self.exercise)]);
        let digest = hash.finalize();
        let bytes: [u8; 8] = digest.first_chunk().copied().unwrap_or_default();
        i64::from_le_bytes(bytes) & i64::MAX
    }
}

/// Text without NUL, as the database has it.
fn text(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
