//! The recorder: threads that write recordings and seal them. A slow disk loses frames of the recording and never affects the call.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use jiff::tz::TimeZone;
use tracing::warn;

use crate::alarm::{Alarms, Kind};
use crate::clock::Instant;
use crate::ids::{CallId, LegNo};
use crate::limits::{RECORDING_FRAMES_MAX, RECORDINGS_SEALING_MAX};
use crate::media::command::{Event, Gap};
use crate::media::recording::{Frame, RecordingId, Stereo};
use crate::store::access;

use super::clock::Clock;
use super::health::{self, Pulse};
use super::unregistered::{
    DueMarker, Journaled, Key, Markers, Outcome, Registered, checksum, is_settled, merged, register,
};
use super::wav_file::{Disk, WavFile};

/// Interval at which the queue is emptied while a recording runs, so that media threads never have to wake the recorder.
const PAUSE: Duration = Duration::from_millis(10);
/// Interval at which the header of a running recording is updated.
const HEADER_EVERY: Duration = Duration::from_secs(3);
/// How often the recorder, while nothing is recorded, removes markers, and checks whether a disk that was full can be written again.
const IDLE: Duration = Duration::from_secs(1);
/// The subject of the alarm about errors of the disk.
const ERRORS: &str = "errors";
/// A file that is written and removed again to check whether the disk can be written.
const PROBE: &str = ".probe";

/// The settings that media passes to the recorder at its start.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) folder: PathBuf,
    /// Recordings are filed by the day, in this zone, on which their call came in.
    pub(super) zone: TimeZone,
    pub(super) alarms: Alarms,
    /// The recordings whose facts are in the journal.
    pub(super) journaled: Journaled,
}

/// Frames of one recording that were lost because the recorder's queue was full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lost {
    pub(super) frames: u64,
    /// When the first and the last of them arrived.
    pub(super) between: Option<(Instant, Instant)>,
}

impl Lost {
    pub(super) fn add(&mut self, at: Instant) {
        self.frames += 1;
        self.between = Some((self.between.map_or(at, |(first, _)| first), at));
    }
}

/// Orders of the media threads to the recorder.
#[derive(Clone, Debug)]
pub(super) enum RecorderOrder {
    Start { recording: RecordingId, call: CallId, leg: LegNo, at: Instant },
    Frame(Frame),
    Stop { recording: RecordingId, at: Instant, lost: Lost },
    End,
}

/// A recording that is written, not yet sealed.
struct Written {
    key: Key,
    file: String,
    path: PathBuf,
    samples: u64,
    dropped: u64,
    gaps: Vec<Gap>,
}

struct OpenRecording<D> {
    key: Key,
    file: String,
    path: PathBuf,
    marked: bool,
    stereo: Stereo,
    wav: WavFile<D>,
}

/// The running recorder.
#[derive(Debug)]
pub(super) struct Recorder {
    pub(super) orders: SyncSender<RecorderOrder>,
    /// Returns the markers, and the registered recordings that they do not have yet.
    writing: Option<JoinHandle<(Markers, Registered)>>,
    sealing: Option<JoinHandle<()>>,
    watch: Option<SyncSender<()>>,
}

impl Recorder {
    /// Starts the recorder's threads. A separate thread repairs and registers the recordings of earlier runs.
    pub(super) fn start<F>(place: Place, clock: Clock, events: F) -> io::Result<Self>
    where
        F: FnMut(Event) + Send + Clone + 'static,
    {
        Self::start_on::<F, File>(place, clock, events)
    }

    /// Like `start`, with another `Disk`.
    fn start_on<F, D>(place: Place, clock: Clock, events: F) -> io::Result<Self>
    where
        F: FnMut(Event) + Send + Clone + 'static,
        D: Disk + Send + 'static,
    {
        let (orders, inbox) = sync_channel(RECORDING_FRAMES_MAX);
        let (sealer, written) = sync_channel::<Written>(RECORDINGS_SEALING_MAX);
        let pulses = [Pulse::new(clock), Pulse::new(clock), Pulse::new(clock)];
        let watch = health::watch(pulses.to_vec(), place.alarms.clone())?;
        let [writes, seals, repairs] = pulses;
        let registered = Registered::default();
        let (mut tell, list) = (events.clone(), registered.clone());
        let sealing = thread::Builder::new().name("sealer".into()).spawn(move || {
            for recording in written {
                let (key, path) = (recording.key, recording.path.clone());
                let event = seal(recording, &seals);
                let settled = is_settled(&event, &path);
                tell(event);
                seals.rest();
                if settled {
                    list.add(key, Outcome::Settled);
                }
            }
        })?;
        let markers = Markers::of(&place.folder);
        let Place { folder, zone, alarms, journaled } = place;
        let repairer = Repairer { folder: folder.clone(), pulse: repairs, registered: registered.clone() };
        let writer_thread = WriterThread::<F, D> {
            folder,
            zone,
            alarms,
            markers,
            registered,
            journaled,
            clock,
            pulse: writes,
            events,
            sealer,
            silent: BTreeMap::new(),
            recordings: BTreeMap::new(),
        };
        let writing =
            thread::Builder::new().name("recorder".into()).spawn(move || writer_thread.run(&inbox, repairer))?;
        Ok(Self { orders, writing: Some(writing), sealing: Some(sealing), watch: Some(watch) })
    }

    /// Ends all recordings and waits until they are on disk. Returns the markers to settle once the facts are in the journal.
    pub(super) fn stop(&mut self) -> Vec<DueMarker> {
        let ended = self.join();
        ended.map(|(markers, registered)| markers.closed_and(registered.take())).unwrap_or_default()
    }

    fn join(&mut self) -> Option<(Markers, Registered)> {
        drop(self.orders.send(RecorderOrder::End));
        let markers = self.writing.take().and_then(|thread| thread.join().ok());
        let sealed = self.sealing.take().and_then(|thread| thread.join().ok());
        self.watch = None;
        let Some(((markers, registered), ())) = markers.zip(sealed) else {
            warn!("a recorder thread has panicked");
            return None;
        };
        Some((markers, registered))
    }
}

/// Registers the recordings of earlier runs.
struct Repairer {
    folder: PathBuf,
    pulse: Pulse,
    registered: Registered,
}

struct WriterThread<F, D> {
    folder: PathBuf,
    zone: TimeZone,
    alarms: Alarms,
    markers: Markers,
    /// Recordings whose facts were sent and that `markers` does not have yet.
    registered: Registered,
    /// Recordings whose facts are in the journal.
    journaled: Journaled,
    clock: Clock,
    pulse: Pulse,
    events: F,
    sealer: SyncSender<Written>,
    /// Recordings without audio so far: a call without any leaves no file.
    silent: BTreeMap<RecordingId, (CallId, LegNo, Instant)>,
    recordings: BTreeMap<RecordingId, OpenRecording<D>>,
}

impl<F: FnMut(Event) + Send + Clone + 'static, D: Disk> WriterThread<F, D> {
    fn run(mut self, inbox: &Receiver<RecorderOrder>, repairer: Repairer) -> (Markers, Registered) {
        self.pulse.beat();
        self.repair(repairer);
        let mut next_header = self.clock.now() + HEADER_EVERY;
        loop {
            self.pulse.beat();
            if !self.empty(inbox) {
                break;
            }
            let now = self.clock.now();
            if now >= next_header {
                next_header = now + HEADER_EVERY;
                self.keep(now);
            }
            if self.recordings.is_empty() {
                self.remove_markers(now);
                self.probe();
                self.pulse.rest();
                // Nothing to write: the first order wakes the thread.
                match inbox.recv_timeout(IDLE) {
                    Ok(order) => {
                        if !self.order(order) {
                            break;
                        }
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            } else {
                // On the recorder's own thread, which the queue of frames never wakes.
                thread::sleep(PAUSE);
            }
        }
        while let Some((recording, _)) = self.recordings.first_key_value() {
            let recording = *recording;
            self.stop(recording, self.clock.now(), Lost::default());
        }
        (self.markers, self.registered)
    }

    /// Starts to register the recordings of earlier runs, which are listed before the first recording of this run begins.
    fn repair(&self, repairer: Repairer) {
        let left = self.markers.left(|key| file_name(key, &self.zone));
        let mut tell = self.events.clone();
        let started = thread::Builder::new().name("repairer".into()).spawn(move || {
            let Repairer { folder, pulse, registered } = repairer;
            for one in left {
                pulse.beat();
                let event = register(&folder, &one, &pulse);
                let settled = is_settled(&event, &folder.join(&one.file));
                let failure = Outcome::of_failure(&one.file, &event).filter(|_| !settled);
                if settled || !one.is_aside {
                    tell(event);
                    registered.add(one.key, failure.unwrap_or(Outcome::Settled));
                }
                pulse.rest();
            }
        });
        if let Err(error) = started {
            warn!(%error, "recordings of earlier runs are registered at the next start");
        }
    }

    /// Writes the samples of every recording that are due, and its header.
    fn keep(&mut self, now: Instant) {
        self.remove_markers(now);
        let (mut failed, mut written) = (None, false);
        for recording in self.recordings.values_mut() {
            self.pulse.beat();
            recording.keep(now, &self.markers);
            if let Some(error) = recording.wav.error() {
                failed = Some((recording.path.clone(), error.to_string()));
            } else {
                written = true;
            }
        }
        match failed {
            Some((file, error)) => self.alarm(&file, &error),
            None if written => self.alarms.clear(Kind::Recordings, ERRORS),
            None => {}
        }
    }

    fn remove_markers(&mut self, now: Instant) {
        self.registered.take().into_iter().for_each(|(key, outcome)| self.markers.close(now, key, outcome));
        self.markers.expire(now, &self.journaled);
    }

    fn alarm(&self, file: &Path, error: &str) {
        let file = file.display();
        self.alarms.raise(
            Kind::Recordings,
            ERRORS,
            format!("parts of conversations are not recorded: {file}: {error}"),
        );
    }

    /// While nothing is recorded, tries to write to the disk, so that the alarm ends when its cause is gone.
    fn probe(&self) {
        if !self.alarms.is_raised(Kind::Recordings) {
            return;
        }
        let path = self.folder.join(PROBE);
        let tried = access::make_folder_like(&self.folder).and_then(|()| fs::write(&path, [0; 4_096]));
        match tried.and_then(|()| fs::remove_file(&path)) {
            Ok(()) => self.alarms.clear(Kind::Recordings, ERRORS),
            Err(error) => self.alarm(&path, &error.to_string()),
        }
    }

    /// Handles all waiting orders; returns false at the end.
    fn empty(&mut self, inbox: &Receiver<RecorderOrder>) -> bool {
        loop {
            match inbox.try_recv() {
                Ok(order) => {
                    if !self.order(order) {
                        return false;
                    }
                }
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn order(&mut self, order: RecorderOrder) -> bool {
        match order {
            RecorderOrder::Start { recording, call, leg, at } => drop(self.silent.insert(recording, (call, leg, at))),
            RecorderOrder::Frame(frame) => {
                if let Some((call, leg, at)) = self.silent.remove(&frame.recording) {
                    self.start(frame.recording, call, leg, at);
                }
                if let Some(recording) = self.recordings.get_mut(&frame.recording) {
                    self.pulse.beat();
                    recording.frame(&frame);
                }
            }
            RecorderOrder::Stop { recording, at, lost } => self.stop(recording, at, lost),
            RecorderOrder::End => return false,
        }
        true
    }

    fn start(&mut self, recording: RecordingId, call: CallId, leg: LegNo, at: Instant) {
        let key = Key { call, leg };
        let file = file_name(key, &self.zone);
        let path = self.folder.join(&file);
        let wav = WavFile::new(path.clone());
        let mut new = OpenRecording { key, file, path, marked: false, stereo: Stereo::new(at), wav };
        new.mark(&self.markers);
        self.recordings.insert(recording, new);
    }

    fn stop(&mut self, recording: RecordingId, at: Instant, lost: Lost) {
        self.silent.remove(&recording);
        let Some(mut recording) = self.recordings.remove(&recording) else { return };
        self.pulse.beat();
        recording.mark(&self.markers);
        let (key, path) = (recording.key, recording.path.clone());
        match recording.finish(at, lost) {
            Ok(written) => {
                if self.sealer.try_send(written).is_err() {
                    let why = "too many recordings wait for their checksum: the next start registers this one";
                    self.failed(key, &path, why);
                }
            }
            Err((error, has_audio)) => {
                self.alarm(&path, &error.to_string());
                self.failed(key, &path, &error.to_string());
                if !has_audio {
                    // Nothing is left to register.
                    self.markers.close(self.clock.now(), key, Outcome::Settled);
                }
            }
        }
    }

    fn failed(&mut self, Key { call, leg }: Key, file: &Path, why: &str) {
        warn!(%call, leg = leg.0, file = %file.display(), why, "recording failed");
        (self.events)(Event::RecordingFailed { call, leg, why: why.to_owned() });
    }
}

impl<D: Disk> OpenRecording<D> {
    fn frame(&mut self, frame: &Frame) {
        let Self { stereo, wav, .. } = self;
        stereo.push(frame, &mut |pair| wav.push(pair));
    }

    /// Writes the samples that are due, and the header.
    fn keep(&mut self, now: Instant, markers: &Markers) {
        self.mark(markers);
        let Self { stereo, wav, .. } = self;
        stereo.advance(now, &mut |pair| wav.push(pair));
        wav.keep();
    }

    /// Sets the marker for the next start, in case this run is killed; tries again later if the disk cannot be written now.
    fn mark(&mut self, markers: &Markers) {
        if !self.marked {
            self.marked = markers.set(self.key, &self.file).is_ok();
        }
    }

    fn finish(mut self, at: Instant, lost: Lost) -> Result<Written, (io::Error, bool)> {
        let Self { stereo, wav, .. } = &mut self;
        stereo.finish(at, &mut |pair| wav.push(pair));
        let Self { key, file, path, stereo, wav, .. } = self;
        let (samples, mut gaps) = wav.finish()?;
        // The lost frames may have come before the last one that arrived.
        gaps.extend(lost.between.map(|(first, last)| (stereo.millis_at(first), stereo.millis_at(last))));
        Ok(Written { key, file, path, samples, dropped: lost.frames, gaps: merged(gaps) })
    }
}

/// Syncs a recording to the disk and computes its checksum.
fn seal(recording: Written, pulse: &Pulse) -> Event {
    let Written { key: Key { call, leg }, file, path, samples, dropped, gaps } = recording;
    if !gaps.is_empty() {
        warn!(%call, leg = leg.0, file, gaps = gaps.len(), "a recording has gaps");
    }
    match checksum(&path, pulse) {
        Ok(sha256) => {
            let (duration_ms, frames_dropped) = (samples / 8, dropped);
            Event::RecordingClosed { call, leg, file, sha256, duration_ms, frames_dropped, gaps, repaired: false }
        }
        Err(error) => {
            warn!(%call, leg = leg.0, file, %error, "recording cannot be sealed");
            Event::RecordingFailed { call, leg, why: error.to_string() }
        }
    }
}

/// `<YYYY>/<MM>/<DD>/<call>-<leg>.wav`, by the local day on which the call arrived.
fn file_name(key: Key, zone: &TimeZone) -> String {
    let millis = i64::try_from(key.call.as_u128() >> 80).unwrap_or(0);
    let at = jiff::Timestamp::from_millisecond(millis).unwrap_or_default();
    format!("{}/{}.wav", zone.to_datetime(at).strftime("%Y/%m/%d"), key.name())
}

#[cfg(test)]
mod tests;
