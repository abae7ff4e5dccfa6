//! The UDP sockets of the SIP listeners. Each has a second socket at the same address, to which the kernel delivers the datagrams of
//! trunks (`by_source`). Datagrams of other peers thus fill only a separate buffer, and those of trunks are received first.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd as _;

use anyhow::Context as _;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use crate::sip::flow::Flow;
use crate::switchboard::{Network, Trunk};

use super::datagrams::asked;
use super::{by_source, icmp, pktinfo};

/// Size of the kernel's buffer of each SIP socket, for bursts of some thousand messages.
const SOCKET_BYTES: usize = 4 << 20;

/// Binds one SIP socket with a large buffer. Must be called within the loop's runtime.
pub fn bind(local: SocketAddr) -> anyhow::Result<UdpSocket> {
    Ok(UdpSocket::from_std(bind_plain(local)?)?)
}

/// Binds one SIP socket that can be passed to another runtime.
pub(super) fn bind_plain(local: SocketAddr) -> anyhow::Result<std::net::UdpSocket> {
    let socket = unbound(local)?;
    socket.bind(&local.into()).with_context(|| format!("udp:{local} cannot be listened on"))?;
    Ok(socket.into())
}

fn unbound(local: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(local), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    // The kernel may grant less, which shortens the bursts that fit.
    socket.set_recv_buffer_size(SOCKET_BYTES)?;
    socket.set_send_buffer_size(SOCKET_BYTES)?;
    if local.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    icmp::keep_errors(socket.as_fd(), local.is_ipv6())?;
    if local.ip().is_unspecified() {
        pktinfo::report_destination(socket.as_fd(), local.is_ipv6())?;
    }
    Ok(socket)
}

/// All SIP sockets.
#[derive(Debug)]
pub(super) struct SipSockets {
    all: Vec<(SocketAddr, UdpSocket)>,
    /// The index of the second socket, for trunks, by the index of a listener's socket.
    of_trunks: BTreeMap<usize, usize>,
    /// None before the first `set_trunks`: each listener has one socket.
    peers: Option<Vec<Network>>,
}

impl SipSockets {
    pub(super) fn new(sockets: Vec<UdpSocket>) -> io::Result<Self> {
        let all = sockets.into_iter().map(|socket| Ok((socket.local_addr()?, socket)));
        Ok(Self { all: all.collect::<io::Result<_>>()?, of_trunks: BTreeMap::new(), peers: None })
    }

    /// Adds the socket of a listener.
    pub(super) fn add(&mut self, socket: std::net::UdpSocket) -> io::Result<()> {
        let local = socket.local_addr()?;
        self.all.push((local, UdpSocket::from_std(socket)?));
        self.separate(self.all.len() - 1);
        Ok(())
    }

    /// Sets the trunks whose datagrams are received first. Must be called within the loop's runtime.
    pub(super) fn set_trunks(&mut self, trunks: &[Trunk]) {
        self.set_peers(trunks.iter().flat_map(|trunk| &trunk.peers).cloned().collect());
    }

    fn set_peers(&mut self, peers: Vec<Network>) {
        self.peers = Some(peers);
        for index in 0..self.all.len() {
            if !self.of_trunks.values().any(|second| *second == index) {
                self.separate(index);
            }
        }
    }

    pub(super) fn all(&self) -> &[(SocketAddr, UdpSocket)] {
        &self.all
    }

    pub(super) fn get(&self, index: usize) -> Option<&(SocketAddr, UdpSocket)> {
        self.all.get(index)
    }

    /// The socket for a local address: the one with that address, else a wildcard with its port, else the first of its family.
    pub(super) fn at(&self, local: SocketAddr) -> Option<&(SocketAddr, UdpSocket)> {
        let near = |(mine, _): &&(SocketAddr, UdpSocket)| {
            let same_family = mine.is_ipv4() == local.is_ipv4();
            (*mine == local, same_family && mine.ip().is_unspecified() && mine.port() == local.port(), same_family)
        };
        self.all.iter().rev().max_by_key(near)
    }

    /// Receives one waiting datagram of a trunk from the second socket of `beside`. Queries the kernel directly, because the runtime
    /// detects a datagram only when the loop waits.
    pub(super) fn receive_of_trunk(&self, beside: usize, buffer: &mut [u8]) -> Option<(usize, Flow)> {
        let (local, socket) = self.of_trunks.get(&beside).and_then(|index| self.all.get(*index))?;
        let (length, remote, to) = pktinfo::receive(socket.as_fd(), buffer).ok()?;
        Some((length, Flow::udp(asked(*local, to), remote)))
    }

    /// Opens the second socket of a listener, and installs the kernel's filter. If that fails, one socket receives everything.
    fn separate(&mut self, index: usize) {
        let (Some(peers), Some((local, socket))) = (&self.peers, self.all.get(index)) else { return };
        let local = *local;
        let second = if self.of_trunks.contains_key(&index) { Ok(None) } else { second(local, socket).map(Some) };
        let done = second.and_then(|second| {
            if let Some(second) = second {
                self.of_trunks.insert(index, self.all.len());
                self.all.push((local, second));
            }
            let first = self.all.get(index).ok_or(io::ErrorKind::NotFound)?;
            by_source::sort(first.1.as_fd(), local.is_ipv6(), peers)
        });
        if let Err(error) = done {
            tracing::warn!(%local, %error, "trunks' datagrams have no buffer of their own: floods of strangers can delay calls");
        }
    }
}

/// A second socket at an address. The first was bound without `SO_REUSEPORT`, so no other process can have the address.
fn second(local: SocketAddr, first: &UdpSocket) -> io::Result<UdpSocket> {
    pktinfo::switch_on(first.as_fd(), libc::SOL_SOCKET, libc::SO_REUSEPORT)?;
    let socket = unbound(local)?;
    pktinfo::switch_on(socket.as_fd(), libc::SOL_SOCKET, libc::SO_REUSEPORT)?;
    socket.bind(&local.into())?;
    UdpSocket::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn networks(peers: &[&str]) -> Vec<Network> {
        peers.iter().map(|peer| Network::parse(peer).unwrap()).collect()
    }

    fn opened(at: &str, peers: &[&str]) -> (SipSockets, SocketAddr) {
        let mut sockets = SipSockets::new(vec![bind(at.parse().unwrap()).unwrap()]).unwrap();
        sockets.set_peers(networks(peers));
        let local = sockets.all()[0].0;
        (sockets, local)
    }

    fn sends(from: &str, to: SocketAddr) {
        let socket = std::net::UdpSocket::bind(from).unwrap();
        socket.send_to(from.as_bytes(), to).unwrap();
    }

    /// What waits for trunks; what waits at the listener's own socket.
    async fn waiting(sockets: &SipSockets) -> (Vec<String>, Vec<String>) {
        let (mut of_trunks, mut others, mut buffer) = (Vec::new(), Vec::new(), [0; 100]);
        while let Some((length, _)) = sockets.receive_of_trunk(0, &mut buffer) {
            of_trunks.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        }
        let patience = Duration::from_millis(200);
        while let Ok(Ok(length)) = tokio::time::timeout(patience, sockets.all()[0].1.recv(&mut buffer)).await {
            others.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        }
        (of_trunks, others)
    }

    #[tokio::test]
    async fn the_kernel_sorts_by_source_and_follows_new_settings() {
        let (mut sockets, at) = opened("127.0.0.81:0", &["203.0.113.0/24", "127.0.2.0/23", "2001:db8::/32"]);
        let all = ["127.0.1.255:0", "127.0.2.0:0", "127.0.3.255:0", "127.0.4.0:0"];
        for from in all {
            sends(from, at);
        }
        assert_eq!(waiting(&sockets).await, (vec![all[1].into(), all[2].into()], vec![all[0].into(), all[3].into()]));
        sockets.set_peers(networks(&["127.0.4.0"]));
        for from in all {
            sends(from, at);
        }
        let others = vec![all[0].into(), all[1].into(), all[2].into()];
        assert_eq!(waiting(&sockets).await, (vec![all[3].into()], others));
        assert_eq!(sockets.all().len(), 2, "new settings open no further socket");
        sockets.set_peers(networks(&["0.0.0.0/0"]));
        sends(all[0], at);
        assert_eq!(waiting(&sockets).await, (vec![all[0].into()], vec![]));
    }

    #[tokio::test]
    async fn the_kernel_sorts_on_every_address_and_over_ipv6() {
        let (sockets, at) = opened("0.0.0.0:0", &["127.0.0.2"]);
        sends("127.0.0.2:0", SocketAddr::new("127.0.0.83".parse().unwrap(), at.port()));
        let mut buffer = [0; 100];
        let (_, flow) = sockets.receive_of_trunk(0, &mut buffer).unwrap();
        assert_eq!(flow.local.ip().to_string(), "127.0.0.83", "the address that was asked");
        if std::net::UdpSocket::bind("[::1]:0").is_err() {
            return;
        }
        for (peer, is_trunk) in [("::1", true), ("::/64", true), ("::2", false), ("2001:db8::/32", false)] {
            let (sockets, at) = opened("[::]:0", &[peer]);
            sends("[::1]:0", SocketAddr::new("::1".parse().unwrap(), at.port()));
            let (of_trunks, others) = waiting(&sockets).await;
            assert_eq!((of_trunks.len(), others.len()), if is_trunk { (1, 0) } else { (0, 1) }, "{peer}");
        }
    }

    #[tokio::test]
    async fn a_flood_of_strangers_does_not_take_the_room_of_trunks() {
        let (sockets, at) = opened("127.0.0.82:0", &["127.0.0.2"]);
        let stranger = std::net::UdpSocket::bind("127.0.0.9:0").unwrap();
        // More than the buffer holds.
        for _ in 0..40_000 {
            stranger.send_to(&[b'x'; 700], at).unwrap();
        }
        sends("127.0.0.2:0", at);
        assert!(sockets.receive_of_trunk(0, &mut [0; 100]).is_some());
    }

    #[tokio::test]
    async fn no_other_process_can_take_a_part_of_the_datagrams() {
        let (_sockets, at) = opened("127.0.0.84:0", &["127.0.0.2"]);
        assert!(bind_plain(at).is_err());
    }
}
