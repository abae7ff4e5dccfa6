//! The parts of requests to the console: the user, the call, the operator and the body. Each is read in one way; an error names what is
//! expected.

use crate::server::console_reply::{refused, refused_as};
use crate::server::users::may;
use crate::switchboard::ConsoleReply;
use axum::Json;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::ids::{CallId, OperatorId};
use crate::switchboard::{Actor, ConsoleCommand};

use super::console_reply::fault;
use super::console_state::Console;

/// Characters of the name or number of another party.
const PARTY_NAME_MAX: usize = 64;

/// The user of a request, whose token has been checked.
pub(super) struct Asker {
    pub(super) console: Arc<Console>,
    pub(super) actor: Actor,
}

impl Asker {
    /// Runs a command if the user's role permits it.
    pub(super) async fn send(self, command: ConsoleCommand) -> Response {
        asked(&self.console, self.actor, command).await
    }
}

impl FromRequestParts<Arc<Console>> for Asker {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, console: &Arc<Console>) -> Result<Self, Response> {
        match parts.extensions.get::<Actor>() {
            Some(actor) => Ok(Self { console: Arc::clone(console), actor: actor.clone() }),
            None => Err(fault(StatusCode::UNAUTHORIZED, "the bearer token is missing or wrong")),
        }
    }
}

/// The call in the path.
pub(super) struct Called(pub(super) CallId);

impl FromRequestParts<Arc<Console>> for Called {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, console: &Arc<Console>) -> Result<Self, Response> {
        let text = in_path(parts, console).await?;
        call_id(&text).map(Self).map_err(|wrong| fault(StatusCode::BAD_REQUEST, &wrong))
    }
}

/// The operator in the path.
pub(super) struct Named(pub(super) OperatorId);

impl FromRequestParts<Arc<Console>> for Named {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, console: &Arc<Console>) -> Result<Self, Response> {
        let name = in_path(parts, console).await?;
        OperatorId::parse(&name).map(Self).map_err(|error| fault(StatusCode::BAD_REQUEST, &error.to_string()))
    }
}

/// A JSON body.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<Console>> for Body<T> {
    type Rejection = Response;

    async fn from_request(request: Request, console: &Arc<Console>) -> Result<Self, Response> {
        let bytes = Bytes::from_request(request, console).await.map_err(|refused| refused.into_response())?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| fault(StatusCode::BAD_REQUEST, &wrong_body(&error)))
    }
}

/// The name or number of another party.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct PartyName(pub(super) String);

impl TryFrom<String> for PartyName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let fits = (1..=PARTY_NAME_MAX).contains(&text.len());
        if fits { Ok(Self(text)) } else { Err("expected: a name or a number of at most 64 characters") }
    }
}

async fn in_path(parts: &mut Parts, console: &Arc<Console>) -> Result<String, Response> {
    let Path(text) = Path::from_request_parts(parts, console).await.map_err(|refused| refused.into_response())?;
    Ok(text)
}

/// What is wrong with a body, without the parser's places in it.
pub(super) fn wrong_body(error: &serde_json::Error) -> String {
    use serde_json::error::Category;
    match error.classify() {
        Category::Data => {
            let text = error.to_string();
            let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
            match what.strip_prefix("missing field ") {
                Some(field) => format!(
                    "the body lacks the field {field}; expected: a JSON object with it, as /v1/openapi.json describes it"
                ),
                None => format!("the body is wrong: {}", in_plain_words(what)),
            }
        }
        Category::Syntax | Category::Eof | Category::Io => "the body is not JSON; expected: a JSON object".to_owned(),
    }
}

/// The parser's message in the words of JSON: its own words are those of Rust.
fn in_plain_words(what: &str) -> String {
    let (wrong, expected) = what.split_once(", expected ").unwrap_or((what, ""));
    let wrong = wrong.strip_prefix("invalid type: ").or_else(|| wrong.strip_prefix("invalid value: ")).unwrap_or(wrong);
    let kinds = [
        ("integer `", "the number "),
        ("floating point `", "the number "),
        ("boolean `", "the value "),
        ("unknown field `", "unknown field "),
        ("unknown variant `", "unknown value "),
    ];
    let found =
        kinds.iter().find_map(|(kind, word)| Some(format!("{word}{}", wrong.strip_prefix(kind)?.replace('`', ""))));
    let wrong = found.unwrap_or_else(|| match wrong {
        "map" => "an object".to_owned(),
        "sequence" => "an array".to_owned(),
        other => other.to_owned(),
    });
    let expected = match expected {
        "" => return wrong,
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number of 0 or more",
        "a sequence" => "an array",
        "a boolean" => "true or false",
        other if other.starts_with("struct ") => "an object",
        other => other,
    };
    format!("{wrong}; expected: {}", expected.replace('`', "\""))
}

/// A call's id in a path.
pub(super) fn call_id(text: &str) -> Result<CallId, String> {
    text.parse().map_err(|error| format!("the call's id is {error}"))
}

pub(super) async fn asked(console: &Console, actor: Actor, command: ConsoleCommand) -> Response {
    if !may(&actor, &command) {
        let text = format!("the role of {} ({}) does not permit the request", actor.name, actor.role.word());
        return fault(StatusCode::FORBIDDEN, &text);
    }
    match console.loop_sender.console(actor, command).await {
        Ok(ConsoleReply::UnknownOperator) => fault(StatusCode::NOT_FOUND, "unknown operator"),
        Ok(ConsoleReply::UnknownReason { known }) => {
            let text = format!("unknown reason; expected: one of {}", known.join(", "));
            fault(StatusCode::UNPROCESSABLE_ENTITY, &text)
        }
        Ok(ConsoleReply::NoFallback) => fault(
            StatusCode::UNPROCESSABLE_ENTITY,
            "there is no fallback number; expected: queue.fallback_number in the configuration",
        ),
        Ok(ConsoleReply::NotOwner) => fault(StatusCode::FORBIDDEN, "another operator owns the call or the participant"),
        Ok(ConsoleReply::UnknownCall) => fault(StatusCode::NOT_FOUND, "no live call has that id"),
        Ok(ConsoleReply::NoSupervisor) => fault(
            StatusCode::FORBIDDEN,
            "not a supervisor; expected: `by` with one of [operators] supervisors, or such a user",
        ),
        Ok(ConsoleReply::NotWaiting) => {
            fault(StatusCode::CONFLICT, "the call does not wait: an operator or the fallback has it")
        }
        Ok(ConsoleReply::Refused { status }) => {
            let (status, text) = refused_as(status);
            fault(status, text)
        }
        Ok(ConsoleReply::NotBanned) => fault(StatusCode::NOT_FOUND, "the address is not banned"),
        Ok(ConsoleReply::UnknownNumber) => fault(StatusCode::NOT_FOUND, "the number is not on the list"),
        Ok(ConsoleReply::NotTalking) => fault(StatusCode::CONFLICT, "no operator is connected with the caller"),
        Ok(ConsoleReply::NotWrappingUp) => fault(StatusCode::CONFLICT, "the operator is not in wrap-up"),
        Ok(ConsoleReply::UnknownCategory { known }) => {
            fault(StatusCode::UNPROCESSABLE_ENTITY, &unknown_category(&known))
        }
        Ok(
            reply @ (ConsoleReply::Done
            | ConsoleReply::Calling { .. }
            | ConsoleReply::Operators { .. }
            | ConsoleReply::Calls { .. }
            | ConsoleReply::Guard { .. }
            | ConsoleReply::CallBacks { .. }
            | ConsoleReply::Meant { .. }
            | ConsoleReply::Marks { .. }
            | ConsoleReply::Mode { .. }
            | ConsoleReply::Messages { .. }),
        ) => Json(reply).into_response(),
        Err(error) => refused(error),
    }
}

fn unknown_category(known: &[String]) -> String {
    match known {
        [] => "unknown category; expected: no category, because the configuration has no [[category]]".to_owned(),
        known => format!("unknown category; expected: one of {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_body_is_named_without_the_parsers_own_words() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Wanted {
            #[expect(dead_code, reason = "only read")]
            to: PartyName,
        }
        let wrong = |body: &str| wrong_body(&serde_json::from_str::<Wanted>(body).unwrap_err());
        for (body, expected) in [
            ("", "the body is not JSON; expected: a JSON object"),
            ("{\"to\":", "the body is not JSON; expected: a JSON object"),
            ("to=sari", "the body is not JSON; expected: a JSON object"),
            ("{}", "the body lacks the field `to`; expected: a JSON object with it, as /v1/openapi.json describes it"),
            ("{\"to\":7}", "the body is wrong: the number 7; expected: a string"),
            ("{\"to\":[]}", "the body is wrong: an array; expected: a string"),
            ("7", "the body is wrong: the number 7; expected: an object"),
            ("{\"target\":\"sari\"}", "the body is wrong: unknown field target; expected: \"to\""),
            ("{\"to\":\"\"}", "the body is wrong: expected: a name or a number of at most 64 characters"),
        ] {
            assert_eq!(wrong(body), expected, "{body:?}");
        }
    }

    #[test]
    fn a_target_has_one_to_sixty_four_characters() {
        let read = |text: &str| serde_json::from_str::<PartyName>(&format!("\"{text}\"")).map(|whom| whom.0);
        assert_eq!(read("sari").unwrap(), "sari");
        assert_eq!(read(&"x".repeat(64)).unwrap().len(), 64);
        for wrong in [String::new(), "x".repeat(65)] {
            assert!(read(&wrong).unwrap_err().to_string().contains("at most 64 characters"), "{wrong:?}");
        }
    }
}
