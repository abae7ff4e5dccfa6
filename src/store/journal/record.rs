//! One record of the journal: length and CRC-32, each 4 bytes little-endian, then a fact's JSON. Handles bytes, not files.

use serde::Deserialize;

use crate::cdr::fact::{Fact, FactId};
use crate::clock::Timestamp;
use crate::ids::CallId;
use crate::store::seal;

/// Bytes before each record's JSON.
pub(super) const HEAD: usize = 8;
/// Maximum bytes of one fact; a longer length means an incomplete or damaged record.
const JSON_BYTES_MAX: u32 = 4 << 20;

/// Appends the record of one fact.
pub fn encode(buffer: &mut Vec<u8>, fact: &Fact) -> serde_json::Result<()> {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; HEAD]);
    if let Err(error) = seal::write(buffer, fact) {
        buffer.truncate(start);
        return Err(error);
    }
    close(buffer, start);
    Ok(())
}

/// Appends the record of a fact's JSON.
pub(in crate::store) fn encode_json(buffer: &mut Vec<u8>, json: &[u8]) {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; HEAD]);
    buffer.extend_from_slice(json);
    close(buffer, start);
}

/// Writes another JSON in the place of that of a record, which is at least as long: spaces fill the rest.
pub(in crate::store) fn replace(record: &mut [u8], json: &[u8]) {
    if let Some(place) = record.get_mut(HEAD..).filter(|place| place.len() >= json.len()) {
        let (text, rest) = place.split_at_mut(json.len());
        text.copy_from_slice(json);
        rest.fill(b' ');
        close(record, 0);
    }
}

/// Writes the head of the record that begins at `start`.
fn close(buffer: &mut [u8], start: usize) {
    let json = buffer.get(start + HEAD..).unwrap_or_default();
    let head =
        [u32::try_from(json.len()).unwrap_or(u32::MAX).to_le_bytes(), crc32fast::hash(json).to_le_bytes()].concat();
    if let Some(place) = buffer.get_mut(start..start + HEAD) {
        place.copy_from_slice(&head);
    }
}

/// The JSON of the record at the beginning of `bytes`. None if there is no complete and undamaged record.
pub(super) fn decode(bytes: &[u8]) -> Option<&[u8]> {
    let (length, sum) = head(bytes)?;
    // Zeros are not a record: a file system may leave them after a crash.
    if !(2..=JSON_BYTES_MAX).contains(&length) {
        return None;
    }
    let json = bytes.get(HEAD..HEAD + usize::try_from(length).ok()?)?;
    (json.first() == Some(&b'{') && crc32fast::hash(json) == sum).then_some(json)
}

/// `bytes` without the incomplete record at their end, if there is one (`is_torn`).
pub(in crate::store) fn without_torn_end(bytes: &[u8]) -> &[u8] {
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let next = first(rest).map(|(_, length)| length);
        let next = next.or_else(|| Some(1 + resynchronise(rest.get(1..)?)?));
        match next {
            Some(length) => at += length,
            None if is_torn(rest) => return bytes.get(..at).unwrap_or_default(),
            None => break,
        }
    }
    bytes
}

/// How many complete records `bytes` begins with.
pub fn count(bytes: &[u8]) -> u64 {
    let (mut records, mut at) = (0, 0);
    while let Some((_, length)) = bytes.get(at..).and_then(first) {
        records += 1;
        at += length;
    }
    records
}

/// The JSON of the record at the beginning of `bytes`, and how many bytes the record has. None if it is incomplete or damaged.
pub(in crate::store) fn first(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let json = decode(bytes.get(..HEAD + usize::try_from(head(bytes)?.0).ok()?)?)?;
    Some((json, HEAD + json.len()))
}

/// True if `bytes`, the rest of a file without a readable record, is the start of one record that was never completely written, or
/// contains only zeros. A full disk, a kill or a power failure leaves such an end. It is no damage: facts count as written only once their
/// records are complete and synced, and until then they are kept and written again. A record whose JSON is complete is damaged, whatever
/// its head contains.
pub(in crate::store) fn is_torn(bytes: &[u8]) -> bool {
    // A file system may have made the file longer before it wrote the data.
    let zeros = bytes.iter().rev().take_while(|byte| **byte == 0).count();
    let written = bytes.get(..bytes.len() - zeros).unwrap_or_default();
    let Some(json) = written.get(HEAD..) else { return true };
    let Some((length, _)) = head(bytes) else { return true };
    let is_incomplete = usize::try_from(length).is_ok_and(|length| json.len() < length);
    let is_text = json.first().is_none_or(|first| *first == b'{') && !json.contains(&0);
    let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(json).is_ok();
    (2..=JSON_BYTES_MAX).contains(&length) && is_incomplete && is_text && !is_json
}

/// The offset in `bytes` of the next complete and undamaged record.
pub(in crate::store) fn resynchronise(bytes: &[u8]) -> Option<usize> {
    (0..bytes.len().saturating_sub(HEAD)).find(|at| bytes.get(*at..).and_then(decode).is_some())
}

/// The JSON and the length of the record at the beginning of `bytes`, if exactly one of its bits is flipped. Only on a person's request,
/// because a checksum of 32 bits does not prove that the repair is right.
pub(in crate::store) fn repair(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    for bit in 0..HEAD * 8 {
        let mut head: [u8; HEAD] = bytes.get(..HEAD)?.try_into().ok()?;
        flip(&mut head, bit);
        let mut whole = head.to_vec();
        let length = usize::try_from(self::head(&head)?.0).ok().filter(|length| *length <= bytes.len());
        let Some(json) = length.and_then(|length| bytes.get(HEAD..HEAD + length)) else { continue };
        whole.extend_from_slice(json);
        if let Some(json) = decode(&whole) {
            return Some((json.to_vec(), whole.len()));
        }
    }
    let length = usize::try_from(head(bytes)?.0).ok()?;
    let mut whole = bytes.get(..HEAD + length)?.to_vec();
    // The time grows with the square of the length, but facts are short.
    for bit in HEAD * 8..whole.len().min(REPAIRED_BYTES_MAX) * 8 {
        flip(&mut whole, bit);
        if let Some(json) = decode(&whole) {
            return Some((json.to_vec(), HEAD + length));
        }
        flip(&mut whole, bit);
    }
    None
}

/// Only the first bytes of a record are searched for a flipped bit.
const REPAIRED_BYTES_MAX: usize = 16 << 10;

fn flip(bytes: &mut [u8], bit: usize) {
    if let Some(byte) = bytes.get_mut(bit / 8) {
        *byte ^= 1 << (bit % 8);
    }
}

fn head(bytes: &[u8]) -> Option<(u32, u32)> {
    let (length, rest) = bytes.split_first_chunk()?;
    Some((u32::from_le_bytes(*length), u32::from_le_bytes(*rest.first_chunk()?)))
}

/// A fact as it was written, and as this version reads it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub id: FactId,
    /// None for facts of the service and its operators.
    pub call: Option<CallId>,
    /// None for a kind that this version does not know.
    pub fact: Option<Fact>,
    /// The JSON as it was written.
    pub json: String,
}

/// The fields of every fact in every version.
#[derive(Deserialize)]
struct Common {
    stream: CallId,
    seq: u32,
    #[serde(default)]
    call: Option<CallId>,
    #[serde(rename = "at")]
    _at: Timestamp,
    #[serde(rename = "kind")]
    _kind: String,
}

impl Entry {
    /// Reads an entry. Returns None if even the identity is missing.
    pub fn read(json: &[u8]) -> Option<Self> {
        // Spaces follow where personal values were erased.
        let text = std::str::from_utf8(json).ok()?.trim_end().to_owned();
        if let Some(fact) = Fact::read(json) {
            return Some(Self { id: fact.id, call: fact.call, fact: Some(fact), json: text });
        }
        let Common { stream, seq, call, .. } = serde_json::from_str(&text).ok()?;
        Some(Self { id: FactId { stream, seq }, call, fact: None, json: text })
    }

    /// The entry of a fact.
    pub fn of(fact: &Fact) -> serde_json::Result<Self> {
        Ok(Self { id: fact.id, call: fact.call, fact: Some(fact.clone()), json: seal::text(fact)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(json: &[u8]) -> Vec<u8> {
        let length = u32::try_from(json.len()).unwrap();
        [&length.to_le_bytes()[..], &crc32fast::hash(json).to_le_bytes(), json].concat()
    }

    #[test]
    fn a_record_is_found_again_behind_anything() {
        let one = record(br#"{"a":1}"#);
        let rubbish: [&[u8]; 5] = [b"", b"\0", &[0; 4_096], b"{\"length\":12}", &[7, 0, 0, 0, 1, 2, 3, 4, b'{']];
        for before in rubbish {
            let bytes = [before, &one, b"torn"].concat();
            assert_eq!(resynchronise(&bytes), Some(before.len()), "{before:?}");
            assert_eq!(resynchronise(before), None, "{before:?}");
        }
    }

    #[test]
    fn every_start_of_a_record_is_a_torn_end_with_or_without_zeros_behind_it() {
        let whole = record(br#"{"stream":"x","seq":3,"kind":"answered"}"#);
        for length in 0..whole.len() {
            let torn = &whole[..length];
            assert!(is_torn(torn), "{length} bytes");
            assert!(is_torn(&[torn, &[0; 4_096]].concat()), "{length} bytes and zeros");
        }
        assert!(!is_torn(&whole));
    }

    #[test]
    fn a_complete_record_with_a_flipped_bit_is_damage() {
        let whole = record(br#"{"stream":"x","seq":3,"kind":"answered"}"#);
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            flip(&mut bytes, bit);
            assert!(!is_torn(&bytes), "bit {bit}");
        }
        for rubbish in [&[0xff; 40][..], b"text that is no record at all", &[0, 0, 0, 0, 0, 0, 0, 0, 1]] {
            assert!(!is_torn(rubbish), "{rubbish:?}");
        }
    }

    #[test]
    fn an_end_that_no_record_begins_with_is_damage() {
        let whole = record(br#"{"stream":"x","seq":3,"kind":"answered"}"#);
        let torn = &whole[..HEAD + 12];
        assert!(is_torn(torn));
        let changed = |at: std::ops::Range<usize>, byte: u8| {
            let mut bytes = torn.to_vec();
            bytes[at].fill(byte);
            bytes
        };
        assert!(!is_torn(&changed(HEAD..HEAD + 1, b'x')), "JSON of a fact is an object");
        assert!(!is_torn(&changed(HEAD + 4..HEAD + 6, 0)), "zeros before the last byte");
        assert!(!is_torn(&changed(0..4, 0xff)), "a length that no record has");
    }

    #[test]
    fn any_single_flipped_bit_can_be_repaired_and_two_cannot() {
        let whole = record(br#"{"stream":"x","seq":3,"kind":"answered"}"#);
        let next = record(br#"{"seq":4}"#);
        for bit in 0..whole.len() * 8 {
            let mut bytes = [&whole[..], &next].concat();
            flip(&mut bytes, bit);
            assert!(decode(&bytes).is_none(), "bit {bit}");
            assert_eq!(repair(&bytes), Some((whole[HEAD..].to_vec(), whole.len())), "bit {bit}");
        }
        let mut bytes = whole;
        flip(&mut bytes, 100);
        flip(&mut bytes, 200);
        assert_eq!(repair(&bytes), None);
    }
}
