//! Connections on which calls depend.

use crate::clock::Instant;
use crate::ids::CallId;
use crate::limits::CLOSED_CONNECTIONS_MAX;
use crate::sip::flow::ConnectionId;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

/// Disconnected callers by the address to which their responses are sent.
pub(in crate::switchboard) type WaysBack = BTreeMap<SocketAddr, BTreeSet<CallId>>;

/// State of a caller whose connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Disconnected {
    pub(in crate::switchboard) way_back: SocketAddr,
    /// True if no connection to this address can be opened.
    pub(in crate::switchboard) unreachable: bool,
    /// Deadline for a sign of life; None if it has passed.
    pub(in crate::switchboard) decided_at: Option<Instant>,
}

/// Closed connections. When the table is full, the connection that was opened first is removed.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Closed(BTreeSet<ConnectionId>);

impl Closed {
    pub(in crate::switchboard) fn add(&mut self, connection: ConnectionId) {
        self.0.insert(connection);
        if self.0.len() > CLOSED_CONNECTIONS_MAX {
            self.0.pop_first();
        }
    }

    pub(in crate::switchboard) fn holds(&self, connection: ConnectionId) -> bool {
        self.0.contains(&connection)
    }
}
