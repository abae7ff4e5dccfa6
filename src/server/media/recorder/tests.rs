//! Recordings on a disk that does not answer, and where they are filed.

use std::path::Path;
use std::sync::{Condvar, Mutex};

use super::*;
use crate::clock::Timestamp;
use crate::ids::Rng;
use crate::media::command::Codec;
use crate::media::recording::Side;
use crate::media::rtp::FRAME_SAMPLES;

/// True while the disk does not answer.
static HANGS: Mutex<bool> = Mutex::new(false);
static ANSWERS: Condvar = Condvar::new();

fn hangs(hangs: bool) {
    *HANGS.lock().unwrap() = hangs;
    ANSWERS.notify_all();
}

fn wait_for_disk() {
    drop(ANSWERS.wait_while(HANGS.lock().unwrap(), |hangs| *hangs).unwrap());
}

/// A file on a disk that may not answer for a while.
struct Hanging(File);

impl Disk for Hanging {
    fn create(path: &Path) -> io::Result<Self> {
        wait_for_disk();
        <File as Disk>::create(path).map(Self)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        wait_for_disk();
        Disk::write_at(&self.0, bytes, at)
    }

    fn set_length(&self, bytes: u64) -> io::Result<()> {
        wait_for_disk();
        self.0.set_length(bytes)
    }

    fn remove(self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }
}

/// A disk on which no file can be created.
struct Full;

impl Disk for Full {
    fn create(_: &Path) -> io::Result<Self> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn set_length(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn remove(self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

/// The audio frames of one side in this span, in milliseconds since the start.
fn speaks(start: Instant, span: std::ops::Range<u64>) -> impl Iterator<Item = Frame> {
    span.step_by(20).map(move |millis| {
        let at = start + Duration::from_millis(millis);
        Frame {
            recording: RecordingId(1),
            side: Side::Caller,
            codec: Codec::Pcma,
            at,
            ssrc: 7,
            timestamp: u32::try_from(millis * 8).unwrap(),
            length: 160,
            payload: [0x2a; FRAME_SAMPLES],
        }
    })
}

fn until(what: &str, mut ask: impl FnMut() -> bool) {
    for _ in 0..3_000 {
        if ask() {
            return;
        }
        // The watching thread checks the disk each second and sends no notification.
        thread::sleep(Duration::from_millis(20));
    }
    panic!("did not happen: {what}");
}

#[test]
fn a_disk_that_hangs_raises_the_alarm_and_costs_frames_and_the_recording_goes_on_behind_a_marked_gap() {
    let (folder, alarms, clock) = (tempfile::tempdir().unwrap(), Alarms::default(), Clock::start());
    let place = Place {
        folder: folder.path().to_owned(),
        zone: TimeZone::UTC,
        alarms: alarms.clone(),
        journaled: Journaled::default(),
    };
    let (tell, told) = sync_channel(16);
    let mut recorder = Recorder::start_on::<_, Hanging>(place, clock, move |event| drop(tell.send(event))).unwrap();
    let (call, leg) = (CallId::new(Timestamp::from_millis(1_796_059_800_000), &mut Rng::from_number(1)), LegNo(1));
    let (start, mut lost) = (clock.now(), Lost::default());
    recorder.orders.send(RecorderOrder::Start { recording: RecordingId(1), call, leg, at: start }).unwrap();
    speaks(start, 0..10_000).for_each(|frame| recorder.orders.send(RecorderOrder::Frame(frame)).unwrap());
    hangs(true);
    // A media thread never waits: frames that do not fit into the queue are missing in the recording.
    for frame in speaks(start, 10_000..400_000) {
        if recorder.orders.try_send(RecorderOrder::Frame(frame)).is_err() {
            lost.add(frame.at);
        }
    }
    let (first, last) = lost.between.unwrap();
    until("the alarm of the disk", || alarms.is_raised(Kind::Recordings));
    hangs(false);
    until("the end of the alarm", || !alarms.is_raised(Kind::Recordings));
    speaks(start, 400_000..410_000).for_each(|frame| recorder.orders.send(RecorderOrder::Frame(frame)).unwrap());
    let at = start + Duration::from_millis(410_000);
    recorder.orders.send(RecorderOrder::Stop { recording: RecordingId(1), at, lost }).unwrap();
    let event = told.recv_timeout(Duration::from_secs(60)).unwrap();
    let Event::RecordingClosed { file, duration_ms, frames_dropped, gaps, .. } = event else { panic!("{event:?}") };
    let millis = |at: Instant| u64::try_from(at.since(start).as_millis()).unwrap();
    assert_eq!((duration_ms, frames_dropped), (410_000, lost.frames));
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert_eq!((gaps[0].from_ms, gaps[0].to_ms), (millis(first), millis(last)));
    let samples: Vec<i16> =
        hound::WavReader::open(folder.path().join(file)).unwrap().samples().map(Result::unwrap).collect();
    let caller_at = |millis: u64| samples[usize::try_from(millis * 16).unwrap()];
    assert_eq!(samples.len(), 410_000 * 16);
    assert!(caller_at(5_000) != 0 && caller_at(405_000) != 0, "both ends are recorded");
    assert_eq!(caller_at(millis(first) + 1_000), 0, "the gap is silence");
    recorder.stop();
}

#[test]
fn a_recording_without_audio_leaves_no_marker_for_the_next_start() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::start());
    let place = Place {
        folder: folder.path().to_owned(),
        zone: TimeZone::UTC,
        alarms: Alarms::default(),
        journaled: Journaled::default(),
    };
    let (tell, told) = sync_channel(16);
    let mut recorder = Recorder::start_on::<_, Full>(place, clock, move |event| drop(tell.send(event))).unwrap();
    let key =
        Key { call: CallId::new(Timestamp::from_millis(1_796_059_800_000), &mut Rng::from_number(1)), leg: LegNo(1) };
    let (start, recording) = (clock.now(), RecordingId(1));
    recorder.orders.send(RecorderOrder::Start { recording, call: key.call, leg: key.leg, at: start }).unwrap();
    speaks(start, 0..100).for_each(|frame| recorder.orders.send(RecorderOrder::Frame(frame)).unwrap());
    let at = start + Duration::from_millis(100);
    recorder.orders.send(RecorderOrder::Stop { recording, at, lost: Lost::default() }).unwrap();
    let event = told.recv_timeout(Duration::from_secs(60)).unwrap();
    assert!(matches!(event, Event::RecordingFailed { .. }), "{event:?}");
    let marker = folder.path().join(".unregistered").join(key.name());
    assert!(marker.exists(), "until the fact is in the journal");
    recorder.stop().iter().for_each(DueMarker::settle);
    assert!(!marker.exists(), "nothing is left to register");
}

#[test]
fn a_recording_is_kept_under_the_sites_day() {
    // 17:30 UTC on 30 November is half past midnight on 1 December in Jakarta.
    let call = CallId::new(Timestamp::from_millis(1_796_059_800_000), &mut Rng::from_number(1));
    let key = Key { call, leg: LegNo(2) };
    let jakarta = TimeZone::get("Asia/Jakarta").unwrap();
    assert_eq!(file_name(key, &jakarta), format!("2026/12/01/{call}-2.wav"));
    assert_eq!(file_name(key, &TimeZone::UTC), format!("2026/11/30/{call}-2.wav"));
}

#[test]
fn a_recording_that_cannot_be_registered_is_reported_by_one_start_only_and_listed_by_the_check() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::start());
    let key =
        Key { call: CallId::new(Timestamp::from_millis(1_796_059_800_000), &mut Rng::from_number(1)), leg: LegNo(1) };
    let marker = folder.path().join(".unregistered").join(key.name());
    fs::create_dir(marker.parent().unwrap()).unwrap();
    fs::write(&marker, "x.wav").unwrap();
    // A folder in place of the file: it is there, and cannot be read.
    fs::create_dir_all(folder.path().join("x.wav/full-of-files")).unwrap();
    let start = || {
        let (tell, told) = sync_channel(16);
        let (alarms, journaled) = (Alarms::default(), Journaled::default());
        let place = Place { folder: folder.path().to_owned(), zone: TimeZone::UTC, alarms, journaled };
        let mut recorder = Recorder::start_on::<_, Full>(place, clock, move |event| drop(tell.send(event))).unwrap();
        // The repairer has a copy of the events' sender: the channel closes when it has ended.
        let (markers, registered) = recorder.join().unwrap();
        let told = told.iter().collect::<Vec<_>>();
        (told, markers.closed_and(registered.take()))
    };
    // The first service is killed before the fact of the failure is in the journal.
    for is_killed in [true, false] {
        let (told, markers) = start();
        assert!(matches!(told.as_slice(), [Event::RecordingFailed { .. }]), "killed: {is_killed}: {told:?}");
        assert_eq!(markers.len(), 1);
        markers.iter().filter(|_| !is_killed).for_each(DueMarker::settle);
    }
    for _ in 0..2 {
        assert_eq!(start(), (vec![], vec![]), "the failure is known");
    }
    let remarks = crate::server::media::remarks(folder.path());
    let [remark] = remarks.as_slice() else { panic!("{remarks:?}") };
    assert!(remark.contains("x.wav is not registered: ") && remark.contains(&key.name()), "{remark}");
    // The file can be read again.
    fs::remove_dir_all(folder.path().join("x.wav")).unwrap();
    let mut bytes = crate::media::wav::header(0);
    bytes.extend([7; 8_000 * 4]);
    fs::write(folder.path().join("x.wav"), bytes).unwrap();
    let (told, _) = start();
    assert!(matches!(told.as_slice(), [Event::RecordingClosed { .. }]), "{told:?}");
}
