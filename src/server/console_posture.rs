//! The operating mode on the console.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::acd::Posture;
use crate::switchboard::{ConsoleCommand, ConsoleReply};

use super::console_asker::{Asker, Body};
use super::console_reply::{Fault, Malformed, Usual, fault};
use super::console_state::Console;

/// Maximum hours of an operating mode with an end.
const POSTURE_HOURS_MAX: u32 = 168;

pub(super) fn routes() -> OpenApiRouter<Arc<Console>> {
    OpenApiRouter::new().routes(routes!(posture, set_posture))
}

#[utoipa::path(
    get,
    path = "/v1/posture",
    summary = "The operating mode: its start, its end, and who set it",
    security(("token" = [])),
    responses(
        (status = 200, body = ConsoleReply),
        Usual,
    ),
)]
async fn posture(asker: Asker) -> Response {
    asker.asks(ConsoleCommand::Posture).await
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct PostureBody {
    posture: Posture,
    /// Hours until the mode is normal again; 0: no end. Absent: [posture] hours.
    #[schema(maximum = 168)]
    hours: Option<u32>,
}

#[utoipa::path(
    post,
    path = "/v1/posture",
    summary = "Sets the operating mode (supervisor)",
    security(("token" = [])),
    request_body = PostureBody,
    responses(
        (status = 200, body = ConsoleReply),
        (status = 403, body = Fault, description = "the user's role does not permit the request"),
        (status = 422, body = Fault, description = "there is no fallback number"),
        Malformed,
        Usual,
    ),
)]
async fn set_posture(asker: Asker, Body(PostureBody { posture, hours }): Body<PostureBody>) -> Response {
    if hours.is_some_and(|hours| hours > POSTURE_HOURS_MAX) {
        return fault(StatusCode::BAD_REQUEST, "hours is out of range; expected: 0 to 168");
    }
    asker.asks(ConsoleCommand::SetPosture { posture, hours }).await
}
