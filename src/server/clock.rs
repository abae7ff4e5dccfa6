//! The service's clock. The signalling loop reads it once for each input; code below the loop never reads a clock.

use crate::clock::{Instant, Now, Timestamp};

/// The wall clock, for a command that runs once.
pub fn wall_now() -> Timestamp {
    Clock::start().now().wall
}

/// Both clocks of the machine, the monotonic one counted from the start of the process.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: std::time::Instant,
}

impl Clock {
    /// Starts the monotonic clock at 0.
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

    /// The time of the runtime's clock that corresponds to `at`.
    pub(super) fn runtime_instant(&self, at: Instant) -> tokio::time::Instant {
        tokio::time::Instant::from_std(self.started + std::time::Duration::from_nanos(at.as_nanos()))
    }
}
