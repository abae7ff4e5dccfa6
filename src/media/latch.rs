//! Symmetric latching: decides once where a peer's packets really come from, so that no third address can take over.

use std::net::SocketAddr;

/// Packets in a row of one source that an address unknown to the SDP must send before it is believed.
const PACKETS_TO_BELIEVE: u8 = 3;

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
        Self { told, locked: None, candidate: None }
    }

    /// Judges a valid packet of an agreed payload type.
    pub fn judge(&mut self, from: SocketAddr, ssrc: u32, sequence: u16) -> Verdict {
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

    /// Where to send: where the peer's packets come from, until then where the SDP says.
    pub fn target(&self) -> SocketAddr {
        self.locked.map_or(self.told, |(_, peer)| peer)
    }

    /// The address that the SDP told.
    pub fn told(&self) -> SocketAddr {
        self.told
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
}
