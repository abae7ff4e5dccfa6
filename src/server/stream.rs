//! One stream connection: a task that frames what it reads (RFC 3261 §18.3), writes queued messages, answers pings (RFC 5626 §3.5.1),
//! enforces time limits, and reports events to its table. It makes no other decisions.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use crate::sip::flow::{ConnectionId, Transport};
use crate::sip::framing::{Frame, Framer};

use super::tls::{Acceptor, Connector};

/// Buffer size of one read.
const READ_BYTES: usize = 8 << 10;

/// Time between the response to a message that ends its stream and the close. After an immediate close, further data of the peer would
/// cause a reset, which can overtake the response.
const LINGER: Duration = Duration::from_secs(1);

/// Time between the two writes that distinguish a peer that has closed only its own direction from one that has closed the connection: the
/// latter responds to the first write with a reset, and the second write fails.
const PROBE: Duration = Duration::from_millis(200);

/// The time limits of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Time for the handshakes of TCP and TLS.
    pub connect: Duration,
    /// Time from the start of a message, and of the connection, to the end of the message.
    pub message: Duration,
    /// Time without a byte from the peer.
    pub idle: Duration,
    /// Time from the start of a connection until its peer has authenticated (`Connections::trust`).
    pub stranger: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { connect: seconds(5), message: seconds(30), idle: seconds(3_900), stranger: seconds(60) }
    }
}

/// The requests of a peer that have no final response yet. As long as there is one, responses are written to a peer that has closed its
/// direction (TCP half-close).
#[derive(Debug, Default)]
pub(super) struct Owed {
    responses: AtomicUsize,
    /// The peer has closed its direction.
    closing: AtomicBool,
}

impl Owed {
    fn received(&self, message: &[u8]) {
        // A message without a request line gets no response.
        let line = message.split(|byte| *byte == b'\n').next().unwrap_or_default();
        if line.trim_ascii_end().ends_with(b" SIP/2.0") && !line.starts_with(b"ACK ") {
            self.responses.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Registers a message that is sent to the peer.
    pub(super) fn sends(&self, message: &[u8]) {
        if let [b'S', b'I', b'P', b'/', b'2', b'.', b'0', b' ', b'2'..=b'6', ..] = message {
            let less = |owed: usize| owed.checked_sub(1);
            // A retransmitted response may be sent when no response is owed.
            if self.responses.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_err() {
                tracing::trace!("a response without a request that is open");
            }
        }
    }

    fn is_paid(&self) -> bool {
        self.responses.load(Ordering::Relaxed) == 0
    }
}

/// Events of a connection or a listener for the table.
#[derive(Debug)]
pub(super) enum Event {
    Accepted {
        transport: Transport,
        local: SocketAddr,
        remote: SocketAddr,
        stream: TcpStream,
    },
    /// The peer's certificate verifies these of the expected names.
    Proven {
        id: ConnectionId,
        names: Vec<String>,
    },
    /// The TLS handshake is complete.
    Secured {
        id: ConnectionId,
    },
    /// One whole message.
    Message {
        id: ConnectionId,
        bytes: Bytes,
    },
    Closed {
        id: ConnectionId,
        why: String,
    },
}

/// How the stream is opened.
#[derive(Debug)]
pub(super) enum Origin {
    /// The peer opened it.
    Accepted(TcpStream),
    /// The peer opened it, and another thread's runtime serves it.
    Moved(std::net::TcpStream),
    /// siaga opens it from one of its addresses.
    Dialled { from: SocketAddr, to: SocketAddr },
}

/// The security layer below the messages.
#[derive(Debug)]
pub(super) enum Security {
    None,
    Accept(Acceptor),
    Connect(Connector),
}

/// The connection task's side of the state that it shares with the table.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) id: ConnectionId,
    /// Messages to be written.
    pub(super) queue: mpsc::Receiver<Bytes>,
    /// A sender to that queue, for pongs.
    pub(super) own: mpsc::WeakSender<Bytes>,
    /// Bytes in the queue.
    pub(super) waiting: Arc<AtomicUsize>,
    pub(super) owed: Arc<Owed>,
    /// True if the peer is trusted; set by the table.
    pub(super) trusted: Arc<AtomicBool>,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) patience: Patience,
}

impl Stream {
    /// Runs until the connection ends, and reports the end.
    pub(super) async fn run(mut self, origin: Origin, security: Security) {
        let why = match self.live(origin, security).await {
            Ok(why) => why.to_owned(),
            Err(error) => error.to_string(),
        };
        // Without a table there is no receiver.
        drop(self.events.send(Event::Closed { id: self.id, why }).await);
    }

    /// Reports that the connection could not be opened.
    pub(super) async fn fail(self, error: io::Error) {
        drop(self.events.send(Event::Closed { id: self.id, why: error.to_string() }).await);
    }

    async fn live(&mut self, origin: Origin, security: Security) -> io::Result<&'static str> {
        let deadline = Instant::now() + self.patience.connect;
        let (tcp, begun) = match origin {
            Origin::Accepted(stream) => (stream, true),
            Origin::Moved(stream) => (TcpStream::from_std(stream)?, true),
            Origin::Dialled { from, to } => (within(deadline, dial(from, to)).await?, false),
        };
        // Without TCP_NODELAY, messages may wait for the peer's acknowledgements; they still arrive.
        if let Err(error) = tcp.set_nodelay(true) {
            tracing::debug!(%error, "a connection without TCP_NODELAY");
        }
        match security {
            Security::None => self.carry(tcp, begun).await,
            Security::Accept(acceptor) => {
                let (tls, names) = within(deadline, acceptor.accept(tcp)).await?;
                drop(self.events.send(Event::Secured { id: self.id }).await);
                self.prove(names).await;
                self.carry(tls, begun).await
            }
            Security::Connect(connector) => {
                let (tls, names) = within(deadline, connector.connect(tcp)).await?;
                self.prove(names).await;
                self.carry(tls, begun).await
            }
        }
    }

    async fn prove(&self, names: Vec<String>) {
        if !names.is_empty() {
            drop(self.events.send(Event::Proven { id: self.id, names }).await);
        }
    }

    /// Reads and writes concurrently until one of them ends. `begun`: the peer opened the connection and must send a first message.
    async fn carry(&mut self, stream: impl AsyncRead + AsyncWrite, begun: bool) -> io::Result<&'static str> {
        let (reader, writer) = tokio::io::split(stream);
        let reading = Reading {
            id: self.id,
            own: &self.own,
            waiting: &self.waiting,
            owed: &self.owed,
            trusted: &self.trusted,
            events: &self.events,
            patience: self.patience,
        };
        tokio::select! {
            read = reading.run(reader, begun) => read,
            written = write(writer, &mut self.queue, &self.waiting, &self.owed) => written,
        }
    }
}

async fn dial(from: SocketAddr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = if to.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
    if !from.ip().is_unspecified() {
        // Connects from the address that peers expect. If the address is only advertised (NAT), this machine does not have it, and the
        // kernel chooses one.
        match socket.bind(SocketAddr::new(from.ip(), 0)) {
            Err(error) if error.kind() != io::ErrorKind::AddrNotAvailable => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    socket.connect(to).await
}

async fn within<T>(deadline: Instant, what: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout_at(deadline, what).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Writes the messages of the queue until the table drops its sender.
async fn write(
    mut writer: impl AsyncWrite + Unpin,
    queue: &mut mpsc::Receiver<Bytes>,
    waiting: &AtomicUsize,
    owed: &Owed,
) -> io::Result<&'static str> {
    while let Some(bytes) = queue.recv().await {
        writer.write_all(&bytes).await?;
        writer.flush().await?;
        let others = waiting.fetch_sub(bytes.len(), Ordering::Relaxed) > bytes.len();
        if owed.closing.load(Ordering::Relaxed) && owed.is_paid() && !others {
            break;
        }
    }
    writer.shutdown().await?;
    Ok("no longer wanted")
}

/// Why reading has ended.
#[derive(Clone, Copy, Debug)]
enum End {
    /// No response is due.
    Silent(&'static str),
    /// The last message was reported so that it gets a response.
    Answered(&'static str),
}

/// Reads and discards data until the peer closes.
async fn drain(reader: &mut (impl AsyncRead + Unpin), buffer: &mut BytesMut) -> io::Result<()> {
    buffer.clear();
    while reader.read_buf(buffer).await? > 0 {
        buffer.clear();
    }
    Ok(())
}

/// The reading half.
struct Reading<'a> {
    id: ConnectionId,
    own: &'a mpsc::WeakSender<Bytes>,
    waiting: &'a AtomicUsize,
    owed: &'a Owed,
    trusted: &'a AtomicBool,
    events: &'a mpsc::Sender<Event>,
    patience: Patience,
}

impl Reading<'_> {
    async fn run(&self, mut reader: impl AsyncRead + Unpin, begun: bool) -> io::Result<&'static str> {
        let (mut buffer, mut framer) = (BytesMut::new(), Framer::default());
        let mut heard = false;
        // Without authentication a peer cannot keep its connection, whatever it sends.
        let prove_by = Instant::now() + self.patience.stranger;
        // Deadline for the message whose start has been received.
        let mut whole_by = begun.then(|| Instant::now() + self.patience.message);
        loop {
            buffer.reserve(READ_BYTES);
            let trusted = self.is_trusted();
            let limit = whole_by.unwrap_or_else(|| Instant::now() + self.patience.idle);
            let until = if trusted { limit } else { limit.min(prove_by) };
            let read = timeout_at(until, reader.read_buf(&mut buffer)).await;
            match read {
                Ok(Ok(0)) => return Ok(self.closed_by_peer().await),
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(error),
                // The peer was trusted in the meantime.
                Err(_) if until < limit && self.is_trusted() => continue,
                Err(_) if until < limit => return Ok("nothing proven in time"),
                Err(_) if whole_by.is_some() => return Ok("no whole message in time"),
                Err(_) => return Ok("idle"),
            }
            let before = buffer.len();
            match self.take(&mut buffer, &mut framer, &mut heard).await {
                Some(End::Silent(why)) => return Ok(why),
                Some(End::Answered(why)) => {
                    // The outcome does not matter.
                    drop(timeout(LINGER, drain(&mut reader, &mut buffer)).await);
                    return Ok(why);
                }
                None => {}
            }
            if buffer.is_empty() {
                // An idle connection needs no buffer.
                buffer = BytesMut::new();
                whole_by = None;
            } else if buffer.len() < before || whole_by.is_none() {
                whole_by = Some(Instant::now() + self.patience.message);
            }
        }
    }

    /// Takes all complete messages from the front of the buffer. `heard` becomes true with the first message. Returns why the stream can
    /// no longer be parsed, if it cannot.
    async fn take(&self, buffer: &mut BytesMut, framer: &mut Framer, heard: &mut bool) -> Option<End> {
        loop {
            match framer.next(buffer) {
                Frame::Partial => return None,
                Frame::Ping(length) => {
                    buffer.advance(length);
                    self.pong();
                }
                Frame::Blank(length) => buffer.advance(length),
                Frame::Message(length) => {
                    if let Some(end) = self.hand_on(buffer, length).await {
                        return Some(end);
                    }
                    *heard = true;
                }
                Frame::Endless(length, why) => {
                    return self.hand_on(buffer, length).await.or(Some(End::Answered(why)));
                }
                Frame::Broken(why) if *heard => return Some(End::Answered(why)),
                Frame::Broken(why) => return Some(End::Silent(why)),
            }
        }
    }

    /// The peer has closed its direction. It may still wait for responses: the connection stays open as long as a response is owed.
    async fn closed_by_peer(&self) -> &'static str {
        if !self.owed.is_paid() || self.waiting.load(Ordering::Relaxed) > 0 {
            self.owed.closing.store(true, Ordering::Relaxed);
            for _ in 0..2 {
                self.pong();
                tokio::time::sleep(PROBE).await;
            }
            // The request of a peer that is not trusted gets its response at once or is dropped.
            let patience = if self.is_trusted() { self.patience.idle } else { self.patience.connect };
            tokio::time::sleep(patience).await;
        }
        "closed by the peer"
    }

    fn is_trusted(&self) -> bool {
        self.trusted.load(Ordering::Relaxed)
    }

    async fn hand_on(&self, buffer: &mut BytesMut, length: usize) -> Option<End> {
        let bytes = buffer.split_to(length).freeze();
        self.owed.received(&bytes);
        let sent = self.events.send(Event::Message { id: self.id, bytes }).await;
        sent.err().map(|_| End::Silent("the service ends"))
    }

    fn pong(&self) {
        let Some(queue) = self.own.upgrade() else { return };
        self.waiting.fetch_add(2, Ordering::Relaxed);
        // A full queue contains messages, which are written anyway.
        if queue.try_send(Bytes::from_static(b"\r\n")).is_err() {
            self.waiting.fetch_sub(2, Ordering::Relaxed);
        }
    }
}
