//! The relay between a phone with SRTP and a plain trunk.

use super::*;
use crate::media::srtp::{Keys, MasterKey, RTCP_OVERHEAD_MAX, RTP_OVERHEAD_MAX, Session, Suite};

fn keys(ours: u8, theirs: u8) -> Keys {
    let master = |seed: u8| MasterKey { key: [seed; 16], salt: [seed; 14] };
    Keys { suite: Suite::Sha1_80, ours: master(ours), theirs: master(theirs), mki_bytes: 0 }
}

/// A plain caller and an operator with SRTP, bridged; and the operator's end of the keys.
fn setup() -> (Bench, Phone, Phone, Session) {
    let (mut bench, caller, operator) = Bench::with_phones(Codec::Pcma, Codec::Pcmu);
    bench.aim_secret(&operator, keys(1, 2));
    bench.command(Command::Bridge { a: CALLER, b: OPERATOR });
    (bench, caller, operator, Session::new(keys(2, 1)))
}

impl Bench {
    fn aim_secret(&mut self, phone: &Phone, keys: Keys) {
        let remote = Remote { srtp: Some(keys), ..phone.remote() };
        self.command(Command::SetRemote { anchor: phone.anchor, remote });
    }

    /// A packet with room behind it; what goes out as it stands on the wire.
    fn wire(&mut self, address: SocketAddr, anchor: AnchorId, channel: Channel, packet: &[u8]) -> (Fate, Vec<u8>) {
        self.advance(20);
        let mut room = packet.to_vec();
        room.resize(packet.len() + RTCP_OVERHEAD_MAX, 0);
        let datagram = Datagram { from: address, room: &mut room, length: packet.len() };
        let fate = self.relay.receive(self.now, anchor.slot, channel, datagram, &mut self.out);
        let sent =
            if let Fate::Passed(departure) = &fate { room[departure.place.clone()].to_vec() } else { Vec::new() };
        (fate, sent)
    }
}

fn sealed(session: &mut Session, packet: &[u8]) -> Vec<u8> {
    let mut room = packet.to_vec();
    room.resize(packet.len() + RTP_OVERHEAD_MAX, 0);
    let length = session.seal(&mut room, packet.len()).unwrap();
    room.truncate(length);
    room
}

fn sound_of(packet: &[u8], codec: Codec) -> i16 {
    let header = rtp::read(packet).unwrap();
    g711::decode(codec, packet[header.payload.start])
}

#[test]
fn sound_is_secret_towards_the_phone_and_plain_towards_the_trunk() {
    let (mut bench, mut caller, mut operator, mut phone) = setup();
    for n in 0..200_i16 {
        let said = caller.sound(n * 100);
        let expected = sound_of(&said, Codec::Pcma);
        let (_, mut sent) = bench.wire(caller.address, CALLER, Channel::Rtp, &said);
        assert_eq!(sent.len(), 182);
        let length = phone.open(&mut sent).unwrap();
        assert!((sound_of(&sent[..length], Codec::Pcmu) - expected).abs() <= expected.abs() / 16 + 16);

        let secret = sealed(&mut phone, &operator.sound(n * 50));
        let (_, sent) = bench.wire(operator.address, OPERATOR, Channel::Rtp, &secret);
        assert_eq!((sent.len(), rtp::read(&sent).unwrap().payload_type), (172, 8));
        assert!((sound_of(&sent, Codec::Pcma) - n * 50).abs() <= n * 50 / 16 + 16);
    }
    assert!(bench.events().contains(&Event::Heard { anchor: OPERATOR }));
}

#[test]
fn what_is_not_signed_is_not_heard_does_not_latch_and_is_counted() {
    let (mut bench, _, mut operator, mut phone) = setup();
    let elsewhere: SocketAddr = "198.51.100.7:9000".parse().unwrap();
    for address in [elsewhere, operator.address] {
        for _ in 0..10 {
            let plain = operator.sound(1);
            assert_eq!(bench.wire(address, OPERATOR, Channel::Rtp, &plain).0, Fate::Foreign);
        }
    }
    let expected = Some(operator.address);
    assert_eq!(bench.events(), [Event::Foreign { anchor: OPERATOR, from: elsewhere, expected }], "reported once");
    let secret = sealed(&mut phone, &operator.sound(1));
    assert!(matches!(bench.wire(operator.address, OPERATOR, Channel::Rtp, &secret).0, Fate::Passed(_)));
    assert_eq!(bench.wire(operator.address, OPERATOR, Channel::Rtp, &secret).0, Fate::Ignored, "a replay");
    assert_eq!(bench.events(), [Event::Heard { anchor: OPERATOR }]);
    bench.command(Command::Close { anchor: OPERATOR });
    let closed = bench.events();
    let [Event::Closed { quality, .. }] = &closed[..] else { panic!("{closed:?}") };
    assert_eq!((quality.packets_in, quality.packets_foreign), (1, 20));
}

#[test]
fn prompts_and_reports_are_secret_too() {
    let (mut bench, mut caller, mut operator, mut phone) = setup();
    bench.wire(caller.address, CALLER, Channel::Rtp, &caller.sound(1));
    let secret = sealed(&mut phone, &operator.sound(1));
    bench.wire(operator.address, OPERATOR, Channel::Rtp, &secret);
    let mut report = vec![0x80, 200, 0, 6];
    report.resize(28, 0);
    let (_, mut sent) = bench.wire(caller.remote().rtcp, CALLER, Channel::Rtcp, &report);
    let length = phone.open_report(&mut sent).unwrap();
    assert!(length == 28 && rtcp::is_report(&sent[..length]));
    assert_eq!(bench.wire(operator.remote().rtcp, OPERATOR, Channel::Rtcp, &report).0, Fate::Foreign);
    let mut room = [&report[..], &[0; RTCP_OVERHEAD_MAX]].concat();
    let length = phone.seal_report(&mut room, 28).unwrap();
    let (_, sent) = bench.wire(operator.remote().rtcp, OPERATOR, Channel::Rtcp, &room[..length]);
    assert!(sent.len() == 28 && rtcp::is_report(&sent));

    bench.command(Command::Unbridge { anchor: OPERATOR });
    let mut answer = [0; REPORT_BYTES_MAX];
    let (_, length) = bench.relay.answer_report(1, &report, &mut answer).unwrap();
    let length = phone.open_report(&mut answer[..length]).unwrap();
    assert!(rtcp::is_report(&answer[..length]));
    bench.command(Command::Play { anchor: OPERATOR, first: None, then: Some(Prompt::HoldTone) });
    let mut heard = Vec::new();
    let now = bench.now;
    bench.relay.play(now, &mut |slot, _, packet| heard.push((slot, packet.to_vec())), &mut bench.out);
    let [(1, packet)] = &mut heard[..] else { panic!("{heard:?}") };
    assert_eq!(phone.open(packet), Ok(FRAME_SAMPLES + 12));
}

#[test]
fn aiming_again_keeps_the_counters_and_a_new_key_starts_anew() {
    let (mut bench, _, mut operator, mut phone) = setup();
    operator.sequence = 65_534;
    for _ in 0..3 {
        let secret = sealed(&mut phone, &operator.sound(1));
        assert!(matches!(bench.wire(operator.address, OPERATOR, Channel::Rtp, &secret).0, Fate::Passed(_)));
    }
    bench.aim_secret(&operator, keys(1, 2));
    let secret = sealed(&mut phone, &operator.sound(1));
    assert!(matches!(bench.wire(operator.address, OPERATOR, Channel::Rtp, &secret).0, Fate::Passed(_)));
    bench.aim_secret(&operator, keys(5, 6));
    let old = sealed(&mut phone, &operator.sound(1));
    assert_eq!(bench.wire(operator.address, OPERATOR, Channel::Rtp, &old).0, Fate::Foreign);
    phone.rekey(keys(6, 5));
    let secret = sealed(&mut phone, &operator.sound(1));
    assert!(matches!(bench.wire(operator.address, OPERATOR, Channel::Rtp, &secret).0, Fate::Passed(_)));
    bench.command(Command::SetRemote { anchor: OPERATOR, remote: operator.remote() });
    let plain = operator.sound(1);
    assert!(matches!(bench.wire(operator.address, OPERATOR, Channel::Rtp, &plain).0, Fate::Passed(_)));
}

#[test]
fn a_packet_without_room_for_its_tag_is_not_sent() {
    let (mut bench, mut caller, ..) = setup();
    assert_eq!(bench.from(caller.address, CALLER, &caller.sound(1)).0, Fate::Taken);
}
