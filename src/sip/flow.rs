//! Where messages come from and go to. Owns no socket.

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
    /// A stream under TLS.
    Tls,
}

impl Transport {
    /// The word in a Via (`UDP`).
    pub const fn via(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }

    /// True when the transport itself retransmits, so that transactions need not.
    pub const fn is_reliable(self) -> bool {
        match self {
            Self::Udp => false,
            Self::Tcp | Self::Tls => true,
        }
    }
}

/// Identifies one stream connection for the life of the process; 0 means a datagram socket, or any connection to the peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// One way between us and a peer (RFC 5626 §3.1): what a message came over, and what its answer goes back over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    /// Transport.
    pub transport: Transport,
    /// Our listening address.
    pub local: SocketAddr,
    /// The peer's address.
    pub remote: SocketAddr,
    /// The connection on streams.
    pub connection: ConnectionId,
}

impl Flow {
    /// A datagram flow.
    pub const fn udp(local: SocketAddr, remote: SocketAddr) -> Self {
        Self { transport: Transport::Udp, local, remote, connection: ConnectionId(0) }
    }

    /// Whatever leads from a listener to a peer: on streams the connection that is open, or a new one.
    pub const fn any(transport: Transport, local: SocketAddr, remote: SocketAddr) -> Self {
        Self { transport, local, remote, connection: ConnectionId(0) }
    }

    /// The same listening socket towards another peer. What goes over one certain connection stays there: a connection has
    /// one peer.
    #[must_use]
    pub const fn towards(self, remote: SocketAddr) -> Self {
        match self.connection {
            ConnectionId(0) => Self { remote, ..self },
            ConnectionId(_) => self,
        }
    }

    /// True when it is one certain connection, which can be lost.
    pub const fn is_connection(self) -> bool {
        self.connection.0 != 0
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}>{}", self.transport.via(), self.remote, self.local)
    }
}

/// Bytes on their way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Where to.
    pub flow: Flow,
    /// One whole SIP message.
    pub bytes: Bytes,
}
