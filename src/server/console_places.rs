//! Decides which connections to the console stay open at the limit: those with a valid token first, and some that are reserved for this
//! machine. Depends on addresses only, not on requests.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::limits::{CONSOLE_CONNECTIONS_LOCAL_MIN, CONSOLE_CONNECTIONS_MAX, CONSOLE_CONNECTIONS_PER_SOURCE_MAX};
use crate::sip::flow::ConnectionId;
use crate::sip::guard::source_network;

use super::connections::crowd::Crowd;

/// All connections to the console. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Places(Arc<Mutex<Table>>);

/// One open connection.
#[derive(Debug)]
pub(super) struct Place {
    id: ConnectionId,
    places: Places,
    closed: Arc<Notify>,
}

/// Reports to the table that the requests of a connection have a valid token.
#[derive(Clone, Debug)]
pub(super) struct Proof {
    id: ConnectionId,
    places: Places,
}

#[derive(Debug, Default)]
struct Table {
    open: BTreeMap<ConnectionId, Open>,
    local: Kind,
    others: Kind,
    last_id: u64,
}

#[derive(Debug)]
struct Open {
    network: IpAddr,
    is_local: bool,
    closed: Arc<Notify>,
}

/// The connections of this machine, or those of all others.
#[derive(Debug, Default)]
struct Kind {
    unproven: Crowd,
    proven: Crowd,
}

impl Kind {
    fn len(&self) -> usize {
        self.unproven.len() + self.proven.len()
    }

    fn of(&self, network: IpAddr) -> usize {
        self.unproven.of(network) + self.proven.of(network)
    }

    fn remove(&mut self, id: ConnectionId) {
        self.unproven.remove(id);
        self.proven.remove(id);
    }
}

impl Places {
    /// Admits a new connection, for which an older one may be closed. Returns None if its address has too many connections with a token.
    /// This machine has no limit of its own, because a proxy on it may serve all users.
    pub(super) fn admit(&self, from: IpAddr) -> Option<Place> {
        let (network, is_local) = (source_network(from), from.to_canonical().is_loopback());
        let mut table = self.table();
        if !is_local && table.others.of(network) >= CONSOLE_CONNECTIONS_PER_SOURCE_MAX {
            let oldest = table.others.unproven.oldest_of(network)?;
            table.close(oldest);
        }
        if let Some(oldest) = table.gives_way(is_local) {
            table.close(oldest);
        }
        table.last_id += 1;
        let (id, closed) = (ConnectionId(table.last_id), Arc::new(Notify::new()));
        table.open.insert(id, Open { network, is_local, closed: Arc::clone(&closed) });
        table.kind(is_local).unproven.insert(id, network);
        Some(Place { id, places: self.clone(), closed })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    const fn kind(&mut self, is_local: bool) -> &mut Kind {
        if is_local { &mut self.local } else { &mut self.others }
    }

    /// The connection to close for a new one: the oldest one without a token in the network with the most connections; if there is none,
    /// one with a token.
    fn gives_way(&self, is_local: bool) -> Option<ConnectionId> {
        let Self { local, others, .. } = self;
        let is_full = local.len() + others.len() >= CONSOLE_CONNECTIONS_MAX;
        let kinds: &[&Kind] = match is_local {
            true if is_full => &[local, others],
            false if is_full || others.len() >= CONSOLE_CONNECTIONS_MAX - CONSOLE_CONNECTIONS_LOCAL_MIN => &[others],
            true | false => return None,
        };
        let unproven = kinds.iter().find_map(|kind| kind.unproven.oldest_of_the_largest());
        unproven.or_else(|| kinds.iter().find_map(|kind| kind.proven.oldest_of_the_largest()))
    }

    fn close(&mut self, id: ConnectionId) {
        if let Some(open) = self.forget(id) {
            open.closed.notify_one();
        }
    }

    fn forget(&mut self, id: ConnectionId) -> Option<Open> {
        let open = self.open.remove(&id)?;
        self.kind(open.is_local).remove(id);
        Some(open)
    }
}

impl Place {
    /// The `Proof` for the requests of this connection.
    pub(super) fn proof(&self) -> Proof {
        Proof { id: self.id, places: self.places.clone() }
    }

    /// Waits until the connection has to be closed.
    pub(super) async fn is_closed(&self) {
        self.closed.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.table().forget(self.id);
    }
}

impl Proof {
    /// Records that a request of the connection had a valid token.
    pub(super) fn is_shown(&self) {
        let mut table = self.places.table();
        let Some(Open { network, is_local, .. }) = table.open.get(&self.id) else { return };
        let (network, is_local) = (*network, *is_local);
        let kind = table.kind(is_local);
        if kind.unproven.contains(self.id) {
            kind.unproven.remove(self.id);
            kind.proven.insert(self.id, network);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = CONSOLE_CONNECTIONS_PER_SOURCE_MAX;
    const OTHERS: usize = CONSOLE_CONNECTIONS_MAX - CONSOLE_CONNECTIONS_LOCAL_MIN;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn admit(places: &Places, from: &str, count: usize) -> Vec<Place> {
        (0..count).map(|_| places.admit(ip(from)).unwrap()).collect()
    }

    fn is_open(place: &Place) -> bool {
        place.places.table().open.contains_key(&place.id)
    }

    fn open(places: &[Place]) -> usize {
        places.iter().filter(|place| is_open(place)).count()
    }

    #[test]
    fn one_address_cannot_take_all_connections() {
        let places = Places::default();
        let all = admit(&places, "2001:db8::1", MOST);
        let newer = places.admit(ip("2001:db8::2")).unwrap();
        assert!(is_open(&newer) && !is_open(&all[0]), "one /64 is one source, whose oldest connection gives way");
        assert_eq!(open(&all), MOST - 1);
        all.iter().chain([&newer]).for_each(|place| place.proof().is_shown());
        assert!(places.admit(ip("2001:db8::2")).is_none(), "all have shown a token");
        assert!(places.admit(ip("192.0.2.1")).is_some());
        drop((all, newer));
        assert!(places.admit(ip("2001:db8::2")).is_some());
        let table = places.table();
        assert_eq!((table.open.len(), table.local.len(), table.others.len()), (0, 0, 0), "nothing is kept of them");
    }

    #[test]
    fn where_strangers_fill_the_console_connections_with_a_token_and_those_of_this_machine_stay() {
        let places = Places::default();
        let user = places.admit(ip("192.0.2.9")).unwrap();
        user.proof().is_shown();
        let scraper = places.admit(ip("192.0.2.8")).unwrap();
        let strangers: Vec<Place> =
            ["198.51.100.1", "198.51.100.2", "198.51.100.3", "198.51.100.4", "198.51.100.5", "198.51.100.6"]
                .iter()
                .flat_map(|from| admit(&places, from, MOST))
                .collect();
        assert!(is_open(&user) && is_open(&scraper), "the network with the most connections gives way");
        assert_eq!(open(&strangers), OTHERS - 2);
        let local = admit(&places, "127.0.0.1", CONSOLE_CONNECTIONS_LOCAL_MIN);
        assert_eq!(open(&strangers), OTHERS - 2, "they have places of their own");
        let newer = places.admit(ip("192.0.2.7")).unwrap();
        assert!(is_open(&newer) && is_open(&user) && open(&local) == local.len());
        let command = places.admit(ip("::1")).unwrap();
        assert!(is_open(&command) && open(&local) == local.len() - 1);
    }

    #[test]
    fn a_proxy_on_this_machine_may_have_all_connections() {
        let places = Places::default();
        let all = admit(&places, "::ffff:127.0.0.1", CONSOLE_CONNECTIONS_MAX);
        assert_eq!(open(&all), CONSOLE_CONNECTIONS_MAX);
        all.iter().skip(1).for_each(|place| place.proof().is_shown());
        let newer = admit(&places, "127.0.0.1", 2);
        assert_eq!((is_open(&all[0]), is_open(&newer[0]), is_open(&newer[1])), (false, false, true));
        newer[1].proof().is_shown();
        let last = places.admit(ip("127.0.0.1")).unwrap();
        assert!(is_open(&last) && !is_open(&all[1]), "all have shown a token: the oldest gives way");
    }

    #[tokio::test]
    async fn a_connection_learns_that_it_has_to_close() {
        let places = Places::default();
        let all = admit(&places, "192.0.2.1", MOST);
        let _newer = places.admit(ip("192.0.2.1")).unwrap();
        all[0].is_closed().await;
        all[0].proof().is_shown();
        assert_eq!(places.table().others.len(), MOST, "a closed one counts no more");
    }
}
