//! Ordered maps and sets whose iterations are counted in debug builds, so that a test shows that the work of a step
//! does not grow with the number of calls, or that of a start with the square of the journal's files. A single look-up
//! takes O(log n) steps. Look-ups in maps are counted separately: a step that changes many calls may not look each of
//! them up for every other one.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, Deref, DerefMut, RangeBounds};

#[cfg(debug_assertions)]
thread_local! {
    static VISITS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
    static LOOK_UPS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// How many entries this thread's iterations have visited since it began; always 0 without debug assertions.
pub fn visits() -> u64 {
    #[cfg(debug_assertions)]
    return VISITS.with(std::cell::Cell::get);
    #[cfg(not(debug_assertions))]
    0
}

/// Counts one entry of something that is no map: a file of a folder.
pub fn visit() {
    #[cfg(debug_assertions)]
    VISITS.with(|visits| visits.set(visits.get() + 1));
}

/// How many look-ups in maps this thread has made since it began; always 0 without debug assertions.
pub fn look_ups() -> u64 {
    #[cfg(debug_assertions)]
    return LOOK_UPS.with(std::cell::Cell::get);
    #[cfg(not(debug_assertions))]
    0
}

fn look_up() {
    #[cfg(debug_assertions)]
    LOOK_UPS.with(|look_ups| look_ups.set(look_ups.get() + 1));
}

/// A `BTreeMap` with counted iterations and look-ups. Other methods are those of `BTreeMap`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent, bound(deserialize = "K: Ord + serde::Deserialize<'de>, V: serde::Deserialize<'de>"))]
pub struct Map<K, V>(BTreeMap<K, V>);

/// A `Map` for large values, each in its own allocation: a node of a `BTreeMap` has room for eleven values, and is half empty if the keys
/// arrive in order.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent, bound(deserialize = "K: Ord + serde::Deserialize<'de>, V: serde::Deserialize<'de>"))]
pub struct BoxedMap<K, V>(Map<K, Box<V>>);

/// A `BTreeSet` with counted iterations. Other methods are those of `BTreeSet`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent, bound(deserialize = "K: Ord + serde::Deserialize<'de>"))]
pub struct Set<K>(BTreeSet<K>);

impl<K: Ord, V> Map<K, V> {
    /// Starts empty.
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// The value of a key; counted as a look-up.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        look_up();
        self.0.get(key)
    }

    /// The same, to change it.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        look_up();
        self.0.get_mut(key)
    }

    /// All entries in order; counted.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.0.iter().inspect(|_| visit())
    }

    /// All keys in order; counted.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> {
        self.0.keys().inspect(|_| visit())
    }

    /// All values in the order of their keys; counted.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> {
        self.0.values().inspect(|_| visit())
    }

    /// The same, to change them.
    pub fn values_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut V> {
        self.0.values_mut().inspect(|_| visit())
    }

    /// The entries of a range; counted.
    pub fn range<R: RangeBounds<K>>(&self, range: R) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.0.range(range).inspect(|_| visit())
    }

    /// Keeps what `keep` wants; every entry is counted.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        self.0.retain(|key, value| {
            visit();
            keep(key, value)
        });
    }
}

impl<K: Ord, V> BoxedMap<K, V> {
    /// Starts empty.
    pub const fn new() -> Self {
        Self(Map::new())
    }

    /// The value of a key; counted as a look-up.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.0.get(key).map(|value| &**value)
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.0.get_mut(key).map(|value| &mut **value)
    }

    /// Sets the value of a key.
    pub fn insert(&mut self, key: K, value: V) {
        self.0.insert(key, Box::new(value));
    }

    /// Removes a key and returns its value.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.0.remove(key).map(|value| *value)
    }

    /// True if the key has a value.
    pub fn contains_key(&self, key: &K) -> bool {
        self.0.contains_key(key)
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there is no value.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All entries in order; counted.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.0.iter().map(|(key, value)| (key, &**value))
    }

    /// All keys in order; counted.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> {
        self.0.keys()
    }

    /// All values in the order of their keys; counted.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> {
        self.0.values().map(|value| &**value)
    }

    /// The same, to change them.
    pub fn values_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut V> {
        self.0.values_mut().map(|value| &mut **value)
    }
}

impl<K: Ord> Set<K> {
    /// Starts empty.
    pub const fn new() -> Self {
        Self(BTreeSet::new())
    }

    /// All entries in order; counted.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &K> {
        self.0.iter().inspect(|_| visit())
    }

    /// The entries from a key on; counted.
    pub fn from(&self, first: &K) -> impl DoubleEndedIterator<Item = &K> {
        self.0.range((Bound::Included(first), Bound::Unbounded)).inspect(|_| visit())
    }

    /// Keeps what `keep` wants; every entry is counted.
    pub fn retain(&mut self, mut keep: impl FnMut(&K) -> bool) {
        self.0.retain(|key| {
            visit();
            keep(key)
        });
    }
}

impl<K: Ord, V> Default for Map<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Ord, V> Default for BoxedMap<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Ord> Default for Set<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> Deref for Map<K, V> {
    type Target = BTreeMap<K, V>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<K, V> DerefMut for Map<K, V> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl<K> Deref for Set<K> {
    type Target = BTreeSet<K>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<K> DerefMut for Set<K> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl<K, V> IntoIterator for Map<K, V> {
    type Item = (K, V);
    type IntoIter = std::collections::btree_map::IntoIter<K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn look_ups_in_maps_are_counted_separately() {
        let mut map = Map::new();
        map.insert("a".to_owned(), 1);
        let (seen, looked) = (visits(), look_ups());
        assert_eq!((map.get("a"), map.get("b")), (Some(&1), None));
        assert_eq!(map.get_mut("a"), Some(&mut 1));
        assert_eq!((visits() - seen, look_ups() - looked), (0, 3));
    }

    #[test]
    fn boxed_values_are_counted_like_others() {
        let mut map = BoxedMap::new();
        (0..10).for_each(|n| map.insert(n, n));
        let (seen, looked) = (visits(), look_ups());
        let found = (map.get(&3).copied(), map.get_mut(&4).copied(), map.get(&10).copied());
        assert_eq!(found, (Some(3), Some(4), None));
        assert_eq!((map.iter().count(), map.keys().count(), map.values().sum::<i32>()), (10, 10, 45));
        map.values_mut().for_each(|value| *value += 1);
        assert_eq!((visits() - seen, look_ups() - looked), (40, 3));
        assert_eq!((map.remove(&3), map.remove(&3), map.len(), map.contains_key(&3)), (Some(4), None, 9, false));
    }

    #[test]
    fn iterations_are_counted_and_look_ups_are_not() {
        let mut map = Map::new();
        let mut set = Set::new();
        for n in 0..100 {
            map.insert(n, n);
            set.insert(n);
        }
        let counted = |work: &dyn Fn() -> usize| {
            let before = visits();
            let found = work();
            (found, visits() - before)
        };
        assert_eq!(counted(&|| usize::from(map.contains_key(&5)) + usize::from(set.contains(&5))), (2, 0));
        assert_eq!(counted(&|| map.len() + usize::from(map.first_key_value().is_some())), (101, 0));
        assert_eq!(counted(&|| map.iter().count()), (100, 100));
        assert_eq!(counted(&|| map.keys().take(3).count() + map.values().count()), (103, 103));
        assert_eq!(counted(&|| map.range(90..).count()), (10, 10));
        assert_eq!(counted(&|| set.iter().count() + set.from(&95).count()), (105, 105));
        let before = visits();
        map.values_mut().for_each(|value| *value += 1);
        map.retain(|_, value| *value > 50);
        set.retain(|value| *value > 50);
        assert_eq!((visits() - before, map.len(), set.len()), (300, 50, 49));
    }
}
