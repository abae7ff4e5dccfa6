//! The pool of RTP ports. Media binds them; the switchboard lends one to each leg.

use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};

use crate::media::command::AnchorId;

/// Which of the pre-bound port pairs are free. The one that has been free longest is lent first, so that late packets
/// of its last user have died out.
#[derive(Debug)]
pub(super) struct Ports {
    ports: Vec<SocketAddr>,
    addresses: BTreeSet<IpAddr>,
    numbers: BTreeSet<u16>,
    generations: Vec<u32>,
    free_v4: VecDeque<u32>,
    free_v6: VecDeque<u32>,
}

impl Ports {
    /// Starts with all of them free. Slot i is the i-th.
    pub(super) fn new(ports: Vec<SocketAddr>) -> Self {
        let (free_v4, free_v6) = (0..).zip(&ports).map(|(slot, port)| (slot, port.is_ipv4())).fold(
            (VecDeque::new(), VecDeque::new()),
            |(mut v4, mut v6), (slot, is_ipv4)| {
                if is_ipv4 {
                    v4.push_back(slot)
                } else {
                    v6.push_back(slot)
                }
                (v4, v6)
            },
        );
        let addresses = ports.iter().map(SocketAddr::ip).collect();
        let numbers = ports.iter().map(SocketAddr::port).collect();
        Self { generations: vec![0; ports.len()], ports, addresses, numbers, free_v4, free_v6 }
    }

    /// Lends a port of the same address family as `towards`; the address that it is bound to. None when all are in use.
    pub(super) fn lend(&mut self, towards: IpAddr) -> Option<(AnchorId, SocketAddr)> {
        let slot = self.free_towards(towards).pop_front()?;
        let index = usize::try_from(slot).ok()?;
        let port = *self.ports.get(index)?;
        let generation = self.generations.get_mut(index)?;
        *generation = generation.wrapping_add(1);
        Some((AnchorId { slot, generation: *generation }, port))
    }

    /// Takes a port back; false when it was not lent (a bug of ours).
    pub(super) fn give_back(&mut self, anchor: AnchorId) -> bool {
        let index = usize::try_from(anchor.slot).ok();
        let current = index.and_then(|index| self.generations.get(index));
        let Some(port) = index.and_then(|index| self.ports.get(index)).copied() else { return false };
        if current != Some(&anchor.generation) {
            return false;
        }
        self.free_towards(port.ip()).push_back(anchor.slot);
        true
    }

    /// All pairs, lent or not.
    pub(super) const fn len(&self) -> usize {
        self.ports.len()
    }

    /// True for the number of an RTP or RTCP port of the pool.
    pub(super) fn number(&self, port: u16) -> bool {
        self.numbers.contains(&(port & !1))
    }

    /// The addresses that the ports are bound to.
    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.addresses.iter().copied()
    }

    /// How many are lent.
    pub(super) fn lent(&self) -> usize {
        self.ports.len() - self.free_v4.len() - self.free_v6.len()
    }

    fn free_towards(&mut self, address: IpAddr) -> &mut VecDeque<u32> {
        if address.is_ipv4() { &mut self.free_v4 } else { &mut self.free_v6 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const V6: IpAddr = IpAddr::V6(std::net::Ipv6Addr::LOCALHOST);

    fn pool(ports: &[&str]) -> Ports {
        Ports::new(ports.iter().map(|port| port.parse().unwrap()).collect())
    }

    #[test]
    fn a_port_comes_back_with_a_new_generation_and_goes_to_the_end_of_the_line() {
        let mut ports = pool(&["192.0.2.1:20000", "192.0.2.1:20002"]);
        let (first, port) = ports.lend(V4).unwrap();
        assert_eq!(port.port(), 20_000);
        assert!(ports.give_back(first));
        assert_eq!(ports.lend(V4).unwrap().1.port(), 20_002);
        let (again, port) = ports.lend(V4).unwrap();
        assert_eq!((again.slot, port.port()), (first.slot, 20_000));
        assert_ne!(again.generation, first.generation);
        assert_eq!(ports.lend(V4), None);
        assert!(!ports.give_back(first), "an old generation must not free the port of its successor");
        assert_eq!(ports.lent(), 2);
    }

    #[test]
    fn a_port_is_of_the_family_that_is_wanted() {
        let mut ports = pool(&["192.0.2.1:20000", "[2001:db8::1]:20000", "192.0.2.1:20002"]);
        let (anchor, port) = ports.lend(V6).unwrap();
        assert_eq!(port, "[2001:db8::1]:20000".parse().unwrap());
        assert_eq!(ports.lend(V6), None);
        assert_eq!(ports.lend(V4).unwrap().1.port(), 20_000);
        assert!(ports.give_back(anchor));
        assert_eq!(ports.lend(V6).unwrap().0.slot, anchor.slot);
    }
}
