//! The capacity of trunks: the trunk of each leg, and the legs that count.

use std::collections::{BTreeMap, BTreeSet};

use crate::switchboard::ids::LegRef;

/// The channels in use.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct TrunkUsage {
    /// The trunk of each leg, as an index into the settings.
    pub(in crate::switchboard) of: BTreeMap<LegRef, usize>,
    /// Legs that have ended and use no capacity, but whose trunk is still known.
    over: BTreeSet<LegRef>,
    pub(in crate::switchboard) taken: BTreeMap<usize, usize>,
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

    /// Renumbers the trunks. Legs of removed trunks are removed.
    pub(in crate::switchboard) fn follow(&mut self, places: &[Option<usize>]) {
        let old = std::mem::take(self);
        for (who, trunk) in old.of {
            if let Some(place) = places.get(trunk).copied().flatten() {
                self.take(place, who);
            }
        }
        old.over.into_iter().for_each(|who| self.release(who));
    }

    pub(in crate::switchboard) fn verify(&self, alive: impl Fn(&LegRef) -> bool) -> Result<(), String> {
        if let Some(who) = self.of.keys().find(|who| !alive(who)) {
            return Err(format!("a trunk's room is taken by {who:?}, who is gone"));
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

    fn seats() -> TrunkUsage {
        let mut seats = TrunkUsage::default();
        for (trunk, phone) in [(0, 1), (1, 2), (1, 3), (2, 4)] {
            seats.take(trunk, LegRef::Service(phone));
        }
        seats
    }

    #[test]
    fn a_seat_is_given_back_once() {
        let mut seats = seats();
        for _ in 0..2 {
            seats.leave(LegRef::Service(2));
            assert_eq!(seats.taken, BTreeMap::from([(0, 1), (1, 1), (2, 1)]));
        }
        seats.take(2, LegRef::Service(3));
        assert_eq!(seats.taken, BTreeMap::from([(0, 1), (2, 2)]));
        assert_eq!(seats.verify(|_| true), Ok(()));
        assert!(seats.verify(|who| *who != LegRef::Service(4)).is_err());
    }

    #[test]
    fn a_leg_that_is_over_takes_no_capacity_and_keeps_its_trunk() {
        let mut seats = seats();
        for _ in 0..2 {
            seats.release(LegRef::Service(2));
            assert_eq!(seats.taken, BTreeMap::from([(0, 1), (1, 1), (2, 1)]));
        }
        assert_eq!((seats.of.get(&LegRef::Service(2)), seats.verify(|_| true)), (Some(&1), Ok(())));
        seats.follow(&[Some(0), Some(1), Some(2)]);
        assert_eq!(seats.taken, BTreeMap::from([(0, 1), (1, 1), (2, 1)]));
        seats.leave(LegRef::Service(2));
        assert_eq!(seats.taken, BTreeMap::from([(0, 1), (1, 1), (2, 1)]));
        assert_eq!((seats.of.get(&LegRef::Service(2)), seats.verify(|_| true)), (None, Ok(())));
        // A new leg with a known number counts again.
        seats.take(2, LegRef::Service(2));
        assert_eq!(seats.taken, BTreeMap::from([(0, 1), (1, 1), (2, 2)]));
    }

    #[test]
    fn seats_follow_their_trunks() {
        let mut seats = seats();
        seats.follow(&[Some(1), Some(0), None]);
        assert_eq!(seats.taken, BTreeMap::from([(0, 2), (1, 1)]));
        assert_eq!((seats.of.get(&LegRef::Service(1)), seats.of.get(&LegRef::Service(4))), (Some(&1), None));
        assert_eq!(seats.verify(|_| true), Ok(()));
    }
}
