//! Detects whether a peer speaks, from the level of its audio, for a limited time.

use std::time::Duration;

use crate::clock::Instant;

use super::command::Codec;
use super::g711;

/// A packet whose mean magnitude is above this (about -40 dBFS) contains a voice or something as loud. Speech on a telephone is ten times
/// as loud; the noise of a quiet room and of the line is well below.
const LOUD: u64 = 330;
/// Samples of loud packets (200 ms) that count as a voice; less is a click.
const VOICE_SAMPLES: usize = 1_600;

/// The detection of a voice within a time limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Awaited {
    until: Instant,
    loud: usize,
}

impl Awaited {
    /// Starts the detection.
    pub fn new(now: Instant, limit: Duration) -> Self {
        Self { until: now + limit, loud: 0 }
    }

    /// Checks one packet's audio; true once a voice is detected.
    pub fn hears(&mut self, codec: Codec, sound: &[u8]) -> bool {
        let sum: u64 = sound.iter().map(|byte| u64::from(g711::decode(codec, *byte).unsigned_abs())).sum();
        let count = u64::try_from(sound.len()).unwrap_or(u64::MAX);
        if sum > LOUD.saturating_mul(count) {
            self.loud += sound.len();
        }
        self.loud >= VOICE_SAMPLES
    }

    /// True when the time limit is reached.
    pub fn is_over(&self, now: Instant) -> bool {
        now >= self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::prompt::tone;

    fn law(samples: &[i16], codec: Codec) -> Vec<u8> {
        samples.iter().map(|sample| g711::encode(codec, *sample)).collect()
    }

    #[test]
    fn two_hundred_milliseconds_of_speech_are_a_voice_and_a_click_is_none() {
        for codec in [Codec::Pcma, Codec::Pcmu] {
            let mut awaited = Awaited::new(Instant::from_nanos(0), Duration::from_secs(5));
            let (speech, quiet) = (law(&tone(300.0, 160), codec), law(&[0; 160], codec));
            let heard = |awaited: &mut Awaited, sound: &[u8]| awaited.hears(codec, sound);
            assert!((0..9).all(|_| !heard(&mut awaited, &speech)));
            assert!(
                (0..500).all(|_| !heard(&mut awaited, &quiet)),
                "what was loud before is not forgotten, nor added to"
            );
            assert!(heard(&mut awaited, &speech));
        }
    }

    #[test]
    fn the_noise_of_a_line_is_no_voice() {
        let noise: Vec<i16> = (0..160).map(|i| if i % 2 == 0 { 200 } else { -200 }).collect();
        let mut awaited = Awaited::new(Instant::from_nanos(0), Duration::from_secs(5));
        assert!((0..1_000).all(|_| !awaited.hears(Codec::Pcma, &law(&noise, Codec::Pcma))));
        assert!(!awaited.hears(Codec::Pcma, &[]), "a packet without sound");
    }

    #[test]
    fn it_waits_for_so_long() {
        let start = Instant::from_nanos(1_000);
        let awaited = Awaited::new(start, Duration::from_secs(5));
        assert!(!awaited.is_over(start + Duration::from_millis(4_999)));
        assert!(awaited.is_over(start + Duration::from_secs(5)));
    }
}
