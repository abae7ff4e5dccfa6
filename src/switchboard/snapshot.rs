//! The state of the switchboard as bytes: written between two steps, and read back with the same settings. A switchboard that was read back
//! continues exactly like the one that was written.
//!
//! The bytes contain passwords' hashes and SRTP keys: they belong only in files that the owner alone can read, and never in a log.

use std::sync::Arc;

use crate::switchboard::dispatch::parts::Parts;
use crate::switchboard::settings::Settings;

/// The first bytes of every snapshot.
const MAGIC: &[u8; 8] = b"siaga\0sb";

/// The version of the format. It is raised with every change of the state's types that an older version could not read.
pub(in crate::switchboard) const VERSION: u16 = 1;

/// Why a snapshot cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error("no snapshot of a switchboard")]
    Foreign,
    #[error("a snapshot of version {found}; expected: version {VERSION}")]
    Version { found: u16 },
    #[error("the snapshot is damaged: {0}")]
    Damaged(String),
    #[error("the snapshot breaks an invariant: {0}")]
    Invariant(String),
    #[error("the state cannot be written: {0}")]
    Unwritable(String),
}

/// Writes the state of all parts. Settings are not contained.
pub(in crate::switchboard) fn write(parts: &Parts) -> Result<Vec<u8>, SnapshotError> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&VERSION.to_be_bytes());
    let mut serializer = rmp_serde::Serializer::new(&mut bytes).with_struct_map();
    serde::Serialize::serialize(parts, &mut serializer)
        .map_err(|error| SnapshotError::Unwritable(error.to_string()))?;
    Ok(bytes)
}

/// Reads the state of all parts and checks its invariants.
pub(in crate::switchboard) fn read(bytes: &[u8], settings: Settings) -> Result<Parts, SnapshotError> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(SnapshotError::Foreign)?;
    let (version, state) = rest.split_first_chunk::<2>().ok_or(SnapshotError::Foreign)?;
    let found = u16::from_be_bytes(*version);
    if found != VERSION {
        return Err(SnapshotError::Version { found });
    }
    let mut parts: Parts = rmp_serde::from_slice(state).map_err(|error| SnapshotError::Damaged(error.to_string()))?;
    parts.use_settings(&Arc::new(settings));
    parts.verify().map_err(SnapshotError::Invariant)?;
    Ok(parts)
}
