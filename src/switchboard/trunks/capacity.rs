//! The channels of trunks that calls use.

use crate::switchboard::ids::LegRef;
use crate::switchboard::trunks::Trunks;

impl Trunks {
    /// True if a trunk has capacity for another caller. Outgoing legs use a full trunk if no other has capacity.
    pub(in crate::switchboard) fn has_room(&self, index: usize) -> bool {
        let cap = self.settings.trunks.get(index).map_or(0, |trunk| trunk.terms.max_calls);
        cap == 0 || self.channels.taken.get(&index).is_none_or(|taken| *taken < cap)
    }

    pub(in crate::switchboard) fn reserve_channel(&mut self, index: usize, who: LegRef) {
        self.channels.take(index, who);
    }

    pub(in crate::switchboard) fn release_channel(&mut self, who: LegRef) {
        self.channels.leave(who);
    }

    /// The live legs over a trunk.
    pub(in crate::switchboard) fn legs_over(&self, index: usize) -> Vec<LegRef> {
        self.channels.legs_over(index)
    }

    /// The trunk of a leg.
    pub(in crate::switchboard) fn trunk_of_leg(&self, who: LegRef) -> Option<usize> {
        self.channels.of.get(&who).copied()
    }
}
