//! Connections to the console: how many, how long each may stay idle, and how long a request may take. Does not depend on what requests do.

use std::io;
use std::sync::Arc;
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

use crate::limits::CONSOLE_CONNECTIONS_MAX;

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

/// Serves until it is dropped. At the limit new connections wait in the kernel until one ends.
pub(super) async fn serve(listener: TcpListener, router: Router) -> io::Result<()> {
    let room = Arc::new(Semaphore::new(CONSOLE_CONNECTIONS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return Ok(()) };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // The clones share all routes.
        let router = router.clone();
        tokio::spawn(async move {
            if let Err(error) = serve_one(stream, router).await {
                debug!(%error, "a connection to the console has ended");
            }
            drop(permit);
        });
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
