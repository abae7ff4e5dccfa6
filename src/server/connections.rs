//! The table of TCP and TLS connections (RFC 3261 §18): maps peers to connections, sends messages, and enforces limits. The signalling
//! loop owns it, and it never blocks: each connection is a separate task with bounded queues.

pub(super) mod crowd;
mod listener;

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::limits::{
    CONNECTION_BYTES_MAX, CONNECTION_EVENTS_MAX, CONNECTION_MESSAGES_MAX, CONNECTIONS_MAX, CONNECTIONS_PER_SOURCE_MAX,
    CONNECTIONS_RESERVED, CONNECTIONS_UNPROVEN_MAX, TLS_HANDSHAKES_MAX,
};
use crate::sip::flow::{ConnectionId, Flow, Transmit, Transport};
use crate::sip::guard::source_network;
use crate::sip::locate::Target;
use crate::sip::wire::{self, Parsed};
use crate::switchboard::{Network, Trunk};

use super::stream::{Event, Origin, Owed, Patience, Security, Stream};
use super::tls::Tls;
use super::tls_thread::TlsThread;
use crowd::{Crowd, Source};
pub use listener::StreamListener;
use listener::accept;

/// Time to write queued messages when the service ends.
const FAREWELL: Duration = Duration::from_secs(1);

/// Limits of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caps {
    pub(super) open: usize,
    /// The part of `open` that is reserved for trunks.
    pub(super) reserved: usize,
    pub(super) per_source: usize,
    /// Limit of connections that are not trusted.
    pub(super) unproven: usize,
    /// Limit of connections that are not trusted and whose TLS handshake is not complete.
    pub(super) handshakes: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            open: CONNECTIONS_MAX,
            reserved: CONNECTIONS_RESERVED,
            per_source: CONNECTIONS_PER_SOURCE_MAX,
            unproven: CONNECTIONS_UNPROVEN_MAX,
            handshakes: TLS_HANDSHAKES_MAX,
        }
    }
}

/// What `next` returns.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Came {
    Message {
        flow: Flow,
        bytes: Bytes,
    },
    /// The peer's certificate has verified these names.
    Proven {
        flow: Flow,
        names: Vec<String>,
    },
    /// The flow can no longer be used.
    Lost(Flow),
    /// An internal event without an effect outside.
    Nothing,
}

/// One connection in the table.
#[derive(Debug)]
struct Connection {
    flow: Flow,
    queue: mpsc::Sender<Bytes>,
    waiting: Arc<AtomicUsize>,
    owed: Arc<Owed>,
    task: AbortHandle,
    /// True if siaga opened the connection, or the peer has a trunk's address, a verified certificate or valid credentials.
    trusted: Arc<AtomicBool>,
    source: Source,
    /// The connectionless flow whose messages use this connection. It is reported as lost together with the connection.
    shared: Option<Flow>,
}

/// All open stream connections, with indexes by peer and source.
#[derive(Debug)]
pub(super) struct Connections {
    open: BTreeMap<ConnectionId, Connection>,
    /// The newest connection with a peer.
    peers: BTreeMap<(Transport, SocketAddr), ConnectionId>,
    sources: BTreeMap<Source, usize>,
    /// Connections that are not trusted.
    unproven: Crowd,
    /// Connections whose TLS handshake is not complete.
    handshakes: Crowd,
    /// Number of connections whose source is no trunk.
    strangers: usize,
    /// The networks from which trunks connect; `trunk_targets` are the servers to which siaga connects.
    trunks: Vec<Network>,
    trunk_targets: BTreeMap<String, Vec<IpAddr>>,
    /// Lost flows that have not been reported yet.
    lost: VecDeque<Flow>,
    events: mpsc::Receiver<Event>,
    events_in: mpsc::Sender<Event>,
    listeners: Vec<AbortHandle>,
    last_id: u64,
    /// New connections that were closed because there were too many.
    refused: u64,
    caps: Caps,
    patience: Patience,
    tls: Tls,
    /// Threads for TLS connections: one for trunks, one for all others. Handshakes of other peers therefore never delay a trunk.
    trunks_thread: Option<TlsThread>,
    others_thread: Option<TlsThread>,
}

impl Connections {
    /// Creates an empty table.
    pub(super) fn new(caps: Caps, patience: Patience, tls: Tls) -> Self {
        let (events_in, events) = mpsc::channel(CONNECTION_EVENTS_MAX);
        Self {
            open: BTreeMap::new(),
            peers: BTreeMap::new(),
            sources: BTreeMap::new(),
            unproven: Crowd::default(),
            handshakes: Crowd::default(),
            strangers: 0,
            trunks: Vec::new(),
            trunk_targets: BTreeMap::new(),
            lost: VecDeque::new(),
            events,
            events_in,
            listeners: Vec::new(),
            last_id: 0,
            refused: 0,
            caps,
            patience,
            tls,
            trunks_thread: None,
            others_thread: None,
        }
    }

    /// Starts to accept connections on this listener. Must be called within the loop's runtime.
    pub(super) fn listen(&mut self, listener: StreamListener) -> std::io::Result<()> {
        let (transport, local) = (listener.transport, listener.local);
        let socket = TcpListener::from_std(listener.socket)?;
        let task = tokio::spawn(accept(transport, local, socket, self.events_in.clone()));
        self.listeners.push(task.abort_handle());
        Ok(())
    }

    /// Sets the certificates for future connections.
    pub(super) fn set_tls(&mut self, tls: Tls) {
        self.tls = tls.knowing(&self.tls);
    }

    /// Sets the trunks, whose names are checked in certificates and for which connections are reserved.
    pub(super) fn set_trunks(&mut self, trunks: &[Trunk]) {
        self.tls.set_trunks(trunks);
        self.trunks = trunks.iter().flat_map(|trunk| trunk.peers.iter().copied()).collect();
        let known = std::mem::take(&mut self.trunk_targets);
        for trunk in trunks {
            let found = trunk.host.as_ref().and_then(|_| known.get(&trunk.name).cloned());
            let fixed = trunk.target.map(|target| vec![target.ip()]);
            self.trunk_targets.extend(fixed.or(found).map(|targets| (trunk.name.clone(), targets)));
        }
    }

    /// Marks a connection as trusted, because its peer has authenticated: it may be idle for long, and is not closed to make room for
    /// another.
    pub(super) fn trust(&mut self, id: ConnectionId) {
        if let Some(connection) = self.open.get(&id) {
            connection.trusted.store(true, Ordering::Relaxed);
            self.unproven.remove(id);
        }
    }

    /// Sets the resolved servers of a trunk.
    pub(super) fn set_targets(&mut self, trunk: &str, targets: &[Target]) {
        self.tls.set_targets(trunk, targets);
        self.trunk_targets.insert(trunk.to_owned(), targets.iter().map(|target| target.address.ip()).collect());
    }

    /// Waits for the next event.
    pub(super) async fn next(&mut self) -> Came {
        if let Some(flow) = self.lost.pop_front() {
            return Came::Lost(flow);
        }
        match self.events.recv().await {
            Some(event) => self.take(event),
            // Unreachable: the table keeps a sender, so the channel never closes.
            None => std::future::pending().await,
        }
    }

    /// The next event, if one is ready.
    pub(super) fn try_next(&mut self) -> Option<Came> {
        if let Some(flow) = self.lost.pop_front() {
            return Some(Came::Lost(flow));
        }
        self.events.try_recv().ok().map(|event| self.take(event))
    }

    /// Sends over the flow's connection. For a flow without a connection, uses any connection to the peer, and opens one if necessary. A
    /// response whose connection has closed goes to the address in its Via (RFC 3261 §18.2.2). Returns false if the message was not sent;
    /// the lost flow is reported later.
    pub(super) fn send(&mut self, transmit: &Transmit) -> bool {
        let flow = transmit.flow;
        if self.open.contains_key(&flow.connection) {
            return self.enqueue(flow.connection, &transmit.bytes);
        }
        // The peer chose this port in its Via, so a new connection to it is not trusted.
        let trusted = !flow.is_connection();
        let flow = match trusted {
            true => flow,
            false => match way_back(flow, &transmit.bytes) {
                Some(other) => other,
                None => {
                    self.lost.push_back(flow);
                    return false;
                }
            },
        };
        let open = self.peers.get(&(flow.transport, flow.remote)).copied();
        let Some(id) = open.or_else(|| self.dial(flow, trusted)) else {
            self.lost.push_back(flow);
            return false;
        };
        if let Some(connection) = self.open.get_mut(&id) {
            connection.shared = Some(flow);
        }
        self.enqueue(id, &transmit.bytes)
    }

    /// Connections that are open or being opened.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Lets every connection write its queued messages for a short time, and closes it.
    pub(super) async fn close(mut self) {
        for listener in &self.listeners {
            listener.abort();
        }
        self.open.clear();
        let Self { events_in, mut events, .. } = self;
        drop(events_in);
        let all_closed = async { while events.recv().await.is_some() {} };
        if tokio::time::timeout(FAREWELL, all_closed).await.is_err() {
            tracing::debug!("a connection had more to write than the time allowed");
        }
    }

    fn take(&mut self, event: Event) -> Came {
        match event {
            Event::Accepted { transport, local, remote, stream } => {
                let remote = SocketAddr::new(remote.ip().to_canonical(), remote.port());
                if !self.has_place_for(remote.ip()) || !self.has_place_in_source(remote.ip()) {
                    self.reject(remote);
                    return Came::Nothing;
                }
                let security = match (transport, self.tls.acceptor()) {
                    (Transport::Tls, Some(acceptor)) => Security::Accept(acceptor),
                    (Transport::Tls, None) => return Came::Nothing,
                    (Transport::Tcp | Transport::Udp, _) => Security::None,
                };
                self.make_room(remote.ip(), transport);
                self.open(Flow::any(transport, local, remote), Origin::Accepted(stream), security, false);
                Came::Nothing
            }
            Event::Secured { id } => {
                self.handshakes.remove(id);
                Came::Nothing
            }
            Event::Proven { id, names } => {
                self.trust(id);
                self.open.get(&id).map_or(Came::Nothing, |connection| Came::Proven { flow: connection.flow, names })
            }
            Event::Message { id, bytes } => {
                self.open.get(&id).map_or(Came::Nothing, |connection| Came::Message { flow: connection.flow, bytes })
            }
            Event::Closed { id, why } => match self.forget(id) {
                Some(flow) => {
                    tracing::debug!(%flow, why, "a connection is over");
                    Came::Lost(flow)
                }
                None => Came::Nothing,
            },
        }
    }

    /// Closes the oldest connections that are not trusted if a new one would exceed the limit. Peers that authenticate soon are thus
    /// served even during a flood.
    fn make_room(&mut self, peer: IpAddr, transport: Transport) {
        if self.is_trunk(peer) {
            return;
        }
        if transport == Transport::Tls
            && self.handshakes.len() >= self.caps.handshakes
            && let Some(oldest) = self.handshakes.oldest_of_the_largest()
        {
            self.close_one(oldest);
        }
        if self.unproven.len() >= self.caps.unproven
            && let Some(oldest) = self.unproven.oldest_of_the_largest()
        {
            self.close_one(oldest);
        }
    }

    /// True if a source may have one more connection. At the limit, the source's oldest connection that is not trusted is closed.
    fn has_place_in_source(&mut self, peer: IpAddr) -> bool {
        let source = self.source_of(peer);
        if self.sources.get(&source).copied().unwrap_or(0) < self.caps.per_source {
            return true;
        }
        let oldest = match source {
            Source::Trunk(_) => None,
            Source::Network(network) => self.unproven.oldest_of(network),
        };
        oldest.into_iter().for_each(|id| self.close_one(id));
        oldest.is_some()
    }

    fn source_of(&self, peer: IpAddr) -> Source {
        if self.is_trunk(peer) { Source::Trunk(peer) } else { Source::Network(source_network(peer)) }
    }

    fn reject(&mut self, remote: SocketAddr) {
        self.refused += 1;
        // Logs only at powers of two, so that a flood of connections does not flood the log.
        if self.refused.is_power_of_two() {
            let from_there = self.sources.get(&self.source_of(remote.ip())).copied().unwrap_or(0);
            let (open, rejected) = (self.open.len(), self.refused);
            tracing::warn!(%remote, from_there, open, rejected, "too many connections: new ones are closed");
        }
    }

    fn close_one(&mut self, id: ConnectionId) {
        if let Some(connection) = self.open.get(&id) {
            connection.task.abort();
        }
        if let Some(flow) = self.forget(id) {
            self.lost.push_back(flow);
        }
    }

    /// Opens a connection to the flow's peer; messages wait in its queue. Returns None at the limit. A connection that is not `trusted`
    /// counts like one that the peer has opened.
    fn dial(&mut self, flow: Flow, trusted: bool) -> Option<ConnectionId> {
        let peer = flow.remote.ip();
        if !self.has_place_for(peer) || (!trusted && !self.has_place_in_source(peer)) {
            tracing::warn!(%flow, "too many connections: none is opened");
            return None;
        }
        let security = match flow.transport {
            Transport::Tls => Security::Connect(self.tls.connector(flow.remote)?),
            Transport::Tcp | Transport::Udp => Security::None,
        };
        if !trusted {
            self.make_room(peer, flow.transport);
        }
        Some(self.open(flow, Origin::Dialled { from: flow.local, to: flow.remote }, security, trusted))
    }

    /// True if a connection may be opened. Connections of other peers than trunks cannot use the reserved part.
    fn has_place_for(&self, peer: IpAddr) -> bool {
        let for_strangers = self.caps.open.saturating_sub(self.caps.reserved);
        self.open.len() < self.caps.open && (self.strangers < for_strangers || self.is_trunk(peer))
    }

    fn is_trunk(&self, peer: IpAddr) -> bool {
        self.trunks.iter().any(|block| block.contains(peer))
            || self.trunk_targets.values().any(|targets| targets.contains(&peer))
    }

    fn open(&mut self, flow: Flow, origin: Origin, security: Security, trusted: bool) -> ConnectionId {
        self.last_id += 1;
        let id = ConnectionId(self.last_id);
        let (queue, to_write) = mpsc::channel(CONNECTION_MESSAGES_MAX);
        let waiting = Arc::new(AtomicUsize::new(0));
        let owed = Arc::new(Owed::default());
        let source = self.source_of(flow.remote.ip());
        let is_accepted = matches!(origin, Origin::Accepted(_));
        let of_trunk = matches!(source, Source::Trunk(_));
        let trusted = Arc::new(AtomicBool::new(of_trunk || trusted));
        let stream = Stream {
            id,
            queue: to_write,
            own: queue.downgrade(),
            waiting: Arc::clone(&waiting),
            owed: Arc::clone(&owed),
            trusted: Arc::clone(&trusted),
            events: self.events_in.clone(),
            patience: self.patience,
        };
        if let Source::Network(network) = source
            && !trusted.load(Ordering::Relaxed)
        {
            self.unproven.insert(id, network);
            if is_accepted && flow.transport == Transport::Tls {
                self.handshakes.insert(id, network);
            }
        }
        let task = self.spawn(of_trunk, stream, origin, security);
        let flow = Flow { connection: id, ..flow };
        self.strangers += usize::from(!of_trunk);
        self.open.insert(id, Connection { flow, queue, waiting, owed, task, trusted, source, shared: None });
        self.peers.insert((flow.transport, flow.remote), id);
        *self.sources.entry(source).or_default() += 1;
        id
    }

    /// Starts a connection's task: for TLS in a separate thread, otherwise here.
    fn spawn(&mut self, of_trunk: bool, stream: Stream, origin: Origin, security: Security) -> AbortHandle {
        if matches!(security, Security::None) {
            return tokio::spawn(stream.run(origin, security)).abort_handle();
        }
        let (thread, name) = match of_trunk {
            true => (&mut self.trunks_thread, "tls-trunks"),
            false => (&mut self.others_thread, "tls"),
        };
        if thread.is_none() {
            match TlsThread::start(name) {
                Ok(started) => *thread = Some(started),
                Err(error) => tracing::warn!(%error, "no thread for TLS: handshakes hold up the signalling"),
            }
        }
        let Some(thread) = thread else { return tokio::spawn(stream.run(origin, security)).abort_handle() };
        let origin = match origin {
            Origin::Accepted(accepted) => match accepted.into_std() {
                Ok(moved) => Origin::Moved(moved),
                // Not expected. The stream fails, and its task reports the end.
                Err(error) => return tokio::spawn(stream.fail(error)).abort_handle(),
            },
            other @ (Origin::Moved(_) | Origin::Dialled { .. }) => other,
        };
        thread.spawn(stream.run(origin, security))
    }

    /// Adds a message to a connection's queue. A connection whose queue is full is closed.
    fn enqueue(&mut self, id: ConnectionId, bytes: &Bytes) -> bool {
        let Some(connection) = self.open.get(&id) else { return false };
        connection.owed.sends(bytes);
        let waits = connection.waiting.fetch_add(bytes.len(), Ordering::Relaxed) + bytes.len();
        if waits <= CONNECTION_BYTES_MAX && connection.queue.try_send(bytes.clone()).is_ok() {
            return true;
        }
        tracing::warn!(flow = %connection.flow, bytes = waits, "a peer does not take what it is sent: its connection is closed");
        self.close_one(id);
        false
    }

    /// Removes a connection and returns its flow. A flow that shared it is reported by the next call of `next`.
    fn forget(&mut self, id: ConnectionId) -> Option<Flow> {
        let gone = self.open.remove(&id)?;
        self.strangers -= usize::from(matches!(gone.source, Source::Network(_)));
        self.unproven.remove(id);
        self.handshakes.remove(id);
        let peer = (gone.flow.transport, gone.flow.remote);
        if self.peers.get(&peer) == Some(&id) {
            self.peers.remove(&peer);
            self.lost.extend(gone.shared);
        }
        if let Some(count) = self.sources.get_mut(&gone.source) {
            *count -= 1;
            if *count == 0 {
                self.sources.remove(&gone.source);
            }
        }
        Some(gone.flow)
    }
}

/// Destination of a response whose connection has closed: the source address of the request, with the port of sent-by in the Via (RFC 3261
/// §18.2.2).
fn way_back(flow: Flow, bytes: &[u8]) -> Option<Flow> {
    let Parsed::Good(message) = wire::parse(bytes) else { return None };
    message.status()?;
    let usual = if flow.transport == Transport::Tls { 5061 } else { 5060 };
    let port = message.via().ok()?.port.unwrap_or(usual);
    Some(Flow::any(flow.transport, flow.local, SocketAddr::new(flow.remote.ip(), port)))
}

#[cfg(test)]
mod tests;
