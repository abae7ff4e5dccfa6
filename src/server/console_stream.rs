//! The byte stream of a connection to the console. hyper answers a request that it cannot read by itself, without a body (400, 414, 431), and
//! closes a connection whose request head is late without an answer. Here such responses become JSON like all other errors of the console.
//! Does not depend on what requests do.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::http::StatusCode;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};

/// Maximum bytes that a peer may go on to send after an error: closing at once would reset the connection before the peer has read the
/// response.
const LINGER_BYTES: u64 = 256 << 10;
/// Maximum bytes of the head of a response that hyper writes by itself.
const HEAD_MAX: usize = 512;

/// A connection, and what was read and replaced on it.
#[derive(Debug)]
pub(super) struct ConsoleStream<T> {
    stream: T,
    /// Bytes were read after the last response.
    reads_request: bool,
    /// A response instead of the one that hyper writes, and how many bytes of it are written.
    replacement: Option<(Vec<u8>, usize)>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> ConsoleStream<T> {
    pub(super) const fn new(stream: T) -> Self {
        Self { stream, reads_request: false, replacement: None }
    }

    /// Responds 408 to a request head that was begun and is late. An idle connection gets no response.
    pub(super) async fn reject_late_head(&mut self, linger: Duration) -> io::Result<()> {
        if self.reads_request {
            let head = "HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n";
            self.stream.write_all(&response(head, StatusCode::REQUEST_TIMEOUT)).await?;
            self.stream.shutdown().await?;
            self.linger(linger).await;
        }
        Ok(())
    }

    /// Reads and drops what the peer still sends, for `time` at most.
    pub(super) async fn linger(&mut self, time: Duration) {
        let mut rest = (&mut self.stream).take(LINGER_BYTES);
        let mut nowhere = tokio::io::sink();
        // In time or not: the connection ends now.
        drop(tokio::time::timeout(time, tokio::io::copy(&mut rest, &mut nowhere)).await);
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for ConsoleStream<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.reads_request |= buffer.filled().len() > before;
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for ConsoleStream<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.reads_request = false;
        let this = &mut *self;
        if this.replacement.is_none() {
            this.replacement = replaced(bytes).map(|bytes| (bytes, 0));
        }
        let Some((replacement, written)) = &mut this.replacement else {
            return Pin::new(&mut this.stream).poll_write(context, bytes);
        };
        while let Some(rest) = replacement.get(*written..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut this.stream).poll_write(context, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => *written += count,
            }
        }
        this.replacement = None;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// `bytes` with a JSON body at the end, if they end with an error response that hyper has written by itself: it has no body. Every error
/// of the console's own requests has one.
fn replaced(bytes: &[u8]) -> Option<Vec<u8>> {
    let start = bytes.windows(10).rposition(|window| window == b"HTTP/1.1 4")?;
    let (before, head) = bytes.split_at(start);
    let text = std::str::from_utf8(head).ok().filter(|text| text.len() <= HEAD_MAX)?;
    let fields = text.strip_suffix("\r\n\r\n").filter(|fields| !fields.contains("\r\n\r\n"))?;
    let (no_body, others): (Vec<&str>, Vec<&str>) =
        fields.split("\r\n").partition(|field| field.eq_ignore_ascii_case("content-length: 0"));
    let status = others.first()?.split(' ').nth(1)?.parse().ok()?;
    if no_body.is_empty() {
        return None;
    }
    let head: String = others.iter().flat_map(|field| [*field, "\r\n"]).collect();
    Some([before, &response(&head, StatusCode::from_u16(status).ok()?)].concat())
}

/// An error response with these first lines of its head.
fn response(head: &str, status: StatusCode) -> Vec<u8> {
    let text = match status {
        StatusCode::REQUEST_TIMEOUT => "the request is too slow; expected: a complete request head within 20 s",
        StatusCode::URI_TOO_LONG => "the request's path is too long; expected: at most 32,768 bytes",
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            "the request's header is too long; expected: at most 100 fields and 32,768 bytes"
        }
        _ => "the request cannot be read; expected: HTTP/1.1 (RFC 9112)",
    };
    let body = serde_json::json!({ "fault": text }).to_string();
    let length = body.len();
    format!("{head}content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    const BAD: &str = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

    fn text(bytes: Option<Vec<u8>>) -> String {
        String::from_utf8(bytes.unwrap()).unwrap()
    }

    #[test]
    fn an_error_response_behind_an_earlier_response_in_one_write_gets_its_body() {
        let alone = text(replaced(BAD.as_bytes()));
        let (head, body) = alone.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n"), "{head}");
        assert!(head.ends_with(&format!("content-length: {}", body.len())), "{head}");
        assert!(body.starts_with("{\"fault\":"), "{body}");
        for earlier in [GOOD.to_owned(), GOOD.repeat(2), BAD.to_owned()] {
            assert_eq!(text(replaced(format!("{earlier}{BAD}").as_bytes())), format!("{earlier}{alone}"));
        }
    }

    #[test]
    fn a_response_with_a_body_stays_as_it_is() {
        for bytes in [GOOD.to_owned(), format!("{GOOD}HTTP/1.1 404 x"), format!("{BAD}{GOOD}")] {
            assert_eq!(replaced(bytes.as_bytes()), None, "{bytes}");
        }
    }
}
