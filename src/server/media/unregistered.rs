//! Markers of recordings that may not be in a record yet: one small file each in `.unregistered`, from the start of a
//! recording until its fact is certainly written. To register a recording is to emit its fact, which adds it to the
//! record of its call. A start repairs and registers the recordings whose markers an earlier run left behind.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tracing::{info, warn};

use crate::clock::Instant;
use crate::ids::{CallId, LegNo};
use crate::limits::RECORDINGS_LEFT_MAX;
use crate::media::command::{Event, Gap};
use crate::media::wav::{self, HEADER_BYTES};
use crate::store::access;

use super::health::Pulse;

/// The folder of the markers, within the recordings' folder.
const FOLDER: &str = ".unregistered";
/// How long the marker of a closed recording stays if the journal does not report its fact.
const KEPT: Duration = Duration::from_secs(300);
/// Maximum recordings that `siaga check` names.
const REMARKS_MAX: usize = 10;

/// A recording by its call and leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) call: CallId,
    pub(super) leg: LegNo,
}

impl Key {
    /// The name of its file without extension, and of its marker.
    pub(super) fn name(self) -> String {
        format!("{}-{}", self.call, self.leg.0)
    }

    fn parse(name: &str) -> Option<Self> {
        let (call, leg) = name.rsplit_once('-')?;
        Some(Self { call: call.parse().ok()?, leg: LegNo(leg.parse().ok()?) })
    }
}

/// A recording that an earlier run left unregistered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) key: Key,
    /// Relative to the folder of the recordings.
    pub(super) file: String,
    /// Its registration has failed, and the failure was reported: it is set aside.
    pub(super) is_aside: bool,
}

/// What becomes of the marker of a recording when its fact is in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The recording is registered, or there is no audio to register: the marker is removed.
    Settled,
    /// The registration has failed: the recording is set aside. Later starts try again without another report.
    Failed { file: String, why: String },
}

impl Outcome {
    /// The outcome of a registration that has failed with this event.
    pub(super) fn of_failure(file: &str, event: &Event) -> Option<Self> {
        let Event::RecordingFailed { why, .. } = event else { return None };
        let why = why.chars().map(|one| if one.is_control() { ' ' } else { one }).collect();
        Some(Self::Failed { file: file.to_owned(), why })
    }
}

/// The marker of a recording whose fact was sent, and what becomes of it when the fact is in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueMarker {
    path: PathBuf,
    outcome: Outcome,
}

impl DueMarker {
    /// Removes the marker, or stores in it that the recording is set aside. To be called when the fact is in the journal.
    pub(in crate::server) fn settle(&self) {
        let done = match &self.outcome {
            Outcome::Settled => fs::remove_file(&self.path),
            Outcome::Failed { file, why } => set_aside(&self.path, file, why),
        };
        // On a full disk a marker could not even be created.
        if let Err(error) = done
            && error.kind() != io::ErrorKind::NotFound
        {
            let marker = self.path.display();
            warn!(%marker, %error, "the marker of a recording cannot be changed: the next start registers or reports the recording again");
        }
    }
}

/// Recordings whose facts were sent, from the threads that seal and repair to the one that owns the markers.
#[derive(Clone, Debug, Default)]
pub(super) struct Registered(Arc<Mutex<Vec<(Key, Outcome)>>>);

impl Registered {
    /// Adds a recording. If there are too many, its marker stays until the next start.
    pub(super) fn add(&self, key: Key, outcome: Outcome) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() < RECORDINGS_LEFT_MAX {
            all.push((key, outcome));
        }
    }

    pub(super) fn take(&self) -> Vec<(Key, Outcome)> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Recordings whose facts are in the journal, from the journal's thread to the one that owns the markers.
#[derive(Clone, Debug, Default)]
pub struct Journaled(Arc<Mutex<VecDeque<(CallId, LegNo)>>>);

impl Journaled {
    /// Adds recordings. If there are too many, the oldest ones are forgotten: their markers expire later.
    pub(in crate::server) fn add(&self, recordings: impl IntoIterator<Item = (CallId, LegNo)>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(recordings);
        let too_many = all.len().saturating_sub(RECORDINGS_LEFT_MAX);
        all.drain(..too_many);
    }

    #[cfg(test)]
    pub(in crate::server) fn has(&self, call: CallId, leg: LegNo) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&(call, leg))
    }

    /// Removes a recording; false if its fact is not known to be in the journal.
    fn take(&self, Key { call, leg }: Key) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = all.len();
        all.retain(|one| *one != (call, leg));
        all.len() < before
    }
}

/// The markers of this run.
#[derive(Debug)]
pub(super) struct Markers {
    folder: PathBuf,
    /// Recordings whose facts were sent, the oldest first, with the time when the marker is removed.
    closed: VecDeque<(Instant, Key, Outcome)>,
}

impl Markers {
    pub(super) fn of(recordings: &Path) -> Self {
        Self { folder: recordings.join(FOLDER), closed: VecDeque::new() }
    }

    /// The recordings that earlier runs left unregistered. To be called before the first recording of this run. `file_of` gives the usual
    /// file of a recording: a marker is empty if the disk was full.
    pub(super) fn left(&self, file_of: impl Fn(Key) -> String) -> Vec<Left> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().filter_map(Result::ok);
        let read = |entry: fs::DirEntry| {
            let key = Key::parse(entry.file_name().to_str()?)?;
            let (file, failure) = read_marker(&entry.path())?;
            Some(Left { key, file: file.unwrap_or_else(|| file_of(key)), is_aside: failure.is_some() })
        };
        entries.take(RECORDINGS_LEFT_MAX).filter_map(read).collect()
    }

    /// Sets the marker of a recording that is about to begin.
    pub(super) fn set(&self, key: Key, file: &str) -> io::Result<()> {
        access::make_folder(&self.folder)?;
        access::create(&self.folder.join(key.name()))?.write_all(file.as_bytes())
    }

    /// Closes a recording whose fact was sent: its marker expires later.
    pub(super) fn close(&mut self, now: Instant, key: Key, outcome: Outcome) {
        self.closed.push_back((now + KEPT, key, outcome));
    }

    /// The markers of closed recordings, and of those that were closed since.
    pub(super) fn closed_and(self, since: Vec<(Key, Outcome)>) -> Vec<DueMarker> {
        let all = self.closed.into_iter().map(|(_, key, outcome)| (key, outcome)).chain(since);
        all.map(|(key, outcome)| DueMarker { path: self.folder.join(key.name()), outcome }).collect()
    }

    /// Removes the markers that are no longer needed: the fact is in the journal, or it was sent long ago. A recording is set aside only if
    /// the fact of its failure is in the journal: otherwise the next start reports the failure again.
    pub(super) fn expire(&mut self, now: Instant, journaled: &Journaled) {
        let Self { folder, closed } = self;
        closed.retain(|(until, key, outcome)| {
            let is_journaled = journaled.take(*key);
            let is_old = *until <= now;
            if is_journaled || is_old && *outcome == Outcome::Settled {
                DueMarker { path: folder.join(key.name()), outcome: outcome.clone() }.settle();
            }
            !is_journaled && !is_old
        });
    }
}

/// The file that a marker names, unless it is empty, and the failure for which the recording was set aside.
fn read_marker(path: &Path) -> Option<(Option<String>, Option<String>)> {
    let text = fs::read_to_string(path).ok()?;
    let mut lines = text.lines().map(str::to_owned);
    Some((lines.next().filter(|file| !file.is_empty()), lines.next()))
}

/// Sets a recording aside after its registration has failed and the failure was reported.
fn set_aside(marker: &Path, file: &str, why: &str) -> io::Result<()> {
    let mut marker = fs::OpenOptions::new().append(true).open(marker)?;
    // The name of the file stays in the marker if the disk is full.
    let file = if marker.metadata()?.len() == 0 { file } else { "" };
    marker.write_all(format!("{file}\n{why}\n").as_bytes())
}

/// A remark for each recording that is set aside, at most `REMARKS_MAX`.
pub fn remarks(recordings: &Path) -> Vec<String> {
    let folder = recordings.join(FOLDER);
    let markers = fs::read_dir(&folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let mut aside: Vec<(PathBuf, String, String)> = markers
        .filter_map(|marker| {
            Key::parse(marker.file_name()?.to_str()?)?;
            let (file, failure) = read_marker(&marker)?;
            Some((marker, file?, failure?))
        })
        .collect();
    aside.sort();
    let more = aside.len().saturating_sub(REMARKS_MAX);
    let remark = |(marker, file, failure): &(PathBuf, String, String)| {
        let (file, marker) = (recordings.join(file), marker.display());
        format!(
            "recording.dir: {} is not registered: {failure}. Each start tries again; to end that, remove {marker}",
            file.display()
        )
    };
    let rest = (more > 0).then(|| format!("recording.dir: {more} more recordings are not registered"));
    aside.iter().take(REMARKS_MAX).map(remark).chain(rest).collect()
}

/// Repairs a recording of an earlier run, and returns the event for its record.
pub(super) fn register(recordings: &Path, left: &Left, pulse: &Pulse) -> Event {
    let Left { key: Key { call, leg }, file, is_aside } = left;
    let (call, leg, file) = (*call, *leg, file.clone());
    match repair(&recordings.join(&file)).and_then(|found| Ok((found, checksum(&recordings.join(&file), pulse)?))) {
        Ok(((pairs, repaired), sha256)) => {
            info!(%call, leg = leg.0, file, repaired, "a recording of an earlier run is registered");
            let (duration_ms, gaps) = (pairs / 8, Vec::new());
            Event::RecordingClosed { call, leg, file, sha256, duration_ms, frames_dropped: 0, gaps, repaired }
        }
        Err(error) => {
            if !is_aside {
                warn!(%call, leg = leg.0, file, %error, "a recording of an earlier run cannot be registered");
            }
            remove_empty(&recordings.join(&file));
            Event::RecordingFailed { call, leg, why: format!("the recording was interrupted: {error}") }
        }
    }
}

/// True if the marker of a recording is no longer needed: the recording is registered, or there is no audio to register. After any other
/// error the marker stays, and the next start tries again.
pub(super) fn is_settled(event: &Event, path: &Path) -> bool {
    matches!(event, Event::RecordingClosed { .. })
        || match fs::metadata(path) {
            Ok(found) => wav::pairs_in(found.len()) == 0,
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
}

/// Removes a file without audio, which a full disk has left.
fn remove_empty(path: &Path) {
    let is_empty = fs::metadata(path).is_ok_and(|found| found.is_file() && wav::pairs_in(found.len()) == 0);
    if is_empty && let Err(error) = fs::remove_file(path) {
        warn!(file = %path.display(), %error, "a recording without audio cannot be removed");
    }
}

/// Writes the header that fits the samples in the file. Returns the pairs of samples, and whether the file was changed.
fn repair(path: &Path) -> io::Result<(u64, bool)> {
    let file = File::options().read(true).write(true).open(path)?;
    let length = file.metadata()?.len();
    let pairs = wav::pairs_in(length);
    if pairs == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file has no audio"));
    }
    let (right, mut found) = (wav::header(pairs), vec![0; HEADER_BYTES]);
    file.read_exact_at(&mut found, 0)?;
    let whole = HEADER_BYTES as u64 + pairs * wav::PAIR_BYTES as u64;
    if found == right && length == whole {
        return Ok((pairs, false));
    }
    file.set_len(whole)?;
    file.write_all_at(&right, 0)?;
    Ok((pairs, true))
}

/// Syncs a file to the disk and returns its SHA-256.
pub(super) fn checksum(path: &Path, pulse: &Pulse) -> io::Result<[u8; 32]> {
    let mut file = File::open(path)?;
    file.sync_all()?;
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 65_536]);
    loop {
        pulse.beat();
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(hash.finalize().into());
        }
        hash.update(buffer.get(..count).unwrap_or_default());
    }
}

/// The gaps sorted, with adjacent and overlapping ones merged.
pub(super) fn merged(mut gaps: Vec<(u64, u64)>) -> Vec<Gap> {
    gaps.sort_unstable();
    let mut all: Vec<Gap> = Vec::new();
    for (from_ms, to_ms) in gaps {
        match all.last_mut() {
            Some(last) if from_ms <= last.to_ms => last.to_ms = last.to_ms.max(to_ms),
            Some(_) | None => all.push(Gap { from_ms, to_ms }),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::ids::Rng;
    use crate::server::media::clock::Clock;

    fn key(n: u64) -> Key {
        Key { call: CallId::new(Timestamp::from_millis(1_700_000_000_000), &mut Rng::from_number(n)), leg: LegNo(3) }
    }

    /// A file of an earlier run: its header has `known` pairs, the file has `there` pairs and some bytes of the next one.
    fn left_behind(folder: &Path, known: u64, there: usize, torn: usize) -> Left {
        let mut bytes = wav::header(known);
        bytes.extend((0..there * 4 + torn).map(|n| u8::try_from(n % 200).unwrap()));
        fs::write(folder.join("x.wav"), bytes).unwrap();
        Left { key: key(1), file: "x.wav".to_owned(), is_aside: false }
    }

    #[test]
    fn a_recording_that_was_cut_short_is_repaired_and_registered() {
        let folder = tempfile::tempdir().unwrap();
        let pulse = Pulse::new(Clock::start());
        for (known, there, torn, changed) in
            [(0, 16_000, 0, true), (8_000, 16_000, 3, true), (16_000, 16_000, 0, false)]
        {
            let left = left_behind(folder.path(), known, there, torn);
            let event = register(folder.path(), &left, &pulse);
            let bytes = fs::read(folder.path().join("x.wav")).unwrap();
            let Event::RecordingClosed { call, leg, sha256, duration_ms, repaired, .. } = event else {
                panic!("{event:?}")
            };
            assert_eq!((call, leg, duration_ms, repaired), (left.key.call, LegNo(3), 2_000, changed));
            assert_eq!(sha256.as_slice(), Sha256::digest(&bytes).as_slice());
            assert_eq!(hound::WavReader::new(&bytes[..]).unwrap().duration(), 16_000);
        }
        for (there, torn) in [(0, 0), (0, 2)] {
            let left = left_behind(folder.path(), 0, there, torn);
            assert!(matches!(register(folder.path(), &left, &pulse), Event::RecordingFailed { .. }));
            assert!(!folder.path().join("x.wav").exists(), "a file without audio is removed");
        }
        let left = Left { key: key(1), file: "x.wav".to_owned(), is_aside: false };
        assert!(matches!(register(folder.path(), &left, &pulse), Event::RecordingFailed { .. }));
    }

    #[test]
    fn a_recording_whose_registration_fails_keeps_its_marker_for_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let pulse = Pulse::new(Clock::start());
        let path = folder.path().join("x.wav");
        let settled = |left: &Left| is_settled(&register(folder.path(), left, &pulse), &path);
        assert!(settled(&left_behind(folder.path(), 0, 16_000, 0)));
        assert!(settled(&left_behind(folder.path(), 0, 0, 2)), "it has no audio");
        let left = left_behind(folder.path(), 0, 16_000, 0);
        let failed =
            Event::RecordingFailed { call: left.key.call, leg: LegNo(3), why: "an error of the disk".to_owned() };
        assert!(!is_settled(&failed, &path), "the audio is there");
        fs::remove_file(&path).unwrap();
        assert!(settled(&left), "the file is missing");
    }

    #[test]
    fn a_marker_stays_from_the_start_of_a_recording_until_its_fact_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let mut markers = Markers::of(folder.path());
        let left = |markers: &Markers| markers.left(|_| "usual.wav".to_owned());
        assert_eq!(left(&markers), []);
        markers.set(key(1), "2026/11/30/a.wav").unwrap();
        markers.set(key(2), "2026/11/30/b.wav").unwrap();
        fs::write(folder.path().join(FOLDER).join("notes.txt"), "not ours").unwrap();
        let start = Instant::default();
        markers.close(start, key(1), Outcome::Settled);
        let journaled = Journaled::default();
        // A fact of a failure whose recording the next start tries to register again.
        journaled.add([(key(2).call, key(2).leg)]);
        markers.expire(start + KEPT / 2, &journaled);
        assert_eq!(left(&markers).len(), 2, "its fact may not be written yet");
        markers.expire(start + KEPT, &journaled);
        markers.set(key(5), "2026/11/30/e.wav").unwrap();
        journaled.add([(key(5).call, key(5).leg)]);
        markers.close(start, key(5), Outcome::Settled);
        markers.expire(start, &journaled);
        markers.close(start, key(3), Outcome::Settled);
        let folder_of = |key: Key| folder.path().join(FOLDER).join(key.name());
        let again = Markers { closed: markers.closed.clone(), folder: markers.folder.clone() };
        let due = |n| DueMarker { path: folder_of(key(n)), outcome: Outcome::Settled };
        assert_eq!(
            again.closed_and(vec![(key(4), Outcome::Settled)]),
            [due(3), due(4)],
            "what an orderly stop removes"
        );
        let named = |file: &str| Left { key: key(2), file: file.to_owned(), is_aside: false };
        assert_eq!(left(&markers), [named("2026/11/30/b.wav")]);
        fs::write(folder_of(key(2)), "").unwrap();
        let usual = named("usual.wav");
        assert_eq!(left(&markers), [usual], "the disk was full");
    }

    #[test]
    fn a_recording_is_set_aside_only_when_the_fact_of_its_failure_is_in_the_journal() {
        let folder = tempfile::tempdir().unwrap();
        let (mut markers, start, journaled) = (Markers::of(folder.path()), Instant::default(), Journaled::default());
        let failed = || Outcome::Failed { file: "usual.wav".to_owned(), why: "a folder".to_owned() };
        let aside = |markers: &Markers| {
            let mut all: Vec<_> =
                markers.left(|_| "usual.wav".to_owned()).into_iter().map(|one| (one.key, one.is_aside)).collect();
            all.sort();
            all
        };
        for n in [1, 2] {
            markers.set(key(n), "").unwrap();
            markers.close(start, key(n), failed());
        }
        markers.expire(start, &journaled);
        assert!(aside(&markers).iter().all(|(_, is_aside)| !is_aside), "a crash would lose the report");
        journaled.add([(key(1).call, key(1).leg)]);
        markers.expire(start, &journaled);
        markers.expire(start + KEPT, &journaled);
        let mut expected = [(key(1), true), (key(2), false)];
        expected.sort();
        assert_eq!(aside(&markers), expected, "without its fact, the next start reports it again");
        assert_eq!(markers.closed_and(Vec::new()), []);
    }

    #[test]
    fn a_marker_on_a_full_disk_keeps_the_name_of_its_recording_when_it_is_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let markers = Markers::of(folder.path());
        markers.set(key(1), "2026/11/30/a.wav").unwrap();
        // No file can grow in that process, as on a full disk.
        let script = "trap '' XFSZ; ulimit -f 0; exec \"$1\" --exact \"$2\" --ignored";
        let ran = std::process::Command::new("bash")
            .args(["-c", script, "bash"])
            .arg(std::env::current_exe().unwrap())
            .arg("server::media::unregistered::tests::a_marker_is_set_aside_where_no_file_can_grow")
            .env("SIAGA_TEST_RECORDINGS", folder.path())
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success() && printed.contains("1 passed"), "{printed}");
        let left = markers.left(|_| "usual.wav".to_owned());
        assert_eq!(left, [Left { key: key(1), file: "2026/11/30/a.wav".to_owned(), is_aside: false }]);
    }

    #[test]
    #[ignore = "needs a full disk: a_marker_on_a_full_disk_keeps_the_name_of_its_recording_when_it_is_set_aside runs it"]
    fn a_marker_is_set_aside_where_no_file_can_grow() {
        let recordings = std::env::var_os("SIAGA_TEST_RECORDINGS").unwrap();
        let marker = Path::new(&recordings).join(FOLDER).join(key(1).name());
        let error = set_aside(&marker, "usual.wav", "a folder").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn gaps_that_touch_are_one() {
        let gap = |from_ms, to_ms| Gap { from_ms, to_ms };
        assert_eq!(merged(vec![(50, 60), (0, 10), (10, 20), (15, 17)]), [gap(0, 20), gap(50, 60)]);
    }
}
