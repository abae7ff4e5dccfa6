//! A limit of wrong log-ins from one address, whatever user names they have: it bounds how fast one password can be tried with many names,
//! and how fast the store and the access log grow. Browsers that have logged in before are exempt, so a stranger behind the same proxy
//! does not keep them out.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::clock::Timestamp;

/// Wrong log-ins that an address may send at once.
const BURST: i64 = 20;
/// After these, one more is checked in this time.
const REFILL_MS: i64 = 3_000;
/// Addresses that are remembered. If there are more, the one that was seen least recently is forgotten.
const ADDRESSES_MAX: usize = 10_000;

/// The wrong log-ins of one address: `debt_ms` falls with time, and each wrong log-in adds `REFILL_MS`.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    debt_ms: i64,
    at_ms: i64,
    is_reported: bool,
}

/// An attempt over the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limited {
    /// Until the next attempt from this address is checked.
    pub(super) wait_ms: i64,
    /// True for the first one since the address was below the limit.
    pub(super) is_first: bool,
}

/// The wrong log-ins of all addresses.
#[derive(Debug, Default)]
pub(super) struct AddressLimit(Mutex<HashMap<String, Bucket>>);

impl AddressLimit {
    /// Counts an attempt from an address as wrong before it is checked.
    pub(super) fn count(&self, address: &str, now: Timestamp) -> Result<(), Limited> {
        let now_ms = now.as_millis();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.contains_key(address) && all.len() >= ADDRESSES_MAX {
            make_room(&mut all, now_ms);
        }
        let new = Bucket { debt_ms: 0, at_ms: now_ms, is_reported: false };
        let bucket = all.entry(address.to_owned()).or_insert(new);
        bucket.pay(now_ms);
        let over = bucket.debt_ms + REFILL_MS - BURST * REFILL_MS;
        if over > 0 {
            return Err(Limited { wait_ms: over, is_first: !std::mem::replace(&mut bucket.is_reported, true) });
        }
        bucket.debt_ms += REFILL_MS;
        Ok(())
    }

    /// Takes back an attempt that was right, or was not checked.
    pub(super) fn take_back(&self, address: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = all.get_mut(address) {
            bucket.debt_ms = (bucket.debt_ms - REFILL_MS).max(0);
        }
    }
}

impl Bucket {
    fn pay(&mut self, now_ms: i64) {
        // A clock that steps back forgives nothing and adds nothing.
        self.debt_ms = (self.debt_ms - (now_ms - self.at_ms).max(0)).max(0);
        self.at_ms = now_ms;
        if self.debt_ms == 0 {
            self.is_reported = false;
        }
    }
}

/// Forgets the addresses without a debt, and at least the one that was seen least recently.
fn make_room(all: &mut HashMap<String, Bucket>, now_ms: i64) {
    all.retain(|_, bucket| bucket.debt_ms > now_ms - bucket.at_ms);
    if all.len() >= ADDRESSES_MAX
        && let Some(oldest) = all.iter().min_by_key(|(_, bucket)| bucket.at_ms).map(|(address, _)| address.clone())
    {
        all.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(1_795_849_327_000 + ms)
    }

    #[test]
    fn an_address_has_a_burst_and_then_one_attempt_in_three_seconds() {
        let limit = AddressLimit::default();
        for _ in 0..BURST {
            assert_eq!(limit.count("a", at(0)), Ok(()));
        }
        assert_eq!(limit.count("a", at(0)), Err(Limited { wait_ms: 3_000, is_first: true }));
        assert_eq!(limit.count("a", at(1_000)), Err(Limited { wait_ms: 2_000, is_first: false }));
        assert_eq!(limit.count("b", at(1_000)), Ok(()), "other addresses are not limited");
        assert_eq!(limit.count("a", at(3_000)), Ok(()));
        assert_eq!(limit.count("a", at(3_000)), Err(Limited { wait_ms: 3_000, is_first: false }));
        limit.take_back("a");
        assert_eq!(limit.count("a", at(3_000)), Ok(()), "a right password costs nothing");
        assert_eq!(limit.count("a", at(-900_000)), Err(Limited { wait_ms: 3_000, is_first: false }), "the clock steps");
        for _ in 0..BURST {
            assert_eq!(limit.count("a", at(200_000)), Ok(()));
        }
        assert!(limit.count("a", at(200_000)).unwrap_err().is_first, "a new burst is reported again");
    }

    #[test]
    fn the_number_of_remembered_addresses_is_bounded() {
        let limit = AddressLimit::default();
        for n in 0..ADDRESSES_MAX + 10 {
            // No debt is paid before the end.
            assert_eq!(limit.count(&n.to_string(), at(i64::try_from(n / 100).unwrap())), Ok(()));
        }
        let all = limit.0.lock().unwrap();
        assert_eq!(all.len(), ADDRESSES_MAX);
        assert!(all.contains_key(&(ADDRESSES_MAX + 9).to_string()));
    }
}
