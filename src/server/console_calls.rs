//! Calls on the console: the live calls, their participants, and commands on them.

use std::sync::Arc;

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::cdr::fact::{Class, ConsoleRole};
use crate::ids::{CallId, LegNo, OperatorId};
use crate::store::Store;
use crate::switchboard::{ConsoleCommand, ConsoleReply, Supervision};

use super::console_asker::{Asker, Body, Called, Named, PartyName, call_id};
use super::console_look_ups::NoResult;
use super::console_reply::{Fault, Malformed, Usual, fault};
use super::console_state::{Console, WORDS_MAX};
use super::users::may;

/// Characters of a note.
const NOTE_MAX: usize = 4_000;
/// Retry-After, in seconds, if the database did not answer.
const RETRY_AFTER: &str = "10";
/// Maximum look-ups of a call that the database may not have yet, and the time between two of them.
const STORED_LOOKS: u32 = 12;
const STORED_PAUSE: std::time::Duration = std::time::Duration::from_millis(250);

pub(super) fn routes() -> OpenApiRouter<Arc<Console>> {
    let router = OpenApiRouter::new().routes(routes!(calls)).routes(routes!(dispose)).routes(routes!(transfer));
    let router = router.routes(routes!(ask_in)).routes(routes!(send_away)).routes(routes!(silent_prompt));
    router.routes(routes!(supervise)).routes(routes!(offer)).routes(routes!(place))
}

#[utoipa::path(
    get,
    path = "/v1/calls",
    summary = "Live calls: state, number, operator, position in the queue, participants",
    security(("token" = [])),
    responses(
        (status = 200, body = ConsoleReply),
        Usual,
    ),
)]
async fn calls(asker: Asker) -> Response {
    asker.send(ConsoleCommand::Calls).await
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
    summary = "Sets the disposition of a live or past call (an operator for own calls in the own name; or a supervisor)",
    security(("token" = [])),
    params(("call" = String, Path, description = "the id of a call", format = "uuid")),
    request_body = Disposition,
    responses(
        (status = 200, body = ConsoleReply),
        (status = 403, body = Fault, description = "the user's role does not permit the request, or the call never was the user's"),
        (status = 404, body = Fault, description = "no live or stored call has that id"),
        (status = 422, body = Fault, description = "the category is unknown, or none is configured"),
        (status = 503, body = Fault, description = "the service or the database does not respond"),
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
            "a text is too long, or by is empty; expected: category and by of at most 200 characters, note of at most 4,000",
        );
    }
    if asker.actor.role == ConsoleRole::Operator
        && by == asker.actor.name
        && let Err(refused) = his_own(&asker, call).await
    {
        return refused;
    }
    let command = ConsoleCommand::SetDisposition { call, class, category, note, by: by.clone() };
    if asker.actor.role != ConsoleRole::Operator
        && may(&asker.actor, &command)
        && let Err(refused) = both_known(&asker, call, &by).await
    {
        return refused;
    }
    asker.send(command).await
}

/// Succeeds if `by` is an operator or a user, and the call is live or in the database; also if the database does not return whether it has the
/// call.
async fn both_known(Asker { console, actor }: &Asker, call: CallId, by: &str) -> Result<(), Response> {
    let unavailable = |error: &dyn std::fmt::Display| fault(StatusCode::SERVICE_UNAVAILABLE, &error.to_string());
    if by != actor.name && !console.users.borrow().has(by) {
        let reply = console.loop_sender.console(actor.clone(), ConsoleCommand::Operators).await;
        let reply = reply.map_err(|error| unavailable(&error))?;
        let known = |operators: &[crate::acd::View]| operators.iter().any(|view| view.operator.as_str() == by);
        if !matches!(&reply, ConsoleReply::Operators { operators, .. } if known(operators)) {
            let text = "by is unknown; expected: the name of an operator or of a user of the console";
            return Err(fault(StatusCode::BAD_REQUEST, text));
        }
    }
    let reply =
        console.loop_sender.console(actor.clone(), ConsoleCommand::Calls).await.map_err(|error| unavailable(&error))?;
    if matches!(&reply, ConsoleReply::Calls { calls } if calls.iter().any(|live| live.call == call)) {
        return Ok(());
    }
    // A call that has just ended may not be in the database yet.
    let given = console.records.given();
    for _ in 0..STORED_LOOKS {
        let stored = console.records.has_stored(given);
        let url = console.store_url.clone();
        let had = async move {
            let store = Store::open_read_only(&url).await?;
            let had = store.has_call(call).await;
            store.close().await;
            had
        };
        match console.look_ups.run(had).await {
            Ok(Ok(false)) if stored => return Err(fault(StatusCode::NOT_FOUND, "no live or stored call has that id")),
            Ok(Ok(false)) => tokio::time::sleep(STORED_PAUSE).await,
            Ok(Ok(true) | Err(_)) | Err(_) => return Ok(()),
        }
    }
    Ok(())
}

/// Succeeds if the operator has or had the call, according to the service or the database.
async fn his_own(Asker { console, actor }: &Asker, call: CallId) -> Result<(), Response> {
    let not_his = || fault(StatusCode::FORBIDDEN, &format!("the call never was a call of {}", actor.name));
    let operator = OperatorId::parse(&actor.name).map_err(|_| not_his())?;
    let command = ConsoleCommand::Worked { call, operator: operator.clone() };
    match console.loop_sender.console(actor.clone(), command).await {
        Ok(ConsoleReply::Done) => return Ok(()),
        Ok(_) => {}
        Err(error) => return Err(fault(StatusCode::SERVICE_UNAVAILABLE, &error.to_string())),
    }
    let url = console.store_url.clone();
    let had = async move {
        let store = Store::open_read_only(&url).await?;
        let had = store.has_worked(call, &operator).await;
        store.close().await;
        had
    };
    let text = match console.look_ups.run(had).await {
        Ok(Ok(true)) => return Ok(()),
        Ok(Ok(false)) => return Err(not_his()),
        Ok(Err(_)) | Err(NoResult::Late) => {
            "the database does not return whose call it was; expected: a retry later, or a supervisor's request"
        }
        Err(NoResult::Busy) => {
            "the database is busy with other requests; expected: a retry later, or a supervisor's request"
        }
    };
    let later = [(header::RETRY_AFTER, RETRY_AFTER)];
    Err((later, fault(StatusCode::SERVICE_UNAVAILABLE, text)).into_response())
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct TransferBody {
    /// An operator, the name or number of an agency, or the emergency number for the queue.
    #[schema(value_type = String, min_length = 1, max_length = 64)]
    to: PartyName,
}

#[utoipa::path(
    post,
    path = "/v1/calls/{call}/transfer",
    summary = "Transfers the caller (the call's operator, or a supervisor); facts report the result",
    security(("token" = [])),
    params(("call" = String, Path, description = "the id of a connected call", format = "uuid")),
    request_body = TransferBody,
    responses(
        (status = 200, body = ConsoleReply, description = "the transfer has begun"),
        (status = 403, body = Fault, description = "the user's role does not permit the request, or another operator owns the call"),
        (status = 404, body = Fault, description = "the call or the name is unknown"),
        (status = 409, body = Fault, description = "not possible in the call's present state"),
        Malformed,
        Usual,
    ),
)]
async fn transfer(asker: Asker, Called(call): Called, Body(TransferBody { to }): Body<TransferBody>) -> Response {
    asker.send(ConsoleCommand::Transfer { call, to: to.0 }).await
}

#[utoipa::path(
    post,
    path = "/v1/calls/{call}/silent-prompt",
    summary = "Asks the caller to press a digit if they cannot speak (the call's operator, or a supervisor)",
    security(("token" = [])),
    params(("call" = String, Path, description = "the id of a call", format = "uuid")),
    responses(
        (status = 200, body = ConsoleReply),
        (status = 403, body = Fault, description = "the user's role does not permit the request, or another operator owns the call"),
        (status = 404, body = Fault, description = "no live call has that id"),
        (status = 409, body = Fault, description = "no operator is connected with the caller"),
        Malformed,
        Usual,
    ),
)]
async fn silent_prompt(asker: Asker, Called(call): Called) -> Response {
    asker.send(ConsoleCommand::SilentPrompt { call }).await
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct ParticipantBody {
    /// An operator, or the name or number of an agency.
    #[schema(value_type = String, min_length = 1, max_length = 64)]
    whom: PartyName,
}

#[utoipa::path(
    post,
    path = "/v1/calls/{call}/guests",
    summary = "Adds a participant (the call's operator, or a supervisor); facts report the result",
    security(("token" = [])),
    params(("call" = String, Path, description = "the id of a connected call", format = "uuid")),
    request_body = ParticipantBody,
    responses(
        (status = 200, body = ConsoleReply, description = "the phones ring"),
        (status = 403, body = Fault, description = "the user's role does not permit the request, or another operator owns the call"),
        (status = 404, body = Fault, description = "the call or the name is unknown"),
        (status = 409, body = Fault, description = "not possible in the present state of the call or the other party"),
        Malformed,
        Usual,
    ),
)]
async fn ask_in(asker: Asker, Called(call): Called, Body(ParticipantBody { whom }): Body<ParticipantBody>) -> Response {
    asker.send(ConsoleCommand::InviteParticipant { call, to: whom.0 }).await
}

#[utoipa::path(
    delete,
    path = "/v1/calls/{call}/guests/{leg}",
    summary = "Removes a participant, or stops ringing one (the call's operator, or a supervisor)",
    security(("token" = [])),
    params(
        ("call" = String, Path, description = "the id of a connected call", format = "uuid"),
        ("leg" = u32, Path, description = "the number of the leg, as in the list of calls"),
    ),
    responses(
        (status = 200, body = ConsoleReply),
        (status = 403, body = Fault, description = "the user's role does not permit the request, or another operator owns the call or the participant"),
        (status = 404, body = Fault, description = "the call or the participant is unknown"),
        (status = 409, body = Fault, description = "not possible in the call's present state"),
        Malformed,
        Usual,
    ),
)]
async fn send_away(asker: Asker, Path((call, leg)): Path<(String, String)>) -> Response {
    match (call_id(&call), leg.parse()) {
        (Ok(call), Ok(leg)) => asker.send(ConsoleCommand::DisconnectParticipant { call, leg: LegNo(leg) }).await,
        (Err(wrong), _) => fault(StatusCode::BAD_REQUEST, &wrong),
        (Ok(_), Err(_)) => fault(StatusCode::BAD_REQUEST, "not a leg; expected: its number in the list of calls"),
    }
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct SupervisionBody {
    mode: Supervision,
    /// One of `[operators] supervisors`. Absent: the user.
    #[schema(value_type = Option<String>, pattern = "^[A-Za-z0-9._-]{1,64}$")]
    by: Option<OperatorId>,
}

#[utoipa::path(
    post,
    path = "/v1/calls/{call}/supervision",
    summary = "Adds a supervisor to a call, or changes the mode of one in it (supervisor); facts report the result",
    security(("token" = [])),
    params(("call" = String, Path, description = "the id of a connected call", format = "uuid")),
    request_body = SupervisionBody,
    responses(
        (status = 200, body = ConsoleReply, description = "the supervisor's phones ring, or the mode has changed"),
        (status = 403, body = Fault, description = "the user's role does not permit the request, or `by` is not a supervisor"),
        (status = 404, body = Fault, description = "no live call has that id"),
        (status = 409, body = Fault, description = "not possible in the present state of the call or the supervisor"),
        Malformed,
        Usual,
    ),
)]
async fn supervise(
    asker: Asker,
    Called(call): Called,
    Body(SupervisionBody { mode, by }): Body<SupervisionBody>,
) -> Response {
    asker.send(ConsoleCommand::Supervise { call, mode, by }).await
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
    summary = "Rings an operator for a waiting call, out of turn (supervisor); without an answer the call keeps its position",
    security(("token" = [])),
    params(("call" = String, Path, description = "the id of a waiting call", format = "uuid")),
    request_body = OfferBody,
    responses(
        (status = 200, body = ConsoleReply, description = "the phones ring"),
        (status = 403, body = Fault, description = "the user's role does not permit the request"),
        (status = 404, body = Fault, description = "the call or the operator is unknown"),
        (status = 409, body = Fault, description = "not possible in the present state of the call or the other party"),
        Malformed,
        Usual,
    ),
)]
async fn offer(asker: Asker, Called(call): Called, Body(OfferBody { operator }): Body<OfferBody>) -> Response {
    asker.send(ConsoleCommand::OfferTo { call, operator }).await
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct PlaceBody {
    /// A colleague, the name or number of an agency, or a number of the list of call-backs.
    #[schema(value_type = String, min_length = 1, max_length = 64)]
    to: PartyName,
}

#[utoipa::path(
    post,
    path = "/v1/operators/{operator}/calls",
    summary = "Places a call for an operator (the operator, or a supervisor): the own phones ring first, then the other party's",
    security(("token" = [])),
    params(("operator" = String, Path, description = "the operator's name", pattern = "^[A-Za-z0-9._-]{1,64}$")),
    request_body = PlaceBody,
    responses(
        (status = 200, body = ConsoleReply, description = "the operator's own phones ring; the facts of the returned call report the result"),
        (status = 403, body = Fault, description = "the user's role does not permit the request"),
        (status = 404, body = Fault, description = "the operator, the name or the number on the list is unknown"),
        (status = 409, body = Fault, description = "not possible in the present state of the operator or the other party"),
        Malformed,
        Usual,
    ),
)]
async fn place(asker: Asker, Named(operator): Named, Body(PlaceBody { to }): Body<PlaceBody>) -> Response {
    asker.send(ConsoleCommand::Place { operator, to: to.0 }).await
}
