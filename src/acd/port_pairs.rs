//! Free RTP port pairs, as far as they limit ring attempts. A ring attempt needs a pair for the phone; a caller who waits without a
//! port needs one too. While there are too few, calls keep their places and nothing rings for them.

use crate::limits::WAITING_CALLS_SEARCHED_MAX;

/// The address family of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum Family {
    V4,
    V6,
}

impl Family {
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];
}

/// Number of free port pairs of each family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FreePairs {
    pub v4: usize,
    pub v6: usize,
}

impl Default for FreePairs {
    /// No limit.
    fn default() -> Self {
        Self { v4: usize::MAX, v6: usize::MAX }
    }
}

impl FreePairs {
    /// Number of free pairs of a family.
    pub const fn of(self, family: Family) -> usize {
        match family {
            Family::V4 => self.v4,
            Family::V6 => self.v6,
        }
    }

    /// True if too few pairs of `family` are free to ring a phone of family `phone`. `lacks`: the family of the port
    /// that the caller needs, too; None: the caller needs none.
    pub(super) fn misses(self, family: Family, lacks: Option<Family>, phone: Family) -> bool {
        self.of(family) < usize::from(lacks == Some(family)) + usize::from(phone == family)
    }

    /// True if a phone of family `phone` can be rung. `lacks`: the family of the port that the caller needs, too; None:
    /// the caller needs none.
    pub fn allow(self, lacks: Option<Family>, phone: Family) -> bool {
        !Family::ALL.into_iter().any(|family| self.misses(family, lacks, phone))
    }

    /// Like `allow`, for a phone of any family.
    pub(super) fn allow_any(self, lacks: Option<Family>) -> bool {
        Family::ALL.into_iter().any(|phone| self.allow(lacks, phone))
    }

    /// The first of some calls, in their order, for which a phone can be rung. Only a limited number of calls is examined; the last pair
    /// can only serve a call whose caller has a port.
    pub(super) fn first<T>(self, calls: impl Iterator<Item = T>, lacks: impl Fn(&T) -> Option<Family>) -> Option<T> {
        let searched = if self.allow_any(None) { WAITING_CALLS_SEARCHED_MAX } else { 0 };
        calls.take(searched).find(|call| self.allow_any(lacks(call)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_without_a_port_needs_one_beside_the_phones() {
        let free = |v4, v6| FreePairs { v4, v6 };
        for (v4, v6, with, without_v4, without_v6) in [
            (0, 0, false, false, false),
            (1, 0, true, false, false),
            (0, 1, true, false, false),
            (2, 0, true, true, false),
            (0, 2, true, false, true),
            (1, 1, true, true, true),
        ] {
            let allowed = [None, Some(Family::V4), Some(Family::V6)].map(|lacks| free(v4, v6).allow_any(lacks));
            assert_eq!(allowed, [with, without_v4, without_v6], "{v4} {v6}");
        }
    }
}
