//! The state of the console's pages.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock, Weak};

use axum::extract::State;
use tokio::sync::watch;

use crate::alarm::Alarms;
use crate::config::Config;

use super::console_look_ups::LookUps;
use super::events::Events;
use super::loop_sender::LoopSender;
use super::media::Media;
use super::metrics::Metrics;
use super::records::Watch;
use super::token::Token;
use super::trace::Lost;
use super::users::Users;

/// Characters of a reason, a category, a name.
pub(super) const WORDS_MAX: usize = 200;

/// The state of the console's pages.
#[derive(Debug)]
pub(super) struct Console {
    /// The service's own token, with the role of an admin. Empty until its file is valid.
    pub(super) token: OnceLock<Token>,
    pub(super) look_ups: LookUps,
    pub(super) parts: Parts,
}

impl std::ops::Deref for Console {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

/// What the service provides.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) loop_sender: LoopSender,
    pub(super) metrics: Arc<Metrics>,
    pub(super) alarms: Alarms,
    pub(super) started: tokio::time::Instant,
    /// Ends before the console does.
    pub(super) media: Weak<Media>,
    pub(super) records: Watch,
    pub(super) users: watch::Receiver<Users>,
    pub(super) events: Events,
    pub(super) draining: Arc<AtomicBool>,
    pub(super) log_lost: Lost,
    pub(super) store_url: String,
    /// The configuration as last read.
    pub(super) config: watch::Receiver<Arc<Config>>,
}

pub(super) type Shared = State<Arc<Console>>;
