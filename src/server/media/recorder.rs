//! The recorder: two threads that write recordings and seal them. A slow disk costs frames, never the call.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hound::{SampleFormat, WavSpec, WavWriter};
use sha2::{Digest as _, Sha256};
use tracing::warn;

use crate::clock::Instant;
use crate::ids::{CallId, LegNo};
use crate::limits::{RECORDING_FRAMES_MAX, RECORDINGS_SEALING_MAX};
use crate::media::command::Event;
use crate::media::recording::{Frame, Stereo, TapeId};

use super::worker::Clock;

/// While something is recorded, the queue is emptied so often; media threads then never have to wake the recorder.
const PAUSE: Duration = Duration::from_millis(10);
/// The header of a running recording says what is there, give or take so much.
const HEADER_EVERY: Duration = Duration::from_secs(3);

/// What the media threads tell the recorder.
#[derive(Clone, Debug)]
pub(super) enum TapeOrder {
    Start { tape: TapeId, call: CallId, leg: LegNo, at: Instant },
    Frame(Frame),
    Stop { tape: TapeId, dropped: u64 },
    End,
}

/// A recording that is written, not yet sealed.
struct Written {
    call: CallId,
    leg: LegNo,
    file: String,
    path: PathBuf,
    samples: u64,
    dropped: u64,
}

struct Tape {
    call: CallId,
    leg: LegNo,
    file: String,
    path: PathBuf,
    stereo: Stereo,
    writer: WavWriter<BufWriter<File>>,
    fault: Option<hound::Error>,
}

/// The running recorder.
#[derive(Debug)]
pub(super) struct Recorder {
    pub(super) orders: SyncSender<TapeOrder>,
    threads: [Option<JoinHandle<()>>; 2],
}

impl Recorder {
    /// Starts both threads.
    pub(super) fn start<F>(folder: PathBuf, clock: Clock, events: F) -> io::Result<Self>
    where
        F: FnMut(Event) + Send + Clone + 'static,
    {
        let (orders, inbox) = sync_channel(RECORDING_FRAMES_MAX);
        let (sealer, written) = sync_channel(RECORDINGS_SEALING_MAX);
        let mut tell = events.clone();
        let sealing = thread::Builder::new().name("sealer".into()).spawn(move || {
            for recording in written {
                tell(seal(recording));
            }
        })?;
        let desk = Desk { folder, clock, events, sealer, silent: BTreeMap::new(), tapes: BTreeMap::new() };
        let writing = thread::Builder::new().name("recorder".into()).spawn(move || desk.run(&inbox))?;
        Ok(Self { orders, threads: [Some(writing), Some(sealing)] })
    }

    /// Ends all recordings and waits until they are on disk.
    pub(super) fn stop(&mut self) {
        drop(self.orders.send(TapeOrder::End));
        for thread in self.threads.iter_mut().filter_map(Option::take) {
            if thread.join().is_err() {
                warn!("a recorder thread has panicked");
            }
        }
    }
}

struct Desk<F> {
    folder: PathBuf,
    clock: Clock,
    events: F,
    sealer: SyncSender<Written>,
    /// Recordings to be, until the first sound: a call without any leaves no file.
    silent: BTreeMap<TapeId, (CallId, LegNo, Instant)>,
    tapes: BTreeMap<TapeId, Tape>,
}

impl<F: FnMut(Event)> Desk<F> {
    fn run(mut self, inbox: &Receiver<TapeOrder>) {
        let mut next_header = self.clock.now() + HEADER_EVERY;
        loop {
            if !self.empty(inbox) {
                break;
            }
            let now = self.clock.now();
            if now >= next_header {
                next_header = now + HEADER_EVERY;
                for tape in self.tapes.values_mut() {
                    tape.keep(now);
                }
            }
            if self.tapes.is_empty() {
                // Nothing to write: the first order wakes.
                match inbox.recv_timeout(Duration::from_secs(60)) {
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
        while let Some((tape, _)) = self.tapes.first_key_value() {
            let tape = *tape;
            self.stop(tape, 0);
        }
    }

    /// Takes all that waits; false at the end.
    fn empty(&mut self, inbox: &Receiver<TapeOrder>) -> bool {
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

    fn order(&mut self, order: TapeOrder) -> bool {
        match order {
            TapeOrder::Start { tape, call, leg, at } => drop(self.silent.insert(tape, (call, leg, at))),
            TapeOrder::Frame(frame) => {
                if let Some((call, leg, at)) = self.silent.remove(&frame.tape) {
                    self.start(frame.tape, call, leg, at);
                }
                if let Some(tape) = self.tapes.get_mut(&frame.tape) {
                    tape.frame(&frame);
                }
            }
            TapeOrder::Stop { tape, dropped } => self.stop(tape, dropped),
            TapeOrder::End => return false,
        }
        true
    }

    fn start(&mut self, tape: TapeId, call: CallId, leg: LegNo, at: Instant) {
        match Tape::start(&self.folder, call, leg, at) {
            Ok(started) => drop(self.tapes.insert(tape, started)),
            Err(error) => self.failed(call, leg, &error.to_string()),
        }
    }

    fn stop(&mut self, tape: TapeId, dropped: u64) {
        self.silent.remove(&tape);
        let Some(tape) = self.tapes.remove(&tape) else { return };
        let (call, leg) = (tape.call, tape.leg);
        match tape.finish(dropped) {
            Ok(written) => {
                if self.sealer.try_send(written).is_err() {
                    self.failed(call, leg, "too many recordings wait for their checksum");
                }
            }
            Err(error) => self.failed(call, leg, &error.to_string()),
        }
    }

    fn failed(&mut self, call: CallId, leg: LegNo, why: &str) {
        warn!(%call, leg = leg.0, why, "recording failed");
        (self.events)(Event::RecordingFailed { call, leg, why: why.to_owned() });
    }
}

impl Tape {
    fn start(folder: &Path, call: CallId, leg: LegNo, at: Instant) -> Result<Self, hound::Error> {
        let file = file_name(call, leg);
        let path = folder.join(&file);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let spec = WavSpec { channels: 2, sample_rate: 8_000, bits_per_sample: 16, sample_format: SampleFormat::Int };
        // What is there already is another recording: it is never written over.
        let writer = WavWriter::new(BufWriter::with_capacity(32_768, File::create_new(&path)?), spec)?;
        Ok(Self { call, leg, file, path, stereo: Stereo::new(at), writer, fault: None })
    }

    fn frame(&mut self, frame: &Frame) {
        let Self { stereo, writer, fault, .. } = self;
        stereo.push(frame, &mut |pair| write(writer, pair, fault));
    }

    /// Writes what is due, and the header.
    fn keep(&mut self, now: Instant) {
        let Self { stereo, writer, fault, .. } = self;
        stereo.advance(now, &mut |pair| write(writer, pair, fault));
        if fault.is_none() {
            *fault = writer.flush().err();
        }
    }

    fn finish(mut self, dropped: u64) -> Result<Written, hound::Error> {
        let Self { stereo, writer, fault, .. } = &mut self;
        stereo.finish(&mut |pair| write(writer, pair, fault));
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        self.writer.finalize()?;
        let Self { call, leg, file, path, .. } = self;
        Ok(Written { call, leg, file, path, samples: self.stereo.written(), dropped })
    }
}

fn write(writer: &mut WavWriter<BufWriter<File>>, pair: [i16; 2], fault: &mut Option<hound::Error>) {
    if fault.is_none() {
        *fault = pair.into_iter().try_for_each(|sample| writer.write_sample(sample)).err();
    }
}

/// Puts a recording on the disk for good and takes its checksum.
fn seal(recording: Written) -> Event {
    let Written { call, leg, file, path, samples, dropped } = recording;
    match checksum(&path) {
        Ok(sha256) => {
            Event::RecordingClosed { call, leg, file, sha256, duration_ms: samples / 8, frames_dropped: dropped }
        }
        Err(error) => {
            warn!(%call, leg = leg.0, %error, "recording cannot be sealed");
            Event::RecordingFailed { call, leg, why: error.to_string() }
        }
    }
}

fn checksum(path: &Path) -> io::Result<[u8; 32]> {
    let mut file = File::open(path)?;
    file.sync_all()?;
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 65_536]);
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(hash.finalize().into());
        }
        hash.update(buffer.get(..count).unwrap_or_default());
    }
}

/// `<YYYY>/<MM>/<DD>/<call>-<leg>.wav`, by the day (UTC) on which the call came in.
fn file_name(call: CallId, leg: LegNo) -> String {
    let millis = i64::try_from(call.as_u128() >> 80).unwrap_or(0);
    let at = jiff::Timestamp::from_millisecond(millis).unwrap_or_default();
    format!("{}/{call}-{}.wav", at.strftime("%Y/%m/%d"), leg.0)
}
