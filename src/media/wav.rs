//! The header of recordings: 16-bit PCM, stereo, 8 kHz; RIFF, or RF64 (EBU Tech 3306) from 4 GiB on.

/// Bytes before the first sample. Both forms have the same number, so that the samples stay in place when a file grows past 4 GiB.
pub const HEADER_BYTES: usize = 80;
/// Bytes of one sample of each side.
pub const PAIR_BYTES: usize = 4;

/// Samples per second.
const RATE: u32 = 8_000;
/// The value of the 32-bit fields in RF64: the size is in `ds64`.
const SEE_DS64: u32 = u32::MAX;
/// Bytes of the content of `ds64`, or of the `JUNK` in its place.
const DS64_BYTES: usize = 28;

/// The header of a recording with that many pairs of samples.
pub fn header(pairs: u64) -> Vec<u8> {
    let data = pairs.saturating_mul(PAIR_BYTES as u64);
    let riff = data.saturating_add(HEADER_BYTES as u64 - 8);
    let short = u32::try_from(riff).ok().zip(u32::try_from(data).ok());
    let (riff_32, data_32) = short.unwrap_or((SEE_DS64, SEE_DS64));
    let mut header = Vec::with_capacity(HEADER_BYTES);
    let mut put = |bytes: &[u8]| header.extend_from_slice(bytes);
    put(if short.is_some() { b"RIFF" } else { b"RF64" });
    put(&riff_32.to_le_bytes());
    put(b"WAVE");
    put(if short.is_some() { b"JUNK" } else { b"ds64" });
    put(&(DS64_BYTES as u32).to_le_bytes());
    if short.is_some() {
        put(&[0; DS64_BYTES]);
    } else {
        put(&riff.to_le_bytes());
        put(&data.to_le_bytes());
        put(&pairs.to_le_bytes());
        put(&[0; 4]);
    }
    put(b"fmt ");
    put(&16_u32.to_le_bytes());
    put(&1_u16.to_le_bytes());
    put(&2_u16.to_le_bytes());
    put(&RATE.to_le_bytes());
    put(&(RATE * PAIR_BYTES as u32).to_le_bytes());
    put(&(PAIR_BYTES as u16).to_le_bytes());
    put(&16_u16.to_le_bytes());
    put(b"data");
    put(&data_32.to_le_bytes());
    header
}

/// Whole pairs of samples in a file of that length.
pub const fn pairs_in(file_bytes: u64) -> u64 {
    file_bytes.saturating_sub(HEADER_BYTES as u64) / PAIR_BYTES as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_finds_the_samples_behind_the_header() {
        let mut file = header(3);
        assert_eq!(file.len(), HEADER_BYTES);
        for sample in [1_i16, -1, 2, -2, 3, -3] {
            file.extend(sample.to_le_bytes());
        }
        let mut reader = hound::WavReader::new(&file[..]).unwrap();
        assert_eq!((reader.spec().channels, reader.spec().sample_rate, reader.spec().bits_per_sample), (2, 8_000, 16));
        assert_eq!(reader.samples::<i16>().map(Result::unwrap).collect::<Vec<_>>(), [1, -1, 2, -2, 3, -3]);
        assert_eq!(pairs_in(file.len() as u64 + 3), 3, "half a sample at the end counts as none");
        assert_eq!(pairs_in(7), 0);
    }

    #[test]
    fn from_4_gib_on_the_sizes_are_in_ds64() {
        // 37 hours: the last file that RIFF can hold, and the first that it cannot.
        let last = (u64::from(u32::MAX) - (HEADER_BYTES as u64 - 8)) / PAIR_BYTES as u64;
        let (short, long) = (header(last), header(last + 1));
        assert_eq!(
            (&short[..4], &short[12..16], &long[..4], &long[12..16]),
            (&b"RIFF"[..], &b"JUNK"[..], &b"RF64"[..], &b"ds64"[..])
        );
        assert_eq!((short.len(), long.len()), (HEADER_BYTES, HEADER_BYTES));
        let word = |from: usize| u64::from_le_bytes(long[from..from + 8].try_into().unwrap());
        assert_eq!(&long[4..8], [0xFF; 4], "EBU Tech 3306: -1, see ds64");
        assert_eq!(word(20), (last + 1) * 4 + HEADER_BYTES as u64 - 8);
        assert_eq!((word(28), word(36)), ((last + 1) * 4, last + 1));
        assert_eq!(&long[44..48], [0; 4], "no table");
        assert_eq!(&long[76..80], [0xFF; 4]);
        assert_eq!(u32::from_le_bytes(short[76..80].try_into().unwrap()), u32::try_from(last * 4).unwrap());
    }
}
