//! Packet indices of a stream: 48-bit indices estimated from 16-bit sequence numbers (RFC 3711 §3.3.1), and a replay list of the last 64
//! (§3.3.2).

/// Half of the sequence numbers.
const HALF: u16 = 1 << 15;
/// Size of the replay list.
const WINDOW: u64 = 64;
/// Indices have 48 bits.
const INDEX_MAX: u64 = (1 << 48) - 1;

/// One stream.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Window {
    highest: Option<u64>,
    /// Bit n: the packet n before the highest was received.
    seen: u64,
}

impl Window {
    /// The estimated index of a packet: the one nearest to the highest so far. None if it would be below 0 or above the maximum.
    pub(super) fn guess(&self, sequence: u16) -> Option<u64> {
        let Some(highest) = self.highest else { return Some(u64::from(sequence)) };
        let rollover = highest >> 16;
        let newest = u16::try_from(highest & 0xffff).unwrap_or(0);
        let rollover = if newest < HALF && sequence.saturating_sub(newest) > HALF {
            rollover.checked_sub(1)?
        } else if newest >= HALF && newest - HALF > sequence {
            rollover + 1
        } else {
            rollover
        };
        Some((rollover << 16) | u64::from(sequence)).filter(|index| *index <= INDEX_MAX)
    }

    /// True if this index was not received before and is not too old to be checked.
    pub(super) fn is_new(&self, index: u64) -> bool {
        match self.highest {
            Some(highest) if index <= highest => {
                let age = highest - index;
                age < WINDOW && self.seen & (1 << age) == 0
            }
            Some(_) | None => true,
        }
    }

    /// Marks the index as received.
    pub(super) fn take(&mut self, index: u64) {
        match self.highest {
            Some(highest) if index <= highest => self.seen |= bit(highest - index),
            Some(highest) => {
                let ahead = u32::try_from(index - highest).unwrap_or(u32::MAX);
                self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
                self.highest = Some(index);
            }
            None => (self.highest, self.seen) = (Some(index), 1),
        }
    }
}

fn bit(age: u64) -> u64 {
    u32::try_from(age).ok().and_then(|age| 1_u64.checked_shl(age)).unwrap_or(0)
}
