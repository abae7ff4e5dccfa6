//! Reads ICMP errors about undeliverable datagrams from the error queue of a UDP socket (ip(7), IP_RECVERR).
#![expect(unsafe_code, reason = "the error queue can be read with recvmsg(2) only, which std does not offer")]

use std::io;
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsRawFd as _, BorrowedFd};

/// ICMP origins of `sock_extended_err`.
const ORIGINS: [u8; 2] = [libc::SO_EE_ORIGIN_ICMP, libc::SO_EE_ORIGIN_ICMP6];

/// Makes the kernel keep ICMP errors of this socket.
pub(super) fn keep_errors(socket: BorrowedFd<'_>, v6: bool) -> io::Result<()> {
    let (level, option) =
        if v6 { (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) } else { (libc::IPPROTO_IP, libc::IP_RECVERR) };
    switch_on(socket, level, option)
}

/// Sets a socket option to 1.
pub(super) fn switch_on(socket: BorrowedFd<'_>, level: libc::c_int, option: libc::c_int) -> io::Result<()> {
    let on: libc::c_int = 1;
    let length = libc::socklen_t::try_from(size_of::<libc::c_int>()).unwrap_or(0);
    // SAFETY: the descriptor is open for the duration of the call, and `on` is `length` readable bytes.
    let done = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const on).cast(), length) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
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
    let to = Some(&header).filter(|header| is_unreachable(header)).and_then(|_| address(&name));
    Some(to.map(|to| (to, super::pktinfo::destination(&header))))
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

pub(super) fn address(name: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match i32::from(name.ss_family) {
        libc::AF_INET => {
            // SAFETY: according to the family, the storage holds a `sockaddr_in`, which is smaller.
            let v4 = unsafe { (&raw const *name).cast::<libc::sockaddr_in>().read_unaligned() };
            let ip = Ipv4Addr::from_bits(u32::from_be(v4.sin_addr.s_addr));
            Some(SocketAddr::from((ip, u16::from_be(v4.sin_port))))
        }
        libc::AF_INET6 => {
            // SAFETY: according to the family, the storage holds a `sockaddr_in6`, which is smaller.
            let v6 = unsafe { (&raw const *name).cast::<libc::sockaddr_in6>().read_unaligned() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            Some(SocketAddrV6::new(ip, u16::from_be(v6.sin6_port), 0, v6.sin6_scope_id).into())
        }
        _ => None,
    }
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
