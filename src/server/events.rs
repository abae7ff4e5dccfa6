//! What happens, told as it happens: facts for those who listen over HTTP. Never waited for by the loop.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{Stream, unfold};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{self, Receiver};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::cdr::fact::Fact;
use crate::limits::{EVENT_LISTENERS_MAX, EVENTS_KEPT_MAX};

/// A listener who hears nothing else hears so often that the connection lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The source of events. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Events {
    tell: broadcast::Sender<Arc<Fact>>,
    listeners: Arc<Semaphore>,
}

impl Default for Events {
    fn default() -> Self {
        Self { tell: broadcast::Sender::new(EVENTS_KEPT_MAX), listeners: Arc::new(Semaphore::new(EVENT_LISTENERS_MAX)) }
    }
}

impl Events {
    /// Tells one fact. Who has fallen behind by all that is kept loses the oldest, and is told how many.
    pub(super) fn tell(&self, fact: &Fact) {
        if self.tell.receiver_count() > 0 {
            // Fails only when the last listener has just left.
            drop(self.tell.send(Arc::new(fact.clone())));
        }
    }

    /// Everything from now on, as server-sent events: `fact` with its JSON, `lost` with a number. None: too many listen.
    pub(super) fn listen(&self) -> Option<Sse<impl Stream<Item = Result<Event, Infallible>> + use<>>> {
        let permit = Arc::clone(&self.listeners).try_acquire_owned().ok()?;
        let listening = (self.tell.subscribe(), permit);
        Some(Sse::new(unfold(listening, next)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
    }
}

type Listening = (Receiver<Arc<Fact>>, OwnedSemaphorePermit);

async fn next((mut facts, permit): Listening) -> Option<(Result<Event, Infallible>, Listening)> {
    let event = match facts.recv().await {
        Ok(fact) => event_of(&fact),
        Err(RecvError::Lagged(lost)) => Event::default().event("lost").data(lost.to_string()),
        Err(RecvError::Closed) => return None,
    };
    Some((Ok(event), (facts, permit)))
}

fn event_of(fact: &Fact) -> Event {
    let id = format!("{}-{}", fact.id.stream, fact.id.seq);
    match Event::default().event("fact").id(id).json_data(fact) {
        Ok(event) => event,
        // Facts are plain data: this does not happen.
        Err(_) => Event::default().event("lost").data("1"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cdr::fact::{FactId, FactKind};
    use crate::clock::Timestamp;
    use crate::ids::{CallId, Rng};
    use axum::body::to_bytes;
    use axum::response::IntoResponse as _;

    fn fact(seq: u32) -> Fact {
        let stream = CallId::new(Timestamp::from_millis(1), &mut Rng::from_number(1));
        Fact {
            id: FactId { stream, seq },
            call: None,
            at: Timestamp::from_millis(1),
            up: None,
            kind: FactKind::Stopped,
        }
    }

    #[tokio::test]
    async fn who_listens_hears_what_comes_and_who_falls_behind_is_told_so() {
        let events = Events::default();
        events.tell(&fact(1));
        let heard = events.listen().unwrap();
        for seq in 0..u32::try_from(EVENTS_KEPT_MAX).unwrap() + 3 {
            events.tell(&fact(seq + 2));
        }
        drop(events);
        let text = to_bytes(heard.into_response().into_body(), 1 << 24).await.unwrap();
        let text = String::from_utf8(text.to_vec()).unwrap();
        assert!(text.starts_with("event: lost\ndata: 3\n\n"), "{text:.200}");
        assert_eq!(text.matches("event: fact\n").count(), EVENTS_KEPT_MAX);
        assert!(text.contains("\"kind\":\"stopped\""));
    }

    #[tokio::test]
    async fn no_more_than_so_many_listen() {
        let events = Events::default();
        let all: Vec<_> = (0..EVENT_LISTENERS_MAX).map(|_| events.listen().unwrap()).collect();
        assert!(events.listen().is_none());
        drop(all);
        assert!(events.listen().is_some());
    }
}
