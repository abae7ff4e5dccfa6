//! The latch of one peer: decides from which source its packets are accepted, and where packets to it are sent.

use std::net::SocketAddr;
use std::time::Duration;

use crate::clock::Instant;

use super::source::Sources;

#[cfg(test)]
mod tests;

/// Packets in a row, with one SSRC, after which a source other than the signalled one is accepted.
const PACKETS_TO_ACCEPT: u8 = 5;
/// A source that has sent nothing for this long can be replaced by one of the same or a worse rank.
const SILENT_AFTER: Duration = Duration::from_secs(1);
/// A candidate that has sent nothing for this long can be replaced by another one.
const CANDIDATE_LASTS: Duration = Duration::from_millis(500);
/// Time in which a replaced source may replace a source of the same or a worse rank at once: the peer has paused, and another source used
/// the pause.
const REMEMBERED: Duration = Duration::from_secs(60);
/// For this long after a move, packets from the former address are accepted although it has no rank: they were already on the network.
const UNDER_WAY: Duration = Duration::from_secs(2);

/// The ranks of sources, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// The address and port in the description.
    Signalled,
    /// Another port of that host.
    SameHost,
    /// The sender of the dialog's SIP messages, or a media gateway of its trunk.
    Allowed,
}

/// The result for a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The packet is the peer's.
    Peer,
    /// The packet must be dropped.
    Foreign,
}

/// The sources of one peer.
#[derive(Clone, Debug)]
pub struct Latch {
    /// None: nothing can be sent to the address in the description.
    signalled: Option<SocketAddr>,
    sources: Sources,
    accepted: Option<Accepted>,
    candidate: Option<Candidate>,
    left: Option<Left>,
    replaced: Option<Replaced>,
}

#[derive(Clone, Copy, Debug)]
struct Accepted {
    rank: Rank,
    from: SocketAddr,
    ssrc: u32,
    last: Instant,
}

/// The source that was accepted before the present one, without a new description.
#[derive(Clone, Copy, Debug)]
struct Replaced {
    rank: Rank,
    from: SocketAddr,
    ssrc: u32,
    at: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    rank: Rank,
    from: SocketAddr,
    ssrc: u32,
    sequence: u16,
    packets: u8,
    last: Instant,
}

/// The accepted source before the description changed. Its packets are still the peer's, but do not show where the peer is now.
#[derive(Clone, Copy, Debug)]
struct Left {
    from: SocketAddr,
    since: Instant,
    last: Instant,
}

impl Latch {
    /// Starts with no accepted source. `signalled` is the address in the description.
    pub fn new(signalled: SocketAddr, sources: Sources) -> Self {
        Self { signalled: usable(signalled), sources, accepted: None, candidate: None, left: None, replaced: None }
    }

    /// Takes the address of a new description. A description without an address (hold, RFC 3264 §8.4) changes nothing.
    pub fn aim(&mut self, now: Instant, signalled: SocketAddr, sources: Sources) {
        self.sources = sources;
        let signalled = usable(signalled).or(self.signalled);
        let moved = self.signalled != signalled;
        self.signalled = signalled;
        let accepted = self.accepted.filter(|accepted| moved || self.rank(accepted.from) != Some(accepted.rank));
        if let Some(Accepted { from, .. }) = accepted {
            self.left = Some(Left { from, since: now, last: now });
            (self.accepted, self.candidate, self.replaced) = (None, None, None);
        }
    }

    /// Judges a valid packet of an agreed payload type.
    pub fn judge(&mut self, now: Instant, from: SocketAddr, ssrc: u32, sequence: u16) -> Verdict {
        if self.hears(now, from) {
            self.accepted.iter_mut().for_each(|accepted| accepted.ssrc = ssrc);
            return Verdict::Peer;
        }
        let rank = self.rank(from);
        let under_way = self.accepted.is_none() && self.comes_from_before(now, from, rank);
        let Some(rank) = rank.filter(|rank| !under_way || *rank == Rank::Signalled || self.has_settled(now, *rank))
        else {
            return if under_way { Verdict::Peer } else { Verdict::Foreign };
        };
        let returns = self.returns(now, rank, from, ssrc);
        let free =
            self.accepted.is_none_or(|accepted| rank < accepted.rank || now.since(accepted.last) >= SILENT_AFTER);
        let acceptable = self.is_steady(now, Candidate { rank, from, ssrc, sequence, packets: 1, last: now }) && free;
        if rank != Rank::Signalled && !returns && !acceptable {
            return if under_way { Verdict::Peer } else { Verdict::Foreign };
        }
        // A source that only used the pause of another one is not remembered.
        let before = self.accepted.filter(|_| !returns);
        self.replaced = before.map(|Accepted { rank, from, ssrc, .. }| Replaced { rank, from, ssrc, at: now });
        self.accepted = Some(Accepted { rank, from, ssrc, last: now });
        (self.candidate, self.left) = (None, None);
        Verdict::Peer
    }

    /// True if the source was replaced because it paused, and sends its stream again, which has this SSRC and this address.
    fn returns(&self, now: Instant, rank: Rank, from: SocketAddr, ssrc: u32) -> bool {
        let is_it = |old: &Replaced| (old.from, old.ssrc) == (from, ssrc) && now.since(old.at) < REMEMBERED;
        let gives_way = self.accepted.is_some_and(|accepted| rank <= accepted.rank);
        gives_way && self.replaced.is_some_and(|old| is_it(&old) && old.rank == rank)
    }

    /// True for a packet of the accepted source, which keeps it accepted.
    pub fn hears(&mut self, now: Instant, from: SocketAddr) -> bool {
        match &mut self.accepted {
            Some(accepted) if accepted.from == from => {
                accepted.last = now;
                true
            }
            Some(_) | None => false,
        }
    }

    /// Where to send: the accepted source, or the signalled address until one is accepted. After a new description, a peer whose accepted
    /// source was on another host than the signalled one is still reached there while it sends from there.
    pub fn target(&self, now: Instant) -> Option<SocketAddr> {
        let accepted = self.accepted.map(|accepted| accepted.from);
        let stays = |left: &Left| self.rank(left.from) == Some(Rank::Allowed) && now.since(left.last) < SILENT_AFTER;
        accepted.or_else(|| self.left.filter(stays).map(|left| left.from)).or(self.signalled)
    }

    /// The accepted source, if its host differs from the description's.
    pub fn is_elsewhere(&self) -> Option<SocketAddr> {
        self.accepted.filter(|accepted| accepted.rank == Rank::Allowed).map(|accepted| accepted.from)
    }

    /// True if packets from there are never accepted, and none has been accepted lately.
    pub fn misses(&self, now: Instant, from: SocketAddr) -> bool {
        let is_heard = self.accepted.is_some_and(|accepted| now.since(accepted.last) < SILENT_AFTER);
        !is_heard && self.rank(from).is_none()
    }

    /// The address in the description, if packets can be sent to it.
    pub fn signalled(&self) -> Option<SocketAddr> {
        self.signalled
    }

    /// True if the packet's sender is the host of the description or of the accepted source.
    pub fn is_at(&self, from: SocketAddr) -> bool {
        let accepted = self.accepted.map(|accepted| accepted.from);
        [self.signalled, accepted].into_iter().flatten().any(|known| known.ip() == from.ip())
    }

    fn rank(&self, from: SocketAddr) -> Option<Rank> {
        if self.signalled == Some(from) {
            Some(Rank::Signalled)
        } else if self.signalled.is_some_and(|signalled| signalled.ip() == from.ip()) {
            Some(Rank::SameHost)
        } else {
            self.sources.allow(from.ip()).then_some(Rank::Allowed)
        }
    }

    /// True for packets from the accepted source before the move.
    fn comes_from_before(&mut self, now: Instant, from: SocketAddr, rank: Option<Rank>) -> bool {
        let Some(left) = self.left.as_mut().filter(|left| left.from == from) else { return false };
        left.last = now;
        rank.is_some() || now.since(left.since) < UNDER_WAY
    }

    /// True if the former source may be accepted again: it has the worst rank, and the description changed long enough ago. The description
    /// of such a peer has no usable address, so a new one does not show that the peer has moved.
    fn has_settled(&self, now: Instant, rank: Rank) -> bool {
        rank == Rank::Allowed && self.left.is_some_and(|left| now.since(left.since) >= SILENT_AFTER)
    }

    /// Counts the packets in a row of one source. True when they are enough to accept it.
    fn is_steady(&mut self, now: Instant, next: Candidate) -> bool {
        let packets = match self.candidate {
            Some(c) if (c.from, c.ssrc) == (next.from, next.ssrc) && is_next(c.sequence, next.sequence) => {
                c.packets.saturating_add(1)
            }
            // Packets of a source with no better rank do not interrupt the count of the candidate.
            Some(c) if c.from != next.from && c.rank <= next.rank && now.since(c.last) < CANDIDATE_LASTS => {
                return false;
            }
            Some(_) | None => 1,
        };
        self.candidate = Some(Candidate { packets, ..next });
        packets >= PACKETS_TO_ACCEPT
    }
}

/// True if the sequence number follows `last`; a few packets in between may be lost.
fn is_next(last: u16, sequence: u16) -> bool {
    (1..=8).contains(&sequence.wrapping_sub(last))
}

/// None for an address that nothing can be sent to.
fn usable(address: SocketAddr) -> Option<SocketAddr> {
    Some(address).filter(|address| !address.ip().is_unspecified() && address.port() != 0)
}
