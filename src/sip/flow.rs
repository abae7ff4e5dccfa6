//! Transports, flows and outgoing messages. Owns no socket.

use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The transports of RFC 3261 §18.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A stream.
    Tcp,
    /// A stream with TLS.
    Tls,
}

impl Transport {
    /// The transport in a Via (`UDP`).
    pub const fn via(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }

    /// True if the transport is reliable, so that transactions need not retransmit.
    pub const fn is_reliable(self) -> bool {
        match self {
            Self::Udp => false,
            Self::Tcp | Self::Tls => true,
        }
    }
}

/// Identifies one stream connection for the life of the process; 0 means a datagram socket, or any connection to the peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct ConnectionId(pub u64);

/// A path between siaga and a peer (RFC 5626 §3.1): a message arrived on it, and its response is sent on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Flow {
    /// Transport.
    pub transport: Transport,
    /// Our listening address.
    pub local: SocketAddr,
    /// The peer's address.
    pub remote: SocketAddr,
    /// The connection, for streams.
    pub connection: ConnectionId,
}

impl Flow {
    /// A datagram flow.
    pub const fn udp(local: SocketAddr, remote: SocketAddr) -> Self {
        Self { transport: Transport::Udp, local, remote, connection: ConnectionId(0) }
    }

    /// A flow from a listener to a peer without a certain connection: on streams the open connection is used, or a new one.
    pub const fn any(transport: Transport, local: SocketAddr, remote: SocketAddr) -> Self {
        Self { transport, local, remote, connection: ConnectionId(0) }
    }

    /// The same listening socket towards another peer. A flow of a certain connection stays unchanged, because a connection has one peer.
    #[must_use]
    pub const fn towards(self, remote: SocketAddr) -> Self {
        match self.connection {
            ConnectionId(0) => Self { remote, ..self },
            ConnectionId(_) => self,
        }
    }

    /// True for a flow of a certain connection, which can be lost.
    pub const fn is_connection(self) -> bool {
        self.connection.0 != 0
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}>{}", self.transport.via(), self.remote, self.local)
    }
}

/// An outgoing message.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Transmit {
    /// The destination.
    pub flow: Flow,
    /// One complete SIP message.
    pub bytes: Bytes,
}
