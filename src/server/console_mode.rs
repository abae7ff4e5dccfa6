//! The operating mode on the console.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::acd::OperatingMode;
use crate::switchboard::{ConsoleCommand, ConsoleReply};

use super::console_asker::{Asker, Body};
use super::console_reply::{Fault, Malformed, Usual, fault};
use super::console_state::Console;

/// Maximum hours of an operating mode with an end.
const MODE_HOURS_MAX: u32 = 168;

pub(super) fn routes() -> OpenApiRouter<Arc<Console>> {
    OpenApiRouter::new().routes(routes!(mode, set_mode))
}

#[utoipa::path(
    get,
    path = "/v1/mode",
    summary = "The operating mode: its start, its end, and who set it",
    security(("token" = [])),
    responses(
        (status = 200, body = ConsoleReply),
        Usual,
    ),
)]
async fn mode(asker: Asker) -> Response {
    asker.send(ConsoleCommand::Mode).await
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct ModeBody {
    mode: OperatingMode,
    /// Hours until the mode is normal again; 0: no end. Absent: [mode] hours.
    #[schema(maximum = 168)]
    hours: Option<u32>,
}

#[utoipa::path(
    post,
    path = "/v1/mode",
    summary = "Sets the operating mode (supervisor)",
    security(("token" = [])),
    request_body = ModeBody,
    responses(
        (status = 200, body = ConsoleReply),
        (status = 403, body = Fault, description = "the user's role does not permit the request"),
        (status = 422, body = Fault, description = "there is no fallback number"),
        Malformed,
        Usual,
    ),
)]
async fn set_mode(asker: Asker, Body(ModeBody { mode, hours }): Body<ModeBody>) -> Response {
    if hours.is_some_and(|hours| hours > MODE_HOURS_MAX) {
        return fault(StatusCode::BAD_REQUEST, "hours is out of range; expected: 0 to 168");
    }
    asker.send(ConsoleCommand::SetMode { mode, hours }).await
}
