//! The clock of the media threads.

use crate::clock::Instant;

/// The clock of all media threads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock(std::time::Instant);

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "the media threads read their own clock")]
    pub(super) fn start() -> Self {
        Self(std::time::Instant::now())
    }

    /// A clock that has already run for this time.
    #[cfg(test)]
    #[expect(clippy::disallowed_methods, reason = "the media threads read their own clock")]
    pub(super) fn started_before(span: std::time::Duration) -> Self {
        Self(std::time::Instant::now().checked_sub(span).unwrap_or_else(std::time::Instant::now))
    }

    pub(super) fn now(self) -> Instant {
        Instant::from_nanos(u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}
