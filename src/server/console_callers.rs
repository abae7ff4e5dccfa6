//! Callers on the console: the list of call-backs, and numbers whose calls wait behind other calls.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::ids::OperatorId;
use crate::switchboard::{ConsoleCommand, ConsoleReply};

use super::console_asker::{Asker, Body};
use super::console_reply::{Fault, Malformed, Usual, fault};
use super::console_state::{Console, WORDS_MAX};

/// Hours that a flag may last.
const MARK_HOURS_MAX: u32 = 168;
/// Characters of a number.
const NUMBER_MAX: usize = 64;

pub(super) fn routes() -> OpenApiRouter<Arc<Console>> {
    OpenApiRouter::new().routes(routes!(call_backs, mean_call_back)).routes(routes!(marks, mark_caller))
}

#[utoipa::path(
    get,
    path = "/v1/call-backs",
    summary = "Unanswered callers, by number, the oldest first",
    security(("token" = [])),
    responses(
        (status = 200, body = ConsoleReply),
        Usual,
    ),
)]
async fn call_backs(asker: Asker) -> Response {
    asker.send(ConsoleCommand::CallBacks).await
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct MeantBody {
    /// Absent: the next number.
    number: Option<String>,
    #[schema(value_type = String, pattern = "^[A-Za-z0-9._-]{1,64}$")]
    operator: OperatorId,
}

#[utoipa::path(
    post,
    path = "/v1/call-backs",
    summary = "Assigns a number to an operator for call-back (the operator, or a supervisor)",
    security(("token" = [])),
    request_body = MeantBody,
    responses(
        (status = 200, body = ConsoleReply),
        (status = 403, body = Fault, description = "the user's role does not permit the request"),
        (status = 404, body = Fault, description = "the number is not on the list, or the operator is unknown"),
        Malformed,
        Usual,
    ),
)]
async fn mean_call_back(asker: Asker, Body(MeantBody { number, operator }): Body<MeantBody>) -> Response {
    asker.send(ConsoleCommand::AssignCallBack { number, operator }).await
}

#[utoipa::path(
    get,
    path = "/v1/callers",
    summary = "Flagged numbers: their calls wait behind other calls",
    security(("token" = [])),
    responses(
        (status = 200, body = ConsoleReply),
        Usual,
    ),
)]
async fn marks(asker: Asker) -> Response {
    asker.send(ConsoleCommand::Marks).await
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct MarkBody {
    #[schema(min_length = 1, max_length = 64)]
    number: String,
    /// 0: removes the flag.
    #[schema(maximum = 168)]
    hours: u32,
    #[schema(min_length = 1, max_length = 200)]
    by: String,
}

#[utoipa::path(
    post,
    path = "/v1/callers",
    summary = "Flags a number: its calls wait behind other calls for some hours, and are never rejected (supervisor)",
    security(("token" = [])),
    request_body = MarkBody,
    responses(
        (status = 200, body = ConsoleReply),
        (status = 403, body = Fault, description = "the user's role does not permit the request"),
        Malformed,
        Usual,
    ),
)]
async fn mark_caller(asker: Asker, Body(MarkBody { number, hours, by }): Body<MarkBody>) -> Response {
    if hours > MARK_HOURS_MAX || number.is_empty() || number.len() > NUMBER_MAX {
        return fault(
            StatusCode::BAD_REQUEST,
            "expected: a number of 1 to 64 characters, and hours from 1 to 168, or 0 to remove the flag",
        );
    }
    if by.is_empty() || by.chars().count() > WORDS_MAX {
        return fault(StatusCode::BAD_REQUEST, "by is empty or too long; expected: 1 to 200 characters");
    }
    asker.send(ConsoleCommand::MarkCaller { number, hours, by }).await
}
