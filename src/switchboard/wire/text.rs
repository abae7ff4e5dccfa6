//! Cleans text from peers.

use crate::sip::caller_number;

/// Text of a peer for records, without control and invisible characters, with at most `chars_max` characters.
pub(in crate::switchboard) fn clean(bytes: &[u8], chars_max: usize) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .filter(|c| !c.is_control() && !caller_number::is_invisible(*c))
        .take(chars_max)
        .collect()
}
