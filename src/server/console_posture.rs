//! What the console has of the posture of the house.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::acd::Posture;
use crate::switchboard::{Actor, ConsoleCommand, ConsoleReply};

use super::console_api::{Console, Fault, Malformed, Shared, Usual, asked, fault};

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
async fn posture(State(console): Shared, Extension(actor): Extension<Actor>) -> Response {
    asked(&console, actor, ConsoleCommand::Posture).await
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
async fn set_posture(State(console): Shared, Extension(actor): Extension<Actor>, body: Bytes) -> Response {
    match serde_json::from_slice(&body) {
        Ok(PostureBody { hours: Some(hours), .. }) if hours > POSTURE_HOURS_MAX => {
            fault(StatusCode::BAD_REQUEST, "0 to 168 hours are expected")
        }
        Ok(PostureBody { posture, hours }) => {
            asked(&console, actor, ConsoleCommand::SetPosture { posture, hours }).await
        }
        Err(error) => fault(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}
