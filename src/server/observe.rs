//! Observes every fact on its way to the journal: counts it, and logs changes in a call's outcome. Numbers are masked.

use std::collections::HashMap;
use std::sync::Arc;

use tracing::{debug, error, info, warn};

use crate::cdr::fact::{Callee, Destination, Fact, FactKind, Moment, OfferOutcome};
use crate::clock::Timestamp;
use crate::ids::CallId;

use super::metrics::Metrics;

/// The data of a live call that its times are computed from.
#[derive(Clone, Debug)]
struct Open {
    received: Moment,
    answered: Option<Moment>,
    desk: String,
}

/// The observer of one signalling loop.
#[derive(Debug)]
pub(super) struct Observer {
    metrics: Arc<Metrics>,
    /// Calls that are received and have not ended: at most `limits::CALLS_MAX`.
    open: HashMap<CallId, Open>,
}

impl Observer {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, open: HashMap::new() }
    }

    /// Counts and logs one fact.
    pub(super) fn see(&mut self, fact: &Fact) {
        match fact.call {
            Some(call) => self.see_call(call, fact),
            None => see_service(&fact.kind),
        }
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each kind of fact")]
    fn see_call(&mut self, call: CallId, fact: &Fact) {
        let metrics = &self.metrics;
        match &fact.kind {
            FactKind::Received { trunk, asserted, presented, called, .. } => {
                metrics.calls_received.inc();
                self.open.insert(call, Open { received: fact.moment(), answered: None, desk: String::new() });
                let number = masked(asserted.as_deref().or(presented.as_deref()).unwrap_or(""));
                info!(%call, trunk, number, called, "received");
            }
            FactKind::Answered { leg, by } => {
                // Only the first answer of a call counts, not a takeover. Placed calls are not in `open`.
                let first = self.open.get_mut(&call).filter(|open| open.answered.is_none());
                let waited_ms = first.map(|open| {
                    open.answered = Some(fact.moment());
                    let waited_ms = fact.moment().millis_since(open.received);
                    metrics.desks.answered(&open.desk, waited_ms);
                    waited_ms
                });
                if let Some(waited_ms) = waited_ms {
                    metrics.calls_answered.inc();
                    metrics.waited.observe(seconds(waited_ms));
                }
                info!(%call, leg = leg.0, by = callee(by), waited_ms, "answered");
            }
            FactKind::Ended { by, cause, sip_status, q850 } => {
                let open = self.open.remove(&call);
                if let Some(open) = &open {
                    metrics.calls_ended.with_label_values(&[cause.word()]).inc();
                    if open.answered.is_none() {
                        metrics.desks.lost(&open.desk, *cause, fact.moment().millis_since(open.received));
                    }
                }
                let lasted_ms = open.as_ref().map(|open| fact.moment().millis_since(open.received));
                let talk_ms = open.and_then(|open| open.answered).map(|answered| fact.moment().millis_since(answered));
                let (by, cause) = (by.word(), cause.word());
                info!(%call, by, cause, sip_status, q850, lasted_ms, talk_ms, "ended");
            }
            FactKind::OfferEnded { leg, to, outcome, sip_status } => {
                let word = outcome.word();
                metrics.offers_ended.with_label_values(&[word]).inc();
                match outcome {
                    OfferOutcome::Answered => debug!(%call, leg = leg.0, to = callee(to), "offer answered"),
                    OfferOutcome::NoAnswer
                    | OfferOutcome::Busy
                    | OfferOutcome::Rejected
                    | OfferOutcome::Redirected
                    | OfferOutcome::Unreachable
                    | OfferOutcome::CallerLeft
                    | OfferOutcome::LostRace
                    | OfferOutcome::Withdrawn => {
                        info!(%call, leg = leg.0, to = callee(to), outcome = word, sip_status, "offer failed");
                    }
                }
            }
            FactKind::OperatorLost { leg, operator, sip_status, q850 } => {
                metrics.operators_lost.inc();
                warn!(%call, leg = leg.0, %operator, sip_status, q850, "operator lost, the caller goes back to the queue");
            }
            FactKind::TransferAsked { leg, by, to, consulted, .. } => {
                let to = destination(to);
                info!(%call, leg = leg.0, %by, to, consulted = consulted.is_some(), "transfer requested");
            }
            FactKind::TransferDone { by, to, .. } => {
                metrics.transfers.with_label_values(&["done"]).inc();
                info!(%call, %by, to = destination(to), "transfer done");
            }
            FactKind::TransferFailed { by, to, why, sip_status, back } => {
                metrics.transfers.with_label_values(&["failed"]).inc();
                info!(%call, %by, to = destination(to), why = why.word(), sip_status, back, "transfer failed");
            }
            FactKind::CalledBack { by, over, outcome, sip_status } => {
                metrics.call_backs.with_label_values(&[outcome.word()]).inc();
                info!(%call, %by, %over, outcome = outcome.word(), sip_status, "called back");
            }
            FactKind::CallBackLost => {
                metrics.call_backs.with_label_values(&["lost"]).inc();
                warn!(%call, "the list of call-backs is full: the caller is not on it");
            }
            FactKind::NobodyOnShift => {
                metrics.nobody_on_shift.inc();
                warn!(%call, "no operator is on shift: the fallback begins");
            }
            FactKind::RecordingFailed { leg, why } => {
                metrics.recordings_failed.inc();
                warn!(%call, leg = leg.0, why, "recording failed");
            }
            FactKind::Breach { what } => {
                metrics.breaches.inc();
                error!(%call, what, "an invariant is broken: the call was ended");
            }
            FactKind::SessionExpired { leg, kept } => {
                metrics.sessions_expired.inc();
                warn!(%call, leg = leg.0, kept, "a session was not refreshed");
            }
            FactKind::SilentLegPresent { leg, sip_status } => {
                metrics.silent_legs_present.inc();
                warn!(%call, leg = leg.0, sip_status, "a party sends no audio but still has its dialog");
            }
            FactKind::SilentAsked { by } => {
                let way = if by.is_some() { "asked" } else { "unheard" };
                metrics.silent_prompts.with_label_values(&[way]).inc();
                info!(%call, by, "the caller is asked for a digit");
            }
            FactKind::Chosen { text, waiting, .. } => info!(%call, text, waiting, "the caller has pressed a digit"),
            FactKind::Queued { desk, .. } => {
                if let Some(open) = self.open.get_mut(&call) {
                    open.desk.clone_from(desk);
                }
                see_detail(call, &fact.kind);
            }
            FactKind::Located { .. }
            | FactKind::Held { .. }
            | FactKind::Resumed { .. }
            | FactKind::Announced { .. }
            | FactKind::Offered { .. }
            | FactKind::Ringing { .. }
            | FactKind::WrappedUp { .. }
            | FactKind::TransferorLeft { .. }
            | FactKind::TakenOver { .. }
            | FactKind::GuestJoined { .. }
            | FactKind::GuestLeft { .. }
            | FactKind::LeadLeft { .. }
            | FactKind::Placed { .. }
            | FactKind::CallerKnown { .. }
            | FactKind::Disposed { .. }
            | FactKind::CallerMarked { .. }
            | FactKind::Recorded { .. }
            | FactKind::Sound { .. }
            | FactKind::Digit { .. }
            | FactKind::Erased { .. }
            | FactKind::Started { .. }
            | FactKind::Stopped
            | FactKind::OperatorState { .. }
            | FactKind::Stationed { .. }
            | FactKind::PinRefused { .. }
            | FactKind::PasswordGuessed { .. }
            | FactKind::ModeSet { .. }
            | FactKind::Commanded { .. } => see_detail(call, &fact.kind),
        }
    }
}

/// Logs details at the debug level.
fn see_detail(call: CallId, kind: &FactKind) {
    match kind {
        FactKind::Located { location } => debug!(%call, source = ?location.source, fault = location.fault, "located"),
        FactKind::Queued { priority, desk, returned } => debug!(%call, priority, desk, returned, "queued"),
        FactKind::Announced { early } => debug!(%call, early, "announced"),
        FactKind::Offered { leg, to, why } => debug!(%call, leg = leg.0, to = callee(to), why, "offered"),
        FactKind::Ringing { leg } => debug!(%call, leg = leg.0, "ringing"),
        FactKind::WrappedUp { operator } => debug!(%call, %operator, "wrapped up"),
        FactKind::CallerKnown { calls, minutes, prank } => info!(%call, calls, minutes, prank, "the caller is known"),
        FactKind::Disposed { class, by, .. } => debug!(%call, ?class, by, "disposed"),
        FactKind::Recorded { leg, file, duration_ms, frames_dropped, .. } => {
            debug!(%call, leg = leg.0, file, duration_ms, frames_dropped, "recorded");
        }
        FactKind::Sound { leg, packets_in, packets_out, packets_lost, .. } => {
            debug!(%call, leg = leg.0, packets_in, packets_out, packets_lost, "audio");
        }
        FactKind::Held { leg } => debug!(%call, leg = leg.0, "held"),
        FactKind::Resumed { leg } => debug!(%call, leg = leg.0, "resumed"),
        FactKind::Digit { leg, .. } => debug!(%call, leg = leg.0, "digit"),
        FactKind::TransferorLeft { leg, operator } => {
            debug!(%call, leg = leg.0, %operator, "the operator has left during the transfer")
        }
        FactKind::GuestJoined { leg, who, role } => {
            info!(%call, leg = leg.0, who = callee(who), ?role, "participant joined")
        }
        FactKind::GuestLeft { leg, who } => info!(%call, leg = leg.0, who = callee(who), "participant left"),
        FactKind::LeadLeft { leg, who, lost } => {
            info!(%call, leg = leg.0, who = callee(who), lost, "left, and a participant has the caller")
        }
        FactKind::TakenOver { leg, by } => info!(%call, leg = leg.0, %by, "taken over"),
        FactKind::Placed { by, to, .. } => info!(%call, %by, to = callee(to), "placed"),
        FactKind::Received { .. }
        | FactKind::SessionExpired { .. }
        | FactKind::SilentLegPresent { .. }
        | FactKind::OfferEnded { .. }
        | FactKind::Answered { .. }
        | FactKind::OperatorLost { .. }
        | FactKind::TransferAsked { .. }
        | FactKind::TransferDone { .. }
        | FactKind::TransferFailed { .. }
        | FactKind::Ended { .. }
        | FactKind::RecordingFailed { .. }
        | FactKind::NobodyOnShift
        | FactKind::CalledBack { .. }
        | FactKind::CallBackLost
        | FactKind::SilentAsked { .. }
        | FactKind::Chosen { .. }
        | FactKind::CallerMarked { .. }
        | FactKind::Breach { .. }
        | FactKind::Erased { .. }
        | FactKind::Started { .. }
        | FactKind::Stopped
        | FactKind::OperatorState { .. }
        | FactKind::Stationed { .. }
        | FactKind::PinRefused { .. }
        | FactKind::PasswordGuessed { .. }
        | FactKind::ModeSet { .. }
        | FactKind::Commanded { .. } => {}
    }
}

/// A time in the log, in UTC (RFC 3339).
fn rfc_3339(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default().to_string()
}

fn see_service(kind: &FactKind) {
    if let FactKind::OperatorState { operator, state, reason } = kind {
        if matches!(state.as_str(), "offline" | "break") {
            info!(%operator, state, reason, "operator");
        } else {
            debug!(%operator, state, reason, "operator");
        }
    }
    if let FactKind::Stationed { station, operator } = kind {
        info!(%station, operator = operator.as_ref().map(tracing::field::display), "station");
    }
    if let FactKind::PinRefused { station, operator, locked } = kind {
        warn!(%station, %operator, locked, "wrong PIN");
    }
    if let FactKind::PasswordGuessed { account, source, failures } = kind {
        warn!(account, %source, failures, "wrong passwords");
    }
    if let FactKind::ModeSet { mode, until, by } = kind {
        info!(mode = mode.word(), until = until.map(rfc_3339), by, "operating mode set");
    }
    if let FactKind::Commanded { by, role, command, of, done } = kind {
        info!(by, role = role.word(), command, of = subject(command, of), done, "commanded");
    }
}

/// The object of a command for the log, with callers' numbers masked.
fn subject(command: &str, of: &str) -> String {
    match (command, of.split_once(' ')) {
        ("mark-caller" | "call-back", Some((number, rest))) => format!("{} {rest}", masked(number)),
        // A placed call: to a colleague, an agency or a number that is called back.
        ("call", Some((operator, whom))) if !whom.chars().any(char::is_alphabetic) => {
            format!("{operator} {}", masked(whom))
        }
        (_, _) => of.to_owned(),
    }
}

/// The last three digits of a number. The others are masked, because they identify a person.
pub(super) fn masked(number: &str) -> String {
    let digits: Vec<char> = number.chars().filter(char::is_ascii_digit).collect();
    match digits.len().checked_sub(3).and_then(|hidden| digits.get(hidden..)) {
        Some(last) if digits.len() > 3 => format!("***{}", last.iter().collect::<String>()),
        Some(_) | None => "***".to_owned(),
    }
}

fn callee(callee: &Callee) -> String {
    match callee {
        Callee::Operator(operator) => operator.to_string(),
        Callee::Number(_) => "a number".to_owned(),
    }
}

fn destination(to: &Destination) -> String {
    match to {
        Destination::Operator(operator) => operator.to_string(),
        Destination::Number(_) => "a number".to_owned(),
        Destination::Queue => "the queue".to_owned(),
    }
}

/// Milliseconds as seconds, the unit of Prometheus.
fn seconds(millis: u64) -> f64 {
    std::time::Duration::from_millis(millis).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trail_in_the_log_has_callers_numbers_masked() {
        assert_eq!(subject("mark-caller", "+628123456789 24 h"), "***789 24 h");
        assert_eq!(subject("call-back", "08123456789 by budi"), "***789 by budi");
        assert_eq!(subject("pause", "op123456 meal"), "op123456 meal");
        assert_eq!(subject("call", "op123456 +62 812-3456-789"), "op123456 ***789");
        assert_eq!(subject("call", "op123456 op2"), "op123456 op2");
    }

    #[test]
    fn a_number_shows_its_last_three_digits_and_no_more() {
        assert_eq!(masked("+62 812-3456-7890"), "***890");
        assert_eq!(masked("112"), "***");
        assert_eq!(masked(""), "***");
    }
}
