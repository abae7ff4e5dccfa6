//! The RTP and RTCP sockets. They are bound once at the start, so that no call waits for a port. A socket that no leg uses has the
//! smallest buffer that the kernel allows, so that unsolicited packets do not fill its memory.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::os::fd::{AsRawFd as _, RawFd};
use std::time::Duration;

use socket2::SockRef;
use tracing::warn;

use super::kernel;

/// Number of files that the rest of the service may open.
const FILES_FOR_OTHERS: u64 = 1_024;
/// Maximum datagrams in one socket buffer, for draining.
const STALE_MAX: usize = 4_096;

/// The kernel raises this to its minimum: 2,304 bytes, which is two packets. A filter that drops everything would cost more memory for
/// each socket than those two packets. A socket that is connected to another address would answer with ICMP errors, from which a scanner
/// learns the ports in use.
const IDLE_BUFFER_BYTES: usize = 1;

/// Interval of retries at the start for ports that are in use.
const RETRY: Duration = Duration::from_millis(20);
const RETRIES_MAX: u32 = 500;

/// The address whose ports are bound. Peers send to the advertised address and expect RTP from it (RFC 4961 §3). For a wildcard it is
/// therefore the advertised address, unless that is not this machine's own (NAT).
fn own_address(listen: IpAddr, advertised: IpAddr) -> IpAddr {
    let is_ours = || UdpSocket::bind(SocketAddr::new(advertised, 0)).is_ok();
    let wildcard = listen.is_unspecified() && listen.is_ipv4() == advertised.is_ipv4();
    if wildcard && is_ours() { advertised } else { listen }
}

/// `own_address` for one address of each family.
pub fn own_addresses(listen: &[IpAddr], advertised: &[IpAddr]) -> Vec<IpAddr> {
    listen.iter().zip(advertised).map(|(listen, advertised)| own_address(*listen, *advertised)).collect()
}

/// One leg's sockets.
#[derive(Debug)]
struct Pair {
    address: SocketAddr,
    rtp: UdpSocket,
    rtcp: UdpSocket,
    /// Buffer size of each socket while a leg uses it.
    buffer_bytes: usize,
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
        // Ordered by port, so that every address gets the same number if there is a limit.
        let even = range.clone().filter(|port| port.is_multiple_of(2) && *port < *range.end());
        let pairs_of = |port| addresses.iter().map(move |address| SocketAddr::new(*address, port));
        let wanted: Vec<SocketAddr> = even.flat_map(pairs_of).collect();
        let mut open: Vec<SocketAddr> = wanted.iter().copied().take(files / 2).collect();
        if open.len() < wanted.len() {
            warn!(limit, ports = open.len(), wanted = wanted.len(), "the limit of open files cuts the RTP ports");
        }
        let mut pairs = Vec::new();
        let mut fault = bind_all(&mut open, &mut pairs);
        // If most of the range is in use, the kernel still closes the sockets of a service that was killed.
        for _ in 0..RETRIES_MAX {
            if open.len() * 8 < wanted.len() || fault.as_ref().is_none_or(|(_, e)| e.kind() != io::ErrorKind::AddrInUse)
            {
                break;
            }
            // A sleep is acceptable before the service starts; the kernel gives no notification.
            std::thread::sleep(RETRY);
            fault = bind_all(&mut open, &mut pairs);
        }
        pairs.sort_by_key(|pair: &Pair| (pair.address.port(), pair.address.ip()));
        if let Some((port, error)) = fault {
            warn!(failed = open.len(), last = %port, %error, "RTP ports could not be bound");
        }
        Self { failed: wanted.len() - pairs.len(), pairs }
    }

    /// Number of pairs.
    pub(super) fn len(&self) -> usize {
        self.pairs.len()
    }

    /// The RTP ports by slot.
    pub(super) fn rtp_ports(&self) -> Vec<SocketAddr> {
        self.pairs.iter().map(|pair| pair.address).collect()
    }

    /// A socket by its number.
    pub(super) fn socket(&self, number: u32) -> Option<&UdpSocket> {
        let pair = self.pair(number)?;
        Some(if number.is_multiple_of(2) { &pair.rtp } else { &pair.rtcp })
    }

    /// All descriptors by number.
    pub(super) fn descriptors(&self) -> Vec<RawFd> {
        self.pairs.iter().flat_map(|pair| [pair.rtp.as_raw_fd(), pair.rtcp.as_raw_fd()]).collect()
    }

    /// Prepares a socket for a leg: discards old datagrams and enlarges the buffer.
    pub(super) fn open(&self, number: u32) {
        self.drain(number);
        let bytes = self.pair(number).map_or(0, |pair| pair.buffer_bytes);
        self.set_buffer(number, bytes);
    }

    /// Reduces the buffer of a socket that no leg uses any more, so that unsolicited packets find no room.
    pub(super) fn close(&self, number: u32) {
        self.set_buffer(number, IDLE_BUFFER_BYTES);
        self.drain(number);
    }

    fn pair(&self, number: u32) -> Option<&Pair> {
        self.pairs.get(usize::try_from(number / 2).ok()?)
    }

    fn drain(&self, number: u32) {
        let Some(socket) = self.socket(number) else { return };
        let mut rest = STALE_MAX;
        while rest > 0 && socket.recv(&mut [0; 16]).is_ok() {
            rest -= 1;
        }
    }

    fn set_buffer(&self, number: u32, bytes: usize) {
        let Some(socket) = self.socket(number) else { return };
        if let Err(error) = SockRef::from(socket).set_recv_buffer_size(bytes) {
            warn!(number, bytes, %error, "the buffer of an RTP socket cannot be set");
        }
    }
}

/// Binds the ports in `open`, and leaves those that fail. Returns the last error.
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
    let (rtp, rtcp) = (bind(address.port())?, bind(address.port() + 1)?);
    // The kernel reports twice the requested size.
    let buffer_bytes = SockRef::from(&rtp).recv_buffer_size()? / 2;
    for socket in [&rtp, &rtcp] {
        SockRef::from(socket).set_recv_buffer_size(IDLE_BUFFER_BYTES)?;
    }
    Ok(Pair { address, rtp, rtcp, buffer_bytes })
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::{Ports, own_address};

    /// Packets that wait at a socket.
    fn waiting(ports: &Ports, number: u32) -> usize {
        let socket = ports.socket(number).unwrap();
        std::iter::from_fn(|| socket.recv(&mut [0; 16]).ok()).count()
    }

    #[test]
    fn strangers_packets_fill_no_memory_of_a_port_that_no_leg_uses() {
        let ports = Ports::bind(&["127.0.0.78".parse().unwrap()], &(21_000..=21_001));
        let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
        let flood = || {
            for channel in [21_000, 21_001] {
                for _ in 0..100 {
                    stranger.send_to(&[0; 172], ("127.0.0.78", channel)).unwrap();
                }
            }
        };
        flood();
        assert!(waiting(&ports, 0) <= 4 && waiting(&ports, 1) <= 4, "before the first leg");
        flood();
        for number in [0, 1] {
            ports.open(number);
            assert_eq!(waiting(&ports, number), 0, "nothing from before");
        }
        flood();
        assert_eq!((waiting(&ports, 0), waiting(&ports, 1)), (100, 100), "a leg has its whole buffer");
        flood();
        for number in [0, 1] {
            ports.close(number);
            assert_eq!(waiting(&ports, number), 0, "what the leg has not read is gone");
        }
        flood();
        assert!(waiting(&ports, 0) <= 4 && waiting(&ports, 1) <= 4, "after it");
    }

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
