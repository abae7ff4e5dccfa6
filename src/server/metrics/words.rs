//! The values of labels: every counter exists with each of them from the start, so that an alert rule sees its first increase.

use crate::cdr::fact::{EndCause, OfferOutcome};

use super::Metrics;

const CAUSES: [EndCause; 9] = [
    EndCause::Normal,
    EndCause::Abandoned,
    EndCause::CallerSilent,
    EndCause::CallerLost,
    EndCause::OperatorLost,
    EndCause::NoCapacity,
    EndCause::NoCodec,
    EndCause::ServiceFault,
    EndCause::Interrupted,
];

/// Creates every counter with the value 0.
pub(super) fn show_all(metrics: &Metrics) {
    for cause in CAUSES {
        metrics.calls_ended.with_label_values(&[cause.word()]).inc_by(0);
    }
    for outcome in OfferOutcome::ALL {
        metrics.offers_ended.with_label_values(&[outcome.word()]).inc_by(0);
        metrics.call_backs.with_label_values(&[outcome.word()]).inc_by(0);
    }
    metrics.call_backs.with_label_values(&["lost"]).inc_by(0);
    for outcome in ["done", "failed"] {
        metrics.transfers.with_label_values(&[outcome]).inc_by(0);
    }
    for way in ["asked", "unheard"] {
        metrics.silent_prompts.with_label_values(&[way]).inc_by(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_that_alert_rules_use_exist_from_the_start() {
        let text = Metrics::new().unwrap().text().unwrap();
        for line in [
            "siaga_calls_ended_total{cause=\"service-fault\"} 0",
            "siaga_calls_ended_total{cause=\"caller-silent\"} 0",
            "siaga_offers_ended_total{outcome=\"unreachable\"} 0",
            "siaga_transfers_total{outcome=\"failed\"} 0",
            "siaga_call_backs_total{outcome=\"lost\"} 0",
            "siaga_silent_prompts_total{way=\"unheard\"} 0",
        ] {
            assert!(text.lines().any(|one| one == line), "{line}");
        }
    }
}
