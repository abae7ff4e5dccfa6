//! An ordered map for a few large values. A node of a `BTreeMap` has room for eleven of them, although most calls have one leg.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::slice;

/// Entries in the order of their keys, each value in its own allocation. The methods are those of `BTreeMap`.
#[derive(Clone, Debug)]
pub(in crate::switchboard) struct FewMap<K, V>(Vec<(K, Box<V>)>);

impl<K, V> Default for FewMap<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Ord, V> FewMap<K, V> {
    fn place(&self, key: &K) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| other.cmp(key))
    }

    pub(in crate::switchboard) fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.place(&key) {
            Ok(at) => self.0.get_mut(at).map(|(_, old)| std::mem::replace(&mut **old, value)),
            Err(at) => {
                self.0.reserve_exact(1);
                self.0.insert(at, (key, Box::new(value)));
                None
            }
        }
    }

    pub(in crate::switchboard) fn remove(&mut self, key: &K) -> Option<V> {
        let at = self.place(key).ok()?;
        Some(*self.0.remove(at).1)
    }

    pub(in crate::switchboard) fn get(&self, key: &K) -> Option<&V> {
        self.0.get(self.place(key).ok()?).map(|(_, value)| &**value)
    }

    pub(in crate::switchboard) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let at = self.place(key).ok()?;
        self.0.get_mut(at).map(|(_, value)| &mut **value)
    }

    pub(in crate::switchboard) fn contains_key(&self, key: &K) -> bool {
        self.place(key).is_ok()
    }
}

impl<K, V> FewMap<K, V> {
    pub(in crate::switchboard) fn len(&self) -> usize {
        self.0.len()
    }

    pub(in crate::switchboard) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(in crate::switchboard) fn iter(&self) -> Iter<'_, K, V> {
        self.0.iter().map(|(key, value)| (key, &**value))
    }

    pub(in crate::switchboard) fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.0.iter_mut().map(|(key, value)| (&*key, &mut **value))
    }

    pub(in crate::switchboard) fn keys(&self) -> impl Iterator<Item = &K> {
        self.0.iter().map(|(key, _)| key)
    }

    pub(in crate::switchboard) fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| &**value)
    }

    pub(in crate::switchboard) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.iter_mut().map(|(_, value)| &mut **value)
    }
}

type Iter<'a, K, V> = std::iter::Map<slice::Iter<'a, (K, Box<V>)>, fn(&'a (K, Box<V>)) -> (&'a K, &'a V)>;

impl<'a, K, V> IntoIterator for &'a FewMap<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = Iter<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<K: Serialize, V: Serialize> Serialize for FewMap<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self)
    }
}

impl<'de, K: Ord + Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for FewMap<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let entries = BTreeMap::<K, V>::deserialize(deserializer)?;
        Ok(Self(entries.into_iter().map(|(key, value)| (key, Box::new(value))).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_does_what_an_ordered_map_does() {
        let (mut few, mut map) = (FewMap::default(), BTreeMap::new());
        for (key, value) in [(3, 'c'), (1, 'a'), (2, 'b'), (1, 'x'), (0, 'z')] {
            assert_eq!(few.insert(key, value), map.insert(key, value));
        }
        assert_eq!((few.remove(&2), few.remove(&2)), (map.remove(&2), None));
        *few.get_mut(&3).unwrap() = 'y';
        few.iter_mut().filter(|(key, _)| **key == 0).for_each(|(_, value)| *value = 'w');
        map.extend([(3, 'y'), (0, 'w')]);
        assert!(few.iter().eq(map.iter()) && few.keys().eq(map.keys()) && few.values().eq(map.values()));
        assert_eq!((few.get(&1), few.get(&2), few.contains_key(&2), few.len()), (Some(&'x'), None, false, 3));
        let written = rmp_serde::to_vec(&few).unwrap();
        assert_eq!(written, rmp_serde::to_vec(&map).unwrap());
        assert!(rmp_serde::from_slice::<FewMap<i32, char>>(&written).unwrap().iter().eq(map.iter()));
    }
}
