//! Writes errors of the console that come from the router and not from a request's own code as JSON, and adds response texts to the
//! OpenAPI description.

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Map, Value};

use super::console_asker::wrong_body;
use super::console_reply::fault;
use super::console_state::WORDS_MAX;

/// Maximum bytes of an error's text; a longer text is replaced by the status.
const TEXT_BYTES_MAX: usize = 1_024;

/// Writes errors of the router and of the extractors (404, 405, 413 and others) as JSON, with their header fields.
pub(super) async fn as_json(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let status = response.status();
    let json = HeaderValue::from_static("application/json");
    let is_json = response.headers().get(header::CONTENT_TYPE) == Some(&json);
    if is_json || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, TEXT_BYTES_MAX).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let text = match status {
        StatusCode::PAYLOAD_TOO_LARGE => "the body is too long; expected: at most 16,384 bytes",
        _ if !text.trim().is_empty() => text.trim(),
        StatusCode::NOT_FOUND => "unknown path; expected: one of /v1/openapi.json",
        StatusCode::METHOD_NOT_ALLOWED => "unknown method; expected: one of the header field Allow",
        other => other.canonical_reason().unwrap_or("an error"),
    };
    let mut response = fault(status, text);
    for (name, value) in &parts.headers {
        if ![header::CONTENT_TYPE, header::CONTENT_LENGTH].contains(name) {
            response.headers_mut().append(name, value.clone());
        }
    }
    response.into_response()
}

/// The error for an invalid body of a break, with the expected reasons.
pub(super) fn wrong_pause(error: &serde_json::Error, reasons: &[String]) -> String {
    let expected = match reasons {
        [] => format!("a text of at most {WORDS_MAX} characters"),
        reasons => format!("one of {}", reasons.join(", ")),
    };
    let wrong = wrong_body(error);
    let wrong = wrong.split_once("; expected: ").map_or(wrong.as_str(), |(wrong, _)| wrong);
    format!("{wrong}; expected: {{\"reason\": …}}, {expected}, or no body")
}

/// The OpenAPI description as JSON. Each response gets a text (OpenAPI 3.1, Response Object): the text of its status if it has none.
pub(super) fn described(openapi: &utoipa::openapi::OpenApi) -> Vec<u8> {
    let mut document = serde_json::to_value(openapi).unwrap_or_default();
    for response in responses(&mut document) {
        let (status, object) = response;
        let is_described = object.get("description").and_then(Value::as_str).is_some_and(|text| !text.is_empty());
        if !is_described && !object.contains_key("$ref") {
            object.insert("description".to_owned(), Value::from(reason(&status)));
        }
    }
    serde_json::to_vec(&document).unwrap_or_default()
}

fn reason(status: &str) -> &'static str {
    let known = status.parse().ok().and_then(|code: u16| StatusCode::from_u16(code).ok());
    match known {
        Some(StatusCode::OK) => "success",
        Some(other) => other.canonical_reason().unwrap_or("another response"),
        None => "any other response",
    }
}

/// All responses of all requests, with their status.
fn responses(document: &mut Value) -> impl Iterator<Item = (String, &mut Map<String, Value>)> {
    let paths = document.get_mut("paths").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut);
    let operations = paths.filter_map(Value::as_object_mut).flat_map(Map::values_mut);
    let all = operations.filter_map(|operation| operation.get_mut("responses")?.as_object_mut());
    all.flat_map(Map::iter_mut).filter_map(|(status, response)| Some((status.clone(), response.as_object_mut()?)))
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::{Body, Bytes};
    use axum::extract::DefaultBodyLimit;
    use axum::middleware::from_fn;
    use axum::routing::post;
    use hyper::service::Service as _;
    use hyper_util::service::TowerToHyperService;

    use super::*;
    use crate::server::console_api::commands;

    async fn ask(method: &str, path: &str, body: Vec<u8>) -> (u16, Option<String>, Value) {
        let router = Router::new()
            .route("/v1/messages", post(|_: Bytes| async { "taken" }))
            .layer(DefaultBodyLimit::max(100))
            .layer(from_fn(as_json));
        let request = Request::builder().method(method).uri(path).body(Body::from(body)).unwrap();
        let response = TowerToHyperService::new(router).call(request).await.unwrap();
        let allow = response.headers().get(header::ALLOW).map(|value| value.to_str().unwrap().to_owned());
        let status = response.status().as_u16();
        let bytes = to_bytes(response.into_body(), 4_096).await.unwrap();
        (status, allow, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    #[tokio::test]
    async fn errors_that_no_page_has_written_are_json_like_all_others() {
        for (method, path, length, expected) in
            [("GET", "/v1/nothing", 0, 404), ("GET", "/v1/messages", 0, 405), ("POST", "/v1/messages", 200, 413)]
        {
            let (status, allow, body) = ask(method, path, vec![b'x'; length]).await;
            assert_eq!(status, expected);
            assert!(body["fault"].as_str().is_some_and(|text| text.len() > 10), "{status}: {body}");
            assert_eq!(allow.as_deref(), (status == 405).then_some("POST"));
        }
        assert_eq!(ask("POST", "/v1/messages", b"x".to_vec()).await.0, 200);
    }

    #[test]
    fn a_pause_without_its_reason_names_the_field_and_the_reasons() {
        let error = |body: &str| serde_json::from_str::<Pause>(body).err().unwrap();
        let reasons = ["meal".to_owned(), "prayer".to_owned()];
        for (body, reasons, expected) in [
            (
                "{}",
                &reasons[..],
                "the body lacks the field `reason`; expected: {\"reason\": …}, one of meal, prayer, or no body",
            ),
            (
                "{\"reason\":7}",
                &[],
                "the body is wrong: the number 7; expected: {\"reason\": …}, a text of at most 200 characters, or no body",
            ),
        ] {
            assert_eq!(wrong_pause(&error(body), reasons), expected);
        }
    }

    #[derive(Debug, serde::Deserialize)]
    struct Pause {
        #[expect(dead_code, reason = "only read")]
        reason: String,
    }

    /// What a validator asks of a document: https://spec.openapis.org/oas/v3.1.0.
    #[test]
    fn the_description_of_the_requests_is_valid() {
        let mut document: Value = serde_json::from_slice(&described(&commands().split_for_parts().1)).unwrap();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
        for key in ["title", "version"] {
            assert!(!document["info"][key].as_str().unwrap().is_empty(), "{key}");
        }
        let count = responses(&mut document).inspect(|(status, response)| {
            let text = response.get("description").and_then(Value::as_str).unwrap_or_default();
            assert!(!text.is_empty(), "{status} has no description: {response:?}");
        });
        assert!(count.count() > 50);
        let mut ids = std::collections::BTreeSet::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            let in_path: Vec<&str> = path.split(['{', '}']).skip(1).step_by(2).collect();
            for operation in methods.as_object().unwrap().values() {
                let id = operation["operationId"].as_str().unwrap();
                assert!(ids.insert(id.to_owned()), "{id} twice");
                let no_parameters = Vec::new();
                let parameters = operation["parameters"].as_array().unwrap_or(&no_parameters);
                let named: Vec<&str> = parameters
                    .iter()
                    .filter(|parameter| parameter["in"] == "path")
                    .inspect(|parameter| assert!(parameter["required"] == true && parameter["schema"].is_object()))
                    .map(|parameter| parameter["name"].as_str().unwrap())
                    .collect();
                assert_eq!(named, in_path, "{path}");
            }
        }
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(document.pointer(reference).is_some(), "{reference} is not there");
        }
    }
}
