//! Which parties hear each other, tested with tones.

use proptest::prelude::*;

use super::*;
use crate::media::prompt::tone;

const FRAMES: usize = 25;

/// Seat i says a tone of its own.
fn hertz(seat: usize) -> f32 {
    400.0 + 150.0 * seat as f32
}

fn codec(seat: usize) -> Codec {
    if seat.is_multiple_of(2) { Codec::Pcma } else { Codec::Pcmu }
}

/// The power of one frequency in linear samples (Goertzel), as the amplitude of its sine.
fn amplitude(samples: &[i16], hertz: f32) -> f64 {
    let coefficient = 2.0 * (std::f64::consts::TAU * f64::from(hertz) / 8_000.0).cos();
    let (mut last, mut before) = (0.0, 0.0);
    for sample in samples {
        (last, before) = (f64::from(*sample) + coefficient * last - before, last);
    }
    let power = last * last + before * before - coefficient * last * before;
    power.max(0.0).sqrt() * 2.0 / samples.len() as f64
}

/// All seats of a matrix talk for half a second; what each has heard in linear samples.
fn heard(matrix: &[Seats]) -> Vec<Vec<i16>> {
    let mut mixer = Mixer::default();
    let voices: Vec<Vec<i16>> = (0..matrix.len()).map(|seat| tone(hertz(seat), FRAMES * FRAME_SAMPLES)).collect();
    matrix.iter().enumerate().for_each(|(seat, hears)| mixer.set_hears(seat, *hears));
    let mut all = vec![Vec::new(); matrix.len()];
    for frame in 0..FRAMES {
        for (seat, voice) in voices.iter().enumerate() {
            let said: Vec<u8> = voice[frame * FRAME_SAMPLES..(frame + 1) * FRAME_SAMPLES]
                .iter()
                .map(|sample| g711::encode(codec(seat), *sample))
                .collect();
            mixer.push(seat, 7, (u32::MAX - 500).wrapping_add((frame * FRAME_SAMPLES) as u32), codec(seat), &said);
        }
        mixer.advance();
        for (seat, all) in all.iter_mut().enumerate() {
            let bytes = encode(codec(seat), &mixer.heard_by(seat));
            all.extend(bytes.map(|byte| g711::decode(codec(seat), byte)));
        }
    }
    all
}

fn assert_matrix(matrix: &[Seats]) {
    for (seat, samples) in heard(matrix).into_iter().enumerate() {
        for other in 0..matrix.len() {
            let loud = amplitude(&samples[4 * FRAME_SAMPLES..], hertz(other));
            let hears = matrix[seat] & bit(other) != 0 && other != seat;
            let right = if hears { (4_500.0..7_500.0).contains(&loud) } else { loud < 300.0 };
            assert!(right, "{matrix:?}: seat {seat} hears {other} at {loud:.0}, hears {hears}");
        }
    }
}

#[test]
fn each_of_three_in_a_conference_hears_the_others_only() {
    assert_matrix(&[0b111, 0b111, 0b111]);
}

#[test]
fn one_listens_one_whispers_to_the_second_seat() {
    // Caller, operator, listener, whisperer.
    assert_matrix(&[0b0010, 0b1001, 0b1011, 0b0011]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_matrix_is_kept_exactly(matrix in proptest::collection::vec(0_u8..16, 4)) {
        assert_matrix(&matrix);
    }

    #[test]
    fn the_order_of_packets_within_the_delay_changes_nothing(order in Just([0_u32, 1, 2]).prop_shuffle()) {
        let mut mixer = Mixer::default();
        mixer.set_hears(1, 1);
        mixer.push(0, 5, 10_000, Codec::Pcma, &[g711::encode(Codec::Pcma, 1_000); FRAME_SAMPLES]);
        for n in order {
            let byte = g711::encode(Codec::Pcma, 2_000 + 1_000 * n as i16);
            mixer.push(0, 5, 10_160 + n * 160, Codec::Pcma, &[byte; FRAME_SAMPLES]);
        }
        let mut levels = Vec::new();
        for _ in 0..7 {
            mixer.advance();
            levels.push(mixer.heard_by(1)[80]);
        }
        let level = |value: i16| g711::decode(Codec::Pcma, g711::encode(Codec::Pcma, value));
        prop_assert_eq!(levels, [0, 0, level(1_000), level(2_000), level(3_000), level(4_000), 0]);
    }
}

fn say(mixer: &mut Mixer, seat: usize, ssrc: u32, timestamp: u32, value: i16) {
    mixer.push(seat, ssrc, timestamp, Codec::Pcmu, &[g711::encode(Codec::Pcmu, value); FRAME_SAMPLES]);
}

#[test]
fn what_is_too_loud_is_cut_and_does_not_wrap() {
    let mut mixer = Mixer::default();
    mixer.set_hears(3, 0b0111);
    for seat in 0..3 {
        say(&mut mixer, seat, 1, 320, if seat == 0 { 30_000 } else { 20_000 });
    }
    (0..3).for_each(|_| mixer.advance());
    assert_eq!(mixer.heard_by(3), [i16::MAX; FRAME_SAMPLES]);
    for seat in 0..3 {
        say(&mut mixer, seat, 1, 480, -30_000);
    }
    mixer.advance();
    assert_eq!(mixer.heard_by(3), [i16::MIN; FRAME_SAMPLES]);
}

#[test]
fn a_late_packet_is_dropped_and_what_is_missing_is_silence() {
    let mut mixer = Mixer::default();
    mixer.set_hears(1, 1);
    say(&mut mixer, 0, 1, 0, 1_000);
    (0..4).for_each(|_| mixer.advance());
    say(&mut mixer, 0, 1, 160, 9_000);
    mixer.advance();
    assert_eq!(mixer.heard_by(1), [0; FRAME_SAMPLES], "it was too late");
    say(&mut mixer, 0, 1, 640, 2_000);
    let mut heard = Vec::new();
    for _ in 0..3 {
        mixer.advance();
        heard.push(mixer.heard_by(1)[0] > 1_900);
    }
    assert_eq!(heard.iter().filter(|loud| **loud).count(), 1, "and the next is in its place");
}

#[test]
fn a_clock_that_jumps_or_lags_and_a_new_source_start_the_stream_anew() {
    let mut mixer = Mixer::default();
    mixer.set_hears(1, 1);
    let loud = |mixer: &mut Mixer, ssrc, timestamp: u32| {
        say(mixer, 0, ssrc, timestamp, 5_000);
        mixer.advance();
        mixer.heard_by(1)[0] > 4_000
    };
    let starts = |heard: &[bool]| heard.iter().position(|loud| *loud);
    let first: Vec<bool> = (0..6).map(|n| loud(&mut mixer, 1, n * 160)).collect();
    assert_eq!(starts(&first), Some(2));
    let jumped: Vec<bool> = (0..6).map(|n| loud(&mut mixer, 1, 900_000 + n * 160)).collect();
    assert_eq!(starts(&jumped), Some(2), "far ahead");
    let lags: Vec<bool> = (0..8).map(|n| loud(&mut mixer, 1, 500 + n * 160)).collect();
    assert_eq!(starts(&lags), Some(0), "what was said before is heard to its end");
    assert!(lags[5..].iter().all(|loud| *loud), "three late ones in a row: {lags:?}");
    let other: Vec<bool> = (0..6).map(|n| loud(&mut mixer, 2, 4 + n * 160)).collect();
    assert_eq!(starts(&other), Some(2));
}

#[test]
fn packets_of_any_length_fit_together_and_absurd_ones_are_dropped() {
    let mut mixer = Mixer::default();
    mixer.set_hears(1, 1);
    let byte = g711::encode(Codec::Pcma, 3_000);
    mixer.push(0, 1, 0, Codec::Pcma, &[byte; 240]);
    mixer.push(0, 1, 240, Codec::Pcma, &[byte; 80]);
    mixer.push(0, 1, 320, Codec::Pcma, &[byte; 1_601]);
    (0..3).for_each(|_| mixer.advance());
    assert!(mixer.heard_by(1).iter().all(|sample| *sample > 2_900));
    mixer.advance();
    assert!(mixer.heard_by(1).iter().all(|sample| *sample > 2_900));
    mixer.advance();
    assert_eq!(mixer.heard_by(1), [0; FRAME_SAMPLES]);
}

#[test]
fn packets_of_every_legal_length_are_heard_without_a_gap() {
    for frames in 1..=10 {
        let mut mixer = Mixer::default();
        mixer.set_hears(1, 1);
        let packet = vec![g711::encode(Codec::Pcma, 3_000); frames * FRAME_SAMPLES];
        let mut heard = Vec::new();
        for nth in 0..20_u32 {
            mixer.push(0, 1, nth * packet.len() as u32, Codec::Pcma, &packet);
            for _ in 0..frames {
                mixer.advance();
                heard.push(mixer.heard_by(1).iter().all(|sample| *sample > 2_900));
            }
        }
        assert_eq!(heard.iter().position(|loud| *loud), Some(2), "{} ms", frames * 20);
        assert!(heard[2..].iter().all(|loud| *loud), "{} ms: {heard:?}", frames * 20);
    }
}

#[test]
fn a_party_that_left_is_not_heard_and_a_seat_outside_the_conference_is_ignored() {
    let mut mixer = Mixer::default();
    mixer.set_hears(1, Seats::MAX);
    say(&mut mixer, 0, 1, 0, 5_000);
    mixer.clear(0);
    say(&mut mixer, CONFERENCE_PARTIES_MAX, 1, 0, 5_000);
    (0..4).for_each(|_| mixer.advance());
    assert_eq!(mixer.heard_by(1), [0; FRAME_SAMPLES]);
    assert_eq!((mixer.heard_by(CONFERENCE_PARTIES_MAX), bit(CONFERENCE_PARTIES_MAX)), ([0; FRAME_SAMPLES], 0));
}
