//! A caller's voice: sends a tone as RTP from the port that his SDP names, and keeps what comes back.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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

pub(crate) struct Voice {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<Heard>>,
}

impl Voice {
    /// Listens on `at`; speaks to where the first packet comes from, as soon as it has come.
    pub(crate) fn start(at: &str, hertz: u32) -> Self {
        let socket = UdpSocket::bind(at).unwrap_or_else(|error| panic!("{at}: {error}"));
        socket.set_read_timeout(Some(Duration::from_millis(2))).unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&over);
        let thread = std::thread::spawn(move || talk(&socket, hertz, &flag));
        Self { over, thread: Some(thread) }
    }

    /// Falls silent; what it has heard.
    pub(crate) fn stop(mut self) -> Heard {
        self.over.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

fn talk(socket: &UdpSocket, hertz: u32, over: &AtomicBool) -> Heard {
    let second = tone::second_of(hertz);
    let (mut heard, mut peer) = (Heard::default(), None::<SocketAddr>);
    let (mut sequence, mut next) = (0_u16, Instant::now());
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
        let mut packet = vec![0x80, 8];
        packet.extend(sequence.to_be_bytes());
        packet.extend((u32::from(sequence) * 160).to_be_bytes());
        packet.extend(hertz.to_be_bytes());
        let at = usize::from(sequence) * 160 % 8_000;
        packet.extend(&second[at..at + 160]);
        sequence = sequence.wrapping_add(1);
        // A port that has closed is the end of the call, which SIP tells.
        drop(socket.send_to(&packet, peer));
    }
    heard
}
