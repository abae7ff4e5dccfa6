//! The destination address of each received datagram, and the source address of each sent one, on sockets that listen on every address
//! of the machine (ip(7), IP_PKTINFO; RFC 3542 §6.1).
#![expect(unsafe_code, reason = "control messages exist in recvmsg(2) and sendmsg(2) only, which std does not offer")]

use std::io;
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsRawFd as _, BorrowedFd};

use socket2::{SockAddr, SockAddrStorage};

/// Room for the control messages of one datagram, with the alignment that the kernel requires.
const CONTROL_WORDS: usize = 16;

/// Makes the kernel report the destination address of each datagram.
pub(super) fn report_destination(socket: BorrowedFd<'_>, v6: bool) -> io::Result<()> {
    let (level, option) =
        if v6 { (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO) } else { (libc::IPPROTO_IP, libc::IP_PKTINFO) };
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

/// Receives one datagram: its length, its source, and its destination, which is one of our addresses.
pub(super) fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr, Option<IpAddr>)> {
    // SAFETY: both are plain C structures for which all zero bytes are valid.
    let (mut name, mut header): (libc::sockaddr_storage, libc::msghdr) = unsafe { (zeroed(), zeroed()) };
    let mut control = [0_u64; CONTROL_WORDS];
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    header.msg_name = (&raw mut name).cast();
    header.msg_namelen = length_of::<libc::sockaddr_storage>();
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of_val(&control);
    // SAFETY: the descriptor is open; every pointer in `header` is to live memory of the length given next to it.
    let got = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, libc::MSG_DONTWAIT) };
    let length = usize::try_from(got).map_err(|_| io::Error::last_os_error())?;
    let from = address(&name).ok_or(io::ErrorKind::InvalidData)?;
    Ok((length, from, destination(&header)))
}

/// Sends one datagram from one of our addresses.
pub(super) fn send(socket: BorrowedFd<'_>, bytes: &[u8], to: SocketAddr, from: IpAddr) -> io::Result<()> {
    let (name, length) = storage(to);
    let mut control = [0_u64; CONTROL_WORDS];
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: a plain C structure for which all zero bytes are valid.
    let mut header: libc::msghdr = unsafe { zeroed() };
    header.msg_name = (&raw const name).cast_mut().cast();
    header.msg_namelen = length;
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of_val(&control);
    match from {
        IpAddr::V4(from) => {
            let address = libc::in_addr { s_addr: from.to_bits().to_be() };
            let none = libc::in_addr { s_addr: 0 };
            let info = libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: address, ipi_addr: none };
            put(&mut header, libc::IPPROTO_IP, libc::IP_PKTINFO, info);
        }
        IpAddr::V6(from) => {
            let address = libc::in6_addr { s6_addr: from.octets() };
            let info = libc::in6_pktinfo { ipi6_addr: address, ipi6_ifindex: 0 };
            put(&mut header, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
        }
    }
    // SAFETY: as in `receive`; the kernel only reads what `header` points to.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const header, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Our address in the control messages that the kernel has filled in.
pub(super) fn destination(header: &libc::msghdr) -> Option<IpAddr> {
    // SAFETY: the kernel has filled `msg_control` and set its length; the macros walk within it.
    let mut message = unsafe { libc::CMSG_FIRSTHDR(header) };
    while !message.is_null() {
        // SAFETY: CMSG_FIRSTHDR and CMSG_NXTHDR give null or a header within the buffer.
        let head = unsafe { message.read_unaligned() };
        // SAFETY: as above.
        let data = unsafe { libc::CMSG_DATA(message) };
        match (head.cmsg_level, head.cmsg_type) {
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                // SAFETY: a message of this type carries an `in_pktinfo`.
                let info = unsafe { data.cast::<libc::in_pktinfo>().read_unaligned() };
                // For an error only the second field is filled in.
                let fields = [info.ipi_spec_dst.s_addr, info.ipi_addr.s_addr];
                let told = fields.into_iter().find(|address| *address != 0)?;
                return Some(Ipv4Addr::from_bits(u32::from_be(told)).into());
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                // SAFETY: a message of this type carries an `in6_pktinfo`.
                let info = unsafe { data.cast::<libc::in6_pktinfo>().read_unaligned() };
                return Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into());
            }
            _ => {}
        }
        // SAFETY: as above.
        message = unsafe { libc::CMSG_NXTHDR(header, message) };
    }
    None
}

/// Makes `value` the only control message. `header` has room for it.
fn put<T>(header: &mut libc::msghdr, level: libc::c_int, kind: libc::c_int, value: T) {
    let size = libc::c_uint::try_from(size_of::<T>()).unwrap_or(0);
    // SAFETY: pure arithmetic on the size.
    let (space, length) = unsafe { (libc::CMSG_SPACE(size), libc::CMSG_LEN(size)) };
    header.msg_controllen = usize::try_from(space).unwrap_or(0).min(header.msg_controllen);
    // SAFETY: `msg_control` has room for more than `space` bytes and is aligned for a header (CONTROL_WORDS).
    unsafe {
        let message = libc::CMSG_FIRSTHDR(header);
        if let Some(head) = message.as_mut() {
            head.cmsg_level = level;
            head.cmsg_type = kind;
            head.cmsg_len = usize::try_from(length).unwrap_or(0);
            libc::CMSG_DATA(message).cast::<T>().write_unaligned(value);
        }
    }
}

fn storage(address: SocketAddr) -> (SockAddrStorage, libc::socklen_t) {
    let address = SockAddr::from(address);
    let length = address.len();
    (address.as_storage(), length)
}

fn length_of<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>()).unwrap_or(0)
}

/// The address in a `sockaddr_storage`.
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
    fn an_answer_leaves_from_the_address_that_was_asked() {
        for (any, asked, peer) in [
            ("0.0.0.0:0", "127.0.0.77", "127.0.0.1:0"),
            ("0.0.0.0:0", "127.0.0.1", "127.0.0.9:0"),
            ("[::]:0", "::1", "[::1]:0"),
        ] {
            let Ok(socket) = UdpSocket::bind(any) else { continue };
            report_destination(socket.as_fd(), any.starts_with('[')).unwrap();
            let Ok(peer) = UdpSocket::bind(peer) else { continue };
            let at = SocketAddr::new(asked.parse().unwrap(), socket.local_addr().unwrap().port());
            peer.send_to(b"who", at).unwrap();
            let mut buffer = [0; 100];
            let (length, from, to) = receive(socket.as_fd(), &mut buffer).unwrap();
            assert_eq!((&buffer[..length], from, to), (&b"who"[..], peer.local_addr().unwrap(), Some(at.ip())));
            send(socket.as_fd(), b"I", from, at.ip()).unwrap();
            let (length, from) = peer.recv_from(&mut buffer).unwrap();
            assert_eq!((&buffer[..length], from), (&b"I"[..], at), "a connected socket drops everything else");
        }
    }

    #[test]
    fn an_address_that_is_not_ours_is_an_error() {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        let to = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(send(socket.as_fd(), b"x", to, "203.0.113.7".parse().unwrap()).is_err());
    }

    #[test]
    fn nothing_there_is_no_datagram() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        assert_eq!(receive(socket.as_fd(), &mut [0; 10]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}
