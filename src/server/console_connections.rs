//! Connections to the console: how many, how long each may stay idle, and how long a request may take. Does not depend on what requests do.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tracing::debug;

use crate::limits::{CONSOLE_CONNECTIONS_MAX, CONSOLE_CONNECTIONS_PER_SOURCE_MAX};
use crate::sip::guard::source_network;

use super::console_api::fault;

/// A connection that sends no complete request head for this long is closed, before its first request and after each response.
const HEAD_TIME: Duration = Duration::from_secs(20);
/// From the last byte of a request's head to its response.
const REQUEST_TIME: Duration = Duration::from_secs(20);
const TOO_SLOW: &str = "the request is too slow; expected: a complete request within 20 s";
/// A peer that acknowledges nothing for this long is gone.
const UNACKNOWLEDGED_TIME: Duration = Duration::from_secs(30);
/// After an error of `accept` (no file descriptor is free).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Bytes that are read from one connection ahead of its requests.
const READ_BYTES: usize = 32 << 10;

/// Serves until it is dropped. At the limit new connections wait in the kernel until one ends; one more than an address may have is
/// closed.
pub(super) async fn serve(listener: TcpListener, router: Router) -> io::Result<()> {
    let room = Arc::new(Semaphore::new(CONSOLE_CONNECTIONS_MAX));
    let sources = Sources::default();
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return Ok(()) };
        let Ok((stream, from)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Some(place) = sources.place(from.ip()) else {
            debug!(%from, "too many connections to the console from one address: the new one is closed");
            continue;
        };
        // The clones share all routes.
        let router = router.clone();
        tokio::spawn(async move {
            if let Err(error) = serve_one(stream, router).await {
                debug!(%error, "a connection to the console has ended");
            }
            drop((permit, place));
        });
    }
}

/// How many connections each network has (`source_network`).
#[derive(Clone, Debug, Default)]
struct Sources(Arc<Mutex<BTreeMap<IpAddr, usize>>>);

/// One connection of a network, as long as it lives.
#[derive(Debug)]
struct Place {
    sources: Sources,
    network: IpAddr,
}

impl Sources {
    /// None: the address has as many as it may have. This machine, where a proxy may speak for all users, has no limit of its own.
    fn place(&self, from: IpAddr) -> Option<Place> {
        let network = source_network(from);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(network).or_default();
        if *count >= CONSOLE_CONNECTIONS_PER_SOURCE_MAX && !from.to_canonical().is_loopback() {
            return None;
        }
        *count += 1;
        Some(Place { sources: self.clone(), network })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.sources.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.network);
            }
        }
    }
}

/// Responds 408 to a request that is not complete, or has no response, in time.
pub(super) async fn within_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_TIME, next.run(request)).await {
        Ok(response) => response,
        // Otherwise the unread rest of the body would be read as the next request.
        Err(_) => ([(header::CONNECTION, "close")], fault(StatusCode::REQUEST_TIMEOUT, TOO_SLOW)).into_response(),
    }
}

async fn serve_one(stream: TcpStream, router: Router) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(&stream).set_tcp_user_timeout(Some(UNACKNOWLEDGED_TIME))?;
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(READ_BYTES);
    server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_cannot_take_all_connections() {
        let sources = Sources::default();
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let most = CONSOLE_CONNECTIONS_PER_SOURCE_MAX;
        let all: Vec<Place> = (0..most).map(|_| sources.place(ip("2001:db8::1")).unwrap()).collect();
        assert!(sources.place(ip("2001:db8::2")).is_none(), "one /64 is one source");
        assert!(sources.place(ip("192.0.2.1")).is_some());
        drop(all);
        assert!(sources.place(ip("2001:db8::2")).is_some());
        assert!(sources.0.lock().unwrap().is_empty(), "nothing is kept of those that are gone");
        let own: Vec<_> = (0..CONSOLE_CONNECTIONS_MAX).map(|_| sources.place(ip("::ffff:127.0.0.1"))).collect();
        assert!(own.iter().all(Option::is_some), "a proxy on this machine");
    }
}
