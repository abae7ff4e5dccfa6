//! A caller's voice: sends a tone as RTP from the port of the caller's SDP, and keeps what comes back.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::tone;

/// What was heard.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) samples: Vec<i16>,
    /// Digits by telephone-event are counted, not decoded.
    pub(crate) events: usize,
    /// What came at one port in one encoding without a pause.
    pub(crate) parts: Vec<Part>,
}

/// A part of what was heard.
#[derive(Debug)]
pub(crate) struct Part {
    /// Which of the voice's ports it was.
    pub(crate) port: usize,
    pub(crate) payload_type: u8,
    /// Where it begins and ends in the samples.
    pub(crate) begin: usize,
    pub(crate) end: usize,
}

impl Heard {
    /// Takes one RTP packet; false if it has no sound. `goes_on`: there was no pause before it.
    fn takes(&mut self, port: usize, packet: &[u8], goes_on: bool) -> bool {
        let payload_type = packet[1] & 0x7f;
        if payload_type == 101 {
            self.events += 1;
            return false;
        }
        let decode = match payload_type {
            0 => tone::from_mulaw,
            8 => tone::from_alaw,
            other => panic!("payload type {other} was not offered"),
        };
        let begin = self.samples.len();
        self.samples.extend(packet[12..].iter().map(|byte| decode(*byte)));
        let end = self.samples.len();
        match self.parts.last_mut().filter(|part| (part.port, part.payload_type) == (port, payload_type)) {
            Some(part) if goes_on => part.end = end,
            Some(_) | None => self.parts.push(Part { port, payload_type, begin, end }),
        }
        true
    }

    /// Ports and payload types of the parts.
    pub(crate) fn course(&self) -> Vec<(usize, u8)> {
        self.parts.iter().map(|part| (part.port, part.payload_type)).collect()
    }

    /// Asserts that in each part, from the n-th on, there was one tone.
    pub(crate) fn assert_in_parts(&self, from: usize, hertz: u32) {
        for (n, part) in self.parts.iter().enumerate().skip(from) {
            let samples = &self.samples[part.begin..part.end];
            let heard = samples.chunks(4_000).any(|half| tone::share(half, hertz) > 0.7);
            assert!(heard, "{hertz} Hz is missing in part {n} of {:?}", self.parts);
        }
    }
}

const NONE: u8 = u8::MAX;

pub(crate) struct Voice {
    over: Arc<AtomicBool>,
    /// The digit to be pressed next, or `NONE`.
    digit: Arc<AtomicU8>,
    /// The number of samples that were heard so far.
    heard: Arc<AtomicUsize>,
    thread: Option<JoinHandle<Heard>>,
}

impl Voice {
    /// Listens on `at`; speaks to where the first packet comes from, as soon as it has come.
    pub(crate) fn start(at: &str, hertz: u32) -> Self {
        Self::at(&[at.to_owned()], &[hertz])
    }

    /// Listens at several ports; speaks from the one at which it has heard something last, in the encoding that it heard, and with the
    /// next tone whenever either has changed, or nothing was heard for half a second.
    pub(crate) fn at(places: &[String], tones: &[u32]) -> Self {
        let bind = |at: &String| {
            let socket = UdpSocket::bind(at).unwrap_or_else(|error| panic!("{at}: {error}"));
            socket.set_read_timeout(Some(Duration::from_millis(2))).unwrap();
            socket
        };
        let sockets: Vec<UdpSocket> = places.iter().map(bind).collect();
        let over = Arc::new(AtomicBool::new(false));
        let digit = Arc::new(AtomicU8::new(NONE));
        let heard = Arc::new(AtomicUsize::new(0));
        let (flag, key, count) = (Arc::clone(&over), Arc::clone(&digit), Arc::clone(&heard));
        let tones: Vec<Tone> = tones.iter().map(|hertz| Tone::of(*hertz)).collect();
        let thread = std::thread::spawn(move || talk(&sockets, &tones, &flag, &key, &count));
        Self { over, digit, heard, thread: Some(thread) }
    }

    /// Presses a digit, by telephone-event (RFC 4733).
    pub(crate) fn presses(&self, digit: u8) {
        self.digit.store(digit, Ordering::Relaxed);
    }

    /// The number of samples that were heard so far.
    pub(crate) fn heard_so_far(&self) -> usize {
        self.heard.load(Ordering::Relaxed)
    }

    /// Falls silent; what it has heard.
    pub(crate) fn stop(mut self) -> Heard {
        self.over.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

const PAUSE: Duration = Duration::from_millis(500);
/// Listening once at each port takes less than this, unless other programs have the processor.
const TURN: Duration = Duration::from_millis(20);

/// A second of a tone in each encoding.
struct Tone {
    hertz: u32,
    alaw: Vec<u8>,
    mulaw: Vec<u8>,
}

impl Tone {
    fn of(hertz: u32) -> Self {
        Self { hertz, alaw: tone::second_of(hertz), mulaw: tone::second_in(hertz, tone::from_mulaw) }
    }
}

fn talk(sockets: &[UdpSocket], tones: &[Tone], over: &AtomicBool, digit: &AtomicU8, count: &AtomicUsize) -> Heard {
    let mut heard = Heard::default();
    let mut peers = vec![None::<SocketAddr>; sockets.len()];
    let (mut sequence, mut next) = (0_u16, Instant::now());
    // For how long this thread has listened and heard nothing. Time in which it did not run does not count.
    let (mut silence, mut listened) = (Duration::ZERO, Instant::now());
    // The digit that is held, when it began, and for how many packets more.
    let mut held = (NONE, 0_u32, 0_u16);
    let mut buffer = [0; 2_048];
    while !over.load(Ordering::Relaxed) {
        silence += listened.elapsed().min(TURN);
        listened = Instant::now();
        // The port that was heard last comes first, and is emptied: what has waited in several is heard in its order.
        let last = heard.parts.last().map_or(0, |part| part.port);
        for port in (last..sockets.len()).chain(0..last) {
            while let Ok((length, from)) = sockets[port].recv_from(&mut buffer) {
                peers[port].get_or_insert(from);
                if heard.takes(port, &buffer[..length], silence < PAUSE) {
                    silence = Duration::ZERO;
                }
            }
        }
        count.store(heard.samples.len(), Ordering::Relaxed);
        let Some(part) = heard.parts.last().filter(|_| Instant::now() >= next) else { continue };
        let Some(peer) = peers[part.port] else { continue };
        next = (next + Duration::from_millis(20)).max(Instant::now() - Duration::from_millis(40));
        let now = u32::from(sequence) * 160;
        let pressed = digit.swap(NONE, Ordering::Relaxed);
        if pressed != NONE {
            held = (pressed, now, 8);
        }
        let mut packet = vec![0x80, if held.2 > 0 { 101 } else { part.payload_type }];
        packet.extend(sequence.to_be_bytes());
        packet.extend((if held.2 > 0 { held.1 } else { now }).to_be_bytes());
        packet.extend(tones[0].hertz.to_be_bytes());
        if held.2 > 0 {
            // The last three are its end.
            packet.extend([held.0, if held.2 <= 3 { 0x80 | 10 } else { 10 }]);
            packet.extend((160 * (9 - held.2)).to_be_bytes());
            held.2 -= 1;
        } else {
            let (nth, at) = ((heard.parts.len() - 1) % tones.len(), usize::from(sequence) * 160 % 8_000);
            let second = if part.payload_type == 0 { &tones[nth].mulaw } else { &tones[nth].alaw };
            packet.extend(&second[at..at + 160]);
        }
        sequence = sequence.wrapping_add(1);
        // A port that has closed is the end of the call, which SIP tells.
        drop(sockets[part.port].send_to(&packet, peer));
    }
    heard
}
