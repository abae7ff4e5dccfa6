//! Callers who wait without a port. If few port pairs are free, new callers leave them to operators' phones: such a
//! caller waits with 180 and without early media. The call gets a port when a phone is rung for it, and returns the
//! port if the ringing ends without an answer. The call's position in the queue does not change.

use crate::acd::Family;
use crate::ids::OperatorId;
use crate::switchboard::phones::Phones;
use std::collections::BTreeSet;

impl Phones {
    /// The address families of the port pairs for an operator's phones.
    pub(in crate::switchboard) fn families_of_phones(&self, operator: &OperatorId) -> Vec<Family> {
        let phones = self.phones_to_ring(operator);
        let families =
            phones.iter().map(|reached| self.settings.media.family_towards(reached.addresses.first.remote.ip()));
        families.collect::<BTreeSet<_>>().into_iter().collect()
    }
}
