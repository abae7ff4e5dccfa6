//! Streams facts over HTTP as they are recorded. The loop never waits for it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{Stream, unfold};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{self, Receiver};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::cdr::fact::Fact;
use crate::limits::{EVENT_LISTENERS_MAX, EVENT_LISTENERS_PER_USER_MAX, EVENTS_KEPT_MAX};
use crate::switchboard::Actor;

use super::users::{Users, is_owner};

/// Interval of keep-alives to a client that receives no event.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The source of events. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Events {
    tell: broadcast::Sender<Arc<Fact>>,
    listeners: Arc<Semaphore>,
    per_user: PerUser,
}

impl Default for Events {
    fn default() -> Self {
        let listeners = Arc::new(Semaphore::new(EVENT_LISTENERS_MAX));
        Self { tell: broadcast::Sender::new(EVENTS_KEPT_MAX), listeners, per_user: PerUser::default() }
    }
}

impl Events {
    /// Sends one fact to all streams. A client that does not keep up loses the oldest facts and receives their number.
    pub(super) fn tell(&self, fact: &Fact) {
        if self.tell.receiver_count() > 0 {
            // Fails only if the last client has just disconnected.
            drop(self.tell.send(Arc::new(fact.clone())));
        }
    }

    /// Every fact from now on, as server-sent events: `fact` with its JSON, `lost` with a number. The stream ends when the user is
    /// removed, gets another role or gets another token. Returns None if there are too many streams, in total or of this user.
    pub(super) fn listen(
        &self,
        users: watch::Receiver<Users>,
        actor: Actor,
    ) -> Option<Sse<impl Stream<Item = Result<Event, Infallible>> + use<>>> {
        let permit = Arc::clone(&self.listeners).try_acquire_owned().ok()?;
        let place = self.per_user.place(&actor)?;
        let token = users.borrow().token_of(&actor).map(str::to_owned);
        let listening = Listening { facts: self.tell.subscribe(), users, actor, token, _permit: (permit, place) };
        Some(Sse::new(unfold(listening, next)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
    }
}

/// One stream.
struct Listening {
    facts: Receiver<Arc<Fact>>,
    users: watch::Receiver<Users>,
    actor: Actor,
    /// The hash of the user's token when the stream began.
    token: Option<String>,
    _permit: (OwnedSemaphorePermit, Place),
}

/// Number of each user's streams. The service's own token has no separate limit.
#[derive(Clone, Debug, Default)]
struct PerUser(Arc<Mutex<BTreeMap<String, usize>>>);

/// One open stream of a user.
#[derive(Debug)]
struct Place {
    counts: PerUser,
    user: String,
}

impl PerUser {
    fn place(&self, actor: &Actor) -> Option<Place> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(actor.name.clone()).or_default();
        if *count >= EVENT_LISTENERS_PER_USER_MAX && !is_owner(actor) {
            return None;
        }
        *count += 1;
        Some(Place { counts: self.clone(), user: actor.name.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.counts.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.user);
            }
        }
    }
}

async fn next(mut listening: Listening) -> Option<(Result<Event, Infallible>, Listening)> {
    let heard = tokio::select! {
        biased;
        () = is_over(&mut listening.users, &listening.actor, listening.token.as_deref()) => return None,
        heard = listening.facts.recv() => heard,
    };
    let event = match heard {
        Ok(fact) => event_of(&fact),
        Err(RecvError::Lagged(lost)) => Event::default().event("lost").data(lost.to_string()),
        Err(RecvError::Closed) => return None,
    };
    Some((Ok(event), listening))
}

/// Waits until the user is removed or has another role or another token.
async fn is_over(users: &mut watch::Receiver<Users>, actor: &Actor, token: Option<&str>) {
    let over = |users: &Users| !is_owner(actor) && (token.is_none() || users.token_of(actor) != token);
    // Without a source of users, nothing changes.
    if users.wait_for(over).await.is_err() {
        std::future::pending().await
    }
}

fn event_of(fact: &Fact) -> Event {
    let id = format!("{}-{}", fact.id.stream, fact.id.seq);
    match Event::default().event("fact").id(id).json_data(fact) {
        Ok(event) => event,
        // Not expected: facts are plain data.
        Err(_) => Event::default().event("lost").data("1"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cdr::fact::{ConsoleRole, FactId, FactKind};
    use crate::clock::Timestamp;
    use crate::ids::{CallId, Rng};
    use crate::server::users::OWNER;
    use crate::store::console_users::ConsoleUserRow;
    use axum::body::to_bytes;
    use axum::response::IntoResponse;

    fn owner() -> Actor {
        Actor { name: OWNER.to_owned(), role: ConsoleRole::Admin }
    }

    fn row(name: &str, role: &str) -> ConsoleUserRow {
        ConsoleUserRow { name: name.to_owned(), role: role.to_owned(), token_sha256: name.to_owned() }
    }

    fn users(rows: &[ConsoleUserRow]) -> watch::Receiver<Users> {
        watch::channel(Users::of(rows)).1
    }

    /// What a stream sends until it ends, which is soon.
    async fn text_of(stream: impl IntoResponse) -> String {
        let body = to_bytes(stream.into_response().into_body(), 1 << 24);
        let bytes =
            tokio::time::timeout(Duration::from_secs(10), body).await.expect("the stream has not ended").unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

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
    async fn a_listener_gets_events_and_a_slow_one_is_notified_of_its_loss() {
        let events = Events::default();
        events.tell(&fact(1));
        let heard = events.listen(users(&[]), owner()).unwrap();
        for seq in 0..u32::try_from(EVENTS_KEPT_MAX).unwrap() + 3 {
            events.tell(&fact(seq + 2));
        }
        drop(events);
        let text = text_of(heard).await;
        assert!(text.starts_with("event: lost\ndata: 3\n\n"), "{text:.200}");
        assert_eq!(text.matches("event: fact\n").count(), EVENTS_KEPT_MAX);
        assert!(text.contains("\"kind\":\"stopped\""));
    }

    #[tokio::test]
    async fn no_more_than_so_many_listen() {
        let events = Events::default();
        let listen = || events.listen(users(&[]), owner());
        let all: Vec<_> = (0..EVENT_LISTENERS_MAX).map(|_| listen().unwrap()).collect();
        assert!(listen().is_none());
        drop(all);
        assert!(listen().is_some());
    }

    #[tokio::test]
    async fn one_user_cannot_take_all_streams() {
        let events = Events::default();
        let known = users(&[row("ani", "supervisor"), row("budi", "operator")]);
        let listen = |name: &str, role| events.listen(known.clone(), Actor { name: name.to_owned(), role });
        let ani = || listen("ani", ConsoleRole::Supervisor);
        let all: Vec<_> = (0..EVENT_LISTENERS_PER_USER_MAX).map(|_| ani().unwrap()).collect();
        assert!(ani().is_none());
        assert!(listen("budi", ConsoleRole::Operator).is_some());
        drop(all);
        assert!(ani().is_some());
        assert!(events.per_user.0.lock().unwrap().is_empty(), "nothing is kept of streams that are over");
    }

    #[tokio::test]
    async fn the_events_of_a_user_who_gets_another_token_end() {
        let (known, watched) = watch::channel(Users::of(&[row("ani", "supervisor")]));
        let events = Events::default();
        let ani = Actor { name: "ani".to_owned(), role: ConsoleRole::Supervisor };
        let stolen = events.listen(watched.clone(), ani.clone()).unwrap();
        let renewed = ConsoleUserRow { token_sha256: "another".to_owned(), ..row("ani", "supervisor") };
        known.send_replace(Users::of(&[renewed]));
        let new = events.listen(watched, ani).unwrap();
        events.tell(&fact(1));
        let text = text_of(stolen).await;
        assert_eq!(text.len(), 0);
        drop((events, known));
        let text = text_of(new).await;
        assert!(text.contains("event: fact"));
    }

    #[tokio::test]
    async fn the_events_of_a_user_who_is_removed_or_demoted_end() {
        for role in [None, Some("auditor")] {
            let (known, watched) = watch::channel(Users::of(&[row("ani", "supervisor")]));
            let events = Events::default();
            let ani = Actor { name: "ani".to_owned(), role: ConsoleRole::Supervisor };
            let heard = events.listen(watched.clone(), ani).unwrap();
            let owners = events.listen(watched, owner()).unwrap();
            events.tell(&fact(1));
            known.send_replace(Users::of(&[row("budi", "operator")]));
            known.send_replace(Users::of(&role.map(|role| row("ani", role)).into_iter().collect::<Vec<_>>()));
            events.tell(&fact(2));
            let text = text_of(heard).await;
            assert_eq!(text.len(), 0, "not even what has happened before and was not sent");
            drop((events, known));
            let text = text_of(owners).await;
            assert_eq!(text.matches("event: fact").count(), 2, "the service's own token");
        }
    }
}
