//! Any order of commands and packets at one media thread's relay: bridges, rooms, prompts, recordings, and peers that send anything.
//! Nothing panics, and no packet goes to a peer whose anchor is closed.
#![no_main]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use siaga::clock::{Instant, Timestamp};
use siaga::ids::{CallId, LegNo, Rng};
use siaga::media::command::{AnchorId, Codec, Command, Party, Prompt, Remote};
use siaga::media::datagram::Datagram;
use siaga::media::prompt::{Sound, Sounds};
use siaga::media::relay::{Channel, Out, Relay};
use siaga::media::source::Sources;

const SLOTS: u32 = 5;
/// Of a packet, with the room behind it.
const ROOM: usize = 512;

/// The input, taken apart.
struct Bytes<'b>(&'b [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// So many of the next bytes as a length byte says; fewer at the end.
    fn some(&mut self) -> Option<&[u8]> {
        let length = usize::from(self.next()?).min(self.0.len());
        let (some, rest) = self.0.split_at(length);
        self.0 = rest;
        Some(some)
    }
}

fn address(slot: u32) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 10_000 + u16::try_from(slot).unwrap_or(0) * 2))
}

fn remote(slot: u32, how: u8) -> Remote {
    let rtp = address(slot);
    Remote {
        rtp,
        rtcp: SocketAddr::new(rtp.ip(), rtp.port() + 1),
        sources: Sources::default(),
        codec: if how & 1 == 0 { Codec::Pcma } else { Codec::Pcmu },
        payload_type: if how & 1 == 0 { 8 } else { 0 },
        dtmf: (how & 2 == 0).then_some(101),
        dtmf_heard: (how & 4 == 0).then_some(101),
        send: how & 8 == 0,
        srtp: None,
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = Bytes(bytes);
    let mut rng = Rng::from_number(112);
    let call = CallId::new(Timestamp::from_millis(1), &mut rng);
    let mut sounds = Sounds::default();
    sounds.set(Prompt::Confirm, Sound::from_samples(&[1_000; 400]));
    let slots = usize::try_from(SLOTS).unwrap_or(0);
    let mut relay = Relay::new(slots, Arc::new(sounds), Some(Duration::from_secs(3)), 1, rng);
    let (mut now, mut out) = (Instant::from_nanos(0), Out::default());
    let mut open = [false; 5];
    while let (Some(operation), Some(what)) = (bytes.next(), bytes.next()) {
        let (slot, other) = (u32::from(what) % SLOTS, u32::from(what >> 4) % SLOTS);
        let (anchor, b) = (AnchorId { slot, generation: 1 }, AnchorId { slot: other, generation: 1 });
        let leg = LegNo(u32::from(what % 3));
        let command = match operation % 16 {
            0 => Command::Open { anchor },
            1 => Command::SetRemote { anchor, remote: remote(slot, what >> 4) },
            2 => Command::Bridge { a: anchor, b },
            3 => Command::Unbridge { anchor },
            4 => {
                let seats = bytes.some().unwrap_or_default().iter().take(6);
                let party = |(place, hears): (usize, &u8)| Party {
                    anchor: AnchorId { slot: (u32::try_from(place).unwrap_or(0) + slot) % SLOTS, generation: 1 },
                    hears: *hears,
                    recorded: hears & 1 == 0,
                };
                Command::Mix { room: call, parties: seats.enumerate().map(party).collect() }
            }
            5 => Command::Unmix { room: call },
            6 => Command::Play {
                anchor,
                first: (what & 32 == 0).then_some(Prompt::Confirm),
                then: (what & 64 == 0).then_some(Prompt::HoldTone),
            },
            7 => Command::Stop { anchor },
            8 => Command::Record { call, leg, caller: anchor, operator: b },
            9 => Command::StopRecord { call, leg },
            10 => Command::Close { anchor },
            11 | 12 => {
                now = now + Duration::from_millis(20);
                relay.play(now, &mut |slot, _, _| assert!(open[slot as usize], "a closed anchor sends"), &mut out);
                relay.look_for_silence(now, &mut out);
                out.effects.clear();
                out.frames.clear();
                continue;
            }
            kind => {
                let packet = bytes.some().unwrap_or_default();
                let mut room = [0; ROOM];
                room[..packet.len()].copy_from_slice(packet);
                let channel = if kind == 13 { Channel::Rtcp } else { Channel::Rtp };
                let from = address(if what & 128 == 0 { slot } else { other });
                let datagram = Datagram { from, room: &mut room, length: packet.len() };
                relay.receive(now, slot, channel, datagram, &mut out);
                out.effects.clear();
                out.frames.clear();
                continue;
            }
        };
        match &command {
            Command::Open { anchor } => open[anchor.slot as usize] = true,
            Command::Close { anchor } => open[anchor.slot as usize] = false,
            _ => {}
        }
        relay.command(now, command, &mut out);
        out.effects.clear();
        out.frames.clear();
    }
});
