//! Callers who wait without a port. While few pairs are free, new callers leave them to operators' phones: such a caller waits with 180
//! and without early media. The port is lent when a phone is rung for the call, and taken back when no phone rings any more and no
//! operator has answered; in the caller's place in the queue nothing changes.

use crate::acd::Family;
use crate::ids::OperatorId;
use crate::switchboard::Phones;
use std::collections::BTreeSet;

impl Phones {
    /// The families of the pairs for the phones of an operator.
    pub(in crate::switchboard) fn families_of_phones(&self, operator: &OperatorId) -> Vec<Family> {
        let phones = self.phones_to_ring(operator);
        let families = phones.iter().map(|reached| self.settings.family_towards(reached.ways.first.remote.ip()));
        families.collect::<BTreeSet<_>>().into_iter().collect()
    }
}
