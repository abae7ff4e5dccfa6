//! What the console has of callers: who waits to be called back, and whose calls wait behind others.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::ids::OperatorId;
use crate::switchboard::{ConsoleCommand, ConsoleReply};

use super::console_api::{Console, Fault, Malformed, Usual, WORDS_MAX, fault};
use super::console_asker::{Asker, Body};

/// Hours that a mark may last.
const MARK_HOURS_MAX: u32 = 168;
/// Characters of a number.
const NUMBER_MAX: usize = 64;

pub(super) fn routes() -> OpenApiRouter<Arc<Console>> {
    OpenApiRouter::new().routes(routes!(call_backs, mean_call_back)).routes(routes!(marks, mark_caller))
}

#[utoipa::path(
    get,
    path = "/v1/call-backs",
    summary = "Callers whom nobody has answered, by number, the oldest first",
    security(("token" = [])),
    responses(
        (status = 200, body = ConsoleReply),
        Usual,
    ),
)]
async fn call_backs(asker: Asker) -> Response {
    asker.asks(ConsoleCommand::CallBacks).await
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct MeantBody {
    /// None: the next.
    number: Option<String>,
    #[schema(value_type = String, pattern = "^[A-Za-z0-9._-]{1,64}$")]
    operator: OperatorId,
}

#[utoipa::path(
    post,
    path = "/v1/call-backs",
    summary = "An operator shall call a number back (himself, or a supervisor)",
    security(("token" = [])),
    request_body = MeantBody,
    responses(
        (status = 200, body = ConsoleReply),
        (status = 403, body = Fault, description = "the user's role may not do that"),
        (status = 404, body = Fault, description = "no such number is on the list, or no such operator"),
        Malformed,
        Usual,
    ),
)]
async fn mean_call_back(asker: Asker, Body(MeantBody { number, operator }): Body<MeantBody>) -> Response {
    asker.asks(ConsoleCommand::MeanCallBack { number, operator }).await
}

#[utoipa::path(
    get,
    path = "/v1/callers",
    summary = "Numbers whose calls wait behind others",
    security(("token" = [])),
    responses(
        (status = 200, body = ConsoleReply),
        Usual,
    ),
)]
async fn marks(asker: Asker) -> Response {
    asker.asks(ConsoleCommand::Marks).await
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct MarkBody {
    #[schema(min_length = 1, max_length = 64)]
    number: String,
    /// 0: no longer.
    #[schema(maximum = 168)]
    hours: u32,
    #[schema(min_length = 1, max_length = 200)]
    by: String,
}

#[utoipa::path(
    post,
    path = "/v1/callers",
    summary = "Calls of a number wait behind others for so many hours, and are answered all the same (supervisor)",
    security(("token" = [])),
    request_body = MarkBody,
    responses(
        (status = 200, body = ConsoleReply),
        (status = 403, body = Fault, description = "the user's role may not do that"),
        Malformed,
        Usual,
    ),
)]
async fn mark_caller(asker: Asker, Body(MarkBody { number, hours, by }): Body<MarkBody>) -> Response {
    if hours > MARK_HOURS_MAX || number.is_empty() || number.len() > NUMBER_MAX {
        return fault(StatusCode::BAD_REQUEST, "expected: a number, and 1 to 168 hours, or 0 to lift the mark");
    }
    if by.is_empty() || by.chars().count() > WORDS_MAX {
        return fault(StatusCode::BAD_REQUEST, "by is empty or longer than 200 characters");
    }
    asker.asks(ConsoleCommand::MarkCaller { number, hours, by }).await
}
