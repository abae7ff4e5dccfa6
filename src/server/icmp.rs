//! Reads ICMP errors about undeliverable datagrams from the error queue of a UDP socket (ip(7), IP_RECVERR).
#![expect(unsafe_code, reason = "the error queue can be read with recvmsg(2) only, which std does not offer")]

use std::io;
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd as _, BorrowedFd};

use super::pktinfo;

/// ICMP origins of `sock_extended_err`.
const ORIGINS: [u8; 2] = [libc::SO_EE_ORIGIN_ICMP, libc::SO_EE_ORIGIN_ICMP6];

/// Makes the kernel keep ICMP errors of this socket.
pub(super) fn keep_errors(socket: BorrowedFd<'_>, v6: bool) -> io::Result<()> {
    let (level, option) =
        if v6 { (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) } else { (libc::IPPROTO_IP, libc::IP_RECVERR) };
    pktinfo::switch_on(socket, level, option)
}

/// Takes one error from the queue: the destination of the lost datagram, if that is unreachable, and our address that the datagram was
/// sent from, if the socket reports it. None if the queue is empty.
pub(super) fn next_error(socket: BorrowedFd<'_>) -> Option<Option<(SocketAddr, Option<IpAddr>)>> {
    // SAFETY: both are plain C structures for which all zero bytes are valid.
    let (mut name, mut header): (libc::sockaddr_storage, libc::msghdr) = unsafe { (zeroed(), zeroed()) };
    let mut control = [0_u64; 64];
    let mut payload = [0_u8; 1];
    let mut part = libc::iovec { iov_base: payload.as_mut_ptr().cast(), iov_len: payload.len() };
    header.msg_name = (&raw mut name).cast();
    header.msg_namelen = libc::socklen_t::try_from(size_of::<libc::sockaddr_storage>()).unwrap_or(0);
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of_val(&control);
    // SAFETY: the descriptor is open; every pointer in `header` is to a live local of the length given next to it.
    let got = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT) };
    if got < 0 {
        return None;
    }
    let to = Some(&header).filter(|header| is_unreachable(header)).and_then(|_| pktinfo::address(&name));
    Some(to.map(|to| (to, pktinfo::destination(&header))))
}

fn is_unreachable(header: &libc::msghdr) -> bool {
    // SAFETY: the kernel has filled `msg_control` and set its length; the macros walk within it.
    let mut message = unsafe { libc::CMSG_FIRSTHDR(header) };
    while !message.is_null() {
        // SAFETY: CMSG_FIRSTHDR and CMSG_NXTHDR give null or a header within the buffer.
        let head = unsafe { message.read_unaligned() };
        let of_errors = (head.cmsg_level == libc::IPPROTO_IP && head.cmsg_type == libc::IP_RECVERR)
            || (head.cmsg_level == libc::IPPROTO_IPV6 && head.cmsg_type == libc::IPV6_RECVERR);
        if of_errors {
            // SAFETY: a message of this type carries a `sock_extended_err`.
            let error: libc::sock_extended_err =
                unsafe { libc::CMSG_DATA(message).cast::<libc::sock_extended_err>().read_unaligned() };
            let code = i32::try_from(error.ee_errno).unwrap_or(0);
            return ORIGINS.contains(&error.ee_origin)
                && matches!(code, libc::ECONNREFUSED | libc::EHOSTUNREACH | libc::ENETUNREACH | libc::EACCES);
        }
        // SAFETY: as above.
        message = unsafe { libc::CMSG_NXTHDR(header, message) };
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::os::fd::AsFd as _;

    #[test]
    fn a_closed_port_is_told_with_its_address() {
        let closed = UdpSocket::bind("127.0.0.1:0").unwrap();
        let nobody = closed.local_addr().unwrap();
        drop(closed);
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        keep_errors(socket.as_fd(), false).unwrap();
        assert_eq!(next_error(socket.as_fd()), None);
        socket.send_to(b"x", nobody).unwrap();
        assert_eq!(next_error(socket.as_fd()), Some(Some((nobody, None))));
        assert_eq!(next_error(socket.as_fd()), None);
    }
}
