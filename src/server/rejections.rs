//! Counts and logs INVITEs that are rejected before they become calls, and logs bans. Log lines are limited, because a wrongly
//! configured trunk or an attacker may send thousands, each from another address.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use crate::clock::Instant;
use crate::sip::guard::Ban;
use crate::switchboard::{Rejected, Rejection};

use super::metrics::Metrics;
use super::observe::masked;

/// Log lines of one reason within `WINDOW`.
const LINES_MAX: u32 = 5;
const WINDOW: Duration = Duration::from_secs(10);

/// The log lines of one reason.
#[derive(Clone, Copy, Debug, Default)]
struct Lines {
    window_start: Option<Instant>,
    written: u32,
    suppressed: u64,
}

impl Lines {
    /// If one more line may be written, the number of lines that were suppressed since the last one; otherwise None.
    fn take(&mut self, now: Instant) -> Option<u64> {
        if self.window_start.is_none_or(|start| now.since(start) >= WINDOW) {
            (self.window_start, self.written) = (Some(now), 0);
        }
        if self.written >= LINES_MAX {
            self.suppressed += 1;
            return None;
        }
        self.written += 1;
        Some(std::mem::take(&mut self.suppressed))
    }
}

/// The rejections so far.
#[derive(Debug)]
pub(super) struct Rejections {
    metrics: Arc<Metrics>,
    /// In the order of `Rejected::ALL`.
    lines: [Lines; Rejected::ALL.len()],
    ignored: Lines,
    media: Lines,
    bans: Lines,
}

impl Rejections {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        let (ignored, media, bans) = (Lines::default(), Lines::default(), Lines::default());
        Self { metrics, lines: Default::default(), ignored, media, bans }
    }

    /// Counts one rejection and logs it, with the setting that would accept the INVITE.
    pub(super) fn see(&mut self, now: Instant, rejection: &Rejection) {
        let Rejection { reason, status, source, trunk, called, caller, why, setting } = rejection;
        self.metrics.calls_rejected.with_label_values(&[reason.word()]).inc();
        let lines = Rejected::ALL.iter().position(|one| one == reason).and_then(|at| self.lines.get_mut(at));
        let Some(suppressed) = lines.and_then(|lines| lines.take(now)) else { return };
        let (reason, number) = (reason.word(), masked(caller.as_deref().unwrap_or_default()));
        let called = shown(called);
        if rejection.reason == Rejected::ForeignHost {
            warn!(status, trunk, %source, number, setting, suppressed, "request in a call of this trunk rejected");
            return;
        }
        warn!(reason, status, trunk, %source, called, number, why, setting, suppressed, "INVITE rejected");
    }

    /// Logs a ban. A source can be forged, so one attacker can cause bans of thousands of addresses.
    pub(super) fn banned(&mut self, now: Instant, ban: &Ban) {
        if let Some(suppressed) = self.bans.take(now) {
            let (reason, seconds, nth) = (ban.reason.word(), ban.seconds, ban.nth);
            info!(address = %ban.address, reason, seconds, nth, suppressed, "banned");
        }
    }

    /// Logs what was ignored in an accepted INVITE.
    pub(super) fn ignored(&mut self, now: Instant, trunk: &str, what: &str) {
        if let Some(suppressed) = self.ignored.take(now) {
            info!(
                trunk,
                what,
                suppressed,
                "part of an INVITE cannot be read or is not supported; the call is accepted without it"
            );
        }
    }

    /// Counts and logs a leg whose audio is missing because its media comes from another host than expected. Called once for each leg.
    pub(super) fn foreign_media(
        &mut self,
        now: Instant,
        trunk: Option<&str>,
        from: SocketAddr,
        expected: Option<SocketAddr>,
    ) {
        self.metrics.media_foreign_legs.inc();
        let Some(suppressed) = self.media.take(now) else { return };
        let expected = expected.map_or_else(|| "none".to_owned(), |address| address.to_string());
        let host = from.ip().to_canonical();
        let setting = match trunk {
            Some(name) => format!("media = [\"{host}\"] in the [[trunk]] with name = {name:?}"),
            None => format!("phones = [\"{host}\"] in [media]"),
        };
        warn!(%from, setting, suppressed, "media from {from} dropped: expected the signalled address {expected}");
    }
}

/// Shows a called number only if it is short or is not a number: a longer one may be that of a person.
fn shown(called: &str) -> String {
    let digits = called.bytes().filter(u8::is_ascii_digit).count();
    if digits > 10 { masked(called) } else { called.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_writes_five_lines_in_ten_seconds_and_the_next_line_counts_the_rest() {
        let mut lines = Lines::default();
        let start = Instant::from_nanos(7);
        let written = (0..1000).filter(|_| lines.take(start).is_some()).count();
        assert_eq!(written, 5);
        assert_eq!(lines.take(start + Duration::from_secs(9)), None);
        assert_eq!(lines.take(start + Duration::from_secs(10)), Some(996));
        assert_eq!(lines.take(start + Duration::from_secs(10)), Some(0));
    }

    #[test]
    fn legs_with_foreign_media_write_five_lines_in_ten_seconds_and_all_are_counted() {
        let metrics = Arc::new(Metrics::new().unwrap());
        let mut rejections = Rejections::new(Arc::clone(&metrics));
        let log = tempfile::NamedTempFile::new().unwrap();
        let lines = || std::fs::read_to_string(log.path()).unwrap().lines().count();
        let subscriber = tracing_subscriber::fmt().with_writer(Arc::new(log.reopen().unwrap())).finish();
        tracing::subscriber::with_default(subscriber, || {
            let (start, from) = (Instant::from_nanos(7), |n: u8| SocketAddr::from(([192, 0, 2, n], 4_000)));
            for n in 0..100 {
                rejections.foreign_media(start, Some("telco"), from(n), None);
            }
            assert_eq!(lines(), 5);
            rejections.foreign_media(start + WINDOW, None, from(200), None);
            assert_eq!(lines(), 6, "the next ten seconds");
        });
        assert_eq!(metrics.media_foreign_legs.get(), 101);
    }

    #[test]
    fn a_long_called_number_is_masked() {
        assert_eq!(shown("0725112"), "0725112");
        assert_eq!(shown("urn:service:sos.fire"), "urn:service:sos.fire");
        assert_eq!(shown("+6281234567890"), "***890");
    }
}
