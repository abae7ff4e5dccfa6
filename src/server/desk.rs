//! The ways into the signalling loop from other threads: bounded, and never waited for by the loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::limits::{CONSOLE_REQUESTS_MAX, MEDIA_EVENTS_MAX};
use crate::media::command::Event;
use crate::switchboard::{Actor, ConsoleCommand, ConsoleReply};

use super::signalling::{Figures, Inbound};

/// How long a request may wait for its answer: a loop that takes longer does not turn.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why the loop did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum DeskError {
    #[error("too many requests are in progress; expected: a retry later")]
    Full,
    #[error("the signalling loop does not respond")]
    NoAnswer,
}

/// The outer side of the loop's inbox. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Desk {
    inbox: mpsc::Sender<Inbound>,
    /// Holds console requests to their own share of the inbox.
    requests: Arc<Semaphore>,
    events_dropped: Arc<AtomicU64>,
}

/// Makes both sides.
pub(super) fn desk() -> (Desk, mpsc::Receiver<Inbound>) {
    let (inbox, loop_side) = mpsc::channel(MEDIA_EVENTS_MAX + CONSOLE_REQUESTS_MAX);
    let requests = Arc::new(Semaphore::new(CONSOLE_REQUESTS_MAX));
    (Desk { inbox, requests, events_dropped: Arc::default() }, loop_side)
}

impl Desk {
    /// Hands in an event of media; never waits. Full: it is dropped and counted.
    pub(super) fn media(&self, event: Event) {
        if self.inbox.try_send(Inbound::Media(event)).is_err() {
            self.events_dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Hands in that a host name was not looked up; never waits. Full: it is dropped, and its legs go where the INVITE came from.
    pub(super) fn not_found(&self, uri: Bytes) {
        if self.inbox.try_send(Inbound::Found { uri, targets: Vec::new() }).is_err() {
            tracing::debug!("the loop's inbox is full: it does not learn that a name was not looked up");
        }
    }

    /// Media events that found the inbox full.
    pub(super) fn events_dropped(&self) -> u64 {
        self.events_dropped.load(Ordering::Relaxed)
    }

    /// Asks for a console command and waits for its reply.
    pub(super) async fn console(&self, by: Actor, command: ConsoleCommand) -> Result<ConsoleReply, DeskError> {
        let (reply, answer) = oneshot::channel();
        self.ask(Inbound::Console(by, command, reply), answer).await
    }

    /// Asks for the loop's figures; an answer also shows that it turns.
    pub(super) async fn figures(&self) -> Result<Figures, DeskError> {
        let (reply, answer) = oneshot::channel();
        self.ask(Inbound::Figures(reply), answer).await
    }

    /// Hands in what must arrive. False when the loop has ended.
    pub(super) async fn tell(&self, inbound: Inbound) -> bool {
        self.inbox.send(inbound).await.is_ok()
    }

    async fn ask<T>(&self, inbound: Inbound, answer: oneshot::Receiver<T>) -> Result<T, DeskError> {
        let _permit = self.requests.try_acquire().map_err(|_| DeskError::Full)?;
        self.inbox.try_send(inbound).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => DeskError::Full,
            mpsc::error::TrySendError::Closed(_) => DeskError::NoAnswer,
        })?;
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) | Err(_) => Err(DeskError::NoAnswer),
        }
    }
}
