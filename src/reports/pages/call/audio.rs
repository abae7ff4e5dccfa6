//! Files of recordings: found only inside `[recording] dir`, sent whole or in ranges, and read for the waveform.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Component, Path, PathBuf};

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream::unfold;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use crate::web::site::Fault;

/// Bytes that are read at once.
const PART_BYTES: u64 = 64 << 10;
/// Parts of the waveform.
const PEAKS: u64 = 580;
/// Bytes that are read of each part: the work does not grow with the length of the recording.
const PEAK_BYTES: u64 = 16 << 10;
/// Bytes in which the header of a file ends.
const HEAD_BYTES: usize = 4_096;
/// Bytes of one sample of both channels.
const PAIR_BYTES: u64 = 4;

/// The file of a recording. None if the name leads out of the folder, or if there is no such file.
pub(super) async fn path_in(dir: &Path, file: &str) -> Option<PathBuf> {
    let is_plain = Path::new(file).components().all(|part| matches!(part, Component::Normal(_)));
    if !is_plain || file.is_empty() || file.contains('\0') {
        return None;
    }
    // A symbolic link in the folder leads nowhere else either.
    let dir = tokio::fs::canonicalize(dir).await.ok()?;
    let path = tokio::fs::canonicalize(dir.join(file)).await.ok()?;
    let is_file = tokio::fs::metadata(&path).await.is_ok_and(|data| data.is_file());
    (is_file && path.starts_with(&dir)).then_some(path)
}

/// The bytes that a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Whole,
    /// First and last byte.
    Range(u64, u64),
    /// A range behind the end.
    Nothing,
}

impl Wanted {
    /// Reads the Range header field (RFC 9110 §14.2). Several ranges, and fields that cannot be read, get the whole file.
    pub(super) fn of(headers: &HeaderMap, length: u64) -> Self {
        let Some(text) = headers.get(header::RANGE).and_then(|value| value.to_str().ok()) else { return Self::Whole };
        let Some((first, last)) = text.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
            return Self::Whole;
        };
        let end = length.saturating_sub(1);
        match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
            (Ok(first), _) if first >= length => Self::Nothing,
            (Ok(first), Ok(last)) if first <= last => Self::Range(first, last.min(end)),
            (Ok(first), Err(_)) if last.trim().is_empty() => Self::Range(first, end),
            (Err(_), Ok(0)) if first.trim().is_empty() => Self::Nothing,
            (Err(_), Ok(_)) if first.trim().is_empty() && length == 0 => Self::Nothing,
            (Err(_), Ok(last)) if first.trim().is_empty() => Self::Range(length.saturating_sub(last), end),
            (Ok(_) | Err(_), Ok(_) | Err(_)) => Self::Whole,
        }
    }
}

/// Sends a file, or a range of it.
pub(super) async fn send(path: &Path, wanted: Wanted, length: u64) -> Result<Response, Fault> {
    let missing = |_| Fault(StatusCode::NOT_FOUND, "error-recording");
    let common =
        [(header::CONTENT_TYPE, "audio/wav"), (header::ACCEPT_RANGES, "bytes"), (header::CACHE_CONTROL, "no-store")];
    let (status, first, last) = match wanted {
        Wanted::Whole => (StatusCode::OK, 0, length),
        Wanted::Range(first, last) => (StatusCode::PARTIAL_CONTENT, first, last + 1),
        Wanted::Nothing => {
            let range = [(header::CONTENT_RANGE, format!("bytes */{length}"))];
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, common, range).into_response());
        }
    };
    let mut file = tokio::fs::File::open(path).await.map_err(missing)?;
    file.seek(SeekFrom::Start(first)).await.map_err(missing)?;
    let bytes = last.saturating_sub(first);
    let body = Body::from_stream(unfold((file, bytes), |(mut file, left)| async move {
        let size = usize::try_from(left.min(PART_BYTES)).unwrap_or(0);
        if size == 0 {
            return None;
        }
        let mut part = vec![0; size];
        match file.read_exact(&mut part).await {
            Ok(_) => Some((Ok(Bytes::from(part)), (file, left.saturating_sub(size as u64)))),
            // The file became shorter: the connection is cut.
            Err(fault) => Some((Err(fault), (file, 0))),
        }
    }));
    let mut response = (status, common, [(header::CONTENT_LENGTH, bytes.to_string())], body).into_response();
    if status == StatusCode::PARTIAL_CONTENT
        && let Ok(range) = format!("bytes {first}-{}/{length}", last.saturating_sub(1)).parse()
    {
        response.headers_mut().insert(header::CONTENT_RANGE, range);
    }
    Ok(response)
}

/// The loudest samples of each part, of both channels. None if the file is not a recording of siaga. Blocks.
pub(super) fn peaks(path: &Path) -> Option<[Vec<u16>; 2]> {
    let mut file = std::fs::File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    let mut head = Vec::with_capacity(HEAD_BYTES);
    file.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut head).ok()?;
    let start = samples_start(&head)?;
    let pairs = length.checked_sub(start)? / PAIR_BYTES;
    let parts = PEAKS.min(pairs);
    let mut channels = [Vec::new(), Vec::new()];
    let mut bytes = Vec::new();
    for part in 0..parts {
        let (first, next) = (pairs * part / parts, pairs * (part + 1) / parts);
        let size = ((next - first) * PAIR_BYTES).min(PEAK_BYTES);
        file.seek(SeekFrom::Start(start + first * PAIR_BYTES)).ok()?;
        bytes.clear();
        file.by_ref().take(size).read_to_end(&mut bytes).ok()?;
        let mut loudest = [0_u16; 2];
        for pair in bytes.as_chunks::<4>().0 {
            let [a, b, c, d] = *pair;
            for (loudest, sample) in loudest.iter_mut().zip([[a, b], [c, d]]) {
                *loudest = (*loudest).max(i16::from_le_bytes(sample).unsigned_abs());
            }
        }
        channels.iter_mut().zip(loudest).for_each(|(channel, peak)| channel.push(peak));
    }
    Some(channels)
}

/// The first byte of the samples of a WAV file with 16 bits and two channels.
fn samples_start(head: &[u8]) -> Option<u64> {
    let four = |at: usize| head.get(at..at + 4);
    if !matches!(four(0)?, b"RIFF" | b"RF64") || four(8)? != b"WAVE" {
        return None;
    }
    let (mut at, mut is_known) = (12, false);
    loop {
        let size = u32::from_le_bytes(four(at + 4)?.try_into().ok()?);
        match four(at)? {
            b"data" => return is_known.then(|| u64::try_from(at + 8).ok()).flatten(),
            // PCM, two channels, 16 bits.
            b"fmt " => {
                is_known = head.get(at + 8..at + 12)? == [1, 0, 2, 0] && head.get(at + 22..at + 24)? == [16, 0];
            }
            _ => {}
        }
        at = at.checked_add(8)?.checked_add(usize::try_from(size).ok()?)?.checked_add(usize::from(size % 2 == 1))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_as_rfc_9110_says() {
        for (text, wanted) in [
            ("bytes=0-", Wanted::Range(0, 99)),
            ("bytes=0-9", Wanted::Range(0, 9)),
            ("bytes=90-200", Wanted::Range(90, 99)),
            ("bytes=-10", Wanted::Range(90, 99)),
            ("bytes=-1000", Wanted::Range(0, 99)),
            ("bytes=100-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=9-3", Wanted::Whole),
            ("bytes=0-1,5-6", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("items=0-1", Wanted::Whole),
            ("bytes=18446744073709551616-", Wanted::Whole),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, text.parse().unwrap());
            assert_eq!(Wanted::of(&headers, 100), wanted, "{text}");
        }
        assert_eq!(Wanted::of(&HeaderMap::new(), 100), Wanted::Whole);
    }

    #[tokio::test]
    async fn no_name_leads_out_of_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let recordings = dir.path().join("recordings");
        std::fs::create_dir_all(recordings.join("2026")).unwrap();
        std::fs::write(recordings.join("2026/a.wav"), b"x").unwrap();
        std::fs::write(dir.path().join("secret"), b"x").unwrap();
        std::os::unix::fs::symlink(dir.path().join("secret"), recordings.join("link.wav")).unwrap();
        let secret = dir.path().join("secret").display().to_string();
        assert!(path_in(&recordings, "2026/a.wav").await.is_some());
        for bad in
            ["../secret", "2026/../../secret", "link.wav", "2026", "", ".", "./2026/a.wav", "none.wav", "a\0", &secret]
        {
            assert_eq!(path_in(&recordings, bad).await, None, "{bad:?}");
        }
    }

    #[test]
    fn the_waveform_has_the_loudest_sample_of_each_part() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.wav");
        let spec = hound::WavSpec {
            channels: 2,
            sample_rate: 8_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut file = hound::WavWriter::create(&path, spec).unwrap();
        for at in 0..8_000_i16 {
            file.write_sample(if at == 4_000 { -20_000_i16 } else { 0 }).unwrap();
            file.write_sample(5_i16).unwrap();
        }
        file.finalize().unwrap();
        let [left, right] = peaks(&path).unwrap();
        assert_eq!((left.len(), right.len()), (580, 580));
        assert_eq!(left.iter().filter(|peak| **peak == 20_000).count(), 1);
        assert_eq!(left[290], 20_000);
        assert!(right.iter().all(|peak| *peak == 5));
        std::fs::write(&path, b"RIFF....WAVEdata").unwrap();
        assert_eq!(peaks(&path), None, "without a format");
        assert_eq!(peaks(&dir.path().join("none")), None);
    }
}
