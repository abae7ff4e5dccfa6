//! Connections of one kind, by the network of their peers. The network with the most connections loses one first, so that one host cannot
//! displace the connections of all others.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::sip::flow::ConnectionId;

/// The unit for which connections are counted: for a trunk's server its own address, so that neighbours do not use its limit; for all
/// others their network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    Trunk(IpAddr),
    Network(IpAddr),
}

/// A set of connections. Every operation costs O(log n).
#[derive(Debug, Default)]
pub(in crate::server) struct Crowd {
    networks: BTreeMap<ConnectionId, IpAddr>,
    /// The connections of each network, oldest first.
    members: BTreeMap<IpAddr, BTreeSet<ConnectionId>>,
    sizes: BTreeSet<(usize, IpAddr)>,
}

impl Crowd {
    /// Adds a connection from a network.
    pub(in crate::server) fn insert(&mut self, id: ConnectionId, network: IpAddr) {
        self.remove(id);
        self.networks.insert(id, network);
        self.change(network, |members| members.insert(id));
    }

    /// Removes a connection, if it is there.
    pub(in crate::server) fn remove(&mut self, id: ConnectionId) {
        if let Some(network) = self.networks.remove(&id) {
            self.change(network, |members| members.remove(&id));
        }
    }

    fn change(&mut self, network: IpAddr, apply: impl FnOnce(&mut BTreeSet<ConnectionId>) -> bool) {
        let members = self.members.entry(network).or_default();
        self.sizes.remove(&(members.len(), network));
        apply(members);
        if members.is_empty() {
            self.members.remove(&network);
        } else {
            self.sizes.insert((members.len(), network));
        }
    }

    pub(in crate::server) fn len(&self) -> usize {
        self.networks.len()
    }

    pub(in crate::server) fn contains(&self, id: ConnectionId) -> bool {
        self.networks.contains_key(&id)
    }

    /// Number of a network's connections.
    pub(in crate::server) fn of(&self, network: IpAddr) -> usize {
        self.members.get(&network).map_or(0, BTreeSet::len)
    }

    /// The oldest connection of a network.
    pub(in crate::server) fn oldest_of(&self, network: IpAddr) -> Option<ConnectionId> {
        self.members.get(&network)?.first().copied()
    }

    /// The oldest connection of the network that has the most.
    pub(in crate::server) fn oldest_of_the_largest(&self) -> Option<ConnectionId> {
        self.oldest_of(self.sizes.last()?.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn the_network_with_the_most_connections_gives_way_first() {
        let mut crowd = Crowd::default();
        crowd.insert(ConnectionId(1), network(9));
        (2..5).for_each(|id| crowd.insert(ConnectionId(id), network(1)));
        crowd.insert(ConnectionId(5), network(9));
        assert_eq!((crowd.len(), crowd.oldest_of_the_largest()), (5, Some(ConnectionId(2))));
        crowd.remove(ConnectionId(2));
        crowd.remove(ConnectionId(3));
        crowd.remove(ConnectionId(3));
        assert_eq!(crowd.oldest_of_the_largest(), Some(ConnectionId(1)), "two against one");
        assert_eq!(crowd.oldest_of(network(1)), Some(ConnectionId(4)));
        [1, 4, 5].into_iter().for_each(|id| crowd.remove(ConnectionId(id)));
        assert_eq!((crowd.len(), crowd.oldest_of_the_largest(), crowd.oldest_of(network(1))), (0, None, None));
        assert!(crowd.members.is_empty() && crowd.sizes.is_empty());
    }
}
