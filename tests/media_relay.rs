//! Media over real sockets on loopback, with each engine: what one side says is what the other hears.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test may")]
#![expect(clippy::disallowed_methods, reason = "a test over real sockets has a real clock, and few events")]

use std::fs;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use siaga::clock::Timestamp;
use siaga::ids::{CallId, LegNo, Rng};
use siaga::media::command::{AnchorId, Codec, Command, Event, Party, Prompt, Remote};
use siaga::media::g711;
use siaga::media::prompt::tone;
use siaga::media::source::Sources;
use siaga::server::media::{Engine, Media, MediaSettings};

const CALLER: AnchorId = AnchorId { slot: 0, generation: 1 };
const OPERATOR: AnchorId = AnchorId { slot: 1, generation: 1 };
const GUEST: AnchorId = AnchorId { slot: 2, generation: 1 };
/// Frames of 20 ms that each side says.
const FRAMES: usize = 40;

/// A phone: two sockets and a codec.
struct Phone {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    codec: Codec,
    ours: SocketAddr,
    sequence: u16,
}

impl Phone {
    fn new(codec: Codec, ours: u16) -> Self {
        let bind = || {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            socket
        };
        let ours = SocketAddr::from(([127, 0, 0, 1], ours));
        Self { rtp: bind(), rtcp: bind(), codec, ours, sequence: 65_500 }
    }

    fn payload_type(&self) -> u8 {
        if self.codec == Codec::Pcma { 8 } else { 0 }
    }

    fn remote(&self) -> Remote {
        Remote {
            rtp: self.rtp.local_addr().unwrap(),
            rtcp: self.rtcp.local_addr().unwrap(),
            sources: Sources::default(),
            codec: self.codec,
            payload_type: self.payload_type(),
            dtmf: Some(101),
            dtmf_heard: Some(101),
            send: true,
            srtp: None,
        }
    }

    fn send(&mut self, payload_type: u8, timestamp: u32, payload: &[u8]) {
        let packet = packet(payload_type, self.sequence, timestamp, 7, payload);
        self.sequence = self.sequence.wrapping_add(1);
        self.rtp.send_to(&packet, self.ours).unwrap();
    }

    fn say(&mut self, samples: &[i16], frame: usize) {
        let sound: Vec<u8> = samples[frame * 160..][..160].iter().map(|s| g711::encode(self.codec, *s)).collect();
        self.send(self.payload_type(), frame as u32 * 160, &sound);
    }

    fn hear(&self) -> (Vec<u8>, Vec<i16>) {
        let mut buffer = [0; 2_048];
        let length = self.rtp.recv(&mut buffer).expect("a packet within five seconds");
        let (header, sound) = buffer[..length].split_at(12);
        (header.to_vec(), sound.iter().map(|byte| g711::decode(self.codec, *byte)).collect())
    }
}

fn packet(payload_type: u8, sequence: u16, timestamp: u32, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, payload_type];
    packet.extend(sequence.to_be_bytes());
    packet.extend(timestamp.to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend(payload);
    packet
}

struct House {
    media: Media,
    events: Receiver<Event>,
    ports: Vec<u16>,
}

impl House {
    fn start(engine: Engine, threads: usize, recordings: Option<&Path>) -> Self {
        let (told, events) = channel_for_tests();
        let settings = MediaSettings {
            listen: vec![IpAddr::from([127, 0, 0, 1])],
            ports: free_range(),
            silence: Some(Duration::from_secs(1)),
            prompts: Path::new(env!("CARGO_MANIFEST_DIR")).join("config/prompts/en"),
            recordings: recordings.map(Path::to_path_buf),
            zone: jiff::tz::TimeZone::UTC,
            alarms: Default::default(),
            journaled: siaga::server::media::Journaled::default(),
            threads,
            engine,
        };
        let media = Media::start(settings, told).unwrap();
        let ports = media.rtp_ports().iter().map(SocketAddr::port).collect();
        Self { media, events, ports }
    }

    fn with_phones(
        engine: Engine,
        threads: usize,
        codecs: [Codec; 2],
        recordings: Option<&Path>,
    ) -> (Self, Phone, Phone) {
        let house = Self::start(engine, threads, recordings);
        let phones = [0, 1].map(|i| Phone::new(codecs[i], house.ports[i]));
        for (phone, anchor) in phones.iter().zip([CALLER, OPERATOR]) {
            assert!(house.media.command(Command::Open { anchor }));
            assert!(house.media.command(Command::SetRemote { anchor, remote: phone.remote() }));
        }
        let [caller, operator] = phones;
        (house, caller, operator)
    }

    fn wait(&self, wanted: impl Fn(&Event) -> bool) -> Event {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let event = self.events.recv_timeout(end - Instant::now()).expect("the event within ten seconds");
            if wanted(&event) {
                return event;
            }
        }
    }

    /// Waits until all commands so far are carried out: the answer for a slot that was never opened comes after them.
    fn settle(&self) {
        let nobody = AnchorId { slot: 3, generation: 0 };
        self.media.command(Command::Close { anchor: nobody });
        self.wait(|event| matches!(event, Event::Closed { anchor, .. } if *anchor == nobody));
    }

    fn closed(&self, anchor: AnchorId) -> siaga::media::command::Quality {
        self.media.command(Command::Close { anchor });
        let event = self.wait(|event| matches!(event, Event::Closed { anchor: closed, .. } if *closed == anchor));
        let Event::Closed { quality, .. } = event else { panic!("{event:?}") };
        quality
    }
}

fn a_call() -> CallId {
    CallId::new(Timestamp::from_millis(1_795_478_400_000), &mut Rng::from_number(1))
}

fn channel_for_tests() -> (impl FnMut(Event) + Send + Clone + 'static, Receiver<Event>) {
    let (sender, receiver) = channel();
    (move |event| drop(sender.send(event)), receiver)
}

/// Eight free ports, by requesting one and using those after it.
fn free_range() -> std::ops::RangeInclusive<u16> {
    loop {
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port() & !1;
        if port < 65_000 && (port..port + 8).all(|port| UdpSocket::bind(("127.0.0.1", port)).is_ok()) {
            return port..=port + 7;
        }
    }
}

/// How alike two sounds are, 1 at most.
fn correlation(a: &[i16], b: &[i16]) -> f64 {
    let dot = |x: &[i16], y: &[i16]| x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(1.0)
}

fn each_engine(test: impl Fn(Engine)) {
    test(Engine::Epoll);
    // Machines without io_uring test the other one alone; Auto says which it is.
    let found = House::start(Engine::Auto, 1, None).media.engine();
    if found == Engine::IoUring {
        test(Engine::IoUring);
    }
}

/// Bridges, and lets both say a tone of their own; what each heard.
fn converse(house: &House, caller: &mut Phone, operator: &mut Phone, pace: Duration) -> [Vec<i16>; 2] {
    house.media.command(Command::Bridge { a: CALLER, b: OPERATOR });
    house.settle();
    let said = [tone(440.0, FRAMES * 160), tone(1_000.0, FRAMES * 160)];
    let mut heard = [Vec::new(), Vec::new()];
    for frame in 0..FRAMES {
        caller.say(&said[0], frame);
        heard[1].extend(operator.hear().1);
        operator.say(&said[1], frame);
        heard[0].extend(caller.hear().1);
        // The pace of speech: a phone sends a packet each 20 ms, and nothing tells it when.
        std::thread::sleep(pace);
    }
    heard
}

#[test]
fn three_in_a_room_hear_each_other_wherever_their_ports_live() {
    each_engine(|engine| {
        for threads in [1, 3] {
            let (house, caller, operator) = House::with_phones(engine, threads, [Codec::Pcma, Codec::Pcmu], None);
            let (room, guest) = (a_call(), Phone::new(Codec::Pcma, house.ports[2]));
            house.media.command(Command::Bridge { a: CALLER, b: OPERATOR });
            house.media.command(Command::Open { anchor: GUEST });
            house.media.command(Command::SetRemote { anchor: GUEST, remote: guest.remote() });
            let party = |(anchor, hears)| Party { anchor, hears, recorded: true };
            let parties = [(CALLER, 0b110), (OPERATOR, 0b101), (GUEST, 0b011)].map(party).to_vec();
            assert!(house.media.command(Command::Mix { room, parties }));
            let mut phones = [caller, operator, guest];
            let said = [440.0, 1_000.0, 700.0].map(|hertz| tone(hertz, 2 * FRAMES * 160));
            let mut heard = [const { Vec::new() }; 3];
            for frame in 0..2 * FRAMES {
                phones.iter_mut().zip(&said).for_each(|(phone, said)| phone.say(said, frame));
                // The room's own clock paces all.
                heard.iter_mut().zip(&phones).for_each(|(heard, phone)| heard.extend(phone.hear().1));
            }
            for (who, heard) in heard.iter().enumerate() {
                for (whom, said) in said.iter().enumerate() {
                    // What was said two frames and the way there ago: found wherever it is.
                    let shifts =
                        (0..1_600).step_by(4).map(|shift| correlation(&heard[3_200..12_800], &said[3_200 - shift..]));
                    let best = shifts.fold(0.0, f64::max);
                    assert!(
                        if who == whom { best < 0.2 } else { best > 0.5 },
                        "{engine:?}: {who} of {whom}: {best:.2}"
                    );
                }
            }
            assert!(house.media.command(Command::Unmix { room }));
            house.media.command(Command::Bridge { a: CALLER, b: OPERATOR });
            house.settle();
            house.closed(GUEST);
            house.media.stop();
        }
    });
}

#[test]
fn both_hear_what_the_other_says_with_either_codec_and_any_number_of_threads() {
    each_engine(|engine| {
        for (codecs, threads) in [([Codec::Pcma, Codec::Pcmu], 1), ([Codec::Pcmu, Codec::Pcmu], 3)] {
            let (house, mut caller, mut operator) = House::with_phones(engine, threads, codecs, None);
            let heard = converse(&house, &mut caller, &mut operator, Duration::ZERO);
            let said = [tone(440.0, FRAMES * 160), tone(1_000.0, FRAMES * 160)];
            assert!(correlation(&heard[1], &said[0]) > 0.99, "{engine:?} {codecs:?}");
            assert!(correlation(&heard[0], &said[1]) > 0.99, "{engine:?} {codecs:?}");
            assert!(correlation(&heard[0], &said[0]).abs() < 0.1, "nobody hears himself");
            let quality = house.closed(CALLER);
            let frames = FRAMES as u64;
            assert_eq!((quality.packets_in, quality.packets_out, quality.packets_lost), (frames, frames, 0));
            assert_eq!(house.closed(OPERATOR).packets_foreign, 0);
            house.media.stop();
        }
    });
}

#[test]
fn a_third_address_is_not_heard_and_hears_nothing() {
    each_engine(|engine| {
        let (house, mut caller, mut operator) = House::with_phones(engine, 1, [Codec::Pcma; 2], None);
        converse(&house, &mut caller, &mut operator, Duration::ZERO);
        let thief = UdpSocket::bind("127.0.0.5:0").unwrap();
        thief.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        for i in 0..50_u16 {
            let forged = packet(8, caller.sequence.wrapping_add(i), 9_999, 7, &[0x2a; 160]);
            thief.send_to(&forged, caller.ours).unwrap();
        }
        let said = tone(440.0, FRAMES * 160);
        caller.say(&said, 0);
        assert!(correlation(&operator.hear().1, &said[..160]) > 0.99, "the caller, not the thief");
        operator.say(&said, 0);
        caller.hear();
        assert!(thief.recv(&mut [0; 2_048]).is_err());
        assert_eq!(house.closed(CALLER).packets_foreign, 50);
        assert_eq!(house.media.counters().packets_foreign, 50);
    });
}

#[test]
fn prompts_play_at_the_pace_of_sound_and_end() {
    each_engine(|engine| {
        let (house, caller, _) = House::with_phones(engine, 1, [Codec::Pcma; 2], None);
        house.media.command(Command::Play { anchor: CALLER, first: Some(Prompt::Confirm), then: None });
        let mut loud = 0;
        let (first, _) = caller.hear();
        let start = Instant::now();
        for _ in 0..20 {
            let (header, sound) = caller.hear();
            assert_eq!((header[1] & 0x7f, sound.len(), &header[8..]), (8, 160, &first[8..]));
            loud += usize::from(sound.iter().any(|sample| sample.abs() > 500));
        }
        let passed = start.elapsed();
        assert!(passed > Duration::from_millis(330) && passed < Duration::from_millis(900), "{passed:?}");
        assert!(loud > 5, "something is said");
        house.wait(|event| *event == Event::Played { anchor: CALLER });
        house.media.command(Command::Play { anchor: CALLER, first: None, then: Some(Prompt::HoldTone) });
        caller.hear();
    });
}

#[test]
fn reports_digits_and_silence_are_told() {
    each_engine(|engine| {
        let (house, mut caller, mut operator) = House::with_phones(engine, 1, [Codec::Pcma; 2], None);
        converse(&house, &mut caller, &mut operator, Duration::ZERO);
        let mut report = vec![0x80, 201, 0, 1, 0, 0, 0, 7];
        let rtcp = SocketAddr::new(caller.ours.ip(), caller.ours.port() + 1);
        caller.rtcp.send_to(&report, rtcp).unwrap();
        let (length, from) = operator.rtcp.recv_from(&mut report).unwrap();
        assert_eq!((length, from.port()), (8, operator.ours.port() + 1));
        assert_ne!(report[4..], [0, 0, 0, 7], "in our name");
        for flags in [10, 0x8a, 0x8a, 0x8a] {
            caller.send(101, 50_000, &[11, flags, 1, 64]);
            assert_eq!(operator.hear().0[1] & 0x7f, 101);
        }
        house.wait(|event| *event == Event::Digit { anchor: CALLER, digit: '#' });
        house.wait(|event| *event == Event::Silent { anchor: CALLER, limit: None });
        let digits = house.events.try_iter().filter(|event| matches!(event, Event::Digit { .. })).count();
        assert_eq!(digits, 0, "once");
    });
}

#[test]
fn packets_that_arrive_before_a_port_opens_are_dropped() {
    each_engine(|engine| {
        let house = House::start(engine, 1, None);
        let mut early = Phone::new(Codec::Pcma, house.ports[0]);
        (0..5).for_each(|frame| early.say(&tone(440.0, 800), frame));
        house.media.command(Command::Open { anchor: CALLER });
        house.media.command(Command::SetRemote { anchor: CALLER, remote: early.remote() });
        house.media.command(Command::Stop { anchor: CALLER });
        assert_eq!(house.closed(CALLER).packets_in, 0);
    });
}

#[test]
fn a_recording_has_the_caller_left_and_the_operator_right_and_its_checksum() {
    each_engine(|engine| {
        let folder = tempfile::tempdir().unwrap();
        let (house, mut caller, mut operator) =
            House::with_phones(engine, 1, [Codec::Pcma, Codec::Pcmu], Some(folder.path()));
        let call = a_call();
        house.media.command(Command::Record { call, leg: LegNo(1), caller: CALLER, operator: OPERATOR });
        // In real time, as the recording follows the clock.
        converse(&house, &mut caller, &mut operator, Duration::from_millis(19));
        house.media.command(Command::StopRecord { call, leg: LegNo(1) });
        let event = house.wait(|event| matches!(event, Event::RecordingClosed { .. } | Event::RecordingFailed { .. }));
        let Event::RecordingClosed { file, sha256, duration_ms, frames_dropped, .. } = event else {
            panic!("{event:?}")
        };
        assert_eq!((file.as_str(), frames_dropped), (format!("2026/11/24/{call}-1.wav").as_str(), 0));
        let bytes = fs::read(folder.path().join(&file)).unwrap();
        assert_eq!(<[u8; 32]>::from(Sha256::digest(&bytes)), sha256);
        let mut reader = hound::WavReader::new(&bytes[..]).unwrap();
        assert_eq!((reader.spec().channels, reader.spec().sample_rate), (2, 8_000));
        assert_eq!(u64::from(reader.duration()) / 8, duration_ms);
        let samples: Vec<i16> = reader.samples().map(Result::unwrap).collect();
        let side = |offset: usize| samples.iter().skip(offset).step_by(2).copied().collect::<Vec<i16>>();
        assert!((750..1_100).contains(&duration_ms), "{duration_ms} ms");
        for (heard, hertz) in [(side(0), 440.0), (side(1), 1_000.0)] {
            let start = heard.iter().position(|sample| sample.abs() > 100).unwrap() - 1;
            let said = tone(hertz, FRAMES * 160);
            let heard = &heard[start..];
            let best = (0..4).map(|i| correlation(&heard[..1_000], &said[i..][..1_000])).fold(0.0, f64::max);
            assert!(best > 0.95, "{engine:?} {hertz} Hz: {best}");
        }
    });
}
