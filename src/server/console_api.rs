//! HTTP on the console's address: metrics, health, and the operators' console as JSON. Every command needs the token. Without a valid
//! token file metrics and health are served, and commands are not.

use crate::server::console_reply::Fault;
use crate::server::console_reply::Malformed;
use crate::server::console_reply::Usual;
use crate::server::console_reply::fault;
use crate::server::console_reply::fault_body;
use crate::server::console_state::Console;
use crate::server::console_state::Parts;
use crate::server::console_state::Shared;
use crate::server::console_state::WORDS_MAX;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::alarm::{Alarms, Kind};
use crate::cdr::fact::ConsoleRole;
use crate::config::Console as ConsoleSettings;
use crate::ids::OperatorId;
use crate::switchboard::{Actor, ConsoleCommand, ConsoleReply};

use super::RETRY_EVERY;
use super::console_asker::{Asker, Body};
use super::console_look_ups::LookUps;
use super::console_places::Proof;
use super::page_tls::PageCertificate;
use super::token::Token;
use super::users::OWNER;
use super::{
    console_callers, console_calls, console_connections, console_errors, console_health, console_mode, console_roster,
};

/// Bytes of one request's body.
const BODY_BYTES_MAX: usize = 16_384;
/// Bytes of a text to operators: with its header it fits a datagram (RFC 3428 §8).
const TEXT_MAX: usize = 700;

/// The alarm's subjects: the address, the token file and the certificate.
const ADDRESS: &str = "address";
const TOKEN: &str = "token";
const CERTIFICATE: &str = "certificate";

async fn bind(listen: SocketAddr) -> anyhow::Result<tokio::net::TcpListener> {
    use anyhow::Context as _;
    tokio::net::TcpListener::bind(listen).await.with_context(|| format!("[console] {listen} cannot be listened on"))
}

/// Serves until it is dropped. Metrics and health need only the address; commands need the token file too. Both are tried again until
/// they can be used.
pub(super) async fn serve(settings: ConsoleSettings, alarms: Alarms, parts: Parts) {
    let console = Arc::new(Console { token: OnceLock::new(), look_ups: LookUps::default(), parts });
    tokio::join!(
        read_token(&settings.token_file, &alarms, &console.token),
        serve_pages(&settings, &alarms, Arc::clone(&console)),
    );
}

async fn read_token(file: &std::path::Path, alarms: &Alarms, known: &OnceLock<Token>) {
    loop {
        match alarms.watch(Kind::Console, TOKEN, Token::read_or_make(file)) {
            Ok(token) => {
                known.get_or_init(|| token);
                return;
            }
            Err(_) => tokio::time::sleep(RETRY_EVERY).await,
        }
    }
}

async fn serve_pages(settings: &ConsoleSettings, alarms: &Alarms, console: Arc<Console>) {
    let certificate = loop {
        let read = settings.tls.as_ref().map(PageCertificate::read).transpose();
        match alarms.watch(Kind::Console, CERTIFICATE, read) {
            Ok(certificate) => break certificate,
            Err(_) => tokio::time::sleep(RETRY_EVERY).await,
        }
    };
    let listener = loop {
        match alarms.watch(Kind::Console, ADDRESS, bind(settings.listen).await) {
            Ok(listener) => break listener,
            Err(_) => tokio::time::sleep(RETRY_EVERY).await,
        }
    };
    console_connections::serve(listener, certificate, router(console)).await;
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
        .merge(console_mode::routes())
        .merge(console_calls::routes())
        .merge(console_roster::routes())
        .routes(routes!(events))
}

fn described(openapi: &Bytes) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], openapi.clone()).into_response()
}

/// The description besides the requests.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "siaga console", description = "Operators, live calls and events of an emergency centre."),
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

/// Runs a request whose token is valid. Without a valid token file it runs none.
async fn only_known(State(console): Shared, mut request: Request, next: Next) -> Response {
    let Some(own) = console.token.get() else {
        let text = "the console is closed: [console] token_file cannot be used; the alarm `console` and siaga check name the error";
        return fault(StatusCode::SERVICE_UNAVAILABLE, text);
    };
    let known = bearer(request.headers()).and_then(|token| {
        if own.is(token) {
            return Some(Actor { name: OWNER.to_owned(), role: ConsoleRole::Admin });
        }
        console.users.borrow().find(token).cloned()
    });
    if let Some(actor) = known {
        if let Some(proof) = request.extensions().get::<Proof>() {
            proof.is_shown();
        }
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
    summary = "Operators with state, reason and shift; stations with their operators",
    security(("token" = [])),
    responses(
        (status = 200, body = ConsoleReply),
        Usual,
    ),
)]
async fn operators(asker: Asker) -> Response {
    asker.send(ConsoleCommand::Operators).await
}

#[utoipa::path(
    get,
    path = "/v1/guard",
    summary = "Current bans: banned addresses get no response for some time",
    security(("token" = [])),
    responses(
        (status = 200, body = ConsoleReply),
        Usual,
    ),
)]
async fn bans(asker: Asker) -> Response {
    asker.send(ConsoleCommand::Guard).await
}

#[utoipa::path(
    post,
    path = "/v1/guard/{address}/lift",
    summary = "Ends a ban (admin)",
    security(("token" = [])),
    params(("address" = String, Path, description = "an IP address")),
    responses(
        (status = 200, body = ConsoleReply),
        (status = 404, body = Fault, description = "the address is not banned"),
        (status = 403, body = Fault, description = "the user's role does not permit the request"),
        Malformed,
        Usual,
    ),
)]
async fn lift(asker: Asker, Path(address): Path<String>) -> Response {
    match address.parse() {
        Ok(address) => asker.send(ConsoleCommand::LiftBan { address }).await,
        Err(_) => fault(StatusCode::BAD_REQUEST, "not an address; expected: an IPv4 or IPv6 address"),
    }
}

/// A change of an operator's state.
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
    summary = "Changes an operator's state (the operator, or a supervisor)",
    security(("token" = [])),
    params(
        ("operator" = String, Path, description = "the operator's name", pattern = "^[A-Za-z0-9._-]{1,64}$"),
        ("change" = Change, Path),
    ),
    request_body = Option<PauseBody>,
    responses(
        (status = 200, body = ConsoleReply),
        (status = 404, body = Fault, description = "the operator or the change is unknown"),
        (status = 409, body = Fault, description = "the operator is not in wrap-up"),
        (status = 403, body = Fault, description = "the user's role does not permit the request"),
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
            Err(error) => {
                return fault(
                    StatusCode::BAD_REQUEST,
                    &console_errors::wrong_pause(&error, &asker.console.config.borrow().operators.break_reasons),
                );
            }
        },
    };
    asker.send(command).await
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct MessageBody {
    /// Absent: all operators.
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
        (status = 404, body = Fault, description = "the operator is unknown"),
        (status = 403, body = Fault, description = "the user's role does not permit the request"),
        Malformed,
        Usual,
    ),
)]
async fn send_message(asker: Asker, Body(MessageBody { to, text }): Body<MessageBody>) -> Response {
    if text.is_empty() || text.len() > TEXT_MAX {
        return fault(StatusCode::BAD_REQUEST, "expected: a text of 1 to 700 bytes");
    }
    asker.send(ConsoleCommand::Message { operator: to, text }).await
}

#[utoipa::path(
    get,
    path = "/v1/events",
    summary = "Server-sent events: `fact` (the JSON of a fact) and `lost` (the number of facts that a slow listener missed)",
    security(("token" = [])),
    responses(
        (status = 200, content_type = "text/event-stream", body = String),
        (status = 503, body = Fault, description = "too many listeners"),
        (status = 401, body = Fault, description = "the token is missing or wrong"),
    ),
)]
async fn events(Asker { console, actor }: Asker) -> Response {
    match console.events.listen(console.users.clone(), actor) {
        Some(events) => events.into_response(),
        None => fault(StatusCode::SERVICE_UNAVAILABLE, "the events have too many listeners; expected: a retry later"),
    }
}
