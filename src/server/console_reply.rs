//! The bodies of the console's errors.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;

use super::loop_sender::LoopError;

/// The body of every error.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Fault {
    fault: String,
}

/// The errors of almost every request.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "it describes answers, and is none")]
pub(super) enum Usual {
    /// the token is missing or wrong
    #[response(status = 401)]
    Unknown(Fault),
    /// the service does not respond
    #[response(status = 503)]
    Silent(Fault),
}

/// The error of requests with a body or a name in the path.
#[derive(utoipa::IntoResponses)]
#[response(status = 400, description = "what is wrong, and what is expected")]
#[expect(dead_code, reason = "it describes an answer, and is none")]
pub(super) struct Malformed(Fault);

pub(super) fn refused(error: LoopError) -> Response {
    fault(StatusCode::SERVICE_UNAVAILABLE, &error.to_string())
}

pub(super) fn fault(status: StatusCode, text: &str) -> Response {
    (status, fault_body(text)).into_response()
}

pub(super) fn fault_body(text: &str) -> Json<Fault> {
    Json(Fault { fault: text.to_owned() })
}

/// The console's error for the status that a phone would get.
pub(super) fn refused_as(status: u16) -> (StatusCode, &'static str) {
    match status {
        404 => (StatusCode::NOT_FOUND, "unknown name, or no participant has that leg"),
        403 => (
            StatusCode::CONFLICT,
            "not allowed: the operator's own name, the queue, a number that is not an agency's, or one assigned to another operator",
        ),
        480 => (StatusCode::CONFLICT, "no operator has the caller, or the other party has no reachable phone"),
        486 => (StatusCode::CONFLICT, "the other party is busy, or the conference is full"),
        491 => (StatusCode::CONFLICT, "a phone already rings for the call, or it has participants"),
        _ => (StatusCode::CONFLICT, "no phone or trunk is available"),
    }
}
