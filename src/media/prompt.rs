//! Prompts and tones: decoded once, encoded in both laws, split into frames of 20 ms.

use std::io::Cursor;

use crate::limits::PROMPT_SAMPLES_MAX;

use super::command::{Codec, Place, Prompt};
use super::g711;
use super::rtp::FRAME_SAMPLES;

/// The file cannot be played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SoundError {
    #[error("not a WAV file")]
    NotWav,
    #[error("{rate} Hz, {channels} channel(s), {bits} bit; expected: 8000 Hz, mono, 16 bit")]
    Format { rate: u32, channels: u16, bits: u16 },
    #[error("longer than {} s", PROMPT_SAMPLES_MAX / 8_000)]
    TooLong,
}

/// One prompt in both laws.
#[derive(Clone, Debug, Default)]
pub struct Sound {
    alaw: Vec<u8>,
    mulaw: Vec<u8>,
}

impl Sound {
    /// Decodes a WAV file.
    pub fn from_wav(bytes: &[u8]) -> Result<Self, SoundError> {
        let mut reader = hound::WavReader::new(Cursor::new(bytes)).map_err(|_| SoundError::NotWav)?;
        let spec = reader.spec();
        if (spec.sample_rate, spec.channels, spec.bits_per_sample, spec.sample_format)
            != (8_000, 1, 16, hound::SampleFormat::Int)
        {
            let (rate, channels, bits) = (spec.sample_rate, spec.channels, spec.bits_per_sample);
            return Err(SoundError::Format { rate, channels, bits });
        }
        // The length in the header is ignored: a truncated file is played as far as it goes.
        let samples: Vec<i16> = reader.samples().map_while(Result::ok).take(PROMPT_SAMPLES_MAX + 1).collect();
        if samples.len() > PROMPT_SAMPLES_MAX { Err(SoundError::TooLong) } else { Ok(Self::from_samples(&samples)) }
    }

    /// Encodes samples of 8 kHz.
    pub fn from_samples(samples: &[i16]) -> Self {
        let encode = |codec| samples.iter().map(|sample| g711::encode(codec, *sample)).collect();
        Self { alaw: encode(Codec::Pcma), mulaw: encode(Codec::Pcmu) }
    }

    fn bytes(&self, codec: Codec) -> &[u8] {
        match codec {
            Codec::Pcma => &self.alaw,
            Codec::Pcmu => &self.mulaw,
        }
    }
}

/// All prompts. Without files there is a ringing tone, and silence for the others.
#[derive(Clone, Debug)]
pub struct Sounds {
    queue: Sound,
    hold_tone: Sound,
    confirm: Sound,
    refused: Sound,
    silent: Sound,
    /// Empty: the waiting tone is played instead.
    music: Sound,
    pin: Sound,
    /// Prompts for `Place::NUMBERS` and `Place::MINUTES`.
    numbers: [Sound; 10],
    minutes: [Sound; 11],
}

impl Default for Sounds {
    fn default() -> Self {
        let mut ringing = tone(425.0, 8_000);
        ringing.resize(40_000, 0);
        let hold_tone = Sound::from_samples(&ringing);
        Self {
            queue: Sound::default(),
            hold_tone,
            confirm: Sound::default(),
            refused: Sound::default(),
            silent: Sound::default(),
            music: Sound::default(),
            pin: Sound::default(),
            numbers: Default::default(),
            minutes: Default::default(),
        }
    }
}

impl Sounds {
    /// Sets the audio of a prompt.
    pub fn set(&mut self, prompt: Prompt, sound: Sound) {
        match prompt {
            Prompt::Queue => self.queue = sound,
            Prompt::HoldTone => self.hold_tone = sound,
            Prompt::Confirm => self.confirm = sound,
            Prompt::Refused => self.refused = sound,
            Prompt::Silent => self.silent = sound,
            Prompt::Music => self.music = sound,
            Prompt::Pin => self.pin = sound,
            Prompt::Place(place) => {
                if let Some(number) = self.numbers.get_mut(number_slot(place)) {
                    *number = sound;
                }
            }
        }
    }

    /// Sets the prompt for a waiting time in minutes; 10 stands for all above nine.
    pub fn set_minutes(&mut self, minutes: u8, sound: Sound) {
        if let Some(slot) = self.minutes.get_mut(usize::from(minutes)) {
            *slot = sound;
        }
    }

    /// The parts of a prompt, in order.
    fn get(&self, prompt: Prompt) -> [Option<&Sound>; 2] {
        match prompt {
            Prompt::Queue => [Some(&self.queue), None],
            Prompt::HoldTone => [Some(&self.hold_tone), None],
            Prompt::Confirm => [Some(&self.confirm), None],
            Prompt::Refused => [Some(&self.refused), None],
            Prompt::Silent => [Some(&self.silent), None],
            Prompt::Music if self.music.alaw.is_empty() => [Some(&self.hold_tone), None],
            Prompt::Music => [Some(&self.music), None],
            Prompt::Pin if self.pin.alaw.is_empty() => [Some(&self.hold_tone), None],
            Prompt::Pin => [Some(&self.pin), None],
            Prompt::Place(place) => {
                let minutes = place.minutes.map(|minutes| usize::from(minutes).min(Place::MINUTES.len() - 1));
                [self.numbers.get(number_slot(place)), minutes.and_then(|minutes| self.minutes.get(minutes))]
            }
        }
    }

    /// The rest of a prompt from a position to the end of a part, and the prompt's length.
    fn rest(&self, prompt: Prompt, codec: Codec, position: usize) -> (&[u8], usize) {
        let [first, second] = self.get(prompt).map(|sound| sound.map(|sound| sound.bytes(codec)).unwrap_or_default());
        let rest = match position.checked_sub(first.len()) {
            None => first.get(position..),
            Some(position) => second.get(position..),
        };
        (rest.unwrap_or_default(), first.len() + second.len())
    }
}

fn number_slot(place: Place) -> usize {
    usize::from(place.number.max(1)).min(Place::NUMBERS.len()) - 1
}

/// The prompts that are played to one peer, and the position in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Playing {
    first: Option<Prompt>,
    then: Option<Prompt>,
    position: usize,
}

impl Playing {
    /// Starts at the beginning: `first` once, `then` in a loop.
    pub fn new(first: Option<Prompt>, then: Option<Prompt>) -> Self {
        Self { first, then, position: 0 }
    }

    /// Fills the next frame. Returns false, with nothing to send, when all prompts have ended.
    pub fn frame(&mut self, sounds: &Sounds, codec: Codec, frame: &mut [u8; FRAME_SAMPLES]) -> bool {
        let mut filled = 0;
        // An empty prompt fills nothing; three empty parts end the loop.
        let mut idle = 0;
        while filled < FRAME_SAMPLES && idle < 3 {
            let Some(prompt) = self.first.or(self.then) else { break };
            let (left, length) = sounds.rest(prompt, codec, self.position);
            let room = frame.get_mut(filled..).unwrap_or_default();
            let count = left.len().min(room.len());
            for (to, from) in room.iter_mut().zip(left) {
                *to = *from;
            }
            filled += count;
            self.position += count;
            if self.position >= length {
                self.position = 0;
                self.first = None;
            }
            idle = if count == 0 { idle + 1 } else { 0 };
        }
        if filled == 0 && self.then.is_none() {
            return false;
        }
        for rest in frame.iter_mut().skip(filled) {
            *rest = g711::silence(codec);
        }
        true
    }
}

/// A sine of `hertz` at a comfortable level.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "samples of a short tone")]
pub fn tone(hertz: f32, samples: usize) -> Vec<i16> {
    let step = std::f32::consts::TAU * hertz / 8_000.0;
    (0..samples).map(|i| ((i as f32 * step).sin() * 6_000.0) as i16).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sounds() -> Sounds {
        let mut sounds = Sounds::default();
        sounds.set(Prompt::Queue, Sound::from_samples(&[1_000; 400]));
        sounds.set(Prompt::HoldTone, Sound::from_samples(&(0..320).map(|i| i * 50).collect::<Vec<i16>>()));
        sounds
    }

    fn played(mut playing: Playing, frames: usize) -> Vec<u8> {
        let (sounds, mut frame) = (sounds(), [0; FRAME_SAMPLES]);
        let mut all = Vec::new();
        for _ in 0..frames {
            if !playing.frame(&sounds, Codec::Pcma, &mut frame) {
                break;
            }
            all.extend(frame);
        }
        all
    }

    #[test]
    fn first_plays_once_then_the_loop_goes_on_without_a_gap() {
        let all = played(Playing::new(Some(Prompt::Queue), Some(Prompt::HoldTone)), 20);
        assert_eq!(all.len(), 20 * FRAME_SAMPLES);
        let once = g711::encode(Codec::Pcma, 1_000);
        assert!(all[..400].iter().all(|byte| *byte == once));
        let looped: Vec<u8> = (0..320).map(|i| g711::encode(Codec::Pcma, i * 50)).collect();
        for (i, byte) in all[400..].iter().enumerate() {
            assert_eq!(*byte, looped[i % 320], "sample {i} of the loop");
        }
    }

    #[test]
    fn a_place_is_its_number_and_its_wait_and_what_is_missing_is_left_out() {
        let mut sounds = sounds();
        let place = |number, minutes| Prompt::Place(Place { number, minutes });
        sounds.set(place(3, None), Sound::from_samples(&[2_000; 100]));
        sounds.set(place(10, None), Sound::from_samples(&[3_000; 320]));
        sounds.set_minutes(2, Sound::from_samples(&[4_000; 200]));
        sounds.set_minutes(10, Sound::from_samples(&[5_000; 320]));
        let law = |sample| g711::encode(Codec::Pcma, sample);
        let told = |prompt: Prompt| {
            let (mut playing, mut frame, mut all) = (Playing::new(Some(prompt), None), [0; FRAME_SAMPLES], Vec::new());
            while playing.frame(&sounds, Codec::Pcma, &mut frame) {
                all.extend(frame);
                assert!(all.len() < 10_000, "it never ends");
            }
            all
        };
        let both = told(place(3, Some(2)));
        assert_eq!(
            (both.len(), both[99], both[100], both[299], both[300]),
            (320, law(2_000), law(4_000), law(4_000), law(0))
        );
        assert_eq!(told(place(3, None)).len(), 160);
        assert_eq!(told(place(200, Some(200))), [[law(3_000); 320], [law(5_000); 320]].concat());
        assert_eq!(told(place(1, Some(2))).len(), 320, "no file of that number: the wait alone");
        assert!(told(place(1, Some(1))).is_empty());
    }

    #[test]
    fn the_hold_tone_stands_for_music_that_is_not_there() {
        let mut sounds = sounds();
        let begins = |sounds: &Sounds| {
            let (mut playing, mut frame) = (Playing::new(None, Some(Prompt::Music)), [0; FRAME_SAMPLES]);
            assert!(playing.frame(sounds, Codec::Pcma, &mut frame));
            frame[1]
        };
        assert_eq!(begins(&sounds), g711::encode(Codec::Pcma, 50));
        sounds.set(Prompt::Music, Sound::from_samples(&[7_000; 160]));
        assert_eq!(begins(&sounds), g711::encode(Codec::Pcma, 7_000));
    }

    #[test]
    fn without_a_loop_it_ends_with_the_last_frame_filled_up() {
        let all = played(Playing::new(Some(Prompt::Queue), None), 20);
        assert_eq!(all.len(), 3 * FRAME_SAMPLES);
        assert!(all[400..].iter().all(|byte| *byte == g711::silence(Codec::Pcma)));
    }

    #[test]
    fn missing_sounds_are_silence_and_never_hang() {
        assert!(played(Playing::new(Some(Prompt::Confirm), None), 5).is_empty());
        let all = played(Playing::new(Some(Prompt::Confirm), Some(Prompt::Refused)), 5);
        assert_eq!(all, [g711::silence(Codec::Pcma); 5 * FRAME_SAMPLES]);
    }

    #[test]
    fn only_8_khz_mono_16_bit_is_taken() {
        let wav = |channels, sample_rate| {
            let spec =
                hound::WavSpec { channels, sample_rate, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
            let mut bytes = Cursor::new(Vec::new());
            let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
            (0..160).for_each(|_| writer.write_sample(5_i16).unwrap());
            writer.finalize().unwrap();
            bytes.into_inner()
        };
        assert_eq!(Sound::from_wav(&wav(1, 8_000)).unwrap().alaw.len(), 160);
        let rate = SoundError::Format { rate: 16_000, channels: 1, bits: 16 };
        assert_eq!(Sound::from_wav(&wav(1, 16_000)).unwrap_err(), rate);
        assert_eq!(Sound::from_wav(b"RIFF").unwrap_err(), SoundError::NotWav);
    }
}
