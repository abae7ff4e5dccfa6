//! The connections of phones, in stories with restarts: one phone uses TCP. Nothing is lost over a connection, and all of them end with
//! the service.

use std::net::SocketAddr;
use std::time::Duration;

use siaga::sip::flow::{ConnectionId, Flow, Transport};

use super::agenda::Event;
use super::city::City;
use super::phone::PLACES_APART;
use super::world::SERVER;

/// How long a message is on its way over a connection.
pub(super) const OVER_CONNECTION: Duration = Duration::from_millis(5);
/// The phone that uses TCP.
pub(super) const CONNECTED: u16 = 1;

impl City {
    /// The phone at this address uses a connection.
    pub(super) fn has_connections(&self, at: SocketAddr) -> bool {
        self.story.restarts && is_connected(at)
    }

    /// The flow over which a peer's messages come. A phone makes another connection when it has none.
    pub(super) fn flow_from(&mut self, from: SocketAddr) -> Flow {
        let udp = Flow::udp(SERVER.parse().unwrap(), from);
        if !self.has_connections(from) {
            return udp;
        }
        let last = &mut self.restarts.last_connection;
        let connection = *self.restarts.connections.entry(from).or_insert_with(|| {
            *last += 1;
            ConnectionId(*last)
        });
        Flow { transport: Transport::Tcp, connection, ..udp }
    }

    /// A phone loses its power: the service learns later that the connection is gone.
    pub(super) fn connection_breaks(&mut self, index: usize) {
        let at = self.phones[index].at;
        let Some(connection) = self.restarts.connections.remove(&at) else { return };
        self.agenda.retain(|event| !matches!(event, Event::ToService(from, _) if *from == at));
        let flow = Flow { transport: Transport::Tcp, connection, ..Flow::udp(SERVER.parse().unwrap(), at) };
        let after = self.restarts.millis(10, 30_000);
        self.schedule(after, Event::Closed(flow));
    }

    /// A message for a connection reaches the phone at its other end. Phones accept no connections.
    pub(super) fn sends_over_connection(&mut self, flow: Flow, bytes: &bytes::Bytes) {
        if !flow.is_connection() {
            self.schedule(OVER_CONNECTION, Event::Closed(flow));
        } else if self.restarts.connections.get(&flow.remote) == Some(&flow.connection) {
            self.schedule(OVER_CONNECTION, Event::ToPeer(flow.remote, bytes.clone()));
        }
    }
}

/// The connected phone has this address, or had it.
pub(super) fn is_connected(at: SocketAddr) -> bool {
    at.ip().to_string() == "127.0.0.3" && at.port() >= 5_100 && (at.port() - 5_100) % PLACES_APART == CONNECTED
}
