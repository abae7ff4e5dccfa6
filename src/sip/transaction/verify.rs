//! Checks that the indexes and deadlines of the table of transactions fit its entries.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use super::{Owner, Transactions};

impl Transactions {
    /// Checks the indexes and deadlines. The error names the first one that is wrong.
    pub fn verify(&self) -> Result<(), String> {
        let servers = self.servers.iter().map(|(id, server)| (&server.key, id));
        let clients = self.clients.iter().map(|(id, client)| (&client.key, id));
        if !is_index(&self.server_keys, servers) || !is_index(&self.client_keys, clients) {
            return Err("an index of transactions differs from them".to_owned());
        }
        let flows = self.clients.iter().map(|(id, client)| (client.flow, *id)).collect::<BTreeSet<_>>();
        if flows != self.flows {
            return Err("the transactions by flow are not the transactions".to_owned());
        }
        let servers = self.servers.iter().map(|(id, server)| (server.armed, server.deadline(), Owner::Server(*id)));
        let clients = self.clients.iter().map(|(id, client)| (client.armed, client.deadline(), Owner::Client(*id)));
        let mut armed = 0;
        for (at, wanted, owner) in servers.chain(clients) {
            armed += usize::from(at.is_some());
            if at.is_some_and(|at| !self.deadlines.contains(at, owner)) || wanted.is_some() && at.is_none() {
                return Err(format!("{owner:?} has no deadline"));
            }
        }
        if armed != self.deadlines.len() {
            return Err(format!("{} deadlines of transactions belong to none", self.deadlines.len() - armed));
        }
        let last = self.servers.keys().map(|id| id.0).chain(self.clients.keys().map(|id| id.0)).max();
        match last {
            Some(last) if last > self.last_id => {
                Err("a new transaction would get the number of another one".to_owned())
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// True if the index has exactly these entries.
fn is_index<'a, K: Eq + Hash + 'a, I: PartialEq + 'a>(
    index: &HashMap<K, I>,
    entries: impl ExactSizeIterator<Item = (&'a K, &'a I)>,
) -> bool {
    index.len() == entries.len() && { entries }.all(|(key, id)| index.get(key) == Some(id))
}
