//! Listeners for stream connections.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::super::stream::Event;
use crate::sip::flow::Transport;

/// Connections that the kernel completes before they are accepted.
const BACKLOG: i32 = 1_024;
/// Wait after a failed accept, which happens if the process has no free descriptor.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// A bound stream listener, which may be passed to another runtime.
#[derive(Debug)]
pub struct StreamListener {
    pub(super) transport: Transport,
    pub(super) local: SocketAddr,
    pub(super) socket: std::net::TcpListener,
}

impl StreamListener {
    /// Binds a listener.
    pub fn bind(transport: Transport, local: SocketAddr) -> anyhow::Result<Self> {
        let bound = || -> std::io::Result<std::net::TcpListener> {
            let socket = Socket::new(Domain::for_address(local), Type::STREAM, Some(Protocol::TCP))?;
            socket.set_nonblocking(true)?;
            socket.set_reuse_address(true)?;
            if local.is_ipv6() {
                socket.set_only_v6(true)?;
            }
            socket.bind(&local.into())?;
            socket.listen(BACKLOG)?;
            Ok(socket.into())
        };
        let word = if transport == Transport::Tls { "tls" } else { "tcp" };
        let socket = bound().with_context(|| format!("{word}:{local} cannot be listened on"))?;
        let local = socket.local_addr()?;
        Ok(Self { transport, local, socket })
    }

    /// The local address.
    pub const fn local(&self) -> SocketAddr {
        self.local
    }
}

/// Reports each accepted connection. If the table does not keep up, peers wait in the kernel.
pub(super) async fn accept(
    transport: Transport,
    local: SocketAddr,
    listener: TcpListener,
    events: mpsc::Sender<Event>,
) {
    loop {
        match listener.accept().await {
            Ok((stream, remote)) => {
                // If the listener has the wildcard address, the address to which the peer connected.
                let local = stream.local_addr().unwrap_or(local);
                if events.send(Event::Accepted { transport, local, remote, stream }).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(%local, %error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}
