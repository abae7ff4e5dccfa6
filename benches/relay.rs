//! What one relayed RTP packet costs in the relay: taken, checked against its peer, rewritten for the other side.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a bench stops by panicking")]

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use siaga::clock::Instant;
use siaga::ids::Rng;
use siaga::media::command::{AnchorId, Codec, Command, Remote};
use siaga::media::datagram::Datagram;
use siaga::media::prompt::Sounds;
use siaga::media::relay::{Channel, Fate, Out, Relay};

const CALLER: AnchorId = AnchorId { slot: 0, generation: 1 };
const OPERATOR: AnchorId = AnchorId { slot: 1, generation: 1 };

fn address(anchor: AnchorId) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 2], 10_000 + 2 * u16::try_from(anchor.slot).unwrap()))
}

/// A bridge between two codecs, and the caller's packet.
fn bridge(codecs: [Codec; 2]) -> (Relay, Out, [u8; 172]) {
    let mut relay = Relay::new(2, Arc::new(Sounds::default()), None, 0, Rng::from_number(1));
    let mut out = Out::default();
    for (anchor, codec) in [CALLER, OPERATOR].into_iter().zip(codecs) {
        let payload_type = if codec == Codec::Pcma { 8 } else { 0 };
        let rtcp = SocketAddr::new(address(anchor).ip(), address(anchor).port() + 1);
        let remote = Remote { rtp: address(anchor), rtcp, codec, payload_type, dtmf: None, send: true, srtp: None };
        relay.command(Instant::default(), Command::Open { anchor }, &mut out);
        relay.command(Instant::default(), Command::Aim { anchor, remote }, &mut out);
    }
    relay.command(Instant::default(), Command::Bridge { a: CALLER, b: OPERATOR }, &mut out);
    let mut packet = [0x55; 172];
    packet[..12].copy_from_slice(&[0x80, if codecs[0] == Codec::Pcma { 8 } else { 0 }, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
    (relay, out, packet)
}

fn packets(bench: &mut Criterion) {
    let mut group = bench.benchmark_group("one relayed packet");
    group.throughput(Throughput::Elements(1));
    for (name, codecs) in [("same codec", [Codec::Pcma, Codec::Pcma]), ("A-law to mu-law", [Codec::Pcma, Codec::Pcmu])]
    {
        let (mut relay, mut out, fresh) = bridge(codecs);
        let (mut sequence, mut now) = (0_u16, Instant::from_nanos(1));
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut packet = fresh;
                sequence = sequence.wrapping_add(1);
                now = now + Duration::from_millis(20);
                packet[2..4].copy_from_slice(&sequence.to_be_bytes());
                packet[4..8].copy_from_slice(&(u32::from(sequence) * 160).to_be_bytes());
                let fate = relay.receive(now, 0, Channel::Rtp, Datagram::whole(address(CALLER), &mut packet), &mut out);
                assert!(matches!(fate, Fate::Passed(_)));
                out.effects.clear();
                black_box(packet)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, packets);
criterion_main!(benches);
