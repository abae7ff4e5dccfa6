//! What one relayed RTP packet costs in the relay: taken, checked against its peer, rewritten for the other side; plain, and
//! with SRTP on either side.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a bench stops by panicking")]

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use siaga::clock::Instant;
use siaga::ids::Rng;
use siaga::media::command::{AnchorId, Codec, Command, Remote};
use siaga::media::datagram::Datagram;
use siaga::media::prompt::Sounds;
use siaga::media::relay::{Channel, Fate, Out, Relay};
use siaga::media::source::Sources;
use siaga::media::srtp::{Keys, MasterKey, RTP_OVERHEAD_MAX, Session, Suite};

const CALLER: AnchorId = AnchorId { slot: 0, generation: 1 };
const OPERATOR: AnchorId = AnchorId { slot: 1, generation: 1 };

fn address(anchor: AnchorId) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 2], 10_000 + 2 * u16::try_from(anchor.slot).unwrap()))
}

/// A packet with 20 ms of sound, and the room that its tag takes.
type Packet = [u8; PLAIN + RTP_OVERHEAD_MAX];

const PLAIN: usize = 172;

/// A bridge between two codecs, with SRTP on the sides that have keys, and the caller's packet.
fn bridge(codecs: [Codec; 2], keys: [Option<Keys>; 2]) -> (Relay, Out, Packet) {
    let mut relay = Relay::new(2, Arc::new(Sounds::default()), None, 0, Rng::from_number(1));
    let mut out = Out::default();
    for ((anchor, codec), srtp) in [CALLER, OPERATOR].into_iter().zip(codecs).zip(keys) {
        let payload_type = if codec == Codec::Pcma { 8 } else { 0 };
        let rtcp = SocketAddr::new(address(anchor).ip(), address(anchor).port() + 1);
        let (rtp, dtmf) = (address(anchor), None);
        let remote = Remote {
            rtp,
            rtcp,
            sources: Sources::default(),
            codec,
            payload_type,
            dtmf,
            dtmf_heard: dtmf,
            send: true,
            srtp,
        };
        relay.command(Instant::default(), Command::Open { anchor }, &mut out);
        relay.command(Instant::default(), Command::SetRemote { anchor, remote }, &mut out);
    }
    relay.command(Instant::default(), Command::Bridge { a: CALLER, b: OPERATOR }, &mut out);
    let mut packet = [0x55; PLAIN + RTP_OVERHEAD_MAX];
    packet[..12].copy_from_slice(&[0x80, if codecs[0] == Codec::Pcma { 8 } else { 0 }, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
    (relay, out, packet)
}

fn keys(ours: u8, theirs: u8) -> Keys {
    let master = |seed: u8| MasterKey { key: [seed; 16], salt: [seed; 14] };
    Keys { suite: Suite::Sha1_80, ours: master(ours), theirs: master(theirs), mki_bytes: 0 }
}

/// The caller's packets, one after the other.
struct Source {
    packet: Packet,
    sequence: u16,
    now: Instant,
    secure: Option<Session>,
}

impl Source {
    /// The next one, its length and its time.
    fn next(&mut self) -> (Packet, usize, Instant) {
        let mut packet = self.packet;
        self.sequence = self.sequence.wrapping_add(1);
        self.now = self.now + Duration::from_millis(20);
        packet[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        packet[4..8].copy_from_slice(&(u32::from(self.sequence) * 160).to_be_bytes());
        let length = self.secure.as_mut().map_or(PLAIN, |secure| secure.seal(&mut packet, PLAIN).unwrap());
        (packet, length, self.now)
    }
}

fn packets(bench: &mut Criterion) {
    let mut group = bench.benchmark_group("one relayed packet");
    group.throughput(Throughput::Elements(1));
    let (same, other) = ([Codec::Pcma, Codec::Pcma], [Codec::Pcma, Codec::Pcmu]);
    let secret = || Some(keys(1, 2));
    for (name, codecs, keys_of, peer) in [
        ("same codec", same, [None, None], None),
        ("A-law to mu-law", other, [None, None], None),
        ("plain to SRTP", same, [None, secret()], None),
        ("SRTP to plain", same, [secret(), None], Some(keys(2, 1))),
        ("SRTP to SRTP", same, [secret(), Some(keys(3, 4))], Some(keys(2, 1))),
    ] {
        let (mut relay, mut out, packet) = bridge(codecs, keys_of);
        let (sequence, now) = (0, Instant::from_nanos(1));
        let mut source = Source { packet, sequence, now, secure: peer.map(Session::new) };
        group.bench_function(name, |b| {
            b.iter_batched(
                || source.next(),
                |(mut packet, length, now)| {
                    let datagram = Datagram { from: address(CALLER), room: &mut packet, length };
                    let fate = relay.receive(now, 0, Channel::Rtp, datagram, &mut out);
                    assert!(matches!(fate, Fate::Passed(_)));
                    out.effects.clear();
                    black_box(packet)
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, packets);
criterion_main!(benches);
