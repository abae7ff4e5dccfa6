//! The capacity of trunks: the trunk of each leg, and the legs that count.

use std::collections::{BTreeMap, BTreeSet};

use crate::switchboard::ids::LegRef;
use crate::switchboard::trunks::former::FormerTrunk;

/// The channels in use.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct TrunkUsage {
    /// The trunk of each leg, as an index into the settings.
    pub(in crate::switchboard) of: BTreeMap<LegRef, usize>,
    /// Legs that have ended and use no capacity, but whose trunk is still known.
    over: BTreeSet<LegRef>,
    pub(in crate::switchboard) taken: BTreeMap<usize, usize>,
    /// The terms of removed trunks, for each of their legs.
    pub(in crate::switchboard) former: BTreeMap<LegRef, FormerTrunk>,
}

impl TrunkUsage {
    pub(in crate::switchboard) fn take(&mut self, trunk: usize, who: LegRef) {
        self.leave(who);
        self.of.insert(who, trunk);
        *self.taken.entry(trunk).or_default() += 1;
    }

    pub(in crate::switchboard) fn leave(&mut self, who: LegRef) {
        self.release(who);
        self.of.remove(&who);
        self.over.remove(&who);
        self.former.remove(&who);
    }

    /// Gives the legs of a trunk that is removed its terms. `follow` then removes them from the trunk.
    pub(in crate::switchboard) fn become_former(&mut self, trunk: usize, terms: &FormerTrunk) {
        let legs = self.of.iter().filter(|(_, of)| **of == trunk).map(|(who, _)| (*who, terms.clone()));
        self.former.extend(legs);
    }

    /// Moves the channel of a leg to another one.
    pub(in crate::switchboard) fn move_to(&mut self, was: LegRef, is: LegRef) {
        let (trunk, former) = (self.of.get(&was).copied(), self.former.remove(&was));
        if let Some(trunk) = trunk {
            self.leave(was);
            self.take(trunk, is);
        }
        self.former.extend(former.map(|terms| (is, terms)));
    }

    /// Frees the capacity of a leg that has ended. Its trunk stays known.
    pub(in crate::switchboard) fn release(&mut self, who: LegRef) {
        let Some(trunk) = self.of.get(&who).filter(|_| !self.over.contains(&who)) else { return };
        if let Some(taken) = self.taken.get_mut(trunk) {
            *taken -= 1;
            if *taken == 0 {
                self.taken.remove(trunk);
            }
        }
        self.over.insert(who);
    }

    /// The live legs over a trunk.
    pub(in crate::switchboard) fn legs_over(&self, trunk: usize) -> Vec<LegRef> {
        let legs = self.of.iter().filter(|(who, of)| **of == trunk && !self.over.contains(who));
        legs.map(|(who, _)| *who).collect()
    }

    /// Renumbers the trunks. Legs of removed trunks use no channel any more, and keep the terms of their trunk.
    pub(in crate::switchboard) fn follow(&mut self, places: &[Option<usize>]) {
        let old = std::mem::take(self);
        for (who, trunk) in old.of {
            if let Some(place) = places.get(trunk).copied().flatten() {
                self.take(place, who);
            }
        }
        old.over.into_iter().for_each(|who| self.release(who));
        self.former = old.former;
    }

    pub(in crate::switchboard) fn verify(&self, alive: impl Fn(&LegRef) -> bool) -> Result<(), String> {
        if let Some(who) = self.of.keys().find(|who| !alive(who)) {
            return Err(format!("a trunk's room is taken by {who:?}, who is gone"));
        }
        if let Some(who) = self.former.keys().find(|who| !alive(who) || self.of.contains_key(who)) {
            return Err(format!("{who:?} has the terms of a removed trunk, and is gone or has another trunk"));
        }
        if let Some(who) = self.over.iter().find(|who| !self.of.contains_key(who)) {
            return Err(format!("{who:?} is over, and has no trunk"));
        }
        let mut counted: BTreeMap<usize, usize> = BTreeMap::new();
        let live = self.of.iter().filter(|(who, _)| !self.over.contains(who));
        live.for_each(|(_, trunk)| *counted.entry(*trunk).or_default() += 1);
        if counted != self.taken {
            return Err(format!("{counted:?} seats are taken on trunks, {:?} are counted", self.taken));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channels() -> TrunkUsage {
        let mut channels = TrunkUsage::default();
        for (trunk, service_call) in [(0, 1), (1, 2), (1, 3), (2, 4)] {
            channels.take(trunk, LegRef::Service(service_call));
        }
        channels
    }

    #[test]
    fn a_channel_is_given_back_once() {
        let mut channels = channels();
        for _ in 0..2 {
            channels.leave(LegRef::Service(2));
            assert_eq!(channels.taken, BTreeMap::from([(0, 1), (1, 1), (2, 1)]));
        }
        channels.take(2, LegRef::Service(3));
        assert_eq!(channels.taken, BTreeMap::from([(0, 1), (2, 2)]));
        assert_eq!(channels.verify(|_| true), Ok(()));
        assert!(channels.verify(|who| *who != LegRef::Service(4)).is_err());
    }

    #[test]
    fn a_leg_that_is_over_takes_no_capacity_and_keeps_its_trunk() {
        let mut channels = channels();
        for _ in 0..2 {
            channels.release(LegRef::Service(2));
            assert_eq!(channels.taken, BTreeMap::from([(0, 1), (1, 1), (2, 1)]));
        }
        assert_eq!((channels.of.get(&LegRef::Service(2)), channels.verify(|_| true)), (Some(&1), Ok(())));
        channels.follow(&[Some(0), Some(1), Some(2)]);
        assert_eq!(channels.taken, BTreeMap::from([(0, 1), (1, 1), (2, 1)]));
        channels.leave(LegRef::Service(2));
        assert_eq!(channels.taken, BTreeMap::from([(0, 1), (1, 1), (2, 1)]));
        assert_eq!((channels.of.get(&LegRef::Service(2)), channels.verify(|_| true)), (None, Ok(())));
        // A new leg with a known number counts again.
        channels.take(2, LegRef::Service(2));
        assert_eq!(channels.taken, BTreeMap::from([(0, 1), (1, 1), (2, 2)]));
    }

    #[test]
    fn channels_follow_their_trunks() {
        let mut channels = channels();
        channels.follow(&[Some(1), Some(0), None]);
        assert_eq!(channels.taken, BTreeMap::from([(0, 2), (1, 1)]));
        assert_eq!((channels.of.get(&LegRef::Service(1)), channels.of.get(&LegRef::Service(4))), (Some(&1), None));
        assert_eq!(channels.verify(|_| true), Ok(()));
    }
}
