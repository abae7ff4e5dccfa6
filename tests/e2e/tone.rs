//! Tones: G.711 A-law by the book (ITU-T G.711), and how much of a sound one tone is (Goertzel).

/// Samples a second.
pub(crate) const RATE: f64 = 8_000.0;

/// One A-law byte as a linear sample.
pub(crate) fn from_alaw(byte: u8) -> i16 {
    let bits = byte ^ 0x55;
    let (segment, step) = ((bits >> 4) & 7, i16::from(bits & 15));
    let magnitude = match segment {
        0 => (step << 4) + 8,
        _ => ((step << 4) + 0x108) << (segment - 1),
    };
    if bits & 0x80 == 0 { -magnitude } else { magnitude }
}

/// One mu-law byte as a linear sample.
pub(crate) fn from_mulaw(byte: u8) -> i16 {
    let bits = !byte;
    let magnitude = (((i16::from(bits & 15) << 3) + 0x84) << ((bits >> 4) & 7)) - 0x84;
    if bits & 0x80 == 0 { magnitude } else { -magnitude }
}

/// The byte that is nearest to a sample, from all bytes in the order of their samples.
fn nearest(sample: i16, by_sample: &[(i16, u8)]) -> u8 {
    let at = by_sample.partition_point(|(value, _)| *value < sample);
    let around = &by_sample[at.saturating_sub(1)..(at + 1).min(by_sample.len())];
    let off = |(value, _): &&(i16, u8)| (i32::from(*value) - i32::from(sample)).abs();
    around.iter().min_by_key(off).unwrap().1
}

/// A-law of a tone, one second; whole periods, so that it can be repeated.
pub(crate) fn second_of(hertz: u32) -> Vec<u8> {
    second_in(hertz, from_alaw)
}

/// The same in the encoding that is decoded so.
pub(crate) fn second_in(hertz: u32, decode: fn(u8) -> i16) -> Vec<u8> {
    let step = std::f64::consts::TAU * f64::from(hertz) / RATE;
    #[expect(clippy::cast_possible_truncation, reason = "8000 times a sine fits")]
    let sample = |n: u32| (f64::from(n) * step).sin().mul_add(8_000.0, 0.0) as i16;
    let mut by_sample: Vec<(i16, u8)> = (0..=255).map(|byte| (decode(byte), byte)).collect();
    by_sample.sort_unstable();
    (0..8_000).map(|n| nearest(sample(n), &by_sample)).collect()
}

/// The share of a sound's power that lies at one frequency, 0 to 1. Each tenth of a second counts by itself: a phone whose jitter
/// buffer skips a frame changes the phase of a tone, and nothing else.
pub(crate) fn share(samples: &[i16], hertz: u32) -> f64 {
    let power = |part: &[i16]| part.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>();
    let total = power(samples);
    if total == 0.0 {
        return 0.0;
    }
    samples.chunks(800).map(|part| power_at(part, hertz)).sum::<f64>() / total
}

/// Twice the power at one frequency (Goertzel), so that a pure tone has what its samples have.
fn power_at(samples: &[i16], hertz: u32) -> f64 {
    let turn = 2.0 * (std::f64::consts::TAU * f64::from(hertz) / RATE).cos();
    let (mut last, mut before) = (0.0, 0.0);
    for sample in samples {
        let next = turn.mul_add(last, f64::from(*sample)) - before;
        (last, before) = (next, last);
    }
    let power = last.mul_add(last, before.mul_add(before, -(turn * last * before)));
    2.0 * power / f64::from(u32::try_from(samples.len()).unwrap())
}

/// The number of files, and of the samples that are written in the last one so far: 16 bits, one channel, behind 44 bytes.
pub(crate) fn written(files: &[std::path::PathBuf]) -> (usize, usize) {
    let length = files.last().and_then(|file| std::fs::metadata(file).ok()).map_or(0, |file| file.len());
    (files.len(), usize::try_from(length.saturating_sub(44) / 2).unwrap())
}

/// Asserts that a second from the middle of a sound is one tone, and none of the others.
pub(crate) fn assert_heard(who: &str, samples: &[i16], tone: u32, others: &[u32]) {
    assert!(samples.len() > 10_000, "{who} has heard only {} samples", samples.len());
    let middle = samples.len() / 2;
    let second = &samples[middle - 4_000..middle + 4_000];
    let heard = share(second, tone);
    assert!(heard > 0.7, "{who} should hear {tone} Hz, but its share is {heard:.3}");
    for other in others {
        let heard = share(second, *other);
        assert!(heard < 0.05, "{who} should not hear {other} Hz, but its share is {heard:.3}");
    }
}

/// Asserts that the last two seconds of a sound are these tones, each about as loud as the others, and none of `others`.
pub(crate) fn assert_mixed(who: &str, samples: &[i16], tones: &[u32], others: &[u32]) {
    assert!(samples.len() > 20_000, "{who} has heard only {} samples", samples.len());
    let end = samples.len() - 2_000;
    let last = &samples[end - 16_000..end];
    let shares: Vec<(u32, f64)> = tones.iter().chain(others).map(|tone| (*tone, share(last, *tone))).collect();
    let even = 1.0 / f64::from(u32::try_from(tones.len()).unwrap());
    for (tone, heard) in &shares {
        let right = if tones.contains(tone) { *heard > 0.6 * even } else { *heard < 0.05 };
        assert!(right, "{who} should hear {tones:?} Hz and none of {others:?}; the shares are {shares:?}");
    }
}

/// The samples of one channel of a WAV file.
pub(crate) fn channel(path: &std::path::Path, channel: usize) -> Vec<i16> {
    let mut wav = hound::WavReader::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (spec, samples) = (wav.spec(), wav.samples::<i16>().map(Result::unwrap).collect::<Vec<_>>());
    assert_eq!(spec.sample_rate, 8_000, "{}", path.display());
    samples.iter().skip(channel).step_by(usize::from(spec.channels)).copied().collect()
}

#[test]
fn alaw_is_the_one_of_the_standard() {
    assert_eq!((from_alaw(0xD5), from_alaw(0x55)), (8, -8));
    assert_eq!((from_alaw(0xAA), from_alaw(0x2A)), (32_256, -32_256));
    assert_eq!((from_mulaw(0xFF), from_mulaw(0x80), from_mulaw(0x00)), (0, 32_124, -32_124));
    let tone: Vec<i16> = second_of(800).into_iter().map(from_alaw).collect();
    assert!(share(&tone, 800) > 0.99 && share(&tone, 900) < 0.001);
    let skipped = [&tone[..3_000], &tone[3_045..]].concat();
    assert!(share(&skipped, 800) > 0.9 && share(&skipped, 900) < 0.05);
}
