//! Carries out the outputs of the signalling loop: media, journal, metrics, log. Nothing here blocks.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::acd::OperatingMode;
use crate::alarm::{Alarms, Kind};
use crate::cdr::fact::Fact;
use crate::cdr::personal::Number;
use crate::clock::Instant;
use crate::ids::{CallId, OperatorId};
use crate::media::command::Command;
use crate::sip::guard::Ban;
use crate::switchboard::{AccountState, PasswordGuess, PortShortage, Rejection, TrunkHost};

use super::dns::Names;
use super::events::Events;
use super::journal_thread::Ledger;
use super::local_keeper::Keeper;
use super::media::Media;
use super::metrics::Metrics;
use super::observe::Observer;
use super::rejections::Rejections;
use super::signalling::OutputSink;

/// The `OutputSink` of the running service.
#[derive(Debug)]
pub(super) struct ServiceOutputs {
    /// None after the last command.
    pub(super) media: Option<Arc<Media>>,
    /// Notifies the thread that stops media when the calls have ended. None after that.
    pub(super) calls_over: Option<oneshot::Sender<()>>,
    pub(super) ledger: Ledger,
    pub(super) keeper: Keeper,
    pub(super) observer: Observer,
    pub(super) metrics: Arc<Metrics>,
    pub(super) alarms: Alarms,
    pub(super) rejections: Rejections,
    pub(super) events: Events,
    pub(super) names: Names,
}

impl ServiceOutputs {
    /// Also returns the receiver that is notified when the calls have ended: then media may be stopped.
    pub(super) fn new(
        media: &Arc<Media>,
        ledger: Ledger,
        keeper: Keeper,
        metrics: &Arc<Metrics>,
        alarms: &Alarms,
        events: &Events,
        names: Names,
    ) -> (Self, oneshot::Receiver<()>) {
        let (report, calls_over) = oneshot::channel();
        let sink = Self {
            media: Some(Arc::clone(media)),
            calls_over: Some(report),
            ledger,
            keeper,
            observer: Observer::new(Arc::clone(metrics)),
            metrics: Arc::clone(metrics),
            alarms: alarms.clone(),
            rejections: Rejections::new(Arc::clone(metrics)),
            events: events.clone(),
            names,
        };
        (sink, calls_over)
    }
}

impl OutputSink for ServiceOutputs {
    fn media(&mut self, command: Command) {
        if let Some(media) = &self.media {
            // Media counts commands that a full queue drops.
            media.queue(command);
        }
    }

    fn fact(&mut self, fact: Fact) {
        self.keeper.fact(&fact);
        self.observer.see(&fact);
        self.events.tell(&fact);
        self.ledger.append(fact);
    }

    fn facts_over(&mut self) {
        self.ledger.flush();
    }

    fn account_state(&mut self, account_state: AccountState) {
        self.keeper.account_state(account_state);
    }

    fn forget(&mut self, number: &Number) {
        self.keeper.forget(number);
    }

    fn turn_over(&mut self) {
        if let Some(media) = &self.media {
            media.flush();
        }
        self.keeper.send_waiting();
    }

    fn calls_over(&mut self) -> bool {
        self.media = None;
        self.calls_over.take().is_some_and(|report| report.send(()).is_ok())
    }

    fn look_up(&mut self, uri: Bytes, host: TrunkHost) {
        self.names.look_up(uri, host);
    }

    fn trunk_health(&mut self, trunk: &str, up: bool) {
        self.metrics.trunk_up.with_label_values(&[trunk]).set(i64::from(up));
        if up {
            self.alarms.clear(Kind::Trunk, trunk);
            tracing::info!(trunk, "the trunk responds");
        } else {
            self.alarms.raise(Kind::Trunk, trunk, "it does not respond to keep-alives");
        }
    }

    fn trunk_registered(&mut self, trunk: &str, registered: bool) {
        self.metrics.trunk_registered.with_label_values(&[trunk]).set(i64::from(registered));
        if registered {
            self.alarms.clear(Kind::Trunk, &registration_of(trunk));
            tracing::info!(trunk, "registered with the trunk");
        } else {
            self.alarms.raise(Kind::Trunk, &registration_of(trunk), "the trunk does not accept the registration");
        }
    }

    fn trunk_gone(&mut self, trunk: &str) {
        // Metrics that were never set need not be removed.
        for gauge in [&self.metrics.trunk_up, &self.metrics.trunk_registered] {
            drop(gauge.remove_label_values(&[trunk]));
        }
        self.alarms.clear(Kind::Trunk, trunk);
        self.alarms.clear(Kind::Trunk, &registration_of(trunk));
        tracing::info!(trunk, "the trunk is no longer in the configuration");
    }

    fn phone_reach(&mut self, account: &OperatorId, contact: &str, unreachable: bool) {
        if unreachable {
            self.metrics.bindings_marked.inc();
            tracing::warn!(%account, contact, "a phone does not respond: its operator's other phones are rung");
        } else {
            tracing::info!(%account, contact, "a phone responds again");
        }
    }

    fn long_call(&mut self, call: CallId, lasts_ms: u64, over: bool) {
        let subject = call.to_string();
        if over {
            self.alarms.clear(Kind::LongCall, &subject);
        } else {
            let hours = lasts_ms / 3_600_000;
            self.alarms.raise(Kind::LongCall, &subject, format!("the call has lasted for {hours} hours and continues"));
        }
    }

    fn guessing(&mut self, account: &str, guess: Option<PasswordGuess>) {
        match guess {
            Some(guess) => self.alarms.raise(Kind::Password, account, guessed(guess)),
            None => self.alarms.clear(Kind::Password, account),
        }
    }

    fn mode(&mut self, mode: OperatingMode, lasts_ms: u64, reminder: bool) {
        self.metrics.set_mode(mode);
        let (mode, hours) = (mode.word(), lasts_ms / 3_600_000);
        if reminder {
            tracing::warn!(mode = mode, hours, "the operating mode is still not normal");
        } else {
            tracing::warn!(mode = mode, "the operating mode has changed");
        }
    }

    fn rejected(&mut self, now: Instant, rejection: &Rejection) {
        self.rejections.see(now, rejection);
    }

    fn banned(&mut self, now: Instant, ban: &Ban) {
        self.rejections.banned(now, ban);
    }

    fn ignored(&mut self, now: Instant, trunk: &str, what: &str) {
        self.rejections.ignored(now, trunk, what);
    }

    fn foreign_media(&mut self, now: Instant, trunk: Option<&str>, from: SocketAddr, expected: Option<SocketAddr>) {
        self.rejections.foreign_media(now, trunk, from, expected);
    }

    fn unstaffed(&mut self, unstaffed: bool) {
        self.metrics.unstaffed.set(i64::from(unstaffed));
        if unstaffed {
            tracing::warn!("calls wait and no operator is on shift, logged in and reachable");
        } else {
            tracing::info!("no call waits any longer, or an operator is on shift, logged in and reachable");
        }
    }

    fn ports(&mut self, shortage: PortShortage) {
        let (reserve, exhausted) = ("reserve", "exhausted");
        self.metrics.ports_short.set(match shortage {
            PortShortage::None => 0,
            PortShortage::Reserve => 1,
            PortShortage::Exhausted => 2,
        });
        match shortage {
            PortShortage::None => {
                self.alarms.clear(Kind::Ports, reserve);
                self.alarms.clear(Kind::Ports, exhausted);
            }
            PortShortage::Reserve => {
                let why =
                    "callers wait without an RTP port: free ones are reserved for operators' phones ([media] ports)";
                self.alarms.raise(Kind::Ports, reserve, why);
                self.alarms.clear(Kind::Ports, exhausted);
            }
            PortShortage::Exhausted => {
                let why = "calls wait, and no RTP port is left to ring a ready operator ([media] ports)";
                self.alarms.raise(Kind::Ports, exhausted, why);
            }
        }
    }

    fn none_ready(&mut self, none_ready: bool) {
        self.metrics.none_ready.set(i64::from(none_ready));
        if none_ready {
            tracing::warn!(
                "a call waits and no operator is ready: operators on a break are rung after queue.none_ready_seconds"
            );
        } else {
            tracing::info!("no call waits any longer, or an operator is ready");
        }
    }
}

/// The text of the alarm `password`.
fn guessed(guess: PasswordGuess) -> String {
    match guess {
        PasswordGuess::Password(source) => format!(
            "wrong passwords, last from {source}: a phone has a wrong password, or the password is being guessed"
        ),
        PasswordGuess::Pin(station) => format!(
            "wrong PINs, last at the station with the address {station}: the operator does not know the PIN, or the PIN is being guessed"
        ),
    }
}

/// The subject of the alarm about a trunk's registration.
fn registration_of(trunk: &str) -> String {
    format!("{trunk} registration")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alarm_about_wrong_pins_speaks_of_pins() {
        let source = "192.0.2.7".parse().unwrap();
        let (password, pin) = (guessed(PasswordGuess::Password(source)), guessed(PasswordGuess::Pin(source)));
        assert!(password.starts_with("wrong passwords, last from 192.0.2.7") && !password.contains("PIN"));
        assert!(pin.starts_with("wrong PINs") && pin.contains("192.0.2.7") && !pin.contains("password"), "{pin}");
    }
}
