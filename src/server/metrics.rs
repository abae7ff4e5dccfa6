//! Prometheus metrics, from the outputs of the switchboard, the counters of the loop, media, journal and writer.

mod desks;
mod maker;
mod words;

use prometheus::{
    Encoder as _, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry, TextEncoder,
};

use crate::acd::OperatingMode;
use crate::alarm::{Alarms, Kind};
use crate::sip::guard::Reason;
use crate::switchboard::{Gauges, GuardFigures, Rejected};

use super::media::MediaCounters;
use super::records::RecordsFigures;
use super::signalling::Tally;
use desks::Desks;
use maker::Maker;

/// Upper bounds of the waiting-time buckets, in seconds: 10, 15 and 20 s are the standards' targets.
const WAIT_BUCKETS: [f64; 11] = [0.1, 1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0, 300.0];
/// Operators' states in the order of `Gauges::operators`.
const STATES: [&str; 6] = ["offline", "ready", "offered", "talking", "wrap-up", "break"];

/// All metrics of the service.
#[derive(Debug)]
pub(super) struct Metrics {
    registry: Registry,
    alarm: IntGaugeVec,
    pub(super) calls_received: IntCounter,
    pub(super) calls_ended: IntCounterVec,
    pub(super) calls_answered: IntCounter,
    pub(super) calls_rejected: IntCounterVec,
    pub(super) bindings_marked: IntCounter,
    pub(super) offers_ended: IntCounterVec,
    pub(super) operators_lost: IntCounter,
    pub(super) sessions_expired: IntCounter,
    pub(super) silent_legs_present: IntCounter,
    pub(super) transfers: IntCounterVec,
    pub(super) call_backs: IntCounterVec,
    pub(super) silent_prompts: IntCounterVec,
    /// Service levels of the desks.
    pub(super) desks: Desks,
    pub(super) nobody_on_shift: IntCounter,
    pub(super) recordings_failed: IntCounter,
    pub(super) breaches: IntCounter,
    pub(super) waited: Histogram,
    pub(super) unstaffed: IntGauge,
    pub(super) none_ready: IntGauge,
    pub(super) ports_short: IntGauge,
    pub(super) trunk_up: IntGaugeVec,
    pub(super) trunk_registered: IntGaugeVec,
    pub(super) log_lines_lost: IntCounter,
    calls: IntGauge,
    waiting: IntGauge,
    bindings_unreachable: IntGauge,
    operators: IntGaugeVec,
    transactions: IntGauge,
    subscriptions: IntGauge,
    anchors: IntGauge,
    without_port: IntGauge,
    datagrams: IntCounterVec,
    connections: IntGauge,
    media: IntCounterVec,
    pub(super) media_foreign_legs: IntCounter,
    media_anchors_open: IntGauge,
    media_ports_failed: IntGauge,
    journal: IntCounterVec,
    journal_backlog: IntGauge,
    journal_alarm: IntGauge,
    writer: IntCounterVec,
    writer_backlog: IntGauge,
    calls_aside: IntGauge,
    guard: IntCounterVec,
    guard_banned: IntGauge,
    mode: IntGaugeVec,
}

impl Metrics {
    /// Registers all metrics.
    pub(super) fn new() -> Result<Self, prometheus::Error> {
        let made = Maker(Registry::new());
        let build = made.gauges("build_info", "Always 1; the label is the version.", &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let wait = HistogramOpts::new("siaga_wait_seconds", "Time from a call's arrival to its answer.");
        let waited = Histogram::with_opts(wait.buckets(WAIT_BUCKETS.to_vec()))?;
        made.0.register(Box::new(waited.clone()))?;
        let mode = made.gauges("mode", "1 for the current operating mode, 0 for the others.", &["mode"])?;
        let alarm = made.gauges("alarm", "1 while an alarm of this kind is raised.", &["kind"])?;
        let metrics = Self {
            alarm,
            mode,
            calls_received: made.counter("calls_received_total", "Emergency calls accepted.")?,
            calls_ended: made.counters("calls_ended_total", "Ended calls, by cause.", &["cause"])?,
            calls_answered: made.counter("calls_answered_total", "Calls that an operator or the fallback answered.")?,
            calls_rejected: rejected(&made)?,
            bindings_marked: made.counter("bindings_marked_total", "Times that a phone was marked as unreachable.")?,
            offers_ended: offers_ended(&made)?,
            operators_lost: made.counter("operators_lost_total", "Answered calls whose operator's leg was lost.")?,
            transfers: made.counters("transfers_total", "Transfers, by outcome: done, failed.", &["outcome"])?,
            call_backs: call_backs(&made)?,
            sessions_expired: sessions_expired(&made)?,
            silent_legs_present: made
                .counter("silent_legs_present_total", "Silent parties that responded; their calls continue.")?,
            silent_prompts: silent_prompts(&made)?,
            desks: Desks::new(&made)?,
            nobody_on_shift: made.counter("nobody_on_shift_total", "Calls that found no operator on shift.")?,
            recordings_failed: made.counter("recordings_failed_total", "Recordings that could not be made.")?,
            breaches: made.counter("invariant_breaches_total", "Calls ended for a broken invariant.")?,
            waited,
            unstaffed: made
                .gauge("unstaffed", "1 while calls wait and no operator is on shift, logged in and reachable.")?,
            none_ready: none_ready(&made)?,
            ports_short: ports_short(&made)?,
            trunk_up: made.gauges("trunk_up", "1 while the trunk responds to keep-alives.", &["trunk"])?,
            trunk_registered: made.gauges("trunk_registered", "1 while the trunk has our registration.", &["trunk"])?,
            log_lines_lost: made.counter("log_lines_lost_total", "Log lines dropped because the log was too slow.")?,
            calls: made.gauge("calls", "Live calls.")?,
            bindings_unreachable: made.gauge("bindings_unreachable", "Registered phones that do not respond.")?,
            waiting: made.gauge("calls_waiting", "Calls in the queue.")?,
            operators: made.gauges("operators", "Operators by state.", &["state"])?,
            transactions: made.gauge("sip_transactions", "Live SIP transactions.")?,
            subscriptions: made.gauge("sip_subscriptions", "Subscriptions of operators' phones.")?,
            anchors: made.gauge("media_ports_lent", "RTP port pairs that calls hold.")?,
            without_port: made.gauge("calls_without_port", "Callers who wait without an RTP port.")?,
            datagrams: made.counters(
                "sip_messages_total",
                "SIP messages: received (in), sent (out), not sent (unsent), not delivered (unreachable).",
                &["way"],
            )?,
            connections: made.gauge("sip_connections", "TCP connections of phones and trunks.")?,
            media: made.counters("media_total", "Media packets and errors, by kind.", &["kind"])?,
            media_foreign_legs: foreign_legs(&made)?,
            media_anchors_open: made.gauge("media_anchors_open", "Port pairs that media serves.")?,
            media_ports_failed: made.gauge("media_port_pairs_failed", "Port pairs that could not be bound.")?,
            journal: made.counters("journal_total", "Work of the journal, by kind.", &["kind"])?,
            journal_backlog: made.gauge("journal_backlog", "Facts that wait for the disk.")?,
            journal_alarm: made.gauge("journal_alarm", "1 while facts cannot be written to the disk.")?,
            writer: made.counters("writer_total", "Work of the database writer, by kind.", &["kind"])?,
            writer_backlog: made.gauge("writer_backlog", "Facts that wait for the database.")?,
            calls_aside: made
                .gauge("calls_aside", "Calls that the database rejects; siaga journal aside lists them.")?,
            guard: made.counters("guard_total", "Requests that the guard dropped or rejected.", &["reason"])?,
            guard_banned: made.gauge("guard_banned", "Sources that are banned now.")?,
            registry: made.0,
        };
        metrics.set_mode(OperatingMode::Normal);
        words::show_all(&metrics);
        metrics.set_alarms(&Alarms::default());
        Ok(metrics)
    }

    /// Sets `siaga_alarm` for every kind.
    pub(super) fn set_alarms(&self, alarms: &Alarms) {
        for kind in Kind::ALL {
            self.alarm.with_label_values(&[kind.word()]).set(i64::from(alarms.is_raised(kind)));
        }
    }

    /// Sets the metric of the operating mode.
    pub(super) fn set_mode(&self, mode: OperatingMode) {
        for one in OperatingMode::ALL {
            self.mode.with_label_values(&[one.word()]).set(i64::from(one == mode));
        }
    }

    /// Sets the metrics of the loop.
    pub(super) fn set_loop(&self, gauges: Gauges, tally: Tally) {
        let set = |gauge: &IntGauge, value: usize| gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        set(&self.calls, gauges.calls);
        set(&self.waiting, gauges.waiting);
        set(&self.bindings_unreachable, gauges.bindings_unreachable);
        set(&self.transactions, gauges.transactions);
        set(&self.subscriptions, gauges.subscriptions);
        set(&self.anchors, gauges.anchors);
        set(&self.without_port, gauges.without_port);
        set(&self.connections, tally.connections);
        for (state, count) in STATES.iter().zip(gauges.operators) {
            set(&self.operators.with_label_values(&[state]), count);
        }
        raise(&self.datagrams, "in", tally.datagrams_in);
        raise(&self.datagrams, "out", tally.datagrams_out);
        raise(&self.datagrams, "unsent", tally.datagrams_unsent);
        raise(&self.datagrams, "unreachable", tally.unreachable);
    }

    /// Sets the metrics of the guard.
    pub(super) fn set_guard(&self, figures: GuardFigures) {
        for (reason, total) in Reason::ALL.iter().zip(figures.counts) {
            raise(&self.guard, reason.word(), total);
        }
        self.guard_banned.set(i64::try_from(figures.banned).unwrap_or(i64::MAX));
    }

    /// Sets the metrics of media.
    pub(super) fn set_media(&self, counters: &MediaCounters, events_dropped: u64) {
        raise(&self.media, "packets-in", counters.packets_in);
        raise(&self.media, "packets-out", counters.packets_out);
        raise(&self.media, "packets-foreign", counters.packets_foreign);
        raise(&self.media, "packets-ignored", counters.packets_ignored);
        raise(&self.media, "send-errors", counters.send_errors);
        raise(&self.media, "commands-dropped", counters.commands_dropped);
        raise(&self.media, "events-dropped", events_dropped);
        raise(&self.media, "recording-frames-dropped", counters.recording_frames_dropped);
        self.media_anchors_open.set(i64::try_from(counters.anchors_open).unwrap_or(i64::MAX));
        self.media_ports_failed.set(i64::try_from(counters.port_pairs_failed).unwrap_or(i64::MAX));
    }

    /// Sets the metrics of journal and writer.
    pub(super) fn set_records(&self, figures: &RecordsFigures) {
        for (kind, total) in &figures.journal {
            raise(&self.journal, kind, *total);
        }
        for (kind, total) in &figures.writer {
            raise(&self.writer, kind, *total);
        }
        self.journal_backlog.set(i64::try_from(figures.journal_backlog).unwrap_or(i64::MAX));
        self.journal_alarm.set(i64::from(figures.journal_alarm));
        self.writer_backlog.set(i64::try_from(figures.writer_backlog).unwrap_or(i64::MAX));
        self.calls_aside.set(i64::try_from(figures.calls_aside).unwrap_or(i64::MAX));
    }

    /// All metrics in the text format of Prometheus.
    pub(super) fn text(&self) -> Result<String, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

fn offers_ended(made: &Maker) -> Result<IntCounterVec, prometheus::Error> {
    made.counters("offers_ended_total", "Ring attempts at operators, by outcome.", &["outcome"])
}

fn call_backs(made: &Maker) -> Result<IntCounterVec, prometheus::Error> {
    made.counters(
        "call_backs_total",
        "Call-backs to unanswered callers, by outcome; lost: the list was full.",
        &["outcome"],
    )
}

fn silent_prompts(made: &Maker) -> Result<IntCounterVec, prometheus::Error> {
    made.counters(
        "silent_prompts_total",
        "Callers asked for a digit if they cannot speak: requested, or because they were silent.",
        &["way"],
    )
}

fn sessions_expired(made: &Maker) -> Result<IntCounter, prometheus::Error> {
    let help = "Sessions that were not refreshed in time (RFC 4028), kept or ended.";
    made.counter("sessions_expired_total", help)
}

fn foreign_legs(made: &Maker) -> Result<IntCounter, prometheus::Error> {
    let help = "Legs that are not heard: their media comes from an address that is not accepted.";
    made.counter("media_foreign_legs_total", help)
}

fn none_ready(made: &Maker) -> Result<IntGauge, prometheus::Error> {
    let help = "1 while calls wait and all operators at work are on a break, or have been busy for none_ready_seconds.";
    made.gauge("none_ready", help)
}

fn ports_short(made: &Maker) -> Result<IntGauge, prometheus::Error> {
    let help = "1 while callers wait without a port: the rest is reserved for phones; 2 while none is left to ring a ready operator.";
    made.gauge("media_ports_short", help)
}

/// The counter of rejected INVITEs, with every reason from the start.
fn rejected(made: &Maker) -> Result<IntCounterVec, prometheus::Error> {
    let help = "INVITEs that were rejected before they became calls, by reason.";
    let rejected = made.counters("calls_rejected_total", help, &["reason"])?;
    for reason in Rejected::ALL {
        rejected.with_label_values(&[reason.word()]).inc_by(0);
    }
    Ok(rejected)
}

/// Raises a counter to a total that is counted elsewhere.
fn raise(counters: &IntCounterVec, label: &str, total: u64) {
    let counter = counters.with_label_values(&[label]);
    counter.inc_by(total.saturating_sub(counter.get()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alarm_has_a_gauge_from_the_start_that_follows_it() {
        let (metrics, alarms) = (Metrics::new().unwrap(), Alarms::default());
        assert!(metrics.text().unwrap().contains("siaga_alarm{kind=\"database\"} 0"));
        alarms.raise(Kind::Database, "", "it is locked");
        metrics.set_alarms(&alarms);
        let text = metrics.text().unwrap();
        assert!(text.contains("siaga_alarm{kind=\"database\"} 1"), "{text}");
        assert!(text.contains("siaga_alarm{kind=\"journal\"} 0"), "{text}");
    }

    #[test]
    fn totals_counted_elsewhere_never_go_back() {
        let metrics = Metrics::new().unwrap();
        let tally = |datagrams_in| Tally { datagrams_in, ..Tally::default() };
        metrics.set_loop(Gauges { waiting: 3, ..Gauges::default() }, tally(7));
        metrics.set_loop(Gauges { waiting: 2, ..Gauges::default() }, tally(5));
        let text = metrics.text().unwrap();
        assert!(text.contains("siaga_sip_messages_total{way=\"in\"} 7"), "{text}");
        assert!(text.contains("siaga_calls_waiting 2"), "{text}");
    }
}
