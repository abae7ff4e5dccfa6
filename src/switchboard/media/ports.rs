//! The pool of RTP ports. The media part binds them; the switchboard lends one to each leg.

use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};

use crate::acd::{Family, FreePairs};
use crate::limits::RTP_PAIRS_RESERVED_MIN;
use crate::media::command::AnchorId;

/// The free port pairs. The pair that has been free for the longest time is lent first, so that late packets of its
/// last user no longer arrive.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Ports {
    ports: Vec<SocketAddr>,
    addresses: BTreeSet<IpAddr>,
    numbers: BTreeSet<u16>,
    generations: Vec<u32>,
    free_v4: VecDeque<u32>,
    free_v6: VecDeque<u32>,
    /// The number of pairs of each address family.
    all: FreePairs,
}

impl Ports {
    /// Creates the pool with all pairs free. The slot of an `AnchorId` is an index into `ports`.
    pub(in crate::switchboard) fn new(ports: Vec<SocketAddr>) -> Self {
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
        let all = FreePairs { v4: free_v4.len(), v6: free_v6.len() };
        Self { generations: vec![0; ports.len()], ports, addresses, numbers, free_v4, free_v6, all }
    }

    /// Lends a port of the address family of `towards`, with the address to which it is bound. None if no such port is
    /// free.
    pub(in crate::switchboard) fn lend(&mut self, towards: IpAddr) -> Option<(AnchorId, SocketAddr)> {
        let slot = self.free_towards(towards).pop_front()?;
        let index = usize::try_from(slot).ok()?;
        let port = *self.ports.get(index)?;
        let generation = self.generations.get_mut(index)?;
        *generation = generation.wrapping_add(1);
        Some((AnchorId { slot, generation: *generation }, port))
    }

    /// Returns a port to the pool. Returns false if it was not lent, which is a bug.
    pub(in crate::switchboard) fn give_back(&mut self, anchor: AnchorId) -> bool {
        let index = usize::try_from(anchor.slot).ok();
        let current = index.and_then(|index| self.generations.get(index));
        let Some(port) = index.and_then(|index| self.ports.get(index)).copied() else { return false };
        if current != Some(&anchor.generation) {
            return false;
        }
        self.free_towards(port.ip()).push_back(anchor.slot);
        true
    }

    /// Checks that each free pair is in the list of its family, once, and that no lent one is.
    pub(in crate::switchboard) fn verify<'a>(&self, lent: impl Iterator<Item = &'a AnchorId>) -> Result<(), String> {
        let of_family = |slot: &u32, is_ipv4: bool| {
            let port = usize::try_from(*slot).ok().and_then(|slot| self.ports.get(slot));
            port.is_some_and(|port| port.is_ipv4() == is_ipv4)
        };
        let fits = self.free_v4.iter().all(|slot| of_family(slot, true))
            && self.free_v6.iter().all(|slot| of_family(slot, false));
        let mut slots: BTreeSet<u32> = self.free_v4.iter().chain(&self.free_v6).copied().collect();
        let free = self.free_v4.len() + self.free_v6.len();
        if !fits || slots.len() != free {
            return Err("a pair of ports is free twice, or in the wrong family".to_owned());
        }
        for anchor in lent {
            let generation = usize::try_from(anchor.slot).ok().and_then(|slot| self.generations.get(slot));
            if generation != Some(&anchor.generation) || !slots.insert(anchor.slot) {
                return Err(format!("{anchor:?} is lent, and is not"));
            }
        }
        let known = self.ports.len() == self.generations.len() && slots.len() == self.ports.len();
        if known { Ok(()) } else { Err("a pair of ports is neither free nor lent".to_owned()) }
    }

    /// The number of all pairs, lent or free.
    pub(in crate::switchboard) const fn len(&self) -> usize {
        self.ports.len()
    }

    /// True if `port` is the number of an RTP or RTCP port of the pool.
    pub(in crate::switchboard) fn number(&self, port: u16) -> bool {
        self.numbers.contains(&(port & !1))
    }

    /// The addresses that the ports are bound to.
    pub(in crate::switchboard) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.addresses.iter().copied()
    }

    /// The number of lent pairs.
    pub(in crate::switchboard) fn lent(&self) -> usize {
        self.ports.len() - self.free_v4.len() - self.free_v6.len()
    }

    /// The number of free pairs.
    pub(in crate::switchboard) fn free(&self) -> FreePairs {
        FreePairs { v4: self.free_v4.len(), v6: self.free_v6.len() }
    }

    /// True if there is any pair of this family, free or not.
    pub(in crate::switchboard) fn has(&self, family: Family) -> bool {
        self.all.of(family) > 0
    }

    /// True if a new caller may hold a pair of this family while waiting, because the reserve stays free. The reserve
    /// is two pairs for each ready operator, at least `RTP_PAIRS_RESERVED_MIN`, and at most half of all pairs, but
    /// never fewer than a conversation needs.
    pub(in crate::switchboard) fn exceed_reserve(&self, family: Family, ready: usize) -> bool {
        self.leaves(family, 1, ready.saturating_mul(2).max(RTP_PAIRS_RESERVED_MIN))
    }

    /// True if `left` pairs of this family stay free after `taken` pairs are lent. `left` is limited to half of all
    /// pairs, but not below two.
    pub(in crate::switchboard) fn leaves(&self, family: Family, taken: usize, left: usize) -> bool {
        let left = left.min((self.all.of(family) / 2).max(2));
        self.free().of(family) >= taken.saturating_add(left)
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

    /// A pool with this many IPv4 pairs.
    fn pool_of(pairs: u16) -> Ports {
        Ports::new((0..pairs).map(|pair| SocketAddr::new(V4, 20_000 + 2 * pair)).collect())
    }

    /// The number of callers that get a pair before the reserve is reached, with this many ready operators.
    fn callers(pairs: u16, ready: usize) -> usize {
        let mut ports = pool_of(pairs);
        std::iter::from_fn(|| ports.exceed_reserve(Family::V4, ready).then(|| ports.lend(V4).unwrap())).count()
    }

    #[test]
    fn the_reserve_is_two_pairs_for_each_ready_operator_and_at_least_eight() {
        assert_eq!(callers(100, 0), 92);
        assert_eq!(callers(100, 4), 92);
        assert_eq!(callers(100, 5), 90);
        assert_eq!(callers(100, 20), 60);
    }

    #[test]
    fn the_reserve_is_at_most_half_of_all_pairs_and_never_less_than_a_conversation_needs() {
        assert_eq!(callers(100, 50), 50);
        assert_eq!([0, 1, 2, 3, 4, 6, 10, 16].map(|pairs| callers(pairs, 1)), [0, 0, 0, 1, 2, 3, 5, 8]);
    }

    #[test]
    fn each_family_has_a_reserve_of_its_own() {
        let v6 = |pair: u16| format!("[2001:db8::1]:{}", 20_000 + 2 * pair).parse().unwrap();
        let mut ports = Ports::new((0..4).map(v6).chain(["192.0.2.1:20000".parse().unwrap()]).collect());
        assert!(!ports.exceed_reserve(Family::V4, 0) && ports.exceed_reserve(Family::V6, 0));
        assert!(ports.has(Family::V4));
        ports.lend(V4).unwrap();
        assert!(ports.has(Family::V4));
        assert_eq!(ports.free(), FreePairs { v4: 0, v6: 4 });
        assert!(!pool_of(3).has(Family::V6));
    }
}
