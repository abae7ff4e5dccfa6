//! Rooms, told by packets: each phone says a constant, so that sums tell who is heard.

use super::*;
use crate::media::command::Party;

const THIRD: AnchorId = AnchorId { slot: 3, generation: 1 };
const ALL: [AnchorId; 4] = [CALLER, OPERATOR, SECOND, THIRD];

fn room() -> CallId {
    CallId::new(Timestamp::from_millis(1), &mut Rng::from_number(1))
}

/// Four phones with different codecs, and which of them hear each other.
fn seated(hears: &[u8]) -> (Bench, Vec<Phone>) {
    let mut bench = Bench::new();
    let law = |i: usize| if i.is_multiple_of(2) { Codec::Pcma } else { Codec::Pcmu };
    let phones: Vec<Phone> = ALL.into_iter().enumerate().map(|(i, anchor)| Phone::new(anchor, law(i))).collect();
    phones.iter().for_each(|phone| bench.open(phone));
    bench.mix(hears);
    bench.out.effects.clear();
    (bench, phones)
}

fn parties(hears: &[u8]) -> Vec<Party> {
    // The fourth whispers: this voice is not recorded.
    let party = |(anchor, hears): (AnchorId, &u8)| Party { anchor, hears: *hears, recorded: anchor != THIRD };
    ALL.into_iter().zip(hears).map(party).collect()
}

impl Bench {
    fn mix(&mut self, hears: &[u8]) {
        self.command(Command::Mix { room: room(), parties: parties(hears) });
    }

    /// Everybody talks for some frames: 1000, 2000, 4000, 8000. Gives what each hears in the last of them.
    fn talk(&mut self, phones: &mut [Phone]) -> Vec<Option<i16>> {
        let mut heard = vec![None; ALL.len()];
        for _ in 0..6 {
            heard.fill(None);
            for (i, phone) in phones.iter_mut().enumerate() {
                let packet = phone.sound(1_000 << i);
                // The clock stands still while the packets of one frame come in.
                self.now = Instant::from_nanos(self.now.as_nanos() - 20_000_000);
                self.from(phone.address, phone.anchor, &packet);
            }
            for (slot, bytes) in self.play() {
                let header = rtp::read(&bytes).unwrap();
                let law = if header.payload_type == 8 { Codec::Pcma } else { Codec::Pcmu };
                let slot = usize::try_from(slot).unwrap();
                let was = heard[slot].replace(g711::decode(law, bytes[header.payload][80]));
                assert_eq!(was, None, "two packets to {slot} in one frame");
            }
        }
        heard
    }

    fn assert_heard(&mut self, phones: &mut [Phone], sums: [Option<i16>; 4]) {
        for (slot, (heard, sum)) in self.talk(phones).into_iter().zip(sums).enumerate() {
            let near = match (heard, sum) {
                (Some(heard), Some(sum)) => heard.abs_diff(sum) <= 20 + sum.unsigned_abs() / 16,
                (heard, sum) => heard == sum,
            };
            assert!(near, "slot {slot} hears {heard:?}, {sum:?} is right");
        }
    }
}

#[test]
fn each_party_in_a_conference_hears_the_others_in_its_own_codec() {
    let (mut bench, mut phones) = seated(&[0b1110, 0b1101, 0b1011, 0b0111]);
    assert!(bench.relay.is_playing(), "a room wants its ticks");
    bench.assert_heard(&mut phones, [Some(14_000), Some(13_000), Some(11_000), Some(7_000)]);
}

#[test]
fn the_audible_parties_change_without_a_gap_in_the_stream() {
    let (mut bench, mut phones) = seated(&[0b0010, 0b0101, 0b0011]);
    bench.assert_heard(&mut phones, [Some(2_000), Some(5_000), Some(3_000), None]);
    let mut numbers: Vec<u16> = Vec::new();
    let mut listens = |bench: &mut Bench| {
        let sent = bench.play().into_iter().find(|(slot, _)| *slot == 0).unwrap().1;
        numbers.push(rtp::read(&sent).unwrap().sequence);
    };
    listens(&mut bench);
    bench.mix(&[0b0110, 0b0101, 0b0011]);
    listens(&mut bench);
    bench.mix(&[0b0110, 0b0101, 0b0011]);
    listens(&mut bench);
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)), "{numbers:?}");
    bench.assert_heard(&mut phones, [Some(6_000), Some(5_000), Some(3_000), None]);
}

#[test]
fn a_party_that_leaves_is_heard_no_more_and_its_audio_goes_to_no_other() {
    let (mut bench, mut phones) = seated(&[0b1110, 0b1101, 0b1011, 0b0111]);
    bench.talk(&mut phones);
    bench.mix(&[0b110, 0b101, 0b011]);
    bench.assert_heard(&mut phones, [Some(6_000), Some(5_000), Some(3_000), None]);
    bench.command(Command::Close { anchor: SECOND });
    bench.assert_heard(&mut phones, [Some(2_000), Some(1_000), None, None]);
}

#[test]
fn a_bridge_takes_its_two_out_of_the_room_and_the_last_closes_it() {
    let (mut bench, mut phones) = seated(&[0b110, 0b101, 0b011]);
    bench.talk(&mut phones);
    bench.command(Command::Bridge { a: CALLER, b: OPERATOR });
    let packet = phones[0].sound(700);
    assert_eq!(bench.passed(&phones[0], &packet).0.slot, OPERATOR.slot);
    assert!(bench.relay.is_playing());
    bench.command(Command::Close { anchor: SECOND });
    assert!(!bench.relay.is_playing());
}

#[test]
fn the_end_of_a_room_gives_the_bridge_back_and_room_ends_a_bridge() {
    let (mut bench, mut caller, mut operator) = Bench::bridged(Codec::Pcma, Codec::Pcma);
    bench.command(Command::Mix { room: room(), parties: parties(&[0b10, 0b01]) });
    assert_eq!(bench.from(caller.address, CALLER, &caller.sound(1)).0, Fate::Taken, "nothing is passed on directly");
    bench.command(Command::Unmix { room: room() });
    bench.command(Command::Unmix { room: room() });
    assert!(!bench.relay.is_playing());
    bench.command(Command::Bridge { a: CALLER, b: OPERATOR });
    let packet = operator.sound(1);
    assert_eq!(bench.passed(&operator, &packet).0.slot, CALLER.slot);
}

#[test]
fn a_prompt_replaces_the_audio_of_the_conference() {
    let (mut bench, mut phones) = seated(&[0b10, 0b01]);
    bench.command(Command::Play { anchor: CALLER, first: Some(Prompt::Confirm), then: Some(Prompt::Confirm) });
    bench.assert_heard(&mut phones, [Some(900), Some(1_000), None, None]);
    bench.mix(&[0b10, 0b01]);
    bench.assert_heard(&mut phones, [Some(900), Some(1_000), None, None]);
    bench.command(Command::Stop { anchor: CALLER });
    bench.assert_heard(&mut phones, [Some(2_000), Some(1_000), None, None]);
}

#[test]
fn a_party_on_hold_is_not_sent_to() {
    let (mut bench, mut phones) = seated(&[0b110, 0b101, 0b011]);
    bench.command(Command::SetRemote { anchor: OPERATOR, remote: Remote { send: false, ..phones[1].remote() } });
    bench.assert_heard(&mut phones, [Some(6_000), None, Some(3_000), None]);
}

#[test]
fn a_digit_in_a_room_is_told_and_not_heard() {
    let (mut bench, mut phones) = seated(&[0b110, 0b101, 0b011]);
    bench.talk(&mut phones);
    bench.events();
    for flags in [10, 0x8a, 0x8a] {
        let mut packet = phones[2].packet(DTMF, &[9, flags, 1, 64]);
        packet[4..8].copy_from_slice(&777_u32.to_be_bytes());
        assert_eq!(bench.from(phones[2].address, SECOND, &packet).0, Fate::Taken);
    }
    assert_eq!(bench.events(), [Event::Digit { anchor: SECOND, digit: '9' }]);
    for _ in 0..8 {
        assert!(bench.play().iter().all(|(_, bytes)| rtp::read(bytes).unwrap().payload_type != DTMF));
    }
}

#[test]
fn the_recording_has_the_caller_left_and_all_but_the_whisperer_right() {
    let (mut bench, mut phones) = seated(&[0b0110, 0b1101, 0b0011, 0b0111]);
    bench.command(Command::Record { call: room(), leg: LegNo(1), caller: CALLER, operator: OPERATOR });
    bench.talk(&mut phones);
    let frames = std::mem::take(&mut bench.out.frames);
    let of = |side| frames.iter().filter(move |frame| frame.side == side);
    assert_eq!((of(Side::Caller).count(), of(Side::Operator).count()), (6, 6));
    for (side, sum) in [(Side::Caller, 1_000_i16), (Side::Operator, 6_000)] {
        let level = of(side).next_back().map(|frame| g711::decode(frame.codec, frame.sound()[80])).unwrap();
        assert!(level.abs_diff(sum) < 250, "{side:?}: {level}");
        let stamps: Vec<u32> = of(side).map(|frame| frame.timestamp).collect();
        assert!(stamps.windows(2).all(|pair| pair[1] - pair[0] == 160), "{stamps:?}");
    }
    bench.command(Command::Unmix { room: room() });
    bench.command(Command::Bridge { a: CALLER, b: OPERATOR });
    let packet = phones[0].sound(5);
    bench.passed(&phones[0], &packet);
    assert_eq!(bench.out.frames.len(), 1, "and goes on over the bridge");
}

#[test]
fn a_party_that_is_gone_or_of_another_generation_has_no_seat() {
    let (mut bench, mut phones) = seated(&[]);
    assert!(!bench.relay.is_playing());
    let old = AnchorId { generation: 0, ..SECOND };
    let mut list = parties(&[0b110, 0b101, 0b011]);
    list[2].anchor = old;
    bench.command(Command::Mix { room: room(), parties: list });
    bench.assert_heard(&mut phones, [Some(2_000), Some(1_000), None, None]);
    let (given, mut out) = (bench.relay.give(OPERATOR.slot, &mut bench.out).unwrap(), Out::default());
    bench.relay.adopt(OPERATOR.slot, given, &mut out);
    bench.assert_heard(&mut phones, [Some(0), None, None, None]);
}
