//! Time as values. Owns the two clocks' types and the deadline index; must not read a clock.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Add;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point on the monotonic clock, in nanoseconds since the process's own epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Instant(u64);

impl Instant {
    /// Builds a point from nanoseconds since the epoch.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the epoch.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to this point; zero when `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// A point of the calendar, in milliseconds since 1970-01-01 00:00 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Builds a point from milliseconds since the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The time this many milliseconds later, or earlier if negative.
    #[must_use]
    pub const fn shifted(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Milliseconds from `earlier` to this point; zero when `earlier` is later.
    pub const fn millis_since(self, earlier: Self) -> u64 {
        let span = self.0.saturating_sub(earlier.0);
        if span < 0 { 0 } else { span.unsigned_abs() }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Both clocks, read once when an input arrives: `mono` for timers, `wall` for records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Now {
    /// Monotonic clock.
    pub mono: Instant,
    /// Calendar clock.
    pub wall: Timestamp,
}

impl Now {
    /// Both clocks after `span` has passed.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Self { mono: self.mono + span, wall: Timestamp(self.wall.0.saturating_add(millis)) }
    }
}

/// The deadlines of one owner, ordered by time, then key.
///
/// The owner keeps each deadline in the state that it belongs to, so leaving a state cancels its deadline with
/// `remove`; nothing scans all.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Deadlines<K: Ord + Clone> {
    set: BTreeSet<(Instant, K)>,
}

impl<K: Ord + Clone> Default for Deadlines<K> {
    fn default() -> Self {
        Self { set: BTreeSet::new() }
    }
}

impl<K: Ord + Clone> Deadlines<K> {
    /// Adds a deadline.
    pub fn insert(&mut self, at: Instant, key: K) {
        self.set.insert((at, key));
    }

    /// Takes a deadline back; true when it was there.
    pub fn remove(&mut self, at: Instant, key: K) -> bool {
        self.set.remove(&(at, key))
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<Instant> {
        self.set.first().map(|(at, _)| *at)
    }

    /// Takes out the earliest deadline that is not after `now`.
    pub fn pop_due(&mut self, now: Instant) -> Option<(Instant, K)> {
        if self.set.first().is_some_and(|(at, _)| *at <= now) { self.set.pop_first() } else { None }
    }

    /// All of them, the earliest first.
    pub fn iter(&self) -> impl Iterator<Item = &(Instant, K)> {
        self.set.iter()
    }

    /// True when that deadline is set.
    pub fn contains(&self, at: Instant, key: K) -> bool {
        self.set.contains(&(at, key))
    }

    /// How many deadlines are set.
    pub fn len(&self) -> usize {
        self.set.len()
    }

    /// True when no deadline is set.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }
}

/// The earlier of two optional points.
pub fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (some, None) | (None, some) => some,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_come_out_in_order_and_can_be_taken_back() {
        let mut deadlines = Deadlines::default();
        let at = |s| Instant::default() + Duration::from_secs(s);
        deadlines.insert(at(3), 'c');
        deadlines.insert(at(1), 'a');
        deadlines.insert(at(2), 'b');
        assert!(deadlines.remove(at(2), 'b'));
        assert!(!deadlines.remove(at(2), 'b'));
        assert_eq!(deadlines.next(), Some(at(1)));
        assert_eq!(deadlines.pop_due(at(1)), Some((at(1), 'a')));
        assert_eq!(deadlines.pop_due(at(2)), None);
        assert_eq!(deadlines.pop_due(at(9)), Some((at(3), 'c')));
        assert!(deadlines.is_empty());
    }

    #[test]
    fn spans_never_go_negative() {
        assert_eq!(Instant::from_nanos(1).since(Instant::from_nanos(5)), Duration::ZERO);
        assert_eq!(Timestamp::from_millis(1).millis_since(Timestamp::from_millis(5)), 0);
    }
}
