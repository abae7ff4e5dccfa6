//! Waits for datagrams on several sockets, which are served in turn.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::Poll;

use tokio::io::{Interest, Ready};
use tokio::net::UdpSocket;

/// Waits until one of the sockets has datagrams or errors; returns its index and which of both. The socket with the index `turn` comes
/// first, so that a flood at one socket does not delay the others.
pub(super) async fn readable(sockets: &[(SocketAddr, UdpSocket)], turn: usize) -> (usize, Ready) {
    let wanted = Interest::READABLE | Interest::ERROR;
    if let [(_, socket)] = sockets {
        // Fails only when the runtime ends.
        return match socket.ready(wanted).await {
            Ok(ready) => (0, ready),
            Err(_) => std::future::pending().await,
        };
    }
    // The usual case, without allocations: one listener, with a second socket for trunks.
    if let [(_, first), (_, second)] = sockets {
        let (mut first, mut second) = (pin!(first.ready(wanted)), pin!(second.ready(wanted)));
        return poll_fn(|cx| {
            for index in [turn % 2, (turn + 1) % 2] {
                let polled = if index == 0 { first.as_mut().poll(cx) } else { second.as_mut().poll(cx) };
                if let Poll::Ready(Ok(ready)) = polled {
                    return Poll::Ready((index, ready));
                }
            }
            Poll::Pending
        })
        .await;
    }
    let each = sockets.iter().enumerate();
    let mut waits: Vec<_> = each.map(|(index, (_, socket))| (index, Box::pin(socket.ready(wanted)))).collect();
    waits.rotate_left(turn % sockets.len().max(1));
    let first = poll_fn(|cx| {
        let ready = waits.iter_mut().find_map(|(index, wait)| match wait.as_mut().poll(cx) {
            Poll::Ready(Ok(ready)) => Some((*index, ready)),
            Poll::Ready(Err(_)) | Poll::Pending => None,
        });
        ready.map_or(Poll::Pending, Poll::Ready)
    });
    pin!(first).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sockets_take_turns_while_all_have_something() {
        assert_eq!(served(2).await, [0, 1, 0, 1, 0, 1]);
        assert_eq!(served(3).await, [0, 1, 2, 0, 1, 2]);
    }

    /// The sockets that are served, of so many that all have something.
    async fn served(count: usize) -> Vec<usize> {
        let mut sockets = Vec::new();
        for _ in 0..count {
            let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            sockets.push((socket.local_addr().unwrap(), socket));
        }
        let sender = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        for (address, socket) in &sockets {
            sender.send_to(b"x", address).await.unwrap();
            socket.readable().await.unwrap();
        }
        // Nothing is read: all sockets stay readable.
        let (mut turn, mut served) = (0, Vec::new());
        for _ in 0..6 {
            let (index, ready) = readable(&sockets, turn).await;
            assert!(ready.is_readable());
            served.push(index);
            turn = index + 1;
        }
        served
    }
}
