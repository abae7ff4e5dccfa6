//! A received datagram in its buffer, with room after it for the bytes that forwarding as SRTP adds.

use std::net::SocketAddr;

/// One datagram: the first `length` bytes of `room`.
#[derive(Debug)]
pub struct Datagram<'b> {
    pub from: SocketAddr,
    pub room: &'b mut [u8],
    pub length: usize,
}

impl<'b> Datagram<'b> {
    /// A datagram without room after it, which cannot be forwarded as SRTP.
    pub fn whole(from: SocketAddr, packet: &'b mut [u8]) -> Self {
        Self { from, length: packet.len(), room: packet }
    }
}
