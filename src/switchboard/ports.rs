//! The pool of RTP ports. Media binds them; the switchboard lends one to each leg.

use std::collections::VecDeque;

use crate::media::command::AnchorId;

/// Which of the pre-bound port pairs are free. The one that has been free longest is lent first, so that late packets
/// of its last user have died out.
#[derive(Debug)]
pub(super) struct Ports {
    ports: Vec<u16>,
    generations: Vec<u32>,
    free: VecDeque<u32>,
}

impl Ports {
    pub(super) fn new(ports: Vec<u16>) -> Self {
        let slots = u32::try_from(ports.len()).unwrap_or(u32::MAX);
        Self { generations: vec![0; ports.len()], ports, free: (0..slots).collect() }
    }

    /// Lends a port. None when all are in use.
    pub(super) fn lend(&mut self) -> Option<(AnchorId, u16)> {
        let slot = self.free.pop_front()?;
        let index = usize::try_from(slot).ok()?;
        let port = *self.ports.get(index)?;
        let generation = self.generations.get_mut(index)?;
        *generation = generation.wrapping_add(1);
        Some((AnchorId { slot, generation: *generation }, port))
    }

    /// Takes a port back; false when it was not lent (a bug of ours).
    pub(super) fn give_back(&mut self, anchor: AnchorId) -> bool {
        let current = usize::try_from(anchor.slot).ok().and_then(|index| self.generations.get(index));
        if current != Some(&anchor.generation) {
            return false;
        }
        self.free.push_back(anchor.slot);
        true
    }

    /// How many are lent.
    pub(super) fn lent(&self) -> usize {
        self.ports.len() - self.free.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_comes_back_with_a_new_generation_and_goes_to_the_end_of_the_line() {
        let mut ports = Ports::new(vec![20_000, 20_002]);
        let (first, port) = ports.lend().unwrap();
        assert_eq!(port, 20_000);
        assert!(ports.give_back(first));
        assert_eq!(ports.lend().unwrap().1, 20_002);
        let (again, port) = ports.lend().unwrap();
        assert_eq!((again.slot, port), (first.slot, 20_000));
        assert_ne!(again.generation, first.generation);
        assert_eq!(ports.lend(), None);
        assert!(!ports.give_back(first), "an old generation must not free the port of its successor");
        assert_eq!(ports.lent(), 2);
    }
}
