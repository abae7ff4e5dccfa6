//! Receives and sends on many sockets, with io_uring or, if the kernel does not support it, with epoll.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::ops::Range;
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::time::Duration;

use crate::media::datagram::Datagram;

use super::kernel::{Poll, Ring, Wake};
use super::ports::Ports;

/// A packet to be forwarded: socket, address, and range of the buffer.
pub(super) type Post = (u32, SocketAddr, Range<usize>);

/// The kernel functions that a media thread needs. Sockets are identified by their number in `Ports`.
pub(super) trait Engine {
    fn listen(&mut self, socket: u32);
    fn deaf(&mut self, socket: u32);
    /// Sends a packet no later than the next `turn`.
    fn send(&mut self, socket: u32, to: SocketAddr, packet: &[u8]);
    /// Waits for packets and passes each to `take` with the number of its socket. Returns true if the thread was woken.
    fn turn(&mut self, timeout: Duration, take: &mut impl FnMut(u32, Datagram<'_>) -> Option<Post>) -> bool;
    /// Number of packets that could not be sent since the last call.
    fn take_send_errors(&mut self) -> u64;
}

/// epoll, recvfrom and sendto. recvmmsg would not help, because each socket of a leg has one packet at a time.
pub(super) struct EpollEngine {
    poll: Poll,
    ports: Arc<Ports>,
    wake: Wake,
    ready: Vec<u64>,
    send_errors: u64,
}

const WAKE_KEY: u64 = u64::MAX;

impl EpollEngine {
    pub(super) fn new(ports: Arc<Ports>, wake: Wake) -> io::Result<Self> {
        let poll = Poll::new()?;
        poll.add(wake.fd(), WAKE_KEY)?;
        Ok(Self { poll, ports, wake, ready: Vec::with_capacity(256), send_errors: 0 })
    }
}

impl Engine for EpollEngine {
    fn listen(&mut self, socket: u32) {
        if let Some(found) = self.ports.socket(socket)
            && self.poll.add(found.as_raw_fd(), u64::from(socket)).is_err()
        {
            self.send_errors += 1;
        }
    }

    fn deaf(&mut self, socket: u32) {
        // A socket that is not watched receives nothing in any case.
        drop(self.ports.socket(socket).map(|found| self.poll.remove(found.as_raw_fd())));
    }

    fn send(&mut self, socket: u32, to: SocketAddr, packet: &[u8]) {
        let sent = self.ports.socket(socket).is_some_and(|found| found.send_to(packet, to).is_ok());
        self.send_errors += u64::from(!sent);
    }

    fn turn(&mut self, timeout: Duration, take: &mut impl FnMut(u32, Datagram<'_>) -> Option<Post>) -> bool {
        let Self { poll, ports, wake, ready, send_errors } = self;
        ready.clear();
        ready.extend(poll.wait(timeout));
        let mut woken = false;
        let mut buffer = [0; 2_048];
        for key in ready.iter().copied() {
            let Ok(number) = u32::try_from(key) else {
                wake.clear();
                woken = true;
                continue;
            };
            // The error is an ICMP error of an earlier outgoing packet; the socket still works.
            let Some(Ok((length, from))) = ports.socket(number).map(|socket| socket.recv_from(&mut buffer)) else {
                continue;
            };
            if let Some((out, to, place)) = take(number, Datagram { from, room: &mut buffer, length })
                && let (Some(socket), Some(bytes)) = (ports.socket(out), buffer.get(place))
                && socket.send_to(bytes, to).is_err()
            {
                *send_errors += 1;
            }
        }
        woken
    }

    fn take_send_errors(&mut self) -> u64 {
        std::mem::take(&mut self.send_errors)
    }
}

/// io_uring: one multishot receive per socket, and one system call per turn.
pub(super) struct RingEngine {
    ring: Ring,
    wake: Wake,
}

impl RingEngine {
    /// Must be called on the thread that will use it.
    pub(super) fn new(ports: &Ports, wake: Wake) -> io::Result<Self> {
        Ok(Self { ring: Ring::new(&ports.descriptors(), wake.fd())?, wake })
    }

    /// Tests all required functions of the running kernel: receives a packet, and forwards it from the same buffer.
    pub(super) fn probe() -> io::Result<()> {
        let bind = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0));
        let (outer, inner) = (bind()?, bind()?);
        outer.set_read_timeout(Some(Duration::from_millis(500)))?;
        let (to_outer, to_inner) = (outer.local_addr()?, inner.local_addr()?);
        let wake = Wake::new()?;
        let mut ring = Ring::new(&[inner.as_raw_fd()], wake.fd())?;
        ring.listen(0);
        ring.turn(Duration::from_millis(1), &mut |_, _| None);
        outer.send_to(b"probe", to_inner)?;
        let mut returned = false;
        for _ in 0..20 {
            ring.turn(Duration::from_millis(10), &mut |socket, Datagram { from, room, length }| {
                let packet = room.get(..length).unwrap_or_default();
                returned = from == to_outer && packet == b"probe";
                returned.then_some((socket, from, 0..3))
            });
            if returned {
                ring.turn(Duration::from_millis(1), &mut |_, _| None);
                let mut answer = [0; 8];
                let (length, _) = outer.recv_from(&mut answer)?;
                let right = answer.get(..length) == Some(b"pro".as_slice());
                return if right { Ok(()) } else { Err(io::ErrorKind::Unsupported.into()) };
            }
        }
        Err(io::ErrorKind::TimedOut.into())
    }
}

impl Engine for RingEngine {
    fn listen(&mut self, socket: u32) {
        self.ring.listen(socket);
    }

    fn deaf(&mut self, socket: u32) {
        self.ring.deaf(socket);
    }

    fn send(&mut self, socket: u32, to: SocketAddr, packet: &[u8]) {
        self.ring.send(socket, to, packet);
    }

    fn turn(&mut self, timeout: Duration, take: &mut impl FnMut(u32, Datagram<'_>) -> Option<Post>) -> bool {
        let woken = self.ring.turn(timeout, take);
        if woken {
            self.wake.clear();
        }
        woken
    }

    fn take_send_errors(&mut self) -> u64 {
        std::mem::take(&mut self.ring.send_errors)
    }
}
