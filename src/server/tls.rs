//! TLS for stream connections (RFC 3261 §26.2): our certificate, the trusted certificates, and the names that a peer's certificate
//! verifies (RFC 5922 §7).

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use crate::config::{Certificates, proves};
use crate::sip::flow::Transport;
use crate::sip::locate::Target;
use crate::switchboard::{Network, Trunk};

/// The current certificates, and the trunks. Without certificates there is no TLS.
#[derive(Clone, Debug, Default)]
pub(super) struct Tls {
    server: Option<Arc<ServerConfig>>,
    client: Option<Arc<ClientConfig>>,
    /// The names that trunks' certificates must have.
    asked: Arc<[String]>,
    /// Trunks over TLS with a name to verify.
    peers: Vec<Peer>,
    /// The resolved addresses of trunks' names.
    found: BTreeMap<String, Vec<SocketAddr>>,
}

/// A trunk over TLS.
#[derive(Clone, Debug)]
struct Peer {
    /// Its name in the configuration.
    trunk: String,
    target: Option<SocketAddr>,
    /// The name that its certificate must have.
    name: String,
    /// Networks other than the target from which it connects; each server there must have a certificate for `tls_name`.
    networks: Vec<Network>,
}

impl Peer {
    fn of(trunk: &Trunk) -> Option<Self> {
        let name = trunk.tls_name.clone().or_else(|| Some(trunk.host.as_ref()?.name.clone()))?;
        let networks = if trunk.tls_name.is_some() { trunk.peers.clone() } else { Vec::new() };
        Some(Self { trunk: trunk.name.clone(), target: trunk.target, name, networks })
    }
}

impl Tls {
    /// Starts with certificates and without trunks.
    pub(super) fn new(certificates: Certificates) -> Self {
        Self { server: Some(certificates.server), client: Some(certificates.client), ..Self::default() }
    }

    /// The same certificates with the trunks of `older`.
    pub(super) fn knowing(self, older: &Self) -> Self {
        Self { asked: Arc::clone(&older.asked), peers: older.peers.clone(), found: older.found.clone(), ..self }
    }

    pub(super) fn set_trunks(&mut self, trunks: &[Trunk]) {
        self.asked = trunks.iter().filter_map(|trunk| trunk.tls_name.clone()).collect();
        let may_be = |trunk: &Trunk| match &trunk.host {
            Some(host) => host.transports.contains(&Transport::Tls),
            None => trunk.transport == Transport::Tls,
        };
        let over_tls = trunks.iter().filter(|trunk| may_be(trunk));
        self.peers = over_tls.filter_map(Peer::of).collect();
        let peers = &self.peers;
        self.found.retain(|trunk, _| peers.iter().any(|peer| peer.trunk == *trunk));
    }

    /// Sets the resolved servers of a trunk.
    pub(super) fn set_targets(&mut self, trunk: &str, targets: &[Target]) {
        if self.peers.iter().any(|peer| peer.trunk == trunk) {
            let over_tls = targets.iter().filter(|target| target.transport == Transport::Tls);
            self.found.insert(trunk.to_owned(), over_tls.map(|target| target.address).collect());
        }
    }

    /// The name that the peer at an address must have: first by the trunks' servers, then by the trunks' networks.
    fn name_of(&self, remote: SocketAddr) -> Option<&String> {
        let found = |trunk: &String| self.found.get(trunk).is_some_and(|found| found.contains(&remote));
        let server = self.peers.iter().find(|peer| peer.target == Some(remote) || found(&peer.trunk));
        let calls = |peer: &&Peer| peer.networks.iter().any(|network| network.contains(remote.ip()));
        server.or_else(|| self.peers.iter().find(calls)).map(|peer| &peer.name)
    }

    /// The acceptor for a connection that a peer has opened.
    pub(super) fn acceptor(&self) -> Option<Acceptor> {
        let config = Arc::clone(self.server.as_ref()?);
        Some(Acceptor { tls: TlsAcceptor::from(config), asked: Arc::clone(&self.asked) })
    }

    /// The connector to a peer, whose certificate must have its name; without a name, its address.
    pub(super) fn connector(&self, remote: SocketAddr) -> Option<Connector> {
        let config = Arc::clone(self.client.as_ref()?);
        let known = self.name_of(remote).cloned();
        let name = match &known {
            Some(name) => ServerName::try_from(name.clone()).ok()?,
            None => ServerName::IpAddress(remote.ip().into()),
        };
        Some(Connector { tls: TlsConnector::from(config), name, address: remote, proves: known.into_iter().collect() })
    }
}

/// The handshake of a connection that a peer has opened.
pub(super) struct Acceptor {
    tls: TlsAcceptor,
    asked: Arc<[String]>,
}

impl Acceptor {
    /// Runs the handshake; returns those of the names that the peer's certificate has.
    pub(super) async fn accept(self, tcp: TcpStream) -> io::Result<(server::TlsStream<TcpStream>, Vec<String>)> {
        let stream = self.tls.accept(tcp).await?;
        let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let stands = |name: &&String| shown.is_some_and(|certificate| proves(certificate, name));
        let names = self.asked.iter().filter(stands).cloned().collect();
        Ok((stream, names))
    }
}

/// The handshake of a connection that siaga opens.
pub(super) struct Connector {
    tls: TlsConnector,
    name: ServerName<'static>,
    address: SocketAddr,
    proves: Vec<String>,
}

impl Connector {
    /// Runs the handshake; returns the name that was verified.
    pub(super) async fn connect(self, tcp: TcpStream) -> io::Result<(client::TlsStream<TcpStream>, Vec<String>)> {
        let address = self.address;
        let stream = self.tls.connect(self.name, tcp).await.inspect_err(|error| {
            if let Some(name) = self.proves.first() {
                tracing::warn!(name, %address, %error, "no TLS connection to a trunk: its certificate must prove this name");
            }
        })?;
        Ok((stream, self.proves))
    }
}

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Acceptor").field("asked", &self.asked).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector").field("name", &self.name).finish_non_exhaustive()
    }
}
