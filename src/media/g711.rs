//! G.711: conversion between both laws and linear samples, and from one law to the other.

use super::command::Codec;

/// A-law to 16-bit linear (ITU-T G.711 table 1, 13 bits shifted up).
const ALAW: [i16; 256] = decoding_table(Codec::Pcma);
/// mu-law to 16-bit linear (ITU-T G.711 table 2, 14 bits shifted up).
const MULAW: [i16; 256] = decoding_table(Codec::Pcmu);
const ALAW_TO_MULAW: [u8; 256] = transcoding_table(Codec::Pcma, Codec::Pcmu);
const MULAW_TO_ALAW: [u8; 256] = transcoding_table(Codec::Pcmu, Codec::Pcma);

/// Decodes one byte to a linear sample.
pub fn decode(codec: Codec, byte: u8) -> i16 {
    let table = match codec {
        Codec::Pcma => &ALAW,
        Codec::Pcmu => &MULAW,
    };
    table.get(usize::from(byte)).copied().unwrap_or(0)
}

/// Encodes one linear sample.
pub const fn encode(codec: Codec, sample: i16) -> u8 {
    match codec {
        Codec::Pcma => encode_alaw(sample),
        Codec::Pcmu => encode_mulaw(sample),
    }
}

/// The byte of silence.
pub const fn silence(codec: Codec) -> u8 {
    encode(codec, 0)
}

/// Converts a payload from one law to the other, in place.
pub fn transcode(from: Codec, to: Codec, payload: &mut [u8]) {
    let table = match (from, to) {
        (Codec::Pcma, Codec::Pcmu) => &ALAW_TO_MULAW,
        (Codec::Pcmu, Codec::Pcma) => &MULAW_TO_ALAW,
        (Codec::Pcma, Codec::Pcma) | (Codec::Pcmu, Codec::Pcmu) => return,
    };
    for byte in payload {
        *byte = table.get(usize::from(*byte)).copied().unwrap_or(*byte);
    }
}

/// Sign, segment of 3 bits and 4 bits within it; even bits are inverted in the code.
#[expect(clippy::cast_possible_truncation, reason = "a segment of a 13-bit magnitude is below 8")]
const fn encode_alaw(sample: i16) -> u8 {
    let positive = sample >= 0;
    // One's complement: -1 mirrors 0, so that both have the smallest interval of their sign.
    let magnitude = (if positive { sample } else { !sample }).unsigned_abs() >> 3;
    let code = if magnitude < 32 {
        (magnitude >> 1) as u8
    } else {
        let segment = 11 - magnitude.leading_zeros() as u8;
        (segment << 4) | ((magnitude >> segment) & 0x0f) as u8
    };
    (code | if positive { 0x80 } else { 0 }) ^ 0x55
}

/// Sign, segment of 3 bits and 4 bits within it of magnitude plus 33; all bits are inverted in the code.
#[expect(clippy::cast_possible_truncation, reason = "a segment of a 13-bit magnitude is below 8")]
const fn encode_mulaw(sample: i16) -> u8 {
    let positive = sample >= 0;
    let magnitude = (if positive { sample } else { !sample }).unsigned_abs() >> 2;
    let biased = if magnitude > 8_158 { 8_191 } else { magnitude + 33 };
    let segment = 10 - biased.leading_zeros() as u8;
    let code = (segment << 4) | ((biased >> (segment + 1)) & 0x0f) as u8;
    !(code | if positive { 0 } else { 0x80 })
}

const fn decode_alaw(byte: u8) -> i16 {
    let code = byte ^ 0x55;
    let segment = (code >> 4) & 7;
    let step = (code & 0x0f) as i16;
    // The middle of the interval.
    let magnitude = if segment == 0 { step * 2 + 1 } else { (step * 2 + 33) << (segment - 1) };
    if code & 0x80 != 0 { magnitude << 3 } else { -(magnitude << 3) }
}

const fn decode_mulaw(byte: u8) -> i16 {
    let code = !byte;
    let segment = (code >> 4) & 7;
    let step = (code & 0x0f) as i16;
    let magnitude = ((step * 2 + 33) << segment) - 33;
    if code & 0x80 == 0 { magnitude << 2 } else { -(magnitude << 2) }
}

#[expect(clippy::indexing_slicing, reason = "runs at compile time only")]
const fn decoding_table(codec: Codec) -> [i16; 256] {
    let mut table = [0; 256];
    let mut byte = 0_u8;
    loop {
        table[byte as usize] = match codec {
            Codec::Pcma => decode_alaw(byte),
            Codec::Pcmu => decode_mulaw(byte),
        };
        if byte == u8::MAX {
            return table;
        }
        byte += 1;
    }
}

#[expect(clippy::indexing_slicing, reason = "runs at compile time only")]
const fn transcoding_table(from: Codec, to: Codec) -> [u8; 256] {
    let linear = decoding_table(from);
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = encode(to, linear[byte]);
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corner_values_are_those_of_the_recommendation() {
        // Tables 1 and 2: positive and negative extremes, and the smallest values.
        for (byte, value) in [(0xd5, 8), (0x55, -8), (0xaa, 32_256), (0x2a, -32_256), (0x80, 5_504), (0xc5, 264)] {
            assert_eq!(decode(Codec::Pcma, byte), value, "A-law {byte:02x}");
        }
        for (byte, value) in [(0xff, 0), (0x7f, 0), (0x80, 32_124), (0x00, -32_124), (0xef, 132), (0x8f, 16_764)] {
            assert_eq!(decode(Codec::Pcmu, byte), value, "mu-law {byte:02x}");
        }
        assert_eq!((silence(Codec::Pcma), silence(Codec::Pcmu)), (0xd5, 0xff));
    }

    #[test]
    fn every_code_survives_its_linear_value() {
        for byte in 0..=255 {
            assert_eq!(encode(Codec::Pcma, decode(Codec::Pcma, byte)), byte);
            // mu-law has two zeros; the negative one becomes the positive one.
            let expected = if byte == 0x7f { 0xff } else { byte };
            assert_eq!(encode(Codec::Pcmu, decode(Codec::Pcmu, byte)), expected);
        }
    }

    #[test]
    fn every_sample_stays_within_half_the_interval_of_its_code() {
        for codec in [Codec::Pcma, Codec::Pcmu] {
            let mut last = i16::MIN;
            for sample in i16::MIN..=i16::MAX {
                let byte = encode(codec, sample);
                let value = decode(codec, byte);
                // Intervals double from segment to segment; A-law's first two are alike. Tables 1 and 2.
                let half = match codec {
                    Codec::Pcma => 8 << (((byte ^ 0x55) >> 4 & 7).max(1) - 1),
                    Codec::Pcmu => 4 << (!byte >> 4 & 7),
                };
                let clipped = codec == Codec::Pcmu && sample.unsigned_abs() > 32_635;
                assert!(clipped || value.abs_diff(sample) <= half, "{codec:?} {sample}: {value}");
                assert!(value >= last, "{codec:?} {sample}: rises");
                last = value;
            }
        }
    }

    #[test]
    fn there_and_back_keeps_the_sound() {
        for byte in 0..=255 {
            let mut payload = [byte];
            transcode(Codec::Pcma, Codec::Pcmu, &mut payload);
            transcode(Codec::Pcmu, Codec::Pcma, &mut payload);
            let (before, after) = (decode(Codec::Pcma, byte), decode(Codec::Pcma, payload[0]));
            assert!(before.abs_diff(after) <= (before.unsigned_abs() / 16).max(16), "{byte:02x}: {before} {after}");
        }
    }
}
