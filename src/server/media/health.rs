//! Watches whether the recordings' disk responds: each thread that uses it gives a sign before every access. A thread that never uses the
//! disk raises the alarm when a sign is overdue.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use crate::alarm::{Alarms, Kind};
use crate::clock::Instant;

use super::clock::Clock;

/// A thread that waits longer for the disk counts as hanging.
const OVERDUE: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The subject of the alarm about a disk that does not respond.
const HANGS: &str = "disk";

/// The signs of one thread.
#[derive(Clone, Debug)]
pub(super) struct Pulse {
    clock: Clock,
    /// Nanoseconds of the last sign; 0 while the thread has no work.
    last: Arc<AtomicU64>,
}

impl Pulse {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, last: Arc::default() }
    }

    /// Gives a sign: the thread is about to use the disk.
    pub(super) fn beat(&self) {
        self.last.store(self.clock.now().as_nanos().max(1), Ordering::Relaxed);
    }

    /// The thread has no work: no sign is due.
    pub(super) fn rest(&self) {
        self.last.store(0, Ordering::Relaxed);
    }

    fn overdue(&self) -> Option<Duration> {
        let last = self.last.load(Ordering::Relaxed);
        let waits = self.clock.now().since(Instant::from_nanos(last));
        (last > 0 && waits > OVERDUE).then_some(waits)
    }
}

/// Watches the threads until the returned sender is dropped.
pub(super) fn watch(pulses: Vec<Pulse>, alarms: Alarms) -> io::Result<SyncSender<()>> {
    let (keep, ended) = sync_channel(0);
    thread::Builder::new().name("recording-watch".into()).spawn(move || {
        while ended.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
            look(&pulses, &alarms);
        }
    })?;
    Ok(keep)
}

fn look(pulses: &[Pulse], alarms: &Alarms) {
    match pulses.iter().filter_map(Pulse::overdue).max() {
        Some(waits) => {
            let why = format!("the disk has not responded for {} s; conversations are not recorded", waits.as_secs());
            alarms.raise(Kind::Recordings, HANGS, why);
        }
        None => alarms.clear(Kind::Recordings, HANGS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_hangs_raises_the_alarm_until_it_goes_on() {
        let (pulse, other, alarms) = (Pulse::new(Clock::start()), Pulse::new(Clock::start()), Alarms::default());
        let pulses = [pulse.clone(), other];
        pulse.beat();
        look(&pulses, &alarms);
        assert!(!alarms.is_raised(Kind::Recordings));
        // Its last sign is old.
        let old = Pulse { clock: Clock::started_before(OVERDUE * 2), last: Arc::new(AtomicU64::new(1)) };
        look(std::slice::from_ref(&old), &alarms);
        assert!(alarms.is_raised(Kind::Recordings));
        old.beat();
        look(std::slice::from_ref(&old), &alarms);
        assert!(!alarms.is_raised(Kind::Recordings));
        old.last.store(1, Ordering::Relaxed);
        old.rest();
        look(&[old], &alarms);
        assert!(!alarms.is_raised(Kind::Recordings), "a thread without work does not hang");
    }
}
