//! What the console has of the posture of the house.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::acd::Posture;
use crate::switchboard::{ConsoleCommand, ConsoleReply};

use super::console_api::{Console, Fault, Malformed, Usual, fault};
use super::console_asker::{Asker, Body};

/// Hours that a posture may last by itself.
const POSTURE_HOURS_MAX: u32 = 168;

pub(super) fn routes() -> OpenApiRouter<Arc<Console>> {
    OpenApiRouter::new().routes(routes!(posture, set_posture))
}

#[utoipa::path(
    get,
    path = "/v1/posture",
    summary = "How the house works: since when, until when, who has said so",
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
    /// Then it is normal again; 0: until somebody ends it, absent: as [posture] hours says.
    #[schema(maximum = 168)]
    hours: Option<u32>,
}

#[utoipa::path(
    post,
    path = "/v1/posture",
    summary = "Sets how the house works (supervisor)",
    security(("token" = [])),
    request_body = PostureBody,
    responses(
        (status = 200, body = ConsoleReply),
        (status = 403, body = Fault, description = "the user's role may not do that"),
        (status = 422, body = Fault, description = "there is no fallback number to fall back on"),
        Malformed,
        Usual,
    ),
)]
async fn set_posture(asker: Asker, Body(PostureBody { posture, hours }): Body<PostureBody>) -> Response {
    if hours.is_some_and(|hours| hours > POSTURE_HOURS_MAX) {
        return fault(StatusCode::BAD_REQUEST, "hours: expected: 0 to 168");
    }
    asker.asks(ConsoleCommand::SetPosture { posture, hours }).await
}
