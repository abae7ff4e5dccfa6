//! SRTP from one end to the other.

use data_encoding::HEXLOWER_PERMISSIVE;
use proptest::prelude::*;

use super::*;

fn master(seed: u8) -> MasterKey {
    MasterKey { key: [seed; 16], salt: [seed ^ 0x5a; 14] }
}

fn keys(suite: Suite, ours: u8, theirs: u8) -> Keys {
    Keys { suite, ours: master(ours), theirs: master(theirs), mki_bytes: 0 }
}

/// Two ends that hear each other.
fn ends(suite: Suite) -> (Session, Session) {
    (Session::new(keys(suite, 1, 2)), Session::new(keys(suite, 2, 1)))
}

fn packet(sequence: u16, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 8];
    packet.extend(sequence.to_be_bytes());
    packet.extend([0, 0, 0, 160]);
    packet.extend(ssrc.to_be_bytes());
    packet.extend(payload);
    packet
}

fn sealed(from: &mut Session, packet: &[u8]) -> Option<Vec<u8>> {
    let mut room = packet.to_vec();
    room.resize(packet.len() + RTP_OVERHEAD_MAX, 0xee);
    let length = from.seal(&mut room, packet.len())?;
    room.truncate(length);
    Some(room)
}

fn sealed_report(from: &mut Session, packet: &[u8]) -> Vec<u8> {
    let mut room = packet.to_vec();
    room.resize(packet.len() + RTCP_OVERHEAD_MAX, 0xee);
    let length = from.seal_report(&mut room, packet.len()).unwrap();
    room.truncate(length);
    room
}

fn opened(at: &mut Session, packet: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut packet = packet.to_vec();
    let length = at.open(&mut packet)?;
    packet.truncate(length);
    Ok(packet)
}

fn opened_report(at: &mut Session, packet: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut packet = packet.to_vec();
    let length = at.open_report(&mut packet)?;
    packet.truncate(length);
    Ok(packet)
}

/// The packets that libsrtp's own test expects of these keys.
#[test]
fn another_implementation_makes_the_same_packets() {
    let bytes = |text: &str| HEXLOWER_PERMISSIVE.decode(text.as_bytes()).unwrap();
    let master = MasterKey {
        key: bytes("e1f97a0d3e018be0d64fa32c06de4139").try_into().unwrap(),
        salt: bytes("0ec675ad498afeebb6960b3aabe6").try_into().unwrap(),
    };
    let keys = Keys { suite: Suite::Sha1_80, ours: master, theirs: master, mki_bytes: 0 };
    let (mut ours, mut theirs) = (Session::new(keys), Session::new(keys));
    let plain = bytes("800f1234decafbadcafebabeabababababababababababababababab");
    let secret = bytes("800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb");
    assert_eq!(sealed(&mut ours, &plain), Some(secret.clone()));
    assert_eq!(opened(&mut theirs, &secret), Ok(plain));
    let plain = bytes("81c8000bcafebabeabababababababababababababababab");
    let secret = bytes("81c8000bcafebabe7128035be487b9bdbef89041f977a5a880000001993e08cd54d6c1230798");
    assert_eq!(opened_report(&mut theirs, &secret), Ok(plain.clone()));
    // It counts from 1, we from 0 (RFC 3711 §3.4).
    sealed_report(&mut ours, &plain);
    assert_eq!(sealed_report(&mut ours, &plain), secret);
}

#[test]
fn the_short_tag_is_for_sound_only() {
    let (mut caller, mut operator) = ends(Suite::Sha1_32);
    let plain = packet(1, 7, &[9; 160]);
    let secret = sealed(&mut caller, &plain).unwrap();
    assert_eq!(secret.len(), plain.len() + 4);
    assert_eq!(opened(&mut operator, &secret), Ok(plain));
    let plain = [0x80, 201, 0, 1, 0, 0, 0, 7];
    let secret = sealed_report(&mut caller, &plain);
    assert_eq!(secret.len(), plain.len() + 14);
    assert_eq!(opened_report(&mut operator, &secret).as_deref(), Ok(&plain[..]));
}

#[test]
fn a_report_that_is_signed_but_not_encrypted_is_taken() {
    let (caller, mut operator) = ends(Suite::Sha1_80);
    let plain = vec![0x80, 201, 0, 1, 0, 0, 0, 7];
    let mut open = [&plain[..], &5_u32.to_be_bytes()].concat();
    let mut tag = [0; TAG_BYTES_MAX];
    caller.outbound.rtcp.sign(&open, [], &mut tag);
    open.extend(tag);
    assert_eq!(opened_report(&mut operator, &open), Ok(plain));
    assert_eq!(opened_report(&mut operator, &open), Err(Refusal::Replayed));
}

#[test]
fn a_key_identifier_of_the_peer_is_stepped_over() {
    let (mut caller, mut operator) = ends(Suite::Sha1_80);
    operator.rekey(Keys { mki_bytes: 4, ..keys(Suite::Sha1_80, 2, 1) });
    let plain = packet(1, 7, &[9; 160]);
    let mut secret = sealed(&mut caller, &plain).unwrap();
    let at = secret.len() - TAG_BYTES_MAX;
    secret.splice(at..at, [0, 0, 0, 1]);
    assert_eq!(opened(&mut operator, &secret), Ok(plain));
}

#[test]
fn a_place_in_the_stream_is_encrypted_once() {
    let (mut caller, _) = ends(Suite::Sha1_80);
    assert!(sealed(&mut caller, &packet(500, 7, b"one")).is_some());
    assert_eq!(sealed(&mut caller, &packet(500, 7, b"two")), None);
    assert!(sealed(&mut caller, &packet(499, 7, b"late")).is_some());
    assert_eq!(sealed(&mut caller, &packet(400, 7, b"too late to tell")), None);
}

#[test]
fn the_same_keys_go_on_and_new_ones_start_anew() {
    let (mut caller, mut operator) = ends(Suite::Sha1_80);
    for sequence in [65_535, 0, 1] {
        let secret = sealed(&mut caller, &packet(sequence, 7, b"sound")).unwrap();
        assert!(opened(&mut operator, &secret).is_ok());
    }
    let old = sealed(&mut caller, &packet(2, 7, b"sound")).unwrap();
    caller.rekey(keys(Suite::Sha1_80, 1, 2));
    operator.rekey(keys(Suite::Sha1_80, 2, 1));
    let secret = sealed(&mut caller, &packet(3, 7, b"same keys")).unwrap();
    assert!(opened(&mut operator, &secret).is_ok(), "the counters are still one rollover on");
    caller.rekey(keys(Suite::Sha1_80, 3, 2));
    operator.rekey(keys(Suite::Sha1_80, 2, 3));
    assert_eq!(opened(&mut operator, &old), Err(Refusal::Forged));
    let secret = sealed(&mut caller, &packet(3, 7, b"new key")).unwrap();
    assert!(opened(&mut operator, &secret).is_ok());
    let mut late = Session::new(keys(Suite::Sha1_80, 2, 3));
    assert!(opened(&mut late, &secret).is_ok(), "the counter is zero again");
    // The other direction kept its key and its place.
    let back = sealed(&mut operator, &packet(9, 8, b"back")).unwrap();
    assert!(opened(&mut caller, &back).is_ok());
    assert_eq!(opened(&mut caller, &back), Err(Refusal::Replayed));
}

#[test]
fn each_source_has_its_own_place_and_the_one_heard_longest_ago_is_forgotten() {
    let (_, mut operator) = ends(Suite::Sha1_80);
    let from = |ssrc: u32| {
        let (mut caller, _) = ends(Suite::Sha1_80);
        sealed(&mut caller, &packet(7, ssrc, b"sound")).unwrap()
    };
    let many = u32::try_from(SRTP_SOURCES_MAX).unwrap();
    for ssrc in 0..many {
        assert!(opened(&mut operator, &from(ssrc)).is_ok());
    }
    for ssrc in 0..many {
        assert_eq!(opened(&mut operator, &from(ssrc)), Err(Refusal::Replayed), "{ssrc}");
    }
    assert!(opened(&mut operator, &from(many)).is_ok());
    assert_eq!(opened(&mut operator, &from(1)), Err(Refusal::Replayed));
    assert!(opened(&mut operator, &from(0)).is_ok());
}

#[test]
fn keys_are_shown_nowhere() {
    let secret = MasterKey { key: *b"0123456789abcdef", salt: *b"saltsaltsaltsa" };
    let keys = Keys { suite: Suite::Sha1_80, ours: secret, theirs: secret, mki_bytes: 0 };
    let shown = format!("{keys:?} {:?}", Session::new(keys));
    for part in ["0123", "salt", "48, 49", "115, 97", "0x30"] {
        assert!(!shown.contains(part), "{shown}");
    }
}

/// Any RTP packet: contributing sources, extension, padding flag and payload.
fn any_packet() -> impl Strategy<Value = Vec<u8>> {
    let parts = (0..16_u8, any::<bool>(), 0..6_u16, any::<bool>(), any::<[u8; 11]>());
    (parts, prop::collection::vec(any::<u8>(), 0..400)).prop_map(
        |((sources, extended, words, padded, head), payload)| {
            let mut packet = vec![0x80 | u8::from(padded) << 5 | u8::from(extended) << 4 | sources];
            packet.extend(head);
            packet.extend(vec![0xc5; usize::from(sources) * 4]);
            if extended {
                packet.extend([0xbe, 0xde]);
                packet.extend(words.to_be_bytes());
                packet.extend(vec![0xe7; usize::from(words) * 4]);
            }
            packet.extend(payload);
            packet
        },
    )
}

fn any_suite() -> impl Strategy<Value = Suite> {
    prop_oneof![Just(Suite::Sha1_80), Just(Suite::Sha1_32)]
}

proptest! {
    #[test]
    fn any_packet_comes_back(plain in any_packet(), suite in any_suite()) {
        let (mut caller, mut operator) = ends(suite);
        let secret = sealed(&mut caller, &plain).unwrap();
        prop_assert_eq!(opened(&mut operator, &secret), Ok(plain.clone()));
        prop_assert_eq!(opened(&mut operator, &secret), Err(Refusal::Replayed));
        let mut report = plain;
        report.truncate(report.len() / 4 * 4);
        let secret = sealed_report(&mut caller, &report);
        prop_assert_eq!(opened_report(&mut operator, &secret), Ok(report));
        prop_assert_eq!(opened_report(&mut operator, &secret), Err(Refusal::Replayed));
    }

    #[test]
    fn any_flipped_bit_is_refused(plain in any_packet(), suite in any_suite(), bit in any::<prop::sample::Index>()) {
        let (mut caller, mut operator) = ends(suite);
        for report in [false, true] {
            let whole = if report { sealed_report(&mut caller, &plain) } else { sealed(&mut caller, &plain).unwrap() };
            let bit = bit.index(whole.len() * 8);
            let mut changed = whole.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let open = if report { opened_report } else { opened };
            prop_assert!(open(&mut operator, &changed).is_err());
            prop_assert!(open(&mut operator, &whole).is_ok(), "a forgery leaves no trace");
        }
    }

    #[test]
    fn any_bytes_do_no_harm(mut bytes in prop::collection::vec(any::<u8>(), 0..80), length in 0..90_usize) {
        let (mut caller, mut operator) = ends(Suite::Sha1_32);
        prop_assert!(operator.open(&mut bytes.clone()).is_err());
        prop_assert!(operator.open_report(&mut bytes.clone()).is_err());
        caller.seal(&mut bytes, length);
        caller.seal_report(&mut bytes, length);
    }

    /// Loss, reordering and repetition over any number of rollovers: every packet within reach opens once.
    #[test]
    fn the_rollover_counter_survives_bad_lines(
        start in any::<u16>(),
        line in prop::collection::vec((1..9_000_u64, 0..4_u64, any::<bool>()), 1..120),
    ) {
        let (mut caller, mut operator) = ends(Suite::Sha1_80);
        // The first packets arrive in order: a stream that begins in the middle shows no more.
        let mut index = u64::from(start);
        let mut arrivals = Vec::new();
        for (at, (step, delay, lost)) in (0_u64..).zip(&line) {
            let plain = packet((index & 0xffff) as u16, 7, &index.to_be_bytes());
            let secret = sealed(&mut caller, &plain).unwrap();
            // A run of losses does not reach half of the sequence numbers: beyond that it is undefined (RFC 3711 §3.3.1).
            if !lost || *step > 8_000 || at == 0 {
                arrivals.push((if at == 0 { 0 } else { 1 + at + delay }, index, plain, secret));
            }
            index += if *step > 8_000 { 7_000 } else { 1 + step % 20 };
        }
        arrivals.sort_by_key(|(due, ..)| *due);
        let (mut highest, mut seen) = (0, std::collections::BTreeSet::new());
        for (_, index, plain, secret) in arrivals {
            let expected = if seen.is_empty() || index > highest || highest - index < 64 {
                Ok(plain)
            } else {
                Err(Refusal::Replayed)
            };
            prop_assert_eq!(opened(&mut operator, &secret), expected);
            prop_assert_eq!(opened(&mut operator, &secret), Err(Refusal::Replayed));
            highest = highest.max(index);
            seen.insert(index);
        }
    }
}
