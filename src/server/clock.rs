//! The service's own clock: read once for each input, by the signalling loop and nobody below it.

use crate::clock::{Instant, Now, Timestamp};

/// The calendar clock, for a command that does its work once.
pub fn wall_now() -> Timestamp {
    Clock::start().now().wall
}

/// Both clocks of the machine, the monotonic one counted from the start of the process.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: std::time::Instant,
}

impl Clock {
    /// Starts counting.
    #[expect(clippy::disallowed_methods, reason = "this is the one clock")]
    pub fn start() -> Self {
        Self { started: std::time::Instant::now() }
    }

    /// Both clocks, now.
    #[expect(clippy::disallowed_methods, reason = "this is the one clock")]
    pub fn now(&self) -> Now {
        let mono = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let wall = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
        Now { mono: Instant::from_nanos(mono), wall: Timestamp::from_millis(wall) }
    }

    /// The point of the runtime's clock at which `at` is reached.
    pub(super) fn runtime_instant(&self, at: Instant) -> tokio::time::Instant {
        tokio::time::Instant::from_std(self.started + std::time::Duration::from_nanos(at.as_nanos()))
    }
}
