//! Carries out what the signalling loop decides: media, journal, metrics, log. Nothing here waits.

use std::sync::Arc;

use crate::acd::Posture;
use crate::alarm::{Alarms, Kind};
use crate::cdr::fact::Fact;
use crate::media::command::Command;
use crate::switchboard::Presence;

use super::events::Events;
use super::local_state::Keeper;
use super::media::Media;
use super::metrics::Metrics;
use super::observe::Observer;
use super::records::Ledger;
use super::signalling::Hands;

/// The hands of the running service.
#[derive(Debug)]
pub(super) struct ServiceHands {
    pub(super) media: Arc<Media>,
    pub(super) ledger: Ledger,
    pub(super) keeper: Keeper,
    pub(super) observer: Observer,
    pub(super) metrics: Arc<Metrics>,
    pub(super) alarms: Alarms,
    pub(super) events: Events,
}

impl ServiceHands {
    pub(super) fn new(
        media: &Arc<Media>,
        ledger: Ledger,
        keeper: Keeper,
        metrics: &Arc<Metrics>,
        alarms: &Alarms,
        events: &Events,
    ) -> Self {
        Self {
            media: Arc::clone(media),
            ledger,
            keeper,
            observer: Observer::new(Arc::clone(metrics)),
            metrics: Arc::clone(metrics),
            alarms: alarms.clone(),
            events: events.clone(),
        }
    }
}

impl Hands for ServiceHands {
    fn media(&mut self, command: Command) {
        // A full queue is counted by media.
        self.media.queue(command);
    }

    fn fact(&mut self, fact: Fact) {
        self.keeper.fact(&fact);
        self.observer.see(&fact);
        self.events.tell(&fact);
        self.ledger.append(fact);
    }

    fn presence(&mut self, presence: Presence) {
        self.keeper.presence(presence);
    }

    fn step_over(&mut self) {
        self.media.flush();
    }

    fn trunk_health(&mut self, trunk: &str, up: bool) {
        self.metrics.trunk_up.with_label_values(&[trunk]).set(i64::from(up));
        if up {
            self.alarms.clear(Kind::Trunk, trunk);
            tracing::info!(trunk, "the trunk answers");
        } else {
            self.alarms.raise(Kind::Trunk, trunk, "it does not answer keep-alives");
        }
    }

    fn trunk_registered(&mut self, trunk: &str, registered: bool) {
        self.metrics.trunk_registered.with_label_values(&[trunk]).set(i64::from(registered));
        if registered {
            self.alarms.clear(Kind::Trunk, &registration_of(trunk));
            tracing::info!(trunk, "registered with the trunk");
        } else {
            self.alarms.raise(Kind::Trunk, &registration_of(trunk), "the trunk does not accept it");
        }
    }

    fn trunk_gone(&mut self, trunk: &str) {
        // Figures that were never shown need not be taken away.
        for gauge in [&self.metrics.trunk_up, &self.metrics.trunk_registered] {
            drop(gauge.remove_label_values(&[trunk]));
        }
        self.alarms.clear(Kind::Trunk, trunk);
        self.alarms.clear(Kind::Trunk, &registration_of(trunk));
        tracing::info!(trunk, "the trunk is no longer in the configuration");
    }

    fn posture(&mut self, posture: Posture, lasts_ms: u64, reminder: bool) {
        self.metrics.set_posture(posture);
        let (posture, hours) = (posture.word(), lasts_ms / 3_600_000);
        if reminder {
            tracing::warn!(posture, hours, "the posture is still not the normal one");
        } else {
            tracing::warn!(posture, "the posture of the house");
        }
    }

    fn unstaffed(&mut self, unstaffed: bool) {
        self.metrics.unstaffed.set(i64::from(unstaffed));
        if unstaffed {
            tracing::warn!("calls wait and nobody is on shift");
        } else {
            tracing::info!("no call waits for want of a shift any more");
        }
    }
}

/// The subject of the alarm about a trunk's registration.
fn registration_of(trunk: &str) -> String {
    format!("{trunk} registration")
}
