//! Connections to the console: how long each may stay idle, and how long a request may take. Does not depend on what requests do.

use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tracing::debug;

use crate::web::visitor::Peer;

use super::console_places::{Places, Proof};
use super::console_reply::fault;
use super::console_stream::ConsoleStream;
use super::page_tls::PageCertificate;

/// A connection that sends no complete request head for this long is closed, before its first request and after each response.
const HEAD_TIME: Duration = Duration::from_secs(20);
/// How long a peer may continue to send after an error.
const LINGER: Duration = Duration::from_secs(1);
/// Maximum time from the last byte of a request's head to its response.
const REQUEST_TIME: Duration = Duration::from_secs(20);
const TOO_SLOW: &str = "the request is too slow; expected: a complete request within 20 s";
/// A peer that acknowledges nothing for this long counts as disconnected.
const UNACKNOWLEDGED_TIME: Duration = Duration::from_secs(30);
/// Wait after an error of `accept` (no file descriptor is free).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Bytes that are read from one connection ahead of its requests.
const READ_BYTES: usize = 32 << 10;

/// Serves until it is dropped. Every connection is accepted; above the limits an older one is closed (`console_places`).
/// With a certificate, only over TLS.
pub(super) async fn serve(listener: TcpListener, certificate: Option<PageCertificate>, router: Router) {
    let renewal = async {
        match &certificate {
            Some(certificate) => certificate.renew().await,
            None => std::future::pending().await,
        }
    };
    tokio::join!(accept(listener, certificate.clone(), router), renewal);
}

async fn accept(listener: TcpListener, certificate: Option<PageCertificate>, router: Router) {
    let places = Places::default();
    loop {
        let Ok((stream, from)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Some(place) = places.admit(from.ip()) else {
            debug!(%from, "too many connections to the console from one address: the new one is closed");
            continue;
        };
        // The clones share all routes.
        let (router, certificate) = (router.clone(), certificate.clone());
        tokio::spawn(async move {
            tokio::select! {
                biased;
                () = place.is_closed() => debug!(%from, "too many connections to the console: this one is closed"),
                served = serve_one(stream, certificate, router, place.proof(), Peer(from.ip())) => if let Err(error) = served {
                    debug!(%error, "a connection to the console has ended");
                },
            }
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

async fn serve_one(
    stream: TcpStream,
    certificate: Option<PageCertificate>,
    router: Router,
    proof: Proof,
    peer: Peer,
) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(&stream).set_tcp_user_timeout(Some(UNACKNOWLEDGED_TIME))?;
    match certificate {
        None => serve_stream(stream, router, HEAD_TIME, proof, peer).await,
        Some(certificate) => {
            let stream = certificate.accept(stream).await?;
            serve_stream(stream, router, HEAD_TIME, proof, peer).await
        }
    }
}

/// `proof` and `peer` are extensions of every request. A layer of the router would copy the router for each connection.
async fn serve_stream<T>(stream: T, router: Router, head_time: Duration, proof: Proof, peer: Peer) -> anyhow::Result<()>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut stream = ConsoleStream::new(stream);
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(head_time).max_buf_size(READ_BYTES);
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(proof.clone());
        request.extensions_mut().insert(peer);
        router.call(request)
    });
    let served = server.serve_connection(TokioIo::new(&mut stream), service).await;
    let Err(error) = served else { return Ok(()) };
    if error.is_timeout() {
        stream.reject_late_head(head_time.min(LINGER)).await?;
    } else if error.is_parse() {
        stream.linger(head_time.min(LINGER)).await;
    }
    Err(error.into())
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use serde_json::Value;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// The responses to `sent`: status, content type and body.
    async fn answered(sent: &[u8], head_time: Duration) -> Vec<(u16, String, String)> {
        let router = Router::new()
            .route("/live", get(|| async { "live" }))
            .layer(axum::middleware::from_fn(super::super::console_errors::as_json));
        let (mut client, server) = tokio::io::duplex(1 << 20);
        client.write_all(sent).await.unwrap();
        let peer = Peer("192.0.2.1".parse().unwrap());
        let place = Places::default().admit(peer.0).unwrap();
        let served = serve_stream(server, router, head_time, place.proof(), peer);
        let mut text = String::new();
        let (_, read) = tokio::join!(served, client.read_to_string(&mut text));
        read.unwrap();
        let mut rest = text.as_str();
        let mut all = Vec::new();
        while let Some((head, behind)) = rest.split_once("\r\n\r\n") {
            let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
            let (body, next) = behind.split_at(field("content-length:").parse().unwrap());
            all.push((head[9..12].parse().unwrap(), field("content-type:").to_owned(), body.to_owned()));
            rest = next;
        }
        assert_eq!(rest, "");
        all
    }

    #[tokio::test]
    async fn an_error_before_any_request_is_read_is_json_like_all_others() {
        let good = "GET /live HTTP/1.1\r\nHost: siaga\r\n\r\n";
        let many = "X: y\r\n".repeat(200);
        for (sent, status) in [
            ("\0\0\r\n\r\n".to_owned(), 400),
            ("GET /live\r\n\r\n".to_owned(), 400),
            ("GET /live HTTP/9.9\r\n\r\n".to_owned(), 400),
            ("GET /live HTTP/1.1\r\nHost siaga\r\n\r\n".to_owned(), 400),
            ("GET /live HTTP/1.1\r\nContent-Length: x\r\n\r\n".to_owned(), 400),
            (format!("GET /live HTTP/1.1\r\n{many}\r\n"), 431),
            (format!("GET /live HTTP/1.1\r\nX: {}\r\n\r\n", "y".repeat(400_000)), 431),
            ("GET /li".to_owned(), 408),
        ] {
            // If two requests arrive together and the second is incomplete, the stream cannot see that the second has
            // begun.
            let befores = if status == 408 { vec![""] } else { vec!["", good] };
            for before in befores {
                let all = answered(format!("{before}{sent}").as_bytes(), Duration::from_millis(200)).await;
                let (found, kind, body) = all.last().unwrap();
                let body: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {all:?}"));
                let part = sent.get(..30).unwrap_or(&sent);
                assert_eq!((*found, kind.as_str()), (status, "application/json"), "{part:?}");
                assert!(body["fault"].as_str().unwrap().contains("; expected: "), "{body}");
                assert_eq!(all.len(), 1 + usize::from(!before.is_empty()), "{part:?}");
                assert!(
                    before.is_empty() || all[0] == (200, "text/plain; charset=utf-8".to_owned(), "live".to_owned())
                );
            }
        }
    }

    #[tokio::test]
    async fn an_idle_connection_is_closed_without_a_response() {
        assert_eq!(answered(b"", Duration::from_millis(50)).await, []);
        let good = b"GET /live HTTP/1.1\r\nHost: siaga\r\n\r\n";
        assert_eq!(answered(good, Duration::from_millis(50)).await.len(), 1);
    }
}
