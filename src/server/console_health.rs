//! Requests of monitoring systems, without a token: metrics, and whether the service can answer 112 calls.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::switchboard::Gauges;

use super::console_reply::{fault, refused};
use super::console_state::Shared;

/// Time after a start in which phones register.
const PHONES_REGISTER: Duration = Duration::from_secs(60);

pub(super) async fn metrics(State(console): Shared) -> Response {
    if let Ok(figures) = console.loop_sender.figures().await {
        console.metrics.set_loop(figures.gauges, figures.tally);
        console.metrics.set_guard(figures.guard);
    }
    if let Some(media) = console.media.upgrade() {
        console.metrics.set_media(&media.counters(), console.loop_sender.events_dropped());
    }
    console.metrics.set_alarms(&console.alarms);
    console.metrics.set_records(&console.records.figures());
    let lost = &console.metrics.log_lines_lost;
    lost.inc_by(console.log_lost.count().saturating_sub(lost.get()));
    match console.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => fault(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

pub(super) async fn ready(State(console): Shared) -> Response {
    if console.draining.load(Ordering::Relaxed) {
        return fault(StatusCode::SERVICE_UNAVAILABLE, "the service is ending: no new calls");
    }
    let figures = match console.loop_sender.figures().await {
        Ok(figures) => figures.gauges,
        Err(error) => return refused(error),
    };
    let has_fallback = console.config.borrow().queue.fallback_number.is_some();
    if let Some(why) = unanswerable(figures, has_fallback, console.started.elapsed()) {
        return fault(StatusCode::SERVICE_UNAVAILABLE, why);
    }
    let alarms = console.alarms.lines().into_iter().map(|line| format!("alarm {line}\n"));
    let phones = (figures.phones == 0).then(|| "no phone is registered\n".to_owned());
    std::iter::once("ready\n".to_owned()).chain(phones).chain(alarms).collect::<String>().into_response()
}

/// Why no 112 call could be answered now; None if one could. After a start, phones have some time to register.
fn unanswerable(figures: Gauges, has_fallback: bool, up: Duration) -> Option<&'static str> {
    if figures.ports == 0 {
        return Some("no 112 call could be answered: no RTP port could be bound, see [media] ports");
    }
    if has_fallback {
        return None;
    }
    if !figures.accounts_known {
        return Some("no 112 call could be answered: no account is known, and there is no fallback number");
    }
    let nowhere = figures.phones == 0 && up >= PHONES_REGISTER;
    nowhere.then_some("no 112 call could be answered: no phone is registered, and there is no fallback number")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_is_not_ready_only_while_no_call_could_be_answered() {
        let gauges = |phones, accounts_known| Gauges { phones, accounts_known, ports: 1, ..Gauges::default() };
        assert!(unanswerable(Gauges { ports: 0, ..gauges(1, true) }, true, Duration::ZERO).is_some(), "no audio");
        let later = PHONES_REGISTER;
        assert!(unanswerable(gauges(0, false), false, Duration::ZERO).is_some());
        assert!(unanswerable(gauges(0, false), true, later).is_none(), "the fallback number is dialled");
        assert!(unanswerable(gauges(0, true), false, Duration::ZERO).is_none(), "phones are about to register");
        assert!(unanswerable(gauges(0, true), false, later).is_some());
        assert!(unanswerable(gauges(1, true), false, later).is_none());
    }
}
