//! Metrics of the desks' service levels.

use std::sync::{PoisonError, RwLock};

use prometheus::{GaugeVec, IntCounterVec};

use crate::cdr::Outcome;
use crate::cdr::fact::EndCause;
use crate::config::Levels;

use super::maker::Maker;

const OUTCOMES: [&str; 4] = ["answered", "abandoned", "short-abandon", "failed"];

/// The metrics of all desks.
#[derive(Debug)]
pub(in crate::server) struct Desks {
    calls: IntCounterVec,
    within: IntCounterVec,
    target: GaugeVec,
    /// The service levels, and the limit in milliseconds below which an abandoned call is a short one.
    promises: RwLock<Option<(Levels, u64)>>,
}

impl Desks {
    pub(super) fn new(made: &Maker) -> Result<Self, prometheus::Error> {
        Ok(Self {
            calls: made.counters(
                "desk_calls_total",
                "Calls of each desk by what became of them: answered, abandoned, short-abandon, failed.",
                &["desk", "outcome"],
            )?,
            within: made.counters(
                "desk_answered_within_total",
                "Calls that were answered within the service level's time of their desk.",
                &["desk"],
            )?,
            target: made.ratios("desk_service_level_target", "What each desk promises: 0.9 are 90 %.", &["desk"])?,
            promises: RwLock::default(),
        })
    }

    /// Sets the service levels of the desks. All counters of a desk exist from then on.
    pub(in crate::server) fn promise(&self, levels: &Levels, short_abandon_ms: u64) {
        self.target.reset();
        for (desk, level) in &levels.desks {
            let desk = Levels::shown(desk);
            self.target.with_label_values(&[desk]).set(f64::from(level.percent) / 100.0);
            self.within.with_label_values(&[desk]).inc_by(0);
            for outcome in OUTCOMES {
                self.calls.with_label_values(&[desk, outcome]).inc_by(0);
            }
        }
        let mut promises = self.promises.write().unwrap_or_else(PoisonError::into_inner);
        *promises = Some((levels.clone(), short_abandon_ms));
    }

    /// Counts a desk's call that was answered after this wait.
    pub(in crate::server) fn answered(&self, desk: &str, waited_ms: u64) {
        let shown = Levels::shown(desk);
        self.calls.with_label_values(&[shown, "answered"]).inc();
        let promises = self.promises.read().unwrap_or_else(PoisonError::into_inner);
        if promises.as_ref().is_some_and(|(levels, _)| waited_ms <= levels.of(desk).within_ms()) {
            self.within.with_label_values(&[shown]).inc();
        }
    }

    /// Counts a desk's call that ended after this wait without an answer.
    pub(in crate::server) fn lost(&self, desk: &str, cause: EndCause, waited_ms: u64) {
        let promises = self.promises.read().unwrap_or_else(PoisonError::into_inner);
        let short = promises.as_ref().is_some_and(|(_, short_ms)| waited_ms < *short_ms);
        let outcome = match Outcome::unanswered(cause) {
            Outcome::Abandoned if short => "short-abandon",
            Outcome::Abandoned => "abandoned",
            Outcome::Answered | Outcome::Failed | Outcome::Interrupted => "failed",
        };
        self.calls.with_label_values(&[Levels::shown(desk), outcome]).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ServiceLevel;

    #[test]
    fn a_desks_calls_are_counted_by_its_own_promise() {
        let metrics = super::super::Metrics::new().unwrap();
        let level = |seconds, percent| ServiceLevel { within: std::time::Duration::from_secs(seconds), percent };
        let desks = vec![(String::new(), level(10, 90)), ("fire".to_owned(), level(5, 95))];
        metrics.desks.promise(&Levels { usual: level(10, 90), desks }, 5_000);
        let shows = |line: &str| metrics.text().unwrap().lines().any(|one| one == line);
        assert!(shows("siaga_desk_answered_within_total{desk=\"fire\"} 0"), "shown before the first call");
        metrics.desks.answered("", 10_000);
        metrics.desks.answered("fire", 5_000);
        metrics.desks.answered("fire", 5_001);
        metrics.desks.lost("fire", EndCause::Abandoned, 4_999);
        metrics.desks.lost("fire", EndCause::Abandoned, 5_000);
        metrics.desks.lost("fire", EndCause::NoCodec, 1);
        for line in [
            "siaga_desk_answered_within_total{desk=\"queue\"} 1",
            "siaga_desk_answered_within_total{desk=\"fire\"} 1",
            "siaga_desk_calls_total{desk=\"fire\",outcome=\"answered\"} 2",
            "siaga_desk_calls_total{desk=\"fire\",outcome=\"abandoned\"} 1",
            "siaga_desk_calls_total{desk=\"fire\",outcome=\"short-abandon\"} 1",
            "siaga_desk_calls_total{desk=\"fire\",outcome=\"failed\"} 1",
            "siaga_desk_service_level_target{desk=\"fire\"} 0.95",
        ] {
            assert!(shows(line), "{line}");
        }
    }
}
