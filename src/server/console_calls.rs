//! What the console does to a live call.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::switchboard::{Actor, ConsoleCommand, ConsoleReply};

use super::console_api::{Console, Fault, Shared, asked, fault};

pub(super) fn routes() -> OpenApiRouter<Arc<Console>> {
    OpenApiRouter::new().routes(routes!(silent_prompt))
}

#[utoipa::path(
    post,
    path = "/v1/calls/{call}/silent-prompt",
    summary = "Asks the caller to press a digit if he cannot speak (the operator who has him, or a supervisor)",
    security(("token" = [])),
    params(("call" = String, Path, description = "the id of a call", format = "uuid")),
    responses(
        (status = 200, body = ConsoleReply),
        (status = 400, body = Fault, description = "what was wrong, and what is expected"),
        (status = 401, body = Fault, description = "the token is missing or wrong"),
        (status = 403, body = Fault, description = "the user's role may not do that, or another operator has the caller"),
        (status = 404, body = Fault, description = "no such call is alive"),
        (status = 409, body = Fault, description = "no operator talks with the caller now"),
        (status = 503, body = Fault, description = "the service does not answer"),
    ),
)]
async fn silent_prompt(
    State(console): Shared,
    Extension(actor): Extension<Actor>,
    Path(call): Path<String>,
) -> Response {
    match call.parse() {
        Ok(call) => asked(&console, actor, ConsoleCommand::SilentPrompt { call }).await,
        Err(error) => fault(StatusCode::BAD_REQUEST, &format!("the call's id is {error}")),
    }
}
