//! Datagrams of the SIP sockets, which may listen on every address of the machine: each is sent from the local address of its flow.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd as _;

use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::sip::flow::{Flow, Transmit};

use super::pktinfo;

/// Receives one datagram. On a socket that listens on every address, the flow has the address that it was sent to.
pub(super) fn receive_from(local: SocketAddr, socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<(usize, Flow)> {
    if !local.ip().is_unspecified() {
        return socket.try_recv_from(buffer).map(|(length, remote)| (length, Flow::udp(local, remote)));
    }
    let (length, remote, to) = socket.try_io(Interest::READABLE, || pktinfo::receive(socket.as_fd(), buffer))?;
    Ok((length, Flow::udp(asked(local, to), remote)))
}

/// Sends from the flow's local address (RFC 3581 §4), also on a socket that listens on every address.
pub(super) fn send_by(local: SocketAddr, socket: &UdpSocket, Transmit { flow, bytes }: &Transmit) -> io::Result<()> {
    let from = flow.local.ip();
    if !local.ip().is_unspecified() || from.is_unspecified() {
        return socket.try_send_to(bytes, flow.remote).map(drop);
    }
    socket.try_io(Interest::WRITABLE, || pktinfo::send(socket.as_fd(), bytes, flow.remote, from))
}

/// The listening address, with the destination of a datagram in place of the wildcard.
pub(super) fn asked(local: SocketAddr, asked: Option<IpAddr>) -> SocketAddr {
    let wildcard = asked.filter(|_| local.ip().is_unspecified());
    wildcard.map_or(local, |asked| SocketAddr::new(asked, local.port()))
}
