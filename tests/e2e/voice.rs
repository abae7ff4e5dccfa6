//! A caller's voice: sends a tone as RTP from the port that his SDP names, and keeps what comes back.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::tone;

/// What was heard.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) samples: Vec<i16>,
    /// Digits by telephone-event are counted, not decoded.
    pub(crate) events: usize,
}

const NONE: u8 = u8::MAX;

pub(crate) struct Voice {
    over: Arc<AtomicBool>,
    /// The digit to be pressed next, or `NONE`.
    digit: Arc<AtomicU8>,
    thread: Option<JoinHandle<Heard>>,
}

impl Voice {
    /// Listens on `at`; speaks to where the first packet comes from, as soon as it has come.
    pub(crate) fn start(at: &str, hertz: u32) -> Self {
        let socket = UdpSocket::bind(at).unwrap_or_else(|error| panic!("{at}: {error}"));
        socket.set_read_timeout(Some(Duration::from_millis(2))).unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let digit = Arc::new(AtomicU8::new(NONE));
        let (flag, key) = (Arc::clone(&over), Arc::clone(&digit));
        let thread = std::thread::spawn(move || talk(&socket, hertz, &flag, &key));
        Self { over, digit, thread: Some(thread) }
    }

    /// Presses a digit, by telephone-event (RFC 4733).
    pub(crate) fn presses(&self, digit: u8) {
        self.digit.store(digit, Ordering::Relaxed);
    }

    /// Falls silent; what it has heard.
    pub(crate) fn stop(mut self) -> Heard {
        self.over.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

fn talk(socket: &UdpSocket, hertz: u32, over: &AtomicBool, digit: &AtomicU8) -> Heard {
    let second = tone::second_of(hertz);
    let (mut heard, mut peer) = (Heard::default(), None::<SocketAddr>);
    let (mut sequence, mut next) = (0_u16, Instant::now());
    // The digit that is held, when it began, and for how many packets more.
    let mut held = (NONE, 0_u32, 0_u16);
    let mut buffer = [0; 2_048];
    while !over.load(Ordering::Relaxed) {
        if let Ok((length, from)) = socket.recv_from(&mut buffer) {
            peer.get_or_insert(from);
            match buffer[1] & 0x7f {
                8 => heard.samples.extend(buffer[12..length].iter().map(|byte| tone::from_alaw(*byte))),
                101 => heard.events += 1,
                other => panic!("payload type {other} was not offered"),
            }
        }
        let Some(peer) = peer.filter(|_| Instant::now() >= next) else { continue };
        next = (next + Duration::from_millis(20)).max(Instant::now() - Duration::from_millis(40));
        let now = u32::from(sequence) * 160;
        let pressed = digit.swap(NONE, Ordering::Relaxed);
        if pressed != NONE {
            held = (pressed, now, 8);
        }
        let mut packet = vec![0x80, if held.2 > 0 { 101 } else { 8 }];
        packet.extend(sequence.to_be_bytes());
        packet.extend((if held.2 > 0 { held.1 } else { now }).to_be_bytes());
        packet.extend(hertz.to_be_bytes());
        if held.2 > 0 {
            // The last three are its end.
            packet.extend([held.0, if held.2 <= 3 { 0x80 | 10 } else { 10 }]);
            packet.extend((160 * (9 - held.2)).to_be_bytes());
            held.2 -= 1;
        } else {
            let at = usize::from(sequence) * 160 % 8_000;
            packet.extend(&second[at..at + 160]);
        }
        sequence = sequence.wrapping_add(1);
        // A port that has closed is the end of the call, which SIP tells.
        drop(socket.send_to(&packet, peer));
    }
    heard
}
