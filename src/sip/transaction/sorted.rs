//! Tables without an order, as bytes.

use std::collections::{BTreeMap, HashMap};

/// Writes a table in the order of its keys: the same state gives the same bytes.
pub(super) fn serialize<K, V, S>(table: &HashMap<K, V>, serializer: S) -> Result<S::Ok, S::Error>
where
    K: Ord + serde::Serialize,
    V: serde::Serialize,
    S: serde::Serializer,
{
    serializer.collect_map(table.iter().collect::<BTreeMap<_, _>>())
}
