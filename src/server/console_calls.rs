//! What the console has of calls: which live, who is in them, and what may be done about them.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::cdr::fact::{Class, ConsoleRole};
use crate::ids::{CallId, LegNo, OperatorId};
use crate::store::Store;
use crate::switchboard::{ConsoleCommand, ConsoleReply, Supervision};

use super::console_api::{Console, Fault, Malformed, Usual, WORDS_MAX, fault};
use super::console_asker::{Asker, Body, Called, Named, Whom, call_id};

/// Characters of a note.
const NOTE_MAX: usize = 4_000;
/// How long the records may take to tell whose call it was.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn routes() -> OpenApiRouter<Arc<Console>> {
    let router = OpenApiRouter::new().routes(routes!(calls)).routes(routes!(dispose)).routes(routes!(transfer));
    let router = router.routes(routes!(ask_in)).routes(routes!(send_away)).routes(routes!(silent_prompt));
    router.routes(routes!(supervise)).routes(routes!(offer)).routes(routes!(place))
}

#[utoipa::path(
    get,
    path = "/v1/calls",
    summary = "Live calls: state, number, operator, place in the queue, guests",
    security(("token" = [])),
    responses(
        (status = 200, body = ConsoleReply),
        Usual,
    ),
)]
async fn calls(asker: Asker) -> Response {
    asker.asks(ConsoleCommand::Calls).await
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Disposition {
    class: Class,
    #[schema(max_length = 200)]
    category: Option<String>,
    #[schema(max_length = 4000)]
    note: Option<String>,
    #[schema(min_length = 1, max_length = 200)]
    by: String,
}

#[utoipa::path(
    post,
    path = "/v1/calls/{call}/disposition",
    summary = "Classes a call, of now or of before (an operator those that he has or had, in his own name; or a supervisor)",
    security(("token" = [])),
    params(("call" = String, Path, description = "the id of a call", format = "uuid")),
    request_body = Disposition,
    responses(
        (status = 200, body = ConsoleReply),
        (status = 403, body = Fault, description = "the user's role may not do that, or it never was his call"),
        (status = 422, body = Fault, description = "no such category"),
        (status = 503, body = Fault, description = "the service, or the database, does not answer"),
        Malformed,
        (status = 401, body = Fault, description = "the token is missing or wrong"),
    ),
)]
async fn dispose(
    asker: Asker,
    Called(call): Called,
    Body(Disposition { class, category, note, by }): Body<Disposition>,
) -> Response {
    let long = |text: &Option<String>, max| text.as_ref().is_some_and(|text: &String| text.chars().count() > max);
    if long(&category, WORDS_MAX) || long(&note, NOTE_MAX) || by.is_empty() || by.chars().count() > WORDS_MAX {
        return fault(
            StatusCode::BAD_REQUEST,
            "category or by is longer than 200 characters, note than 4000, or by is empty",
        );
    }
    if asker.actor.role == ConsoleRole::Operator
        && by == asker.actor.name
        && let Err(refused) = his_own(&asker, call).await
    {
        return refused;
    }
    asker.asks(ConsoleCommand::SetDisposition { call, class, category, note, by }).await
}

/// Lets an operator on who has a call, or has had it: of late, as the service knows, or before, as the records do.
async fn his_own(Asker { console, actor }: &Asker, call: CallId) -> Result<(), Response> {
    let not_his = || fault(StatusCode::FORBIDDEN, &format!("{} has not had that call", actor.name));
    let operator = OperatorId::parse(&actor.name).map_err(|_| not_his())?;
    let command = ConsoleCommand::Worked { call, operator: operator.clone() };
    match console.desk.console(actor.clone(), command).await {
        Ok(ConsoleReply::Done) => return Ok(()),
        Ok(_) => {}
        Err(error) => return Err(fault(StatusCode::SERVICE_UNAVAILABLE, &error.to_string())),
    }
    let had = async {
        let store = Store::open_read_only(&console.store_url).await?;
        let had = store.has_worked(call, &operator).await;
        store.close().await;
        had
    };
    match tokio::time::timeout(PATIENCE, had).await {
        Ok(Ok(true)) => Ok(()),
        Ok(Ok(false)) => Err(not_his()),
        Ok(Err(_)) | Err(_) => {
            let text = "the database does not tell whose call it was: ask a supervisor, or again later";
            Err(fault(StatusCode::SERVICE_UNAVAILABLE, text))
        }
    }
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct TransferBody {
    /// An operator, the name or the number of an agency, or the emergency number: the queue.
    #[schema(value_type = String, min_length = 1, max_length = 64)]
    to: Whom,
}

#[utoipa::path(
    post,
    path = "/v1/calls/{call}/transfer",
    summary = "Passes the caller on (his operator, or a supervisor); facts tell what becomes of it",
    security(("token" = [])),
    params(("call" = String, Path, description = "the id of a call that talks", format = "uuid")),
    request_body = TransferBody,
    responses(
        (status = 200, body = ConsoleReply, description = "it is under way"),
        (status = 403, body = Fault, description = "the user's role may not do that, or it is not his call"),
        (status = 404, body = Fault, description = "no such call, or nobody is called so"),
        (status = 409, body = Fault, description = "not as the call is now"),
        Malformed,
        Usual,
    ),
)]
async fn transfer(asker: Asker, Called(call): Called, Body(TransferBody { to }): Body<TransferBody>) -> Response {
    asker.asks(ConsoleCommand::Transfer { call, to: to.0 }).await
}

#[utoipa::path(
    post,
    path = "/v1/calls/{call}/silent-prompt",
    summary = "Asks the caller to press a digit if he cannot speak (the operator who has him, or a supervisor)",
    security(("token" = [])),
    params(("call" = String, Path, description = "the id of a call", format = "uuid")),
    responses(
        (status = 200, body = ConsoleReply),
        (status = 403, body = Fault, description = "the user's role may not do that, or another operator has the caller"),
        (status = 404, body = Fault, description = "no such call is alive"),
        (status = 409, body = Fault, description = "no operator talks with the caller now"),
        Malformed,
        Usual,
    ),
)]
async fn silent_prompt(asker: Asker, Called(call): Called) -> Response {
    asker.asks(ConsoleCommand::SilentPrompt { call }).await
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct GuestBody {
    /// An operator, or the name or the number of an agency.
    #[schema(value_type = String, min_length = 1, max_length = 64)]
    whom: Whom,
}

#[utoipa::path(
    post,
    path = "/v1/calls/{call}/guests",
    summary = "Asks somebody in (the call's operator, or a supervisor); facts tell what becomes of it",
    security(("token" = [])),
    params(("call" = String, Path, description = "the id of a call that talks", format = "uuid")),
    request_body = GuestBody,
    responses(
        (status = 200, body = ConsoleReply, description = "he rings"),
        (status = 403, body = Fault, description = "the user's role may not do that, or it is not his call"),
        (status = 404, body = Fault, description = "no such call, or nobody is called so"),
        (status = 409, body = Fault, description = "not as the call, or he, is now"),
        Malformed,
        Usual,
    ),
)]
async fn ask_in(asker: Asker, Called(call): Called, Body(GuestBody { whom }): Body<GuestBody>) -> Response {
    asker.asks(ConsoleCommand::AskIn { call, whom: whom.0 }).await
}

#[utoipa::path(
    delete,
    path = "/v1/calls/{call}/guests/{leg}",
    summary = "Sends a guest away, or lets him ring no more (the call's operator, or a supervisor)",
    security(("token" = [])),
    params(
        ("call" = String, Path, description = "the id of a call that talks", format = "uuid"),
        ("leg" = u32, Path, description = "the number of the leg, as in the list of calls"),
    ),
    responses(
        (status = 200, body = ConsoleReply),
        (status = 403, body = Fault, description = "the user's role may not do that, or it is not his call, or no guest of his"),
        (status = 404, body = Fault, description = "no such call, or no such guest"),
        (status = 409, body = Fault, description = "not as the call is now"),
        Malformed,
        Usual,
    ),
)]
async fn send_away(asker: Asker, Path((call, leg)): Path<(String, String)>) -> Response {
    match (call_id(&call), leg.parse()) {
        (Ok(call), Ok(leg)) => asker.asks(ConsoleCommand::SendAway { call, leg: LegNo(leg) }).await,
        (Err(wrong), _) => fault(StatusCode::BAD_REQUEST, &wrong),
        (Ok(_), Err(_)) => fault(StatusCode::BAD_REQUEST, "not a leg; expected: its number"),
    }
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct SupervisionBody {
    mode: Supervision,
    /// One of `[operators] supervisors`; nobody: the user himself.
    #[schema(value_type = Option<String>, pattern = "^[A-Za-z0-9._-]{1,64}$")]
    by: Option<OperatorId>,
}

#[utoipa::path(
    post,
    path = "/v1/calls/{call}/supervision",
    summary = "Lets a supervisor in: her phones ring, or what she is there changes (supervisor); facts tell what becomes of it",
    security(("token" = [])),
    params(("call" = String, Path, description = "the id of a call that talks", format = "uuid")),
    request_body = SupervisionBody,
    responses(
        (status = 200, body = ConsoleReply, description = "she rings, or is in it already and has changed"),
        (status = 403, body = Fault, description = "the user's role may not do that, or who shall supervise is no supervisor"),
        (status = 404, body = Fault, description = "no such call"),
        (status = 409, body = Fault, description = "not as the call, or she, is now"),
        Malformed,
        Usual,
    ),
)]
async fn supervise(
    asker: Asker,
    Called(call): Called,
    Body(SupervisionBody { mode, by }): Body<SupervisionBody>,
) -> Response {
    asker.asks(ConsoleCommand::Supervise { call, mode, by }).await
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct OfferBody {
    #[schema(value_type = String, pattern = "^[A-Za-z0-9._-]{1,64}$")]
    operator: OperatorId,
}

#[utoipa::path(
    post,
    path = "/v1/calls/{call}/offer",
    summary = "Offers a call that waits to an operator, out of turn (supervisor); when he does not answer it is where it was",
    security(("token" = [])),
    params(("call" = String, Path, description = "the id of a call that waits", format = "uuid")),
    request_body = OfferBody,
    responses(
        (status = 200, body = ConsoleReply, description = "he rings"),
        (status = 403, body = Fault, description = "the user's role may not do that"),
        (status = 404, body = Fault, description = "no such call, or no such operator"),
        (status = 409, body = Fault, description = "not as the call, or he, is now"),
        Malformed,
        Usual,
    ),
)]
async fn offer(asker: Asker, Called(call): Called, Body(OfferBody { operator }): Body<OfferBody>) -> Response {
    asker.asks(ConsoleCommand::OfferTo { call, operator }).await
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct PlaceBody {
    /// A colleague, the name or the number of an agency, or a number of the list of call-backs.
    #[schema(value_type = String, min_length = 1, max_length = 64)]
    to: Whom,
}

#[utoipa::path(
    post,
    path = "/v1/operators/{operator}/calls",
    summary = "Places a call for an operator (himself, or a supervisor): his own phones ring, and whom he wants when he answers",
    security(("token" = [])),
    params(("operator" = String, Path, description = "his name", pattern = "^[A-Za-z0-9._-]{1,64}$")),
    request_body = PlaceBody,
    responses(
        (status = 200, body = ConsoleReply, description = "his own phones ring; facts of the call that is named tell the rest"),
        (status = 403, body = Fault, description = "the user's role may not do that"),
        (status = 404, body = Fault, description = "no such operator, nobody is called so, or no such number is on the list"),
        (status = 409, body = Fault, description = "not as he, or whom he wants, is now"),
        Malformed,
        Usual,
    ),
)]
async fn place(asker: Asker, Named(operator): Named, Body(PlaceBody { to }): Body<PlaceBody>) -> Response {
    asker.asks(ConsoleCommand::Place { operator, to: to.0 }).await
}

/// What an operator's phone would be told by a status, in words.
pub(super) fn refused_as(status: u16) -> (StatusCode, &'static str) {
    match status {
        404 => (StatusCode::NOT_FOUND, "nobody is called so, or no guest has that leg"),
        403 => (
            StatusCode::CONFLICT,
            "that one cannot be had: himself, the queue, a number that is no agency's, or one that another is to call",
        ),
        480 => (StatusCode::CONFLICT, "nobody has the caller now, or he whom you want has no phone there"),
        486 => (StatusCode::CONFLICT, "he is busy, has calls enough, or the room is full"),
        491 => (StatusCode::CONFLICT, "somebody rings already, or guests are there"),
        _ => (StatusCode::CONFLICT, "no phone or trunk can be rung now"),
    }
}
