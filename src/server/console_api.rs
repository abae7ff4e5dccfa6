//! HTTP on the console's address: metrics, health, and the operators' console as JSON. Every command needs the token.

use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Weak};

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::de::IntoDeserializer;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::alarm::{Alarms, Kind};
use crate::cdr::fact::ConsoleRole;
use crate::config::{Config, Console as ConsoleSettings};
use crate::ids::OperatorId;
use crate::switchboard::{Actor, ConsoleCommand, ConsoleReply};

use super::RETRY_EVERY;
use super::console_asker::{Asker, Body, wrong_body};
use super::desk::{Desk, DeskError};
use super::events::Events;
use super::media::Media;
use super::metrics::Metrics;
use super::records::Watch;
use super::token::Token;
use super::trace::Lost;
use super::users::{OWNER, Users, may};
use super::{
    console_callers, console_calls, console_connections, console_errors, console_health, console_posture,
    console_roster,
};

/// Bytes of one request's body.
const BODY_BYTES_MAX: usize = 16_384;
/// Characters of a reason, a category, a name.
pub(super) const WORDS_MAX: usize = 200;
/// Bytes of a text to operators: with its header it fits a datagram (RFC 3428 §8).
const TEXT_MAX: usize = 700;

/// What the console's pages need.
#[derive(Debug)]
pub(super) struct Console {
    /// The service's own token, with the role of an admin.
    pub(super) token: Token,
    parts: Parts,
}

impl std::ops::Deref for Console {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

/// Everything except the token.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) desk: Desk,
    pub(super) metrics: Arc<Metrics>,
    pub(super) alarms: Alarms,
    pub(super) started: tokio::time::Instant,
    /// Ends before the last of its askers may.
    pub(super) media: Weak<Media>,
    pub(super) records: Watch,
    pub(super) users: watch::Receiver<Users>,
    pub(super) events: Events,
    pub(super) draining: Arc<AtomicBool>,
    pub(super) log_lost: Lost,
    pub(super) store_url: String,
    /// As it was read last.
    pub(super) config: watch::Receiver<Arc<Config>>,
}

pub(super) type Shared = State<Arc<Console>>;

/// Listens. Fails when the address is taken.
async fn bind(listen: SocketAddr) -> anyhow::Result<tokio::net::TcpListener> {
    use anyhow::Context as _;
    tokio::net::TcpListener::bind(listen).await.with_context(|| format!("[console] {listen} cannot be listened on"))
}

/// Serves until it is dropped. The console opens as soon as its address is free and its token is valid, and never without a token.
pub(super) async fn serve(settings: ConsoleSettings, alarms: Alarms, parts: Parts) {
    let (listener, token) = loop {
        let token = Token::read_or_make(&settings.token_file);
        let opened = match token {
            Ok(token) => bind(settings.listen).await.map(|listener| (listener, token)),
            Err(fault) => Err(fault),
        };
        match alarms.watch(Kind::Console, "", opened) {
            Ok(opened) => break opened,
            Err(_) => tokio::time::sleep(RETRY_EVERY).await,
        }
    };
    if let Err(fault) = console_connections::serve(listener, router(Arc::new(Console { token, parts }))).await {
        alarms.raise(Kind::Console, "", fault);
    }
}

fn router(console: Arc<Console>) -> Router {
    let (commands, openapi) = commands().split_for_parts();
    let commands = commands.layer(from_fn_with_state(Arc::clone(&console), only_known));
    // Written once: a clone of it is cheap.
    let openapi = Bytes::from(console_errors::described(&openapi));
    Router::new()
        .route("/metrics", get(console_health::metrics))
        .route("/health/live", get(|| async { "live\n" }))
        .route("/health/ready", get(console_health::ready))
        .route("/v1/openapi.json", get(move || std::future::ready(described(&openapi))))
        .merge(commands)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn(console_errors::as_json))
        .layer(from_fn(console_connections::within_time))
        .with_state(console)
}

/// The requests that need a token, and their description.
pub(super) fn commands() -> OpenApiRouter<Arc<Console>> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(operators))
        .routes(routes!(change))
        .routes(routes!(send_message))
        .routes(routes!(bans))
        .routes(routes!(lift))
        .merge(console_callers::routes())
        .merge(console_posture::routes())
        .merge(console_calls::routes())
        .merge(console_roster::routes())
        .routes(routes!(events))
}

fn described(openapi: &Bytes) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], openapi.clone()).into_response()
}

/// What the description says beside the requests.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Siaga's console", description = "The floor of an emergency centre: operators, live calls, events."),
    components(schemas(Change)),
    modifiers(&BearerTokens)
)]
struct Description;

struct BearerTokens;

impl utoipa::Modify for BearerTokens {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    }
}

/// What stands instead of an answer.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Fault {
    fault: String,
}

/// What almost every request may be answered with.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "it describes answers, and is none")]
pub(super) enum Usual {
    /// the token is missing or wrong
    #[response(status = 401)]
    Unknown(Fault),
    /// the service does not answer
    #[response(status = 503)]
    Silent(Fault),
}

/// And those that have a body, or a name in their path.
#[derive(utoipa::IntoResponses)]
#[response(status = 400, description = "what was wrong, and what is expected")]
#[expect(dead_code, reason = "it describes an answer, and is none")]
pub(super) struct Malformed(Fault);

/// Lets those in whose token is known.
async fn only_known(State(console): Shared, mut request: Request, next: Next) -> Response {
    let known = bearer(request.headers()).and_then(|token| {
        if console.token.is(token) {
            return Some(Actor { name: OWNER.to_owned(), role: ConsoleRole::Admin });
        }
        console.users.borrow().find(token).cloned()
    });
    if let Some(actor) = known {
        request.extensions_mut().insert(actor);
        return next.run(request).await;
    }
    let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
    (StatusCode::UNAUTHORIZED, challenge, fault_body("the bearer token is missing or wrong")).into_response()
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[utoipa::path(
    get,
    path = "/v1/operators",
    summary = "Every operator: state, reason, shift; and who sits at which station",
    security(("token" = [])),
    responses(
        (status = 200, body = ConsoleReply),
        Usual,
    ),
)]
async fn operators(asker: Asker) -> Response {
    asker.asks(ConsoleCommand::Operators).await
}

#[utoipa::path(
    get,
    path = "/v1/guard",
    summary = "Addresses that get no answers for a while",
    security(("token" = [])),
    responses(
        (status = 200, body = ConsoleReply),
        Usual,
    ),
)]
async fn bans(asker: Asker) -> Response {
    asker.asks(ConsoleCommand::Guard).await
}

#[utoipa::path(
    post,
    path = "/v1/guard/{address}/lift",
    summary = "Ends a ban (admin)",
    security(("token" = [])),
    params(("address" = String, Path, description = "an IP address")),
    responses(
        (status = 200, body = ConsoleReply),
        (status = 404, body = Fault, description = "no ban of that address runs"),
        (status = 403, body = Fault, description = "the user's role may not do that"),
        Malformed,
        Usual,
    ),
)]
async fn lift(asker: Asker, Path(address): Path<String>) -> Response {
    match address.parse() {
        Ok(address) => asker.asks(ConsoleCommand::LiftBan { address }).await,
        Err(_) => fault(StatusCode::BAD_REQUEST, "not an address; expected: an IPv4 or IPv6 address"),
    }
}

/// What an operator's state is changed by.
#[derive(Clone, Copy, Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
enum Change {
    LogIn,
    LogOut,
    Pause,
    Resume,
    WrapUp,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct PauseBody {
    #[schema(max_length = 200)]
    reason: String,
}

#[utoipa::path(
    post,
    path = "/v1/operators/{operator}/{change}",
    summary = "Changes an operator's state (himself, or a supervisor)",
    security(("token" = [])),
    params(
        ("operator" = String, Path, description = "his name", pattern = "^[A-Za-z0-9._-]{1,64}$"),
        ("change" = Change, Path),
    ),
    request_body = Option<PauseBody>,
    responses(
        (status = 200, body = ConsoleReply),
        (status = 404, body = Fault, description = "no such operator, or no such change"),
        (status = 409, body = Fault, description = "he has no wrap-up to prolong"),
        (status = 403, body = Fault, description = "the user's role may not do that"),
        Malformed,
        Usual,
    ),
)]
async fn change(asker: Asker, Path((operator, change)): Path<(String, String)>, body: Bytes) -> Response {
    let operator = match OperatorId::parse(&operator) {
        Ok(operator) => operator,
        Err(error) => return fault(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let Ok(change) =
        Change::deserialize(IntoDeserializer::<serde::de::value::Error>::into_deserializer(change.as_str()))
    else {
        return fault(StatusCode::NOT_FOUND, "unknown change; expected: log-in, log-out, pause, resume or wrap-up");
    };
    let command = match change {
        Change::LogIn => ConsoleCommand::LogIn { operator },
        Change::LogOut => ConsoleCommand::LogOut { operator },
        Change::Resume => ConsoleCommand::Resume { operator },
        Change::WrapUp => ConsoleCommand::WrapUp { operator },
        Change::Pause if body.is_empty() => ConsoleCommand::Pause { operator, reason: String::new() },
        Change::Pause => match serde_json::from_slice::<PauseBody>(&body) {
            Ok(PauseBody { reason }) if reason.chars().count() <= WORDS_MAX => {
                ConsoleCommand::Pause { operator, reason }
            }
            Ok(_) => return fault(StatusCode::BAD_REQUEST, "the reason is too long; expected: at most 200 characters"),
            Err(error) => return fault(StatusCode::BAD_REQUEST, &wrong_body(&error)),
        },
    };
    asker.asks(command).await
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct MessageBody {
    /// Nobody in particular: everybody.
    #[schema(value_type = Option<String>, pattern = "^[A-Za-z0-9._-]{1,64}$")]
    to: Option<OperatorId>,
    /// At most 700 bytes.
    #[schema(min_length = 1, max_length = 700)]
    text: String,
}

#[utoipa::path(
    post,
    path = "/v1/messages",
    summary = "Sends a text to registered phones (supervisor)",
    security(("token" = [])),
    request_body = MessageBody,
    responses(
        (status = 200, body = ConsoleReply),
        (status = 404, body = Fault, description = "no such operator"),
        (status = 403, body = Fault, description = "the user's role may not do that"),
        Malformed,
        Usual,
    ),
)]
async fn send_message(asker: Asker, Body(MessageBody { to, text }): Body<MessageBody>) -> Response {
    if text.is_empty() || text.len() > TEXT_MAX {
        return fault(StatusCode::BAD_REQUEST, "expected: a text of 1 to 700 bytes");
    }
    asker.asks(ConsoleCommand::Message { operator: to, text }).await
}

#[utoipa::path(
    get,
    path = "/v1/events",
    summary = "What happens, as it happens: server-sent events `fact` (its JSON) and `lost` (how many were, for who is too slow)",
    security(("token" = [])),
    responses(
        (status = 200, content_type = "text/event-stream", body = String),
        (status = 503, body = Fault, description = "too many listen"),
        (status = 401, body = Fault, description = "the token is missing or wrong"),
    ),
)]
async fn events(Asker { console, actor }: Asker) -> Response {
    match console.events.listen(console.users.clone(), actor) {
        Some(events) => events.into_response(),
        None => fault(StatusCode::SERVICE_UNAVAILABLE, "too many listen to the events"),
    }
}

pub(super) async fn asked(console: &Console, actor: Actor, command: ConsoleCommand) -> Response {
    if !may(&actor, &command) {
        let text = format!("{} is {} and may not do that", actor.name, actor.role.word());
        return fault(StatusCode::FORBIDDEN, &text);
    }
    match console.desk.console(actor, command).await {
        Ok(ConsoleReply::UnknownOperator) => fault(StatusCode::NOT_FOUND, "no such operator"),
        Ok(ConsoleReply::UnknownReason { known }) => {
            let text = format!("the reasons of a break are {}", known.join(", "));
            fault(StatusCode::UNPROCESSABLE_ENTITY, &text)
        }
        Ok(ConsoleReply::NoFallback) => fault(
            StatusCode::UNPROCESSABLE_ENTITY,
            "queue.fallback_number is not configured: there is nothing to fall back on",
        ),
        Ok(ConsoleReply::NotHis) => fault(StatusCode::FORBIDDEN, "it is not your call, or not your guest"),
        Ok(ConsoleReply::UnknownCall) => fault(StatusCode::NOT_FOUND, "no such call is up"),
        Ok(ConsoleReply::NoSupervisor) => {
            fault(StatusCode::FORBIDDEN, "`by` is to name one of [operators] supervisors, or the user is to be one")
        }
        Ok(ConsoleReply::NotWaiting) => {
            fault(StatusCode::CONFLICT, "the call does not wait: somebody has it, or the fallback does")
        }
        Ok(ConsoleReply::Refused { status }) => {
            let (status, text) = console_calls::refused_as(status);
            fault(status, text)
        }
        Ok(ConsoleReply::NotBanned) => fault(StatusCode::NOT_FOUND, "no ban of that address runs"),
        Ok(ConsoleReply::UnknownNumber) => fault(StatusCode::NOT_FOUND, "no such number is on the list"),
        Ok(ConsoleReply::NotTalking) => fault(StatusCode::CONFLICT, "no operator talks with the caller now"),
        Ok(ConsoleReply::NotWrappingUp) => fault(StatusCode::CONFLICT, "he has no wrap-up to prolong"),
        Ok(ConsoleReply::UnknownCategory { known }) => {
            let text = format!("no such category; expected one of: {}", known.join(", "));
            fault(StatusCode::UNPROCESSABLE_ENTITY, &text)
        }
        Ok(
            reply @ (ConsoleReply::Done
            | ConsoleReply::Calling { .. }
            | ConsoleReply::Operators { .. }
            | ConsoleReply::Calls { .. }
            | ConsoleReply::Guard { .. }
            | ConsoleReply::CallBacks { .. }
            | ConsoleReply::Meant { .. }
            | ConsoleReply::Marks { .. }
            | ConsoleReply::Posture { .. }
            | ConsoleReply::Messages { .. }),
        ) => Json(reply).into_response(),
        Err(error) => refused(error),
    }
}

pub(super) fn refused(error: DeskError) -> Response {
    fault(StatusCode::SERVICE_UNAVAILABLE, &error.to_string())
}

pub(super) fn fault(status: StatusCode, text: &str) -> Response {
    (status, fault_body(text)).into_response()
}

fn fault_body(text: &str) -> Json<Fault> {
    Json(Fault { fault: text.to_owned() })
}
