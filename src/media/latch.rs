//! Symmetric latching: decides once where a peer's packets really come from, so that no third address can take over.

use std::net::SocketAddr;

/// Packets in a row of one source that an address unknown to the SDP must send before it is believed.
const PACKETS_TO_BELIEVE: u8 = 3;

/// So many packets of the address that a peer has left show that it stays there, where its SDP is of no use.
const PACKETS_TO_STAY: u8 = 50;

/// How an address came to be believed, weakest first. Only a stronger one replaces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Trust {
    /// Another address altogether: the peer is behind a NAT that its SDP does not know.
    Guessed,
    /// The SDP's address, another port.
    SameHost,
    /// The SDP's address and port.
    Told,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the peer's.
    Peer,
    /// Drop it.
    Foreign,
}

/// The address of one peer.
#[derive(Clone, Copy, Debug)]
pub struct Latch {
    told: SocketAddr,
    locked: Option<(Trust, SocketAddr)>,
    candidate: Option<Candidate>,
    left: Option<Left>,
}

/// Where the peer was before it moved. What comes from there is its own still, but does not tell where it is now.
#[derive(Clone, Copy, Debug)]
struct Left {
    trust: Trust,
    from: SocketAddr,
    packets: u8,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    from: SocketAddr,
    ssrc: u32,
    sequence: u16,
    packets: u8,
}

impl Latch {
    /// Starts open, with the address of the SDP.
    pub fn new(told: SocketAddr) -> Self {
        Self { told, locked: None, candidate: None, left: None }
    }

    /// The same peer at another address of the SDP. Its packets from the old one may be under way for a while, and must not lock.
    #[must_use]
    pub fn moved(&self, told: SocketAddr) -> Self {
        let left = self.locked.map(|(trust, from)| Left { trust, from, packets: 0 });
        Self { left: left.or(self.left), ..Self::new(told) }
    }

    /// Judges a valid packet of an agreed payload type.
    pub fn judge(&mut self, from: SocketAddr, ssrc: u32, sequence: u16) -> Verdict {
        if self.locked.is_none() && from != self.told && self.comes_from_before(from) {
            return Verdict::Peer;
        }
        let locked = match self.locked {
            Some((_, peer)) if peer == from => return Verdict::Peer,
            Some((trust, _)) => Some(trust),
            None => None,
        };
        let trust = if from == self.told {
            Trust::Told
        } else if from.ip() == self.told.ip() {
            Trust::SameHost
        } else {
            Trust::Guessed
        };
        if locked >= Some(trust) || (trust == Trust::Guessed && !self.believes(from, ssrc, sequence)) {
            return Verdict::Foreign;
        }
        self.locked = Some((trust, from));
        self.candidate = None;
        Verdict::Peer
    }

    /// Where to send: where the peer's packets come from, until then where the SDP says; after a move of a peer behind a NAT, whose SDP
    /// is of no use, where it was.
    pub fn target(&self) -> SocketAddr {
        let before = self.left.filter(|left| left.trust == Trust::Guessed).map(|left| left.from);
        self.locked.map(|(_, peer)| peer).or(before).unwrap_or(self.told)
    }

    /// The address that the SDP told.
    pub fn told(&self) -> SocketAddr {
        self.told
    }

    /// True for packets from where the peer was. Behind a NAT it may stay there, whatever its SDP says.
    fn comes_from_before(&mut self, from: SocketAddr) -> bool {
        let Some(left) = self.left.as_mut().filter(|left| left.from == from) else { return false };
        left.packets = left.packets.saturating_add(1);
        if left.trust == Trust::Guessed && left.packets >= PACKETS_TO_STAY {
            self.locked = Some((left.trust, from));
        }
        true
    }

    fn believes(&mut self, from: SocketAddr, ssrc: u32, sequence: u16) -> bool {
        let packets = match self.candidate {
            Some(c) if c.from == from && c.ssrc == ssrc && (1..=8).contains(&sequence.wrapping_sub(c.sequence)) => {
                c.packets + 1
            }
            // While one address tries, another does not disturb it.
            Some(c) if c.from != from && c.packets > 1 => return false,
            Some(_) | None => 1,
        };
        self.candidate = Some(Candidate { from, ssrc, sequence, packets });
        packets >= PACKETS_TO_BELIEVE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_first_packet_from_the_told_address_locks() {
        let mut latch = Latch::new(address("192.0.2.1:4000"));
        assert_eq!(latch.judge(address("192.0.2.1:4000"), 1, 1), Verdict::Peer);
        for sequence in 0..100 {
            assert_eq!(latch.judge(address("192.0.2.1:4002"), 2, sequence), Verdict::Foreign, "same host, other port");
            assert_eq!(latch.judge(address("198.51.100.9:4000"), 1, sequence), Verdict::Foreign);
        }
        assert_eq!(latch.target(), address("192.0.2.1:4000"));
    }

    #[test]
    fn another_port_of_the_told_host_locks_at_once() {
        let mut latch = Latch::new(address("192.0.2.1:4000"));
        assert_eq!(latch.judge(address("192.0.2.1:61000"), 1, 1), Verdict::Peer);
        assert_eq!(latch.judge(address("192.0.2.1:61002"), 1, 2), Verdict::Foreign);
        assert_eq!(latch.target(), address("192.0.2.1:61000"));
    }

    #[test]
    fn behind_a_nat_the_first_steady_stream_locks_and_keeps() {
        let mut latch = Latch::new(address("10.0.0.5:4000"));
        let nat = address("203.0.113.7:40001");
        let verdicts: Vec<Verdict> = (10..14).map(|sequence| latch.judge(nat, 5, sequence)).collect();
        assert_eq!(verdicts, [Verdict::Foreign, Verdict::Foreign, Verdict::Peer, Verdict::Peer]);
        for sequence in 0..100 {
            assert_eq!(latch.judge(address("198.51.100.9:1"), 5, sequence), Verdict::Foreign);
        }
        assert_eq!(latch.target(), nat);
    }

    #[test]
    fn stray_packets_never_lock() {
        let mut latch = Latch::new(address("10.0.0.5:4000"));
        let stray = address("198.51.100.9:1");
        for (ssrc, sequence) in [(1, 1), (2, 2), (3, 3), (3, 500), (3, 90), (4, 91)] {
            assert_eq!(latch.judge(stray, ssrc, sequence), Verdict::Foreign);
        }
        assert_eq!(latch.target(), address("10.0.0.5:4000"), "still what the SDP says");
    }

    #[test]
    fn the_told_address_takes_back_what_was_guessed() {
        let mut latch = Latch::new(address("192.0.2.1:4000"));
        for sequence in 1..=3 {
            latch.judge(address("198.51.100.9:1"), 5, sequence);
        }
        assert_eq!(latch.target(), address("198.51.100.9:1"));
        assert_eq!(latch.judge(address("192.0.2.1:4000"), 9, 1), Verdict::Peer);
        assert_eq!(latch.judge(address("198.51.100.9:1"), 5, 4), Verdict::Foreign);
        assert_eq!(latch.target(), address("192.0.2.1:4000"));
    }

    #[test]
    fn packets_from_where_a_peer_was_are_heard_and_lock_nothing() {
        let (old, new) = (address("192.0.2.1:4000"), address("192.0.2.1:5000"));
        let mut latch = Latch::new(old);
        latch.judge(old, 1, 1);
        let mut latch = latch.moved(new);
        for sequence in 2..200 {
            assert_eq!(latch.judge(old, 1, sequence), Verdict::Peer, "a gateway may send from elsewhere");
            assert_eq!(latch.target(), new, "it is sent to where it wants it");
        }
        assert_eq!(latch.judge(new, 1, 200), Verdict::Peer);
        assert_eq!(latch.judge(old, 1, 201), Verdict::Foreign, "now it is seen there");
    }

    #[test]
    fn a_peer_behind_a_nat_is_sent_to_where_it_was_until_it_is_seen_elsewhere() {
        let (was, is) = (address("203.0.113.7:40001"), address("203.0.113.7:40002"));
        let mut latch = Latch::new(address("10.0.0.5:4000"));
        for sequence in 1..=3 {
            latch.judge(was, 5, sequence);
        }
        let mut moves = latch.moved(address("10.0.0.5:4002"));
        // The last packets of the old stream.
        (4..=10).for_each(|sequence| assert_eq!(moves.judge(was, 5, sequence), Verdict::Peer));
        assert_eq!(moves.target(), was);
        for sequence in 1..=3 {
            moves.judge(is, 6, sequence);
        }
        assert_eq!((moves.target(), moves.judge(was, 5, 11)), (is, Verdict::Foreign));
        // Another one that stays, whatever its SDP says.
        let mut stays = latch.moved(address("10.0.0.5:4002"));
        for sequence in 4..=60 {
            stays.judge(was, 5, sequence);
        }
        (1..=9).for_each(|sequence| assert_eq!(stays.judge(is, 6, sequence), Verdict::Foreign));
        assert_eq!(stays.target(), was);
    }
}
