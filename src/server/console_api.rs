//! HTTP on the console's address: metrics, health, and the operators' console as JSON. Every command needs the token.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;

use crate::cdr::fact::Class;
use crate::ids::{CallId, OperatorId};
use crate::switchboard::{ConsoleCommand, ConsoleReply};

use super::desk::{Desk, DeskError};
use super::media::Media;
use super::metrics::Metrics;
use super::records::Watch;
use super::token::Token;
use super::trace::Lost;

/// Bytes of one request's body.
const BODY_BYTES_MAX: usize = 16_384;
/// Characters of a reason, a category, a name.
const WORDS_MAX: usize = 200;
/// Bytes of a text to operators: with its header it fits a datagram (RFC 3428 §8).
const TEXT_MAX: usize = 700;
/// Characters of a note.
const NOTE_MAX: usize = 4_000;

/// What the console's pages need.
#[derive(Debug)]
pub(super) struct Console {
    pub(super) desk: Desk,
    pub(super) metrics: Arc<Metrics>,
    /// Ends before the last of its askers may.
    pub(super) media: Weak<Media>,
    pub(super) records: Watch,
    pub(super) token: Token,
    pub(super) draining: Arc<AtomicBool>,
    pub(super) log_lost: Lost,
}

type Shared = State<Arc<Console>>;

/// Listens. Fails when the address is taken.
pub(super) async fn bind(listen: SocketAddr) -> anyhow::Result<tokio::net::TcpListener> {
    use anyhow::Context as _;
    tokio::net::TcpListener::bind(listen).await.with_context(|| format!("[console] {listen} cannot be listened on"))
}

/// Serves until it is dropped.
pub(super) async fn serve(listener: tokio::net::TcpListener, console: Arc<Console>) -> std::io::Result<()> {
    axum::serve(listener, router(console)).await
}

fn router(console: Arc<Console>) -> Router {
    let commands = Router::new()
        .route("/v1/operators", get(operators))
        .route("/v1/operators/{operator}/{change}", post(change))
        .route("/v1/messages", post(send_message))
        .route("/v1/guard", get(bans))
        .route("/v1/guard/{address}/lift", post(lift))
        .route("/v1/calls", get(calls))
        .route("/v1/calls/{call}/disposition", post(dispose))
        .layer(from_fn_with_state(Arc::clone(&console), only_with_token));
    Router::new()
        .route("/metrics", get(metrics))
        .route("/health/live", get(|| async { "live\n" }))
        .route("/health/ready", get(ready))
        .merge(commands)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(console)
}

async fn only_with_token(State(console): Shared, request: Request, next: Next) -> Response {
    let given = bearer(request.headers()).is_some_and(|given| console.token.is(given));
    if given {
        return next.run(request).await;
    }
    let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
    (StatusCode::UNAUTHORIZED, challenge, Json(json!({ "fault": "the bearer token is missing or wrong" })))
        .into_response()
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

async fn metrics(State(console): Shared) -> Response {
    if let Ok(figures) = console.desk.figures().await {
        console.metrics.set_loop(figures.gauges, figures.tally);
        console.metrics.set_guard(figures.guard);
    }
    if let Some(media) = console.media.upgrade() {
        console.metrics.set_media(&media.counters(), console.desk.events_dropped());
    }
    console.metrics.set_records(&console.records.figures());
    let lost = &console.metrics.log_lines_lost;
    lost.inc_by(console.log_lost.count().saturating_sub(lost.get()));
    match console.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => fault(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

async fn ready(State(console): Shared) -> Response {
    let journal_alarm = console.records.figures().journal_alarm;
    if console.draining.load(Ordering::Relaxed) {
        return fault(StatusCode::SERVICE_UNAVAILABLE, "the service is ending: no new calls");
    }
    if journal_alarm {
        return fault(StatusCode::SERVICE_UNAVAILABLE, "the journal's disk does not take facts");
    }
    match console.desk.figures().await {
        Ok(_) => "ready\n".into_response(),
        Err(error) => refused(error),
    }
}

async fn operators(State(console): Shared) -> Response {
    asked(&console, ConsoleCommand::Operators).await
}

async fn calls(State(console): Shared) -> Response {
    asked(&console, ConsoleCommand::Calls).await
}

async fn bans(State(console): Shared) -> Response {
    asked(&console, ConsoleCommand::Guard).await
}

async fn lift(State(console): Shared, Path(address): Path<String>) -> Response {
    match address.parse() {
        Ok(address) => asked(&console, ConsoleCommand::LiftBan { address }).await,
        Err(_) => fault(StatusCode::BAD_REQUEST, "an IP address is expected"),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PauseBody {
    reason: String,
}

async fn change(State(console): Shared, Path((operator, change)): Path<(String, String)>, body: Bytes) -> Response {
    let operator = match OperatorId::parse(&operator) {
        Ok(operator) => operator,
        Err(error) => return fault(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let command = match change.as_str() {
        "log-in" => ConsoleCommand::LogIn { operator },
        "log-out" => ConsoleCommand::LogOut { operator },
        "resume" => ConsoleCommand::Resume { operator },
        "pause" if body.is_empty() => ConsoleCommand::Pause { operator, reason: String::new() },
        "pause" => match serde_json::from_slice::<PauseBody>(&body) {
            Ok(PauseBody { reason }) if reason.chars().count() <= WORDS_MAX => {
                ConsoleCommand::Pause { operator, reason }
            }
            Ok(_) => return fault(StatusCode::BAD_REQUEST, "the reason is too long"),
            Err(error) => return fault(StatusCode::BAD_REQUEST, &error.to_string()),
        },
        _ => return fault(StatusCode::NOT_FOUND, "log-in, log-out, pause or resume is expected"),
    };
    asked(&console, command).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MessageBody {
    /// Nobody in particular: everybody.
    to: Option<OperatorId>,
    text: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Disposition {
    class: Class,
    category: Option<String>,
    note: Option<String>,
    by: String,
}

async fn send_message(State(console): Shared, body: Bytes) -> Response {
    let MessageBody { to, text } = match serde_json::from_slice(&body) {
        Ok(message) => message,
        Err(error) => return fault(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    if text.is_empty() || text.len() > TEXT_MAX {
        return fault(StatusCode::BAD_REQUEST, "a text of 1 to 700 bytes is expected");
    }
    asked(&console, ConsoleCommand::Message { operator: to, text }).await
}

async fn dispose(State(console): Shared, Path(call): Path<String>, body: Bytes) -> Response {
    let call: CallId = match call.parse() {
        Ok(call) => call,
        Err(error) => return fault(StatusCode::BAD_REQUEST, &format!("the call's id is {error}")),
    };
    let Disposition { class, category, note, by } = match serde_json::from_slice(&body) {
        Ok(disposition) => disposition,
        Err(error) => return fault(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let long = |text: &Option<String>, max| text.as_ref().is_some_and(|text: &String| text.chars().count() > max);
    if long(&category, WORDS_MAX) || long(&note, NOTE_MAX) || by.is_empty() || by.chars().count() > WORDS_MAX {
        return fault(
            StatusCode::BAD_REQUEST,
            "category or by is longer than 200 characters, note than 4000, or by is empty",
        );
    }
    asked(&console, ConsoleCommand::SetDisposition { call, class, category, note, by }).await
}

async fn asked(console: &Console, command: ConsoleCommand) -> Response {
    match console.desk.console(command).await {
        Ok(ConsoleReply::UnknownOperator) => fault(StatusCode::NOT_FOUND, "no such operator"),
        Ok(ConsoleReply::UnknownReason { known }) => {
            let text = format!("the reasons of a break are {}", known.join(", "));
            fault(StatusCode::UNPROCESSABLE_ENTITY, &text)
        }
        Ok(ConsoleReply::NotBanned) => fault(StatusCode::NOT_FOUND, "no ban of that address runs"),
        Ok(
            reply @ (ConsoleReply::Done
            | ConsoleReply::Operators { .. }
            | ConsoleReply::Calls { .. }
            | ConsoleReply::Guard { .. }
            | ConsoleReply::Messages { .. }),
        ) => Json(reply).into_response(),
        Err(error) => refused(error),
    }
}

fn refused(error: DeskError) -> Response {
    fault(StatusCode::SERVICE_UNAVAILABLE, &error.to_string())
}

fn fault(status: StatusCode, text: &str) -> Response {
    (status, Json(json!({ "fault": text }))).into_response()
}
