//! Limits of wrong attempts from one source: of log-ins from one address, whatever user names they have, and of codes of one user, from
//! whatever addresses they come. They bound how fast passwords and codes can be tried, and how fast the store and the access log grow.
//! Browsers that have logged in before are exempt, so a stranger keeps no user out.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::clock::Timestamp;

/// Sources that are remembered. If there are more, the one that was seen least recently is forgotten.
const SOURCES_MAX: usize = 10_000;

/// The wrong attempts of one source: `debt_ms` falls with time, and each wrong attempt adds `refill_ms`.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    debt_ms: i64,
    at_ms: i64,
    is_reported: bool,
}

/// An attempt over the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limited {
    /// Until the next attempt from this source is checked.
    pub(super) wait_ms: i64,
    /// True for the first one since the source was below the limit.
    pub(super) is_first: bool,
}

/// The wrong attempts of all sources.
#[derive(Debug)]
pub(super) struct AttemptLimit {
    /// Wrong attempts that a source may send at once.
    burst: i64,
    /// After these, one more is checked in this time.
    refill_ms: i64,
    sources: Mutex<HashMap<String, Bucket>>,
}

impl AttemptLimit {
    /// Log-ins by address: 20 at once, then one in three seconds.
    pub(super) fn of_addresses() -> Self {
        Self { burst: 20, refill_ms: 3_000, sources: Mutex::default() }
    }

    /// Codes by user: 20 at once, then one a minute, which finds a valid code with a chance of less than 0.5 % a day.
    pub(super) fn of_codes() -> Self {
        Self { burst: 20, refill_ms: 60_000, sources: Mutex::default() }
    }

    /// Counts an attempt from a source as wrong before it is checked.
    pub(super) fn count(&self, source: &str, now: Timestamp) -> Result<(), Limited> {
        let now_ms = now.as_millis();
        let mut all = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.contains_key(source) && all.len() >= SOURCES_MAX {
            make_room(&mut all, now_ms);
        }
        let new = Bucket { debt_ms: 0, at_ms: now_ms, is_reported: false };
        let bucket = all.entry(source.to_owned()).or_insert(new);
        bucket.pay(now_ms);
        let over = bucket.debt_ms + self.refill_ms - self.burst * self.refill_ms;
        if over > 0 {
            return Err(Limited { wait_ms: over, is_first: !std::mem::replace(&mut bucket.is_reported, true) });
        }
        bucket.debt_ms += self.refill_ms;
        Ok(())
    }

    /// Takes back an attempt that was right, or was not checked.
    pub(super) fn take_back(&self, source: &str) {
        let mut all = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = all.get_mut(source) {
            bucket.debt_ms = (bucket.debt_ms - self.refill_ms).max(0);
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

/// Forgets the sources without a debt, and at least the one that was seen least recently.
fn make_room(all: &mut HashMap<String, Bucket>, now_ms: i64) {
    all.retain(|_, bucket| bucket.debt_ms > now_ms - bucket.at_ms);
    if all.len() >= SOURCES_MAX
        && let Some(oldest) = all.iter().min_by_key(|(_, bucket)| bucket.at_ms).map(|(source, _)| source.clone())
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
        let limit = AttemptLimit::of_addresses();
        for _ in 0..limit.burst {
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
        for _ in 0..limit.burst {
            assert_eq!(limit.count("a", at(200_000)), Ok(()));
        }
        assert!(limit.count("a", at(200_000)).unwrap_err().is_first, "a new burst is reported again");
    }

    #[test]
    fn the_number_of_remembered_sources_is_bounded() {
        let limit = AttemptLimit::of_addresses();
        for n in 0..SOURCES_MAX + 10 {
            // No debt is paid before the end.
            assert_eq!(limit.count(&n.to_string(), at(i64::try_from(n / 100).unwrap())), Ok(()));
        }
        let all = limit.sources.lock().unwrap();
        assert_eq!(all.len(), SOURCES_MAX);
        assert!(all.contains_key(&(SOURCES_MAX + 9).to_string()));
    }
}
