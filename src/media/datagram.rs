//! A datagram where it was received, with the room behind it for what sending it on adds.

use std::net::SocketAddr;

/// One datagram: the first `length` bytes of `room`.
#[derive(Debug)]
pub struct Datagram<'b> {
    pub from: SocketAddr,
    pub room: &'b mut [u8],
    pub length: usize,
}

impl<'b> Datagram<'b> {
    /// One without room behind it: it cannot be sent on as SRTP.
    pub fn whole(from: SocketAddr, packet: &'b mut [u8]) -> Self {
        Self { from, length: packet.len(), room: packet }
    }
}
