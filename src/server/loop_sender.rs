//! The senders into the signalling loop for other threads. The queue is bounded, and the loop never waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::limits::{CONSOLE_REQUESTS_MAX, MEDIA_EVENTS_MAX};
use crate::media::command::Event;
use crate::switchboard::{Actor, ConsoleCommand, ConsoleReply};

use super::signalling::{Figures, Inbound};

/// Maximum wait for an answer. A loop that takes longer is stuck.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why the loop did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum LoopError {
    #[error("too many requests are in progress; expected: a retry later")]
    Full,
    #[error("the signalling loop does not respond")]
    NoAnswer,
}

/// The sending side of the loop's queue. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct LoopSender {
    inbox: mpsc::Sender<Inbound>,
    /// Limits console requests to their share of the queue.
    requests: Arc<Semaphore>,
    events_dropped: Arc<AtomicU64>,
}

/// Creates the sending and the receiving side.
pub(super) fn loop_sender() -> (LoopSender, mpsc::Receiver<Inbound>) {
    let (inbox, loop_side) = mpsc::channel(MEDIA_EVENTS_MAX + CONSOLE_REQUESTS_MAX);
    let requests = Arc::new(Semaphore::new(CONSOLE_REQUESTS_MAX));
    (LoopSender { inbox, requests, events_dropped: Arc::default() }, loop_side)
}

impl LoopSender {
    /// Sends an event of media without waiting. If the queue is full, the event is dropped and counted.
    pub(super) fn media(&self, event: Event) {
        if self.inbox.try_send(Inbound::Media(event)).is_err() {
            self.events_dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Reports without waiting that a host name was not looked up. If the queue is full, the report is dropped, and the legs for this name
    /// go to the source of the INVITE.
    pub(super) fn not_found(&self, uri: Bytes) {
        if self.inbox.try_send(Inbound::Found { uri, targets: Vec::new() }).is_err() {
            tracing::debug!("the loop's inbox is full: it does not learn that a name was not looked up");
        }
    }

    /// Number of media events that were dropped because the queue was full.
    pub(super) fn events_dropped(&self) -> u64 {
        self.events_dropped.load(Ordering::Relaxed)
    }

    /// Sends a console command and waits for its reply.
    pub(super) async fn console(&self, by: Actor, command: ConsoleCommand) -> Result<ConsoleReply, LoopError> {
        let (reply, answer) = oneshot::channel();
        self.ask(Inbound::Console(by, command, reply), answer).await
    }

    /// Requests the loop's figures; an answer also shows that the loop runs.
    pub(super) async fn figures(&self) -> Result<Figures, LoopError> {
        let (reply, answer) = oneshot::channel();
        self.ask(Inbound::Figures(reply), answer).await
    }

    /// Sends an input that must not be dropped. Returns false if the loop has ended.
    pub(super) async fn tell(&self, inbound: Inbound) -> bool {
        self.inbox.send(inbound).await.is_ok()
    }

    async fn ask<T>(&self, inbound: Inbound, answer: oneshot::Receiver<T>) -> Result<T, LoopError> {
        let _permit = self.requests.try_acquire().map_err(|_| LoopError::Full)?;
        self.inbox.try_send(inbound).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => LoopError::Full,
            mpsc::error::TrySendError::Closed(_) => LoopError::NoAnswer,
        })?;
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) | Err(_) => Err(LoopError::NoAnswer),
        }
    }
}
