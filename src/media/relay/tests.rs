//! The relay, told by packets.

mod conferences;
mod presence;
mod secret;
mod voice;

use super::*;
use crate::clock::Timestamp;
use crate::media::command::{Codec, Prompt, Remote};
use crate::media::g711;
use crate::media::prompt::Sound;
use crate::media::rtp;
use crate::media::source::Sources;

const CALLER: AnchorId = AnchorId { slot: 0, generation: 1 };
const OPERATOR: AnchorId = AnchorId { slot: 1, generation: 1 };
const SECOND: AnchorId = AnchorId { slot: 2, generation: 1 };
const DTMF: u8 = 101;

struct Bench {
    relay: Relay,
    out: Out,
    now: Instant,
}

/// A phone that sends packets.
struct Phone {
    anchor: AnchorId,
    address: SocketAddr,
    codec: Codec,
    ssrc: u32,
    sequence: u16,
}

impl Phone {
    fn new(anchor: AnchorId, codec: Codec) -> Self {
        let address = SocketAddr::from(([192, 0, 2, 1 + anchor.slot as u8], 4_000));
        Self { anchor, address, codec, ssrc: 1_000 + anchor.slot, sequence: 65_530 }
    }

    fn remote(&self) -> Remote {
        let payload_type = if self.codec == Codec::Pcma { 8 } else { 0 };
        let rtcp = SocketAddr::new(self.address.ip(), self.address.port() + 1);
        Remote {
            rtp: self.address,
            rtcp,
            sources: Sources::default(),
            codec: self.codec,
            payload_type,
            dtmf: Some(DTMF),
            dtmf_heard: Some(DTMF),
            send: true,
            srtp: None,
        }
    }

    fn packet(&mut self, payload_type: u8, payload: &[u8]) -> Vec<u8> {
        self.sequence = self.sequence.wrapping_add(1);
        let timestamp = u32::from(self.sequence) * 160;
        let header =
            Header { payload_type, marker: false, sequence: self.sequence, timestamp, ssrc: self.ssrc, payload: 0..0 };
        let mut buffer = vec![0; 12 + payload.len()];
        rtp::build(&header, payload, &mut buffer).unwrap();
        buffer
    }

    fn sound(&mut self, value: i16) -> Vec<u8> {
        let byte = g711::encode(self.codec, value);
        let payload_type = self.remote().payload_type;
        self.packet(payload_type, &[byte; 160])
    }
}

impl Bench {
    fn new() -> Self {
        let mut sounds = Sounds::default();
        sounds.set(Prompt::Confirm, Sound::from_samples(&[900; 320]));
        let silence = Some(Duration::from_secs(10));
        let relay = Relay::new(4, Arc::new(sounds), silence, 0, Rng::from_number(7));
        Self { relay, out: Out::default(), now: Instant::from_nanos(5_000_000_000) }
    }

    /// Two phones, open and aimed, not yet bridged.
    fn with_phones(caller: Codec, operator: Codec) -> (Self, Phone, Phone) {
        let mut bench = Self::new();
        let phones = (Phone::new(CALLER, caller), Phone::new(OPERATOR, operator));
        for phone in [&phones.0, &phones.1] {
            bench.open(phone);
        }
        (bench, phones.0, phones.1)
    }

    fn bridged(caller: Codec, operator: Codec) -> (Self, Phone, Phone) {
        let (mut bench, caller, operator) = Self::with_phones(caller, operator);
        bench.command(Command::Bridge { a: CALLER, b: OPERATOR });
        (bench, caller, operator)
    }

    fn open(&mut self, phone: &Phone) {
        self.command(Command::Open { anchor: phone.anchor });
        self.command(Command::SetRemote { anchor: phone.anchor, remote: phone.remote() });
    }

    fn command(&mut self, command: Command) {
        self.relay.command(self.now, command, &mut self.out);
    }

    fn advance(&mut self, ms: u64) {
        self.now = self.now + Duration::from_millis(ms);
    }

    /// A packet from an address; what goes out.
    fn from(&mut self, address: SocketAddr, anchor: AnchorId, packet: &[u8]) -> (Fate, Option<(Header, Vec<u8>)>) {
        self.advance(20);
        let mut packet = packet.to_vec();
        let fate = self.relay.receive(
            self.now,
            anchor.slot,
            Channel::Rtp,
            Datagram::whole(address, &mut packet),
            &mut self.out,
        );
        let Fate::Passed(departure) = &fate else { return (fate, None) };
        let bytes = packet[departure.place.clone()].to_vec();
        let header = rtp::read(&bytes).unwrap();
        let payload = bytes[header.payload.clone()].to_vec();
        (fate, Some((header, payload)))
    }

    /// A report of the caller's from an address.
    fn reports(&mut self, address: SocketAddr, packet: &[u8]) -> Fate {
        let mut packet = packet.to_vec();
        let datagram = Datagram::whole(address, &mut packet);
        self.relay.receive(self.now, CALLER.slot, Channel::Rtcp, datagram, &mut self.out)
    }

    fn passed(&mut self, phone: &Phone, packet: &[u8]) -> (Departure, Header, Vec<u8>) {
        let (fate, sent) = self.from(phone.address, phone.anchor, packet);
        let (Fate::Passed(departure), Some((header, payload))) = (fate, sent) else { panic!("not passed") };
        (departure, header, payload)
    }

    fn events(&mut self) -> Vec<Event> {
        let effects = std::mem::take(&mut self.out.effects);
        effects
            .into_iter()
            .filter_map(|effect| if let Effect::Report(event) = effect { Some(event) } else { None })
            .collect()
    }

    fn play(&mut self) -> Vec<(u32, Vec<u8>)> {
        self.advance(20);
        let mut sent = Vec::new();
        self.relay.play(self.now, &mut |slot, _, bytes| sent.push((slot, bytes.to_vec())), &mut self.out);
        sent
    }
}

#[test]
fn a_bridge_passes_both_ways_and_transcodes() {
    let (mut bench, mut caller, mut operator) = Bench::bridged(Codec::Pcma, Codec::Pcmu);
    let packet = caller.sound(4_000);
    let (departure, header, payload) = bench.passed(&caller, &packet);
    assert_eq!((departure.slot, departure.to, header.payload_type), (1, operator.address, 0));
    assert!(g711::decode(Codec::Pcmu, payload[0]).abs_diff(4_000) < 150);
    let packet = operator.sound(-700);
    let (departure, header, payload) = bench.passed(&operator, &packet);
    assert_eq!((departure.slot, departure.to, header.payload_type), (0, caller.address, 8));
    assert!(g711::decode(Codec::Pcma, payload[0]).abs_diff(-700) < 40);
    assert_eq!(bench.events(), [Event::Heard { anchor: CALLER }, Event::Heard { anchor: OPERATOR }]);
}

#[test]
fn a_third_address_neither_is_heard_nor_takes_over() {
    let (mut bench, mut caller, operator) = Bench::bridged(Codec::Pcma, Codec::Pcma);
    let thief: SocketAddr = "198.51.100.66:4000".parse().unwrap();
    let packet = caller.sound(1);
    bench.passed(&caller, &packet);
    for _ in 0..50 {
        let stolen = caller.sound(2); // the caller's own numbers
        assert_eq!(bench.from(thief, CALLER, &stolen).0, Fate::Foreign);
    }
    let mut reply = Phone::new(OPERATOR, Codec::Pcma);
    let packet = reply.sound(3);
    assert_eq!(bench.passed(&operator, &packet).0.to, caller.address);
    bench.command(Command::Close { anchor: CALLER });
    let Some(Event::Closed { quality, .. }) = bench.events().pop() else { panic!("not closed") };
    assert_eq!((quality.packets_foreign, quality.packets_in, quality.packets_out), (50, 1, 1));
}

#[test]
fn aiming_elsewhere_opens_the_latch_again_and_aiming_the_same_does_not() {
    let (mut bench, mut caller, _) = Bench::bridged(Codec::Pcma, Codec::Pcma);
    let packet = caller.sound(1);
    bench.passed(&caller, &packet);
    bench.command(Command::SetRemote { anchor: CALLER, remote: caller.remote() });
    let moved: SocketAddr = "192.0.2.1:9000".parse().unwrap();
    assert_eq!(bench.from(moved, CALLER, &caller.sound(1)).0, Fate::Foreign);
    let remote = Remote { rtp: moved, ..caller.remote() };
    bench.command(Command::SetRemote { anchor: CALLER, remote });
    assert!(matches!(bench.from(moved, CALLER, &caller.sound(1)).0, Fate::Passed(_)));
}

#[test]
fn the_peer_hears_one_stream_from_prompt_to_bridge_to_the_next_operator() {
    let (mut bench, mut caller, mut operator) = Bench::with_phones(Codec::Pcma, Codec::Pcma);
    let mut second = Phone::new(SECOND, Codec::Pcma);
    bench.open(&second);
    bench.command(Command::Play { anchor: CALLER, first: None, then: Some(Prompt::HoldTone) });
    let mut heard: Vec<Header> = (0..3).flat_map(|_| bench.play()).map(|(_, b)| rtp::read(&b).unwrap()).collect();
    bench.command(Command::Bridge { a: CALLER, b: OPERATOR });
    assert!(bench.play().is_empty(), "the bridge ends what plays");
    for _ in 0..3 {
        let packet = operator.sound(5);
        heard.push(bench.passed(&operator, &packet).1);
    }
    bench.command(Command::Close { anchor: OPERATOR });
    bench.command(Command::Bridge { a: CALLER, b: SECOND });
    for _ in 0..3 {
        let packet = second.sound(5);
        heard.push(bench.passed(&second, &packet).1);
    }
    let packet = caller.sound(5);
    assert_eq!(bench.passed(&caller, &packet).0.slot, SECOND.slot);
    assert_eq!(heard.len(), 9);
    for pair in heard.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
        assert!((160..=640).contains(&pair[1].timestamp.wrapping_sub(pair[0].timestamp)));
        assert_eq!(pair[1].ssrc, pair[0].ssrc);
    }
    let markers: Vec<bool> = heard.iter().map(|header| header.marker).collect();
    assert_eq!(markers, [true, false, false, true, false, false, true, false, false]);
}

#[test]
fn digits_pass_with_the_other_sides_type_and_are_told_once() {
    let (mut bench, mut caller, operator) = Bench::with_phones(Codec::Pcma, Codec::Pcma);
    let remote = Remote { dtmf: Some(96), ..operator.remote() };
    bench.command(Command::SetRemote { anchor: OPERATOR, remote });
    bench.command(Command::Bridge { a: CALLER, b: OPERATOR });
    for flags in [10, 10, 0x8a, 0x8a, 0x8a] {
        let mut packet = caller.packet(DTMF, &[9, flags, 1, 64]);
        packet[4..8].copy_from_slice(&777_u32.to_be_bytes());
        let (_, header, payload) = bench.passed(&caller, &packet);
        assert_eq!((header.payload_type, payload), (96, vec![9, flags, 1, 64]));
    }
    assert_eq!(bench.events(), [Event::Heard { anchor: CALLER }, Event::Digit { anchor: CALLER, digit: '9' }]);
}

#[test]
fn digits_are_heard_under_our_number_and_under_the_peers_own() {
    // Our offer said 101, the peer's answer 96 (RFC 3264 §6.1): it sends one or the other, and is sent 96.
    let (mut bench, mut caller, operator) = Bench::with_phones(Codec::Pcma, Codec::Pcma);
    let remote = Remote { dtmf: Some(96), dtmf_heard: Some(101), ..caller.remote() };
    bench.command(Command::SetRemote { anchor: CALLER, remote });
    bench.command(Command::Bridge { a: CALLER, b: OPERATOR });
    for (number, digit, timestamp) in [(101, 1, 1_000_u32), (96, 2, 2_000)] {
        let mut packet = caller.packet(number, &[digit, 0x8a, 1, 64]);
        packet[4..8].copy_from_slice(&timestamp.to_be_bytes());
        assert_eq!(bench.passed(&caller, &packet).1.payload_type, DTMF);
    }
    let digit = |digit| Event::Digit { anchor: CALLER, digit };
    assert_eq!(bench.events(), [Event::Heard { anchor: CALLER }, digit('1'), digit('2')]);
    let mut operator = operator;
    let packet = operator.packet(DTMF, &[3, 0x8a, 1, 64]);
    assert_eq!(bench.passed(&operator, &packet).1.payload_type, 96);
}

#[test]
fn unknown_types_and_comfort_noise_are_dropped_without_a_gap() {
    let (mut bench, mut caller, _) = Bench::bridged(Codec::Pcma, Codec::Pcma);
    let packet = caller.sound(1);
    let before = bench.passed(&caller, &packet).1;
    let noise = caller.packet(13, &[40]);
    assert_eq!(bench.from(caller.address, CALLER, &noise).0, Fate::Ignored);
    let packet = caller.sound(1);
    let after = bench.passed(&caller, &packet).1;
    assert_eq!(after.sequence, before.sequence.wrapping_add(1));
    assert_eq!(bench.from(caller.address, CALLER, b"no RTP").0, Fate::Ignored);
}

#[test]
fn a_peer_on_hold_is_not_sent_to() {
    let (mut bench, mut caller, operator) = Bench::bridged(Codec::Pcma, Codec::Pcma);
    let packet = caller.sound(1);
    let before = bench.passed(&caller, &packet).1;
    bench.command(Command::SetRemote { anchor: OPERATOR, remote: Remote { send: false, ..operator.remote() } });
    assert_eq!(bench.from(caller.address, CALLER, &caller.sound(1)).0, Fate::Taken);
    bench.command(Command::SetRemote { anchor: OPERATOR, remote: operator.remote() });
    let packet = caller.sound(1);
    assert_eq!(bench.passed(&caller, &packet).1.sequence, before.sequence.wrapping_add(1));
}

#[test]
fn a_limit_of_its_own_is_reported_sooner_and_even_after_silence_was_reported() {
    let (mut bench, mut caller, _) = Bench::with_phones(Codec::Pcma, Codec::Pcma);
    let limit = |limit| Command::LimitSilence { anchor: CALLER, limit };
    let own = Some(Duration::from_secs(3));
    let silent = Event::Silent { anchor: CALLER, limit: own };
    bench.command(limit(own));
    bench.from(caller.address, CALLER, &caller.sound(1));
    bench.events();
    for (millis, told) in [(2_900, false), (100, true), (1_000, false)] {
        bench.advance(millis);
        bench.relay.look_for_silence(bench.now, &mut bench.out);
        assert_eq!(bench.events().contains(&silent), told, "after {millis} ms more");
    }
    bench.command(limit(own));
    bench.relay.look_for_silence(bench.now, &mut bench.out);
    assert!(bench.events().contains(&silent), "asked for anew");
    bench.command(limit(None));
    bench.from(caller.address, CALLER, &caller.sound(1));
    bench.events();
    bench.advance(9_900);
    bench.relay.look_for_silence(bench.now, &mut bench.out);
    assert!(!bench.events().contains(&Event::Silent { anchor: CALLER, limit: None }), "as configured again");
}

#[test]
fn silence_is_told_once_until_sound_comes_back() {
    let (mut bench, mut caller, _) = Bench::with_phones(Codec::Pcma, Codec::Pcma);
    bench.advance(9_000);
    bench.from(caller.address, CALLER, &caller.sound(1));
    bench.advance(1_500);
    bench.events();
    for _ in 0..3 {
        bench.relay.look_for_silence(bench.now, &mut bench.out);
    }
    assert_eq!(bench.events(), [Event::Silent { anchor: OPERATOR, limit: None }]);
    bench.advance(9_000);
    bench.relay.look_for_silence(bench.now, &mut bench.out);
    assert_eq!(bench.events(), [Event::Silent { anchor: CALLER, limit: None }]);
    bench.from(caller.address, CALLER, &caller.sound(1));
    assert_eq!(bench.events(), [Event::Heard { anchor: CALLER }]);
    bench.advance(10_000);
    bench.relay.look_for_silence(bench.now, &mut bench.out);
    assert_eq!(bench.events(), [Event::Silent { anchor: CALLER, limit: None }]);
}

#[test]
fn a_prompt_without_a_loop_ends_with_played() {
    let (mut bench, ..) = Bench::with_phones(Codec::Pcma, Codec::Pcma);
    bench.command(Command::Play { anchor: CALLER, first: Some(Prompt::Confirm), then: None });
    let packets: usize = (0..5).map(|_| bench.play().len()).sum();
    assert_eq!((packets, bench.relay.is_playing()), (2, false));
    assert_eq!(bench.events(), [Event::Played { anchor: CALLER }]);
}

#[test]
fn commands_for_another_generation_are_ignored() {
    let (mut bench, mut caller, _) = Bench::bridged(Codec::Pcma, Codec::Pcma);
    let old = AnchorId { generation: 0, ..CALLER };
    for command in [
        Command::Close { anchor: old },
        Command::Unbridge { anchor: old },
        Command::SetRemote { anchor: old, remote: Phone::new(SECOND, Codec::Pcma).remote() },
        Command::Play { anchor: old, first: None, then: Some(Prompt::Queue) },
    ] {
        bench.command(command);
    }
    assert!(bench.events().is_empty());
    let packet = caller.sound(1);
    bench.passed(&caller, &packet);
    bench.command(Command::Close { anchor: CALLER });
    bench.command(Command::Close { anchor: CALLER });
    let closed = bench.events().into_iter().filter(|event| matches!(event, Event::Closed { anchor: CALLER, .. }));
    assert_eq!(closed.count(), 2, "who asks again is answered again");
    assert_eq!(bench.from(caller.address, CALLER, &caller.sound(1)).0, Fate::Ignored);
}

#[test]
fn a_recording_gets_what_both_say_and_ends_with_either_leg() {
    let (mut bench, mut caller, mut operator) = Bench::bridged(Codec::Pcma, Codec::Pcmu);
    let call = CallId::new(Timestamp::from_millis(1), &mut Rng::from_number(1));
    bench.out.effects.clear();
    bench.command(Command::Record { call, leg: LegNo(1), caller: CALLER, operator: OPERATOR });
    bench.command(Command::Record { call, leg: LegNo(1), caller: CALLER, operator: OPERATOR });
    bench.passed(&Phone::new(CALLER, Codec::Pcma), &caller.sound(1_000));
    let long = operator.packet(0, &[g711::encode(Codec::Pcmu, -1_000); 400]);
    bench.passed(&operator, &long);
    let frames: Vec<_> = bench.out.frames.iter().map(|f| (f.side, f.codec, f.length, f.timestamp)).collect();
    let timestamp = u32::from(operator.sequence) * 160;
    assert_eq!(frames[0].0, Side::Caller);
    assert_eq!(
        frames[1..],
        [0, 160, 320].map(|at| (Side::Operator, Codec::Pcmu, if at == 320 { 80 } else { 160 }, timestamp + at))
    );
    bench.command(Command::Close { anchor: OPERATOR });
    let recording = RecordingId(0);
    let effects: Vec<_> =
        bench.out.effects.iter().filter(|e| !matches!(e, Effect::Report(_) | Effect::Deaf(_))).collect();
    let started = Effect::StartRecording { recording, call, leg: LegNo(1) };
    assert_eq!(effects, [&started, &Effect::StopRecording(recording)]);
}

#[test]
fn reports_are_passed_over_a_bridge_and_answered_without() {
    let (mut bench, mut caller, mut operator) = Bench::with_phones(Codec::Pcma, Codec::Pcma);
    bench.from(caller.address, CALLER, &caller.sound(1));
    let mut report = vec![0x80, 200, 0, 6];
    report.resize(28, 0);
    let from = caller.remote().rtcp;
    let mut answer = [0; REPORT_BYTES_MAX];
    let fate = bench.reports(from, &report);
    assert_eq!(fate, Fate::Taken);
    let (to, length) = bench.relay.answer_report(0, &report, &mut answer).unwrap();
    assert!(to == from && rtcp::is_report(&answer[..length]));
    bench.command(Command::Bridge { a: CALLER, b: OPERATOR });
    bench.from(caller.address, CALLER, &caller.sound(1));
    bench.from(operator.address, OPERATOR, &operator.sound(1));
    let fate = bench.reports(from, &report);
    let to = operator.remote().rtcp;
    assert_eq!(fate, Fate::Passed(Departure { slot: 1, channel: Channel::Rtcp, to, place: 0..28 }));
    let thief = "198.51.100.66:4001".parse().unwrap();
    let fate = bench.reports(thief, &report);
    assert_eq!(fate, Fate::Foreign);
}

#[test]
fn a_digit_that_is_pressed_takes_the_place_of_sound_and_then_sound_goes_on() {
    let (mut bench, mut caller, mut operator) = Bench::bridged(Codec::Pcma, Codec::Pcmu);
    let packet = caller.sound(4_000);
    let (_, before, _) = bench.passed(&caller, &packet);
    bench.command(Command::Press { anchor: OPERATOR, digit: '5' });
    let mut numbers = Vec::new();
    for nth in 0..7 {
        let [(slot, event)] = &bench.play()[..] else { panic!("one packet each 20 ms") };
        let header = rtp::read(event).unwrap();
        assert_eq!((*slot, header.payload_type, header.marker), (OPERATOR.slot, DTMF, nth == 0));
        assert_eq!(event.get(12), Some(&5));
        numbers.push((header.sequence, header.timestamp));
        if nth < 6 {
            // What the caller says meanwhile is not heard; the caller hears the operator all the time.
            let packet = caller.sound(4_000);
            assert_eq!(bench.from(caller.address, CALLER, &packet).0, Fate::Taken);
            let packet = operator.sound(4_000);
            bench.passed(&operator, &packet);
        }
    }
    assert!(numbers.windows(2).all(|two| two[1] == (two[0].0.wrapping_add(1), two[0].1)), "{numbers:?}");
    let packet = caller.sound(4_000);
    let (_, after, _) = bench.passed(&caller, &packet);
    assert_eq!((after.sequence, after.marker), (before.sequence.wrapping_add(8), true));
    let passed = after.timestamp.wrapping_sub(numbers[0].1);
    assert!(passed >= 6 * 160, "{passed} samples");
    while bench.relay.is_playing() {
        assert_eq!(bench.play(), []);
    }
}

#[test]
fn no_digit_is_sent_to_a_leg_without_telephone_events_or_bridge() {
    let (mut bench, caller, _) = Bench::bridged(Codec::Pcma, Codec::Pcmu);
    bench.command(Command::Press { anchor: CALLER, digit: 'x' });
    let remote = Remote { dtmf: None, ..caller.remote() };
    bench.command(Command::SetRemote { anchor: CALLER, remote });
    bench.command(Command::Press { anchor: CALLER, digit: '5' });
    assert!(!bench.relay.is_playing());
    bench.command(Command::Press { anchor: OPERATOR, digit: '5' });
    bench.command(Command::Unbridge { anchor: CALLER });
    assert_eq!(bench.play(), []);
    assert!(!bench.relay.is_playing());
}

#[test]
fn reports_go_to_the_signalled_address_as_soon_as_it_reports_and_no_other_port_takes_over() {
    let (mut bench, mut caller, mut operator) = Bench::bridged(Codec::Pcma, Codec::Pcma);
    bench.from(caller.address, CALLER, &caller.sound(1));
    bench.from(operator.address, OPERATOR, &operator.sound(1));
    let mut report = vec![0x80, 200, 0, 6];
    report.resize(28, 0);
    let target = |bench: &Bench| bench.relay.anchors[0].as_ref().unwrap().report_target();
    let (signalled, first) = (caller.remote().rtcp, SocketAddr::new(caller.address.ip(), 7_777));
    assert!(matches!(bench.reports(first, &report), Fate::Passed(_)), "another port of the host");
    assert_eq!(target(&bench), Some(first));
    assert!(matches!(bench.reports(signalled, &report), Fate::Passed(_)));
    assert_eq!(target(&bench), Some(signalled));
    assert_eq!(bench.reports(first, &report), Fate::Foreign, "the first sender of reports does not stay accepted");
    assert_eq!(target(&bench), Some(signalled));
    // If a peer's reports move with its media, the new source is used once the old one is silent.
    bench.advance(15_000);
    assert!(matches!(bench.reports(first, &report), Fate::Passed(_)));
    assert_eq!(target(&bench), Some(first));
}

#[test]
fn a_peer_that_rtp_arrives_after_a_silence_is_reported() {
    let (mut bench, mut caller, _) = Bench::bridged(Codec::Pcma, Codec::Pcma);
    bench.from(caller.address, CALLER, &caller.sound(1));
    bench.advance(10_000);
    bench.relay.look_for_silence(bench.now, &mut bench.out);
    let silent = [OPERATOR, CALLER].map(|anchor| Event::Silent { anchor, limit: None });
    let events = bench.events();
    assert!(silent.iter().all(|silent| events.contains(silent)), "{events:?}");
    bench.from(caller.address, CALLER, &caller.sound(1));
    bench.from(caller.address, CALLER, &caller.sound(1));
    assert_eq!(bench.events(), [Event::Heard { anchor: CALLER }]);
}
