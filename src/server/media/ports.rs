//! The sockets: bound once at the start, so that no call waits for a port.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::os::fd::{AsRawFd as _, RawFd};
use std::time::Duration;

use tracing::warn;

use super::kernel;

/// Files that the rest of the service may open.
const FILES_FOR_OTHERS: u64 = 1_024;
/// Datagrams that one socket buffer can hold at most, for draining.
const STALE_MAX: usize = 4_096;

/// How long, and how often, a start waits for ports that are in use.
const RETRY: Duration = Duration::from_millis(20);
const RETRIES_MAX: u32 = 500;

/// The address whose ports are bound. Peers send to the advertised address and expect RTP from it (RFC 4961 §3). For a wildcard it is
/// therefore the advertised address, unless that is not this machine's own (NAT).
fn own_address(listen: IpAddr, advertised: IpAddr) -> IpAddr {
    let is_ours = || UdpSocket::bind(SocketAddr::new(advertised, 0)).is_ok();
    let wildcard = listen.is_unspecified() && listen.is_ipv4() == advertised.is_ipv4();
    if wildcard && is_ours() { advertised } else { listen }
}

/// The same for one address of each family.
pub fn own_addresses(listen: &[IpAddr], advertised: &[IpAddr]) -> Vec<IpAddr> {
    listen.iter().zip(advertised).map(|(listen, advertised)| own_address(*listen, *advertised)).collect()
}

/// One leg's sockets.
#[derive(Debug)]
struct Pair {
    address: SocketAddr,
    rtp: UdpSocket,
    rtcp: UdpSocket,
}

/// All sockets. A socket's number is twice its slot, plus one for RTCP.
#[derive(Debug)]
pub(super) struct Ports {
    pairs: Vec<Pair>,
    /// Pairs of the range that could not be bound.
    pub(super) failed: usize,
}

impl Ports {
    /// Binds every even and odd pair of the range on each address, as far as the limit of open files allows.
    pub(super) fn bind(addresses: &[IpAddr], range: &RangeInclusive<u16>) -> Self {
        let limit = kernel::raise_file_limit();
        let files = usize::try_from(limit.saturating_sub(FILES_FOR_OTHERS.min(limit / 4))).unwrap_or(usize::MAX);
        // Ordered by port, so that with a limit each address has the same number.
        let even = range.clone().filter(|port| port.is_multiple_of(2) && *port < *range.end());
        let pairs_of = |port| addresses.iter().map(move |address| SocketAddr::new(*address, port));
        let wanted: Vec<SocketAddr> = even.flat_map(pairs_of).collect();
        let mut open: Vec<SocketAddr> = wanted.iter().copied().take(files / 2).collect();
        if open.len() < wanted.len() {
            warn!(limit, ports = open.len(), wanted = wanted.len(), "the limit of open files cuts the RTP ports");
        }
        let mut pairs = Vec::new();
        let mut fault = bind_all(&mut open, &mut pairs);
        // Most of a range is in use only while the kernel still clears up after a service that was killed.
        for _ in 0..RETRIES_MAX {
            if open.len() * 8 < wanted.len() || fault.as_ref().is_none_or(|(_, e)| e.kind() != io::ErrorKind::AddrInUse)
            {
                break;
            }
            // At the start, before anything is served: the kernel tells nobody when it is done.
            std::thread::sleep(RETRY);
            fault = bind_all(&mut open, &mut pairs);
        }
        pairs.sort_by_key(|pair: &Pair| (pair.address.port(), pair.address.ip()));
        if let Some((port, error)) = fault {
            warn!(failed = open.len(), last = %port, %error, "RTP ports could not be bound");
        }
        Self { failed: wanted.len() - pairs.len(), pairs }
    }

    /// Pairs.
    pub(super) fn len(&self) -> usize {
        self.pairs.len()
    }

    /// The RTP ports by slot.
    pub(super) fn rtp_ports(&self) -> Vec<SocketAddr> {
        self.pairs.iter().map(|pair| pair.address).collect()
    }

    /// A socket by its number.
    pub(super) fn socket(&self, number: u32) -> Option<&UdpSocket> {
        let pair = self.pairs.get(usize::try_from(number / 2).ok()?)?;
        Some(if number.is_multiple_of(2) { &pair.rtp } else { &pair.rtcp })
    }

    /// All descriptors by number.
    pub(super) fn descriptors(&self) -> Vec<RawFd> {
        self.pairs.iter().flat_map(|pair| [pair.rtp.as_raw_fd(), pair.rtcp.as_raw_fd()]).collect()
    }

    /// Throws away what came while nobody listened.
    pub(super) fn drain(&self, number: u32) {
        let Some(socket) = self.socket(number) else { return };
        let mut rest = STALE_MAX;
        while rest > 0 && socket.recv(&mut [0; 16]).is_ok() {
            rest -= 1;
        }
    }
}

/// Binds the ports that are open; those that fail stay. Gives the last failure.
fn bind_all(open: &mut Vec<SocketAddr>, pairs: &mut Vec<Pair>) -> Option<(SocketAddr, io::Error)> {
    let mut fault = None;
    open.retain(|port| match pair(*port) {
        Ok(bound) => {
            pairs.push(bound);
            false
        }
        Err(error) => {
            fault = Some((*port, error));
            true
        }
    });
    fault
}

fn pair(address: SocketAddr) -> io::Result<Pair> {
    let bind = |port| {
        let socket = UdpSocket::bind(SocketAddr::new(address.ip(), port))?;
        socket.set_nonblocking(true)?;
        Ok::<_, io::Error>(socket)
    };
    Ok(Pair { address, rtp: bind(address.port())?, rtcp: bind(address.port() + 1)? })
}

#[cfg(test)]
mod tests {
    use super::own_address;

    #[test]
    fn a_wildcard_stands_for_the_advertised_address_where_that_is_ours() {
        for (listen, advertised, bound) in [
            ("0.0.0.0", "127.0.0.77", "127.0.0.77"),
            ("0.0.0.0", "203.0.113.9", "0.0.0.0"),
            ("127.0.0.1", "127.0.0.77", "127.0.0.1"),
            ("::", "127.0.0.77", "::"),
        ] {
            let [listen, advertised, bound] = [listen, advertised, bound].map(|text| text.parse().unwrap());
            assert_eq!(own_address(listen, advertised), bound, "{listen} advertised as {advertised}");
        }
    }
}
