//! The state of the switchboard as bytes: written between two steps, and read back with the same settings. A switchboard that was read back
//! continues exactly like the one that was written.
//!
//! The bytes contain secrets and personal data: hashes of passwords and PINs, PIN digits that are dialled, SRTP keys, the secret of
//! nonces, the states of the random generators, requests with credentials, tags and Call-IDs of all dialogs, numbers, names and locations of
//! callers, and message texts. They belong only in files that the owner alone can read, and never in a log. The passwords of trunks are not
//! contained: `read` takes them from the settings.

use std::io::Cursor;

use sha2::{Digest as _, Sha256};

use crate::switchboard::dispatch::parts::Parts;
use crate::switchboard::settings::Settings;

/// The first bytes of every snapshot.
const MAGIC: &[u8; 8] = b"siaga\0sb";

/// The version of the format. Raise this with every change of a serialised type, and write `tests/data/snapshot.bin` anew
/// (`tests/sim/snapshots.rs` says how).
pub(in crate::switchboard) const VERSION: u16 = 5;

/// The bytes before the state: `MAGIC`, the version, the fingerprint of the settings, the length of the state, and its CRC-32.
const HEADER_BYTES: usize = 8 + 2 + 8 + 8 + 4;

/// Why a snapshot cannot be written or read. No variant contains a caller's number: `Invariant` names calls, operators, requests and addresses,
/// the others contain no data of the snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error("no snapshot of a switchboard")]
    Foreign,
    #[error("a snapshot of version {found}; expected: version {VERSION}")]
    Version { found: u16 },
    #[error("the snapshot was written with other settings")]
    Settings,
    /// `at`: the byte of the state that cannot be read; 0 if the state as a whole is damaged.
    #[error("the snapshot is damaged (byte {at} of its state)")]
    Damaged { at: u64 },
    #[error("the snapshot breaks an invariant: {0}")]
    Invariant(String),
    #[error("the outputs of the last step were not taken")]
    Unfinished,
    #[error("the state cannot be written")]
    Unwritable,
}

/// Writes the state of all parts. Settings are not contained.
pub(in crate::switchboard) fn write(parts: &Parts) -> Result<Vec<u8>, SnapshotError> {
    if !parts.step.out.is_empty() {
        return Err(SnapshotError::Unfinished);
    }
    let mut bytes = vec![0; HEADER_BYTES];
    let mut serializer = rmp_serde::Serializer::new(&mut bytes).with_struct_map();
    serde::Serialize::serialize(parts, &mut serializer).map_err(|_| SnapshotError::Unwritable)?;
    let state = bytes.get(HEADER_BYTES..).unwrap_or_default();
    let header = header(state, fingerprint(&parts.settings));
    bytes.splice(..HEADER_BYTES, header);
    Ok(bytes)
}

/// Reads the state of all parts and checks its invariants.
pub(in crate::switchboard) fn read(bytes: &[u8], settings: Settings) -> Result<Parts, SnapshotError> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(SnapshotError::Foreign)?;
    let (version, rest) = rest.split_first_chunk::<2>().ok_or(SnapshotError::Foreign)?;
    let found = u16::from_be_bytes(*version);
    if found != VERSION {
        return Err(SnapshotError::Version { found });
    }
    let damaged = SnapshotError::Damaged { at: 0 };
    let Some((written_with, _)) = rest.split_first_chunk::<8>() else { return Err(damaged) };
    let Some(state) = bytes.get(HEADER_BYTES..) else { return Err(damaged) };
    let expected = header(state, *written_with);
    if *written_with != fingerprint(&settings) {
        return Err(SnapshotError::Settings);
    }
    if bytes.get(..HEADER_BYTES) != Some(expected.as_slice()) {
        return Err(damaged);
    }
    decode(state, settings)
}

/// Reads the state after the header.
fn decode(state: &[u8], settings: Settings) -> Result<Parts, SnapshotError> {
    let mut deserializer = rmp_serde::Deserializer::new(Cursor::new(state));
    let parts: Result<Parts, _> = serde::Deserialize::deserialize(&mut deserializer);
    let at = deserializer.position();
    let mut parts = parts.map_err(|_| SnapshotError::Damaged { at })?;
    if usize::try_from(at).ok() != Some(state.len()) {
        return Err(SnapshotError::Damaged { at });
    }
    parts.use_settings(&settings);
    parts.verify().and_then(|()| parts.verify_tables()).map_err(SnapshotError::Invariant)?;
    Ok(parts)
}

/// The bytes before this state.
fn header(state: &[u8], fingerprint: [u8; 8]) -> Vec<u8> {
    let length = u64::try_from(state.len()).unwrap_or(u64::MAX);
    let mut header = MAGIC.to_vec();
    header.extend_from_slice(&VERSION.to_be_bytes());
    header.extend_from_slice(&fingerprint);
    header.extend_from_slice(&length.to_be_bytes());
    header.extend_from_slice(&crc32fast::hash(state).to_be_bytes());
    header
}

/// Distinguishes settings. Passwords do not count: the text of settings does not contain them.
fn fingerprint(settings: &Settings) -> [u8; 8] {
    let hash = Sha256::digest(format!("{settings:?}").as_bytes());
    hash.first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::flow::Transport;
    use crate::switchboard::settings::{Network, Trunk, TrunkSettings};
    use crate::switchboard::timers::TimerKind;

    /// A state with a talk, a ringing call, waiting calls, a subscription, and phones (see `tests/sim/snapshots.rs`).
    const GOLDEN: &[u8] = include_bytes!("../../tests/data/snapshot.bin");

    fn settings() -> Settings {
        let trunk = Trunk {
            name: "telco".to_owned(),
            peers: vec![Network::parse("127.0.0.2/32").unwrap()],
            target: Some("127.0.0.2:5080".parse().unwrap()),
            host: None,
            transport: Transport::Udp,
            tls_name: None,
            tcp_when_large: false,
            keep_alive: None,
            terms: TrunkSettings::default(),
        };
        Settings { trunks: vec![trunk], ..Settings::default() }
    }

    fn parts() -> Parts {
        decode(&GOLDEN[HEADER_BYTES..], settings()).unwrap_or_else(|error| panic!("write the file anew: {error}"))
    }

    #[test]
    fn a_missing_deadline_is_noticed() {
        let all: Vec<_> = parts().step.timers.iter().cloned().collect();
        let kinds = [
            |timer: &TimerKind| matches!(timer, TimerKind::TooLong(_)),
            |timer: &TimerKind| matches!(timer, TimerKind::RingOver(_)),
            |timer: &TimerKind| matches!(timer, TimerKind::PingTrunk(_)),
            |timer: &TimerKind| matches!(timer, TimerKind::PingPhone(_)),
            |timer: &TimerKind| matches!(timer, TimerKind::Watch(_)),
        ];
        for is_kind in kinds {
            assert!(all.iter().any(|(_, timer)| is_kind(timer)), "{all:?}");
        }
        let mut parts = parts();
        for (at, timer) in all {
            assert!(parts.step.timers.remove(at, timer.clone()));
            assert!(parts.verify().is_err(), "{timer:?}");
            let later = at + std::time::Duration::from_millis(1);
            parts.step.timers.insert(later, timer.clone());
            assert!(parts.verify().is_err(), "{timer:?} at another time");
            parts.step.timers.remove(later, timer.clone());
            parts.step.timers.insert(at, timer);
        }
        parts.verify().unwrap();
    }

    #[test]
    fn an_index_that_does_not_fit_its_table_is_noticed() {
        let dialogs: Vec<_> = parts().net.wire.dialogs.iter().map(|(key, who)| (key.clone(), *who)).collect();
        assert!(dialogs.len() > 2, "{dialogs:?}");
        let mut parts = parts();
        for n in 0..dialogs.len() {
            let (key, who) = &dialogs[n];
            let (_, other) = dialogs[(n + 1) % dialogs.len()];
            parts.net.wire.dialogs.insert(key.clone(), other);
            assert!(parts.verify_tables().is_err(), "a dialog of {who:?} belongs to {other:?}");
            parts.net.wire.dialogs.insert(key.clone(), *who);
        }
        parts.verify_tables().unwrap();
        let (lent, _) = parts.net.media.anchors.iter().next().map(|(anchor, who)| (*anchor, *who)).unwrap();
        assert!(parts.net.media.ports.give_back(lent));
        assert!(parts.verify_tables().is_err(), "a port is free and lent");
    }

    #[test]
    fn an_error_shows_nothing_of_the_state() {
        let state = rmp_serde::to_vec("081234567").unwrap();
        let error = decode(&state, settings()).unwrap_err();
        assert!(matches!(error, SnapshotError::Damaged { .. }), "{error}");
        assert!(!format!("{error} {error:?}").contains("0812"));
    }
}
