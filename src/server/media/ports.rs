//! The RTP and RTCP sockets. They are bound once at the start, so that no call waits for a port. A socket that no leg uses has the
//! smallest buffer that the kernel allows, so that unsolicited packets do not fill its memory.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::os::fd::{AsRawFd as _, RawFd};
use std::thread;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};
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
/// Maximum number of threads that bind ports at the start, and the number of ports for which one more thread is
/// started.
const BINDERS_MAX: usize = 4;
const PORTS_OF_A_BINDER_MIN: usize = 256;

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
            thread::sleep(RETRY);
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

    /// Reduces the buffer of a socket that no leg uses any more, so that unsolicited packets do not fill memory.
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

/// The result of an attempt to bind ports.
#[derive(Default)]
struct Attempt {
    bound: Vec<Pair>,
    failed: Vec<SocketAddr>,
    /// The last error.
    fault: Option<(SocketAddr, io::Error)>,
}

impl Attempt {
    fn of(ports: &[SocketAddr]) -> Self {
        let mut attempt = Self::default();
        for port in ports {
            match pair(*port) {
                Ok(bound) => attempt.bound.push(bound),
                Err(error) => {
                    attempt.failed.push(*port);
                    attempt.fault = Some((*port, error));
                }
            }
        }
        attempt
    }
}

/// Binds the ports in `open`, and leaves those that fail. Returns the last error. Several threads share the work, because the service does
/// not respond before it is done.
fn bind_all(open: &mut Vec<SocketAddr>, pairs: &mut Vec<Pair>) -> Option<(SocketAddr, io::Error)> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(BINDERS_MAX);
    let parts = open.chunks(open.len().div_ceil(threads).max(PORTS_OF_A_BINDER_MIN));
    let attempts: Vec<Attempt> = thread::scope(|scope| {
        let binder = |ports| thread::Builder::new().spawn_scoped(scope, move || Attempt::of(ports)).ok();
        let binders: Vec<_> = parts.map(|ports| (ports, binder(ports))).collect();
        // If a thread cannot be created, or panics, its ports are bound here.
        let joined =
            |binder: Option<thread::ScopedJoinHandle<'_, Attempt>>| binder.and_then(|binder| binder.join().ok());
        binders.into_iter().map(|(ports, binder)| joined(binder).unwrap_or_else(|| Attempt::of(ports))).collect()
    });
    open.clear();
    let mut fault = None;
    for attempt in attempts {
        pairs.extend(attempt.bound);
        open.extend(attempt.failed);
        fault = attempt.fault.or(fault);
    }
    fault
}

fn pair(address: SocketAddr) -> io::Result<Pair> {
    let bind = |port| {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM.nonblocking().cloexec(), None)?;
        socket.bind(&SocketAddr::new(address.ip(), port).into())?;
        Ok::<_, io::Error>(UdpSocket::from(socket))
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
